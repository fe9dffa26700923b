"""Results in words: what is possible, how p was made, how far it may be off."""

import pandas as pd
import pytest

from nistats_nipype.viz.methods import methods_text
from nistats_nipype.viz.prose import (
    describe_interval,
    describe_result,
    describe_spatial,
    describe_tail,
)

TEST = {
    'Contrast': 'mean',
    'ContrastFormula': 'intercept',
    'Statistic': 't',
    'Sidedness': 'two-sided',
    'DegreesOfFreedom': [9.0, 9.0],
}
NOTHING = {
    'Alpha': 0.01,
    'Sidedness': 'two-sided',
    'NumberOfVoxelsPositive': 0,
    'NumberOfVoxelsNegative': 0,
    'NumberOfClusters': 0,
}
MODEL = {
    'MissingData': 'error',
    'NumberOfMaps': 10,
    'NumberOfVoxelsFitted': 100,
    'NumberOfIncompleteVoxelsFitted': 0,
}
PREPARATION = {'fwhm_mm': 0, 'mask_method': 'given'}
NO_CLUSTERS = pd.DataFrame({'n_voxels': []})


def permuted(n, **more):
    return {'NumberOfRelabellings': n, 'SmallestCorrectedP': 0.0625, **more}


@pytest.mark.parametrize(
    ('n', 'exhaustive', 'smallest', 'sentence'),
    [
        (50, False, 1 / 50, 'No p below .02 is possible with 49 relabellings.'),
        (32, True, 2 / 32, 'No p below .0625 is possible with all 32 relabellings.'),
        (21, False, 1 / 21, 'No p below .0476 is possible with 20 relabellings.'),
    ],
)
def test_an_alpha_out_of_reach_is_in_the_headline(n, exhaustive, smallest, sentence):
    threshold = {**NOTHING, 'AlphaReachable': False, 'SmallestPossibleP': smallest}
    permutation = permuted(n, Exhaustive=exhaustive)
    text = describe_result(TEST, threshold, permutation, NO_CLUSTERS)
    assert text == (
        'No voxel reaches FWE-corrected p < .01 (two-sided). The smallest corrected p = .062. '
        + sentence
    )


def test_an_alpha_within_reach_is_not_spoken_of():
    for more in ({}, {'AlphaReachable': True, 'SmallestPossibleP': 0.001}):
        text = describe_result(TEST, {**NOTHING, **more}, permuted(1000), NO_CLUSTERS)
        assert text.endswith('The smallest corrected p = .062.')
        assert describe_result(TEST, {**NOTHING, **more}, None, NO_CLUSTERS) == (
            'No voxel reaches uncorrected p < .01 (two-sided).'
        )


@pytest.mark.parametrize(
    ('kind', 'side', 'said'),
    [
        ('t', 'two-sided', ' (two-sided)'),
        ('t', 'negative', ' (negative side)'),
        ('F', 'positive', ''),
    ],
)
@pytest.mark.parametrize('n_voxels', [0, 7])
def test_f_has_no_side(kind, side, said, n_voxels):
    test = {**TEST, 'Statistic': kind, 'Sidedness': side, 'DegreesOfFreedomEffect': 2}
    threshold = {**NOTHING, 'Sidedness': side, 'NumberOfVoxelsPositive': n_voxels}
    peak = {'n_voxels': 7, 'x_mm': 1.0, 'y_mm': 2.0, 'z_mm': 3.0, 'peak_stat': 4.0}
    text = describe_result(test, threshold, None, pd.DataFrame([peak]))
    assert f'uncorrected p < .01{said}.' in text
    text = methods_text(MODEL, PREPARATION, [{'test': test}], {})
    tested = f'{said.strip(" ()")} with t(9)' if said else 'with F(2, 9)'
    assert f'was tested {tested}.' in text


