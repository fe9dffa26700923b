from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiMasker

from nistats_nipype.exceptions import (
    GridError,
    InputError,
    MaskError,
    MissingDataError,
    OutputError,
)
from nistats_nipype.images.observations import VolumeSpace, load_observations, load_space, pack
from nistats_nipype.images.packed import PackedMaps

SHAPE = (4, 5, 6)


@pytest.fixture
def maps():
    return np.random.default_rng(8).standard_normal((5, *SHAPE)).astype(np.float32)


@pytest.fixture
def mask():
    return np.random.default_rng(9).random(SHAPE) < 0.4


@pytest.fixture
def mask_file(write_map, mask):
    return write_map(mask, name='mask.nii.gz')


def test_values_are_those_of_nilearn(write_map, maps, mask_file):
    paths = [write_map(data) for data in maps]
    result = load_observations(paths, mask_file)
    expected = NiftiMasker(mask_file, standardize=None).fit().transform(paths)
    np.testing.assert_array_equal(result.values, expected)
    assert result.values.dtype == np.float32
    assert result.names == paths
    assert result.space.n_points == expected.shape[1]


def test_all_forms_of_the_maps_give_the_same_values(tmp_path, write_map, maps, mask_file):
    maps[2, 1:3] = np.nan
    maps[4, 2] = 0.0
    paths = [write_map(data) for data in maps]
    series = write_map(np.moveaxis(maps, 0, -1))
    separate = load_observations(paths, mask_file)
    together = load_observations([series], mask_file)
    packed_file = pack(paths, mask_file, tmp_path / 'maps.npy')
    packed = load_observations(packed_file, mask_file)
    np.testing.assert_array_equal(together.values, separate.values, strict=True)
    np.testing.assert_array_equal(packed.values, separate.values)
    assert packed_file == str(tmp_path / 'maps.npy')
    assert together.names == [f'{series}[{i}]' for i in range(5)]
    assert packed.names == ['row 0', 'row 1', 'row 2', 'row 3', 'row 4']
    packed_series = pack(series, mask_file, tmp_path / 'series.npy')
    assert Path(packed_series).read_bytes() == Path(packed_file).read_bytes()


def test_missing_values_are_nan(tmp_path, write_map, maps, mask, mask_file):
    maps[2, 1] = np.nan
    maps[4, 2] = 0.0
    paths = [write_map(data) for data in maps]
    values = maps[:, mask]
    for zero_is_missing in (True, False):
        expected = np.where(zero_is_missing & (values == 0), np.nan, values)
        loaded = load_observations(paths, mask_file, zero_is_missing=zero_is_missing)
        out_file = tmp_path / f'zero-{zero_is_missing}.npy'
        pack(paths, mask_file, out_file, zero_is_missing=zero_is_missing)
        np.testing.assert_array_equal(loaded.values, expected)
        np.testing.assert_array_equal(np.load(out_file), expected)
    # What zeros mean was decided when the maps were packed.
    again = load_observations(out_file, mask_file, zero_is_missing=True)
    np.testing.assert_array_equal(again.values, values)


def test_centred_maps_have_no_mean_where_they_are_observed(
    tmp_path, write_map, maps, mask, mask_file
):
    data = np.array(maps, dtype=np.float32) + 5
    where = tuple(np.argwhere(mask)[0])
    data[(1, *where)] = np.nan
    paths = [write_map(each) for each in data]
    found = np.load(pack(paths, mask_file, tmp_path / 'centred.npy', center=True))
    values = data[:, mask].astype(np.float64)
    np.testing.assert_allclose(found, values - np.nanmean(values, axis=0), atol=1e-5)
    assert np.isnan(found[1, 0])


def test_packed_maps_are_not_read_at_once(tmp_path, write_map, maps, mask_file):
    path = pack([write_map(data) for data in maps], mask_file, tmp_path / 'maps.npy')
    values = load_observations(path, mask_file).values
    assert isinstance(values, PackedMaps)
    assert values.dtype == np.dtype('<f4')


@pytest.mark.parametrize('use', ['pack', 'load'])
def test_both_readers_refuse_the_same_inputs(tmp_path, write_map, affine, mask, mask_file, use):
    def read(paths, mask_file):
        if use == 'pack':
            pack(paths, mask_file, tmp_path / 'maps.npy')
        else:
            load_observations(paths, mask_file)

    full = write_map(np.ones(SHAPE))
    nothing = write_map(np.where(mask, 0.0, 1.0))
    affine[1, 3] += 1.5
    moved = write_map(np.ones(SHAPE), affine)
    with pytest.raises(MissingDataError, match='holds no value inside the mask') as caught:
        read([full, nothing], mask_file)
    assert nothing in caught.value.problem
    with pytest.raises(GridError, match=r'1\.5 mm apart'):
        read([full, moved], mask_file)
    with pytest.raises(GridError, match=r'Resample .*mask\.nii\.gz .*nearest'):
        read([moved], mask_file)
    with pytest.raises(InputError, match='listed twice'):
        read([full, full], mask_file)
    with pytest.raises(InputError, match='4D file'):
        read([full, write_map(np.ones((*SHAPE, 2)))], mask_file)
    with pytest.raises(MaskError, match='is empty'):
        read([full], write_map(np.zeros(SHAPE)))
    assert not [path for path in tmp_path.iterdir() if 'maps.npy' in path.name]


