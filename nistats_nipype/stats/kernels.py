"""Compiled loops of the permutation engine. Import this module lazily: it needs Numba.

Sums run over the observations in their order, for every point by itself, without
fast-math; so a value does not depend on tiles, chunks, threads or the processor.
"""

import numpy as np
from numba import njit

#: Points in a tile: with 16 observations a tile takes 8 kB, a quarter of an L1 cache.
TILE = 64
#: Two correlations, both at most 1 in size, closer than this are a tie. Rounding makes
#: equivalent relabellings differ by less than N * 1e-16; different ones differ by far more.
TIE = 1e-10


@njit(nogil=True, cache=True)
def _product(weights, tile, size, out):
    """Weighted sum over observations, ``out[v] = sum_i weights[i] * tile[i, v]``.

    Four observations a pass save three quarters of the loads and stores of ``out``; the
    brackets keep the additions in the order of the observations.
    """
    n = weights.shape[0]
    for v in range(size):
        out[v] = 0.0
    i = 0
    while i + 4 <= n:
        w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        u0, u1, u2, u3 = tile[i], tile[i + 1], tile[i + 2], tile[i + 3]
        for v in range(size):
            out[v] = (((out[v] + w0 * u0[v]) + w1 * u1[v]) + w2 * u2[v]) + w3 * u3[v]
        i += 4
    while i < n:
        w0, u0 = weights[i], tile[i]
        for v in range(size):
            out[v] += w0 * u0[v]
        i += 1


@njit(nogil=True, cache=True)
def _correlate(projection, n_interest, tile, size, coordinate, nuisance, r):
    """Correlation of data and effect of interest, the nuisance partialled out, into ``r``.

    ``projection`` is (P, N), the first ``n_interest`` rows belonging to the effect of
    interest: with one of them ``r`` has a sign, with more it is a multiple correlation.
    """
    n_basis = projection.shape[0]
    signed = n_interest == 1
    for v in range(size):
        r[v] = 0.0
        nuisance[v] = 0.0
    for k in range(n_basis):
        _product(projection[k], tile, size, coordinate)
        if k >= n_interest:
            for v in range(size):
                nuisance[v] += coordinate[v] * coordinate[v]
        elif signed:
            for v in range(size):
                r[v] = coordinate[v]
        else:
            for v in range(size):
                r[v] += coordinate[v] * coordinate[v]
    if signed and n_basis == 1:
        return
    for v in range(size):
        left = 1.0 - nuisance[v]
        value = r[v] / np.sqrt(left) if signed else np.sqrt(r[v] / left)
        # The nuisance explains these relabelled data altogether.
        r[v] = value if left >= TIE else 0.0


@njit(nogil=True, cache=True)
def _extremes(r, size):
    """Maximum and minimum. Four at a time, as each would wait for the one before."""
    m0 = m1 = m2 = m3 = -np.inf
    n0 = n1 = n2 = n3 = np.inf
    v = 0
    while v + 4 <= size:
        m0, m1 = max(m0, r[v]), max(m1, r[v + 1])
        m2, m3 = max(m2, r[v + 2]), max(m3, r[v + 3])
        n0, n1 = min(n0, r[v]), min(n1, r[v + 1])
        n2, n3 = min(n2, r[v + 2]), min(n3, r[v + 3])
        v += 4
    while v < size:
        m0, n0 = max(m0, r[v]), min(n0, r[v])
        v += 1
    return max(m0, m1, m2, m3), min(n0, n1, n2, n3)


@njit(nogil=True, cache=True)
def _count(r, limit, size, side, counts):
    """Add 1 to ``counts`` where ``r`` reaches ``limit`` on the tested side."""
    if side == 0:
        for v in range(size):
            counts[v] += abs(r[v]) >= limit[v]
    elif side > 0:
        for v in range(size):
            counts[v] += r[v] >= limit[v]
    else:
        for v in range(size):
            counts[v] += -r[v] >= limit[v]


@njit(nogil=True, cache=True)
def extremes_and_counts(projections, n_interest, units, side, largest, smallest, counts, observed):
    """Maximum and minimum over points, and exceedances over relabellings.

    Parameters
    ----------
    projections : (B + 1, P, N) array of float64
        Relabelled basis. Row 0 is the observed labelling: the others are compared with
        it, and it is neither counted nor reduced.
    n_interest : int
        How many of P belong to the effect of interest.
    units : (N, V) array of float64
        Residuals of the nuisance model, of unit length at each point.
    side : {0, 1, -1}
        Two-sided, positive, negative.
    largest, smallest : (B,) array of float64
        Updated with the extremes of r over the points.
    counts : (V,) array of int64
        Increased by the number of relabellings whose r reaches the observed one.
    observed : (V,) array of float64
        Set to the observed r.
    """
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    limit = np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = min(TILE, units.shape[1] - start)
        tile[:, :size] = units[:, start : start + size]
        _correlate(projections[0], n_interest, tile, size, coordinate, nuisance, r)
        observed[start : start + size] = r[:size]
        for v in range(size):
            limit[v] = (abs(r[v]) if side == 0 else side * r[v]) - TIE
        for b in range(1, projections.shape[0]):
            _correlate(projections[b], n_interest, tile, size, coordinate, nuisance, r)
            high, low = _extremes(r, size)
            largest[b - 1] = max(largest[b - 1], high)
            smallest[b - 1] = min(smallest[b - 1], low)
            _count(r, limit, size, side, counts[start : start + size])
