"""Permutation inference, scattered over chunks."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import DrawSchedule, FitTails, MergePermutations, Permute
from .models import takes_variances
from .nodes import make_node

_OUTPUTS = [
    'stat_file',
    'p_uncorrected_file',
    'p_fwe_file',
    'logp_fwe_file',
    'cor_z_score_file',
    'q_fdr_file',
    'logq_fdr_file',
    'null_file',
    'extremes_file',
    'metadata_file',
]
_TEST = ['in_files', 'mask_file', 'design_file', 'contrast_file']
_SCHEDULE = [('schedule_file', 'schedule_file'), ('metadata_file', 'schedule_metadata_file')]


def init_permutation_wf(
    *,
    n_perm=10000,
    n_chunks=1,
    seed=0,
    errors='auto',
    method='freedman-lane',
    sidedness='two-sided',
    missing='error',
    zero_is_missing=True,
    tail='none',
    fdr_method='BH',
    variance_fwhm_mm=0.0,
    covariates=False,
    model='ols',
    omp_nthreads=1,
    name='permutation_wf',
):
    """Build a workflow for permutation inference on one contrast.

    The schedule of relabellings is drawn once, cut into chunks that run as separate
    jobs, and merged. Neither the number of chunks nor that of threads has an
    influence on the result.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from nistats_nipype.workflows import init_permutation_wf
            wf = init_permutation_wf()

    Parameters
    ----------
    n_perm : int, default 10000
        Relabellings drawn beside the observed one.
    n_chunks : int, default 1
        Number of jobs.
    seed : int, default 0
        Seed of the schedule.
    errors : {'auto', 'exchangeable', 'symmetric', 'both'}, default 'auto'
        Permutations, sign flips, both, or chosen by the design.
    method : {'freedman-lane', 'huh-jhun', 'dekker', 'ter-braak', 'draper-stoneman', 'manly'}
        What is relabelled, by default 'freedman-lane'; see
        :func:`nistats_nipype.stats.methods.make_method`.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Side of t; F has one side.
    missing : {'error', 'drop_voxel', 'per_voxel'}, default 'error'
        Refuse missing values, test complete voxels only, or test each voxel on the maps
        observed there.
    zero_is_missing : bool, default True
        Whether exact 0 in a map is a missing value; packed observations are settled.
    tail : {'none', 'gpd', 'gamma'}, default 'none'
        Approximate the tail of the null distribution of the maximum by a generalised Pareto
        distribution, or all of it by a gamma distribution, for corrected p below what the
        relabellings can count; and that of each voxel with an uncorrected p below 0.1. See
        :func:`nistats_nipype.stats.approximation.approximate` and
        :func:`nistats_nipype.stats.pointwise.fit_points`; uncorrected p of pseudo-t are counted.
    fdr_method : {'BH', 'BKY'}, default 'BH'
        False discovery rate of the uncorrected permutation p: Benjamini and Hochberg, or the
        adaptive procedure of Benjamini, Krieger and Yekutieli at 0.05.
    variance_fwhm_mm : float, default 0.0
        FWHM in mm of the kernel that smooths the error variance, for pseudo-t; 0 for t and F.
    covariates : bool, default False
        Whether the design has voxelwise covariates. Uncorrected p are then counted, whatever the
        ``tail``.
    model : {'ols', 'robust', 'reml', 'dl', 'fixed'}, default 'ols'
        Model that is fitted to every relabelling; for others than least squares see
        :func:`nistats_nipype.stats.model_engine.check_relabelling`. Uncorrected p are counted
        then, whatever the ``tail``.
    omp_nthreads : int, default 1
        Threads per job.
    name : str, default 'permutation_wf'

    Inputs
    ------
    in_files
        Maps, or packed observations.
    mask_file
        Mask of the maps.
    design_file
        Design matrix (TSV).
    contrast_file
        Contrast (JSON).
    variance_files
        Sampling variances of the maps, in their order, for ``'reml'``, ``'dl'`` and ``'fixed'``.
    blocks_file
        Exchangeability blocks in PALM's format; optional.
    variance_groups_file
        Variance groups, for v and G in place of t and F; optional.
    covariate_files
        Voxelwise covariates, packed, in the order of their columns in the design, for
        ``covariates=True``.

    Outputs
    -------
    schedule_file, schedule_metadata_file
        Relabellings (.npz), and how they were drawn (JSON).
    stat_file
        Observed t or F; v, G or pseudo-t, if so permuted.
    p_uncorrected_file, p_fwe_file, logp_fwe_file
        Permutation p: uncorrected, corrected over voxels, and -log10 of the latter.
    cor_z_score_file
        z of the corrected p, as in nistats.
    q_fdr_file, logq_fdr_file
        Uncorrected permutation p adjusted for the false discovery rate, and -log10 of it.
    null_file
        Maximum statistic of every relabelling (TSV).
    extremes_file
        Observed statistic and maxima for :class:`~nistats_nipype.interfaces.CorrectContrasts`.
    metadata_file
        How the p values were made (JSON).

    Examples
    --------
    >>> sorted(init_permutation_wf(n_chunks=4).list_node_names())
    ['draw_schedule', 'inputnode', 'merge_permutations', 'outputnode', 'permute']
    """
    beside = ['covariate_files'] if covariates else []
    permuted = [*_TEST, *beside, *(['variance_files'] if takes_variances(model) else [])]
    inputnode = pe.Node(
        niu.IdentityInterface(
            [*permuted, 'blocks_file', 'variance_groups_file'], mandatory_inputs=False
        ),
        name='inputnode',
    )
    outputnode = pe.Node(
        niu.IdentityInterface([*_OUTPUTS, *(name for _, name in _SCHEDULE)]), name='outputnode'
    )
    draw_schedule = make_node(
        DrawSchedule(n_perm=n_perm, seed=seed, errors=errors, method=method),
        name='draw_schedule',
    )
    test = {
        'sidedness': sidedness,
        'missing': missing,
        'zero_is_missing': zero_is_missing,
        'num_threads': omp_nthreads,
    }
    permute = make_node(
        Permute(n_chunks=n_chunks, variance_fwhm_mm=variance_fwhm_mm, model=model, **test),
        iterfield=['chunk'],
        name='permute',
        n_procs=omp_nthreads,
    )
    permute.inputs.chunk = list(range(n_chunks))
    merge_permutations = make_node(
        MergePermutations(sidedness=sidedness, tail=tail, fdr_method=fdr_method),
        name='merge_permutations',
    )
    workflow = pe.Workflow(name=name)
    workflow.connect([
        (inputnode, draw_schedule, [('design_file', 'design_file'),
                                    ('contrast_file', 'contrast_file'),
                                    ('blocks_file', 'blocks_file'),
                                    ('variance_groups_file', 'variance_groups_file')]),
        (draw_schedule, outputnode, _SCHEDULE),
        (inputnode, permute, [(field, field) for field in permuted]),
        (draw_schedule, permute, [('schedule_file', 'schedule_file')]),
        (inputnode, merge_permutations, [('mask_file', 'mask_file'),
                                         ('design_file', 'design_file'),
                                         ('contrast_file', 'contrast_file')]),
        (draw_schedule, merge_permutations, [('metadata_file', 'schedule_metadata_file')]),
        (permute, merge_permutations, [('chunk_file', 'chunk_files')]),
        (merge_permutations, outputnode, [(field, field) for field in _OUTPUTS]),
    ])  # fmt: skip
    if tail != 'none' and not (variance_fwhm_mm or covariates) and model == 'ols':
        fit_tails = make_node(FitTails(tail=tail, **test), name='fit_tails', n_procs=omp_nthreads)
        workflow.connect([
            (inputnode, fit_tails, [(field, field) for field in _TEST]),
            (draw_schedule, fit_tails, [('schedule_file', 'schedule_file')]),
            (permute, fit_tails, [('chunk_file', 'chunk_files')]),
            (fit_tails, merge_permutations, [('tails_file', 'tails_file')]),
        ])  # fmt: skip
    return workflow
