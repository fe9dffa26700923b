import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import linalg, stats

from nistats_nipype.exceptions import (
    ContrastError,
    DesignError,
    InputError,
    MissingDataError,
    ScheduleError,
)
from nistats_nipype.images.packed import PackedMaps
from nistats_nipype.stats import engines, glm, kernels, relabelling, tile_kernels
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.methods import make_method
from nistats_nipype.stats.permutation import Chunk, merge, permute
from nistats_nipype.stats.relabelling import chunk_bounds

SIDES = ['two-sided', 'positive', 'negative']
X7 = np.array([0.4, -1.1, 2.3, 0.9, -0.6, 1.4, 3.1])
Z7 = np.array([5.0, 3.1, 4.4, 2.2, 6.3, 3.9, 5.8])
ONE7, AB7 = np.ones(7), np.array([0.0, 0, 0, 1, 1, 1, 1])

# What auto must choose stands beside the contrast; names with a colon ask for it.
DESIGNS = {
    'mean of 5': (np.ones((5, 1)), [1], 'symmetric'),
    'mean of 6': (np.ones((6, 1)), [1], 'symmetric'),
    'mean of 7': (np.ones((7, 1)), [2], 'symmetric'),
    'mean of 8': (np.ones((8, 1)), [1], 'symmetric'),
    'mean beside a covariate': (np.column_stack([ONE7, X7 - X7.mean()]), [1, 0], 'symmetric'),
    'mean beside a raw covariate': (np.column_stack([ONE7, Z7]), [1, 0], 'symmetric'),
    'mean and slope': (np.column_stack([ONE7, X7]), np.eye(2), 'symmetric'),
    'balanced groups': (np.eye(2)[[0, 0, 0, 0, 1, 1, 1, 1]], [-1, 1], 'exchangeable'),
    'unbalanced groups': (np.column_stack([ONE7, AB7]), [0, 1], 'exchangeable'),
    'groups, deficient design': (
        np.column_stack([ONE7, 1 - AB7, AB7]),
        [0, -1, 1],
        'exchangeable',
    ),
    'regression': (np.column_stack([ONE7, X7]), [0, 1], 'exchangeable'),
    'ancova': (np.column_stack([1 - AB7, AB7, X7]), [1, -1, 0], 'exchangeable'),
    'covariate beside groups': (np.column_stack([ONE7, AB7, X7]), [0, 0, 1], 'exchangeable'),
    'two nuisance covariates': (
        np.column_stack([ONE7, AB7, X7, Z7]),
        [0, 3, 0, 0],
        'exchangeable',
    ),
    'three groups': (
        np.eye(3)[[0, 0, 1, 1, 1, 2, 2]],
        [[1, -1, 0], [0, 1, -1]],
        'exchangeable',
    ),
    'three groups, redundant rows': (
        np.eye(3)[[0, 0, 1, 1, 1, 2, 2]],
        [[1, -1, 0], [0, 1, -1], [1, 0, -1]],
        'exchangeable',
    ),
    'two slopes': (np.column_stack([ONE7, X7, Z7]), [[0, 1, 0], [0, 0, 1]], 'exchangeable'),
    'F of one row twice': (np.column_stack([ONE7, AB7]), [[0, 1], [0, -2]], 'exchangeable'),
    'both: mean': (np.ones((5, 1)), [1], 'both'),
    'both: groups': (np.column_stack([ONE7, AB7])[1:6], [0, 1], 'both'),
    'both: regression': (np.column_stack([ONE7, X7])[:5], [0, 1], 'both'),
    'both: opposite rows': (np.array([[1.0], [1], [-1], [-1], [-1]]), [1], 'both'),
    'both: zero rows': (np.array([[0.0, 1], [1, 1], [0, 0], [-1, -1], [1, 0]]), [0, 1], 'both'),
    'symmetric: zero rows': (np.array([[1.0], [0], [2], [-1], [0], [1]]), [1], 'symmetric'),
}


def data(n, n_points=6, seed=0):
    rng = np.random.default_rng([n, seed])
    return rng.normal(size=(n, n_points)) + np.linspace(-1.5, 1.5, n_points)


def refit(values, design, contrast):
    # Plain least squares of the whole design: t of one contrast row, F of several.
    rows = np.atleast_2d(np.asarray(contrast, dtype=float))
    beta, *_ = np.linalg.lstsq(design, values, rcond=None)
    rss = ((values - design @ beta) ** 2).sum(axis=0)
    rank = np.linalg.matrix_rank(design)
    variance = rss / (len(design) - rank)
    covariance = rows @ linalg.pinv(design.T @ design) @ rows.T
    effect = rows @ beta
    if len(rows) == 1:
        return effect[0] / np.sqrt(covariance[0, 0] * variance)
    n_effects = np.linalg.matrix_rank(covariance)
    form = np.einsum('qv,qr,rv->v', effect, linalg.pinv(covariance, rtol=1e-10), effect)
    return form / n_effects / variance


