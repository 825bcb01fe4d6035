"""Rules that the rows of all tables keep, checked by SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, case, delete, exists, func, or_, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from lamin_core.admin.fsck.problem import Problem
from lamin_core.enums import MANAGED
from lamin_core.ingest.reversion import refold
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Collection,
    Content,
    Note,
    Registry,
    Run,
    RunArtifact,
    RunChange,
    Storage,
    Transform,
)
from lamin_core.models.deleted import is_remembered
from lamin_core.models.note import note_of
from lamin_core.models.relations import is_named
from lamin_core.storage.locations import is_below, is_place
from lamin_core.uids import version_suffix

Rows = Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A question whose answer is empty when all is well; how to say a row of it, and how to mend one."""

    kind: str
    ask: Callable[[Session], Rows]
    say: str
    """With the columns of a row in braces."""
    mend_row: Callable[[Session, Row[Any]], None] | None = None
    hint: str = "`lamin fsck --repair`"

    def find(self, session: Session) -> list[Problem]:
        """The problems of the rows that break the rule."""
        rows = self.ask(session)
        return [
            Problem(self.kind, self.say.format(**row._mapping), self.hint, row._mapping.get("uid"))
            for row in rows
        ]

    def mend(self, session: Session) -> int:
        """Mend what breaks it; how many rows that were."""
        if self.mend_row is None:
            return 0
        rows = self.ask(session)
        for row in rows:
            self.mend_row(session, row)
        session.flush()
        return len(rows)


def _artifacts_without_one_latest(session: Session) -> Rows:
    return _without_one_latest(session, Artifact, Artifact.series_id, Artifact.deleted_at.is_(None))


def _transforms_without_one_latest(session: Session) -> Rows:
    return _without_one_latest(session, Transform, Transform.series_id)


def _collections_without_one_latest(session: Session) -> Rows:
    return _without_one_latest(session, Collection, Collection.key)


def _without_one_latest(session: Session, versions: Any, series: Any, *counted: Any) -> Rows:
    """The series that are not led by exactly one version; what is in the trash does not count."""
    latest = func.sum(case((versions.is_latest, 1), else_=0))
    query = select(
        series.label("series"), func.min(versions.key).label("key"), latest.label("latest")
    )
    return session.execute(query.where(*counted).group_by(series).having(latest != 1)).all()


def _lead_by_the_last(session: Session, versions: Any, series: Any, value: Any) -> None:
    """Let the version with the highest number lead."""
    rows = session.scalars(select(versions).where(series == value).order_by(versions.number)).all()
    for row in rows:
        row.is_latest = False
    session.flush()
    rows[-1].is_latest = True


def _mend_transforms(session: Session, row: Row[Any]) -> None:
    _lead_by_the_last(session, Transform, Transform.series_id, row.series)


def _mend_collections(session: Session, row: Row[Any]) -> None:
    _lead_by_the_last(session, Collection, Collection.key, row.series)


def _refold(session: Session, row: Row[Any]) -> None:
    """Compute the versions, numbers and edges of the series again from its observations."""
    refold(session, [row.series])


def _misplaced_artifacts(session: Session) -> Rows:
    """Versions whose uid, key or storage is not what their series and number say."""
    moved = or_(
        Artifact.key.is_distinct_from(ArtifactSeries.key),
        Artifact.storage_id != ArtifactSeries.storage_id,
    )
    columns = (
        Artifact.uid,
        Artifact.number,
        Artifact.series_id.label("series"),
        ArtifactSeries.stem,
        moved.label("moved"),
    )
    rows = session.execute(
        select(*columns).join(ArtifactSeries, ArtifactSeries.id == Artifact.series_id)
    ).all()
    return [row for row in rows if row.moved or row.uid != row.stem + version_suffix(row.number)]


def _put_in_place(session: Session, row: Row[Any]) -> None:
    series = session.get_one(ArtifactSeries, row.series)
    artifact = session.scalars(select(Artifact).where(Artifact.uid == row.uid)).one()
    artifact.uid = series.stem + version_suffix(artifact.number)
    artifact.key, artifact.storage_id = series.key, series.storage_id


def _outside(session: Session) -> Rows:
    """Versions whose recorded path cannot be in their storage."""
    suspicious = or_(
        Artifact.key.contains(".."),
        Artifact.real_key.contains(".."),
        ~Artifact.real_key.startswith(f"{MANAGED}/"),
        Artifact.real_key.like(f"{MANAGED}/%/%"),
        Artifact.real_key.contains("\\", autoescape=True),
    )
    query = select(
        Artifact.uid,
        Artifact.key,
        Artifact.real_key,
        Artifact.series_id.label("series"),
        Storage.root,
    )
    query = (
        query.join(Storage, Storage.id == Artifact.storage_id)
        .where(suspicious)
        .order_by(Artifact.id)
    )
    return session.execute(query).all()


def _copies_outside(session: Session) -> Rows:
    return [
        row for row in _outside(session) if row.real_key is not None and not is_place(row.real_key)
    ]


def _keys_outside(session: Session) -> Rows:
    rows = []
    for row in _outside(session):
        is_inside = row.root == "/" or is_below(row.key or "")
        if row.real_key is None and not is_inside:
            rows.append(row)
    return rows


def _forget_copy(session: Session, row: Row[Any]) -> None:
    """Remove the path of the copy from the row, because this copy does not exist."""
    artifact = session.scalars(select(Artifact).where(Artifact.uid == row.uid)).one()
    artifact.real_key, artifact.key = None, session.get_one(ArtifactSeries, row.series).key


