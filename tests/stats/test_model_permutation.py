"""Permutation of robust, fixed- and mixed-effects models: against refits of all relabellings."""

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, sparse

from nistats_nipype.exceptions import InputError, ScheduleError
from nistats_nipype.stats import mixed, robust
from nistats_nipype.stats.blocks import whole_blocks, within_blocks
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.model_engine import MODELS, Model
from nistats_nipype.stats.permutation import merge, permute
from nistats_nipype.stats.pointwise import fit_points
from nistats_nipype.stats.spatial import merge_spatial, permute_spatial

N, V = 6, 10
RNG = np.random.default_rng(20061013)
#: Unequal within observations, between none and more than within.
VARIANCES = RNG.chisquare(4, size=(N, V)) * np.exp(RNG.normal(size=(N, 1)))
VALUES = RNG.normal(size=(N, V)) * np.sqrt(VARIANCES + np.repeat([0.0, 4.0], V // 2)) + 1.0
ONES, GROUP = np.ones(N), np.repeat([0.0, 1.0], N // 2)
AGE = np.array([31.0, 24.0, 45.0, 28.0, 60.0, 52.0])
THREE = np.eye(3)[[0, 0, 1, 1, 2, 2]]
#: Design and contrast, and how many relabellings there are.
TESTS = {
    'one sample': (ONES[:, None], [1.0], 2**N),
    'negative mean': (ONES[:, None], [-2.0], 2**N),
    'two samples': (np.column_stack([ONES, GROUP]), [0, 1], math.comb(N, 3)),
    'cell means': (np.column_stack([1 - GROUP, GROUP]), [1, -1], math.comb(N, 3)),
    'one covariate': (np.column_stack([ONES, AGE]), [0, 1], math.factorial(N)),
    'three groups, F': (THREE, [[1, -1, 0], [0, 1, -1]], 90),
    'both means, F': (np.column_stack([1 - GROUP, GROUP]), np.eye(2), 2**N),
}


def make_model(name, some=slice(None)):
    return Model(name, None if name == 'robust' else VARIANCES[:, some])


def set_up(test, n_perm=10000, **options):
    design, contrast, _ = TESTS[test]
    contrast = np.asarray(contrast, dtype=float)
    return design, contrast, draw_schedule(design, contrast, n_perm=n_perm, **options)


# Independent computations


def weigh(y, variance, X):
    """Generalised least squares, by matrices."""
    inverse = np.diag(1.0 / variance)
    covariance = np.linalg.inv(X.T @ inverse @ X)
    return covariance @ X.T @ inverse @ y, covariance


def deviance(tau2, y, v, X):
    """Minus twice the restricted log-likelihood, from its definition."""
    beta, covariance = weigh(y, v + tau2, X)
    form = np.sum((y - X @ beta) ** 2 / (v + tau2))
    return np.log(v + tau2).sum() - np.linalg.slogdet(covariance)[1] + form


def between(name, y, v, X):
    """tau2 of each method, REML by a search over a grid that an optimiser refines."""
    if name == 'fixed':
        return 0.0
    if name == 'dl':
        W = np.diag(1.0 / v)
        P = W - W @ X @ np.linalg.inv(X.T @ W @ X) @ X.T @ W
        return max(0.0, (y @ P @ y - (len(y) - X.shape[1])) / np.trace(P))
    grid = np.r_[0.0, np.geomspace(1e-3 * v.min(), 30.0 * (v.max() + np.var(y)), 40)]
    values = np.array([deviance(tau2, y, v, X) for tau2 in grid])
    found = [(values[0], 0.0)]
    for dip in 1 + np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])):
        bounds = grid[dip - 1], grid[dip + 1]
        result = optimize.minimize_scalar(
            deviance, bounds=bounds, args=(y, v, X), method='bounded', options={'xatol': 1e-10}
        )
        found.append((result.fun, result.x))
    return min(found)[1]


def refit(name, y, v, X, contrast):
    """Wald's statistic of one relabelling: t or z, or F or chi-squared."""
    rows = np.atleast_2d(contrast)
    if name == 'robust':
        model = sm.RLM(y, X, M=sm.robust.norms.HuberT())
        fit = model.fit(maxiter=20000, tol=1e-13, conv='coefs', scale_est='mad', cov='H1')
        beta, covariance = fit.params, fit.cov_params()
    else:
        beta, covariance = weigh(y, v + between(name, y, v, X), X)
    effect, spread = rows @ beta, rows @ covariance @ rows.T
    if contrast.ndim == 1:
        return effect[0] / np.sqrt(spread[0, 0])
    form = effect @ np.linalg.solve(spread, effect)
    return form if name == 'fixed' else form / len(rows)


