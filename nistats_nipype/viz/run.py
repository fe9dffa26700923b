"""What is shown of a run: its nodes in a table and a picture, with status, time and memory."""

from datetime import datetime
from typing import NamedTuple

from .graph import Graph, GraphNode

__all__ = ['NodeRun', 'RunSection', 'graph_of_run', 'table_of_run']


class NodeRun(NamedTuple):
    """What became of a node.

    Attributes
    ----------
    name : str
        With those of the workflows that it is in, joined by dots.
    status : str
        One of :data:`nistats_nipype.viz.graph.STATUSES`.
    n_jobs : int
        Jobs that it was split into; 0 if it was not.
    start : float, optional
        Seconds since 1970.
    seconds : float, optional
        How long it took, from the start of its first job to the end of its last.
    memory_gb : float, optional
        Peak of the resident memory of its process, or of the largest of its jobs, in GB.
    host : str
        Where it ran.
    """

    name: str
    status: str
    n_jobs: int = 0
    start: float | None = None
    seconds: float | None = None
    memory_gb: float | None = None
    host: str = ''


class RunSection(NamedTuple):
    """The workflow as it ran, for the report.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per node, see :func:`table_of_run`.
    graph : str
        An ``svg`` element.
    """

    table: object
    graph: str


def table_of_run(nodes):
    """Put what became of nodes into a table.

    Parameters
    ----------
    nodes : list of NodeRun

    Returns
    -------
    pandas.DataFrame
        Columns ``node``, ``status``, ``jobs``, ``started`` (local time), ``seconds``,
        ``memory_gb`` and ``host``; what is not known is missing. Without ``jobs`` if no node
        was split.

    Examples
    --------
    >>> table = table_of_run([NodeRun('fit_glm', 'done', seconds=1.5)])
    >>> table[['node', 'seconds']].values.tolist()
    [['fit_glm', 1.5]]
    """
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame(
        {
            'node': [node.name for node in nodes],
            'status': [node.status for node in nodes],
            'jobs': pd.array([node.n_jobs or None for node in nodes], dtype='Int64'),
            'started': [_format_time(node.start) for node in nodes],
            'seconds': np.array([node.seconds for node in nodes], dtype=float).round(3),
            'memory_gb': np.array([node.memory_gb for node in nodes], dtype=float).round(3),
            'host': [node.host or None for node in nodes],
        }
    )
    return frame if frame['jobs'].notna().any() else frame.drop(columns='jobs')


def graph_of_run(name, nodes, edges):
    """Make a graph of what became of the nodes of a workflow.

    Parameters
    ----------
    name : str
    nodes : list of NodeRun
    edges : list of (str, str)
        Names of nodes.

    Returns
    -------
    Graph

    Examples
    --------
    >>> graph_of_run('wf', [NodeRun('fit', 'done', 0, None, 75, 0.31)], []).nodes[0].note
    '1 min 15 s, 0.31 GB'
    """
    return Graph(
        name,
        [
            GraphNode(
                key=node.name,
                label=node.name.rpartition('.')[2],
                groups=tuple(node.name.split('.')[:-1]),
                kind='map' if node.n_jobs else 'node',
                status=node.status,
                note=_describe(node),
            )
            for node in nodes
        ],
        edges,
    )


def _describe(node):
    """Say how many jobs, how long and how much, in a few words."""
    words = [f'{node.n_jobs} job{"s" * (node.n_jobs > 1)}'] if node.n_jobs else []
    if node.seconds is not None:
        words.append(_format_seconds(node.seconds))
    if node.memory_gb is not None:
        words.append(f'{node.memory_gb:.2f} GB')
    return ', '.join(words)


def _format_seconds(seconds):
    """Format a duration.

    Examples
    --------
    >>> [_format_seconds(seconds) for seconds in (0.004, 12.34, 59.96, 600, 7322)]
    ['0.0 s', '12.3 s', '1 min 0 s', '10 min 0 s', '2 h 2 min']
    """
    if round(seconds, 1) < 60:
        return f'{seconds:.1f} s'
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f'{minutes} min {rest} s'
    return '{} h {} min'.format(*divmod(minutes, 60))


def _format_time(start):
    if start is None:
        return None
    return datetime.fromtimestamp(start).astimezone().isoformat(sep=' ', timespec='seconds')
