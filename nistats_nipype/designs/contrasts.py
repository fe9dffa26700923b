"""Contrasts from what a person writes: names, expressions or weights."""

import re
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from ..exceptions import ContrastError
from .covariates import VOXELWISE, short_names
from .terms import effect_weights, split_outside, whole_effect


class Contrast(NamedTuple):
    """A contrast of a design.

    Attributes
    ----------
    name : str
        What the user calls it.
    weights : ndarray of shape (Q, P), float64
        One row for t, several for F.
    columns : tuple of P str
        Columns of the design.
    """

    name: str
    weights: np.ndarray
    columns: tuple

    @property
    def kind(self):
        """'t' or 'F'."""
        return 't' if len(self.weights) == 1 else 'F'

    @property
    def label(self):
        """The name as a BIDS label, letters and digits only."""
        return contrast_label(self.name)

    @property
    def formula(self):
        """The weights in words, one row after the other."""
        return '; '.join(_in_words(row, self.columns) for row in self.weights)

    def tested_side(self, sidedness):
        """The side that is tested: for t as asked, for F always the positive one."""
        return sidedness if self.kind == 't' else 'positive'

    def to_dict(self):
        """Give the contrast as JSON has it."""
        return {
            'Contrast': self.name,
            'ContrastFormula': self.formula,
            'Statistic': self.kind,
            'ContrastWeights': self.weights.tolist(),
            'DesignColumns': list(self.columns),
        }

    @classmethod
    def from_dict(cls, content):
        """Make a contrast from what :meth:`to_dict` gives."""
        try:
            weights = np.atleast_2d(np.asarray(content['ContrastWeights'], dtype=np.float64))
            return cls(str(content['Contrast']), weights, tuple(content['DesignColumns']))
        except (KeyError, TypeError, ValueError) as error:
            raise ContrastError(
                'This is not a contrast.',
                found=repr(content)[:100],
                expected='Contrast, ContrastWeights and DesignColumns',
                advice='Write the file with DefineContrast or BuildDesign.',
            ) from error

    def check_columns(self, columns):
        """Refuse a design that the contrast was not made for."""
        if tuple(columns) != self.columns:
            raise ContrastError(
                f'The contrast {self.name!r} was made for another design.',
                found=f'columns {", ".join(self.columns)}',
                expected=f'columns {", ".join(map(str, columns))}',
                advice='Define the contrast with the design that it is used with.',
            )


def _in_words(row, columns):
    terms = []
    for weight, column in zip(row, columns, strict=True):
        if weight:
            size = '' if abs(weight) == 1 else f'{abs(weight):g} * '
            sign = '- ' if weight < 0 else '+ ' if terms else ''
            terms.append(f'{sign}{size}{column}')
    return ' '.join(terms)


def contrast_label(name):
    """Turn a name into a BIDS label: camel case, letters and digits only.

    Examples
    --------
    >>> contrast_label('left vs right'), contrast_label('F(group)'), contrast_label('age')
    ('leftVsRight', 'FGroup', 'age')
    """
    first, *rest = re.findall('[A-Za-z0-9]+', str(name)) or ['']
    if not first:
        raise ContrastError(
            'The name of a contrast has no letters or digits.',
            found=repr(name),
            expected='a name that can be part of a file name',
        )
    return first + ''.join(word[0].upper() + word[1:] for word in rest)


