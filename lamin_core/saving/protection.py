"""Labels, features, projects and references in use cannot be deleted permanently: this would change their records."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Table, func, select
from sqlalchemy.orm import Session

from lamin_core.errors import Conflict
from lamin_core.models import Registry
from lamin_core.models.module_tables import module_of, tables_in
from lamin_core.models.tables import table_of


def _is_own_side(table: Table, column: Column[int]) -> bool:
    """Whether a row goes with the record: its values, and links to wider terms, which name its kind on both sides."""
    if table.name.endswith("_feature_value"):
        return column.name != "feature_id"
    return table.name.endswith("_parent") and column.name != "parent_id"


def check_unused(session: Session, record: Registry) -> None:
    """Raise `Conflict` with what uses the record."""
    uses = [f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in _uses(session, record)]
    if uses:
        raise Conflict(
            f"{record!r} is used by {' and '.join(uses)}",
            hint="take it off those first; .delete() puts it into the trash, and .restore() brings it back",
        )


def _uses(session: Session, record: Registry) -> Iterator[tuple[str, int]]:
    """The kind of records that use it, and their number."""
    target = table_of(type(record))
    for table in tables_in(session.connection()):
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            if key.column.table is not target or _is_own_side(table, key.parent):
                continue
            noun, counted = _thing(table, key.parent)
            query = select(func.count(counted.distinct())).where(key.parent == record.id)
            count = session.scalar(query)
            if count:
                yield noun, count


def _thing(table: Table, pointer: Column[int]) -> tuple[str, Column[int]]:
    """What has a link in this table, and the column that names it; records that point themselves are what they are."""
    owner = table.name.removeprefix(f"{module_of(table)}_").partition("_")[0]
    column = table.columns.get(f"{owner}_id")
    is_other = column is not None and column is not pointer
    noun = "label" if owner == "ulabel" else owner
    if is_other and column is not None:
        return noun, column
    return noun, table.columns.get("id", pointer)
