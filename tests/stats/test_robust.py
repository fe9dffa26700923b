"""Huber's M estimator against statsmodels, and what it is for: outliers."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from nistats_nipype.exceptions import ContrastError, DesignError, InputError, MissingDataError
from nistats_nipype.stats import glm, robust

N, V = 16, 60
RNG = np.random.default_rng(19640301)
GROUP = np.repeat([0.0, 1.0], 8)
AGE = RNG.normal(40, 10, N)
THREE = np.eye(3)[[0] * 5 + [1] * 5 + [2] * 6]
#: A third normal, a third with heavy tails, a third with an outlier.
VALUES = np.hstack([
    RNG.normal(size=(N, V // 3)),
    RNG.standard_t(2, size=(N, V // 3)),
    RNG.normal(size=(N, V // 3)) + 30.0 * (np.arange(N) == 4)[:, None],
]) + RNG.normal(size=V)  # fmt: skip

DESIGNS = {
    'one-sample': (np.ones((N, 1)), [1.0]),
    'two-sample': (np.column_stack([np.ones(N), GROUP]), [0, 1]),
    'ancova': (np.column_stack([1 - GROUP, GROUP, AGE]), [-1, 1, 0]),
    'three groups': (np.column_stack([THREE, AGE]), [[1, -1, 0, 0], [0, 1, -1, 0]]),
}


def run(values, design, weights, sidedness='two-sided', **options):
    model = robust.fit(values, design, **options)
    return robust.contrast(model, design, weights, sidedness=sidedness)


def oracle(y, design, tuning=1.345):
    """Statsmodels, to more digits than it gives by default."""
    model = sm.RLM(y, design, M=sm.robust.norms.HuberT(tuning))
    return model.fit(maxiter=20000, tol=1e-13, conv='coefs', scale_est='mad', cov='H1')


@pytest.mark.parametrize('tuning', [1.345, 2.5])
@pytest.mark.parametrize('name', DESIGNS)
def test_statsmodels(name, tuning):
    design, weights = DESIGNS[name]
    rows = np.atleast_2d(weights)
    model = robust.fit(VALUES, design, tuning=tuning)
    result = robust.contrast(model, design, weights)
    dof = N - design.shape[1]
    share = np.zeros(N)
    for v in range(V):
        theirs = oracle(VALUES[:, v], design, tuning)
        share += theirs.weights / V
        np.testing.assert_allclose(model.beta[:, v], theirs.params, rtol=1e-8, atol=1e-9)
        assert model.scale[v] == pytest.approx(theirs.scale, rel=1e-8)
        bse = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * model.error_variance[v])
        np.testing.assert_allclose(bse, theirs.bse, rtol=1e-8)
        covariance = rows @ theirs.cov_params() @ rows.T
        effect = rows @ theirs.params
        np.testing.assert_allclose(result.effect[:, v], effect, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(result.variance[:, v], np.diag(covariance), rtol=1e-7)
        if len(rows) == 1:
            test = theirs.t_test(rows)
            stat, p = test.tvalue.item(), 2 * stats.t.sf(abs(test.tvalue.item()), dof)
        else:
            # RLM has chi-squared of normal theory; F is that over its rank.
            stat = theirs.wald_test(rows, use_f=False, scalar=True).statistic / len(rows)
            p = stats.f.sf(stat, len(rows), dof)
        assert result.stat[v] == pytest.approx(stat, rel=1e-6, abs=1e-8)
        assert result.p[v] == pytest.approx(p, rel=1e-6)
    np.testing.assert_allclose(model.mean_weight, share, rtol=1e-8)
    assert result.kind == ('t' if len(rows) == 1 else 'F')
    assert (result.dof_effect, set(result.dof)) == (len(rows), {dof})


def test_one_wild_subject_barely_moves_the_estimate():
    """The mean follows it to any height; Huber's estimate by about a standard error at most."""
    clean = RNG.normal(size=(N, 200))
    design = np.ones((N, 1))
    before = robust.fit(clean, design).beta[0]
    moved = []
    for height in (1e2, 1e4, 1e30):
        wild = clean.copy()
        wild[3] = height
        model = robust.fit(wild, design)
        moved.append(model.beta[0] - before)
        np.testing.assert_allclose(wild.mean(axis=0), height / N, rtol=0.2)
        assert model.mean_weight[3] < 0.05
        assert np.delete(model.mean_weight, 3).min() > 0.85
    moved = np.array(moved)
    # 0 where the subject had been beyond the bend before.
    assert moved.min() > -1e-9
    assert moved.max() < 0.6
    assert np.median(moved) < 0.25
    # How far away it lies does not matter.
    np.testing.assert_allclose(moved[2], moved[0], atol=1e-9)


def test_normal_data_are_nearly_those_of_least_squares():
    values = np.random.default_rng(2).normal(0.5, 1, size=(200, 300))
    design = np.ones((200, 1))
    ours = run(values, design, [1.0])
    theirs = glm.contrast(glm.fit(values, design), design, [1.0])
    assert np.corrcoef(ours.stat, theirs.stat)[0, 1] > 0.95
    # 95% of the efficiency of the mean: the variance is that of 190 observations.
    assert np.median(ours.variance / theirs.variance) == pytest.approx(1 / 0.95, rel=0.02)
    assert ours.effect.var() / theirs.effect.var() == pytest.approx(1 / 0.95, abs=0.05)


def test_without_any_reduced_weight_it_is_least_squares():
    design, weights = DESIGNS['three groups']
    model = robust.fit(VALUES, design, tuning=1e6)
    ours, theirs = (
        module.contrast(fitted, design, weights)
        for module, fitted in ((robust, model), (glm, glm.fit(VALUES, design)))
    )
    for field in ('effect', 'variance', 'stat', 'z', 'p', 'dof'):
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field), rtol=1e-9)
    assert (model.mean_weight == 1).all()
    assert not model.n_reduced.any()


