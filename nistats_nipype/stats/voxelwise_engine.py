"""Permutation with voxelwise covariates: a partition of the design at every point.

The design of such a test has a column that stands for each covariate, its last K. Contrasts,
ranks, degrees of freedom and which rows are equal are judged by it; in the statistic the
covariates take the place of these columns. Residuals of the nuisance, covariates among it, are
relabelled at every point as Freedman and Lane do it; design and covariates stay.
"""

import numpy as np

from ..exceptions import ScheduleError
from .design import RANK_TOLERANCE, column_space, partition
from .engines import make_results, orders_and_signs, to_stat
from .stand_ins import check_extended
from .voxelwise import take_out, to_units

#: Relabellings that are held at a time; no influence on the result.
_BATCH = 2**16


class VoxelwiseCorrelations:
    """Engine of t and F with voxelwise covariates, compared as partial correlations.

    It has no :meth:`nistats_nipype.stats.engines.Correlations.exceedances`.

    Parameters
    ----------
    values : array of shape (N, V)
    covariates : sequence of K arrays of shape (N, V)
    design : ndarray of shape (N, P)
        Regressors that are the same at all points.
    contrast : array-like of shape (P + K,) or (Q, P + K)
    split : Partition
        Of the design with columns that stand for the covariates: its shape is that of the
        partition at a point.
    schedule : Schedule
    """

    scale, batch = 'r', _BATCH

    def __init__(self, values, covariates, design, contrast, split, schedule):
        self.values, self.covariates, self.schedule = values, covariates, schedule
        self.split = split
        self.interest, self.nuisance = _split(design, np.atleast_2d(contrast), len(covariates))

    @property
    def n_held(self):
        """Numbers held for each observation and point: data, covariates and basis."""
        split = self.split
        return 2 + len(self.covariates) + split.interest.shape[1] + split.nuisance.shape[1]

    def _load(self, points):
        """Basis of interest and nuisance, and unit residuals, at some points."""
        block, *columns = (
            np.asarray(each[:, points], dtype=np.float64)
            for each in (self.values, *self.covariates)
        )
        fixed, moving = self.nuisance
        nuisance = [column[:, None] for column in fixed.T]
        for vector in _combine(*moving, columns):
            nuisance.append(to_units(take_out(vector, nuisance))[0])
        interest = []
        for vector in _combine(*self.interest, columns):
            interest.append(to_units(take_out(vector, nuisance + interest))[0])
        basis = np.empty((len(interest) + len(nuisance), *block.shape))
        for row, vector in zip(basis, interest + nuisance, strict=True):
            row[:] = vector
        return len(interest), basis, to_units(take_out(block, nuisance))[0]

    def _maps(self, relabellings, points):
        from .voxelwise_kernels import voxelwise_maps

        out = np.empty((len(relabellings[0]), len(points)))
        voxelwise_maps(*relabellings, *self._load(points), out)
        return out

    def observe(self, points):
        """Compute r of the observed labelling at some points."""
        n = len(self.values)
        observed = np.arange(n, dtype=np.int32)[None], np.ones((1, n), dtype=np.int8)
        return self._maps(observed, points)[0]

    def load(self, rows):
        """Prepare some relabellings, rows of the schedule: their orders and signs."""
        return orders_and_signs(self.schedule, rows)

    def extremes(self, batches, points, side, limits, n_rows):
        """Maxima, counts and relabellings left out, over batches of relabellings."""
        from .voxelwise_kernels import voxelwise_extremes

        results = make_results(n_rows, len(points))
        about = self._load(points)
        for low, relabellings in zip(range(0, n_rows, self.batch), batches, strict=True):
            maxima = results[0][low : low + self.batch]
            voxelwise_extremes(*relabellings, *about, side, limits, maxima, *results[1:])
        return results

    def maps(self, rows, blocks, pool):
        """Compute t or F of some rows of the schedule at blocks of points: (B, points)."""
        relabellings = self.load(rows)
        maps = pool.map(lambda points: self._maps(relabellings, points), blocks)
        return self._to_stat(np.concatenate(list(maps), axis=1))

    def observed_map(self, blocks, pool):
        """Compute t or F of the observed labelling at blocks of points."""
        return self._to_stat(np.concatenate(list(pool.map(self.observe, blocks))))

    def _to_stat(self, r):
        from .tile_kernels import TIE

        return to_stat(np.clip(r, TIE - 1.0, 1.0 - TIE), self.split)


