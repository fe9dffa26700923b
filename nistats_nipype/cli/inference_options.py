"""Options of permutation inference and of thresholds: argparse and nothing else."""

from .values import not_negative, p_value, positive, whole


def add_permutation(parser):
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


def add_thresholds(parser):
    """Add the levels and the shape of the thresholded maps."""
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
