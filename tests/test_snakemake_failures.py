"""Events when something fails: in a job, in the workflow, by hand, or in the recording itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase

from openlineage.lamin.validation.schema import problems
from snakemake_logger_plugin_lamin import LogHandler, LogHandlerSettings
from tests.contract.snakemake.playing import (
    COMMAND,
    Played,
    environment,
    message,
    names,
    play,
    rule,
    run,
    spooled,
    write,
)

FAILING = """
rule all:
    input: "retried.txt", "missing.txt", "script.txt", "ran.txt", "gone.txt"

rule retried:
    output: "retried.txt"
    retries: 1
    shell: "echo try >> tries; test $(wc -l < tries) = 2 && touch {output}"

rule missing:
    output: "missing.txt"
    shell: "true"

rule script:
    output: "script.txt"
    log: "script.log"
    script: "script.py"

rule run_fails:
    output: "ran.txt"
    run:
        raise ValueError("inside")

rule half:
    output: "gone.txt"
    shell: "touch {output}; exit 7"
"""
SCRIPT = """
import sys
sys.stderr = open(snakemake.log[0], "w")
raise ValueError("the script went wrong")
"""
GOOD = 'rule a:\n    output: "a.txt"\n    shell: "echo a > {output}"\n'


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("failing")
    write(folder, FAILING)
    write(folder, SCRIPT, "script.py")
    done = play(folder, "--keep-going", "--latency-wait", "0")
    assert done.code == 1
    return done


def test_every_event_is_valid_openlineage(failed: Played) -> None:
    assert [problem for event in failed.events for problem in problems(event)] == []


def test_each_attempt_is_a_run_and_only_the_last_one_completes(failed: Played) -> None:
    first, second = failed.events_of("retried", "START")
    assert [run(event)["attempt"] for event in (first, second)] == [1, 2]
    assert first["run"]["runId"] != second["run"]["runId"]
    assert failed.only_event("retried", "FAIL")["run"]["runId"] == first["run"]["runId"]
    assert failed.only_event("retried", "COMPLETE")["run"]["runId"] == second["run"]["runId"]


def test_job_without_its_output_fails(failed: Played) -> None:
    assert [event["eventType"] for event in failed.events_of("missing")] == ["START", "FAIL"]
    assert "missing.txt" in message(failed.only_event("missing", "FAIL"))


def test_failure_message_has_the_end_of_the_log(failed: Played) -> None:
    text = message(failed.only_event("script", "FAIL"))
    assert text.startswith("script failed with exit status 1")
    assert "ValueError: the script went wrong" in text


def test_failed_run_block_fails_its_job(failed: Played) -> None:
    assert message(failed.only_event("run_fails", "FAIL")).startswith("run_fails failed")


def test_failed_job_has_no_outputs(failed: Played) -> None:
    event = failed.only_event("half", "FAIL")
    assert event["outputs"] == []
    assert message(event) == "half failed with exit status 7"
    assert run(event)["details"]["exit_status"] == 7


def test_failed_workflow_names_its_failed_jobs(failed: Played) -> None:
    text = message(failed.only_event("", "FAIL"))
    assert text.startswith("At least one job did not complete successfully.")
    assert all(name in text for name in ("missing", "script", "run_fails", "half"))
    assert "retried" not in text


RETRIED = """
rule a:
    input: "retried.txt"
    output: "a.txt"
    retries: 2
    run:
        with open("tried", "a") as tries:
            tries.write("x")
        if len(open("tried").read()) < 2:
            raise ValueError
        open(output[0], "w").close()
"""


def test_workflow_with_successful_retries_completes(tmp_path: Path) -> None:
    write(tmp_path, RETRIED + FAILING[FAILING.index("\nrule retried") :])
    done = play(tmp_path)
    assert done.code == 0, done.shown
    assert done.story() == [
        ("START", ""),
        ("START", "retried"),
        ("FAIL", "retried"),
        ("START", "retried"),
        ("COMPLETE", "retried"),
        # Of the second try of a `run:` block Snakemake tells nobody.
        ("START", "a"),
        ("COMPLETE", "a"),
        ("COMPLETE", ""),
    ]


def test_workflow_that_cannot_be_planned_fails(tmp_path: Path) -> None:
    write(
        tmp_path,
        'rule a:\n    input: "nowhere.txt"\n    output: "a.txt"\n    shell: "cp {input} {output}"\n',
    )
    done = play(tmp_path)
    assert done.code == 1
    assert done.story() == [("START", ""), ("FAIL", "")]
    assert "nowhere.txt" in message(done.events[-1])


def test_failed_group_fails_as_a_whole(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
rule read:
    input: "stream.txt"
    output: "a.txt"
    shell: "cat {input} > {output}; exit 3"

rule write:
    output: pipe("stream.txt")
    shell: "seq 3 > {output}"
""",
    )
    done = play(tmp_path)
    assert done.code == 1
    assert [event["eventType"] for event in done.events_of("read")] == ["START", "FAIL"]
    assert done.events_of("write")[0]["eventType"] == "START"
    assert done.story()[-1] == ("FAIL", "")


