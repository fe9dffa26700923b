import mpmath
import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats import exchange, permutation
from nistats_nipype.stats.moments import Moments, merge_moments, moments
from nistats_nipype.stats.pareto import anderson_darling, fit_pareto, log_survival
from nistats_nipype.stats.tails import SOURCES, gamma_fit, gpd_tail

MANY = 10**12  # relabellings that exist: p can be as small as 1e-12
COUNT, FIT, LIMIT = range(len(SOURCES))


class MaxT:
    """Maximum of 1,000 absolute t, 20 degrees of freedom."""

    @staticmethod
    def isf(p):
        return stats.t(20).isf(-np.expm1(np.log1p(-p) / 1000) / 2)


NULLS = {
    'exponential': stats.expon(),
    'pareto': stats.genpareto(0.1),
    'gamma': stats.gamma(4.0),
    't': stats.t(20),
    'max t': MaxT(),
}


def draw(name, shape, seed):
    return NULLS[name].isf(np.random.default_rng(seed).uniform(size=shape))


def log_ratio(name, n_relabellings, p, seed, method, **options):
    # log10 of p found / p true, over 1,000 nulls with the observed value in the first row.
    null = draw(name, (n_relabellings, 1000), seed)
    null[0] = NULLS[name].isf(p)
    return np.log10(method(null, null[0], n_possible=MANY, **options).p / p)


# Bias (median) and spread (standard deviation) of log10 p, as measured: limits a little wider.
@pytest.mark.parametrize(
    ('name', 'n', 'p', 'bias', 'spread'),
    [
        ('exponential', 500, 1e-2, 0.05, 0.15),
        ('exponential', 500, 1e-3, 0.12, 0.35),
        ('exponential', 500, 1e-5, 0.30, 0.80),
        ('pareto', 500, 1e-3, 0.20, 0.50),
        ('pareto', 2000, 1e-5, 0.30, 1.00),
        ('max t', 100, 1e-2, 0.10, 0.40),
        ('max t', 100, 1e-3, 0.15, 0.70),
        ('max t', 500, 1e-2, 0.10, 0.20),
        ('max t', 500, 1e-3, 0.15, 0.35),
        ('max t', 500, 1e-5, 0.20, 0.80),
        ('gamma', 500, 1e-3, 0.35, 0.25),  # lighter than exponential: p on the safe side
        ('t', 500, 1e-3, 0.45, 0.35),
    ],
)
def test_bias_and_spread_of_pareto_p(name, n, p, bias, spread):
    found = log_ratio(name, n, p, 1, gpd_tail)
    assert abs(np.median(found)) < bias
    assert found.std() < spread
    if name in ('gamma', 't'):
        assert np.median(found) > 0


@pytest.mark.parametrize(
    ('n', 'p', 'spread'),
    [(500, 1e-2, 0.2), (500, 1e-3, 0.35), (2000, 1e-3, 0.2), (2000, 1e-5, 0.4)],
)
def test_bias_and_spread_of_gamma_p_on_a_gamma_null(n, p, spread):
    found = log_ratio('gamma', n, p, 2, gamma_fit, fit_observed=False)
    assert abs(np.median(found)) < 0.1
    assert found.std() < spread


def test_a_tail_that_may_end_gives_p_far_too_small():
    # Why the default is not PALM's bounded tail.
    free = log_ratio('max t', 100, 1e-4, 3, gpd_tail, bounded=True)
    default = log_ratio('max t', 100, 1e-4, 3, gpd_tail)
    assert np.median(free) < -0.6
    assert np.mean(free == -8) > 0.2
    assert abs(np.median(default)) < 0.25
    assert np.quantile(default, 0.05) > -2


def test_an_observed_value_in_its_own_tail_hides_itself():
    inside = log_ratio('max t', 100, 1e-4, 3, gpd_tail, bounded=True, fit_observed=True)
    assert np.median(inside) > 1.2


