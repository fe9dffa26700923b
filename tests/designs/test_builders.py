"""Standard designs, against textbook numbers, other packages and enumeration.

Every table is shuffled: rows of a design go with rows of the table, whatever their order.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.oneway import anova_oneway

from nistats_nipype.designs import builders
from nistats_nipype.designs.group import define_contrast
from nistats_nipype.exceptions import ContrastError, DesignError, InputError
from nistats_nipype.stats import glm
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute

V = 4

#: Student's sleep data: hours of sleep that each of ten patients gained by either drug, as in R.
SLEEP = pd.DataFrame(
    {
        'extra': [
            *(0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
            *(1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
        ],
        'group': np.repeat([1, 2], 10),
        'ID': np.tile(np.arange(1, 11), 2),
    }
)


def shuffled(table, seed=0):
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


def data(n, seed=3):
    return np.random.default_rng(seed).normal(size=(n, V))


def observe(built, y):
    """Average maps as the design says."""
    y = np.atleast_2d(y.T).T
    if built.averages is None:
        return y
    return np.array([y[built.averages == row].mean(axis=0) for row in range(len(built.design))])


def parametric(built, y, name):
    design = built.design.to_numpy()
    weights = define_contrast(name, built.contrasts[name], built.design).weights
    model = glm.fit(observe(built, y), design, groups=built.groups)
    return glm.contrast(model, design, weights)


def permuted(built, y, name, n_possible, sidedness='two-sided'):
    """Uncorrected and corrected p by all relabellings, which must be as many as expected."""
    design, y = built.design.to_numpy(), observe(built, y)
    weights = define_contrast(name, built.contrasts[name], built.design).weights
    schedule = draw_schedule(
        design, weights, n_perm=50_000, blocks=built.blocks, groups=built.groups
    )
    assert schedule.exhaustive
    assert schedule.n_possible == n_possible
    side = sidedness if len(weights) == 1 else 'positive'
    chunk = permute(y, design, weights, schedule, sidedness=side)
    result = merge([chunk], design, weights, sidedness=side)
    return result.p_uncorrected, result.p_fwe


def p_of(null):
    """P from a statistic, large values extreme, of every relabelling, the observed one first."""
    null = np.asarray(null)
    reach = null[0] - 1e-9 * np.abs(null[0])
    return (null >= reach).mean(axis=0), (null.max(axis=1)[:, None] >= reach).mean(axis=0)


def check_p(found, null):
    for ours, theirs in zip(found, p_of(null), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def f_of(design, weights, y):
    """F of a contrast by the change of the residual sum of squares."""
    _, _, rows = np.linalg.svd(weights)
    nuisance = design @ rows[len(weights) :].T
    full, reduced = (
        ((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2).sum(axis=0)
        for x in (design, nuisance)
    )
    dof = len(design) - np.linalg.matrix_rank(design)
    return (reduced - full) / len(weights) / (full / dof)


def freedman_lane(built, y, name, orders):
    """F of every order of the residuals of the nuisance, by least squares."""
    design = built.design.to_numpy()
    weights = define_contrast(name, built.contrasts[name], built.design).weights
    _, _, rows = np.linalg.svd(weights)
    nuisance = design @ rows[len(weights) :].T
    residual = y - nuisance @ np.linalg.lstsq(nuisance, y, rcond=None)[0]
    return np.array([f_of(design, weights, residual[order]) for order in orders])


# Independent observations.


def test_one_sample():
    built, y = builders.one_sample(pd.DataFrame({'id': range(8)})), data(8)
    expected = stats.ttest_1samp(y, 0)
    found = parametric(built, y, 'mean')
    np.testing.assert_allclose(found.stat, expected.statistic)
    np.testing.assert_allclose(found.p, expected.pvalue)
    signs = itertools.product((1, -1), repeat=8)
    null = [np.abs(stats.ttest_1samp(np.array(s)[:, None] * y, 0).statistic) for s in signs]
    check_p(permuted(built, y, 'mean', 256), null)


def test_two_sample_of_the_sleep_data():
    """R: t.test(extra ~ group, data = sleep) and with var.equal = TRUE, but for the sign."""
    table = shuffled(SLEEP)
    student = builders.two_sample(table, 'group')
    found = parametric(student, table['extra'].to_numpy(), '2 - 1')
    assert (found.stat[0], found.dof[0]) == (pytest.approx(1.8608, abs=5e-5), 18)
    assert found.p[0] == pytest.approx(0.07919, abs=5e-6)
    welch = builders.two_sample(table, 'group', equal_variance=False)
    found = parametric(welch, table['extra'].to_numpy(), '2 - 1')
    assert found.stat[0] == pytest.approx(1.8608, abs=5e-5)
    assert found.dof[0] == pytest.approx(17.776, abs=5e-4)
    assert found.p[0] == pytest.approx(0.07939, abs=5e-6)
    turned = builders.two_sample(table, 'group', reference=2)
    assert parametric(turned, table['extra'].to_numpy(), '1 - 2').stat[0] < 0


@pytest.fixture
def groups():
    return shuffled(
        pd.DataFrame({'group': list('aabbccc'), 'age': [31.0, 45, 28, 60, 52, 39, 41]}), 2
    )


def test_two_sample_permutes_between_groups(groups):
    table = groups[groups['group'] != 'b'].reset_index(drop=True)
    built, y = builders.two_sample(table, 'group'), data(5)
    is_c = (table['group'] == 'c').to_numpy()
    null = [
        np.abs(stats.ttest_ind(y[list(c)], np.delete(y, c, axis=0)).statistic)
        for c in itertools.combinations(range(5), 3)
    ]
    observed = np.abs(stats.ttest_ind(y[is_c], y[~is_c]).statistic)
    np.testing.assert_allclose(np.abs(parametric(built, y, 'c - a').stat), observed)
    check_p(permuted(built, y, 'c - a', 10), [observed, *_others(null, observed)])


def _others(null, observed):
    """The relabellings beside the observed one, wherever it is among them."""
    first = next(i for i, each in enumerate(null) if np.allclose(each, observed, rtol=1e-12))
    return null[:first] + null[first + 1 :]


def test_unequal_variances_flip_signs(groups):
    table = groups[groups['group'] != 'b'].reset_index(drop=True)
    built, y = builders.two_sample(table, 'group', equal_variance=False), data(5)
    assert built.groups.tolist() == [1 if group == 'a' else 2 for group in table['group']]
    is_c = (table['group'] == 'c').to_numpy()
    residual = y - y.mean(axis=0)

    def p_welch(values):
        return stats.ttest_ind(values[is_c], values[~is_c], equal_var=False).pvalue

    null = [
        -p_welch(np.array(s)[:, None] * residual) for s in itertools.product((1, -1), repeat=5)
    ]
    np.testing.assert_allclose(parametric(built, y, 'c - a').p, p_welch(y))
    check_p(permuted(built, y, 'c - a', 32), null)


def test_three_groups(groups):
    built, y = builders.two_sample(groups, 'group'), data(7)
    labels = groups['group'].to_numpy()

    def f(labels):
        return stats.f_oneway(*(y[labels == name] for name in 'abc')).statistic

    np.testing.assert_allclose(parametric(built, y, 'group').stat, f(labels))
    every = sorted(set(itertools.permutations(labels)))
    every.remove(tuple(labels))
    null = [f(labels), *(f(np.array(each)) for each in every)]
    check_p(permuted(built, y, 'group', 210), null)


def test_three_groups_of_unequal_variance(groups):
    table = pd.concat([groups] * 3, ignore_index=True)
    built, y = builders.two_sample(table, 'group', equal_variance=False), data(21)
    found = parametric(built, y, 'group')
    for voxel in range(V):
        expected = anova_oneway(y[:, voxel], table['group'].to_numpy(), use_var='unequal')
        assert found.stat[voxel] == pytest.approx(expected.statistic)
        assert found.p[voxel] == pytest.approx(expected.pvalue)


@pytest.mark.parametrize('interaction', [False, True])
def test_ancova(groups, interaction):
    table, y = groups[groups['group'] != 'b'].reset_index(drop=True), data(5)
    table = pd.concat([table, table.assign(age=table['age'] ** 1.3)], ignore_index=True)
    y = data(10)
    built = builders.ancova(table, 'group', 'age', interaction=interaction)
    centred = table.assign(x=table['age'] - table['age'].mean())
    formula = 'y ~ group * x' if interaction else 'y ~ group + x'
    expected = {'c - a': 'group[T.c]', 'age': 'x'}
    if interaction:
        expected = {'c - a': 'group[T.c]', 'group:age': 'group[T.c]:x'}
    assert list(built.contrasts) == list(expected)
    for name, term in expected.items():
        found = parametric(built, y, name)
        for voxel in range(V):
            fit = ols(formula, centred.assign(y=y[:, voxel])).fit()
            assert found.stat[voxel] == pytest.approx(fit.tvalues[term])
            assert found.p[voxel] == pytest.approx(fit.pvalues[term])


def test_ancova_permutes_residuals(groups):
    table, y = groups.drop(index=0).reset_index(drop=True), data(6)
    table['group'] = list('abbaba')
    built = builders.ancova(table, 'group', ['age'])
    orders = [list(order) for order in itertools.permutations(range(6))]
    null = freedman_lane(built, y, 'b - a', orders)
    check_p(permuted(built, y, 'b - a', 720), null)


def test_regression():
    random = np.random.default_rng(8)
    table = pd.DataFrame(
        {'score': random.normal(size=6), 'iq': random.normal(100, 15, 6), 'sex': list('fmffmm')}
    )
    built, y = builders.regression(table, ['score', 'iq'], nuisance='sex'), data(6)
    assert list(built.contrasts) == ['score', 'iq']
    for name in built.contrasts:
        found = parametric(built, y, name)
        for voxel in range(V):
            fit = ols('y ~ score + iq + sex', table.assign(y=y[:, voxel])).fit()
            assert found.stat[voxel] == pytest.approx(fit.tvalues[name])
    orders = [list(order) for order in itertools.permutations(range(6))]
    check_p(permuted(built, y, 'score', 720), freedman_lane(built, y, 'score', orders))
    np.testing.assert_allclose(built.design[['score', 'iq']].mean(), 0, atol=1e-12)


def test_numbers_as_nuisance_are_covariates():
    table = pd.DataFrame({'score': [1.0, 4, 2, 8], 'age': [30, 40, 35, 70]})
    design = builders.regression(table, 'score', nuisance=['age']).design
    assert design['age'].tolist() == [-13.75, -3.75, -8.75, 26.25]


# Repeated observations.


def test_paired_test_of_the_sleep_data():
    """R: t.test(Pair(extra, group)) has t = -4.0621, df = 9, p = 0.002833 for 1 - 2."""
    table = shuffled(SLEEP)
    built = builders.paired(table, 'ID', 'group')
    assert built.contrasts == {'2 - 1': 'group[T.2]'}
    y = table['extra'].to_numpy()
    found = parametric(built, y, '2 - 1')
    assert (found.stat[0], found.dof[0]) == (pytest.approx(4.0621, abs=5e-5), 9)
    assert found.p[0] == pytest.approx(0.002833, abs=5e-7)
    assert found.effect[0] == pytest.approx(1.58)
    turned = builders.paired(table, 'ID', 'group', reference='2')
    assert parametric(turned, y, '1 - 2').stat[0] == pytest.approx(-4.0621, abs=5e-5)
    # The nine patients whose differences are not 0 have 2 ** 9 different flips of signs; the
    # tenth flips, too, without an effect.
    differences = SLEEP['extra'][10:].to_numpy() - SLEEP['extra'][:10].to_numpy()
    null = [np.abs([np.dot(s, differences)]) for s in itertools.product((1, -1), repeat=10)]
    check_p(permuted(built, y, '2 - 1', 1024), null)


@pytest.fixture
def one_way():
    return shuffled(
        pd.DataFrame({'s': np.repeat(['x', 'y', 'z'], 3), 'tone': np.tile(list('abc'), 3)}), 4
    )


def cells(table, y, *keys):
    """Values by levels: array of shape (levels of each key, V)."""
    order = table.sort_values(list(keys)).index
    return y[order].reshape([table[key].nunique() for key in keys] + [V])


def f_rm(cube):
    """F of the second axis of (subjects, conditions, V)."""
    n, k = cube.shape[:2]
    grand = cube.mean(axis=(0, 1))
    of_condition, of_subject = cube.mean(axis=0), cube.mean(axis=1)
    between = n * ((of_condition - grand) ** 2).sum(axis=0) / (k - 1)
    residual = cube - of_condition - of_subject[:, None] + grand
    return between / ((residual**2).sum(axis=(0, 1)) / ((k - 1) * (n - 1)))


def swaps(cube):
    """Every exchange of the second axis within the first, the observed one first."""
    orders = list(itertools.permutations(range(cube.shape[1])))
    for each in itertools.product(orders, repeat=len(cube)):
        yield np.array([row[list(order)] for row, order in zip(cube, each, strict=True)])


def test_repeated_measures(one_way):
    built, y = builders.repeated_measures(one_way, 's', 'tone'), data(9)
    found = parametric(built, y, 'tone')
    for voxel in range(V):
        anova = AnovaRM(one_way.assign(y=y[:, voxel]), 'y', 's', within=['tone']).fit().anova_table
        assert found.stat[voxel] == pytest.approx(anova['F Value'].iloc[0])
        assert found.p[voxel] == pytest.approx(anova['Pr > F'].iloc[0])
    cube = cells(one_way, y, 's', 'tone')
    check_p(permuted(built, y, 'tone', 216), [f_rm(each) for each in swaps(cube)])


@pytest.fixture
def two_way():
    full = itertools.product('wxyz', ['d1', 'd2'], ['t1', 't2', 't3'])
    return shuffled(pd.DataFrame(full, columns=['s', 'drug', 'time']), 5)


def f_interaction(cube):
    """F of the interaction in (subjects, A, B, V)."""
    n, a, b = cube.shape[:3]

    def effect(*axes):
        """The part of the data that changes along all of these axes only."""
        part = cube.mean(axis=tuple(set(range(3)) - set(axes)), keepdims=True)
        for axis in axes:
            part = part - part.mean(axis=axis, keepdims=True)
        return part

    dof = (a - 1) * (b - 1)
    between = n * (effect(1, 2) ** 2).sum(axis=(0, 1, 2)) / dof
    return between / ((effect(0, 1, 2) ** 2).sum(axis=(0, 1, 2)) / (dof * (n - 1)))


@pytest.mark.parametrize('effect', ['drug', 'time', 'drug:time'])
def test_two_way_repeated_measures(two_way, effect):
    built, y = builders.repeated_measures(two_way, 's', ['drug', 'time'], effect=effect), data(24)
    name = 'd2 - d1' if effect == 'drug' else effect
    assert list(built.contrasts) == [name]
    found = parametric(built, y, name)
    stat = found.stat**2 if effect == 'drug' else found.stat
    for voxel in range(V):
        table = two_way.assign(y=y[:, voxel])
        anova = AnovaRM(table, 'y', 's', within=['drug', 'time']).fit().anova_table.loc[effect]
        assert stat[voxel] == pytest.approx(anova['F Value'])
        assert found.p[voxel] == pytest.approx(anova['Pr > F'])
    cube = cells(two_way, y, 's', 'drug', 'time')
    if effect == 'drug:time':
        # time has more levels: its levels change places, each with both drugs.
        null = [f_interaction(each.swapaxes(1, 2)) for each in swaps(cube.swapaxes(1, 2))]
        n_possible = 6**4
    else:
        averaged = cube.mean(axis=2 if effect == 'drug' else 1)
        null = [f_rm(each) for each in swaps(averaged)]
        n_possible = 2**4 if effect == 'drug' else 6**4
    check_p(permuted(built, y, name, n_possible), null)


def test_interaction_of_two_by_two_is_that_of_double_differences():
    full = itertools.product(range(7), 'ab', 'pq')
    table = shuffled(pd.DataFrame(full, columns=['s', 'A', 'B']))
    built, y = builders.repeated_measures(table, 's', ['A', 'B'], effect='A:B'), data(28)
    cube = cells(table, y, 's', 'A', 'B')
    double = (cube[:, 1, 1] - cube[:, 1, 0]) - (cube[:, 0, 1] - cube[:, 0, 0])
    np.testing.assert_allclose(
        parametric(built, y, 'A:B').stat, stats.ttest_1samp(double, 0).statistic
    )
    signs = itertools.product((1, -1), repeat=7)
    null = [np.abs(stats.ttest_1samp(np.array(s)[:, None] * double, 0).statistic) for s in signs]
    check_p(permuted(built, y, 'A:B', 128), null)


# Groups of subjects and conditions within them.


@pytest.fixture
def split_plot():
    rows = [
        (subject, group, time)
        for subject, group in zip('uvwxy', ['c', 'c', 'p', 'p', 'p'], strict=True)
        for time in ('t1', 't2', 't3')
    ]
    return shuffled(pd.DataFrame(rows, columns=['s', 'group', 'time']), 6)


def split_plot_f(cube, is_patient):
    """F of conditions (in the unweighted mean of groups) and of the interaction.

    Each orthonormal difference of conditions is a variable of independent subjects; sums of
    squares add up over them.
    """
    n, k = cube.shape[:2]
    basis = np.linalg.svd(np.eye(k) - 1 / k)[0][:, : k - 1]
    z = np.einsum('skv,kj->sjv', cube, basis).reshape(n, -1)
    sizes = is_patient.sum(), (~is_patient).sum()
    means = z[is_patient].mean(axis=0), z[~is_patient].mean(axis=0)
    residual = z - np.where(is_patient[:, None], *means)
    error = (residual**2).reshape(n, k - 1, V).sum(axis=(0, 1)) / ((n - 2) * (k - 1))
    scale = 1 / sizes[0] + 1 / sizes[1]
    squares = [((means[0] + means[1]) ** 2), ((means[0] - means[1]) ** 2)]
    return [each.reshape(k - 1, V).sum(axis=0) / scale / (k - 1) / error for each in squares]


def test_mixed_between(split_plot):
    built, y = builders.mixed(split_plot, 's', 'group', 'time', 'group'), data(15)
    means = cells(split_plot, y, 's', 'time').mean(axis=1)
    expected = stats.ttest_ind(means[2:], means[:2])
    found = parametric(built, y, 'p - c')
    np.testing.assert_allclose(found.stat, expected.statistic)
    np.testing.assert_allclose(found.p, expected.pvalue)
    assert found.dof.tolist() == [3] * V
    every = [(0, 1), *itertools.combinations(range(5), 2)]
    every.pop(1)
    null = [
        np.abs(stats.ttest_ind(np.delete(means, c, 0), means[list(c)]).statistic) for c in every
    ]
    check_p(permuted(built, y, 'p - c', 10), null)


def test_mixed_interaction_exchanges_subjects(split_plot):
    built, y = builders.mixed(split_plot, 's', 'group', 'time', 'group:time'), data(15)
    cube, is_patient = cells(split_plot, y, 's', 'time'), np.array([0, 0, 1, 1, 1], dtype=bool)
    found = parametric(built, y, 'group:time')
    np.testing.assert_allclose(found.stat, split_plot_f(cube, is_patient)[1])
    assert (found.dof_effect, found.dof[0]) == (2, 6)
    null = [
        split_plot_f(cube[list(order)], is_patient)[1]
        for order in itertools.permutations(range(5))
    ]
    check_p(permuted(built, y, 'group:time', 120), null)


def test_mixed_within_exchanges_conditions(split_plot):
    built, y = builders.mixed(split_plot, 's', 'group', 'time', 'time'), data(15)
    cube, is_patient = cells(split_plot, y, 's', 'time'), np.array([0, 0, 1, 1, 1], dtype=bool)
    found = parametric(built, y, 'time')
    np.testing.assert_allclose(found.stat, split_plot_f(cube, is_patient)[0])
    rows = split_plot.groupby('s').indices
    orders = []
    for each in itertools.product(itertools.permutations(range(3)), repeat=5):
        order = np.arange(15)
        for indices, moved in zip(rows.values(), each, strict=True):
            order[indices] = indices[list(moved)]
        orders.append(order)
    null = freedman_lane(built, y, 'time', orders)
    check_p(permuted(built, y, 'time', 6**5), null)


def test_mixed_design_of_two_conditions_is_that_of_differences(split_plot):
    table = split_plot[split_plot['time'] != 't2'].reset_index(drop=True)
    y = data(10)
    cube = cells(table, y, 's', 'time')
    difference = cube[:, 1] - cube[:, 0]
    built = builders.mixed(table, 's', 'group', 'time', 'group:time')
    expected = stats.ttest_ind(difference[2:], difference[:2]).statistic
    np.testing.assert_allclose(parametric(built, y, 'group:time').stat, expected)
    built = builders.mixed(table, 's', 'group', 'time', 'time')
    subjects = pd.DataFrame({'group': list('ccppp')})
    found = parametric(built, y, 't3 - t1')
    for voxel in range(V):
        fit = ols('d ~ C(group, Sum)', subjects.assign(d=difference[:, voxel])).fit()
        assert found.stat[voxel] == pytest.approx(fit.tvalues['Intercept'])


# Tables that do not allow a design.


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda t: t.drop(index=t.index[t['time'] == 't1'][:1]), 'without time t1'),
        (lambda t: pd.concat([t, t[3:4]]), 'more than one map in a cell'),
        (lambda t: t.assign(group=np.resize(['c', 'p'], len(t))), 'in more than one group'),
        (lambda t: t.assign(group='c'), 'group has too few levels'),
        (lambda t: t.assign(time='t1', s=range(len(t))), 'time has too few levels'),
        (lambda t: t[t['s'].isin(['u', 'w', 'x'])], 'Groups of one map have no variance: c'),
        (lambda t: t.assign(group=t['group'].where(t['s'] != 'u')), 'no group in row'),
        (lambda t: t.drop(columns='time'), 'does not have these columns: time'),
    ],
)  # fmt: skip
def test_tables_that_are_no_mixed_design(split_plot, change, said):
    table = change(split_plot).reset_index(drop=True)
    with pytest.raises(DesignError) as error:
        builders.mixed(table, 's', 'group', 'time', 'time')
    assert said in str(error.value)


def test_incomplete_subjects_are_named(two_way):
    table = two_way[~((two_way['s'] == 'x') & (two_way['time'] == 't2'))]
    with pytest.raises(DesignError, match='Subjects lack maps') as error:
        builders.repeated_measures(table, 's', ['drug', 'time'], effect='drug')
    assert error.value.found.startswith('1 of 4 subjects: x without drug d1, time t2, x without')


@pytest.mark.parametrize(
    ('effect', 'message'),
    [
        (None, 'not said which effect'),
        ('time:drug', 'effect time:drug is none'),
        ('s', 'effect s is none'),
    ],
)
def test_effects_that_are_none(two_way, effect, message):
    with pytest.raises(InputError, match=message) as error:
        builders.repeated_measures(two_way, 's', ['drug', 'time'], effect=effect)
    assert error.value.expected == 'one of drug, time, drug:time'


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda t: builders.paired(t, 's', 'time'), 'time has 3 levels'),
        (lambda t: builders.paired(t, 's', 's'), 'cannot have two roles'),
        (lambda t: builders.two_sample(t, 'group', reference='z'), 'reference is no level'),
        (lambda t: builders.ancova(t, 'group', 'time'), 'does not hold numbers'),
        (lambda t: builders.ancova(t.assign(x=1.0), 'group', 'x'), 'covariate x cannot be used'),
        (
            lambda t: builders.ancova(t.assign(x=(t['group'] == 'p') + 0.0), 'group', 'x'),
            'rank-deficient',
        ),
        (lambda t: builders.regression(t.assign(x=np.inf), 'x'), 'covariate x cannot be used'),
        (lambda t: builders.one_sample(t[:1]), 'no degrees of freedom'),
        (lambda t: builders.repeated_measures(t, 's', []), 'one or two factors'),
    ],
)
def test_designs_that_cannot_be(split_plot, call, message):
    with pytest.raises((DesignError, InputError), match=message):
        call(split_plot)


def test_a_categorical_keeps_the_order_of_its_levels():
    table = pd.DataFrame({'dose': pd.Categorical(list('hlhl'), categories=['l', 'm', 'h'])})
    assert builders.two_sample(table, 'dose').contrasts == {'h - l': 'dose[T.h]'}


@pytest.mark.parametrize('kind', builders.KINDS)
def test_builders_by_name(kind, split_plot):
    table = split_plot.assign(age=np.arange(15.0) ** 2)
    if kind == 'paired':
        table = table[table['time'] != 't3'].reset_index(drop=True)
    given = {
        'subject': 's',
        'group': 'group',
        'within': 'time',
        'effect': 'time',
        'covariates': ['age'],
    }
    builder, needed, _ = builders.KINDS[kind]
    arguments = {name: given[name] for name in needed}
    found, expected = (
        builders.standard_design(kind, table, **arguments),
        builder(table, **arguments),
    )
    pd.testing.assert_frame_equal(found.design, expected.design)
    assert found.description == expected.description
    assert found.description.endswith('.')
    assert len(found.design.columns) == len(set(found.design.columns))
    with pytest.raises(InputError, match='do not fit') as error:
        builders.standard_design(kind, table, **arguments, colour='red')
    assert error.value.advice == 'Leave out colour.'


def test_builders_that_do_not_exist(split_plot):
    with pytest.raises(InputError, match='no standard design of that name'):
        builders.standard_design('three-sample', split_plot)


def test_a_name_without_letters_is_refused_with_its_contrast():
    table = pd.DataFrame({'group': ['+', '+', '-', '-']})
    built = builders.two_sample(table, 'group')
    with pytest.raises(ContrastError, match='no letters or digits'):
        [define_contrast(*item, built.design).label for item in built.contrasts.items()]
