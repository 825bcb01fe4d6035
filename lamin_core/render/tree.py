"""Lineage as a text tree: under each artifact the run that made it, under each run what it read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from lamin_core.lineage.graph import Graph
from lamin_core.lineage.traversal import ROLLED_BACK
from lamin_core.lineage.view import path_of
from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration
from lamin_core.uids import VERSION_LENGTH

Node = tuple[str, int]
NO_REMARKS: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a tree: the prefix that draws its branches, and the name, facts and remark of the node."""

    indent: str
    node: Node
    name: str
    facts: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.indent}{self.name}{self.facts}{self.remark}"


def tree(
    graph: Graph, start: Node, *, downwards: bool = False, remarks: Mapping[int, str] = NO_REMARKS
) -> str:
    """The lineage of one node, upwards to its sources (or downwards), a line for each artifact and run.

    `start` is `("artifact", id)` or `("run", id)`. What was shown before is named once more, but
    not unfolded. `remarks` are words behind artifacts, by primary key.
    """
    return "\n".join(map(str, tree_lines(graph, start, downwards=downwards, remarks=remarks)))


def tree_lines(
    graph: Graph, start: Node, *, downwards: bool = False, remarks: Mapping[int, str] = NO_REMARKS
) -> Iterator[Line]:
    """The lines of `tree`, in parts, for who colours or shortens them."""
    below = _links(graph, downwards=downwards)
    yield _line(graph, start, remarks)
    yield from _branches(graph, below, start, remarks)


def _links(graph: Graph, *, downwards: bool) -> dict[Node, list[Node]]:
    links: defaultdict[Node, dict[Node, None]] = defaultdict(dict)

    def add(lower: Node, upper: Node) -> None:
        source, target = (upper, lower) if downwards else (lower, upper)
        links[source][target] = None

    newest = {} if downwards else _newest_makers(graph)
    for run, artifact, direction, role in graph.edges:
        if direction == "input":
            add(("run", run), ("artifact", artifact))
        elif role != ROLLED_BACK and newest.get(artifact, run) == run:
            add(("artifact", artifact), ("run", run))
    for run, source, _ in graph.dependencies:
        add(("run", run), ("run", source))
    for folder, artifact in graph.contains:
        if (artifact, folder) in graph.origins:
            add(("artifact", artifact), ("artifact", folder))
        elif (folder, artifact) in graph.origins:
            add(("artifact", folder), ("artifact", artifact))
    return {source: list(targets) for source, targets in links.items()}


def _newest_makers(graph: Graph) -> dict[int, int]:
    """The last run of each artifact, of all runs that wrote the same bytes."""
    return {
        artifact: max(runs, key=lambda run: (_begun(graph, run), run))
        for artifact, runs in graph.makers.items()
    }


def _begun(graph: Graph, run: int) -> str:
    started = graph.runs[run].started_at
    return "" if started is None else started.isoformat()


def _other_makers(graph: Graph, artifact: int) -> str:
    """The number of other runs that made the same bytes."""
    others = len(graph.makers.get(artifact, ())) - 1
    return f"  (and made by {others} earlier run{'s' * (others > 1)})" if others > 0 else ""


def _branches(
    graph: Graph, below: dict[Node, list[Node]], start: Node, remarks: Mapping[int, str]
) -> Iterator[Line]:
    shown = {start}
    stack = [(iter(_with_last(below.get(start, []))), "")]
    while stack:
        children, indent = stack[-1]
        entry = next(children, None)
        if entry is None:
            stack.pop()
            continue
        child, is_last = entry
        again = child in shown and bool(below.get(child))
        line = _line(graph, child, remarks)
        remark = f"{line.remark}  (see above)" if again else line.remark
        yield replace(line, indent=f"{indent}{'└─ ' if is_last else '├─ '}", remark=remark)
        if child not in shown:
            shown.add(child)
            stack.append(
                (iter(_with_last(below.get(child, []))), indent + ("   " if is_last else "│  "))
            )


def _with_last(children: list[Node]) -> list[tuple[Node, bool]]:
    return [(child, index == len(children) - 1) for index, child in enumerate(children)]


def _line(graph: Graph, node: Node, remarks: Mapping[int, str]) -> Line:
    is_artifact = node[0] == "artifact"
    return _artifact_line(graph, node, remarks) if is_artifact else _run_line(graph, node)


def _artifact_line(graph: Graph, node: Node, remarks: Mapping[int, str]) -> Line:
    identity = node[1]
    artifact = graph.artifacts[identity]
    name = artifact.key if artifact.key is not None and artifact.root != "/" else path_of(artifact)
    facts = f"  v{artifact.uid[-VERSION_LENGTH:]}{_other_makers(graph, identity)}"
    words = remarks.get(identity)
    return Line("", node, printable(name), facts, f"  ({printable(words)})" if words else "")


def _run_line(graph: Graph, node: Node) -> Line:
    run = graph.runs[node[1]]
    if run.is_declared:
        return Line("", node, f"job {printable(run.transform_key)}", " · declared, not run", "")
    facts = [run.transform_key, run.engine, run.status + (" (cached)" if run.cached else "")]
    if run.duration is not None:
        facts.append(duration(run.duration))
    if run.collection is not None:
        facts.append(f"collection {run.collection}")
    if run.error:
        facts.append(run.error.splitlines()[0][:100])
    name = f" {run.name!r}" if run.name and run.name not in run.transform_key else ""
    shown = " of " + " · ".join(printable(fact) for fact in facts)
    return Line("", node, f"run {run.uid}", f"{name}{shown}")
