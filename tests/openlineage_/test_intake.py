"""What the endpoint takes: everything that can be kept, and of the rest it says why; all of it is counted."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import uvicorn
from sqlalchemy import func, select

from lamin_core.instance import Instance
from lamin_core.models import Event
from openlineage.lamin.events import complete, start
from openlineage.lamin.http import serve
from openlineage.lamin.http.app import application
from openlineage.lamin.http.body import MAX_BODY

from .conftest import at, run_of
from .mutants import mutants
from .serving import BATCH, EVENT, Server

MB = 1 << 20


@pytest.fixture
def server(instance: Instance, in_tmp_path: Path) -> Iterator[Server]:
    """A running server, on SQLite and on PostgreSQL."""
    with Server(in_tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server on SQLite, for all tests here that look at answers alone."""
    folder = tmp_path_factory.mktemp("shared")
    Instance.create(folder, "./data").db.dispose()
    with Server(folder) as running:
        yield running


def test_every_mutant_is_stored_or_put_aside_or_refused_and_counted(server: Server, instance: Instance) -> None:
    sent = list(mutants(every=17))  # all 3,518 take two minutes; 17 and the number of wrong values share no factor
    assert len(sent) >= 300
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    answers: dict[str, int] = {}
    for name, body in sent:
        connection.request("POST", EVENT, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        answers[name] = answer.status
        assert answer.status == 201 or said["error"], name
    connection.close()
    assert {name: status for name, status in answers.items() if status not in (201, 400)} == {}
    counts = server.counts()
    outcomes = {name: counts[f'lamin_events_total{{outcome="{name}"}}'] for name in ("taken", "known", "quarantined")}
    refused = counts['lamin_events_total{outcome="refused"}']
    assert refused == sum(status == 400 for status in answers.values()) > 10
    assert counts["lamin_events_received_total"] == len(sent) == sum(outcomes.values()) + refused
    with instance.db.reading() as session:
        kinds = dict(session.execute(select(Event.kind, func.count()).group_by(Event.kind)).tuples().all())
        bodies = session.scalars(select(Event.body)).all()
    assert sum(kinds.values()) == outcomes["taken"] + outcomes["quarantined"]
    assert kinds["quarantined"] == outcomes["quarantined"] > 30
    # What was stored is what was sent.
    stored = {body.decode("utf-8").strip() for name, body in sent if answers[name] == 201}
    assert set(bodies) <= stored


def test_a_batch_of_mutants_has_a_verdict_for_each(server: Server) -> None:
    bodies = [body for _, body in mutants(every=41) if _is_json(body)]
    status, answer = server.post(b"[" + b",".join(bodies) + b"]", BATCH)
    assert status == 200
    assert answer["summary"]["received"] == len(bodies) == answer["summary"]["successful"] + answer["summary"]["failed"]
    assert answer["status"] == "partial_success"
    for failed in answer["failed_events"]:
        assert not isinstance(json.loads(bodies[failed["index"]]), dict)
        assert failed["retriable"] is False
    assert len(answer["quarantined"]) > 5


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _event(number: int, padding: str = "") -> bytes:
    event = complete(run_of(number, f"job{number}"), at(number))
    event["run"]["facets"]["padding"] = {"_producer": "urn:x", "_schemaURL": "urn:x", "text": padding}
    return json.dumps(event).encode()


def _gzip(body: bytes) -> dict[str, bytes | str]:
    return {"body": gzip.compress(body), "Content_Encoding": "gzip"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"body": _event(1)}, 201),
        ({"body": _event(1), "Content_Type": "text/plain"}, 201),
        ({"body": _event(1), "Content_Type": "application/x-www-form-urlencoded"}, 201),
        ({"body": _event(1), "Content_Type": "application/json; charset=latin-1"}, 201),
        ({"body": _event(1), "Content_Encoding": "identity"}, 201),
        (_gzip(_event(2)), 201),
        ({"body": gzip.compress(_event(3)[:50]) + gzip.compress(_event(3)[50:]), "Content_Encoding": "gzip"}, 201),
        ({"body": gzip.compress(_event(4)), "Content_Encoding": "GZIP"}, 201),
        ({"body": gzip.compress(_event(5))[:-9], "Content_Encoding": "gzip"}, 400),
        ({"body": gzip.compress(_event(5)) + b"more", "Content_Encoding": "gzip"}, 400),
        ({"body": zlib.compress(_event(5)), "Content_Encoding": "gzip"}, 400),
        ({"body": b"", "Content_Encoding": "gzip"}, 400),
        ({"body": gzip.compress(_event(5)), "Content_Encoding": "br"}, 415),
        ({"body": gzip.compress(gzip.compress(_event(5))), "Content_Encoding": "gzip, gzip"}, 415),
        ({"body": b"[" + _event(6) + b"]", "path": BATCH}, 200),
        ({"body": b"[]", "path": BATCH}, 200),
        ({"body": b" [ ] ", "path": BATCH}, 200),
        ({"body": b"[" + _event(7), "path": BATCH}, 400),
        ({"body": b"[" + _event(7) + b",]", "path": BATCH}, 400),
        ({"body": b"[" + _event(7) + b"] x", "path": BATCH}, 400),
        ({"body": _event(7), "path": BATCH}, 400),
        ({"body": b"", "path": BATCH}, 400),
    ],
    ids=range(22),
)
def test_each_request_has_its_status(shared: Server, request_: dict[str, str], status: int) -> None:
    found, answer = shared.post(**request_)  # type: ignore[arg-type]
    assert found == status, answer
    assert "job7" not in shared.runs()  # of an array that breaks off nothing is stored


