"""Limits of the endpoint: it stores all that it can, explains why it refuses the rest, and counts both."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import uvicorn
from sqlalchemy import func, select

from lamin_core.instance.instance import Instance
from lamin_core.models import Event
from lamin_core.server import body_limits as body_module
from lamin_core.server import serve
from lamin_core.server.body_limits import MAX_BODY
from openlineage.lamin.emit.events import complete, start
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.sinks import PermanentRejection
from openlineage.lamin.http.app import application
from openlineage.lamin.testing.engine_run import served as serving_here
from tests.support.malformed_events import mutants
from tests.support.servers import BATCH, EVENT, Server, post

from .conftest import at, padded_event, run_of

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


def test_every_mutant_is_stored_quarantined_or_refused_and_counted(
    server: Server, instance: Instance
) -> None:
    sent = list(
        mutants(every=17)
    )  # all 3,518 take two minutes; 17 and the number of wrong values share no factor
    assert len(sent) >= 300
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    answers: dict[str, int] = {}
    for name, body in sent:
        connection.request("POST", EVENT, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        payload = json.loads(answer.read())
        answers[name] = answer.status
        assert answer.status == 201 or payload["error"], name
    connection.close()
    assert {name: status for name, status in answers.items() if status not in (201, 400)} == {}
    counts = server.counts()
    outcomes = {
        name: counts[f'lamin_events_total{{outcome="{name}"}}']
        for name in ("taken", "known", "quarantined")
    }
    refused = counts['lamin_events_total{outcome="refused"}']
    assert refused == sum(status == 400 for status in answers.values()) > 10
    assert counts["lamin_events_received_total"] == len(sent) == sum(outcomes.values()) + refused
    with instance.db.reading() as session:
        kinds = dict(
            session.execute(select(Event.kind, func.count()).group_by(Event.kind)).tuples().all()
        )
        bodies = session.scalars(select(Event.body)).all()
    assert sum(kinds.values()) == outcomes["taken"] + outcomes["quarantined"]
    assert kinds["quarantined"] == outcomes["quarantined"] > 30
    # What was stored is what was sent.
    stored = {body.decode("utf-8").strip() for name, body in sent if answers[name] == 201}
    assert set(bodies) <= stored


def test_batch_of_mutants_gets_a_verdict_for_each(server: Server) -> None:
    bodies = [body for _, body in mutants(every=41) if _is_json(body)]
    status, answer = server.post(b"[" + b",".join(bodies) + b"]", BATCH)
    assert status == 200
    assert (
        answer["summary"]["received"]
        == len(bodies)
        == answer["summary"]["successful"] + answer["summary"]["failed"]
    )
    assert answer["status"] == "partial_success"
    for failed in answer["failed_events"]:
        if "nested more than" not in failed["reason"]:
            assert not isinstance(json.loads(bodies[failed["index"]]), dict)
        assert failed["retriable"] is False
    assert len(answer["quarantined"]) > 5


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _gzip(body: bytes) -> dict[str, bytes | str]:
    return {"body": gzip.compress(body), "Content_Encoding": "gzip"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"body": padded_event(1)}, 201),
        ({"body": padded_event(1), "Content_Type": "text/plain"}, 201),
        ({"body": padded_event(1), "Content_Type": "application/x-www-form-urlencoded"}, 201),
        ({"body": padded_event(1), "Content_Type": "application/json; charset=latin-1"}, 201),
        ({"body": padded_event(1), "Content_Encoding": "identity"}, 201),
        (_gzip(padded_event(2)), 201),
        (
            {
                "body": gzip.compress(padded_event(3)[:50]) + gzip.compress(padded_event(3)[50:]),
                "Content_Encoding": "gzip",
            },
            201,
        ),
        ({"body": gzip.compress(padded_event(4)), "Content_Encoding": "GZIP"}, 201),
        ({"body": gzip.compress(padded_event(5))[:-9], "Content_Encoding": "gzip"}, 400),
        ({"body": gzip.compress(padded_event(5)) + b"more", "Content_Encoding": "gzip"}, 400),
        ({"body": zlib.compress(padded_event(5)), "Content_Encoding": "gzip"}, 400),
        ({"body": b"", "Content_Encoding": "gzip"}, 400),
        ({"body": gzip.compress(padded_event(5)), "Content_Encoding": "br"}, 415),
        (
            {
                "body": gzip.compress(gzip.compress(padded_event(5))),
                "Content_Encoding": "gzip, gzip",
            },
            415,
        ),
        ({"body": b"[" + padded_event(6) + b"]", "path": BATCH}, 200),
        ({"body": b"[]", "path": BATCH}, 200),
        ({"body": b" [ ] ", "path": BATCH}, 200),
        ({"body": b"[" + padded_event(7), "path": BATCH}, 400),
        ({"body": b"[" + padded_event(7) + b",]", "path": BATCH}, 400),
        ({"body": b"[" + padded_event(7) + b"] x", "path": BATCH}, 400),
        ({"body": padded_event(7), "path": BATCH}, 400),
        ({"body": b"", "path": BATCH}, 400),
    ],
    ids=range(22),
)
def test_each_kind_of_request_has_its_status(
    shared: Server, request_: dict[str, str], status: int
) -> None:
    actual_status, answer = shared.post(**request_)  # type: ignore[arg-type]
    assert actual_status == status, answer
    assert "job7" not in shared.runs()  # of an array that breaks off nothing is stored


def test_truncated_long_array_stores_nothing(shared: Server) -> None:
    events = [padded_event(20_000 + number) for number in range(1200)]
    before = shared.counts()['lamin_events_total{outcome="taken"}']
    assert shared.post(b"[" + b",".join(events) + b",{", BATCH)[0] == 400
    assert shared.counts()['lamin_events_total{outcome="taken"}'] == before
    status, answer = shared.post(b"[" + b",".join(events) + b"]", BATCH)
    assert (status, answer["summary"]["successful"]) == (200, 1200)
    assert shared.counts()['lamin_events_total{outcome="taken"}'] == before + 1200


def test_body_over_the_limit_is_refused_before_it_is_read(shared: Server) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as client:
        client.sendall(
            b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Length: 33554433\r\n\r\n{"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_chunked_body_over_the_limit_is_refused(shared: Server) -> None:
    piece = b"%x\r\n" % MB + b" " * MB + b"\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as client:
        client.sendall(
            b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(MAX_BODY // MB + 1):
            client.sendall(piece)
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


@contextmanager
def _highest(server: Server) -> Iterator[list[int]]:
    """The most memory that the server holds meanwhile, above what it holds now."""
    assert server.process is not None
    process, over = psutil.Process(server.process.pid), threading.Event()
    before, peak = process.memory_info().rss, [0]

    def watch() -> None:
        while not over.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def test_gzip_bomb_is_refused_with_little_memory(shared: Server) -> None:
    deflate = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflate.compress(b" " * MB) for _ in range(1024)) + deflate.flush()
    assert len(bomb) < 1.1 * MB
    shared.post(padded_event(8))
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
    event["run"]["facets"]["spark.logicalPlan"] = {
        "_producer": "urn:x",
        "_schemaURL": "urn:x",
        "plan": nodes,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def test_largest_batch_is_accepted_with_little_memory(shared: Server) -> None:
    batch = [padded_event(30_000 + number, "x" * 30_000) for number in range(1000)]
    whole = b"[" + b",".join(batch) + b"]"
    assert 0.85 * MAX_BODY < len(whole) < MAX_BODY
    shared.post(padded_event(8))
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
def test_slow_client_is_disconnected(impatient: int, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as client:
        client.sendall(beginning)
        until = time.monotonic() + 30
        while client.recv(1000):
            assert time.monotonic() < until
            if b"HTTP" not in beginning:
                client.sendall(b"x")


def test_five_hundred_incomplete_requests_do_not_delay_others(shared: Server) -> None:
    idle = [socket.create_connection(("127.0.0.1", shared.port)) for _ in range(500)]
    try:
        for client in idle:
            client.sendall(
                b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
            )
        begin = time.perf_counter()
        for number in range(20):
            assert shared.post(padded_event(100 + number))[0] == 201
        assert (time.perf_counter() - begin) / 20 < 0.5
    finally:
        for client in idle:
            client.close()


def test_pause_between_requests_of_a_connection_does_not_close_it(impatient: int) -> None:
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


@pytest.mark.parametrize(
    "event",
    [padded_event(9, "x" * (31 * MB)), _nested(10, 31 * MB)],
    ids=["one text", "many objects"],
)
def test_single_event_may_be_as_large_as_a_body(shared: Server, event: bytes) -> None:
    assert 0.8 * MAX_BODY < len(event) < MAX_BODY
    shared.post(padded_event(8))
    with _highest(shared) as extra:
        assert shared.post(event)[0] == 201
    # A server by itself needs 128 MB more; the heap of one that has served the tests before, up to 154.
    assert extra[0] < 165 * MB


# -- what costs little to send
# -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "item", [b"{}", b"1", b"null", b"[]", b'""', b"[[[[[[[[]]]]]]]]", b'{"a":{}}']
)
def test_batch_of_a_million_cheap_items_is_refused_with_little_memory(
    shared: Server, item: bytes
) -> None:
    body = gzip.compress(b"[" + b",".join([item] * 1_000_000) + b"]")
    shared.post(padded_event(8))
    with _highest(shared) as extra:
        status, answer = shared.post(body, BATCH, Content_Encoding="gzip")
    assert (status, answer["hint"].startswith("send fewer events at once")) == (413, True)
    assert extra[0] < 150 * MB


@pytest.mark.parametrize("path", [EVENT, BATCH])
def test_event_of_millions_of_nested_arrays_is_refused_with_little_memory(
    shared: Server, path: str
) -> None:
    nested = b'{"x":[[' + b",".join([b"[]"] * 5_000_000) + b"]]}"
    body = gzip.compress(nested if path == EVENT else b"[" + nested + b"]", 1)
    shared.post(padded_event(8))
    with _highest(shared) as extra:
        status, answer = shared.post(body, path, Content_Encoding="gzip")
    assert status == 413
    assert answer["error"] == "a body may have 1000000 JSON objects and arrays, and this has more"
    assert extra[0] < 150 * MB


def test_brackets_inside_a_string_do_not_count_as_arrays(shared: Server) -> None:
    event = padded_event(40, '[{"' * 700_000)
    assert shared.post(event)[0] == 201


def test_batch_with_too_many_verdicts_is_refused_and_accepted_in_smaller_batches(
    shared: Server,
) -> None:
    events = [
        padded_event(41),
        *(b'{"run": {}, "n": %d}' % number for number in range(6_000)),
        padded_event(42),
    ]
    status, answer = shared.post(b"[" + b",".join(events) + b"]", BATCH)
    assert status == 413
    assert "more than 5000 events of this array were refused or put aside" in answer["error"]
    answers = []
    for half in (events[:3_001], events[3_001:]):
        status, answer = shared.post(b"[" + b",".join(half) + b"]", BATCH)
        assert status == 200
        answers.append((answer["summary"]["successful"], len(answer["quarantined"])))
    assert answers == [(3_001, 3_000), (3_001, 3_000)]
    assert {"job41", "job42"} <= set(shared.runs())


def test_http_sink_reports_which_events_of_a_batch_were_refused(shared: Server) -> None:
    lines = [padded_event(50_000 + number) for number in range(400)]
    lines[7] = lines[398] = b"3"
    sink = HttpSink(shared.url + EVENT, timeout=20)
    with pytest.raises(PermanentRejection) as caught:
        sink.emit(*lines)
    sink.close()
    assert sorted(caught.value.reasons) == [7, 398]
    assert "not an event but a JSON int" in caught.value.reasons[7]


@pytest.mark.parametrize("path", [EVENT, BATCH])
def test_body_of_many_small_gzip_files_is_refused(shared: Server, path: str) -> None:
    members = gzip.compress(b"") * 200_000
    with _highest(shared) as extra:
        status, answer = shared.post(members, path, Content_Encoding="gzip")
    assert (status, answer["hint"]) == (413, "compress it as one")
    assert extra[0] < 100 * MB


def test_gzip_stream_of_empty_blocks_is_refused_at_the_limit(shared: Server) -> None:
    stored = zlib.compressobj(0, wbits=31)  # not even deflated: empty blocks without end
    begin = stored.compress(b"") + stored.flush(zlib.Z_FULL_FLUSH)
    piece = stored.flush(zlib.Z_FULL_FLUSH) or b"\x00\x00\x00\xff\xff"
    piece *= MB // len(piece)
    head = b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"%x\r\n" % len(begin) + begin + b"\r\n")
        for _ in range(MAX_BODY // len(piece) + 1):
            client.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


# -- bodies that do not move on
# ----------------------------------------------------------------------


@pytest.fixture
def waiting(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server that waits a second for a body to move on."""
    monkeypatch.setattr(body_module, "STALL", 1.0)
    Instance.create(in_tmp_path, "./data").db.dispose()
    with serving_here(in_tmp_path) as url:
        yield int(url.rpartition(":")[2])