@pytest.mark.parametrize(
    ('method', 'options', 'n', 'rates'),
    [
        (gpd_tail, {}, 500, {0.05: 1.0, 0.01: 1.0, 0.001: 1.0}),
        (gpd_tail, {}, 100, {0.05: 1.09, 0.01: 1.18, 0.001: 1.5}),  # as the docstring says
        (gpd_tail, {'bounded': True, 'fit_observed': True}, 500, {0.05: 1.0, 0.01: 1.0}),
        (gamma_fit, {}, 500, {0.05: 1.0, 0.01: 1.05, 0.001: 1.3}),
    ],
)
def test_small_p_are_rare_under_the_null_hypothesis(method, options, n, rates):
    null = draw('max t', (n, 8000), 4)
    p = method(null, null[0], n_possible=MANY, **options).p
    for alpha, rate in rates.items():
        # the upper end of a 99.9 % binomial interval
        assert np.sum(p <= alpha) <= stats.binom.ppf(0.9995, p.size, alpha * rate)
        assert np.sum(p <= alpha) >= stats.binom.ppf(0.0005, p.size, 0.75 * alpha)


def test_familywise_p_of_few_relabellings_agree_with_many():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(20, 200))
    values[:, :12] += np.linspace(0.9, 1.4, 12)
    design = np.ones((20, 1))

    def run(n_perm, seed):
        schedule = exchange.draw_schedule(design, [1], n_perm=n_perm, seed=seed)
        chunk = permutation.permute(values, design, [1], schedule, sidedness='positive')
        result = permutation.merge([chunk], design, [1], sidedness='positive')
        return result, schedule

    reference, _ = run(19_999, 0)
    compared = (reference.p_fwe > 5e-4) & (reference.p_fwe < 0.05)
    assert compared.sum() >= 6
    for n_perm, tolerance in ((99, 0.8), (499, 0.4)):
        differences = []
        for seed in range(1, 9):
            few, schedule = run(n_perm, seed)
            fit = gpd_tail(few.null, few.stat, n_possible=schedule.n_possible)
            assert (fit.source[compared & (few.p_fwe < 0.1)] == FIT).all()
            np.testing.assert_array_equal(
                fit.p[fit.source == COUNT], few.p_fwe[fit.source == COUNT]
            )
            differences.append(np.log10(fit.p / reference.p_fwe)[compared])
        assert abs(np.mean(differences)) < tolerance / 2
        assert np.std(differences) < tolerance
        # Counts of 100 cannot tell p of 5e-4 from p of 0.01; the fit can.
        ranks = stats.spearmanr(fit.p[compared], reference.p_fwe[compared]).statistic
        assert ranks == pytest.approx(1.0, abs=1e-9)


def test_one_null_and_many_nulls_agree():
    null = draw('max t', (300, 7), 6)
    together = gpd_tail(null, null[0] + 1, n_possible=MANY)
    gammas = gamma_fit(null, null[0] + 1, n_possible=MANY)
    for point, column in enumerate(null.T):
        alone = gpd_tail(column, [column[0] + 1], n_possible=MANY)
        assert alone.p[0] == together.p[point]
        assert alone.source[0] == together.source[point]
        if alone.n_exceedances:
            assert alone.parameters['scale'] == together.parameters['scale'][point]
            assert alone.threshold == together.threshold[point]
        alone = gamma_fit(column, [column[0] + 1], n_possible=MANY)
        assert alone.p[0] == pytest.approx(gammas.p[point], rel=1e-12)
        assert alone.fit_p == pytest.approx(gammas.fit_p[point], rel=1e-12)


def test_p_fall_as_the_statistic_rises():
    for seed in range(30):
        null = draw('max t', 200, seed)
        observed = np.sort(np.concatenate([null, np.linspace(3, 40, 500)]))
        for options in ({}, {'bounded': True}, {'fit_observed': True}):
            p = gpd_tail(null, observed, n_possible=MANY, **options).p
            assert (np.diff(p) <= 0).all()
            assert p.min() >= 1 / MANY
        assert (np.diff(gamma_fit(null, observed, n_possible=MANY).p) <= 0).all()


def test_moment_estimates_are_near_the_maximum_of_likelihood():
    null = stats.genpareto(0.1, scale=2.0).rvs(20_000, random_state=7)
    fit = fit_pareto(null[:, None], 0.25)
    excess = null[null > fit.threshold[0]] - fit.threshold[0]
    assert excess.size == fit.n_exceedances[0]
    shape, _, scale = stats.genpareto.fit(excess, floc=0)
    assert fit.shape[0] == pytest.approx(shape, abs=0.03)
    assert fit.scale[0] == pytest.approx(scale, rel=0.03)
    # a tail of a Pareto distribution is one, with a scale that grows with the threshold
    assert fit.shape[0] == pytest.approx(0.1, abs=0.05)
    assert fit.scale[0] == pytest.approx(2.0 + 0.1 * fit.threshold[0], rel=0.05)


