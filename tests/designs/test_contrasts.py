"""Contrasts, against weights by hand."""

import json

import numpy as np
import pytest

from nistats_nipype.designs.contrasts import Contrast, contrast_label, parse_contrast
from nistats_nipype.exceptions import ContrastError

COLUMNS = ['intercept', 'group[T.b]', 'group[T.c]', 'age', 'my score', 'group[T.b]:age', 'log(x)']


def weights(**by_name):
    names = {'i': 0, 'b': 1, 'c': 2, 'age': 3, 'score': 4, 'inter': 5, 'log': 6}
    row = np.zeros(7)
    for name, weight in by_name.items():
        row[names[name]] = weight
    return row.tolist()


@pytest.mark.parametrize(
    ('definition', 'expected'),
    [
        # columns
        ('age', [weights(age=1)]),
        (' age ', [weights(age=1)]),
        ('my score', [weights(score=1)]),
        ('group[T.b]:age', [weights(inter=1)]),
        ('log(x)', [weights(log=1)]),
        # expressions
        ('-age', [weights(age=-1)]),
        ('group[T.b] - group[T.c]', [weights(b=1, c=-1)]),
        ('2 * age - intercept / 4', [weights(age=2, i=-0.25)]),
        ('(group[T.b] + group[T.c]) / 2', [weights(b=0.5, c=0.5)]),
        ('`my score` - age', [weights(score=1, age=-1)]),
        ('`group[T.b]:age` - age', [weights(inter=1, age=-1)]),
        ('log(x) - age', [weights(log=1, age=-1)]),
        ('age = intercept', [weights(age=1, i=-1)]),
        ('age = 0', [weights(age=1)]),
        # F
        ('group[T.b], group[T.c]', [weights(b=1), weights(c=1)]),
        ('age - intercept, `my score`', [weights(age=1, i=-1), weights(score=1)]),
        (['age', 'group[T.b]:age'], [weights(age=1), weights(inter=1)]),
        (['age, intercept', 'my score'], [weights(age=1), weights(i=1), weights(score=1)]),
        # weights
        ([0, 1, -1, 0, 0, 0, 0], [weights(b=1, c=-1)]),
        ([[0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]], [weights(b=1), weights(c=1)]),
        (np.eye(7)[3], [weights(age=1)]),
        ((0, 0, 0, 0.5, 0, 0, 0), [weights(age=0.5)]),
    ],
)
def test_definitions(definition, expected):
    contrast = parse_contrast('n', definition, COLUMNS)
    np.testing.assert_array_equal(contrast.weights, expected)
    assert contrast.weights.dtype == np.float64
    assert contrast.columns == tuple(COLUMNS)
    assert contrast.kind == ('t' if len(expected) == 1 else 'F')


@pytest.mark.parametrize(
    ('unknown', 'advice'),
    [
        ('Age', 'Did you mean age?'),
        ('intercep', 'Did you mean intercept?'),
        ('group', 'group is coded by group[T.b], group[T.c]; test one of them, or all: F('),
        ('zzz', 'Use the names of these columns.'),
    ],
)
def test_unknown_names_get_a_hint(unknown, advice):
    for definition in (unknown, f'age - {unknown}', f'age, {unknown}'):
        with pytest.raises(ContrastError, match=f'does not have: {unknown}') as error:
            parse_contrast('my name', definition, COLUMNS)
        assert error.value.advice.startswith(advice)
        assert "'my name'" in error.value.problem
        assert 'group[T.c]' in error.value.found


@pytest.mark.parametrize('definition', ['age = 3', 'age - 3', '1', 'age, intercept = 2'])
def test_offsets_are_refused(definition):
    with pytest.raises(ContrastError, match='compares with a number') as error:
        parse_contrast('n', definition, COLUMNS)
    assert 'brackets' in error.value.advice


@pytest.mark.parametrize(
    'definition', ['age > 0', 'age * age', 'my score - age', 'age -', '(age', 'age; my', 'a b']
)
def test_expressions_that_cannot_be_read(definition):
    with pytest.raises(ContrastError, match=r'cannot be read|does not have') as error:
        parse_contrast('n', definition, COLUMNS)
    assert 'intercept' in str(error.value)


