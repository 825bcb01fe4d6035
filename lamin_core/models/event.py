"""The raw log: every OpenLineage event as it was received."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.tables import Base, Identity


class Event(Base):
    """One event, known by the hash of its canonical JSON: the same event twice is one row."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_run_id", "run_id", "id"),
        Index(
            "ix_event_time",
            "event_time",
            "id",
            sqlite_where=text("kind <> 'quarantined'"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`run`, `job`, `dataset`, or `quarantined` for JSON that could not be placed."""
    run_id: Mapped[str | None] = mapped_column(String(128))
    event_type: Mapped[str | None] = mapped_column(String(16))
    event_time: Mapped[datetime | None]
    received_at: Mapped[datetime]
    reason: Mapped[str | None]
    body: Mapped[str] = mapped_column(Text)


class EventBacklog(Base):
    """An event of the log that has no part in the registry yet: it came when there was no time for that."""

    __tablename__ = "event_waiting"

    event_id: Mapped[int] = mapped_column(
        Identity, ForeignKey("event.id", ondelete="CASCADE"), primary_key=True
    )
