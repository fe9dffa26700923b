"""Compiled loops of the permutation engine. Import this module lazily: it needs Numba.

Sums run over the observations in an order that depends on their number only, for every
point by itself, without fast-math; so a value does not depend on tiles, chunks, threads
or the processor.

Inner loops index arrays in full: a view would cost more than the loop, as Numba counts
references to it. The functions without a leading underscore are the entry points.
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _tabulate(basis, tile, tables):
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _square_in(coordinate, total):
    for v in range(TILE):
        total[v] += coordinate[v] * coordinate[v]


@njit(nogil=True, cache=True)
def _combine(r, nuisance, signed):
    """Turn coordinates of interest and sums of squares into partial correlations ``r``."""
    for v in range(TILE):
        left = 1.0 - nuisance[v]
        value = r[v] / np.sqrt(left) if signed else np.sqrt(r[v] / left)
        # The nuisance explains these relabelled data altogether.
        r[v] = value if left >= TIE else 0.0


@njit(nogil=True, cache=True)
def _correlate(projections, b, n_interest, tile, coordinate, nuisance, r):
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


@njit(nogil=True, cache=True)
def _correlate_flipped(tables, patterns, b, n_interest, coordinate, nuisance, r):
    """Do as :func:`_correlate` for sign flips."""
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


@njit(nogil=True, cache=True)
def _turn(r, side, limit, reached):
    """Make the tested side the positive one, and count where it reaches ``limit``."""
    if side == 0:
        for v in range(TILE):
            r[v] = abs(r[v])
            reached[v] += 1 if r[v] >= limit[v] else 0
    else:
        for v in range(TILE):
            r[v] = side * r[v]
            reached[v] += 1 if r[v] >= limit[v] else 0


@njit(nogil=True, cache=True)
def _maximum(r, size):
    """Maximum of the first ``size`` values; ``r`` is used up.

    By halves, because each step then is one instruction on many values.
    """
    for v in range(size, TILE):
        r[v] = -np.inf
    for v in range(32):
        r[v] = r[v] if r[v] > r[v + 32] else r[v + 32]
    for v in range(16):
        r[v] = r[v] if r[v] > r[v + 16] else r[v + 16]
    for v in range(8):
        r[v] = r[v] if r[v] > r[v + 8] else r[v + 8]
    top = r[0]
    for v in range(1, 8):
        top = r[v] if r[v] > top else top
    return top


@njit(nogil=True, cache=True)
def _load(units, start, tile):
    """Copy a tile, with zeros beyond the last point; return how many points it has."""
    size = min(TILE, units.shape[1] - start)
    tile[:, :size] = units[:, start : start + size]
    tile[:, size:] = 0.0
    return size


@njit(nogil=True, cache=True)
def extremes_and_counts(projections, n_interest, units, side, maxima, counts, observed):
    """Maximum over points, and exceedances over relabellings.

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
        Two-sided, positive, negative: what is compared is ``|r|``, ``r`` or ``-r``.
    maxima : (B,) array of float64
        Raised to the maxima over the points.
    counts : (V,) array of int64
        Increased by the number of relabellings that reach the observed one.
    observed : (V,) array of float64
        Set to the observed r.
    """
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    limit, reached = np.empty(TILE), np.empty(TILE, dtype=np.int64)
    for start in range(0, units.shape[1], TILE):
        size = _load(units, start, tile)
        _correlate(projections, 0, n_interest, tile, coordinate, nuisance, r)
        observed[start : start + size] = r[:size]
        limit[:] = np.inf
        _turn(r, side, limit, reached)
        limit[:] = r - TIE
        reached[:] = 0
        for b in range(1, projections.shape[0]):
            _correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            _turn(r, side, limit, reached)
            top = _maximum(r, size)
            if top > maxima[b - 1]:
                maxima[b - 1] = top
        counts[start : start + size] += reached[:size]


@njit(nogil=True, cache=True)
def flipped_extremes_and_counts(
    patterns, basis, n_interest, units, side, maxima, counts, observed
):
    """Do as :func:`extremes_and_counts` for sign flips, by tables of partial sums.

    ``patterns`` is (B + 1, groups) of uint8, ``basis`` (P, N). A relabelling costs one
    addition for every :data:`GROUP` observations.
    """
    n_basis, n = basis.shape
    tables = np.empty((n_basis, (n + GROUP - 1) // GROUP, 1 << GROUP, TILE))
    tile = np.empty((n, TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    limit, reached = np.empty(TILE), np.empty(TILE, dtype=np.int64)
    for start in range(0, units.shape[1], TILE):
        size = _load(units, start, tile)
        _tabulate(basis, tile, tables)
        _correlate_flipped(tables, patterns, 0, n_interest, coordinate, nuisance, r)
        observed[start : start + size] = r[:size]
        limit[:] = np.inf
        _turn(r, side, limit, reached)
        limit[:] = r - TIE
        reached[:] = 0
        for b in range(1, patterns.shape[0]):
            _correlate_flipped(tables, patterns, b, n_interest, coordinate, nuisance, r)
            _turn(r, side, limit, reached)
            top = _maximum(r, size)
            if top > maxima[b - 1]:
                maxima[b - 1] = top
        counts[start : start + size] += reached[:size]


@njit(nogil=True, cache=True)
def correlation_maps(projections, n_interest, units, out):
    """Partial correlation of every relabelling (row of ``out``) at every point (column)."""
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = _load(units, start, tile)
        for b in range(projections.shape[0]):
            _correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            out[b, start : start + size] = r[:size]
