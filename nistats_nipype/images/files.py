"""Write files whole or not at all, and the same bytes every time."""

import errno
import json
import os
import shutil
import uuid
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from ..exceptions import InputError, OutputError

#: errno values that mean that the place to write to is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
        if error.filename is not None and Path(error.filename) not in (partial, path):
            raise  # a read inside the block failed; not our file
        raise _output_error(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


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


def save_json(content, path):
    """Write ``content`` as JSON with sorted keys; return the absolute path as str."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(content, indent=2, sort_keys=True) + '\n')
    return os.path.abspath(path)


def load_json(path):
    """Read a JSON file.

    Raises
    ------
    InputError
        If the file is not valid JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f'{path} is not a JSON file.', found=str(error), advice='Check or rewrite the file.'
        ) from error


def save_table(frame, path):
    """Write a data frame as tab-separated text; return the absolute path as str.

    Floats are written with 17 significant digits, so that they read back to the same bits.
    """
    with atomic_path(path) as partial:
        frame.to_csv(partial, sep='\t', index=False, na_rep='n/a', float_format='%.17g')
    return os.path.abspath(path)


def load_table(path):
    """Read a tab- or comma-separated table.

    Raises
    ------
    InputError
        If the file cannot be read as a table.
    """
    sep = ',' if str(path).lower().endswith('.csv') else '\t'
    try:
        return pd.read_csv(path, sep=sep, na_values=['n/a'])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(
            f'{path} could not be read as a table.',
            found=str(error),
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
        with np.load(path) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f'{path} could not be read.',
            found=str(error),
            expected='an .npz file written by this package',
            advice='Run the step that wrote it again.',
        ) from error
