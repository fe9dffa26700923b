"""Figures and the HTML report, from maps, tables and arrays."""

from .effects import plot_effect_size
from .group import plot_coverage, plot_subjects
from .influence import plot_influence
from .maps import plot_glass_brain, plot_stat_map
from .outliers import plot_outliers
from .peaks import Panel, plot_peaks
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
from .surface import plot_surface
from .viewer import view_img

__all__ = [
    'ContrastSection',
    'DesignSection',
    'Figure',
    'GroupSection',
    'HeterogeneitySection',
    'Panel',
    'RunSection',
    'plot_coverage',
    'plot_design',
    'plot_effect_size',
    'plot_glass_brain',
    'plot_influence',
    'plot_null',
    'plot_outliers',
    'plot_peaks',
    'plot_stat_map',
    'plot_subjects',
    'plot_surface',
    'render_report',
    'view_img',
]
