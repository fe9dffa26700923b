"""What the metadata of a permutation test say about its p values."""

from nipype.interfaces.base import isdefined

#: Python writes and reads integers of 4300 digits; 1,500 maps can be permuted in more ways.
_MOST = 10**4000


def write_count(count):
    """Write a number of relabellings as text, of which JSON holds any length.

    Examples
    --------
    >>> write_count(2**64), write_count(10**5000)
    ('18446744073709551616', '> 1e4000')
    """
    return str(count) if count <= _MOST else '> 1e4000'


def load_schedule_metadata(path):
    """Read how the schedule was drawn, the number of possible relabellings as a number.

    Returns
    -------
    dict
        Empty if there is no file.
    int or None
    """
    from ..images.files import load_json

    metadata = load_json(path) if isdefined(path) else {}
    n_possible = metadata.get('NumberOfPossibleRelabellings')
    if n_possible is not None:
        n_possible = _MOST if n_possible.startswith('>') else int(n_possible)
    return metadata, n_possible


#: Names of the methods of permutation as the literature has them.
METHOD_NAMES = {
    'freedman-lane': 'Freedman-Lane',
    'huh-jhun': 'Huh-Jhun',
    'dekker': 'Dekker',
    'ter-braak': 'ter Braak',
    'draper-stoneman': 'Draper-Stoneman',
    'manly': 'Manly',
}


def method_metadata(metadata, kind, scale):
    """Say what was relabelled and which statistic was compared.

    Parameters
    ----------
    metadata : dict
        Metadata of the schedule and of the chunks; empty if there are none.
    kind : {'t', 'F'}
    scale : {'r', 'z', 'stat', 'model'}
        Of the chunks, see :class:`nistats_nipype.stats.permutation.Chunk`.

    Returns
    -------
    dict

    Examples
    --------
    >>> method_metadata({'PermutationMethod': 'manly'}, 't', 'z')['Method']
    'permutation, Manly, maximum statistic'
    >>> method_metadata({}, 'F', 'z')['StatisticName']
    'G'
    >>> method_metadata({'MissingData': 'per_voxel'}, 'F', 'z')['StatisticName']
    'F'
    >>> method_metadata({'PermutedModel': 'fixed'}, 'F', 'model')['StatisticName']
    'chi2'
    """
    if scale == 'model':
        name = {'t': 'z', 'F': 'chi2'}[kind] if metadata['PermutedModel'] == 'fixed' else kind
        return {
            'Method': 'permutation, the model fitted to every relabelling, maximum statistic',
            'Statistic': kind,
            'StatisticName': name,
            'NullOf': name,
        }
    method = METHOD_NAMES.get(metadata.get('PermutationMethod'), 'method not recorded')
    scores = kind if metadata.get('MissingData') == 'per_voxel' else {'t': 'v', 'F': 'G'}[kind]
    name = {'z': scores, 'stat': f'pseudo-{kind}'}.get(scale, kind)
    return {
        'Method': f'permutation, {method}, maximum statistic',
        'Statistic': kind,
        'StatisticName': name,
        'NullOf': {'z': 'z', 'stat': f'pseudo_{kind}'}.get(scale, kind),
    }


def tail_metadata(found, name):
    """Describe the distribution that was fitted to a null; nothing without one.

    Parameters
    ----------
    found : nistats_nipype.stats.approximation.Approximation
    name : str
        What was fitted: 'gpd' or 'gamma'.

    Returns
    -------
    dict or None
    """
    import numpy as np

    from ..stats.approximation import count_sources

    if found.tail is None:
        return None
    numbers = {**found.tail.parameters, 'threshold': found.tail.threshold}
    # JSON has no NaN, which stands where nothing was fitted.
    numbers = {key: float(value) if np.isfinite(value) else None for key, value in numbers.items()}
    fit_p = float(found.tail.fit_p)
    counts = count_sources(found.source[~np.isnan(found.p)])
    return {
        'Distribution': name,
        'Method': found.tail.method,
        'Fitted': numbers['threshold'] is not None,
        'Threshold': numbers.pop('threshold'),
        'Parameters': numbers,
        'FitP': None if np.isnan(fit_p) else fit_p,
        'NumberOfExceedances': int(found.tail.n_exceedances),
        'ObservedLabellingFitted': found.observed_fitted,
        'NumberOfVoxelsCounted': counts['count'],
        'NumberOfVoxelsFitted': counts['fit'],
        'NumberOfVoxelsAtLimit': counts['limit'],
        'SmallestPossibleP': found.smallest,
    }


def correction_metadata(found, null, counted, tail, exhaustive):
    """Describe the corrected p values of one statistic.

    Parameters
    ----------
    found : nistats_nipype.stats.approximation.Approximation
    null : ndarray of shape (B,)
        Maxima, the observed one first.
    counted : float
        The smallest corrected p by counting.
    tail : str
        What was fitted: 'none', 'gpd' or 'gamma'.
    exhaustive : bool
        Whether the relabellings are all that are possible.

    Returns
    -------
    dict
    """
    import numpy as np

    return {
        'CorrectedPValue': found.method,
        'Tail': tail_metadata(found, tail),
        'MonteCarlo': interval_metadata(counted, len(null), exhaustive),
        'ObservedMaximum': float(null[0]),
        'SmallestCorrectedP': float(np.nanmin(found.p)),
    }


def interval_metadata(p, n, exhaustive):
    """Say how far p values by counting can be from those of all possible relabellings.

    Parameters
    ----------
    p : float
        The smallest corrected p by counting.
    n : int
        Relabellings, the observed one included.
    exhaustive : bool
        Whether these are all.

    Returns
    -------
    dict
        95 % intervals of ``p`` and of the largest p by counting that is at most .05, if
        there is one.
    """
    from ..stats.sequential import monte_carlo_interval

    counts = [round(p * n)] + [n // 20] * (n >= 20)
    interval = monte_carlo_interval(counts, n, exhaustive=exhaustive)
    pairs = [[float(low), float(high)] for low, high in zip(*interval[:2], strict=True)]
    at_alpha = {'P': counts[1] / n, 'Interval': pairs[1]} if n >= 20 else None
    return {
        'Method': interval.method,
        'SmallestCorrectedP': {'P': counts[0] / n, 'Interval': pairs[0]},
        'Alpha0.05': at_alpha,
    }


def warn_of_few(tail, n, exhaustive):
    """Warn of a tail that rests on few values."""
    import warnings

    from ..exceptions import NistatsNipypeWarning
    from ..stats.approximation import FEW

    if tail == 'gpd' and n < FEW and not exhaustive:
        warnings.warn(
            f'The tail is fitted to a quarter of {n} relabellings only: corrected p just below '
            '.05 come up to 1.1 times as often as they should, and much smaller ones are larger '
            f'than they need be. Take {FEW} relabellings or more.',
            NistatsNipypeWarning,
            stacklevel=3,
        )
