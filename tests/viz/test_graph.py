"""Pictures of graphs: what overlaps, what is missing, what a browser and Mermaid can read."""

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from nistats_nipype.viz.graph import STATUSES, Graph, GraphNode, write_mermaid
from nistats_nipype.viz.graph_layout import lay_out
from nistats_nipype.viz.graph_svg import draw_svg
from nistats_nipype.viz.run import NodeRun, graph_of_run, table_of_run

SVG = '{http://www.w3.org/2000/svg}'
GROUPS = [(), (), ('a',), ('a', 'b'), ('a', 'c'), ('d',), ('d', 'b')]


def make_graph(seed, n_nodes=24):
    """A random graph without cycles, in nested workflows that need not be neighbours."""
    random = np.random.default_rng(seed)
    nodes = [
        GraphNode(
            f'n{index}',
            'n' * random.integers(1, 25),
            detail='Detail' * random.integers(0, 3),
            groups=GROUPS[random.integers(len(GROUPS))],
            kind=['node', 'map', 'identity', 'workflow'][random.integers(4)],
            status=[*STATUSES, ''][random.integers(6)],
        )
        for index in range(n_nodes)
    ]
    pairs = itertools.combinations([node.key for node in nodes], 2)
    return Graph('random', nodes, [pair for pair in pairs if random.random() < 0.12])


def lay(graph, height=30):
    groups = {node.key: node.groups for node in graph.nodes}
    widths = {node.key: 20 + 7 * len(node.label) for node in graph.nodes}
    return lay_out(groups, graph.edges, widths, height, {('a',): 300})


def overlap(one, other):
    return all(
        one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2]
        for axis in (0, 1)
    )


def within(inner, outer):
    return all(
        outer[axis] <= inner[axis]
        and inner[axis] + inner[axis + 2] <= outer[axis] + outer[axis + 2]
        for axis in (0, 1)
    )


@pytest.mark.parametrize('seed', range(8))
def test_boxes_and_frames_are_apart_or_nested(seed):
    graph = make_graph(seed)
    layout = lay(graph)
    assert set(layout.boxes) == {node.key for node in graph.nodes}
    assert set(layout.frames) == {
        node.groups[:depth] for node in graph.nodes for depth in range(1, len(node.groups) + 1)
    }
    for one, other in itertools.combinations(layout.boxes.values(), 2):
        assert not overlap(one, other)
    for node, (group, frame) in itertools.product(graph.nodes, layout.frames.items()):
        box = layout.boxes[node.key]
        if node.groups[: len(group)] == group:
            assert within(box, frame)
        else:
            assert not overlap(box, frame)
    for (one, box), (other, frame) in itertools.permutations(layout.frames.items(), 2):
        assert within(box, frame) if one[: len(other)] == other else not (
            overlap(box, frame) and other[: len(one)] != one
        )  # fmt: skip
    assert layout.frames['a',][2] >= 300
    page = (0, 0, *layout.size)
    assert all(within(box, page) for box in [*layout.boxes.values(), *layout.frames.values()])