def freedman_lane(values, design, contrast, relabellings):
    # P R_z Y + H_z Y, the reduced model being what C beta = 0 leaves of the design.
    rows = np.atleast_2d(np.asarray(contrast, dtype=float))
    nuisance = design @ linalg.null_space(rows)
    fitted = nuisance @ linalg.pinv(nuisance) @ values if nuisance.size else 0 * values
    residual = values - fitted
    return [
        residual[list(order)] * np.array(signs)[:, None] + fitted for order, signs in relabellings
    ]


def refit_all(values, design, contrast, relabellings):
    sets = freedman_lane(values, design, contrast, relabellings)
    statistic = refit(np.hstack(sets), design, contrast)
    return statistic.reshape(len(sets), values.shape[1])


def all_relabellings(n, errors):
    orders = [tuple(range(n))]
    if errors != 'symmetric':
        orders = itertools.permutations(range(n))
    signs = [(1,) * n]
    if errors != 'exchangeable':
        signs = list(itertools.product([1, -1], repeat=n))
    return list(itertools.product(orders, signs))


def relabellings_of(schedule):
    identity = [tuple(range(schedule.n_observations))] * schedule.n_relabellings
    plain = [(1,) * schedule.n_observations] * schedule.n_relabellings
    orders = identity if schedule.orders is None else schedule.orders
    signs = plain if schedule.signs is None else schedule.signs
    return list(zip(orders, signs, strict=True))


def on_side(statistic, sidedness, contrast):
    if np.ndim(contrast) == 2 or sidedness == 'positive':
        return statistic
    return np.abs(statistic) if sidedness == 'two-sided' else -statistic


def reach(null, observed):
    # Ties differ by rounding only; the data are continuous, so nothing else is that close.
    return null >= observed - 1e-7 * np.maximum(np.abs(observed), 1)


def run(values, design, contrast, schedule, n_chunks=1, sidedness='two-sided', **options):
    chunks = []
    for chunk in range(n_chunks):
        start, stop = chunk_bounds(schedule.n_relabellings, chunk, n_chunks)
        chunks.append(
            permute(
                values,
                design,
                contrast,
                schedule,
                start=start,
                stop=stop,
                sidedness=sidedness,
                **options,
            )
        )
    return merge(chunks, design, contrast, sidedness=sidedness)


def as_bytes(result):
    return [np.asarray(field).tobytes() for field in result]


@pytest.mark.parametrize('name', DESIGNS)
def test_p_equal_a_refit_of_every_relabelling(name):
    # All N! * 2**N relabellings, equivalent ones included: each different one comes equally
    # often, so shares are the same.
    design, contrast, errors = DESIGNS[name]
    values = data(len(design))
    everything = refit_all(values, design, contrast, all_relabellings(len(design), errors))
    observed = refit(values, design, contrast)
    schedule = draw_schedule(
        design,
        contrast,
        n_perm=50000,
        errors=errors if ':' in name else 'auto',
    )
    assert schedule.errors == errors
    assert schedule.exhaustive
    for sidedness in SIDES:
        result = run(values, design, contrast, schedule, sidedness=sidedness)
        null, statistic = (on_side(s, sidedness, contrast) for s in (everything, observed))
        for ours, reached in [
            (result.p_uncorrected, reach(null, statistic).sum(axis=0)),
            (result.p_fwe, reach(null.max(axis=1)[:, None], statistic).sum(axis=0)),
        ]:
            counts = [
                Fraction(int(count), len(everything)) * schedule.n_relabellings
                for count in reached
            ]
            assert all(count.denominator == 1 for count in counts)
            assert ours.tolist() == [int(count) / schedule.n_relabellings for count in counts]
        np.testing.assert_allclose(result.stat, observed, rtol=1e-9)


@pytest.mark.parametrize('name', DESIGNS)
@pytest.mark.parametrize('sidedness', SIDES)
def test_null_distribution_equals_refits_of_the_schedule(name, sidedness):
    design, contrast, errors = DESIGNS[name]
    values = data(len(design), seed=1)
    schedule = draw_schedule(design, contrast, n_perm=20, seed=3, errors=errors)
    expected = on_side(
        refit_all(values, design, contrast, relabellings_of(schedule)), sidedness, contrast
    )
    result = run(values, design, contrast, schedule, sidedness=sidedness)
    np.testing.assert_allclose(result.null, expected.max(axis=1), rtol=1e-7)
    observed = expected[0]
    np.testing.assert_array_equal(
        result.p_uncorrected, reach(expected, observed).sum(axis=0) / schedule.n_relabellings
    )
    np.testing.assert_array_equal(
        result.p_fwe,
        reach(expected.max(axis=1)[:, None], observed).sum(axis=0) / schedule.n_relabellings,
    )


