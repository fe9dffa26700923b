"""Maps of a group that stand apart."""

import os

import numpy as np

from ..exceptions import InputError
from ..stats.diagnostics import usual_ranges
from .layout import as_fractions, spread_dots
from .style import ACCENT, COOL, HAIRLINE, INK, MUTED, add_title, new_figure

__all__ = ['plot_outliers']

_MEASURES = {
    'mean': 'mean (units of the maps)',
    'sd': 'standard deviation (units of the maps)',
    'coverage': 'coverage (share of the voxels)',
    'similarity': 'correlation with the mean of the others',
}
_RANGE = '#e8eef5'
#: Maps of the smallest group that is looked at, see :func:`nistats_nipype.designs.lint_maps`.
_FEWEST = 5
#: Names that fit into a panel.
_MOST_NAMES = 6
_WIDE, _HIGH, _FOOT = 6.2, 0.8, 0.42


def plot_outliers(summary, out_file, *, labels, flagged=(), title=None):
    """Draw mean, spread, coverage and likeness of every map, and name those that stand apart.

    Parameters
    ----------
    summary : MapSummary
        Measures of N maps, see :func:`nistats_nipype.stats.diagnostics.summarize_maps`.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    labels : sequence of N str
        Names of the maps.
    flagged : sequence of str, optional
        Names of those that stand apart. They are orange diamonds, named where they leave the
        range of the others, or in the panel where they are farthest from its middle.
    title : str, optional
        Title of the figure.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If there is no map, not one label for each, or a flagged one is unknown.
    """
    n_maps = len(summary.mean)
    unknown = [name for name in flagged if name not in labels]
    if not n_maps or len(labels) != n_maps or unknown:
        raise InputError(
            'The maps that stand apart cannot be drawn.',
            found=f'{n_maps} maps, {len(labels)} labels'
            + (f'; flagged and unknown: {", ".join(unknown)}' if unknown else ''),
            expected='at least one map, one label for each, and flagged maps among them',
        )
    ranges = usual_ranges(summary) if n_maps >= _FEWEST else None
    apart = np.isin(labels, list(flagged))
    named = _choose_panels(summary, ranges, apart)
    head = 0.42 if title else 0.1
    height = head + len(_MEASURES) * (_HIGH + _FOOT)
    with new_figure(_WIDE + 0.3, height, out_file) as figure:
        for row, (name, words) in enumerate(_MEASURES.items()):
            bottom = height - head - _HIGH - row * (_HIGH + _FOOT)
            axes = figure.add_axes(as_fractions(figure, (0.15, bottom, _WIDE, _HIGH)))
            values = getattr(summary, name)
            _draw_panel(axes, values, ranges and getattr(ranges, name), apart)
            _write_names(axes, values, labels, np.flatnonzero(named[name]))
            axes.set_xlabel(words, labelpad=2)
        add_title(figure, title)
    return os.path.abspath(out_file)


def _choose_panels(summary, ranges, apart):
    """For each measure, which maps are named there: dict of ndarray of bool."""
    measures = summary._asdict()
    if ranges is None:
        return {name: apart if name == 'mean' else np.zeros_like(apart) for name in measures}
    named, distance = {}, {}
    for name, values in measures.items():
        low, high = getattr(ranges, name)
        named[name] = apart & ((values < low) | (values > high))
        spread = np.nanstd(values) or 1.0
        distance[name] = np.abs(values - np.nanmedian(values)) / spread
    lost = apart & ~np.any(list(named.values()), axis=0)
    farthest = np.argmax(np.nan_to_num(list(distance.values())), axis=0)
    for index, name in enumerate(measures):
        named[name] |= lost & (farthest == index)
    return named


def _draw_panel(axes, values, usual, apart):
    """Draw a dot for each map, over the range in which none stands apart."""
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    if usual is not None:
        low = min(low, usual[0]) if np.isfinite(usual[0]) else low
        high = max(high, usual[1]) if np.isfinite(usual[1]) else high
    margin = 0.06 * (high - low) or 0.1
    if usual is not None:
        axes.axvspan(max(usual[0], low - margin), min(usual[1], high + margin), color=_RANGE,
                     linewidth=0, zorder=0)  # fmt: skip
    if known.size:
        axes.axvline(np.median(known), color=MUTED, linewidth=0.8, zorder=1)
    heights = 0.35 * spread_dots(values)
    size = 4.5 if len(values) <= 80 else 2.5
    axes.plot(values[~apart], heights[~apart], 'o', color=COOL, markersize=size, alpha=0.6,
              markeredgewidth=0)  # fmt: skip
    axes.plot(values[apart], heights[apart], 'D', color=ACCENT, markersize=size + 0.5)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-0.6, 0.6)
    axes.set_yticks([])
    axes.tick_params(labelsize=8, length=2.5, pad=2)
    axes.spines[['top', 'left', 'right']].set_visible(False)
    axes.spines['bottom'].set_color(HAIRLINE)


def _write_names(axes, values, labels, chosen):
    """Write names beside their dots, above and below in turn, kept inside of the axes."""
    chosen = chosen[np.isfinite(values[chosen])]
    order = chosen[np.argsort(values[chosen], kind='stable')]
    left, right = axes.get_xlim()
    heights = 0.35 * spread_dots(values)
    for place, index in enumerate(order[:_MOST_NAMES]):
        where = (values[index] - left) / (right - left)
        side = 'left' if where < 0.15 else 'right' if where > 0.85 else 'center'
        up = place % 2 == 0
        axes.annotate(
            labels[index],
            (values[index], heights[index]),
            xytext=(0, 6 if up else -6),
            textcoords='offset points',
            fontsize=7.5,
            color=INK,
            ha=side,
            va='bottom' if up else 'top',
        )
    if len(order) > _MOST_NAMES:
        axes.text(1, 1, f'and {len(order) - _MOST_NAMES} more', transform=axes.transAxes,
                  fontsize=7.5, color=MUTED, ha='right', va='top')  # fmt: skip
