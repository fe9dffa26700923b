"""The design that arguments ask for, wherever it is from."""

from ..exceptions import InputError
from .covariates import covariate_names
from .inputs import existing_file


def refuse_design_contradictions(args):
    """Refuse options of designs that exclude or need each other.

    Raises
    ------
    InputError
    """
    sources = {
        '--formula': args.formula,
        '--design-mat': args.design_mat,
        '--bids-model': args.bids_model,
    }
    given = [option for option, value in sources.items() if value]
    if len(given) > 1:
        raise InputError(
            'There is more than one design.', found=', '.join(given), expected='one of them'
        )
    if args.design_mat and args.unmatched == 'drop':
        raise InputError(
            '--unmatched drop does not go with --design-mat, which has a row for every map.',
            advice='Leave out the maps that have no counterpart, and their rows.',
        )
    for option, value, needed, there in (
        ('--design-con', args.design_con, '--design-mat', args.design_mat),
        ('--design-fts', args.design_fts, '--design-con', args.design_con),
        ('--bids-model-node', args.bids_model_node, '--bids-model', args.bids_model),
    ):
        if value and not there:
            raise InputError(f'{option} needs {needed}.')


def design_source(args):
    """Say where the design is from, as ``init_second_level_wf`` has it."""
    return 'file' if args.design_mat else 'bids-model' if args.bids_model else 'formula'


def list_contrasts(args):
    """List the contrasts that the files of the design name, without looking at maps or tables.

    Returns
    -------
    dict
        Names as keys. For a model what they weigh is left open, as it depends on the table.

    Raises
    ------
    InputError
        If a file does not exist or cannot be read.
    """
    if args.bids_model:
        from ..designs.bids_model import load_bids_model

        model = load_bids_model(
            existing_file(args.bids_model, '--bids-model'), args.bids_model_node
        )
        dummies = model.variables if model.dummies is None else model.dummies
        names = [name for name, _, _ in model.contrasts]
        return dict.fromkeys([*names, *dummies], 'intercept')
    if args.design_con:
        from ..designs.fsl import load_fsl_contrasts

        fts_file = existing_file(args.design_fts, '--design-fts') if args.design_fts else None
        return load_fsl_contrasts(existing_file(args.design_con, '--design-con'), fts_file)
    return {}


def load_design_of_arguments(args, maps):
    """Make the design as the workflow will.

    Parameters
    ----------
    args : argparse.Namespace
    maps : list of str

    Returns
    -------
    design : pandas.DataFrame of shape (N, P)
        Without voxelwise covariates.
    contrasts : dict
        Those that the files of the design define.
    notes : list of str
        What the person who waits should know of it.

    Raises
    ------
    InputError, DesignError, ContrastError
        If files cannot be read, or do not fit each other or the maps.
    """
    from ..designs.covariates import split_formula, without_placeholders
    from ..designs.given import design_from_file, design_from_model
    from ..designs.group import design_of_maps

    if args.design_mat:
        path = existing_file(args.design_mat, '--design-mat')
        list_contrasts(args)  # says which file does not exist
        found = design_from_file(maps, path, args.design_con, args.design_fts)
        last = f' to {maps[-1]}' if len(maps) > 1 else ''
        note = (
            f'Rows of {args.design_mat} belong to the maps by their position alone: '
            f'{len(found.design)} rows, from {maps[0]}{last}. Check that the order is the same.'
        )
        design = without_placeholders(found.design, covariate_names(args))
        return design, found.contrasts, [note]
    if args.bids_model:
        path = existing_file(args.bids_model, '--bids-model')
        found = design_from_model(maps, path, args.table, args.bids_model_node)
        return found.design, found.contrasts, []
    unique = not args.blocks  # which say that the maps of a participant depend on each other
    formula, _ = split_formula(args.formula, covariate_names(args))
    return design_of_maps(maps, formula, args.table, unique=unique), {}, []
