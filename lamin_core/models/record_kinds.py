"""Bases of registries whose records have a name, a trash, or versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from sqlalchemy import Select, select
from sqlalchemy.orm import Mapped, mapped_column, validates

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry
from lamin_core.models.checks import is_storable
from lamin_core.models.queryset import QuerySet
from lamin_core.runtime import current
from lamin_core.uids import VERSION_LENGTH

_LONGEST_NAME = 2_600
"""Bytes: what an index of PostgreSQL takes."""


class Named:
    """Base class of the registries whose records have a name."""

    @validates("name")
    def _check_name(self, _field: str, name: object) -> str:
        return self.checked(name)

    @staticmethod
    def checked(name: object) -> str:
        """Return the name if it is valid: text that is not blank. Raises `InvalidArgument`."""
        if not isinstance(name, str) or not name.strip() or not is_storable(name):
            raise InvalidArgument(f"not a name: {name!a}", hint="a name is text, and not blank")
        if len(name.encode()) > _LONGEST_NAME:
            raise InvalidArgument(
                f"{name[:40]!r}... is too long", hint=f"a name has at most {_LONGEST_NAME:,} bytes"
            )
        return str.__str__(name)


class Trashable(Registry):
    """Base class of the registries with a trash."""

    __abstract__ = True
    _has_trash = True
    deleted_at: Mapped[datetime | None] = mapped_column(info={"long": True})
    """The time when it was moved to the trash, or None. Queries do not return records in the trash."""

    def delete(self, permanent: bool | None = None) -> None:
        """Move the record to the trash; if it is there already, delete it permanently.

        Args:
            permanent: With True, delete it permanently at once.

        Raises:
            Conflict: It is to be deleted permanently, and it is in use; the message names the use.
        """
        if permanent or (permanent is None and self.deleted_at is not None):
            current.current_instance().delete(self)
        else:
            current.current_instance().trash(self)

    def restore(self) -> Self:
        """Restore the record from the trash. Saving a record with the same name also restores it."""
        current.current_instance().restore(self)
        return self

    @classmethod
    def trash(cls) -> QuerySet[Self]:
        """Return the records in the trash; other queries do not return them."""
        records: QuerySet[Self] = current.current_instance().query(
            cls, select(cls).where(cls.deleted_at.is_not(None))
        )
        return records

    @classmethod
    def _listed(cls) -> Select[Any]:
        return select(cls).where(cls.deleted_at.is_(None))


class Versioned:
    """Base class of the registries with versions: the parts of the uid."""

    uid: Mapped[str]
    _stem_length: ClassVar[int]

    @classmethod
    def _series_column(cls) -> object:
        """Return the column that all versions share."""
        return getattr(cls, "series_id", None) or getattr(cls, cls._name_field)  # type: ignore[attr-defined]

    @property
    def version(self) -> str:
        """The last four characters of the uid."""
        return self.uid[-VERSION_LENGTH:]

    @property
    def stem_uid(self) -> str:
        """The part of the uid that all versions share."""
        return self.uid[: self._stem_length]
