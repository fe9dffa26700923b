"""Figures of a design and of a null distribution."""

import os

import numpy as np

from ..exceptions import InputError
from .style import (
    ACCENT,
    COOL,
    HAIRLINE,
    INK,
    MUTED,
    add_title,
    diverging_map,
    new_figure,
)

__all__ = ['plot_design', 'plot_null']

#: Numbers are printed in the cells up to this many columns.
_MOST_NUMBERS = 12
#: The darkest colour is kept back, so that printed numbers stay readable.
_DESIGN_VMAX = 2.2
#: Width of a letter of the names of lines, about.
_LETTER_INCHES = 0.075


def plot_design(design, out_file, *, contrasts=None, row_labels=None, title=None):
    """Draw a design matrix with its contrasts below.

    Parameters
    ----------
    design : pandas.DataFrame, shape (n_observations, n_regressors)
        The design matrix.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    contrasts : dict of {str: list of list of float}, optional
        The rows of weights of each contrast, one weight per regressor.
    row_labels : sequence of str, optional
        Names of the observations, shown up to 40.
    title : str, optional
        Title of the figure.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If the weights or the labels do not fit the design.

    Notes
    -----
    Each column is scaled by its largest absolute value, and each row of weights likewise:
    blue is negative, white zero, orange positive.
    """
    contrasts = {name: np.atleast_2d(rows) for name, rows in (contrasts or {}).items()}
    _check_design(design, contrasts, row_labels)
    values = design.to_numpy(dtype=np.float64)
    n_rows, n_columns = values.shape
    weights = [(name, row) for name, rows in contrasts.items() for row in rows]
    labels = [str(name) for name in design.columns]
    slanted = max(map(len, labels)) > 9
    cell = float(np.clip(7.0 / n_columns, 0.28, 0.95))
    matrix_height = float(np.clip(0.17 * n_rows, 1.2, 5.0))
    head = (0.42 if title else 0.1) + (
        min(0.055 * max(map(len, labels)) + 0.1, 2.0) if slanted else 0.3
    )
    names = [name for name, _ in weights] + list(map(str, row_labels or ()))
    left = 0.55 + min(0.07 * max(map(len, names), default=0), 2.6)
    width = max(left + n_columns * cell + (0.8 if slanted else 0.25), 0.3 + 0.1 * len(title or ''))
    gap = 0.22 if weights else 0.0
    height = head + matrix_height + gap + 0.26 * len(weights) + 0.15
    with new_figure(width, height, out_file) as figure:

        def add_axes(top, high):
            box = (
                left / width,
                1 - (top + high) / height,
                n_columns * cell / width,
                high / height,
            )
            return figure.add_axes(box)

        axes = add_axes(head, matrix_height)
        _draw_matrix(axes, values / _scale(values, axis=0))
        axes.xaxis.tick_top()
        axes.set_xticks(range(n_columns), labels)
        if slanted:
            axes.tick_params(axis='x', labelrotation=40)
            for text in axes.get_xticklabels():
                text.set(ha='left', rotation_mode='anchor')
        if row_labels is not None and n_rows <= 40:
            axes.set_yticks(range(n_rows), row_labels, fontsize=7)
        else:
            ticks = np.unique(np.rint(np.linspace(0, n_rows - 1, 5)).astype(int))
            axes.set_yticks(ticks, ticks + 1)
            axes.set_ylabel('observation', color=MUTED)
        if weights:
            rows = np.array([row for _, row in weights], dtype=np.float64)
            below = add_axes(head + matrix_height + gap, 0.26 * len(weights))
            _draw_weights(below, rows, _row_names(weights))
        add_title(figure, title)
    return os.path.abspath(out_file)


def plot_null(
    null,
    observed,
    out_file,
    *,
    alpha=0.05,
    critical=None,
    statistic='max |t|',
    title=None,
):
    """Draw the permutation distribution of a maximum, the observed one and the critical value.

    Parameters
    ----------
    null : array-like of float, shape (n_relabellings,)
        The statistic under every relabelling, the observed one included.
    observed : float
        The statistic as observed.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    alpha : float, default=0.05
        Level of the test.
    critical : float, optional
        Smallest significant value; by default the smallest value of ``null`` that at most
        a fraction ``alpha`` of the relabellings reach.
    statistic : str, default ``'max |t|'``
        Name of the statistic, for the axis.
    title : str, optional
        Title of the figure.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If the null distribution is empty or not finite.
    """
    null = np.asarray(null, dtype=np.float64).ravel()
    if null.size == 0 or not np.isfinite(null).all() or not np.isfinite(observed):
        raise InputError(
            'The null distribution cannot be drawn.',
            found=f'{null.size} values, {int((~np.isfinite(null)).sum())} of them not finite',
            expected='at least one value, all finite',
        )
    if critical is None:
        critical = critical_value(null, alpha)
    with new_figure(6.2, 3.1 + (0.25 if title else 0), out_file) as figure:
        height = figure.get_size_inches()[1]
        axes = figure.add_axes((0.62 / 6.2, 0.5 / height, 5.4 / 6.2, 2.1 / height))
        marked = [observed] if critical is None else [observed, critical]
        low, high = min(null.min(), *marked), max(null.max(), *marked)
        margin = 0.04 * (high - low) or 1.0
        n_bins = int(np.clip(np.sqrt(null.size) * 1.2, 10, 60))
        axes.hist(null, bins=n_bins, color='#9fb3c8', edgecolor='white', linewidth=0.5)
        axes.set_xlim(low - margin, high + margin)
        axes.set_xlabel(statistic)
        axes.set_ylabel('relabellings')
        axes.spines[['top', 'right']].set_visible(False)
        axes.grid(axis='y', color=HAIRLINE, linewidth=0.5)
        axes.set_axisbelow(True)
        marks = [(observed, f'observed {observed:.2f}', ACCENT, '-')]
        if critical is None:
            note = f'{null.size} relabellings cannot reach p ≤ {alpha:g}'
            x, side = (1, 'right') if observed < (low + high) / 2 else (0, 'left')
            axes.text(x, 1.05, note, transform=axes.transAxes, color=MUTED, ha=side, va='center')
        else:
            marks.append((critical, f'critical (p ≤ {alpha:g}) {critical:.2f}', COOL, '--'))
        _mark(axes, marks, 5.4)
        add_title(figure, title)
    return os.path.abspath(out_file)