@pytest.mark.parametrize('n_perm', [19, 99, 200])
def test_drawn_p_divide_by_one_more_than_drawn(n_perm):
    design = np.column_stack([np.ones(20), np.repeat([0, 1], 10)])
    values = data(20)
    values[10:, 0] += 100
    schedule = draw_schedule(design, [0, 1], n_perm=n_perm)
    result = run(values, design, [0, 1], schedule, sidedness='positive')
    assert result.p_fwe[0] == result.p_uncorrected[0] == 1 / (n_perm + 1)
    assert result.null.shape == (n_perm + 1,)
    for p in (result.p_fwe, result.p_uncorrected):
        np.testing.assert_array_equal(p, np.round(p * (n_perm + 1)) / (n_perm + 1))


def test_matches_scipy_permutation_test():
    values = data(9)
    design = np.eye(2)[[0] * 4 + [1] * 5]
    schedule = draw_schedule(design, [1, -1])
    result = run(values, design, [1, -1], schedule, sidedness='positive')
    theirs = stats.permutation_test(
        (values[:4], values[4:]),
        lambda a, b, axis: stats.ttest_ind(a, b, axis=axis).statistic,
        alternative='greater',
        n_resamples=np.inf,
        vectorized=True,
    )
    np.testing.assert_array_equal(result.p_uncorrected, theirs.pvalue)
    np.testing.assert_allclose(result.stat, theirs.statistic, rtol=1e-10)


# Ties: with whole numbers, many relabellings give exactly the same statistic, which rounding
# must not tear apart. r is a ratio of integers and a root of one, so p is known exactly.


def exact_p(squares):
    # Rows are relabellings, row 0 observed; columns are points; values are r**2 as fractions.
    maxima = [max(row) for row in squares]
    p = [
        Fraction(sum(row[v] >= squares[0][v] for row in squares), len(squares))
        for v in range(len(squares[0]))
    ]
    p_fwe = [
        Fraction(sum(top >= observed for top in maxima), len(maxima)) for observed in squares[0]
    ]
    return [float(value) for value in p], [float(value) for value in p_fwe]


@pytest.mark.parametrize(('offset', 'top'), [(0, 3), (0, 50), (1000, 4), (-20000, 10)])
@pytest.mark.parametrize('sizes', [(4, 4), (3, 5), (2, 4)])
def test_ties_between_groups_are_exact(sizes, offset, top):
    n, n_points = sum(sizes), 40
    values = np.random.default_rng([top, n]).integers(0, top, size=(n, n_points)) + offset
    values[0], values[1] = offset, offset + 1  # no constant points
    design = np.repeat(np.eye(2), sizes, axis=0)
    columns = [[int(x) for x in column] for column in values.T]
    first = tuple(range(sizes[0]))
    subsets = [first] + [s for s in itertools.combinations(range(n), sizes[0]) if s != first]

    def square(column, subset):
        # r**2 between the indicator of the subset and the data
        numerator = n * sum(column[i] for i in subset) - len(subset) * sum(column)
        spread = n * sum(x * x for x in column) - sum(column) ** 2
        return Fraction(numerator**2, len(subset) * (n - len(subset)) * spread)

    squares = [[square(column, subset) for column in columns] for subset in subsets]
    assert max(squares[0]) < 1  # else a point has no residuals, and no statistic
    p, p_fwe = exact_p(squares)
    result = run(values, design, [1, -1], draw_schedule(design, [1, -1]))
    assert len(result.null) == len(squares) == math.comb(n, sizes[0])
    assert result.p_uncorrected.tolist() == p
    assert result.p_fwe.tolist() == p_fwe


@pytest.mark.parametrize('top', [2, 4, 100])
@pytest.mark.parametrize('n', [5, 8])
def test_ties_between_sign_flips_are_exact(n, top):
    values = np.random.default_rng([top, n]).integers(-top, top + 1, size=(n, 40))
    values[0], values[1] = 1, -2
    columns = [[int(x) for x in column] for column in values.T]
    squares = [
        [
            Fraction(
                sum(s * x for s, x in zip(flips, column, strict=True)) ** 2,
                n * sum(x * x for x in column),
            )
            for column in columns
        ]
        for flips in itertools.product([1, -1], repeat=n)
    ]
    p, p_fwe = exact_p(squares)
    design = np.ones((n, 1))
    result = run(values, design, [1], draw_schedule(design, [1]))
    assert result.p_uncorrected.tolist() == p
    assert result.p_fwe.tolist() == p_fwe


def test_flipping_all_signs_is_a_tie_on_two_sides_only():
    values, design = data(8, 50), np.ones((8, 1))
    schedule = draw_schedule(design, [1])
    two, positive = (run(values, design, [1], schedule, sidedness=side) for side in SIDES[:2])
    np.testing.assert_array_equal(np.round(two.p_uncorrected * 256) % 2, 0)
    assert two.p_fwe.min() >= 2 / 256
    # One relabelling and its negative: the two-sided share is twice the smaller one-sided.
    above = positive.p_uncorrected
    expected = 2 * np.minimum(above, 1 - above + 1 / 256)
    np.testing.assert_array_equal(two.p_uncorrected, np.minimum(expected, 1))


