"""A small workflow whose jobs do as they are told."""

from collections import Counter
from pathlib import Path

from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from nistats_nipype.plugins.sge import SGEPlugin
from nistats_nipype.plugins.slurm import SLURMPlugin

PLUGINS = {'Slurm': SLURMPlugin, 'Sge': SGEPlugin}
#: Quick answers, on a cluster that nobody else uses.
QUICK = {'query_interval': 0.5, 'retry_timeout': 0.2}

RAISE = 'raise ValueError("no such luck")'
#: Tells the id of the job, and sleeps.
SLEEP = """
import os, time
with open(f'{folder}/job', 'w') as job:
    job.write(os.environ.get('SLURM_JOB_ID') or os.environ['JOB_ID'])
time.sleep({seconds})
"""
DIE = 'import os; print("last words", flush=True); os.kill(os.getpid(), 9)'


def multiply(x, factor, folder):
    """Multiply; note that it ran, and do what the file for this item says."""
    from pathlib import Path

    with open(Path(folder, 'ran'), 'a') as ran:
        print(x, file=ran)
    order = Path(folder, f'order-{x}')
    if order.exists():
        exec(order.read_text())
    return factor * x


def add(numbers, folder):
    from pathlib import Path

    with open(Path(folder, 'ran'), 'a') as ran:
        print('sum', file=ran)
    return sum(numbers)


class Steps:
    """Three jobs that multiply, and one that adds up what they give."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.crash_dir = self.folder / 'crash'

    def order(self, item, text):
        """Tell the job of an item what to do; None for what it always does."""
        path = self.folder / f'order-{item}'
        path.unlink() if text is None else path.write_text(text)

    def build(self, factor=10, n_procs=1, plugin_args=None, **execution):
        workflow = pe.Workflow('steps_wf', base_dir=str(self.folder / 'work'))
        function = Function(['x', 'factor', 'folder'], ['out'], function=multiply)
        multiply_ = pe.MapNode(
            function, iterfield=['x'], name='multiply', n_procs=n_procs, mem_gb=1
        )
        multiply_.inputs.trait_set(x=[1, 2, 3], factor=factor, folder=str(self.folder))
        multiply_.plugin_args = plugin_args or {}
        add_ = pe.Node(Function(['numbers', 'folder'], ['out'], function=add), name='add')
        add_.inputs.folder = str(self.folder)
        workflow.connect(multiply_, 'out', add_, 'numbers')
        workflow.config['execution'] = {
            'crashdump_dir': str(self.crash_dir),
            'crashfile_format': 'txt',
            'create_report': 'false',
            'poll_sleep_duration': 0.1,
            **execution,
        }
        return workflow

    def run(self, plugin, **kwargs):
        """Run them; give the sum."""
        graph = self.build(**kwargs).run(plugin=plugin)
        (add_,) = [node for node in graph.nodes() if node.name == 'add']
        return add_.result.outputs.out

    def sleep(self, item, seconds=300):
        """Let the job of an item sleep."""
        self.order(item, SLEEP.replace('{seconds}', str(seconds)))

    def sleeper(self):
        """Id of the job that sleeps; None while there is none."""
        path = self.folder / 'job'
        return (path.read_text() or None) if path.exists() else None

    def ran(self):
        """Say how often each job ran since the last time that this was asked."""
        path = self.folder / 'ran'
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return Counter(lines)

    def crash(self):
        """Text of the only crash file, which is removed."""
        (path,) = self.crash_dir.iterdir()
        text = path.read_text()
        path.unlink()
        return text
