"""Pictures of workflow graphs as SVG, without any other program."""

from collections import Counter
from xml.sax.saxutils import escape, quoteattr

from .graph import STATUSES
from .graph_layout import lay_out

__all__ = ['draw_svg']

_LINE, _MARGIN = 15, 9
#: Of the font, at 12 and 11 pixels; generous, because fonts differ.
_CHARACTER, _SMALL_CHARACTER = 7.2, 6.4
_TOP = 34
_STYLE = """
.workflow-graph { --paper: #ffffff; --ink: #1c2430; --muted: #526071; --line: #6b7785;
  --box: #eef2f6; --edge: #6b7785; --l0: #fff6cc; --l1: #dde9fb; --l2: #fbe0e0; --l3: #dcf2df;
  --done: #d3f0dc; --earlier: #dbe7f7; --failed: #f9d3cf; --unfinished: #fbe8bd;
  --not-run: #ffffff; --alarm: #b3261e; color-scheme: light dark;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .workflow-graph { --paper: #161b22; --ink: #e8ecf1;
  --muted: #a9b4c1; --line: #8b97a5; --box: #242d38; --edge: #8b97a5; --l0: #3a3413;
  --l1: #1c3049; --l2: #43232a; --l3: #1d3a26; --done: #1b4429; --earlier: #223a57;
  --failed: #5c211c; --unfinished: #4f3d10; --not-run: #161b22; --alarm: #ff8a80; } }
.workflow-graph .paper { fill: var(--paper); }
.workflow-graph text { fill: var(--ink); font-size: 12px; }
.workflow-graph .heading { font-size: 15px; font-weight: 600; }
.workflow-graph .small { font-size: 11px; fill: var(--muted); }
.workflow-graph .title { paint-order: stroke; stroke: var(--paper); stroke-width: 4; }
.workflow-graph .note { font-size: 11px; fill: var(--ink); }
.workflow-graph .box { fill: var(--box); stroke: var(--line); }
.workflow-graph .frame { fill: var(--ink); fill-opacity: .035; stroke: var(--line); }
.workflow-graph .identity .box { stroke-dasharray: 2 2; }
.workflow-graph .edge { fill: none; stroke: var(--edge); stroke-opacity: .75; }
.workflow-graph .edge:hover { stroke: var(--ink); stroke-opacity: 1; stroke-width: 2; }
.workflow-graph .arrow { fill: var(--edge); }
.workflow-graph .level-0 .box { fill: var(--l0); }
.workflow-graph .level-1 .box { fill: var(--l1); }
.workflow-graph .level-2 .box { fill: var(--l2); }
.workflow-graph .level-3 .box { fill: var(--l3); }
.workflow-graph .done .box { fill: var(--done); }
.workflow-graph .earlier .box { fill: var(--earlier); }
.workflow-graph .failed .box { fill: var(--failed); stroke: var(--alarm); stroke-width: 3; }
.workflow-graph .unfinished .box { fill: var(--unfinished); stroke-dasharray: 8 3; }
.workflow-graph .not-run .box { fill: var(--not-run); stroke-dasharray: 3 3; }
"""


def draw_svg(graph):
    """Draw a graph from top to bottom.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        An ``svg`` element, for an HTML page or a file of its own. The same graph gives the same
        text. Its colours follow the reader's choice of light or dark; a status has a mark and a
        border of its own as well.

    Examples
    --------
    >>> from nistats_nipype.viz.graph import Graph, GraphNode
    >>> draw_svg(Graph('demo_wf', [GraphNode('fit', 'fit', 'FitGLM')], [])).splitlines()[0]
    '<svg xmlns="http://www.w3.org/2000/svg" class="workflow-graph" role="group" ...
    """
    lines = {node.key: _list_lines(node) for node in graph.nodes}
    height = _LINE * max(map(len, lines.values()), default=1) + _MARGIN
    groups = {node.key: node.groups for node in graph.nodes}
    titles = {
        group[:depth]: _width(group[depth - 1], _CHARACTER)
        for group in groups.values()
        for depth in range(1, len(group) + 1)
    }
    widths = {
        key: max(_width(text, _CHARACTER if style == 'name' else _SMALL_CHARACTER)
                 for style, text in each) + 2 * _MARGIN
        for key, each in lines.items()
    }  # fmt: skip
    layout = lay_out(groups, graph.edges, widths, height, titles)
    legend = _list_legend(graph)
    width = max(
        layout.size[0], _width(graph.name, 9.5) + 24, *(_width(text, 6.4) + 24 for text in legend)
    )
    total = layout.size[1] + _TOP + _LINE * len(legend) + (8 if legend else 0)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="workflow-graph" role="group" '
        'aria-labelledby="workflow-graph-title workflow-graph-description" '
        f'viewBox="0 0 {width} {total}" width="{width}" height="{total}">',
        f'<title id="workflow-graph-title">Workflow {escape(graph.name)}</title>',
        f'<desc id="workflow-graph-description">{escape(_describe(graph))}</desc>',
        f'<style>{_STYLE}</style>',
        '<defs><marker id="workflow-graph-arrow" viewBox="0 0 8 8" refX="8" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto"><path class="arrow" d="M0 0L8 4L0 8z"/>'
        '</marker></defs>',
        f'<rect class="paper" width="{width}" height="{total}"/>',
        f'<text class="heading" x="12" y="24">{escape(graph.name)}</text>',
        f'<g transform="translate({(width - layout.size[0]) // 2} {_TOP})">',
    ]
    parts += [
        f'<rect class="frame" data-frame={quoteattr(".".join(frame))} x="{x}" y="{y}" '
        f'width="{width}" height="{height}" rx="8"/>'
        for frame, (x, y, width, height) in layout.frames.items()
    ]
    parts += [_draw_edge(edge, layout.lines[edge]) for edge in graph.edges]
    parts += [
        f'<text class="small title" x="{x + 9}" y="{y + 15}">{escape(frame[-1])}</text>'
        for frame, (x, y, _, _) in layout.frames.items()
    ]
    parts += [
        _draw_node(node, layout.boxes[node.key], lines[node.key], graph.colored)
        for node in graph.nodes
    ]
    parts.append('</g>')
    for index, text in enumerate(legend):
        y = layout.size[1] + _TOP + _LINE * index + 10
        parts.append(f'<text class="small" x="12" y="{y}">{escape(text)}</text>')
    return '\n'.join([*parts, '</svg>']) + '\n'


