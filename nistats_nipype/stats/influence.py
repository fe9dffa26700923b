"""What a least-squares result would be without each of the observations."""

from typing import NamedTuple

import numpy as np

from . import glm
from .design import (
    check_contrast,
    check_design,
    inestimable_columns,
    pseudo_inverse,
    rank,
    whitening,
)
from .missing import points_of_patterns

#: An observation whose leverage is this near to 1 is fitted exactly, whatever its value.
_FULL_LEVERAGE = 1e-9
#: What is left of a residual sum of squares below this fraction of it is rounding.
_NOTHING_LEFT = 1e-13


class Influence(NamedTuple):
    """What leaving out each of N observations changes in a contrast at V points.

    Where an observation is missing at a point, leaving it out changes nothing there. Values are
    NaN, and indices -1, where there is nothing to tell.

    Attributes
    ----------
    kind : {'t', 'F'}
        Statistic of the contrast.
    peak : int
        The point with the largest statistic on the tested side.
    stat : float
        The statistic there.
    stat_at_peak : ndarray of shape (N,)
        Without each observation, the statistic there; NaN where the others cannot tell.
    effect_change : ndarray of shape (N,)
        Largest change of the effect over points (over rows, too, for F), with its sign: the
        effect without the observation minus that with it (DFBETA with the opposite sign).
    effect_point : ndarray of shape (N,), int64
        The point where it is.
    stat_change : ndarray of shape (N,)
        Likewise, of the statistic.
    stat_point : ndarray of shape (N,), int64
    new_peak : ndarray of shape (N,), int64
        The point with the largest statistic without each observation.
    new_stat : ndarray of shape (N,)
        The statistic there, without the observation.
    """

    kind: str
    peak: int
    stat: float
    stat_at_peak: np.ndarray
    effect_change: np.ndarray
    effect_point: np.ndarray
    stat_change: np.ndarray
    stat_point: np.ndarray
    new_peak: np.ndarray
    new_stat: np.ndarray


def leave_one_out(
    values, design, weights, *, sidedness='two-sided', missing='error', labels=None, out=None
):
    """Compute what a contrast would be without each of the observations, in closed form.

    Parameters
    ----------
    values : array of shape (N, V)
        Observations, NaN where missing. They are read row by row, and in blocks of points.
    design : array-like of shape (N, P)
        Design matrix.
    weights : array-like of shape (P,) or (Q, P)
        Contrast weights.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Which t is largest; F has one side.
    missing : {'error', 'drop_voxel', 'per_voxel'}, default 'error'
        As for :func:`nistats_nipype.stats.glm.fit`. A point that lacks a value in one observation
        stays dropped when that is left out.
    labels : sequence of N str, optional
        Names of the observations, for errors.
    out : array of shape (N, V), optional
        Set to the statistic without each observation, NaN where there is none. It may be on
        disk.

    Returns
    -------
    Influence

    Raises
    ------
    DesignError, ContrastError, MissingDataError, InputError
        As :func:`nistats_nipype.stats.glm.fit` and :func:`nistats_nipype.stats.glm.contrast`.

    Notes
    -----
    No model is fitted again: estimates, residual variance and the variance of the effect follow
    from residuals and leverages [1]_. A statistic whose variance is rounding, as the
    observation left out made all of it, is NaN.

    References
    ----------
    .. [1] Belsley DA, Kuh E, Welsch RE (1980). Regression Diagnostics. Wiley.
       https://doi.org/10.1002/0471725153

    Examples
    --------
    >>> values = np.array([[1.0], [2.0], [3.0], [10.0]])
    >>> result = leave_one_out(values, np.ones((4, 1)), [1.0])
    >>> result.effect_change.round(3), result.stat_at_peak.round(3)
    (array([ 1.   ,  0.667,  0.333, -2.   ]), array([1.987, 1.71 , 1.522, 3.464]))
    """
    design = check_design(design)
    weights = check_contrast(design, weights)
    model = glm.fit(values, design, missing=missing, labels=labels)
    before = glm.contrast(model, design, weights)
    search = _Search(len(design), before, sidedness)
    if out is not None:
        out[:] = np.nan
    for kept, points in zip(
        model.patterns, points_of_patterns(model.pattern, len(model.patterns)), strict=True
    ):
        if not points.size or inestimable_columns(design[kept], weights):
            continue
        rows = np.flatnonzero(kept)
        # F of redundant rows is that of as many as are independent.
        geometry = pseudo_inverse(design[rows]), len(rows) - rank(design[rows])
        tested = weights
        if len(weights) > 1:
            tested = whitening(weights @ pseudo_inverse(design)) @ weights
        parts = [_Without(i, design[rows], geometry, weights, tested) for i in range(len(rows))]
        for block in glm.split_points(points, len(rows)):
            data = np.asarray(values[np.ix_(rows, block)], dtype=np.float64)
            beta = model.beta[:, block]
            squares = model.residual_variance[block] * model.dof[block]
            effect = glm.accumulate(weights, beta)
            contrast = glm.accumulate(tested, beta)
            changes = np.zeros((len(weights), len(block)))
            unchanged = before.stat[block]
            for index in range(len(design)):
                if not kept[index]:
                    search.take(index, block, changes, unchanged, out)
            for part, index, row in zip(parts, rows, data, strict=True):
                residual = row - glm.accumulate(design[index][None, :], beta)[0]
                search.take(index, block, *part.apply(residual, squares, effect, contrast), out)
    return search.finish(before)


