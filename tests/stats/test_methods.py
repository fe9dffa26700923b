"""The methods of permutation beside the models that define them, fitted one by one."""

import itertools

import numpy as np
import pytest
from scipy import linalg, stats

from nistats_nipype.exceptions import DesignError, ScheduleError
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.methods import METHODS, make_method, reduced_design, unit_data
from nistats_nipype.stats.permutation import merge, permute

SIDES = ['two-sided', 'positive', 'negative']
ONE, AB = np.ones(7), np.array([0.0, 0, 0, 1, 1, 1, 1])
X = np.array([0.4, -1.1, 2.3, 0.9, -0.6, 1.4, 3.1])
Z = np.array([5.0, 3.1, 4.4, 2.2, 6.3, 3.9, 5.8])

# Nuisance and effect of interest, side by side; errors.
CASES = {
    'mean': (np.empty((6, 0)), np.ones((6, 1)), 'symmetric'),
    'groups': (ONE[:, None], AB[:, None], 'exchangeable'),
    'regression': (ONE[:6, None], X[:6, None], 'exchangeable'),
    'ancova': (np.column_stack([ONE, Z])[:6], AB[:6, None], 'exchangeable'),
    'ancova by flips': (np.column_stack([ONE, Z]), X[:, None], 'symmetric'),
    'F of two slopes': (ONE[:6, None], np.column_stack([X, Z])[:6], 'exchangeable'),
    'F beside a covariate': (
        np.column_stack([ONE, X])[:6],
        np.column_stack([AB, Z])[:6],
        'exchangeable',
    ),
    'both': (ONE[:5, None], X[:5, None], 'both'),
}


def data(n, n_points=5):
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, n_points)) + np.linspace(-1.5, 1.5, n_points) + 3


def statistic(values, interest, nuisance):
    # t of one regressor, F of several, by comparing two fits.
    def squares(design):
        if not design.shape[1]:
            return (values**2).sum(axis=0)
        beta = np.linalg.lstsq(design, values, rcond=None)[0]
        return ((values - design @ beta) ** 2).sum(axis=0)

    whole = np.hstack([interest, nuisance])
    left, q = squares(whole), interest.shape[1]
    f = (squares(nuisance) - left) / q / (left / (len(values) - whole.shape[1]))
    if q > 1:
        return f
    return np.sign(np.linalg.lstsq(whole, values, rcond=None)[0][0]) * np.sqrt(np.maximum(f, 0))


def residuals(values, design):
    if not design.shape[1]:
        return values
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def theil(nuisance, kept):
    # Q' = (S R S')^(-1/2) S R
    n = len(nuisance)
    R = np.eye(n) - nuisance @ linalg.pinv(nuisance) if nuisance.shape[1] else np.eye(n)
    return linalg.inv(linalg.sqrtm(R[np.ix_(kept, kept)])).real @ R[kept]


def relabelled(method, values, interest, nuisance, schedule):
    """The statistic of every relabelling, each by the model that the method fits to it."""
    if method == 'huh-jhun':
        kept = make_method(method, *as_design(interest, nuisance)).kept
        basis = theil(nuisance, kept)
        values, interest, nuisance = basis @ values, basis @ interest, np.empty((len(kept), 0))
    n = len(values)
    rows = []
    for b in range(schedule.n_relabellings):
        order = np.arange(n) if schedule.orders is None else schedule.orders[b]
        signs = np.ones(n) if schedule.signs is None else schedule.signs[b]
        P = np.diag(signs) @ np.eye(n)[order]
        whole = np.hstack([interest, nuisance])
        rows.append(
            {
                'freedman-lane': lambda P=P: (P @ residuals(values, nuisance), interest, nuisance),
                'huh-jhun': lambda P=P: (P @ values, interest, nuisance),
                'dekker': lambda P=P: (values, P.T @ residuals(interest, nuisance), nuisance),
                'ter-braak': lambda P=P, whole=whole: (
                    P @ residuals(values, whole),
                    interest,
                    nuisance,
                ),
                'draper-stoneman': lambda P=P: (values, P.T @ interest, nuisance),
                'manly': lambda P=P: (P @ values, interest, nuisance),
            }[method]()
        )
    found = np.array([statistic(*row) for row in rows])
    found[0] = statistic(values, interest, nuisance)
    return found


def as_design(interest, nuisance):
    q, r = interest.shape[1], nuisance.shape[1]
    contrast = np.hstack([np.zeros((q, r)), np.eye(q)])
    return np.hstack([nuisance, interest]), contrast[0] if q == 1 else contrast


@pytest.mark.parametrize('sidedness', SIDES)
@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('method', METHODS)
def test_p_are_those_of_the_models_fitted_one_by_one(method, name, sidedness):
    nuisance, interest, errors = CASES[name]
    values = data(len(interest))
    test = as_design(interest, nuisance)
    schedule = draw_schedule(*test, method=method, errors=errors)
    assert schedule.exhaustive
    found = relabelled(method, values, interest, nuisance, schedule)
    if interest.shape[1] == 1:
        found = {'two-sided': np.abs, 'positive': np.positive, 'negative': np.negative}[sidedness](
            found
        )
    reached = found >= found[0] - 1e-7 * np.maximum(np.abs(found[0]), 1)
    maxima = found.max(axis=1)[:, None]
    chunks = [
        permute(values, *test, schedule, start=start, stop=stop, sidedness=sidedness)
        for start, stop in [(0, 5), (5, schedule.n_relabellings)]
    ]
    result = merge(chunks, *test, sidedness=sidedness)
    np.testing.assert_array_equal(result.p_uncorrected, reached.mean(axis=0))
    reached = maxima >= found[0] - 1e-7 * np.maximum(np.abs(found[0]), 1)
    np.testing.assert_array_equal(result.p_fwe, reached.mean(axis=0))
    np.testing.assert_allclose(result.null, maxima[:, 0], rtol=1e-6, atol=1e-6)


