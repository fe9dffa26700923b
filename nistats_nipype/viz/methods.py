"""The methods of an analysis in words, to be pasted into a paper."""

from .estimators import (
    describe_covariates,
    describe_dof,
    describe_estimator,
    describe_refits,
)
from .prose import SPATIAL, describe_alpha, describe_permutation, describe_side
from .references import list_references

__all__ = ['UNKNOWN', 'methods_text']

#: What COBIDAS asks for (Nichols et al. 2017, Nat Neurosci 20(3):299-303) and no map tells.
UNKNOWN = (
    'participants and how they were chosen, task and stimuli, acquisition, preprocessing with '
    'the normalisation to the template, the first-level model and its contrast, and which '
    'analyses were planned'
)

_MASKS = {
    'intersection': 'those observed in all maps',
    'coverage': 'those observed in a sufficient share of the maps',
    'template': 'those of the MNI152 brain template',
    'given': 'those of a mask given by the user',
}
_RELABELLED = {
    'freedman-lane': 'the residuals of the nuisance model relabelled (Freedman and Lane 1983, '
    'https://doi.org/10.2307/1391660)',
    'ter-braak': 'the residuals of the whole model relabelled (ter Braak 1992, '
    'https://doi.org/10.1007/978-3-642-48850-4_10)',
    'manly': 'the data relabelled (Manly 1986, https://doi.org/10.1007/BF02515450)',
    'draper-stoneman': 'the regressors of interest relabelled (Draper and Stoneman 1966, '
    'https://doi.org/10.2307/1266641)',
    'dekker': 'the regressors of interest, made orthogonal to the nuisance, relabelled (Dekker et '
    'al. 2007, https://doi.org/10.1007/s11336-007-9016-1)',
    'huh-jhun': 'the residuals of the nuisance model reduced to their degrees of freedom and '
    'relabelled (Huh and Jhun 2001, https://doi.org/10.1081/STA-100106060)',
}
_VARIANCES = {
    name: f' {name} is the generalisation of {old} to groups of unequal variance (Welch 1951, '
    'https://doi.org/10.1093/biomet/38.3-4.330).'
    for name, old in (('v', 't'), ('G', 'F'))
}
_FDR = {
    'BH': 'Benjamini and Hochberg 1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x',
    'BKY': 'Benjamini et al. 2006, https://doi.org/10.1093/biomet/93.3.491',
}
_SOFTWARE = {
    'nilearn': 'Abraham et al. 2014, https://doi.org/10.3389/fninf.2014.00014',
    'nipype': 'Gorgolewski et al. 2011, https://doi.org/10.3389/fninf.2011.00013',
    'numba': 'Lam et al. 2015, https://doi.org/10.1145/2833157.2833162',
    'numpy': 'Harris et al. 2020, https://doi.org/10.1038/s41586-020-2649-2',
    'scipy': 'Virtanen et al. 2020, https://doi.org/10.1038/s41592-019-0686-2',
}
#: Regressors that are named; of more, the number is given.
_MOST_NAMED = 12


def methods_text(model, preparation, tests, versions, joint=None):
    """Text for the methods section of a paper.

    Parameters
    ----------
    model : dict
        Metadata of the fit.
    preparation : dict
        ``fwhm_mm`` and ``mask_method``; optionally ``covariate_fwhm_mm``, if maps of covariates
        were smoothed, ``voxel_mm``, sizes of the voxels, and ``n_left_out``, number of maps that
        were not analysed.
    tests : list of dict
        For each contrast ``test`` and, where they were made, ``uncorrected``, ``permutation``,
        ``fwe``, ``spatial``, ``extent``, ``mass`` and ``tfce``: metadata of the steps.
    versions : dict
        Versions of the software.
    joint : dict, optional
        Metadata of the correction over contrasts.

    Returns
    -------
    str
        Paragraphs separated by blank lines; the last ones are the references.

    Notes
    -----
    The items are those that COBIDAS asks of the statistical modelling and inference of a group
    analysis and that the analysis knows; ``UNKNOWN`` names those it cannot know.
    """
    paragraphs = [_data_text(model, preparation, tests)]
    paragraphs += [_test_text(entry) for entry in tests]
    if joint:
        paragraphs.append(_joint_text(joint))
    paragraphs += [_presentation_text(tests), _software_text(versions)]
    text, references = list_references('\n\n'.join(filter(None, paragraphs)))
    return '\n\n'.join([text, 'References', *references] if references else [text])


