"""Permutation inference, scattered over chunks and gathered."""

from pathlib import Path
from typing import NamedTuple

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from .evidence import correction_metadata, load_schedule_metadata, method_metadata, warn_of_few
from .loaders import Extremes, load_chunk, load_contrast, load_design, save_extremes
from .schedule import load_schedule


class PermuteInputSpec(BaseInterfaceInputSpec):
    """Inputs of whatever runs over a chunk of relabellings."""

    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='3D maps, one per row of the design, or one 4D file, or packed observations (.npy)',
    )
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are tested')
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    schedule_file = File(exists=True, mandatory=True, desc='relabellings (.npz)')
    chunk = traits.Int(0, usedefault=True, desc='which chunk of the schedule, from 0')
    n_chunks = traits.Int(1, usedefault=True, desc='in how many chunks the schedule is cut')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='side of t; F has one side'
    )
    missing = traits.Enum(
        'error',
        'drop_voxel',
        usedefault=True,
        desc='refuse missing values, or test complete voxels only',
    )
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 in a map as missing, as NaN always is'
    )
    variance_fwhm_mm = traits.Float(
        0.0,
        usedefault=True,
        desc='FWHM in mm of the Gaussian kernel that smooths the error variance, for pseudo-t; 0 '
        'leaves it as it is. Of use where there are few degrees of freedom, 20 or less',
    )
    num_threads = traits.Int(
        1, usedefault=True, nohash=True, desc='threads; no influence on the result'
    )


class _PermuteOutputSpec(TraitedSpec):
    chunk_file = File(exists=True, desc='maxima and counts of the chunk (.npz)')


class Permute(SimpleInterface):
    """Compute a statistic over a chunk of a schedule of relabellings.

    The split into chunks has no influence on the merged result, to the last bit.

    Examples
    --------
    >>> Permute(chunk=2, n_chunks=8).inputs.num_threads
    1
    """

    input_spec = PermuteInputSpec
    output_spec = _PermuteOutputSpec

    def _run_interface(self, runtime):
        from ..stats.permutation import permute

        request = load_request(self.inputs)
        chunk = permute(**request.arguments)
        self._results['chunk_file'] = save_chunk(chunk, self.inputs, runtime)
        return runtime


class Request(NamedTuple):
    """What a chunk of relabellings is asked for.

    Attributes
    ----------
    space : nistats_nipype.images.observations.VolumeSpace
        Where the points are.
    arguments : dict
        Of :func:`nistats_nipype.stats.permutation.permute`.
    """

    space: object
    arguments: dict


def load_request(inputs):
    """Load what the inputs of a chunk, see :class:`PermuteInputSpec`, name."""
    from functools import partial

    from ..images.observations import load_observations
    from ..images.smoothing import smooth_row
    from ..stats.relabelling import chunk_bounds

    design = load_design(inputs.design_file)
    contrast = load_contrast(inputs.contrast_file, design)
    schedule = load_schedule(inputs.schedule_file)
    start, stop = chunk_bounds(schedule.n_relabellings, inputs.chunk, inputs.n_chunks)
    data = load_observations(
        inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
    )
    smooth = None
    if inputs.variance_fwhm_mm:
        smooth = partial(smooth_row, space=data.space, fwhm_mm=inputs.variance_fwhm_mm)
    arguments = {
        'values': data.values,
        'design': design.to_numpy(),
        'contrast': contrast.weights,
        'schedule': schedule,
        'start': start,
        'stop': stop,
        'sidedness': inputs.sidedness,
        'missing': inputs.missing,
        'labels': data.names,
        'smooth_variance': smooth,
        'num_threads': inputs.num_threads,
    }
    return Request(data.space, arguments)


def save_chunk(chunk, inputs, runtime, **measured):
    """Save a chunk, and what the metadata of the merged result say of it."""
    import json

    from ..images.files import save_arrays

    measured['VarianceFWHM'] = inputs.variance_fwhm_mm or None
    out_file = Path(runtime.cwd) / f'chunk-{inputs.chunk:04d}.npz'
    return save_arrays(out_file, **chunk._asdict(), measured=json.dumps(measured))


class MergeInputSpec(BaseInterfaceInputSpec):
    """Inputs of whatever merges chunks."""

    chunk_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='all chunks of one schedule, in any order'
    )
    mask_file = File(exists=True, mandatory=True, desc='mask of the chunks')
    design_file = File(exists=True, mandatory=True, desc='design matrix of the chunks (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast of the chunks (JSON)')
    schedule_metadata_file = File(exists=True, desc='how the schedule was drawn (JSON)')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='side of the chunks'
    )
    tail = traits.Enum(
        'none',
        'gpd',
        'gamma',
        usedefault=True,
        desc='approximate the tail of the null distribution of the maximum, for corrected p below '
        'what the relabellings can count: generalised Pareto for the upper tail, or gamma for '
        'all of it; needs schedule_metadata_file. No effect where all relabellings were used, '
        'and none on cluster extent',
    )


class _MergePermutationsInputSpec(MergeInputSpec):
    signed_z = traits.Bool(
        False, usedefault=True, desc="give cor_z_score the sign of t; nistats' has none"
    )
    fdr_method = traits.Enum(
        'BH',
        'BKY',
        usedefault=True,
        desc='false discovery rate of the uncorrected p: Benjamini-Hochberg, or adaptive '
        '(Benjamini-Krieger-Yekutieli)',
    )
    fdr_alpha = traits.Float(
        0.05, usedefault=True, desc='the only level that adjusted p by BKY can be compared with'
    )


