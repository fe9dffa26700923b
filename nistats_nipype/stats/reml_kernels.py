"""Compiled search for the between-observation variance that REML takes, at one point.

Import this module lazily: it needs Numba. See :mod:`nistats_nipype.stats.mixed_kernels`.
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

    What is said of all others is what :func:`decompose` leaves in them.

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
def make_work(n_basis, n, n_columns):
    """Room for points of N observations, R basis vectors and P columns of the design."""
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
def decompose(basis, tau2, work):
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
def sums(basis, tau2, work):
    """Decompose, and sum up what tells of tau2.

    With P the matrix that takes weighted residuals, W^(1/2) (1 - H) W^(1/2), these are y'Py,
    y'PPy and the trace of P.
    """
    decompose(basis, tau2, work)
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
def _dot(x, y):
    """Sum of products, in four sums that do not wait for each other."""
    n = x.size
    a = b = c = d = 0.0
    for i in range(0, n - 3, 4):
        a += x[i] * y[i]
        b += x[i + 1] * y[i + 1]
        c += x[i + 2] * y[i + 2]
        d += x[i + 3] * y[i + 3]
    for i in range(n - n % 4, n):
        a += x[i] * y[i]
    return (a + b) + (c + d)


@njit(nogil=True, cache=True, error_model='numpy')
def _slope_of_one(basis, tau2, work):
    """:func:`_slope` of a design of one column, the usual one, in fewer loops."""
    square = product = 0.0
    for i in range(basis.shape[1]):
        weight = 1.0 / (work.variances[i] + tau2)
        work.weights[i] = weight
        weighted = weight * basis[0, i]
        square += weighted * basis[0, i]
        product += weighted * work.effects[i]
    estimate = product / square
    spread = trace = squares = 0.0
    for i in range(basis.shape[1]):
        weight = work.weights[i]
        weighted = weight * basis[0, i]
        residual = weight * (work.effects[i] - estimate * basis[0, i])
        spread += residual * residual
        trace += weight
        squares += weighted * weighted
    return (spread / (trace - squares / square) - 1.0) * (1.0 + tau2)


@njit(nogil=True, cache=True, error_model='numpy')
def _slope(basis, tau2, work):
    """Slope of the restricted likelihood over tau2, y'PPy over the trace of P, less 1, scaled.

    With equal variances it is the residual variance less that of the observations, which is
    linear in tau2. Most of the time goes here. So it takes the normal equations, by Cholesky:
    what they lose in precision, tau2 loses, but not the estimates.
    """
    n_basis, n = basis.shape
    if n_basis == 1:
        return _slope_of_one(basis, tau2, work)
    factor, along, columns = work.factor, work.along, work.columns
    for i in range(n):
        work.weights[i] = 1.0 / (work.variances[i] + tau2)
        work.residuals[i] = work.effects[i]
    for k in range(n_basis):
        for i in range(n):
            columns[k, i] = work.weights[i] * basis[k, i]
        along[k] = _dot(columns[k], work.effects)
        for j in range(k + 1):
            factor[j, k] = _dot(columns[k], basis[j])
            for m in range(j):
                factor[j, k] -= factor[m, j] * factor[m, k]
            # The inverse of the diagonal is kept in its place.
            factor[j, k] = 1.0 / math.sqrt(factor[k, k]) if j == k else factor[j, k] * factor[j, j]
        for m in range(k):
            along[k] -= factor[m, k] * along[m]
        along[k] *= factor[k, k]
    for k in range(n_basis):
        for i in range(n):
            columns[k, i] = basis[k, i]
        for m in range(k):
            for i in range(n):
                columns[k, i] -= factor[m, k] * columns[m, i]
        for i in range(n):
            columns[k, i] *= factor[k, k]
            work.residuals[i] -= along[k] * columns[k, i]
    spread = trace = 0.0
    for i in range(n):
        weight = work.weights[i]
        square = weight * work.residuals[i] * work.residuals[i]
        free = 1.0
        for k in range(n_basis):
            free -= weight * columns[k, i] * columns[k, i]
        spread += weight * square
        trace += weight * free
    return (spread / trace - 1.0) * (1.0 + tau2)


@njit(nogil=True, cache=True, error_model='numpy')
def _likelihood(basis, tau2, work):
    """Twice the logarithm of the restricted likelihood, but for a constant."""
    decompose(basis, tau2, work)
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
        slope = _slope(basis, tau2, work)
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
def certain_until(low, ratio, largest):
    """Where the slope of the restricted likelihood can change its sign at the earliest.

    y'PPy is a sum of u^2 / (l + tau2)^2, and the trace of P one of 1 / (l + tau2), over as many l
    between the least variance, 1, and the largest as there are degrees of freedom. So from a
    point on, the trace falls by a factor between those of the two terms at the ends, and y'PPy
    by one between their squares. Where bounds of y'PPy / trace P reach 1 is a quadratic equation.

    Parameters
    ----------
    low : float
        The point.
    ratio : float
        y'PPy / trace P there; the slope is positive above 1.
    largest : float

    Returns
    -------
    float
        Infinity if it stays negative.
    """
    if ratio > 1.0:
        b = ratio * (1.0 + low) ** 2 / (largest + low)
        return 0.5 * (b + math.sqrt(b * (b + 4.0 * (largest - 1.0)))) - 1.0
    a = ratio * (largest + low) ** 2 / (1.0 + low)
    under = a * (a - 4.0 * (largest - 1.0))
    if under < 0.0 or a - 2.0 * largest <= 2.0 * low:
        return np.inf
    return 0.5 * (a - 2.0 * largest - math.sqrt(under))


@njit(nogil=True, cache=True, error_model='numpy')
def maximise(basis, largest, work):
    """Between-observation variance of the highest restricted likelihood, 0 or more.

    The slope is looked at in steps of the least total variance too short to hide two maxima but
    in contrived data, and in longer ones where it is certain that there is none; of several
    maxima the highest is taken. The steps end where the slope stays negative.

    Parameters
    ----------
    basis : (R, N) array of float64
        Orthonormal basis of the design.
    largest : float
        Largest variance of the observations, the least being 1.
    work : Work
        With the numbers of a point.

    Returns
    -------
    float
    """
    low, slope_low = 0.0, _slope(basis, 0.0, work)
    best, highest, n_found = 0.0, -np.inf, int(slope_low <= 0.0)
    while True:
        free = certain_until(low, 1.0 + slope_low / (1.0 + low), largest)
        if not free < np.inf:
            return best
        high = max(low + (_STEP - 1.0) * (1.0 + low), free)
        slope_high = _slope(basis, high, work)
        if slope_low > 0.0 and slope_high <= 0.0:
            tau2 = _root(basis, low, slope_low, high, slope_high, work)
            # Most points have one maximum, of which nobody needs to know how high it is.
            if n_found == 1:
                highest = _likelihood(basis, best, work)
            likelihood = _likelihood(basis, tau2, work) if n_found > 0 else 0.0
            if n_found == 0 or likelihood > highest:
                best, highest = tau2, likelihood
            n_found += 1
        low, slope_low = high, slope_high
