"""Values of the subjects at the peaks of a result."""

import math
import os
from typing import NamedTuple

import numpy as np

from ..exceptions import InputError
from .layout import as_fractions, spread_dots
from .style import (
    ACCENT,
    COOL,
    GROUP_COLOURS,
    GROUP_MARKERS,
    HAIRLINE,
    INK,
    MUTED,
    add_title,
    new_figure,
)

__all__ = ['Panel', 'describe_peaks', 'plot_peaks']

_KINDS = ('mean', 'groups', 'covariate', 'fit')
_COLUMNS = 3
#: Size of a panel, and what is kept free around it (inches).
_WIDE, _HIGH, _GAP, _LEFT = 2.05, 1.75, 0.3, 0.68


class Panel(NamedTuple):
    """What is drawn of one peak.

    Attributes
    ----------
    title : str
        Where it is, and its statistic.
    values : ndarray of shape (N,)
        Of the observations; NaN where one is missing.
    fitted : ndarray of shape (N,)
        What the model has in their place.
    summaries : array-like of shape (G, 3), optional
        Mean of each group and the ends of its confidence interval; NaN is not drawn.
    x : ndarray of shape (N,), optional
        The covariate.
    """

    title: str
    values: np.ndarray
    fitted: np.ndarray
    summaries: np.ndarray | tuple = ()
    x: np.ndarray | None = None


def plot_peaks(
    panels,
    out_file,
    *,
    kind,
    groups=None,
    names=('',),
    x_name='',
    subjects=None,
    title=None,
    label='value (units of the maps)',
):
    """Draw the values of the observations at some peaks, a panel for each peak.

    Parameters
    ----------
    panels : list of Panel
        All have one range of values. Without any, the figure says so.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    kind : {'mean', 'groups', 'covariate', 'fit'}
        Dots with their mean; dots by group; against the covariate, with the fitted lines; or
        against the fitted values, with the line on which both are equal.
    groups : ndarray of shape (N,), int, optional
        Group of each observation; all are one by default.
    names : sequence of str
        Names of the groups.
    x_name : str, default=''
        Name of what is on the horizontal axis.
    subjects : ndarray of shape (N,), int, optional
        Whose map each is: a line connects those of one subject.
    title : str, optional
        Title of the figure.
    label : str, default='value (units of the maps)'
        Name and unit of the values.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If the kind or the suffix of the figure is unknown, or arrays do not fit each other.
    """
    _check(panels, kind, groups, names, subjects)
    n_columns = min(_COLUMNS, max(len(panels), 1))
    n_rows = math.ceil(max(len(panels), 1) / n_columns)
    legend = kind == 'covariate' and len(names) > 1
    head = 0.05 + 0.28 * bool(title) + 0.22 * legend
    slanted = kind == 'groups' and sum(len(_shorten(name, 14)) for name in names) > 26
    below = 0.3 + 0.3 * (kind in ('covariate', 'fit')) + 0.5 * slanted
    width = max(_LEFT + n_columns * (_WIDE + _GAP), 0.4 + 0.1 * len(title or ''))
    height = head + n_rows * (_HIGH + 0.3) + below
    low, high = _range(panels)
    with new_figure(width, height, out_file) as figure:
        for index, panel in enumerate(panels):
            row, column = divmod(index, n_columns)
            bottom = below + (n_rows - 1 - row) * (_HIGH + 0.3)
            box = (_LEFT + column * (_WIDE + _GAP), bottom, _WIDE, _HIGH)
            axes = figure.add_axes(as_fractions(figure, box))
            axes.axhline(0, color=HAIRLINE, linewidth=1.0, zorder=0)
            if kind in ('mean', 'groups'):
                _draw_groups(axes, panel, groups, names, subjects, slanted)
            else:
                _draw_line(axes, panel, groups, names, panel.fitted if kind == 'fit' else panel.x)
            axes.set_ylim(low, high)
            axes.set_title(panel.title, fontsize=8.5, loc='left', pad=4)
            axes.spines[['top', 'right']].set_visible(False)
            axes.tick_params(labelsize=8)
            axes.tick_params(labelleft=column == 0)
            # The last panel of each column has the names.
            if index + n_columns < len(panels):
                axes.tick_params(labelbottom=False)
            elif kind in ('covariate', 'fit'):
                axes.set_xlabel(_shorten(f'fitted ({x_name})' if kind == 'fit' else x_name))
        if panels:
            middle = (below + (n_rows * (_HIGH + 0.3) - 0.3) / 2) / height
            figure.text(0.13 / width, middle, label, rotation=90, ha='left', va='center')
        else:
            figure.text(0.5, 0.45, 'no cluster, and so no peak', color=MUTED, ha='center',
                        fontsize=11)  # fmt: skip
        if legend and panels:
            _add_legend(figure, names, 1 - 0.3 * bool(title) / height, _LEFT / width)
        add_title(figure, title)
    return os.path.abspath(out_file)


