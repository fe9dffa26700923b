import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import ContrastError, DesignError, InputError, MissingDataError
from nistats_nipype.images.packed import PackedMaps
from nistats_nipype.stats import glm

N, V = 14, 23
RNG = np.random.default_rng(19560101)
GROUP = np.repeat([0.0, 1.0], 7)
AGE = RNG.normal(40, 10, N)
THREE = np.eye(3)[[0] * 4 + [1] * 5 + [2] * 5]
VALUES = RNG.normal(size=(N, V)) + RNG.normal(size=V) + np.outer(AGE, RNG.normal(size=V)) / 30

DESIGNS = {
    'one-sample': (np.ones((N, 1)), [1.0]),
    'two-sample': (np.column_stack([np.ones(N), GROUP]), [0, 1]),
    'cell means': (np.column_stack([1 - GROUP, GROUP]), [-1, 1]),
    'ancova': (np.column_stack([np.ones(N), GROUP, AGE]), [0, -2.5, 0]),
    'covariate': (np.column_stack([np.ones(N), AGE]), [0, 1]),
    'three groups': (np.column_stack([THREE, AGE]), [[1, -1, 0, 0], [0, 1, -1, 0]]),
    'two slopes': (
        np.column_stack([np.ones(N), AGE, AGE**2]),
        [[0, 1, 0], [0, 0, 1]],
    ),
    'whole design': (np.column_stack([np.ones(N), AGE]), np.eye(2)),
}
T_DESIGNS = [name for name, (_, weights) in DESIGNS.items() if np.ndim(weights) == 1]
F_DESIGNS = [name for name in DESIGNS if name not in T_DESIGNS]


def run(values, design, weights, missing='error', **options):
    return glm.contrast(glm.fit(values, design, missing=missing), design, weights, **options)


