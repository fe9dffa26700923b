"""Values at the peaks: dots, lines, means."""

import numpy as np
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz import Panel, plot_peaks
from nistats_nipype.viz.peaks import describe_peaks

ORANGE, BLUE = (200, 64, 28), (31, 99, 171)


@pytest.fixture
def values():
    return np.linspace(-1, 2, 12)


def near(path, read_picture, colour, distance=40):
    return np.abs(read_picture(path).pixels - colour).sum(axis=2) < distance


def test_means_stand_at_their_heights(values, out, read_picture):
    """Zero, one and two are evenly spaced."""
    places = []
    for mean in (0.0, 1.0, 2.0):
        panel = Panel('peak', values, values, [(mean, np.nan, np.nan)])
        assert plot_peaks([panel], out, kind='mean') == str(out)
        places.append(np.flatnonzero(near(out, read_picture, ORANGE).sum(axis=1) > 20).mean())
    assert places[0] - places[1] == pytest.approx(places[1] - places[2], abs=1.5)
    assert places[0] > places[1] + 20


def test_a_line_for_each_subject(values, out, read_picture):
    groups = np.repeat([0, 1], 6)
    known = {'kind': 'groups', 'groups': groups, 'names': ['off', 'on']}
    panel = Panel('peak', values, values)
    dark = []
    for subjects in (None, np.tile(np.arange(6), 2)):
        plot_peaks([panel], out, subjects=subjects, **known)
        dark.append((read_picture(out).pixels.sum(axis=2) < 720).sum())
    assert dark[1] > dark[0] + 1000


def test_missing_values_are_not_drawn(values, out):
    known = {'kind': 'covariate', 'x_name': 'age'}
    x = np.arange(12.0)
    plot_peaks([Panel('peak', values[:-1], values[:-1], x=x[:-1])], out, **known)
    expected = out.read_bytes()
    values[-1], x[-1] = np.nan, 5
    fitted = np.append(values[:-1], np.nan)
    plot_peaks([Panel('peak', values, fitted, x=x)], out, **known)
    assert out.read_bytes() == expected


def test_all_panels_have_one_range(values, out, read_picture):
    panels = [Panel('small', values, values), Panel('large', 10 * values, values)]
    plot_peaks(panels, out, kind='mean')
    dots = near(out, read_picture, (105, 148, 196), 60)
    half = dots.shape[1] // 2
    heights = [
        np.ptp(np.flatnonzero(part.any(axis=1))) for part in (dots[:, :half], dots[:, half:])
    ]
    assert heights[1] > 6 * heights[0]


def test_no_peak(out):
    for kind in ('mean', 'covariate'):
        plot_peaks([], out, kind=kind, names=['a', 'b'], title='Nothing')
    assert out.exists()


@pytest.mark.parametrize(
    'change',
    [
        {'kind': 'pie'},
        {'groups': np.zeros(5, int)},
        {'groups': np.ones(12, int)},
        {'kind': 'covariate'},
        {'subjects': np.arange(4)},
    ],
)
def test_refusals(values, out, change):
    with pytest.raises(InputError):
        plot_peaks([Panel('peak', values, values)], out, **{'kind': 'groups', **change})
    assert not out.exists()


def test_captions():
    about = {
        'Kind': 'groups',
        'NumberOfPeaks': 1,
        'Covariate': '',
        'Groups': ['a', 'b'],
        'AdjustedFor': ['age', 'iq'],
        'HeldAt': 'the means',
        'Repeated': False,
    }
    text = describe_peaks(about)
    assert 'at the peak, in the units of the maps, by group' in text
    assert 'adjusted to the means of age, iq.' in text
    repeated = describe_peaks({**about, 'Repeated': True, 'AdjustedFor': []})
    assert 'connects the maps of a subject' in repeated
    assert 'interval' not in repeated
    assert 'adjusted' not in repeated
    assert 'by group' in describe_peaks({**about, 'Kind': 'covariate', 'Covariate': 'age'})
    assert 'no cluster' in describe_peaks({**about, 'NumberOfPeaks': 0})
