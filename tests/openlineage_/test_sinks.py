"""The plain sinks, and which one an adapter gets."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from lamin_core.errors import Unavailable
from lamin_core.instance.instance import Instance
from openlineage.lamin.emit.default_sink import default_sink
from openlineage.lamin.emit.events import complete, start
from openlineage.lamin.emit.sinks import FileSink
from tests.support.receivers import receiving

from .conftest import at, run_of


def test_file_shared_by_threads_and_processes_has_only_whole_lines(tmp_path: Path) -> None:
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


def test_default_sink_with_an_instance_writes_into_its_registry(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    sink = default_sink()
    sink.emit(start(run_of(1, "a"), at(0)), complete(run_of(1, "a"), at(1)))
    sink.close()
    assert [node.status for node in instance.lineage.everything().runs.values()] == ["completed"]
    assert not (in_tmp_path / ".lamin" / "spool").exists()
    instance.db.dispose()


def test_default_sink_prefers_an_endpoint_to_the_instance(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    with receiving() as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        sink = default_sink()
        sink.emit(start(run_of(1, "a"), at(0)))
        sink.close()
    assert [event["eventType"] for event in receiver.events] == ["START"]
    assert not instance.lineage.everything().runs
    instance.db.dispose()


def test_strict_mode_raises_delivery_errors(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMIN_STRICT", "1")
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    sink = default_sink()
    with pytest.raises(Unavailable):
        sink.emit({})
    sink.close()


@pytest.mark.parametrize("name", ["LAMIN_PATIENCE", "LAMIN_SPOOL_LIMIT"])
def test_setting_that_is_not_a_number_is_reported_and_ignored(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setenv(name, "plenty")
    Instance.create(in_tmp_path, "./data").db.dispose()
    sink = default_sink()
    sink.emit(start(run_of(1, "a"), at(0)))
    sink.close()
    assert f"{name}: not a number: 'plenty'" in caplog.text
