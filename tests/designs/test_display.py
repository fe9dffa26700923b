"""What the observations behind a contrast are drawn along."""

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs.coding import describe_formula
from nistats_nipype.designs.display import display_contrast, reference_levels
from nistats_nipype.designs.group import define_contrast
from nistats_nipype.designs.matrices import design_from_formula


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            'group': list('abcabcabcabc'),
            'sex': ['m'] * 6 + ['f'] * 6,
            'age': np.arange(12.0) ** 1.5,
            'iq': np.cos(np.arange(12.0)),
        }
    )


def displayed(table, formula, definition, **known):
    design = design_from_formula(formula, table)
    contrast = define_contrast('x', definition, design)
    references = reference_levels(describe_formula(formula, table))
    display = display_contrast(design, contrast.weights, references=references, **known)
    return display, [design.columns[column] for column in display.removed]


def names_of_rows(display):
    return [display.names[group] for group in display.groups]


@pytest.mark.parametrize(
    ('formula', 'definition'),
    [
        ('group + age', 'group[T.b]'),
        ('group + age', 'F(group)'),
        ('group + age', 'intercept + group[T.c]'),
        ('0 + group + age', 'group[a] - group[b]'),
        ('0 + group + age', 'group[a] + group[b] - 2 * group[c]'),
    ],
)
def test_groups_are_those_of_the_table(table, formula, definition):
    """All levels are shown under their names, whichever of them are compared."""
    display, removed = displayed(table, formula, definition)
    assert display.kind == 'groups'
    assert names_of_rows(display) == table['group'].tolist()
    assert display.names == ['a', 'b', 'c']
    assert removed == ['age']
    np.testing.assert_allclose(display.held, np.full((12, 1), table['age'].mean()))


def test_cells_of_two_factors(table):
    display, removed = displayed(table, 'group * sex + age', 'F(group:sex)')
    assert names_of_rows(display) == [', '.join(row) for row in table[['group', 'sex']].to_numpy()]
    assert display.names == [f'{group}, {sex}' for group in 'abc' for sex in 'fm']
    assert removed == ['age']


@pytest.mark.parametrize('formula', ['group + age + iq', '0 + group + age + iq'])
def test_a_number_is_a_covariate(table, formula):
    display, removed = displayed(table, formula, 'age')
    assert (display.kind, display.x_name, display.names) == ('covariate', 'age', [''])
    np.testing.assert_array_equal(display.x, table['age'])
    assert 'iq' in removed
    assert 'age' not in removed


@pytest.mark.parametrize(
    ('formula', 'definition'),
    [
        ('group * age', 'F(group:age)'),
        ('group * age', 'group[T.c]:age'),
        ('0 + group + group:age', '`group[a]:age` - `group[b]:age`'),
    ],
)
def test_slopes_are_drawn_by_group(table, formula, definition):
    display, removed = displayed(table, formula, definition)
    assert display.kind == 'covariate'
    np.testing.assert_array_equal(display.x, table['age'])
    assert names_of_rows(display) == table['group'].tolist()
    assert removed == []


def test_slopes_of_each_group_are_held_within_groups(table):
    """Differences of groups at age 0 are not drawn at the mean of a product."""
    display, removed = displayed(table, '0 + group + group:age', 'group[a] - group[b]')
    assert removed == [f'group[{level}]:age' for level in 'abc']
    means = table.groupby('group')['age'].transform('mean')
    own = np.stack([means.where(table['group'] == level, 0.0) for level in 'abc'], axis=1)
    np.testing.assert_allclose(display.held, own)


def test_several_covariates_at_once(table):
    display, removed = displayed(table, 'age + iq + sex', 'age, iq')
    assert (display.kind, display.x_name) == ('fit', 'age, iq')
    assert removed == ['sex[T.m]']
    assert display.x is None


def test_the_mean_is_held_where_it_is_tested(table):
    display, removed = displayed(table, 'age + sex', 'intercept')
    assert (display.kind, display.names, removed) == ('mean', [''], ['age', 'sex[T.m]'])
    np.testing.assert_array_equal(display.held, np.zeros((12, 2)))


def test_maps_of_one_subject(table):
    """Subjects are connected, and what they differ in is left as it is."""
    table = table.assign(subject=np.repeat(['p', 'q', 'r', 's'], 3), motion=table['iq'])
    known = {'labels': table['subject'].tolist()}
    display, removed = displayed(table, 'group + subject + motion', 'F(group)', **known)
    np.testing.assert_array_equal(display.subjects, np.repeat(np.arange(4), 3))
    assert removed == ['motion']
    by_design, _ = displayed(table, 'group + subject', 'F(group)')
    pairs = set(zip(by_design.subjects, display.subjects, strict=True))
    assert len(pairs) == 4 == len({*by_design.subjects})
    # Two maps of one subject in one group are no pair.
    again, _ = displayed(table, 'sex + motion', 'F(sex)', **known)
    assert again.subjects is None


def test_columns_without_levels():
    """As FSL has them: columns of 0 and 1, the third group not weighed."""
    design = pd.DataFrame(np.kron(np.eye(3), np.ones((4, 1))), columns=['EV1', 'EV2', 'EV3'])
    design['EV4'] = np.arange(12.0)
    display = display_contrast(design, [[1, -1, 0, 0]])
    assert names_of_rows(display) == ['EV1'] * 4 + ['EV2'] * 4 + ['EV3'] * 4
    assert display.removed == [3]
    signs = pd.DataFrame({'EV1': 1.0, 'EV2': [-1.0, 1, -1, 1, -1]})
    assert display_contrast(signs, [[0, 1]]).names == ['EV2 = -1', 'EV2 = 1']


def test_voxelwise_columns_are_covariates():
    design = pd.DataFrame({'intercept': 1.0, 'gm[voxelwise]': [0.1, 0.4, 0.3], 'age': [1, 2, 4]})
    display = display_contrast(design, [[0, 1, 0]])
    assert (display.kind, display.x_name) == ('covariate', 'gm[voxelwise]')
