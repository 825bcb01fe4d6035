"""Edits that other rows forbid, such as changing the type of a feature that has values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Column, Select, exists, select
from sqlalchemy.orm import Session

from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.models.base import Registry, is_required
from lamin_core.models.feature import Feature, checked_default, checked_dtype
from lamin_core.models.label import checked_type
from lamin_core.models.module_tables import tables_in
from lamin_core.models.record_kinds import Named
from lamin_core.models.run import Run, masked_params
from lamin_core.models.transform import Transform

Guard = Callable[[Session, Any, Any], Any]
"""Takes the row and the new value; returns the value to write, or raises."""


def check_edit(session: Session, row: Any, name: str, value: Any) -> Any:
    """Return the value to write into this column of a saved row. Raises `InvalidArgument` or `Conflict`."""
    registry = type(row)
    if value is None and is_required(registry, name):
        raise InvalidArgument(
            f"{name!r} of {registry.__name__} cannot be None", hint="give it a value"
        )
    if name == "name" and issubclass(registry, Named):
        value = Named.checked(value)
    guard = _GUARDS.get((registry, name)) or _TYPE_GUARDS.get(name)
    return value if guard is None else guard(session, row, value)


def _dtype(session: Session, row: Feature, dtype: object) -> str:
    checked = checked_dtype(dtype)
    if checked == row.dtype:
        return checked
    if any(
        session.scalar(select(column).where(column == row.id).limit(1))
        for column in _value_columns(session)
    ):
        hint = "make another: ln.Feature(name=..., dtype=...).save()"
        raise Conflict(f"feature {row.name!r} has values of dtype {row.dtype}", hint=hint)
    return checked


def _value_columns(session: Session) -> list[Column[int]]:
    """The columns that name a feature in rows that hold or label a value of it."""
    tables = tables_in(session.connection())
    return [
        table.c.feature_id for table in tables if {"feature_id", "origin"} <= set(table.c.keys())
    ]


def _default(session: Session, row: Feature, value: object) -> object:
    return None if value is None else checked_default(row.name, row.dtype, value)


def _type(session: Session, row: Any, type_id: int | None) -> int | None:
    if type_id is None:
        return None
    registry = type(row)
    label: Any = checked_type(session.get(registry, type_id), registry)
    while label is not None:
        if label.id == row.id:
            hint = "a label cannot be of its own type, nor of one that is of it"
            raise InvalidArgument(f"{row.name!r} would be its own type", hint=hint)
        label = None if label.type_id is None else session.get(registry, label.type_id)
    return type_id


def _is_type(session: Session, row: Any, is_type: bool) -> bool:
    if not is_type and session.scalar(select(exists().where(type(row).type_id == row.id))):
        raise Conflict(
            f"{row.name!r} is the type of other {_nouns(type(row))}",
            hint="give those another type first",
        )
    return is_type


def _nouns(registry: type[Registry]) -> str:
    return "labels" if registry.__name__ == "ULabel" else "records"


def _version_tag(session: Session, row: Transform, tag: str | None) -> str | None:
    same = select(Transform.uid).where(
        Transform.series_id == row.series_id, Transform.version_tag == tag, Transform.id != row.id
    )
    other = None if tag is None else session.scalar(same.limit(1))
    if other is not None:
        raise Conflict(f"{tag!r} is the version {other} of {row.key!r}", hint="choose another tag")
    return tag


def _params(session: Session, row: Run, params: object) -> object:
    return masked_params(params)


_GUARDS: dict[tuple[type[Any], str], Guard] = {
    (Run, "params"): _params,
    (Feature, "dtype"): _dtype,
    (Feature, "default_value"): _default,
    (Transform, "version_tag"): _version_tag,
}

_TYPE_GUARDS: dict[str, Guard] = {"type_id": _type, "is_type": _is_type}
"""The registries whose records can group others."""


def check_many(
    session: Session, registry: type[Registry], ids: Select[Any], values: Mapping[str, object]
) -> None:
    """Raise `Conflict` where an edit of many records is one that other rows speak against."""
    if values.get("is_type") is not False:
        return
    type_id = getattr(registry, "type_id")  # noqa: B009 - registries with `is_type` have it
    if session.scalar(select(exists().where(type_id.in_(ids)))):
        raise Conflict(
            f"some of these {_nouns(registry)} are the types of others",
            hint="give those another type first",
        )
