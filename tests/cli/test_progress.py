"""Progress: what a terminal shows, what a file gets, and that the counts are right."""

import io
import re
import sys

import pytest
from nipype.interfaces.utility import Function, IdentityInterface, Merge
from nipype.pipeline import engine as pe

from nistats_nipype.cli import progress
from nistats_nipype.cli.plugin import find_plugin


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv('TERM', 'xterm-256color')
    monkeypatch.setenv('COLUMNS', '80')
    return FakeTerminal()


WORK = 'work/second_level_wf'


@pytest.mark.parametrize(
    ('folder', 'name'),
    [
        (f'{WORK}/prepare_wf/smooth', 'smooth'),
        (f'{WORK}/contrast_aVsB_wf/permutation_wf/permute', 'aVsB: permute'),
        (f'{WORK}/contrast_a_wf/permutation_wf/permute/mapflow/_permute10', 'a: permute, job 11'),
        (f'{WORK}/each_2/mapflow/_each_23', 'each_2, job 4'),
        # A folder of the person, above the workflow's.
        ('home/contrast_old_wf/work/second_level_wf/contrast_new_wf/fit', 'new: fit'),
        (f'{WORK}/_odd1', '_odd1'),
    ],
)
def test_names_of_nodes(folder, name):
    assert progress.name_node(folder) == name


def test_a_file_gets_one_line_per_node_and_nothing_else():
    stream = io.StringIO()
    with progress.NodeProgress(3, stream) as bar:
        for name in ('a', 'b'):
            bar.update(f'w/{name}', 'start')
            bar.update(f'w/{name}', 'end')
        bar.update('w/c', 'exception')
    assert stream.getvalue() == '[1/3] a done\n[2/3] b done\n[3/3] c FAILED\n'


def test_items_of_a_map_node_are_shown_but_not_counted():
    stream = io.StringIO()
    with progress.NodeProgress(1, stream) as bar:
        for item in ('_p0', '_p1'):
            bar.update(f'w/p/mapflow/{item}', 'end')
        bar.update('w/p', 'end')
    assert stream.getvalue().splitlines() == [
        '[0/1] p, job 1 done',
        '[0/1] p, job 2 done',
        '[1/1] p done',
    ]


@pytest.mark.parametrize('colour', ['FORCE_COLOR', 'TTY_COMPATIBLE'])
def test_a_file_gets_no_bar_whatever_the_environment_says(monkeypatch, colour):
    monkeypatch.setenv(colour, '1')
    stream = io.StringIO()
    with progress.NodeProgress(1, stream) as bar:
        bar.update('w/a', 'end')
    assert '\x1b[?25l' not in stream.getvalue()
    assert '[1/1] a done' in stream.getvalue()


def test_a_dumb_terminal_gets_lines(monkeypatch, terminal):
    monkeypatch.setenv('TERM', 'dumb')
    with progress.NodeProgress(1, terminal) as bar:
        bar.update('w/a', 'end')
    assert '[1/1] a done' in terminal.getvalue()


def test_a_terminal_gets_a_bar_that_fits_and_gives_the_cursor_back(terminal):
    with progress.NodeProgress(40, terminal) as bar:
        for name in (
            'w/contrast_long_wf/threshold_uncorrected',
            'w/contrast_long_wf/plot_subjects',
        ):
            bar.update(name, 'start')
        bar.bar.refresh()
        bar.update('w/contrast_long_wf/plot_subjects', 'end')
    shown = terminal.getvalue()
    plain = re.sub(r'\x1b\[[\d;?]*\w', '', shown)
    frames = [frame for frame in re.split('[\r\n]', plain) if 'Analysis' in frame]
    assert len(frames) >= 3
    assert all('━' * 20 in frame for frame in frames)  # not squeezed by long names
    assert '1/40' in plain
    assert 'long: threshold' in shown
    assert 'done' not in shown
    assert shown.count('\x1b[?25l') == shown.count('\x1b[?25h') == 1
    # One row only: a second one would need the cursor to go up (CSI 1A).
    assert '\x1b[1A' not in shown


