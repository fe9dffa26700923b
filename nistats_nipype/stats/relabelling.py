"""What every permutation test does alike: its observed statistic, and relabelled designs."""

from typing import NamedTuple

import numpy as np

from ..exceptions import InputError, ScheduleError
from . import glm
from .design import Partition, check_design, partition
from .distributions import SIDES

#: Points of one piece of work; no influence on the result.
POINTS = 4096


class Task(NamedTuple):
    """A range of relabellings of a test, checked and ready.

    Attributes
    ----------
    split : Partition
        The design, partitioned for the contrast.
    side : int
        What is compared: 0 for both sides (and F), 1 for the upper, -1 for the lower.
    start, stop : int
        Rows of the schedule, ``stop`` not included.
    stat : ndarray of shape (V,), float64
        Observed t or F, the same numbers as :func:`nistats_nipype.stats.glm.contrast` gives.
    tested : ndarray of int
        Points that have a statistic.
    """

    split: Partition
    side: int
    start: int
    stop: int
    stat: np.ndarray
    tested: np.ndarray

    @property
    def blocks(self):
        """The tested points, cut into pieces of work."""
        return [self.tested[at : at + POINTS] for at in range(0, self.tested.size, POINTS)]


def prepare(values, design, contrast, schedule, start, stop, sidedness, missing, labels):
    """Check a test and compute its observed statistic.

    Parameters, errors: see :func:`nistats_nipype.stats.permutation.permute`.

    Returns
    -------
    Task
    """
    design = check_design(design)
    stop = schedule.n_relabellings if stop is None else stop
    _check_request(schedule, design, start, stop, missing)
    split = partition(design, contrast)
    model = glm.fit(values, design, missing=missing, labels=labels)
    stat = glm.contrast(model, design, contrast).stat
    tested = np.flatnonzero(np.isfinite(stat))
    if not tested.size:
        raise InputError(
            'No point has a statistic.',
            found=f'{stat.size} points, all incomplete or without variance',
            advice='Look at the maps: they may be empty or copies of one another.',
        )
    return Task(split, tested_side(split, sidedness), start, stop, stat, tested)


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


def _check_request(schedule, design, start, stop, missing):
    """Refuse what cannot be permuted."""
    schedule.check_design(design)
    if not 0 <= start <= stop <= schedule.n_relabellings:
        raise ScheduleError(
            'The schedule has no such rows.',
            found=f'{start} to {stop - 1}',
            expected=f'rows among 0 to {schedule.n_relabellings - 1}',
        )
    if missing == 'per_voxel':
        raise InputError(
            'Points with missing values cannot be permuted.',
            found="missing='per_voxel'",
            expected='the same observations at every point, as a relabelling moves all of them',
            advice="Choose missing='drop_voxel', or a mask of the points that all maps cover.",
        )


def tested_side(split, sidedness):
    """Code of the tested side for the kernels; F is tested on its upper side."""
    if sidedness not in SIDES:
        raise ScheduleError('Unknown side.', found=repr(sidedness), expected=', '.join(SIDES))
    if _is_f(split):
        # r of F is not negative, except where a contrast of rank 1 leaves it a sign that
        # means nothing: two-sided is right for both.
        return 0
    return {'two-sided': 0, 'positive': 1, 'negative': -1}[sidedness]


def _is_f(split):
    """Whether the contrast has several rows, be they redundant."""
    return np.isnan(split.scale)


def basis_of(split):
    """Basis of interest and nuisance, one vector per row: (P, N)."""
    return np.ascontiguousarray(np.hstack([split.interest, split.nuisance]).T)


def relabelled_basis(split, schedule, rows):
    """Do to the basis of the design what relabelling does to the data.

    Relabelled data are ``s_i * e[order_i]``; their product with a basis vector q is the
    product of e with q moved back, ``w[order_i] = s_i * q_i``.

    Parameters
    ----------
    split : Partition
    schedule : Schedule
    rows : ndarray of int, shape (B,)
        Rows of the schedule.

    Returns
    -------
    ndarray of shape (B, P, N), float64
        The first columns of P are those of the effect of interest.
    """
    weights = np.repeat(basis_of(split)[None], len(rows), axis=0)
    if schedule.signs is not None:
        weights *= schedule.signs[rows][:, None, :]
    if schedule.orders is None:
        return weights
    moved = np.empty_like(weights)
    orders = np.broadcast_to(schedule.orders[rows][:, None, :], weights.shape)
    np.put_along_axis(moved, orders, weights, axis=2)
    return moved


def unit_residuals(values, split, points):
    """Residuals of the nuisance model at some points, of unit length: (N, len(points))."""
    data = np.asarray(values[:, points], dtype=np.float64)
    for basis in split.nuisance.T:
        data -= basis[:, None] * glm.accumulate(basis[None, :], data)
    return data / np.sqrt(glm.accumulate(np.ones((1, len(data))), data**2))


def to_stat(r, split):
    """The t (side included) or F that belongs to a partial correlation."""
    n_observations, n_interest = split.interest.shape
    dof = n_observations - n_interest - split.nuisance.shape[1]
    with np.errstate(divide='ignore'):
        if not _is_f(split):
            return r * np.sqrt(dof / np.maximum(1.0 - r**2, 0.0))
        return r**2 / np.maximum(1.0 - r**2, 0.0) * dof / n_interest