# Invariants

N, V = 12, 131
RNG = np.random.default_rng(12)
VALUES = RNG.normal(size=(N, V)).astype(np.float32)
VALUES[:, 7] += 2
GROUP, AGE = np.repeat([0.0, 1.0], 6), RNG.normal(size=N)
LARGER = {
    'mean': (np.ones((N, 1)), [1]),
    'ancova': (np.column_stack([np.ones(N), GROUP, AGE]), [0, 1, 0]),
    'F': (np.column_stack([np.ones(N), GROUP, AGE]), [[0, 1, 0], [0, 0, 1]]),
}


def larger(name, n_perm=99):
    design, contrast = LARGER[name]
    return VALUES, design, contrast, draw_schedule(design, contrast, n_perm=n_perm, seed=6)


@pytest.mark.parametrize('name', LARGER)
@pytest.mark.parametrize('sidedness', SIDES)
def test_chunks_threads_and_tiles_have_no_influence(monkeypatch, name, sidedness):
    problem = larger(name)
    expected = as_bytes(run(*problem, sidedness=sidedness))
    for n_chunks, num_threads in [(2, 1), (7, 2), (64, 1)]:
        options = {'sidedness': sidedness, 'num_threads': num_threads}
        assert as_bytes(run(*problem, n_chunks=n_chunks, **options)) == expected
    for points, relabellings in [(10, 1024), (100, 7), (130, 1)]:
        monkeypatch.setattr(relabelling, 'POINTS', points)
        monkeypatch.setattr(engines, '_NUMBERS', relabellings * N)
        monkeypatch.setattr(engines, '_FLIPS', relabellings)
        for n_chunks, num_threads in [(1, 1), (3, 2)]:
            options = {'sidedness': sidedness, 'num_threads': num_threads}
            assert as_bytes(run(*problem, n_chunks=n_chunks, **options)) == expected


def chunks_of(problem, bounds):
    return [permute(*problem, start=start, stop=stop) for start, stop in bounds]


def test_chunks_come_in_any_order():
    problem = larger('ancova')
    chunks = chunks_of(problem, [(0, 31), (31, 31), (31, 70), (70, 100)])
    expected = as_bytes(run(*problem))
    for order in itertools.permutations(chunks):
        assert as_bytes(merge(order, *problem[1:3])) == expected


@pytest.mark.parametrize(
    'kept', [[1, 2], [0, 2], [0, 1], [], [0, 1, 1, 2], [0, 0, 1, 2], [0, 1, 2, 2], [0, 3, 1, 2]]
)
def test_a_chunk_missing_or_twice_is_an_error(kept):
    problem = larger('mean')
    chunks = chunks_of(problem, [(0, 31), (31, 70), (70, 100), (31, 32)])
    with pytest.raises(ScheduleError, match='do not add up to one schedule'):
        merge([chunks[index] for index in kept], *problem[1:3])


def test_chunks_of_different_data_do_not_mix():
    problem = larger('mean')
    other = (problem[0] + 0.1, *problem[1:])
    chunks = [permute(*problem, stop=50), permute(*other, start=50)]
    with pytest.raises(ScheduleError, match='not of the same data'):
        merge(chunks, *problem[1:3])


@pytest.mark.parametrize(('chunk', 'n_chunks'), [(-1, 3), (3, 3), (0, 0)])
def test_a_chunk_that_does_not_exist(chunk, n_chunks):
    with pytest.raises(ScheduleError, match='no such chunk'):
        chunk_bounds(10, chunk, n_chunks)


@pytest.mark.parametrize('n_relabellings', [1, 7, 1000])
@pytest.mark.parametrize('n_chunks', [1, 3, 64])
def test_chunk_bounds_cover_the_schedule_evenly(n_relabellings, n_chunks):
    bounds = [chunk_bounds(n_relabellings, chunk, n_chunks) for chunk in range(n_chunks)]
    rows = [row for start, stop in bounds for row in range(start, stop)]
    assert rows == list(range(n_relabellings))
    sizes = [stop - start for start, stop in bounds]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize('bounds', [(-1, 5), (0, 101), (8, 7), (101, None)])
def test_rows_outside_the_schedule_are_refused(bounds):
    problem = larger('mean')
    with pytest.raises(ScheduleError, match='no such rows'):
        permute(*problem, start=bounds[0], stop=bounds[1])


