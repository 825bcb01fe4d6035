"""The base of all tables: column types, the naming of constraints, and the modules that define tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

# SQLite only counts up by itself in an INTEGER primary key.
Identity = BigInteger().with_variant(Integer(), "sqlite")
# Byte order on both databases, so that prefixes are ranges and use the index.
Key = Text().with_variant(Text(collation="C"), "postgresql")
Uid = String(24).with_variant(String(24, collation="C"), "postgresql")


class UTC_DateTime(TypeDecorator[datetime]):
    """A time in UTC with microseconds, on every database. A time without a zone raises `ValueError`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC; SQLite stores no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time with its zone."""
        return None if value is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """On SQLite straight from its text: every record that is read has some of these."""
        return (
            _from_sqlite if dialect.name == "sqlite" else super().result_processor(dialect, coltype)
        )


def _from_sqlite(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


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
        float: Float,  # SQLAlchemy 2.1 would take Double
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }

    def __init_subclass__(cls, **options: object) -> None:
        """Note the package that a table is defined in, where that is a registry module."""
        super().__init_subclass__(**options)
        package = package_of(cls)
        if package != CORE_PACKAGE and "__table__" in cls.__dict__:
            MODULES[table_of(cls).name] = package


CORE_PACKAGE = "lamin_core"
MODULES: dict[str, str] = {}
"""The registry modules that tables are defined in, by their names; those of the core are left out."""


def package_of(registry: type[object]) -> str:
    """The package that defines a registry, which is the name of its module.

    >>> package_of(Base)
    'lamin_core'
    """
    return registry.__module__.partition(".")[0]


def table_of(record: type[Any]) -> Table:
    """The table that a class is mapped to."""
    table: Table = record.__table__
    return table


def narrow_indexes() -> None:
    """Say to PostgreSQL, too, which rows the partial indexes are about; called before it is first used.

    Said with the models, as it is to SQLite, it would import SQLAlchemy's part for PostgreSQL for
    everybody, which is a tenth of the time that a short script takes.
    """
    for table in Base.metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"].get("where")
            if where is not None:
                index.dialect_options["postgresql"]["where"] = where


R = TypeVar("R", bound=Base)


def blank(registry: type[R], **values: object) -> R:
    """Return a record with these values, without calling its constructor, which is for users."""
    record: R = registry.__mapper__.class_manager.new_instance()
    for name, value in values.items():
        setattr(record, name, value)
    return record
