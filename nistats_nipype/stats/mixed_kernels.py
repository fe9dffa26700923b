"""Compiled loops of fixed and mixed effects. Import this module lazily: it needs Numba.

Sums run over the observations in a fixed order, for every point by itself, so that a value does
not depend on blocks or threads. Within a loop a point has units in which its least variance
is 1, so that no unit of the data overflows or underflows.
"""

import math

import numpy as np
from numba import njit

from .reml_kernels import decompose, make_work, maximise, sums


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
    work = make_work(n_basis, n, n_columns)
    for v in range(effects.shape[1]):
        least, largest = _load(effects, variances, v, work)
        form, _, trace = sums(basis, 0.0, work)
        q[v] = form
        extra = 0.0
        if method == 1:
            extra = max((form - (n - n_basis)) / trace, 0.0)
        elif method == 2:
            extra = maximise(basis, largest, work)
        if method > 0:
            decompose(basis, extra, work)
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
    work = make_work(n_basis, n, 0)
    for v in range(effects.shape[1]):
        _, largest = _load(effects, variances, v, work)
        for b in range(bases.shape[0]):
            basis, extra = bases[b], 0.0
            if method == 1:
                form, _, trace = sums(basis, 0.0, work)
                extra = max((form - (n - n_basis)) / trace, 0.0)
            elif method == 2:
                extra = maximise(basis, largest, work)
            decompose(basis, extra, work)
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
