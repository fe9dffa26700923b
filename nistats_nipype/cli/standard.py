"""Write a standard design."""

import shlex
from pathlib import Path

from ..exceptions import OutputError
from .inputs import existing_file, maps_from_table

#: Arguments that go to the builder under their names.
_COLUMNS = ('subject', 'group', 'within', 'covariates', 'nuisance', 'effect', 'reference')


def write_design(args):
    """Run ``design``: write the files and show how to go on; return the exit code.

    Raises
    ------
    NistatsNipypeError
        If the table does not allow the design, or the folder cannot be written to.
    """
    from ..interfaces.standard import REPEATED, load_standard_design, save_standard_design

    table_file = existing_file(args.table, '--table')
    maps = maps_from_table(table_file, args.map_column, unique=args.kind not in REPEATED)
    given = {name: getattr(args, name) for name in _COLUMNS if getattr(args, name) is not None}
    given |= {'equal_variance': False} if args.unequal_variance else {}
    given |= {'interaction': True} if args.interaction else {}
    built, metadata = load_standard_design(maps, table_file, args.kind, given)
    out_dir = Path(args.out_dir).absolute()
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f'The folder {out_dir} could not be made.',
            found=error.strerror,
            advice='Choose a folder that can be written to.',
        ) from error
    found = save_standard_design(built, metadata, out_dir)
    print(built.description)
    for path in found.values():
        for each in [path] if isinstance(path, str) else path:
            print(f'  {each}')
    if built.averages is not None:
        print(
            'Its rows are averages of maps, which `run` does not make: use AverageMaps with '
            'averages_file in a workflow.'
        )
        return 0
    print('To run it:\n  ' + shlex.join(_command(args, built, found)))
    return 0


def _command(args, built, found):
    command = ['nistats-nipype', 'run', 'RESULTS', '--table', args.table]
    command += ['--map-column', args.map_column, '--design-mat', found['design_file']]
    for name, definition in built.contrasts.items():
        columns = [definition] if isinstance(definition, str) else definition
        marked = ', '.join(columns if len(columns) == 1 else [f'`{each}`' for each in columns])
        command += ['--contrast', f'{name}={marked}']
    if built.blocks is not None:
        command += ['--blocks', found['blocks_file']]
    if built.groups is not None:
        command += ['--variance-groups', found['variance_groups_file']]
    return command
