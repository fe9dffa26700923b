"""Designs of groups of maps, and contrasts that they can answer."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs.group import define_contrast, design_of_maps
from nistats_nipype.exceptions import ContrastError, DesignError, InputError


@pytest.fixture
def maps(tmp_path):
    return [str(tmp_path / f'sub-{number:02d}.nii') for number in (3, 1, 2)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / 'participants.tsv'
    path.write_text('participant_id\tage\n01\t31\n02\t32\n03\t33\n04\t34\n')
    return path


def test_without_a_formula_there_is_one_row_of_ones_per_map(maps):
    np.testing.assert_array_equal(design_of_maps(maps), np.ones((3, 1)))


def test_volumes_of_a_4d_file_are_counted(tmp_path):
    path = tmp_path / 'all.nii'
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, 5), dtype=np.float32), np.eye(4)), path)
    assert design_of_maps([str(path)]).shape == (5, 1)
    (tmp_path / 't.tsv').write_text('participant_id\tage\n01\t31\n')
    with pytest.raises(DesignError, match='4D') as error:
        design_of_maps([str(path)], 'age', tmp_path / 't.tsv')
    assert '5 volumes' in error.value.found


def test_rows_follow_the_maps(maps, table):
    design = design_of_maps(maps, 'age', table)
    np.testing.assert_array_equal(design, [[1, 33], [1, 31], [1, 32]])


def test_files_in_the_table_start_at_its_folder(tmp_path, monkeypatch):
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    (tmp_path / 't.tsv').write_text('map\tage\nb.nii\t2\na.nii\t1\n')
    maps = [str(tmp_path / name) for name in ('a.nii', 'b.nii')]
    assert design_of_maps(maps, 'age', tmp_path / 't.tsv')['age'].tolist() == [1, 2]


def test_a_formula_needs_a_table(maps):
    with pytest.raises(DesignError, match='no table'):
        design_of_maps(maps, 'age')


def test_the_same_map_twice_is_refused(maps):
    with pytest.raises(InputError, match='twice'):
        design_of_maps([*maps, maps[0]])


@pytest.fixture
def cell_means():
    """A mean and a column per group: the mean and single groups cannot be told apart."""
    return pd.DataFrame(
        {'intercept': 1.0, 'a': [1, 1, 0, 0], 'b': [0, 0, 1, 1], 'age': [1.0, 2, 3, 5]}
    )


@pytest.mark.parametrize(
    ('definition', 'expected'),
    [('a - b', [[0, 1, -1, 0]]), ('age', [[0, 0, 0, 1]]), ('intercept + a', [[1, 1, 0, 0]])],
)
def test_estimable_contrasts_pass(cell_means, definition, expected):
    contrast = define_contrast('n', definition, cell_means)
    np.testing.assert_array_equal(contrast.weights, expected)
    # An estimable contrast is a combination of rows of the design.
    rows = cell_means.to_numpy()
    combination = np.linalg.lstsq(rows.T, contrast.weights.T, rcond=None)[0]
    np.testing.assert_allclose(rows.T @ combination, contrast.weights.T, atol=1e-12)


@pytest.mark.parametrize(
    ('definition', 'blamed'),
    [('a', 'a'), ('intercept', 'intercept'), ('a + b, age', 'a, b'), ('a + age', 'a')],
)
def test_contrasts_that_are_not_estimable_name_the_columns(cell_means, definition, blamed):
    with pytest.raises(ContrastError, match="'n' is not estimable") as error:
        define_contrast('n', definition, cell_means)
    assert error.value.found == f'weights on columns that depend on others: {blamed}'


@pytest.mark.parametrize(
    ('definition', 'message'),
    [
        ('0 * age', 'row of zeros'),
        ([[0, 0, 0, 1], [0, 0, 0, 0]], 'row of zeros'),
        ([0, 0, 0, float('nan')], 'not finite'),
        ('size', 'does not have: size'),
    ],
)
def test_contrasts_that_test_nothing(cell_means, definition, message):
    with pytest.raises(ContrastError, match=message):
        define_contrast('n', definition, cell_means)
