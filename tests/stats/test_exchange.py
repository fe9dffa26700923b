import itertools
import math
import pickle

import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import ContrastError, DesignError, ScheduleError
from nistats_nipype.stats.design import partition
from nistats_nipype.stats.exchange import choose_errors, count_relabellings, draw_schedule

X6 = np.array([0.3, -1.2, 2.2, 0.7, -0.4, 1.9])
X5 = X6[:5]
ONE5, ONE6 = np.ones(5), np.ones(6)
AB6 = np.array([0.0, 0, 0, 1, 1, 1])

# Small enough to enumerate, N! * 2**N and all.
DESIGNS = {
    'mean': (np.ones((5, 1)), [1]),
    'two groups': (np.column_stack([ONE6, AB6]), [0, 1]),
    'cell means, unbalanced': (np.eye(2)[[0, 0, 1, 1, 1]], [-1, 1]),
    'regression': (np.column_stack([ONE5, X5]), [0, 1]),
    'group and covariate': (np.column_stack([ONE6, AB6, X6]), [0, 1, 0]),
    'group and score': (np.column_stack([ONE6, AB6, [1, 2, 1, 2, 1, 1]]), [0, 1, 0]),
    'three groups': (np.eye(3)[[0, 0, 1, 1, 2, 2]], [[1, -1, 0], [0, 1, -1]]),
    'negative rows': (np.array([[1.0], [1], [-1], [-1], [-1]]), [1]),
    'negative rows of two columns': (
        np.array([[1.0, 2], [-1, -2], [1, -2], [-1, 2], [1, 2]]),
        [1, 0],
    ),
    'zero rows': (np.array([[0.0, 1], [0, 0], [1, 1], [-1, -1], [0, 0]]), [0, 1]),
    'zeros of both signs': (
        np.array([[0.0, 1], [-0.0, 1], [0.0, -1], [1, 0], [-1, -0.0]]),
        [1, 0],
    ),
    'no constant': (X5[:, None], [1]),
}
ERRORS = ['exchangeable', 'symmetric', 'both']


def arrangement(design, order, signs):
    # The design rows that the observations meet: observation order[i] meets row i, times sign i.
    rows = [None] * len(design)
    for i, j in enumerate(order):
        rows[j] = tuple(float(signs[i]) * value + 0.0 for value in design[i])
    return tuple(rows)


def all_arrangements(design, errors):
    n = len(design)
    orders = [range(n)] if errors == 'symmetric' else itertools.permutations(range(n))
    signs = [[1] * n]
    if errors != 'exchangeable':
        signs = list(itertools.product([1, -1], repeat=n))
    return {arrangement(design, order, flip) for order in orders for flip in signs}


def arrangements_of(schedule, design):
    identity = np.tile(np.arange(len(design)), (schedule.n_relabellings, 1))
    orders = identity if schedule.orders is None else schedule.orders
    signs = np.ones_like(identity) if schedule.signs is None else schedule.signs
    return [arrangement(design, *pair) for pair in zip(orders, signs, strict=True)]


CASES = [
    pytest.param(name, errors, id=f'{name}-{errors}')
    for name, (design, _) in DESIGNS.items()
    for errors in ERRORS
    if len(design) < 6 or errors != 'both'  # 6! * 2**6 is too slow for a test
]


def fields(schedule):
    return [None if field is None else np.asarray(field).tobytes() for field in schedule[:2]]


@pytest.mark.parametrize(('name', 'errors'), CASES)
def test_every_different_arrangement_is_counted_and_listed_once(name, errors):
    design, contrast = DESIGNS[name]
    expected = all_arrangements(design, errors)
    assert count_relabellings(design, errors) == len(expected)
    if len(expected) == 1:
        with pytest.raises(ScheduleError, match='no relabelling beside the observed'):
            draw_schedule(design, contrast, errors=errors)
        return
    schedule = draw_schedule(design, contrast, errors=errors)
    listed = arrangements_of(schedule, design)
    assert schedule.exhaustive
    assert schedule.n_possible == schedule.n_relabellings == len(listed) == len(expected)
    assert set(listed) == expected


