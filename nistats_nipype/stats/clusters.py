"""Clusters: connected points beyond a threshold, on any graph."""

from typing import NamedTuple

import numpy as np

from ..exceptions import InputError
from .design import partition
from .graphs import check_graph, check_weights
from .tfce import check_stat


class Clusters(NamedTuple):
    """Clusters of a map of V points, K of them.

    Attributes
    ----------
    labels : ndarray of shape (V,), int64
        The number of the cluster of each point, from 1 to K, in the order of their first
        points; 0 outside clusters.
    extent : ndarray of shape (K,), float64
        How many points a cluster has, or the sum of their weights.
    mass : ndarray of shape (K,), float64
        Sum of the statistic over the cluster: of its sign.
    """

    labels: np.ndarray
    extent: np.ndarray
    mass: np.ndarray


def label(stat, threshold, adjacency, *, sidedness='two-sided', weights=None):
    """Find the clusters of a map and measure them.

    Parameters
    ----------
    stat : array-like of shape (V,)
        The statistic at each point; NaN where there is none, which is in no cluster.
    threshold : float
        Above 0. Values ``>= threshold`` form positive clusters, values ``<= -threshold`` negative
        ones; the two are never joined.
    adjacency : sparse array of shape (V, V), or Graph
        Which points are neighbours. To use a large graph often, check it once with
        :func:`nistats_nipype.stats.graphs.check_graph`.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Which clusters to look for.
    weights : array-like of shape (V,), optional
        What each point adds to the extent, above 0: its volume in mm³, for instance. The mass
        is weighted in the same way. By default every point counts 1.

    Returns
    -------
    Clusters

    Raises
    ------
    InputError
        If an argument is out of its range, or the graph does not fit.

    Notes
    -----
    The mass is the sum of the statistic, as in FSL and PALM, not of what exceeds the threshold.

    Examples
    --------
    >>> from scipy import sparse
    >>> line = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(5, 5))
    >>> clusters = label([2.5, 3.0, -4.0, 1.0, 2.0], 2.0, line)
    >>> clusters.labels
    array([1, 1, 2, 0, 3])
    >>> clusters.extent, clusters.mass
    (array([2., 1., 1.]), array([ 5.5, -4. ,  2. ]))
    """
    from . import cluster_kernels

    stat = check_stat(stat, sidedness)
    if not 0 < threshold < np.inf:
        raise InputError(
            'Clusters cannot be formed at this threshold.',
            found=str(threshold),
            expected='a finite number above 0',
        )
    graph = check_graph(adjacency, stat.size)
    weights = check_weights(weights, stat.size)
    if sidedness != 'two-sided':
        side = stat > 0 if sidedness == 'positive' else stat < 0
        stat = np.where(side, stat, 0.0)
    work = cluster_kernels.make_work(stat.size)
    n_found = cluster_kernels.collect(stat, float(threshold), work)
    n_clusters = cluster_kernels.label_points(n_found, *graph, work)
    cluster_kernels.sum_clusters(n_found, n_clusters, weights, work)
    return Clusters(
        labels=work.label.astype(np.int64),
        extent=work.extent[:n_clusters].copy(),
        mass=work.mass[:n_clusters].copy(),
    )


def cluster_forming(threshold, unit, design, contrast, *, scores=False, known_variances=False):
    """Cluster-forming threshold in units of the maps that clusters are formed in.

    Parameters
    ----------
    threshold : float
    unit : {'z', 'p', 'stat'}
        What ``threshold`` is: a normal score or the p of one side (of a point on its own,
        uncorrected), or t or F itself.
    design, contrast : array-like
        As given to :func:`~nistats_nipype.stats.spatial.permute_spatial`; they have the degrees
        of freedom.
    scores : bool, default False
        Whether maps are of normal scores, as they are with variance groups.
    known_variances : bool, default False
        Whether maps are of z or chi-squared, as they are of fixed effects.

    Returns
    -------
    float
        t or F; or z or chi-squared.

    Raises
    ------
    InputError
        If the unit is unknown or the threshold has no place in it.

    Examples
    --------
    >>> round(cluster_forming(3.1, 'z', np.ones((20, 1)), [1]), 3)
    3.594
    """
    if unit not in ('z', 'p', 'stat'):
        raise InputError(
            'Unknown unit of the threshold.', found=repr(unit), expected='z, p or stat'
        )
    if not 0 < threshold < (1.0 if unit == 'p' else np.inf):
        raise InputError(
            'The cluster-forming threshold is out of range.',
            found=f'{threshold:g} in units of {unit}',
            expected='between 0 and 1' if unit == 'p' else 'a finite number above 0',
        )
    from scipy import stats

    if scores:
        if unit == 'stat':
            raise InputError(
                'Clusters of v and G are formed in z.',
                found='a cluster-forming threshold in units of the statistic',
                expected='one in z or p',
                advice='The degrees of freedom of v and G vary over voxels: no value of theirs '
                'means the same everywhere.',
            )
        return float(threshold if unit == 'z' else stats.norm.isf(threshold))
    if unit == 'stat':
        return float(threshold)

    split = partition(design, contrast)
    dof = len(split.interest) - split.interest.shape[1] - split.nuisance.shape[1]
    p = threshold if unit == 'p' else stats.norm.sf(threshold)
    if known_variances and np.isnan(split.scale):
        return float(stats.chi2.isf(p, split.interest.shape[1]))
    if known_variances:
        return float(stats.norm.isf(p))
    if np.isnan(split.scale):
        return float(stats.f.isf(p, split.interest.shape[1], dof))
    return float(stats.t.isf(p, dof))
