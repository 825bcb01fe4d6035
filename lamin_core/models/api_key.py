"""API keys of the server."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.tables import Base, Identity, now


class ApiKey(Base):
    """An API key, stored as its SHA-256 only. A revoked key stays in the table, so that its use can be explained."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]
