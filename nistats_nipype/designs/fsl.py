"""Designs and contrasts in the files of FSL and PALM, and in plain tables."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..exceptions import ContrastError, DesignError, InputError
from ..images.files import atomic_path, load_table
from .tables import some

_ENTRY = re.compile(r'/(?P<key>[A-Za-z]+)(?P<number>\d*)\s*(?P<value>.*)')


class VestFile(NamedTuple):
    """A matrix with the header that FSL writes, or without.

    Attributes
    ----------
    matrix : ndarray of shape (R, C), float64
    names : tuple of R str
        Names of the rows by ``/ContrastName``; empty where the file has none.
    """

    matrix: np.ndarray
    names: tuple


def load_vest(path):
    """Read a matrix in FSL's text format, or of plain numbers, as PALM takes both.

    Parameters
    ----------
    path : path-like
        Numbers behind the line ``/Matrix``, or numbers only, separated by blanks, tabs or commas.

    Returns
    -------
    VestFile

    Raises
    ------
    InputError
        If the file cannot be read, rows differ in length, a cell is no finite number, or the
        header says another size.
    """
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the first number.
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
        start = [number for number, line in enumerate(lines) if line.strip() == '/Matrix']
        header, body = (lines[: start[0]], lines[start[0] + 1 :]) if start else ([], lines)
        rows = [line.replace(',', ' ').split() for line in body if line.strip()]
        matrix = np.array(rows, dtype=np.float64)
        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            raise ValueError('no numbers' if not rows else 'values that are not finite')
    except (OSError, ValueError) as error:
        raise InputError(
            f'{path} could not be read as a matrix.',
            found=_explain(error),
            expected='rows of numbers, as many in each, alone or behind the line /Matrix',
            advice="A design of SPM or MATLAB's own .mat file cannot be read; write its matrix as "
            'text.',
        ) from error
    entries = [_ENTRY.match(line.strip()) for line in header]
    entries = {(e['key'].lower(), e['number']): e['value'].strip() for e in entries if e}
    sizes = {'numwaves': matrix.shape[1], 'numpoints': len(matrix), 'numcontrasts': len(matrix)}
    for key, size in sizes.items():
        said = entries.get((key, ''))
        if said is not None and said != str(size):
            raise InputError(
                f'The header of {path} does not fit its matrix.',
                found=f'/{key} {said}, but {len(matrix)} rows of {matrix.shape[1]} numbers',
                expected=f'{size}',
                advice='Write the file again, or correct it.',
            )
    named = any(key == 'contrastname' for key, _ in entries)
    names = [entries.get(('contrastname', str(row + 1)), '') for row in range(len(matrix))]
    return VestFile(matrix, tuple(names) if named else ())


def _explain(error):
    if isinstance(error, UnicodeDecodeError):
        return 'a binary file'
    text = str(error)
    return 'rows of different lengths' if 'inhomogeneous' in text else text


def load_any_design(path):
    """Read a design matrix in whatever form it comes.

    Parameters
    ----------
    path : path-like
        FSL's ``design.mat``; numbers without a header, as PALM takes them; or a table with a
        header, tab-separated or ``.csv``, as nilearn's ``make_second_level_design_matrix`` gives
        it and pandas saves it (``design.to_csv(path, index=False)``).

    Returns
    -------
    pandas.DataFrame of shape (N, P), float64
        Columns without a name are ``EV1`` to ``EVP``. A first column without a name that counts
        the rows, which pandas writes unless it is told not to, is left out.

    Raises
    ------
    InputError
        If the file cannot be read.
    DesignError
        If a column does not hold finite numbers.
    """
    if not _has_column_names(path):
        matrix = load_vest(path).matrix
        return pd.DataFrame(matrix, columns=[f'EV{n + 1}' for n in range(matrix.shape[1])])
    table = load_table(path)
    first = str(table.columns[0])
    if first.startswith('Unnamed') and table.iloc[:, 0].tolist() == list(range(len(table))):
        table = table.iloc[:, 1:]
    text = [str(name) for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if text or table.empty:
        raise DesignError(
            f'{path} is no design matrix.',
            found='no rows' if table.empty else f'columns that do not hold numbers: {some(text)}',
            expected='one number per map and regressor',
            advice='Make a design of a participants table with a formula.',
        )
    design = table.astype(np.float64)
    bad = [str(name) for name in design if not np.isfinite(design[name]).all()]
    if bad:
        raise DesignError(
            f'The design {path} holds values that are not finite.',
            found=some(bad),
            expected='finite numbers',
        )
    return design


def _has_column_names(path):
    """Whether the first line that is not empty holds something else than numbers."""
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
    except (OSError, UnicodeDecodeError):
        return False  # load_vest says what is wrong
    first = next((line for line in lines if line.strip()), '/')
    if first.lstrip()[0] in '/!':
        return False
    try:
        [float(cell) for cell in first.replace(',', ' ').split()]
    except ValueError:
        return True
    return False


def load_fsl_contrasts(con_file, fts_file=None):
    """Read contrasts from FSL's files, or from plain numbers as PALM takes them.

    Parameters
    ----------
    con_file : path-like
        ``design.con``: a t contrast a row.
    fts_file : path-like, optional
        ``design.fts``: an F test a row, of those t contrasts that are marked with 1.

    Returns
    -------
    dict
        Weights by name, for :func:`nistats_nipype.designs.group.define_contrast`: the t contrasts
        in their order, then the F tests. Those without a name are ``contrast 1`` and so on, and
        ``F1`` and so on.

    Raises
    ------
    InputError
        If a file cannot be read.
    ContrastError
        If two contrasts have one name, or an F test is not made of the t contrasts.

    Notes
    -----
    An F test of a single t contrast is its t here: F is the square of it, and p is the same on
    two sides.
    """
    matrix, names = load_vest(con_file)
    contrasts = {}
    for row, weights in enumerate(matrix):
        _add(contrasts, names[row] if names else '', f'contrast {row + 1}', weights, con_file)
    if fts_file is None:
        return contrasts
    tests, names = load_vest(fts_file)
    if tests.shape[1] != len(matrix) or not np.isin(tests, (0, 1)).all() or not tests.any(1).all():
        raise ContrastError(
            f'The F tests of {fts_file} are not made of the contrasts of {con_file}.',
            found=f'{tests.shape[1]} columns, values {some(np.unique(tests))}',
            expected=f'{len(matrix)} columns of 0 and 1, at least one 1 in each row',
        )
    for row, chosen in enumerate(tests > 0):
        weights = matrix[chosen]
        weights = weights if len(weights) > 1 else weights[0]
        _add(contrasts, names[row] if names else '', f'F{row + 1}', weights, fts_file)
    return contrasts


def _add(contrasts, name, default, weights, path):
    name = name.strip().strip('"') or default
    if name in contrasts:
        raise ContrastError(
            f'Two contrasts of {path} have the name {name!r}.',
            expected='a name of its own for each',
            advice='Change /ContrastName in the file.',
        )
    contrasts[name] = weights.tolist()


def save_fsl(design, contrasts, folder, *, name='design', groups=None):
    """Write a design and its contrasts as FSL and PALM read them.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
        The names of its columns are lost: the format has none.
    contrasts : list of Contrast
        t contrasts are rows of the ``.con`` file. F contrasts are rows of the ``.fts`` file; the
        t contrasts that they are made of are added to the ``.con`` file where it lacks them.
    folder : path-like
        It must exist.
    name : str, default 'design'
        Stem of the files.
    groups : array-like of shape (N,), int, optional
        Numbers of the ``.grp`` file: variance groups of FEAT, or exchangeability blocks of
        ``randomise -e``, which has one level of them.

    Returns
    -------
    dict
        Paths by extension: ``mat``, ``con`` if there are contrasts, ``fts`` if there is an F
        contrast, ``grp`` with ``groups``.

    Raises
    ------
    DesignError
        If there is not one group for each row of the design.
    ContrastError
        If a contrast was made for another design.
    """
    values = design.to_numpy(dtype=np.float64)
    if groups is not None and np.shape(groups) != (len(values),):
        raise DesignError(
            'The groups do not fit the design.',
            found=f'shape {np.shape(groups)}',
            expected=f'{len(values)} whole numbers, one for each row',
            advice="Blocks of several levels go to PALM in its own format, not to FSL's.",
        )
    for contrast in contrasts:
        contrast.check_columns(design.columns)
    rows, names, tests = _arrange(contrasts)
    heights = np.maximum(values.max(axis=0), 0) - np.minimum(values.min(axis=0), 0)
    spread = np.ptp(values, axis=0)
    heights = np.where(spread > 0, spread, heights)
    texts = {'mat': _vest(values, 'NumPoints', heights=heights)}
    if names:
        texts['con'] = _vest(np.array(rows), 'NumContrasts', names=names)
    if tests:
        marks = np.zeros((len(tests), len(names)))
        for row, (_, used) in enumerate(tests):
            marks[row, used] = 1
        titles = [title for title, _ in tests]
        texts['fts'] = _vest(marks, 'NumContrasts', names=titles, whole=True)
    if groups is not None:
        texts['grp'] = _vest(np.reshape(groups, (-1, 1)), 'NumPoints', whole=True)
    paths = {}
    for extension, text in texts.items():
        path = Path(folder).absolute() / f'{name}.{extension}'
        with atomic_path(path) as partial:
            partial.write_text(text)
        paths[extension] = str(path)
    return paths


def _arrange(contrasts):
    """Rows of the .con file with their names, and for each F its name and its rows."""
    rows, names, tests = [], [], []
    for contrast in contrasts:
        if contrast.kind == 't':
            rows.append(contrast.weights[0])
            names.append(contrast.name)
    for contrast in contrasts:
        if contrast.kind == 't':
            continue
        used = []
        for number, row in enumerate(contrast.weights, start=1):
            same = [index for index, other in enumerate(rows) if np.array_equal(row, other)]
            if not same:
                same = [len(rows)]
                rows.append(row)
                names.append(f'{contrast.name}, row {number}')
            used.append(same[0])
        tests.append((contrast.name, used))
    return rows, names, tests


def _vest(matrix, rows_are, *, names=(), heights=None, whole=False):
    """Text of a file; floats have as many digits as it takes to read back the same bits."""
    lines = [f'/ContrastName{n}\t{" ".join(str(text).split())}' for n, text in enumerate(names, 1)]
    lines += [f'/NumWaves\t{matrix.shape[1]}', f'/{rows_are}\t{len(matrix)}']
    if heights is not None:
        lines.append('/PPheights\t' + '\t'.join(f'{height:.6e}' for height in heights))
    lines += ['', '/Matrix']
    kind = int if whole else float
    lines += ['\t'.join(repr(kind(value)) for value in row) for row in matrix]
    return '\n'.join(lines) + '\n'
