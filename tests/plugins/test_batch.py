"""What the plugins of batch schedulers share, on a scheduler of processes."""

import json
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from nistats_nipype.exceptions import InputError, JobError, SchedulerError
from nistats_nipype.plugins import batch, job
from nistats_nipype.plugins.base import DistributedPlugin
from nistats_nipype.plugins.scheduler import Listed, run_command

from .conftest import result_of


def double(x):
    return 2 * x


def triple(x):
    return 3 * x


def fail(x):
    raise ValueError('no such luck')


def leave(x):
    raise SystemExit(4)


def die(x):
    import os
    import signal

    os.write(1, b'last words\n')
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(x):
    import time

    time.sleep(300)


def test_values_go_from_job_to_job(process_plugin, build, tmp_path):
    graph = build(double, triple, x=7).run(plugin=process_plugin())
    assert result_of(graph, 'triple') == 42
    # Script, log and outcome of a job are kept together, those of a run in a folder.
    (run,) = (tmp_path / 'row_wf' / 'batch').iterdir()
    assert {path.name for path in run.iterdir()} >= {'1.task', '1.sh', '1.log', '1.json', '2.sh'}


def test_items_of_a_map_are_jobs_and_a_callback_need_not_be_pickled(process_plugin, tmp_path):
    workflow = pe.Workflow('map_wf', base_dir=str(tmp_path))
    node = pe.MapNode(Function(['x'], ['out'], function=double), iterfield=['x'], name='double')
    node.inputs.x = [1, 2]
    workflow.add_nodes([node])
    workflow.config['execution'] = {'create_report': 'false'}
    seen = []
    callback = lambda node, status: seen.append((node.name, status))  # noqa: E731
    plugin = process_plugin(status_callback=callback)
    assert result_of(workflow.run(plugin=plugin), 'double') == [2, 4]
    assert [name for name, _ in plugin.submitted] == ['_double0', '_double1', 'double']
    assert seen.count(('_double1', 'end')) == 1


def test_a_workflow_can_run_in_a_thread(process_plugin, build):
    # Where Python takes no handlers of signals.
    with ThreadPoolExecutor() as pool:
        graph = pool.submit(build(double).run, plugin=process_plugin()).result()
    assert result_of(graph, 'double') == 2


@pytest.mark.parametrize(
    ('function', 'message', 'reason'),
    [
        (fail, 'no such luck', 'ValueError: no such luck'),
        (leave, 'SystemExit', 'SystemExit: 4'),
        (die, 'status -9', 'JobError: Job '),
    ],
)
def test_a_node_that_fails_leaves_its_reason_in_a_crash_file(
    process_plugin, build, crashes, function, message, reason
):
    with pytest.raises(RuntimeError, match=message):
        build(double, function, triple).run(plugin=process_plugin())
    (text,) = crashes()
    assert reason in text
    if function is die:
        assert '\n  last words\n' in text
        assert '\n  found:    facts\n' in text
        assert '\n  to do:    advice\n' in text


def test_a_node_that_runs_here_may_fail_too(process_plugin, build, crashes):
    # nipype 1.11 would return as if all was well.
    seen = []
    workflow = build(fail, double)
    workflow.get_node('fail').run_without_submitting = True
    plugin = process_plugin(status_callback=lambda node, status: seen.append((str(node), status)))
    with pytest.raises(RuntimeError, match='no such luck'):
        workflow.run(plugin=plugin)
    assert 'no such luck' in crashes()[0]
    assert plugin.submitted == []
    assert seen == [('row_wf.fail', 'start'), ('row_wf.fail', 'exception')]


def test_a_node_that_cannot_be_pickled_is_a_failure_like_others(process_plugin, build, crashes):
    workflow = build(double, triple)
    workflow.get_node('triple').interface.lock = lambda: None
    with pytest.raises(RuntimeError, match='pickle'):
        workflow.run(plugin=process_plugin())
    assert 'pickle' in crashes()[0]


def test_a_refused_job_is_submitted_again(process_plugin, build):
    plugin = process_plugin(max_tries=2)
    plugin.n_refused = 2
    assert result_of(build(double).run(plugin=plugin), 'double') == 2
    assert len(plugin.submitted) == 3


def test_a_job_that_is_refused_again_and_again(process_plugin, build, crashes):
    plugin = process_plugin(max_tries=1)
    plugin.n_refused = 9
    workflow = build(double, triple, connected=False, stop_on_first_crash=True)
    with pytest.raises(RuntimeError, match='a whim'):
        workflow.run(plugin=plugin)
    assert 'SchedulerError: refused' in crashes()[0]
    # Others that are ready at the same time need no patience.
    assert [name for name, _ in plugin.submitted] == ['double', 'double', 'triple']


def test_a_job_whose_submission_got_no_answer_is_not_submitted_twice(process_plugin, build):
    plugin = process_plugin()
    plugin.n_lost = 1
    assert result_of(build(double, triple).run(plugin=plugin), 'triple') == 6
    assert [name for name, _ in plugin.submitted] == ['double', 'triple']


