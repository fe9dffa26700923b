"""Which relabellings a design allows, counted, enumerated and drawn."""

from hashlib import blake2b

import numpy as np

from ..exceptions import ScheduleError
from .blocks import check_blocks, plant, variance_groups
from .design import Partition, check_contrast, check_design, partition
from .methods import WITH_RESIDUALS, check_method
from .schedule import Schedule, relabelled_rows
from .tree import (
    classify,
    count_states,
    count_words,
    find_states,
    free_tree,
    list_relabellings,
    read_words,
)
from .welch import check_groups

#: Assumptions about the errors under the null hypothesis.
ERRORS = ('auto', 'exchangeable', 'symmetric', 'both')

#: Relabellings drawn at a time, and the random words for them; no influence on the result.
_BATCH, _WORDS = 256, 2**22


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


def count_relabellings(design, errors, blocks=None):
    """Count the relabellings that can give different statistics, the observed one included.

    Two relabellings are the same if they give the same statistic whatever the data.
    That depends on the rows of the whole design, nuisance included: with a nuisance
    that varies, rows with equal values of interest are not interchangeable.

    Parameters
    ----------
    design : array-like of shape (N, P)
        The whole design.
    errors : {'exchangeable', 'symmetric', 'both'}
    blocks : array-like of shape (N,) or (N, L), int, optional
        Exchangeability blocks, see :func:`nistats_nipype.stats.blocks.check_blocks`.

    Returns
    -------
    int
        Exact, however large.

    Raises
    ------
    ScheduleError
        If the blocks do not fit the design, or cannot be exchanged as they say.

    Examples
    --------
    >>> count_relabellings([[0], [0], [1], [1], [1]], 'exchangeable')
    10
    >>> count_relabellings([[0], [0], [1], [1], [1]], 'exchangeable', [1, 1, 1, 2, 2])
    3
    >>> count_relabellings(np.ones((12, 1)), 'symmetric')
    4096
    """
    design = check_design(design)
    tree, _ = _tree(blocks, len(design))
    return count_states(tree, classify(design, errors))


def _tree(blocks, n_observations):
    """The tree of the blocks, and the blocks in their multi-level form."""
    if blocks is None:
        return free_tree(n_observations), None
    blocks = check_blocks(blocks, n_observations)
    return plant(blocks), blocks