def test_estimates_are_the_moments_of_the_fitted_distribution():
    excess = np.random.default_rng(8).exponential(size=60) ** 1.1
    null = np.concatenate([np.zeros(180), excess + 1e-9])
    fit = fit_pareto(null[:, None], 0.25, bounded=True)
    fitted = stats.genpareto(fit.shape[0], fit.threshold[0], fit.scale[0])
    values = null[null > fit.threshold[0]]
    np.testing.assert_allclose(fitted.stats('mv'), [values.mean(), values.var(ddof=1)], rtol=1e-10)


@pytest.mark.parametrize('shape', [-0.4, -1e-6, 0.0, 1e-6, 0.3])
def test_pareto_tail_matches_scipy(shape):
    x = np.array([0.0, 1e-9, 0.5, 2.0, 4.9, 30.0])
    np.testing.assert_allclose(
        log_survival(x, 2.0, shape), stats.genpareto(shape, scale=2.0).logsf(x), rtol=1e-9
    )


@pytest.mark.parametrize('level', [0.1, 0.05, 0.01])
def test_the_anderson_darling_table_holds_for_its_own_null(level):
    # Exponential tails of 100 values, scale and shape by moments: measured 0.096, 0.048, 0.012.
    excess = -np.sort(-np.random.default_rng(9).exponential(size=(100, 5000)), axis=0)
    mean = excess.mean(axis=0)
    ratio = mean**2 / excess.var(axis=0, ddof=1)
    scale, shape = mean * (ratio + 1) / 2, (1 - ratio) / 2
    p = anderson_darling(log_survival(excess, scale, shape), shape)
    assert np.mean(p <= level) == pytest.approx(level, rel=0.4)


def test_the_anderson_darling_statistic_is_that_of_scipy():
    # At the tabulated points p is the tabulated one, and in between it is monotone.
    u = np.sort(np.random.default_rng(10).uniform(size=30))[::-1]
    log_upper = np.log(1 - u)[:, None]
    n = np.arange(1, 31)
    ascending = u[::-1]
    statistic = -30 - np.sum((2 * n - 1) * (np.log(ascending) + np.log1p(-ascending[::-1]))) / 30
    lower, upper = 0.397, 2.064
    expected = np.exp(
        np.interp(
            statistic,
            [lower, 0.569, 0.796, 0.974, 1.158, 1.409, 1.603, upper],
            np.log([0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001]),
        )
    )
    assert anderson_darling(log_upper, np.zeros(1))[0] == pytest.approx(expected, rel=1e-9)


def test_a_tail_that_does_not_fit_is_shortened():
    # A clump in the middle of the first tail, exponential above.
    rng = np.random.default_rng(11)
    null = np.concatenate([rng.uniform(size=800), np.full(120, 1.5), 2 + rng.exponential(size=80)])
    null = np.concatenate([[0.5], rng.permutation(null)])
    result = gpd_tail(null, [6.0, 8.0], n_possible=MANY)
    assert 10 <= result.n_exceedances <= 80
    assert result.threshold >= 1.5
    assert result.fit_p > 0.05
    np.testing.assert_allclose(np.log10(result.p), np.log10(0.08 * np.exp([-4, -6])), atol=0.4)


@pytest.mark.parametrize('skewness', [-2.0, -0.3, -1e-5, 0.0, 1e-9, 1e-5, 0.01, 0.8, 3.0])
def test_gamma_p_match_pearson3(skewness):
    found = Moments(1000, np.array(2.0), np.array(999 * 9.0), np.array(0.0))
    n = found.n
    biased = skewness * (n - 2) / np.sqrt(n * (n - 1))
    found = found._replace(cubes=biased * found.squares**1.5 / np.sqrt(n))
    observed = np.array([-10.0, 0.0, 2.0, 6.0, 11.0, 20.0])
    result = gamma_fit(found, observed, n_possible=10**300)
    reference = stats.pearson3(skewness, 2.0, 3.0)
    expected = np.maximum(reference.sf(observed), 1e-300)
    # SciPy takes a skewness below 1.6e-5 for none.
    np.testing.assert_allclose(result.p, expected, rtol=2e-3 if abs(skewness) < 1e-4 else 1e-9)
    assert result.parameters['skewness'] == pytest.approx(skewness, abs=1e-12)
    assert result.threshold == pytest.approx(reference.isf(0.05), rel=1e-4)


