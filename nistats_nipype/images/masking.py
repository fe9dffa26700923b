"""The group mask: where the maps of a group were observed."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..exceptions import InputError, MaskError, MissingDataError
from .volumes import (
    Volume,
    check_same_grid,
    count_volumes,
    iter_volumes,
    load_volume,
    observed_values,
)

_METHODS = ('intersection', 'coverage', 'template', 'given')

#: How many files an error lists by name.
_N_NAMED = 5


class GroupMask(NamedTuple):
    """A group mask and what each map costs.

    Attributes
    ----------
    mask : (X, Y, Z) ndarray of bool
        The voxels to analyse.
    affine : (4, 4) ndarray of float64
        From voxel indices to mm.
    coverage : (X, Y, Z) ndarray of int32
        In how many maps each voxel of the grid was observed.
    losses : DataFrame
        One row per map, in the order given. The candidate voxels are those observed in any map,
        or those of the template or the given mask.

        - ``file``: name of the map;
        - ``n_observed``: candidate voxels that the map observes;
        - ``n_lost``, ``percent_lost``: candidate voxels that it does not;
        - ``n_sole_loss``: candidate voxels that all maps but this one observe, that is, what
          leaving out this map would bring back to the intersection;
        - ``variance_file``: name of the map of its variances, if these were given;
        - ``<name>_file``: name of its map of each voxelwise covariate, likewise.
    """

    mask: np.ndarray
    affine: np.ndarray
    coverage: np.ndarray
    losses: pd.DataFrame


class _Survey(NamedTuple):
    """What one pass over the maps finds."""

    names: list
    companion_names: dict
    n_observed: np.ndarray
    coverage: np.ndarray
    sole_loser: np.ndarray
    candidate: np.ndarray
    affine: np.ndarray


def compute_mask(
    in_files,
    *,
    method='intersection',
    min_coverage=1.0,
    min_observations=None,
    mask_file=None,
    zero_is_missing=True,
    variance_files=None,
    covariate_files=None,
):
    """Decide which voxels a group analysis is about.

    Parameters
    ----------
    in_files : path-like, or list of path-like
        3D files, one per map, or a single 4D file. Each is read once.
    method : {'intersection', 'coverage', 'template', 'given'}, default='intersection'
        - ``'intersection'``: observed in all maps;
        - ``'coverage'``: observed in at least the share ``min_coverage`` of the maps, or in
          at least ``min_observations`` maps;
        - ``'template'``: the brain in the MNI152 template that comes with nilearn (T1 above 20 %
          of its maximum), brought to the grid of the maps by nearest neighbour;
        - ``'given'``: the voxels of ``mask_file`` above 0.

        The last two do not depend on where the maps were observed.
    min_coverage : float, default=1.0
        Share of the maps, in (0, 1]. Read by ``'coverage'`` only.
    min_observations : int, optional
        Number of maps, at least 1, in place of ``min_coverage``. Read by ``'coverage'`` only.
    mask_file : path-like, optional
        Mask on the grid of the maps. Read by ``'given'`` only.
    zero_is_missing : bool, default=True
        Whether a value of exactly 0 is a missing one, as NaN always is.
    variance_files : path-like, or list of path-like, optional
        Sampling variances of the maps, in their order. A map is then observed where it has both
        a value and a variance.
    covariate_files : dict of {str: path-like, or list of path-like}, optional
        Voxelwise covariates by name, the maps of each in the order of ``in_files``. A map is then
        observed where it has values of these, too.

    Returns
    -------
    GroupMask
        The mask, its affine, the coverage and what each map costs.

    Raises
    ------
    InputError
        If an argument or a file cannot be used, or a file is listed twice; if there is not one
        map of variances, or of a covariate, for every map.
    GridError
        If the maps, or the maps and the mask, do not share one grid.
    MissingDataError
        If a map holds no observed value at all, or none in the template or given mask.
    MaskError
        If no voxel is left.

    Notes
    -----
    The mask does not depend on the order of the maps. nilearn's
    :func:`~nilearn.masking.compute_multi_brain_mask` answers another question: which voxels show
    brain in images with contrast between brain and background.
    """
    _check_choice(method, min_coverage, mask_file)
    _check_number(method, min_coverage, min_observations)
    companions = {} if variance_files is None else {'variance': variance_files}
    companions |= covariate_files or {}
    survey = _survey(in_files, companions, method, mask_file, zero_is_missing)
    _refuse_empty_maps(survey, method)
    if method in ('intersection', 'coverage'):
        # In floating point 0.28 * 25 is above 7 and would ask for 8 maps.
        needed = max(1, math.ceil(min_coverage * len(survey.names) - 1e-9))
        needed = min_observations or needed
        mask = survey.coverage >= needed
        if not mask.any():
            raise _nothing_shared(survey, needed)
    else:
        mask = survey.candidate
    return GroupMask(mask, survey.affine, survey.coverage, _losses(survey))


def load_mask(path):
    """Read a mask.

    Parameters
    ----------
    path : path-like
        A 3D image. Values above 0 are inside; 0, negative values and NaN are outside.

    Returns
    -------
    Volume
        Data of bool, shape (X, Y, Z), and the affine.

    Raises
    ------
    InputError
        If the file cannot be read (see :func:`~nistats_nipype.images.volumes.load_volume`).
    MaskError
        If no voxel is inside.
    """
    volume = load_volume(path)
    mask = volume.data > 0
    if not mask.any():
        raise MaskError(
            f'The mask {path} is empty.',
            found='no voxel above 0',
            expected='values above 0 inside the mask',
            advice='Check that this is the mask, and how it was thresholded.',
        )
    return Volume(mask, volume.affine)


def _check_choice(method, min_coverage, mask_file):
    """Check the arguments, also those that the chosen method would ignore."""
    if method not in _METHODS:
        raise InputError(
            'The method of the group mask is unknown.',
            found=repr(method),
            expected=f'one of {", ".join(_METHODS)}',
        )
    if not 0 < min_coverage <= 1:
        raise InputError(
            'The minimum coverage of the group mask is out of range.',
            found=f'min_coverage={min_coverage}',
            expected='a share of the maps, above 0 and at most 1',
            advice='Divide a percentage by 100.',
        )
    if min_coverage != 1 and method != 'coverage':
        raise InputError(
            f'The method {method!r} does not read a minimum coverage.',
            found=f'min_coverage={min_coverage}',
            expected="min_coverage=1 unless method='coverage'",
            advice="Choose method='coverage', or leave min_coverage out.",
        )
    if (mask_file is not None) != (method == 'given'):
        raise InputError(
            "A mask file goes with method='given', and with no other.",
            found=f'method={method!r} and mask_file={mask_file}',
            expected="both method='given' and a mask file, or neither",
        )


def _check_number(method, min_coverage, min_observations):
    """Check the number of maps that is asked for in place of a share."""
    if min_observations is None:
        return
    if method != 'coverage' or min_coverage != 1:
        raise InputError(
            "A number of maps goes with method='coverage', in place of a share.",
            found=f'min_observations={min_observations}, method={method!r}, '
            f'min_coverage={min_coverage}',
            expected="method='coverage', and either min_observations or min_coverage",
        )
    if min_observations < 1:
        raise InputError(
            'The number of maps that a voxel needs is out of range.',
            found=f'min_observations={min_observations}',
            expected='at least 1',
        )


def _survey(in_files, companions, method, mask_file, zero_is_missing):
    """Read every map once, with what belongs to it, and count what it observes."""
    names, companion_names, n_observed = [], {name: [] for name in companions}, []
    coverage = missing_sum = candidate = affine = None
    beside = {name: _iter_beside(in_files, name, files) for name, files in companions.items()}
    for index, (name, volume) in enumerate(iter_volumes(in_files)):
        if coverage is None:
            affine = volume.affine
            candidate = _fixed_mask(method, mask_file, volume, name)
            coverage = np.zeros(volume.data.shape, dtype=np.int32)
            missing_sum = np.zeros(volume.data.shape, dtype=np.int64)
        observed = observed_values(volume.data, zero_is_missing=zero_is_missing)
        for kind, volumes in beside.items():
            companion_name, companion = next(volumes)
            check_same_grid(volume, companion, names=(name, companion_name))
            observed &= observed_values(companion.data, zero_is_missing=zero_is_missing)
            companion_names[kind].append(companion_name)
        coverage += observed
        # Where a single map is missing, the sum of the missing positions is its position: who
        # loses a voxel alone is known without keeping all maps.
        missing_sum[~observed] += index
        names.append(name)
        n_observed.append(
            np.count_nonzero(observed if candidate is None else observed & candidate)
        )
    if candidate is None:
        candidate = coverage > 0
    sole_loser = missing_sum[candidate & (coverage == len(names) - 1)]
    return _Survey(
        names, companion_names, np.array(n_observed), coverage, sole_loser, candidate, affine
    )


def _iter_beside(in_files, kind, files):
    """Read what belongs to the maps one by one; refuse another number of it than of maps."""
    n_maps, n_files = count_volumes(in_files), count_volumes(files)
    if n_maps != n_files:
        raise InputError(
            f'There is not one map of {_in_words(kind)} for every map.',
            found=f'{n_files} maps of {_in_words(kind)}, {n_maps} maps',
            expected='one for each, in the same order',
        )
    return iter_volumes(files)


def _in_words(kind):
    return 'variances' if kind == 'variance' else kind


def _fixed_mask(method, mask_file, volume, name):
    """Make the mask that does not depend on the maps' values, on their grid; None if it does."""
    if method == 'given':
        given = load_mask(mask_file)
        check_same_grid(volume, given, names=(name, mask_file))
        return given.data
    if method == 'template':
        return _template_mask(volume, name)
    return None


