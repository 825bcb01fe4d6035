"""The aggregated view of a workflow, which the database counts: the groups of `aggregate` without reading the graph."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from sqlalchemy import literal, select, union_all
from sqlalchemy.orm import Session

from lamin_core.lineage import rows
from lamin_core.lineage.aggregate import (
    BADLY,
    MOST,
    REPEATED,
    SHOWN_MEMBERS,
    Aggregate,
    Group,
    by_age,
    drawn_links,
    files_name,
    nearest,
    runs_name,
    state_rank,
    uid_of,
)
from lamin_core.lineage.graph import ArtifactNode, Graph, RunNode
from lamin_core.lineage.summary_rows import (
    ARTIFACT,
    HOLD,
    PARTS,
    PUBLISHED_ELSEWHERE,
    READ,
    RUN,
    TOTAL,
    WAIT,
    WROTE,
    Bundle,
    bundles,
)
from lamin_core.lineage.traversal import NODE_LIMIT
from lamin_core.models import Artifact, Run

Link = tuple[Hashable, Hashable]


@dataclass(frozen=True)
class Summary:
    """The groups around a workflow.

    Args:
        groups: those of `aggregate`.
        graph: the facts of the first members of each group, and of the nearest nodes below; no links.
        artifacts: how many there are.
        runs: how many there are.
        since: when the first run began.
        until: when the last one ended.
        below: the nearest nodes downstream of the workflow, with their distance in steps.
        total_below: how many there are.
    """

    groups: Aggregate
    graph: Graph
    artifacts: int
    runs: int
    since: datetime | None
    until: datetime | None
    below: dict[int, int]
    total_below: int


@dataclass(frozen=True, slots=True)
class Scope:
    """What a summary is about.

    Args:
        as_of: as it was known then.
        failed: whether runs that ended badly are drawn.
        expanded: uids; the group of each is shown as its members, at most a third of `most` by themselves.
        most: groups at most.
        listed: nodes of `below` at most.
        limit: nodes at most that are counted.
    """

    as_of: datetime | None = None
    failed: bool = True
    expanded: tuple[str, ...] = ()
    most: int = MOST
    listed: int = 200
    limit: int = NODE_LIMIT


def neighbourhood(
    session: Session, run: int, as_of: datetime | None, *, failed: bool
) -> Neighbourhood:
    """What is one step around a run and its parts, which all summaries of it share: one statement."""
    return Neighbourhood(run, bundles(session, run, as_of=as_of, failed=failed))


def summary(
    session: Session, run: int, scope: Scope, around: Neighbourhood
) -> tuple[frozenset[int], Summary | None]:
    """The run and its parts, as negative numbers, and the groups one step around them.

    Two statements, four where groups are expanded. The groups are None for what `aggregate` is to show: where the
    run has fewer than three parts or is linked with nothing, or where more nodes than the limit are around it.
    """
    nodes = around.runs.count + around.artifact_count
    if len(around.starts) < REPEATED or nodes > scope.limit or not around.members:
        return around.starts, None
    parts: dict[int, str] = {}
    if scope.expanded:
        singles, parts = around.expanded(_nodes(session, scope.expanded), scope)
        if singles:
            single_runs = [-node for node in singles if node < 0]
            single_artifacts = [node for node in singles if node > 0]
            rows = bundles(
                session,
                run,
                as_of=scope.as_of,
                failed=scope.failed,
                single_runs=single_runs,
                single_artifacts=single_artifacts,
            )
            around = Neighbourhood(run, rows, frozenset(singles))
    return around.starts, around.summary(session, scope, parts)


def _nodes(session: Session, uids: Sequence[str]) -> dict[str, int]:
    """The nodes with these uids: one statement."""
    statement = union_all(
        select(Artifact.uid, literal(1), Artifact.id).where(Artifact.uid.in_(uids)),
        select(Run.uid, literal(-1), Run.id).where(Run.uid.in_(uids)),
    )
    return {uid: sign * identity for uid, sign, identity in session.execute(statement)}


@dataclass
class _Members:
    """Bundles that are one group."""

    bundles: list[Bundle] = field(default_factory=list)

    def nodes(self) -> list[int]:
        """Artifacts by primary key; runs by its negative, those that ended badly first."""
        by_rank: defaultdict[int, list[int]] = defaultdict(list)
        for bundle in self.bundles:
            rank = 0 if bundle.kind == ARTIFACT else state_rank(bundle.state or "")
            by_rank[rank] += bundle.nodes
        sign = 1 if self.bundles[0].kind == ARTIFACT else -1
        return [sign * node for rank in sorted(by_rank) for node in sorted(by_rank[rank])]


class Neighbourhood:
    """The bundles around a run, with the links between them."""

    def __init__(
        self, run: int, rows: Sequence[Bundle], singles: frozenset[int] = frozenset()
    ) -> None:
        of_kind: dict[int, list[Bundle]] = defaultdict(list)
        for row in rows:
            of_kind[row.kind].append(row)
        self._run_bundles = of_kind[RUN]
        self._files = of_kind[ARTIFACT]
        self._links = [file.links() for file in self._files]
        self._shown_links = [_shown(links) for links in self._links]
        self._waits = of_kind[WAIT]
        self._folder_links = list(_folder_links(of_kind[HOLD]))
        self._containers: defaultdict[int, set[int]] = defaultdict(set)
        self._contents: defaultdict[int, set[int]] = defaultdict(set)
        for above, below in self._folder_links:
            self._containers[below].add(above)
            self._contents[above].add(below)
        self._singles = singles
        self._part_bundles = {run, *(-node for node in singles)}
        self.starts = frozenset(-node for node in of_kind[PARTS][0].nodes)
        self.runs = of_kind[TOTAL][0]
        self.artifact_count = sum(bundle.count for bundle in self._files)
        self._steps = self._run_keys()
        self.members: dict[Hashable, _Members] = defaultdict(_Members)
        self.links: Counter[Link] = Counter()
        self._connect()

    def _run_keys(self) -> dict[str, Hashable]:
        """The step of each code of runs; four or more linked runs without a workflow are one step."""
        linked = {code for links in self._shown_links for _, code in links}
        linked |= {code for wait in self._waits for code in (wait.code or "", wait.engine or "")}
        by_code = {bundle.code or "": bundle for bundle in self._run_bundles}
        keys: dict[str, Hashable] = {}
        for code, bundle in by_code.items():
            if code in linked:
                step = f"{bundle.parent}:{bundle.series}:{bundle.engine}"
                keys[code] = code if ":" in code else step
        alone = Counter(key for code, key in keys.items() if by_code[code].parent is None)
        return {code: code if 0 < alone[key] < REPEATED else key for code, key in keys.items()}

    def _connect(self) -> None:
        """Find the groups of all bundles, and count the links between them."""
        for bundle in self._run_bundles:
            if bundle.code in self._steps:
                self.members[self._run_group(bundle.code)].bundles.append(bundle)
        pairs = zip(self._files, self._shown_links, strict=True)
        groups = [self._file_group(file, links) for file, links in pairs]
        by_node = {
            file.nodes[0]: group
            for file, group in zip(self._files, groups, strict=True)
            if file.count == 1 and group is not None
        }
        for file, links, group in zip(self._files, self._shown_links, groups, strict=True):
            if group is None:
                continue
            self.members[group].bundles.append(file)
            for (how, code), count in links.items():
                step = self._run_group(code)
                ends = (group, step) if how == READ else (step, group)
                self._count(*ends, count * file.count)
        for wait in self._waits:
            self._count(self._run_group(wait.engine), self._run_group(wait.code), wait.count)
        for above, below in self._folder_links:
            self._count(by_node[above], by_node[below], 1)

    def _count(self, above: Hashable, below: Hashable, count: int) -> None:
        if above != below:
            self.links[above, below] += count

    def _run_group(self, code: str | None) -> Hashable:
        if code and code.isdecimal() and -int(code) in self._singles:
            return ("member", -int(code))
        return self._steps[code or ""]

    def _file_group(self, file: Bundle, links: Iterable[tuple[str, str]]) -> Hashable | None:
        """The key of the group, as in `aggregate`; None where nothing is linked with it."""
        node = file.nodes[0]
        makers: set[Hashable] = {*self._containers.get(node, ())}
        readers: set[Hashable] = {*self._contents.get(node, ())}
        for how, code in links:
            (readers if how == READ else makers).add(self._steps[code])
        if not makers and not readers:
            return None
        if node in self._singles:
            return ("member", node)
        if not makers:
            return ("source", frozenset(readers), file.engine)
        return ("files", frozenset(makers), frozenset(readers), file.engine)

    def expanded(self, nodes: Mapping[str, int], scope: Scope) -> tuple[list[int], dict[int, str]]:
        """The members of the groups with these nodes that are shown by themselves, and the token of each member."""
        members = [group.nodes() for group in self.members.values()]
        group_of = {node: group for group in members for node in group}
        singles: list[int] = []
        parts: dict[int, str] = {}
        for token in scope.expanded:
            group = group_of.get(nodes.get(token, 0), [])
            if len(group) > 1 and group[0] not in parts:
                parts |= dict.fromkeys(group, token)
                singles += group[: max(1, scope.most // 3)]
        return singles, parts

    def summary(self, session: Session, scope: Scope, parts: Mapping[int, str]) -> Summary:
        """What is drawn: two statements."""
        members = {key: group.nodes() for key, group in self.members.items()}
        firsts = {key: group[0] for key, group in members.items()}
        links = {(firsts[above], firsts[below]): n for (above, below), n in self.links.items()}
        order = nearest(self._first_groups(members), links)
        by_first = {firsts[key]: key for key in members}
        below = self._below()
        near = dict(
            sorted(below.items(), key=lambda item: (item[1], by_age(item[0])))[: scope.listed]
        )
        shown = {first: members[by_first[first]] for first in order[: scope.most]}
        graph = self._facts(session, scope, [by_first[first] for first in shown], members, near)
        groups = {
            first: _group(graph, nodes, self.members[by_first[first]].bundles, parts)
            for first, nodes in shown.items()
        }
        return Summary(
            Aggregate(groups, drawn_links(links, set(shown)), len(order)),
            graph,
            self.artifact_count,
            self.runs.count,
            self.runs.started_at,
            self.runs.finished_at,
            near,
            len(below),
        )

    def _first_groups(self, members: Mapping[Hashable, Sequence[int]]) -> list[int]:
        """The groups of the run and its parts, by the oldest of these."""
        oldest: dict[int, int] = {}
        for key, nodes in members.items():
            for bundle in self.members[key].bundles:
                if bundle.kind == RUN and self._is_part(bundle):
                    age = min(bundle.nodes)
                    oldest[nodes[0]] = min(age, oldest.get(nodes[0], age))
        return sorted(oldest, key=oldest.__getitem__)

    def _is_part(self, bundle: Bundle) -> bool:
        code = bundle.code or ""
        return ":" in code or int(code) in self._part_bundles

    def _below(self) -> dict[int, int]:
        """The nodes downstream of the run and its parts, with their distance in steps."""
        onwards: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        nodes: dict[Hashable, list[int]] = {}
        starts: set[Hashable] = set()
        for bundle in self._run_bundles:
            nodes.setdefault(bundle.code, []).extend(-node for node in bundle.nodes)
            if self._is_part(bundle):
                starts.add(bundle.code)
        for number, file in enumerate(self._files):
            nodes[number] = [*file.nodes]
            for how, code in self._links[number]:
                above, below = (number, code) if how == READ else (code, number)
                onwards[above].add(below)
        by_node = {file.nodes[0]: number for number, file in enumerate(self._files)}
        for upper, lower in self._folder_links:
            onwards[by_node[upper]].add(by_node[lower])
        for wait in self._waits:
            onwards[wait.engine].add(wait.code)
        steps, frontier, depth = dict.fromkeys(starts, 0), set(starts), 0
        while frontier:
            depth += 1
            frontier = set(chain.from_iterable(onwards[item] for item in frontier)) - steps.keys()
            steps |= dict.fromkeys(frontier, depth)
        return {node: depth for item, depth in steps.items() if depth for node in nodes[item]}

    def _facts(
        self,
        session: Session,
        scope: Scope,
        keys: Sequence[Hashable],
        members: Mapping[Hashable, Sequence[int]],
        below: Iterable[int],
    ) -> Graph:
        """What is shown of the first members of these groups, of the oldest, and of these nodes."""
        nodes = {*below}
        for key in keys:
            nodes |= {*members[key][:SHOWN_MEMBERS], min(members[key], key=abs)}
        artifacts = [node for node in nodes if node > 0]
        runs = [-node for node in nodes if node < 0]
        facts = [RunNode._make(row) for row in rows.runs(session, runs, scope.as_of)]
        if scope.as_of is not None:
            facts = [run.at(scope.as_of) for run in facts]
        return Graph(
            {
                row[0]: ArtifactNode._make(row)
                for row in rows.artifacts(session, artifacts, scope.as_of)
            },
            {run.id: run for run in facts if scope.failed or run.status not in BADLY},
        )


def _folder_links(holds: Iterable[Bundle]) -> Iterable[tuple[int, int]]:
    """The links between folders and files: above, below."""
    for hold in holds:
        folder, file = hold.parent or 0, hold.series or 0
        if hold.last_key:
            yield folder, file
        if hold.state:
            yield file, folder


def _shown(links: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """The links that people are shown: without those of runs that only hand on what a run of the workflow made."""
    if not any(how == WROTE for how, _ in links):
        return links
    return Counter({link: n for link, n in links.items() if link[0] != PUBLISHED_ELSEWHERE})


def _group(
    graph: Graph, members: Sequence[int], bundles: Sequence[Bundle], parts: Mapping[int, str]
) -> Group:
    token, part = uid_of(graph, min(members, key=abs)), parts.get(members[0])
    keys = {key for bundle in bundles for key in (bundle.first_key, bundle.last_key)}
    if members[0] > 0:
        keys |= {None for bundle in bundles if bundle.timed < bundle.count}
        name = files_name(graph.artifacts[members[0]], is_one_key=len(keys) == 1)
        sizes = [bundle.size for bundle in bundles if bundle.size is not None]
        size = int(sum(sizes)) if sizes else None
        return Group(tuple(members), token, name, {}, size=size, expanded=part)
    first = graph.runs[-members[0]]
    states: Counter[str] = Counter()
    for bundle in bundles:
        states[bundle.state or ""] += bundle.count
    starts = [bundle.started_at for bundle in bundles if bundle.started_at is not None]
    ends = [bundle.finished_at for bundle in bundles if bundle.finished_at is not None]
    has_ended = all(bundle.ended == bundle.count for bundle in bundles)
    seconds = [bundle.seconds for bundle in bundles if bundle.seconds is not None]
    return Group(
        tuple(members),
        token,
        runs_name(graph, first, len(members), is_one_code=len(keys) == 1),
        dict(sorted(states.items(), key=lambda item: state_rank(item[0]))),
        engine=first.engine,
        started_at=min(starts, default=None),
        finished_at=max(ends) if has_ended else None,
        compute_seconds=round(sum(seconds), 6) if seconds else None,
        expanded=part,
    )
