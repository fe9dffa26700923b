import os

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_mni152_brain_mask
from nilearn.image import resample_to_img
from nilearn.masking import apply_mask

from nistats_nipype.exceptions import GridError, InputError, MaskError, MissingDataError
from nistats_nipype.images import masking, volumes
from nistats_nipype.images.masking import compute_mask, load_mask

SHAPE = (4, 5, 6)


@pytest.fixture
def group(write_map):
    """Ten maps with holes of NaN and 0, and where they are observed."""
    rng = np.random.default_rng(5)
    maps = rng.standard_normal((10, *SHAPE)).astype(np.float32)
    hole = rng.random(maps.shape)
    maps[hole < 0.03] = np.nan
    maps[(hole >= 0.03) & (hole < 0.06)] = 0.0
    maps[:, 0] = 0.0  # background that nobody observes
    return [write_map(data) for data in maps], ~(np.isnan(maps) | (maps == 0)), maps


def test_a_map_is_observed_where_it_has_a_variance(group, write_map, affine):
    paths, observed, _ = group
    variances = np.ones((10, *SHAPE), dtype=np.float32)
    variances[3, 2, :2], variances[4, 2, 1:] = np.nan, 0.0
    files = [write_map(data) for data in variances]
    both = observed & (variances > 0)
    result = compute_mask(paths, variance_files=files)
    np.testing.assert_array_equal(result.mask, both.all(axis=0))
    np.testing.assert_array_equal(result.coverage, both.sum(axis=0))
    assert both.sum() < observed.sum()
    assert result.losses['variance_file'].tolist() == files
    np.testing.assert_array_equal(result.losses['n_observed'], both.sum(axis=(1, 2, 3)))
    # A 0 that is data is a variance, too; what cannot be one is for the fit to refuse.
    zeros = compute_mask(paths, variance_files=files, zero_is_missing=False)
    with_variance = ~(np.isnan(variances) | np.isnan(group[2]))
    np.testing.assert_array_equal(zeros.coverage, with_variance.sum(axis=0))
    moved = affine.copy()
    moved[0, 3] += 1
    other = [*files[:-1], write_map(variances[0], affine=moved)]
    with pytest.raises(GridError, match=os.path.basename(other[-1])):
        compute_mask(paths, variance_files=other)
    with pytest.raises(InputError, match='not one map of variances for every map'):
        compute_mask(paths, variance_files=files[1:])


def test_a_map_is_observed_where_it_has_its_covariates(group, write_map):
    paths, observed = group[0], group[1]
    maps = np.ones((2, 10, *SHAPE), dtype=np.float32)
    maps[0, 3, 2, :2], maps[1, 4, 2, 1:] = np.nan, 0.0
    files = {
        name: [write_map(data) for data in each]
        for name, each in zip(('grey', 'thick'), maps, strict=True)
    }
    result = compute_mask(paths, covariate_files=files)
    both = observed & (maps > 0).all(axis=0)
    np.testing.assert_array_equal(result.coverage, both.sum(axis=0))
    np.testing.assert_array_equal(result.mask, both.all(axis=0))
    for name in files:
        assert result.losses[f'{name}_file'].tolist() == files[name]
    with pytest.raises(InputError, match='not one map of thick for every map'):
        compute_mask(paths, covariate_files={**files, 'thick': files['thick'][:-1]})
    empty = write_map(np.zeros(SHAPE, dtype=np.float32))
    with pytest.raises(MissingDataError, match='in the maps or in their grey and thick'):
        compute_mask(paths, covariate_files={**files, 'thick': [empty, *files['thick'][1:]]})


def test_intersection_and_coverage_count_as_numpy_does(group):
    paths, observed, _ = group
    result = compute_mask(paths)
    np.testing.assert_array_equal(result.mask, observed.all(axis=0), strict=True)
    np.testing.assert_array_equal(result.coverage, observed.sum(axis=0))
    assert result.coverage.dtype == np.int32
    for share in (0.7, 0.8, 0.9):
        mask = compute_mask(paths, method='coverage', min_coverage=share).mask
        needed = round(share * 10)
        np.testing.assert_array_equal(mask, observed.sum(axis=0) >= needed)


@pytest.mark.parametrize(
    ('share', 'needed'), [(0.28, 7), (0.29, 8), (0.56, 14), (1.0, 25), (1 / 3, 9), (1e-12, 1)]
)
def test_the_share_of_maps_is_rounded_up_without_float_error(write_map, share, needed):
    # Voxel k is observed in k of 25 maps.
    maps = (np.arange(26) > np.arange(25)[:, None]).astype(np.float32)
    paths = [write_map(row.reshape(26, 1, 1)) for row in maps]
    mask = compute_mask(paths, method='coverage', min_coverage=share).mask
    np.testing.assert_array_equal(np.flatnonzero(mask), np.arange(needed, 26))


