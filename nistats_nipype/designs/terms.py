"""Terms of a formula, found again by the names of the design's columns."""

import re
from difflib import get_close_matches

import numpy as np

from ..exceptions import ContrastError

_OPENING, _CLOSING = '([{', ')]}'
_WHOLE_EFFECT = re.compile(r'F\((?P<term>.+)\)')
_INDEX = re.compile(r'(?P<factor>.+?)\[(?P<level>[^\[\]]*)\]')
_CATEGORICAL = re.compile(r'C\(\s*`?(?P<name>[^`,()]+?)`?\s*(?:,.*)?\)')
#: What formulaic writes before a level that is coded against others: treatment, sum, Helmert,
#: difference, and the degrees of polynomials.
_AGAINST_OTHERS = re.compile(r'(?:[TSHD]\.|\.[LQC]$|\^\d+$)')


def split_outside(text, mark):
    """Split a text at a mark, but not inside brackets or backticks.

    Examples
    --------
    >>> split_outside('C(group, contr.sum)[S.a:b]:age', ':')
    ['C(group, contr.sum)[S.a:b]', 'age']
    """
    parts, depth, quoted = [''], 0, False
    for character in text:
        quoted ^= character == '`'
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == mark and depth == 0 and not quoted:
            parts.append('')
        else:
            parts[-1] += character
    return parts


def whole_effect(text):
    """Give the term of ``F(term)``, or None for any other text.

    Examples
    --------
    >>> whole_effect('F(group:age)'), whole_effect('F(a) - F(b)'), whole_effect('age')
    ('group:age', None, None)
    """
    found = _WHOLE_EFFECT.fullmatch(text.strip())
    if found is None:
        return None
    # The bracket that F opens must be the one that closes last.
    depths = np.cumsum([(c in _OPENING) - (c in _CLOSING) for c in found['term']])
    return found['term'].strip() if depths.min() >= 0 and depths[-1] == 0 else None


def effect_weights(name, term, columns):
    """Weights of the test that all columns of a term are zero.

    Parameters
    ----------
    name : str
        Name of the contrast, for errors.
    term : str
        As in the formula: ``'group'``, ``'group:age'``, ``'poly(age, 2)'``. The order of the
        factors of an interaction does not matter, and ``C(group, ...)`` is found as ``group``.
    columns : sequence of P str
        Columns of the design, named as formulaic does.

    Returns
    -------
    ndarray of shape (Q, P), float64
        A row for every column of the term, in their order.

    Raises
    ------
    ContrastError
        If the design has no such term; or if a factor has a column for every level, so that the
        columns do not say whether differences of the levels are meant or the levels themselves.

    Examples
    --------
    >>> columns = ['intercept', 'group[T.b]', 'group[T.c]', 'age', 'group[T.b]:age']
    >>> effect_weights('differences', 'group', columns)
    array([[0., 1., 0., 0., 0.],
           [0., 0., 1., 0., 0.]])
    >>> effect_weights('slopes', 'age:group', columns)
    array([[0., 0., 0., 0., 1.]])
    """
    wanted = sorted(map(_normalise, split_outside(term, ':')))
    members = []
    for number, column in enumerate(columns):
        factors = [read_factor(part) for part in split_outside(column, ':')]
        spellings = [sorted(factor[key] for factor in factors) for key in ('written', 'short')]
        if wanted in spellings:
            members.append((number, factors))
    if not members:
        raise ContrastError(
            f'Contrast {name!r} names a term that the design does not have: {term}.',
            found=f'columns {", ".join(columns)}',
            expected='F(term), with a term of the formula',
            advice=_suggest(term, columns),
        )
    _refuse_full_coding(name, term, members, columns)
    return np.eye(len(columns))[[number for number, _ in members]]


def _normalise(factor):
    return re.sub(r'[\s`]', '', factor).replace('"', "'")


def read_factor(text):
    """Read a factor in the name of a column.

    Returns
    -------
    dict
        ``written`` and ``short``: as in the formula, and without ``C()``. ``every_level``: its
        level if it has a column for every level, else None.

    Examples
    --------
    >>> read_factor('C(site, contr.sum)[S.2]')['short'], read_factor('group[b]')['every_level']
    ('site', 'b')
    """
    indexed = _INDEX.fullmatch(text)
    written, level = (indexed['factor'], indexed['level']) if indexed else (text, None)
    declared = _CATEGORICAL.fullmatch(written)
    short = declared['name'] if declared else written
    # A basis, as of poly and bs, has numbers in brackets that are no levels.
    categorical = level is not None and (declared is not None or '(' not in written)
    coded = categorical and not _AGAINST_OTHERS.match(level) and 'contr.custom' not in written
    return {
        'written': _normalise(written),
        'short': _normalise(short),
        'every_level': level if coded else None,
    }


def _refuse_full_coding(name, term, members, columns):
    """Refuse a factor with a column for every level, and write both tests that may be meant."""
    full = [any(factor['every_level'] for factor in factors) for _, factors in members]
    if len(members) < 2 or not all(full):
        return
    those = [columns[number] for number, _ in members]
    marked = [f'`{column}`' if re.search(r'[\s:]', column) else column for column in those]
    differences = ', '.join(f'{other} - {marked[0]}' for other in marked[1:])
    raise ContrastError(
        f'Contrast {name!r} does not say what is tested of {term}.',
        found=f'a column for every level: {", ".join(those)}',
        expected='a term that is coded against one of its levels, as with an intercept',
        advice=f"Write '{differences}' to test differences, or '{', '.join(marked)}' to test "
        'all against 0.',
    )


def _suggest(term, columns):
    known = {}
    for column in columns:
        factors = [read_factor(part) for part in split_outside(column, ':')]
        known.setdefault(':'.join(factor['short'] for factor in factors))
    close = get_close_matches(_normalise(term), list(known), n=1, cutoff=0.4)
    hint = f'Did you mean F({close[0]})? ' if close else ''
    return f'{hint}The terms are {", ".join(known)}.'
