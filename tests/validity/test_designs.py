"""Error rates of standard designs on data without an effect, and of what they are there to avoid.

The figures of docs/decisions/0010 are of these cases, with 20,000 groups and another seed.
"""

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs import builders
from nistats_nipype.designs.group import define_contrast
from nistats_nipype.designs.matrices import design_from_formula
from nistats_nipype.stats import glm
from nistats_nipype.stats.blocks import whole_blocks, within_blocks
from nistats_nipype.stats.exchange import draw_schedule
from nistats_nipype.stats.permutation import merge, permute

N_GROUPS = 4000
#: Three standard errors of a rate of .05.
TOLERANCE = 3 * np.sqrt(0.05 * 0.95 / N_GROUPS)

#: Twelve subjects in two groups, three conditions each.
SPLIT_PLOT = pd.DataFrame(
    [(s, 'a' if s < 6 else 'b', t) for s in range(12) for t in range(3)], columns=['s', 'g', 't']
)
#: Twelve subjects, two factors within them.
TWO_WAY = pd.DataFrame(
    [(s, a, b) for s in range(12) for a in range(2) for b in range(3)], columns=['s', 'A', 'B']
)


def split_plot(deviations=(1, 1, 1)):
    """Subjects and errors of unit variance, the latter times that of the condition."""
    random = np.random.default_rng(1)
    subjects = random.normal(size=(12, 1, N_GROUPS))
    errors = random.normal(size=(12, 3, N_GROUPS)) * np.array(deviations)[:, None]
    return (subjects + errors).reshape(36, N_GROUPS)


def two_way():
    """Subjects that differ in the effect of A, by twice the deviation of the errors."""
    random = np.random.default_rng(2)
    of_a = random.normal(size=(12, 2, 1, N_GROUPS))
    return (2 * of_a + random.normal(size=(12, 2, 3, N_GROUPS))).reshape(72, N_GROUPS)


def rates(design, weights, y, blocks, errors='auto'):
    """Share of p of .05 or less, parametric and by permutation."""
    design = design.to_numpy()
    side = 'positive' if len(weights) > 1 else 'two-sided'
    fitted = glm.contrast(glm.fit(y, design), design, weights)
    schedule = draw_schedule(design, weights, n_perm=199, seed=5, blocks=blocks, errors=errors)
    chunk = permute(y, design, weights, schedule, sidedness=side)
    permuted = merge([chunk], design, weights, sidedness=side)
    return (fitted.p <= 0.05).mean(), (permuted.p_uncorrected <= 0.05 + 1e-9).mean()


def rates_of(built, y, **others):
    """Rates of the contrast of a standard design, with its own blocks if there are no others."""
    ((name, definition),) = built.contrasts.items()
    weights = define_contrast(name, definition, built.design).weights
    if built.averages is not None:
        y = np.array([y[built.averages == row].mean(axis=0) for row in range(len(built.design))])
    return rates(built.design, weights, y, **{'blocks': built.blocks, **others})


def mixed(effect):
    return builders.mixed(SPLIT_PLOT, 's', 'g', 't', effect)


def crossed(effect):
    return builders.repeated_measures(TWO_WAY, 's', ['A', 'B'], effect=effect)


@pytest.mark.parametrize(
    ('built', 'draw'),
    [
        (mixed('g'), split_plot),
        (mixed('t'), split_plot),
        (mixed('g:t'), split_plot),
        (builders.repeated_measures(SPLIT_PLOT, 's', 't'), split_plot),
        (crossed('A'), two_way),
        (crossed('B'), two_way),
        (crossed('A:B'), two_way),
    ],
    ids=['between', 'within', 'interaction', 'one factor', 'A', 'B', 'A:B'],
)
def test_standard_designs_keep_to_five_per_cent(built, draw):
    assert rates_of(built, draw()) == pytest.approx((0.05, 0.05), abs=TOLERANCE)


def test_groups_are_not_tested_on_all_maps():
    """What the average avoids: errors within subjects in the denominator, and their number."""
    design = design_from_formula('g + C(t)', SPLIT_PLOT)
    weights = define_contrast('g', 'g[T.b]', design).weights
    parametric, permuted = rates(design, weights, split_plot(), None)
    assert min(parametric, permuted) > 0.15
    # Permuting subjects as wholes saves the permutation test, but not the parametric one.
    blocks = whole_blocks(SPLIT_PLOT['s'])
    assert rates(design, weights, split_plot(), blocks)[1] == pytest.approx(0.05, abs=TOLERANCE)


def test_one_of_two_factors_is_not_tested_on_all_maps():
    design = design_from_formula('C(s) + C(A, contr.sum) * C(B, contr.sum)', TWO_WAY)
    weights = define_contrast('A', 'F(A)', design).weights
    assert min(rates(design, weights, two_way(), within_blocks(TWO_WAY['s']))) > 0.25


def test_subjects_as_wholes_may_have_conditions_of_unequal_variance():
    y = split_plot((1, 1, 4))
    parametric, permuted = rates_of(mixed('g:t'), y)
    assert parametric > 0.05 + TOLERANCE
    assert permuted == pytest.approx(0.05, abs=TOLERANCE)
    # Maps permuted within subjects would mix the variances.
    within = rates_of(mixed('g:t'), y, blocks=within_blocks(SPLIT_PLOT['s']))[1]
    assert within > 0.05 + TOLERANCE


def test_signs_of_whole_subjects_need_no_exchangeable_conditions():
    """As the guide advises where conditions differ in variance."""
    y, built = split_plot((1, 1, 4)), builders.repeated_measures(SPLIT_PLOT, 's', 't')
    assert rates_of(built, y)[1] > 0.05 + TOLERANCE
    flipped = rates_of(built, y, blocks=whole_blocks(SPLIT_PLOT['s']), errors='symmetric')[1]
    assert flipped == pytest.approx(0.05, abs=TOLERANCE)
