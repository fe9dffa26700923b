"""How a permutation test relabels data and design: Freedman-Lane and the other methods."""

from typing import NamedTuple

import numpy as np

from ..exceptions import ScheduleError
from .design import Partition, check_design, partition
from .glm import accumulate

#: Methods by their names in the literature; PALM's -rmethod.
METHODS = (
    'freedman-lane',
    'huh-jhun',
    'dekker',
    'ter-braak',
    'draper-stoneman',
    'manly',
)
#: Methods whose relabelled data meet the whole design, for statistics of their residuals.
WITH_RESIDUALS = ('freedman-lane', 'ter-braak', 'manly')
#: What rounding leaves of regressors of unit length that the nuisance has absorbed.
_ABSORBED = 1e-9


class Method(NamedTuple):
    """A test as relabelling sees it: data of m rows, and basis vectors that move over them.

    Attributes
    ----------
    name : str
        One of :data:`METHODS`.
    split : Partition
        The design of N observations, partitioned for the contrast: what the observed
        statistic is made of.
    moved : ndarray of shape (P, m)
        Vectors that relabelling moves; the first ``n_interest`` are those of the effect.
    n_interest : int
        Rank Q of the contrast.
    removed : ndarray of shape (R, N)
        Orthonormal vectors that are taken out of the data beforehand.
    kept : ndarray of shape (m,), int, or None
        Observations in whose place the m rows are; None for all, m being N then.
    turned : tuple of two ndarray of shape (R, m), or None
        Vectors a and b: rows e become ``e + b' a e`` at last.
    """

    name: str
    split: Partition
    moved: np.ndarray
    n_interest: int
    removed: np.ndarray
    kept: np.ndarray | None = None
    turned: tuple | None = None

    @property
    def moves_interest(self):
        """Whether regressors of interest move alone, and so are no longer orthonormal."""
        return self.name in ('dekker', 'draper-stoneman')


def check_method(name):
    """Refuse a method that there is not.

    Raises
    ------
    ScheduleError
    """
    if name not in METHODS:
        raise ScheduleError(
            'Unknown method of permutation.', found=repr(name), expected=', '.join(METHODS)
        )


