"""Whole effects: which columns they are, and that their F is the one of nested models."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS

from nistats_nipype.designs.contrasts import parse_contrast
from nistats_nipype.designs.matrices import design_from_formula
from nistats_nipype.designs.terms import split_outside, whole_effect
from nistats_nipype.exceptions import ContrastError
from nistats_nipype.stats import glm


@pytest.fixture
def table():
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            'group': np.resize(list('abc'), 24),
            'sex': np.repeat(['f', 'm'], 12),
            'site': np.resize([1, 2, 2, 1, 3], 24),
            'age': random.normal(40, 9, 24),
            'my score': random.normal(size=24),
        }
    )


TERMS = {
    'group': ('group', 'group + age'),
    'interaction with a covariate': ('group:age', 'group * age'),
    'in the other order': ('age:group', 'group * age'),
    'of two factors': ('group:sex', 'group * sex'),
    'of three': ('sex:age:group', 'group * sex * age'),
    'beside an interaction': ('group', 'group * center(age)'),
    'declared': ('C(site)', 'C(site) + age'),
    'declared, by its name': ('site', 'C(site) + age'),
    'sum coding': ('group', 'C(group, contr.sum) * C(sex, contr.sum)'),
    'sum coding, as written': ('C(group,contr.sum)', 'C(group, contr.sum) * C(sex, contr.sum)'),
    'Helmert coding': ('group', 'C(group, contr.helmert) + age'),
    'polynomial coding': ('site', 'C(site, contr.poly) + age'),
    'polynomial': ('poly(age, 2)', 'poly(age,2) + group'),
    'spline': ('bs(age, df=4)', 'group + bs(age, df=4)'),
    'function': ('center(age):group', 'group * center(age)'),
    'spaces': ('my score:group', 'group * `my score`'),
    'backticks': ('`my score`:group', 'group * `my score`'),
}


@pytest.mark.parametrize('name', TERMS)
def test_whole_effect_compares_nested_models(table, name):
    """F of a term is the F of the model with and without its columns, by statsmodels.

    Which columns these are is taken from formulaic's own record of the terms.
    """
    from formulaic import Formula

    term, formula = TERMS[name]
    design = design_from_formula(formula, table)
    contrast = parse_contrast('x', f'F({term})', design.columns)
    indices = Formula(formula).get_model_matrix(table).model_spec.term_indices
    where = [at for at in indices.values() if np.array_equal(at, contrast.weights.argmax(axis=1))]
    assert len(where) == 1
    np.testing.assert_array_equal(contrast.weights.sum(axis=1), 1)
    y = np.random.default_rng(1).normal(size=(24, 3)) + 0.05 * table[['age']].to_numpy()
    found = glm.contrast(glm.fit(y, design.to_numpy()), design.to_numpy(), contrast.weights)
    kept = np.delete(design.to_numpy(), where[0], axis=1)
    for voxel in range(3):
        full = OLS(y[:, voxel], design.to_numpy()).fit()
        f, _, dof = full.compare_f_test(OLS(y[:, voxel], kept).fit())
        assert dof == len(contrast.weights)
        stat = found.stat[voxel] if dof > 1 else found.stat[voxel] ** 2
        assert stat == pytest.approx(f, rel=1e-8)


def test_one_column_gives_t(table):
    design = design_from_formula('group + age', table)
    assert parse_contrast('x', 'F(age)', design.columns).kind == 't'


@pytest.mark.parametrize(
    ('definition', 'rows'),
    [
        ('F(group), age', [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        ('age, F(group)', [[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]]),
        (['F(group)', 'age'], [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        ('F( group ),2 * age - intercept', [[0, 1, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 2]]),
    ],
)
def test_whole_effects_beside_others(table, definition, rows):
    columns = design_from_formula('group + age', table).columns
    np.testing.assert_array_equal(parse_contrast('x', definition, columns).weights, rows)


def test_a_column_of_that_name_comes_first():
    columns = ['intercept', 'F(group)', 'group[T.b]', 'group[T.c]']
    np.testing.assert_array_equal(parse_contrast('x', 'F(group)', columns).weights, np.eye(4)[[1]])


@pytest.mark.parametrize(
    ('formula', 'term', 'differences', 'levels'),
    [
        ('0 + group', 'group', 'group[b] - group[a], group[c] - group[a]', 'group[a], group[b]'),
        (
            '0 + group + group:age',
            'group:age',
            '`group[b]:age` - `group[a]:age`',
            '`group[a]:age`, ',
        ),
        ('0 + C(site)', 'site', 'C(site)[2] - C(site)[1]', 'C(site)[1], C(site)[2]'),
    ],
)
def test_a_column_for_every_level_leaves_two_tests(table, formula, term, differences, levels):
    design = design_from_formula(formula, table)
    with pytest.raises(ContrastError, match='does not say what is tested') as error:
        parse_contrast('x', f'F({term})', design.columns)
    assert differences in error.value.advice
    assert levels in error.value.advice
    # Both are written so that they can be copied.
    texts = error.value.advice.split("'")[1::2]
    ranks = [parse_contrast('x', text, design.columns).weights.shape[0] for text in texts]
    assert ranks == [2, 3]


@pytest.mark.parametrize(
    ('term', 'advice'),
    [
        ('grup', 'Did you mean F(group)? The terms are intercept, group, age, group:age.'),
        ('group:agee', 'Did you mean F(group:age)?'),
        ('zzz', 'The terms are intercept'),
        ('group[T.b]', 'Did you mean F(group)?'),
    ],
)
def test_terms_that_are_not_there(table, term, advice):
    columns = design_from_formula('group * age', table).columns
    with pytest.raises(ContrastError, match='names a term that the design does not have') as error:
        parse_contrast('x', f'F({term})', columns)
    assert error.value.advice.startswith(advice)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('F(a)', 'a'),
        (' F( a:b ) ', 'a:b'),
        ('F(poly(a, 2))', 'poly(a, 2)'),
        ('F(a) - F(b)', None),
        ('F(a)(b)', None),
        ('2 * F(a)', None),
        ('F()', None),
        ('Fa', None),
    ],
)
def test_what_is_a_whole_effect(text, expected):
    assert whole_effect(text) == expected


def test_split_respects_brackets_and_backticks():
    assert split_outside('a[x:y]:`b:c`:f(d:e)', ':') == ['a[x:y]', '`b:c`', 'f(d:e)']