def _data_text(model, preparation, tests):
    fwhm = preparation['fwhm_mm']
    smoothed = f'smoothed with a Gaussian kernel of {fwhm:g} mm FWHM' if fwhm else 'not smoothed'
    missing = {
        'error': 'No value was missing inside the mask.',
        'drop_voxel': 'Voxels with a missing value in any map were left out.',
        'per_voxel': 'Each voxel was fitted on the maps observed there, with its own degrees of '
        f'freedom ({model["NumberOfIncompleteVoxelsFitted"]:,} voxels had missing values).',
    }[model['MissingData']]
    size = ' × '.join(f'{mm:g}' for mm in preparation.get('voxel_mm', ()))
    text = (
        f'{model["NumberOfMaps"]} maps, one for each observation, were {smoothed} and analysed in '
        f'{model["NumberOfVoxelsFitted"]:,} voxels{f" of {size} mm" if size else ""} '
        f'({_MASKS[preparation["mask_method"]]}) with {describe_estimator(model)}.'
        f'{describe_covariates(model, preparation.get("covariate_fwhm_mm", 0.0))} {missing}'
    )
    left_out = preparation.get('n_left_out')
    if left_out:
        text += f' {left_out} further map{"s were" if left_out > 1 else " was"} left out.'
    columns = tests[0]['test'].get('DesignColumns', []) if tests else []
    if columns:
        number = f'{len(columns)} regressor{"s" * (len(columns) > 1)}'
        names = f': {", ".join(columns)}' if len(columns) <= _MOST_NAMED else ''
        formula = f' (formula: {model["Formula"]})' if model.get('Formula') else ''
        text += f' The design matrix had {number}{formula}{names}.'
    return text


def _test_text(entry):
    test, permutation = entry['test'], entry.get('permutation')
    side = f'{describe_side("t", test["Sidedness"])} ' if test['Statistic'] == 't' else ''
    dof = describe_dof(test)
    if test['Statistic'] == 'F':
        dof = f'{test["DegreesOfFreedomEffect"]}, {dof}'
    text = f'Contrast "{test["Contrast"]}" ({test["ContrastFormula"]}) was tested {side}with '
    name = test.get('StatisticName', test['Statistic'])
    text += {
        'z': 'z.',
        'chi2': f'chi-squared({test.get("DegreesOfFreedomEffect")}).',
    }.get(name, f'{name}({dof}).{_VARIANCES.get(name, "")}')
    if permutation:
        text += _permutation_text(test, permutation)
    if permutation and 'fwe' in entry:
        level = describe_alpha(entry['fwe']['Alpha'], corrected=True)
        text += f' Voxels at {level} are reported.'
    if 'spatial' in entry:
        text += _spatial_text(entry)
    return text


