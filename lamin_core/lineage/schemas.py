"""Schemas that events tell of: the columns of a dataset as features, the same columns as the same schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.bulk import insert_rows, reserve, select_in, update_rows
from lamin_core.lineage.facts import FieldFacts, Fields
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
    """Our type for the one that a producer names.

    >>> dtype_of("BIGINT"), dtype_of("varchar(20)"), dtype_of("timestamp_tz"), dtype_of(None)
    ('int', 'str', 'datetime', 'str')
    """
    found = (name or "").lower()
    return next((dtype for dtype, words in _TYPES if any(word in found for word in words)), "str")


def find_schemas(session: Session, wanted: Iterable[Fields]) -> dict[Fields, int]:
    """The primary key of the schema with these columns."""
    hashes = {_hash(fields): fields for fields in wanted}
    if not hashes:
        return {}
    rows = select_in(session, _BY_HASH, Schema.hash, hashes)
    found = {hashes[row.hash]: row.id for row in rows}
    missing = [fields for fields in hashes.values() if fields not in found]
    features = _features(
        session, {field.name: field for fields in hashes.values() for field in fields}, hashes.values()
    )
    made = dict(zip(missing, reserve(session, Schema, len(missing)), strict=True))
    insert_rows(session, Schema, [_schema(identity, fields) for fields, identity in made.items()])
    insert_rows(
        session,
        SchemaFeature,
        [
            {"schema_id": identity, "feature_id": feature, "position": position, "optional": False}
            for fields, identity in made.items()
            for position, feature in enumerate(dict.fromkeys(features[field.name] for field in fields))
        ],
    )
    return found | made


_BY_HASH = select(Schema.id, Schema.hash)
_FEATURES = select(Feature.id, Feature.name, Feature.uid, Feature.dtype)


def _hash(fields: Fields) -> str:
    return derived_uid(22, "fields", *(f"{field.name}:{field.type or ''}" for field in fields))


def _schema(identity: int, fields: Fields) -> dict[str, object]:
    digest = _hash(fields)
    return {"id": identity, "uid": digest[:16], "hash": digest, "n_members": len(fields), "created_at": now()}


def _features(session: Session, fields: dict[str, FieldFacts], all_fields: Collection[Fields]) -> dict[str, int]:
    """The feature for each column. One that producers type differently has the first of the types by the alphabet."""
    dtypes: dict[str, str] = {}
    for field in (field for group in all_fields for field in group):
        dtypes[field.name] = min(dtype_of(field.type), dtypes.get(field.name, "~"))
    rows = list(select_in(session, _FEATURES, Feature.name, fields))
    told = [row for row in rows if row.uid == _uid(row.name) and dtypes[row.name] < row.dtype]
    update_rows(session, Feature, [{"id": row.id, "dtype": dtypes[row.name]} for row in told])
    found = {row.name: row.id for row in rows}
    missing = sorted(name for name in fields if name not in found)
    made = dict(zip(missing, reserve(session, Feature, len(missing)), strict=True))
    insert_rows(
        session,
        Feature,
        [
            {"id": identity, "uid": _uid(name), "name": name, "dtype": dtypes[name], "created_at": now()}
            for name, identity in made.items()
        ],
    )
    return found | made


def _uid(name: str) -> str:
    return derived_uid(12, "feature", name)
