import itertools
import math
import pickle
from functools import cache

import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import ScheduleError
from nistats_nipype.stats.blocks import (
    check_blocks,
    plant,
    variance_groups,
    whole_blocks,
    within_blocks,
)
from nistats_nipype.stats.exchange import count_relabellings, draw_schedule
from nistats_nipype.stats.permutation import merge, permute

ERRORS = ['exchangeable', 'symmetric', 'both']

# Blocks written out in full: the last column numbers observations. At most 8 of them, so
# that all N! orders can be tried one by one.
BLOCKS = {
    'free': [(1, i) for i in range(1, 7)],
    'fixed': [(-1, i) for i in range(1, 6)],
    'within': [(-1, 1, 1), (-1, 1, 2), (-1, 2, 3), (-1, 2, 4), (-1, 3, 5), (-1, 3, 6)],
    'within, unbalanced': [(-1, b, i) for i, b in enumerate([2, 1, 2, 2, 3, 1, 2], 1)],
    'whole pairs': [(1, -b, i) for i, b in enumerate([1, 1, 2, 2, 3, 3], 1)],
    'whole triples': [(1, -b, i) for i, b in enumerate([1, 2, 1, 2, 2, 1], 1)],
    'whole, numbered backwards': [(1, -1, 2), (1, -1, 1), (1, -2, 1), (1, -2, 2)],
    'whole and within': [(1, b, i) for i, b in enumerate([1, 1, 2, 2, 3, 3], 1)],
    'one fixed, one not': [(-1, -1, 1), (-1, -1, 2), (-1, 2, 1), (-1, 2, 2), (-1, 2, 3)],
    # Families of two kinds, each exchanged with those of its kind, and children in them.
    'families': [
        (-1, 1, 1, 1),
        (-1, 1, 1, 2),
        (-1, 1, 2, 3),
        (-1, 1, 2, 4),
        (-1, 2, 3, 5),
        (-1, 2, 3, 6),
        (-1, 2, 3, 7),
    ],
    # Wholes of a fixed single and a pair that is exchanged within.
    'mixed signs': [
        (1, -1, -1, 1),
        (1, -1, 2, 1),
        (1, -1, 2, 2),
        (1, -2, 2, 1),
        (1, -2, -1, 1),
        (1, -2, 2, 2),
    ],
    # Fixed above, wholes below: signs flip at the second level.
    'wholes in a fixed block': [
        (-1, 1, -1, 1),
        (-1, 1, -1, 2),
        (-1, 1, -2, 1),
        (-1, 1, -2, 2),
        (-1, -2, 1, 1),
        (-1, -2, 1, 2),
        (-1, -2, 3, 1),
    ],
    'three levels of wholes': [
        (1, family, pair, i)
        for i, (family, pair) in enumerate(itertools.product([1, 2], [1, 2, 1, 2]), 1)
    ],
    'wholes of one': [(1, -1, 1), (1, -2, 1), (1, -3, 1), (1, -4, 1)],
    'a chain': [(1, 1, 1, 1), (1, 1, 1, 2), (1, 1, 1, 3)],
}

X8 = np.array([0.4, -1.1, 2.3, 0.9, -0.6, 1.4, 3.1, -2.2])


