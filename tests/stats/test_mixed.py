import numpy as np
import pytest
from scipy import optimize, stats

from nistats_nipype.exceptions import ContrastError, DesignError, InputError, MissingDataError
from nistats_nipype.stats import glm, mixed

N, V = 14, 40
RNG = np.random.default_rng(19860101)
GROUP = np.repeat([0.0, 1.0], 7)
AGE = RNG.normal(40, 10, N)
THREE = np.eye(3)[[0] * 4 + [1] * 5 + [2] * 5]
#: From none to much more than within observations.
TAU2 = np.repeat([0.0, 0.5, 2.0, 30.0], V // 4)
VARIANCES = RNG.chisquare(4, size=(N, V)) * np.exp(RNG.normal(size=(N, 1)))
VALUES = RNG.normal(size=(N, V)) * np.sqrt(VARIANCES + TAU2) + RNG.normal(size=V)

DESIGNS = {
    'one-sample': (np.ones((N, 1)), [1.0]),
    'two-sample': (np.column_stack([np.ones(N), GROUP]), [0, 1]),
    'ancova': (np.column_stack([1 - GROUP, GROUP, AGE]), [-1, 1, 0]),
    'three groups': (np.column_stack([THREE, AGE]), [[1, -1, 0, 0], [0, 1, -1, 0]]),
}
METHODS = ('fixed', 'dl', 'reml')


def run(values, variances, design, weights, sidedness='two-sided', **options):
    model = mixed.fit(values, variances, design, **options)
    return mixed.contrast(model, design, weights, sidedness=sidedness)


def deviance(tau2, y, v, X):
    """Minus twice the restricted log-likelihood, from its definition."""
    covariance = np.diag(v + tau2)
    inverse = np.linalg.inv(covariance)
    information = X.T @ inverse @ X
    residual = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (covariance, information)]
    return sum(logs) + residual @ inverse @ residual


def best_tau2(y, v, X):
    """Lowest deviance of a dense search, each dip of which is refined."""
    grid = np.r_[0, np.geomspace(1e-3 * v.min(), 1e3 * (v.max() + np.var(y)), 200)]
    values = np.array([deviance(tau2, y, v, X) for tau2 in grid])
    found = [(values[0], 0.0)]
    for dip in 1 + np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])):
        bounds = grid[dip - 1], grid[dip + 1]
        result = optimize.minimize_scalar(
            deviance, bounds=bounds, args=(y, v, X), method='bounded', options={'xatol': 1e-9}
        )
        found.append((result.fun, result.x))
    return min(found)


def wald(beta, covariance, rows):
    effect = rows @ beta
    return effect @ np.linalg.solve(rows @ covariance @ rows.T, effect)


def test_the_search_skips_no_maximum():
    """Slopes from their spectral form: their sign does not change before it is said to."""
    from nistats_nipype.stats.reml_kernels import certain_until

    rng = np.random.default_rng(11)
    ahead = np.r_[0, np.geomspace(1e-6, 1e8, 4000)]
    n_skipped = n_ended = 0
    for _ in range(300):
        largest = np.exp(rng.uniform(0, 8))
        between = np.exp(rng.uniform(0, np.log(largest), size=9))
        squares = rng.chisquare(1, size=9) * (between + rng.choice([0, 1, 30, 1000]))
        low = rng.choice([0, np.exp(rng.uniform(-3, 8))])
        total = between[:, None] + low + ahead
        ratio = (squares[:, None] / total**2).sum(axis=0) / (1 / total).sum(axis=0)
        until = certain_until(low, ratio[0], largest)
        assert until >= low * (1 - 1e-12)
        within = low + ahead < until * (1 - 1e-12)
        assert len(set(ratio[within] > 1)) <= 1
        n_skipped += within.sum() > 1
        n_ended += until == np.inf
    assert n_skipped > 250
    assert 20 < n_ended < 280


# Fixed effects


