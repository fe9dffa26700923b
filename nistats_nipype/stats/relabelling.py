"""What every permutation test does alike: checks, its observed statistic, pieces of work."""

from typing import NamedTuple

import numpy as np

from ..exceptions import InputError, ScheduleError
from . import glm, voxelwise
from .design import check_design
from .distributions import SIDES
from .engines import POINTS, Correlations, PseudoStatistics, Scores
from .methods import make_method
from .model_engine import ModelStatistics
from .model_engine import check_test as check_model_test
from .partial import PartialScores, list_parts
from .voxelwise_engine import VoxelwiseCorrelations, check_test
from .welch import make_geometry


class Task(NamedTuple):
    """A range of relabellings of a test, checked and ready.

    Attributes
    ----------
    engine : Correlations, Scores, PartialScores, PseudoStatistics, VoxelwiseCorrelations or \
             ModelStatistics
        What is computed for a relabelling.
    side : int
        What is compared: 0 for both sides (and F), 1 for the upper, -1 for the lower.
    start, stop : int
        Rows of the schedule, ``stop`` not included.
    stat : ndarray of shape (V,), float64
        Observed t or F, or v or G, the same numbers as
        :func:`nistats_nipype.stats.glm.contrast` gives, whatever the engine compares.
    tested : ndarray of int
        Points that have a statistic.
    """

    engine: Correlations | Scores | PartialScores | VoxelwiseCorrelations | ModelStatistics
    side: int
    start: int
    stop: int
    stat: np.ndarray
    tested: np.ndarray

    @property
    def blocks(self):
        """The tested points, cut into pieces of work."""
        n_held = getattr(self.engine, 'n_held', 1)
        return glm.split_points(self.tested, n_held * len(self.engine.values), POINTS)


def prepare(
    values,
    design,
    contrast,
    schedule,
    start,
    stop,
    sidedness,
    missing,
    labels,
    smooth,
    covariates=None,
    model=None,
):
    """Check a test and compute its observed statistic.

    Parameters and errors are those of :func:`nistats_nipype.stats.permutation.permute`;
    ``smooth`` is its ``smooth_variance``.

    Returns
    -------
    Task
    """
    design = check_design(design)
    stop = schedule.n_relabellings if stop is None else stop
    flips = schedule.signs is not None
    schedule.check_design(design, contrast)
    method = make_method(schedule.method, design, contrast, flips=flips)
    _check_request(schedule, start, stop, missing, smooth)
    if model is not None:
        check_model_test(model, method.split, schedule, missing, smooth, covariates)
        stat = model.test(values, design, contrast, missing=missing, labels=labels)
    elif covariates is not None:
        check_test(schedule, design, covariates, smooth)
        fixed = design[:, : -len(covariates)]
        fitted = voxelwise.fit(values, fixed, covariates, missing=missing, labels=labels)
        stat = voxelwise.contrast(fitted, fixed, contrast).stat
    else:
        fitted = glm.fit(values, design, missing=missing, labels=labels, groups=schedule.groups)
        stat = glm.contrast(fitted, design, contrast).stat
    tested = np.flatnonzero(np.isfinite(stat))
    if not tested.size:
        raise InputError(
            'No point has a statistic.',
            found=f'{stat.size} points, all incomplete or without variance',
            advice='Look at the maps: they may be empty or copies of one another.',
        )
    signed = not is_f(method.split)
    if model is not None:
        engine = ModelStatistics(values, model, method, schedule, signed)
    elif covariates is not None:
        engine = VoxelwiseCorrelations(values, covariates, fixed, contrast, method.split, schedule)
    elif schedule.groups is not None and missing != 'per_voxel':
        geometry = make_geometry(method.split, schedule.groups)
        engine = Scores(values, method, schedule, signed, geometry)
    elif missing == 'per_voxel':
        parts = list_parts(values, fitted, tested, design, contrast, schedule)
        engine = PartialScores(values, schedule, parts, contrast, signed)
    elif smooth is not None:
        engine = PseudoStatistics(values, method, schedule, signed, _on(tested, stat.size, smooth))
    else:
        engine = Correlations(values, method, schedule, signed)
    side = tested_side(method.split, sidedness, engine.scale)
    return Task(engine, side, start, stop, stat, tested)


def _on(tested, n_points, smooth):
    """Smooth maps of the tested points alone, by a function for maps of all points."""

    def smooth_tested(row):
        whole = np.full(n_points, np.nan)
        whole[tested] = row
        return smooth(whole)[tested]

    return smooth_tested


def chunk_bounds(n_relabellings, chunk, n_chunks):
    """Rows of a schedule that belong to a chunk.

    Examples
    --------
    >>> [chunk_bounds(10, chunk, 3) for chunk in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    if not 0 <= chunk < n_chunks:
        raise ScheduleError(
            'There is no such chunk.', found=f'chunk {chunk} of {n_chunks}', expected='0 to n - 1'
        )
    return chunk * n_relabellings // n_chunks, (chunk + 1) * n_relabellings // n_chunks


def _check_request(schedule, start, stop, missing, smooth):
    """Refuse what cannot be permuted."""
    if not 0 <= start <= stop <= schedule.n_relabellings:
        raise ScheduleError(
            'The schedule has no such rows.',
            found=f'{start} to {stop - 1}',
            expected=f'rows among 0 to {schedule.n_relabellings - 1}',
        )
    if missing == 'per_voxel' and smooth is not None:
        raise InputError(
            'The variance is not smoothed over points with different observations.',
            found="missing='per_voxel'",
            expected='the same observations at every point',
            advice="Choose missing='drop_voxel', or leave the variance as it is.",
        )
    if schedule.groups is not None and smooth is not None:
        raise InputError(
            'The variance cannot both be smoothed and be that of groups.',
            advice='Leave out the variance groups, or the smoothing of the variance.',
        )


def tested_side(split, sidedness, scale):
    """Code of the tested side for the kernels; F is tested on its upper side."""
    if sidedness not in SIDES:
        raise ScheduleError('Unknown side.', found=repr(sidedness), expected=', '.join(SIDES))
    if is_f(split):
        # r of F is not negative, except where a contrast of rank 1 leaves it a sign that means
        # nothing: two-sided is right for both. But a score is negative below the median.
        return 1 if scale == 'z' and split.interest.shape[1] > 1 else 0
    return {'two-sided': 0, 'positive': 1, 'negative': -1}[sidedness]


def is_f(split):
    """Whether the contrast has several rows, be they redundant."""
    return bool(np.isnan(split.scale))
