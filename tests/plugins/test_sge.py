"""SGEPlugin: what it makes of what the commands print. tests/clusters has the real ones."""

from itertools import pairwise

import pytest

from nistats_nipype.exceptions import SchedulerError
from nistats_nipype.plugins import sge
from nistats_nipype.plugins.batch import Job
from nistats_nipype.plugins.scheduler import Listed

# Printed by SGE 8.1.9, shortened.
QSTAT = """<?xml version='1.0'?>
<job_info xmlns:xsd="http://example.org/qstat.xsd">
  <queue_info>
    <job_list state="running"><JB_job_number>3</JB_job_number><JB_name>x.tok.4</JB_name>
      <state>r</state><slots>1</slots></job_list>
  </queue_info>
  <job_info>
    <job_list state="pending"><JB_job_number>5</JB_job_number><JB_name>x.tok.6</JB_name>
      <state>Eqw</state><slots>1</slots></job_list>
    <job_list state="pending"><JB_job_number>6</JB_job_number><JB_name>y</JB_name>
      <state>hqw</state><slots>1</slots></job_list>
  </job_info>
</job_info>
"""
QACCT = """==============================================================
qname        all.q
hostname     n7
jobname      x.tok.2
failed       {}
exit_status  {}
ru_wallclock 3s
maxvmem      1.797MB
granted_pe   NONE
"""
KILLED = QACCT.format('100 : assumedly after job', '137                  (Killed)')


@pytest.fixture
def printed(monkeypatch):
    """What the commands print, by their name; others fail. Also the commands that were run."""
    answers, commands = {}, []

    def run_command(name, *arguments, cwd=None):
        commands.append((name, *map(str, arguments)))
        if name not in answers:
            raise SchedulerError(f'{name} failed.')
        return answers[name]

    monkeypatch.setattr(sge, 'run_command', run_command)
    return answers, commands


def test_jobs_are_listed_with_their_names(printed):
    printed[0]['qstat'] = QSTAT
    assert sge.SGEPlugin()._list_jobs() == {
        '3': Listed('x.tok.4', 'open'),
        '5': Listed('x.tok.6', 'stuck'),
        '6': Listed('y', 'open'),
    }


def test_an_answer_that_is_cut_off_is_none(printed):
    printed[0]['qstat'] = QSTAT[:300]
    with pytest.raises(SchedulerError, match='no XML'):
        sge.SGEPlugin()._list_jobs()


@pytest.mark.parametrize(
    ('text', 'reason', 'advice', 'sudden'),
    [
        (QACCT.format('0', '0'), 'exit status 0', 'log', False),
        (QACCT.format('0', '3'), 'exit status 3', 'log', False),
        (QACCT.format('0', '1'), 'exit status 1', 'log', True),
        (
            QACCT.format('26 : opening input/output file', '0'),
            'opening input/output file',
            'log',
            True,
        ),
        (KILLED, 'signal 9', 'h_rt', True),
        # Started again after a failure of the machine: the last counts.
        (KILLED + QACCT.format('0', '3'), 'exit status 3', 'log', False),
    ],
)
def test_the_end_of_a_job_is_told_by_the_accounting(printed, text, reason, advice, sudden):
    printed[0]['qacct'] = text
    ending = sge.SGEPlugin()._inquire('2')
    assert ending.reason == reason
    assert advice in ending.advice
    assert ending.sudden is sudden
    assert 'hostname=n7' in ending.details


def test_a_job_in_an_error_state_tells_why(printed):
    assert sge.SGEPlugin()._inquire('5') is None
    # The accounting has it, too.
    printed[0]['qacct'] = QACCT.format('28 : changing into working directory', '0')
    assert sge.SGEPlugin()._inquire('5').reason == 'changing into working directory'
    printed[0]['qstat'] = 'job_number: 5\nerror reason    1:  error: no such directory\n'
    ending = sge.SGEPlugin()._inquire('5')
    assert ending.details == 'error reason 1: error: no such directory'
    assert ending.sudden


class Node:
    n_procs = 4
    mem_gb_runtime = 3


@pytest.mark.parametrize(
    ('n_procs', 'plugin_args', 'request_'),
    [
        # 1 GB more than what is used, in all slots together.
        (4, {}, ['-pe', 'smp', '4', '-l', 'h_vmem=1024M']),
        (1, {}, ['-l', 'h_vmem=4096M']),
        (2, {'parallel_env': 'openmp', 'memory_resource': None}, ['-pe', 'openmp', '2']),
    ],
)
def test_a_job_gets_what_its_node_asks_for(printed, tmp_path, n_procs, plugin_args, request_):
    node, (answers, commands) = Node(), printed
    node.n_procs = n_procs
    job = Job('n.tok.1', 'wf.node', tmp_path / '1.task', tmp_path)
    answers['qsub'] = '4711\n'
    assert sge.SGEPlugin(plugin_args)._submit(job, node, ['-q', 'long.q']) == '4711'
    (command,) = commands
    assert command[0] == 'qsub'
    assert list(command[-3 - len(request_) :]) == [*request_, '-q', 'long.q', '1.sh']
    assert ('-o', '1.log') in pairwise(command)
