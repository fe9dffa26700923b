"""Glass brains and slices: what is drawn, where, and in which colour."""

import itertools
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from nistats_nipype.exceptions import InputError, OutputError
from nistats_nipype.viz import plot_glass_brain, plot_stat_map

PLOTS = pytest.mark.parametrize('plot', [plot_glass_brain, plot_stat_map])


def panels(picture):
    """Cut a glass brain into its four views: left, back, right, above.

    The widths are those of nilearn's drawings: side views 1.3 times as wide as the others.
    """
    edges = np.cumsum([0, 1.31, 1.0, 1.31, 1.0])
    edges = (edges / edges[-1] * picture.map.shape[1]).astype(int)
    return [slice(start, end) for start, end in itertools.pairwise(edges)]


@PLOTS
def test_both_signs_are_drawn_in_their_colours(plot, stat_file, out, read_picture):
    assert plot(stat_file, out) == str(out)
    picture = read_picture(out)
    assert picture.warm.sum() > 500
    assert picture.cold.sum() > 500


def test_views_show_the_right_places(stat_file, out, read_picture):
    plot_glass_brain(stat_file, out)
    picture = read_picture(out)
    left, back, right, above = panels(picture)
    warm, cold = picture.warm, picture.cold
    # The positive ball is in the left hemisphere, the negative one in the right.
    assert warm[:, left].sum() > 300
    assert cold[:, left].sum() == 0
    assert warm[:, right].sum() == 0
    assert cold[:, right].sum() > 300
    for view in (back, above):
        columns = np.arange(warm.shape[1])[view]
        assert columns @ warm[:, view].sum(0) / warm[:, view].sum() < columns.mean()
        assert columns @ cold[:, view].sum(0) / cold[:, view].sum() > columns.mean()
    # From behind: z = 40 lies above z = 0.
    rows = np.arange(warm.shape[0])
    assert rows @ warm[:, back].sum(1) / warm[:, back].sum() < (
        rows @ cold[:, back].sum(1) / cold[:, back].sum()
    )


def test_front_is_outward_in_both_side_views(write, blob, out, read_picture):
    plot_glass_brain(write(blob((-30, 50, 10), 5) + blob((30, 50, 10), 5)), out)
    picture = read_picture(out)
    left, _, right, _ = panels(picture)
    places = [np.nonzero(picture.warm[:, view])[1].mean() for view in (left, right)]
    assert places[0] < (left.stop - left.start) * 0.4
    assert places[1] > (right.stop - right.start) * 0.6


@PLOTS
@pytest.mark.parametrize(
    ('sidedness', 'warm', 'cold'), [('positive', True, False), ('negative', False, True)]
)
def test_one_side(plot, sidedness, warm, cold, stat_file, out, read_picture):
    plot(stat_file, out, sidedness=sidedness, threshold=3)
    picture = read_picture(out)
    assert picture.warm.any() == warm
    assert picture.cold.any() == cold


@PLOTS
def test_threshold_is_inclusive(plot, stat_file, out, read_picture):
    plot(stat_file, out, threshold=6.0)
    assert read_picture(out).warm.any()
    plot(stat_file, out, threshold=6.01)
    assert not read_picture(out).warm.any()


