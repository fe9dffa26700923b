"""Values of one point without what other regressors explain of them."""

from typing import NamedTuple

import numpy as np

from ..exceptions import InputError
from .design import check_design, pseudo_inverse


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


def mean_interval(values, level=0.95):
    """Mean of some values, and its confidence interval by Student's t.

    Parameters
    ----------
    values : array-like of float
        NaN counts for nothing.
    level : float, default 0.95

    Returns
    -------
    mean, low, high : float
        NaN without a value; the ends are NaN of a single one.

    Examples
    --------
    >>> [round(each, 3) for each in mean_interval([1.0, 2.0, 3.0, float('nan')])]
    [2.0, -0.484, 4.484]
    """
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size < 2:
        return float(values.sum()) if values.size else float('nan'), float('nan'), float('nan')
    half = stdtrit(values.size - 1, 0.5 + level / 2) * values.std(ddof=1) / np.sqrt(values.size)
    mean = float(values.mean())
    return mean, mean - float(half), mean + float(half)
