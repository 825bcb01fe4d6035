"""The spool: what was emitted survives whatever happens, and its host neither waits nor fails.

Hosts are processes of their own, ended as hosts end: well, killed, or with a disk that takes no
more.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.runtime.set_aside import aside_files
from openlineage.lamin.emit import spool as spool_module
from openlineage.lamin.emit.background_sink import BackgroundSink
from openlineage.lamin.emit.default_sink import default_sink
from openlineage.lamin.emit.events import Event, complete, start
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.sinks import FileSink, MemorySink
from openlineage.lamin.emit.spool import (
    Drained,
    Spool,
    SpoolFull,
    drain,
    folder_size,
    segments,
    take_dropped,
)
from openlineage.lamin.receive.replay import Report
from openlineage.lamin.receive.spool_replay import recover
from tests.support.receivers import Answer, misbehaving, receiving, unused_port

from .conftest import at, run_of

# Emits numbered events as long as it is let, says after each that it is kept, and how long the host
# was held up.
HOST = """
import sys, time
from openlineage.lamin.emit.default_sink import default_sink
count, pause = int(sys.argv[1]), float(sys.argv[2])
sink = default_sink()
began = time.monotonic()
for number in range(count):
    sink.emit({"number": number, "who": sys.argv[3], "text": "x" * 200})
    print(number, flush=True)
    time.sleep(pause)
slept = count * pause
sink.close()
print("held", time.monotonic() - began - slept, "lost", sink.dropped, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spool of the test."""
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("LAMIN_PATIENCE", "2")
    return tmp_path / "spool"


def host(
    count: int = 20, who: str = "host", pause: float = 0.0, **environment: str
) -> subprocess.Popen[str]:
    """A process that emits."""
    return subprocess.Popen(
        [sys.executable, "-c", HOST, str(count), str(pause), who],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def host_result(process: subprocess.Popen[str]) -> tuple[float, int, str]:
    """Seconds that it was held up, events that it lost, and what it said on standard error."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    _, delay, _, lost = out.splitlines()[-1].split()
    return float(delay), int(lost), err


def spooled_events(folder: Path) -> list[dict[str, Any]]:
    """The events in the spool, in order."""
    return [
        json.loads(line)
        for path in segments(folder)
        for line in path.read_bytes().split(b"\n")
        if line
    ]


def numbers(events: list[dict[str, Any]], who: str = "host") -> list[int]:
    return [event["number"] for event in events if event["who"] == who]


@contextlib.contextmanager
def sink_over_http(spool: Spool, url: str, patience: float = 2.0) -> Iterator[BackgroundSink]:
    """An emitter in this process."""
    sink = BackgroundSink(lambda: HttpSink(url), spool, patience)
    yield sink
    sink.close()


# -- no receiver, or a bad one
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["absent", "hangs", "drops", "nonsense", "slow"])
def test_bad_receiver_costs_at_most_two_seconds_one_warning_and_no_event(
    folder: Path, how: str
) -> None:
    with contextlib.ExitStack() as stack:
        gone = f"http://127.0.0.1:{unused_port()}"
        url = gone if how == "absent" else stack.enter_context(misbehaving(how))
        delay, lost, stderr = host_result(host(OPENLINEAGE_URL=url))
    assert delay < 2.5
    assert lost == 0
    assert stderr.count("lineage is kept in") == 1, stderr
    assert numbers(spooled_events(folder)) == list(range(20))


def test_events_without_an_instance_wait_for_replay(folder: Path, in_tmp_path: Path) -> None:
    sink = default_sink()
    sink.emit(start(run_of(1, "a"), at(0)), complete(run_of(1, "a"), at(1)))
    sink.close()
    instance = Instance.create(in_tmp_path, "./data")
    report = Report()
    recover(instance.db, folder, report)
    assert (report.taken, report.known, report.unreadable) == (2, 0, [])
    assert segments(folder) == []
    instance.db.dispose()


