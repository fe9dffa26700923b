"""Corrected p by counting or by a fitted tail: what is kept, replaced and possible."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats.approximation import (
    FEW,
    SMALLEST,
    approximate,
    count_sources,
    on_side,
    smallest_of_schedule,
)
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.tails import SOURCES, gamma_fit, gpd_tail

MANY = 10**30


def make(n, seed=0):
    """Maxima of 100 absolute normal values, some observed values, and their counted p."""
    random = np.random.default_rng(seed)
    null = np.abs(random.normal(size=(n, 100))).max(axis=1)
    null[0] = 5.5
    observed = np.array([0.0, 2.0, 2.8, 3.4, 4.0, 5.5, np.nan])
    p = (null[:, None] >= observed).mean(axis=0)
    return null, observed, np.where(np.isnan(observed), np.nan, p)


def true_p(observed):
    return 1 - (1 - 2 * stats.norm.sf(observed)) ** 100


def test_nothing_is_fitted_unless_asked():
    null, observed, p = make(500)
    found = approximate(p, null, observed)
    np.testing.assert_array_equal(found.p, p)
    assert found.tail is None
    assert (found.smallest, found.method) == (1 / 500, 'counts of 500 relabellings')
    assert count_sources(found.source) == {'count': 7, 'fit': 0, 'limit': 0}


@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
@pytest.mark.parametrize('n', [FEW - 1, 2000])
def test_small_p_are_those_of_the_tail(tail, n):
    null, observed, p = make(n)
    found = approximate(p, null, observed, tail=tail, n_possible=MANY)
    function = {'gpd': gpd_tail, 'gamma': gamma_fit}[tail]
    along = tail == 'gamma' or n < FEW
    expected = function(null, observed, n_possible=MANY, fit_observed=along).p
    fitted = found.source > 0
    np.testing.assert_array_equal(found.p[fitted], expected[fitted])
    np.testing.assert_array_equal(found.p[~fitted], p[~fitted])
    assert fitted[3:6].all()
    # Every relabelling reaches 0; NaN is not tested. Neither is a matter of a fit.
    assert not fitted[[0, 6]].any()
    assert found.p[0] == 1
    assert found.observed_fitted == along
    assert found.method.startswith({'gpd': 'counts of', 'gamma': 'gamma'}[tail])
    assert found.smallest == SMALLEST or found.smallest == 1 / MANY
    if n == 2000:
        # Against the truth, which no relabelling was needed for.
        np.testing.assert_allclose(np.log(found.p[1:5]), np.log(true_p(observed[1:5])), atol=0.6)


def test_all_relabellings_leave_nothing_to_fit():
    """Of the 32 sign flips of 5 values, two give every absolute t."""
    y = np.random.default_rng(1).normal(size=(5, 30))
    flips = [np.array(signs)[:, None] for signs in itertools.product((1, -1), repeat=5)]
    for side, n_equivalent in (('two-sided', 2), ('positive', 1), ('negative', 1)):
        maps = on_side(np.array([stats.ttest_1samp(y * s, 0).statistic for s in flips]), side)
        null, observed = maps.max(axis=1), maps[0]
        p = (null[:, None] >= observed - 1e-9).mean(axis=0)
        for tail in ('none', 'gpd', 'gamma'):
            found = approximate(p, null, observed, tail=tail, n_possible=32)
            np.testing.assert_array_equal(found.p, p)
            assert found.method == 'exact: all 32 relabellings'
            assert found.smallest == n_equivalent / 32
            assert not found.source.any()
            assert not found.observed_fitted


@pytest.mark.parametrize('n_possible', [10**400, math.factorial(300)])
@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
def test_more_relabellings_than_a_float_can_hold(tail, n_possible):
    null, _, _ = make(500)
    found = approximate([1 / 500], null, [500.0], tail=tail, n_possible=n_possible)
    assert found.p[0] == SMALLEST == found.smallest
    assert SOURCES[found.source[0]] == 'limit'
    assert np.float32(found.p[0]) > 0


def test_few_possible_relabellings_bound_p():
    null, _, _ = make(500)
    found = approximate([1 / 500], null, [50.0], tail='gpd', n_possible=5040)
    assert (found.p[0], found.smallest) == (1 / 5040, 1 / 5040)
    assert count_sources(found.source) == {'count': 0, 'fit': 0, 'limit': 1}


def test_a_tail_that_does_not_fit_leaves_counts():
    """As with maxima of a discrete statistic."""
    null = np.random.default_rng(2).integers(0, 3, size=500).astype(float)
    null[0] = 3
    found = approximate([1 / 500], null, [3.0], tail='gpd', n_possible=MANY)
    assert (found.p[0], found.smallest) == (1 / 500, 1 / 500)
    assert 'no tail' in found.method


def test_a_tail_that_is_not_wanted_was_not_refused():
    null, _, _ = make(500)
    null[0] = np.median(null)
    p = np.array([(null >= null[0]).mean()])
    found = approximate(p, null, null[:1], tail='gpd', n_possible=MANY)
    assert found.p == p
    assert found.smallest == 1 / MANY


@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        ({'tail': 'normal', 'n_possible': 5}, ["'normal'", 'none, gpd, gamma']),
        ({'tail': 'gpd'}, ['how many relabellings there are', 'schedule_metadata_file']),
    ],
)
def test_refusals(inputs, words):
    with pytest.raises(InputError) as caught:
        approximate([0.5, 1], [1, 2], [1.5, 0], **inputs)
    assert all(word in str(caught.value) for word in words)


GROUPS = np.repeat([1.0, 0.0], 4)
SITES = np.repeat(np.eye(3), 2, axis=0)
SMALLEST_CASES = {
    'flips, two sides': (np.ones((5, 1)), [1], {'two-sided': 2 / 32}),
    'flips, one side': (np.ones((5, 1)), [1], {'positive': 1 / 32, 'negative': 1 / 32}),
    # Names of groups of one size can be exchanged, if the sign does not matter.
    'two groups': (
        np.column_stack([GROUPS, 1 - GROUPS]), [1, -1],
        {'two-sided': 2 / 70, 'positive': 1 / 70, 'negative': 1 / 70},
    ),
    'groups of 3 and 5': (
        np.column_stack([np.ones(8), np.arange(8) < 3]), [0, 1], {'two-sided': 1 / 56}
    ),
    'three groups': (SITES, [[1, -1, 0], [0, 1, -1]], {'two-sided': 6 / 90}),
    'a covariate': (
        np.column_stack([np.ones(5), [1, 2, 4, 8, 9], [0, 1, 0, 1, 1]]), [0, 1, 0],
        {'two-sided': 1 / 120},
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', SMALLEST_CASES)
def test_smallest_p_of_a_schedule(case):
    design, contrast, expected = SMALLEST_CASES[case]
    schedule = draw_schedule(design, contrast)
    assert schedule.exhaustive
    for sidedness, smallest in expected.items():
        found = smallest_of_schedule(schedule, design, contrast, sidedness)
        assert found == pytest.approx(smallest)
