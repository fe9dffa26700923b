"""Exchangeability blocks, in the format of PALM, and the variance groups they imply."""

import numpy as np

from ..exceptions import ScheduleError
from .tree import Block


def within_blocks(labels):
    """Blocks in which observations are exchangeable, as between the scans of a subject.

    Parameters
    ----------
    labels : sequence of N int or str
        Which block each observation is in. Blocks may differ in size.

    Returns
    -------
    ndarray of shape (N, 3), int64
        Blocks for :func:`nistats_nipype.stats.exchange.draw_schedule`; see
        :func:`check_blocks` for the format.

    Raises
    ------
    ScheduleError
        If there are no labels, or if they are not one list.

    Notes
    -----
    PALM does the same with a file of one column, and with ``-within``.

    Examples
    --------
    >>> within_blocks(['sub-1', 'sub-1', 'sub-2']).tolist()
    [[-1, 1, 1], [-1, 1, 2], [-1, 2, 3]]
    """
    _, number = _number(labels)
    return np.column_stack([np.full(len(number), -1), number, np.arange(1, len(number) + 1)])


def whole_blocks(labels, *, within=False):
    """Blocks that are exchangeable as wholes, as between subjects with several scans.

    Observations keep their order in a block: the first of one block changes places with
    the first of another, the second with the second.

    Parameters
    ----------
    labels : sequence of N int or str
        Which block each observation is in.
    within : bool, default False
        Whether observations are exchangeable in their block, too.

    Returns
    -------
    ndarray of shape (N, 3), int64
        Blocks for :func:`nistats_nipype.stats.exchange.draw_schedule`; see
        :func:`check_blocks` for the format.

    Raises
    ------
    ScheduleError
        If blocks differ in size, or if the labels are none or not one list.

    Notes
    -----
    PALM does the same with a file of one column and ``-whole``, ``within`` being
    ``-whole -within``.

    Examples
    --------
    >>> whole_blocks([7, 7, 4, 4]).tolist()
    [[1, -2, 1], [1, -2, 2], [1, -1, 3], [1, -1, 4]]
    """
    names, number = _number(labels)
    sizes = np.bincount(number)[1:]
    if sizes.max() > sizes.min():
        _refuse_sizes([f'block {name}' for name in names], sizes)
    signed = number if within else -number
    return np.column_stack([np.ones_like(number), signed, np.arange(1, len(number) + 1)])


