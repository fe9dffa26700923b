"""Permutation where observations are missing: against refits of every point on what it has."""

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import sparse, stats

from nistats_nipype.exceptions import InputError, ScheduleError
from nistats_nipype.stats import glm
from nistats_nipype.stats.blocks import whole_blocks, within_blocks
from nistats_nipype.stats.early_stopping import permute_until
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.partial import restrict
from nistats_nipype.stats.permutation import merge, permute
from nistats_nipype.stats.spatial import merge_spatial, permute_spatial

N, V = 12, 40
RNG = np.random.default_rng(11)
GROUP = np.repeat([0.0, 1.0], N // 2)
AGE = RNG.standard_normal(N)
ONES = np.ones(N)
DESIGNS = {
    'one sample': (np.ones((N, 1)), [1.0]),
    'mean beside age': (np.column_stack([ONES, AGE]), [1.0, 0.0]),
    'two sample': (np.column_stack([ONES, GROUP]), [0.0, 1.0]),
    'ancova': (np.column_stack([ONES, GROUP, AGE]), [0.0, 1.0, 0.0]),
    'F': (np.column_stack([ONES, GROUP, AGE]), [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    'F of one row': (np.column_stack([ONES, GROUP]), [[0.0, 1.0], [0.0, 2.0]]),
}


@pytest.fixture(scope='module')
def values():
    """Maps of which one in ten values is missing, and the first points complete."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal((N, V)) + 0.4
    values[rng.uniform(size=values.shape) < 0.1] = np.nan
    values[:, :4] = rng.standard_normal((N, 4))
    # Not enough for a variance.
    values[1:, -1] = np.nan
    return values


def follow(order, present):
    """Take an absent successor's successor, one by one."""
    found = []
    for place in np.flatnonzero(present):
        successor = order[place]
        while not present[successor]:
            successor = order[successor]
        found.append(successor)
    return np.array(found)


def refit(y, design, contrast, nuisance, order, signs):
    """Score of the test of one relabelled point, by Freedman and Lane, from textbook formulas."""
    fitted = nuisance @ np.linalg.pinv(nuisance) @ y
    y = fitted + signs * (y - fitted)[order]
    inverse = np.linalg.pinv(design)
    beta = inverse @ y
    residual = y - design @ beta
    dof = len(y) - np.linalg.matrix_rank(design)
    variance = residual @ residual / dof
    contrast = np.atleast_2d(contrast)
    effect, cov = contrast @ beta, contrast @ inverse @ inverse.T @ contrast.T
    if len(contrast) == 1:
        t = effect[0] / np.sqrt(variance * cov[0, 0])
        return (
            stats.norm.isf(stats.t.sf(t, dof)) if t > 0 else -stats.norm.isf(stats.t.sf(-t, dof))
        )
    rank = np.linalg.matrix_rank(cov)
    f = effect @ np.linalg.pinv(cov) @ effect / rank / variance
    if rank == 1:
        return stats.norm.isf(stats.t.sf(np.sqrt(f), dof))
    return stats.norm.isf(stats.f.sf(f, rank, dof))


def nuisance_of(design, contrast):
    """Columns beside those that the contrast tests, whose weights are zero."""
    return design[:, ~np.atleast_2d(contrast).any(axis=0)]


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('name', DESIGNS)
def test_counts_and_maxima_are_those_of_refits(name, sidedness, values):
    design, contrast = DESIGNS[name]
    schedule = draw_schedule(design, contrast, n_perm=40, seed=3)
    chunk = permute(values, design, contrast, schedule, sidedness=sidedness, missing='per_voxel')
    scores = np.full((schedule.n_relabellings, V), np.nan)
    for v, b in itertools.product(range(V), range(schedule.n_relabellings)):
        present = ~np.isnan(values[:, v])
        if present.sum() < 2:
            continue
        order, signs = np.arange(N), np.ones(N)
        order = order if schedule.orders is None else schedule.orders[b]
        signs = signs if schedule.signs is None else schedule.signs[b]
        place = np.cumsum(present) - 1
        part = design[present]
        scores[b, v] = refit(
            values[present, v],
            part,
            contrast,
            nuisance_of(part, contrast),
            place[follow(order, present)],
            signs[present],
        )
    is_f = len(np.atleast_2d(contrast)) > 1
    side = 1 if is_f else {'two-sided': 0, 'positive': 1, 'negative': -1}[sidedness]
    turned = np.abs(scores) if side == 0 else side * scores
    tested = ~np.isnan(chunk.stat)
    assert tested.tolist() == [True] * (V - 1) + [False]
    np.testing.assert_allclose(chunk.observed[tested], scores[0, tested], rtol=1e-7)
    np.testing.assert_allclose(chunk.maxima, turned[:, tested].max(axis=1), rtol=1e-7)
    counts = (turned[:, tested] >= turned[0, tested] - 1e-8).sum(axis=0)
    np.testing.assert_array_equal(chunk.counts[tested], counts)
    result = merge([chunk], design, contrast, sidedness=sidedness)
    np.testing.assert_allclose(result.p_uncorrected[tested], counts / len(turned))
    top = turned[:, tested].max(axis=1)
    reached = (top[:, None] >= turned[0, tested] - 1e-8).mean(axis=0)
    np.testing.assert_allclose(result.p_fwe[tested], reached)


@pytest.mark.parametrize('name', DESIGNS)
def test_statistics_are_the_parametric_ones(name, values):
    design, contrast = DESIGNS[name]
    schedule = draw_schedule(design, contrast, n_perm=4)
    chunk = permute(values, design, contrast, schedule, missing='per_voxel')
    model = glm.fit(values, design, missing='per_voxel')
    parametric = glm.contrast(model, design, contrast)
    np.testing.assert_array_equal(chunk.stat, parametric.stat)
    if name != 'F of one row':
        np.testing.assert_allclose(chunk.observed, parametric.z, rtol=1e-9)


@pytest.mark.parametrize('name', DESIGNS)
def test_without_missing_values_uncorrected_p_are_the_same(name):
    values = np.random.default_rng(2).standard_normal((N, 30))
    design, contrast = DESIGNS[name]
    schedule = draw_schedule(design, contrast, n_perm=200)
    chunks = [
        permute(values, design, contrast, schedule, missing=missing)
        for missing in ('error', 'per_voxel')
    ]
    complete, partial = (merge([chunk], design, contrast) for chunk in chunks)
    np.testing.assert_array_equal(complete.p_uncorrected, partial.p_uncorrected)
    np.testing.assert_array_equal(complete.p_fwe, partial.p_fwe)
    np.testing.assert_array_equal(complete.stat, partial.stat)


def test_the_split_does_not_matter(values):
    design, contrast = DESIGNS['ancova']
    schedule = draw_schedule(design, contrast, n_perm=60)

    def run(n_chunks, num_threads):
        bounds = np.linspace(0, schedule.n_relabellings, n_chunks + 1).astype(int)
        chunks = [
            permute(
                *(values, design, contrast, schedule),
                start=start,
                stop=stop,
                missing='per_voxel',
                num_threads=num_threads,
            )
            for start, stop in itertools.pairwise(bounds)
        ]
        return [np.asarray(each).tobytes() for each in merge(chunks, design, contrast)]

    first = run(1, 1)
    assert run(7, 2) == first
    assert run(61, 1) == first


def test_permutations_of_the_rest_are_equally_likely():
    orders = np.array(list(itertools.permutations(range(5))), dtype=np.int32)
    design = np.arange(5.0)[:, None]
    schedule = draw_schedule(design, [1.0], n_perm=1000, errors='exchangeable')
    assert sorted(map(tuple, schedule.orders)) == sorted(map(tuple, orders))
    rows = np.array([0, 2, 3])
    found = restrict(schedule, rows, design[rows], [1.0]).orders
    assert set(Counter(map(tuple, found)).values()) == {120 // 6}


def test_observations_stay_within_their_block():
    design = np.column_stack([np.eye(4)[np.arange(N) % 4], AGE])
    contrast = [0.0, 0, 0, 0, 1]
    blocks = np.arange(N) % 4 + 1
    schedule = draw_schedule(design, contrast, n_perm=50, blocks=within_blocks(blocks))
    rows = np.array([0, 1, 2, 4, 6, 7, 9, 10])
    orders = restrict(schedule, rows, design[rows], contrast).orders
    assert (np.sort(orders, axis=1) == np.arange(len(rows))).all()
    assert (blocks[rows][orders] == blocks[rows]).all()
    assert len(np.unique(orders, axis=0)) > 4


def test_scores_form_clusters(values):
    design, contrast = DESIGNS['two sample']
    schedule = draw_schedule(design, contrast, n_perm=30)
    line = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(V, V))
    options = {'threshold': 0.8, 'tfce': (0.5, 2.0)}
    chunks = [
        permute_spatial(
            values,
            design,
            contrast,
            schedule,
            line,
            start=start,
            stop=stop,
            missing='per_voxel',
            num_threads=2,
            **options,
        )
        for start, stop in ((0, 11), (11, schedule.n_relabellings))
    ]
    observed = permute(values, design, contrast, schedule, stop=1, missing='per_voxel').observed
    beyond = np.abs(observed) >= 0.8
    signs = np.where(beyond, np.sign(observed), 0)
    expected, v = np.zeros(V), 0
    while v < V:
        end = v + 1
        while end < V and signs[end] == signs[v]:
            end += 1
        if signs[v]:
            expected[v:end] = end - v
        v = end
    found = chunks[0].observed[0]
    np.testing.assert_array_equal(found[~np.isnan(found)], expected[~np.isnan(observed)])
    result = merge_spatial(chunks, design, contrast)
    assert all(np.nanmin(each.p_fwe) >= 1 / schedule.n_relabellings for each in result.values())


def test_what_has_no_meaning_is_refused(values):
    design, contrast = DESIGNS['two sample']
    blocks = whole_blocks(np.repeat(np.arange(1, 7), 2))
    nested = np.column_stack([ONES, np.repeat(RNG.standard_normal(6), 2)])
    whole = draw_schedule(nested, contrast, n_perm=20, blocks=blocks)
    reduced = draw_schedule(design, contrast, n_perm=20, method='huh-jhun')
    grouped = draw_schedule(design, contrast, n_perm=20, groups=GROUP)
    for wrong, schedule, message in (
        (nested, whole, 'cannot be exchanged as wholes'),
        (design, reduced, 'Huh and Jhun'),
        (design, grouped, 'Variance groups'),
    ):
        with pytest.raises(ScheduleError, match=message):
            permute(values, wrong, contrast, schedule, missing='per_voxel')
    schedule = draw_schedule(design, contrast, n_perm=20)
    with pytest.raises(InputError, match='not smoothed'):
        permute(
            *(values, design, contrast, schedule),
            missing='per_voxel',
            smooth_variance=lambda row: row,
        )
    with pytest.raises(ScheduleError, match='early stopping'):
        permute_until(values, design, contrast, schedule, missing='per_voxel')
