"""Layout of a graph: columns of boxes, links from left to right, few crossings, short links.

The usual four steps: links that close a cycle are turned round, nodes get columns by their longest
way from a source, each column is ordered by what its nodes are linked to, and heights follow the
neighbours as far as the order allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

HEIGHT = 40.0
_GAP, _AISLE, _MARGIN, _BEND = 14.0, 48.0, 12.0, 4.0
_SWEEPS = 6

Link = tuple[int, int]
Point = tuple[float, float]
Item = Hashable
"""A node, or the place where a link passes a column."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The upper left corner of each box, the points that each link passes, and the size of it all."""

    corners: dict[int, Point]
    ways: dict[Link, list[Point]]
    width: float
    height: float


def layout(widths: Mapping[int, float], links: Sequence[Link]) -> Layout:
    """Places for boxes of these widths, such that links run from left to right as far as they can.

    >>> places = layout({1: 80, 2: 80, 3: 80}, [(1, 2), (2, 3), (1, 3)])
    >>> [places.corners[node][0] for node in (1, 2, 3)]
    [12.0, 140.0, 268.0]
    """
    forward = _acyclic(list(widths), links)
    column_of = _columns(list(widths), forward)
    routes = {link: _route(link, column_of) for link in forward}
    columns = _filled(column_of, routes)
    nearby = _nearby(routes)
    for sweep in range(_SWEEPS):
        _order(columns if sweep % 2 == 0 else columns[::-1], nearby)
    heights = {item: HEIGHT if item in widths else _BEND for column in columns for item in column}
    middle = _heights(columns, nearby, heights)
    lefts, total = _lefts(columns, widths)
    corners = {node: (lefts[column_of[node]], middle[node] - HEIGHT / 2) for node in widths}

    def route_points(link: Link) -> list[Point]:
        passed = [(lefts[at], middle[item]) for item, at in _passed(routes[link], column_of)]
        start, end = link
        return [
            (corners[start][0] + widths[start], middle[start]),
            *passed,
            (corners[end][0], middle[end]),
        ]

    ways = {
        link: route_points(link) if link in routes else route_points(link[::-1])[::-1]
        for link in dict.fromkeys(links)
    }
    return Layout(corners, ways, total, max(middle.values(), default=0) + HEIGHT / 2 + _MARGIN)


def _acyclic(nodes: Sequence[int], links: Sequence[Link]) -> list[Link]:
    """The links, with those that close a cycle turned round, and none from a node to itself."""
    onwards: defaultdict[int, list[int]] = defaultdict(list)
    for source, target in dict.fromkeys(links):
        onwards[source].append(target)
    forward: dict[Link, None] = {}
    done: set[int] = set()
    entered = {target for _, target in links}
    for root in sorted(nodes, key=lambda node: node in entered):
        path = {} if root in done else {root: iter(onwards[root])}
        while path:
            node, further = next(reversed(path.items()))
            step = next(further, None)
            if step is None:
                done.add(node)
                del path[node]
            elif step not in path:
                forward[node, step] = None
                if step not in done:
                    path[step] = iter(onwards[step])
            elif step != node:
                forward[step, node] = None
    return list(forward)


