"""Permutation inference: a statistic over a schedule of relabellings."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from ..exceptions import InputError, ScheduleError
from . import glm
from .design import check_design, partition
from .distributions import SIDES

#: Points of one piece of work; no influence on the result.
_POINTS = 4096
#: Relabellings at a time, with permutations (each needs P x N numbers) and with sign flips
#: alone (N bits); no influence on the result.
_RELABELLINGS = 1024
_FLIPS = 65536


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


def chunk_bounds(n_relabellings, chunk, n_chunks):
    """Rows of a schedule that belong to a chunk.

    Examples
    --------
    >>> [chunk_bounds(10, chunk, 3) for chunk in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    if not 0 <= chunk < n_chunks:
        raise ScheduleError(
            'There is no such chunk.', found=f'chunk {chunk} of {n_chunks}', expected='0 to n - 1'
        )
    return chunk * n_relabellings // n_chunks, (chunk + 1) * n_relabellings // n_chunks


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
    design = check_design(design)
    stop = schedule.n_relabellings if stop is None else stop
    _check_request(schedule, design, start, stop, missing)
    split = partition(design, contrast)
    model = glm.fit(values, design, missing=missing, labels=labels)
    stat = glm.contrast(model, design, contrast).stat
    tested = np.flatnonzero(np.isfinite(stat))
    if not tested.size:
        raise InputError(
            'No point has a statistic.',
            found=f'{stat.size} points, all incomplete or without variance',
            advice='Look at the maps: they may be empty or copies of one another.',
        )
    side = _side(split, sidedness)
    n_rows = stop - start
    chunk = Chunk(
        start=start,
        stop=stop,
        n_relabellings=schedule.n_relabellings,
        side=side,
        maxima=np.full(n_rows, -np.inf),
        counts=np.zeros(values.shape[1], dtype=np.int64),
        observed=np.full(values.shape[1], np.nan),
        stat=stat,
    )
    blocks = [tested[at : at + _POINTS] for at in range(0, tested.size, _POINTS)]
    step = _FLIPS if schedule.orders is None else _RELABELLINGS
    with ThreadPoolExecutor(num_threads) as pool:
        # At least once, so that an empty chunk knows the observed values too.
        for low in range(start, max(stop, start + 1), step):
            rows = np.arange(low, min(low + step, stop))
            relabel = _relabel(split, schedule, np.concatenate([[0], rows]))
            maxima = chunk.maxima[rows - start]
            jobs = [
                pool.submit(_work, values, split, relabel, len(rows), side, block)
                for block in blocks
            ]
            for block, job in zip(blocks, jobs, strict=True):
                block_maxima, counts, observed = job.result()
                np.maximum(maxima, block_maxima, out=maxima)
                chunk.counts[block] += counts
                chunk.observed[block] = observed
            chunk.maxima[rows - start] = maxima
    return chunk


def _check_request(schedule, design, start, stop, missing):
    """Refuse what cannot be permuted."""
    schedule.check_design(design)
    if not 0 <= start <= stop <= schedule.n_relabellings:
        raise ScheduleError(
            'The schedule has no such rows.',
            found=f'{start} to {stop - 1}',
            expected=f'rows among 0 to {schedule.n_relabellings - 1}',
        )
    if missing == 'per_voxel':
        raise InputError(
            'Points with missing values cannot be permuted.',
            found="missing='per_voxel'",
            expected='the same observations at every point, as a relabelling moves all of them',
            advice="Choose missing='drop_voxel', or a mask of the points that all maps cover.",
        )


def _side(split, sidedness):
    """Code of the tested side for the kernels; F is tested on its upper side."""
    if sidedness not in SIDES:
        raise ScheduleError('Unknown side.', found=repr(sidedness), expected=', '.join(SIDES))
    if _is_f(split):
        # r of F is not negative, except where a contrast of rank 1 leaves it a sign that
        # means nothing: two-sided is right for both.
        return 0
    return {'two-sided': 0, 'positive': 1, 'negative': -1}[sidedness]


def _is_f(split):
    """Whether the contrast has several rows, be they redundant."""
    return np.isnan(split.scale)


def _relabel(split, schedule, rows):
    """The kernel for some rows of the schedule, the first of them the observed one.

    What relabelling does to the data is done to the basis of the design instead:
    relabelled data are ``s_i * e[order_i]``, and their product with a basis vector q is
    the product of e with q moved back, ``w[order_i] = s_i * q_i``.
    """
    from .kernels import extremes_and_counts, flipped_extremes_and_counts

    basis = np.ascontiguousarray(np.hstack([split.interest, split.nuisance]).T)
    n_interest = split.interest.shape[1]
    if schedule.orders is None:
        patterns = np.packbits(schedule.signs[rows] < 0, axis=1, bitorder='little')
        return partial(flipped_extremes_and_counts, patterns, basis, n_interest)
    weights = np.broadcast_to(basis, (len(rows), *basis.shape))
    if schedule.signs is not None:
        weights = weights * schedule.signs[rows][:, None, :]
    moved = np.empty(weights.shape)
    orders = np.broadcast_to(schedule.orders[rows][:, None, :], weights.shape)
    np.put_along_axis(moved, orders, weights, axis=2)
    return partial(extremes_and_counts, moved, n_interest)


def _work(values, split, relabel, n_rows, side, points):
    """Maxima, counts and observed r of some points over some relabellings."""
    data = np.asarray(values[:, points], dtype=np.float64)
    for basis in split.nuisance.T:
        data -= basis[:, None] * glm.accumulate(basis[None, :], data)
    length = np.sqrt(glm.accumulate(np.ones((1, len(data))), data**2))
    maxima = np.full(n_rows, -np.inf)
    counts, observed = np.zeros(len(points), dtype=np.int64), np.empty(len(points))
    relabel(data / length, side, maxima, counts, observed)
    return maxima, counts, observed


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
    split = partition(design, contrast)
    side = _side(split, sidedness)
    if any(chunk.side != side for chunk in chunks):
        raise ScheduleError(
            'The chunks were computed for another side.', expected=f'sidedness {sidedness!r}'
        )
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
        null=_to_stat(maxima, split),
    )


def _to_stat(r, split):
    """The t (side included) or F that belongs to a partial correlation."""
    n_observations, n_interest = split.interest.shape
    dof = n_observations - n_interest - split.nuisance.shape[1]
    with np.errstate(divide='ignore'):
        if not _is_f(split):
            return r * np.sqrt(dof / np.maximum(1.0 - r**2, 0.0))
        return r**2 / np.maximum(1.0 - r**2, 0.0) * dof / n_interest
