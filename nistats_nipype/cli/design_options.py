"""Options of designs from other tools, and of standard ones: argparse and nothing else."""


def add_design_options(group):
    """Add options that name a design in place of a formula.

    Parameters
    ----------
    group : argparse.ArgumentParser or argument group
    """
    group.add_argument(
        '--design-mat',
        metavar='FILE',
        help="design matrix in place of --formula: FSL's design.mat, numbers as PALM reads them, "
        'or a table with a header (TSV, or CSV); its rows are those of the maps in their order',
    )
    group.add_argument(
        '--design-con', metavar='FILE', help="its t contrasts: FSL's design.con, or numbers"
    )
    group.add_argument(
        '--design-fts', metavar='FILE', help="its F tests: FSL's design.fts, or numbers"
    )
    group.add_argument(
        '--bids-model',
        metavar='FILE',
        help='BIDS Stats Model (JSON) in place of --formula; its node of the level Dataset is '
        'taken, with its contrasts',
    )
    group.add_argument(
        '--bids-model-node',
        metavar='NAME',
        help='the node of --bids-model, if several are of that level',
    )


def add_design_command(commands):
    """Add the command that writes a standard design.

    Parameters
    ----------
    commands : argparse's subparsers
    """
    design = commands.add_parser(
        'design',
        help='write a standard design',
        description='Write a standard design of a table, with the exchangeability blocks or '
        'variance groups that it is tested with, and show the command that runs it.',
    )
    design.add_argument(
        'kind',
        choices=(
            'one-sample',
            'two-sample',
            'paired',
            'repeated-measures',
            'mixed',
            'ancova',
            'regression',
        ),
        help='the design; it says which of the columns are needed',
    )
    design.add_argument('out_dir', metavar='OUT', help='folder of its files')
    design.add_argument(
        '--table', required=True, metavar='FILE', help='table (TSV, or CSV), a row for each map'
    )
    design.add_argument(
        '--map-column', required=True, metavar='COLUMN', help='column that names the maps'
    )
    design.add_argument('--subject', metavar='COLUMN', help='subjects: paired, repeated, mixed')
    design.add_argument('--group', metavar='COLUMN', help='groups: two-sample, ANCOVA, mixed')
    design.add_argument(
        '--within', nargs='+', metavar='COLUMN', help='conditions: paired, repeated, mixed'
    )
    design.add_argument(
        '--covariates', nargs='+', metavar='COLUMN', help='numbers: ANCOVA, regression'
    )
    design.add_argument(
        '--nuisance', nargs='+', metavar='COLUMN', help='what a regression adjusts for'
    )
    design.add_argument(
        '--effect',
        help="effect to test, a column or 'FIRST:SECOND': mixed, two-way repeated measures",
    )
    design.add_argument('--reference', metavar='LEVEL', help='level to compare with')
    design.add_argument(
        '--unequal-variance', action='store_true', help='a variance for each group'
    )
    design.add_argument(
        '--interaction', action='store_true', help='ANCOVA with slopes for each group'
    )
