"""Clusters of a statistic map, and a table of their peaks in mm."""

import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from scipy import ndimage

from ..exceptions import GridError, InputError

#: How far from the centre neighbours are, for scipy.ndimage.generate_binary_structure.
_RANKS = {6: 1, 18: 2, 26: 3}

_SIDES = {'two-sided': (1, -1), 'positive': (1,), 'negative': (-1,)}

_DTYPES = {
    'cluster_id': 'int64',
    'peak': 'int64',
    'x_mm': 'float64',
    'y_mm': 'float64',
    'z_mm': 'float64',
    'peak_stat': 'float64',
    'n_voxels': 'Int64',
    'volume_mm3': 'float64',
    'sign': 'str',
}


def label_clusters(
    stat, threshold, *, sidedness='two-sided', connectivity=26, min_size=1, mask=None
):
    """Label the connected sets of voxels that reach a threshold.

    Parameters
    ----------
    stat : (X, Y, Z) array-like of float
        The statistic map. NaN never reaches the threshold.
    threshold : float
        Above 0. Values ``>= threshold`` form positive clusters, values ``<= -threshold`` negative
        ones; the two are never joined.
    sidedness : {'two-sided', 'positive', 'negative'}, default='two-sided'
        Which clusters to look for.
    connectivity : {6, 18, 26}, default=26
        Neighbours share a face, an edge, or a corner.
    min_size : int, default=1
        Smaller clusters, in voxels, are left out.
    mask : (X, Y, Z) array-like of bool, optional
        Where to look. Default: everywhere.

    Returns
    -------
    (X, Y, Z) ndarray of int32
        0 outside clusters. Positive clusters come first, from 1, by decreasing size, then
        negative ones by decreasing size; equal sizes by decreasing height of the peak, then by
        the place of the first voxel in C order.

    Raises
    ------
    InputError
        If an argument is out of its range.
    GridError
        If the mask has another shape than the map.

    Examples
    --------
    >>> stat = np.array([[[4.0, 0.0, -3.5, -3.2, 3.1, 3.3, 3.2]]])
    >>> label_clusters(stat, 3.0)
    array([[[2, 0, 3, 3, 1, 1, 1]]], dtype=int32)
    """
    stat = _check_map(stat)
    _check_choices(threshold, sidedness, connectivity, min_size)
    if mask is not None:
        _check_shape('mask', mask, stat)
        stat = np.where(np.asarray(mask, dtype=bool), stat, 0.0)
    structure = ndimage.generate_binary_structure(3, _RANKS[connectivity])
    result = np.zeros(stat.shape, dtype=np.int32)
    n_labels = 0
    for sign in _SIDES[sidedness]:
        height = sign * stat
        components, n_components = ndimage.label(height >= threshold, structure)
        order = _rank(components, n_components, height, min_size)
        new_labels = np.zeros(n_components + 1, dtype=np.int32)
        new_labels[order] = n_labels + 1 + np.arange(order.size)
        result += new_labels[components]  # the two signs share no voxel
        n_labels += order.size
    return result


