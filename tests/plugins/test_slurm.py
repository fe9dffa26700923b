"""SLURMPlugin: what it makes of what the commands print. tests/clusters has the real ones."""

import pytest

from nistats_nipype.exceptions import SchedulerError
from nistats_nipype.plugins import slurm
from nistats_nipype.plugins.batch import Job
from nistats_nipype.plugins.scheduler import Listed

# Printed by SLURM 22.05, shortened.
SHOW = (
    'JobId=42 JobName=n.tok.1 UserId=ann(1000) JobState={} Reason={} Restarts=0 ExitCode={} '
    'RunTime=00:01:05 TimeLimit=00:01:00 NodeList=n7 Command=/a b/1.sh WorkDir=/a b \n'
)


@pytest.fixture
def printed(monkeypatch):
    """What the commands print, by their name; others fail. Also the commands that were run."""
    answers, commands = {}, []

    def run_command(name, *arguments, cwd=None):
        commands.append((name, *map(str, arguments)))
        if name not in answers:
            raise SchedulerError(f'{name} failed.')
        return answers[name]

    monkeypatch.setattr(slurm, 'run_command', run_command)
    return answers, commands


def test_jobs_are_listed_with_their_names(printed):
    printed[0]['squeue'] = (
        '1|PENDING|a|b.c\n2|COMPLETING|d\n3_7|OUT_OF_MEMORY|e\n4|REQUEUE_HOLD|f\n5|COMPLETED|\n'
    )
    assert slurm.SLURMPlugin()._list_jobs() == {
        '1': Listed('a|b.c', 'open'),
        '2': Listed('d', 'open'),
        '3_7': Listed('e', 'over'),
        '4': Listed('f', 'open'),
        '5': Listed('', 'over'),
    }


@pytest.mark.parametrize(
    ('state', 'reason', 'code', 'said', 'advice', 'sudden'),
    [
        ('COMPLETED', 'None', '0:0', 'COMPLETED', 'job_finished_timeout', False),
        ('FAILED', 'NonZeroExitCode', '3:0', 'FAILED', 'log', False),
        ('FAILED', 'NonZeroExitCode', '1:0', 'FAILED', 'log', True),
        ('FAILED', 'RaisedSignal:9(Killed)', '0:9', 'FAILED, signal 9', 'mem_gb', True),
        ('FAILED', 'NonZeroExitCode', '137:0', 'FAILED, signal 9', 'mem_gb', True),
        ('TIMEOUT', 'TimeLimit', '0:15', 'TIMEOUT', '--time', True),
        ('OUT_OF_MEMORY', 'OutOfMemory', '0:125', 'OUT_OF_MEMORY', '--mem', True),
        ('CANCELLED', 'None', '0:0', 'CANCELLED', 'start again', True),
    ],
)
def test_the_end_of_a_job_is_told_by_the_controller(
    printed, state, reason, code, said, advice, sudden
):
    printed[0]['scontrol'] = SHOW.format(state, reason, code)
    ending = slurm.SLURMPlugin()._inquire('42')
    assert ending.reason == said
    assert ending.sudden is sudden
    assert advice in ending.advice
    assert ending.details == (
        f'JobState={state}, Reason={reason}, ExitCode={code}, RunTime=00:01:05, '
        'TimeLimit=00:01:00, NodeList=n7'
    )


def test_the_accounting_is_asked_about_jobs_that_the_controller_has_forgotten(printed):
    plugin = slurm.SLURMPlugin()
    assert plugin._inquire('42') is None
    printed[0]['sacct'] = '\n'
    assert plugin._inquire('42') is None
    printed[0]['sacct'] = 'CANCELLED by 1000|0:15|00:00:07|01:00:00|n7\n'
    ending = plugin._inquire('42')
    assert ending.reason == 'CANCELLED by 1000'
    assert 'Elapsed=00:00:07' in ending.details
    assert 'start again' in ending.advice
    assert ending.sudden


class Node:
    n_procs = 4
    mem_gb_runtime = 2.5


@pytest.mark.parametrize(
    ('mem_gb', 'options', 'mem'),
    [
        (2.5, [], '--mem=2560M'),
        (0.2, [], '--mem=512M'),
        (2.5, ['--mem-per-cpu=1G'], '--mem-per-cpu=1G'),
    ],
)
def test_a_job_gets_what_its_node_asks_for(printed, tmp_path, mem_gb, options, mem):
    node, (answers, commands) = Node(), printed
    node.mem_gb_runtime = mem_gb
    job = Job('n.tok.1', 'wf.node', tmp_path / '100%' / '1.task', tmp_path)
    # With several clusters the name of one comes along; notes of the site go before.
    answers['sbatch'] = 'Welcome.\n4711;north\n'
    assert slurm.SLURMPlugin()._submit(job, node, options) == '4711'
    (command,) = commands
    assert command[0] == 'sbatch'
    assert command[-1] == '1.sh'
    assert '--cpus-per-task=4' in command
    assert f'--output={tmp_path}/100%%/1.log' in command
    assert [option for option in command if option.startswith('--mem')] == [mem]
