"""Permutation inference where observations are missing: each point on those that it has.

Points that have the same observations are a test of their own, with the rows of the design that
belong to these; what such tests find is compared as normal scores of the parametric p, because
their degrees of freedom differ.
"""

from typing import NamedTuple

import numpy as np

from ..exceptions import ScheduleError
from . import glm
from .design import Partition, partition
from .distributions import f_to_z, t_to_z
from .engines import POINTS, Correlations, lowest_tie, to_stat
from .methods import Method, make_method
from .missing import points_of_patterns
from .schedule import relabelled_rows
from .tree import classify


class Part(NamedTuple):
    """Points that have the same observations.

    Attributes
    ----------
    values : Selection
        These observations at these points.
    rows, points : ndarray of int
        Which they are.
    design : ndarray of shape (n, P)
        Their rows of the design.
    split : Partition
        Of that design.
    method : Method
        Of that design.
    """

    values: 'Selection'
    rows: np.ndarray
    points: np.ndarray
    design: np.ndarray
    split: Partition
    method: Method


class Selection:
    """Some rows and points of an array of observations, read as they are asked for.

    Parameters
    ----------
    values : array of shape (N, V)
        See :func:`nistats_nipype.stats.glm.fit`.
    rows, points : ndarray of int
        In ascending order.
    """

    def __init__(self, values, rows, points):
        self.values, self.rows, self.points = values, rows, points
        self.shape = len(rows), len(points)

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        for row in self.rows:
            yield self.values[np.ix_([row], self.points)][0]

    def __getitem__(self, key):
        _, points = key  # all rows are asked for, always
        return self.values[np.ix_(self.rows, self.points[points])]


def list_parts(values, model, tested, design, contrast, schedule):
    """Cut a test into parts whose points have the same observations.

    Parameters
    ----------
    values : array of shape (N, V)
    model : GLMFit
        Of the values, with ``missing='per_voxel'``.
    tested : ndarray of int
        Points that have a statistic.
    design, contrast : ndarray
    schedule : Schedule

    Returns
    -------
    list of Part

    Raises
    ------
    ScheduleError
        See :func:`check_partial`.
    """
    check_partial(schedule)
    pattern = np.full(len(model.pattern), -1)
    pattern[tested] = model.pattern[tested]
    parts = []
    members = points_of_patterns(pattern, len(model.patterns))
    for kept, points in zip(model.patterns, members, strict=True):
        if points.size:
            rows = np.flatnonzero(kept)
            method = make_method(
                schedule.method, design[rows], contrast, flips=schedule.signs is not None
            )
            part = Part(
                Selection(values, rows, points),
                rows,
                points,
                design[rows],
                partition(design[rows], contrast),
                method,
            )
            parts.append(part)
    return parts


def check_partial(schedule):
    """Refuse relabellings that have no meaning within some of the observations.

    Raises
    ------
    ScheduleError
        If whole blocks are exchanged, if there are variance groups, or with Huh and Jhun's
        method.
    """
    if schedule.method == 'huh-jhun':
        raise ScheduleError(
            'Huh and Jhun cannot permute points that lack observations.',
            expected='the same observations at every point, of which they permute combinations',
            advice="Choose freedman-lane, or missing='drop_voxel'.",
        )
    if schedule.groups is not None:
        raise ScheduleError(
            'Variance groups need the same observations at every point of a permutation test.',
            found="missing='per_voxel'",
            advice="Choose missing='drop_voxel', or leave out the variance groups.",
        )
    if schedule.blocks is None or schedule.orders is None:
        return
    block = np.unique(schedule.blocks, axis=0, return_inverse=True)[1].ravel()
    if not (block[schedule.orders] == block).all():
        raise ScheduleError(
            'Blocks that lack observations at some points cannot be exchanged as wholes.',
            found="missing='per_voxel'",
            expected='blocks within which observations are exchanged, or sign flips',
            advice="Choose missing='drop_voxel', or a mask of the points that all maps cover.",
        )


def restrict(schedule, rows, design, contrast):
    """Relabel some of the observations, as a schedule for all of them does.

    Parameters
    ----------
    schedule : Schedule
    rows : ndarray of int, ascending
        Observations that there are.
    design : ndarray of shape (n, P)
        Their rows of the design.
    contrast : ndarray of shape (Q, P)

    Returns
    -------
    Schedule
        An observation whose successor is absent takes that one's successor, and so on. If all
        permutations of all observations are equally likely, so are those of the rest; an
        observation stays within its block, and what is not affected by absence stays the same,
        so that neighbours with different observations are relabelled alike.

    Examples
    --------
    >>> from nistats_nipype.stats.exchange import draw_schedule
    >>> design = np.column_stack([np.ones(4), [1.0, 2, 3, 5]])
    >>> schedule = draw_schedule(design, [0, 1], n_perm=100)
    >>> schedule.orders[8].tolist()
    [2, 0, 1, 3]
    >>> rows = np.array([0, 1, 3])
    >>> restrict(schedule, rows, design[rows], [0, 1]).orders[8].tolist()
    [1, 0, 2]
    """
    orders, signs = schedule.orders, schedule.signs
    if orders is not None:
        present = np.zeros(orders.shape[1], dtype=bool)
        present[rows] = True
        place = np.cumsum(present) - 1
        found = orders[:, rows]
        while not (there := present[found]).all():
            found = np.where(there, found, np.take_along_axis(orders, found, axis=1))
        orders = place[found].astype(np.int32)
    classes = classify(relabelled_rows(design, contrast, schedule.method), schedule.errors).classes
    return schedule._replace(
        orders=orders,
        signs=None if signs is None else np.ascontiguousarray(signs[:, rows]),
        row_classes=classes,
        blocks=None,
    )


