"""Clusters of relabellings from the few points beyond the threshold, without whole maps."""

from typing import NamedTuple

import numpy as np

from .engines import lowest_tie, to_r, to_stat
from .methods import unit_data

#: Points beyond the threshold that a thread holds at a time (of 16 bytes), and relabellings at
#: a time, first and at most (numbered by 16 bits); no influence on the result.
_FOUND, _FIRST, _MOST = 2**21, 64, 2**16
_NO_WEIGHTS = np.empty(0)


def largest(above_below, side):
    """Largest extent and mass on the tested side or sides.

    Parameters
    ----------
    above_below : tuple of four float
        As ``cluster_extremes`` of ``stats/cluster_kernels.py`` returns them.
    side : {0, 1, -1}

    Returns
    -------
    ndarray of shape (2,)
    """
    return np.reshape(above_below, (2, 2))[{0: [0, 1], 1: [0], -1: [1]}[side]].max(axis=0)


def add_clusters(maxima, task, graph, threshold, pool, works):
    """Find the largest clusters of the relabellings of a chunk.

    Correlations are computed tile by tile, as for the voxelwise maximum, and only those beyond
    the threshold are kept, turned into the statistic and labelled.

    Parameters
    ----------
    maxima : ndarray of shape (2, stop - start), float64
        Set to the largest extent and mass of each relabelling but the observed one; -inf for one
        that leaves no statistic anywhere.
    task : Task
        Of an engine for correlations.
    graph : Graph
        Of the tested points.
    threshold : float
        In units of the statistic.
    pool : ThreadPoolExecutor
    works : list
        Work arrays of each thread.
    """
    low, size = max(task.start, 1), _FIRST
    while low < task.stop:
        rows = np.arange(low, min(low + size, task.stop))
        found = _find(task, rows, threshold, pool, len(works))
        if found is None:
            size = len(rows) // 2
            continue
        shares = np.array_split(np.arange(len(rows)), len(works))
        jobs = [
            pool.submit(_measure, found, share, task.side, graph, work[0])
            for share, work in zip(shares, works, strict=True)
        ]
        for share, job in zip(shares, jobs, strict=True):
            maxima[:, low - task.start + share] = job.result()
        low += len(rows)
        # As many as half fill the room, at this rate.
        size = min(_MOST, 1 + len(rows) * _FOUND * len(works) // (2 * len(found.value) + 1))


class _Found(NamedTuple):
    """Points beyond the threshold: ``where`` and ``value`` of relabelling b from bounds[b] on.

    ``present`` says which relabellings leave a statistic anywhere.
    """

    bounds: np.ndarray
    where: np.ndarray
    value: np.ndarray
    present: np.ndarray


def _find(task, rows, threshold, pool, n_threads):
    """Find what some relabellings have beyond the threshold; None if it does not fit the room."""
    from .kernels import collect_beyond
    from .tile_kernels import TIE

    engine, split = task.engine, task.engine.method.split
    limit = to_r(lowest_tie(threshold, 'stat'), split)
    relabellings = engine.load(rows)
    starts = np.cumsum([0, *(len(block) for block in task.blocks)])

    def work(blocks):
        which, where = np.empty(_FOUND, dtype=np.uint16), np.empty(_FOUND, dtype=np.uint32)
        value, found = np.empty(_FOUND), 0
        present = np.zeros(len(rows), dtype=bool)
        for index in blocks:
            units, _ = unit_data(engine.method, engine.values[:, task.blocks[index]])
            found = collect_beyond(
                *relabellings,
                engine.method.n_interest,
                units,
                limit,
                starts[index],
                found,
                which,
                where,
                value,
                present,
            )
            if found > _FOUND:
                return None
        return which[:found], where[:found], value[:found], present

    parts = list(pool.map(work, np.array_split(np.arange(len(task.blocks)), n_threads)))
    if any(part is None for part in parts):
        return None
    *lists, present = zip(*parts, strict=True)
    which, where, r = map(np.concatenate, lists)
    order = np.argsort(which, kind='stable')
    bounds = np.searchsorted(which[order], np.arange(len(rows) + 1))
    value = to_stat(np.clip(r[order], TIE - 1.0, 1.0 - TIE), split)
    return _Found(bounds, where[order], value, np.any(present, axis=0))


def _measure(found, share, side, graph, work):
    """Largest extent and mass of some relabellings: (2, len(share))."""
    from .cluster_kernels import measure_lists

    out = np.empty((len(share), 4))
    if len(share):
        lists = found.bounds, found.where, found.value
        measure_lists(*lists, share[0], *graph, _NO_WEIGHTS, work, out)
    maxima = np.array([largest(row, side) for row in out]).reshape(-1, 2).T
    return np.where(found.present[share], maxima, -np.inf)
