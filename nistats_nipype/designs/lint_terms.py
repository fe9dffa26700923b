"""The terms of a formula: which columns of the design each has, and of which variables."""

from typing import NamedTuple

import numpy as np

from .matrices import INTERCEPT


class Term(NamedTuple):
    """A term of a formula.

    Attributes
    ----------
    name : str
        As the formula has it, ``group:age``.
    columns : tuple of int
        Its columns of the design.
    factors : tuple of str
        What it multiplies, ``group`` and ``age``.
    variables : tuple of str
        Columns of the table that it is made of.
    categorical : bool
        Whether it is made of groups only.
    """

    name: str
    columns: tuple
    factors: tuple
    variables: tuple
    categorical: bool


def design_terms(formula, table):
    """List the terms of a formula that a design can be made of.

    Parameters
    ----------
    formula : str
    table : pandas.DataFrame of N rows

    Returns
    -------
    list of Term
        Without the intercept.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({'group': ['a', 'b', 'b'], 'age': [30, 40, 50]})
    >>> [(term.name, term.columns) for term in design_terms('group * center(age)', table)]
    [('group', (1,)), ('center(age)', (2,)), ('group:center(age)', (3,))]
    """
    from formulaic import Formula

    with np.errstate(all='ignore'):
        parsed = Formula(formula.removeprefix('~'))
        matrix = parsed.get_model_matrix(table, context={}, na_action='ignore')
    spec = matrix.model_spec
    kinds = {name: kind.value for name, (kind, _) in spec.encoder_state.items()}
    terms = []
    for term, columns in spec.term_indices.items():
        factors = tuple(factor.expr for factor in term.factors)
        if str(term) == '1':
            continue
        terms.append(
            Term(
                str(term),
                tuple(map(int, columns)),
                factors,
                tuple(sorted({str(v) for v in spec.term_variables[term]} & set(table.columns))),
                all(kinds.get(factor) == 'categorical' for factor in factors),
            )
        )
    return terms


def column_terms(design):
    """Take every column of a design for a term of its own, where there is no formula."""
    return [
        Term(name, (index,), (name,), (name,), set(design[name]) <= {0.0, 1.0})
        for index, name in enumerate(map(str, design.columns))
        if name != INTERCEPT
    ]
