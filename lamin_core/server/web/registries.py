"""The pages of a collection, a feature, a schema and a storage, and what those of labels share with them."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from lamin_core.errors import NotFound
from lamin_core.models import (
    Artifact,
    ArtifactFeatureValue,
    ArtifactSchema,
    Collection,
    CollectionArtifact,
    Content,
    Feature,
    Note,
    Registry,
    Run,
    Schema,
    SchemaFeature,
    Storage,
    Transform,
)
from lamin_core.models.note import note_of
from lamin_core.server.web.page import Data, Page, mappings

R = TypeVar("R", bound=Registry)
_MANY = 200
_ARTIFACT = ("uid", "key", "size", "created_at")


def collection(session: Session, *, uid: str) -> Data:
    """A collection: four statements."""
    record, notes = record_with_notes(session, Collection, uid)
    versions = session.execute(
        select(Collection.uid, Collection.number, Collection.created_at)
        .where(Collection.key == record.key)
        .order_by(Collection.number.desc())
        .limit(_MANY)
    )
    maker = session.execute(
        select(Run.uid, Transform.key)
        .join(Transform, Run.transform_id == Transform.id)
        .where(Run.id == record.run_id)
    ).first()
    members = (
        _artifact_rows()
        .join(CollectionArtifact, CollectionArtifact.artifact_id == Artifact.id)
        .where(CollectionArtifact.collection_id == record.id)
        .order_by(CollectionArtifact.position)
    )
    return {
        "notes": notes,
        **fields(record, "uid", "key", "number", "is_latest", "description", "hash", "created_at"),
        "run": None if maker is None else {"uid": maker[0], "transform": maker[1]},
        "versions": mappings(versions, "uid", "number", "created_at"),
        "artifacts": mappings(session.execute(members.limit(_MANY)), *_ARTIFACT),
    }


def feature(session: Session, *, uid: str) -> Data:
    """A feature, its schemas, and artifacts with a value for it: three statements."""
    record, notes = record_with_notes(session, Feature, uid)
    schemas = session.execute(
        select(Schema.uid, Schema.name, Schema.n_members)
        .join(SchemaFeature, SchemaFeature.schema_id == Schema.id)
        .where(SchemaFeature.feature_id == record.id)
        .limit(_MANY)
    )
    valued = select(ArtifactFeatureValue.artifact_id).where(
        ArtifactFeatureValue.feature_id == record.id
    )
    return {
        "notes": notes,
        **fields(record, "uid", "name", "dtype", "unit", "description", "synonyms", "created_at"),
        "schemas": mappings(schemas, "uid", "name", "n_members"),
        "artifacts": artifacts_where(session, Artifact.id.in_(valued)),
    }


def schema(session: Session, *, uid: str) -> Data:
    """A schema, its columns, and the artifacts that it was found to fit: three statements."""
    record, notes = record_with_notes(session, Schema, uid)
    columns = session.execute(
        select(Feature.uid, Feature.name, Feature.dtype, SchemaFeature.optional)
        .join(SchemaFeature, SchemaFeature.feature_id == Feature.id)
        .where(SchemaFeature.schema_id == record.id)
        .order_by(SchemaFeature.position)
        .limit(_MANY)
    )
    fitting = select(ArtifactSchema.artifact_id).where(ArtifactSchema.schema_id == record.id)
    has_it = (Artifact.schema_id == record.id) | Artifact.id.in_(fitting)
    return {
        "notes": notes,
        **fields(record, "uid", "name", "description", "n_members", "created_at"),
        "columns": mappings(columns, "uid", "name", "dtype", "optional"),
        "artifacts": artifacts_where(session, has_it),
    }


def storage(session: Session, *, uid: str) -> Data:
    """A storage, and the newest artifacts in it: three statements."""
    record, notes = record_with_notes(session, Storage, uid)
    count = session.scalar(select(func.count()).where(Artifact.storage_id == record.id))
    return {
        "notes": notes,
        **fields(record, "uid", "root", "type", "is_managed", "created_at"),
        "count": count or 0,
        "artifacts": artifacts_where(session, Artifact.storage_id == record.id),
    }


def record_with_notes(session: Session, registry: type[R], uid: str) -> tuple[R, str | None]:
    """The record with this uid, and the notes on it; one in the trash as well, which says so itself."""
    query = select(registry, Note.text).outerjoin(Note, note_of(registry))
    row = session.execute(query.where(registry.uid == uid)).first()
    if row is None:
        name = registry.__name__.lower()
        raise NotFound(f"no {name} has the uid {uid!r}", hint="look for it with the search")
    return row[0], row[1]


def fields(record: Registry, *names: str) -> Data:
    """These fields of the record, by name."""
    return {name: getattr(record, name) for name in names}


def _artifact_rows() -> Select[Any]:
    return select(Artifact.uid, Artifact.key, Content.size, Artifact.created_at).outerjoin(
        Content, Artifact.content_id == Content.id
    )


def artifacts_where(session: Session, condition: ColumnElement[bool]) -> list[Data]:
    """The newest artifacts for which this holds: one statement."""
    query = _artifact_rows().where(condition, Artifact.deleted_at.is_(None))
    return mappings(session.execute(query.order_by(Artifact.id.desc()).limit(_MANY)), *_ARTIFACT)


PAGES = (
    Page("/collection/{uid}", collection, "collection.html", table="artifacts"),
    Page("/feature/{uid}", feature, "feature.html", table="artifacts"),
    Page("/schema/{uid}", schema, "schema.html", table="columns"),
    Page("/storage/{uid}", storage, "storage.html", table="artifacts"),
)
