"""Missing values: policies, and which observations each point has."""

import numpy as np

from ..exceptions import InputError, MissingDataError

#: What to do with missing values (NaN).
MISSING_POLICIES = ('error', 'drop_voxel', 'per_voxel')


def check_missing(values, missing='error', labels=None):
    """Apply a missing-data policy and say which points can be fitted.

    Parameters
    ----------
    values : ndarray of shape (N, V)
        Observations; NaN is missing.
    missing : {'error', 'drop_voxel', 'per_voxel'}
    labels : sequence of N str, optional
        Names of the observations for the error.

    Returns
    -------
    ndarray of shape (V,), bool
        Points without missing values, or, with 'per_voxel', points with any value.

    Raises
    ------
    MissingDataError
        With 'error', if a value is missing; with the others, if no point remains.
    InputError
        If the policy is unknown or a value is infinite.

    Examples
    --------
    >>> check_missing(np.array([[1.0, np.nan], [1.0, 2.0]]), 'drop_voxel')
    array([ True, False])
    """
    if missing not in MISSING_POLICIES:
        raise InputError(
            'Unknown missing-data policy.',
            found=repr(missing),
            expected=', '.join(MISSING_POLICIES),
        )
    n_missing = np.zeros(values.shape[1], dtype=np.int64)
    per_row = np.zeros(len(values), dtype=np.int64)
    for index, row in enumerate(values):
        gone = np.isnan(row)
        if np.isinf(row).any():
            raise InputError(f'{name_of(labels, index)} holds infinite values.')
        n_missing += gone
        per_row[index] = gone.sum()
    if missing == 'error' and n_missing.any():
        worst = int(per_row.argmax())
        raise MissingDataError(
            'Values are missing inside the mask.',
            found=f'{(n_missing > 0).sum()} of {n_missing.size} points lack a value in at least '
            f'one of {len(values)} maps; most in {name_of(labels, worst)}: {per_row[worst]}',
            expected='a value of every observation at every point',
            advice="Choose missing='drop_voxel' (test complete points only) or 'per_voxel' (use "
            'what is observed at each point), or a mask of the points that all maps cover.',
        )
    usable = n_missing < len(values) if missing == 'per_voxel' else n_missing == 0
    if not usable.any():
        raise MissingDataError(
            'No point has the values that the missing-data policy asks for.',
            found=f'every one of {n_missing.size} points lacks a value in some observation',
            advice='Look at the coverage map; leave out a map with little coverage, or choose '
            "missing='per_voxel'.",
        )
    return usable


def name_of(labels, index):
    """Name of an observation for messages.

    Examples
    --------
    >>> name_of(None, 2), name_of(['sub-01', 'sub-02'], 1)
    ('observation 2', 'sub-02')
    """
    return f'observation {index}' if labels is None else str(labels[index])


def find_patterns(values, usable):
    """Find which sets of observations there are, and which of them each point has.

    Parameters
    ----------
    values : ndarray of shape (N, V)
        Observations; NaN is missing. They are read row by row.
    usable : ndarray of shape (V,), bool
        Points that count.

    Returns
    -------
    patterns : ndarray of shape (K, N), bool
        The sets, one per row, sorted.
    pattern : ndarray of shape (V,), int32
        Row of ``patterns`` that holds at a point; -1 where the point does not count.

    Examples
    --------
    >>> patterns, pattern = find_patterns(np.array([[1.0, np.nan, 3.0]] * 2), np.ones(3, bool))
    >>> patterns.tolist(), pattern.tolist()
    ([[False, False], [True, True]], [1, 0, 1])
    """
    pattern = np.full(values.shape[1], -1, dtype=np.int32)
    number, n_patterns = np.zeros(int(usable.sum()), dtype=np.int32), 1
    incomplete = False
    for row in values:
        seen = ~np.isnan(row[usable])
        if seen.all():
            continue
        incomplete = True
        # Sets that differ in this observation part, those without it first, which keeps the order.
        number = 2 * number + seen
        present = np.zeros(2 * n_patterns, dtype=np.int32)
        present[number] = 1
        number = (np.cumsum(present, dtype=np.int32) - 1)[number]
        n_patterns = int(present.sum())
    patterns = np.ones((n_patterns, len(values)), dtype=bool)
    pattern[usable] = number
    if incomplete:
        example = np.flatnonzero(usable)[np.unique(number, return_index=True)[1]]
        for index, row in enumerate(values):
            patterns[:, index] = ~np.isnan(row[example])
    return patterns, pattern


def points_of_patterns(pattern, n_patterns):
    """Points of each pattern, in order: a list of ``n_patterns`` arrays of indices.

    Examples
    --------
    >>> points_of_patterns(np.array([1, -1, 0, 1]), 2)
    [array([2]), array([0, 3])]
    """
    order = np.argsort(pattern, kind='stable')
    return np.split(order, np.searchsorted(pattern[order], np.arange(n_patterns + 1)))[1:-1]


def count_observed(patterns, pattern):
    """Observations that entered the fit at each point: ndarray of shape (V,), int32.

    Examples
    --------
    >>> count_observed(np.array([[True, False], [True, True]]), np.array([1, -1, 0]))
    array([2, 0, 1], dtype=int32)
    """
    return np.append(patterns.sum(axis=1), 0)[pattern].astype(np.int32)
