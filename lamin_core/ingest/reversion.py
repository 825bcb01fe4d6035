"""Folding a series again: over all its edges and all versions that people saved, and the rows made to say just that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import (
    delete_rows,
    insert_rows,
    parts,
    reserve,
    select_in,
    update_rows,
)
from lamin_core.ingest import containment, new_rows
from lamin_core.ingest.deleted import (
    Deletions,
    deleted_versions,
    deletions_of,
    free_numbers,
)
from lamin_core.ingest.edits import update_unedited
from lamin_core.ingest.labels import annotate
from lamin_core.ingest.versions import Observation, Version, fold
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    CollectionArtifact,
    Containment,
    Content,
    Run,
    RunArtifact,
)
from lamin_core.storage.locations import is_place, suffix_of

_COLUMNS = (
    *(
        "id",
        "series_id",
        "uid",
        "number",
        "is_latest",
        "storage_id",
        "key",
        "suffix",
        "content_id",
        "run_id",
    ),
    *("created_at", "origin", "n_observations", "description", "real_key", "deleted_at"),
)
_ROW = select(*(getattr(Artifact, name) for name in _COLUMNS)).order_by(Artifact.number)
_EDGE = select(
    RunArtifact.id,
    RunArtifact.series_id,
    RunArtifact.artifact_id,
    RunArtifact.direction,
    RunArtifact.content_id,
    RunArtifact.observed_at,
    RunArtifact.run_id,
    RunArtifact.traits,
    RunArtifact.event_hash,
    Run.uid.label("run_uid"),
).outerjoin(Run, RunArtifact.run_id == Run.id)
MARKS = ("schema_id", "checked_schema", "labels", "owner", "features")
"""The traits that are ties to other rows."""
_SERIES = select(
    ArtifactSeries.id, ArtifactSeries.stem, ArtifactSeries.storage_id, ArtifactSeries.key
)


@dataclass(slots=True)
class _Outcome:
    """The new values of the rows of a series."""

    targets: list[dict[str, Any]] = field(default_factory=list)
    marks: list[tuple[dict[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    left_edges: list[int] = field(default_factory=list)
    """Edges of permanently deleted versions."""


def refold(session: Session, ids: Collection[int]) -> None:
    """Fold these series again."""
    series = {row.id: row for row in select_in(session, _SERIES, ArtifactSeries.id, ids)}
    rows = _grouped(select_in(session, _ROW, Artifact.series_id, series))
    edges = _grouped(select_in(session, _EDGE, RunArtifact.series_id, series))
    rows_by_id = {row.id: row for group in rows.values() for row in group}
    bound = {edge.id: edge.artifact_id for group in edges.values() for edge in group}
    outcome = _Outcome()
    deletions = deletions_of(session, {row.stem for row in series.values()})
    hashes = _hashes(session, series.values(), edges, deletions)
    times = [
        _fold_one(
            outcome,
            series_row,
            rows[series_row.id],
            edges[series_row.id],
            deletions[series_row.stem],
            hashes,
        )
        for series_row in series.values()
    ]
    _write(session, outcome, rows_by_id, bound)
    annotate(session, Artifact, {target["id"]: attributes for target, attributes in outcome.marks})
    update_rows(session, ArtifactSeries, times)
    containment.relink(session, [row["id"] for row in outcome.targets])


def _hashes(
    session: Session,
    series: Collection[Any],
    edges: Mapping[int, Sequence[Any]],
    deletions: Mapping[str, Deletions],
) -> dict[int | None, str | None]:
    """The hashes of the contents that runs observed of series with permanently deleted versions."""
    content_ids = set()
    for row in series:
        if deletions[row.stem].contents:
            content_ids |= {edge.content_id for edge in edges.get(row.id, ())} - {None}
    digests = select_in(session, _HASHES, Content.id, content_ids)
    return {None: None, **{row.id: row.hash for row in digests}}


_HASHES = select(Content.id, Content.hash)


def _grouped(rows: Iterable[Any]) -> defaultdict[int, list[Any]]:
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.series_id].append(row)
    return grouped


def _fold_one(
    outcome: _Outcome,
    series: Any,
    rows: Sequence[Any],
    edges: Sequence[Any],
    deletions: Deletions,
    hashes: Mapping[int | None, str | None],
) -> dict[str, Any]:
    pins = [_as_pin(row) for row in rows if row.origin == "api"]
    folded = fold([*(_as_observation(edge) for edge in edges), *pins])
    away = deleted_versions(folded, hashes, deletions.contents)
    versions = [version for position, version in enumerate(folded) if position not in away]
    for position in away:
        seen_by = folded[position].seen_by
        outcome.left_edges += [seen.edge_id for seen in seen_by if seen.edge_id is not None]
    targets = _assigned(series, versions, rows, deletions.numbers)
    for version, target in zip(versions, targets, strict=True):
        outcome.edges += [
            {"id": seen.edge_id, "artifact": target}
            for seen in version.seen_by
            if seen.edge_id is not None
        ]
        if target["origin"] == "event":
            outcome.marks.append((target, {name: version.traits.get(name) for name in MARKS}))
    outcome.targets += targets
    target_ids = {target["id"] for target in targets}
    outcome.gone += [row.id for row in rows if row.id not in target_ids]
    seen_at = [*(edge.observed_at for edge in edges), *(pin.at for pin in pins)]
    return {"id": series.id, "last_observed_at": max(seen_at, default=None)}


def _as_observation(edge: Any) -> Observation:
    return Observation(
        edge.observed_at,
        edge.direction,
        edge.content_id,
        edge.run_id,
        edge.id,
        run_uid=edge.run_uid or edge.event_hash or "",
        traits=_believed(edge.traits),
    )


def _believed(traits: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The facts of a version, without an invalid path: older versions of this package did not check it."""
    if traits is None or "real_key" not in traits or is_place(traits["real_key"]):
        return traits
    return {name: value for name, value in traits.items() if name != "real_key"}


