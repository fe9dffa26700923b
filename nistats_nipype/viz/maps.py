"""Figures of one statistical map: on a glass brain, and as slices."""

import os
from typing import NamedTuple

import numpy as np

from . import brains
from .layout import as_fractions, bar_ends, slice_mosaic
from .style import (
    MUTED,
    add_colorbar,
    add_title,
    describe_quantity,
    describe_threshold,
    diverging_map,
    keep_extreme,
    new_figure,
)

__all__ = ['plot_glass_brain', 'plot_stat_map']

_MM_PER_INCH = 72.0


def plot_glass_brain(
    stat_file,
    out_file,
    *,
    threshold=None,
    title=None,
    sidedness='two-sided',
    vmax=None,
    mask_file=None,
    label=None,
):
    """Draw a map on a glass brain seen from the left, the back, the right and above.

    Parameters
    ----------
    stat_file : path-like
        A 3D map in MNI space. Voxels that are not finite are not drawn.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    threshold : float, optional
        Smallest absolute value drawn; None draws all.
    title : str, optional
        Title of the figure.
    sidedness : {'two-sided', 'positive', 'negative'}, default='two-sided'
        Draw both signs, or one.
    vmax : float, optional
        The colours range from -vmax to vmax; by default the largest value drawn.
    mask_file : path-like, optional
        Draw inside this mask only; on the grid of the map.
    label : str, optional
        Quantity and unit; by default from the ``stat`` entity of the file name.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If the map is not 3D, the sidedness is unknown, or the figure's suffix is.
    GridError
        If the mask is on another grid.
    """
    brain, vmax, bar = prepare_map(stat_file, threshold, sidedness, vmax, mask_file, label)
    views = 'lyrz'
    bounds = [brains.load_outline(view).bounds for view in views]
    widths = [(right - left) / _MM_PER_INCH for left, right, _, _ in bounds]
    heights = [(top - bottom) / _MM_PER_INCH for _, _, bottom, top in bounds]
    gap, bar_width = 0.12, 0.95
    width = sum(widths) + gap * (len(views) + 1) + bar_width
    head = 0.42 if title else 0.1
    height = max(heights) + head + 0.1
    with new_figure(width, height, out_file) as figure:
        left = gap
        for view, wide, high in zip(views, widths, heights, strict=True):
            bottom = 0.1 + (max(heights) - high) / 2
            axes = figure.add_axes(as_fractions(figure, (left, bottom, wide, high)))
            brains.draw_glass_brain(axes, view, brains.project(brain, view), vmax, scale=0.55)
            left += wide + gap
        add_title(figure, title)
        box = (left + 0.1, 0.35, 0.16, max(heights) - 0.75)
        finish_map(figure, vmax, bar, as_fractions(figure, box))
    return os.path.abspath(out_file)


def plot_stat_map(
    stat_file,
    out_file,
    *,
    threshold=None,
    title=None,
    bg_file=None,
    cut_coords=None,
    sidedness='two-sided',
    vmax=None,
    mask_file=None,
    label=None,
):
    """Draw axial slices of a map on a template.

    Parameters
    ----------
    stat_file : path-like
        A 3D map in MNI space. Voxels that are not finite are not drawn.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    threshold : float, optional
        Smallest absolute value drawn; None draws all.
    title : str, optional
        Title of the figure.
    bg_file : path-like, optional
        Background; by default the MNI152 template that comes with nilearn.
    cut_coords : sequence of float, optional
        Heights of the slices (mm); by default -40 to 70 in steps of 10.
    sidedness : {'two-sided', 'positive', 'negative'}, default='two-sided'
        Draw both signs, or one.
    vmax : float, optional
        The colours range from -vmax to vmax; by default the largest value drawn.
    mask_file : path-like, optional
        Draw inside this mask only; on the grid of the map.
    label : str, optional
        Quantity and unit; by default from the ``stat`` entity of the file name.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If the map is not 3D, the sidedness is unknown, or the figure's suffix is.
    GridError
        If the mask is on another grid.

    Notes
    -----
    The voxels are drawn as they are. nilearn interpolates the map before the
    threshold, which moves the borders of clusters.
    """
    brain, vmax, bar = prepare_map(stat_file, threshold, sidedness, vmax, mask_file, label)
    colour_map = diverging_map()

    def colour(z):
        values = brains.slice_at(brain, z)
        return colour_map(np.ma.masked_equal((values / vmax + 1) / 2, 0.5))

    with slice_mosaic(out_file, title, cut_coords, bg_file, colour) as (figure, box):
        finish_map(figure, vmax, bar, box)
    return os.path.abspath(out_file)


class _Bar(NamedTuple):
    """What the colour bar says."""

    label: str
    threshold: float | None
    ends: dict
    note: str


def prepare_map(stat_file, threshold, sidedness, vmax, mask_file, label):
    """Read a map and cut it at the threshold; choose the range of colours."""
    brain = brains.load_brain(stat_file, mask_file)
    kept = keep_extreme(brain.data, threshold, sidedness)
    label = describe_quantity(stat_file) if label is None else label
    # With nothing to show, the bar still tells which values would have had a colour.
    vmax = vmax or float(np.abs(kept).max()) or 1.5 * (threshold or 0.0) or 1.0
    note = ''
    if not kept.any():
        # A map that was thresholded before does not tell at which height.
        reached = describe_threshold(threshold, label, sidedness) if threshold else 'the threshold'
        note = f'no voxel reaches {reached}'
    signed = bool((brain.data < 0).any())
    return (
        brain._replace(data=kept),
        vmax,
        _Bar(label, threshold, bar_ends(vmax, sidedness, signed), note),
    )


def finish_map(figure, vmax, bar, box):
    """Add the colour bar and, over an empty map, the note that says so."""
    add_colorbar(figure, box, vmax, bar.label, threshold=bar.threshold, **bar.ends)
    if bar.note:
        figure.text(
            box[0] / 2,
            0.5,
            bar.note,
            ha='center',
            va='center',
            fontsize=11,
            color=MUTED,
            bbox={
                'facecolor': 'white',
                'edgecolor': MUTED,
                'boxstyle': 'round,pad=0.5',
                'lw': 0.6,
            },
        )
