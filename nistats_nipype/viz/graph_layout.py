"""Places of the boxes and lines of a graph that is drawn in layers."""

from bisect import bisect_left, insort
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

__all__ = ['Layout', 'lay_out']

#: Room in pixels: between boxes, between lines, around the content of a frame, between layers,
#: and for the title of a frame.
_BETWEEN, _LINES, _PADDING, _GAP, _TITLE = 18, 10, 12, 34, 22
_SWEEPS = 24
#: A line that passes many layers should be straight, one between neighbours may bend.
_STRAIGHT = {0: 2, 1: 4, 2: 12}


class Layout(NamedTuple):
    """Where everything is, in pixels from the upper left corner.

    Attributes
    ----------
    size : (int, int)
        Width and height.
    boxes : dict of {str: (x, y, width, height)}
        Of nodes, by their keys; x and y of the upper left corner.
    frames : dict of {tuple: (x, y, width, height)}
        Of workflows.
    lines : dict of {(str, str): list of (x, y)}
        From the lower side of one node to the upper side of another. Points 2 i and 2 i + 1
        are the ends of a bend between two layers; what joins bends is vertical.
    """

    size: tuple
    boxes: dict
    frames: dict
    lines: dict


class _Bend(NamedTuple):
    """Where the lines from a node pass a layer, between others."""

    source: str
    group: tuple
    rank: int