def test_a_scheduler_that_does_not_answer_for_a_while(process_plugin, build):
    plugin = process_plugin()
    seen = []

    def callback(node, status):
        seen.append(status)
        if status == 'start':
            plugin.n_unanswered = plugin.n_refused = 5

    plugin._status_callback = callback
    assert result_of(build(double, triple).run(plugin=plugin), 'triple') == 6
    assert seen == ['start', 'end'] * 2


def test_a_scheduler_that_does_not_answer_for_too_long(process_plugin, build, crashes):
    plugin = process_plugin(max_outage=0.2)
    batch_timeout, batch._CANCEL_TIMEOUT = batch._CANCEL_TIMEOUT, 0.1
    plugin._status_callback = lambda *_: setattr(plugin, 'n_unanswered', 10**6)
    try:
        with pytest.raises(RuntimeError, match='has not answered for'):
            build(sleep).run(plugin=plugin)
    finally:
        batch._CANCEL_TIMEOUT = batch_timeout
    (text,) = crashes()
    assert '\n  found:    silence\n' in text
    assert plugin.left_behind == list(plugin.processes) != []


def test_a_scheduler_that_does_not_answer_to_begin_with(process_plugin, build, tmp_path):
    plugin = process_plugin()
    plugin.n_unanswered = 1
    with pytest.raises(SchedulerError, match='unanswered'):
        build(double).run(plugin=plugin)
    assert plugin.submitted == []
    assert not (tmp_path / 'row_wf' / 'batch').exists()


def test_an_outcome_may_be_late_but_not_too_late(process_plugin, build, crashes, monkeypatch):
    # As on a network file system: the job is over, and its file not yet there.
    names, started = os.listdir, []

    def late(folder):
        started.append(time.monotonic())
        found = names(folder)
        is_late = time.monotonic() - started[0] < patience
        return [name for name in found if not (is_late and name.endswith('.json'))]

    monkeypatch.setattr(batch.os, 'listdir', late)
    patience = 4
    graph = build(double, job_finished_timeout=60).run(plugin=process_plugin())
    assert time.monotonic() - started[0] >= 4
    assert result_of(graph, 'double') == 2
    patience = 60
    started.clear()
    with pytest.raises(RuntimeError, match='ended without a result: status 0'):
        build(double, x=2).run(plugin=process_plugin())
    assert '1.json' in crashes()[0]


def test_the_result_of_a_node_may_be_late_too(process_plugin, build, monkeypatch, tmp_path):
    # nipype looks for it here before it submits the next node; a folder may also fail for once.
    names, asked = os.listdir, []

    def late(folder):
        if str(folder) == str(tmp_path / 'row_wf' / 'double'):
            asked.append(folder)
            if len(asked) == 1:
                raise OSError(116, 'Stale file handle')
            if len(asked) == 2:
                return []
        return names(folder)

    monkeypatch.setattr(batch.os, 'listdir', late)
    graph = build(double, triple, job_finished_timeout=60).run(plugin=process_plugin())
    assert len(asked) == 3
    assert result_of(graph, 'triple') == 6


def test_an_old_result_is_not_taken_for_a_new_one(process_plugin, build):
    assert result_of(build(double).run(plugin=process_plugin()), 'double') == 2
    plugin = process_plugin(template='exit 0')  # a job that ends before it starts
    with pytest.raises(RuntimeError, match='without a result'):
        build(double, x=5).run(plugin=plugin)
    assert result_of(build(double, x=5).run(plugin=process_plugin()), 'double') == 10


def test_a_job_in_an_error_state_is_given_up_and_removed(process_plugin, build, crashes):
    plugin = process_plugin()
    plugin.open_state = 'stuck'
    with pytest.raises(RuntimeError, match='does not know why'):
        build(sleep).run(plugin=plugin)
    ((_, process),) = plugin.processes.values()
    assert process.wait(timeout=10) == -signal.SIGTERM


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_jobs(process_plugin, build, number):
    plugin = process_plugin()
    before = signal.getsignal(signal.SIGTERM)

    def interrupt():
        while not plugin.processes:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        build(sleep).run(plugin=plugin)
    thread.join()
    ((_, process),) = plugin.processes.values()
    assert process.wait(timeout=10) == -signal.SIGTERM
    assert plugin.left_behind == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_jobs_of_an_earlier_run_in_the_same_folder_are_in_the_way(process_plugin, build):
    first, second = process_plugin(), process_plugin()
    second.processes = first.processes
    # The first run ends without cancelling, as if it were killed, when one job is submitted.
    first._status_callback = lambda *_: first.processes and 1 / 0
    first._cancel = lambda: None
    workflow = build(sleep, double, connected=False)
    with pytest.raises(ZeroDivisionError):
        workflow.run(plugin=first)
    with pytest.raises(SchedulerError, match='earlier run') as error:
        workflow.run(plugin=second)
    assert next(iter(first.processes)) in error.value.found
    assert 'kill' in error.value.advice


