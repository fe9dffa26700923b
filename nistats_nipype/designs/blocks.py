"""Exchangeability blocks from files."""

from pathlib import Path

import numpy as np

from ..exceptions import InputError


def load_blocks(path):
    """Read exchangeability blocks in PALM's format.

    Parameters
    ----------
    path : path-like
        Whole numbers separated by blanks, tabs or commas, one row per observation; lines of
        FSL's ``.grp`` files that begin with a slash are left out.

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
        lines = Path(path).read_text().replace(',', ' ').splitlines()
        rows = [line.split() for line in lines if line.strip() and not line.startswith('/')]
        numbers = np.array([[float(word) for word in row] for row in rows])
        if numbers.ndim != 2 or not (numbers == numbers.astype(np.int64)).all():
            raise ValueError('rows of different lengths, or numbers that are not whole')
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            f'{path} could not be read as exchangeability blocks.',
            found=str(error),
            expected='whole numbers, one row per observation, as many in every row',
            advice='Write the numbers only, without a header.',
        ) from error
    return numbers.astype(np.int64)
