"""The scripts of the gallery run as they stand, on simulated data."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nistats_nipype.datasets.simulation import simulate_group

GALLERY = Path(__file__).parent.parent / 'workflows'


@pytest.mark.slow
def test_one_sample_localizer(tmp_path):
    script = GALLERY / '01_one_sample_localizer.py'
    command = [sys.executable, str(script), '--simulated', '--out', 'out', '--n-perm', '99']
    done = subprocess.run(
        command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (tmp_path / 'out').glob('*.png')} == {
        'subjects.png',
        'z.png',
        'cor_z.png',
    }
    (p_file,) = (tmp_path / 'out' / 'work').rglob('p_fwe.nii.gz')
    # What is planted does not depend on the number of subjects.
    truth_file = simulate_group(tmp_path / 'truth', n_subjects=2).truth_file
    significant = nib.load(p_file).get_fdata() <= 0.05
    truth = nib.load(truth_file).get_fdata()
    # 8 mm of smoothing spread what was planted by two voxels or so.
    assert significant.sum() > 500
    assert (np.abs(truth[significant]) > 0).mean() > 0.5
    assert significant[np.abs(truth) > 0.8].mean() > 0.5


def run(script, *arguments, cwd):
    """Run a script through Linear, and give what it says of the planted truth."""
    command = [sys.executable, str(GALLERY / script), '--out', 'out', '--plugin', 'Linear']
    done = subprocess.run(
        [*command, *arguments], check=False, cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pictures = [line for line in done.stdout.splitlines() if line.startswith('picture: ')]
    assert len(pictures) == 2
    assert all(Path(line.removeprefix('picture: ')).stat().st_size > 10_000 for line in pictures)
    return json.loads((cwd / 'out' / 'answer.json').read_text())


@pytest.mark.slow
def test_two_samples_with_covariate(tmp_path):
    answer = run('02_two_samples_with_covariate.py', '--n-perm', '199', cwd=tmp_path)
    for contrast in ('patients', 'age'):
        assert answer[contrast]['voxels'] > 30
        assert answer[contrast]['planted'] > 0.9


@pytest.mark.slow
def test_mixed_effects(tmp_path):
    answer = run('03_mixed_effects.py', cwd=tmp_path)
    assert answer['voxels'] > 300
    # Of what q < .05 finds, one in twenty need not be planted, on average.
    assert answer['planted'] > 0.85
