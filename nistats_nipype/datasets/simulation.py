"""A synthetic group of subjects whose true effects are known."""

import operator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from ..exceptions import InputError
from ..images.files import save_json, save_table
from ..images.volumes import load_volume, save_volume

__all__ = ['SimulatedGroup', 'simulate_group']

#: Where the two groups differ: the right middle frontal gyrus (MNI, mm).
_GROUP_CENTRE = (38.0, 36.0, 26.0)
#: Where the effect grows with age: the calcarine sulcus (MNI, mm).
_AGE_CENTRE = (2.0, -84.0, 4.0)
_BUMP_RADIUS_MM = 20.0

#: Ages are uniform on this range (years), so that the mean of the population is 45.
_AGE_RANGE = (20.0, 70.0)
#: Height of the two, in units of ``effect_size``: patient - control, and per year of age.
_GROUP_HEIGHT = 0.6
_AGE_HEIGHT = 0.02

#: Spatial scale on which the within-subject variance varies (mm FWHM).
_VARIANCE_FWHM_MM = 40.0
#: Standard deviations of the log variance: over space, and between subjects.
_VARIANCE_LOG_SD = (0.25, 0.25)

#: Effects below this z of the published map are not planted.
_TEMPLATE_Z = 3.0
_TEMPLATE_FWHM_MM = 5.0
_SMALLEST_REGION_MM3 = 500.0

_FWHM_PER_SD = np.sqrt(8 * np.log(2))


class SimulatedGroup(NamedTuple):
    """Files of a simulated group; all paths are absolute.

    Attributes
    ----------
    effect_files, variance_files, tmap_files : list of str
        One 3D map per subject: the effect (% signal change), its within-subject
        variance, and effect / sqrt(variance). NaN where the subject was not covered,
        0 outside the brain.
    participants_file : str
        Table with the columns ``participant_id``, ``group``, ``age`` (years),
        ``effect_file``, ``variance_file`` and ``tmap_file``; paths are relative to its folder.
    truth_file : str
        The mean effect (% signal change); exactly 0 where there is none.
    truth_group_file : str
        The difference patient - control (% signal change).
    truth_age_file : str
        The effect of age (% signal change per year).
    mask_file : str
        The brain: 1 inside, 0 outside.
    """

    effect_files: list
    variance_files: list
    tmap_files: list
    participants_file: str
    truth_file: str
    truth_group_file: str
    truth_age_file: str
    mask_file: str


class _Grid(NamedTuple):
    mask: np.ndarray
    affine: np.ndarray
    resolution_mm: int


class _Truth(NamedTuple):
    mean: np.ndarray
    group: np.ndarray
    age: np.ndarray


class _Subject(NamedTuple):
    group: str
    age: float
    effect: np.ndarray
    variance: np.ndarray


