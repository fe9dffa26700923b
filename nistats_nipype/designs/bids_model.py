"""The dataset-level node of a BIDS Stats Model, as a design and contrasts.

The JSON is read as it is. The schema package of the standard, bsmschema, checks the levels below
the group, too, which do not matter here, and cannot say what this package has no use for.
"""

from fnmatch import fnmatchcase
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..exceptions import ContrastError, DesignError, InputError
from ..images.files import load_json
from .matrices import INTERCEPT, design_from_formula
from .standard import require_columns
from .tables import some
from .transformations import check_instructions, transform

#: Keys that are read, or that say nothing about the analysis.
_NODE = {'Level', 'Name', 'GroupBy', 'Transformations', 'Model', 'Contrasts', 'DummyContrasts'}
_MODEL = {'Type', 'X', 'Formula'}
_IGNORED = {'Description', 'Software'}
_TESTS = ('t', 'F')


class BidsModel(NamedTuple):
    """The model of a group of maps.

    Attributes
    ----------
    node : str
        Name of the node.
    variables : tuple of str
        Columns of the design, ``intercept`` for 1; they may have wildcards.
    formula : str or None
        Formula in place of the columns.
    instructions : tuple of dict
        Transformations of the variables, in their order.
    contrasts : tuple of (str, list, list of list)
        Name, conditions and rows of weights of each contrast.
    dummies : tuple of str or None
        Columns that are contrasts by themselves; None for all of them.
    """

    node: str
    variables: tuple
    formula: str | None
    instructions: tuple
    contrasts: tuple
    dummies: tuple | None


def load_bids_model(path, node=None):
    """Read the dataset-level node of a BIDS Stats Model [1]_.

    Parameters
    ----------
    path : path-like
        A ``_smdl.json`` file.
    node : str, optional
        Name of the node, if there is more than one of the level ``Dataset``.

    Returns
    -------
    BidsModel

    Raises
    ------
    InputError
        If the file cannot be read, has no such node, or asks for what is not supported: a
        ``GroupBy`` other than the contrast, a ``Type`` other than ``glm``, ``HRF``, ``Options``,
        transformations other than ``Factor``, ``Scale``, ``Copy`` and ``Rename``, and contrasts
        that are not tested.

    Notes
    -----
    Nodes below the dataset, ``Input`` and ``Edges`` say which maps there are; here the maps are
    given. The order of the maps has no meaning: rows come from the table.

    References
    ----------
    .. [1] BIDS Stats Models Specification.
       https://bids-standard.github.io/stats-models/
    """
    content = load_json(path)
    chosen = _choose(content, node, path)
    name = str(chosen.get('Name', 'dataset'))
    where = f'node {name} of {path}'
    _refuse_keys(chosen, _NODE, where)
    model = chosen.get('Model')
    if not isinstance(model, dict) or not isinstance(model.get('X'), list):
        raise InputError(
            f'The {where} has no Model with a list X.', expected='"Model": {"X": [1]}'
        )
    _refuse_keys(model, _MODEL, f'Model of {where}')
    if str(model.get('Type', 'glm')).lower() != 'glm':
        raise InputError(
            f'The {where} is not a general linear model.',
            found=f'"Type": "{model["Type"]}"',
            expected='"Type": "glm"',
            advice='For maps with known variances, see FitMixed.',
        )
    groups = [str(name) for name in chosen.get('GroupBy', [])]
    if not set(groups) <= {'contrast'}:
        raise InputError(
            f'The {where} splits its maps.',
            found=f'"GroupBy": {groups}',
            expected='"GroupBy": ["contrast"], the maps being those of one contrast',
            advice='Run each group of maps by itself, or compare them in one model.',
        )
    dummies = chosen.get('DummyContrasts')
    contrasts = tuple(_read_contrast(each, where) for each in chosen.get('Contrasts') or [])
    if dummies is None:
        dummies = ()
    else:
        _check_test(dummies, 'DummyContrasts', where)
        listed = dummies.get('Contrasts')
        dummies = None if listed is None else tuple(map(_column, listed))
    if not contrasts and dummies == ():
        raise ContrastError(
            f'The {where} has no contrasts.', expected='Contrasts, or DummyContrasts with "t"'
        )
    return BidsModel(
        name,
        tuple(map(_column, model['X'])),
        model.get('Formula'),
        check_instructions(chosen.get('Transformations'), where),
        contrasts,
        dummies,
    )


def _choose(content, name, path):
    nodes = content.get('Nodes') if isinstance(content, dict) else None
    nodes = [each for each in nodes or [] if isinstance(each, dict)]
    found = [each for each in nodes if str(each.get('Level', '')).lower() == 'dataset']
    names = [str(each.get('Name')) for each in found]
    if name is not None:
        found = [each for each in found if each.get('Name') == name]
    if len(found) == 1:
        return found[0]
    if found or names:
        raise InputError(
            f'It is not clear which node of {path} to take.',
            found=f'nodes of the level Dataset: {", ".join(names)}',
            expected='one of them' if name is None else f'one with the name {name}',
            advice='Name it.',
        )
    raise InputError(
        f'{path} is no BIDS Stats Model of a group.',
        found=f'{len(nodes)} nodes, of the levels {some(each.get("Level") for each in nodes)}'
        if nodes
        else 'no Nodes',
        expected='a node of the level Dataset',
        advice='See https://bids-standard.github.io/stats-models/.',
    )


