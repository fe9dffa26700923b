"""Read the files that one interface hands to another, and check that they fit."""


def load_design(path):
    """Read a design matrix, and refuse columns that do not hold finite numbers."""
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    from ..exceptions import DesignError
    from ..images.files import load_table

    design = load_table(path)
    text = [str(name) for name, column in design.items() if not is_numeric_dtype(column)]
    if text:
        raise DesignError(
            f'The design {path} holds columns that are not numbers.',
            found=', '.join(text),
            expected='one number per map and regressor',
            advice='Make the design of a participants table with BuildDesign and a formula.',
        )
    bad = ~np.isfinite(design.to_numpy(dtype=np.float64))
    if bad.any():
        row, _ = np.argwhere(bad)[0]
        raise DesignError(
            f'The design {path} holds values that are not finite.',
            found=f'{bad.sum()} of them, the first in row {row + 1}; '
            f'columns {", ".join(map(str, design.columns[bad.any(axis=0)]))}',
            expected='finite numbers',
            advice='Fill in the missing covariates, or leave those observations out.',
        )
    return design


def load_contrast(path, design):
    """Read a contrast, and refuse it unless the design has its columns and can answer it."""
    from ..designs.contrasts import Contrast
    from ..designs.group import define_contrast
    from ..images.files import load_json

    contrast = Contrast.from_dict(load_json(path))
    contrast.check_columns(design.columns)
    return define_contrast(contrast.name, contrast.weights.tolist(), design)


def load_record(path, kind, optional=()):
    """Read the fields of a NamedTuple that another interface saved.

    Parameters
    ----------
    path : path-like
        An ``.npz`` file.
    kind : type
        The NamedTuple.
    optional : sequence of str
        Fields that may be absent; they are None then.
    """
    from ..exceptions import InputError
    from ..images.files import load_arrays

    arrays = load_arrays(path)
    absent = set(kind._fields) - set(arrays)
    if set(arrays) - set(kind._fields) or absent - set(optional):
        raise InputError(
            f'{path} does not hold a {kind.__name__}.',
            found=f'arrays {", ".join(sorted(arrays))}',
            expected=f'arrays {", ".join(sorted(set(kind._fields) - set(optional)))}',
            advice='Give the file that the step before this one wrote.',
        )
    return kind(**{**dict.fromkeys(optional), **arrays})


def load_chunk(path, kind):
    """Read what a job over a chunk of relabellings saved.

    Parameters
    ----------
    path : path-like
        An ``.npz`` file.
    kind : type
        The NamedTuple of the chunk.

    Returns
    -------
    chunk
    dict
        What was measured, for the metadata of the merged result.
    """
    import json
    from collections import namedtuple

    stored = namedtuple(kind.__name__, [*kind._fields, 'measured'])
    *chunk, measured = load_record(path, stored)
    return kind(*chunk), json.loads(str(measured))
