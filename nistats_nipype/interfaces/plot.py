"""Figures of maps, designs and null distributions."""

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


class _FigureInputSpec(BaseInterfaceInputSpec):
    title = traits.Str(desc='title of the figure')
    file_format = traits.Enum('png', 'svg', 'pdf', usedefault=True, desc='format of the figure')


class _MapFigureInputSpec(_FigureInputSpec):
    in_file = File(exists=True, mandatory=True, desc='3D map in MNI space')
    threshold = traits.Float(desc='absolute values below are not drawn; default: draw all but 0')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='which signs are drawn'
    )
    threshold_metadata_file = File(
        exists=True,
        desc='metadata of Threshold (JSON), in place of threshold and sidedness: the colour bar '
        'and the note on an empty map tell its height',
    )
    vmax = traits.Float(desc='value of the strongest colour; default: the largest drawn')
    mask_file = File(exists=True, desc='mask of the map')
    label = traits.Str(desc='name and unit of the values, for the colour bar')


class _FigureOutputSpec(TraitedSpec):
    figure_file = File(exists=True, desc='the figure')


class _Figure(SimpleInterface):
    """Base of the figures: optional inputs to keyword arguments, one file out."""

    output_spec = _FigureOutputSpec

    def _defined(self, *names):
        values = {name: getattr(self.inputs, name) for name in names}
        return {name: value for name, value in values.items() if isdefined(value)}

    def _limits(self):
        """Threshold and sidedness as given, or those that made the map."""
        from ..images.files import load_json

        limits = self._defined('threshold', 'sidedness')
        if isdefined(self.inputs.threshold_metadata_file):
            about = load_json(self.inputs.threshold_metadata_file)
            limits['sidedness'] = about['Sidedness']
            if about['Threshold'] is not None:
                limits['threshold'] = about['Threshold']
        return limits

    def _out_file(self, runtime, name):
        return Path(runtime.cwd) / f'{name}.{self.inputs.file_format}'


class PlotGlassBrain(_Figure):
    """Draw a map on a glass brain.

    Examples
    --------
    >>> PlotGlassBrain(threshold=3.1, title='left > right').inputs.sidedness
    'two-sided'
    """

    input_spec = _MapFigureInputSpec

    def _run_interface(self, runtime):
        from ..viz.maps import plot_glass_brain

        self._results['figure_file'] = plot_glass_brain(
            self.inputs.in_file,
            self._out_file(runtime, 'glass_brain'),
            **self._limits(),
            **self._defined('title', 'vmax', 'mask_file', 'label'),
        )
        return runtime


class _PlotStatMapInputSpec(_MapFigureInputSpec):
    bg_file = File(exists=True, desc='anatomical image below; default: the MNI152 template')
    cut_coords = traits.List(
        traits.Float, desc='z of the axial slices in mm; default: where the map is strongest'
    )


class PlotStatMap(_Figure):
    """Draw a map on slices of an anatomical image.

    Examples
    --------
    >>> PlotStatMap(threshold=3.1, cut_coords=[-10, 20, 50]).inputs.file_format
    'png'
    """

    input_spec = _PlotStatMapInputSpec

    def _run_interface(self, runtime):
        from ..viz.maps import plot_stat_map

        self._results['figure_file'] = plot_stat_map(
            self.inputs.in_file,
            self._out_file(runtime, 'slices'),
            **self._limits(),
            **self._defined('title', 'vmax', 'mask_file', 'label', 'bg_file', 'cut_coords'),
        )
        return runtime


class PlotSurface(_Figure):
    """Draw a map on the inflated cortex of fsaverage5.

    Examples
    --------
    >>> PlotSurface(threshold=3.1, title='left > right').inputs.file_format
    'png'
    """

    input_spec = _MapFigureInputSpec

    def _run_interface(self, runtime):
        from ..viz.surface import plot_surface

        self._results['figure_file'] = plot_surface(
            self.inputs.in_file,
            self._out_file(runtime, 'surface'),
            **self._limits(),
            **self._defined('title', 'vmax', 'mask_file', 'label'),
        )
        return runtime


class _PlotSubjectsInputSpec(_FigureInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='3D maps, one per subject, or one 4D file'
    )
    tmap_files = InputMultiObject(
        File(exists=True), desc='t maps of the same subjects, drawn in place of in_files'
    )
    labels = traits.List(traits.Str, desc='one per map; default: the subjects, or the file names')
    threshold = traits.Float(desc='absolute values below are not drawn; default: draw all but 0')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='which signs are drawn'
    )
    label = traits.Str(desc='name and unit of the values, for the colour bar')
    max_subjects = traits.Range(
        low=1,
        value=240,
        usedefault=True,
        desc='of a larger group so many are drawn, evenly spread over the list; the title says so',
    )


