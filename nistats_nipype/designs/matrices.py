"""Design matrices from a formula and a table."""

import re

import numpy as np
import pandas as pd

from ..exceptions import DesignError
from ..stats.design import check_design, dependent_columns, rank

#: Name of the column of ones, as in nilearn.
INTERCEPT = 'intercept'


def design_from_formula(formula, table):
    """Make a design matrix from a Wilkinson formula.

    Parameters
    ----------
    formula : str
        Right-hand side in the syntax of formulaic (that of R and patsy), for instance
        ``'group + age'``. An intercept is included unless the formula has ``0 +``.
        Text columns are coded against their first level in alphabetical order.
    table : pandas.DataFrame of N rows
        Covariates, one row per observation.

    Returns
    -------
    pandas.DataFrame of shape (N, P), float64
        Columns named by formulaic, but for the column of ones, named ``intercept``.

    Raises
    ------
    DesignError
        If the formula cannot be read, or has a left-hand side; if it names a column that
        is not in the table, has missing values, or mixes numbers with text; if a term has
        one level only, or a column of the design is not finite.

    Examples
    --------
    >>> table = pd.DataFrame({'group': ['a', 'b', 'b'], 'age': [30, 40, 50]})
    >>> design_from_formula('group + age', table)
       intercept  group[T.b]   age
    0        1.0         0.0  30.0
    1        1.0         1.0  40.0
    2        1.0         1.0  50.0
    """
    parsed = _parse(formula)
    names = set(map(str, parsed.required_variables))
    # formulaic does not count what these transform among the variables.
    names |= {name.strip('`') for name in _TRANSFORMED.findall(formula)}
    _check_variables(formula, sorted(names), table)
    frame = _evaluate(parsed, formula, table)
    _check_columns(frame)
    return frame


def count_terms(formula):
    """Count the terms of a formula beside its intercept; 0 of a formula without one.

    Examples
    --------
    >>> count_terms('group * age'), count_terms('1'), count_terms('0 + group + age')
    (3, 0, 0)
    """
    terms = [str(term) for term in _parse(formula)]
    return len(terms) - 1 if '1' in terms else 0


def _parse(formula):
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        parsed = Formula(formula.removeprefix('~'))
        parsed.required_variables  # noqa: B018 - some mistakes only show here
    except (FormulaicError, AttributeError, SyntaxError) as error:
        raise DesignError(
            'The formula cannot be read.',
            found=formula,
            expected="terms joined by +, for instance 'group + age'",
            advice='Write the right-hand side only; names with spaces go in `backticks`.',
        ) from error
    powers = _POWER.search(_CALLS.sub('', formula))
    if powers:
        raise DesignError(
            f'In a formula, {powers.group()} is {powers.group(1)} itself, not a power of it.',
            found=formula,
            expected='** behind brackets, for interactions: (a + b)**2',
            advice=f"Write {{{powers.group()}}}, or 'poly({powers.group(1)}, 2)'.",
        )
    return parsed


#: Python inside a formula, where ** is a power.
_CALLS = re.compile(r'\{[^{}]*\}|\w\([^()]*\)')
_FUNCTIONS = 'C, center, scale, poly, bs, cr, log, log10, exp, or np.<function> of NumPy'
_TRANSFORMED = re.compile(
    r'\b(?:center|scale|poly|bs|cr|cs|cc)\(\s*(`[^`]+`|[A-Za-z_][A-Za-z_0-9]*\b(?!\s*[.(]))'
)
_POWER = re.compile(r'([A-Za-z_]\w*|`[^`]+`)\s*(?:\*\*|\^)\s*\d+')


def _check_variables(formula, names, table):
    for fault in variable_faults(formula, names, table):
        raise fault


def variable_faults(formula, names, table):
    """Find variables that are unknown, have gaps, or mix numbers with text.

    Parameters
    ----------
    formula : str
    names : list of str
        Variables of the formula.
    table : pandas.DataFrame
        Its columns.

    Yields
    ------
    DesignError
        Not raised, so that all can be told at once.
    """
    unknown = [name for name in names if name not in table]
    functions = [name for name in unknown if f'{name}(' in formula]
    if functions:
        yield DesignError(
            f'The formula uses functions that are not known: {", ".join(functions)}.',
            found=formula,
            expected=_FUNCTIONS,
            advice='For instance np.sqrt(age); powers are written in braces, {age**2}.',
        )
    elif unknown:
        yield DesignError(
            f'The formula names columns that the table does not have: {", ".join(unknown)}.',
            found=f'columns {", ".join(map(str, table.columns))}',
            advice='Check the spelling; upper and lower case differ.',
        )
    names = [name for name in names if name in table]
    gaps = [name for name in names if table[name].isna().any()]
    if gaps:
        yield DesignError(
            f'Covariates are missing: {", ".join(gaps)}.',
            found=f'no value for {name_rows(table, table[gaps].isna().any(axis=1))}',
            expected='a value for every observation',
            advice='Fill in the values, or leave out the maps of those participants.',
        )
    for name in names:
        declared = any(f'C({quote}{name}' in formula for quote in ('', '`'))
        if declared or pd.api.types.is_numeric_dtype(table[name]):
            continue
        known = table[name].dropna()
        no_number = pd.to_numeric(known.astype(str), errors='coerce').isna()
        if no_number.any() and not no_number.all():
            # Read as text, a covariate with one slip of the pen becomes a factor of N levels.
            no_number = no_number.reindex(table.index, fill_value=False)
            first = table[name][no_number].iloc[0]
            yield DesignError(
                f'The column {name} mixes numbers with text.',
                found=f'{first!r} for {name_rows(table, no_number)}',
                expected='numbers for a covariate, or names for groups',
                advice=f'Correct the cells (n/a where there is no value), or write C({name}) if '
                'all are names of groups.',
            )


