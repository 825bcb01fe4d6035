"""Describe one record, a line for each fact."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lamin_core.db.database import Database
from lamin_core.models import ToMany, ToOne
from lamin_core.models.base import Registry
from lamin_core.models.record_kinds import Versioned
from lamin_core.models.relations import annotations_of, relations_of
from lamin_core.query.annotations import described
from lamin_core.query.frames import fields
from lamin_core.runtime.printable import printable, printable_lines
from lamin_core.runtime.registry_modules import load_modules


def description(database: Database, record: Any) -> str:
    """The fields of a record, related records, the number of records that refer to it, and its annotations."""
    registry = type(record)
    title = getattr(record, registry._name_field) or record.uid
    version = f" (version {record.version})" if isinstance(record, Versioned) else ""
    with database.reading() as session:
        annotation_rows = described(session, record)
    rows = [*_fields(record), *_relations(record), *annotation_rows]
    return "\n".join([f"{registry.__name__}: {printable(title)}{version}", *lines(rows)])


def lines(rows: list[tuple[str, Any]]) -> list[str]:
    """Names and values side by side; what is None is left out.

    A value of several lines keeps them, below each other: no line of a value begins where a name
    does.

    >>> lines([("uid", "a"), ("type", None)])
    ['  uid:          a']
    """
    shown = [(printable(name), printable_lines(value)) for name, value in rows if value is not None]
    width = max([14, *(len(name) + 2 for name, _ in shown)])
    indent = "\n" + " " * (width + 2)
    return [
        f"  {name + ':':<{width}}{indent.join(value.split(_LINE_END))}".rstrip()
        for name, value in shown
    ]


_LINE_END = "\n"


def _fields(record: Registry) -> list[tuple[str, Any]]:
    columns = type(record).__mapper__.column_attrs
    names = [name for name in fields(type(record)) if not columns[name].columns[0].foreign_keys]
    return [
        (name, _shown(getattr(record, name))) for name in names if name != type(record)._name_field
    ]


def _shown(value: object) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _relations(record: object) -> list[tuple[str, Any]]:
    load_modules()  # each may add relations
    annotation_relations = annotations_of(type(record))
    relations = {
        name: relation
        for name, relation in relations_of(type(record)).items()
        if name not in annotation_relations and name[0] != "_"
    }
    rows: list[tuple[str, Any]] = []
    for name, relation in relations.items():
        related = getattr(record, name)
        if isinstance(relation, ToOne) and related is not None:
            rows.append((name, getattr(related, type(related)._name_field) or related.uid))
        elif isinstance(relation, ToMany) and (number := related.count()):
            rows.append((name, f"{number:,}"))
    return rows