def _columns(nodes: Sequence[int], links: Sequence[Link]) -> dict[int, int]:
    """The layer of each node: the longest path from a source; a source is one layer before its first successor."""
    onwards: defaultdict[int, list[int]] = defaultdict(list)
    waiting = dict.fromkeys(nodes, 0)
    for source, target in links:
        onwards[source].append(target)
        waiting[target] += 1
    sources = [node for node in nodes if not waiting[node]]
    column, ready = dict.fromkeys(nodes, 0), list(sources)
    while ready:
        node = ready.pop()
        for target in onwards[node]:
            column[target] = max(column[target], column[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for node in sources:
        column[node] = min((column[target] for target in onwards[node]), default=1) - 1
    return column


def _route(link: Link, column_of: Mapping[int, int]) -> list[Item]:
    """The route of a link: both ends, and an item of its own in each column between them."""
    source, target = link
    return [source, *((link, at) for at in range(column_of[source] + 1, column_of[target])), target]


def _passed(route: Sequence[Item], column_of: Mapping[int, int]) -> list[tuple[Item, int]]:
    first: Any = route[0]
    return [(item, column_of[first] + 1 + offset) for offset, item in enumerate(route[1:-1])]


def _filled(column_of: Mapping[int, int], routes: Mapping[Link, list[Item]]) -> list[list[Item]]:
    columns: list[list[Item]] = [[] for _ in range(max(column_of.values(), default=-1) + 1)]
    for node, at in column_of.items():
        columns[at].append(node)
    for route in routes.values():
        for item, at in _passed(route, column_of):
            columns[at].append(item)
    return columns


def _nearby(routes: Mapping[Link, list[Item]]) -> dict[Item, list[Item]]:
    """The linked items of each item in the adjacent columns."""
    nearby: defaultdict[Item, list[Item]] = defaultdict(list)
    for route in routes.values():
        for item, other in pairwise(route):
            nearby[item].append(other)
            nearby[other].append(item)
    return nearby


def _order(columns: Sequence[list[Item]], nearby: Mapping[Item, list[Item]]) -> None:
    """Sort each column by the mean place of what its items are linked to in the column before."""
    for before, column in pairwise(columns):
        positions = {item: float(number) for number, item in enumerate(before)}
        barycentres = {}
        for number, item in enumerate(column):
            near = [positions[other] for other in nearby.get(item, ()) if other in positions]
            barycentres[item] = sum(near) / len(near) if near else float(number)
        column.sort(key=barycentres.__getitem__)


def _heights(
    columns: Sequence[list[Item]], nearby: Mapping[Item, list[Item]], heights: Mapping[Item, float]
) -> dict[Item, float]:
    """The middle of each item: as near to the mean of its neighbours as the order of its column allows."""
    middle = {
        item: centre
        for column in columns
        for item, centre in _spread(column, [0.0] * len(column), heights).items()
    }
    for sweep in range(2 * _SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            desired = []
            for item in column:
                near = [middle[other] for other in nearby.get(item, ())]
                desired.append(sum(near) / len(near) if near else middle[item])
            middle |= _spread(column, desired, heights)
    top = min((middle[item] - heights[item] / 2 for item in middle), default=0.0)
    return {item: centre - top + _MARGIN for item, centre in middle.items()}


def _spread(
    column: Sequence[Item], desired: Sequence[float], heights: Mapping[Item, float]
) -> dict[Item, float]:
    """The places nearest to those wanted (least squares) that keep the order and the gaps."""
    offsets, offset = [], 0.0
    for number, item in enumerate(column):
        offset += heights[item] / 2 + (heights[column[number - 1]] / 2 + _GAP if number else 0.0)
        offsets.append(offset)
    # Without the offsets only the order is left to keep: neighbours in the wrong order are pooled
    # at their mean.
    pools: list[tuple[float, int]] = []
    for want, off in zip(desired, offsets, strict=True):
        mean, size = want - off, 1
        while pools and pools[-1][0] > mean:
            other, count = pools.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        pools.append((mean, size))
    pooled = [mean for mean, size in pools for _ in range(size)]
    return {item: mean + off for item, mean, off in zip(column, pooled, offsets, strict=True)}


def _lefts(columns: Sequence[list[Item]], widths: Mapping[int, float]) -> tuple[list[float], float]:
    """The start of each column, and the end of the last one."""
    lefts, offset = [], _MARGIN
    for column in columns:
        lefts.append(offset)
        offset += (
            max((widths[item] for item in column if isinstance(item, int)), default=0.0) + _AISLE
        )
    return lefts, offset - _AISLE + _MARGIN
