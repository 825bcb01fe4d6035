"""All events of a run, folded into what is known of it: no order of arrival can change the outcome.

A `History` takes events one by one, in any order and as often as they come, and keeps of each thing
what the greatest event in the order of time says: event time, then START before the rest before the
ends, then the hash of the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from blake3 import blake3

from lamin_core.enums import Direction, RunStatus
from lamin_core.ingest.facts import (
    Annotation,
    DatasetFacts,
    Fields,
    JobFacts,
    RunFacts,
    Traits,
    TransformFacts,
)
from lamin_core.ingest.run_names import JOBS
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.naming import dataset_path
from openlineage.lamin.receive import facet_reader
from openlineage.lamin.receive.facet_access import Facets, object_in, text_in
from openlineage.lamin.receive.facet_reader import facets_of, labels, merged
from openlineage.lamin.receive.parse import ParsedEvent, without_secrets

Order = tuple[datetime, int, str]
Stamped = dict[str, tuple[Order, Any]]
_ENDS = {"COMPLETE": RunStatus.COMPLETED, "FAIL": RunStatus.FAILED, "ABORT": RunStatus.ABORTED}
_CODE_FACETS = ("sourceCode", "sourceCodeLocation", "sql")
"""Facets of a job that identify a version of it."""
Job = tuple[str, str]


@dataclass(slots=True)
class _Mention:
    """A dataset on one side of a run, over all events that speak of it."""

    path: str
    first: datetime
    facets: Stamped = field(default_factory=dict)
    first_named: dict[str | None, datetime] = field(default_factory=dict)
    """When each identity was first named."""
    schemas: set[Fields] = field(default_factory=set)

    def absorb(self, order: Order, dataset: Mapping[str, Any]) -> None:
        """One event speaks of it."""
        facets = facets_of(dataset)
        _absorb(self.facets, order, facets)
        for group in ("inputFacets", "outputFacets"):
            _absorb(self.facets, order, facets_of(dataset, group))
        self.first = min(self.first, order[0])
        self.schemas.update(facet_reader.schemas(facets))
        value = facet_reader.identity(facets)[1]
        self.first_named[value] = min(order[0], self.first_named.get(value, order[0]))

    def merge(self, other: _Mention) -> None:
        """Take all that another mention of the same dataset says."""
        _merge(self.facets, other.facets)
        self.first = min(self.first, other.first)
        self.schemas |= other.schemas
        for value, at in other.first_named.items():
            self.first_named[value] = min(at, self.first_named.get(value, at))


@dataclass(slots=True)
class History:
    """The facts of the events of a run so far."""

    run_id: str
    first: Order | None = None
    job: tuple[Order, str, str] | None = None
    started: datetime | None = None
    first_start: Order | None = None
    last_start: Order | None = None
    ends: dict[Order, RunStatus] = field(default_factory=dict)
    is_running: bool = False
    run: Stamped = field(default_factory=dict)
    code: dict[Job, Stamped] = field(default_factory=dict)
    """The code of each job that events name for the run."""
    shared: dict[Job, Stamped] = field(default_factory=dict)
    """The facts of each job, for all of its versions."""
    versions: dict[tuple[str, str, str | None], tuple[TransformFacts, datetime]] = field(
        default_factory=dict
    )
    """The versions of code that single events name, with the first time."""
    mentions: dict[tuple[Direction, str, str], _Mention] = field(default_factory=dict)
    aliases: set[tuple[str, str]] = field(default_factory=set)
    malformed: set[str] = field(default_factory=set)
    """The parts of the events that do not conform to the standard, and are ignored."""

    def absorb(self, event: ParsedEvent) -> None:
        """Take one more event; the same one again changes nothing."""
        self.absorb_masked(event, without_secrets(event))

    def absorb_masked(self, event: ParsedEvent, data: Event) -> None:
        """Take one more event, of which `data` is what it says without secrets."""
        order = event.order
        self.first = order if self.first is None else min(self.first, order)
        job = order, data["job"]["namespace"], data["job"]["name"]
        self.job = job if self.job is None else max(self.job, job)
        self._absorb_type(event.event_type, order)
        _absorb(self.run, order, facets_of(data["run"]))
        self._absorb_job(job[1:], facets_of(data["job"]), order)
        self.malformed.update(facet_reader.malformed_parts(data))
        for direction, dataset in facet_reader.datasets(data):
            self._absorb_dataset(direction, dataset, order)

    def _absorb_type(self, kind: str | None, order: Order) -> None:
        if kind in _ENDS:
            self.ends[order] = _ENDS[kind]
        elif kind == "START":
            self.started = order[0] if self.started is None else min(self.started, order[0])
            self.first_start = order if self.first_start is None else min(self.first_start, order)
            self.last_start = order if self.last_start is None else max(self.last_start, order)
        self.is_running = self.is_running or kind in ("START", "RUNNING")

    def _absorb_job(self, job: Job, facets: Facets, order: Order) -> None:
        code = {name: facets[name] for name in _CODE_FACETS if name in facets}
        _absorb(self.code.setdefault(job, {}), order, code)
        _absorb(self.shared.setdefault(job, {}), order, _shared(facets))
        if code:
            transform = transform_facts(*job, code, _stamp(order))
            if transform.source_hash is not None:
                key = (*job, transform.source_hash)
                existing, at = self.versions.get(key, (transform, order[0]))
                self.versions[key] = (
                    max(existing, transform, key=lambda version: version.precedence),
                    min(at, order[0]),
                )

    def _absorb_dataset(
        self, direction: Direction, dataset: Mapping[str, Any], order: Order
    ) -> None:
        namespace, name = dataset["namespace"], dataset["name"]
        mention = self.mentions.get((direction, namespace, name))
        if mention is None:
            mention = self.mentions[direction, namespace, name] = _Mention(
                _path(namespace, name), order[0]
            )
        mention.absorb(order, dataset)
        self.aliases.update(
            (mention.path, other) for other in facet_reader.other_names(facets_of(dataset))
        )

    def merge(self, other: History) -> None:
        """Take all that another history says: of the same run, under another name of its job."""
        self.first = _least(self.first, other.first)
        self.job = _greatest(self.job, other.job)
        self.started = _least(self.started, other.started)
        self.first_start = _least(self.first_start, other.first_start)
        self.last_start = _greatest(self.last_start, other.last_start)
        self.ends |= other.ends
        self.is_running = self.is_running or other.is_running
        _merge(self.run, other.run)
        self.code |= other.code
        self.shared |= other.shared
        self.versions |= other.versions
        self.aliases |= other.aliases
        self.malformed |= other.malformed
        for key, mention in other.mentions.items():
            if key not in self.mentions:
                self.mentions[key] = _Mention(mention.path, mention.first)
            self.mentions[key].merge(mention)

    def facts(self) -> RunFacts:
        """The facts of all events together.

        Facets are replaced whole by later ones of the same name, datasets add up, the first end is
        the end (of a batch job; a stream or service that starts again runs again). Source:
        OpenLineage 2-0-2, "The run cycle"; what it leaves open is in `docs/architecture.md`.
        """
        assert self.first is not None
        assert self.job is not None
        _, namespace, name = self.job
        run = merged(self.run)
        job = merged(self.shared[namespace, name]) | merged(self.code[namespace, name])
        end = self._end(job)
        own = object_in(run, "lamin_run")
        parent = facet_reader.parent_facet(run)
        began = self.started or facet_reader.started_at(own)
        started = began or self.first[0]
        status = self._status(end, text_in(own, "status"))
        return RunFacts(
            run_id=self.run_id,
            transform=transform_facts(namespace, name, job, ""),
            engine=facet_reader.engine(namespace, run, job),
            engine_version=text_in(object_in(run, "processing_engine"), "version"),
            status=status,
            name=text_in(own, "name") or name,
            cached=own.get("cached") is True,
            attempt=facet_reader.count(own.get("attempt")) or 1,
            started_at=None if status == RunStatus.SCHEDULED else started,
            finished_at=None if end is None else end[0],
            params=facet_reader.params(run),
            details=self._details(run, began, started, end),
            error=facet_reader.error(run),
            process=facet_reader.process(run),
            parent=facet_reader.link(self.run_id, parent),
            root=facet_reader.link(self.run_id, object_in(parent, "root")),
            dependencies=tuple(facet_reader.dependencies(self.run_id, run)),
            datasets=tuple(self._datasets(None if end is None else end[0])),
            first_at=self.first[0],
            job_facets={
                key: _registry_facets(facets) for key, facets in self.shared.items() if facets
            },
            versions=tuple(self.versions.values()),
            labels=labels(run) or (),
            features=facet_reader.features(run) or {},
            environment=facet_reader.environment(run),
            schemas=frozenset(
                fields for mention in self.mentions.values() for fields in mention.schemas
            ),
            jobs=frozenset(self._job_names()),
            aliases=tuple(sorted(self.aliases)),
        )

    def _end(self, job: Facets) -> Order | None:
        if not self.ends:
            return None
        if text_in(object_in(job, "jobType"), "processingType") not in ("STREAMING", "SERVICE"):
            return min(self.ends)
        last = max(self.ends)
        return None if self.last_start is not None and self.last_start > last else last

    def _status(self, end: Order | None, reported_status: str | None) -> RunStatus:
        if end is not None:
            return self.ends[end]
        if reported_status == RunStatus.LOST:
            return RunStatus.LOST
        return RunStatus.RUNNING if self.is_running else RunStatus.SCHEDULED

    def _details(
        self, run: Facets, began: datetime | None, started: datetime, end: Order | None
    ) -> dict[str, Any] | None:
        details = facet_reader.details(run)
        doubts = [
            *(["the start was not told"] if began is None else []),
            *(
                ["it ends before it starts: the clocks differ"]
                if end is not None and end[0] < started
                else []
            ),
            *(["its ends contradict each other"] if len(set(self.ends.values())) > 1 else []),
            *self._refused_places(),
            *sorted(self.malformed),
            *facet_reader.doubts(run),
        ]
        if len(self.shared) > 1:
            details[JOBS] = self._job_names()
        if doubts:
            details["doubts"] = doubts
        return details or None

    def _job_names(self) -> list[str]:
        return sorted(f"{namespace}/{name}" for namespace, name in self.shared)

    def _refused_places(self) -> Iterator[str]:
        """Remove the recorded paths of copies that are outside of every storage."""
        paths = set()
        for mention in self.mentions.values():
            if facet_reader.has_refused_place(merged(mention.facets)):
                paths.add(mention.path)
        for path in sorted(paths):
            yield f"it names a copy of {path!r} where none can be: ignored"

    def _datasets(self, ended: datetime | None) -> Iterator[DatasetFacts]:
        for (direction, _, _), mention in self.mentions.items():
            yield _dataset(direction, mention, ended)
        listed = {(direction, mention.path) for (direction, _, _), mention in self.mentions.items()}
        for mention in self.mentions.values():
            source = facet_reader.renamed_from(merged(mention.facets))
            if source is not None and ("input", source) not in listed:
                yield DatasetFacts("input", source, mention.first, role="renamed")


def fold(events: Iterable[ParsedEvent]) -> RunFacts:
    """The facts of these events of one run together; at least one event is needed."""
    history: History | None = None
    for event in events:
        history = history or History(str(event.run_id))
        history.absorb(event)
    assert history is not None, "a run is known by its events"
    return history.facts()


def job_facts(event: ParsedEvent) -> JobFacts:
    """The facts of a job event: the job's code, its facets, and its declared inputs and outputs."""
    data = without_secrets(event)
    job = data["job"]
    facets: Stamped = {}
    _absorb(facets, event.order, _shared(facets_of(job)))
    job_attributes = _registry_facets(facets)
    for side in ("inputs", "outputs"):
        declared = [
            [d["namespace"], d["name"]] for s, d in facet_reader.datasets(data) if f"{s}s" == side
        ]
        if declared:
            job_attributes[side] = (_stamp(event.order), declared)
    code = {
        name: facet for name, facet in facets_of(job).items() if not facet_reader.is_deleted(facet)
    }
    return JobFacts(
        transform_facts(job["namespace"], job["name"], code, _stamp(event.order)),
        event.order[0],
        job_attributes,
        tuple((side, _path(d["namespace"], d["name"])) for side, d in facet_reader.datasets(data)),
    )


