"""Voxelwise covariates: against refits of every point by statsmodels and by glm.fit."""

import numpy as np
import pytest
import statsmodels.api as sm

from nistats_nipype.exceptions import ContrastError, DesignError, InputError, MissingDataError
from nistats_nipype.stats import glm, voxelwise

N, V = 14, 30
RNG = np.random.default_rng(8)
ONES, GROUP, AGE = np.ones(N), np.repeat([0.0, 1.0], N // 2), RNG.uniform(20, 70, N)
DESIGN = np.column_stack([ONES, GROUP, AGE])
CONTRASTS = {
    'covariate': [0, 0, 0, 1, 0],
    'group beside covariates': [0, 1, 0, 0, 0],
    'intercept': [1, 0, 0, 0, 0],
    'difference of covariates': [0, 0, 0, 1, -1],
    'group and covariate': [0, 2, 0, 1, 0],
    'F of covariates': [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
    'F of both kinds': [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]],
    'F of mixed rows': [[0, 1, 0, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 0]],
}


@pytest.fixture(scope='module')
def maps():
    """Observations, and two covariates, of which one has a large mean."""
    rng = np.random.default_rng(3)
    first = rng.standard_normal((N, V)) + 0.5 * GROUP[:, None]
    second = 500.0 + 3.0 * rng.standard_normal((N, V)) + 0.1 * AGE[:, None] + first
    return 10.0 + 0.6 * first + rng.standard_normal((N, V)), [first, second]


@pytest.mark.parametrize('name', CONTRASTS)
def test_each_point_is_that_of_statsmodels(name, maps):
    values, covariates = maps
    weights = np.atleast_2d(np.array(CONTRASTS[name], dtype=float))
    model = voxelwise.fit(values, DESIGN, covariates)
    result = voxelwise.contrast(model, DESIGN, weights)
    for v in range(V):
        fitted = sm.OLS(values[:, v], np.column_stack([DESIGN, *(c[:, v] for c in covariates)]))
        fitted = fitted.fit()
        np.testing.assert_allclose(model.beta[:, v], fitted.params, rtol=1e-8)
        np.testing.assert_allclose(model.residual_variance[v], fitted.scale, rtol=1e-9)
        tested = fitted.t_test(weights)
        np.testing.assert_allclose(result.effect[:, v], tested.effect, rtol=1e-8)
        variance = np.diag(fitted.cov_params(r_matrix=weights))
        np.testing.assert_allclose(result.variance[:, v], variance, rtol=1e-8)
        if len(weights) == 1:
            np.testing.assert_allclose(result.stat[v], tested.tvalue.item(), rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(result.p[v], tested.pvalue.item(), rtol=1e-8)
        else:
            tested = fitted.f_test(weights)
            np.testing.assert_allclose(result.stat[v], tested.fvalue, rtol=1e-9)
            np.testing.assert_allclose(result.p[v], tested.pvalue, rtol=1e-8)
    assert result.dof.tolist() == [N - 5] * V
    assert result.dof_effect == len(weights)


@pytest.mark.parametrize('weights', [[0, 0, 0, 1], [0, 1, 0, 0], [[0, 1, 0, 0], [0, 0, 0, 1]]])
def test_a_covariate_that_is_the_same_everywhere_is_a_column(weights, maps):
    values, _ = maps
    column = RNG.standard_normal(N)
    same = np.repeat(column[:, None], V, axis=1)
    whole = np.column_stack([DESIGN, column])
    expected = glm.contrast(glm.fit(values, whole), whole, weights)
    found = voxelwise.contrast(voxelwise.fit(values, DESIGN, [same]), DESIGN, weights)
    for field in ('effect', 'variance', 'stat', 'z', 'p'):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-9)


def test_a_deficient_design_takes_estimable_contrasts(maps):
    values, covariates = maps
    cells = np.column_stack([ONES, 1 - GROUP, GROUP])
    found, expected = (
        voxelwise.contrast(voxelwise.fit(values, design, covariates), design, weights)
        for design, weights in (
            (cells, [0, -1, 1, 0, 0]),
            (np.column_stack([ONES, GROUP]), [0, 1, 0, 0]),
        )
    )
    np.testing.assert_allclose(found.stat, expected.stat, rtol=1e-9)
    model = voxelwise.fit(values, cells, covariates)
    with pytest.raises(ContrastError, match='not estimable'):
        voxelwise.contrast(model, cells, [0, 0, 1, 0, 0])


def test_collinear_points_have_no_statistic(maps):
    values, (first, second) = maps
    first, second = first.astype(np.float32), second.astype(np.float32)
    first[:, 0] = 0.7
    first[:, 1] = 3.0 + 0.1 * AGE
    second[:, 2] = 2.0 * first[:, 2] + GROUP
    model = voxelwise.fit(values, DESIGN, [first, second])
    result = voxelwise.contrast(model, DESIGN, [0, 1, 0, 0, 0])
    assert np.flatnonzero(model.collinear).tolist() == [0, 1, 2]
    assert np.flatnonzero(np.isnan(result.stat)).tolist() == [0, 1, 2]
    assert model.n_observed.tolist() == [0] * 3 + [N] * (V - 3)
    with pytest.raises(DesignError, match='At no point'):
        voxelwise.fit(values, DESIGN, [np.ones((N, V))])


def test_a_point_does_not_depend_on_others(maps):
    values, covariates = maps
    whole = voxelwise.fit(values, DESIGN, covariates)
    for some in (slice(0, 1), slice(3, 10), slice(V - 1, None)):
        part = voxelwise.fit(values[:, some], DESIGN, [each[:, some] for each in covariates])
        for one, other in zip(whole, part, strict=True):
            assert one[..., some].tobytes() == other.tobytes()


def test_missing_values(maps):
    values, covariates = (maps[0].copy(), [each.copy() for each in maps[1]])
    values[0, 0] = covariates[0][3, 1] = covariates[1][2, 2] = np.nan
    model = voxelwise.fit(values, DESIGN, covariates, missing='drop_voxel')
    assert np.flatnonzero(model.dof == 0).tolist() == [0, 1, 2]
    assert not model.collinear.any()
    whole = voxelwise.fit(*(maps[0], DESIGN, maps[1]))
    np.testing.assert_array_equal(model.beta[:, 3:], whole.beta[:, 3:])
    with pytest.raises(MissingDataError, match='covariate 1 of observation 3'):
        voxelwise.fit(maps[0], DESIGN, covariates)
    with pytest.raises(InputError, match='same observations'):
        voxelwise.fit(values, DESIGN, covariates, missing='per_voxel')
    covariates[0][0] = np.nan
    with pytest.raises(MissingDataError):
        voxelwise.fit(values, DESIGN, covariates, missing='drop_voxel')


def test_covariates_must_fit(maps):
    values, covariates = maps
    for wrong, message in (
        ([], 'no voxelwise covariate'),
        ([covariates[0][:-1]], f'{N - 1} maps'),
        (covariates * 6, 'no degrees of freedom'),
    ):
        with pytest.raises(DesignError, match=message):
            voxelwise.fit(values, DESIGN, wrong)
