"""Corrected p of a permutation test: counted, or read off a tail that is fitted to the null."""

from typing import NamedTuple

import numpy as np

from ..exceptions import InputError
from .design import partition
from .permutation import merge, permute
from .tails import SOURCES, TailFit, gamma_fit, gpd_tail

#: Distributions that can be fitted to the null; 'none' leaves the counts.
TAILS = ('none', 'gpd', 'gamma')
#: With fewer relabellings, the observed one is among the values that a generalised Pareto
#: distribution is fitted to; see the notes of :func:`approximate`.
FEW = 300
#: No p is smaller: the least normal number of single precision, in which maps are written.
SMALLEST = float(np.finfo(np.float32).tiny)
#: Maxima of relabellings that are equivalent differ by rounding only.
_TIE = 1e-9


class Approximation(NamedTuple):
    """Corrected p values, and how they were made.

    Attributes
    ----------
    p : ndarray of shape (V,), float64
    source : ndarray of shape (V,), int8
        Index into :data:`nistats_nipype.stats.tails.SOURCES`.
    smallest : float
        No p below it could have come out, however large the observed value.
    observed_fitted : bool
        Whether the observed labelling was among the values fitted.
    tail : TailFit or None
        The fit; None for counts.
    method : str
        How the p values were made, for a report.
    """

    p: np.ndarray
    source: np.ndarray
    smallest: float
    observed_fitted: bool
    tail: TailFit | None
    method: str


def on_side(stat, sidedness):
    """Turn a statistic so that large values are extreme.

    Examples
    --------
    >>> on_side(np.array([-2.0, 1.0]), 'negative')
    array([ 2., -1.])
    """
    return {'two-sided': np.abs, 'positive': np.positive, 'negative': np.negative}[sidedness](stat)


def approximate(p, null, observed, *, tail='none', n_possible=None):
    """Corrected p values from a distribution fitted to the maxima of the relabellings.

    Parameters
    ----------
    p : array-like of shape (V,)
        Share of the relabellings whose maximum reaches the observed value.
    null : array-like of shape (B,)
        Maximum of every relabelling, the observed one first.
    observed : array-like of shape (V,)
        Observed statistic, large values extreme; NaN where nothing was tested.
    tail : {'none', 'gpd', 'gamma'}, default 'none'
        Nothing is fitted; or a generalised Pareto distribution to the upper tail, see
        :func:`~nistats_nipype.stats.tails.gpd_tail`; or a gamma distribution to all of the
        null, see :func:`~nistats_nipype.stats.tails.gamma_fit`.
    n_possible : int, optional
        Relabellings that exist; a fit needs it. Where B reaches it, nothing is fitted.

    Returns
    -------
    Approximation
        p that come from counts are those given, and so are p of 1: a value that every
        relabelling reaches, as outside clusters, is no matter of a fit.

    Raises
    ------
    InputError
        If ``tail`` is unknown, ``n_possible`` lacks, or the null cannot be fitted.

    Notes
    -----
    Below 300 relabellings the observed one is fitted along, as in PALM; p below 0.01 are then
    larger than they need be rather than smaller. Figures for maxima of 1,000 absolute t with 20
    degrees of freedom, by simulation (20,000 or more): how often p is at most 0.05, 0.01 and
    0.001 under the null hypothesis, by what it should, and the median p where the true one is
    1e-4 (by counting at least 1 / B).

    ===  ===========================  =======  ==========================  =======
    B    left out: 0.05, 0.01, 0.001  at 1e-4  fitted: 0.05, 0.01, 0.001   at 1e-4
    ===  ===========================  =======  ==========================  =======
    50   1.09, 1.32, 1.98             1.3e-4   1.01, 0.74, 0               4.4e-3
    100  1.10, 1.09, 1.75             1.2e-4   1.07, 0.79, 0               2.2e-3
    200  1.03, 1.09, 1.30             1.2e-4   1.01, 0.94, 0.20            1.2e-3
    300  1.00, 0.95, 1.30             1.1e-4   0.99, 0.86, 0.40            7.7e-4
    500  1.02, 0.99, 0.65             1.1e-4   1.02, 0.94, 0.40            4.5e-4
    ===  ===========================  =======  ==========================  =======

    Examples
    --------
    >>> null = -np.log((np.arange(400)[::-1] + 0.5) / 400)  # exponential: p = exp(-observed)
    >>> found = approximate([0.005], null, [9.0], tail='gpd', n_possible=2**30)
    >>> -np.log(found.p).round(1), SOURCES[found.source[0]], found.smallest == 2**-30
    (array([9.]), 'fit', True)
    """
    p, null = np.asarray(p, dtype=np.float64), np.asarray(null, dtype=np.float64)
    _check(tail, n_possible)
    n = len(null)
    exhaustive = n_possible is not None and n >= n_possible
    fit, observed_fitted, attempted = None, False, False
    source = np.zeros(p.shape, dtype=np.int8)
    method = f'exact: all {n} relabellings' if exhaustive else f'counts of {n} relabellings'
    if tail != 'none':
        observed_fitted = bool(tail == 'gamma' or n < FEW) and not exhaustive
        function = gpd_tail if tail == 'gpd' else gamma_fit
        fit = function(null, observed, n_possible=n_possible, fit_observed=observed_fitted)
        source = np.where(p < 1, fit.source, 0).astype(np.int8)
        p, method = np.where(source > 0, fit.p, p), method if exhaustive else fit.method
        source[p < SMALLEST] = SOURCES.index('limit')
        p = np.maximum(p, SMALLEST)
        # A tail that was not wanted, for no p was small, was not refused either.
        refused = not np.isfinite(fit.threshold) and np.any(fit.p < 0.1)
        attempted = not exhaustive and not refused
    return Approximation(
        p=p,
        source=source,
        smallest=max(1 / n_possible, SMALLEST) if attempted else smallest_counted(null),
        observed_fitted=observed_fitted,
        tail=fit,
        method=method,
    )


