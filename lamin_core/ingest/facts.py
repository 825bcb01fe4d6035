"""The facts of a run as plain values, independent of their producer and of the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lamin_core.enums import MANAGED, Direction, RunStatus
from lamin_core.runtime.environment import EnvironmentFacts
from lamin_core.runtime.parent_context import RunReference
from lamin_core.runtime.process import Process

Facets = Mapping[str, tuple[str, Any]]
"""The facts of a job by name: the stamp of the event, and the value; None if an event removed it."""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """A column of a dataset."""

    name: str
    type: str | None = None
    description: str | None = None


Fields = tuple[FieldFacts, ...]


@dataclass(frozen=True, slots=True)
class Traits:
    """Further facts of a version of a dataset; None if there are none."""

    fields: Fields | None = None
    checked_schema: str | None = None
    """The uid of the schema that it was checked against and fits."""
    n_observations: int | None = None
    description: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    """Key and value of each tag."""
    owner: str | None = None
    features: Mapping[str, Any] | None = None
    """Values by the names of features."""
    real_key: str | None = None
    """The path of the copy in a registry, relative to the root of its storage."""
    saved: bool | None = None
    """Whether these bytes were saved without a run, in place of other bytes."""


@dataclass(frozen=True, slots=True)
class TransformFacts:
    """The code of a run; `source` is None if it is unknown."""

    namespace: str
    key: str
    kind: str | None = None
    source: str | None = None
    source_hash: str | None = None
    language: str | None = None
    description: str | None = None
    reference: str | None = None
    reference_type: str | None = None
    stamp: str = ""
    """The stamp of the event with the reference; empty if there is none."""

    @property
    def precedence(self) -> tuple[str, str]:
        """The precedence: of two descriptions of the same version, the greater is valid."""
        return self.stamp, self.language or ""


@dataclass(frozen=True, slots=True)
class JobAttributes:
    """The facts of a job for all of its versions; None if there are none."""

    kind: str = "pipeline"
    description: str | None = None
    reference: str | None = None
    """The location of the code, for versions without their own."""
    reference_type: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    owner: str | None = None
    previous_name: str | None = None
    """The earlier name of the job, if it has been renamed."""


ReadJob = Callable[[Mapping[str, Any]], JobAttributes]
"""A function that reads the facts of a job by name: the registry stores them, and the receiver interprets them."""


def nothing_said(_facets: Mapping[str, object]) -> JobAttributes:
    """Read nothing: for facts of runs without descriptions of their jobs."""
    return JobAttributes()


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job by itself, without a run: its code, and its facets."""

    transform: TransformFacts
    at: datetime
    facets: Facets = field(default_factory=dict)
    datasets: tuple[tuple[Direction, str], ...] = ()
    """The paths that it is declared to read and write."""


@dataclass(frozen=True, slots=True)
class RunDependencyFacts:
    """A run waited for another one; `role` says why."""

    on: RunReference
    role: str


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A dataset on one side of a run; without `hash` its content is unknown. `path` is absolute, or a URL."""

    direction: Direction | Literal["dataset"]
    """`dataset` where no run is at work."""
    path: str
    at: datetime
    hash: str | None = None
    hash_type: str | None = None
    size: int | None = None
    n_files: int | None = None
    role: str | None = None
    facets: Mapping[str, Any] | None = None
    traits: Traits | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """Facts of a dataset without a run; `event` is the hash of the event."""

    event: str
    dataset: DatasetFacts


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One execution, from all of its events."""

    run_id: str
    """How the registry knows it: the OpenLineage run id, or of further jobs with the same id a longer name."""
    transform: TransformFacts
    engine: str
    status: RunStatus
    engine_version: str | None = None
    name: str | None = None
    cached: bool = False
    attempt: int = 1
    started_at: datetime | None = None
    finished_at: datetime | None = None
    params: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None
    error: str | None = None
    process: Process | None = None
    """The process that sends its events."""
    parent: RunReference | None = None
    root: RunReference | None = None
    dependencies: tuple[RunDependencyFacts, ...] = field(default=())
    datasets: tuple[DatasetFacts, ...] = field(default=())
    first_at: datetime | None = None
    """When anything was first heard of it."""
    job_facets: Mapping[tuple[str, str], Facets] = field(default_factory=dict)
    """The facts from its events about the jobs with these namespaces and keys."""
    versions: tuple[tuple[TransformFacts, datetime], ...] = ()
    """The versions of code that its events name, each with the first time; that of `transform` is among them."""
    labels: tuple[tuple[str, str], ...] = ()
    """Key and value of each tag."""
    features: Mapping[str, object] = field(default_factory=dict)
    """Values by the names of features."""
    environment: EnvironmentFacts | None = None
    """The environment in which it ran; None if it is unknown."""
    schemas: frozenset[Fields] = frozenset()
    """All columns that its events name, also those that a later one replaced."""
    jobs: frozenset[str] = frozenset()
    """Every job that its events say it to be of, as `namespace/name`: some producers rename it on the run."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Pairs of paths that are names of one dataset."""

    @property
    def copies_read(self) -> list[str]:
        """The inputs that are paths of copies in a managed storage."""
        paths = (dataset.path for dataset in self.datasets if dataset.direction == "input")
        return [path for path in paths if f"/{MANAGED}/" in path]
