"""Queries about columns: the columns from which a column was made, from the columnLineage facets of all runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.ingest.aliases import canonical
from lamin_core.lineage.graph import ArtifactNode
from lamin_core.models import Artifact, ArtifactSeries, RunArtifact, Storage
from lamin_core.uids import VERSION_LENGTH
from openlineage.lamin.emit.naming import dataset_path
from openlineage.lamin.http.queries import runs
from openlineage.lamin.http.queries.lineage import around
from openlineage.lamin.http.queries.names import Name, Node, dataset_of, name_of, node_of
from openlineage.lamin.http.queries.shapes import Json, fields
from openlineage.lamin.receive.facet_reader import renamed_from

_FIELD = "datasetField:"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset."""

    dataset: Name
    field: str

    @property
    def id(self) -> str:
        """The id of the column as a node."""
        return f"{_FIELD}{self.dataset.namespace}:{self.dataset.name}:{self.field}"

    def as_json(self) -> Json:
        """For JSON."""
        return {
            "namespace": self.dataset.namespace,
            "dataset": self.dataset.name,
            "field": self.field,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """A column was made from another, in this way."""

    source: Column
    target: Column
    how: Json


def column_lineage(session: Session, *, node_id: str, depth: int, with_downstream: str) -> Json:
    """The columns that those of a dataset, of one field or of a job's outputs came from, and went into."""
    node, field = _node_and_field(session, node_id)
    down = depth if with_downstream.lower() == "true" else 0
    # A step from column to column is two from node to node; what a run wrote is one more.
    graph, starts = around(session, node, up=2 * depth, down=2 * down + (node.kind == "job"))
    begun = set(starts)
    own = begun | {
        artifact
        for run, artifact, direction, _ in graph.edges
        if direction == "output" and -run in begun
    }
    edge_facets = list(_edge_facets(session, {*graph.artifacts}))
    steps = _renamed(session, edge_facets)
    types = {
        Column(name, schema_field["name"]): schema_field["type"]
        for _, name, facets in edge_facets
        for schema_field in fields(facets)
    }
    steps += _identities(session, edge_facets, {*types, *_ends(steps)})
    names = {_name(graph.artifacts[artifact]) for artifact in own if artifact in graph.artifacts}
    columns = {*types, *_ends(steps)}
    first = {
        column for column in columns if column.dataset in names and field in (None, column.field)
    }
    if field is not None and not first:
        raise NotFound(
            f"no column {field!r} is known of this dataset",
            hint="its fields: GET .../datasets/{dataset}",
        )
    return {"graph": _drawn(_reached(first, steps, depth, down), steps, types)}


def _name(node: ArtifactNode) -> Name:
    return dataset_of(node.root, node.key, node.uid[:-VERSION_LENGTH])


def _node_and_field(session: Session, node_id: str) -> tuple[Node, str | None]:
    """The node, and the field of it that is asked for."""
    if not node_id.startswith(_FIELD):
        node = node_of(session, node_id)
        if node.kind == "run":
            raise InvalidArgument(
                "a run has no columns", hint="ask for one of the datasets that it wrote"
            )
        return node, None
    dataset, _, field = node_id.removeprefix(_FIELD).rpartition(":")
    name, separator, version = field.partition("#")
    return node_of(session, f"dataset:{dataset}{separator}{version}"), name


def _edge_facets(session: Session, artifacts: Iterable[int]) -> Iterator[tuple[int, Name, Json]]:
    """The facts of these versions: the version, its dataset, the facets of one edge."""
    query = (
        select(Artifact.id, Storage.root, Artifact.key, ArtifactSeries.stem, RunArtifact.facets)
        .join(RunArtifact, RunArtifact.artifact_id == Artifact.id)
        .join(ArtifactSeries, Artifact.series_id == ArtifactSeries.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .where(RunArtifact.facets.is_not(None))
        .order_by(RunArtifact.id)
    )
    for part in runs.chunks(artifacts):
        for identity, root, key, stem, facets in session.execute(
            query.where(Artifact.id.in_(part))
        ):
            yield identity, dataset_of(root, key, stem), facets


def _renamed(session: Session, edge_facets: Sequence[tuple[int, Name, Json]]) -> list[Step]:
    """The steps in facets, between the names of the datasets in the registry."""
    steps = [step for _, name, facets in edge_facets for step in _steps(name, facets)]
    names = _canonical(session, {step.source.dataset for step in steps})
    return [
        replace(step, source=replace(step.source, dataset=names[step.source.dataset]))
        for step in steps
    ]


def _canonical(session: Session, names: Collection[Name]) -> dict[Name, Name]:
    """The name that the registry knows each of these datasets by."""
    paths = {name: dataset_path(name.namespace, name.name) for name in names}
    aliases = canonical(session, set(paths.values()))
    return {name: name_of(aliases.get(path, path)) for name, path in paths.items()}


def _identities(
    session: Session, edge_facets: Iterable[tuple[int, Name, Json]], columns: Iterable[Column]
) -> list[Step]:
    """A step for each column of a dataset that was renamed: it is the column of the dataset's previous name."""
    previous = {
        name: origin
        for _, name, facets in edge_facets
        if (origin := _previous_name(facets)) is not None
    }
    names = _canonical(session, previous.values())
    fields_of: defaultdict[Name, set[str]] = defaultdict(set)
    for column in columns:
        fields_of[column.dataset].add(column.field)
    for _ in previous:  # a dataset may have been renamed several times
        for name, origin in previous.items():
            fields_of[name] |= fields_of[names[origin]]
            fields_of[names[origin]] |= fields_of[name]
    return [
        Step(Column(names[origin], field), Column(name, field), _IDENTITY)
        for name, origin in previous.items()
        for field in sorted(fields_of[name])
        if names[origin] != name
    ]


def _previous_name(facets: Json) -> Name | None:
    path = renamed_from(facets)
    return None if path is None else name_of(path)


def _ends(steps: Iterable[Step]) -> set[Column]:
    return {step.source for step in steps} | {step.target for step in steps}


def _steps(name: Name, facets: Mapping[str, Any]) -> Iterator[Step]:
    facet = facets.get("columnLineage")
    field_entries = facet.get("fields") if isinstance(facet, dict) else None
    for field, derivation in (field_entries if isinstance(field_entries, dict) else {}).items():
        sources = derivation.get("inputFields") if isinstance(derivation, dict) else None
        for source in sources if isinstance(sources, list) else ():
            if isinstance(source, dict) and all(
                isinstance(source.get(part), str) for part in _PARTS
            ):
                origin = name_of(dataset_path(source["namespace"], source["name"]))
                how = {
                    "transformationDescription": derivation.get("transformationDescription"),
                    "transformationType": derivation.get("transformationType"),
                    "transformations": source.get("transformations") or [],
                }
                yield Step(Column(origin, source["field"]), Column(name, field), how)


_PARTS = ("namespace", "name", "field")
_IDENTITY: Json = {
    "transformationDescription": "renamed",
    "transformationType": "IDENTITY",
    "transformations": [],
}


def _reached(first: set[Column], steps: Iterable[Step], up: int, down: int) -> set[Column]:
    above: defaultdict[Column, set[Column]] = defaultdict(set)
    below: defaultdict[Column, set[Column]] = defaultdict(set)
    for step in steps:
        above[step.target].add(step.source)
        below[step.source].add(step.target)
    seen = set(first)
    for onwards, depth in ((above, up), (below, down)):
        reached = frontier = set(first)
        while frontier and depth > 0:
            frontier = {other for column in frontier for other in onwards[column]} - reached
            reached = reached | frontier
            depth -= 1
        seen |= reached
    return seen


def _drawn(columns: set[Column], steps: Iterable[Step], types: Mapping[Column, Any]) -> list[Json]:
    into: dict[Column, dict[Column, Json]] = {column: {} for column in columns}
    out: dict[Column, set[Column]] = {column: set() for column in columns}
    for step in steps:
        if step.source in columns and step.target in columns:
            into[step.target][step.source] = step.how
            out[step.source].add(step.target)
    return [
        {
            "id": column.id,
            "type": "DATASET_FIELD",
            "data": {
                **column.as_json(),
                "fieldType": types.get(column),
                "inputFields": [
                    {**source.as_json(), **how} for source, how in _sorted(into[column].items())
                ],
            },
            "inEdges": [
                {"origin": source.id, "destination": column.id}
                for source, _ in _sorted(into[column].items())
            ],
            "outEdges": [
                {"origin": column.id, "destination": target.id}
                for target in sorted(out[column], key=_by_id)
            ],
        }
        for column in sorted(columns, key=_by_id)
    ]


def _sorted(sources: Iterable[tuple[Column, Json]]) -> list[tuple[Column, Json]]:
    return sorted(sources, key=lambda pair: pair[0].id)


def _by_id(column: Column) -> str:
    return column.id