@pytest.mark.parametrize('name', LARGER)
def test_order_of_points_has_no_influence(name):
    values, *rest = larger(name)
    order = np.random.default_rng(0).permutation(V)
    straight, shuffled = run(values, *rest), run(values[:, order], *rest)
    assert shuffled.null.tobytes() == straight.null.tobytes()
    for ours, theirs in zip(shuffled[:3], straight[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs[order])


@pytest.mark.parametrize('n_points', [1, 63, 64, 65, 129])
def test_points_do_not_influence_each_other(n_points):
    # 64 is the width of a tile of the kernels.
    values, design, contrast, schedule = larger('ancova', n_perm=30)
    together = permute(values[:, :n_points], design, contrast, schedule)
    alone = [permute(values[:, [v]], design, contrast, schedule) for v in range(n_points)]
    assert together.maxima.tobytes() == np.max([c.maxima for c in alone], axis=0).tobytes()
    assert together.counts.tolist() == [c.counts.item() for c in alone]
    assert together.observed.tolist() == [c.observed.item() for c in alone]


@pytest.mark.parametrize(
    'name', ['unbalanced groups', 'ancova', 'mean beside a covariate', 'two slopes']
)
def test_order_of_observations_has_no_influence(name):
    design, contrast, _ = DESIGNS[name]
    values = data(7)
    order = [4, 2, 6, 0, 5, 1, 3]
    straight = run(values, design, contrast, draw_schedule(design, contrast))
    moved = run(values[order], design[order], contrast, draw_schedule(design[order], contrast))
    np.testing.assert_array_equal(moved.p_fwe, straight.p_fwe)
    np.testing.assert_array_equal(moved.p_uncorrected, straight.p_uncorrected)
    np.testing.assert_allclose(np.sort(moved.null), np.sort(straight.null), rtol=1e-9)


@pytest.mark.parametrize('name', ['mean', 'ancova'])
def test_negated_data_swap_the_sides(name):
    values, *rest = larger(name)
    positive = run(values, *rest, sidedness='positive')
    negative = run(-values, *rest, sidedness='negative')
    for one, other in zip(positive[1:4], negative[1:4], strict=True):
        assert one.tobytes() == other.tobytes()
    np.testing.assert_array_equal(positive.stat, -negative.stat)
    two = [run(sign * values, *rest) for sign in (1, -1)]
    assert two[0].p_fwe.tobytes() == two[1].p_fwe.tobytes()


@pytest.mark.parametrize('name', LARGER)
def test_nuisance_effects_do_not_matter(name):
    # What the nuisance model explains is taken out before relabelling.
    values, design, contrast, schedule = larger(name)
    nuisance = design @ linalg.null_space(np.atleast_2d(contrast))
    added = values + nuisance @ RNG.normal(size=(nuisance.shape[1], V)) * 10
    for ours, theirs in zip(
        run(added, design, contrast, schedule)[1:3],
        run(values.astype(np.float64), design, contrast, schedule)[1:3],
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('power', [-30, 30])
def test_units_of_the_data_do_not_matter(power):
    values, *rest = larger('ancova')
    scaled = run(values.astype(np.float64) * 2.0**power, *rest)
    assert as_bytes(scaled) == as_bytes(run(values.astype(np.float64), *rest))


@pytest.mark.parametrize('name', LARGER)
@pytest.mark.parametrize('sidedness', SIDES)
def test_observed_statistic_is_the_parametric_one(name, sidedness):
    values, design, contrast, schedule = larger(name)
    result = run(values, design, contrast, schedule, sidedness=sidedness)
    expected = glm.contrast(glm.fit(values, design), design, contrast).stat
    assert result.stat.tobytes() == expected.tobytes()
    # Row 0 of the null distribution goes another way, through r, and must arrive there too.
    top = on_side(expected, sidedness, contrast).max()
    assert result.null[0] == pytest.approx(top, rel=1e-12)
    best = on_side(expected, sidedness, contrast).argmax()
    assert result.p_fwe[best] == result.p_fwe.min() == np.mean(reach(result.null, top))


def test_p_fwe_falls_with_the_statistic_and_is_not_below_p():
    result = run(*larger('ancova'))
    order = np.argsort(np.abs(result.stat))
    assert (np.diff(result.p_fwe[order]) <= 0).all()
    assert (result.p_fwe >= result.p_uncorrected).all()


def test_f_of_one_row_twice_is_the_two_sided_t():
    values, design, contrast, schedule = larger('ancova')
    t = run(values, design, contrast, schedule)
    for sidedness in SIDES:
        f = run(values, design, [contrast, contrast], schedule, sidedness=sidedness)
        np.testing.assert_array_equal(f.p_fwe, t.p_fwe)
        np.testing.assert_array_equal(f.p_uncorrected, t.p_uncorrected)
        np.testing.assert_allclose(f.null, t.null**2, rtol=1e-9)
        np.testing.assert_allclose(f.stat, t.stat**2, rtol=1e-9)


def test_incomplete_and_constant_points():
    values, design, contrast, schedule = larger('ancova')
    values = values.copy()
    values[3, [0, 64, 130]] = np.nan
    values[:, 100] = 0.1
    values[:, 101] = GROUP
    lost = [0, 64, 100, 101, 130]
    with pytest.raises(MissingDataError, match='most in sub-d: 3'):
        run(values, design, contrast, schedule, labels=[f'sub-{c}' for c in 'abcdefghijkl'])
    result = run(values, design, contrast, schedule, missing='drop_voxel')
    whole = run(np.delete(values, lost, axis=1), design, contrast, schedule)
    assert result.null.tobytes() == whole.null.tobytes()
    for ours, theirs in zip(result[:3], whole[:3], strict=True):
        assert np.flatnonzero(np.isnan(ours)).tolist() == lost
        np.testing.assert_array_equal(np.delete(ours, lost), theirs)


def test_nothing_to_test_is_an_error():
    design, contrast, schedule = larger('ancova')[1:]
    with pytest.raises(InputError, match='No point has a statistic') as caught:
        permute(np.ones((N, 3)), design, contrast, schedule)
    assert caught.value.found.startswith('3 points')


def test_observations_need_not_be_in_memory(tmp_path):
    values, *rest = larger('F')
    np.save(tmp_path / 'values.npy', values)
    packed = PackedMaps(tmp_path / 'values.npy')
    assert as_bytes(run(packed, *rest)) == as_bytes(run(values, *rest))


def test_the_data_are_left_alone():
    values, *rest = larger('ancova')
    before = values.copy()
    run(values, *rest)
    run(values.astype(np.float64), *rest)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        ({'design': np.ones((N + 1, 3))}, ScheduleError, 'does not fit the design'),
        ({'values': VALUES[:-1]}, DesignError, 'same number of rows'),
        ({'contrast': [0, 1]}, ContrastError, 'does not fit'),
        ({'sidedness': 'both'}, ScheduleError, 'Unknown side'),
        ({'missing': 'zero'}, InputError, 'Unknown missing-data policy'),
    ],
)
def test_inputs_that_do_not_fit(change, error, message):
    names = ('values', 'design', 'contrast', 'schedule')
    inputs = dict(zip(names, larger('ancova'), strict=True)) | change
    with pytest.raises(error, match=message):
        permute(**inputs)


