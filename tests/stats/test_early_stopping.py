import numpy as np
import pytest

from nistats_nipype.exceptions import ScheduleError
from nistats_nipype.stats import early_stopping
from nistats_nipype.stats.early_stopping import permute_until
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute
from nistats_nipype.stats.sequential import (
    first_exceedances,
    merge_exceedances,
    negative_binomial,
)

RNG = np.random.default_rng(5)
VALUES = RNG.normal(size=(14, 90)) + np.linspace(-1.2, 1.2, 90)
DESIGNS = {
    'mean': (np.ones((14, 1)), [1]),
    'slope': (np.column_stack([np.ones(14), RNG.normal(size=14)]), [0, 1]),
    'F': (np.column_stack([np.ones(14), RNG.normal(size=(14, 2))]), np.eye(3)[1:]),
}


def reached(name, schedule, sidedness):
    """Which relabellings reach the observed value, one permutation of one row at a time."""
    test, rows = DESIGNS[name], []
    for row in range(schedule.n_relabellings):
        chunk = permute(VALUES, *test, schedule, start=row, stop=row + 1, sidedness=sidedness)
        rows.append(chunk.counts > 0)
    return np.array(rows)


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('name', DESIGNS)
def test_the_first_exceedances_are_those_of_all_relabellings(monkeypatch, name, sidedness):
    test = DESIGNS[name]
    schedule = draw_schedule(*test, n_perm=300, seed=4)
    expected = first_exceedances(reached(name, schedule, sidedness), 3)
    for first, bounds, threads in [(256, [0, 301], 1), (7, [0, 40, 41, 301], 2)]:
        monkeypatch.setattr(early_stopping, '_FIRST', first)
        parts = [
            permute_until(
                VALUES,
                *test,
                schedule,
                n_stop=3,
                start=start,
                stop=stop,
                sidedness=sidedness,
                num_threads=threads,
            )[0]
            for start, stop in zip(bounds[:-1], bounds[1:], strict=True)  # noqa: RUF007
        ]
        merged = merge_exceedances(parts)
        np.testing.assert_array_equal(merged.rows, expected.rows)
    p = negative_binomial(merged, 301).p
    every = merge(
        [permute(VALUES, *test, schedule, sidedness=sidedness)], *test, sidedness=sidedness
    )
    never = merged.rows[-1] > 300
    np.testing.assert_array_equal(p[never], every.p_uncorrected[never])
    assert not never.all()
    # Signs that separate an effect from the rest are not found in 300 flips.
    assert never.any() or name != 'mean'


def test_the_observed_statistic_is_given():
    test = DESIGNS['slope']
    schedule = draw_schedule(*test, n_perm=30)
    _, stat = permute_until(VALUES, *test, schedule)
    np.testing.assert_array_equal(stat, permute(VALUES, *test, schedule).stat)


def test_relabellings_that_leave_no_statistic_are_refused():
    design = np.array([[1.0, 1, 1], [1, 1, 0], [1, -1, 0], [1, -1, 0]])
    values = np.array([[1.0], [-1], [1], [-1]])
    schedule = draw_schedule(design, [0, 0, 1])._replace(exhaustive=False)
    with pytest.raises(ScheduleError, match='leaves no statistic at some point'):
        permute_until(values, design, [0, 0, 1], schedule)


def test_what_cannot_stop_early_is_refused():
    design = np.ones((5, 1))
    with pytest.raises(ScheduleError, match='cannot stop before its end'):
        permute_until(VALUES[:5], design, [1], draw_schedule(design, [1]))
    test = DESIGNS['slope']
    with pytest.raises(ScheduleError, match='Too few exceedances'):
        permute_until(VALUES, *test, draw_schedule(*test, n_perm=30), n_stop=0)
    grouped = draw_schedule(*test, n_perm=30, groups=np.repeat([0, 1], 7))
    with pytest.raises(ScheduleError, match='v and G cannot'):
        permute_until(VALUES, *test, grouped)