def _number(labels):
    """Names of blocks in order, and their numbers from 1 for every observation."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not labels.size:
        raise ScheduleError(
            'The labels of the blocks are not a list.',
            found=f'shape {labels.shape}',
            expected='one label per observation',
        )
    names, number = np.unique(labels, return_inverse=True)
    return names.tolist(), number + 1


def check_blocks(blocks, n_observations):
    """Return blocks in their multi-level form, or say what is wrong with them.

    Parameters
    ----------
    blocks : array-like of shape (N,) or (N, L), int
        Exchangeability blocks in the format of PALM, see Notes.
    n_observations : int
        Observations N.

    Returns
    -------
    ndarray of shape (N, L), int64
        With at least two levels; as given, but for a single column, which gets one
        before and one after it.

    Raises
    ------
    ScheduleError
        If the length is not N, an index is 0 or not an integer, the first of several columns
        holds more than one index, or what is said to be exchangeable is not: see
        :func:`plant`.

    Notes
    -----
    Columns are levels, from the outermost to the innermost [2]_. The observations that
    share their indices up to a column are a block, and the next column divides it into
    branches. A positive index means that its branches are exchangeable as wholes, and a
    negative one that each stays in its place, which does not keep what is within the
    branches from being exchanged. The sign is part of an index: 3 and -3 are two blocks.

    - The first column holds one index: 1 if the outermost blocks are exchangeable,
      -1 if they are not.
    - The last column numbers observations; its signs mean nothing where it does.
    - Branches that are exchangeable must be built alike: of one size, with the same signs
      and sizes at all levels below. The i-th branch of one, by increasing index, changes
      places with the i-th of the other.
    - Where the last column does not number observations (an index is repeated), these keep
      their order in their block, as with ``[1, b]`` for whole blocks. It is an error to do
      so with a positive index in a block whose branches stay, ``[-1, b]``: PALM's manual
      reads it as exchangeable within b and PALM's program as fixed.
    - A single column b means exchangeable within blocks, ``[-1, b, i]`` with a number i for
      each observation, as PALM has it without ``-whole``; see :func:`whole_blocks` for the
      other. A block of negative index is fixed.

    Signs flip together in the branches of the outermost positive index on the way from
    the first column: errors are symmetric as those of a whole there. Observations that
    are in no such branch flip one by one [1]_, [2]_.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060
    .. [2] Winkler AM, Webster MA, Vidaurre D, Nichols TE, Smith SM (2015). Multi-level
       block permutation. NeuroImage 123:253-268.
       https://doi.org/10.1016/j.neuroimage.2015.05.092

    Examples
    --------
    >>> check_blocks([5, 5, 6], 3).tolist()
    [[-1, 5, 1], [-1, 5, 2], [-1, 6, 3]]
    """
    given = np.asarray(blocks)
    if given.ndim not in (1, 2) or 0 in given.shape or len(given) != n_observations:
        raise ScheduleError(
            'The blocks do not fit the design.',
            found=f'blocks of shape {given.shape}',
            expected=f'{n_observations} rows, one per observation, and a column per level',
        )
    blocks = _check_indices(given.reshape(n_observations, -1))
    if blocks.shape[1] == 1:
        number = np.arange(1, n_observations + 1)
        blocks = np.column_stack([np.full(n_observations, -1), blocks, number])
    outermost = np.unique(blocks[:, 0])
    if outermost.size > 1:
        raise ScheduleError(
            'The first column of the blocks holds more than one index.',
            found=', '.join(map(str, outermost[:6])) + ', ...' * (outermost.size > 6),
            expected='1 everywhere if the blocks of the second column are exchangeable as '
            'wholes, -1 everywhere if they stay in place',
            advice='Put such a column before the others.',
        )
    plant(blocks)
    return blocks


def _check_indices(blocks):
    """Integers, or an error that says which index is not one."""
    if blocks.dtype.kind in 'iuf':
        bad = ~np.isfinite(blocks) | (blocks != np.round(blocks)) | (blocks == 0)
        if not bad.any():
            return blocks.astype(np.int64)
        row, column = np.argwhere(bad)[0]
        found = f'{blocks[row, column]} in row {row}, column {column}'
    else:
        found = f'values of type {blocks.dtype}'
    raise ScheduleError(
        'The blocks hold indices that cannot be read.',
        found=found,
        expected='integers, positive or negative, but not 0',
        advice='Use within_blocks or whole_blocks to make blocks of names.',
    )


def plant(blocks):
    """Make the tree of blocks.

    Parameters
    ----------
    blocks : ndarray of shape (N, L), int64
        As :func:`check_blocks` returns them.

    Returns
    -------
    Block

    Raises
    ------
    ScheduleError
        If branches that are said to be exchangeable as wholes are not of one size or not
        built alike, or if observations are not numbered where they are said to be
        exchangeable.

    Examples
    --------
    >>> tree = plant(whole_blocks(['a', 'a', 'b', 'b']))
    >>> tree.exchanged, [branch.rows.tolist() for branch in tree.branches]
    (True, [[2, 3], [0, 1]])
    """
    return _grow(blocks, np.arange(len(blocks)), 0, False)


def _grow(blocks, rows, column, parent_exchanged):
    """The block of observations that share their indices up to a column."""
    if len(rows) == 1 and column > 0:
        return _leaf(rows[0])
    index = blocks[rows[0], column]
    if column == blocks.shape[1] - 1:
        if index > 0 and not parent_exchanged:
            raise ScheduleError(
                'The blocks do not say whether observations are exchangeable in a block.',
                found=f'positive index {index} for {len(rows)} observations in the last column, '
                'in a block whose branches stay in place',
                expected='another column, which numbers the observations',
                advice='Add one to exchange them; make the index negative to fix them.',
            )
        return Block(rows, False, tuple(_leaf(row) for row in rows))
    below = blocks[rows, column + 1]
    by_index = np.argsort(below, kind='stable')
    cuts = np.flatnonzero(np.diff(below[by_index])) + 1
    parts = np.split(rows[by_index], cuts)
    branches = tuple(_grow(blocks, part, column + 1, index > 0) for part in parts)
    if index > 0:
        _check_alike(branches, [blocks[part[0], column + 1] for part in parts], column + 1)
    return Block(np.concatenate([branch.rows for branch in branches]), bool(index > 0), branches)


def _leaf(row):
    return Block(np.array([row]), False, ())


def _check_alike(branches, indices, column):
    """Refuse to exchange branches that are not built alike."""
    names = [f'block {index} in column {column}' for index in indices]
    sizes = [len(branch.rows) for branch in branches]
    if max(sizes) > min(sizes):
        _refuse_sizes(names, sizes)
    shapes = [_shape(branch) for branch in branches]
    for name, shape in zip(names, shapes, strict=True):
        if shape != shapes[0]:
            raise ScheduleError(
                'Blocks that are not built alike cannot be exchanged as wholes.',
                found=f'{names[0]} and {name} differ in signs or in sizes at a level below',
                expected='branches of the same sizes and signs, in the same order',
                advice='Put blocks of different kinds in different blocks of a level above, '
                'with a negative index there.',
            )


def _refuse_sizes(names, sizes):
    """Name the blocks that differ in size, as far as there is room."""
    by_size = {}
    for name, size in zip(names, sizes, strict=True):
        by_size.setdefault(int(size), []).append(name)
    kinds = [
        f'size {size}: {", ".join(these[:5])}' + f' and {len(these) - 5} more' * (len(these) > 5)
        for size, these in sorted(by_size.items())
    ]
    raise ScheduleError(
        'Blocks of different sizes cannot be exchanged as wholes.',
        found='; '.join(kinds),
        expected='blocks of one size',
        advice='Exchange observations within blocks, or blocks of one size among themselves.',
    )


def _shape(block):
    return (block.exchanged, *map(_shape, block.branches))


def variance_groups(blocks):
    """Find the groups of observations whose errors must be of one variance.

    Observations that can be exchanged are in one group, and others are not [1]_: a block
    is a group if observations are exchangeable within blocks, and the i-th observations
    of all blocks are if these are exchangeable as wholes.

    Parameters
    ----------
    blocks : array-like of shape (N,) or (N, L), int
        See :func:`check_blocks`.

    Returns
    -------
    ndarray of shape (N,), int32
        Group of each observation, numbered from 0 by first appearance.

    Raises
    ------
    ScheduleError
        As :func:`check_blocks` does.

    Notes
    -----
    These are the groups of ``-vg auto`` in PALM, which numbers them from 1. They do not
    depend on whether observations are permuted or only their signs are flipped.

    References
    ----------
    .. [1] Winkler AM, Webster MA, Vidaurre D, Nichols TE, Smith SM (2015). Multi-level
       block permutation. NeuroImage 123:253-268.
       https://doi.org/10.1016/j.neuroimage.2015.05.092

    Examples
    --------
    >>> variance_groups(within_blocks(['a', 'b', 'b', 'a'])).tolist()
    [0, 1, 1, 0]
    >>> variance_groups(whole_blocks([1, 1, 1, 2, 2, 2])).tolist()
    [0, 1, 2, 0, 1, 2]
    """
    blocks = np.asarray(blocks)
    tree = plant(check_blocks(blocks, len(blocks) if blocks.ndim else 0))
    group = np.empty(len(tree.rows), dtype=np.int32)
    group[tree.rows] = _groups(tree)
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number.ravel()].astype(np.int32)


def _groups(block):
    """Groups of a block's observations, numbered from 0."""
    if not block.branches:
        return np.zeros(1, dtype=np.int32)
    if block.exchanged:
        return np.tile(_groups(block.branches[0]), len(block.branches))
    parts, used = [], 0
    for branch in block.branches:
        parts.append(_groups(branch) + used)
        used = parts[-1].max() + 1
    return np.concatenate(parts)
