"""Events of pipelines that end badly: a failure, a signal, a kill; and events without a receiver."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from tests.contract.nextflow.playing import (
    COMMAND,
    PIPELINES,
    TIMEOUT,
    Event,
    Played,
    environment,
    is_end,
    message,
    names,
    play,
    process,
    run,
    source,
    spooled,
    start,
    whole_lines,
)
from tests.support.receivers import receiving

ENDING = str(PIPELINES / "ending.nf")


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def starts(folder: Path) -> int:
    """The number of runs that have begun; while Nextflow runs, both its own file and ours hold them."""
    return len(
        {event["run"]["runId"] for event in spooled(folder) if event["eventType"] == "START"}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A launch folder in which two tasks can run at once on any machine."""
    (tmp_path / "nextflow.config").write_text("executor.cpus = 4\n")
    return tmp_path


def story(played: Played) -> list[tuple[str, str]]:
    """The tasks and the workflow, each with its ending."""
    return sorted(
        (run(event)["name"], event["eventType"])
        for event in played.events
        if event["eventType"] != "START"
    )


@pytest.mark.parametrize("version", ["22.10.7", "24.10.0", "25.04.4"])
def test_running_tasks_are_aborted_when_another_task_fails(version: str, folder: Path) -> None:
    played = play(folder, "run", ENDING, "--bad", "true", "-name", "workflow", NXF_VER=version)
    assert played.code == 1
    assert story(played) == [("BAD", "FAIL"), ("SLOW (100)", "ABORT"), ("workflow", "FAIL")]
    bad, workflow = played.only_event("bad", "FAIL"), played.only_event("", "FAIL")
    assert message(bad) == "exit status 4: no such luck"
    assert bad["run"]["facets"]["errorMessage"]["stackTrace"] == "first line\nno such luck"
    assert (
        message(workflow) == "Process `BAD` terminated with an error exit status (4): no such luck"
    )
    assert "Command exit status:\n  4" in workflow["run"]["facets"]["errorMessage"]["stackTrace"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_is_forwarded_and_nextflow_aborts_its_tasks(
    number: signal.Signals, folder: Path
) -> None:
    running = start(folder, "run", ENDING, "-name", "workflow")
    wait_until(lambda: starts(folder) >= 3)
    running.send_signal(number)
    assert running.wait(TIMEOUT) == 1  # what Nextflow makes of it
    played = Played(1, (folder / "shown.txt").read_text(), spooled(folder))
    assert "Killing running tasks (2)" in played.shown
    assert story(played) == [
        ("SLOW (100)", "ABORT"),
        ("SLOW (101)", "ABORT"),
        ("workflow", "ABORT"),
    ]
    assert message(played.only_event("", "ABORT")) == number.name


def java_below(running: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    return int(children[0])


def test_running_tasks_of_a_killed_nextflow_are_aborted(folder: Path) -> None:
    running = start(folder, "run", ENDING, "-name", "workflow")
    wait_until(lambda: starts(folder) >= 3)
    os.kill(java_below(running), signal.SIGKILL)
    assert running.wait(TIMEOUT) == -signal.SIGKILL
    played = Played(-9, "", spooled(folder))
    assert story(played) == [
        ("SLOW (100)", "ABORT"),
        ("SLOW (101)", "ABORT"),
        ("workflow", "ABORT"),
    ]
    assert message(played.only_event("", "ABORT")) == "Nextflow was ended by signal 9"
    end_group(running)


def test_nextflow_continues_when_the_launcher_is_killed_and_its_events_are_spooled(
    folder: Path,
) -> None:
    running = start(folder, "run", str(PIPELINES / "retry.nf"))
    wait_until(lambda: list((folder / "spool").glob("*-nextflow-*.ndjson")))
    running.kill()
    running.wait()
    (waiting,) = (folder / "spool").glob("*-nextflow-*.ndjson")
    wait_until(lambda: "END" in [end(event) for event in whole_lines(waiting)])
    ended = sorted(filter(None, map(end, whole_lines(waiting))))
    assert ended == ["AFTER", "BROKEN (1)", "BROKEN (2)", "END", "FLAKY", "FLAKY"]


def end(event: Event) -> str | None:
    """Whose end it tells: a task's name, END for the workflow, None for no one's."""
    if not is_end(event):
        return None
    return str(run(event)["name"]) if process(event) else "END"


def end_group(running: subprocess.Popen[bytes]) -> None:
    """The tasks of a Nextflow that was killed live on."""
    os.killpg(running.pid, signal.SIGKILL)


def test_script_that_does_not_compile_is_a_failed_workflow(folder: Path) -> None:
    (folder / "broken.nf").write_text("workflow { error 'a reason of my own' }\n")
    played = play(folder, "run", "broken.nf")
    assert played.code == 1
    assert "a reason of my own" in message(played.only_event("", "FAIL"))
    assert source(played.only_event("", "START")).startswith("workflow")


def test_hanging_endpoint_costs_little_time_and_one_warning(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        played = play(
            folder, "run", str(PIPELINES / "retry.nf"), OPENLINEAGE_URL=url, LAMIN_PATIENCE="2"
        )
    assert played.code == 0, played.shown
    assert played.shown.count("lamin events replay") == 1
    assert names(played.only_event("after", "COMPLETE"), "outputs") == ["after.txt"]
    assert played.only_event("", "START")


def test_unwritable_spool_costs_only_warnings(folder: Path) -> None:
    (folder / "spool").write_text("a file is in the way")
    done = subprocess.run(
        [*COMMAND, "run", str(PIPELINES / "retry.nf")],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert "lineage is being lost" in done.stderr
    assert (folder / "results" / "after.txt").exists()


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing on the terminal."""


def test_openlineage_disabled_sends_nothing(folder: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        arguments = ("run", str(PIPELINES / "retry.nf"), "--api_key", "sEcretKey1")
        disabled = play(folder, *arguments, OPENLINEAGE_URL=url, OPENLINEAGE_DISABLED=" True")
        sent = list(_Receiver.bodies)
        enabled = play(folder, *arguments, OPENLINEAGE_URL=url, LAMIN_PATIENCE="60")
        server.shutdown()
    assert disabled.code == enabled.code == 0, disabled.shown
    assert sent == []
    assert disabled.only_event("", "COMPLETE")  # the registry here, or its spool, goes on
    received = [json.loads(body) for body in _Receiver.bodies]
    assert sum(len(body) if isinstance(body, list) else 1 for body in received) > 3
    sent_text = b"".join(_Receiver.bodies).decode() + json.dumps(disabled.events)
    assert "--api_key ***" in sent_text
    assert "sEcretKey1" not in sent_text


def test_every_destination_gets_the_events_and_failures_are_retried(folder: Path) -> None:
    answers = iter([(503, b"come again"), (500, b"")])
    with (
        receiving(lambda *_: next(answers, (200, b"{}"))) as busy,
        receiving() as other,
    ):
        variables = {
            "OPENLINEAGE_URL": busy.url,
            "OPENLINEAGE__TRANSPORT__TYPE": "http",
            "OPENLINEAGE__TRANSPORT__URL": other.url,
        }
        played = play(folder, "run", str(PIPELINES / "retry.nf"), **variables)
        # Where all events were in the one batch that was refused, the next run delivers them.
        again = play(folder, "run", str(PIPELINES / "retry.nf"), **variables)
    assert played.code == again.code == 0, played.shown
    ends = {end(event) for event in busy.events} - {None}
    assert ends == {"AFTER", "BROKEN (1)", "BROKEN (2)", "END", "FLAKY"}
    assert ends == {end(event) for event in other.events} - {None}
    assert spooled(folder) == []