def test_a_relabelling_without_residuals_is_left_out():
    # The residuals can be moved onto a nuisance column here, where the refit gives 0 / 0.
    design = np.array([[1.0, 1, 1], [1, 1, 0], [1, -1, 0], [1, -1, 0]])
    values = np.array([[1.0], [-1], [1], [-1]])
    contrast = [0, 0, 1]
    schedule = draw_schedule(design, contrast)
    moved = np.hstack(freedman_lane(values, design, contrast, relabellings_of(schedule)))
    left = (
        (moved - design[:, :2] @ np.linalg.lstsq(design[:, :2], moved, rcond=None)[0]) ** 2
    ).sum(axis=0)
    degenerate = left < 1e-20
    assert 0 < degenerate.sum() < schedule.n_relabellings
    chunk = permute(values, design, contrast, schedule)
    np.testing.assert_array_equal(np.isneginf(chunk.maxima), degenerate)
    result = merge([chunk], design, contrast)
    left = ~degenerate
    t = np.array([abs(refit(column[:, None], design, contrast)[0]) for column in moved.T[left]])
    expected = np.mean(t >= t[0] - 1e-7)
    assert result.p_fwe.tolist() == result.p_uncorrected.tolist() == [expected]
    assert result.left_out.tolist() == [degenerate.sum()]
    np.testing.assert_array_equal(np.isnan(result.null), degenerate)


def test_points_without_residuals_do_not_keep_the_others_from_the_maximum():
    design = np.array([[1.0, 1, 1], [1, 1, 0], [1, -1, 0], [1, -1, 0]])
    contrast = [0, 0, 1]
    schedule = draw_schedule(design, contrast)
    poor, rich = np.array([[1.0], [-1], [1], [-1]]), np.array([[0.3], [1.9], [-1.1], [0.4]])
    both = permute(np.hstack([poor, rich]), design, contrast, schedule)
    parts = [permute(values, design, contrast, schedule) for values in (poor, rich)]
    np.testing.assert_array_equal(both.maxima, np.maximum(*(part.maxima for part in parts)))
    np.testing.assert_array_equal(both.left_out, [parts[0].left_out[0], 0])


def test_a_test_that_leaves_nothing_is_an_error():
    # Both flips move the residuals onto the nuisance.
    values = np.array([[1.0, 2], [-1, -2], [1, 2], [-1, -2]])
    design = np.array([[1.0, 1, 1], [1, 1, 0], [1, -1, 0], [1, -1, 0]])
    schedule = draw_schedule(design, [0, 0, 1], errors='symmetric')
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [-1, 1, -1, 1]], dtype=np.int8)
    chunk = permute(values, design, [0, 0, 1], schedule._replace(signs=signs))
    with pytest.raises(ScheduleError, match='No relabelling leaves a statistic'):
        merge([chunk], design, [0, 0, 1])


# Kernels