def declared_datasets(event: ParsedEvent) -> Iterator[Annotation]:
    """The datasets that a job event speaks of, each described once for each side, without a run."""
    mentions: dict[tuple[Direction, str], _Mention] = {}
    for side, dataset in facet_reader.datasets(without_secrets(event)):
        path = _path(dataset["namespace"], dataset["name"])
        mention = mentions.setdefault((side, path), _Mention(path, event.order[0]))
        mention.absorb(event.order, dataset)
    for (side, path), mention in mentions.items():
        identity = blake3("\0".join((event.hash, side, path)).encode()).hexdigest()
        yield Annotation(identity, _dataset("dataset", mention, None))


def annotation(event: ParsedEvent) -> Annotation:
    """The facts of a dataset event: an observation of the dataset without a run."""
    dataset = without_secrets(event)["dataset"]
    mention = _Mention(_path(dataset["namespace"], dataset["name"]), event.order[0])
    mention.absorb(event.order, dataset)
    dataset_facts = _dataset("dataset", mention, None)
    if dataset_facts.role in ("create", "overwrite"):
        dataset_facts = replace(
            dataset_facts, traits=replace(dataset_facts.traits or Traits(), saved=True)
        )
    return Annotation(event.hash, dataset_facts)


def alias_pairs(event: ParsedEvent) -> Iterator[tuple[str, str]]:
    """The pairs of paths that are one dataset according to a job or dataset event."""
    datasets = [dataset for _, dataset in facet_reader.datasets(event.data)]
    for dataset in [*datasets, *([event.data["dataset"]] if event.kind == "dataset" else [])]:
        path = _path(dataset["namespace"], dataset["name"])
        yield from ((path, other) for other in facet_reader.other_names(facets_of(dataset)))


