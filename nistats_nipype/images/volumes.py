"""Read and write volumes, and check that they share one grid."""

import gzip
import itertools
import os
import re
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from ..exceptions import GridError, InputError
from .files import atomic_path
from .nifti import cast_values, count_maps, format_shape, open_image, read_map

#: Largest distance, in mm, at which two voxel centres count as the same place. Affines that went
#: through float32 or through a quaternion differ by less; a real shift is larger.
GRID_TOLERANCE_MM = 1e-3


class Volume(NamedTuple):
    """A map on a voxel grid.

    Attributes
    ----------
    data : (X, Y, Z) ndarray
        One value per voxel.
    affine : (4, 4) ndarray of float64
        From voxel indices to mm.
    """

    data: np.ndarray
    affine: np.ndarray


def load_volume(path, *, dtype=np.float32):
    """Read one map from a NIfTI file or an Analyze pair.

    Parameters
    ----------
    path : path-like
        ``.nii``, ``.nii.gz``, or either file of an ``.img``/``.hdr`` pair.
    dtype : floating dtype, default=float32
        The data type to convert to.

    Returns
    -------
    Volume
        Data of shape (X, Y, Z) in C order, without trailing axes of length 1, and the affine.

    Raises
    ------
    InputError
        If the file is missing, unreadable or truncated, holds more than one volume, holds a
        surface, complex or RGB data, has no usable affine, or holds values that are infinite
        or too large for ``dtype``.

    Notes
    -----
    NaN is kept. An Analyze file that carries no orientation is read as SPM does, with the
    first voxel axis running from right to left.
    """
    image = open_image(path)
    n_volumes = count_maps(path, image)
    if n_volumes != 1:
        raise InputError(
            f'{path} is a 4D file where a 3D file is meant.',
            found=f'{n_volumes} volumes',
            expected='one volume in each file of a list',
            advice='Split it into one file per map (fslsplit, nilearn.image.iter_img), or give it '
            'alone, as one 4D file that holds all maps.',
        )
    return Volume(*read_map(image, 0, str(path), dtype))


def iter_volumes(in_files, *, dtype=np.float32):
    """Read maps one after the other, and check that all lie on one grid.

    Parameters
    ----------
    in_files : path-like, or list of path-like
        3D files, one per map, or a single 4D file.
    dtype : floating dtype, default=float32
        The data type to convert to.

    Yields
    ------
    name : str
        The path as given; for volume 3 of a 4D file ``'<path>[3]'``, counted from 0.
    volume : Volume
        The map.

    Raises
    ------
    InputError
        If there are no files, a file is listed twice, or a file cannot be used (see
        :func:`load_volume`).
    GridError
        If a map lies on another grid than the first one.
    """
    paths = list_paths(in_files)
    first = None
    for name, volume in _volumes(paths, dtype):
        if first is None:
            first = name, volume
        else:
            check_same_grid(first[1], volume, names=(first[0], name))
        yield name, volume


def count_volumes(in_files):
    """Count the maps that :func:`iter_volumes` would yield, from the headers alone.

    Parameters
    ----------
    in_files : path-like, or list of path-like
        3D files, one per map, or a single 4D file.

    Returns
    -------
    int
        The number of maps, N.

    Raises
    ------
    InputError
        If there are no files, a file is listed twice, or a single file is not a readable image.
    """
    paths = list_paths(in_files)
    return len(paths) if len(paths) > 1 else count_maps(paths[0], open_image(paths[0]))


def list_paths(in_files):
    """Turn one path or several into a list, and refuse repeated ones.

    Parameters
    ----------
    in_files : path-like, or list of path-like
        The files.

    Returns
    -------
    list of str
        The paths as given.

    Raises
    ------
    InputError
        If there are none, or one file is listed twice, under whatever name.

    Examples
    --------
    >>> list_paths('all_subjects.nii.gz')
    ['all_subjects.nii.gz']
    """
    if isinstance(in_files, str | os.PathLike):
        in_files = [in_files]
    paths = [os.fspath(path) for path in in_files]
    if not paths:
        raise InputError('No maps were given.', expected='at least one file')
    positions = {}
    for position, path in enumerate(paths):
        # The two files of a pair are one map.
        map_file = re.sub(r'\.hdr(\.gz)?$', r'.img\1', os.path.realpath(path))
        earlier = positions.setdefault(map_file, position)
        if earlier != position:
            raise InputError(
                f'{path} is listed twice.',
                found=f'entries {earlier + 1} and {position + 1} of {len(paths)} are the same '
                f'map ({map_file})',
                expected='each map once',
                advice='Remove the repeated entry; a map that counts twice inflates the group '
                "statistic. Of a pair give one file, for instance by '*.img'.",
            )
    return paths


