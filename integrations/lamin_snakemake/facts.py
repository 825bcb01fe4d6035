"""What is read off a running workflow, as plain frozen values that outlive the live objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lamin_core.enums import DependencyRole, Direction
from lamin_core.runtime.process import Process
from lamin_core.storage.hashing import Digest
from openlineage.lamin.adapter.git_source import GitSource
from openlineage.lamin.emit.events import Dataset, Run

CodeKind = Literal[
    "shell", "run", "script", "notebook", "wrapper", "cwl", "template_engine", "none"
]


@dataclass(frozen=True, slots=True)
class Stamp:
    """The state of a file at one time; two equal stamps of one path mean the same content."""

    device: int
    inode: int
    size: int
    modified: int
    is_folder: bool


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder that a job reads or writes, as it stood when the job was at that point.

    `url` is its name where it lives in a storage; `descriptor` is open on a file that is about to
    be removed; `digest` is its content where that had to be read on the spot. `flags` are those of
    Snakemake that say more than the role: `protected`, `ensure`, `touch`.
    """

    path: str
    url: str | None = None
    stamp: Stamp | None = None
    role: str | None = None
    flags: tuple[str, ...] = ()
    descriptor: int | None = None
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """What a rule does: the `text` of its directive, or the file (`path`, or a URL) that holds it."""

    kind: CodeKind
    text: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as its author wrote it."""

    name: str
    snakefile: str
    code: Code
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """A job that this one waits for with no file between them."""

    jobid: int
    rule: str
    role: DependencyRole


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is about to run, or runs."""

    jobid: int
    rule: Rule
    wildcards: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[File, ...] = ()
    outputs: tuple[File, ...] = ()
    needs: tuple[Need, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[File, ...] = ()
    """Its log files: there when it ends."""
    benchmark: str | None = None
    """Path of the table of what it took."""
    schemas: Mapping[str, str] = field(default_factory=dict)
    """Name or uid of the schema that an output should fit, by its path; by its name, if there is no such output."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """One invocation of Snakemake."""

    id: str
    version: str
    snakefile: str
    sources: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    process: Process | None = None
    git: GitSource = field(default_factory=GitSource)
    title: str | None = None
    """What its user calls it, if anything."""


@dataclass(frozen=True, slots=True)
class WorkflowStarted:
    """Snakemake begins; before it knows what there is to do."""

    at: float
    workflow: Workflow


@dataclass(frozen=True, slots=True)
class JobsStarted:
    """The scheduler has chosen these jobs. `before` are the files that each will change in place."""

    at: float
    before: Mapping[int, tuple[File, ...]]


@dataclass(frozen=True, slots=True)
class JobDescribed:
    """Everything is known of a job that has started."""

    at: float
    job: Job


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """A cluster has taken the job."""

    at: float
    jobid: int
    external_jobid: str


@dataclass(frozen=True, slots=True)
class JobRestored:
    """A job did not run: its outputs were taken from Snakemake's cache between workflows."""

    at: float
    jobid: int


@dataclass(frozen=True, slots=True)
class JobFinished:
    """A job is done, its outputs are in place. None: nothing could be learned of them."""

    at: float
    jobid: int
    outputs: tuple[File, ...] | None


@dataclass(frozen=True, slots=True)
class JobFailed:
    """An attempt failed. `by_hand` is None if it is unknown whether a person stopped it."""

    at: float
    jobid: int
    cause: str
    exit_status: int | None = None
    log_tail: str = ""
    trace: str | None = None
    by_hand: bool | None = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """A person, or the machine, asked Snakemake to stop."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """All targets are up to date."""

    at: float


@dataclass(frozen=True, slots=True)
class WorkflowFailed:
    """Snakemake gives up, with this message."""

    at: float
    message: str


@dataclass(frozen=True, slots=True)
class Hashed:
    """The content of files that a run has read or written, sent after the event of the run."""

    at: float
    run: Run
    direction: Direction
    datasets: tuple[Dataset, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether tables that a run has written fit their schemas, as facets of them."""

    at: float
    run: Run
    datasets: tuple[Dataset, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """Snakemake is done with logging: nothing follows."""

    at: float


Fact = (
    WorkflowStarted
    | JobsStarted
    | JobDescribed
    | JobSubmitted
    | JobRestored
    | JobFinished
    | JobFailed
    | Stopped
    | NothingToDo
    | WorkflowFailed
    | Hashed
    | Checked
    | Closed
)
