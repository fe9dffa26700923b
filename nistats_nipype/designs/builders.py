"""Standard designs from a table, by name."""

from ..exceptions import InputError
from .independent import ancova, one_sample, regression, two_sample
from .repeated import mixed, paired, repeated_measures
from .standard import StandardDesign

__all__ = [
    'KINDS',
    'StandardDesign',
    'ancova',
    'mixed',
    'one_sample',
    'paired',
    'regression',
    'repeated_measures',
    'standard_design',
    'two_sample',
]

#: Builders by name, with the arguments that each needs and those that it takes.
KINDS = {
    'one-sample': (one_sample, (), ()),
    'two-sample': (two_sample, ('group',), ('reference', 'equal_variance')),
    'paired': (paired, ('subject', 'within'), ('reference',)),
    'repeated-measures': (repeated_measures, ('subject', 'within'), ('effect',)),
    'mixed': (mixed, ('subject', 'group', 'within', 'effect'), ()),
    'ancova': (
        ancova,
        ('group', 'covariates'),
        ('reference', 'equal_variance', 'interaction'),
    ),
    'regression': (regression, ('covariates',), ('nuisance',)),
}


def standard_design(kind, table, **arguments):
    """Make a standard design by name.

    Parameters
    ----------
    kind : {'one-sample', 'two-sample', 'paired', 'repeated-measures', 'mixed', 'ancova', \
'regression'}
    table : pandas.DataFrame
        One row for each map.
    **arguments
        Those of the builder of that name, such as :func:`paired`.

    Returns
    -------
    StandardDesign

    Raises
    ------
    InputError
        If there is no such design, or it lacks an argument, or has no use for one.
    DesignError
        If the table does not allow the design.

    Examples
    --------
    >>> import pandas as pd
    >>> standard_design('paired', pd.DataFrame(), subject='id', group='g')
    Traceback (most recent call last):
        ...
    nistats_nipype.exceptions.InputError: The arguments of the design 'paired' do not fit.
      found:    subject, group
      expected: subject, within; optional: reference
      to do:    Add within; leave out group.
    """
    if kind not in KINDS:
        raise InputError(
            'There is no standard design of that name.',
            found=repr(kind),
            expected=f'one of {", ".join(KINDS)}',
        )
    builder, needed, optional = KINDS[kind]
    missing = [name for name in needed if name not in arguments]
    unused = [name for name in arguments if name not in (*needed, *optional)]
    if missing or unused:
        todo = [f'add {", ".join(missing)}'] if missing else []
        todo += [f'leave out {", ".join(unused)}'] if unused else []
        advice = '; '.join(todo)
        raise InputError(
            f'The arguments of the design {kind!r} do not fit.',
            found=', '.join(arguments) or 'none',
            expected=(', '.join(needed) or 'none')
            + (f'; optional: {", ".join(optional)}' if optional else ''),
            advice=f'{advice[0].upper()}{advice[1:]}.',
        )
    return builder(table, **arguments)
