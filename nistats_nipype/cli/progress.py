"""Progress of a workflow: a bar on a terminal, lines elsewhere."""

import re
from pathlib import PurePath

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from .interrupts import received_signal

#: The bar that is told of nodes, if any. nipype's execution plugins pickle the
#: callback along with the nodes, so it is a function of this module and the bar is not.
_current = None

_CONTRAST = re.compile(r'contrast_([A-Za-z0-9]+)_wf')


def report_status(node, status):
    """Tell the bar of a node; a ``status_callback`` for nipype's execution plugins.

    Parameters
    ----------
    node : nipype.pipeline.engine.Node
    status : {'start', 'end', 'exception'}
    """
    if _current is not None:
        _current.update(node.output_dir(), status)


def name_node(folder):
    """Name a node for people, by the folder that it works in.

    Parameters
    ----------
    folder : path-like
        Working directory of a node, or of an item of a MapNode.

    Returns
    -------
    str
        The node's name, after that of its contrast if it has one; for an item of a MapNode
        also which job it is, counted from 1.

    Examples
    --------
    >>> name_node('work/second_level_wf/contrast_age_wf/plot_fwe')
    'age: plot_fwe'
    >>> name_node('work/second_level_wf/contrast_age_wf/permutation_wf/permute/mapflow/_permute7')
    'age: permute, job 8'
    """
    parts = PurePath(folder).parts
    contrast = next(filter(None, map(_CONTRAST.fullmatch, reversed(parts))), None)
    name = parts[-1] if parts else ''
    if parts[-2:-1] == ('mapflow',):
        # .../permute/mapflow/_permute7
        number = name.removeprefix(f'_{parts[-3]}')
        name = f'{parts[-3]}, job {int(number) + 1}'
    return f'{contrast.group(1)}: {name}' if contrast else name


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
        self.console = Console(file=stream, highlight=False, soft_wrap=True)
        # The environment can make rich take a file for a terminal (FORCE_COLOR).
        self.has_bar = stream.isatty() and not self.console.is_dumb_terminal
        self.bar = Progress(
            TextColumn('{task.description}', style='bold'),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn(
                '{task.fields[running]}',
                style='dim',
                table_column=Column(no_wrap=True, overflow='ellipsis', ratio=1),
            ),
            console=self.console,
            expand=True,
            disable=not self.has_bar,
            # Processes that are forked off would write to the terminal through rich.
            redirect_stdout=False,
            redirect_stderr=False,
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

    def update(self, folder, status):
        """Take note that the node that works in a folder has started or ended."""
        if received_signal() is not None:
            return  # nipype calls an interrupted node ended, or failed
        name = name_node(folder)
        # Items of a MapNode are nodes of their own under some plugins; they are not counted.
        is_item = ', job ' in name
        if status == 'start':
            self.running.append(name)
        else:
            self.n_done += not is_item
            if name in self.running:
                self.running.remove(name)
            if not self.has_bar:
                verb = 'done' if status == 'end' else 'FAILED'
                line = f'[{self.n_done}/{self.n_nodes}] {name} {verb}'
                self.console.print(line, markup=False)
        self.bar.update(self.task, completed=self.n_done, running='; '.join(self.running[-3:]))
