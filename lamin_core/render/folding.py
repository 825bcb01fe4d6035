"""Which nodes of a graph are alike, so that a picture shows them as one box: CLEAN x 8."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence

from lamin_core.lineage.graph import Graph
from lamin_core.render.layout import Link
from lamin_core.uids import VERSION_LENGTH

FOLDED_FROM = 4
"""Alike nodes from which on they are one box."""


def by_code(graph: Graph) -> dict[int, int]:
    """Map each run to one run of the same code, and each artifact to one of the same series."""
    first: dict[str, int] = {}
    group = {
        -run.id: first.setdefault(f"run {run.transform_uid}", -run.id)
        for run in graph.runs.values()
    }
    return group | {
        artifact.id: first.setdefault(f"artifact {artifact.uid[:-VERSION_LENGTH]}", artifact.id)
        for artifact in graph.artifacts.values()
    }


def alike(graph: Graph, links: Sequence[Link], starts: Collection[int]) -> dict[int, int]:
    """Map each of several nodes with the same part to one of them; artifacts are positive, runs negative.

    Runs of the same code and state are alike, and files with the same suffix, as far as what they
    read and what reads them is alike, too. That is the coarsest stable colouring: each round
    splits nodes whose neighbours differ, until a round splits nothing.
    """
    colours = _looks(graph, starts)
    above: defaultdict[int, list[int]] = defaultdict(list)
    below: defaultdict[int, list[int]] = defaultdict(list)
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    number = -1
    while number < (number := len(set(colours.values()))):
        colours = _numbered(
            {
                node: (colour, _seen(colours, above[node]), _seen(colours, below[node]))
                for node, colour in colours.items()
            }
        )
    return _groups(colours)


def _looks(graph: Graph, starts: Collection[int]) -> dict[int, int]:
    """The key by which nodes are alike; each start of the graph has its own."""
    looks: dict[int, Hashable] = {
        artifact.id: _suffix(artifact.key or "") for artifact in graph.artifacts.values()
    }
    for run in graph.runs.values():
        looks[-run.id] = (run.engine, run.transform_uid, run.status, run.cached)
    looks.update({start: ("start", start) for start in starts if start in looks})
    return _numbered(looks)


def _suffix(key: str) -> str:
    """The part of the name after the first dot, without its digits."""
    return _DIGITS.sub("0", key.rpartition("/")[2].partition(".")[2])


_DIGITS = re.compile("[0-9]+")


def _numbered(looks: Mapping[int, Hashable]) -> dict[int, int]:
    numbers: dict[Hashable, int] = {}
    return {node: numbers.setdefault(look, len(numbers)) for node, look in looks.items()}


def _seen(colours: Mapping[int, int], nodes: Sequence[int]) -> frozenset[int]:
    return frozenset(colours[node] for node in nodes if node in colours)


def _groups(colours: Mapping[int, int]) -> dict[int, int]:
    members: defaultdict[int, list[int]] = defaultdict(list)
    for node, colour in colours.items():
        members[colour].append(node)
    folded = [nodes for nodes in members.values() if len(nodes) >= FOLDED_FROM]
    return {node: nodes[0] for nodes in folded for node in nodes}
