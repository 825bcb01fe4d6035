"""How each kind of record is saved: in one short transaction, finding what is there already."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from blake3 import blake3
from sqlalchemy import delete as delete_rows
from sqlalchemy import func, inspect, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, make_transient_to_detached

from lamin_core import context
from lamin_core.db import Database
from lamin_core.errors import Conflict, InvalidArgument, NotFound
from lamin_core.files import Files, Source
from lamin_core.lineage import series as versions
from lamin_core.lineage.facts import TransformFacts
from lamin_core.lineage.recording import transform_for
from lamin_core.lineage.usage import add_edge, link
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    Base,
    Collection,
    CollectionArtifact,
    Feature,
    Registry,
    Run,
    Schema,
    SchemaFeature,
    Transform,
    ULabel,
    now,
)
from lamin_core.models.artifact import UNSET
from lamin_core.storage import copy_in, is_remote, managed_key
from lamin_core.uids import derived_uid, new_run_id, random_uid, run_uid, version_suffix

R = TypeVar("R")
_UID_LENGTHS = {"ULabel": 8, "Feature": 12, "Schema": 16, "User": 8, "Storage": 12}


class Place(Protocol):
    """What saving needs of an instance."""

    db: Database
    storage: str

    @property
    def files(self) -> Files:
        """The files of the instance."""

    @property
    def user_id(self) -> int:
        """Who is at work."""


def save(place: Place, record: R) -> R:
    """Write the record, or find the one that it is. Raises `Conflict`, `InvalidArgument` or `Unavailable`."""
    if _is_saved(record):
        return _update(place, record)
    saver: Any = _SAVERS.get(type(record), _save_named)
    saved: R = saver(place, record)
    return saved


def _is_saved(record: Any) -> bool:
    return bool(inspect(record).has_identity)


def _update(place: Place, record: R) -> R:
    with place.db.writing() as session:
        session.merge(record)
    return record


def _adopt(record: Any, row: Any) -> Any:
    """Make the object that the user holds the saved one, with the values of the row."""
    for attribute in inspect(type(record)).column_attrs:
        record.__dict__[attribute.key] = getattr(row, attribute.key)
    make_transient_to_detached(record)
    return record


# -- artifacts ---------------------------------------------------------------------------------------------------


def _save_artifact(place: Place, artifact: Artifact) -> Artifact:
    source: Source = artifact.__dict__["_source"]
    run = _run_of(artifact)
    _check_described(artifact, run)
    if source.copies:
        assert source.content is not None
        artifact.real_key = managed_key(source.content, source.suffix)
        copy_in(Path(source.path), place.storage, artifact.real_key, source.content)
    user = place.user_id
    with place.db.writing() as session, session.no_autoflush:
        series = _series_of(session, place, artifact, source)
        content_id = None if source.content is None else versions.content_for(session, source.content)
        head = versions.head_of(session, series)
        if head is not None and head.content_id == content_id and content_id is not None:
            if run is not None and _wrote(run, source):
                link(session, run.id, head, "output", "recreated" if head.run_id not in (None, run.id) else None)
            head.description = artifact.description or head.description
            saved = head
        else:
            saved = _new_artifact(session, series, artifact, head, content_id, source, run, user)
    saved.__dict__.update(_source=source)
    artifact.__dict__.pop("_temporary", _nothing)()
    return saved if saved is artifact else _adopt(artifact, saved)


def _wrote(run: Run, source: Source) -> bool:
    """Whether the run may have made these bytes: a file in place that is older than the run is only named by it."""
    if source.copies or run.started_at is None or is_remote(source.path):
        return True
    return os.stat(source.path).st_mtime >= run.started_at.timestamp()


def _nothing() -> None:
    """No temporary file to remove."""


def _new_artifact(
    session: Session,
    series: ArtifactSeries,
    artifact: Artifact,
    head: Artifact | None,
    content_id: int | None,
    source: Source,
    run: Run | None,
    user: int,
) -> Artifact:
    artifact.origin, artifact.suffix, artifact.created_by_id = "api", source.suffix, user
    at = _after(series.last_observed_at)
    run_id = None if run is None else run.id
    versions.new_version(session, series, head, at, content_id, run_id=run_id, artifact=artifact)
    if run_id is not None:
        add_edge(session, run_id, artifact, "output", at)
    series.last_observed_at = at
    return artifact


def _run_of(artifact: Artifact) -> Run | None:
    asked = artifact.__dict__.get("_asked_run", UNSET)
    if asked is False:
        return None
    run: Run | None = context.current_run() if asked is UNSET or asked is None else asked
    return run


def _check_described(artifact: Artifact, run: Run | None) -> None:
    source: Source = artifact.__dict__["_source"]
    if source.copies and artifact.key is None and artifact.description is None and run is None:
        raise InvalidArgument(
            "an artifact needs a key, a description or a run to be found by", hint='Artifact(path, key="raw/a.csv")'
        )


def _series_of(session: Session, place: Place, artifact: Artifact, source: Source) -> ArtifactSeries:
    revises: Artifact | None = artifact.__dict__.get("_revises")
    if revises is not None:
        return session.get_one(ArtifactSeries, revises.series_id)
    if not source.copies:
        return versions.series_at(session, source.path, versions.roots(session))
    root = place.files.managed()
    if artifact.key is not None:
        return versions.series_for(session, root, artifact.key)
    series = ArtifactSeries(stem=random_uid(16), storage_id=root.id, key=None)
    session.add(series)
    session.flush()
    return series


def _after(last: datetime | None) -> datetime:
    """Now, but not before what was observed already, should the clocks differ."""
    at = now()
    return at if last is None or last < at else last + timedelta(microseconds=1)


# -- transforms and runs -----------------------------------------------------------------------------------------


def _save_transform(place: Place, transform: Transform) -> Transform:
    source = transform.source_code
    facts = TransformFacts(
        namespace=transform.namespace,
        key=transform.key,
        kind=transform.kind,
        source=source,
        source_hash=None if source is None else blake3(source.encode()).hexdigest(),
        language=transform.language,
        description=transform.description,
        reference=transform.reference,
        reference_type=transform.reference_type,
    )
    user = place.user_id
    with place.db.writing() as session:
        row = transform_for(session, facts, now(), origin="api")
        row.origin, row.created_by_id = "api", row.created_by_id or user
        session.flush()
    adopted: Transform = _adopt(transform, row)
    return adopted


def _save_run(place: Place, run: Run) -> Run:
    user = place.user_id
    run.external_id = new_run_id()
    run.uid = run_uid(run.external_id)
    run.engine, run.origin, run.cached, run.attempt = run.engine or "python", "api", False, 1
    run.started_at = run.created_at = now()
    run.created_by_id, run.host, run.pid = user, host(), os.getpid()
    with place.db.writing() as session:
        session.add(run)
    return run


@cache
def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


# -- labels, features, schemas, collections ----------------------------------------------------------------------


def _save_named(place: Place, record: Any) -> Any:
    """A record known by its name: one with that name is that record."""
    with place.db.writing() as session:
        row = session.scalar(_same(record))
        if row is None:
            row = record
            row.uid = random_uid(_UID_LENGTHS[type(record).__name__])
            session.add(row)
            session.flush()
        elif isinstance(record, Feature) and record.dtype != row.dtype:
            raise Conflict(f"feature {row.name!r} is {row.dtype}, not {record.dtype}", hint="choose another name")
    return record if row is record else _adopt(record, row)


def _same(record: Any) -> Any:
    kind = type(record)
    name = kind._name_field
    query = select(kind).where(getattr(kind, name) == getattr(record, name))
    if kind is ULabel:
        typed = ULabel.type_id.is_(None) if record.type_id is None else ULabel.type_id == record.type_id
        query = query.where(typed)
    return query


def _save_schema(place: Place, schema: Schema) -> Schema:
    members: list[Feature] = schema.__dict__["_members"]
    _check_saved(members)
    digest = derived_uid(22, "schema", schema.otype or "", *sorted(feature.uid for feature in members))
    with place.db.writing() as session:
        row = session.scalar(select(Schema).where(Schema.hash == digest))
        if row is None:
            row = schema
            row.uid, row.hash = random_uid(16), digest
            session.add(row)
            session.flush()
            session.add_all(
                SchemaFeature(schema_id=row.id, feature_id=feature.id, position=place)
                for place, feature in enumerate(members)
            )
    if row is schema:
        return schema
    adopted: Schema = _adopt(schema, row)
    return adopted


def _save_collection(place: Place, collection: Collection) -> Collection:
    members: list[Artifact] = collection.__dict__["_members"]
    _check_saved(members)
    digest = derived_uid(22, "collection", *sorted({artifact.uid for artifact in members}))
    run, user = context.current_run(), place.user_id
    with place.db.writing() as session:
        same_key = select(Collection).where(Collection.key == collection.key)
        row = session.scalar(same_key.where(Collection.hash == digest))
        if row is None:
            row = _new_collection(session, collection, digest)
            row.run_id, row.created_by_id = None if run is None else run.id, user
            session.flush()
            unique = {artifact.id: artifact for artifact in members}
            session.add_all(
                CollectionArtifact(collection_id=row.id, artifact_id=artifact_id, position=position)
                for position, artifact_id in enumerate(unique)
            )
    if row is collection:
        return collection
    adopted: Collection = _adopt(collection, row)
    return adopted


def _new_collection(session: Session, collection: Collection, digest: str) -> Collection:
    same_key = Collection.key == collection.key
    newest = session.scalar(select(func.max(Collection.number)).where(same_key))
    session.execute(update(Collection).where(same_key).values(is_latest=False))
    collection.number = 0 if newest is None else newest + 1
    collection.is_latest, collection.hash = True, digest
    collection.uid = derived_uid(16, "collection", collection.key) + version_suffix(collection.number)
    session.add(collection)
    session.flush()
    return collection


def _check_saved(members: Iterable[Registry]) -> None:
    for member in members:
        if member.id is None:
            raise InvalidArgument(f"{member!r} is not saved", hint="call .save() first")


class Records(list[Any]):
    """Records made or found together; `save` writes those that are new in one transaction."""

    def __init__(self, place: Place, records: Iterable[Any]) -> None:
        super().__init__(records)
        self._place = place

    def save(self) -> Records:
        """Write the new ones; returns itself."""
        save_all(self._place, self)
        return self


def save_all(place: Place, records: Iterable[Any]) -> None:
    """Save many records: those that are known by a name in one transaction, the others one by one."""
    named: list[Any] = []
    for record in records:
        if type(record) in _SAVERS or _is_saved(record):
            save(place, record)
        else:
            named.append(record)
    with place.db.writing() as session:
        for record in named:
            record.uid = record.uid or random_uid(_UID_LENGTHS[type(record).__name__])
        try:
            session.add_all(named)
            session.flush()
            return
        except IntegrityError:
            session.rollback()
    for record in named:  # some of the names are there already
        save(place, record)


def from_values(place: Place, registry: Any, values: Iterable[str], *, create: bool) -> Records:
    """The records with these names, in their order; with `create` the missing ones are made, unsaved."""
    names = list(dict.fromkeys(values))
    field = registry._name_field
    with place.db.reading() as session:
        column = getattr(registry, field)
        found: dict[str, Any] = {}
        for start in range(0, len(names), 1000):
            rows = session.scalars(select(registry).where(column.in_(names[start : start + 1000])))
            found.update((getattr(row, field), row) for row in rows)
    made = ((found.get(name) or (registry(**{field: name}) if create else None)) for name in names)
    return Records(place, (record for record in made if record is not None))


def delete(place: Place, record: Base) -> None:
    """Remove the record and what ties it to others. Raises `NotFound`, and `Conflict` while others need it."""
    kind: Any = type(record)
    try:
        with place.db.writing() as session:
            removed = session.execute(delete_rows(kind).where(kind.id == record.id))  # type: ignore[attr-defined]
            if not removed.rowcount:  # type: ignore[attr-defined]
                raise NotFound(f"{record!r} is not in the registry")
            if isinstance(record, Artifact) and record.is_latest:
                _promote(session, record.series_id)
    except IntegrityError as error:
        raise Conflict(f"{record!r} is needed by other records", hint="remove those first") from error


def _promote(session: Session, series_id: int) -> None:
    newest = session.scalar(
        select(Artifact).where(Artifact.series_id == series_id).order_by(Artifact.number.desc()).limit(1)
    )
    if newest is not None:
        newest.is_latest = True


_SAVERS: dict[type[Any], Callable[[Place, Any], Any]] = {
    Artifact: _save_artifact,
    Transform: _save_transform,
    Run: _save_run,
    Schema: _save_schema,
    Collection: _save_collection,
}