def enumerate_all(test):
    """All different relabellings, the observed one first: orders and signs, by brute force."""
    design, _, n_possible = TESTS[test]
    if n_possible == 2**N:
        return [(np.arange(N), np.array(s)) for s in itertools.product([1.0, -1.0], repeat=N)]
    different = {}
    for order in itertools.permutations(range(N)):
        # A pair goes where its row of the design is.
        different.setdefault(design[np.argsort(order)].tobytes(), np.array(order))
    return [(order, np.ones(N)) for order in different.values()]


def refit_all(name, test, points):
    """Statistics of all relabellings: pairs of observation and variance move, or signs do."""
    design, contrast, _ = TESTS[test]
    return np.array([
        [
            refit(name, s * VALUES[o, v], VARIANCES[o, v], design, np.asarray(contrast, float))
            for v in points
        ]
        for o, s in enumerate_all(test)
    ])  # fmt: skip


def points_of(name, test):
    """Few points where there are many relabellings."""
    slow = name in ('reml', 'robust')
    return range(0, V, 5) if slow and TESTS[test][2] > 100 else range(0, V, 2 if slow else 1)


@pytest.mark.slow
@pytest.mark.parametrize('test', TESTS)
@pytest.mark.parametrize('name', MODELS)
def test_p_are_those_of_refits_of_all_relabellings(name, test):
    design, contrast, schedule = set_up(test)
    assert schedule.exhaustive
    assert schedule.n_relabellings == TESTS[test][2]
    points = list(points_of(name, test))
    stats = refit_all(name, test, points)
    assert len(stats) == schedule.n_relabellings
    sides = ['two-sided'] if contrast.ndim > 1 else ['two-sided', 'positive', 'negative']
    for sidedness in sides:
        model = make_model(name, points)
        about = design, contrast, schedule
        chunk = permute(VALUES[:, points], *about, sidedness=sidedness, model=model)
        result = merge([chunk], design, contrast, sidedness=sidedness)
        np.testing.assert_allclose(result.stat, stats[0], rtol=1e-5, atol=1e-6)
        side = {'two-sided': 0, 'positive': 1, 'negative': -1}[sidedness]
        turned = np.abs(stats) if side == 0 else side * stats
        limits = turned[0] - 1e-5 * (1.0 + np.abs(turned[0]))
        np.testing.assert_allclose(result.p_uncorrected, (turned >= limits).mean(axis=0))
        top = turned.max(axis=1)
        np.testing.assert_allclose(np.sort(result.null), np.sort(top), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(result.p_fwe, (top[:, None] >= limits).mean(axis=0))


@pytest.mark.parametrize('name', MODELS)
def test_observed_statistics_are_the_parametric_ones(name):
    for test in TESTS:
        design, contrast, schedule = set_up(test)
        chunk = permute(VALUES, design, contrast, schedule, stop=1, model=make_model(name))
        if name == 'robust':
            expected = robust.contrast(robust.fit(VALUES, design), design, contrast)
        else:
            fitted = mixed.fit(VALUES, VARIANCES, design, method=name)
            expected = mixed.contrast(fitted, design, contrast)
        np.testing.assert_array_equal(chunk.stat, expected.stat)
        np.testing.assert_allclose(chunk.observed, expected.stat, rtol=1e-9)
        assert chunk.scale == 'model'


def test_tuning_is_that_of_the_fit():
    design, contrast, schedule = set_up('one sample')
    chunk = permute(VALUES, design, contrast, schedule, model=Model('robust', tuning=3.0))
    expected = robust.contrast(robust.fit(VALUES, design, tuning=3.0), design, contrast)
    np.testing.assert_array_equal(chunk.stat, expected.stat)
    other = permute(VALUES, design, contrast, schedule, model=Model('robust'))
    assert not np.allclose(chunk.maxima, other.maxima)


LINE = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(V, V))


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('test', ['one sample', 'one covariate'])
def test_the_split_does_not_matter(name, test):
    design, contrast, schedule = set_up(test, n_perm=300 if test == 'one covariate' else 100)
    about = VALUES, design, contrast, schedule

    def run(n_chunks, **options):
        bounds = np.linspace(0, schedule.n_relabellings, n_chunks + 1).astype(int)
        options |= {'model': make_model(name)}
        pieces = [{'start': a, 'stop': b, **options} for a, b in itertools.pairwise(bounds)]
        chunks = [permute(*about, **piece) for piece in pieces]
        wholes = [permute_spatial(*about, LINE, tfce=(0.5, 2), **piece) for piece in pieces]
        return merge(chunks, design, contrast), merge_spatial(wholes, design, contrast)['tfce']

    voxel, tfce = run(1)
    for n_chunks, num_threads in [(3, 1), (1, 3), (7, 2)]:
        found = run(n_chunks, num_threads=num_threads)
        for one, other in zip([voxel, tfce], found, strict=True):
            for field in ('p_uncorrected', 'p_fwe', 'null', 'observed'):
                np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


