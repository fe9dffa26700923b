"""Results of a contrast to a folder."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import SinkContrast
from ..interfaces.names import CORRECTED
from .figures import FIGURES
from .nodes import make_node


def add_contrast_sink(workflow, out_dir, fields):
    """Copy results, figures and metadata to the results folder."""
    ds_contrast = make_node(SinkContrast(out_dir=str(out_dir)), name='ds_contrast')
    outputnode = workflow.get_node('outputnode')
    permutation_wf = workflow.get_node('permutation_wf')
    metadata = {
        'contrast': 'compute_contrast',
        'uncorrected': 'threshold_uncorrected',
        'peaks': 'plot_peaks',
    }
    names = {
        'plot_uncorrected': 'desc-uncorrectedThreshold_glass',
        'plot_slices': 'desc-uncorrectedThreshold_slices',
        **FIGURES,
        'view_img': 'desc-uncorrectedThreshold_viewer',
    }
    for label, desc in CORRECTED.items():
        if workflow.get_node(f'threshold_{label}') is not None:
            metadata[label] = f'threshold_{label}'
            names[f'plot_{label}'] = f'desc-{desc}Threshold_glass'
    if workflow.get_node('measure_influence') is not None:
        metadata['influence'] = 'measure_influence'
        names['plot_influence'] = 'influence'
    if permutation_wf is not None:
        names |= {'plot_cor_z': 'desc-voxelFWE_glass', 'plot_null': 'desc-voxelFWE_null'}
        workflow.connect(
            permutation_wf, 'outputnode.metadata_file', ds_contrast, 'permutation_metadata_file'
        )
        if permutation_wf.get_node('permute').inputs.variance_fwhm_mm:
            workflow.connect(
                permutation_wf, 'outputnode.stat_file', ds_contrast, 'pseudo_stat_file'
            )
    spatial_wf = workflow.get_node('spatial_wf')
    if spatial_wf is not None:
        workflow.connect([
            (spatial_wf, ds_contrast, [('outputnode.metadata_file', 'spatial_metadata_file'),
                                       ('outputnode.null_file', 'spatial_null_file')]),
        ])  # fmt: skip
    ds_contrast.inputs.figure_names = list(names.values())
    figures = pe.Node(niu.Merge(len(names)), name='list_figures')
    for index, plot in enumerate(names, start=1):
        field = 'viewer_file' if plot == 'view_img' else 'figure_file'
        workflow.connect(workflow.get_node(plot), field, figures, f'in{index}')
    for part, node in metadata.items():
        workflow.connect(
            workflow.get_node(node), 'metadata_file', ds_contrast, f'{part}_metadata_file'
        )
    workflow.connect([
        (workflow.get_node('inputnode'), ds_contrast, [
            ('model_metadata_file', 'model_metadata_file'),
        ]),
        (outputnode, ds_contrast, [(field, field) for field in fields]),
        (figures, ds_contrast, [('out', 'figure_files')]),
    ])  # fmt: skip