def to_scores(stat, split, signed):
    """Scores that parts are compared by.

    Parameters
    ----------
    stat : ndarray
        t or F.
    split : Partition
        Of the part.
    signed : bool
        Whether it is t.

    Returns
    -------
    ndarray
        z of the upper tail of t, or of F. F of one dimension is compared as its root, t without
        a sign, as it is on two sides.
    """
    n_observations, dof_effect = split.interest.shape
    dof = n_observations - dof_effect - split.nuisance.shape[1]
    if dof_effect > 1:
        return f_to_z(stat, dof_effect, dof)
    return t_to_z(stat if signed else np.sqrt(stat), dof)


class PartialScores:
    """Engine of t and F where observations are missing, compared as normal scores.

    Parameters
    ----------
    values, schedule
        As for :class:`nistats_nipype.stats.engines.Correlations`.
    parts : list of Part
    contrast : ndarray of shape (Q, P)
    signed : bool
        Whether the statistic is t; or else F.
    """

    scale = 'z'

    def __init__(self, values, schedule, parts, contrast, signed):
        self.values, self.schedule, self.parts, self.contrast = values, schedule, parts, contrast
        self.signed = signed

    def maps(self, rows, blocks, pool):
        """Compute z of some rows of the schedule at blocks of points: (B, points)."""

        def work(part, local):
            engine, everything = self.make_engine(part, rows), np.arange(len(rows))
            pieces = glm.split_points(local, len(part.rows))
            return engine.maps(everything, pieces, _Serial)

        return self._over_parts(work, len(rows), blocks, pool)

    def observed_map(self, blocks, pool):
        """Compute z of the observed labelling at blocks of points."""

        def work(part, local):
            engine = self.make_engine(part, np.arange(1))
            return engine.observed_map(glm.split_points(local, len(part.rows)), _Serial)[None]

        return self._over_parts(work, 1, blocks, pool)[0]

    def _over_parts(self, work, n_maps, blocks, pool):
        """Collect the scores of what is computed for each part: (maps, points)."""
        points = np.concatenate(blocks)
        order = np.argsort(points)
        out = np.empty((n_maps, len(points)))
        asked = [np.flatnonzero(np.isin(part.points, points)) for part in self.parts]
        found = pool.map(
            lambda part, local: work(part, local) if local.size else None, self.parts, asked
        )
        for part, local, stat in zip(self.parts, asked, found, strict=True):
            if stat is not None:
                places = order[np.searchsorted(points[order], part.points[local])]
                out[:, places] = to_scores(stat, part.split, self.signed)
        return out

    def make_engine(self, part, rows):
        """Engine of a part, for some rows of the schedule."""
        orders, signs = self.schedule.orders, self.schedule.signs
        some = self.schedule._replace(
            orders=None if orders is None else orders[rows],
            signs=None if signs is None else signs[rows],
        )
        some = restrict(some, part.rows, part.design, self.contrast)
        return Correlations(part.values, part.method, some, self.signed)

    def extremes_of(self, part, rows, side, pool):
        """Maxima as scores, counts and relabellings left out, of one part.

        Parameters
        ----------
        part : Part
        rows : ndarray of int
            Rows of the schedule.
        side : {0, 1, -1}
            What is compared, see :class:`nistats_nipype.stats.permutation.Chunk`.
        pool : concurrent.futures.Executor

        Returns
        -------
        tuple of ndarray
            (B,), -inf where there is no statistic; (points,); and (points,).
        """
        from .tile_kernels import TIE

        engine = self.make_engine(part, rows)
        side = side if self.signed else 0
        everything = np.arange(len(rows))
        batches = [
            engine.load(everything[low : low + engine.batch])
            for low in range(0, len(rows), engine.batch)
        ]

        def work(local):
            observed = engine.observe(local)
            limits = lowest_tie(np.abs(observed) if side == 0 else side * observed, engine.scale)
            return engine.extremes(batches, local, side, limits, len(rows))

        blocks = glm.split_points(np.arange(len(part.points)), len(part.rows), most=POINTS)
        maxima, counts, left_out = zip(*pool.map(work, blocks), strict=True)
        top = np.max(maxima, axis=0)
        # Rounding may take a correlation beyond 1.
        stat = to_stat(np.clip(top, TIE - 1.0, 1.0 - TIE), part.split)
        scores = np.where(np.isfinite(top), to_scores(stat, part.split, self.signed), -np.inf)
        return scores, np.concatenate(counts), np.concatenate(left_out)


class _Serial:
    """A pool of no threads: those of the other pool have parts to work on."""

    map = staticmethod(map)
