"""Read the files that one interface hands to another, and check that they fit."""

from typing import Any, NamedTuple


class Extremes(NamedTuple):
    """A statistic and its null distribution in double precision, large values extreme.

    Attributes
    ----------
    observed : ndarray of shape (V,)
        NaN where nothing was tested.
    null : ndarray of shape (B,)
        Maximum of every relabelling, the observed one first.
    """

    observed: Any
    null: Any


def save_extremes(path, extremes):
    """Write statistics for the correction over contrasts.

    Parameters
    ----------
    path : path-like
        An ``.npz`` file.
    extremes : dict of {str: Extremes}
        By the name of the statistic.

    Returns
    -------
    str
        The absolute path.
    """
    from ..images.files import save_arrays

    return save_arrays(
        path,
        **{
            f'{name}_{field}': array
            for name, each in extremes.items()
            for field, array in each._asdict().items()
        },
    )


def load_extremes(path):
    """Read what :func:`save_extremes` wrote."""
    from ..exceptions import InputError
    from ..images.files import load_arrays

    arrays = load_arrays(path)
    names = [name.removesuffix('_null') for name in arrays if name.endswith('_null')]
    if sorted(arrays) != sorted(f'{name}_{field}' for name in names for field in Extremes._fields):
        raise InputError(
            f'{path} does not hold observed statistics and their null distributions.',
            found=f'arrays {", ".join(sorted(arrays))}',
            advice='Give the extremes_file of MergePermutations or MergeSpatial.',
        )
    return {name: Extremes(arrays[f'{name}_observed'], arrays[f'{name}_null']) for name in names}


def load_design(path, *, voxelwise=False):
    """Read a design matrix, and refuse columns that do not hold finite numbers.

    Parameters
    ----------
    path : path-like
    voxelwise : bool, default False
        Whether columns may stand for voxelwise covariates. They hold means over the mask, which
        must not be taken for the covariates.

    Returns
    -------
    pandas.DataFrame of shape (N, P)
    """
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    from ..designs.covariates import voxelwise_columns
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
    stand_ins = voxelwise_columns(design)
    if stand_ins and not voxelwise:
        raise DesignError(
            f'Columns of the design {path} stand for voxelwise covariates.',
            found=', '.join(stand_ins),
            expected='numbers that hold at every voxel',
            advice='Fit it with FitVoxelwise; give Permute and PermuteSpatial the maps as '
            'covariate_files; other fits and tests take no voxelwise covariates.',
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


def load_names(path):
    """Read the names of the maps from a table with a column ``file`` (TSV)."""
    from ..exceptions import InputError
    from ..images.files import load_table

    table = load_table(path)
    if 'file' not in table:
        raise InputError(
            f'{path} does not name the maps.',
            found=f'columns {", ".join(map(str, table.columns))}',
            expected='a column file',
            advice='Give the losses_file of ComputeMask.',
        )
    return table['file'].astype(str).tolist()


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
    from ..images.files import load_arrays

    return _as_record(path, load_arrays(path), kind, optional)


def _as_record(path, arrays, kind, optional=()):
    from ..exceptions import InputError

    absent = set(kind._fields) - set(arrays)
    if set(arrays) - set(kind._fields) or absent - set(optional):
        raise InputError(
            f'{path} does not hold a {kind.__name__}.',
            found=f'arrays {", ".join(sorted(arrays))}',
            expected=f'arrays {", ".join(sorted(set(kind._fields) - set(optional)))}',
            advice='Give the file that the step before this one wrote.',
        )
    return kind(**{**dict.fromkeys(optional), **arrays})


def load_fit(path):
    """Read what FitGLM, FitMixed, FitRobust or FitVoxelwise wrote.

    Returns
    -------
    GLMFit, MixedFit, RobustFit or VoxelwiseFit
    callable
        Tests a contrast of it: :func:`nistats_nipype.stats.glm.contrast`,
        :func:`nistats_nipype.stats.mixed.contrast`,
        :func:`nistats_nipype.stats.robust.contrast` or
        :func:`nistats_nipype.stats.voxelwise.contrast`.
    """
    from ..images.files import load_arrays
    from ..stats import glm, mixed, robust, voxelwise

    arrays = load_arrays(path)
    if 'mean_weight' in arrays:
        return _as_record(path, arrays, robust.RobustFit), robust.contrast
    if 'tau2' in arrays:
        return _as_record(path, arrays, mixed.MixedFit), mixed.contrast
    if 'slopes' in arrays:
        return _as_record(path, arrays, voxelwise.VoxelwiseFit), voxelwise.contrast
    return _as_record(path, arrays, glm.GLMFit, ('groups', 'group_squares')), glm.contrast


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
