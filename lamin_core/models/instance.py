"""The identity of an instance, stored in its database, and where its files have been."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.root_path import Root
from lamin_core.models.tables import Base, Identity, Key


class InstanceRow(Base):
    """The one row: the uid of the instance, and the storage that copies go into."""

    __tablename__ = "instance"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True, default=1)
    uid: Mapped[str] = mapped_column(String(12))
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"))
    folder: Mapped[str | None]
    """The path of the project when it was last opened; None for a database that several folders share."""


class Relocation(Base):
    """A folder that was moved: what events before `until` say of `old` is meant of `new`."""

    __tablename__ = "relocation"

    old: Mapped[str] = mapped_column(Key, primary_key=True)
    new: Mapped[str] = mapped_column(Root)
    until: Mapped[datetime]
