"""Events over HTTP: batches where they are known, one by one where not, and no event that holds up the others."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lamin_core.errors import Unavailable
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.sinks import PermanentRejection
from tests.support.receivers import (
    ENDLESS,
    Answer,
    misbehaving,
    receiving,
    unused_port,
    without_batches,
)

ENDPOINT = "/api/v1/lineage"


@contextmanager
def closing_http_sink(
    url: str, api_key: str | None = None, timeout: float = 2.0
) -> Iterator[HttpSink]:
    """A sink that is closed afterwards."""
    sink = HttpSink(url, api_key, timeout)
    try:
        yield sink
    finally:
        sink.close()


def numbered_events(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"number": number, **more} for number in range(count)]


def test_several_events_are_one_batch_request_and_one_event_a_single_request() -> None:
    with receiving() as receiver, closing_http_sink(receiver.url + ENDPOINT, "a key") as sink:
        sink.emit(*numbered_events(100))
        sink.emit({"number": 100})
    assert [event["number"] for event in receiver.events] == list(range(101))
    assert [(path, count) for path, count, _ in receiver.requests] == [
        (f"{ENDPOINT}/batch", 100),
        (ENDPOINT, 1),
    ]
    assert {headers["Authorization"] for _, _, headers in receiver.requests} == {"Bearer a key"}


def test_without_batch_support_events_are_sent_one_by_one() -> None:
    with receiving(without_batches) as receiver, closing_http_sink(receiver.url + ENDPOINT) as sink:
        sink.emit(*numbered_events(3))
        sink.emit(*numbered_events(2))
    assert [event["number"] for event in receiver.events] == [0, 1, 2, 0, 1]
    assert [path for path, _, _ in receiver.requests] == [f"{ENDPOINT}/batch"] + [
        ENDPOINT
    ] * 5  # asked once


def test_only_large_bodies_are_compressed() -> None:
    with receiving() as receiver, closing_http_sink(receiver.url + ENDPOINT) as sink:
        sink.emit(*numbered_events(50, text="x" * 10_000))
        sink.emit({"number": 50})
    assert len(receiver.events) == 51
    assert [headers.get("Content-Encoding") for _, _, headers in receiver.requests] == [
        "gzip",
        None,
    ]
    assert int(receiver.requests[0][2]["Content-Length"]) < 50_000


def test_server_that_refuses_gzip_gets_plain_bodies() -> None:
    refused: list[str] = []

    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        encoding = receiver.requests[-1][2].get("Content-Encoding")
        refused.extend([encoding] if encoding else [])
        return (415, b"no gzip") if encoding else (200, b"")

    with receiving(answer) as receiver, closing_http_sink(receiver.url + ENDPOINT) as sink:
        sink.emit({"text": "x" * 100_000})
        sink.emit({"text": "y" * 100_000})
    assert [event["text"][0] for event in receiver.events] == ["x", "y"]
    assert refused == ["gzip"]


@pytest.mark.parametrize("batches", [True, False])
def test_refused_event_does_not_stop_the_others(batches: bool) -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        if path.endswith("/batch"):
            row = {"index": 2, "reason": "two is no number", "retriable": False}
            return (200, json.dumps({"failed_events": [row]}).encode()) if batches else (404, b"")
        return (400, b"two is no number") if events[0]["number"] == 2 else (201, b"")

    refused = pytest.raises(PermanentRejection, match="two is no number")
    with (
        receiving(answer) as receiver,
        closing_http_sink(receiver.url + ENDPOINT) as sink,
        refused as caught,
    ):
        sink.emit(*numbered_events(5))
    assert list(caught.value.reasons) == [2]
    assert {event["number"] for event in receiver.events} >= {0, 1, 3, 4}


def test_retriable_event_of_a_batch_is_sent_again() -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        row = {"index": 1, "reason": "busy", "retriable": True}
        return (
            (200, json.dumps({"failed_events": [row]}).encode())
            if path.endswith("/batch")
            else (201, b"")
        )

    with receiving(answer) as receiver, closing_http_sink(receiver.url + ENDPOINT) as sink:
        sink.emit(*numbered_events(3))
    assert receiver.requests[-1][:2] == (ENDPOINT, 1)
    assert receiver.events[-1] == {"number": 1}


def test_503_is_retried_and_a_repeated_503_raises_unavailable() -> None:
    busy = [503, 503]

    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        return (busy.pop(), b"busy") if busy else (201, b"")

    with receiving(answer) as receiver, closing_http_sink(receiver.url + ENDPOINT) as sink:
        sink.emit({"number": 1})
        assert len(receiver.requests) == 3
        busy = [503] * 10
        with pytest.raises(Unavailable, match="answered 503"):
            sink.emit({"number": 2})
    assert receiver.events == [{"number": 1}]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502])
def test_error_that_is_not_caused_by_the_event_raises_unavailable(status: int) -> None:
    refused = pytest.raises(Unavailable, match=f"answered {status}")
    with (
        receiving(lambda *_: (status, b"not now")) as receiver,
        closing_http_sink(receiver.url + ENDPOINT) as sink,
        refused,
    ):
        sink.emit(*numbered_events(3))
    assert receiver.events == []


@pytest.mark.parametrize("how", ["hangs", "drops", "nonsense"])
def test_misbehaving_endpoint_is_given_up_within_the_timeout(how: str) -> None:
    with misbehaving(how) as url, closing_http_sink(url, timeout=0.5) as sink:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="cannot be reached"):
            sink.emit({})
        assert time.monotonic() - began < 5


def test_unreachable_or_invalid_endpoint_raises_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        HttpSink(f"http://127.0.0.1:{unused_port()}").emit({})
    with pytest.raises(Unavailable, match="not an HTTP address"):
        HttpSink("nonsense")


def test_restarted_server_is_reconnected() -> None:
    with receiving() as first, closing_http_sink(first.url + ENDPOINT) as sink:
        sink.emit({"number": 1})
        first.stop()
        with receiving(port=first.port) as second:
            sink.emit({"number": 2})  # over a connection that is gone
    assert (first.events, second.events) == ([{"number": 1}], [{"number": 2}])


# -- what is an acknowledgement
# ----------------------------------------------------------------------

_PAGE = b"\n<!DOCTYPE html><html><title>Sign in</title><form></form></html>"
ACKNOWLEDGED = [
    (201, b""),  # Marquez
    (200, b""),
    (204, b""),
    (202, b"\r\n"),
    (200, b"null"),  # FastAPI
    (200, b'{"status": "success", "message": "Lineage event processed"}'),  # OpenMetadata
    (200, b"[" + b"1," * 200 + b"1]"),
    (201, b"OK"),
    (200, b"Created"),
]
UNACKNOWLEDGED = [
    (200, _PAGE, "answered 200 with a page"),
    (201, b"\xef\xbb\xbf" + _PAGE, "answered 201 with a page"),
    (200, b"<?xml version='1.0'?><ok/>", "answered 200 with a page"),
    (200, b"Welcome to this proxy. " * 10, "answered 200 with text that is no acknowledgement"),
    (200, b'{"status": "' + b"x" * 200, "answered 200 with text that is no acknowledgement"),
    (200, b"[" + b"1," * 600_000 + b"1]", "answered 200 with more than 1048576 bytes"),
    (302, b"", "answered 302: it redirects to"),
    (307, _PAGE, "answered 307: it redirects to"),
]


@pytest.mark.parametrize(("status", "body"), ACKNOWLEDGED)
def test_answers_of_openlineage_receivers_are_acknowledgements(status: int, body: bytes) -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        return (404, b"") if path.endswith("/batch") else (status, body)

    with receiving(answer) as receiver, closing_http_sink(receiver.url + ENDPOINT) as sink:
        sink.emit(*numbered_events(3))
    assert receiver.events == numbered_events(3)


@pytest.mark.parametrize(("status", "body", "problem"), UNACKNOWLEDGED)
@pytest.mark.parametrize("count", [1, 3])
def test_answers_of_other_servers_are_not_acknowledgements(
    status: int, body: bytes, problem: str, count: int
) -> None:
    unavailable = pytest.raises(Unavailable, match=problem)
    with (
        receiving(lambda *_: (status, body)) as receiver,
        closing_http_sink(receiver.url + ENDPOINT) as sink,
    ):
        with unavailable as caught:
            sink.emit(*numbered_events(count))
        assert str(caught.value.hint).startswith("set OPENLINEAGE_URL")


def test_control_characters_of_an_answer_are_not_in_the_error() -> None:
    page = b"\x1b]0;owned\x07" * 50
    unavailable = pytest.raises(Unavailable)
    with (
        receiving(lambda *_: (500, page)) as receiver,
        closing_http_sink(receiver.url) as sink,
        unavailable as caught,
    ):
        sink.emit({})
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("how", ENDLESS)
def test_endless_answer_costs_little_memory_and_time(how: str) -> None:
    script = (
        "import resource, sys, time\n"
        "from lamin_core.errors import Unavailable\n"
        "from openlineage.lamin.emit.http_sink import HttpSink\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "sink = HttpSink(sys.argv[1], timeout=1.0)\n"
        "before, begin = peak(), time.monotonic()\n"
        "try: sink.emit({})\n"
        "except Unavailable as error: print(error.message)\n"
        "print(peak() - before, time.monotonic() - begin)\n"
    )
    with misbehaving(how) as url:
        done = subprocess.run(
            [sys.executable, "-c", script, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    message, figures = done.stdout.splitlines()
    kilobytes, seconds = map(float, figures.split())
    assert url in message
    assert kilobytes < 30_000
    assert seconds < 5  # once; without the deadline it never ends


def test_batch_with_incomplete_verdict_is_sent_again_one_by_one() -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        if path.endswith("/batch"):
            verdict = {"summary": {"failed": 2}, "failed_events": [{"index": 0, "reason": "no"}]}
            return 200, json.dumps(verdict).encode()
        return (400, b"no") if events[0]["number"] in (0, 2) else (201, b"")

    refused = pytest.raises(PermanentRejection)
    with (
        receiving(answer) as receiver,
        closing_http_sink(receiver.url + ENDPOINT) as sink,
        refused as caught,
    ):
        sink.emit(*numbered_events(4))
    assert sorted(caught.value.reasons) == [0, 2]


@pytest.mark.parametrize("key", ["", " ", "\n", None])
def test_blank_key_is_not_sent(key: str | None) -> None:
    with receiving() as receiver, closing_http_sink(receiver.url + ENDPOINT, key) as sink:
        sink.emit({"number": 1})
    assert "Authorization" not in receiver.requests[0][2]


def test_whitespace_around_a_key_is_not_sent() -> None:
    with receiving() as receiver, closing_http_sink(receiver.url + ENDPOINT, " s3cret\n") as sink:
        sink.emit({"number": 1})
    assert receiver.requests[0][2]["Authorization"] == "Bearer s3cret"