@pytest.mark.parametrize('n', [16, 40])
def test_false_positives(n):
    """A little liberal in small groups (5.9% of 16 in the long run), near 5% all the same."""
    values = np.random.default_rng(n).normal(size=(n, 2000))
    p = run(values, np.ones((n, 1)), [1.0]).p
    low, high = stats.binom.interval(0.99, 2000, 0.05)
    assert low <= (p < 0.05).sum() <= high


# Degenerate points


def test_half_of_the_residuals_being_zero_leaves_no_scale():
    values = RNG.normal(size=(N, 4))
    values[:, 0] = 0.0
    values[:, 1] = 7.3e5
    values[:9, 2] = 0.1
    model = robust.fit(values, np.ones((N, 1)))
    result = robust.contrast(model, np.ones((N, 1)), [1.0])
    for array in (model.beta[0], model.scale, result.stat, result.p):
        np.testing.assert_array_equal(np.isnan(array), [True, True, True, False])
    assert (model.n_weighted == 1).all()


# Invariants


@pytest.mark.parametrize('power', [-100, 1, 100])
@pytest.mark.parametrize('name', DESIGNS)
def test_units_of_the_data_change_the_units_only(name, power):
    # A power of two is exact, so the statistic must be the same bits.
    design, weights = DESIGNS[name]
    plain, scaled = (run(values, design, weights) for values in (VALUES, VALUES * 2.0**power))
    np.testing.assert_array_equal(scaled.stat, plain.stat)
    np.testing.assert_array_equal(scaled.effect, plain.effect * 2.0**power)


def test_sign_and_shift_and_coding():
    design, weights = DESIGNS['two-sample']
    plain = run(VALUES, design, weights, sidedness='positive')
    flipped = run(-VALUES, design, weights, sidedness='negative')
    np.testing.assert_array_equal(flipped.stat, -plain.stat)
    np.testing.assert_array_equal(flipped.p, plain.p)
    shifted = run(VALUES + 100.0, design, weights)
    np.testing.assert_allclose(shifted.stat, plain.stat, rtol=1e-7)
    other = np.column_stack([1 - GROUP, GROUP, np.ones(N)])
    np.testing.assert_allclose(run(VALUES, other, [-1, 1, 0]).stat, plain.stat, rtol=1e-7)


def test_the_order_of_the_observations_does_not_matter():
    design, _ = DESIGNS['ancova']
    order = RNG.permutation(N)
    model, other = robust.fit(VALUES, design), robust.fit(VALUES[order], design[order])
    np.testing.assert_allclose(other.beta, model.beta, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other.mean_weight, model.mean_weight[order], rtol=1e-9)


def test_bits_do_not_depend_on_threads_or_blocks(monkeypatch):
    design, _ = DESIGNS['ancova']
    values = np.random.default_rng(5).standard_t(3, size=(N, 3000))
    values[2, ::3] = np.nan
    whole = robust.fit(values, design, missing='per_voxel')
    monkeypatch.setattr(glm, 'BLOCK', 500)
    several = [
        robust.fit(values, design, missing='per_voxel', num_threads=threads) for threads in (1, 3)
    ]
    for field in ('beta', 'scale', 'error_variance', 'steps', 'n_reduced', 'n_weighted'):
        for each in several:
            np.testing.assert_array_equal(getattr(each, field), getattr(whole, field))
    # A sum over points is the same for all threads, and rounds otherwise in other blocks.
    np.testing.assert_array_equal(several[0].mean_weight, several[1].mean_weight)
    np.testing.assert_allclose(several[0].mean_weight, whole.mean_weight, rtol=1e-13)


# Missing values


def test_each_point_is_fitted_on_what_is_observed_there():
    design, weights = DESIGNS['two-sample']
    values = VALUES.copy()
    values[[0, 9], :5] = np.nan
    values[:8, 5] = np.nan
    model = robust.fit(values, design, missing='per_voxel')
    result = robust.contrast(model, design, weights)
    kept = np.delete(np.arange(N), [0, 9])
    part = run(values[kept][:, :5], design[kept], weights)
    np.testing.assert_allclose(result.stat[:5], part.stat, rtol=1e-8)
    assert np.isnan(result.stat[5])
    np.testing.assert_array_equal(result.stat[6:], run(VALUES, design, weights).stat[6:])
    np.testing.assert_array_equal(result.dof[:7], [N - 4] * 5 + [7] + [N - 2])
    assert model.n_weighted.tolist() == [V - 6] + [V - 1] * 7 + [V] + [V - 5] + [V] * 6
    dropped = robust.fit(values, design, missing='drop_voxel')
    assert np.isnan(dropped.beta[:, :6]).all()
    labels = [f'sub-{i:02d}' for i in range(N)]
    with pytest.raises(MissingDataError, match='most in sub-00: 6'):
        robust.fit(values, design, labels=labels)


# Refusals


@pytest.mark.parametrize('tuning', [0.0, -1.0, np.nan, np.inf])
def test_a_tuning_constant_that_is_none(tuning):
    with pytest.raises(InputError, match='tuning constant'):
        robust.fit(VALUES, np.ones((N, 1)), tuning=tuning)


def test_designs_and_contrasts_that_do_not_fit():
    with pytest.raises(DesignError):
        robust.fit(VALUES, np.ones((N - 1, 1)))
    design = np.column_stack([1 - GROUP, GROUP, np.ones(N)])
    with pytest.raises(ContrastError):
        run(VALUES, design, [1, 0, 0])
