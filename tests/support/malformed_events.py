"""Real events gone wrong, in every way that a producer, a proxy or an enemy might think of."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Event
from tests.openlineage_.conftest import at, run_of

DEEP = 10_000
WRONG: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "huge": 10**300,
    "infinite": float("inf"),
    "NaN": float("nan"),
    "text": "text",
    "empty": "",
    "surrogate": "a\ud800b",
    "NUL": "a\x00b",
    "list": [],
    "nulls": [None, None],
    "object": {},
    "lists": [[["a"]]],
    "long": "x" * 100_000,
}


def originals() -> list[Event]:
    """A run that has everything, from start to end."""
    parent = run_of(1, "workflow")
    run = run_of(2, "step", parent, params={"rounds": 3}, details={"threads": 4})
    read, output = (
        Dataset("file", "/in.txt", "ab" * 32, "blake3", 3),
        Dataset("s3://bucket", "out.txt"),
    )
    return [
        events.start(run, at(1), inputs=[read]),
        events.complete(run, at(2), outputs=[output]),
        events.fail(run, at(3), "it broke", outputs=[output]),
        _plain(
            "JobEvent",
            job=_thing("j", documentation={"description": "d"}, tags={"tags": [{"key": "k"}]}),
        ),
        _plain(
            "DatasetEvent", dataset=_thing("d", schema={"fields": [{"name": "a", "type": "int"}]})
        ),
    ]


def _plain(kind: str, **fields: Any) -> Event:
    schema = f"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{kind}"
    return {"eventTime": "2026-01-01T00:00:00Z", "producer": "urn:x", "schemaURL": schema, **fields}


def _thing(name: str, **facets: Any) -> Event:
    return {"namespace": "n", "name": name, "facets": facets}


def mutants(every: int = 1) -> Iterator[tuple[str, bytes]]:
    """The malformed events, each with a word on its fault; of those with a wrong value, one in `every`."""
    number = 0
    for which, event in enumerate(originals()):
        for path in _paths(event):
            for name, value in WRONG.items():
                number += 1
                if number % every == 0:
                    yield (
                        f"{which} {'.'.join(map(str, path))} {name}",
                        _dump(_with(event, path, value)),
                    )
            yield f"{which} {'.'.join(map(str, path))} missing", _dump(_without(event, path))
    yield from _texts(_dump(originals()[1]))


def _texts(event: bytes) -> Iterator[tuple[str, bytes]]:
    yield (
        "duplicate keys",
        event[:-1] + b',"eventType":"FAIL","run":{"runId":"other"},"run":{"runId":"third"}}',
    )
    yield "an integer of 5,000 digits", event[:-1] + b',"big":' + b"9" * 5000 + b"}"
    yield "a number beyond all", event[:-1] + b',"big":1e999}'
    yield "deep lists", event[:-1] + b',"deep":' + b"[" * DEEP + b"]" * DEEP + b"}"
    yield "deep objects", event[:-1] + b',"deep":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}"
    for depth in (100, 200, 300, 400, 500, 900):
        facet = b'{"a":' * depth + b"1" + b"}" * depth
        yield f"{depth} deep", event.replace(b'"facets":{', b'"facets":{"deep":' + facet + b",", 1)
        yield f"{depth} deep list", event[:-1] + b',"deep":' + b"[" * depth + b"]" * depth + b"}"
    yield "nothing but depth", b"[" * 100_000
    yield "UTF-16", event.decode().encode("utf-16")
    yield "with a byte order mark", b"\xef\xbb\xbf" + event
    yield "no UTF-8", event.replace(b"step", b"st\xff\xfep")
    yield "UTF-8 of a surrogate", event.replace(b"step", b"st\xed\xa0\x80p")
    yield "half an escape", event.replace(b"step", b"st\\ud83dp")
    yield "a bad escape", event.replace(b"step", b"st\\xp")
    yield "a control character", event.replace(b"step", b"st\x01p")
    yield "something behind it", event + b"{}"
    yield "a comma too many", event[:-1] + b",}"
    yield "two lines", event + b"\n" + event
    yield "an array", b"[" + event + b"]"
    yield "white space around it", b"\r\n\t " + event + b" \n"
    for length in (1, 2, len(event) // 2, len(event) - 1):
        yield f"broken off at {length}", event[:length]
    for text in (
        b"",
        b" ",
        b"null",
        b"true",
        b"1",
        b'"text"',
        b"[]",
        b"{}",
        b"NaN",
        b"\x00",
        b"<xml/>",
        b"a=b&c=d",
    ):
        yield repr(text), text


def _dump(event: Event) -> bytes:
    return json.dumps(event).encode()


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in it, but for those inside of facets below their first level."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for name, item in inner:
        yield (*above, name)
        if len(above) < 4:
            yield from _paths(item, (*above, name))


def _with(event: Event, path: tuple[Any, ...], value: Any) -> Event:
    changed = copy.deepcopy(event)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return changed


def _without(event: Event, path: tuple[Any, ...]) -> Event:
    changed = copy.deepcopy(event)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return changed
