"""The report of an analysis."""

import platform
from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

_PARTS = (
    'contrast',
    'uncorrected',
    'fwe',
    'extent',
    'mass',
    'tfce',
    'permutation',
    'spatial',
    'influence',
    'peaks',
)


class _SummarizeContrastInputSpec(BaseInterfaceInputSpec):
    contrast_metadata_file = File(exists=True, mandatory=True, desc='metadata of the test (JSON)')
    uncorrected_metadata_file = File(
        exists=True, mandatory=True, desc='metadata of the uncorrected threshold (JSON)'
    )
    clusters_uncorrected_file = File(
        exists=True, mandatory=True, desc='clusters at uncorrected p (TSV)'
    )
    fwe_metadata_file = File(exists=True, desc='metadata of the FWE threshold (JSON)')
    clusters_fwe_file = File(exists=True, desc='clusters at corrected p (TSV)')
    permutation_metadata_file = File(exists=True, desc='metadata of the permutations (JSON)')
    uncorrected_figure_file = File(exists=True, desc='z at uncorrected p, on a glass brain')
    slices_figure_file = File(exists=True, desc='z at uncorrected p, on slices')
    fwe_figure_file = File(exists=True, desc='z where corrected p passes, on a glass brain')
    cor_z_figure_file = File(exists=True, desc='z of the corrected p, on a glass brain')
    null_figure_file = File(exists=True, desc='null distribution')
    surface_figure_file = File(exists=True, desc='z at uncorrected p, on the cortex')
    effect_size_figure_file = File(exists=True, desc='effect against z')
    peaks_figure_file = File(exists=True, desc='values of the maps at the peaks')
    peaks_metadata_file = File(exists=True, desc='metadata of the values at the peaks (JSON)')
    influence_figure_file = File(exists=True, desc='the peak without each of the maps')
    influence_metadata_file = File(exists=True, desc='metadata of the influence (JSON)')
    spatial_metadata_file = File(exists=True, desc='metadata of cluster and TFCE inference (JSON)')
    extent_metadata_file = File(
        exists=True, desc='threshold of the corrected p of the extent (JSON)'
    )
    clusters_extent_file = File(
        exists=True, desc='clusters where the corrected p of the extent passes (TSV)'
    )
    extent_figure_file = File(
        exists=True, desc='z where the corrected p of the extent passes, on a glass brain'
    )
    mass_metadata_file = File(exists=True, desc='threshold of the corrected p of the mass (JSON)')
    clusters_mass_file = File(
        exists=True, desc='clusters where the corrected p of the mass passes (TSV)'
    )
    mass_figure_file = File(
        exists=True, desc='z where the corrected p of the mass passes, on a glass brain'
    )
    tfce_metadata_file = File(exists=True, desc='threshold of the corrected p of TFCE (JSON)')
    clusters_tfce_file = File(
        exists=True, desc='clusters where the corrected p of TFCE passes (TSV)'
    )
    tfce_figure_file = File(
        exists=True, desc='z where the corrected p of TFCE passes, on a glass brain'
    )
    viewer_file = File(exists=True, desc='page to move through z at uncorrected p, see ViewImg')


class _SummarizeContrastOutputSpec(TraitedSpec):
    section_file = File(exists=True, desc='what the report says about the contrast (JSON)')
    summary_file = File(exists=True, desc='the answer in a sentence (JSON)')


class SummarizeContrast(SimpleInterface):
    """Collect what the report says about one contrast.

    Examples
    --------
    >>> 'section_file' in SummarizeContrast.output_spec().copyable_trait_names()
    True
    """

    input_spec = _SummarizeContrastInputSpec
    output_spec = _SummarizeContrastOutputSpec

    def _run_interface(self, runtime):
        from ..images.files import load_json, load_table, save_json
        from ..viz.prose import describe_result, describe_spatial

        defined = {
            name: value for name, value in self.inputs.get_traitsfree().items() if isdefined(value)
        }
        metadata = {
            part: load_json(defined[f'{part}_metadata_file'])
            for part in _PARTS
            if f'{part}_metadata_file' in defined
        }
        answer = 'fwe' if 'fwe' in metadata else 'uncorrected'
        clusters = load_table(defined[f'clusters_{answer}_file'])
        headline = describe_result(
            metadata['contrast'], metadata[answer], metadata.get('permutation'), clusters
        )
        spatial = {name: metadata[name] for name in ('extent', 'mass', 'tfce') if name in metadata}
        headline += describe_spatial(spatial, metadata.get('spatial'))
        # An empty table of corrected clusters says less than the uncorrected ones with their
        # corrected p.
        shown = answer if len(clusters) else 'uncorrected'
        summary = {'Contrast': metadata['contrast']['Contrast'], 'Result': headline}
        section = {
            'headline': headline,
            'clusters_file': defined[f'clusters_{shown}_file'],
            'clusters_at': shown,
            'figures': {name: path for name, path in defined.items() if 'figure' in name},
            'viewer_file': defined.get('viewer_file'),
            'metadata': metadata,
        }
        cwd = Path(runtime.cwd)
        self._results = {
            'section_file': save_json(section, cwd / 'section.json'),
            'summary_file': save_json(summary, cwd / 'summary.json'),
        }
        return runtime


