"""How artifacts are saved: bytes first, then all rows in one short transaction of few statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lamin_core import context
from lamin_core.bulk import insert_rows, reserve, table_of, update_rows
from lamin_core.copies import Copy, copy_in, holds
from lamin_core.db import insert_missing, insert_missing_rows
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.files import Source
from lamin_core.lineage import folders
from lamin_core.lineage import series as versions
from lamin_core.models import Artifact, ArtifactSeries, Content, Run, RunArtifact, now
from lamin_core.models.artifact import UNSET
from lamin_core.saving.place import Place, adopt
from lamin_core.storage import Root, managed_key, outer_root
from lamin_core.types import MANAGED
from lamin_core.uids import derived_uid, random_uid, version_suffix

_IN_LIST = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Pending:
    """An artifact on its way into the tables."""

    artifact: Artifact
    source: Source
    run: Run | None
    copy: Copy | None = None
    """None where the bytes stay where they are."""
    is_new_copy: bool = False
    content_id: int | None = None
    series: ArtifactSeries | None = None
    root: Root | None = None
    """The storage that has the bytes."""
    head: Artifact | None = None
    at: datetime = EPOCH
    """When it is observed, said once the series is known."""

    @property
    def is_known(self) -> bool:
        """Whether the newest version has these bytes already."""
        return self.head is not None and self.content_id is not None and self.head.content_id == self.content_id

    @property
    def is_written(self) -> bool:
        """Whether the run may have made these bytes: a file in place that is older than the run is only named by it."""
        if self.run is None:
            return False
        seen, started = self.source.seen, self.run.started_at
        if self.source.target is not None or seen is None or started is None:
            return True
        return max((modified for _, modified, *_ in seen.state), default=0) >= started.timestamp() * 1e9


def save_artifact(place: Place, artifact: Artifact) -> Artifact:
    """Write the artifact, or find the version that has these bytes."""
    save_artifacts(place, [artifact])
    return artifact


def save_artifacts(place: Place, artifacts: Iterable[Artifact]) -> None:
    """Write them all, or none; those whose bytes are the newest version under their key become that version."""
    pending = [_Pending(one, one.__dict__["_source"], _run_of(one)) for one in artifacts]
    for one in pending:
        _check(one)
    _copy(pending)
    user = place.user_id
    with place.db.writing() as session, session.no_autoflush:
        _keep_copies(pending)
        _find_contents(session, pending)
        for batch in _rounds(session, pending):
            _write(session, batch, user)
    for one in pending:
        if one.is_known:
            adopt(one.artifact, one.head)
        one.artifact.__dict__.pop("_temporary", _nothing)()


def _nothing() -> None:
    """No temporary file to remove."""


def _run_of(artifact: Artifact) -> Run | None:
    asked = artifact.__dict__.get("_asked_run", UNSET)
    if asked is False:
        return None
    run: Run | None = context.current_run() if asked is UNSET or asked is None else asked
    return run


def _check(one: _Pending) -> None:
    artifact, source = one.artifact, one.source
    if source.target is None:
        if source.seen is not None and not source.seen.stands(source.path):
            raise Conflict(
                f"{source.path!r} changed before it was saved", hint="make the Artifact again, of it as it is"
            )
    elif artifact.key is None and artifact.description is None and one.run is None:
        raise InvalidArgument(
            "an artifact needs a key, a description or a run to be found by", hint='Artifact(path, key="raw/a.csv")'
        )


def _copy(pending: Sequence[_Pending]) -> None:
    """Copy what is to be copied into its storage, each content once."""
    wanted: dict[tuple[str, str], Copy] = {}
    for one in pending:
        source = one.source
        if source.target is not None and source.seen is not None:
            key = one.artifact.real_key = managed_key(source.seen.digest, source.suffix)
            one.copy = wanted.setdefault(
                (source.target.root, key), Copy(Path(source.path), source.seen, source.target.root, key)
            )
    is_new = dict(zip(wanted, copy_in(list(wanted.values())), strict=True))
    for one in pending:
        one.is_new_copy = one.copy is not None and is_new[one.copy.root, one.copy.key]


def _keep_copies(pending: Sequence[_Pending]) -> None:
    """A copy that was there already may have been deleted meanwhile; now that nobody else writes, look again."""
    for one in pending:
        copy = one.copy
        if copy is not None and not one.is_new_copy and not holds(copy.root, copy.key, copy.seen.digest):
            copy_in([copy])


def _find_contents(session: Session, pending: Sequence[_Pending]) -> None:
    digests = {one.source.content for one in pending if one.source.content is not None}
    rows = [{"hash": d.hash, "hash_type": d.hash_type, "size": d.size, "n_files": d.n_files} for d in digests]
    ids = _ids(session, Content, rows, Content.hash, Content.hash_type, Content.size)
    for one in pending:
        content = one.source.content
        one.content_id = None if content is None else ids[content.hash, content.hash_type, content.size]


def _ids(session: Session, kind: Any, rows: list[dict[str, Any]], *columns: Any) -> dict[tuple[Any, ...], int]:
    """The primary keys of these rows by the first of these columns and the others, made where they are new."""
    table = table_of(kind)
    if len(rows) == 1:
        made = insert_missing(session, table, rows[0])
        if made is not None:
            return {tuple(rows[0][column.key] for column in columns): made}
    else:
        insert_missing_rows(session, table, rows)
    first = columns[0]
    wanted = list({row[first.key] for row in rows})
    found = {}
    for chunk in _chunks(wanted):
        for identity, *key in session.execute(select(kind.id, *columns).where(first.in_(chunk))):
            found[tuple(key)] = identity
    return found


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _IN_LIST):
        yield values[start : start + _IN_LIST]


def _rounds(session: Session, pending: Sequence[_Pending]) -> Iterator[list[_Pending]]:
    """Batches in which each series is once: the next version of the same series sees the one before."""
    _find_series(session, pending)
    left = list(pending)
    while left:
        batch: dict[int, _Pending] = {}
        later = []
        for one in left:
            assert one.series is not None
            if batch.setdefault(one.series.id, one) is not one:
                later.append(one)
        yield list(batch.values())
        left = later


def _find_series(session: Session, pending: Sequence[_Pending]) -> None:
    keyed: list[tuple[_Pending, Root, str]] = []
    for one in pending:
        source, revised = one.source, one.artifact.__dict__.get("_revises")
        one.root = source.target or source.place.root or versions.storage_for(session, outer_root(source.path))
        key = one.artifact.key if source.target is not None else source.path[len(one.root.root.rstrip("/")) + 1 :]
        if revised is not None:
            one.series = session.get_one(ArtifactSeries, revised.series_id)
        elif key is not None and source.target is None and key.startswith(f"{MANAGED}/"):
            one.series = versions.series_at(session, source.path, versions.roots(session))
        elif key is not None:
            keyed.append((one, one.root, key))
        else:
            one.series = ArtifactSeries(stem=random_uid(16), storage_id=one.root.id, key=None)
            session.add(one.series)
    session.flush()
    _find_keyed(session, keyed)


def _find_keyed(session: Session, keyed: Sequence[tuple[_Pending, Root, str]]) -> None:
    if len(keyed) == 1:
        one, root, key = keyed[0]
        one.series = versions.series_for(session, root, key)
        return
    rows = {
        (root.id, key): {"stem": derived_uid(16, root.uid, key), "storage_id": root.id, "key": key}
        for _, root, key in keyed
    }
    insert_missing_rows(session, table_of(ArtifactSeries), list(rows.values()))
    found = {}
    for chunk in _chunks([row["stem"] for row in rows.values()]):
        for series in session.scalars(select(ArtifactSeries).where(ArtifactSeries.stem.in_(chunk))):
            found[series.storage_id, series.key] = series
    for one, root, key in keyed:
        one.series = found[root.id, key]


def _write(session: Session, batch: Sequence[_Pending], user: int) -> None:
    _find_heads(session, batch)
    moment = now()
    for one in batch:
        assert one.series is not None
        last = one.series.last_observed_at
        # Not before what was observed already, should the clocks differ.
        one.at = moment if last is None or last < moment else last + timedelta(microseconds=1)
    new = [one for one in batch if not one.is_known]
    for one in batch:
        if one.is_known and one.head is not None:
            one.head.description = one.artifact.description or one.head.description
    _number(session, new)
    for one, identity in zip(new, reserve(session, Artifact, len(new)), strict=True):
        one.artifact.id = identity  # known beforehand, all rows are one statement
        _fill(one, user)
    session.add_all(one.artifact for one in new)
    session.flush()
    _add_edges(session, batch)
    _note_observed(session, batch)
    # A copy lies in no folder, whatever its key.
    folders.relink(session, [one.artifact.id for one in new if one.artifact.real_key is None], fresh=True)


def _find_heads(session: Session, batch: Sequence[_Pending]) -> None:
    observed = [one.series.id for one in batch if one.series is not None and one.series.last_observed_at is not None]
    heads = {}
    for chunk in _chunks(observed):
        for head in session.scalars(select(Artifact).where(Artifact.series_id.in_(chunk), Artifact.is_latest)):
            heads[head.series_id] = head
    for one in batch:
        one.head = None if one.series is None else heads.get(one.series.id)


def _number(session: Session, new: Sequence[_Pending]) -> None:
    """Give each new version the next number of its series, and make it the latest."""
    superseded = [one.head.id for one in new if one.head is not None]
    update_rows(session, Artifact, [{"id": identity, "is_latest": False} for identity in superseded])
    observed = [one.series.id for one in new if one.series is not None and one.series.last_observed_at is not None]
    newest: dict[int, int] = {}
    for chunk in _chunks(observed):
        query = select(Artifact.series_id, func.max(Artifact.number)).where(Artifact.series_id.in_(chunk))
        newest.update(tuple(row) for row in session.execute(query.group_by(Artifact.series_id)))
    for one in new:
        assert one.series is not None
        one.artifact.number = newest.get(one.series.id, -1) + 1


def _fill(one: _Pending, user: int) -> None:
    row, series, root = one.artifact, one.series, one.root
    assert series is not None and root is not None  # noqa: PT018 - found by now
    row.uid = series.stem + version_suffix(row.number)
    row.series_id, row.storage_id, row.key, row.is_latest = series.id, root.id, series.key, True
    if one.source.target is None and (place := one.source.path[len(root.root.rstrip("/")) + 1 :]) != series.key:
        row.real_key = place  # a revision may lie anywhere
    row.content_id, row.run_id, row.created_at = one.content_id, None if one.run is None else one.run.id, one.at
    row.origin, row.suffix, row.created_by_id = "api", one.source.suffix, user


def _add_edges(session: Session, batch: Sequence[_Pending]) -> None:
    """Each run has written its new versions, and written again those that were there."""
    again = [one for one in batch if one.is_known and one.is_written]
    held: set[tuple[int, int]] = set()
    for chunk in _chunks([one.head.id for one in again if one.head is not None]):
        known = select(RunArtifact.run_id, RunArtifact.artifact_id).where(
            RunArtifact.artifact_id.in_(chunk), RunArtifact.direction == "output"
        )
        held.update(tuple(row) for row in session.execute(known))
    rows = [_edge(one, one.artifact, None) for one in batch if not one.is_known and one.run is not None]
    for one in again:
        assert one.head is not None and one.run is not None  # noqa: PT018 - it is known and written
        if (one.run.id, one.head.id) not in held:
            rows.append(_edge(one, one.head, "recreated" if one.head.run_id not in (None, one.run.id) else None))
    insert_rows(session, RunArtifact, rows)


def _edge(one: _Pending, row: Artifact, role: str | None) -> dict[str, Any]:
    assert one.run is not None
    return {
        "run_id": one.run.id,
        "artifact_id": row.id,
        "series_id": row.series_id,
        "content_id": row.content_id,
        "direction": "output",
        "role": role,
        "observed_at": one.at,
        "origin": "api",
    }


def _note_observed(session: Session, batch: Sequence[_Pending]) -> None:
    told = [one for one in batch if not one.is_known or one.is_written]
    rows = [{"id": one.series.id, "last_observed_at": one.at} for one in told if one.series is not None]
    update_rows(session, ArtifactSeries, rows)
    for one in told:
        one.series.__dict__["last_observed_at"] = one.at  # as in the table now: nothing to write
