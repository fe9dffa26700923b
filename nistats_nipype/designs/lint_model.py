"""Checks of a design matrix and of its contrasts."""

from itertools import combinations

import numpy as np

from ..exceptions import NistatsNipypeError
from ..stats.design import check_rows, column_space, inestimable_columns, rank
from ..stats.diagnostics import contrast_leverage, variance_inflation
from .contrasts import parse_contrast
from .covariates import voxelwise_columns
from .findings import Finding, from_error
from .group import define_contrast
from .matrices import INTERCEPT, require_full_rank

#: Variance inflation that is told of, and that is warned of (a standard error 3 times as large).
_VIF_NOTE, _VIF_WARNING = 5.0, 10.0
#: Share of one map in what a design knows of a contrast that is warned of.
_LEVERAGE = 0.5
#: Degrees of freedom below which a variance is no estimate, and below which it is a poor one.
_DOF_WARNING, _DOF_NOTE = 3, 20
#: Maps for each regressor, fewer than which are too few; a paired test has two.
_MAPS_PER_REGRESSOR = 1.5
#: Ratio of the sizes of two groups from which unequal variances matter much.
_SIZE_RATIO = 2.0


def check_matrix(design, terms):
    """Check the design matrix as a whole: rank, degrees of freedom, intercept.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    terms : list of Term

    Returns
    -------
    list of Finding
    """
    findings = []
    matrix = design.to_numpy()
    n_rank = rank(matrix)
    if n_rank < matrix.shape[1]:
        try:
            require_full_rank(design)
        except NistatsNipypeError as error:
            reasons = find_dependencies(design, terms)
            generic = from_error('rank-deficient', _dependent(error), error)
            findings += [reason._replace(error=error) for reason in reasons] or [generic]
    try:
        check_rows(matrix, len(matrix))
    except NistatsNipypeError as error:
        findings.append(from_error('no-degrees-of-freedom', 'design', error))
        return findings
    n_dof = len(matrix) - n_rank
    advice = 'Leave out nuisance regressors, or add maps' if terms else 'Add maps'
    if n_dof < _DOF_WARNING or len(matrix) < _MAPS_PER_REGRESSOR * n_rank:
        problem = f'{len(matrix)} maps and {n_rank} regressors leave {n_dof} degrees of freedom.'
        findings.append(Finding('warning', 'few-maps', 'design', problem, f'{advice}.'))
    elif n_dof < _DOF_NOTE:
        problem = f'{n_dof} degrees of freedom estimate the variance of a voxel badly.'
        if not voxelwise_columns(design):
            advice += '; pseudo-t (--variance-fwhm 8) helps the permutation test'
        advice += '.'
        findings.append(Finding('note', 'few-maps', 'design', problem, advice))
    slopes = [term.name for term in terms if not term.categorical]
    if slopes and not has_constant(matrix):
        problem = (
            f'There is no intercept, so that the effect of {slopes[0]} is forced through 0: its '
            'slope takes up the mean of the maps.'
        )
        advice = "Leave out '0 +' or '- 1' of the formula."
        findings.append(Finding('warning', 'no-intercept', slopes[0], problem, advice))
    return findings


def _dependent(error):
    return error.found.rpartition('dependent: ')[2]


def has_constant(matrix):
    """Tell whether the constant is in the space of the columns of a matrix.

    Examples
    --------
    >>> has_constant(np.array([[1.0, 0.0], [0.0, 1.0]])), has_constant(np.array([[1.0], [2.0]]))
    (True, False)
    """
    return _spans(matrix, np.ones((len(matrix), 1)))


def _spans(matrix, columns):
    basis = column_space(np.asarray(matrix, dtype=np.float64))
    size = np.linalg.norm(columns)
    return bool(np.linalg.norm(columns - basis @ (basis.T @ columns)) < 1e-7 * max(size, 1e-300))


def find_dependencies(design, terms):
    """Say which terms determine which, in a design without full rank.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    terms : list of Term

    Returns
    -------
    list of Finding
        Empty if no term is determined by another one, or by the intercept.
    """
    matrix = design.to_numpy()
    constant = np.ones((len(matrix), int(has_constant(matrix))))
    findings = _doubled_intercept(design, terms)
    told = {name for finding in findings for name in finding.where.split(', ')}
    for one, other in combinations(terms, 2):
        # An interaction may well determine its parts.
        nested = {*one.factors} <= {*other.factors} or {*other.factors} <= {*one.factors}
        if nested or {one.name, other.name} & told:
            continue
        for first, second in ((other, one), (one, other)):
            mine, theirs = (matrix[:, list(each.columns)] for each in (first, second))
            varies = not _spans(constant, mine) if constant.size else True
            if varies and _spans(np.hstack([constant, theirs]), mine):
                findings.append(_confounded(first, second))
                told.add(first.name)
                break
    return findings


def _doubled_intercept(design, terms):
    """Columns of 0 and 1 that sum to the intercept, which is in the design, too."""
    if INTERCEPT not in design:
        return []
    dummies = [
        term.columns[0]
        for term in terms
        if len(term.columns) == 1 and {*design.iloc[:, term.columns[0]]} == {0.0, 1.0}
    ]
    for chosen in [dummies, *map(list, combinations(dummies, 2))]:
        if len(chosen) > 1 and (design.iloc[:, chosen].sum(axis=1) == 1).all():
            names = ' + '.join(design.columns[chosen])
            problem = f'{names} is 1 for every map, which the intercept is already.'
            advice = f"Leave out one of them, or the intercept ('0 + {names}')."
            where = ', '.join(design.columns[chosen])
            return [Finding('error', 'doubled-intercept', where, problem, advice)]
    return []