@pytest.fixture
def plain_python(monkeypatch):
    # With NUMBA_DISABLE_JIT=1 they are plain already.
    for module in (kernels, tile_kernels):
        for name, function in vars(module).copy().items():
            if hasattr(function, 'py_func'):
                monkeypatch.setattr(module, name, function.py_func)


@pytest.mark.parametrize('name', LARGER)
@pytest.mark.parametrize('sidedness', SIDES)
def test_compiled_code_gives_the_bits_of_the_python_code(name, sidedness, request):
    design, contrast = LARGER[name]
    schedule = draw_schedule(design, contrast, n_perm=6)
    problem = VALUES[:, :70], design, contrast, schedule
    compiled = permute(*problem, sidedness=sidedness)
    request.getfixturevalue('plain_python')
    interpreted = permute(*problem, sidedness=sidedness)
    assert isinstance(compiled, Chunk)
    assert as_bytes(map(np.asarray, interpreted)) == as_bytes(map(np.asarray, compiled))


@pytest.mark.parametrize('n_interest', [1, 2])
@pytest.mark.parametrize('n_basis', [2, 4])
@pytest.mark.parametrize('side', [0, 1, -1])
def test_kernel_matches_a_product_of_matrices(n_basis, n_interest, side):
    rng = np.random.default_rng(n_basis)
    bases = np.stack([np.linalg.qr(rng.normal(size=(9, n_basis)))[0].T for _ in range(5)])
    units = rng.normal(size=(9, 30))
    units /= np.linalg.norm(units, axis=0)
    maxima, limits = np.full(5, -np.inf), np.linspace(-0.5, 0.7, 30)
    counts, left_out = np.zeros((2, 30), dtype=np.int64)
    none = np.empty((0, 0), dtype=np.uint8)
    kernels.extremes_and_counts(
        np.ascontiguousarray(bases),
        none,
        n_interest,
        units,
        side,
        limits,
        maxima,
        counts,
        left_out,
    )
    maps = np.empty((5, 30))
    kernels.correlation_maps(np.ascontiguousarray(bases), n_interest, units, maps)
    coordinates = np.einsum('bkn,nv->bkv', bases, units)
    interest, nuisance = coordinates[:, :n_interest], coordinates[:, n_interest:]
    left = 1 - (nuisance**2).sum(axis=1)
    expected = interest[:, 0] / np.sqrt(left)
    if n_interest == 2:
        expected = np.sqrt((interest**2).sum(axis=1) / left)
    np.testing.assert_allclose(maps, expected, rtol=1e-11, atol=1e-14)
    turned = np.abs(expected) if side == 0 else side * expected
    np.testing.assert_allclose(maxima, turned.max(axis=1), rtol=1e-11)
    np.testing.assert_array_equal(counts, (turned >= limits).sum(axis=0))
    assert not left_out.any()


