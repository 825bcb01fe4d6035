"""The graph as a person can read it: one group for each step of a workflow, and for the files between two steps.

A pure function of the graph: runs of one step are a group, and so are artifacts that the same steps made and
read. A group that is expanded shows its members, those that ended badly first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, TypedDict

from lamin_core.enums import RunStatus
from lamin_core.lineage.graph import ArtifactNode, Graph, RunNode
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.runtime.text import kind_of_file
from lamin_core.uids import VERSION_LENGTH

Level = Literal["workflow", "step", "code", "none"]
BADLY = (RunStatus.FAILED, RunStatus.ABORTED, RunStatus.LOST)
"""How a run ended that did not complete."""
MOST = 150
"""Groups that a person can read at once."""
SHOWN_MEMBERS = 20
"""The members of a group that are shown by name."""
REPEATED = 4
"""Runs of the same code, each by itself and in no workflow, from which on they are a group."""
_ORDER = (*BADLY, RunStatus.RUNNING, RunStatus.SCHEDULED, RunStatus.COMPLETED)


class GroupView(TypedDict):
    """A group as JSON."""

    token: str
    kind: str
    name: str
    count: int
    states: dict[str, int]
    engine: str | None
    seconds: float | None
    compute_seconds: float | None
    size: int | None
    expanded: str | None


class LinkView(TypedDict):
    """A link between two groups, by their tokens, as JSON."""

    above: str
    below: str
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes of one kind that are shown as one.

    Args:
        members: artifacts by primary key, runs by its negative; those that ended badly first.
        token: the uid of its oldest member, which names it in a URL.
        name: what people call it.
        states: how many of its runs are in each state, the bad ones first.
        engine: that of its runs; None for artifacts.
        started_at: when its first run began.
        finished_at: when its last run ended; None while any of them runs.
        compute_seconds: the sum of what its runs took.
        size: bytes of its artifacts that are recorded; None for runs.
        expanded: the token of the group that this one is a part of because it was expanded.
    """

    members: tuple[int, ...]
    token: str
    name: str
    states: Mapping[str, int]
    engine: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    compute_seconds: float | None = None
    size: int | None = None
    expanded: str | None = None

    @property
    def kind(self) -> Literal["artifact", "run"]:
        """Which kind of node it holds."""
        return "run" if self.members[0] < 0 else "artifact"

    @property
    def seconds(self) -> float | None:
        """The seconds from the start of its first run to the end of its last; None while any of them runs."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    def view(self) -> GroupView:
        """As JSON."""
        return {
            "token": self.token,
            "kind": self.kind,
            "name": self.name,
            "count": len(self.members),
            "states": dict(self.states),
            "engine": self.engine,
            "seconds": self.seconds,
            "compute_seconds": self.compute_seconds,
            "size": self.size,
            "expanded": self.expanded,
        }


@dataclass(frozen=True)
class Aggregate:
    """Groups by their first member, and the links between them, from above to below, with how many each stands for."""

    groups: dict[int, Group]
    links: dict[tuple[int, int], int]
    total: int
    """Groups that there are; more than `groups` where only the nearest were taken."""

    @cached_property
    def group_of(self) -> dict[int, int]:
        """The first member of the group of each node."""
        return {node: first for first, group in self.groups.items() for node in group.members}

    def view(self) -> dict[str, list[GroupView] | list[LinkView] | int]:
        """As JSON."""
        tokens = {first: group.token for first, group in self.groups.items()}
        links: list[LinkView] = [
            {"above": tokens[above], "below": tokens[below], "count": count}
            for (above, below), count in self.links.items()
        ]
        groups = [group.view() for group in self.groups.values()]
        return {"groups": groups, "links": links, "total": self.total}


def aggregate(
    graph: Graph,
    starts: Collection[int],
    *,
    level: Level = "step",
    expanded: Iterable[str] = (),
    most: int = MOST,
    singles: int | None = None,
) -> Aggregate:
    """The groups of this graph that are linked to the starts, the nearest first.

    Args:
        graph: artifacts and runs.
        starts: what the graph is around: artifacts by primary key, runs by its negative. Fewer than four of
            them are groups of their own.
        level: `step`: runs of the same code in the same workflow; `workflow`: all runs of a workflow and the
            artifacts that stay in it; `code`: runs of the same code, versions of the same artifact; `none`.
        expanded: uids; the group of each is shown as its members.
        most: groups at most.
        singles: members of an expanded group that are shown by themselves; by default a third of `most`.
    """
    singles = max(1, most // 3) if singles is None else singles
    links = [(above, below) for below, above in graph.shown_links(starts)]
    nodes = {node for link in links for node in link}
    if len(starts) == 1 or not nodes:
        # Of a workflow the run itself, which may have read and written nothing, is not drawn beside its steps.
        nodes |= {*starts}
    keys = _keys(graph, nodes, links, level)
    alone = starts if len(starts) < REPEATED else ()
    keys.update({node: ("start", node) for node in alone if node in keys})
    parts = _expanded(graph, keys, expanded, singles)
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for node in sorted(keys, key=lambda node: _rank(graph, node)):
        members[keys[node]].append(node)
    group_of = {node: some[0] for some in members.values() for node in some}
    merged: Counter[tuple[int, int]] = Counter(
        (group_of[above], group_of[below])
        for above, below in links
        if above in group_of and below in group_of and group_of[above] != group_of[below]
    )
    order = nearest([group_of[node] for node in starts if node in group_of], merged)
    drawn = set(order[:most])
    named = {some[0]: some for some in members.values() if some[0] in drawn}
    return Aggregate(
        {first: _group(graph, named[first], parts) for first in order[:most]},
        drawn_links(merged, drawn),
        len(order),
    )


def _keys(
    graph: Graph, nodes: Collection[int], links: Sequence[tuple[int, int]], level: Level
) -> dict[int, Hashable]:
    """The key of each node, which it shares with the other nodes of its group."""
    runs = [node for node in nodes if node < 0 and -node in graph.runs]
    artifacts = [node for node in nodes if node > 0 and node in graph.artifacts]
    if level == "none":
        return {node: node for node in (*runs, *artifacts)}
    keys = {node: _run_key(graph, graph.runs[-node], level) for node in runs}
    if level == "step":
        repeated = Counter(key for key in keys.values() if key[1] is None)
        keys = {
            node: ("run", node) if 0 < repeated[key] < REPEATED else key
            for node, key in keys.items()
        }
    if level == "code":
        series = {node: graph.artifacts[node].uid[:-VERSION_LENGTH] for node in artifacts}
        return {**keys, **{node: ("series", stem) for node, stem in series.items()}}
    return {**keys, **_artifact_keys(graph, artifacts, links, keys, level)}


def _run_key(graph: Graph, run: RunNode, level: Level) -> tuple[Hashable, ...]:
    if run.is_declared:
        return ("job", run.id)
    if level == "workflow":
        top, passed = run, {run.id}
        while top.parent_id in graph.runs and top.parent_id not in passed:
            passed.add(top.parent_id)
            top = graph.runs[top.parent_id]
        return ("workflow", top.parent_id or top.id)
    parent = None if level == "code" else run.parent_id
    return ("step", parent, run.engine, run.transform_uid[:-VERSION_LENGTH])


def _artifact_keys(
    graph: Graph,
    artifacts: Iterable[int],
    links: Sequence[tuple[int, int]],
    keys: Mapping[int, Hashable],
    level: Level,
) -> dict[int, Hashable]:
    """Artifacts that the same steps made and read are alike; those that stay in a workflow are a part of it."""
    above: defaultdict[int, set[Hashable]] = defaultdict(set)
    below: defaultdict[int, set[Hashable]] = defaultdict(set)
    for upper, lower in links:
        if lower > 0:
            above[lower].add(keys.get(upper, upper))
        if upper > 0:
            below[upper].add(keys.get(lower, lower))
    alike: dict[int, Hashable] = {}
    for node in artifacts:
        makers, readers = frozenset(above[node]), frozenset(below[node])
        if level == "workflow" and makers == readers and len(makers) == 1:
            alike[node] = next(iter(makers))
        elif not makers:
            # What comes from outside is what people look for by its name.
            alike[node] = ("source", readers, kind_of_file(graph.artifacts[node].key))
        else:
            alike[node] = ("files", makers, readers, kind_of_file(graph.artifacts[node].key))
    return alike


def _expanded(
    graph: Graph, keys: dict[int, Hashable], expanded: Iterable[str], singles: int
) -> dict[int, str]:
    """Give members of expanded groups keys of their own; returns the token of the group of each."""
    tokens = list(dict.fromkeys(expanded))
    if not tokens:
        return {}
    by_uid = {uid_of(graph, node): node for node in keys}
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for node, key in keys.items():
        members[key].append(node)
    parts: dict[int, str] = {}
    for token in tokens:
        if token not in by_uid or by_uid[token] in parts:
            continue
        some = sorted(members[keys[by_uid[token]]], key=lambda node: _rank(graph, node))
        if len(some) < 2:
            continue
        parts |= dict.fromkeys(some, token)
        keys.update({node: ("member", node) for node in some[:singles]})
    return parts


def uid_of(graph: Graph, node: int) -> str:
    """The uid of a node; of a job that did not run that of its transform."""
    if node > 0:
        return graph.artifacts[node].uid
    run = graph.runs[-node]
    return run.transform_uid if run.is_declared else run.uid


def _rank(graph: Graph, node: int) -> tuple[int, int]:
    """The sort key of a node: artifacts by id; runs by status, failed ones first, then by id."""
    if node > 0:
        return (0, node)
    run = graph.runs[-node]
    return (state_rank(run.status), run.id)


def state_rank(status: str) -> int:
    """The place of a status where several are listed: the bad ones first."""
    return _ORDER.index(RunStatus(status)) if status in _STATES else len(_ORDER)


_STATES = {status.value for status in _ORDER}


def nearest(starts: Iterable[int], links: Iterable[tuple[int, int]]) -> list[int]:
    """Everything linked to the starts, the nearest first; at one distance artifacts before runs, and by age.

    >>> nearest([-1], [(7, -1), (3, -1), (-1, -2), (3, 4)])
    [-1, 3, 7, -2, 4]
    """
    near: defaultdict[int, list[int]] = defaultdict(list)
    for above, below in links:
        near[above].append(below)
        near[below].append(above)
    seen = dict.fromkeys(starts)
    frontier = list(seen)
    while frontier:
        reached = {other for node in frontier for other in near[node]} - seen.keys()
        frontier = sorted(reached, key=by_age)
        seen.update(dict.fromkeys(frontier))
    return list(seen)


def by_age(node: int) -> tuple[bool, int]:
    """The sort key of nodes: artifacts before runs, each by primary key."""
    return (node < 0, abs(node))


def drawn_links(
    links: Mapping[tuple[int, int], int], drawn: Collection[int]
) -> dict[tuple[int, int], int]:
    """The links between groups that are drawn, in an order that does not depend on the database."""
    return {link: links[link] for link in sorted(links) if link[0] in drawn and link[1] in drawn}


def _group(graph: Graph, members: Sequence[int], parts: Mapping[int, str]) -> Group:
    oldest = min(members, key=abs)
    token, part = uid_of(graph, oldest), parts.get(members[0])
    runs = [graph.runs[-node] for node in members if node < 0]
    if not runs:
        artifacts = [graph.artifacts[node] for node in members]
        sizes = [item.size for item in artifacts if item.size not in (None, UNKNOWN_SIZE)]
        size = sum(size for size in sizes if size is not None) if sizes else None
        return Group(tuple(members), token, _files_name(graph, members), {}, size=size, expanded=part)  # fmt: skip
    states = Counter(run.status for run in runs)
    durations = [run.duration for run in runs if run.duration is not None]
    starts = [run.started_at for run in runs if run.started_at is not None]
    ends = [run.finished_at for run in runs if run.finished_at is not None]
    return Group(
        (*(-run.id for run in runs), *(node for node in members if node > 0)),
        uid_of(graph, -runs[-1].id) if oldest > 0 else token,
        _runs_name(graph, runs),
        dict(sorted(states.items(), key=lambda item: state_rank(item[0]))),
        engine=runs[0].engine,
        started_at=min(starts, default=None),
        finished_at=max(ends) if len(ends) == len(runs) else None,
        compute_seconds=sum(durations) if durations else None,
        expanded=part,
    )


def _runs_name(graph: Graph, runs: Sequence[RunNode]) -> str:
    is_one_code = len({run.transform_key for run in runs}) == 1
    return runs_name(graph, runs[0], len(runs), is_one_code=is_one_code)


def runs_name(graph: Graph, first: RunNode, count: int, *, is_one_code: bool) -> str:
    """The short name of a step: CLEAN for `main.nf:CLEAN`; of a single run with its sample: CLEAN (SRR1039508)."""
    if not is_one_code:
        parent = graph.runs.get(first.parent_id or 0)
        return parent.transform_key if parent is not None else first.transform_key
    code = first.transform_key.rpartition(":")[2] or first.transform_key
    name = first.name or ""
    if count > 1 or not name or name == first.transform_key:
        return code
    return name if code in name else f"{code} {name}"


def _files_name(graph: Graph, members: Sequence[int]) -> str:
    first = graph.artifacts[members[0]]
    is_one_key = len({graph.artifacts[node].key for node in members}) == 1
    return files_name(first, is_one_key=is_one_key)


def files_name(first: ArtifactNode, *, is_one_key: bool) -> str:
    """The name of the file, or what the names of several have in common."""
    if is_one_key:
        return (first.key or first.real_key or first.uid).rstrip("/").rpartition("/")[2]
    suffix = kind_of_file(first.key)
    return f"*.{suffix}" if suffix else "files"
