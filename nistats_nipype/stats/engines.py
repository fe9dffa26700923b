"""What is computed for a relabelling: t and F as correlations, v and G as scores, pseudo-t."""

import numpy as np

from ..exceptions import ScheduleError
from .methods import (
    WITH_RESIDUALS,
    observed_basis,
    relabelled_basis,
    unit_data,
    unit_residuals,
)

#: Numbers of relabelled bases that are held at a time, and sign flips; no influence on results.
_NUMBERS, _FLIPS = 2**21, 2**16
#: Points of one piece of work at most; no influence on the result.
POINTS = 4096
#: Tables of sign flips are made for as many observations at most: those of more, of 16 kB for each
#: observation, would not stay in the cache.
_TABLED = 256
#: Equivalent relabellings differ by rounding: by less than N * 1e-16 as correlations (see
#: :data:`nistats_nipype.stats.tile_kernels.TIE`), by up to some 1e-10 as scores of v and G, whose
#: sums of squares cancel, and by some 1e-13 of themselves as other statistics; those of fits that
#: are iterated, by what the last step leaves, up to some 1e-10.
_TIES = {'r': (1e-10, 0.0), 'z': (1e-8, 1e-8), 'stat': (0.0, 1e-9), 'model': (1e-8, 1e-8)}
#: Elements of a unit vector closer than this are equal.
_EQUAL = 1e-12


def lowest_tie(observed, scale):
    """What still ties with an observed value: a relabelling that reaches this, reaches that.

    Parameters
    ----------
    observed : ndarray
    scale : {'r', 'z', 'stat', 'model'}
        Correlations (tie within 1e-10), normal scores (within 1e-8 and a relative 1e-8), a
        statistic itself (within a relative 1e-9), or that of an iterated fit (as scores).

    Returns
    -------
    ndarray

    Examples
    --------
    >>> observed = np.array([0.5, 2.0])
    >>> (observed - lowest_tie(observed, 'stat')).round(12)
    array([5.e-10, 2.e-09])
    """
    absolute, relative = _TIES[scale]
    return observed - (absolute + relative * np.abs(observed))


def to_stat(r, split):
    """The t (side included) or F that belongs to a partial correlation.

    Parameters
    ----------
    r : ndarray
    split : Partition
        Design and contrast of the statistic.

    Returns
    -------
    ndarray
    """
    dof = _dof(split)
    with np.errstate(divide='ignore', invalid='ignore'):
        left = np.maximum(1.0 - r**2, 0.0)
        if np.isnan(split.scale):
            return r**2 / left * dof / split.interest.shape[1]
        return r * np.sqrt(dof / left)


def to_r(stat, split):
    """The partial correlation that belongs to a t or F; see :func:`to_stat`."""
    dof = _dof(split)
    if np.isnan(split.scale):
        stat = stat * split.interest.shape[1]
        return np.sqrt(stat / (stat + dof))
    return stat / np.sqrt(stat**2 + dof)


def _dof(split):
    return len(split.interest) - split.interest.shape[1] - split.nuisance.shape[1]


def orders_and_signs(schedule, rows):
    """Relabellings as both orders and signs, whichever the schedule has.

    Parameters
    ----------
    schedule : Schedule
    rows : ndarray of int, shape (B,)

    Returns
    -------
    orders : ndarray of shape (B, N), int32
    signs : ndarray of shape (B, N), int8
    """
    orders, signs = schedule.orders, schedule.signs
    shape = len(rows), schedule.n_observations
    if orders is None:
        orders = np.tile(np.arange(shape[1], dtype=np.int32), (shape[0], 1))
    else:
        orders = orders[rows]
    signs = np.ones(shape, dtype=np.int8) if signs is None else signs[rows]
    return np.ascontiguousarray(orders), np.ascontiguousarray(signs)