def test_each_spatial_statistic_has_its_own_reach():
    """With a tail, alpha may be within reach of TFCE but not of the extent."""
    thresholds = {
        'extent': {**NOTHING, 'AlphaReachable': False, 'SmallestPossibleP': 0.05},
        'tfce': {**NOTHING, 'AlphaReachable': True, 'SmallestPossibleP': 1e-9},
    }
    text = describe_spatial(thresholds, {'SmallestCorrectedP': {'extent': 0.05, 'tfce': 3e-4}})
    assert text == (
        ' By cluster extent: nothing at FWE-corrected p < .01 (smallest p = .050, none below .05 '
        'is possible). By TFCE: nothing at FWE-corrected p < .01 (smallest p = .0003).'
    )


def test_interval():
    monte_carlo = {
        'Method': '95 % interval of Clopper and Pearson, 999 random relabellings',
        'SmallestCorrectedP': {'P': 0.001, 'Interval': [0.0, 0.003686]},
        'Alpha0.05': {'P': 0.05, 'Interval': [0.0364, 0.0642]},
    }
    assert describe_interval(monte_carlo) == (
        'smallest corrected p = .001 (0 to .00369); p = .050 (.0364 to .0642); 95 % interval of '
        'Clopper and Pearson, 999 random relabellings'
    )


def test_tail():
    tail = {
        'Method': 'how',
        'NumberOfVoxelsCounted': 5000,
        'NumberOfVoxelsFitted': 30,
        'NumberOfVoxelsAtLimit': 0,
    }
    assert describe_tail(tail, 1e-5) == 'how; 30 of 5,030 voxels by the fit'
    tail['NumberOfVoxelsAtLimit'] = 2
    assert describe_tail(tail, 1 / 5040) == (
        'how; 32 of 5,032 voxels by the fit, 2 of them held at 0.0002'
    )


@pytest.mark.parametrize('fitted', [False, True, None])
def test_methods_name_a_tail_that_was_fitted(fitted):
    tail = None if fitted is None else {'Fitted': fitted, 'Method': 'of some distribution'}
    permutation = permuted(500, NumberOfVoxelsNotTested=0, Tail=tail)
    text = methods_text(MODEL, PREPARATION, [{'test': TEST, 'permutation': permutation}], {})
    assert ('Corrected p are of some distribution (Winkler et al. 2016' in text) == bool(fitted)


@pytest.mark.parametrize(
    ('method', 'words'),
    [('manly', 'with the data relabelled (Manly'), ('huh-jhun', 'Huh and Jhun 2001')],
)
def test_methods_name_the_method_of_permutation(method, words):
    permutation = permuted(500, NumberOfVoxelsNotTested=0, Tail=None, PermutationMethod=method)
    text = methods_text(MODEL, PREPARATION, [{'test': TEST, 'permutation': permutation}], {})
    assert words in text


def test_methods_name_pseudo_t_and_welch():
    permutation = permuted(500, NumberOfVoxelsNotTested=0, Tail=None, VarianceFWHM=12.0)
    text = methods_text(MODEL, PREPARATION, [{'test': TEST, 'permutation': permutation}], {})
    assert 'a pseudo-t, the error variance smoothed with a Gaussian kernel of 12 mm FWHM' in text
    text = methods_text(MODEL, PREPARATION, [{'test': TEST | {'StatisticName': 'v'}}], {})
    assert 'v is the generalisation of t to groups of unequal variance (Welch 1951' in text


def test_methods_say_what_was_corrected_over_contrasts():
    joint = {'Contrasts': ['a', 'b', 'c'], 'LeftOut': {'mass': 'why', 'tfce': 'why'}}
    text = methods_text(MODEL, PREPARATION, [], {}, joint)
    assert 'Familywise error over voxels and 3 contrasts together was controlled' in text
    assert 'for want of a common scale: cluster mass, TFCE.' in text
    assert 'contrasts' not in methods_text(MODEL, PREPARATION, [], {})
