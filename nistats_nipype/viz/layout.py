"""Where things go on a figure: mosaics of slices, grids of subjects. All in inches."""

import math
from contextlib import contextmanager

import numpy as np

from . import brains
from .style import add_title, new_figure

#: Heights of the slices by default (MNI, mm): from the cerebellum to the vertex.
_CUTS = tuple(range(-40, 71, 10))
_MOST_COLUMNS = 6
_MM_PER_INCH = 105.0

_MARGIN = 0.12
_BAR_WIDTH = 0.95  # inches, with the numbers beside the bar
_TITLE_HEIGHT = 0.36


def as_fractions(figure, box):
    """Convert left, bottom, width and height from inches to fractions of a figure."""
    width, height = figure.get_size_inches()
    left, bottom, wide, high = box
    return left / width, bottom / height, wide / width, high / height


def bar_ends(vmax, sidedness, signed):
    """Choose the part of a symmetric range that a colour bar shows.

    Examples
    --------
    >>> bar_ends(5.0, 'two-sided', signed=False)
    {'low': 0.0, 'high': 5.0}
    """
    low = -vmax if sidedness == 'negative' or (sidedness == 'two-sided' and signed) else 0.0
    return {'low': low, 'high': 0.0 if sidedness == 'negative' else vmax}


@contextmanager
def slice_mosaic(out_file, title, cut_coords, bg_file, colour):
    """Draw a figure of axial slices.

    Parameters
    ----------
    out_file : path-like
        Figure to write.
    title : str or None
        Title of the figure.
    cut_coords : sequence of float or None
        Heights of the slices (mm).
    bg_file : path-like or None
        Background; the MNI152 template if None.
    colour : callable
        Takes a height and gives the colours of the slice, shape (rows, columns, 4).

    Yields
    ------
    figure : matplotlib.figure.Figure
        With all slices drawn.
    box : tuple of float
        Room for the colour bar, in fractions of the figure.
    """
    cuts = _CUTS if cut_coords is None else tuple(cut_coords)
    template = brains.load_template(bg_file)
    left, right, back, front = brains.SLICE_EXTENT
    wide, high = (right - left) / _MM_PER_INCH, (front - back) / _MM_PER_INCH
    row_height = high + 0.18
    n_rows = math.ceil(len(cuts) / _MOST_COLUMNS)
    n_columns = math.ceil(len(cuts) / n_rows)
    bottom = 0.2
    height = bottom + n_rows * row_height + (_TITLE_HEIGHT if title else 0.0)
    width = 2 * _MARGIN + n_columns * wide + _BAR_WIDTH
    with new_figure(width, height, out_file) as figure:
        for i, z in enumerate(cuts):
            row, column = divmod(i, n_columns)
            box = (
                _MARGIN + column * wide,
                bottom + (n_rows - 1 - row) * row_height,
                wide,
                high,
            )
            brains.draw_slice(figure.add_axes(as_fractions(figure, box)), template, z, colour(z))
        add_title(figure, title)
        bar = (width - _BAR_WIDTH + 0.15, 0.35, 0.16, n_rows * row_height - 0.6)
        yield figure, as_fractions(figure, bar)


@contextmanager
def subject_grid(out_file, n_subjects, title, direction):
    """Lay out one small brain per subject.

    Parameters
    ----------
    out_file : path-like
        Figure to write.
    n_subjects : int
        Number of brains.
    title : str or None
        Title of the figure.
    direction : str
        Line of sight, which decides the shape of the brains.

    Yields
    ------
    figure : matplotlib.figure.Figure
        Blank, but for the title.
    boxes : list of tuple of float
        Room for each brain, in fractions of the figure.
    bar : tuple of float
        Room for the colour bar.
    """
    left, right, bottom, top = brains.load_outline(direction).bounds
    n_columns = choose_columns(n_subjects)
    n_rows = math.ceil(n_subjects / n_columns)
    wide = 1.0
    high = wide * (top - bottom) / (right - left)
    head = _TITLE_HEIGHT if title else 0.05
    cell_width, cell_height = wide + 0.12, high + 0.26
    width = 2 * _MARGIN + n_columns * cell_width + _BAR_WIDTH
    height = max(n_rows * cell_height, 1.5) + head + _MARGIN
    with new_figure(width, height, out_file) as figure:
        boxes = []
        for i in range(n_subjects):
            row, column = divmod(i, n_columns)
            box = (
                _MARGIN + column * cell_width,
                height - head - (row + 1) * cell_height,
                wide,
                high,
            )
            boxes.append(as_fractions(figure, box))
        add_title(figure, title)
        bar_height = min(height - head - 0.6, 2.2)
        bar = (width - _BAR_WIDTH + 0.15, height - head - 0.4 - bar_height, 0.16, bar_height)
        yield figure, boxes, as_fractions(figure, bar)


def choose_columns(n_items, most=12):
    """Choose the columns of a grid about twice as wide as high, with few empty cells.

    Examples
    --------
    >>> [choose_columns(n) for n in (1, 7, 16, 20, 200)]
    [1, 4, 8, 7, 12]
    """
    ideal = math.sqrt(2.5 * n_items)
    candidates = range(max(1, math.floor(0.8 * ideal)), math.ceil(1.3 * ideal) + 1)
    return min(
        (min(columns, n_items, most) for columns in candidates),
        key=lambda columns: (-n_items % columns / columns + abs(columns / ideal - 1), columns),
    )


def spread_dots(values):
    """Offsets that keep dots of like values apart: neighbours in rank lie far from each other.

    Parameters
    ----------
    values : array-like of shape (N,)

    Returns
    -------
    ndarray of shape (N,)
        From -0.5 to 0.5.

    Examples
    --------
    >>> spread_dots([1.0, 3.0, 2.0]).round(2)
    array([-0.19,  0.05,  0.43])
    """
    ranks = np.argsort(np.argsort(values, kind='stable'), kind='stable')
    # Multiples of the golden ratio fill an interval evenly.
    return (0.31 + ranks * 0.6180339887) % 1.0 - 0.5
