"""The synthetic group: its files, its planted truth, and its noise."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.datasets import simulate_group
from nistats_nipype.exceptions import InputError
from nistats_nipype.images.volumes import load_volume

COARSE = {'resolution_mm': 8}


def load_all(paths):
    return np.stack([load_volume(path, dtype=np.float64).data for path in paths])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('group')


@pytest.fixture(scope='module')
def group(folder):
    """A large group without holes."""
    return simulate_group(folder, n_subjects=200, hole_fraction=0.0, **COARSE)


@pytest.fixture(scope='module')
def truth(group):
    return load_volume(group.truth_file).data


@pytest.fixture(scope='module')
def mask(group):
    return load_volume(group.mask_file).data > 0


def test_files_are_named_as_in_bids(tmp_path):
    made = simulate_group(tmp_path / 'new' / 'folder', n_subjects=3, **COARSE)
    root = tmp_path / 'new' / 'folder'
    assert made.effect_files[0] == str(
        root / 'sub-01' / 'sub-01_contrast-motor_stat-effect_statmap.nii.gz'
    )
    table = pd.read_csv(made.participants_file, sep='\t')
    assert table['participant_id'].tolist() == ['sub-01', 'sub-02', 'sub-03']
    assert table['group'].tolist() == ['control', 'patient', 'control']
    assert table['age'].between(20, 70).all()
    for column in ('effect_file', 'variance_file', 'tmap_file'):
        paths = [str(root / path) for path in table[column]]
        assert paths == getattr(made, f'{column}s')
        assert all(Path(path).is_file() for path in paths)


def test_same_seed_same_bytes_and_groups_grow(tmp_path):
    small = simulate_group(tmp_path / 'small', n_subjects=2, seed=5, **COARSE)
    large = simulate_group(tmp_path / 'large', n_subjects=4, seed=5, **COARSE)
    other = simulate_group(tmp_path / 'other', n_subjects=2, seed=6, **COARSE)
    for kind in ('effect_files', 'variance_files', 'tmap_files'):
        first, longer, another = (
            [Path(path).read_bytes() for path in getattr(made, kind)]
            for made in (small, large, other)
        )
        assert first == longer[:2]
        assert set(first).isdisjoint(another)
        assert len(set(longer)) == 4
    rows = [pd.read_csv(made.participants_file, sep='\t') for made in (small, large)]
    pd.testing.assert_frame_equal(rows[0], rows[1].iloc[:2])
    assert Path(small.truth_file).read_bytes() == Path(other.truth_file).read_bytes()


def test_truth_is_sparse_signed_and_in_the_hand_areas(truth, mask, group):
    assert np.abs(truth).max() == pytest.approx(1.0)
    assert truth[~mask].max() == truth[~mask].min() == 0
    assert 0.02 < np.mean(truth[mask] != 0) < 0.2
    affine = load_volume(group.truth_file).affine
    x = (affine @ [*np.unravel_index(truth.argmax(), truth.shape), 1])[0]
    assert x > 20  # the left hand moves the right hemisphere
    x = (affine @ [*np.unravel_index(truth.argmin(), truth.shape), 1])[0]
    assert x < -20


def test_planted_effects_do_not_overlap(truth, group):
    maps = [truth, *(load_volume(p).data for p in (group.truth_group_file, group.truth_age_file))]
    assert all((values != 0).sum() >= 4 for values in maps)
    assert sum((values != 0).astype(int) for values in maps).max() == 1


def test_regression_recovers_all_three_truths(group, truth, mask):
    table = pd.read_csv(group.participants_file, sep='\t')
    design = np.column_stack(
        [np.ones(len(table)), (table['group'] == 'patient') - 0.5, table['age'] - 45]
    )
    effects = load_all(group.effect_files)[:, mask]
    estimates = np.linalg.lstsq(design, effects, rcond=None)[0]
    residuals = effects - design @ estimates
    errors = np.sqrt(
        np.square(residuals).sum(0)
        / (len(table) - 3)
        * np.diag(np.linalg.inv(design.T @ design))[:, None]
    )
    planted = [
        truth,
        *(load_volume(p).data for p in (group.truth_group_file, group.truth_age_file)),
    ]
    for estimate, error, values in zip(estimates, errors, planted, strict=True):
        z = (estimate - values[mask]) / error
        assert np.std(z) == pytest.approx(1.0, abs=0.15)
        assert np.abs(z).max() < 5.5
        # Where something was planted it is found, with its sign.
        strong = np.abs(values[mask]) > 0.5 * np.abs(values).max()
        assert (np.sign(estimate[strong]) == np.sign(values[mask][strong])).all()


def test_variance_maps_hold_the_variance_of_the_noise(tmp_path):
    """Within-subject noise, isolated, divided by its reported deviation, is standard normal."""
    made = simulate_group(
        tmp_path, n_subjects=60, effect_size=0.0, between_sd=0.0, amplitude_sd=0.0,
        within_sd=0.7, noise_fwhm_mm=10.0, hole_fraction=0.0, **COARSE,
    )  # fmt: skip
    inside = load_volume(made.mask_file).data > 0
    variance = load_all(made.variance_files)[:, inside]
    noise = load_all(made.effect_files)[:, inside]
    squares = np.square(noise / np.sqrt(variance))
    assert squares.mean() == pytest.approx(1.0, abs=0.02)
    # In every voxel, over subjects: chi square with 60 degrees of freedom, sd sqrt(2 / 60).
    assert squares.mean(axis=0).std() == pytest.approx(np.sqrt(2 / 60), rel=0.15)
    assert np.median(variance) == pytest.approx(0.49, rel=0.1)
    # The variance differs between subjects and over space.
    assert variance.mean(axis=1).std() > 0.1 * variance.mean()
    assert variance.std(axis=1).min() > 0.05 * variance.mean()


def test_between_subject_variance_is_as_stated(tmp_path):
    made = simulate_group(
        tmp_path, n_subjects=150, effect_size=0.0, between_sd=0.8, within_sd=0.3,
        hole_fraction=0.0, **COARSE,
    )  # fmt: skip
    inside = load_volume(made.mask_file).data > 0
    total = load_all(made.effect_files)[:, inside].var(axis=0, ddof=1).mean()
    within = load_all(made.variance_files)[:, inside].mean()
    assert total - within == pytest.approx(0.64, rel=0.03)


def test_noise_is_as_smooth_as_stated(tmp_path):
    """The correlation of neighbours under a Gaussian kernel is exp(-d^2 / (4 sigma^2))."""
    made = simulate_group(
        tmp_path, n_subjects=30, resolution_mm=4, effect_size=0.0, within_sd=1e-6,
        between_sd=1.0, noise_fwhm_mm=12.0, hole_fraction=0.0,
    )  # fmt: skip
    inside = load_volume(made.mask_file).data > 0
    noise = load_all(made.effect_files)
    both = inside[1:] & inside[:-1]
    found = np.mean(noise[:, 1:][:, both] * noise[:, :-1][:, both])
    sigma = 12.0 / np.sqrt(8 * np.log(2))
    assert found == pytest.approx(np.exp(-(4.0**2) / (4 * sigma**2)), abs=0.03)


def test_amplitude_scales_the_whole_activation(tmp_path):
    made = simulate_group(
        tmp_path, n_subjects=100, between_sd=0.0, within_sd=1e-6, amplitude_sd=0.5,
        hole_fraction=0.0, **COARSE,
    )  # fmt: skip
    planted = load_volume(made.truth_file).data
    where = np.abs(planted) > 0.05
    ratios = load_all(made.effect_files)[:, where] / planted[where]
    np.testing.assert_allclose(ratios, ratios[:, :1] * np.ones_like(ratios), atol=1e-3)
    assert ratios[:, 0].std(ddof=1) == pytest.approx(0.5, rel=0.2)
    assert ratios[:, 0].mean() == pytest.approx(1.0, abs=0.15)


def test_t_maps_are_effect_over_deviation(group):
    effect, variance, t_map = (
        load_volume(paths[3]).data
        for paths in (group.effect_files, group.variance_files, group.tmap_files)
    )
    inside = variance > 0
    np.testing.assert_allclose(t_map[inside], effect[inside] / np.sqrt(variance[inside]), 1e-5)
    assert (t_map[~inside] == 0).all()


def test_holes_are_nan_and_air_is_zero(tmp_path):
    made = simulate_group(tmp_path, n_subjects=24, hole_fraction=1.0, **COARSE)
    inside = load_volume(made.mask_file).data > 0
    effects = load_all(made.effect_files)
    for maps in (effects, load_all(made.variance_files), load_all(made.tmap_files)):
        assert (maps[:, ~inside] == 0).all()
        np.testing.assert_array_equal(np.isnan(maps), np.isnan(effects))
    lost = np.isnan(effects[:, inside]).mean(axis=1)
    assert lost.min() > 0
    assert lost.max() < 0.25
    assert len({tuple(np.flatnonzero(np.isnan(each))) for each in effects}) > 5
    assert np.isfinite(effects[:, inside]).all(axis=0).mean() > 0.7


def test_hole_fraction_is_a_probability(tmp_path, group):
    assert np.isfinite(load_all(group.effect_files)).all()
    made = simulate_group(tmp_path, n_subjects=60, hole_fraction=0.5, **COARSE)
    holed = np.isnan(load_all(made.effect_files)).any(axis=(1, 2, 3)).mean()
    assert 0.3 < holed < 0.7


def test_default_group_detects_the_hand_areas(tmp_path):
    """Bonferroni over the brain, which is stricter than the maximum of permutations."""
    from scipy import ndimage, stats

    made = simulate_group(tmp_path)
    inside = load_volume(made.mask_file).data > 0
    planted = load_volume(made.truth_file).data
    effects = load_all(made.effect_files)
    covered = inside & np.isfinite(effects).all(axis=0)
    sigma = 8 / np.sqrt(8 * np.log(2)) / 3
    smooth = np.stack([ndimage.gaussian_filter(np.nan_to_num(each), sigma) for each in effects])[
        :, covered
    ]
    t, p = stats.ttest_1samp(smooth, 0)
    found = np.zeros(inside.shape)
    found[covered] = np.where(p < 0.05 / covered.sum(), t, 0)
    for sign in (1, -1):
        hand = sign * planted > 0.5
        assert (sign * found[hand] > 0).mean() > 0.2
    assert (found[ndimage.distance_transform_edt(planted == 0) > 3] != 0).sum() == 0


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('n_subjects', 1),
        ('n_subjects', 2.5),
        ('n_subjects', 'all'),
        ('resolution_mm', 0),
        ('resolution_mm', 2.5),
        ('seed', -1),
        ('seed', None),
        ('effect_size', -0.1),
        ('effect_size', np.nan),
        ('between_sd', np.inf),
        ('within_sd', 0.0),
        ('noise_fwhm_mm', -1),
        ('hole_fraction', 1.1),
    ],
)
def test_parameters_out_of_range(tmp_path, name, value):
    with pytest.raises(InputError, match=name):
        simulate_group(tmp_path / 'out', **{name: value})
    assert not (tmp_path / 'out').exists()


def test_whole_floats_are_taken_as_numbers(tmp_path):
    made = simulate_group(tmp_path, n_subjects=np.int64(2), resolution_mm=8.0, effect_size=0)
    assert len(made.effect_files) == 2
    assert not load_volume(made.truth_file).data.any()


def test_white_noise(tmp_path):
    made = simulate_group(
        tmp_path, n_subjects=20, effect_size=0, noise_fwhm_mm=0, between_sd=1, within_sd=1e-6,
        hole_fraction=0, **COARSE,
    )  # fmt: skip
    inside = load_volume(made.mask_file).data > 0
    noise = load_all(made.effect_files)
    both = inside[1:] & inside[:-1]
    assert np.mean(noise[:, 1:][:, both] * noise[:, :-1][:, both]) == pytest.approx(0, abs=0.02)
    assert noise[:, inside].var() == pytest.approx(1.0, rel=0.02)
