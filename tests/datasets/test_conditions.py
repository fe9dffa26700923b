"""Simulated conditions: their files, their planted truth, and what is common to a subject."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.datasets import simulate_conditions
from nistats_nipype.exceptions import InputError
from nistats_nipype.images.volumes import load_volume

COARSE = {'resolution_mm': 8}
EFFECTS = {'off': {'motor': 1.0}, 'on': {'motor': 1.0, 'frontal': 0.5}, 'late': {'occipital': -2}}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('conditions')


@pytest.fixture(scope='module')
def group(folder):
    return simulate_conditions(folder, EFFECTS, n_subjects=100, **COARSE)


@pytest.fixture(scope='module')
def mask(group):
    return load_volume(group.mask_file).data > 0


@pytest.fixture(scope='module')
def maps(group, mask):
    """Values within the mask: subjects, conditions, voxels."""
    values = [load_volume(path, dtype=np.float64).data[mask] for path in group.effect_files]
    return np.reshape(values, (100, 3, -1))


@pytest.fixture(scope='module')
def truth(group, mask):
    """The same of the truth: conditions, voxels."""
    return np.stack([load_volume(path).data[mask] for path in group.truth_files.values()])


def test_table_names_every_map(group, folder):
    table = pd.read_csv(group.maps_file, sep='\t')
    assert table['participant_id'].tolist()[:4] == ['sub-01', 'sub-01', 'sub-01', 'sub-02']
    assert table['condition'].tolist() == ['off', 'on', 'late'] * 100
    assert [str(folder / path) for path in table['effect_file']] == group.effect_files
    assert list(group.truth_files) == list(EFFECTS)
    for path in (*group.effect_files[:3], group.truth_files['off']):
        data = load_volume(path).data
        assert (data[load_volume(group.mask_file).data == 0] == 0).all()


def test_truth_has_the_heights_asked_for(truth):
    off, on, late = truth
    assert np.abs(off).max() == pytest.approx(1.0)
    difference = on - off
    # The grid has a voxel within 7 mm of the centre of a bump, where 20 mm are its radius.
    assert difference.min() == 0
    assert 0.5 * (1 - (7 / 20) ** 2) ** 2 < difference.max() <= 0.5
    assert late.max() == 0
    assert -2 <= late.min() < -2 * (1 - (7 / 20) ** 2) ** 2
    assert not ((off != 0) & (difference != 0)).any()
    assert not ((off != 0) & (late != 0)).any()


def test_means_are_the_truth(maps, truth):
    z = (maps.mean(axis=0) - truth) / np.sqrt((0.5**2 + 0.2**2) / 100)
    # Neighbours at 8 mm correlate, and so do conditions: the deviation is known less well.
    assert np.std(z) == pytest.approx(1.0, abs=0.1)
    assert np.abs(z).max() < 5


def test_maps_of_a_subject_have_their_own_part_and_a_common_one(maps, truth):
    residuals = maps - truth
    variance = residuals.var(axis=0).mean()
    assert variance == pytest.approx(0.5**2 + 0.2**2, rel=0.03)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        covariance = (residuals[:, first] * residuals[:, second]).mean()
        assert covariance == pytest.approx(0.5**2, rel=0.04)
        difference = residuals[:, first] - residuals[:, second]
        assert difference.var() == pytest.approx(2 * 0.2**2, rel=0.03)
    # Between subjects nothing is in common.
    assert (residuals[:50] * residuals[50:]).mean() == pytest.approx(0, abs=0.01)


def test_same_seed_same_bytes_and_groups_grow(tmp_path):
    few, many, other = (
        simulate_conditions(tmp_path / str(index), EFFECTS, n_subjects=n, seed=seed, **COARSE)
        for index, (n, seed) in enumerate([(2, 5), (3, 5), (2, 6)])
    )
    first, longer, another = (
        [Path(path).read_bytes() for path in each.effect_files] for each in (few, many, other)
    )
    assert first == longer[:6]
    assert len(set(longer)) == 9
    assert set(first).isdisjoint(another)


@pytest.mark.parametrize(
    ('effects', 'parameters', 'said'),
    [
        ({'off': {}}, {}, 'at least two names'),
        ({'off': {}, 'OFF': {}}, {}, 'at least two names'),
        ({'off': {}, '2 back': {}}, {}, "'2 back'"),
        ({'off': {}, 'on': {'insula': 1.0}}, {}, 'motor, frontal, occipital'),
        ({'off': {}, 'on': {'motor': float('nan')}}, {}, 'motor=nan'),
        (EFFECTS, {'n_subjects': 1}, 'n_subjects=1'),
        (EFFECTS, {'within_sd': -1.0}, 'within_sd=-1.0'),
    ],
)
def test_what_cannot_be_simulated_is_refused(effects, parameters, said, tmp_path):
    with pytest.raises(InputError, match=said):
        simulate_conditions(tmp_path / 'new', effects, **{**COARSE, **parameters})
    assert not (tmp_path / 'new').exists()
