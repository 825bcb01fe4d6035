"""Storages in events: it makes no difference whether they are recorded before or after the files in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import delete_rows, select_in, update_rows
from lamin_core.ingest import new_rows
from lamin_core.ingest.datasets import roots, storage_for
from lamin_core.ingest.relocation import moves_of, present_name
from lamin_core.ingest.reversion import key_of
from lamin_core.models import Artifact, ArtifactSeries, DatasetAlias, Storage
from lamin_core.storage.canonical_urls import canonical_url
from lamin_core.storage.locations import Root, locate


def learn_root(session: Session, root: str) -> None:
    """Record a storage with this root: files below it, which had longer keys, get keys relative to this root.

    What people saved stays where it is, for they may have noted its uid.
    """
    storage_roots, root = roots(session), present_name(root, moves_of(session))
    if any(existing.root == root for existing in storage_roots):
        return
    location = locate(root, storage_roots)
    storage = storage_for(session, root)
    if location.root is None:
        return
    prefix = f"{location.key}/"
    below = _series_below(session, location.root.id, prefix)
    moved = {row.id: _moved(row, storage, row.key[len(prefix) :]) for row in below}
    update_rows(session, ArtifactSeries, list(moved.values()))
    columns = select(Artifact.id, Artifact.series_id, Artifact.number, Artifact.real_key)
    rows = list(select_in(session, columns, Artifact.series_id, moved))
    update_rows(session, Artifact, [_renamed(row, moved[row.series_id]) for row in rows])


def respell_roots(session: Session) -> None:
    """Rewrite the roots of storages from events in the current spelling, if no other storage has it.

    Second names of datasets in other spellings are dropped: their events tell them again.
    """
    rows = session.execute(select(Storage.id, Storage.root, Storage.is_managed)).all()
    roots_in_use = {row.root for row in rows}
    changes = []
    for row in rows:
        root = canonical_url(row.root)
        if root not in roots_in_use and not row.is_managed:
            roots_in_use.add(root)
            changes.append({"id": row.id, "root": root})
    update_rows(session, Storage, changes)
    outdated = [
        row.id
        for row in session.execute(
            select(DatasetAlias.id, DatasetAlias.path, DatasetAlias.canonical)
        )
        if any(canonical_url(path) != path for path in (row.path, row.canonical))
    ]
    delete_rows(session, DatasetAlias, outdated)


def _series_below(session: Session, storage_id: int, prefix: str) -> Sequence[Any]:
    saved = select(Artifact.series_id).where(Artifact.origin == "api")
    query = select(ArtifactSeries.id, ArtifactSeries.key).where(
        ArtifactSeries.storage_id == storage_id,
        ArtifactSeries.key >= prefix,
        ArtifactSeries.key < prefix[:-1] + chr(ord("/") + 1),
        ArtifactSeries.id.not_in(saved),
    )
    return session.connection().execute(query).all()


def _moved(row: Any, storage: Root, key: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "storage_id": storage.id,
        "key": key,
        "stem": new_rows.artifact_stem(storage.uid, key),
    }


def _renamed(row: Any, series: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "storage_id": series["storage_id"],
        "key": key_of(series["key"], {"real_key": row.real_key}),
        "uid": new_rows.numbered(series["stem"], row.number)["uid"],
    }
