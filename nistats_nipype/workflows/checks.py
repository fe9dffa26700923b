"""Checks before an analysis, as part of its workflow."""

from ..interfaces import CheckDesign, CheckMaps
from .nodes import make_node


def add_checks(
    workflow, maps, design_fields, *, formula, contrasts, zero_is_missing, on_error, **request
):
    """Add the checks of design and maps to a workflow.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        With an ``inputnode``, of a second-level analysis.
    maps : nipype.pipeline.engine.Node
        What gives the maps, ``in_files``.
    design_fields : list of str
        Inputs of the design, see :func:`~nistats_nipype.workflows.design.make_design_node`.
    formula : str or None
    contrasts : dict of {str: definition}
    zero_is_missing : bool
    on_error : {'raise', 'report'}
    **request
        What is asked of the permutation test, by the names that
        :class:`~nistats_nipype.interfaces.CheckDesign` has for it.

    Returns
    -------
    nipype.pipeline.engine.Node
        It gives the maps, ``in_files``, when no error was found: nothing computes before.
    """
    inputnode = workflow.get_node('inputnode')
    check_design = make_node(
        CheckDesign(contrasts=contrasts, on_error=on_error, **request), name='check_design'
    )
    check_maps = make_node(
        CheckMaps(zero_is_missing=zero_is_missing, on_error=on_error), name='check_maps'
    )
    if formula is not None:
        check_design.inputs.formula = formula
    workflow.connect([(inputnode, check_design, [(field, field) for field in design_fields])])
    workflow.connect([
        (maps, check_design, [('in_files', 'in_files')]),
        (inputnode, check_design, [('blocks_file', 'blocks_file'),
                                   ('variance_groups_file', 'variance_groups_file'),
                                   ('tmap_files', 'tmap_files')]),
        (check_design, check_maps, [('in_files', 'in_files'),
                                    ('findings_file', 'design_findings_file')]),
        (inputnode, check_maps, [('mask_file', 'mask_file')]),
    ])  # fmt: skip
    return check_design


def connect_findings(workflow):
    """Give the check of the maps what it waits for, and hand on what the checks found."""
    check_maps = workflow.get_node('check_maps')
    groups = workflow.get_node('define_variance_groups') or workflow.get_node('inputnode')
    workflow.connect(groups, 'variance_groups_file', check_maps, 'variance_groups_file')
    workflow.connect(workflow.get_node('build_design'), 'design_file', check_maps, 'design_file')
    # What each map covers is known by then; and maps that cannot be read have been refused.
    workflow.connect(
        workflow.get_node('prepare_wf'), 'outputnode.losses_file', check_maps, 'losses_file'
    )
    for name in ('outputnode', 'make_report', 'ds_group'):
        node = workflow.get_node(name)
        if node is not None:
            workflow.connect(check_maps, 'findings_file', node, 'findings_file')
