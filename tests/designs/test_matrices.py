"""Design matrices, against matrices made by hand and by pandas."""

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import BSpline

from nistats_nipype.designs.matrices import (
    design_from_formula,
    intercept_only,
    require_full_rank,
)
from nistats_nipype.exceptions import DesignError


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            'participant_id': [f'sub-{number:02d}' for number in range(1, 9)],
            'group': list('pccpcpxx'),
            'age': [31.0, 45.5, 28.0, 60.0, 52.0, 39.0, 41.0, 22.5],
            'site': [1, 2, 1, 2, 3, 3, 1, 2],
            'smoker': [True, False, True, False, False, True, False, True],
            'my score': [3, 1, 4, 1, 5, 9, 2, 6],
            'constant': 1.5,
            'same': 'k',
        }
    )


def columns_of(formula, table):
    design = design_from_formula(formula, table)
    assert (design.dtypes == np.float64).all()
    assert design.index.tolist() == list(range(len(table)))
    return design


@pytest.mark.parametrize('formula', ['group + age', '~ group + age', '1 + group + age'])
def test_treatment_coding_is_that_of_pandas(table, formula):
    design = columns_of(formula, table)
    dummies = pd.get_dummies(table['group'], drop_first=True, dtype=float)
    expected = np.column_stack([np.ones(8), dummies, table['age']])
    np.testing.assert_array_equal(design, expected)
    assert design.columns.tolist() == ['intercept', 'group[T.p]', 'group[T.x]', 'age']


@pytest.mark.parametrize('formula', ['0 + group', 'group - 1', '-1 + group'])
def test_without_intercept_every_group_has_its_mean(table, formula):
    design = columns_of(formula, table)
    np.testing.assert_array_equal(design, pd.get_dummies(table['group'], dtype=float))
    assert design.columns.tolist() == ['group[c]', 'group[p]', 'group[x]']


def test_terms_keep_their_order(table):
    assert columns_of('age + group', table).columns.tolist()[1] == 'age'
    assert columns_of('group + age', table).columns.tolist()[-1] == 'age'


def test_numbers_are_covariates_unless_declared_groups(table):
    assert columns_of('site', table)['site'].tolist() == table['site'].tolist()
    coded = columns_of('C(site)', table)
    dummies = pd.get_dummies(table['site'], drop_first=True, dtype=float)
    np.testing.assert_array_equal(coded.iloc[:, 1:], dummies)


def test_the_order_of_levels_of_a_categorical_is_kept(table):
    table['group'] = pd.Categorical(table['group'], categories=['x', 'p', 'c'])
    design = columns_of('group', table)
    assert design.columns.tolist() == ['intercept', 'group[T.p]', 'group[T.c]']
    np.testing.assert_array_equal(design['group[T.c]'], table['group'] == 'c')


def test_true_and_false_are_one_and_zero(table):
    assert columns_of('smoker', table)['smoker'].tolist() == [1, 0, 1, 0, 0, 1, 0, 1]


def test_interactions_are_products(table):
    design = columns_of('group * age', table)
    np.testing.assert_array_equal(design['group[T.p]:age'], (table['group'] == 'p') * table['age'])
    assert design.shape == (8, 6)


def test_transformations(table):
    age = table['age']
    np.testing.assert_allclose(columns_of('center(age)', table).iloc[:, 1], age - age.mean())
    np.testing.assert_allclose(
        columns_of('scale(age)', table).iloc[:, 1], (age - age.mean()) / age.std()
    )
    np.testing.assert_allclose(columns_of('np.sqrt(age)', table).iloc[:, 1], np.sqrt(age))
    np.testing.assert_allclose(columns_of('log(age)', table).iloc[:, 1], np.log(age))
    np.testing.assert_allclose(columns_of('{age ** 2}', table).iloc[:, 1], age**2)
    np.testing.assert_allclose(columns_of('I(age**2)', table).iloc[:, 1], age**2)


def test_splines_are_those_of_scipy(table):
    age = table['age'].to_numpy()
    knots = np.r_[[age.min()] * 4, [age.max()] * 4]
    expected = BSpline.design_matrix(age, knots, 3, extrapolate=True).toarray()
    design = columns_of('bs(age, df=3)', table)
    np.testing.assert_allclose(design.iloc[:, 1:], expected[:, 1:], atol=1e-12)


def test_names_with_spaces_go_in_backticks(table):
    assert columns_of('`my score`', table)['my score'].tolist() == table['my score'].tolist()


def test_only_the_rows_that_are_used_must_be_complete(table):
    table.loc[3, 'site'] = np.nan
    assert len(columns_of('age', table)) == 8


