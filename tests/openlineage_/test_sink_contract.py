"""The contract of every sink."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport
from sqlalchemy import select

from lamin_core.errors import Unavailable
from lamin_core.instance.instance import Instance
from lamin_core.models import Event as Row
from openlineage.lamin.emit.acknowledgement import FINAL_REFUSALS
from openlineage.lamin.emit.background_sink import BackgroundSink
from openlineage.lamin.emit.client_transports import TransportSink
from openlineage.lamin.emit.events import Event, complete, start
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.sinks import (
    FileSink,
    MemorySink,
    MultiSink,
    PermanentRejection,
    Sink,
    serialize,
)
from openlineage.lamin.emit.spool import Spool
from openlineage.lamin.receive.registry_sink import RegistrySink
from tests.support.receivers import receiving

from .conftest import at, run_of

START = start(run_of(1, "a"), at(0))
COMPLETE = complete(run_of(1, "a"), at(1))


@dataclass(frozen=True)
class Behind:
    """A sink, and the events that arrived behind it."""

    sink: Sink
    arrived: Callable[[], list[Event]]


@pytest.fixture
def memory() -> Behind:
    """Events in a list."""
    sink = MemorySink()
    return Behind(sink, lambda: sink.events)


@pytest.fixture
def file(tmp_path: Path) -> Behind:
    """Events in a file."""
    path = tmp_path / "folder" / "events.ndjson"
    return Behind(FileSink(path), lambda: _read(path))


@pytest.fixture
def http() -> Iterator[Behind]:
    """Events to a server."""
    with receiving() as receiver:
        yield Behind(HttpSink(receiver.url), lambda: receiver.events)


@pytest.fixture
def registry_on_sqlite(tmp_path: Path) -> Iterator[Behind]:
    """Events into the raw log of a registry on SQLite."""
    with _registry(tmp_path, Instance.create(tmp_path, "./data")) as behind:
        yield behind


@pytest.fixture
def registry_on_postgresql(tmp_path: Path, postgres_url: str) -> Iterator[Behind]:
    """The same on PostgreSQL."""
    with _registry(tmp_path, Instance.create(tmp_path, "./data", postgres_url)) as behind:
        yield behind


@contextmanager
def _registry(folder: Path, instance: Instance) -> Iterator[Behind]:
    def arrived() -> list[Event]:
        with instance.db.reading() as session:
            bodies = session.scalars(select(Row.body).order_by(Row.id))
            return [json.loads(body) for body in bodies]

    yield Behind(RegistrySink(folder), arrived)
    instance.db.dispose()


@pytest.fixture
def background(tmp_path: Path) -> Behind:
    """Events through the spool."""
    memory = MemorySink()
    return Behind(
        BackgroundSink(lambda: memory, Spool(tmp_path / "spool", "key"), patience=20),
        lambda: memory.events,
    )


@pytest.fixture
def multi(tmp_path: Path) -> Behind:
    """Events to two sinks."""
    memory, path = MemorySink(), tmp_path / "events.ndjson"

    def arrived() -> list[Event]:
        assert _read(path) == memory.events
        return memory.events

    return Behind(MultiSink([memory, FileSink(path)]), arrived)


@pytest.fixture
def transport(tmp_path: Path) -> Behind:
    """Events through a client of openlineage-python."""
    path = tmp_path / "transport.ndjson"
    client = OpenLineageClient(
        transport=FileTransport(FileConfig(log_file_path=str(path), append=True))
    )
    return Behind(TransportSink(client), lambda: _read(path))


def _read(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


SINKS = (
    *("memory", "file", "http", "registry_on_sqlite", "registry_on_postgresql"),
    *("background", "multi", "transport"),
)


@pytest.fixture(params=SINKS)
def behind(request: pytest.FixtureRequest) -> Behind:
    """A sink of each kind in turn."""
    result: Behind = request.getfixturevalue(request.param)
    return result


def test_emit_dicts_and_lines_arrive_in_order(behind: Behind) -> None:
    behind.sink.emit(START, serialize(COMPLETE))
    assert behind.sink.flush()
    assert [event["eventType"] for event in behind.arrived()] == ["START", "COMPLETE"]
    assert [event["run"]["runId"] for event in behind.arrived()] == [START["run"]["runId"]] * 2
    behind.sink.close()


def test_every_sink_has_the_whole_interface(behind: Behind) -> None:
    sink = behind.sink
    assert isinstance(sink, Sink)
    assert sink.batch_size is None or sink.batch_size > 0
    sink.emit()
    sink.drain_now()
    assert sink.flush() is True
    assert sink.dropped == 0
    sink.close()


def test_close_delivers_and_may_be_called_twice(behind: Behind) -> None:
    behind.sink.emit(START)
    behind.sink.close()
    behind.sink.close()
    assert [event["eventType"] for event in behind.arrived()] == ["START"]
    assert behind.sink.dropped == 0


class Failing(MemorySink):
    """Refuse everything, and say what was lost."""

    def emit(self, *events: Event | bytes) -> None:
        """Raise."""
        raise Unavailable("away")

    def flush(self) -> bool:
        """Deliver nothing."""
        return False

    @property
    def dropped(self) -> int:
        """Say that three are lost."""
        return 3


def test_multi_sink_continues_after_a_failing_sink_and_reports_the_failure() -> None:
    memory = MemorySink()
    sink = MultiSink([Failing(), memory])
    with pytest.raises(Unavailable, match="away"):
        sink.emit(START)
    assert memory.events == [START]
    assert not sink.flush()
    assert sink.dropped == 3


def test_multi_sink_without_sinks_accepts_everything() -> None:
    sink = MultiSink([])
    sink.emit(START)
    assert sink.flush()
    assert sink.dropped == 0


@pytest.mark.parametrize("status", sorted(FINAL_REFUSALS))
def test_final_refusals_are_the_same_over_http_and_through_a_client(status: int) -> None:
    with receiving(lambda path, events: (status, b"never")) as receiver:
        direct = HttpSink(receiver.url)
        transport = HttpTransport(HttpConfig(url=receiver.url))
        through_client = TransportSink(OpenLineageClient(transport=transport))
        for sink in (direct, through_client):
            with pytest.raises(PermanentRejection) as refusal:
                sink.emit(START)
            assert list(refusal.value.reasons) == [0]
            sink.close()


def test_sinks_are_not_probed_with_getattr() -> None:
    root = Path(__file__).parents[2]
    modules = [*(root / "openlineage").rglob("*.py"), *(root / "integrations").rglob("*.py")]
    probes = []
    for path in modules:
        for line in path.read_text("utf-8").splitlines():
            if ("getattr(" in line or "hasattr(" in line) and "sink" in line.lower():
                probes.append(f"{path.name}: {line.strip()}")
    assert probes == []
