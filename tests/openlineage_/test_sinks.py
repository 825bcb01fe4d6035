"""Sinks: nothing that goes wrong with them reaches the user's job, and nothing is lost."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import socket
import time
from pathlib import Path

import pytest

from lamin_core.errors import Unavailable
from lamin_core.instance import Instance
from openlineage.lamin.delivery import default_sink
from openlineage.lamin.events import Event, complete, start
from openlineage.lamin.replay import replay
from openlineage.lamin.sinks import Background, FileSink, Forgiving, HttpSink, MemorySink

from .conftest import at, run_of


class Broken:
    """Raises on every event."""

    def emit(self, *events: Event) -> None:
        raise OSError("no luck")

    def close(self) -> None:
        raise OSError("no luck")


def _lines(folder: Path) -> list[Event]:
    return [json.loads(line) for file in sorted(folder.glob("*.ndjson")) for line in file.read_bytes().splitlines()]


def test_a_broken_sink_costs_one_warning_and_the_events_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = Forgiving(Broken, tmp_path / "spool")
    with caplog.at_level(logging.WARNING, "lamin"):
        for number in range(5):
            sink.emit({"number": number})
        sink.close()
    assert [event["number"] for event in _lines(tmp_path / "spool")] == list(range(5))
    assert len([record for record in caplog.records if "events replay" in record.message]) == 1


def test_when_even_the_spool_fails_the_job_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spool").write_text("a file, not a folder")
    sink = Forgiving(Broken, tmp_path / "spool")
    sink.emit({"number": 1}, {"number": 2})
    sink.emit({"number": 3})
    assert sink.dropped == 3
    assert len([record for record in caplog.records if "is being lost" in record.message]) == 1


def test_an_endpoint_that_nobody_serves_is_said_to_be_so() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        HttpSink("http://127.0.0.1:9/api/v1/lineage").emit({})
    with pytest.raises(Unavailable, match="no HTTP address"):
        HttpSink("nonsense")


def test_an_endpoint_that_hangs_is_given_up_after_its_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = HttpSink(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            sink.emit({})
        assert time.monotonic() - began < 5
        sink.close()


def test_the_background_keeps_the_order_and_close_waits(tmp_path: Path) -> None:
    memory = MemorySink()
    sink = Background(memory)
    for number in range(2000):
        sink.emit({"number": number})
    sink.close()
    assert [event["number"] for event in memory.events] == list(range(2000))


def test_emitting_does_not_wait_for_a_slow_sink() -> None:
    class Slow(MemorySink):
        def emit(self, *events: Event) -> None:
            time.sleep(0.5)
            super().emit(*events)

    slow = Slow()
    sink = Background(slow)
    began = time.monotonic()
    for number in range(100):
        sink.emit({"number": number})
    assert time.monotonic() - began < 0.4
    sink.close()
    assert len(slow.events) == 100


def test_many_threads_and_processes_share_a_file_without_torn_lines(tmp_path: Path) -> None:
    path = tmp_path / "shared.ndjson"
    spawned = multiprocessing.get_context("spawn")
    writers = [spawned.Process(target=_write, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    lines = path.read_bytes().splitlines()
    assert len(lines) == 4 * 200
    assert {json.loads(line)["writer"] for line in lines} == {0, 1, 2, 3}


def _write(path: Path, writer: int) -> None:
    sink = FileSink(path)
    for _ in range(200):
        sink.emit({"writer": writer, "text": "x" * 5000})


def test_with_an_instance_events_go_into_its_registry(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    sink = default_sink()
    sink.emit(start(run_of(1, "a"), at(0)), complete(run_of(1, "a"), at(1)))
    sink.close()
    assert [node.status for node in instance.lineage.everything().runs.values()] == ["completed"]
    instance.db.dispose()


def test_without_an_instance_the_spool_is_brought_in_later(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(in_tmp_path / "spool"))
    sink = default_sink()
    sink.emit(start(run_of(1, "a"), at(0)), complete(run_of(1, "a"), at(1)))
    sink.close()
    instance = Instance.create(in_tmp_path, "./data")
    (file,) = (in_tmp_path / "spool").glob("*.ndjson")
    lines = [*file.read_bytes().splitlines(keepends=True), b'{"torn": ']
    report = replay(instance.db, lines)
    assert (report.taken, report.known, len(report.unreadable)) == (2, 0, 1)
    assert replay(instance.db, lines).known == 2
    instance.db.dispose()


def test_strict_lets_failures_through(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMIN_STRICT", "1")
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        default_sink().emit({})


def test_a_forked_child_delivers_its_own_events(tmp_path: Path) -> None:
    sink = Background(FileSink(tmp_path / "events.ndjson"))
    sink.emit({"process": "parent"})
    sink.flush()
    child = os.fork()
    if child == 0:
        sink.emit({"process": "child"})
        sink.close()
        os._exit(0)
    os.waitpid(child, 0)
    sink.close()
    told = [json.loads(line)["process"] for line in (tmp_path / "events.ndjson").read_bytes().splitlines()]
    assert sorted(told) == ["child", "parent"]