def _width(text, character):
    return int(len(text) * character) + 1


def _list_lines(node):
    """List what is written in a box: class and text of each line."""
    lines = [('name', node.label), ('small', node.detail)]
    if node.status:
        words = node.note or ('' if node.status == 'done' else node.status)
        lines.append(('note', f'{STATUSES[node.status][0]} {words}'.strip()))
    elif node.note:
        lines.append(('note', node.note))
    return [(style, text) for style, text in lines if text]


def _list_legend(graph):
    used = {node.status for node in graph.nodes}
    return [f'{mark} {text}' for name, (mark, text) in STATUSES.items() if name in used]


def _describe(graph):
    """Say in words what the picture shows."""
    text = f'{len(graph.nodes)} nodes and {len(graph.edges)} connections, from top to bottom.'
    counts = Counter(node.status for node in graph.nodes if node.status)
    if counts:
        words = ', '.join(f'{counts[name]} {name}' for name in STATUSES if counts[name])
        text += f' Of the nodes: {words}.'
    return text


def _draw_edge(edge, points):
    """Draw a line: bends between layers, with vertical ends, and straight through layers."""
    (x, y), *_ = points
    path = [f'M{x} {y}']
    for (_, y0), (x1, y1) in zip(points[::2], points[1::2], strict=True):
        middle = (y0 + y1) / 2
        path.append(f'V{y0}C{x} {middle:g} {x1} {middle:g} {x1} {y1}')
        x = x1
    source, target = map(quoteattr, edge)
    return (
        f'<path class="edge" data-source={source} data-target={target} d="{"".join(path)}" '
        f'marker-end="url(#workflow-graph-arrow)"><title>{escape(edge[0])} → {escape(edge[1])}'
        '</title></path>'
    )


def _draw_node(node, box, lines, colored):
    x, y, width, height = box
    classes = ['node', node.kind]
    if node.status:
        classes.append(node.status.replace(' ', '-'))
    elif colored:
        classes.append(f'level-{len(node.groups) % 4}')
    words = [f'{node.key} ({node.detail})' if node.detail else node.key]
    if node.status:
        words += [STATUSES[node.status][1], *filter(None, [node.note])]
    radius = {'identity': height // 2, 'workflow': 2}.get(node.kind, 5)
    shape = f'width="{width}" height="{height}" rx="{radius}"'
    parts = [
        f'<g class="{" ".join(classes)}" data-node={quoteattr(node.key)}>'
        f'<title>{escape(", ".join(words))}</title>'
    ]
    if node.kind in ('map', 'workflow'):  # which are many: a box behind the box
        parts.append(f'<rect class="box" x="{x + 4}" y="{y + 4}" {shape}/>')
    parts.append(f'<rect class="box" x="{x}" y="{y}" {shape}/>')
    first = y + (height - _LINE * len(lines)) / 2 + _LINE - 3.5
    for index, (style, text) in enumerate(lines):
        parts.append(
            f'<text class="{style}" x="{x + width / 2:g}" y="{first + _LINE * index:g}" '
            f'text-anchor="middle">{escape(text)}</text>'
        )
    return ''.join([*parts, '</g>'])
