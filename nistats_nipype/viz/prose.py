"""Results in words, from the metadata of the steps."""

_RELABELLING = {
    'exchangeable': 'permutations of the observations',
    'symmetric': 'sign flips',
    'both': 'permutations with sign flips',
}
_SIDES = {'two-sided': 'two-sided', 'positive': 'positive side', 'negative': 'negative side'}


def format_p(p):
    """Write a p value as journals do.

    Examples
    --------
    >>> format_p(0.0321), format_p(0.00012), format_p(1.0)
    ('p = .032', 'p = .0001', 'p = 1')
    """
    if p >= 0.9995:
        return 'p = 1'
    return 'p = ' + (f'{p:.3f}' if p >= 0.001 else f'{p:.1g}').replace('0.', '.', 1)


def _count(number, noun):
    return f'{number:,} {noun}' + ('' if number == 1 else 's')


def _level(alpha):
    return f'{alpha:.3g}'.replace('0.', '.', 1)


def describe_alpha(alpha, corrected):
    """Say at which level was tested.

    Examples
    --------
    >>> describe_alpha(0.05, corrected=True), describe_alpha(0.001, corrected=False)
    ('FWE-corrected p < .05', 'uncorrected p < .001')
    """
    return f'{"FWE-corrected" if corrected else "uncorrected"} p < {_level(alpha)}'


def describe_side(kind, sidedness, name='F'):
    """Side on which t was tested, or that F has none; F may go by another name.

    Examples
    --------
    >>> describe_side('t', 'positive'), describe_side('F', 'positive')
    ('positive side', 'F has no sides')
    """
    return f'{name} has no sides' if kind == 'F' else _SIDES[sidedness]


def describe_result(test, threshold, permutation, clusters):
    """Answer in a sentence or two: what survives, where, and how strongly.

    Parameters
    ----------
    test : dict
        Metadata of the contrast.
    threshold : dict
        Metadata of the threshold that the answer is about.
    permutation : dict or None
        Metadata of the permutation test, if there was one.
    clusters : pandas.DataFrame
        Clusters above the threshold.

    Returns
    -------
    str
    """
    n_voxels = threshold['NumberOfVoxelsPositive'] + threshold['NumberOfVoxelsNegative']
    corrected = permutation is not None
    how = describe_alpha(threshold['Alpha'], corrected)
    if test['Statistic'] == 't':
        how += f' ({_SIDES[threshold["Sidedness"]]})'
    if n_voxels:
        n_clusters = _count(threshold['NumberOfClusters'], 'cluster')
        first = f'{_count(n_voxels, "voxel")} in {n_clusters} reach {how}.'
        # Positive clusters come first in the table, whatever their size.
        peak = clusters.loc[clusters['n_voxels'].idxmax()]
        first += (
            f' The largest cluster peaks at ({peak["x_mm"]:.0f}, {peak["y_mm"]:.0f}, '
            f'{peak["z_mm"]:.0f}) mm with z = {peak["peak_stat"]:.2f}.'
        )
    else:
        first = f'No voxel reaches {how}.'
    if corrected:
        first += f' The smallest corrected {format_p(permutation["SmallestCorrectedP"])}.'
        if threshold.get('AlphaReachable') is False:
            first += (
                f' No p below {_level(threshold["SmallestPossibleP"])} is possible with '
                f'{_describe_number(permutation)}.'
            )
    return first


def _describe_number(permutation):
    n = permutation['NumberOfRelabellings']
    return (
        f'all {n:,} relabellings' if permutation.get('Exhaustive') else f'{n - 1:,} relabellings'
    )


#: What clusters are measured by, in words.
SPATIAL = {'extent': 'cluster extent', 'mass': 'cluster mass', 'tfce': 'TFCE'}


def describe_spatial(thresholds, spatial):
    """Say what survives by cluster extent, cluster mass and TFCE.

    Parameters
    ----------
    thresholds : dict of {str: dict}
        Metadata of the thresholded maps, by 'extent', 'mass' or 'tfce'.
    spatial : dict or None
        Metadata of the permutation test.

    Returns
    -------
    str
        With a blank in front; empty if there is nothing to say.

    Examples
    --------
    >>> threshold = {'NumberOfVoxelsPositive': 90, 'NumberOfVoxelsNegative': 0,
    ...              'NumberOfClusters': 2, 'Alpha': 0.05}
    >>> describe_spatial({'tfce': threshold}, {'SmallestCorrectedP': {'tfce': 0.002}})
    ' By TFCE: 90 voxels in 2 clusters at FWE-corrected p < .05 (smallest p = .002).'
    """
    text = ''
    for name, threshold in thresholds.items():
        n_voxels = threshold['NumberOfVoxelsPositive'] + threshold['NumberOfVoxelsNegative']
        found = 'nothing'
        if n_voxels:
            clusters = _count(threshold['NumberOfClusters'], 'cluster')
            found = f'{_count(n_voxels, "voxel")} in {clusters}'
        text += (
            f' By {SPATIAL[name]}: {found} at FWE-corrected p < {_level(threshold["Alpha"])} '
            f'(smallest {format_p(spatial["SmallestCorrectedP"][name])}'
        )
        if threshold.get('AlphaReachable') is False:
            text += f', none below {_level(threshold["SmallestPossibleP"])} is possible'
        text += ').'
    return text


