"""Voxelwise covariates in formulas, contrasts, given designs, and the checks."""

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs.contrasts import parse_contrast
from nistats_nipype.designs.covariates import (
    check_covariate_names,
    check_pairs,
    split_formula,
    without_placeholders,
)
from nistats_nipype.designs.lint import Request, lint_design
from nistats_nipype.exceptions import ContrastError, DesignError, InputError


@pytest.mark.parametrize(
    ('formula', 'rest', 'terms'),
    [
        ('group + grey', 'group', ['grey', 'thick']),
        ('grey+C(site, contr.sum) + age:group', 'C(site, contr.sum) + age:group', None),
        ('~ age + center( grey )', 'age', ['center(grey)', 'thick']),
        ('0 + group + `grey`', '0 + group', None),
        ('grey', '1', None),
        ('greyish + grey + x.grey', 'greyish + x.grey', None),
    ],
)
def test_a_formula_without_its_covariates(formula, rest, terms):
    found, known = split_formula(f'{formula} + thick', ['grey', 'thick'])
    assert found == rest
    assert known == (terms or ['grey', 'thick'])


def test_without_covariates_or_formula_nothing_is_split():
    assert split_formula('a + b', []) == ('a + b', [])
    assert split_formula(None, ['grey']) == (None, ['grey'])


@pytest.mark.parametrize(
    'formula', ['a * grey', 'a + a:grey', 'log(grey)', '(a + grey)', 'grey - 1']
)
def test_parts_of_other_terms_are_refused(formula):
    with pytest.raises(DesignError, match='part of another term'):
        split_formula(formula, ['grey'])


def test_contrasts_name_covariates_with_or_without_the_ending():
    columns = ['intercept', 'age', 'grey[voxelwise]', 'center(thick)[voxelwise]']
    for text in ('grey - age', 'grey[voxelwise] - age'):
        contrast = parse_contrast('x', text, columns)
        assert contrast.weights.tolist() == [[0, -1, 1, 0]]
        assert contrast.columns == tuple(columns)
    whole = parse_contrast('x', 'F(grey), F(center(thick))', columns)
    assert whole.formula == 'grey[voxelwise]; center(thick)[voxelwise]'
    assert parse_contrast('x', 'center(thick)', columns).weights.tolist() == [[0, 0, 0, 1]]
    with pytest.raises(ContrastError, match='Did you mean grey'):
        parse_contrast('x', 'gray', columns)


def test_a_column_of_the_same_name_is_told_from_the_covariate():
    columns = ['grey', 'grey[voxelwise]']
    assert parse_contrast('x', 'grey', columns).weights.tolist() == [[1, 0]]
    assert parse_contrast('x', 'grey[voxelwise]', columns).weights.tolist() == [[0, 1]]


def test_names_that_no_formula_has_and_lists_that_do_not_match():
    with pytest.raises(InputError, match="'2nd'"):
        check_covariate_names(['grey', '2nd'])
    with pytest.raises(InputError, match='one name: grey'):
        check_covariate_names(['grey', 'thick', 'grey'])
    with pytest.raises(InputError, match='1 covariates; names a, b'):
        check_pairs(['a', 'b'], [['map.nii']])


@pytest.mark.parametrize('names', [['a'], ['c', 'b'], ['a', 'b', 'c']])
def test_placeholders_are_the_last_columns_beside_others(names):
    design = pd.DataFrame(np.eye(3), columns=list('abc'))
    with pytest.raises(DesignError, match='The last columns of the design'):
        without_placeholders(design, names)
    assert list(without_placeholders(design, ['b', 'c'])) == ['a']


@pytest.fixture
def maps(tmp_path):
    """Empty files: names are all that is looked at."""
    found = {}
    for kind in ('effect', 'gm'):
        found[kind] = [str(tmp_path / f'sub-{number}_{kind}.nii') for number in range(1, 9)]
        for number, path in enumerate(found[kind]):
            (tmp_path / path).write_bytes(bytes(number))
    table = tmp_path / 'participants.tsv'
    frame = pd.DataFrame({
        'participant_id': [f'sub-{number}' for number in range(1, 9)],
        'age': [21.0, 35, 30, 44, 28, 51, 60, 39],
        'site': list('aabcdefg'),
    })  # fmt: skip
    frame.to_csv(table, sep='\t', index=False)
    return found, table


@pytest.fixture
def lint(maps, monkeypatch):
    monkeypatch.setattr('nistats_nipype.designs.lint.count_volumes', len)
    monkeypatch.setattr('nistats_nipype.designs.lint_covariates.count_volumes', len)
    monkeypatch.setattr('nistats_nipype.designs.group.count_volumes', len)

    def lint(formula, contrasts, files=None, **more):
        covariates = {'grey': maps[0]['gm'] if files is None else files}
        return lint_design(
            maps[0]['effect'], formula, maps[1], contrasts, covariates=covariates, **more
        )

    return lint


def codes(findings, severity=None):
    return {each.code for each in findings if severity in (None, each.severity)}


def test_the_checks_say_what_they_cannot_know(lint):
    findings = lint('age + grey', {'grey': 'grey', 'mean': 'intercept'})
    assert codes(findings, 'error') == set()
    (unknown,) = [each for each in findings if each.code == 'voxelwise-covariate']
    assert (unknown.severity, unknown.where) == ('note', 'grey')
    # Both covariates are not centred, one of which the checks have seen.
    centred = {each.where for each in findings if each.code == 'not-centred'}
    assert centred == {'age', 'mean'}
    assert not [each for each in findings if 'pseudo-t' in each.advice]


def test_centred_maps_are_not_complained_of(lint):
    findings = lint('center(age) + center(grey)', {'mean': 'intercept'})
    assert 'not-centred' not in codes(findings)


def test_rank_and_degrees_of_freedom_count_the_covariate(lint):
    # Seven sites and the covariate are as many regressors as there are maps.
    findings = lint('site + grey', {'grey': 'grey'})
    assert 'no-degrees-of-freedom' in codes(findings, 'error')
    findings = lint('grey', {'grey': 'thick'})
    assert 'contrast' in codes(findings, 'error')


def test_all_permutations_count_beside_equal_rows(lint):
    """Rows of an intercept are equal; with the covariate no two are."""
    findings = lint('grey', {'grey': 'grey'}, request=Request(n_perm=40319))
    assert 'unreachable-p' not in codes(findings)
    assert codes(findings, 'error') == set()


def test_whose_maps_they_are(lint, maps, tmp_path):
    files = maps[0]['gm']
    asked = 'age + grey', {'grey': 'grey'}
    assert codes(lint(*asked, files[:-1]), 'error') == {'covariate-number'}
    (found,) = [each for each in lint(*asked, files[::-1]) if each.severity == 'error']
    assert found.code == 'covariate-order'
    assert 'number 1 is of sub-8, beside the map of sub-1' in found.problem
    assert codes(lint(*asked, [files[0]] * 8), 'error') >= {'covariate-order'}
    groups = tmp_path / 'groups.csv'
    groups.write_text('1\n2\n' * 4)
    found = lint(*asked, variance_groups_file=groups)
    assert 'covariate-groups' in codes(found, 'error')
