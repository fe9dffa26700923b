"""Names and descriptions of the results, as BIDS derivatives have them."""

from typing import NamedTuple


class Item(NamedTuple):
    """How one input of a sink is named and described in the results folder."""

    name: str
    description: str
    #: Metadata that the sidecar holds, of those that the sink was given; None: no sidecar.
    metadata: tuple | None = ()


_PARAMETRIC = ('model', 'contrast')
_PERMUTATION = ('contrast', 'permutation')
_SPATIAL = ('contrast', 'spatial')

#: Corrected maps, and the desc label of their files.
CORRECTED = {'fwe': 'voxelFWE', 'extent': 'extentFWE', 'mass': 'massFWE', 'tfce': 'tfceFWE'}
_WORDS = {
    'fwe': 'FWE-corrected permutation p',
    'extent': 'FWE-corrected permutation p of the cluster extent',
    'mass': 'FWE-corrected permutation p of the cluster mass',
    'tfce': 'FWE-corrected permutation p of TFCE',
}


def _corrected_items():
    """Names of the maps and tables that each correction gives."""
    items = {}
    for label, desc in CORRECTED.items():
        made = _PERMUTATION if label == 'fwe' else _SPATIAL
        metadata = (*made, label)
        items[f'z_{label}_file'] = Item(
            f'stat-z_desc-{desc}Threshold_statmap',
            f'z where the {_WORDS[label]} passes, 0 elsewhere',
            metadata,
        )
        items[f'clusters_{label}_file'] = Item(
            f'desc-{desc}Threshold_clusters', 'Clusters and peaks', metadata
        )
        if label != 'fwe':
            items[f'{label}_p_fwe_file'] = Item(f'stat-p_desc-{desc}_statmap', _WORDS[label], made)
            items[f'{label}_logp_fwe_file'] = Item(
                f'stat-logp_desc-{desc}_statmap', f'-log10 of the {_WORDS[label]}', made
            )
    return items


def _joint_items():
    """Names of the maps that are corrected over contrasts, of which there is one for each."""
    items = {}
    for label, desc in CORRECTED.items():
        prefix = '' if label == 'fwe' else f'{label}_'
        desc = desc.replace('FWE', 'ContrastsFWE')
        words = f'{_WORDS[label]}, over voxels and contrasts together'
        for stat, start in (('p', ''), ('logp', '-log10 of the ')):
            items[f'{prefix}{stat}_fwe_files'] = Item(
                f'stat-{stat}_desc-{desc}_statmap', start + words, ('contrasts',)
            )
    return items


#: Input of the sink -> name after the contrast label, without extension.
CONTRAST_ITEMS = {
    'effect_file': Item('stat-effect_statmap', 'Contrast of the estimates', _PARAMETRIC),
    'variance_file': Item('stat-variance_statmap', 'Sampling variance of the effect', _PARAMETRIC),
    'stat_file': Item('stat-{statistic}_statmap', 'Observed statistic', _PARAMETRIC),
    'z_file': Item('stat-z_statmap', 'Normal score of the statistic', _PARAMETRIC),
    'p_file': Item('stat-p_statmap', 'Parametric p, uncorrected', _PARAMETRIC),
    'z_uncorrected_file': Item(
        'stat-z_desc-uncorrectedThreshold_statmap',
        'z where it passes the uncorrected threshold, 0 elsewhere',
        (*_PARAMETRIC, 'uncorrected'),
    ),
    'clusters_uncorrected_file': Item(
        'desc-uncorrectedThreshold_clusters', 'Clusters and peaks', ('contrast', 'uncorrected')
    ),
    'pseudo_stat_file': Item(
        'stat-{kind}_desc-pseudo_statmap', 'Statistic with a smoothed variance', _PERMUTATION
    ),
    'p_uncorrected_file': Item(
        'stat-p_desc-permutation_statmap', 'Permutation p, uncorrected', _PERMUTATION
    ),
    'p_fwe_file': Item(
        'stat-p_desc-voxelFWE_statmap', 'Permutation p, FWE-corrected over voxels', _PERMUTATION
    ),
    'logp_fwe_file': Item(
        'stat-logp_desc-voxelFWE_statmap',
        '-log10 of the permutation p, FWE-corrected over voxels',
        _PERMUTATION,
    ),
    'cor_z_score_file': Item(
        'stat-z_desc-voxelFWE_statmap',
        'Normal score of the FWE-corrected permutation p, not below 0 (cor_z_score)',
        _PERMUTATION,
    ),
    'q_fdr_file': Item(
        'stat-q_desc-FDR_statmap', 'Permutation p, adjusted for the FDR', _PERMUTATION
    ),
    'logq_fdr_file': Item(
        'stat-logp_desc-FDR_statmap',
        '-log10 of the permutation p, adjusted for the FDR',
        _PERMUTATION,
    ),
    'null_file': Item(
        'desc-voxelFWE_null', 'Maximum statistic of every relabelling', _PERMUTATION
    ),
    'influence_file': Item(
        'influence',
        'Peak, effect and statistic without each of the maps',
        ('contrast', 'influence'),
    ),
    'peaks_file': Item(
        'peaks', 'Values of the maps at the strongest peaks', ('contrast', 'peaks')
    ),
    'summary_file': Item('summary', 'The answer in a sentence', None),
    'tfce_file': Item('stat-tfce_statmap', 'TFCE, without a sign', _SPATIAL),
    'tfce_p_uncorrected_file': Item(
        'stat-p_desc-tfce_statmap',
        'Permutation p of TFCE, uncorrected',
        _SPATIAL,
    ),
    'spatial_null_file': Item(
        'desc-spatialFWE_null',
        'Largest cluster extent, cluster mass and TFCE of every relabelling',
        _SPATIAL,
    ),
    **_corrected_items(),
}
JOINT_ITEMS = _joint_items()
JOINT_NULL = Item(
    'desc-contrastsFWE_null',
    'Maximum over voxels and contrasts of every relabelling',
    ('contrasts',),
)
GROUP_ITEMS = {
    'mask_file': Item('mask', 'Voxels that were analysed'),
    'coverage_file': Item('coverage', 'Number of maps observed at each voxel'),
    'n_file': Item('n', 'Number of maps in the fit at each voxel', ('model',)),
    'tau2_file': Item('stat-tau2_statmap', 'Variance between observations', ('model',)),
    'i2_file': Item(
        'stat-I2_statmap', 'Share of the variation that is heterogeneity, in percent', ('model',)
    ),
    'q_file': Item(
        'stat-Q_statmap',
        'Heterogeneity: sum of squared residuals of fixed effects over their variances',
        ('model',),
    ),
    'q_p_file': Item(
        'stat-p_desc-heterogeneity_statmap',
        'p of Q, the heterogeneity',
        ('model',),
    ),
    'weights_file': Item(
        'weights', 'Mean weight of each map in the robust fit, over voxels', ('model',)
    ),
    'maps_file': Item(
        'maps', 'Maps in the order of the design, and the voxels each lacks', ('matching',)
    ),
    'design_file': Item('design', 'Design matrix, one row per map', ('design', 'model')),
    'findings_file': Item('findings', 'What the checks of design and maps found'),
    'report_file': Item('report', 'Report of the analysis', None),
}
