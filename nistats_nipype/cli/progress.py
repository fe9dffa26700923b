"""Progress of a workflow: a bar on a terminal, lines elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

#: The bar that is told of nodes, if any. nipype's execution plugins pickle the
#: callback along with the nodes, so it is a function of this module and the bar is not.
_current = None


def report_status(node, status):
    """Tell the bar of a node; a ``status_callback`` for nipype's execution plugins.

    Parameters
    ----------
    node : nipype.pipeline.engine.Node
    status : {'start', 'end', 'exception'}
    """
    # The items of a MapNode are nodes of their own, named _<name><number>.
    if _current is not None and not node.name.startswith('_'):
        _current.update(node.name, status)


def count_nodes(workflow):
    """Count the nodes that will run: identity nodes are replaced by connections."""
    nodes = map(workflow.get_node, workflow.list_node_names())
    return sum(type(node.interface).__name__ != 'IdentityInterface' for node in nodes)


class NodeProgress:
    """Show how many nodes of a workflow have run.

    Parameters
    ----------
    n_nodes : int
        Nodes that will run.
    stream : text stream
        Where to; a bar if it is a terminal, one line per node otherwise.
    """

    def __init__(self, n_nodes, stream):
        self.n_nodes = n_nodes
        self.n_done = 0
        self.running = []
        self.console = Console(file=stream)
        self.bar = Progress(
            TextColumn('{task.description}', style='bold'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn('{task.fields[running]}', style='dim'),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task('Analysis', total=n_nodes, running='')

    def __enter__(self):
        global _current  # noqa: PLW0603 - see the comment on _current
        _current = self
        self.bar.start()
        return self

    def __exit__(self, *_):
        global _current  # noqa: PLW0603
        _current = None
        self.bar.stop()

    def update(self, name, status):
        """Take note that a node has started or ended."""
        if status == 'start':
            self.running.append(name)
        else:
            self.n_done += 1
            if name in self.running:
                self.running.remove(name)
            if not self.console.is_terminal:
                verb = 'done' if status == 'end' else 'FAILED'
                line = f'[{self.n_done}/{self.n_nodes}] {name} {verb}'
                self.console.print(line, markup=False, highlight=False)
        self.bar.update(self.task, completed=self.n_done, running=', '.join(self.running[-3:]))
