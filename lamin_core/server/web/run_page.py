"""The page of a run, and the difference of two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from lamin_core.enums import RunStatus
from lamin_core.errors import NotFound
from lamin_core.lineage.diff import diff
from lamin_core.lineage.snapshot import snapshots
from lamin_core.models import (
    Artifact,
    Content,
    Environment,
    Event,
    Note,
    Run,
    RunArtifact,
    RunReport,
    Storage,
    Transform,
    User,
    now,
)
from lamin_core.models.note import note_of
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.server.web.page import Data, Page, mappings
from lamin_core.server.web.preview import Stored, checked_bytes
from lamin_core.server.web.templates import is_web_url
from lamin_core.storage.hashing import Digest

_MANY = 200
_EVENTS = 30
_BODY = 20_000
"""Letters of a raw event that a page shows."""
_LOG = 64 << 10
_WIDTH = 600.0
"""The width of the timeline, in units of its own."""
_BADLY = (RunStatus.FAILED, RunStatus.ABORTED, RunStatus.LOST)
_OPEN = (RunStatus.RUNNING, RunStatus.SCHEDULED)


def run(session: Session, *, uid: str) -> Data:
    """A run, by its uid or its OpenLineage run id: six statements."""
    row = _run_row(session, uid)
    record, environment = row.Run, row.Environment
    files = _files(session, record.id)
    steps = _steps(session, record.id)
    events = session.execute(
        select(Event.id, Event.event_type, Event.event_time, func.substr(Event.body, 1, _BODY))
        .where(Event.run_id == record.external_id, Event.kind != "quarantined")
        .order_by(Event.id)
        .limit(_EVENTS)
    )
    return {
        **{name: getattr(record, name) for name in _FACTS},
        "duration": record.duration,
        "transform": row.key,
        "transform_uid": row.transform_uid,
        "parent": row.parent_uid,
        "parent_key": row.parent_key,
        "created_by": row.handle,
        "notes": row.notes,
        "links": list(dict.fromkeys(_links(record.details or {}))),
        "environment": None if environment is None else _environment(environment),
        "inputs": [file for file in files if file["direction"] == "input"],
        "outputs": [file for file in files if file["direction"] == "output"],
        "steps": steps,
        "timeline": _timeline(_children(session, record.id)) if steps else [],
        "events": mappings(events, "id", "type", "time", "body"),
        "log": _log(session, record.id),
        "_is_final": record.status not in _OPEN and not any(step["running"] for step in steps),
    }


_FACTS = (
    *("uid", "external_id", "name", "engine", "engine_version", "status", "cached", "attempt", "started_at"),
    *("finished_at", "params", "details", "error", "entrypoint", "host", "description", "reference"),
    "created_at",
)  # fmt: skip


def _run_row(session: Session, uid: str) -> Row[Any]:
    parent, parent_code = aliased(Run), aliased(Transform)
    row = session.execute(
        select(
            Run, Environment, Transform.key, Transform.uid.label("transform_uid"),
            parent.uid.label("parent_uid"), parent_code.key.label("parent_key"), User.handle, Note.text.label("notes"),
        )
        .join(Transform, Run.transform_id == Transform.id)
        .outerjoin(Environment, Run.environment_id == Environment.id)
        .outerjoin(parent, Run.parent_id == parent.id)
        .outerjoin(parent_code, parent.transform_id == parent_code.id)
        .outerjoin(User, Run.created_by_id == User.id)
        .outerjoin(Note, note_of(Run))
        .where(or_(Run.uid == uid, Run.external_id == uid))
    ).first()  # fmt: skip
    if row is None:
        raise NotFound(f"no run has the uid {uid!r}", hint="look for it with the search")
    return row


def _links(details: Mapping[str, object]) -> Iterator[str]:
    """The pages of the engine about this run that its details name."""
    for name, value in details.items():
        if isinstance(value, Mapping) and name != "facets":  # these name schemas and producers
            yield from _links(value)
        elif isinstance(value, str) and is_web_url(value):
            yield value


def _environment(environment: Environment) -> Data:
    names = ("python", "platform", "packages", "conda")
    return {name: getattr(environment, name) for name in names}


def _files(session: Session, run_id: int) -> list[Data]:
    """The inputs and outputs of the run: one statement."""
    rows = session.execute(
        select(Artifact.uid, Artifact.key, Content.size, RunArtifact.direction, RunArtifact.role)
        .join(RunArtifact, RunArtifact.artifact_id == Artifact.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .where(RunArtifact.run_id == run_id)
        .order_by(RunArtifact.id)
        .limit(2 * _MANY)
    )
    return mappings(rows, "uid", "key", "size", "direction", "role")


def _steps(session: Session, run_id: int) -> list[Data]:
    """The runs below this one, counted by what they are runs of: one statement, however many."""
    counts = {
        "completed": Run.status == RunStatus.COMPLETED,
        "running": Run.status.in_((RunStatus.RUNNING, RunStatus.SCHEDULED)),
        "failed": Run.status.in_(_BADLY),
    }
    rows = session.execute(
        select(
            func.max(Transform.uid), Transform.key, func.count(),
            *(func.sum(case((condition, 1), else_=0)) for condition in counts.values()),
            func.min(Run.started_at), func.max(Run.finished_at), func.max(Run.uid),
        )
        .join(Transform, Run.transform_id == Transform.id)
        .where(Run.parent_id == run_id)
        .group_by(Transform.key)
        .order_by(func.min(Run.started_at))
        .limit(_MANY)
    )  # fmt: skip
    names = ("uid", "key", "count", *counts, "started_at", "finished_at", "run")
    return mappings(rows, *names)


def _children(session: Session, run_id: int) -> list[Row[Any]]:
    return list(
        session.execute(
            select(Run.uid, Run.name, Transform.key, Run.status, Run.started_at, Run.finished_at)
            .join(Transform, Run.transform_id == Transform.id)
            .where(Run.parent_id == run_id, Run.started_at.is_not(None))
            .order_by(Run.started_at)
            .limit(_MANY)
        )
    )


def _timeline(children: list[Row[Any]]) -> list[Data]:
    """The first runs below this one as bars: where they begin and how long they are, from 0 to `_WIDTH`."""
    at = now()
    spans: list[tuple[datetime, datetime]] = [
        (row.started_at, row.finished_at or at) for row in children
    ]
    if not spans:
        return []
    begin = min(start for start, _ in spans)
    whole = (max(end for _, end in spans) - begin).total_seconds() or 1.0
    bars = []
    for row, (start, end) in zip(children, spans, strict=True):
        seconds = (end - start).total_seconds()
        bars.append(
            {
                "uid": row.uid,
                "name": row.name or row.key,
                "status": row.status,
                "duration": seconds,
                "x": round(_WIDTH * (start - begin).total_seconds() / whole, 1),
                "width": round(max(2.0, _WIDTH * seconds / whole), 1),
            }
        )
    return bars


def _log(session: Session, run_id: int) -> Data | None:
    """The output of the run, or the log file of its job, if it was saved and is unchanged: one statement."""
    reports = union_all(
        select(RunReport.artifact_id).where(RunReport.run_id == run_id),
        select(RunArtifact.artifact_id).where(
            RunArtifact.run_id == run_id, RunArtifact.role == "log"
        ),
    ).subquery()
    row = session.execute(
        select(Artifact.uid, Artifact.key, Artifact.real_key, Artifact.suffix, Storage.root,
               Content.hash_type, Content.hash, Content.size, Content.n_files)
        .join(reports, reports.c.artifact_id == Artifact.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .join(Content, Artifact.content_id == Content.id)
        .limit(1)
    ).first()  # fmt: skip
    if row is None:
        return None
    content = None
    if row.size != UNKNOWN_SIZE:
        content = Digest(row.hash_type, row.hash, row.size, row.n_files)
    stored = Stored(row.root, row.key, row.real_key, row.suffix, content)
    data = checked_bytes(stored)
    if isinstance(data, str):
        return {"uid": row.uid, "text": None, "note": data}
    if row.suffix not in ("", ".txt", ".log"):
        return {"uid": row.uid, "text": None, "note": f"a {row.suffix} file"}
    return {"uid": row.uid, "text": data[-_LOG:].decode("utf-8", "replace"), "note": ""}


def difference(session: Session, *, first: str, second: str) -> Data:
    """The page with the differences of the second run from the first: six statements."""
    uids = [first, second]
    # Once for both, with their code and environment: `snapshots` finds them in the session then.
    rows = session.execute(
        select(Run, Transform, Environment)
        .join(Transform, Run.transform_id == Transform.id)
        .outerjoin(Environment, Run.environment_id == Environment.id)
        .where(or_(Run.uid.in_(uids), Run.external_id.in_(uids)))
    ).all()
    keys = {name: row.Run.id for row in rows for name in (row.Run.uid, row.Run.external_id)}
    for uid in uids:
        if uid not in keys:
            raise NotFound(f"no run has the uid {uid!r}", hint="look for it with the search")
    return asdict(diff(*snapshots(session, keys[first], keys[second])))


PAGES = (
    Page("/run/{uid}", run, "run.html", live=True),
    Page("/diff/{first}/{second}", difference, "diff.html"),
)
