import itertools

import numpy as np
import pytest
from scipy import ndimage, stats

from nistats_nipype.exceptions import InputError, ScheduleError
from nistats_nipype.images.adjacency import voxel_adjacency
from nistats_nipype.stats import glm, sparse_clusters, spatial
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute
from nistats_nipype.stats.spatial import merge_spatial, permute_spatial
from nistats_nipype.stats.tfce import tfce

SHAPE = (6, 5, 4)
MASK = np.ones(SHAPE, dtype=bool)
MASK[0, :2] = False
ADJACENCY = {n: voxel_adjacency(MASK, n) for n in (6, 18, 26)}
SIDES = ['two-sided', 'positive', 'negative']


def smooth_maps(n, seed=0, signal=0.8):
    rng = np.random.default_rng(seed)
    maps = [ndimage.gaussian_filter(rng.normal(size=SHAPE), 0.8) * 3 for _ in range(n)]
    maps = np.array([one[MASK] for one in maps])
    maps[:, :15] += signal
    return maps


def run(values, design, contrast, schedule, n_chunks=1, sidedness='two-sided', **options):
    ends = np.linspace(0, schedule.n_relabellings, n_chunks + 1).astype(int)
    chunks = [
        permute_spatial(
            values, design, contrast, schedule, start=a, stop=b, sidedness=sidedness, **options
        )
        for a, b in itertools.pairwise(ends)
    ]
    return merge_spatial(chunks[::-1], design, contrast, sidedness=sidedness)


def measure(stat, threshold, connectivity, sidedness):
    """Extent and mass at each voxel, by scipy.ndimage, each sign on its own."""
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    volume = np.zeros(SHAPE)
    volume[MASK] = stat
    extent, mass = np.zeros(SHAPE), np.zeros(SHAPE)
    for sign in {'two-sided': (1, -1), 'positive': (1,), 'negative': (-1,)}[sidedness]:
        labels, n = ndimage.label(sign * volume >= threshold, structure)
        for number in range(1, n + 1):
            inside = labels == number
            extent[inside] = inside.sum()
            mass[inside] = abs(volume[inside].sum())
    return extent[MASK], mass[MASK]


def enumerate_flips(values):
    """T of all sign flips, by SciPy, the observed one first."""
    patterns = np.array(list(itertools.product([1, -1], repeat=len(values))))
    return np.array([stats.ttest_1samp(s[:, None] * values, 0).statistic for s in patterns])


@pytest.mark.parametrize('sidedness', SIDES)
@pytest.mark.parametrize('connectivity', [6, 18, 26])
def test_p_equal_an_enumeration_of_all_sign_flips(sidedness, connectivity):
    values, threshold = smooth_maps(6), 1.7
    design = np.ones((6, 1))
    graph = ADJACENCY[connectivity]
    result = run(
        values,
        design,
        [1],
        draw_schedule(design, [1], n_perm=100),
        adjacency=graph,
        threshold=threshold,
        tfce=(0.5, 2.0),
        sidedness=sidedness,
    )
    null = enumerate_flips(values)
    measured = np.array([measure(t, threshold, connectivity, sidedness) for t in null])
    enhanced = np.abs([tfce(t, graph, sidedness=sidedness) for t in null])
    expected = {'extent': measured[:, 0], 'mass': measured[:, 1], 'tfce': enhanced}
    for name, maps in expected.items():
        np.testing.assert_allclose(result[name].observed, maps[0], rtol=1e-10, atol=1e-12)
        reach = maps.max(axis=1)[:, None] >= maps[0] * (1 - 1e-9)
        np.testing.assert_array_equal(result[name].p_fwe, reach.mean(axis=0))
    reach = enhanced >= enhanced[0] * (1 - 1e-9)
    np.testing.assert_array_equal(result['tfce'].p_uncorrected, reach.mean(axis=0))
    assert result['extent'].p_uncorrected is result['mass'].p_uncorrected is None
    assert result['extent'].observed.max() > 3


