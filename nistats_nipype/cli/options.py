"""Options about maps, and where they and their variances come from: argparse and nothing else."""

from .values import covariate, entity, not_negative, share, whole


def add_maps(parser):
    """Add which maps are analysed, where, and what is done about missing values."""
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


def add_derivatives(group):
    """Add the options that select maps from the folders of other pipelines."""
    group.add_argument(
        '--derivatives',
        metavar='FOLDER',
        help='results of FitLins, nilearn (save_glm_to_bids), FEAT or SPM to select maps from, '
        'in place of --maps; variances come along if --model takes them',
    )
    group.add_argument(
        '--entities',
        nargs='+',
        type=entity,
        metavar='KEY=VALUE',
        help="what these maps have in common, e.g. contrast=faces task=emotion; 'run=' for none; "
        'FEAT: cope=1, SPM: con=1',
    )
    group.add_argument(
        '--unmatched',
        choices=('error', 'drop'),
        default='error',
        help='maps without variances or without a row in --table, and subjects without a map in '
        '--derivatives: refuse, or leave them out and say so (default: %(default)s)',
    )


def add_coverage(group):
    """Add how many maps must cover a voxel."""
    group.add_argument(
        '--min-coverage',
        type=share,
        metavar='SHARE',
        help='share of the maps, above 0 and at most 1, that must cover a voxel, for --mask '
        'coverage',
    )
    group.add_argument(
        '--min-subjects',
        type=whole(1),
        metavar='N',
        help='number of maps that must cover a voxel, in its place',
    )


def add_checks(parser):
    """Add what is done about what the checks find."""
    parser.add_argument(
        '--on-check-error',
        choices=('raise', 'report'),
        default='raise',
        help='errors that the checks of design and maps find: end before anything is computed, or '
        'go on and report them (default: %(default)s)',
    )


def add_covariates(group):
    """Add regressors that are maps."""
    group.add_argument(
        '--covariate-maps',
        nargs='+',
        action='extend',
        type=covariate,
        metavar='NAME=SOURCE',
        help='regressors with a map for each observation (-evperdat of PALM): NAME is a term of '
        '--formula, NAME or center(NAME), or one of the last columns of --design-mat; SOURCE is a '
        'column of --table that names the maps, a pattern, or a 4D file in the order of the maps',
    )
    group.add_argument(
        '--covariate-fwhm',
        type=not_negative,
        default=0.0,
        metavar='MM',
        help='smoothing of these maps; 0 for none (default: %(default)s)',
    )


def add_variances(group):
    """Add the model, and the variances that it takes."""
    group.add_argument(
        '--model',
        choices=('ols', 'robust', 'reml', 'dl', 'fixed'),
        default='ols',
        help="least squares; robust regression (Huber's); or with known variances of the maps "
        'mixed effects by REML (as FLAME 1) or DerSimonian-Laird, or fixed effects, which need '
        '--fwhm 0. All but least squares need --n-perm 0 where there are regressors beside the '
        'tested ones and an intercept (default: %(default)s)',
    )
    group.add_argument(
        '--variance-maps',
        nargs='+',
        metavar='MAP',
        help='variances of the maps (varcope, stat-variance), in any order: files, patterns, or '
        'one 4D file; they are matched by subject or name',
    )
    group.add_argument(
        '--influence',
        action='store_true',
        help='tell, for every contrast, what leaving out each map changes (least squares)',
    )
    group.add_argument(
        '--variance-column',
        metavar='COLUMN',
        help='column of --table that names them, along with --map-column',
    )


def add_graph(parser):
    """Add what is drawn, and where to."""
    parser.add_argument(
        'out_file',
        metavar='FILE',
        help='.svg; .mmd or .md for Mermaid, as text; .png, .pdf or .dot with Graphviz',
    )
    parser.add_argument(
        '--graph2use',
        choices=('orig', 'flat', 'hierarchical', 'colored', 'exec'),
        default='colored',
        help='level of detail, as in nipype (default: %(default)s)',
    )
    parser.add_argument(
        '--of-run',
        metavar='WORK',
        help='draw the nodes of the last run in this work folder (OUT/work), with status, time '
        'and memory; other options are not read then',
    )
