"""Which relabellings a design allows, counted, enumerated and drawn."""

import math
from typing import NamedTuple

import numpy as np

from ..exceptions import ScheduleError
from .design import Partition, check_contrast, check_design, partition

#: Assumptions about the errors under the null hypothesis.
ERRORS = ('auto', 'exchangeable', 'symmetric', 'both')


class Schedule(NamedTuple):
    """Relabellings, one per row; row 0 is the observed labelling.

    Relabelling ``b`` makes observation ``i`` out of observation ``orders[b, i]`` with
    its sign multiplied by ``signs[b, i]``.

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
        Which observations the design cannot tell apart: those of one number, -1 for rows
        of zeros. A schedule can be shared by designs that agree in this.
    """

    signs: np.ndarray | None
    orders: np.ndarray | None
    n_possible: int
    exhaustive: bool
    errors: str
    row_classes: np.ndarray

    @property
    def n_relabellings(self):
        """Number of relabellings B, the observed one included."""
        return len(self.signs if self.orders is None else self.orders)

    @property
    def n_observations(self):
        """Number of observations N."""
        return (self.signs if self.orders is None else self.orders).shape[1]

    def check_design(self, design):
        """Refuse a design that the schedule was not made for.

        Raises
        ------
        ScheduleError
            If the number of observations differs, or which of them are interchangeable:
            repeats, and what is possible, would be judged by the wrong rows.
        """
        if self.n_observations != len(design):
            found = f'{self.n_observations} observations in the schedule'
            expected = f'{len(design)}, the rows of the design'
        elif not np.array_equal(_classify(design, self.errors).classes, self.row_classes):
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


def choose_errors(split: Partition):
    """Choose between permutations and sign flips by what the contrast tests.

    A contrast that involves the mean of the data cannot be tested by permuting
    observations, because a permutation leaves the mean as it is: if the constant is
    part of the design but not of the nuisance, errors are taken as symmetric and
    signs are flipped. Otherwise they are taken as exchangeable and observations are
    permuted, which needs no symmetry.

    Parameters
    ----------
    split : Partition
        Design partitioned for the contrast.

    Returns
    -------
    {'exchangeable', 'symmetric'}

    Examples
    --------
    >>> choose_errors(partition(np.ones((4, 1)), [1]))
    'symmetric'
    >>> choose_errors(partition([[1, 0], [1, 0], [1, 1], [1, 1]], [0, 1]))
    'exchangeable'
    """
    ones = np.ones(len(split.interest))
    left_by_nuisance = ones - split.nuisance @ (split.nuisance.T @ ones)
    left_by_design = left_by_nuisance - split.interest @ (split.interest.T @ ones)
    small = 1e-6 * np.linalg.norm(ones)
    modelled = np.linalg.norm(left_by_design) < small
    tested = np.linalg.norm(left_by_nuisance) > small
    return 'symmetric' if modelled and tested else 'exchangeable'


class _Rows(NamedTuple):
    """Rows of the design as classes: rows of one class can be swapped without effect.

    With sign flips, a row and its negative are one class of opposite polarity, and a
    row of zeros has polarity 0.
    """

    label: np.ndarray
    polarity: np.ndarray
    errors: str

    @property
    def classes(self):
        """As :class:`Schedule` has them: numbered by first appearance, one if only signs flip."""
        _, first, label = np.unique(self.label, return_index=True, return_inverse=True)
        number = np.argsort(np.argsort(first))[label.ravel()]
        if self.errors == 'symmetric':
            number = np.zeros_like(number)
        return np.where(self.polarity == 0, -1, number).astype(np.int32)


def _classify(design, errors):
    """Find rows of the whole design that relabelling cannot tell apart."""
    polarity = np.ones(len(design), dtype=np.int8)
    if errors != 'exchangeable':
        polarity[:] = 0
        for index, row in enumerate(design):
            nonzero = np.flatnonzero(row)
            if nonzero.size:
                polarity[index] = np.sign(row[nonzero[0]])
        # + 0.0 turns the negative zeros that the product makes into zeros
        design = design * polarity[:, None] + 0.0
    _, label = np.unique(design, axis=0, return_inverse=True)
    return _Rows(label.ravel().astype(np.int32), polarity, errors)