def assert_same_bits(ours, theirs):
    for name, one, other in zip(ours._fields, ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


def with_gaps(seed=5, share=0.15):
    values = VALUES.copy()
    values[np.random.default_rng(seed).uniform(size=values.shape) < share] = np.nan
    values[:, 3] = np.nan
    return values


@pytest.mark.parametrize('name', T_DESIGNS)
def test_t_matches_statsmodels(name):
    from statsmodels.api import OLS

    design, weights = DESIGNS[name]
    model = glm.fit(VALUES, design)
    result = glm.contrast(model, design, weights)
    upper = glm.contrast(model, design, weights, sidedness='positive').p
    lower = glm.contrast(model, design, weights, sidedness='negative').p
    assert (result.kind, result.dof_effect) == ('t', 1)
    for v in range(V):
        theirs = OLS(VALUES[:, v], design).fit()
        test = theirs.t_test(weights)
        t = test.tvalue.item()
        np.testing.assert_allclose(model.beta[:, v], theirs.params, rtol=1e-8, atol=1e-12)
        assert model.residual_variance[v] == pytest.approx(theirs.scale, rel=1e-9)
        assert result.dof[v] == theirs.df_resid
        assert result.effect[0, v] == pytest.approx(test.effect.item(), rel=1e-8)
        assert result.variance[0, v] == pytest.approx(test.sd.item() ** 2, rel=1e-8)
        assert result.stat[v] == pytest.approx(t, rel=1e-8)
        assert result.p[v] == pytest.approx(test.pvalue.item(), rel=1e-7)
        assert upper[v] == pytest.approx(stats.t.sf(t, theirs.df_resid), rel=1e-7)
        assert lower[v] == pytest.approx(stats.t.cdf(t, theirs.df_resid), rel=1e-7)
        z = stats.norm.isf(stats.t.sf(t, theirs.df_resid))
        assert result.z[v] == pytest.approx(z, rel=1e-7)


@pytest.mark.parametrize('name', F_DESIGNS)
def test_f_matches_statsmodels(name):
    from statsmodels.api import OLS

    design, weights = DESIGNS[name]
    result = run(VALUES, design, weights)
    assert (result.kind, result.dof_effect) == ('F', 2)
    for v in range(V):
        theirs = OLS(VALUES[:, v], design).fit()
        test = theirs.f_test(np.asarray(weights))
        assert result.stat[v] == pytest.approx(float(test.fvalue), rel=1e-8)
        assert result.p[v] == pytest.approx(float(test.pvalue), rel=1e-7)
        covariance = np.asarray(weights) @ theirs.cov_params() @ np.transpose(weights)
        np.testing.assert_allclose(result.variance[:, v], np.diag(covariance), rtol=1e-7)
        np.testing.assert_allclose(result.effect[:, v], weights @ theirs.params, rtol=1e-7)


@pytest.mark.parametrize('name', ['two-sample', 'ancova', 'three groups'])
def test_matches_nilearn(name):
    from nilearn.glm import compute_contrast
    from nilearn.glm.first_level import run_glm

    design, weights = DESIGNS[name]
    labels, results = run_glm(VALUES, design, noise_model='ols')
    ours = run(VALUES, design, weights)
    theirs = compute_contrast(labels, results, np.asarray(weights), stat_type=ours.kind)
    np.testing.assert_allclose(ours.stat, theirs.stat(), rtol=1e-9)
    # nilearn's z is one-sided for t, as ours is.
    np.testing.assert_allclose(ours.z, theirs.z_score(), rtol=1e-8)
    if ours.kind == 't':
        np.testing.assert_allclose(ours.effect[0], theirs.effect_size(), rtol=1e-9)
        np.testing.assert_allclose(ours.variance[0], theirs.effect_variance(), rtol=1e-9)


def test_f_of_three_groups_is_the_analysis_of_variance():
    result = run(VALUES, THREE, [[1, -1, 0], [0, 1, -1]])
    theirs = stats.f_oneway(*(VALUES[group > 0] for group in THREE.T))
    np.testing.assert_allclose(result.stat, theirs.statistic, rtol=1e-10)
    np.testing.assert_allclose(result.p, theirs.pvalue, rtol=1e-9)


@pytest.mark.parametrize('power', [-20, 20, 300, -300])
@pytest.mark.parametrize('name', ['ancova', 'two slopes'])
def test_units_of_the_data_change_the_units_only(name, power):
    # A power of two is exact, so t must be the same bits.
    design, weights = DESIGNS[name]
    plain, scaled = (run(VALUES * factor, design, weights) for factor in (1.0, 2.0**power))
    for field in ('stat', 'z', 'p', 'dof'):
        np.testing.assert_array_equal(getattr(scaled, field), getattr(plain, field))
    np.testing.assert_array_equal(scaled.effect, plain.effect * 2.0**power)
    np.testing.assert_array_equal(scaled.variance, plain.variance * 2.0 ** (2 * power))


@pytest.mark.parametrize('factor', [1e6, 1e-6])
def test_decimal_units_of_the_data(factor):
    design, weights = DESIGNS['ancova']
    np.testing.assert_allclose(
        run(VALUES * factor, design, weights).stat, run(VALUES, design, weights).stat, rtol=1e-11
    )


@pytest.mark.parametrize('unit', [1e-9, 1e-6, 1e6, 1e9])
@pytest.mark.parametrize(
    'weights', [[0, 1, 0], [0, 0, 1], [[0, 1, 0], [0, 0, 1]], np.eye(3), [[0, 1, 0], [1, 0, 0]]]
)
def test_units_of_a_covariate_do_not_matter(unit, weights):
    # The F over regressors of different units is where a pseudo-inverse of the effects'
    # covariance drops the one with small numbers.
    plain, scaled = (np.column_stack([np.ones(N), GROUP, AGE * u]) for u in (1.0, unit))
    expected, result = run(VALUES, plain, weights), run(VALUES, scaled, weights)
    assert result.dof_effect == expected.dof_effect == np.atleast_2d(weights).shape[0]
    np.testing.assert_allclose(result.stat, expected.stat, rtol=1e-8)
    np.testing.assert_allclose(result.p, expected.p, rtol=1e-7)


def test_two_slopes_of_very_different_units_match_statsmodels():
    from statsmodels.api import OLS

    volume, rate = RNG.normal(size=N), RNG.normal(size=N)
    weights = np.eye(3)[1:]
    result = run(VALUES, np.column_stack([np.ones(N), volume * 1e5, rate * 1e-3]), weights)
    standard = np.column_stack([np.ones(N), volume, rate])
    expected = [float(OLS(y, standard).fit().f_test(weights).fvalue) for y in VALUES.T]
    np.testing.assert_allclose(result.stat, expected, rtol=1e-8)


@pytest.mark.parametrize(
    ('design', 'weights', 'full', 'full_weights'),
    [
        (
            np.column_stack([np.ones(N), 1 - GROUP, GROUP, AGE]),
            [0, -1, 1, 0],
            np.column_stack([1 - GROUP, GROUP, AGE]),
            [-1, 1, 0],
        ),
        (
            np.column_stack([np.ones(N), AGE, AGE * 1e5]),
            [0, 1, 1e5],
            np.column_stack([np.ones(N), AGE]),
            [0, 1],
        ),
        (
            np.column_stack([np.ones(N), THREE]),
            [[0, 1, -1, 0], [0, 0, 1, -1]],
            THREE,
            [[1, -1, 0], [0, 1, -1]],
        ),
        (np.column_stack([np.ones(N), np.zeros(N)]), [1, 0], np.ones((N, 1)), [1]),
    ],
)
def test_rank_deficient_design_equals_its_full_rank_form(design, weights, full, full_weights):
    result, expected = run(VALUES, design, weights), run(VALUES, full, full_weights)
    for field in ('effect', 'variance', 'stat', 'z', 'p'):
        np.testing.assert_allclose(getattr(result, field), getattr(expected, field), rtol=1e-8)
    np.testing.assert_array_equal(result.dof, expected.dof)
    assert result.dof_effect == expected.dof_effect


@pytest.mark.parametrize('seed', range(20))
def test_redundant_f_rows_count_once(seed):
    # Any set of rows that spans the same hypothesis has the same F.
    rng = np.random.default_rng(seed)
    plain = np.array([[1.0, -1, 0, 0], [0, 1, -1, 0]])
    mixed = rng.normal(size=(5, 2)) @ plain * 10.0 ** rng.integers(-6, 6, size=(5, 1))
    design = DESIGNS['three groups'][0]
    result, expected = run(VALUES, design, mixed), run(VALUES, design, plain)
    assert result.dof_effect == 2
    np.testing.assert_allclose(result.stat, expected.stat, rtol=1e-8)
    np.testing.assert_allclose(result.p, expected.p, rtol=1e-7)


def test_f_of_one_row_given_twice_is_t_squared():
    design, weights = DESIGNS['two-sample']
    f, t = run(VALUES, design, [weights, weights]), run(VALUES, design, weights)
    assert (f.kind, f.dof_effect) == ('F', 1)
    np.testing.assert_allclose(f.stat, t.stat**2, rtol=1e-12)
    np.testing.assert_allclose(f.p, t.p, rtol=1e-10)


@pytest.mark.parametrize('name', DESIGNS)
def test_per_voxel_equals_a_fit_of_every_voxel(name):
    design, weights = DESIGNS[name]
    rows = np.atleast_2d(weights)
    values = with_gaps()
    model = glm.fit(values, design, missing='per_voxel')
    result = glm.contrast(model, design, weights)
    for v in range(V):
        seen = ~np.isnan(values[:, v])
        assert model.n_observed[v] == seen.sum()
        if not seen.any():
            assert np.isnan(result.stat[v])
            continue
        x, y = design[seen], values[seen, v]
        beta, rss, rank, _ = np.linalg.lstsq(x, y, rcond=None)
        dof = seen.sum() - rank
        covariance = rows @ np.linalg.inv(x.T @ x) @ rows.T * rss.item() / dof
        effect = rows @ beta
        stat = effect @ np.linalg.solve(covariance, effect) / len(rows)
        stat = effect[0] / np.sqrt(covariance[0, 0]) if len(rows) == 1 else stat
        assert result.dof[v] == dof
        np.testing.assert_allclose(model.beta[:, v], beta, rtol=1e-6, atol=1e-10)
        np.testing.assert_allclose(result.effect[:, v], effect, rtol=1e-6)
        np.testing.assert_allclose(result.variance[:, v], np.diag(covariance), rtol=1e-6)
        assert result.stat[v] == pytest.approx(stat, rel=1e-6)
        np.testing.assert_array_equal(model.patterns[model.pattern[v]], seen)


def test_voxels_without_anything_say_so():
    model = glm.fit(with_gaps(), np.ones((N, 1)), missing='per_voxel')
    assert model.pattern[3] == -1
    assert model.dof[3] == 0
    assert model.n_observed[3] == 0
    assert np.isnan(model.beta[:, 3]).all()
    assert np.isnan(model.residual_variance[3])


@pytest.mark.parametrize('n_seen', [1, 2])
def test_a_voxel_without_degrees_of_freedom_is_not_fitted(n_seen):
    values = VALUES.copy()
    values[n_seen:, 0] = np.nan
    design = np.column_stack([np.ones(N), AGE])
    model = glm.fit(values, design, missing='per_voxel')
    result = glm.contrast(model, design, [0, 1])
    assert (model.pattern[0], model.dof[0], model.n_observed[0]) == (-1, 0, 0)
    for field in (model.beta, model.residual_variance, *result[1:6]):
        assert np.isnan(field[..., 0]).all()
        assert np.isfinite(field[..., 1:]).all()


def test_a_voxel_whose_rows_do_not_determine_the_contrast_is_nan():
    values = VALUES.copy()
    values[GROUP == 1, 4] = np.nan  # the second group is missing here altogether
    values[GROUP == 0, 5] = np.nan
    design = np.column_stack([1 - GROUP, GROUP])
    model = glm.fit(values, design, missing='per_voxel')
    difference = glm.contrast(model, design, [-1, 1])
    first = glm.contrast(model, design, [1, 0])
    several = glm.contrast(model, design, np.eye(2))
    for result, lost in [(difference, [4, 5]), (first, [5]), (several, [4, 5])]:
        for field in (result.effect[0], result.variance[0], result.stat, result.z, result.p):
            np.testing.assert_array_equal(np.flatnonzero(np.isnan(field)), lost)
    # What the remaining group says about itself is its one-sample test.
    expected = stats.ttest_1samp(values[GROUP == 0, 4], 0)
    assert first.stat[4] == pytest.approx(expected.statistic, rel=1e-10)
    assert first.dof[4] == expected.df


def test_drop_voxel_fits_complete_points_only():
    values = with_gaps(share=0.03)
    complete = ~np.isnan(values).any(axis=0)
    assert 3 < complete.sum() < V
    design, weights = DESIGNS['ancova']
    model = glm.fit(values, design, missing='drop_voxel')
    dropped = glm.contrast(model, design, weights)
    alone = run(values[:, complete], design, weights)
    for field in ('effect', 'variance', 'stat', 'z', 'p', 'dof'):
        ours = getattr(dropped, field)
        np.testing.assert_array_equal(ours[..., complete], getattr(alone, field))
    assert np.isnan(dropped.stat[~complete]).all()
    assert np.isnan(dropped.p[~complete]).all()
    assert set(model.pattern[~complete]) == {-1}
    assert set(model.n_observed[~complete]) == {0}


def test_missing_values_are_refused_with_figures():
    values = VALUES.copy()
    values[4, :3] = np.nan
    values[9, 2:9] = np.nan
    labels = [f'sub-{number:02}' for number in range(N)]
    with pytest.raises(MissingDataError, match='missing inside the mask') as caught:
        glm.fit(values, np.ones((N, 1)), labels=labels)
    assert caught.value.found == (
        '9 of 23 points lack a value in at least one of 14 maps; most in sub-09: 7'
    )
    assert 'drop_voxel' in caught.value.advice
    assert 'per_voxel' in caught.value.advice
    with pytest.raises(MissingDataError, match='most in observation 9: 7'):
        glm.fit(values, np.ones((N, 1)))


@pytest.mark.parametrize('missing', ['drop_voxel', 'per_voxel'])
def test_nothing_left_is_an_error(missing):
    with pytest.raises(MissingDataError, match='No point has the values'):
        glm.fit(np.full((N, 4), np.nan), np.ones((N, 1)), missing=missing)


@pytest.mark.parametrize('missing', ['error', 'drop_voxel', 'per_voxel'])
@pytest.mark.parametrize('value', [np.inf, -np.inf])
def test_infinite_values_are_refused_by_name(missing, value):
    values = VALUES.copy()
    values[6, 1] = value
    with pytest.raises(InputError, match=r'observation 6 holds infinite'):
        glm.fit(values, np.ones((N, 1)), missing=missing)
    with pytest.raises(InputError, match=r'sub-g holds infinite'):
        glm.fit(
            values, np.ones((N, 1)), missing=missing, labels=[f'sub-{c}' for c in 'abcdefghijklmn']
        )


def test_an_unknown_policy_is_refused():
    with pytest.raises(InputError, match='Unknown missing-data policy'):
        glm.fit(VALUES, np.ones((N, 1)), missing='zero')


@pytest.mark.parametrize('level', [0.0, 0.1, 1.0, -7.3e5])
@pytest.mark.parametrize('name', DESIGNS)
def test_a_voxel_that_the_model_fits_exactly_has_no_statistic(name, level):
    design, weights = DESIGNS[name]
    values = VALUES.copy()
    values[:, 2] = level * design.sum(axis=1)
    model = glm.fit(values, design)
    result = glm.contrast(model, design, weights)
    assert np.isnan(model.residual_variance[2])
    assert np.isfinite(model.beta[:, 2]).all()
    for field in (result.stat, result.z, result.p):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(field)), [2])


