"""Results under BIDS-derivative names, with JSON sidecars."""

from pathlib import Path
from typing import NamedTuple

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Directory,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from .. import __version__


class _Item(NamedTuple):
    """How one input of a sink is named and described in the results folder."""

    name: str
    description: str
    #: Metadata that the sidecar holds, of those that the sink was given; None: no sidecar.
    metadata: tuple | None = ()


_PARAMETRIC = ('model', 'contrast')
_PERMUTATION = ('contrast', 'permutation')
_SPATIAL = ('contrast', 'spatial')

#: Corrected maps, and the desc label of their files.
CORRECTED = {'fwe': 'voxelFWE', 'extent': 'extentFWE', 'mass': 'massFWE', 'tfce': 'tfceFWE'}
_WORDS = {
    'fwe': 'FWE-corrected permutation p',
    'extent': 'FWE-corrected permutation p of the cluster extent',
    'mass': 'FWE-corrected permutation p of the cluster mass',
    'tfce': 'FWE-corrected permutation p of TFCE',
}


def _corrected_items():
    """Names of the maps and tables that each correction gives."""
    items = {}
    for label, desc in CORRECTED.items():
        made = _PERMUTATION if label == 'fwe' else _SPATIAL
        metadata = (*made, label)
        items[f'z_{label}_file'] = _Item(
            f'stat-z_desc-{desc}Threshold_statmap',
            f'z where the {_WORDS[label]} passes, 0 elsewhere',
            metadata,
        )
        items[f'clusters_{label}_file'] = _Item(
            f'desc-{desc}Threshold_clusters', 'Clusters and peaks', metadata
        )
        if label != 'fwe':
            items[f'{label}_p_fwe_file'] = _Item(
                f'stat-p_desc-{desc}_statmap', _WORDS[label], made
            )
            items[f'{label}_logp_fwe_file'] = _Item(
                f'stat-logp_desc-{desc}_statmap', f'-log10 of the {_WORDS[label]}', made
            )
    return items


#: Input of the sink -> name after the contrast label, without extension.
CONTRAST_ITEMS = {
    'effect_file': _Item('stat-effect_statmap', 'Contrast of the estimates', _PARAMETRIC),
    'variance_file': _Item(
        'stat-variance_statmap', 'Sampling variance of the effect', _PARAMETRIC
    ),
    'stat_file': _Item('stat-{kind}_statmap', 'Observed statistic', _PARAMETRIC),
    'z_file': _Item('stat-z_statmap', 'Normal score of the statistic', _PARAMETRIC),
    'p_file': _Item('stat-p_statmap', 'Parametric p, uncorrected', _PARAMETRIC),
    'z_uncorrected_file': _Item(
        'stat-z_desc-uncorrectedThreshold_statmap',
        'z where it passes the uncorrected threshold, 0 elsewhere',
        (*_PARAMETRIC, 'uncorrected'),
    ),
    'clusters_uncorrected_file': _Item(
        'desc-uncorrectedThreshold_clusters', 'Clusters and peaks', ('contrast', 'uncorrected')
    ),
    'p_uncorrected_file': _Item(
        'stat-p_desc-permutation_statmap', 'Permutation p, uncorrected', _PERMUTATION
    ),
    'p_fwe_file': _Item(
        'stat-p_desc-voxelFWE_statmap', 'Permutation p, FWE-corrected over voxels', _PERMUTATION
    ),
    'logp_fwe_file': _Item(
        'stat-logp_desc-voxelFWE_statmap',
        '-log10 of the permutation p, FWE-corrected over voxels',
        _PERMUTATION,
    ),
    'cor_z_score_file': _Item(
        'stat-z_desc-voxelFWE_statmap',
        'Normal score of the FWE-corrected permutation p, not below 0 (cor_z_score)',
        _PERMUTATION,
    ),
    'q_fdr_file': _Item(
        'stat-q_desc-FDR_statmap', 'Permutation p, adjusted for the FDR', _PERMUTATION
    ),
    'logq_fdr_file': _Item(
        'stat-logp_desc-FDR_statmap',
        '-log10 of the permutation p, adjusted for the FDR',
        _PERMUTATION,
    ),
    'null_file': _Item(
        'desc-voxelFWE_null', 'Maximum statistic of every relabelling', _PERMUTATION
    ),
    'summary_file': _Item('summary', 'The answer in a sentence', None),
    'tfce_file': _Item('stat-tfce_statmap', 'TFCE, without a sign', _SPATIAL),
    'tfce_p_uncorrected_file': _Item(
        'stat-p_desc-tfce_statmap',
        'Permutation p of TFCE, uncorrected',
        _SPATIAL,
    ),
    'spatial_null_file': _Item(
        'desc-spatialFWE_null',
        'Largest cluster extent, cluster mass and TFCE of every relabelling',
        _SPATIAL,
    ),
    **_corrected_items(),
}
GROUP_ITEMS = {
    'mask_file': _Item('mask', 'Voxels that were analysed'),
    'coverage_file': _Item('coverage', 'Number of maps observed at each voxel'),
    'n_file': _Item('n', 'Number of maps in the fit at each voxel', ('model',)),
    'maps_file': _Item('maps', 'Maps in the order of the design, and the voxels each lacks'),
    'design_file': _Item('design', 'Design matrix, one row per map', ('model',)),
    'report_file': _Item('report', 'Report of the analysis', None),
}


