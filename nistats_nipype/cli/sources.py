"""Maps and their variances, from the arguments that say where they are."""

from typing import NamedTuple

from ..exceptions import InputError
from .inputs import expand_maps, maps_from_table


class Sources(NamedTuple):
    """Maps to analyse.

    Attributes
    ----------
    maps : list of str
    variances : list of str
        Empty if the model takes none; in any order.
    left_out : list of dict
        Subjects without a map: ``file`` and ``reason``.
    """

    maps: list
    variances: list
    left_out: list


def check_sources(args):
    """Refuse sources of maps and variances that are missing, or too many, or go unused.

    Raises
    ------
    InputError
    """
    given = [bool(source) for source in (args.maps, args.map_column, args.derivatives)]
    if sum(given) != 1 or (args.map_column and not args.table):
        raise InputError(
            'It is not clear which maps to analyse.',
            expected='either --maps, or --table with --map-column, or --derivatives',
        )
    if args.entities and not args.derivatives:
        raise InputError('--entities needs --derivatives, which it selects maps of.')
    variances = [source for source in (args.variance_maps, args.variance_column) if source]
    if args.variance_column and not args.map_column:
        raise InputError(
            '--variance-column needs --map-column.',
            expected='a map and its variances in every row of --table',
        )
    needed = args.model not in ('ols', 'robust')
    if needed and len(variances) + bool(args.derivatives) != 1:
        raise InputError(
            f'--model {args.model} needs the variances of the maps.',
            found='more than one source' if variances else 'none',
            expected='either --variance-maps, or --variance-column, or --derivatives',
        )
    if variances and not needed:
        raise InputError(
            'Nothing of the variances would be used.',
            found=f'--model {args.model}',
            expected='--model reml, dl or fixed',
        )
    if args.model == 'robust' and args.variance_groups:
        raise InputError(
            '--model robust has no variance groups: the scale is one of all residuals.',
            found='--variance-groups',
        )
    if needed and args.variance_groups:
        raise InputError(
            f'--model {args.model} has no variance groups: each map has a variance of its own.',
            found='--variance-groups',
        )
    if args.influence and (args.model != 'ols' or args.variance_groups):
        raise InputError(
            '--influence is measured on t and F of least squares.',
            found='--variance-groups' if args.model == 'ols' else f'--model {args.model}',
            expected='--model ols, without --variance-groups',
        )
    if args.unmatched == 'drop':
        _check_dropping(args, needed)


def _check_dropping(args, needed):
    by_position = {
        '--blocks': args.blocks,
        '--variance-groups': args.variance_groups,
        '--tmaps': args.tmaps,
    }
    if any(by_position.values()):
        raise InputError(
            '--unmatched drop does not go with what has a line for every map.',
            found=', '.join(filter(by_position.get, by_position)),
            advice='Leave out the maps that have no counterpart, and their lines.',
        )
    if not (needed or args.table or args.derivatives):
        raise InputError(
            '--unmatched drop has nothing to match.',
            expected='variances, --table or --derivatives',
        )


def find_sources(args):
    """Find the maps and, if the model takes them, their variances.

    Raises
    ------
    InputError
        If files do not exist; see also :func:`nistats_nipype.datasets.select_maps`.
    """
    if not args.derivatives:
        unique = not args.blocks  # which say that the maps of a participant depend on each other
        if args.maps:
            maps = expand_maps(args.maps)
        else:
            maps = maps_from_table(args.table, args.map_column, unique=unique)
        variances = expand_maps(args.variance_maps) if args.variance_maps else []
        if args.variance_column:
            variances = maps_from_table(args.table, args.variance_column, unique=unique)
        return Sources(maps, variances, [])
    from ..datasets import select_maps

    selection = select_maps(
        args.derivatives,
        dict(args.entities or []),
        variances=args.model not in ('ols', 'robust'),
        unmatched=args.unmatched,
    )
    return Sources(selection.effect_files, selection.variance_files or [], selection.dropped)


def match_sources(args, sources):
    """Match maps, variances and rows as the workflow will; give the maps that are left, and notes.

    Raises
    ------
    InputError
        See :func:`nistats_nipype.designs.matching.match_maps`.
    """
    from ..designs.matching import match_maps
    from ..images.volumes import count_volumes
    from ..viz.estimators import describe_dropped

    if not sources.variances and args.unmatched == 'error':
        return sources.maps, []
    matched = match_maps(
        sources.maps, sources.variances or None, args.table, unmatched=args.unmatched
    )
    both = [matched.in_files] + ([matched.variance_files] if sources.variances else [])
    counts = [count_volumes(each) for each in both]
    if len(set(counts)) > 1:
        raise InputError(
            'There is not one map of variances for every map.',
            found=f'{counts[1]} maps of variances, {counts[0]} maps',
        )
    return matched.in_files, describe_dropped({'Dropped': sources.left_out + matched.dropped})
