"""What is known of a run, whoever says it: plain values, no database in sight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lamin_core.enums import Direction, RunStatus
from lamin_core.runtime.environment import EnvironmentFacts
from lamin_core.runtime.parent_context import RunReference
from lamin_core.runtime.process import Process

Facets = Mapping[str, tuple[str, Any]]
"""What is said of a job, by name: the stamp of the event that said it, and the value; None once it was taken back."""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """A column of a dataset."""

    name: str
    type: str | None = None
    description: str | None = None


Fields = tuple[FieldFacts, ...]


@dataclass(frozen=True, slots=True)
class Traits:
    """What else was said of a version of a dataset; None where nobody said anything."""

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
    """Where a registry keeps its copy, below the root of its storage."""
    saved: bool | None = None
    """Whether somebody saved these bytes without a run, where others were before."""


@dataclass(frozen=True, slots=True)
class TransformFacts:
    """The code of a run; `source` is None where nobody showed it."""

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
    """When the reference was said; empty where none was."""

    @property
    def precedence(self) -> tuple[str, str]:
        """Of two descriptions of the same version the one that is greater here holds."""
        return self.stamp, self.language or ""


@dataclass(frozen=True, slots=True)
class JobAttributes:
    """What is said of a job for all versions of it; None where nobody said anything."""

    kind: str = "pipeline"
    description: str | None = None
    reference: str | None = None
    """Where the code is, of versions that do not say so themselves."""
    reference_type: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    owner: str | None = None
    previous_name: str | None = None
    """What the job was called before, if it has another name now."""


ReadJob = Callable[[Mapping[str, Any]], JobAttributes]
"""Reads what was said of a job, by name: the registry keeps it whole, and leaves to the receiver what it means."""


def nothing_said(_facets: Mapping[str, object]) -> JobAttributes:
    """Read nothing: for facts of runs whose jobs nobody describes."""
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
    """What was said of a dataset by itself, without a run; `event` is the hash of the event that said it."""

    event: str
    dataset: DatasetFacts


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One execution as all its events together tell it."""

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
    """The process that tells of it."""
    parent: RunReference | None = None
    root: RunReference | None = None
    dependencies: tuple[RunDependencyFacts, ...] = field(default=())
    datasets: tuple[DatasetFacts, ...] = field(default=())
    first_at: datetime | None = None
    """When anything was first heard of it."""
    job_facets: Mapping[tuple[str, str], Facets] = field(default_factory=dict)
    """What its events say of the jobs with these namespaces and keys."""
    versions: tuple[tuple[TransformFacts, datetime], ...] = ()
    """The versions of code that its events name, each with the first time; that of `transform` is among them."""
    labels: tuple[tuple[str, str], ...] = ()
    """Key and value of each tag."""
    features: Mapping[str, object] = field(default_factory=dict)
    """Values by the names of features."""
    environment: EnvironmentFacts | None = None
    """What was installed where it ran; None where nobody said anything."""
    schemas: frozenset[Fields] = frozenset()
    """All columns that its events name, also those that a later one replaced."""
    jobs: frozenset[str] = frozenset()
    """Every job that its events say it to be of, as `namespace/name`: some producers rename it on the run."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Pairs of paths that are names of one dataset."""
