import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull

from nistats_nipype.exceptions import InputError, MaskError
from nistats_nipype.images.adjacency import mesh_adjacency, voxel_adjacency

LARGEST_STEP = {6: 1, 18: 2, 26: 3}


def random_mask(shape=(6, 7, 5), seed=0):
    return np.random.default_rng(seed).random(shape) < 0.6


def sphere(n_vertices=60, seed=0):
    points = np.random.default_rng(seed).normal(size=(n_vertices, 3))
    return ConvexHull(points / np.linalg.norm(points, axis=1)[:, None]).simplices


def check_form(graph):
    dense = graph.toarray()
    assert np.array_equal(dense, dense.T)
    assert not dense.diagonal().any()
    assert graph.data.all()
    assert graph.has_canonical_format
    assert graph.indices.dtype == graph.indptr.dtype == np.int32


@pytest.mark.parametrize('connectivity', [6, 18, 26])
@pytest.mark.parametrize('shape', [(6, 7, 5), (1, 9, 4), (1, 1, 12), (3, 1, 1)])
def test_voxels_are_neighbours_by_the_definition(connectivity, shape):
    mask = random_mask(shape)
    places = np.argwhere(mask)  # in C order
    steps = np.abs(places[:, None] - places[None])
    near = (steps.max(axis=2) == 1) & (steps.sum(axis=2) <= LARGEST_STEP[connectivity])
    graph = voxel_adjacency(mask, connectivity)
    check_form(graph)
    assert np.array_equal(graph.toarray(), near)


@pytest.mark.parametrize('connectivity', [6, 18, 26])
def test_a_full_grid_has_the_neighbours_that_its_faces_leave(connectivity):
    graph = voxel_adjacency(np.ones((5, 5, 5)), connectivity)
    structure = ndimage.generate_binary_structure(3, LARGEST_STEP[connectivity])
    degrees = ndimage.convolve(np.ones((5, 5, 5)), structure.astype(float), mode='constant') - 1
    assert np.array_equal(graph.sum(axis=1), degrees.ravel())
    assert degrees.max() == connectivity


def test_a_mask_of_one_voxel_has_no_neighbours():
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 2, 1] = True
    graph = voxel_adjacency(mask)
    assert graph.shape == (1, 1)
    assert graph.nnz == 0


def test_default_connectivity_is_26():
    assert voxel_adjacency(np.ones((3, 3, 3))).sum(axis=1).max() == 26


@pytest.mark.parametrize('mask', [np.zeros((2, 2, 2)), np.ones((2, 2)), np.ones((0, 2, 2))])
def test_masks_that_cannot_be_used(mask):
    with pytest.raises(MaskError, match='mask'):
        voxel_adjacency(mask)


@pytest.mark.parametrize('connectivity', [4, 8, '6', None])
def test_unknown_connectivity(connectivity):
    with pytest.raises(InputError, match='6, 18 or 26'):
        voxel_adjacency(np.ones((2, 2, 2)), connectivity)


def test_vertices_are_neighbours_by_the_definition():
    triangles = sphere()
    expected = np.zeros((60, 60), dtype=bool)
    for triangle in triangles:
        for a, b in itertools.permutations(triangle, 2):
            expected[a, b] = True
    graph = mesh_adjacency(triangles, 60)
    check_form(graph)
    assert np.array_equal(graph.toarray(), expected)
    # Euler: V - E + F = 2 on a closed surface
    assert 60 - graph.nnz // 2 + len(triangles) == 2


def test_vertices_left_out_take_their_edges_with_them():
    triangles = sphere()
    keep = np.random.default_rng(1).random(60) < 0.7
    graph = mesh_adjacency(triangles, 60, keep=keep)
    check_form(graph)
    whole = mesh_adjacency(triangles, 60).toarray()
    assert np.array_equal(graph.toarray(), whole[np.ix_(keep, keep)])


def test_a_triangle_that_names_a_vertex_twice_is_an_edge():
    graph = mesh_adjacency([[0, 1, 1], [2, 2, 2]], 4)
    check_form(graph)
    assert np.argwhere(graph.toarray()).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize('dtype', [np.uint8, np.int16, np.uint32, np.int64])
def test_integers_of_any_type_name_vertices(dtype):
    triangles = np.array([[0, 1, 199], [1, 180, 199]])[:, ::-1]
    graph = mesh_adjacency(triangles.astype(dtype), 200)
    assert np.array_equal(graph.toarray(), mesh_adjacency(triangles, 200).toarray())
    assert graph.nnz == 10


@pytest.mark.parametrize(
    ('triangles', 'message'),
    [
        ([[0, 1, 4]], 'does not have'),
        ([[-1, 1, 2]], 'does not have'),
        ([[0, 1]], 'cannot be used'),
        ([0, 1, 2], 'cannot be used'),
        ([[0.0, 1.0, 2.0]], 'cannot be used'),
    ],
)
def test_triangles_that_cannot_be_used(triangles, message):
    with pytest.raises(InputError, match=message):
        mesh_adjacency(triangles, 4)


@pytest.mark.parametrize('keep', [[True] * 3, [False] * 4, [[True] * 4]])
def test_vertices_to_keep_that_do_not_fit(keep):
    with pytest.raises(MaskError, match='do not fit'):
        mesh_adjacency([[0, 1, 2]], 4, keep=keep)