@pytest.mark.parametrize('skewness', [-0.1, -0.01, -0.0031, -0.0029, -1e-4, -1e-6, 1e-4, 0.01])
@pytest.mark.parametrize('z', [1.0, 3.9, 4.1, 5.0, 7.5])
def test_small_skewness_against_mpmath(skewness, z):
    with mpmath.workdps(30):
        half = mpmath.mpf(skewness) / 2

        def density(t):
            return mpmath.exp((1 / half**2 - 1) * mpmath.log1p(half * t) - t / half)

        steps = range(-14, 19)
        tail = mpmath.quad(density, [z, *(t for t in steps if t > z)])
        expected = float(tail / mpmath.quad(density, steps))
    n = 10**6
    cubes = skewness * (n - 2) / np.sqrt(n * (n - 1)) * (n - 1) ** 1.5 / np.sqrt(n)
    found = Moments(n, np.array(0.0), np.array(n - 1.0), np.array(cubes))
    p = gamma_fit(found, [z], n_possible=10**300).p[0]
    assert p == pytest.approx(expected, rel=0.01 if z > 4 and -0.003 < skewness < 0 else 1e-9)


def test_moments_match_scipy_and_merge():
    values = np.random.default_rng(12).gamma(2.0, size=(137, 4)) + 1000
    found = moments(values)
    np.testing.assert_allclose(found.variance, values.var(axis=0, ddof=1), rtol=1e-10)
    np.testing.assert_allclose(found.skewness, stats.skew(values, bias=False), rtol=1e-8)
    merged = merge_moments([moments(part) for part in np.split(values, [1, 40, 90])])
    assert merged.n == 137
    for got, expected in zip(merged[1:], found[1:], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8)
    streamed = gamma_fit(merged, values[0], n_possible=MANY)
    np.testing.assert_allclose(
        streamed.p, gamma_fit(values, values[0], n_possible=MANY).p, rtol=1e-8
    )
    assert np.isnan(streamed.fit_p).all()


def test_gamma_goodness_of_fit():
    result = gamma_fit(draw('gamma', (500, 2000), 13), np.full(2000, 9.0), n_possible=MANY)
    assert np.mean(result.fit_p <= 0.05) < 0.06
    # two clumps, of which a gamma distribution knows nothing
    null = np.concatenate([np.zeros(440), 1 + np.random.default_rng(0).normal(0, 0.01, 60)])
    bad = gamma_fit(null, [3.0], n_possible=MANY)
    assert bad.fit_p < 0.001
    expected = stats.binomtest(int(bad.n_exceedances), 500, 0.05)
    assert bad.n_exceedances == np.sum(null > bad.threshold)
    assert bad.fit_p < 10 * expected.pvalue
    assert 'binomial p' in bad.method


def test_all_relabellings_need_no_fit():
    null = draw('max t', 256, 14)
    for method in (gpd_tail, gamma_fit):
        result = method(null, np.sort(null), n_possible=256)
        np.testing.assert_allclose(result.p, np.arange(256, 0, -1) / 256)
        assert (result.source == COUNT).all()
        assert result.method.startswith('exact: all')
        assert np.isnan(list(result.parameters.values())).all()


def test_no_p_is_smaller_than_a_permutation_p_can_be():
    null = draw('max t', 200, 15)
    for method in (gpd_tail, gamma_fit):
        result = method(null, [null.max() * 10], n_possible=5000)
        assert result.p[0] == 1 / 5000
        assert SOURCES[result.source[0]] == 'limit'


