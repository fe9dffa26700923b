"""Projections and slices, against loops over the voxels."""

import nibabel as nib
import numpy as np
import pytest

from nistats_nipype.exceptions import GridError
from nistats_nipype.viz.brains import (
    SLICE_EXTENT,
    Brain,
    load_brain,
    load_outline,
    load_template,
    project,
    slice_at,
    to_canonical,
)

AFFINE = np.array([[3.0, 0, 0, -9], [0, 4, 0, -20], [0, 0, 5, -10], [0, 0, 0, 1]])


@pytest.fixture
def data():
    return np.random.default_rng(0).standard_normal((7, 6, 5))


@pytest.mark.parametrize(('direction', 'axis'), [('x', 0), ('y', 1), ('z', 2)])
def test_projection_keeps_the_most_extreme_value_and_its_sign(data, direction, axis):
    view = project(Brain(data, AFFINE), direction)
    lines = np.moveaxis(data, axis, -1)
    for index in np.ndindex(lines.shape[:2]):
        assert view.values[index[::-1]] == max(lines[index], key=abs)


def test_hemispheres_share_the_midline(data):
    brain = Brain(data, AFFINE)  # x runs from -9 to 9
    left, right = project(brain, 'l'), project(brain, 'r')
    np.testing.assert_array_equal(left.values, project(brain._replace(data=data[:4]), 'x').values)
    np.testing.assert_array_equal(right.values, project(brain._replace(data=data[3:]), 'x').values)


def test_extent_reaches_to_the_edges_of_the_voxels(data):
    assert project(Brain(data, AFFINE), 'z').extent == (-10.5, 10.5, -22.0, 2.0)


def test_values_that_are_not_finite_are_not_seen(data):
    data[0, 0] = np.nan
    data[1, 1, 0] = np.inf
    view = project(Brain(data, AFFINE), 'z').values
    assert view[0, 0] == 0
    assert view[1, 1] == max(data[1, 1, 1:], key=abs)


@pytest.mark.parametrize('codes', ['LAS', 'PIR', 'SRA', 'LPI'])
def test_any_orientation_gives_the_same_brain(data, codes):
    image = nib.Nifti1Image(data, AFFINE)
    target = nib.orientations.axcodes2ornt(codes)
    turned = image.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(AFFINE), target)
    )
    brain = to_canonical(turned.get_fdata(), turned.affine)
    np.testing.assert_array_equal(brain.data, data)
    np.testing.assert_allclose(brain.affine, AFFINE)


def test_oblique_map_keeps_its_places():
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:2, :2] = 2 * turn
    affine[2, 2] = 2
    data = np.zeros((30, 30, 4))
    data[20:23, 10:13, 1:3] = 5
    brain = to_canonical(data, affine)
    assert np.count_nonzero(brain.affine[:3, :3] - np.diag(np.diag(brain.affine)[:3])) == 0
    found = np.argwhere(brain.data == 5).mean(axis=0)
    place = (brain.affine @ [*found, 1])[:3]
    np.testing.assert_allclose(place, (affine @ [21, 11, 1.5, 1])[:3], atol=1.0)
    assert np.isnan(brain.data[0, 0, 0])  # a corner outside the turned field of view


def test_slice_takes_the_nearest_voxel(data):
    brain = Brain(data, AFFINE)
    picture = slice_at(brain, 1.0)  # nearest to the centre at z = 0
    left, _, back, _ = SLICE_EXTENT
    for row, column in np.random.default_rng(1).integers(0, picture.shape, (300, 2)):
        mm = np.array([left + column + 0.5, back + row + 0.5])
        i, j = np.floor((mm - AFFINE[:2, 3]) / [3, 4] + 0.5).astype(int)
        inside = 0 <= i < 7 and 0 <= j < 6
        assert picture[row, column] == (data[i, j, 2] if inside else 0)
    assert not slice_at(brain, 40.0).any()


def test_mask_on_another_grid(write, tmp_path):
    from nistats_nipype.images.volumes import save_volume

    path = write(np.ones((4, 4, 4)))
    mask = save_volume(np.ones((4, 4, 4)), np.eye(4), tmp_path / 'mask.nii.gz')
    with pytest.raises(GridError, match='mask'):
        load_brain(path, mask)


def test_outline_encloses_the_brain():
    """Every voxel of the MNI template lies within the drawing, give or take its line."""
    template = load_template()
    places = np.argwhere(template.data > 0.3) @ template.affine[:3, :3] + template.affine[:3, 3]
    for direction, axes in (('z', (0, 1)), ('l', (1, 2)), ('y', (0, 2))):
        left, right, bottom, top = load_outline(direction).bounds
        for values, low, high in zip(places[:, axes].T, (left, bottom), (right, top), strict=True):
            assert low - 5 < values.min() < low + 15
            assert high - 15 < values.max() < high + 5


def test_background_of_ones_own(write):
    brain = load_template(write(np.arange(27.0).reshape(3, 3, 3) * 100))
    assert brain.data.min() == 0
    assert brain.data.max() == 1
    assert not load_template(write(np.zeros((3, 3, 3)), 'empty.nii.gz')).data.any()
