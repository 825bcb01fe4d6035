"""Labels, schemas, owners and features in events, linked to their records; links that users made are not changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import (
    delete_rows,
    free_uids,
    insert_rows,
    reserve,
    select_in,
    update_rows,
)
from lamin_core.ingest.features import tie_features
from lamin_core.models import (
    Artifact,
    ArtifactSchema,
    ArtifactULabel,
    Base,
    RunULabel,
    Schema,
    Transform,
    TransformULabel,
    ULabel,
    User,
    now,
)
from lamin_core.models.tables import table_of
from lamin_core.uids import derived_uid

Label = tuple[str, str]
"""Key and value of a tag: the label's type and its name; a tag without a value is a label without a type."""
_LINKS: dict[type[Base], tuple[type[Base], str]] = {
    Artifact: (ArtifactULabel, "artifact_id"),
    Transform: (TransformULabel, "transform_id"),
}


def label_runs(session: Session, labels: Mapping[int, Sequence[Label]]) -> None:
    """Give each of these runs just these labels, beside those that people gave. No statement where there is none."""
    if not labels:
        return
    _tie_labels(session, RunULabel, "run_id", labels)


def annotate(
    session: Session,
    kind: type[Artifact | Transform],
    attributes: Mapping[int, Mapping[str, object]],
) -> None:
    """Link each row with its latest facts; a missing name changes nothing, None removes the link."""
    if not attributes:
        return
    link, column = _LINKS[kind]
    _tie_labels(session, link, column, _named(attributes, "labels", ()))
    _own(session, kind, _named(attributes, "owner", None))
    if kind is Artifact:
        _tie_schemas(session, _named(attributes, "schema_id", None))
        _tie_checked(session, _named(attributes, "checked_schema", None))
        tie_features(session, Artifact, _named(attributes, "features", {}))


def _named(
    attributes: Mapping[int, Mapping[str, object]], name: str, nothing: object
) -> dict[int, Any]:
    return {
        identity: values[name] or nothing
        for identity, values in attributes.items()
        if name in values
    }


def _tie_labels(
    session: Session, link: type[Base], column: str, labels: Mapping[int, Iterable[Sequence[str]]]
) -> None:
    expected = {(i, (label[0], label[1])) for i, some in labels.items() for label in some}
    ids = _labels(session, {label for _, label in expected})
    table = table_of(link)
    query = select(table.c.id, table.c[column], table.c.ulabel_id).where(
        table.c.origin == "event", table.c.feature_id.is_(None)
    )
    existing = {
        (row[1], row[2]): row[0] for row in select_in(session, query, table.c[column], labels)
    }
    pairs = {(identity, ids[label]) for identity, label in expected}
    delete_rows(session, link, [row for pair, row in existing.items() if pair not in pairs])
    missing = sorted(pairs - set(existing))
    insert_rows(
        session, link, [{column: i, "ulabel_id": label, "origin": "event"} for i, label in missing]
    )


def _labels(session: Session, labels: Collection[Label]) -> dict[Label, int]:
    """The primary key of each label, made where it is new."""
    types = _get_or_create(session, {(key, None) for key, value in labels if value}, is_type=True)
    named = {
        label: (label[1], types[label[0], None]) if label[1] else (label[0], None)
        for label in labels
    }
    label_ids = _get_or_create(session, set(named.values()), is_type=False)
    return {label: label_ids[key] for label, key in named.items()}


def _get_or_create(
    session: Session, keys: Collection[tuple[str, int | None]], *, is_type: bool
) -> dict[Any, int]:
    rows = {
        (row.name, row.type_id): row.id
        for row in select_in(session, _LABELS, ULabel.name, {n for n, _ in keys})
    }
    existing = {key: rows[key] for key in keys if key in rows}
    missing = sorted((key for key in keys if key not in existing), key=str)
    created = dict(zip(missing, reserve(session, ULabel, len(missing)), strict=True))
    derived = {
        (name, type_id): derived_uid(8, "ulabel", name, str(type_id)) for name, type_id in missing
    }
    uids = free_uids(session, ULabel, derived)
    insert_rows(
        session,
        ULabel,
        [
            {
                "id": identity,
                "uid": uids[name, type_id],
                "name": name,
                "type_id": type_id,
                "is_type": is_type,
                "created_at": now(),
            }
            for (name, type_id), identity in created.items()
        ],
    )
    return existing | created


_LABELS = select(ULabel.id, ULabel.name, ULabel.type_id)


def _own(
    session: Session, kind: type[Artifact | Transform], owners: Mapping[int, str | None]
) -> None:
    users = _users(session, {owner for owner in owners.values() if owner})
    owner_ids = {i: None if owner is None else users[owner] for i, owner in owners.items()}
    rows = select_in(session, select(kind.id, kind.created_by_id), kind.id, owner_ids)
    changed = [row.id for row in rows if row.created_by_id != owner_ids[row.id]]
    update_rows(session, kind, [{"id": i, "created_by_id": owner_ids[i]} for i in changed])


def _users(session: Session, handles: Collection[str]) -> dict[str, int]:
    existing = {
        row.handle: row.id
        for row in select_in(session, select(User.id, User.handle), User.handle, handles)
    }
    missing = sorted(handle for handle in handles if handle not in existing)
    created = dict(zip(missing, reserve(session, User, len(missing)), strict=True))
    uids = free_uids(session, User, {handle: derived_uid(8, "user", handle) for handle in missing})
    rows = [{"id": i, "uid": uids[h], "handle": h, "created_at": now()} for h, i in created.items()]
    insert_rows(session, User, rows)
    return existing | created


def _tie_checked(session: Session, uids: Mapping[int, str | None]) -> None:
    """Link each artifact with the schema that it matches; without a match, an existing link stays."""
    checked = {artifact: uid for artifact, uid in uids.items() if uid}
    query = select(Schema.id, Schema.uid)
    ids = {row.uid: row.id for row in select_in(session, query, Schema.uid, set(checked.values()))}
    rows = [{"id": i, "schema_id": ids[uid]} for i, uid in checked.items() if uid in ids]
    update_rows(session, Artifact, rows)


def _tie_schemas(session: Session, schemas: Mapping[int, int | None]) -> None:
    table = table_of(ArtifactSchema)
    query = select(table.c.id, table.c.artifact_id, table.c.schema_id).where(
        table.c.origin == "event"
    )
    existing = {
        (row[1], row[2]): row[0] for row in select_in(session, query, table.c.artifact_id, schemas)
    }
    pairs = {(artifact, schema) for artifact, schema in schemas.items() if schema is not None}
    delete_rows(
        session, ArtifactSchema, [row for pair, row in existing.items() if pair not in pairs]
    )
    missing = sorted(pairs - set(existing))
    rows = [
        {"artifact_id": artifact, "schema_id": schema, "slot": "", "origin": "event"}
        for artifact, schema in missing
    ]
    insert_rows(session, ArtifactSchema, rows)
