"""Open, check and convert single NIfTI and Analyze files."""

import math
import os
import zlib

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..exceptions import InputError

_EXTENSIONS = ('.nii', '.nii.gz', '.img', '.img.gz', '.hdr', '.hdr.gz')

#: What nibabel, gzip and zlib raise on a file that is not a whole image.
_READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
)


def open_image(path):
    """Open an image, checking all that its header tells.

    Parameters
    ----------
    path : path-like
        ``.nii``, ``.nii.gz``, or either file of an ``.img``/``.hdr`` pair.

    Returns
    -------
    nibabel image
        Of real numbers, with an affine that can be inverted; the data are not read yet.

    Raises
    ------
    InputError
        If the file is missing, is not an image, holds surface, complex or RGB data, or has no
        usable affine.
    """
    if not os.path.exists(path):
        raise InputError(
            f'{path} does not exist.',
            advice=f'Check the name; relative paths start from {os.getcwd()}.',
        )
    name = str(path).lower()
    if name.endswith(('.gii', '.gii.gz')):
        raise _surface_error(path)
    if not name.endswith(_EXTENSIONS):
        raise _unreadable(path, 'an extension that is not read')
    try:
        # The handle stays open so that the volumes of a 4D .nii.gz are decompressed once, in
        # turn, and not from the start for each. Memory maps would outlive a changed file.
        image = nib.load(path, mmap=False, keep_file_open=True)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if isinstance(image, nib.Cifti2Image):
        raise _surface_error(path)
    dtype = image.get_data_dtype()
    if dtype.kind not in 'iuf':
        raise InputError(
            f'{path} does not hold real numbers.',
            found=f'{"RGB" if dtype.fields else "complex"} data',
            expected='one real number per voxel',
            advice='Give the map that was meant, or its real part or magnitude.',
        )
    if not np.isfinite(image.affine).all() or np.linalg.det(image.affine[:3, :3]) == 0:
        raise InputError(
            f'{path} does not say where its voxels are.',
            found=f'the affine {image.affine.tolist()}',
            expected='an affine that can be inverted',
            advice='Repair the sform and qform of its header (fslorient, nibabel).',
        )
    return image


def count_maps(path, image):
    """Count the volumes of an image, of whose axes beyond the third only one may be long.

    Parameters
    ----------
    path : path-like
        What to call the image in the error.
    image : nibabel image
        As from :func:`open_image`.

    Returns
    -------
    int
        The number of volumes.

    Raises
    ------
    InputError
        If the image is neither 3D nor a series of 3D volumes.
    """
    shape = image.shape
    if len(shape) < 3 or 0 in shape or sum(n > 1 for n in shape[3:]) > 1:
        raise InputError(
            f'{path} is neither one volume nor a series of volumes.',
            found=f'an image of {format_shape(shape)}',
            expected='three axes, or four where the file holds several maps',
            advice='Write one 3D file per map.',
        )
    return math.prod(shape[3:])


def read_map(image, index, name, dtype):
    """Read one volume of an open image.

    Parameters
    ----------
    image : nibabel image
        As from :func:`open_image`.
    index : int
        Which volume, from 0.
    name : str
        What to call the volume in the error.
    dtype : floating dtype
        The data type to convert to.

    Returns
    -------
    data : (X, Y, Z) ndarray of ``dtype``
        The values, in C order.
    affine : (4, 4) ndarray of float64
        From voxel indices to mm.

    Raises
    ------
    InputError
        If the file is truncated, or holds values that are infinite or too large for ``dtype``.
    """
    where = (slice(None),) * 3 + np.unravel_index(index, image.shape[3:])
    try:
        raw = np.asarray(image.dataobj[where])
    except _READ_ERRORS as error:
        raise _unreadable(name, error) from error
    n_infinite = np.count_nonzero(np.isinf(raw))
    data, n_lost = cast_values(raw, dtype)
    if n_infinite or n_lost:
        kind = 'infinite' if n_infinite else f'too large for {data.dtype}'
        raise InputError(
            f'{name} holds values that are {kind}.',
            found=f'{n_infinite or n_lost} of {raw.size} voxels',
            expected='finite values, or NaN where a value is missing',
            advice='Correct the step that wrote the map (a division by zero, a wrong scale), or '
            'write NaN at these voxels.',
        )
    return data, np.array(image.affine, dtype=np.float64)


def cast_values(data, dtype):
    """Convert values, and count those that the new type cannot hold.

    Parameters
    ----------
    data : ndarray
        The values.
    dtype : dtype
        The type to convert to.

    Returns
    -------
    values : ndarray of ``dtype``
        In C order.
    n_lost : int
        How many finite values became infinite (floating types: rounding is no loss), or how many
        values changed (integer types).

    Examples
    --------
    >>> cast_values(np.array([0.0, 1.0, 0.5]), np.uint8)
    (array([0, 1, 0], dtype=uint8), 1)
    """
    with np.errstate(over='ignore', invalid='ignore'):
        values = np.array(data, dtype=dtype, order='C')
    if values.dtype.kind == 'f':
        return values, int(np.isinf(values).sum() - np.isinf(data).sum())
    return values, int((values != data).sum())


def format_shape(shape):
    """Write a shape as people do.

    Parameters
    ----------
    shape : tuple of int
        The lengths of the axes.

    Returns
    -------
    str
        The lengths, joined by crosses.

    Examples
    --------
    >>> format_shape((2, 3, 4))
    '2 x 3 x 4'
    """
    return ' x '.join(map(str, shape))


def _unreadable(path, found):
    """Explain a file that is not a whole image."""
    return InputError(
        f'{path} could not be read as an image.',
        found=str(found),
        expected='a complete NIfTI file (.nii, .nii.gz) or Analyze pair (.img and .hdr)',
        advice='Convert other formats to NIfTI; copy or write a damaged file again.',
    )


def _surface_error(path):
    """Explain that surfaces have to wait."""
    return InputError(
        f'{path} holds surface data.',
        found='a GIFTI or CIFTI file',
        expected='a volume: NIfTI or Analyze; surfaces are not read yet',
        advice='Give the volume maps of the same analysis.',
    )
