"""Everything that is done for one contrast."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..designs.contrasts import contrast_label
from ..interfaces import (
    ComputeContrast,
    DefineContrast,
    PlotStatMap,
    SummarizeContrast,
    ViewImg,
)
from .figures import add_figures
from .inference import PERMUTED, add_permutation, add_spatial, add_threshold, connect_maps
from .influence import add_influence
from .levels import check_levels, check_reach
from .models import takes_variances
from .nodes import make_node
from .permutation import init_permutation_wf
from .sink import add_contrast_sink
from .spatial import CLUSTER_OUTPUTS, TFCE_OUTPUTS, init_spatial_wf, list_corrections

_INPUTS = [
    'observations_file',
    'mask_file',
    'design_file',
    'design_metadata_file',
    'model_file',
    'model_metadata_file',
    'losses_file',
    'variance_files',
    'blocks_file',
    'variance_groups_file',
    'covariate_files',
]
_MAPS = ['effect_file', 'variance_file', 'stat_file', 'z_file', 'p_file']


def init_contrast_wf(
    *,
    contrast_name,
    definition,
    n_perm=10000,
    n_chunks=1,
    seed=0,
    errors='auto',
    method='freedman-lane',
    sidedness='two-sided',
    missing='error',
    alpha_uncorrected=0.001,
    alpha_fwe=0.05,
    cluster_threshold=0,
    connectivity=26,
    cluster_forming_z=None,
    tfce=False,
    tail='none',
    fdr_method='BH',
    variance_fwhm_mm=0.0,
    covariates=False,
    model='ols',
    influence=False,
    out_dir=None,
    omp_nthreads=1,
    name=None,
):
    """Build a workflow that tests, corrects, tabulates and draws one contrast.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from nistats_nipype.workflows import init_contrast_wf
            wf = init_contrast_wf(contrast_name='mean', definition='intercept')

    Parameters
    ----------
    contrast_name : str
        Name of the contrast.
    definition : str, list of float, list of str or list of list of float
        Column, expression or weights, see
        :func:`nistats_nipype.designs.contrasts.parse_contrast`.
    n_perm : int, default 10000
        Relabellings drawn beside the observed one; 0 leaves permutation inference out.
    n_chunks, seed, errors, method, variance_fwhm_mm, covariates, model, omp_nthreads
        See :func:`~nistats_nipype.workflows.init_permutation_wf`.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Side of t; F has one side.
    missing : {'error', 'drop_voxel', 'per_voxel'}, default 'error'
        Policy of the fit and of the permutation test. With 'per_voxel', both use the maps
        observed at each voxel, and relabellings are compared on z of the parametric p.
    alpha_uncorrected, alpha_fwe : float, defaults 0.001 and 0.05
        Levels of the thresholded maps.
    cluster_threshold : int, default 0
        Smallest cluster of the thresholded maps, in voxels.
    connectivity : {26, 18, 6}, default 26
        Neighbours of a voxel.
    cluster_forming_z : float, optional
        Cluster-forming threshold, as a normal score, of permutation inference on cluster
        extent and mass; left out without it.
    tfce : bool, default False
        Whether to add permutation inference with TFCE.
    tail : {'none', 'gpd', 'gamma'}, default 'none'
        Approximate the tail of the null distributions of the maximum (not of the extent), and of
        the voxels with a small uncorrected p, see
        :func:`~nistats_nipype.workflows.init_permutation_wf`.
    fdr_method : {'BH', 'BKY'}, default 'BH'
        False discovery rate of the uncorrected permutation p, see
        :func:`~nistats_nipype.workflows.init_permutation_wf`.
    influence : bool, default False
        Whether to measure what leaving out each map changes.
    out_dir : path-like, optional
        Absolute path of the results folder. Without it nothing is sunk.
    name : str, optional
        Default: ``contrast_<label>_wf``.

    Inputs
    ------
    observations_file, mask_file, design_file
        Packed observations, their mask, their design.
    design_metadata_file
        Terms and coding of the design (JSON), for the names of groups in figures; optional.
    model_file, model_metadata_file
        The fitted model and what is known of it.
    losses_file
        Table that names the maps, for their influence and their values at the peaks.
    variance_files
        Packed variances of the observations, those of the fit, if the model takes them.
    blocks_file
        Exchangeability blocks in PALM's format; optional.
    variance_groups_file
        Variance groups, those of the fit; optional.
    covariate_files
        Packed voxelwise covariates, those of the fit, for ``covariates=True``.

    Outputs
    -------
    contrast_file
        The contrast (JSON).
    effect_file, variance_file, stat_file, z_file, p_file
        Parametric maps.
    z_uncorrected_file, clusters_uncorrected_file
        z at the uncorrected threshold, and its clusters.
    p_uncorrected_file, p_fwe_file, logp_fwe_file, cor_z_score_file, q_fdr_file, logq_fdr_file
        Maps of the permutations, if any.
    null_file
        Their maxima.
    z_fwe_file, clusters_fwe_file
        z where the corrected p passes, and its clusters, if there are permutations. Likewise
        with ``extent``, ``mass`` and ``tfce`` in place of ``fwe``, where they were asked for,
        beside the outputs of :func:`~nistats_nipype.workflows.init_spatial_wf`.
    influence_file
        What leaving out each map changes (TSV), if asked for.
    peaks_file
        Values of the maps at the strongest peaks (TSV).
    section_file, summary_file
        What the report says, and the answer in a sentence (JSON).

    Raises
    ------
    InputError
        If a level is not between 0 and 1.

    Warns
    -----
    NistatsNipypeWarning
        If ``n_perm`` relabellings cannot give a corrected p of ``alpha_fwe``.

    Examples
    --------
    >>> init_contrast_wf(contrast_name='left vs right', definition='intercept').name
    'contrast_leftVsRight_wf'
    """
    # Here, because the nodes that use them come after hours of permutations.
    check_levels(alpha_uncorrected=alpha_uncorrected, alpha_fwe=alpha_fwe)
    if n_perm and tail == 'none':
        check_reach(n_perm, alpha_fwe)
    fields = ['contrast_file', *_MAPS, 'z_uncorrected_file', 'clusters_uncorrected_file']
    if n_perm:
        fields += PERMUTED
        fields += CLUSTER_OUTPUTS if cluster_forming_z is not None else []
        fields += TFCE_OUTPUTS if tfce else []
        corrections = list_corrections(cluster_forming_z, tfce)
        fields += [f'{kind}_{label}_file' for label in corrections for kind in ('z', 'clusters')]
    inputnode = pe.Node(niu.IdentityInterface(_INPUTS, mandatory_inputs=False), name='inputnode')
    fields += ['peaks_file', 'summary_file'] + ['influence_file'] * influence
    outputnode = pe.Node(niu.IdentityInterface([*fields, 'section_file']), name='outputnode')
    define = make_node(
        DefineContrast(name=contrast_name, definition=definition), name='define_contrast'
    )
    compute = make_node(ComputeContrast(sidedness=sidedness), name='compute_contrast')
    summarize = make_node(SummarizeContrast(), name='summarize_contrast')
    workflow = pe.Workflow(name=name or f'contrast_{contrast_label(contrast_name)}_wf')
    workflow.connect([
        (inputnode, define, [('design_file', 'design_file')]),
        (inputnode, compute, [('model_file', 'model_file'),
                              ('mask_file', 'mask_file'),
                              ('design_file', 'design_file')]),
        (define, compute, [('contrast_file', 'contrast_file')]),
        (define, outputnode, [('contrast_file', 'contrast_file')]),
        (compute, outputnode, [(field, field) for field in _MAPS]),
        (compute, summarize, [('metadata_file', 'contrast_metadata_file')]),
        (summarize, outputnode, [('section_file', 'section_file'),
                                 ('summary_file', 'summary_file')]),
    ])  # fmt: skip
    shape = {
        'sidedness': sidedness,
        'cluster_threshold': cluster_threshold,
        'connectivity': connectivity,
    }
    map_title = title = f'{contrast_name}: z, p < {alpha_uncorrected:g} uncorrected'
    add_threshold(workflow, 'uncorrected', title, method='fpr', alpha=alpha_uncorrected, **shape)
    plot_slices = make_node(PlotStatMap(title=title, label='z'), name='plot_slices')
    view = make_node(ViewImg(title=title, label='z'), name='view_img')
    workflow.connect([
        (workflow.get_node('threshold_uncorrected'), plot_slices, [
            ('thresholded_file', 'in_file'),
            ('metadata_file', 'threshold_metadata_file'),
        ]),
        (plot_slices, summarize, [('figure_file', 'slices_figure_file')]),
        (workflow.get_node('threshold_uncorrected'), view, [('thresholded_file', 'in_file')]),
        (view, summarize, [('viewer_file', 'viewer_file')]),
    ])  # fmt: skip
    if n_perm:
        test = {
            'n_chunks': n_chunks,
            'sidedness': sidedness,
            'missing': missing,
            'tail': tail,
            'variance_fwhm_mm': variance_fwhm_mm,
            'covariates': covariates,
            'model': model,
            'omp_nthreads': omp_nthreads,
        }
        permutation_wf = init_permutation_wf(
            n_perm=n_perm,
            seed=seed,
            errors=errors,
            method=method,
            fdr_method=fdr_method,
            **test,
        )
        for label, words in corrections.items():
            title = f'{contrast_name}: z, p < {alpha_fwe:g} FWE-corrected{words}'
            add_threshold(workflow, label, title, method='fwe', alpha=alpha_fwe, **shape)
        add_permutation(workflow, permutation_wf, contrast_name, alpha_fwe)
        if len(corrections) > 1:
            spatial_wf = init_spatial_wf(
                cluster_forming_z=cluster_forming_z,
                tfce=tfce,
                connectivity=connectivity,
                **test,
            )
            add_spatial(workflow, spatial_wf, corrections)
        if covariates:
            connect_maps(workflow, 'covariate_files')
        if takes_variances(model):
            connect_maps(workflow, 'variance_files')
    add_figures(workflow, contrast_name, map_title)
    if influence:
        add_influence(workflow, contrast_name, sidedness, missing)
    if out_dir is not None:
        add_contrast_sink(workflow, out_dir, fields)
    return workflow