def save_volume(data, affine, path, *, dtype=np.float32):
    """Write a map as NIfTI-1, whole or not at all.

    Parameters
    ----------
    data : (X, Y, Z) or (X, Y, Z, K) array-like
        One value per voxel, or K volumes.
    affine : (4, 4) array-like
        From voxel indices to mm. Written as sform and as qform.
    path : path-like
        Ends in ``.nii`` or ``.nii.gz``.
    dtype : dtype, default=float32
        The data type on disk. ``uint8`` for a mask.

    Returns
    -------
    str
        The absolute path.

    Raises
    ------
    InputError
        If the data have not three or four axes, the extension is another one, or ``dtype`` cannot
        hold the values.
    OutputError
        If the file system refuses the write.

    Notes
    -----
    The same data give the same bytes: the gzip header holds neither a time nor a file name.
    """
    data = np.asarray(data)
    _check_target(data, path)
    values, n_lost = cast_values(data, dtype)
    if n_lost:
        raise InputError(
            f'The values of {path} do not fit into {values.dtype}.',
            found=f'{n_lost} of {data.size} voxels would change',
            expected=f'values that {values.dtype} can hold',
            advice='Write the map as float32 or float64.',
        )
    affine = np.asarray(affine, dtype=np.float64)
    image = nib.Nifti1Image(values, affine, dtype=values.dtype)
    image.set_sform(affine, code='aligned')
    image.set_qform(affine, code='aligned')
    image.header.set_xyzt_units('mm')
    content = image.to_bytes()
    with atomic_path(path) as partial, partial.open('wb') as stream:
        if partial.suffix == '.gz':
            # Level 1, as nibabel: float maps hardly compress further, at four times the cost.
            with gzip.GzipFile('', 'wb', 1, stream, mtime=0) as archive:
                archive.write(content)
        else:
            stream.write(content)
    return os.path.abspath(path)


def check_same_grid(reference, other, *, names):
    """Check that two volumes have one shape and put each voxel at one place.

    Parameters
    ----------
    reference, other : Volume
        The volumes. Their affines may differ by at most 0.001 mm at the grid's corners. The
        error advises to resample ``other``, without interpolation if its data are bool.
    names : (str, str)
        What to call them in the error.

    Raises
    ------
    GridError
        If the shapes or the affines differ.

    Examples
    --------
    >>> data = np.zeros((3, 3, 3))
    >>> moved = np.eye(4)
    >>> moved[0, 3] = 2.0
    >>> check_same_grid(Volume(data, np.eye(4)), Volume(data, moved), names=('a.nii', 'b.nii'))
    Traceback (most recent call last):
        ...
    nistats_nipype.exceptions.GridError: a.nii and b.nii do not lie on the same grid.
      found:    both 3 x 3 x 3, with voxels up to 2 mm apart
      expected: the same shape, and affines within 0.001 mm
      to do:    Resample b.nii to the grid of a.nii (nilearn.image.resample_to_img).
    """
    shapes = reference.data.shape, other.data.shape
    if shapes[0] != shapes[1]:
        found = f'{format_shape(shapes[0])} and {format_shape(shapes[1])} voxels'
    else:
        corners = np.array(list(itertools.product(*((0, n - 1) for n in shapes[0]))))
        places = [nib.affines.apply_affine(each.affine, corners) for each in (reference, other)]
        apart = np.linalg.norm(places[0] - places[1], axis=1).max()
        if apart <= GRID_TOLERANCE_MM:
            return
        found = f'both {format_shape(shapes[0])}, with voxels up to {apart:.4g} mm apart'
    # A mask that is interpolated is no mask any more.
    how = ", interpolation='nearest'" if other.data.dtype == bool else ''
    raise GridError(
        f'{names[0]} and {names[1]} do not lie on the same grid.',
        found=found,
        expected=f'the same shape, and affines within {GRID_TOLERANCE_MM:g} mm',
        advice=f'Resample {names[1]} to the grid of {names[0]} '
        f'(nilearn.image.resample_to_img{how}).',
    )


def observed_values(data, *, zero_is_missing):
    """Tell where a map was observed.

    Parameters
    ----------
    data : ndarray of float
        Values, of any shape.
    zero_is_missing : bool
        Whether a value of exactly 0 marks a missing one, as where a first-level map was written
        with zeros outside the field of view.

    Returns
    -------
    ndarray of bool
        False at NaN, at infinite values and, if ``zero_is_missing``, at 0.

    Examples
    --------
    >>> observed_values(np.array([1.5, 0.0, np.nan]), zero_is_missing=True)
    array([ True, False, False])
    """
    observed = np.isfinite(data)
    if zero_is_missing:
        observed &= data != 0
    return observed


def _volumes(paths, dtype):
    """Yield names and volumes: of the one 4D file, or of each 3D file."""
    if len(paths) > 1:
        for path in paths:
            yield path, load_volume(path, dtype=dtype)
        return
    (path,) = paths
    image = open_image(path)
    n_volumes = count_maps(path, image)
    for index in range(n_volumes):
        name = f'{path}[{index}]' if n_volumes > 1 else path
        yield name, Volume(*read_map(image, index, name, dtype))


def _check_target(data, path):
    """Check what is to be written, and where."""
    if data.ndim not in (3, 4):
        raise InputError(
            f'{path} cannot be written as a map.',
            found=f'an array of shape {data.shape}',
            expected='three axes, or four for several volumes',
        )
    if not Path(path).name.endswith(('.nii', '.nii.gz')):
        raise InputError(
            f'{path} has no extension of a NIfTI file.',
            expected='.nii or .nii.gz',
            advice='Choose another file name.',
        )
