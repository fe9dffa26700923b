"""Permutation that stops at each voxel when its uncorrected p is decided."""

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

from .evidence import load_schedule_metadata, method_metadata
from .loaders import load_contrast, load_design, load_record
from .request import ChunkInputSpec, load_request


class _PermuteSequentialInputSpec(ChunkInputSpec):
    missing = traits.Enum(
        'error',
        'drop_voxel',
        usedefault=True,
        desc='refuse missing values, or test complete voxels only',
    )
    n_stop = traits.Int(
        2,
        usedefault=True,
        desc='relabellings that reach the observed value, after which a voxel is decided; at '
        'least 1',
    )


class _PermuteSequentialOutputSpec(TraitedSpec):
    chunk_file = File(exists=True, desc='first exceedances of the chunk (.npz)')


class PermuteSequential(SimpleInterface):
    """Relabel until the uncorrected p of each voxel is decided.

    PALM's ``-approx negbin``. Fast, but without the maximum over voxels, and so without
    corrected p. Exhaustive schedules and variance groups are refused. The split into chunks has
    no influence on the merged result.

    Examples
    --------
    >>> PermuteSequential(n_stop=10).inputs.n_chunks
    1
    """

    input_spec = _PermuteSequentialInputSpec
    output_spec = _PermuteSequentialOutputSpec

    def _run_interface(self, runtime):
        from ..images.files import save_arrays
        from ..stats.early_stopping import permute_until

        inputs, request = self.inputs, load_request(self.inputs)
        found, stat = permute_until(**request.arguments, **request.chunk, n_stop=inputs.n_stop)
        self._results['chunk_file'] = save_arrays(
            Path(runtime.cwd) / f'chunk-{inputs.chunk:04d}.npz',
            **found._asdict(),
            stat=stat,
            n_relabellings=request.arguments['schedule'].n_relabellings,
            sidedness=inputs.sidedness,
        )
        return runtime


class _MergeSequentialInputSpec(BaseInterfaceInputSpec):
    chunk_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='all chunks of one schedule, in any order'
    )
    mask_file = File(exists=True, mandatory=True, desc='mask of the chunks')
    design_file = File(exists=True, mandatory=True, desc='design matrix of the chunks (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast of the chunks (JSON)')
    schedule_metadata_file = File(exists=True, desc='how the schedule was drawn (JSON)')


class _MergeSequentialOutputSpec(TraitedSpec):
    stat_file = File(exists=True, desc='observed t or F')
    p_uncorrected_file = File(exists=True, desc='uncorrected p; 1 outside the mask')
    q_fdr_file = File(exists=True, desc='p adjusted for the false discovery rate (BH)')
    n_used_file = File(exists=True, desc='relabellings that each p is made of')
    metadata_file = File(exists=True, desc='how the p values were made (JSON)')


class MergeSequential(SimpleInterface):
    """Merge the chunks of a test that stops early into uncorrected p, and these into FDR.

    Examples
    --------
    >>> 'n_used_file' in MergeSequential.output_spec().copyable_trait_names()
    True
    """

    input_spec = _MergeSequentialInputSpec
    output_spec = _MergeSequentialOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..images.files import save_json
        from ..images.observations import load_space
        from ..stats.correction import fdr
        from ..stats.sequential import merge_exceedances, negative_binomial

        inputs, cwd = self.inputs, Path(runtime.cwd)
        contrast = load_contrast(inputs.contrast_file, load_design(inputs.design_file))
        parts, about = zip(*map(_load_part, inputs.chunk_files), strict=True)
        _check_alike(parts, about)
        stat, n_relabellings, sidedness = about[0]
        result = negative_binomial(merge_exceedances(parts), n_relabellings)
        tested = ~np.isnan(stat)
        p = np.where(tested, result.p, np.nan)
        space = load_space(inputs.mask_file)
        for name, row, fill in (
            ('stat', stat, 0.0),
            ('p_uncorrected', p, 1.0),
            ('q_fdr', fdr(p), 1.0),
            ('n_used', np.where(tested, result.n_used, 0), 0),
        ):
            self._results[f'{name}_file'] = space.save(row, cwd / f'{name}.nii.gz', fill=fill)
        schedule, _ = load_schedule_metadata(inputs.schedule_metadata_file)
        metadata = {
            **schedule,
            **method_metadata(schedule, contrast.kind, 'r'),
            'Method': 'permutation, uncorrected, stopped early at each voxel',
            'Sidedness': contrast.tested_side(sidedness),
            'FDRMethod': 'BH',
            'NumberOfRelabellings': n_relabellings,
            'NumberOfExceedancesToStop': len(parts[0].rows),
            'NumberOfVoxelsTested': int(tested.sum()),
            'NumberOfVoxelsStopped': int(result.stopped[tested].sum()),
            'MedianNumberOfRelabellingsUsed': float(np.median(result.n_used[tested])),
            'SmallestUncorrectedP': float(np.nanmin(p)),
        }
        self._results['metadata_file'] = save_json(metadata, cwd / 'sequential.json')
        return runtime


class _About(NamedTuple):
    """What the chunks of one test have in common."""

    stat: object
    n_relabellings: int
    sidedness: str


def _load_part(path):
    """Exceedances of a chunk, and of which test they are."""
    from collections import namedtuple

    from ..stats.sequential import Exceedances

    stored = namedtuple('Exceedances', [*Exceedances._fields, *_About._fields])
    *part, stat, n_relabellings, sidedness = load_record(path, stored)
    return Exceedances(*part), _About(stat, int(n_relabellings), str(sidedness))


def _check_alike(parts, about):
    """Refuse chunks of different tests."""
    import numpy as np

    from ..exceptions import ScheduleError

    stat, *others = about[0]
    for part, each in zip(parts, about, strict=True):
        same = np.array_equal(each.stat, stat, equal_nan=True) and [*each[1:]] == others
        if not same or len(part.rows) != len(parts[0].rows):
            raise ScheduleError(
                'The chunks are not of one test.',
                found=f'{each.sidedness}, stopped after {len(part.rows)} of '
                f'{each.n_relabellings} relabellings; and {about[0].sidedness}, after '
                f'{len(parts[0].rows)} of {about[0].n_relabellings}',
                expected='the same observations, design, contrast, side, schedule and n_stop',
                advice='Run all chunks again with the same inputs.',
            )
