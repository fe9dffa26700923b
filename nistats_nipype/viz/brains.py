"""Brains on an axes: projections on the glass brain, and slices on a template."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..exceptions import InputError
from ..images.masking import load_mask
from ..images.volumes import check_same_grid, load_volume
from .style import INK, MUTED, diverging_map

#: The part of MNI space that slices show (mm): left, right, posterior, anterior.
SLICE_EXTENT = (-80.0, 80.0, -114.0, 82.0)

#: Axis that is projected away, and the two that remain (horizontal, vertical).
_AXES = {'x': (0, 1, 2), 'l': (0, 1, 2), 'r': (0, 1, 2), 'y': (1, 0, 2), 'z': (2, 0, 1)}

#: Letters at the left and right border of a view.
_SIDE_LETTERS = {'y': ('L', 'R'), 'z': ('L', 'R')}


class Brain(NamedTuple):
    """A map on axes that run from left to right, posterior to anterior, inferior to superior.

    Attributes
    ----------
    data : ndarray of float32, shape (X, Y, Z)
        Values.
    affine : ndarray of float64, shape (4, 4)
        Voxel indices to MNI mm; positive on the diagonal and 0 off it.
    """

    data: np.ndarray
    affine: np.ndarray


class Projection(NamedTuple):
    """A map seen from one side.

    Attributes
    ----------
    values : ndarray of float, shape (rows, columns)
        Row 0 is the lowest.
    extent : tuple of float
        Left, right, bottom, top (mm).
    """

    values: np.ndarray
    extent: tuple


class Outline(NamedTuple):
    """Drawing of the brain seen from one side.

    Attributes
    ----------
    strokes : tuple of (matplotlib.path.Path, str, float)
        Path in mm, colour and line width.
    bounds : tuple of float
        Left, right, bottom, top (mm).
    """

    strokes: tuple
    bounds: tuple


def load_brain(path, mask_file=None):
    """Read a 3D map onto canonical axes.

    Parameters
    ----------
    path : path-like
        An image with one volume.
    mask_file : path-like, optional
        Voxels outside this mask become NaN.

    Returns
    -------
    Brain
        The map. The nearest voxel is taken where the axes of the image are oblique.

    Raises
    ------
    InputError
        If the image is not a single readable volume.
    MaskError
        If the mask is empty.
    GridError
        If the mask is on another grid.
    """
    volume = load_volume(path)
    data = volume.data
    if mask_file is not None:
        mask = load_mask(mask_file)
        check_same_grid(volume, mask, names=(str(path), str(mask_file)))
        data = np.where(mask.data, data, np.nan)
    return to_canonical(data, volume.affine)


def to_canonical(data, affine):
    """Bring a volume onto axes that run left-right, posterior-anterior, inferior-superior.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Values.
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.

    Returns
    -------
    Brain
        Flipped and transposed as needed; outside the field of view it is NaN.

    Examples
    --------
    >>> flipped = to_canonical(np.arange(3.0).reshape(3, 1, 1), np.diag([-2.0, 2.0, 2.0, 1.0]))
    >>> flipped.data.ravel(), flipped.affine[0]
    (array([2., 1., 0.]), array([ 2.,  0.,  0., -4.]))
    """
    rotation = affine[:3, :3]
    sizes = np.abs(rotation).max(axis=1)  # mm, along each axis of the world
    if np.allclose(rotation, np.diag(sizes), atol=1e-4):
        return Brain(data, affine)
    corners = np.stack(np.meshgrid(*([0, size - 1] for size in data.shape))).reshape(3, -1)
    corners = rotation @ corners + affine[:3, 3:]
    shape = np.rint(np.ptp(corners, axis=1) / sizes).astype(int) + 1
    target = np.diag([*sizes, 1.0])
    target[:3, 3] = corners.min(axis=1)
    moved = ndimage.affine_transform(
        data,
        np.linalg.inv(affine) @ target,
        output_shape=tuple(shape),
        order=0,
        mode='grid-constant',  # half a voxel beyond the outermost centres is still inside
        cval=np.nan,
    )
    return Brain(moved, target)


def check_direction(direction):
    """Refuse a line of sight that does not exist.

    Raises
    ------
    InputError
        If ``direction`` is not one of those of :func:`project`.
    """
    if direction not in _AXES:
        raise InputError(
            'The view is unknown.', found=repr(direction), expected=' or '.join(_AXES)
        )


def project(brain, direction):
    """Take the most extreme value along the line of sight, with its sign.

    Parameters
    ----------
    brain : Brain
        The map; voxels that are not finite count as 0.
    direction : {'x', 'y', 'z', 'l', 'r'}
        Line of sight; 'l' and 'r' show one hemisphere.

    Returns
    -------
    Projection
        What is seen.

    Examples
    --------
    >>> brain = Brain(np.array([[[1.0, -3.0]], [[2.0, 0.0]]]), np.eye(4))
    >>> project(brain, 'z').values
    array([[-3.,  2.]])
    """
    axis, across, up = _AXES[direction]
    data = np.nan_to_num(brain.data, nan=0.0, posinf=0.0, neginf=0.0)
    if direction in 'lr':
        x = brain.affine[0, 3] + brain.affine[0, 0] * np.arange(data.shape[0])
        seen = x <= 0 if direction == 'l' else x >= 0
        data = np.where(seen[:, None, None], data, 0)
    most = np.expand_dims(np.abs(data).argmax(axis=axis), axis)
    values = np.take_along_axis(data, most, axis=axis).squeeze(axis)
    starts = [brain.affine[i, 3] - brain.affine[i, i] / 2 for i in (across, up)]
    ends = [
        start + brain.affine[i, i] * data.shape[i]
        for i, start in zip((across, up), starts, strict=True)
    ]
    return Projection(values.T, (starts[0], ends[0], starts[1], ends[1]))


@lru_cache
def load_outline(direction):
    """Read nilearn's drawing of the brain, seen along ``direction``, once."""
    from matplotlib.figure import Figure
    from matplotlib.path import Path
    from nilearn.plotting.glass_brain import plot_brain_schematics

    axes = Figure().add_axes((0, 0, 1, 1))
    bounds = plot_brain_schematics(axes, direction)
    groups = {}
    for patch in axes.patches:
        to_mm = patch.get_transform() - axes.transData
        style = (tuple(patch.get_edgecolor()), patch.get_linewidth())
        groups.setdefault(style, []).append(patch.get_path().transformed(to_mm))
    strokes = []
    # Hundreds of small patches cost more to draw than a few long ones. Grey
    # folds first, so that the black contour lies on top.
    for (colour, width), paths in sorted(groups.items(), reverse=True):
        shade = '#b9c1cb' if colour[0] > 0.3 else '#4a5563'
        strokes.append((Path.make_compound_path(*paths), shade, width))
    return Outline(tuple(strokes), bounds)


