"""Save sets: schemas of features, collections of artifacts. The same members are the same set."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lamin_core.db.presence import check_present
from lamin_core.ingest.collection_use import note_choice
from lamin_core.models import (
    Base,
    Collection,
    CollectionArtifact,
    DeletedVersion,
    Feature,
    Schema,
    SchemaComponent,
    SchemaFeature,
)
from lamin_core.models.arguments import CollectionArguments, SchemaArguments, arguments_of
from lamin_core.runtime import current
from lamin_core.runtime.settings import settings
from lamin_core.saving.records import SavingInstance, check_saved, refresh_from
from lamin_core.uids import derived_uid, random_uid, version_suffix


def save_schema(instance: SavingInstance, schema: Schema) -> Schema:
    """Write the schema, or find the one that asks for the same."""
    arguments = arguments_of(schema, SchemaArguments)
    parts = [*(feature for feature, _ in arguments.members), *arguments.slots.values()]
    check_saved([*parts, *([arguments.index] if arguments.index else [])])
    user = instance.user_id
    with instance.db.writing() as session:
        row = add_schema(session, schema, user)
    if row is schema:
        return schema
    adopted: Schema = refresh_from(schema, row)
    return adopted


def add_schema(session: Session, schema: Schema, user_id: int) -> Schema:
    """Return the row with the same content as this new schema; add one if there is none."""
    arguments = arguments_of(schema, SchemaArguments)
    members, slots, index = arguments.members, arguments.slots, arguments.index
    digest = _digest(schema, members, slots, index)
    row = session.scalar(select(Schema).where(Schema.hash == digest))
    if row is None:
        row = schema
        row.uid, row.hash, row.created_by_id = random_uid(16), digest, user_id
        row.index_id = None if index is None else index.id
        session.add(row)
        session.flush()
        session.add_all(_parts(row.id, members, slots))
    return row


def _parts(
    schema_id: int, members: list[tuple[Feature, bool]], slots: dict[str, Schema]
) -> list[Base]:
    features = [
        SchemaFeature(
            schema_id=schema_id, feature_id=feature.id, position=position, optional=is_optional
        )
        for position, (feature, is_optional) in enumerate(members)
    ]
    parts = [
        SchemaComponent(composite_id=schema_id, slot=slot, component_id=component.id)
        for slot, component in slots.items()
    ]
    return [*features, *parts]


def _digest(
    schema: Schema,
    members: list[tuple[Feature, bool]],
    slots: dict[str, Schema],
    index: Feature | None,
) -> str:
    """What it asks for; names and descriptions ask for nothing."""
    features = [feature.uid + ("?" if is_optional else "") for feature, is_optional in members]
    parts = features if schema.ordered_set else sorted(features)
    usual = {
        "itype": "Feature" if members else None,
        "dtype": None,
        "minimal_set": True,
        "maximal_set": False,
    }
    usual |= {"ordered_set": False, "coerce": False, "flexible": not members and not slots}
    options = {name: getattr(schema, name) for name in usual}
    parts += [f"{name}={value}" for name, value in sorted(options.items()) if value != usual[name]]
    parts += [f"{slot}:{component.hash}" for slot, component in sorted(slots.items())]
    parts += [] if index is None else [f"index={index.uid}"]
    return derived_uid(22, "schema", schema.otype or "", *parts)


def save_collection(instance: SavingInstance, collection: Collection) -> Collection:
    """Write the collection, or find the one with these artifacts."""
    members = arguments_of(collection, CollectionArguments).members
    check_saved(members)
    digest = derived_uid(22, "collection", *sorted({artifact.uid for artifact in members}))
    run, user = current.current_run(), instance.user_id
    with instance.db.writing() as session:
        check_present(session, members)
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
        if run is not None and settings.track_run_inputs:
            note_choice(session, run, members)
    if row is collection:
        return collection
    adopted: Collection = refresh_from(collection, row)
    return adopted


def _new_collection(session: Session, collection: Collection, digest: str) -> Collection:
    same_key = Collection.key == collection.key
    stem = derived_uid(16, "collection", collection.key)
    deleted = (
        select(func.max(DeletedVersion.number)).where(DeletedVersion.stem == stem).scalar_subquery()
    )
    last = select(func.max(Collection.number)).where(same_key).scalar_subquery()
    numbers = session.execute(select(last, deleted)).one()
    session.execute(update(Collection).where(same_key).values(is_latest=False))
    collection.number = 1 + max((number for number in numbers if number is not None), default=-1)
    collection.is_latest, collection.hash = True, digest
    collection.uid = stem + version_suffix(collection.number)
    session.add(collection)
    session.flush()
    return collection
