"""Tie an artifact to what it was found to hold: its schema, the features of each slot, the labels among the values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lamin_core.curation.tables import Checked
from lamin_core.db.statements import insert_missing_rows
from lamin_core.models import Artifact, ArtifactSchema, Registry, Schema, ToMany
from lamin_core.models.relations import annotation_of, relations_of
from lamin_core.models.tables import table_of
from lamin_core.saving.schemas import add_schema
from lamin_core.uids import derived_uid, random_uid


@dataclass(frozen=True, slots=True)
class Findings:
    """The validated content of a dataset by slot; a table has the slot ''."""

    schema: Schema
    slots: dict[str, Checked]

    def new_records(self) -> list[Registry]:
        """Return the records that an ontology has and this registry has not yet."""
        records: dict[int, Registry] = {}
        for checked in self.slots.values():
            for match in checked.matches.values():
                records.update((id(record), record) for record in match.records)
            records.update((id(record), record) for record in checked.members)
        return [record for record in records.values() if record.id is None]


def annotate(session: Session, artifact_id: int, findings: Findings, user_id: int) -> None:
    """Write the findings; what is there already stays once."""
    schema_id = findings.schema.id
    session.execute(update(Artifact).where(Artifact.id == artifact_id).values(schema_id=schema_id))
    links: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for slot, checked in findings.slots.items():
        for set_id in _feature_sets(session, checked, user_id):
            links[table_of(ArtifactSchema)].append(
                {
                    "artifact_id": artifact_id,
                    "schema_id": set_id,
                    "slot": slot[:64],
                    "origin": "api",
                }
            )
        for table, rows in _label_rows(artifact_id, checked):
            links[table] += rows
    for table, rows in links.items():
        insert_missing_rows(session, table, rows)


def _feature_sets(session: Session, checked: Checked, user_id: int) -> list[int]:
    """Return the set of what one slot holds, which is a schema as well."""
    ids = []
    if checked.features:
        ids.append(add_schema(session, Schema(checked.features), user_id).id)
    if checked.members:
        ids.append(_set_of(session, checked.schema, checked.members, user_id))
    return ids


def _set_of(session: Session, schema: Schema, records: Sequence[Registry], user_id: int) -> int:
    """Return the schema of exactly these records, genes for example."""
    uids = sorted(record.uid for record in records)
    digest = derived_uid(22, "set", schema.itype or "", schema.dtype or "", *uids)
    existing = session.scalar(select(Schema.id).where(Schema.hash == digest))
    if existing is not None:
        return existing
    row = Schema(itype=schema.itype, dtype=schema.dtype)
    row.uid, row.hash, row.created_by_id = random_uid(16), digest, user_id
    row.n_members = len(uids)
    session.add(row)
    session.flush()
    relation = _members_relation(type(records[0]))
    if relation is not None:
        rows = [{relation.own: row.id, relation.other: record.id} for record in records]
        insert_missing_rows(session, table_of(relation.link), rows)  # type: ignore[arg-type]
    return row.id


def _members_relation(registry: type[Registry]) -> ToMany[Any] | None:
    """Return the relation that ties schemas to records of this registry; None where there is none."""
    for relation in relations_of(Schema).values():
        if isinstance(relation, ToMany) and relation.link and relation.target is registry:
            return relation
    return None


def _label_rows(artifact_id: int, checked: Checked) -> Iterable[tuple[Any, list[dict[str, Any]]]]:
    for match in checked.matches.values():
        rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for record in match.records:
            relation = annotation_of(Artifact, type(record))
            if relation is None or relation.link is None:
                continue
            rows[table_of(relation.link)].append(
                {
                    relation.own: artifact_id,
                    relation.other: record.id,
                    "feature_id": match.feature.id,
                    "origin": "api",
                }
            )
        yield from rows.items()
