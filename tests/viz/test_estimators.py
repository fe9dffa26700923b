"""Models with known variances in words."""

import pytest

from nistats_nipype.viz.estimators import (
    describe_covariates,
    describe_dropped,
    describe_estimator,
    describe_heterogeneity,
    describe_statistic,
    describe_weights,
)

MIXED = {
    'MixedModel': 'reml',
    'NumberOfVoxelsFitted': 12000,
    'NumberOfVoxelsWithoutHeterogeneity': 1500,
    'NumberOfVoxelsWithQPBelow.05': 3000,
    'MedianI2': 41.26,
    'MedianTau2': 0.001234567,
}


@pytest.mark.parametrize(
    ('model', 'words'),
    [
        ('reml', ['plus a variance between maps', 'FLAME 1', '10.1016/j.neuroimage.2003.12.023']),
        ('dl', ['plus a variance between maps', 'DerSimonian and Laird 1986']),
        ('fixed', ['inverse of its known variance, so', 'not about a population']),
    ],
)
def test_estimators(model, words):
    text = describe_estimator({'MixedModel': model})
    assert all(word in text for word in words)
    assert 'least squares' not in text


def test_robust_regression():
    text = describe_estimator({'RobustModel': 'huber'})
    assert '10.1214/aoms/1177703732' in text
    assert '10.1016/j.neuroimage.2005.01.011' in text
    assert describe_weights({'Estimator': 'ordinary least squares'}) == []


def test_voxelwise_covariates():
    model = {
        'VoxelwiseCovariates': ['center(grey)[voxelwise]', 'thick[voxelwise]'],
        'NumberOfVoxelsWithCollinearCovariates': 1234,
    }
    text = describe_covariates(model, 5.0)
    assert 'the voxelwise covariates center(grey) and thick (Casanova et al. 2007' in text
    assert 'whose maps were smoothed with 5 mm FWHM' in text
    assert 'without their mean over all observations' in text
    assert 'no result at 1,234 voxels where a covariate was constant' in text
    plain = {'VoxelwiseCovariates': ['thick[voxelwise]']}
    text = describe_covariates({**plain, 'NumberOfVoxelsWithCollinearCovariates': 0})
    assert text.endswith('whose maps were not smoothed.')
    assert describe_covariates({'Estimator': 'ordinary least squares'}) == ''


def test_heterogeneity_of_mixed_effects():
    assert describe_heterogeneity(MIXED) == {
        'I², median': '41.3 % of the variation',
        'Heterogeneity, p < .05': '3,000 of 12,000 voxels (uncorrected; Q against chi-squared)',
        'τ², median': '0.001235, in squared units of the maps',
        'τ² estimated as 0': '1,500 of 12,000 voxels',
    }


def test_fixed_effects_estimate_no_variance_between_maps():
    facts = describe_heterogeneity(MIXED | {'MixedModel': 'fixed'})
    assert facts['τ²'] == 'taken as 0: fixed effects'
    assert len(facts) == 3


@pytest.mark.parametrize(
    ('test', 'text'),
    [
        ({'StatisticName': 'z', 'DegreesOfFreedom': None}, 'z, the variances being known'),
        (
            {'StatisticName': 'chi2', 'DegreesOfFreedom': None, 'DegreesOfFreedomEffect': 3},
            'chi-squared, 3 degrees of freedom',
        ),
        (
            {'StatisticName': 'v', 'DegreesOfFreedom': [7.251, 9]},
            'v, 7.25 to 9 degrees of freedom',
        ),
    ],
)
def test_statistics(test, text):
    assert describe_statistic({'Statistic': 't', **test}) == text


def test_nothing_left_out_is_nothing_said():
    assert describe_dropped({'Dropped': []}) == []
