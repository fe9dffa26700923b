"""Designs and contrasts as linear algebra: rank, estimability, partition."""

from typing import NamedTuple

import numpy as np

from ..exceptions import ContrastError, DesignError

#: Singular values below this fraction of the largest are zero, once every column has unit length.
RANK_TOLERANCE = 1e-9


class Partition(NamedTuple):
    """A design split for one contrast into what is tested and what is not.

    ``interest`` and ``nuisance`` have orthonormal columns and are orthogonal to each
    other; together they span the design. Any data ``y`` have the same t or F from
    ``[interest nuisance]`` as from the design and its contrast.

    Attributes
    ----------
    interest : ndarray of shape (N, Q)
        Basis of the effect of interest, Q being the rank of the contrast. For a
        contrast of one row, the estimated effect is ``scale * interest.T @ y``.
    nuisance : ndarray of shape (N, R)
        Basis of everything else in the design; R may be 0.
    scale : float
        Length of the row that maps data to the effect of a one-row contrast: the
        effect's variance is ``scale ** 2`` times the residual variance. NaN for more rows.
    """

    interest: np.ndarray
    nuisance: np.ndarray
    scale: float


def check_design(design):
    """Return a design matrix as float64, or say what is wrong with it.

    Parameters
    ----------
    design : array-like of shape (N, P)
        Design matrix, one row per observation.

    Returns
    -------
    ndarray of shape (N, P), float64

    Raises
    ------
    DesignError
        If it is not a two-dimensional matrix of finite numbers with at least one row and column.
    """
    design = np.asarray(design, dtype=np.float64)
    if design.ndim != 2 or 0 in design.shape:
        raise DesignError(
            'The design is not a matrix.',
            found=f'shape {design.shape}',
            expected='one row per observation and one column per regressor',
        )
    bad = ~np.isfinite(design)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DesignError(
            'The design holds values that are not finite.',
            found=f'{bad.sum()} of them, the first in row {row}, column {column}',
            expected='finite numbers',
            advice='Fill in the missing covariates, or leave those observations out.',
        )
    return design


def check_rows(design, n_observations):
    """Refuse a design that does not fit the observations or leaves no degrees of freedom.

    Parameters
    ----------
    design : ndarray of shape (N, P)
        Design matrix, as :func:`check_design` returns it.
    n_observations : int

    Raises
    ------
    DesignError
        If there is not one row for each observation, or there are not more rows than
        independent columns.

    Examples
    --------
    >>> check_rows(np.ones((3, 1)), 3)
    """
    if len(design) != n_observations:
        raise DesignError(
            'The design and the maps do not have the same number of rows.',
            found=f'{len(design)} rows in the design, {n_observations} observations',
            expected='one row of the design for each map, in the same order',
            advice='Add the missing rows, or leave out the extra maps.',
        )
    if n_observations - rank(design) < 1:
        raise DesignError(
            'The design leaves no degrees of freedom for the error.',
            found=f'{n_observations} observations, design of rank {rank(design)}',
            expected='more observations than independent regressors',
            advice='Remove regressors or add observations.',
        )


def _unit_columns(design):
    """Scale columns to unit length, so that units of a covariate do not decide the rank."""
    norms = np.linalg.norm(design, axis=0)
    return design / np.where(norms > 0, norms, 1.0), norms


def rank(design):
    """Rank of a design, whatever the units of its columns.

    Examples
    --------
    >>> rank([[1, 1e6, 1e6 + 1], [1, 2e6, 2e6 + 1], [1, 4e6, 4e6 + 1]])
    2
    """
    scaled, _ = _unit_columns(check_design(design))
    singular = np.linalg.svd(scaled, compute_uv=False)
    return int((singular > RANK_TOLERANCE * max(1.0, singular[0])).sum())


def dependent_columns(design):
    """Columns that take part in a linear dependency.

    Parameters
    ----------
    design : array-like of shape (N, P)

    Returns
    -------
    list of int
        Indices of all columns with a non-zero weight in some combination that is
        zero; empty if the columns are independent.

    Examples
    --------
    >>> dependent_columns([[1, 1, 0, 5], [1, 1, 0, 7], [1, 0, 1, 1], [1, 0, 1, 4]])
    [0, 1, 2]
    """
    scaled, _ = _unit_columns(check_design(design))
    _, singular, rows = np.linalg.svd(scaled, full_matrices=True)
    n_rank = int((singular > RANK_TOLERANCE * max(1.0, singular[0])).sum())
    weights = np.abs(rows[n_rank:]).max(axis=0, initial=0.0)
    return np.flatnonzero(weights > 1e-6).tolist()


def pseudo_inverse(design):
    """Moore-Penrose inverse with the column-scaled rank rule of :func:`rank`.

    Parameters
    ----------
    design : ndarray of shape (N, P)

    Returns
    -------
    ndarray of shape (P, N)
        For a rank-deficient design this is a generalised inverse in scaled
        columns; every estimable contrast is the same under all of them.
    """
    scaled, norms = _unit_columns(design)
    inverse = np.linalg.pinv(scaled, rcond=RANK_TOLERANCE)
    return inverse / np.where(norms > 0, norms, 1.0)[:, None]


def whitening(rows):
    """Combinations of effects ``rows @ y`` that have unit variance and are uncorrelated.

    Rows are brought to unit length first, so that the units of the regressors do not
    decide which of them are redundant.

    Parameters
    ----------
    rows : ndarray of shape (Q, N)
        Each maps the data to an effect.

    Returns
    -------
    ndarray of shape (K, Q)
        Combinations of the effects, K being their rank.

    Examples
    --------
    >>> whitening(np.array([[2.0, 0.0], [2.0, 0.0]])).shape
    (1, 2)
    """
    lengths = np.linalg.norm(rows, axis=1)
    left, singular, _ = np.linalg.svd(rows / lengths[:, None], full_matrices=False)
    kept = singular > RANK_TOLERANCE * singular[0]
    return (left[:, kept] / singular[kept]).T / lengths


