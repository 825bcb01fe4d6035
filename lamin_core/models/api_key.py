"""API keys of the server."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.base import Base, Identity, now


class ApiKey(Base):
    """A key that was given to somebody, by its SHA-256 alone; one that was revoked stays, so that it is known."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]
