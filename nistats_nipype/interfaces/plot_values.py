"""Figures of values: at the peaks of a result, of effects against z, of maps that stand apart."""

from pathlib import Path

from nipype.interfaces.base import File, InputMultiObject, isdefined, traits

from .loaders import load_contrast, load_design, load_names
from .plot import _Figure, _FigureInputSpec, _FigureOutputSpec
from .voxelwise import COVARIATE_FILES, load_covariates


class _PlotEffectSizeInputSpec(_FigureInputSpec):
    effect_file = File(exists=True, mandatory=True, desc='effect; for F 4D, one volume per row')
    z_file = File(exists=True, mandatory=True, desc='z map of the same contrast')
    mask_file = File(exists=True, mandatory=True, desc='mask of the fit')
    threshold_metadata_files = InputMultiObject(
        File(exists=True),
        desc='metadata of Threshold (JSON), two at most, whose heights in z are marked',
    )
    label = traits.Str(
        'effect (units of the maps)', usedefault=True, desc='name and unit of the effect'
    )


class PlotEffectSize(_Figure):
    """Draw the effect of every voxel against its z.

    Examples
    --------
    >>> PlotEffectSize(title='age').inputs.label
    'effect (units of the maps)'
    """

    input_spec = _PlotEffectSizeInputSpec

    def _run_interface(self, runtime):
        from ..images.files import load_json
        from ..viz.effects import plot_effect_size

        inputs = self.inputs
        paths = inputs.threshold_metadata_files
        metadata = [load_json(path) for path in paths] if isdefined(paths) else []
        self._results['figure_file'] = plot_effect_size(
            inputs.effect_file,
            inputs.z_file,
            self._out_file(runtime, 'effect_size'),
            mask_file=inputs.mask_file,
            thresholds={
                _name_level(each): each['Threshold']
                for each in metadata
                if each['Threshold'] is not None
            },
            sidedness=metadata[0]['Sidedness'] if metadata else 'two-sided',
            label=inputs.label,
            **self._defined('title'),
        )
        return runtime


def _name_level(metadata):
    """What a threshold stands for.

    >>> _name_level({'Method': 'fpr', 'Alpha': 0.001}), _name_level({'Method': 'height'})
    ('p < 0.001 uncorrected', 'given height')
    """
    words = {
        'fpr': 'p < {:g} uncorrected',
        'fdr': 'q < {:g} FDR',
        'bonferroni': 'p < {:g} Bonferroni',
        'fwe': 'p < {:g} FWE-corrected',
    }
    if metadata['Method'] == 'height':
        return 'given height'
    return words[metadata['Method']].format(metadata['Alpha'])


class _PlotOutliersInputSpec(_FigureInputSpec):
    summary_file = File(exists=True, mandatory=True, desc='measures of CheckMaps (TSV)')
    findings_file = File(
        exists=True, desc='findings of CheckMaps (TSV): the maps that they are about are named'
    )


class PlotOutliers(_Figure):
    """Draw mean, spread, coverage and likeness of every map, and name those that stand apart.

    Examples
    --------
    >>> PlotOutliers(title='Maps').inputs.file_format
    'png'
    """

    input_spec = _PlotOutliersInputSpec

    def _run_interface(self, runtime):
        from ..images.files import load_table
        from ..stats.diagnostics import MapSummary
        from ..viz.outliers import plot_outliers

        table, findings = load_table(self.inputs.summary_file), self.inputs.findings_file
        labels = table['map'].astype(str).tolist()
        flagged = []
        if isdefined(findings):
            found = load_table(findings)['where'].astype(str)
            flagged = [label for label in labels if label in set(found)]
        self._results['figure_file'] = plot_outliers(
            MapSummary(*(table[name].to_numpy(dtype=float) for name in MapSummary._fields)),
            self._out_file(runtime, 'outliers'),
            labels=labels,
            flagged=flagged,
            **self._defined('title'),
        )
        return runtime


