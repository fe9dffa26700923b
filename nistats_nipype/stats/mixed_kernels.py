"""Compiled loops of fixed and mixed effects. Import this module lazily: it needs Numba.

Sums run over the observations in a fixed order, for every point by itself, so that a value does
not depend on blocks or threads. Within a loop a point has units in which its least variance
is 1, so that no unit of the data overflows or underflows.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

#: The between-observation variance is found to this share of it and the least variance.
_PRECISION = 1e-12
#: Factor of the least total variance from one step of the search for maxima to the next. Of
#: 600,000 simulated points, with log variances of standard deviation .5 to 2 over observations, 1
#: had a higher maximum between two steps; with a factor of 2, 8 had.
_STEP = 1.25
#: Steps of the root finder, which takes about six.
_MOST_STEPS = 200


class Work(NamedTuple):
    """The numbers of a point, and room for those of its fit.

    Attributes
    ----------
    effects, variances : (N,) array of float64
    weights : (N,) array of float64
        Inverse of the total variances.
    columns : (R, N) array of float64
        Orthonormal basis of the weighted design.
    factor : (R, R) array of float64
        Upper triangle: the weighted basis of the design is ``factor.T @ columns``.
    along : (R,) array of float64
        Products of the weighted effects with ``columns``.
    residuals : (N,) array of float64
        Of the weighted effects.
    solution : (P, R) array of float64
        From the products to the estimates.
    """

    effects: np.ndarray
    variances: np.ndarray
    weights: np.ndarray
    columns: np.ndarray
    factor: np.ndarray
    along: np.ndarray
    residuals: np.ndarray
    solution: np.ndarray


@njit(nogil=True, cache=True, error_model='numpy')
def _decompose(basis, tau2, work):
    """Weighted least squares, by the modified method of Gram and Schmidt.

    Normal equations would square the condition number, which is large where variances differ.
    """
    n_basis, n = basis.shape
    for i in range(n):
        work.weights[i] = 1.0 / (work.variances[i] + tau2)
        root = math.sqrt(work.weights[i])
        work.residuals[i] = root * work.effects[i]
        for k in range(n_basis):
            work.columns[k, i] = root * basis[k, i]
    for k in range(n_basis):
        square = 0.0
        for i in range(n):
            square += work.columns[k, i] * work.columns[k, i]
        work.factor[k, k] = math.sqrt(square)
        scale, product = 1.0 / work.factor[k, k], 0.0
        for i in range(n):
            work.columns[k, i] *= scale
            product += work.columns[k, i] * work.residuals[i]
        work.along[k] = product
        for i in range(n):
            work.residuals[i] -= product * work.columns[k, i]
        for j in range(k + 1, n_basis):
            product = 0.0
            for i in range(n):
                product += work.columns[k, i] * work.columns[j, i]
            work.factor[k, j] = product
            for i in range(n):
                work.columns[j, i] -= product * work.columns[k, i]


@njit(nogil=True, cache=True, error_model='numpy')
def _sums(basis, tau2, work):
    """Decompose, and sum up what tells of tau2.

    With P the matrix that takes weighted residuals, W^(1/2) (1 - H) W^(1/2), these are y'Py,
    y'PPy and the trace of P.
    """
    _decompose(basis, tau2, work)
    form = spread = trace = 0.0
    for i in range(basis.shape[1]):
        square = work.residuals[i] * work.residuals[i]
        free = 1.0
        for k in range(basis.shape[0]):
            free -= work.columns[k, i] * work.columns[k, i]
        form += square
        spread += work.weights[i] * square
        trace += work.weights[i] * free
    return form, spread, trace


@njit(nogil=True, cache=True, error_model='numpy')
def _slope(basis, tau2, work):
    """Slope of the restricted likelihood over tau2, scaled to be about linear, and y'Py.

    With equal variances it is the residual variance less that of the observations, which is
    linear.
    """
    form, spread, trace = _sums(basis, tau2, work)
    return (spread / trace - 1.0) * (1.0 + tau2), form


@njit(nogil=True, cache=True, error_model='numpy')
def _likelihood(basis, tau2, work):
    """Twice the logarithm of the restricted likelihood, but for a constant."""
    _decompose(basis, tau2, work)
    value = 0.0
    for i in range(basis.shape[1]):
        value -= math.log(work.variances[i] + tau2) + work.residuals[i] * work.residuals[i]
    for k in range(basis.shape[0]):
        value -= 2.0 * math.log(work.factor[k, k])
    return value


@njit(nogil=True, cache=True, error_model='numpy')
def _root(basis, low, slope_low, high, slope_high, work):
    """Where the slope is 0, between a point where it is not and one where it is not above 0.

    The false position method in the Illinois variant: an end that stays counts half.
    """
    tau2, kept = low, 0
    for _ in range(_MOST_STEPS):
        before = tau2
        tau2 = (low * slope_high - high * slope_low) / (slope_high - slope_low)
        slope, _ = _slope(basis, tau2, work)
        if slope > 0.0:
            low, slope_low = tau2, slope
            if kept == 1:
                slope_high *= 0.5
            kept = 1
        else:
            high, slope_high = tau2, slope
            if kept == -1:
                slope_low *= 0.5
            kept = -1
        if min(high - low, abs(tau2 - before)) <= _PRECISION * (1.0 + tau2):
            break
    return tau2


@njit(nogil=True, cache=True, error_model='numpy')
def _maximise(basis, largest, work):
    """Between-observation variance of the highest restricted likelihood, 0 or more.

    The slope is looked at in steps of the least total variance too short to hide two maxima but
    in contrived data; of several maxima the highest is taken.

    The steps end where the slope is negative from there on. Let a point x have y'P(x)y = form.
    Beyond it, P(tau2) is at most (largest + x) / (largest + tau2) of P(x), its eigenvalues are at
    most 1 / (1 + tau2), and those that are not 0 at least 1 / (largest + tau2). So y'PPy is less
    than the trace of P where 1 + tau2 is more than form * (largest + x) / dof.
    """
    dof = basis.shape[1] - basis.shape[0]
    best, highest = 0.0, -np.inf
    low = 0.0
    slope_low, form = _slope(basis, low, work)
    if slope_low <= 0.0:
        highest = _likelihood(basis, low, work)
    while slope_low > 0.0 or form * (largest + low) > (1.0 + low) * dof:
        high = low + (_STEP - 1.0) * (1.0 + low)
        slope_high, form = _slope(basis, high, work)
        if slope_low > 0.0 and slope_high <= 0.0:
            tau2 = _root(basis, low, slope_low, high, slope_high, work)
            likelihood = _likelihood(basis, tau2, work)
            if likelihood > highest:
                best, highest = tau2, likelihood
        low, slope_low = high, slope_high
    return best


@njit(nogil=True, cache=True, error_model='numpy')
def _solve(back, work):
    """From products with the weighted basis to estimates, by substitution."""
    for p in range(back.shape[0]):
        for k in range(back.shape[1]):
            entry = back[p, k]
            for j in range(k):
                entry -= work.solution[p, j] * work.factor[j, k]
            work.solution[p, k] = entry / work.factor[k, k]


@njit(nogil=True, cache=True, error_model='numpy')
def _load(effects, variances, v, work):
    """Bring a point to units in which its least variance is 1; return that and the largest."""
    n = effects.shape[0]
    least = largest = variances[0, v]
    for i in range(n):
        least = min(least, variances[i, v])
        largest = max(largest, variances[i, v])
    unit = math.sqrt(least)
    for i in range(n):
        work.effects[i] = effects[i, v] / unit
        work.variances[i] = variances[i, v] / least
    return least, largest / least


@njit(nogil=True, cache=True, error_model='numpy')
def _make_work(n_basis, n, n_columns):
    return Work(
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty((n_basis, n)),
        np.empty((n_basis, n_basis)),
        np.empty(n_basis),
        np.empty(n),
        np.empty((n_columns, n_basis)),
    )


@njit(nogil=True, cache=True, error_model='numpy')
def fit_points(basis, back, effects, variances, method, beta, covariance, tau2, q):
    """Fit every point.

    Parameters
    ----------
    basis : (R, N) array of float64
        Orthonormal basis of the design.
    back : (P, R) array of float64
        From coordinates in the basis to estimates of the columns of the design.
    effects, variances : (N, V) array of float64
        Without missing values; variances above 0.
    method : {0, 1, 2}
        Between-observation variance: none, by moments, or by restricted likelihood.
    beta : (P, V) array of float64
        Set to the estimates.
    covariance : (P * (P + 1) / 2, V) array of float64
        Set to the lower triangle of their sampling covariance, row by row.
    tau2, q : (V,) array of float64
        Set to the between-observation variance, and to the weighted sum of squared residuals
        without it.
    """
    n_basis, n = basis.shape
    n_columns = back.shape[0]
    work = _make_work(n_basis, n, n_columns)
    for v in range(effects.shape[1]):
        least, largest = _load(effects, variances, v, work)
        form, _, trace = _sums(basis, 0.0, work)
        q[v] = form
        extra = 0.0
        if method == 1:
            extra = max((form - (n - n_basis)) / trace, 0.0)
        elif method == 2:
            extra = _maximise(basis, largest, work)
        if method > 0:
            _decompose(basis, extra, work)
        tau2[v] = extra * least
        _solve(back, work)
        entry = 0
        for p in range(n_columns):
            estimate = 0.0
            for k in range(n_basis):
                estimate += work.solution[p, k] * work.along[k]
            beta[p, v] = estimate * math.sqrt(least)
            for j in range(p + 1):
                product = 0.0
                for k in range(n_basis):
                    product += work.solution[p, k] * work.solution[j, k]
                covariance[entry, v] = product * least
                entry += 1


@njit(nogil=True, cache=True, error_model='numpy')
def relabelled_statistics(bases, n_interest, effects, variances, method, out):
    """Wald's statistic of every relabelling at every point, tau2 estimated anew for each.

    Effects stay with their variances; it is the design that moves.

    Parameters
    ----------
    bases : (B, R, N) array of float64
        Bases of the relabelled designs, what is tested last.
    n_interest : int
        How many vectors are tested: one for t or z, several for the quadratic form.
    effects, variances, method
        As for :func:`fit_points`.
    out : (B, V) array of float64
        Set to the statistic, with the sign of the effect if one vector is tested.
    """
    n_basis, n = bases.shape[1:]
    work = _make_work(n_basis, n, 0)
    for v in range(effects.shape[1]):
        _, largest = _load(effects, variances, v, work)
        for b in range(bases.shape[0]):
            basis, extra = bases[b], 0.0
            if method == 1:
                form, _, trace = _sums(basis, 0.0, work)
                extra = max((form - (n - n_basis)) / trace, 0.0)
            elif method == 2:
                extra = _maximise(basis, largest, work)
            _decompose(basis, extra, work)
            # Products with what is left of a vector beside those before it, of unit length.
            if n_interest == 1:
                out[b, v] = work.along[n_basis - 1]
                continue
            form = 0.0
            for k in range(n_basis - n_interest, n_basis):
                form += work.along[k] * work.along[k]
            out[b, v] = form


@njit(nogil=True, cache=True, error_model='numpy')
def wald(effects, covariance, out):
    """Quadratic form of effects in the inverse of their covariance, at every point.

    Parameters
    ----------
    effects : (K, V) array of float64
    covariance : (K * (K + 1) / 2, V) array of float64
        Lower triangle, row by row.
    out : (V,) array of float64
        Set to the form.
    """
    n = effects.shape[0]
    factor, white = np.empty((n, n)), np.empty(n)
    for v in range(effects.shape[1]):
        form, entry = 0.0, 0
        for k in range(n):
            for j in range(k + 1):
                value = covariance[entry, v]
                for m in range(j):
                    value -= factor[k, m] * factor[j, m]
                factor[k, j] = math.sqrt(value) if j == k else value / factor[j, j]
                entry += 1
            value = effects[k, v]
            for m in range(k):
                value -= factor[k, m] * white[m]
            white[k] = value / factor[k, k]
            form += white[k] * white[k]
        out[v] = form
