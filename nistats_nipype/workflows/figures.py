"""Figures that look behind the map of a contrast, as part of its workflow."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import PlotEffectSize, PlotPeaks, PlotSurface
from .nodes import make_node

#: Nodes, and the names of their figures in the results folder.
FIGURES = {
    'plot_surface': 'desc-uncorrectedThreshold_surface',
    'plot_effect_size': 'effectsize',
    'plot_peaks': 'peaks',
}


def add_figures(workflow, contrast_name, map_title):
    """Draw the surface, the effect against z, and the values at the peaks; tell the report.

    Call this when the thresholds are there, and before the sink is added.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        Of a contrast.
    contrast_name : str
    map_title : str
        Title of the map at the uncorrected threshold.
    """
    inputnode, outputnode, define, compute, summarize = map(
        workflow.get_node,
        ('inputnode', 'outputnode', 'define_contrast', 'compute_contrast', 'summarize_contrast'),
    )
    surface = make_node(PlotSurface(title=map_title, label='z'), name='plot_surface')
    effects = make_node(
        PlotEffectSize(title=f'{contrast_name}: effect and z'), name='plot_effect_size'
    )
    peaks = make_node(PlotPeaks(title=f'{contrast_name}: values at the peaks'), name='plot_peaks')
    # The table of corrected clusters first, as in the report.
    levels = [name for name in ('fwe', 'uncorrected') if workflow.get_node(f'table_{name}')]
    tables = pe.Node(niu.Merge(len(levels)), name='list_tables')
    thresholds = pe.Node(niu.Merge(len(levels)), name='list_thresholds')
    for index, name in enumerate(levels, start=1):
        workflow.connect([
            (workflow.get_node(f'table_{name}'), tables, [('clusters_file', f'in{index}')]),
            (workflow.get_node(f'threshold_{name}'), thresholds, [
                ('metadata_file', f'in{index}'),
            ]),
        ])  # fmt: skip
    workflow.connect([
        (workflow.get_node('threshold_uncorrected'), surface, [
            ('thresholded_file', 'in_file'),
            ('metadata_file', 'threshold_metadata_file'),
        ]),
        (compute, effects, [('effect_file', 'effect_file'),
                            ('z_file', 'z_file')]),
        (inputnode, effects, [('mask_file', 'mask_file')]),
        (thresholds, effects, [('out', 'threshold_metadata_files')]),
        (inputnode, peaks, [('observations_file', 'in_files'),
                            ('mask_file', 'mask_file'),
                            ('design_file', 'design_file'),
                            ('design_metadata_file', 'design_metadata_file'),
                            ('covariate_files', 'covariate_files'),
                            ('losses_file', 'maps_file')]),
        (define, peaks, [('contrast_file', 'contrast_file')]),
        (tables, peaks, [('out', 'clusters_files')]),
        (peaks, outputnode, [('values_file', 'peaks_file')]),
        (surface, summarize, [('figure_file', 'surface_figure_file')]),
        (effects, summarize, [('figure_file', 'effect_size_figure_file')]),
        (peaks, summarize, [('figure_file', 'peaks_figure_file'),
                            ('metadata_file', 'peaks_metadata_file')]),
    ])  # fmt: skip