_LARGE_HEAD = (
    b"POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % MAX_BODY
)


@contextmanager
def _stalled(port: int, count: int = 4) -> Iterator[list[socket.socket]]:
    """Send as many bodies as the server has room for, without their last bytes."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            client.sendall(_LARGE_HEAD + b"x" * (MAX_BODY - 10))
            clients.append(client)
        yield clients


def _whole_answer(client: socket.socket) -> bytes:
    """Read until the server hangs up."""
    answer = b""
    while part := client.recv(4096):
        answer += part
    return answer


def test_small_event_is_accepted_while_other_bodies_stall(shared: Server) -> None:
    with _stalled(shared.port):
        for number in range(60, 70):
            assert shared.post(padded_event(number))[0] == 201


def test_stalled_body_is_answered_with_408_and_frees_its_memory(waiting: int) -> None:
    with _stalled(waiting) as clients:
        for client in clients:
            assert _whole_answer(client).startswith(
                b"HTTP/1.1 408 "
            )  # and the connection is closed
        assert post(waiting, padded_event(70, "x" * MB))[0] == 201


def test_body_sent_byte_by_byte_counts_as_stalled(waiting: int) -> None:
    with _stalled(waiting, count=1) as (client,):
        client.settimeout(0.3)
        for _ in range(9):  # a byte each, all but the last
            client.sendall(b"x")
            try:
                answer = client.recv(4096)
            except TimeoutError:
                continue
            break
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_slow_but_steady_body_is_accepted(waiting: int) -> None:
    event = padded_event(71, "x" * 400_000)
    with socket.create_connection(("127.0.0.1", waiting), timeout=30) as client:
        client.sendall(_LARGE_HEAD.replace(b"%d" % MAX_BODY, b"%d" % len(event)))
        for start_ in range(0, len(event), 80_000):
            client.sendall(event[start_ : start_ + 80_000])
            time.sleep(0.4)
        assert client.recv(4096).startswith(b"HTTP/1.1 201 ")