def _as_pin(row: Any) -> Observation:
    return Observation(row.created_at, "output", row.content_id, row.run_id, pinned=row.id)


def _assigned(
    series: Any, versions: Sequence[Version], rows: Sequence[Any], deleted: Collection[int]
) -> list[dict[str, Any]]:
    """What each row has to say: pinned rows stay, the others are found by content, as labels stay with the bytes.

    The numbers of versions that were deleted for good are given to none.
    """
    pinned = {row.id: row for row in rows if row.origin == "api"}
    pool: defaultdict[int | None, list[Any]] = defaultdict(list)
    for row in rows:
        if row.origin != "api":
            pool[row.content_id].append(row)
    spare = 1 + max([-1, *(row.number for row in rows), *deleted])
    targets = []
    for position, version in zip(free_numbers(deleted), versions, strict=False):
        if version.pinned is not None:
            row = pinned[version.pinned]
            targets.append(
                {**_values(row), "is_latest": False, "deleted_at": _hidden_since(row, version)}
            )
            continue
        row = next((pool[c].pop(0) for c in (version.content_id, None) if pool[c]), None)
        number = position
        if pinned:  # numbers that people may have noted stay
            number, spare = (row.number, spare) if row is not None else (spare, spare + 1)
        targets.append(_target(series, version, row, number))
    for target in [target for target in targets if target["deleted_at"] is None][-1:]:
        target["is_latest"] = True
    return targets


def _hidden_since(row: Any, version: Version) -> Any:
    """Since when it is in the trash; what a run has written once more after that is out of it again."""
    if row is None or row.deleted_at is None:
        return None
    again = any(
        seen.pinned is None and seen.wrote and seen.at > row.deleted_at for seen in version.seen_by
    )
    return None if again else row.deleted_at


def _values(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in _COLUMNS}


def _target(series: Any, version: Version, row: Any, number: int) -> dict[str, Any]:
    values = new_rows.artifact_version(
        series,
        number,
        is_latest=False,
        key=key_of(series.key, version.traits),
        suffix=suffix_of(series.key or ""),
        content_id=version.content_id,
        run_id=version.writer,
        created_at=version.at,
        origin="event",
    )
    return {
        "id": None if row is None else row.id,
        **values,
        "n_observations": version.traits.get("n_observations"),
        "description": version.traits.get("description"),
        "real_key": version.traits.get("real_key"),
        "deleted_at": _hidden_since(row, version),
    }


def key_of(series_key: str | None, traits: Mapping[str, Any]) -> str | None:
    """The key of a version; what is called by the place of its copy alone was saved without a key."""
    return None if traits.get("real_key") == series_key else series_key


def _write(
    session: Session, outcome: _Outcome, rows_by_id: Mapping[int, Any], bound: Mapping[int, int]
) -> None:
    new = [target for target in outcome.targets if target["id"] is None]
    for target, identity in zip(new, reserve(session, Artifact, len(new)), strict=True):
        target["id"] = identity
    new_ids = {target["id"] for target in new}
    changed = [
        t for t in outcome.targets if t["id"] not in new_ids and t != _values(rows_by_id[t["id"]])
    ]
    # Two steps, so that no number and no `latest` is ever given twice.
    away = [row for row in changed if _is_renumbered(row, rows_by_id[row["id"]])]
    update_rows(
        session,
        Artifact,
        [{"id": i, "is_latest": False} for i in [*outcome.gone, *(r["id"] for r in changed)]],
    )
    aside = [*outcome.gone, *(row["id"] for row in away)]
    update_rows(session, Artifact, [{"id": i, "number": -i, "uid": f"~{i}"} for i in aside])
    update_unedited(session, Artifact, [row for row in changed if not row["is_latest"]])
    insert_rows(session, Artifact, [row for row in new if not row["is_latest"]])
    update_unedited(session, Artifact, [row for row in changed if row["is_latest"]])
    insert_rows(session, Artifact, [row for row in new if row["is_latest"]])
    moved = [
        {"id": e["id"], "artifact_id": e["artifact"]["id"]}
        for e in outcome.edges
        if bound[e["id"]] != e["artifact"]["id"]
    ]
    update_rows(session, RunArtifact, moved)
    delete_rows(session, RunArtifact, outcome.left_edges)
    _remove(session, outcome)


def _is_renumbered(target: Mapping[str, Any], row: Any) -> bool:
    return bool((target["number"], target["uid"]) != (row.number, row.uid))


def _remove(session: Session, outcome: _Outcome) -> None:
    """Drop the rows that nothing speaks for any more; collections that held one hold the latest instead."""
    for part in parts(outcome.gone):
        for column in (Containment.artifact_id, Containment.directory_id):
            session.connection().execute(delete(Containment).where(column.in_(part)))
        session.connection().execute(
            delete(CollectionArtifact).where(CollectionArtifact.artifact_id.in_(part))
        )
    delete_rows(session, Artifact, outcome.gone)
