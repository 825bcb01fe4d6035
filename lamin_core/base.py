"""The public names for registry modules: the base of their registries, column types and relations.

A module is a Python package with registries that are classes of SQLAlchemy on `ModuleRegistry`;
`example_pipelines/wetlab` is a complete one, and the page on registry modules explains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.base import Registry
from lamin_core.models.record_kinds import Named, Trashable
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.tables import Base, Key, UTC_DateTime
from lamin_core.models.terms import Hierarchical, Synonymous
from lamin_core.models.ties import label_artifacts

if TYPE_CHECKING:
    from lamin_core.models.user import User

__all__ = [
    "Base",
    "Hierarchical",
    "Key",
    "ModuleRegistry",
    "Registry",
    "Synonymous",
    "ToMany",
    "ToOne",
    "UTC_DateTime",
    "label_artifacts",
]
_OWN = frozenset({"id", "uid", "created_at", "created_by_id", "deleted_at"})
"""The columns that the registry sets."""


class ModuleRegistry(Named, Trashable):
    """A registry of a module: records with a name, a description, who made them, and a trash.

    A subclass names its table, which begins with the name of the package, and declares its
    columns; records are made with any of them: `Biosample(name="S1", batch="b1")`. Records with
    the same name are one, unless `_known_by` names other columns.
    """

    __abstract__ = True
    _name_field = "name"
    _search_fields: ClassVar[tuple[str, ...]] = ("name", "description")
    _known_by: ClassVar[tuple[str, ...]] = ("name",)

    name: Mapped[str] = mapped_column(Key, index=True)
    description: Mapped[str | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    created_by: ClassVar[ToOne[User | None]] = ToOne("User", "created_by_id")

    def __init_subclass__(cls, **options: object) -> None:
        """Let all columns of the subclass be set by people, those that it is known by in one record at a time."""
        super().__init_subclass__(**options)
        if "__mapper__" not in cls.__dict__:
            return
        columns = [name for name in cls.__mapper__.column_attrs.keys() if name not in _OWN]  # noqa: SIM118
        alone = {*cls._known_by, *(name for name in columns if name.endswith("_id"))}
        cls._editable = tuple(name for name in columns if name not in alone)
        cls._editable_alone = tuple(name for name in columns if name in alone)


def __dir__() -> list[str]:
    return list(__all__)