class _MergePermutationsOutputSpec(TraitedSpec):
    stat_file = File(exists=True, desc='observed t or F; v, G or pseudo-t if so permuted')
    p_uncorrected_file = File(exists=True, desc='uncorrected p; 1 outside the mask')
    p_fwe_file = File(exists=True, desc='familywise-error-corrected p; 1 outside the mask')
    logp_fwe_file = File(exists=True, desc='-log10 of the corrected p; 0 outside the mask')
    cor_z_score_file = File(exists=True, desc='z of the corrected p, not below 0')
    q_fdr_file = File(exists=True, desc='FDR-adjusted permutation p; 1 outside the mask')
    logq_fdr_file = File(exists=True, desc='-log10 of the FDR-adjusted p; 0 outside the mask')
    null_file = File(exists=True, desc='maximum statistic of every relabelling (TSV)')
    extremes_file = File(exists=True, desc='observed statistic and maxima for CorrectContrasts')
    metadata_file = File(exists=True, desc='how the p values were made (JSON)')


class MergePermutations(SimpleInterface):
    """Merge the chunks of a permutation test into p values and the null distribution.

    p is the share of the relabellings, the observed one included, that reach the
    observed value: at the same voxel (uncorrected), or anywhere in the mask (corrected).
    With a ``tail``, small corrected p are read off a distribution fitted to the maxima.

    Examples
    --------
    >>> MergePermutations(tail='gpd').inputs.fdr_method
    'BH'
    """

    input_spec = _MergePermutationsInputSpec
    output_spec = _MergePermutationsOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..images.files import save_json, save_table
        from ..stats.approximation import on_side
        from ..stats.correction import corrected_z

        cwd = Path(runtime.cwd)
        contrast, side, measured, result, space = self._merge()
        found, metadata = self._correct(side, result)
        metadata |= measured
        q = self._adjust(result.p_uncorrected)
        z = corrected_z(found.p, result.stat if self.inputs.signed_z else None)
        for name, row, fill in (
            ('stat', result.stat, 0.0),
            ('p_uncorrected', result.p_uncorrected, 1.0),
            ('p_fwe', found.p, 1.0),
            ('logp_fwe', -np.log10(found.p) + 0.0, 0.0),
            ('cor_z_score', z, 0.0),
            ('q_fdr', q, 1.0),
            ('logq_fdr', -np.log10(q) + 0.0, 0.0),
        ):
            self._results[f'{name}_file'] = space.save(row, cwd / f'{name}.nii.gz', fill=fill)
        metadata |= method_metadata(metadata, contrast.kind, result.scale)
        metadata['SmallestFDRAdjustedP'] = float(np.nanmin(q))
        null = _null_table(result.null, metadata['NullOf'], side)
        self._results['null_file'] = save_table(null, cwd / 'null.tsv')
        extremes = {'voxel': Extremes(on_side(result.observed, side), result.null)}
        self._results['extremes_file'] = save_extremes(cwd / 'extremes.npz', extremes)
        self._results['metadata_file'] = save_json(metadata, cwd / 'permutation.json')
        return runtime

    def _merge(self):
        from ..images.observations import load_space
        from ..stats.permutation import Chunk, merge

        inputs = self.inputs
        design = load_design(inputs.design_file)
        contrast = load_contrast(inputs.contrast_file, design)
        side = contrast.tested_side(inputs.sidedness)
        chunks, measured = zip(
            *(load_chunk(path, Chunk) for path in inputs.chunk_files), strict=True
        )
        result = merge(chunks, design.to_numpy(), contrast.weights, sidedness=side)
        return contrast, side, measured[0], result, load_space(inputs.mask_file)

    def _correct(self, side, result):
        """Corrected p, and what is known of them."""
        import numpy as np

        from ..stats.approximation import approximate, on_side

        inputs, null = self.inputs, result.null[~np.isnan(result.null)]
        n = len(null)
        schedule, n_possible = load_schedule_metadata(inputs.schedule_metadata_file)
        exhaustive = schedule.get('Exhaustive', False)
        warn_of_few(inputs.tail, n, exhaustive)
        found = approximate(
            result.p_fwe,
            null,
            on_side(result.observed, side),
            tail=inputs.tail,
            n_possible=n_possible,
        )
        tested = ~np.isnan(result.stat)
        counted = float(np.nanmin(result.p_fwe))
        metadata = {
            **schedule,
            'Sidedness': side,
            'NumberOfRelabellings': n,
            'NumberOfRelabellingsLeftOut': len(result.null) - n,
            'NumberOfVoxelsWithRelabellingsLeftOut': int((result.left_out > 0).sum()),
            'SmallestPossibleP': found.smallest,
            'PValue': 'share of the relabellings, the observed one included, that reach the '
            'observed value',
            **correction_metadata(found, null, counted, inputs.tail, exhaustive),
            'NumberOfVoxelsTested': int(tested.sum()),
            'NumberOfVoxelsNotTested': int((~tested).sum()),
            'FDRMethod': inputs.fdr_method,
            'FDRAlpha': inputs.fdr_alpha if inputs.fdr_method == 'BKY' else None,
        }
        return found, metadata

    def _adjust(self, p):
        from ..stats.correction import fdr, fdr_two_stage

        inputs = self.inputs
        return fdr(p) if inputs.fdr_method == 'BH' else fdr_two_stage(p, inputs.fdr_alpha)


def _null_table(null, name, side):
    import pandas as pd

    names = {'two-sided': f'max_abs_{name}', 'positive': f'max_{name}', 'negative': f'min_{name}'}
    values = -null if side == 'negative' else null
    return pd.DataFrame({'relabelling': range(len(null)), names[side]: values})
