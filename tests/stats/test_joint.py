"""Correction over contrasts: by hand, and on the scale of SciPy's p."""

import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import ScheduleError
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.joint import common_scores, correct_jointly


def test_p_is_the_share_of_relabellings_that_reach():
    random = np.random.default_rng(0)
    nulls = random.integers(0, 30, size=(3, 200)).astype(float)  # with ties
    observed = random.integers(0, 40, size=(3, 50)).astype(float)
    found = correct_jointly(observed, nulls)
    expected = [
        [sum(any(null[b] >= value for null in nulls) for b in range(200)) / 200 for value in row]
        for row in observed
    ]
    np.testing.assert_array_equal(found.p_fwe, expected)


def test_more_contrasts_never_lower_p():
    random = np.random.default_rng(1)
    nulls, observed = random.normal(size=(4, 99)), random.normal(size=(4, 20)) + 1
    p = [correct_jointly(observed[:n], nulls[:n]).p_fwe[0] for n in (1, 2, 3, 4)]
    assert (np.diff(p, axis=0) >= 0).all()
    assert (p[-1] > p[0]).any()


def test_the_order_of_relabellings_matters():
    """Contrasts are compared within each relabelling, not as two sorted distributions."""
    one, other = [3.0, 1.0, 2.0, 0.0], [3.0, 0.0, 2.0, 1.0]
    assert correct_jointly([[1.0]], [one]).p_fwe == 0.75
    assert correct_jointly([[1.0]] * 2, [one, one]).p_fwe[0] == 0.75
    assert correct_jointly([[1.0]] * 2, [one, other]).p_fwe[0] == 1


def test_other_numbers_of_relabellings_are_refused():
    with pytest.raises(ScheduleError, match='3 and 4 of them'):
        correct_jointly([[1.0], [1.0]], [np.zeros(4), np.zeros(3)])


@pytest.mark.parametrize('dof', [(1, 3), (1, 40), (2, 9), (5, 100)])
def test_scores_of_f_have_its_p(dof):
    f = np.array([0.01, 0.5, 1.0, 3.0, 20.0])
    z = common_scores(f, 'F', 'positive', dof)
    np.testing.assert_allclose(stats.norm.sf(z), stats.f.sf(f, *dof), rtol=1e-9)


@pytest.mark.parametrize(('sidedness', 'n_sides'), [('two-sided', 2), ('negative', 1)])
def test_scores_of_t_have_the_p_of_their_side(sidedness, n_sides):
    t = np.array([0.1, 1.0, 5.0])
    z = common_scores(t, 't', sidedness, (1, 12))
    np.testing.assert_allclose(stats.norm.sf(z), n_sides * stats.t.sf(t, 12), rtol=1e-9)


def test_t_on_two_sides_is_the_f_of_its_square():
    t = np.linspace(0, 30, 100)
    for tie in (False, True):
        np.testing.assert_allclose(
            common_scores(t, 't', 'two-sided', (1, 7), tie=tie),
            common_scores(t**2, 'F', 'positive', (1, 7), tie=tie),
            rtol=1e-12,
        )


def test_scores_at_the_ends():
    for kind, sidedness in (('F', 'positive'), ('t', 'two-sided'), ('t', 'positive')):
        z = common_scores([0.0, np.inf, np.nan], kind, sidedness, (1, 7))
        assert z[0] == (0 if sidedness == 'positive' and kind == 't' else -np.inf)
        assert z[1] == np.inf
        assert np.isnan(z[2])
        assert common_scores(0.0, kind, sidedness, (1, 7), tie=True) <= z[0]


@pytest.mark.parametrize('n', [1e-3, 1.0, 1e3, 1e7])
@pytest.mark.parametrize(('kind', 'sidedness'), [('F', 'positive'), ('t', 'positive')])
def test_ties_are_those_of_the_correlation(n, kind, sidedness):
    """A statistic of a correlation that is smaller by less than 1e-10 ties, and no other."""
    dof = (1, 6)
    r = np.sqrt(n / (n + 6.0))

    def score(r, **options):
        t = r * np.sqrt(6.0 / (1 - r**2))
        return common_scores(t if kind == 't' else t**2, kind, sidedness, dof, **options)[0]

    limit = score(r, tie=True)
    assert score(r - 0.5e-10) >= limit
    assert score(r - 2e-10) < limit
    assert limit < score(r)


def test_digest_tells_schedules_apart():
    design = np.column_stack([np.ones(12), np.arange(12.0)])

    def digest(contrast=(0, 1), **options):
        return draw_schedule(design, contrast, n_perm=20, **options).digest

    assert digest() == digest() != digest(seed=1)
    # The contrast decides nothing but between permutations and flips.
    assert digest(errors='symmetric') == digest((1, 0))
    others = {digest(errors=errors) for errors in ('symmetric', 'exchangeable', 'both')}
    assert len(others) == 3
    assert len({*others, digest(blocks=np.repeat([1, 2], 6))}) == 4


def test_relabellings_without_a_statistic_do_not_count():
    """One that has a statistic of one contrast counts with that."""
    nulls = [[2.0, np.nan, 1.0, np.nan], [1.0, 3.0, 0.0, np.nan]]
    found = correct_jointly([[2.0], [3.0]], nulls)
    np.testing.assert_array_equal(found.null, [2, 3, 1, np.nan])
    np.testing.assert_array_equal(found.p_fwe, [[2 / 3], [1 / 3]])


def test_scores_of_v_and_g_become_those_of_their_test():
    z = np.array([0.0, 0.3, 2.0, 9.0])
    about = {'dof': (1, 12), 'scale': 'z'}
    for kind in ('t', 'F'):
        two_sided = common_scores(z, kind, 'two-sided', **about)
        np.testing.assert_allclose(stats.norm.sf(two_sided), 2 * stats.norm.sf(z), rtol=1e-12)
    np.testing.assert_array_equal(common_scores(z, 't', 'positive', **about), z)
    np.testing.assert_array_equal(common_scores(z, 'F', 'positive', (2, 12), scale='z'), z)
    lower = common_scores(z, 'F', 'positive', (2, 12), scale='z', tie=True)
    np.testing.assert_allclose(z - lower, 1e-8 * (1 + z), rtol=1e-5)
