"""Voxelwise covariates, from the arguments that say where their maps are."""

from ..exceptions import InputError, NistatsNipypeError
from .inputs import check_headers, expand_maps, files_of_column


def covariate_names(args):
    """Names of the voxelwise covariates, as they were given."""
    return [name for name, _ in args.covariate_maps or ()]


def find_covariates(args, maps):
    """Find the maps of each voxelwise covariate.

    Parameters
    ----------
    args : argparse.Namespace
    maps : list of str
        The maps that are analysed.

    Returns
    -------
    covariates : dict of {str: list of str}
        In the order of the maps; or one 4D file.
    notes : list of str
        What the person who waits should know of it.

    Raises
    ------
    InputError
        If files do not exist, or it cannot be told whose they are.
    GridError
        If they do not lie on the grid of the maps.
    """
    from ..designs.covariates import check_covariate_names
    from ..designs.tables import load_participants
    from ..images.volumes import count_volumes

    check_covariate_names(covariate_names(args))
    unique = not args.blocks  # which say that the maps of a participant depend on each other
    columns = load_participants(args.table, unique=unique).columns if args.table else ()
    covariates, notes = {}, []
    for name, source in args.covariate_maps or ():
        if source in columns:
            covariates[name] = _of_table(args, maps, source, unique)
        else:
            files = _of_files(name, source, columns)
            if len(files) == 1 and count_volumes(files) > 1:
                notes.append(
                    f'The volumes of {source} belong to the maps by their position alone, from '
                    f'{maps[0]} to {maps[-1]}. Check that the order is the same.'
                )
            else:
                files = _by_subject(name, files, maps)
            covariates[name] = files
        check_headers([maps[0], *covariates[name]])
    return covariates, notes


def _of_table(args, maps, column, unique):
    from ..designs.group import rows_of_maps

    rows = rows_of_maps(maps, args.table, unique=unique)
    return files_of_column(rows, column, args.table)


def _of_files(name, source, columns):
    try:
        return expand_maps([source])
    except NistatsNipypeError as error:
        listed = f'; columns {", ".join(map(str, columns))}' if len(columns) else ''
        raise InputError(
            f'The maps of the voxelwise covariate {name} were not found.',
            found=f'{source}: {error.found}{listed}',
            expected='a column of --table that names them, a 4D file, or a pattern',
            advice=f'For instance --covariate-maps {name}={name}_file.',
        ) from error


def _by_subject(name, files, maps):
    """Put 3D maps in the order of the subjects of the maps."""
    from ..designs.tables import some, subject_label

    labels, wanted = ([subject_label(path) for path in paths] for paths in (files, maps))
    for paths, found in ((files, labels), (maps, wanted)):
        if None in found or len({*found}) < len(found):
            raise InputError(
                f'It cannot be told which map each map of {name} belongs to.',
                found=some(paths),
                expected='one sub-<label> in each of their names or folders, and of the maps',
                advice='Name them in a column of --table, or give one 4D file in the order of the '
                'maps.',
            )
    absent = [label for label in wanted if label not in labels]
    if absent:
        raise InputError(
            f'Subjects have no map of {name}.',
            found=some(absent),
            expected='a map for each of the maps that are analysed',
            advice='Add them, or leave those subjects out.',
        )
    return [files[labels.index(label)] for label in wanted]
