import numpy as np
import pytest

from nistats_nipype.stats.missing import check_missing, find_patterns, points_of_patterns


def test_check_missing_returns_the_points_that_can_be_fitted():
    values = np.array([[1.0, np.nan, np.nan, 4], [1, 2, np.nan, 4]])
    assert check_missing(values, 'drop_voxel').tolist() == [True, False, False, True]
    assert check_missing(values, 'per_voxel').tolist() == [True, True, False, True]
    assert check_missing(values[:, [0, 3]]).tolist() == [True, True]


@pytest.mark.parametrize('n_observations', [1, 7, 8, 9, 40])
def test_patterns_are_those_of_a_search_by_rows(n_observations):
    rng = np.random.default_rng(n_observations)
    values = rng.normal(size=(n_observations, 60))
    values[rng.uniform(size=values.shape) < 0.05] = np.nan
    usable = check_missing(values, 'per_voxel')
    patterns, pattern = find_patterns(values, usable)
    seen = ~np.isnan(values)
    np.testing.assert_array_equal(patterns, np.unique(seen[:, usable], axis=1).T)
    np.testing.assert_array_equal(patterns[pattern[usable]], seen[:, usable].T)
    assert set(pattern[~usable]) <= {-1}
    points = points_of_patterns(pattern, len(patterns))
    for number, members in enumerate(points):
        np.testing.assert_array_equal(members, np.flatnonzero(pattern == number))
