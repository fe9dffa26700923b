"""Maps and variances from arguments: lists, columns, folders of other pipelines."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.cli import build
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.exceptions import GridError, InputError, NistatsNipypeError

from .conftest import SHAPE, save_map

PLAIN = ('--fwhm', '0', '--n-perm', '0')
MIXED = ('--model', 'reml', *PLAIN)


def parse(*arguments):
    return get_parser().parse_args(['run', 'out', *map(str, arguments)])


@pytest.fixture(scope='module')
def folder(group, tmp_path_factory):
    """The group as FitLins would leave it, and in FEAT folders, with variances."""
    folder = tmp_path_factory.mktemp('derivatives')
    rng = np.random.default_rng(9)
    rows = []
    for name, data in zip(group.frame['participant_id'], group.data, strict=True):
        variance = rng.chisquare(5, SHAPE) * (data != 0)
        bids = folder / 'fitlins' / 'node-subjectLevel' / name
        feat = folder / 'feat' / f'{name.removeprefix("sub-")}.feat' / 'stats'
        for each in (bids, feat):
            each.mkdir(parents=True)
        stem = f'{name}_contrast-faces_stat-'
        save_map(data, bids / f'{stem}effect_statmap.nii.gz')
        save_map(variance, bids / f'{stem}variance_statmap.nii.gz')
        shutil.copy(bids / f'{stem}effect_statmap.nii.gz', feat / 'cope3.nii.gz')
        shutil.copy(bids / f'{stem}variance_statmap.nii.gz', feat / 'varcope3.nii.gz')
        start = f'fitlins/node-subjectLevel/{name}/{stem}'
        rows.append({
            'participant_id': name, 'effect': f'{start}effect_statmap.nii.gz',
            'variance': f'{start}variance_statmap.nii.gz',
        })  # fmt: skip
    table = pd.DataFrame(rows).merge(group.frame[['participant_id', 'age']])
    table.iloc[::-1].to_csv(folder / 'participants.tsv', sep='\t', index=False)
    return folder


def inputs_of(analysis):
    return analysis.workflow.get_node('inputnode').inputs


def paths(folder, pattern):
    return sorted(map(str, folder.glob(pattern)))


EFFECTS = 'fitlins/*/*/*_stat-effect_statmap.nii.gz'
VARIANCES = 'fitlins/*/*/*_stat-variance_statmap.nii.gz'


@pytest.mark.parametrize(
    ('arguments', 'effects', 'variances'),
    [
        (['--maps', EFFECTS, '--variance-maps', VARIANCES], EFFECTS, VARIANCES),
        (['--derivatives', 'fitlins', '--entities', 'contrast=faces'], EFFECTS, VARIANCES),
        (
            ['--derivatives', 'feat', '--entities', 'cope=3'],
            'feat/*/stats/cope3.nii.gz',
            'feat/*/stats/varcope3.nii.gz',
        ),
    ],
)
def test_lists_and_folders(folder, monkeypatch, arguments, effects, variances):
    monkeypatch.chdir(folder)
    analysis = build.build_run(parse(*arguments, *MIXED), 'out')
    assert inputs_of(analysis).in_files == paths(folder, effects)
    assert inputs_of(analysis).variance_files == paths(folder, variances)
    assert analysis.workflow.get_node('fit_mixed').inputs.method == 'reml'
    assert analysis.notes == []


def test_columns_of_a_table(folder):
    arguments = (
        '--table', folder / 'participants.tsv', '--map-column', 'effect', '--variance-column',
        'variance', '--formula', 'age', '--contrast', 'age=age',
    )  # fmt: skip
    analysis = build.build_run(parse(*arguments, '--model', 'fixed', *PLAIN), 'out')
    assert inputs_of(analysis).in_files == paths(folder, EFFECTS)[::-1]
    assert inputs_of(analysis).variance_files == paths(folder, VARIANCES)[::-1]


def test_least_squares_take_no_variances_along(folder):
    arguments = ('--derivatives', folder / 'fitlins', '--entities', 'contrast=faces')
    analysis = build.build_run(parse(*arguments), 'out')
    assert len(inputs_of(analysis).in_files) == 12
    assert 'match_maps' not in analysis.workflow.list_node_names()


def test_robust_regression_takes_none_and_may_smooth(folder):
    arguments = ('--derivatives', folder / 'fitlins', '--entities', 'contrast=faces')
    options = ('--model', 'robust', '--n-perm', 0, '--fwhm', 6)
    workflow = build.build_run(parse(*arguments, *options), 'out').workflow
    names = workflow.list_node_names()
    assert {'fit_robust', 'prepare_wf.smooth'} <= set(names)
    assert not {'fit_glm', 'match_maps', 'prepare_wf.mask_variances'} & set(names)


def test_mixed_effects_are_permuted(folder):
    arguments = ('--derivatives', folder / 'fitlins', '--entities', 'contrast=faces')
    options = ('--model', 'reml', '--fwhm', 0, '--n-perm', 50)
    workflow = build.build_run(parse(*arguments, *options), 'out').workflow
    permute = workflow.get_node('contrast_mean_wf.permutation_wf.permute')
    assert permute.inputs.model == 'reml'


@pytest.mark.slow
def test_mixed_effects_are_permuted_from_the_command_line(folder, command, tmp_path):
    arguments = ('--derivatives', folder / 'fitlins', '--entities', 'contrast=faces')
    options = ('--model', 'dl', '--fwhm', 0, '--n-perm', 40, '--title', 'x')
    code, output = command('run', tmp_path / 'out', *arguments, *options)
    assert code == 0, output
    stem = tmp_path / 'out' / 'contrast-mean_stat-p_desc-voxelFWE_statmap'
    metadata = json.loads(stem.with_name(f'{stem.name}.json').read_text())
    assert (metadata['PermutedModel'], metadata['NumberOfRelabellings']) == ('dl', 41)
    mask = np.asarray(nib.load(tmp_path / 'out' / 'mask.nii.gz').dataobj) > 0
    y, v = (
        np.stack([np.asarray(nib.load(path).dataobj)[mask] for path in paths(folder, pattern)])
        for pattern in (EFFECTS, VARIANCES)
    )
    w, n = 1 / v.astype(float), len(y)
    q = (w * (y - (w * y).sum(axis=0) / w.sum(axis=0)) ** 2).sum(axis=0)
    scale = w.sum(axis=0) - (w**2).sum(axis=0) / w.sum(axis=0)
    w = 1 / (v + np.maximum(0, (q - (n - 1)) / scale))
    t = np.abs((w * y).sum(axis=0)) / np.sqrt(w.sum(axis=0))
    null = pd.read_csv(tmp_path / 'out' / 'contrast-mean_desc-voxelFWE_null.tsv', sep='\t')
    maxima = null['max_abs_t'].to_numpy()
    assert maxima[0] == pytest.approx(t.max(), rel=1e-6)
    p = np.asarray(nib.load(f'{stem}.nii.gz').dataobj)[mask]
    np.testing.assert_allclose(p, (maxima[:, None] >= t * (1 - 1e-6)).mean(axis=0), rtol=1e-5)


def test_mixed_effects_beside_a_nuisance_are_refused_with_what_would_do(folder):
    arguments = (
        '--table', folder / 'participants.tsv', '--map-column', 'effect', '--variance-column',
        'variance', '--formula', 'age', '--contrast', 'mean=intercept', '--fwhm', 0,
    )  # fmt: skip
    with pytest.raises(NistatsNipypeError, match='cannot be permuted beside these') as error:
        build.build_run(parse(*arguments, '--model', 'reml'), 'out')
    assert '--model ols' in str(error.value)
    assert build.build_run(parse(*arguments, '--model', 'reml', '--n-perm', 0), 'out')


def test_influence_is_measured_if_asked_for(folder):
    arguments = ('--derivatives', folder / 'fitlins', '--entities', 'contrast=faces')
    node = 'contrast_mean_wf.measure_influence'
    names = build.build_run(parse(*arguments, '--influence'), 'out').workflow.list_node_names()
    assert node in names
    assert node not in build.build_run(parse(*arguments), 'out').workflow.list_node_names()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--maps', 'a', '--derivatives', 'b'], 'not clear which maps'),
        (['--maps', 'a', '--entities', 'run=1'], '--entities needs --derivatives'),
        (['--maps', 'a', '--variance-column', 'v'], '--variance-column needs --map-column'),
        (['--maps', 'a', *MIXED], '--model reml needs the variances'),
        (['--derivatives', 'a', '--variance-maps', 'v', *MIXED], 'needs the variances'),
        (['--maps', 'a', '--variance-maps', 'v'], 'Nothing of the variances'),
        (
            ['--maps', 'a', '--variance-maps', 'v', '--variance-groups', 'g', *MIXED],
            'no variance groups',
        ),
        (['--maps', 'a', '--variance-maps', 'v', '--model', 'dl'], 'cannot be had with what else'),
        (
            ['--maps', 'a', '--model', 'robust', '--method', 'manly'],
            'cannot be had with what else',
        ),
        (
            ['--maps', 'a', '--model', 'robust', '--n-perm', '0', '--variance-maps', 'v'],
            'Nothing of the variances',
        ),
        (
            ['--maps', 'a', '--model', 'robust', '--n-perm', '0', '--variance-groups', 'g'],
            'no variance groups',
        ),
        (['--maps', 'a', '--influence', '--variance-groups', 'g'], '--influence is measured'),
        (
            ['--maps', 'a', '--influence', '--model', 'robust', '--n-perm', '0'],
            '--influence is measured',
        ),
        (['--maps', 'a', '--unmatched', 'drop'], 'nothing to match'),
        (
            ['--derivatives', 'a', '--unmatched', 'drop', '--blocks', 'b', '--tmaps', 't'],
            'a line for every map',
        ),
    ],
)
def test_arguments_that_contradict_each_other(arguments, message):
    with pytest.raises(InputError, match=message):
        build.build_run(parse(*arguments), 'out')


def test_an_entity_is_a_key_with_a_value(capsys):
    with pytest.raises(SystemExit):
        parse('--derivatives', 'a', '--entities', 'faces')
    assert 'found faces, expected KEY=VALUE' in capsys.readouterr().err


def test_lists_that_do_not_match_are_refused_before_anything_runs(folder, tmp_path):
    effects, variances = paths(folder, EFFECTS), paths(folder, VARIANCES)
    with pytest.raises(InputError, match='do not belong together') as error:
        build.build_run(parse('--maps', *effects, '--variance-maps', *variances[2:], *MIXED), 'o')
    assert all(path in error.value.found for path in effects[:2])
    small = save_map(np.ones((3, 3, 3)), tmp_path / Path(variances[0]).name)
    with pytest.raises(GridError):
        build.build_run(
            parse('--maps', *effects, '--variance-maps', small, *variances[1:], *MIXED), 'o'
        )


def test_4d_files_of_another_number_are_refused(tmp_path):
    maps = save_map(np.ones((*SHAPE, 5)), tmp_path / 'copes.nii')
    variances = save_map(np.ones((*SHAPE, 4)), tmp_path / 'varcopes.nii')
    with pytest.raises(InputError, match='not one map of variances') as error:
        build.build_run(parse('--maps', maps, '--variance-maps', variances, *MIXED), 'out')
    assert error.value.found == '4 maps of variances, 5 maps'


def test_what_is_left_out_is_noted_and_handed_on(folder, tmp_path):
    shutil.copytree(folder / 'fitlins', tmp_path / 'fitlins')
    gone = paths(tmp_path, VARIANCES)[4]
    Path(gone).unlink()
    arguments = ('--derivatives', tmp_path / 'fitlins', *MIXED)
    with pytest.raises(InputError, match='do not have what was asked for'):
        build.build_run(parse(*arguments), 'out')
    analysis = build.build_run(parse(*arguments, '--unmatched', 'drop'), 'out')
    effect = paths(tmp_path, EFFECTS)[4]
    assert analysis.notes == [f'Left out: {effect} (no map of variances).']
    assert analysis.workflow.get_node('match_maps').inputs.left_out == [
        {'file': effect, 'reason': 'no map of variances'}
    ]


@pytest.mark.slow
def test_mixed_effects_of_a_folder_from_end_to_end(folder, command, tmp_path):
    (tmp_path / 'table.tsv').write_text(
        '\n'.join(['participant_id\tage', *(f'{n:02d}\t{20 + n % 5}' for n in range(1, 12))])
    )
    arguments = (
        'run', 'out', '--derivatives', folder / 'fitlins', '--entities', 'contrast=faces',
        '--table', 'table.tsv', '--formula', 'age', '--contrast', 'age=age', '--model', 'reml',
        *PLAIN, '--n-procs', 2,
    )  # fmt: skip
    code, output = command(*arguments)
    assert code == 2
    assert 'Maps have no row in the table' in output
    code, output = command(*arguments, '--unmatched', 'drop')
    assert code == 0, output
    assert 'sub-12_contrast-faces_stat-effect_statmap.nii.gz (no row in the table)' in output
    out = tmp_path / 'out'
    mask = np.asarray(nib.load(out / 'mask.nii.gz').dataobj) > 0
    y, v = (
        np.stack([nib.load(path).get_fdata()[mask] for path in paths(folder, pattern)[:11]])
        for pattern in (EFFECTS, VARIANCES)
    )
    v = v + nib.load(out / 'stat-tau2_statmap.nii.gz').get_fdata()[mask]
    design = np.column_stack([np.ones(11), [20 + n % 5 for n in range(1, 12)]]).astype(float)
    covariance = np.linalg.inv(np.einsum('ni,nv,nj->vij', design, 1 / v, design))
    beta = np.einsum('vij,nj,nv->iv', covariance, design, y / v)
    t = nib.load(out / 'contrast-age_stat-t_statmap.nii.gz').get_fdata()[mask]
    np.testing.assert_allclose(t, beta[1] / np.sqrt(covariance[:, 1, 1]), rtol=1e-2, atol=1e-3)
    dropped = json.loads((out / 'maps.json').read_text())['Dropped']
    assert [each['reason'] for each in dropped] == ['no row in the table']
