"""Versions and runs that were deleted permanently: uids are not reused, and no rebuild makes them again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, String, exists, func, insert, literal, null, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lamin_core.models.storage import Content
from lamin_core.models.tables import Base, Identity, Uid, UTC_DateTime, now
from lamin_core.uids import VERSION_LENGTH, version_number


class DeletedVersion(Base):
    """A permanently deleted version of an artifact, transform or collection.

    The row stays, so that the number is not given to the next version: a paper or a notebook that
    cites the uid must not find other bytes behind it. It names its series by the stem, since the
    series may be deleted and made again.
    """

    __tablename__ = "deleted_version"
    __table_args__ = (Index("ix_deleted_version_stem", "stem", "number"),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    """The name of the registry: `Artifact`, `Transform`, `Collection`."""
    stem: Mapped[str] = mapped_column(Uid)
    """The part of the uid that all versions share."""
    number: Mapped[int]
    hash: Mapped[str | None] = mapped_column(String(128))
    """The digest of the bytes of an artifact: a rebuild does not make this version again from its events."""
    made_at: Mapped[datetime | None]
    """The creation time of the version; with the digest, it identifies the deleted one of several with equal bytes."""
    deleted_at: Mapped[datetime]


class DeletedRun(Base):
    """A deleted run: its events stay in the log, and do not create the run again."""

    __tablename__ = "deleted_run"

    external_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    deleted_at: Mapped[datetime]


def remember(session: Session, registry: type[Any], condition: ColumnElement[bool]) -> None:
    """Record these versions before they are permanently deleted."""
    versions = select(
        literal(registry.__name__),
        func.substr(registry.uid, 1, registry._stem_length),
        registry.number,
        _content_hash(registry),
        registry.created_at,
        literal(now(), UTC_DateTime()),
    ).where(condition)
    names = ["kind", "stem", "number", "hash", "made_at", "deleted_at"]
    session.connection().execute(insert(DeletedVersion).from_select(names, versions))


def _content_hash(registry: type[Any]) -> Any:
    if not hasattr(registry, "content_id"):
        return null()
    digest = select(Content.hash).where(Content.id == registry.content_id)
    return digest.correlate(registry).scalar_subquery()


def remember_runs(session: Session, registry: type[Any], condition: ColumnElement[bool]) -> None:
    """Remember these runs, which are about to be deleted."""
    runs = select(registry.external_id, literal(now(), UTC_DateTime())).where(condition)
    recorded = exists().where(DeletedRun.external_id == registry.external_id)
    names = ["external_id", "deleted_at"]
    session.connection().execute(insert(DeletedRun).from_select(names, runs.where(~recorded)))


def is_remembered(stem: object) -> ColumnElement[bool]:
    """Whether a series with this stem has deleted versions: it stays, so that it goes on counting."""
    return exists().where(DeletedVersion.stem == stem)


def deleted_at(session: Session, registry: type[Any], uid: str) -> datetime | None:
    """The time at which the version with this complete uid was permanently deleted; None if it was not."""
    if len(uid) != registry._stem_length + VERSION_LENGTH or not uid.isascii() or not uid.isalnum():
        return None
    stem, suffix = uid[:-VERSION_LENGTH], uid[-VERSION_LENGTH:]
    query = select(func.max(DeletedVersion.deleted_at)).where(
        DeletedVersion.kind == registry.__name__,
        DeletedVersion.stem == stem,
        DeletedVersion.number == version_number(suffix),
    )
    return session.scalar(query)
