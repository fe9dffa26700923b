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


def check_model(
    model, *, fwhm_mm, n_perm, auto_variance_groups, method, missing, variance_fwhm_mm, **_
):
    """Refuse what a model cannot do, or a model that does not exist.

    Parameters are those of :func:`~nistats_nipype.workflows.init_second_level_wf`.

    Raises
    ------
    InputError
        With all that has to be changed at once.
    """
    if model not in MODELS:
        raise InputError('Unknown model.', found=repr(model), expected=', '.join(MODELS))
    if model == 'ols':
        return
    if auto_variance_groups:
        owns = (
            'each map has a variance of its own'
            if takes_variances(model)
            else 'the scale is one of all residuals'
        )
        raise InputError(
            f'The model {model!r} has no variance groups: {owns}.',
            found='auto_variance_groups=True',
            advice="Choose model='ols' (--model ols) for statistics of unequal variances.",
        )
    wrong = {}
    if takes_variances(model) and fwhm_mm:
        wrong['fwhm_mm=0 (--fwhm 0)'] = f'fwhm_mm={fwhm_mm:g}: {_UNSMOOTHED}'
    if n_perm and method != 'freedman-lane':
        wrong["method='freedman-lane' (--method freedman-lane)"] = (
            f'method={method!r}: maps are moved as wholes, not residuals or regressors'
        )
    if n_perm and missing == 'per_voxel':
        wrong["missing='drop_voxel' (--missing drop_voxel)"] = (
            "missing='per_voxel': permutations of this model take the same maps at every voxel"
        )
    if n_perm and variance_fwhm_mm:
        wrong['variance_fwhm_mm=0 (--variance-fwhm 0)'] = (
            f'variance_fwhm_mm={variance_fwhm_mm:g}: pseudo-t is one of least squares'
        )
    if wrong:
        raise InputError(
            f'The model {model!r} cannot be had with what else is asked for.',
            found='; '.join(wrong.values()),
            expected=' and '.join(wrong),
            advice='Smooth at the first level, before the variances are estimated.'
            if 'fwhm_mm=0 (--fwhm 0)' in wrong
            else "Or choose model='ols' (--model ols), or n_perm=0 (--n-perm 0).",
        )


def check_permuted(model, formula, contrasts):
    """Refuse to permute another model than least squares where a formula has too many terms.

    What the levels of its variables decide, :class:`~nistats_nipype.interfaces.CheckDesign` does.

    Parameters
    ----------
    model : str
        A model to be permuted.
    formula : str or None
    contrasts : dict of {str: definition}

    Raises
    ------
    InputError
        If a contrast leaves a term beside an intercept untested.

    Examples
    --------
    >>> check_permuted('reml', 'age', {'older': 'age'})
    """
    if model == 'ols' or formula is None:
        return
    # Here, because it imports pandas.
    from ..designs.matrices import INTERCEPT, count_terms

    n_terms = count_terms(formula)
    for name, definition in contrasts.items():
        rows = 1 if isinstance(definition, str) else len(definition)
        if not isinstance(definition, str) and isinstance(definition[0], int | float):
            rows = 1
        if rows < n_terms or (definition == INTERCEPT and n_terms):
            raise InputError(
                f'The model {model!r} cannot be permuted for the contrast {name!r}.',
                found=f'the formula {formula!r}, of which the contrast leaves terms untested; '
                'maps cannot be moved with their variances or weights and without these',
                expected='the mean alone (sign flips), or permutations beside an intercept only: '
                'two samples, one covariate, F over all terms',
                advice="For a permutation test beside nuisance regressors choose model='ols' "
                '(--model ols), or else leave it out with n_perm=0 (--n-perm 0).',
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
    names = ['subjects', 'outliers', 'coverage', 'design']
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
