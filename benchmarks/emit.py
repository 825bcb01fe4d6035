"""The cost of lineage for its host, and the speed at which a spool drains: `python benchmarks/emit.py [--events N]`.

Each figure is the median of five rounds. The receiver is a process of its own, so that only what
the host itself does is measured: per event in `emit`, and once in `close`. `direct` is the same
events posted without a spool, for scale.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openlineage.lamin.emit.background_sink import BackgroundSink
from openlineage.lamin.emit.events import Dataset, Event, Job, Run, complete, start
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.spool import Drained, Spool, drain, segments

ROUNDS = 5
RECEIVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *arguments): pass
with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""


def story(count: int) -> list[Event]:
    """Runs that start and end, as an adapter tells them; about 2 kB each."""
    job = Job("bench", "step", "rule", source="print('x')\n" * 20, language="python")
    events = []
    for number in range(count // 2):
        run = Run(
            f"00000000-0000-7000-8000-{number:012d}", job, "bench", "1.0", params={"sample": number}
        )
        files = [
            Dataset("file", f"/data/{number}/{name}", "0" * 64, "blake3", 1000) for name in "abc"
        ]
        events += [
            start(run, datetime.now(UTC), files[:1]),
            complete(run, datetime.now(UTC), files[:1], files[1:]),
        ]
    return events


@contextmanager
def receiver() -> Iterator[str]:
    """An endpoint that takes everything at once and does nothing with it."""
    with subprocess.Popen(
        [sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/api/v1/lineage"
        process.terminate()


@contextmanager
def hanging() -> Iterator[str]:
    """An endpoint that takes connections and never answers."""
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connections.append(server.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/v1/lineage"
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def absent() -> Iterator[str]:
    """An address where nobody listens."""
    yield "http://127.0.0.1:9/api/v1/lineage"


def host(url: str, events: list[Event]) -> dict[str, float]:
    """Emit one by one, as adapters do, then close."""
    with tempfile.TemporaryDirectory() as folder:
        sink = BackgroundSink(
            lambda: HttpSink(url, timeout=10), Spool(Path(folder, "spool"), "key")
        )
        each = []
        for event in events:
            began = time.perf_counter()
            sink.emit(event)
            each.append(time.perf_counter() - began)
        began = time.perf_counter()
        sink.close()
        each.sort()
        return {
            "emit_us_median": each[len(each) // 2] * 1e6,
            "emit_us_mean": sum(each) / len(each) * 1e6,
            "emit_us_p99": each[int(len(each) * 0.99)] * 1e6,
            "close_s": time.perf_counter() - began,
        }


def direct(url: str, events: list[Event]) -> dict[str, float]:
    """Post each event and wait for the answer: network first, no spool."""
    sink = HttpSink(url)
    began = time.perf_counter()
    for event in events:
        sink.emit(event)
    seconds = time.perf_counter() - began
    sink.close()
    return {"emit_us_mean": seconds / len(events) * 1e6}


def draining(url: str, events: list[Event]) -> dict[str, float]:
    """A spool that an earlier process left, sent in batches."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), "key")
        for event in events:
            spool.append([json.dumps(event).encode()])
        spool.seal()
        sink = HttpSink(url, timeout=10)
        began = time.perf_counter()
        for path in segments(Path(folder)):
            drain(path, lambda lines: sink.emit(*lines), Drained())
        seconds = time.perf_counter() - began
        sink.close()
        return {"events_per_s": len(events) / seconds}


def median(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The median of each figure over all rounds."""
    rounds = [measure() for _ in range(ROUNDS)]
    return {
        name: round(statistics.median(figures[name] for figures in rounds), 2) for name in rounds[0]
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    events = story(parser.parse_args().events)
    logging.getLogger("lamin").setLevel(logging.ERROR)
    figures: dict[str, Any] = {
        "events": len(events),
        "bytes_each": len(json.dumps(events[-1])),
        "cpus": os.cpu_count(),
    }
    for name, endpoint in {"receiver": receiver, "absent": absent, "hanging": hanging}.items():
        with endpoint() as url:
            figures[name] = median(lambda url=url: host(url, events))  # type: ignore[misc]
    with receiver() as url:
        figures["direct"] = median(lambda: direct(url, events))
        figures["drain"] = median(lambda: draining(url, events))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
