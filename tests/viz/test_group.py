"""The grid of subjects and the coverage."""

import numpy as np
import pytest
from scipy import ndimage

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz import plot_coverage, plot_subjects


def count_brains(picture):
    """Count the outlines: connected dark lines that are as large as a brain."""
    labels, _ = ndimage.label((picture.map < 200).all(axis=2), np.ones((3, 3)))
    return sum(box[1].stop - box[1].start > 100 for box in ndimage.find_objects(labels))


@pytest.mark.parametrize('n_subjects', [1, 5, 16, 30])
def test_one_brain_per_subject(n_subjects, stat_file, out, read_picture):
    assert plot_subjects([stat_file] * n_subjects, out) == str(out)
    assert count_brains(read_picture(out)) == n_subjects


def test_many_subjects_make_a_page(stat_file, out, read_picture):
    plot_subjects([stat_file] * 60, out, threshold=None, title='All')
    height, width, _ = read_picture(out).pixels.shape
    assert width < 2400
    assert height < 2500


def test_of_a_large_group_some_are_drawn(stat_file, out):
    labels = [str(index) for index in range(31)]
    plot_subjects([stat_file] * 31, out, labels=labels, title='All', max_subjects=4)
    some = out.read_bytes()
    title = 'All: 4 of 31 maps, evenly spread over the list'
    plot_subjects([stat_file] * 4, out, labels=['0', '10', '20', '30'], title=title)
    assert out.read_bytes() == some


def test_volumes_of_a_file_are_drawn_as_files_are(write, blob, out):
    maps = [blob((-40, -20, z), 6.0) for z in (0, 20, 40)]
    paths = [write(data, f'{index}.nii.gz') for index, data in enumerate(maps)]
    plot_subjects(paths, out, label='t')
    drawn = out.read_bytes()
    plot_subjects([write(np.stack(maps, axis=-1), 'all.nii.gz')], out, label='t')
    assert out.read_bytes() == drawn


def test_subjects_keep_their_order_and_share_the_range(write, blob, out, read_picture):
    heights = {'a': 10.0, 'b': 4.0, 'c': 0.0}
    # Large, so that the ball decides the percentile that sets the range.
    paths = [
        write(blob((0, -20, 40), height, 40), f'{name}.nii.gz') for name, height in heights.items()
    ]
    plot_subjects(paths, out, threshold=2.0)
    picture = read_picture(out)
    cells = np.array_split(np.arange(picture.map.shape[1]), 3)
    shades = [picture.map[:, cell][picture.warm[:, cell]].sum(axis=1) for cell in cells]
    assert np.median(shades[0]) < np.median(shades[1]) - 100
    assert shades[2].size == 0


def test_grids_may_differ_and_nan_is_nothing(write, blob, stat_file, out, read_picture):
    data = blob((-40, -20, 40), 6.0)
    holed = np.where(data == 0, np.nan, data)
    shifted = np.array([[4.0, 0, 0, -70], [0, 4, 0, -100], [0, 0, 4, -60], [0, 0, 0, 1]])
    other = write(np.zeros((20, 20, 20)), 'other.nii.gz', shifted)
    plot_subjects([write(holed, 'holed.nii.gz'), other], out)
    assert read_picture(out).warm.any()
    plot_subjects([write(np.full((3, 3, 3), np.nan), 'nothing.nii.gz')], out)
    assert not read_picture(out).warm.any()


@pytest.mark.parametrize('display_mode', ['x', 'y', 'z', 'l', 'r'])
def test_view_can_be_chosen(display_mode, stat_file, out, read_picture):
    plot_subjects([stat_file], out, display_mode=display_mode)
    picture = read_picture(out)
    assert picture.warm.any() == (display_mode != 'r')
    assert picture.cold.any() == (display_mode != 'l')


def test_labels(stat_file, write, blob, out):
    named = write(blob((-40, -20, 40), 6.0), 'sub-07_stat-t_statmap.nii.gz')
    drawn = {}
    for key, labels in {'own': None, 'given': ['sub-07'], 'other': ['sub-08']}.items():
        plot_subjects([named], out, labels=labels)
        drawn[key] = out.read_bytes()
    assert drawn['own'] == drawn['given'] != drawn['other']
    with pytest.raises(InputError, match='1 maps and 2 labels'):
        plot_subjects([named], out, labels=['a', 'b'])
    with pytest.raises(InputError, match='0 maps'):
        plot_subjects([], out)
    with pytest.raises(InputError, match='view'):
        plot_subjects([named], out, display_mode='ortho')


def test_coverage_tells_partial_from_full(write, out, read_picture):
    counts = np.zeros((34, 42, 34))
    counts[5:29, 5:20] = 8
    counts[5:29, 20:37] = 3
    plot_coverage(write(counts, 'coverage.nii.gz'), 8, out, cut_coords=[20])
    picture = read_picture(out)
    rows = [np.nonzero(colour)[0].mean() for colour in (picture.warm, picture.cold)]
    assert rows[0] < rows[1]  # the front of the brain, at the top, is covered by few
    ratio = picture.warm.sum() / picture.cold.sum()
    assert 0.5 < ratio < 2


def test_coverage_of_one_more_map_changes_the_colour(write, out, read_picture):
    shades = []
    for count in (1, 4, 7):
        counts = write(np.full((34, 42, 34), count), 'coverage.nii.gz')
        plot_coverage(counts, 8, out, cut_coords=[20])
        picture = read_picture(out)
        shades.append(np.median(picture.map[picture.warm].sum(axis=1)))
    assert shades[0] < shades[1] < shades[2]


def test_coverage_in_a_group_of_one(write, out):
    plot_coverage(write(np.ones((5, 5, 5))), 1, out)


@pytest.mark.parametrize('n_maps', [0, 4])
def test_coverage_beyond_the_group(n_maps, write, out):
    with pytest.raises(InputError, match='counts'):
        plot_coverage(write(np.full((5, 5, 5), 5)), n_maps, out)