@pytest.mark.parametrize('name', MODELS)
def test_blocks_of_points_do_not_matter(name, monkeypatch):
    design, contrast, schedule = set_up('two samples')
    expected = permute(VALUES, design, contrast, schedule, model=make_model(name))
    monkeypatch.setattr('nistats_nipype.stats.relabelling.POINTS', 3)
    monkeypatch.setattr('nistats_nipype.stats.model_engine.ModelStatistics.batch', 4)
    found = permute(VALUES, design, contrast, schedule, model=make_model(name), num_threads=2)
    for field in ('maxima', 'counts', 'observed', 'stat'):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


@pytest.mark.parametrize('name', MODELS)
def test_tfce_and_clusters_are_those_of_the_maps_of_relabelled_data(name):
    """Each relabelling as observed data of its own."""
    design, contrast, schedule = set_up('one sample')
    threshold, some = 1.5, slice(0, 9)
    measure = {'threshold': threshold, 'tfce': (0.5, 2.0)}
    chunk = permute_spatial(
        VALUES, design, contrast, schedule, LINE, model=make_model(name), **measure
    )
    for row, signs in list(enumerate(schedule.signs))[some]:
        flipped = permute_spatial(
            *(signs[:, None] * VALUES, design, contrast, schedule, LINE),
            model=make_model(name),
            stop=1,
            **measure,
        )
        np.testing.assert_allclose(chunk.maxima[:, row], flipped.maxima[:, 0], rtol=1e-8)


@pytest.mark.parametrize('name', MODELS)
def test_a_shift_of_all_observations_does_not_matter_where_pairs_are_permuted(name):
    design, contrast, schedule = set_up('one covariate', n_perm=200)
    model = make_model(name)
    expected, found = (
        merge([permute(each, design, contrast, schedule, model=model)], design, contrast)
        for each in (VALUES, VALUES + 30.0)
    )
    np.testing.assert_allclose(found.null, expected.null, rtol=1e-7)
    np.testing.assert_array_equal(found.p_uncorrected, expected.p_uncorrected)


def test_blocks_restrict_what_moves():
    design, contrast, _ = TESTS['one covariate']
    blocks = within_blocks([1, 1, 2, 2, 3, 3])
    schedule = draw_schedule(design, contrast, blocks=blocks)
    points = range(0, V, 3)
    chunk = permute(VALUES[:, points], design, contrast, schedule, model=make_model('dl', points))
    stats = []
    for swaps in itertools.product([0, 1], repeat=3):
        order = np.arange(N) ^ np.repeat(swaps, 2)
        stats.append(
            [
                refit('dl', VALUES[order, v], VARIANCES[order, v], design, np.array([0.0, 1]))
                for v in points
            ]
        )
    reached = np.abs(stats) >= np.abs(stats[0]) - 1e-9
    np.testing.assert_array_equal(chunk.counts, reached.sum(axis=0))
    whole = draw_schedule(ONES[:, None], [1.0], blocks=whole_blocks([1, 1, 2, 2, 3, 3]))
    assert whole.n_relabellings == 8
    chunk = permute(VALUES, ONES[:, None], [1.0], whole, model=make_model('dl'))
    np.testing.assert_array_equal(chunk.counts % 2, 0)  # z of all signs flipped is its negative