def lay_out(groups, edges, widths, height, title_widths):
    """Place the nodes of a directed graph without cycles in layers.

    Parameters
    ----------
    groups : dict of {str: tuple of str}
        Of each node, the nested frames that it is in, the outermost first.
    edges : list of (str, str)
    widths : dict of {str: int}
        Widths of the boxes.
    height : int
        Of all boxes.
    title_widths : dict of {tuple: int}
        Least widths of the frames.

    Returns
    -------
    Layout

    Notes
    -----
    Layers and horizontal places are optima of linear programmes [1]_: edges that are as short,
    and then as straight, as boxes and frames allow. The order within the layers is by
    barycentres, in sweeps downwards and upwards. The lines from one node run together as far as
    they can. Boxes overlap neither each other nor a line; frames overlap only if nested.

    References
    ----------
    .. [1] Gansner, Koutsofios, North, Vo (1993). A technique for drawing directed graphs. IEEE
       Transactions on Software Engineering 19, 214-230. doi:10.1109/32.221135

    Examples
    --------
    >>> groups = {'a': (), 'b': ('wf',), 'c': ('wf',)}
    >>> layout = lay_out(groups, [('a', 'b'), ('b', 'c')], dict.fromkeys(groups, 80), 30, {})
    >>> [layout.boxes[key][1] < layout.boxes[other][1] for key, other in ('ab', 'bc')]
    [True, True]
    """
    if not groups:
        return Layout((2 * _PADDING, 2 * _PADDING), {}, {}, {})
    ranks = _find_ranks(list(groups), edges)
    ranks, groups, chains = _add_bends(ranks, groups, edges)
    segments = sorted(
        {pair for chain in chains.values() for pair in pairwise(chain)},
        key=lambda pair: tuple(map(str, pair)),
    )
    tree = _Tree(ranks, groups)
    places = _order(tree, segments)
    centres, sides = _find_columns(tree, places, segments, widths, title_widths)
    tops, total = _find_rows(tree, height)
    boxes = {
        key: (centres[key] - width // 2, tops[ranks[key]], width, height)
        for key, width in widths.items()
    }
    frames = {}
    for frame in tree.frames[1:]:
        left, right = sides[frame]
        top = tops[tree.spans[frame][0]] - _TITLE * tree.levels(frame, 0)
        bottom = tops[tree.spans[frame][1]] + height + _PADDING * tree.levels(frame, 1)
        frames[frame] = (left, top, right - left, bottom - top)
    lines = {
        edge: [
            (centres[item], tops[ranks[item]] + (height if is_end else 0))
            for index, item in enumerate(chain)
            for is_end in (False, True)
            if (index, is_end) not in ((0, False), (len(chain) - 1, True))
        ]
        for edge, chain in chains.items()
    }
    return Layout((sides[()][1], total), boxes, frames, lines)


def _find_ranks(keys, edges):
    """Put nodes into layers such that edges point down and are short."""
    number = {key: index for index, key in enumerate(keys)}
    pairs = [(number[source], number[target]) for source, target in edges]
    ranks = _place(len(keys), [(a, b, 1) for a, b in pairs], [(a, b, 1) for a, b in pairs])
    used = {rank: index for index, rank in enumerate(sorted(set(ranks.tolist())))}
    return {key: used[ranks[number[key]]] for key in keys}


def _place(n_places, distances, costs):
    """Place points on a line, from 0 on, such that distances cost as little as possible.

    Parameters
    ----------
    n_places : int
    distances : list of (int, int, int)
        Of a and b, the least value of b - a.
    costs : list of (int, int, int)
        Of a and b, the price of b - a.

    Returns
    -------
    ndarray of int, (n_places,)

    Examples
    --------
    >>> _place(3, [(0, 1, 1), (1, 2, 1), (0, 2, 5)], [(0, 1, 1), (0, 2, 1)]).tolist()
    [0, 1, 5]
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    price = np.zeros(n_places)
    for first, second, cost in costs:
        price[second] += cost
        price[first] -= cost
    if not distances:
        return np.zeros(n_places, int)
    first, second, least = np.array(distances).T
    rows = np.arange(len(least))
    matrix = coo_array(
        (
            np.repeat([1.0, -1.0], len(least)),
            (np.tile(rows, 2), np.concatenate([first, second])),
        ),
        shape=(len(least), n_places),
    )
    # The matrix is totally unimodular: the corners that simplex methods end in are integers.
    solution = linprog(price, A_ub=matrix.tocsr(), b_ub=-least, method='highs-ds')
    return np.rint(solution.x).astype(int)


def _add_bends(ranks, groups, edges):
    """Split edges that pass layers; give ranks, groups and the items along each edge."""
    ranks, groups, chains = dict(ranks), dict(groups), {}
    for source, target in edges:
        shared = 0
        for one, other in zip(groups[source], groups[target], strict=False):
            if one != other:
                break
            shared += 1
        group = groups[source][:shared]
        bends = [_Bend(source, group, rank) for rank in range(ranks[source] + 1, ranks[target])]
        ranks.update((bend, bend.rank) for bend in bends)
        groups.update((bend, group) for bend in bends)
        chains[source, target] = [source, *bends, target]
    return ranks, groups, chains


class _Tree:
    """Items in layers and nested frames."""

    def __init__(self, ranks, groups):
        self.ranks, self.groups = ranks, groups
        self.layers = [[] for _ in range(max(ranks.values()) + 1)]
        self.members = defaultdict(list)  # of each frame, at any depth
        for item, rank in ranks.items():
            self.layers[rank].append(item)
            for depth in range(len(groups[item]) + 1):
                self.members[groups[item][:depth]].append(item)
        self.frames = sorted(self.members, key=len)
        self.trunks = defaultdict(list)  # bends of one source that are below each other
        for item in ranks:
            if isinstance(item, _Bend):
                self.trunks[item[:2]].append(item)
        self.spans = {}
        for frame, items in self.members.items():
            layers = [ranks[item] for item in items]
            self.spans[frame] = min(layers), max(layers)
        self.inner = defaultdict(list)
        for frame in self.frames[1:]:
            self.inner[frame[:-1]].append(frame)
        self.number = {each: index for index, each in enumerate([*self.frames, *ranks])}

    def levels(self, frame, end):
        """Count how many frames begin (``end`` 0) or end (1) at once, from this one inwards."""
        edge = self.spans[frame][end]
        within = [each for each in self.inner[frame] if self.spans[each][end] == edge]
        return 1 + max((self.levels(each, end) for each in within), default=0)

    def sort_keys(self, places):
        """Give a key of each item and frame that sorts layers and keeps frames together.

        A frame has the same place in every layer, so that it can be drawn as a rectangle, and
        so have lines that pass many layers, so that they do not change sides.
        """
        mean = {
            frame: sum(places[item] for item in items) / len(items)
            for frame, items in self.members.items()
        }
        keys = {}
        for frame in self.frames:
            outer = keys[frame[:-1]] if frame else ()
            keys[frame] = (*outer, (mean[frame], self.number[frame]))
        straight = {
            item: sum(places[each] for each in items) / len(items)
            for items in self.trunks.values()
            for item in items
        }
        for item, group in self.groups.items():
            keys[item] = (*keys[group], (straight.get(item, places[item]), self.number[item]))
        return keys


def _order(tree, segments):
    """Order the items of each layer so that few lines cross; give their places."""
    above, below = defaultdict(list), defaultdict(list)
    for upper, lower in segments:
        above[lower].append(upper)
        below[upper].append(lower)
    places = {item: index for layer in tree.layers for index, item in enumerate(layer)}
    best, least = places, float('inf')
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for layer in tree.layers if down else reversed(tree.layers):
            for item in layer:
                if near[item]:
                    places[item] = sum(places[each] for each in near[item]) / len(near[item])
            keys = tree.sort_keys(places)
            for index, item in enumerate(sorted(layer, key=keys.get)):
                places[item] = index - (len(layer) - 1) / 2
        crossings = _count_crossings(tree, places, segments)
        if crossings < least:
            best, least = dict(places), crossings
    return best


def _count_crossings(tree, places, segments):
    number, passed = 0, defaultdict(list)
    for rank, _, place in sorted(
        (tree.ranks[upper], places[upper], places[lower]) for upper, lower in segments
    ):
        number += len(passed[rank]) - bisect_left(passed[rank], place + 1e-9)
        insort(passed[rank], place)
    return number


def _find_columns(tree, places, segments, widths, title_widths):
    """Find the centres of the items, and left and right sides of the frames."""
    keys = tree.sort_keys(places)
    number = {item: index for index, item in enumerate(tree.ranks)}
    sides = {frame: (len(number) + 2 * i, len(number) + 2 * i + 1)
             for i, frame in enumerate(tree.frames)}  # fmt: skip
    half = {item: -(-widths.get(item, 0) // 2) for item in number}
    distances = [
        (*sides[frame], title_widths.get(frame, 0) + 2 * _PADDING) for frame in tree.frames
    ]
    costs = [(*sides[frame], 1) for frame in tree.frames]
    for frame in tree.frames:
        left, right = sides[frame]
        for rank in range(tree.spans[frame][0], tree.spans[frame][1] + 1):
            row = [item for item in tree.layers[rank] if tree.groups[item] == frame]
            row += [
                each
                for each in tree.inner[frame]
                if tree.spans[each][0] <= rank <= tree.spans[each][1]
            ]
            end, room, was_bend = left, _PADDING, False
            for item in sorted(row, key=keys.get):
                is_bend = isinstance(item, _Bend)
                if end != left:
                    room += _LINES if was_bend and is_bend else _BETWEEN
                if item in sides:
                    distances.append((end, sides[item][0], room))
                    end, room = sides[item][1], 0
                else:
                    distances.append((end, number[item], room + half[item]))
                    end, room = number[item], half[item]
                was_bend = is_bend
            distances.append((end, right, room + _PADDING))
    n_places = len(number) + 2 * len(tree.frames)
    for upper, lower in segments:
        # The point that neither end is left of: both pay for their distance from it.
        weight = _STRAIGHT[isinstance(upper, _Bend) + isinstance(lower, _Bend)]
        for item in (upper, lower):
            distances.append((n_places, number[item], 0))
            costs.append((n_places, number[item], weight))
        n_places += 1
    found = _place(n_places, distances, costs).tolist()
    return (
        {item: found[index] for item, index in number.items()},
        {frame: (found[left], found[right]) for frame, (left, right) in sides.items()},
    )


def _find_rows(tree, height):
    """Find the upper side of each layer, and the height of all."""
    n_layers = len(tree.layers)
    opening, closing = [0] * n_layers, [0] * n_layers
    for frame in tree.frames[1:]:
        first, last = tree.spans[frame]
        opening[first] = max(opening[first], tree.levels(frame, 0))
        closing[last] = max(closing[last], tree.levels(frame, 1))
    tops, bottom = [], _PADDING - _GAP
    for begun, ended in zip(opening, closing, strict=True):
        tops.append(bottom + _GAP + _TITLE * begun)
        bottom = tops[-1] + height + _PADDING * ended
    return tops, bottom + _PADDING
