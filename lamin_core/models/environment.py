"""The packages that were installed when a run started."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.base import Registry


class Environment(Registry):
    """Python, platform and packages, stored once for each different set."""

    __tablename__ = "environment"
    _initial = ("hash", "python", "platform", "packages", "conda", "locks")
    _name_field = "python"
    _search_fields = ("python", "platform")

    hash: Mapped[str] = mapped_column(String(64), unique=True)
    python: Mapped[str]
    platform: Mapped[str]
    packages: Mapped[dict[str, Any]]
    """Version by name; of what no index gave, also where it came from."""
    conda: Mapped[dict[str, Any] | None]
    """Version and build by name, of what conda installed."""
    locks: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), info={"long": True}
    )
    """The lock files of the project, by name."""
