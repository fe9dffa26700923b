"""Pictures of workflow graphs as SVG, without any other program."""

import re
from collections import Counter
from xml.sax.saxutils import escape, quoteattr

from .graph import STATUSES
from .graph_layout import lay_out

__all__ = ['draw_svg']

_LINE, _MARGIN = 15, 9
#: Of the font, at 12 and 11 pixels; generous, because fonts differ.
_CHARACTER, _SMALL_CHARACTER = 7.2, 6.4
_TOP = 34
#: In light and in dark.
_COLORS = {
    'paper': ('#ffffff', '#161b22'),
    'ink': ('#1c2430', '#e8ecf1'),
    'muted': ('#526071', '#a9b4c1'),
    'line': ('#6b7785', '#8b97a5'),
    'box': ('#eef2f6', '#242d38'),
    'level0': ('#fff6cc', '#3a3413'),
    'level1': ('#dde9fb', '#1c3049'),
    'level2': ('#fbe0e0', '#43232a'),
    'level3': ('#dcf2df', '#1d3a26'),
    'done': ('#d3f0dc', '#1b4429'),
    'earlier': ('#dbe7f7', '#223a57'),
    'failed': ('#f9d3cf', '#5c211c'),
    'unfinished': ('#fbe8bd', '#4f3d10'),
    'alarm': ('#b3261e', '#ff8a80'),
}
_STYLE = """
svg.graph-of-workflow:root { color-scheme: light dark; }
.graph-of-workflow { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.graph-of-workflow .paper { fill: @paper; }
.graph-of-workflow text { font-size: 12px; fill: @ink; }
.graph-of-workflow .heading { font-size: 15px; font-weight: 600; }
.graph-of-workflow .small { font-size: 11px; fill: @muted; }
.graph-of-workflow .note { font-size: 11px; }
.graph-of-workflow .title { paint-order: stroke; stroke-width: 4; stroke: @paper; }
.graph-of-workflow .box { fill: @box; stroke: @line; }
.graph-of-workflow .frame { fill-opacity: .035; fill: @ink; stroke: @line; }
.graph-of-workflow .identity .box { stroke-dasharray: 2 2; }
.graph-of-workflow .edge { fill: none; stroke-opacity: .75; stroke: @line; }
.graph-of-workflow .edge:hover { stroke-opacity: 1; stroke-width: 2; stroke: @ink; }
.graph-of-workflow .arrow { fill: @line; }
.graph-of-workflow .level-0 .box { fill: @level0; }
.graph-of-workflow .level-1 .box { fill: @level1; }
.graph-of-workflow .level-2 .box { fill: @level2; }
.graph-of-workflow .level-3 .box { fill: @level3; }
.graph-of-workflow .done .box { fill: @done; }
.graph-of-workflow .earlier .box { fill: @earlier; }
.graph-of-workflow .failed .box { stroke-width: 3; fill: @failed; stroke: @alarm; }
.graph-of-workflow .unfinished .box { stroke-dasharray: 8 3; fill: @unfinished; }
.graph-of-workflow .not-run .box { stroke-dasharray: 3 3; fill: @paper; }
"""
# Programs that know only one scheme take the first value, and skip the second.
_STYLE = re.sub(
    r'(fill|stroke): @(\w+);',
    lambda found: '{0}: {1}; {0}: light-dark({1}, {2});'.format(found[1], *_COLORS[found[2]]),
    _STYLE,
)


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
    '<svg xmlns="http://www.w3.org/2000/svg" class="graph-of-workflow" role="group" ...
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
    name = 'graph-of-' + re.sub(r'[^\w-]', '', graph.name)  # a page can have several
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="graph-of-workflow" role="group" '
        f'aria-labelledby="{name}-title {name}-description" '
        f'viewBox="0 0 {width} {total}" width="{width}" height="{total}">',
        f'<title id="{name}-title">Workflow {escape(graph.name)}</title>',
        f'<desc id="{name}-description">{escape(_describe(graph))}</desc>',
        f'<style>{_STYLE}</style>',
        f'<defs><marker id="{name}-arrow" viewBox="0 0 8 8" refX="8" refY="4" '
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
    parts += [_draw_edge(edge, layout.lines[edge], name) for edge in graph.edges]
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
    lines = [('name', node.label), ('small', node.detail), ('note', node.last_line)]
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


def _draw_edge(edge, points, name):
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
        f'marker-end="url(#{name}-arrow)"><title>{escape(edge[0])} → {escape(edge[1])}'
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
