"""Arguments that need each other, exclude each other, or would go unused."""

from ..exceptions import InputError
from .designs import refuse_design_contradictions
from .sources import check_sources


def refuse_contradictions(args):
    """Refuse arguments that need each other, or of which one would go unused."""
    refuse_design_contradictions(args)
    if args.formula and not args.table:
        raise InputError(
            '--formula needs --table.', expected='the table that has its variables as columns'
        )
    check_sources(args)
    if args.covariate_fwhm and not args.covariate_maps:
        raise InputError('--covariate-fwhm needs --covariate-maps, which it smooths.')
    if args.covariate_maps and args.variance_groups:
        raise InputError(
            '--covariate-maps does not go with --variance-groups: v and G are for regressors of '
            'one value for each map.'
        )
    uses = args.formula, args.bids_model, args.map_column, args.covariate_maps
    if args.table and not any(uses):
        raise InputError(
            'Nothing of --table would be used.',
            found='neither --formula nor --map-column',
            expected='a model of its columns, or a column that names the maps',
            advice="For instance --formula 'group + age'; without --table, the mean is tested.",
        )
    unused = {
        '--tfce': args.tfce,
        '--cluster-forming-z': args.cluster_forming_z is not None,
        '--blocks': args.blocks and args.variance_groups != 'auto',
        '--method': args.method != 'freedman-lane',
        '--variance-fwhm': args.variance_fwhm,
        '--tail': args.tail != 'none',
        '--fdr-method': args.fdr_method != 'BH',
        '--correct-contrasts': args.correct_contrasts,
    }
    if not args.n_perm and any(unused.values()):
        raise InputError(
            f'For permutation inference only: {", ".join(filter(unused.get, unused))}.',
            found='--n-perm 0',
            expected='--n-perm of at least 1',
        )
    if args.variance_groups == 'auto' and not args.blocks:
        raise InputError(
            '--variance-groups auto needs --blocks, which it makes the groups of.',
            advice='Give a file of variance groups, one whole number per map.',
        )
    if args.variance_groups and args.variance_fwhm:
        raise InputError(
            'The variance cannot both be smoothed and be that of groups.',
            found='--variance-groups and --variance-fwhm',
        )
    least = {'--min-coverage': args.min_coverage, '--min-subjects': args.min_subjects}
    given = [option for option, value in least.items() if value is not None]
    if given and args.mask != 'coverage':
        raise InputError(f'{given[0]} needs --mask coverage.', found=f'--mask {args.mask}')
    if args.mask == 'coverage' and len(given) != 1:
        raise InputError(
            '--mask coverage needs either --min-coverage or --min-subjects.',
            found=' and '.join(given) or 'neither',
            expected='the share of the maps that must cover a voxel, for instance 0.9, or their '
            'number',
        )