def make_method(name, design, contrast, *, flips=False):
    """Prepare a method for a design and a contrast.

    With the design split into effect of interest X and nuisance Z, R the matrix that takes
    residuals and P a relabelling, the models that are fitted to a relabelling are [1]_:

    =================  =======================================================
    freedman-lane      ``P R_Z Y = X b + Z g + e``                       [2]_
    ter-braak          ``P R_XZ Y = X b + Z g + e``                      [3]_
    manly              ``P Y = X b + Z g + e``                           [4]_
    draper-stoneman    ``Y = P X b + Z g + e``                           [5]_
    dekker             ``Y = P R_Z X b + Z g + e``, also Smith's         [6]_
    huh-jhun           ``P Q' R_Z Y = Q' X b + e``, ``Q Q' = R_Z``       [7]_
    =================  =======================================================

    Parameters
    ----------
    name : str
        One of :data:`METHODS`.
    design : array-like of shape (N, P)
    contrast : array-like of shape (P,) or (Q, P)
    flips : bool, default False
        Whether signs are flipped.

    Returns
    -------
    Method

    Raises
    ------
    ScheduleError
        If there is no such method.
    DesignError, ContrastError
        See :func:`nistats_nipype.stats.design.partition`.

    Notes
    -----
    With ter Braak, a relabelling tests the difference from the estimate, so that the observed
    statistic is not that of its own row of the schedule, but the usual one.

    Manly's relabelling moves what the nuisance does to the data along with the errors. Where
    that is much, and alike at many points, the maximum over points is too small: in 400 null
    groups whose covariate had twice the deviation of the errors, 153 had a corrected p of .05
    or less, where 20 should; the other methods had 14 to 28. It is for data on which the nuisance
    has little effect.

    Draper and Stoneman's X is that of the design as it is written, ``D pinv(C)``; made
    orthogonal to Z, as all others have it, theirs would be Dekker's.

    Huh and Jhun leave the basis Q open, and p depends on it. Theil's [8]_ is taken: of all, its
    N - R rows are nearest to the residuals of as many observations. Those that are left out
    are the ones that determine Z best, found by pivoting.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060
    .. [2] Freedman D, Lane D (1983). A nonstochastic interpretation of reported significance
       levels. J Bus Econ Stat 1(4):292-298. https://doi.org/10.1080/07350015.1983.10509354
    .. [3] ter Braak CJF (1992). Permutation versus bootstrap significance tests in multiple
       regression and ANOVA. In: Bootstrapping and related techniques, 79-85.
       https://doi.org/10.1007/978-3-642-48850-4_10
    .. [4] Manly BFJ (1986). Randomization and regression methods for testing for associations
       with geographical, environmental and biological distances between populations. Res Popul
       Ecol 28(2):201-218. https://doi.org/10.1007/BF02515450
    .. [5] Draper NR, Stoneman DM (1966). Testing for the inclusion of variables in linear
       regression by a randomisation technique. Technometrics 8(4):695-699.
       https://doi.org/10.1080/00401706.1966.10490414
    .. [6] Dekker D, Krackhardt D, Snijders TAB (2007). Sensitivity of MRQAP tests to collinearity
       and autocorrelation conditions. Psychometrika 72(4):563-581.
       https://doi.org/10.1007/s11336-007-9016-1
    .. [7] Huh MH, Jhun M (2001). Random permutation testing in multiple linear regression.
       Commun Stat Theory Methods 30(10):2023-2032. https://doi.org/10.1081/STA-100106060
    .. [8] Theil H (1965). The analysis of disturbances in regression analysis. J Am Stat Assoc
       60(312):1067-1079. https://doi.org/10.1080/01621459.1965.10480851

    Examples
    --------
    >>> design = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1], [3, 1, 2, 5, 4, 4]])
    >>> [make_method(name, design, [0, 1, 0]).moved.shape for name in METHODS]
    [(3, 6), (1, 4), (1, 6), (3, 6), (1, 6), (3, 6)]
    """
    check_method(name)
    design = check_design(design)
    split = partition(design, contrast)
    interest, nuisance = split.interest.T.copy(), split.nuisance.T.copy()
    n_interest = len(interest)
    whole = np.vstack([interest, nuisance])
    if name in ('dekker', 'draper-stoneman'):
        moved = interest
        if name == 'draper-stoneman':
            written = design @ np.linalg.pinv(np.atleast_2d(np.asarray(contrast, dtype=float)))
            moved = (written / np.linalg.norm(written, axis=0)).T.copy()
        return Method(name, split, moved, n_interest, nuisance)
    if name == 'huh-jhun':
        kept, turned = _theil(nuisance)
        method = Method(name, split, interest, n_interest, nuisance, kept, turned)
        return method._replace(moved=_reduce(method, interest.T).T.copy())
    removed = {
        'freedman-lane': nuisance,
        'ter-braak': whole,
        'manly': np.empty((0, len(design))) if flips else _constant(nuisance),
    }[name]
    return Method(name, split, whole, n_interest, removed)


def _constant(nuisance):
    """The constant, if the nuisance has it: without flips, relabelling leaves it to Z.

    Taken out, it cannot take the digits of data with a large mean.
    """
    one = np.full(nuisance.shape[1], nuisance.shape[1] ** -0.5)
    absorbed = np.linalg.norm(one - (nuisance @ one) @ nuisance) < _ABSORBED
    return one[None] if absorbed else np.empty((0, len(one)))


