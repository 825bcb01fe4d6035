"""The base of all registries: columns, column types, and the methods of records and registries."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, cast, overload

from sqlalchemy import (
    JSON,
    Select,
    Table,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.decl_api import DeclarativeAttributeIntercept

from lamin_core.errors import InvalidArgument, MultipleFound, NotFound, NotHere
from lamin_core.models.arguments import Arguments, arguments_of
from lamin_core.models.checks import column_value
from lamin_core.models.html import facts
from lamin_core.models.interfaces import RecordList
from lamin_core.models.lamindb_names import (
    check_options,
    checked_arguments,
    missing_attribute,
)
from lamin_core.models.names import Inspection, Lookup
from lamin_core.models.queryset import FieldName, QuerySet
from lamin_core.models.tables import (
    CORE_PACKAGE,
    Base,
    Identity,
    Uid,
    UTC_DateTime,
    now,
    package_of,
)
from lamin_core.runtime import current
from lamin_core.runtime.registry_modules import load_module_with

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from lamin_core.models.expressions import Q

V = TypeVar("V")


class RegistryType(DeclarativeAttributeIntercept):
    """The type of registries: shown at the prompt, a registry lists its fields."""

    def __repr__(cls) -> str:
        if "__mapper__" not in cls.__dict__:
            return super().__repr__()
        return shown(cls)

    def __str__(cls) -> str:
        return super().__repr__()

    def __dir__(cls) -> list[str]:
        """Public names alone, for completion; all until the class is mapped: SQLAlchemy looks here for validators."""
        names = super().__dir__()
        return _public_names(names) if "__mapper__" in cls.__dict__ else list(names)

    if not TYPE_CHECKING:  # a checker goes by the constructors themselves

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            """Make a record. Raises `InvalidArgument` for an argument that its constructor does not take."""
            return super().__call__(
                *args, **checked_arguments(cls.__name__, _parameters(cls), kwargs)
            )

        def __getattr__(cls, name: str) -> Any:
            """Say what to use instead of a name of LaminDB. Raises `NotHere` or `AttributeError`."""
            if load_module_with(name):
                return getattr(cls, name)
            raise _missing(cls, name)


_OF_SQLALCHEMY = frozenset({"metadata", "registry", "type_annotation_map"})


def _public_names(names: Iterable[str]) -> list[str]:
    """Without those that are internal, here or in SQLAlchemy."""
    public = [name for name in names if name not in _OF_SQLALCHEMY]
    return [name for name in public if name.startswith("__") or not name.startswith("_")]


def _missing(registry: type[Any], name: str) -> AttributeError:
    if name.startswith("_"):
        return AttributeError(name)
    return missing_attribute((registry.__name__,), name)


@cache
def _parameters(registry: type[Any]) -> frozenset[str]:
    """The names of what its constructor takes, the columns among them where that takes any."""
    parameters = inspect.signature(registry.__init__).parameters
    names = {name for name in parameters if name != "self"}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        names |= set(_settable_names(registry))
    return frozenset(names)


class Registry(Base, metaclass=RegistryType):
    """The base class of all registries, with the methods to query and to save records.

    Records are plain values: they show the state at the time when they were read.
    """

    __abstract__ = True

    DoesNotExist: ClassVar[type[NotFound]] = NotFound
    """The error of `get` and `one` if no record matches, by Django's name."""
    MultipleObjectsReturned: ClassVar[type[MultipleFound]] = MultipleFound
    """The error of `get` and `one` if several records match, by Django's name."""

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    uid: Mapped[str] = mapped_column(Uid, unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)

    _aliases: ClassVar[dict[str, str]] = {}
    """Lookups by another name, such as `transform` for `run__transform`."""
    _name_field: ClassVar[str] = "uid"
    """The field that people know a record by."""

    _search_fields: ClassVar[tuple[str, ...]] = ()
    """The texts that a search looks into, the name first."""
    _has_trash: ClassVar[bool] = False
    """Whether what is deleted can be restored."""
    _editable: ClassVar[tuple[str, ...]] = ()
    """The fields that may be changed in many records at once: what people say of them, not what they are known by."""
    _editable_alone: ClassVar[tuple[str, ...]] = ()
    """The fields that may be changed as well, in one record at a time."""
    _initial: ClassVar[tuple[str, ...]] = ()
    """The other fields that a record may have before it is first saved; the registry sets the rest."""
    _instead: ClassVar[dict[str, str]] = {}
    """The hint for each field that cannot be changed."""
    _known_by: ClassVar[tuple[str, ...]] = ()
    """The columns that no two records share; by default the name, and the type where there are types."""
    _feature_values: ClassVar[str | None] = None
    """The table of the values that its records have for features, if they can have any."""

    @classmethod
    def _registry_name(cls) -> str:
        """The name of the registry in the types of features."""
        package = package_of(cls)
        return cls.__name__ if package == CORE_PACKAGE else f"{package}.{cls.__name__}"

    @classmethod
    def _name_in_code(cls) -> str:
        """The name of the registry in Python code, for hints: `ln.ULabel`, `bt.CellType`."""
        module, _, name = cls._registry_name().rpartition(".")
        aliases = {"": "ln", "bionty": "bt"}
        return f"{aliases.get(module, module)}.{name}"

    @classmethod
    def _prepared(cls, session: Session, records: Iterable[Any], user: int) -> list[Any]:
        """Return the records to write for these, in the transaction that writes them, which may be more.

        `user` is the primary key of who writes them.
        """
        return list(records)

    @classmethod
    def _written(cls, session: Session, records: Iterable[Any], rows: Mapping[Any, Any]) -> None:
        """Write what belongs to these records, whose rows by what they are known by are there now."""

    def _check_new(self) -> None:
        """Raise `InvalidArgument` unless the fields hold what the constructor would take, before the first save."""

    if not TYPE_CHECKING:  # a checker takes every attribute of a class that has this

        def __dir__(self) -> list[str]:
            """Public names alone, for completion."""
            return _public_names(super().__dir__())

        def __setattr__(self, name: str, value: Any) -> None:
            """Set a field. Raises `InvalidArgument` for a derived field, and for a name that is not a field."""
            if name[0] != "_":
                check_settable(type(self), name)
            super().__setattr__(name, value)

        def __getattr__(self, name: str) -> Any:
            """Say what to use instead of a name of LaminDB. Raises `NotHere` or `AttributeError`."""
            if load_module_with(name):
                return getattr(self, name)
            raise _missing(type(self), name)

    @classmethod
    def _listed(cls) -> Select[Any]:
        """The statement from which every query starts."""
        return select(cls)

    @classmethod
    def _queryset(cls) -> QuerySet[Self]:
        queryset: QuerySet[Self] = current.current_instance().query(cls)
        return queryset

    @classmethod
    def filter(cls, *conditions: Q, **lookups: Any) -> QuerySet[Self]:
        """Return the records that match all conditions. The database is read when the result is used.

        Args:
            conditions: `ln.Q(...)`, combined with `&`, `|` and `~`.
            lookups: Django-style lookups of fields and relations, such as `key__startswith="raw/"` or
                `run__transform__key="a.py"`, and of features, such as `temperature__gt=20`.

        Raises:
            InvalidArgument: A name is neither a field nor a feature, or a value has the wrong type.
        """
        return cls._queryset().filter(*conditions, **lookups)

    @classmethod
    def exclude(cls, *conditions: Q, **lookups: object) -> QuerySet[Self]:
        """Return the records that do not match all of these conditions. Arguments and errors as for `filter`."""
        return cls._queryset().exclude(*conditions, **lookups)

    @classmethod
    def get(cls, uid: str | None = None, **lookups: Any) -> Self:
        """Return the one record with this uid or these fields; of several versions, the latest.

        Args:
            uid: The uid, or its first characters.
            lookups: As for `filter`.

        Raises:
            NotFound: No record matches.
            MultipleFound: Several records match.
            InvalidArgument: There is no argument, or a name is not a field.
        """
        if uid is None:
            uid = lookups.pop("idlike", None)  # its name in LaminDB
        if uid is None and not lookups:
            raise InvalidArgument(
                f"{cls.__name__}.get() needs a uid or a field",
                hint=f"{cls.__name__}.get(uid), or get({cls._name_field}=...)",
            )
        return cls._queryset().get(uid, **lookups)

    @classmethod
    def using(cls, instance: str | None = None) -> QuerySet[Self]:
        """Return all records, for scripts written for LaminDB. Raises `NotHere` for another instance."""
        if instance is not None and instance != current.current_instance().uid:
            raise NotHere(
                f"ln.{cls.__name__}.using() reads no other instance: {instance!r}",
                hint="ln.connect(folder or URL), then query",
            )
        return cls._queryset()

    @classmethod
    def all(cls) -> QuerySet[Self]:
        """Return all records."""
        return cls._queryset()

    @classmethod
    def distinct(cls) -> QuerySet[Self]:
        """Return all records, each once."""
        return cls._queryset()

    @classmethod
    def order_by(cls, *names: str) -> QuerySet[Self]:
        """Return all records in the order of these fields; `-` before a name reverses it."""
        return cls._queryset().order_by(*names)

    @classmethod
    def df(
        cls,
        limit: int | None = 100,
        *,
        include: str | Iterable[str] = (),
        features: bool | str | Iterable[str] = False,
        order_by: str | None = "-id",
    ) -> pd.DataFrame:
        """Return the newest records as a `pandas.DataFrame`, with `id` as its index.

        Args:
            limit: Maximum number of rows; None for all.
            include: Fields of relations to add as columns, such as `created_by__handle` or
                `ulabels__name`.
            features: Names of features to add as columns; True for all features. If a feature has
                the name of a field, its column is `features__NAME`.
            order_by: The field to order by; `-` before its name reverses the order.

        Raises:
            MissingExtra: pandas is not installed (`lamin-core[data]`).
        """
        return cls._queryset().df(
            limit=limit, include=include, features=features, order_by=order_by
        )

    to_dataframe = df

    @classmethod
    def first(cls) -> Self | None:
        """Return the first record, or None."""
        return cls._queryset().first()

    @classmethod
    def last(cls) -> Self | None:
        """Return the last record, or None."""
        return cls._queryset().last()

    @classmethod
    def one(cls, **lookups: object) -> Self:
        """Return the only record that matches the lookups. Raises `NotFound` or `MultipleFound`."""
        return cls._queryset().filter(**lookups).one()

    @classmethod
    def one_or_none(cls, **lookups: object) -> Self | None:
        """Return the only record that matches the lookups, or None. Raises `MultipleFound`."""
        return cls._queryset().filter(**lookups).one_or_none()

    @classmethod
    def count(cls) -> int:
        """Return the number of records."""
        return cls._queryset().count()

    @classmethod
    def exists(cls) -> bool:
        """Return whether there is any record."""
        return cls._queryset().exists()

    @classmethod
    def search(
        cls, string: str, *, field: FieldName = None, limit: int | None = 20, **options: object
    ) -> QuerySet[Self]:
        """Return the records whose text contains all words of the string, the best first.

        If there are none, typos are tolerated: one wrong letter in words of four letters or more, two
        in words of eight or more. Of several versions, only the latest is returned.

        Args:
            string: The words to search for, in any order.
            field: Search in this field only.
            limit: Maximum number of records; None for all.
            options: Arguments of LaminDB, which are ignored or refused.
        """
        check_options("search", options)
        return cls._queryset().search(string, field=field, limit=limit)

    @overload
    @classmethod
    def lookup(cls, field: FieldName = None, return_field: None = None) -> Lookup[Self]: ...
    @overload
    @classmethod
    def lookup(cls, field: FieldName, return_field: FieldName) -> Lookup[Any]: ...
    @overload
    @classmethod
    def lookup(cls, field: FieldName = None, *, return_field: FieldName) -> Lookup[Any]: ...

    @classmethod
    def lookup(
        cls, field: FieldName = None, return_field: FieldName = None, **options: object
    ) -> Lookup[Any]:
        """Return an object with one attribute for each name, for completion at the prompt: `ln.ULabel.lookup().dmso`.

        `lookup()["DMSO"]` takes the exact name.

        Args:
            field: The field with the names; by default the name or key.
            return_field: Return this field instead of the record.
            options: Arguments of LaminDB, which are ignored or refused.
        """
        check_options("lookup", options)
        return cls._queryset().lookup(field, return_field)

    @classmethod
    def from_values(
        cls, values: Iterable[object], field: FieldName = None, *, create: bool = False
    ) -> RecordList[Self]:
        """Return the records with these names, as a list with a method `save()`.

        Args:
            values: The names.
            field: Compare the values with this field; by default the name.
            create: Also create records for values that have none; `save()` writes them. Without it,
                one line on standard error lists such values.

        Raises:
            InvalidArgument: A value is not a name.
        """
        records: RecordList[Self] = current.current_instance().from_values(
            cls, values, field, create=create
        )
        return records

    @classmethod
    def inspect(
        cls, values: Iterable[object], field: FieldName = None, **options: object
    ) -> Inspection:
        """Return which values are names of records (`validated`) and which are not (`non_validated`).

        `options` narrow the records: `organism="human"` for genes and the like.
        """
        return cls._narrowed(options).inspect(values, field)

    @classmethod
    def validate(
        cls, values: Iterable[object], field: FieldName = None, **options: object
    ) -> npt.NDArray[np.bool_]:
        """Return a boolean `numpy` array: whether each value is the name of a record.

        `options` are those of `inspect`.
        """
        return cls._narrowed(options).validate(values, field)

    @classmethod
    def _narrowed(cls, options: Mapping[str, object]) -> QuerySet[Self]:
        """Return the records that these options of `inspect`, `validate` and `standardize` leave."""
        check_options(f"{cls.__name__}.validate", options)
        return cls._queryset()

    @overload
    @classmethod
    def standardize(
        cls,
        values: Iterable[V],
        field: FieldName = None,
        *,
        return_mapper: Literal[False] = False,
        **options: object,
    ) -> list[V | str]: ...
    @overload
    @classmethod
    def standardize(
        cls,
        values: Iterable[object],
        field: FieldName = None,
        *,
        return_mapper: Literal[True],
        **options: object,
    ) -> dict[str, str]: ...

    @classmethod
    def standardize(
        cls,
        values: Iterable[V],
        field: FieldName = None,
        *,
        return_mapper: bool = False,
        **options: object,
    ) -> list[V | str] | dict[str, str]:
        """Return the values, with synonyms and other upper or lower case replaced by the names of records.

        Args:
            values: The values.
            field: Compare the values with this field; by default the name.
            return_mapper: Return only the replacements, as a dict from value to name.
            options: Those of `inspect`.
        """
        return cls._narrowed(options).standardize(values, field, return_mapper=return_mapper)

    def save(self) -> Self:
        """Write the record into the registry.

        Returns:
            This record, or the existing record if the registry has the same one.

        Raises:
            InvalidArgument: A field has a value that cannot be stored.
            Conflict: The record contradicts one in the registry.
            ReadOnly: The registry may only be read.
        """
        saved: Self = current.current_instance().save(self)
        return saved

    def delete(self, permanent: bool | None = None) -> None:
        """Delete the record permanently.

        Raises:
            Conflict: Other records need it.
            InvalidArgument: `permanent=False`, and this registry has no trash.
        """
        if permanent is False:
            raise InvalidArgument(
                f"not a record with a trash: {self!r}", hint=".delete() removes it for good"
            )
        current.current_instance().delete(self)

    def describe(self) -> None:
        """Print the fields and annotations of the record."""
        current.current_instance().describe(self)

    def __eq__(self, other: object) -> Any:
        """Two records are equal if they are the same row, also if they were read by different sessions."""
        return self is other or (
            type(self) is type(other) and self.uid is not None and self.uid == other.uid
        )

    def __hash__(self) -> int:
        """The hash of the uid; a record that was hashed before it had a uid keeps that hash."""
        own = self.__dict__
        if "_hash" not in own:
            own["_hash"] = object.__hash__(self) if self.uid is None else hash(self.uid)
        return int(own["_hash"])

    def __repr__(self) -> str:
        shown = {
            name: getattr(self, name, None)
            for name in dict.fromkeys(("uid", self._name_field, *self._shown_fields()))
        }
        inner = ", ".join(
            f"{name}={str(value)!r}" if isinstance(value, str) else f"{name}={value!r}"
            for name, value in shown.items()
            if value is not None
        )
        return f"{type(self).__name__}({inner})"

    @classmethod
    def _check_value(cls, field: str, value: object) -> None:
        """Raise `InvalidArgument` for a value that this field cannot have."""

    def _repr_html_(self) -> str:
        """The fields that are columns and not long, as notebooks show them."""
        columns = {
            name: attribute.columns[0]
            for name, attribute in type(self).__mapper__.column_attrs.items()
        }
        first = ("uid", self._name_field, *self._shown_fields())
        plain = [
            name
            for name, column in columns.items()
            if name not in ("id", "origin") and not (column.foreign_keys or column.info.get("long"))
        ]
        names = [name for name in dict.fromkeys((*first, *plain)) if name in columns]
        return facts(type(self).__name__, {name: self.__dict__.get(name) for name in names})

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ()


