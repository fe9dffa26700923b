"""Designs that were made elsewhere: for maps, with their contrasts."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..exceptions import DesignError
from ..images.volumes import count_volumes
from .bids_model import design_of_model, load_bids_model
from .fsl import load_any_design, load_fsl_contrasts
from .group import rows_of_maps


class GivenDesign(NamedTuple):
    """A design from a file.

    Attributes
    ----------
    design : pandas.DataFrame of shape (N, P), float64
        One row per map, in the order of the maps.
    contrasts : dict
        Definitions by name, for :func:`nistats_nipype.designs.group.define_contrast`.
    metadata : dict
        Where it is from, and by what its rows belong to the maps.
    """

    design: pd.DataFrame
    contrasts: dict
    metadata: dict


def design_from_file(in_files, design_file, con_file=None, fts_file=None):
    """Read a design matrix that was made for these maps, and contrasts of it.

    Parameters
    ----------
    in_files : list of str
        N 3D maps, or one 4D file of N volumes, in the order of the rows: nothing in such a file
        says which map a row is of. Only headers are read.
    design_file : path-like
        See :func:`~nistats_nipype.designs.fsl.load_any_design`.
    con_file, fts_file : path-like, optional
        See :func:`~nistats_nipype.designs.fsl.load_fsl_contrasts`.

    Returns
    -------
    GivenDesign

    Raises
    ------
    InputError
        If a file cannot be read.
    DesignError
        If the design does not have one row for each map.
    ContrastError
        If an F test is not made of the contrasts, or two contrasts have one name.
    """
    design = load_any_design(design_file)
    n_maps = count_volumes(in_files)
    if len(design) != n_maps:
        raise DesignError(
            'The design and the maps do not have the same number of rows.',
            found=f'{len(design)} rows in {design_file}, {n_maps} maps',
            expected='one row of the design for each map, in the same order',
            advice='Rows without a map cannot be told: the file does not name them.',
        )
    contrasts = {} if con_file is None else load_fsl_contrasts(con_file, fts_file)
    metadata = {'DesignSource': Path(design_file).name, 'RowsMatchedBy': 'position'}
    return GivenDesign(design, contrasts, metadata)


def design_from_model(in_files, model_file, table_file=None, node=None):
    """Make the design of a BIDS Stats Model for maps.

    Parameters
    ----------
    in_files : list of str
        N 3D maps, one per row of the design.
    model_file : path-like
        See :func:`~nistats_nipype.designs.bids_model.load_bids_model`.
    table_file : path-like, optional
        Participants table with the variables, matched to the maps by
        :func:`~nistats_nipype.designs.tables.match_rows`; a model of the mean needs none.
    node : str, optional
        Name of the node, if there is more than one of the level ``Dataset``.

    Returns
    -------
    GivenDesign

    Raises
    ------
    InputError
        If a file cannot be read, or the model asks for what is not supported.
    DesignError
        If rows and maps cannot be matched, or the table does not have the variables.
    ContrastError
        If a contrast names a column that the design does not have.
    """
    model = load_bids_model(model_file, node)
    if table_file is None:
        table = pd.DataFrame(index=range(count_volumes(in_files)))
    else:
        table = rows_of_maps(in_files, table_file)
    design, contrasts = design_of_model(model, table)
    metadata = {
        'DesignSource': Path(model_file).name,
        'ModelNode': model.node,
        'RowsMatchedBy': 'none needed' if table_file is None else 'table',
    }
    return GivenDesign(design, contrasts, metadata)