def _confounded(one, other):
    if one.categorical and other.categorical:
        what = f'each level of {other.name} has one level of {one.name} only'
    else:
        what = f'{one.name} follows from {other.name} exactly'
    problem = f'{what}, so that no map tells their effects apart.'
    advice = (
        f'Leave {one.name} or {other.name} out of the formula; what is tested then is both '
        'together. Only other maps could separate them.'
    )
    problem = problem[0].upper() + problem[1:] if what.startswith('each') else problem
    return Finding('error', 'confounded', f'{one.name}, {other.name}', problem, advice)


def read_contrasts(design, definitions):
    """Read all contrasts; what is wrong with one is a finding.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    definitions : dict of {str: definition}

    Returns
    -------
    contrasts : list of Contrast
        Those that the design can answer.
    findings : list of Finding
    """
    contrasts, findings = [], []
    for name, definition in definitions.items():
        try:
            contrasts.append(define_contrast(name, definition, design))
        except NistatsNipypeError as error:
            findings.append(from_error(_contrast_code(name, definition, design), name, error))
    for index, one in enumerate(contrasts):
        for other in contrasts[index + 1 :]:
            if one.weights.shape == other.weights.shape and _spans(one.weights.T, other.weights.T):
                problem = f'{one.name} and {other.name} test the same.'
                advice = f'Leave {other.name} out; on two sides the sign is tested along.'
                findings.append(Finding('note', 'same-contrast', other.name, problem, advice))
    return contrasts, findings


def _contrast_code(name, definition, design):
    try:
        weights = parse_contrast(name, definition, design.columns).weights
        if np.isfinite(weights).all() and inestimable_columns(design.to_numpy(), weights):
            return 'not-estimable'
    except NistatsNipypeError:
        pass
    return 'contrast'


def check_collinearity(design, terms, contrasts):
    """Find tested terms that others nearly determine.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
        Of full rank.
    terms : list of Term
    contrasts : list of Contrast

    Returns
    -------
    list of Finding
    """
    tested = {column for each in contrasts for column in np.flatnonzero(each.weights.any(axis=0))}
    matrix, findings = design.to_numpy(), []
    for term in terms:
        # Terms that are multiplied are collinear by their scale; that is another finding.
        if not tested & {*term.columns} or _related(term, terms):
            continue
        vif = variance_inflation(matrix, list(term.columns))
        if vif < _VIF_NOTE:
            continue
        others = [each for each in terms if each is not term]
        partner = max(others, key=lambda each: _shared(matrix, term, each)).name if others else '?'
        problem = (
            f'The other regressors, {partner} above all, nearly explain {term.name} (variance '
            f'inflation {vif:.1f}): the standard error of its effect is {vif**0.5:.1f} times as '
            'large as without them.'
        )
        advice = f'Leave out {partner}, if it means the same; otherwise expect little power.'
        severity = 'warning' if vif >= _VIF_WARNING else 'note'
        findings.append(Finding(severity, 'collinear', term.name, problem, advice))
    return findings


def _related(term, terms):
    """Other terms that share a factor."""
    return [each for each in terms if each is not term and {*each.factors} & {*term.factors}]


def _shared(matrix, term, other):
    """Variance inflation of a term by one other alone."""
    own, theirs = list(term.columns), list(other.columns)
    pair = np.column_stack([np.ones(len(matrix)), matrix[:, own], matrix[:, theirs]])
    return variance_inflation(pair, range(1, 1 + len(own)))


def check_leverage(design, terms, contrasts, names):
    """Find maps that alone decide about a contrast.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    terms : list of Term
    contrasts : list of Contrast
    names : list of N str
        What to call the maps.

    Returns
    -------
    list of Finding
    """
    findings = []
    for contrast in contrasts:
        # Where an interaction puts the effect at some value, its scale decides about the shares.
        if any(_related(term, terms) for term in tested_terms(terms, [contrast])):
            continue
        shares = contrast_leverage(design.to_numpy(), contrast.weights)
        row = int(shares.argmax())
        if len(shares) < 5 or shares[row] <= _LEVERAGE:
            continue
        columns = design.columns[contrast.weights.any(axis=0)]
        problem = (
            f'{names[row]} makes up {100 * shares[row]:.0f} % of what the maps say about '
            f'{", ".join(columns)}.'
        )
        advice = 'Check its values in the table, and see whether the result holds without it.'
        findings.append(Finding('warning', 'leverage', contrast.name, problem, advice))
    return findings


def check_groups(design, rows, terms, contrasts, has_variance_groups):
    """Find groups of very different size, which make unequal variances matter.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    rows : pandas.DataFrame of N rows
    terms : list of Term
    contrasts : list of Contrast
    has_variance_groups : bool

    Returns
    -------
    list of Finding
    """
    findings = []
    for term in tested_terms(terms, contrasts):
        if len(term.variables) != 1 or has_variance_groups:
            continue
        (name,) = term.variables
        sizes = rows[name].value_counts()
        is_group = term.categorical or len(sizes) == 2
        if not is_group or sizes.min() < 2 or sizes.max() < _SIZE_RATIO * sizes.min():
            continue
        counts = ', '.join(f'{count} of {level}' for level, count in sizes.items())
        strong = sizes.max() >= 2 * _SIZE_RATIO * sizes.min()
        problem = (
            f'Groups of {name} differ in size ({counts}); if their variances differ, too, the '
            'test of their difference is invalid.'
        )
        advice = 'Give each a variance of its own (--variance-groups).'
        severity = 'warning' if strong else 'note'
        findings.append(Finding(severity, 'unequal-groups', name, problem, advice))
    return findings


def tested_terms(terms, contrasts):
    """Terms that a contrast weighs."""
    tested = {column for each in contrasts for column in np.flatnonzero(each.weights.any(axis=0))}
    return [term for term in terms if tested & {*term.columns}]