def _check(panels, kind, groups, names, subjects):
    """Refuse arrays that do not fit each other, and kinds that do not exist."""
    if kind not in _KINDS:
        raise InputError(
            'The kind of the figure is unknown.', found=repr(kind), expected=' or '.join(_KINDS)
        )
    sizes = [np.shape(each) for panel in panels for each in (panel.values, panel.fitted)]
    sizes += [np.shape(each) for each in (groups, subjects) if each is not None]
    sizes += [np.shape(panel.x) for panel in panels if kind == 'covariate']
    too_few = groups is not None and np.max(groups, initial=0) >= len(names)
    if len(set(sizes)) > 1 or too_few:
        raise InputError(
            'The values at the peaks cannot be drawn.',
            found=f'shapes {", ".join(map(str, sizes)) or "none"}; {len(names)} names of groups',
            expected='one value, group, covariate and subject for each observation, and a name '
            'for each group',
        )


def _range(panels):
    """Lowest and highest value of the figure, with a margin; 0 is always inside."""
    ends = [0.0]
    for panel in panels:
        parts = (panel.values, panel.fitted, np.ravel(panel.summaries))
        known = np.concatenate([np.asarray(part, dtype=float) for part in parts])
        ends += known[np.isfinite(known)].tolist()
    margin = 0.06 * (max(ends) - min(ends)) or 1.0
    return min(ends) - margin, max(ends) + margin


def _draw_groups(axes, panel, groups, names, subjects, slanted):
    """Draw dots by group, a line for each subject, and the means."""
    groups = np.zeros(len(panel.values), dtype=int) if groups is None else np.asarray(groups)
    known = np.isfinite(panel.values)
    places = groups.astype(float)
    if subjects is None:
        for group in range(len(names)):
            chosen = known & (groups == group)
            places[chosen] += 0.3 * spread_dots(panel.values[chosen])
    else:
        for subject in np.unique(subjects):
            mine = np.flatnonzero(known & (subjects == subject))
            mine = mine[np.argsort(groups[mine])]
            axes.plot(places[mine], panel.values[mine], color=MUTED, linewidth=0.6, alpha=0.5)
    size = 4.0 if known.sum() <= 60 else 2.5
    axes.plot(places[known], panel.values[known], 'o', color=COOL, markersize=size, alpha=0.65,
              markeredgewidth=0)  # fmt: skip
    shift = 0.0 if subjects is not None else 0.28
    for group, (mean, low, high) in enumerate(panel.summaries):
        axes.plot([group + shift] * 2, [low, high], color=ACCENT, linewidth=1.6)
        axes.plot([group + shift - 0.09, group + shift + 0.09], [mean] * 2, color=ACCENT,
                  linewidth=2.2)  # fmt: skip
    axes.set_xlim(-0.5, len(names) - 0.5 + (shift > 0) * 0.15)
    axes.set_xticks(range(len(names)), [_shorten(name, 14) for name in names])
    axes.tick_params(axis='x', length=0)
    if slanted:
        axes.tick_params(axis='x', labelrotation=25)
        for text in axes.get_xticklabels():
            text.set(ha='right', rotation_mode='anchor')


