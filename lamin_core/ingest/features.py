"""Values of features in events; values that users set are not changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import delete_rows, insert_rows, select_in
from lamin_core.errors import ValidationError
from lamin_core.ingest.feature_labels import tie_feature_labels
from lamin_core.ingest.new_rows import Row, feature_value
from lamin_core.ingest.schemas import TypedFeature, find_features
from lamin_core.models import Artifact, ArtifactFeatureValue, Base, Run, RunFeatureValue
from lamin_core.models.dtypes import Dtype, parse, validated
from lamin_core.models.tables import table_of

_IDENTITY = ("feature_id", "position", "hash")
_VALUES: dict[type[Base], tuple[type[Base], str]] = {
    Artifact: (ArtifactFeatureValue, "artifact_id"),
    Run: (RunFeatureValue, "run_id"),
}


def tie_features(
    session: Session, kind: type[Artifact | Run], values: Mapping[int, Mapping[str, object]]
) -> None:
    """Give each of these artifacts or runs just these values of features, beside those that people gave.

    A feature that does not exist is made, with the type of the value. A value of another type than
    that of its feature is left out. The values of a categorical feature are names of labels.
    No statement where there is nothing to write.
    """
    if not values:
        return
    value_model, owner = _VALUES[kind]
    features = find_features(session, _dtypes(values))
    tie_feature_labels(session, kind, values, features)
    expected = {}
    for identity, named_values in values.items():
        for row in _rows(named_values, features):
            expected[identity, *(row[name] for name in _IDENTITY)] = {owner: identity, **row}
    table = table_of(value_model)
    columns = [table.c.id, table.c[owner], *(table.c[name] for name in _IDENTITY)]
    query = select(*columns).where(table.c.origin == "event")
    existing = {tuple(row[1:]): row[0] for row in select_in(session, query, table.c[owner], values)}
    unsaid = [row for identity, row in existing.items() if identity not in expected]
    delete_rows(session, value_model, unsaid)
    missing = [row for identity, row in expected.items() if identity not in existing]
    insert_rows(session, value_model, missing)


def _rows(values: Mapping[str, object], features: Mapping[str, TypedFeature]) -> list[Row]:
    rows = []
    for name, value in values.items():
        if name not in features:
            continue
        feature, dtype = features[name]
        try:
            items = _items(name, parse(dtype), value)
        except ValidationError:
            continue
        rows += [
            feature_value(feature, item, position, "event") for position, item in enumerate(items)
        ]
    return rows


def _items(name: str, dtype: Dtype, value: object) -> list[object]:
    """The values of one feature as they are stored. Raises `ValidationError`."""
    if dtype.is_categorical:
        return []
    items = value if dtype.is_list and isinstance(value, list) else [value]
    return [validated(name, dtype, item) for item in items]


def _dtypes(values: Mapping[int, Mapping[str, object]]) -> dict[str, str]:
    """The type of each feature that is named; of values of several types the first by the alphabet."""
    dtypes: dict[str, str] = {}
    for named_values in values.values():
        for name, value in named_values.items():
            dtype = dtype_of_value(value)
            if dtype is not None:
                dtypes[name] = min(dtype, dtypes.get(name, "~"))
    return dtypes


def dtype_of_value(value: object) -> str | None:
    """The type of a feature with this JSON value; None if it is not a value of a feature.

    >>> dtype_of_value(3), dtype_of_value([1.5, 2.5]), dtype_of_value({"a": 1}), dtype_of_value([])
    ('int', 'list[float]', 'dict', None)
    """
    if isinstance(value, list):
        kinds = {dtype_of_value(item) for item in value}
        return f"list[{kinds.pop()}]" if _is_plain(kinds) else None
    names = {bool: "bool", int: "int", float: "float", str: "str", dict: "dict"}
    return names.get(type(value))


def _is_plain(kinds: Collection[str | None]) -> bool:
    return len(kinds) == 1 and set(kinds) <= {"bool", "int", "float", "str"}
