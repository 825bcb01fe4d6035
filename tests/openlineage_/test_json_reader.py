"""The same bytes are the same event on every way in, on both databases; what goes out is strict JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy import text as sql

import lamin_core as ln
from lamin_core.db.database import Database
from lamin_core.errors import MalformedEvent
from lamin_core.instance.instance import Instance
from lamin_core.models import Event as Row
from lamin_core.models import Run
from openlineage.lamin.export.events import export
from openlineage.lamin.http.batch import slices
from openlineage.lamin.receive import json_reader
from openlineage.lamin.receive.ingest import Receipt, ingest
from openlineage.lamin.receive.json_reader import MAX_DEPTH
from openlineage.lamin.receive.parse import ParsedEvent, parse, stored
from openlineage.lamin.receive.replay import replay

SCALARS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e308",
    "1E+0999",
    "9" * 400,
    f"{'9' * 400}.0",
    "-0.0",
]
TEXTS = [
    r'"\ud800"',
    r'"\udc00\ud800"',
    r'"\ud83d\ude00"',
    r'"a\u0000b"',
    '"NaN"',
    '"é"',
    r'"\\u0000"',
    '"[{"',
    "null",
]
NAMES = ['"a"', '"b"', r'"\ud800"', r'"a\u0000"', '"é"', '"NaN"']
SPACES = ["", " ", "\t", "\r\n", "\n"]

_space = st.sampled_from(SPACES)
_leaf = (
    st.sampled_from(SCALARS + TEXTS) | st.integers().map(str) | st.text(max_size=5).map(json.dumps)
)


def _array(parts: list[str], space: str) -> str:
    return "[" + f"{space},{space}".join(parts) + "]"


def _object(members: list[tuple[str, str]], space: str) -> str:
    """Names may come twice."""
    return "{" + ",".join(f"{name}{space}:{value}" for name, value in members) + space + "}"


_value = st.recursive(
    _leaf,
    lambda inner: (
        st.builds(_array, st.lists(inner, max_size=3), _space)
        | st.builds(_object, st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=4), _space)
    ),
    max_leaves=12,
)
_deep = st.integers(1, 1500).map(lambda depth: "[" * depth + "]" * depth)


def event_text(value: str, number: int = 1, space: str = "") -> str:
    """An event with this JSON in a parameter and in a facet."""
    run_id = f"00000000-0000-7000-8000-{number:012d}"
    urls = '"_producer":"urn:x","_schemaURL":"urn:y"'
    params = f'"lamin_run":{{{urls},"params":{{"p":{value}}}}}'
    run = f'{{"runId":"{run_id}","facets":{{{params},"other":{{{urls},"value":{value}}}}}}}'
    times = '"eventType":"COMPLETE","eventTime":"2026-01-01T00:00:00Z"'
    head = f'{times},"producer":"urn:x","schemaURL":"urn:y"'
    return f'{{{head},{space}"run":{run},"job":{{"namespace":"n","name":"j"}}}}'


_events = st.builds(event_text, _value | _deep, st.just(1), _space)
_documents = _events | _value | _deep
_around = st.sampled_from([("", ""), ("\ufeff", ""), (" \r\n", "\n"), ("\ufeff \t", "\r\n")])


@settings(max_examples=300, deadline=None)
@given(_documents, _around)
def test_same_bytes_have_one_hash_verdict_and_value_by_every_input(
    text: str, around: tuple[str, str]
) -> None:
    before, after = around
    expected = _outcome(text)
    assert _outcome(f"{before}{text}{after}") == expected
    assert _outcome(f"{before}{text}{after}".encode()) == expected
    assert _outcome_in_array(f"{before}[{text}{after.strip()}]{after}") == expected
    assert _outcome_in_array(f'[{{"x": [1]}}, {text}\n, 3]', 1) == expected
    assert _outcome_read_as_large(text) == expected
    if isinstance(expected, tuple) and expected[0] != "refused":
        assert json_reader.read_again(text) == expected[2]


def _outcome(text: str | bytes) -> Any:
    try:
        event = parse(text)
    except MalformedEvent as error:
        return "refused", error.message
    return _facts(event)


def _facts(event: ParsedEvent) -> Any:
    return event.kind, event.hash, event.data, event.reason, event.run_id, event.body


def _outcome_in_array(text: str, index: int = 0) -> Any:
    (part,) = slices(text)
    if index in part.malformed:
        return "refused", part.malformed[index]
    return _facts(part.events[index])


def _outcome_read_as_large(text: str) -> Any:
    """Read it as a body of megabytes is read, but for the facets that are left out there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "LARGE", 0)
        patch.setattr(json_reader, "is_left_out", lambda name, size, limit: False)
        return _outcome(text)


@settings(max_examples=300, deadline=None)
@given(_documents)
def test_strict_line_is_json_of_one_line_with_the_same_hash(text: str) -> None:
    before = _outcome(text)
    if before[0] == "refused":
        return
    line = json_reader.strict_line(text)
    assert "\n" not in line
    json.loads(line, parse_constant=_not_json)
    assert _outcome(line)[:2] == before[:2]