@lru_cache(maxsize=10_000)
def _path(namespace: str, name: str) -> str:
    return dataset_path(namespace, name)


def _absorb(target: Stamped, order: Order, facets: Facets) -> None:
    for name, facet in facets.items():
        existing = target.get(name)
        if existing is None or order > existing[0]:
            target[name] = order, facet


def _merge(target: Stamped, other: Stamped) -> None:
    for name, (order, facet) in other.items():
        _absorb(target, order, {name: facet})


def _least(first: Any, second: Any) -> Any:
    return min((value for value in (first, second) if value is not None), default=None)


def _greatest(first: Any, second: Any) -> Any:
    return max((value for value in (first, second) if value is not None), default=None)


def _stamp(order: Order) -> str:
    """The order as text that sorts alike."""
    return f"{order[0].isoformat(timespec='microseconds')} {order[1]} {order[2]}"


def _shared(facets: Facets) -> Facets:
    """The facets that are kept with the job; its source has a field of its own."""
    return {name: facet for name, facet in facets.items() if name not in ("sourceCode", "sql")}


def _registry_facets(facets: Stamped) -> dict[str, tuple[str, Any]]:
    """The facets of a job as the registry keeps them; None for what was taken back."""
    return {
        name: (_stamp(order), None if facet_reader.is_deleted(facet) else facet)
        for name, (order, facet) in facets.items()
    }


