"""Least squares with voxelwise covariates: regressors with values of their own at each point."""

from typing import NamedTuple

import numpy as np

from ..exceptions import DesignError, InputError, MissingDataError
from .design import (
    check_contrast,
    check_design,
    check_rows,
    column_space,
    pseudo_inverse,
    whitening,
)
from .distributions import f_to_z, t_to_z, z_to_p
from .glm import NO_VARIANCE, ContrastResult, accumulate, split_points
from .missing import check_missing, name_of
from .stand_ins import separate

#: What the other regressors leave of a covariate, as a share of its length, below which it is
#: rounding: maps are in single precision, which has some 7 digits.
COLLINEAR = 1e-6


class VoxelwiseFit(NamedTuple):
    """A least-squares fit of P regressors and K voxelwise covariates at V points.

    Attributes
    ----------
    beta : ndarray of shape (P + K, V), float64
        Estimates, those of the covariates last; NaN where nothing was fitted.
    residual_variance : ndarray of shape (V,), float64
        Residual sum of squares over ``dof``; NaN where nothing was fitted or where the
        residuals are zero but for rounding.
    dof : ndarray of shape (V,), float64
        Residual degrees of freedom; 0 where nothing was fitted.
    slopes : ndarray of shape (P, K, V), float64
        Each covariate as a combination of the regressors, as far as it is one.
    root : ndarray of shape (K, K, V), float64
        Upper triangle T: ``T T'`` times the residual variance is the covariance of the
        estimates of the covariates.
    n_observed : ndarray of shape (V,), int32
        Observations that entered the fit.
    collinear : ndarray of shape (V,), bool
        Points without a fit because there a covariate is constant, or a combination of the
        regressors or of the covariates before it, but for rounding.
    """

    beta: np.ndarray
    residual_variance: np.ndarray
    dof: np.ndarray
    slopes: np.ndarray
    root: np.ndarray
    n_observed: np.ndarray
    collinear: np.ndarray


def fit(values, design, covariates, *, missing='error', labels=None):
    """Fit a linear model some of whose regressors differ from point to point.

    Parameters
    ----------
    values : array of shape (N, V)
        Observations, NaN where missing; see :func:`nistats_nipype.stats.glm.fit`.
    design : array-like of shape (N, P)
        Regressors that are the same at all points.
    covariates : sequence of K arrays of shape (N, V)
        Voxelwise covariates, NaN where missing, read as ``values`` are.
    missing : {'error', 'drop_voxel'}, default 'error'
        'error' refuses missing values, of observations and covariates; 'drop_voxel' fits the
        points where all are there.
    labels : sequence of N str, optional
        Names of the observations, for errors.

    Returns
    -------
    VoxelwiseFit

    Raises
    ------
    DesignError
        If design and covariates do not fit the observations, leave no degrees of freedom, or
        are collinear at every point.
    MissingDataError, InputError
        See :func:`nistats_nipype.stats.missing.check_missing`.

    Notes
    -----
    At a point the design is ``[X, c_1, ..., c_K]``. The covariates are orthogonalised, one after
    the other, in sums over the observations in their order: a point does not depend on others.

    References
    ----------
    .. [1] Casanova R, Srikanth R, Baer A, et al. (2007). Biological parametric mapping: a
       statistical toolbox for multimodality brain image analysis. NeuroImage 34(1):137-143.
       https://doi.org/10.1016/j.neuroimage.2006.09.011

    Examples
    --------
    >>> values = np.array([[1.0], [2.0], [4.0], [5.0]])
    >>> model = fit(values, np.ones((4, 1)), [2.0 * values + 1.0])
    >>> model.beta.round(9).ravel()
    array([-0.5,  0.5])
    """
    design = check_design(design)
    n_observations, n_points = values.shape
    check_rows(design, n_observations)
    check_covariates(covariates, values.shape, missing)
    n_columns, n_covariates = design.shape[1], len(covariates)
    basis, inverse = column_space(design), pseudo_inverse(design)
    dof = n_observations - basis.shape[1] - n_covariates
    if dof < 1:
        raise DesignError(
            'Design and voxelwise covariates leave no degrees of freedom for the error.',
            found=f'{n_observations} observations, {basis.shape[1]} independent regressors, '
            f'{n_covariates} covariates',
            expected='more observations than these together',
            advice='Remove regressors or covariates, or add observations.',
        )
    model = VoxelwiseFit(
        beta=np.full((n_columns + n_covariates, n_points), np.nan),
        residual_variance=np.full(n_points, np.nan),
        dof=np.zeros(n_points),
        slopes=np.full((n_columns, n_covariates, n_points), np.nan),
        root=np.full((n_covariates, n_covariates, n_points), np.nan),
        n_observed=np.zeros(n_points, dtype=np.int32),
        collinear=np.zeros(n_points, dtype=bool),
    )
    complete = np.flatnonzero(find_complete(values, covariates, missing, labels))
    fixed = [column[:, None] for column in basis.T]
    for where in split_points(complete, n_observations * (n_covariates + 1)):
        block, *columns = (
            np.asarray(each[:, where], dtype=np.float64) for each in (values, *covariates)
        )
        _fit_block(model, where, block, columns, fixed, inverse, dof)
    if not model.dof.any():
        raise DesignError(
            'At no point do the voxelwise covariates differ from the other regressors.',
            found=f'{model.collinear.sum()} points where one is constant, or a combination of '
            'the regressors or of other covariates',
            expected='covariates that vary over the observations in a way of their own',
            advice='Look at the maps of the covariates; they may be one map for all.',
        )
    return model


