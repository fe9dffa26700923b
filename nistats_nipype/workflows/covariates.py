"""Voxelwise covariates, as part of a second-level workflow."""

from ..designs.covariates import check_covariate_names, split_formula
from ..exceptions import InputError
from ..interfaces import FitVoxelwise
from .nodes import make_node

#: What voxelwise covariates need of other arguments of the workflow, and why.
_NEEDED = (
    ('model', ('ols',), "model='ols' (--model ols): other models have regressors of one value"),
    (
        'design_from',
        ('formula', 'file'),
        'a formula or a design file: a BIDS Stats Model has columns of the table only',
    ),
    (
        'unmatched',
        ('error',),
        "unmatched='error' (--unmatched error): covariates go by the order of the maps",
    ),
    (
        'missing',
        ('error', 'drop_voxel'),
        "missing='drop_voxel' (--missing drop_voxel): all voxels have the same maps",
    ),
    ('influence', (False,), 'no influence (--influence): it is that on one design for all voxels'),
    (
        'auto_variance_groups',
        (False,),
        'no variance groups (--variance-groups): v and G are for regressors of one value',
    ),
    (
        'method',
        ('freedman-lane',),
        "method='freedman-lane' (--method): others relabel one design for all voxels",
    ),
    (
        'variance_fwhm_mm',
        (0,),
        'variance_fwhm_mm=0 (--variance-fwhm 0): t and F have a variance of their own voxel',
    ),
)


def check_covariates(covariates, formula, **asked):
    """Refuse what voxelwise covariates cannot be combined with, before a graph is built.

    Parameters
    ----------
    covariates : list of str
        Their names.
    formula : str or None
    **asked
        Other arguments of :func:`~nistats_nipype.workflows.init_second_level_wf`.

    Returns
    -------
    list of str
        The covariates, as the formula has them.

    Raises
    ------
    InputError
        With all that has to be changed at once.
    DesignError
        If a covariate is no term of the formula.
    """
    check_covariate_names(covariates)
    wrong = [(name, needed) for name, fine, needed in _NEEDED if asked[name] not in fine]
    if wrong:
        raise InputError(
            'This cannot be had with voxelwise covariates.',
            found=', '.join(f'{name}={asked[name]!r}' for name, _ in wrong),
            expected='; '.join(needed for _, needed in wrong),
            advice=f'Change this, or leave out the covariates ({", ".join(covariates)}).',
        )
    _, terms = split_formula(formula, covariates)
    return terms


def add_voxelwise(workflow, build_design, names, terms, **policy):
    """Fit with voxelwise covariates; give the node of the fit, which makes the design, too.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        With checks, and maps and covariates prepared.
    build_design : nipype.pipeline.engine.Node
        What makes the design of the regressors.
    names, terms : list of str
        Names of the covariates, and what the formula says of them.
    **policy
        ``missing`` and ``zero_is_missing``.

    Returns
    -------
    nipype.pipeline.engine.Node
    """
    fit = make_node(FitVoxelwise(covariate_names=terms, **policy), name='fit_voxelwise')
    inputnode, prepare_wf, check_design = map(
        workflow.get_node, ('inputnode', 'prepare_wf', 'check_design')
    )
    for node in (build_design, check_design):
        node.inputs.covariate_names = names
    workflow.connect([
        (inputnode, check_design, [('covariate_files', 'covariate_files')]),
        (inputnode, prepare_wf, [('covariate_files', 'inputnode.covariate_files')]),
        (prepare_wf, fit, [('outputnode.covariate_files', 'covariate_files')]),
    ])  # fmt: skip
    return fit


def get_design(workflow):
    """Give the node that has the design of the contrasts, voxelwise covariates included."""
    return workflow.get_node('fit_voxelwise') or workflow.get_node('build_design')
