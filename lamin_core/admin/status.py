"""What a project looks like now, in the manner of `git status`.

What runs, what failed, which results are outdated, what changed on disk since it was recorded, and
which events wait.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from lamin_core.admin.recorded_files import RecordedFile, recorded_files
from lamin_core.enums import RunStatus
from lamin_core.errors import Conflict, Unavailable
from lamin_core.instance.instance import Instance
from lamin_core.lineage.outdated import outdated
from lamin_core.models import Artifact, Run, Transform
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.runtime.paths import spool_folder
from lamin_core.runtime.set_aside import aside_files
from lamin_core.storage.hashing import FILE, FOLDER

_ENDED_BADLY = (RunStatus.FAILED, RunStatus.ABORTED, RunStatus.LOST)
_FAILURES = 1_000
"""Failed runs that are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class RunState:
    """A run that has not ended, or one that ended badly."""

    uid: str
    transform: str
    engine: str
    status: str
    started_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ChangedInput:
    """An input that makes a result outdated; `newest` is the uid of its newest version, None where it is outdated."""

    key: str
    newest: str | None


@dataclass(frozen=True, slots=True)
class OutdatedResult:
    """A result, and the inputs that have changed since it was made."""

    uid: str
    key: str
    causes: tuple[ChangedInput, ...]


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A registered file that differs from its record: `changed` or `gone`."""

    uid: str
    key: str
    path: str
    change: str


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a project."""

    running: Sequence[RunState]
    failed: Sequence[RunState]
    outdated: Sequence[OutdatedResult]
    changed: Sequence[ChangedFile]
    waiting_files: int
    refused_events: int

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to do."""
        waiting = self.waiting_files or self.refused_events
        return not (self.running or self.failed or self.outdated or self.changed or waiting)


def status(instance: Instance) -> Status:
    """Look at the project: five statements, and a `stat` of each file that was registered in place.

    A file whose times are later than its record is read once more, to compare its digest.
    """
    with instance.db.reading() as session:
        running, failed = _running(session), _failed(session)
        results = _outdated_results(session)
        recorded = recorded_files(session, removed=False)
    spool = spool_folder()
    waiting = sorted(spool.glob("*.ndjson*")) if spool.is_dir() else []
    return Status(
        running,
        failed,
        results,
        list(_changes(instance, recorded)),
        len(waiting),
        sum(file.events for file in aside_files(spool)),
    )


def _running(session: Session) -> list[RunState]:
    is_open = Run.status == RunStatus.RUNNING
    query = _run_states().where(is_open).order_by(Run.started_at, Run.id)
    return [RunState(*row) for row in session.execute(query)]


def _failed(session: Session) -> list[RunState]:
    """Runs that ended badly, each the last of its code, and the steps of them that did."""
    later, later_code = aliased(Run), aliased(Transform)
    is_followed = (
        select(later.id)
        .join(later_code, later.transform_id == later_code.id)
        .where(
            later_code.key == Transform.key,
            later_code.namespace == Transform.namespace,
            or_(
                later.created_at > Run.created_at,
                (later.created_at == Run.created_at) & (later.id > Run.id),
            ),
        )
    )
    badly = Run.status.in_(_ENDED_BADLY)
    newest = select(func.max(Run.id) - _FAILURES * 100).scalar_subquery()
    query = (
        _run_states()
        .where(badly, Run.parent_id.is_(None), Run.id > newest, ~exists(is_followed))
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(_FAILURES)
    )
    return [RunState(*row) for row in session.execute(query)]


def _run_states() -> Any:
    return select(
        Run.uid,
        Transform.key,
        Run.engine,
        Run.status,
        Run.started_at,
        func.substr(Run.error, 1, 500),
    ).join(Transform, Run.transform_id == Transform.id)


def _outdated_results(session: Session) -> list[OutdatedResult]:
    causes = outdated(session)
    named = {cause.source for reasons in causes.values() for cause in reasons}
    named |= {cause.newest for reasons in causes.values() for cause in reasons if cause.newest}
    names = _names(session, {*named, *causes})
    results = []
    for artifact, reasons in causes.items():
        uid, key = names[artifact]
        because = {
            names[cause.source][1]: names[cause.newest][0] if cause.newest else None
            for cause in reasons
        }
        results.append(
            OutdatedResult(uid, key, tuple(map(ChangedInput, because, because.values())))
        )
    return sorted(results, key=lambda result: result.key)


def _names(session: Session, artifacts: set[int]) -> dict[int, tuple[str, str]]:
    """Uid and key of each."""
    numbers = sorted(artifacts)
    names = {}
    for begin in range(0, len(numbers), _FAILURES):
        chosen = Artifact.id.in_(numbers[begin : begin + _FAILURES])
        query = select(Artifact.id, Artifact.uid, Artifact.key).where(chosen)
        names.update({row[0]: (row[1], row[2] or row[1]) for row in session.execute(query)})
    return names


def _changes(instance: Instance, recorded: Sequence[RecordedFile]) -> Iterator[ChangedFile]:
    for artifact in recorded:
        try:
            path = artifact.path
        except Conflict:  # `lamin fsck` reports it
            continue
        change = _change(instance, artifact, path)
        if change:
            yield ChangedFile(artifact.uid, artifact.key, path, change)


def _change(instance: Instance, artifact: RecordedFile, path: str) -> str:
    """`gone`, `changed`, or nothing."""
    expected = artifact.content
    try:
        is_other_size = expected.n_files is None and os.stat(path).st_size != expected.size
        if expected.hash_type not in (FILE, FOLDER):
            return "changed" if is_other_size and expected.size != UNKNOWN_SIZE else ""
        if is_other_size:
            return "changed"
        return (
            "" if instance.contents.holds(Path(path), expected, artifact.created_at) else "changed"
        )
    except OSError:
        return "" if os.path.lexists(path) else "gone"
    except Unavailable:  # it may not be read, or is being written
        return "changed" if os.path.lexists(path) else "gone"
