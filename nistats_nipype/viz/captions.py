"""Captions of the figures of a contrast: what is drawn, in which unit, above which threshold."""

from .peaks import describe_peaks
from .style import describe_threshold

__all__ = ['FIGURES', 'arrange_figures', 'describe_figure']

_CORRECTED = {
    'fwe': 'FWE-corrected p',
    'extent': 'FWE-corrected p of the cluster extent',
    'mass': 'FWE-corrected p of the cluster mass',
    'tfce': 'FWE-corrected p of TFCE',
}
_GLASS = 'Seen through a glass brain: the most extreme value on each line of sight'

#: Figures of a contrast, in the order in which they are read.
FIGURES = (
    *_CORRECTED,
    'cor_z',
    'uncorrected',
    'slices',
    'surface',
    'peaks',
    'effect_size',
    'influence',
)
#: What stands above the figures that are more than another map.
_HEADINGS = {
    'peaks': 'Values at the peaks',
    'effect_size': 'Effect and z',
    'influence': 'Influence of single maps',
}


def arrange_figures(names):
    """Put the figures of a contrast in the order of the report, with their headings.

    Parameters
    ----------
    names : collection of str
        Of ``FIGURES``, those there are.

    Returns
    -------
    dict of {str: str}
        Name to heading: first the map of the answer, which has none.

    Examples
    --------
    >>> arrange_figures({'slices', 'uncorrected', 'peaks'})
    {'uncorrected': '', 'peaks': 'Values at the peaks', 'slices': 'Further maps'}
    """
    ordered = [name for name in FIGURES if name in names]
    others = sorted(ordered[1:], key=lambda name: name not in _HEADINGS)
    headings = {name: _HEADINGS.get(name, 'Further maps') for name in others}
    return dict.fromkeys(ordered[:1], '') | headings


def describe_figure(name, metadata):
    """Caption of a figure.

    Parameters
    ----------
    name : str
        One of ``FIGURES``.
    metadata : dict of {str: dict}
        Of the parts of the contrast, as :class:`nistats_nipype.interfaces.SummarizeContrast`
        collects them.

    Returns
    -------
    str

    Examples
    --------
    >>> level = {'Alpha': 0.001, 'Threshold': 3.2905, 'Sidedness': 'two-sided',
    ...          'ClusterThreshold': 10}
    >>> describe_figure('slices', {'uncorrected': level})
    'z where p < 0.001, uncorrected (|z| ≥ 3.29), in clusters of at least 10 voxels. On slices of
    the MNI152 template; z in mm.'
    """
    if name == 'peaks':
        return describe_peaks(metadata['peaks'])
    if name == 'influence':
        return (
            f'{metadata["influence"]["Statistic"]} at the peak without each of the maps, beside '
            'that of all (line): orange where it is nearer to 0, blue where it is farther.'
        )
    if name == 'effect_size':
        return (
            'Effect, in the units of the maps, against z: the number of voxels in each cell, on a '
            f'logarithmic scale. Lines: {_list_levels(metadata)}.'
        )
    if name == 'cor_z':
        alpha = metadata['fwe']['Alpha']
        return (
            f'z of the FWE-corrected p (cor_z_score), where it is below {alpha:g}; without the '
            f'sign of the effect. {_GLASS}.'
        )
    where = {
        'slices': 'On slices of the MNI152 template; z in mm',
        'surface': 'On the inflated cortex of fsaverage5: the most extreme value from the white '
        'to the pial surface. What lies below the cortex is not seen',
    }.get(name, _GLASS)
    label = name if name in _CORRECTED else 'uncorrected'
    return f'z where {_describe_level(label, metadata[label])}. {where}.'


def _describe_level(label, level):
    """What passes a threshold, with its height in z."""
    p = _CORRECTED.get(label)
    text = f'the {p} < {level["Alpha"]:g}' if p else f'p < {level["Alpha"]:g}, uncorrected'
    height = level['Threshold']
    if height is None:
        text += ', which no voxel does'
    elif label in ('fwe', 'uncorrected'):
        text += f' ({describe_threshold(round(height, 2), "z", level["Sidedness"])})'
    if level['ClusterThreshold'] > 1:
        text += f', in clusters of at least {level["ClusterThreshold"]} voxels'
    return text


def _list_levels(metadata):
    levels = [
        _describe_level(label, {**metadata[label], 'ClusterThreshold': 0})
        for label in ('uncorrected', 'fwe')
        if label in metadata
    ]
    return '; '.join(levels)
