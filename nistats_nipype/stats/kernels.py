"""Compiled loops of the permutation engine. Import this module lazily: it needs Numba."""

import numpy as np
from numba import njit

from .tile_kernels import (
    TIE,
    TILE,
    correlate,
    correlate_flipped,
    load,
    make_tables,
    tabulate,
)


@njit(nogil=True, cache=True, error_model='numpy', inline='always')
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


@njit(nogil=True, cache=True, error_model='numpy', inline='always')
def _leave_out(r, left_out):
    """Count where there is no statistic, and let it be no maximum."""
    for v in range(TILE):
        absent = r[v] != r[v]
        left_out[v] += 1 if absent else 0
        r[v] = -np.inf if absent else r[v]


@njit(nogil=True, cache=True, error_model='numpy', inline='always')
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


@njit(nogil=True, cache=True, error_model='numpy')
def extremes_and_counts(
    projections, patterns, n_interest, units, side, limits, maxima, counts, left_out
):
    """Maximum over points, and exceedances over relabellings.

    Parameters
    ----------
    projections : (B, P, N) array of float64
        Relabelled basis; with ``patterns``, the basis itself: (1, P, N).
    patterns : (B, groups) array of uint8, or (0, 0)
        Sign flips, one bit an observation. With them, a relabelling costs one addition for every
        eight observations, by tables of partial sums.
    n_interest : int
        How many of P belong to the effect of interest.
    units : (N, V) array of float64
        The data that are relabelled, of unit length at each point.
    side : {0, 1, -1}
        Two-sided, positive, negative: what is compared is ``|r|``, ``r`` or ``-r``.
    limits : (V,) array of float64
        What r, so turned, must reach to be counted.
    maxima : (B,) array of float64
        Raised to the maxima over the points.
    counts : (V,) array of int64
        Increased by the number of relabellings that reach the limit.
    left_out : (V,) array of int64
        Increased by the number of relabellings that leave no statistic, 0 / 0.
    """
    flips = patterns.shape[0] > 0
    n_relabellings = patterns.shape[0] if flips else projections.shape[0]
    # Without nuisance, sign flips leave what they find.
    lossless = flips and projections.shape[1] == n_interest
    tables = make_tables(projections[0], patterns)
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    limit, reached = np.empty(TILE), np.empty(TILE, dtype=np.int64)
    absent = np.empty(TILE, dtype=np.int64)
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        for v in range(TILE):
            limit[v] = limits[start + v] if v < size else np.inf
        reached[:] = 0
        absent[:] = 0
        if flips:
            tabulate(projections[0], tile, tables)
        for b in range(n_relabellings):
            if flips:
                correlate_flipped(tables, patterns, b, n_interest, coordinate, nuisance, r)
            else:
                correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            _turn(r, side, limit, reached)
            if not lossless:
                _leave_out(r, absent)
            top = _maximum(r, size)
            if top > maxima[b]:
                maxima[b] = top
        for v in range(size):
            counts[start + v] += reached[v]
            left_out[start + v] += absent[v]


@njit(nogil=True, cache=True, error_model='numpy')
def correlation_maps(projections, n_interest, units, out):
    """Partial correlation of every relabelling (row of ``out``) at every point (column)."""
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        for b in range(projections.shape[0]):
            correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            for v in range(size):
                out[b, start + v] = r[v]


@njit(nogil=True, cache=True, error_model='numpy')
def statistic_maps(projections, n_interest, units, dof, signed, out):
    """Compute t or F of every relabelling (row of ``out``) at every point.

    Parameters
    ----------
    projections, n_interest, units
        As for :func:`extremes_and_counts`, without patterns.
    dof : float
        Residual degrees of freedom.
    signed : bool
        Whether the statistic is t; or else F.
    out : (B, V) array of float64
        NaN where there is none, 0 / 0. Where no residuals are left, as can be with data of few
        different values, the statistic is infinite but for rounding, which would decide between
        equivalent relabellings: correlations that tie with 1 are taken for the largest that do
        not.
    """
    largest = 1.0 - TIE
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        for b in range(projections.shape[0]):
            correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            for v in range(TILE):
                value = r[v] if r[v] < largest else largest
                value = value if value > -largest else -largest
                left = 1.0 - value * value
                if signed:
                    value = value * np.sqrt(dof / left)
                else:
                    value = value * value / left * (dof / n_interest)
                r[v] = value if r[v] == r[v] else np.nan
            for v in range(size):
                out[b, start + v] = r[v]


@njit(nogil=True, cache=True, error_model='numpy')
def effect_and_variance_maps(projections, n_interest, units, lengths, dof, effect, variance):
    """Effect and residual variance of every relabelling (row) at every point (column).

    Parameters
    ----------
    projections, n_interest, units
        As for :func:`extremes_and_counts`, without patterns.
    lengths : (V,) array of float64
        Length of the data that ``units`` were made of.
    dof : float
        Residual degrees of freedom.
    effect : (B, V) array of float64
        With one dimension of interest, the effect in units of its standard error's, so that it
        over the root of ``variance`` is t; with more, the mean square, so that it over
        ``variance`` is F.
    variance : (B, V) array of float64
        NaN, as ``effect`` is, where there is no statistic.
    """
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        for b in range(projections.shape[0]):
            nuisance[:] = 0.0
            correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            for v in range(size):
                at = start + v
                left = (1.0 - nuisance[v]) * lengths[at] ** 2
                explained = r[v] * r[v] * left
                variance[b, at] = (left - explained) / dof
                if n_interest == 1:
                    effect[b, at] = r[v] * np.sqrt(left)
                else:
                    effect[b, at] = explained / n_interest