def _permutation_text(test, permutation):
    method = permutation.get('PermutationMethod', 'freedman-lane')
    text = (
        ' Familywise error over voxels was controlled with the permutation distribution of '
        f'the maximum statistic: {describe_permutation(permutation)} (Winkler et al. 2014, '
        'https://doi.org/10.1016/j.neuroimage.2014.01.060), with '
        f'{describe_refits(permutation) or _RELABELLED[method]}.'
    )
    if permutation.get('VoxelwiseCovariates'):
        text += ' Effect of interest and nuisance were separated at every voxel.'
    if permutation.get('ExchangeabilityBlocks'):
        text += (
            ' Relabellings kept to exchangeability blocks (Winkler et al. 2015, '
            'https://doi.org/10.1016/j.neuroimage.2015.05.092).'
        )
    if permutation.get('VarianceFWHM'):
        text += (
            f' The permuted statistic was a pseudo-{test["Statistic"]}, the error variance '
            f'smoothed with a Gaussian kernel of {permutation["VarianceFWHM"]:g} mm FWHM '
            '(Nichols and Holmes 2002, https://doi.org/10.1002/hbm.1058).'
        )
    tail = permutation.get('Tail')
    if tail and tail['Fitted']:
        text += (
            f' Corrected p are {tail["Method"]} (Winkler et al. 2016, '
            'https://doi.org/10.1016/j.neuroimage.2016.05.068).'
        )
    if permutation.get('MissingData') == 'per_voxel':
        text += (
            ' Relabellings moved the maps observed at each voxel, and were compared on the z '
            'of the parametric p, as the degrees of freedom vary.'
        )
    if permutation['NumberOfVoxelsNotTested']:
        text += (
            f' {permutation["NumberOfVoxelsNotTested"]:,} voxels with missing values or '
            'without variance were not part of the permutation test.'
        )
    if permutation.get('FDRMethod'):
        text += (
            ' Uncorrected permutation p were also adjusted for the false discovery rate '
            f'({_FDR[permutation["FDRMethod"]]}).'
        )
    return text


def _spatial_text(entry):
    """Inference on clusters and with TFCE, on the relabellings of the voxels."""
    spatial, text = entry['spatial'], ''
    neighbours = f'neighbours being those of {spatial["Connectivity"]}-connectivity'
    if 'extent' in entry:
        forming = spatial['ClusterFormingThreshold']
        text += (
            ' With the same relabellings, familywise error over clusters was controlled for '
            f'their extent and mass (Bullmore et al. 1999, https://doi.org/10.1109/42.750253); '
            f'clusters were formed at {forming["GivenAs"]} > {forming["Given"]:g}, {neighbours}.'
        )
    if 'tfce' in entry:
        powers = spatial['TFCE']
        text += (
            ' Threshold-free cluster enhancement (Smith and Nichols 2009, '
            'https://doi.org/10.1016/j.neuroimage.2008.03.061) had H = '
            f'{powers["H"]:g}, E = {powers["E"]:g}, {neighbours}, and the same relabellings.'
        )
    return text


def _joint_text(joint):
    text = (
        f'Familywise error over voxels and {len(joint["Contrasts"])} contrasts together was '
        'controlled with the permutation distribution of the maximum over voxels and contrasts '
        '(Winkler et al. 2016, https://doi.org/10.1002/hbm.23115; Alberton et al. 2020, '
        'https://doi.org/10.1016/j.neuroimage.2020.116760), each relabelling being used for all '
        'contrasts, and each test being compared on the z of its parametric p.'
    )
    if joint['LeftOut']:
        names = ', '.join(SPATIAL[name] for name in joint['LeftOut'])
        text += f' Not corrected over contrasts, for want of a common scale: {names}.'
    return text


def _presentation_text(tests):
    """Thresholds of what is shown, and what places mean."""
    threshold = tests[0].get('uncorrected') if tests else None
    if threshold is None:
        return ''
    text = f'Maps are shown as z, also at {describe_alpha(threshold["Alpha"], corrected=False)}'
    if threshold.get('Threshold') is not None:
        sign = {'two-sided': '|z| >', 'negative': 'z < −'}.get(threshold['Sidedness'], 'z >')
        text += f' ({sign} {threshold["Threshold"]:.2f})'.replace('− ', '−')
    if threshold.get('ClusterThreshold'):
        text += f', in clusters of at least {threshold["ClusterThreshold"]} voxels'
    return text + (
        f'. Clusters are sets of voxels of one sign connected by {threshold["Connectivity"]} '
        'neighbours; of each, peaks are listed in mm (x to the right, y to the front, z upwards) '
        'in the space of the maps, which the figures take to be that of the MNI152 template '
        '(Fonov et al. 2011, https://doi.org/10.1016/j.neuroimage.2010.07.033).'
    )


def _software_text(versions):
    names = []
    for name, version in versions.items():
        citation = f' ({_SOFTWARE[name]})' if name in _SOFTWARE else ''
        names.append(f'{name} {version}{citation}')
    return f'The analysis was run with {", ".join(names)}.'
