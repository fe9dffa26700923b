"""Compiled loops of robust regression. Import this module lazily: it needs Numba.

Sums run over the observations in a fixed order, for every point by itself, so that a value does
not depend on blocks or threads.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

#: The median of the absolute deviation of a standard normal variable.
_NORMAL_MAD = 0.6744897501960817
#: The estimate has settled when a step moves the fitted values by less than this share of the
#: scale, or by rounding.
_PRECISION, _ROUNDING = 1e-12, 1e-15
#: Scales below this fraction of the median of the absolute values are rounding.
_NO_SCALE = 1e-10
#: Steps at most. Of 600,000 simulated points, of t(2) errors and 8 to 16 observations, 34 took
#: more than 2,000, as the estimate creeps with the scale, and none more than 10,000.
_MOST_STEPS = 20000


class Work(NamedTuple):
    """Room for the numbers of a point.

    Attributes
    ----------
    values, residuals, weights : (N,) array of float64
    along : (R,) array of float64
        Coordinates of the estimate in the basis of the design.
    step : (R,) array of float64
        What a step adds to them.
    factor : (R, R) array of float64
        Lower triangle: Cholesky factor of the weighted products of the basis.
    """

    values: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray
    along: np.ndarray
    step: np.ndarray
    factor: np.ndarray


@njit(nogil=True, cache=True, error_model='numpy')
def _step(basis, work):
    """Add the weighted least-squares fit of the residuals; return the norm of what is added.

    Solving for what is added, rather than for the estimate, keeps rounding out of the estimate:
    the next step takes it back.
    """
    n_basis, n = basis.shape
    for k in range(n_basis):
        for j in range(k + 1):
            product = 0.0
            for i in range(n):
                product += work.weights[i] * basis[k, i] * basis[j, i]
            for m in range(j):
                product -= work.factor[k, m] * work.factor[j, m]
            work.factor[k, j] = math.sqrt(product) if j == k else product / work.factor[j, j]
        product = 0.0
        for i in range(n):
            product += work.weights[i] * basis[k, i] * work.residuals[i]
        for m in range(k):
            product -= work.factor[k, m] * work.step[m]
        work.step[k] = product / work.factor[k, k]
    norm = 0.0
    for k in range(n_basis - 1, -1, -1):
        for m in range(k + 1, n_basis):
            work.step[k] -= work.factor[m, k] * work.step[m]
        work.step[k] /= work.factor[k, k]
        work.along[k] += work.step[k]
        norm += work.step[k] * work.step[k]
    return math.sqrt(norm)


@njit(nogil=True, cache=True, error_model='numpy')
def _reweight(basis, tuning, work):
    """Take residuals and weights of the estimate; return the scale."""
    n_basis, n = basis.shape
    for i in range(n):
        fitted = 0.0
        for k in range(n_basis):
            fitted += basis[k, i] * work.along[k]
        work.residuals[i] = work.values[i] - fitted
    scale = np.median(np.abs(work.residuals)) / _NORMAL_MAD
    for i in range(n):
        size = abs(work.residuals[i])
        work.weights[i] = 1.0 if size <= tuning * scale else tuning * scale / size
    return scale


@njit(nogil=True, cache=True, error_model='numpy')
def _settle(basis, tuning, work):
    """Iterate from least squares on; return the scale, or NaN without one, and the steps."""
    level = np.median(np.abs(work.values))
    rounding = _ROUNDING * math.sqrt(work.values.size) * level
    for k in range(work.along.size):
        work.along[k] = 0.0
    for i in range(work.values.size):
        work.residuals[i] = work.values[i]
        work.weights[i] = 1.0
    _step(basis, work)
    for count in range(_MOST_STEPS):
        scale = _reweight(basis, tuning, work)
        if not scale > _NO_SCALE * level:
            return np.nan, count
        if _step(basis, work) <= max(_PRECISION * scale, rounding):
            return _reweight(basis, tuning, work), count
    return np.nan, _MOST_STEPS


@njit(nogil=True, cache=True, error_model='numpy')
def _error_variance(n_basis, scale, tuning, weights, residuals):
    """Variance that takes the place of the residual variance of least squares.

    Huber's first proposal: the mean of psi squared over the squared mean of its slope, with his
    correction for the number of regressors.
    """
    n = residuals.size
    square, inside = 0.0, 0
    for i in range(n):
        psi = weights[i] * residuals[i]
        square += psi * psi
        inside += weights[i] == 1.0
    slope = inside / n
    correction = 1.0 + n_basis / n * (1.0 - slope) / slope
    return (correction / slope) ** 2 * square / (n - n_basis)


@njit(nogil=True, cache=True, error_model='numpy')
def _make_work(n_basis, n):
    return Work(
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n_basis),
        np.empty(n_basis),
        np.empty((n_basis, n_basis)),
    )


@njit(nogil=True, cache=True, error_model='numpy')
def fit_points(basis, values, tuning, along, scale, variance, steps, weight_sum, n_reduced):
    """Fit every point.

    Parameters
    ----------
    basis : (R, N) array of float64
        Orthonormal basis of the design.
    values : (N, V) array of float64
        Without missing values.
    tuning : float
        Size of a residual, in units of the scale, from which on weights are below 1.
    along : (R, V) array of float64
        Set to the coordinates of the estimates in the basis; NaN without a scale.
    scale, variance : (V,) array of float64
        Set to the scale of the residuals, and to the error variance of the estimates; NaN
        where the scale is 0 or the estimate does not settle.
    steps : (V,) array of int32
        Set to the number of steps.
    weight_sum : (N,) array of float64
        The weights at all points are added to it.
    n_reduced : (N,) array of int64
        The number of points with weights below 1 is added to it.
    """
    n_basis, n = basis.shape
    work = _make_work(n_basis, n)
    for v in range(values.shape[1]):
        for i in range(n):
            work.values[i] = values[i, v]
        scale[v], steps[v] = _settle(basis, tuning, work)
        if np.isnan(scale[v]):
            along[:, v] = np.nan
            variance[v] = np.nan
            continue
        along[:, v] = work.along
        variance[v] = _error_variance(n_basis, scale[v], tuning, work.weights, work.residuals)
        for i in range(n):
            weight_sum[i] += work.weights[i]
            n_reduced[i] += work.weights[i] < 1.0


@njit(nogil=True, cache=True, error_model='numpy')
def relabelled_statistics(bases, n_interest, values, tuning, out):
    """Wald's statistic of every relabelling at every point, from a fit of its own.

    Parameters
    ----------
    bases : (B, R, N) array of float64
        Orthonormal bases of the relabelled designs, what is tested last.
    n_interest : int
        How many vectors are tested: one for t, several for the quadratic form.
    values, tuning
        As for :func:`fit_points`.
    out : (B, V) array of float64
        Set to the statistic, with the sign of the effect if one vector is tested; NaN without
        a scale.
    """
    n_basis, n = bases.shape[1:]
    work = _make_work(n_basis, n)
    for v in range(values.shape[1]):
        for i in range(n):
            work.values[i] = values[i, v]
        for b in range(bases.shape[0]):
            scale, _ = _settle(bases[b], tuning, work)
            if np.isnan(scale):
                out[b, v] = np.nan
                continue
            variance = _error_variance(n_basis, scale, tuning, work.weights, work.residuals)
            if n_interest == 1:
                out[b, v] = work.along[n_basis - 1] / math.sqrt(variance)
                continue
            form = 0.0
            for k in range(n_basis - n_interest, n_basis):
                form += work.along[k] * work.along[k]
            out[b, v] = form / variance