def test_zero_can_be_an_observed_value(group):
    paths, _, maps = group
    result = compute_mask(paths, zero_is_missing=False)
    np.testing.assert_array_equal(result.mask, np.isfinite(maps).all(axis=0))


def test_losses_are_those_of_brute_force(group):
    paths, observed, _ = group
    losses = compute_mask(paths).losses
    union = observed.any(axis=0)
    assert list(losses['file']) == paths
    for index, row in losses.iterrows():
        others = np.delete(observed, index, axis=0).all(axis=0)
        assert row['n_observed'] == observed[index].sum()
        assert row['n_lost'] == (union & ~observed[index]).sum()
        assert row['percent_lost'] == pytest.approx(100 * row['n_lost'] / union.sum())
        assert row['n_sole_loss'] == (others & ~observed[index]).sum()
    assert losses['n_sole_loss'].sum() > 0


def test_the_order_of_maps_changes_nothing(group):
    paths, _, _ = group
    order = np.random.default_rng(1).permutation(len(paths))
    plain, shuffled = compute_mask(paths), compute_mask([paths[i] for i in order])
    np.testing.assert_array_equal(shuffled.mask, plain.mask)
    np.testing.assert_array_equal(shuffled.coverage, plain.coverage)
    reordered = plain.losses.iloc[order].reset_index(drop=True)
    assert shuffled.losses.equals(reordered)


def test_one_4d_file_gives_the_mask_of_its_maps(group, write_map):
    paths, _, maps = group
    path = write_map(np.moveaxis(maps, 0, -1))
    result = compute_mask([path])
    np.testing.assert_array_equal(result.mask, compute_mask(paths).mask)
    assert result.losses['file'][3] == f'{path}[3]'


def test_every_map_is_read_once(group, monkeypatch):
    paths, _, _ = group
    read = []
    load = volumes.load_volume
    monkeypatch.setattr(
        volumes, 'load_volume', lambda path, **kwargs: read.append(path) or load(path, **kwargs)
    )
    compute_mask(paths)
    assert read == paths


def test_a_given_mask_is_kept_whole_and_its_losses_counted(group, write_map, affine):
    paths, observed, _ = group
    given = np.zeros(SHAPE, dtype=np.float32)
    given[:2, 1:4] = 0.5
    given[3] = -1.0
    mask_file = write_map(given)
    result = compute_mask(paths, method='given', mask_file=mask_file)
    np.testing.assert_array_equal(result.mask, given > 0)
    np.testing.assert_array_equal(result.affine, affine)
    expected = [((given > 0) & ~each).sum() for each in observed]
    np.testing.assert_array_equal(result.losses['n_lost'], expected)
    total = result.losses['n_observed'] + result.losses['n_lost']
    assert (total == (given > 0).sum()).all()
    # The planes that nobody observes are no one's sole loss.
    missing = (given > 0) & (observed.sum(axis=0) == len(paths) - 1)
    assert result.losses['n_sole_loss'].sum() == missing.sum()


def test_the_template_is_nilearns_brain_mask_on_the_grid_of_the_maps(write_map):
    mni = np.diag([-6.0, 6.0, 6.0, 1.0])
    mni[:3, 3] = [90, -126, -72]
    path = write_map(np.ones((30, 36, 30)), mni)
    result = compute_mask(path, method='template')
    expected = resample_to_img(
        load_mni152_brain_mask(),
        path,
        interpolation='nearest',
        force_resample=True,
        copy_header=True,
    )
    np.testing.assert_array_equal(result.mask, expected.get_fdata() > 0)
    litres = result.mask.sum() * 6**3 / 1e6
    assert 1.5 < litres < 2.5


def test_a_template_elsewhere_is_refused(write_map):
    far = np.eye(4)
    far[:3, 3] = 500
    with pytest.raises(MaskError, match='lies outside the grid'):
        compute_mask(write_map(np.ones(SHAPE), far), method='template')


@pytest.mark.parametrize('value', [0.0, np.nan])
def test_maps_that_hold_nothing_are_named(write_map, value):
    paths = [write_map(np.ones(SHAPE)) for _ in range(3)]
    empty = [write_map(np.full(SHAPE, value)) for _ in range(2)]
    with pytest.raises(MissingDataError, match='2 of 5 maps hold no value: ') as caught:
        compute_mask([*paths, *empty])
    assert ', '.join(empty) in caught.value.problem


def test_a_map_that_holds_nothing_inside_the_given_mask_is_named(write_map):
    data = np.ones(SHAPE)
    data[0] = 0.0
    paths = [write_map(np.ones(SHAPE)), write_map(data)]
    given = np.zeros(SHAPE)
    given[0] = 1.0
    with pytest.raises(MissingDataError, match='inside the mask') as caught:
        compute_mask(paths, method='given', mask_file=write_map(given))
    assert paths[1] in caught.value.problem
    assert paths[0] not in caught.value.problem


