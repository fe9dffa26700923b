"""Checks of the variables of a design, as they stand in the table."""

import re

import numpy as np
import pandas as pd

from ..stats.diagnostics import outlier_limit, robust_scores
from .findings import Finding
from .matrices import name_rows

#: Numbers that often stand for a missing value; the first of them for nothing else.
_SURE_CODES = (-99999, -9999, -999)
_LIKELY_CODES = (-99, -88, -77, -9, 88, 99, 888, 999, 9999, 99999)

_IDENTITY = re.compile(
    r'^((sub|subj|subject|participant)s?([_ ]?(id|nr|no|num|number|label|code))?'
    r'|(patient|case)s?[_ ]?(id|nr|no|num|number|code)|(s|p|pt|e|u)?id)$',
    re.IGNORECASE,
)
_CATEGORY = re.compile(
    r'(^|_)(site|scanner|vendor|cent(er|re)|hospital|study|batch|cohort|protocol|sequence|coil'
    r'|group|grp|arm|treatment|condition|cond|diagnosis|dx|sex|gender|hand(edness)?|race'
    r'|ethnicity|genotype|task|basis)s?(_|$)',
    re.IGNORECASE,
)
#: How the maps were made, which groups should share.
_ACQUISITION = re.compile(
    r'(^|_)(site|scanner|vendor|cent(er|re)|hospital|study|batch|protocol|sequence|coil'
    r'|software|version)s?(_|$)',
    re.IGNORECASE,
)
_DECIMAL_COMMA = re.compile(r'^\s*[-+]?\d+,\d+\s*$')
_WITH_UNIT = re.compile(r'^\s*[-+]?\d+([.,]\d+)?\s*[A-Za-z%/]+\.?\s*$')


def is_identity(name):
    """Tell whether a column is named like one that says whose a map is.

    Examples
    --------
    >>> is_identity('participant_id'), is_identity('Subject'), is_identity('patient')
    (True, True, False)
    """
    return bool(_IDENTITY.match(str(name)))


def is_acquisition(name):
    """Tell whether a column is named like one that says how a map was made.

    Examples
    --------
    >>> is_acquisition('scanner'), is_acquisition('site_id'), is_acquisition('age')
    (True, True, False)
    """
    return bool(_ACQUISITION.search(str(name)))


def check_variables(table, terms, has_intercept):
    """Check the variables of a formula one by one.

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        In the order of the maps, without missing values.
    terms : list of Term
    has_intercept : bool
        Whether the design has the constant, so that a covariate that does not vary is one more.

    Returns
    -------
    list of Finding
    """
    names = sorted({name for term in terms for name in term.variables})
    grouped = {name for term in terms if term.categorical for name in term.variables}
    findings = []
    for name in names:
        column = table[name]
        if name in grouped or not pd.api.types.is_numeric_dtype(column):
            findings += _check_groups(table, name, column)
        else:
            findings += _check_numbers(table, name, column.astype(float), has_intercept)
    return findings


def _check_groups(table, name, column):
    """Levels that are one, numbers in disguise, or as many as there are maps."""
    labels = column.astype(str)
    for pattern, what, remedy in (
        (_DECIMAL_COMMA, 'with a comma as decimal sign', 'Write a point as decimal sign'),
        (_WITH_UNIT, 'with a unit', 'Leave out the unit'),
    ):
        # Few of them are names of groups, such as 1a, 3T or 6m.
        if labels.nunique() > max(2, len(labels) / 2) and labels.str.match(pattern).all():
            problem = (
                f'{name} holds numbers {what} ({labels.iloc[0].strip()!r}), so that it is read as '
                f'text, a group of its own for each of its {labels.nunique()} values.'
            )
            return [Finding('error', 'number-as-text', name, problem, f'{remedy} in {name}.')]
    if labels.nunique() == len(labels) > 2:
        return [_identity(name, 'has a level of its own for each map, which leaves nothing')]
    findings = []
    spelt = labels.groupby(labels.str.strip().str.casefold()).unique()
    for variants in spelt[spelt.map(len) > 1]:
        words = ' and '.join(map(repr, variants))
        findings.append(
            Finding(
                'error',
                'similar-levels',
                name,
                f'{words} are different groups of {name}: they differ in case or blanks only.',
                f'Write one of them in all rows of {name}.',
            )
        )
    counts = labels.value_counts()
    lone = sorted(counts.index[counts == 1])
    if lone and not is_identity(name):
        shown = ', '.join(lone[:5]) + f' and {len(lone) - 5} more' * (len(lone) > 5)
        problem = (
            f'One map only is of {name} {shown} ({name_rows(table, labels.isin(lone))}); '
            'it is fitted exactly and says nothing about the variance.'
        )
        advice = f'Leave that map out, or join the level to another one of {name}.'
        findings.append(Finding('warning', 'lone-level', name, problem, advice))
    return findings


