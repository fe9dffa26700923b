"""Draw workflows, without Graphviz.

The factories of this package have such a picture in their documentation.
"""

from copy import deepcopy
from graphlib import TopologicalSorter
from pathlib import Path

from nipype.pipeline import engine as pe
from nipype.pipeline.engine.utils import generate_expanded_graph

from ..exceptions import InputError
from ..images.files import atomic_path
from ..viz.graph import Graph, GraphNode, write_mermaid
from ..viz.graph_svg import draw_svg

__all__ = ['LEVELS', 'describe_workflow', 'draw_graph', 'draw_workflow', 'to_mermaid']

#: Levels of detail, as nipype's ``write_graph`` calls them.
LEVELS = ('orig', 'flat', 'hierarchical', 'colored', 'exec')


def draw_workflow(workflow, out_file, *, graph2use='colored'):
    """Draw a workflow into a file; unlike nipype's ``write_graph``, without Graphviz.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        Any workflow; it is not changed.
    out_file : path-like
        ``.svg`` for a picture, ``.mmd`` for Mermaid, ``.md`` for Mermaid in Markdown, which
        GitHub draws.
    graph2use : {'colored', 'hierarchical', 'orig', 'flat', 'exec'}
        Level of detail, see :func:`describe_workflow`.

    Returns
    -------
    str
        Absolute path of the file.

    Raises
    ------
    InputError
        If the extension or the level is unknown.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from nistats_nipype.workflows import init_prepare_wf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = draw_workflow(init_prepare_wf(), Path(folder, 'graph.svg'))
    ...     'compute_mask' in Path(path).read_text()
    True
    """
    return draw_graph(describe_workflow(workflow, graph2use), out_file)


def to_mermaid(workflow, *, graph2use='colored'):
    """Describe a workflow in the language of Mermaid.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
        Any workflow; it is not changed.
    graph2use : {'colored', 'hierarchical', 'orig', 'flat', 'exec'}
        Level of detail, see :func:`describe_workflow`.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If the level is unknown.

    Examples
    --------
    >>> from nistats_nipype.workflows import init_prepare_wf
    >>> print(to_mermaid(init_prepare_wf(), graph2use='orig').splitlines()[1])
    title: "prepare_wf"
    """
    return write_mermaid(describe_workflow(workflow, graph2use))


def draw_graph(graph, out_file):
    """Write a graph to a file, in the format that its extension names.

    Parameters
    ----------
    graph : nistats_nipype.viz.graph.Graph
    out_file : path-like
        ``.svg``, ``.mmd`` or ``.md``.

    Returns
    -------
    str
        Absolute path of the file.

    Raises
    ------
    InputError
        If the extension is unknown.
    OutputError
        If the file cannot be written.
    """
    out_file = Path(out_file).absolute()
    writers = {
        '.svg': draw_svg,
        '.mmd': write_mermaid,
        '.md': lambda graph: f'```mermaid\n{write_mermaid(graph)}```\n',
    }
    if out_file.suffix not in writers:
        raise InputError(
            f'{out_file.name} has an extension that cannot be drawn without Graphviz.',
            found=out_file.suffix or 'none',
            expected=', '.join(writers),
        )
    text = writers[out_file.suffix](graph)
    with atomic_path(out_file) as partial:
        partial.write_text(text, encoding='utf-8')
    return str(out_file)


def describe_workflow(workflow, graph2use='colored'):
    """List the nodes and edges that nipype's ``write_graph`` draws.

    Parameters
    ----------
    workflow : nipype.pipeline.engine.Workflow
    graph2use : {'colored', 'hierarchical', 'orig', 'flat', 'exec'}
        ``'orig'``: the workflow with its sub-workflows as one node each; ``'flat'``: the nodes
        of all; ``'hierarchical'``: the same, with a frame around each sub-workflow, and
        ``'colored'``, with colours too; ``'exec'``: the nodes that are executed, without those
        that only pass values on, and one for each value of an iterable.

    Returns
    -------
    nistats_nipype.viz.graph.Graph

    Raises
    ------
    InputError
        If the level is unknown.

    Examples
    --------
    >>> from nistats_nipype.workflows import init_prepare_wf
    >>> [node.label for node in describe_workflow(init_prepare_wf(), 'exec').nodes]
    ['compute_mask', 'smooth', 'apply_mask']
    """
    if graph2use not in LEVELS:
        raise InputError(
            'The graph of a workflow has no such level of detail.',
            found=repr(graph2use),
            expected=', '.join(LEVELS),
        )
    drawn = workflow._graph if graph2use == 'orig' else workflow._create_flat_graph()
    if graph2use == 'exec':
        drawn = generate_expanded_graph(deepcopy(drawn))
    framed = graph2use in ('hierarchical', 'colored')
    # Without the name of the whole; _id tells the nodes of an iterable apart.
    outer = {node: tuple((node._hierarchy or '').split('.')[1:]) for node in drawn.nodes}
    keys = {node: '.'.join((*outer[node], node._id)) for node in drawn.nodes}
    ordered = _order(drawn, keys)
    number = {node: index for index, node in enumerate(ordered)}
    nodes = [
        GraphNode(
            key=keys[node],
            label=node.name,
            detail=_tell(node),
            groups=outer[node] if framed else (),
            kind=_kind(node),
            note=_locate(node, () if framed else outer[node]),
        )
        for node in ordered
    ]
    # In frames nipype draws the values that are passed; a connection can have none.
    edges = sorted(
        (number[source], number[target])
        for source, target, passed in drawn.edges(data='connect')
        if passed or not framed
    )
    return Graph(
        workflow.name,
        nodes,
        [(nodes[source].key, nodes[target].key) for source, target in edges],
        colored=graph2use == 'colored',
    )


def _order(drawn, keys):
    """Order nodes such that edges point forwards, and else by name."""
    sorter = TopologicalSorter({node: set(drawn.predecessors(node)) for node in drawn.nodes})
    sorter.prepare()
    ordered = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=keys.get)
        sorter.done(*ready)
        ordered += ready
    return ordered


def _locate(node, outer):
    """Tell nodes of one name apart: by their workflows, and by the values of iterables."""
    values = [value.strip('_') for value in getattr(node, 'parameterization', None) or ()]
    return ', '.join(['.'.join(outer)] * bool(outer) + values)


def _tell(node):
    if isinstance(node, pe.Workflow):
        return f'{len(node.list_node_names())} nodes'
    return type(node.interface).__name__


def _kind(node):
    """Tell what sets the shape of a node."""
    if isinstance(node, pe.Workflow):
        return 'workflow'
    if type(node.interface).__name__ == 'IdentityInterface':
        return 'identity'
    return 'map' if isinstance(node, pe.MapNode) else 'node'
