"""A map on the surface of the cortex."""

import os
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .layout import as_fractions
from .maps import finish_map, prepare_map
from .style import INK, MUTED, add_title, diverging_map, new_figure

__all__ = ['plot_surface']

#: From MNI305, the space of fsaverage, to MNI152, as FreeSurfer documents it.
_TO_MNI152 = np.array([
    [0.9975, -0.0073, 0.0176, -0.0429],
    [0.0146, 1.0009, -0.0024, 1.5496],
    [-0.0130, -0.0093, 0.9971, 1.1840],
    [0.0, 0.0, 0.0, 1.0],
])  # fmt: skip
#: Where between the white and the pial surface the map is looked up.
_DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Hemisphere, and the side of it that is seen.
_VIEWS = (('left', 'lateral'), ('left', 'medial'), ('right', 'medial'), ('right', 'lateral'))
_MM_PER_INCH = 105.0
#: Share of the cortex inside the image below which a note says so.
_LEAST_COVERED = 0.5


class Hemisphere(NamedTuple):
    """Half of the cortex of fsaverage5.

    Attributes
    ----------
    white, pial : ndarray of shape (K, 3)
        Inner and outer border of the cortex (MNI152, mm).
    inflated : ndarray of shape (K, 3)
        What is drawn (mm).
    faces : ndarray of shape (F, 3), int
        Vertices of the triangles.
    depth : ndarray of shape (K,)
        Depth of the folds: below 0 on a gyrus, above 0 in a sulcus.
    """

    white: np.ndarray
    pial: np.ndarray
    inflated: np.ndarray
    faces: np.ndarray
    depth: np.ndarray


@lru_cache
def load_hemisphere(name):
    """Read one half of the fsaverage5 that comes with nilearn: 'left' or 'right'."""
    import nibabel as nib
    from nibabel.affines import apply_affine
    from nilearn.datasets import fetch_surf_fsaverage

    files = fetch_surf_fsaverage('fsaverage5')
    arrays = {
        part: nib.load(files[f'{part}_{name}']).darrays for part in ('white', 'pial', 'infl')
    }
    points = {part: np.asarray(found[0].data, dtype=float) for part, found in arrays.items()}
    depth = np.asarray(nib.load(files[f'sulc_{name}']).darrays[0].data, dtype=float)
    return Hemisphere(
        apply_affine(_TO_MNI152, points['white']),
        apply_affine(_TO_MNI152, points['pial']),
        points['infl'],
        np.asarray(arrays['infl'][1].data, dtype=int),
        depth,
    )


def sample_cortex(brain, hemisphere):
    """Look a map up between the white and the pial surface.

    Parameters
    ----------
    brain : Brain
        The map.
    hemisphere : Hemisphere

    Returns
    -------
    values : ndarray of shape (K,)
        At each vertex the most extreme value of the voxels from the white to the pial surface,
        with its sign; 0 where the map has none.
    inside : ndarray of shape (K,), bool
        Whether the image reaches the middle of the cortex there.

    Notes
    -----
    Nearest voxels, not interpolated: the borders of clusters stay where they are.
    """
    inverse = np.linalg.inv(brain.affine)
    data = np.nan_to_num(brain.data, nan=0.0, posinf=0.0, neginf=0.0)
    looks = []
    for depth in _DEPTHS:
        points = hemisphere.white + depth * (hemisphere.pial - hemisphere.white)
        voxels = inverse[:3, :3] @ points.T + inverse[:3, 3:]
        looks.append(ndimage.map_coordinates(data, voxels, order=0, mode='grid-constant'))
        if depth == 0.5:
            last = np.reshape(data.shape, (3, 1)) - 0.5
            inside = ((voxels >= -0.5) & (voxels <= last)).all(axis=0)
    looks = np.array(looks)
    most = np.abs(looks).argmax(axis=0)
    return looks[most, np.arange(looks.shape[1])], inside