@pytest.mark.parametrize('n', [2, 30])
def test_too_few_relabellings_are_counted_and_said_to_be(n):
    null = np.arange(n, 0.0, -1.0)
    result = gpd_tail(null, null[:1], n_possible=MANY, threshold_p=0.9)
    assert result.p[0] == 1 / n
    assert result.source[0] == COUNT
    assert 'no tail of at least 10 values' in result.method
    assert np.isnan(result.fit_p)
    if n < 10:
        with pytest.raises(InputError, match='Too few relabellings'):
            gamma_fit(null, null[:1], n_possible=MANY)


def test_nulls_without_spread_are_counted():
    null = np.ones((100, 3))
    null[0] = [1.0, 2.0, 1.0]
    null[:, 2] = np.repeat([0.0, 1.0], 50)[::-1]  # ties only
    result = gpd_tail(null, null[0], n_possible=MANY)
    np.testing.assert_array_equal(result.p, [1.0, 0.01, 0.5])
    assert (result.source == COUNT).all()
    result = gamma_fit(null[:, :2], null[0, :2], n_possible=MANY, fit_observed=False)
    np.testing.assert_array_equal(result.p, [1.0, 0.01])
    assert (result.source == COUNT).all()
    assert 'without spread' in result.method
    one = gamma_fit(moments(null[1:, 0]), [0.0, 1.0, 2.0, np.nan], n_possible=MANY)
    np.testing.assert_array_equal(one.p, [1.0, 1.0, 0.01, np.nan])


def test_ties_count_as_reaching():
    null = np.tile([3.0, 2.0, 1.0, 0.0], 50)
    observed = np.array([3.0, 3.0 * (1 + 1e-14), 2.0, 2.5])
    result = gpd_tail(null, observed, n_possible=MANY)
    np.testing.assert_array_equal(result.p, [0.25, 0.25, 0.5, 0.25])


def test_infinite_values_of_the_null_are_counted():
    null = draw('max t', 200, 16)
    null[0] = np.inf
    result = gpd_tail(null, [np.inf, 5.0], n_possible=MANY, fit_observed=True)
    assert result.p[0] == 1 / 200
    assert result.source[0] == COUNT


def test_nan_is_not_tested():
    null = draw('t', (200, 3), 17)
    null[5, 1] = np.nan
    observed = np.array([4.0, 4.0, np.nan])
    for method in (gpd_tail, gamma_fit):
        result = method(null, observed, n_possible=MANY)
        np.testing.assert_array_equal(np.isnan(result.p), [False, True, True])
        one = method(null[:, 0], observed, n_possible=MANY)
        np.testing.assert_array_equal(np.isnan(one.p), [False, False, True])


def test_methods_say_what_was_done():
    null = draw('max t', (300, 4), 18)
    texts = [
        gpd_tail(null[:, 0], [9.0], n_possible=MANY).method,
        gpd_tail(null, np.full(4, 9.0), n_possible=MANY).method,
        gpd_tail(null, np.zeros(4), n_possible=MANY).method,
        gamma_fit(np.hstack([null, np.ones((300, 1))]), np.full(5, 9.0), n_possible=MANY).method,
    ]
    assert 'Anderson-Darling p = ' in texts[0]
    assert 'at 4 of 4 points' in texts[1]
    assert texts[2].endswith('none below 0.1, no tail fitted')
    assert 'at 4 of 5 points, counts elsewhere' in texts[3]


@pytest.mark.parametrize(
    ('null', 'observed', 'n_possible'),
    [
        (np.zeros((20, 3)), np.zeros(2), MANY),
        (np.zeros((20, 3, 1)), np.zeros(3), MANY),
        (np.zeros(1), np.zeros(2), MANY),
        (np.zeros(20), 1.0, MANY),
        (np.append(np.zeros(20), np.nan), np.zeros(2), MANY),
        (np.zeros(20), np.zeros(2), 19),
    ],
)
def test_what_does_not_belong_together_is_refused(null, observed, n_possible):
    for method in (gpd_tail, gamma_fit):
        with pytest.raises(InputError, match='cannot be used') as caught:
            method(null, observed, n_possible=n_possible)
        assert caught.value.found


@pytest.mark.parametrize('options', [{'threshold_p': 0.0}, {'tail_start': 1.5}])
def test_shares_are_between_0_and_1(options):
    with pytest.raises(InputError, match='between 0 and 1'):
        gpd_tail(np.arange(100.0), [3.0], n_possible=MANY, **options)
