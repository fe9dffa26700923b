from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import ConvexHull

from nistats_nipype.exceptions import InputError
from nistats_nipype.images.adjacency import mesh_adjacency, voxel_adjacency
from nistats_nipype.images.tables import label_clusters
from nistats_nipype.stats import cluster_kernels
from nistats_nipype.stats.clusters import label
from nistats_nipype.stats.graphs import check_graph

RANKS = {6: 1, 18: 2, 26: 3}
NO_WEIGHTS = np.empty(0)


def smooth_map(shape=(13, 12, 11), sigma=1.0, seed=0):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return noise / noise.std()


def line(n_points):
    return sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(n_points, n_points))


def renumber(labels):
    """Number clusters in the order of their first points."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    inside = labels[np.sort(first)] != 0
    numbers = dict(zip(labels[np.sort(first)][inside], range(1, inside.sum() + 1), strict=True))
    return np.array([numbers.get(value, 0) for value in labels]).reshape(inverse.shape)


def sizes_and_sums(stat, labels):
    n_clusters = labels.max(initial=0)
    index = np.arange(1, n_clusters + 1)
    return np.bincount(labels, minlength=n_clusters + 1)[1:], ndimage.sum(stat, labels, index)


@pytest.mark.parametrize('connectivity', [6, 18, 26])
@pytest.mark.parametrize('threshold', [0.1, 1.0, 2.3])
@pytest.mark.parametrize('sigma', [0.0, 1.0])
def test_volumes_equal_scipy(connectivity, threshold, sigma):
    image = smooth_map(sigma=sigma)
    mask = np.random.default_rng(1).random(image.shape) < 0.9
    structure = ndimage.generate_binary_structure(3, RANKS[connectivity])
    above, n_above = ndimage.label((image >= threshold) & mask, structure)
    below, _ = ndimage.label((image <= -threshold) & mask, structure)
    expected = {
        'two-sided': renumber(np.where(below > 0, below + n_above, above)[mask]),
        'positive': renumber(above[mask]),
        'negative': renumber(below[mask]),
    }
    adjacency = voxel_adjacency(mask, connectivity)
    for sidedness, labels in expected.items():
        result = label(image[mask], threshold, adjacency, sidedness=sidedness)
        assert np.array_equal(result.labels, labels)
        extent, mass = sizes_and_sums(image[mask], labels)
        assert np.array_equal(result.extent, extent)
        np.testing.assert_allclose(result.mass, mass, rtol=1e-12)


def test_surfaces_equal_scipy():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 3))
    points /= np.linalg.norm(points, axis=1)[:, None]
    stat = np.sin(4 * points).sum(axis=1) + 0.3 * rng.normal(size=500)
    adjacency = mesh_adjacency(ConvexHull(points).simplices, 500)
    expected, n_labels = np.zeros(500, dtype=int), 0
    for sign in (1, -1):
        inside = np.flatnonzero(sign * stat >= 1.0)
        part = adjacency[inside][:, inside]
        n_parts, labels = csgraph.connected_components(part, directed=False)
        expected[inside] = labels + 1 + n_labels
        n_labels += n_parts
    result = label(stat, 1.0, adjacency)
    assert n_labels > 5
    assert np.array_equal(result.labels, renumber(expected))


def test_clusters_are_those_of_the_table():
    image = smooth_map()
    table = label_clusters(image, 1.5, connectivity=18).ravel()
    result = label(image.ravel(), 1.5, voxel_adjacency(np.ones(image.shape), 18))
    assert np.array_equal(result.labels, renumber(table))


def test_the_threshold_belongs_to_the_cluster_and_signs_do_not_join():
    result = label([2.0, 1.999, -2.0, 2.0, 2.0, -5.0], 2.0, line(6))
    assert result.labels.tolist() == [1, 0, 2, 3, 3, 4]
    assert result.extent.tolist() == [1, 1, 2, 1]
    assert result.mass.tolist() == [2.0, -2.0, 4.0, -5.0]


def test_missing_points_separate_clusters():
    result = label([3.0, np.nan, 3.0], 2.0, line(3))
    assert result.labels.tolist() == [1, 0, 2]


def test_weights():
    result = label([3.0, 4.0, 0.0, -2.5], 2.0, line(4), weights=[0.5, 2.0, 9.0, 3.0])
    assert result.extent.tolist() == [2.5, 3.0]
    assert result.mass.tolist() == [9.5, -7.5]


@pytest.mark.parametrize('stat', [np.zeros(4), np.full(4, np.nan), np.empty(0)])
def test_no_clusters(stat):
    result = label(stat, 2.0, sparse.csr_array((stat.size, stat.size)))
    assert not result.labels.any()
    assert result.extent.shape == result.mass.shape == (0,)


def test_order_of_the_points():
    image = smooth_map()
    adjacency = voxel_adjacency(np.ones(image.shape), 26)
    stat = image.ravel()
    result = label(stat, 1.5, adjacency)
    order = np.random.default_rng(0).permutation(stat.size)
    moved = label(stat[order], 1.5, adjacency[order][:, order])
    assert np.array_equal(moved.labels, renumber(result.labels[order]))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'stat': np.ones((2, 2))}, 'not a map'),
        ({'stat': [1.0, np.inf, 0.0, 0.0]}, '1 infinite'),
        ({'adjacency': line(3)}, 'does not fit'),
        ({'threshold': 0.0}, 'threshold'),
        ({'threshold': -2.0}, 'threshold'),
        ({'threshold': np.nan}, 'threshold'),
        ({'threshold': np.inf}, 'threshold'),
        ({'sidedness': 'left'}, 'side'),
        ({'weights': [1.0, 2.0]}, 'weights'),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        label(**({'stat': np.ones(4), 'threshold': 2.0, 'adjacency': line(4)} | options))


# --- kernels -----------------------------------------------------------------------------


def extremes(stats, threshold, graph, work, weights=NO_WEIGHTS):
    return [
        cluster_kernels.cluster_extremes(stat, threshold, *graph, weights, work) for stat in stats
    ]


def expected_extremes(stat, threshold, graph, weights=None):
    clusters = label(stat, threshold, graph, weights=weights)
    values = []
    for side in (clusters.mass > 0, clusters.mass < 0):
        values += [
            clusters.extent[side].max(initial=0.0),
            np.abs(clusters.mass[side]).max(initial=0.0),
        ]
    return tuple(values)


def maps(n_maps):
    shape = (13, 12, 11)
    graph = check_graph(voxel_adjacency(np.ones(shape), 18), np.prod(shape))
    return [smooth_map(shape, seed=seed).ravel() for seed in range(n_maps)], graph


@pytest.mark.parametrize('threshold', [0.5, 2.0, 3.5, 10.0])
def test_extremes_are_those_of_the_labels_and_work_arrays_are_used_again(threshold):
    stats, graph = maps(6)
    weights = np.linspace(0.5, 2.0, stats[0].size)
    work = cluster_kernels.make_work(stats[0].size)
    expected = [expected_extremes(stat, threshold, graph) for stat in stats]
    assert extremes(stats, threshold, graph, work) == expected
    expected = [expected_extremes(stat, threshold, graph, weights) for stat in stats]
    assert extremes(stats, threshold, graph, work, weights) == expected
    assert not work.value.any()
    assert not work.label.any()


@pytest.mark.parametrize('n_points', [1, 63, 64, 65, 200])
def test_every_point_is_looked_at(n_points):
    graph = check_graph(line(n_points), n_points)
    work = cluster_kernels.make_work(n_points)
    for v in range(n_points):
        for sign, expected in [(1, (1.0, 3.0, 0.0, 0.0)), (-1, (0.0, 0.0, 1.0, 3.0))]:
            stat = np.zeros(n_points)
            stat[v] = 3.0 * sign
            assert extremes([stat], 3.0, graph, work) == [expected]


def test_values_may_be_replaced_between_the_two_steps():
    # r is thresholded, t is summed up
    stats, graph = maps(1)
    r, dof = np.tanh(0.3 * stats[0]), 20
    t = r * np.sqrt(dof / (1 - r**2))
    work = cluster_kernels.make_work(r.size)
    n_found = cluster_kernels.collect(r, 0.5, work)
    found = work.points[:n_found]
    work.value[found] = t[found]
    result = cluster_kernels.measure(n_found, *graph, NO_WEIGHTS, work)
    assert result == expected_extremes(t, 0.5 * np.sqrt(dof / (1 - 0.5**2)), graph)


def test_threads_do_not_disturb_one_another():
    stats, graph = maps(40)
    size = stats[0].size
    expected = extremes(stats, 1.0, graph, cluster_kernels.make_work(size))
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(extremes, stats[k::4] * 20, 1.0, graph, cluster_kernels.make_work(size))
            for k in range(4)
        ]
        for k, job in enumerate(jobs):
            assert job.result() == expected[k::4] * 20


def test_compiled_kernels_equal_plain_python_to_the_bit(monkeypatch):
    stats, graph = maps(2)
    weights = np.linspace(0.5, 2.0, stats[0].size)

    def run():
        work = cluster_kernels.make_work(stats[0].size)
        return [extremes(stats, 1.5, graph, work, w) for w in (NO_WEIGHTS, weights)]

    compiled = run()
    for name, function in list(vars(cluster_kernels).items()):
        # With NUMBA_DISABLE_JIT=1 they are plain already.
        monkeypatch.setattr(cluster_kernels, name, getattr(function, 'py_func', function))
    assert run() == compiled