def describe_permutation(permutation):
    """Say how many relabellings of which kind were used.

    Examples
    --------
    >>> describe_permutation({'NumberOfRelabellings': 64, 'Errors': 'symmetric',
    ...                       'Exhaustive': True, 'Seed': 0})
    'all 64 possible sign flips'
    """
    kind = _RELABELLING.get(permutation.get('Errors'), 'relabellings')
    n = permutation['NumberOfRelabellings']
    if permutation.get('Exhaustive'):
        return f'all {n:,} possible {kind}'
    seed = f' (seed {permutation["Seed"]})' if 'Seed' in permutation else ''
    return f'{n - 1:,} {kind} drawn without repeats{seed}, and the observed labelling'


def describe_possible(permutation):
    """Say how many relabellings there are.

    Examples
    --------
    >>> describe_possible({'NumberOfPossibleRelabellings': '4096'}), describe_possible({})
    ('4,096', 'unknown')
    >>> describe_possible({'NumberOfPossibleRelabellings': str(3**70)})
    'about 2.5e33'
    """
    text = permutation.get('NumberOfPossibleRelabellings', 'unknown')
    if not text.isdecimal():
        return text
    return f'{int(text):,}' if len(text) < 13 else f'about {text[0]}.{text[1]}e{len(text) - 1}'


def describe_interval(monte_carlo):
    """Say how far p by counting can be from those of all possible relabellings.

    Examples
    --------
    >>> describe_interval({'Method': '95 % interval', 'SmallestCorrectedP':
    ...                    {'P': 0.002, 'Interval': [0.0, 0.0111]}, 'Alpha0.05': None})
    'smallest corrected p = .002 (0 to .0111); 95 % interval'
    >>> describe_interval({'Method': 'exact: all 64 relabellings'})
    'none, exact: all 64 relabellings'
    """
    method = monte_carlo['Method']
    if method.startswith('exact'):
        return f'none, {method}'
    parts = {'smallest corrected': monte_carlo['SmallestCorrectedP'], '': monte_carlo['Alpha0.05']}
    texts = []
    for name, part in parts.items():
        if part:
            low, high = map(_level, part['Interval'])
            texts.append(f'{name} {format_p(part["P"])} ({low} to {high})'.strip())
    return '; '.join([*texts, method])


def describe_tail(tail, smallest):
    """Say where corrected p come from if a tail was to be fitted.

    Examples
    --------
    >>> describe_tail({'Method': 'counts of 500 relabellings; ...', 'NumberOfVoxelsFitted': 7,
    ...                'NumberOfVoxelsAtLimit': 0, 'NumberOfVoxelsCounted': 1993}, 1e-30)
    'counts of 500 relabellings; ...; 7 of 2,000 voxels by the fit'
    """
    n_limit, n_fit = (
        tail['NumberOfVoxelsAtLimit'],
        tail['NumberOfVoxelsFitted'],
    )
    total = n_fit + n_limit + tail['NumberOfVoxelsCounted']
    text = f'{tail["Method"]}; {n_fit + n_limit:,} of {total:,} voxels by the fit'
    return f'{text}, {n_limit:,} of them held at {smallest:.2g}' if n_limit else text


def describe_joint(joint, name):
    """Give the smallest p of a contrast that are corrected over voxels and contrasts.

    Parameters
    ----------
    joint : dict
        Metadata of the correction over contrasts.
    name : str
        The contrast.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_joint({'Contrasts': ['age', 'sex'], 'SmallestCorrectedP':
    ...                 {'voxel': [0.012, 0.4], 'tfce': [0.004, 0.2]}}, 'age')
    'smallest p over voxels and 2 contrasts: p = .012 (voxels), p = .004 (TFCE)'
    """
    contrasts, smallest = joint['Contrasts'], joint['SmallestCorrectedP']
    index = contrasts.index(name)
    each = ', '.join(
        f'{format_p(smallest[kind][index])} ({word})'
        for kind, word in {'voxel': 'voxels', **SPATIAL}.items()
        if kind in smallest
    )
    return f'smallest p over voxels and {_count(len(contrasts), "contrast")}: {each}'
