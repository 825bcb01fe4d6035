"""The facts of a finished run from any kind of records: a lineage store, a trace, a log, an RO-Crate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lamin_core.uids import derived_run_id

ENGINE = "nextflow"
End = Literal["completed", "failed", "aborted", "lost"]
WORKFLOW_DETAILS = {
    "commandLine": "command_line",
    "profile": "profile",
    "revision": "revision",
    "containerEngine": "container_engine",
    "launchDir": "launch_dir",
    "workDir": "work_dir",
    "projectDir": "project_dir",
    "resume": "resume",
    "stubRun": "stub_run",
}
"""The names of a workflow's metadata in Nextflow, and in the details of a run."""


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A file that a record names.

    `size` (bytes) and `modified` are what the record says of it, `by` is the time by which it was
    written: a file that stands otherwise now is another one, and is not read. `copies` are where
    publishing has moved it.
    """

    path: str
    size: int | None = None
    modified: datetime | None = None
    by: datetime | None = None
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """The code of a pipeline: what names it, its text, and that of each process; None is unknown."""

    name: str
    previous_name: str | None = None
    source: str | None = None
    repository: str | None = None
    commit: str | None = None
    processes: Mapping[str, str] = field(default_factory=dict)
    """The script of each process, by its own name."""


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """One attempt of a task. `hash` has its 32 digits, or those that a trace shows where the rest cannot be found."""

    hash: str
    name: str
    status: End
    submitted: datetime
    completed: datetime
    attempt: int = 1
    cached: bool = False
    exit_code: int | None = None
    stderr: tuple[str, ...] = ()
    """The end of its standard error, without empty lines."""
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[FinishedFile, ...] = ()
    outputs: tuple[FinishedFile, ...] = ()
    published: tuple[FinishedFile, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    """Files in a record that do not exist on disk."""

    @property
    def process(self) -> str:
        """The process, with its sub-workflows, as task names begin with.

        >>> now = datetime(2026, 1, 1)
        >>> FinishedTask("ab", "QC:COUNT (s1)", "completed", now, now).process
        'QC:COUNT'
        """
        return process_of(self.name)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One invocation of a pipeline, with its tasks."""

    session_id: str
    name: str
    script: Script
    status: End
    started: datetime
    ended: datetime
    engine_version: str = "unknown"
    error: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[FinishedTask, ...] = ()
    published: tuple[FinishedFile, ...] = ()
    """Files that the pipeline itself wrote: index files of its outputs."""
    gaps: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The run id, the one that the observer gives."""
        return derived_run_id(ENGINE, self.session_id, self.name)


def process_of(task_name: str) -> str:
    """Return the process that a task of this name is of.

    >>> process_of("QC:COUNT (s (1))"), process_of("SPLIT")
    ('QC:COUNT', 'SPLIT')
    """
    return task_name.partition(" (")[0]