@pytest.mark.parametrize('seed', range(8))
def test_lines_join_their_nodes_and_pass_the_others(seed):
    graph = make_graph(seed)
    layout = lay(graph)
    assert list(layout.lines) == graph.edges
    rows = {(y, y + height) for _, y, _, height in layout.boxes.values()}
    for (source, target), points in layout.lines.items():
        x, y, width, height = layout.boxes[source]
        assert points[0] == (x + width // 2, y + height)
        x, y, width, height = layout.boxes[target]
        assert points[-1] == (x + width // 2, y)
        # Bends are between the rows of boxes; through the rows, lines are straight.
        for (_, upper), (_, lower) in zip(points[::2], points[1::2], strict=True):
            assert upper < lower
            assert not any(top < lower and upper < bottom for top, bottom in rows)
        for (x, upper), (same, lower) in zip(points[1:-1:2], points[2:-1:2], strict=True):
            assert x == same
            line = (x, upper, 1, lower - upper)
            assert not any(overlap(line, box) for box in layout.boxes.values())


def test_edges_are_as_short_as_they_can_be():
    """Against all assignments of layers."""
    keys = 'abcdef'
    edges = [('a', 'b'), ('b', 'c'), ('c', 'f'), ('d', 'f'), ('a', 'e'), ('d', 'e'), ('e', 'f')]
    layout = lay_out(dict.fromkeys(keys, ()), edges, dict.fromkeys(keys, 20), 10, {})
    tops = sorted({box[1] for box in layout.boxes.values()})
    ranks = {key: tops.index(layout.boxes[key][1]) for key in keys}
    length = sum(ranks[target] - ranks[source] for source, target in edges)
    shortest = min(
        sum(steps)
        for rank in itertools.product(range(4), repeat=len(keys))
        if min(
            steps := [rank[keys.index(b)] - rank[keys.index(a)] for a, b in edges]
        ) >= 1
    )  # fmt: skip
    assert length == shortest


def test_a_chain_is_straight_and_parallel_chains_do_not_cross():
    groups = dict.fromkeys(['a1', 'a2', 'a3', 'b1', 'b2', 'b3'], ())
    edges = [('a1', 'a2'), ('a2', 'a3'), ('b1', 'b2'), ('b2', 'b3')]
    boxes = lay_out(groups, edges, dict.fromkeys(groups, 40), 10, {}).boxes
    columns = [{boxes[f'{name}{index}'][0] for index in (1, 2, 3)} for name in 'ab']
    assert [len(column) for column in columns] == [1, 1]


@pytest.mark.parametrize('seed', range(4))
def test_svg_has_every_node_and_edge_once(seed):
    graph = make_graph(seed)
    text = draw_svg(graph)
    assert draw_svg(graph) == text
    root = ElementTree.fromstring(text)
    assert root.find(f'{SVG}title').text == 'Workflow random'
    assert f'{len(graph.nodes)} nodes and {len(graph.edges)} connections' in (
        root.find(f'{SVG}desc').text
    )
    ids = root.get('aria-labelledby').split()
    assert [each.tag for name in ids for each in root.iter() if each.get('id') == name] == [
        f'{SVG}title',
        f'{SVG}desc',
    ]
    paths = [each for each in root.iter(f'{SVG}path') if each.get('class') == 'edge']
    assert [(path.get('data-source'), path.get('data-target')) for path in paths] == graph.edges
    nodes = {each.get('data-node'): each for each in root.iter(f'{SVG}g') if 'data-node' in
             each.attrib}  # fmt: skip
    assert list(nodes) == [node.key for node in graph.nodes]
    for node in graph.nodes:
        written = [each.text for each in nodes[node.key].iter(f'{SVG}text')]
        assert written[0] == node.label
        if node.status:
            mark, words = STATUSES[node.status]
            assert written[-1].startswith(mark)
            assert words in nodes[node.key].find(f'{SVG}title').text
            assert f'{mark} {words}' in text  # the legend
    frames = {each.get('data-frame') for each in root.iter(f'{SVG}rect')} - {None}
    assert frames == {'.'.join(frame) for frame in lay(graph).frames}


def test_text_is_escaped():
    nodes = [GraphNode('a&b', '<a>', 'x"y#1', groups=('<wf>',)), GraphNode('"', "'&'")]
    graph = Graph('<&>', nodes, [('a&b', '"')])
    root = ElementTree.fromstring(draw_svg(graph))
    written = [each.text for each in root.iter(f'{SVG}text')]
    assert written == ['<&>', '<wf>', '<a>', 'x"y#1', "'&'"]
    text = write_mermaid(graph)
    assert 'n0["#lt;a#gt;<br>x#quot;y#35;1"]' in text
    assert text.splitlines()[1] == 'title: "<&>"'


def test_nothing_to_draw():
    root = ElementTree.fromstring(draw_svg(Graph('empty', [], [])))
    assert root.find(f'{SVG}desc').text.startswith('0 nodes')
    assert write_mermaid(Graph('empty', [], [])).endswith('flowchart TB\n')


def read_mermaid(text):
    """Read a flowchart back: nodes with their groups, and edges."""
    nodes, edges, stack, styles = {}, [], [], {}
    for line in text.splitlines():
        if found := re.fullmatch(r' +subgraph g\d+\["(.*)"\]', line):
            stack.append(found.group(1))
        elif line.strip() == 'end':
            stack.pop()
        elif found := re.fullmatch(r' +(n\d+) --> (n\d+)', line):
            edges.append(found.groups())
        elif found := re.fullmatch(r' +(n\d+)[\[({]+"(.*)"[\])}]+(?::::(\w+))?', line):
            nodes[found.group(1)] = (tuple(stack), found.group(2).split('<br>'))
            styles[found.group(1)] = found.group(3)
    assert not stack
    return nodes, edges, styles


@pytest.mark.parametrize('seed', range(4))
def test_mermaid_is_read_back(seed):
    graph = make_graph(seed)
    text = write_mermaid(graph)
    nodes, edges, styles = read_mermaid(text)
    assert len(nodes) == len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        groups, words = nodes[f'n{index}']
        assert groups == node.groups
        assert words[0] == node.label
        if node.status:
            assert words[-1].startswith(STATUSES[node.status][0])
        assert styles[f'n{index}'] == (node.status.replace(' ', '_') or None)
    keys = {f'n{index}': node.key for index, node in enumerate(graph.nodes)}
    assert [(keys[source], keys[target]) for source, target in edges] == graph.edges
    assert set(re.findall(r'classDef (\w+)', text)) == set(styles.values()) - {None}


def test_a_run_is_told_in_words_and_numbers():
    nodes = [
        NodeRun('a', 'done', 0, 0.0, 3.04, 0.1234, 'here'),
        NodeRun('wf.b', 'failed', 16, 10.0, 3600.0),
        NodeRun('wf.c', 'not run'),
    ]
    graph = graph_of_run('run', nodes, [('a', 'wf.b'), ('wf.b', 'wf.c')])
    root = ElementTree.fromstring(draw_svg(graph))
    assert root.find(f'{SVG}desc').text.endswith('1 done, 1 failed, 1 not run.')
    written = [each.text for each in root.iter(f'{SVG}text')]
    assert written[1:8] == [
        'wf', 'a', '✓ 3.0 s, 0.12 GB', 'b', '✗ 16 jobs, 1 h 0 min', 'c', '– not run'
    ]  # fmt: skip
    table = table_of_run(nodes)
    assert table['jobs'].tolist()[1] == 16
    assert table['jobs'].isna().tolist() == [True, False, True]
    assert table['seconds'].tolist()[:2] == [3.04, 3600]
    assert table['memory_gb'].tolist()[0] == 0.123
    assert 'jobs' not in table_of_run(nodes[::2])
