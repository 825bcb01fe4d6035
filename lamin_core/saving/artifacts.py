"""How artifacts are saved: bytes first, then all rows in one short transaction of few statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_rows, reserve, select_in, update_rows
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.ingest import containment
from lamin_core.ingest.datasets import Bytes, contents_of
from lamin_core.ingest.series import content_for
from lamin_core.models import Artifact, ArtifactSeries, Run, RunArtifact, Storage
from lamin_core.models.artifact import UNSET
from lamin_core.models.relations import table_of
from lamin_core.runtime import current
from lamin_core.saving import versioning
from lamin_core.saving.draft import Pending
from lamin_core.saving.records import Place, adopt, become, check_saved
from lamin_core.storage.blobs import Copy, copy_in, holds
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import is_remote, managed_key
from lamin_core.uids import version_suffix


def save_artifact(place: Place, artifact: Artifact) -> Artifact:
    """Write the artifact, or find the version that has these bytes."""
    save_artifacts(place, [artifact])
    return artifact


def save_artifacts(place: Place, artifacts: Iterable[Artifact]) -> None:
    """Write them all, or none; those whose bytes are the newest version under their key become that version."""
    pending = [Pending(one, one.__dict__["_source"], _run_of(one)) for one in artifacts]
    for one in pending:
        _check(one)
    _copy(pending)
    user = place.user_id
    with place.db.writing() as session:
        _keep_copies(session, pending)
        _find_contents(session, pending)
        versioning.find_series(session, pending)
        for batch in _rounds(pending):
            _write(session, batch, user)
    for one in pending:
        if one.is_known:
            adopt(one.artifact, one.head)
        else:
            become(one.artifact, one.row)
        one.artifact.__dict__.pop("_temporary", _nothing)()


def _nothing() -> None:
    """No temporary file to remove."""


def _run_of(artifact: Artifact) -> Run | None:
    asked = artifact.__dict__.get("_asked_run", UNSET)
    if asked is False:
        return None
    run: Any = current.current_run() if asked is UNSET or asked is None else asked
    if run is not None and not isinstance(run, Run):
        raise InvalidArgument(f"{run!r} is no run", hint="run=ln.Run.get(...), or run=False for none")
    if run is not None:
        check_saved([run])
    return run


def _check(one: Pending) -> None:
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


def _copy(pending: Sequence[Pending]) -> None:
    """Copy what is to be copied into its storage, each content once."""
    wanted: dict[tuple[str, str], Copy] = {}
    for one in pending:
        source = one.source
        if source.target is not None and source.seen is not None:
            key = managed_key(source.seen.digest, source.suffix)
            one.copy = wanted.setdefault(
                (source.target.root, key), Copy(Path(source.path), source.seen, source.target.root, key)
            )
    is_new = dict(zip(wanted, copy_in(list(wanted.values())), strict=True))
    for one in pending:
        one.is_new_copy = one.copy is not None and is_new[one.copy.root, one.copy.key]


def _keep_copies(session: Session, pending: Sequence[Pending]) -> None:
    """A copy that was there already may have been deleted meanwhile; now that nobody else writes, look again.

    Not in a bucket where a record has its bytes: those stay, and others need not wait for the answer.
    """
    copies = (one.copy for one in pending if one.copy is not None and not one.is_new_copy)
    there = {(copy.root, copy.key): copy for copy in copies}
    far = {key for root, key in there if is_remote(root)}
    named = {tuple(row) for row in select_in(session, _COPIES, Artifact.real_key, far)}
    for copy in (there[place] for place in there.keys() - named):
        if not holds(copy.root, copy.key, copy.seen.digest):
            copy_in([copy])


_COPIES = select(Storage.root, Artifact.real_key).join(Storage, Storage.id == Artifact.storage_id)


def _find_contents(session: Session, pending: Sequence[Pending]) -> None:
    digests = {one.source.content for one in pending if one.source.content is not None}
    if len(digests) == 1:  # the common case, in one statement
        ids = {digest: content_for(session, digest) for digest in digests}
    else:
        kept = contents_of(session, {_bytes(digest): digest.n_files for digest in digests})
        ids = {digest: kept[_bytes(digest)].id for digest in digests}
    for one in pending:
        one.content_id = None if one.source.content is None else ids[one.source.content]


def _bytes(digest: Digest) -> Bytes:
    return digest.hash, digest.hash_type, digest.size


def _rounds(pending: Sequence[Pending]) -> Iterator[list[Pending]]:
    """Batches in which each series is once: the next version of the same series sees the one before."""
    left = list(pending)
    while left:
        batch: dict[int, Pending] = {}
        later = [one for one in left if batch.setdefault(one.series.id, one) is not one]
        yield list(batch.values())
        left = later


def _write(session: Session, batch: Sequence[Pending], user: int) -> None:
    versioning.find_heads(session, batch)
    versioning.tell_moments(batch)
    new = [one for one in batch if not one.is_known]
    for one in batch:
        if one.is_known and one.head is not None:
            one.head.description = one.artifact.description or one.head.description
    numbers = versioning.next_numbers(session, new)
    for one, number, identity in zip(new, numbers, reserve(session, Artifact, len(new)), strict=True):
        one.row = _row(one, identity, number, user)
    insert_rows(session, Artifact, [one.row for one in new])
    _add_edges(session, batch)
    _note_observed(session, batch)
    # A copy lies in no folder, whatever its key.
    containment.relink(session, [one.row["id"] for one in new if one.row["real_key"] is None], fresh=True)


_COLUMNS = [column.key for column in table_of(Artifact).columns]


def _row(one: Pending, identity: int, number: int, user: int) -> dict[str, Any]:
    series, root, said = one.series, one.root, one.artifact.__dict__
    assert root is not None  # found with the series
    return {name: said.get(name) for name in _COLUMNS} | {
        "id": identity,
        "uid": series.stem + version_suffix(number),
        "series_id": series.id,
        "number": number,
        "is_latest": True,
        "storage_id": root.id,
        "key": series.key,
        "real_key": _real_key(one),
        "content_id": one.content_id,
        "run_id": None if one.run is None else one.run.id,
        "created_at": one.at,
        "created_by_id": user,
        "origin": "api",
        "suffix": one.source.suffix,
    }


def _real_key(one: Pending) -> str | None:
    """Where the bytes are, if not at the key: a copy lies at its own, and a revision may lie anywhere."""
    if one.source.target is not None:
        return None if one.copy is None else one.copy.key
    assert one.root is not None
    place = one.source.path[len(one.root.root.rstrip("/")) + 1 :]
    return None if place == one.series.key else place


def _add_edges(session: Session, batch: Sequence[Pending]) -> None:
    """Each run has written its new versions, and written again those that were there."""
    rows = [_edge(one, one.row["id"], None) for one in batch if not one.is_known and one.run is not None]
    insert_rows(session, RunArtifact, [*rows, *_edges_again(session, batch)])


_WRITTEN = select(RunArtifact.run_id, RunArtifact.artifact_id).where(RunArtifact.direction == "output")


def _edges_again(session: Session, batch: Sequence[Pending]) -> Iterator[dict[str, Any]]:
    again = [one for one in batch if one.is_known and one.is_written]
    ids = {one.head.id for one in again if one.head is not None}
    held = {tuple(row) for row in select_in(session, _WRITTEN, RunArtifact.artifact_id, ids)}
    for one in again:
        assert one.head is not None and one.run is not None  # noqa: PT018 - it is known and written
        if (one.run.id, one.head.id) not in held:
            yield _edge(one, one.head.id, "recreated" if one.head.run_id not in (None, one.run.id) else None)


def _edge(one: Pending, artifact_id: int, role: str | None) -> dict[str, Any]:
    assert one.run is not None
    return {
        "run_id": one.run.id,
        "artifact_id": artifact_id,
        "series_id": one.series.id,
        "content_id": one.content_id,
        "direction": "output",
        "role": role,
        "observed_at": one.at,
        "origin": "api",
    }


def _note_observed(session: Session, batch: Sequence[Pending]) -> None:
    told = [one for one in batch if not one.is_known or one.is_written]
    # A series made just now says so already.
    rows = [{"id": one.series.id, "last_observed_at": one.at} for one in told if not one.series.is_new]
    update_rows(session, ArtifactSeries, rows)
    for one in told:
        one.series.last_observed_at, one.series.is_new = one.at, False
