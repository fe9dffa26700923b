"""Familywise error of models with known variances, and robust ones, on data without an effect."""

import numpy as np
import pytest
from scipy import stats

from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.model_engine import MODELS, Model
from nistats_nipype.stats.permutation import merge, permute

N, V, ALPHA, N_PERM = 14, 24, 0.05, 99
ONES, GROUP = np.ones(N), np.repeat([0.0, 1.0], [5, 9])
CASES = {
    'flips': (ONES[:, None], [1.0]),
    'pairs': (np.column_stack([ONES, GROUP]), [0, 1]),
}


def draw(rng, case, ratio):
    """Effects and variances, which differ 100-fold between observations.

    Errors have heavy tails; ``ratio`` is that of the variances of the two groups.
    """
    variances = rng.chisquare(5, size=(N, V)) * np.exp(rng.normal(size=(N, 1)))
    variances *= np.where(GROUP, 1.0, ratio)[:, None]
    between = np.resize([0.0, 1.0, 20.0], V)
    errors = rng.standard_t(4, size=(N, V)) * np.sqrt(variances + between)
    return errors + (0.0 if case == 'flips' else 2.0), variances


def count(model, case, n_groups, ratio=1.0):
    """Null groups with a corrected p of .05 or less."""
    design, contrast = CASES[case]
    found = 0
    for number in range(n_groups):
        values, variances = draw(np.random.default_rng([number, 11]), case, ratio)
        schedule = draw_schedule(design, contrast, n_perm=N_PERM, seed=number)
        given = Model(model, None if model == 'robust' else variances)
        chunk = permute(values, design, contrast, schedule, model=given)
        found += np.nanmin(merge([chunk], design, contrast).p_fwe) <= ALPHA + 1e-9
    return found


@pytest.mark.slow
@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('model', MODELS)
def test_familywise_error(model, case, n_groups):
    low, high = stats.binom.interval(0.99, n_groups, ALPHA)
    found = count(model, case, n_groups)
    print(f'\n{model}, {case}: {found} of {n_groups}')  # noqa: T201
    assert low <= found <= high


def test_flips_do_not_ask_for_equal_variances(n_groups):
    low, high = stats.binom.interval(0.99, n_groups, ALPHA)
    assert low <= count('reml', 'flips', n_groups, ratio=10.0) <= high
