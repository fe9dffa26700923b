"""The relabellings that a tree of blocks allows: counted, listed and drawn."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """A block of observations, made of smaller blocks down to single observations.

    Attributes
    ----------
    rows : ndarray of shape (n,), int64
        Its observations, branch after branch.
    exchanged : bool
        Whether its branches change places as wholes; otherwise each stays in its place.
    branches : tuple of Block
        None for a single observation. Those of an exchanged block are built alike.
    """

    rows: np.ndarray
    exchanged: bool
    branches: tuple


class Rows(NamedTuple):
    """Rows of a design as classes: rows of one class can be swapped without effect.

    With sign flips, a row and its negative are one class of opposite polarity, and a
    row of zeros has polarity 0.

    Attributes
    ----------
    label : ndarray of shape (N,), int32
    polarity : ndarray of shape (N,), int8
    errors : {'exchangeable', 'symmetric', 'both'}
        Whether observations are permuted, their signs flipped, or both.
    """

    label: np.ndarray
    polarity: np.ndarray
    errors: str

    @property
    def permute(self):
        """Whether observations are permuted."""
        return self.errors != 'symmetric'

    @property
    def flip(self):
        """Whether signs are flipped."""
        return self.errors != 'exchangeable'

    @property
    def classes(self):
        """Numbers that two designs share if the same relabellings are repeats for both.

        Numbered by first appearance, -1 for rows of zeros; one number if only signs flip.
        With permutations and flips, 2 k is a row like the first of its class and 2 k + 1
        is its negative.
        """
        _, first, label = np.unique(self.label, return_index=True, return_inverse=True)
        number = np.argsort(np.argsort(first))[label.ravel()]
        if self.errors == 'symmetric':
            number = np.zeros_like(number)
        elif self.errors == 'both':
            number = 2 * number + (self.polarity != self.polarity[first][label.ravel()])
        return np.where(self.polarity == 0, -1, number).astype(np.int32)


def classify(design, errors, groups=None):
    """Find rows of a design that relabelling cannot tell apart.

    Parameters
    ----------
    design : ndarray of shape (N, P), float64
    errors : {'exchangeable', 'symmetric', 'both'}
    groups : ndarray of shape (N,), int64, optional
        Variance groups; rows of different groups are not equal.

    Returns
    -------
    Rows

    Examples
    --------
    >>> classify(np.array([[1.0], [-1], [0], [1]]), 'both').classes.tolist()
    [0, 1, -1, 0]
    """
    polarity = np.ones(len(design), dtype=np.int8)
    if errors != 'exchangeable':
        polarity[:] = 0
        for index, row in enumerate(design):
            nonzero = np.flatnonzero(row)
            if nonzero.size:
                polarity[index] = np.sign(row[nonzero[0]])
        # + 0.0 turns the negative zeros that the product makes into zeros
        design = design * polarity[:, None] + 0.0
    if groups is not None:
        design = np.column_stack([design, groups])
    _, label = np.unique(design, axis=0, return_inverse=True)
    return Rows(label.ravel().astype(np.int32), polarity, errors)


def free_tree(n_observations):
    """Return the tree of observations that are all exchangeable.

    Parameters
    ----------
    n_observations : int

    Returns
    -------
    Block

    Examples
    --------
    >>> len(free_tree(5).branches)
    5
    """
    rows = np.arange(n_observations)
    return Block(rows, True, tuple(Block(row, False, ()) for row in rows[:, None]))


# What follows works on states. The state of an observation is the class and the sign of the
# design row that it meets; equal states of all observations give equal statistics, and
# different ones do not. Signs flip in units: the branches of the outermost exchanged block
# on the way from the root, or single observations where no block is exchanged. A unit has
# one sign, for errors are symmetric as those of a whole, and nothing flips within it.


def _units(block, flip):
    """Which branches are units; ``flip`` is False within a unit."""
    return [flip and (block.exchanged or not branch.branches) for branch in block.branches]


def _keys(block, rows):
    """Keys of the state of a block and of its negative.

    Two states have one key if and only if permutations within the block lead from one
    to the other.
    """
    if not block.branches:
        label, sign = int(rows.label[block.rows[0]]), int(rows.polarity[block.rows[0]])
        return (label, sign), (label, -sign)
    pairs = [_keys(branch, rows) for branch in block.branches]
    if block.exchanged and rows.permute:
        return tuple(tuple(sorted(keys)) for keys in zip(*pairs, strict=True))
    return tuple(zip(*pairs, strict=True))


def count_states(block, rows, flip=None):
    """Count the states that relabelling can lead to, the observed one included.

    Branches of an exchanged block are counted as the arrangements of a multiset, two
    being the same if relabelling leads from one to the other, times the states of each.

    Parameters
    ----------
    block : Block
    rows : Rows
    flip : bool, optional
        Whether signs can flip in this block; as ``rows`` has it by default.

    Returns
    -------
    int
        Exact, however large.

    Examples
    --------
    >>> count_states(free_tree(4), classify(np.array([[0.0], [0], [1], [1]]), 'exchangeable'))
    6
    """
    flip = rows.flip if flip is None else flip
    count, kinds = 1, Counter()
    for branch, unit in zip(block.branches, _units(block, flip), strict=True):
        count *= count_states(branch, rows, flip and not unit)
        plus, minus = _keys(branch, rows)
        if unit and plus != minus:
            count *= 2
        kinds[min(plus, minus) if unit else plus] += 1
    if block.exchanged and rows.permute:
        count *= math.factorial(len(block.branches))
        for size in kinds.values():
            count //= math.factorial(size)
    return count


def list_relabellings(tree, rows):
    """List one relabelling for every state, the observed labelling first.

    Parameters
    ----------
    tree : Block
    rows : Rows

    Returns
    -------
    orders : ndarray of shape (K, N), int32
    signs : ndarray of shape (K, N), int8
        K is what :func:`count_states` says.

    Examples
    --------
    >>> rows = classify(np.array([[0.0], [0], [1]]), 'exchangeable')
    >>> list_relabellings(free_tree(3), rows)[0].tolist()
    [[0, 1, 2], [0, 2, 1], [1, 2, 0]]
    """
    orders, signs = _to_observations(tree, *_list(tree, rows, rows.flip))
    labels, states = find_states(rows, orders, signs)
    observed = (labels == rows.label).all(axis=1) & (states == rows.polarity).all(axis=1)
    identity = np.arange(orders.shape[1], dtype=np.int32)[None]
    return (
        np.concatenate([identity, orders[~observed]]),
        np.concatenate([np.ones_like(signs[:1]), signs[~observed]]),
    )


def _list(block, rows, flip):
    """Places that the observations of a block go to, counted from its first, and signs."""
    if not block.branches:
        return np.zeros((1, 1), dtype=np.int32), np.ones((1, 1), dtype=np.int8)
    parts, kinds = [], []
    for branch, unit in zip(block.branches, _units(block, flip), strict=True):
        places, signs = _list(branch, rows, flip and not unit)
        plus, minus = _keys(branch, rows)
        if unit and plus != minus:
            places, signs = np.vstack([places, places]), np.vstack([signs, -signs])
        parts.append((places, signs))
        kinds.append(min(plus, minus) if unit else plus)
    starts = _starts(block)[None]
    if block.exchanged and rows.permute:
        starts = starts[0][_destinations(kinds)]
    # Every relabelling of every branch with every other, and with every arrangement of them.
    rest = np.arange(math.prod(len(places) for places, _ in parts) * len(starts))
    for index, (places, signs) in enumerate(parts):
        parts[index] = places[rest % len(places)], signs[rest % len(places)]
        rest //= len(places)
    return _compose(starts[rest], parts)


def _starts(block):
    """Where in a block its branches start."""
    sizes = [len(branch.rows) for branch in block.branches]
    return np.cumsum([0, *sizes[:-1]])


def _compose(starts, parts):
    """Put the relabellings of branches together: branch ``i`` goes to ``starts[:, i]``."""
    places = [start[:, None] + places for start, (places, _) in zip(starts.T, parts, strict=True)]
    return np.hstack(places), np.hstack([signs for _, signs in parts])


def _destinations(kinds):
    """All different arrangements of branches: which place each of them goes to."""
    number = {kind: index for index, kind in enumerate(sorted(set(kinds)))}
    numbers = np.array([number[kind] for kind in kinds])
    members = np.argsort(numbers, kind='stable')
    arrangements = np.array(list(_arrangements(numbers)))
    destinations = np.empty_like(arrangements)
    destinations[:, members] = np.argsort(arrangements, axis=1, kind='stable')
    return destinations


def _arrangements(numbers):
    """All different orders of a multiset, in lexicographic order."""
    current = sorted(numbers.tolist())
    while True:
        yield tuple(current)
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


def count_words(block, flip=True):
    """Count the random words of a relabelling.

    Returns
    -------
    n_orders : int
        A word for each branch of each exchanged block.
    n_flips : int
        A word for each unit whose sign flips.

    Examples
    --------
    >>> count_words(free_tree(12))
    (12, 12)
    """
    n_orders, n_flips = len(block.branches) * block.exchanged, 0
    for branch, unit in zip(block.branches, _units(block, flip), strict=True):
        below = count_words(branch, flip and not unit)
        n_orders, n_flips = n_orders + below[0], n_flips + below[1] + unit
    return n_orders, n_flips


def read_words(tree, rows, words):
    """Turn random words into relabellings, all that the tree allows being equally likely.

    Parameters
    ----------
    tree : Block
    rows : Rows
        Only whether to permute and to flip is looked at.
    words : ndarray of shape (B, n_orders + n_flips), uint64
        As many as :func:`count_words` says. The first are the keys by which branches are
        sorted, the top bits of the others are signs; blocks are gone through from the root,
        each before its branches.

    Returns
    -------
    orders : ndarray of shape (B, N), int32
    signs : ndarray of shape (B, N), int8

    Examples
    --------
    >>> rows = classify(np.eye(3), 'both')
    >>> words = np.array([[7, 9, 2, 0, 1 << 63, 0]], dtype=np.uint64)
    >>> [part.tolist() for part in read_words(free_tree(3), rows, words)]
    [[[2, 0, 1]], [[-1, 1, -1]]]
    """
    n_orders, _ = count_words(tree)
    orders = iter(words[:, :n_orders].T)
    flips = iter((words[:, n_orders:] >> np.uint64(63)).astype(np.int8).T * 2 - 1)

    read = _Reader(rows, len(words), orders, flips)
    return _to_observations(tree, *read(tree, rows.flip))


class _Reader(NamedTuple):
    """Reads words branch by branch. A function inside another, calling itself, would keep them."""

    rows: Rows
    n_relabellings: int
    orders: Iterator
    flips: Iterator

    def __call__(self, block, flip):
        if not block.branches:
            shape = self.n_relabellings, 1
            return np.zeros(shape, np.int32), np.ones(shape, np.int8)
        starts = _starts(block)[None]
        if block.exchanged and self.rows.permute:
            keys = np.stack([next(self.orders) for _ in block.branches], axis=1)
            starts = starts[0][np.argsort(keys, axis=1, kind='stable')]
        parts = []
        for branch, unit in zip(block.branches, _units(block, flip), strict=True):
            sign = next(self.flips)[:, None] if unit else np.int8(1)
            places, signs = self(branch, flip and not unit)
            parts.append((places, signs * sign))
        return _compose(starts, parts)


def _to_observations(tree, places, signs):
    """Orders and signs by observation, from places and signs in the tree."""
    orders, flips = np.empty(places.shape, dtype=np.int32), np.empty_like(signs)
    orders[:, tree.rows] = tree.rows[places]
    flips[:, tree.rows] = signs
    return orders, flips


def find_states(rows, orders, signs):
    """States that relabellings lead to.

    Parameters
    ----------
    rows : Rows
    orders, signs : ndarray of shape (B, N)

    Returns
    -------
    labels : ndarray of shape (B, N), int32
        Class of the design row that each observation meets.
    states : ndarray of shape (B, N), int8
        Sign that it meets it with, 0 for rows of zeros.

    Examples
    --------
    >>> rows = classify(np.array([[0.0], [5]]), 'both')
    >>> find_states(rows, np.array([[1, 0]]), np.array([[1, -1]]))[1].tolist()
    [[-1, 0]]
    """
    labels = np.empty(orders.shape, dtype=np.int32)
    states = np.empty(orders.shape, dtype=np.int8)
    np.put_along_axis(labels, orders, np.broadcast_to(rows.label, orders.shape), axis=1)
    np.put_along_axis(states, orders, (signs * rows.polarity).astype(np.int8), axis=1)
    return labels, states
