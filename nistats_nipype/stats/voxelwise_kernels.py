"""Compiled loops of permutation with voxelwise covariates. Import lazily: it needs Numba.

Relabelled data meet a basis that is another at each point, so that it is the data that move,
not the basis. Sums run over the observations in their order, for every point by itself.
"""

import numpy as np
from numba import njit

from .tile_kernels import TIE, TILE, load


@njit(nogil=True, cache=True, error_model='numpy')
def _correlate(orders, signs, b, n_interest, basis, tile, coordinates, r):
    """Partial correlations of one relabelling at the points of a tile, into ``r``."""
    n_basis, n = basis.shape[0], basis.shape[1]
    for k in range(n_basis):
        for v in range(TILE):
            coordinates[k, v] = 0.0
    for i in range(n):
        order, sign = orders[b, i], float(signs[b, i])
        for k in range(n_basis):
            for v in range(TILE):
                coordinates[k, v] += basis[k, i, v] * (sign * tile[order, v])
    for v in range(TILE):
        left, along = 1.0, 0.0
        for k in range(n_interest, n_basis):
            left -= coordinates[k, v] * coordinates[k, v]
        for k in range(n_interest):
            along += coordinates[k, v] * coordinates[k, v]
        value = np.sqrt(along / left)
        if n_interest == 1:
            value = coordinates[0, v] / np.sqrt(left)
        # 0 / 0 where the nuisance explains the relabelled data altogether.
        r[v] = value if left >= TIE else np.nan


@njit(nogil=True, cache=True, error_model='numpy')
def _load_basis(basis, start, size, tile):
    """Copy the basis of a tile, with zeros beyond the last point."""
    for k in range(basis.shape[0]):
        for i in range(basis.shape[1]):
            for v in range(size):
                tile[k, i, v] = basis[k, i, start + v]
            for v in range(size, TILE):
                tile[k, i, v] = 0.0


@njit(nogil=True, cache=True, error_model='numpy')
def voxelwise_maps(orders, signs, n_interest, basis, units, out):
    """Partial correlation of every relabelling (row of ``out``) at every point (column).

    Parameters
    ----------
    orders : (B, N) array of int32
    signs : (B, N) array of int8
    n_interest : int
        How many of P belong to the effect of interest.
    basis : (P, N, V) array of float64
        Orthonormal at each point.
    units : (N, V) array of float64
        The data that are relabelled, of unit length at each point.
    out : (B, V) array of float64
        NaN where there is no statistic.
    """
    n_basis, n = basis.shape[0], basis.shape[1]
    tile, bases = np.empty((n, TILE)), np.empty((n_basis, n, TILE))
    coordinates, r = np.empty((n_basis, TILE)), np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        _load_basis(basis, start, size, bases)
        for b in range(orders.shape[0]):
            _correlate(orders, signs, b, n_interest, bases, tile, coordinates, r)
            for v in range(size):
                out[b, start + v] = r[v]


@njit(nogil=True, cache=True, error_model='numpy')
def voxelwise_extremes(
    orders, signs, n_interest, basis, units, side, limits, maxima, counts, left_out
):
    """Maximum over points, and exceedances over relabellings.

    Parameters
    ----------
    orders, signs, n_interest, basis, units
        As for :func:`voxelwise_maps`.
    side, limits, maxima, counts, left_out
        As for :func:`nistats_nipype.stats.kernels.extremes_and_counts`.
    """
    n_basis, n = basis.shape[0], basis.shape[1]
    tile, bases = np.empty((n, TILE)), np.empty((n_basis, n, TILE))
    coordinates, r = np.empty((n_basis, TILE)), np.empty(TILE)
    for start in range(0, units.shape[1], TILE):
        size = load(units, start, tile)
        _load_basis(basis, start, size, bases)
        for b in range(orders.shape[0]):
            _correlate(orders, signs, b, n_interest, bases, tile, coordinates, r)
            top = maxima[b]
            for v in range(size):
                value = abs(r[v]) if side == 0 else side * r[v]
                left_out[start + v] += 1 if value != value else 0
                counts[start + v] += 1 if value >= limits[start + v] else 0
                top = value if value > top else top
            maxima[b] = top
