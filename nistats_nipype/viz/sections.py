"""What a report is made of."""

import os
from typing import NamedTuple

import pandas as pd

__all__ = [
    'ContrastSection',
    'DesignSection',
    'Figure',
    'GroupSection',
    'HeterogeneitySection',
]


class Figure(NamedTuple):
    """An image of the report.

    Attributes
    ----------
    path : path-like
        A ``.png`` or ``.svg`` file.
    caption : str
        Shown under the image.
    alt : str
        What the image shows, for those who cannot see it.
    heading : str, optional
        Of the topic; figures of a contrast that follow each other share theirs.
    """

    path: str | os.PathLike
    caption: str
    alt: str
    heading: str = ''


class ContrastSection(NamedTuple):
    """What the report says about one contrast.

    Attributes
    ----------
    name : str
        Name of the contrast.
    kind : {'t', 'F', 'v', 'G', 'z', 'chi2'}
        Statistic of the test.
    definition : str
        The contrast in words or weights.
    headline : str
        The answer in one sentence.
    figures : list of Figure
        Maps of the result.
    clusters : pandas.DataFrame or None
        One row per peak, as from :func:`nistats_nipype.images.tables.cluster_table`; None if
        there is no table, empty if nothing was found.
    metadata : dict
        Facts about the test, such as the number of relabellings.
    null_figure : Figure, optional
        The null distribution.
    answer : list of KeyFigure, optional
        The answer in numbers.
    viewer : path-like, optional
        Page that shows the map, as from :func:`~nistats_nipype.viz.viewer.view_img`.
    """

    name: str
    kind: str
    definition: str
    headline: str
    figures: list
    clusters: pd.DataFrame | None
    metadata: dict
    null_figure: Figure | None = None
    answer: tuple | list = ()
    viewer: str | os.PathLike | None = None


class DesignSection(NamedTuple):
    """The design matrix.

    Attributes
    ----------
    figure : Figure or None
        Image of the design.
    table : pandas.DataFrame or None
        Its first rows.
    notes : list of str
        What should be known about it.
    """

    figure: Figure | None
    table: pd.DataFrame | None = None
    notes: tuple | list = ()


class GroupSection(NamedTuple):
    """The subjects.

    Attributes
    ----------
    figures : list of Figure
        Every subject; coverage.
    losses : pandas.DataFrame or None
        What each map costs the group mask, one row per map.
    notes : list of str
        What should be known about them.
    """

    figures: list
    losses: pd.DataFrame | None = None
    notes: tuple | list = ()


class HeterogeneitySection(NamedTuple):
    """How much the effects differ beyond their known variances.

    Attributes
    ----------
    figures : list of Figure
        Maps of the heterogeneity.
    metadata : dict
        Facts about it.
    """

    figures: list
    metadata: dict
