"""Permutation inference on clusters and with TFCE, scattered over chunks."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import MergeSpatial, PermuteSpatial
from .models import takes_variances
from .nodes import make_node

_INPUTS = [
    'in_files',
    'mask_file',
    'design_file',
    'contrast_file',
    'schedule_file',
    'schedule_metadata_file',
]
CLUSTER_OUTPUTS = [
    'extent_p_fwe_file',
    'extent_logp_fwe_file',
    'mass_p_fwe_file',
    'mass_logp_fwe_file',
]
TFCE_OUTPUTS = ['tfce_file', 'tfce_p_uncorrected_file', 'tfce_p_fwe_file', 'tfce_logp_fwe_file']


def init_spatial_wf(
    *,
    cluster_forming_z=None,
    tfce=False,
    connectivity=26,
    n_chunks=1,
    sidedness='two-sided',
    missing='error',
    zero_is_missing=True,
    tail='none',
    variance_fwhm_mm=0.0,
    covariates=False,
    model='ols',
    omp_nthreads=1,
    name='spatial_wf',
):
    """Build a workflow for permutation inference on clusters and with TFCE.

    It uses the schedule of :func:`~nistats_nipype.workflows.init_permutation_wf`, so that all
    statistics of a contrast see the same relabellings.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from nistats_nipype.workflows import init_spatial_wf
            wf = init_spatial_wf(tfce=True)

    Parameters
    ----------
    cluster_forming_z : float, optional
        Cluster-forming threshold as a normal score. Without it, clusters are left out.
    tfce : bool, default False
        Whether to compute TFCE (E = 0.5, H = 2).
    connectivity : {26, 18, 6}, default 26
        Neighbours of a voxel.
    n_chunks, sidedness, missing, zero_is_missing, tail, variance_fwhm_mm, covariates, model,
    omp_nthreads
        See :func:`~nistats_nipype.workflows.init_permutation_wf`; the tail is for mass and TFCE.
    name : str, default 'spatial_wf'

    Inputs
    ------
    in_files, mask_file, design_file, contrast_file, covariate_files, variance_files
        As for :func:`~nistats_nipype.workflows.init_permutation_wf`.
    schedule_file, schedule_metadata_file
        Relabellings, and how they were drawn.

    Outputs
    -------
    extent_p_fwe_file, extent_logp_fwe_file, mass_p_fwe_file, mass_logp_fwe_file
        Corrected p of the cluster at each voxel, and -log10 of it, if there is a threshold.
    tfce_file, tfce_p_uncorrected_file, tfce_p_fwe_file, tfce_logp_fwe_file
        TFCE and its p, if asked for.
    null_file
        Maxima of every relabelling (TSV).
    extremes_file
        Observed statistics and maxima for :class:`~nistats_nipype.interfaces.CorrectContrasts`.
    metadata_file
        How the p values were made (JSON).

    Examples
    --------
    >>> sorted(init_spatial_wf(tfce=True).list_node_names())
    ['inputnode', 'merge_spatial', 'outputnode', 'permute_spatial']
    """
    fields = ['null_file', 'extremes_file', 'metadata_file']
    fields += CLUSTER_OUTPUTS if cluster_forming_z is not None else []
    fields += TFCE_OUTPUTS if tfce else []
    beside = ['covariate_files'] if covariates else []
    beside += ['variance_files'] if takes_variances(model) else []
    inputnode = pe.Node(niu.IdentityInterface([*_INPUTS, *beside]), name='inputnode')
    outputnode = pe.Node(niu.IdentityInterface(fields), name='outputnode')
    permute_spatial = make_node(
        PermuteSpatial(
            tfce=tfce,
            connectivity=connectivity,
            n_chunks=n_chunks,
            sidedness=sidedness,
            missing=missing,
            zero_is_missing=zero_is_missing,
            variance_fwhm_mm=variance_fwhm_mm,
            model=model,
            num_threads=omp_nthreads,
        ),
        iterfield=['chunk'],
        name='permute_spatial',
        n_procs=omp_nthreads,
    )
    permute_spatial.inputs.chunk = list(range(n_chunks))
    if cluster_forming_z is not None:
        permute_spatial.inputs.cluster_threshold = cluster_forming_z
    merge_spatial = make_node(MergeSpatial(sidedness=sidedness, tail=tail), name='merge_spatial')
    shared = ['mask_file', 'design_file', 'contrast_file']
    workflow = pe.Workflow(name=name)
    workflow.connect([
        (inputnode, permute_spatial, [
            (f, f) for f in ['in_files', 'schedule_file', *shared, *beside]
        ]),
        (inputnode, merge_spatial, [(f, f) for f in ['schedule_metadata_file', *shared]]),
        (permute_spatial, merge_spatial, [('chunk_file', 'chunk_files')]),
        (merge_spatial, outputnode, [(field, field) for field in fields]),
    ])  # fmt: skip
    return workflow


def list_corrections(cluster_forming_z, tfce):
    """List the corrected maps that are made, with the words for their titles.

    >>> list_corrections(None, True)
    {'fwe': '', 'tfce': ', TFCE'}
    """
    corrections = {'fwe': ''}
    if cluster_forming_z is not None:
        formed = f'clusters formed at z > {cluster_forming_z:g}'
        corrections |= {'extent': f', extent of {formed}', 'mass': f', mass of {formed}'}
    if tfce:
        corrections['tfce'] = ', TFCE'
    return corrections