def test_patience_setting_shortens_the_wait(folder: Path) -> None:
    with misbehaving("hangs") as url:
        delay, _, _ = host_result(host(OPENLINEAGE_URL=url, LAMIN_PATIENCE="0"))
    assert delay < 0.5
    assert len(spooled_events(folder)) == 20


# -- the receiver comes back
# ----------------------------------------------------------------------------------------


def test_receiver_that_comes_back_gets_everything_in_order(folder: Path) -> None:
    port = unused_port()
    process = host(40, pause=0.05, OPENLINEAGE_URL=f"http://127.0.0.1:{port}")
    time.sleep(1.0)
    with receiving(port=port) as receiver:
        delay, lost, _ = host_result(process)
    assert (lost, numbers(receiver.events)) == (0, list(range(40)))
    assert delay < 2.5
    assert not folder.exists()


def test_running_process_delivers_its_backlog_without_new_events(tmp_path: Path) -> None:
    port = unused_port()
    with sink_over_http(Spool(tmp_path / "spool", "key"), f"http://127.0.0.1:{port}") as sink:
        for number in range(10):
            sink.emit({"number": number, "who": "host"})
        assert not sink.flush()
        with receiving(port=port) as receiver:
            assert numbers(receiver.wait_for(10)) == list(range(10))
            assert sink.flush()


def test_next_process_first_delivers_the_backlog_of_earlier_ones(folder: Path) -> None:
    port = unused_port()
    for who in ("first", "second"):
        host_result(host(5, who, OPENLINEAGE_URL=f"http://127.0.0.1:{port}"))
    assert len(segments(folder)) == 2
    with receiving(port=port) as receiver:
        host_result(host(5, "third", OPENLINEAGE_URL=f"http://127.0.0.1:{port}"))
    assert [(event["who"], event["number"]) for event in receiver.events] == [
        (who, number) for who in ("first", "second", "third") for number in range(5)
    ]
    assert not folder.exists()


def test_backlog_for_another_receiver_is_not_delivered(folder: Path) -> None:
    host_result(host(5, "first", OPENLINEAGE_URL=f"http://127.0.0.1:{unused_port()}"))
    with receiving() as receiver:
        host_result(host(5, "second", OPENLINEAGE_URL=receiver.url))
    assert {event["who"] for event in receiver.events} == {"second"}
    assert numbers(spooled_events(folder), "first") == list(range(5))


# -- processes are killed
# -------------------------------------------------------------------------------------------


def test_every_spooled_event_survives_a_kill(folder: Path) -> None:
    port = unused_port()
    process = host(10**6, OPENLINEAGE_URL=f"http://127.0.0.1:{port}")
    assert process.stdout is not None
    emitted = [int(process.stdout.readline()) for _ in range(2000)]
    process.kill()
    emitted += [
        int(line) for line in process.communicate()[0].splitlines() if line.strip().isdigit()
    ]
    with receiving(port=port) as receiver:
        host_result(host(1, "next", OPENLINEAGE_URL=f"http://127.0.0.1:{port}"))
        came = numbers(receiver.wait_for(len(emitted) + 1))
    assert came[: len(emitted) - 1] == emitted[:-1]  # the last number may be torn from the pipe
    assert came == list(range(len(came)))