_settable: dict[type[Registry], frozenset[str]] = {}


def check_settable(registry: type[Registry], name: str) -> None:
    """Raise `InvalidArgument` unless this attribute of a record can be set: a column, or a relation to one record."""
    if registry not in _settable:
        _settable[registry] = frozenset(_settable_names(registry))
    if name in _settable[registry]:
        return
    attribute = getattr(registry, name, None)
    if attribute is None:
        near = difflib.get_close_matches(name, _settable[registry], n=1)
        hint = (
            f"did you mean {near[0]}?" if near else f"{registry.__name__} at the prompt lists them"
        )
        raise InvalidArgument(f"{registry.__name__} has no field {name!r}", hint=hint)
    if hasattr(attribute, "link") and not attribute.is_fixed:
        raise InvalidArgument(
            f"{name!r} of {registry.__name__} cannot be set", hint=f"record.{name}.add(...)"
        )
    raise refusal(registry, name)


def _settable_names(registry: type[Registry]) -> Iterator[str]:
    yield from registry.__mapper__.column_attrs.keys()
    for base in registry.__mro__:
        for name, value in vars(base).items():
            is_writable = (
                value.fset is not None if isinstance(value, property) else hasattr(value, "__set__")
            )
            if is_writable and name[0] != "_":
                yield name


