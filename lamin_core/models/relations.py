"""How records point at each other: `One` follows a foreign key, `Many` a table between or the key on the other side.

Records are plain values, not tied to a session: a relation is looked up when it is asked for, in the current
instance. The same descriptors tell the query compiler how to join.
"""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, overload

from sqlalchemy import ColumnElement, Table, exists, or_

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Base
from lamin_core.runtime import current

Target = TypeVar("Target")


_models: dict[str, type[Any]] = {}


def model(name: str) -> type[Any]:
    """The mapped class with this name."""
    if name not in _models:
        _models.update((mapper.class_.__name__, mapper.class_) for mapper in Base.registry.mappers)
    return _models[name]


class One(Generic[Target]):
    """The record that a foreign key of this one names, or None."""

    def __init__(self, target: str, column: str) -> None:
        self.target_name = target
        self.column = column

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def target(self) -> type[Target]:
        """The registry at the other end."""
        return model(self.target_name)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Any, owner: type) -> Target | None: ...

    def __get__(self, record: Any, owner: type) -> Self | Target | None:
        if record is None:
            return self
        identity = getattr(record, self.column)
        if identity is None:
            return None
        related: Any = record.__dict__.get(f"_{self.name}")
        if related is None or related.id != identity:
            related = current.current_instance().by_id(self.target, identity)
            record.__dict__[f"_{self.name}"] = related
        target: Target = related
        return target

    def __set__(self, record: Any, value: Target | None) -> None:
        if value is not None and not isinstance(value, self.target):
            raise InvalidArgument(f"not a record of {self.target_name}: {value!r}", hint=f"{self.target_name}.get(...)")
        if value is not None and value.id is None:  # type: ignore[attr-defined]
            raise InvalidArgument(f"{value!r} is not saved", hint="call .save() first")
        record.__dict__[f"_{self.name}"] = value
        identity = None if value is None else value.id  # type: ignore[attr-defined]
        setattr(record, self.column, identity)


class Many(Generic[Target]):
    """The records of another registry tied to this one.

    Either through a table between (`link`, `own`, `other`), narrowed by `only` (column and value), or, without
    `link`, those whose column `own` names this record. Fixed are those that the record is known by.
    """

    def __init__(
        self,
        target: str,
        *,
        own: str,
        link: str | None = None,
        other: str = "",
        only: dict[str, str] | None = None,
        is_fixed: bool = False,
    ) -> None:
        self.target_name = target
        self.link_name = link
        self.own = own
        self.other = other
        self.only = only or {}
        self.is_fixed = is_fixed

    @property
    def target(self) -> type[Target]:
        """The registry at the other end."""
        return model(self.target_name)

    @property
    def link(self) -> type[Any] | None:
        """The table between, if there is one."""
        return None if self.link_name is None else model(self.link_name)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Any, owner: type) -> Any: ...

    def __get__(self, record: Any, owner: type) -> Any:
        return self if record is None else current.current_instance().related(record, self)


_relations: dict[Any, dict[str, One[Any] | Many[Any]]] = {}


def relations_of(registry: type[Any]) -> dict[str, One[Any] | Many[Any]]:
    """The relations of a registry, by name."""
    if registry not in _relations:
        _relations[registry] = {
            name: value
            for base in reversed(registry.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, One | Many)
        }
    return _relations[registry]


def annotations_of(registry: type[Any]) -> dict[str, Many[Any]]:
    """The relations to labels that may be values of features, by name."""
    return {
        name: relation
        for name, relation in relations_of(registry).items()
        if isinstance(relation, Many)
        and hasattr(relation.link, "feature_id")
        and "feature_id" not in (relation.own, relation.other)
    }


def annotation_of(registry: type[Any], target: type[Any]) -> Many[Any] | None:
    """The relation by which records of the target label records of the registry."""
    return next((relation for relation in annotations_of(registry).values() if relation.target is target), None)


def table_of(record: type[Any]) -> Table:
    """The table that a class is mapped to."""
    table: Table = record.__table__
    return table


def is_named(kind: type[Base], *, but: type[Base] | None = None) -> ColumnElement[bool]:
    """Whether any row points to one of this kind; those of one kind of row left out that does not count."""
    target = kind.__table__
    tables = [table for table in Base.metadata.tables.values() if but is None or table is not but.__table__]
    pointing = [column for table in tables for column in _pointers(table, target)]
    return or_(*(exists().where(column == target.c.id) for column in pointing))


def _pointers(table: Table, target: Any) -> list[ColumnElement[Any]]:
    """The columns of a table that name rows of the other; of the table itself under another name."""
    named = [key.parent.name for key in table.foreign_keys if key.column.table is target]
    source = table.alias() if table is target else table
    return [source.c[name] for name in named]
