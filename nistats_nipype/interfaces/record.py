"""What nipype leaves of a run in its work folder, read without unpickling anything."""

import os
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from ..exceptions import InputError
from ..images.files import load_json
from ..viz.run import NodeRun

__all__ = ['Run', 'find_run', 'read_run', 'summarize_run']

#: Of nipype, with the nodes of the last run and what they are connected to.
_GRAPH = 'graph1.json'
_REPORT = Path('_report', 'report.rst')
#: nipype's GB are GiB.
_GIB = 2**30 / 1e9


class Run(NamedTuple):
    """What became of a workflow.

    Attributes
    ----------
    name : str
        Of the workflow.
    nodes : list of NodeRun
        Each after those that it depends on.
    edges : list of (str, str)
        Names of the nodes.
    """

    name: str
    nodes: list
    edges: list


class _Traces(NamedTuple):
    """What was found in the folder of a node; times in seconds since 1970."""

    status: str
    start: float | None = None
    seconds: float | None = None
    memory_gb: float | None = None
    host: str = ''


def find_run(folder):
    """Find the run that a folder belongs to.

    Parameters
    ----------
    folder : path-like
        Of a workflow or of one of its nodes.

    Returns
    -------
    pathlib.Path or None
        Folder of the outermost workflow, if nipype has left its graph there.

    Examples
    --------
    >>> find_run('/nowhere') is None
    True
    """
    folder = Path(folder).absolute()
    return next((each for each in (folder, *folder.parents) if (each / _GRAPH).is_file()), None)


def read_run(folder):
    """Read what became of the nodes of a workflow in its last run.

    Parameters
    ----------
    folder : path-like
        The workflow's folder in the work folder.

    Returns
    -------
    Run
        A node that was not computed again keeps the time and memory of the run that computed
        it; if nothing says whether it would have been, because the run failed before, it
        counts as not run.

    Raises
    ------
    InputError
        If there is no record of a run.

    Notes
    -----
    nipype writes the graph when a run begins, unless ``create_report`` of its configuration is
    off; a node's hash, in the name of a file, when the node begins; and its time, host and
    peak memory, in ``_report/report.rst``, when it has ended.
    """
    folder = Path(folder).absolute()
    record = folder / _GRAPH
    if not record.is_file():
        raise InputError(
            f'There is no record of a run in {folder}.',
            found=f'no {_GRAPH}',
            expected='the folder of a workflow that nipype has run, with create_report on',
        )
    content, begun = load_json(record), record.stat().st_mtime
    try:
        # For a relative base_dir nipype leaves the part of the path before // in.
        paths = [Path(node['report'].rpartition('//')[2].strip('/')) for node in content['nodes']]
        parts = [path.parts[: -len(_REPORT.parts)] for path in paths]
        links = [(link['source'], link['target']) for link in content['links']]
        before = {number: set() for number in range(len(parts))}
        for source, target in links:
            before[target].add(source)
    except (KeyError, TypeError) as error:
        raise InputError(f'{record} is not what nipype writes.', found=repr(error)) from error
    nodes = {}
    for number in TopologicalSorter(before).static_order():
        found = _read_node(folder.joinpath(*parts[number]), begun)
        name = '.'.join(parts[number])
        if found.status == 'earlier' and any(
            nodes[each].status not in ('done', 'earlier') for each in before[number]
        ):
            found = NodeRun('', 'not run')
        nodes[number] = found._replace(name=name)
    names = {number: node.name for number, node in nodes.items()}
    edges = [(names[source], names[target]) for source, target in sorted(links)]
    return Run(folder.name, list(nodes.values()), edges)


