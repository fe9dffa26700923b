"""A scheduler of processes of this machine, which can be told to fail, and small workflows."""

import subprocess
from functools import partial
from itertools import pairwise

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from nistats_nipype.exceptions import SchedulerError
from nistats_nipype.plugins.batch import BatchPlugin
from nistats_nipype.plugins.job import NODE_FAILED
from nistats_nipype.plugins.scheduler import Ending, Listed


class ProcessPlugin(BatchPlugin):
    """Run jobs as processes; their ids are those of the processes, so that kill cancels."""

    defaults = {**BatchPlugin.defaults, 'options': ''}
    commands = ('bash', 'kill')
    submit_args = 'options'

    def __init__(self, plugin_args=None):
        super().__init__({'query_interval': 0, 'retry_timeout': 0.01, **(plugin_args or {})})
        self.processes = {}
        #: Submissions to refuse, submissions to lose the answer of, questions not to answer.
        self.n_refused = self.n_lost = self.n_unanswered = 0
        self.submitted = []
        self.open_state = 'open'

    def _submit(self, job, node, options):
        self.submitted.append((node.name, options))
        if self.n_refused > 0:
            self.n_refused -= 1
            raise SchedulerError('refused', found='a whim')
        with open(job.task_file.with_suffix('.log'), 'w') as log:
            script = job.task_file.with_suffix('.sh')
            process = subprocess.Popen(['bash', script], stdout=log, stderr=log)
        self.processes[str(process.pid)] = (job.name, process)
        if self.n_lost > 0:
            self.n_lost -= 1
            raise SchedulerError('lost', found='no answer')
        return str(process.pid)

    def _list_jobs(self):
        if self.n_unanswered > 0:
            self.n_unanswered -= 1
            raise SchedulerError('unanswered', found='silence')
        return {
            job_id: Listed(name, self.open_state if process.poll() is None else 'over')
            for job_id, (name, process) in self.processes.items()
        }

    def _inquire(self, job_id):
        status = self.processes[job_id][1].poll()
        if status is None:
            return None
        return Ending(f'status {status}', 'facts', 'advice', status not in (0, NODE_FAILED))


@pytest.fixture
def process_plugin():
    plugins = []

    def process_plugin(**plugin_args):
        plugins.append(ProcessPlugin(plugin_args))
        return plugins[-1]

    yield process_plugin
    for plugin in plugins:
        for _, process in plugin.processes.values():
            process.kill()
            process.wait()


def build_row(folder, *functions, x=1, connected=True, **execution):
    """Build a workflow of nodes in a row, from functions of one argument."""
    workflow = pe.Workflow('row_wf', base_dir=str(folder))
    nodes = [
        pe.Node(Function(['x'], ['out'], function=function), name=function.__name__)
        for function in functions
    ]
    workflow.add_nodes(nodes)
    for node in nodes[:1] if connected else nodes:
        node.inputs.x = x
    for before, after in pairwise(nodes) if connected else ():
        workflow.connect(before, 'out', after, 'x')
    workflow.config['execution'] = {
        'crashdump_dir': str(folder / 'crash'),
        'crashfile_format': 'txt',
        'create_report': 'false',
        'job_finished_timeout': 0.3,
        'poll_sleep_duration': 0.05,
        **execution,
    }
    return workflow


@pytest.fixture
def build(tmp_path):
    """Build a workflow of nodes in a row, in a folder of its own."""
    return partial(build_row, tmp_path)


@pytest.fixture
def crashes(tmp_path):
    """Texts of the crash files."""

    def crashes():
        folder = tmp_path / 'crash'
        return [path.read_text() for path in folder.iterdir()] if folder.exists() else []

    return crashes


def result_of(graph, name):
    (node,) = [node for node in graph.nodes() if node.name == name]
    return node.result.outputs.out