def test_torn_line_is_set_aside_and_earlier_lines_are_delivered(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host_result(host(5, OPENLINEAGE_URL="http://127.0.0.1:9"))
    (segment,) = segments(folder)
    os.truncate(
        segment, segment.stat().st_size - 30
    )  # as a kill in the middle of a write leaves it
    memory = MemorySink()
    sink = BackgroundSink(lambda: memory, Spool(folder, segment.name.split(".")[1]))
    sink.emit({"number": 0, "who": "next"})
    sink.close()
    assert numbers(memory.events) == [0, 1, 2, 3]
    assert numbers(memory.events, "next") == [0]
    (aside,) = folder.glob("*.aside")
    assert aside.read_bytes().startswith(b'{"number":4,')
    assert len([record for record in caplog.records if "torn" in record.message]) == 1


def test_replay_reports_a_torn_line(folder: Path, in_tmp_path: Path) -> None:
    folder.mkdir()
    whole = json.dumps(start(run_of(1, "a"), at(0)))
    (folder / "1-2-3.00000000.ndjson").write_text(f"{whole}\n{whole[:50]}")
    instance = Instance.create(in_tmp_path, "./data")
    report = Report()
    assert recover(instance.db, folder, report).torn == 1
    assert (report.taken, len(report.unreadable)) == (1, 1)
    assert segments(folder) == []
    instance.db.dispose()


def test_killed_drainer_causes_only_repeated_events(folder: Path) -> None:
    host_result(host(3000, "old", OPENLINEAGE_URL="http://127.0.0.1:9"))
    key = segments(folder)[0].name.split(".")[1]

    def slowly(path: str, events: list[dict[str, Any]]) -> Answer:
        time.sleep(0.05)
        return 200, b"{}"

    with receiving(slowly) as receiver:
        script = (
            "import sys; from pathlib import Path; from openlineage.lamin.emit.http_sink import HttpSink\n"
            "from openlineage.lamin.emit.spool import Drained, drain, segments\n"
            "sink = HttpSink(sys.argv[1])\n"
            "[drain(path, lambda lines: sink.emit(*lines), Drained()) for path in segments(Path(sys.argv[2]))]\n"
        )
        process = subprocess.Popen([sys.executable, "-c", script, receiver.url, str(folder)])
        receiver.wait_for(500)
        process.kill()
        process.wait()
        taken = len(receiver.events)
        with sink_over_http(Spool(folder, key), receiver.url, patience=20) as sink:
            sink.emit({"number": 0, "who": "new"})
            assert sink.flush()
    assert 0 < taken < 3000
    assert sorted(set(numbers(receiver.events, "old"))) == list(range(3000))
    assert numbers(receiver.events[-3001:], "old") == list(range(3000))


def test_segment_is_sent_by_one_process_only(folder: Path) -> None:
    port = unused_port()
    for number in range(6):
        host_result(host(50, f"old{number}", OPENLINEAGE_URL=f"http://127.0.0.1:{port}"))
    with receiving(port=port) as receiver:
        drainers = [
            host(20, f"new{n}", 0.02, OPENLINEAGE_URL=f"http://127.0.0.1:{port}") for n in range(3)
        ]
        for drainer in drainers:
            assert host_result(drainer)[1] == 0
        delivered = [(event["who"], event["number"]) for event in receiver.events]
    assert len(delivered) == len(set(delivered)) == 6 * 50 + 3 * 20
    assert not folder.exists()


def test_events_of_parent_and_forked_child_are_each_delivered_once(tmp_path: Path) -> None:
    file_sink = FileSink(tmp_path / "events.ndjson")
    sink = BackgroundSink(lambda: file_sink, Spool(tmp_path / "spool", "key"))
    sink.emit({"process": "parent", "number": 1})
    child = os.fork()
    if child == 0:
        sink.emit({"process": "child", "number": 2})
        sink.close()
        os._exit(0)
    os.waitpid(child, 0)
    sink.emit({"process": "parent", "number": 3})
    sink.close()
    events = [json.loads(line) for line in (tmp_path / "events.ndjson").read_bytes().splitlines()]
    assert sorted(event["number"] for event in events) == [1, 2, 3]
    assert not (tmp_path / "spool").exists()


def test_event_of_a_child_killed_at_once_is_delivered(tmp_path: Path) -> None:
    memory = MemorySink()
    sink = BackgroundSink(lambda: memory, Spool(tmp_path / "spool", "key"))
    sink.emit({"number": 1})
    child = os.fork()
    if child == 0:
        sink.emit({"number": 2})
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    sink.emit({"number": 3})
    sink.close()
    assert sorted(event["number"] for event in memory.events) == [1, 2, 3]


# -- order, size, and disks that are full
# ---------------------------------------------------------------------------


def test_full_segments_are_closed_and_drained_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 2000)
    spool = Spool(tmp_path, "key")
    for number in range(200):
        spool.append([json.dumps({"number": number, "who": "host"}).encode()])
    spool.seal()
    paths = segments(tmp_path, "key")
    assert len(paths) > 2
    assert max(path.stat().st_size for path in paths) <= 2000
    memory = MemorySink()
    assert all(drain(path, lambda lines: memory.emit(*lines), Drained()) for path in paths)
    assert numbers(memory.events) == list(range(200))
    assert list(tmp_path.iterdir()) == []