def name_rows(table, chosen, most=5):
    """Name the observations that a mask chooses: by participant, or else by their number.

    Examples
    --------
    >>> table = pd.DataFrame({'participant_id': ['sub-1', 'sub-2'], 'age': [30, 340]})
    >>> name_rows(table, table['age'] > 99), name_rows(table[['age']], table['age'] > 99)
    ('sub-2', 'observation 2')
    """
    if 'participant_id' in table:
        names, what = table.loc[chosen, 'participant_id'].tolist(), ''
    else:
        names, what = (np.flatnonzero(chosen) + 1).tolist(), 'observation '
    rest = f' and {len(names) - most} more' if len(names) > most else ''
    return what + ', '.join(map(str, names[:most])) + rest


def _evaluate(parsed, formula, table):
    """Columns of the design, under formulaic's names but for the intercept."""
    from formulaic.errors import FormulaicError

    try:
        # log(0) and the like warn; what they give is refused below, by name.
        with np.errstate(all='ignore'):
            matrix = parsed.get_model_matrix(table, context={}, na_action='ignore')
    except (FormulaicError, ValueError, TypeError, ArithmeticError) as error:
        cause = error.__cause__ or error
        raise DesignError(
            f'The formula {formula!r} failed.',
            found=str(cause) or type(cause).__name__,
            expected=f'terms of the columns of the table, or {_FUNCTIONS}',
        ) from error
    if not isinstance(matrix, pd.DataFrame):
        raise DesignError(
            'The formula has more than a right-hand side.',
            found=formula,
            expected='the right-hand side only; the maps are the left-hand side',
            advice='Leave out ~ or | and what is on the other side of it.',
        )
    empty = [str(term) for term, at in matrix.model_spec.term_indices.items() if not len(at)]
    if empty:
        raise DesignError(
            f'A term of the formula has one level only: {", ".join(empty)}.',
            found=f'the same value for all {len(table)} observations',
            expected='groups that differ',
            advice='Leave the term out, or check which rows of the table belong to the maps.',
        )
    names = {'Intercept': INTERCEPT}
    columns = [names.get(column, column) for column in map(str, matrix.columns)]
    values = np.asarray(matrix, dtype=np.float64).reshape(len(table), len(columns))
    return pd.DataFrame(values, columns=columns)


def _check_columns(frame):
    """Refuse a design without columns, with two of one name, or with values like log(0)."""
    if frame.shape[1] == 0:
        raise DesignError('The formula has no terms.', expected='at least one', advice="Write '1'")
    twice = frame.columns[frame.columns.duplicated()].tolist()
    if twice:
        raise DesignError(
            f'Two columns of the design have one name: {", ".join(twice)}.',
            found=f'columns {", ".join(frame.columns)}',
            advice='Rename the column of the table.',
        )
    infinite = frame.columns[~np.isfinite(frame).all()].tolist()
    if infinite:
        raise DesignError(
            f'Columns of the design hold values that are not finite: {", ".join(infinite)}.',
            found=f'{int((~np.isfinite(frame)).sum().sum())} of them',
            expected='finite numbers',
            advice='Check the values that the formula transforms.',
        )


def intercept_only(n_observations):
    """Make the design of a one-sample test: a column of ones.

    Examples
    --------
    >>> intercept_only(3)['intercept'].tolist()
    [1.0, 1.0, 1.0]
    """
    return pd.DataFrame({INTERCEPT: np.ones(n_observations)})


def require_full_rank(design):
    """Refuse a design whose columns depend on each other, naming them.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)

    Raises
    ------
    DesignError
        If the design is rank-deficient, not finite, or leaves no degrees of freedom.
    """
    matrix = check_design(design.to_numpy())
    n_rank = rank(matrix)
    if n_rank < matrix.shape[1]:
        names = [str(design.columns[column]) for column in dependent_columns(matrix)]
        raise DesignError(
            'The design is rank-deficient: some columns are combinations of others.',
            found=f'rank {n_rank} with {matrix.shape[1]} columns; dependent: {", ".join(names)}',
            expected='independent columns',
            advice='Remove one of these columns. With a column for every group, leave out '
            "the intercept ('0 + group'); a covariate that is the same for all is no covariate.",
        )
    if len(matrix) <= n_rank:
        raise DesignError(
            'The design leaves no degrees of freedom for the error.',
            found=f'{len(matrix)} observations, {n_rank} regressors',
            expected='more observations than regressors',
            advice='Remove regressors or add observations.',
        )
