"""Models, statistics and heterogeneity in words, from the metadata of the fit."""

_ESTIMATORS = {
    'ols': 'a general linear model fitted by ordinary least squares',
    'huber': "robust regression, Huber's M estimator by iteratively reweighted least squares with "
    'the scale from the median absolute residual (Huber 1964, '
    'https://doi.org/10.1214/aoms/1177703732; Wager et al. 2005, '
    'https://doi.org/10.1016/j.neuroimage.2005.01.011), at every voxel',
    'reml': 'a mixed-effects model: each map was weighted by the inverse of its known variance '
    'plus a variance between maps, which was estimated at every voxel by restricted maximum '
    'likelihood '
    '(the model of FLAME 1; Woolrich et al. 2004, '
    'https://doi.org/10.1016/j.neuroimage.2003.12.023)',
    'dl': 'a mixed-effects model: each map was weighted by the inverse of its known variance plus '
    'a variance between maps, which was estimated at every voxel by the method of moments '
    '(DerSimonian and Laird 1986, https://doi.org/10.1016/0197-2456(86)90046-2)',
    'fixed': 'a fixed-effects model: each map was weighted by the inverse of its known variance, '
    'so that inference is about these maps only, not about a population they come from',
}


def describe_estimator(model):
    """Say how the model was fitted.

    Parameters
    ----------
    model : dict
        Metadata of the fit.

    Returns
    -------
    str
        What completes "The maps were analysed with".

    Examples
    --------
    >>> describe_estimator({'Estimator': 'ordinary least squares'})
    'a general linear model fitted by ordinary least squares'
    """
    return _ESTIMATORS[model.get('MixedModel') or model.get('RobustModel', 'ols')]


def describe_covariates(model, fwhm_mm=0.0):
    """Say which regressors were maps, for the methods text.

    Parameters
    ----------
    model : dict
        Metadata of the fit.
    fwhm_mm : float, default 0.0
        FWHM of the kernel that smoothed these maps.

    Returns
    -------
    str
        With a blank in front; empty if there were none.

    Examples
    --------
    >>> model = {'VoxelwiseCovariates': ['grey[voxelwise]'],
    ...          'NumberOfVoxelsWithCollinearCovariates': 3}
    >>> print(describe_covariates(model).split(' (')[0])
     At every voxel the design had the values of that voxel for the voxelwise covariate grey
    """
    columns = model.get('VoxelwiseCovariates')
    if not columns:
        return ''
    names = ' and '.join(name.removesuffix('[voxelwise]') for name in columns)
    smoothed = f'smoothed with {fwhm_mm:g} mm FWHM' if fwhm_mm else 'not smoothed'
    text = (
        ' At every voxel the design had the values of that voxel for the voxelwise '
        f'covariate{"s" * (len(columns) > 1)} {names} (Casanova et al. 2007, '
        f'https://doi.org/10.1016/j.neuroimage.2006.09.011), whose maps were {smoothed}.'
    )
    if any(name.startswith('center(') for name in columns):
        text += ' center() stands for maps without their mean over all observations.'
    n_collinear = model['NumberOfVoxelsWithCollinearCovariates']
    if n_collinear:
        number = f'{n_collinear:,} voxel{"s" * (n_collinear > 1)}'
        text += (
            f' There is no result at {number} where a covariate was constant, or a combination of '
            'other regressors.'
        )
    return text


def describe_heterogeneity(model):
    """Facts about how much the effects differ beyond their known variances.

    Parameters
    ----------
    model : dict
        Metadata of a fit with known variances.

    Returns
    -------
    dict of {str: str}

    Examples
    --------
    >>> model = {'MixedModel': 'fixed', 'NumberOfVoxelsFitted': 2000, 'MedianI2': 12.34,
    ...          'NumberOfVoxelsWithQPBelow.05': 150}
    >>> describe_heterogeneity(model)['Heterogeneity, p < .05']
    '150 of 2,000 voxels (uncorrected; Q against chi-squared)'
    """
    n_fitted = model['NumberOfVoxelsFitted']
    facts = {
        'I², median': f'{model["MedianI2"]:.1f} % of the variation',
        'Heterogeneity, p < .05': f'{model["NumberOfVoxelsWithQPBelow.05"]:,} of {n_fitted:,} '
        'voxels (uncorrected; Q against chi-squared)',
    }
    if model['MixedModel'] == 'fixed':
        return facts | {'τ²': 'taken as 0: fixed effects'}
    n_none = model['NumberOfVoxelsWithoutHeterogeneity']
    return facts | {
        'τ², median': f'{model["MedianTau2"]:.4g}, in squared units of the maps',
        'τ² estimated as 0': f'{n_none:,} of {n_fitted:,} voxels',
    }


