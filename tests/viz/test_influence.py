"""The figure of influence, read back from its pixels, and the sentence about it."""

import numpy as np
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz import plot_influence
from nistats_nipype.viz.influence import describe_influence

RED, BLUE = (200, 64, 28), (31, 99, 171)


def centre(pixels, colour):
    """Mean row and column of the pixels of a colour."""
    near = np.abs(pixels - colour).sum(axis=2) < 40
    return np.argwhere(near).mean(axis=0), near.sum()


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'influence.png'


def test_points_stand_at_their_values(out, read_picture):
    """One point below the group's statistic and one above it, on axes from 2 to 8."""
    labels = ['sub-01', 'sub-02', 'sub-03']
    columns = []
    for weaker in (3.0, 4.0):
        values = np.array([weaker, 8.0, 2.0])
        path = plot_influence(values, 5.0, out, labels=labels, title='x')
        assert path == str(out)
        pixels = read_picture(out).pixels
        red, _ = centre(pixels, RED)
        blue, _ = centre(pixels, BLUE)
        columns.append((red[1], blue[1]))
    (first, right), (second, again) = columns
    assert right == pytest.approx(again, abs=0.5)
    # Two red points, one of which moves from 3 to 4: half a unit between their centres, where
    # the mean of 3 and 2 lies 5.5 units from 8.
    assert (right - second) / (right - first) == pytest.approx(5.0 / 5.5, abs=0.01)


def test_of_a_large_group_those_that_matter_are_drawn(out, read_picture):
    values = np.full(200, 5.0)
    values[[3, 70, 150]] = 2.0, 3.0, np.nan
    plot_influence(values, 5.0, out, labels=list(map(str, range(200))), most=3)
    _, few = centre(read_picture(out).pixels, RED)
    plot_influence(values[[3, 70]], 5.0, out, labels=['3', '70'])
    _, two = centre(read_picture(out).pixels, RED)
    assert few == pytest.approx(two, rel=0.1)


def test_no_statistic_at_all(out):
    plot_influence([np.nan, np.nan], np.nan, out, labels=['a', 'b'])
    assert out.stat().st_size > 0
    about = {'PeakStatistic': None, 'Statistic': 't'}
    assert describe_influence(about) == 'no statistic without single maps'


def test_what_cannot_be_drawn(out):
    with pytest.raises(InputError, match='1 labels'):
        plot_influence([1.0, 2.0], 1.0, out, labels=['a'])
    with pytest.raises(InputError, match='0 subjects'):
        plot_influence([], 1.0, out, labels=[])
    assert not out.exists()
