"""TFCE.

`by_levels` labels the map at every height that occurs, so it is the integral too, to rounding;
it shares nothing with the tested code but the formula of an antiderivative.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import ConvexHull

from nistats_nipype.exceptions import InputError
from nistats_nipype.images.adjacency import mesh_adjacency, voxel_adjacency
from nistats_nipype.stats import tfce_kernels
from nistats_nipype.stats.graphs import check_graph
from nistats_nipype.stats.tfce import tfce

RANKS = {6: 1, 18: 2, 26: 3}
#: A sum of some thousand terms of one sign, each right to some 1e-16.
EXACT = {'rtol': 1e-12, 'atol': 0.0}
NO_WEIGHTS = np.empty(0)


def smooth_map(shape=(11, 12, 10), sigma=1.0, seed=0):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return noise / noise.std()


def random_mask(shape=(11, 12, 10), seed=1):
    return np.random.default_rng(seed).random(shape) < 0.8


def volume(connectivity, seed=0, sigma=1.0):
    mask = random_mask()
    return smooth_map(sigma=sigma, seed=seed)[mask], voxel_adjacency(mask, connectivity)


def mesh(n_vertices=400, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n_vertices, 3))
    points /= np.linalg.norm(points, axis=1)[:, None]
    stat = np.sin(3 * points).sum(axis=1) + 0.5 * rng.normal(size=n_vertices)
    return stat, mesh_adjacency(ConvexHull(points).simplices, n_vertices)


def line(n_points):
    return sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(n_points, n_points))


def by_levels(stat, adjacency, E=0.5, H=2.0, weights=None):
    stat = np.asarray(stat, dtype=float)
    weights = np.ones(stat.size) if weights is None else np.asarray(weights)
    total = np.zeros(stat.size)
    for sign in (1, -1):
        below = 0.0
        for height in np.unique(sign * stat[sign * stat > 0]):
            points = np.flatnonzero(sign * stat >= height)
            part = sparse.csr_array(adjacency)[points][:, points]
            _, labels = csgraph.connected_components(part, directed=False)
            extent = np.bincount(labels, weights[points])[labels]
            step = height ** (H + 1) / (H + 1) - below ** (H + 1) / (H + 1)
            total[points] += sign * extent**E * step
            below = height
    return total


def by_steps(image, mask, connectivity, step, E, H):
    """Midpoint rule with a fixed step, clusters from SciPy's image labelling."""
    structure = ndimage.generate_binary_structure(3, RANKS[connectivity])
    total = np.zeros(image.shape)
    for height in np.arange(step / 2, image[mask].max(), step):
        labels, _ = ndimage.label((image >= height) & mask, structure)
        extent = np.bincount(labels.ravel()).astype(float)
        extent[0] = 0.0
        if E == 0:
            extent = (extent > 0).astype(float)
        total += extent[labels] ** (E or 1) * height**H * step
    return total[mask]


# --- values ------------------------------------------------------------------------------


@pytest.mark.parametrize('H', [0.0, 0.7, 1.0, 2.0, 3.0])
@pytest.mark.parametrize('E', [0.0, 0.5, 1.0, 2 / 3, 2.0])
@pytest.mark.parametrize('height', [1e-3, 3.0, 40.0])
def test_a_point_alone(E, H, height):
    expected = height ** (H + 1) / (H + 1)
    np.testing.assert_allclose(tfce([height], sparse.csr_array((1, 1)), E=E, H=H), expected, 1e-14)


@pytest.mark.parametrize('E', [0.0, 0.5, 1.0, 2 / 3])
def test_a_plateau(E):
    stat = np.zeros(9)
    stat[2:7] = 1.5
    expected = np.where(stat > 0, 5**E * 1.5**3 / 3, 0.0)
    np.testing.assert_allclose(tfce(stat, line(9), E=E), expected, 1e-14)


def test_two_peaks_join_at_their_saddle():
    # From the top: 5 alone; 4 alone; at 3 the first two; at 2 all four; at 1 all five.
    stat = [3.0, 5.0, 2.0, 4.0, 1.0]
    common = np.sqrt(5) * 1 / 3 + np.sqrt(4) * (8 - 1) / 3
    left = common + np.sqrt(2) * (27 - 8) / 3
    expected = [
        left,
        left + (125 - 27) / 3,
        common,
        common + (64 - 8) / 3,
        np.sqrt(5) * 1 / 3,
    ]
    np.testing.assert_allclose(tfce(stat, line(5)), expected, 1e-14)


