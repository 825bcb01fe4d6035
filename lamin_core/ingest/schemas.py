"""Schemas that events describe: the columns of a dataset as features, the same columns as the same schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import free_uids, insert_rows, reserve, select_in, update_rows
from lamin_core.ingest.facts import Fields
from lamin_core.models import Feature, Schema, SchemaFeature, now
from lamin_core.uids import derived_uid

_TYPES = (
    ("bool", ("bool",)),
    ("datetime", ("timestamp", "datetime")),
    ("date", ("date",)),
    ("float", ("float", "double", "decimal", "numeric", "real", "number")),
    ("int", ("int", "long", "short", "byte", "serial")),
    ("dict", ("struct", "map", "json", "object", "record")),
)


def dtype_of(name: str | None) -> str:
    """Return our type for the one that a producer names.

    >>> dtype_of("BIGINT"), dtype_of("varchar(20)"), dtype_of("timestamp_tz"), dtype_of(None)
    ('int', 'str', 'datetime', 'str')
    """
    lowered = (name or "").lower()
    for dtype, words in _TYPES:
        if any(word in lowered for word in words):
            return dtype
    return "str"


def find_schemas(session: Session, fields_of_datasets: Iterable[Fields]) -> dict[Fields, int]:
    """Return the primary key of the schema of each of these lists of columns; make those that are new.

    Names, types and order of the columns identify a schema. Descriptions of columns belong to a
    dataset: two tables with equal columns and other comments have the same schema.
    """
    digests = {fields: schema_digest(fields) for fields in fields_of_datasets}
    if not digests:
        return {}
    columns = {digest: fields for fields, digest in digests.items()}
    ids = {row.hash: row.id for row in select_in(session, _BY_HASH, Schema.hash, columns)}
    missing = {digest: fields for digest, fields in columns.items() if digest not in ids}
    features = _features(session, columns.values())
    new_ids = dict(zip(missing, reserve(session, Schema, len(missing)), strict=True))
    members = {digest: _members(fields, features) for digest, fields in missing.items()}
    rows = [_schema_row(new_ids[digest], digest, len(members[digest])) for digest in missing]
    insert_rows(session, Schema, rows)
    member_rows: list[dict[str, object]] = []
    for digest, schema_id in new_ids.items():
        member_rows += _member_rows(schema_id, members[digest])
    insert_rows(session, SchemaFeature, member_rows)
    ids |= new_ids
    return {fields: ids[digest] for fields, digest in digests.items()}


_BY_HASH = select(Schema.id, Schema.hash)
_FEATURES = select(Feature.id, Feature.name, Feature.uid, Feature.dtype)


def schema_digest(fields: Fields) -> str:
    """Return what identifies a schema: names, types and order of its columns.

    >>> from lamin_core.ingest.facts import FieldFacts
    >>> described = (FieldFacts("day", "date", "business day"),)
    >>> schema_digest(described) == schema_digest((FieldFacts("day", "date"),))
    True
    >>> schema_digest((FieldFacts("a:b", "c"),)) == schema_digest((FieldFacts("a", "b:c"),))
    False
    """
    return derived_uid(
        22, "fields", *(f"{_escaped(field.name)}:{field.type or ''}" for field in fields)
    )


def _escaped(name: str) -> str:
    """Return the name so that the first colon behind it is where the type begins."""
    return name.replace("\\", "\\\\").replace(":", "\\:")


def _schema_row(schema_id: int, digest: str, n_members: int) -> dict[str, object]:
    return {
        "id": schema_id,
        "uid": digest[:16],
        "hash": digest,
        "n_members": n_members,
        "created_at": now(),
    }


def _members(fields: Fields, features: Mapping[str, int]) -> list[int]:
    """Return the features of these columns; a name that a dataset has twice is one member."""
    return list(dict.fromkeys(features[field.name] for field in fields))


def _member_rows(schema_id: int, members: Sequence[int]) -> list[dict[str, object]]:
    return [
        {"schema_id": schema_id, "feature_id": feature_id, "position": position, "optional": False}
        for position, feature_id in enumerate(members)
    ]


def _features(session: Session, fields_of_datasets: Collection[Fields]) -> dict[str, int]:
    """Return the feature of each column; one that producers type differently has the first type by the alphabet."""
    dtypes: dict[str, str] = {}
    for fields in fields_of_datasets:
        for field in fields:
            dtypes[field.name] = min(dtype_of(field.type), dtypes.get(field.name, "~"))
    return {name: feature.id for name, feature in find_features(session, dtypes).items()}


class TypedFeature(NamedTuple):
    """A feature as the registry has it."""

    id: int
    dtype: str


def find_features(session: Session, dtypes: Mapping[str, str]) -> dict[str, TypedFeature]:
    """Return the feature of each name, made with this type where it is new.

    One that was made from events has the first by the alphabet of all types that they name, whichever came first.
    """
    rows = list(select_in(session, _FEATURES, Feature.name, dtypes))
    features = {row.name: TypedFeature(row.id, row.dtype) for row in rows}
    retyped = {
        row.name: TypedFeature(row.id, dtypes[row.name])
        for row in rows
        if row.uid == _uid(row.name) and dtypes[row.name] < row.dtype
    }
    update_rows(session, Feature, [{"id": i, "dtype": dtype} for i, dtype in retyped.values()])
    missing = sorted(name for name in dtypes if name not in features)
    uids = free_uids(session, Feature, {name: _uid(name) for name in missing})
    created = {
        name: TypedFeature(identity, dtypes[name])
        for name, identity in zip(missing, reserve(session, Feature, len(missing)), strict=True)
    }
    new_rows = [
        {"id": i, "uid": uids[name], "name": name, "dtype": dtype, "created_at": now()}
        for name, (i, dtype) in created.items()
    ]
    insert_rows(session, Feature, new_rows)
    return features | retyped | created


def _uid(name: str) -> str:
    return derived_uid(12, "feature", name)
