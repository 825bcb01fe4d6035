"""Saving the records of a samplesheet also writes values and labels, in the same transaction.

Those are the sheet, the features that are new, the values, and the labels of the artifacts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing_rows
from lamin_core.errors import ValidationError
from lamin_core.ingest.new_rows import feature_value
from lamin_core.models import Artifact, Feature
from lamin_core.models.dtypes import Dtype, parse
from lamin_core.models.tables import table_of
from lamin_core.query.operators import OPERATORS
from lamin_core.samplesheets.registry import ArtifactRecord, Record, RecordFeatureValue
from lamin_core.saving.categoricals import Terms, unknown_terms
from lamin_core.saving.named_records import write_named

_DESCRIPTION = "_described"
"""The attribute of an unsaved record with the data of its sheet."""


@dataclass(frozen=True, slots=True)
class Described:
    """The data of one record in a samplesheet."""

    sheet: Record
    values: Mapping[str, list[object]]
    """By the name of the feature."""
    dtypes: Mapping[str, Dtype]
    """The features of all columns of the sheet."""
    artifacts: list[Artifact] = field(default_factory=list)


def described_record(name: str, described: Described) -> Record:
    """Return a record to be saved with what its sheet says."""
    record: Any = Record(name=name)
    record.__dict__[_DESCRIPTION] = described
    new: Record = record
    return new


def prepared(session: Session, records: list[Any], user: int) -> list[Any]:
    """Write the sheets of the records and the features that are new; the records are of those sheets then."""
    descriptions = [record.__dict__.get(_DESCRIPTION) for record in records]
    dtypes: dict[str, Dtype] = {}
    sheets: dict[str, Record] = {}
    for described in descriptions:
        if described is not None:
            dtypes |= described.dtypes
            sheets[described.sheet.name] = described.sheet
    if sheets:
        features = [Feature(name=name, dtype=dtype) for name, dtype in dtypes.items()]
        write_named(session, Feature, features, user)
        rows = write_named(session, Record, list(sheets.values()), user)
        ids = {str(row["name"]): row["id"] for row in rows.values()}
        for record, described in zip(records, descriptions, strict=True):
            if described is not None:
                record.__dict__["type_id"] = ids[described.sheet.name]
    return records


def written(session: Session, records: list[Any], rows: Mapping[Any, Any]) -> None:
    """Write the values and the labels of the records; they replace earlier values of the same columns."""
    described: dict[int, Described] = {}
    for record in records:
        description = record.__dict__.pop(_DESCRIPTION, None)
        if description is not None:
            described[rows[record.name, record.type_id]["id"]] = description
    if not described:
        return
    names = {name for description in described.values() for name in description.dtypes}
    query = select(Feature).where(OPERATORS["in"](Feature.name, list(names)))
    features = {feature.name: feature for feature in session.scalars(query)}
    replaced = [feature.id for feature in features.values()]
    session.execute(
        delete(RecordFeatureValue).where(
            OPERATORS["in"](RecordFeatureValue.record_id, list(described)),
            OPERATORS["in"](RecordFeatureValue.feature_id, replaced),
        )
    )
    values = _value_rows(session, features, described)
    insert_missing_rows(session, table_of(RecordFeatureValue), values)
    insert_missing_rows(session, table_of(ArtifactRecord), _label_rows(described))


def _value_rows(
    session: Session, features: Mapping[str, Feature], described: Mapping[int, Described]
) -> list[dict[str, object]]:
    rows = []
    for name, feature in features.items():
        uids = term_uids(
            session, feature, [item.values.get(name, []) for item in described.values()]
        )
        for record_id, description in described.items():
            for position, value in enumerate(description.values.get(name, [])):
                stored = uids.get(value, value) if isinstance(value, str) else value
                rows.append(
                    feature_value(feature.id, stored, position, "api") | {"record_id": record_id}
                )
    return rows


def term_uids(
    session: Session, feature: Feature, values: Iterable[Iterable[object]]
) -> dict[str, str]:
    """Return the uids of the records that the names are, of a categorical feature; of a plain one nothing.

    Raises `ValidationError`, which lists the names of none.
    """
    dtype = parse(feature.dtype)
    if not dtype.is_categorical:
        return {}
    names = list(dict.fromkeys(str(value) for several in values for value in several))
    terms, missing = Terms(session, feature, dtype).named(names)
    if missing:
        raise ValidationError(unknown_terms({str(dtype.options[0]): missing}))
    return {name: record.uid for name, record in terms.items()}


def _label_rows(described: Mapping[int, Described]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for record_id, description in described.items():
        for artifact in description.artifacts:
            link: dict[str, object] = {"artifact_id": artifact.id, "record_id": record_id}
            rows.append(link | {"feature_id": None, "origin": "api"})
    return rows
