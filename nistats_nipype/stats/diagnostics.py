"""Diagnostics of designs and of data: collinearity, leverage, values that stand apart."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from .design import check_design, column_space, partition

#: The median absolute deviation of normal values is their standard deviation over this ...
_MAD_TO_SD = 1 / norm.ppf(0.75)
#: ... and their mean absolute deviation is it over this.
_MEAN_AD_TO_SD = np.sqrt(np.pi / 2)
#: Simulated groups behind :func:`outlier_limit`, and the size from which its limit is closed.
_N_SIMULATED, _LARGE = 4000, 400
#: Share of the points, below that of the median map, that a map may lack without a word.
COVERAGE_MARGIN = 0.1
#: A correlation counts as at most this, so that its Fisher transform stays finite.
_LARGEST_R = 1 - 1e-7


class MapSummary(NamedTuple):
    """What each map of a group looks like beside the others.

    Attributes
    ----------
    mean : ndarray of shape (N,)
        Mean over the observed points.
    sd : ndarray of shape (N,)
        Standard deviation over the observed points.
    coverage : ndarray of shape (N,)
        Share of the points that are observed.
    similarity : ndarray of shape (N,)
        Correlation, over the points, with the mean of the other maps; NaN if the map or that
        mean does not vary.
    """

    mean: np.ndarray
    sd: np.ndarray
    coverage: np.ndarray
    similarity: np.ndarray


def leverage(design):
    """Leverage of each observation: the diagonal of the hat matrix.

    Parameters
    ----------
    design : array-like of shape (N, P)
        Of any rank.

    Returns
    -------
    ndarray of shape (N,)
        In [0, 1]; their sum is the rank. An observation of leverage 1 is fitted exactly,
        whatever its value.

    Raises
    ------
    DesignError
        If the design is not a matrix of finite numbers.

    Examples
    --------
    >>> leverage([[1, 0], [1, 0], [1, 1]]).round(3)
    array([0.5, 0.5, 1. ])
    """
    return (column_space(check_design(design)) ** 2).sum(axis=1)


def contrast_leverage(design, contrast):
    """Share of each observation in what the design knows about a contrast.

    Parameters
    ----------
    design : array-like of shape (N, P)
    contrast : array-like of shape (P,) or (Q, P)

    Returns
    -------
    ndarray of shape (N,)
        Shares that sum to 1: squared values of the regressor of interest, without what the
        nuisance explains of it, over their sum. For several rows the mean over a basis.

    Raises
    ------
    DesignError, ContrastError
        See :func:`~nistats_nipype.stats.design.partition`.

    Examples
    --------
    >>> contrast_leverage(np.column_stack([np.ones(4), [0, 0, 0, 1]]), [0, 1]).round(3)
    array([0.083, 0.083, 0.083, 0.75 ])
    """
    interest = partition(design, contrast).interest
    return (interest**2).sum(axis=1) / interest.shape[1]


def variance_inflation(design, columns):
    """Inflation of the variance of estimates by the other columns of the design.

    Parameters
    ----------
    design : array-like of shape (N, P)
    columns : int or sequence of int
        A column, or the columns of one factor, whose coding then does not matter.

    Returns
    -------
    float
        The variance inflation factor of a column; of K columns the K-th root of the
        generalised one [1]_, which is on the same scale. At least 1, and infinite where the
        others determine the columns.

    Raises
    ------
    DesignError
        If the design is not a matrix of finite numbers.

    Notes
    -----
    The mean is taken out if the constant is in the space of the other columns; R squared of a
    model with an intercept does the same.

    References
    ----------
    .. [1] Fox J, Monette G (1992). Generalized collinearity diagnostics. J Am Stat Assoc
       87(417):178-183. https://doi.org/10.1080/01621459.1992.10475190

    Examples
    --------
    >>> design = np.column_stack([np.ones(4), [0, 0, 1, 1], [0, 1, 1, 2]])
    >>> round(variance_inflation(design, 1), 6), round(variance_inflation(design, [1, 2]), 6)
    (2.0, 1.0)
    >>> variance_inflation(np.column_stack([design, design[:, 1] * 2]), 1)
    inf
    """
    design = check_design(design)
    chosen = np.atleast_1d(np.asarray(columns, dtype=int))
    own = design[:, chosen]
    others = np.delete(design, chosen, axis=1)
    basis = column_space(others)
    ones = np.full(len(design), len(design) ** -0.5)
    if np.linalg.norm(ones - basis @ (basis.T @ ones)) < 1e-6:
        centred = own - own.mean(axis=0)
        basis = column_space(others - others.mean(axis=0), reference=others)
    else:
        centred = own
    own = column_space(centred, reference=own)
    if own.shape[1] < len(chosen):
        return float('inf')
    # Sines of the angles between the two spaces: 1 / sine ** 2 is the inflation along each.
    sines = np.linalg.svd(own - basis @ (basis.T @ own), compute_uv=False)
    if sines.min() < 1e-7:
        return float('inf')
    return float(np.prod(sines) ** (-2 / len(chosen)))


def robust_scores(values):
    """Distance of each value from the median, in robust standard deviations.

    Parameters
    ----------
    values : array-like of shape (N,)
        NaN stays NaN and counts for nothing.

    Returns
    -------
    ndarray of shape (N,)
        By the median absolute deviation, or by the mean absolute deviation where more than
        half of the values are equal [1]_, both scaled to the standard deviation of normal
        values; 0 if all are equal.

    References
    ----------
    .. [1] Iglewicz B, Hoaglin DC (1993). How to Detect and Handle Outliers. ASQC Quality Press.

    Examples
    --------
    >>> robust_scores([1, 2, 3, 4, 50]).round(2)
    array([-1.35, -0.67,  0.  ,  0.67, 31.7 ])
    """
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    if not known.any():
        return np.full(values.shape, np.nan)
    away = values - np.median(values[known])
    sizes = np.abs(away[known])
    scale = np.median(sizes) * _MAD_TO_SD
    # Rounding leaves a spread of its own in values that are equal.
    if scale <= 1e-12 * np.abs(values[known]).max():
        scale = sizes.mean() * _MEAN_AD_TO_SD
    if scale <= 1e-12 * np.abs(values[known]).max():
        return np.where(known, 0.0, np.nan)
    return away / scale


@lru_cache(maxsize=64)
def outlier_limit(n, alpha=0.01):
    """Robust score that hardly any group of normal values exceeds.

    Parameters
    ----------
    n : int
        Number of values, at least 3.
    alpha : float, default 0.01
        Share of groups of ``n`` normal values with a score beyond the limit, on any side.

    Returns
    -------
    float
        Not below 3.5.

    Notes
    -----
    The median of few deviations is unreliable, and a fixed limit has false alarms in small
    groups: scores of 10 normal values exceed 3.5 in every fourth group. The largest
    absolute score of normal values has a distribution of its own, whatever their mean and
    variance; its quantile is taken from 4,000 simulated groups with a fixed seed, from 400
    values on from the normal distribution.

    Examples
    --------
    >>> outlier_limit(8) > outlier_limit(20) > outlier_limit(100) > 3.5
    True
    """
    if n >= _LARGE:
        return float(max(3.5, norm.isf((1 - (1 - alpha) ** (1 / n)) / 2)))
    draws = np.random.default_rng(n).standard_normal((_N_SIMULATED, n))
    away = np.abs(draws - np.median(draws, axis=1, keepdims=True))
    largest = away.max(axis=1) / (np.median(away, axis=1) * _MAD_TO_SD)
    return float(max(3.5, np.quantile(largest, 1 - alpha)))


def summarize_maps(values):
    """Mean, spread, coverage and likeness of the maps of a group.

    Parameters
    ----------
    values : array-like of shape (N, V)
        A row for each map; NaN where a value is missing.

    Returns
    -------
    MapSummary
        Of the points that at least half of the maps observe.

    Examples
    --------
    >>> pattern = np.array([1.0, 2.0, 3.0, 4.0])
    >>> summary = summarize_maps([pattern, pattern + 1, 3 * pattern, -pattern])
    >>> summary.mean, summary.similarity
    (array([ 2.5,  3.5,  7.5, -2.5]), array([ 1.,  1.,  1., -1.]))
    """
    values = np.asarray(values, dtype=np.float64)
    observed = np.isfinite(values)
    usable = observed.sum(axis=0) * 2 >= len(values)
    values, observed = values[:, usable], observed[:, usable]
    filled = np.where(observed, values, 0.0)
    n_points = np.maximum(observed.sum(axis=1), 1)
    mean = np.where(observed.any(axis=1), filled.sum(axis=1) / n_points, np.nan)
    away = np.where(observed, values - mean[:, None], 0.0)
    total, count = filled.sum(axis=0), observed.sum(axis=0)
    similarity = [
        _correlation(values[row], _mean_of_others(filled[row], observed[row], total, count))
        for row in range(len(values))
    ]
    return MapSummary(
        mean,
        np.sqrt((away**2).sum(axis=1) / n_points),
        observed.mean(axis=1) if observed.shape[1] else np.zeros(len(values)),
        np.array(similarity),
    )


def _mean_of_others(row, observed, total, count):
    """Mean over the maps but one; NaN where no other is observed."""
    others = count - observed
    return np.where(others > 0, (total - row) / np.maximum(others, 1), np.nan)


def _correlation(one, other):
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 3:
        return np.nan
    one, other = one[both] - one[both].mean(), other[both] - other[both].mean()
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / size) if size > 0 else np.nan


def score_maps(summary):
    """Robust scores of the maps of a group.

    Parameters
    ----------
    summary : MapSummary

    Returns
    -------
    MapSummary
        Scores in place of values: of the mean, of the logarithm of the standard deviation, of
        the coverage and of the Fisher transform of the similarity.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((12, 500)) + np.arange(500) / 100
    >>> rows[3] *= 20
    >>> int(score_maps(summarize_maps(rows)).sd.argmax())
    3
    """
    with np.errstate(divide='ignore'):
        log_sd = np.log(np.where(summary.sd > 0, summary.sd, np.nan))
    z = np.arctanh(np.clip(summary.similarity, -_LARGEST_R, _LARGEST_R))
    scored = (summary.mean, log_sd, summary.coverage, z)
    return MapSummary(*(robust_scores(values) for values in scored))


def usual_ranges(summary):
    """Range in which each measure of the maps of a group is not apart from the others.

    Parameters
    ----------
    summary : MapSummary
        Of five maps or more.

    Returns
    -------
    MapSummary
        A pair of numbers for each measure, in its own unit: robust scores within the limit of
        :func:`outlier_limit`. Coverage and similarity have no upper end.

    Examples
    --------
    >>> even = np.linspace(1.0, 2.0, 9)
    >>> ranges = usual_ranges(MapSummary(even, even, np.ones(9), even / 4))
    >>> ranges.coverage, ranges.mean[0] < 1.0 < 2.0 < ranges.mean[1]
    ((0.9, inf), True)
    """
    n = len(summary.mean)
    tails = {'mean': 0.01, 'sd': 0.01, 'coverage': 0.02, 'similarity': 0.02}
    there = {'sd': np.log, 'similarity': lambda r: np.arctanh(np.clip(r, -_LARGEST_R, _LARGEST_R))}
    back = {'sd': np.exp, 'similarity': np.tanh}
    ranges = {}
    for name, alpha in tails.items():
        values = getattr(summary, name)
        values = values[np.isfinite(values) & ((values > 0) | (name != 'sd'))]
        values = there.get(name, np.asarray)(values)
        scores = robust_scores(values)
        middle = np.median(values) if values.size else np.nan
        most = np.abs(scores).argmax() if values.size else 0
        scale = (values[most] - middle) / scores[most] if values.size and scores[most] else 0.0
        reach = outlier_limit(n, alpha) * scale
        if name == 'coverage':
            reach = max(reach, COVERAGE_MARGIN)
        low, high = (float(back.get(name, float)(middle + sign * reach)) for sign in (-1, 1))
        ranges[name] = (low, high if alpha == 0.01 else np.inf)
    return MapSummary(**ranges)


def variance_ratio(values, groups):
    """Ratio of the variances within groups, each as it is at the median point.

    Parameters
    ----------
    values : array-like of shape (N, V)
        A row for each observation; points with a missing value (NaN) are left out.
    groups : sequence of N labels
        Groups with fewer than two observations are left out.

    Returns
    -------
    float
        Of the group that varies most to the group that varies least, about their own means; NaN
        with fewer than two groups.

    Examples
    --------
    >>> rows = np.random.default_rng(1).standard_normal((40, 300))
    >>> rows[:20] *= 2
    >>> 3.5 < variance_ratio(rows, ['a'] * 20 + ['b'] * 20) < 4.5
    True
    """
    values, groups = np.asarray(values, dtype=np.float64), np.asarray(groups)
    values = values[:, np.isfinite(values).all(axis=0)]
    names, sizes = np.unique(groups, return_counts=True)
    variances = [values[groups == name].var(axis=0, ddof=1) for name in names[sizes > 1]]
    if len(variances) < 2 or not values.shape[1]:
        return float('nan')
    varying = np.all(np.array(variances) > 0, axis=0)
    if not varying.any():
        return float('nan')
    logs = [np.median(np.log(each[varying])) for each in variances]
    return float(np.exp(max(logs) - min(logs)))
