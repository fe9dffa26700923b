"""Permutation inference on clusters and with TFCE: statistics of whole maps."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..exceptions import InputError, ScheduleError
from .clusters import label
from .design import partition
from .engines import lowest_tie
from .graphs import Graph, check_graph
from .permutation import check_chunks, count_usable
from .relabelling import prepare, tested_side
from .sparse_clusters import add_clusters, largest
from .tfce import check_exponents

#: Maps held at a time: 2 mm maps of 235,375 points take 30 MB. No influence on the result.
_MAPS = 16
#: Statistics in the order of the rows of a chunk.
STATISTICS = ('extent', 'mass', 'tfce')


class SpatialChunk(NamedTuple):
    """What a range of relabellings contributes; chunks of one schedule can be merged.

    Rows are those of :data:`STATISTICS`; one that was not asked for holds NaN.

    Attributes
    ----------
    start, stop : int
        Rows of the schedule, ``stop`` not included.
    n_relabellings : int
        Rows of the whole schedule.
    side : int
        Tested side: 0 for both (and F), 1 for the upper, -1 for the lower.
    scale : {'r', 'z', 'stat', 'model'}
        Whether maps are of t or F, of normal scores of v or G, of pseudo-t, or of the statistic
        of a model.
    maxima : ndarray of shape (3, stop - start), float64
        Largest extent, mass and TFCE of each relabelling, on the tested side or sides; -inf for
        a relabelling that leaves no statistic anywhere.
    counts : ndarray of shape (V,), int64
        Relabellings of the chunk whose TFCE reaches the observed one, at each point.
    left_out : ndarray of shape (V,), int64
        Relabellings of the chunk that leave no statistic, 0 / 0, at each point; counted with
        TFCE only.
    observed : ndarray of shape (3, V), float64
        Extent and mass of the cluster at each point, 0 outside clusters, and TFCE; none with
        a sign; NaN at points that are not tested.
    settings : ndarray of shape (4,), float64
        Cluster-forming threshold in the units of the statistic, exponents E and H of TFCE (NaN
        for what was not asked for), and how many pairs of tested points are neighbours.
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
    settings: np.ndarray


class SpatialResult(NamedTuple):
    """Result for one spatial statistic at V points.

    Attributes
    ----------
    observed : ndarray of shape (V,)
        Extent or mass of the cluster at each point, 0 outside clusters; or TFCE. NaN where
        nothing was tested.
    p_uncorrected : ndarray of shape (V,) or None
        Share of the relabellings that reach ``observed`` at the same point; None for clusters,
        which have no counterpart in a relabelling.
    p_fwe : ndarray of shape (V,)
        Share of the relabellings whose maximum reaches ``observed``.
    null : ndarray of shape (B,)
        Maximum of every relabelling, the observed one first; NaN for those that are left out.
    """

    observed: np.ndarray
    p_uncorrected: np.ndarray | None
    p_fwe: np.ndarray
    null: np.ndarray


class _Measures(NamedTuple):
    """What is measured on a map, for the compiled loops."""

    graph: Graph
    threshold: float | None
    exponents: tuple | None
    side: int


