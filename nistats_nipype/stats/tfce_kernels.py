"""Compiled loops of TFCE. Import this module lazily: it needs Numba.

A point *precedes* another one if it is higher or, at one height, has the lower index. Points
are added in that order, and the *rank* of a point is its place in it. With each addition, the
components that touch the point end, and a new one begins that holds them and the point: so
components are named by ranks, and there are as many as points.

Only few points can join components. Following the first neighbour in the order uphill leads
to a peak; the points that lead to one peak are its *hill*, which stays in one piece from the
first point to the last. So it is hills that are joined (some thousands, in a smooth map of
10^5 points), and they are joined by points that *meet* another hill among the neighbours that
precede them. What can be known without the order of the additions (ranks, hills, meets) is
found in passes over the graph from end to end, which read memory in order and do not branch.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

#: Bits of a sort key, half of them sorted in a pass: the counters of a pass fill half an L1 cache.
_KEY_BITS = 22
_HALF = _KEY_BITS // 2
_DIGIT = (1 << _HALF) - 1
#: How often a point may move, on average, to put equal keys in order.
_MOVES = 32
#: Heights below it cannot be scaled to the range of keys.
_SMALLEST = 1e-300
#: Two numbers are packed into one, the second in the low bits.
_LOW = 0xFFFFFFFF
#: Rank of points that are not above 0, and the same in the high bits of a pair.
_NO_RANK = np.uint32(_LOW)
_NO_PAIR = 1 << 62


class Work(NamedTuple):
    """Work arrays for V points with M neighbours; each thread needs its own.

    Attributes
    ----------
    height : (V,) array of float64
        On the tested side, 0 elsewhere.
    order : (V,) array of int64
        By rank: the point, in the low bits.
    pair : (V,) array of int64
        Scratch of the sort, then, by point: the rank, and its hill in the low bits.
    digits : (2, 2048) array of int64
        Counters of the sort.
    rank, uphill : (V,) array of uint32
        By point: its rank; the smallest rank among itself and its neighbours.
    hill : (V,) array of uint32
        By rank: the number of its hill.
    first : (V + 1,) array of uint32
    meets : (M // 2 + 1,) array of uint32
        Hills that point v meets: ``meets[first[v] : first[v + 1]]``.
    root, latest : (V,) array of uint32
    extent : (V,) array of float64
        By hill: a hill of the same component; if it is this one, the rank that names the
        component, and its extent.
    power, score : (V,) array of float64
        By rank: the antiderivative of h^H; the integral over the component, then down to 0.
    parent : (V,) array of int32
        By rank: the component in which this one ends, or -1.
    """

    height: np.ndarray
    order: np.ndarray
    pair: np.ndarray
    digits: np.ndarray
    rank: np.ndarray
    uphill: np.ndarray
    hill: np.ndarray
    first: np.ndarray
    meets: np.ndarray
    root: np.ndarray
    latest: np.ndarray
    extent: np.ndarray
    power: np.ndarray
    score: np.ndarray
    parent: np.ndarray


def make_work(graph):
    """Make the work arrays of one thread.

    Parameters
    ----------
    graph : Graph
        As :func:`nistats_nipype.stats.graphs.check_graph` returns it.

    Returns
    -------
    Work
    """
    n_points = len(graph.indptr) - 1
    kinds = {np.float64: 'height extent power score', np.int64: 'order pair'}
    kinds |= {np.uint32: 'rank uphill hill root latest', np.int32: 'parent'}
    arrays = {
        name: np.empty(n_points, dtype) for dtype, names in kinds.items() for name in names.split()
    }
    return Work(
        **arrays,
        digits=np.empty((2, _DIGIT + 1), np.int64),
        first=np.empty(n_points + 1, np.uint32),
        # One place to spare: a hill is written down before it is known to be met.
        meets=np.empty(len(graph.indices) // 2 + 1, np.uint32),
    )


@njit(nogil=True, cache=True)
def _power(base, exponent):
    """``base ** exponent``, fast for the exponents in use."""
    if exponent == 0.5:
        return np.sqrt(base)
    if exponent == 1.0:
        return base
    if exponent == 2.0:
        return base * base
    if exponent == 3.0:
        return base * base * base
    return base**exponent


@njit(nogil=True, cache=True)
def _take_side(stat, sign, height):
    """Heights of the tested side, 0 elsewhere and for NaN; the highest, and how many."""
    top, count = 0.0, 0
    for v in range(stat.shape[0]):
        value = sign * stat[v]
        value = value if value > 0.0 else 0.0
        height[v] = value
        top = value if value > top else top
        count += value > 0.0
    return top, count


@njit(nogil=True, cache=True)
def _sort(height, top, count, order, spare, digits):
    """Put the points above 0 in order.

    A radix sort of heights on a scale of 2^22 steps, then an insertion sort within a step:
    there are more steps than points, so that it moves few of them.
    """
    last = (1 << _KEY_BITS) - 1
    if _SMALLEST < top < np.inf:
        scale = last / top
        digits[:] = 0
        i = 0
        for v in range(height.shape[0]):
            if height[v] > 0.0:
                key = last - min(int(height[v] * scale), last)
                digits[0, key & _DIGIT] += 1
                digits[1, key >> _HALF] += 1
                order[i] = (key << 32) | v
                i += 1
        _scatter(order, spare, count, 32, digits[0])
        _scatter(spare, order, count, 32 + _HALF, digits[1])
        if _settle(height, order, count):
            return
    # One point dwarfs the others or is infinite, or all are next to nothing.
    i = 0
    for v in range(height.shape[0]):
        if height[v] > 0.0:
            order[i] = v
            i += 1
    _sort_slowly(height, order, count)


@njit(nogil=True, cache=True)
def _sort_slowly(height, order, count):
    """Shell sort from the highest point down, equal ones in their order.

    For maps that hardly occur; NumPy's sort would take Numba seconds to compile for every map.
    """
    gap = count
    while gap > 1:
        gap = max(gap * 5 // 11, 1)
        for i in range(gap, count):
            item = order[i]
            k = i
            while k >= gap:
                other = order[k - gap]
                if height[other] > height[item] or (
                    height[other] == height[item] and other < item
                ):
                    break
                order[k] = other
                k -= gap
            order[k] = item


@njit(nogil=True, cache=True)
def _scatter(source, target, count, shift, digit_counts):
    """One pass of the radix sort."""
    begin = 0
    for digit in range(_DIGIT + 1):
        size = digit_counts[digit]
        digit_counts[digit] = begin
        begin += size
    for i in range(count):
        digit = (source[i] >> shift) & _DIGIT
        target[digit_counts[digit]] = source[i]
        digit_counts[digit] += 1


@njit(nogil=True, cache=True)
def _settle(height, order, count):
    """Put points with equal keys in order, or give up if that takes too many moves."""
    moves = 0
    for i in range(1, count):
        item = order[i]
        if item >> 32 != order[i - 1] >> 32:
            continue
        value = height[item & _LOW]
        j = i
        while j > 0 and order[j - 1] >> 32 == item >> 32:
            if height[order[j - 1] & _LOW] >= value:
                break
            order[j] = order[j - 1]
            j -= 1
        order[j] = item
        moves += i - j
        if moves > _MOVES * count:
            return False
    return True


@njit(nogil=True, cache=True)
def _look_uphill(order, count, indptr, indices, rank, uphill):
    """Rank the points, and find the first in the order around each."""
    rank[:] = _NO_RANK
    for r in range(count):
        rank[np.uint32(order[r] & _LOW)] = r
    for v in range(rank.shape[0]):
        best = rank[v]
        if best != _NO_RANK:
            for k in range(indptr[v], indptr[v + 1]):
                best = min(best, rank[indices[k]])
            uphill[v] = best


@njit(nogil=True, cache=True)
def _number_hills(order, count, uphill, hill, pair):
    """Number the hills by the rank of their peaks; how many there are."""
    pair[:] = _NO_PAIR
    n_hills = 0
    for r in range(count):
        v = np.uint32(order[r] & _LOW)
        if uphill[v] == r:
            hill[r] = n_hills
            n_hills += 1
        else:
            hill[r] = hill[uphill[v]]
        pair[v] = (np.int64(r) << 32) | hill[r]
    return n_hills


@njit(nogil=True, cache=True)
def _find_meets(pair, indptr, indices, first, meets):
    """List the other hills among the neighbours that precede each point.

    To branch on what a neighbour is would take most of the time, as no processor can guess
    it: so each is written down, and overwritten by the next if it does not count.
    """
    n = np.uint32(0)
    one = np.uint32(1)
    for v in range(pair.shape[0]):
        first[v] = n
        own = pair[v]
        if own == _NO_PAIR:
            continue
        begin = n
        for k in range(indptr[v], indptr[v + 1]):
            other = pair[indices[k]]
            meets[n] = other & _LOW
            n += np.uint32((other < own) & ((other ^ own) & _LOW != 0))
        end = n
        if end > begin + one:  # drop repetitions
            n = begin + one
            for k in range(begin + one, end):
                hill = meets[k]
                new = hill != meets[k - one]
                meets[n] = hill
                n += np.uint32(new)
    first[pair.shape[0]] = n


@njit(nogil=True, cache=True)
def _find(root, hill):
    """The hill that stands for the component of a hill."""
    while root[hill] != hill:
        root[hill] = root[root[hill]]
        hill = root[hill]
    return hill


@njit(nogil=True, cache=True)
def _end(work, stand, power, parent, E):
    """End a component, and integrate over the heights at which it was there."""
    r = work.latest[stand]
    # Two infinite heights have no difference.
    length = work.power[r] - power if work.power[r] > power else 0.0
    work.score[r] = _power(work.extent[stand], E) * length
    work.parent[r] = parent


@njit(nogil=True, cache=True)
def _add_points(work, count, n_hills, weights, E, H):
    """Add the points in order; the components that are left end at 0."""
    root, extent = work.root, work.extent
    n_found = 0
    for r in range(count):
        v = np.uint32(work.order[r] & _LOW)
        power = _power(work.height[v], H + 1.0) / (H + 1.0)
        work.power[r] = power
        stand = work.hill[r]
        if stand == n_found:  # a peak, which has no neighbour yet
            n_found += 1
            root[stand] = stand
            extent[stand] = 0.0
        else:
            stand = _find(root, stand)
            _end(work, stand, power, r, E)
            for k in range(work.first[v], work.first[v + 1]):
                other = _find(root, work.meets[k])
                if other != stand:
                    _end(work, other, power, r, E)
                    total = extent[stand] + extent[other]
                    if extent[other] > extent[stand]:
                        stand, other = other, stand
                    root[other] = stand
                    extent[stand] = total
        extent[stand] += weights[v] if weights.shape[0] else 1.0
        work.latest[stand] = r
    for hill in range(n_hills):
        if root[hill] == hill:
            _end(work, hill, 0.0, -1, E)


@njit(nogil=True, cache=True)
def _add_up(score, parent, count):
    """Add the integrals of components from the whole map up to the peaks."""
    for r in range(count - 1, -1, -1):
        value = score[r]
        if parent[r] >= 0:
            value += score[parent[r]]
        score[r] = value


@njit(nogil=True, cache=True)
def _write(rank, score, sign, out):
    """Bring the integrals to their points; the largest."""
    largest = 0.0
    for v in range(rank.shape[0]):
        if rank[v] != _NO_RANK:
            value = score[rank[v]]
            out[v] = sign * value
            largest = value if value > largest else largest
    return largest


@njit(nogil=True, cache=True)
def tfce_side(stat, sign, indptr, indices, weights, E, H, work, out):
    """TFCE of one side of a map.

    Parameters
    ----------
    stat : (V,) array of float64 or float32
        NaN is on neither side.
    sign : {1.0, -1.0}
        The side: above 0 or below 0.
    indptr : (V + 1,) array of uint32
    indices : (M,) array of uint32
        Of a :class:`~nistats_nipype.stats.graphs.Graph`. It must be symmetric.
    weights : (V,) or (0,) array of float64
        What a point adds to the extent. If empty: 1.
    E, H : float
        Exponents of extent and height.
    work : Work
        Made for this graph.
    out : (V,) array of float64
        TFCE, with the sign of the side, is written to the points of the side only.

    Returns
    -------
    float
        The largest TFCE, without sign; 0 if no point is on the side.
    """
    top, count = _take_side(stat, sign, work.height)
    if count == 0:
        return 0.0
    order, rank, pair = work.order, work.rank, work.pair
    _sort(work.height, top, count, order, pair, work.digits)
    _look_uphill(order, count, indptr, indices, rank, work.uphill)
    n_hills = _number_hills(order, count, work.uphill, work.hill, pair)
    _find_meets(pair, indptr, indices, work.first, work.meets)
    _add_points(work, count, n_hills, weights, E, H)
    _add_up(work.score, work.parent, count)
    return _write(rank, work.score, sign, out)
