"""Checks of exchangeability: what can be relabelled, and what p that can reach."""

import numpy as np

from ..exceptions import NistatsNipypeError, ScheduleError
from ..stats.approximation import smallest_of_schedule
from ..stats.blocks import check_blocks, variance_groups
from ..stats.design import partition
from ..stats.exchange import draw_schedule
from ..stats.model_engine import check_relabelling
from ..stats.partial import check_partial
from ..stats.welch import check_groups
from .findings import Finding, from_error


def count_schedule(n_perm, design, contrast, **options):
    """Draw all relabellings if these will be used, otherwise two.

    Parameters
    ----------
    n_perm : int
        Relabellings that will be drawn, at least 1.
    design : pandas.DataFrame of shape (N, P)
    contrast : Contrast
    **options
        Of :func:`~nistats_nipype.stats.exchange.draw_schedule`.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError, DesignError
        If there are no two.
    """

    def draw(number):
        return draw_schedule(design.to_numpy(), contrast.weights, n_perm=number, **options)

    schedule = draw(min(1, n_perm))
    return draw(n_perm) if schedule.n_possible <= n_perm + 1 else schedule


def check_resolution(design, contrast, schedule, *, n_perm, alpha, sidedness, tail='none'):
    """Find corrected p values that no relabelling reaches.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    contrast : Contrast
    schedule : Schedule
        As :func:`count_schedule` gives it.
    n_perm : int
    alpha : float
        Level that should be reached.
    sidedness : {'two-sided', 'positive', 'negative'}
    tail : {'none', 'gpd', 'gamma'}, default 'none'

    Returns
    -------
    list of Finding
        One or none.
    """
    n_used = min(n_perm + 1, schedule.n_possible)
    if schedule.exhaustive:
        limit, advice = 'the design allows', 'Only more maps, or another design, help.'
        side = contrast.tested_side(sidedness)
        smallest = smallest_of_schedule(schedule, design.to_numpy(), contrast.weights, side)
    else:
        limit, advice = '--n-perm gives', 'Ask for more relabellings (--n-perm).'
        smallest = 1 / n_used if tail == 'none' else 0.0
    if smallest <= alpha:
        return []
    problem = (
        f'nothing can reach FWE-corrected p < {alpha:g}; of the {n_used} relabellings that '
        f'{limit}, the smallest p is {smallest:.2g}.'
    )
    return [Finding('warning', 'unreachable-p', contrast.name, problem, advice)]


def check_relabellings(design, contrasts, request, blocks=None, groups=None):
    """Find what blocks and design do not allow to be relabelled.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
        Of full rank.
    contrasts : list of Contrast
    request : Request
        What is asked of the permutations.
    blocks : ndarray of shape (N, L), optional
        Exchangeability blocks that :func:`read_blocks` has passed.
    groups : ndarray of shape (N,), optional
        Variance groups.

    Returns
    -------
    list of Finding
    """
    findings, errors = [], {}
    options = {'errors': request.errors, 'method': request.method}
    options |= {} if blocks is None else {'blocks': blocks}
    options |= {} if groups is None else {'groups': groups}
    for contrast in contrasts:
        try:
            schedule = count_schedule(request.n_perm, design, contrast, **options)
            if request.missing == 'per_voxel':
                check_partial(schedule)
        except ScheduleError as error:
            findings.append(_nothing_moves(design, contrast, blocks, error))
            continue
        except NistatsNipypeError as error:
            findings.append(from_error('variance-groups', contrast.name, error))
            continue
        errors[contrast.name] = schedule.errors
        if request.model != 'ols':
            findings += _check_model(design, contrast, request.model, schedule)
        findings += check_resolution(
            design,
            contrast,
            schedule,
            n_perm=request.n_perm,
            alpha=request.alpha,
            sidedness=request.sidedness,
            tail=request.tail,
        )
    if request.correct_contrasts and len(set(errors.values())) > 1:
        kinds = ', '.join(f'{name}: errors {kind}' for name, kind in errors.items())
        error = _different_errors(kinds)
        findings.append(from_error('different-relabellings', '--correct-contrasts', error))
    return findings


def _check_model(design, contrast, model, schedule):
    """Find a nuisance beside which another model than least squares is not permuted."""
    split = partition(design.to_numpy(), contrast.weights)
    try:
        check_relabelling(model, split, schedule.errors, schedule.method)
    except ScheduleError as error:
        return [from_error('model-not-permuted', contrast.name, error)]
    return []


def _different_errors(kinds):
    from ..exceptions import ContrastError

    return ContrastError(
        '--correct-contrasts needs the same relabellings for all contrasts.',
        found=kinds,
        expected='permutations for all, or sign flips for all',
        advice='Choose --errors symmetric, which can test a mean, or leave contrasts out.',
    )


def _nothing_moves(design, contrast, blocks, error):
    """Name the tested columns that no block lets vary, which the error cannot know."""
    finding = from_error('nothing-to-relabel', contrast.name, error)
    if blocks is None:
        return finding
    tested = [design.columns[column] for column in np.flatnonzero(contrast.weights.any(axis=0))]
    labels = innermost_blocks(blocks)
    still = [name for name in tested if design[name].groupby(labels).nunique().max() == 1]
    if not still:
        return finding
    note = f'{", ".join(still)} is the same for all maps of a block. '
    return finding._replace(problem=note + finding.problem)


def innermost_blocks(blocks):
    """Label of the smallest block of each observation that holds several.

    Examples
    --------
    >>> innermost_blocks(np.array([[-1, 1, 1], [-1, 1, 2], [-1, 2, 3], [-1, 2, 4]])).tolist()
    [0, 0, 1, 1]
    """
    blocks = check_blocks(blocks, len(blocks))
    _, labels = np.unique(blocks[:, :-1], axis=0, return_inverse=True)
    return labels.ravel()


def read_blocks(blocks_file, groups_file, auto_groups, n_maps):
    """Read blocks and variance groups; what is wrong with them is a finding.

    Parameters
    ----------
    blocks_file, groups_file : path-like or None
    auto_groups : bool
        Whether the groups are made of the blocks.
    n_maps : int

    Returns
    -------
    blocks : ndarray of shape (N, L), or None
    groups : ndarray of shape (N,), or None
    findings : list of Finding
    """
    from .blocks import load_blocks, load_groups

    blocks, groups, findings = None, None, []
    try:
        if blocks_file is not None:
            blocks = check_blocks(load_blocks(blocks_file), n_maps)
        if auto_groups and blocks is not None:
            groups = variance_groups(blocks)
    except NistatsNipypeError as error:
        findings.append(from_error('blocks', str(blocks_file), error))
    try:
        if groups_file is not None:
            groups = check_groups(load_groups(groups_file), n_maps)
    except NistatsNipypeError as error:
        findings.append(from_error('variance-groups', str(groups_file), error))
    return blocks, groups, findings
