"""What a run leaves, read back, against what the nodes did and what nipype says of them."""

import os
import pickle
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nipype import config
from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe
from nipype.utils.filemanip import loadpkl

from nistats_nipype.exceptions import InputError
from nistats_nipype.interfaces import Threshold
from nistats_nipype.interfaces.record import find_run, read_run, summarize_run
from nistats_nipype.interfaces.usage import measure_memory

needs_peaks = pytest.mark.skipif(
    not os.access('/proc/self/clear_refs', os.W_OK), reason='the kernel cannot reset the peak'
)
MULTIPROC = {'plugin': 'MultiProc', 'plugin_args': {'n_procs': 2}}


def work(value, seconds, megabytes, fails):
    import time

    import numpy as np

    block = np.ones(megabytes * 125_000)
    time.sleep(seconds)
    if fails:
        raise RuntimeError('as was asked for')
    del block
    return value


def make_node(name, *, iterate=False, value=0, seconds=0.0, megabytes=1, fails=False):
    interface = measure_memory(niu.Function(function=work, output_names=['out']))
    node = pe.MapNode(interface, ['value', 'fails'], name) if iterate else pe.Node(interface, name)
    node.inputs.trait_set(value=value, seconds=seconds, megabytes=megabytes, fails=fails)
    return node


def make_workflow(folder, **changes):
    """Chain first -> inner_wf.second (three jobs) -> inner_wf.third, and one by itself."""
    inputs = {
        'first': {'seconds': 0.4, 'megabytes': 300},
        'second': {'iterate': True, 'value': [1, 2, 3], 'fails': [False] * 3, 'seconds': 0.2},
        'third': {},
        'alone': {},
    }
    for name, values in changes.items():
        inputs[name].update(values)
    first, second, third, alone = (make_node(name, **each) for name, each in inputs.items())
    inner, outer = pe.Workflow('inner_wf'), pe.Workflow('outer_wf', base_dir=str(folder))
    inner.connect(second, 'out', third, 'value')
    outer.connect(first, 'out', inner, 'second.megabytes')
    outer.add_nodes([alone])
    outer.config['execution'] = {
        'crashdump_dir': str(Path(folder, 'crash')),
        'poll_sleep_duration': 0.05,
        'stop_on_first_crash': 'false',
    }
    return outer


def statuses(folder):
    return {node.name: node.status for node in read_run(folder / 'outer_wf').nodes}


ALL = ('first', 'inner_wf.second', 'inner_wf.third', 'alone')


@pytest.mark.parametrize('plugin', ['Linear', 'MultiProc'])
@needs_peaks
def test_time_and_memory_are_those_of_the_nodes(tmp_path, plugin):
    begun = time.time()
    graph = make_workflow(tmp_path).run(plugin, plugin_args={'n_procs': 2})
    run = read_run(tmp_path / 'outer_wf')
    assert run.name == 'outer_wf'
    assert sorted(run.edges) == [
        ('first', 'inner_wf.second'),
        ('inner_wf.second', 'inner_wf.third'),
    ]
    nodes = {node.name: node for node in run.nodes}
    assert set(nodes) == set(ALL)
    assert {node.status for node in run.nodes} == {'done'}
    for node in graph.nodes():
        name = node.fullname.removeprefix('outer_wf.')
        assert nodes[name].host == platform.node()
        if name != 'inner_wf.second':
            assert nodes[name].seconds == node.result.runtime.duration
    first, second = nodes['first'], nodes['inner_wf.second']
    assert first.seconds >= 0.4
    assert begun - 1 < first.start < begun + 60
    assert second.n_jobs == 3
    # One after the other, or two at a time.
    assert {'Linear': 0.6, 'MultiProc': 0.4}[plugin] <= second.seconds < 30
    assert second.start >= first.start + first.seconds - 0.1
    # The node that ran after it in the same process does not inherit the peak.
    assert first.memory_gb - nodes['inner_wf.third'].memory_gb == pytest.approx(0.3, abs=0.06)
    assert 0.3 < first.memory_gb < 3