class _MakeReportInputSpec(BaseInterfaceInputSpec):
    title = traits.Str('Second-level analysis', usedefault=True, desc='title of the report')
    section_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='one per contrast (JSON), see SummarizeContrast'
    )
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    losses_file = File(exists=True, mandatory=True, desc='voxels that each map lacks (TSV)')
    mask_file = File(exists=True, desc='mask of the analysis, for the size of its voxels')
    model_metadata_file = File(exists=True, mandatory=True, desc='metadata of the fit (JSON)')
    contrasts_metadata_file = File(
        exists=True, desc='metadata of the correction over contrasts (JSON)'
    )
    findings_file = File(exists=True, desc='what the checks found (TSV), see CheckMaps')
    matching_metadata_file = File(
        exists=True, desc='how maps, variances and rows were matched (JSON)'
    )
    tau2_figure_file = File(exists=True, desc='figure of the between-subject variance')
    i2_figure_file = File(exists=True, desc='figure of the share of heterogeneity')
    design_figure_file = File(exists=True, desc='figure of the design')
    subjects_figure_file = File(exists=True, desc='figure of all subjects')
    outliers_figure_file = File(exists=True, desc='figure of the maps that stand apart')
    coverage_figure_file = File(exists=True, desc='figure of the coverage')
    fwhm_mm = traits.Float(0.0, usedefault=True, desc='FWHM of the smoothing in mm, for the text')
    covariate_fwhm_mm = traits.Float(
        0.0, usedefault=True, desc='that of maps of voxelwise covariates in mm, for the text'
    )
    mask_method = traits.Enum(
        'given',
        'intersection',
        'coverage',
        'template',
        usedefault=True,
        desc='method of the mask, for the text',
    )
    execution = traits.Dict(
        traits.Str,
        traits.Str,
        usedefault=True,
        nohash=True,
        desc='what is to be said of the run beside software versions, such as its plugin; no '
        'influence on whether the report is made again',
    )


class _MakeReportOutputSpec(TraitedSpec):
    report_file = File(exists=True, desc='HTML page that opens without a network')


class MakeReport(SimpleInterface):
    """Make the HTML report of an analysis: one file, opened by any browser, offline.

    In a workflow, the report shows the nodes as they have run by then: status, time and memory.

    Examples
    --------
    >>> MakeReport(title='Left against right button press').inputs.fwhm_mm
    0.0
    """

    input_spec = _MakeReportInputSpec
    output_spec = _MakeReportOutputSpec

    def _run_interface(self, runtime):
        from ..images.files import load_json, load_table
        from ..viz.estimators import describe_dropped, describe_weights
        from ..viz.methods import methods_text
        from ..viz.report import render_report
        from ..viz.sections import DesignSection, GroupSection
        from .record import summarize_run
        from .sink import software_versions

        inputs = self.inputs
        sections = [load_json(path) for path in inputs.section_files]
        model = load_json(inputs.model_metadata_file)
        joint = inputs.contrasts_metadata_file
        joint = load_json(joint) if isdefined(joint) else None
        design = load_table(inputs.design_file)
        versions, findings = software_versions(), self._findings()
        tests = [
            {'test': section['metadata']['contrast'], **section['metadata']}
            for section in sections
        ]
        self._results['report_file'] = render_report(
            Path(runtime.cwd) / 'report.html',
            title=inputs.title,
            summary=f'{model["NumberOfMaps"]} maps, {model["NumberOfVoxelsFitted"]:,} voxels, '
            f'{len(sections)} contrast{"s" * (len(sections) > 1)}.{_count_warnings(findings)}',
            contrasts=[_contrast_section(section, joint) for section in sections],
            design=DesignSection(self._figure('design', 'Design matrix and contrasts'), design),
            group=GroupSection(
                [
                    figure
                    for figure in (
                        self._figure('subjects', 'The maps of the subjects'),
                        self._figure(
                            'outliers',
                            'Mean, spread, coverage and likeness of each map. Within the pale '
                            'range no map stands apart; diamonds are maps that the checks name',
                        ),
                        self._figure('coverage', 'Number of maps that cover each voxel'),
                    )
                    if figure
                ],
                load_table(inputs.losses_file),
                describe_dropped(self._matching()) + describe_weights(model),
            ),
            heterogeneity=self._heterogeneity(model),
            methods=methods_text(model, self._preparation(), tests, versions, joint),
            provenance={
                **inputs.execution,
                **_describe_seeds(sections),
                'Software': {'Python': platform.python_version(), **versions},
            },
            findings=findings,
            run=summarize_run(runtime.cwd),
        )
        return runtime

    def _matching(self):
        from ..images.files import load_json

        path = self.inputs.matching_metadata_file
        return load_json(path) if isdefined(path) else {'Dropped': []}

    def _preparation(self):
        """What the methods text says of the maps before the fit."""
        from ..images.nifti import open_image

        inputs = self.inputs
        sizes = []
        if isdefined(inputs.mask_file):
            sizes = [float(size) for size in open_image(inputs.mask_file).header.get_zooms()[:3]]
        return {
            'fwhm_mm': inputs.fwhm_mm,
            'covariate_fwhm_mm': inputs.covariate_fwhm_mm,
            'mask_method': inputs.mask_method,
            'voxel_mm': sizes,
            'n_left_out': len(self._matching()['Dropped']),
        }

    def _heterogeneity(self, model):
        from ..viz.estimators import describe_heterogeneity
        from ..viz.sections import HeterogeneitySection

        if 'MixedModel' not in model:
            return None
        figures = [
            self._figure('tau2', 'τ², the variance between maps'),
            self._figure('i2', 'I², the share of the variation that is between maps, in percent'),
        ]
        return HeterogeneitySection(
            [figure for figure in figures if figure], describe_heterogeneity(model)
        )

    def _findings(self):
        from ..images.files import load_table

        path = self.inputs.findings_file
        if not isdefined(path):
            return None
        return load_table(path).fillna('').astype(str).to_dict('records')

    def _figure(self, name, caption):
        from ..viz.sections import Figure

        path = getattr(self.inputs, f'{name}_figure_file')
        return Figure(path, caption, caption) if isdefined(path) else None


