"""Exchangeability blocks from files."""

from pathlib import Path

import numpy as np

from ..exceptions import InputError


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
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the first number.
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
        lines = [line for line in lines if line.strip() and not line.lstrip().startswith('/')]
        return np.array(_read_rows(lines), dtype=np.int64)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            f'{path} could not be read as exchangeability blocks.',
            found=str(error),
            expected='whole numbers, one row per observation, as many in every row',
            advice='Write the numbers only, without a header.',
        ) from error


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
