"""Schemas of datasets in events: which columns are the same schema, whatever is said of them beside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

import lamin_core as ln
from lamin_core.ingest.facts import FieldFacts, Fields
from lamin_core.ingest.schemas import find_schemas, schema_digest
from lamin_core.instance.instance import Instance
from lamin_core.models import Event as EventRow
from lamin_core.models import Schema
from lamin_core.runtime import current
from openlineage.lamin.receive.ingest import Receipt, ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.quarantine import quarantined_events, retry
from openlineage.lamin.receive.rebuild import rebuild

Column = dict[str, Any]
_TOOL = "https://example.org/tool"


@pytest.fixture
def connected(instance: Instance) -> Iterator[Instance]:
    """The instance, also for the Python API."""
    current.set_current_instance(instance)
    yield instance
    current.set_current_instance(None)


def _dataset(name: str, columns: list[Column]) -> dict[str, Any]:
    facet = {"_producer": _TOOL, "_schemaURL": _TOOL, "fields": columns}
    return {"namespace": "postgres://db:5432", "name": name, "facets": {"schema": facet}}


def _event(
    number: int,
    inputs: dict[str, list[Column]],
    outputs: dict[str, list[Column]],
    kind: str = "COMPLETE",
) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": f"2024-07-05T10:{number:02}:00Z",
        "producer": _TOOL,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": f"0197a000-0000-7000-8000-{number:012d}"},
        "job": {"namespace": "n", "name": f"job{number}"},
        "inputs": [_dataset(name, columns) for name, columns in inputs.items()],
        "outputs": [_dataset(name, columns) for name, columns in outputs.items()],
    }


def _ingest_events(instance: Instance, *events: dict[str, Any]) -> Receipt:
    return ingest(instance.db, [parse(json.dumps(event)) for event in events])


def _schema_of(table: str) -> Schema:
    artifact = ln.Artifact.get(key=table)
    schema: Schema = artifact.schemas.one()
    return schema


_DAY = {"name": "day", "type": "timestamp"}
_ID = {"name": "id", "type": "bigint"}
_VARIANTS: dict[str, tuple[list[Column], list[Column]]] = {
    "comment on one side": ([{**_DAY, "description": "business day"}, _ID], [_DAY, _ID]),
    "other comments": ([{**_ID, "description": "one"}], [{**_ID, "description": "two"}]),
    "nested fields": (
        [{"name": "point", "type": "struct", "fields": [_DAY]}],
        [{"name": "point", "type": "struct", "fields": [_ID]}],
    ),
    "ordinal positions": ([{**_DAY, "ordinal_position": 1}], [{**_DAY, "ordinal_position": 7}]),
}


@pytest.mark.parametrize("variant", _VARIANTS)
def test_columns_with_different_descriptions_are_one_schema_also_after_rebuild(
    connected: Instance, variant: str
) -> None:
    source, copy = _VARIANTS[variant]
    receipt = _ingest_events(connected, _event(1, {"orders": source}, {"orders_copy": copy}))
    assert receipt.quarantined == []
    assert _schema_of("orders") == _schema_of("orders_copy")
    maker = ln.Artifact.get(key="orders_copy").run
    assert maker is not None
    assert maker.transform.key == "job1"
    before = _schema_of("orders").uid
    rebuild(connected.db)
    assert _schema_of("orders_copy").uid == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([{"name": "a", "type": "int"}], [{"name": "a", "type": "INT"}]),
        ([_DAY, _ID], [_ID, _DAY]),
        ([{"name": "a:b", "type": "c"}], [{"name": "a", "type": "b:c"}]),
        ([{"name": "a"}], [{"name": "a", "type": "int"}]),
    ],
    ids=["case of a type", "order", "colons", "no type"],
)
def test_different_names_types_or_order_are_different_schemas(
    connected: Instance, first: list[Column], second: list[Column]
) -> None:
    receipt = _ingest_events(connected, _event(1, {"one": first}, {"two": second}))
    assert receipt.quarantined == []
    assert _schema_of("one") != _schema_of("two")


def test_duplicate_columns_empty_fields_and_many_datasets_are_accepted(connected: Instance) -> None:
    twice = [{**_ID, "description": "left"}, {**_ID, "description": "right"}]
    inputs = {"joined": twice, "empty": [], **{f"part{number}": [_ID] for number in range(3)}}
    receipt = _ingest_events(connected, _event(1, inputs, {"all": [{**_ID, "description": "key"}]}))
    assert receipt.quarantined == []
    assert ln.Artifact.get(key="empty").schemas.count() == 0
    joined = _schema_of("joined")
    assert joined.n_members == joined.features.count() == 1
    assert {_schema_of(f"part{number}").uid for number in range(3)} == {_schema_of("all").uid}


def test_start_and_complete_with_different_descriptions_are_accepted(connected: Instance) -> None:
    begun = _event(1, {"source": [{**_ID, "description": "one"}]}, {}, "START")
    ended = _event(1, {}, {"target": [{**_ID, "description": "two"}]})
    assert _ingest_events(connected, begun, ended).quarantined == []
    assert _schema_of("source") == _schema_of("target")


def test_schemas_of_the_api_and_of_events_are_separate(connected: Instance) -> None:
    _ingest_events(connected, _event(1, {}, {"orders": [{**_ID, "description": "one"}]}))
    by_hand = ln.Schema([ln.Feature.get(name="id")], name="by hand").save()
    assert by_hand != _schema_of("orders")
    assert (
        _ingest_events(
            connected, _event(2, {}, {"other": [{**_ID, "description": "two"}]})
        ).quarantined
        == []
    )
    rebuild(connected.db)
    assert _schema_of("other") == _schema_of("orders")
    assert ln.Schema.get(name="by hand") == by_hand


def test_registry_with_differently_described_columns_can_be_rebuilt(connected: Instance) -> None:
    for number, text in enumerate(("one", "two", "three")):
        _ingest_events(
            connected, _event(number, {}, {f"table{number}": [{**_ID, "description": text}]})
        )
    schema = _schema_of("table0")
    assert rebuild(connected.db).runs == 3
    assert _schema_of("table2") == schema
    assert ln.Schema.count() == 1


def test_events_quarantined_by_an_earlier_release_are_retried(connected: Instance) -> None:
    event = parse(
        json.dumps(_event(1, {"orders": [{**_ID, "description": "one"}]}, {"copy": [_ID]}))
    )
    ingest(connected.db, [event])
    with connected.db.writing() as session:  # as the former version left it
        reason = "cannot be recorded: KeyError: (FieldFacts(name='id', ...),)"
        session.execute(update(EventRow).values(kind="quarantined", run_id=None, reason=reason))
    rebuild(connected.db)
    with connected.db.reading() as session:
        assert len(list(quarantined_events(session))) == 1
    outcome = retry(connected.db)
    assert (outcome.taken, outcome.held) == (1, 0)
    assert _schema_of("orders") == _schema_of("copy")


def test_column_of_a_renamed_feature_makes_a_new_feature(connected: Instance) -> None:
    _ingest_events(connected, _event(1, {}, {"orders": [_ID]}))
    feature = ln.Feature.get(name="id")
    feature.name = "identifier"
    feature.save()
    assert _ingest_events(connected, _event(2, {}, {"other": [_ID, _DAY]})).quarantined == []
    assert ln.Feature.get(name="id") != feature
    assert rebuild(connected.db).runs == 2


def test_tag_of_a_renamed_label_makes_a_new_label(connected: Instance) -> None:
    def tagged(number: int) -> dict[str, Any]:
        event = _event(number, {}, {f"table{number}": [_ID]})
        tags = {
            "_producer": _TOOL,
            "_schemaURL": _TOOL,
            "tags": [{"key": "pii", "value": "", "source": "t"}],
        }
        event["outputs"][0]["facets"]["tags"] = tags
        return event

    assert _ingest_events(connected, tagged(1)).quarantined == []
    label = ln.ULabel.get(name="pii")
    label.name = "personal"
    label.save()
    assert _ingest_events(connected, tagged(2)).quarantined == []
    assert ln.ULabel.get(name="pii") != label


_names = st.text("ab:\\é", min_size=1, max_size=3)
_optional = st.none() | _names
_fields = st.lists(st.builds(FieldFacts, _names, _optional, _optional), min_size=1, max_size=4).map(
    tuple
)


@given(st.lists(_fields, max_size=8))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_schemas_are_equal_iff_names_types_and_order_are(
    instance: Instance, several: list[Fields]
) -> None:
    with instance.db.writing() as session:
        ids = find_schemas(session, several)
        assert find_schemas(session, several) == ids
        digests = set(session.scalars(select(Schema.hash)))
    identities = {
        fields: tuple((field.name, field.type or "") for field in fields) for fields in several
    }
    assert set(ids) == set(several)
    assert len(set(ids.values())) == len(set(identities.values()))
    assert {schema_digest(fields) for fields in several} <= digests