@pytest.mark.parametrize('n', [3, 8, 9, 16, 29])
@pytest.mark.parametrize(('n_basis', 'n_interest'), [(1, 1), (3, 1), (3, 2)])
def test_tables_of_sign_flips_match_the_plain_sums(n, n_basis, n_interest):
    rng = np.random.default_rng(n)
    n_basis, n_interest = min(n_basis, n - 1), min(n_interest, n - 2)
    basis = np.ascontiguousarray(np.linalg.qr(rng.normal(size=(n, n_basis)))[0].T)
    units = rng.normal(size=(n, 70))
    units /= np.linalg.norm(units, axis=0)
    signs = rng.choice([-1, 1], size=(50, n))
    signs[0] = 1
    plain, tables = ((np.full(50, -np.inf), *np.zeros((2, 70), dtype=np.int64)) for _ in range(2))
    limits, none = np.linspace(0.1, 0.9, 70), np.empty((0, 0), dtype=np.uint8)
    moved = signs[:, None, :] * basis
    kernels.extremes_and_counts(moved, none, n_interest, units, 0, limits, *plain)
    patterns = np.packbits(signs < 0, axis=1, bitorder='little')
    kernels.extremes_and_counts(basis[None], patterns, n_interest, units, 0, limits, *tables)
    np.testing.assert_allclose(tables[0], plain[0], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(tables[1], plain[1])
    found = [
        kernels_found(moved, none, n_interest, units),
        kernels_found(basis[None], patterns, n_interest, units),
    ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)


def kernels_found(projections, patterns, n_interest, units):
    which, where = np.empty(5000, dtype=np.uint16), np.empty(5000, dtype=np.uint32)
    value, present = np.empty(5000), np.zeros(50, dtype=bool)
    found = kernels.collect_beyond(
        projections, patterns, n_interest, units, 0.6, 3, 0, which, where, value, present
    )
    assert 0 < found < 5000
    assert present.all()
    return which[:found], where[:found], value[:found]


def test_chunks_of_another_side_are_refused():
    design, contrast = LARGER['mean']
    schedule = draw_schedule(design, contrast, n_perm=6)
    chunk = permute(VALUES[:, :70], design, contrast, schedule, sidedness='positive')
    with pytest.raises(ScheduleError, match='another side'):
        merge([chunk], design, contrast, sidedness='negative')


def test_a_schedule_is_refused_by_a_design_with_other_groups_of_rows():
    # With all relabellings of two groups of three, an ANCOVA would get 20 of its 720.
    group = np.column_stack([np.ones(6), np.repeat([0, 1], 3)])
    ancova = np.column_stack([group, [3.0, 1, 4, 1, 5, 9]])
    schedule = draw_schedule(group, [0, 1])
    assert schedule.exhaustive
    with pytest.raises(ScheduleError, match='other groups of equal rows'):
        permute(VALUES[:6, :70], ancova, [0, 1, 0], schedule)
    # The same rows in other units are the same groups.
    permute(VALUES[:6, :70], group * 2, [0, 1], schedule)


GROUPS = {
    'balanced': np.repeat([0.0, 1], 6),
    'unbalanced': np.repeat([3.0, -1], [3, 9]),
    'shuffled': RNG.permutation(np.repeat([0.0, 1], [5, 7])),
}


@pytest.mark.parametrize('method', ['freedman-lane', 'ter-braak', 'manly'])
@pytest.mark.parametrize('sidedness', SIDES)
@pytest.mark.parametrize('name', GROUPS)
def test_two_groups_are_sign_flips(monkeypatch, name, sidedness, method):
    """Tables of partial sums give what the plain sums give."""
    design = np.column_stack([np.ones(N), GROUPS[name]])
    schedule = draw_schedule(design, [0, 1], n_perm=200, method=method)
    problem = VALUES, design, [0, 1], schedule
    by_tables = run(*problem, sidedness=sidedness)
    monkeypatch.setattr(engines, '_find_halves', lambda *_: None)
    plainly = run(*problem, sidedness=sidedness)
    np.testing.assert_allclose(by_tables.null, plainly.null, rtol=1e-12)
    for one, other in zip(by_tables[:3], plainly[:3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_two_groups_beside_a_constant_are_sign_flips():
    def halves(design, contrast, **options):
        schedule = draw_schedule(design, contrast, n_perm=9, **options)
        method = make_method(schedule.method, design, contrast)
        return engines.Correlations(VALUES, method, schedule, True).halves

    two = np.column_stack([np.ones(N), GROUP])
    basis, negative = halves(two, [0, 1])
    np.testing.assert_array_equal(negative, GROUP == 0)
    np.testing.assert_allclose(basis, N**-0.5)
    assert halves(np.column_stack([1 - GROUP, GROUP]), [-1, 1]) is not None
    assert halves(np.column_stack([two, AGE]), [0, 1, 0]) is None
    assert halves(np.column_stack([np.ones(N), AGE]), [0, 1]) is None
    assert halves(two, [0, 1], errors='both') is None
    assert halves(two, [0, 1], method='dekker') is None
    assert halves(two, [0, 1], method='huh-jhun') is None


# Validity


@pytest.mark.parametrize('name', ['mean of 6', 'unbalanced groups'])
def test_the_test_is_exact_over_its_own_relabellings(name):
    # Each relabelling of one data set is tested in turn. Under the null hypothesis they are
    # equally likely, and of such data exactly a share p has a p value of p or less.
    design, contrast, _ = DESIGNS[name]
    schedule = draw_schedule(design, contrast)
    values = data(len(design), 5, seed=4)
    smallest = []
    for order, signs in relabellings_of(schedule):
        moved = values[order, :] * np.asarray(signs)[:, None]
        smallest.append(run(moved, design, contrast, schedule).p_fwe.min())
    for p in set(smallest):
        assert np.mean(np.array(smallest) <= p) == p


@pytest.mark.parametrize('name', ['mean', 'ancova'])
def test_familywise_error_is_held_on_null_data(name):
    # 400 groups of 12 with heavy tails and 50 points in clusters that share noise.
    rng = np.random.default_rng(20030801)
    design, contrast = LARGER[name]
    n_sets, false = 400, 0
    for number in range(n_sets):
        noise = rng.standard_t(3, size=(N, 50))
        values = noise + np.repeat(rng.standard_t(3, size=(N, 5)), 10, axis=1)
        values += np.outer(AGE, np.full(50, 3.0)) if name == 'ancova' else 0.0
        schedule = draw_schedule(design, contrast, n_perm=99, seed=number)
        false += run(values, design, contrast, schedule).p_fwe.min() <= 0.05
    low, high = stats.binom.interval(0.99, n_sets, 0.05)
    assert low <= false <= high


def test_a_planted_effect_is_found_where_it_is():
    rng = np.random.default_rng(1)
    design = np.ones((16, 1))
    values = rng.normal(size=(16, 500))
    values[:, 100:110] += 2.5
    result = run(values, design, [1], draw_schedule(design, [1], n_perm=499))
    assert np.flatnonzero(result.p_fwe <= 0.05).tolist() == list(range(100, 110))