def _refuse_keys(content, known, where):
    unknown = sorted(
        key for key, value in content.items() if key not in known | _IGNORED and value
    )
    if unknown:
        raise InputError(
            f'The {where} has settings that are not supported: {", ".join(unknown)}.',
            expected=', '.join(sorted(known)),
            advice='Remove them if the analysis can do without.',
        )


def _column(name):
    return INTERCEPT if str(name) == '1' else str(name)


def _check_test(content, name, where):
    if content.get('Test') not in _TESTS:
        raise InputError(
            f'The contrast {name} of {where} is not tested.',
            found=f'"Test": "{content.get("Test")}"',
            expected='"t" or "F"',
            advice='Leave it out; there is no level above the group to pass it on to.',
        )


def _read_contrast(content, where):
    name = str(content.get('Name', ''))
    _check_test(content, name, where)
    conditions = [_column(each) for each in content.get('ConditionList') or []]
    weights = content.get('Weights') or []
    rows = weights if weights and isinstance(weights[0], list) else [weights]
    try:
        rows = [[float(Fraction(str(weight))) for weight in row] for row in rows]
    except (ValueError, ZeroDivisionError) as error:
        raise ContrastError(
            f'The weights of contrast {name} of {where} cannot be read.',
            found=repr(weights),
            expected='numbers, or fractions as text, "1/3"',
        ) from error
    if not conditions or any(len(row) != len(conditions) for row in rows):
        raise ContrastError(
            f'The contrast {name} of {where} has not one weight for each condition.',
            found=f'{len(conditions)} conditions, weights {weights}',
            expected='as many weights, in each row',
        )
    if content['Test'] == 't' and len(rows) > 1:
        raise ContrastError(
            f'The contrast {name} of {where} is a t test of several rows.',
            found=f'{len(rows)} rows of Weights',
            expected='one row, or "Test": "F"',
        )
    return name, conditions, rows


def design_of_model(model, table):
    """Make the design of a model, and the weights of its contrasts.

    Parameters
    ----------
    model : BidsModel
    table : pandas.DataFrame of N rows
        Variables, one row for each map, in the order of the maps.

    Returns
    -------
    design : pandas.DataFrame of shape (N, P), float64
        Columns in the order of ``X``, or those of the formula.
    contrasts : dict
        Definitions by name, for :func:`nistats_nipype.designs.group.define_contrast`.

    Raises
    ------
    DesignError
        If a variable is not in the table, has gaps, or is text that no ``Factor`` codes.
    ContrastError
        If a contrast names a column that the design does not have, or two have one name.
    """
    table = transform(table, model.instructions)
    if model.formula is not None:
        design = design_from_formula(model.formula, table)
    else:
        design = _columns_of(model, table)
    dummies = list(design.columns) if model.dummies is None else model.dummies
    listed = [*model.contrasts, *((name, [name], [[1.0]]) for name in dummies)]
    contrasts = {}
    for name, conditions, rows in listed:
        unknown = [each for each in conditions if each not in design]
        if unknown:
            raise ContrastError(
                f'Contrast {name!r} names conditions that the design does not have: '
                f'{", ".join(unknown)}.',
                found=f'columns {", ".join(design.columns)}',
            )
        if name in contrasts:
            raise ContrastError(f'Two contrasts have the name {name!r}.', expected='one for each')
        where = [design.columns.get_loc(each) for each in conditions]
        weights = np.zeros((len(rows), design.shape[1]))
        for row, values in zip(weights, rows, strict=True):
            np.add.at(row, where, values)
        contrasts[name] = (weights if len(weights) > 1 else weights[0]).tolist()
    return design, contrasts


def _columns_of(model, table):
    """Columns of the design that X names."""
    table = table.assign(**{INTERCEPT: 1.0}) if INTERCEPT not in table else table
    names = []
    for pattern in model.variables:
        matches = [str(name) for name in table if fnmatchcase(str(name), pattern)]
        # Without a match the pattern is told to be no column.
        names += matches if pattern not in table and matches else [pattern]
    require_columns(table, names)
    text = [name for name in names if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise DesignError(
            f'Variables in X are text: {", ".join(text)}.',
            found='; '.join(f'{name}: {some(table[name].unique())}' for name in text),
            expected='numbers',
            advice='Add a transformation, {"Name": "Factor", "Input": ["'
            f'{text[0]}"]}}, and name its columns, {text[0]}.{table[text[0]].iloc[0]}; or a '
            'Formula.',
        )
    design = table[names].astype(np.float64)
    if not len(names) or not np.isfinite(design.to_numpy()).all():
        raise DesignError(
            'X gives no design.',
            found='values that are not finite' if len(names) else 'no columns',
            expected='variables of finite numbers',
        )
    return design.reset_index(drop=True)