def regressors(n):
    # Each with a contrast; not all are tested by all blocks.
    ones = np.ones(n)
    return {
        'slope': np.column_stack([ones, X8[:n]]),
        'alternating': np.column_stack([ones, np.arange(n) % 2]),
        'halves': np.column_stack([ones, np.arange(n) >= n // 2]),
        'opposite signs': np.column_stack([(-1.0) ** np.arange(n)]),
        'signs in pairs': np.column_stack([(-1.0) ** (np.arange(n) // 2)]),
        'zeros': np.column_stack([[0.0, 0, 1, 1, -1, 0, 2, 1][:n]]),
        'three values': np.column_stack([[1.0, 2, 2, 1, -1, -2, 1, 2][:n]]),
    }


# An independent definition, from the words of the papers: blocks map to blocks.


def children(blocks, rows, column):
    indices = sorted({blocks[row][column] for row in rows})
    return [[row for row in rows if blocks[row][column] == index] for index in indices]


def maps(order, blocks, source, target, column):
    """Whether an order takes one block to another as its index at a column says."""
    if {order[row] for row in source} != set(target):
        return False
    if column == len(blocks[0]) - 1:
        return True
    ours = children(blocks, source, column + 1)
    theirs = children(blocks, target, column + 1)
    if blocks[source[0]][column] < 0:
        pairs = zip(ours, theirs, strict=True)
        return all(maps(order, blocks, one, other, column + 1) for one, other in pairs)
    return all(
        any(maps(order, blocks, one, other, column + 1) for other in theirs) for one in ours
    )


@cache
def allowed_orders(name):
    blocks = BLOCKS[name]
    everything = list(range(len(blocks)))
    return [
        order
        for order in itertools.permutations(everything)
        if maps(order, blocks, everything, everything, 0)
    ]


@cache
def allowed_signs(name):
    """All signs that are one within the branches of the outermost positive index."""
    units = []
    for number, row in enumerate(BLOCKS[name]):
        positive = [column for column in range(len(row) - 1) if row[column] > 0]
        units.append(row[: positive[0] + 2] if positive else number)
    return [
        signs
        for signs in itertools.product([1, -1], repeat=len(units))
        if len(set(zip(units, signs, strict=True))) == len(set(units))
    ]


def arrangement(design, order, signs):
    rows = [None] * len(design)
    for i, j in enumerate(order):
        rows[j] = tuple(float(signs[i]) * value + 0.0 for value in design[i])
    return tuple(rows)


def all_arrangements(name, design, errors):
    n = len(design)
    orders = [tuple(range(n))] if errors == 'symmetric' else allowed_orders(name)
    signs = [(1,) * n] if errors == 'exchangeable' else allowed_signs(name)
    return {arrangement(design, order, flip) for order in orders for flip in signs}


def relabellings_of(schedule):
    shape = schedule.n_relabellings, schedule.n_observations
    orders = np.tile(np.arange(shape[1]), (shape[0], 1))
    orders = orders if schedule.orders is None else schedule.orders
    signs = np.ones(shape, dtype=int) if schedule.signs is None else schedule.signs
    return list(zip(map(tuple, orders.tolist()), map(tuple, signs.tolist()), strict=True))


def arrangements_of(schedule, design):
    return [arrangement(design, *pair) for pair in relabellings_of(schedule)]


def fields(schedule):
    return [None if field is None else np.asarray(field).tobytes() for field in schedule[:2]]


@pytest.mark.parametrize('errors', ERRORS)
@pytest.mark.parametrize('name', BLOCKS)
def test_every_different_arrangement_is_counted_and_listed_once(name, errors):
    n = len(BLOCKS[name])
    listed_any = False
    for design in regressors(n).values():
        expected = all_arrangements(name, design, errors)
        count = count_relabellings(design, errors, BLOCKS[name])
        assert count == len(expected)
        contrast = np.eye(design.shape[1])[-1]
        try:
            schedule = draw_schedule(
                design, contrast, errors=errors, blocks=BLOCKS[name], n_perm=50000
            )
        except ScheduleError:
            # Nothing that is tested moves.
            assert len({rows_of_last(rows) for rows in expected}) == 1
            continue
        listed_any = True
        listed = arrangements_of(schedule, design)
        assert schedule.exhaustive
        assert schedule.n_possible == schedule.n_relabellings == len(listed) == count
        assert set(listed) == expected
        assert relabellings_of(schedule)[0] == (tuple(range(n)), (1,) * n)
        allowed = set(allowed_orders(name)), set(allowed_signs(name))
        for order, signs in relabellings_of(schedule):
            assert order in allowed[0]
            assert signs in allowed[1]
    assert listed_any == (errors != 'exchangeable' or name != 'fixed')


def rows_of_last(rows):
    return tuple(row[-1] for row in rows)


# Those that allow only one relabelling beside the observed one, or none.
FEW = {
    ('fixed', 'exchangeable'),
    ('whole triples', 'exchangeable'),
    ('whole, numbered backwards', 'exchangeable'),
    ('a chain', 'symmetric'),
}


@pytest.mark.parametrize(
    ('name', 'errors'), [case for case in itertools.product(BLOCKS, ERRORS) if case not in FEW]
)
def test_drawn_relabellings_are_allowed_and_do_not_repeat(name, errors):
    n = len(BLOCKS[name])
    design = regressors(n)['slope']
    n_possible = count_relabellings(design, errors, BLOCKS[name])
    n_perm = min(n_possible - 2, 60)
    schedule = draw_schedule(
        design, [0, 1], errors=errors, blocks=BLOCKS[name], n_perm=n_perm, seed=4
    )
    assert not schedule.exhaustive
    assert schedule.n_relabellings == len(set(arrangements_of(schedule, design))) == n_perm + 1
    orders, signs = map(set, zip(*relabellings_of(schedule), strict=True))
    assert orders <= set(allowed_orders(name))
    assert signs <= set(allowed_signs(name))


@pytest.mark.parametrize(
    ('name', 'errors'),
    [
        ('within, unbalanced', 'exchangeable'),
        ('whole and within', 'exchangeable'),
        ('families', 'exchangeable'),
        ('mixed signs', 'exchangeable'),
        ('wholes in a fixed block', 'symmetric'),
        ('wholes in a fixed block', 'both'),
        ('mixed signs', 'both'),
    ],
)
@pytest.mark.parametrize('kind', ['slope', 'three values'])
def test_drawn_arrangements_are_equally_likely(name, errors, kind):
    # Sampling without replacement, the observed one left out.
    design = regressors(len(BLOCKS[name]))[kind]
    contrast = np.eye(design.shape[1])[-1]
    others = count_relabellings(design, errors, BLOCKS[name]) - 1
    n_perm = max(1, others // 3)
    n_seeds = 30 * others // n_perm
    seen = {}
    for seed in range(n_seeds):
        schedule = draw_schedule(
            design, contrast, n_perm=n_perm, seed=seed, errors=errors, blocks=BLOCKS[name]
        )
        for drawn in arrangements_of(schedule, design)[1:]:
            seen[drawn] = seen.get(drawn, 0) + 1
    share = n_perm / others
    counts = np.array(list(seen.values()))
    assert counts.size == others
    statistic = ((counts - n_seeds * share) ** 2).sum() / (n_seeds * share * (1 - share))
    assert stats.chi2.sf(statistic * (others - 1) / others, others - 1) > 1e-3


def test_drawn_relabellings_are_equally_likely_before_repeats_are_removed():
    # 2 families of 2 in which all change places: 8 orders, 4 signs of whole families.
    blocks = whole_blocks([1, 1, 2, 2], within=True)
    design = np.column_stack([np.ones(4), [1.0, 2, 4, 8]])
    expected = 8 * 4
    seen = {}
    for seed in range(40 * expected):
        pair = relabellings_of(
            draw_schedule(design, [0, 1], n_perm=1, seed=seed, errors='both', blocks=blocks)
        )[1]
        seen[pair] = seen.get(pair, 0) + 1
    assert len(seen) == expected - 1
    assert stats.chisquare(list(seen.values())).pvalue > 1e-3


def test_counts_are_exact_however_large():
    # 50 families of 4: wholes and children.
    blocks = whole_blocks(np.repeat(range(50), 4), within=True)
    slope = np.arange(200.0)[:, None]
    n_orders = math.factorial(50) * 24**50
    assert count_relabellings(slope + 1, 'exchangeable', blocks) == n_orders
    assert count_relabellings(slope + 1, 'symmetric', blocks) == 2**50
    assert count_relabellings(slope + 1, 'both', blocks) == n_orders * 2**50
    # Two groups of 25 families; the first child of each is a case.
    group = np.repeat([0.0, 1], 100)
    case = np.tile([1.0, 0, 0, 0], 50)
    assert count_relabellings(np.column_stack([group, case]), 'exchangeable', blocks) == (
        math.comb(50, 25) * 4**50
    )
    assert count_relabellings(
        np.column_stack([group, case]), 'exchangeable', within_blocks(np.repeat(range(50), 4))
    ) == (4**50)


def test_free_blocks_are_no_blocks():
    design = np.column_stack([np.ones(12), np.arange(12)])
    for errors in ERRORS:
        for blocks in (
            np.column_stack([np.ones(12), np.arange(1, 13)]),
            np.ones(12),
            within_blocks(['all'] * 12),
        ):
            with_blocks, without = (
                draw_schedule(design, [0, 1], n_perm=50, errors=errors, blocks=given)
                for given in (blocks, None)
            )
            assert fields(with_blocks) == fields(without)
            assert with_blocks.n_possible == without.n_possible


@pytest.mark.parametrize('errors', ERRORS)
@pytest.mark.parametrize('n_perm', [10, 300, 1000])
def test_a_longer_schedule_starts_with_the_shorter(errors, n_perm):
    design = np.column_stack([np.ones(30), np.arange(30)])
    blocks = whole_blocks(np.repeat(range(10), 3), within=True)
    if errors == 'symmetric':
        n_perm = min(n_perm, 500)  # of 1024 that are possible
    short, long = (
        draw_schedule(design, [0, 1], n_perm=n, seed=9, errors=errors, blocks=blocks)
        for n in (n_perm, n_perm + 400)
    )
    for few, many in zip(short[:2], long[:2], strict=True):
        if few is not None:
            np.testing.assert_array_equal(few, many[: n_perm + 1])


@pytest.mark.parametrize('errors', ERRORS)
def test_a_drawn_row_depends_on_seed_number_and_blocks_only(errors):
    blocks = whole_blocks(np.repeat(range(40), 2), within=True)
    designs = [
        np.column_stack([np.ones(80), np.arange(80)]),
        np.column_stack([np.tile([1, -1], 40), np.arange(80) ** 2]),
        np.column_stack([np.ones(80), np.arange(80) % 7]),
    ]
    one, *others = (
        draw_schedule(design, [0, 1], n_perm=30, seed=5, errors=errors, blocks=blocks)
        for design in designs
    )
    for other in others:
        assert fields(other) == fields(one)
    moved = draw_schedule(designs[0], [0, 1], n_perm=30, seed=6, errors=errors, blocks=blocks)
    for ours, theirs in zip(one[:2], moved[:2], strict=True):
        if ours is not None:
            assert (ours[1:] != theirs[1:]).any(axis=1).all()


def test_words_are_read_from_the_root_on():
    # Two wholes of two: 2 words for the wholes, 2 and 2 for what is in them, 2 for signs.
    blocks = whole_blocks([1, 1, 2, 2], within=True)
    design = np.column_stack([np.ones(4), [1.0, 2, 4, 8]])
    schedule = draw_schedule(design, [0, 1], n_perm=5, seed=3, errors='both', blocks=blocks)
    rows = []
    for b in range(1, 6):
        words = np.random.Philox(key=3, counter=[0, b, 0, 0]).random_raw(8).tolist()
        swapped = words[0] > words[1]
        order = []
        for block in (0, 1):
            start = 2 * (block ^ swapped)
            inner = words[2 + 2 * block] > words[3 + 2 * block]
            order += [start + inner, start + 1 - inner]
        signs = [1 if words[6 + block] >> 63 else -1 for block in (0, 0, 1, 1)]
        rows.append((tuple(order), tuple(signs)))
    assert relabellings_of(schedule)[1:] == rows


# Tests of hypotheses with a known answer


def run(values, design, contrast, schedule, sidedness='two-sided'):
    chunk = permute(values, design, contrast, schedule, sidedness=sidedness)
    return merge([chunk], design, contrast, sidedness=sidedness)


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
def test_paired_scans_are_the_same_as_signs_of_differences(sidedness):
    rng = np.random.default_rng(12)
    n = 8
    values = rng.standard_normal((2 * n, 5)) + np.repeat(rng.standard_normal((n, 5)), 2, axis=0)
    values[1::2] += 0.7
    subject = np.repeat(np.arange(n), 2)
    shuffled = rng.permutation(2 * n)
    values, subject = values[shuffled], subject[shuffled]
    condition = (shuffled % 2).astype(float)
    design = np.column_stack([np.eye(n)[subject], condition])
    contrast = np.eye(n + 1)[-1]
    schedule = draw_schedule(design, contrast, blocks=within_blocks(subject))
    assert (schedule.errors, schedule.exhaustive) == ('exchangeable', True)
    assert schedule.n_possible == 2**n
    paired = run(values, design, contrast, schedule, sidedness)

    scan = {(s, c): row for row, s, c in zip(values, subject, condition, strict=True)}
    differences = np.array([scan[s, 1] - scan[s, 0] for s in range(n)])
    ones = np.ones((n, 1))
    signs = draw_schedule(ones, [1])
    assert (signs.errors, signs.n_possible) == ('symmetric', 2**n)
    one_sample = run(differences, ones, [1], signs, sidedness)
    np.testing.assert_allclose(paired.stat, one_sample.stat, rtol=1e-10)
    np.testing.assert_allclose(
        paired.stat, stats.ttest_1samp(differences, 0).statistic, rtol=1e-10
    )
    np.testing.assert_array_equal(paired.p_uncorrected, one_sample.p_uncorrected)
    np.testing.assert_array_equal(paired.p_fwe, one_sample.p_fwe)
    np.testing.assert_allclose(np.sort(paired.null), np.sort(one_sample.null), rtol=1e-10)


def f_of_conditions(values):
    """F of a two-way layout (subjects, conditions, points) without replication."""
    n_subjects, n_conditions = values.shape[:2]
    grand = values.mean(axis=(0, 1))
    of_subject = values.mean(axis=1, keepdims=True)
    of_condition = values.mean(axis=0, keepdims=True)
    effect = n_subjects * ((of_condition - grand) ** 2).sum(axis=(0, 1))
    error = ((values - of_subject - of_condition + grand) ** 2).sum(axis=(0, 1))
    dof = (n_conditions - 1) * (n_subjects - 1)
    return effect / (n_conditions - 1) / (error / dof)


def test_repeated_measures_are_permuted_within_subjects():
    rng = np.random.default_rng(5)
    n_subjects, n_conditions = 4, 3
    values = rng.standard_normal((n_subjects, n_conditions, 6))
    values += rng.standard_normal((n_subjects, 1, 6))
    values[:, 1] += 1.5
    everything = list(itertools.permutations(range(n_conditions)))
    null = np.array(
        [
            f_of_conditions(np.array([values[s, list(o)] for s, o in enumerate(orders)]))
            for orders in itertools.product(everything, repeat=n_subjects)
        ]
    )
    observed = f_of_conditions(values)
    subject = np.repeat(np.arange(n_subjects), n_conditions)
    condition = np.tile(np.arange(n_conditions), n_subjects)
    design = np.column_stack([np.eye(n_subjects)[subject], np.eye(n_conditions)[condition][:, 1:]])
    contrast = np.eye(design.shape[1])[-2:]
    schedule = draw_schedule(design, contrast, blocks=subject + 1)
    assert schedule.exhaustive
    assert schedule.n_possible == 6**n_subjects == len(null)
    result = run(values.reshape(-1, 6), design, contrast, schedule)
    np.testing.assert_allclose(result.stat, observed, rtol=1e-10)
    reached = null >= observed * (1 - 1e-9)
    np.testing.assert_array_equal(result.p_uncorrected, reached.mean(axis=0))
    reached = null.max(axis=1)[:, None] >= observed * (1 - 1e-9)
    np.testing.assert_array_equal(result.p_fwe, reached.mean(axis=0))
    np.testing.assert_allclose(np.sort(result.null), np.sort(null.max(axis=1)), rtol=1e-8)


def test_groups_of_subjects_with_two_scans_are_exchanged_as_wholes():
    # The same F and p as if the mean of each subject's scans was permuted: squared
    # deviations from it are the same in every relabelling, and so is what they add to t.
    rng = np.random.default_rng(8)
    n = 6
    scans = rng.standard_normal((n, 2, 4)) + rng.standard_normal((n, 1, 4))
    scans[3:] += 1.0
    group = np.repeat([0.0, 1], 3)
    design = np.column_stack([np.ones(2 * n), np.repeat(group, 2)])
    schedule = draw_schedule(design, [0, 1], blocks=whole_blocks(np.repeat(range(n), 2)))
    assert schedule.n_possible == math.comb(6, 3)
    wholes = run(scans.reshape(2 * n, 4), design, [0, 1], schedule)
    design = np.column_stack([np.ones(n), group])
    means = run(scans.mean(axis=1), design, [0, 1], draw_schedule(design, [0, 1]))
    np.testing.assert_array_equal(wholes.p_uncorrected, means.p_uncorrected)


def test_the_mean_of_families_is_tested_by_signs_of_families():
    rng = np.random.default_rng(9)
    values = rng.standard_normal((12, 3)) + np.repeat(rng.standard_normal((6, 3)), 2, axis=0)
    family = np.repeat(range(6), 2)
    ones = np.ones((12, 1))
    schedule = draw_schedule(ones, [1], blocks=whole_blocks(family))
    assert (schedule.errors, schedule.n_possible) == ('symmetric', 2**6)
    assert (schedule.signs[:, ::2] == schedule.signs[:, 1::2]).all()
    result = run(values, ones, [1], schedule)
    sums = values.reshape(6, 2, 3).sum(axis=1)
    null = np.array([np.array(s) @ sums for s in itertools.product([1, -1], repeat=6)])
    # With the sum of squares fixed, |t| grows with the absolute sum.
    expected = (np.abs(null) >= np.abs(sums.sum(axis=0)) * (1 - 1e-12)).mean(axis=0)
    np.testing.assert_array_equal(result.p_uncorrected, expected)


# Variance groups


@pytest.mark.parametrize('name', BLOCKS)
def test_variance_groups_are_the_observations_that_change_places(name):
    # Each observation with the first of those that some allowed order puts in its place.
    first = np.min(allowed_orders(name), axis=0).tolist()
    expected = [sorted(set(first)).index(row) for row in first]
    groups = variance_groups(BLOCKS[name])
    assert groups.dtype == np.int32
    assert groups.tolist() == expected


@pytest.mark.parametrize(
    ('blocks', 'expected'),
    [
        # The examples of PALM's manual, which numbers groups from 1.
        ([1, 1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 2, 2, 2]),
        (whole_blocks([1, 1, 1, 2, 2, 2]), [1, 2, 3, 1, 2, 3]),
        ([(1, i) for i in range(1, 7)], [1] * 6),
        (
            [(-1, 1, 1), (-1, 1, 2), (-1, 2, 1), (-1, 2, 2), (-1, 3, 1), (-1, 3, 2)],
            [1, 1, 2, 2, 3, 3],
        ),
        ([(1, 1), (1, 1), (1, 2), (1, 2), (1, 3), (1, 3)], [1, 2] * 3),
        ([(1, -1, 1), (1, -1, 2), (1, -2, 1), (1, -2, 2), (1, -3, 1), (1, -3, 2)], [1, 2] * 3),
    ],
)
def test_variance_groups_are_those_of_the_manual(blocks, expected):
    assert (variance_groups(blocks) + 1).tolist() == expected


# The format


def test_short_forms_mean_the_same_as_the_long():
    labels = [3, 1, 1, 3, 1, 3]
    names = np.array(['', 'b', '', 'a'])[labels]
    design = np.column_stack([np.ones(6), X8[:6]])

    def all_of(blocks):
        return fields(draw_schedule(design, [0, 1], errors='both', blocks=blocks, n_perm=10**5))

    within = [(-1, label, i) for i, label in enumerate(labels, 1)]
    assert all_of(labels) == all_of(np.array(labels)[:, None]) == all_of(within)
    assert all_of(np.array(labels, dtype=float)) == all_of(within_blocks(labels))
    # Names are in another order, but the relabellings are the same.
    one, other = (
        draw_schedule(design, [0, 1], blocks=within_blocks(given)) for given in (labels, names)
    )
    assert set(relabellings_of(one)) == set(relabellings_of(other))
    whole = [(1, -label, i) for i, label in enumerate(labels, 1)]
    assert all_of([(1, label) for label in labels]) is not None
    for blocks in ([(1, label) for label in labels], [(1, -label) for label in labels]):
        one, other = (draw_schedule(design, [0, 1], blocks=given) for given in (blocks, whole))
        assert set(relabellings_of(one)) == set(relabellings_of(other))
    assert all_of(whole_blocks(labels)) == all_of(whole)
    assert all_of(whole_blocks(labels, within=True)) == all_of(np.abs(whole))


def test_a_single_column_fixes_blocks_of_negative_index():
    schedule = draw_schedule(np.arange(6.0)[:, None], [1], blocks=[-1, -1, -1, 2, 2, 2])
    assert schedule.n_possible == 6
    assert (schedule.orders[:, :3] == np.arange(3)).all()


def test_blocks_can_be_read_back():
    for name, blocks in BLOCKS.items():
        checked = check_blocks(blocks, len(blocks))
        assert checked.tolist() == np.array(blocks).tolist(), name
        np.testing.assert_array_equal(check_blocks(checked, len(blocks)), checked)
    assert check_blocks([4, 4, 2], 3).tolist() == [[-1, 4, 1], [-1, 4, 2], [-1, 2, 3]]


def test_a_tree_holds_every_observation_once():
    for blocks in BLOCKS.values():
        assert sorted(plant(np.array(blocks)).rows.tolist()) == list(range(len(blocks)))


def test_a_schedule_keeps_its_blocks():
    design = np.column_stack([np.ones(6), X8[:6]])
    schedule = draw_schedule(design, [0, 1], blocks=[1, 1, 1, 2, 2, 2])
    assert schedule.blocks.tolist() == within_blocks([1, 1, 1, 2, 2, 2]).tolist()
    back = pickle.loads(pickle.dumps(schedule))
    np.testing.assert_array_equal(back.blocks, schedule.blocks)
    assert fields(back) == fields(schedule)
    again = draw_schedule(design, [0, 1], blocks=back.blocks)
    assert fields(again) == fields(schedule)
    assert draw_schedule(design, [0, 1]).blocks is None
    schedule.check_design(design * 2, [1])
    with pytest.raises(ScheduleError, match='other groups of equal rows'):
        schedule.check_design(np.column_stack([np.ones(6), np.repeat([0, 1], 3)]), [1])


def test_a_schedule_knows_rows_of_opposite_sign():
    # In a block that flips as a whole, a swap is the same as a flip for one of these designs.
    blocks = whole_blocks([1, 1, 2, 2], within=True)
    opposite, equal = np.array([[1.0], [-1], [1], [-1]]), np.ones((4, 1))
    schedule = draw_schedule(opposite, [1], errors='both', blocks=blocks)
    schedule.check_design(-3 * opposite, [1])
    with pytest.raises(ScheduleError, match='other groups of equal rows'):
        schedule.check_design(equal, [1])


# What is refused


@pytest.mark.parametrize(
    ('blocks', 'message', 'found'),
    [
        ([1, 1, 0, 0, 2, 2], 'cannot be read', '0 in row 2, column 0'),
        ([(1, 1), (1, 2), (1, 3), (1, 4), (1, 0), (1, 6)], 'cannot be read', 'row 4, column 1'),
        ([1, 1, 1.5, 1, 2, 2], 'cannot be read', '1.5 in row 2'),
        ([1, 1, np.nan, 1, 2, 2], 'cannot be read', 'nan in row 2'),
        ([1, 1, 1, 1, np.inf, 2], 'cannot be read', 'inf in row 4'),
        (['a', 'a', 'a', 'b', 'b', 'b'], 'cannot be read', 'type <U1'),
        ([1, 1, 2, 2, 3], 'do not fit the design', 'shape (5,)'),
        (np.ones((6, 2, 2)), 'do not fit the design', 'shape (6, 2, 2)'),
        (np.ones((6, 0)), 'do not fit the design', 'shape (6, 0)'),
        (np.ones(()), 'do not fit the design', 'shape ()'),
        ([(b, i) for i, b in enumerate([1, 1, 1, 2, 2, 2], 1)], 'more than one index', '1, 2'),
        ([(b, i) for i, b in enumerate([1, 1, 1, -1, 1, 1], 1)], 'more than one index', '-1, 1'),
        (
            [(1, -b, i) for i, b in enumerate([1, 1, 2, 2, 2, 2], 1)],
            'Blocks of different sizes',
            'size 2: block -1 in column 1; size 4: block -2 in column 1',
        ),
        (
            [(-1, 5, b, i) for i, b in enumerate([1, 1, 1, 2, 2, 3], 1)],
            'Blocks of different sizes',
            'size 1: block 3 in column 2; size 2: block 2 in column 2; size 3: block 1 in',
        ),
        (
            [(1, b, i) for i, b in enumerate([1, 1, 1, -2, -2, -2], 1)],
            'not built alike',
            'block -2 in column 1 and block 1 in column 1',
        ),
        (
            # Of one size, but 1 + 2 observations and 2 + 1.
            np.column_stack(
                [np.ones(6), [-1, -1, -1, -2, -2, -2], [1, 2, 2, 1, 1, 2], range(1, 7)]
            ),
            'not built alike',
            'block -2 in column 1 and block -1 in column 1',
        ),
        (
            [(-1, b) for b in (1, 1, 2, 2, 3, 3)],
            'do not say whether',
            'positive index 1 for 2 observations in the last column',
        ),
    ],
)
def test_blocks_that_cannot_be_exchanged(blocks, message, found):
    design = np.column_stack([np.ones(6), X8[:6]])
    for call in (
        lambda: draw_schedule(design, [0, 1], blocks=blocks),
        lambda: count_relabellings(design, 'exchangeable', blocks),
    ):
        with pytest.raises(ScheduleError, match=message) as caught:
            call()
        assert found in caught.value.found
    if 'fit' not in message or np.ndim(blocks) == 0:
        with pytest.raises(ScheduleError, match=message):
            variance_groups(blocks)


def test_whole_blocks_of_names_name_those_that_differ():
    with pytest.raises(ScheduleError, match='different sizes') as caught:
        whole_blocks(['ann', 'ann', 'bob', 'cat', 'cat', 'dan'])
    assert caught.value.found == ('size 1: block bob, block dan; size 2: block ann, block cat')
    with pytest.raises(ScheduleError, match='different sizes') as caught:
        whole_blocks([*range(9), 9, 9])
    assert 'block 4 and 4 more;' in caught.value.found


@pytest.mark.parametrize('labels', [[], [['a', 'b']], 'a'])
@pytest.mark.parametrize('make', [within_blocks, whole_blocks])
def test_labels_are_a_list(make, labels):
    with pytest.raises(ScheduleError, match='not a list'):
        make(labels)


AGE6 = [31.0, 45, 27, 60, 38, 51]


@pytest.mark.parametrize(
    ('design', 'contrast', 'blocks', 'errors'),
    [
        # A group of subjects is constant within them ...
        (np.repeat(np.eye(2), 3, axis=0), [1, -1], [1, 1, 1, 2, 2, 2], 'auto'),
        # ... and exchanging only the scans' ages says nothing about it.
        (
            np.column_stack([np.repeat(np.eye(2), 3, axis=0), AGE6]),
            [1, -1, 0],
            [1, 1, 1, 2, 2, 2],
            'auto',
        ),
        # Conditions are the same in all wholes.
        (np.tile(np.eye(3), (2, 1)), [1, -1, 0], whole_blocks([1, 1, 1, 2, 2, 2]), 'auto'),
        (
            np.tile(np.eye(3), (2, 1)),
            [[1, -1, 0], [0, 1, -1]],
            whole_blocks([1] * 3 + [2] * 3),
            'auto',
        ),
        # The sum of two regressors is constant in blocks, but for rounding.
        (
            np.column_stack([np.divide(AGE6, 7), np.repeat([0.1, 0.7], 3) - np.divide(AGE6, 7)]),
            [1, 1],
            [1, 1, 1, 2, 2, 2],
            'exchangeable',
        ),
        # All blocks stay in place.
        (np.column_stack([np.ones(6), AGE6]), [0, 1], [-1, -1, -1, -2, -2, -2], 'auto'),
        (np.ones((6, 1)), [1], [1, 1, 1, 2, 2, 2], 'exchangeable'),
    ],
)
def test_blocks_that_the_design_contradicts(design, contrast, blocks, errors):
    with pytest.raises(ScheduleError, match='design and its blocks allow no relabelling'):
        draw_schedule(design, contrast, blocks=blocks, errors=errors)


def test_what_the_blocks_exchange_can_be_tested():
    design = np.column_stack([np.repeat(np.eye(2), 3, axis=0), AGE6])
    # Age within groups, though group is not.
    assert draw_schedule(design, [0, 0, 1], blocks=[1, 1, 1, 2, 2, 2]).n_possible == 36
