"""What is known of a run, whoever says it: plain values, no database in sight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lamin_core.types import Direction, RunStatus


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


@dataclass(frozen=True, slots=True)
class RunLink:
    """Another run, by its OpenLineage run id and the job it is of; `role` says why, where it is a dependency."""

    run_id: str
    namespace: str
    key: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A dataset on one side of a run; without `hash` its content is unknown. `path` is absolute, or a URL."""

    direction: Direction
    path: str
    at: datetime
    hash: str | None = None
    hash_type: str | None = None
    size: int | None = None
    n_files: int | None = None
    role: str | None = None
    facets: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One execution as all its events together tell it."""

    run_id: str
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
    parent: RunLink | None = None
    root: RunLink | None = None
    dependencies: tuple[RunLink, ...] = field(default=())
    datasets: tuple[DatasetFacts, ...] = field(default=())
