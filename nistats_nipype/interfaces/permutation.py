"""Permutation inference, scattered over chunks and gathered."""

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

from .evidence import (
    interval_metadata,
    load_schedule_metadata,
    tail_metadata,
    warn_of_few,
    write_count,
)
from .loaders import load_contrast, load_design, load_record


class _DrawScheduleInputSpec(BaseInterfaceInputSpec):
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    n_perm = traits.Int(
        10000, usedefault=True, desc='relabellings drawn beside the observed one, at least 1'
    )
    seed = traits.Int(0, usedefault=True, desc='seed of the schedule, at least 0')
    errors = traits.Enum(
        'auto',
        'exchangeable',
        'symmetric',
        'both',
        usedefault=True,
        desc='assumption about the errors: permute, flip signs, both, or chosen by the design '
        '(sign flips where the contrast involves the mean of the data)',
    )
    blocks_file = File(
        exists=True,
        desc="exchangeability blocks in PALM's format: whole numbers, one row per observation, "
        'one column (exchangeable within) or one per level (.csv, or separated by blanks or tabs)',
    )


class _DrawScheduleOutputSpec(TraitedSpec):
    schedule_file = File(exists=True, desc='relabellings, row 0 the observed one (.npz)')
    metadata_file = File(exists=True, desc='how it was drawn (JSON)')


class DrawSchedule(SimpleInterface):
    """Draw the relabellings of a permutation test, or enumerate them where there are few.

    Examples
    --------
    >>> DrawSchedule(n_perm=1000, seed=42).inputs.errors
    'auto'
    """

    input_spec = _DrawScheduleInputSpec
    output_spec = _DrawScheduleOutputSpec

    def _run_interface(self, runtime):
        from ..designs.blocks import load_blocks
        from ..images.files import save_json
        from ..stats.exchange import draw_schedule

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file)
        contrast = load_contrast(inputs.contrast_file, design)
        schedule = draw_schedule(
            design.to_numpy(),
            contrast.weights,
            n_perm=inputs.n_perm,
            seed=inputs.seed,
            errors=inputs.errors,
            blocks=load_blocks(inputs.blocks_file) if isdefined(inputs.blocks_file) else None,
        )
        metadata = {
            'ExchangeabilityBlocks': None if schedule.blocks is None else schedule.blocks.tolist(),
            'Errors': schedule.errors,
            'ErrorsChosenBy': 'design' if inputs.errors == 'auto' else 'user',
            'NumberOfRelabellings': schedule.n_relabellings,
            # Exact: JSON has integers of any size, but many readers have not.
            'NumberOfPossibleRelabellings': write_count(schedule.n_possible),
            'Exhaustive': schedule.exhaustive,
            'NumberOfPermutationsAskedFor': inputs.n_perm,
            'Seed': inputs.seed,
            'Generator': 'Philox, counter-based: row b depends on the seed and b',
        }
        self._results = {
            'schedule_file': _save_schedule(schedule, cwd / 'schedule.npz'),
            'metadata_file': save_json(metadata, cwd / 'schedule.json'),
        }
        return runtime


def _save_schedule(schedule, path):
    from ..images.files import save_arrays

    fields = {name: value for name, value in schedule._asdict().items() if value is not None}
    # As text, because the count of a large group fits no integer of an array; hexadecimal, because
    # Python limits the length of decimals.
    return save_arrays(path, **{**fields, 'n_possible': hex(schedule.n_possible)})


