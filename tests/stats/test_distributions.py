import mpmath
import numpy as np
import pytest
from scipy import special, stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats.distributions import chi2_to_z, f_to_z, p_to_z, t_to_z, z_to_p

DOFS = [1, 2, 3, 7, 20, 150, 1000, 100000]


@pytest.fixture(autouse=True)
def precision():
    with mpmath.workdps(40):
        yield


def beta_tail(x, a, b):
    # The regularised incomplete beta function by its continued fraction, DLMF 8.17.22, and
    # past the mean, where that converges slowly, by its complement.
    x, a, b = mpmath.mpf(x), mpmath.mpf(a), mpmath.mpf(b)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_tail(1 - x, b, a)
    depth, before, value = 32, 0, 1
    while abs(value - before) > abs(value) * mpmath.mpf(10) ** -30:
        depth, before, value = 2 * depth, value, mpmath.mpf(1)
        for m in range(depth, -1, -1):
            even = (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))
            odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            value = 1 + odd / (1 + even / value)
    return x**a * (1 - x) ** b / (a * mpmath.beta(a, b)) / value


def upper_quantile(p, guess):
    # Newton's method on the logarithm of the normal tail, from the value under test.
    z, target = mpmath.mpf(guess), mpmath.log(p)
    for _ in range(100):
        tail = mpmath.erfc(z / mpmath.sqrt(2)) / 2
        step = (mpmath.log(tail) - target) * tail / mpmath.npdf(z)
        z += step
        if abs(step) <= abs(z) * mpmath.mpf(10) ** -30:
            return z
    raise AssertionError(f'no convergence from {guess}')


def test_the_oracle_itself_matches_mpmath():
    for x, a, b in [(0.1, 2.5, 0.5), (0.9, 2.5, 0.5), (0.5, 10, 3)]:
        expected = mpmath.betainc(a, b, 0, x, regularized=True)
        assert abs(beta_tail(x, a, b) / expected - 1) < mpmath.mpf(10) ** -30
    assert abs(upper_quantile(mpmath.erfc(3 / mpmath.sqrt(2)) / 2, 2.5) - 3) < 1e-30


@pytest.mark.parametrize('dof', DOFS)
def test_t_to_z_matches_mpmath_from_tiny_to_huge(dof):
    values = [1e-8, 1e-5, 1e-2, 0.3, 0.7, 1.5, 4.0, 12.0, 37.0, 60.0, 1e3, 1e6, 1e15, 1e100]
    z = t_to_z(values, dof)
    for t, ours in zip(values, z, strict=True):
        square = mpmath.mpf(t) ** 2
        p = beta_tail(dof / (dof + square), mpmath.mpf(dof) / 2, mpmath.mpf('0.5')) / 2
        expected = upper_quantile(p, ours)
        # x = 1 / (1 + t^2 / dof) is a double, to whose rounding dof is a factor.
        tolerance = max(1e-12, 1e-15 * dof)
        assert abs(ours / expected - 1) < tolerance, (t, ours, expected)
    np.testing.assert_array_equal(t_to_z(np.negative(values), dof), -z)


@pytest.mark.parametrize('dof_effect', [1, 2, 5, 40])
@pytest.mark.parametrize('dof_error', [1, 7, 20, 1000])
def test_f_to_z_matches_mpmath_on_both_tails(dof_effect, dof_error):
    values = [1e-100, 1e-12, 1e-3, 0.05, 0.4, 0.9, 1.6, 5.0, 80.0, 1e4, 1e9, 1e30, 1e100]
    for f, ours in zip(values, f_to_z(values, dof_effect, dof_error), strict=True):
        ratio = mpmath.mpf(f) * dof_effect / dof_error
        a, b = mpmath.mpf(dof_error) / 2, mpmath.mpf(dof_effect) / 2
        if ours > 0:
            expected = upper_quantile(beta_tail(1 / (1 + ratio), a, b), ours)
        else:
            expected = -upper_quantile(beta_tail(ratio / (1 + ratio), b, a), -ours)
        assert abs(ours - expected) < 1e-11 * max(1, abs(expected)), (f, ours, expected)


@pytest.mark.parametrize('dof', [1, 2, 5, 40, 1000])
def test_chi2_to_z_matches_mpmath_on_both_tails(dof):
    values = [1e-100, 1e-12, 1e-3, 0.05, 0.4, 0.9, 1.6, 5.0, 80.0, 900.0, 1e4, 1e6]
    for chi2, ours in zip(values, chi2_to_z(values, dof), strict=True):
        bounds = [chi2 / 2, mpmath.inf] if ours > 0 else [0, chi2 / 2]
        tail = mpmath.gammainc(mpmath.mpf(dof) / 2, *bounds, regularized=True)
        expected = upper_quantile(tail, abs(ours)) * np.sign(ours)
        assert abs(ours - expected) < 1e-11 * max(1, abs(expected)), (chi2, ours, expected)


def test_chi2_of_one_degree_is_z_squared():
    z = np.array([2.0, 10.0, 38.0, 1e6])
    one_sided = chi2_to_z(z**2, 1)
    np.testing.assert_allclose(special.log_ndtr(-one_sided), special.log_ndtr(-z) + np.log(2))
    assert chi2_to_z(0.0, 1) == -np.inf
    assert np.isnan(chi2_to_z(np.nan, 1))


