"""Checks of voxelwise covariates, as far as names and headers tell."""

from pathlib import Path

import numpy as np

from ..exceptions import NistatsNipypeError
from ..images.sampling import find_copies
from ..images.volumes import count_volumes
from .covariates import is_centred
from .findings import Finding, from_error
from .matrices import INTERCEPT
from .tables import subject_label


def check_covariates(maps, n_maps, covariates, groups_file=None):
    """Check whether there is a map of each covariate for each observation, and whose it is.

    Parameters
    ----------
    maps : list of str
        N 3D maps, or one 4D file.
    n_maps : int
        N.
    covariates : dict of {str: list of str}
        Maps of each covariate, in the order of ``maps``, or one 4D file.
    groups_file : path-like, optional
        Variance groups, which go with no covariate.

    Returns
    -------
    list of Finding
    """
    findings = []
    for name, files in covariates.items():
        findings += _check_files(maps, n_maps, name, list(map(str, files)))
    if covariates and groups_file is not None:
        problem = 'Variance groups and voxelwise covariates do not go together.'
        advice = 'Leave out the groups (--variance-groups), or the covariates.'
        findings.append(
            Finding('error', 'covariate-groups', ', '.join(covariates), problem, advice)
        )
    return findings


def _check_files(maps, n_maps, name, files):
    try:
        n_files = count_volumes(files)
    except NistatsNipypeError as error:
        return [from_error('covariate-maps', name, error)]
    if n_files != n_maps:
        problem = f'There are {n_files} maps of {name} for {n_maps} maps.'
        advice = 'Give one for every map, in the order of the maps.'
        return [Finding('error', 'covariate-number', name, problem, advice)]
    findings = []
    for alike in find_copies(files):
        names = ', '.join(Path(path).name for path in alike[:5])
        problem = f'{len(alike)} maps of {name} are the same file under different names: {names}.'
        advice = 'Replace the copies by the maps of those subjects.'
        findings.append(Finding('error', 'copied-map', name, problem, advice))
    labels, others = (list(map(subject_label, paths)) for paths in (maps, files))
    if len(labels) == len(others) and None not in labels + others and labels != others:
        same = [one == other for one, other in zip(labels, others, strict=True)]
        row = same.index(False)
        problem = (
            f'The maps of {name} are in another order than the maps: number {row + 1} is of '
            f'{others[row]}, beside the map of {labels[row]}.'
        )
        advice = 'List both in one order; a column of the table (--covariate-maps) does so.'
        findings.append(Finding('error', 'covariate-order', name, problem, advice))
    return findings


def note_unknown(design, contrasts, terms):
    """Say what is not known of voxelwise covariates before their maps are read.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
        Without the covariates.
    contrasts : list of Contrast
        Of the design with the covariates as its last columns.
    terms : list of K str
        The covariates, as the formula has them.

    Returns
    -------
    list of Finding
    """
    findings = []
    for name in terms:
        problem = (
            f'{name} has a value for each map and voxel. At which voxels other regressors explain '
            'it, or a single map decides about it, is not known from names and headers.'
        )
        advice = (
            'Voxels without a result are counted in the metadata of the model; compare the figure '
            'of the design, which shows means over the mask.'
        )
        findings.append(Finding('note', 'voxelwise-covariate', name, problem, advice))
    raw = [term for term in terms if not is_centred(term)]
    if INTERCEPT not in design or not raw:
        return findings
    at = design.columns.get_loc(INTERCEPT)
    for contrast in contrasts:
        if len(contrast.weights) == 1 and contrast.weights[0, at]:
            problem = (
                f'The intercept is the mean where {" and ".join(raw)} is 0, which may be nowhere: '
                'maps are taken as they are.'
            )
            advice = f'Write center({raw[0]}) in the formula; then it is the mean at the mean.'
            findings.append(Finding('warning', 'not-centred', contrast.name, problem, advice))
    return findings


def of_regressors(contrasts, n_columns):
    """Contrasts as far as they weigh the first columns, those that hold the same everywhere.

    Parameters
    ----------
    contrasts : list of Contrast
        Of a design with covariates as its last columns.
    n_columns : int
        Columns before these.

    Returns
    -------
    list of Contrast
        Without those that only weigh covariates.
    """
    parts = []
    for contrast in contrasts:
        weights = contrast.weights[:, :n_columns]
        weights = weights[np.abs(weights).sum(axis=1) > 0]
        if len(weights):
            columns = contrast.columns[:n_columns]
            parts.append(contrast._replace(weights=weights, columns=columns))
    return parts
