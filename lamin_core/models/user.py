"""Users."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.base import Registry


class User(Registry):
    """A person, or the account a pipeline runs under."""

    __tablename__ = "user"
    _name_field = "handle"
    _search_fields = ("handle", "name")
    _editable = ("name",)
    _initial = ("handle",)
    _instead = {"handle": "the setting `user` says who is at work: ln.settings.user = ..."}

    handle: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]