def test_packing_on_a_full_disk_leaves_nothing(
    tmp_path, write_map, maps, mask_file, file_size_limit
):
    out = tmp_path / 'out'
    out.mkdir()
    paths = [write_map(data) for data in maps]
    with pytest.raises(OutputError, match='room for the file'), file_size_limit(500):
        pack(paths, mask_file, out / 'maps.npy')
    assert list(out.iterdir()) == []


def test_packed_maps_have_their_extension(mask_file):
    with pytest.raises(InputError, match=r'a name in \.npy'):
        pack(['a.nii'], mask_file, 'maps.npz')


def test_packed_maps_belong_to_their_mask(tmp_path, write_map, maps, mask, mask_file):
    path = pack([write_map(data) for data in maps], mask_file, tmp_path / 'maps.npy')
    with pytest.raises(MaskError, match='was not packed with the mask') as caught:
        load_observations(path, write_map(np.ones(SHAPE)))
    assert caught.value.found == (f'{mask.sum()} voxels in the packed maps, 120 in the mask')


@pytest.mark.parametrize(
    'array',
    [np.zeros(120), np.zeros((2, 60, 2)), np.zeros((2, 120), dtype=int), np.zeros((0, 120))],
)
def test_other_arrays_are_no_packed_maps(tmp_path, write_map, array):
    np.save(tmp_path / 'other.npy', array)
    with pytest.raises(InputError, match='does not hold packed maps'):
        load_observations(tmp_path / 'other.npy', write_map(np.ones(SHAPE)))


def test_unreadable_packed_maps_are_named(tmp_path, write_map, maps, mask_file):
    path = pack([write_map(data) for data in maps], mask_file, tmp_path / 'maps.npy')
    content = Path(path).read_bytes()
    for broken in (b'', content[:60], content[:-1], b'no numpy' * 20):
        (tmp_path / 'broken.npy').write_bytes(broken)
        with pytest.raises(InputError, match=r'broken\.npy could not be read as packed maps'):
            load_observations(tmp_path / 'broken.npy', mask_file)
    with pytest.raises(InputError, match='could not be read as packed maps'):
        load_observations(tmp_path / 'absent.npy', mask_file)
    with pytest.raises(InputError, match='given together with other files'):
        load_observations([path, tmp_path / 'other.npy'], mask_file)


def test_rows_go_back_to_where_they_came_from(maps, mask, affine):
    space = VolumeSpace(mask, affine)
    row = maps[0][mask]
    data = space.volume(row, fill=np.nan)
    np.testing.assert_array_equal(data, np.where(mask, maps[0], np.nan))
    assert data.dtype == np.float32
    labels = space.volume(np.arange(space.n_points, dtype=np.int32), fill=-1)
    assert labels.dtype == np.int32
    assert (labels[~mask] == -1).all()


def test_a_mask_file_is_a_space(mask, mask_file, affine):
    space = load_space(mask_file)
    np.testing.assert_array_equal(space.mask, mask, strict=True)
    np.testing.assert_array_equal(space.affine, affine)
    assert space.n_points == mask.sum()


def test_rows_are_saved_as_maps(tmp_path, maps, mask, affine):
    space = VolumeSpace(mask, affine)
    image = nib.load(space.save(maps[0][mask], tmp_path / 'a.nii.gz'))
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), np.where(mask, maps[0], 0))
    np.testing.assert_array_equal(image.affine, affine)
    flags = nib.load(space.save(maps[0][mask] > 0, tmp_path / 'b.nii', dtype=np.uint8))
    assert flags.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(flags.dataobj), mask & (maps[0] > 0))


def test_a_row_of_another_length_is_refused(mask, affine):
    with pytest.raises(InputError, match='one per voxel of the mask'):
        VolumeSpace(mask, affine).volume(np.zeros(3))


def test_wager_maps_pack_with_their_missing_values(data_dir, tmp_path):
    folder = data_dir / 'wager2008'
    paths = sorted(folder.glob('con_*.img'))
    path = pack(paths, folder / 'mask.nii.gz', tmp_path / 'wager.npy')
    result = load_observations(path, folder / 'mask.nii.gz')
    assert result.values.shape == (30, 49_792)
    mask = nib.load(folder / 'mask.nii.gz').get_fdata() > 0
    raw = np.array([nib.load(path).get_fdata()[..., 0][mask] for path in paths])
    np.testing.assert_array_equal(np.isnan(result.values), np.isnan(raw) | (raw == 0))
    np.testing.assert_array_equal(
        np.nan_to_num(result.values), np.nan_to_num(raw).astype(np.float32)
    )