def _draw_line(axes, panel, groups, names, x):
    """Draw dots against a covariate, and what is fitted of them."""
    groups = np.zeros(len(panel.values), dtype=int) if groups is None else np.asarray(groups)
    size = 4.0 if len(groups) <= 60 else 2.5
    for group in range(len(names)):
        colour, marker = _look(group)
        chosen = np.flatnonzero(np.isfinite(panel.values) & (groups == group))
        chosen = chosen[np.argsort(np.asarray(x)[chosen], kind='stable')]
        axes.plot(np.asarray(x)[chosen], panel.values[chosen], marker, color=colour, alpha=0.65,
                  markersize=size, markeredgewidth=0)  # fmt: skip
        axes.plot(np.asarray(x)[chosen], panel.fitted[chosen], linewidth=1.6,
                  color=colour if len(names) > 1 else ACCENT)  # fmt: skip


def _look(group):
    """Colour and marker of a group; both differ for the first six."""
    return GROUP_COLOURS[group % len(GROUP_COLOURS)], GROUP_MARKERS[group % len(GROUP_MARKERS)]


def _add_legend(figure, names, top, left):
    from matplotlib.lines import Line2D

    handles = []
    for group, name in enumerate(names):
        colour, marker = _look(group)
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5, label=name))
    figure.legend(handles=handles, loc='upper left', bbox_to_anchor=(left - 0.02, top),
                  ncols=6, frameon=False, fontsize=8, labelcolor=INK)  # fmt: skip


def _shorten(text, most=38):
    return text if len(text) <= most else f'{text[: most - 1]}…'


def describe_peaks(about):
    """Say what the figure of the values at the peaks shows.

    Parameters
    ----------
    about : dict
        Metadata of :class:`nistats_nipype.interfaces.PlotPeaks`.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_peaks({'Kind': 'covariate', 'NumberOfPeaks': 2, 'Covariate': 'age',
    ...                 'Groups': [''], 'AdjustedFor': ['motion'], 'HeldAt': 'the means',
    ...                 'Repeated': False})
    'Values of the maps at the 2 strongest peaks, in the units of the maps, against age, with the
    line of the model, adjusted to the means of motion. ...'
    """
    number = about['NumberOfPeaks']
    if not number:
        return 'Values of the maps at the peaks: there is no cluster.'
    peaks = f'the {number} strongest peaks' if number > 1 else 'the peak'
    how = {
        'mean': 'with their mean and its 95 % confidence interval',
        'groups': 'by group, with means and 95 % confidence intervals',
        'covariate': f'against {about["Covariate"]}, with the line of the model',
        'fit': f'against what {about["Covariate"]} explain of them, with the line on which both '
        'are equal',
    }[about['Kind']]
    if about['Repeated']:
        how = 'by condition, with means; a line connects the maps of a subject'
    elif about['Kind'] == 'covariate' and len(about['Groups']) > 1:
        how = f'against {about["Covariate"]} by group, with the lines of the model'
    text = f'Values of the maps at {peaks}, in the units of the maps, {how}'
    if about['AdjustedFor']:
        text += f', adjusted to {about["HeldAt"]} of {_list(about["AdjustedFor"])}'
    return (
        f'{text}. By least squares. The peaks were chosen by the test of the same maps: the '
        'effect is smaller elsewhere, and in new data.'
    )


def _list(names):
    """Names of columns in words, few of many.

    >>> _list(['a', 'b']), _list(list('abcdefg'))
    ('a, b', 'a, b, c, d and 3 more')
    """
    return (
        ', '.join(names) if len(names) < 6 else f'{", ".join(names[:4])} and {len(names) - 4} more'
    )
