"""The relations of records: `ToOne` follows a foreign key, `ToMany` a link table or the key of the other side.

Records are plain values, not tied to a session: a relation is looked up when it is asked for, in
the current instance. The same descriptors tell the query compiler how to join.
"""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, cast, overload

from sqlalchemy import ColumnElement, Table, exists, or_

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry
from lamin_core.models.module_tables import core_tables
from lamin_core.models.queryset import RelatedSet
from lamin_core.models.tables import Base
from lamin_core.runtime import current
from lamin_core.runtime.registry_modules import load_module_with, load_modules

Target = TypeVar("Target")
Member = TypeVar("Member", bound=Registry)


_models: dict[str, type[Any]] = {}


def model(name: str) -> type[Any]:
    """The mapped class with this name."""
    if name not in _models:
        load_module_with(name)
        _note_models()
    if name not in _models and load_modules():
        _note_models()
    return _models[name]


def _note_models() -> None:
    for mapper in Base.registry.mappers:
        _models[mapper.class_.__name__] = mapper.class_


class ToOne(Generic[Target]):
    """The record that a foreign key of this one names.

    The type parameter is what a record has there: `ToOne[Transform]` where the key is required,
    else `ToOne[Run | None]`. Named neither `ForeignKey` nor `ManyToMany`: those are what SQLAlchemy
    calls the columns that stand beside it, and `ToMany` follows the foreign keys of others as well.
    """

    def __init__(self, target: str, column: str) -> None:
        self.target_name = target
        self.column = column

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def target(self) -> type[Any]:
        """The registry at the other end."""
        return model(self.target_name)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Registry, owner: type) -> Target: ...

    def __get__(self, record: Registry | None, owner: type) -> Self | Target:
        if record is None:
            return self
        return cast(Target, self._related(record))

    def _related(self, record: Registry) -> Registry | None:
        identity = getattr(record, self.column)
        if identity is None:
            return None
        related: Registry | None = record.__dict__.get(f"_{self.name}")
        if related is None or related.id != identity:
            related = current.current_instance().by_id(self.target, identity)
            self.remember(record, related)
        return related

    def remember(self, record: Registry, related: Registry) -> None:
        """Spare looking up the related record, which is at hand."""
        record.__dict__[f"_{self.name}"] = related

    def forget(self, record: Registry) -> None:
        """Look the related record up again when it is next used: the foreign key was written by SQL."""
        record.__dict__.pop(f"_{self.name}", None)

    def __set__(self, record: Registry, value: Target) -> None:
        related = None if value is None else self._checked(value)
        record.__dict__[f"_{self.name}"] = related
        setattr(record, self.column, None if related is None else related.id)

    def _checked(self, value: object) -> Registry:
        target: type[Registry] = self.target
        if not isinstance(value, target):
            raise InvalidArgument(
                f"not a record of {self.target_name}: {value!r}",
                hint=f"{self.target_name}.get(...)",
            )
        if value.id is None:
            raise InvalidArgument(f"{value!r} is not saved", hint="call .save() first")
        return value


class ToMany(Generic[Member]):
    """The records of another registry tied to this one.

    Either through a table between (`link`, `own`, `other`), narrowed by `only` (column and value),
    or, without `link`, those whose column `own` names this record. Fixed are those that the record
    is known by.
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
    def target(self) -> type[Member]:
        """The registry at the other end."""
        return model(self.target_name)

    @property
    def link(self) -> type[Any] | None:
        """The table between, if there is one."""
        return None if self.link_name is None else model(self.link_name)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Registry, owner: type) -> RelatedSet[Member]: ...

    def __get__(self, record: Registry | None, owner: type) -> Self | RelatedSet[Member]:
        if record is None:
            return self
        related: RelatedSet[Member] = current.current_instance().related(record, self)
        return related


_relations: dict[Any, dict[str, ToOne[Any] | ToMany[Any]]] = {}


def relations_of(registry: type[Any]) -> dict[str, ToOne[Any] | ToMany[Any]]:
    """The relations of a registry, by name."""
    if registry not in _relations:
        _relations[registry] = {
            name: value
            for base in reversed(registry.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, ToOne | ToMany)
        }
    return _relations[registry]


def attach(registry: type[Registry], name: str, relation: ToMany[Any]) -> None:
    """Give a registry this relation: for modules whose registries others do not know."""
    setattr(registry, name, relation)
    _relations.clear()  # also those of its subclasses


def annotations_of(registry: type[Any]) -> dict[str, ToMany[Any]]:
    """The relations to labels that may be values of features, by name."""
    return {
        name: relation
        for name, relation in relations_of(registry).items()
        if isinstance(relation, ToMany)
        and hasattr(relation.link, "feature_id")
        and "feature_id" not in (relation.own, relation.other)
    }


def annotation_of(registry: type[Registry], target: type[Registry]) -> ToMany[Any] | None:
    """The relation by which records of the target label records of the registry."""
    return next(
        (relation for relation in annotations_of(registry).values() if relation.target is target),
        None,
    )


def is_named(kind: type[Base], *, but: type[Base] | None = None) -> ColumnElement[bool]:
    """Whether any row points to one of this kind; those of one kind of row left out that does not count."""
    load_modules()
    target = kind.__table__
    tables = [table for table in core_tables() if but is None or table is not but.__table__]
    pointing = [column for table in tables for column in _pointers(table, target)]
    return or_(*(exists().where(column == target.c.id) for column in pointing))


def _pointers(table: Table, target: object) -> list[ColumnElement[Any]]:
    """The columns of a table that name rows of the other; of the table itself under another name."""
    named = [key.parent.name for key in table.foreign_keys if key.column.table is target]
    source = table.alias() if table is target else table
    return [source.c[name] for name in named]
