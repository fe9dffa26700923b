"""Threshold-free cluster enhancement (TFCE), exact and on any graph."""

import numpy as np

from ..exceptions import InputError
from .distributions import SIDES
from .graphs import check_graph, check_weights

_SIGNS = {'two-sided': (1.0, -1.0), 'positive': (1.0,), 'negative': (-1.0,)}


def tfce(stat, adjacency, *, E=0.5, H=2.0, sidedness='two-sided', weights=None):
    r"""Enhance a statistic by the extent and height of what supports it.

    The TFCE of a point v is the integral

    .. math:: \int_0^{h(v)} e_v(h)^E \, h^H \, dh

    where e_v(h) is the extent, at height h, of the connected set of points of at least that
    height that holds v [1]_.

    Parameters
    ----------
    stat : array-like of shape (V,)
        The statistic at each point; NaN where there is none.
    adjacency : sparse array of shape (V, V), or Graph
        Which points are neighbours. Checking a large graph takes longer than the rest: to use
        it often, check it once with :func:`nistats_nipype.stats.graphs.check_graph`.
    E : float, default 0.5
        Exponent of the extent, 0 or above; 1 is usual for surfaces and skeletons.
    H : float, default 2
        Exponent of the height, 0 or above.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Which side of 0 to enhance. Each is enhanced on its own: points of different sign are
        never connected.
    weights : array-like of shape (V,), optional
        What each point adds to the extent, above 0: the area of a vertex, for instance. By
        default the extent is a number of points.

    Returns
    -------
    ndarray of shape (V,), float64
        TFCE with the sign of the statistic; 0 on a side that is not tested, NaN where the
        statistic is.

    Raises
    ------
    InputError
        If an argument is out of its range, or the graph does not fit.

    Notes
    -----
    The integral is exact, with no step: the extent changes at the heights of points only, so
    between them the integral has a closed form. It is the limit, for small steps, of what FSL
    (6 neighbours) and SwE (18) add up. MRtrix and nilearn do not multiply by the step: do so to
    compare. nilearn's step is a share of each map's own maximum, so that its values do not
    compare across maps.

    Every term that is added is positive, so that small values next to large ones are as
    accurate as these. Points of one height may come in any order: without weights, the result
    is the same to the bit, and so it is for points listed in another order.

    References
    ----------
    .. [1] Smith SM, Nichols TE (2009). Threshold-free cluster enhancement. NeuroImage
       44(1):83-98. https://doi.org/10.1016/j.neuroimage.2008.03.061

    Examples
    --------
    A point alone gives h³ / 3; two neighbours share what lies below both:

    >>> from scipy import sparse
    >>> line = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(4, 4))
    >>> tfce([3.0, -3.0, -6.0, 0.0], line).round(3)
    array([  9.   , -12.728, -75.728,   0.   ])
    """
    from .tfce_kernels import make_work, tfce_side

    stat = check_stat(stat, sidedness)
    check_exponents(E, H)
    graph = check_graph(adjacency, stat.size)
    weights = check_weights(weights, stat.size)
    out = np.zeros(stat.size)
    work = make_work(graph)
    for sign in _SIGNS[sidedness]:
        tfce_side(stat, sign, *graph, weights, float(E), float(H), work, out)
    out[np.isnan(stat)] = np.nan
    return out


def check_stat(stat, sidedness):
    """Check a map and the side of it that is asked for.

    Parameters
    ----------
    stat : array-like of shape (V,)
        The statistic at each point; NaN where there is none.
    sidedness : {'two-sided', 'positive', 'negative'}
        The side.

    Returns
    -------
    ndarray of shape (V,), float64

    Raises
    ------
    InputError
        If the map has several axes or infinite values, or there is no such side.
    """
    stat = np.ascontiguousarray(stat, dtype=np.float64)
    if stat.ndim != 1 or np.isinf(stat).any():
        raise InputError(
            'The statistic is not a map that can be enhanced or clustered.',
            found=f'shape {stat.shape}, {np.count_nonzero(np.isinf(stat))} infinite values',
            expected='one finite value per point, or NaN',
        )
    if sidedness not in SIDES:
        raise InputError('Unknown side.', found=repr(sidedness), expected=', '.join(SIDES))
    return stat


def check_exponents(E, H):
    """Refuse exponents that reward what is small.

    Raises
    ------
    InputError
        If E or H is negative or not finite.
    """
    if not (0 <= E < np.inf and 0 <= H < np.inf):
        raise InputError(
            'The exponents of TFCE are out of range.',
            found=f'E = {E}, H = {H}',
            expected='finite numbers, 0 or above',
        )
