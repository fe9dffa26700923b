"""Leaving observations out in closed form, against models that are fitted again."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import OLSInfluence

from nistats_nipype.exceptions import ContrastError, MissingDataError
from nistats_nipype.images.packed import PackedMaps
from nistats_nipype.stats import glm
from nistats_nipype.stats.influence import leave_one_out

N, V = 15, 50
RNG = np.random.default_rng(19800101)
GROUP = np.repeat([0.0, 1.0], [7, 8])
AGE = RNG.normal(40, 10, N)
THREE = np.eye(3)[[0] * 5 + [1] * 5 + [2] * 5]
VALUES = RNG.normal(size=(N, V)) + RNG.normal(size=V)
VALUES[3] += 4.0

DESIGNS = {
    'one-sample': (np.ones((N, 1)), [1.0]),
    'two-sample': (np.column_stack([np.ones(N), GROUP]), [0, 1]),
    'redundant': (np.column_stack([1 - GROUP, GROUP, np.ones(N), AGE]), [-1, 1, 0, 0]),
    'three groups': (np.column_stack([THREE, AGE]), [[1, -1, 0, 0], [0, 1, -1, 0], [1, 0, -1, 0]]),
    'one alone': (np.column_stack([np.ones(N), AGE, np.arange(N) == 2]), [0, 1, 0]),
}


def refit(values, design, weights, index, **options):
    """Oracle: the analysis of the others."""
    kept = np.delete(np.arange(len(values)), index)
    design = design[kept]
    return glm.contrast(glm.fit(values[kept], design, **options), design, weights)


def extreme(values, height):
    heights = height(values)
    best = int(np.nanargmax(heights))
    return values[best], best


def check(values, design, weights, sidedness='two-sided', **options):
    """Compare everything with as many fits as there are observations."""
    out = np.zeros(values.shape)
    result = leave_one_out(values, design, weights, sidedness=sidedness, out=out, **options)
    before = glm.contrast(glm.fit(values, design, **options), design, weights)
    height = {
        'two-sided': np.abs, 'positive': lambda t: t, 'negative': lambda t: -t
    }['positive' if before.kind == 'F' else sidedness]  # fmt: skip
    stat, peak = extreme(before.stat, height)
    assert (result.peak, result.kind) == (peak, before.kind)
    assert result.stat == pytest.approx(stat, rel=1e-12)
    for i in range(len(values)):
        after = refit(values, design, weights, i, **options)
        np.testing.assert_allclose(out[i], after.stat, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(result.stat_at_peak[i], after.stat[peak], rtol=1e-9)
        new, where = extreme(after.stat, height)
        assert result.new_peak[i] == where
        assert result.new_stat[i] == pytest.approx(new, rel=1e-9)
        changes = after.effect - before.effect
        change, where = extreme(changes[np.abs(changes).argmax(axis=0), range(V)], np.abs)
        # An observation with a regressor of its own changes nothing, but for rounding.
        assert result.effect_change[i] == pytest.approx(change, rel=1e-9, abs=1e-12)
        if abs(change) > 1e-9:
            assert result.effect_point[i] == where
        change, where = extreme(after.stat - before.stat, np.abs)
        assert result.stat_change[i] == pytest.approx(change, rel=1e-8, abs=1e-9)
    return result


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('name', DESIGNS)
def test_is_that_of_fitting_again(name, sidedness):
    check(VALUES, *DESIGNS[name], sidedness=sidedness)


def test_statsmodels():
    """The changes of all estimates, of which ours are the largest."""
    design, _ = DESIGNS['two-sample']
    ours = leave_one_out(VALUES, design, [0, 1])
    changes = np.array([
        -OLSInfluence(sm.OLS(VALUES[:, v], design).fit()).dfbeta[:, 1] for v in range(V)
    ])  # fmt: skip
    np.testing.assert_array_equal(ours.effect_point, np.abs(changes).argmax(axis=0))
    largest = changes[ours.effect_point, range(N)]
    np.testing.assert_allclose(ours.effect_change, largest, rtol=1e-9)


def test_the_wild_one_is_found():
    result = leave_one_out(VALUES, np.ones((N, 1)), [1.0])
    assert np.abs(result.effect_change).argmax() == 3


def test_missing_values():
    """A point without an observation has nothing to lose by it."""
    values = VALUES.copy()
    values[[0, 8], :6] = np.nan
    values[4, 6] = np.nan
    values[:, 7] = np.nan
    design, weights = DESIGNS['redundant']
    check(values, design, weights, missing='per_voxel')
    out = np.zeros(values.shape)
    leave_one_out(values, design, weights, missing='per_voxel', out=out)
    before = glm.contrast(glm.fit(values, design, missing='per_voxel'), design, weights)
    np.testing.assert_array_equal(out[0, :6], before.stat[:6])
    np.testing.assert_array_equal(out[4, 6], before.stat[6])
    # A point that is dropped stays so, even if the one that lacks it is left out.
    dropped = leave_one_out(values, design, weights, missing='drop_voxel')
    complete = leave_one_out(values[:, 8:], design, weights)
    np.testing.assert_array_equal(dropped.stat_at_peak, complete.stat_at_peak)
    np.testing.assert_array_equal(dropped.new_peak, complete.new_peak + 8)
    with pytest.raises(MissingDataError):
        leave_one_out(values, design, weights)


def test_a_contrast_that_hangs_on_one_observation():
    """Without the only patient there is no difference to test."""
    patient = (np.arange(N) == 5).astype(float)
    design = np.column_stack([np.ones(N), patient])
    out = np.zeros(VALUES.shape)
    result = leave_one_out(VALUES, design, [0, 1], out=out)
    lost = np.arange(N) == 5
    for values in (result.stat_at_peak, result.effect_change, result.new_stat):
        np.testing.assert_array_equal(np.isnan(values), lost)
    np.testing.assert_array_equal(result.new_peak == -1, lost)
    assert np.isnan(out[5]).all()
    after = refit(VALUES, design, [0, 1], 0)
    np.testing.assert_allclose(out[0], after.stat, rtol=1e-9)
    with pytest.raises(ContrastError):
        refit(VALUES, design, [0, 1], 5)


def test_too_few_degrees_of_freedom_and_no_variance_left():
    values = np.array([[1.0, 2.0], [3.0, 2.0]])
    result = leave_one_out(values, np.ones((2, 1)), [1.0])
    assert np.isnan(result.stat_at_peak).all()
    assert result.peak == 0
    # The last made all of the variance.
    values = np.array([[0.1]] * 6 + [[5.0]])
    result = leave_one_out(values, np.ones((7, 1)), [1.0])
    np.testing.assert_array_equal(np.isnan(result.stat_at_peak), [False] * 6 + [True])


def test_blocks_and_packed_maps_do_not_matter(monkeypatch, tmp_path):
    values = RNG.normal(size=(N, 700)).astype(np.float32)
    values[2, 100:400] = np.nan
    values[:, 650] = values[:, 20]
    design, weights = DESIGNS['two-sample']
    whole = leave_one_out(values, design, weights, missing='per_voxel')
    np.save(tmp_path / 'packed.npy', values)
    monkeypatch.setattr(glm, 'BLOCK', 64)
    packed = PackedMaps(str(tmp_path / 'packed.npy'))
    parts = leave_one_out(packed, design, weights, missing='per_voxel')
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
