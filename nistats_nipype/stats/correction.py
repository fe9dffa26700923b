"""Corrections for multiple testing, from p values to p values and thresholds."""

import numpy as np
from scipy import stats

from ..exceptions import InputError
from .distributions import SIDES, p_to_z, z_to_p


def check_alpha(alpha):
    """Return ``alpha`` if it is a probability between 0 and 1, both left out."""
    if not 0 < alpha < 1:
        raise InputError(
            'The error rate is not between 0 and 1.',
            found=f'{alpha:g}',
            expected='for instance 0.05, or 0.001',
            advice='Give a p value here; a threshold on the statistic goes by another name.',
        )
    return alpha


def fdr(p):
    """False discovery rate of Benjamini and Hochberg: adjusted p values.

    The step-up procedure of [1]_, with q as the adjusted p value.

    Parameters
    ----------
    p : array-like of float
        p values; NaN marks points that are not tested and stays NaN.

    Returns
    -------
    ndarray of float64

    References
    ----------
    .. [1] Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate. J R Stat
       Soc B 57(1):289-300. https://doi.org/10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> fdr([0.01, 0.02, np.nan, 0.5]).round(3)
    array([0.03, 0.03,  nan, 0.5 ])
    """
    return _adjust(p, stats.false_discovery_control)


def fdr_two_stage(p, alpha):
    """Adaptive false discovery rate of Benjamini, Krieger and Yekutieli: adjusted p [1]_.

    A first pass of :func:`fdr` at alpha / (1 + alpha) estimates how many hypotheses are
    true; the second pass is as strict as that number asks for.

    Parameters
    ----------
    p : array-like of float
        p values; NaN marks points that are not tested and stays NaN.
    alpha : float
        False discovery rate to control, between 0 and 1.

    Returns
    -------
    ndarray of float64
        To be compared with this ``alpha`` and no other: the first pass depends on it.

    Raises
    ------
    InputError
        If ``alpha`` is not between 0 and 1.

    Notes
    -----
    Control is proven for independent p values.

    References
    ----------
    .. [1] Benjamini Y, Krieger AM, Yekutieli D (2006). Adaptive linear step-up procedures
       that control the false discovery rate. Biometrika 93(3):491-507.
       https://doi.org/10.1093/biomet/93.3.491

    Examples
    --------
    >>> fdr_two_stage([0.01, 0.02, np.nan, 0.5], 0.05).round(4)
    array([0.0105, 0.0105,    nan, 0.175 ])
    """
    check_alpha(alpha)
    once = fdr(p)
    n_tests = np.count_nonzero(~np.isnan(once))
    n_rejected = np.count_nonzero(once <= alpha / (1 + alpha))
    # With none or all rejected, the first pass is the last.
    share_true = (n_tests - n_rejected) / n_tests if 0 < n_rejected < n_tests else 1.0
    return np.minimum(once * share_true * (1 + alpha), 1.0)


def bonferroni(p):
    """Bonferroni's familywise correction: adjusted p values.

    Parameters
    ----------
    p : array-like of float
        p values; NaN marks points that are not tested and stays NaN.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> bonferroni([0.01, 0.4, np.nan, 0.5]).round(3)
    array([0.03, 1.  ,  nan, 1.  ])
    """
    return _adjust(p, lambda tested: np.minimum(tested * tested.size, 1.0))


def _adjust(p, method):
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        adjusted[tested] = method(p[tested])
    return adjusted


def corrected_z(p_fwe, stat=None):
    """Normal score of a corrected p value, as nistats' ``cor_z_score`` gives it.

    Parameters
    ----------
    p_fwe : array-like of float
        Corrected p values; NaN stays NaN.
    stat : array-like of float, optional
        The statistic, to give the score its sign. Unsigned by default, as in nistats.

    Returns
    -------
    ndarray of float64
        Not below 0 (where p exceeds one half) but for the sign of ``stat``.

    Examples
    --------
    >>> corrected_z([0.001, 0.9]).round(3)
    array([3.09, 0.  ])
    """
    p_fwe = np.asarray(p_fwe, dtype=np.float64)
    # + 0.0 because the score of p = 0.5 comes out as a negative zero
    z = np.maximum(p_to_z(p_fwe), 0.0) + 0.0
    return z if stat is None else np.copysign(z, stat)


def height_threshold(z, method, alpha, sidedness='two-sided'):
    """Threshold on z that controls an error rate at ``alpha``.

    Parameters
    ----------
    z : array-like of shape (V,)
        Normal scores; NaN marks points that are not tested.
    method : {'fpr', 'fdr', 'bonferroni'}
        False positive rate at each point (uncorrected), false discovery rate of
        Benjamini and Hochberg, or familywise error rate by Bonferroni.
    alpha : float
        Error rate, between 0 and 1.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'

    Returns
    -------
    float
        Points with z (or -z, or both, by ``sidedness``) at least as large pass; infinite
        if none can.

    Raises
    ------
    InputError
        If ``alpha``, ``method`` or ``sidedness`` is none of those.

    Examples
    --------
    >>> round(height_threshold([0.0, 4.0], 'fpr', 0.001, 'positive'), 4)
    3.0902
    >>> height_threshold([0.0, 1.0], 'fdr', 0.05)
    inf
    """
    z = np.asarray(z, dtype=np.float64)
    z = z[~np.isnan(z)]
    check_alpha(alpha)
    if sidedness not in SIDES:
        raise InputError('Unknown side.', found=repr(sidedness), expected=', '.join(SIDES))
    if method == 'fdr':
        heights = {'two-sided': np.abs(z), 'positive': z, 'negative': -z}[sidedness]
        passing = heights[fdr(z_to_p(z, sidedness)) <= alpha]
        return float(passing.min(initial=np.inf))
    if method == 'bonferroni':
        alpha = alpha / max(z.size, 1)
    elif method != 'fpr':
        raise InputError(
            'Unknown way to choose a threshold.',
            found=repr(method),
            expected='fpr, fdr or bonferroni',
        )
    return float(p_to_z(alpha / 2 if sidedness == 'two-sided' else alpha))
