"""Tables of participants, and whose row is whose."""

import os

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs.tables import load_participants, match_rows, subject_label
from nistats_nipype.exceptions import DesignError, InputError


@pytest.fixture
def write(tmp_path):
    def write(text, name='participants.tsv', **kwargs):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('t.tsv', 'participant_id\tage\nsub-01\t30.5\nsub-02\tn/a\n'),
        ('t.csv', 'participant_id,age\nsub-01,30.5\nsub-02,n/a\n'),
        ('t.CSV', '"participant_id","age"\r\n"sub-01",30.5\r\n"sub-02",n/a\r\n'),
        ('excel.csv', b'\xef\xbb\xbfparticipant_id,age\nsub-01,30.5\nsub-02,n/a\n'),
        ('blank.tsv', 'participant_id\tage\n\nsub-01\t30.5\nsub-02\tn/a\n\n'),
    ],
)
def test_tables_are_read(write, name, text):
    table = load_participants(write(text, name))
    assert table.columns.tolist() == ['participant_id', 'age']
    assert table['participant_id'].tolist() == ['sub-01', 'sub-02']
    assert table['age'][0] == 30.5
    assert np.isnan(table['age'][1])


def test_labels_keep_their_zeros(write):
    table = load_participants(write('participant_id\tage\n01\t30\n002\t40\n3\t50\n'))
    assert table['participant_id'].tolist() == ['01', '002', '3']
    rows = match_rows(table, ['sub-002_z.nii', 'sub-3_z.nii', 'sub-01_z.nii'])
    assert rows['age'].tolist() == [40, 50, 30]


def test_labels_that_differ_by_zeros_are_two_participants(write):
    table = load_participants(write('participant_id\tage\n1\t30\n01\t40\n'))
    assert match_rows(table, ['sub-01.nii', 'sub-1.nii'])['age'].tolist() == [40, 30]
    with pytest.raises(DesignError, match='no row') as error:
        match_rows(table, ['sub-001.nii'])
    assert '1 is not 01' in error.value.advice


def test_labels_like_numbers_or_true_stay_text(write):
    text = 'participant_id\tx\n1e3\t1\nTrue\t2\nNA\t3\n1.0\t4\n'
    assert load_participants(write(text))['participant_id'].tolist() == [
        '1e3',
        'True',
        'NA',
        '1.0',
    ]


def test_a_table_without_labels_is_fine(write):
    table = load_participants(write('map\tage\na.nii\t30\n'))
    assert table['map'].tolist() == ['a.nii']


@pytest.mark.parametrize(
    ('text', 'message', 'found'),
    [
        ('participant_id\tage\n', 'has no rows', None),
        ('participant_id,age\nsub-01,3\n', 'one column', 'commas'),
        ('participant_id;age\nsub-01;3\n', 'one column', 'semicolons'),
        ('participant_id age\nsub-01 3\n', 'one column', 'spaces'),
        ('participant_id\tage\n01\t3\t\n02\t4\t\n', 'one cell', '2 columns, but 3 cells in row 1'),
        ('participant_id\tage\n01\t3\n02\n', 'one cell', '1 cells in row 2'),
        ('participant_id\tage\n01\t3\n01\t4\n', 'duplicate', 'sub-01'),
        ('participant_id\tage\n01\t3\nsub-01\t4\n', 'duplicate', 'sub-01'),
        ('participant_id\tage\n\t3\n02\t4\n', 'no name', 'row 1'),
        ('participant_id\tage\n01\t3\nn/a\t4\n', 'no name', 'row 2'),
    ],
)
def test_tables_that_would_be_misread_are_refused(write, text, message, found):
    path = write(text)
    with pytest.raises(DesignError, match=message) as error:
        load_participants(path)
    assert found is None or found in error.value.found
    assert str(path) in str(error.value)