def summarize_run(folder):
    """Show the workflow that a node belongs to, as it has run so far.

    Parameters
    ----------
    folder : path-like
        Folder of a node, directly within that of the workflow.

    Returns
    -------
    nistats_nipype.viz.run.RunSection or None
        None if there is no record in which the node is.
    """
    from ..viz.graph_svg import draw_svg
    from ..viz.run import RunSection, graph_of_run, table_of_run

    root = find_run(folder)
    if root is None:
        return None
    try:
        run = read_run(root)
    except InputError:
        return None
    parts = Path(folder).absolute().relative_to(root).parts
    if '.'.join(parts) not in {node.name for node in run.nodes}:
        return None
    # Folders of nodes that run for each value of an iterable are in one that begins with _.
    outer = [part for part in parts[:-1] if not part.startswith('_')]
    start = ''.join(f'{part}.' for part in outer)
    nodes = [
        node._replace(name=node.name.removeprefix(start))
        for node in run.nodes
        if node.name.startswith(start)
    ]
    edges = [
        (source.removeprefix(start), target.removeprefix(start))
        for source, target in run.edges
        if source.startswith(start) and target.startswith(start)
    ]
    name = outer[-1] if outer else run.name
    return RunSection(table_of_run(nodes), draw_svg(graph_of_run(name, nodes, edges)))


def _read_node(folder, begun):
    """Read what became of a node, or of the jobs of a MapNode together."""
    own = _read_traces(folder, begun)
    items = [_read_traces(item, begun) for item in folder.glob(f'mapflow/_{folder.name}*')]
    if not items:
        return NodeRun('', own.status, 0, *own[1:])
    status = own.status
    if status == 'not run':
        # Plugins run the jobs before nipype begins with the MapNode.
        statuses = {item.status for item in items}
        if 'failed' in statuses:
            status = 'failed'
        elif statuses & {'unfinished', 'done'}:
            status = 'unfinished'
    if status == 'not run':
        return NodeRun('', status)
    ran = [item for item in items if item.status == 'done'] or items
    timed = [item for item in ran if item.start is not None and item.seconds is not None]
    start = min((item.start for item in timed), default=None)
    ends = [item.start + item.seconds for item in timed]
    return NodeRun(
        '',
        status,
        n_jobs=len(items),
        start=start,
        seconds=max(ends) - start if ends else None,
        memory_gb=max((i.memory_gb for i in ran if i.memory_gb is not None), default=None),
        host=', '.join(sorted({item.host for item in ran if item.host})),
    )


def _read_traces(folder, begun):
    """Read what became of one job.

    While it runs, there is a file ``_0x<hash>_unfinished.json``, which is renamed at the end,
    and removed on failure; that leaves a result, and the report that was written before.
    """
    hashes, result = {}, None
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith('_0x') and entry.name.endswith('.json'):
                    hashes[entry.name] = entry.stat().st_mtime
                elif entry.name == f'result_{folder.name}.pklz':
                    result = entry.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return _Traces('not run')
    start = max(hashes.values(), default=None)
    if any(name.endswith('_unfinished.json') for name in hashes):
        return _Traces('unfinished', start) if start >= begun else _Traces('not run')
    if hashes:
        facts = _read_report(folder / _REPORT)
        status = 'done' if start >= begun else 'earlier'
        return _Traces(status, start, *facts)
    if result is None or result < begun:
        return _Traces('not run')
    try:
        start = (folder / _REPORT).stat().st_mtime
    except FileNotFoundError:
        return _Traces('failed')
    return _Traces('failed', start, max(result - start, 0.0))


def _read_report(path):
    """Read duration, memory and host from the report of a node."""
    try:
        text = path.read_text(encoding='utf-8', errors='replace')
    except FileNotFoundError:
        return None, None, ''
    section = re.search(r'^Runtime info\n-+\n(.*?)(?:^~+$|\Z)', text, re.MULTILINE | re.DOTALL)
    facts = dict(re.findall(r'^\* (\w+) : (.*)$', section.group(1), re.M)) if section else {}
    memory = _number(facts.get('mem_peak_gb'))
    return (
        _number(facts.get('duration')),
        None if memory is None else memory * _GIB,
        facts.get('hostname', ''),
    )


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