def _combine(constant, weights, columns):
    """Yield vectors that are a constant part and a combination of covariates: (N, V) each."""
    for part, row in zip(constant.T, weights, strict=True):
        vector = np.repeat(part[:, None], columns[0].shape[1], axis=1)
        for weight, column in zip(row, columns, strict=True):
            if weight:
                vector += weight * column
        yield vector


def _split(design, contrast, n_covariates):
    """Split regressors and covariates into effect of interest and nuisance.

    Returns
    -------
    interest : tuple of ndarray of shape (N, Q) and (Q, K)
        Vectors as parts of the regressors, and weights of the covariates that are added to them.
        With the nuisance taken out they span what the contrast tests; one has the sign of t.
    nuisance : tuple
        Orthonormal vectors that are the same at all points, and others, as for ``interest``.

    Notes
    -----
    The nuisance is what the model can fit while ``a b + c g`` is 0, a and c being the weights of
    regressors and covariates. It has combinations of regressors (a b = 0), and those g of the
    covariates for which there is a b with ``a b = -c g``.
    """
    contrast = contrast / np.linalg.norm(contrast, axis=1, keepdims=True)
    weights, others = contrast[:, :-n_covariates], contrast[:, -n_covariates:]
    used = weights.any(axis=1)
    if used.any():
        split = partition(design, weights[used])
        tested, fixed = split.interest, split.nuisance
    else:
        tested, fixed = np.empty((len(design), 0)), column_space(design)
    back = np.linalg.pinv(weights, rcond=RANK_TOLERANCE)
    outside = others - weights @ (back @ others)
    _, singular, rows = np.linalg.svd(outside)
    n_tested = int((singular > RANK_TOLERANCE).sum())
    free, bound = rows[n_tested:], rows[:n_tested]
    if n_tested == 1 and bound[0] @ others[0] < 0:
        bound = -bound
    moving = -design @ (back @ others @ free.T), free
    zeros = np.zeros((len(design), n_tested))
    interest = (
        np.hstack([tested, zeros]),
        np.vstack([np.zeros((tested.shape[1], n_covariates)), bound]),
    )
    return interest, (fixed, moving)


def check_test(schedule, design, covariates, smooth):
    """Refuse what cannot be permuted with voxelwise covariates.

    Parameters
    ----------
    schedule : Schedule
    design : ndarray of shape (N, P + K)
        With columns that stand for the covariates.
    covariates : sequence of K arrays of shape (N, V)
    smooth : callable or None
        What smooths the error variance.

    Raises
    ------
    ScheduleError
        With a method other than Freedman and Lane's, variance groups, pseudo-t, or if rows that
        the schedule takes for equal have different covariates.
    DesignError
        If the columns that stand for the covariates depend on others.
    """
    wrong = None
    if schedule.method != 'freedman-lane':
        wrong = schedule.method, 'the method freedman-lane'
    elif schedule.groups is not None:
        wrong = 'variance groups', 'errors of one variance'
    elif smooth is not None:
        wrong = 'a smoothed variance', 't and F'
    if wrong:
        raise ScheduleError(
            'This test cannot be had with voxelwise covariates.',
            found=wrong[0],
            expected=wrong[1],
            advice='Choose the expected, or leave out the voxelwise covariates.',
        )
    check_extended(design, len(covariates))
    if schedule.orders is None:
        return
    classes, first = np.unique(schedule.row_classes, return_index=True)
    representative = first[np.searchsorted(classes, schedule.row_classes)]
    for index in np.flatnonzero(representative != np.arange(len(representative))):
        for covariate in covariates:
            one, other = covariate[index], covariate[representative[index]]
            if not np.array_equal(one, other, equal_nan=True):
                raise ScheduleError(
                    'Equal rows of the design have different voxelwise covariates.',
                    found=f'rows {representative[index] + 1} and {index + 1}',
                    expected='columns that stand for the covariates to tell them apart',
                    advice='Make the design with FitVoxelwise, and draw the schedule for it.',
                )