def _theil(nuisance):
    """Theil's basis of the space of residuals: which rows are kept, and how they are turned.

    With Z_S the kept rows of an orthonormal Z, Q' is ``(I - Z_S Z_S')^(-1/2) R_Z[S]``.
    """
    rest = nuisance.copy()
    dropped = []
    for _ in range(len(nuisance)):
        # Rounded, so that equal rows of a design are equal here, and the first is taken.
        lengths = np.round((rest**2).sum(axis=0), 9)
        lengths[dropped] = -1.0
        dropped.append(int(lengths.argmax()))
        direction = rest[:, dropped[-1]] / np.linalg.norm(rest[:, dropped[-1]])
        rest -= direction[:, None] * (direction @ rest)
    kept = np.setdiff1d(np.arange(nuisance.shape[1]), dropped)
    _, singular, rows = np.linalg.svd(nuisance[:, kept], full_matrices=False)
    return kept, (rows, rows * ((1.0 - singular**2) ** -0.5 - 1.0)[:, None])


def reduced_design(method):
    """Rows that decide which relabellings are repeats: ndarray of shape (m, P).

    The design itself but for Huh and Jhun, where rounding must not make equal rows different.

    Parameters
    ----------
    method : Method
        Of 'huh-jhun'.
    """
    return np.round(method.moved.T, 12) + 0.0


def _reduce(method, residuals):
    """From residuals of N observations to the m rows that are relabelled."""
    if method.kept is None:
        return residuals
    residuals = residuals[method.kept]
    across, back = method.turned
    return residuals + accumulate(back.T, accumulate(across, residuals))


def _residuals(values, removed):
    data = np.asarray(values, dtype=np.float64).copy()
    for basis in removed:
        data -= basis[:, None] * accumulate(basis[None, :], data)
    return data


def _unit(data):
    """Columns of unit length, and the lengths that they had."""
    lengths = np.sqrt(accumulate(np.ones((1, len(data))), data**2)[0])
    return data / lengths, lengths


def unit_residuals(method, values):
    """Residuals of the nuisance model, of unit length, and what length they had.

    Parameters
    ----------
    method : Method
    values : ndarray of shape (N, V)

    Returns
    -------
    residuals : ndarray of shape (N, V), float64
    lengths : ndarray of shape (V,), float64
    """
    return _unit(_residuals(values, method.split.nuisance.T))


def unit_data(method, values):
    """What is relabelled, of unit length.

    Parameters
    ----------
    method : Method
    values : ndarray of shape (N, V)

    Returns
    -------
    data : ndarray of shape (m, V), float64
    lengths : ndarray of shape (V,), float64
        What length it had.
    """
    return _unit(_reduce(method, _residuals(values, method.removed)))


def observed_basis(split):
    """Basis of interest and nuisance of the observed labelling, one vector a row: (P, N)."""
    return np.ascontiguousarray(np.hstack([split.interest, split.nuisance]).T)


def relabelled_basis(method, schedule, rows):
    """Do to the basis of the design what relabelling does to the data.

    Relabelled data are ``s_i * e[order_i]``; their product with a basis vector q is the
    product of e with q moved back, ``w[order_i] = s_i * q_i``.

    Parameters
    ----------
    method : Method
    schedule : Schedule
    rows : ndarray of int, shape (B,)
        Rows of the schedule.

    Returns
    -------
    ndarray of shape (B, P, m), float64
        The first ``n_interest`` of P are those of the effect of interest. Vectors of interest
        that the nuisance absorbs are zeros, and NaN if it absorbs all of them.
    """
    weights = np.repeat(method.moved[None], len(rows), axis=0)
    if schedule.signs is not None:
        weights *= schedule.signs[rows][:, None, :]
    if schedule.orders is not None:
        moved = np.empty_like(weights)
        orders = np.broadcast_to(schedule.orders[rows][:, None, :], weights.shape)
        np.put_along_axis(moved, orders, weights, axis=2)
        weights = moved
    if method.moves_interest:
        from .kernels import orthonormalise

        orthonormalise(weights, method.removed, _ABSORBED)
    return weights
