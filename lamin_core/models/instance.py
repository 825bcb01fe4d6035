"""The identity of an instance, stored in its database."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.base import Base, Identity


class InstanceRow(Base):
    """The one row: the uid of the instance, and the storage that copies go into."""

    __tablename__ = "instance"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True, default=1)
    uid: Mapped[str] = mapped_column(String(12))
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"))