def test_an_empty_mask_names_the_maps_that_cover_least(write_map):
    left, right = np.zeros(SHAPE), np.zeros(SHAPE)
    left[:3] = 1.0
    right[3:] = 1.0
    paths = [write_map(left), write_map(right)]
    with pytest.raises(MaskError, match='no voxel is observed in 2 of 2 maps') as caught:
        compute_mask(paths)
    assert caught.value.found.endswith(f'{paths[1]}, {paths[0]}')


def test_other_grids_are_refused(write_map, affine):
    first = write_map(np.ones(SHAPE))
    affine[0, 3] += 2
    with pytest.raises(GridError, match='2 mm apart'):
        compute_mask([first, write_map(np.ones(SHAPE), affine)])
    with pytest.raises(GridError, match='do not lie on the same grid'):
        compute_mask([first], method='given', mask_file=write_map(np.ones((4, 5, 7))))


def test_a_file_listed_twice_is_refused(write_map):
    path = write_map(np.ones(SHAPE))
    relative = os.path.relpath(path)
    with pytest.raises(InputError, match='listed twice'):
        compute_mask([path, relative])


def test_a_number_of_maps_in_place_of_a_share(write_map):
    rng = np.random.default_rng(8)
    maps = np.where(rng.uniform(size=(7, *SHAPE)) < 0.3, np.nan, 1.0)
    paths = [write_map(data) for data in maps]
    n_observed = np.isfinite(maps).sum(axis=0)
    for least in (1, 4, 7):
        mask = compute_mask(paths, method='coverage', min_observations=least).mask
        np.testing.assert_array_equal(mask, n_observed >= least)
    with pytest.raises(MaskError, match='empty') as error:
        compute_mask(paths, method='coverage', min_observations=8)
    assert 'in 8 of 7 maps' in error.value.found
    for wrong in ({'min_observations': 2}, {'min_coverage': 0.5, 'min_observations': 2}):
        method = 'coverage' if len(wrong) == 2 else 'intersection'
        with pytest.raises(InputError, match='in place of a share'):
            compute_mask(paths, method=method, **wrong)
    with pytest.raises(InputError, match='out of range'):
        compute_mask(paths, method='coverage', min_observations=0)


@pytest.mark.parametrize('share', [0.0, -0.1, 1.01, float('nan'), 80])
def test_the_share_of_maps_is_checked(share):
    with pytest.raises(InputError, match='out of range'):
        compute_mask(['a.nii'], method='coverage', min_coverage=share)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'method': 'union'}, 'method of the group mask is unknown'),
        ({'min_coverage': 0.8}, 'does not read a minimum coverage'),
        ({'mask_file': 'mask.nii'}, "A mask file goes with method='given'"),
        ({'method': 'given'}, "A mask file goes with method='given'"),
    ],
)
def test_arguments_that_would_be_ignored_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        compute_mask(['a.nii'], **arguments)


def test_load_mask_reads_positive_values(write_map, affine):
    data = np.zeros(SHAPE)
    data[0, 0, :3] = [0.1, -1.0, np.nan]
    volume = load_mask(write_map(data))
    assert volume.data.dtype == bool
    assert volume.data.sum() == 1
    assert volume.data[0, 0, 0]
    np.testing.assert_array_equal(volume.affine, affine)


def test_an_empty_mask_file_is_refused(write_map):
    path = write_map(np.zeros(SHAPE))
    with pytest.raises(MaskError, match='is empty') as caught:
        load_mask(path)
    assert path in caught.value.problem


def test_long_lists_of_names_are_cut():
    assert masking._listed(list('abcde')) == 'a, b, c, d, e'


def test_wager_maps_have_nan_in_29_of_30(data_dir):
    paths = sorted((data_dir / 'wager2008').glob('con_*.img'))
    result = compute_mask(paths)
    finite = [np.isfinite(nib.load(path).get_fdata()[..., 0]) for path in paths]
    nonzero = [nib.load(path).get_fdata()[..., 0] != 0 for path in paths]
    assert len(paths) == 30
    np.testing.assert_array_equal(result.mask, np.all(finite, axis=0) & np.all(nonzero, axis=0))
    given = compute_mask(paths, method='given', mask_file=data_dir / 'wager2008/mask.nii.gz')
    assert given.mask.sum() == 49_792


@pytest.mark.slow
def test_food_maps_lose_6369_voxels_of_their_mask(data_dir):
    folder = data_dir / 'ds000157_food'
    paths = sorted(folder.glob('sub-*.nii.gz'))
    mask_file = folder / 'mask.nii.gz'
    result = compute_mask(paths, method='given', mask_file=mask_file)
    complete = result.mask & (result.coverage == len(paths))
    assert result.mask.sum() == 186_484
    assert complete.sum() == 180_115
    lost = (apply_mask([str(path) for path in paths], mask_file) == 0).sum(axis=1)
    np.testing.assert_array_equal(result.losses['n_lost'], lost)
