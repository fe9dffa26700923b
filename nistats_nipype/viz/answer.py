"""The answer in a few numbers."""

from typing import NamedTuple

from .prose import SPATIAL, describe_alpha, format_p

__all__ = ['KeyFigure', 'key_figures']


class KeyFigure(NamedTuple):
    """A number and what it is.

    Attributes
    ----------
    name, value, note : str
        For example 'Clusters', '6' and 'FWE-corrected p < .05'.
    """

    name: str
    value: str
    note: str = ''


def key_figures(metadata, clusters):
    """Numbers that answer the question of a contrast.

    Parameters
    ----------
    metadata : dict
        Metadata of the steps by name, as collected by
        :class:`nistats_nipype.interfaces.SummarizeContrast`.
    clusters : pandas.DataFrame
        Clusters above the threshold that the answer is about, the corrected one if there is one.

    Returns
    -------
    list of KeyFigure

    Examples
    --------
    >>> import pandas as pd
    >>> threshold = {'NumberOfVoxelsPositive': 0, 'NumberOfVoxelsNegative': 0,
    ...              'NumberOfClusters': 0, 'Alpha': 0.001}
    >>> for number in key_figures({'uncorrected': threshold}, pd.DataFrame()):
    ...     print(*number, sep='; ')
    Clusters; 0; uncorrected p < .001
    Voxels; 0; uncorrected p < .001
    """
    permutation = metadata.get('permutation')
    threshold = metadata['fwe' if permutation else 'uncorrected']
    level = describe_alpha(threshold['Alpha'], corrected=bool(permutation))
    n_voxels = _count_voxels(threshold)
    figures = [
        KeyFigure('Clusters', f'{threshold["NumberOfClusters"]:,}', level),
        KeyFigure('Voxels', f'{n_voxels:,}', level),
    ]
    if n_voxels:
        peak = clusters.loc[clusters['n_voxels'].idxmax()]
        place = ', '.join(f'{peak[axis]:.0f}' for axis in ('x_mm', 'y_mm', 'z_mm'))
        size = f'{peak["volume_mm3"]:,.0f} mm³, peak z = {peak["peak_stat"]:.2f}'
        figures.append(KeyFigure('Largest cluster', f'({place}) mm', size))
    if permutation:
        smallest = format_p(permutation['SmallestCorrectedP']).removeprefix('p = ')
        figures.append(KeyFigure('Smallest corrected p', smallest, 'FWE over voxels'))
    for name, words in SPATIAL.items():
        if name in metadata:
            smallest = format_p(metadata['spatial']['SmallestCorrectedP'][name])
            number = f'{metadata[name]["NumberOfClusters"]:,}'
            figures.append(KeyFigure(f'By {words}', number, f'clusters, smallest {smallest}'))
    return [figure._replace(value=figure.value.replace('-', '−')) for figure in figures]


def _count_voxels(threshold):
    return threshold['NumberOfVoxelsPositive'] + threshold['NumberOfVoxelsNegative']
