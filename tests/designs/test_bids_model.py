"""Dataset-level nodes of BIDS Stats Models, against designs made by hand."""

import copy
import json

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs.bids_model import design_of_model, load_bids_model
from nistats_nipype.designs.group import define_contrast
from nistats_nipype.designs.transformations import transform
from nistats_nipype.exceptions import ContrastError, DesignError, InputError

RUN = {
    'Level': 'Run',
    'Name': 'run',
    'GroupBy': ['run', 'subject'],
    'Model': {'X': ['go', 'stop', 1], 'Type': 'glm', 'HRF': {'Variables': ['go'], 'Model': 'spm'}},
    'Contrasts': [
        {'Name': 'stop', 'ConditionList': ['stop', 'go'], 'Weights': [1, -1], 'Test': 't'}
    ],
}
#: One-sample t at the level of the group, the most frequent model.
MEAN = {
    'Level': 'Dataset',
    'Name': 'dataset',
    'GroupBy': ['contrast'],
    'Model': {'X': [1], 'Type': 'glm'},
    'DummyContrasts': {'Test': 't'},
}
#: Groups by a factor, an adjusted covariate, and t and F contrasts.
GROUPS = {
    'Level': 'Dataset',
    'Name': 'groups',
    'GroupBy': ['contrast'],
    'Transformations': {
        'Transformer': 'pybids-transforms-v1',
        'Instructions': [
            {'Name': 'Factor', 'Input': ['group']},
            {'Name': 'Scale', 'Input': ['age'], 'Rescale': False, 'Output': ['age_c']},
        ],
    },
    'Model': {'X': ['group.*', 'age_c'], 'Type': 'glm'},
    'Contrasts': [
        {
            'Name': 'b against the others',
            'ConditionList': ['group.b', 'group.a', 'group.c'],
            'Weights': [1, '-1/2', -0.5],
            'Test': 't',
        },
        {
            'Name': 'any',
            'ConditionList': ['group.a', 'group.b', 'group.c'],
            'Weights': [[1, -1, 0], [0, 1, -1]],
            'Test': 'F',
        },
    ],
    'DummyContrasts': {'Contrasts': ['age_c'], 'Test': 't'},
}
TABLE = pd.DataFrame(
    {'group': list('abcabc'), 'age': [30.0, 41, 35, 62, 28, 50], 'score': [3, 1, 4, 1, 5, 9]}
)


@pytest.fixture
def load(tmp_path):
    def load(*nodes, node=None, **others):
        path = tmp_path / 'model-test_smdl.json'
        content = {
            'Name': 'test',
            'BIDSModelVersion': '1.0.0',
            'Input': {'task': ['stop']},
            'Nodes': [RUN, *nodes],
            'Edges': [{'Source': 'run', 'Destination': 'dataset'}],
        }
        path.write_text(json.dumps({**content, **others}))
        return load_bids_model(path, node)

    return load


def test_mean_of_a_group(load):
    design, contrasts = design_of_model(load(MEAN), TABLE)
    pd.testing.assert_frame_equal(design, pd.DataFrame({'intercept': np.ones(6)}))
    assert contrasts == {'intercept': [1.0]}


def test_groups_and_a_covariate(load):
    model = load(GROUPS)
    assert model.node == 'groups'
    design, contrasts = design_of_model(model, TABLE)
    expected = pd.get_dummies(TABLE['group'], prefix='group', prefix_sep='.', dtype=float)
    expected['age_c'] = TABLE['age'] - TABLE['age'].mean()
    pd.testing.assert_frame_equal(design, expected)
    assert contrasts == {
        'b against the others': [-0.5, 1, -0.5, 0],
        'any': [[1, -1, 0, 0], [0, 1, -1, 0]],
        'age_c': [0, 0, 0, 1],
    }
    kinds = {name: define_contrast(name, each, design).kind for name, each in contrasts.items()}
    assert kinds == {'b against the others': 't', 'any': 'F', 'age_c': 't'}


def test_columns_keep_the_order_of_x(load):
    node = {**MEAN, 'Model': {'X': ['score', 1, 'age'], 'Type': 'glm'}}
    design, contrasts = design_of_model(load(node), TABLE)
    assert design.columns.tolist() == ['score', 'intercept', 'age']
    assert list(contrasts) == ['score', 'intercept', 'age']
    np.testing.assert_array_equal(design['score'], TABLE['score'])


