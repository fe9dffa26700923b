"""One look for all figures: colours, fonts, the colour bar, and how a figure is saved."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..exceptions import InputError
from ..images.files import atomic_path

#: Text, secondary text, hairlines, and the two accents (blue and orange are told
#: apart with every kind of colour vision).
INK, MUTED, HAIRLINE = '#1c2430', '#5a6675', '#cfd6de'
ACCENT, COOL = '#c8401c', '#1f63ab'
#: Colours and markers of groups, which every kind of colour vision tells apart (Okabe and Ito).
GROUP_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#8c6d00')
GROUP_MARKERS = 'o^sDvP'
#: Values that are shown as "below the threshold", and surfaces.
BELOW, SURFACE = '#e9ecf0', '#ffffff'

# From zero to the extreme. Lightness falls steadily on both sides, so that the
# maps also read in grey; the hues are blue and orange-red.
_NEGATIVE = ('#f4f5f7', '#b5d4ea', '#63a8d8', '#2470b8', '#0c4a92', '#08275a')
_POSITIVE = ('#f4f5f7', '#fdcf9e', '#f79150', '#dd5022', '#a8230f', '#5e0b0b')

# Few to many, without a hue that stands for a sign or a group.
_COUNTS = ('#e3e6ea', '#aeb6c0', '#79838f', '#47515d', '#1c2430')

_RC = {
    'font.family': 'sans-serif',
    'font.sans-serif': ['DejaVu Sans'],  # comes with matplotlib: the same on every machine
    'font.size': 9,
    'text.color': INK,
    'axes.edgecolor': MUTED,
    'axes.labelcolor': INK,
    'axes.linewidth': 0.8,
    'axes.titlesize': 10,
    'xtick.color': MUTED,
    'ytick.color': MUTED,
    'xtick.labelcolor': INK,
    'ytick.labelcolor': INK,
    'figure.facecolor': SURFACE,
    'savefig.facecolor': SURFACE,
    'figure.dpi': 100,
    'savefig.dpi': 150,
    'savefig.bbox': None,
    'svg.hashsalt': 'nistats_nipype',
    'text.usetex': False,
}

#: What a file type records of its making that would change from run to run.
_METADATA = {
    '.png': {'Software': None},
    '.svg': {'Date': None, 'Creator': None},
    '.pdf': {'CreationDate': None, 'Creator': None, 'Producer': None},
}

_STAT_NAMES = {
    't': 't',
    'F': 'F',
    'z': 'z',
    'p': 'p',
    'logp': '−log₁₀ p',
    'effect': 'effect',
    'variance': 'variance',
}

_SIDES = ('two-sided', 'positive', 'negative')


@contextmanager
def new_figure(width, height, out_file):
    """Give a blank figure that is saved to ``out_file`` when the block succeeds.

    The figure does not go through pyplot, so that neither the backend nor the
    list of open figures is touched; the settings of matplotlib are put back.

    Parameters
    ----------
    width, height : float
        Size (inches).
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.

    Yields
    ------
    matplotlib.figure.Figure
        Without axes.

    Raises
    ------
    InputError
        If the file name has another suffix.
    OutputError
        If the file cannot be written.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    suffix = Path(out_file).suffix.lower()
    if suffix not in _METADATA:
        raise InputError(
            'The type of the figure cannot be told from its name.',
            found=str(out_file),
            expected=f'a name that ends in {", ".join(_METADATA)}',
        )
    with style.context(['default', _RC]), atomic_path(os.path.abspath(out_file)) as partial:
        figure = Figure(figsize=(width, height))
        yield figure
        figure.savefig(partial, format=suffix[1:], metadata=_METADATA[suffix])


def diverging_map():
    """Colour map for signed statistics: blue below zero, orange-red above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        'nistats_diverging', [*_NEGATIVE[:0:-1], *_POSITIVE], N=511
    )


def counts_map():
    """Colour map for counts: lightness falls steadily, without a hue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list('nistats_counts', _COUNTS)


def check_sidedness(sidedness):
    """Refuse a side that does not exist.

    Raises
    ------
    InputError
        If ``sidedness`` is none of 'two-sided', 'positive' and 'negative'.
    """
    if sidedness not in _SIDES:
        raise InputError(
            'The sidedness is unknown.', found=repr(sidedness), expected=' or '.join(_SIDES)
        )