def check_contrast(design, contrast):
    """Return a contrast as a float64 matrix, or say why it cannot be tested.

    Parameters
    ----------
    design : ndarray of shape (N, P)
        Design matrix.
    contrast : array-like of shape (P,) or (Q, P)
        One row for t, several for F.

    Returns
    -------
    ndarray of shape (Q, P), float64

    Raises
    ------
    ContrastError
        If the shape does not fit, there is no row, a value is not finite, a row is zero, or the
        contrast is not estimable. ``columns`` of the error's message are indices.
    """
    contrast = np.atleast_2d(np.asarray(contrast, dtype=np.float64))
    n_columns = design.shape[1]
    if contrast.ndim != 2 or contrast.shape[1] != n_columns:
        raise ContrastError(
            'The contrast does not fit the design.',
            found=f'{contrast.shape[-1]} weights',
            expected=f'{n_columns}, one per column of the design',
            advice='Write the contrast by column names, or pad it with zeros.',
        )
    if not len(contrast):
        raise ContrastError('The contrast has no rows.', expected='one for t, several for F')
    if not np.isfinite(contrast).all():
        raise ContrastError('The contrast holds weights that are not finite.')
    if not contrast.any(axis=1).all():
        raise ContrastError(
            'The contrast has a row of zeros.',
            found=f'row {int(np.flatnonzero(~contrast.any(axis=1))[0])}',
            expected='at least one non-zero weight in every row',
        )
    blamed = inestimable_columns(design, contrast)
    if blamed:
        raise ContrastError(
            'The contrast is not estimable: the design cannot tell its columns apart.',
            found=f'non-zero weights on dependent columns {blamed}',
            expected='a combination that the rows of the design determine',
            advice='Remove a redundant column from the design, or test a difference of columns.',
        )
    return contrast


def inestimable_columns(design, contrast):
    """Columns that make a contrast non-estimable; empty if it is estimable.

    A contrast row is estimable if it is a combination of rows of the design.

    Examples
    --------
    >>> design = [[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1]]
    >>> inestimable_columns(design, [[0, 1, -1]])
    []
    >>> inestimable_columns(design, [[0, 1, 0]])
    [1]
    """
    design = check_design(design)
    contrast = np.atleast_2d(np.asarray(contrast, dtype=np.float64))
    scaled, norms = _unit_columns(design)
    # A column of zeros keeps its weight, so that a contrast on it is caught.
    rows = contrast / np.where(norms > 0, norms, 1.0)
    outside = rows - rows @ np.linalg.pinv(scaled, rcond=RANK_TOLERANCE) @ scaled
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.abs(outside) > 1e-6 * size).any():
        return []
    dependent = set(dependent_columns(design))
    weighted = np.flatnonzero(contrast.any(axis=0)).tolist()
    return [column for column in weighted if column in dependent]


def partition(design, contrast):
    """Split a design for a contrast into effect of interest and nuisance.

    The columns of interest are the part of the design that the contrast tests,
    orthogonal to the rest; this is the partition of Beckmann and Ridgway as given
    by Winkler et al. [1]_, written with orthonormal bases.

    Parameters
    ----------
    design : array-like of shape (N, P)
        Design matrix; it may be rank-deficient as long as the contrast is estimable.
    contrast : array-like of shape (P,) or (Q, P)
        One row for t, several for F. Redundant rows count once.

    Returns
    -------
    Partition

    Raises
    ------
    DesignError
        If the design is not a matrix of finite numbers.
    ContrastError
        If the contrast does not fit the design or is not estimable.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060

    Examples
    --------
    Two groups in cell-mean coding: the difference is tested, the common mean is not.

    >>> split = partition([[1, 0], [1, 0], [0, 1], [0, 1]], [-1, 1])
    >>> print(np.round(split.interest.T, 3), np.round(np.ptp(split.nuisance), 3), split.scale)
    [[-0.5 -0.5  0.5  0.5]] 0.0 1.0
    """
    design = check_design(design)
    contrast = check_contrast(design, contrast)
    # Row q maps the data to C @ beta; the rows lie in the span of the design and are
    # orthogonal to every fit that has C @ beta = 0.
    rows = contrast @ pseudo_inverse(design)
    if len(contrast) == 1:
        scale = float(np.linalg.norm(rows))
        interest = rows.T / scale
    else:
        scale = float('nan')
        interest = column_space(rows.T)
    rest = design - interest @ (interest.T @ design)
    return Partition(interest, column_space(rest, reference=design), scale)


def column_space(matrix, reference=None):
    """Orthonormal basis of the columns of a matrix.

    Parameters
    ----------
    matrix : ndarray of shape (N, P)
    reference : ndarray of shape (N, P), optional
        What is small beside its columns is noise; by default, beside those of ``matrix``.

    Returns
    -------
    ndarray of shape (N, R), C-contiguous
        R is the rank, 0 included.

    Examples
    --------
    >>> abs(column_space(np.array([[3.0, 6.0], [4.0, 8.0]])))
    array([[0.6],
           [0.8]])
    """
    norms = np.linalg.norm(matrix if reference is None else reference, axis=0)
    scaled = matrix / np.where(norms > 0, norms, 1.0)
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    top = 1.0 if reference is not None else singular.max(initial=0.0)
    basis = left[:, singular > RANK_TOLERANCE * max(top, singular.max(initial=0.0))]
    return np.ascontiguousarray(basis)
