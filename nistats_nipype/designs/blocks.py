"""Exchangeability blocks and variance groups in files."""

from pathlib import Path

import numpy as np

from ..exceptions import InputError
from ..images.files import atomic_path


def load_blocks(path):
    """Read exchangeability blocks in PALM's format.

    Parameters
    ----------
    path : path-like
        Whole numbers separated by blanks, tabs or commas, one row per observation; lines that
        begin with a slash, as in FSL's ``.grp`` files, are left out.

    Returns
    -------
    ndarray of shape (N, L), int64
        What the numbers mean is said by :func:`nistats_nipype.stats.blocks.check_blocks`.

    Raises
    ------
    InputError
        If the file cannot be read, or holds something else.
    """
    return _read(path, 'exchangeability blocks')


def _read(path, what):
    """Whole numbers of a file: ndarray of shape (N, L), int64."""
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the first number.
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
        lines = [line for line in lines if line.strip() and not line.lstrip().startswith('/')]
        return np.array(_read_rows(lines), dtype=np.int64)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            f'{path} could not be read as {what}.',
            found=str(error),
            expected='whole numbers, one row per observation, as many in every row',
            advice='Write the numbers only, without a header.',
        ) from error


def save_blocks(blocks, path):
    """Write exchangeability blocks, for :func:`load_blocks` or for PALM.

    Parameters
    ----------
    blocks : array-like of shape (N, L), int
    path : path-like

    Returns
    -------
    str
        The path.
    """
    rows = [','.join(map(str, row)) for row in np.asarray(blocks).tolist()]
    with atomic_path(path) as temporary:
        Path(temporary).write_text(''.join(f'{row}\n' for row in rows))
    return str(path)


def load_groups(path, what='variance groups'):
    """Read variance groups.

    Parameters
    ----------
    path : path-like
        A whole number for each observation, one a line, as in PALM.
    what : str, default 'variance groups'
        What the numbers are, for errors.

    Returns
    -------
    ndarray of shape (N,), int64

    Raises
    ------
    InputError
        If the file cannot be read, or holds something else.
    """
    groups = _read(path, what)
    if groups.shape[1] != 1:
        raise InputError(
            f'{path} does not hold {what}.',
            found=f'{groups.shape[1]} numbers a row',
            expected='one number for each row',
            advice='Exchangeability blocks go by another option.',
        )
    return groups[:, 0]


def save_groups(groups, path):
    """Write variance groups, for :func:`load_groups` or for PALM.

    Parameters
    ----------
    groups : array-like of shape (N,), int
    path : path-like

    Returns
    -------
    str
        The path.
    """
    return save_blocks(np.reshape(groups, (-1, 1)), path)


def _read_rows(lines):
    """Whole numbers of each line, or ValueError."""
    if not lines:
        raise ValueError('no numbers')
    rows = [line.split(',') if ',' in line else line.split() for line in lines]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise ValueError(f'rows of {lengths[0]} and of {lengths[-1]} numbers')
    return [[_whole(cell) for cell in row] for row in rows]


def _whole(cell):
    number = float(cell)
    if not number.is_integer():
        raise ValueError(f'{cell.strip()} is not a whole number')
    return int(number)
