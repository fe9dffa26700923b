"""Factories of workflows. Building a graph touches no disk, network or environment.

:func:`nistats_nipype.workflows.drawing.draw_workflow` draws what they build.
"""

from .contrast import init_contrast_wf
from .permutation import init_permutation_wf
from .prepare import init_prepare_wf
from .second_level import init_second_level_wf
from .spatial import init_spatial_wf

__all__ = [
    'init_contrast_wf',
    'init_permutation_wf',
    'init_prepare_wf',
    'init_second_level_wf',
    'init_spatial_wf',
]
