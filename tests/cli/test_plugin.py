"""Execution plugins: names, arguments, and workers that are left behind."""

import json
import multiprocessing
import time

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from nistats_nipype.cli import plugin
from nistats_nipype.cli.failures import read_failures
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.cli.progress import report_status
from nistats_nipype.exceptions import InputError, JobError


def load(*arguments, work_dir='/work'):
    return plugin.load_plugin_args(get_parser().parse_args(['run', 'out', *arguments]), work_dir)


def test_own_plugins_go_before_those_of_nipype():
    from nipype.pipeline import plugins as stock

    from nistats_nipype.plugins.slurm import SLURMPlugin

    assert plugin.find_plugin('Linear') is stock.LinearPlugin
    assert plugin.find_plugin('SLURM') is SLURMPlugin
    assert plugin.find_plugin('nipype.SLURM') is stock.SLURMPlugin
    for name in plugin.OWN:
        own = plugin.find_plugin(name)
        # By the name of the class, nipype knows that it is one.
        assert own.__name__ == f'{name}Plugin'
        assert own.__module__.startswith('nistats_nipype.plugins.')


@pytest.mark.parametrize(
    ('name', 'meant'), [('slurm', 'SLURM'), ('Multiproc', 'MultiProc'), ('linear', 'Linear')]
)
def test_a_misspelt_plugin_gets_a_hint(name, meant):
    with pytest.raises(InputError, match=repr(name)) as error:
        plugin.find_plugin(name)
    assert f'--plugin {meant}?' in error.value.advice


def test_a_plugin_like_no_other_is_refused_with_the_list():
    with pytest.raises(InputError, match='zzz') as error:
        plugin.find_plugin('zzz')
    assert 'MultiProc' in error.value.found
    assert 'Base' not in error.value.found


def test_what_plugins_leave():
    for name in ('Linear', 'MultiProc', 'LegacyMultiProc', 'nipype.MultiProc', *plugin.OWN):
        assert not plugin.leaves_jobs(name)
    for name in ('nipype.SLURM', 'SLURMGraph', 'PBS'):
        assert plugin.leaves_jobs(name)
    early = [name for name in plugin.stock_plugins() if plugin.returns_early(name)]
    assert early == ['CondorDAGMan', 'PBSGraph', 'SGEGraph', 'SLURMGraph']


def test_known_arguments_of_multiproc_are_those_that_nipype_reads():
    import inspect

    from nipype.pipeline.plugins import base, multiproc

    code = inspect.getsource(multiproc) + inspect.getsource(base)
    for name in plugin._LOCAL['MultiProc']:
        assert f'{name}"' in code or f"{name}'" in code or f'- {name}:' in code, name


@pytest.mark.parametrize(
    'text', ['n_procs: 2\nmemory_gb: 4\n', json.dumps({'n_procs': 2, 'memory_gb': 4})]
)
def test_yaml_and_json_are_read(tmp_path, text):
    (tmp_path / 'args').write_text(text)
    args = load('--plugin-args', str(tmp_path / 'args'))
    assert args == {'n_procs': 2, 'memory_gb': 4, 'status_callback': report_status}


def test_an_option_goes_before_the_file(tmp_path):
    (tmp_path / 'args').write_text('n_procs: 2')
    assert load('--plugin-args', str(tmp_path / 'args'), '--n-procs', '3')['n_procs'] == 3


@pytest.mark.parametrize('text', ['', '# nothing\n'])
def test_an_empty_file_is_no_arguments(tmp_path, text):
    (tmp_path / 'args').write_text(text)
    assert set(load('--plugin-args', str(tmp_path / 'args'))) == {'status_callback'}


