"""Adjusted values and means, against statsmodels and SciPy."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats.adjusted import adjust_values, adjusted_means


@pytest.fixture
def model():
    """Values and a design of two groups, a covariate of interest and a nuisance."""
    random = np.random.default_rng(2)
    group = np.repeat([0.0, 1.0], 10)
    age = random.normal(40, 10, 20)
    motion = 0.05 * age + random.normal(size=20)
    design = np.column_stack([np.ones(20), group, age, motion])
    values = design @ [1.0, 2.0, -0.1, 0.7] + random.normal(size=20)
    return values, design


def test_partial_residuals(model):
    """The fitted part plus the residuals of statsmodels, nuisance at its mean."""
    values, design = model
    fit = sm.OLS(values, design).fit()
    held = np.tile(design[:, 3].mean(), (20, 1))
    adjusted = adjust_values(values, design, [3], held)
    at_mean = design.copy()
    at_mean[:, 3] = design[:, 3].mean()
    np.testing.assert_allclose(adjusted.fitted, fit.predict(at_mean))
    np.testing.assert_allclose(adjusted.values, fit.predict(at_mean) + fit.resid)
    again = sm.OLS(adjusted.values, design[:, :3]).fit()
    np.testing.assert_allclose(again.params[1:], fit.params[1:3])


def test_missing_values_are_left_out(model):
    values, design = model
    held = np.tile(design[:, 3].mean(), (20, 1))
    values[[3, 15]] = np.nan
    adjusted = adjust_values(values, design, [3], held)
    kept = np.delete(np.arange(20), [3, 15])
    alone = adjust_values(values[kept], design[kept], [3], held[kept])
    np.testing.assert_allclose(adjusted.values[kept], alone.values)
    assert np.isnan([*adjusted.values[[3, 15]], *adjusted.fitted[[3, 15]]]).all()
    nothing = adjust_values(np.full(20, np.nan), design, [3], held)
    assert np.isnan(nothing.values).all()
    assert np.isnan(
        adjusted_means(np.full(20, np.nan), design, [3], held, np.zeros(20, int))
    ).all()


def test_means_are_those_of_statsmodels(model):
    values, design = model
    groups = design[:, 1].astype(int)
    held = np.tile(design[:, 2:].mean(axis=0), (20, 1))
    found = adjusted_means(values, design, [2, 3], held, groups, level=0.9)
    rows = np.column_stack([np.ones(2), [0, 1], held[:2]])
    prediction = sm.OLS(values, design).fit().get_prediction(rows)
    np.testing.assert_allclose(found[:, 0], prediction.predicted_mean)
    np.testing.assert_allclose(found[:, 1:], prediction.conf_int(alpha=0.1))


def test_one_sample_interval_is_students():
    values = np.random.default_rng(5).normal(1, 2, 9)
    found = adjusted_means(values, np.ones((9, 1)), [], np.empty((9, 0)), np.zeros(9, int))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found, [[values.mean(), expected.low, expected.high]])


def test_without_degrees_of_freedom_there_is_no_interval():
    found = adjusted_means([1.0, 3.0], np.eye(2), [], np.empty((2, 0)), [0, 1])
    np.testing.assert_array_equal(found, [[1, np.nan, np.nan], [3, np.nan, np.nan]])


def test_values_that_do_not_fit(model):
    values, design = model
    with pytest.raises(InputError, match='do not fit the design'):
        adjust_values(values[:-1], design, [], np.empty((20, 0)))