def software_versions():
    """Versions of what the numbers depend on.

    Examples
    --------
    >>> 'numpy' in software_versions()
    True
    """
    from importlib.metadata import version

    names = ('nibabel', 'nilearn', 'nipype', 'numba', 'numpy', 'scipy')
    return {'nistats_nipype': __version__, **{name: version(name) for name in names}}


class _SinkInputSpec(BaseInterfaceInputSpec):
    out_dir = Directory(mandatory=True, desc='folder of the results; it is made if need be')
    figure_files = InputMultiObject(File(exists=True), desc='figures')
    figure_names = traits.List(traits.Str, desc='names of the figures, without extension')
    model_metadata_file = File(exists=True, desc='metadata of the fit (JSON)')


class _SinkOutputSpec(TraitedSpec):
    out_files = traits.List(File(), desc='files in the results folder')


class _Sink(SimpleInterface):
    """Base of the sinks.

    They run every time, so that a results folder that was deleted or moved is filled
    again from a work folder; a file that is there with the same content is left alone.
    """

    output_spec = _SinkOutputSpec
    _always_run = True

    def _sink(self, items, prefix='', **words):
        from ..exceptions import InputError
        from ..images.files import place_file

        folder = self._folder()
        placed = []
        for trait, item in items.items():
            source = getattr(self.inputs, trait)
            if isdefined(source):
                target = folder / (prefix + item.name.format(**words) + _extension(source))
                placed.append(place_file(source, target))
                if item.metadata is not None:
                    placed.append(self._sidecar(item, target))
        figures, names = self.inputs.figure_files, self.inputs.figure_names
        if isdefined(figures):
            if not isdefined(names) or len(names) != len(figures):
                raise InputError(
                    'Every figure needs a name.', expected=f'{len(figures)} figure_names'
                )
            (folder / 'figures').mkdir(exist_ok=True)
            for source, name in zip(figures, names, strict=True):
                target = folder / 'figures' / f'{prefix}{name}{_extension(source)}'
                placed.append(place_file(source, target))
        self._results['out_files'] = placed
        return folder

    def _folder(self):
        from ..exceptions import OutputError

        folder = Path(self.inputs.out_dir).absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f'The results folder {folder} could not be made.',
                found=error.strerror,
                advice='Choose a folder that can be written to.',
            ) from error
        return folder

    def _sidecar(self, item, target):
        from ..images.files import load_json, save_json

        content = {
            'Description': item.description,
            'Sources': ['bids::maps.tsv', 'bids::design.tsv', 'bids::mask.nii.gz'],
            'SoftwareVersions': software_versions(),
        }
        for part in item.metadata:
            path = getattr(self.inputs, f'{part}_metadata_file')
            if isdefined(path):
                content |= load_json(path)
        return save_json(content, target.with_name(target.name.split('.')[0] + '.json'))


def _extension(path):
    return '.nii.gz' if str(path).endswith('.nii.gz') else Path(path).suffix


