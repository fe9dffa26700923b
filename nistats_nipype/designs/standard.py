"""What the builders of standard designs share: the result, checked columns, dummy variables."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..exceptions import DesignError
from .matrices import require_full_rank
from .tables import some


class StandardDesign(NamedTuple):
    """A design, and how it is to be tested.

    Attributes
    ----------
    design : pandas.DataFrame of shape (N, P), float64
        A row for each observation: for each map, unless ``averages`` says otherwise.
    contrasts : dict
        Definitions by name, for :func:`nistats_nipype.designs.group.define_contrast`.
    blocks : ndarray of shape (N, L), int64, or None
        Exchangeability blocks, see :func:`nistats_nipype.stats.blocks.check_blocks`; None if all
        observations are exchangeable.
    groups : ndarray of shape (N,), int64, or None
        Variance groups, from 1; None if all errors have one variance.
    averages : ndarray of shape (M,), int64, or None
        For each of the M rows of the table, thus for each map, the observation whose average it
        goes into, from 0; None if every map is an observation.
    description : str
        What is tested, and what is exchanged.
    """

    design: pd.DataFrame
    contrasts: dict
    blocks: Any
    groups: Any
    averages: Any
    description: str


def finish(parts, contrasts, blocks, groups, averages, description):
    """Join the columns of a design, and refuse them if they depend on each other."""
    design = pd.concat(parts, axis=1)
    require_full_rank(design)
    return StandardDesign(design, contrasts, blocks, groups, averages, description)


def require_columns(table, names):
    """Refuse columns that a table does not have, or that have gaps.

    Parameters
    ----------
    table : pandas.DataFrame
    names : sequence of str

    Raises
    ------
    DesignError
    """
    unknown = [name for name in names if name not in table]
    if unknown:
        raise DesignError(
            f'The table does not have these columns: {", ".join(unknown)}.',
            found=f'columns {", ".join(map(str, table.columns))}',
            advice='Check the spelling; upper and lower case differ.',
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DesignError(
            f'A column cannot have two roles in the design: {", ".join(twice)}.',
            expected='a column of its own for each',
        )
    gaps = {name: np.flatnonzero(table[name].isna()) + 1 for name in names}
    gaps = {name: some(rows) for name, rows in gaps.items() if len(rows)}
    if gaps:
        raise DesignError(
            f'Values are missing: {", ".join(gaps)}.',
            found='; '.join(f'no {name} in row {rows}' for name, rows in gaps.items()),
            expected='a value in every row',
            advice='Fill in the values, or leave out those maps.',
        )


def levels_of(column, *, reference=None, least=2):
    """List the levels of a factor.

    Parameters
    ----------
    column : pandas.Series
        A categorical keeps the order of its categories; other levels are sorted.
    reference : optional
        Level that comes first.
    least : int, default 2
        How many there must be.

    Returns
    -------
    list

    Raises
    ------
    DesignError
        If there are fewer levels, or the reference is none of them.

    Examples
    --------
    >>> levels_of(pd.Series(['b', 'a', 'c', 'a']), reference='b')
    ['b', 'a', 'c']
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column)
        levels = [level for level in column.cat.categories if level in present]
    else:
        levels = column.unique().tolist()
        levels = sorted(levels, key=str if len(set(map(type, levels))) > 1 else None)
    if len(levels) < least:
        raise DesignError(
            f'The factor {column.name} has too few levels.',
            found=f'{some(levels)} in all {len(column)} rows',
            expected=f'at least {least} levels',
        )
    if reference is None:
        return levels
    # On the command line, and as a trait, a level is text.
    first = [level for level in levels if str(level) == str(reference)]
    if not first:
        raise DesignError(
            f'The reference is no level of {column.name}.',
            found=repr(reference),
            expected=f'one of {some(levels, 10)}',
        )
    return first + [level for level in levels if level != first[0]]


def treatment(column, levels):
    """Columns that compare the levels of a factor with the first: DataFrame of L - 1 columns.

    Examples
    --------
    >>> treatment(pd.Series(['a', 'b'], name='group'), ['a', 'b'])['group[T.b]'].tolist()
    [0.0, 1.0]
    """
    return pd.DataFrame({f'{column.name}[T.{level}]': _is(column, level) for level in levels[1:]})


def sums(column, levels):
    """Columns that compare the levels of a factor with their unweighted mean.

    Examples
    --------
    >>> sums(pd.Series(['a', 'b'], name='group'), ['a', 'b'])['group[S.a]'].tolist()
    [1.0, -1.0]
    """
    last = _is(column, levels[-1])
    return pd.DataFrame(
        {f'{column.name}[S.{level}]': _is(column, level) - last for level in levels[:-1]}
    )