def test_segment_being_written_is_not_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "key")
    spool.append([b'{"number": 1}'])
    (path,) = segments(tmp_path, "key")
    assert not drain(path, lambda lines: pytest.fail("taken"), Drained())
    spool.seal()
    assert drain(path, lambda lines: None, Drained())


def test_replay_reads_but_does_not_remove_a_segment_being_written(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    spool = Spool(in_tmp_path / "spool", "key")
    spool.append([json.dumps(start(run_of(1, "a"), at(0))).encode()])
    report = Report()
    recover(instance.db, spool.folder, report)
    assert report.taken == 1
    assert len(segments(spool.folder)) == 1
    spool.close()
    recover(instance.db, spool.folder, report)
    assert (report.taken, report.known, report.unreadable, segments(spool.folder)) == (1, 1, [], [])
    instance.db.dispose()


def test_full_spool_drops_events_and_reports_how_many(folder: Path) -> None:
    _, lost, stderr = host_result(
        host(5000, OPENLINEAGE_URL="http://127.0.0.1:9", LAMIN_SPOOL_LIMIT="0.1")
    )
    spooled = numbers(spooled_events(folder))
    assert spooled == list(
        range(len(spooled))
    )  # the first ones: what was kept once is never given up for newer ones
    assert 0 < len(spooled) == 5000 - lost
    assert folder_size(folder) <= 0.1 * (1 << 20) + 1000
    assert stderr.count("lineage is being lost") == 1
    assert f"{lost} events were lost" in stderr
    assert (take_dropped(folder), take_dropped(folder)) == (lost, 0)


def test_spool_limit_includes_other_writers_and_freed_space_is_used(tmp_path: Path) -> None:
    other, spool = Spool(tmp_path, "other"), Spool(tmp_path, "key", limit=1000)
    other.append([b"x" * 900])
    with pytest.raises(SpoolFull, match="holds"):
        spool.append([b"y" * 200])
    other.seal()
    segments(tmp_path, "other")[0].unlink()
    time.sleep(0.1)
    spool.append([b"y" * 200])
    spool.close()


def test_unwritable_spool_delivers_events_from_memory(folder: Path) -> None:
    folder.write_text("a file, not a folder")
    with receiving() as receiver:
        _, lost, stderr = host_result(host(OPENLINEAGE_URL=receiver.url))
    assert (lost, numbers(receiver.events)) == (0, list(range(20)))
    assert stderr.count("\n") == 1, stderr


def test_unwritable_spool_without_a_receiver_reports_the_loss_and_the_job_continues(
    folder: Path,
) -> None:
    folder.write_text("a file, not a folder")
    delay, lost, stderr = host_result(host(OPENLINEAGE_URL="http://127.0.0.1:9"))
    assert (lost, delay < 2.5) == (20, True)
    assert "lineage is being lost" in stderr
    assert "20 events were lost" in stderr
    assert "is kept in" not in stderr


# As a full disk, in earnest: the kernel writes up to the limit, and refuses what is above.
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
"""


def test_disk_full_in_the_middle_of_a_line_leaves_no_torn_line(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FULL + HOST, "200", "0", "host"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENLINEAGE_URL": "http://127.0.0.1:9"},
    )
    _, lost, stderr = host_result(process)
    spooled = numbers(spooled_events(folder))
    assert spooled == list(range(len(spooled)))
    assert 0 < len(spooled) == 200 - lost
    assert f"{lost} events were lost" in stderr


def test_refused_event_is_set_aside_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        if path.endswith("/batch"):
            return 404, b""
        return (400, b"seven is no number") if events[0]["number"] == 7 else (201, b"")

    events: list[Event] = [{"number": number, "who": "host"} for number in range(10)]
    with (
        receiving(answer) as receiver,
        sink_over_http(Spool(tmp_path, "key"), receiver.url) as sink,
    ):
        sink.emit(*events)
    assert numbers(receiver.events) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    (aside,) = tmp_path.glob("*.aside")
    assert json.loads(aside.read_bytes())["number"] == 7
    assert "seven is no number" in caplog.text


def test_removed_spool_folder_is_recreated(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "key")
    spool.append([b'{"number": 1}'])
    for path in segments(tmp_path / "spool"):
        path.unlink()
    spool.append([b'{"number": 2}'])
    spool.close()
    assert [path.read_bytes() for path in segments(tmp_path / "spool")] == [b'{"number": 2}\n']


# -- the host's threads
# ---------------------------------------------------------------------------------------------


def test_close_delivers_all_events_in_order(tmp_path: Path) -> None:
    memory = MemorySink()
    sink = BackgroundSink(lambda: memory, Spool(tmp_path, "key"), patience=20)
    for number in range(2000):
        sink.emit({"number": number, "who": "host"})
    sink.close()
    sink.close()
    assert numbers(memory.events) == list(range(2000))


def test_emit_does_not_wait_for_a_slow_sink(tmp_path: Path) -> None:
    class Slow(MemorySink):
        def emit(self, *events: Event | bytes) -> None:
            time.sleep(0.5)
            super().emit(*events)

    slow = Slow()
    sink = BackgroundSink(lambda: slow, Spool(tmp_path, "key"), patience=20)
    began = time.monotonic()
    for number in range(100):
        sink.emit({"number": number})
    assert time.monotonic() - began < 0.4
    sink.close()
    assert len(slow.events) == 100


def test_total_wait_is_no_longer_than_the_patience(tmp_path: Path) -> None:
    with (
        misbehaving("hangs") as url,
        sink_over_http(Spool(tmp_path, "key"), url, patience=0.6) as sink,
    ):
        began = time.monotonic()
        for number in range(5):
            sink.emit({"number": number})
            assert not sink.flush()
        sink.close()
        assert time.monotonic() - began < 1.5


def test_link_in_the_spool_is_not_written_through(tmp_path: Path) -> None:
    folder, precious = tmp_path / "spool", tmp_path / "precious.txt"
    folder.mkdir()
    precious.write_text("precious")
    segment = folder / "00000000000000000001-7-abcdef.72c23682.ndjson"
    spool_module.aside(segment).symlink_to(precious)
    (folder / "dropped.log").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        spool_module._put_aside(segment, [b"{}"], ["refused"])
    spool_module.note_dropped(folder, 3, "full")
    assert precious.read_text() == "precious"


# -- answers that are no acknowledgement, and what was set aside
# ---------------------------------------


@pytest.mark.parametrize("how", ["page", "redirect"])
def test_answer_of_another_server_keeps_the_events_and_the_warning_has_a_hint(
    folder: Path, how: str
) -> None:
    answer = (200, b"<!doctype html><title>Sign in</title>") if how == "page" else (302, b"")
    with receiving(lambda *_: answer) as receiver:
        _, lost, output = host_result(host(OPENLINEAGE_URL=receiver.url))
    assert (lost, numbers(spooled_events(folder))) == (0, list(range(20)))
    assert output.count("lineage is kept in") == output.count("\n") == 1
    assert "; set OPENLINEAGE_URL to the address of an OpenLineage receiver" in output


@pytest.mark.parametrize("how", ["endless", "endless error", "huge length", "drips"])
def test_endless_answer_delays_a_process_no_longer_than_its_patience(
    folder: Path, how: str
) -> None:
    with misbehaving(how) as url:
        held_up, lost, output = host_result(host(OPENLINEAGE_URL=url))
    assert (lost, held_up < 2.5, output.count("lineage is kept in")) == (0, True, 1)
    assert numbers(spooled_events(folder)) == list(range(20))


def lamin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, in this folder."""
    command = [sys.executable, "-m", "lamin_core", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def refused(folder: Path, in_tmp_path: Path) -> str:
    """The address of a receiver that has refused two of three events; they were set aside."""

    def answer(path: str, events: list[dict[str, Any]]) -> Answer:
        if path.endswith("/batch"):
            return 404, b""
        return (
            (400, b"no eventType that I like")
            if events[0]["eventType"] == "COMPLETE"
            else (201, b"")
        )

    runs = [run_of(1, "a"), run_of(2, "b")]
    with (
        receiving(answer) as receiver,
        sink_over_http(Spool(folder, "0a1b2c3d"), receiver.url) as sink,
    ):
        sink.emit(start(runs[0], at(0)), *(complete(run, at(1)) for run in runs))
    return receiver.url


def test_events_set_aside_are_named_by_replay_and_doctor(
    folder: Path, in_tmp_path: Path, refused: str
) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    (aside,) = folder.glob("*.aside")
    reason = f"{refused} answered 400: no eventType that I like"
    replayed = lamin(in_tmp_path, "events", "replay")
    assert replayed.returncode == 0
    assert f"set aside: 2 events in {aside} ({reason})\n" in replayed.stderr
    assert "lamin events requeue" in replayed.stderr
    (row,) = json.loads(lamin(in_tmp_path, "events", "replay", "--json").stdout)["set_aside"]
    assert row == {"file": str(aside), "events": 2, "reason": reason}
    examined = json.loads(lamin(in_tmp_path, "doctor", "--json").stdout)
    (finding,) = [row for row in examined if row["check"] == "refused events"]
    assert (finding["status"], finding["detail"]) == ("warning", f"2 events in {aside} ({reason})")
    assert finding["hint"].startswith("lamin events requeue")


def test_requeued_events_can_be_replayed_into_the_instance(
    folder: Path, in_tmp_path: Path, refused: str
) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    requeued = lamin(in_tmp_path, "events", "requeue")
    assert requeued.stdout.startswith(f"2 wait again in {folder}: the next run sends them")
    assert lamin(in_tmp_path, "events", "replay").stdout.startswith(
        "2 taken, 0 known already, 0 put aside"
    )
    assert not list(folder.iterdir())
    assert lamin(in_tmp_path, "events", "requeue").stdout == f"nothing was set aside in {folder}\n"


def test_requeued_events_are_sent_again(folder: Path, in_tmp_path: Path, refused: str) -> None:
    requeued = lamin(in_tmp_path, "events", "requeue", "--json")  # there is no instance
    assert json.loads(requeued.stdout) == {"requeued": 2, "folder": str(folder)}
    with receiving() as receiver, sink_over_http(Spool(folder, "0a1b2c3d"), receiver.url) as sink:
        sink.emit(start(run_of(3, "next"), at(2)))
        assert sink.flush()
    types = [event["eventType"] for event in receiver.events]
    assert types == ["COMPLETE", "COMPLETE", "START"]


def test_requeued_events_refused_again_are_set_aside_again(
    folder: Path, in_tmp_path: Path, refused: str
) -> None:
    (aside,) = folder.glob("*.aside")
    events = aside.read_bytes()
    lamin(in_tmp_path, "events", "requeue")
    again = receiving(lambda *_: (422, b"not now either"))
    with again as receiver, sink_over_http(Spool(folder, "0a1b2c3d"), receiver.url) as sink:
        sink.emit(start(run_of(3, "next"), at(2)))
        sink.flush()
    files = aside_files(folder)
    assert sum(file.events for file in files) == 3
    assert {file.reason for file in files} == {f"{receiver.url} answered 422: not now either"}
    assert events in [file.path.read_bytes() for file in files]
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {0o600}
