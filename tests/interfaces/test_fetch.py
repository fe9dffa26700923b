"""The localizer from a folder as nilearn leaves it, and the simulated group."""

import json
import socket

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.datasets import fetch_localizer, simulate_group
from nistats_nipype.exceptions import DatasetError, InputError
from nistats_nipype.interfaces import FetchLocalizer, SimulateGroup

#: What nilearn calls 'left vs right button press' on disk.
CONTRAST = 'LeftAuditory&VisualClickVsRightAuditory&VisualClick'


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_, **__):
        raise socket.gaierror(-3, 'Temporary failure in name resolution')

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)


@pytest.fixture
def data_folder(tmp_path):
    """Lay out maps of four subjects as nilearn does; each is filled with its subject's number."""
    folder = tmp_path / 'nilearn' / 'brainomics_localizer'
    data = folder / 'brainomics_data'
    (data / 'phenotype').mkdir(parents=True)
    index = {'/localizer/participants.tsv': '/p', '/localizer/phenotype/behavioural.tsv': '/b'}
    names = [f'S{number:02d}' for number in range(1, 5)]
    for number, name in enumerate(names, start=1):
        (data / name).mkdir()
        root = f'/localizer/derivatives/spm_1st_level/sub-{name}/sub-{name}'
        maps = {f'{kind}_{CONTRAST}': f'task-localizer_acq-{CONTRAST}_{kind}.nii.gz'
                for kind in ('cmaps', 'tmaps')}  # fmt: skip
        for stem, remote in {**maps, 'boolean_mask_mask': 'mask.nii.gz'}.items():
            index[f'{root}_{remote}'] = f'/{name}{stem}'
            image = nib.Nifti1Image(np.full((2, 2, 2), number, dtype=np.float32), np.eye(4))
            nib.save(image, data / name / f'{stem}.nii.gz')
    (folder / 'download').write_text(json.dumps(index))
    table = pd.DataFrame({'participant_id': names, 'age': [31, 32, 33, 34]})
    table.to_csv(data / 'participants.tsv', sep='\t', index=False)
    behaviour = pd.DataFrame({'participant_id': names, 'pseudo': 1.5})
    behaviour.to_csv(data / 'phenotype' / 'behavioural.tsv', sep='\t', index=False)
    return folder.parent


@pytest.mark.parametrize('n_subjects', [3, [4, 2]])
def test_localizer_of_a_data_folder(run, read, data_folder, n_subjects):
    fetch = FetchLocalizer(n_subjects=n_subjects, data_dir=str(data_folder), get_masks=True)
    found = run(fetch)
    numbers = n_subjects if isinstance(n_subjects, list) else [1, 2, 3]
    for files in (found.effect_files, found.tmap_files, found.mask_files):
        assert [int(read(path)[0, 0, 0]) for path in files] == numbers
    assert all('cmaps' in path for path in found.effect_files)
    assert all('tmaps' in path for path in found.tmap_files)
    table = pd.read_csv(found.participants_file, sep='\t')
    assert table['participant_id'].tolist() == [f'S{number:02d}' for number in numbers]
    assert table['age'].tolist() == [30 + number for number in numbers]
    same = fetch_localizer(n_subjects=n_subjects, data_dir=data_folder)
    assert list(same.effect_files) == found.effect_files


def test_only_what_is_asked_for(run, data_folder):
    found = run(FetchLocalizer(n_subjects=2, get_tmaps=False, data_dir=str(data_folder)))
    assert (found.tmap_files, found.mask_files) == ([], [])
    assert len(found.effect_files) == 2


def test_offline_without_data(refuse, tmp_path):
    folder = tmp_path / 'empty'
    folder.mkdir()
    fetch = FetchLocalizer(n_subjects=2, data_dir=str(folder))
    refuse(fetch, DatasetError, str(folder), 'SimulateGroup')


def test_simulated_group_is_that_of_the_function(run, tmp_path, read):
    found = run(SimulateGroup(n_subjects=3, resolution_mm=8, seed=2, effect_size=2.0))
    expected = simulate_group(
        tmp_path / 'same', n_subjects=3, resolution_mm=8, seed=2, effect_size=2.0
    )
    for name, path in expected._asdict().items():
        ours = getattr(found, name)
        pairs = zip(ours, path, strict=True) if isinstance(path, list) else [(ours, path)]
        for one, other in pairs:
            assert one != other
            with open(one, 'rb') as first, open(other, 'rb') as second:
                assert first.read() == second.read()
    assert np.nanmax(np.abs(read(found.truth_file))) == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        ({'n_subjects': 1}, ['n_subjects=1', 'from 2']),
        ({'resolution_mm': 9}, ['resolution_mm=9', '1 to 8']),
    ],
)
def test_groups_that_cannot_be(refuse, inputs, words):
    refuse(SimulateGroup(**inputs), InputError, *words)
