"""Find the artifact or run that a name means."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from lamin_core.errors import MultipleFound, NotFound
from lamin_core.models import Artifact, Run, Transform


def find(session: Session, name: str, as_of: datetime | None = None) -> Artifact | Run:
    """The artifact or run with this uid (or its first characters), or the artifact with this key or path.

    Of several versions the latest, or the latest there was at a moment. Raises `NotFound`, and
    `MultipleFound` when several keys answer.
    """
    record = (
        _by_uid(session, name, as_of)
        or _by_key(session, name, as_of)
        or _by_external_id(session, name)
    )
    if record is not None:
        return record
    if as_of is not None and find(session, name):
        raise NotFound(
            f"there was no {name!r} at {as_of.isoformat(timespec='seconds')}",
            hint="ask for a later time",
        )
    raise NotFound(f"no artifact or run is called {name!r}", hint=_hint(session, name))


def find_run(session: Session, name: str) -> Run:
    """The run with this uid (or its first characters) or OpenLineage run id, or the newest run of what has this key.

    Raises `NotFound`, and `MultipleFound` when several answer.
    """
    match = (
        _only(_runs_by_uid(session, name), name)
        or _by_external_id(session, name)
        or _newest_of(session, name)
    )
    if match is None:
        raise NotFound(f"no run is called {name!r}", hint="`lamin runs` lists them")
    run: Run = match
    return run


def _runs_by_uid(session: Session, name: str) -> list[Run]:
    if not _may_be_uid(name, 16):
        return []
    return list(session.scalars(select(Run).where(_begins(Run.uid, name))))


def _by_uid(session: Session, name: str, as_of: datetime | None) -> Artifact | Run | None:
    if not _may_be_uid(name, 20):
        return None
    begins = _begins(Artifact.uid, name)
    artifacts = list(session.scalars(select(Artifact).where(begins))) if len(name) > 16 else None
    if artifacts is None:
        artifacts = _latest(session, begins, as_of)
    record: Artifact | Run | None = _only([*artifacts, *_runs_by_uid(session, name)], name)
    return record


def _may_be_uid(name: str, length: int) -> bool:
    return 8 <= len(name) <= length and name.isascii() and name.isalnum()


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return and_(column >= prefix, column < after)


def _by_external_id(session: Session, name: str) -> Run | None:
    return session.scalar(select(Run).where(Run.external_id == name))


def _newest_of(session: Session, key: str) -> Run | None:
    of_key = (
        select(Run).join(Transform, Run.transform_id == Transform.id).where(Transform.key == key)
    )
    return session.scalar(of_key.order_by(Run.created_at.desc(), Run.id.desc()).limit(1))


def _by_key(session: Session, name: str, as_of: datetime | None) -> Artifact | None:
    key, path = name.removeprefix("./"), os.path.abspath(name)
    artifacts = _latest(session, or_(Artifact.key == key, Artifact.key == path.lstrip("/")), as_of)
    if not artifacts:
        artifacts = [
            artifact
            for artifact in _ending_in(session, key, as_of)
            if path.endswith("/" + (artifact.key or ""))
        ]
    only: Artifact | None = _only(artifacts, name)
    return only


def _ending_in(session: Session, key: str, as_of: datetime | None) -> list[Artifact]:
    """Artifacts whose key ends in the last part of this path, for paths given from another folder."""
    tail = key.rstrip("/").rsplit("/", 1)[-1]
    ends = func.substr(Artifact.key, func.length(Artifact.key) - len(tail) + 1) == tail
    return _latest(session, ends, as_of)


def _latest(
    session: Session, condition: ColumnElement[bool], as_of: datetime | None
) -> list[Artifact]:
    """Of each series the latest version, now or at a moment."""
    if as_of is None:
        return list(session.scalars(select(Artifact).where(condition, Artifact.is_latest)))
    not_deleted = or_(Artifact.deleted_at.is_(None), Artifact.deleted_at > as_of)
    query = (
        select(Artifact)
        .where(condition, not_deleted, Artifact.created_at <= as_of)
        .order_by(Artifact.number)
    )
    return list({artifact.series_id: artifact for artifact in session.scalars(query)}.values())


def _only(records: Iterable[Any], name: str) -> Any:
    answers = list(records)
    if len(answers) > 1:
        listed = ", ".join(
            f"{record.uid} ({getattr(record, 'key', None) or record.name})"
            for record in answers[:5]
        )
        raise MultipleFound(
            f"{name!r} names {len(answers)} records: {listed}", hint="name one by its uid"
        )
    return answers[0] if answers else None


def _hint(session: Session, name: str) -> str:
    keys = [key for key in session.scalars(select(Artifact.key).distinct().limit(5000)) if key]
    ends = {key.rsplit("/", 1)[-1]: key for key in keys}
    near = difflib.get_close_matches(name, keys, n=3) or [
        ends[end] for end in difflib.get_close_matches(name.rsplit("/", 1)[-1], list(ends), n=3)
    ]
    return f"nearest: {', '.join(near)}" if near else "`lamin artifacts` lists what is there"