class _PlotPeaksInputSpec(_FigureInputSpec):
    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='3D maps, one per row of the design, or one 4D file, or packed observations (.npy)',
    )
    mask_file = File(exists=True, mandatory=True, desc='mask of the fit')
    design_file = File(exists=True, mandatory=True, desc='design matrix of the fit (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    clusters_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='tables of TableClusters (TSV); the peaks of the first one that has any are drawn',
    )
    maps_file = File(
        exists=True,
        desc='table with a row for each map and a column file (TSV), which names packed '
        'observations: maps of one subject are connected',
    )
    design_metadata_file = File(
        exists=True, desc='metadata of BuildDesign (JSON), for the names of reference levels'
    )
    covariate_files = InputMultiObject(
        traits.Either(File(exists=True), traits.List(File(exists=True))),
        desc=f'the voxelwise covariates, in the order of their columns: {COVARIATE_FILES}',
    )
    statistic = traits.Str('z', usedefault=True, desc='name of the statistic in the tables')
    max_peaks = traits.Range(low=1, value=6, usedefault=True, desc='peaks drawn at most')
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 in a map as missing, as NaN always is'
    )
    label = traits.Str(
        'value (units of the maps)', usedefault=True, desc='name and unit of the values'
    )


class _PlotPeaksOutputSpec(_FigureOutputSpec):
    values_file = File(
        exists=True,
        desc='what is drawn (TSV), a row for each peak and map: value, adjusted value, fitted '
        'value, group and covariate',
    )
    metadata_file = File(exists=True, desc='what is drawn, and what for it is adjusted (JSON)')