def _template_mask(volume, name):
    """Bring nilearn's MNI152 brain mask to the grid of a volume."""
    # nilearn.datasets pulls in its download machinery, which nothing else here needs.
    from nilearn.datasets import load_mni152_brain_mask
    from nilearn.image import resample_img
    from nilearn.image.resampling import BoundingBoxError

    try:
        resampled = resample_img(
            load_mni152_brain_mask(),
            target_affine=volume.affine,
            target_shape=volume.data.shape,
            interpolation='nearest',
            force_resample=True,
            copy_header=True,
        )
        mask = np.asarray(resampled.dataobj) > 0
    except BoundingBoxError:  # not even the box around the template is met
        mask = np.zeros(volume.data.shape, dtype=bool)
    if not mask.any():
        raise MaskError(
            f'The MNI152 brain mask lies outside the grid of {name}.',
            expected='maps in MNI space',
            advice="Normalise the maps, or use method='intersection' or a mask of your own.",
        )
    return mask


def _refuse_empty_maps(survey, method):
    """Name the maps that hold nothing."""
    empty = [name for name, n in zip(survey.names, survey.n_observed, strict=True) if n == 0]
    if not empty:
        return
    inside = '' if method in ('intersection', 'coverage') else ' inside the mask'
    beside = ' and '.join(map(_in_words, survey.companion_names))
    raise MissingDataError(
        f'{len(empty)} of {len(survey.names)} maps hold no value{inside}: {_listed(empty)}.',
        found='only NaN or zeros' + (f' in the maps or in their {beside}' if beside else ''),
        expected='observed values in every map',
        advice='Run the first level of these subjects again, or leave them out of the list and '
        'of the design.',
    )


