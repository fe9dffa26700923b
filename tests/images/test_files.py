import errno
import json
import math

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.exceptions import InputError, OutputError
from nistats_nipype.images import files


def test_atomic_path_keeps_the_old_file_when_the_new_one_fails(tmp_path):
    path = tmp_path / 'result.json'
    path.write_text('old')

    def fail():
        with files.atomic_path(path) as partial:
            partial.write_text('half of the n')
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_path_gives_a_neighbour_with_the_same_extensions(tmp_path):
    with files.atomic_path(tmp_path / 'map.nii.gz') as partial:
        assert partial.parent == tmp_path
        assert partial.name.endswith('map.nii.gz')
        assert partial.name.startswith('.')
        partial.write_text('whole')
    assert (tmp_path / 'map.nii.gz').read_text() == 'whole'
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_says_how_much_is_free(tmp_path, file_size_limit):
    with pytest.raises(OutputError, match='MB are free there') as caught, file_size_limit(100):
        files.save_json({'text': 'x' * 1000}, tmp_path / 'large.json')
    assert caught.value.__cause__.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('folder', ['nowhere', 'file'])
def test_a_folder_that_is_none_is_an_output_error(tmp_path, folder):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='a folder that exists'):
        files.save_json({}, tmp_path / folder / 'x.json')


def test_a_failed_read_inside_the_block_is_not_called_a_failed_write(tmp_path):
    with pytest.raises(FileNotFoundError), files.atomic_path(tmp_path / 'out'):
        (tmp_path / 'other').read_text()


def test_json_comes_back_and_has_sorted_keys(tmp_path):
    content = {'b': [1, 2.5], 'a': None}
    path = files.save_json(content, tmp_path / 'x.json')
    assert files.load_json(path) == content
    text = (tmp_path / 'x.json').read_text()
    assert list(json.loads(text)) == ['a', 'b']
    assert files.save_json(dict(reversed(content.items())), tmp_path / 'y.json')
    assert (tmp_path / 'y.json').read_text() == text


def test_floats_of_a_table_come_back_to_the_bit(tmp_path):
    values = np.random.default_rng(0).standard_normal(2000) * 10.0 ** np.arange(-10, 10).repeat(
        100
    )
    frame = pd.DataFrame({'value': [*values, math.nan], 'name': 'a'})
    path = files.save_table(frame, tmp_path / 'x.tsv')
    loaded = files.load_table(path)
    np.testing.assert_array_equal(loaded['value'], frame['value'])
    assert (tmp_path / 'x.tsv').read_text().splitlines()[-1] == 'n/a\ta'


def test_a_table_with_commas_is_read_by_its_extension(tmp_path):
    (tmp_path / 'x.csv').write_text('a,b\n1,2\n')
    assert files.load_table(tmp_path / 'x.csv').to_dict('list') == {'a': [1], 'b': [2]}


def test_arrays_come_back(tmp_path):
    arrays = {'a': np.arange(6).reshape(2, 3), 'b': np.array([np.nan, 1.0])}
    loaded = files.load_arrays(files.save_arrays(tmp_path / 'x.npz', **arrays))
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)


@pytest.mark.parametrize('load', [files.load_json, files.load_table, files.load_arrays])
def test_a_missing_file_is_an_input_error(tmp_path, load):
    with pytest.raises(InputError, match=r'absent\.txt could not be read'):
        load(tmp_path / 'absent.txt')


@pytest.mark.parametrize('content', [b'', b'\xff\xfe\x00binary', b'{"a": '])
@pytest.mark.parametrize('load', [files.load_json, files.load_arrays])
def test_a_broken_file_is_an_input_error(tmp_path, load, content):
    (tmp_path / 'broken').write_bytes(content)
    with pytest.raises(InputError, match='broken could not be read'):
        load(tmp_path / 'broken')


@pytest.mark.parametrize('content', [b'', b'\xff\xfe\x00binary', b'a\tb\n1\t2\n1\t2\t3\t4\n'])
def test_a_broken_table_is_an_input_error(tmp_path, content):
    (tmp_path / 'broken.tsv').write_bytes(content)
    with pytest.raises(InputError, match='could not be read as a table'):
        files.load_table(tmp_path / 'broken.tsv')


@pytest.mark.parametrize('rows', ['1\t2\t3', '1\t2\t3\n4\t5\t6', '1\t2\t3\n4\t5', '4\t5\n1\t2\t3'])
def test_a_surplus_cell_shifts_no_column(tmp_path, rows):
    (tmp_path / 'x.tsv').write_text(f'a\tb\n{rows}\n')
    line = 2 + rows.splitlines().index('1\t2\t3')
    with pytest.raises(InputError, match=f'x.tsv could not be read.*\n.* in line {line}'):
        files.load_table(tmp_path / 'x.tsv')


def test_separators_at_the_ends_of_lines_are_no_cells(tmp_path):
    (tmp_path / 'x.tsv').write_text('a\tb\n1\t2\t\n3\t4\t\n')
    assert files.load_table(tmp_path / 'x.tsv').to_dict('list') == {'a': [1, 3], 'b': [2, 4]}


def test_a_truncated_or_single_array_is_no_archive(tmp_path):
    whole = tmp_path / 'x.npz'
    files.save_arrays(whole, a=np.zeros(100))
    whole.write_bytes(whole.read_bytes()[:200])
    np.save(tmp_path / 'lone.npy', np.zeros(3))
    for path in (whole, tmp_path / 'lone.npy'):
        with pytest.raises(InputError, match='could not be read'):
            files.load_arrays(path)
