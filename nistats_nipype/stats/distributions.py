"""p and z of t and F statistics, finite and accurate far into the tails."""

import numpy as np
from scipy import special

from ..exceptions import InputError

#: Logarithm of a probability below which the usual functions run out of small numbers.
_FAR = np.log(1e-200)
#: The sides on which a statistic can be extreme.
SIDES = ('two-sided', 'positive', 'negative')


def _log_incomplete_beta(x, a, b):
    """Log of the regularised incomplete beta function for x well below its mean.

    Through the hypergeometric series, DLMF 8.17.8, which has no small-number
    limit: the leading factor stays a logarithm.
    """
    series = special.hyp2f1(a + b, 1.0, a + 1.0, x)
    return a * np.log(x) + b * np.log1p(-x) - np.log(a) - special.betaln(a, b) + np.log(series)


def _log_tail(x, a, b):
    """Log of the regularised incomplete beta function I_x(a, b), wherever x lies."""
    plain = special.betainc(a, b, x)
    far = plain < np.exp(_FAR)
    with np.errstate(divide='ignore', invalid='ignore'):
        log = np.log(plain)
        if far.any():
            x, a, b = (np.broadcast_to(array, plain.shape)[far] for array in (x, a, b))
            log[far] = np.where(x > 0, _log_incomplete_beta(x, a, b), -np.inf)
    return log


def t_to_z(t, dof):
    """Normal score with the same upper-tail probability as a t statistic.

    Parameters
    ----------
    t : array-like of float
        t statistics; NaN stays NaN.
    dof : array-like of float
        Degrees of freedom, > 0, of a shape that broadcasts with ``t``.

    Returns
    -------
    ndarray of float64
        z, with the sign of ``t``; finite for every finite ``t`` whose square is finite.

    Notes
    -----
    The tail probability is kept as a logarithm, so that p below 1e-300 still gives
    a z (SPM, FSL and nilearn saturate near z = 38 or switch to an approximation).

    Examples
    --------
    >>> t_to_z([0.0, -2.0, 1e4], 20).round(4)
    array([ 0.    , -1.8862, 17.4869])
    >>> bool(np.isfinite(t_to_z(1e30, 5000)))
    True
    """
    t, dof = np.broadcast_arrays(
        np.atleast_1d(np.asarray(t, dtype=np.float64)), np.asarray(dof, dtype=np.float64)
    )
    with np.errstate(over='ignore', invalid='ignore'):
        # 1 / (1 + t^2 / dof), written so that neither end overflows
        ratio = t / dof * t
        log_half = _log_tail(1.0 / (1.0 + ratio), dof / 2.0, np.full(t.shape, 0.5))
        # Near zero a tail close to one half has lost the digits of t.
        centre = special.betainc(0.5, dof / 2.0, ratio / (1.0 + ratio))
    near = np.sqrt(2.0) * special.erfinv(np.minimum(centre, 0.5))
    z = np.where(centre < 0.5, near, -_lower_quantile(log_half - np.log(2.0)))
    return np.copysign(np.where(np.isnan(t), np.nan, z), t)


def f_to_z(f, dof_effect, dof_error):
    """Normal score with the same upper-tail probability as an F statistic.

    Parameters
    ----------
    f : array-like of float
        F statistics, >= 0; NaN stays NaN.
    dof_effect, dof_error : array-like of float
        Degrees of freedom of the effect and of the error, > 0.

    Returns
    -------
    ndarray of float64
        z; negative where F is below its median. F = 0 gives -inf.

    Examples
    --------
    >>> f_to_z([4.0, 1e5], 1, 20).round(4)
    array([ 1.561 , 12.9172])
    """
    f, effect, error = np.broadcast_arrays(
        np.atleast_1d(np.asarray(f, dtype=np.float64)),
        np.asarray(dof_effect, dtype=np.float64),
        np.asarray(dof_error, dtype=np.float64),
    )
    ratio = f * effect / error
    with np.errstate(over='ignore', invalid='ignore', divide='ignore'):
        upper = _log_tail(1.0 / (1.0 + ratio), error / 2.0, effect / 2.0)
        lower = _log_tail(1.0 / (1.0 + 1.0 / ratio), effect / 2.0, error / 2.0)
    z = np.where(upper < lower, -_lower_quantile(upper), _lower_quantile(lower))
    return np.where(np.isnan(f), np.nan, z)


def chi2_to_z(chi2, dof):
    """Normal score with the same upper-tail probability as a chi-squared statistic.

    Parameters
    ----------
    chi2 : array-like of float
        Chi-squared statistics, >= 0; NaN stays NaN.
    dof : array-like of float
        Degrees of freedom, > 0, of a shape that broadcasts with ``chi2``.

    Returns
    -------
    ndarray of float64
        z; negative where the statistic is below its median. 0 gives -inf.

    Examples
    --------
    >>> chi2_to_z([3.841459, 1e5], 1).round(4)
    array([  1.6449, 316.2256])
    """
    chi2, dof = np.broadcast_arrays(
        np.atleast_1d(np.asarray(chi2, dtype=np.float64)), np.asarray(dof, dtype=np.float64)
    )
    a, x = dof / 2.0, chi2 / 2.0
    with np.errstate(divide='ignore', invalid='ignore'):
        upper, lower = np.log(special.gammaincc(a, x)), np.log(special.gammainc(a, x))
        # Far in a tail the leading factor stays a logarithm: DLMF 8.5.3 and 8.5.1.
        factor = a * np.log(x) - x - special.gammaln(a)
        above = factor + np.log(special.hyperu(1.0, 1.0 + a, x))
        below = factor + np.log(special.hyp1f1(1.0, 1.0 + a, x) / a)
    upper = np.where(upper < _FAR, above, upper)
    lower = np.where(lower < _FAR, below, lower)
    z = np.where(upper < lower, -_lower_quantile(upper), _lower_quantile(lower))
    return np.where(np.isnan(chi2), np.nan, z)


def _lower_quantile(log_p):
    """The normal quantile whose lower-tail probability has this logarithm."""
    return special.ndtri_exp(np.minimum(log_p, 0.0))


def p_to_z(p):
    """Normal score of an upper-tail probability.

    Examples
    --------
    >>> p_to_z([0.5, 0.001]).round(4) + 0.0
    array([0.    , 3.0902])
    """
    return -special.ndtri(np.asarray(p, dtype=np.float64))


def z_to_p(z, sidedness='two-sided'):
    """Tail probability of a normal score.

    Parameters
    ----------
    z : array-like of float
    sidedness : {'two-sided', 'positive', 'negative'}

    Returns
    -------
    ndarray of float64

    Raises
    ------
    InputError
        If there is no such side.

    Examples
    --------
    >>> z_to_p([1.96, -1.96]).round(3)
    array([0.05, 0.05])
    >>> z_to_p([1.96, -1.96], 'positive').round(3)
    array([0.025, 0.975])
    """
    if sidedness not in SIDES:
        raise InputError('Unknown side.', found=repr(sidedness), expected=', '.join(SIDES))
    z = np.asarray(z, dtype=np.float64)
    if sidedness == 'two-sided':
        return np.minimum(2.0 * special.ndtr(-np.abs(z)), 1.0)
    return special.ndtr(-z if sidedness == 'positive' else z)
