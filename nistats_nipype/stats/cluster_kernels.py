"""Compiled loops of cluster statistics. Import this module lazily: it needs Numba.

Only points beyond the threshold are touched, but for the one pass that finds them.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

#: Points that are looked at together for one beyond the threshold.
_BLOCK = 64


class Work(NamedTuple):
    """Work arrays for V points; each thread needs its own.

    Attributes
    ----------
    points : (V,) array of uint32
        The points beyond the threshold, in increasing order.
    value : (V,) array of float64
        By point: the statistic if it is beyond the threshold, 0 elsewhere. All 0 between maps.
    label : (V,) array of uint32
        By point: the number of its cluster, from 1; 0 elsewhere. All 0 between maps.
    stack : (V,) array of uint32
        Points of which the neighbours are still to be looked at.
    extent, mass : (V,) array of float64
        By cluster.
    """

    points: np.ndarray
    value: np.ndarray
    label: np.ndarray
    stack: np.ndarray
    extent: np.ndarray
    mass: np.ndarray


def make_work(n_points):
    """Make the work arrays of one thread.

    Parameters
    ----------
    n_points : int
        V.

    Returns
    -------
    Work
    """
    return Work(
        points=np.empty(n_points, np.uint32),
        value=np.zeros(n_points),
        label=np.zeros(n_points, np.uint32),
        stack=np.empty(n_points, np.uint32),
        extent=np.empty(n_points),
        mass=np.empty(n_points),
    )


@njit(nogil=True, cache=True)
def collect(stat, threshold, work):
    """Find the points beyond a threshold, on both sides.

    Parameters
    ----------
    stat : (V,) array of float64 or float32
        NaN is never beyond.
    threshold : float
        Above 0. A point is beyond it if ``abs(stat) >= threshold``.
    work : Work
        ``points`` and ``value`` are set. Before :func:`measure`, the values of these points may
        be replaced by any others of the same sign: so a statistic that costs more to compute
        (t) is needed only beyond the threshold of one that costs less (r).

    Returns
    -------
    int
        The number of points found.
    """
    n_found = 0
    for start in range(0, stat.shape[0], _BLOCK):
        block = stat[start : start + _BLOCK]
        beyond = 0
        for i in range(block.shape[0]):
            beyond += abs(block[i]) >= threshold
        if beyond:
            for i in range(block.shape[0]):
                if abs(block[i]) >= threshold:
                    work.points[n_found] = start + i
                    work.value[start + i] = block[i]
                    n_found += 1
    return n_found


@njit(nogil=True, cache=True)
def label_points(n_found, indptr, indices, work):
    """Number the clusters of the points that were found, in the order of their first points.

    Returns
    -------
    int
        The number of clusters.
    """
    value, label, stack = work.value, work.label, work.stack
    n_clusters = 0
    for i in range(n_found):
        seed = work.points[i]
        if label[seed]:
            continue
        n_clusters += 1
        positive = value[seed] > 0.0
        label[seed] = n_clusters
        stack[0] = seed
        height = 1
        while height:
            height -= 1
            v = stack[height]
            for k in range(indptr[v], indptr[v + 1]):
                u = indices[k]
                if value[u] != 0.0 and label[u] == 0 and (value[u] > 0.0) == positive:
                    label[u] = n_clusters
                    stack[height] = u
                    height += 1
    return n_clusters


@njit(nogil=True, cache=True)
def sum_clusters(n_found, n_clusters, weights, work):
    """Sum extent and mass of each cluster over its points, in their order."""
    extent, mass = work.extent, work.mass
    extent[:n_clusters] = 0.0
    mass[:n_clusters] = 0.0
    for i in range(n_found):
        v = work.points[i]
        cluster = work.label[v] - 1
        weight = weights[v] if weights.shape[0] else 1.0
        extent[cluster] += weight
        mass[cluster] += weight * work.value[v]


@njit(nogil=True, cache=True)
def clear(n_found, work):
    """Make the work arrays ready for the next map."""
    for i in range(n_found):
        v = work.points[i]
        work.value[v] = 0.0
        work.label[v] = 0


@njit(nogil=True, cache=True)
def measure(n_found, indptr, indices, weights, work):
    """Largest extent and mass of the points that were found; then clear them.

    Parameters and returns: see :func:`cluster_extremes`.
    """
    n_clusters = label_points(n_found, indptr, indices, work)
    sum_clusters(n_found, n_clusters, weights, work)
    clear(n_found, work)
    extent_above = mass_above = extent_below = mass_below = 0.0
    for cluster in range(n_clusters):
        extent, mass = work.extent[cluster], work.mass[cluster]
        if mass > 0.0:
            extent_above, mass_above = max(extent_above, extent), max(mass_above, mass)
        else:
            extent_below, mass_below = max(extent_below, extent), max(mass_below, -mass)
    return extent_above, mass_above, extent_below, mass_below


@njit(nogil=True, cache=True)
def cluster_extremes(stat, threshold, indptr, indices, weights, work):
    """Largest extent and mass of the clusters on either side of a map.

    Parameters
    ----------
    stat : (V,) array of float64 or float32
        NaN is in no cluster.
    threshold : float
        Above 0.
    indptr : (V + 1,) array of uint32
    indices : (M,) array of uint32
        Of a :class:`~nistats_nipype.stats.graphs.Graph`.
    weights : (V,) or (0,) array of float64
        What a point adds to the extent. If empty: 1.
    work : Work

    Returns
    -------
    extent_above, mass_above, extent_below, mass_below : float
        Of values ``>= threshold`` and ``<= -threshold``, none with a sign; 0 without clusters.
    """
    return measure(collect(stat, threshold, work), indptr, indices, weights, work)


@njit(nogil=True, cache=True)
def measure_lists(bounds, where, value, first, indptr, indices, weights, work, out):
    """Largest extents and masses of maps that are given by their points beyond the threshold.

    Parameters
    ----------
    bounds : (B + 1,) array of int64
        The points of map b are those from ``bounds[b]`` to ``bounds[b + 1] - 1``.
    where : (M,) array of uint32
        The points, of each map in increasing order.
    value : (M,) array of float64
        The statistic at each.
    first : int
        The first of the maps that are measured.
    indptr, indices, weights, work
        As for :func:`cluster_extremes`.
    out : (K, 4) array of float64
        Set to what :func:`cluster_extremes` returns for the maps ``first`` to ``first + K - 1``.
    """
    for row in range(out.shape[0]):
        start, stop = bounds[first + row], bounds[first + row + 1]
        for i in range(start, stop):
            work.points[i - start] = where[i]
            work.value[where[i]] = value[i]
        extremes = measure(stop - start, indptr, indices, weights, work)
        for side in range(4):
            out[row, side] = extremes[side]
