"""Colours that everyone can tell apart."""

import numpy as np
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz.style import diverging_map, keep_extreme

#: From linear RGB to what a person without green, or red, cones sees (Machado et al., 2009,
#: doi:10.1109/TVCG.2009.113, severity 1).
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ]
)
PROTANOPIA = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)


def to_linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def test_larger_values_are_darker_on_both_sides():
    colours = to_linear(diverging_map()(np.linspace(0.5, 1, 60))[:, :3])
    mirrored = to_linear(diverging_map()(np.linspace(0.5, 0, 60))[:, :3])
    for side in (colours, mirrored):
        assert (np.diff(side @ [0.2126, 0.7152, 0.0722]) < 1e-3).all()


@pytest.mark.parametrize('vision', [DEUTERANOPIA, PROTANOPIA])
def test_signs_differ_without_colour_vision(vision):
    """At every height the blue side keeps more blue than red, the orange side the reverse."""
    heights = np.linspace(0.15, 0.9, 20)
    seen = [
        to_linear(diverging_map()(0.5 + sign * heights / 2)[:, :3]) @ vision.T for sign in (1, -1)
    ]
    assert (seen[0][:, 2] < seen[0][:, 0]).all()
    assert (seen[1][:, 2] > seen[1][:, 0]).all()


def test_zero_is_neutral():
    assert np.ptp(diverging_map()(0.5)[:3]) < 0.02


@pytest.mark.parametrize('threshold', [None, 0.0, 1.0])
@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
def test_kept_values_by_definition(threshold, sidedness):
    data = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, np.nan, np.inf])
    sides = {'two-sided': (1, -1), 'positive': (1,), 'negative': (-1,)}[sidedness]
    expected = [
        value if any(side * value > 0 and side * value >= (threshold or 0) for side in sides)
        and np.isfinite(value) else 0.0
        for value in data
    ]  # fmt: skip
    np.testing.assert_array_equal(keep_extreme(data, threshold, sidedness), expected)


def test_unknown_side():
    with pytest.raises(InputError, match='both'):
        keep_extreme(np.zeros(3), 1.0, 'both')
