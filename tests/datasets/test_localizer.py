"""The localizer fetcher, against a folder laid out as nilearn lays it out."""

import json
import os
import socket

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.datasets import fetch_localizer
from nistats_nipype.exceptions import DatasetError, InputError
from nistats_nipype.images.volumes import load_volume, save_volume

#: What nilearn calls 'left vs right button press' on disk.
CONTRAST = 'LeftAuditory&VisualClickVsRightAuditory&VisualClick'


@pytest.fixture
def attempts(monkeypatch):
    """Refuse every look-up of a host name, and list the names that were asked for."""
    asked = []

    def refuse(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(-3, 'Temporary failure in name resolution')

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    return asked


def lay_out(data_dir, subjects, contrasts=(CONTRAST,), *, missing=()):
    """Write the data set as nilearn leaves it; each map is filled with its subject's number."""
    folder = data_dir / 'brainomics_localizer'
    data = folder / 'brainomics_data'
    (data / 'phenotype').mkdir(parents=True)
    index = {'/localizer/participants.tsv': '/p', '/localizer/phenotype/behavioural.tsv': '/b'}
    for number in subjects:
        name = f'S{number:02d}'
        (data / name).mkdir()
        root = f'/localizer/derivatives/spm_1st_level/sub-{name}'
        names = {
            f'{kind}_{contrast}': f'sub-{name}_task-localizer_acq-{contrast}_{kind}.nii.gz'
            for kind in ('cmaps', 'tmaps')
            for contrast in contrasts
        }
        names['boolean_mask_mask'] = f'sub-{name}_mask.nii.gz'
        for stem, remote in names.items():
            if (number, stem) not in missing:
                index[f'{root}/{remote}'] = f'/{name}{stem}'
                values = np.full((2, 2, 2), number, dtype=np.float32)
                save_volume(values, np.eye(4), data / name / f'{stem}.nii.gz')
    # nilearn names a download by the last part of its address, osf.io/hwbm2/download.
    (folder / 'download').write_text(json.dumps(index))
    shuffled = [f'S{number:02d}' for number in sorted(subjects, reverse=True)]
    participants = pd.DataFrame({'age': range(len(shuffled)), 'participant_id': shuffled})
    participants.to_csv(data / 'participants.tsv', sep='\t', index=False)
    behaviour = pd.DataFrame({'participant_id': shuffled, 'pseudo': 1.5})
    behaviour.to_csv(data / 'phenotype' / 'behavioural.tsv', sep='\t', index=False)
    return folder


def read_numbers(paths):
    return [int(load_volume(path).data[0, 0, 0]) for path in paths]


def test_cached_data_need_no_network(tmp_path, attempts):
    lay_out(tmp_path, range(1, 6))
    found = fetch_localizer(n_subjects=4, get_masks=True, data_dir=tmp_path)
    for paths in (found.effect_files, found.tmap_files, found.mask_files):
        assert all(os.path.isabs(path) for path in paths)
        assert read_numbers(paths) == [1, 2, 3, 4]
    assert all('cmaps' in path for path in found.effect_files)
    assert all('tmaps' in path for path in found.tmap_files)
    assert attempts == []


def test_participants_follow_the_files(tmp_path, attempts):
    lay_out(tmp_path, [2, 3, 7, 11])
    found = fetch_localizer(n_subjects=[7, 2, 11], data_dir=tmp_path)
    assert read_numbers(found.effect_files) == [7, 2, 11]
    assert found.participants.columns[0] == 'participant_id'
    assert found.participants['participant_id'].tolist() == ['S07', 'S02', 'S11']
    # The published table lists S11, S07, S03, S02 with ages 0 to 3.
    assert found.participants['age'].tolist() == [1, 3, 0]
    assert found.participants.index.tolist() == [0, 1, 2]
    assert found.mask_files == []
    assert attempts == []


def test_only_what_is_asked_for(tmp_path, attempts):
    lay_out(tmp_path, [1, 2], missing={(1, f'tmaps_{CONTRAST}')})
    found = fetch_localizer('left vs right button press', n_subjects=2, get_tmaps=False,
                            data_dir=tmp_path)  # fmt: skip
    assert found.tmap_files == []
    assert len(found.effect_files) == 2
    assert attempts == []


def test_contrasts_are_within_subjects(tmp_path, attempts):
    lay_out(tmp_path, [1, 2], ('SentenceReading', 'Checkerboard', 'VisualSentences'))
    found = fetch_localizer(['sentence reading', 'checkerboard'], n_subjects=2, data_dir=tmp_path)
    assert [path.split('brainomics_data/')[1] for path in found.effect_files] == [
        'S01/cmaps_VisualSentences.nii.gz',
        'S01/cmaps_Checkerboard.nii.gz',
        'S02/cmaps_VisualSentences.nii.gz',
        'S02/cmaps_Checkerboard.nii.gz',
    ]
    assert len(found.participants) == 2
    assert attempts == []


@pytest.mark.parametrize('stem', [f'cmaps_{CONTRAST}', f'tmaps_{CONTRAST}'])
def test_subject_without_a_map_is_named(tmp_path, attempts, stem):
    lay_out(tmp_path, [1, 2, 3], missing={(2, stem)})
    with pytest.raises(DatasetError, match=r'for S02') as caught:
        fetch_localizer(n_subjects=3, data_dir=tmp_path)
    assert 'n_subjects=[1, 3]' in caught.value.advice
    assert len(fetch_localizer(n_subjects=[1, 3], data_dir=tmp_path).effect_files) == 2


def test_contrast_that_nobody_has(tmp_path, attempts):
    lay_out(tmp_path, [1, 2])
    with pytest.raises(DatasetError, match='S01, S02') as caught:
        fetch_localizer('checkerboard', n_subjects=2, data_dir=tmp_path)
    assert 'another contrast' in caught.value.advice


def test_subject_without_a_row_has_missing_values(tmp_path, attempts):
    folder = lay_out(tmp_path, [1, 2, 3])
    table = folder / 'brainomics_data' / 'participants.tsv'
    rows = pd.read_csv(table, sep='\t')
    rows[rows['participant_id'] != 'S02'].to_csv(table, sep='\t', index=False)
    found = fetch_localizer(n_subjects=3, data_dir=tmp_path)
    assert found.participants['participant_id'].tolist() == ['S01', 'S02', 'S03']
    assert found.participants['age'].isna().tolist() == [False, True, False]


def test_offline_names_the_folder_and_the_alternative(tmp_path, attempts):
    with pytest.raises(DatasetError) as caught:
        fetch_localizer(data_dir=tmp_path)
    text = str(caught.value)
    assert str(tmp_path / 'brainomics_localizer') in text
    assert 'SimulateGroup' in text
    assert 'nistats-nipype demo' in text
    assert attempts == ['osf.io']  # one try, no retries
    assert not (tmp_path / 'brainomics_localizer').exists()


def test_failed_download_keeps_whole_files_only(tmp_path, monkeypatch):
    folder = lay_out(tmp_path, [1, 2])
    kept = sorted(folder.rglob('*'))
    (folder / 'brainomics_data' / 'S02' / f'tmaps_{CONTRAST}.nii.gz').unlink()
    kept.remove(folder / 'brainomics_data' / 'S02' / f'tmaps_{CONTRAST}.nii.gz')

    def break_off(session, request, **_):
        raise_after_half_a_file(request.url)

    def raise_after_half_a_file(url):
        sandbox = next(path for path in folder.iterdir() if path not in kept)
        (sandbox / f'{url.rstrip("/").split("/")[-1]}.part').write_bytes(b'half')
        raise ConnectionResetError('Connection reset by peer')

    monkeypatch.setattr('requests.Session.send', break_off)
    with pytest.raises(DatasetError, match='Connection reset'):
        fetch_localizer(n_subjects=2, data_dir=tmp_path)
    assert sorted(folder.rglob('*')) == kept


def test_unreadable_index_says_what_to_delete(tmp_path, attempts):
    folder = lay_out(tmp_path, [1])
    (folder / 'download').write_text('<html>Please log in</html>')
    with pytest.raises(DatasetError, match='index') as caught:
        fetch_localizer(n_subjects=1, data_dir=tmp_path)
    assert 'Delete' in caught.value.advice


def test_unknown_contrast_suggests_close_names(attempts):
    with pytest.raises(InputError) as caught:
        fetch_localizer(['left vs rihgt button press'])
    assert "'left vs right button press'" in caught.value.advice
    assert attempts == []


@pytest.mark.parametrize('contrasts', [[], ['checkerboard', 'checkerboard'], [3]])
def test_unusable_contrasts(contrasts):
    with pytest.raises(InputError):
        fetch_localizer(contrasts)


@pytest.mark.parametrize(
    'n_subjects', [0, 95, -1, [], [1, 1], [0], [95], [1.5], None, 'two', ['a']]
)
def test_unusable_subjects(n_subjects):
    with pytest.raises(InputError, match='n_subjects='):
        fetch_localizer(n_subjects=n_subjects)