def _nothing_shared(survey, needed):
    """Explain an empty group mask, with the maps that cover least."""
    order = np.argsort(survey.n_observed, kind='stable')
    n_maps = len(survey.names)
    return MaskError(
        'The group mask is empty.',
        found=f'no voxel is observed in {needed} of {n_maps} maps; the best is in '
        f'{survey.coverage.max()}. The maps with the least coverage come first: '
        f'{_listed([survey.names[position] for position in order])}',
        expected=f'voxels that at least {needed} maps share',
        advice='Check that all maps are in one space; leave out maps that cover little, or use '
        "method='coverage' with a lower min_coverage.",
    )


def _losses(survey):
    """Tabulate what each map observes and loses."""
    n_candidates = np.count_nonzero(survey.candidate)
    n_lost = n_candidates - survey.n_observed
    companions = {f'{kind}_file': names for kind, names in survey.companion_names.items()}
    return pd.DataFrame(
        {
            'file': survey.names,
            'n_observed': survey.n_observed,
            'n_lost': n_lost,
            'percent_lost': 100 * n_lost / n_candidates,
            'n_sole_loss': np.bincount(survey.sole_loser, minlength=len(survey.names)),
            **companions,
        }
    )


def _listed(names):
    """List names, the first few of many.

    >>> _listed(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    'a, b, c, d, e and 2 more'
    """
    more = f' and {len(names) - _N_NAMED} more' if len(names) > _N_NAMED else ''
    return ', '.join(names[:_N_NAMED]) + more