def critical_value(null, alpha):
    """Give the smallest value that at most a fraction ``alpha`` of the distribution reaches.

    Parameters
    ----------
    null : ndarray of float, shape (n_relabellings,)
        The distribution, the observed labelling included.
    alpha : float
        Level of the test.

    Returns
    -------
    float or None
        None if even the largest value is reached too often.

    Examples
    --------
    >>> critical_value(np.arange(1.0, 101.0), 0.05), critical_value(np.arange(10.0), 0.05)
    (96.0, None)
    """
    values, counts = np.unique(null, return_counts=True)
    reached_by = counts[::-1].cumsum()[::-1]
    # The tolerance forgives 0.05 * 20 = 1.0000000000000002 and the like.
    rare = values[reached_by <= alpha * null.size * (1 + 1e-9)]
    return float(rare[0]) if rare.size else None


def _mark(axes, marks, width):
    """Draw vertical lines with their names above the axes, ``width`` inches wide."""
    low, high = axes.get_xlim()
    marks = sorted(marks)
    wheres = [(x - low) / (high - low) for x, *_ in marks]
    sizes = [len(text) * _LETTER_INCHES / width for _, text, *_ in marks]
    for (x, text, colour, style), where, (side, row) in zip(
        marks, wheres, _place_names(wheres, sizes), strict=True
    ):
        y = (1.05, 1.14)[row]
        axes.axvline(x, color=colour, linestyle=style, linewidth=1.6)
        axes.plot([where, where], [1.0, y - 0.03], color=colour, linewidth=0.8, clip_on=False,
                  transform=axes.transAxes)  # fmt: skip
        axes.text(where, y, text, transform=axes.transAxes, color=colour, ha=side, va='center',
                  fontsize=8.5)  # fmt: skip


def _place_names(wheres, sizes):
    """Choose the side and the row of the names of one or two lines, so that no line crosses one.

    Names stand outside of the two lines where there is room. Otherwise the name of the outer
    line goes into the upper row, over that of the other.

    Examples
    --------
    >>> _place_names([0.6, 0.65], [0.3, 0.2])
    [('right', 0), ('left', 1)]
    >>> _place_names([0.1, 0.15], [0.3, 0.2]), _place_names([0.9, 0.95], [0.3, 0.2])
    ([('left', 1), ('left', 0)], [('right', 0), ('right', 1)])
    """
    if len(wheres) == 1:
        return [('left' if wheres[0] < 0.5 else 'right', 1)]
    if sizes[0] > wheres[0]:
        return [('left', 1), ('left' if wheres[1] + sizes[1] <= 1 else 'right', 0)]
    return [('right', 0), ('left' if wheres[1] + sizes[1] <= 1 else 'right', 1)]


def _check_design(design, contrasts, row_labels):
    n_rows, n_columns = design.shape
    wrong = [name for name, rows in contrasts.items() if rows.shape[1:] != (n_columns,)]
    if wrong or n_rows == 0 or n_columns == 0:
        raise InputError(
            'The design cannot be drawn.',
            found=f'{n_rows} rows, {n_columns} columns'
            + (f', and other numbers of weights in {", ".join(wrong)}' if wrong else ''),
            expected='at least one row and column, and one weight per column',
        )
    if row_labels is not None and len(row_labels) != n_rows:
        raise InputError(
            'The labels do not fit the design.',
            found=f'{len(row_labels)} labels',
            expected=f'{n_rows}, one per row',
        )


def _scale(values, axis):
    """Largest absolute value along an axis, 1 where all is 0."""
    largest = np.abs(values).max(axis=axis, keepdims=True)
    return np.where(largest == 0, 1.0, largest)


def _draw_matrix(axes, scaled):
    """Draw a matrix with its first row on top and white lines between the columns."""
    n_rows, n_columns = scaled.shape
    axes.pcolormesh(
        np.arange(n_columns + 1) - 0.5,
        np.arange(n_rows + 1) - 0.5,
        scaled,
        cmap=diverging_map(),
        vmin=-_DESIGN_VMAX,
        vmax=_DESIGN_VMAX,
    )
    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.vlines(np.arange(0.5, n_columns - 1), -0.5, n_rows - 0.5, colors='white', linewidths=2)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_weights(axes, rows, names):
    """Draw the weights of the contrasts, as numbers where there is room."""
    _draw_matrix(axes, rows / _scale(rows, axis=1))
    axes.hlines(np.arange(0.5, len(rows) - 1), *axes.get_xlim(), colors='white', linewidths=2)
    axes.set_xticks([])
    axes.set_yticks(range(len(rows)), names, fontsize=8.5)
    if rows.shape[1] <= _MOST_NUMBERS:
        for (i, j), weight in np.ndenumerate(rows):
            text = f'{weight:.3g}'.replace('-', '−')
            colour = INK if weight else MUTED
            axes.text(j, i, text, ha='center', va='center', fontsize=8, color=colour)


def _row_names(weights):
    """Name a contrast at the first of its rows only."""
    names = [name for name, _ in weights]
    return [name if i == 0 or names[i - 1] != name else '' for i, name in enumerate(names)]
