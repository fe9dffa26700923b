import numpy as np
import pytest
from scipy import stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats import glm
from nistats_nipype.stats.correction import (
    bonferroni,
    check_alpha,
    corrected_z,
    fdr,
    fdr_two_stage,
    height_threshold,
)


def step_up(p, q):
    # Benjamini and Hochberg 1995, as stated: the largest k with p_(k) <= k q / m.
    ordered = np.sort(p)
    below = [k for k, value in enumerate(ordered, 1) if value <= k * q / p.size]
    return p <= ordered[below[-1] - 1] if below else np.zeros(p.shape, dtype=bool)


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('q', [0.01, 0.05, 0.2, 0.7])
def test_fdr_rejects_what_the_step_up_procedure_rejects(seed, q):
    p = np.random.default_rng(seed).uniform(size=200) ** 2.5
    np.testing.assert_array_equal(fdr(p) <= q, step_up(p, q))


@pytest.mark.parametrize(('ours', 'method'), [(fdr, 'fdr_bh'), (bonferroni, 'bonferroni')])
@pytest.mark.parametrize('size', [1, 2, 37, 1000])
def test_adjusted_p_match_statsmodels(ours, method, size):
    from statsmodels.stats import multitest

    p = np.round(np.random.default_rng(size).uniform(size=size) ** 3, 3)  # with ties, and zeros
    np.testing.assert_allclose(ours(p), multitest.multipletests(p, method=method)[1], rtol=1e-13)


@pytest.mark.parametrize('method', [fdr, bonferroni])
def test_nan_is_not_a_test(method):
    p = np.random.default_rng(3).uniform(size=(4, 5)) ** 4
    with_gaps = np.insert(p.ravel(), [0, 3, 20], np.nan)
    adjusted = method(with_gaps)
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(with_gaps))
    np.testing.assert_array_equal(adjusted[~np.isnan(with_gaps)], method(p.ravel()))
    np.testing.assert_array_equal(method(p), method(p.ravel()).reshape(4, 5))
    assert np.isnan(method([np.nan, np.nan])).all()


def two_stage(p, alpha):
    # Benjamini, Krieger and Yekutieli 2006, definition 6, as stated.
    first = alpha / (1 + alpha)
    rejected = step_up(p, first)
    if rejected.all() or not rejected.any():
        return rejected
    return step_up(p, first * p.size / (p.size - rejected.sum()))


@pytest.mark.parametrize('power', [1.0, 2.5, 8.0])
@pytest.mark.parametrize('alpha', [0.01, 0.05, 0.2, 0.7])
def test_two_stage_fdr_rejects_what_the_procedure_rejects(alpha, power):
    for seed in range(5):
        p = np.random.default_rng(seed).uniform(size=200) ** power
        np.testing.assert_array_equal(fdr_two_stage(p, alpha) <= alpha, two_stage(p, alpha))


@pytest.mark.parametrize('alpha', [0.01, 0.05, 0.2])
@pytest.mark.parametrize('size', [1, 2, 37, 1000])
def test_two_stage_fdr_matches_statsmodels(size, alpha):
    from statsmodels.stats import multitest

    for power in (1, 3, 30):
        p = np.round(np.random.default_rng(size).uniform(size=size) ** power, 3)
        _, expected, *_ = multitest.multipletests(p, alpha, method='fdr_tsbky')
        np.testing.assert_allclose(fdr_two_stage(p, alpha), expected, rtol=1e-13)


def test_two_stage_fdr_controls_the_share_of_false_discoveries():
    # 40 of 100 hypotheses false: Benjamini and Hochberg hold 0.06 of the 0.1 asked for, the two
    # stages come nearer to it.
    rng = np.random.default_rng(4)
    shares = {'once': [], 'twice': []}
    for _ in range(400):
        p = stats.norm.sf(rng.normal(size=100) + np.repeat([3.0, 0.0], [40, 60]))
        for name, found in (('once', fdr(p) <= 0.1), ('twice', fdr_two_stage(p, 0.1) <= 0.1)):
            shares[name].append(found[40:].sum() / max(found.sum(), 1))
    assert 0.05 < np.mean(shares['once']) < 0.07
    assert np.mean(shares['once']) + 0.01 < np.mean(shares['twice']) < 0.1


def test_two_stage_fdr_of_gaps_and_of_no_alpha():
    p = np.random.default_rng(3).uniform(size=(4, 5)) ** 4
    with_gaps = np.insert(p.ravel(), [0, 3, 20], np.nan)
    adjusted = fdr_two_stage(with_gaps, 0.1)
    np.testing.assert_array_equal(adjusted[~np.isnan(with_gaps)], fdr_two_stage(p, 0.1).ravel())
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(with_gaps))
    assert np.isnan(fdr_two_stage([np.nan], 0.1)).all()
    with pytest.raises(InputError, match='between 0 and 1'):
        fdr_two_stage(p, 1.0)


