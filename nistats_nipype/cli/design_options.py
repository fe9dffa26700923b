"""Options of designs from other tools: argparse and nothing else."""


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
        '--model',
        metavar='FILE',
        help='BIDS Stats Model (JSON) in place of --formula; its node of the level Dataset is '
        'taken, with its contrasts',
    )
    group.add_argument(
        '--model-node', metavar='NAME', help='the node of --model, if several are of that level'
    )
