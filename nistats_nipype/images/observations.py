"""Maps as rows of a matrix: the observations of a group analysis."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..exceptions import InputError, MaskError, MissingDataError
from .files import atomic_path
from .masking import load_mask
from .packed import PackedMaps
from .volumes import (
    Volume,
    check_same_grid,
    count_volumes,
    iter_volumes,
    list_paths,
    observed_values,
    save_volume,
)

#: Where each packed number is read from and written to, on any machine.
_PACKED_DTYPE = np.dtype('<f4')


@dataclass(frozen=True, eq=False)
class VolumeSpace:
    """The voxels of a mask as the points of a row, and back.

    Points are the voxels of the mask in C order, as ``data[mask]`` takes them.

    Parameters
    ----------
    mask : (X, Y, Z) ndarray of bool
        The voxels.
    affine : (4, 4) ndarray of float64
        From voxel indices to mm.

    Examples
    --------
    >>> mask = np.array([[[True, False], [True, True]]])
    >>> space = VolumeSpace(mask, np.eye(4))
    >>> space.n_points
    3
    >>> space.volume([1.0, 2.0, 3.0], fill=-1.0)
    array([[[ 1., -1.],
            [ 2.,  3.]]])
    """

    mask: np.ndarray
    affine: np.ndarray

    @cached_property
    def n_points(self):
        """Number of voxels in the mask, V."""
        return int(np.count_nonzero(self.mask))

    def volume(self, row, fill=0.0):
        """Put a row back onto the grid.

        Parameters
        ----------
        row : (V,) or (K, V) array-like
            One value per voxel of the mask; several rows give several volumes.
        fill : float, default=0.0
            The value outside the mask.

        Returns
        -------
        (X, Y, Z) or (X, Y, Z, K) ndarray
            The map, of the dtype of ``row`` unless that cannot hold ``fill``. One row of a
            matrix gives three axes.

        Raises
        ------
        InputError
            If ``row`` does not have one value per voxel of the mask.
        """
        row = np.asarray(row)
        if row.ndim == 2 and len(row) > 1:
            return np.stack([self.volume(one, fill) for one in row], axis=-1)
        row = row[0] if row.ndim == 2 else row
        if row.shape != (self.n_points,):
            raise InputError(
                'The row does not fit the mask.',
                found=f'an array of shape {row.shape}',
                expected=f'{self.n_points} values, one per voxel of the mask',
            )
        data = np.full(self.mask.shape, fill, dtype=np.result_type(row.dtype, fill))
        data[self.mask] = row
        return data

    def save(self, row, path, *, fill=0.0, dtype=np.float32):
        """Write a row as a map; see :func:`~nistats_nipype.images.volumes.save_volume`.

        Parameters
        ----------
        row : (V,) or (K, V) array-like
            One value per voxel of the mask; several rows give a 4D file.
        path : path-like
            Ends in ``.nii`` or ``.nii.gz``.
        fill : float, default=0.0
            The value outside the mask.
        dtype : dtype, default=float32
            The data type on disk.

        Returns
        -------
        str
            The absolute path.

        Raises
        ------
        InputError
            If ``row`` does not have one value per voxel, or ``dtype`` cannot hold its values.
        OutputError
            If the file system refuses the write.
        """
        return save_volume(self.volume(row, fill), self.affine, path, dtype=dtype)


class Observations(NamedTuple):
    """Maps as rows.

    Attributes
    ----------
    values : (N, V) ndarray of float32, or PackedMaps, which reads them as they are asked for
        One row per map, one column per voxel of the mask; NaN where a value is missing.
    space : VolumeSpace
        Where the columns are.
    names : list of str
        The map of each row, for messages and reports.
    """

    values: np.ndarray
    space: VolumeSpace
    names: list


def load_space(mask_file):
    """Read a mask as the space that rows come from and go back to.

    Parameters
    ----------
    mask_file : path-like
        A 3D image; values above 0 are inside.

    Returns
    -------
    VolumeSpace
        The voxels of the mask.

    Raises
    ------
    InputError
        If the file cannot be read.
    MaskError
        If no voxel is inside.
    """
    return VolumeSpace(*load_mask(mask_file))


def pack(in_files, mask_file, out_file, *, zero_is_missing=True, center=False):
    """Write maps as the rows of one ``.npy`` file, to be read piece by piece.

    One map is in memory at a time.

    Parameters
    ----------
    in_files : path-like, or list of path-like
        3D files, one per map, or a single 4D file.
    mask_file : path-like
        Mask on the grid of the maps.
    out_file : path-like
        Ends in ``.npy``.
    zero_is_missing : bool, default=True
        Whether a value of exactly 0 is a missing one. Missing values are NaN in the file.
    center : bool, default=False
        Whether to subtract from each map the mean of the maps, voxel by voxel. All are read twice
        then.

    Returns
    -------
    str
        The absolute path: float32 of shape (N, V), C order.

    Raises
    ------
    InputError
        If a file cannot be used or is listed twice.
    GridError
        If the maps and the mask do not share one grid.
    MaskError
        If the mask is empty.
    MissingDataError
        If a map holds no observed value in the mask.
    OutputError
        If the file system refuses the write.
    """
    if not str(out_file).endswith('.npy'):
        raise InputError(f'{out_file} is no name for packed maps.', expected='a name in .npy')
    space = load_space(mask_file)
    header = {
        'descr': np.lib.format.dtype_to_descr(_PACKED_DTYPE),
        'fortran_order': False,
        'shape': (count_volumes(in_files), space.n_points),
    }
    mean = _mean(in_files, space, mask_file, zero_is_missing) if center else None
    # Written as a stream: on a full disk a memory-mapped file kills the process (SIGBUS) where
    # a write raises.
    with atomic_path(out_file) as partial, partial.open('wb') as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for _, row in _rows(in_files, space, mask_file, zero_is_missing):
            row = row if mean is None else row - mean
            stream.write(row.astype(_PACKED_DTYPE, copy=False).tobytes())
    return os.path.abspath(out_file)


def _mean(in_files, space, mask_file, zero_is_missing):
    """Mean of the maps that are observed at each point: (V,), NaN where there is none."""
    total, number = np.zeros(space.n_points), np.zeros(space.n_points)
    for _, row in _rows(in_files, space, mask_file, zero_is_missing):
        observed = ~np.isnan(row)
        total[observed] += row[observed]
        number += observed
    return np.divide(total, number, out=np.full(space.n_points, np.nan), where=number > 0)


def average_rows(values, rows, out_file):
    """Average maps that make one observation, and pack the averages.

    Parameters
    ----------
    values : ndarray or PackedMaps of shape (M, V)
        Maps, NaN where missing; they are read one by one.
    rows : array-like of shape (M,), int
        Observation that each map goes into, from 0 without gaps.
    out_file : path-like
        A name in ``.npy``.

    Returns
    -------
    str
        The absolute path: float32 of shape (N, V). An average is missing where one of its maps is.

    Raises
    ------
    InputError
        If there is not one number for each map, or a number is left out.
    OutputError
        If the file system refuses the write.
    """
    rows = np.asarray(rows)
    present = np.unique(rows)
    if rows.shape != (len(values),) or not np.array_equal(present, np.arange(len(present))):
        raise InputError(
            'The maps cannot be averaged by these numbers.',
            found=f'{rows.size} numbers for {len(values)} maps; {len(present)} different ones, '
            f'from {present.min()} to {present.max()}',
            expected='for each map the observation that it goes into, from 0 without gaps',
        )
    header = {
        'descr': np.lib.format.dtype_to_descr(_PACKED_DTYPE),
        'fortran_order': False,
        'shape': (len(present), values.shape[1]),
    }
    # One average is in memory at a time, and written as by ``pack``.
    with atomic_path(out_file) as partial, partial.open('wb') as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for row in present:
            members = np.flatnonzero(rows == row)
            total = np.zeros(values.shape[1])
            for index in members:
                total += values[index]
            stream.write((total / len(members)).astype(_PACKED_DTYPE).tobytes())
    return os.path.abspath(out_file)


def load_observations(in_files, mask_file, *, zero_is_missing=True):
    """Read maps in whatever form they come.

    Parameters
    ----------
    in_files : path-like, or list of path-like
        3D files, one per map; or a single 4D file; or a single ``.npy`` written by :func:`pack`.
    mask_file : path-like
        Mask on the grid of the maps; for packed maps the mask that they were packed with.
    zero_is_missing : bool, default=True
        Whether a value of exactly 0 is a missing one. Packed maps were read by this rule when
        they were packed: there it has no effect.

    Returns
    -------
    Observations
        The values, where they are, and the maps' names. Missing values are NaN: what becomes of
        them is decided by the analysis.

    Raises
    ------
    InputError
        If a file cannot be used or is listed twice.
    GridError
        If the maps and the mask do not share one grid.
    MaskError
        If the mask is empty, or packed maps were packed with another one.
    MissingDataError
        If a map holds no observed value in the mask.
    """
    paths = list_paths(in_files)
    space = load_space(mask_file)
    packed = [path for path in paths if path.endswith('.npy')]
    if packed and len(paths) > 1:
        raise InputError(
            f'{packed[0]} is given together with other files.',
            found=f'{len(paths)} files, of which {len(packed)} end in .npy',
            expected='one packed file that holds all maps, or image files only',
            advice='Pack all maps into one file.',
        )
    if packed:
        values = _open_packed(packed[0], mask_file, space)
        return Observations(values, space, [f'row {row}' for row in range(len(values))])
    names = []
    values = np.empty((count_volumes(paths), space.n_points), dtype=np.float32)
    for index, (name, row) in enumerate(_rows(paths, space, mask_file, zero_is_missing)):
        names.append(name)
        values[index] = row
    return Observations(values, space, names)


def _rows(in_files, space, mask_file, zero_is_missing):
    """Yield the name and the masked values of each map, NaN where missing."""
    for index, (name, volume) in enumerate(iter_volumes(in_files)):
        if index == 0:  # the others are on the grid of the first
            mask = Volume(space.mask, space.affine)
            check_same_grid(volume, mask, names=(name, mask_file))
        row = volume.data[space.mask]
        observed = observed_values(row, zero_is_missing=zero_is_missing)
        if not observed.any():
            raise MissingDataError(
                f'{name} holds no value inside the mask {mask_file}.',
                found='only NaN or zeros' if zero_is_missing else 'only NaN',
                expected='observed values in every map',
                advice='Run the first level of this subject again, or leave it out of the list '
                'and of the design.',
            )
        row[~observed] = np.nan
        yield name, row


def _open_packed(path, mask_file, space):
    """Open packed maps and check that they belong to the mask."""
    values = PackedMaps(path)
    if values.shape[1] != space.n_points:
        raise MaskError(
            f'{path} was not packed with the mask {mask_file}.',
            found=f'{values.shape[1]} voxels in the packed maps, {space.n_points} in the mask',
            expected='as many',
            advice='Give the mask that the maps were packed with, or pack them again.',
        )
    return values
