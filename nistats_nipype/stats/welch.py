"""Statistics for groups of observations with variances of their own: v for t, G for F."""

import numpy as np

from ..exceptions import DesignError
from .design import Partition, partition

#: Residuals of a group whose squares sum to a smaller share of those of the nuisance model are
#: rounding: the variance is 0, and there is no statistic.
NO_RESIDUALS = 1e-10


def check_groups(groups, n_observations):
    """Number variance groups from 0.

    Parameters
    ----------
    groups : array-like of shape (N,)
        A label for each observation; those of one label have errors of one variance.
    n_observations : int

    Returns
    -------
    ndarray of shape (N,), int64, or None
        None if there is one group only: its statistics are t and F.

    Raises
    ------
    DesignError
        If there is not one label for each observation.

    Examples
    --------
    >>> check_groups([7, 7, 3, 7], 4)
    array([1, 1, 0, 1])
    """
    groups = np.asarray(groups)
    if groups.shape != (n_observations,):
        raise DesignError(
            'The variance groups do not fit the observations.',
            found=f'an array of shape {groups.shape}',
            expected=f'one label for each of {n_observations} observations',
        )
    names, number = np.unique(groups, return_inverse=True)
    return number.ravel() if len(names) > 1 else None


def make_geometry(split: Partition, groups):
    """Prepare v or G for a partitioned design.

    Parameters
    ----------
    split : Partition
    groups : ndarray of shape (N,), int64
        As :func:`check_groups` returns them.

    Returns
    -------
    nistats_nipype.stats.welch_kernels.Geometry

    Raises
    ------
    DesignError
        If the design leaves a group no residuals, of which its variance could be estimated.
    """
    from .welch_kernels import Geometry

    basis = np.ascontiguousarray(np.hstack([split.nuisance, split.interest]).T)
    members = groups == np.arange(groups.max() + 1)[:, None]
    # The diagonal of the matrix that takes residuals, summed in each group.
    dof = (members * (1.0 - (basis**2).sum(axis=0))).sum(axis=1)
    poor = np.flatnonzero(dof < 1e-6)
    if poor.size:
        raise DesignError(
            'The variance of a group of observations cannot be estimated.',
            found=f'variance group {poor[0] + 1} of {len(dof)}: {members[poor[0]].sum()} '
            'observations, which the design fits exactly',
            expected='more observations in each variance group than regressors of its own',
            advice='Join small variance groups, or leave variance groups out.',
        )
    products = np.einsum('kn,gn,jn->gkj', basis, members.astype(float), basis)
    return Geometry(
        basis=basis,
        n_interest=split.interest.shape[1],
        group=groups.astype(np.int64),
        products=np.ascontiguousarray(products),
        sizes=members.sum(axis=1).astype(np.float64),
        dof=dof,
    )


def welch(coordinates, squares, geometry):
    """Compute v or G of a fitted model.

    G is a generalisation [1]_ of Welch's v² [2]_ to any contrast and any number of variance
    groups; for a contrast of one row it is v², with the sign that v has. With two groups and
    their difference, v is Welch's t; with several groups and F, G is Welch's statistic.

    Parameters
    ----------
    coordinates : ndarray of shape (P, V), float64
        Products of the data with the basis of ``geometry``.
    squares : ndarray of shape (G, V), float64
        Sums of squared residuals in each variance group.
    geometry : Geometry

    Returns
    -------
    stat : ndarray of shape (V,)
        v, or G.
    dof : ndarray of shape (V,)
        Degrees of freedom of the error, after Welch and Satterthwaite.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060
    .. [2] Welch BL (1951). On the comparison of several mean values: an alternative approach.
       Biometrika 38(3/4):330-336. https://doi.org/10.1093/biomet/38.3-4.330
    """
    from .welch_kernels import weigh

    stat, dof = np.empty(squares.shape[1]), np.empty(squares.shape[1])
    weigh(np.ascontiguousarray(coordinates), np.ascontiguousarray(squares), geometry, stat, dof)
    return stat, dof


def welch_contrast(beta, squares, design, weights, groups):
    """Compute v or G of a contrast of a least-squares fit.

    Parameters
    ----------
    beta : ndarray of shape (P, V)
        Estimates.
    squares : ndarray of shape (G, V)
        Sums of squared residuals in each variance group.
    design : ndarray of shape (N, P)
    weights : ndarray of shape (Q, P)
        Contrast.
    groups : ndarray of shape (N,), int64
        Variance groups; G counts those that have no observation, too.

    Returns
    -------
    stat : ndarray of shape (V,)
        v, or G; NaN where a group has no residuals but rounding.
    variance : ndarray of shape (Q, V)
        Sampling variance of each effect.
    dof : ndarray of shape (V,)
        Degrees of freedom of the error.
    """
    present, number = np.unique(groups, return_inverse=True)
    squares = squares[present]
    variance = np.empty((len(weights), beta.shape[1]))
    for row, weight in enumerate(weights):
        split = partition(design, weight)
        geometry = make_geometry(split, number)
        # v of an effect that is 1 in the units of the basis: its standard error in these.
        unit = np.zeros((len(geometry.basis), beta.shape[1]))
        unit[-1] = 1.0
        precision, _ = welch(unit, squares, geometry)
        variance[row] = (split.scale / precision) ** 2
    geometry = make_geometry(partition(design, weights), number)
    coordinates = (geometry.basis @ design) @ beta
    stat, dof = welch(coordinates, squares, geometry)
    if len(present) == 1:
        dof[:] = geometry.dof[0]
    left = squares.sum(axis=0) + (coordinates[-geometry.n_interest :] ** 2).sum(axis=0)
    without = (squares < NO_RESIDUALS * left).any(axis=0)
    if len(weights) > 1 and geometry.n_interest == 1:
        # Redundant rows: G of what has the rank of v.
        stat = stat**2
    return np.where(without, np.nan, stat), variance, dof
