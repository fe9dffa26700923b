"""Permutation that stops at each point when its p value is decided."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..exceptions import ScheduleError
from .engines import POINTS, lowest_tie
from .glm import split_points
from .permutation import turn
from .relabelling import prepare
from .sequential import NONE, Exceedances

#: Relabellings at a time, first; then twice as many each time. No influence on the result.
_FIRST = 256


def permute_until(
    values,
    design,
    contrast,
    schedule,
    *,
    n_stop=2,
    start=0,
    stop=None,
    sidedness='two-sided',
    missing='error',
    labels=None,
    num_threads=1,
):
    """Relabel until a number of relabellings has reached the observed value, at each point.

    Most points of a map without an effect are decided after some dozens of relabellings, and take
    no part in the others: a schedule of 10,000 takes about as long as one of some hundreds does
    without stopping. The maximum over points is not known then, and familywise p cannot be had.

    Parameters
    ----------
    values, design, contrast, schedule
        As for :func:`nistats_nipype.stats.permutation.permute`.
    n_stop : int, default 2
        Relabellings, the observed one not counted, that decide a point. PALM: 2.
    start, stop, sidedness, missing, labels, num_threads
        As for :func:`nistats_nipype.stats.permutation.permute`.

    Returns
    -------
    exceedances : nistats_nipype.stats.sequential.Exceedances
        For :func:`nistats_nipype.stats.sequential.merge_exceedances` and
        :func:`nistats_nipype.stats.sequential.negative_binomial`. It does not depend on how the
        schedule is cut. Points that are not tested have no exceedances.
    stat : ndarray of shape (V,), float64
        Observed t or F; NaN where nothing was tested.

    Raises
    ------
    ScheduleError
        If the schedule is exhaustive, as its order is not random, if it has variance groups, if
        a relabelling leaves no statistic at a point, or ``n_stop`` is below 1; else as for
        :func:`nistats_nipype.stats.permutation.permute`.
    InputError, DesignError, ContrastError, MissingDataError
        See :func:`nistats_nipype.stats.permutation.permute`.
    """
    _check(schedule, n_stop, missing)
    task = prepare(
        values, design, contrast, schedule, start, stop, sidedness, missing, labels, None
    )
    rows = np.full((n_stop, values.shape[1]), NONE)
    observed = np.full(values.shape[1], np.nan)
    low, size, open_ = max(task.start, 1), _FIRST, task.tested
    with ThreadPoolExecutor(num_threads) as pool:
        observed[task.tested] = np.concatenate(list(pool.map(task.engine.observe, task.blocks)))
        limits = lowest_tie(turn(observed, task.side), task.engine.scale)
        while low < task.stop and open_.size:
            batch = np.arange(low, min(low + size, task.stop, low + task.engine.batch))
            relabellings = task.engine.load(batch)
            blocks = split_points(open_, len(values), POINTS)
            jobs = [
                pool.submit(
                    task.engine.exceedances,
                    relabellings,
                    block,
                    task.side,
                    limits[block],
                    low,
                    n_stop,
                )
                for block in blocks
            ]
            for block, job in zip(blocks, jobs, strict=True):
                found = job.result()
                both = np.concatenate([rows[:, block], np.where(found < 0, NONE, found)])
                rows[:, block] = np.sort(both, axis=0)[:n_stop]
            open_ = open_[rows[-1, open_] == NONE]
            low, size = batch[-1] + 1, 2 * size
    return Exceedances(task.start, task.stop, rows), task.stat


def _check(schedule, n_stop, missing):
    if schedule.exhaustive:
        raise ScheduleError(
            'All relabellings are in the schedule: the test cannot stop before its end.',
            found=f'an exhaustive schedule of {schedule.n_relabellings} relabellings',
            expected='relabellings in a random order',
            advice='Use them all, which is exact and takes as long.',
        )
    if schedule.groups is not None:
        raise ScheduleError(
            'v and G cannot be tested with early stopping.',
            found='a schedule with variance groups',
            advice='Leave out the variance groups, or use all relabellings.',
        )
    if missing == 'per_voxel':
        raise ScheduleError(
            'Points with different observations cannot be tested with early stopping.',
            found="missing='per_voxel'",
            advice="Choose missing='drop_voxel', or use all relabellings.",
        )
    if n_stop < 1:
        raise ScheduleError(
            'Too few exceedances to stop after.',
            found=f'n_stop = {n_stop}',
            expected='at least 1; PALM has 2, larger numbers give more precise p',
        )