def _identity(name, what):
    return Finding(
        'error',
        'identity-in-formula',
        name,
        f'{name} says whose a map is, and is no covariate: it {what} to be tested.',
        f'Leave {name} out of the formula; rows are matched to maps without it.',
    )


def _check_numbers(table, name, values, has_intercept):
    """A covariate that does not vary, is a label in truth, or has values that stand apart."""
    distinct = np.unique(values)
    if len(distinct) == 1:
        # Without an intercept, a column of ones is one.
        return [_constant(name, values.iloc[0])] if has_intercept else []
    findings = _check_labels(name, values, distinct)
    mode = values.mode().iloc[0]
    n_others = int((values != mode).sum())
    if len(values) >= 8 and n_others <= max(1, 0.05 * len(values)):
        problem = (
            f'{name} is {mode:g} for all maps but {name_rows(table, values != mode)}: what it '
            f'explains hangs on {"that map" if n_others == 1 else "those maps"}.'
        )
        advice = f'Leave {name} out of the formula, or leave out those maps.'
        return [*findings, Finding('warning', 'almost-constant', name, problem, advice)]
    return findings + _check_outliers(table, name, values)


def _constant(name, value):
    ones = value == 1
    return Finding(
        'error',
        'doubled-intercept' if ones else 'constant',
        name,
        f'{name} is {value:g} for every map'
        + (', which is a second intercept.' if ones else ', and explains nothing.'),
        f'Leave {name} out of the formula'
        + ('; an intercept is part of it already.' if ones else '.'),
    )


def _check_labels(name, values, distinct):
    """Numbers that are labels: of participants, of groups."""
    whole = bool((distinct == np.round(distinct)).all())
    if whole and is_identity(name) and len(distinct) > 2:
        if len(distinct) == len(values):
            return [_identity(name, 'counts the maps, which is nothing')]
        problem = (
            f'{name} is a number in the formula, so that subject 2 has twice the effect of '
            'subject 1.'
        )
        return [Finding('error', 'numeric-groups', name, problem, f'Write C({name}).')]
    if whole and _CATEGORY.search(name) and 3 <= len(distinct) <= len(values) / 2:
        codes = ', '.join(f'{value:g}' for value in distinct[:5]) + ', ...' * (len(distinct) > 5)
        problem = (
            f'{name} has the numbers {codes}, and is one slope over them: it would make '
            f'{name} {distinct[2]:g} differ from {distinct[0]:g} in a fixed ratio to how '
            f'{distinct[1]:g} does.'
        )
        advice = f'Write C({name}) in the formula, which gives each number an effect of its own.'
        return [Finding('warning', 'numeric-groups', name, problem, advice)]
    return []


def _check_outliers(table, name, values):
    """Values far from the others, and numbers that stand for none."""
    # Of few or repeated values none is apart from the others by its rarity alone.
    if len(values) < 5 or values.nunique() < 5:
        return []
    scores = robust_scores(values)
    apart = np.abs(scores) > outlier_limit(len(values))
    if not apart.any():
        return []
    rows = name_rows(table, apart)
    shown = ', '.join(f'{value:g}' for value in values[apart][:5])
    codes = values[apart].isin(_SURE_CODES + _LIKELY_CODES)
    if codes.any():
        sure = values[apart].isin(_SURE_CODES).any()
        problem = (
            f'{name} is {shown} for {rows}: far from the others (median {values.median():g}), and '
            'a number that often stands for a missing value.'
        )
        advice = f'Write n/a where {name} is not known, and leave out those maps or fill it in.'
        return [Finding('error' if sure else 'warning', 'missing-code', name, problem, advice)]
    problem = (
        f'{name} is {shown} for {rows}; the median is {values.median():g}, and values as far from '
        f'it (robust score {np.abs(scores[apart]).max():.1f}) are rare in groups of this size.'
    )
    advice = (
        f'Check the table for a slip of the pen. If {name} is right but skewed, transform it, '
        f'for instance np.log({name}).'
    )
    return [Finding('warning', 'outlier', name, problem, advice)]
