"""Checks of the values of the maps: which of them stand apart from the group."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..images.sampling import N_POINTS, sample_maps
from ..images.volumes import count_volumes
from ..stats.diagnostics import (
    COVERAGE_MARGIN,
    MapSummary,
    outlier_limit,
    score_maps,
    summarize_maps,
    variance_ratio,
)
from .findings import Finding, sort_findings
from .tables import subject_label

#: Correlation from which two maps are one.
_SAME = 0.9999
#: Ratio of the variances of groups that is told of.
_VARIANCE_RATIO = 2.5
#: Smallest group whose variance is compared.
_GROUP_SIZE = 5
#: Values of all maps together that are looked at, so that large groups take no more memory.
_MOST_VALUES = 4_000_000
_LOOK = 'Look at this map beside the others'


class Look(NamedTuple):
    """What is known of the maps of a group from some of their voxels.

    Attributes
    ----------
    names : list of N str
    values : ndarray of shape (N, S), float32
        NaN where a value is missing.
    summary : MapSummary
    """

    names: list
    values: np.ndarray
    summary: MapSummary


def lint_maps(in_files, *, mask_file=None, zero_is_missing=True, losses=None, groups=None):
    """Find maps that stand apart from the others of their group.

    Parameters
    ----------
    in_files : list of path-like
        N 3D maps on one grid, or one 4D file. Some voxels are read, see
        :func:`~nistats_nipype.images.sampling.sample_maps`.
    mask_file : path-like, optional
        Mask; by default the voxels that at least half of the maps observe.
    zero_is_missing : bool, default True
        Whether a value of exactly 0 is a missing one.
    losses : pandas.DataFrame of N rows, optional
        What each map covers, as :func:`~nistats_nipype.images.masking.compute_mask` tells; by
        default it is counted in the voxels that are read.
    groups : sequence of N labels, optional
        Groups whose variances are compared, see :func:`groups_of_design`.

    Returns
    -------
    list of Finding
        Errors first.

    Raises
    ------
    InputError, GridError
        If maps cannot be read, or do not share one grid.

    Notes
    -----
    Mean, logarithm of the standard deviation, coverage, and Fisher-transformed correlation with
    the mean of the other maps are compared with those of the other maps, by robust scores with a
    limit that depends on the number of maps: for normal values, one group in a hundred has a
    score beyond it. Five maps or more are needed.

    In 300 simulated groups of 8 to 40 maps, 6 had a map that was taken for one apart though it
    was not. A map 10 times too large, or shifted by 3 of its standard deviations, was found in
    all; one of the wrong sign in 75 % of the groups of 8, in 93 % of those of 12, and in 96 % of
    larger ones. A map of noise, or of another subject or task, differs only where the maps of the
    group are alike: one of noise was found in a quarter of the groups of 8, and in two thirds of
    those of 40.
    """
    look = look_at_maps(
        in_files, mask_file=mask_file, zero_is_missing=zero_is_missing, losses=losses
    )
    return lint_look(look, groups)


def look_at_maps(in_files, *, mask_file=None, zero_is_missing=True, losses=None):
    """Read some voxels of the maps of a group, and measure them; see :func:`lint_maps`.

    Returns
    -------
    Look
    """
    n_points = min(N_POINTS, _MOST_VALUES // count_volumes(in_files))
    names, values = sample_maps(
        in_files, n_points=n_points, mask_file=mask_file, zero_is_missing=zero_is_missing
    )
    summary = summarize_maps(values)
    if losses is not None:
        candidates = losses['n_observed'] + losses['n_lost']
        summary = summary._replace(coverage=(losses['n_observed'] / candidates).to_numpy())
    return Look(_short(names), values, summary)


def lint_look(look, groups=None):
    """Find maps that stand apart from the others, of what :func:`look_at_maps` has read.

    Returns
    -------
    list of Finding
        Errors first.
    """
    names, values, summary = look
    findings = _find_flat(names, summary) + _find_twins(names, values)
    if len(names) >= 5:
        flat = {each.where for each in findings if each.code == 'flat-map'}
        apart = find_outliers(names, summary)
        findings += [each for each in apart if each.where not in flat]
    if groups is not None:
        findings += _compare_groups(values, groups)
    return sort_findings(findings)


def groups_of_design(design):
    """Groups that the columns of 0 and 1 of a design make.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)

    Returns
    -------
    ndarray of shape (N,), int, or None
        None unless there are several groups, all large enough to have a variance.

    Examples
    --------
    >>> import pandas as pd
    >>> design = pd.DataFrame({'intercept': 1.0, 'group[T.b]': [0.0, 1.0] * 5, 'age': range(10)})
    >>> groups_of_design(design).tolist()
    [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    """
    matrix = design.to_numpy()
    coded = matrix[:, ((matrix == 0) | (matrix == 1)).all(axis=0)]
    _, labels, sizes = np.unique(coded, axis=0, return_inverse=True, return_counts=True)
    return labels.ravel() if len(sizes) > 1 and sizes.min() >= _GROUP_SIZE else None


def _short(names):
    labels = [subject_label(name) for name in names]
    if None not in labels and len({*labels}) == len(labels):
        return labels
    return [Path(name).name for name in names]


def _find_flat(names, summary):
    """Maps without a value, or of one value."""
    findings = []
    for name, sd, coverage in zip(names, summary.sd, summary.coverage, strict=True):
        if coverage > 0 and sd > 0:
            continue
        what = 'has one value everywhere' if coverage > 0 else 'has no value where the others do'
        advice = 'Make it again, or leave it out.'
        findings.append(Finding('error', 'flat-map', name, f'The map {what}.', advice))
    return findings


def _find_twins(names, values):
    """Pairs of maps with the same values but for scale and shift."""
    complete = values[:, np.isfinite(values).all(axis=0)].astype(np.float64)
    if complete.shape[1] < 10:
        return []
    centred = complete - complete.mean(axis=1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(size > 0, size, 1.0)
    pairs = np.argwhere(np.triu(unit @ unit.T > _SAME, k=1))
    return [
        Finding(
            'warning',
            'same-map',
            names[second],
            f'The maps of {names[first]} and {names[second]} have the same values, but for their '
            'scale.',
            'Check which of the two is whose, and replace the other.',
        )
        for first, second in pairs
    ]


def find_outliers(names, summary):
    """Find the maps whose mean, spread, coverage or pattern is far from that of the others.

    Parameters
    ----------
    names : list of N str
    summary : MapSummary

    Returns
    -------
    list of Finding
        One for each map, of what sets it apart most.
    """
    scores = score_maps(summary)
    limits = {key: outlier_limit(len(names)) for key in ('sd', 'mean')}
    # On one side, twice the alarms of two sides are as many.
    limits |= {key: outlier_limit(len(names), 0.02) for key in ('similarity', 'coverage')}
    middle = {name: np.nanmedian(values) for name, values in summary._asdict().items()}
    findings = []
    for row, name in enumerate(names):
        mine = {key: values[row] for key, values in summary._asdict().items()}
        score = {key: values[row] for key, values in scores._asdict().items()}
        # A map may be like the others as much as it will, and cover as much.
        beyond = {
            'similarity': -score['similarity'],
            'sd': abs(score['sd']),
            'mean': abs(score['mean']),
            'coverage': -score['coverage'],
        }
        if middle['coverage'] - mine['coverage'] < COVERAGE_MARGIN:
            beyond['coverage'] = 0.0
        worst = max(beyond, key=lambda key: np.nan_to_num(beyond[key] / limits[key]))
        # The scale of a map is that of its mean, too.
        worst = 'sd' if beyond['sd'] > limits['sd'] else worst
        if not beyond[worst] > limits[worst]:
            continue
        what, advice = _describe(worst, mine, middle)
        problem = f'{what} (robust score {score[worst]:.1f}, limit {limits[worst]:.1f}).'
        findings.append(Finding('warning', f'map-{worst}', name, problem, advice))
    return findings


def _describe(kind, mine, middle):
    """What sets a map apart, in words, and what to do."""
    if kind == 'sd':
        ratio = mine['sd'] / middle['sd']
        times = f'{ratio:.3g} times' if ratio >= 1 else f'1/{1 / ratio:.3g} of'
        return f'Its values spread {times} as much as those of the median map'.replace(
            'of as much as', 'of'
        ), f'{_LOOK}; check its units and its scaling.'
    if kind == 'mean':
        shift = (mine['mean'] - middle['mean']) / middle['sd']
        return (
            f'Its mean is {mine["mean"]:.3g}, that of the median map {middle["mean"]:.3g}, '
            f'{abs(shift):.2g} standard deviations of a map away'
        ), f'{_LOOK}; check what was subtracted, and its scaling.'
    if kind == 'coverage':
        return (
            f'It has values at {100 * mine["coverage"]:.0f} % of the voxels, the median map at '
            f'{100 * middle["coverage"]:.0f} %'
        ), (
            'Look at its field of view and its registration; without this map, the mask is larger '
            '(--mask coverage keeps voxels that some maps lack).'
        )
    sign = '; its sign may be the wrong way round' if mine['similarity'] < -0.1 else ''
    return (
        f'It correlates {mine["similarity"]:.2f} with the mean of the others, the median map '
        f'{middle["similarity"]:.2f}{sign}'
    ), f'{_LOOK}; check whose it is, its contrast and its registration.'


def _compare_groups(values, groups):
    """Groups whose maps vary by very different amounts."""
    ratio = variance_ratio(values, groups)
    if not ratio >= _VARIANCE_RATIO:
        return []
    problem = (
        f'Maps of one group vary {ratio:.1f} times as much (variance) as those of another, at the '
        'median voxel.'
    )
    advice = 'Give each group a variance of its own (--variance-groups), the more so if they '
    return [Finding('warning', 'unequal-variances', 'maps', problem, advice + 'differ in size.')]
