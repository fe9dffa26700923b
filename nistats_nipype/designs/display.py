"""What a contrast is to be seen along: groups, a covariate, or the observations as they are."""

from typing import NamedTuple

import numpy as np

from .covariates import VOXELWISE
from .terms import read_factor, split_outside

#: Groups that are drawn side by side at most.
MOST_GROUPS = 12


class Display(NamedTuple):
    """How the observations behind a contrast are drawn.

    Attributes
    ----------
    kind : {'mean', 'groups', 'covariate', 'fit'}
        About 0; by group; against a covariate, by group if there is an interaction; or, where
        several covariates are tested at once, against what they explain.
    groups : ndarray of shape (N,), int
        Group of each observation, 0 if there is one only.
    names : list of str
        Names of the groups.
    x : ndarray of shape (N,) or None
        The covariate.
    x_name : str
    removed : list of int
        Columns of the design that the observations are adjusted for.
    held : ndarray of shape (N, R)
        What these are held at.
    subjects : ndarray of shape (N,), int, or None
        Whose map each is, where subjects have several, no two of them in one group.
    """

    kind: str
    groups: np.ndarray
    names: list
    x: np.ndarray | None
    x_name: str
    removed: list
    held: np.ndarray
    subjects: np.ndarray | None


def display_contrast(design, weights, *, references=None, labels=None):
    """Choose how the observations behind a contrast are drawn.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    weights : ndarray of shape (Q, P)
        The contrast.
    references : dict of {str: str}, optional
        Of a factor in treatment coding the level that has no column, see
        :func:`reference_levels`.
    labels : sequence of N (str or None), optional
        Subject of each map.

    Returns
    -------
    Display

    Notes
    -----
    Columns that the contrast weighs stand for their factors: with ``group[T.b]`` all columns of
    ``group`` are shown, and with ``group[T.b]:age`` those of ``group``, ``age`` and both. Columns
    of 0 and 1 without levels in their names are taken for groups if no two of them are 1 in one
    row.

    The other columns are held at their means: those of each group where they belong to a factor
    that is shown, as slopes of each group do. If the mean itself is tested they are held at 0,
    where the test has them. If subjects have several maps, these are not adjusted for what
    subjects differ in.

    Examples
    --------
    >>> import pandas as pd
    >>> design = pd.DataFrame({'intercept': 1.0, 'group[T.b]': [0.0, 0, 1, 1],
    ...                        'age': [20.0, 30, 25, 45]})
    >>> shown = display_contrast(design, [[0, 1, 0]], references={'group': 'a'})
    >>> shown.kind, shown.names, shown.groups.tolist()
    ('groups', ['a', 'b'], [0, 0, 1, 1])
    >>> display_contrast(design, [[0, 0, 1]]).x_name
    'age'
    >>> display_contrast(design, [[1, 0, 0]]).kind
    'mean'
    """
    matrix = design.to_numpy(dtype=np.float64)
    names = [str(name) for name in design.columns]
    weighed = np.flatnonzero(np.atleast_2d(weights).any(axis=0)).tolist()
    factors = [_factors_of(name) for name in names]
    constant = np.ptp(matrix, axis=0) == 0
    wanted = set().union(*(factors[j] for j in weighed if not constant[j]))
    shown = [j for j in range(len(names)) if not constant[j] and set(factors[j]) <= wanted]
    shown = sorted(_join_indicators(matrix, names, shown, constant))
    groups, levels = _group_rows(matrix, shown, factors, references or {})
    numeric = [j for j in shown if not _is_coded(matrix[:, j], factors[j])]
    covariates = {name for j in numeric for name, level in factors[j].items() if level is None}
    kind, x, x_name = 'groups', None, ''
    if not shown:
        kind = 'mean'
    elif len(covariates) > 1 or len(levels) > MOST_GROUPS:
        kind, x_name = 'fit', ', '.join(names[j] for j in shown)
        groups, levels = np.zeros(len(matrix), dtype=int), ['']
    elif numeric:
        kind, (x_name,) = 'covariate', covariates
        own = [j for j in numeric if set(factors[j]) == covariates]
        # With a slope for each group the columns of the others are 0.
        x = matrix[:, own[0]] if own else matrix[:, numeric].sum(axis=1)
        x_name = names[own[0]] if own else x_name
    removed = [j for j in range(len(names)) if not constant[j] and j not in shown]
    subjects = None
    if kind == 'groups':
        subjects = _find_subjects(matrix[:, removed], groups, labels)
    if subjects is not None:
        removed = [j for j in removed if _varies_within(matrix[:, j], subjects)]
    held = np.tile(matrix[:, removed].mean(axis=0), (len(matrix), 1))
    for place, j in enumerate(removed):
        if kind == 'mean':
            held[:, place] = 0.0
        elif set(factors[j]) & wanted:
            held[:, place] = _means_of(matrix[:, j], groups)
    return Display(kind, groups, levels, x, x_name, removed, held, subjects)


def reference_levels(metadata):
    """Levels that treatment coding has no column for, by the metadata of BuildDesign.

    Examples
    --------
    >>> coding = {'group': 'treatment, against a', 'site': 'a column for every level'}
    >>> reference_levels({'Terms': {'group:site': {'Coding': coding}}})
    {'group': 'a'}
    """
    start = 'treatment, against '
    return {
        read_factor(factor)['short']: coding.removeprefix(start)
        for term in metadata.get('Terms', {}).values()
        for factor, coding in term.get('Coding', {}).items()
        if coding.startswith(start)
    }


