"""Arguments of the command line: argparse and nothing else."""

import argparse
from difflib import get_close_matches

from .. import __version__
from .design_options import add_design_command, add_design_options
from .options import add_checks, add_coverage, add_derivatives, add_graph, add_variances
from .values import not_negative, p_value, positive, whole

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
    _add_permutation(demo)
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
    _add_maps(parser)
    _add_model(parser)
    _add_permutation(parser).add_argument(
        '--correct-contrasts',
        action='store_true',
        help='correct p over voxels and contrasts together, too (-corrcon of PALM)',
    )
    _add_thresholds(parser)
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


def _add_maps(parser):
    group = parser.add_argument_group('maps')
    group.add_argument(
        '--maps',
        nargs='+',
        metavar='MAP',
        help="effect maps, one per observation: files, patterns ('glm/*.nii.gz'), or one 4D file",
    )
    group.add_argument(
        '--map-column',
        metavar='COLUMN',
        help='column of --table that names the maps, in place of --maps; relative paths start at '
        "the table's folder",
    )
    add_derivatives(group)
    group.add_argument(
        '--tmaps', nargs='+', metavar='MAP', help='t maps of the subjects, for the figure of all'
    )
    group.add_argument(
        '--subject-threshold',
        type=not_negative,
        metavar='T',
        help='values below are not drawn in the figure of all subjects',
    )
    group.add_argument(
        '--mask',
        default='intersection',
        metavar='FILE|METHOD',
        help='a mask image, or one of intersection (of what all maps cover), coverage (see '
        '--min-coverage), template (MNI152 brain) (default: %(default)s)',
    )
    add_coverage(group)
    group.add_argument(
        '--zero-is-data',
        action='store_true',
        help='take exact 0 in a map as a value; by default it is missing, as NaN always is',
    )
    group.add_argument(
        '--missing',
        choices=('error', 'drop_voxel', 'per_voxel'),
        default='error',
        help='missing values inside the mask: refuse, leave the voxel out, or fit and permute '
        'each voxel on the maps observed there (default: %(default)s)',
    )


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


def _add_permutation(parser):
    """Add the options of every permutation test; give their group."""
    group = parser.add_argument_group('permutation inference')
    group.add_argument(
        '--n-perm',
        type=whole(0),
        default=10000,
        metavar='N',
        help='relabellings beside the observed one; 0 for none (default: %(default)s)',
    )
    group.add_argument(
        '--n-chunks',
        type=whole(1),
        default=2,
        metavar='N',
        help='jobs that share them, without influence on the result (default: %(default)s)',
    )
    group.add_argument(
        '--seed',
        type=whole(0, 2**64 - 1),
        default=0,
        metavar='N',
        help='seed of the relabellings (default: %(default)s)',
    )
    group.add_argument(
        '--errors',
        choices=('auto', 'exchangeable', 'symmetric', 'both'),
        default='auto',
        help='permute, flip signs, both, or chosen by the design (default: %(default)s)',
    )
    group.add_argument(
        '--method',
        choices=('freedman-lane', 'huh-jhun', 'dekker', 'ter-braak', 'draper-stoneman', 'manly'),
        default='freedman-lane',
        help='what is relabelled (default: %(default)s)',
    )
    group.add_argument(
        '--variance-fwhm',
        type=not_negative,
        default=0.0,
        metavar='MM',
        help='smooth the error variance: pseudo-t, for small groups (default: %(default)s)',
    )
    group.add_argument(
        '--tfce', action='store_true', help='add inference with TFCE (E = 0.5, H = 2)'
    )
    group.add_argument(
        '--cluster-forming-z',
        type=positive,
        metavar='Z',
        help='add inference on extent and mass of the clusters beyond this z, for instance 3.1',
    )
    group.add_argument(
        '--tail',
        choices=('none', 'gpd', 'gamma'),
        default='none',
        help='read small p, corrected and uncorrected, off a distribution fitted to the null: '
        'generalised Pareto for its upper tail, or gamma for all of it (default: %(default)s)',
    )
    group.add_argument(
        '--fdr-method',
        choices=('BH', 'BKY'),
        default='BH',
        help='false discovery rate by Benjamini-Hochberg, or Benjamini-Krieger-Yekutieli at .05 '
        '(default: %(default)s)',
    )
    return group


def _add_thresholds(parser):
    group = parser.add_argument_group('thresholds')
    group.add_argument(
        '--alpha-uncorrected',
        type=p_value,
        default=0.001,
        metavar='P',
        help='uncorrected p (default: %(default)s)',
    )
    group.add_argument(
        '--alpha-fwe',
        type=p_value,
        default=0.05,
        metavar='P',
        help='familywise-error-corrected p (default: %(default)s)',
    )
    group.add_argument(
        '--cluster-threshold',
        type=whole(0),
        default=0,
        metavar='K',
        help='smallest cluster in voxels (default: %(default)s)',
    )
    group.add_argument(
        '--connectivity',
        type=int,
        choices=(6, 18, 26),
        default=26,
        help='neighbours of a voxel (default: %(default)s)',
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
