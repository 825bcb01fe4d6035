"""All events of a run, folded into what is known of it: a pure function that no order of arrival can change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blake3 import blake3

from lamin_core.lineage.facts import DatasetFacts, RunFacts, RunLink, TransformFacts
from lamin_core.redaction import redact
from lamin_core.types import Direction, RunStatus
from openlineage.lamin.naming import dataset_path
from openlineage.lamin.parsing import ParsedEvent

_TERMINAL = {"COMPLETE": RunStatus.COMPLETED, "FAIL": RunStatus.FAILED, "ABORT": RunStatus.ABORTED}
_DEPENDENCY_ROLES = {"pipe", "service", "value", "order"}
_KNOWN_RUN_FACETS = {
    "parent", "processing_engine", "lamin_run", "executionParameters", "errorMessage", "jobDependencies",
}  # fmt: skip
_KNOWN_DATASET_FACETS = {"lamin_artifact", "version"}
Facets = Mapping[str, Any]


def fold(events: Iterable[ParsedEvent]) -> RunFacts:
    """What these events of one run say together; at least one is needed.

    Facets are replaced whole by later ones of the same name, datasets add up, the first terminal event decides the
    end. Source: OpenLineage 2-0-2, "The run cycle"; what it leaves open is in `docs/architecture.md`.
    """
    ordered = sorted({event.hash: event for event in events}.values(), key=lambda event: event.order)
    last = ordered[-1]
    run = _merged(_facets(event.data["run"]) for event in ordered)
    job = _merged(_facets(event.data["job"]) for event in ordered)
    own = _object(run, "lamin_run")
    terminal = next((event for event in ordered if event.event_type in _TERMINAL), None)
    namespace, name = last.data["job"]["namespace"], last.data["job"]["name"]
    run_id = str(last.run_id)
    return RunFacts(
        run_id=run_id,
        transform=_transform(namespace, name, job),
        engine=_engine(namespace, run, job),
        engine_version=_text(_object(run, "processing_engine").get("version")),
        status=_status(ordered, terminal),
        name=_text(own.get("name")) or name,
        cached=own.get("cached") is True,
        attempt=_count(own.get("attempt")) or 1,
        started_at=_started(ordered),
        finished_at=None if terminal is None else terminal.event_time,
        params=_params(run),
        details=_details(own, run),
        error=_text(_object(run, "errorMessage").get("message")),
        parent=_parent(run_id, _object(run, "parent")),
        root=_parent(run_id, _object(_object(run, "parent"), "root")),
        dependencies=tuple(_dependencies(run_id, _object(run, "jobDependencies"))),
        datasets=tuple(_datasets(ordered, terminal)),
    )


def _object(facets: Facets, name: str) -> Facets:
    """The facet, or an empty one where it is missing or no object."""
    found = facets.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    """A number that a database can hold."""
    return value if isinstance(value, int) and 0 <= value < 1 << 63 else None


def _facets(entity: Any) -> Facets:
    return _object(entity, "facets") if isinstance(entity, dict) else {}


def _merged(facets: Iterable[Facets]) -> dict[str, Any]:
    """Atomic replacement, name by name; `_deleted` is a tombstone."""
    found: dict[str, Any] = {}
    for one in facets:
        found.update(one)
    return {name: facet for name, facet in found.items() if not (isinstance(facet, dict) and facet.get("_deleted"))}


def _status(ordered: Sequence[ParsedEvent], terminal: ParsedEvent | None) -> RunStatus:
    if terminal is not None:
        return _TERMINAL[str(terminal.event_type)]
    seen = {event.event_type for event in ordered}
    return RunStatus.RUNNING if seen & {"START", "RUNNING"} else RunStatus.SCHEDULED


def _started(ordered: Sequence[ParsedEvent]) -> datetime | None:
    starts = [event for event in ordered if event.event_type == "START"]
    return (starts or list(ordered))[0].event_time


def _transform(namespace: str, name: str, job: Facets) -> TransformFacts:
    code, location, sql = _object(job, "sourceCode"), _object(job, "sourceCodeLocation"), _object(job, "sql")
    source = _text(code.get("sourceCode")) or _text(sql.get("query"))
    identity = source if source is not None else _text(location.get("version"))
    kind = _text(_object(job, "jobType").get("jobType"))
    return TransformFacts(
        namespace=namespace,
        key=name,
        kind=None if kind is None else kind.lower(),
        source=source,
        source_hash=None if identity is None else blake3(identity.encode("utf-8", "surrogatepass")).hexdigest(),
        language=_text(code.get("language")) or ("sql" if sql else None),
        description=_text(_object(job, "documentation").get("description")),
        reference=_text(location.get("url")),
        reference_type=_text(location.get("type")),
    )


def _engine(namespace: str, run: Facets, job: Facets) -> str:
    named = _text(_object(run, "processing_engine").get("name")) or _text(_object(job, "jobType").get("integration"))
    return (named or namespace).lower()[:64]


def _params(run: Facets) -> dict[str, Any] | None:
    own = _object(run, "lamin_run").get("params")
    if isinstance(own, dict):
        return dict(redact(own)) or None
    rows = _object(run, "executionParameters").get("parameters")
    if not isinstance(rows, list):
        return None
    told = {str(row["key"]): row.get("value") for row in rows if isinstance(row, dict) and "key" in row}
    return dict(redact(told)) or None


def _details(own: Facets, run: Facets) -> dict[str, Any] | None:
    details = dict(_object(own, "details"))
    unknown = {name: facet for name, facet in run.items() if name not in _KNOWN_RUN_FACETS}
    if unknown:
        details["facets"] = unknown
    return dict(redact(details)) or None


def _parent(run_id: str, facet: Facets) -> RunLink | None:
    parent_id = _text(_object(facet, "run").get("runId"))
    namespace, name = (_text(_object(facet, "job").get(field)) for field in ("namespace", "name"))
    if parent_id is None or parent_id == run_id or namespace is None or name is None:
        return None  # some producers name the run itself as its parent
    return RunLink(parent_id, namespace, name)


def _dependencies(run_id: str, facet: Facets) -> Iterator[RunLink]:
    upstream = facet.get("upstream")
    for row in upstream if isinstance(upstream, list) else ():
        link = _parent(run_id, row if isinstance(row, dict) else {})
        if link is not None:
            role = row.get("dependency_type")
            yield RunLink(link.run_id, link.namespace, link.key, role if role in _DEPENDENCY_ROLES else "order")


@dataclass(slots=True)
class _Mentions:
    """A dataset on one side of the run, over all events that speak of it."""

    path: str
    facets: dict[str, Any] = field(default_factory=dict)
    told: list[tuple[datetime, str | None]] = field(default_factory=list)


def _datasets(ordered: Sequence[ParsedEvent], terminal: ParsedEvent | None) -> Iterator[DatasetFacts]:
    ended = None if terminal is None else terminal.event_time
    for direction in ("input", "output"):
        found: dict[tuple[str, str], _Mentions] = {}
        for event in ordered:
            for dataset in _listed(event, direction):
                name = dataset["namespace"], dataset["name"]
                mentions = found.setdefault(name, _Mentions(dataset_path(*name)))
                facets = _facets(dataset)
                mentions.facets.update(facets)
                mentions.told.append((event.order[0], _identity(facets)[1]))
        for mentions in found.values():
            yield _dataset(direction, mentions, ended)


def _listed(event: ParsedEvent, direction: str) -> Iterator[dict[str, Any]]:
    listed = event.data.get(f"{direction}s")
    for dataset in listed if isinstance(listed, list) else ():
        if isinstance(dataset, dict) and _text(dataset.get("namespace")) and _text(dataset.get("name")):
            yield dataset


def _dataset(direction: Direction, mentions: _Mentions, ended: datetime | None) -> DatasetFacts:
    facets = _merged([mentions.facets])
    own = _object(facets, "lamin_artifact")
    hash_type, value = _identity(facets)
    times = [at for at, told in mentions.told if told == value] or [at for at, _ in mentions.told]
    # Who wrote without saying what, wrote it by the end; who read, read from the first mention on.
    at = ended if direction == "output" and value is None and ended is not None else times[0]
    unknown = {name: facet for name, facet in facets.items() if name not in _KNOWN_DATASET_FACETS}
    return DatasetFacts(
        direction=direction,
        path=mentions.path,
        at=at,
        hash=value,
        hash_type=hash_type,
        size=_count(own.get("size")),
        n_files=_count(own.get("n_files")),
        role=_text(own.get("role")),
        facets=unknown or None,
    )


def _identity(facets: Facets) -> tuple[str | None, str | None]:
    """What tells the version: our content hash, else the version that the producer gave."""
    own = _object(facets, "lamin_artifact")
    if _text(own.get("hash")):
        return _text(own.get("hash_type")) or "unknown", own["hash"]
    version = _text(_object(facets, "version").get("datasetVersion"))
    return (None, None) if version is None else ("version", version)