def test_fixed_effects_are_inverse_variance_weighting():
    result = run(VALUES, VARIANCES, np.ones((N, 1)), [1.0], method='fixed')
    weights = 1 / VARIANCES
    effect = (weights * VALUES).sum(axis=0) / weights.sum(axis=0)
    z = effect * np.sqrt(weights.sum(axis=0))
    np.testing.assert_allclose(result.effect[0], effect, rtol=1e-12)
    np.testing.assert_allclose(result.variance[0], 1 / weights.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(result.stat, z, rtol=1e-12)
    np.testing.assert_array_equal(result.z, result.stat)
    np.testing.assert_allclose(result.p, 2 * stats.norm.sf(np.abs(z)), rtol=1e-10)
    assert result.kind == 'z'
    assert np.isposinf(result.dof).all()


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('name', DESIGNS)
def test_statistics_are_walds(name, method):
    """Oracle: generalised least squares with matrices, given tau2."""
    design, weights = DESIGNS[name]
    rows = np.atleast_2d(weights)
    model = mixed.fit(VALUES, VARIANCES, design, method=method)
    result = mixed.contrast(model, design, weights)
    dof, n_rows = N - np.linalg.matrix_rank(design), len(rows)
    for v in range(V):
        inverse = np.diag(1 / (VARIANCES[:, v] + model.tau2[v]))
        covariance = np.linalg.inv(design.T @ inverse @ design)
        beta = covariance @ design.T @ inverse @ VALUES[:, v]
        form = wald(beta, covariance, rows)
        np.testing.assert_allclose(model.beta[:, v], beta, rtol=1e-8)
        np.testing.assert_allclose(result.effect[:, v], rows @ beta, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(
            result.variance[:, v], np.diag(rows @ covariance @ rows.T), rtol=1e-8
        )
        if n_rows == 1:
            stat = np.sign(rows @ beta).item() * np.sqrt(form)
            p = 2 * (stats.norm.sf(abs(stat)) if method == 'fixed' else stats.t.sf(abs(stat), dof))
        elif method == 'fixed':
            stat, p = form, stats.chi2.sf(form, n_rows)
        else:
            stat, p = form / n_rows, stats.f.sf(form / n_rows, n_rows, dof)
        assert result.stat[v] == pytest.approx(stat, rel=1e-7)
        assert result.p[v] == pytest.approx(p, rel=1e-6)
        assert result.z[v] == pytest.approx(
            stats.norm.isf(p) if n_rows > 1 else np.sign(stat) * stats.norm.isf(p / 2), rel=1e-6
        )
    kinds = ['z', 'chi2'] if method == 'fixed' else ['t', 'F']
    assert (result.kind, result.dof_effect) == (kinds[n_rows - 1], n_rows)


@pytest.mark.parametrize('name', DESIGNS)
def test_heterogeneity(name):
    design, _ = DESIGNS[name]
    model = mixed.fit(VALUES, VARIANCES, design)
    root = 1 / np.sqrt(VARIANCES)
    for v in range(V):
        _, form, *_ = np.linalg.lstsq(root[:, [v]] * design, root[:, v] * VALUES[:, v])
        dof = N - design.shape[1]
        assert model.dof[v] == dof
        assert model.q[v] == pytest.approx(form.item(), rel=1e-9)
        assert model.q_p[v] == pytest.approx(stats.chi2.sf(form.item(), dof), rel=1e-8)
        assert model.i2[v] == pytest.approx(max(0, 100 * (1 - dof / form.item())), rel=1e-8)


# Mixed effects


@pytest.mark.parametrize('name', DESIGNS)
def test_reml_is_the_highest_restricted_likelihood(name):
    design, _ = DESIGNS[name]
    model = mixed.fit(VALUES, VARIANCES, design)
    for v in range(V):
        data = VALUES[:, v], VARIANCES[:, v], design
        lowest, tau2 = best_tau2(*data)
        assert deviance(model.tau2[v], *data) <= lowest + 1e-10
        # A minimum by values is known to the root of their precision.
        assert model.tau2[v] == pytest.approx(tau2, rel=1e-5, abs=1e-6)
    assert 0 < (model.tau2 == 0).sum() < V / 2


def test_the_slope_of_the_likelihood_is_zero():
    """Oracle: the derivative with matrices, to more digits than a search of values has."""
    design, _ = DESIGNS['ancova']
    model = mixed.fit(VALUES, VARIANCES, design)
    for v in range(V):
        inverse = np.diag(1 / (VARIANCES[:, v] + model.tau2[v]))
        fitted = design @ np.linalg.inv(design.T @ inverse @ design) @ design.T
        P = inverse - inverse @ fitted @ inverse
        spread, trace = VALUES[:, v] @ P @ P @ VALUES[:, v], np.trace(P)
        if model.tau2[v] > 0:
            assert spread == pytest.approx(trace, rel=1e-10)
        else:
            assert spread <= trace


def test_of_several_maxima_the_highest_is_taken():
    rng = np.random.default_rng(0)
    several = 0
    for _ in range(150):
        n = rng.integers(3, 9)
        v = 10 ** rng.uniform(-4, 4, n)
        y = rng.normal(size=n) * np.sqrt(v) * 10 ** rng.uniform(-1, 1, n)
        design = np.ones((n, 1))
        grid = np.r_[0, np.geomspace(1e-3 * v.min(), 1e6, 300)]
        slopes = np.diff([deviance(tau2, y, v, design) for tau2 in grid]) > 0
        several += (np.diff(slopes.astype(int)) > 0).sum() + slopes[0] > 1
        tau2 = mixed.fit(y[:, None], v[:, None], design).tau2[0]
        assert deviance(tau2, y, v, design) <= best_tau2(y, v, design)[0] + 1e-9
    assert several > 10


@pytest.mark.parametrize('name', DESIGNS)
def test_pymare(name):
    estimators = pytest.importorskip('pymare.estimators')
    design, _ = DESIGNS[name]
    ours = mixed.fit(VALUES, VARIANCES, design)
    # Its search stops early by default, and where its range ends.
    theirs = estimators.VarianceBasedLikelihoodEstimator(
        'REML', small_sample_correction='wald', xtol=1e-9
    )
    params = theirs.fit(VALUES, VARIANCES, design).params_
    np.testing.assert_allclose(params['tau2'][0], ours.tau2, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(params['fe_params'], ours.beta, rtol=1e-4, atol=1e-6)
    covariance = params['inv_cov'][np.tril_indices(design.shape[1])]
    np.testing.assert_allclose(covariance, ours.covariance, rtol=1e-5)
    moments = estimators.DerSimonianLaird().fit(VALUES, VARIANCES, design).params_['tau2']
    ours = mixed.fit(VALUES, VARIANCES, design, method='dl')
    np.testing.assert_allclose(moments.ravel(), ours.tau2, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('method', ['dl', 'reml'])
@pytest.mark.parametrize('name', DESIGNS)
def test_equal_variances_are_least_squares(name, method):
    design, weights = DESIGNS[name]
    values, variance = 2.0 * VALUES, 0.5
    model = mixed.fit(values, np.full_like(values, variance), design, method=method)
    expected = glm.fit(values, design)
    np.testing.assert_allclose(
        model.tau2, np.maximum(expected.residual_variance - variance, 0), rtol=1e-11
    )
    assert (model.tau2 > 0).all()
    ours = mixed.contrast(model, design, weights)
    theirs = glm.contrast(expected, design, weights)
    assert (ours.kind, ours.dof_effect) == (theirs.kind, theirs.dof_effect)
    for field in ('effect', 'variance', 'stat', 'z', 'p', 'dof'):
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field), rtol=1e-8)


@pytest.mark.parametrize('method', ['dl', 'reml'])
def test_without_heterogeneity_mixed_effects_are_fixed_effects(method):
    design, _ = DESIGNS['ancova']
    values = design.sum(axis=1, keepdims=True) + 0.1 * VALUES
    ours, fixed = (mixed.fit(values, VARIANCES + 4, design, method=m) for m in (method, 'fixed'))
    for field in ('tau2', 'i2', 'q', 'beta', 'covariance'):
        np.testing.assert_array_equal(getattr(ours, field), getattr(fixed, field))
    assert not ours.tau2.any()
    assert not ours.i2.any()
    t, z = (mixed.contrast(model, design, [1, 1, 0]) for model in (ours, fixed))
    np.testing.assert_array_equal(t.stat, z.stat)
    # What is known is known, but mixed effects do not count on it.
    assert (np.abs(t.z) < np.abs(z.z)).all()


@pytest.mark.parametrize('level', [0.0, 0.1, -7.3e5])
@pytest.mark.parametrize('method', METHODS)
def test_a_point_that_the_model_fits_exactly(method, level):
    # Its variances are known, so that, unlike with least squares, it has a statistic.
    values = np.full((N, 1), level)
    result = run(values, VARIANCES[:, :1], np.ones((N, 1)), [1.0], method=method)
    expected = level * np.sqrt((1 / VARIANCES[:, 0]).sum())
    np.testing.assert_allclose(result.stat, expected, rtol=1e-12)


# Invariants


@pytest.mark.parametrize('power', [-300, -20, 1, 20, 300])
@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('name', ['ancova', 'three groups'])
def test_units_of_the_data_change_the_units_only(name, method, power):
    # A power of two is exact, so the statistic must be the same bits.
    design, weights = DESIGNS[name]
    unit = 2.0**power
    plain = mixed.fit(VALUES, VARIANCES, design, method=method)
    scaled = mixed.fit(VALUES * unit, VARIANCES * unit**2, design, method=method)
    np.testing.assert_array_equal(scaled.tau2, plain.tau2 * unit**2)
    for field in ('q', 'i2', 'q_p'):
        np.testing.assert_array_equal(getattr(scaled, field), getattr(plain, field))
    ours, expected = (mixed.contrast(model, design, weights) for model in (scaled, plain))
    np.testing.assert_array_equal(ours.effect, expected.effect * unit)
    for field in ('stat', 'z', 'p'):
        np.testing.assert_array_equal(getattr(ours, field), getattr(expected, field))


@pytest.mark.parametrize('unit', [1e-9, 1e9])
@pytest.mark.parametrize('weights', [[0, 0, 1], np.eye(3), [[0, 1, 0], [1, 0, 0], [1, 1, 0]]])
def test_units_of_a_covariate_do_not_matter(unit, weights):
    plain, scaled = (np.column_stack([np.ones(N), GROUP, AGE * u]) for u in (1.0, unit))
    expected, result = (run(VALUES, VARIANCES, design, weights) for design in (plain, scaled))
    assert result.dof_effect == expected.dof_effect == np.linalg.matrix_rank(weights)
    np.testing.assert_allclose(result.stat, expected.stat, rtol=1e-8)


def test_rank_deficient_design_equals_its_full_rank_form():
    deficient = np.column_stack([np.ones(N), 1 - GROUP, GROUP, AGE])
    result = run(VALUES, VARIANCES, deficient, [0, -1, 1, 0])
    expected = run(VALUES, VARIANCES, *DESIGNS['ancova'])
    for field in ('effect', 'variance', 'stat', 'z', 'p', 'dof'):
        np.testing.assert_allclose(getattr(result, field), getattr(expected, field), rtol=1e-8)
    with pytest.raises(ContrastError, match='not estimable'):
        run(VALUES, VARIANCES, deficient, [0, 1, 0, 0])


def test_redundant_rows_count_once():
    design, weights = DESIGNS['three groups']
    result = run(VALUES, VARIANCES, design, [*weights, [1, 0, -1, 0]])
    expected = run(VALUES, VARIANCES, design, weights)
    assert (result.kind, result.dof_effect) == ('F', 2)
    np.testing.assert_allclose(result.stat, expected.stat, rtol=1e-8)


@pytest.mark.parametrize('side', ['positive', 'negative'])
@pytest.mark.parametrize('method', ['fixed', 'reml'])
def test_sides(method, side):
    design, weights = DESIGNS['two-sample']
    result = run(VALUES, VARIANCES, design, weights, side, method=method)
    tail = stats.norm.sf if method == 'fixed' else lambda t: stats.t.sf(t, N - 2)
    np.testing.assert_allclose(
        result.p, tail(result.stat if side == 'positive' else -result.stat), rtol=1e-9
    )


@pytest.mark.parametrize(('spread', 'tolerance'), [(1e4, 1e-12), (1e8, 1e-9), (1e12, 1e-7)])
def test_variances_that_differ_very_much(spread, tolerance):
    """Oracle: weighted least squares by singular values."""
    design, _ = DESIGNS['ancova']
    variances = np.geomspace(1, spread, N)[RNG.permutation(N)][:, None]
    values = RNG.normal(size=(N, 1)) * np.sqrt(variances)
    root = 1 / np.sqrt(variances)
    beta = np.linalg.lstsq(root * design, root * values, rcond=None)[0]
    model = mixed.fit(values, variances, design, method='fixed')
    np.testing.assert_allclose(model.beta, beta, rtol=tolerance)


def with_gaps(share=0.1):
    random = np.random.default_rng(5)
    values, variances = VALUES.copy(), VARIANCES.copy()
    for array in (values, variances):
        array[random.uniform(size=array.shape) < share] = np.nan
    values[:, 3] = np.nan
    variances[2:, 4] = np.nan
    return values, variances


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('name', DESIGNS)
def test_per_voxel_equals_a_fit_of_every_voxel(name, method):
    design, weights = DESIGNS[name]
    values, variances = with_gaps()
    model = mixed.fit(values, variances, design, method=method, missing='per_voxel')
    result = mixed.contrast(model, design, weights)
    for v in range(V):
        seen = ~np.isnan(values[:, v] + variances[:, v])
        dof = seen.sum() - np.linalg.matrix_rank(design[seen]) if seen.any() else 0
        if dof < 1:
            assert (model.n_observed[v], model.dof[v], model.pattern[v]) == (0, 0, -1)
            for field in (model.tau2, model.q, model.i2, model.q_p, *result[1:6]):
                assert np.isnan(field[..., v]).all()
            continue
        alone = mixed.fit(
            values[seen][:, [v]], variances[seen][:, [v]], design[seen], method=method
        )
        assert model.n_observed[v] == seen.sum()
        assert model.dof[v] == dof
        assert model.tau2[v] == alone.tau2[0]
        one = mixed.contrast(alone, design[seen], weights)
        np.testing.assert_allclose(result.stat[v], one.stat[0], rtol=1e-9)
        np.testing.assert_allclose(result.p[v], one.p[0], rtol=1e-7)
    assert np.isfinite(result.stat).sum() > V - 6


def test_drop_voxel_fits_complete_points_only():
    values, variances = with_gaps(share=0.02)
    complete = ~np.isnan(values + variances).any(axis=0)
    assert 3 < complete.sum() < V
    dropped = run(values, variances, *DESIGNS['ancova'], missing='drop_voxel')
    alone = run(values[:, complete], variances[:, complete], *DESIGNS['ancova'])
    for field in ('effect', 'variance', 'stat', 'z', 'p', 'dof'):
        ours = getattr(dropped, field)
        np.testing.assert_array_equal(ours[..., complete], getattr(alone, field))
        assert np.isnan(ours[..., ~complete]).all()


def test_a_voxel_whose_rows_do_not_determine_the_contrast_is_nan():
    variances = VARIANCES.copy()
    variances[GROUP == 1, 4] = np.nan
    design = np.column_stack([1 - GROUP, GROUP])
    model = mixed.fit(VALUES, variances, design, missing='per_voxel')
    for weights in ([-1, 1], np.eye(2)):
        for field in mixed.contrast(model, design, weights)[1:6]:
            np.testing.assert_array_equal(
                np.isnan(np.atleast_2d(field)).any(axis=0).nonzero()[0], [4]
            )
    assert np.isfinite(mixed.contrast(model, design, [1, 0]).stat).all()


@pytest.mark.parametrize('missing', ['drop_voxel', 'per_voxel'])
@pytest.mark.parametrize(('block', 'num_threads'), [(1, 1), (7, 1), (7, 4), (16384, 2)])
def test_blocks_and_threads_have_no_influence(monkeypatch, missing, block, num_threads):
    design, _ = DESIGNS['three groups']
    data = with_gaps(share=0.01)
    expected = mixed.fit(*data, design, missing=missing)
    monkeypatch.setattr(glm, 'BLOCK', block)
    model = mixed.fit(*data, design, missing=missing, num_threads=num_threads)
    for name, one, other in zip(model._fields, model, expected, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize('method', METHODS)
def test_neighbours_and_their_order_have_no_influence(method):
    design, weights = DESIGNS['three groups']
    order = np.random.default_rng(0).permutation(V)
    together = run(VALUES, VARIANCES, design, weights, method=method)
    shuffled = run(VALUES[:, order], VARIANCES[:, order], design, weights, method=method)
    alone = run(VALUES[:, [9]], VARIANCES[:, [9]], design, weights, method=method)
    for field in ('effect', 'variance', 'stat', 'z', 'p'):
        expected = getattr(together, field)
        np.testing.assert_array_equal(getattr(shuffled, field), expected[..., order])
        np.testing.assert_array_equal(getattr(alone, field), expected[..., [9]])


def test_single_precision_maps_are_read_as_they_are():
    values, variances = VALUES.astype(np.float32), VARIANCES.astype(np.float32)
    values.flags.writeable = variances.flags.writeable = False
    single = mixed.fit(values, variances, np.ones((N, 1)))
    double = mixed.fit(values.astype(float), variances.astype(float), np.ones((N, 1)))
    np.testing.assert_array_equal(single.beta, double.beta)
    np.testing.assert_array_equal(single.tau2, double.tau2)


# Error rates


def test_error_rates():
    """Without an effect: exact where the variances are all there is, near it with tau2."""
    random = np.random.default_rng(3)
    n_points, design = 20000, DESIGNS['two-sample'][0]
    variances = random.chisquare(4, size=(N, n_points)) / 4
    noise = random.normal(size=(N, n_points))
    fixed = mixed.fit(noise * np.sqrt(variances), variances, design, method='fixed')
    p = mixed.contrast(fixed, design, [0, 1]).p
    assert stats.kstest(p, 'uniform').pvalue > 0.01
    assert stats.kstest(fixed.q_p, 'uniform').pvalue > 0.01
    for tau2, low, high in [(0.0, 0.01, 0.04), (5.0, 0.045, 0.055)]:
        p = run(noise * np.sqrt(variances + tau2), variances, design, [0, 1]).p
        assert low < (p <= 0.05).mean() < high
    # Fixed effects take the sample for the population: this is what mixed effects are for.
    p = run(noise * np.sqrt(variances + 5), variances, design, [0, 1], method='fixed').p
    assert (p <= 0.05).mean() > 0.4


# What cannot be fitted


@pytest.mark.parametrize('value', [0.0, -1.0, np.inf])
def test_variances_that_are_none(value):
    variances = VARIANCES.copy()
    variances[6, 1:4] = value
    with pytest.raises(InputError, match='variances of sub-g cannot be used') as caught:
        mixed.fit(
            VALUES, variances, np.ones((N, 1)), labels=[f'sub-{c}' for c in 'abcdefghijklmn']
        )
    assert caught.value.found == (f'3 of 40 are zero, negative or infinite, the first {value:g}')
    assert 'squared standard errors' in caught.value.expected
    with pytest.raises(InputError, match='variances of observation 6'):
        mixed.fit(VALUES, variances, np.ones((N, 1)))


@pytest.mark.parametrize('part', [np.s_[:-1], np.s_[:, 1:]])
def test_variances_of_other_maps(part):
    with pytest.raises(InputError, match='variances do not fit the observations') as caught:
        mixed.fit(VALUES, VARIANCES[part], np.ones((N, 1)))
    n_maps, n_points = VARIANCES[part].shape
    assert f'{n_maps} maps of variances with {n_points} points' in caught.value.found


def test_missing_variances_are_refused_with_figures():
    variances = VARIANCES.copy()
    variances[4, :3] = np.nan
    with pytest.raises(MissingDataError, match='missing inside the mask') as caught:
        mixed.fit(VALUES, variances, np.ones((N, 1)))
    assert caught.value.found.startswith('3 of 40 points lack a value')


def test_designs_and_methods_that_do_not_fit():
    with pytest.raises(DesignError, match='same number of rows'):
        mixed.fit(VALUES, VARIANCES, np.ones((N - 1, 1)))
    with pytest.raises(DesignError, match='no degrees of freedom'):
        mixed.fit(VALUES, VARIANCES, np.eye(N))
    with pytest.raises(InputError, match='Unknown method') as caught:
        mixed.fit(VALUES, VARIANCES, np.ones((N, 1)), method='flame2')
    assert caught.value.expected == 'fixed, dl, reml'
