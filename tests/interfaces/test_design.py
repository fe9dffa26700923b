"""Designs and contrasts from a table and a formula."""

import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.exceptions import ContrastError, DesignError, InputError
from nistats_nipype.interfaces import BuildDesign, DefineContrast


def load(path):
    return pd.read_csv(path, sep='\t')


@pytest.fixture
def write_design(new_folder):
    def write_design(columns):
        path = new_folder() / 'design.tsv'
        pd.DataFrame(columns).to_csv(path, sep='\t', index=False, na_rep='n/a')
        return str(path)

    return write_design


@pytest.fixture
def edit_table(group):
    """Change the participants table on disk."""

    def edit_table(change):
        table = change(group.table)
        table.to_csv(group.table_file, sep='\t', index=False, na_rep='n/a')

    return edit_table


def test_intercept_only(run, group, read_json):
    found = run(BuildDesign(in_files=group.in_files, contrasts={'mean': 'intercept'}))
    assert load(found.design_file).to_dict('list') == {'intercept': [1.0] * 12}
    assert len(found.contrast_files) == 1
    content = read_json(found.contrast_files[0])
    assert content['ContrastWeights'] == [[1.0]]


def test_a_4d_file_counts_its_volumes(run, group, new_folder):
    path = new_folder() / 'all.nii.gz'
    nib.save(nib.concat_images(group.in_files[:5]), path)
    assert len(load(run(BuildDesign(in_files=str(path))).design_file)) == 5


def test_rows_follow_the_maps(run, group, edit_table):
    """Whatever the order of the table, a row goes with the map of its participant."""
    edit_table(lambda table: table.sample(frac=1, random_state=1))
    in_files = group.in_files[::-1][:9]
    found = run(BuildDesign(in_files=in_files, table_file=group.table_file, formula='group + age'))
    rows = group.table[::-1][:9]
    expected = {
        'intercept': [1.0] * 9,
        'group[T.patient]': (rows['group'] == 'patient').astype(float).tolist(),
        'age': rows['age'].astype(float).tolist(),
    }
    assert load(found.design_file).to_dict('list') == expected


def test_rows_follow_the_files_that_a_table_names(run, group, edit_table):
    order = [5, 0, 3, 1, 2, 4, 11, 10, 9, 8, 7, 6]
    files = [group.in_files[index] for index in order]
    edit_table(
        lambda table: table.assign(participant_id=table.index, file=files, age=table['age'] + 0.5)
    )
    found = run(
        BuildDesign(in_files=group.in_files, table_file=group.table_file, formula='0 + age')
    )
    expected = [group.table['age'][order.index(index)] + 0.5 for index in range(12)]
    assert load(found.design_file)['age'].tolist() == expected


@pytest.mark.parametrize(
    ('definition', 'weights', 'kind'),
    [
        ('age', [[0, 0, 0, 1]], 't'),
        ('site[b] - site[a]', [[-1, 1, 0, 0]], 't'),
        ('site[a] - site[b], site[b] - site[c]', [[1, -1, 0, 0], [0, 1, -1, 0]], 'F'),
        (['site[a]', 'age'], [[1, 0, 0, 0], [0, 0, 0, 1]], 'F'),
        ([0.0, 0.5, 0.5, 0.0], [[0, 0.5, 0.5, 0]], 't'),
        ([[1.0, 0, 0, 0], [0, 1.0, 0, 0]], [[1, 0, 0, 0], [0, 1, 0, 0]], 'F'),
    ],
)
def test_define_contrast(run, group, read_json, definition, weights, kind):
    built = run(
        BuildDesign(
            in_files=group.in_files,
            table_file=group.table_file,
            formula='0 + site + age',
            contrasts={'one of them': definition},
        )
    )
    defined = run(
        DefineContrast(design_file=built.design_file, name='one of them', definition=definition)
    )
    assert defined.contrast_file.endswith('/contrast-oneOfThem.json')
    content = read_json(defined.contrast_file)
    assert content == read_json(built.contrast_files[0])
    assert content['ContrastWeights'] == weights
    assert content['Statistic'] == kind
    assert content['DesignColumns'] == ['site[a]', 'site[b]', 'site[c]', 'age']


