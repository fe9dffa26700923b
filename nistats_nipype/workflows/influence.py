"""Influence of single maps, as part of the workflow of a contrast."""

from ..exceptions import InputError
from ..interfaces import MeasureInfluence, PlotInfluence
from .nodes import make_node


def check_influence(model, auto_variance_groups):
    """Refuse to measure influence on what is not a t or F of least squares.

    Raises
    ------
    InputError
    """
    if model == 'ols' and not auto_variance_groups:
        return
    raise InputError(
        'Influence is measured on t and F of least squares.',
        found='variance groups' if model == 'ols' else f'model={model!r}',
        expected="influence=True with model='ols' and without variance groups",
        advice='Leave out --influence. The weights of robust regression (--model robust) tell, '
        'too, who lies far from the others.',
    )


def add_influence(workflow, contrast_name, sidedness, missing):
    """Measure and draw influence; hand it to the report. Call this before the sink is added.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        Of a contrast.
    contrast_name : str
    sidedness, missing : str
        As of the contrast.
    """
    measure = make_node(
        MeasureInfluence(sidedness=sidedness, missing=missing), name='measure_influence'
    )
    plot = make_node(
        PlotInfluence(title=f'{contrast_name}: without each subject'), name='plot_influence'
    )
    inputnode, outputnode, define, summarize = map(
        workflow.get_node, ('inputnode', 'outputnode', 'define_contrast', 'summarize_contrast')
    )
    workflow.connect([
        (inputnode, measure, [('observations_file', 'in_files'),
                              ('mask_file', 'mask_file'),
                              ('design_file', 'design_file'),
                              ('losses_file', 'maps_file'),
                              ('variance_groups_file', 'variance_groups_file')]),
        (define, measure, [('contrast_file', 'contrast_file')]),
        (measure, plot, [('influence_file', 'influence_file'),
                         ('metadata_file', 'metadata_file')]),
        (measure, outputnode, [('influence_file', 'influence_file')]),
        (measure, summarize, [('metadata_file', 'influence_metadata_file')]),
        (plot, summarize, [('figure_file', 'influence_figure_file')]),
    ])  # fmt: skip
