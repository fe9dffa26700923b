"""The second-level analysis as one workflow."""

import os

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import DefineVarianceGroups, MakeReport
from .checks import add_checks, connect_findings
from .contrasts import add_contrasts
from .covariates import add_voxelwise, check_covariates
from .design import make_design_node
from .influence import check_influence
from .joint import add_joint, list_joint
from .levels import check_labels
from .models import (
    add_fit,
    add_group_sink,
    add_matching,
    check_model,
    check_permuted,
    model_outputs,
    takes_variances,
)
from .nodes import make_node
from .prepare import init_prepare_wf
from .report import add_report

_INPUTS = [
    'in_files',
    'variance_files',
    'covariate_files',
    'table_file',
    'design_file',
    'bids_model_file',
    'mask_file',
    'blocks_file',
    'variance_groups_file',
    'tmap_files',
]
_PREPARED = ['observations_file', 'mask_file', 'coverage_file', 'losses_file']
_OUTPUTS = [
    *_PREPARED,
    'findings_file',
    'design_file',
    'model_file',
    'n_file',
    'section_files',
    'report_file',
]


def init_second_level_wf(
    *,
    contrasts=None,
    formula=None,
    design_from='formula',
    covariates=(),
    model='ols',
    unmatched='error',
    on_check_error='raise',
    fwhm_mm=8.0,
    covariate_fwhm_mm=0.0,
    mask_method='intersection',
    min_coverage=1.0,
    min_observations=None,
    zero_is_missing=True,
    missing='error',
    sidedness='two-sided',
    n_perm=10000,
    n_chunks=1,
    seed=0,
    errors='auto',
    method='freedman-lane',
    auto_variance_groups=False,
    variance_fwhm_mm=0.0,
    alpha_uncorrected=0.001,
    alpha_fwe=0.05,
    cluster_threshold=0,
    connectivity=26,
    cluster_forming_z=None,
    tfce=False,
    tail='none',
    fdr_method='BH',
    correct_contrasts=False,
    influence=False,
    subject_threshold=None,
    title='Second-level analysis',
    out_dir=None,
    omp_nthreads=1,
    name='second_level_wf',
):
    """Build a second-level analysis: mask, smooth, fit, test, permute, draw, report.

    Building the graph touches no disk, network or environment. The workflow runs
    through any nipype execution plugin, alone or as part of another workflow.

    Workflow Graph
        .. workflow::
            :graph2use: colored
            :simple_form: yes

            from nistats_nipype.workflows import init_second_level_wf
            wf = init_second_level_wf()

    Parameters
    ----------
    contrasts : dict of {str: definition}, default {'mean': 'intercept'}
        Named contrasts: a column, an expression of columns (``'patient - control'``), a
        list of these (F), weights, or rows of weights (F).
    formula : str, optional
        Right-hand side of the model, with the columns of the participants table as
        variables. Default: the intercept only, a one-sample test.
    design_from : {'formula', 'file', 'bids-model'}, default 'formula'
        Otherwise the design is that of ``design_file``, or of a BIDS Stats Model.
    covariates : list of str, optional
        Names of voxelwise covariates: regressors that are maps, given by ``covariate_files``.
        Each is a term of the formula (``'group + grey'``, or ``'group + center(grey)'``: without
        the mean of the maps at each voxel), or without a formula stands beside the intercept; of a
        design file they are the last columns. Contrasts name these terms, in weights they come
        last. For ``model='ols'``; not with ``unmatched='drop'``,
        ``missing='per_voxel'``, variance groups, ``influence``, pseudo-t, or another ``method``.
    model : {'ols', 'robust', 'reml', 'dl', 'fixed'}, default 'ols'
        Least squares; robust regression (Huber's M estimator); or, with
        ``variance_files``, mixed effects (restricted maximum likelihood, as FLAME 1, or
        DerSimonian-Laird) or fixed effects, with ``fwhm_mm=0`` only. Others than least squares
        are permuted without nuisance, or beside an intercept only; for other contrasts,
        ``n_perm=0``.
    unmatched : {'error', 'drop'}, default 'error'
        Refuse maps without variances, variances without a map, and maps without a row in the
        table, or leave them out, which the report says; not with files that have a line for
        every map (``blocks_file``, ``variance_groups_file``), nor with ``tmap_files``.
    on_check_error : {'raise', 'report'}, default 'raise'
        Whether errors that :class:`~nistats_nipype.interfaces.CheckDesign` and
        :class:`~nistats_nipype.interfaces.CheckMaps` find end the analysis, or are only
        reported.
    fwhm_mm : float, default 8.0
        FWHM of the Gaussian kernel in mm; 0 leaves smoothing out.
    covariate_fwhm_mm : float, default 0.0
        The same for the maps of voxelwise covariates, which are taken as they are by default.
    mask_method, min_coverage, min_observations, zero_is_missing
        See :func:`~nistats_nipype.workflows.init_prepare_wf`.
    missing : {'error', 'drop_voxel', 'per_voxel'}, default 'error'
        What to do about missing values inside the mask.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Side of the t contrasts.
    n_perm : int, default 10000
        Relabellings drawn beside the observed one; 0 leaves permutation inference out.
    n_chunks : int, default 1
        Jobs that share the relabellings of a contrast.
    seed : int, default 0
        Seed of the relabellings.
    errors : {'auto', 'exchangeable', 'symmetric', 'both'}, default 'auto'
        Permutations, sign flips, both, or chosen by the design.
    method : {'freedman-lane', 'huh-jhun', 'dekker', 'ter-braak', 'draper-stoneman', 'manly'}
        What is relabelled, by default 'freedman-lane'; see
        :func:`nistats_nipype.stats.methods.make_method`.
    auto_variance_groups : bool, default False
        Whether to make variance groups of the exchangeability blocks, as PALM's ``-vg auto``;
        others are given by ``variance_groups_file``. The statistics are then v and G.
    variance_fwhm_mm : float, default 0.0
        FWHM in mm of the kernel that smooths the error variance, for pseudo-t; 0 for t and F.
    alpha_uncorrected, alpha_fwe : float, defaults 0.001 and 0.05
        Levels of the thresholded maps.
    cluster_threshold : int, default 0
        Smallest cluster of the thresholded maps, in voxels.
    connectivity : {26, 18, 6}, default 26
        Neighbours of a voxel.
    cluster_forming_z : float, optional
        Cluster-forming threshold, as a normal score, of permutation inference on cluster
        extent and mass; left out without it.
    tfce : bool, default False
        Whether to add permutation inference with TFCE.
    tail : {'none', 'gpd', 'gamma'}, default 'none'
        Approximate the tail of the null distributions, for corrected and uncorrected p below
        what the relabellings can count; see :func:`~nistats_nipype.workflows.init_contrast_wf`.
    fdr_method : {'BH', 'BKY'}, default 'BH'
        False discovery rate of the uncorrected permutation p, see
        :func:`~nistats_nipype.workflows.init_permutation_wf`.
    correct_contrasts : bool, default False
        Whether to correct p over voxels and contrasts together, too, as PALM's ``-corrcon``;
        see :class:`~nistats_nipype.interfaces.CorrectContrasts`. All contrasts must allow the
        same relabellings: where one involves the mean and another does not, set ``errors``.
    influence : bool, default False
        Whether to measure what leaving out each map changes, for ``model='ols'``.
    subject_threshold : float, optional
        Absolute values below are not drawn in the figure of all subjects.
    title : str
        Title of the report.
    out_dir : path-like, optional
        Folder of the results. Without it nothing leaves the work folder.
    omp_nthreads : int, default 1
        Threads per job.
    name : str, default 'second_level_wf'

    Inputs
    ------
    in_files
        3D maps, one per observation, or one 4D file.
    variance_files
        Their sampling variances, for ``'reml'``, ``'dl'`` and ``'fixed'``; matched to ``in_files``
        by subject, name or table, see :class:`~nistats_nipype.interfaces.MatchMaps`.
    covariate_files
        For each of ``covariates`` a list of 3D maps in the order of ``in_files``, on their grid,
        or one 4D file.
    table_file
        Participants table (TSV), for ``formula`` or a model.
    design_file, bids_model_file
        For ``design_from``, see :class:`~nistats_nipype.interfaces.ReadDesign`.
    mask_file
        Mask on the grid of the maps, for ``mask_method='given'``.
    blocks_file
        Exchangeability blocks in PALM's format, one row per map; optional.
    variance_groups_file
        Variance groups, a whole number for each map; optional, for ``model='ols'``.
    tmap_files
        t maps of the subjects, to be drawn in place of ``in_files``; optional.

    Outputs
    -------
    observations_file, mask_file, coverage_file, losses_file
        What went into the fit.
    findings_file
        What the checks of design and maps found (TSV); an error stops the workflow.
    design_file, model_file, n_file
        Design matrix, fitted model, number of maps at each voxel.
    weights_file
        Mean weight of each map (TSV), with ``model='robust'``.
    tau2_file, i2_file, q_file, q_p_file
        Heterogeneity, with known variances; fixed effects have no tau2.
    section_files
        What the report says about each contrast; the maps of a contrast are outputs of
        its sub-workflow ``contrast_<label>_wf``.
    p_fwe_files, logp_fwe_files, joint_null_file
        p corrected over voxels and contrasts, -log10 of it, and the maxima, if asked for; maps
        in the order of the contrasts. Likewise ``extent_p_fwe_files`` and so on, of the spatial
        statistics that all contrasts can be compared on.
    report_file
        HTML report.

    Raises
    ------
    ContrastError
        If there is no contrast, or two would share file names.
    InputError
        If a level is not between 0 and 1, or the model cannot do what else is asked for.

    Warns
    -----
    NistatsNipypeWarning
        If ``n_perm`` relabellings cannot give a corrected p of ``alpha_fwe``.

    Examples
    --------
    >>> workflow = init_second_level_wf(contrasts={'mean': 'intercept'}, n_perm=1000)
    >>> workflow.get_node('contrast_mean_wf.permutation_wf.draw_schedule').inputs.n_perm
    1000
    """
    contrasts = {'mean': 'intercept'} if contrasts is None else contrasts
    check_labels(contrasts)
    check_model(
        model,
        fwhm_mm=fwhm_mm,
        n_perm=n_perm,
        auto_variance_groups=auto_variance_groups,
        method=method,
        missing=missing,
        variance_fwhm_mm=variance_fwhm_mm,
    )
    if n_perm:
        check_permuted(model, formula, contrasts)
    if influence:
        check_influence(model, auto_variance_groups)
    covariates, terms = list(covariates), []
    if covariates:
        terms = check_covariates(
            covariates,
            formula,
            model=model,
            design_from=design_from,
            unmatched=unmatched,
            missing=missing,
            influence=influence,
            auto_variance_groups=auto_variance_groups,
            method=method,
            variance_fwhm_mm=variance_fwhm_mm,
        )
    out_dir = None if out_dir is None else os.path.abspath(out_dir)
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(niu.IdentityInterface(_INPUTS, mandatory_inputs=False), name='inputnode')
    correct_contrasts = bool(correct_contrasts and n_perm)
    joint = list_joint(cluster_forming_z, tfce) if correct_contrasts else {}
    fields = [*_OUTPUTS, *model_outputs(model), *joint.values()]
    outputnode = pe.Node(niu.IdentityInterface(fields), name='outputnode')
    prepare_wf = init_prepare_wf(
        fwhm_mm=fwhm_mm,
        mask_method=mask_method,
        min_coverage=min_coverage,
        min_observations=min_observations,
        zero_is_missing=zero_is_missing,
        variances=takes_variances(model),
        covariates=covariates,
        centred=[name for name in covariates if name not in terms],
        covariate_fwhm_mm=covariate_fwhm_mm,
    )
    build_design, design_fields = make_design_node(formula, design_from)
    report = make_node(
        MakeReport(
            title=title,
            fwhm_mm=fwhm_mm,
            covariate_fwhm_mm=covariate_fwhm_mm,
            mask_method=mask_method,
        ),
        name='make_report',
    )
    list_sections = pe.Node(niu.Merge(len(contrasts)), name='list_sections')
    workflow.add_nodes([inputnode, outputnode, prepare_wf, report])
    maps = inputnode
    if takes_variances(model) or unmatched == 'drop':
        maps = add_matching(workflow, unmatched, variances=takes_variances(model))
    maps = add_checks(
        workflow,
        maps,
        design_fields,
        formula=formula,
        contrasts=contrasts,
        zero_is_missing=zero_is_missing,
        on_error=on_check_error,
        auto_variance_groups=auto_variance_groups,
        n_perm=n_perm,
        model=model,
        errors=errors,
        method=method,
        sidedness=sidedness,
        alpha_fwe=alpha_fwe,
        tail=tail,
        correct_contrasts=correct_contrasts,
        missing=missing,
    )
    policy = {'missing': missing, 'zero_is_missing': zero_is_missing}
    if covariates:
        fit = add_voxelwise(workflow, build_design, covariates, terms, **policy)
    else:
        fit = add_fit(workflow, model, omp_nthreads, **policy)
    workflow.connect([
        (maps, prepare_wf, [('in_files', 'inputnode.in_files')]),
        (inputnode, prepare_wf, [('mask_file', 'inputnode.mask_file')]),
        (maps, build_design, [('in_files', 'in_files')]),
        (inputnode, build_design, [(field, field) for field in design_fields]),
        (prepare_wf, fit, [('outputnode.observations_file', 'in_files'),
                           ('outputnode.mask_file', 'mask_file')]),
        (build_design, fit, [('design_file', 'design_file')]),
        (prepare_wf, outputnode, [(f'outputnode.{field}', field) for field in _PREPARED]),
        (fit if covariates else build_design, outputnode, [('design_file', 'design_file')]),
        (fit, outputnode, [('model_file', 'model_file'),
                           ('n_file', 'n_file')]),
        (list_sections, report, [('out', 'section_files')]),
        (list_sections, outputnode, [('out', 'section_files')]),
        (report, outputnode, [('report_file', 'report_file')]),
    ])  # fmt: skip
    groups = inputnode
    if auto_variance_groups:
        groups = make_node(DefineVarianceGroups(), name='define_variance_groups')
        workflow.connect(inputnode, 'blocks_file', groups, 'blocks_file')
    if model == 'ols' and not covariates:
        workflow.connect(groups, 'variance_groups_file', fit, 'variance_groups_file')
    contrast_wfs = add_contrasts(
        workflow,
        contrasts,
        groups,
        n_perm=n_perm,
        n_chunks=n_chunks,
        seed=seed,
        errors=errors,
        method=method,
        variance_fwhm_mm=variance_fwhm_mm,
        covariates=bool(covariates),
        model=model,
        sidedness=sidedness,
        missing=missing,
        alpha_uncorrected=alpha_uncorrected,
        alpha_fwe=alpha_fwe,
        cluster_threshold=cluster_threshold,
        connectivity=connectivity,
        cluster_forming_z=cluster_forming_z,
        tfce=tfce,
        tail=tail,
        fdr_method=fdr_method,
        influence=influence,
        out_dir=out_dir,
        omp_nthreads=omp_nthreads,
    )
    add_report(workflow, maps, contrast_wfs, subject_threshold)
    if joint:
        add_joint(workflow, contrast_wfs, joint, tail, out_dir)
    if out_dir is not None:
        add_group_sink(workflow, out_dir, model)
    connect_findings(workflow)
    return workflow
