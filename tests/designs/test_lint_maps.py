"""Maps that stand apart: planted in simulated groups, and none in groups without."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.datasets import simulate_group
from nistats_nipype.designs.lint_maps import find_outliers, groups_of_design, lint_maps
from nistats_nipype.images.sampling import sample_maps
from nistats_nipype.stats.diagnostics import summarize_maps

N_MAPS = 16


@pytest.fixture(scope='module')
def group(tmp_path_factory):
    folder = tmp_path_factory.mktemp('group')
    return simulate_group(folder, n_subjects=N_MAPS, resolution_mm=8, seed=11, effect_size=3.0)


def spoilt(group, tmp_path, change):
    """The group, with the map of sub-04 changed."""
    image = nib.load(group.effect_files[3])
    data = change(image.get_fdata(dtype=np.float32))
    path = tmp_path / 'sub-04_effect.nii'
    nib.save(nib.Nifti1Image(data, image.affine), path)
    return [*group.effect_files[:3], str(path), *group.effect_files[4:]]


def observed(data):
    return np.isfinite(data) & (data != 0)


def shift(data):
    return np.where(observed(data), data + 3 * np.std(data[observed(data)]), data)


def shuffle(data):
    """Noise with the same values: all that is left is where they are."""
    changed = data.copy()
    changed[observed(data)] = np.random.default_rng(0).permutation(data[observed(data)])
    return changed


def cut(data):
    changed = data.copy()
    changed[:, : data.shape[1] // 2] = np.nan
    return changed


BAD = {
    'in other units': (lambda data: 10 * data, 'map-sd', 'times as much', 'scaling'),
    'divided twice': (lambda data: data / 30, 'map-sd', 'of those of the median', 'scaling'),
    'shifted': (shift, 'map-mean', 'standard deviations of a map away', 'subtracted'),
    'of the wrong sign': (lambda data: -data, 'map-similarity', 'sign', 'contrast'),
    'of noise': (shuffle, 'map-similarity', 'mean of the others', 'whose it is'),
    'cut': (cut, 'map-coverage', '% of the voxels', 'field of view'),
}


@pytest.mark.parametrize('what', BAD)
def test_a_planted_map_is_found(group, tmp_path, what):
    change, code, found, advice = BAD[what]
    findings = lint_maps(spoilt(group, tmp_path, change))
    assert [(each.code, each.where) for each in findings] == [(code, 'sub-04')]
    assert findings[0].severity == 'warning'
    assert found in findings[0].problem
    assert advice in findings[0].advice


def test_nothing_is_said_of_the_group_itself(group):
    assert lint_maps(group.effect_files) == []
    assert lint_maps(group.effect_files, mask_file=group.mask_file) == []


def test_flat_and_empty_maps_are_errors(group, tmp_path):
    for change, words in (
        (lambda data: np.where(observed(data), 2.5, data), 'one value everywhere'),
        (lambda data: 0 * data, 'no value'),
    ):
        (found,) = lint_maps(spoilt(group, tmp_path, change))
        assert (found.severity, found.code, found.where) == ('error', 'flat-map', 'sub-04')
        assert words in found.problem


def test_the_same_map_scaled(group, tmp_path):
    other = nib.load(group.effect_files[8]).get_fdata(dtype=np.float32)
    findings = lint_maps(spoilt(group, tmp_path, lambda data: 1.5 * other))
    (found,) = [each for each in findings if each.code == 'same-map']
    assert 'sub-04 and sub-09 have the same values' in found.problem


def test_variances_of_groups(group, tmp_path):
    """Noise around the mean of the group, three times as large in every second map."""
    files = []
    rng = np.random.default_rng(1)
    image = nib.load(group.effect_files[0])
    labels = np.arange(N_MAPS) % 2
    for row in range(N_MAPS):
        noise = rng.standard_normal(image.shape) * (1 + 2 * labels[row])
        path = tmp_path / f'sub-{row:02d}.nii'
        nib.save(nib.Nifti1Image(noise.astype(np.float32), image.affine), path)
        files.append(str(path))
    (found,) = [each for each in lint_maps(files, groups=labels) if each.severity == 'warning'
                and each.code == 'unequal-variances']  # fmt: skip
    ratio = float(found.problem.split(' vary ')[1].split(' times')[0])
    assert ratio == pytest.approx(9, rel=0.1)
    assert '--variance-groups' in found.advice
    shuffled = np.repeat([0, 0, 1, 1], 4)
    assert [each for each in lint_maps(files, groups=shuffled)
            if each.code == 'unequal-variances'] == []  # fmt: skip


def test_groups_are_those_of_the_design():
    group = np.repeat([0.0, 1.0], 10)
    age = np.linspace(20, 60, 20)
    design = pd.DataFrame({'intercept': 1.0, 'group[T.b]': group, 'age': age})
    assert groups_of_design(design).tolist() == group.tolist()
    assert groups_of_design(design[['intercept', 'age']]) is None
    # The subjects of a paired test are no groups that have a variance.
    paired = design.assign(subject=(np.arange(20) < 4) * 1.0)
    assert groups_of_design(paired) is None


@pytest.mark.slow
def test_rates_over_simulated_groups(tmp_path):
    """How often a planted map is found, and how often one is where there is none."""
    n_groups, alarms = 40, 0
    found = dict.fromkeys(('scaled', 'shifted', 'of the wrong sign'), 0)
    names = list(map(str, range(N_MAPS)))
    for seed in range(n_groups):
        folder = tmp_path / str(seed)
        group = simulate_group(folder, n_subjects=N_MAPS, resolution_mm=8, seed=2000 + seed)
        _, values = sample_maps(group.effect_files)
        alarms += bool(find_outliers(names, summarize_maps(values)))
        for kind, change in (
            ('scaled', lambda row: 3 * row),
            ('shifted', lambda row: row + 3 * np.nanstd(row)),
            ('of the wrong sign', np.negative),
        ):
            spoilt = values.copy()
            spoilt[2] = change(spoilt[2])
            findings = find_outliers(names, summarize_maps(spoilt))
            found[kind] += '2' in {each.where for each in findings}
    # Four measures with one alarm in a hundred groups each, and a margin of three errors.
    assert alarms <= 0.04 * n_groups + 3 * np.sqrt(0.04 * n_groups)
    assert found['scaled'] >= 0.9 * n_groups
    assert found['shifted'] >= 0.9 * n_groups
    assert found['of the wrong sign'] >= 0.7 * n_groups
