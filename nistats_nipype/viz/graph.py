"""Graphs of workflows, to be drawn, and their text for Mermaid."""

import json
from typing import NamedTuple

__all__ = ['STATUSES', 'Graph', 'GraphNode', 'write_mermaid']

#: What can have become of a node, with the mark that says so without a colour.
STATUSES = {
    'done': ('✓', 'computed'),
    'earlier': ('=', 'result of an earlier run, not computed again'),
    'failed': ('✗', 'failed'),
    'unfinished': ('…', 'started, but not ended'),
    'not run': ('–', 'not run'),
}
#: Brackets that give a node of Mermaid its shape.
_SHAPES = {
    'node': ('[', ']'),
    'map': ('[[', ']]'),
    'identity': ('([', '])'),
    'workflow': ('{{', '}}'),
}
#: Colours of Mermaid, with text that is dark enough in its light and in its dark theme.
_CLASSES = {
    'done': 'fill:#d3f0dc,stroke:#1f7a3d,color:#10301b',
    'earlier': 'fill:#dbe7f7,stroke:#3b6aa8,color:#14233a',
    'failed': 'fill:#f9d3cf,stroke:#b3261e,stroke-width:3px,color:#40100c',
    'unfinished': 'fill:#fbe8bd,stroke:#8a6100,color:#3a2900',
    'not_run': 'fill:#f2f3f5,stroke:#6b7480,stroke-dasharray:4 3,color:#30363d',
}


class GraphNode(NamedTuple):
    """A box of a graph.

    Attributes
    ----------
    key : str
        Its name, which no other has.
    label : str
        What it is called in the picture.
    detail : str
        What it is, such as the name of its interface.
    groups : tuple of str
        The workflows that it is in, the outermost first; empty where they are not drawn.
    kind : {'node', 'map', 'identity', 'workflow'}
        What sets its shape.
    status : str
        One of ``STATUSES``, or nothing.
    note : str
        One more line, such as time and memory.
    """

    key: str
    label: str
    detail: str = ''
    groups: tuple = ()
    kind: str = 'node'
    status: str = ''
    note: str = ''

    @property
    def last_line(self):
        """The mark of the status and the note; without a note, the status in a word."""
        if not self.status:
            return self.note
        words = self.note or ('' if self.status == 'done' else self.status)
        return f'{STATUSES[self.status][0]} {words}'.rstrip()


class Graph(NamedTuple):
    """What is to be drawn.

    Attributes
    ----------
    name : str
        Of the workflow.
    nodes : list of GraphNode
        In an order in which edges point forwards, as far as possible.
    edges : list of (str, str)
        Keys of the nodes that are connected, each pair once.
    colored : bool
        Whether workflows are told apart by colours.
    """

    name: str
    nodes: list
    edges: list
    colored: bool = False


def write_mermaid(graph):
    """Describe a graph in the language of Mermaid, which GitHub and others draw.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str

    Examples
    --------
    >>> nodes = [GraphNode('smooth', 'smooth', 'Smooth'), GraphNode('wf.fit', 'fit', '', ('wf',))]
    >>> print(write_mermaid(Graph('demo', nodes, [('smooth', 'wf.fit')])))
    ---
    title: "demo"
    ---
    flowchart TB
      n0["smooth<br>Smooth"]
      subgraph g0["wf"]
        n1["fit"]
      end
      n0 --> n1
    <BLANKLINE>
    """
    names = {node.key: f'n{index}' for index, node in enumerate(graph.nodes)}
    groups = {}
    lines = ['---', f'title: {json.dumps(graph.name)}', '---', 'flowchart TB']
    lines += _list_group(graph, (), names, groups)
    lines += [f'  {names[source]} --> {names[target]}' for source, target in graph.edges]
    used = {node.status.replace(' ', '_') for node in graph.nodes}
    lines += [f'  classDef {name} {style}' for name, style in _CLASSES.items() if name in used]
    return '\n'.join(lines) + '\n'


def _list_group(graph, group, names, groups):
    """List the nodes of a workflow, and those within: lines that are indented by its depth."""
    indent, depth = '  ' * (len(group) + 1), len(group)
    lines, inner = [], {}
    for node in graph.nodes:
        if node.groups == group:
            parts = [node.label, node.detail, node.last_line]
            text = '<br>'.join(_escape(part) for part in parts if part)
            opening, closing = _SHAPES[node.kind]
            style = f':::{node.status.replace(" ", "_")}' if node.status else ''
            lines.append(f'{indent}{names[node.key]}{opening}"{text}"{closing}{style}')
        elif node.groups[:depth] == group:
            inner[node.groups[: depth + 1]] = None
    for each in inner:
        groups[each] = f'g{len(groups)}'
        lines.append(f'{indent}subgraph {groups[each]}["{_escape(each[-1])}"]')
        lines += _list_group(graph, each, names, groups)
        lines.append(f'{indent}end')
    return lines


def _escape(text):
    """Replace what ends a string of Mermaid, or is read as HTML in it."""
    entities = {'#': '#35;', '&': '#amp;', '"': '#quot;', '<': '#lt;', '>': '#gt;'}
    return ''.join(entities.get(character, character) for character in text)