def count_relabellings(design, errors):
    """Count the relabellings that can give different statistics, the observed one included.

    Two relabellings are the same if they give the same statistic whatever the data.
    That depends on the rows of the whole design, nuisance included: with a nuisance
    that varies, rows with equal values of interest are not interchangeable.

    Parameters
    ----------
    design : array-like of shape (N, P)
        The whole design.
    errors : {'exchangeable', 'symmetric', 'both'}

    Returns
    -------
    int
        Exact, however large.

    Examples
    --------
    >>> count_relabellings([[0], [0], [1], [1], [1]], 'exchangeable')
    10
    >>> count_relabellings(np.ones((12, 1)), 'symmetric')
    4096
    """
    rows = _classify(check_design(design), errors)
    count = 1
    if errors != 'symmetric':
        count = math.factorial(len(rows.label))
        for size in np.bincount(rows.label):
            count //= math.factorial(int(size))
    if errors != 'exchangeable':
        count *= 2 ** int(np.count_nonzero(rows.polarity))
    return count


def draw_schedule(design, contrast, *, n_perm=10000, seed=0, errors='auto'):
    """Draw the relabellings of a permutation test, without repeats.

    All possible relabellings are enumerated when there are no more than asked for.

    Parameters
    ----------
    design : array-like of shape (N, P)
        Design matrix.
    contrast : array-like of shape (P,) or (Q, P)
        Contrast that the schedule is for; with ``errors='auto'`` it decides between
        permutations and sign flips, see :func:`choose_errors`.
    n_perm : int, default 10000
        Relabellings drawn beside the observed one, at least 1.
    seed : int, default 0
        Non-negative and below 2 ** 128. A drawn relabelling b depends on (seed, b) and
        N only, but for the removal of repeats; the design decides which are repeats.
    errors : {'auto', 'exchangeable', 'symmetric', 'both'}, default 'auto'
        What is assumed of the errors: permute, flip signs, or both.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        If ``n_perm``, ``seed`` or ``errors`` is out of range, or if the design allows
        no relabelling beside the observed one.

    Notes
    -----
    The generator is Philox, a counter-based one [1]_, read as raw 64-bit words, whose
    stream numpy guarantees; orders come from sorting words.

    References
    ----------
    .. [1] Salmon JK, Moraes MA, Dror RO, Shaw DE (2011). Parallel random numbers: as
       easy as 1, 2, 3. SC '11. https://doi.org/10.1145/2063384.2063405

    Examples
    --------
    >>> schedule = draw_schedule(np.ones((3, 1)), [1], n_perm=100)
    >>> schedule.exhaustive, schedule.n_possible, schedule.signs[0].tolist()
    (True, 8, [1, 1, 1])
    """
    _check_request(n_perm, seed, errors)
    design = check_design(design)
    contrast = check_contrast(design, contrast)
    if errors == 'auto':
        errors = choose_errors(partition(design, contrast))
    n_possible = count_relabellings(design, errors)
    if n_possible < 2:
        raise ScheduleError(
            'The design allows no relabelling beside the observed one.',
            found=f'errors taken as {errors}, {len(design)} observations with equal rows',
            expected='at least 2 different relabellings',
            advice="Choose errors='symmetric' (--errors symmetric) to test a mean by sign flips.",
        )
    rows = _classify(design, errors)
    exhaustive = n_possible <= n_perm + 1
    if exhaustive:
        orders, signs = _decode(_enumerate(rows, errors), rows)
    else:
        orders, signs = _draw(rows, errors, n_perm, seed)
    return Schedule(
        signs=None if errors == 'exchangeable' else signs,
        orders=None if errors == 'symmetric' else orders,
        n_possible=n_possible,
        exhaustive=exhaustive,
        errors=errors,
        row_classes=rows.classes,
    )