def draw_glass_brain(axes, direction, projection, vmax, *, scale=1.0, letters=True):
    """Draw a projection and the outline of the brain over it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        An empty axes; its box should have the aspect of the outline.
    direction : {'x', 'y', 'z', 'l', 'r'}
        Line of sight.
    projection : Projection
        What to show; 0 is transparent.
    vmax : float
        The colours range from -vmax to vmax.
    scale : float, default=1.0
        Factor on the line widths.
    letters : bool, default=True
        Mark left and right.
    """
    from matplotlib.patches import PathPatch

    outline = load_outline(direction)
    left, right, bottom, top = outline.bounds
    axes.imshow(
        np.ma.masked_equal(projection.values, 0),
        cmap=diverging_map(),
        vmin=-vmax,
        vmax=vmax,
        origin='lower',
        extent=projection.extent,
        interpolation='nearest',
    )
    for path, colour, width in outline.strokes:
        patch = PathPatch(path, facecolor='none', edgecolor=colour, linewidth=width * scale)
        # Not add_patch, which would measure hundreds of curves to find limits set below.
        axes.add_artist(patch)
    # The left hemisphere is seen from outside: its front is on the left.
    axes.set_xlim(*((right, left) if direction == 'l' else (left, right)))
    axes.set_ylim(bottom, top)
    axes.set_aspect('equal')
    axes.set_axis_off()
    if letters:
        for x, letter in zip((0.03, 0.97), _SIDE_LETTERS.get(direction, ()), strict=False):
            axes.text(
                x, 0.97, letter, transform=axes.transAxes, color=MUTED, ha='center', va='top'
            )


def slice_at(brain, z, order=0, step=1.0):
    """Sample an axial slice.

    Parameters
    ----------
    brain : Brain
        The map.
    z : float
        Height (mm).
    order : int, default=0
        0 takes the nearest voxel, 1 interpolates.
    step : float, default=1.0
        Distance of the samples (mm).

    Returns
    -------
    ndarray of float, shape (rows, columns)
        Values over ``SLICE_EXTENT``, the most posterior row first; 0 outside the image.

    Examples
    --------
    >>> float(slice_at(Brain(np.full((1, 1, 1), 7.0), np.eye(4)), 0.0).max())
    7.0
    """
    left, right, back, front = SLICE_EXTENT
    x = np.arange(left + step / 2, right, step)
    y = np.arange(back + step / 2, front, step)
    starts, sizes = brain.affine[:3, 3], np.diag(brain.affine)[:3]
    i, j, k = (
        (mm - start) / size for mm, start, size in zip((x, y, z), starts, sizes, strict=True)
    )
    where = np.broadcast_arrays(i[None, :], j[:, None], k)
    return ndimage.map_coordinates(brain.data, where, order=order, mode='grid-constant')


def load_template(bg_file=None):
    """Read the background: nilearn's MNI152 template, or another image.

    Returns
    -------
    Brain
        Scaled so that most of the brain lies between 0 and 1.
    """
    if bg_file is None:
        from nilearn.datasets import load_mni152_template

        image = load_mni152_template(resolution=2)
        brain = to_canonical(image.get_fdata(dtype=np.float32), image.affine)
    else:
        brain = load_brain(bg_file)
    data = np.nan_to_num(brain.data)
    positive = data[data > 0]
    bright = np.percentile(positive, 99) if positive.size else 1.0
    return Brain(np.clip(data / bright, 0, 1), brain.affine)


def draw_slice(axes, template, z, overlay):
    """Draw one axial slice: a pale template with the colours of a map over it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        An empty axes.
    template : Brain
        Background between 0 and 1.
    z : float
        Height (mm), written under the slice.
    overlay : ndarray of float, shape (rows, columns, 4)
        Colours over ``SLICE_EXTENT``, as given by a colour map.
    """
    background = slice_at(template, z, order=1)
    inside = np.clip(background / 0.15, 0, 1)  # fades to the page at the brain's border
    shade = 0.42 + 0.53 * background
    grey = np.dstack([shade, shade, shade, inside])
    for colours, interpolation in ((grey, 'bilinear'), (overlay, 'nearest')):
        axes.imshow(colours, origin='lower', extent=SLICE_EXTENT, interpolation=interpolation)
    axes.set_xlim(SLICE_EXTENT[:2])
    axes.set_ylim(SLICE_EXTENT[2:])
    axes.set_axis_off()
    axes.text(
        0.5,
        0.0,
        f'z = {z:.0f}'.replace('-', '−'),
        transform=axes.transAxes,
        color=INK,
        fontsize=8,
        ha='center',
        va='top',
    )
