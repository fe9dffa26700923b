"""The interactive viewer of a map: nilearn's, as a page that needs no network."""

import html
import json
import os
import re
import warnings
from importlib import resources

import numpy as np

from ..exceptions import InputError
from ..images.files import atomic_path
from .brains import load_brain
from .style import describe_quantity, diverging_map, keep_extreme

__all__ = ['view_img']

#: nilearn's pages: the icon is fetched from the network, and ids are drawn anew for each page.
_ICON = re.compile(r'<link rel="icon"[^>]*>')
_DRAWN_ID = re.compile(r'-[0-9a-f]{32}(?=["\'])')
_TITLE = re.compile(r'<title>.*?</title>', re.DOTALL)


def view_img(
    stat_file,
    out_file,
    *,
    threshold=None,
    title=None,
    sidedness='two-sided',
    vmax=None,
    mask_file=None,
    label=None,
    bg_file=None,
    cut_coords=None,
):
    """Write a page on which one can move through the slices of a map.

    Parameters
    ----------
    stat_file : path-like
        A 3D map in MNI space. Voxels that are not finite are not drawn.
    out_file : path-like
        ``.html``.
    threshold : float, optional
        Smallest absolute value drawn; None draws all but 0.
    title : str, optional
        Title of the page.
    sidedness : {'two-sided', 'positive', 'negative'}, default='two-sided'
        Draw both signs, or one.
    vmax : float, optional
        The colours range from -vmax to vmax; by default the largest value drawn.
    mask_file : path-like, optional
        Draw inside this mask only; on the grid of the map.
    label : str, optional
        Quantity and unit; by default from the ``stat`` entity of the file name.
    bg_file : path-like, optional
        Background; by default the MNI152 template that comes with nilearn.
    cut_coords : sequence of 3 float, optional
        Where it opens, x, y and z (mm); by default where the map is strongest.

    Returns
    -------
    str
        Absolute path of the page.

    Raises
    ------
    InputError
        If the map is not 3D, or the sidedness or the suffix is unknown.
    GridError
        If the mask is on another grid.
    OutputError
        If the file cannot be written.

    Notes
    -----
    :func:`nilearn.plotting.view_img` draws the map on the grid of the background. Here each
    voxel of that grid shows the nearest voxel of the map, so that the values are those of the
    map; nilearn's default interpolates. The page adds the value at the cross, and boxes for x, y
    and z, which work without a mouse. Nothing is fetched, and the same map gives the same bytes.
    """
    import nibabel as nib
    from nilearn import plotting

    if os.path.splitext(out_file)[1].lower() != '.html':
        raise InputError(
            'The type of the viewer cannot be told from its name.',
            found=str(out_file),
            expected='a name that ends in .html',
        )
    brain = load_brain(stat_file, mask_file)
    drawn = keep_extreme(brain.data, threshold, sidedness)
    strongest = np.unravel_index(np.abs(drawn).argmax(), drawn.shape)
    if cut_coords is None:
        cut_coords = (0, 0, 0)
        if drawn[strongest]:
            cut_coords = (brain.affine @ [*strongest, 1])[:3]
    with warnings.catch_warnings():
        # nilearn scales the template by a percentile that does not mind its mask.
        warnings.filterwarnings('ignore', message=".*'partition' will ignore the 'mask'")
        page = plotting.view_img(
            nib.Nifti1Image(drawn.astype(np.float32), brain.affine),
            bg_img='MNI152' if bg_file is None else str(bg_file),
            cut_coords=tuple(cut_coords),
            black_bg=False,
            cmap=diverging_map(),
            vmax=float(vmax or abs(drawn[strongest]) or 1),
            threshold=0,
            resampling_interpolation='nearest',
            # Not the title, which nilearn does not escape.
            title=None,
        ).get_standalone()
    with atomic_path(os.path.abspath(out_file)) as partial:
        partial.write_text(
            _adapt(
                page,
                title=title or 'Viewer',
                label=label or describe_quantity(stat_file),
                point=[float(each) for each in cut_coords],
                unshifted=_is_unshifted(),
            ),
            encoding='utf-8',
        )
    return os.path.abspath(out_file)


def _is_unshifted():
    """Whether nilearn's page counts voxels from 0 in its affine, where brainsprite counts from 1.

    Before 0.14.1 it does, and shows the slices beside the place that it names.
    """
    from nilearn import __version__

    return [int(part) for part in re.findall(r'\d+', __version__)[:3]] < [0, 14, 1]


def _adapt(page, title, **words):
    """Take out of nilearn's page what is fetched or drawn, and put in our controls."""
    templates = resources.files(__package__) / 'templates'
    # In a script, a closing tag would end it.
    words = json.dumps({'title': title, **words}).replace('<', r'\u003c')
    head, last = _DRAWN_ID.sub('', _ICON.sub('', page)).rsplit('<script>', maxsplit=1)
    head = _TITLE.sub(lambda _: f'<title>{html.escape(title)}</title>', head, count=1)
    style, script = ((templates / f'viewer.{kind}').read_text('utf-8') for kind in ('css', 'js'))
    head = head.replace('</head>', f'<style>\n{style}</style>\n</head>', 1)
    return f'{head}<script>const words = {words};\n{script}</script>\n<script>{last}'
