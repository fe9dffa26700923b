"""How the columns of a design code what a formula says, for the record."""

from .matrices import INTERCEPT
from .terms import read_factor, split_outside


def describe_formula(formula, table):
    """Say which columns are which term of a formula, and how its factors are coded.

    Parameters
    ----------
    formula : str
        A formula that :func:`~nistats_nipype.designs.matrices.design_from_formula` accepts.
    table : pandas.DataFrame of N rows
        The rows of the design.

    Returns
    -------
    dict
        As JSON has it: the formula, and for each of its terms the columns and, if it has factors,
        the coding of each. ``F(term)`` in a contrast tests the columns of a term.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({'group': ['a', 'b', 'b'], 'age': [30, 40, 50]})
    >>> describe_formula('group + age', table)['Terms']['group']
    {'Columns': ['group[T.b]'], 'Coding': {'group': 'treatment, against a'}}
    """
    from formulaic import Formula

    parsed = Formula(formula.removeprefix('~'))
    matrix = parsed.get_model_matrix(table, context={}, na_action='ignore')
    spec, columns = matrix.model_spec, list(map(str, matrix.columns))
    contrasts = {str(factor): state for factor, state in spec.factor_contrasts.items()}
    terms = {}
    for term, indices in spec.term_indices.items():
        names = [columns[index] for index in indices]
        if str(term) == '1':
            terms[INTERCEPT] = {'Columns': [INTERCEPT]}
            continue
        terms[str(term)] = {'Columns': names}
        coding = _describe_factors(names, contrasts)
        if coding:
            terms[str(term)]['Coding'] = coding
    return {'Formula': formula, 'Terms': terms}


def _describe_factors(columns, contrasts):
    """Coding of the factors of a term, by the columns that it has."""
    coding = {}
    for column in columns:
        for part in split_outside(column, ':'):
            name = part.rpartition('[')[0]
            if name in contrasts:
                state = contrasts[name]
                kind = type(state.contrasts).__name__.removesuffix('Contrasts').lower()
                if read_factor(part)['every_level'] is not None:
                    kind = 'a column for every level'
                elif kind == 'treatment':
                    base = getattr(state.contrasts, 'base', None)
                    reference = base if base in list(state.levels) else state.levels[0]
                    kind = f'treatment, against {reference}'
                coding[name] = kind
    return coding