def simulate_group(
    out_dir,
    *,
    n_subjects=16,
    resolution_mm=3,
    seed=0,
    effect_size=1.0,
    amplitude_sd=0.25,
    between_sd=0.2,
    within_sd=0.2,
    noise_fwhm_mm=8.0,
    hole_fraction=0.5,
):
    r"""Write the maps of a group of subjects around a planted motor activation.

    The effect of subject i in a voxel is

    .. math:: (1 + a_i) \mu + g_i \delta + (age_i - 45) \beta + b_i + w_i

    with :math:`\mu` the planted mean effect (left minus right hand, from the map that
    nilearn ships), :math:`a_i` the subject's amplitude, :math:`g_i` = -1/2 in controls and
    +1/2 in patients, :math:`\delta` a difference between groups planted in the right
    middle frontal gyrus, :math:`\beta` an effect of age planted in the calcarine sulcus,
    :math:`b_i` between-subject noise and :math:`w_i` within-subject noise. The variance of
    :math:`w_i` is the content of the variance map; it varies smoothly over space and
    between subjects.

    Parameters
    ----------
    out_dir : path-like
        Folder for the files; it is made if it does not exist.
    n_subjects : int, default=16
        Number of subjects, at least 2. Controls and patients alternate.
    resolution_mm : int, default=3
        Edge of a voxel, 1 to 8 mm, on nilearn's MNI152 grid.
    seed : int, default=0
        Seed, at least 0. Subject i depends on the seed and on i only: a larger group
        begins with the subjects of a smaller one.
    effect_size : float, default=1.0
        Largest absolute mean effect (% signal change); the group and age effects scale
        with it. 0 gives null data.
    amplitude_sd : float, default=0.25
        Standard deviation of the subjects' amplitude, relative to 1.
    between_sd : float, default=0.2
        Standard deviation of the between-subject noise (% signal change).
    within_sd : float, default=0.2
        Typical (median) standard deviation of the within-subject noise (% signal change).
    noise_fwhm_mm : float, default=8.0
        Smoothness of both noises (FWHM, mm).
    hole_fraction : float, default=0.5
        Probability that a subject was not covered completely: the top or the bottom of the
        field of view is cut off, or the signal drops out in the orbitofrontal cortex.

    Returns
    -------
    SimulatedGroup
        The files written.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Notes
    -----
    Uncovered voxels are NaN, and voxels outside the brain are 0, as first-level packages
    write them: neither may be read as an effect of 0.
    """
    parameters = {
        'n_subjects': n_subjects,
        'resolution_mm': resolution_mm,
        'seed': seed,
        'effect_size': effect_size,
        'amplitude_sd': amplitude_sd,
        'between_sd': between_sd,
        'within_sd': within_sd,
        'noise_fwhm_mm': noise_fwhm_mm,
        'hole_fraction': hole_fraction,
    }
    parameters = _check_parameters(parameters)
    out_dir = Path(out_dir).absolute()
    out_dir.mkdir(parents=True, exist_ok=True)
    grid = _load_grid(parameters['resolution_mm'])
    truth = _plant_truth(grid, parameters['effect_size'])
    rows, files = [], []
    for index in range(parameters['n_subjects']):
        name = f'sub-{index + 1:02d}'
        subject = _draw_subject(index, grid, truth, parameters)
        paths = _save_subject(subject, grid.affine, out_dir, name)
        files.append(paths)
        relative = [Path(path).relative_to(out_dir).as_posix() for path in paths]
        rows.append([name, subject.group, subject.age, *relative])
    columns = ['participant_id', 'group', 'age', 'effect_file', 'variance_file', 'tmap_file']
    _save_description(out_dir, parameters)
    return SimulatedGroup(
        *(list(paths) for paths in zip(*files, strict=True)),
        save_table(pd.DataFrame(rows, columns=columns), out_dir / 'participants.tsv'),
        *(
            save_volume(
                values,
                grid.affine,
                out_dir / f'contrast-{label}_stat-effect_desc-truth_statmap.nii.gz',
            )
            for label, values in zip(('motor', 'group', 'age'), truth, strict=True)
        ),
        save_volume(grid.mask, grid.affine, out_dir / 'mask.nii.gz', dtype=np.uint8),
    )


#: Smallest and largest value of each parameter.
_RANGES = {
    'n_subjects': (2, 9999),
    'resolution_mm': (1, 8),
    'seed': (0, 2**64 - 1),
    'effect_size': (0.0, np.inf),
    'amplitude_sd': (0.0, np.inf),
    'between_sd': (0.0, np.inf),
    'within_sd': (1e-6, np.inf),
    'noise_fwhm_mm': (0.0, 100.0),
    'hole_fraction': (0.0, 1.0),
}


def _check_parameters(parameters):
    """Give the parameters as plain int and float, if they are in range."""
    checked = {}
    for name, (low, high) in _RANGES.items():
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


def _load_grid(resolution_mm):
    from nilearn.datasets import load_mni152_brain_mask

    image = load_mni152_brain_mask(resolution=resolution_mm)
    return _Grid(np.asarray(image.dataobj) > 0, image.affine, resolution_mm)


