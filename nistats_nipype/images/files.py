"""Write files whole or not at all, and the same bytes every time."""

import errno
import filecmp
import json
import os
import shutil
import uuid
import warnings
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd

from ..exceptions import InputError, OutputError

#: errno values that mean that the place to write to is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

#: Before 3.1 pandas read some floats with the last bit off by default; 3.1 warns of the option.
_EXACT_FLOATS = (
    {'float_precision': 'round_trip'}
    if tuple(map(int, pd.__version__.split('.')[:2])) < (3, 1)
    else {}
)
#: What pandas raises for a file that is no table.
_UNREADABLE = (
    OSError,
    UnicodeDecodeError,
    pd.errors.EmptyDataError,
    pd.errors.ParserError,
    pd.errors.ParserWarning,
)


@contextmanager
def atomic_path(path):
    """Give a temporary neighbour of ``path`` that takes its name on success.

    A failure inside the block leaves nothing under ``path`` that was not there
    before, and no temporary file.

    Parameters
    ----------
    path : path-like
        The final name. Its folder must exist.

    Yields
    ------
    pathlib.Path
        The name to write to: in the same folder, with the same extensions.

    Raises
    ------
    OutputError
        If the file system refuses the write, for instance because it is full.
    """
    path = Path(path)
    partial = path.with_name(f'.{uuid.uuid4().hex[:8]}-partial-{path.name}')
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        # A failed copy has two names, of which the second is ours.
        names = [name for name in (error.filename, error.filename2) if name is not None]
        if names and not any(Path(name) in (partial, path) for name in names):
            raise  # a read inside the block failed; not our file
        raise _output_error(path, error) from error
    finally:
        # Where not even the folder is one, the write has failed already and said so.
        with suppress(OSError):
            partial.unlink()


def _output_error(path, error):
    """Explain a refused write."""
    problem = f'Could not write {path}.'
    if error.errno in _FULL:
        try:
            free = f'; {shutil.disk_usage(path.parent).free / 1e6:.1f} MB are free there'
        except OSError:
            free = ''
        return OutputError(
            problem,
            found=f'{error.strerror}{free}',
            expected='room for the file',
            advice='Free space, or choose a work and output folder on a larger disk.',
        )
    return OutputError(
        problem,
        found=error.strerror or str(error),
        expected='a folder that exists and can be written to',
        advice='Check the permissions, or choose another folder.',
    )


def place_file(source, path):
    """Copy a file, unless ``path`` has the same content; return the absolute path as str."""
    if not (Path(path).is_file() and filecmp.cmp(source, path, shallow=False)):
        with atomic_path(path) as partial:
            shutil.copyfile(source, partial)
    return os.path.abspath(path)


def save_json(content, path):
    """Write ``content`` as JSON with sorted keys; return the absolute path as str.

    A file that has this content already is left alone.
    """
    text = json.dumps(content, indent=2, sort_keys=True) + '\n'
    if not (Path(path).is_file() and Path(path).read_text() == text):
        with atomic_path(path) as partial:
            partial.write_text(text)
    return os.path.abspath(path)


def load_json(path):
    """Read a JSON file.

    Raises
    ------
    InputError
        If the file is missing or not valid JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f'{path} could not be read as JSON.',
            found=str(error),
            advice='Check or rewrite the file.',
        ) from error


def save_table(frame, path):
    """Write a data frame as tab-separated text; return the absolute path as str.

    Floats are written with as many digits as it takes to read back the same bits.
    """
    with atomic_path(path) as partial:
        frame.to_csv(partial, sep='\t', index=False, na_rep='n/a')
    return os.path.abspath(path)


def load_table(path):
    """Read a tab- or comma-separated table.

    Raises
    ------
    InputError
        If the file is missing or cannot be read as a table, or a row has more cells than there
        are columns.
    """
    sep = ',' if str(path).lower().endswith('.csv') else '\t'
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error', pd.errors.ParserWarning)
            # By default a surplus cell in the first row makes pandas shift all columns.
            return pd.read_csv(path, sep=sep, na_values=['n/a'], index_col=False, **_EXACT_FLOATS)
    except _UNREADABLE as error:
        # pandas names the line of a surplus cell, but of the first row, where it warns only.
        surplus = isinstance(error, pd.errors.ParserWarning)
        raise InputError(
            f'{path} could not be read as a table.',
            found='more cells in line 2 than in the header' if surplus else str(error),
            expected='a header line and one row per observation, tab-separated (comma in .csv)',
            advice='Open the file and check its separator.',
        ) from error


def save_arrays(path, **arrays):
    """Write arrays to one uncompressed ``.npz``; return the absolute path as str."""
    with atomic_path(path) as partial, partial.open('wb') as stream:
        np.savez(stream, **arrays)
    return os.path.abspath(path)


def load_arrays(path):
    """Read all arrays of an ``.npz`` into a dict.

    Raises
    ------
    InputError
        If the file is not an ``.npz`` archive or is truncated.
    """
    try:
        with open(path, 'rb') as stream, np.load(stream) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        # TypeError: a lone .npy, which is no archive to close.
        raise InputError(
            f'{path} could not be read.',
            found=str(error),
            expected='an .npz file written by this package',
            advice='Run the step that wrote it again.',
        ) from error