def test_signs_do_not_join():
    stat = [2.0, -3.0, 4.0]
    np.testing.assert_allclose(tfce(stat, line(3)), [8 / 3, -27 / 3, 64 / 3], 1e-14)


@pytest.mark.parametrize('connectivity', [6, 18, 26])
@pytest.mark.parametrize(('E', 'H'), [(0.5, 2.0), (1.0, 2.0), (0.6, 1.4)])
@pytest.mark.parametrize('sigma', [0.0, 1.0, 2.0])
def test_volumes_equal_the_integral_by_levels(connectivity, E, H, sigma):
    stat, adjacency = volume(connectivity, sigma=sigma)
    expected = by_levels(stat, adjacency, E, H)
    np.testing.assert_allclose(tfce(stat, adjacency, E=E, H=H), expected, **EXACT)


@pytest.mark.parametrize('E', [0.5, 1.0])
def test_surfaces_equal_the_integral_by_levels(E):
    stat, adjacency = mesh()
    areas = np.random.default_rng(3).uniform(0.2, 2.0, stat.size)
    for weights in (None, areas):
        expected = by_levels(stat, adjacency, E, 2.0, weights)
        result = tfce(stat, adjacency, E=E, weights=weights)
        np.testing.assert_allclose(result, expected, **EXACT)


@pytest.mark.parametrize('seed', range(20))
def test_any_graph_equals_the_integral_by_levels(seed):
    # few heights, so many ties; few edges or many
    rng = np.random.default_rng(seed)
    edges = np.triu(rng.random((60, 60)) < rng.choice([0.01, 0.03, 0.2]), 1)
    stat = rng.integers(-3, 6, 60) * 1.0
    adjacency = sparse.csr_array(edges | edges.T)
    np.testing.assert_allclose(tfce(stat, adjacency), by_levels(stat, adjacency), **EXACT)


@pytest.mark.parametrize('connectivity', [6, 18, 26])
@pytest.mark.parametrize(('E', 'H'), [(0.5, 2.0), (1.0, 2.0), (0.0, 1.0)])
def test_small_steps_come_near(connectivity, E, H):
    mask = random_mask()
    image = smooth_map()
    exact = tfce(image[mask], voxel_adjacency(mask, connectivity), E=E, H=H, sidedness='positive')
    # In a step, the rule is off by at most half the step times the variation of the integrand
    # there; e^E falls and h^H rises, each by no more than its maximum times that of the other.
    top = image[mask].max()
    variation = 2 * top**H * mask.sum() ** E
    for step in (0.02, 0.005):
        off = np.abs(by_steps(image, mask, connectivity, step, E, H) - exact)
        assert off.max() <= step / 2 * variation
        # Errors at the many heights where the extent changes nearly cancel.
        assert off.max() <= step * exact.max()


@pytest.mark.parametrize('connectivity', [6, 18, 26])
@pytest.mark.parametrize(('E', 'H'), [(0.5, 2.0), (1.0, 2.0), (0.6, 1.4)])
def test_volumes_equal_the_tfce_package(connectivity, E, H):
    package = pytest.importorskip('tfce')
    mask = random_mask()
    # it computes in single precision
    image = np.where(mask, smooth_map(), 0.0).astype(np.float32)
    expected = package.tfce(image, connectivity=connectivity, E=E, H=H)[mask]
    result = tfce(image[mask], voxel_adjacency(mask, connectivity), E=E, H=H)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-30)


def test_surfaces_equal_the_tfce_package():
    package = pytest.importorskip('tfce')
    stat, adjacency = mesh()
    stat = stat.astype(np.float32)
    expected = package.tfce(stat, adjacency=adjacency, E=1.0, H=2.0)
    np.testing.assert_allclose(tfce(stat, adjacency, E=1.0), expected, rtol=1e-6)


def test_small_values_next_to_large_ones_are_exact():
    # A sum that starts at the peaks would leave nothing of the foot.
    stat = np.concatenate([[1e6], np.geomspace(1e5, 1e-5, 40)])
    adjacency = line(41)
    np.testing.assert_allclose(tfce(stat, adjacency), by_levels(stat, adjacency), **EXACT)


# --- what must not matter ----------------------------------------------------------------


@pytest.mark.parametrize(('E', 'H'), [(0.5, 2.0), (0.6, 1.4)])
@pytest.mark.parametrize('factor', [0.25, 3.7])
def test_scale(E, H, factor):
    stat, adjacency = volume(18)
    expected = factor ** (H + 1) * tfce(stat, adjacency, E=E, H=H)
    np.testing.assert_allclose(tfce(factor * stat, adjacency, E=E, H=H), expected, **EXACT)


