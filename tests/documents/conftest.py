"""The study that the documents speak of: every file that a block of code names."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.datasets import simulate_group

N_SUBJECTS = 12


def _write(path, text):
    path.write_text(text)


def _place(maps, folder, pattern):
    """Copy maps to numbered names in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(maps, 1):
        target = folder / pattern.format(n=number, s=f'sub-{number:02d}')
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _write_table(study):
    # Ages, and sites that have numbers for names, as in the guide on checks.
    pd.DataFrame(
        {
            'participant_id': [f'sub-{n:02d}' for n in range(1, N_SUBJECTS + 1)],
            'group': ['control', 'patient'] * (N_SUBJECTS // 2),
            'age': [24, 31, 38, 27, 45, 52, 70, 66, 58, 49, 36, 61],
            'sex': list('ffmmfmmffmfm'),
            'site': [1, 2, 3] * (N_SUBJECTS // 3),
            'effect_file': [
                f'first_level/sub-{n:02d}_stat-effect_statmap.nii.gz'
                for n in range(1, N_SUBJECTS + 1)
            ],
            'gm_file': [f'sub-{n:02d}_gm.nii.gz' for n in range(1, N_SUBJECTS + 1)],
            'variance_file': [
                f'first_level/sub-{n:02d}_stat-variance_statmap.nii.gz'
                for n in range(1, N_SUBJECTS + 1)
            ],
        }
    ).to_csv(study / 'participants.tsv', sep='\t', index=False)


def _write_designs(study):
    """FSL's files of two groups, and the numbers of blocks and variance groups."""
    groups = np.tile(np.eye(2, dtype=int), (N_SUBJECTS // 2, 1))
    rows = '\n'.join(f'{a} {b}' for a, b in groups)
    head = f'/NumWaves 2\n/NumPoints {N_SUBJECTS}\n/PPheights 1 1\n/Matrix\n'
    _write(study / 'design.mat', f'{head}{rows}\n')
    _write(
        study / 'design.con',
        '/ContrastName1 patients\n/ContrastName2 controls\n/NumWaves 2\n/NumContrasts 2\n'
        '/PPheights 1 1\n/RequiredEffect 1 1\n/Matrix\n-1 1\n1 -1\n',
    )
    table = pd.read_csv(study / 'participants.tsv', sep='\t')
    table.assign(intercept=1.0)[['intercept', 'age']].to_csv(
        study / 'design.tsv', sep='\t', index=False
    )
    pairs = np.repeat(np.arange(1, N_SUBJECTS // 2 + 1), 2)
    _write(study / 'pairs.csv', ''.join(f'{pair}\n' for pair in pairs))
    _write(study / 'groups.csv', '1\n2\n' * (N_SUBJECTS // 2))


def _write_drug_study(study, maps):
    """Two conditions of six subjects, for paired designs."""
    rows = []
    for subject in range(1, N_SUBJECTS // 2 + 1):
        for state in ('off', 'on'):
            name = f'sub-{subject:02d}_{state}.nii.gz'
            shutil.copyfile(maps[len(rows)], study / name)
            shutil.copyfile(maps[len(rows)], study / f'{state}_{subject}.nii.gz')
            rows.append((f'sub-{subject:02d}', state, name))
    pd.DataFrame(rows, columns=['participant_id', 'drug', 'file']).to_csv(
        study / 'maps.tsv', sep='\t', index=False
    )


@pytest.fixture(scope='session')
def model_study(tmp_path_factory):
    """A folder with everything, to be copied."""
    study = tmp_path_factory.mktemp('study')
    group = simulate_group(
        tmp_path_factory.mktemp('group'), n_subjects=N_SUBJECTS, resolution_mm=8, hole_fraction=0
    )
    effects, variances = group.effect_files, group.variance_files
    for maps, quantity, fsl in ((effects, 'effect', 'cope'), (variances, 'variance', 'varcope')):
        _place(maps, study / 'first_level', f'{{s}}_stat-{quantity}_statmap.nii.gz')
        _place(
            maps,
            study / 'derivatives' / 'fitlins' / 'node-subjectLevel',
            f'{{s}}/{{s}}_contrast-faces_stat-{quantity}_statmap.nii.gz',
        )
        _place(maps, study, f'{{s}}_{fsl}.nii.gz')
    _place(effects, study, '{s}_effect.nii.gz')
    _place(variances, study, '{s}_gm.nii.gz')
    shutil.copyfile(group.mask_file, study / 'mask.nii.gz')
    shutil.copyfile(group.tmap_files[0], study / 'zstat1.nii.gz')
    stacked = nib.concat_images(effects)
    for name in ('4d.nii.gz', 'maps.nii.gz'):
        nib.save(stacked, study / name)
    _write_table(study)
    _write_designs(study)
    _write_drug_study(study, effects)
    return study


@pytest.fixture
def study(model_study, tmp_path, monkeypatch):
    """A copy of the folder of one's own, which is the working folder, too."""
    folder = Path(shutil.copytree(model_study, tmp_path / 'study'))
    monkeypatch.chdir(folder)
    return folder
