"""How many relabellings a p value needs: stopping early, and intervals for what was counted."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import special

from ..exceptions import InputError, ScheduleError
from .correction import check_alpha


class Exceedances(NamedTuple):
    """The first exceedances in a range of relabellings; adjacent ranges can be merged.

    Attributes
    ----------
    start, stop : int
        Rows of the schedule, ``stop`` not included.
    rows : ndarray of shape (n_stop, V), int64
        Rows of the first ``n_stop`` relabellings, the observed one not counted, that
        reach the observed statistic at each point; :data:`NONE` where there are fewer.
    """

    start: int
    stop: int
    rows: np.ndarray

    @property
    def done(self):
        """Points that need no further relabelling, ndarray of shape (V,), bool."""
        return self.rows[-1] < NONE


#: A row that no schedule has.
NONE = np.iinfo(np.int64).max


class SequentialResult(NamedTuple):
    """p values of a test that stops at each point after enough exceedances.

    Attributes
    ----------
    p : ndarray of shape (V,), float64
    n_used : ndarray of shape (V,), int64
        Relabellings that the p is made of, the observed one not counted.
    n_exceedances : ndarray of shape (V,), int64
        Those of them that reach the observed statistic.
    stopped : ndarray of shape (V,), bool
        Whether the test stopped before the end of the schedule, or at it.
    method : str
        How the p values were made, for a report.
    """

    p: np.ndarray
    n_used: np.ndarray
    n_exceedances: np.ndarray
    stopped: np.ndarray
    method: str


class Interval(NamedTuple):
    """Where the p of all possible relabellings lies.

    Attributes
    ----------
    low, high : ndarray of the shape of the counts, float64
    method : str
        How the interval was made, for a report.
    """

    low: np.ndarray
    high: np.ndarray
    method: str


def first_exceedances(reached, n_stop, *, start=0):
    """Find the first relabellings that reach the observed statistic.

    Parameters
    ----------
    reached : array-like of shape (b, V), bool
        Whether the rows ``start`` to ``start + b - 1`` of the schedule do. Row 0, the
        observed labelling, is passed over.
    n_stop : int
        Exceedances after which a point is decided, at least 1. PALM: 2 by default.
    start : int, default 0

    Returns
    -------
    Exceedances

    Raises
    ------
    InputError
        If ``n_stop`` is below 1 or ``reached`` is not a table.

    Examples
    --------
    >>> found = first_exceedances([[True], [False], [True], [True]], 2)
    >>> found.rows.ravel(), found.done
    (array([2, 3]), array([ True]))
    """
    reached = np.array(reached, dtype=bool)
    if n_stop < 1 or reached.ndim != 2:
        raise InputError(
            'Exceedances cannot be found.',
            found=f'n_stop = {n_stop}, {reached.ndim} dimensions',
            expected='n_stop of at least 1, a row for each relabelling, a column for each point',
        )
    if start == 0:
        reached[:1] = False
    rows = np.full((n_stop, reached.shape[1]), NONE)
    order = np.cumsum(reached, axis=0)
    at, point = np.nonzero(reached & (order <= n_stop))
    rows[order[at, point] - 1, point] = at + start
    return Exceedances(start, start + len(reached), rows)


def merge_exceedances(parts):
    """Put ranges of relabellings together.

    Parameters
    ----------
    parts : iterable of Exceedances
        In any order; together without gaps. The result does not depend on the cuts.

    Returns
    -------
    Exceedances

    Raises
    ------
    ScheduleError
        If relabellings are missing in between or there twice.

    Examples
    --------
    >>> reached = np.array([[True, True], [False, True], [True, True], [True, False]])
    >>> parts = [first_exceedances(reached[2:], 2, start=2), first_exceedances(reached[:2], 2)]
    >>> merge_exceedances(parts).rows.tolist()
    [[2, 1], [3, 2]]
    """
    parts = sorted((part for part in parts if part.stop > part.start), key=lambda p: p.start)
    if not parts or any(a.stop != b.start for a, b in pairwise(parts)):
        raise ScheduleError(
            'The ranges of relabellings do not join.',
            found=', '.join(f'{part.start} to {part.stop - 1}' for part in parts) or 'nothing',
            expected='every relabelling once',
        )
    merged = parts[0].rows
    for part in parts[1:]:
        merged = np.sort(np.concatenate([merged, part.rows]), axis=0)[: len(merged)]
    return Exceedances(parts[0].start, parts[-1].stop, merged)


def negative_binomial(exceedances, n_relabellings):
    """P values of a test that stops after a number of exceedances.

    A point whose h-th exceedance is the l-th relabelling gets p = h / l; a point with
    g < h exceedances at the end of the schedule of B gets p = (g + 1) / B [1]_. PALM calls
    it ``-approx negbin`` (or ``-accel negbin``), after the distribution of l [2]_.

    Parameters
    ----------
    exceedances : Exceedances
        From row 0 on, to the end of the schedule or until all points are ``done``.
    n_relabellings : int
        Relabellings B of the schedule, the observed one included.

    Returns
    -------
    SequentialResult
        Valid: for any a, p <= a has a probability of at most a under the null hypothesis,
        provided that rows are used in the order of a random schedule.

    Raises
    ------
    ScheduleError
        If relabellings are missing that a point would need, or if there are too many.

    Notes
    -----
    An exhaustive schedule is enumerated in an order that is not random: use all of it.

    References
    ----------
    .. [1] Besag J, Clifford P (1991). Sequential Monte Carlo p-values. Biometrika
       78(2):301-304. https://doi.org/10.1093/biomet/78.2.301
    .. [2] Winkler AM, Ridgway GR, Douaud G, Nichols TE, Smith SM (2016). Faster
       permutation inference in brain imaging. NeuroImage 141:502-516.
       https://doi.org/10.1016/j.neuroimage.2016.05.068

    Examples
    --------
    >>> reached = np.array([[1, 1], [1, 0], [0, 0], [0, 0], [1, 0]], dtype=bool)
    >>> result = negative_binomial(first_exceedances(reached, 2), 5)
    >>> result.p, result.n_used
    (array([0.5, 0.2]), array([4, 4]))
    """
    stopped = exceedances.done
    complete = exceedances.stop == n_relabellings or stopped.all()
    if exceedances.start != 0 or exceedances.stop > n_relabellings or not complete:
        raise ScheduleError(
            'The relabellings are not those that the test needs.',
            found=f'{exceedances.start} to {exceedances.stop - 1}',
            expected=f'0 to {n_relabellings - 1}, or fewer if all points stopped',
        )
    n_stop = len(exceedances.rows)
    n_exceedances = np.sum(exceedances.rows < NONE, axis=0)
    n_used = np.where(stopped, exceedances.rows[-1], n_relabellings - 1)
    at_stop = n_stop / np.maximum(n_used, 1)
    p = np.where(stopped, at_stop, (n_exceedances + 1) / n_relabellings)
    return SequentialResult(
        p=p,
        n_used=n_used,
        n_exceedances=n_exceedances,
        stopped=stopped,
        method=f'sequential: {stopped.sum()} of {stopped.size} points stopped after {n_stop} '
        f'exceedances, the others counted over {n_relabellings} relabellings',
    )


def monte_carlo_interval(count, n, *, level=0.95, exhaustive=False):
    """Interval for the p value that all possible relabellings would give.

    The exact interval of Clopper and Pearson [1]_ for the share of the relabellings that
    were drawn; the observed labelling is not a draw.

    Parameters
    ----------
    count : array-like of int
        Relabellings that reach the observed statistic, the observed one included:
        p * n, at least 1.
    n : int
        Relabellings, the observed one included.
    level : float, default 0.95
        Probability with which the interval holds, at least.
    exhaustive : bool, default False
        Whether these are all possible relabellings: the interval is then p itself.

    Returns
    -------
    Interval

    Raises
    ------
    InputError
        If a count is not between 1 and ``n``, or ``level`` not between 0 and 1.

    Notes
    -----
    Drawing without repeats makes the interval a little wider than it need be.

    References
    ----------
    .. [1] Clopper CJ, Pearson ES (1934). The use of confidence or fiducial limits
       illustrated in the case of the binomial. Biometrika 26(4):404-413.
       https://doi.org/10.1093/biomet/26.4.404

    Examples
    --------
    >>> interval = monte_carlo_interval([1, 51], 1001)
    >>> interval.low.round(4), interval.high.round(4)
    (array([0.    , 0.0373]), array([0.0037, 0.0654]))
    """
    count = np.asarray(count)
    check_alpha(level)
    if not np.all((count >= 1) & (count <= n)):
        raise InputError(
            'Counts of relabellings are out of range.',
            found=f'{count.min(initial=n)} to {count.max(initial=1)} of {n}',
            expected='1, for the observed labelling, to n',
        )
    if exhaustive:
        p = count / n
        return Interval(p, p, f'exact: all {n} relabellings')
    drawn, reached = n - 1, count - 1
    outside = (1 - level) / 2
    # betaincinv is NaN where a parameter is 0: none, or all, of the draws reach it.
    low = special.betaincinv(np.maximum(reached, 1), drawn - reached + 1, outside)
    high = special.betaincinv(reached + 1, np.maximum(drawn - reached, 1), 1 - outside)
    return Interval(
        np.where(reached == 0, 0.0, low),
        np.where(reached == drawn, 1.0, high),
        f'{100 * level:g} % interval of Clopper and Pearson, {drawn} random relabellings',
    )