def load_schedule(path):
    """Read what DrawSchedule wrote."""
    from ..stats.exchange import Schedule

    stored = load_record(path, Schedule, optional=('signs', 'orders', 'blocks'))
    return stored._replace(
        n_possible=int(str(stored.n_possible), base=0),
        exhaustive=bool(stored.exhaustive),
        errors=str(stored.errors),
    )


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
        from ..images.files import save_arrays
        from ..images.observations import load_observations
        from ..stats.permutation import permute
        from ..stats.relabelling import chunk_bounds

        inputs = self.inputs
        design = load_design(inputs.design_file)
        contrast = load_contrast(inputs.contrast_file, design)
        schedule = load_schedule(inputs.schedule_file)
        start, stop = chunk_bounds(schedule.n_relabellings, inputs.chunk, inputs.n_chunks)
        data = load_observations(
            inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        )
        chunk = permute(
            data.values,
            design.to_numpy(),
            contrast.weights,
            schedule,
            start=start,
            stop=stop,
            sidedness=inputs.sidedness,
            missing=inputs.missing,
            labels=data.names,
            num_threads=inputs.num_threads,
        )
        out_file = Path(runtime.cwd) / f'chunk-{inputs.chunk:04d}.npz'
        self._results['chunk_file'] = save_arrays(out_file, **chunk._asdict())
        return runtime


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
    stat_file = File(exists=True, desc='observed t or F')
    p_uncorrected_file = File(exists=True, desc='uncorrected p; 1 outside the mask')
    p_fwe_file = File(exists=True, desc='familywise-error-corrected p; 1 outside the mask')
    logp_fwe_file = File(exists=True, desc='-log10 of the corrected p; 0 outside the mask')
    cor_z_score_file = File(exists=True, desc='z of the corrected p, not below 0')
    q_fdr_file = File(exists=True, desc='FDR-adjusted permutation p; 1 outside the mask')
    logq_fdr_file = File(exists=True, desc='-log10 of the FDR-adjusted p; 0 outside the mask')
    null_file = File(exists=True, desc='maximum statistic of every relabelling (TSV)')
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
        from ..stats.correction import corrected_z

        cwd = Path(runtime.cwd)
        contrast, side, result, space = self._merge()
        found, metadata = self._correct(side, result)
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
        null = _null_table(result.null, contrast.kind, side)
        self._results['null_file'] = save_table(null, cwd / 'null.tsv')
        metadata |= {'Statistic': contrast.kind, 'SmallestFDRAdjustedP': float(np.nanmin(q))}
        self._results['metadata_file'] = save_json(metadata, cwd / 'permutation.json')
        return runtime

    def _merge(self):
        from ..images.observations import load_space
        from ..stats.permutation import Chunk, merge

        inputs = self.inputs
        design = load_design(inputs.design_file)
        contrast = load_contrast(inputs.contrast_file, design)
        side = contrast.tested_side(inputs.sidedness)
        chunks = [load_record(path, Chunk) for path in inputs.chunk_files]
        result = merge(chunks, design.to_numpy(), contrast.weights, sidedness=side)
        return contrast, side, result, load_space(inputs.mask_file)

    def _correct(self, side, result):
        """Corrected p, and what is known of them."""
        import numpy as np

        from ..stats.approximation import approximate, on_side

        inputs, n = self.inputs, len(result.null)
        schedule, n_possible = load_schedule_metadata(inputs.schedule_metadata_file)
        exhaustive = schedule.get('Exhaustive', False)
        warn_of_few(inputs.tail, n, exhaustive)
        found = approximate(
            result.p_fwe,
            result.null,
            on_side(result.stat, side),
            tail=inputs.tail,
            n_possible=n_possible,
        )
        tested = ~np.isnan(result.stat)
        smallest_counted = float(np.nanmin(result.p_fwe))
        metadata = {
            **schedule,
            'Method': 'permutation, Freedman-Lane, maximum statistic',
            'Sidedness': side,
            'NumberOfRelabellings': n,
            'SmallestPossibleP': found.smallest,
            'PValue': 'share of the relabellings, the observed one included, that reach the '
            'observed value',
            'CorrectedPValue': found.method,
            'Tail': tail_metadata(found, inputs.tail),
            'MonteCarlo': interval_metadata(smallest_counted, n, exhaustive),
            'NumberOfVoxelsTested': int(tested.sum()),
            'NumberOfVoxelsNotTested': int((~tested).sum()),
            'ObservedMaximum': float(result.null[0]),
            'SmallestCorrectedP': float(np.nanmin(found.p)),
            'FDRMethod': inputs.fdr_method,
            'FDRAlpha': inputs.fdr_alpha if inputs.fdr_method == 'BKY' else None,
        }
        return found, metadata

    def _adjust(self, p):
        from ..stats.correction import fdr, fdr_two_stage

        inputs = self.inputs
        return fdr(p) if inputs.fdr_method == 'BH' else fdr_two_stage(p, inputs.fdr_alpha)


def _null_table(null, kind, side):
    import pandas as pd

    names = {'two-sided': f'max_abs_{kind}', 'positive': f'max_{kind}', 'negative': f'min_{kind}'}
    values = -null if side == 'negative' else null
    return pd.DataFrame({'relabelling': range(len(null)), names[side]: values})