def describe_refits(permutation):
    """Say what was relabelled where another model than least squares was permuted.

    Parameters
    ----------
    permutation : dict
        Metadata of the permutation test.

    Returns
    -------
    str
        What completes "with"; empty for least squares.

    Examples
    --------
    >>> describe_refits({'PermutedModel': 'robust', 'Errors': 'symmetric'})
    'the signs of the maps flipped, and the robust model fitted anew for every relabelling'
    >>> describe_refits({'PermutationMethod': 'freedman-lane'})
    ''
    """
    model = permutation.get('PermutedModel')
    if model is None:
        return ''
    known = model != 'robust'
    pairs = 'maps permuted together with their variances' if known else 'maps permuted'
    signs = 'the signs of the maps flipped'
    relabelled = {'symmetric': signs, 'both': f'{pairs} and their signs flipped'}.get(
        permutation.get('Errors'), pairs
    )
    fitted = {
        'robust': 'the robust model fitted anew for every relabelling',
        'fixed': 'the fixed effects estimated anew for every relabelling',
    }.get(model, 'the variance between maps estimated anew for every relabelling')
    reference = ' (Mériaux et al. 2006, https://doi.org/10.1002/hbm.20251)' if known else ''
    return f'{relabelled}, and {fitted}{reference}'


def describe_weights(model):
    """Say which maps a robust fit gave the lowest weights.

    Parameters
    ----------
    model : dict
        Metadata of the fit.

    Returns
    -------
    list of str
        Empty for other models.

    Examples
    --------
    >>> describe_weights({'LowestMeanWeights': [{'file': 'sub-03.nii', 'mean_weight': 0.41}]})
    ['Lowest mean weights in the robust fit (1: never reduced): sub-03.nii 0.41.']
    """
    lowest = model.get('LowestMeanWeights')
    if not lowest:
        return []
    maps = ', '.join(f'{each["file"]} {each["mean_weight"]:.2f}' for each in lowest)
    return [f'Lowest mean weights in the robust fit (1: never reduced): {maps}.']


def describe_dropped(matching):
    """Sentences about the maps that were left out.

    Parameters
    ----------
    matching : dict
        Metadata of :class:`nistats_nipype.interfaces.MatchMaps`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> describe_dropped({'Dropped': [{'file': 'sub-03.nii', 'reason': 'no row in the table'}]})
    ['Left out: sub-03.nii (no row in the table).']
    """
    return [f'Left out: {each["file"]} ({each["reason"]}).' for each in matching['Dropped']]


def describe_dof(test):
    """Degrees of freedom of a test: ``15``, or ``12 to 15`` where they vary over voxels.

    They are infinite where variances are known: there are none in the metadata.

    Examples
    --------
    >>> describe_dof({'DegreesOfFreedom': [12.0, 15.0]}), describe_dof({'DegreesOfFreedom': None})
    ('12 to 15', '∞')
    """
    if test['DegreesOfFreedom'] is None:
        return '∞'
    low, high = (f'{round(dof, 2):g}' for dof in test['DegreesOfFreedom'])
    return low if low == high else f'{low} to {high}'


def describe_statistic(test):
    """Statistic of a test with its degrees of freedom.

    Examples
    --------
    >>> describe_statistic({'Statistic': 't', 'DegreesOfFreedom': [15.0, 15.0]})
    't, 15 degrees of freedom'
    >>> describe_statistic({'StatisticName': 'chi2', 'DegreesOfFreedomEffect': 2})
    'chi-squared, 2 degrees of freedom'
    """
    name = test.get('StatisticName') or test['Statistic']
    if name == 'z':
        return 'z, the variances being known'
    if name == 'chi2':
        return f'chi-squared, {test["DegreesOfFreedomEffect"]} degrees of freedom'
    return f'{name}, {describe_dof(test)} degrees of freedom'
