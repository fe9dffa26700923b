"""From maps to packed observations."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import ApplyMask, ComputeMask, Smooth
from .models import check_smoothing
from .nodes import make_node

_OUTPUTS = ['observations_file', 'mask_file', 'coverage_file', 'losses_file']


def init_prepare_wf(
    *,
    fwhm_mm=8.0,
    mask_method='intersection',
    min_coverage=1.0,
    min_observations=None,
    zero_is_missing=True,
    variances=False,
    covariates=(),
    centred=(),
    covariate_fwhm_mm=0.0,
    name='prepare_wf',
):
    """Build a workflow that masks, smooths and packs the maps of a group.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from nistats_nipype.workflows import init_prepare_wf
            wf = init_prepare_wf()

    Parameters
    ----------
    fwhm_mm : float, default 8.0
        Full width at half maximum of the Gaussian kernel in mm; 0 leaves smoothing out. Not
        with ``variances``.
    mask_method : {'intersection', 'coverage', 'template', 'given'}, default 'intersection'
        How the mask is made, see :class:`~nistats_nipype.interfaces.ComputeMask`.
    min_coverage : float, default 1.0
        Share of the maps in (0, 1] that ``'coverage'`` asks for.
    min_observations : int, optional
        Maps that must cover a voxel, in place of ``min_coverage``.
    zero_is_missing : bool, default True
        Whether exact 0 is a missing value, as NaN always is.
    variances : bool, default False
        Whether the maps come with maps of their sampling variances. The mask and the coverage
        are then those of both.
    covariates : list of str, optional
        Names of voxelwise covariates. A map is then observed where it has values of these, too.
    centred : list of str, optional
        Those of them whose mean over the maps is subtracted, voxel by voxel.
    covariate_fwhm_mm : float, default 0.0
        FWHM in mm of the kernel that smooths their maps; 0 takes them as they are.
    name : str, default 'prepare_wf'

    Inputs
    ------
    in_files
        3D maps, one per observation, or one 4D file.
    mask_file
        Mask on the grid of the maps, for ``mask_method='given'``.
    variance_files
        Sampling variances of the maps, in their order, for ``variances=True``.
    covariate_files
        For each covariate a list of 3D maps in the order of the maps, or one 4D file.

    Outputs
    -------
    observations_file
        Packed observations, N x V float32 (.npy).
    variances_file
        Packed variances, likewise, if there are any.
    covariate_files
        Packed covariates, a file for each, if there are any.
    mask_file
        The group mask.
    coverage_file
        Number of maps observed at each voxel.
    losses_file
        Voxels that each map lacks (TSV).

    Raises
    ------
    InputError
        If maps with variances are to be smoothed.

    Examples
    --------
    >>> sorted(init_prepare_wf(fwhm_mm=0).list_node_names())
    ['apply_mask', 'compute_mask', 'inputnode', 'outputnode']
    """
    fields, results = ['in_files', 'mask_file'], [*_OUTPUTS]
    if variances:
        check_smoothing(fwhm_mm)
        fields.append('variance_files')
        results.append('variances_file')
    if covariates:
        fields.append('covariate_files')
        results.append('covariate_files')
    inputnode = pe.Node(niu.IdentityInterface(fields, mandatory_inputs=False), name='inputnode')
    outputnode = pe.Node(niu.IdentityInterface(results), name='outputnode')
    compute_mask = make_node(
        ComputeMask(
            method=mask_method, min_coverage=min_coverage, zero_is_missing=zero_is_missing
        ),
        name='compute_mask',
    )
    if min_observations is not None:
        compute_mask.inputs.min_observations = min_observations
    apply_mask = make_node(ApplyMask(zero_is_missing=zero_is_missing), name='apply_mask')
    workflow = pe.Workflow(name=name)
    workflow.connect([
        (inputnode, compute_mask, [('in_files', 'in_files'),
                                   ('mask_file', 'mask_file')]),
        (compute_mask, apply_mask, [('mask_file', 'mask_file')]),
        (apply_mask, outputnode, [('observations_file', 'observations_file')]),
        (compute_mask, outputnode, [('mask_file', 'mask_file'),
                                    ('coverage_file', 'coverage_file'),
                                    ('losses_file', 'losses_file')]),
    ])  # fmt: skip
    if variances:
        mask_variances = make_node(
            ApplyMask(zero_is_missing=zero_is_missing), name='mask_variances'
        )
        workflow.connect([
            (inputnode, compute_mask, [('variance_files', 'variance_files')]),
            (inputnode, mask_variances, [('variance_files', 'in_files')]),
            (compute_mask, mask_variances, [('mask_file', 'mask_file')]),
            (mask_variances, outputnode, [('observations_file', 'variances_file')]),
        ])  # fmt: skip
    if covariates:
        compute_mask.inputs.covariate_names = list(covariates)
        center = [name in centred for name in covariates]
        _add_covariates(workflow, center, covariate_fwhm_mm, zero_is_missing)
    if not fwhm_mm:
        workflow.connect(inputnode, 'in_files', apply_mask, 'in_files')
        return workflow
    smooth = make_node(Smooth(fwhm_mm=fwhm_mm, zero_is_missing=zero_is_missing), name='smooth')
    workflow.connect([
        (inputnode, smooth, [('in_files', 'in_files')]),
        (compute_mask, smooth, [('mask_file', 'mask_file')]),
        (smooth, apply_mask, [('out_files', 'in_files')]),
    ])  # fmt: skip
    return workflow


def _add_covariates(workflow, center, fwhm_mm, zero_is_missing):
    """Let maps of voxelwise covariates count for the mask; smooth, centre and pack them."""
    inputnode, outputnode, compute_mask = map(
        workflow.get_node, ('inputnode', 'outputnode', 'compute_mask')
    )
    pack = make_node(
        ApplyMask(zero_is_missing=zero_is_missing),
        iterfield=['in_files', 'center'],
        name='mask_covariates',
    )
    pack.inputs.center = center
    workflow.connect([
        (inputnode, compute_mask, [('covariate_files', 'covariate_files')]),
        (compute_mask, pack, [('mask_file', 'mask_file')]),
        (pack, outputnode, [('observations_file', 'covariate_files')]),
    ])  # fmt: skip
    if not fwhm_mm:
        workflow.connect(inputnode, 'covariate_files', pack, 'in_files')
        return
    smooth = make_node(
        Smooth(fwhm_mm=fwhm_mm, zero_is_missing=zero_is_missing),
        iterfield=['in_files'],
        name='smooth_covariates',
    )
    workflow.connect([
        (inputnode, smooth, [('covariate_files', 'in_files')]),
        (compute_mask, smooth, [('mask_file', 'mask_file')]),
        (smooth, pack, [('out_files', 'in_files')]),
    ])  # fmt: skip
