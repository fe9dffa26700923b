"""Models other than least squares within the second-level workflow."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..exceptions import InputError
from ..interfaces import FitGLM, FitMixed, FitRobust, MatchMaps, PlotStatMap, SinkGroup
from .nodes import make_node

#: Values of ``model``; those of the second row take the variances of the maps.
MODELS = ('ols', 'robust', 'reml', 'dl', 'fixed')


def takes_variances(model):
    """Whether a model takes the variances of the maps.

    >>> [takes_variances(model) for model in MODELS]
    [False, False, True, True, True]
    """
    return model not in ('ols', 'robust')


def check_model(model, *, fwhm_mm, n_perm, auto_variance_groups):
    """Refuse what a model cannot do, or a model that does not exist.

    Raises
    ------
    InputError
        With all that has to be changed at once.
    """
    if model not in MODELS:
        raise InputError('Unknown model.', found=repr(model), expected=', '.join(MODELS))
    if model == 'ols':
        return
    if model == 'robust':
        _check_robust(n_perm, auto_variance_groups)
        return
    if auto_variance_groups:
        raise InputError(
            f'The model {model!r} has no variance groups: each map has a variance of its own.',
            found='auto_variance_groups=True',
        )
    changes = {'fwhm_mm=0 (--fwhm 0)': fwhm_mm, 'n_perm=0 (--n-perm 0)': n_perm}
    needed = [change for change, given in changes.items() if given]
    if needed:
        reasons = []
        if fwhm_mm:
            reasons.append(_UNSMOOTHED)
        if n_perm:
            reasons.append(
                'the permutation test is one of least squares, whose t is not that of the model'
            )
        raise InputError(
            f'The model {model!r} takes the variances of the maps as known: it neither smooths '
            'maps nor permutes them.',
            found=f'fwhm_mm={fwhm_mm:g}, n_perm={n_perm}: {"; ".join(reasons)}',
            expected=' and '.join(needed),
            advice="Smooth at the first level. For a permutation test choose model='ols' (--model "
            'ols); sign flips do not ask for equal variances.',
        )


def _check_robust(n_perm, auto_variance_groups):
    if auto_variance_groups:
        raise InputError(
            "The model 'robust' has no variance groups: the scale is one of all residuals.",
            found='auto_variance_groups=True',
            advice="Choose model='ols' (--model ols) for statistics of unequal variances.",
        )
    if n_perm:
        raise InputError(
            "The model 'robust' is not permuted.",
            found=f'n_perm={n_perm}: the permutation test is one of least squares, whose t is not '
            'that of the model',
            expected='n_perm=0 (--n-perm 0)',
            advice="For a permutation test choose model='ols' (--model ols), and look for "
            'influential subjects with influence=True (--influence).',
        )


_UNSMOOTHED = (
    'the variance of a smoothed map depends on how its errors are correlated between voxels, '
    'which maps of variances do not tell'
)


def check_smoothing(fwhm_mm):
    """Refuse to smooth maps whose variances are known."""
    if fwhm_mm:
        raise InputError(
            'Maps with known variances cannot be smoothed.',
            found=f'fwhm_mm={fwhm_mm:g}; {_UNSMOOTHED}',
            expected='fwhm_mm=0',
            advice='Smooth at the first level, before the variances are estimated.',
        )


def get_fit(workflow):
    """Give the node that fits the model, whichever it is."""
    names = ('fit_mixed', 'fit_robust', 'fit_voxelwise', 'fit_glm')
    return next(filter(None, map(workflow.get_node, names)))


def add_fit(workflow, model, omp_nthreads, **policy):
    """Add the node that fits the model, with what belongs to it; give it."""
    if model == 'ols':
        return make_node(FitGLM(**policy), name='fit_glm')
    if takes_variances(model):
        return add_mixed(workflow, model, omp_nthreads, **policy)
    fit_robust = make_node(
        FitRobust(num_threads=omp_nthreads, **policy), name='fit_robust', n_procs=omp_nthreads
    )
    workflow.connect([
        (workflow.get_node('prepare_wf'), fit_robust, [('outputnode.losses_file', 'maps_file')]),
        (fit_robust, workflow.get_node('outputnode'), [('weights_file', 'weights_file')]),
    ])  # fmt: skip
    return fit_robust


def add_matching(workflow, unmatched, variances):
    """Match maps, variances and rows; give the node that has the maps from then on."""
    match_maps = make_node(
        MatchMaps(unmatched=unmatched, needs_variances=variances), name='match_maps'
    )
    inputnode, report = workflow.get_node('inputnode'), workflow.get_node('make_report')
    fields = ['in_files', 'table_file', *(['variance_files'] if variances else [])]
    workflow.connect([
        (inputnode, match_maps, [(field, field) for field in fields]),
        (match_maps, report, [('metadata_file', 'matching_metadata_file')]),
    ])  # fmt: skip
    return match_maps


def add_mixed(workflow, model, omp_nthreads, **shared):
    """Fit a model with known variances, and draw the heterogeneity; give the node of the fit."""
    fit_mixed = make_node(
        FitMixed(method=model, num_threads=omp_nthreads, **shared),
        name='fit_mixed',
        n_procs=omp_nthreads,
    )
    outputnode, prepare_wf, report = map(
        workflow.get_node, ('outputnode', 'prepare_wf', 'make_report')
    )
    workflow.connect([
        (workflow.get_node('match_maps'), prepare_wf, [
            ('variance_files', 'inputnode.variance_files'),
        ]),
        (prepare_wf, fit_mixed, [('outputnode.variances_file', 'variance_files')]),
        (fit_mixed, outputnode, [(field, field) for field in model_outputs(model)]),
    ])  # fmt: skip
    figures = {
        'i2': PlotStatMap(title='Variation that is between maps', label='I² (%)', vmax=100.0)
    }
    if model != 'fixed':
        figures['tau2'] = PlotStatMap(title='Variance between maps', label='τ²')
    for name, figure in figures.items():
        figure.inputs.sidedness = 'positive'
        plot = make_node(figure, name=f'plot_{name}')
        workflow.connect([
            (fit_mixed, plot, [(f'{name}_file', 'in_file')]),
            (plot, report, [('figure_file', f'{name}_figure_file')]),
        ])  # fmt: skip
    return fit_mixed


def model_outputs(model):
    """Outputs that a model has of its own.

    >>> model_outputs('fixed')
    ['i2_file', 'q_file', 'q_p_file']
    """
    if not takes_variances(model):
        return ['weights_file'] if model == 'robust' else []
    return ['i2_file', 'q_file', 'q_p_file'] + (['tau2_file'] if model != 'fixed' else [])


def add_group_sink(workflow, out_dir, model):
    """Copy what all contrasts share to the results folder."""
    ds_group = make_node(SinkGroup(out_dir=out_dir), name='ds_group')
    names = ['subjects', 'coverage', 'design']
    names += [name for name in ('tau2', 'i2') if workflow.get_node(f'plot_{name}') is not None]
    ds_group.inputs.figure_names = names
    figures = pe.Node(niu.Merge(len(names)), name='list_figures')
    for index, name in enumerate(names, start=1):
        workflow.connect(workflow.get_node(f'plot_{name}'), 'figure_file', figures, f'in{index}')
    maps = [(field, field) for field in model_outputs(model)]
    workflow.connect([
        (workflow.get_node('outputnode'), ds_group, [('mask_file', 'mask_file'),
                                                     ('coverage_file', 'coverage_file'),
                                                     ('n_file', 'n_file'),
                                                     ('losses_file', 'maps_file'),
                                                     ('design_file', 'design_file'),
                                                     ('report_file', 'report_file'),
                                                     *maps]),
        (workflow.get_node('build_design'), ds_group, [('metadata_file', 'design_metadata_file')]),
        (get_fit(workflow), ds_group, [('metadata_file', 'model_metadata_file')]),
        (figures, ds_group, [('out', 'figure_files')]),
    ])  # fmt: skip
    match_maps = workflow.get_node('match_maps')
    if match_maps is not None:
        workflow.connect(match_maps, 'metadata_file', ds_group, 'matching_metadata_file')
