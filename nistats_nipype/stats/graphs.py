"""Graphs of neighbouring points, as the compiled loops read them."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from ..exceptions import InputError


class Graph(NamedTuple):
    """Neighbours of V points: those of point v are ``indices[indptr[v] : indptr[v + 1]]``.

    Make it with :func:`check_graph`: compiled loops rely on its symmetry.

    Attributes
    ----------
    indptr : ndarray of shape (V + 1,), uint32
        Where the neighbours of a point begin. Unsigned, as a signed index costs a test.
    indices : ndarray of shape (M,), uint32
        The neighbours, in increasing order for each point.
    """

    indptr: np.ndarray
    indices: np.ndarray


def check_graph(adjacency, n_points):
    """Check that a matrix says which points are neighbours.

    Parameters
    ----------
    adjacency : sparse matrix or array of shape (V, V), or Graph
        Points are neighbours where it is not zero. A :class:`Graph` has been checked before,
        and only its size is looked at.
    n_points : int
        How many points there should be.

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If the matrix is not sparse, not of this size or not symmetric, or if it makes a point
        its own neighbour.

    Examples
    --------
    >>> line = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(3, 3))
    >>> check_graph(line, 3).indices
    array([1, 0, 2, 1], dtype=uint32)
    """
    if isinstance(adjacency, Graph):
        shape = (len(adjacency.indptr) - 1,) * 2
    elif sparse.issparse(adjacency):
        shape = adjacency.shape
    else:
        raise InputError(
            'The graph of neighbours is not a sparse matrix.',
            found=type(adjacency).__name__,
            expected='a SciPy sparse array, as voxel_adjacency and mesh_adjacency make',
        )
    if shape != (n_points, n_points):
        raise InputError(
            'The graph of neighbours does not fit the map.',
            found=f'a graph of shape {shape} and {n_points} points',
            expected='one row and one column per point',
            advice='Make the graph from the mask that the map was packed with.',
        )
    return adjacency if isinstance(adjacency, Graph) else _read(adjacency)


def _read(adjacency):
    """Read the graph out of a square matrix."""
    matrix = sparse.csr_array(adjacency, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if matrix.diagonal().any():
        raise InputError(
            'The graph of neighbours makes points their own neighbours.',
            found=f'{np.count_nonzero(matrix.diagonal())} such points',
            expected='a diagonal of zeros',
            advice='Remove them: adjacency.setdiag(0).',
        )
    columns = matrix.tocsc()  # its rows come out sorted
    same = np.array_equal(columns.indptr, matrix.indptr)
    if not (same and np.array_equal(columns.indices, matrix.indices)):
        raise InputError(
            'The graph of neighbours is not symmetric.',
            expected='u among the neighbours of v wherever v is among those of u',
            advice='Add the other direction: adjacency + adjacency.T.',
        )
    if matrix.nnz > np.iinfo(np.uint32).max:
        raise InputError(
            'The graph of neighbours is too large.',
            found=f'{matrix.nnz} neighbours of {matrix.shape[0]} points',
            expected='at most 2**32 - 1 neighbours',
        )
    return Graph(matrix.indptr.astype(np.uint32), matrix.indices.astype(np.uint32))


def check_weights(weights, n_points):
    """Check the weights of points; an empty array stands for 1 everywhere.

    Parameters
    ----------
    weights : array-like of shape (V,), or None
        For instance the area of each vertex in mm².
    n_points : int
        How many points there should be.

    Returns
    -------
    ndarray of shape (V,) or (0,), float64

    Raises
    ------
    InputError
        If a weight is missing, infinite, or not above 0.

    Examples
    --------
    >>> check_weights([1, 2.5], 2)
    array([1. , 2.5])
    >>> check_weights(None, 2)
    array([], dtype=float64)
    """
    if weights is None:
        return np.empty(0)
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    good = np.isfinite(weights) & (weights > 0)
    if weights.shape != (n_points,) or not good.all():
        raise InputError(
            'The weights of the points cannot be used.',
            found=f'shape {weights.shape}, {np.count_nonzero(~good)} weights not above 0',
            expected=f'shape ({n_points},), finite numbers above 0',
        )
    return weights