def test_incomplete_points_are_left_out_if_asked_for():
    values, variances = VALUES.copy(), VARIANCES.copy()
    values[0, 2] = variances[3, 5] = np.nan
    design, contrast, schedule = set_up('one sample')
    model = Model('reml', variances)
    chunk = permute(values, design, contrast, schedule, missing='drop_voxel', model=model)
    complete = np.setdiff1d(np.arange(V), [2, 5])
    assert np.isnan(chunk.observed[[2, 5]]).all()
    expected = permute(VALUES[:, complete], design, contrast, schedule,
                       model=make_model('reml', complete))  # fmt: skip
    np.testing.assert_array_equal(chunk.maxima, expected.maxima)
    np.testing.assert_array_equal(chunk.counts[complete], expected.counts)


def test_relabellings_without_a_scale_are_left_out():
    """Flips that make more than half of the observations equal leave no scale."""
    values = np.array([1.0, -1.0, 1.0, -1.0, 1.0, 4.0])[:, None]
    design, contrast, schedule = set_up('one sample')
    chunk = permute(values, design, contrast, schedule, model=Model('robust'))
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=N)))
    flipped = signs * values[:, 0]
    scales = [robust.fit(row[:, None], design).scale[0] for row in flipped]
    assert chunk.left_out[0] == np.isnan(scales).sum() > 0


# Refusals

REFUSED = {
    'a mean beside a covariate': ((np.column_stack([ONES, AGE - AGE.mean()]), [1, 0]), {}),
    'a group beside a covariate': ((np.column_stack([ONES, GROUP, AGE]), [0, 1, 0]), {}),
    'two of three groups': ((THREE, [1, -1, 0]), {}),
    'a difference by flips': ((np.column_stack([ONES, GROUP]), [0, 1]), {'errors': 'symmetric'}),
    'both': ((np.column_stack([ONES, GROUP]), [0, 1]), {'errors': 'both'}),
}


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('case', REFUSED)
def test_nuisance_is_refused(name, case):
    (design, contrast), options = REFUSED[case]
    schedule = draw_schedule(design, contrast, n_perm=20, **options)
    with pytest.raises(ScheduleError, match='cannot be permuted beside these nuisance') as caught:
        permute(VALUES, design, contrast, schedule, model=make_model(name))
    for word in ('without nuisance', 'an intercept only', '--model ols', '--n-perm 0'):
        assert word in str(caught.value)


def test_other_methods_are_refused():
    design, contrast, schedule = set_up('two samples', method='dekker')
    with pytest.raises(ScheduleError, match='not permuted by this method'):
        permute(VALUES, design, contrast, schedule, model=make_model('reml'))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'missing': 'per_voxel'}, "missing='per_voxel'"),
        ({'smooth_variance': lambda row: row}, 'a smoothed variance'),
        ({'covariates': [VALUES]}, 'voxelwise covariates'),
    ],
)
def test_what_does_not_go_with_a_model_is_refused(options, words):
    design, contrast, schedule = set_up('one sample')
    with pytest.raises(InputError, match='not permuted with what is asked for') as caught:
        permute(VALUES, design, contrast, schedule, model=make_model('dl'), **options)
    assert words in str(caught.value)


def test_variance_groups_are_refused():
    design, contrast, _ = TESTS['two samples']
    schedule = draw_schedule(design, contrast, groups=GROUP.astype(int), errors='exchangeable')
    with pytest.raises(InputError, match='variance groups'):
        permute(VALUES, design, contrast, schedule, model=make_model('reml'))


@pytest.mark.parametrize(
    ('model', 'words'),
    [
        (Model('ols'), 'Unknown model'),
        (Model('reml'), 'needs variances'),
        (Model('robust', VARIANCES), 'takes no variances'),
        (Model('dl', -VARIANCES), 'zero, negative'),
    ],
)
def test_models_that_cannot_be_are_refused(model, words):
    design, contrast, schedule = set_up('one sample')
    with pytest.raises(InputError, match=words):
        permute(VALUES, design, contrast, schedule, model=model)


def test_tails_at_each_point_are_refused():
    design, contrast, schedule = set_up('one sample')
    result = merge(
        [permute(VALUES, design, contrast, schedule, model=make_model('dl'))], design, contrast
    )
    with pytest.raises(InputError, match='another model'):
        fit_points(VALUES, design, contrast, schedule, result, tail='gpd')