@pytest.mark.parametrize(
    ('name', 'errors'), [case for case in CASES if case.id != 'mean-exchangeable']
)
def test_drawn_relabellings_do_not_repeat(name, errors):
    design, contrast = DESIGNS[name]
    n_possible = count_relabellings(design, errors)
    n_perm = min(n_possible - 2, 60)
    schedule = draw_schedule(design, contrast, errors=errors, n_perm=n_perm, seed=4)
    drawn = arrangements_of(schedule, design)
    assert not schedule.exhaustive
    assert schedule.n_possible == n_possible
    assert schedule.n_relabellings == len(set(drawn)) == n_perm + 1
    assert drawn[0] == arrangement(design, range(len(design)), [1] * len(design))


@pytest.mark.parametrize('n_perm', [5, 100])
@pytest.mark.parametrize('errors', ERRORS)
@pytest.mark.parametrize('name', ['regression', 'zero rows', 'negative rows of two columns'])
def test_schedule_is_what_its_docstring_says(name, errors, n_perm):
    design, contrast = DESIGNS[name]
    schedule = draw_schedule(design, contrast, errors=errors, n_perm=n_perm)
    n_rows, n = schedule.n_relabellings, len(design)
    assert schedule.n_observations == n
    assert schedule.errors == errors
    if errors == 'exchangeable':
        assert schedule.signs is None
    else:
        assert (schedule.signs.dtype, schedule.signs.shape) == (np.int8, (n_rows, n))
        assert set(np.unique(schedule.signs)) <= {-1, 1}
        assert schedule.signs[0].tolist() == [1] * n
    if errors == 'symmetric':
        assert schedule.orders is None
    else:
        assert (schedule.orders.dtype, schedule.orders.shape) == (np.int32, (n_rows, n))
        assert schedule.orders[0].tolist() == list(range(n))
        assert (np.sort(schedule.orders, axis=1) == np.arange(n)).all()


@pytest.mark.parametrize('errors', ERRORS)
def test_a_longer_schedule_starts_with_the_shorter(errors):
    design = np.column_stack([np.ones(12), np.repeat([0, 1], 6)])
    short, long = (
        draw_schedule(design, [0, 1], n_perm=n_perm, seed=9, errors=errors) for n_perm in (50, 400)
    )
    for few, many in zip(short[:2], long[:2], strict=True):
        if few is not None:
            np.testing.assert_array_equal(few, many[:51])


@pytest.mark.parametrize('errors', ERRORS)
def test_a_seed_is_a_schedule(errors):
    design = np.column_stack([np.ones(20), np.arange(20)])
    once, again, other = (
        draw_schedule(design, [0, 1], n_perm=40, seed=seed, errors=errors) for seed in (7, 7, 8)
    )
    assert fields(once) == fields(again)
    for one, another in zip(once[:2], other[:2], strict=True):
        if one is not None:
            assert (one[1:] != another[1:]).any(axis=1).all()


def test_the_global_generator_is_neither_read_nor_moved():
    schedules = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        schedules.append(fields(draw_schedule(np.ones((20, 1)), [1], n_perm=10)))
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert schedules[0] == schedules[1]


@pytest.mark.parametrize('errors', ERRORS)
def test_a_drawn_row_does_not_depend_on_the_design(errors):
    # No repeats here to remove: with so many relabellings they do not happen.
    designs = [
        np.column_stack([np.ones(40), np.repeat([0, 1], 20)]),
        np.column_stack([np.ones(40), np.arange(40)]),
        np.column_stack([np.repeat([0, -1], 20), np.arange(40)]),
    ]
    one, *others = (
        draw_schedule(design, [0, 1], n_perm=30, seed=5, errors=errors) for design in designs
    )
    for other in others:
        assert fields(other) == fields(one)


def philox(key, counter, n_words):
    # Philox4x64-10 after Salmon et al. 2011, table 2, in whole numbers.
    words = []
    mask = 2**64 - 1
    while len(words) < n_words:
        counter += 1
        c = [counter >> 64 * k & mask for k in range(4)]
        k0, k1 = key & mask, key >> 64
        for _ in range(10):
            left, right = c[0] * 0xD2E7470EE14C6C93, c[2] * 0xCA5A826395121157
            c = [(right >> 64) ^ c[1] ^ k0, right & mask, (left >> 64) ^ c[3] ^ k1, left & mask]
            k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
        words += c
    return words[:n_words]