def test_a_formula_in_place_of_the_columns(load):
    contrast = {'Name': 'b', 'ConditionList': ['group[T.b]', 1], 'Weights': [1, 1], 'Test': 't'}
    node = {
        **MEAN,
        'Model': {'X': ['group', 'age'], 'Formula': '1 + group + age', 'Type': 'glm'},
        'Contrasts': [contrast],
        'DummyContrasts': {'Contrasts': ['age'], 'Test': 't'},
    }
    design, contrasts = design_of_model(load(node), TABLE)
    assert design.columns.tolist() == ['intercept', 'group[T.b]', 'group[T.c]', 'age']
    assert contrasts == {'b': [1, 1, 0, 0], 'age': [0, 0, 0, 1]}


def test_the_node_is_named_where_there_are_two(load):
    assert load(MEAN, GROUPS, node='groups').node == 'groups'
    assert load(MEAN, GROUPS, node='dataset').variables == ('intercept',)
    for name in (None, 'run', 'nothing'):
        with pytest.raises(InputError, match='not clear which node') as error:
            load(MEAN, GROUPS, node=name)
        assert error.value.found == 'nodes of the level Dataset: dataset, groups'


@pytest.mark.parametrize(
    ('change', 'error', 'said'),
    [
        ({'GroupBy': ['contrast', 'group']}, InputError, "['contrast', 'group']"),
        ({'Model': {'X': [1], 'Type': 'meta'}}, InputError, 'FitMixed'),
        ({'Model': {'X': [1], 'HRF': {'Model': 'spm'}}}, InputError, 'not supported: HRF'),
        ({'Model': {'X': [1], 'Options': {'Mask': {}}}}, InputError, 'not supported: Options'),
        ({'Model': {}}, InputError, 'no Model with a list X'),
        ({'Permutations': 3}, InputError, 'not supported: Permutations'),
        ({'DummyContrasts': {'Test': 'pass'}}, InputError, 'DummyContrasts of node dataset'),
        ({'DummyContrasts': None}, ContrastError, 'has no contrasts'),
        (
            {'Contrasts': [{'Name': 'x', 'ConditionList': [1], 'Weights': [1], 'Test': 'pass'}]},
            InputError,
            'contrast x of node dataset',
        ),
        (
            {'Contrasts': [{'Name': 'x', 'ConditionList': [1], 'Weights': [1, 2], 'Test': 't'}]},
            ContrastError,
            '1 conditions, weights [1, 2]',
        ),
        (
            {'Contrasts': [{'Name': 'x', 'ConditionList': [1], 'Weights': ['a'], 'Test': 't'}]},
            ContrastError,
            "['a']",
        ),
        (
            {'Contrasts': [{**RUN['Contrasts'][0], 'Weights': [[1, 0], [0, 1]]}]},
            ContrastError,
            '2 rows of Weights',
        ),
    ],
)  # fmt: skip
def test_nodes_that_are_not_supported(load, change, error, said):
    with pytest.raises(error) as raised:
        load({**MEAN, **change})
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ('instruction', 'said'),
    [
        ({'Name': 'Convolve', 'Input': ['age'], 'Model': 'spm'}, 'transformation Convolve'),
        ({'Name': 'Threshold', 'Input': ['age']}, 'transformation Threshold'),
        ({'Name': 'Scale', 'Input': ['age'], 'ReplaceNA': 'after'}, 'parameters replacena'),
        ({'Name': 'Scale'}, 'no Input'),
        ({'Name': 'Factor', 'Input': ['group'], 'Constraint': 'sum'}, 'Constraint sum'),
        ({'Name': 'Copy', 'Input': ['age']}, 'one Output for each Input'),
        ({'Name': 'Rename', 'Input': ['age'], 'Output': ['a', 'b']}, 'Output a, b'),
    ],
)
def test_transformations_that_are_not_supported(load, instruction, said):
    node = copy.deepcopy(GROUPS)
    node['Transformations']['Instructions'].append(instruction)
    with pytest.raises(InputError) as error:
        load(node)
    assert said in str(error.value)
    assert 'node groups' in str(error.value)


