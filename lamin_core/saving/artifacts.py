"""Save artifacts: bytes first, then all rows in one short transaction of few statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_rows, reserve, select_in, update_rows
from lamin_core.errors import Conflict, Hint, InvalidArgument
from lamin_core.ingest import containment, new_rows
from lamin_core.ingest.datasets import Bytes, content_for, contents_of
from lamin_core.models import Artifact, ArtifactSeries, Run, RunArtifact, Storage
from lamin_core.models.arguments import ArtifactArguments, arguments_of
from lamin_core.models.tables import table_of
from lamin_core.runtime import current
from lamin_core.saving import versioning
from lamin_core.saving.annotations import check_values, write_values
from lamin_core.saving.records import SavingInstance, assign_row, check_saved, refresh_from
from lamin_core.saving.versioning import ArtifactDraft
from lamin_core.storage.blobs import Copy, copy_in, holds
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import is_remote, managed_key, spare_key


def save_artifact(instance: SavingInstance, artifact: Artifact) -> Artifact:
    """Write the artifact, or find the version that has these bytes."""
    save_artifacts(instance, [artifact])
    return artifact


def save_artifacts(instance: SavingInstance, artifacts: Iterable[Artifact]) -> None:
    """Write them all, or none; those whose bytes are the newest version under their key become that version."""
    pending = [_draft(artifact) for artifact in artifacts]
    for draft in pending:
        _check(draft)
    _check_features(instance, pending)
    _copy(pending)
    user = instance.user_id
    with instance.db.writing() as session:
        _keep_copies(session, pending)
        _find_contents(session, pending)
        versioning.find_series(session, pending)
        for batch in _rounds(pending):
            _write(session, batch, user)
        _annotate(session, pending)
    for draft in pending:
        if draft.is_known:
            refresh_from(draft.artifact, draft.head)
        else:
            assign_row(draft.artifact, draft.row)
        _discard_temporary(draft.artifact)


def _annotate(session: Session, pending: Sequence[ArtifactDraft]) -> None:
    """Tie those that were validated to what they were found to hold."""
    for draft in pending:
        arguments = arguments_of(draft.artifact, ArtifactArguments)
        if arguments.features:
            write_values(session, _written(session, draft), arguments.features)
        annotate = arguments.annotate
        if annotate is not None:
            annotate(session, draft.head.id if draft.is_known and draft.head else draft.row["id"])
            if draft.is_known and draft.head is not None:
                session.refresh(draft.head)
            else:
                draft.row["schema_id"] = session.scalar(
                    select(Artifact.schema_id).where(Artifact.id == draft.row["id"])
                )


def _written(session: Session, draft: ArtifactDraft) -> Artifact:
    """The version that the draft has become."""
    if draft.is_known and draft.head is not None:
        return draft.head
    return session.get_one(Artifact, draft.row["id"])


def _check_features(instance: SavingInstance, pending: Sequence[ArtifactDraft]) -> None:
    """Raise `ValidationError` for values of features that do not fit, before any bytes are copied."""
    for draft in pending:
        features = arguments_of(draft.artifact, ArtifactArguments).features
        if features:
            with instance.db.reading() as session:
                check_values(session, draft.artifact, features)


def _draft(artifact: Artifact) -> ArtifactDraft:
    arguments = arguments_of(artifact, ArtifactArguments)
    assert arguments.source is not None, "whatever makes an artifact prepares its source"
    return ArtifactDraft(artifact, arguments.source, _run(arguments.run), arguments.revises)


def _discard_temporary(artifact: Artifact) -> None:
    arguments = arguments_of(artifact, ArtifactArguments)
    if arguments.discard is not None:
        arguments.discard()
    arguments.discard = None


def _run(requested: Run | bool | None) -> Run | None:
    if requested is False:
        return None
    run: object = current.current_run() if requested is None else requested
    if run is not None and not isinstance(run, Run):
        raise InvalidArgument(
            f"not a run: {run!r}", hint="run=ln.Run.get(...), or run=False for none"
        )
    if run is not None:
        check_saved([run])
    return run


def _check(draft: ArtifactDraft) -> None:
    artifact, source = draft.artifact, draft.source
    if source.target is None:
        if source.seen is not None and not source.seen.stands(source.path):
            raise Conflict(
                f"{source.path!r} changed before it was saved",
                hint="make the Artifact again, from the file as it is now",
            )
    elif artifact.key is None and artifact.description is None and draft.run is None:
        raise InvalidArgument(
            "an artifact needs a key, a description or a run to be found by",
            hint=Hint('Artifact(path, key="raw/a.csv")', command="lamin save PATH --key raw/a.csv"),
        )


def _copy(pending: Sequence[ArtifactDraft]) -> None:
    """Copy what is to be copied into its storage, each content once; of what stays in place, a spare."""
    copies: dict[tuple[str, str], Copy] = {}
    for draft in pending:
        source = draft.source
        target = source.target or source.spare
        if target is not None and source.seen is not None:
            name = spare_key if source.target is None else managed_key
            key = name(source.seen.digest, source.suffix)
            draft.copy = copies.setdefault(
                (target.root, key), Copy(Path(source.path), source.seen, target.root, key)
            )
    is_new = dict(zip(copies, copy_in(list(copies.values())), strict=True))
    for draft in pending:
        draft.is_new_copy = draft.copy is not None and is_new[draft.copy.root, draft.copy.key]


def _keep_copies(session: Session, pending: Sequence[ArtifactDraft]) -> None:
    """Look again, now that no other process writes: a copy that existed may have been deleted meanwhile.

    Not in a bucket where a record has its bytes: those stay, and others need not wait for the
    answer.
    """
    copies = (draft.copy for draft in pending if draft.copy is not None and not draft.is_new_copy)
    existing = {(copy.root, copy.key): copy for copy in copies}
    far = {key for root, key in existing if is_remote(root)}
    named = {tuple(row) for row in select_in(session, _COPIES, Artifact.real_key, far)}
    for copy in (existing[location] for location in existing.keys() - named):
        if not holds(copy.root, copy.key, copy.seen.digest):
            copy_in([copy])


_COPIES = select(Storage.root, Artifact.real_key).join(Storage, Storage.id == Artifact.storage_id)


def _find_contents(session: Session, pending: Sequence[ArtifactDraft]) -> None:
    digests = {draft.source.content for draft in pending if draft.source.content is not None}
    if len(digests) == 1:  # the common case, in one statement
        ids = {digest: content_for(session, digest) for digest in digests}
    else:
        contents = contents_of(session, {_bytes(digest): digest.n_files for digest in digests})
        ids = {digest: contents[_bytes(digest)].id for digest in digests}
    for draft in pending:
        draft.content_id = None if draft.source.content is None else ids[draft.source.content]


def _bytes(digest: Digest) -> Bytes:
    return digest.hash, digest.hash_type, digest.size


def _rounds(pending: Sequence[ArtifactDraft]) -> Iterator[list[ArtifactDraft]]:
    """Batches in which each series is once: the next version of the same series sees the one before."""
    remaining = list(pending)
    while remaining:
        batch: dict[int, ArtifactDraft] = {}
        later = [
            draft for draft in remaining if batch.setdefault(draft.series.id, draft) is not draft
        ]
        yield list(batch.values())
        remaining = later


def _write(session: Session, batch: Sequence[ArtifactDraft], user: int) -> None:
    versioning.find_heads(session, batch)
    versioning.tell_moments(batch)
    new = [draft for draft in batch if not draft.is_known]
    for draft in batch:
        if draft.is_known and draft.head is not None:
            draft.head.description = draft.artifact.description or draft.head.description
    numbers = versioning.next_numbers(session, new)
    for draft, number, identity in zip(
        new, numbers, reserve(session, Artifact, len(new)), strict=True
    ):
        draft.row = _row(draft, identity, number, user)
    insert_rows(session, Artifact, [draft.row for draft in new])
    _add_edges(session, batch)
    _note_observed(session, batch)
    # A copy lies in no folder, whatever its key.
    containment.relink(
        session, [draft.row["id"] for draft in new if draft.row["real_key"] is None], is_new=True
    )


_COLUMNS = [column.key for column in table_of(Artifact).columns]


def _row(draft: ArtifactDraft, identity: int, number: int, user: int) -> dict[str, object]:
    series, root, values = draft.series, draft.root, vars(draft.artifact)
    assert root is not None  # found with the series
    row = new_rows.artifact_version(
        series,
        number,
        is_latest=True,
        key=series.key,
        suffix=draft.source.suffix,
        content_id=draft.content_id,
        run_id=None if draft.run is None else draft.run.id,
        created_at=draft.at,
        origin="api",
    )
    # A revision may lie in another storage than its series.
    own = {"id": identity, "storage_id": root.id, "real_key": _real_key(draft)}
    return {name: values.get(name) for name in _COLUMNS} | row | own | {"created_by_id": user}


def _real_key(draft: ArtifactDraft) -> str | None:
    """The path of the bytes if it is not the key: a copy has its own path, and a revision can be anywhere."""
    if draft.source.target is not None:
        return None if draft.copy is None else draft.copy.key
    assert draft.root is not None
    key = draft.source.path[len(draft.root.root.rstrip("/")) + 1 :]
    return None if key == draft.series.key else key


def _add_edges(session: Session, batch: Sequence[ArtifactDraft]) -> None:
    """Add the edges: each run wrote its new versions, and rewrote those that existed."""
    rows = [
        _edge(draft, draft.row["id"], None)
        for draft in batch
        if not draft.is_known and draft.run is not None
    ]
    insert_rows(session, RunArtifact, [*rows, *_edges_again(session, batch)])


_WRITTEN = select(RunArtifact.run_id, RunArtifact.artifact_id).where(
    RunArtifact.direction == "output"
)


def _edges_again(session: Session, batch: Sequence[ArtifactDraft]) -> Iterator[dict[str, object]]:
    again = [draft for draft in batch if draft.is_known and draft.is_written]
    ids = {draft.head.id for draft in again if draft.head is not None}
    existing = {tuple(row) for row in select_in(session, _WRITTEN, RunArtifact.artifact_id, ids)}
    for draft in again:
        assert draft.head is not None and draft.run is not None  # noqa: PT018 - it is known and written
        if (draft.run.id, draft.head.id) not in existing:
            yield _edge(
                draft,
                draft.head.id,
                "recreated" if draft.head.run_id not in (None, draft.run.id) else None,
            )


def _edge(draft: ArtifactDraft, artifact_id: int, role: str | None) -> dict[str, object]:
    assert draft.run is not None
    return new_rows.edge(
        draft.run.id,
        artifact_id,
        draft.series.id,
        "output",
        content_id=draft.content_id,
        observed_at=draft.at,
        role=role,
        origin="api",
    )


def _note_observed(session: Session, batch: Sequence[ArtifactDraft]) -> None:
    observed = [draft for draft in batch if not draft.is_known or draft.is_written]
    # A series made just now says so already.
    rows = [
        {"id": draft.series.id, "last_observed_at": draft.at}
        for draft in observed
        if not draft.series.is_new
    ]
    update_rows(session, ArtifactSeries, rows)
    for draft in observed:
        draft.series.last_observed_at, draft.series.is_new = draft.at, False