def _not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("depth", [MAX_DEPTH - 5, 5 * MAX_DEPTH, 100_000])
def test_maximum_depth_does_not_depend_on_the_stack(depth: int) -> None:
    text = event_text("[" * depth + "]" * depth)
    first = _outcome(text)
    assert (first[0] == "refused") is (depth > MAX_DEPTH)
    assert _outcome_at_stack_depth(300, text) == first
    assert _outcome_in_array(f"[{text}]") == first


def _outcome_at_stack_depth(frames: int, text: str) -> Any:
    return _outcome(text) if frames == 0 else _outcome_at_stack_depth(frames - 1, text)


CORPUS = [
    *SCALARS,
    *TEXTS,
    '{"a":NaN,"a":1}',
    '{"a":1,"a":NaN}',
    "[[1e400]]",
    r'{"\ud800":"\u0000"}',
    '[{"x":-1e999}]',
]


@pytest.fixture
def both(tmp_path: Path, postgres_url: str) -> Any:
    """A registry on each of the databases."""
    instances = [
        Instance.create(tmp_path / "sqlite", "./data"),
        Instance.create(tmp_path / "postgresql", "./data", postgres_url),
    ]
    yield [instance.db for instance in instances]
    for instance in instances:
        instance.db.dispose()


def test_both_databases_have_the_same_rows_for_every_input(both: list[Database]) -> None:
    texts = [event_text(value, number) for number, value in enumerate(CORPUS, start=1)]
    sqlite, postgresql = both
    assert _ingest(sqlite, texts) == Receipt(len(texts), 0, {})
    (part,) = slices(f"[{','.join(texts)}]")
    assert part.malformed == {}
    assert ingest(postgresql, part.events.values()) == Receipt(len(texts), 0, {})
    rows = _rows(sqlite)
    assert rows == _rows(postgresql)
    assert len(rows) == len(texts)
    for database in both:
        _assert_all_duplicates(database, texts)
        assert _rows(database) == rows


def _ingest(database: Database, texts: list[str]) -> Receipt:
    return ingest(database, [parse(text) for text in texts])


def _assert_all_duplicates(database: Database, texts: list[str]) -> None:
    """On every way, and from its own export."""
    (part,) = slices(f"[{','.join(texts)}]")
    assert ingest(database, part.events.values()).taken == 0
    assert _ingest(database, texts).taken == 0
    report = replay(database, [text.encode() + b"\r\n" for text in texts])
    assert (report.taken, report.known, report.unreadable) == (0, len(texts), [])
    with database.reading() as session:
        lines = list(export(session))
        for row in session.execute(select(Row.__table__)):
            assert stored(row).data == parse(row.body).data
    for line in lines:
        json.loads(line, parse_constant=_not_json)
    assert _ingest(database, lines).taken == 0


def _rows(database: Database) -> list[Any]:
    with database.reading() as session:
        query = select(Run.uid, Run.params, Run.details).order_by(Run.uid)
        return [(params, details) for _, params, details in session.execute(query)]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_value, min_size=1, max_size=5))
def test_any_value_is_recorded_the_same_on_both_databases(
    both: list[Database], values: list[str]
) -> None:
    texts = [event_text(value, 1) for value in values]
    receipts = [_ingest(database, texts) for database in both]
    assert receipts[0] == receipts[1]
    assert receipts[0].reasons == {}
    assert _rows(both[0]) == _rows(both[1])


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ('{"a":NaN}', "57944c474b699fbf"),
        ('{"a":1e400,"b":"\\u0000"}', "61434809d2dd14d5"),
        ('{"b":[1.0,"é"],"a":{"x":null,"x":true}}', "e311f6742e2f0560"),
        ('{"a":"\\ud800","\\ud800":-1e999}', "59dcf54942fe298e"),
    ],
)
def test_hash_equals_that_of_events_stored_earlier(text: str, digest: str) -> None:
    assert parse(text).hash.startswith(digest)


def test_export_of_non_finite_numbers_is_strict_json(embedded: Instance) -> None:
    transform = ln.Transform(key="train").save()
    ln.Run(transform, params={"loss": 1.0}).save()
    with embedded.db.writing() as session:  # as earlier versions wrote it; today it is refused
        session.execute(
            sql('UPDATE run SET params = \'{"loss": NaN, "bounds": [-Infinity, 1.5]}\'')
        )
    with embedded.db.reading() as session:
        lines = list(export(session))
    events = [json.loads(line, parse_constant=_not_json) for line in lines]
    (params,) = [_params(event) for event in events if _params(event)]
    assert params == {"loss": "NaN", "bounds": ["-Infinity", 1.5]}


def _params(event: dict[str, Any]) -> Any:
    facets = event.get("run", {}).get("facets", {})
    return facets.get("lamin_run", {}).get("params")