@pytest.mark.parametrize('seed', [0, 1, 2**64 + 3, 2**128 - 1])
def test_row_b_is_computed_from_seed_and_b_alone(seed):
    n = 30
    design = np.column_stack([np.ones(n), np.arange(n)])
    schedule = draw_schedule(design, [0, 1], n_perm=5, seed=seed, errors='both')
    for b in range(1, 6):
        words = philox(seed, b << 64, 2 * n)
        assert schedule.orders[b].tolist() == sorted(range(n), key=words.__getitem__)
        assert schedule.signs[b].tolist() == [1 if word >> 63 else -1 for word in words[n:]]


def test_orders_are_uniform():
    n, n_perm = 10, 4000
    design = np.column_stack([np.ones(n), np.arange(n)])
    orders = draw_schedule(design, [0, 1], n_perm=n_perm, seed=1).orders[1:]
    for one, other in [(0, 1), (3, 8), (8, 9)]:
        table = np.zeros((n, n))
        np.add.at(table, (orders[:, one], orders[:, other]), 1)
        assert (np.diag(table) == 0).all()
        pairs = table[~np.eye(n, dtype=bool)]
        assert stats.chisquare(pairs).pvalue > 1e-3
    table = np.stack([np.bincount(column, minlength=n) for column in orders.T])
    # Rows and columns of this table have fixed sums.
    statistic = ((table - n_perm / n) ** 2 / (n_perm / n)).sum() * (n - 1) / n
    assert stats.chi2.sf(statistic, (n - 1) ** 2) > 1e-3


def test_signs_are_fair_and_independent():
    n, n_perm = 16, 4000
    signs = draw_schedule(np.ones((n, 1)), [1], n_perm=n_perm, seed=1).signs[1:].astype(float)
    means = signs.sum(axis=0) / np.sqrt(n_perm)
    products = (signs.T @ signs)[np.triu_indices(n, 1)] / np.sqrt(n_perm)
    # Signs could be independent in pairs and still not in threes.
    triples = (signs * np.roll(signs, 1, axis=1) * np.roll(signs, 3, axis=1)).sum(axis=0)
    for scores in (means, products, triples / np.sqrt(n_perm)):
        assert stats.chi2.sf((scores**2).sum(), scores.size) > 1e-3
        assert stats.chi2.cdf((scores**2).sum(), scores.size) > 1e-3