def smallest_counted(null):
    """Smallest p that counting can give, however large the observed value.

    The share of the relabellings that are equivalent to the observed one. These are two where
    the sign has no influence (two sides, F) and the schedule holds the opposite relabelling,
    as one of all sign flips does.

    Parameters
    ----------
    null : ndarray of shape (B,)
        Maximum of every relabelling, the observed one first.

    Returns
    -------
    float

    Examples
    --------
    >>> smallest_counted(np.array([2.5, 1.0, 2.5, 1.0]))
    0.5
    """
    # A maximum of 0, without clusters, tells nothing of the relabelling.
    equivalent = np.isclose(null, null[0], rtol=_TIE, atol=0).sum() if null[0] > 0 else 1
    return float(equivalent / len(null))


def smallest_of_schedule(schedule, design, contrast, sidedness='two-sided'):
    """Smallest p that counting can give with a schedule, before there are data.

    Parameters
    ----------
    schedule : Schedule
    design : array-like of shape (N, P)
    contrast : array-like of shape (P,) or (Q, P)
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'

    Returns
    -------
    float

    Raises
    ------
    ScheduleError, DesignError, ContrastError, InputError
        See :func:`nistats_nipype.stats.permutation.permute`.

    Examples
    --------
    All sign flips of five maps: on two sides each has its opposite.

    >>> from nistats_nipype.stats.exchange import draw_schedule
    >>> ones = np.ones((5, 1))
    >>> smallest_of_schedule(draw_schedule(ones, [1]), ones, [1]) == 2 / 32
    True
    """
    # Relabellings are equivalent if they tie whatever the data, so any one map tells; with the
    # effect that is sought, its observed statistic is on the tested side.
    effect = partition(design, contrast).interest.sum(axis=1, keepdims=True)
    noise = np.random.default_rng(0).standard_normal(effect.shape)
    values = noise + (-10.0 if sidedness == 'negative' else 10.0) * effect
    chunk = permute(values, design, contrast, schedule, sidedness=sidedness)
    return smallest_counted(merge([chunk], design, contrast, sidedness=sidedness).null)


def _check(tail, n_possible):
    if tail not in TAILS:
        raise InputError('Unknown tail.', found=repr(tail), expected=', '.join(TAILS))
    if tail != 'none' and n_possible is None:
        raise InputError(
            'A tail cannot be fitted without knowing how many relabellings there are.',
            expected='n_possible, which bounds p from below',
            advice='Give MergePermutations the schedule_metadata_file that DrawSchedule wrote.',
        )


def count_sources(source):
    """Number of points by where their p comes from.

    Examples
    --------
    >>> count_sources(np.array([0, 0, 1]))
    {'count': 2, 'fit': 1, 'limit': 0}
    """
    counts = np.bincount(source, minlength=len(SOURCES))
    return {name: int(count) for name, count in zip(SOURCES, counts, strict=True)}