def check_covariates(covariates, shape, missing):
    """Refuse covariates that do not fit the observations.

    Parameters
    ----------
    covariates : sequence of arrays
    shape : tuple of int
        (N, V) of the observations.
    missing : str
        Policy for missing values.

    Raises
    ------
    DesignError
        If there are none, or one has another shape.
    InputError
        If points are to be fitted on different observations.
    """
    if not covariates:
        raise DesignError(
            'There is no voxelwise covariate.', expected='one map per observation, or more'
        )
    for number, covariate in enumerate(covariates, start=1):
        if covariate.shape != shape:
            raise DesignError(
                f'The voxelwise covariate {number} does not fit the observations.',
                found=f'{covariate.shape[0]} maps of {covariate.shape[1]} points',
                expected=f'{shape[0]} maps of {shape[1]} points, in the order of the observations',
            )
    if missing == 'per_voxel':
        raise InputError(
            'Voxelwise covariates need the same observations at every point.',
            found="missing='per_voxel'",
            advice="Choose missing='drop_voxel', or a mask of the points that all maps cover.",
        )


def find_complete(values, covariates, missing, labels):
    """Find the points that have all observations and covariates.

    Parameters
    ----------
    values, covariates, missing, labels
        As for :func:`fit`.

    Returns
    -------
    ndarray of shape (V,), bool

    Raises
    ------
    MissingDataError, InputError
        See :func:`nistats_nipype.stats.missing.check_missing`.
    """
    complete = check_missing(values, missing, labels)
    for number, covariate in enumerate(covariates, start=1):
        names = [
            f'voxelwise covariate {number} of {name_of(labels, index)}'
            for index in range(len(values))
        ]
        complete = complete & check_missing(covariate, missing, names)
    if not complete.any():
        raise MissingDataError(
            'No point has all observations and all voxelwise covariates.',
            advice='Look at the maps: do they lie in one space, and cover the mask?',
        )
    return complete


def dot(first, second):
    """Products summed over observations, in their order.

    Parameters
    ----------
    first : ndarray of shape (N, V) or (N, 1)
    second : ndarray of shape (N, V)

    Returns
    -------
    ndarray of shape (V,)

    Examples
    --------
    >>> dot(np.array([[1.0], [2.0]]), np.array([[1.0, 10.0], [3.0, 4.0]]))
    array([ 7., 18.])
    """
    total = np.zeros(second.shape[1])
    for one, other in zip(first, second, strict=True):
        total += one * other
    return total


def take_out(vector, units):
    """Make vectors orthogonal to others, at every point; twice, for the digits lost at first.

    Parameters
    ----------
    vector : ndarray of shape (N, V), float64
    units : sequence of ndarray of shape (N, V) or (N, 1)
        Orthonormal at every point.

    Returns
    -------
    ndarray of shape (N, V)
    """
    for _ in range(2):
        for unit in units:
            vector = vector - unit * dot(unit, vector)
    return vector


def to_units(vector, reference=0.0):
    """Vectors of unit length at every point, and their lengths.

    Parameters
    ----------
    vector : ndarray of shape (N, V), float64
    reference : float or ndarray of shape (V,), default 0
        Vectors no longer than :data:`COLLINEAR` times this become NaN.

    Returns
    -------
    unit : ndarray of shape (N, V)
    length : ndarray of shape (V,)
    """
    length = np.sqrt(dot(vector, vector))
    length[length <= COLLINEAR * reference] = np.nan
    return vector / length, length


