"""What all registries have in common: columns, column types, and the verbs that a record and its registry know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, TypeVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from lamin_core import context
from lamin_core.uids import VERSION_LENGTH

# SQLite only counts up by itself in an INTEGER primary key.
Identity = BigInteger().with_variant(Integer(), "sqlite")
# Byte order on both databases, so that prefixes are ranges and use the index.
Key = Text().with_variant(Text(collation="C"), "postgresql")


class UTC_DateTime(TypeDecorator[datetime]):
    """A moment, stored in UTC with microseconds on every database; naive times are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; SQLite keeps no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """With its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The current moment, with zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables; the naming convention lets Alembic find every constraint again on SQLite."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UTC_DateTime,
        str: Text,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


R = TypeVar("R", bound=Base)


def blank(registry: type[R], **values: Any) -> R:
    """A record with these values, made without its constructor, which is for people."""
    record: R = registry.__mapper__.class_manager.new_instance()
    for name, value in values.items():
        setattr(record, name, value)
    return record


class Registry(Base):
    """A table that people query: `get`, `filter`, `all`, `df`, `save`."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    uid: Mapped[str] = mapped_column(String(24), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)

    _aliases: ClassVar[dict[str, str]] = {}
    """Lookups by another name, such as `transform` for `run__transform`."""
    _name_field: ClassVar[str] = "uid"
    """The field that people know a record by."""

    @classmethod
    def filter(cls, *conditions: Any, **lookups: Any) -> Any:
        """The records that fit, by Django-style lookups: `key__startswith="raw/"`, `run__transform__key="a.py"`."""
        return context.connection().query(cls).filter(*conditions, **lookups)

    @classmethod
    def get(cls, uid: str | None = None, **lookups: Any) -> Self:
        """The one record with this uid (or its first characters) or these fields.

        Where several versions answer, the latest. Raises `NotFound`, and `MultipleFound` when several records answer.
        """
        record: Self = context.connection().query(cls).get(uid, **lookups)
        return record

    @classmethod
    def all(cls) -> Any:
        """All records."""
        return context.connection().query(cls)

    @classmethod
    def df(cls, limit: int | None = 100) -> Any:
        """The newest records as a `pandas.DataFrame`."""
        return context.connection().query(cls).df(limit=limit)

    to_dataframe = df

    @classmethod
    def first(cls) -> Self | None:
        """The first record, or None."""
        record: Self | None = context.connection().query(cls).first()
        return record

    @classmethod
    def one(cls, **lookups: Any) -> Self:
        """The only record. Raises `NotFound` or `MultipleFound`."""
        record: Self = context.connection().query(cls).filter(**lookups).one()
        return record

    @classmethod
    def count(cls) -> int:
        """How many there are."""
        number: int = context.connection().query(cls).count()
        return number

    @classmethod
    def from_values(cls, values: Iterable[str], *, create: bool = False) -> Any:
        """The records with these names; with `create`, those that do not exist yet are made, unsaved."""
        return context.connection().from_values(cls, values, create=create)

    def save(self) -> Self:
        """Write it; returns itself, or the record that it turned out to be."""
        return context.connection().save(self)

    def delete(self) -> None:
        """Remove it."""
        context.connection().delete(self)

    def __repr__(self) -> str:
        shown = {
            name: getattr(self, name, None) for name in dict.fromkeys(("uid", self._name_field, *self._shown_fields()))
        }
        inner = ", ".join(
            f"{name}={str(value)!r}" if isinstance(value, str) else f"{name}={value!r}"
            for name, value in shown.items()
            if value is not None
        )
        return f"{type(self).__name__}({inner})"

    @classmethod
    def _shown_fields(cls) -> tuple[str, ...]:
        return ()


class Versioned:
    """What a registry with versions adds: the two parts of the uid."""

    uid: Mapped[str]
    _stem_length: ClassVar[int]

    @property
    def version(self) -> str:
        """The last four characters of the uid."""
        return self.uid[-VERSION_LENGTH:]

    @property
    def stem_uid(self) -> str:
        """The part of the uid that all versions share."""
        return self.uid[: self._stem_length]
