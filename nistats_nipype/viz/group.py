"""Figures of a group: every subject, and how many cover each voxel."""

import os
import re

import numpy as np

from ..exceptions import InputError
from ..images.volumes import count_volumes, iter_volumes
from . import brains
from .layout import bar_ends, slice_mosaic, subject_grid
from .style import (
    INK,
    add_colorbar,
    check_sidedness,
    describe_quantity,
    keep_extreme,
)

__all__ = ['plot_coverage', 'plot_subjects']

#: Maps in the figure of all subjects: 20 rows. It takes 0.5 MB of memory for each, and a figure
#: of thousands is more than libraries, and readers, can take.
MAX_SUBJECTS = 240

#: Colours of voxels that few to all but one of the maps cover, and that all cover.
_PARTIAL_COVERAGE = ('#5e0b0b', '#a8230f', '#dd5022', '#f9a468')
_FULL_COVERAGE = '#8fb8dc'


def plot_subjects(
    stat_files,
    out_file,
    *,
    labels=None,
    threshold=2.0,
    title=None,
    display_mode='z',
    sidedness='two-sided',
    vmax=None,
    label=None,
    max_subjects=MAX_SUBJECTS,
):
    """Draw the maps of all subjects side by side, with one range of colours.

    Parameters
    ----------
    stat_files : sequence of path-like
        3D maps in MNI space, one per subject, whose grids may differ; or a single 4D file.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    labels : sequence of str, optional
        Names of the subjects; by default the ``sub`` entity of the file names, or numbers.
    threshold : float, default=2.0
        Smallest absolute value drawn; None draws all.
    title : str, optional
        Title of the figure.
    display_mode : {'x', 'y', 'z', 'l', 'r'}, default='z'
        Line of sight.
    sidedness : {'two-sided', 'positive', 'negative'}, default='two-sided'
        Draw both signs, or one.
    vmax : float, optional
        The colours range from -vmax to vmax; by default the largest 99.9th
        percentile of the subjects, so that one odd voxel does not blank the others.
    label : str, optional
        Quantity and unit; by default from the ``stat`` entity of the first file name.
    max_subjects : int, default=240
        Of a larger group so many are drawn, evenly spread over the list; the title says so.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If there are no maps, not as many labels as maps, or an unknown view or side.
    """
    stat_files = list(stat_files)
    n_subjects = len(stat_files) if len(stat_files) != 1 else count_volumes(stat_files)
    if labels is None:
        labels = _subject_labels(stat_files if len(stat_files) > 1 else stat_files * n_subjects)
    if not n_subjects or len(labels) != n_subjects:
        raise InputError(
            'The subjects cannot be drawn.',
            found=f'{n_subjects} maps and {len(labels)} labels',
            expected='at least one map, and one label per map',
        )
    check_sidedness(sidedness)
    brains.check_direction(display_mode)
    drawn = spread(n_subjects, max_subjects)
    if len(drawn) < n_subjects:
        part = f'{len(drawn)} of {n_subjects:,} maps, evenly spread over the list'
        title = f'{title}: {part}' if title else part
    views, extremes = [], []
    for brain in _brains(stat_files, drawn):  # one at a time: a large group does not fit in memory
        kept = np.abs(brain.data[np.isfinite(brain.data) & (brain.data != 0)])
        extremes.append(np.percentile(kept, 99.9) if kept.size else 0.0)
        view = brains.project(
            brain._replace(data=keep_extreme(brain.data, threshold, sidedness)), display_mode
        )
        views.append(view)
    vmax = vmax or max(*extremes, 1.05 * (threshold or 0.0)) or 1.0
    with subject_grid(out_file, len(views), title, display_mode) as (figure, boxes, bar):
        for view, index, box in zip(views, drawn, boxes, strict=True):
            axes = figure.add_axes(box)
            brains.draw_glass_brain(axes, display_mode, view, vmax, scale=0.3, letters=False)
            # A title of the axes would make matplotlib look for ticks to keep clear of.
            place = {'transform': axes.transAxes, 'ha': 'center', 'va': 'bottom'}
            axes.text(0.5, 1.015, str(labels[index]), fontsize=7.5, color=INK, **place)
        quantity = describe_quantity(stat_files[0]) if label is None else label
        ends = bar_ends(vmax, sidedness, signed=True)
        add_colorbar(figure, bar, vmax, quantity, threshold=threshold, **ends)
    return os.path.abspath(out_file)