# No program makes the files that are waited for: a shell that is told to end while such a one has
# just ended goes on.
SLEEPING = """
rule all:
    input: "a.txt", "b.txt"

rule a:
    output: "a.txt"
    shell: ": > started; sleep 300; touch {output}"

rule b:
    output: "b.txt"
    shell: ": > began; sleep 300; touch {output}"
"""


def interrupt(folder: Path, *signals: int, to_group: bool) -> tuple[int, str]:
    process = subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=environment(folder),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (folder / "started").exists() or not (folder / "began").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for number in signals:
            (os.killpg if to_group else os.kill)(process.pid, number)
        shown = process.communicate(timeout=60)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, shown


def test_interrupted_workflow_and_its_jobs_are_aborted(tmp_path: Path) -> None:
    write(tmp_path, SLEEPING)
    code, shown = interrupt(tmp_path, signal.SIGINT, to_group=True)
    assert code == 1, shown
    ends = {rule(event): event for event in spooled(tmp_path) if event["eventType"] != "START"}
    assert {name: event["eventType"] for name, event in ends.items()} == {
        "a": "ABORT",
        "b": "ABORT",
        "": "ABORT",
    }
    assert message(ends[""]) == "interrupted"


def test_terminated_workflow_finishes_its_jobs_and_is_aborted(tmp_path: Path) -> None:
    write(tmp_path, SLEEPING.replace("sleep 300", "sleep 3"))
    _, shown = interrupt(tmp_path, signal.SIGTERM, to_group=False)
    ends = {
        rule(event): event["eventType"]
        for event in spooled(tmp_path)
        if event["eventType"] != "START"
    }
    assert ends == {"a": "COMPLETE", "b": "COMPLETE", "": "ABORT"}, shown


def test_events_for_an_unreachable_endpoint_are_spooled(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    done = play(tmp_path, OPENLINEAGE_URL="http://127.0.0.1:9")
    assert done.code == 0, done.shown
    assert done.story() == [("START", ""), ("START", "a"), ("COMPLETE", "a"), ("COMPLETE", "")]
    assert done.shown.count("lineage is kept in") == 1


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in taken:
            connection.close()


def test_hanging_endpoint_affects_neither_result_nor_lineage(tmp_path: Path, hanging: str) -> None:
    write(tmp_path, GOOD)
    done = play(tmp_path, OPENLINEAGE_URL=hanging, LAMIN_PATIENCE="2")
    assert done.code == 0, done.shown
    assert (tmp_path / "a.txt").read_text() == "a\n"
    assert done.story()[-1] == ("COMPLETE", "")


def test_workflow_runs_if_events_cannot_be_stored_anywhere(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "file").touch()
    done = play(tmp_path, LAMIN_SPOOL=str(tmp_path / "file" / "spool"))
    assert done.code == 0, done.shown
    assert "lineage is being lost" in done.shown


def test_strict_workflow_without_an_instance_does_not_start(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    done = play(tmp_path, LAMIN_STRICT="1")
    assert done.code == 1
    assert "lamin init" in done.shown
    assert not (tmp_path / "a.txt").exists()


def test_other_logger_plugin_gets_every_record(tmp_path: Path) -> None:
    other = tmp_path / "site" / "snakemake_logger_plugin_lister"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text(
        """
from snakemake_interface_logger_plugins.base import LogHandlerBase

class LogHandler(LogHandlerBase):
    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True
    def emit(self, record):
        with open("listed", "a") as listed:
            listed.write(f"{getattr(record, 'event', None)}\\n")
"""
    )
    write(tmp_path, GOOD)
    paths = os.pathsep.join([str(tmp_path / "site"), environment(tmp_path)["PYTHONPATH"]])
    done = play(tmp_path, "--logger", "lister", "lamin", PYTHONPATH=paths)
    assert done.code == 0, done.shown
    assert "job_finished" in (tmp_path / "listed").read_text()
    assert names(done.only_event("a", "COMPLETE"), "outputs") == ["a.txt"]
    shutil.rmtree(other.parent)


class TestHandler(TestLogHandlerBase):
    """The suite that Snakemake ships for logger plugins."""

    __test__ = True

    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        self._handlers: list[LogHandler] = []
        yield
        for handler in self._handlers:
            handler.close()
            handler.close()

    def get_log_handler_cls(self) -> type[LogHandlerBase]:
        return LogHandler

    def get_log_handler_settings(self) -> LogHandlerSettings:
        return LogHandlerSettings()

    def _create_handler(self) -> LogHandlerBase:
        handler = super()._create_handler()
        assert isinstance(handler, LogHandler)
        self._handlers.append(handler)
        return handler