def test_the_input_is_left_alone():
    p = np.array([0.01, np.nan, 0.2])
    fdr(p)
    bonferroni(p)
    np.testing.assert_array_equal(p, [0.01, np.nan, 0.2])


def test_corrected_z_is_the_cor_z_score_of_nistats():
    # norm.isf(p), clipped at 0 and unsigned, of p = (relabellings that reach it) / (n_perm + 1).
    p = np.arange(1, 1001) / 1001
    expected = stats.norm.isf(p)
    expected[expected < 0] = 0
    np.testing.assert_allclose(corrected_z(p), expected, rtol=1e-12)
    assert not np.signbit(corrected_z([0.5, 0.9, 1.0])).any()


def test_corrected_z_takes_the_sign_of_the_statistic():
    p = np.array([0.001, 0.02, 0.8, np.nan])
    z = corrected_z(p, stat=[-4.0, 3.0, -0.1, np.nan])
    np.testing.assert_array_equal(z, corrected_z(p) * [-1, 1, 1, 1])
    np.testing.assert_array_equal(np.isnan(corrected_z(p)), np.isnan(p))


@pytest.mark.parametrize('alpha', [0.0, 1.0, -0.1, 3.1, np.nan])
def test_alpha_must_be_a_probability(alpha):
    with pytest.raises(InputError, match='between 0 and 1') as caught:
        check_alpha(alpha)
    assert caught.value.found == f'{alpha:g}'


@pytest.mark.parametrize('alpha', [1e-9, 0.05, 0.999])
def test_a_probability_is_returned(alpha):
    assert check_alpha(alpha) == alpha


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('method', ['fpr', 'fdr', 'bonferroni'])
@pytest.mark.parametrize('alpha', [0.001, 0.05, 0.3])
def test_points_at_or_above_the_threshold_are_those_with_small_p(method, sidedness, alpha):
    rng = np.random.default_rng(8)
    z = np.concatenate([rng.normal(size=300), rng.normal(4, 1, 40), rng.normal(-4, 1, 30)])
    height = {'two-sided': np.abs(z), 'positive': z, 'negative': -z}[sidedness]
    p = stats.norm.sf(height) * (2 if sidedness == 'two-sided' else 1)
    expected = {
        'fpr': p <= alpha,
        'fdr': step_up(p, alpha),
        'bonferroni': p * z.size <= alpha,
    }[method]
    assert 0 < expected.sum() < z.size
    threshold = height_threshold(z, method, alpha, sidedness)
    np.testing.assert_array_equal(height >= threshold, expected)
    assert height_threshold(np.append(z, [np.nan] * 9), method, alpha, sidedness) == threshold


def test_a_threshold_that_nothing_passes():
    assert height_threshold([0.5, -1.0, 0.1], 'fdr', 0.05) == np.inf
    assert height_threshold([np.nan], 'fdr', 0.05) == np.inf
    assert height_threshold(np.zeros(1000), 'bonferroni', 0.05) == pytest.approx(
        stats.norm.isf(0.025 / 1000), rel=1e-12
    )


@pytest.mark.parametrize('method', ['fpr', 'fdr', 'bonferroni'])
def test_a_threshold_needs_a_side_and_an_error_rate(method):
    with pytest.raises(InputError, match='Unknown side'):
        height_threshold([1.0], method, 0.05, 'both')
    with pytest.raises(InputError, match='not between 0 and 1'):
        height_threshold([1.0], method, 2.3)


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match='Unknown way') as caught:
        height_threshold([1.0], 'fwe', 0.05)
    assert caught.value.found == "'fwe'"


def test_published_figures_of_wager_2008(data_dir):
    # CANlab's voxelwise t-test walkthrough: q < .05, two-sided, missing values left out voxel
    # by voxel; threshold 0.002549, 37 negative voxels and 2,502 positive ones with p below it,
    # 2,503 at or below it.
    import nibabel

    folder = data_dir / 'wager2008'
    mask = np.asarray(nibabel.load(folder / 'mask.nii.gz').dataobj).squeeze() > 0
    maps = [nibabel.load(path).get_fdata().squeeze() for path in sorted(folder.glob('con*.img'))]
    values = np.stack([image[mask] for image in maps])
    assert values.shape == (30, 49792)
    design = np.ones((30, 1))
    result = glm.contrast(glm.fit(values, design, missing='per_voxel'), design, [1])
    found = fdr(result.p) <= 0.05
    assert round(result.p[found].max(), 6) == 0.002549
    assert (found & (result.stat > 0)).sum() == 2503
    assert (found & (result.stat < 0)).sum() == 37
    n = np.isfinite(values).sum(axis=0)
    t = np.nanmean(values, axis=0) / np.nanstd(values, axis=0, ddof=1) * np.sqrt(n)
    np.testing.assert_allclose(result.p, 2 * stats.t.sf(np.abs(t), n - 1), rtol=1e-10)
