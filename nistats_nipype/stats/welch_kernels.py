"""Compiled loops of the statistics v and G. Import this module lazily: it needs Numba.

As in :mod:`nistats_nipype.stats.tile_kernels`, sums run over the observations in a fixed
order, for every point by itself, so that a value does not depend on tiles, chunks or threads.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .score_kernels import score_of_f, score_of_t
from .tile_kernels import TILE
from .welch import NO_RESIDUALS


class Geometry(NamedTuple):
    """What v and G need of a design and its G variance groups.

    Attributes
    ----------
    basis : (P, N) array of float64
        Orthonormal, the nuisance first, the effect of interest last.
    n_interest : int
        How many of P belong to the effect.
    group : (N,) array of int64
        Number of the variance group of each row of the design, from 0.
    products : (G, P, P) array of float64
        Products of the basis vectors over the rows of each group.
    sizes : (G,) array of float64
        Observations in each group.
    dof : (G,) array of float64
        Residual degrees of freedom of each group, the trace of its part of the residual-forming
        matrix.
    """

    basis: np.ndarray
    n_interest: int
    group: np.ndarray
    products: np.ndarray
    sizes: np.ndarray
    dof: np.ndarray


@njit(nogil=True, cache=True, error_model='numpy')
def _weigh(coordinates, squares, geometry, precision, stat, dof):
    """Compute v or G, and its degrees of freedom, at the points of a tile.

    ``coordinates`` (P, TILE) are those of the data, ``squares`` (G, TILE) the sums of squared
    residuals of each group; ``precision`` (P, P, TILE) is scratch.
    """
    n_basis, n_groups = coordinates.shape[0], squares.shape[0]
    n_interest = geometry.n_interest
    first = n_basis - n_interest
    for v in range(TILE):
        total = spread = 0.0
        for g in range(n_groups):
            total += geometry.sizes[g] * geometry.dof[g] / squares[g, v]
        for g in range(n_groups):
            share = geometry.sizes[g] * geometry.dof[g] / squares[g, v] / total
            spread += (1.0 - share) ** 2 / geometry.dof[g]
        dof[v] = n_interest * (n_interest + 2) / (3.0 * spread)
        # Cholesky: the last rows of the factor are the precision of the effect, the nuisance
        # taken out.
        for k in range(n_basis):
            for j in range(k + 1):
                entry = 0.0
                for g in range(n_groups):
                    entry += geometry.dof[g] / squares[g, v] * geometry.products[g, k, j]
                for m in range(j):
                    entry -= precision[k, m, v] * precision[j, m, v]
                precision[k, j, v] = math.sqrt(entry) if j == k else entry / precision[j, j, v]
        if n_interest == 1:
            stat[v] = precision[first, first, v] * coordinates[first, v]
            continue
        form = 0.0
        for j in range(first, n_basis):
            along = 0.0
            for k in range(j, n_basis):
                along += precision[k, j, v] * coordinates[k, v]
            form += along * along
        inflation = 1.0 + 2.0 * (n_interest - 1) / (n_interest * (n_interest + 2)) * spread
        stat[v] = form / n_interest / inflation


@njit(nogil=True, cache=True, error_model='numpy')
def _make_scratch(geometry):
    """Room for the numbers of one tile."""
    n_basis, n_groups = geometry.basis.shape[0], geometry.dof.shape[0]
    return (
        np.empty((n_groups, n_basis, TILE)),
        np.empty((n_basis, TILE)),
        np.empty((n_groups, TILE)),
        np.empty((n_basis, n_basis, TILE)),
    )


@njit(nogil=True, cache=True, error_model='numpy')
def _relabel(geometry, order, sign, tile, scratch, stat, dof):
    """Compute v or G of one relabelling of a tile; NaN where a group leaves no residuals."""
    parts, coordinates, squares, precision = scratch
    n_groups, n_basis = parts.shape[:2]
    parts[:] = 0.0
    squares[:] = 0.0
    for i in range(order.shape[0]):
        g, source, flip = geometry.group[i], order[i], float(sign[i])
        for v in range(TILE):
            squares[g, v] += tile[source, v] * tile[source, v]
        for k in range(n_basis):
            weight = flip * geometry.basis[k, i]
            for v in range(TILE):
                parts[g, k, v] += weight * tile[source, v]
    coordinates[:] = 0.0
    for g in range(n_groups):
        for k in range(n_basis):
            for v in range(TILE):
                coordinates[k, v] += parts[g, k, v]
    for g in range(n_groups):
        for k in range(n_basis):
            for v in range(TILE):
                fitted = 0.0
                for j in range(n_basis):
                    fitted += geometry.products[g, k, j] * coordinates[j, v]
                squares[g, v] += coordinates[k, v] * (fitted - 2.0 * parts[g, k, v])
    _weigh(coordinates, squares, geometry, precision, stat, dof)
    for g in range(n_groups):
        for v in range(TILE):
            if not squares[g, v] >= NO_RESIDUALS:
                stat[v] = np.nan


@njit(nogil=True, cache=True, error_model='numpy')
def _score(stat, dof, n_interest):
    if n_interest == 1:
        return score_of_t(stat, dof)
    return score_of_f(stat, float(n_interest), dof)


@njit(nogil=True, cache=True, error_model='numpy')
def _load(units, start, tile):
    """Copy a tile; beyond the last point, repeat it. Return how many points it has."""
    size = min(TILE, units.shape[1] - start)
    for i in range(units.shape[0]):
        for v in range(TILE):
            tile[i, v] = units[i, start + min(v, size - 1)]
    return size


@njit(nogil=True, cache=True, error_model='numpy')
def _bounds(stat, dof):
    """Bounds of the normal score of a t statistic, by Wallace's theorem [1].

    [1] Wallace DL (1959). Bounds on normal approximations to Student's and the chi-square
        distributions. Ann Math Stat 30(4):1121-1130. https://doi.org/10.1214/aoms/1177706095
    """
    far = math.sqrt(dof * math.log1p(stat * stat / dof))
    near = far * math.sqrt(max(1.0 - 0.5 / dof, 0.0))
    return (near, far) if stat >= 0.0 else (-far, -near)


@njit(nogil=True, cache=True, error_model='numpy')
def score_extremes_and_counts(
    geometry, orders, signs, units, side, limits, maxima, counts, left_out
):
    """Maximum over points, and exceedances over relabellings, of the normal score of v or G.

    Parameters
    ----------
    geometry : Geometry
    orders : (B, N) array of int32
    signs : (B, N) array of int8
    units, side, limits, maxima, counts, left_out
        As for :func:`nistats_nipype.stats.kernels.extremes_and_counts`; limits and maxima are
        scores.
    """
    n_interest = geometry.n_interest
    tile = np.empty((units.shape[0], TILE))
    stat, dof = np.empty(TILE), np.empty(TILE)
    scratch = _make_scratch(geometry)
    for start in range(0, units.shape[1], TILE):
        size = _load(units, start, tile)
        for b in range(orders.shape[0]):
            _relabel(geometry, orders[b], signs[b], tile, scratch, stat, dof)
            for v in range(size):
                if stat[v] != stat[v]:
                    left_out[start + v] += 1
                    continue
                limit = limits[start + v]
                value = abs(stat[v]) if side == 0 else side * stat[v]
                low, high = -np.inf, np.inf
                if n_interest == 1:
                    low, high = _bounds(value, dof[v])
                if high > maxima[b] or low < limit <= high:
                    low = high = _score(value, dof[v], n_interest)
                    maxima[b] = max(maxima[b], high)
                counts[start + v] += low >= limit


@njit(nogil=True, cache=True, error_model='numpy')
def score_maps(geometry, orders, signs, units, out):
    """Normal score of v or G of every relabelling (row of ``out``) at every point."""
    tile = np.empty((units.shape[0], TILE))
    stat, dof = np.empty(TILE), np.empty(TILE)
    scratch = _make_scratch(geometry)
    for start in range(0, units.shape[1], TILE):
        size = _load(units, start, tile)
        for b in range(orders.shape[0]):
            _relabel(geometry, orders[b], signs[b], tile, scratch, stat, dof)
            for v in range(size):
                out[b, start + v] = _score(stat[v], dof[v], geometry.n_interest)


@njit(nogil=True, cache=True, error_model='numpy')
def weigh(coordinates, squares, geometry, stat, dof):
    """Compute v or G, and its degrees of freedom, of data that have been fitted.

    Parameters
    ----------
    coordinates : (P, V) array of float64
        Of the data in the basis of ``geometry``.
    squares : (G, V) array of float64
        Sums of squared residuals of each group.
    geometry : Geometry
    stat, dof : (V,) array of float64
        Set to v or G, and to the degrees of freedom of its error.
    """
    _, tile_coordinates, tile_squares, precision = _make_scratch(geometry)
    tile_stat, tile_dof = np.empty(TILE), np.empty(TILE)
    for start in range(0, squares.shape[1], TILE):
        size = _load(coordinates, start, tile_coordinates)
        _load(squares, start, tile_squares)
        _weigh(tile_coordinates, tile_squares, geometry, precision, tile_stat, tile_dof)
        for v in range(size):
            stat[start + v], dof[start + v] = tile_stat[v], tile_dof[v]