def permute_spatial(
    values,
    design,
    contrast,
    schedule,
    adjacency,
    *,
    threshold=None,
    tfce=None,
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
    """Compute cluster extent, cluster mass and TFCE over a range of relabellings.

    Parameters
    ----------
    values, design, contrast, schedule
        As for :func:`nistats_nipype.stats.permutation.permute`.
    adjacency : sparse array of shape (V, V), or Graph
        Which points are neighbours.
    threshold : float, optional
        Cluster-forming threshold, above 0, in the units of the maps: the statistic, but normal
        scores with variance groups. Without it, clusters are not measured.
    tfce : tuple of (float, float), optional
        Exponents (E, H). Without them, TFCE is not computed. (0.5, 2) is usual in volumes,
        (1, 2) on surfaces and skeletons.
    start, stop, sidedness, missing, labels, smooth_variance, covariates, model, num_threads
        As for :func:`nistats_nipype.stats.permutation.permute`.

    Returns
    -------
    SpatialChunk

    Raises
    ------
    InputError
        If nothing is asked for, a parameter is out of range, or the graph does not fit.
    ScheduleError, DesignError, ContrastError, MissingDataError
        See :func:`nistats_nipype.stats.permutation.permute`.

    Notes
    -----
    All are computed on t or F; with variance groups on the normal scores of v or G; or on
    pseudo-t; with fixed effects on z or chi-squared. With two sides, positive and negative points
    never join, and the maximum is taken over both sides. The mass is the sum of these values over
    the cluster, as in FSL and PALM.

    Clusters of t or F of least squares, without TFCE, are found from the points beyond the
    threshold alone; everything else takes whole maps.
    """
    _check_spatial(threshold, tfce)
    graph = check_graph(adjacency, values.shape[1])
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
    measures = _Measures(_restrict(graph, task.tested), threshold, tfce, task.side)
    n_points = values.shape[1]
    chunk = SpatialChunk(
        start=task.start,
        stop=task.stop,
        n_relabellings=schedule.n_relabellings,
        side=task.side,
        scale=task.engine.scale,
        maxima=np.full((3, task.stop - task.start), np.nan),
        counts=np.zeros(n_points, dtype=np.int64),
        left_out=np.zeros(n_points, dtype=np.int64),
        observed=np.full((3, n_points), np.nan),
        settings=_settings(measures),
    )
    works = [_make_work(measures) for _ in range(num_threads)]
    with ThreadPoolExecutor(num_threads) as pool:
        observed_map = task.engine.observed_map(task.blocks, pool)
        chunk.observed[:, task.tested] = _measure_observed(observed_map, measures, works[0])
        if start == 0 and task.stop > 0:
            # By definition, whatever a method makes of it.
            chunk.maxima[:, 0] = np.max(chunk.observed[:, task.tested], axis=1)
            chunk.counts[task.tested] += tfce is not None
        if tfce is None and task.engine.scale == 'r' and covariates is None:
            add_clusters(chunk.maxima[:2], task, measures.graph, threshold, pool, works)
        else:
            _add_maps(chunk, task, measures, pool, works)
    return chunk


def _add_maps(chunk, task, measures, pool, works):
    """Add the relabellings of a chunk, map by map."""
    limits = lowest_tie(chunk.observed[2, task.tested], 'stat')
    for low in range(max(task.start, 1), task.stop, _MAPS):
        rows = np.arange(low, min(low + _MAPS, task.stop))
        maps = task.engine.maps(rows, task.blocks, pool)
        shares = [np.arange(len(rows))[first :: len(works)] for first in range(len(works))]
        jobs = [
            pool.submit(_measure_maps, maps, share, measures, limits, work)
            for share, work in zip(shares, works, strict=True)
        ]
        for share, job in zip(shares, jobs, strict=True):
            maxima, counts, left_out = job.result()
            chunk.maxima[:, low - task.start + share] = maxima
            chunk.counts[task.tested] += counts
            chunk.left_out[task.tested] += left_out


def _settings(measures):
    """What chunks must have in common, as numbers."""
    threshold = np.nan if measures.threshold is None else measures.threshold
    exponents = (np.nan, np.nan) if measures.exponents is None else measures.exponents
    return np.array([threshold, *exponents, len(measures.graph.indices) // 2], dtype=np.float64)


def _check_spatial(threshold, tfce):
    """Refuse a request for nothing, or for the impossible."""
    if threshold is None and tfce is None:
        raise InputError(
            'No spatial statistic is asked for.',
            expected='a cluster-forming threshold, or exponents of TFCE',
        )
    if threshold is not None and not 0 < threshold < np.inf:
        raise InputError(
            'Clusters cannot be formed at this threshold.',
            found=str(threshold),
            expected='a finite number above 0, in the units of the statistic',
        )
    if tfce is not None:
        check_exponents(*tfce)


def _restrict(graph, tested):
    """The graph of the tested points alone."""
    n_points = len(graph.indptr) - 1
    if tested.size == n_points:
        return graph
    from scipy import sparse

    ones = np.ones(len(graph.indices), dtype=bool)
    shape = (n_points, n_points)
    whole = sparse.csr_array((ones, graph.indices, graph.indptr), shape=shape)
    return check_graph(whole[tested][:, tested], tested.size)


def _make_work(measures):
    from . import cluster_kernels, tfce_kernels

    n_points = len(measures.graph.indptr) - 1
    clusters = None if measures.threshold is None else cluster_kernels.make_work(n_points)
    enhanced = None if measures.exponents is None else tfce_kernels.make_work(measures.graph)
    return clusters, enhanced, np.zeros(n_points)


_NO_WEIGHTS = np.empty(0)


def _enhance(stat, measures, work):
    """Largest TFCE of a map; its TFCE, without a sign on two sides, is left in ``work``."""
    from .tfce_kernels import tfce_side

    _, arrays, out = work
    out[:] = 0.0
    largest = 0.0
    for sign in (1.0, -1.0) if measures.side == 0 else (float(measures.side),):
        top = tfce_side(stat, sign, *measures.graph, _NO_WEIGHTS, *measures.exponents, arrays, out)
        largest = max(largest, top)
    np.abs(out, out=out)
    return largest


def _measure_observed(stat, measures, work):
    """Extent, mass and TFCE at each tested point of the observed map: (3, tested)."""
    observed = np.full((3, stat.size), np.nan)
    if measures.threshold is not None:
        sidedness = {0: 'two-sided', 1: 'positive', -1: 'negative'}[measures.side]
        threshold = lowest_tie(measures.threshold, 'stat')
        clusters = label(stat, threshold, measures.graph, sidedness=sidedness)
        observed[0] = np.append(0.0, clusters.extent)[clusters.labels]
        observed[1] = np.abs(np.append(0.0, clusters.mass))[clusters.labels]
    if measures.exponents is not None:
        _enhance(stat, measures, work)
        observed[2] = work[2]
    return observed


def _measure_maps(maps, share, measures, limits, work):
    """Maxima of some of the maps, and where their TFCE reaches the observed one, or is not."""
    from .cluster_kernels import cluster_extremes

    maxima = np.full((3, len(share)), np.nan)
    counts = np.zeros(maps.shape[1], dtype=np.int64)
    left_out = np.zeros(maps.shape[1], dtype=np.int64)
    for column, index in enumerate(share):
        stat = maps[index]
        absent = np.isnan(stat)
        if measures.threshold is not None:
            threshold = lowest_tie(measures.threshold, 'stat')
            above_below = cluster_extremes(stat, threshold, *measures.graph, _NO_WEIGHTS, work[0])
            maxima[:2, column] = largest(above_below, measures.side)
        if measures.exponents is not None:
            maxima[2, column] = _enhance(stat, measures, work)
            counts += (work[2] >= limits) & ~absent
            left_out += absent
        if absent.all():
            maxima[:, column] = np.where(np.isnan(maxima[:, column]), np.nan, -np.inf)
    return maxima, counts, left_out


def merge_spatial(chunks, design, contrast, *, sidedness='two-sided'):
    """Put the chunks of a schedule together and compute p values.

    Parameters
    ----------
    chunks : sequence of SpatialChunk
        All chunks of one schedule, in any order.
    design, contrast, sidedness
        As given to :func:`permute_spatial`.

    Returns
    -------
    dict of {str: SpatialResult}
        For 'extent', 'mass' and 'tfce', those that were asked for.

    Raises
    ------
    ScheduleError
        If relabellings are missing or there twice, if the chunks do not belong together, or if
        no relabelling but the observed one leaves a statistic.
    """
    scale = str(chunks[0].scale) if chunks else 'stat'
    chunks = check_chunks(chunks, tested_side(partition(design, contrast), sidedness, scale))
    _check_settings(chunks)
    maxima = np.concatenate([chunk.maxima for chunk in chunks], axis=1)
    counts = np.sum([chunk.counts for chunk in chunks], axis=0)
    left_out = np.sum([chunk.left_out for chunk in chunks], axis=0)
    results = {}
    for row, name in enumerate(STATISTICS):
        if np.isnan(maxima[row]).any():
            continue
        observed = chunks[0].observed[row]
        n_usable = count_usable(maxima[row])
        limits = lowest_tie(observed, 'stat')
        reached = maxima.shape[1] - np.searchsorted(np.sort(maxima[row]), limits, side='left')
        untested = np.isnan(observed)
        uncorrected = np.where(untested, np.nan, counts / (maxima.shape[1] - left_out))
        results[name] = SpatialResult(
            observed=observed,
            p_uncorrected=uncorrected if name == 'tfce' else None,
            p_fwe=np.where(untested, np.nan, reached / n_usable),
            null=np.where(np.isfinite(maxima[row]), maxima[row], np.nan),
        )
    return results


def _check_settings(chunks):
    """Refuse chunks that did not measure the same."""
    first = chunks[0].settings
    for chunk in chunks:
        if not np.array_equal(chunk.settings, first, equal_nan=True):
            raise ScheduleError(
                'The chunks did not measure the same.',
                found=f'{_describe(first)}; and {_describe(chunk.settings)}',
                expected='one cluster-forming threshold, one pair of exponents, one graph',
                advice='Run all chunks again with the same settings.',
            )


def _describe(settings):
    threshold, E, H, n_pairs = settings
    return f'threshold {threshold:.6g}, E {E:g}, H {H:g}, {n_pairs:.0f} pairs of neighbours'