def refusal(registry: type[Registry], column: str) -> InvalidArgument:
    """Return the error for a field that cannot be changed: the registry sets it, or knows the record by it."""
    name = public_name(registry, column)
    fields = [
        public_name(registry, field) for field in (*registry._editable, *registry._editable_alone)
    ]
    hint = registry._instead.get(name) or f"what can be changed: {', '.join(fields) or 'nothing'}"
    message = f"{name!r} of {registry.__name__} cannot be changed: the registry sets it, or knows the record by it"
    return InvalidArgument(message, hint=hint)


def public_name(registry: type[Registry], column: str) -> str:
    """Return the name of the relation that a column with a foreign key belongs to; of other columns their own."""
    relation = column.removesuffix("_id")
    return relation if hasattr(getattr(registry, relation, None), "target_name") else column


def is_required(registry: type[Registry], name: str) -> bool:
    """Whether a record of this registry always has a value in this column."""
    return not registry.__table__.columns[name].nullable


def checked_values(record: Registry, names: Iterable[str]) -> dict[str, object]:
    """Return the values of these columns as they are written. Raises `InvalidArgument` for one that does not fit."""
    table = cast(Table, type(record).__table__)
    return {name: column_value(table.columns[name], record.__dict__.get(name)) for name in names}


def check_new(record: Registry) -> None:
    """Raise `InvalidArgument` where a record that is not saved yet holds what its constructor would refuse.

    The savers of some registries set derived fields before they write, so a save that failed may be
    tried again.
    """
    registry, own = type(record), record.__dict__
    names = [name for name in registry.__table__.columns.keys() if own.get(name) is not None]  # noqa: SIM118
    for name, value in checked_values(record, names).items():
        if value is not own[name]:
            setattr(record, name, value)
    record._check_new()
    allowed = {*registry._editable, *registry._editable_alone, *registry._initial}
    derived = [name for name in names if name not in allowed]
    if derived and not arguments_of(record, Arguments).is_tried:
        raise refusal(registry, derived[0])


def shown(registry: type[Any]) -> str:
    """The fields of a registry, as the prompt shows them."""
    columns = {
        name: attribute.columns[0]
        for name, attribute in registry.__mapper__.column_attrs.items()
        if name != "id" and not attribute.columns[0].foreign_keys
    }
    simple = [f"    .{name}: {_type_name(column)}" for name, column in columns.items()]
    relations = {
        name: value.target_name
        for base in registry.__mro__
        for name, value in vars(base).items()
        if hasattr(value, "target_name")
    }
    related = [f"    .{name}: {target}" for name, target in relations.items()]
    parts = [registry.__name__, "  Simple fields", *sorted(simple, key=_uid_first)]
    return "\n".join([*parts, "  Relational fields", *related] if related else parts)


def _uid_first(line: str) -> bool:
    return not line.startswith("    .uid:")


def _type_name(column: Any) -> str:
    if isinstance(column.type, JSON | UTC_DateTime):
        return "JSON" if isinstance(column.type, JSON) else "datetime"
    return str(column.type.python_type.__name__)
