import numpy as np
import pytest
from scipy import sparse

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats.graphs import check_graph, check_weights

DENSE = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]])


def neighbours(graph):
    return [row.tolist() for row in np.split(graph.indices, graph.indptr[1:-1])]


@pytest.mark.parametrize('form', ['csr', 'csc', 'coo', 'lil', 'dok', 'bsr'])
@pytest.mark.parametrize('dtype', [bool, np.int8, np.float64])
def test_any_sparse_matrix_is_read(form, dtype):
    for kind in (sparse.coo_array, sparse.coo_matrix):
        graph = check_graph(kind(DENSE.astype(dtype)).asformat(form), 4)
        assert neighbours(graph) == [[1, 2], [0], [0, 3], [2]]
        assert graph.indptr.dtype == graph.indices.dtype == np.uint32


def test_stored_zeros_are_no_neighbours_and_the_matrix_is_left_alone():
    matrix = sparse.csr_array(
        (np.array([1, 0, 1, 0]), np.array([2, 1, 0, 0]), np.array([0, 2, 2, 4])), shape=(3, 3)
    )
    before = [array.copy() for array in (matrix.data, matrix.indices, matrix.indptr)]
    assert neighbours(check_graph(matrix, 3)) == [[2], [], [0]]
    for array, old in zip((matrix.data, matrix.indices, matrix.indptr), before, strict=True):
        assert np.array_equal(array, old)


def test_a_checked_graph_is_taken_as_it_is():
    graph = check_graph(sparse.csr_array(DENSE), 4)
    assert check_graph(graph, 4) is graph
    with pytest.raises(InputError, match='does not fit'):
        check_graph(graph, 5)


def changed(row, column, value):
    dense = DENSE.copy()
    dense[row, column] = value
    return sparse.csr_array(dense)


@pytest.mark.parametrize(
    ('adjacency', 'message'),
    [
        (DENSE, 'not a sparse matrix'),
        (sparse.csr_array(DENSE[:3]), 'does not fit'),
        (sparse.csr_array(DENSE[:3, :3]), 'does not fit'),
        (changed(1, 1, 1), 'their own neighbours'),
        (changed(0, 1, 0), 'not symmetric'),
        (changed(1, 3, 1), 'not symmetric'),
        # as many neighbours each, but not each other's
        (sparse.csr_array(np.roll(np.eye(4), 1, axis=1)), 'not symmetric'),
    ],
)
def test_matrices_that_are_no_graph(adjacency, message):
    with pytest.raises(InputError, match=message):
        check_graph(adjacency, 4)


@pytest.mark.parametrize(
    'weights', [[1, 2], [1, 0, 2], [1, np.nan, 2], [1, np.inf, 2], [1, -1, 2]]
)
def test_weights_that_cannot_be_used(weights):
    with pytest.raises(InputError, match='weights'):
        check_weights(weights, 3)