@pytest.mark.parametrize(
    ('formula', 'message', 'said'),
    [
        ('age +', 'cannot be read', 'age +'),
        ('(age', 'cannot be read', '(age'),
        ('my score', 'cannot be read', 'backticks'),
        ('agee', 'does not have: agee', 'participant_id, group'),
        ('Age + size', 'does not have: Age, size', 'upper and lower case'),
        ('age ~ group', 'more than a right-hand side', 'the maps are the left-hand side'),
        ('age | group', 'more than a right-hand side', 'age | group'),
        ('0', 'no terms', "'1'"),
        ('same', 'one level only: same', 'all 8 observations'),
        ('age + same:age', 'one level only', 'same'),
        ('log(constant - 1.5)', 'not finite: log', '8 of them'),
        ('sqrt(age)', 'functions that are not known: sqrt', 'np.sqrt(age)'),
        ('age + nothing(age)', 'functions that are not known: nothing', 'log'),
        ('log(age - 30)', r'not finite: log\(age - 30\)', '2 of them'),
        ('age**2', r'age\*\*2 is age itself', '{age**2}'),
        ('group + age ^ 2', 'is age itself', 'poly(age, 2)'),
    ],
)
def test_formulas_that_cannot_be(table, formula, message, said):
    with pytest.raises(DesignError, match=message) as error:
        design_from_formula(formula, table)
    assert said in str(error.value)
    assert 'Error' not in str(error.value)


def test_a_power_of_brackets_is_an_interaction(table):
    squared = columns_of('(group + age)**2', table)
    pd.testing.assert_frame_equal(squared, columns_of('group * age', table))


def test_gaps_are_named_by_participant(table):
    table.loc[[1, 5], 'age'] = np.nan
    with pytest.raises(DesignError, match='missing: age') as error:
        design_from_formula('age + group', table)
    assert error.value.found == 'no value for sub-02, sub-06'
    with pytest.raises(DesignError) as error:
        design_from_formula('age', table.drop(columns='participant_id'))
    assert error.value.found == 'no value for observation 2, 6'


@pytest.mark.parametrize(
    'formula', ['center(age)', 'group:scale( age )', 'poly(age, 2)', 'bs(age)']
)
def test_gaps_in_what_is_transformed_are_named(table, formula):
    table.loc[1, 'age'] = np.nan
    with pytest.raises(DesignError, match='missing: age') as error:
        design_from_formula(formula, table)
    assert error.value.found == 'no value for sub-02'


@pytest.mark.parametrize(
    ('formula', 'column'),
    [
        ('center(np.log(age))', 'center(np.log(age))'),
        ('center(log(age))', 'center(log(age))'),
        ('center(`my score`)', 'center(`my score`)'),
    ],
)
def test_transformations_of_transformations(table, formula, column):
    assert column in columns_of(formula, table)


def test_unknown_names_in_transformations(table):
    with pytest.raises(DesignError, match='does not have: agee'):
        design_from_formula('center(agee)', table)


def test_a_slip_of_the_pen_does_not_make_a_factor_of_a_covariate(table):
    table['age'] = table['age'].astype(str)
    table.loc[2, 'age'] = '28y'
    with pytest.raises(DesignError, match='mixes numbers with text') as error:
        design_from_formula('age', table)
    assert error.value.found == "'28y' for sub-03"
    assert 'C(age)' in error.value.advice
    assert design_from_formula('C(age)', table).shape == (8, 8)


def test_two_columns_of_one_name_are_refused(table):
    with pytest.raises(DesignError, match='one name: intercept'):
        design_from_formula('intercept', table.rename(columns={'age': 'intercept'}))


def test_intercept_only():
    design = intercept_only(4)
    assert design.columns.tolist() == ['intercept']
    np.testing.assert_array_equal(design, np.ones((4, 1)))


def test_a_design_of_full_rank_passes(table):
    assert require_full_rank(columns_of('group + age', table)) is None


@pytest.mark.parametrize(
    ('formula', 'blamed'),
    [
        ('age + constant', ['intercept', 'constant']),
        ('0 + group + constant', ['group[c]', 'group[p]', 'group[x]', 'constant']),
        ('{0 * age}', ['0 * age']),
        ('age + {2 * age + 1}', ['intercept', 'age', '2 * age + 1']),
    ],
)
def test_dependent_columns_are_named(table, formula, blamed):
    with pytest.raises(DesignError, match='rank-deficient') as error:
        require_full_rank(design_from_formula(formula, table))
    names = error.value.found.partition('dependent: ')[2]
    assert sorted(names.split(', ')) == sorted(blamed)


def test_as_many_regressors_as_observations_leave_no_error(table):
    design = design_from_formula('participant_id', table)
    assert design.shape == (8, 8)
    with pytest.raises(DesignError, match='no degrees of freedom') as error:
        require_full_rank(design)
    assert error.value.found == '8 observations, 8 regressors'