@pytest.mark.parametrize('digits', [0, 1, 15])
def test_order_of_the_points_to_the_bit_ties_or_not(digits):
    stat, adjacency = volume(26)
    stat = stat.round(digits)
    result = tfce(stat, adjacency)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(stat.size)
        moved = tfce(stat[order], adjacency[order][:, order])
        assert moved.tobytes() == result[order].tobytes()


def test_tied_points_get_the_limit_of_untied_ones():
    stat, adjacency = volume(6)
    stat = stat.round(1)
    jitter = 1e-13 * np.random.default_rng(0).uniform(-1, 1, stat.size)
    untied = tfce(np.where(stat == 0, 0.0, stat + jitter), adjacency)
    np.testing.assert_allclose(untied, tfce(stat, adjacency), rtol=1e-10)


def test_sides_to_the_bit():
    stat, adjacency = volume(6)
    both = tfce(stat, adjacency)
    assert (-both + 0.0).tobytes() == (tfce(-stat, adjacency) + 0.0).tobytes()
    positive = tfce(stat, adjacency, sidedness='positive')
    negative = tfce(stat, adjacency, sidedness='negative')
    assert np.array_equal(positive, np.where(stat > 0, both, 0.0))
    assert np.array_equal(negative, np.where(stat < 0, both, 0.0))
    assert both[stat > 0].min() > 0 > both[stat < 0].max()


def test_far_away_points_change_nothing():
    stat, adjacency = volume(18)
    other, mesh_graph = mesh(60)
    joined = sparse.block_diag([adjacency, 1 * mesh_graph], format='csr')
    result = tfce(np.concatenate([stat, 20 * other]), joined)
    assert result[: stat.size].tobytes() == tfce(stat, adjacency).tobytes()
    assert result[stat.size :].tobytes() == tfce(20 * other, mesh_graph).tobytes()


def test_values_grow_with_the_statistic():
    stat, adjacency = volume(6)
    more = stat + np.random.default_rng(0).exponential(0.2, stat.size)
    grown = tfce(more, adjacency, sidedness='positive')
    assert (grown >= tfce(stat, adjacency, sidedness='positive')).all()


def test_a_weight_stands_for_as_many_points():
    stat, adjacency = volume(6)
    weights = np.random.default_rng(0).integers(1, 4, stat.size)
    copies = np.repeat(np.arange(stat.size), weights)
    clones = adjacency[copies][:, copies] + (copies[:, None] == copies)
    clones = sparse.csr_array(clones - np.eye(copies.size))
    expected = tfce(stat[copies], clones)[np.cumsum(weights) - 1]
    assert tfce(stat, adjacency, weights=weights).tobytes() == expected.tobytes()


@pytest.mark.parametrize('spread', ['outlier', 'denormal', 'close', 'many scales'])
def test_heights_that_are_hard_to_sort(spread):
    stat, adjacency = volume(6)
    stat = np.abs(stat)
    if spread == 'outlier':
        stat[100] = 1e12
        stat = stat.round(2)  # with ties, too
    elif spread == 'denormal':
        stat = stat * 1e-310
    elif spread == 'close':
        stat[:-1] = 1 + 1e-9 * stat[:-1]
        stat[-1] = 100.0
    else:
        stat = np.exp(40 * stat)
    scale = stat.max() / 10  # the reference cubes heights
    result = tfce(stat, adjacency, H=0.0)
    expected = scale * by_levels(stat / scale, adjacency, H=0.0)
    np.testing.assert_allclose(result, expected, rtol=1e-7 if spread == 'denormal' else 1e-12)


def test_missing_points_are_missing_and_separate():
    stat, adjacency = volume(6)
    missing = np.random.default_rng(0).random(stat.size) < 0.2
    result = tfce(np.where(missing, np.nan, stat), adjacency)
    assert np.array_equal(np.isnan(result), missing)
    rest = adjacency[~missing][:, ~missing]
    assert result[~missing].tobytes() == tfce(stat[~missing], rest).tobytes()


@pytest.mark.parametrize('stat', [np.zeros(4), -np.zeros(4), np.empty(0)])
def test_nothing_to_enhance(stat):
    graph = sparse.csr_array((stat.size, stat.size))
    assert np.array_equal(tfce(stat, graph), np.zeros(stat.size))


