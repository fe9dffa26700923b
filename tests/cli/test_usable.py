"""The table of execution plugins."""

import pytest

from nistats_nipype.cli import usable
from nistats_nipype.cli.main import main
from nistats_nipype.cli.plugin import find_plugin, stock_plugins


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with no commands at all."""
    monkeypatch.setenv('PATH', str(tmp_path))
    return tmp_path


def test_each_name_in_the_table_is_a_plugin(bare):
    survey = usable.survey_plugins()
    found = {find_plugin(name) for name in survey}
    assert len(found) == len(survey)
    assert {find_plugin(name) for name in stock_plugins()} <= found
    assert list(survey)[:4] == ['MultiProc', 'SLURM', 'SGE', 'Dask']


def test_commands_that_are_missing(bare):
    survey = usable.survey_plugins()
    assert survey['Linear'] is survey['MultiProc'] is survey['nipype.MultiProc'] is None
    assert survey['SLURM'] == 'no command sbatch, scancel, squeue, scontrol'
    assert survey['SLURMGraph'] == survey['nipype.SLURM'] == 'as SLURM'
    assert survey['LSF'] == 'no command bsub'
    (bare / 'bsub').touch(mode=0o755)
    assert usable.survey_plugins()['LSF'] is None


def test_a_scheduler_that_does_not_answer(bare):
    for name in ('sbatch', 'scancel', 'squeue', 'scontrol'):
        (bare / name).write_text('#!/bin/sh\necho no ctld >&2\nexit 1\n')
        (bare / name).chmod(0o755)
    assert usable.survey_plugins()['SLURM'] == 'no ctld'


def test_packages_that_are_missing(bare, monkeypatch):
    monkeypatch.setattr(usable, '_PACKAGES', {'IPython': 'no_such_package', 'SomaFlow': 'json'})
    survey = usable.survey_plugins()
    assert survey['IPython'] == 'no package no_such_package'
    assert survey['SomaFlow'] is None


def test_the_command_prints_the_table(bare, capsys):
    assert main(['plugins']) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in lines[1:-2] if line.split()[1:]}
    assert rows['Linear'] == 'yes'
    assert rows['SGE'] == 'no'
    assert 'no command qsub' in next(line for line in lines if line.startswith('SGE '))