@pytest.mark.parametrize('dof', DOFS)
def test_t_to_z_agrees_with_scipy_in_the_bulk(dof):
    t = np.linspace(-5, 5, 401)
    expected = np.where(
        t > 0, stats.norm.isf(stats.t.sf(t, dof)), stats.norm.ppf(stats.t.cdf(t, dof))
    )
    np.testing.assert_allclose(t_to_z(t, dof), expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(('dof_effect', 'dof_error'), [(1, 10), (3, 27), (12, 4)])
def test_f_to_z_agrees_with_scipy_in_the_bulk(dof_effect, dof_error):
    f = np.geomspace(1e-3, 40, 300)
    upper, lower = (method(f, dof_effect, dof_error) for method in (stats.f.sf, stats.f.cdf))
    expected = np.where(upper < lower, stats.norm.isf(upper), stats.norm.ppf(lower))
    np.testing.assert_allclose(f_to_z(f, dof_effect, dof_error), expected, rtol=1e-10, atol=1e-13)


def test_p_below_the_smallest_double_keeps_its_order():
    # p here falls from 1e-290 to far below 1e-320, where every direct route gives 0.
    t = np.geomspace(45, 1e150, 2000)
    z = t_to_z(t, 400)
    assert stats.t.sf(t[-1], 400) == 0
    assert np.isfinite(z).all()
    assert (np.diff(z) > 0).all()


@pytest.mark.parametrize('dof', [1, 3, 20, 1000, 100000])
def test_t_to_z_is_monotone_across_its_branches(dof):
    t = np.concatenate([np.geomspace(1e-12, 0.1, 500), np.linspace(0.11, 60, 20000)])
    assert (np.diff(t_to_z(t, dof)) > 0).all()


@pytest.mark.parametrize(('dof_effect', 'dof_error'), [(1, 5), (4, 30), (10, 1000)])
def test_f_to_z_is_monotone_across_its_branches(dof_effect, dof_error):
    assert (np.diff(f_to_z(np.geomspace(1e-6, 1e6, 20000), dof_effect, dof_error)) > 0).all()


def test_many_degrees_of_freedom_make_z_of_t():
    t = np.array([0.5, 2.0, 5.0])
    np.testing.assert_allclose(t_to_z(t, 1e9), t, rtol=1e-7)


def test_f_of_one_row_has_the_two_sided_p_of_t():
    t = np.array([0.2, 1.0, 2.5, 8.0])
    np.testing.assert_allclose(
        z_to_p(f_to_z(t**2, 1, 12), 'positive'), z_to_p(t_to_z(t, 12)), rtol=1e-11
    )


@pytest.mark.parametrize('function', [lambda x: t_to_z(x, 8), lambda x: f_to_z(np.abs(x), 2, 8)])
def test_nan_stays_nan_and_alone(function):
    z = function([1.0, np.nan, 3.0])
    assert np.isnan(z).tolist() == [False, True, False]
    np.testing.assert_array_equal(z[[0, 2]], function([1.0, 3.0]))


@pytest.mark.parametrize('dof', [np.nan, [4, np.nan]])
def test_unknown_degrees_of_freedom_give_nan(dof):
    np.testing.assert_array_equal(np.isnan(t_to_z([1.0, 2.0], dof)), np.isnan(dof) | [False] * 2)


def test_ends_of_the_scale():
    assert t_to_z(0.0, 5).tolist() == [0.0]
    assert np.signbit(t_to_z(-0.0, 5)).tolist() == [True]
    assert t_to_z([np.inf, -np.inf], 5).tolist() == [np.inf, -np.inf]
    assert f_to_z([0.0, np.inf], 2, 5).tolist() == [-np.inf, np.inf]


def test_broadcasting_gives_each_point_its_own_dof():
    t, dof = np.array([2.0, 2.0, -3.0]), np.array([4, 9, 30])
    one_by_one = np.concatenate([t_to_z(*pair) for pair in zip(t, dof, strict=True)])
    np.testing.assert_array_equal(t_to_z(t, dof), one_by_one)
    np.testing.assert_array_equal(f_to_z(4.0, 2, dof)[1], f_to_z(4.0, 2, 9)[0])


def test_p_to_z_and_back():
    p = np.array([1e-300, 1e-20, 1e-3, 0.05, 0.5, 0.9])
    np.testing.assert_allclose(p_to_z(p), stats.norm.isf(p), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(z_to_p(p_to_z(p), 'positive'), p, rtol=1e-12)


def test_sides_of_p():
    z = np.array([-3.0, -0.5, 0.0, 0.5, 3.0, 20.0])
    np.testing.assert_allclose(z_to_p(z, 'positive'), special.erfc(z / np.sqrt(2)) / 2, rtol=1e-13)
    np.testing.assert_array_equal(z_to_p(z, 'negative'), z_to_p(-z, 'positive'))
    np.testing.assert_allclose(z_to_p(z), special.erfc(np.abs(z) / np.sqrt(2)), rtol=1e-13)
    assert z_to_p(0.0) == 1


@pytest.mark.parametrize('sidedness', ['both', 'upper', '', None])
def test_an_unknown_side_is_refused(sidedness):
    with pytest.raises(InputError, match='Unknown side'):
        z_to_p(1.0, sidedness)
