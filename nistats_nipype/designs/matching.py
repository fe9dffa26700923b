"""Effect maps, maps of their variances and rows of a table: which belong together."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ..exceptions import InputError
from .tables import load_participants, subject_label

_ENTITY = re.compile(r'(?:^|_)([a-zA-Z]+)-([A-Za-z0-9+]+)')
#: Entities that may differ between a map and that of its variances.
_OWN_ENTITIES = {'stat', 'desc'}


class Matched(NamedTuple):
    """Maps that belong together.

    Attributes
    ----------
    in_files : list of str
        Effect maps, in the order in which they were given.
    variance_files : list of str or None
        Map of the variances of each; None if none were given.
    matched_by : {'table', 'subject', 'name', 'volume'} or None
        What told which variances are whose: a row of the table, the subject label, the parts of
        the names that tell the maps of a list apart, or the order within two 4D files.
    dropped : list of dict
        What was left out: ``file``, and the ``reason``.
    """

    in_files: list
    variance_files: list | None
    matched_by: str | None
    dropped: list


def match_maps(in_files, variance_files=None, table_file=None, *, unmatched='error'):
    """Put maps of variances in the order of the effect maps, and find what has no counterpart.

    Variances belong to the map that one row of the table names along with them; else to that
    of the same subject, by ``sub-<label>`` in name or folder; else, where subjects have several
    maps or no such label, to the map whose name differs from the other effect maps in the same
    words and numbers as their own does from the other maps of variances. Nothing is matched by
    its position in a list; the volumes of one 4D file are matched with those of another.

    Parameters
    ----------
    in_files : list of str
        Effect maps, or one 4D file.
    variance_files : list of str, optional
        Maps of their variances in any order, or one 4D file.
    table_file : path-like, optional
        Participants table. File names in it are relative to its folder.
    unmatched : {'error', 'drop'}, default 'error'
        What to do about maps without variances, variances without a map, and, with a table,
        maps without a row. With ``'error'``, maps without a row are left to
        :func:`~nistats_nipype.designs.tables.match_rows`. What is ambiguous is always refused.

    Returns
    -------
    Matched

    Raises
    ------
    InputError
        If maps have no counterpart, or more than one, or if one that they have is of another
        contrast, task or the like; all of them are listed.

    Examples
    --------
    >>> matched = match_maps(['a_01_cope.nii', 'a_02_cope.nii'], ['02_var.nii', '01_var.nii'])
    >>> matched.variance_files, matched.matched_by
    (['01_var.nii', '02_var.nii'], 'name')
    """
    table = None if table_file is None else load_participants(table_file)
    in_files, dropped, matched_by = list(in_files), [], None
    if variance_files is not None:
        variance_files = list(variance_files)
        matched_by, keys = _find_keys(in_files, variance_files, table, table_file)
        in_files, variance_files, dropped = _pair(in_files, variance_files, *keys, unmatched)
        _refuse_conflicts(in_files, variance_files)
    if table is not None and unmatched == 'drop':
        lost = _without_row(in_files, table, Path(table_file).parent)
        dropped += [{'file': path, 'reason': 'no row in the table'} for path in lost]
        kept = [index for index, path in enumerate(in_files) if path not in lost]
        in_files = [in_files[index] for index in kept]
        variance_files = variance_files and [variance_files[index] for index in kept]
    if not in_files:
        raise InputError(
            'No map is left.',
            found=f'{len(dropped)} maps without a counterpart',
            advice='Check the names of maps, variances and participants.',
        )
    return Matched(in_files, variance_files, matched_by, dropped)


def _without_row(in_files, table, folder):
    """Find the maps that no row of the table is about."""
    labels = set()
    if 'participant_id' in table:
        labels = {'sub-' + str(label).removeprefix('sub-') for label in table['participant_id']}
    named = {
        Path(folder, cell).resolve()
        for _, column in table.items()
        for cell in column
        if isinstance(cell, str)
    }
    return [
        path
        for path in in_files
        if subject_label(path) not in labels and Path(path).resolve() not in named
    ]


def _find_keys(in_files, variance_files, table, table_file):
    """What is the same for a map and its variances: how it was found, and a key for each."""
    files = in_files, variance_files
    if len(in_files) == len(variance_files) == 1:
        return 'volume', ([0], [0])
    if table is not None:
        rows = [_rows_naming(each, table, Path(table_file).parent) for each in files]
        if None not in rows:
            return 'table', rows
    labels = [[subject_label(path) for path in each] for each in files]
    if None not in labels[0] + labels[1]:
        several = _list_uneven(*labels)
        if several:
            raise InputError(
                'Maps and maps of variances cannot be told apart by subject.',
                found='; '.join(several),
                expected='one map of variances for every map',
                advice='Leave out those that are not meant, for instance of another run or '
                'contrast.',
            )
        entities = [[_entities_of(path) for path in each] for each in files]
        for keys in (labels, entities):
            if all(len(set(each)) == len(each) for each in keys):
                return 'subject', keys
    keys = [_differences(each) for each in files]
    for each, paths in zip(keys, files, strict=True):
        twice = [path for path, key in zip(paths, each, strict=True) if each.count(key) > 1]
        if twice:
            raise InputError(
                'The names of maps do not tell them apart.',
                found=', '.join(twice),
                expected='names that differ in letters or digits',
            )
    return 'name', keys


def _entities_of(path):
    """Subject and BIDS entities of a file, but for those that its variances have otherwise."""
    entities = dict(_ENTITY.findall(Path(path).name)) | {'sub': subject_label(path)}
    return tuple(sorted(item for item in entities.items() if item[0] not in _OWN_ENTITIES))


def _rows_naming(paths, table, folder):
    """Row of every file by the first column of the table that names all of them, or None."""
    wanted = [Path(path).resolve() for path in paths]
    for _, column in table.items():
        cells = {row: cell for row, cell in enumerate(column) if isinstance(cell, str)}
        rows = {Path(folder, cell).resolve(): row for row, cell in cells.items()}
        if len(rows) == len(cells) and all(path in rows for path in wanted):
            return [rows[path] for path in wanted]
    return None


def _list_uneven(labels, variance_labels):
    """List the subjects that have both, but not as many maps of variances as of effects."""
    counts, variance_counts = Counter(labels), Counter(variance_labels)
    return [
        f'{label}: {counts[label]} of effects, {variance_counts[label]} of variances'
        for label in sorted(counts.keys() | variance_counts.keys())
        if counts[label] != variance_counts[label] and counts[label] and variance_counts[label]
    ]


def _differences(paths):
    """The words and numbers that tell each file of a list from the others.

    Examples
    --------
    >>> _differences(['pain_01_beta.nii', 'pain_02_beta.nii'])
    [('01',), ('02',)]
    """
    # FEAT puts varcope1 beside cope1.
    words = [
        tuple(re.sub('^varcope', 'cope', word) for word in re.findall('[A-Za-z0-9]+', str(path)))
        for path in paths
    ]
    if len({len(each) for each in words}) > 1:
        return words
    differs = [len(set(column)) > 1 for column in zip(*words, strict=True)]
    return [
        tuple(word for word, kept in zip(each, differs, strict=True) if kept) for each in words
    ]


def _pair(in_files, variance_files, keys, variance_keys, unmatched):
    """Put variances in the order of the maps; list what has no counterpart."""
    position = dict(zip(variance_keys, variance_files, strict=True))
    dropped = [
        {'file': path, 'reason': 'no map of variances'}
        for path, key in zip(in_files, keys, strict=True)
        if key not in position
    ]
    dropped += [
        {'file': path, 'reason': 'no map of effects'}
        for path, key in zip(variance_files, variance_keys, strict=True)
        if key not in set(keys)
    ]
    kept = [(path, key) for path, key in zip(in_files, keys, strict=True) if key in position]
    if dropped and (unmatched == 'error' or not kept):
        raise InputError(
            'Maps and maps of variances do not belong together.',
            found='; '.join(f'{each["reason"]} for {each["file"]}' for each in dropped),
            expected='one map of variances for every map, of the same subject (sub-<label>), or '
            'with a name that differs from the others alike',
            advice='Correct the lists; name each map and its variances in a row of the table '
            '(--map-column, --variance-column); or leave out what has no counterpart '
            "(unmatched='drop', --unmatched drop).",
        )
    return [path for path, _ in kept], [position[key] for _, key in kept], dropped


def _refuse_conflicts(in_files, variance_files):
    """Refuse pairs whose names say that they are of different things."""
    conflicts = []
    for path, variance in zip(in_files, variance_files, strict=True):
        one, other = (dict(_ENTITY.findall(Path(each).name)) for each in (path, variance))
        labels = {'sub': (subject_label(path), subject_label(variance))}
        pairs = {key: (one[key], other[key]) for key in one.keys() & other.keys() - _OWN_ENTITIES}
        if None not in labels['sub']:
            pairs |= labels
        conflicts += [
            f'{path} and {variance} ({key}: {", ".join(pair)})'
            for key, pair in sorted(pairs.items())
            if pair[0] != pair[1]
        ]
    if conflicts:
        raise InputError(
            'Maps and their variances are not of the same thing.',
            found='; '.join(conflicts),
            expected='names that differ in stat- and desc- only',
            advice='Correct the lists, or the rows of the table.',
        )