def draw_schedule(
    design,
    contrast,
    *,
    n_perm=10000,
    seed=0,
    errors='auto',
    blocks=None,
    method='freedman-lane',
    groups=None,
):
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
        Non-negative and below 2 ** 128. A drawn relabelling b depends on (seed, b), N and
        the blocks only, but for the removal of repeats; the design decides which are repeats.
    errors : {'auto', 'exchangeable', 'symmetric', 'both'}, default 'auto'
        What is assumed of the errors: permute, flip signs, or both. 'auto' chooses by the
        contrast; but where variance groups are given, and the blocks do not keep permutations
        within these, signs are flipped: errors of different variance are not exchangeable.
    blocks : array-like of shape (N,) or (N, L), int, optional
        Exchangeability blocks in the format of PALM, for dependent observations: see
        :func:`nistats_nipype.stats.blocks.check_blocks` for what is permuted and what is
        flipped, :func:`nistats_nipype.stats.blocks.within_blocks` and
        :func:`nistats_nipype.stats.blocks.whole_blocks` to make them. All observations
        are exchangeable by default.
    method : str, default 'freedman-lane'
        What is relabelled, see :func:`nistats_nipype.stats.methods.make_method`.
    groups : array-like of shape (N,), optional
        Variance groups: a label for each observation, those of one label having errors of one
        variance. The statistic is then v instead of t, G instead of F, see
        :func:`nistats_nipype.stats.welch.welch`. Groups stay with the rows of the design.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        If ``n_perm``, ``seed``, ``errors`` or ``method`` is out of range, if the blocks do not
        fit the design, the method, or cannot be exchanged as they say, or if design and blocks
        allow no relabelling beside the observed one, or none that moves what the contrast tests.
    DesignError
        If the variance groups do not fit the design.

    Notes
    -----
    The generator is Philox, a counter-based one [1]_, read as raw 64-bit words, whose
    stream numpy guarantees; orders come from sorting words. With blocks, all that they
    allow is drawn with equal probability: branches of the tree of blocks are sorted by words,
    from the root on, each block before its branches, and further words give the signs.

    v and G make permutations between variance groups valid in large groups only. In 200 null
    groups of 6 and 14 maps whose deviations were as 3 to 1, 10 of which should have given a
    corrected p of .05 or less, 70 did with permutations and 5 with sign flips.

    Where PALM draws permutations and sign flips in two sets without repeats and combines
    these, here the combinations are drawn, and it is they that do not repeat.

    References
    ----------
    .. [1] Salmon JK, Moraes MA, Dror RO, Shaw DE (2011). Parallel random numbers: as
       easy as 1, 2, 3. SC '11. https://doi.org/10.1145/2063384.2063405

    Examples
    --------
    >>> schedule = draw_schedule(np.ones((3, 1)), [1], n_perm=100)
    >>> schedule.exhaustive, schedule.n_possible, schedule.signs[0].tolist()
    (True, 8, [1, 1, 1])

    Three subjects with two scans each, of which the order is exchangeable:

    >>> design = np.column_stack([np.eye(3)[[0, 0, 1, 1, 2, 2]], [0, 1, 0, 1, 0, 1]])
    >>> schedule = draw_schedule(design, [0, 0, 0, 1], blocks=[1, 1, 2, 2, 3, 3])
    >>> schedule.n_possible, schedule.orders[1].tolist()
    (8, [1, 0, 2, 3, 4, 5])
    """
    _check_request(n_perm, seed, errors)
    _check_method(method, blocks, groups)
    design = check_design(design)
    contrast = check_contrast(design, contrast)
    groups = None if groups is None else check_groups(groups, len(design))
    if errors == 'auto':
        mixed = _mix_groups(groups, blocks)
        errors = 'symmetric' if mixed else choose_errors(partition(design, contrast))
    relabelled = relabelled_rows(design, contrast, method)
    tree, blocks = _tree(blocks, len(relabelled))
    rows = classify(relabelled, errors, groups)
    n_possible = count_states(tree, rows)
    if blocks is None:
        _check_possible(n_possible, errors, len(relabelled))
    else:
        _check_blocks_move(n_possible, tree, design, contrast, errors)
    exhaustive = n_possible <= n_perm + 1
    if exhaustive:
        orders, signs = list_relabellings(tree, rows)
    else:
        orders, signs = _draw(tree, rows, n_perm, seed, errors)
    return Schedule(
        signs=None if errors == 'exchangeable' else signs,
        orders=None if errors == 'symmetric' else orders,
        n_possible=n_possible,
        exhaustive=exhaustive,
        errors=errors,
        row_classes=rows.classes,
        blocks=blocks,
        method=method,
        groups=groups,
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


def _check_method(method, blocks, groups):
    """Refuse a method that cannot keep to blocks or variance groups."""
    check_method(method)
    if method == 'huh-jhun' and blocks is not None:
        raise ScheduleError(
            'Huh and Jhun cannot permute within exchangeability blocks.',
            found='blocks',
            expected='observations that are all exchangeable',
            advice='What they permute are combinations of observations, which belong to no '
            'block. Choose freedman-lane.',
        )
    if groups is not None and method not in WITH_RESIDUALS:
        raise ScheduleError(
            'Variance groups cannot be had with this method of permutation.',
            found=method,
            expected=', '.join(WITH_RESIDUALS),
            advice='v and G need residuals of each observation from the design as it is.',
        )


def _mix_groups(groups, blocks):
    """Whether observations of different variance groups can change places."""
    if groups is None or blocks is None:
        return groups is not None
    exchanged = variance_groups(blocks)
    return len(np.unique(np.column_stack([exchanged, groups]), axis=0)) > exchanged.max() + 1


def _check_possible(n_possible, errors, n_observations):
    if n_possible < 2:
        raise ScheduleError(
            'The design allows no relabelling beside the observed one.',
            found=f'errors taken as {errors}, {n_observations} observations with equal rows',
            expected='at least 2 different relabellings',
            advice="Choose errors='symmetric' (--errors symmetric) to test a mean by sign flips.",
        )


def _check_blocks_move(n_possible, tree, design, contrast, errors):
    """Refuse blocks within which the design, or what the contrast tests of it, is constant.

    With ``E = D pinv(C)`` the regressors of the effect and e the residuals of the nuisance,
    a relabelling P that leaves E as it is leaves ``E' P e`` at the observed ``E' e``: only
    the nuisance would be relabelled.
    """
    if n_possible < 2:
        moved, n_tested = 'rows of the design', n_possible
    else:
        effect = design @ np.linalg.pinv(contrast)
        # What rounding has made different is equal here.
        effect = np.round(effect / np.abs(effect).max(axis=0), 12) + 0.0
        moved = 'values of the regressor that the contrast tests'
        n_tested = count_states(tree, classify(effect, errors))
    if n_tested < 2:
        raise ScheduleError(
            'The design and its blocks allow no relabelling beside the observed one.',
            found=f'errors taken as {errors}, equal {moved} wherever the blocks let '
            'observations be exchanged',
            expected=f'blocks that exchange observations with different {moved}',
            advice='An effect between blocks is tested by exchanging blocks as wholes, one '
            'within blocks by exchanging observations in them, a mean by sign flips '
            "(errors='symmetric').",
        )


def _draw(tree, rows, n_perm, seed, errors):
    """Orders and signs of the observed labelling and of ``n_perm`` different others.

    None for the orders of symmetric errors, and for the signs of exchangeable ones.
    """
    n = len(rows.label)
    observed = np.arange(n, dtype=np.int32), np.ones(n, dtype=np.int8)
    unused = {'symmetric': 0, 'exchangeable': 1}.get(errors)
    kept = [
        None if index == unused else np.tile(row, (n_perm + 1, 1))
        for index, row in enumerate(observed)
    ]
    seen = {_code(rows.label, rows.polarity)}
    n_words = sum(count_words(tree))
    n_batch = max(1, min(_BATCH, n_perm, _WORDS // n_words))
    counter = 0
    while True:
        words = np.empty((n_batch, n_words), dtype=np.uint64)
        for row in words:
            counter += 1
            row[:] = np.random.Philox(key=seed, counter=[0, counter, 0, 0]).random_raw(n_words)
        drawn = read_words(tree, rows, words)
        states = find_states(rows, *drawn)
        for index, state in enumerate(zip(*states, strict=True)):
            code = _code(*state)
            if code not in seen:
                for out, each in zip(kept, drawn, strict=True):
                    if out is not None:
                        out[len(seen)] = each[index]
                seen.add(code)
            if len(seen) > n_perm:
                return kept


def _code(label, state):
    """What tells relabellings apart, in little room.

    Of 10,000 relabellings two share it with a probability below 1e-30.
    """
    return blake2b(label.tobytes() + state.tobytes(), digest_size=16).digest()
