"""Permutation inference: a statistic over a schedule of relabellings."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..exceptions import ScheduleError
from .design import partition
from .engines import lowest_tie, to_stat
from .relabelling import prepare, tested_side

_SIDES = {0: 'two-sided', 1: 'positive', -1: 'negative'}
#: Whole maps held at a time, where the variance is smoothed; no influence on the result.
_MAPS = 16


class Chunk(NamedTuple):
    """What a range of relabellings contributes; chunks of one schedule can be merged.

    t and F are kept as partial correlations r in [-1, 1] (F: multiple correlation in [0, 1]),
    of which they are increasing functions; v and G, and t and F of different observations at
    each point, whose degrees of freedom vary, as normal scores of their parametric p; pseudo-t,
    and the statistics of other models than least squares, as they are.

    Attributes
    ----------
    start, stop : int
        Rows of the schedule, ``stop`` not included.
    n_relabellings : int
        Rows of the whole schedule.
    side : int
        What is compared: 0 for ``|r|`` (two-sided, and F), 1 for ``r``, -1 for ``-r``.
    scale : {'r', 'z', 'stat', 'model'}
        Whether values are correlations, normal scores, pseudo-t, or statistics of a model.
    maxima : ndarray of shape (stop - start,), float64
        Maximum over the points; -inf for a relabelling that leaves no statistic anywhere.
    counts : ndarray of shape (V,), int64
        Relabellings of the chunk that reach the observed value, at each point.
    left_out : ndarray of shape (V,), int64
        Relabellings of the chunk that leave no statistic, 0 / 0, at each point: the nuisance
        explains the relabelled data altogether.
    observed : ndarray of shape (V,), float64
        Value of the observed labelling; NaN at points that are not tested.
    stat : ndarray of shape (V,), float64
        Observed statistic: t or F, v or G, the same numbers as
        :func:`nistats_nipype.stats.glm.contrast`, or that of the model, gives; or pseudo-t.
    """

    start: int
    stop: int
    n_relabellings: int
    side: int
    scale: str
    maxima: np.ndarray
    counts: np.ndarray
    left_out: np.ndarray
    observed: np.ndarray
    stat: np.ndarray


class PermutationResult(NamedTuple):
    """Result of a permutation test at V points.

    Attributes
    ----------
    stat : ndarray of shape (V,)
        Observed t or F, v or G, or pseudo-t; NaN where nothing was tested.
    p_uncorrected : ndarray of shape (V,)
        Share of the relabellings, the observed one included, that reach ``stat``.
    p_fwe : ndarray of shape (V,)
        Share of the relabellings whose maximum over all points reaches ``stat``.
    null : ndarray of shape (B,)
        Maximum statistic of every relabelling (on the tested side or sides), the observed one
        first; of v and G the normal score. NaN for relabellings that are left out.
    observed : ndarray of shape (V,)
        What ``null`` is compared with: ``stat``, or of v and G the normal score.
    left_out : ndarray of shape (V,), int64
        Relabellings that are left out of the count at each point, as they leave 0 / 0.
    scale : {'r', 'z', 'stat', 'model'}
        Of the chunks: whether the statistic is t or F, v or G, pseudo-t, or that of a model.
    """

    stat: np.ndarray
    p_uncorrected: np.ndarray
    p_fwe: np.ndarray
    null: np.ndarray
    observed: np.ndarray
    left_out: np.ndarray
    scale: str


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
    smooth_variance=None,
    covariates=None,
    model=None,
    num_threads=1,
):
    """Compute the statistic of a contrast over a range of relabellings.

    What is relabelled, and whether the statistic is t and F or v and G, the schedule says.

    Parameters
    ----------
    values : array of shape (N, V)
        Observations, NaN where missing; see :func:`nistats_nipype.stats.glm.fit`.
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
    missing : {'error', 'drop_voxel', 'per_voxel'}, default 'error'
        'drop_voxel' tests the points that all observations have; 'per_voxel' tests each point on
        the observations that it has, see :mod:`nistats_nipype.stats.partial`.
    labels : sequence of N str, optional
        Names of the observations, for errors.
    smooth_variance : callable, optional
        Takes a map (V,) of the error variance, NaN where nothing is tested, and returns it
        smoothed; the statistic is then pseudo-t [1]_.
    covariates : sequence of K arrays of shape (N, V), optional
        Voxelwise covariates in place of the last K columns of the design, which stand for them,
        see :mod:`nistats_nipype.stats.voxelwise_engine`.
    model : nistats_nipype.stats.model_engine.Model, optional
        Another model than least squares, fitted anew for every relabelling; see
        :func:`nistats_nipype.stats.model_engine.check_relabelling` for where it can be.
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
        If no point has a statistic, or the variance is to be smoothed where ``missing`` is
        'per_voxel', or by :func:`nistats_nipype.stats.model_engine.check_test`.
    DesignError, ContrastError, MissingDataError
        See :func:`nistats_nipype.stats.glm.fit` and
        :func:`nistats_nipype.stats.glm.contrast`.

    References
    ----------
    .. [1] Nichols TE, Holmes AP (2002). Nonparametric permutation tests for functional
       neuroimaging: a primer with examples. Hum Brain Mapp 15(1):1-25.
       https://doi.org/10.1002/hbm.1058
    """
    task = prepare(
        values,
        design,
        contrast,
        schedule,
        start,
        stop,
        sidedness,
        missing,
        labels,
        smooth_variance,
        covariates,
        model,
    )
    n_points = values.shape[1]
    chunk = Chunk(
        start=task.start,
        stop=task.stop,
        n_relabellings=schedule.n_relabellings,
        side=task.side,
        scale=task.engine.scale,
        maxima=np.full(task.stop - task.start, -np.inf),
        counts=np.zeros(n_points, dtype=np.int64),
        left_out=np.zeros(n_points, dtype=np.int64),
        observed=np.full(n_points, np.nan),
        stat=task.stat,
    )
    partial = missing == 'per_voxel'
    whole_maps = smooth_variance is not None
    with ThreadPoolExecutor(num_threads) as pool:
        if whole_maps or partial:
            chunk.observed[task.tested] = task.engine.observed_map(task.blocks, pool)
            chunk = chunk._replace(stat=chunk.observed if whole_maps else task.stat)
        else:
            observed = list(pool.map(task.engine.observe, task.blocks))
            chunk.observed[task.tested] = np.concatenate(observed)
        observed = turn(chunk.observed, task.side)
        if start == 0 and task.stop > 0:
            # By definition, whatever a method makes of it.
            chunk.maxima[0] = np.nanmax(observed)
            chunk.counts[task.tested] += 1
        limits = lowest_tie(observed, chunk.scale)
        if partial:
            _add_parts(chunk, task, pool)
        else:
            add = _add_maps if whole_maps else _add_extremes
            add(chunk, task, limits, pool)
    return chunk


def turn(values, side):
    """Make large values extreme, whatever the side.

    Examples
    --------
    >>> turn(np.array([-2.0, 1.0]), 0)
    array([2., 1.])
    """
    return np.abs(values) if side == 0 else side * values


def _add_extremes(chunk, task, limits, pool):
    """Add the relabellings of a chunk, block by block of the points."""
    engine, rows = task.engine, np.arange(max(chunk.start, 1), chunk.stop)
    # Made anew for each block if they are too many, which costs little beside their use.
    once = list(_load_batches(engine, rows)) if len(rows) <= engine.batch else None

    def work(block):
        batches = _load_batches(engine, rows) if once is None else once
        return engine.extremes(batches, block, task.side, limits[block], len(rows))

    maxima = chunk.maxima[rows - chunk.start]
    for block, found in zip(task.blocks, pool.map(work, task.blocks), strict=True):
        block_maxima, counts, left_out = found
        np.maximum(maxima, block_maxima, out=maxima)
        chunk.counts[block] += counts
        chunk.left_out[block] += left_out
    chunk.maxima[rows - chunk.start] = maxima


def _load_batches(engine, rows):
    """Relabellings, as many at a time as the engine holds."""
    for low in range(0, len(rows), engine.batch):
        yield engine.load(rows[low : low + engine.batch])


def _add_parts(chunk, task, pool):
    """Add the relabellings of a chunk, part by part of the points."""
    rows = np.arange(max(chunk.start, 1), chunk.stop)
    if not rows.size:
        return
    for part in task.engine.parts:
        found = task.engine.extremes_of(part, rows, chunk.side, pool)
        maxima = chunk.maxima[rows - chunk.start]
        chunk.maxima[rows - chunk.start] = np.maximum(maxima, found[0])
        chunk.counts[part.points] += found[1]
        chunk.left_out[part.points] += found[2]


def _add_maps(chunk, task, limits, pool):
    """Add the relabellings of a chunk, map by map."""
    tested = task.tested
    for low in range(max(chunk.start, 1), chunk.stop, _MAPS):
        rows = np.arange(low, min(low + _MAPS, chunk.stop))
        for row, stat in zip(rows, task.engine.maps(rows, task.blocks, pool), strict=True):
            turned = turn(stat, task.side)
            absent = np.isnan(turned)
            chunk.maxima[row - chunk.start] = np.max(turned, initial=-np.inf, where=~absent)
            chunk.counts[tested] += turned >= limits[tested]
            chunk.left_out[tested] += absent


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
        If relabellings are missing or there twice, if the chunks are not of the same data, or if
        no relabelling but the observed one leaves a statistic.
    """
    split = partition(design, contrast)
    scale = str(chunks[0].scale) if chunks else 'r'
    side = tested_side(split, sidedness, scale)
    chunks = check_chunks(chunks, side)
    maxima = np.concatenate([chunk.maxima for chunk in chunks])
    counts = np.sum([chunk.counts for chunk in chunks], axis=0)
    left_out = np.sum([chunk.left_out for chunk in chunks], axis=0)
    n_usable = count_usable(maxima)
    observed = turn(chunks[0].observed, side)
    limits = lowest_tie(observed, scale)
    reached = len(maxima) - np.searchsorted(np.sort(maxima), limits, side='left')
    untested = np.isnan(observed)
    null = np.where(np.isfinite(maxima), maxima, np.nan)
    stat = chunks[0].stat
    return PermutationResult(
        stat=stat,
        p_uncorrected=np.where(untested, np.nan, counts / (len(maxima) - left_out)),
        p_fwe=np.where(untested, np.nan, reached / n_usable),
        null=to_stat(null, split) if scale == 'r' else null,
        observed=chunks[0].observed if scale == 'z' else stat,
        left_out=left_out,
        scale=scale,
    )


def count_usable(maxima):
    """Number of relabellings that leave a statistic; refuse a test that has none but the observed.

    Parameters
    ----------
    maxima : ndarray of shape (B,)
        -inf for those that do not.
    """
    n_usable = int(np.isfinite(maxima).sum())
    if n_usable < 2:
        raise ScheduleError(
            'No relabelling leaves a statistic: the test would be empty.',
            found=f'{len(maxima) - 1} relabellings, whose data the nuisance explains altogether',
            expected='residuals beside the nuisance regressors',
            advice='Remove nuisance regressors, or relabel the observations in another way '
            '(errors, blocks, method).',
        )
    return n_usable