def _check_request(n_perm, seed, errors):
    if n_perm < 1:
        raise ScheduleError(
            'Too few relabellings were asked for.',
            found=f'n_perm = {n_perm}',
            expected='n_perm of at least 1; 1,000 to 10,000 is usual',
        )
    if not 0 <= seed < 2**128:
        raise ScheduleError(
            'The seed is out of range.', found=str(seed), expected='0 or more, below 2 ** 128'
        )
    if errors not in ERRORS:
        raise ScheduleError(
            'Unknown assumption about the errors.', found=repr(errors), expected=', '.join(ERRORS)
        )


# A relabelling is coded by what it puts where: at position j, the class of the design
# row that observation j meets, and the sign that it meets it with. Equal codes give
# equal statistics, and different codes do not.


def _draw(rows, errors, n_perm, seed):
    """Orders and signs of the observed labelling and of ``n_perm`` different others."""
    n = len(rows.label)
    orders = np.empty((n_perm + 1, n), dtype=np.int32)
    signs = np.empty((n_perm + 1, n), dtype=np.int8)
    order, flips = np.arange(n), np.ones(n, dtype=np.int8)
    seen = set()
    counter = 0
    while True:
        code = _code(order, flips, rows)
        if code not in seen:
            orders[len(seen)], signs[len(seen)] = order, flips
            seen.add(code)
        if len(seen) > n_perm:
            return orders, signs
        counter += 1
        words = np.random.Philox(key=seed, counter=[0, counter, 0, 0]).random_raw(2 * n)
        if errors != 'symmetric':
            order = np.argsort(words[:n], kind='stable')
        if errors != 'exchangeable':
            flips = (words[n:] >> np.uint64(63)).astype(np.int8) * 2 - 1


def _code(order, flips, rows):
    """The code of a relabelling, as bytes."""
    labels, signs = np.empty_like(rows.label), np.empty_like(rows.polarity)
    labels[order] = rows.label
    signs[order] = flips * rows.polarity
    return labels.tobytes() + signs.tobytes()


def _enumerate(rows, errors):
    """Codes of all relabellings, the observed one first."""
    arrangements = [rows.label] if errors == 'symmetric' else _arrangements(rows.label)
    codes = [(rows.label, rows.polarity)]
    observed = rows.label.tobytes() + rows.polarity.tobytes()
    zero_classes = rows.label[rows.polarity == 0]
    for labels in arrangements:
        free = np.flatnonzero(~np.isin(labels, zero_classes))
        if errors == 'exchangeable':
            patterns = [rows.polarity]
        else:
            patterns = _sign_patterns(len(labels), free)
        for signs in patterns:
            if labels.tobytes() + signs.tobytes() != observed:
                codes.append((labels, signs))
    return codes


def _sign_patterns(n, free):
    """All signs of ``n`` observations of which those in ``free`` can flip."""
    bits = np.arange(2 ** len(free))[:, None] >> np.arange(len(free)) & 1
    patterns = np.zeros((len(bits), n), dtype=np.int8)
    patterns[:, free] = 1 - 2 * bits
    return patterns


def _arrangements(labels):
    """All different orders of a multiset, in lexicographic order."""
    current = np.sort(labels).tolist()
    while True:
        yield np.array(current, dtype=np.int32)
        pivot = len(current) - 2
        while pivot >= 0 and current[pivot] >= current[pivot + 1]:
            pivot -= 1
        if pivot < 0:
            return
        successor = len(current) - 1
        while current[successor] <= current[pivot]:
            successor -= 1
        current[pivot], current[successor] = current[successor], current[pivot]
        current[pivot + 1 :] = current[:pivot:-1]


def _decode(codes, rows):
    """Orders and signs, as :class:`Schedule` has them, that lead to the codes."""
    labels = np.array([code[0] for code in codes])
    signs = np.array([code[1] for code in codes])
    members = np.argsort(rows.label, kind='stable')
    orders = np.empty(labels.shape, dtype=np.int32)
    orders[:, members] = np.argsort(labels, axis=1, kind='stable')
    # Keep the observed labelling as the identity.
    orders[0] = np.arange(labels.shape[1])
    flips = np.take_along_axis(signs, orders, axis=1) * rows.polarity
    return orders, np.where(flips == 0, 1, flips).astype(np.int8)
