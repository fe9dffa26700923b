"""Values of one point without what other regressors explain of them, and their means."""

from typing import NamedTuple

import numpy as np

from ..exceptions import InputError
from .design import check_design, pseudo_inverse, rank


class Adjusted(NamedTuple):
    """Observations without what some regressors explain.

    Attributes
    ----------
    values : ndarray of shape (N,)
        NaN where the observation is missing.
    fitted : ndarray of shape (N,)
        What the other regressors explain of them: ``values - fitted`` are the residuals of the
        whole model.
    """

    values: np.ndarray
    fitted: np.ndarray


def adjust_values(values, design, removed, held):
    """Take what some regressors explain, by least squares, out of the observations.

    Parameters
    ----------
    values : array-like of shape (N,)
        One point of all maps; NaN where a map has none.
    design : array-like of shape (N, P)
    removed : sequence of int
        Columns whose part is taken out.
    held : array-like of shape (N, R)
        What each of these columns is held at instead, such as its mean.

    Returns
    -------
    Adjusted

    Raises
    ------
    InputError
        If there is not one value for each row of the design.
    DesignError
        If the design is not a matrix of finite numbers.

    Notes
    -----
    With one column that is kept, beside the constant, these are the partial residuals of that
    column: those of the whole model, added to what it explains.

    Examples
    --------
    >>> age, motion = np.array([-1.0, 0.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0, 5.0])
    >>> design = np.column_stack([np.ones(4), age, motion])
    >>> adjust_values(2 * age + 3 * motion, design, [2], np.full((4, 1), 2.0)).values
    array([4., 6., 8., 6.])
    """
    values, design = np.asarray(values, dtype=np.float64), check_design(design)
    if values.shape != (len(design),):
        raise InputError(
            'The values do not fit the design.',
            found=f'shape {values.shape}',
            expected=f'{len(design)} values, one for each row',
        )
    removed = list(removed)
    known = np.isfinite(values)
    adjusted = np.full(len(values), np.nan)
    fitted = adjusted.copy()
    if known.any():
        rows, seen = design[known], values[known]
        coefficients = pseudo_inverse(rows) @ seen
        away = (design[:, removed] - np.asarray(held, dtype=np.float64))[known]
        adjusted[known] = seen - away @ coefficients[removed]
        fitted[known] = adjusted[known] - (seen - rows @ coefficients)
    return Adjusted(adjusted, fitted)


def adjusted_means(values, design, removed, held, groups, *, level=0.95):
    """Means of groups as the model has them, and their confidence intervals.

    Parameters
    ----------
    values, design, removed, held
        As of :func:`adjust_values`.
    groups : array-like of shape (N,), int
        Group of each observation, from 0 on.
    level : float, default 0.95

    Returns
    -------
    ndarray of shape (G, 3)
        Mean, lower and upper end; NaN where a group has no observation, or, for the ends, where
        no degrees of freedom are left.

    Notes
    -----
    The fitted mean over the rows of a group, with the removed columns at what they are held at,
    and Student's t with the pooled residual variance. Without other regressors that are the mean
    of one sample and its usual interval.

    Examples
    --------
    >>> ones, none = np.ones((3, 1)), np.empty((3, 0))
    >>> adjusted_means([1.0, 2.0, 3.0], ones, [], none, [0, 0, 0]).round(3)
    array([[ 2.   , -0.484,  4.484]])
    """
    from scipy.special import stdtrit

    values, design, groups = np.asarray(values, float), check_design(design), np.asarray(groups)
    held_design = design.copy()
    held_design[:, list(removed)] = held
    known = np.isfinite(values)
    means = np.full((groups.max() + 1, 3), np.nan)
    if not known.any():
        return means
    inverse = pseudo_inverse(design[known])
    coefficients = inverse @ values[known]
    dof = known.sum() - rank(design[known])
    residuals = values[known] - design[known] @ coefficients
    sd = np.sqrt(residuals @ residuals / dof) if dof > 0 else np.nan
    for group in np.unique(groups[known]):
        row = held_design[known & (groups == group)].mean(axis=0)
        mean = row @ coefficients
        half = stdtrit(dof, 0.5 + level / 2) * sd * np.linalg.norm(row @ inverse)
        means[group] = mean, mean - half, mean + half
    return means
