"""The relabellings of a permutation test, as data."""

from hashlib import sha256
from typing import NamedTuple

import numpy as np

from ..exceptions import ScheduleError
from .methods import make_method, reduced_design
from .tree import classify


class Schedule(NamedTuple):
    """Relabellings, one per row; row 0 is the observed labelling.

    Relabelling ``b`` makes observation ``i`` out of observation ``orders[b, i]`` with
    its sign multiplied by ``signs[b, i]``. With Huh and Jhun's method the observations are the
    rows that their residuals are reduced to, and N is the number of these.

    Attributes
    ----------
    signs : ndarray of shape (B, N), int8, or None
        Sign flips; None if the errors are not taken as symmetric.
    orders : ndarray of shape (B, N), int32, or None
        Permutations; None if the errors are not taken as exchangeable.
    n_possible : int
        Relabellings that give different statistics, the observed one included.
    exhaustive : bool
        Whether the schedule holds all of them.
    errors : {'exchangeable', 'symmetric', 'both'}
        The assumption it was made under.
    row_classes : ndarray of shape (N,), int32
        Which observations neither the design nor the variance groups tell apart: those of
        one number, -1 for rows of zeros. A schedule can be shared by designs that agree in
        this. With
        errors='both', a row and its negative have the numbers 2 k and 2 k + 1.
    blocks : ndarray of shape (N, L), int64, or None
        Exchangeability blocks that it respects, see
        :func:`nistats_nipype.stats.blocks.check_blocks`; None if there were none.
    method : str
        What is relabelled, see :data:`nistats_nipype.stats.methods.METHODS`.
    groups : ndarray of shape (N,), int64, or None
        Variance groups, which make the statistic v or G; None for t and F.
    """

    signs: np.ndarray | None
    orders: np.ndarray | None
    n_possible: int
    exhaustive: bool
    errors: str
    row_classes: np.ndarray
    blocks: np.ndarray | None = None
    method: str = 'freedman-lane'
    groups: np.ndarray | None = None

    @property
    def n_relabellings(self):
        """Number of relabellings B, the observed one included."""
        return len(self.signs if self.orders is None else self.orders)

    @property
    def n_observations(self):
        """Number of rows that are relabelled: the observations, but for Huh and Jhun."""
        return (self.signs if self.orders is None else self.orders).shape[1]

    @property
    def digest(self):
        """SHA-256 of the relabellings: schedules that share it relabel alike, row by row."""
        digest = sha256()
        for name, rows, dtype in (('signs', self.signs, 'i1'), ('orders', self.orders, '<i4')):
            if rows is not None:
                digest.update(f'{name} {rows.shape} '.encode())
                digest.update(np.ascontiguousarray(rows, dtype=dtype))
        return digest.hexdigest()

    def check_design(self, design, contrast):
        """Refuse a design that the schedule was not made for.

        Parameters
        ----------
        design : ndarray of shape (N, P)
        contrast : array-like of shape (P,) or (Q, P)
            It matters to Huh and Jhun's method alone.

        Raises
        ------
        ScheduleError
            If the number of observations differs, or which of them are interchangeable:
            repeats, and what is possible, would be judged by the wrong rows.
        """
        rows = relabelled_rows(design, contrast, self.method)
        if self.n_observations != len(rows):
            found = f'{self.n_observations} observations in the schedule'
            expected = f'{len(rows)}, the rows of the design'
        elif not np.array_equal(
            classify(rows, self.errors, self.groups).classes, self.row_classes
        ):
            found = 'a schedule for a design with other groups of equal rows'
            expected = 'one drawn for this design, nuisance regressors included'
        else:
            return
        raise ScheduleError(
            'The schedule does not fit the design.',
            found=found,
            expected=expected,
            advice='Draw the schedule again.',
        )


def relabelled_rows(design, contrast, method):
    """Rows of which equal ones are interchangeable, if they are of one variance group.

    Those of the design, but for Huh and Jhun, who relabel combinations of observations.

    Parameters
    ----------
    design : ndarray of shape (N, P)
    contrast : array-like of shape (P,) or (Q, P)
    method : str

    Returns
    -------
    ndarray of shape (m, P)
    """
    if method == 'huh-jhun':
        return reduced_design(make_method(method, design, contrast))
    return design
