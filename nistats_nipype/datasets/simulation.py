"""A synthetic group of subjects whose true effects are known."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..images.files import save_json, save_table
from ..images.volumes import save_volume
from .fields import check_parameters, distance, load_grid, noise, plant_regions

__all__ = ['SimulatedGroup', 'simulate_group']

#: Ages are uniform on this range (years), so that the mean of the population is 45.
_AGE_RANGE = (20.0, 70.0)
#: Heights of patient - control, and of a year of age, in units of ``effect_size``.
_GROUP_HEIGHT = 0.6
_AGE_HEIGHT = 0.02

#: Spatial scale on which the within-subject variance varies (mm FWHM).
_VARIANCE_FWHM_MM = 40.0
#: Standard deviations of the log variance: over space, and between subjects.
_VARIANCE_LOG_SD = (0.25, 0.25)


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
    parameters = check_parameters(parameters, _RANGES)
    out_dir = Path(out_dir).absolute()
    out_dir.mkdir(parents=True, exist_ok=True)
    grid = load_grid(parameters['resolution_mm'])
    regions, effect_size = plant_regions(grid), parameters['effect_size']
    truth = _Truth(
        regions['motor'] * effect_size,
        regions['frontal'] * effect_size * _GROUP_HEIGHT,
        regions['occipital'] * effect_size * _AGE_HEIGHT,
    )
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
    log_variance = log_variance + over_space * noise(rng, grid, _VARIANCE_FWHM_MM)
    variance = parameters['within_sd'] ** 2 * np.exp(log_variance)
    between = parameters['between_sd'] * noise(rng, grid, parameters['noise_fwhm_mm'])
    within = np.sqrt(variance) * noise(rng, grid, parameters['noise_fwhm_mm'])
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
        outside = distance(grid, (4.0, 34.0, -24.0)) < 14 + 10 * extent
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
