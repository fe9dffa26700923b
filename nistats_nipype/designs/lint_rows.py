"""Checks of whose maps they are: copies, repeated subjects, rows in another order."""

from pathlib import Path

import numpy as np

from ..images.sampling import find_copies
from .findings import Finding
from .lint_table import is_identity
from .tables import subject_label


def check_files(maps, tmaps=()):
    """Find maps that are copies of each other, and t maps in another order.

    Parameters
    ----------
    maps, tmaps : list of path-like

    Returns
    -------
    list of Finding
    """
    findings = []
    for alike in find_copies(maps):
        names = ', '.join(Path(path).name for path in alike[:5])
        problem = f'{len(alike)} maps are the same file under different names: {names}.'
        advice = 'Replace the copies by the maps of those subjects, or leave them out.'
        findings.append(Finding('error', 'copied-map', Path(alike[1]).name, problem, advice))
    labels, others = (list(map(subject_label, paths)) for paths in (maps, tmaps))
    if len(labels) == len(others) and None not in labels + others and labels != others:
        same = [one == other for one, other in zip(labels, others, strict=True)]
        first = same.index(False)
        problem = (
            f'The t maps are in another order than the maps: number {first + 1} is of '
            f'{others[first]}, the map of {labels[first]}.'
        )
        advice = 'List both in one order; they are paired by position.'
        findings.append(Finding('warning', 'tmaps-order', '--tmaps', problem, advice))
    return findings


def check_names(rows, maps):
    """Find rows that name the map of another participant.

    Parameters
    ----------
    rows : pandas.DataFrame of N rows
        In the order of the maps.
    maps : list of N path-like

    Returns
    -------
    list of Finding
    """
    if 'participant_id' not in rows or len(rows) != len(maps):
        return []
    named = [str(name).removeprefix('sub-') for name in rows['participant_id']]
    labels = [subject_label(path) for path in maps]
    # Names of folders or of another scheme say nothing.
    if None in labels or len({*labels}) < 2 or not {f'sub-{name}' for name in named} & {*labels}:
        return []
    wrong = [row for row in range(len(maps)) if labels[row] != f'sub-{named[row]}']
    if not wrong:
        return []
    problem = (
        f'{len(wrong)} rows of the table name the map of another participant; the first is '
        f'{rows["participant_id"].iloc[wrong[0]]}, with {Path(maps[wrong[0]]).name}.'
    )
    advice = 'Sort the column of maps and the others together, and correct it.'
    return [Finding('error', 'other-participant', 'participant_id', problem, advice)]


def check_unused(table, positions):
    """Note the rows of the table that no map belongs to."""
    unused = sorted({*range(len(table))} - {*positions})
    if not unused:
        return []
    names = table.get('participant_id', table.index + 1).iloc[unused].astype(str).tolist()
    shown = ', '.join(names[:5]) + f' and {len(names) - 5} more' * (len(names) > 5)
    problem = f'{len(unused)} of {len(table)} rows of the table have no map: {shown}.'
    advice = 'Nothing, if they were left out on purpose.'
    return [Finding('note', 'unused-rows', 'table', problem, advice)]


def find_subjects(maps, rows):
    """Find out whose the maps are.

    Parameters
    ----------
    maps : list of N path-like
    rows : pandas.DataFrame of N rows, or None

    Returns
    -------
    column : str or None
        Column of the table that says it; None if names of files do.
    subjects : list of N str, or None
        None if nothing says it.
    """
    for name in () if rows is None else rows.columns:
        # Two values, yes and no for instance, are of groups.
        if is_identity(name) and not rows[name].isna().any() and rows[name].nunique() > 2:
            return str(name), rows[name].astype(str).tolist()
    labels = [subject_label(path) for path in maps]
    # One label for all is that of a folder, or of a study of one subject; two may be of groups.
    if None in labels or len({*labels}) < 3:
        return None, None
    return None, labels


def check_repeats(column, subjects, terms, blocks, n_perm):
    """Find subjects with several maps that the analysis takes for independent ones.

    Parameters
    ----------
    column : str or None
    subjects : list of N str, or None
        See :func:`find_subjects`.
    terms : list of Term
    blocks : ndarray of shape (N, L), optional
        Exchangeability blocks in their multi-level form.
    n_perm : int
        0 for no permutation test.

    Returns
    -------
    list of Finding
    """
    if subjects is None or len({*subjects}) == len(subjects):
        return []
    where = column or 'maps'
    names, counts = np.unique(subjects, return_counts=True)
    repeated = f'{(counts > 1).sum()} subjects have several maps, {names[counts > 1][0]} for one'
    if blocks is not None:
        return _check_split(where, np.array(subjects), blocks)
    modelled = any(column in term.variables and term.categorical for term in terms)
    if not modelled:
        problem = f'{repeated}, and the analysis takes all maps for independent ones.'
        advice = (
            'Average the maps of a subject (or take their difference) at the first level; or add '
            f'{"C(" + column + ")" if column else "a column of subjects"} to the formula, for '
            'effects within subjects, and give exchangeability blocks (--blocks).'
        )
        return [Finding('error', 'repeated-subjects', where, problem, advice)]
    if not n_perm:
        return []
    problem = f'{repeated}, and relabelling would mix maps of different subjects.'
    advice = 'Give exchangeability blocks (--blocks), one number a map: that of its subject.'
    return [Finding('warning', 'repeated-without-blocks', where, problem, advice)]


def _check_split(where, subjects, blocks):
    """Find blocks that no level of which keeps the maps of a subject together."""
    kept = False
    for level in range(1, blocks.shape[1]):
        _, labels = np.unique(blocks[:, : level + 1], axis=0, return_inverse=True)
        labels = labels.ravel()
        together = all(len({*labels[subjects == name]}) == 1 for name in {*subjects})
        kept = kept or (together and len({*labels}) > 1)
    if kept:
        return []
    problem = (
        'The blocks do not keep the maps of a subject together, at no level; perhaps their rows '
        'are in another order than the maps.'
    )
    advice = f'Write one row a map, in the order of the maps, so that {where} decides the block.'
    return [Finding('warning', 'blocks-split-subjects', where, problem, advice)]


def check_order(rows, positions, **files):
    """Find files that go by the order of the maps, where the table has another one.

    Parameters
    ----------
    rows : pandas.DataFrame of N rows
        In the order of the maps.
    positions : list of N int
        Where they are in the table.
    **files : dict of {str: ndarray of shape (N,) or None}
        What a file says of each map, by the option that names the file.

    Returns
    -------
    list of Finding
    """
    if list(positions) == sorted(positions):
        return []
    findings = []
    for option, labels in files.items():
        if labels is None or len(labels) != len(rows) or _same_parts(rows, labels):
            continue
        name = f'--{option.replace("_", "-")}'
        problem = (
            f'Rows of the file of {name} belong to the maps in their order, and the table is in '
            f'another one: its row {positions[0] + 1} is that of the first map.'
        )
        advice = 'Check that the file follows the maps, or sort the table by its maps.'
        findings.append(Finding('warning', 'row-order', name, problem, advice))
    return findings


def _same_parts(rows, labels):
    """Tell whether a column of the table divides the maps as labels do."""
    parts = np.unique(np.asarray(labels), return_inverse=True)[1].ravel()
    n_parts = parts.max() + 1
    if n_parts in (1, len(rows)):
        return n_parts == 1
    return any(
        rows[name].nunique() == n_parts and rows[name].groupby(parts).nunique().max() == 1
        for name in rows.columns
    )
