"""Changes that users made to rows from events: no event and no rebuild overwrites them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import select_in, update_rows
from lamin_core.models import Artifact, Run, Transform

Edited = type[Artifact | Run | Transform]


def update_unedited(session: Session, model: Edited, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give the rows with these `id`s these values, as `update_rows` does, but for the fields that people changed."""
    edited = _edited_fields(session, model, {row["id"] for row in rows})
    update_rows(session, model, [row for row in rows if row["id"] not in edited])
    for row in rows:
        fields = edited.get(row["id"], ())
        own = {name: value for name, value in row.items() if name not in fields}
        if fields and len(own) > 1:
            update_rows(session, model, [own])


def _edited_fields(
    session: Session, model: Edited, ids: Collection[int]
) -> dict[int, Collection[str]]:
    query = select(model.id, model.edited).where(model.edited.is_not(None))
    return {row.id: row.edited for row in select_in(session, query, model.id, ids)}