def test_orders_and_signs_are_drawn_independently():
    n, n_perm = 8, 4000
    design = np.column_stack([np.ones(n), np.arange(n)])
    schedule = draw_schedule(design, [0, 1], n_perm=n_perm, seed=2, errors='both')
    table = np.zeros((n, 2))
    np.add.at(table, (schedule.orders[1:, 3], (schedule.signs[1:, 3] > 0).astype(int)), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


@pytest.mark.parametrize('name', ['two groups', 'three groups', 'zero rows'])
def test_drawn_arrangements_are_equally_likely(name):
    # Sampling without replacement, the observed one left out.
    errors = 'symmetric' if name == 'zero rows' else 'exchangeable'
    design, contrast = DESIGNS[name]
    others = count_relabellings(design, errors) - 1
    n_perm, n_seeds = others // 3, 300
    seen = {}
    for seed in range(n_seeds):
        schedule = draw_schedule(design, contrast, n_perm=n_perm, seed=seed, errors=errors)
        for drawn in arrangements_of(schedule, design)[1:]:
            seen[drawn] = seen.get(drawn, 0) + 1
    share = n_perm / others
    counts = np.array(list(seen.values()))
    assert counts.size == others
    statistic = ((counts - n_seeds * share) ** 2).sum() / (n_seeds * share * (1 - share))
    assert stats.chi2.sf(statistic * (others - 1) / others, others - 1) > 1e-3


@pytest.mark.parametrize(('n_perm', 'exhaustive'), [(68, False), (69, True), (70, True)])
def test_all_are_listed_when_no_more_than_asked_for(n_perm, exhaustive):
    # Two groups of four: 70 relabellings.
    design = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
    schedule = draw_schedule(design, [0, 1], n_perm=n_perm)
    assert schedule.exhaustive is exhaustive
    assert schedule.n_relabellings == min(n_perm + 1, 70)
    assert len(set(arrangements_of(schedule, design))) == schedule.n_relabellings


def test_an_enumerated_schedule_has_no_seed():
    design = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
    one, other = (draw_schedule(design, [0, 1], n_perm=200, seed=seed) for seed in (0, 99))
    assert fields(one) == fields(other)


@pytest.mark.parametrize(
    ('design', 'errors', 'expected'),
    [
        (np.ones((100, 1)), 'symmetric', 2**100),
        (np.ones((100, 1)), 'exchangeable', 1),
        (np.repeat(np.eye(2), 50, axis=0), 'exchangeable', math.comb(100, 50)),
        (np.arange(60.0)[:, None], 'exchangeable', math.factorial(60)),
        (np.arange(60.0)[:, None], 'both', math.factorial(60) * 2**59),
        (np.repeat([[1.0], [-1]], 30, axis=0), 'both', 2**60),
        (np.zeros((5, 1)), 'both', 1),
    ],
)
def test_counts_are_exact_however_large(design, errors, expected):
    assert count_relabellings(design, errors) == expected


G4 = np.repeat([0.0, 1.0], 4)
AGE8 = np.array([31.0, 45, 27, 60, 38, 51, 49, 22])
CENTRED = AGE8 - AGE8.mean()
TWO_THREE = np.eye(3)[[0, 0, 0, 1, 1, 1, 2, 2]]


@pytest.mark.parametrize(
    ('columns', 'contrast', 'expected'),
    [
        ([np.ones(8)], [1], 'symmetric'),
        ([np.ones(8)], [-3], 'symmetric'),
        ([np.ones(8), CENTRED], [1, 0], 'symmetric'),
        ([np.ones(8), AGE8], [1, 0], 'symmetric'),
        ([np.ones(8), AGE8], [0, 1], 'exchangeable'),
        ([np.ones(8), AGE8], [[1, 0], [0, 1]], 'symmetric'),
        ([np.ones(8), G4], [0, 1], 'exchangeable'),
        ([np.ones(8), G4], [1, 0], 'symmetric'),
        ([np.ones(8), G4, AGE8], [0, -1, 0], 'exchangeable'),
        ([1 - G4, G4], [1, -1], 'exchangeable'),
        ([1 - G4, G4], [0.5, 0.5], 'symmetric'),
        ([1 - G4, G4], [1, 0], 'symmetric'),
        ([1 - G4, G4], np.eye(2), 'symmetric'),
        ([np.ones(8), 1 - G4, G4], [0, 1, -1], 'exchangeable'),
        ([*TWO_THREE.T], [[1, -1, 0], [0, 1, -1]], 'exchangeable'),
        ([*TWO_THREE.T], [[1, -1, 0], [1, -2, 1]], 'exchangeable'),
        ([*TWO_THREE.T], np.eye(3), 'symmetric'),
        ([np.ones(8) * 1e9, AGE8], [0, 1], 'exchangeable'),
        ([np.ones(8) * 1e-9, AGE8], [1, 0], 'symmetric'),
        # Without a constant in the design there is no mean to lose.
        ([CENTRED], [1], 'exchangeable'),
        ([AGE8], [1], 'exchangeable'),
    ],
)
def test_errors_follow_from_what_is_tested(columns, contrast, expected):
    design = np.column_stack(columns)
    assert choose_errors(partition(design, contrast)) == expected
    assert draw_schedule(design, contrast, n_perm=20).errors == expected


@pytest.mark.parametrize(
    ('options', 'message', 'found'),
    [
        ({'n_perm': 0}, 'Too few', 'n_perm = 0'),
        ({'n_perm': -5}, 'Too few', 'n_perm = -5'),
        ({'seed': -1}, 'seed is out of range', '-1'),
        ({'seed': 2**128}, 'seed is out of range', str(2**128)),
        ({'errors': 'permute'}, 'Unknown assumption', "'permute'"),
        ({'errors': 'exchangeable'}, 'no relabelling beside', '8 observations with equal rows'),
    ],
)
def test_requests_that_cannot_be_met(options, message, found):
    with pytest.raises(ScheduleError, match=message) as caught:
        draw_schedule(np.ones((8, 1)), [1], **options)
    assert found in caught.value.found


def test_designs_and_contrasts_are_checked():
    with pytest.raises(DesignError):
        draw_schedule([[1], [np.nan]], [1])
    with pytest.raises(ContrastError):
        draw_schedule(np.ones((4, 1)), [1, 0])


def test_a_schedule_survives_a_process_boundary():
    schedule = draw_schedule(np.ones((6, 1)), [1])
    back = pickle.loads(pickle.dumps(schedule))
    assert fields(back) == fields(schedule)
    assert back.n_relabellings == schedule.n_relabellings == 64
    back.check_design(np.ones((6, 1)), [1])