def test_what_others_print_does_not_go_through_the_bar(terminal):
    with progress.NodeProgress(1, terminal):
        assert 'rich' not in type(sys.stdout).__module__
        sys.stdout.write('from a worker')
    assert 'from a worker' not in terminal.getvalue()


def test_without_a_bar_status_is_ignored():
    progress.report_status(pe.Node(IdentityInterface(['a']), name='node'), 'start')


def fail(x):
    raise ValueError('no such luck')


def increase(x):
    return x + 1


def function_node(function, name, cls=pe.Node, **kwargs):
    return cls(Function(['x'], ['out'], function=function), name=name, **kwargs)


def make_workflow(folder, last=increase):
    """Identity nodes, a MapNode, a node that runs on the master, and one that may fail."""
    inner = pe.Workflow('contrast_a_wf')
    inputnode = pe.Node(IdentityInterface(['x']), name='inputnode')
    each = function_node(increase, 'each', pe.MapNode, iterfield=['x'])
    each.inputs.x = [1, 2, 3]
    inner.connect(inputnode, 'x', function_node(increase, 'one'), 'x')
    merge = pe.Node(Merge(2), name='merge')
    inner.connect(inner.get_node('one'), 'out', merge, 'in1')
    inner.connect(each, 'out', merge, 'in2')
    workflow = pe.Workflow('count_wf', base_dir=str(folder))
    source = pe.Node(IdentityInterface(['x']), name='source')
    source.inputs.x = 1
    workflow.connect(source, 'x', inner, 'inputnode.x')
    workflow.connect(inner, 'merge.out', function_node(last, 'last'), 'x')
    workflow.config['execution'] = {
        'poll_sleep_duration': 0.05,
        'stop_on_first_crash': True,
        'crashdump_dir': str(folder / 'crash'),
        'crashfile_format': 'txt',
    }
    return workflow


def first(x):
    return x[0]


def run_with_progress(workflow, plugin):
    """Run a workflow; give the lines of progress."""
    stream = io.StringIO()
    plugin_args = {'status_callback': progress.report_status}
    if plugin == 'MultiProc':
        plugin_args['n_procs'] = 2
    with progress.NodeProgress(progress.count_nodes(workflow), stream):
        workflow.run(plugin=find_plugin(plugin)(plugin_args=plugin_args))
    return stream.getvalue().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize('plugin', ['Linear', 'MultiProc'])
def test_as_many_nodes_are_reported_as_are_counted(tmp_path, plugin):
    workflow = make_workflow(tmp_path, last=first)
    assert progress.count_nodes(workflow) == 4
    for _ in ('fresh', 'cached'):
        lines = run_with_progress(make_workflow(tmp_path, last=first), plugin)
        nodes = [line for line in lines if ', job ' not in line]
        assert [line.split()[0] for line in nodes] == [f'[{n}/4]' for n in (1, 2, 3, 4)]
        assert {line.split(' ', 1)[1] for line in nodes} == {
            'a: one done',
            'a: each done',
            'a: merge done',
            'last done',
        }


@pytest.mark.slow
@pytest.mark.parametrize('plugin', ['Linear', 'MultiProc'])
def test_a_failed_node_is_reported_as_such(tmp_path, plugin):
    stream = io.StringIO()
    workflow = make_workflow(tmp_path, last=fail)
    runner = find_plugin(plugin)(plugin_args={'status_callback': progress.report_status})
    with progress.NodeProgress(4, stream), pytest.raises(Exception, match='no such luck'):
        workflow.run(plugin=runner)
    lines = stream.getvalue().splitlines()
    assert lines[-1] == '[4/4] last FAILED'
    assert sum('FAILED' in line for line in lines) == 1