def _strayed_edges(session: Session) -> Rows:
    """Edges that name one series and a version of another."""
    query = select(
        RunArtifact.id, Artifact.uid, Artifact.series_id.label("series"), Run.uid.label("run")
    )
    query = query.join(Artifact, Artifact.id == RunArtifact.artifact_id).join(
        Run, Run.id == RunArtifact.run_id
    )
    return session.execute(query.where(RunArtifact.series_id != Artifact.series_id)).all()


def _bring_back(session: Session, row: Row[Any]) -> None:
    session.get_one(RunArtifact, row.id).series_id = row.series


def _idle_stubs(session: Session) -> Rows:
    """Runs that only another one spoke of, and now none does."""
    return session.execute(
        select(Run.id, Run.uid).where(Run.origin == "stub", ~is_named(Run, but=RunChange))
    ).all()


def _drop_run(session: Session, row: Row[Any]) -> None:
    session.execute(delete(Run).where(Run.id == row.id))


def _unused_contents(session: Session) -> Rows:
    return session.execute(select(Content.id, Content.hash).where(~is_named(Content))).all()


def _drop_content(session: Session, row: Row[Any]) -> None:
    session.execute(delete(Content).where(Content.id == row.id))


def _broken_pointers(session: Session) -> Rows:
    """Rows that name a row which is not there; PostgreSQL keeps that from happening itself."""
    if session.get_bind().dialect.name != "sqlite":
        return []
    query = 'SELECT "table" AS pointing, rowid AS row_id, parent AS target FROM pragma_foreign_key_check'
    return session.execute(text(query)).all()


def find_damage(session: Session) -> list[Problem]:
    """The damage that SQLite itself finds in its file; checked first, as damaged pages can break other checks."""
    if session.get_bind().dialect.name != "sqlite":
        return []
    messages = []
    try:
        for row in session.execute(text("PRAGMA integrity_check")):
            messages.append(row[0])
    except DBAPIError as error:  # it may stumble itself
        messages.append(str(error.orig))
    return [
        Problem("database", f"SQLite says: {message}", _BACKUP)
        for message in messages
        if message != "ok"
    ]


def _unknown_transforms(session: Session) -> Rows:
    """Runs of code that the registry does not know."""
    has_transform = exists().where(Transform.id == Run.transform_id)
    return session.execute(select(Run.uid).where(~has_transform)).all()


def _empty_series(session: Session) -> Rows:
    """Series that have no version and are named by nothing."""
    artifacts = select(ArtifactSeries.id, ArtifactSeries.key.label("key")).where(
        ~is_named(ArtifactSeries), ~is_remembered(ArtifactSeries.stem)
    )
    return session.execute(artifacts).all()


def _drop_series(session: Session, row: Row[Any]) -> None:
    session.execute(delete(ArtifactSeries).where(ArtifactSeries.id == row.id))


def _notes_on_nothing(session: Session) -> Rows:
    """Notes on deleted records; older versions did not remove them."""
    tables = {*session.scalars(select(Note.table_name).distinct())}
    kinds = [mapper.class_ for mapper in Registry.registry.mappers]
    registries = [kind for kind in kinds if issubclass(kind, Registry)]
    return [
        row
        for registry in registries
        if registry.__tablename__ in tables
        for row in _unattached(session, registry)
    ]


def _unattached(session: Session, registry: type[Registry]) -> Rows:
    notes = select(Note.table_name.label("table"), Note.record_uid.label("uid"))
    notes = notes.where(Note.table_name == registry.__tablename__)
    return session.execute(notes.where(~exists().where(note_of(registry)))).all()


def _drop_note(session: Session, row: Row[Any]) -> None:
    is_it = Note.table_name == row.table, Note.record_uid == row.uid
    session.execute(delete(Note).where(*is_it))


_LATEST = "the versions of {key!r} are led by {latest} of them instead of one"
_BACKUP = "`lamin restore FILE`, with the last one that `lamin backup` wrote"
_OUTSIDE = "artifact {uid} is said to lie at {place!r}, which is not below its storage {root}"
RULES = (
    Rule("pointer", _broken_pointers, "row {row_id} of {pointing} names a row of {target} that is not there", None,
         _BACKUP),
    Rule("transform", _unknown_transforms, "run {uid} is of a transform that is not there", None,
         _BACKUP),
    Rule("latest", _artifacts_without_one_latest, _LATEST, _refold),
    Rule("latest", _transforms_without_one_latest, _LATEST, _mend_transforms),
    Rule("latest", _collections_without_one_latest, _LATEST, _mend_collections),
    Rule("version", _misplaced_artifacts, "artifact {uid} is not where its series has number {number}", _put_in_place),
    Rule("outside", _copies_outside, _OUTSIDE.replace("{place", "{real_key"), _forget_copy,
         "`lamin fsck --repair` forgets that place; nothing there is touched"),
    Rule("outside", _keys_outside, _OUTSIDE.replace("{place", "{key"), None,
         "`lamin delete artifact UID --permanent` removes the record; nothing there is touched"),
    Rule("edge", _strayed_edges, "run {run} is tied to artifact {uid} as one of another series", _bring_back),
    Rule("stub", _idle_stubs, "run {uid} was only spoken of, by a run that is gone", _drop_run),
    Rule("content", _unused_contents, "content {hash} is that of no artifact", _drop_content),
    Rule("series", _empty_series, "the series of {key!r} has no version", _drop_series),
    Rule("note", _notes_on_nothing, "a note is on {table} {uid}, which is not there", _drop_note),
)  # fmt: skip

__all__ = ["RULES", "Rule", "find_damage"]
