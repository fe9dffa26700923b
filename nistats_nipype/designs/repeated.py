"""Standard designs of repeated observations: paired, repeated measures, mixed."""

import numpy as np

from ..exceptions import DesignError, InputError
from ..stats.blocks import within_blocks
from .independent import two_sample
from .standard import (
    compared,
    crossed_levels,
    dummies,
    finish,
    levels_of,
    products,
    require_columns,
    sums,
    treatment,
)
from .tables import some


def paired(table, subject, within, *, reference=None):
    """Compare two conditions of the same subjects (paired t).

    The two maps of a subject change places, those of different subjects never do: this is the
    test of the differences by sign flips [1]_, and exact if the sign of a difference is a matter
    of chance under the null hypothesis.

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        One row for each map, in any order.
    subject, within : str
        Columns of the subjects and of the conditions.
    reference : optional
        Condition that the other is compared with; by default the first in alphabetical order.

    Returns
    -------
    nistats_nipype.designs.standard.StandardDesign
        Contrast ``<other> - <reference>``; every subject is a block to exchange within.

    Raises
    ------
    DesignError
        If there are not two conditions, or a subject has not one map of each.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({'id': [1, 1, 2, 2, 3, 3], 'drug': ['off', 'on'] * 3})
    >>> built = paired(table, 'id', 'drug')
    >>> built.contrasts, built.blocks.tolist()[:3]
    ({'on - off': 'drug[T.on]'}, [[-1, 1, 1], [-1, 1, 2], [-1, 2, 3]])
    """
    require_columns(table, [subject, within])
    levels = levels_of(table[within], reference=reference)
    if len(levels) != 2:
        raise DesignError(
            f'A paired test has two conditions, but {within} has {len(levels)} levels.',
            found=some(levels),
            expected='two levels',
            advice='Leave the other maps out, or test all conditions by repeated measures.',
        )
    return _one_factor(table, subject, within, levels, None, 'Paired test')


def repeated_measures(table, subject, within, *, effect=None):
    """Compare conditions of the same subjects (analysis of variance of repeated measures).

    The maps of a subject change places, those of different subjects never do [1]_. A factor is
    tested by exchanging its levels in each subject, an interaction of two by exchanging the
    levels of the longer one as wholes, each with all levels of the other in their place. Either
    leaves the nuisance as it is; the test is exact if what is exchanged is exchangeable under
    the null hypothesis [2]_, and it needs no normal distribution.

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        One row for each map, in any order.
    subject : str
        Column of the subjects.
    within : str or list of two str
        Column of the conditions, or of two crossed factors.
    effect : str, optional
        Of two factors the one that is tested, or ``'<first>:<second>'`` for their interaction.

    Returns
    -------
    nistats_nipype.designs.standard.StandardDesign
        One contrast: the effect, F, or ``<second> - <first>``, t, of a factor of two levels. To
        test one of two factors, the maps of a subject are averaged over the other (``averages``).

    Raises
    ------
    DesignError
        If a subject has not one map of each combination.
    InputError
        If the effect is none of the design.

    Notes
    -----
    F is the usual one, whose error term is the interaction of the effect with the subjects. Its
    parametric p asks for sphericity if the effect has more than one degree of freedom; p of
    permutations ask for exchangeable conditions, which is met under compound symmetry. Of 20,000
    null groups of 12 subjects and 3 conditions whose deviations were as 1, 1 and 4, 8 % had p of
    .05 or less by either, and 5 % where the signs of subjects were flipped as wholes
    (:func:`~nistats_nipype.stats.blocks.whole_blocks`, errors ``'symmetric'``).

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060
    .. [2] Winkler AM, Webster MA, Vidaurre D, Nichols TE, Smith SM (2015). Multi-level
       block permutation. NeuroImage 123:253-268.
       https://doi.org/10.1016/j.neuroimage.2015.05.092

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({'id': [1, 1, 1, 2, 2, 2], 'task': list('abcabc')})
    >>> repeated_measures(table, 'id', 'task').contrasts
    {'task': ['task[T.b]', 'task[T.c]']}
    """
    factors = [within] if isinstance(within, str) else list(within)
    if not 1 <= len(factors) <= 2:
        raise InputError(
            'Repeated measures have one or two factors here.',
            found=f'{len(factors)}: {", ".join(map(str, factors))}',
            advice='Write other designs as a formula, with exchangeability blocks.',
        )
    require_columns(table, [subject, *factors])
    levels = crossed_levels(table, subject, factors)
    if len(factors) == 1:
        _check_effect(effect or factors[0], factors)
        return _one_factor(table, subject, factors[0], levels[0], None, 'Repeated measures')
    whole = ':'.join(factors)
    _check_effect(effect, [*factors, whole])
    if effect == whole:
        return _interaction_within(table, subject, factors, levels)
    rows, averages = _average(table, [subject, effect])
    return _one_factor(
        rows, subject, effect, levels[factors.index(effect)], averages, 'Repeated measures'
    )


def _check_effect(effect, effects):
    if effect not in effects:
        raise InputError(
            f'The effect {effect} is none of the design.'
            if effect
            else 'It is not said which effect of the design to test.',
            expected=f'one of {", ".join(effects)}',
            advice='Each effect has a design of its own: blocks and averages differ.',
        )


def _one_factor(table, subject, within, levels, averages, what):
    """Subjects and one factor, whose levels are exchanged within subjects."""
    crossed_levels(table, subject, [within])
    factor = treatment(table[within], levels)
    averaged = '' if averages is None else ' of maps averaged over the other factor'
    return finish(
        [dummies(table[subject]), factor],
        compared(within, factor, levels),
        within_blocks(table[subject].to_numpy()),
        None,
        averages,
        f'{what}: {within} ({", ".join(map(str, levels))}){averaged}, exchanged within each of '
        f'{table[subject].nunique()} subjects.',
    )