@njit(nogil=True, cache=True, error_model='numpy')
def collect_beyond(
    projections, patterns, n_interest, units, threshold, first, found, which, where, value, present
):
    """Find the points whose correlation is beyond a threshold, on both sides.

    Parameters
    ----------
    projections, patterns, n_interest, units
        As for :func:`extremes_and_counts`.
    threshold : float
        A point is found if ``abs(r) >= threshold``.
    first : int
        Number of the first of the points.
    found : int
        How many have been found.
    which : (M,) array of uint16
        From ``found`` on, set to the relabelling of each point found. 16 bits are quickly sorted.
    where : (M,) array of uint32
        Set to its number.
    value : (M,) array of float64
        Set to its r.
    present : (B,) array of bool
        Set to True for the relabellings that leave a statistic at any point.

    Returns
    -------
    int
        How many have been found now; more than M if there was no room.
    """
    flips = patterns.shape[0] > 0
    n_relabellings = patterns.shape[0] if flips else projections.shape[0]
    tables = make_tables(projections[0], patterns)
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        if flips:
            tabulate(projections[0], tile, tables)
        for b in range(n_relabellings):
            if flips:
                correlate_flipped(tables, patterns, b, n_interest, coordinate, nuisance, r)
            else:
                correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            beyond = 0
            for v in range(TILE):
                beyond += 1 if abs(r[v]) >= threshold else 0
            v = 0
            while v < size and not present[b]:
                present[b] = r[v] == r[v]
                v += 1
            if beyond == 0:
                continue
            if found + beyond > which.shape[0]:
                return which.shape[0] + 1
            for v in range(size):
                if abs(r[v]) >= threshold:
                    which[found], where[found], value[found] = b, first + start + v, r[v]
                    found += 1
    return found


@njit(nogil=True, cache=True, error_model='numpy')
def find_exceedances(projections, patterns, n_interest, units, side, limits, first, rows):
    """Find the first relabellings that reach a limit, at each point.

    Parameters
    ----------
    projections, patterns, n_interest, units, side, limits
        As for :func:`extremes_and_counts`.
    first : int
        Number of the first of the relabellings.
    rows : (n_stop, V) array of int64
        Filled from the top with the numbers of those that reach the limit; negative where none
        has been found.

    Returns
    -------
    int
        Relabellings that leave no statistic, 0 / 0, summed over points.
    """
    flips = patterns.shape[0] > 0
    n_relabellings = patterns.shape[0] if flips else projections.shape[0]
    n_stop = rows.shape[0]
    tables = make_tables(projections[0], patterns)
    tile = np.empty((units.shape[0], TILE))
    r, coordinate, nuisance = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    absent = 0
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        if flips:
            tabulate(projections[0], tile, tables)
        for b in range(n_relabellings):
            if flips:
                correlate_flipped(tables, patterns, b, n_interest, coordinate, nuisance, r)
            else:
                correlate(projections, b, n_interest, tile, coordinate, nuisance, r)
            for v in range(size):
                absent += r[v] != r[v]
                turned = abs(r[v]) if side == 0 else side * r[v]
                if turned >= limits[start + v]:
                    for k in range(n_stop):
                        if rows[k, start + v] < 0:
                            rows[k, start + v] = first + b
                            break
    return absent


@njit(nogil=True, cache=True, error_model='numpy')
def _take_out(vector, other):
    """Make a vector orthogonal to another, of unit length; sums are in a fixed order."""
    total = 0.0
    for i in range(vector.shape[0]):
        total += other[i] * vector[i]
    for i in range(vector.shape[0]):
        vector[i] -= total * other[i]


@njit(nogil=True, cache=True, error_model='numpy')
def orthonormalise(vectors, nuisance, absorbed):
    """Take the nuisance out of vectors and make them orthonormal, in place.

    Parameters
    ----------
    vectors : (B, Q, N) array of float64
        Of about unit length. What is not longer than ``absorbed`` in the end becomes zeros; all
        vectors of a relabelling become NaN if none is left.
    nuisance : (R, N) array of float64
        Orthonormal.
    absorbed : float
    """
    for b in range(vectors.shape[0]):
        n_left = 0
        for q in range(vectors.shape[1]):
            vector = vectors[b, q]
            # Twice, for the digits that the first time loses.
            for _ in range(2):
                for k in range(nuisance.shape[0]):
                    _take_out(vector, nuisance[k])
                for k in range(q):
                    _take_out(vector, vectors[b, k])
            length = 0.0
            for i in range(vector.shape[0]):
                length += vector[i] * vector[i]
            length = np.sqrt(length)
            n_left += length > absorbed
            for i in range(vector.shape[0]):
                vector[i] = vector[i] / length if length > absorbed else 0.0
        if n_left == 0:
            vectors[b, :, :] = np.nan