def parse_contrast(name, definition, columns):
    """Read a contrast.

    Parameters
    ----------
    name : str
    definition : str, list of float, list of list of float, or list of str
        A column (``'age'``), an expression of columns (``'patient - control'``), a whole
        effect (``'F(group)'``, ``'F(group:age)'``, see
        :func:`~nistats_nipype.designs.terms.effect_weights`), several of these for F
        (separated by commas, or as a list), or weights: P numbers for t, a list of them for F.
    columns : sequence of P str
        Columns of the design. A voxelwise covariate, ``grey[voxelwise]``, goes by the name
        ``grey``, too, unless there is such a column.

    Returns
    -------
    Contrast

    Raises
    ------
    ContrastError
        If an expression cannot be read or names no column, or if the number of weights
        is not P.

    Examples
    --------
    >>> parse_contrast('change', 'b - 2 * a', ['a', 'b']).weights
    array([[-2.,  1.]])
    >>> parse_contrast('any', 'a, b', ['a', 'b']).kind
    'F'
    >>> parse_contrast('groups', 'F(group)', ['intercept', 'group[T.b]', 'group[T.c]']).formula
    'group[T.b]; group[T.c]'
    """
    columns, names = tuple(map(str, columns)), short_names(columns)
    items = [definition] if isinstance(definition, str) else list(definition)
    if items and all(isinstance(item, str) and item.strip() for item in items):
        if names != columns:
            items = [item.replace(VOXELWISE, '') for item in items]
        rows = np.vstack([_parse_expression(name, item, names) for item in items])
    else:
        rows = _parse_weights(name, items, columns)
    return Contrast(str(name), rows, columns)


def _parse_weights(name, items, columns):
    try:
        rows = np.atleast_2d(np.array(items, dtype=np.float64))
    except (TypeError, ValueError):
        rows = np.empty((0, 0))
    if rows.ndim != 2 or rows.shape[1] != len(columns):
        raise ContrastError(
            f'The weights of contrast {name!r} do not fit the design.',
            found=repr(items),
            expected=f'{len(columns)} numbers per row, for columns {", ".join(columns)}',
        )
    return rows


def _parse_expression(name, text, columns):
    """Weights of an expression: ndarray of shape (Q, P)."""
    if text.strip() in columns:
        return (np.array(columns) == text.strip()).astype(np.float64)[None, :]
    parts = split_outside(text, ',')
    if any(map(whole_effect, parts)):
        return np.vstack([_parse_part(name, part, columns) for part in parts])
    return _parse_constraints(name, text, columns)


def _parse_part(name, text, columns):
    term = whole_effect(text)
    if term is None:
        return _parse_expression(name, text, columns)
    return effect_weights(name, term, columns)


def _parse_constraints(name, text, columns):
    from formulaic.errors import FormulaicError
    from formulaic.utils.constraints import LinearConstraints

    try:
        constraints = LinearConstraints.from_spec(text, variable_names=columns)
        rows, offsets = constraints.constraint_matrix, constraints.constraint_values
    except KeyError as error:
        unknown = str(error.args[0])
        raise ContrastError(
            f'Contrast {name!r} names a column that the design does not have: {unknown}.',
            found=f'columns {", ".join(columns)}',
            advice=_suggest(unknown, columns),
        ) from error
    except (FormulaicError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise ContrastError(
            f'Contrast {name!r} cannot be read.',
            found=text,
            expected=f"an expression like '{' - '.join(columns[:2])}'",
            advice=f'The columns are {", ".join(columns)}. Inside an expression, put names with '
            'spaces, colons or other signs in `backticks`.',
        ) from error
    if np.any(offsets):
        raise ContrastError(
            f'Contrast {name!r} compares with a number.',
            found=text,
            expected='an expression that is 0 under the null hypothesis',
            advice="Name columns ('age'), or give one weight per column in brackets ('[0, 1]').",
        )
    return np.asarray(rows, dtype=np.float64)


def _suggest(unknown, columns):
    """Advice on a name that is no column."""
    coded = [name for name in columns if name.startswith(f'{unknown}[') and ':' not in name]
    if coded:
        what = 'that column' if len(coded) == 1 else f'one of them, or all: F({unknown})'
        return f'{unknown} is coded by {", ".join(coded)}; test {what}.'
    close = get_close_matches(unknown, columns, n=1, cutoff=0.4)
    return f'Did you mean {close[0]}?' if close else 'Use the names of these columns.'
