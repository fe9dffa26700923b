"""Uncorrected p below what relabellings can count: a tail fitted at each point."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..exceptions import InputError
from .approximation import FEW, SMALLEST
from .permutation import turn
from .relabelling import prepare
from .tails import SOURCES, gamma_fit, gpd_tail

#: p from which on counts are kept.
BELOW = 0.1
#: Numbers of null distributions held at a time, and relabellings; no influence on the result.
_NUMBERS, _ROWS = 2**22, 512


class PointwiseTails(NamedTuple):
    """Uncorrected p of V points, and how they were made.

    Attributes
    ----------
    p : ndarray of shape (V,), float64
    source : ndarray of shape (V,), int8
        Index into :data:`nistats_nipype.stats.tails.SOURCES`.
    fit_p : ndarray of shape (V,), float64
        p of the test of fit, see :class:`nistats_nipype.stats.tails.TailFit`; NaN where nothing
        was fitted.
    """

    p: np.ndarray
    source: np.ndarray
    fit_p: np.ndarray


def fit_points(
    values,
    design,
    contrast,
    schedule,
    result,
    *,
    tail,
    sidedness='two-sided',
    missing='error',
    labels=None,
    num_threads=1,
):
    """Fit a distribution to the null of each point whose p by counting is below 0.1.

    Their statistics are computed once more, for these points alone and for all relabellings:
    what is fitted does not depend on how the schedule was cut.

    Parameters
    ----------
    values, design, contrast, schedule, sidedness, missing, labels, num_threads
        As given to :func:`nistats_nipype.stats.permutation.permute`.
    result : nistats_nipype.stats.permutation.PermutationResult
        All relabellings of the schedule.
    tail : {'gpd', 'gamma'}
        A generalised Pareto distribution for the upper tail, see
        :func:`nistats_nipype.stats.tails.gpd_tail`, or a gamma distribution for all of the null,
        see :func:`nistats_nipype.stats.tails.gamma_fit`.

    Returns
    -------
    PointwiseTails
        Points with relabellings that were left out keep their counts, and so do all if the
        schedule is exhaustive.

    Raises
    ------
    InputError
        If the variance was smoothed, the model is not least squares, or there are too few
        relabellings.
    ScheduleError, DesignError, ContrastError, MissingDataError
        See :func:`nistats_nipype.stats.permutation.permute`.
    """
    if result.scale in ('stat', 'model'):
        raise InputError(
            'Tails of uncorrected p are fitted to t and F of least squares, v and G alone.',
            found='a smoothed variance' if result.scale == 'stat' else 'another model',
            advice='Leave out the tail at each point; p are those by counting.',
        )
    task = prepare(values, design, contrast, schedule, 0, None, sidedness, missing, labels, None)
    found = PointwiseTails(
        p=result.p_uncorrected.copy(),
        source=np.zeros(len(result.stat), dtype=np.int8),
        fit_p=np.full(len(result.stat), np.nan),
    )
    if schedule.exhaustive:
        return found
    points = np.flatnonzero((found.p < BELOW) & (result.left_out == 0))
    size = max(1, _NUMBERS // task.stop)
    blocks = [points[at : at + size] for at in range(0, points.size, size)]
    fit_block = _gpd if tail == 'gpd' else _gamma
    with ThreadPoolExecutor(num_threads) as pool:
        for block in blocks:
            pieces = np.array_split(block, num_threads)
            null = _null_of(task, pieces, pool)
            fit = fit_block(null, schedule.n_possible)
            use = fit.source > 0
            found.p[block] = np.where(use, np.maximum(fit.p, SMALLEST), found.p[block])
            limit = use & (fit.p < SMALLEST)
            found.source[block] = np.where(limit, SOURCES.index('limit'), fit.source)
            found.fit_p[block] = np.where(use, fit.fit_p, np.nan)
    return found


def _null_of(task, pieces, pool):
    """Statistics of all relabellings at some points, the observed first; large ones extreme."""
    engine = task.engine
    rows = np.arange(1, task.stop)
    drawn = [engine.maps(rows[at : at + _ROWS], pieces, pool) for at in range(0, len(rows), _ROWS)]
    observed = engine.observed_map(pieces, pool)
    return turn(np.concatenate([observed[None], *drawn]), task.side)


def _gpd(null, n_possible):
    few = len(null) < FEW
    return gpd_tail(null, null[0], n_possible=n_possible, threshold_p=BELOW, fit_observed=few)


def _gamma(null, n_possible):
    return gamma_fit(null, null[0], n_possible=n_possible)
