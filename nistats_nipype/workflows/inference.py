"""Thresholds and permutation inference, as part of the workflow of a contrast."""

from statistics import NormalDist

from ..interfaces import PlotGlassBrain, PlotNull, TableClusters, Threshold
from .nodes import make_node
from .spatial import CLUSTER_OUTPUTS, TFCE_OUTPUTS

#: Outputs of a contrast that is permuted.
PERMUTED = [
    'p_uncorrected_file',
    'p_fwe_file',
    'logp_fwe_file',
    'cor_z_score_file',
    'q_fdr_file',
    'logq_fdr_file',
    'null_file',
]


def add_threshold(workflow, label, title, **parameters):
    """Threshold z, list the clusters and draw them: three nodes named after ``label``."""
    inputnode, outputnode, define, compute, summarize = map(
        workflow.get_node,
        ('inputnode', 'outputnode', 'define_contrast', 'compute_contrast', 'summarize_contrast'),
    )
    threshold = make_node(Threshold(**parameters), name=f'threshold_{label}')
    table = make_node(TableClusters(), name=f'table_{label}')
    plot = make_node(PlotGlassBrain(title=title, label='z'), name=f'plot_{label}')
    workflow.connect([
        (inputnode, threshold, [('mask_file', 'mask_file')]),
        (define, threshold, [('contrast_file', 'contrast_file')]),
        (compute, threshold, [('z_file', 'in_file')]),
        (compute, table, [('z_file', 'in_file')]),
        (threshold, table, [('labels_file', 'labels_file')]),
        (threshold, plot, [('thresholded_file', 'in_file'),
                           ('metadata_file', 'threshold_metadata_file')]),
        (threshold, outputnode, [('thresholded_file', f'z_{label}_file')]),
        (table, outputnode, [('clusters_file', f'clusters_{label}_file')]),
        (threshold, summarize, [('metadata_file', f'{label}_metadata_file')]),
        (table, summarize, [('clusters_file', f'clusters_{label}_file')]),
        (plot, summarize, [('figure_file', f'{label}_figure_file')]),
    ])  # fmt: skip


def add_permutation(workflow, permutation_wf, contrast_name, alpha):
    """Connect permutation inference and draw what it gives."""
    plot_null = make_node(PlotNull(alpha=alpha), name='plot_null')
    plot_cor_z = make_node(
        PlotGlassBrain(
            title=f'{contrast_name}: cor_z_score, p < {alpha:g} corrected',
            label='z of corrected p',
            threshold=NormalDist().inv_cdf(1 - alpha),
        ),
        name='plot_cor_z',
    )
    inputnode, outputnode, define, summarize = map(
        workflow.get_node, ('inputnode', 'outputnode', 'define_contrast', 'summarize_contrast')
    )
    workflow.connect([
        (inputnode, permutation_wf, [('observations_file', 'inputnode.in_files'),
                                     ('mask_file', 'inputnode.mask_file'),
                                     ('design_file', 'inputnode.design_file'),
                                     ('blocks_file', 'inputnode.blocks_file'),
                                     ('variance_groups_file',
                                      'inputnode.variance_groups_file')]),
        (define, permutation_wf, [('contrast_file', 'inputnode.contrast_file')]),
        (permutation_wf, outputnode, [(f'outputnode.{field}', field) for field in PERMUTED]),
        (permutation_wf, plot_null, [('outputnode.null_file', 'null_file')]),
        (permutation_wf, plot_cor_z, [('outputnode.cor_z_score_file', 'in_file')]),
        (permutation_wf, summarize, [('outputnode.metadata_file', 'permutation_metadata_file')]),
        (plot_null, summarize, [('figure_file', 'null_figure_file')]),
        (plot_cor_z, summarize, [('figure_file', 'cor_z_figure_file')]),
    ])  # fmt: skip
    for name in ('table_uncorrected', 'table_fwe'):
        table = workflow.get_node(name)
        workflow.connect(permutation_wf, 'outputnode.p_fwe_file', table, 'p_fwe_file')
    _add_p(workflow, permutation_wf, 'p_fwe_file', 'threshold_fwe')


def _add_p(workflow, source, field, threshold):
    """Hand corrected p, and how they were made, to the node that thresholds them."""
    workflow.connect([
        (source, workflow.get_node(threshold), [
            (f'outputnode.{field}', 'p_file'),
            ('outputnode.metadata_file', 'p_metadata_file'),
        ]),
    ])  # fmt: skip


def add_spatial(workflow, spatial_wf, corrections):
    """Connect inference on clusters and with TFCE; its p goes into every table."""
    inputnode, outputnode, define, permutation_wf, summarize = map(
        workflow.get_node,
        ('inputnode', 'outputnode', 'define_contrast', 'permutation_wf', 'summarize_contrast'),
    )
    fields = CLUSTER_OUTPUTS if 'extent' in corrections else []
    fields = fields + (TFCE_OUTPUTS if 'tfce' in corrections else [])
    workflow.connect([
        (inputnode, spatial_wf, [('observations_file', 'inputnode.in_files'),
                                 ('mask_file', 'inputnode.mask_file'),
                                 ('design_file', 'inputnode.design_file')]),
        (define, spatial_wf, [('contrast_file', 'inputnode.contrast_file')]),
        (permutation_wf, spatial_wf, [
            (f'outputnode.{field}', f'inputnode.{field}')
            for field in ('schedule_file', 'schedule_metadata_file')
        ]),
        (spatial_wf, outputnode, [(f'outputnode.{field}', field) for field in fields]),
        (spatial_wf, summarize, [('outputnode.metadata_file', 'spatial_metadata_file')]),
    ])  # fmt: skip
    spatial = [label for label in corrections if label != 'fwe']
    for label in spatial:
        _add_p(workflow, spatial_wf, f'{label}_p_fwe_file', f'threshold_{label}')
        workflow.get_node(f'threshold_{label}').inputs.p_statistic = label
        for name in ('uncorrected', *corrections):
            table = workflow.get_node(f'table_{name}')
            workflow.connect(
                spatial_wf, f'outputnode.{label}_p_fwe_file', table, f'p_{label}_file'
            )
        workflow.connect(
            permutation_wf,
            'outputnode.p_fwe_file',
            workflow.get_node(f'table_{label}'),
            'p_fwe_file',
        )


def connect_maps(workflow, field):
    """Give what comes along with the maps to what permutes these."""
    for name in ('permutation_wf', 'spatial_wf'):
        test_wf = workflow.get_node(name)
        if test_wf is not None:
            workflow.connect(workflow.get_node('inputnode'), field, test_wf, f'inputnode.{field}')
