"""The numbers of the versions of transforms: in the order of their first runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import select_in, update_rows
from lamin_core.ingest import new_rows
from lamin_core.ingest.deleted import deleted_numbers, free_numbers
from lamin_core.models import Transform, TransformSeries


def number_versions(session: Session, series: Collection[int]) -> None:
    """Number the versions from events in the order of their first runs, independent of the order of arrival.

    In a series where people made one, numbers that are given stay, and new ones follow.
    """
    query = select(
        Transform.id,
        Transform.series_id,
        Transform.number,
        Transform.is_latest,
        Transform.origin,
        Transform.created_at,
        Transform.hash,
        TransformSeries.stem,
    ).join(TransformSeries, Transform.series_id == TransformSeries.id)
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in select_in(session, query, Transform.series_id, series):
        grouped[row.series_id].append(row)
    deleted = deleted_numbers(session, {rows[0].stem for rows in grouped.values()})
    changes = [
        change for rows in grouped.values() for change in _numbering(rows, deleted[rows[0].stem])
    ]
    # Two steps, so that no number and no `latest` is ever given twice.
    away = [
        {**change, "uid": f"~{change['id']}", "number": -change["id"], "is_latest": False}
        for change in changes
    ]
    update_rows(session, Transform, [row for row in away if row["id"] not in _unnumbered(grouped)])
    update_rows(session, Transform, changes)


def _unnumbered(grouped: Mapping[int, list[Any]]) -> set[int]:
    return {row.id for rows in grouped.values() for row in rows if row.number < 0}


def _numbering(rows: list[Any], deleted: Collection[int]) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: (row.created_at, row.hash or ""))
    if any(row.origin == "api" for row in rows):
        numbered = sorted((row for row in rows if row.number >= 0), key=lambda row: row.number)
        ordered = numbered + [row for row in ordered if row.number < 0]
        spare = 1 + max([-1, *(row.number for row in numbered), *deleted])
        numbers = [row.number for row in numbered] + list(
            range(spare, spare + len(ordered) - len(numbered))
        )
    else:
        numbers = list(islice(free_numbers(deleted), len(ordered)))
    assignments = [
        (row, number, position == len(ordered) - 1)
        for position, (row, number) in enumerate(zip(ordered, numbers, strict=True))
    ]
    return [
        {
            "id": row.id,
            **new_rows.numbered(row.stem, number),
            "is_latest": is_latest,
        }
        for row, number, is_latest in assignments
        if (row.number, row.is_latest) != (number, is_latest)
    ]
