"""p corrected over voxels and contrasts, in the whole analysis."""

import html
import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

CONTRASTS = {'age': 'age', 'Patients > controls': 'group[T.patient]'}
LABELS = ('age', 'PatientsControls')


@pytest.fixture(scope='module')
def analyse(build, simulated, tmp_path_factory):
    """Run an analysis, in a new folder by default; give its results folder."""

    def analyse(folder=None, **inputs):
        folder = folder or tmp_path_factory.mktemp('joint')
        workflow = build(
            folder / 'work',
            simulated,
            **{
                'mask_file': simulated.mask_file,
                'formula': 'group + age',
                'contrasts': CONTRASTS,
                'correct_contrasts': True,
                'out_dir': folder / 'results',
                **inputs,
            },
        )
        workflow.run('Linear')
        return folder / 'results'

    return analyse


@pytest.fixture(scope='module')
def finished(analyse):
    """Results with TFCE; not to be written to."""
    return analyse(tfce=True, n_perm=30)


def read(folder, label, name):
    return nib.load(folder / f'contrast-{label}_stat-{name}_statmap.nii.gz').get_fdata()


def names(folder):
    return {path.name for path in folder.rglob('*') if 'ontrastsFWE' in path.name}


def test_names_of_the_results(finished):
    descs = [f'{stat}_desc-{what}ContrastsFWE' for stat in ('p', 'logp')
             for what in ('voxel', 'tfce')]  # fmt: skip
    stems = {f'contrast-{label}_stat-{desc}_statmap' for label in LABELS for desc in descs}
    expected = {f'{stem}.{kind}' for stem in stems for kind in ('nii.gz', 'json')}
    assert names(finished) == expected | {f'desc-contrastsFWE_null.{kind}' for kind in
                                          ('tsv', 'json')}  # fmt: skip


def test_p_are_those_of_the_maxima_over_contrasts(finished):
    """All contrasts are t of one number of degrees of freedom: raw t will do."""
    nulls = [
        pd.read_csv(finished / f'contrast-{label}_desc-voxelFWE_null.tsv', sep='\t')['max_abs_t']
        for label in LABELS
    ]
    maxima = np.max(nulls, axis=0)
    for label in LABELS:
        t = np.abs(read(finished, label, 't'))
        p = read(finished, label, 'p_desc-voxelContrastsFWE')
        expected = (maxima >= t[..., None] * (1 - 1e-6)).mean(axis=-1)
        np.testing.assert_allclose(p[t > 0], expected[t > 0], rtol=1e-6)
        np.testing.assert_allclose(
            read(finished, label, 'logp_desc-voxelContrastsFWE'), -np.log10(p), atol=1e-6
        )
    null = pd.read_csv(finished / 'desc-contrastsFWE_null.tsv', sep='\t')
    assert null.columns.tolist() == ['relabelling', 'max_z', 'max_tfce']
    assert null['max_z'].rank().tolist() == pd.Series(maxima).rank().tolist()


def test_p_are_no_smaller_than_for_each_contrast(finished):
    for label in LABELS:
        for what in ('voxel', 'tfce'):
            joint, alone = (
                read(finished, label, f'p_desc-{what}{over}FWE') for over in ('Contrasts', '')
            )
            assert (joint >= alone).all()
            assert (joint > alone).any()


def test_sidecars_say_how(finished):
    for label, name in zip(LABELS, CONTRASTS, strict=True):
        path = finished / f'contrast-{label}_stat-logp_desc-voxelContrastsFWE_statmap.json'
        sidecar = json.loads(path.read_text())
        assert sidecar['Contrast'] == name
        assert sidecar['Contrasts'] == list(CONTRASTS)
        assert sidecar['Tests'] == ['t(5), two-sided'] * 2
        assert sidecar['NumberOfRelabellings'] == 31
        assert sidecar['LeftOut'] == {}
        assert len(sidecar['ScheduleDigest']) == 64
        alone = path.with_name(path.name.replace('Contrasts', ''))
        assert json.loads(alone.read_text())['ScheduleDigest'] == sidecar['ScheduleDigest']


def test_the_report_tells(finished):
    text = html.unescape((finished / 'report.html').read_text())
    for label in LABELS:
        p = read(finished, label, 'p_desc-voxelContrastsFWE').min()
        shown = f'{p:.3f}'.removeprefix('0')
        assert f'smallest p over voxels and 2 contrasts: p = {shown} (voxels), p = ' in text
    assert 'Familywise error over voxels and 2 contrasts together was controlled' in text
    assert 'Alberton et al. 2020' in text
    assert 'want of a common scale' not in text


@pytest.mark.slow
def test_t_and_f(analyse):
    contrasts = {'age': 'age', 'any': ['age', 'group[T.patient]']}
    results = analyse(contrasts=contrasts, tfce=True)
    assert {name for name in names(results) if 'tfce' in name} == set()
    text = html.unescape((results / 'report.html').read_text())
    assert 'Not corrected over contrasts, for want of a common scale: TFCE.' in text
    sidecar = results / 'contrast-any_stat-p_desc-voxelContrastsFWE_statmap.json'
    assert json.loads(sidecar.read_text())['Tests'] == ['t(5), two-sided', 'F(2, 5)']


def times(folder):
    """When each node last computed, by its name."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.rglob('result_*.pklz')}


def test_adding_it_permutes_nothing_again(analyse, tmp_path):
    contrasts = {'age': 'age'}
    analyse(tmp_path, contrasts=contrasts, correct_contrasts=False)
    before = times(tmp_path / 'work')
    analyse(tmp_path, contrasts=contrasts)
    after = times(tmp_path / 'work')
    assert {'correct_contrasts', 'ds_joint'} <= set(after) - set(before)
    again = {name for name in before if after[name] != before[name]}
    checks = {'check_design', 'check_maps', 'plot_outliers', 'list_figures'}
    assert again <= {'make_report', 'ds_group', 'ds_contrast', 'list_contrasts', *checks}


@pytest.mark.slow
def test_without_it_nothing_differs(analyse, finished, digests):
    plain = digests(analyse(correct_contrasts=False, tfce=True, n_perm=30))
    joint = digests(finished)
    assert set(joint) - set(plain) == names(finished)
    assert {name for name in plain if joint[name] != plain[name]} == {'report.html'}
