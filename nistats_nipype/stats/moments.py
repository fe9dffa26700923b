"""Moments of a null distribution that is seen piece by piece."""

from typing import NamedTuple

import numpy as np

#: Points of one piece of work.
_POINTS = 4096


class Moments(NamedTuple):
    """Mean and central sums of n values, at one point or at many.

    Attributes
    ----------
    n : int
    mean, squares, cubes : ndarray of shape () or (V,), float64
        Mean, and sums of the squared and cubed differences from it.
    """

    n: int
    mean: np.ndarray
    squares: np.ndarray
    cubes: np.ndarray

    @property
    def variance(self):
        """Unbiased variance."""
        return self.squares / (self.n - 1)

    @property
    def skewness(self):
        """Skewness, adjusted for n (G1 of most packages); NaN of equal values."""
        n = self.n
        with np.errstate(divide='ignore', invalid='ignore'):
            biased = np.sqrt(n) * self.cubes / self.squares**1.5
        return biased * np.sqrt(n * (n - 1)) / (n - 2)


def moments(values):
    """Moments of the rows of an array, for :func:`~nistats_nipype.stats.tails.gamma_fit`.

    Parameters
    ----------
    values : array-like of shape (B,) or (B, V)

    Returns
    -------
    Moments

    Examples
    --------
    >>> round(float(moments([1.0, 2.0, 6.0]).variance), 6)
    7.0
    """
    values = np.asarray(values)
    columns = values.reshape(len(values), -1)
    parts = np.empty((3, columns.shape[1]))
    for at in range(0, columns.shape[1], _POINTS):
        block = np.asarray(columns[:, at : at + _POINTS], dtype=np.float64)
        mean = block.mean(axis=0)
        apart = block - mean
        parts[:, at : at + _POINTS] = mean, (apart**2).sum(axis=0), (apart**3).sum(axis=0)
    return Moments(len(values), *parts.reshape(3, *values.shape[1:]))


def merge_moments(parts):
    """Moments of all rows from those of consecutive rows [1]_.

    Parameters
    ----------
    parts : iterable of Moments
        In the order of the rows. The bits depend on where the rows were cut: cut them
        at fixed multiples of the relabelling index, whatever the number of jobs.

    Returns
    -------
    Moments

    References
    ----------
    .. [1] Pebay P (2008). Formulas for robust, one-pass parallel computation of covariances
       and arbitrary-order statistical moments. Sandia report SAND2008-6212.
       https://doi.org/10.2172/1028931

    Examples
    --------
    >>> merged = merge_moments([moments([1.0, 2.0]), moments([6.0])])
    >>> merged.n, float(merged.mean), float(merged.squares)
    (3, 3.0, 14.0)
    """
    merged, *rest = parts
    for part in rest:
        n_a, n_b, n = merged.n, part.n, merged.n + part.n
        apart = part.mean - merged.mean
        cubes = merged.cubes + part.cubes + apart**3 * (n_a * n_b * (n_a - n_b) / n**2)
        cubes = cubes + 3 * apart * (n_a * part.squares - n_b * merged.squares) / n
        squares = merged.squares + part.squares + apart**2 * (n_a * n_b / n)
        merged = Moments(n, merged.mean + apart * (n_b / n), squares, cubes)
    return merged
