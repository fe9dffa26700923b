"""Files that arguments name."""

import shutil

import numpy as np
import pytest

from nistats_nipype.cli import inputs
from nistats_nipype.exceptions import GridError, InputError

from .conftest import AFFINE, SHAPE, save_map


def test_patterns_are_sorted_within_and_kept_in_order_between(tmp_path, monkeypatch):
    for name in ('b2.nii', 'b10.nii', 'a1.nii'):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    found = inputs.expand_maps(['b*.nii', 'a1.nii'])
    assert found == [str(tmp_path / name) for name in ('b10.nii', 'b2.nii', 'a1.nii')]


def test_a_name_with_brackets_is_a_file_if_there_is_one(tmp_path):
    odd = tmp_path / 'map[1].nii'
    odd.touch()
    (tmp_path / 'map1.nii').touch()
    assert inputs.expand_maps([str(odd)]) == [str(odd)]


def test_two_stars_reach_into_folders(tmp_path):
    deep = tmp_path / 'sub-01' / 'glm'
    deep.mkdir(parents=True)
    (deep / 'z.nii').touch()
    assert inputs.expand_maps([f'{tmp_path}/**/z.nii']) == [str(deep / 'z.nii')]


def test_a_pattern_without_a_match_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match='No map was found') as error:
        inputs.expand_maps(['glm/*.nii'])
    assert 'glm/*.nii' in error.value.found
    assert str(tmp_path) in error.value.found


def test_a_folder_is_no_map(tmp_path):
    with pytest.raises(InputError, match='No map') as error:
        inputs.expand_maps([str(tmp_path)])
    assert 'folder' in error.value.found


def test_an_image_does_not_count_twice_by_its_two_files(tmp_path):
    for name in ('con_1.img', 'con_1.hdr', 'con_2.img', 'con_2.hdr'):
        (tmp_path / name).touch()
    assert len(inputs.expand_maps([f'{tmp_path}/*.img'])) == 2
    with pytest.raises(InputError, match='twice') as error:
        inputs.expand_maps([f'{tmp_path}/con_*'])
    assert 'con_1.hdr' in error.value.found
    assert 'con_1.img' in error.value.found


def test_maps_of_a_table_start_at_its_folder(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = inputs.maps_from_table(group.table, 'effect_file')
    assert found == group.maps[::-1]


def test_an_unknown_column_is_refused_with_the_known_ones(group):
    with pytest.raises(InputError, match="no column 'map'") as error:
        inputs.maps_from_table(group.table, 'map')
    assert 'effect_file' in error.value.found


@pytest.mark.parametrize(('cell', 'said'), [('gone.nii', 'no file gone.nii'), ('n/a', 'nan')])
def test_rows_without_a_map_are_counted_and_named(group, tmp_path, cell, said):
    table = group.frame.iloc[:3].copy()
    table['effect_file'] = [str(group.maps[0]), cell, cell]
    table.to_csv(tmp_path / 't.tsv', sep='\t', index=False)
    with pytest.raises(InputError, match='name no map') as error:
        inputs.maps_from_table(tmp_path / 't.tsv', 'effect_file')
    assert error.value.found.startswith('2 of 3; the first is sub-02: ')
    assert said in error.value.found


def test_headers_that_fit_pass(group):
    inputs.check_headers(group.maps, group.maps[0])


def test_maps_on_different_grids_are_refused(group, tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    other = save_map(np.ones(SHAPE), tmp_path / 'moved.nii', moved)
    with pytest.raises(GridError) as error:
        inputs.check_headers([*group.maps[:2], other])
    assert other in error.value.problem
    assert '1 mm apart' in error.value.found


def test_a_mask_on_another_grid_is_not_to_be_interpolated(group, tmp_path):
    mask = save_map(np.ones((3, 3, 3)), tmp_path / 'mask.nii')
    with pytest.raises(GridError) as error:
        inputs.check_headers(group.maps, mask)
    assert 'nearest' in error.value.advice


def test_a_file_that_is_no_image_is_refused(group, tmp_path):
    text = tmp_path / 'notes.txt'
    text.write_text('no image')
    with pytest.raises(InputError, match=r'notes\.txt'):
        inputs.check_headers([*group.maps, str(text)])


def test_a_truncated_header_is_refused(group, tmp_path):
    whole = shutil.copy(group.maps[0], tmp_path / 'a.nii.gz')
    with open(whole, 'r+b') as stream:
        stream.truncate(100)
    with pytest.raises(InputError, match=r'a\.nii\.gz'):
        inputs.check_headers([whole])


def test_existing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mask.nii').touch()
    assert inputs.existing_file('mask.nii', '--mask') == str(tmp_path / 'mask.nii')
    with pytest.raises(InputError, match='--table') as error:
        inputs.existing_file('table.tsv', '--table')
    assert 'intersection' not in error.value.expected
    with pytest.raises(InputError, match='--mask') as error:
        inputs.existing_file(str(tmp_path), '--mask')
    assert 'folder' in error.value.found
    assert 'intersection' in error.value.expected
