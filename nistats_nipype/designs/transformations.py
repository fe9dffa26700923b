"""Transformations of variables, those of BIDS Stats Models that make sense for a group."""

import numpy as np
import pandas as pd

from ..exceptions import DesignError, InputError
from .standard import levels_of, require_columns
from .tables import some

TRANSFORMER = 'pybids-transforms-v1'
#: Parameters that each takes beside its name, without regard to case and underscores.
_PARAMETERS = {
    'factor': {'input', 'constraint', 'reflevel', 'sep'},
    'scale': {'input', 'output', 'demean', 'rescale'},
    'copy': {'input', 'output'},
    'rename': {'input', 'output'},
}
_CONSTRAINTS = ('none', 'drop_one', 'mean_zero')


def check_instructions(content, where):
    """Read the instructions of a node, and refuse those that are not supported.

    Parameters
    ----------
    content : dict or None
        ``Transformations`` of a node.
    where : str
        What to call the node in an error.

    Returns
    -------
    tuple of dict
        Parameters by name, in lower case; ``input`` and ``output`` are lists.

    Raises
    ------
    InputError

    Examples
    --------
    >>> content = {'Transformer': 'pybids-transforms-v1',
    ...            'Instructions': [{'Name': 'Scale', 'Input': 'age', 'Rescale': False}]}
    >>> check_instructions(content, 'node')
    ({'name': 'scale', 'input': ['age'], 'rescale': False},)
    """
    if not content:
        return ()
    if content.get('Transformer') != TRANSFORMER:
        raise InputError(
            f'The transformations of {where} are not supported.',
            found=f'"Transformer": "{content.get("Transformer")}"',
            expected=f'"{TRANSFORMER}"',
        )
    return tuple(_read(each, where) for each in content.get('Instructions') or [])


def _read(instruction, where):
    given = {key.lower().replace('_', ''): value for key, value in instruction.items()}
    name = str(given.get('name'))
    known = _PARAMETERS.get(name.lower())
    if known is None:
        raise InputError(
            f'The transformation {name} of {where} is not supported.',
            expected=', '.join(key.capitalize() for key in _PARAMETERS),
            advice='Transform the column in the table, and name it in X.',
        )
    unknown = sorted(set(given) - known - {'name', 'description'})
    if unknown or not given.get('input'):
        raise InputError(
            f'The transformation {name} of {where} cannot be done.',
            found=f'parameters {", ".join(unknown)}' if unknown else 'no Input',
            expected=', '.join(sorted(known)),
        )
    if given.get('constraint', 'none') not in _CONSTRAINTS:
        raise InputError(
            f'The transformation {name} of {where} cannot be done.',
            found=f'Constraint {given["constraint"]}',
            expected=', '.join(_CONSTRAINTS),
        )
    result = {'name': name.lower()}
    for key in sorted(known & set(given)):
        value = given[key]
        result[key] = [value] if key in ('input', 'output') and isinstance(value, str) else value
    needs = name.lower() in ('copy', 'rename')
    if len(result.get('output', result['input'] * (not needs))) != len(result['input']):
        raise InputError(
            f'The transformation {name} of {where} cannot be done.',
            found=f'Input {some(result["input"])}; Output {some(result.get("output", []))}',
            expected='one Output for each Input',
        )
    return result


def transform(table, instructions):
    """Apply instructions to a table.

    Parameters
    ----------
    table : pandas.DataFrame
    instructions : sequence of dict
        As :func:`check_instructions` returns them.

    Returns
    -------
    pandas.DataFrame
        Another table; a factor is replaced by its columns.

    Raises
    ------
    DesignError
        If a variable is not there, has gaps, or cannot be transformed.

    Notes
    -----
    As in PyBIDS, ``Scale`` divides by the standard deviation with N - 1, and ``Factor`` with
    ``drop_one`` or ``mean_zero`` leaves out the first level, or ``RefLevel``.

    Examples
    --------
    >>> table = pd.DataFrame({'sex': ['f', 'm', 'f']})
    >>> transform(table, [{'name': 'factor', 'input': ['sex']}]).columns.tolist()
    ['sex.f', 'sex.m']
    """
    for each in instructions:
        require_columns(table, each['input'])
        for name, target in zip(each['input'], each.get('output', each['input']), strict=True):
            if each['name'] == 'factor':
                table = pd.concat([table.drop(columns=name), _factor(table[name], each)], axis=1)
            elif each['name'] == 'rename':
                table = table.rename(columns={name: target})
            else:
                column = table[name] if each['name'] == 'copy' else _scale(table[name], each)
                table = table.assign(**{target: column})
    return table


def _factor(column, options):
    constraint = options.get('constraint', 'none')
    levels = levels_of(column, reference=options.get('reflevel'), least=1)
    coded = {level: (column == level).astype(np.float64) for level in levels}
    if constraint != 'none' and len(levels) > 1:
        reference = coded.pop(levels[0])
        if constraint == 'mean_zero':
            coded = {level: is_it - reference / len(coded) for level, is_it in coded.items()}
    mark = options.get('sep', '.')
    return pd.DataFrame({f'{column.name}{mark}{level}': coded[level] for level in coded})


def _scale(column, options):
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() < 2:
        raise DesignError(
            f'The variable {column.name} cannot be scaled.',
            found=some(column.unique()),
            expected='numbers that differ',
        )
    column = column - column.mean() if options.get('demean', True) else column
    return column / column.std() if options.get('rescale', True) else column
