"""Correction over voxels and contrasts together, as part of a second-level workflow."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import CorrectContrasts, SinkJoint
from .covariates import get_design
from .nodes import make_node


def list_joint(cluster_forming_z, tfce):
    """Outputs of CorrectContrasts, and their names as outputs of the workflow."""
    prefixes = ['']
    prefixes += ['extent_', 'mass_'] if cluster_forming_z is not None else []
    prefixes += ['tfce_'] if tfce else []
    maps = [f'{prefix}{stat}_fwe_files' for prefix in prefixes for stat in ('p', 'logp')]
    return {**{name: name for name in maps}, 'null_file': 'joint_null_file'}


def add_joint(workflow, contrast_wfs, joint, tail, out_dir):
    """Correct over voxels and contrasts together."""
    correct = make_node(CorrectContrasts(tail=tail), name='correct_contrasts')
    sources = {'': 'permutation_wf'}
    if contrast_wfs[0].get_node('spatial_wf') is not None:
        sources['spatial_'] = 'spatial_wf'
    for prefix, source in sources.items():
        for kind in ('extremes', 'metadata'):
            merge = pe.Node(niu.Merge(len(contrast_wfs)), name=f'list_{prefix}{kind}')
            for index, contrast_wf in enumerate(contrast_wfs, start=1):
                field = f'{source}.outputnode.{kind}_file'
                workflow.connect(contrast_wf, field, merge, f'in{index}')
            workflow.connect(merge, 'out', correct, f'{prefix}{kind}_files')
    list_contrasts, outputnode, report = map(
        workflow.get_node, ('list_contrasts', 'outputnode', 'make_report')
    )
    workflow.connect([
        (list_contrasts, correct, [('out', 'contrast_files')]),
        (get_design(workflow), correct, [('design_file', 'design_file')]),
        (workflow.get_node('prepare_wf'), correct, [('outputnode.mask_file', 'mask_file')]),
        (correct, outputnode, list(joint.items())),
        (correct, report, [('metadata_file', 'contrasts_metadata_file')]),
    ])  # fmt: skip
    if out_dir is not None:
        ds_joint = make_node(SinkJoint(out_dir=out_dir), name='ds_joint')
        workflow.connect([
            (list_contrasts, ds_joint, [('out', 'contrast_files')]),
            (correct, ds_joint, [
                ('metadata_file', 'contrasts_metadata_file'), *((name, name) for name in joint),
            ]),
        ])  # fmt: skip