class _Without:
    """The geometry of a model without one of its observations."""

    def __init__(self, index, design, geometry, weights, tested):
        inverse, dof = geometry
        others = np.delete(design, index, axis=0)
        leverage = float(design[index] @ inverse[:, index])
        free = 1.0 - leverage
        self.alone = free < _FULL_LEVERAGE
        self.possible = not (self.alone and inestimable_columns(others, weights))
        self.dof = dof if self.alone else dof - 1
        self.possible &= self.dof > 0
        if not self.possible:
            return
        # Without an observation that the model fits exactly, nothing else changes.
        self.per_square = 0.0 if self.alone else 1.0 / free
        self.moves = -(weights @ inverse[:, index]) * self.per_square
        self.moves_tested = -(tested @ inverse[:, index]) * self.per_square
        if self.alone:
            rows = tested @ pseudo_inverse(others)
            covariance = rows @ rows.T
        else:
            rows, column = tested @ inverse, tested @ inverse[:, index]
            covariance = rows @ rows.T + np.outer(column, column) * self.per_square
        self.white = np.linalg.inv(np.linalg.cholesky(covariance))

    def apply(self, residual, squares, effect, contrast):
        """Change of the effect, and the statistic: arrays of shape (Q, V) and (V,)."""
        if not self.possible:
            return np.full(effect.shape, np.nan), np.full(len(residual), np.nan)
        left = squares - residual**2 * self.per_square
        left = np.where(left > _NOTHING_LEFT * squares, left, np.nan)
        moved = contrast + self.moves_tested[:, None] * residual
        white = glm.accumulate(self.white, moved)
        if len(effect) == 1:
            stat = white[0] / np.sqrt(left / self.dof)
        else:
            stat = glm.accumulate(np.ones((1, len(white))), white**2)[0]
            stat /= len(white) * (left / self.dof)
        return self.moves[:, None] * residual, stat


class _Search:
    """The largest values so far, over the blocks of points."""

    def __init__(self, n_observations, before, sidedness):
        self.sign = {'two-sided': 0, 'positive': 1, 'negative': -1}[sidedness]
        if len(before.effect) > 1:
            self.sign = 1
        self.stat = before.stat
        height = self.height(before.stat)
        self.peak = int(np.nanargmax(height)) if np.isfinite(height).any() else -1
        self.values = {
            name: np.full(n_observations, np.nan)
            for name in ('effect_change', 'stat_change', 'new_stat', 'stat_at_peak')
        }
        self.points = {
            name: np.full(n_observations, -1, dtype=np.int64)
            for name in ('effect_change', 'stat_change', 'new_stat')
        }

    def height(self, stat):
        """What is largest at the peak."""
        return self.sign * stat if self.sign else np.abs(stat)

    def take(self, index, points, change, stat, out):
        """Look at what is without an observation at some points."""
        row = np.abs(change).argmax(axis=0) if len(change) > 1 else 0
        largest = change[row, np.arange(len(points))]
        self._keep('effect_change', index, points, largest, np.abs)
        self._keep('stat_change', index, points, stat - self.stat[points], np.abs)
        self._keep('new_stat', index, points, stat, self.height)
        here = points == self.peak
        if here.any():
            self.values['stat_at_peak'][index] = stat[here][0]
        if out is not None:
            out[index, points] = stat

    def _keep(self, name, index, points, values, height):
        """Keep the highest value; of equal ones that of the first point."""
        heights = height(values)
        if np.isnan(heights).all():
            return
        best = int(np.nanargmax(heights))
        known, where = self.values[name][index], self.points[name][index]
        higher = heights[best] - height(known)
        if where < 0 or higher > 0 or (higher == 0 and points[best] < where):
            self.values[name][index] = values[best]
            self.points[name][index] = points[best]

    def finish(self, before):
        """Give the result."""
        values, points = self.values, self.points
        return Influence(
            kind=before.kind,
            peak=self.peak,
            stat=float(before.stat[self.peak]) if self.peak >= 0 else np.nan,
            stat_at_peak=values['stat_at_peak'],
            effect_change=values['effect_change'],
            effect_point=points['effect_change'],
            stat_change=values['stat_change'],
            stat_point=points['stat_change'],
            new_peak=points['new_stat'],
            new_stat=values['new_stat'],
        )
