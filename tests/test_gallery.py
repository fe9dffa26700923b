"""The scripts of the gallery run as they stand, on simulated data."""

import json
import math
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
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


def run(script, *arguments, cwd, n_pictures=2, plugin='Linear'):
    """Run a script, and give what it says of the planted truth."""
    command = [sys.executable, str(GALLERY / script), '--out', 'out', '--plugin', plugin]
    done = subprocess.run(
        [*command, *arguments], check=False, cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pictures = [line for line in done.stdout.splitlines() if line.startswith('picture: ')]
    assert len(pictures) == n_pictures
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


EFFECTS = 'maps/sub-*/*_stat-effect_statmap.nii.gz'


def sphere(image, centre, radius):
    """Voxels of an image within a distance of a point, in mm."""
    places = np.moveaxis(np.indices(image.shape), 0, -1) @ image.affine[:3, :3].T
    return np.linalg.norm(places + image.affine[:3, 3] - centre, axis=-1) < radius


FRONTAL, OCCIPITAL = (38, 36, 26), (2, -84, 4)
#: Within it a planted effect has more than half of its height; beyond the other there is none.
CORE, REACH = 9, 20


def n_possible(folder):
    """How many relabellings there are, as the only test below a folder says."""
    (metadata,) = folder.rglob('permutation.json')
    return int(json.loads(metadata.read_text())['NumberOfPossibleRelabellings'])


@pytest.mark.slow
def test_paired(tmp_path):
    answer = run('04_paired.py', '--n-perm', '199', cwd=tmp_path, n_pictures=3)
    assert answer['paired']['found'] > 2 * answer['unpaired']['found']
    assert answer['paired']['t_at_peak'] > 2 * answer['unpaired']['t_at_peak']
    found = {}
    for name in ('paired', 'unpaired'):
        (p_file,) = (tmp_path / 'out' / 'work' / f'{name}_wf').rglob('p_fwe.nii.gz')
        p = nib.load(p_file)
        found[name] = p.get_fdata() <= 0.05
    # Each subject's maps change places or not; without pairs, 20 of 40 maps are "on".
    assert n_possible(tmp_path / 'out' / 'work' / 'paired_wf') == 2**20
    assert n_possible(tmp_path / 'out' / 'work' / 'unpaired_wf') == math.comb(40, 20)
    assert found['paired'][sphere(p, FRONTAL, CORE)].mean() > 0.8
    # 6 mm of smoothing spread it by a voxel or two; a response that does not change is not found.
    assert not found['paired'][~sphere(p, FRONTAL, REACH + 8)].any()
    assert found['unpaired'].sum() < found['paired'].sum() / 4


@pytest.mark.slow
def test_repeated_measures(tmp_path):
    run('05_repeated_measures_f.py', '--n-perm', '199', cwd=tmp_path, n_pictures=4)
    places = {}
    for contrast, regions in {
        'load': [FRONTAL, OCCIPITAL],
        'load1vs0': [FRONTAL],
        'load2vs1': [FRONTAL, OCCIPITAL],
    }.items():
        stem = f'{tmp_path}/out/contrast-{contrast}_stat-'
        p = nib.load(f'{stem}p_desc-voxelContrastsFWE_statmap.nii.gz')
        z = nib.load(f'{stem}z_statmap.nii.gz').get_fdata()
        found = p.get_fdata() <= 0.05
        for region in regions:
            places[contrast, region] = np.median(z[sphere(p, region, CORE)])
            assert found[sphere(p, region, CORE)].mean() > 0.8
        # Three conditions of each subject change places.
        assert (
            n_possible(tmp_path / 'out' / 'work' / 'second_level_wf' / f'contrast_{contrast}_wf')
            == 6**20
        )
        far = np.all([~sphere(p, region, REACH + 8) for region in regions], axis=0)
        assert not found[far].any()
    assert [name for name, z in places.items() if z < 0] == [('load2vs1', OCCIPITAL)]


@pytest.mark.slow
def test_regression(tmp_path):
    answer = run('06_regression.py', '--n-perm', '199', cwd=tmp_path, n_pictures=3)
    out_dir = tmp_path / 'out'
    (p_file,) = (out_dir / 'work' / 'age_wf').rglob('p_fwe.nii.gz')
    p = nib.load(p_file)
    found = p.get_fdata() <= 0.05
    assert found[sphere(p, OCCIPITAL, CORE)].mean() > 0.8
    assert found[~sphere(p, OCCIPITAL, REACH)].sum() <= 5
    assert answer['motion']['voxels'] <= 5 < answer['motion_alone']['voxels']
    # Slope and t at the peak, of a model that is not partitioned.
    table = pd.read_csv(out_dir / 'maps' / 'motion.tsv', sep='\t')
    design = np.column_stack([np.ones(len(table)), table['age'], table['motion']])
    (t_file,) = (out_dir / 'work' / 'age_wf').rglob('stat.nii.gz')
    peak = np.unravel_index(nib.load(t_file).get_fdata().argmax(), p.shape)
    values = [nib.load(out_dir / 'maps' / path).get_fdata()[peak] for path in table['effect_file']]
    estimate, (rss,), *_ = np.linalg.lstsq(design, np.array(values), rcond=None)
    error = np.sqrt(rss / (len(table) - 3) * np.linalg.inv(design.T @ design)[1, 1])
    assert answer['peak']['slope'] == pytest.approx(estimate[1], rel=1e-6)
    assert answer['peak']['error'] == pytest.approx(error, rel=1e-6)
    assert answer['peak']['t'] == pytest.approx(estimate[1] / error, rel=1e-4)


@pytest.mark.slow
def test_scatter_gather(tmp_path):
    script = '07_slurm_scatter_gather.py'
    arguments = ('--resolution', '4', '--n-perm', '199', '--n-chunks', '3')
    answer = run(script, *arguments, cwd=tmp_path, plugin='MultiProc')
    assert answer['plugin'] == 'MultiProc'
    assert len(answer['compared']) == 10
    first, second = (
        tmp_path / 'out' / name / 'permutation_wf' / 'merge_permutations'
        for name in ('scattered', 'single')
    )
    # A line for the header, and one for the observed labelling.
    assert (first / 'null.tsv').read_text().count('\n') == 199 + 2
    for name in ('p_fwe.nii.gz', 'null.tsv', 'permutation.json'):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    t = nib.load(first / 'stat.nii.gz')
    found = nib.load(first / 'p_fwe.nii.gz').get_fdata() <= 0.05
    # The left hand moves the right hemisphere, and the right hand the left one.
    x = t.affine[0, 3] + t.affine[0, 0] * np.indices(t.shape)[0]
    high = (np.indices(t.shape)[2] * t.affine[2, 2] + t.affine[2, 3]) > 30
    assert found.sum() > 300
    assert (np.sign(t.get_fdata()) == np.sign(x))[found & high & (np.abs(x) > 15)].all()


@pytest.mark.slow
def test_single_interface(tmp_path):
    answer = run('08_single_interface.py', cwd=tmp_path)
    assert answer['named'] == ['sub-05', 'sub-11']
    # Of the maps that the script has analysed, these differ from the simulated ones.
    group = simulate_group(tmp_path / 'whole', n_subjects=16, resolution_mm=4, hole_fraction=0.0)
    differ = [
        path.parent.name
        for path, whole in zip(
            sorted((tmp_path / 'out').glob(EFFECTS)), group.effect_files, strict=True
        )
        if not np.array_equal(nib.load(path).get_fdata(), nib.load(whole).get_fdata())
    ]
    assert differ == answer['named']
    planted = nib.load(group.truth_file).get_fdata()
    strong = np.abs(planted) > 0.5
    assert answer['everybody']['found'] < answer['checked']['found'] / 2
    for name, least in {'everybody': 0.0, 'checked': 0.8}.items():
        (z_file,) = (tmp_path / 'out' / 'work' / f'fit_{name}').glob('z.nii.gz')
        z = nib.load(z_file).get_fdata()
        assert (z[strong] != 0).mean() > least
        assert (np.sign(z) == np.sign(planted))[strong & (z != 0)].all()
