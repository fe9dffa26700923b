"""Least squares at every point; t and F with effect, variance, z and p."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..exceptions import DesignError
from .design import (
    check_contrast,
    check_design,
    check_rows,
    column_space,
    inestimable_columns,
    pseudo_inverse,
    rank,
    whitening,
)
from .distributions import f_to_z, t_to_z, z_to_p
from .missing import check_missing, count_observed, find_patterns, points_of_patterns
from .welch import check_groups, welch_contrast

#: Points fitted at a time at most, and numbers of observations; no influence on the result.
BLOCK, NUMBERS = 16384, 2**22
#: Sets of observations whose geometry is kept at hand, as neighbours share it.
_PATTERNS = 256
#: Residual sums of squares below this fraction of the total are rounding: no variance.
NO_VARIANCE = 1e-20


class GLMFit(NamedTuple):
    """A least-squares fit at V points.

    Attributes
    ----------
    beta : ndarray of shape (P, V), float64
        Estimates in the units of the data; NaN where nothing was fitted.
    residual_variance : ndarray of shape (V,), float64
        Residual sum of squares over ``dof``; NaN where nothing was fitted or where
        the residuals are zero but for rounding.
    dof : ndarray of shape (V,), float64
        Residual degrees of freedom; 0 where nothing was fitted.
    pattern : ndarray of shape (V,), int32
        Row of ``patterns`` that holds at a point; -1 where nothing was fitted.
    patterns : ndarray of shape (K, N), bool
        Which observations entered the fit.
    groups : ndarray of shape (N,), int64, or None
        Variance groups, from 0; None if there are none.
    group_squares : ndarray of shape (G, V), float64, or None
        Sums of squared residuals in each of the G variance groups.
    """

    beta: np.ndarray
    residual_variance: np.ndarray
    dof: np.ndarray
    pattern: np.ndarray
    patterns: np.ndarray
    groups: np.ndarray | None = None
    group_squares: np.ndarray | None = None

    @property
    def n_observed(self):
        """Observations that entered the fit at each point: ndarray of shape (V,), int32."""
        return count_observed(self.patterns, self.pattern)


class ContrastResult(NamedTuple):
    """Maps of a contrast at V points; NaN where there is no statistic.

    Attributes
    ----------
    kind : {'t', 'F', 'v', 'G', 'z', 'chi2'}
        v and G where variances differ between groups, z and chi2 where they are known.
    effect : ndarray of shape (Q, V)
        Contrast of the estimates, one row per contrast row, in the units of the data.
    variance : ndarray of shape (Q, V)
        Sampling variance of each effect, in squared units.
    stat : ndarray of shape (V,)
        The statistic.
    z : ndarray of shape (V,)
        Normal score of the upper-tail probability of ``stat``.
    p : ndarray of shape (V,)
        Probability under the null hypothesis on the tested side or sides.
    dof_effect : int
        Rank of the contrast.
    dof : ndarray of shape (V,)
        Degrees of freedom of the error, infinite where variances are known; NaN where nothing
        was fitted.
    """

    kind: str
    effect: np.ndarray
    variance: np.ndarray
    stat: np.ndarray
    z: np.ndarray
    p: np.ndarray
    dof_effect: int
    dof: np.ndarray


def accumulate(weights, values):
    """Weighted sums over observations, added up in the order of the observations.

    Unlike a BLAS product, whose order of additions depends on the processor, the
    number of threads and the shape, a column of the result depends on its own
    column of ``values`` only, to the last bit.

    Parameters
    ----------
    weights : ndarray of shape (K, N), float64
    values : ndarray of shape (N, V)

    Returns
    -------
    ndarray of shape (K, V), float64

    Examples
    --------
    >>> accumulate(np.array([[1.0, 2.0]]), np.array([[1.0, 10.0], [3.0, 4.0]]))
    array([[ 7., 18.]])
    """
    total = np.zeros((len(weights), values.shape[1]))
    for row, column in zip(values, weights.T, strict=True):
        total += column[:, None] * row
    return total


def split_points(points, n_observations, most=None):
    """Cut points into blocks that take about as much memory whatever the group.

    Parameters
    ----------
    points : ndarray of int
    n_observations : int
    most : int, optional
        Points of a block at most; :data:`BLOCK` by default.

    Returns
    -------
    list of ndarray of int

    Examples
    --------
    >>> [len(block) for block in split_points(np.arange(20000), 12)]
    [16384, 3616]
    """
    size = min(most or BLOCK, max(64, NUMBERS // n_observations))
    return np.split(points, np.arange(size, len(points), size))


def fit(values, design, *, missing='error', labels=None, groups=None):
    """Fit a linear model by ordinary least squares at every point.

    Parameters
    ----------
    values : array of shape (N, V)
        Observations, NaN where missing. They are read row by row, and in blocks of points, so
        that they need not be in memory; see :class:`~nistats_nipype.images.packed.PackedMaps`.
    design : array-like of shape (N, P)
        Design matrix.
    missing : {'error', 'drop_voxel', 'per_voxel'}, default 'error'
        'error' refuses missing values; 'drop_voxel' fits complete points only;
        'per_voxel' fits each point on what is observed there, with its own degrees
        of freedom.
    labels : sequence of N str, optional
        Names of the observations, for errors.
    groups : array-like of shape (N,), optional
        Variance groups: a label for each observation, those of one label having errors of one
        variance. :func:`contrast` then gives v and G in place of t and F.

    Returns
    -------
    GLMFit

    Raises
    ------
    DesignError
        If the design does not fit the observations or leaves no degrees of freedom.
    MissingDataError, InputError
        See :func:`nistats_nipype.stats.missing.check_missing`.

    Examples
    --------
    >>> model = fit(np.array([[1.0], [2.0], [3.0]]), np.ones((3, 1)))
    >>> float(model.beta[0, 0]), float(model.residual_variance[0]), float(model.dof[0])
    (2.0, 1.0, 2.0)
    """
    design = check_design(design)
    n_observations, n_points = values.shape
    check_rows(design, n_observations)
    patterns, pattern = find_patterns(values, check_missing(values, missing, labels))
    groups = None if groups is None else check_groups(groups, n_observations)
    model = GLMFit(
        beta=np.full((design.shape[1], n_points), np.nan),
        residual_variance=np.full(n_points, np.nan),
        dof=np.zeros(n_points),
        pattern=pattern,
        patterns=patterns,
        groups=groups,
        group_squares=None if groups is None else np.full((groups.max() + 1, n_points), np.nan),
    )
    fitted = np.flatnonzero(pattern >= 0)
    geometry = lru_cache(_PATTERNS)(lambda number: _geometry(design, patterns[number]))
    for where in split_points(fitted, n_observations):
        block = np.asarray(values[:, where], dtype=np.float64)
        for number in np.unique(pattern[where]):
            rows, inverse, dof = geometry(number)
            here = np.flatnonzero(pattern[where] == number)
            if dof < 1:
                pattern[where[here]] = -1
            else:
                part = block if len(rows) * len(here) == block.size else block[np.ix_(rows, here)]
                _fit_block(model, part, rows, where[here], design, inverse, dof)
    return model


def blocks_of_patterns(model, design):
    """Cut the points of a fit that weighs observations into blocks with the same ones.

    Parameters
    ----------
    model : MixedFit or RobustFit
        Its ``dof`` are filled in, and ``pattern`` set to -1 where none are left.
    design : ndarray of shape (N, P)

    Yields
    ------
    rows : ndarray of int
        Observations.
    points : ndarray of int
        At most as many as :func:`split_points` gives.
    geometry : tuple of ndarray of shape (R, n) and (P, R)
        Orthonormal basis of their design, and what takes coordinates on it to estimates.
    """
    members = points_of_patterns(model.pattern, len(model.patterns))
    for kept, points in zip(model.patterns, members, strict=True):
        rows = np.flatnonzero(kept)
        dof = len(rows) - rank(design[rows])
        if dof < 1:
            model.pattern[points] = -1
            continue
        model.dof[points] = dof
        basis = column_space(design[rows])
        geometry = np.ascontiguousarray(basis.T), pseudo_inverse(design[rows]) @ basis
        for block in split_points(points, len(rows)):
            yield rows, block, geometry


def _geometry(design, kept):
    """Rows of a set of observations, the pseudoinverse of their design, and its dof."""
    rows = np.flatnonzero(kept)
    return rows, pseudo_inverse(design[rows]), len(rows) - rank(design[rows])


def _fit_block(model, block, rows, where, design, inverse, dof):
    """Fit ``block``, the points ``where`` of the observations ``rows``, into the model."""
    beta = accumulate(inverse, block)
    residual, total = np.zeros(len(where)), np.zeros(len(where))
    if model.groups is not None:
        model.group_squares[:, where] = 0.0
    for index, row in zip(rows, block, strict=True):
        square = (row - accumulate(design[index][None, :], beta)[0]) ** 2
        residual += square
        total += row**2
        if model.groups is not None:
            model.group_squares[model.groups[index], where] += square
    model.beta[:, where] = beta
    model.residual_variance[where] = np.where(
        residual > NO_VARIANCE * total, residual / dof, np.nan
    )
    model.dof[where] = dof


def contrast(model, design, weights, *, sidedness='two-sided'):
    """Test a contrast of a fitted model: t for one row, F for several.

    Parameters
    ----------
    model : GLMFit
        Result of :func:`fit`.
    design : array-like of shape (N, P)
        The design of the fit.
    weights : array-like of shape (P,) or (Q, P)
        Contrast weights. For F, redundant rows count once.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Side of ``p`` for t. F has one side only.

    Returns
    -------
    ContrastResult
        With variance groups, v stands for t and G for F. Points whose observed rows do not
        determine the contrast, or whose residuals, all or those of a variance group, are zero,
        hold NaN.

    Raises
    ------
    ContrastError
        If the contrast does not fit the design or is not estimable.
    DesignError
        If the design leaves a variance group no residuals.

    Notes
    -----
    z is the score of the upper tail whatever ``sidedness``, so that it keeps the sign of t.

    Examples
    --------
    >>> model = fit(np.array([[1.0], [2.0], [3.0]]), np.ones((3, 1)))
    >>> result = contrast(model, np.ones((3, 1)), [1.0])
    >>> result.stat.round(4), result.p.round(4)
    (array([3.4641]), array([0.0742]))
    """
    design = check_design(design)
    weights = check_contrast(design, weights)
    n_rows, n_points = len(weights), model.beta.shape[1]
    effect = accumulate(weights, model.beta)
    unit_variance = np.full((n_rows, n_points), np.nan)
    wald = np.full(n_points, np.nan)
    dof_effect = len(whitening(weights @ pseudo_inverse(design)))
    for number, members in enumerate(points_of_patterns(model.pattern, len(model.patterns))):
        kept = design[model.patterns[number]]
        if not kept.size or inestimable_columns(kept, weights):
            effect[:, members] = np.nan
            continue
        rows = weights @ pseudo_inverse(kept)
        unit_variance[:, members] = (rows**2).sum(axis=1)[:, None]
        if n_rows > 1:
            white = accumulate(whitening(rows), effect[:, members])
            wald[members] = accumulate(np.ones((1, len(white))), white**2)[0]
    variance = unit_variance * model.residual_variance
    dof = np.where(model.dof > 0, model.dof, np.nan)
    if n_rows == 1:
        stat = effect[0] / np.sqrt(variance[0])
    else:
        stat = wald / dof_effect / model.residual_variance
    kind = 't' if n_rows == 1 else 'F'
    if model.groups is not None:
        kind = 'v' if n_rows == 1 else 'G'
        _replace_by_welch(model, design, weights, stat, variance, dof)
    if n_rows == 1:
        z = t_to_z(stat, dof)
        p = z_to_p(z, sidedness)
    else:
        z = f_to_z(stat, dof_effect, dof)
        p = z_to_p(z, 'positive')
    return ContrastResult(kind, effect, variance, stat, z, p, dof_effect, dof)


def _replace_by_welch(model, design, weights, stat, variance, dof):
    """Put v or G, and what belongs to it, in place of t or F where there is one of these."""
    for number, members in enumerate(points_of_patterns(model.pattern, len(model.patterns))):
        rows = model.patterns[number]
        members = members[np.isfinite(stat[members])]
        if not members.size:
            continue
        try:
            stat[members], variance[:, members], dof[members] = welch_contrast(
                model.beta[:, members],
                model.group_squares[:, members],
                design[rows],
                weights,
                model.groups[rows],
            )
        except DesignError:
            # A fault of the design, or of what is missing at these points.
            if rows.all():
                raise
            stat[members] = variance[:, members] = np.nan