def plot_surface(
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
    """Draw a map on the inflated cortex of fsaverage5, seen from outside and inside.

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
        The colours range from -vmax to vmax; by default the largest value of the map that is
        drawn on a glass brain, so that both figures have the same colours.
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
    The map is looked up from the white to the pial surface, and the most extreme value kept, as
    on the glass brain. An average cortex does not tell on which bank of a sulcus an effect lies,
    and what lies below the cortex is not seen. Where the image leaves out most of the cortex, a
    note says so.
    """
    brain, vmax, bar = prepare_map(stat_file, threshold, sidedness, vmax, mask_file, label)
    sampled = {name: sample_cortex(brain, load_hemisphere(name)) for name in ('left', 'right')}
    covered = np.mean(np.concatenate([inside for _, inside in sampled.values()]))
    if covered < _LEAST_COVERED:
        bar = bar._replace(note=f'{100 * (1 - covered):.0f} % of the cortex is outside the image')
    boxes = [_bounds(name) for name, _ in _VIEWS]
    wide = max(right - left for left, right, _, _ in boxes) / _MM_PER_INCH
    high = max(top - bottom for _, _, bottom, top in boxes) / _MM_PER_INCH
    gap, foot, head = 0.12, 0.24, 0.42 if title else 0.1
    width = len(_VIEWS) * (wide + gap) + gap + 0.95
    height = foot + high + head
    with new_figure(width, height, out_file) as figure:
        for index, (name, side) in enumerate(_VIEWS):
            box = (gap + index * (wide + gap), foot, wide, high)
            axes = figure.add_axes(as_fractions(figure, box))
            _draw(axes, load_hemisphere(name), sampled[name][0], vmax, name, side)
            axes.text(0.5, -0.03, f'{name} {side}', transform=axes.transAxes, color=INK,
                      fontsize=8, ha='center', va='top')  # fmt: skip
            for x, letter in zip((0.0, 1.0), _ends(name, side), strict=True):
                axes.text(x, -0.03, letter, transform=axes.transAxes, color=MUTED, fontsize=7,
                          ha='left' if x == 0 else 'right', va='top')  # fmt: skip
        add_title(figure, title)
        box = (width - 0.95 + 0.15, foot + 0.1, 0.16, high - 0.4)
        finish_map(figure, vmax, bar, as_fractions(figure, box))
    return os.path.abspath(out_file)


def _from_right(name, side):
    """Whether a side of a hemisphere is seen from the right of the head."""
    return (name == 'right') == (side == 'lateral')


def _ends(name, side):
    """Letters at the left and right border: anterior and posterior."""
    return ('P', 'A') if _from_right(name, side) else ('A', 'P')


def _bounds(name):
    """Left, right, bottom and top of an inflated hemisphere seen from the side (mm)."""
    _, y, z = load_hemisphere(name).inflated.T
    return y.min(), y.max(), z.min(), z.max()


def _draw(axes, hemisphere, values, vmax, name, side):
    """Draw the triangles that face the viewer, the farthest first."""
    from matplotlib.collections import PolyCollection

    towards = 1.0 if _from_right(name, side) else -1.0
    corners = hemisphere.inflated[hemisphere.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = towards * normals[:, 0] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    seen = np.flatnonzero(facing > 0)
    seen = seen[np.argsort(towards * corners[seen, :, 0].mean(axis=1), kind='stable')]
    faces = hemisphere.faces[seen]
    grey = np.where(hemisphere.depth[faces].mean(axis=1) > 0, 0.74, 0.88)
    colours = np.ones((len(seen), 4))
    colours[:, :3] = grey[:, None]
    # A face has a colour where two of its corners reach the threshold.
    middle = np.median(values[faces], axis=1)
    shown = middle != 0
    colours[shown] = diverging_map()((middle[shown] / vmax + 1) / 2)
    colours[:, :3] *= (0.72 + 0.28 * facing[seen])[:, None]
    triangles = corners[seen][:, :, 1:] * [towards, 1.0]
    # Thousands of triangles are an image in SVG and PDF, too.
    axes.add_collection(
        PolyCollection(
            triangles, facecolors=colours, edgecolors=colours, linewidths=0.25, rasterized=True
        ),
        autolim=False,
    )
    left, right, bottom, top = _bounds(name)
    axes.set_xlim(*((left, right) if towards > 0 else (-right, -left)))
    axes.set_ylim(bottom, top)
    axes.set_aspect('equal')
    axes.set_axis_off()
