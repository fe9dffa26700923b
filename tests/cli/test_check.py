"""The command ``check``, and what ``run`` makes of the same checks."""

import json

import nibabel as nib
import pytest

from nistats_nipype.cli import build
from nistats_nipype.cli.check import format_findings
from nistats_nipype.cli.main import main
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.designs.findings import Finding
from nistats_nipype.exceptions import DesignError

MODEL = ('--formula', 'age + site', '--contrast', 'age=age', '--n-perm', '200')


@pytest.fixture
def table(group, tmp_path):
    """Write the table of the group, with some columns changed; give the arguments for it."""

    def write(**columns):
        frame = group.frame.assign(**columns)
        frame['effect_file'] = [str(path) for path in group.maps]
        frame.to_csv(tmp_path / 'table.tsv', sep='\t', index=False)
        return ['--table', str(tmp_path / 'table.tsv'), '--map-column', 'effect_file']

    return write


def test_check_takes_every_option_of_run():
    commands = get_parser()._subparsers._group_actions[0].choices
    assert {*commands['run']._option_string_actions} <= {*commands['check']._option_string_actions}
    # 'run' may be replaced by 'check' and nothing else.
    arguments = ['out', '--maps', 'a.nii']
    assert get_parser().parse_args(['check', *arguments]).maps == ['a.nii']
    assert get_parser().parse_args(['check', *arguments[1:]]).maps == ['a.nii']


def test_a_sound_analysis(group, table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['check', 'out', *table(), *MODEL]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith('no errors, no warnings, 1 note\n')
    # Nothing is written.
    assert [path.name for path in tmp_path.iterdir()] == ['table.tsv']


def test_errors_are_all_listed_and_told_by_the_exit_code(group, table, capsys):
    arguments = [*table(age=3.0), *MODEL, '--contrast', 'x=height']
    assert main(['check', *arguments]) == 1
    printed = capsys.readouterr().out
    for word in ('error    age (constant)\n', 'error    x (contrast)\n', 'To do: Leave age out'):
        assert word in printed
    with pytest.raises(DesignError, match='errors') as raised:
        build.build_run(get_parser().parse_args(['run', 'out', *arguments]), 'out')
    assert 'age is 3 for every map' in str(raised.value)
    assert 'height' in str(raised.value)
    assert main(['run', 'out', *arguments]) == 2


def test_warnings_are_notes_of_a_run(group, table, capsys):
    age = group.frame['age'].copy()
    age.iloc[5] = 450
    arguments = [*table(age=age), *MODEL]
    analysis = build.build_run(get_parser().parse_args(['run', 'out', *arguments]), 'out')
    (note,) = [note for note in analysis.notes if 'slip of the pen' in note]
    assert note.startswith('age: age is 450 for sub-06')
    assert main(['check', *arguments]) == 0
    assert 'warning  age (outlier)' in capsys.readouterr().out


def test_errors_can_be_overruled(group, table, tmp_path):
    """Levels that differ in case only may be meant."""
    site = ['a', 'A', 'b'] * len(group.maps)
    command = ['run', 'out', *table(site=site[: len(group.maps)]), *MODEL]
    with pytest.raises(DesignError) as error:
        build.build_run(get_parser().parse_args(command), tmp_path / 'out')
    args = get_parser().parse_args([*command, '--on-check-error', 'report'])
    analysis = build.build_run(args, tmp_path / 'out')
    assert any(error.value.problem in note for note in analysis.notes)
    for name in ('check_design', 'check_maps'):
        assert analysis.workflow.get_node(name).inputs.on_error == 'report'


def test_maps_are_looked_at(group, table, tmp_path, capsys):
    image = nib.load(group.maps[3])
    odd = tmp_path / 'sub-04_effect.nii.gz'
    nib.save(nib.Nifti1Image(image.get_fdata(dtype='f4') * 1000, image.affine), odd)
    maps = [*map(str, group.maps[:3]), str(odd), *map(str, group.maps[4:])]
    assert main(['check', '--maps', *maps, '--json']) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(each['code'], each['where']) for each in listed if each['severity'] == 'warning'] == [
        ('map-sd', 'sub-04')
    ]
    assert set(listed[0]) == {'severity', 'code', 'where', 'problem', 'advice'}


def test_arguments_that_cannot_be_used_are_no_findings(group, table, capsys):
    assert main(['check', '--maps', 'nowhere.nii']) == 2
    assert main(['check', *table(), '--formula', 'age']) == 2
    assert '--formula needs --contrast' in capsys.readouterr().err


def test_lines_fit_the_terminal():
    findings = [
        Finding('error', 'x', 'age', 'word ' * 60, 'do ' * 60),
        Finding('note', 'y', 'b', 'Two\nlines.', ''),
    ]
    text = format_findings(findings, 60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count('To do:') == 1
    assert '         Two\n         lines.\n' in text
    assert text.endswith('1 error, no warnings, 1 note')