def test_another_transformer(load):
    node = copy.deepcopy(GROUPS)
    node['Transformations']['Transformer'] = 'cpac'
    with pytest.raises(InputError, match='not supported') as error:
        load(node)
    assert error.value.found == '"Transformer": "cpac"'


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, {'group.a': [1, 0, 0], 'group.b': [0, 1, 0], 'group.c': [0, 0, 1]}),
        ({'constraint': 'drop_one'}, {'group.b': [0, 1, 0], 'group.c': [0, 0, 1]}),
        (
            {'constraint': 'drop_one', 'reflevel': 'b', 'sep': '_'},
            {'group_a': [1, 0, 0], 'group_c': [0, 0, 1]},
        ),
        (
            {'constraint': 'mean_zero'},
            {'group.b': [-0.5, 1, 0], 'group.c': [-0.5, 0, 1]},
        ),
    ],
)
def test_factors(options, expected):
    found = transform(TABLE[:3], [{'name': 'factor', 'input': ['group'], **options}])
    assert found.drop(columns=['age', 'score']).to_dict('list') == expected


def test_scaling_copying_renaming():
    steps = [
        {'name': 'copy', 'input': ['age'], 'output': ['old']},
        {'name': 'scale', 'input': ['age', 'score']},
        {'name': 'rename', 'input': ['score'], 'output': ['points']},
    ]
    found = transform(TABLE, steps)
    assert found.columns.tolist() == ['group', 'age', 'points', 'old']
    pd.testing.assert_series_equal(found['old'], TABLE['age'], check_names=False)
    np.testing.assert_allclose(found['age'], (TABLE['age'] - 41) / TABLE['age'].std())
    assert found['points'].std() == pytest.approx(1)
    assert TABLE.columns.tolist() == ['group', 'age', 'score']


@pytest.mark.parametrize(
    ('table', 'x', 'error', 'said'),
    [
        (TABLE, ['group', 1], DesignError, '"Input": ["group"]'),
        (TABLE, ['size'], DesignError, 'does not have these columns: size'),
        (TABLE, ['site.*', 1], DesignError, 'does not have these columns: site.*'),
        (TABLE.assign(age=np.nan), ['age'], DesignError, 'Values are missing: age'),
        (TABLE.assign(age=np.inf), ['age'], DesignError, 'not finite'),
        (TABLE, [], DesignError, 'no columns'),
    ],
)
def test_tables_that_do_not_fit(load, table, x, error, said):
    model = load({**MEAN, 'Model': {'X': x, 'Type': 'glm'}})
    with pytest.raises(error) as raised:
        design_of_model(model, table)
    assert said in str(raised.value)


def test_constant_variables_cannot_be_scaled(load):
    with pytest.raises(DesignError, match='age cannot be scaled'):
        design_of_model(load(GROUPS), TABLE.assign(age=3.0))


def test_contrasts_that_do_not_fit(load):
    model = load({**MEAN, 'DummyContrasts': {'Contrasts': ['age'], 'Test': 't'}})
    with pytest.raises(ContrastError, match='does not have: age'):
        design_of_model(model, TABLE)
    contrast = {'Name': 'intercept', 'ConditionList': [1], 'Weights': [2], 'Test': 't'}
    with pytest.raises(ContrastError, match="the name 'intercept'"):
        design_of_model(load({**MEAN, 'Contrasts': [contrast]}), TABLE)


@pytest.mark.parametrize(
    ('others', 'found'),
    [
        ({'Nodes': [RUN]}, '1 nodes, of the levels Run'),
        ({'Nodes': []}, 'no Nodes'),
        ({'Nodes': None}, 'no Nodes'),
    ],
)
def test_files_without_a_group(load, others, found):
    with pytest.raises(InputError, match='no BIDS Stats Model of a group') as error:
        load(**others)
    assert error.value.found == found


def test_a_list_is_no_model(tmp_path):
    (tmp_path / 'm.json').write_text('[1]')
    with pytest.raises(InputError, match='no BIDS Stats Model'):
        load_bids_model(tmp_path / 'm.json')