def _plant_truth(grid, effect_size):
    """Make the maps of the mean effect, the group difference and the age slope."""
    from nilearn.datasets import load_sample_motor_activation_image

    z_map = load_volume(load_sample_motor_activation_image())
    template = _taper(z_map.data, voxel_mm=abs(z_map.affine[0, 0]))
    to_template = np.linalg.inv(z_map.affine) @ grid.affine
    mean = ndimage.affine_transform(template, to_template, output_shape=grid.mask.shape, order=1)
    mean[np.abs(mean) < 1e-6] = 0.0  # rounding in the interpolation spills beyond the regions
    bumps = [_bump(grid, centre) for centre in (_GROUP_CENTRE, _AGE_CENTRE)]
    # Where the mean effect is planted there is neither of the others, so that
    # each contrast has regions of its own.
    group, age = (np.where(grid.mask & (mean == 0), bump, 0.0) for bump in bumps)
    mean = np.where(grid.mask, mean, 0.0)
    return _Truth(
        mean * (effect_size / np.abs(mean).max()),
        group * effect_size * _GROUP_HEIGHT,
        age * effect_size * _AGE_HEIGHT,
    )


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
    squared = (_distance(grid, centre_mm) / _BUMP_RADIUS_MM) ** 2
    return np.maximum(1 - squared, 0.0) ** 2


def _distance(grid, centre_mm):
    """Distance of every voxel from a point (mm)."""
    centre = np.linalg.solve(grid.affine, [*centre_mm, 1.0])[:3]
    axes = np.ogrid[tuple(slice(size) for size in grid.mask.shape)]
    squares = [(axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)]
    return np.sqrt(sum(squares)) * grid.resolution_mm


def _draw_subject(index, grid, truth, parameters):
    """Draw subject ``index`` (from 0), of which nothing but the seed and the index decides."""
    rng = np.random.Generator(
        np.random.Philox(key=np.array([parameters['seed'], index], dtype=np.uint64))
    )
    group = ('control', 'patient')[index % 2]
    age = round(float(rng.uniform(*_AGE_RANGE)), 1)
    amplitude = 1 + parameters['amplitude_sd'] * rng.standard_normal()
    over_space, between_subjects = _VARIANCE_LOG_SD
    log_variance = between_subjects * rng.standard_normal()
    log_variance = log_variance + over_space * _noise(rng, grid, _VARIANCE_FWHM_MM)
    variance = parameters['within_sd'] ** 2 * np.exp(log_variance)
    between = parameters['between_sd'] * _noise(rng, grid, parameters['noise_fwhm_mm'])
    within = np.sqrt(variance) * _noise(rng, grid, parameters['noise_fwhm_mm'])
    effect = (
        amplitude * truth.mean
        + (index % 2 - 0.5) * truth.group
        + (age - np.mean(_AGE_RANGE)) * truth.age
        + between
        + within
    )
    hole = _draw_hole(rng, grid, parameters['hole_fraction'])
    effect, variance = (
        np.where(hole, np.nan, np.where(grid.mask, values, 0.0)) for values in (effect, variance)
    )
    return _Subject(group, age, effect, variance)


def _noise(rng, grid, fwhm_mm):
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


def _draw_hole(rng, grid, probability):
    """Draw the part of the brain that a subject's images do not cover."""
    incomplete, kind, extent = rng.random(), rng.integers(3), rng.random()
    if incomplete >= probability:
        return np.zeros(grid.mask.shape, dtype=bool)
    z = grid.affine[2, 3] + grid.resolution_mm * np.arange(grid.mask.shape[2])
    z = np.broadcast_to(z, grid.mask.shape)
    if kind == 0:
        outside = z > 76 - 10 * extent
    elif kind == 1:
        outside = z < -50 + 14 * extent
    else:
        outside = _distance(grid, (4.0, 34.0, -24.0)) < 14 + 10 * extent
    return grid.mask & outside


def _save_subject(subject, affine, out_dir, name):
    """Write the effect, variance and t map of one subject; give their paths."""
    folder = out_dir / name
    folder.mkdir(exist_ok=True)
    variance = subject.variance
    t_map = subject.effect / np.sqrt(np.where(variance == 0, 1.0, variance))
    maps = {'effect': subject.effect, 'variance': variance, 't': t_map}
    return [
        save_volume(values, affine, folder / f'{name}_contrast-motor_stat-{stat}_statmap.nii.gz')
        for stat, values in maps.items()
    ]


def _save_description(out_dir, parameters):
    """Record what made the files, in the terms of BIDS."""
    save_json(
        {
            'Name': 'Synthetic group with a planted motor activation',
            'BIDSVersion': '1.10.0',
            'DatasetType': 'derivative',
            'GeneratedBy': [
                {'Name': 'nistats_nipype.datasets.simulate_group', 'Parameters': parameters}
            ],
        },
        out_dir / 'dataset_description.json',
    )