class PlotSubjects(_Figure):
    """Draw the maps of all subjects as a grid of glass brains.

    Examples
    --------
    >>> PlotSubjects(threshold=2.0).inputs.sidedness
    'two-sided'
    """

    input_spec = _PlotSubjectsInputSpec

    def _run_interface(self, runtime):
        from ..designs.tables import subject_label
        from ..viz.group import plot_subjects

        inputs = self.inputs
        paths = inputs.tmap_files if isdefined(inputs.tmap_files) else inputs.in_files
        labels = inputs.labels
        if not isdefined(labels) and len(paths) > 1:
            labels = [subject_label(path) or Path(path).name.split('.')[0] for path in paths]
        self._results['figure_file'] = plot_subjects(
            paths,
            self._out_file(runtime, 'subjects'),
            labels=labels if isdefined(labels) else None,
            threshold=inputs.threshold if isdefined(inputs.threshold) else None,
            **self._defined('title', 'sidedness', 'label', 'max_subjects'),
        )
        return runtime


class _PlotCoverageInputSpec(_FigureInputSpec):
    coverage_file = File(exists=True, mandatory=True, desc='number of maps at each voxel')
    losses_file = File(exists=True, mandatory=True, desc='table with one row per map (TSV)')


class PlotCoverage(_Figure):
    """Draw how many maps cover each voxel.

    Examples
    --------
    >>> PlotCoverage(file_format='svg').inputs.file_format
    'svg'
    """

    input_spec = _PlotCoverageInputSpec

    def _run_interface(self, runtime):
        from ..images.files import load_table
        from ..viz.group import plot_coverage

        self._results['figure_file'] = plot_coverage(
            self.inputs.coverage_file,
            len(load_table(self.inputs.losses_file)),
            self._out_file(runtime, 'coverage'),
            **self._defined('title'),
        )
        return runtime


class _PlotDesignInputSpec(_FigureInputSpec):
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    contrast_files = InputMultiObject(File(exists=True), desc='contrasts (JSON)')


class PlotDesign(_Figure):
    """Draw a design matrix with its contrasts.

    Examples
    --------
    >>> PlotDesign(title='Design').inputs.title
    'Design'
    """

    input_spec = _PlotDesignInputSpec

    def _run_interface(self, runtime):
        from ..designs.contrasts import Contrast
        from ..images.files import load_json, load_table
        from ..viz.plots import plot_design

        inputs = self.inputs
        paths = inputs.contrast_files if isdefined(inputs.contrast_files) else []
        contrasts = [Contrast.from_dict(load_json(path)) for path in paths]
        self._results['figure_file'] = plot_design(
            load_table(inputs.design_file),
            self._out_file(runtime, 'design'),
            contrasts={contrast.name: contrast.weights.tolist() for contrast in contrasts},
            **self._defined('title'),
        )
        return runtime


class _PlotNullInputSpec(_FigureInputSpec):
    null_file = File(exists=True, mandatory=True, desc='maximum statistics (TSV), observed first')
    alpha = traits.Float(0.05, usedefault=True, desc='familywise error rate')


def _in_words(column):
    """What the column of a null distribution holds.

    >>> _in_words('max_abs_pseudo_t'), _in_words('min_z')
    ('max |pseudo-t|', 'max -z')
    """
    for prefix, words in {'max_abs_': 'max |%s|', 'max_': 'max %s', 'min_': 'max -%s'}.items():
        if column.startswith(prefix):
            return words % column.removeprefix(prefix).replace('_', '-')
    return column


class PlotNull(_Figure):
    """Draw the null distribution of the maximum statistic with the observed maximum.

    Examples
    --------
    >>> PlotNull(alpha=0.05).inputs.file_format
    'png'
    """

    input_spec = _PlotNullInputSpec

    def _run_interface(self, runtime):
        from ..images.files import load_table
        from ..viz.plots import plot_null

        table = load_table(self.inputs.null_file)
        name = table.columns[-1]
        null = table[name].dropna().to_numpy()
        if name.startswith('min_'):
            null = -null
        self._results['figure_file'] = plot_null(
            null,
            null[0],
            self._out_file(runtime, 'null'),
            alpha=self.inputs.alpha,
            statistic=_in_words(name),
            **self._defined('title'),
        )
        return runtime


class _PlotInfluenceInputSpec(_FigureInputSpec):
    influence_file = File(exists=True, mandatory=True, desc='table of MeasureInfluence (TSV)')
    metadata_file = File(exists=True, mandatory=True, desc='metadata of MeasureInfluence (JSON)')


class PlotInfluence(_Figure):
    """Draw the statistic at the peak without each of the maps.

    Examples
    --------
    >>> PlotInfluence(title='age').inputs.file_format
    'png'
    """

    input_spec = _PlotInfluenceInputSpec

    def _run_interface(self, runtime):
        from ..designs.tables import subject_label
        from ..images.files import load_json, load_table
        from ..viz.influence import plot_influence

        table = load_table(self.inputs.influence_file)
        about = load_json(self.inputs.metadata_file)
        names = table['file'].astype(str)
        stat = about['PeakStatistic']
        self._results['figure_file'] = plot_influence(
            table['stat_at_peak'].to_numpy(dtype=float),
            float('nan') if stat is None else stat,
            self._out_file(runtime, 'influence'),
            labels=[subject_label(name) or Path(name).name.split('.')[0] for name in names],
            statistic=about['Statistic'],
            **self._defined('title'),
        )
        return runtime