def test_what_failed_and_what_could_not_run(tmp_path):
    workflow = make_workflow(tmp_path, second={'fails': [False, True, False]})
    with pytest.raises(RuntimeError):
        workflow.run('Linear')
    expected = dict(zip(ALL, ['done', 'failed', 'not run', 'done'], strict=True))
    assert statuses(tmp_path) == expected
    shutil.rmtree(tmp_path / 'outer_wf')
    with pytest.raises(RuntimeError):
        make_workflow(tmp_path, second={'fails': [False, True, False]}).run(**MULTIPROC)
    assert statuses(tmp_path) == expected


def test_time_of_a_failure(tmp_path):
    with pytest.raises(RuntimeError):
        make_workflow(tmp_path, first={'fails': True}).run('Linear')
    expected = dict(zip(ALL, ['failed', 'not run', 'not run', 'done'], strict=True))
    assert statuses(tmp_path) == expected
    (first,) = [node for node in read_run(tmp_path / 'outer_wf').nodes if node.name == 'first']
    runtime = loadpkl(tmp_path / 'outer_wf' / 'first' / 'result_first.pklz').runtime
    assert runtime.duration >= 0.4
    # From file to file, with what nipype does around it.
    assert runtime.duration <= first.seconds < runtime.duration + 10
    assert first.memory_gb is None


def test_runs_that_follow(tmp_path):
    make_workflow(tmp_path).run('Linear')
    before = read_run(tmp_path / 'outer_wf')
    make_workflow(tmp_path).run('Linear')
    after = read_run(tmp_path / 'outer_wf')
    assert set(statuses(tmp_path).values()) == {'earlier'}
    assert [node._replace(status='done') for node in after.nodes] == before.nodes
    # One node changes; then one fails before others that have old results.
    make_workflow(tmp_path, alone={'value': 1}).run('Linear')
    assert statuses(tmp_path) == dict.fromkeys(ALL, 'earlier') | {'alone': 'done'}
    with pytest.raises(RuntimeError):
        make_workflow(tmp_path, first={'fails': True}).run('Linear')
    assert statuses(tmp_path) == {
        'first': 'failed',
        'inner_wf.second': 'not run',
        'inner_wf.third': 'not run',
        'alone': 'done',
    }


def test_a_run_that_was_killed(tmp_path):
    """As nipype leaves the folder of a node: its file of the hash has another name."""
    make_workflow(tmp_path).run('Linear')
    shutil.rmtree(tmp_path / 'outer_wf' / 'inner_wf' / 'third')
    (tmp_path / 'outer_wf' / 'inner_wf' / 'second').rename(tmp_path / 'kept')
    jobs = tmp_path / 'outer_wf' / 'inner_wf' / 'second' / 'mapflow'
    shutil.copytree(tmp_path / 'kept' / 'mapflow', jobs)
    (done,) = (jobs / '_second1').glob('_0x*.json')
    done.rename(done.with_name(f'{done.stem}_unfinished.json'))
    assert statuses(tmp_path)['inner_wf.second'] == 'unfinished'
    assert statuses(tmp_path)['inner_wf.third'] == 'not run'
    (done,) = (tmp_path / 'outer_wf' / 'first').glob('_0x*.json')
    done.rename(done.with_name(f'{done.stem}_unfinished.json'))
    assert statuses(tmp_path)['first'] == 'unfinished'


def test_a_relative_work_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_workflow('work').run('Linear')
    assert set(statuses(tmp_path / 'work')) == set(ALL)
    assert set(statuses(tmp_path / 'work').values()) == {'done'}


