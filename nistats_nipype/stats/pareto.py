"""Generalised Pareto distributions fitted to the tails of many columns at once."""

from typing import NamedTuple

import numpy as np

#: A tail that fits worse is shortened, and the fewest values that are fitted.
ACCEPTED = 0.05
FEWEST = 10

# Upper-tail points of the Anderson-Darling statistic when scale and shape are estimated:
# Choulakian and Stephens 2001, table 2. A row for each shape, a column for each p.
_TABLE_SHAPE = -np.array([0.9, 0.5, 0.2, 0.1, 0.0, -0.1, -0.2, -0.3, -0.4, -0.5])
_TABLE_P = np.array([0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
_TABLE = np.array(
    [
        [0.339, 0.471, 0.641, 0.771, 0.905, 1.086, 1.226, 1.559],
        [0.356, 0.499, 0.685, 0.830, 0.978, 1.180, 1.336, 1.707],
        [0.376, 0.534, 0.741, 0.903, 1.069, 1.296, 1.471, 1.893],
        [0.386, 0.550, 0.766, 0.935, 1.110, 1.348, 1.532, 1.966],
        [0.397, 0.569, 0.796, 0.974, 1.158, 1.409, 1.603, 2.064],
        [0.410, 0.591, 0.831, 1.020, 1.215, 1.481, 1.687, 2.176],
        [0.426, 0.617, 0.873, 1.074, 1.283, 1.567, 1.788, 2.314],
        [0.445, 0.649, 0.924, 1.140, 1.365, 1.672, 1.909, 2.475],
        [0.468, 0.688, 0.985, 1.221, 1.465, 1.799, 2.058, 2.674],
        [0.496, 0.735, 1.061, 1.321, 1.590, 1.958, 2.243, 2.922],
    ]
)


class ParetoFit(NamedTuple):
    """Tails of C columns; NaN, and no exceedances, where none was accepted.

    Attributes
    ----------
    threshold, scale, shape : ndarray of shape (C,), float64
        Where the tail begins; parameters of what exceeds it, the shape as in SciPy
        (negative: bounded).
    fit_p : ndarray of shape (C,), float64
        p of the Anderson-Darling test, see :func:`anderson_darling`.
    n_exceedances : ndarray of shape (C,), int64
        Values above the threshold, to which the distribution was fitted.
    """

    threshold: np.ndarray
    scale: np.ndarray
    shape: np.ndarray
    fit_p: np.ndarray
    n_exceedances: np.ndarray


def fit_pareto(values, tail_start, bounded=False):
    """Fit the longest upper tail that an Anderson-Darling test accepts, in each column.

    Parameters
    ----------
    values : ndarray of shape (B, C), float64
    tail_start : float
        Share of the values that is fitted first; then one hundredth less at a time,
        down to 10 values.
    bounded : bool, default False
        Whether a tail may end. Otherwise, where moments give a negative shape, the tail
        is taken as exponential.

    Returns
    -------
    ParetoFit

    Notes
    -----
    Parameters are estimated by the method of moments [1]_, which has a closed form and
    is efficient for shapes near 0, those of the tails of t and of its maximum. Below 10
    values an Anderson-Darling test says little.

    References
    ----------
    .. [1] Hosking JRM, Wallis JR (1987). Parameter and quantile estimation for the
       generalized Pareto distribution. Technometrics 29(3):339-349.
       https://doi.org/10.1080/00401706.1987.10488243

    Examples
    --------
    >>> fit = fit_pareto(-np.log((np.arange(200) + 0.5) / 200)[:, None], 0.25)
    >>> fit.n_exceedances, fit.threshold.round(2), fit.scale.round(1), fit.shape.round(1) + 0.0
    (array([50]), array([1.39]), array([1.]), array([0.]))
    """
    n, n_points = values.shape
    fit = ParetoFit(*(np.full(n_points, empty) for empty in (np.nan,) * 4 + (0,)))
    longest = min(int(tail_start * n + 1e-9), n - 1)
    largest = -np.sort(-values, axis=0)[: longest + 1]
    open_ = np.arange(n_points)
    for length in range(longest, FEWEST - 1, -max(round(n / 100), 1)):
        top = largest[:, open_]
        with np.errstate(all='ignore'):  # tails without spread, or with infinite values
            threshold = (top[length - 1] + top[length]) / 2
            excess = top[:length] - threshold
            mean = excess.mean(axis=0)
            ratio = mean**2 / excess.var(axis=0, ddof=1)
            scale, shape = mean * (ratio + 1) / 2, (1 - ratio) / 2
            if not bounded:
                scale, shape = np.where(shape < 0, mean, scale), np.maximum(shape, 0.0)
            fit_p = anderson_darling(log_survival(excess, scale, shape), shape)
        good = fit_p > ACCEPTED
        tails = (threshold, scale, shape, fit_p, np.full(len(open_), length))
        for array, part in zip(fit, tails, strict=True):
            array[open_[good]] = part[good]
        open_ = open_[~good]
        if not open_.size:
            break
    return fit


def log_survival(excess, scale, shape):
    """Log of the upper-tail probability of a generalised Pareto distribution.

    Parameters
    ----------
    excess : array-like of float
        Not below 0.
    scale, shape : array-like of float
        The shape as in SciPy; of shapes that broadcast with ``excess``.

    Returns
    -------
    ndarray of float64
        -inf beyond the end of a bounded tail.

    Examples
    --------
    >>> np.exp(log_survival(np.array([1.0, 3.0]), 1.0, -0.5))
    array([0.25, 0.  ])
    """
    with np.errstate(all='ignore'):
        heavy = -np.log1p(np.maximum(shape * excess / scale, -1.0)) / shape
        return np.where(np.abs(shape) < 1e-12, -excess / scale, heavy)


def anderson_darling(log_upper, shape):
    """Anderson-Darling test of a generalised Pareto tail: p by a table [1]_.

    Parameters
    ----------
    log_upper : ndarray of shape (n, C), float64
        Log of the fitted upper-tail probability of the values, from the largest down.
    shape : ndarray of shape (C,), float64
        Estimated shapes; those off the table are taken to its nearest row.

    Returns
    -------
    ndarray of shape (C,), float64
        p, between 0.001 and 0.5, the ends of the table; 0 if a value cannot occur.

    Notes
    -----
    The table holds for scale and shape estimated by maximum likelihood. For what
    :func:`fit_pareto` estimates, the test of level 0.05 rejects a true tail of shape 0 to
    0.2 with a probability of 0.05 to 0.09 (10 to 250 values; by simulation).

    References
    ----------
    .. [1] Choulakian V, Stephens MA (2001). Goodness-of-fit tests for the generalized
       Pareto distribution. Technometrics 43(4):478-484.
       https://doi.org/10.1198/00401700152672573

    Examples
    --------
    >>> expected = np.log((np.arange(40) + 0.5) / 40)[:, None]
    >>> anderson_darling(expected, np.zeros(1)), anderson_darling(2 * expected, np.zeros(1))
    (array([0.5]), array([0.001]))
    """
    n = len(log_upper)
    weights = 2 * np.arange(n)[:, None] + 1
    with np.errstate(all='ignore'):
        log_lower = np.log(-np.expm1(log_upper))
        statistic = -n - (weights * (log_upper + log_lower[::-1])).sum(axis=0) / n
    # Between the rows of the table, then between its columns on the log of p.
    clipped = np.clip(shape, _TABLE_SHAPE[0], _TABLE_SHAPE[-1])
    points = np.array([np.interp(clipped, _TABLE_SHAPE, column) for column in _TABLE.T])
    right = np.clip((points < statistic).sum(axis=0), 1, len(_TABLE_P) - 1)
    low, high = (np.take_along_axis(points, at[None], axis=0)[0] for at in (right - 1, right))
    share = np.clip((statistic - low) / (high - low), 0.0, 1.0)
    log_p = (1 - share) * np.log(_TABLE_P[right - 1]) + share * np.log(_TABLE_P[right])
    # A value outside the fitted support makes the statistic infinite.
    return np.where(np.isfinite(statistic), np.exp(log_p), 0.0)