@PLOTS
def test_empty_map_has_an_outline_and_a_note(plot, write, blob, out, read_picture):
    plot(write(blob((0, 0, 0), 0.0)), out, threshold=50.0)
    nothing = read_picture(out).map
    plot(write(blob((0, 0, 0), 4.0)), out, threshold=3.0, vmax=75.0)
    something = read_picture(out).map
    assert nothing.shape == something.shape
    assert (nothing < 200).all(axis=2).sum() > 2000
    # Where they differ: the ball on one side, the note in the middle on the other.
    height, width, _ = nothing.shape
    middle = (slice(int(height * 0.45), int(height * 0.55)), slice(width // 3, 2 * width // 3))
    assert (nothing[middle] != something[middle]).any(axis=2).sum() > 500


@PLOTS
def test_a_map_of_zeros_needs_no_threshold(plot, write, out):
    plot(write(np.zeros((5, 5, 5))), out)


@PLOTS
def test_nan_is_drawn_as_nothing(plot, write, blob, out):
    data = blob((-30, 0, 20), 5.0)
    plot(write(data), out)
    expected = out.read_bytes()
    plot(write(np.where(data == 0, np.nan, data)), out)
    assert out.read_bytes() == expected


@PLOTS
def test_a_flipped_map_gives_the_same_picture(plot, stat_file, write, out):
    from nistats_nipype.images.volumes import load_volume

    volume = load_volume(stat_file)
    plot(stat_file, out)
    expected = out.read_bytes()
    affine = volume.affine.copy()
    affine[0] = [-affine[0, 0], 0, 0, affine[0, 3] + affine[0, 0] * (volume.data.shape[0] - 1)]
    plot(write(volume.data[::-1], 'flipped_stat-t_statmap.nii.gz', affine), out)
    assert out.read_bytes() == expected


@PLOTS
def test_mask_hides_what_is_outside(plot, stat_file, write, out, read_picture):
    from nistats_nipype.images.volumes import load_volume

    left = load_volume(stat_file).data > 0
    plot(stat_file, out, mask_file=write(left, 'mask.nii.gz'))
    picture = read_picture(out)
    assert picture.warm.any()
    assert not picture.cold.any()


def test_colours_depend_on_the_range(stat_file, out, read_picture):
    shades = []
    for vmax in (6.0, 12.0):
        plot_glass_brain(stat_file, out, vmax=vmax)
        picture = read_picture(out)
        shades.append(np.median(picture.map[picture.warm].sum(axis=1)))
    assert shades[0] < shades[1] - 100  # darker where it is nearer to the end of the range


def test_colour_bar_shows_negative_values_only_where_there_are_any(write, blob, out, read_picture):
    plot_glass_brain(write(blob((0, 0, 20), 5)), out)
    pixels = read_picture(out).pixels[:, -130:]
    assert not (pixels[..., 2] - pixels[..., 0] > 40).any()
    plot_glass_brain(write(blob((0, 0, 20), 5) - blob((0, 40, 0), 1)), out, threshold=3)
    pixels = read_picture(out).pixels[:, -130:]
    assert (pixels[..., 2] - pixels[..., 0] > 40).any()


def test_slices_are_at_their_heights(stat_file, out, read_picture):
    found = {}
    for z in (-20, 0, 20, 40):
        plot_stat_map(stat_file, out, cut_coords=[z])
        picture = read_picture(out)
        found[z] = (bool(picture.warm.any()), bool(picture.cold.any()))
    assert found == {
        -20: (False, False),
        0: (False, True),
        20: (False, False),
        40: (True, False),
    }


def test_slices_wrap_into_rows(stat_file, out, read_picture):
    plot_stat_map(stat_file, out, cut_coords=range(-30, 30, 10))
    one_row = read_picture(out).pixels.shape
    plot_stat_map(stat_file, out)
    two_rows = read_picture(out).pixels.shape
    assert two_rows[1] == one_row[1]
    assert 1.8 < two_rows[0] / one_row[0] < 2.1


def test_background_can_be_chosen(stat_file, write, out, read_picture):
    plot_stat_map(stat_file, out, bg_file=write(np.zeros((3, 3, 3)), 'bg.nii.gz'))
    blank = read_picture(out)
    assert blank.warm.any()
    plot_stat_map(stat_file, out)
    assert (read_picture(out).map < 230).all(axis=2).sum() > (blank.map < 230).all(axis=2).sum()


def test_title_adds_a_line(stat_file, out, read_picture):
    plot_glass_brain(stat_file, out)
    plain = read_picture(out).pixels
    plot_glass_brain(stat_file, out, title='Patients − controls')
    titled = read_picture(out).pixels
    assert titled.shape[0] > plain.shape[0]
    assert (titled[:40, : titled.shape[1] // 4] < 120).any()


@PLOTS
@pytest.mark.parametrize(
    ('suffix', 'start'), [('.png', b'\x89PNG'), ('.svg', b'<?xml'), ('.pdf', b'%PDF')]
)
def test_same_bytes_in_every_format(plot, suffix, start, stat_file, tmp_path):
    paths = [plot(stat_file, tmp_path / f'{i}{suffix}', threshold=2) for i in range(2)]
    first, second = (Path(path).read_bytes() for path in paths)
    assert first.startswith(start)
    assert first == second


def test_matplotlib_is_left_as_it_was(stat_file, out):
    with mpl.rc_context({'figure.dpi': 77, 'font.size': 30, 'savefig.bbox': 'tight'}):
        before = dict(mpl.rcParams)
        plot_glass_brain(stat_file, out)
        assert dict(mpl.rcParams) == before
    styled = out.read_bytes()
    plot_glass_brain(stat_file, out)
    assert out.read_bytes() == styled  # one's own settings do not change the figure
    assert plt.get_fignums() == []


def test_unknown_suffix(stat_file, tmp_path):
    with pytest.raises(InputError, match='bmp'):
        plot_glass_brain(stat_file, tmp_path / 'figure.bmp')
    assert not list(tmp_path.glob('*figure*'))


def test_missing_folder(stat_file, tmp_path):
    with pytest.raises(OutputError):
        plot_glass_brain(stat_file, tmp_path / 'nowhere' / 'figure.png')


@PLOTS
def test_unknown_side(plot, stat_file, out):
    with pytest.raises(InputError, match='sidedness'):
        plot(stat_file, out, sidedness='both')
    assert not out.exists()