@pytest.mark.parametrize(
    'definition',
    [
        [1, 0],
        [[1, 0]],
        [[0] * 7, [0] * 6],
        [[[0] * 7]],
        [],
        [[]],
        '',
        [''],
        ['age', 1],
        [None] * 6,
    ],
)
def test_weights_that_do_not_fit(definition):
    with pytest.raises(ContrastError, match='do not fit') as error:
        parse_contrast('n', definition, COLUMNS)
    assert error.value.expected.startswith('7 numbers per row')


@pytest.mark.parametrize(
    ('name', 'label'),
    [
        ('age', 'age'),
        ('left vs right', 'leftVsRight'),
        ('patient > control', 'patientControl'),
        ('Älter_than 30', 'lterThan30'),
        ('2back-0back', '2back0back'),
    ],
)
def test_labels_are_letters_and_digits(name, label):
    assert contrast_label(name) == label
    assert parse_contrast(name, 'age', COLUMNS).label == label
    assert label.isascii()
    assert label.isalnum()


@pytest.mark.parametrize('name', ['', '>', ' _ ', 'é'])
def test_names_without_letters_are_refused(name):
    with pytest.raises(ContrastError, match='no letters or digits'):
        contrast_label(name)


@pytest.mark.parametrize(
    ('definition', 'words'),
    [
        ('age', 'age'),
        ('-2 * age + intercept', 'intercept - 2 * age'),
        ('-intercept - age', '- intercept - age'),
        ('age / 4, my score', '0.25 * age; my score'),
    ],
)
def test_in_words(definition, words):
    definition = definition.split(', ') if ', ' in definition else definition
    assert parse_contrast('n', definition, COLUMNS).formula == words


@pytest.mark.parametrize('definition', ['age', 'age / 3 - intercept', 'age, intercept'])
def test_words_are_read_back_as_the_same_contrast(definition):
    contrast = parse_contrast('n', definition, COLUMNS)
    again = parse_contrast('n', contrast.formula.split('; '), COLUMNS)
    np.testing.assert_allclose(again.weights, contrast.weights, rtol=1e-5)


@pytest.mark.parametrize('definition', ['age', 'age / 3', 'group[T.b], group[T.c]'])
def test_json_and_back(definition):
    contrast = parse_contrast('a name', definition, COLUMNS)
    content = json.loads(json.dumps(contrast.to_dict()))
    again = Contrast.from_dict(content)
    assert (again.name, again.columns) == (contrast.name, contrast.columns)
    np.testing.assert_array_equal(again.weights, contrast.weights)
    assert content['Statistic'] == contrast.kind


@pytest.mark.parametrize(
    'content',
    [
        {},
        {'Contrast': 'a', 'ContrastWeights': [[1]]},
        {'Contrast': 'a', 'ContrastWeights': 'x', 'DesignColumns': ['a']},
        {'Contrast': 'a', 'ContrastWeights': [[1], [1, 2]], 'DesignColumns': ['a']},
        [1],
        None,
    ],
)
def test_other_json_is_refused(content):
    with pytest.raises(ContrastError, match='not a contrast'):
        Contrast.from_dict(content)


@pytest.mark.parametrize('columns', [COLUMNS[::-1], COLUMNS[:-1], [*COLUMNS, 'more']])
def test_a_contrast_belongs_to_its_design(columns):
    contrast = parse_contrast('n', 'age', COLUMNS)
    assert contrast.check_columns(COLUMNS) is None
    with pytest.raises(ContrastError, match='another design') as error:
        contrast.check_columns(columns)
    assert error.value.expected == f'columns {", ".join(columns)}'


def test_f_has_one_side():
    assert parse_contrast('n', 'age', COLUMNS).tested_side('negative') == 'negative'
    assert parse_contrast('n', 'age, intercept', COLUMNS).tested_side('negative') == 'positive'
