from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import InputError, ScheduleError
from nistats_nipype.stats.sequential import (
    NONE,
    Exceedances,
    first_exceedances,
    merge_exceedances,
    monte_carlo_interval,
    negative_binomial,
)


def one_by_one(reached, n_stop):
    # Besag and Clifford 1991, as stated; row 0 is the observed labelling.
    count = 0
    for drawn, hit in enumerate(reached[1:], 1):
        count += hit
        if count == n_stop:
            return n_stop / drawn, drawn
    return (count + 1) / len(reached), len(reached) - 1


@pytest.mark.parametrize('n_stop', [1, 2, 5])
def test_p_are_those_of_the_procedure_as_published(n_stop):
    rng = np.random.default_rng(n_stop)
    reached = rng.uniform(size=(60, 200)) < rng.uniform(0, 0.4, size=200)
    reached[0] = rng.uniform(size=200) < 0.5  # has no say
    result = negative_binomial(first_exceedances(reached, n_stop), 60)
    expected = [one_by_one(column, n_stop) for column in reached.T]
    np.testing.assert_array_equal(result.p, [p for p, _ in expected])
    np.testing.assert_array_equal(result.n_used, [n for _, n in expected])
    assert 0 < result.stopped.sum() < 200
    assert f'{result.stopped.sum()} of 200 points stopped after {n_stop}' in result.method


@pytest.mark.parametrize('cuts', [[1], [7, 8, 30], [20, 20, 21, 59]])
def test_chunks_do_not_matter(cuts):
    reached = np.random.default_rng(0).uniform(size=(60, 50)) < 0.06
    whole = first_exceedances(reached, 3)
    bounds = [0, *cuts, 60]
    parts = [first_exceedances(reached[low:high], 3, start=low) for low, high in pairwise(bounds)]
    for order in (parts, parts[::-1]):
        merged = merge_exceedances(order)
        assert (merged.start, merged.stop) == (0, 60)
        np.testing.assert_array_equal(merged.rows, whole.rows)
    nested = merge_exceedances([merge_exceedances(parts[:2]), *parts[2:]])
    np.testing.assert_array_equal(nested.rows, whole.rows)


def test_expectation_by_enumeration():
    # Distribution of p when a relabelling reaches the statistic with probability q: by
    # running through all 2 ** 9 outcomes, and by the negative binomial distribution.
    q, n_stop, n_relabellings = 0.3, 2, 10
    outcomes = (np.arange(2**9)[:, None] >> np.arange(9)) & 1
    chances = np.prod(np.where(outcomes, q, 1 - q), axis=1)
    reached = np.vstack([np.ones(2**9, dtype=bool), outcomes.T.astype(bool)])
    result = negative_binomial(first_exceedances(reached, n_stop), n_relabellings)
    draws = np.arange(n_stop, n_relabellings)
    stopping = stats.nbinom(n_stop, q).pmf(draws - n_stop)
    left = stats.binom(n_relabellings - 1, q).pmf(np.arange(n_stop))
    expected_p = np.sum(stopping * n_stop / draws) + np.sum(left * [0.1, 0.2])
    assert chances @ result.p == pytest.approx(expected_p, rel=1e-12)
    assert chances @ result.n_used == pytest.approx(stopping @ draws + left.sum() * 9, rel=1e-12)
    assert chances @ result.stopped == pytest.approx(stopping.sum(), rel=1e-12)


def test_p_are_valid():
    # Under the null hypothesis the share q that reaches the statistic is uniform, so that any
    # exceedances among l draws are equally likely: P(p <= h / l) = h / l, exactly.
    n_relabellings, n_stop = 200, 4
    rng = np.random.default_rng(1)
    statistic = rng.normal(size=(n_relabellings, 20_000))
    found = first_exceedances(statistic >= statistic[0], n_stop)
    p = negative_binomial(found, n_relabellings).p
    for alpha in (n_stop / 5, n_stop / 20, n_stop / 80, 2 / n_relabellings):
        low, high = stats.binom.interval(0.999, p.size, alpha)
        assert low <= np.sum(p <= alpha) <= high


def test_a_test_may_end_when_all_points_have_stopped():
    reached = np.ones((5, 3), dtype=bool)
    result = negative_binomial(first_exceedances(reached, 2), 1000)
    np.testing.assert_array_equal(result.p, [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(result.n_used, [2, 2, 2])


@pytest.mark.parametrize(('start', 'stop'), [(0, 9), (1, 10), (0, 11)])
def test_missing_relabellings_are_refused(start, stop):
    rows = np.full((2, 3), NONE)
    with pytest.raises(ScheduleError, match='not those that the test needs'):
        negative_binomial(Exceedances(start, stop, rows), 10)


def test_ranges_that_do_not_join_are_refused():
    part = first_exceedances(np.ones((3, 1)), 1, start=4)
    for parts in ([], [part, part], [part, part._replace(start=8, stop=9)]):
        with pytest.raises(ScheduleError, match='do not join'):
            merge_exceedances(parts)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(InputError, match='cannot be found'):
        first_exceedances(np.ones((3, 1)), 0)
    with pytest.raises(InputError, match='cannot be found'):
        first_exceedances(np.ones(3), 1)


@pytest.mark.parametrize('level', [0.9, 0.95, 0.999])
@pytest.mark.parametrize('n', [2, 101, 5000])
def test_intervals_match_scipy(n, level):
    counts = np.unique([1, 2, n // 20 + 1, n // 2, n - 1, n])
    counts = counts[counts > 0]
    interval = monte_carlo_interval(counts, n, level=level)
    for count, low, high in zip(counts, interval.low, interval.high, strict=True):
        expected = stats.binomtest(int(count) - 1, n - 1).proportion_ci(level, 'exact')
        assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-6)
        assert low <= count / n <= high
    # one draw of n - 1 reaches it: the lower end has a closed form
    lowest = -np.expm1(np.log1p(-(1 - level) / 2) / (n - 1))
    assert interval.low[counts == 2] == pytest.approx(lowest, rel=1e-12)
    assert f'{100 * level:g} %' in interval.method
    assert f'{n - 1} random' in interval.method


def test_intervals_hold_as_often_as_they_say():
    p = 0.03
    chances = stats.binom(499, p).pmf(np.arange(500))
    interval = monte_carlo_interval(np.arange(1, 501), 500)
    covered = chances @ ((interval.low <= p) & (p <= interval.high))
    assert 0.95 <= covered < 0.98


def test_all_relabellings_leave_no_doubt():
    interval = monte_carlo_interval([1, 7], 32, exhaustive=True)
    np.testing.assert_array_equal(interval.low, [1 / 32, 7 / 32])
    np.testing.assert_array_equal(interval.high, interval.low)
    assert interval.method == 'exact: all 32 relabellings'


@pytest.mark.parametrize('count', [0, 11, [3, 12]])
def test_counts_out_of_range_are_refused(count):
    with pytest.raises(InputError, match='out of range'):
        monte_carlo_interval(count, 10)
    with pytest.raises(InputError, match='between 0 and 1'):
        monte_carlo_interval(3, 10, level=95)
