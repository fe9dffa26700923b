"""Collinearity and leverage against statsmodels; scores against their definition."""

import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.api import OLS
from statsmodels.stats.outliers_influence import variance_inflation_factor

from nistats_nipype.stats.diagnostics import (
    contrast_leverage,
    leverage,
    outlier_limit,
    robust_scores,
    score_maps,
    summarize_maps,
    variance_inflation,
    variance_ratio,
)

N = 30


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def designs():
    rng = np.random.default_rng(11)
    age = rng.uniform(20, 70, N)
    group = np.tile([0.0, 1.0, 1.0], N // 3)
    site = np.eye(3)[rng.permutation(np.tile([0, 1, 2], N // 3))]
    ones = np.ones(N)
    return {
        'covariates': np.column_stack([ones, age, age + rng.normal(0, 5, N), rng.normal(size=N)]),
        'units': np.column_stack([ones, 1e6 * age, 1e-4 * (age + rng.normal(0, 5, N))]),
        'groups': np.column_stack([ones, group, site[:, 1:], age]),
        'a column for every group': np.column_stack([site, age, group]),
        'no constant': np.column_stack([age, rng.normal(3, 1, N)]),
        'nearly the same': np.column_stack([ones, age, age + 1e-3 * rng.normal(size=N)]),
    }


@pytest.mark.parametrize('name', ['covariates', 'units', 'groups', 'nearly the same'])
def test_variance_inflation_is_that_of_statsmodels(name):
    design = designs()[name]
    for column in range(1, design.shape[1]):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of designs that are badly conditioned
            expected = variance_inflation_factor(design, column)
        assert variance_inflation(design, column) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('name', designs())
def test_variance_inflation_is_by_the_r_squared_of_the_others(name):
    """Without an intercept as well, of which statsmodels 0.15 has no factor any more."""
    design = designs()[name]
    for column in range(design.shape[1]):
        others = np.delete(design, column, axis=1)
        expected = 1 / (1 - OLS(design[:, column], others).fit().rsquared)
        if np.ptp(design[:, column]) > 0:
            assert variance_inflation(design, column) == pytest.approx(expected, rel=1e-6)


def test_inflation_of_a_factor_is_that_of_determinants():
    """Fox and Monette: det(R11) det(R22) / det(R), of the correlations of the regressors."""
    design = designs()['groups']
    r = np.corrcoef(design[:, 1:].T)
    own, rest = [1, 2], [0, 3]
    gvif = np.linalg.det(r[np.ix_(own, own)]) * np.linalg.det(r[np.ix_(rest, rest)])
    gvif /= np.linalg.det(r)
    assert variance_inflation(design, [2, 3]) == pytest.approx(gvif ** (1 / 2), rel=1e-9)
    # Another coding of the same factor.
    recoded = design.copy()
    recoded[:, 2] -= design[:, 3]
    recoded[:, 3] += 0.5
    assert variance_inflation(recoded, [2, 3]) == pytest.approx(gvif ** (1 / 2), rel=1e-9)


def test_inflation_without_an_end():
    design = designs()['covariates']
    twice = np.column_stack([design, 2 * design[:, 1] - 3])
    assert variance_inflation(twice, 1) == np.inf
    assert variance_inflation(twice, 4) == np.inf
    assert np.isfinite(variance_inflation(twice, 3))
    assert variance_inflation(np.column_stack([design, np.full(N, 7.0)]), 4) == np.inf


@pytest.mark.parametrize('name', designs())
def test_leverage_is_that_of_statsmodels(name, rng):
    design = designs()[name]
    expected = OLS(rng.normal(size=N), design).fit().get_influence().hat_matrix_diag
    np.testing.assert_allclose(leverage(design), expected, rtol=1e-7, atol=1e-12)
    doubled = np.column_stack([design, design[:, :1]])
    np.testing.assert_allclose(leverage(doubled), expected, rtol=1e-7, atol=1e-12)


def test_leverage_on_a_contrast_is_what_the_regressor_adds():
    """What a column adds to the hat matrix, as fits with and without it tell."""
    design = designs()['groups']
    for column in (1, 4):
        added = leverage(design) - leverage(np.delete(design, column, axis=1))
        weights = np.eye(design.shape[1])[column]
        np.testing.assert_allclose(contrast_leverage(design, weights), added, atol=1e-12)
    both = contrast_leverage(design, np.eye(5)[[2, 3]])
    np.testing.assert_allclose(
        both, (leverage(design) - leverage(design[:, [0, 1, 4]])) / 2, atol=1e-12
    )
    assert both.sum() == pytest.approx(1)


def test_robust_scores_are_those_of_scipy(rng):
    values = rng.normal(50, 7, 25)
    values[3] = 400
    mad = stats.median_abs_deviation(values, scale='normal')
    np.testing.assert_allclose(robust_scores(values), (values - np.median(values)) / mad)
    np.testing.assert_allclose(robust_scores(3 - 2 * values), -robust_scores(values))
    gaps = np.append(values, np.nan)
    np.testing.assert_allclose(robust_scores(gaps)[:-1], robust_scores(values))
    assert np.isnan(robust_scores(gaps)[-1])


def test_robust_scores_where_most_values_are_equal():
    values = np.array([2.0] * 7 + [3.0])
    expected = 1 / (np.sqrt(np.pi / 2) * np.abs(values - 2).mean())
    np.testing.assert_allclose(robust_scores(values), [0] * 7 + [expected])
    assert robust_scores([0.1 + 0.2, 0.3, 0.3]).tolist() == [0, 0, 0]
    assert np.isnan(robust_scores([np.nan, np.nan])).all()


@pytest.mark.parametrize('n', [5, 8, 16, 40, 150])
@pytest.mark.parametrize('alpha', [0.01, 0.02])
def test_the_limit_of_outliers_holds_its_level(n, alpha):
    draws = np.random.default_rng(99).standard_normal((20000, n)) * 3 - 8
    beyond = np.mean([np.abs(robust_scores(row)).max() > outlier_limit(n, alpha) for row in draws])
    # The limit is a quantile of 4,000 groups: four standard errors of both.
    error = 4 * np.sqrt(alpha / 4000 + alpha / 20000)
    assert beyond <= alpha + error
    if outlier_limit(n, alpha) > 3.5:
        assert beyond >= alpha - error


def test_the_limit_of_many_values_is_that_of_the_normal_distribution():
    assert outlier_limit(399) == pytest.approx(outlier_limit(400), rel=0.08)
    assert outlier_limit(10000) == pytest.approx(stats.norm.isf((1 - 0.99**1e-4) / 2))


def test_summaries_are_those_by_hand(rng):
    values = rng.normal(size=(6, 200)) + np.linspace(0, 3, 200)
    values[:4, 5] = np.nan  # most maps lack it
    values[1, 50:100] = np.nan
    summary = summarize_maps(values)
    used = np.arange(200) != 5
    rows = values[:, used]
    np.testing.assert_allclose(summary.mean, np.nanmean(rows, axis=1))
    np.testing.assert_allclose(summary.sd, np.nanstd(rows, axis=1))
    assert summary.coverage.tolist() == [1, 1 - 50 / 199, 1, 1, 1, 1]
    for row in range(6):
        others = np.nanmean(np.delete(rows, row, axis=0), axis=0)
        both = np.isfinite(rows[row])
        expected = np.corrcoef(rows[row][both], others[both])[0, 1]
        assert summary.similarity[row] == pytest.approx(expected)


def test_scores_of_maps_that_are_flat_or_empty_are_missing(rng):
    values = rng.normal(size=(6, 50))
    values[1] = 4.0
    values[2] = np.nan
    summary = summarize_maps(values)
    assert summary.sd[1] == 0
    assert np.isnan(summary.mean[2])
    assert np.isnan(summary.similarity[[1, 2]]).all()
    assert summary.coverage[2] == 0
    scores = score_maps(summary)
    assert np.isnan(scores.sd[[1, 2]]).all()
    assert np.isfinite(scores.sd[[0, 3, 4, 5]]).all()


def test_ratio_of_variances(rng):
    values = rng.normal(size=(60, 500))
    groups = np.repeat(['a', 'b', 'c'], 20)
    assert variance_ratio(values, groups) < 1.2
    values[groups == 'b'] *= 3
    values[:, 7] = np.nan
    # The median of a chi-squared variable is the same in all groups of a size.
    assert variance_ratio(values, groups) == pytest.approx(9, rel=0.15)
    assert np.isnan(variance_ratio(values, ['a'] * 60))
    assert np.isnan(variance_ratio(values[:2], ['a', 'b']))