def test_part_of_another_workflow_and_values_of_an_iterable(tmp_path):
    parent = pe.Workflow('study', base_dir=str(tmp_path))
    source = pe.Node(niu.IdentityInterface(['value']), name='source')
    source.iterables = ('value', [1, 2])
    workflow = make_workflow(tmp_path, first={'seconds': 0.0, 'megabytes': 1})
    parent.connect(source, 'value', workflow, 'first.value')
    parent.run('Linear')
    run = read_run(tmp_path / 'study')
    assert len(run.nodes) == 7
    assert {node.status for node in run.nodes} == {'done'}
    section = summarize_run(tmp_path / 'study' / 'outer_wf' / '_value_1' / 'first')
    names = {f'_value_{value}.first' for value in (1, 2)} | {'alone'} | {
        f'inner_wf._value_{value}.{name}' for value in (1, 2) for name in ('second', 'third')
    }  # fmt: skip
    assert set(section.table['node']) == names
    assert 'data-node="inner_wf._value_2.third"' in section.graph
    assert section.graph.count('class="edge"') == 4


def test_without_a_record(tmp_path):
    assert find_run(tmp_path) is None
    assert summarize_run(tmp_path) is None
    with pytest.raises(InputError, match='no graph1'):
        read_run(tmp_path)
    # Of others, or not nipype's.
    make_workflow(tmp_path, first={'seconds': 0.0}).run('Linear')
    (tmp_path / 'outer_wf' / 'other').mkdir()
    assert summarize_run(tmp_path / 'outer_wf' / 'other') is None
    assert find_run(tmp_path / 'outer_wf' / 'other') == tmp_path / 'outer_wf'
    for text in ('{"nodes": [{}], "links": []}', 'no JSON'):
        (tmp_path / 'outer_wf' / 'graph1.json').write_text(text)
        assert summarize_run(tmp_path / 'outer_wf' / 'first') is None
        with pytest.raises(InputError):
            read_run(tmp_path / 'outer_wf')


def test_nodes_without_reports_have_no_time(tmp_path):
    make_workflow(tmp_path, first={'seconds': 0.0}).run('Linear')
    for path in (tmp_path / 'outer_wf').rglob('report.rst'):
        path.unlink()
    run = read_run(tmp_path / 'outer_wf')
    assert {node.status for node in run.nodes} == {'done'}
    assert {(node.seconds, node.memory_gb, node.host) for node in run.nodes} == {(None, None, '')}


def test_measuring_changes_no_hash(tmp_path):
    plain = pe.Node(Threshold(alpha=0.01), 'threshold', base_dir=str(tmp_path / 'plain'))
    measured = pe.Node(
        measure_memory(Threshold(alpha=0.01)), 'threshold', base_dir=str(tmp_path / 'measured')
    )
    for node in (plain, measured):
        node.config = {'execution': {'hash_method': 'content', 'remove_unnecessary_outputs': True}}
    assert plain._get_hashval() == measured._get_hashval()


@needs_peaks
def test_a_job_of_a_scheduler_notes_its_peak(tmp_path):
    """The program that SLURM's and SGE's jobs run, on a pickled node."""
    node = make_node('first', seconds=0.1, megabytes=200)
    node.base_dir = str(tmp_path)
    node.config = {name: dict(values) for name, values in config._sections.items()}
    task = tmp_path / 'task.pklz'
    task.write_bytes(pickle.dumps((node, False)))
    command = [sys.executable, '-m', 'nistats_nipype.plugins.job', str(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / 'graph1.json').write_text(
        '{"nodes": [{"report": "/first/_report/report.rst"}], "links": []}'
    )
    os.utime(tmp_path / 'graph1.json', (0, 0))
    (first,) = read_run(tmp_path).nodes
    assert first.status == 'done'
    assert first.seconds >= 0.1
    assert 0.2 < first.memory_gb < 0.5


def test_where_the_peak_cannot_be_reset_nothing_is_noted(tmp_path, monkeypatch):
    def refuse(self, text):
        raise PermissionError(self)

    interface = measure_memory(niu.Function(function=work, output_names=['out']))
    interface.inputs.trait_set(value=1, seconds=0.0, megabytes=1, fails=False)
    monkeypatch.setattr(Path, 'write_text', refuse)
    assert not hasattr(interface.run(cwd=tmp_path).runtime, 'mem_peak_gb')