def transform_facts(namespace: str, name: str, job: Facets, stamp: str) -> TransformFacts:
    """The code of a job, from its facets."""
    code, sql = object_in(job, "sourceCode"), object_in(job, "sql")
    location = object_in(job, "sourceCodeLocation")
    source = text_in(code, "sourceCode") or text_in(sql, "query")
    identity = source if source is not None else text_in(location, "version")
    return TransformFacts(
        namespace=namespace,
        key=name,
        source=source,
        source_hash=None if identity is None else _source_hash(identity),
        language=text_in(code, "language") or ("sql" if sql else None),
        reference=text_in(location, "url"),
        reference_type=text_in(location, "type"),
        stamp=stamp if location else "",
    )


@lru_cache(maxsize=1_000)
def _source_hash(identity: str) -> str:
    return blake3(identity.encode("utf-8", "surrogatepass")).hexdigest()


def _dataset(
    direction: Direction | Literal["dataset"], mention: _Mention, ended: datetime | None
) -> DatasetFacts:
    facets = merged(mention.facets)
    own = object_in(facets, "lamin_artifact")
    hash_type, value = facet_reader.identity(facets)
    at = mention.first_named.get(value, mention.first)
    # Who wrote without saying what, wrote it by the end; who read, read from the first mention on.
    if direction == "output" and value is None and ended is not None:
        at = ended
    return DatasetFacts(
        direction=direction,
        path=mention.path,
        at=at,
        hash=value,
        hash_type=hash_type,
        size=facet_reader.count(own.get("size")),
        n_files=facet_reader.count(own.get("n_files")),
        role=text_in(own, "role") or facet_reader.change(facets),
        facets=facet_reader.other_facets(facets) or None,
        traits=facet_reader.traits(facets),
    )