def test_of_a_long_array_that_breaks_off_nothing_is_stored(shared: Server) -> None:
    events = [_event(20_000 + number) for number in range(1200)]
    before = shared.counts()['lamin_events_total{outcome="taken"}']
    assert shared.post(b"[" + b",".join(events) + b",{", BATCH)[0] == 400
    assert shared.counts()['lamin_events_total{outcome="taken"}'] == before
    status, answer = shared.post(b"[" + b",".join(events) + b"]", BATCH)
    assert (status, answer["summary"]["successful"]) == (200, 1200)
    assert shared.counts()['lamin_events_total{outcome="taken"}'] == before + 1200


def test_a_body_over_the_limit_is_refused_before_it_is_read(shared: Server) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as client:
        client.sendall(b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Length: 33554433\r\n\r\n{")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_says_no_length_is_cut_at_the_limit(shared: Server) -> None:
    piece = b"%x\r\n" % MB + b" " * MB + b"\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as client:
        client.sendall(b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(MAX_BODY // MB + 1):
            client.sendall(piece)
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


@contextmanager
def _highest(server: Server) -> Iterator[list[int]]:
    """The most memory that the server holds meanwhile, above what it holds now."""
    assert server.process is not None
    process, over = psutil.Process(server.process.pid), threading.Event()
    before, found = process.memory_info().rss, [0]

    def watch() -> None:
        while not over.wait(0.005):
            found[0] = max(found[0], process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def test_a_bomb_is_refused_with_little_memory(shared: Server) -> None:
    deflate = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflate.compress(b" " * MB) for _ in range(1024)) + deflate.flush()
    assert len(bomb) < 1.1 * MB
    shared.post(_event(8))
    with _highest(shared) as extra:
        assert shared.post(bomb, Content_Encoding="gzip")[0] == 413
        assert shared.post(bomb, BATCH, Content_Encoding="gzip")[0] == 413
    assert extra[0] < 100 * MB


def _nested(number: int, size: int) -> bytes:
    """An event as Spark sends them, with a query plan of this size: many small objects."""
    node = {
        "class": "org.apache.spark.sql.catalyst.expressions.AttributeReference",
        "num-children": 0,
        "name": "column",
    }
    event = complete(run_of(number, f"job{number}"), at(number))
    nodes = [{**node, "exprId": {"id": n}} for n in range(size // 131)]
    event["run"]["facets"]["spark.logicalPlan"] = {"_producer": "urn:x", "_schemaURL": "urn:x", "plan": nodes}
    return json.dumps(event, separators=(",", ":")).encode()


def test_the_largest_bodies_are_taken_with_little_memory(shared: Server) -> None:
    batch = [_event(30_000 + number, "x" * 30_000) for number in range(1000)]
    whole = b"[" + b",".join(batch) + b"]"
    assert 0.85 * MAX_BODY < len(whole) < MAX_BODY
    shared.post(_event(8))
    with _highest(shared) as extra:
        assert shared.post(whole, BATCH)[1]["summary"]["successful"] == 1000
    assert extra[0] < 150 * MB


@pytest.fixture
def impatient(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server that waits half a second for a head, and as long for a body."""
    monkeypatch.setattr(serve, "HEAD_PATIENCE", 0.5)
    monkeypatch.setattr(serve, "BODY_PATIENCE", 0.5)
    instance = Instance.create(in_tmp_path, "./data")
    server = uvicorn.Server(serve.configured(application(instance.db)))
    with serve.listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()
    instance.db.dispose()


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"POST /api/v1/lineage HTTP/1.1\r\nHost: loc",
        b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
        b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal",
    ],
    ids=["nothing", "half a head", "no body", "half a body", "half a second request"],
)
def test_who_is_slow_loses_the_connection(impatient: int, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as client:
        client.sendall(beginning)
        until = time.monotonic() + 30
        while client.recv(1000):
            assert time.monotonic() < until
            if b"HTTP" not in beginning:
                client.sendall(b"x")


def test_five_hundred_half_requests_hold_up_nobody(shared: Server) -> None:
    idle = [socket.create_connection(("127.0.0.1", shared.port)) for _ in range(500)]
    try:
        for client in idle:
            client.sendall(b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n")
        begin = time.perf_counter()
        for number in range(20):
            assert shared.post(_event(100 + number))[0] == 201
        assert (time.perf_counter() - begin) / 20 < 0.5
    finally:
        for client in idle:
            client.close()


def test_a_pause_between_start_and_end_of_a_connection_is_no_slowness(impatient: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", impatient, timeout=30)
    local = None
    for number in range(2):
        connection.request("POST", EVENT, json.dumps(start(run_of(number, "x"), at(1))))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201
        assert local in (None, connection.sock.getsockname())  # the same connection
        local = connection.sock.getsockname()
        time.sleep(0.8)
    connection.close()


@pytest.mark.parametrize("event", [_event(9, "x" * (31 * MB)), _nested(10, 31 * MB)], ids=["one text", "many objects"])
def test_one_event_may_be_as_large_as_a_body(shared: Server, event: bytes) -> None:
    assert 0.8 * MAX_BODY < len(event) < MAX_BODY
    shared.post(_event(8))
    with _highest(shared) as extra:
        assert shared.post(event)[0] == 201
    assert extra[0] < 150 * MB
