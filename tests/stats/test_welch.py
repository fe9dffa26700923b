"""Statistics for variance groups, beside Welch's tests and the formula of G written out."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.oneway import anova_oneway

from nistats_nipype.exceptions import DesignError, InputError
from nistats_nipype.stats import glm, score_kernels
from nistats_nipype.stats.blocks import variance_groups, whole_blocks, within_blocks
from nistats_nipype.stats.distributions import f_to_z, t_to_z
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute

RNG = np.random.default_rng(8)
GROUP = np.repeat([0, 1, 2], [3, 4, 2])
X9 = RNG.normal(size=9)
ONE = np.ones((9, 1))
# Design, contrast, variance groups, errors.
CASES = {
    'two groups': (np.eye(2)[GROUP[:7]], [1, -1], GROUP[:7], 'exchangeable'),
    'three groups': (
        np.eye(3)[GROUP][:8],
        [[1, -1, 0], [0, 1, -1]],
        GROUP[:8] % 2,
        'exchangeable',
    ),
    'ancova': (np.column_stack([1 - GROUP, GROUP, X9])[:7], [1, -1, 0], GROUP[:7], 'exchangeable'),
    'mean of two scanners': (ONE[:8], [1], GROUP[:8] > 0, 'symmetric'),
    'slope of two scanners': (np.column_stack([ONE, X9])[:7], [0, 1], GROUP[:7], 'exchangeable'),
    'both': (np.column_stack([ONE, X9])[:5], [0, 1], [0, 0, 0, 1, 1], 'both'),
    'two slopes': (
        np.column_stack([ONE, X9, X9[::-1]])[:7],
        [[0, 1, 0], [0, 0, 1]],
        GROUP[:7],
        'exchangeable',
    ),
    'F of one row twice': (np.eye(2)[GROUP[:6]], [[1, -1], [-2, 2]], GROUP[:6], 'exchangeable'),
}


def data(groups, n_points=5):
    rng = np.random.default_rng(len(groups))
    scale = np.array([1.0, 4.0, 0.3])[np.asarray(groups, dtype=int)]
    return rng.normal(size=(len(groups), n_points)) * scale[:, None] + np.linspace(-2, 2, n_points)


def formula(values, design, contrast, groups):
    """G, its degrees of freedom, and z, point by point, as Winkler et al. (2014) write them."""
    C = np.atleast_2d(np.asarray(contrast, dtype=float)).T
    names = np.unique(groups)
    pinv = np.linalg.pinv(design)
    R = np.eye(len(design)) - design @ pinv
    found = []
    for y in values.T:
        psi, residual = pinv @ y, R @ y
        W = np.zeros(len(y))
        for name in names:
            rows = groups == name
            W[rows] = np.diag(R)[rows].sum() / (residual[rows] ** 2).sum()
        covariance = np.linalg.pinv(design.T @ np.diag(W) @ design)
        inner = np.linalg.pinv(C.T @ covariance @ C, rcond=1e-10)
        s = np.linalg.matrix_rank(C)
        spread = sum(
            (1 - W[groups == name].sum() / W.sum()) ** 2 / np.diag(R)[groups == name].sum()
            for name in names
        )
        inflation = 1 + 2 * (s - 1) / (s * (s + 2)) * spread
        G = psi @ C @ inner @ C.T @ psi / inflation / s
        dof = s * (s + 2) / 3 / spread
        if C.shape[1] == 1:
            v = np.sign(psi @ C)[0] * np.sqrt(G)
            found.append((v, dof, t_to_z(v, dof)[0]))
        else:
            found.append((G, dof, f_to_z(G, s, dof)[0]))
    return np.array(found).T


@pytest.mark.parametrize('name', CASES)
def test_v_and_g_are_those_of_the_formula(name):
    design, contrast, groups, _ = CASES[name]
    groups, values = np.asarray(groups), data(groups)
    model = glm.fit(values, design, groups=groups)
    result = glm.contrast(model, design, contrast)
    stat, dof, z = formula(values, design, contrast, groups)
    np.testing.assert_allclose(result.stat, stat, rtol=1e-9)
    np.testing.assert_allclose(result.dof, dof, rtol=1e-9)
    np.testing.assert_allclose(result.z, z, rtol=1e-8)
    if result.kind == 'v':
        np.testing.assert_allclose(result.effect / np.sqrt(result.variance), [stat], rtol=1e-9)


def test_two_groups_are_welchs_t():
    values = data(GROUP[:7], 30)
    design = np.eye(2)[GROUP[:7]]
    result = glm.contrast(glm.fit(values, design, groups=GROUP[:7]), design, [1, -1])
    theirs = stats.ttest_ind(values[:3], values[3:], equal_var=False)
    np.testing.assert_allclose(result.stat, theirs.statistic)
    np.testing.assert_allclose(result.dof, theirs.df)
    np.testing.assert_allclose(result.p, theirs.pvalue)


def test_several_groups_are_welchs_anova():
    groups = np.repeat([0, 1, 2], [5, 4, 6])
    values, design = data(groups, 20), np.eye(3)[groups]
    contrast = [[1, -1, 0], [0, 1, -1]]
    result = glm.contrast(glm.fit(values, design, groups=groups), design, contrast)
    for point in range(20):
        theirs = anova_oneway([values[groups == g, point] for g in range(3)], use_var='unequal')
        np.testing.assert_allclose(result.stat[point], theirs.statistic)
        np.testing.assert_allclose(result.dof[point], theirs.df_denom)
        np.testing.assert_allclose(result.p[point], theirs.pvalue)


def test_missing_values_leave_each_point_its_own_groups():
    values, design = data(GROUP, 12), np.eye(3)[GROUP]
    contrast = [1, -1, 0]
    values[0, 3] = values[8, 5] = values[3:7, 7] = values[1, 3] = np.nan
    values[:3, 9] = np.nan
    model = glm.fit(values, design, groups=GROUP > 0, missing='per_voxel')
    result = glm.contrast(model, design, contrast)
    whole = glm.contrast(glm.fit(values[:, :3], design, groups=GROUP > 0), design, contrast)
    np.testing.assert_array_equal(result.stat[:3], whole.stat)
    kept = ~np.isnan(values[:, 5])
    stat, dof, _ = formula(
        values[kept][:, [5]], design[kept][:, : 2 + 1], contrast, GROUP[kept] > 0
    )
    np.testing.assert_allclose([result.stat[5], result.dof[5]], [stat[0], dof[0]])
    # Neither mean can be estimated without its group.
    assert np.isnan(result.stat[[7, 9]]).all()


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('name', CASES)
def test_p_are_those_of_all_relabellings(name, sidedness):
    design, contrast, groups, errors = CASES[name]
    groups, values = np.asarray(groups), data(groups)
    nuisance = design @ (
        np.eye(design.shape[1]) - np.linalg.pinv(np.atleast_2d(contrast)) @ np.atleast_2d(contrast)
    )
    residuals = values - nuisance @ np.linalg.pinv(nuisance) @ values
    schedule = draw_schedule(design, contrast, errors=errors, groups=groups)
    assert schedule.exhaustive
    z = []
    for b in range(schedule.n_relabellings):
        moved = residuals if schedule.orders is None else residuals[schedule.orders[b]]
        signs = np.ones(len(moved)) if schedule.signs is None else schedule.signs[b]
        z.append(formula(moved * signs[:, None], design, contrast, groups)[2])
    z = np.array(z)
    if np.ndim(contrast) == 1:
        turn = {'two-sided': np.abs, 'positive': np.positive, 'negative': np.negative}[sidedness]
        z = turn(z)
    bounds = [(0, 3), (3, schedule.n_relabellings)]
    chunks = [
        permute(values, design, contrast, schedule, start=start, stop=stop, sidedness=sidedness)
        for start, stop in bounds
    ]
    result = merge(chunks, design, contrast, sidedness=sidedness)
    near = 1e-7 * np.maximum(np.abs(z[0]), 1)
    np.testing.assert_array_equal(result.p_uncorrected, (z >= z[0] - near).mean(axis=0))
    maxima = z.max(axis=1)[:, None]
    np.testing.assert_array_equal(result.p_fwe, (maxima >= z[0] - near).mean(axis=0))
    if name != 'F of one row twice':
        np.testing.assert_allclose(result.null, maxima[:, 0], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(
        result.stat, glm.contrast(glm.fit(values, design, groups=groups), design, contrast).stat
    )


def test_chunks_and_threads_have_no_influence():
    groups = np.repeat([0, 1], [6, 8])
    design = np.column_stack([np.ones(14), groups, RNG.normal(size=14)])
    values = RNG.normal(size=(14, 9000)) * (1 + groups[:, None])
    schedule = draw_schedule(design, [0, 1, 0], n_perm=64, groups=groups)
    problem = values, design, [0, 1, 0], schedule
    expected = merge([permute(*problem)], design, [0, 1, 0])
    for n_chunks, num_threads in [(2, 1), (7, 2)]:
        bounds = np.linspace(0, 65, n_chunks + 1).astype(int)
        chunks = [
            permute(*problem, start=start, stop=stop, num_threads=num_threads)
            for start, stop in itertools.pairwise(bounds)
        ]
        for one, other in zip(merge(chunks, design, [0, 1, 0]), expected, strict=True):
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_rows_of_different_variance_groups_are_not_interchangeable():
    design = np.eye(2)[[0, 0, 0, 0, 1, 1, 1, 1]]
    assert draw_schedule(design, [1, -1]).n_possible == 70
    # Two scanners, each with half of each group: only what stays on a scanner is a repeat.
    scanners = [0, 0, 1, 1, 0, 0, 1, 1]
    schedule = draw_schedule(design, [1, -1], groups=scanners, errors='exchangeable')
    assert schedule.n_possible == 8 * 7 * 6 * 5 * 4 * 3 // 8


def test_signs_flip_unless_the_blocks_keep_to_the_groups():
    design = np.column_stack([np.ones(8), np.arange(8.0)])
    groups = np.repeat([0, 1], 4)

    def chosen(**options):
        return draw_schedule(design, [0, 1], **options).errors

    assert chosen() == 'exchangeable'
    assert chosen(groups=groups) == 'symmetric'
    assert chosen(groups=groups, blocks=within_blocks(groups)) == 'exchangeable'
    assert chosen(groups=groups, blocks=within_blocks([0, 0, 1, 1, 2, 2, 3, 3])) == 'exchangeable'
    assert chosen(groups=groups, blocks=within_blocks([0, 1, 0, 1, 0, 1, 0, 1])) == 'symmetric'


def test_one_group_is_no_group():
    design = np.eye(2)[GROUP[:7]]
    schedule = draw_schedule(design, [1, -1], groups=np.ones(7))
    assert schedule.groups is None


def test_groups_of_whole_blocks_can_be_used():
    blocks = whole_blocks([1, 1, 2, 2, 3, 3, 4, 4])
    groups = variance_groups(blocks)
    design = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
    values = data(np.zeros(8, dtype=int))
    schedule = draw_schedule(design, [0, 1], blocks=blocks, groups=groups)
    assert np.isfinite(
        merge([permute(values, design, [0, 1], schedule)], design, [0, 1]).p_fwe
    ).all()


def test_a_group_that_the_design_explains_is_an_error():
    design = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    with pytest.raises(DesignError, match='variance of a group'):
        glm.contrast(glm.fit(data([0] * 6), design, groups=[0, 0, 0, 0, 0, 1]), design, [1, -1, 0])


def test_a_smoothed_variance_is_not_that_of_groups():
    design, contrast, groups, _ = CASES['two groups']
    schedule = draw_schedule(design, contrast, groups=groups)
    with pytest.raises(InputError, match='both be smoothed'):
        permute(data(groups), design, contrast, schedule, smooth_variance=np.positive)


# Scores


@pytest.mark.parametrize('dof', [0.7, 1, 2.5, 7, 14.6, 80, 3000])
def test_scores_of_t_are_those_of_scipy(dof):
    t = np.concatenate(
        [stats.t.rvs(min(dof, 3), size=500, random_state=1), np.logspace(-8, 8, 50)]
    )
    found = [score_kernels.score_of_t(value, dof) for value in t]
    np.testing.assert_allclose(found, t_to_z(t, dof), rtol=1e-11)
    assert score_kernels.score_of_t(0.0, dof) == 0.0
    assert np.isnan(score_kernels.score_of_t(np.nan, dof))


@pytest.mark.parametrize('dof_effect', [1, 2, 5])
@pytest.mark.parametrize('dof', [2, 3.3, 14.6, 200])
def test_scores_of_f_are_those_of_scipy(dof_effect, dof):
    f = np.concatenate(
        [stats.f.rvs(dof_effect, dof, size=500, random_state=1), np.logspace(-6, 8, 50)]
    )
    found = [score_kernels.score_of_f(value, dof_effect, dof) for value in f]
    np.testing.assert_allclose(found, f_to_z(f, dof_effect, dof), rtol=1e-10, atol=1e-11)
    assert score_kernels.score_of_f(0.0, dof_effect, dof) == -np.inf
    assert np.isnan(score_kernels.score_of_f(np.nan, dof_effect, dof))