class Correlations:
    """Engine of t and F, compared as partial correlations, of which they are functions.

    Parameters
    ----------
    values : ndarray of shape (N, V)
    method : nistats_nipype.stats.methods.Method
    schedule : Schedule
    signed : bool
        Whether the statistic is t; or else F.
    """

    scale = 'r'

    def __init__(self, values, method, schedule, signed):
        self.values, self.method, self.schedule, self.signed = values, method, schedule, signed
        self.dof = _dof(method.split)
        self.halves = _find_halves(method, schedule)
        flips_alone = schedule.orders is None and not method.moves_interest
        self.by_tables = method.moved.shape[1] <= _TABLED and (
            flips_alone or self.halves is not None
        )
        self.batch = _FLIPS if self.by_tables else max(1, _NUMBERS // method.moved.size)

    def observe(self, points):
        """Compute r of the observed labelling at some points."""
        from .kernels import correlation_maps

        basis, out = observed_basis(self.method.split)[None], np.empty((1, len(points)))
        units, _ = unit_residuals(self.method, self.values[:, points])
        correlation_maps(basis, self.method.n_interest, units, out)
        return out[0]

    def load(self, rows):
        """Prepare some relabellings, rows of the schedule."""
        if not self.by_tables:
            return relabelled_basis(self.method, self.schedule, rows), _NO_PATTERNS
        if self.halves is None:
            basis, negative = self.method.moved, self.schedule.signs[rows] < 0
        else:
            basis, labels = self.halves
            negative = np.empty((len(rows), labels.size), dtype=bool)
            np.put_along_axis(negative, self.schedule.orders[rows], labels[None], axis=1)
        return basis[None], np.packbits(negative, axis=1, bitorder='little')

    def extremes(self, batches, points, side, limits, n_rows):
        """Maxima, counts and relabellings left out, over batches of relabellings."""
        from .kernels import extremes_and_counts

        results = make_results(n_rows, len(points))
        units, _ = unit_data(self.method, self.values[:, points])
        for low, relabellings in zip(range(0, n_rows, self.batch), batches, strict=True):
            maxima = results[0][low : low + self.batch]
            extremes_and_counts(
                *relabellings,
                self.method.n_interest,
                units,
                side,
                limits,
                maxima,
                *results[1:],
            )
        return results

    def exceedances(self, relabellings, points, side, limits, first, n_stop):
        """First relabellings that reach the limits: (n_stop, points), -1 where there are fewer."""
        from .kernels import find_exceedances

        rows = np.full((n_stop, len(points)), -1)
        units, _ = unit_data(self.method, self.values[:, points])
        about = self.method.n_interest, units, side, limits, first
        if find_exceedances(*relabellings, *about, rows):
            raise ScheduleError(
                'A relabelling leaves no statistic at some point: the nuisance explains its data.',
                expected='early stopping where every relabelling can be counted',
                advice='Use all relabellings, of which those are left out and reported.',
            )
        return rows

    def maps(self, rows, blocks, pool):
        """Compute t or F of some rows of the schedule at blocks of points: (B, points)."""
        from .kernels import statistic_maps

        projections = relabelled_basis(self.method, self.schedule, rows)

        def work(points):
            out = np.empty((len(rows), len(points)))
            units, _ = unit_data(self.method, self.values[:, points])
            statistic_maps(projections, self.method.n_interest, units, self.dof, self.signed, out)
            return out

        return np.concatenate(list(pool.map(work, blocks)), axis=1)

    def observed_map(self, blocks, pool):
        """Compute t or F of the observed labelling at blocks of points."""
        from .tile_kernels import TIE

        r = np.concatenate(list(pool.map(self.observe, blocks)))
        return to_stat(np.clip(r, TIE - 1.0, 1.0 - TIE), self.method.split)


def _find_halves(method, schedule):
    """Write permutations of two groups beside a constant as sign flips, if that is what they are.

    The data have a mean of 0, and so have they permuted: a regressor of two values is as good as
    half their difference, with one sign in one group and the other in the other.

    Returns
    -------
    tuple of (ndarray of shape (1, N), ndarray of shape (N,)), or None
        Half the difference for each observation, and where it is negative.
    """
    nuisance = method.split.nuisance
    permuted = schedule.signs is None and method.name in WITH_RESIDUALS
    if not permuted or nuisance.shape[1] != 1 or np.ptp(nuisance) > _EQUAL:
        return None
    regressor = method.moved[0]
    half = np.ptp(regressor) / 2
    centred = regressor - (regressor.min() + half)
    if method.n_interest > 1 or np.abs(np.abs(centred) - half).max() > _EQUAL:
        return None
    return np.full((1, len(regressor)), half), centred < 0


class Scores:
    """Engine of v and G, for variance groups, compared as normal scores of their parametric p.

    It has no :meth:`Correlations.exceedances`: a test that stops early is one of t or F.

    Parameters
    ----------
    values, method, schedule, signed
        As for :class:`Correlations`.
    geometry : nistats_nipype.stats.welch_kernels.Geometry
    """

    scale = 'z'
    batch = _FLIPS

    def __init__(self, values, method, schedule, signed, geometry):
        self.values, self.method, self.schedule, self.signed = values, method, schedule, signed
        self.geometry = geometry

    def observe(self, points):
        """Compute z of the observed labelling at some points."""
        n = len(self.values)
        observed = np.arange(n, dtype=np.int32)[None], np.ones((1, n), dtype=np.int8)
        return self._score(observed, unit_residuals(self.method, self.values[:, points])[0])[0]

    def _score(self, relabellings, units):
        from .welch_kernels import score_maps

        out = np.empty((len(relabellings[0]), units.shape[1]))
        score_maps(self.geometry, *relabellings, units, out)
        # The sign that a redundant F is left with means nothing.
        return np.abs(out) if self.geometry.n_interest == 1 and not self.signed else out

    def load(self, rows):
        """Prepare some relabellings, rows of the schedule: their orders and signs."""
        return orders_and_signs(self.schedule, rows)

    def extremes(self, batches, points, side, limits, n_rows):
        """Maxima, counts and relabellings left out, over batches of relabellings."""
        from .welch_kernels import score_extremes_and_counts

        results = make_results(n_rows, len(points))
        units, _ = unit_data(self.method, self.values[:, points])
        for low, relabellings in zip(range(0, n_rows, self.batch), batches, strict=True):
            maxima = results[0][low : low + self.batch]
            score_extremes_and_counts(
                self.geometry, *relabellings, units, side, limits, maxima, *results[1:]
            )
        return results

    def maps(self, rows, blocks, pool):
        """Compute z of some rows of the schedule at blocks of points: (B, points)."""
        relabellings = self.load(rows)

        def work(points):
            return self._score(relabellings, unit_data(self.method, self.values[:, points])[0])

        return np.concatenate(list(pool.map(work, blocks)), axis=1)

    def observed_map(self, blocks, pool):
        """Compute z of the observed labelling at blocks of points."""
        return np.concatenate(list(pool.map(self.observe, blocks)))


class PseudoStatistics(Correlations):
    """Engine of t and F whose error variance is smoothed over space: pseudo-t.

    It needs whole maps, :meth:`maps` and :meth:`observed_map`; the other methods are of t and F.

    Parameters
    ----------
    values, method, schedule, signed
        As for :class:`Correlations`.
    smooth : callable
        Takes a map of the tested points, (V,), and returns it smoothed.
    """

    scale = 'stat'

    def __init__(self, values, method, schedule, signed, smooth):
        super().__init__(values, method, schedule, signed)
        self.smooth = smooth

    def maps(self, rows, blocks, pool):
        """Compute pseudo-t of some rows of the schedule at blocks of points: (B, points)."""
        return self._maps(relabelled_basis(self.method, self.schedule, rows), blocks, pool)

    def observed_map(self, blocks, pool):
        """Pseudo-t of the observed labelling at blocks of points."""
        return self._maps(observed_basis(self.method.split)[None], blocks, pool, observed=True)[0]

    def _maps(self, projections, blocks, pool, observed=False):
        from .kernels import effect_and_variance_maps

        make_data = unit_residuals if observed else unit_data

        def work(points):
            out = np.empty((2, len(projections), len(points)))
            units, lengths = make_data(self.method, self.values[:, points])
            effect_and_variance_maps(
                projections, self.method.n_interest, units, lengths, self.dof, *out
            )
            return out

        effect, variance = np.concatenate(list(pool.map(work, blocks)), axis=2)
        variance = np.stack(list(pool.map(self.smooth, variance)))
        with np.errstate(divide='ignore', invalid='ignore'):
            if self.method.n_interest > 1:
                return effect / variance
            stat = effect / np.sqrt(variance)
        return stat if self.signed else stat**2


_NO_PATTERNS = np.empty((0, 0), dtype=np.uint8)


def make_results(n_rows, n_points):
    """Maxima of no relabelling yet, counts, and relabellings left out."""
    return (
        np.full(n_rows, -np.inf),
        np.zeros(n_points, dtype=np.int64),
        np.zeros(n_points, dtype=np.int64),
    )
