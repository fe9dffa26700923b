"""Compiled loops of the permutation engine. Import this module lazily: it needs Numba.

Sums run over the observations in their order, for every point by itself, without
fast-math; so a value does not depend on tiles, chunks, threads or the processor.
"""

import numpy as np
from numba import njit

#: Points in a tile: with 16 observations a tile takes 8 kB, a quarter of an L1 cache.
TILE = 64
#: Two values of |r| <= 1 closer than this are a tie. Rounding makes equivalent
#: relabellings differ by less than N * 1e-16; different ones differ by far more.
TIE = 1e-10


@njit(nogil=True, cache=True)
def partial_correlation(interest, nuisance, signed):
    """Correlation of data and effect of interest with the nuisance partialled out.

    ``interest`` is a coordinate (``signed``) or a sum of squares, ``nuisance`` a sum
    of squares, both of data of unit length.
    """
    left = 1.0 - nuisance
    if left < TIE:
        return 0.0
    if signed:
        return interest / np.sqrt(left)
    return np.sqrt(interest / left)


@njit(nogil=True, cache=True)
def correlate(projections, n_interest, units, out):
    """Partial correlation of every relabelling (row) with every point (column).

    ``projections`` is (B, P, N), the first ``n_interest`` of P belonging to the effect
    of interest; ``units`` is (N, V) residuals of unit length; ``out`` is (B, V).
    """
    n_relabellings, n_basis, n_observations = projections.shape
    n_points = units.shape[1]
    signed = n_interest == 1
    coordinate = np.empty(n_points)
    interest = np.empty(n_points)
    nuisance = np.empty(n_points)
    for b in range(n_relabellings):
        interest[:] = 0.0
        nuisance[:] = 0.0
        for k in range(n_basis):
            coordinate[:] = 0.0
            for i in range(n_observations):
                weight = projections[b, k, i]
                for v in range(n_points):
                    coordinate[v] += weight * units[i, v]
            if k >= n_interest:
                for v in range(n_points):
                    nuisance[v] += coordinate[v] * coordinate[v]
            elif signed:
                interest[:] = coordinate
            else:
                for v in range(n_points):
                    interest[v] += coordinate[v] * coordinate[v]
        for v in range(n_points):
            out[b, v] = partial_correlation(interest[v], nuisance[v], signed)


@njit(nogil=True, cache=True)
def extremes_and_counts(projections, n_interest, units, side, largest, smallest, counts):
    """Maximum and minimum over points, and exceedances over relabellings.

    Relabelling 0 of ``projections`` is the observed one and is compared with, but
    neither counted nor reduced. ``side`` is 0 for two-sided, 1 and -1 for one side.
    ``largest`` and ``smallest`` are (B - 1,), ``counts`` is (V,); all are updated.
    """
    n_relabellings = projections.shape[0]
    tile = np.empty((units.shape[0], TILE))
    correlations = np.empty((n_relabellings, TILE))
    for start in range(0, units.shape[1], TILE):
        size = min(TILE, units.shape[1] - start)
        tile[:, :size] = units[:, start : start + size]
        correlate(projections, n_interest, tile[:, :size], correlations[:, :size])
        for b in range(1, n_relabellings):
            for v in range(size):
                r = correlations[b, v]
                observed = correlations[0, v]
                largest[b - 1] = max(largest[b - 1], r)
                smallest[b - 1] = min(smallest[b - 1], r)
                if side == 0:
                    r, observed = abs(r), abs(observed)
                elif side < 0:
                    r, observed = -r, -observed
                if r >= observed - TIE:
                    counts[start + v] += 1
