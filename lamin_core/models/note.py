"""Notes that people write on records."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, String, and_, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lamin_core.models.base import Registry
from lamin_core.models.tables import Base, Uid, now


class Note(Base):
    """A note about a record, in Markdown; at most one for each record.

    A record is named by its table and its uid, since any kind of record may have one.
    """

    __tablename__ = "note"

    table_name: Mapped[str] = mapped_column(String(32), primary_key=True)
    record_uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    text: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    updated_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


def note_of(registry: type[Registry]) -> ColumnElement[bool]:
    """Return the condition that joins records of a registry with their notes."""
    return and_(Note.table_name == registry.__tablename__, Note.record_uid == registry.uid)


def remove_notes(session: Session, registry: type[Registry], which: ColumnElement[bool]) -> None:
    """Remove the notes on these records before they are permanently deleted."""
    of_these = Note.record_uid.in_(select(registry.uid).where(which))
    statement = delete(Note).where(Note.table_name == registry.__tablename__, of_these)
    session.connection().execute(statement)