def test_label_permutations_of_two_groups_with_a_covariate():
    """Oracle: refit of Freedman and Lane's data by least squares, for every order."""
    values = smooth_maps(5, seed=3)
    design = np.column_stack([np.ones(5), [0, 0, 1, 1, 1], [0.3, -1.2, 0.5, 2.0, 0.1]])
    contrast, threshold = [0, 1, 0], 1.0
    schedule = draw_schedule(design, contrast, n_perm=200)
    assert schedule.n_relabellings == 120
    result = run(values, design, contrast, schedule, adjacency=ADJACENCY[6], threshold=threshold)
    nuisance = design[:, [0, 2]]
    fitted = nuisance @ np.linalg.lstsq(nuisance, values, rcond=None)[0]
    inverse = np.linalg.inv(design.T @ design)
    extents, masses = [], []
    for order in itertools.permutations(range(5)):
        data = fitted + (values - fitted)[list(order)]
        beta = inverse @ design.T @ data
        variance = ((data - design @ beta) ** 2).sum(axis=0) / 2
        extent, mass = measure(beta[1] / np.sqrt(variance * inverse[1, 1]), 1.0, 6, 'two-sided')
        extents.append(extent)
        masses.append(mass)
    for name, maps in (('extent', np.array(extents)), ('mass', np.array(masses))):
        reach = maps.max(axis=1)[:, None] >= maps[0] * (1 - 1e-9)
        np.testing.assert_array_equal(result[name].p_fwe, reach.mean(axis=0))


def enumerate_welch(values, design, contrast, groups):
    """Scores of v or G of all permutations, fitted one by one."""
    drawing = {'groups': groups, 'errors': 'exchangeable'}
    schedule = draw_schedule(design, contrast, n_perm=800, **drawing)
    fits = [glm.fit(values[list(order)], design, groups=groups) for order in schedule.orders]
    return schedule, np.array([glm.contrast(fit, design, contrast).z for fit in fits])


@pytest.mark.parametrize('several', [False, True])
def test_variance_groups_are_measured_on_scores(several):
    values, groups = smooth_maps(7, seed=4), np.repeat([0, 1], [3, 4])
    design, contrast = np.eye(2)[groups], [1, -1]
    if several:
        groups = np.repeat([0, 1, 2], [2, 3, 2])
        design, contrast = np.eye(3)[groups], [[1, -1, 0], [0, 1, -1]]
    values[groups == 0] *= 3
    schedule, null = enumerate_welch(values, design, contrast, groups)
    side = 'positive' if several else 'two-sided'
    options = {'adjacency': ADJACENCY[18], 'threshold': 0.8, 'tfce': (0.5, 2.0)}
    result = run(values, design, contrast, schedule, n_chunks=3, **options)
    expected = np.array([measure(z, 0.8, 18, side) for z in null])
    enhanced = np.abs([tfce(z, ADJACENCY[18], sidedness=side) for z in null])
    for name, maps in (
        ('extent', expected[:, 0]),
        ('mass', expected[:, 1]),
        ('tfce', enhanced),
    ):
        np.testing.assert_allclose(result[name].observed, maps[0], rtol=1e-8, atol=1e-9)
        reach = maps.max(axis=1)[:, None] >= maps[0] * (1 - 1e-8)
        np.testing.assert_array_equal(result[name].p_fwe, reach.mean(axis=0))


def average(row):
    """Mean over the neighbours and the point itself: a smoothing that can be checked by eye."""
    graph = ADJACENCY[6].astype(float)
    return (graph @ row + row) / (graph.sum(axis=1) + 1)


@pytest.mark.parametrize('several', [False, True])
def test_pseudo_statistics_equal_refits(several):
    values = smooth_maps(5, seed=6)
    design = np.column_stack([np.ones(5), [0, 0, 1, 1, 1], [0.3, -1.2, 0.5, 2.0, 0.1]])
    contrast = [[0, 1, 0], [0, 0, 1]] if several else [0, 1, 0]
    schedule = draw_schedule(design, contrast, n_perm=200)
    nuisance = design[:, [0]] if several else design[:, [0, 2]]
    fitted = nuisance @ np.linalg.lstsq(nuisance, values, rcond=None)[0]
    null = []
    for order in itertools.permutations(range(5)):
        moved = fitted + (values - fitted)[list(order)]
        model = glm.fit(moved, design)
        variance = average(model.residual_variance)
        found = glm.contrast(model, design, contrast)
        ratio = variance / model.residual_variance
        null.append(found.stat / (ratio if several else np.sqrt(ratio)))
    null = np.array(null) if several else np.abs(null)
    voxel = merge(
        [permute(values, design, contrast, schedule, smooth_variance=average)], design, contrast
    )
    np.testing.assert_allclose(np.abs(voxel.stat), null[0], rtol=1e-9)
    reach = null >= null[0] * (1 - 1e-8)
    np.testing.assert_array_equal(voxel.p_uncorrected, reach.mean(axis=0))
    reach = null.max(axis=1)[:, None] >= null[0] * (1 - 1e-8)
    np.testing.assert_array_equal(voxel.p_fwe, reach.mean(axis=0))
    options = {'adjacency': ADJACENCY[6], 'tfce': (0.5, 2.0), 'smooth_variance': average}
    enhanced = run(values, design, contrast, schedule, n_chunks=2, threshold=1.0, **options)[
        'tfce'
    ]
    side = 'positive' if several else 'two-sided'
    expected = np.abs(tfce(voxel.stat, ADJACENCY[6], sidedness=side))
    np.testing.assert_allclose(enhanced.observed, expected, rtol=1e-9, atol=1e-12)
    assert len(np.unique(enhanced.p_fwe)) > 3


