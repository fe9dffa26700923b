"""Participants tables: read them, and put their rows in the order of the maps."""

import csv
import re
from pathlib import Path

from ..exceptions import DesignError
from ..images.files import load_table

_SUBJECT = re.compile(r'(?:^|[/\\_])(sub-[A-Za-z0-9+]+)(?=[/\\_.]|$)')

#: Characters that a table may be separated by in place of the one that was expected.
_SEPARATORS = {',': 'commas', ';': 'semicolons', '\t': 'tabs', ' ': 'spaces'}


def load_participants(path, *, unique=True):
    """Read a participants table.

    Parameters
    ----------
    path : path-like
        Tab-separated, or comma-separated if its name ends in ``.csv``; one row per map.
    unique : bool, default True
        Whether to refuse a participant with two rows; a repeated measure has several.

    Returns
    -------
    pandas.DataFrame
        ``participant_id`` is text as it stands in the file: ``01`` is not 1.

    Raises
    ------
    InputError
        If it cannot be read as a table.
    DesignError
        If it has no rows, if a participant has no name or two rows, or if the columns are
        separated by another character.
    """
    table = load_table(path)
    if table.empty:
        raise DesignError(f'{path} has no rows.', expected='one row per map')
    header, rows = _read_cells(path)
    _check_shape(path, header, rows)
    if 'participant_id' in header:
        # pandas takes 01 for the number 1.
        labels = [row[header.index('participant_id')].strip() for row in rows]
        _refuse_gaps(labels, path)
        if unique:
            _refuse_duplicates(map(_with_prefix, labels), f'participants in {path}')
        table['participant_id'] = labels
    return table


def _read_cells(path):
    """Read the header and the rows of a table as they stand in the file."""
    separator = ',' if str(path).lower().endswith('.csv') else '\t'
    with open(path, encoding='utf-8-sig', newline='') as stream:
        header, *rows = [row for row in csv.reader(stream, delimiter=separator) if row]
    return [name.strip() for name in header], rows


def _check_shape(path, header, rows):
    """Refuse tables that pandas reads as something else than what was meant."""
    found = [name for mark, name in _SEPARATORS.items() if mark in header[0]]
    if len(header) == 1 and found:
        raise DesignError(
            f'{path} was read as a table of one column.',
            found=f'the header {header[0]!r}, which looks separated by {found[0]}',
            expected='tabs, or commas if the name ends in .csv',
            advice='Save the table with tabs, as BIDS does.',
        )
    uneven = [number for number, row in enumerate(rows, start=1) if len(row) != len(header)]
    if uneven:
        # A surplus cell in every row makes pandas give each column the name of the one before.
        raise DesignError(
            f'Rows of {path} do not have one cell for every column.',
            found=f'{len(header)} columns, but {len(rows[uneven[0] - 1])} cells in row '
            f'{uneven[0]} below the header',
            expected='as many cells in every row, n/a where there is no value',
            advice='Complete these rows, and remove separators at their ends.',
        )


def _refuse_gaps(labels, path):
    empty = [row for row, label in enumerate(labels, start=1) if label in ('', 'n/a')]
    if empty:
        raise DesignError(
            f'Participants in {path} have no name.',
            found=f'no participant_id in row {some(empty)} below the header',
            expected='a participant_id in every row',
        )


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
            expected="a column 'participant_id' (sub-01, ...), or one that names the maps' files, "
            f'seen from {Path(folder).absolute()}',
            advice='Add such a column; rows are never matched by their position alone.',
        )
    labels = [subject_label(path) for path in in_files]
    unlabelled = [path for path, label in zip(in_files, labels, strict=True) if label is None]
    if unlabelled:
        raise DesignError(
            'The maps do not say which participant they belong to.',
            found=some(unlabelled),
            expected='sub-<label> in the name or folder of every map',
            advice="Add a column to the table that names each participant's map.",
        )
    _refuse_duplicates(labels, 'subjects among the maps')
    names = [_with_prefix(label) for label in table['participant_id']]
    _refuse_duplicates(names, 'participants in the table')
    position = {name: row for row, name in enumerate(names)}
    missing = [label for label in labels if label not in position]
    if missing:
        raise DesignError(
            'Maps have no row in the table.',
            found=f'{len(missing)} of {len(labels)} maps without a row: {some(missing)}',
            expected=f'every map among the rows: {some(names)}',
            advice='Add the rows, or leave out those maps. Labels are compared as text: 1 is '
            'not 01.',
        )
    return table.iloc[[position[label] for label in labels]].reset_index(drop=True)


def _rows_by_file(table, in_files, folder):
    """Row of every map by the first column that names all the maps, or None."""
    wanted = [Path(path).resolve() for path in in_files]
    partial = None
    for name, column in table.items():
        # A participant without a map has an empty cell, or n/a.
        cells = {row: cell for row, cell in enumerate(column) if isinstance(cell, str)}
        position = {Path(folder, cell).resolve(): row for row, cell in cells.items()}
        missing = [path for path in wanted if path not in position]
        if not missing and len(position) == len(cells):
            return [position[path] for path in wanted]
        if len(missing) < len(wanted):
            partial = name, missing
    if partial is not None and 'participant_id' not in table:
        name, missing = partial
        twice = '' if missing else 'a file in more than one row'
        raise DesignError(
            f'The column {name} of the table does not name every map once.',
            found=twice or f'{len(missing)} of {len(wanted)} maps without a row: {some(missing)}',
            expected='one row for every map',
            advice='Correct the table, or leave out those maps.',
        )
    return None


def _with_prefix(label):
    return str(label) if str(label).startswith('sub-') else f'sub-{label}'


def _refuse_duplicates(values, what):
    seen, twice = set(), []
    for value in values:
        (twice.append if value in seen else seen.add)(value)
    if twice:
        raise DesignError(
            f'There are duplicate {what}.',
            found=some(twice),
            expected='every participant once',
            advice='Average the maps of a participant first, leave out the extra ones, or name '
            'every map in a column of the table.',
        )


def some(items, most=5):
    """Name the first few of many.

    Examples
    --------
    >>> some(range(8))
    '0, 1, 2, 3, 4 and 3 more'
    """
    items = list(items)
    rest = f' and {len(items) - most} more' if len(items) > most else ''
    return ', '.join(map(str, items[:most])) + rest
