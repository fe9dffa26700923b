"""Sums over the observations of a tile of points, compiled. Import lazily: it needs Numba.

Sums run over the observations in an order that depends on their number only, for every
point by itself, without fast-math; so a value does not depend on tiles, chunks, threads
or the processor.

Inner loops index arrays in full: a view would cost more than the loop, as Numba counts
references to it, and copying slices takes Numba seconds to compile. For the same reason the
loops over sign flips are inlined: calls would add a third to their time. Permutations and sign
flips have functions of their own all the way up: one function for both, with the arrays of
both, takes up to twice as long.
"""

import numpy as np
from numba import njit

#: Points in a tile; _maximum relies on the number. With 16 observations a tile takes 8 kB of
#: 32 kB of L1 cache, and the tables of their sign flips 256 kB of L2.
TILE = 64
#: Observations that share a table of partial sums over their 256 sign patterns.
GROUP = 8
#: Two correlations, both at most 1 in size, closer than this are a tie. Rounding makes
#: equivalent relabellings differ by less than N * 1e-16; different ones differ by far more.
TIE = 1e-10


@njit(nogil=True, cache=True, error_model='numpy')
def _multiply(projections, b, k, tile, out):
    """Weighted sum over observations, ``out[v] = sum_i projections[b, k, i] * tile[i, v]``.

    Four observations a pass save three quarters of the loads and stores of ``out``; the
    brackets keep the additions in the order of the observations.
    """
    n = projections.shape[2]
    for v in range(TILE):
        out[v] = 0.0
    i = 0
    while i + 4 <= n:
        w0, w1 = projections[b, k, i], projections[b, k, i + 1]
        w2, w3 = projections[b, k, i + 2], projections[b, k, i + 3]
        for v in range(TILE):
            out[v] = (
                ((out[v] + w0 * tile[i, v]) + w1 * tile[i + 1, v]) + w2 * tile[i + 2, v]
            ) + w3 * tile[i + 3, v]
        i += 4
    while i < n:
        w0 = projections[b, k, i]
        for v in range(TILE):
            out[v] += w0 * tile[i, v]
        i += 1


@njit(nogil=True, cache=True, error_model='numpy')
def tabulate(basis, tile, tables):
    """Partial sums of each group of observations over all its sign patterns.

    ``tables`` is (P, groups, 256, TILE). Bit j of a pattern says that observation j of the
    group is flipped; a pattern is one addition away from one with a bit less.
    """
    n_basis, n = basis.shape
    for k in range(n_basis):
        for g in range(tables.shape[1]):
            first = g * GROUP
            last = min(first + GROUP, n)
            for v in range(TILE):
                tables[k, g, 0, v] = 0.0
            for i in range(first, last):
                for v in range(TILE):
                    tables[k, g, 0, v] += basis[k, i] * tile[i, v]
            for i in range(first, last):
                bit = 1 << (i - first)
                for pattern in range(bit):
                    for v in range(TILE):
                        tables[k, g, pattern + bit, v] = (
                            tables[k, g, pattern, v] - 2.0 * basis[k, i] * tile[i, v]
                        )


@njit(nogil=True, cache=True, error_model='numpy', inline='always')
def _look_up(tables, patterns, b, k, out):
    """Weighted sum over observations with flipped signs: one row of each table."""
    n_groups = tables.shape[1]
    first = patterns[b, 0]
    if n_groups == 1:
        for v in range(TILE):
            out[v] = tables[k, 0, first, v]
        return
    second = patterns[b, 1]
    for v in range(TILE):
        out[v] = tables[k, 0, first, v] + tables[k, 1, second, v]
    for g in range(2, n_groups):
        pattern = patterns[b, g]
        for v in range(TILE):
            out[v] += tables[k, g, pattern, v]


@njit(nogil=True, cache=True, error_model='numpy', inline='always')
def _square_in(coordinate, total):
    for v in range(TILE):
        total[v] += coordinate[v] * coordinate[v]


@njit(nogil=True, cache=True, error_model='numpy', inline='always')
def _combine(r, nuisance, signed):
    """Turn coordinates of interest and sums of squares into partial correlations ``r``."""
    for v in range(TILE):
        left = 1.0 - nuisance[v]
        value = r[v] / np.sqrt(left) if signed else np.sqrt(r[v] / left)
        # 0 / 0 where the nuisance explains the relabelled data altogether.
        r[v] = value if left >= TIE else np.nan


@njit(nogil=True, cache=True, error_model='numpy')
def correlate(projections, b, n_interest, tile, coordinate, nuisance, r):
    """Correlation of data and effect of interest, the nuisance partialled out, into ``r``.

    With one dimension of interest ``r`` has a sign, with more it is a multiple correlation.
    """
    n_basis = projections.shape[1]
    if n_interest == 1:
        _multiply(projections, b, 0, tile, r)
        if n_basis == 1:
            return
    else:
        r[:] = 0.0
    nuisance[:] = 0.0
    for k in range(1 if n_interest == 1 else 0, n_basis):
        _multiply(projections, b, k, tile, coordinate)
        _square_in(coordinate, r if k < n_interest else nuisance)
    _combine(r, nuisance, n_interest == 1)


@njit(nogil=True, cache=True, error_model='numpy', inline='always')
def correlate_flipped(tables, patterns, b, n_interest, coordinate, nuisance, r):
    """Do as :func:`correlate` for sign flips."""
    n_basis = tables.shape[0]
    if n_interest == 1:
        _look_up(tables, patterns, b, 0, r)
        if n_basis == 1:
            return
    else:
        r[:] = 0.0
    nuisance[:] = 0.0
    for k in range(1 if n_interest == 1 else 0, n_basis):
        _look_up(tables, patterns, b, k, coordinate)
        _square_in(coordinate, r if k < n_interest else nuisance)
    _combine(r, nuisance, n_interest == 1)


@njit(nogil=True, cache=True, error_model='numpy')
def load(units, start, tile):
    """Copy a tile, with zeros beyond the last point; return how many points it has."""
    size = min(TILE, units.shape[1] - start)
    for i in range(units.shape[0]):
        for v in range(size):
            tile[i, v] = units[i, start + v]
        for v in range(size, TILE):
            tile[i, v] = 0.0
    return size


@njit(nogil=True, cache=True, error_model='numpy')
def make_tables(basis, patterns):
    """Room for the tables of sign flips; next to none where there are no patterns."""
    n_groups = (basis.shape[1] + GROUP - 1) // GROUP if patterns.shape[0] else 0
    return np.empty((basis.shape[0], n_groups, 1 << GROUP, TILE))