class _SinkContrastInputSpec(_SinkInputSpec):
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    contrast_metadata_file = File(exists=True, desc='metadata of the test (JSON)')
    permutation_metadata_file = File(exists=True, desc='metadata of the permutations (JSON)')
    uncorrected_metadata_file = File(exists=True, desc='uncorrected threshold (JSON)')
    fwe_metadata_file = File(exists=True, desc='FWE threshold (JSON)')
    effect_file = File(exists=True, desc='effect map')
    variance_file = File(exists=True, desc='variance map')
    stat_file = File(exists=True, desc='t or F map')
    z_file = File(exists=True, desc='z map')
    p_file = File(exists=True, desc='p map')
    z_uncorrected_file = File(exists=True, desc='z map thresholded at uncorrected p')
    clusters_uncorrected_file = File(exists=True, desc='clusters at uncorrected p (TSV)')
    p_uncorrected_file = File(exists=True, desc='uncorrected permutation p map')
    p_fwe_file = File(exists=True, desc='corrected permutation p map')
    logp_fwe_file = File(exists=True, desc='-log10 of the corrected permutation p map')
    cor_z_score_file = File(exists=True, desc='z map of the corrected permutation p')
    q_fdr_file = File(exists=True, desc='FDR-adjusted permutation p map')
    logq_fdr_file = File(exists=True, desc='-log10 of the FDR-adjusted permutation p map')
    null_file = File(exists=True, desc='null distribution (TSV)')
    tfce_file = File(exists=True, desc='TFCE map')
    tfce_p_uncorrected_file = File(exists=True, desc='uncorrected permutation p map of TFCE')
    spatial_null_file = File(exists=True, desc='null distributions of extent, mass, TFCE (TSV)')
    spatial_metadata_file = File(exists=True, desc='metadata of extent, mass, TFCE (JSON)')
    z_fwe_file = File(exists=True, desc='z map where the corrected p passes')
    clusters_fwe_file = File(exists=True, desc='clusters where the corrected p passes (TSV)')
    z_extent_file = File(exists=True, desc='z map where the corrected p of the extent passes')
    clusters_extent_file = File(
        exists=True, desc='clusters where the corrected p of the extent passes (TSV)'
    )
    extent_metadata_file = File(
        exists=True, desc='threshold of the corrected p of the extent (JSON)'
    )
    extent_p_fwe_file = File(exists=True, desc='map of the corrected p of the extent')
    extent_logp_fwe_file = File(exists=True, desc='-log10 of the corrected p of the extent')
    z_mass_file = File(exists=True, desc='z map where the corrected p of the mass passes')
    clusters_mass_file = File(
        exists=True, desc='clusters where the corrected p of the mass passes (TSV)'
    )
    mass_metadata_file = File(exists=True, desc='threshold of the corrected p of the mass (JSON)')
    mass_p_fwe_file = File(exists=True, desc='map of the corrected p of the mass')
    mass_logp_fwe_file = File(exists=True, desc='-log10 of the corrected p of the mass')
    z_tfce_file = File(exists=True, desc='z map where the corrected p of TFCE passes')
    clusters_tfce_file = File(
        exists=True, desc='clusters where the corrected p of TFCE passes (TSV)'
    )
    tfce_metadata_file = File(exists=True, desc='threshold of the corrected p of TFCE (JSON)')
    tfce_p_fwe_file = File(exists=True, desc='map of the corrected p of TFCE')
    tfce_logp_fwe_file = File(exists=True, desc='-log10 of the corrected p of TFCE')
    summary_file = File(exists=True, desc='the answer in a sentence (JSON)')


class SinkContrast(_Sink):
    """Put the results of a contrast into a folder, under BIDS-derivative names.

    Every file gets a JSON sidecar. A sink runs every time, and leaves alone what is
    there already with the same content.

    Examples
    --------
    >>> SinkContrast(out_dir='results').inputs.out_dir
    'results'
    """

    input_spec = _SinkContrastInputSpec

    def _run_interface(self, runtime):
        from ..designs.contrasts import Contrast
        from ..images.files import load_json

        contrast = Contrast.from_dict(load_json(self.inputs.contrast_file))
        self._sink(CONTRAST_ITEMS, f'contrast-{contrast.label}_', kind=contrast.kind)
        return runtime


class _SinkGroupInputSpec(_SinkInputSpec):
    mask_file = File(exists=True, desc='group mask')
    coverage_file = File(exists=True, desc='number of maps observed at each voxel')
    n_file = File(exists=True, desc='number of maps in the fit at each voxel')
    maps_file = File(exists=True, desc='table of the maps (TSV)')
    design_file = File(exists=True, desc='design matrix (TSV)')
    report_file = File(exists=True, desc='report (HTML)')


class SinkGroup(_Sink):
    """Put what all contrasts share into a folder, with its dataset_description.json.

    A sink runs every time, and leaves alone what is there already with the same content.

    Examples
    --------
    >>> SinkGroup(out_dir='results').inputs.out_dir
    'results'
    """

    input_spec = _SinkGroupInputSpec

    def _run_interface(self, runtime):
        from ..images.files import save_json

        folder = self._sink(GROUP_ITEMS)
        description = {
            'Name': 'nistats_nipype: second-level analysis',
            'BIDSVersion': '1.10.0',
            'DatasetType': 'derivative',
            'GeneratedBy': [{'Name': 'nistats_nipype', 'Version': __version__}],
        }
        self._results['out_files'].append(
            save_json(description, folder / 'dataset_description.json')
        )
        return runtime
