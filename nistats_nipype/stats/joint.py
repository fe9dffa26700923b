"""Familywise error over points and contrasts together."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..exceptions import ScheduleError
from .distributions import f_to_z, t_to_z
from .engines import lowest_tie


class JointResult(NamedTuple):
    """Result for C contrasts at V points.

    Attributes
    ----------
    p_fwe : ndarray of shape (C, V), float64
        Share of the relabellings whose maximum over points and contrasts reaches the observed
        value; NaN where nothing was tested.
    null : ndarray of shape (B,), float64
        That maximum for every relabelling, the observed one first; NaN for those that leave no
        statistic of any contrast and do not count.
    """

    p_fwe: np.ndarray
    null: np.ndarray


def correct_jointly(limits, nulls):
    """Correct p over points and contrasts together, from the maxima of each contrast.

    The maximum over the contrasts is taken within each relabelling, which keeps the dependence
    of the contrasts, as that over points keeps the dependence of these [1]_, [2]_.

    Parameters
    ----------
    limits : sequence of C array-like of shape (V,)
        For each contrast, the smallest value that counts as reaching the observed one: the
        observed value but for a tolerance of ties. NaN where nothing was tested.
    nulls : sequence of C array-like of shape (B,)
        For each contrast, the maximum over the points of every relabelling. The relabellings
        must be those of all contrasts, in one order, and the values on one scale. NaN for
        those that leave no statistic.

    Returns
    -------
    JointResult

    Raises
    ------
    ScheduleError
        If the contrasts do not have the same number of relabellings.

    References
    ----------
    .. [1] Winkler AM, Webster MA, Brooks JC, Tracey I, Smith SM, Nichols TE (2016).
       Non-parametric combination and related permutation tests for neuroimaging. Hum Brain
       Mapp 37(4):1486-1511. https://doi.org/10.1002/hbm.23115
    .. [2] Alberton BAV, Nichols TE, Gamba HR, Winkler AM (2020). Multiple testing correction
       over contrasts for brain imaging. NeuroImage 216:116760.
       https://doi.org/10.1016/j.neuroimage.2020.116760

    Examples
    --------
    >>> found = correct_jointly([[3.0, 1.0], [2.0, np.nan]], [[3, 1, 0, 2], [2, 4, 1, 1]])
    >>> found.null, found.p_fwe
    (array([3, 4, 1, 2]), array([[0.5 , 1.  ], [0.75,  nan]]))
    """
    sizes = sorted({len(null) for null in nulls})
    if len(sizes) > 1:
        raise ScheduleError(
            'The contrasts do not have the same relabellings.',
            found=f'{" and ".join(map(str, sizes))} of them',
            expected='one schedule for all contrasts',
            advice='Permute all contrasts with the same schedule.',
        )
    null = np.fmax.reduce(nulls)
    counted = np.sort(null[~np.isnan(null)])
    reached = counted.size - np.searchsorted(counted, limits, side='left')
    return JointResult(np.where(np.isnan(limits), np.nan, reached / counted.size), null)


def common_scores(extreme, kind, sidedness, dof, *, scale='r', tie=False):
    """Put statistics of any degrees of freedom on one scale: z of the parametric p of the test.

    On two sides t is tested as its square, an F with one degree of freedom of the effect.

    Parameters
    ----------
    extreme : array-like of float
        F, or t turned so that large values are extreme, see
        :func:`nistats_nipype.stats.approximation.on_side`; NaN stays NaN.
    kind : {'t', 'F'}
        Likewise of v and G.
    sidedness : {'two-sided', 'positive', 'negative'}
        Side of t; F has one side.
    dof : tuple of (int, int)
        Degrees of freedom of the effect (1 for t) and of the error.
    scale : {'r', 'z'}, default 'r'
        With 'z', ``extreme`` are the scores that v and G are compared on (one-sided, without
        the sign on two sides) in place of t and F; the degrees of freedom of the error are
        in them already.
    tie : bool, default False
        Give the smallest score that ties with the tolerance of the voxelwise test, see
        :func:`nistats_nipype.stats.engines.lowest_tie`.

    Returns
    -------
    ndarray of float64
        Increases with ``extreme``; -inf where F, or t on two sides, is 0.

    Examples
    --------
    >>> common_scores([2.0, 3.0], 't', 'positive', (1, 20)).round(3)
    array([1.886, 2.693])
    >>> common_scores([2.0, 3.0], 't', 'two-sided', (1, 20)).round(3)
    array([1.561, 2.453])
    >>> common_scores([4.0, 9.0], 'F', 'positive', (1, 20)).round(3)
    array([1.561, 2.453])
    """
    effect, error = dof
    one_sided = kind == 't' and sidedness != 'two-sided'
    extreme = np.asarray(extreme, dtype=np.float64)
    if scale == 'z':
        z = lowest_tie(extreme, scale) if tie else extreme
        if one_sided or effect > 1:
            return z
        return -special.ndtri_exp(np.log(2.0) + special.log_ndtr(-np.maximum(z, 0.0)))
    # Of t the size is t; the correlation is size / sqrt(error + size^2) for both.
    size = np.sqrt(effect * extreme) if kind == 'F' else extreme
    if tie:
        r = lowest_tie(size / np.sqrt(error + size**2), scale)
        size = r * np.sqrt(error / (1.0 - r**2))
    if one_sided:
        return t_to_z(size, error)
    return f_to_z(np.maximum(size, 0.0) ** 2 / effect, effect, error)