@pytest.mark.parametrize('threshold', [0.4, 1.7, 30.0])
@pytest.mark.parametrize('sidedness', SIDES)
def test_clusters_of_few_points_are_those_of_whole_maps(monkeypatch, threshold, sidedness):
    """Without TFCE no map is made; with it, clusters are read off the maps."""
    values, design = smooth_maps(9, seed=7), np.column_stack([np.ones(9), np.arange(9.0)])
    for contrast, errors in (([1, 0], 'symmetric'), ([0, 1], 'exchangeable'), (np.eye(2), 'both')):
        schedule = draw_schedule(design, contrast, n_perm=150, errors=errors)
        options = {'adjacency': ADJACENCY[26], 'threshold': threshold, 'sidedness': sidedness}
        maps = run(values, design, contrast, schedule, tfce=(0.5, 2.0), **options)
        expected = [maps[name] for name in ('extent', 'mass')]
        for found, most, threads in [(2**21, 2**16, 1), (3000, 7, 2), (112, 40, 1)]:
            monkeypatch.setattr(sparse_clusters, '_FOUND', found)
            monkeypatch.setattr(sparse_clusters, '_MOST', most)
            result = run(
                values, design, contrast, schedule, n_chunks=2, num_threads=threads, **options
            )
            for name, other in zip(('extent', 'mass'), expected, strict=True):
                np.testing.assert_array_equal(result[name].p_fwe, other.p_fwe)
                np.testing.assert_allclose(result[name].null, other.null, rtol=1e-9)


@pytest.mark.parametrize('tfce', [None, (0.5, 2.0)])
def test_a_relabelling_without_residuals_is_left_out(tfce):
    # The residuals can be moved onto a nuisance column: 4 of 12 permutations leave 0 / 0.
    design = np.array([[1.0, 1, 1], [1, 1, 0], [1, -1, 0], [1, -1, 0]])
    values = np.repeat([[1.0], [-1], [1], [-1]], len(MASK[MASK]), axis=1)
    schedule = draw_schedule(design, [0, 0, 1])
    options = {'adjacency': ADJACENCY[6], 'threshold': 0.1, 'tfce': tfce}
    result = run(values, design, [0, 0, 1], schedule, n_chunks=2, **options)
    assert schedule.n_relabellings == 12
    assert np.isnan(result['extent'].null).sum() == 4
    np.testing.assert_array_equal(result['extent'].p_fwe, 1.0)


def test_f_has_one_side():
    values = smooth_maps(9, seed=5)
    design = np.kron(np.eye(3), np.ones((3, 1)))
    contrast = [[1, -1, 0], [0, 1, -1]]
    schedule = draw_schedule(design, contrast, n_perm=50)
    options = {'adjacency': ADJACENCY[18], 'threshold': 3.0, 'tfce': (0.5, 2.0)}
    two, negative = (
        run(values, design, contrast, schedule, sidedness=side, **options)
        for side in ('two-sided', 'negative')
    )
    f = stats.f_oneway(values[:3], values[3:6], values[6:]).statistic
    extent, mass = measure(f, 3.0, 18, 'positive')
    np.testing.assert_array_equal(two['extent'].observed, extent)
    np.testing.assert_allclose(two['mass'].observed, mass, rtol=1e-10)
    for name in two:
        np.testing.assert_array_equal(two[name].p_fwe, negative[name].p_fwe)


def as_bytes(result):
    return [field.tobytes() for one in result.values() for field in one if field is not None]


def test_chunks_threads_and_batches_do_not_matter(monkeypatch):
    values, design = smooth_maps(10, seed=1), np.ones((10, 1))
    schedule = draw_schedule(design, [1], n_perm=80)
    options = {'adjacency': ADJACENCY[26], 'threshold': 2.0, 'tfce': (0.5, 2.0)}
    reference = as_bytes(run(values, design, [1], schedule, **options))
    for n_chunks, num_threads, batch in ((2, 2, 16), (7, 1, 5), (64, 1, 16), (1, 2, 1)):
        monkeypatch.setattr(spatial, '_MAPS', batch)
        other = run(values, design, [1], schedule, n_chunks, num_threads=num_threads, **options)
        assert as_bytes(other) == reference


