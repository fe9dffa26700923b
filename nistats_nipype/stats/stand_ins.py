"""Columns that stand for voxelwise covariates where a design has one value per observation."""

import numpy as np

from ..exceptions import DesignError
from .design import check_design, rank


def separate(design, n_covariates):
    """A design beside columns that it does not determine: what covariates are in general.

    Parameters
    ----------
    design : ndarray of shape (N, P)
    n_covariates : int

    Returns
    -------
    ndarray of shape (N + K, P + K)
        Contrasts are estimable on it if they are at points where no covariate is collinear.

    Examples
    --------
    >>> separate(np.ones((2, 1)), 1).tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    n, p = design.shape
    whole = np.zeros((n + n_covariates, p + n_covariates))
    whole[:n, :p] = design
    whole[n:, p:] = np.eye(n_covariates)
    return whole


def stand_ins(covariates, complete):
    """Give a column for each voxelwise covariate: its means over points.

    Parameters
    ----------
    covariates : sequence of K arrays of shape (N, V)
    complete : ndarray of shape (V,), bool
        Points to average over.

    Returns
    -------
    ndarray of shape (N, K), float64
        Means over these points.

    Examples
    --------
    >>> stand_ins([np.array([[1.0, 3.0, np.nan], [2.0, 6.0, 0.0]])], np.array([True, True, False]))
    array([[2.],
           [4.]])
    """
    return np.array(
        [[row[complete].mean(dtype=np.float64) for row in covariate] for covariate in covariates]
    ).T


def extend_design(design, covariates, complete):
    """Put a column for each voxelwise covariate after those of a design.

    Parameters
    ----------
    design : array-like of shape (N, P)
    covariates, complete
        As for :func:`stand_ins`.

    Returns
    -------
    ndarray of shape (N, P + K), float64

    Raises
    ------
    DesignError
        If such a column depends on the others: the design would not have the rank that it has
        at a point.
    """
    design = check_design(design)
    whole = np.hstack([design, stand_ins(covariates, complete)])
    check_extended(whole, len(covariates))
    return whole


def check_extended(design, n_covariates):
    """Refuse a design in which the columns of the covariates depend on others.

    Parameters
    ----------
    design : ndarray of shape (N, P + K)
    n_covariates : int

    Raises
    ------
    DesignError
    """
    others = design[:, :-n_covariates]
    if others.shape[1] == 0 or rank(design) != rank(others) + n_covariates:
        raise DesignError(
            'The columns that stand for voxelwise covariates depend on other columns.',
            found=f'rank {rank(design)} of {design.shape[1]} columns',
            expected='columns for the covariates after those of the design, independent of them',
            advice='Make the design with FitVoxelwise. Where the mean of a covariate over the '
            'mask is the same for all maps, do not scale the maps to a common mean.',
        )