def test_the_statistic_and_the_graph_are_left_alone():
    stat, adjacency = volume(6)
    before = stat.copy(), adjacency.copy()
    tfce(stat, adjacency)
    assert np.array_equal(stat, before[0])
    assert (adjacency != before[1]).nnz == 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'stat': np.ones((2, 2))}, 'not a map'),
        ({'stat': [1.0, np.inf, 0.0, 0.0]}, '1 infinite'),
        ({'adjacency': line(3)}, 'does not fit'),
        ({'E': -0.1}, 'exponents'),
        ({'E': np.nan}, 'exponents'),
        ({'H': -1.0}, 'exponents'),
        ({'H': np.inf}, 'exponents'),
        ({'sidedness': 'left'}, 'side'),
        ({'weights': [1.0, 2.0]}, 'weights'),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        tfce(**({'stat': np.ones(4), 'adjacency': line(4)} | options))


# --- kernels -----------------------------------------------------------------------------


def sides(stats, graph, work, weights=NO_WEIGHTS, E=0.5, H=2.0):
    """Both sides of maps one after the other, in one set of work arrays."""
    results = []
    for stat in stats:
        out = np.zeros(stat.size)
        largest = [
            tfce_kernels.tfce_side(stat, sign, *graph, weights, E, H, work, out)
            for sign in (1.0, -1.0)
        ]
        results.append((out.tobytes(), *largest))
    return results


def test_the_largest_comes_back_and_work_arrays_are_used_again():
    stats = [volume(6, seed=seed)[0] for seed in range(4)]
    stats.insert(2, np.zeros(stats[0].size))
    graph = check_graph(volume(6)[1], stats[0].size)
    work = tfce_kernels.make_work(graph)
    for array in work:
        array.view(np.uint8)[:] = 0xA5  # what is in them does not matter
    for stat, (out, above, below) in zip(stats, sides(stats, graph, work), strict=True):
        expected = tfce(stat, graph)
        assert out == expected.tobytes()
        assert above == expected.max()
        assert below == (-expected).max()


def test_single_precision_is_taken():
    stat, adjacency = volume(6)
    graph = check_graph(adjacency, stat.size)
    work = tfce_kernels.make_work(graph)
    single = stat.astype(np.float32)
    assert sides([single], graph, work) == sides([single.astype(float)], graph, work)


def test_infinite_heights_leave_the_others_alone():
    # In a relabelling, a point may be explained without rest.
    stat, adjacency = volume(6)
    graph = check_graph(adjacency, stat.size)
    tops = np.argsort(stat)[-1], np.argmax(stat[: stat.size // 2])
    stat[list(tops)] = 1e6
    expected = tfce(stat, graph)
    stat[list(tops)] = np.inf
    out = np.zeros(stat.size)
    work = tfce_kernels.make_work(graph)
    assert np.inf == tfce_kernels.tfce_side(stat, 1.0, *graph, NO_WEIGHTS, 0.5, 2.0, work, out)
    finite = np.isfinite(stat) & (stat > 0)
    assert np.isinf(out[list(tops)]).all()
    assert out[finite].tobytes() == expected[finite].tobytes()


def test_threads_do_not_disturb_one_another():
    stats = [volume(18, seed=seed)[0] for seed in range(40)]
    graph = check_graph(volume(18)[1], stats[0].size)
    expected = sides(stats, graph, tfce_kernels.make_work(graph))
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(sides, stats[k::4] * 5, graph, tfce_kernels.make_work(graph))
            for k in range(4)
        ]
        for k, job in enumerate(jobs):
            assert job.result() == expected[k::4] * 5


@pytest.mark.parametrize('kind', ['smooth', 'ties', 'outlier', 'weights'])
def test_compiled_kernels_equal_plain_python_to_the_bit(monkeypatch, kind):
    mask = np.ones((5, 6, 4), dtype=bool)
    stat = smooth_map(mask.shape, 0.7).ravel()
    if kind == 'ties':
        stat = stat.round()
    if kind == 'outlier':
        stat[7] = 1e15
    weights = np.linspace(0.5, 2, stat.size) if kind == 'weights' else NO_WEIGHTS
    graph = check_graph(voxel_adjacency(mask, 18), stat.size)
    work = tfce_kernels.make_work(graph)
    cases = [(0.5, 2.0), (1.0, 1.0), (2.0, 0.0)]
    compiled = [sides([stat], graph, work, weights, E, H) for E, H in cases]
    for name, function in list(vars(tfce_kernels).items()):
        # With NUMBA_DISABLE_JIT=1 they are plain already.
        monkeypatch.setattr(tfce_kernels, name, getattr(function, 'py_func', function))
    work = tfce_kernels.make_work(graph)
    assert [sides([stat], graph, work, weights, E, H) for E, H in cases] == compiled
