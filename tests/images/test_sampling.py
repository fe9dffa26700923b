"""A look at some voxels of every map."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from nistats_nipype.exceptions import GridError
from nistats_nipype.images.sampling import find_copies, sample_maps

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def save(data, path, affine=AFFINE):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=np.float32), affine), path)
    return str(path)


@pytest.fixture
def maps(tmp_path):
    rng = np.random.default_rng(2)
    data = rng.standard_normal((4, 10, 11, 12)).astype(np.float32)
    data[1, 0, 0, 0], data[2, 0, 0, 0] = 0, np.nan
    return data, [save(each, tmp_path / f'm{i}.nii') for i, each in enumerate(data)]


def test_few_voxels_are_all_read(maps):
    data, paths = maps
    names, values = sample_maps(paths)
    expected = data.reshape(4, -1)
    np.testing.assert_array_equal(values[[0, 3]], expected[[0, 3]])
    assert names == paths
    assert np.isnan(values[[1, 2], 0]).all()
    kept = sample_maps(paths, zero_is_missing=False)[1]
    assert kept[1, 0] == 0
    assert np.isnan(kept[2, 0])


def test_the_same_voxels_of_every_map_and_every_time(maps):
    data, paths = maps
    _, values = sample_maps(paths, n_points=100)
    assert values.shape == (4, 100)
    places = [np.flatnonzero(data[0] == value)[0] for value in values[0]]
    np.testing.assert_array_equal(values[3], data[3].reshape(-1)[places])
    np.testing.assert_array_equal(values[3], sample_maps(paths[3:], n_points=100)[1][0])
    # Spread over the grid, not from a corner of it.
    x = np.unravel_index(places, data[0].shape)[0]
    assert set(x) == set(range(10))


def test_voxels_of_a_mask(maps, tmp_path):
    data, paths = maps
    inside = data[0] > 1.5
    mask = save(inside, tmp_path / 'mask.nii')
    np.testing.assert_array_equal(sample_maps(paths[3:], mask_file=mask)[1][0], data[3][inside])
    with pytest.raises(GridError, match=r'mask\.nii'):
        sample_maps(paths, mask_file=save(inside[:, :5], tmp_path / 'mask.nii'))


def test_volumes_of_one_file(maps, tmp_path):
    data, paths = maps
    many = save(np.moveaxis(data, 0, -1), tmp_path / 'all.nii')
    names, values = sample_maps([many])
    np.testing.assert_array_equal(values, sample_maps(paths)[1])
    assert names[2] == f'{many}[2]'


def test_copies_are_found_under_other_names(maps, tmp_path):
    _, paths = maps
    assert find_copies(paths) == []
    copy = tmp_path / 'copy.nii'
    shutil.copy(paths[1], copy)
    assert find_copies([*paths, copy]) == [[paths[1], str(copy)]]