def _fit_block(model, where, block, columns, fixed, inverse, dof):
    """Fit ``block``, the observations at the points ``where``, into the model."""
    n_columns, n_covariates = model.slopes.shape[:2]
    units, triangle = [], np.zeros((n_covariates, n_covariates, len(where)))
    for k, column in enumerate(columns):
        rest = take_out(column, fixed)
        for j, unit in enumerate(units):
            triangle[j, k] = dot(unit, rest)
        unit, triangle[k, k] = to_units(take_out(rest, units), np.sqrt(dot(column, column)))
        units.append(unit)
    residual = take_out(block, fixed)
    along = [dot(unit, residual) for unit in units]
    residual = take_out(residual, units)
    squares, total = dot(residual, residual), dot(block, block)
    fitted = ~np.isnan(squares)
    root = _invert_triangle(triangle)
    slopes = np.stack([accumulate(inverse, column) for column in columns], axis=1)
    beta = np.empty((n_columns + n_covariates, len(where)))
    beta[:n_columns] = accumulate(inverse, block)
    for j in range(n_covariates):
        beta[n_columns + j] = sum(root[j, k] * along[k] for k in range(j, n_covariates))
        beta[:n_columns] -= slopes[:, j] * beta[n_columns + j]
    here = where[fitted]
    model.beta[:, here] = beta[:, fitted]
    model.slopes[:, :, here] = slopes[:, :, fitted]
    model.root[:, :, here] = root[:, :, fitted]
    varies = squares > NO_VARIANCE * total
    model.residual_variance[here] = np.where(varies, squares / dof, np.nan)[fitted]
    model.dof[here] = dof
    model.n_observed[here] = len(block)
    model.collinear[where[~fitted]] = True


def _invert_triangle(triangle):
    """Inverse of upper triangles, at every point: (K, K, V)."""
    inverse = np.zeros_like(triangle)
    for k in range(len(triangle)):
        inverse[k, k] = 1.0 / triangle[k, k]
        for j in reversed(range(k)):
            total = sum(triangle[j, m] * inverse[m, k] for m in range(j + 1, k + 1))
            inverse[j, k] = -total / triangle[j, j]
    return inverse


def contrast(model, design, weights, *, sidedness='two-sided'):
    """Test a contrast of regressors and voxelwise covariates: t for one row, F for several.

    Parameters
    ----------
    model : VoxelwiseFit
        Result of :func:`fit`.
    design : array-like of shape (N, P) or (N, P + K)
        The design of the fit. Columns that stand for the covariates are not read.
    weights : array-like of shape (P + K,) or (Q, P + K)
        Contrast weights, those of the covariates last. For F, redundant rows count once.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Side of ``p`` for t. F has one side only.

    Returns
    -------
    ContrastResult
        NaN where a covariate is collinear, and where there are no residuals.

    Raises
    ------
    ContrastError
        If the contrast does not fit the design or is not estimable.

    Examples
    --------
    >>> values = np.array([[1.0], [2.0], [4.0], [6.0]])
    >>> model = fit(values, np.ones((4, 1)), [np.array([[0.0], [1.0], [2.0], [3.0]])])
    >>> contrast(model, np.ones((4, 1)), [0.0, 1.0]).stat.round(4)
    array([9.815])
    """
    n_columns, n_covariates = model.slopes.shape[:2]
    design = check_design(design)[:, :n_columns]
    stand_in = separate(design, n_covariates)
    weights = check_contrast(stand_in, weights)
    effect = accumulate(weights, model.beta)
    variance = _variances(model, design, weights, diagonal=True) * model.residual_variance
    independent = whitening(weights @ pseudo_inverse(stand_in)) @ weights
    dof = np.where(model.dof > 0, model.dof, np.nan)
    if len(weights) == 1:
        stat = effect[0] / np.sqrt(variance[0])
        z = t_to_z(stat, dof)
        p = z_to_p(z, sidedness)
    else:
        from .mixed_kernels import wald

        stat = np.empty(len(dof))
        wald(accumulate(independent, model.beta), _variances(model, design, independent), stat)
        stat /= len(independent) * model.residual_variance
        z = f_to_z(stat, len(independent), dof)
        p = z_to_p(z, 'positive')
    kind = 't' if len(weights) == 1 else 'F'
    return ContrastResult(kind, effect, variance, stat, z, p, len(independent), dof)


def _variances(model, design, weights, diagonal=False):
    """Covariance of contrasts, but for the residual variance: lower triangles, row by row.

    What maps the data to an effect is a part in the span of the regressors and one orthogonal
    to it, so that variances are sums of squares: large means of covariates cost no digits.
    """
    n_columns, n_covariates = model.slopes.shape[:2]
    rows = weights[:, :n_columns] @ pseudo_inverse(design)
    along = np.zeros((len(weights), n_covariates, len(model.dof)))
    for k in range(n_covariates):
        left = weights[:, n_columns + k, None] - accumulate(
            weights[:, :n_columns], model.slopes[:, k]
        )
        for j in range(k, n_covariates):
            along[:, j] += left * model.root[k, j]
    pairs = zip(*np.tril_indices(len(weights)), strict=True)
    return np.stack(
        [
            (rows[q] * rows[r]).sum() + dot(along[q], along[r])
            for q, r in pairs
            if q == r or not diagonal
        ]
    )