def spread(n_items, n_chosen):
    """Choose items evenly, the first and the last among them; all if there are no more.

    Examples
    --------
    >>> spread(10, 4), spread(3, 4)
    ([0, 3, 6, 9], [0, 1, 2])
    """
    n_chosen = min(n_items, n_chosen)
    return [index * (n_items - 1) // max(1, n_chosen - 1) for index in range(n_chosen)]


def _brains(stat_files, chosen):
    """Maps of a list of 3D files, or volumes of a 4D file, on canonical axes."""
    if len(stat_files) > 1:
        yield from (brains.load_brain(stat_files[index]) for index in chosen)
        return
    chosen = set(chosen)
    for index, (_, volume) in enumerate(iter_volumes(stat_files)):
        if index in chosen:
            yield brains.to_canonical(*volume)


def plot_coverage(coverage_file, n_maps, out_file, *, title=None, bg_file=None, cut_coords=None):
    """Draw how many of the maps have a value in each voxel.

    Parameters
    ----------
    coverage_file : path-like
        A 3D map of counts, 0 to ``n_maps``.
    n_maps : int
        Number of maps in the group.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    title : str, optional
        Title of the figure.
    bg_file : path-like, optional
        Background; by default the MNI152 template that comes with nilearn.
    cut_coords : sequence of float, optional
        Heights of the slices (mm); by default -40 to 70 in steps of 10.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If a count is larger than the number of maps.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    coverage = brains.load_brain(coverage_file)
    largest = float(np.nanmax(coverage.data))
    if n_maps < 1 or largest > n_maps:
        raise InputError(
            'The counts do not fit the number of maps.',
            found=f'a voxel covered by {largest:g} of {n_maps} maps',
            expected='counts from 0 to the number of maps',
        )
    partial = LinearSegmentedColormap.from_list('coverage', _PARTIAL_COVERAGE)
    # One colour per count 0..n: none is transparent, all lets the anatomy through.
    steps = np.zeros((n_maps + 1, 4))
    steps[1:] = partial(np.linspace(0, 1, n_maps))
    steps[n_maps] = to_rgba(_FULL_COVERAGE, alpha=0.6)

    def colour(z):
        return steps[np.rint(np.nan_to_num(brains.slice_at(coverage, z))).astype(int)]

    with slice_mosaic(out_file, title, cut_coords, bg_file, colour) as (figure, box):
        _add_count_bar(figure, box, steps[1:])
    return os.path.abspath(out_file)


def _subject_labels(paths):
    """Name subjects by the ``sub`` entity of their files, else by their position."""
    found = [re.search(r'sub-[A-Za-z0-9]+', os.path.basename(path)) for path in paths]
    return [match.group() if match else str(i + 1) for i, match in enumerate(found)]


def _add_count_bar(figure, box, colours):
    """Draw the colours of the counts 1 to n as a bar."""
    n_maps = len(colours)
    axes = figure.add_axes(box)
    axes.imshow(
        colours[:, None],
        aspect='auto',
        origin='lower',
        extent=(0, 1, 0.5, n_maps + 0.5),
        interpolation='nearest',
    )
    axes.set_yticks(np.unique(np.rint(np.linspace(1, n_maps, min(n_maps, 5))).astype(int)))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(axis='y', length=2.5, pad=2, labelsize=8)
    axes.spines[:].set_linewidth(0.6)
    axes.set_title('maps', fontsize=9, pad=6)