@pytest.mark.parametrize('text', ['', b'\x00\xff\xfe\x80', 'a\tb\n1\t2\n1\t2\t3\n'])
def test_files_that_are_no_table(write, text):
    with pytest.raises(InputError):
        load_participants(write(text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r'gone\.tsv'):
        load_participants(tmp_path / 'gone.tsv')


@pytest.mark.parametrize(
    ('path', 'label'),
    [
        ('sub-01_z.nii', 'sub-01'),
        ('sub-01.nii', 'sub-01'),
        ('/data/sub-A7+b/ses-1/func/con_0001.nii', 'sub-A7+b'),
        # The name goes before the folder.
        ('sub-02/sub-03_z.nii', 'sub-03'),
        ('group_sub-04_z.nii', 'sub-04'),
        (r'C:\data\sub-05\z.nii', 'sub-05'),
        ('mysub-01_z.nii', None),
        ('sub-_z.nii', None),
        ('subject-01_z.nii', None),
        ('con_0001.nii', None),
    ],
)
def test_labels_in_paths(path, label):
    assert subject_label(path) == label


@pytest.fixture
def table():
    return pd.DataFrame({'participant_id': ['sub-01', '02', 'sub-03'], 'age': [31, 32, 33]})


def test_rows_follow_the_maps_whatever_the_order(table):
    order = ['a/sub-03/z.nii', 'sub-01_z.nii', 'sub-02_z.nii']
    for shuffled in (table, table.iloc[[2, 0, 1]], table.set_index(np.array([7, 7, 9]))):
        rows = match_rows(shuffled, order)
        assert rows['age'].tolist() == [33, 31, 32]
        assert rows.index.tolist() == [0, 1, 2]


def test_rows_of_others_are_left_out(table):
    assert match_rows(table, ['sub-02_z.nii'])['age'].tolist() == [32]


def test_maps_without_a_row_are_counted_and_named(table):
    with pytest.raises(DesignError, match='no row') as error:
        match_rows(table, ['sub-01.nii', *(f'sub-{number}.nii' for number in range(10, 17))])
    assert error.value.found.startswith('7 of 8 maps without a row: sub-10, ')
    assert error.value.found.endswith('and 2 more')
    assert 'sub-03' in error.value.expected


def test_two_maps_of_a_participant_are_refused(table):
    with pytest.raises(DesignError, match='duplicate subjects') as error:
        match_rows(table, ['run-1/sub-01.nii', 'run-2/sub-01.nii'])
    assert 'sub-01' in error.value.found


def test_maps_that_name_nobody_are_refused(table):
    with pytest.raises(DesignError, match='which participant') as error:
        match_rows(table, ['sub-01.nii', 'con_0001.nii'])
    assert error.value.found == 'con_0001.nii'


def test_rows_are_never_matched_by_position(table):
    with pytest.raises(DesignError, match='cannot be matched') as error:
        match_rows(table[['age']], ['a.nii', 'b.nii', 'c.nii'])
    assert 'participant_id' in error.value.expected


@pytest.mark.parametrize('absolute', [False, True])
def test_a_column_of_files_goes_before_labels(tmp_path, absolute):
    # The labels of the files are another's on purpose.
    files = ['maps/sub-02.nii', './maps/sub-01.nii']
    if absolute:
        files = [str(tmp_path / name) for name in files]
    table = pd.DataFrame({'participant_id': ['01', '02'], 'map': files, 'age': [1, 2]})
    wanted = [str(tmp_path / 'maps' / name) for name in ('sub-01.nii', 'sub-02.nii')]
    assert match_rows(table, wanted, tmp_path)['age'].tolist() == [2, 1]


def test_links_and_detours_are_the_same_file(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'real' / 'a.nii').touch()
    os.symlink(tmp_path / 'real', tmp_path / 'link')
    table = pd.DataFrame({'map': ['real/../real/a.nii'], 'age': [5]})
    assert match_rows(table, [str(tmp_path / 'link' / 'a.nii')], tmp_path)['age'].tolist() == [5]


def test_participants_without_a_map_do_not_hide_the_column(tmp_path):
    table = pd.DataFrame({'map': ['b.nii', None, 'a.nii'], 'age': [1, 2, 3]})
    wanted = [str(tmp_path / name) for name in ('a.nii', 'b.nii')]
    assert match_rows(table, wanted, tmp_path)['age'].tolist() == [3, 1]


def test_a_column_that_names_some_maps_only_is_told_of(tmp_path):
    table = pd.DataFrame({'map': ['a.nii', 'b.nii'], 'age': [1, 2]})
    wanted = [str(tmp_path / name) for name in ('a.nii', 'c.nii')]
    with pytest.raises(DesignError, match='column map') as error:
        match_rows(table, wanted, tmp_path)
    assert error.value.found == f'1 of 2 maps without a row: {tmp_path}/c.nii'


def test_a_column_that_names_a_map_twice_is_told_of(tmp_path):
    table = pd.DataFrame({'map': ['a.nii', './a.nii'], 'age': [1, 2]})
    with pytest.raises(DesignError, match='column map') as error:
        match_rows(table, [str(tmp_path / 'a.nii')], tmp_path)
    assert 'more than one row' in error.value.found


def test_labels_match_where_a_column_of_files_does_not(tmp_path):
    table = pd.DataFrame({'participant_id': ['01', '02'], 'raw': ['a.nii', 'b.nii'], 'x': [1, 2]})
    assert match_rows(table, ['sub-02.nii', 'sub-01.nii'], tmp_path)['x'].tolist() == [2, 1]
