"""Arguments of the command line: argparse and nothing else."""

import argparse
from difflib import get_close_matches

from .. import __version__
from .design_options import add_design_command, add_design_options
from .inference_options import add_permutation, add_thresholds
from .options import add_checks, add_covariates, add_graph, add_maps, add_variances
from .values import not_negative, whole

_RUN_EXAMPLES = """\
examples:
  one-sample test of all maps of a folder:
    nistats-nipype run results --maps 'glm/*_stat-effect_statmap.nii.gz'

  patients against controls, age as nuisance, maps named by a column of the table:
    nistats-nipype run results --table participants.tsv --map-column effect_file \\
        --formula 'group + age' --contrast 'patient > control=group[T.patient]'

  on a SLURM cluster, the relabellings in 16 jobs:
    nistats-nipype run results --maps 'glm/*.nii.gz' --n-perm 10000 --n-chunks 16 \\
        --plugin SLURM --plugin-args slurm.yml
"""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong, and not all that would have been right."""

    def error(self, message):
        """Explain bad arguments and leave with exit code 2."""
        self.exit(2, f'{self.prog}: {message}\nHelp: {self.prog} --help\n')


class _CommandParser(_Parser):
    """The parser of one command."""

    def parse_known_args(self, args=None, namespace=None):
        """Refuse what is not known, which argparse leaves to the main parser."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f'unknown argument: {unknown[0]}{self._hint(unknown[0])}')
        return known, unknown

    def _hint(self, argument):
        if not argument.startswith('-'):
            return '\nMaps go behind --maps.' if '--maps' in self._option_string_actions else ''
        close = get_close_matches(argument.partition('=')[0], self._option_string_actions, n=1)
        return f'\nDid you mean {close[0]}?' if close else ''


def get_parser():
    """Build the parser of ``nistats-nipype``.

    Examples
    --------
    >>> get_parser().parse_args(['demo', 'out']).n_perm
    10000
    """
    parser = _Parser(
        prog='nistats-nipype',
        description='Second-level (group) analysis of brain maps, run as a nipype workflow.',
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    commands = parser.add_subparsers(
        dest='command', required=True, metavar='COMMAND', parser_class=_CommandParser
    )
    _add_demo(commands)
    _add_run(commands)
    _add_check(commands)
    _add_graph(commands)
    add_design_command(commands)
    commands.add_parser(
        'plugins',
        help='list the execution plugins',
        description='List the execution plugins (see --plugin of run), whether each can be used '
        'on this machine, and why not.',
    )
    return parser


def _add_demo(commands):
    demo = commands.add_parser(
        'demo',
        help='simulate a group and analyse it',
        description='Simulate a group with a planted motor activation, and analyse it. '
        'Needs no network.',
    )
    demo.add_argument('out_dir', metavar='OUT', help='folder of the results')
    demo.add_argument(
        '--n-subjects',
        type=whole(2, 9999),
        default=16,
        metavar='N',
        help='simulated subjects (default: %(default)s)',
    )
    demo.add_argument(
        '--resolution',
        type=whole(1, 8),
        default=3,
        metavar='MM',
        help='voxel size (default: %(default)s)',
    )
    add_permutation(demo)
    _add_execution(demo)


def _add_run(commands):
    run = commands.add_parser(
        'run',
        help='analyse maps',
        description='Analyse maps: mask, smooth, fit, test, permute, draw, report.',
        epilog=_RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument('out_dir', metavar='OUT', help='folder of the results')
    _add_analysis(run)


def _add_check(commands):
    check = commands.add_parser(
        'check',
        help='find what is wrong with a design',
        description='Check design, contrasts, blocks and maps, and list what is wrong or in '
        'doubt, with what to do about it. Takes the options of `run`, so that a command can be '
        'checked before it is run. The exit code is 1 if there are errors. `run` makes the same '
        'checks.',
    )
    check.add_argument(
        'out_dir', metavar='OUT', nargs='?', help='as for `run`; nothing is written there'
    )
    check.add_argument('--json', action='store_true', help='list in JSON')
    _add_analysis(check)


def _add_analysis(parser):
    add_maps(parser)
    _add_model(parser)
    add_permutation(parser).add_argument(
        '--correct-contrasts',
        action='store_true',
        help='correct p over voxels and contrasts together, too (-corrcon of PALM)',
    )
    add_thresholds(parser)
    parser.add_argument('--title', default='Second-level analysis', help='title of the report')
    _add_execution(parser)


def _add_graph(commands):
    graph = commands.add_parser(
        'graph',
        help='draw the workflow',
        description='Draw the graph of the workflow that `run` would run. Takes the options of '
        '`run`, so that a command can be drawn before it is run; maps and tables are not read. '
        'With --of-run, what has become of a run.',
    )
    add_graph(graph)
    _add_analysis(graph)


def _add_model(parser):
    group = parser.add_argument_group('model')
    group.add_argument('--table', metavar='FILE', help='participants table (TSV, or CSV)')
    group.add_argument(
        '--formula',
        help="right-hand side of the model, e.g. 'group + age' (default: intercept only)",
    )
    add_design_options(group)
    group.add_argument(
        '--contrast',
        action='append',
        metavar='NAME=DEFINITION',
        help="a column, an expression ('patient - control'), a whole effect ('F(group)'), several "
        "with commas for F, or weights in brackets ('[0, 1, -1]', '[[0, 1, 0], [0, 0, 1]]'); "
        'repeatable (default without a design: mean=intercept)',
    )
    add_covariates(group)
    add_variances(group)
    add_checks(group)
    group.add_argument(
        '--blocks',
        metavar='FILE',
        help="exchangeability blocks in PALM's format, one row of whole numbers per map",
    )
    group.add_argument(
        '--variance-groups',
        metavar='FILE|auto',
        help='groups of maps with variances of their own, one whole number per map, or auto: by '
        '--blocks; t is then v, and F is G',
    )
    group.add_argument(
        '--sidedness',
        choices=('two-sided', 'positive', 'negative'),
        default='two-sided',
        help='side of t contrasts (default: %(default)s)',
    )
    group.add_argument(
        '--fwhm',
        type=not_negative,
        default=8.0,
        metavar='MM',
        help='smoothing; 0 for none (default: %(default)s)',
    )


def _add_execution(parser):
    group = parser.add_argument_group('execution')
    group.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder of intermediate results; the same command resumes there (default: OUT/work)',
    )
    group.add_argument(
        '--plugin',
        default='MultiProc',
        help='execution plugin: Linear, MultiProc, SLURM, SGE, Dask, or another of nipype; the '
        'command `plugins` lists all (default: %(default)s)',
    )
    group.add_argument('--plugin-args', metavar='FILE', help='its arguments, a YAML or JSON file')
    group.add_argument(
        '--n-procs',
        type=whole(1),
        metavar='N',
        help='processes of MultiProc (default: all processors)',
    )
    group.add_argument(
        '--n-threads',
        type=whole(1),
        default=1,
        metavar='N',
        help='threads per job (default: %(default)s)',
    )
