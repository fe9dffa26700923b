"""Types of arguments: numbers in their range, refused before anything runs."""

import argparse
import math


def whole(least, most=None):
    """Make an argparse type for whole numbers in a range.

    Examples
    --------
    >>> whole(1)('12')
    12
    >>> whole(1)('0')
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: found 0, expected a whole number, at least 1
    """

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None and value > most):
            span = f', at least {least}' if most is None else f' from {least} to {most}'
            raise argparse.ArgumentTypeError(f'found {text}, expected a whole number{span}')
        return value

    return parse


def not_negative(text):
    """Read a number that is 0 or above, for argparse.

    Examples
    --------
    >>> not_negative('1.5')
    1.5
    """
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'found {text}, expected a number, 0 or above')
    return value


def positive(text):
    """Read a number above 0, for argparse.

    Examples
    --------
    >>> positive('3.1')
    3.1
    """
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'found {text}, expected a number above 0')
    return value


def share(text):
    """Read a number above 0 and at most 1, for argparse.

    Examples
    --------
    >>> share('0.9')
    0.9
    """
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f'found {text}, expected a number above 0, at most 1')
    return value


def entity(text):
    """Read KEY=VALUE, for argparse; the value may be empty.

    Examples
    --------
    >>> entity('contrast=faces'), entity('run=')
    (('contrast', 'faces'), ('run', ''))
    """
    key, equals, value = (part.strip() for part in text.partition('='))
    if not (key and equals):
        raise argparse.ArgumentTypeError(f'found {text}, expected KEY=VALUE')
    return key, value


def covariate(text):
    """Read NAME=SOURCE, for argparse.

    Examples
    --------
    >>> covariate('grey=gm_file')
    ('grey', 'gm_file')
    """
    name, equals, source = (part.strip() for part in text.partition('='))
    if not (name and equals and source):
        raise argparse.ArgumentTypeError(f'found {text}, expected NAME=SOURCE')
    return name, source


def p_value(text):
    """Read a p value, for argparse; whoever gives a z is told its p.

    Examples
    --------
    >>> p_value('.05')
    0.05
    >>> p_value('3.1')
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: found 3.1, expected a p value between 0 and 1
    (z = 3.1 has p = 0.000968 one-sided, 0.00194 two-sided)
    """
    value = _number(text)
    if not 0 < value < 1:
        hint = ''
        if 1 < value < 30:
            from statistics import NormalDist

            p = NormalDist().cdf(-value)
            hint = f'\n(z = {value:g} has p = {p:.3g} one-sided, {2 * p:.3g} two-sided)'
        raise argparse.ArgumentTypeError(f'found {text}, expected a p value between 0 and 1{hint}')
    return value


def _number(text):
    """Read a number; what is none becomes NaN, which is in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan
