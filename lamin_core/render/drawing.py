"""Lineage as a drawing: its boxes and their texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from lamin_core.lineage.graph import ArtifactNode, Graph, Node, RunNode
from lamin_core.lineage.view import path_of
from lamin_core.render import folding
from lamin_core.render.display import LETTERS, MOST, Picture
from lamin_core.render.flowchart import dot, mermaid
from lamin_core.render.layout import Link, layout
from lamin_core.render.svg import Box, engine_class, written
from lamin_core.render.tree import NO_REMARKS, tree
from lamin_core.render.view_data import Groups
from lamin_core.render.view_page import view_frame, view_page
from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration
from lamin_core.uids import VERSION_LENGTH

_TREES = 10
_TITLE = "Lineage"


@dataclass(frozen=True)
class Lineage(Graph, Picture):
    """The graph around some nodes; a notebook shows it as a picture, `print(graph.tree())` as text."""

    starts: tuple[Node, ...] = ()
    by_code: bool = False
    """Whether runs of the same code, and versions of the same artifact, are one box in the picture."""
    remarks: Mapping[int, str] = field(default_factory=dict)
    """Words behind artifacts, by primary key: what is outdated, what has a newer version."""

    @classmethod
    def around(
        cls,
        graph: Graph,
        starts: Iterable[Node],
        *,
        by_code: bool = False,
        remarks: Mapping[int, str] = NO_REMARKS,
    ) -> Lineage:
        """This graph, seen from these nodes."""
        return cls(
            **{column.name: getattr(graph, column.name) for column in fields(Graph)},
            starts=tuple(starts),
            by_code=by_code,
            remarks=remarks,
        )

    def tree(self, *, downwards: bool | None = None) -> str:
        """The text of what made the nodes it is about, or of what depends on them."""
        shown = [
            start
            for start in self.starts
            if start[1] in (self.runs if start[0] == "run" else self.artifacts)
        ]
        trees = [
            tree(self, start, downwards=bool(downwards), remarks=self.remarks)
            for start in shown[:_TREES]
        ]
        text = "\n".join(trees)
        remaining = len(shown) - _TREES
        return f"{text}\nand {remaining} more" if remaining > 0 else text

    def svg(self) -> str:
        """Return the drawing as SVG text."""
        return self.drawing().svg()

    def dot(self) -> str:
        """Return the drawing in the language of Graphviz."""
        shown = self.drawing()
        return dot(shown.boxes, shown.links)

    def mermaid(self) -> str:
        """Return the drawing as a Mermaid flowchart, which GitHub and GitLab show in Markdown."""
        shown = self.drawing()
        return mermaid(shown.boxes, shown.links)

    def drawing(self) -> Drawing:
        """Return the boxes and links of the picture."""
        starts = [-number if kind == "run" else number for kind, number in self.starts]
        return drawing(self, starts, by_code=self.by_code, remarks=self.remarks)

    def page(self, title: str, tables: str = "") -> str:
        """Return the view as one HTML page that fetches nothing; `tables` is HTML below the drawing."""
        groups = self._groups()
        return view_page(title, groups.svg(), groups.data("lineage"), tables)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(include, exclude)
        groups = self._groups()
        if not groups.folded.groups:
            return bundle
        svg = groups.svg()
        page = view_page(_TITLE, svg, groups.data("lineage"))
        return {**bundle, "text/html": view_frame(_TITLE, svg, page)}

    def _groups(self) -> Groups:
        starts = [-number if kind == "run" else number for kind, number in self.starts]
        return Groups.of(self, starts, "code" if self.by_code else "step", self.remarks)

    def __repr__(self) -> str:
        cut = ", truncated" if self.truncated else ""
        return f"Lineage({len(self.artifacts)} artifacts, {len(self.runs)} runs, {len(self.edges)} edges{cut})"


@dataclass(frozen=True)
class Drawing:
    """Boxes, the links between them, and a note on what is not shown."""

    boxes: Mapping[int, Box]
    links: Sequence[Link]
    note: str
    members: Mapping[int, int] = field(default_factory=dict)
    """The number of nodes in each box."""

    def svg(self, *, is_styled: bool = True) -> str:
        """Return it as SVG text; without its own colours for a page that has some."""
        places = layout({node: box.width for node, box in self.boxes.items()}, self.links)
        return written(self.boxes, self.links, places, self.note, is_styled=is_styled)


def drawing(
    graph: Graph,
    starts: Collection[int],
    *,
    by_code: bool = False,
    remarks: Mapping[int, str] = NO_REMARKS,
) -> Drawing:
    """The boxes of this graph; artifacts are positive numbers, runs negative ones.

    Nodes that play the same part are one box. With `by_code`, runs of the same code are one box,
    and versions of the same artifact too. At most 150 boxes, those nearest to the starts.
    """
    links = [(above, below) for below, above in graph.shown_links(starts)]
    named = starts if len(starts) < folding.FOLDED_FROM else ()
    group = folding.by_code(graph) if by_code else folding.alike(graph, links, named)
    merged = [(group.get(upper, upper), group.get(other, other)) for upper, other in links]
    merged = [link for link in dict.fromkeys(merged) if link[0] != link[1]]
    begin = list(dict.fromkeys(group.get(node, node) for node in starts))
    every = _nearest(begin, merged)
    drawn = every[:MOST]
    members: defaultdict[int, list[int]] = defaultdict(list)
    for node in [*graph.artifacts, *(-run for run in graph.runs)]:
        members[group.get(node, node)].append(node)
    boxes = {
        node: _box(graph, members[node], remarks, begins=node in begin)
        for node in drawn
        if node in members
    }
    visible = [link for link in merged if link[0] in boxes and link[1] in boxes]
    is_cut = len(every) > len(drawn)
    shown = f"{len(drawn):,} of {len(every):,} boxes; up= and down= narrow it"
    counts = {node: len(members[node]) for node in boxes}
    return Drawing(boxes, visible, shown if is_cut else "", counts)


def svg(graph: Graph, starts: Collection[int], *, by_code: bool = False) -> str:
    """The picture of this graph as SVG text."""
    return drawing(graph, starts, by_code=by_code).svg()


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


def _box(graph: Graph, members: Sequence[int], remarks: Mapping[int, str], *, begins: bool) -> Box:
    start = " start" if begins else ""
    if members[0] < 0:
        return _run_box([graph.runs[-node] for node in members], start)
    nodes = [graph.artifacts[node] for node in members]
    words = [remarks[node.id] for node in nodes if node.id in remarks]
    is_outdated = any(word.startswith("outdated") for word in words)
    classes = f"artifact{' outdated' * is_outdated}{start}"
    name, detail = _artifact_texts(nodes, words, is_outdated=is_outdated)
    return Box(_short(name), _short(detail), _artifact_title(nodes, remarks), classes)


def _artifact_texts(
    nodes: Sequence[ArtifactNode], words: Sequence[str], *, is_outdated: bool
) -> tuple[str, str]:
    """The two lines of the box."""
    first = nodes[0]
    folder, _, name = _path(first).rstrip("/").rpartition("/")
    version = f"v{first.uid[-VERSION_LENGTH:]}"
    state = "outdated" if is_outdated else words[0] if words and len(nodes) == 1 else ""
    if len(nodes) == 1:
        return name, " · ".join(filter(None, (version, state, folder)))
    if len({node.uid[:-VERSION_LENGTH] for node in nodes}) == 1:
        return name, f"{len(nodes)} versions"
    return f"{len(nodes)} artifacts", f"{state} {name} ...".strip()


def _path(artifact: ArtifactNode) -> str:
    has_key = artifact.key is not None and artifact.root != "/"
    return (artifact.key or "") if has_key else path_of(artifact)


def _artifact_title(nodes: Sequence[ArtifactNode], remarks: Mapping[int, str]) -> str:
    lines = []
    for node in nodes[:_LISTED]:
        words = f" ({remarks[node.id]})" if node.id in remarks else ""
        lines.append(f"{path_of(node)} v{node.uid[-VERSION_LENGTH:]}{words}")
    return "\n".join([*lines, *["..."][: len(nodes) > _LISTED]])


_LISTED = 20
"""Nodes that the title of a box names."""


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
    lines = [f"run {run.uid} {run.name or ''} {run.error or ''}".rstrip() for run in runs[:_LISTED]]
    title = "\n".join([*lines, *["..."][: len(runs) > _LISTED]])
    engine = runs[0].engine
    name = _step(runs[0]) if len(runs) == 1 else f"{_code(runs[0])} x {len(runs)}"
    detail = " · ".join([engine, state, *took, *chosen])
    return Box(_short(name), _short(detail), title, f"{kinds} {engine_class(engine)}{start}")


def _code(run: RunNode) -> str:
    """The short name of the step: CLEAN for `nextflow/main.nf:CLEAN`; the path of a script."""
    return run.transform_key.rpartition(":")[2] or run.transform_key


def _step(run: RunNode) -> str:
    """The step with its sample, where the engine says so: CLEAN (SRR1039508)."""
    code, name = _code(run), run.name or ""
    return name if code in name and name != run.transform_key else code


def _short(text: str) -> str:
    """The end of the name, by which files and steps are distinguished."""
    text = printable(text)
    return text if len(text) <= LETTERS else "…" + text[1 - LETTERS :]
