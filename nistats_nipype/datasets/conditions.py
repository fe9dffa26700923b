"""A synthetic group of subjects with a map of each of several conditions."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..exceptions import InputError
from ..images.files import save_table
from ..images.volumes import save_volume
from .fields import check_parameters, load_grid, noise, plant_regions

__all__ = ['SimulatedConditions', 'simulate_conditions']

_RANGES = {
    'n_subjects': (2, 9999),
    'resolution_mm': (1, 8),
    'seed': (0, 2**64 - 1),
    'subject_sd': (0.0, np.inf),
    'within_sd': (0.0, np.inf),
    'noise_fwhm_mm': (0.0, 100.0),
}
#: Effects (% signal change) of a condition in a region.
_EFFECT_RANGE = (-np.inf, np.inf)


class SimulatedConditions(NamedTuple):
    """Files of simulated conditions; all paths are absolute.

    Attributes
    ----------
    effect_files : list of str
        One 3D map (% signal change) per subject and condition, subject by subject.
    maps_file : str
        Table with the columns ``participant_id``, ``condition`` and ``effect_file``, a row for
        each map; paths are relative to its folder.
    truth_files : dict of {str: str}
        The planted effect of each condition (% signal change); exactly 0 where there is none.
    mask_file : str
        The brain: 1 inside, 0 outside.
    """

    effect_files: list
    maps_file: str
    truth_files: dict
    mask_file: str


def simulate_conditions(
    out_dir,
    effects,
    *,
    n_subjects=16,
    resolution_mm=3,
    seed=0,
    subject_sd=0.5,
    within_sd=0.2,
    noise_fwhm_mm=8.0,
):
    r"""Write maps of subjects who were measured in each of several conditions.

    The map of subject i in condition c is

    .. math:: \mu_c + s_i + w_{ic}

    with :math:`\mu_c` the planted effect of the condition, :math:`s_i` what all maps of the
    subject have in common, and :math:`w_{ic}` noise of its own. The maps of a subject thus
    correlate by the same amount, whichever conditions they are of (compound symmetry).

    Parameters
    ----------
    out_dir : path-like
        Folder for the files; it is made if it does not exist.
    effects : dict of {str: dict of {str: float}}
        For each condition, which has letters and digits for a name, the largest absolute effect
        (% signal change) in these regions; none in those that are left out: ``motor`` (left minus
        right hand, from the map that nilearn ships), ``frontal`` (the right middle frontal gyrus),
        ``occipital`` (the calcarine sulcus). They do not overlap.
    n_subjects : int, default=16
        Number of subjects, at least 2.
    resolution_mm : int, default=3
        Edge of a voxel, 1 to 8 mm, on nilearn's MNI152 grid.
    seed : int, default=0
        Seed, at least 0. Subject i depends on the seed, on i and on the conditions only.
    subject_sd, within_sd : float, defaults 0.5 and 0.2
        Standard deviations of :math:`s_i` and of :math:`w_{ic}` (% signal change).
    noise_fwhm_mm : float, default=8.0
        Smoothness of both (FWHM, mm).

    Returns
    -------
    SimulatedConditions
        The files written.

    Raises
    ------
    InputError
        If a parameter is out of its range, or conditions or regions cannot be used.
    """
    effects = _check_effects(effects)
    parameters = check_parameters(
        {
            'n_subjects': n_subjects,
            'resolution_mm': resolution_mm,
            'seed': seed,
            'subject_sd': subject_sd,
            'within_sd': within_sd,
            'noise_fwhm_mm': noise_fwhm_mm,
        },
        _RANGES,
    )
    grid = load_grid(parameters['resolution_mm'])
    regions = plant_regions(grid)
    unknown = sorted({name for each in effects.values() for name in each} - set(regions))
    if unknown:
        raise InputError(
            'Effects cannot be planted there.',
            found=', '.join(map(repr, unknown)),
            expected=f'regions {", ".join(regions)}',
        )
    truth = {
        condition: sum(
            (height * regions[name] for name, height in each.items()), np.zeros(grid.mask.shape)
        )
        for condition, each in effects.items()
    }
    out_dir = Path(out_dir).absolute()
    out_dir.mkdir(parents=True, exist_ok=True)
    rows, effect_files = [], []
    for index in range(parameters['n_subjects']):
        subject = f'sub-{index + 1:02d}'
        (out_dir / subject).mkdir(exist_ok=True)
        for condition, values in _draw_subject(index, grid, truth, parameters):
            path = f'{subject}/{subject}_contrast-{condition}_stat-effect_statmap.nii.gz'
            effect_files.append(save_volume(values, grid.affine, out_dir / path))
            rows.append([subject, condition, path])
    columns = ['participant_id', 'condition', 'effect_file']
    truth_files = {
        condition: save_volume(
            values,
            grid.affine,
            out_dir / f'contrast-{condition}_stat-effect_desc-truth_statmap.nii.gz',
        )
        for condition, values in truth.items()
    }
    return SimulatedConditions(
        effect_files,
        save_table(pd.DataFrame(rows, columns=columns), out_dir / 'maps.tsv'),
        truth_files,
        save_volume(grid.mask, grid.affine, out_dir / 'mask.nii.gz', dtype=np.uint8),
    )


def _check_effects(effects):
    """Give the effects as plain float, if the conditions can be used."""
    wrong = [name for name in effects if not re.fullmatch('[A-Za-z0-9]+', str(name))]
    if wrong or len({name.casefold() for name in effects}) < max(len(effects), 2):
        raise InputError(
            'The conditions cannot be used.',
            found=', '.join(map(repr, effects)) or 'none',
            expected='at least two names of letters and digits, which differ not in case alone',
        )
    return {
        condition: check_parameters(each, dict.fromkeys(each, _EFFECT_RANGE))
        for condition, each in effects.items()
    }


def _draw_subject(index, grid, truth, parameters):
    """Draw the maps of subject ``index`` (from 0), condition by condition."""
    rng = np.random.Generator(
        np.random.Philox(key=np.array([parameters['seed'], index], dtype=np.uint64))
    )
    fwhm = parameters['noise_fwhm_mm']
    common = parameters['subject_sd'] * noise(rng, grid, fwhm)
    for condition, effect in truth.items():
        values = effect + common + parameters['within_sd'] * noise(rng, grid, fwhm)
        yield condition, np.where(grid.mask, values, 0.0)