@pytest.mark.parametrize('name', DESIGNS)
@pytest.mark.parametrize('missing', ['drop_voxel', 'per_voxel'])
@pytest.mark.parametrize('block', [1, 2, 7, 22])
def test_block_size_has_no_influence(monkeypatch, name, missing, block):
    design, weights = DESIGNS[name]
    values = with_gaps(share=0.05)
    expected = glm.fit(values, design, missing=missing)
    monkeypatch.setattr(glm, 'BLOCK', block)
    model = glm.fit(values, design, missing=missing)
    if missing == 'per_voxel':
        assert_same_bits(model, expected)
    else:
        assert_same_bits(model._replace(patterns=None), expected._replace(patterns=None))
    ours, theirs = (glm.contrast(m, design, weights) for m in (model, expected))
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_order_of_voxels_has_no_influence():
    design, weights = DESIGNS['three groups']
    order = np.random.default_rng(0).permutation(V)
    straight, shuffled = (run(y, design, weights) for y in (VALUES, VALUES[:, order]))
    for field in ('effect', 'variance', 'stat', 'z', 'p'):
        np.testing.assert_array_equal(
            getattr(shuffled, field), getattr(straight, field)[..., order]
        )


def test_a_voxel_alone_equals_the_voxel_among_others():
    design, weights = DESIGNS['three groups']
    together = run(VALUES, design, weights)
    for v in range(V):
        np.testing.assert_array_equal(
            run(VALUES[:, [v]], design, weights).stat, together.stat[[v]]
        )