@pytest.mark.parametrize(
    ('text', 'message', 'found'),
    [
        ('[1, 2', 'could not be read', 'flow sequence'),
        ('[1, 2]', 'not a mapping', 'list in'),
        ('0', 'not a mapping', 'int in'),
        ('n_proc: 2\n', 'does not know these arguments: n_proc', 'n_proc in'),
        ('n_procs: 0\n', 'no number of processes', '0'),
        ('n_procs: two\n', 'no number of processes', 'two'),
        ('n_procs: true\n', 'no number of processes', 'True'),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message, found):
    (tmp_path / 'args').write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load('--plugin-args', str(tmp_path / 'args'))
    assert found in error.value.found
    assert '\n' not in error.value.found


@pytest.mark.parametrize('content', [None, b'\xff\xfe\x00'])
def test_a_file_that_is_not_there_or_no_text(tmp_path, content):
    if content:
        (tmp_path / 'args').write_bytes(content)
    with pytest.raises(InputError, match='could not be read'):
        load('--plugin-args', str(tmp_path / 'args'))


def test_arguments_of_schedulers_are_theirs_to_judge(tmp_path):
    (tmp_path / 'args').write_text('sbatch_args: --partition=long\n')
    args = load('--plugin', 'SLURM', '--plugin-args', str(tmp_path / 'args'))
    assert args['sbatch_args'] == '--partition=long'
    with pytest.raises(InputError, match='SGEPlugin does not know') as error:
        load('--plugin', 'SGE', '--plugin-args', str(tmp_path / 'args'))
    assert 'qsub_args' in error.value.expected
    assert load('--plugin', 'nipype.SGE', '--plugin-args', str(tmp_path / 'args'))
    with pytest.raises(InputError, match='Linear does not know'):
        load('--plugin', 'Linear', '--plugin-args', str(tmp_path / 'args'))


def test_a_plugin_that_cannot_be_used_is_refused(monkeypatch):
    from nistats_nipype.plugins.slurm import SLURMPlugin

    monkeypatch.setattr(SLURMPlugin, 'commands', ('sbatch-of-nowhere',))
    with pytest.raises(InputError, match='SLURM cannot be used') as error:
        plugin.require_plugin('SLURM')
    assert error.value.found == 'no command sbatch-of-nowhere'
    plugin.require_plugin('MultiProc')


@pytest.mark.parametrize('name', ['Linear', 'SLURM'])
def test_processes_are_for_multiproc(name):
    with pytest.raises(InputError, match='--n-procs is for'):
        load('--plugin', name, '--n-procs', '2')


def test_a_job_does_not_get_more_processors_than_there_are():
    # nipype says 'Insufficient resources available for job', after everything is set up.
    with pytest.raises(InputError, match='more processors') as error:
        load('--n-procs', '2', '--n-threads', '3')
    assert '2 processors' in error.value.found
    assert load('--n-procs', '2', '--n-threads', '2')['n_procs'] == 2


def test_nipypes_plugins_for_schedulers_do_not_get_a_folder_with_a_space():
    with pytest.raises(InputError, match='space'):
        load('--plugin', 'nipype.SGE', work_dir='/my work')
    assert load('--plugin', 'SGE', work_dir='/my work')
    assert load('--plugin', 'MultiProc', work_dir='/my work')
    assert load('--plugin', 'Linear', work_dir='/my work')


def sleep(x):
    import time

    time.sleep(x)


def fail(x):
    raise ValueError('no such luck')


def test_workers_of_a_failed_run_are_ended(tmp_path):
    # nipype leaves the pool alone, and Python would wait for the sleeper before it ends.
    workflow = pe.Workflow('sleep_wf', base_dir=str(tmp_path))
    for function, x in ((sleep, 300), (fail, 1)):
        node = pe.Node(Function(['x'], ['out'], function=function), name=function.__name__)
        node.inputs.x = x
        workflow.add_nodes([node])
    workflow.config['execution'] = {
        'poll_sleep_duration': 0.05,
        'stop_on_first_crash': True,
        'crashdump_dir': str(tmp_path / 'crash'),
    }
    bystander = multiprocessing.Process(target=time.sleep, args=(300,))
    bystander.start()
    try:
        others = multiprocessing.active_children()
        runner = plugin.find_plugin('MultiProc')(plugin_args={'n_procs': 2})
        with pytest.raises(RuntimeError, match='no such luck'):
            workflow.run(plugin=runner)
        workers = set(multiprocessing.active_children()) - set(others)
        assert workers
        started = time.monotonic()
        plugin.end_workers(runner, spared=others)
        assert time.monotonic() - started < 60
        assert not any(worker.is_alive() for worker in workers)
        assert bystander.is_alive()
    finally:
        bystander.kill()
        bystander.join()


def end_myself(x):
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_ends_the_run(tmp_path):
    # As the kernel does when memory runs out; nipype's own plugin waits for ever.
    workflow = pe.Workflow('kill_wf', base_dir=str(tmp_path))
    node = pe.Node(Function(['x'], ['out'], function=end_myself), name='greedy')
    node.inputs.x = 1
    workflow.add_nodes([node])
    workflow.config['execution'] = {
        'poll_sleep_duration': 0.05,
        'stop_on_first_crash': True,
        'crashdump_dir': str(tmp_path / 'crash'),
        'crashfile_format': 'txt',
    }
    runner = plugin.find_plugin('MultiProc')(plugin_args={'n_procs': 2})
    with pytest.raises(RuntimeError, match='ended from outside'):
        workflow.run(plugin=runner)
    with pytest.raises(JobError, match='ended from outside'):
        runner._submit_job(node)
    plugin.end_workers(runner)
    (failure,) = read_failures(tmp_path / 'crash')
    assert failure.node == 'greedy'
    assert failure.message.startswith('A worker process was ended from outside')
    assert '--n-procs' in failure.message


def test_there_need_not_be_workers():
    plugin.end_workers(None)
    plugin.end_workers(plugin.find_plugin('Linear')())
