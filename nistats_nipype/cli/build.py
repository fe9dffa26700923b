"""From arguments to workflows."""

import glob
import json
import os
from pathlib import Path

from ..exceptions import ContrastError, InputError


def expand_maps(patterns):
    """Expand patterns to absolute paths, sorted within each pattern.

    Parameters
    ----------
    patterns : list of str
        Files, or patterns with ``*``, ``?``, ``[]`` or ``**``.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If a pattern matches nothing or a file does not exist.
    """
    paths = []
    for pattern in patterns:
        # A name that exists is a file, even if it has brackets in it.
        matches = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)
        if not matches:
            raise InputError(
                'No map was found.',
                found=f'nothing that is named {pattern}, seen from {os.getcwd()}',
                expected='existing files',
                advice="Check the path; put patterns in quotes ('glm/*.nii.gz').",
            )
        paths += sorted(os.path.abspath(match) for match in matches)
    return paths


def maps_from_table(table_file, column):
    """Read the maps from a column of a table.

    Raises
    ------
    InputError
        If there is no such table or column, a cell is empty, or a file does not exist.
    """
    from ..designs.tables import load_participants

    table = load_participants(table_file)
    if column not in table:
        raise InputError(
            f'The table has no column {column!r}.',
            found=f'columns {", ".join(map(str, table.columns))}',
            advice='Check --map-column.',
        )
    folder = Path(table_file).absolute().parent
    paths = []
    for row, value in enumerate(table[column]):
        path = folder / value if isinstance(value, str) else None
        if path is None or not path.is_file():
            raise InputError(
                f'Row {row} of {table_file} names no map.',
                found=f'{value}',
                expected=f'an existing file in column {column!r}, seen from {folder}',
            )
        paths.append(str(path))
    return paths


def parse_contrasts(definitions):
    """Read ``NAME=DEFINITION`` arguments.

    Returns
    -------
    dict or None
        Definitions by name; None if there are none.

    Examples
    --------
    >>> parse_contrasts(['age=age', 'difference=[0, 1, -1]'])
    {'age': 'age', 'difference': [0, 1, -1]}
    """
    if not definitions:
        return None
    contrasts = {}
    for text in definitions:
        name, equals, definition = (part.strip() for part in text.partition('='))
        if not (name and equals and definition):
            raise ContrastError(
                'A contrast cannot be read.',
                found=text,
                expected='NAME=DEFINITION',
                advice="For instance --contrast 'age=age'.",
            )
        if name in contrasts:
            raise ContrastError('A contrast is defined twice.', found=name)
        if definition.startswith('['):
            try:
                definition = json.loads(definition)
            except json.JSONDecodeError as error:
                raise ContrastError(
                    f'The weights of contrast {name!r} cannot be read.',
                    found=definition,
                    expected="numbers in brackets, '[0, 1, -1]', or rows of them",
                ) from error
        contrasts[name] = definition
    return contrasts


def _model_arguments(args):
    """Arguments of the factory that ``run`` and ``graph`` share."""
    arguments = {
        'formula': args.formula,
        'sidedness': args.sidedness,
        'fwhm_mm': args.fwhm,
        **_permutation_arguments(args),
    }
    contrasts = parse_contrasts(args.contrast)
    if contrasts is not None:
        arguments['contrasts'] = contrasts
    return arguments


def _permutation_arguments(args):
    if args.n_perm < 0 or args.n_chunks < 1:
        raise InputError(
            '--n-perm or --n-chunks is too small.',
            found=f'{args.n_perm} relabellings in {args.n_chunks} jobs',
            expected='at least 0 relabellings, in at least 1 job',
        )
    return {
        'n_perm': args.n_perm,
        'n_chunks': args.n_chunks,
        'seed': args.seed,
        'errors': args.errors,
    }


def build_graph_workflow(args):
    """Build the workflow that ``graph`` draws."""
    from ..workflows import init_second_level_wf

    return init_second_level_wf(out_dir='results', **_model_arguments(args))


def build_run_workflow(args, out_dir):
    """Build the workflow that ``run`` runs, with its inputs."""
    from ..workflows import init_second_level_wf

    if args.formula and not args.table:
        raise InputError(
            '--formula needs --table.', expected='the table that has its variables as columns'
        )
    if bool(args.maps) == bool(args.map_column) or (args.map_column and not args.table):
        raise InputError(
            'It is not clear which maps to analyse.',
            expected='either --maps, or --table with --map-column',
        )
    maps = expand_maps(args.maps) if args.maps else maps_from_table(args.table, args.map_column)
    method = args.mask if args.mask in _MASK_METHODS else 'given'
    if args.min_coverage is not None and method != 'coverage':
        raise InputError('--min-coverage needs --mask coverage.', found=f'--mask {args.mask}')
    workflow = init_second_level_wf(
        **_model_arguments(args),
        mask_method=method,
        min_coverage=1.0 if args.min_coverage is None else args.min_coverage,
        zero_is_missing=not args.zero_is_data,
        missing=args.missing,
        alpha_uncorrected=args.alpha_uncorrected,
        alpha_fwe=args.alpha_fwe,
        cluster_threshold=args.cluster_threshold,
        connectivity=args.connectivity,
        subject_threshold=args.subject_threshold,
        title=args.title,
        out_dir=out_dir,
        omp_nthreads=args.n_threads,
    )
    inputs = workflow.get_node('inputnode').inputs
    inputs.in_files = maps
    if args.table:
        inputs.table_file = _existing(args.table, '--table')
    if method == 'given':
        inputs.mask_file = _existing(args.mask, '--mask')
    if args.tmaps:
        inputs.tmap_files = expand_maps(args.tmaps)
    return workflow


_MASK_METHODS = ('intersection', 'coverage', 'template')


def _existing(path, option):
    if not os.path.isfile(path):
        raise InputError(
            f'The file of {option} does not exist.',
            found=path,
            expected='an existing file'
            + (f', or {", ".join(_MASK_METHODS)}' if option == '--mask' else ''),
        )
    return os.path.abspath(path)


def build_demo_workflow(args, out_dir):
    """Build the workflow of ``demo``: the analysis with a simulation before it."""
    from nipype.pipeline import engine as pe

    from ..interfaces import SimulateGroup
    from ..workflows import init_second_level_wf

    simulate = pe.Node(
        SimulateGroup(n_subjects=args.n_subjects, resolution_mm=args.resolution, seed=args.seed),
        name='simulate_group',
        mem_gb=1,
    )
    second_level_wf = init_second_level_wf(
        contrasts={'left vs right': 'intercept'},
        title='Left against right button press (simulated)',
        subject_threshold=2.0,
        out_dir=out_dir,
        omp_nthreads=args.n_threads,
        **_permutation_arguments(args),
    )
    workflow = pe.Workflow(name='demo_wf')
    workflow.connect([
        (simulate, second_level_wf, [('effect_files', 'inputnode.in_files'),
                                     ('tmap_files', 'inputnode.tmap_files')]),
    ])  # fmt: skip
    return workflow