def _count_warnings(findings):
    """Point to what the checks found, if it puts the results in doubt."""
    number = sum(finding['severity'] != 'note' for finding in findings or ())
    if not number:
        return ''
    return f' The checks gave {number} warning{"s" * (number > 1)}, see there.'


def _describe_seeds(sections):
    """Seeds of the relabellings; none where all were enumerated, or there are none."""
    seeds = {
        str(section['metadata'].get('permutation', {}).get('Seed', 'none')) for section in sections
    } - {'none'}
    return {'Seed of the relabellings': ', '.join(sorted(seeds))} if seeds else {}


def _contrast_section(section, joint):
    from ..images.files import load_table
    from ..viz.answer import key_figures
    from ..viz.captions import arrange_figures, describe_figure
    from ..viz.estimators import describe_statistic
    from ..viz.influence import describe_influence
    from ..viz.prose import (
        describe_joint,
        describe_permutation,
        describe_possible,
        describe_side,
    )
    from ..viz.sections import ContrastSection, Figure

    test, figures = section['metadata']['contrast'], section['figures']
    permutation = section['metadata'].get('permutation')
    statistic = test.get('StatisticName', test['Statistic'])
    level = {'fwe': 'FWE-corrected'}.get(section['clusters_at'], 'uncorrected')
    facts = {
        'Statistic': describe_statistic(test),
        'Sidedness': describe_side(test['Statistic'], test['Sidedness'], statistic),
        'Table': f'clusters at the {level} threshold',
    }
    if permutation:
        facts['Relabellings'] = describe_permutation(permutation)
        facts['Relabellings possible'] = describe_possible(permutation)
        facts['Method'] = permutation['Method']
        facts['Permuted statistic'] = permutation['StatisticName']
        facts |= _describe_p(permutation)
    if 'influence' in section['metadata']:
        facts['Influence'] = describe_influence(section['metadata']['influence'])
    if joint:
        facts['Corrected over contrasts'] = describe_joint(joint, test['Contrast'])
    headings = arrange_figures({name.removesuffix('_figure_file') for name in figures})
    captions = {name: describe_figure(name, section['metadata']) for name in headings}
    null = figures.get('null_figure_file')
    clusters = load_table(section['clusters_file'])
    caption = 'Maximum statistic of every relabelling, with the observed and the critical value'
    return ContrastSection(
        name=test['Contrast'],
        kind=statistic,
        definition=test['ContrastFormula'],
        headline=section['headline'],
        figures=[
            Figure(
                figures[f'{name}_figure_file'],
                text,
                f'{test["Contrast"]}: {text}',
                headings[name],
            )
            for name, text in captions.items()
        ],
        clusters=clusters,
        metadata=facts,
        null_figure=Figure(null, caption, f'{test["Contrast"]}: null distribution')
        if null
        else None,
        answer=key_figures(section['metadata'], clusters),
        viewer=section['viewer_file'],
    )


def _describe_p(permutation):
    """Facts about the p values of a permutation test."""
    from ..viz.prose import describe_interval, describe_tail, format_p

    facts, tail = {}, permutation['Tail']
    facts['Corrected p'] = permutation['CorrectedPValue']
    if tail:
        facts['Corrected p'] = describe_tail(tail, permutation['SmallestPossibleP'])
    facts['Monte Carlo error'] = describe_interval(permutation['MonteCarlo'])
    method = {'BH': 'Benjamini-Hochberg', 'BKY': 'Benjamini-Krieger-Yekutieli'}
    facts['False discovery rate'] = (
        f'{method[permutation["FDRMethod"]]} on uncorrected permutation p, '
        f'smallest adjusted {format_p(permutation["SmallestFDRAdjustedP"])}'
    )
    return facts
