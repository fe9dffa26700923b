"""Influence of single subjects: a figure, and a sentence."""

import os

import numpy as np

from ..exceptions import InputError
from .style import ACCENT, COOL, HAIRLINE, MUTED, add_title, new_figure

__all__ = ['describe_influence', 'plot_influence']

#: Subjects drawn at most: those that matter most.
MOST_DRAWN = 60


def plot_influence(
    without, reference, out_file, *, labels, statistic='t', title=None, most=MOST_DRAWN
):
    """Draw the statistic at the peak without each of the subjects.

    Parameters
    ----------
    without : ndarray of shape (N,)
        The statistic without each of them; NaN where nothing is left.
    reference : float
        The statistic of all; NaN if there is none.
    out_file : path-like
        ``.png``, ``.svg`` or ``.pdf``.
    labels : sequence of N str
        Names of the subjects.
    statistic : str, default 't'
        Its name.
    title : str, optional
        Title of the figure.
    most : int, default 60
        Of a larger group so many are drawn, those that change the statistic most; the title
        says so.

    Returns
    -------
    str
        Absolute path of the figure.

    Raises
    ------
    InputError
        If there are no subjects, or not one label for each.
    """
    without = np.asarray(without, dtype=np.float64)
    if not without.size or len(labels) != without.size:
        raise InputError(
            'The influence cannot be drawn.',
            found=f'{without.size} subjects and {len(labels)} labels',
            expected='at least one subject, and one label for each',
        )
    drawn = np.arange(without.size)
    if without.size > most:
        change = np.abs(without - reference)
        # Those without whom nothing is left matter most of all.
        order = np.argsort(np.where(np.isnan(change), np.inf, change), kind='stable')
        drawn = np.sort(order[-most:])
        part = f'the {most} of {without.size:,} that matter most'
        title = f'{title}: {part}' if title else part
    y, height = np.arange(len(drawn)), 1.1 + 0.2 * len(drawn)
    with new_figure(6.5, height, out_file) as figure:
        axes = figure.add_axes([0.25, 0.6 / height, 0.7, 1 - 1.05 / height])
        values = without[drawn]
        axes.hlines(y, reference, values, color=HAIRLINE, linewidth=2.5)
        axes.axvline(reference, color=MUTED, linewidth=1.2)
        # Towards 0: the result leans on that subject.
        weaker = np.sign(reference) * values < abs(reference)
        for chosen, colour in ((weaker, ACCENT), (~weaker, COOL)):
            axes.plot(values[chosen], y[chosen], 'o', color=colour, markersize=5)
        for row in np.flatnonzero(np.isnan(values)):
            axes.text(0.5, row, 'nothing is left to test', fontsize=7.5, color=MUTED,
                      ha='center', va='center', transform=axes.get_yaxis_transform())  # fmt: skip
        axes.set_yticks(y, [str(labels[index]) for index in drawn], fontsize=7.5)
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.set_xlabel(f'{statistic} at the peak of the group without the subject')
        axes.spines[['top', 'right', 'left']].set_visible(False)
        axes.tick_params(axis='y', length=0)
        add_title(figure, title)
    return os.path.abspath(out_file)


def describe_influence(influence):
    """Say what the peak is without single maps.

    Parameters
    ----------
    influence : dict
        Metadata of :class:`nistats_nipype.interfaces.MeasureInfluence`.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_influence({'Statistic': 't', 'PeakStatistic': 6.312, 'Peak': [-6.0, 12.0, 50.0],
    ...     'WeakestAtPeak': {'file': 'sub-03.nii', 'stat': 5.02},
    ...     'StrongestAtPeak': {'file': 'sub-07.nii', 'stat': 6.8},
    ...     'NumberOfMapsWithoutWhichNothingIsLeft': 0})
    't = 6.31 at the peak (-6, 12, 50) mm; without one map 5.02 (sub-03.nii) to 6.80 (sub-07.nii)'
    """
    if influence['PeakStatistic'] is None or 'WeakestAtPeak' not in influence:
        return 'no statistic without single maps'
    place = ', '.join(f'{each:.0f}' for each in influence['Peak'])
    low, high = (
        f'{influence[name]["stat"]:.2f} ({influence[name]["file"]})'
        for name in ('WeakestAtPeak', 'StrongestAtPeak')
    )
    text = (
        f'{influence["Statistic"]} = {influence["PeakStatistic"]:.2f} at the peak ({place}) mm; '
        f'without one map {low} to {high}'
    )
    number = influence['NumberOfMapsWithoutWhichNothingIsLeft']
    return f'{text}; nothing is left to test without {number} of the maps' if number else text
