"""Checks of what a contrast means in its design, which may not be what its name says."""

import numpy as np
import pandas as pd

from ..stats.design import column_space
from .findings import Finding
from .lint_model import tested_terms
from .lint_table import is_acquisition
from .matrices import INTERCEPT


def check_interactions(design, rows, terms, contrasts):
    """Find interactions without main effects, and main effects at a value that no one has.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    rows : pandas.DataFrame of N rows
    terms : list of Term
    contrasts : list of Contrast

    Returns
    -------
    list of Finding
    """
    findings = []
    tested = tested_terms(terms, contrasts)
    for term in terms:
        if len(term.factors) < 2:
            continue
        for factor in term.factors:
            findings += _missing_main_effect(design, rows, term, factor)
            for lower in tested:
                # The effect of what is left is that where this factor is 0.
                left = {*term.factors} - {factor}
                if {*lower.factors} == left:
                    findings += _uncentred(design, rows, terms, factor, lower.name, term.name)
    return findings


def _missing_main_effect(design, rows, term, factor):
    """An interaction whose factor alone has no effect in the model."""
    if factor not in rows:
        return []  # an expression; its columns are not at hand
    values = rows[factor]
    is_number = pd.api.types.is_numeric_dtype(values)
    parts = values.to_frame() if is_number else pd.get_dummies(values, drop_first=True)
    parts = parts.to_numpy(dtype=np.float64)
    matrix = np.column_stack([np.ones(len(design)), design.to_numpy()])
    basis = column_space(matrix)
    outside = parts - basis @ (basis.T @ parts)
    if np.linalg.norm(outside) < 1e-6 * np.linalg.norm(parts):
        return []
    problem = (
        f'{term.name} is in the formula without {factor}: the interaction takes up the effect of '
        f'{factor} itself.'
    )
    product = ' * '.join(term.factors)
    advice = f'Add {factor} to the formula, or write {product}, which has all parts.'
    return [Finding('warning', 'missing-main-effect', factor, problem, advice)]


def _uncentred(design, rows, terms, factor, lower, interaction):
    """A covariate in an interaction, whose 0 is far from all its values."""
    (values,) = _values(design, rows, terms, factor) or (None,)
    if values is None or _has_zero_inside(values):
        return []
    problem = (
        f'Because of {interaction}, the effect of {lower} is that where {factor} is 0, and '
        f'{factor} goes from {values.min():g} to {values.max():g}.'
    )
    advice = f'Write center({factor}) in place of {factor}; then it is the effect at the mean.'
    return [Finding('warning', 'not-centred', factor, problem, advice)]


def _values(design, rows, terms, factor):
    """Values of a covariate: a column of the table or of the design; empty for groups."""
    if factor in rows:
        column = rows[factor]
        is_covariate = pd.api.types.is_numeric_dtype(column) and column.nunique() > 2
        return [column.astype(float)] if is_covariate else []
    own = [term for term in terms if term.factors == (factor,) and not term.categorical]
    return [design.iloc[:, own[0].columns[0]]] if own and len(own[0].columns) == 1 else []


def _has_zero_inside(values):
    return bool(values.min() <= 0 <= values.max())


def check_intercepts(design, rows, terms, contrasts):
    """Find contrasts of the intercept that are no mean of all maps.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    rows : pandas.DataFrame of N rows, or None
    terms : list of Term
    contrasts : list of Contrast

    Returns
    -------
    list of Finding
    """
    if INTERCEPT not in design:
        return []
    findings, at = [], design.columns.get_loc(INTERCEPT)
    for contrast in contrasts:
        weights = contrast.weights
        if len(weights) != 1 or not weights[0, at]:
            continue
        others = np.delete(weights[0], at)
        if others.any():
            findings += _mixed(design, terms, contrast, weights[0] * np.sign(weights[0, at]))
            continue
        groups = [term.name for term in terms if term.categorical]
        far = [
            (term.name, values)
            for term in terms
            for values in _values(design, rows, terms, term.name)
            if not term.categorical and not _has_zero_inside(values)
        ]
        for name, values in far:
            problem = (
                f'The intercept is the mean where {name} is 0, and {name} goes from '
                f'{values.min():g} to {values.max():g}.'
            )
            advice = (
                f'Write center({name}) in the formula; then it is the mean at the mean {name}.'
            )
            findings.append(Finding('warning', 'not-centred', name, problem, advice))
        if groups:
            problem = (
                f'The intercept is the mean of the first level of {" and ".join(groups)}, not of '
                'all maps.'
            )
            advice = f"For means of groups write '0 + {groups[0]}', and average them."
            findings.append(
                Finding('note', 'intercept-of-a-group', contrast.name, problem, advice)
            )
    return findings


def _mixed(design, terms, contrast, row):
    """A contrast like [1, -1] on an intercept and a group: made for another coding."""
    columns = {column for term in terms if term.categorical for column in term.columns}
    columns |= {
        column
        for column in range(len(row))
        if design.columns[column] != INTERCEPT and {*design.iloc[:, column]} == {0.0, 1.0}
    }
    against = [column for column in sorted(columns) if row[column] < 0]
    if not against:
        return []
    name = design.columns[against[0]]
    problem = (
        f'It takes {name} from the intercept. {name} is the difference of that group from the '
        'first level already, so that this is no comparison of groups.'
    )
    advice = f'Test {name} alone; or write the formula without intercept (0 + ...).'
    return [Finding('warning', 'contrast-of-another-coding', contrast.name, problem, advice)]


def check_left_out(rows, terms, contrasts):
    """Find columns on how maps were made, not in the formula, that tell the tested groups.

    Parameters
    ----------
    rows : pandas.DataFrame of N rows
    terms : list of Term
    contrasts : list of Contrast

    Returns
    -------
    list of Finding
    """
    modelled = {name for term in terms for name in term.variables}
    findings = []
    for term in tested_terms(terms, contrasts):
        if len(term.variables) != 1 or not 1 < rows[term.variables[0]].nunique() < len(rows):
            continue
        group = rows[term.variables[0]]
        if not term.categorical and group.nunique() > 2:
            continue
        for name in rows.columns:
            if name in modelled or not is_acquisition(name) or rows[name].isna().any():
                continue
            n_levels = rows[name].nunique()
            if 1 < n_levels < len(rows) and group.groupby(rows[name]).nunique().max() == 1:
                problem = (
                    f'{name} is not in the formula, and each of its {n_levels} levels has one '
                    f'level of {term.variables[0]} only: what differs may be {name}.'
                )
                advice = 'No model separates them; say so with the result.'
                findings.append(Finding('warning', 'confounded', str(name), problem, advice))
    return findings
