"""The next reader records the events that wait in a spool, in bounded time, and without breaking anything."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.runtime.paths import user_spool
from openlineage.lamin.emit import events
from openlineage.lamin.emit.default_sink import default_sink, registry_key
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.sinks import serialize
from openlineage.lamin.emit.spool import Spool, segments
from tests.support.commands import lamin, typed

from .conftest import at, run_of


def _emit(number: int = 1, name: str = "out.txt") -> None:
    """A run in the working directory, as an engine reports it."""
    run = run_of(number, "job")
    sink = default_sink()
    sink.emit(events.start(run, at(0)))
    sink.emit(events.complete(run, at(1), outputs=[Dataset("file", str(Path.cwd() / name))]))
    sink.close()


@pytest.fixture
def before_init(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which something ran before there was an instance."""
    monkeypatch.setenv("LAMIN_PATIENCE", "0.2")
    folder = in_tmp_path / "early"
    (folder / "below").mkdir(parents=True)
    os.chdir(folder / "below")
    _emit(2, "below.txt")
    os.chdir(folder)
    _emit()
    monkeypatch.setenv("LAMIN_PATIENCE", "60")
    return folder


def _keys() -> set[str]:
    return {row["key"] for row in typed("artifacts", "--json").json}


def test_run_before_init_is_ingested_by_the_next_query(before_init: Path) -> None:
    typed("init")
    done = typed("lineage", "out.txt", "--json")
    assert len(done.json["runs"]) == 1
    assert done.stderr.splitlines() == ["4 events that waited are in the registry now"]
    assert _keys() == {"out.txt", "below/below.txt"}
    assert typed("runs").stderr == ""
    assert not user_spool().exists()


def test_run_before_init_is_visible_in_python(before_init: Path) -> None:
    init("./data")
    assert {artifact.key for artifact in ln.Artifact.filter()} == {"out.txt", "below/below.txt"}
    disconnect()


@pytest.mark.parametrize(
    "arguments", [["connect", "../instance"], ["connect", "../instance", "--user"]]
)
def test_run_before_connect_is_ingested(before_init: Path, arguments: list[str]) -> None:
    other = before_init.with_name("instance")
    other.mkdir()
    Instance.create(other, "./data").db.dispose()
    typed(*arguments)
    assert len(typed("runs", "--json").json) == 2


def test_run_before_init_is_ingested_by_replay(before_init: Path) -> None:
    typed("init")
    assert "4 taken" in typed("events", "replay").stdout
    assert not user_spool().exists()


def test_run_before_init_is_ingested_by_the_next_run(before_init: Path) -> None:
    typed("init")
    _emit(3, "later.txt")
    assert not user_spool().exists()
    instance = Instance.open(Path(".lamin"))
    with instance.db.reading() as session:
        assert session.query(ln.Run).count() == 3
    instance.db.dispose()


def test_run_of_another_folder_is_not_ingested_and_doctor_names_it(before_init: Path) -> None:
    other = before_init.with_name("other")
    other.mkdir()
    os.chdir(other)
    typed("init")
    assert typed("runs", "--json").json == []
    typed("events", "replay")
    assert typed("runs", "--json").json == []
    hints = [f["hint"] for f in typed("doctor", "--json", code=None).json]
    assert f"cd {before_init} && lamin init" in hints
    os.chdir(before_init)
    typed("init")
    os.chdir(other)
    hints = [f["hint"] for f in typed("doctor", "--json", code=None).json]
    assert f"lamin --instance {before_init} events replay" in hints
    os.chdir(before_init)
    assert len(typed("runs", "--json").json) == 2


def _spooled(folder: Path, lines: list[bytes]) -> Path:
    """Events that wait in the spool of this instance for it, since it could not be reached."""
    spool = Spool(folder / "spool", registry_key(folder))
    spool.append(lines)
    spool.seal()
    return spool.folder


@pytest.fixture
def lines(in_tmp_path: Path) -> Callable[[int], list[bytes]]:
    """The events of so many runs, each of which wrote a file in the test's folder."""

    def make(count: int) -> list[bytes]:
        result = []
        for number in range(count):
            run = run_of(number, f"job {number}")
            path = str(in_tmp_path / f"{number}.txt")
            result.append(events.complete(run, at(number), outputs=[Dataset("file", path)]))
        return [serialize(event) for event in result]

    return make


def test_spool_of_an_unreachable_instance_is_ingested_by_the_next_query(
    instance: Instance, lines: Callable[[int], list[bytes]]
) -> None:
    spool = _spooled(instance.folder, lines(250))
    done = typed("runs", "--json", "--limit", "1000")
    assert len(done.json) == 250
    assert done.stderr.splitlines() == ["250 events that waited are in the registry now"]
    assert segments(spool) == []


def test_malformed_events_in_the_spool_do_not_break_a_query(
    instance: Instance, lines: Callable[[int], list[bytes]]
) -> None:
    _spooled(instance.folder, [*lines(2), b"not JSON", b"{}"])
    assert len(typed("runs", "--json").json) == 2


def test_query_during_a_write_is_answered_in_bounded_time(
    instance: Instance, lines: Callable[[int], list[bytes]]
) -> None:
    spool = _spooled(instance.folder, lines(3))
    environment = {**os.environ, "LAMIN_PATIENCE": "0.5"}
    with instance.db.writing() as session:
        session.connection()
        done = subprocess.run(
            [sys.executable, "-m", "lamin_core", "artifacts", "--json"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,  # the writer goes on for longer: only a bounded wait ends
            check=True,
        )
    assert done.stdout.strip() == "[]"
    assert "events wait in the spool" in done.stderr
    assert segments(spool) != []
    assert len(typed("runs", "--json").json) == 3


def test_query_inside_a_run_does_not_ingest_the_spool(
    instance: Instance, lines: Callable[[int], list[bytes]]
) -> None:
    spool = _spooled(instance.folder, lines(2))
    script = Path("script.py")
    script.write_text(
        "import lamin_core as ln\nln.track()\nprint(ln.Artifact.filter().count())\nln.finish()\n"
    )
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
    assert segments(spool) != []
    typed("runs")
    assert segments(spool) == []


def test_spool_of_a_moved_project_is_ingested(
    in_tmp_path: Path, lines: Callable[[int], list[bytes]]
) -> None:
    old = in_tmp_path / "old"
    old.mkdir()
    instance = Instance.create(old, "./data")
    instance.db.dispose()
    os.chdir(old)
    run = run_of(1, "job")

    outputs = [Dataset("file", str(old / "out.txt"))]
    _spooled(instance.folder, [serialize(events.complete(run, at(1), outputs=outputs))])
    new = old.rename(in_tmp_path / "new")
    os.chdir(new)
    lamin("lineage", "out.txt")
    assert [row["path"] for row in typed("artifacts", "--json").json] == [str(new / "out.txt")]