def cluster_table(stat, affine, labels, *, min_distance_mm=8.0, max_peaks=3, extra=None):
    """List clusters with their peaks.

    Parameters
    ----------
    stat : (X, Y, Z) array-like of float
        The statistic map.
    affine : (4, 4) array-like
        From voxel indices to mm.
    labels : (X, Y, Z) array-like of int
        0 outside clusters, as from :func:`label_clusters`. No cluster may mix signs.
    min_distance_mm : float, default=8.0
        Peaks of one cluster are at least this far apart; of two closer ones the higher stays.
    max_peaks : int, default=3
        How many peaks of a cluster to list at most, the main one included.
    extra : dict of str to (X, Y, Z) array-like, optional
        Other maps (corrected p, for instance); their values at the peaks become columns.

    Returns
    -------
    DataFrame
        One row per peak: clusters in the order of their labels, in each the main peak first.

        - ``cluster_id``: the label;
        - ``peak``: 1 for the main peak, then 2, 3, ... by decreasing height;
        - ``x_mm``, ``y_mm``, ``z_mm``: centre of the peak's voxel;
        - ``peak_stat``: the statistic there;
        - ``n_voxels`` (Int64), ``volume_mm3``: size of the cluster, on the row of its main peak
          only;
        - ``sign``: ``'positive'`` or ``'negative'``;
        - one column per entry of ``extra``.

        Without clusters the frame is empty, with the same columns and dtypes.

    Raises
    ------
    InputError
        If an argument is out of its range, or a cluster holds NaN or both signs.
    GridError
        If the maps do not have one shape.

    Notes
    -----
    Peaks are local maxima of the height (of minus the statistic in negative clusters) among the
    26 neighbours in the same cluster. A plateau of equal heights counts once, if nothing beside
    it is higher; its voxel nearest to its centre stands for it, the first in C order if several
    are. Three peaks more than 8 mm apart is what SPM lists.

    Examples
    --------
    >>> stat = np.zeros((9, 1, 1))
    >>> stat[2:7, 0, 0] = [3.0, 5.0, 3.5, 4.0, 3.0]
    >>> table = cluster_table(stat, np.diag([4.0, 4, 4, 1]), label_clusters(stat, 3.0))
    >>> print(table.drop(columns=['y_mm', 'z_mm', 'sign']).to_string(index=False))
     cluster_id  peak  x_mm  peak_stat  n_voxels  volume_mm3
              1     1  12.0        5.0         5       320.0
              1     2  20.0        4.0      <NA>         NaN
    """
    stat, labels = _check_map(stat), np.asarray(labels)
    affine = np.asarray(affine, dtype=np.float64)
    extra = {name: np.asarray(values) for name, values in (extra or {}).items()}
    _check_table_inputs(stat, labels, min_distance_mm, max_peaks, extra)
    voxel_mm3 = abs(np.linalg.det(affine[:3, :3]))
    rows = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:  # labels may have gaps
            continue
        inside = labels[box] == label
        sign = _sign_of(stat[box][inside], label)
        peaks = _local_maxima(np.where(inside, sign * stat[box], -np.inf))
        peaks += [axis.start for axis in box]
        places = apply_affine(affine, peaks)
        size = int(np.count_nonzero(inside))
        for number, kept in enumerate(_far_apart(places, min_distance_mm, max_peaks), start=1):
            voxel = tuple(peaks[kept])
            main = number == 1
            size_columns = (size, size * voxel_mm3) if main else (pd.NA, np.nan)
            side = 'positive' if sign > 0 else 'negative'
            values = (values[voxel] for values in extra.values())
            rows.append((label, number, *places[kept], stat[voxel], *size_columns, side, *values))
    dtypes = _DTYPES | dict.fromkeys(extra, 'float64')
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)


def _rank(components, n_components, height, min_size):
    """Order components by size, peak and place; drop the small ones."""
    voxels = np.flatnonzero(components)
    members = components.ravel()[voxels]
    sizes = np.bincount(members, minlength=n_components + 1)
    index = np.arange(1, n_components + 1)
    peaks = ndimage.maximum(height, components, index)
    first = voxels[np.unique(members, return_index=True)[1]]
    order = index[np.lexsort((first, -np.asarray(peaks), -sizes[1:]))]
    return order[sizes[order] >= min_size]


def _local_maxima(height):
    """Find the local maxima of a cluster, highest first; -inf is outside."""
    around = {'size': 3, 'mode': 'constant', 'cval': -np.inf}
    inside = height > -np.inf
    top = inside & (height == ndimage.maximum_filter(height, **around))
    # A plateau with a higher voxel at one end is no maximum at its other end either.
    slope = ndimage.maximum_filter(np.where(inside & ~top, height, -np.inf), **around)
    plateaus, _ = ndimage.label(top, np.ones((3, 3, 3)))
    on_slope = np.unique(plateaus[top & (slope == height)])
    peaks = [
        _middle(np.argwhere(plateaus[box] == label) + [axis.start for axis in box])
        for label, box in enumerate(ndimage.find_objects(plateaus), start=1)
        if label not in on_slope
    ]
    peaks = np.array(peaks)
    # lexsort ends in the first axis: equal heights by C order.
    return peaks[np.lexsort((*peaks.T[::-1], -height[tuple(peaks.T)]))]


