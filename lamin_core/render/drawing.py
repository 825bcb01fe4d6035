"""Lineage as a drawing: its boxes and their texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lamin_core.lineage.graph import Graph, Node, RunNode
from lamin_core.lineage.view import path_of
from lamin_core.render.display import LETTERS, MOST, Picture
from lamin_core.render.layout import Link, layout
from lamin_core.render.svg import Box, written
from lamin_core.render.tree import tree
from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration
from lamin_core.uids import VERSION_LENGTH

_MANY = 8
"""Artifacts with the same makers and readers, from which on they are one box."""
_TREES = 10


@dataclass(frozen=True)
class Lineage(Graph, Picture):
    """The graph around some nodes; a notebook shows it as a picture, `print(graph.tree())` as text."""

    starts: tuple[Node, ...] = ()
    by_code: bool = False
    """Whether runs of the same code, and versions of the same artifact, are one box in the picture."""

    @classmethod
    def around(cls, graph: Graph, starts: Iterable[Node], *, by_code: bool = False) -> Lineage:
        """This graph, seen from these nodes."""
        return cls(
            **{field.name: getattr(graph, field.name) for field in fields(graph)},
            starts=tuple(starts),
            by_code=by_code,
        )

    def tree(self, *, downwards: bool | None = None) -> str:
        """As text: what made the nodes it is about, or what hangs on them."""
        shown = [
            start
            for start in self.starts
            if start[1] in (self.runs if start[0] == "run" else self.artifacts)
        ]
        text = "\n".join(tree(self, start, downwards=bool(downwards)) for start in shown[:_TREES])
        remaining = len(shown) - _TREES
        return f"{text}\nand {remaining} more" if remaining > 0 else text

    def svg(self) -> str:
        """Return the drawing as SVG text."""
        return svg(
            self,
            [-number if kind == "run" else number for kind, number in self.starts],
            by_code=self.by_code,
        )

    def __repr__(self) -> str:
        cut = ", truncated" if self.truncated else ""
        return f"Lineage({len(self.artifacts)} artifacts, {len(self.runs)} runs, {len(self.edges)} edges{cut})"


def svg(graph: Graph, starts: Collection[int], *, by_code: bool = False) -> str:
    """The picture of this graph; artifacts are positive numbers, runs negative ones.

    With `by_code`, runs of the same code are one box, and versions of the same artifact too. At
    most 150 boxes, those nearest to the starts.
    """
    links = [(above, below) for below, above in graph.shown_links(starts)]
    group = _by_code(graph) if by_code else _siblings(graph, links, starts)
    merged = [(group.get(upper, upper), group.get(other, other)) for upper, other in links]
    merged = [link for link in dict.fromkeys(merged) if link[0] != link[1]]
    begin = list(dict.fromkeys(group.get(node, node) for node in starts))
    every = _nearest(begin, merged)
    drawn = every[:MOST]
    members: defaultdict[int, list[int]] = defaultdict(list)
    for node in [*graph.artifacts, *(-run for run in graph.runs)]:
        members[group.get(node, node)].append(node)
    boxes = {
        node: _box(graph, members[node], begins=node in begin) for node in drawn if node in members
    }
    visible = [link for link in merged if link[0] in boxes and link[1] in boxes]
    note = (
        f"{len(drawn):,} of {len(every):,} boxes; up= and down= narrow it"
        if len(every) > len(drawn)
        else ""
    )
    return written(
        boxes, visible, layout({node: box.width for node, box in boxes.items()}, visible), note
    )


def _by_code(graph: Graph) -> dict[int, int]:
    """For each run one of the same code, for each artifact one of the same series."""
    first: dict[str, int] = {}
    group = {
        -run.id: first.setdefault(f"run {run.transform_uid}", -run.id)
        for run in graph.runs.values()
    }
    return group | {
        artifact.id: first.setdefault(f"artifact {artifact.uid[:-VERSION_LENGTH]}", artifact.id)
        for artifact in graph.artifacts.values()
    }


def _siblings(graph: Graph, links: Sequence[Link], starts: Collection[int]) -> dict[int, int]:
    """For each of many artifacts that the same runs made and read, one of them."""
    above: defaultdict[int, list[int]] = defaultdict(list)
    below: defaultdict[int, list[int]] = defaultdict(list)
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    alike: defaultdict[Any, list[int]] = defaultdict(list)
    for node in graph.artifacts:
        if node not in starts and (above[node] or below[node]):
            alike[frozenset(above[node]), frozenset(below[node])].append(node)
    return {node: nodes[0] for nodes in alike.values() if len(nodes) >= _MANY for node in nodes}


def _nearest(starts: Sequence[int], links: Sequence[Link]) -> list[int]:
    """Everything linked to the starts, the nearest first."""
    near: defaultdict[int, list[int]] = defaultdict(list)
    for upper, other in links:
        near[upper].append(other)
        near[other].append(upper)
    seen = dict.fromkeys(starts)
    frontier = list(seen)
    while frontier:
        frontier = [
            node
            for node in dict.fromkeys(other for current in frontier for other in near[current])
            if node not in seen
        ]
        seen.update(dict.fromkeys(frontier))
    return list(seen)


def _box(graph: Graph, members: Sequence[int], *, begins: bool) -> Box:
    start = " start" if begins else ""
    if members[0] < 0:
        return _run_box([graph.runs[-node] for node in members], start)
    nodes = [graph.artifacts[node] for node in members]
    first = nodes[0]
    path = path_of(first) if first.key is None or first.root == "/" else first.key
    folder, _, name = path.rstrip("/").rpartition("/")
    title = "\n".join(
        [
            *(f"{path_of(node)} v{node.uid[-VERSION_LENGTH:]}" for node in nodes[:20]),
            *["..."][: len(nodes) > 20],
        ]
    )
    if len(nodes) == 1:
        return Box(
            _short(name),
            _short(f"v{first.uid[-VERSION_LENGTH:]} {folder}".strip()),
            title,
            "artifact" + start,
        )
    is_one = len({node.uid[:-VERSION_LENGTH] for node in nodes}) == 1
    names = (
        (name, f"{len(nodes)} versions") if is_one else (f"{len(nodes)} artifacts", f"{name} ...")
    )
    return Box(_short(names[0]), _short(names[1]), title, "artifact" + start)


def _run_box(runs: Sequence[RunNode], start: str) -> Box:
    if runs[0].is_declared:
        title = (
            f"job {runs[0].transform_key} is declared; no run of it has read or written anything"
        )
        return Box(_short(runs[0].transform_key), "declared, not run", title, "run open" + start)
    states = Counter(run.status + (" (cached)" if run.cached else "") for run in runs)
    state = " ".join(
        f"{number} {name}" if len(runs) > 1 else name for name, number in states.most_common()
    )
    kinds = (
        "run"
        + " failed" * bool({"failed", "aborted", "lost"} & states.keys())
        + " open" * ("running" in states)
    )
    took = [duration(run.duration) for run in runs if run.duration is not None and len(runs) == 1]
    chosen = [f"collection {run.collection}" for run in runs[:1] if run.collection is not None]
    title = "\n".join(
        f"run {run.uid} {run.name or ''} {run.error or ''}".rstrip() for run in runs[:20]
    )
    return Box(
        _short(runs[0].transform_key),
        _short(" · ".join([runs[0].engine, state, *took, *chosen])),
        title,
        kinds + start,
    )


def _short(text: str) -> str:
    """The end of it, which tells files and steps apart."""
    text = printable(text)
    return text if len(text) <= LETTERS else "…" + text[1 - LETTERS :]
