"""Normal scores of t and F in compiled loops. Import this module lazily: it needs Numba.

What :mod:`nistats_nipype.stats.distributions` does with SciPy for whole maps, for one value in
the midst of a loop.
"""

import math

import numpy as np
from numba import njit

#: Relative change at which a continued fraction has converged.
_CONVERGED = 1e-16
#: Stands for zero in Lentz's algorithm.
_TINY = 1e-300
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

# Coefficients of Wichura's rational approximations of the normal quantile, of 16 digits, from the
# constant on [1]. Numerator and denominator: centre, tail, far tail.
#
# [1] Wichura MJ (1988). Algorithm AS 241: the percentage points of the normal distribution. J R
#     Stat Soc C 37(3):477-484. https://doi.org/10.2307/2347330
_CENTRE = np.array(
    [
        [
            3.3871328727963666080,
            1.3314166789178437745e2,
            1.9715909503065514427e3,
            1.3731693765509461125e4,
            4.5921953931549871457e4,
            6.7265770927008700853e4,
            3.3430575583588128105e4,
            2.5090809287301226727e3,
        ],
        [
            1.0,
            4.2313330701600911252e1,
            6.8718700749205790830e2,
            5.3941960214247511077e3,
            2.1213794301586595867e4,
            3.9307895800092710610e4,
            2.8729085735721942674e4,
            5.2264952788528545610e3,
        ],
    ]
)
_TAIL = np.array(
    [
        [
            1.42343711074968357734,
            4.63033784615654529590,
            5.76949722146069140550,
            3.64784832476320460504,
            1.27045825245236838258,
            2.41780725177450611770e-1,
            2.27238449892691845833e-2,
            7.74545014278341407640e-4,
        ],
        [
            1.0,
            2.05319162663775882187,
            1.67638483018380384940,
            6.89767334985100004550e-1,
            1.48103976427480074590e-1,
            1.51986665636164571966e-2,
            5.47593808499534494600e-4,
            1.05075007164441684324e-9,
        ],
    ]
)
_FAR_TAIL = np.array(
    [
        [
            6.65790464350110377720,
            5.46378491116411436990,
            1.78482653991729133580,
            2.96560571828504891230e-1,
            2.65321895265761230930e-2,
            1.24266094738807843860e-3,
            2.71155556874348757815e-5,
            2.01033439929228813265e-7,
        ],
        [
            1.0,
            5.99832206555887937690e-1,
            1.36929880922735805310e-1,
            1.48753612908506148525e-2,
            7.86869131145613259100e-4,
            1.84631831751005468180e-5,
            1.42151175831644588870e-7,
            2.04426310338993978564e-15,
        ],
    ]
)


@njit(nogil=True, cache=True, error_model='numpy')
def _ratio(coefficients, x):
    above = below = 0.0
    for k in range(7, -1, -1):
        above = above * x + coefficients[0, k]
        below = below * x + coefficients[1, k]
    return above / below


@njit(nogil=True, cache=True, error_model='numpy')
def _score_of_tail(log_p):
    """Normal score of an upper tail, of less than .075, from its logarithm."""
    r = math.sqrt(-log_p)
    if r <= 5.0:
        return _ratio(_TAIL, r - 1.6)
    z = _ratio(_FAR_TAIL, r - 5.0)
    if r > 20.0:
        # Newton on the logarithm of the tail, by its asymptotic series.
        for _ in range(3):
            w = 1.0 / (z * z)
            series = 1.0 - w * (1.0 - 3.0 * w * (1.0 - 5.0 * w * (1.0 - 7.0 * w)))
            off = -0.5 * z * z - math.log(z) - _HALF_LOG_2PI + math.log(series) - log_p
            z += off * series / z
    return z


@njit(nogil=True, cache=True, error_model='numpy')
def _fraction(x, a, b):
    """Continued fraction of the incomplete beta function, DLMF 8.17.22, by Lentz's algorithm."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for step in (even, odd):
            d = 1.0 + step * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + step / c
            c = c if abs(c) > _TINY else _TINY
            value *= d * c
        if abs(d * c - 1.0) < _CONVERGED:
            break
    return value


@njit(nogil=True, cache=True, error_model='numpy')
def _score_of_beta(x, y, a, b):
    """Normal score whose upper tail is the regularised incomplete beta function I_x(a, b).

    ``y`` is 1 - x, which the caller has without loss.
    """
    if x <= 0.0:
        return np.inf
    if y <= 0.0:
        return -np.inf
    front = a * math.log(x) + b * math.log(y)
    front += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    if x < (a + 1.0) / (a + b + 2.0):
        log_p = front + math.log(_fraction(x, a, b) / a)
        p = math.exp(log_p)
        if p < 0.075:
            return _score_of_tail(log_p)
        q = 0.5 - p
        if p > 0.925:
            return -_score_of_tail(math.log1p(-p))
    else:
        log_p = front + math.log(_fraction(y, b, a) / b)
        p = math.exp(log_p)
        if p < 0.075:
            return -_score_of_tail(log_p)
        q = p - 0.5
        if p > 0.925:
            return _score_of_tail(math.log1p(-p))
    return q * _ratio(_CENTRE, 0.180625 - q * q)


@njit(nogil=True, cache=True, error_model='numpy')
def score_of_t(t, dof):
    """Normal score with the upper tail of a t statistic.

    Parameters
    ----------
    t : float
    dof : float
        Above 0.

    Returns
    -------
    float
        NaN for NaN.
    """
    if not abs(t) > 0.0:
        return t
    ratio = t * t / dof
    # The share of one side that is nearer to 0 than t: with its digits, where t is small.
    x = ratio / (1.0 + ratio)
    if x < 0.5 * 3.0 / (dof + 5.0):
        front = 0.5 * math.log(x) - 0.5 * dof * math.log1p(ratio)
        front += math.lgamma(0.5 * dof + 0.5) - math.lgamma(0.5 * dof) - math.lgamma(0.5)
        q = 0.5 * math.exp(front) * _fraction(x, 0.5, 0.5 * dof) / 0.5
        z = q * _ratio(_CENTRE, 0.180625 - q * q)
    else:
        y = 1.0 / (1.0 + ratio)
        log_p = -0.5 * dof * math.log1p(ratio) + 0.5 * math.log(x)
        log_p += math.lgamma(0.5 * dof + 0.5) - math.lgamma(0.5 * dof) - math.lgamma(0.5)
        log_p += math.log(_fraction(y, 0.5 * dof, 0.5) / dof)
        p = math.exp(log_p)
        q = 0.5 - p
        z = _score_of_tail(log_p) if p < 0.075 else q * _ratio(_CENTRE, 0.180625 - q * q)
    return math.copysign(z, t)


@njit(nogil=True, cache=True, error_model='numpy')
def score_of_f(f, dof_effect, dof_error):
    """Normal score with the upper tail of an F statistic; negative below its median.

    Parameters
    ----------
    f : float
    dof_effect, dof_error : float
        Above 0.

    Returns
    -------
    float
        NaN for NaN.
    """
    if f != f:
        return f
    ratio = f * dof_effect / dof_error
    y = ratio / (1.0 + ratio)
    return _score_of_beta(1.0 / (1.0 + ratio), y, 0.5 * dof_error, 0.5 * dof_effect)
