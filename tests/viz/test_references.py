"""Every figure of simulated data beside a stored reference.

``CONTRIBUTING.rst`` says how the references are made again.
"""

import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.testing.compare import compare_images
from PIL import Image

from nistats_nipype.stats.diagnostics import summarize_maps
from nistats_nipype.viz import (
    Panel,
    brains,
    plot_coverage,
    plot_design,
    plot_effect_size,
    plot_glass_brain,
    plot_influence,
    plot_null,
    plot_outliers,
    plot_peaks,
    plot_stat_map,
    plot_subjects,
    plot_surface,
    style,
    surface,
)

#: Of matplotlib. Another draws text and curves differently, by more than the tolerance.
SERIES = '3.11'
#: Root mean square of the differences, of 255. What a machine does in its own way is far below.
TOLERANCE = 1.0
BASELINE = Path(__file__).parent / 'baseline'

pytestmark = pytest.mark.skipif(
    matplotlib.__version__.rpartition('.')[0] != SERIES,
    reason=f'the references were drawn with matplotlib {SERIES}, this is {matplotlib.__version__}',
)


class Drawn:
    """A figure that is on disk already, as pytest-mpl takes figures."""

    def __init__(self, path):
        self.path = path

    def savefig(self, target, **_):
        shutil.copyfile(self.path, target)


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Draw with few dots, so that all references together are small."""
    monkeypatch.setitem(style._RC, 'savefig.dpi', 60)


@pytest.fixture
def simulated(write, blob):
    """Maps of a group with an effect on the left; noise that no library changes."""
    random = np.random.default_rng(12)
    effect = blob((-40, -20, 40), 1.5, 18) - blob((40, -20, 0), 1.5, 18)
    inside = blob((0, -18, 18), 1.0, 70) > 0
    maps = [
        np.where(inside, effect + random.normal(size=effect.shape), 0.0).astype(np.float32)
        for _ in range(8)
    ]
    z = np.where(inside, np.mean(maps, axis=0) * np.sqrt(8), 0.0)
    return {
        'maps': [write(each, f'sub-{i:02d}_stat-t.nii.gz') for i, each in enumerate(maps, 1)],
        'z': write(z, 'stat-z.nii.gz'),
        'effect': write(np.mean(maps, axis=0) * random.gamma(4, 0.3, z.shape), 'effect.nii.gz'),
        'mask': write(inside.astype(np.float32), 'mask.nii.gz'),
        'coverage': write(np.sum([np.abs(each) > 0.2 for each in maps], axis=0), 'n.nii.gz'),
        'values': np.array([each[9, 20, 22] for each in maps], dtype=float),
    }


def draw_glass_brain(simulated, out, **change):
    plot_glass_brain(simulated['z'], out, **{'threshold': 3.1, 'title': 'z > 3.1', **change})


def draw_stat_map(simulated, out, **change):
    known = {'threshold': 3.1, 'title': 'z > 3.1', 'cut_coords': [-10, 0, 30, 40, 50], **change}
    plot_stat_map(simulated['z'], out, **known)


def draw_surface(simulated, out, **change):
    plot_surface(simulated['z'], out, **{'threshold': 3.1, 'title': 'z > 3.1', **change})


def draw_subjects(simulated, out, **change):
    plot_subjects(simulated['maps'], out, **{'threshold': 2.0, 'title': 't > 2', **change})


def draw_coverage(simulated, out, **change):
    known = {'title': 'Coverage', 'cut_coords': [-10, 20, 50], **change}
    plot_coverage(simulated['coverage'], 8, out, **known)


def draw_design(simulated, out, **change):
    design = pd.DataFrame({'intercept': 1.0, 'patient': [0, 0, 0, 0, 1, 1, 1, 1]})
    design['age'] = [-3, -1, 1, 3, -2, 0, 2, 0]
    contrasts = {'group': [[0, 1, 0]], 'any': [[0, 1, 0], [0, 0, 1]]}
    plot_design(design, out, **{'contrasts': contrasts, 'title': 'Design', **change})


def draw_null(simulated, out, **change):
    null = np.random.default_rng(1).gumbel(5, 0.6, 500)
    plot_null(null, 7.0, out, **{'critical': 6.9, 'title': 'Maxima', **change})


def draw_influence(simulated, out, **change):
    without = np.array([5.2, 6.4, 4.1, np.nan, 5.9])
    plot_influence(without, 5.5, out, **{'labels': list('abcde'), 'title': 'Without', **change})


def draw_effect_size(simulated, out, **change):
    known = {'thresholds': {'p < 0.001': 3.29, 'FWE': 4.6}, 'title': 'Effect and z', **change}
    plot_effect_size(
        simulated['effect'], simulated['z'], out, mask_file=simulated['mask'], **known
    )


def _panels(values, **more):
    return [
        Panel(f'peak {number}: z = {4 - number}', sign * values, sign * values.mean() + 0 * values,
              **more)
        for number, sign in ((1, 1), (2, -1))
    ]  # fmt: skip


def draw_peaks_mean(simulated, out, **change):
    panels = _panels(simulated['values'], summaries=[(0.4, -0.2, 1.0)])
    plot_peaks(panels, out, **{'kind': 'mean', 'title': 'Values at the peaks', **change})


def draw_peaks_groups(simulated, out, **change):
    panels = _panels(simulated['values'], summaries=[(0.4, -0.2, 1.0), (1.0, 0.3, 1.7)])
    known = {'kind': 'groups', 'groups': np.repeat([0, 1], 4), 'names': ['control', 'patient']}
    plot_peaks(panels, out, **{**known, 'title': 'Values at the peaks', **change})


def draw_peaks_paired(simulated, out, **change):
    known = {'subjects': np.tile(np.arange(4), 2), 'names': ['off', 'on']}
    draw_peaks_groups(simulated, out, **{**known, **change})


def draw_peaks_covariate(simulated, out, **change):
    known = {'kind': 'covariate', 'x_name': 'age', 'names': ['control', 'patient']}
    known |= {'groups': np.repeat([0, 1], 4), 'title': 'Values at the peaks', **change}
    plot_peaks(_panels(simulated['values'], x=np.arange(20.0, 60.0, 5)), out, **known)


def draw_outliers(simulated, out, **change):
    random = np.random.default_rng(2)
    maps = 0.7 * random.standard_normal(500) + random.standard_normal((12, 500))
    maps[3] *= 3
    labels = [f'sub-{number:02d}' for number in range(1, 13)]
    known = {'labels': labels, 'flagged': ['sub-04'], 'title': 'Maps', **change}
    plot_outliers(summarize_maps(maps), out, **known)


FIGURES = {
    name.removeprefix('draw_'): function
    for name, function in list(globals().items())
    if name.startswith('draw_')
}


@pytest.mark.mpl_image_compare(tolerance=TOLERANCE, deterministic=True)
@pytest.mark.parametrize('name', FIGURES)
def test_figure(name, simulated, out):
    FIGURES[name](simulated, out)
    return Drawn(out)


def swap_colours(monkeypatch):
    for module in (style, brains, surface):
        monkeypatch.setattr(module, 'diverging_map', lambda: matplotlib.colormaps['viridis'])


@pytest.mark.parametrize(
    ('name', 'change'),
    [(name, {'title': None}) for name in FIGURES if name != 'design']
    + [
        ('design', {'contrasts': {'group': [[0, -1, 0]], 'any': [[0, 1, 0], [0, 0, 1]]}}),
        ('glass_brain', {'threshold': 3.3}),
        ('stat_map', {'threshold': 3.3}),
        ('surface', {'threshold': 3.3}),
        ('subjects', {'threshold': 2.1}),
        ('effect_size', {'thresholds': {'p < 0.001': 3.1, 'FWE': 4.6}}),
        ('null', {'critical': 6.7}),
        ('surface', swap_colours),
        ('glass_brain', swap_colours),
    ],
)
def test_the_tolerance_is_tight(name, change, simulated, tmp_path, monkeypatch):
    """Without a title, with another threshold or other colours, a figure is not its reference."""
    if callable(change):
        change(monkeypatch)
        change = {}
    changed, reference = tmp_path / 'changed.png', tmp_path / 'reference.png'
    FIGURES[name](simulated, changed, **change)
    shutil.copyfile(BASELINE / f'test_figure_{name}.png', reference)
    with Image.open(changed) as one, Image.open(reference) as other:
        same_size = one.size == other.size
    assert not same_size or compare_images(reference, changed, tol=TOLERANCE) is not None
