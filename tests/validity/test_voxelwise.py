"""Familywise error with voxelwise covariates, on data without the effect that is tested."""

import numpy as np
import pytest
from scipy import stats

from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute
from nistats_nipype.stats.stand_ins import extend_design

N, V, ALPHA, N_PERM = 16, 150, 0.05, 99
GROUP = np.repeat([0.0, 1.0], N // 2)
DESIGN = np.column_stack([np.ones(N), GROUP])
#: What is tested, and what beside it has an effect: covariate and group go together.
CASES = {'covariate': [0, 0, 1], 'group': [0, 1, 0]}


def draw(rng, tested, skewed):
    # The groups differ, at every other point the other way round: the mean has no part in it.
    covariate = rng.normal(size=(N, V)) + GROUP[:, None] * np.resize([1.0, -1.0], V)
    errors = rng.exponential(size=(N, V)) - 1 if skewed else rng.normal(size=(N, V))
    return errors + 2 * (GROUP[:, None] if tested == 'covariate' else covariate), covariate


def count(tested, n_groups, *, skewed=False, maps=True):
    """Null groups with a corrected p of .05 or less."""
    found = 0
    for number in range(n_groups):
        values, covariate = draw(np.random.default_rng([number, skewed]), tested, skewed)
        design = extend_design(DESIGN, [covariate], np.ones(V, dtype=bool))
        schedule = draw_schedule(design, CASES[tested], n_perm=N_PERM, seed=number)
        chunk = permute(
            *(values, design, CASES[tested], schedule), covariates=[covariate] if maps else None
        )
        found += np.nanmin(merge([chunk], design, CASES[tested]).p_fwe) <= ALPHA + 1e-9
    return found


@pytest.mark.parametrize('skewed', [False, True])
@pytest.mark.parametrize('tested', CASES)
def test_familywise_error(tested, skewed, n_groups):
    low, high = stats.binom.interval(0.99, n_groups, ALPHA)
    assert low <= count(tested, n_groups, skewed=skewed) <= high


def test_means_in_place_of_the_maps_would_not_do():
    assert count('group', 50, maps=False) > 25
