import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats import pointwise
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute
from nistats_nipype.stats.pointwise import fit_points
from nistats_nipype.stats.tails import gamma_fit, gpd_tail

RNG = np.random.default_rng(2)
N = 24
DESIGN = np.column_stack([np.ones(N), np.repeat([0.0, 1], N // 2)])
VALUES = RNG.normal(size=(N, 60))
VALUES[N // 2 :] += np.linspace(-2.5, 2.5, 60)
TEST = DESIGN, [0, 1]


def both(n_perm=499, tail='gpd', sidedness='two-sided', groups=None, **options):
    schedule = draw_schedule(*TEST, n_perm=n_perm, seed=1, groups=groups, errors='exchangeable')
    side = {'sidedness': sidedness}
    result = merge([permute(VALUES, *TEST, schedule, **side)], *TEST, **side)
    return (
        schedule,
        result,
        fit_points(VALUES, *TEST, schedule, result, tail=tail, **side, **options),
    )


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
def test_p_are_those_of_a_fit_to_each_null(tail, sidedness):
    schedule, result, found = both(tail=tail, sidedness=sidedness)
    t = np.array(
        [
            stats.ttest_ind(VALUES[order[N // 2 :]], VALUES[order[: N // 2]]).statistic
            for order in schedule.orders
        ]
    )
    t = {'two-sided': np.abs, 'positive': np.positive, 'negative': np.negative}[sidedness](t)
    small = result.p_uncorrected < 0.1
    function = gpd_tail if tail == 'gpd' else gamma_fit
    expected = function(t[:, small], t[0, small], n_possible=schedule.n_possible)
    np.testing.assert_allclose(found.p[small], expected.p, rtol=1e-6)
    np.testing.assert_array_equal(found.source[small], expected.source)
    np.testing.assert_array_equal(found.p[~small], result.p_uncorrected[~small])
    assert not found.source[~small].any()
    # Far below what 500 relabellings can count, and near the parametric p.
    parametric = stats.t.sf(t[0], N - 2) * (1 + (sidedness == 'two-sided'))
    tiny = parametric < 1e-5
    assert tiny.any()
    # A gamma distribution is too heavy for the tail of t**2; that of Pareto is near.
    assert np.abs(np.log10(found.p[tiny] / parametric[tiny])).max() < (3 if tail == 'gpd' else 5)
    assert found.p[tiny].max() < 1 / 500


def test_blocks_and_threads_have_no_influence(monkeypatch):
    expected = both()[2]
    monkeypatch.setattr(pointwise, '_NUMBERS', 3000)
    for found in (both()[2], both(num_threads=2)[2]):
        for one, other in zip(found, expected, strict=True):
            assert one.tobytes() == other.tobytes()


def test_scores_of_variance_groups_are_fitted():
    _, result, found = both(groups=DESIGN[:, 1])
    fitted = found.source > 0
    assert fitted.any()
    welch = stats.ttest_ind(VALUES[N // 2 :], VALUES[: N // 2], equal_var=False).pvalue
    error = np.log10(found.p[fitted] / welch[fitted])
    assert np.abs(error[welch[fitted] > 1e-5]).max() < 1.5
    assert result.scale == 'z'


def test_an_exhaustive_schedule_is_exact():
    design = np.ones((6, 1))
    schedule = draw_schedule(design, [1])
    result = merge([permute(VALUES[:6], design, [1], schedule)], design, [1])
    found = fit_points(VALUES[:6], design, [1], schedule, result, tail='gpd')
    np.testing.assert_array_equal(found.p, result.p_uncorrected)


def test_pseudo_t_is_refused():
    schedule, result, _ = both()
    with pytest.raises(InputError, match='smoothed variance'):
        fit_points(VALUES, *TEST, schedule, result._replace(scale='stat'), tail='gpd')