def dummies(column):
    """A column of 0 and 1 for each level of a factor."""
    levels = levels_of(column)
    return pd.DataFrame({f'{column.name}[{level}]': _is(column, level) for level in levels})


def _is(column, level):
    return (column == level).to_numpy(dtype=np.float64)


def products(first, second):
    """Columns of an interaction, named as formulaic does.

    Examples
    --------
    >>> age = pd.DataFrame({'age': [2.0, 3.0]})
    >>> products(pd.DataFrame({'group[T.b]': [0.0, 1.0]}), age)
       group[T.b]:age
    0             0.0
    1             3.0
    """
    return pd.DataFrame(
        {
            f'{one}:{other}': first[one].to_numpy() * second[other].to_numpy()
            for one in first
            for other in second
        }
    )


def covariate(table, name):
    """A covariate as a column, minus its mean.

    Raises
    ------
    DesignError
        If it does not hold finite numbers, or always the same.
    """
    values = table[name]
    if not pd.api.types.is_numeric_dtype(values):
        raise DesignError(
            f'The covariate {name} does not hold numbers.',
            found=some(map(repr, values.unique())),
            expected='a number in every row',
            advice='Groups are compared by a factor (ancova), or go into a formula.',
        )
    values = values.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        raise DesignError(
            f'The covariate {name} cannot be used.',
            found=f'the same value in all {len(values)} rows'
            if np.isfinite(values).all()
            else 'values that are not finite',
            expected='finite numbers that differ',
        )
    return pd.DataFrame({name: values - values.mean()})


def compared(factor, columns, levels):
    """Contrasts of a factor: t of the difference of two levels, F of all differences of more.

    Examples
    --------
    >>> compared('group', ['group[T.b]'], ['a', 'b'])
    {'b - a': 'group[T.b]'}
    >>> compared('site', ['site[T.2]', 'site[T.3]'], [1, 2, 3])
    {'site': ['site[T.2]', 'site[T.3]']}
    """
    columns = list(columns)
    if len(columns) == 1:
        return {f'{levels[1]} - {levels[0]}': columns[0]}
    return {factor: columns}


def crossed_levels(table, subject, within):
    """Levels of within-subject factors, of which every subject has every combination once.

    Parameters
    ----------
    table : pandas.DataFrame
    subject : str
    within : list of str

    Returns
    -------
    list of list
        Levels of each factor.

    Raises
    ------
    DesignError
        If a subject lacks a combination or has it twice, or there is one subject only.

    Examples
    --------
    >>> table = pd.DataFrame({'s': [1, 1, 2], 'time': ['a', 'b', 'a']})
    >>> crossed_levels(table, 's', ['time'])
    Traceback (most recent call last):
        ...
    nistats_nipype.exceptions.DesignError: Subjects lack maps of the within-subject design.
      found:    1 of 2 subjects: 2 without time b
      expected: every subject once at each of 2 levels of time
      to do:    Leave those subjects out, or fit all maps with FitGLM and a formula.
    """
    levels = [levels_of(table[name]) for name in within]
    n_cells = int(np.prod([len(each) for each in levels]))
    what = f'every subject once at each of {n_cells} levels of {" x ".join(within)}'
    levels_of(table[subject])
    twice = table[table.duplicated([subject, *within], keep='first')]
    if len(twice):
        raise DesignError(
            'Subjects have more than one map in a cell of the design.',
            found=some(_cell(row, subject, within, 'twice') for _, row in twice.iterrows()),
            expected=what,
            advice='Average those maps first, or leave the extra ones out.',
        )
    full = pd.MultiIndex.from_product([table[subject].unique(), *levels], names=[subject, *within])
    lacking = full.difference(pd.MultiIndex.from_frame(table[[subject, *within]]), sort=False)
    if len(lacking):
        cells = lacking.to_frame(index=False)
        said = some(_cell(row, subject, within, 'without') for _, row in cells.iterrows())
        raise DesignError(
            'Subjects lack maps of the within-subject design.',
            found=f'{cells[subject].nunique()} of {table[subject].nunique()} subjects: {said}',
            expected=what,
            advice='Leave those subjects out, or fit all maps with FitGLM and a formula.',
        )
    return levels


def _cell(row, subject, within, link):
    where = ', '.join(f'{name} {row[name]}' for name in within)
    return f'{row[subject]} {link} {where}'
