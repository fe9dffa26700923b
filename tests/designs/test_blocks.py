"""Exchangeability blocks as people save them."""

import numpy as np
import pytest

from nistats_nipype.designs.blocks import load_blocks, load_groups, save_groups
from nistats_nipype.exceptions import InputError
from nistats_nipype.stats.blocks import check_blocks, within_blocks

EXPECTED = [[-1, 1, 1], [-1, 1, 2], [-1, 2, 3]]
FORMS = {
    'commas': '-1,1,1\n-1,1,2\n-1,2,3\n',
    'commas and blanks': '-1, 1, 1\n-1, 1, 2\n-1, 2, 3',
    'tabs': '-1\t1\t1\n-1\t1\t2\n-1\t2\t3\n',
    'blanks': '  -1  1 1\n -1 1   2\n\n-1 2 3  \n\n',
    'windows': '-1,1,1\r\n-1,1,2\r\n-1,2,3\r\n',
    'byte-order mark': '\ufeff-1,1,1\n-1,1,2\n-1,2,3\n',
    'floating point': '-1.0 1.000000e+00 1\n-1 1e0 2\n-1 2 3\n',
    'FSL header': '/NumWaves\t3\n/NumPoints\t3\n\n/Matrix\n-1 1 1\n-1 1 2\n-1 2 3\n',
}


@pytest.fixture
def write(tmp_path):
    def write(content, name='blocks.csv'):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize('form', FORMS)
def test_the_same_numbers_in_every_form(write, form):
    blocks = load_blocks(write(FORMS[form]))
    assert blocks.dtype == np.int64
    np.testing.assert_array_equal(blocks, EXPECTED)


@pytest.mark.parametrize('name', ['blocks.csv', 'blocks.txt', 'blocks.tsv', 'design.grp'])
def test_the_name_of_the_file_does_not_matter(write, name):
    np.testing.assert_array_equal(load_blocks(write(FORMS['tabs'], name)), EXPECTED)


def test_one_column_is_a_column(write):
    """FSL's Glm writes such a file: a group number per observation."""
    blocks = load_blocks(write('/NumWaves 1\n/NumPoints 3\n/Matrix\n7\n7\n3\n', 'design.grp'))
    np.testing.assert_array_equal(blocks, [[7], [7], [3]])
    np.testing.assert_array_equal(check_blocks(blocks, 3), check_blocks([7, 7, 3], 3))


def test_what_numpy_and_pandas_save_is_read(tmp_path):
    blocks = within_blocks([4, 4, 2, 2, 1])
    np.savetxt(tmp_path / 'a.txt', blocks)
    np.savetxt(tmp_path / 'b.csv', blocks, fmt='%d', delimiter=',')
    for name in ('a.txt', 'b.csv'):
        np.testing.assert_array_equal(load_blocks(tmp_path / name), blocks)


BAD = {
    'header': ('subject,scan\n1,1\n1,2\n', "'subject'"),
    'fraction': ('1 1\n1 2.5\n', '2.5 is not a whole number'),
    'nan': ('1 1\n1 nan\n', 'nan is not a whole number'),
    'infinite': ('1 1\n1 inf\n', 'inf is not a whole number'),
    'too large': ('1 1\n1 1e300\n', ''),
    'ragged': ('1 1\n1 2 3\n1 2\n', 'rows of 2 and of 3 numbers'),
    # A gap is no separator: what follows it would move one column to the left.
    'empty cells': ('1,,1\n1,,2\n1,,3\n', "''"),
    'semicolons': ('1;1\n1;2\n', "'1;1'"),
    'empty': ('', 'no numbers'),
    'header only': ('/NumWaves 1\n/Matrix\n', 'no numbers'),
    'not text': (b'\x1f\x8b\x08\x00\xff\xfe', 'decode'),
}


@pytest.mark.parametrize('name', BAD)
def test_what_is_no_list_of_blocks_is_refused(write, name):
    content, found = BAD[name]
    path = write(content)
    with pytest.raises(InputError, match='could not be read as exchangeability blocks') as error:
        load_blocks(path)
    assert str(path) in str(error.value)
    assert found in error.value.found


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match='could not be read') as error:
        load_blocks(tmp_path / 'nowhere.csv')
    assert 'No such file' in error.value.found


def test_variance_groups_are_written_and_read(tmp_path):
    path = save_groups([2, 1, 2], tmp_path / 'groups.csv')
    assert load_groups(path).tolist() == [2, 1, 2]


def test_what_are_no_variance_groups_is_refused(tmp_path):
    path = tmp_path / 'groups.csv'
    path.write_text('a\nb\n')
    with pytest.raises(InputError, match='could not be read as variance groups'):
        load_groups(path)