def _find_subjects(nuisance, groups, labels):
    """Subjects with several maps, no two of them in one group: ndarray of int, or None.

    By their labels or, without any, by columns of 0 and 1 that tell them apart.

    >>> _find_subjects(np.zeros((4, 0)), [0, 0, 1, 1], ['s1', 's2', 's1', 's2'])
    array([0, 1, 0, 1])
    >>> _find_subjects(np.zeros((3, 0)), [0, 0, 1], ['s1', 's2', 's3']) is None
    True
    """
    if labels is not None and None not in labels:
        keys = np.asarray(labels, dtype=str)[:, None]
    else:
        keys = nuisance[:, np.isin(nuisance, (0, 1)).all(axis=0)]
    _, subjects = np.unique(keys, axis=0, return_inverse=True)
    subjects = subjects.ravel()
    n_subjects = subjects.max() + 1
    pairs = set(zip(subjects.tolist(), np.asarray(groups).tolist(), strict=True))
    # Two columns that agree by chance in a few rows are no subjects.
    repeated = n_subjects < len(subjects) and (n_subjects > 2 or keys.dtype.kind == 'U')
    return subjects if repeated and len(pairs) == len(subjects) else None


def _varies_within(column, subjects):
    return not np.allclose(column, _means_of(column, subjects))


def _means_of(column, groups):
    """Mean of its group at each row."""
    sizes = np.bincount(groups)
    return (np.bincount(groups, column) / np.maximum(sizes, 1))[groups]


def _group_rows(matrix, shown, factors, references):
    """Groups that the coded columns make: the group of each row, and their names."""
    coded = [j for j in shown if _is_coded(matrix[:, j], factors[j])]
    if not coded:
        return np.zeros(len(matrix), dtype=int), ['']
    patterns, groups = np.unique(matrix[:, coded], axis=0, return_inverse=True)
    coding = [factors[j] for j in coded]
    levels = [_levels_of(pattern, coding) for pattern in patterns]
    columns = {name: [each.get(name) or '' for each in coding] for name in levels[0]}
    plain = [name for name, found in columns.items() if not any(found)]

    def place_of(row):
        # In the order of the columns; of a factor, the level without a column first.
        last = plain if len(plain) > 1 else ()
        without = {name: len(coded) if name in last else -1 for name in columns}
        return [
            without[name] if level is None else columns[name].index(level)
            for name, level in levels[row].items()
        ]

    def name_of(row):
        parts = []
        for name, level in levels[row].items():
            if name not in plain:
                known = references.get(name, f'other {name}')
                parts.append(known if level is None else level)
            elif len(plain) == 1:
                value = patterns[row][[each == {name: None} for each in coding]].sum()
                parts.append(f'{name} = {value:g}')
            elif level is not None:
                parts.append(name)
        return ', '.join(parts) or 'other'

    order = sorted(range(len(levels)), key=place_of)
    names = [name_of(row) for row in order]
    return np.argsort(order)[groups.ravel()], names


def _factors_of(name):
    """Factors in the name of a column, each with its level or None.

    >>> _factors_of('group[T.b]:age')
    {'group': 'b', 'age': None}
    """
    factors = {}
    for part in split_outside(name, ':'):
        found = read_factor(part)
        # A basis, as of poly and bs, has numbers in brackets that are no levels.
        is_basis = '(' in found['short']
        level = part.rpartition('[')[2].removesuffix(']') if part.endswith(']') else None
        if level is not None and level[1:2] == '.':
            level = level[2:]
        factors[found['short']] = None if is_basis or part.endswith(VOXELWISE) else level
    return factors


def _is_coded(values, factors):
    """Whether a column stands for groups: all its factors have levels, or it is 0, 1 and -1."""
    return (
        all(level is not None for level in factors.values()) or np.isin(values, (-1, 0, 1)).all()
    )


def _join_indicators(matrix, names, shown, constant):
    """Add columns of 0 and 1, without levels in their names, that exclude those shown."""
    plain = [
        j
        for j, name in enumerate(names)
        if '[' not in name and not constant[j] and np.isin(matrix[:, j], (0, 1)).all()
    ]
    joined = list(shown)
    if not joined or not set(joined) <= set(plain):
        return joined
    for column in plain:
        if column not in joined and matrix[:, [*joined, column]].sum(axis=1).max() <= 1:
            joined.append(column)
    return joined


def _levels_of(pattern, coding):
    """Level of each factor by the columns that code a group; None: the one without a column.

    >>> _levels_of(np.array([0.0, 1.0]), [{'group': 'b'}, {'group': 'c'}])
    {'group': 'c'}
    >>> _levels_of(np.array([0.0, 1.0]), [{'group': 'b'}, {'sex': 'm'}])
    {'group': None, 'sex': 'm'}
    """
    levels = {name: None for each in coding for name in each}
    for value, each in zip(pattern, coding, strict=True):
        # In sum coding a product is 1 for the level without a column, too.
        if value == 1 and (len(each) == 1 or pattern.min() >= 0):
            levels |= {name: level or '' for name, level in each.items()}
    return levels
