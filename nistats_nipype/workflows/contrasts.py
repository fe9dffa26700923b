"""The contrasts of a second-level workflow."""

from .contrast import init_contrast_wf
from .covariates import get_design
from .models import get_fit, takes_variances


def add_contrasts(workflow, contrasts, groups, **parameters):
    """Add a workflow for each contrast, and hand its section to the report.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        With the nodes that prepare maps, build the design and fit the model.
    contrasts : dict of {str: definition}
    groups : nipype.pipeline.engine.Node
        What gives the variance groups.
    **parameters
        Those of :func:`~nistats_nipype.workflows.init_contrast_wf`, the same for all contrasts.

    Returns
    -------
    list of nipype.pipeline.engine.Workflow
        In the order of the contrasts.
    """
    inputnode, prepare_wf, list_sections = map(
        workflow.get_node, ('inputnode', 'prepare_wf', 'list_sections')
    )
    fit, design = get_fit(workflow), get_design(workflow)
    contrast_wfs = []
    for index, (contrast, definition) in enumerate(contrasts.items(), start=1):
        contrast_wf = init_contrast_wf(contrast_name=contrast, definition=definition, **parameters)
        contrast_wfs.append(contrast_wf)
        workflow.connect([
            (prepare_wf, contrast_wf, [
                ('outputnode.observations_file', 'inputnode.observations_file'),
                ('outputnode.mask_file', 'inputnode.mask_file'),
                ('outputnode.losses_file', 'inputnode.losses_file'),
            ]),
            (inputnode, contrast_wf, [('blocks_file', 'inputnode.blocks_file')]),
            (groups, contrast_wf, [
                ('variance_groups_file', 'inputnode.variance_groups_file'),
            ]),
            (design, contrast_wf, [('design_file', 'inputnode.design_file')]),
            (workflow.get_node('build_design'), contrast_wf, [
                ('metadata_file', 'inputnode.design_metadata_file'),
            ]),
            (fit, contrast_wf, [('model_file', 'inputnode.model_file'),
                                ('metadata_file', 'inputnode.model_metadata_file')]),
            (contrast_wf, list_sections, [('outputnode.section_file', f'in{index}')]),
        ])  # fmt: skip
        if takes_variances(parameters['model']):
            workflow.connect(
                prepare_wf, 'outputnode.variances_file', contrast_wf, 'inputnode.variance_files'
            )
        if parameters['covariates']:
            workflow.connect(
                prepare_wf, 'outputnode.covariate_files', contrast_wf, 'inputnode.covariate_files'
            )
    return contrast_wfs
