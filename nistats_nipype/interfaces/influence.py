"""What a result would be without each of the subjects."""

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

from .loaders import load_contrast, load_design, load_names


class _MeasureInfluenceInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='3D maps, one per row of the design, or one 4D file, or packed observations (.npy)',
    )
    mask_file = File(exists=True, mandatory=True, desc='mask of the fit')
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    maps_file = File(
        exists=True,
        desc='table with a row for each map and a column file (TSV), which names packed '
        'observations',
    )
    variance_groups_file = File(
        exists=True, desc='variance groups of the fit: refused, as least squares have none'
    )
    sidedness = traits.Enum(
        'two-sided',
        'positive',
        'negative',
        usedefault=True,
        desc='where the peak is looked for: the largest |t|, t or -t; F has one side',
    )
    missing = traits.Enum(
        'error',
        'drop_voxel',
        'per_voxel',
        usedefault=True,
        desc='policy of the fit for missing values; with per_voxel, a map that a voxel lacks has '
        'no influence there',
    )
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 in a map as missing, as NaN always is'
    )
    save_maps = traits.Bool(
        False, usedefault=True, desc='write a map of the statistic without each subject'
    )


class _MeasureInfluenceOutputSpec(TraitedSpec):
    influence_file = File(
        exists=True,
        desc='a row for each map (TSV): the statistic at the peak without it, the largest changes '
        'of effect and statistic and where they are (mm), and the peak without it',
    )
    map_files = traits.List(
        File(exists=True), desc='the statistic without each map, in their order, if asked for'
    )
    metadata_file = File(exists=True, desc='the peak of all, and who matters most there (JSON)')


class MeasureInfluence(SimpleInterface):
    """Measure how a contrast of least squares changes without each of the maps.

    In closed form: no model is fitted again.

    Examples
    --------
    >>> MeasureInfluence(sidedness='positive').inputs.save_maps
    False
    """

    input_spec = _MeasureInfluenceInputSpec
    output_spec = _MeasureInfluenceOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..exceptions import InputError
        from ..images.files import save_json, save_table
        from ..images.observations import load_observations
        from ..stats.influence import leave_one_out

        inputs, cwd = self.inputs, Path(runtime.cwd)
        if isdefined(inputs.variance_groups_file):
            raise InputError(
                'Influence is measured on t and F, which have no variance groups.',
                found=f'variance groups in {inputs.variance_groups_file}',
                advice='Leave out the variance groups, or the influence.',
            )
        design = load_design(inputs.design_file)
        contrast = load_contrast(inputs.contrast_file, design)
        data = load_observations(
            inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        )
        names = load_names(inputs.maps_file) if isdefined(inputs.maps_file) else data.names
        side = contrast.tested_side(inputs.sidedness)
        scratch = cwd / 'without.npy'
        out = None
        if inputs.save_maps:
            # On disk: a large group does not fit in memory.
            out = np.lib.format.open_memmap(
                scratch, mode='w+', dtype=np.float32, shape=data.values.shape
            )
        try:
            result = leave_one_out(
                data.values,
                design.to_numpy(),
                contrast.weights,
                sidedness=side,
                missing=inputs.missing,
                labels=names,
                out=out,
            )
            if out is not None:
                self._results['map_files'] = _save_maps(out, data.space, names, cwd)
        finally:
            scratch.unlink(missing_ok=True)
        table = _table(result, data.space, names)
        self._results['influence_file'] = save_table(table, cwd / 'influence.tsv')
        self._results['metadata_file'] = save_json(
            _describe(result, data.space, table, side), cwd / 'influence.json'
        )
        return runtime


def _places(points, space):
    """Coordinates in mm: an array of shape (N, 3), NaN where there is no point."""
    import numpy as np
    from nibabel.affines import apply_affine

    voxels = np.argwhere(space.mask)
    places = np.full((len(points), 3), np.nan)
    known = np.asarray(points) >= 0
    places[known] = apply_affine(space.affine, voxels[np.asarray(points)[known]])
    return places


def _table(result, space, names):
    import pandas as pd

    columns = {
        'file': names,
        'stat_at_peak': result.stat_at_peak,
        'change_at_peak': result.stat_at_peak - result.stat,
    }
    for name, values, points in (
        ('largest_effect_change', result.effect_change, result.effect_point),
        ('largest_stat_change', result.stat_change, result.stat_point),
        ('new_peak', result.new_stat, result.new_peak),
    ):
        columns[name] = values
        for axis, place in zip('xyz', _places(points, space).T, strict=True):
            columns[f'{name}_{axis}_mm'] = place
    return pd.DataFrame(columns)


def _describe(result, space, table, side):
    """Metadata: the peak, and the maps without which it is weakest and strongest."""
    known = table.dropna(subset='stat_at_peak')
    metadata = {
        'Influence': 'each map left out in turn, in closed form',
        'Statistic': result.kind,
        'Sidedness': side,
        'PeakStatistic': None if result.peak < 0 else result.stat,
        'Peak': None if result.peak < 0 else _places([result.peak], space)[0].tolist(),
        'NumberOfMapsWithoutWhichNothingIsLeft': int(len(table) - len(known)),
    }
    # Towards the sign of the peak: t of a negative one is weak where it is high.
    strength = known['stat_at_peak'] * (-1 if result.stat < 0 else 1)
    order = strength.argsort().to_numpy()
    for name, index in {'Weakest': 0, 'Strongest': -1}.items():
        if len(known):
            row = known.iloc[order[index]]
            metadata[f'{name}AtPeak'] = {'file': row['file'], 'stat': float(row['stat_at_peak'])}
    return metadata


def _save_maps(out, space, names, cwd):
    from ..designs.tables import subject_label

    width = len(str(len(names)))
    files = []
    for index, (row, name) in enumerate(zip(out, names, strict=True)):
        label = subject_label(name) or Path(name).name.split('.')[0]
        target = cwd / f'without_{index:0{width}d}_{label.replace(" ", "-")}.nii.gz'
        files.append(space.save(row, target))
    return files