def test_points_that_are_not_tested_are_not_part_of_the_graph():
    values, design = smooth_maps(8, seed=2), np.ones((8, 1))
    gone = np.arange(values.shape[1]) % 7 == 3
    holes = values.copy()
    holes[2, gone] = np.nan
    schedule = draw_schedule(design, [1], n_perm=60)
    options = {'threshold': 1.5, 'tfce': (0.5, 2.0)}
    whole = run(
        holes, design, [1], schedule, adjacency=ADJACENCY[6], missing='drop_voxel', **options
    )
    part = run(
        values[:, ~gone], design, [1], schedule, adjacency=ADJACENCY[6][~gone][:, ~gone], **options
    )
    for name, result in whole.items():
        np.testing.assert_array_equal(result.p_fwe[~gone], part[name].p_fwe)
        assert np.isnan(result.p_fwe[gone]).all()
        assert np.isnan(result.observed[gone]).all()


def test_only_what_is_asked_for_is_returned():
    values, design = smooth_maps(6), np.ones((6, 1))
    schedule = draw_schedule(design, [1], n_perm=20)
    assert set(run(values, design, [1], schedule, adjacency=ADJACENCY[6], threshold=2.0)) == {
        'extent',
        'mass',
    }
    assert set(run(values, design, [1], schedule, adjacency=ADJACENCY[6], tfce=(1, 2))) == {'tfce'}


def test_bad_requests_are_refused():
    values, design = smooth_maps(6), np.ones((6, 1))
    schedule = draw_schedule(design, [1], n_perm=20)
    problem = values, design, [1], schedule
    with pytest.raises(InputError, match='No spatial statistic'):
        permute_spatial(*problem, ADJACENCY[6])
    with pytest.raises(InputError, match='cannot be formed'):
        permute_spatial(*problem, ADJACENCY[6], threshold=0)
    with pytest.raises(InputError, match='does not fit the map'):
        permute_spatial(*problem, ADJACENCY[6][:9, :9], threshold=2)
    with pytest.raises(InputError, match='exponents'):
        permute_spatial(*problem, ADJACENCY[6], tfce=(-1, 2))
    chunk = permute_spatial(*problem, ADJACENCY[6], threshold=2.0, stop=10)
    with pytest.raises(ScheduleError, match='add up'):
        merge_spatial([chunk], design, [1])


@pytest.mark.parametrize(
    ('other', 'words'),
    [
        ({'threshold': 50.5}, 'threshold 50.5'),
        ({'tfce': (1.0, 2.0)}, 'E 1, H 2'),
        ({'tfce': None}, 'E nan, H nan'),
        ({'adjacency': ADJACENCY[18]}, 'pairs of neighbours'),
    ],
)
def test_chunks_of_other_settings_are_refused(other, words):
    """Even if nothing is in a cluster, so that the observed maps do not differ."""
    values, design = smooth_maps(6), np.ones((6, 1))
    schedule = draw_schedule(design, [1], n_perm=20)
    options = {'adjacency': ADJACENCY[6], 'threshold': 50.0, 'tfce': (0.5, 2.0)}
    first = permute_spatial(values, design, [1], schedule, stop=10, **options)
    second = permute_spatial(values, design, [1], schedule, start=10, **{**options, **other})
    assert (first.observed[:2] == 0).all()
    second = second._replace(observed=first.observed)
    with pytest.raises(ScheduleError, match='did not measure the same') as error:
        merge_spatial([first, second], design, [1])
    assert words in error.value.found


def test_relabellings_without_residuals_are_ties():
    """Lesion maps: 0 and 1 only, which some relabellings split without an exception.

    Their statistic is infinite but for rounding, which must not decide between two relabellings
    that are the same with the groups exchanged.
    """
    rng = np.random.default_rng(1)
    values = rng.normal(size=(8, MASK.sum()))
    lesion = np.array([1.0, 1, 1, 0, 0, 1, 0, 0])
    values[:, [20, 21, 60]] = lesion[:, None]
    design = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
    schedule = draw_schedule(design, [0, 1], n_perm=100)
    options = {'adjacency': ADJACENCY[6], 'threshold': 3.0, 'tfce': (0.5, 2.0)}
    result = run(values, design, [0, 1], schedule, **options)
    share = lesion[schedule.orders][:, :4].mean(axis=1)
    split = (share == 0) | (share == 1)
    assert split.sum() == 2  # one relabelling, and the one with the groups exchanged
    for name in ('mass', 'tfce'):
        null = result[name].null
        assert np.isfinite(null).all()
        assert null[split].min() > 1e3 * null[~split].max()
        np.testing.assert_allclose(null[split], null[split][0], rtol=1e-9)
