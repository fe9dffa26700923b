"""Effect against statistic: whether a small effect has a large z, or a large one a small z."""

import os

import numpy as np

from ..exceptions import InputError
from ..images.masking import load_mask
from ..images.volumes import check_same_grid, iter_volumes, load_volume
from .style import ACCENT, COOL, HAIRLINE, add_title, check_sidedness, counts_map, new_figure

__all__ = ['plot_effect_size']

#: Hexagons from left to right.
_GRID = 55
_STYLES = ((ACCENT, '--'), (COOL, ':'))


def plot_effect_size(
    effect_file,
    z_file,
    out_file,
    *,
    mask_file,
    thresholds=None,
    sidedness='two-sided',
    title=None,
    label='effect (units of the maps)',
):
    """Draw the effect of every voxel against its z, as counts of voxels.

    Parameters
    ----------
    effect_file : path-like
        The effect: a 3D map, or, of an F contrast, a 4D one with a volume for each of its rows.
        Of several rows the root mean square is drawn, which has no sign.
    z_file : path-like
        z on the same grid.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    mask_file : path-like
        Voxels that are counted, where effect and z are finite.
    thresholds : dict of {str: float}, optional
        Up to two values of z that are marked, by what they stand for.
    sidedness : {'two-sided', 'positive', 'negative'}, default='two-sided'
        Sides on which the thresholds are marked.
    title : str, optional
        Title of the figure.
    label : str, default='effect (units of the maps)'
        Name and unit of the effect.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If a map cannot be read, no voxel has both values, there are more than two thresholds, or
        the sidedness or the figure's suffix is unknown.
    GridError
        If the maps and the mask do not share one grid.

    Notes
    -----
    A large sample makes z large where the effect is too small to matter, and noise makes the
    effect large where z is small [1]_: the one alone does not tell.

    References
    ----------
    .. [1] Chen G, Taylor PA, Cox RW (2017). Is the statistic value all we should care about in
       neuroimaging? NeuroImage 147:952-959. https://doi.org/10.1016/j.neuroimage.2016.09.066
    """
    from matplotlib.colors import LogNorm

    check_sidedness(sidedness)
    thresholds = thresholds or {}
    if len(thresholds) > len(_STYLES):
        raise InputError(
            'There are too many thresholds for one figure.',
            found=', '.join(thresholds),
            expected=f'at most {len(_STYLES)}',
        )
    effect, z, n_rows = _read(effect_file, z_file, mask_file)
    if n_rows > 1:
        label = f'root mean square of {n_rows} rows: {label}'
    with new_figure(6.2, 3.9 + (0.25 if title else 0), out_file) as figure:
        width, height = figure.get_size_inches()
        axes = figure.add_axes((0.62 / width, 0.5 / height, 4.55 / width, 3.05 / height))
        cells = axes.hexbin(
            effect,
            z,
            gridsize=(_GRID, round(_GRID * 0.43)),
            extent=_extent(effect, z, thresholds, signed=n_rows == 1),
            mincnt=1,
            norm=LogNorm(),
            cmap=counts_map(),
            linewidths=0.1,
        )
        cells.set_norm(LogNorm(1, max(10, cells.get_array().max())))
        for line in (axes.axhline, axes.axvline):
            line(0, color=HAIRLINE, linewidth=0.8, zorder=0)
        _mark(axes, thresholds, sidedness)
        axes.set_xlabel(label)
        axes.set_ylabel('z')
        axes.spines[['top', 'right']].set_visible(False)
        box = (5.42 / width, 0.5 / height, 0.14 / width, 2.4 / height)
        bar = figure.colorbar(cells, cax=figure.add_axes(box))
        bar.outline.set_linewidth(0.6)
        bar.ax.minorticks_off()
        bar.ax.yaxis.set_major_formatter('{x:,.0f}')
        bar.ax.set_title('voxels', fontsize=9, pad=6)
        add_title(figure, title)
    return os.path.abspath(out_file)


def _read(effect_file, z_file, mask_file):
    """Effect and z of the voxels that have both, and how many rows the effect has."""
    mask, z = load_mask(mask_file), load_volume(z_file)
    check_same_grid(z, mask, names=(str(z_file), str(mask_file)))
    rows = []
    for _, volume in iter_volumes([effect_file]):
        check_same_grid(volume, mask, names=(str(effect_file), str(mask_file)))
        rows.append(volume.data[mask.data].astype(np.float64))
    effect = rows[0] if len(rows) == 1 else np.sqrt(np.mean(np.square(rows), axis=0))
    z = z.data[mask.data].astype(np.float64)
    known = np.isfinite(effect) & np.isfinite(z)
    if not known.any():
        raise InputError(
            'There is no effect to draw against z.',
            found=f'no voxel of {mask_file} with both values',
            expected='maps of one contrast',
        )
    return effect[known], z[known], len(rows)


def _extent(effect, z, thresholds, signed):
    """Left, right, bottom, top: symmetric about 0 where both signs can be."""
    wide = 1.03 * float(np.abs(effect).max()) or 1.0
    high = 1.06 * max(float(np.abs(z).max()), *(abs(each) for each in thresholds.values()), 0.1)
    bottom = -high if signed else min(1.06 * float(z.min()), -0.04 * high)
    return (-wide if signed else 0.0), wide, bottom, high


def _mark(axes, thresholds, sidedness):
    """Draw the thresholds, and say above the axes what they stand for."""
    signs = {'two-sided': (1, -1), 'positive': (1,), 'negative': (-1,)}[sidedness]
    lines = []
    for (words, value), (colour, style) in zip(thresholds.items(), _STYLES, strict=False):
        drawn = [
            axes.axhline(sign * value, color=colour, linestyle=style, linewidth=1.4)
            for sign in signs
        ]
        size = {'two-sided': f'|z| ≥ {value:.2f}', 'positive': f'z ≥ {value:.2f}'}
        drawn[0].set_label(f'{size.get(sidedness, f"z ≤ −{value:.2f}")}: {words}')
        lines.append(drawn[0])
    if lines:
        axes.legend(handles=lines, loc='lower left', bbox_to_anchor=(-0.02, 0.99), ncols=2,
                    frameon=False, fontsize=8, handlelength=2.2, columnspacing=1.4)  # fmt: skip
