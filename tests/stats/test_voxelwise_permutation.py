"""Permutation with voxelwise covariates: against refits of all relabellings, point by point."""

import itertools
import math

import numpy as np
import pytest
from scipy import sparse

from nistats_nipype.exceptions import DesignError, ScheduleError
from nistats_nipype.stats import glm, voxelwise
from nistats_nipype.stats.blocks import within_blocks
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute
from nistats_nipype.stats.spatial import merge_spatial, permute_spatial
from nistats_nipype.stats.stand_ins import extend_design

N, V = 6, 70
ONES, GROUP = np.ones(N), np.repeat([0.0, 1.0], N // 2)
TWO = np.column_stack([ONES, GROUP])
#: Regressors, number of covariates, contrast, errors.
TESTS = {
    'covariate': (ONES[:, None], 1, [0, 1], 'auto'),
    'negative of a covariate': (TWO, 1, [0, 0, -1], 'auto'),
    'group': (TWO, 1, [0, 1, 0], 'auto'),
    'mean by flips': (ONES[:, None], 1, [1, 0], 'auto'),
    'group and covariate together': (TWO, 1, [0, 1, 2], 'auto'),
    'one covariate beside another': (ONES[:, None], 2, [0, 0, 1], 'auto'),
    'difference of covariates': (ONES[:, None], 2, [0, 1, -1], 'auto'),
    'F of covariates': (ONES[:, None], 2, [[0, 1, 0], [0, 0, 1]], 'auto'),
    'F of both kinds': (TWO, 1, [[0, 1, 0], [0, 0, 3]], 'auto'),
    'F of mixed rows': (TWO, 1, [[0, 1, 1], [0, 2, 2]], 'auto'),
    'flips and permutations': (ONES[:, None], 1, [0, 1], 'both'),
    'deficient design': (np.column_stack([ONES, GROUP, 1 - GROUP]), 1, [0, 1, -1, 0], 'auto'),
}


@pytest.fixture(scope='module')
def maps():
    """Observations and covariates that go together, with points far and near to collinear."""
    rng = np.random.default_rng(4)
    covariates = [5.0 + rng.standard_normal((N, V)) + 0.5 * GROUP[:, None] for _ in range(2)]
    values = 2.0 + 0.7 * covariates[0] + 0.5 * covariates[1] + rng.standard_normal((N, V))
    covariates[1][:, 0] = covariates[0][:, 0] + 0.01 * rng.standard_normal(N)
    return values, covariates


def set_up(name, maps):
    design, n_covariates, contrast, errors = TESTS[name]
    covariates = maps[1][:n_covariates]
    whole = extend_design(design, covariates, np.ones(V, dtype=bool))
    schedule = draw_schedule(whole, contrast, n_perm=720, seed=2, errors=errors)
    return maps[0], design, covariates, whole, np.array(contrast, dtype=float), schedule


def residuals(design, y):
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def refit(y, design, contrast, schedule):
    """Statistics of all relabellings, from sums of squares of refits without what is tested.

    What the null hypothesis allows is the design with its columns combined by the null space of
    the contrast, from the singular value decomposition.
    """
    rows = np.atleast_2d(contrast)
    _, singular, vectors = np.linalg.svd(rows)
    n_tested = int((singular > 1e-9).sum())
    reduced = design @ vectors[n_tested:].T
    e = residuals(reduced, y)
    fitted = y - e
    b = schedule.n_relabellings
    orders = np.tile(np.arange(N), (b, 1)) if schedule.orders is None else schedule.orders
    signs = np.ones((b, N)) if schedule.signs is None else schedule.signs
    data = (fitted + signs * e[orders]).T
    full, small = ((residuals(each, data) ** 2).sum(axis=0) for each in (design, reduced))
    dof = N - np.linalg.matrix_rank(design)
    f = (small - full) / n_tested / (full / dof)
    if rows.shape[0] > 1:
        return f
    effect = (rows @ np.linalg.lstsq(design, data, rcond=None)[0])[0]
    return np.sign(effect) * np.sqrt(np.maximum(f, 0.0))


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('name', TESTS)
def test_p_are_those_of_refits_of_all_relabellings(name, sidedness, maps):
    values, design, covariates, whole, contrast, schedule = set_up(name, maps)
    chunk = permute(values, whole, contrast, schedule, sidedness=sidedness, covariates=covariates)
    points = [np.column_stack([design, *(c[:, v] for c in covariates)]) for v in range(V)]
    stats = np.array(
        [refit(values[:, v], point, contrast, schedule) for v, point in enumerate(points)]
    ).T
    result = merge([chunk], whole, contrast, sidedness=sidedness)
    np.testing.assert_allclose(result.stat, stats[0], rtol=1e-7)
    is_f = contrast.ndim > 1
    side = 1 if is_f else {'two-sided': 0, 'positive': 1, 'negative': -1}[sidedness]
    turned = np.abs(stats) if side == 0 else side * stats
    limits = turned[0] - 1e-7 * (1.0 + np.abs(turned[0]))
    np.testing.assert_allclose(result.p_uncorrected, (turned >= limits).mean(axis=0))
    top = turned.max(axis=1)
    np.testing.assert_allclose(result.null, top, rtol=1e-6)
    np.testing.assert_allclose(result.p_fwe, (top[:, None] >= limits).mean(axis=0))


def test_all_permutations_are_different(maps):
    *_, schedule = set_up('group', maps)
    assert schedule.exhaustive
    assert schedule.n_possible == math.factorial(N)
    flat = draw_schedule(TWO, [0, 1], n_perm=720)
    assert flat.n_possible == math.comb(N, N // 2)


def test_statistics_are_the_parametric_ones(maps):
    for name in TESTS:
        values, design, covariates, whole, contrast, schedule = set_up(name, maps)
        chunk = permute(values, whole, contrast, schedule, stop=1, covariates=covariates)
        model = voxelwise.fit(values, design, covariates)
        expected = voxelwise.contrast(model, design, contrast).stat
        np.testing.assert_array_equal(chunk.stat, expected)


@pytest.mark.parametrize('contrast', [[0, 1, 0], [0, 0, 1], [[0, 1, 0], [0, 0, 1]]])
def test_a_covariate_that_is_the_same_everywhere_is_a_column(contrast, maps):
    column = np.array([0.3, -1.2, 2.2, 0.1, -0.4, 1.7])
    whole = np.column_stack([TWO, column])
    same = np.repeat(column[:, None], V, axis=1)
    np.testing.assert_allclose(extend_design(TWO, [same], np.ones(V, dtype=bool)), whole)
    schedule = draw_schedule(whole, contrast, n_perm=300, seed=1)
    expected, found = (
        merge([permute(maps[0], whole, contrast, schedule, covariates=each)], whole, contrast)
        for each in (None, [same])
    )
    np.testing.assert_array_equal(found.p_uncorrected, expected.p_uncorrected)
    np.testing.assert_array_equal(found.p_fwe, expected.p_fwe)
    np.testing.assert_allclose(found.null, expected.null, rtol=1e-6)


def test_the_split_does_not_matter(maps):
    values, _, covariates, whole, contrast, schedule = set_up('group', maps)

    def run(n_chunks, num_threads, some=slice(None)):
        bounds = np.linspace(0, schedule.n_relabellings, n_chunks + 1).astype(int)
        chunks = [
            permute(
                *(values[:, some], whole, contrast, schedule),
                start=start,
                stop=stop,
                covariates=[each[:, some] for each in covariates],
                num_threads=num_threads,
            )
            for start, stop in itertools.pairwise(bounds)
        ]
        return merge(chunks, whole, contrast)

    first = run(1, 1)
    assert [each.tobytes() for each in run(7, 2)[:6]] == [each.tobytes() for each in first[:6]]
    alone = run(1, 1, slice(65, 67))
    assert alone.p_uncorrected.tobytes() == first.p_uncorrected[65:67].tobytes()


def test_incomplete_and_collinear_points_are_not_tested(maps):
    values, _, covariates, whole, contrast, schedule = set_up('group', maps)
    punched, (covariate,) = values.copy(), [each.copy() for each in covariates]
    punched[1, 5] = covariate[0, 6] = np.nan
    covariate[:, 7] = 1.0
    options = {'covariates': [covariate], 'missing': 'drop_voxel'}
    result = merge([permute(punched, whole, contrast, schedule, **options)], whole, contrast)
    complete = merge(
        [permute(values, whole, contrast, schedule, covariates=covariates)], whole, contrast
    )
    tested = np.setdiff1d(np.arange(V), [5, 6, 7])
    assert np.isnan(result.p_uncorrected[[5, 6, 7]]).all()
    np.testing.assert_array_equal(result.p_uncorrected[tested], complete.p_uncorrected[tested])


def test_clusters_and_tfce_are_of_the_same_maps(maps):
    values, design, covariates, whole, contrast, schedule = set_up('covariate', maps)
    line = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(V, V))
    chunk = permute_spatial(
        *(values, whole, contrast, schedule, line),
        threshold=1.5,
        sidedness='positive',
        covariates=covariates,
    )
    result = merge_spatial([chunk], whole, contrast, sidedness='positive')
    points = [np.column_stack([design, covariates[0][:, v]]) for v in range(V)]
    stats = np.array(
        [refit(values[:, v], point, contrast, schedule) for v, point in enumerate(points)]
    ).T
    longest = [
        max((len(list(run)) for above, run in itertools.groupby(row >= 1.5) if above), default=0)
        for row in stats
    ]
    np.testing.assert_array_equal(result['extent'].null, longest)


def test_what_has_no_meaning_is_refused(maps):
    values, covariates = maps
    whole = extend_design(TWO, covariates[:1], np.ones(V, dtype=bool))
    contrast = [0, 1, 0]
    blocks = within_blocks([1, 2, 3, 1, 2, 3])
    for message, options in (
        ('cannot be had', {'method': 'dekker'}),
        ('cannot be had', {'groups': GROUP}),
    ):
        schedule = draw_schedule(whole, contrast, n_perm=20, **options)
        with pytest.raises(ScheduleError, match=message):
            permute(values, whole, contrast, schedule, covariates=covariates[:1])
    schedule = draw_schedule(whole, contrast, n_perm=20, blocks=blocks)
    with pytest.raises(ScheduleError, match='cannot be had'):
        permute(
            *(values, whole, contrast, schedule),
            covariates=covariates[:1],
            smooth_variance=lambda row: row,
        )
    alike = whole.copy()
    alike[1] = alike[0]
    schedule = draw_schedule(alike, contrast, n_perm=20)
    with pytest.raises(ScheduleError, match='Equal rows'):
        permute(values, alike, contrast, schedule, covariates=covariates[:1])
    with pytest.raises(DesignError, match='depend on other columns'):
        extend_design(TWO, [np.repeat(GROUP[:, None], V, axis=1)], np.ones(V, dtype=bool))


def test_a_nuisance_that_the_schedule_ignores_would_be_found(maps):
    """Without the covariate, p differ: the covariate is in the partition."""
    values, _, covariates, whole, contrast, schedule = set_up('group', maps)
    with_maps = permute(values, whole, contrast, schedule, covariates=covariates)
    with_means = permute(values, whole, contrast, schedule)
    np.testing.assert_array_equal(
        with_means.stat, glm.contrast(glm.fit(values, whole), whole, contrast).stat
    )
    assert (with_maps.counts != with_means.counts).mean() > 0.5
