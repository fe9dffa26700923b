"""Standard designs on the command line."""

import shlex

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nistats_nipype.cli import build
from nistats_nipype.cli.main import main
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.interfaces import BuildStandardDesign

from .conftest import SHAPE, save_map


@pytest.fixture
def repeated(group):
    """The maps of six participants with two each, in a table in another order."""
    frame = pd.DataFrame(
        {
            'participant_id': np.repeat([f'sub-{number}' for number in range(6)], 2),
            'drug': ['off', 'on'] * 6,
            'arm': np.repeat(list('aababb'), 2),
            'file': group.frame['effect_file'],
        }
    )
    path = group.folder / 'repeated.tsv'
    frame.sample(frac=1, random_state=2).to_csv(path, sep='\t', index=False)
    return path


def design(kind, out, table, *arguments):
    return main(['design', kind, str(out), '--table', str(table), *map(str, arguments)])


PAIRED = ('--map-column', 'file', '--subject', 'participant_id', '--within', 'drug')


def test_the_command_that_is_shown_can_be_run(repeated, tmp_path, capsys):
    out = tmp_path / 'my design'
    assert design('paired', out, repeated, *PAIRED) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('Paired test: drug (off, on), exchanged within each of 6 subjects.\n')
    names = ['blocks.csv', 'contrast-onOff.json', 'design.json', 'design.tsv']
    assert sorted(path.name for path in out.iterdir()) == names
    assert all(f'  {out / name}\n' in shown for name in names)
    program, *argv = shlex.split(shown.splitlines()[-1])
    assert program == 'nistats-nipype'
    analysis = build.build_run(get_parser().parse_args([*argv, '--n-perm', '99']), tmp_path)
    assert analysis.labels == ['onOff']
    assert analysis.workflow.inputs.inputnode.blocks_file == str(out / 'blocks.csv')
    # Of 64 relabellings, p of .05 can be had: nothing but the order of rows to note.
    assert len(analysis.notes) == 1


@pytest.mark.parametrize(
    ('kind', 'arguments', 'options'),
    [
        ('ancova', ('--group', 'site', '--covariates', 'age', '--interaction'), ['--contrast']),
        ('two-sample', ('--group', 'site', '--unequal-variance'), ['--variance-groups']),
        ('regression', ('--covariates', 'age', '--nuisance', 'site'), []),
        ('one-sample', (), []),
    ],
)
def test_every_command_that_is_shown_is_sound(group, tmp_path, capsys, kind, arguments, options):
    assert design(kind, tmp_path, group.table, '--map-column', 'effect_file', *arguments) == 0
    argv = shlex.split(capsys.readouterr().out.splitlines()[-1])[1:]
    assert set(options) <= set(argv)
    assert build.build_run(get_parser().parse_args([*argv, '--n-perm', '9']), tmp_path).labels


def test_an_interaction(repeated, tmp_path, capsys):
    arguments = ('--group', 'arm', '--effect', 'arm:drug')
    assert design('mixed', tmp_path, repeated, *PAIRED, *arguments) == 0
    argv = shlex.split(capsys.readouterr().out.splitlines()[-1])[1:]
    analysis = build.build_run(get_parser().parse_args([*argv, '--n-perm', '9']), tmp_path)
    assert analysis.labels == ['armDrug']


def test_averages_are_for_workflows(repeated, tmp_path, capsys):
    arguments = ('--group', 'arm', '--effect', 'arm')
    assert design('mixed', tmp_path, repeated, *PAIRED, *arguments) == 0
    shown = capsys.readouterr().out
    assert 'AverageMaps' in shown
    assert 'nistats-nipype run' not in shown
    assert (tmp_path / 'averages.csv').is_file()


@pytest.mark.parametrize(
    ('kind', 'arguments', 'said'),
    [
        ('paired', ('--subject', 'participant_id'), 'Add within.'),
        ('paired', (*PAIRED[2:], '--group', 'arm'), 'Leave out group.'),
        ('two-sample', ('--group', 'arm'), 'duplicate participants'),
        ('mixed', (*PAIRED[2:], '--group', 'arm', '--effect', 'time'), 'effect time is none'),
    ],
)
def test_refused_before_anything_is_written(repeated, tmp_path, capsys, kind, arguments, said):
    out = tmp_path / 'out'
    assert design(kind, out, repeated, '--map-column', 'file', *arguments) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_cannot_be_made(repeated, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert design('paired', tmp_path / 'file' / 'out', repeated, *PAIRED) == 2
    assert 'could not be made' in capsys.readouterr().err


def test_kinds_are_those_of_the_interface():
    kinds = get_parser()._subparsers._group_actions[0].choices['design']._actions[1].choices
    assert set(kinds) == set(BuildStandardDesign().inputs.trait('kind').handler.values)


def test_participants_with_several_rows_need_blocks(repeated, tmp_path, capsys):
    common = ['run', str(tmp_path / 'r'), '--table', str(repeated), '--map-column', 'file']
    common += ['--formula', 'participant_id + drug', '--contrast', 'drug=drug[T.on]']
    assert main(common) == 2
    assert 'duplicate participants' in capsys.readouterr().err
    blocks = tmp_path / 'blocks.csv'
    table = pd.read_csv(repeated, sep='\t')
    blocks.write_text(''.join(f'{int(name[4:]) + 1}\n' for name in table['participant_id']))
    args = get_parser().parse_args([*common, '--blocks', str(blocks), '--n-perm', '9'])
    analysis = build.build_run(args, tmp_path / 'r')
    assert analysis.workflow.get_node('build_design').inputs.repeated is True
    assert analysis.labels == ['drug']


@pytest.mark.slow
def test_a_paired_test_from_end_to_end(group, repeated, tmp_path, capsys, command):
    assert design('paired', tmp_path / 'd', repeated, *PAIRED) == 0
    argv = shlex.split(capsys.readouterr().out.splitlines()[-1])[1:]
    save_map(np.broadcast_to(group.data.any(axis=0), SHAPE), tmp_path / 'mask.nii')
    code, output = command(
        *('run', 'out', *argv[2:], '--mask', 'mask.nii', '--fwhm', 0, '--n-perm', 99),
        *('--n-chunks', 1, '--plugin', 'Linear'),
        timeout=280,
    )
    assert code == 0, output
    mask = group.data.any(axis=0)
    data = group.data[:, mask].astype(float)
    expected = stats.ttest_rel(data[1::2], data[::2])
    out = tmp_path / 'out'
    t = nib.load(out / 'contrast-onOff_stat-t_statmap.nii.gz').get_fdata()[mask]
    np.testing.assert_allclose(t, expected.statistic, rtol=1e-4, atol=1e-4)
    p = nib.load(out / 'contrast-onOff_stat-p_statmap.nii.gz').get_fdata()[mask]
    np.testing.assert_allclose(p, expected.pvalue, rtol=1e-3, atol=1e-5)
    metadata = (out / 'contrast-onOff_stat-logp_desc-voxelFWE_statmap.json').read_text()
    assert '"NumberOfRelabellings": 64' in metadata
