"""Design matrices from a formula and a table."""

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
        If the formula cannot be read, names a column that is not in the table, or
        uses a column with missing values.

    Examples
    --------
    >>> table = pd.DataFrame({'group': ['a', 'b', 'b'], 'age': [30, 40, 50]})
    >>> design_from_formula('group + age', table)
       intercept  group[T.b]   age
    0        1.0         0.0  30.0
    1        1.0         1.0  40.0
    2        1.0         1.0  50.0
    """
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        parsed = Formula(formula.removeprefix('~'))
        variables = sorted(map(str, parsed.required_variables))
    except (FormulaicError, AttributeError) as error:
        raise DesignError(
            'The formula cannot be read.',
            found=formula,
            expected="terms joined by +, for instance 'group + age'",
            advice='Write the right-hand side only; names with spaces go in `backticks`.',
        ) from error
    unknown = [name for name in variables if name not in table]
    if unknown:
        raise DesignError(
            f'The formula names columns that the table does not have: {", ".join(unknown)}.',
            found=f'columns {", ".join(map(str, table.columns))}',
            advice='Check the spelling; upper and lower case differ.',
        )
    gaps = [name for name in variables if table[name].isna().any()]
    if gaps:
        rows = np.flatnonzero(table[gaps].isna().any(axis=1))
        raise DesignError(
            f'Covariates are missing: {", ".join(gaps)}.',
            found=f'no value in row {", ".join(map(str, rows[:5]))}{" ..." * (len(rows) > 5)}',
            expected='a value for every observation',
            advice='Fill in the values, or leave out the maps of those participants.',
        )
    try:
        matrix = parsed.get_model_matrix(table, context={}, na_action='raise')
    except (FormulaicError, ValueError) as error:
        raise DesignError(f'The formula {formula!r} failed.', found=str(error)) from error
    if not isinstance(matrix, pd.DataFrame):
        raise DesignError(
            'The formula has a left-hand side.',
            found=formula,
            expected='the right-hand side only; the maps are the left-hand side',
        )
    frame = pd.DataFrame(matrix).rename(columns={'Intercept': INTERCEPT})
    return frame.astype(np.float64).reset_index(drop=True)


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
            "the intercept ('0 + group').",
        )
    if len(matrix) <= n_rank:
        raise DesignError(
            'The design leaves no degrees of freedom for the error.',
            found=f'{len(matrix)} observations, {n_rank} regressors',
            expected='more observations than regressors',
            advice='Remove regressors or add observations.',
        )
