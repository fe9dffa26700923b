"""Standard designs of independent observations: one, two or more groups, and covariates."""

import numpy as np
import pandas as pd

from ..exceptions import DesignError
from .matrices import INTERCEPT, intercept_only
from .standard import (
    compared,
    covariate,
    finish,
    levels_of,
    products,
    require_columns,
    treatment,
)
from .tables import some


def one_sample(table):
    """Test a mean.

    Signs are flipped: errors are taken as independent and symmetric about 0 [1]_.

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        One row for each map; its columns do not matter.

    Returns
    -------
    nistats_nipype.designs.standard.StandardDesign
        Contrast ``mean``.

    Raises
    ------
    DesignError
        If there are fewer than two rows.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060

    Examples
    --------
    >>> one_sample(pd.DataFrame({'age': [30, 40, 50]})).contrasts
    {'mean': 'intercept'}
    """
    said = f'One-sample test of {len(table)} maps: signs are flipped.'
    return finish([intercept_only(len(table))], {'mean': INTERCEPT}, None, None, None, said)


def two_sample(table, group, *, reference=None, equal_variance=True):
    """Compare the means of groups: two by t, more by F (one-way analysis of variance).

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        One row for each map.
    group : str
        Column of the groups.
    reference : optional
        Group that the other is compared with; by default the first in alphabetical order.
    equal_variance : bool, default True
        Otherwise every group is a variance group: t becomes Welch's t and F his statistic
        (Winkler's v and G [1]_), and signs are flipped by default, because errors of different
        variance are not exchangeable.

    Returns
    -------
    nistats_nipype.designs.standard.StandardDesign
        Contrast ``<other> - <reference>`` of two groups, or ``<group>`` (F) of more.

    Raises
    ------
    DesignError
        If there is one group only, or one that has a single map.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060

    Examples
    --------
    >>> table = pd.DataFrame({'group': ['a', 'a', 'b', 'b', 'b']})
    >>> built = two_sample(table, 'group', equal_variance=False)
    >>> built.contrasts, built.groups.tolist()
    ({'b - a': 'group[T.b]'}, [1, 1, 2, 2, 2])
    """
    return _compare(table, group, [], reference, equal_variance, False)


def ancova(table, group, covariates, *, reference=None, equal_variance=True, interaction=False):
    """Compare groups, adjusted for covariates (analysis of covariance).

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        One row for each map.
    group : str
        Column of the groups.
    covariates : str or list of str
        Columns of numbers. Their mean over all maps is taken off, see Notes.
    reference, equal_variance
        See :func:`two_sample`.
    interaction : bool, default False
        Whether each group has slopes of its own. The groups are then compared at the mean of
        the covariates, and the slopes with each other.

    Returns
    -------
    nistats_nipype.designs.standard.StandardDesign
        Contrast of the groups as in :func:`two_sample`, one for each covariate, and with
        ``interaction`` one for each ``<group>:<covariate>``, in place of those of the covariates.

    Raises
    ------
    DesignError
        As for :func:`two_sample`; or if a covariate does not hold numbers that differ, or cannot
        be told from the groups.

    Notes
    -----
    Taking off the mean of each group instead would compare groups that are not adjusted for how
    they differ in the covariate, which is why it is not offered. Without an interaction the mean
    that is taken off has no influence on the tests.

    Examples
    --------
    >>> table = pd.DataFrame({'group': list('aabbb'), 'age': [30, 40, 20, 60, 50]})
    >>> ancova(table, 'group', 'age').contrasts
    {'b - a': 'group[T.b]', 'age': 'age'}
    """
    return _compare(table, group, _listed(covariates), reference, equal_variance, interaction)


def _compare(table, group, covariates, reference, equal_variance, interaction):
    require_columns(table, [group, *covariates])
    levels = levels_of(table[group], reference=reference)
    sizes = table[group].value_counts()
    small = [level for level in levels if sizes[level] < 2]
    if small:
        raise DesignError(
            f'Groups of one map have no variance: {some(small)}.',
            found=', '.join(f'{level}: {sizes[level]}' for level in levels),
            expected='two maps or more in each group',
            advice='Leave those maps out, or join groups.',
        )
    factor = treatment(table[group], levels)
    contrasts = compared(group, factor, levels)
    parts = [intercept_only(len(table)), factor]
    for name in covariates:
        parts.append(covariate(table, name))
        if interaction:
            slopes = products(factor, parts[-1])
            parts.append(slopes)
            columns = list(slopes)
            contrasts[f'{group}:{name}'] = columns[0] if len(columns) == 1 else columns
        else:
            contrasts[name] = name
    groups, how = None, 'maps are permuted between the groups.'
    if not equal_variance:
        groups = np.array([levels.index(level) + 1 for level in table[group]])
        how = 'each group has a variance of its own (v, G), and signs are flipped.'
    counts = ', '.join(f'{level} {sizes[level]}' for level in levels)
    adjusted = f', adjusted for {", ".join(covariates)}' if covariates else ''
    said = f'Comparison of {group} ({counts}){adjusted}: {how}'
    return finish(parts, contrasts, None, groups, None, said)


def regression(table, covariates, *, nuisance=()):
    """Regress the maps on covariates.

    Parameters
    ----------
    table : pandas.DataFrame of N rows
        One row for each map.
    covariates : str or list of str
        Columns of numbers, each of which is tested. Their mean is taken off, which leaves the
        intercept to be the mean of the maps, and no test of a slope changes.
    nuisance : str or list of str, optional
        Columns that the covariates are adjusted for: numbers, or groups in text.

    Returns
    -------
    nistats_nipype.designs.standard.StandardDesign
        A contrast for each covariate, named as its column.

    Raises
    ------
    DesignError
        If a covariate does not hold numbers that differ, or columns depend on each other.

    Examples
    --------
    >>> table = pd.DataFrame({'score': [3.0, 1, 2, 6], 'sex': list('fmfm')})
    >>> built = regression(table, 'score', nuisance='sex')
    >>> built.contrasts, built.design.columns.tolist()
    ({'score': 'score'}, ['intercept', 'score', 'sex[T.m]'])
    """
    covariates, nuisance = _listed(covariates), _listed(nuisance)
    require_columns(table, [*covariates, *nuisance])
    parts = [intercept_only(len(table)), *(covariate(table, name) for name in covariates)]
    for name in nuisance:
        if pd.api.types.is_numeric_dtype(table[name]):
            parts.append(covariate(table, name))
        else:
            parts.append(treatment(table[name], levels_of(table[name])))
    adjusted = f', adjusted for {", ".join(nuisance)}' if nuisance else ''
    said = f'Regression on {", ".join(covariates)}{adjusted}: maps are permuted.'
    return finish(parts, {name: name for name in covariates}, None, None, None, said)


def _listed(names):
    """A list of names, of one or several."""
    names = [names] if isinstance(names, str) else list(names)
    return [str(name) for name in names]