def _interaction_within(table, subject, factors, levels):
    """Interaction of two within-subject factors, against its interaction with the subjects."""
    first, second = (
        treatment(table[name], each) for name, each in zip(factors, levels, strict=True)
    )
    subjects, effect = dummies(table[subject]), products(first, second)
    kept, moved = np.argsort([len(each) for each in levels], kind='stable')
    if len(levels[0]) == len(levels[1]):
        moved, kept = 0, 1
    number = [
        np.array([each.index(level) + 1 for level in table[name]])
        for name, each in zip(factors, levels, strict=True)
    ]
    ids = within_blocks(table[subject].to_numpy())[:, 1]
    name = ':'.join(factors)
    columns = list(effect)
    return finish(
        [subjects, products(subjects, first), products(subjects, second), effect],
        {name: columns[0] if len(columns) == 1 else columns},
        # The levels of one factor trade places in a subject, those of the other stay in them.
        np.column_stack([np.full(len(table), -1), ids, -number[moved], number[kept]]),
        None,
        None,
        f'Repeated measures: interaction {name}; levels of {factors[moved]} are exchanged as '
        f'wholes within each of {table[subject].nunique()} subjects.',
    )


def mixed(table, subject, group, within, effect):
    """Compare groups of subjects and conditions within subjects (split-plot design).

    The three effects of such a design have different errors, and what may be exchanged differs
    as well [1]_, [2]_. So one is chosen:

    between, ``effect=group``
        The maps of each subject are averaged, and subjects permuted between the groups. A model
        of all maps would have p that are too small, as its error is that within subjects as well.
    within, ``effect=within``
        Maps are permuted within subjects. It is the effect in the unweighted mean of the groups.
    interaction, ``effect='<group>:<within>'``
        Subjects are permuted between the groups as wholes, with their maps in the order of the
        conditions, which may be correlated in any way.

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        One row for each map, in any order.
    subject, group, within : str
        Columns of the subjects, of their groups, and of the conditions.
    effect : str
        What is tested.

    Returns
    -------
    nistats_nipype.designs.standard.StandardDesign
        One contrast: the effect, F; t of two groups or conditions, or of the interaction of both.

    Raises
    ------
    DesignError
        If a subject has not one map of each condition, or is in two groups.
    InputError
        If the effect is none of the design.

    Notes
    -----
    The nuisance of the interaction is unchanged where subjects are exchanged as wholes, which
    makes this test exact. That of conditions has the interaction as nuisance, which is not
    unchanged: like any test of Freedman and Lane it is approximate.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060
    .. [2] Winkler AM, Webster MA, Vidaurre D, Nichols TE, Smith SM (2015). Multi-level
       block permutation. NeuroImage 123:253-268.
       https://doi.org/10.1016/j.neuroimage.2015.05.092

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame(
    ...     {'id': [1, 1, 2, 2, 3, 3, 4, 4], 'group': list('ccccpppp'), 'time': [1, 2] * 4}
    ... )
    >>> between = mixed(table, 'id', 'group', 'time', 'group')
    >>> len(between.design), between.averages.tolist(), between.blocks
    (4, [0, 0, 1, 1, 2, 2, 3, 3], None)
    >>> mixed(table, 'id', 'group', 'time', 'group:time').blocks.tolist()[:3]
    [[1, -1, 1], [1, -1, 2], [1, -2, 1]]
    """
    require_columns(table, [subject, group, within])
    _check_effect(effect, [group, within, f'{group}:{within}'])
    (conditions,) = crossed_levels(table, subject, [within])
    n_groups = table.groupby(subject, observed=True)[group].nunique()
    if (n_groups > 1).any():
        raise DesignError(
            f'Subjects are in more than one group of {group}.',
            found=some(n_groups.index[n_groups > 1]),
            expected='one group for each subject',
            advice='A factor that changes within subjects is one of repeated measures.',
        )
    rows, averages = _average(table, [subject])
    between = two_sample(rows, group)
    if effect == group:
        said = f'{between.description} Maps of {len(rows)} subjects are averaged first.'
        return between._replace(averages=averages, description=said)
    groups = levels_of(table[group])
    condition = treatment(table[within], conditions)
    # Against the mean of the groups, or the effect of the conditions would be that in one group.
    coding = sums if effect == within else treatment
    interaction = products(coding(table[group], groups), condition)
    parts = [dummies(table[subject]), condition, interaction]
    within_subjects = within_blocks(table[subject].to_numpy())
    if effect == within:
        contrasts = compared(within, condition, conditions)
        blocks = within_subjects
        how = f'{within} is exchanged within each of {len(rows)} subjects.'
    else:
        columns = list(interaction)
        contrasts = {effect: columns[0] if len(columns) == 1 else columns}
        order = np.array([conditions.index(level) + 1 for level in table[within]])
        blocks = np.column_stack([np.ones_like(order), -within_subjects[:, 1], order])
        how = f'{len(rows)} subjects are exchanged as wholes.'
    said = f'Mixed design, {group} x {within}: test of {effect}; {how}'
    return finish(parts, contrasts, blocks, None, None, said)


def _average(table, keys):
    """Rows that differ in some columns, and for each row of the table the one it belongs to."""
    rows = table.drop_duplicates(keys).reset_index(drop=True)
    number = table.groupby(keys, sort=False, observed=True).ngroup()
    return rows, number.to_numpy(dtype=np.int64)
