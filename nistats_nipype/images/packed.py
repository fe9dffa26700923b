"""Packed maps, read piece by piece."""

import os
import weakref
from itertools import pairwise

import numpy as np

from ..exceptions import InputError

#: Numbers between two points up to which both are read at once: a page of a file.
_GAP = 1024


class PackedMaps:
    """The rows of a packed file: an array that is never in memory as a whole.

    Pieces are read as they are asked for. A memory-mapped file would do, but what has been read
    of it counts as memory of the process until the kernel needs the room, and schedulers
    end jobs by that count.

    Parameters
    ----------
    path : path-like
        A ``.npy`` file of shape (N, V) in C order.

    Raises
    ------
    InputError
        If the file cannot be read, or does not hold floating-point numbers of that shape.

    Attributes
    ----------
    shape : tuple of int
        (N, V).
    dtype : dtype

    Notes
    -----
    It has what the statistics ask of an array of observations: ``shape``, ``len``, rows one by
    one, ``values[:, points]`` and ``values[np.ix_(rows, points)]`` with points in ascending
    order. ``np.asarray`` reads it whole. Threads may share it.
    """

    ndim = 2

    def __init__(self, path):
        self.path = os.path.abspath(path)
        try:
            # For the header, and the check that the file is complete.
            mapped = np.lib.format.open_memmap(self.path, mode='r')
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f'{path} could not be read as packed maps.',
                found=str(error),
                expected='a complete .npy file',
                advice='Pack the maps again.',
            ) from error
        if mapped.ndim != 2 or mapped.dtype.kind != 'f' or 0 in mapped.shape:
            raise self._refuse(f'{mapped.dtype} of shape {mapped.shape}')
        if not mapped.flags.c_contiguous:
            raise self._refuse('an array in Fortran order')
        self.shape, self.dtype, self._offset = mapped.shape, mapped.dtype, mapped.offset
        self._file = os.open(self.path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def _refuse(self, found):
        return InputError(
            f'{self.path} does not hold packed maps.',
            found=found,
            expected='floating-point numbers of shape (maps, voxels) in C order',
            advice='Pack the maps again.',
        )

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        for index in range(len(self)):
            yield self[index]

    def __getitem__(self, key):
        if not isinstance(key, tuple):
            row = np.empty(self.shape[1], dtype=self.dtype)
            self._read(row, range(len(self))[key], 0)
            return row
        rows, points = (
            np.arange(size)[each] if isinstance(each, slice) else np.ravel(each)
            for size, each in zip(self.shape, key, strict=True)
        )
        out = np.empty((len(rows), len(points)), dtype=self.dtype)
        for columns in _runs(points):
            self._read_run(out[:, columns], rows, points[columns])
        return out

    def __array__(self, dtype=None, copy=None):
        """Read all of it."""
        if copy is False:
            raise ValueError('Packed maps are not in memory: they cannot be had without a copy.')
        return np.asarray(self[:, :], dtype=dtype)

    def _read_run(self, out, rows, points):
        """Read points that lie close to each other."""
        if not points.size:
            return
        first, size = points[0], points[-1] + 1 - points[0]
        whole = np.empty(size, dtype=self.dtype)
        places = points - first
        for index, row in zip(rows, out, strict=True):
            # A row of ``out`` is read into directly if nothing is to be left out.
            direct = size == len(points)
            self._read(row if direct else whole, index, first)
            if not direct:
                np.take(whole, places, out=row)

    def _read(self, out, row, first):
        """Fill ``out`` with the numbers of a row from ``first`` on."""
        offset = self._offset + (int(row) * self.shape[1] + int(first)) * self.dtype.itemsize
        try:
            n_read = os.preadv(self._file, [out.view(np.uint8)], offset)
        except OSError as error:
            raise self._lost(str(error)) from error
        if n_read != out.nbytes:
            raise self._lost(f'{n_read} bytes where {out.nbytes} were there before')

    def _lost(self, found):
        return InputError(
            f'{self.path} can no longer be read.',
            found=found,
            expected='a file that stays as it is until the analysis has ended',
            advice='Look at the file system; if the file is damaged, pack the maps again.',
        )


def _runs(points):
    """Cut ascending points into runs without long gaps: slices of ``points``."""
    cuts = np.flatnonzero(np.diff(points) > _GAP) + 1
    ends = [0, *cuts.tolist(), len(points)]
    return [slice(start, stop) for start, stop in pairwise(ends)]
