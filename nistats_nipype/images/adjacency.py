"""Which points of a map are neighbours of one another."""

import itertools

import numpy as np
from scipy import sparse

from ..exceptions import InputError, MaskError

#: The most axes along which neighbours differ: a shared face, an edge, a corner.
_RANKS = {6: 1, 18: 2, 26: 3}


def voxel_adjacency(mask, connectivity=26):
    """Build the graph of neighbouring voxels in a mask.

    Parameters
    ----------
    mask : (X, Y, Z) array-like of bool
        The voxels to connect, V of them.
    connectivity : {6, 18, 26}, default=26
        Neighbours share a face, an edge, or a corner.

    Returns
    -------
    (V, V) csr_array of bool
        True where two voxels are neighbours. Voxels are in C order, in which maps are packed.
        The graph is symmetric and joins no voxel to itself.

    Raises
    ------
    MaskError
        If the mask does not have three axes, or is empty.
    InputError
        If there is no such connectivity.

    Examples
    --------
    >>> mask = np.ones((1, 2, 2), dtype=bool)
    >>> mask[0, 1, 0] = False
    >>> voxel_adjacency(mask, 6).toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 3 or not mask.any():
        raise MaskError(
            'Voxels cannot be connected in this mask.',
            found=f'an array of shape {mask.shape} with {np.count_nonzero(mask)} voxels in it',
            expected='three axes, and at least one voxel',
        )
    if connectivity not in _RANKS:
        raise InputError(
            'There is no such neighbourhood of a voxel.',
            found=f'connectivity: {connectivity}',
            expected='6, 18 or 26',
        )
    # One layer around the grid, so that no neighbour is beyond the array.
    padded = np.pad(mask, 1)
    points = np.flatnonzero(padded)
    n_points = len(points)
    number = np.full(padded.size, -1, dtype=np.int32)
    number[points] = np.arange(n_points, dtype=np.int32)
    # Steps in the order of their places, so that the neighbours of a voxel come out sorted.
    steps = [
        np.ravel_multi_index(np.add(step, 1), padded.shape)
        for step in itertools.product((-1, 0, 1), repeat=3)
        if 0 < np.count_nonzero(step) <= _RANKS[connectivity]
    ]
    centre = np.ravel_multi_index((1, 1, 1), padded.shape)
    neighbours = np.empty((n_points, connectivity), dtype=np.int32)
    for column, step in enumerate(steps):
        neighbours[:, column] = number[points + (step - centre)]
    inside = neighbours >= 0
    return _graph(neighbours[inside], np.count_nonzero(inside, axis=1))


def mesh_adjacency(triangles, n_vertices, keep=None):
    """Build the graph of neighbouring vertices of a surface.

    Parameters
    ----------
    triangles : (F, 3) array-like of int
        The vertices of each triangle, counted from 0, as in a GIFTI file.
    n_vertices : int
        How many vertices the surface has.
    keep : (n_vertices,) array-like of bool, optional
        The vertices to connect, V of them; all by default. It leaves out the medial wall.

    Returns
    -------
    (V, V) csr_array of bool
        True where two vertices share an edge. Vertices keep their order. The graph is symmetric
        and joins no vertex to itself.

    Raises
    ------
    InputError
        If the triangles are no triangles, or name vertices that are not there.
    MaskError
        If ``keep`` does not fit, or is empty.

    Examples
    --------
    Two triangles that share an edge, without and with a vertex left out:

    >>> triangles = [[0, 1, 2], [1, 3, 2]]
    >>> mesh_adjacency(triangles, 4).toarray().astype(int)
    array([[0, 1, 1, 0],
           [1, 0, 1, 1],
           [1, 1, 0, 1],
           [0, 1, 1, 0]])
    >>> mesh_adjacency(triangles, 4, keep=[True, False, True, True]).nnz
    4
    """
    triangles = _check_triangles(triangles, n_vertices)
    keep = _check_keep(keep, n_vertices)
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    n_points = int(np.count_nonzero(keep))
    ends = number[np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])]
    # A triangle that names a vertex twice, as meshes made by decimation have, adds no loop.
    ends = ends[(ends >= 0).all(axis=1) & (ends[:, 0] != ends[:, 1])]
    edges = np.unique(np.concatenate([ends, ends[:, ::-1]]) @ [n_points, 1])
    rows, columns = np.divmod(edges, n_points)
    return _graph(columns.astype(np.int32), np.bincount(rows, minlength=n_points))


def _graph(indices, degrees):
    """Make a graph of the neighbours of all points in a row, and of how many each has."""
    indptr = np.concatenate([[0], np.cumsum(degrees)])
    if indptr[-1] <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    shape = (len(degrees), len(degrees))
    return sparse.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=shape)


def _check_triangles(triangles, n_vertices):
    """Check that triangles are rows of three vertices that exist."""
    triangles = np.asarray(triangles)
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in 'iu':
        raise InputError(
            'The triangles of the surface cannot be used.',
            found=f'an array of {triangles.dtype} of shape {triangles.shape}',
            expected='whole numbers in three columns',
        )
    low, high = triangles.min(initial=0), triangles.max(initial=0)
    if low < 0 or high >= n_vertices:
        raise InputError(
            'Triangles name vertices that the surface does not have.',
            found=f'vertices {low} to {high}',
            expected=f'0 to {n_vertices - 1}',
            advice='Count vertices from 0; take triangles and maps of one surface.',
        )
    return triangles.astype(np.int64)


def _check_keep(keep, n_vertices):
    """Check that the vertices to keep are some of the surface."""
    keep = np.ones(n_vertices, dtype=bool) if keep is None else np.asarray(keep, dtype=bool)
    if keep.shape != (n_vertices,) or not keep.any():
        raise MaskError(
            'The vertices to keep do not fit the surface.',
            found=f'shape {keep.shape} with {np.count_nonzero(keep)} vertices kept',
            expected=f'shape ({n_vertices},), and at least one vertex',
        )
    return keep