class PlotPeaks(_Figure):
    """Draw the values of the subjects at the strongest peaks of a contrast.

    By group if the contrast is about a factor, against the covariate if it is about a number,
    about 0 if it is about the mean; adjusted for the other regressors by least squares.

    Examples
    --------
    >>> PlotPeaks(max_peaks=3).inputs.label
    'value (units of the maps)'
    """

    input_spec = _PlotPeaksInputSpec
    output_spec = _PlotPeaksOutputSpec

    def _run_interface(self, runtime):
        from ..designs.display import display_contrast, reference_levels
        from ..designs.tables import subject_label
        from ..images.files import load_json, save_json, save_table
        from ..images.observations import load_observations
        from ..stats.design import check_rows
        from ..viz.peaks import plot_peaks

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file, voxelwise=True)
        contrast = load_contrast(inputs.contrast_file, design)
        data = load_observations(
            inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        )
        check_rows(design.to_numpy(), len(data.names))
        names = load_names(inputs.maps_file) if isdefined(inputs.maps_file) else data.names
        about = inputs.design_metadata_file
        display = display_contrast(
            design,
            contrast.weights,
            references=reference_levels(load_json(about)) if isdefined(about) else {},
            labels=[subject_label(name) for name in names],
        )
        peaks = self._peaks()
        panels, table = self._panels(peaks, data, design, display, names)
        self._results = {
            'figure_file': plot_peaks(
                panels,
                self._out_file(runtime, 'peaks'),
                kind=display.kind,
                groups=display.groups,
                names=display.names,
                x_name=display.x_name,
                subjects=display.subjects,
                label=inputs.label,
                **self._defined('title'),
            ),
            'values_file': save_table(table, cwd / 'peaks.tsv'),
            'metadata_file': save_json(_describe(display, design, len(peaks)), cwd / 'peaks.json'),
        }
        return runtime

    def _peaks(self):
        """Rows of the table that are drawn: main peaks before others, the strongest first."""
        from ..images.files import load_table

        tables = [load_table(path) for path in self.inputs.clusters_files]
        table = next((each for each in tables if len(each)), tables[0])
        order = table.assign(size=table['peak_stat'].abs())
        order = order.sort_values(['peak', 'size'], ascending=[True, False], kind='stable')
        return table.loc[order.index[: self.inputs.max_peaks]]

    def _panels(self, peaks, data, design, display, names):
        """What is drawn of each peak, and the same as a table."""
        import numpy as np
        import pandas as pd

        from ..stats.adjusted import adjust_values, adjusted_means
        from ..viz.peaks import Panel

        covariates, maps = self._covariates(design), data.values  # noqa: PD011
        panels, parts = [], []
        for peak in peaks.to_dict('records'):
            point = _point_at(peak, data.space, self.inputs.mask_file)
            values = maps[:, [point]][:, 0].astype(float)
            matrix = design.to_numpy(dtype=float)
            x, held = display.x, display.held.copy()
            for column, each in covariates.items():
                matrix[:, column] = each[:, [point]][:, 0]
                if str(design.columns[column]) == display.x_name:
                    x = matrix[:, column]
                if column in display.removed and display.kind != 'mean':
                    held[:, display.removed.index(column)] = matrix[:, column].mean()
            model = (values, matrix, display.removed, held)
            adjusted, fitted = adjust_values(*model)
            summaries = []
            if display.kind in ('mean', 'groups'):
                summaries = adjusted_means(*model, display.groups)
            if display.subjects is not None:
                # The spread between subjects is not what the test of a difference compares with.
                summaries[:, 1:] = np.nan
            place = ', '.join(f'{peak[axis]:.0f}' for axis in ('x_mm', 'y_mm', 'z_mm'))
            title = f'({place}) mm: {self.inputs.statistic} = {peak["peak_stat"]:.2f}'
            panels.append(Panel(title.replace('-', '−'), adjusted, fitted, summaries, x))
            about = {name: peak[name] for name in ('cluster_id', 'peak', 'x_mm', 'y_mm', 'z_mm')}
            shown = {'file': names, 'value': values, 'adjusted': adjusted, 'fitted': fitted}
            shown['group'] = [display.names[group] for group in display.groups]
            if x is not None:
                shown['covariate'] = x
            parts.append(pd.DataFrame({**about, **shown}))
        return panels, pd.concat(parts) if parts else pd.DataFrame(columns=_COLUMNS)

    def _covariates(self, design):
        """Voxelwise covariates by the columns that stand for them."""
        from ..designs.covariates import voxelwise_columns
        from ..exceptions import InputError

        columns = voxelwise_columns(design)
        files = self.inputs.covariate_files if isdefined(self.inputs.covariate_files) else []
        if columns and not files:
            raise InputError(
                'The design has voxelwise covariates, whose values at the peaks are not known.',
                found=', '.join(columns),
                expected='covariate_files',
            )
        places = [list(map(str, design.columns)).index(name) for name in columns]
        maps = load_covariates(columns, files, self.inputs)
        return dict(zip(places, maps, strict=True))


_COLUMNS = ['cluster_id', 'peak', 'x_mm', 'y_mm', 'z_mm', 'file', 'value', 'adjusted', 'fitted']


def _point_at(peak, space, mask_file):
    """Index among the voxels of the mask of a place in mm."""
    import numpy as np
    from nibabel.affines import apply_affine

    from ..exceptions import InputError

    place = [peak[axis] for axis in ('x_mm', 'y_mm', 'z_mm')]
    voxel = np.rint(apply_affine(np.linalg.inv(space.affine), place)).astype(int)
    inside = (voxel >= 0).all() and (voxel < space.mask.shape).all()
    if not inside or not space.mask[tuple(voxel)]:
        raise InputError(
            'A peak lies outside of the mask.',
            found=f'({", ".join(f"{each:g}" for each in place)}) mm, {mask_file}',
            expected='the cluster table of a map of that mask',
        )
    flat = np.ravel_multi_index(tuple(voxel), space.mask.shape)
    return int(np.count_nonzero(space.mask.ravel()[:flat]))


def _describe(display, design, n_peaks):
    """Metadata of the figure."""
    return {
        'Kind': display.kind,
        'NumberOfPeaks': n_peaks,
        'Groups': display.names,
        'Covariate': display.x_name,
        'AdjustedFor': [str(design.columns[column]) for column in display.removed],
        'HeldAt': '0' if display.kind == 'mean' else 'the means',
        'Repeated': display.subjects is not None,
    }