def test_jobs_that_are_just_leaving_the_queue_are_not_in_the_way(process_plugin, build):
    first, second = process_plugin(), process_plugin()
    build(double).run(plugin=first)
    (name, _) = next(iter(first.processes.values()))
    second._list_jobs = lambda: {'1': Listed(name, 'open')}
    assert result_of(build(double).run(plugin=second), 'double') == 2


def test_options_of_the_run_go_before_those_of_the_node(process_plugin, build):
    plugin = process_plugin(options="--a 'b c'")
    workflow = build(double, triple)
    workflow.get_node('double').plugin_args = {'options': ['--d', 1]}
    workflow.get_node('triple').plugin_args = {'options': '--e', 'overwrite': True}
    workflow.run(plugin=plugin)
    assert plugin.submitted == [('double', ['--a', 'b c', '--d', '1']), ('triple', ['--e'])]


def test_the_head_of_scripts_can_be_a_file(process_plugin, build, tmp_path):
    head = tmp_path / 'head.sh'
    head.write_text('#!/bin/bash\necho from the head\n')
    build(double).run(plugin=process_plugin(template=str(head)))
    (run,) = (tmp_path / 'row_wf' / 'batch').iterdir()
    assert (run / '1.log').read_text().startswith('from the head\n')


def test_a_scheduler_is_asked_less_often_the_longer_nothing_happens(
    process_plugin, monkeypatch, tmp_path
):
    plugin = process_plugin(poll_max=3.0)
    clock, looks = [100.0], []
    monkeypatch.setattr(batch.time, 'monotonic', lambda: clock[0])
    monkeypatch.setattr(plugin, '_look', lambda: looks.append(clock[0] - 100))
    plugin._jobs['one'] = batch.Job('one', 'node', tmp_path / '1.task', tmp_path)
    plugin._next_look, plugin._changed = 0.0, 100.0
    for _ in range(1000):
        assert plugin._get_result('one') is None
        clock[0] += 0.1
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert pauses[0] < 0.3
    # A tenth of the time since, within a step of the clock; at most poll_max.
    for look, pause in zip(looks, pauses, strict=False):
        assert pause == pytest.approx(min(look / 10, 3.0), abs=0.11)


def test_arguments_that_a_plugin_does_not_know_are_refused(process_plugin):
    with pytest.raises(InputError, match='pol_min') as error:
        process_plugin(pol_min=3)
    assert 'poll_min' in error.value.expected


def test_what_is_needed_can_be_missing(monkeypatch, process_plugin):
    cls = type(process_plugin())
    assert cls.obstacle() is None
    monkeypatch.setattr(cls, 'commands', ('bash', 'no-such-command'))
    assert cls.obstacle() == 'no command no-such-command'
    monkeypatch.setattr(cls, 'commands', ('bash',))
    monkeypatch.setattr(cls, '_list_jobs', lambda _: run_command('false'))
    assert cls.obstacle() == 'exit code 1'


def test_commands_that_fail(tmp_path, monkeypatch):
    assert run_command('pwd', cwd=tmp_path) == f'{tmp_path}\n'
    with pytest.raises(SchedulerError, match='bash failed') as error:
        run_command('bash', '-c', 'echo no  queue >&2; exit 2')
    assert error.value.found == 'no queue'
    assert 'exit 2' in error.value.advice
    with pytest.raises(SchedulerError, match='no-such-command failed') as error:
        run_command('no-such-command')
    assert 'No such file' in error.value.found
    monkeypatch.setattr('nistats_nipype.plugins.scheduler._TIMEOUT', 0.2)
    with pytest.raises(SchedulerError) as error:
        run_command('sleep', '30')
    assert 'no answer in 0.2 s' in error.value.found


def test_a_job_notes_what_became_of_its_node(tmp_path):
    node = pe.Node(Function(['x'], ['out'], function=double), name='double')
    node.base_dir, node.config = str(tmp_path), pe.Workflow('any').config
    node.config = {'execution': {'matplotlib_backend': 'Agg'}, 'logging': {}}
    node.inputs.x = 4
    task = tmp_path / '7.task'
    task.write_bytes(pickle.dumps((node, False)))
    assert job.main(task) == 0
    assert json.loads((tmp_path / '7.json').read_text())['traceback'] is None
    assert node.result.outputs.out == 8
    node.interface.inputs.function_str = 'def double(x):\n    return y\n'
    task.write_bytes(pickle.dumps((node, False)))
    assert job.main(task) == job.NODE_FAILED
    assert 'NameError' in ''.join(json.loads((tmp_path / '7.json').read_text())['traceback'])
    assert not list(tmp_path.glob('*.unfinished'))


def test_a_plugin_says_whether_it_can_be_used():
    with pytest.raises(NotImplementedError):
        DistributedPlugin.obstacle()


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(JobError('gone', found='x')))
    assert (type(error), error.found) == (JobError, 'x')