def test_without_nuisance_the_methods_agree():
    values, test = data(8), (np.ones((8, 1)), [1])
    results = [
        merge([permute(values, *test, draw_schedule(*test, method=method))], *test)
        for method in METHODS
        if method != 'ter-braak'
    ]
    for result in results[1:]:
        np.testing.assert_array_equal(result.p_uncorrected, results[0].p_uncorrected)


def test_manly_keeps_its_digits_beside_a_large_mean():
    nuisance, interest, _ = CASES['groups']
    test = as_design(interest, nuisance)
    schedule = draw_schedule(*test, method='manly')
    values = np.random.default_rng(3).integers(0, 9, size=(7, 40)).astype(float)
    near, far = (
        merge([permute(values + offset, *test, schedule)], *test) for offset in (0, 20000)
    )
    np.testing.assert_array_equal(near.p_uncorrected, far.p_uncorrected)


@pytest.mark.parametrize('name', ['groups', 'ancova', 'F beside a covariate'])
def test_theils_basis_is_one_of_the_residuals(name):
    nuisance, interest, _ = CASES[name]
    method = make_method('huh-jhun', *as_design(interest, nuisance))
    n, r = nuisance.shape
    assert len(method.kept) == n - r
    basis = theil(nuisance, method.kept)
    np.testing.assert_allclose(basis @ basis.T, np.eye(n - r), atol=1e-12)
    np.testing.assert_allclose(basis @ nuisance, 0, atol=1e-12)
    values = data(n)
    units, lengths = unit_data(method, values)
    np.testing.assert_allclose(units * lengths, basis @ values, atol=1e-12)
    span = np.linalg.qr(basis @ interest)[0]
    design = reduced_design(method)
    np.testing.assert_allclose(span @ span.T, design @ design.T, atol=1e-10)


def test_equal_rows_are_told_as_equal_by_huh_and_jhun():
    # Without nuisance nothing is combined: the groups of a contrast of two means, no constant.
    method = make_method('huh-jhun', np.eye(2)[[0, 0, 1, 1, 1]], [[1, 0], [0, 1]])
    rows = reduced_design(method)
    assert len(np.unique(rows, axis=0)) == 2


def test_relabellings_that_the_nuisance_absorbs_are_left_out():
    # The regressor moved by some permutations is a nuisance column.
    nuisance = np.column_stack([np.ones(4), [1.0, 1, -1, -1]])
    interest = np.array([[1.0], [-1], [1], [-1]])
    test = as_design(interest, nuisance)
    schedule = draw_schedule(*test, method='dekker')
    values = data(4)
    chunk = permute(values, *test, schedule)
    moved = np.zeros((schedule.n_relabellings, 4))
    np.put_along_axis(moved, schedule.orders, np.tile(interest.T, (len(moved), 1)), axis=1)
    absorbed = np.abs(residuals(moved.T, nuisance)).max(axis=0) < 1e-12
    assert 0 < absorbed.sum() < len(absorbed)
    np.testing.assert_array_equal(np.isneginf(chunk.maxima), absorbed)
    result = merge([chunk], *test)
    t = [abs(statistic(values, row[:, None], nuisance)) for row in moved[~absorbed]]
    expected = np.mean(np.array(t) >= t[0] - 1e-7, axis=0)
    np.testing.assert_array_equal(result.p_uncorrected, expected)


def test_what_cannot_be_had_is_refused():
    design = np.column_stack([ONE, AB])
    with pytest.raises(ScheduleError, match='Unknown method'):
        draw_schedule(design, [0, 1], method='kennedy')
    with pytest.raises(ScheduleError, match='cannot permute within'):
        draw_schedule(design, [0, 1], method='huh-jhun', blocks=[1, 1, 1, 2, 2, 2, 2])
    with pytest.raises(ScheduleError, match='Variance groups cannot be had'):
        draw_schedule(design, [0, 1], method='dekker', groups=AB)
    with pytest.raises(DesignError, match='do not fit the observations'):
        draw_schedule(design, [0, 1], groups=AB[:5])


def test_a_schedule_of_huh_and_jhun_belongs_to_its_design():
    nuisance, interest, _ = CASES['regression']
    test = as_design(interest, nuisance)
    schedule = draw_schedule(*test, method='huh-jhun')
    assert schedule.n_observations == 5
    assert schedule.n_possible == 120
    permute(data(6), *test, schedule)
    plain = draw_schedule(*test)
    with pytest.raises(ScheduleError, match='does not fit the design'):
        permute(data(6), *test, plain._replace(method='huh-jhun'))


def test_draper_and_stoneman_take_the_regressor_as_it_is_written():
    # The same model in other words: the covariate is centred or not, which matters to them alone.
    values = data(7)
    centred = np.column_stack([ONE, Z - Z.mean(), AB])
    mixed = np.column_stack([ONE, Z - Z.mean(), AB + 0.3 * Z])
    p = {}
    for method, design in itertools.product(('dekker', 'draper-stoneman'), (centred, mixed)):
        schedule = draw_schedule(design, [0, 0, 1], method=method, n_perm=2000)
        result = merge([permute(values, design, [0, 0, 1], schedule)], design, [0, 0, 1])
        p.setdefault(method, []).append(result.p_uncorrected)
    np.testing.assert_allclose(stats.pearsonr(*p['dekker']).statistic, 1, atol=0.05)
    assert (p['draper-stoneman'][0] != p['draper-stoneman'][1]).any()
