"""Maps that stand apart: where they are drawn, and which range is usual."""

import numpy as np
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.stats.diagnostics import (
    outlier_limit,
    score_maps,
    summarize_maps,
    usual_ranges,
)
from nistats_nipype.viz import plot_outliers

ORANGE = (200, 64, 28)


@pytest.fixture
def maps():
    random = np.random.default_rng(6)
    return 0.7 * random.standard_normal(800) + random.standard_normal((16, 800))


@pytest.fixture
def labels():
    return [f'sub-{number:02d}' for number in range(1, 17)]


def test_usual_ranges_are_those_of_the_scores(maps):
    """A value at the end of a range has the limit as its score."""
    summary = summarize_maps(maps)
    ranges, scores = usual_ranges(summary), score_maps(summary)
    limits = {'mean': outlier_limit(16), 'sd': outlier_limit(16)}
    limits['similarity'] = outlier_limit(16, 0.02)
    scales = {'mean': np.asarray, 'sd': np.log, 'similarity': np.arctanh}
    for name, limit in limits.items():
        values = scales[name](getattr(summary, name))
        scale = (values[0] - np.median(values)) / getattr(scores, name)[0]
        low, high = getattr(ranges, name)
        assert (scales[name](low) - np.median(values)) / scale == pytest.approx(-limit)
        if name == 'similarity':
            assert high == np.inf
        else:
            assert (scales[name](high) - np.median(values)) / scale == pytest.approx(limit)
    assert ranges.coverage == (0.9, np.inf)


def test_flagged_maps_are_diamonds(maps, labels, out, read_picture):
    maps[3] *= 6
    summary = summarize_maps(maps)
    assert plot_outliers(summary, out, labels=labels, title='Maps') == str(out)
    orange = np.abs(read_picture(out).pixels - ORANGE).sum(axis=2) < 40
    assert not orange.any()
    plot_outliers(summary, out, labels=labels, flagged=['sub-04'], title='Maps')
    orange = np.abs(read_picture(out).pixels - ORANGE).sum(axis=2) < 40
    panels = np.array_split(orange[60:], 4)
    assert all(panel.any() for panel in panels)
    # Its spread is the largest: at the right end of the second panel.
    assert np.flatnonzero(panels[1].any(axis=0)).mean() > 0.85 * orange.shape[1]


def test_names_are_those_of_flagged_maps(maps, labels, out):
    maps[3] *= 6
    summary = summarize_maps(maps)
    pictures = []
    for name in ('sub-04', 'other'):
        renamed = [name if label == 'sub-04' else label for label in labels]
        plot_outliers(summary, out, labels=renamed, flagged=[name])
        pictures.append(out.read_bytes())
    assert pictures[0] != pictures[1]
    plot_outliers(summary, out, labels=labels)
    nameless = out.read_bytes()
    plot_outliers(summary, out, labels=labels[::-1])
    assert out.read_bytes() == nameless


@pytest.mark.parametrize('n_maps', [1, 4, 16])
def test_small_and_flat_groups(maps, labels, out, n_maps):
    maps[0] = np.nan
    plot_outliers(summarize_maps(maps[:n_maps]), out, labels=labels[:n_maps], flagged=labels[:1])
    assert out.exists()


def test_many_names(maps, labels, out):
    plot_outliers(summarize_maps(maps), out, labels=labels, flagged=labels)
    assert out.exists()


def test_refusals(maps, labels, out):
    summary = summarize_maps(maps)
    with pytest.raises(InputError, match='15 labels'):
        plot_outliers(summary, out, labels=labels[:-1])
    with pytest.raises(InputError, match='unknown: sub-99'):
        plot_outliers(summary, out, labels=labels, flagged=['sub-99'])
    assert not out.exists()
