"""Gaussian smoothing in mm that does not mix missing values into the others."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..exceptions import GridError, InputError
from .volumes import Volume, observed_values

#: FWHM of a Gaussian with a standard deviation of 1.
_FWHM_OF_SIGMA = np.sqrt(8 * np.log(2))


def smooth(volume, fwhm_mm, *, mask=None, zero_is_missing=True):
    """Smooth a map with a Gaussian kernel.

    Parameters
    ----------
    volume : Volume
        The map, (X, Y, Z), with its affine.
    fwhm_mm : float, sequence of 3 floats, or None
        Full width at half maximum in mm, for all axes of the voxel grid or for each. 0 or None
        leaves the values as they are.
    mask : (X, Y, Z) ndarray of bool, optional
        Where the map counts. Default: everywhere.
    zero_is_missing : bool, default=True
        Whether a value of exactly 0 inside the mask is a missing one. Without a mask zeros are
        data: the background could not be told from them.

    Returns
    -------
    (X, Y, Z) ndarray
        A new array, of the dtype of the map if that is floating, else float32. Missing voxels
        are NaN, voxels outside the mask are 0.

    Raises
    ------
    InputError
        If the FWHM is negative, not finite or not one or three numbers, or the map holds infinite
        values.
    GridError
        If the mask has another shape than the map.

    Notes
    -----
    Missing voxels and those outside the mask have weight 0 in a normalised convolution [1]_:
    the smoothed map is divided by the smoothed weights. Where nothing is missing the weights
    smooth to 1 (the grid is continued by reflection), and the result is that of
    :func:`nilearn.image.smooth_img`, which reads NaN, and everything outside the brain, as 0 and
    so pulls the values beside them towards 0.

    References
    ----------
    .. [1] Knutsson, H. & Westin, C.-F. (1993). Normalized and differential convolution. CVPR,
       515-523. https://doi.org/10.1109/CVPR.1993.341081

    Examples
    --------
    A constant map stays constant beside a missing value:

    >>> from nistats_nipype.images.volumes import Volume
    >>> data = np.ones((1, 1, 4))
    >>> data[0, 0, 2] = np.nan
    >>> smooth(Volume(data, np.eye(4)), 2.0)
    array([[[ 1.,  1., nan,  1.]]])
    """
    data = np.asarray(volume.data)
    fwhm = _check_fwhm(fwhm_mm)
    if np.isinf(data).any():
        raise InputError(
            'The map to smooth holds infinite values.',
            found=f'{np.count_nonzero(np.isinf(data))} of {data.size} voxels',
            expected='finite values, or NaN where a value is missing',
        )
    if mask is not None and np.shape(mask) != data.shape:
        raise GridError(
            'The mask and the map to smooth do not share one grid.',
            found=f'shapes {np.shape(mask)} and {data.shape}',
            expected='the same shape',
        )
    inside = np.ones(data.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    observed = inside & observed_values(data, zero_is_missing=zero_is_missing and mask is not None)
    voxel_mm = np.linalg.norm(volume.affine[:3, :3], axis=0)
    sigma = fwhm / (_FWHM_OF_SIGMA * voxel_mm)
    smoothed = _gaussian(np.where(observed, data, 0), sigma)
    if not observed.all():
        # At an observed voxel the weight is at least that of the kernel's centre: never 0.
        np.divide(smoothed, _gaussian(observed, sigma), out=smoothed, where=observed)
        smoothed[~observed] = np.nan
        smoothed[~inside] = 0
    return smoothed.astype(data.dtype if data.dtype.kind == 'f' else np.float32)


def smooth_row(row, space, fwhm_mm):
    """Smooth one value per voxel of a mask.

    Parameters
    ----------
    row : (V,) ndarray of float64
        NaN is missing; zeros are values.
    space : nistats_nipype.images.observations.VolumeSpace
        Where the voxels are.
    fwhm_mm : float
        As for :func:`smooth`.

    Returns
    -------
    (V,) ndarray of float64
    """
    volume = Volume(space.volume(row), space.affine)
    return smooth(volume, fwhm_mm, mask=space.mask, zero_is_missing=False)[space.mask]


def _gaussian(data, sigma):
    """Filter in float64 along each axis, sigma in voxels."""
    result = data.astype(np.float64)
    for axis, width in enumerate(sigma):
        if width > 0:
            gaussian_filter1d(result, width, axis=axis, output=result)
    return result


def _check_fwhm(fwhm_mm):
    """Check the FWHM and spread it to three axes.

    >>> _check_fwhm(6)
    array([6., 6., 6.])
    """
    try:
        fwhm = np.asarray(0.0 if fwhm_mm is None else fwhm_mm, dtype=np.float64)
    except (TypeError, ValueError):
        fwhm = np.array(np.nan)
    if fwhm.shape not in ((), (3,)) or not np.isfinite(fwhm).all() or (fwhm < 0).any():
        raise InputError(
            'The smoothing kernel has no usable width.',
            found=f'fwhm_mm={fwhm_mm!r}',
            expected='one number, or one for each of the three axes; in mm, 0 or above',
        )
    return np.broadcast_to(fwhm, 3).copy()
