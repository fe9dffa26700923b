"""Permutation inference: a statistic over a schedule of relabellings."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from ..exceptions import ScheduleError
from .design import partition
from .relabelling import (
    basis_of,
    prepare,
    relabelled_basis,
    tested_side,
    to_stat,
    unit_residuals,
)

#: Relabellings at a time, with permutations (each needs P x N numbers) and with sign flips
#: alone (N bits); no influence on the result.
_RELABELLINGS = 1024
_FLIPS = 65536
_SIDES = {0: 'two-sided', 1: 'positive', -1: 'negative'}


class Chunk(NamedTuple):
    """What a range of relabellings contributes; chunks of one schedule can be merged.

    Statistics are kept as partial correlations r in [-1, 1] (F: multiple correlation
    in [0, 1]), of which t and F are increasing functions.

    Attributes
    ----------
    start, stop : int
        Rows of the schedule, ``stop`` not included.
    n_relabellings : int
        Rows of the whole schedule.
    side : int
        What is compared: 0 for ``|r|`` (two-sided, and F), 1 for ``r``, -1 for ``-r``.
    maxima : ndarray of shape (stop - start,), float64
        Maximum over the points.
    counts : ndarray of shape (V,), int64
        Relabellings of the chunk that reach the observed value, at each point.
    observed : ndarray of shape (V,), float64
        r of the observed labelling; NaN at points that are not tested.
    stat : ndarray of shape (V,), float64
        Observed t or F, the same numbers as :func:`nistats_nipype.stats.glm.contrast` gives.
    """

    start: int
    stop: int
    n_relabellings: int
    side: int
    maxima: np.ndarray
    counts: np.ndarray
    observed: np.ndarray
    stat: np.ndarray


class PermutationResult(NamedTuple):
    """Result of a permutation test at V points.

    Attributes
    ----------
    stat : ndarray of shape (V,)
        Observed t or F; NaN where nothing was tested.
    p_uncorrected : ndarray of shape (V,)
        Share of the relabellings, the observed one included, that reach ``stat``.
    p_fwe : ndarray of shape (V,)
        Share of the relabellings whose maximum over all points reaches ``stat``.
    null : ndarray of shape (B,)
        Maximum statistic of every relabelling (on the tested side or sides), the
        observed one first.
    """

    stat: np.ndarray
    p_uncorrected: np.ndarray
    p_fwe: np.ndarray
    null: np.ndarray


def permute(
    values,
    design,
    contrast,
    schedule,
    *,
    start=0,
    stop=None,
    sidedness='two-sided',
    missing='error',
    labels=None,
    num_threads=1,
):
    """Compute the statistic of a contrast over a range of relabellings.

    The method is that of Freedman and Lane: residuals of the nuisance model are
    relabelled and the whole model is fitted to them [1]_.

    Parameters
    ----------
    values : ndarray of shape (N, V)
        Observations, NaN where missing. May be a memory map: it is read in blocks.
    design : array-like of shape (N, P)
        Design matrix.
    contrast : array-like of shape (P,) or (Q, P)
        One row for t, several for F.
    schedule : Schedule
        Relabellings, row 0 the observed one.
    start, stop : int, optional
        Rows of the schedule to compute; all by default.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Side of the counts for t. F has one side only.
    missing : {'error', 'drop_voxel'}, default 'error'
        'drop_voxel' tests the points that all observations have.
    labels : sequence of N str, optional
        Names of the observations, for errors.
    num_threads : int, default 1
        Threads; no influence on the result.

    Returns
    -------
    Chunk

    Raises
    ------
    ScheduleError
        If the schedule does not fit the design, or has no such rows.
    InputError
        If ``missing`` is 'per_voxel', or if no point has a statistic.
    DesignError, ContrastError, MissingDataError
        See :func:`nistats_nipype.stats.glm.fit` and
        :func:`nistats_nipype.stats.glm.contrast`.

    References
    ----------
    .. [1] Freedman D, Lane D (1983). A nonstochastic interpretation of reported
       significance levels. J Bus Econ Stat 1(4):292-298.
       https://doi.org/10.1080/07350015.1983.10509354
    """
    task = prepare(values, design, contrast, schedule, start, stop, sidedness, missing, labels)
    chunk = Chunk(
        start=task.start,
        stop=task.stop,
        n_relabellings=schedule.n_relabellings,
        side=task.side,
        maxima=np.full(task.stop - task.start, -np.inf),
        counts=np.zeros(values.shape[1], dtype=np.int64),
        observed=np.full(values.shape[1], np.nan),
        stat=task.stat,
    )
    step = _FLIPS if schedule.orders is None else _RELABELLINGS
    with ThreadPoolExecutor(num_threads) as pool:
        # At least once, so that an empty chunk knows the observed values too.
        for low in range(start, max(task.stop, start + 1), step):
            rows = np.arange(low, min(low + step, task.stop))
            kernel = _kernel(task.split, schedule, np.concatenate([[0], rows]))
            maxima = chunk.maxima[rows - start]
            jobs = [
                pool.submit(_work, values, task, kernel, len(rows), block) for block in task.blocks
            ]
            for block, job in zip(task.blocks, jobs, strict=True):
                block_maxima, counts, observed = job.result()
                np.maximum(maxima, block_maxima, out=maxima)
                chunk.counts[block] += counts
                chunk.observed[block] = observed
            chunk.maxima[rows - start] = maxima
    return chunk


def _kernel(split, schedule, rows):
    """The kernel for some rows of the schedule, the first of them the observed one."""
    from .kernels import extremes_and_counts, flipped_extremes_and_counts

    n_interest = split.interest.shape[1]
    if schedule.orders is None:
        patterns = np.packbits(schedule.signs[rows] < 0, axis=1, bitorder='little')
        return partial(flipped_extremes_and_counts, patterns, basis_of(split), n_interest)
    return partial(extremes_and_counts, relabelled_basis(split, schedule, rows), n_interest)


def _work(values, task, kernel, n_rows, points):
    """Maxima, counts and observed r of some points over some relabellings."""
    maxima = np.full(n_rows, -np.inf)
    counts, observed = np.zeros(len(points), dtype=np.int64), np.empty(len(points))
    kernel(unit_residuals(values, task.split, points), task.side, maxima, counts, observed)
    return maxima, counts, observed


def check_chunks(chunks, side):
    """Put chunks in order, and refuse them unless they add up to one schedule.

    Parameters
    ----------
    chunks : sequence of Chunk, or of SpatialChunk
    side : int
        What they should compare.

    Returns
    -------
    list
        The chunks that hold relabellings, in the order of these.

    Raises
    ------
    ScheduleError
        If relabellings are missing or there twice, or if the chunks do not belong together.
    """
    chunks = sorted((chunk for chunk in chunks if chunk.stop > chunk.start), key=lambda c: c.start)
    ends = [0, *(chunk.stop for chunk in chunks)]
    starts = [*(chunk.start for chunk in chunks), chunks[0].n_relabellings if chunks else 0]
    if not chunks or starts != ends:
        raise ScheduleError(
            'The chunks do not add up to one schedule.',
            found=', '.join(f'{chunk.start} to {chunk.stop - 1}' for chunk in chunks) or 'nothing',
            expected='every relabelling once, '
            + (f'0 to {chunks[0].n_relabellings - 1}' if chunks else 'starting with 0'),
            advice='Run the missing chunks; do not mix chunks of different runs.',
        )
    if not all(np.array_equal(chunk.observed, chunks[0].observed, True) for chunk in chunks):
        raise ScheduleError(
            'The chunks are not of the same data and contrast.',
            advice='Run all chunks again on the same observations, design and contrast.',
        )
    if any(chunk.side != side for chunk in chunks):
        raise ScheduleError(
            'The chunks were computed for another side.',
            found=', '.join(sorted({repr(_SIDES[int(chunk.side)]) for chunk in chunks})),
            expected=repr(_SIDES[side]),
            advice='Merge them with the sidedness that they were computed with.',
        )
    return chunks


def merge(chunks, design, contrast, *, sidedness='two-sided'):
    """Put the chunks of a schedule together and compute p values.

    Parameters
    ----------
    chunks : sequence of Chunk
        All chunks of one schedule, in any order.
    design, contrast : array-like
        As given to :func:`permute`.
    sidedness : {'two-sided', 'positive', 'negative'}
        As given to :func:`permute`.

    Returns
    -------
    PermutationResult

    Raises
    ------
    ScheduleError
        If relabellings are missing or there twice, or if the chunks are not of the same data.
    """
    split = partition(design, contrast)
    side = tested_side(split, sidedness)
    chunks = check_chunks(chunks, side)
    from .kernels import TIE

    maxima = np.concatenate([chunk.maxima for chunk in chunks])
    observed = chunks[0].observed
    observed = np.abs(observed) if side == 0 else side * observed
    n_relabellings = len(maxima)
    reached = n_relabellings - np.searchsorted(np.sort(maxima), observed - TIE, side='left')
    untested = np.isnan(observed)
    counts = np.sum([chunk.counts for chunk in chunks], axis=0)
    return PermutationResult(
        stat=chunks[0].stat,
        p_uncorrected=np.where(untested, np.nan, counts / n_relabellings),
        p_fwe=np.where(untested, np.nan, reached / n_relabellings),
        null=to_stat(maxima, split),
    )
