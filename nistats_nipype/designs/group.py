"""The design of a group of maps, and contrasts that it can answer."""

from pathlib import Path

import numpy as np

from ..exceptions import ContrastError, DesignError
from ..images.volumes import count_volumes
from ..stats.design import check_contrast, inestimable_columns
from .contrasts import parse_contrast
from .matrices import design_from_formula, intercept_only
from .tables import load_participants, match_rows


def design_of_maps(in_files, formula=None, table_file=None, *, unique=True):
    """Make the design matrix of a group of maps.

    Parameters
    ----------
    in_files : list of str
        N 3D maps, or one 4D file of N volumes. Only headers are read.
    formula : str, optional
        See :func:`~nistats_nipype.designs.matrices.design_from_formula`; without it the
        design is a column of ones.
    table_file : path-like, optional
        Participants table with the variables of the formula, matched to the maps by
        :func:`~nistats_nipype.designs.tables.match_rows`. File names in it are relative
        to its folder.
    unique : bool, default True
        Whether a participant must have one row only; otherwise a column has to name the maps.

    Returns
    -------
    pandas.DataFrame of shape (N, P), float64
        One row per map, in the order of the maps.

    Raises
    ------
    InputError
        If the maps or the table cannot be read.
    DesignError
        If the formula has no table, or rows and maps cannot be matched.
    """
    if formula is None:
        return intercept_only(count_volumes(in_files))
    return design_from_formula(formula, rows_of_maps(in_files, table_file, formula, unique=unique))


def rows_of_maps(in_files, table_file, formula=None, *, unique=True):
    """Read the rows of a participants table that belong to maps.

    Parameters
    ----------
    in_files : list of str
        N 3D maps.
    table_file : path-like or None
        See :func:`design_of_maps`; None is refused.
    formula : str, optional
        What the table is for, for the error.
    unique : bool, default True
        Whether a participant must have one row only; otherwise a column has to name the maps.

    Returns
    -------
    pandas.DataFrame of N rows
        In the order of the maps.

    Raises
    ------
    InputError
        If the maps or the table cannot be read.
    DesignError
        If there is no table, or rows and maps cannot be matched.
    """
    n_maps = count_volumes(in_files)
    if table_file is None:
        raise DesignError(
            'The formula has no table.',
            found=f'formula {formula!r}',
            expected='a participants table with its variables',
            advice='Give table_file (--table).',
        )
    table = load_participants(table_file, unique=unique)
    if n_maps != len(in_files):
        raise DesignError(
            'The rows of the table cannot be matched to the volumes of a 4D file.',
            found=f'{n_maps} volumes in {in_files[0]}, which do not say whose they are',
            expected='one 3D file per participant; rows are never matched by position alone',
            advice='Split the file (fslsplit, nilearn.image.iter_img), and name the maps in a '
            'column of the table.',
        )
    return match_rows(table, in_files, Path(table_file).parent)


def define_contrast(name, definition, design):
    """Read a contrast of a design, and refuse one that the design cannot answer.

    Parameters
    ----------
    name : str
    definition : str or list
        See :func:`~nistats_nipype.designs.contrasts.parse_contrast`.
    design : pandas.DataFrame of shape (N, P)

    Returns
    -------
    Contrast

    Raises
    ------
    ContrastError
        If it cannot be read, has a row of zeros, or is not estimable.

    Examples
    --------
    >>> import pandas as pd
    >>> design = pd.DataFrame({'mean': [1, 1, 1], 'a': [1, 0, 0], 'b': [0, 1, 1]})
    >>> define_contrast('difference', 'a - b', design).weights
    array([[ 0.,  1., -1.]])
    >>> define_contrast('a alone', 'a', design)
    Traceback (most recent call last):
        ...
    nistats_nipype.exceptions.ContrastError: The contrast 'a alone' is not estimable.
      found:    weights on columns that depend on others: a
      expected: a combination that the rows of the design determine
      to do:    Remove a redundant column from the design, or test a difference of columns.
    """
    contrast = parse_contrast(name, definition, design.columns)
    matrix = design.to_numpy(dtype=np.float64)
    if np.isfinite(contrast.weights).all():
        blamed = inestimable_columns(matrix, contrast.weights)
        if blamed:
            columns = ', '.join(contrast.columns[column] for column in blamed)
            raise ContrastError(
                f'The contrast {name!r} is not estimable.',
                found=f'weights on columns that depend on others: {columns}',
                expected='a combination that the rows of the design determine',
                advice='Remove a redundant column from the design, or test a difference of '
                'columns.',
            )
    check_contrast(matrix, contrast.weights)
    return contrast
