"""Lineage queries on one instance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.db.presence import check_present, not_found
from lamin_core.errors import Conflict, Hint, NotFound
from lamin_core.lineage import listing, resolve
from lamin_core.lineage.diff import RunDiff, diff
from lamin_core.lineage.graph import ArtifactNode, Graph, Node, RunNode, between, walk, whole
from lamin_core.lineage.listing import ListFilter
from lamin_core.lineage.outdated import remarks
from lamin_core.lineage.resolve import DigestOf, Match
from lamin_core.lineage.snapshot import snapshots
from lamin_core.lineage.traversal import NODE_LIMIT
from lamin_core.lineage.why import Why, why
from lamin_core.models import Artifact, Collection, CollectionArtifact, Run, Transform
from lamin_core.models.checks import is_storable, shown, steps_argument, text_argument
from lamin_core.query.annotations import features_of_slots
from lamin_core.query.describe import lines
from lamin_core.query.validation import field_name
from lamin_core.render import hierarchy
from lamin_core.render.display import is_notebook, show
from lamin_core.render.drawing import Lineage
from lamin_core.render.hierarchy import Hierarchy
from lamin_core.runtime import current
from lamin_core.runtime.printable import printable
from lamin_core.runtime.timestamps import parse_time
from lamin_core.saving.records import check_saved

Record = Artifact | Run | Transform | Collection
"""The records that have a lineage."""


class LineageService:
    """Lineage queries on one instance: `ln.connect().lineage`."""

    def __init__(self, database: Database, digest_of: DigestOf | None = None) -> None:
        self._database = database
        self._digest_of = digest_of

    def around(
        self,
        record: Record | Sequence[Artifact | Run],
        *,
        up: int | None = None,
        down: int | None = None,
        as_of: datetime | str | None = None,
        limit: int = NODE_LIMIT,
    ) -> Lineage:
        """Return the graph around an artifact, a run, all runs of a transform, or all artifacts of a collection.

        Args:
            record: The record to start from, or several artifacts and runs.
            up: Maximum number of steps upstream; None for all.
            down: Maximum number of steps downstream; None for all.
            as_of: Return the graph as it was known at this time, a datetime or text; a time without
                a zone is local time. By default now.
            limit: Maximum number of nodes; the nearest are kept. If there are more, the graph is
                `truncated`.

        Raises:
            NotFound: The record was deleted since it was read.
        """
        at = None if as_of is None else parse_time(as_of)
        up, down = steps_argument(up, "up"), steps_argument(down, "down")
        with self._database.reading() as session:
            starts = _starts(session, record, limit)
            artifacts, runs = (
                [number for kind, number in starts if kind == node_kind]
                for node_kind in ("artifact", "run")
            )
            graph = walk(
                session, artifacts=artifacts, runs=runs, up=up, down=down, as_of=at, limit=limit
            )
            _check_stands(session, graph, record)
        return Lineage.around(graph, starts, by_code=isinstance(record, Transform))

    def between(
        self,
        source: Artifact | Run,
        target: Artifact | Run,
        *,
        as_of: datetime | str | None = None,
        limit: int = NODE_LIMIT,
    ) -> Graph:
        """Return all paths between the two, in either direction; without a path, an empty graph.

        Args:
            source: An artifact or a run.
            target: Another artifact or run.
            as_of: Return the graph as it was known at this time; by default now.
            limit: Maximum number of nodes; the nearest to the downstream end are kept. If there are
                more, the graph is `truncated`. It always contains a complete path, if there is one.

        Raises:
            NotFound: One of them was deleted since it was read.
        """
        at = None if as_of is None else parse_time(as_of)
        with self._database.reading() as session:
            graph = between(session, node_of(source), node_of(target), as_of=at, limit=limit)
            _check_stands(session, graph, (source, target))
            return graph

    def remarked(self, graph: Lineage) -> Lineage:
        """Return the graph with a remark on each artifact that is outdated or has a newer version."""
        with self._database.reading() as session:
            return replace(graph, remarks=remarks(session, graph))

    def everything(self, *, as_of: datetime | str | None = None) -> Graph:
        """Return the whole graph, as it is or as it was known at a time."""
        with self._database.reading() as session:
            return whole(session, as_of=None if as_of is None else parse_time(as_of))

    def runs(self, criteria: ListFilter) -> tuple[list[RunNode], dict[int, str]]:
        """Return the runs that match, the newest first, and the uids of their parents by primary key."""
        with self._database.reading() as session:
            return listing.runs(session, criteria)

    def artifacts(self, criteria: ListFilter) -> list[ArtifactNode]:
        """Return the artifacts that match, the newest first."""
        with self._database.reading() as session:
            return listing.artifacts(session, criteria)

    def view(self, record: Record, *, return_graph: bool = False, **options: Any) -> Lineage | None:
        """Show the lineage of a record, as SVG in a notebook, elsewhere as text.

        Args:
            record: The record to start from.
            return_graph: Return the graph and show nothing.
            options: The other arguments of `around`. The text shows the downstream lineage only if
                `down` is given.
        """
        for name in ("up", "down"):
            steps_argument(options.get(name), name)
        down = options.get("down")
        if not return_graph and not is_notebook():
            options["down"] = down or 0  # the text shows the downstream lineage only on request
        graph = self.around(record, **options)
        if options.get("as_of") is None:
            graph = self.remarked(graph)
        if return_graph:
            return graph
        show(graph, downwards=bool(down))
        return None

    def view_hierarchy(
        self, record: Any, *, up: int | None, down: int | None, field: Any, return_graph: bool
    ) -> Hierarchy | None:
        """Show the parents and children of a term, in a notebook as a picture, elsewhere as text; or return them."""
        check_saved([record])
        name = field_name(type(record), field)
        with self._database.reading() as session:
            graph = hierarchy.around(session, record, up=up, down=down, field=name)
        if return_graph:
            return graph
        show(graph, downwards=up != 0 and down != 0)
        return None

    def find(self, name: str, *, as_of: datetime | str | None = None) -> Artifact | Run:
        """Find an artifact or a run by a name.

        Args:
            name: A uid or its first characters, an OpenLineage run id, or the key or path of an
                artifact.
            as_of: Return the latest version at that time; by default the latest.

        Raises:
            NotFound: Nothing has this name.
            MultipleFound: Several keys match.
        """
        with self._database.reading() as session:
            return resolve.find(session, name, None if as_of is None else parse_time(as_of))

    def match(self, name: str, *, as_of: datetime | str | None = None) -> Match:
        """Find what a name means, as `find` does; also the artifacts that have the bytes of a file of this name.

        Args:
            name: A uid or its first characters, an OpenLineage run id, a key, or the path of an
                artifact or of a copy of one.
            as_of: Return the latest version at that time; by default the latest.

        Raises:
            NotFound: Nothing has this name, nor these bytes.
            MultipleFound: Several records have this name.
        """
        at = None if as_of is None else parse_time(as_of)
        with self._database.reading() as session:
            return resolve.match(session, name, at, self._digest_of)

    def find_run(self, name: str) -> Run:
        """Return the run with this uid or OpenLineage run id, or the newest run of the transform with this key.

        Raises `NotFound`.
        """
        with self._database.reading() as session:
            return resolve.find_run(session, name)

    def diff(self, first: Run | str, second: Run | str) -> RunDiff:
        """Compare two runs, given as records or by the names that `find_run` accepts. Raises `NotFound`."""
        for run in (first, second):
            if not isinstance(run, Run):
                text_argument(run, "the name of a run", "diff(ln.Run.get(...))")
                if not is_storable(run):
                    raise NotFound(
                        f"no run is called {shown(run)}",
                        hint=Hint("ln.Run.df() lists them", command="`lamin runs` lists them"),
                    )
        ends = [end if isinstance(end, Run) else self.find_run(end) for end in (first, second)]
        with self._database.reading() as session:
            return diff(*snapshots(session, *(run.id for run in ends)))

    def why(self, run: Run | str) -> Why:
        """Explain why a run was executed: the reasons of its engine, and what differs from the run before.

        Args:
            run: A record, or a name that `find_run` takes.
        """
        record = run if isinstance(run, Run) else self.find_run(run)
        with self._database.reading() as session:
            return why(session, record)

    def describe(self, artifact: Artifact) -> None:
        """Print the fields and annotations of an artifact."""
        print(description(artifact))  # noqa: T201 - this is what it is for


def node_of(record: Artifact | Run) -> Node:
    """The node that this record is."""
    return ("run" if isinstance(record, Run) else "artifact", record.id)


def _check_stands(
    session: Session, graph: Graph, record: Record | Sequence[Artifact | Run]
) -> None:
    """Raise `NotFound` for a record that was deleted since it was read: its number may be another record's now.

    A statement only where the graph does not show it.
    """
    unseen: list[Record] = []
    for part in _parts(record):
        node = _node_in(graph, part)
        if node is None:
            unseen.append(part)
        elif node.uid != part.uid:
            raise not_found(part)
    if unseen:
        check_present(session, unseen)


def _node_in(graph: Graph, record: Record) -> ArtifactNode | RunNode | None:
    if isinstance(record, Artifact):
        return graph.artifacts.get(record.id)
    return graph.runs.get(record.id) if isinstance(record, Run) else None


def _parts(record: Record | Sequence[Artifact | Run]) -> Iterable[Record]:
    return [record] if isinstance(record, Record) else record


def _starts(session: Session, record: Record | Sequence[Artifact | Run], limit: int) -> list[Node]:
    """The nodes that stand for this record: of a transform its runs, newest first; of a collection its artifacts."""
    if isinstance(record, Artifact | Run):
        return [node_of(record)]
    if isinstance(record, Sequence):
        return [node_of(part) for part in record]
    if isinstance(record, Transform):
        newest = (
            select(Run.id)
            .where(Run.transform_id == record.id)
            .order_by(Run.created_at.desc(), Run.id.desc())
        )
        return [("run", identity) for identity in session.scalars(newest.limit(limit + 1))]
    query = select(CollectionArtifact.artifact_id).where(
        CollectionArtifact.collection_id == record.id
    )
    return [
        ("artifact", identity)
        for identity in session.scalars(query.order_by(CollectionArtifact.position))
    ]


def description(artifact: Artifact) -> str:
    """The facts about an artifact, one for each line."""
    run = artifact.run
    rows: list[tuple[str, Any]] = [
        ("uid", artifact.uid),
        ("description", artifact.description),
        ("path", _shown_path(artifact)),
        ("size", None if artifact.size is None else f"{artifact.size} bytes"),
        ("hash", None if artifact.hash is None else f"{artifact.hash_type}:{artifact.hash}"),
        ("files", artifact.n_files),
        ("kind", artifact.kind),
        ("observations", artifact.n_observations),
        ("made by", None if run is None else _maker(run)),
        (
            "schema",
            None if artifact.schema is None else artifact.schema.name or artifact.schema.uid,
        ),
        *_slots(artifact),
        *artifact.features.described(),
        ("created at", artifact.created_at.isoformat(timespec="seconds")),
    ]
    title = f"Artifact: {printable(artifact.key or artifact.description or artifact.uid)} (version {artifact.version})"
    return "\n".join([title, *lines(rows)])


_FEATURES_SHOWN = 10


def _slots(artifact: Artifact) -> list[tuple[str, str]]:
    """The content of a validated dataset, one line for each slot."""
    if artifact.schema_id is None:
        return []
    with current.current_instance().db.reading() as session:
        features_by_slot = features_of_slots(session, artifact.id)
    lines_by_slot = [("columns", "")] if features_by_slot else []
    for slot, names in features_by_slot.items():
        shown = ", ".join(names[:_FEATURES_SHOWN])
        more = f", ... ({len(names):,})" if len(names) > _FEATURES_SHOWN else ""
        lines_by_slot.append((f"  {slot or 'table'}", shown + more))
    return lines_by_slot


def _shown_path(artifact: Artifact) -> object:
    try:
        return artifact.path
    except Conflict as error:
        return error.message


def _maker(run: Run) -> str:
    code = "" if run.transform is None else f" of {run.transform.key}"
    return f"run {run.uid}{code} ({run.engine})"
