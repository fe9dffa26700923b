"""Participants tables: read them, and put their rows in the order of the maps."""

import re
from pathlib import Path

from ..exceptions import DesignError
from ..images.files import load_table

_SUBJECT = re.compile(r'(?:^|[/\\_])(sub-[A-Za-z0-9+]+)(?=[/\\_.]|$)')


def load_participants(path):
    """Read a participants table.

    Parameters
    ----------
    path : path-like
        Tab-separated, or comma-separated if its name ends in ``.csv``; one row per map.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    InputError
        If it cannot be read as a table.
    DesignError
        If it has no rows, or a participant twice.
    """
    table = load_table(path)
    if table.empty:
        raise DesignError(f'{path} has no rows.', expected='one row per map')
    if 'participant_id' in table:
        _refuse_duplicates(table['participant_id'].astype(str), f'participants in {path}')
    return table


def subject_label(path):
    """The BIDS subject of a file, or None: from its name, else from the folders above it.

    Examples
    --------
    >>> subject_label('glm/sub-01/sub-01_contrast-motor_statmap.nii.gz')
    'sub-01'
    >>> subject_label('glm/sub-02/con_0001.nii')
    'sub-02'
    >>> subject_label('con_0001.nii') is None
    True
    """
    found = _SUBJECT.findall(str(path))
    return found[-1] if found else None


def match_rows(table, in_files, folder='.'):
    """Put the rows of a table in the order of the maps.

    A row belongs to a map if one column of the table names the map's file, or if
    ``participant_id`` is the ``sub-<label>`` in the map's name or folder. Rows are
    never matched by position.

    Parameters
    ----------
    table : pandas.DataFrame of M rows
    in_files : list of N str
        Maps, one per observation.
    folder : path-like
        Where relative file names in the table start.

    Returns
    -------
    pandas.DataFrame of N rows
        In the order of ``in_files``. Rows of other participants are left out.

    Raises
    ------
    DesignError
        If a map has no row, or more than one, or two maps share a row.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({'participant_id': ['sub-01', 'sub-02'], 'age': [30, 40]})
    >>> match_rows(table, ['sub-02_z.nii', 'sub-01_z.nii'])['age'].tolist()
    [40, 30]
    """
    by_file = _rows_by_file(table, in_files, folder)
    if by_file is not None:
        return table.iloc[by_file].reset_index(drop=True)
    if 'participant_id' not in table:
        raise DesignError(
            'The rows of the table cannot be matched to the maps.',
            found=f'columns {", ".join(map(str, table.columns))}',
            expected="a column 'participant_id' (sub-01, ...), or one that names the maps' files",
            advice='Add such a column; rows are never matched by their position alone.',
        )
    labels = [subject_label(path) for path in in_files]
    unlabelled = [path for path, label in zip(in_files, labels, strict=True) if label is None]
    if unlabelled:
        raise DesignError(
            'The maps do not say which participant they belong to.',
            found=_some(unlabelled),
            expected='sub-<label> in the name or folder of every map',
            advice="Add a column to the table that names each participant's map.",
        )
    _refuse_duplicates(labels, 'subjects among the maps')
    names = table['participant_id'].astype(str)
    names = names.where(names.str.startswith('sub-'), 'sub-' + names)
    position = {name: row for row, name in enumerate(names)}
    missing = [label for label in labels if label not in position]
    if missing:
        raise DesignError(
            'Maps have no row in the table.',
            found=f'{len(missing)} of {len(labels)} maps without a row: {_some(missing)}',
            expected='a row with the participant_id of every map',
            advice='Add the rows, or leave out those maps.',
        )
    return table.iloc[[position[label] for label in labels]].reset_index(drop=True)


def _rows_by_file(table, in_files, folder):
    """Row of every map by the first column that names all the maps, or None."""
    wanted = [Path(path).resolve() for path in in_files]
    for _, column in table.items():
        if column.map(lambda value: isinstance(value, str)).all():
            paths = [Path(folder, value).resolve() for value in column]
            position = {path: row for row, path in enumerate(paths)}
            if len(position) == len(paths) and all(path in position for path in wanted):
                return [position[path] for path in wanted]
    return None


def _refuse_duplicates(values, what):
    seen, twice = set(), []
    for value in values:
        (twice.append if value in seen else seen.add)(value)
    if twice:
        raise DesignError(
            f'There are duplicate {what}.',
            found=_some(twice),
            expected='every participant once',
            advice='Average the maps of a participant first, or leave out the extra ones.',
        )


def _some(items, most=5):
    """Name the first few of many."""
    rest = f' and {len(items) - most} more' if len(items) > most else ''
    return ', '.join(map(str, items[:most])) + rest
