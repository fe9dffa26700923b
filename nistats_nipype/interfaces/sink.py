"""Results under BIDS-derivative names, with JSON sidecars."""

from functools import lru_cache
from pathlib import Path

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
from .names import CONTRAST_ITEMS, GROUP_ITEMS, JOINT_ITEMS, JOINT_NULL


def software_versions():
    """Versions of what the numbers depend on.

    Examples
    --------
    >>> 'numpy' in software_versions()
    True
    """
    names = ('nibabel', 'nilearn', 'nipype', 'numba', 'numpy', 'scipy')
    return {'nistats_nipype': __version__, **{name: _version(name) for name in names}}


@lru_cache
def _version(name):
    """Version of a distribution; each sidecar asks, and the search takes a millisecond or two."""
    from importlib.metadata import version

    return version(name)


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
                placed += self._place(item, source, folder, prefix, words)
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

    def _place(self, item, source, folder, prefix, words, **about):
        """Copy a file and write its sidecar; ``about`` goes into the latter."""
        from ..images.files import place_file

        target = folder / (prefix + item.name.format(**words) + _extension(source))
        placed = [place_file(source, target)]
        if item.metadata is not None:
            placed.append(self._sidecar(item, target, **about))
        return placed

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

    def _sidecar(self, item, target, **about):
        from ..images.files import load_json, save_json

        content = {
            'Description': item.description,
            'Sources': ['bids::maps.tsv', 'bids::design.tsv', 'bids::mask.nii.gz'],
            'SoftwareVersions': software_versions(),
            **about,
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
    stat_file = File(
        exists=True,
        desc='map of t or F, v or G, chi-squared, named after it; z is the z map, and left out',
    )
    z_file = File(exists=True, desc='z map')
    p_file = File(exists=True, desc='p map')
    z_uncorrected_file = File(exists=True, desc='z map thresholded at uncorrected p')
    clusters_uncorrected_file = File(exists=True, desc='clusters at uncorrected p (TSV)')
    pseudo_stat_file = File(exists=True, desc='map of pseudo-t')
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
    influence_file = File(exists=True, desc='influence of each map (TSV)')
    influence_metadata_file = File(exists=True, desc='metadata of the influence (JSON)')
    peaks_file = File(exists=True, desc='values of the maps at the peaks (TSV)')
    peaks_metadata_file = File(exists=True, desc='metadata of the values at the peaks (JSON)')
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

        inputs = self.inputs
        contrast = Contrast.from_dict(load_json(inputs.contrast_file))
        about = inputs.contrast_metadata_file
        about = load_json(about) if isdefined(about) else {}
        statistic = about.get('StatisticName', contrast.kind)
        items = dict(CONTRAST_ITEMS)
        if statistic == 'z' and isdefined(inputs.z_file):
            # Of fixed effects the statistic is z: one map, and one name.
            del items['stat_file']
        self._sink(items, f'contrast-{contrast.label}_', kind=contrast.kind, statistic=statistic)
        return runtime


class _SinkJointInputSpec(BaseInterfaceInputSpec):
    out_dir = Directory(mandatory=True, desc='folder of the results; it is made if need be')
    contrast_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='contrasts (JSON), in the order of all lists'
    )
    contrasts_metadata_file = File(
        exists=True, desc='metadata of the correction over contrasts (JSON)'
    )
    null_file = File(
        exists=True, desc='null distributions over voxels and contrasts together (TSV)'
    )
    p_fwe_files = traits.List(File(exists=True), desc='p corrected over voxels and contrasts')
    logp_fwe_files = traits.List(File(exists=True), desc='-log10 of these')
    extent_p_fwe_files = traits.List(File(exists=True), desc='likewise, of the cluster extent')
    extent_logp_fwe_files = traits.List(File(exists=True), desc='-log10 of these')
    mass_p_fwe_files = traits.List(File(exists=True), desc='likewise, of the cluster mass')
    mass_logp_fwe_files = traits.List(File(exists=True), desc='-log10 of these')
    tfce_p_fwe_files = traits.List(File(exists=True), desc='likewise, of TFCE')
    tfce_logp_fwe_files = traits.List(File(exists=True), desc='-log10 of these')


class SinkJoint(_Sink):
    """Put the p that are corrected over contrasts into a folder, a map for each contrast.

    Every file gets a JSON sidecar. A sink runs every time, and leaves alone what is
    there already with the same content.

    Examples
    --------
    >>> SinkJoint(out_dir='results').inputs.out_dir
    'results'
    """

    input_spec = _SinkJointInputSpec

    def _run_interface(self, runtime):
        from ..designs.contrasts import Contrast
        from ..exceptions import InputError
        from ..images.files import load_json

        inputs, folder, placed = self.inputs, self._folder(), []
        contrasts = [Contrast.from_dict(load_json(path)) for path in inputs.contrast_files]
        for trait, item in JOINT_ITEMS.items():
            sources = getattr(inputs, trait)
            if not isdefined(sources):
                continue
            if len(sources) != len(contrasts):
                raise InputError(
                    f'There is not one map for each contrast in {trait}.',
                    found=f'{len(sources)} maps',
                    expected=f'{len(contrasts)}, in the order of contrast_files',
                )
            for contrast, source in zip(contrasts, sources, strict=True):
                prefix = f'contrast-{contrast.label}_'
                placed += self._place(item, source, folder, prefix, {}, **contrast.to_dict())
        if isdefined(inputs.null_file):
            placed += self._place(JOINT_NULL, inputs.null_file, folder, '', {})
        self._results['out_files'] = placed
        return runtime


class _SinkGroupInputSpec(_SinkInputSpec):
    mask_file = File(exists=True, desc='group mask')
    coverage_file = File(exists=True, desc='number of maps observed at each voxel')
    n_file = File(exists=True, desc='number of maps in the fit at each voxel')
    maps_file = File(exists=True, desc='table of the maps (TSV)')
    design_file = File(exists=True, desc='design matrix (TSV)')
    findings_file = File(exists=True, desc='what the checks found (TSV)')
    design_metadata_file = File(exists=True, desc='terms and coding of the design (JSON)')
    weights_file = File(exists=True, desc='weights of the maps in a robust fit (TSV)')
    tau2_file = File(exists=True, desc='map of the between-subject variance')
    i2_file = File(exists=True, desc='map of the share of heterogeneity')
    q_file = File(exists=True, desc='map of Q')
    q_p_file = File(exists=True, desc='map of the p of Q')
    matching_metadata_file = File(
        exists=True, desc='how maps, variances and rows were matched (JSON)'
    )
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
