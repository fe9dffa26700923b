"""The design and the null distribution."""

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz import plot_design, plot_null
from nistats_nipype.viz.plots import _place_names, critical_value


@pytest.fixture
def design():
    return pd.DataFrame({'control': [1, 1, 0, 0], 'patient': [0, 0, 1, 1], 'age': [3, -1, 2, -4]})


def colours(read_picture, path):
    picture = read_picture(path)
    return [
        int(((picture.pixels[..., a] - picture.pixels[..., b]) > 60).sum())
        for a, b in ((0, 2), (2, 0))
    ]


def test_columns_are_scaled_each_by_itself(design, out):
    assert plot_design(design, out) == str(out)
    expected = out.read_bytes()
    plot_design(design * [1, 1000, 0.001], out)
    assert out.read_bytes() == expected


def test_sign_decides_the_colour(design, out, read_picture):
    plot_design(design[['control']], out)
    warm, cold = colours(read_picture, out)
    assert warm > 500
    assert cold == 0
    plot_design(-design[['control']], out)
    warm, cold = colours(read_picture, out)
    assert warm == 0
    assert cold > 500


def test_contrasts_are_drawn_below(design, out, read_picture):
    plot_design(design, out)
    alone = read_picture(out).pixels
    plot_design(design, out, contrasts={'difference': [[-1, 1, 0]]})
    one = read_picture(out).pixels
    plot_design(design, out, contrasts={'difference': [[-1, 1, 0]], 'any': [[1, 0, 0], [0, 1, 0]]})
    three = read_picture(out).pixels
    assert alone.shape[0] < one.shape[0] < three.shape[0]
    added = one[alone.shape[0] :]
    assert (added[..., 2] - added[..., 0] > 60).any()
    assert (added[..., 0] - added[..., 2] > 60).any()


def test_numbers_are_printed_while_there_is_room(out, read_picture):
    dark = []
    for n_columns in (12, 13):
        frame = pd.DataFrame(np.zeros((5, n_columns)), columns=list('abcdefghijklm')[:n_columns])
        plot_design(frame, out, contrasts={'': [[0] * n_columns]}, row_labels=[''] * 5)
        bottom = read_picture(out).pixels[-50:]
        dark.append((bottom < 140).all(axis=2).sum())
    assert dark[0] > 100
    assert dark[1] == 0


def test_rows_and_long_names(design, out):
    frame = design.rename(columns={'age': 'age_in_years_at_the_first_visit'})
    plot_design(frame, out, row_labels=['sub-1', 'sub-2', 'sub-3', 'sub-4'], title='Design')
    labelled = out.read_bytes()
    plot_design(frame, out, title='Design')
    assert out.read_bytes() != labelled
    many = pd.DataFrame({'x': np.arange(300.0)})
    plot_design(many, out, row_labels=[str(i) for i in range(300)])


def test_design_and_weights_must_fit(design, out):
    with pytest.raises(InputError, match='weights in short'):
        plot_design(design, out, contrasts={'short': [[1, 0]]})
    with pytest.raises(InputError, match='3 labels'):
        plot_design(design, out, row_labels=['a', 'b', 'c'])
    with pytest.raises(InputError, match='0 rows'):
        plot_design(design.iloc[:0], out)
    assert not out.exists()


@pytest.mark.parametrize('alpha', [0.01, 0.05, 0.5])
@pytest.mark.parametrize('n_relabellings', [20, 33, 400])
def test_critical_value_by_counting(n_relabellings, alpha):
    null = np.random.default_rng(n_relabellings).poisson(30, n_relabellings).astype(float)
    reached = {value: np.mean(null >= value) for value in null}
    expected = min((value for value, p in reached.items() if p <= alpha), default=None)
    assert critical_value(null, alpha) == expected


def column_of(picture, colour):
    """Find the column in which a line of this colour runs down the axes."""
    distance = np.abs(picture.pixels - colour).sum(axis=2)
    return int((distance < 40).sum(axis=0).argmax())


def test_lines_stand_at_their_values(out, read_picture):
    """Moving the critical value by a known amount moves its line in proportion."""
    null = np.linspace(0, 10, 200)
    red, blue = (200, 64, 28), (31, 99, 171)
    assert plot_null(null, 8.0, out, critical=2.0) == str(out)
    picture = read_picture(out)
    observed, first = column_of(picture, red), column_of(picture, blue)
    plot_null(null, 8.0, out, critical=5.0)
    second = column_of(read_picture(out), blue)
    assert (observed - first) / (second - first) == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize('critical', np.linspace(0, 10, 21))
@pytest.mark.parametrize('observed', np.linspace(0, 10, 21))
def test_no_line_crosses_a_name(observed, critical):
    """Names stay inside, and neither the other name nor the other line runs through them."""
    wheres, sizes = [observed / 10, critical / 10], [0.15, 0.33]
    if critical < observed:
        wheres, sizes = wheres[::-1], sizes[::-1]
    placed = _place_names(wheres, sizes)
    assert {row for _, row in placed} == {0, 1}
    spans = [
        (where, where + size) if side == 'left' else (where - size, where)
        for where, size, (side, _) in zip(wheres, sizes, placed, strict=True)
    ]
    assert min(spans)[0] >= -1e-9
    assert max(end for _, end in spans) <= 1 + 1e-9
    upper = 0 if placed[0][1] == 1 else 1
    # The line of the upper name passes the lower row.
    low, high = spans[1 - upper]
    assert not low + 1e-9 < wheres[upper] < high - 1e-9


def test_default_critical_value_is_drawn(out):
    null = np.random.default_rng(0).gumbel(5, 1, 500)
    plot_null(null, 9.0, out)
    drawn = out.read_bytes()
    plot_null(null, 9.0, out, critical=critical_value(null, 0.05))
    assert out.read_bytes() == drawn
    plot_null(null, 9.0, out, alpha=0.01)
    assert out.read_bytes() != drawn


@pytest.mark.parametrize('observed', [1.0, 9.0])
def test_too_few_relabellings(observed, out, read_picture):
    plot_null(np.arange(10.0), observed, out, title='Few')
    blue = np.abs(read_picture(out).pixels - (31, 99, 171)).sum(axis=2) < 40
    assert blue.sum() < 20


def test_constant_null(out):
    plot_null(np.full(100, 3.0), 3.0, out)


@pytest.mark.parametrize('null', [[], [1.0, np.nan], [np.inf, 2.0]])
def test_unusable_null(null, out):
    with pytest.raises(InputError, match='null distribution'):
        plot_null(null, 1.0, out)
