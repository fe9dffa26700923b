"""From arguments to workflows."""

import warnings
from typing import NamedTuple

from ..exceptions import InputError, NistatsNipypeWarning
from .check import as_notes, check_analysis
from .contradictions import refuse_contradictions
from .contrasts import find_contrasts, list_labels, parse_contrasts, require_contrasts
from .covariates import covariate_names, find_covariates
from .designs import design_source, list_contrasts, refuse_design_contradictions
from .inputs import MASK_METHODS, check_headers, existing_file, expand_maps
from .sources import find_sources, match_sources


class Analysis(NamedTuple):
    """What is about to run.

    Attributes
    ----------
    workflow : nipype.pipeline.engine.Workflow
        With its inputs.
    labels : list of str
        Labels of the contrasts, as in the names of the results.
    notes : list of str
        What the person who waits should know beforehand.
    findings : list of Finding
        What the checks found, of which the notes are made.
    """

    workflow: object
    labels: list
    notes: list
    findings: list | tuple = ()


def _model_arguments(args):
    """Arguments of the factory that ``run`` and ``graph`` share."""
    return {
        'formula': args.formula,
        'design_from': design_source(args),
        'covariates': covariate_names(args),
        'covariate_fwhm_mm': args.covariate_fwhm,
        'model': args.model,
        'unmatched': args.unmatched,
        'on_check_error': args.on_check_error,
        'sidedness': args.sidedness,
        'fwhm_mm': args.fwhm,
        'mask_method': args.mask if args.mask in MASK_METHODS else 'given',
        'min_coverage': 1.0 if args.min_coverage is None else args.min_coverage,
        'min_observations': args.min_subjects,
        'zero_is_missing': not args.zero_is_data,
        'missing': args.missing,
        'influence': args.influence,
        'alpha_uncorrected': args.alpha_uncorrected,
        'alpha_fwe': args.alpha_fwe,
        'cluster_threshold': args.cluster_threshold,
        'connectivity': args.connectivity,
        'subject_threshold': args.subject_threshold,
        'title': args.title,
        'correct_contrasts': args.correct_contrasts,
        'auto_variance_groups': args.variance_groups == 'auto',
        **_permutation_arguments(args),
    }


def _permutation_arguments(args):
    return {
        'n_perm': args.n_perm,
        'n_chunks': args.n_chunks,
        'seed': args.seed,
        'errors': args.errors,
        'method': args.method,
        'variance_fwhm_mm': args.variance_fwhm,
        'tfce': args.tfce,
        'cluster_forming_z': args.cluster_forming_z,
        'tail': args.tail,
        'fdr_method': args.fdr_method,
        'omp_nthreads': args.n_threads,
    }


def _init_workflow(**arguments):
    """Build the workflow; what the factory warns of is among the notes of the analysis."""
    from ..workflows import init_second_level_wf

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NistatsNipypeWarning)
        return init_second_level_wf(**arguments)


def build_graph_workflow(args):
    """Build the workflow that ``graph`` draws; no maps and no tables are read."""
    refuse_design_contradictions(args)
    contrasts = {**list_contrasts(args), **parse_contrasts(args.contrast)}
    require_contrasts(args, contrasts, columns=None)
    return _init_workflow(out_dir='results', contrasts=contrasts or None, **_model_arguments(args))


