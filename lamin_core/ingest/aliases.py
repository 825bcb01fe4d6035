"""Datasets with several names: the registry uses one of them, independently of the order in which it learns them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_rows, reserve, select_in, update_rows
from lamin_core.models import DatasetAlias

_FILES = ("/", "s3://", "gs://", "hdfs://", "abfss://", "abfs://", "wasbs://", "dbfs:", "file:")


def learn(session: Session, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Record pairs of names of one dataset; return the new canonical name for each name that is no longer canonical."""
    distinct_pairs = sorted({pair for pair in pairs if pair[0] != pair[1]})
    if not distinct_pairs:
        return {}
    canonical_names = canonical(session, {path for pair in distinct_pairs for path in pair})
    groups = _joined(canonical_names, distinct_pairs)
    members = _members(
        session,
        {
            canonical_names[path]
            for paths in groups.values()
            for path in paths
            if path in canonical_names
        },
    )
    before = {path: name for name, paths in members.items() for path in paths}
    renamed: dict[str, str] = {}
    rows: dict[str, str] = {}
    for paths in groups.values():
        whole = set(paths)
        for path in paths:
            whole |= set(members.get(canonical_names.get(path, ""), ()))
        best = min(whole, key=_preference)
        renamed |= {
            name: best for name in {before.get(path, path) for path in whole} if name != best
        }
        rows |= {path: best for path in whole if before.get(path) != best}
    _write(session, rows)
    return renamed


def canonical(session: Session, paths: Collection[str]) -> dict[str, str]:
    """The canonical name of those of these paths that have several names."""
    return {row.path: row.canonical for row in select_in(session, _NAMES, DatasetAlias.path, paths)}


_NAMES = select(DatasetAlias.path, DatasetAlias.canonical)


def _preference(path: str) -> tuple[bool, str]:
    """Files before tables, then by the alphabet."""
    return not path.startswith(_FILES), path


def _joined(
    canonical_names: Mapping[str, str], pairs: Iterable[tuple[str, str]]
) -> dict[str, set[str]]:
    """The named paths in groups of one dataset each."""
    groups: dict[str, set[str]] = {}
    home: dict[str, str] = {}
    for first, right in [*pairs, *((path, name) for path, name in canonical_names.items())]:
        a, b = home.setdefault(first, first), home.setdefault(right, right)
        groups.setdefault(a, {first}).add(first)
        groups.setdefault(b, {right}).add(right)
        if a != b:
            for path in groups[b]:
                home[path] = a
            groups[a] |= groups.pop(b)
    return groups


def _members(session: Session, names: Collection[str]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {}
    for row in select_in(session, _NAMES, DatasetAlias.canonical, names):
        members.setdefault(row.canonical, []).append(row.path)
    return members


def _write(session: Session, rows: Mapping[str, str]) -> None:
    query = select(DatasetAlias.id, DatasetAlias.path)
    existing = {row.path: row.id for row in select_in(session, query, DatasetAlias.path, rows)}
    update_rows(
        session,
        DatasetAlias,
        [{"id": existing[p], "canonical": name} for p, name in rows.items() if p in existing],
    )
    missing = [path for path in rows if path not in existing]
    ids = reserve(session, DatasetAlias, len(missing))
    insert_rows(
        session,
        DatasetAlias,
        [
            {"id": identity, "path": path, "canonical": rows[path]}
            for identity, path in zip(ids, missing, strict=True)
        ],
    )