@pytest.mark.parametrize('missing', ['error', 'per_voxel'])
def test_observations_need_not_be_in_memory(tmp_path, missing):
    values = VALUES.astype(np.float32)
    if missing == 'per_voxel':
        values[3, ::2] = values[:2, 1::3] = np.nan
    np.save(tmp_path / 'values.npy', values)
    design, _ = DESIGNS['ancova']
    packed = PackedMaps(tmp_path / 'values.npy')
    assert_same_bits(
        glm.fit(packed, design, missing=missing),
        glm.fit(values.astype(np.float64), design, missing=missing),
    )


def test_whole_numbers_are_accepted():
    values = np.random.default_rng(1).integers(0, 100, size=(N, 4))
    np.testing.assert_array_equal(
        run(values, np.ones((N, 1)), [1]).stat, run(values * 1.0, np.ones((N, 1)), [1]).stat
    )


@pytest.mark.parametrize(
    ('design', 'message', 'found'),
    [
        (np.ones((N - 1, 1)), 'same number of rows', '13 rows in the design, 14 observations'),
        (np.eye(N), 'no degrees of freedom', '14 observations, design of rank 14'),
    ],
)
def test_designs_that_cannot_be_fitted(design, message, found):
    with pytest.raises(DesignError, match=message) as caught:
        glm.fit(VALUES, design)
    assert caught.value.found == found


def test_the_least_degrees_of_freedom():
    design = np.eye(N)[:, 1:]
    model = glm.fit(VALUES, design)
    assert set(model.dof) == {1.0}
    np.testing.assert_allclose(model.residual_variance, VALUES[0] ** 2, rtol=1e-12)


def test_contrast_errors_come_through():
    design = np.column_stack([np.ones(N), 1 - GROUP, GROUP])
    model = glm.fit(VALUES, design)
    with pytest.raises(ContrastError, match=r'dependent columns \[1\]'):
        glm.contrast(model, design, [0, 1, 0])
    with pytest.raises(InputError, match='Unknown side'):
        glm.contrast(model, design, [0, -1, 1], sidedness='both')


def test_accumulate_is_a_matrix_product_in_fixed_order():
    weights = RNG.normal(size=(3, N))
    np.testing.assert_allclose(glm.accumulate(weights, VALUES), weights @ VALUES, rtol=1e-12)
    for v in range(V):
        total = 0.0
        for i in range(N):
            total += weights[1, i] * VALUES[i, v]
        assert glm.accumulate(weights, VALUES)[1, v] == total