def build_run(args, out_dir, *, strict=True):
    """Build what ``run`` runs, and refuse what cannot be analysed before anything runs.

    Parameters
    ----------
    args : argparse.Namespace
    out_dir : path-like
    strict : bool, default True
        Whether errors that the checks find are raised, or only listed.

    Returns
    -------
    Analysis

    Raises
    ------
    InputError
        If the arguments contradict each other, or name files that cannot be used.
    DesignError, ContrastError
        If the table, the formula and the contrasts do not fit each other and the maps.
    """
    from ..designs.findings import require_sound
    from ..images.volumes import count_volumes
    from ..workflows.covariates import check_covariates
    from ..workflows.models import check_model

    refuse_contradictions(args)
    arguments = _model_arguments(args)
    check_model(**arguments)
    if args.covariate_maps:
        check_covariates(**arguments)
    sources = find_sources(args)
    maps = sources.maps
    tmaps = expand_maps(args.tmaps) if args.tmaps else []
    given = arguments['mask_method'] == 'given'
    mask_file = existing_file(args.mask, '--mask') if given else None
    table_file = existing_file(args.table, '--table') if args.table else None
    blocks_file = existing_file(args.blocks, '--blocks') if args.blocks else None
    groups_file = None
    if args.variance_groups not in (None, 'auto'):
        groups_file = existing_file(args.variance_groups, '--variance-groups')
    check_headers(maps, mask_file)
    if sources.variances:
        check_headers([maps[0], *sources.variances])
    if tmaps and count_volumes(tmaps) != count_volumes(maps):
        raise InputError(
            '--tmaps has another number of maps than there are.',
            found=f'{count_volumes(tmaps)} t maps, {count_volumes(maps)} maps',
            expected='one t map for every map',
        )
    matched, notes = match_sources(args, sources)
    covariates, some = find_covariates(args, matched)
    contrasts, more = find_contrasts(args, matched)
    findings = check_analysis(args, matched, tmaps, contrasts, covariates)
    if strict and args.on_check_error == 'raise':
        require_sound(findings)
    notes += some + more + as_notes(findings)
    workflow = _init_workflow(contrasts=contrasts, **arguments, out_dir=out_dir)
    inputs = workflow.get_node('inputnode').inputs
    inputs.in_files = maps
    if sources.variances:
        inputs.variance_files = sources.variances
    if covariates:
        inputs.covariate_files = list(covariates.values())
    if sources.left_out:
        workflow.get_node('match_maps').inputs.left_out = sources.left_out
    if args.design_mat:
        inputs.design_file = existing_file(args.design_mat, '--design-mat')
    if args.bids_model:
        inputs.bids_model_file = existing_file(args.bids_model, '--bids-model')
    if args.bids_model_node:
        for name in ('build_design', 'check_design'):
            workflow.get_node(name).inputs.node = args.bids_model_node
    if table_file:
        inputs.table_file = table_file
    if mask_file:
        inputs.mask_file = mask_file
    if blocks_file:
        inputs.blocks_file = blocks_file
        if args.formula:
            workflow.get_node('build_design').inputs.repeated = True
    if groups_file:
        inputs.variance_groups_file = groups_file
    if tmaps:
        inputs.tmap_files = tmaps
    return Analysis(workflow, list_labels(contrasts), notes, findings)


def build_demo(args, out_dir):
    """Build what ``demo`` runs: the analysis with a simulation before it.

    Returns
    -------
    Analysis
    """
    from nipype.pipeline import engine as pe

    from ..designs.group import define_contrast
    from ..designs.lint_exchange import check_resolution, count_schedule
    from ..designs.matrices import intercept_only
    from ..interfaces import SimulateGroup

    simulate = pe.Node(
        SimulateGroup(n_subjects=args.n_subjects, resolution_mm=args.resolution, seed=args.seed),
        name='simulate_group',
        mem_gb=1,
    )
    contrasts = {'left vs right': 'intercept'}
    design = intercept_only(args.n_subjects)
    contrast = define_contrast('left vs right', 'intercept', design)
    notes = []
    if args.n_perm:
        options = {'errors': args.errors, 'method': args.method}
        schedule = count_schedule(args.n_perm, design, contrast, **options)
        asked = {'n_perm': args.n_perm, 'alpha': 0.05, 'tail': args.tail}
        findings = check_resolution(design, contrast, schedule, sidedness='two-sided', **asked)
        notes = as_notes(findings)
    second_level_wf = _init_workflow(
        contrasts=contrasts,
        title='Left against right button press (simulated)',
        subject_threshold=2.0,
        out_dir=out_dir,
        **_permutation_arguments(args),
    )
    workflow = pe.Workflow(name='demo_wf')
    workflow.connect([
        (simulate, second_level_wf, [('effect_files', 'inputnode.in_files'),
                                     ('tmap_files', 'inputnode.tmap_files')]),
    ])  # fmt: skip
    return Analysis(workflow, [contrast.label], notes)
