"""Figures and the HTML report, from maps, tables and arrays."""

from .group import plot_coverage, plot_subjects
from .influence import plot_influence
from .maps import plot_glass_brain, plot_stat_map
from .plots import plot_design, plot_null
from .report import render_report
from .run import RunSection
from .sections import (
    ContrastSection,
    DesignSection,
    Figure,
    GroupSection,
    HeterogeneitySection,
)
from .viewer import view_img

__all__ = [
    'ContrastSection',
    'DesignSection',
    'Figure',
    'GroupSection',
    'HeterogeneitySection',
    'RunSection',
    'plot_coverage',
    'plot_design',
    'plot_glass_brain',
    'plot_influence',
    'plot_null',
    'plot_stat_map',
    'plot_subjects',
    'render_report',
    'view_img',
]
