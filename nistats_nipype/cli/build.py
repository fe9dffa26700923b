"""From arguments to workflows."""

import json
import warnings
from typing import NamedTuple

from ..exceptions import ContrastError, InputError, NistatsNipypeWarning
from .check import as_notes, check_analysis
from .designs import (
    design_source,
    list_contrasts,
    load_design_of_arguments,
    refuse_design_contradictions,
)
from .inputs import MASK_METHODS, check_headers, existing_file, expand_maps
from .sources import check_sources, find_sources, match_sources


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


def parse_contrasts(definitions):
    """Read ``NAME=DEFINITION`` arguments.

    Returns
    -------
    dict
        Definitions by name.

    Raises
    ------
    ContrastError
        If one cannot be read, or a name is used twice.

    Examples
    --------
    >>> parse_contrasts(['age=age', 'difference=[0, 1, -1]'])
    {'age': 'age', 'difference': [0, 1, -1]}
    """
    contrasts = {}
    for text in definitions or ():
        name, equals, definition = (part.strip() for part in text.partition('='))
        if not (name and equals and definition):
            raise ContrastError(
                'A contrast cannot be read.',
                found=text,
                expected='NAME=DEFINITION',
                advice="For instance --contrast 'age=age'.",
            )
        if name in contrasts:
            raise ContrastError(f'Two contrasts have the name {name!r}.', expected='one for each')
        if definition.startswith('['):
            try:
                definition = json.loads(definition)
            except json.JSONDecodeError as error:
                raise ContrastError(
                    f'The weights of contrast {name!r} cannot be read.',
                    found=definition,
                    expected="numbers in brackets, '[0, 1, -1]', or rows of them for F, "
                    "'[[0, 1, 0], [0, 0, 1]]'",
                ) from error
        contrasts[name] = definition
    return contrasts


def _model_arguments(args):
    """Arguments of the factory that ``run`` and ``graph`` share."""
    return {
        'formula': args.formula,
        'design_from': design_source(args),
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
    _require_contrasts(args, contrasts, columns=None)
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
    from ..workflows.models import check_model

    _refuse_contradictions(args)
    arguments = _model_arguments(args)
    check_model(
        args.model,
        fwhm_mm=args.fwhm,
        n_perm=args.n_perm,
        auto_variance_groups=args.variance_groups == 'auto',
    )
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
    contrasts, more = _find_contrasts(args, matched)
    findings = check_analysis(args, matched, tmaps, contrasts)
    if strict and args.on_check_error == 'raise':
        require_sound(findings)
    notes += more + as_notes(findings)
    workflow = _init_workflow(contrasts=contrasts, **arguments, out_dir=out_dir)
    inputs = workflow.get_node('inputnode').inputs
    inputs.in_files = maps
    if sources.variances:
        inputs.variance_files = sources.variances
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
    return Analysis(workflow, _labels(contrasts), notes, findings)


def _labels(contrasts):
    from ..designs.contrasts import contrast_label

    return [contrast_label(name) for name in contrasts]


def _refuse_contradictions(args):
    """Refuse arguments that need each other, or of which one would go unused."""
    refuse_design_contradictions(args)
    if args.formula and not args.table:
        raise InputError(
            '--formula needs --table.', expected='the table that has its variables as columns'
        )
    check_sources(args)
    if args.table and not (args.formula or args.bids_model or args.map_column):
        raise InputError(
            'Nothing of --table would be used.',
            found='neither --formula nor --map-column',
            expected='a model of its columns, or a column that names the maps',
            advice="For instance --formula 'group + age'; without --table, the mean is tested.",
        )
    unused = {
        '--tfce': args.tfce,
        '--cluster-forming-z': args.cluster_forming_z is not None,
        '--blocks': args.blocks and args.variance_groups != 'auto',
        '--method': args.method != 'freedman-lane',
        '--variance-fwhm': args.variance_fwhm,
        '--tail': args.tail != 'none',
        '--fdr-method': args.fdr_method != 'BH',
        '--correct-contrasts': args.correct_contrasts,
    }
    if not args.n_perm and any(unused.values()):
        raise InputError(
            f'For permutation inference only: {", ".join(filter(unused.get, unused))}.',
            found='--n-perm 0',
            expected='--n-perm of at least 1',
        )
    if args.variance_groups == 'auto' and not args.blocks:
        raise InputError(
            '--variance-groups auto needs --blocks, which it makes the groups of.',
            advice='Give a file of variance groups, one whole number per map.',
        )
    if args.variance_groups and args.variance_fwhm:
        raise InputError(
            'The variance cannot both be smoothed and be that of groups.',
            found='--variance-groups and --variance-fwhm',
        )
    least = {'--min-coverage': args.min_coverage, '--min-subjects': args.min_subjects}
    given = [option for option, value in least.items() if value is not None]
    if given and args.mask != 'coverage':
        raise InputError(f'{given[0]} needs --mask coverage.', found=f'--mask {args.mask}')
    if args.mask == 'coverage' and len(given) != 1:
        raise InputError(
            '--mask coverage needs either --min-coverage or --min-subjects.',
            found=' and '.join(given) or 'neither',
            expected='the share of the maps that must cover a voxel, for instance 0.9, or their '
            'number',
        )


def _require_contrasts(args, contrasts, columns):
    """Ask which columns of a design are tested: no default would be everyone's."""
    if (args.formula or args.design_mat) and not contrasts:
        example = next((name for name in columns or () if name != 'intercept'), 'age')
        option, value = '--formula', args.formula
        if args.design_mat:
            option, value = '--design-mat', args.design_mat
        raise ContrastError(
            f'{option} needs --contrast{" or --design-con" * bool(args.design_mat)}: what is '
            'tested?',
            found=f'columns {", ".join(columns)}' if columns else f'{option} {value!r}',
            expected='a contrast of the columns of the design',
            advice=f"For instance --contrast 'effect={example}'.",
        )


def _find_contrasts(args, maps):
    """Contrasts by name, and what is to be said of the design; a design has to have one."""
    contrasts, notes = {}, []
    if args.design_mat or args.bids_model:
        _, contrasts, notes = load_design_of_arguments(args, maps)
    contrasts |= parse_contrasts(args.contrast)
    if (args.formula or args.design_mat) and not contrasts:
        design, _, _ = load_design_of_arguments(args, maps)
        _require_contrasts(args, contrasts, list(design.columns))
    return contrasts or {'mean': 'intercept'}, notes


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