def _middle(voxels):
    """Give the voxel nearest to the centre of a set; the first of several.

    >>> _middle(np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2]]))
    array([0, 0, 1])
    """
    distance = np.square(voxels - voxels.mean(axis=0)).sum(axis=1)
    # Rounded, so that two voxels at one distance do not differ by floating point.
    return voxels[np.argmin(np.round(distance, 6))]


def _far_apart(places, min_distance_mm, max_peaks):
    """Choose the first place, then each that is far enough from all chosen ones.

    >>> _far_apart(np.array([[0.0, 0, 0], [3, 0, 0], [9, 0, 0]]), 8.0, 3)
    [0, 2]
    """
    chosen = []
    for candidate, place in enumerate(places):
        if len(chosen) == max_peaks:
            break
        # Rounded, so that places at just the distance do not depend on floating point.
        distances = np.round(np.linalg.norm(places[chosen] - place, axis=1), 6)
        if (distances >= min_distance_mm).all():
            chosen.append(candidate)
    return chosen


def _sign_of(values, label):
    """Give the sign that all values of a cluster share."""
    if np.isnan(values).any() or values.min() < 0 < values.max():
        raise InputError(
            f'Cluster {label} is not one of this statistic map.',
            found=f'{np.count_nonzero(values > 0)} positive, {np.count_nonzero(values < 0)} '
            f'negative and {np.count_nonzero(np.isnan(values))} missing values in it',
            expected='values of one sign',
            advice='Label the clusters on the map that the table is made from.',
        )
    return -1 if values.min() < 0 else 1


def _check_map(stat):
    """Check that the statistic is one map, and make it float64."""
    stat = np.asarray(stat, dtype=np.float64)
    if stat.ndim != 3:
        raise InputError(
            'The statistic is not one map.',
            found=f'an array of shape {stat.shape}',
            expected='three axes',
        )
    return stat


def _check_shape(name, array, stat):
    """Check that a map lies on the grid of the statistic."""
    if np.shape(array) != stat.shape:
        raise GridError(
            f'The {name} and the statistic map do not share one grid.',
            found=f'shapes {np.shape(array)} and {stat.shape}',
            expected='the same shape',
        )


def _check_choices(threshold, sidedness, connectivity, min_size):
    """Check the arguments of :func:`label_clusters`."""
    checks = [
        ('threshold', threshold, 0 < threshold < np.inf, 'a number above 0'),
        ('sidedness', sidedness, sidedness in _SIDES, f'one of {", ".join(_SIDES)}'),
        ('connectivity', connectivity, connectivity in _RANKS, '6, 18 or 26'),
        ('min_size', min_size, min_size >= 1, 'at least 1 voxel'),
    ]
    _raise_first(checks, 'Clusters cannot be labelled')


def _check_table_inputs(stat, labels, min_distance_mm, max_peaks, extra):
    """Check the arguments of :func:`cluster_table`."""
    _check_shape('label map', labels, stat)
    for name, values in extra.items():
        _check_shape(f'map {name!r}', values, stat)
    taken = [name for name in extra if name in _DTYPES]
    whole = labels.dtype.kind in 'iu' and labels.min(initial=0) >= 0
    far_enough = 0 <= min_distance_mm < np.inf
    checks = [
        ('labels', f'type {labels.dtype}, minimum {labels.min()}', whole, 'whole numbers from 0'),
        ('min_distance_mm', min_distance_mm, far_enough, 'a distance in mm, 0 or above'),
        ('max_peaks', max_peaks, max_peaks >= 1, 'at least 1'),
        ('extra', taken, not taken, 'names that the table does not use itself'),
    ]
    _raise_first(checks, 'The cluster table cannot be made')


def _raise_first(checks, problem):
    """Raise for the first (name, value, is good, expected) that is not good."""
    for name, value, good, expected in checks:
        if not good:
            raise InputError(f'{problem}.', found=f'{name}: {value}', expected=expected)
