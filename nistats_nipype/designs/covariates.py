"""Voxelwise covariates in a design: regressors that have a map for each observation."""

import re

import numpy as np

from ..exceptions import DesignError, InputError
from .terms import split_outside

#: End of the names of columns that stand for voxelwise covariates.
VOXELWISE = '[voxelwise]'

_NAME = re.compile(r'[^\W\d]\w*')
_TERM = re.compile(r'`?(?P<plain>\w+)`?|center\(\s*`?(?P<centred>\w+)`?\s*\)')


def voxelwise_columns(design):
    """Names of the columns that stand for voxelwise covariates."""
    return [str(name) for name in design.columns if str(name).endswith(VOXELWISE)]


def short_names(columns):
    """Names of columns as a contrast may have them: voxelwise covariates by their own names.

    Examples
    --------
    >>> short_names(['intercept', 'grey[voxelwise]'])
    ('intercept', 'grey')
    >>> short_names(['grey', 'grey[voxelwise]'])
    ('grey', 'grey[voxelwise]')
    """
    columns = tuple(map(str, columns))
    short = tuple(name.removesuffix(VOXELWISE) for name in columns)
    return short if len({*short}) == len(short) else columns


def check_covariate_names(names):
    """Refuse names that a formula or a contrast could not have, or that are there twice.

    Parameters
    ----------
    names : list of str

    Raises
    ------
    InputError
    """
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        raise InputError(
            'A voxelwise covariate has a name that a formula cannot have.',
            found=', '.join(map(repr, odd)),
            expected='letters, digits and _, for instance grey_matter',
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f'Two voxelwise covariates have one name: {", ".join(twice)}.',
            expected='a name for each',
        )


def check_pairs(names, files):
    """Refuse voxelwise covariates that do not go together with their names.

    Parameters
    ----------
    names : list of str
    files : list
        For each covariate its maps.

    Raises
    ------
    InputError
    """
    if len(files) != len(names) or len(set(names)) < len(names):
        raise InputError(
            'Voxelwise covariates and their names do not go together.',
            found=f'{len(files)} covariates; names {", ".join(names) or "none"}',
            expected='one entry of covariate_files for each name, all names different',
            advice='The 3D maps of one covariate are a list within the list: [[map, map, ...]].',
        )


def describe_covariates(terms):
    """Say which columns voxelwise covariates have, for the record.

    Examples
    --------
    >>> describe_covariates(['grey'])
    {'grey': {'Columns': ['grey[voxelwise]'], 'Coding': {'grey': 'a map for each observation'}}}
    """
    return {
        term: {
            'Columns': [f'{term}{VOXELWISE}'],
            'Coding': {term: 'a map for each observation'},
        }
        for term in terms
    }


def split_formula(formula, names):
    """Take voxelwise covariates out of a formula.

    Parameters
    ----------
    formula : str or None
        Without one the design is an intercept, beside which the covariates stand.
    names : sequence of K str
        The covariates. Each is a term of the formula, as it is or as ``center(name)``: without
        the mean over observations, voxel by voxel.

    Returns
    -------
    rest : str or None
        The formula of what the table holds.
    terms : list of K str
        The covariates as the formula has them.

    Raises
    ------
    DesignError
        If a covariate is no term of the formula, or two, or is part of another one.

    Examples
    --------
    >>> split_formula('group + grey + age', ['grey'])
    ('group + age', ['grey'])
    >>> split_formula('center(grey)', ['grey'])
    ('1', ['center(grey)'])
    """
    if formula is None or not names:
        return formula, list(names)
    found, rest = {}, []
    for part in split_outside(formula.strip().removeprefix('~'), '+'):
        match = _TERM.fullmatch(part.strip())
        name = match and (match['plain'] or match['centred'])
        if name not in names:
            rest.append(part.strip())
        elif name in found:
            raise DesignError(
                f'The voxelwise covariate {name} is in the formula twice.',
                found=formula,
                expected=f'either {name} or center({name})',
            )
        else:
            found[name] = name if match['plain'] else f'center({name})'
    for name in names:
        if any(re.search(rf'(?<![\w.\'"]){name}\b', part) for part in rest):
            raise DesignError(
                f'The voxelwise covariate {name} is part of another term of the formula.',
                found=formula,
                expected=f'a term of its own, {name} or center({name}), joined to others by +',
                advice='Transform its maps beforehand; for an interaction, give the products of '
                'maps and regressor as another covariate.',
            )
    absent = [name for name in names if name not in found]
    if absent:
        raise DesignError(
            f'The formula does not have the voxelwise covariate {", ".join(absent)}.',
            found=formula,
            expected=f'for instance {formula.strip()} + {absent[0]}',
            advice='Add it to the formula, or leave out its maps.',
        )
    return ' + '.join(rest) or '1', [found[name] for name in names]


def is_centred(term):
    """Whether a covariate is without its mean over observations, by its term in the formula.

    >>> is_centred('center(grey)'), is_centred('grey')
    (True, False)
    """
    return term.startswith('center(')


def without_placeholders(design, names):
    """Take the columns out of a given design whose place voxelwise covariates take.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P + K)
    names : sequence of K str

    Returns
    -------
    pandas.DataFrame of shape (N, P)

    Raises
    ------
    DesignError
        If its last columns are not these covariates in their order: weights of contrasts go by
        the order of the columns, and covariates come last.

    Examples
    --------
    >>> import pandas as pd
    >>> design = pd.DataFrame({'mean': [1, 1], 'EV2': [0, 0]})
    >>> list(without_placeholders(design, ['EV2']))
    ['mean']
    """
    names, columns = list(names), list(map(str, design.columns))
    if not names:
        return design
    if columns[-len(names) :] != names or len(columns) == len(names):
        raise DesignError(
            'The last columns of the design are not those of the voxelwise covariates.',
            found=f'columns {", ".join(columns)}; covariates {", ".join(names)}',
            expected='a column for each covariate, in their order, after all other columns',
            advice='Its values are not read: zeros do. Without names, columns are EV1, EV2, ...; '
            'weights of contrasts are in the order of the columns.',
        )
    return design.iloc[:, : -len(names)]


def extend_for_checks(design, terms):
    """Put a column for each voxelwise covariate after those of a design, before maps are read.

    Parameters
    ----------
    design : pandas.DataFrame of shape (N, P)
    terms : sequence of K str
        What their columns are called, but for the ending.

    Returns
    -------
    pandas.DataFrame of shape (N, P + K)
        The values are arbitrary numbers, all different, that no other column determines. Rank,
        degrees of freedom, what a contrast can estimate and what can be relabelled are then those
        of voxels where no covariate is collinear with other regressors; nothing else is.

    Examples
    --------
    >>> import pandas as pd
    >>> extend_for_checks(pd.DataFrame({'mean': [1.0, 1.0]}), ['grey']).columns.tolist()
    ['mean', 'grey[voxelwise]']
    """
    # Not the seed of the data that smallest_of_schedule tries a design on.
    values = np.random.default_rng(20).standard_normal((len(design), len(terms)))
    return design.assign(
        **{f'{term}{VOXELWISE}': column for term, column in zip(terms, values.T, strict=True)}
    )