BAD_TABLES = {
    'a row too few': (
        lambda table: table.drop(index=3),
        ['Maps have no row in the table.', '1 of 12 maps without a row: sub-04', 'expected'],
    ),
    'a participant twice': (
        lambda table: pd.concat([table, table[4:5]]),
        ['duplicate participants in', 'participants.tsv', 'sub-05', 'every participant once'],
    ),
    'a covariate that is missing': (
        lambda table: table.assign(age=table['age'].where(table.index != 7)),
        ['Covariates are missing: age.', 'sub-08', 'a value for every observation'],
    ),
    'no rows': (lambda table: table[:0], ['participants.tsv has no rows']),
    'no column to match': (
        lambda table: table.drop(columns='participant_id'),
        ['cannot be matched', 'columns group, site, age', "a column 'participant_id'"],
    ),
    'a column that is not there': (
        lambda table: table.rename(columns={'age': 'Age'}),
        ['columns that the table does not have: age', 'columns participant_id, group, site, Age'],
    ),
    'equal groups': (
        lambda table: table.assign(age=(table['group'] == 'patient') * 2.0 + 1),
        ['rank-deficient', 'rank 2 with 3 columns', 'intercept, group[T.patient], age'],
    ),
}


@pytest.mark.parametrize('what', BAD_TABLES)
def test_bad_tables(refuse, group, edit_table, what):
    change, words = BAD_TABLES[what]
    edit_table(change)
    build = BuildDesign(
        in_files=group.in_files, table_file=group.table_file, formula='group + age'
    )
    refuse(build, DesignError, *words)


def test_two_maps_of_one_subject(refuse, group, new_folder):
    second = new_folder('ses') / 'sub-02_ses-2_stat-effect_statmap.nii.gz'
    shutil.copy(group.in_files[5], second)
    build = BuildDesign(
        in_files=[*group.in_files[:5], str(second), *group.in_files[6:]],
        table_file=group.table_file,
        formula='age',
    )
    words = ['duplicate subjects among the maps', 'sub-02', 'Average the maps']
    refuse(build, DesignError, *words)


def test_the_same_file_twice(refuse, group):
    build = BuildDesign(in_files=[*group.in_files, group.in_files[3]])
    refuse(build, InputError, 'is listed twice', 'entries 4 and 13 of 13', 'each map once')


def test_maps_without_a_name(refuse, group, new_folder):
    copies = [str(shutil.copy(path, new_folder('x') / 'con.nii.gz')) for path in group.in_files]
    build = BuildDesign(in_files=copies, table_file=group.table_file, formula='age')
    refuse(build, DesignError, 'do not say which participant', 'and 7 more', 'sub-<label>')


def test_as_many_regressors_as_maps(refuse, group):
    build = BuildDesign(
        in_files=group.in_files[:3], table_file=group.table_file, formula='group + age'
    )
    words = ['no degrees of freedom', '3 observations, 3 regressors']
    refuse(build, DesignError, *words)


def test_formula_without_a_table(refuse, group):
    refuse(BuildDesign(in_files=group.in_files, formula='age'), DesignError, 'no table', "'age'")


CELLS = {
    'intercept': np.ones(6),
    'a': [1.0, 1, 1, 0, 0, 0],
    'b': [0.0, 0, 0, 1, 1, 1],
    'age': [3.0, 5, 9, 1, 2, 8],
}


@pytest.mark.parametrize(
    ('definition', 'words'),
    [
        ('Age', ['column that the design does not have: Age', 'columns intercept, a, b, age',
                 'Did you mean age?']),
        ('a', ['not estimable', 'depend on others: a', 'a combination that']),
        ([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]], ['not estimable', 'others: a\n']),
        ([1.0, 0.0], ["weights of contrast 'x' do not fit", '[1.0, 0.0]', '4 numbers per row']),
        ([0.0, 0.0, 0.0, 0.0], ['a row of zeros']),
        ('age = 3', ['compares with a number', 'age = 3']),
        ('age +', ["Contrast 'x' cannot be read", 'age +']),
    ],
)  # fmt: skip
def test_contrasts_that_cannot_be(refuse, write_design, definition, words):
    define = DefineContrast(design_file=write_design(CELLS), name='x', definition=definition)
    refuse(define, ContrastError, *words)


def test_estimable_contrast_of_a_deficient_design(run, write_design, read_json):
    define = DefineContrast(design_file=write_design(CELLS), name='x', definition='a - b')
    content = read_json(run(define).contrast_file)
    assert content['ContrastWeights'] == [[0, 1, -1, 0]]
    assert content['ContrastFormula'] == 'a - b'


def test_a_design_that_is_not_finite(refuse, write_design):
    design = write_design({**CELLS, 'age': [3.0, 5, np.nan, 1, 2, 8]})
    define = DefineContrast(design_file=design, name='x', definition='age')
    refuse(define, DesignError, 'not finite', 'row 3; columns age', 'finite numbers')