def keep_extreme(data, threshold=None, sidedness='two-sided'):
    """Set to 0 what does not reach the threshold, and what is not finite.

    Parameters
    ----------
    data : ndarray of float
        A statistic, any shape.
    threshold : float, optional
        Smallest absolute value kept; None keeps all.
    sidedness : {'two-sided', 'positive', 'negative'}, default='two-sided'
        Keep both signs, or one.

    Returns
    -------
    ndarray of float
        The kept values, 0 elsewhere.

    Raises
    ------
    InputError
        If ``sidedness`` is unknown.

    Examples
    --------
    >>> keep_extreme(np.array([-4.0, -1.0, 3.0, np.nan]), 3)
    array([-4.,  0.,  3.,  0.])
    >>> keep_extreme(np.array([-4.0, 3.0]), 3, 'positive')
    array([0., 3.])
    """
    check_sidedness(sidedness)
    score = {'two-sided': np.abs(data), 'positive': data, 'negative': -data}[sidedness]
    keep = np.isfinite(data) & (score > 0)
    if threshold is not None:
        keep &= score >= threshold
    return np.where(keep, data, 0)


def describe_quantity(path):
    """Name the quantity of a map from the BIDS entities of its file name.

    Examples
    --------
    >>> describe_quantity('contrast-motor_stat-t_statmap.nii.gz')
    't'
    >>> describe_quantity('contrast-motor_stat-logp_desc-voxelFWE_statmap.nii.gz')
    '−log₁₀ p (voxelFWE)'
    >>> describe_quantity('spmT_0001.nii')
    ''
    """
    entities = dict(re.findall(r'(?:^|_)(stat|desc)-([A-Za-z0-9]+)', os.path.basename(path)))
    name = _STAT_NAMES.get(entities.get('stat'), entities.get('stat', ''))
    return f'{name} ({entities["desc"]})' if name and 'desc' in entities else name


def describe_threshold(threshold, quantity, sidedness):
    """Say in words what a voxel has to reach.

    Examples
    --------
    >>> describe_threshold(3.1, 't', 'two-sided'), describe_threshold(2, '', 'negative')
    ('|t| ≥ 3.1', 'value ≤ −2')
    """
    quantity = quantity or 'value'
    number = f'{threshold:.3g}'
    if sidedness == 'two-sided':
        return f'|{quantity}| ≥ {number}'
    return f'{quantity} ≥ {number}' if sidedness == 'positive' else f'{quantity} ≤ −{number}'


def add_title(figure, title, top_inches=0.2):
    """Write a title at the top left of a figure."""
    if title:
        width, height = figure.get_size_inches()
        figure.text(
            0.15 / width,
            1 - top_inches / height,
            title,
            fontsize=11,
            fontweight='bold',
            va='center',
        )


def add_colorbar(figure, box, vmax, label, *, threshold=None, low=None, high=None):
    """Draw a vertical colour bar for a symmetric range, with the threshold marked.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Where to draw.
    box : tuple of float
        Left, bottom, width, height in fractions of the figure.
    vmax : float
        The range of the colours is -vmax to vmax.
    label : str
        Quantity and unit.
    threshold : float, optional
        Values nearer to 0 are grey.
    low, high : float, optional
        The part of the range to show; all by default.
    """
    low, high = -vmax if low is None else low, vmax if high is None else high
    axes = figure.add_axes(box)
    values = np.linspace(low, high, 512)[:, None]
    colours = diverging_map()((values / vmax + 1) / 2)
    marks = {low, 0.0, high}
    if threshold:
        from matplotlib.colors import to_rgba

        colours[np.abs(values) < threshold] = to_rgba(BELOW)
        marks |= {mark for mark in (-threshold, threshold) if low <= mark <= high}
        marks -= {0.0} if low < 0 < high else set()
    axes.imshow(colours, aspect='auto', origin='lower', extent=(0, 1, low, high))
    ticks = _thin(sorted(marks), smallest_gap=0.07 * (high - low), protected=(low, high))
    axes.set_yticks(ticks, [f'{tick:.3g}'.replace('-', '−') for tick in ticks])
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(axis='y', length=2.5, pad=2, labelsize=8)
    axes.spines[:].set_linewidth(0.6)
    axes.set_title(label, fontsize=9, pad=6)


def _thin(ticks, smallest_gap, protected):
    """Drop the ticks whose labels would touch those at the ends.

    Examples
    --------
    >>> _thin([-5.0, -4.9, 4.9, 5.0], 1.0, (-5.0, 5.0))
    [-5.0, 5.0]
    """
    return [
        tick
        for tick in ticks
        if tick in protected or min(abs(tick - end) for end in protected) >= smallest_gap
    ]
