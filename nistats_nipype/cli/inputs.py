"""Files that arguments name: find them, and refuse what cannot be analysed, by headers alone."""

import glob
import os
from pathlib import Path

import numpy as np

from ..exceptions import InputError
from ..images.volumes import list_paths

#: Values of ``--mask`` that are methods and no files.
MASK_METHODS = ('intersection', 'coverage', 'template')


def expand_maps(patterns):
    """Expand patterns to absolute paths, sorted within each pattern.

    Parameters
    ----------
    patterns : list of str
        Files, or patterns with ``*``, ``?``, ``[]`` or ``**``.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If a pattern matches nothing or folders only, or if both files of an image are matched.
    """
    paths = []
    for pattern in patterns:
        # A name that exists is a file, even if it has brackets in it.
        matches = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)
        files = [match for match in matches if os.path.isfile(match)]
        if not files:
            folders = (
                f'only folders: {matches[0]}' if matches else f'nothing that matches {pattern}'
            )
            raise InputError(
                'No map was found.',
                found=f'{folders}, seen from {os.getcwd()}',
                expected='existing files',
                advice="Check the path; put patterns in quotes ('glm/*.nii.gz').",
            )
        paths += sorted(os.path.abspath(match) for match in files)
    return list_paths(paths)


def maps_from_table(table_file, column, *, unique=True):
    """Read the maps from a column of a table.

    Parameters
    ----------
    table_file : str
    column : str
        Column whose paths start at the table's folder.
    unique : bool, default True
        Whether a participant must have one row only.

    Returns
    -------
    list of str
        Absolute paths, in the order of the table.

    Raises
    ------
    InputError
        If there is no such table or column, a cell is empty, or a file does not exist.
    """
    from ..designs.tables import load_participants

    table = load_participants(table_file, unique=unique)
    if column not in table:
        raise InputError(
            f'The table has no column {column!r}.',
            found=f'columns {", ".join(map(str, table.columns))}',
            advice='Check --map-column.',
        )
    return files_of_column(table, column, table_file)


def files_of_column(table, column, table_file):
    """Give the files that a column names in the rows of a table.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of the table.
    column : str
    table_file : str
        Relative paths start at its folder.

    Returns
    -------
    list of str
        Absolute paths, in the order of the rows.

    Raises
    ------
    InputError
        If a cell is empty, or a file does not exist.
    """
    folder = Path(table_file).absolute().parent
    cells = table[column].tolist()
    paths = [str(folder / cell) if isinstance(cell, str) else None for cell in cells]
    lost = [row for row, path in enumerate(paths) if path is None or not os.path.isfile(path)]
    if lost:
        names = table.get('participant_id', range(1, len(table) + 1))
        row, cell = names[lost[0]], cells[lost[0]]
        what = f'no file {cell}' if isinstance(cell, str) else f'{cell}, which is no file name'
        raise InputError(
            f'Rows of {table_file} name no map.',
            found=f'{len(lost)} of {len(table)}; the first is {row}: {what}',
            expected=f'existing files in column {column!r}, seen from {folder}',
            advice='Correct the paths, or leave those rows out of the table.',
        )
    return paths


def existing_file(path, option):
    """Give the absolute path of a file, or say which option names none.

    Raises
    ------
    InputError
        If there is no such file.
    """
    if not os.path.isfile(path):
        raise InputError(
            f'The file of {option} does not exist.',
            found='a folder: ' + path
            if os.path.isdir(path)
            else f'no {path}, seen from {os.getcwd()}',
            expected='an existing file'
            + (f', or {", ".join(MASK_METHODS)}' if option == '--mask' else ''),
        )
    return os.path.abspath(path)


def check_headers(paths, mask_file=None):
    """Refuse maps that are no images, or that do not share one grid, before anything runs.

    Parameters
    ----------
    paths : list of str
        3D maps, or one 4D file.
    mask_file : str, optional
        Mask that has to lie on the grid of the maps.

    Raises
    ------
    InputError
        If a file is not a readable image.
    GridError
        If shapes or affines differ.
    """
    from ..images.nifti import count_maps, open_image
    from ..images.volumes import Volume, check_same_grid, list_paths

    first = None
    for path in [*list_paths(paths), *([mask_file] if mask_file else [])]:
        image = open_image(path)
        count_maps(path, image)
        # The values are not read; one zero stands for all of them.
        zero = np.zeros((), dtype=bool if path == mask_file else np.float32)
        grid = path, Volume(np.broadcast_to(zero, image.shape[:3]), image.affine)
        first = first or grid
        check_same_grid(first[1], grid[1], names=(first[0], path))
