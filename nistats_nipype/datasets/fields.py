"""Grids, regions and smooth noise, of which simulated maps are made."""

import operator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..exceptions import InputError
from ..images.volumes import load_volume

#: Centres of the regions that are bumps (MNI, mm): the right middle frontal gyrus, and the
#: calcarine sulcus.
_FRONTAL = (38.0, 36.0, 26.0)
_OCCIPITAL = (2.0, -84.0, 4.0)
_BUMP_RADIUS_MM = 20.0

#: Effects below this z of the published map are not planted.
_TEMPLATE_Z = 3.0
_TEMPLATE_FWHM_MM = 5.0
_SMALLEST_REGION_MM3 = 500.0

_FWHM_PER_SD = np.sqrt(8 * np.log(2))


class Grid(NamedTuple):
    """A brain mask on a grid.

    Attributes
    ----------
    mask : ndarray of bool, three axes
    affine : ndarray of shape (4, 4), float64
    resolution_mm : int
    """

    mask: np.ndarray
    affine: np.ndarray
    resolution_mm: int


def check_parameters(parameters, ranges):
    """Give parameters as plain int and float, if they are in range.

    Parameters
    ----------
    parameters : dict
    ranges : dict
        Smallest and largest value of each; int where it is to be whole.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If one is out of its range.

    Examples
    --------
    >>> check_parameters({'n_subjects': 3.0}, {'n_subjects': (2, 9999)})
    {'n_subjects': 3}
    """
    checked = {}
    for name, (low, high) in ranges.items():
        whole = isinstance(low, int)
        try:
            value = parameters[name]
            if whole and float(value).is_integer():
                value = operator.index(int(value) if isinstance(value, float) else value)
            elif not whole:
                value = float(value)
            valid = np.isfinite(value) and low <= value <= high and isinstance(value, type(low))
        except (TypeError, ValueError, OverflowError):
            valid = False
        if not valid:
            raise InputError(
                f'{name} is out of its range.',
                found=f'{name}={parameters[name]!r}',
                expected=f'{"a whole number" if whole else "a number"} from {low} to {high}',
            )
        checked[name] = value
    return checked


def load_grid(resolution_mm):
    """Load the brain of nilearn's MNI152 template."""
    from nilearn.datasets import load_mni152_brain_mask

    image = load_mni152_brain_mask(resolution=resolution_mm)
    return Grid(np.asarray(image.dataobj) > 0, image.affine, resolution_mm)


def plant_regions(grid):
    """Make the regions that effects are planted in, as maps whose largest absolute value is 1.

    Returns
    -------
    dict of {str: ndarray}
        ``motor``, the left minus the right hand, from the map that nilearn ships;
        ``frontal``, the right middle frontal gyrus; ``occipital``, the calcarine sulcus. Exactly
        0 outside; none overlaps another.
    """
    from nilearn.datasets import load_sample_motor_activation_image

    z_map = load_volume(load_sample_motor_activation_image())
    template = _taper(z_map.data, voxel_mm=abs(z_map.affine[0, 0]))
    to_template = np.linalg.inv(z_map.affine) @ grid.affine
    motor = ndimage.affine_transform(template, to_template, output_shape=grid.mask.shape, order=1)
    motor[np.abs(motor) < 1e-6] = 0.0  # rounding in the interpolation spills beyond the regions
    free = grid.mask & (motor == 0)
    motor = np.where(grid.mask, motor, 0.0)
    return {
        'motor': motor * (1.0 / np.abs(motor).max()),
        'frontal': np.where(free, _bump(grid, _FRONTAL), 0.0),
        'occipital': np.where(free, _bump(grid, _OCCIPITAL), 0.0),
    }


def _taper(z_map, voxel_mm):
    """Shrink a z map towards 0 by the threshold, and drop what is small.

    The soft threshold leaves effects that fade out continuously and are exactly 0
    outside the regions.
    """
    smooth = ndimage.gaussian_filter(
        z_map.astype(np.float64), _TEMPLATE_FWHM_MM / _FWHM_PER_SD / voxel_mm
    )
    tapered = np.sign(smooth) * np.maximum(np.abs(smooth) - _TEMPLATE_Z, 0.0)
    keep = np.zeros(z_map.shape, dtype=bool)
    for sign in (1, -1):
        labels, _ = ndimage.label(sign * tapered > 0)
        large = np.bincount(labels.ravel()) * voxel_mm**3 >= _SMALLEST_REGION_MM3
        large[0] = False
        keep |= large[labels]
    return np.where(keep, tapered, 0.0)


def _bump(grid, centre_mm):
    """Draw a bump of height 1 that is exactly 0 outside its radius."""
    squared = (distance(grid, centre_mm) / _BUMP_RADIUS_MM) ** 2
    return np.maximum(1 - squared, 0.0) ** 2


def distance(grid, centre_mm):
    """Distance of every voxel from a point (mm)."""
    centre = np.linalg.solve(grid.affine, [*centre_mm, 1.0])[:3]
    axes = np.ogrid[tuple(slice(size) for size in grid.mask.shape)]
    squares = [(axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)]
    return np.sqrt(sum(squares)) * grid.resolution_mm


def noise(rng, grid, fwhm_mm):
    """Draw Gaussian noise with a variance of 1 in every voxel.

    The grid wraps around, which makes the noise stationary up to its edges. What meets
    across them is air: the brain fills no axis of the grid.
    """
    sigma = fwhm_mm / _FWHM_PER_SD / grid.resolution_mm
    white = rng.standard_normal(grid.mask.shape, dtype=np.float32)
    if sigma == 0:
        return white
    # The variance of a weighted sum of white noise is the sum of the squared
    # weights, and the weights of the three axes multiply.
    scale = 1.0
    for size in grid.mask.shape:
        impulse = np.zeros(size)
        impulse[0] = 1.0
        scale *= np.sum(ndimage.gaussian_filter1d(impulse, sigma, mode='wrap') ** 2)
    return ndimage.gaussian_filter(white, sigma, mode='wrap') / np.sqrt(scale)
