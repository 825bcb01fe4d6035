"""Events over HTTP: batches where they are known, one by one where not, and no event that holds up the others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lamin_core.errors import Unavailable
from openlineage.lamin.endpoint import HttpSink
from openlineage.lamin.sinks import Refused

from .receiving import Answer, misbehaving, receiving, unused_port, without_batches

ENDPOINT = "/api/v1/lineage"


@contextmanager
def sending(url: str, api_key: str | None = None, timeout: float = 2.0) -> Iterator[HttpSink]:
    """A sink that is closed afterwards."""
    sink = HttpSink(url, api_key, timeout)
    try:
        yield sink
    finally:
        sink.close()


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"number": number, **more} for number in range(count)]


def test_many_go_in_one_request_and_one_goes_alone() -> None:
    with receiving() as receiver, sending(receiver.url + ENDPOINT, "a key") as sink:
        sink.emit(*numbered(100))
        sink.emit({"number": 100})
    assert [event["number"] for event in receiver.events] == list(range(101))
    assert [(path, count) for path, count, _ in receiver.requests] == [(f"{ENDPOINT}/batch", 100), (ENDPOINT, 1)]
    assert {headers["Authorization"] for _, _, headers in receiver.requests} == {"Bearer a key"}


def test_where_nobody_knows_batches_they_go_one_by_one() -> None:
    with receiving(without_batches) as receiver, sending(receiver.url + ENDPOINT) as sink:
        sink.emit(*numbered(3))
        sink.emit(*numbered(2))
    assert [event["number"] for event in receiver.events] == [0, 1, 2, 0, 1]
    assert [path for path, _, _ in receiver.requests] == [f"{ENDPOINT}/batch"] + [ENDPOINT] * 5  # asked once


def test_large_bodies_are_compressed_and_small_ones_are_not() -> None:
    with receiving() as receiver, sending(receiver.url + ENDPOINT) as sink:
        sink.emit(*numbered(50, text="x" * 10_000))
        sink.emit({"number": 50})
    assert len(receiver.events) == 51
    assert [headers.get("Content-Encoding") for _, _, headers in receiver.requests] == ["gzip", None]
    assert int(receiver.requests[0][2]["Content-Length"]) < 50_000


def test_whoever_does_not_take_gzip_gets_it_plain() -> None:
    refused: list[str] = []

    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        encoding = receiver.requests[-1][2].get("Content-Encoding")
        refused.extend([encoding] if encoding else [])
        return (415, b"no gzip") if encoding else (200, b"")

    with receiving(answer) as receiver, sending(receiver.url + ENDPOINT) as sink:
        sink.emit({"text": "x" * 100_000})
        sink.emit({"text": "y" * 100_000})
    assert [event["text"][0] for event in receiver.events] == ["x", "y"]
    assert refused == ["gzip"]


@pytest.mark.parametrize("batches", [True, False])
def test_an_event_that_is_refused_does_not_stop_the_others(batches: bool) -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        if path.endswith("/batch"):
            row = {"index": 2, "reason": "two is no number", "retriable": False}
            return (200, json.dumps({"failed_events": [row]}).encode()) if batches else (404, b"")
        return (400, b"two is no number") if events[0]["number"] == 2 else (201, b"")

    refused = pytest.raises(Refused, match="two is no number")
    with receiving(answer) as receiver, sending(receiver.url + ENDPOINT) as sink, refused as caught:
        sink.emit(*numbered(5))
    assert list(caught.value.reasons) == [2]
    assert {event["number"] for event in receiver.events} >= {0, 1, 3, 4}


def test_what_a_batch_calls_retriable_is_sent_again() -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        row = {"index": 1, "reason": "busy", "retriable": True}
        return (200, json.dumps({"failed_events": [row]}).encode()) if path.endswith("/batch") else (201, b"")

    with receiving(answer) as receiver, sending(receiver.url + ENDPOINT) as sink:
        sink.emit(*numbered(3))
    assert receiver.requests[-1][:2] == (ENDPOINT, 1)
    assert receiver.events[-1] == {"number": 1}


def test_503_is_tried_again_and_an_answer_that_stays_so_is_an_error() -> None:
    busy = [503, 503]

    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        return (busy.pop(), b"busy") if busy else (201, b"")

    with receiving(answer) as receiver, sending(receiver.url + ENDPOINT) as sink:
        sink.emit({"number": 1})
        assert len(receiver.requests) == 3
        busy = [503] * 10
        with pytest.raises(Unavailable, match="answered 503"):
            sink.emit({"number": 2})
    assert receiver.events == [{"number": 1}]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502])
def test_what_is_no_fault_of_the_event_keeps_it(status: int) -> None:
    refused = pytest.raises(Unavailable, match=f"answered {status}")
    with receiving(lambda *_: (status, b"not now")) as receiver, sending(receiver.url + ENDPOINT) as sink, refused:
        sink.emit(*numbered(3))
    assert receiver.events == []


@pytest.mark.parametrize("how", ["hangs", "drops", "nonsense"])
def test_an_endpoint_that_misbehaves_is_given_up_in_time(how: str) -> None:
    with misbehaving(how) as url, sending(url, timeout=0.5) as sink:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="cannot be reached"):
            sink.emit({})
        assert time.monotonic() - began < 5


def test_an_endpoint_that_nobody_serves_is_said_to_be_so() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        HttpSink(f"http://127.0.0.1:{unused_port()}").emit({})
    with pytest.raises(Unavailable, match="no HTTP address"):
        HttpSink("nonsense")


def test_a_server_that_was_restarted_is_found_again() -> None:
    with receiving() as first, sending(first.url + ENDPOINT) as sink:
        sink.emit({"number": 1})
        first.stop()
        with receiving(port=first.port) as second:
            sink.emit({"number": 2})  # over a connection that is gone
    assert (first.events, second.events) == ([{"number": 1}], [{"number": 2}])
