"""The observer in a Nextflow that nobody of ours has started: where its events go, and what that costs the pipeline."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamin_nextflow import build, runtime
from openlineage.lamin.emit.spool import segments
from tests.contract.nextflow.playing import CACHE, PIPELINES, TIMEOUT, Event, environment, spooled
from tests.support.receivers import receiving

PIPELINE = str(PIPELINES / "retry.nf")


@dataclass(frozen=True)
class Ran:
    """A pipeline that has ended: exit code, its log without what differs from run to run, files."""

    code: int
    shown: list[str]
    files: dict[str, bytes]
    warnings: list[str]


def run_alone(folder: Path, *options: str, observer: bool = True, **variables: str) -> Ran:
    """Run the pipeline by Nextflow's own command, the observer as a Java agent."""
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        nextflow = runtime.fetched(
            "24.10.0", build.observer_jar() if observer else None, environment(folder)
        )
    done = subprocess.run(
        [*nextflow.command, "run", PIPELINE, "-ansi-log", "false", *options],
        cwd=folder,
        env={**environment(folder, **variables), **nextflow.environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    lines = (done.stderr + done.stdout).splitlines()
    results = sorted((folder / "results").glob("*"))
    return Ran(
        done.returncode,
        sorted(_stable(line) for line in lines if not line.startswith("lamin: ")),
        {file.name: file.read_bytes() for file in results},
        [line for line in lines if line.startswith("lamin: ")],
    )


def _stable(line: str) -> str:
    """Without hashes, run names and process ids."""
    return re.sub(r"\[[^]]*\]|/\S+|\b[0-9a-f]{2}/[0-9a-f]{6}\b", "*", line)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The same pipeline without us."""
    return run_alone(tmp_path_factory.mktemp("plain"), observer=False)


@contextmanager
def absent() -> Iterator[str]:
    with receiving() as receiver:
        url = receiver.url
    yield url


@contextmanager
def hanging() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    with receiving(lambda *_: (status, body)) as receiver:
        yield receiver.url


RECEIVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "absent": absent,
    "hanging": hanging,
    "failing": lambda: answering(500, b"out of order"),
    "garbage": lambda: answering(200, b"<html>\x00\xff\xfe" * 100),
}


def ends(events: list[Event]) -> list[str]:
    """The endings of the runs, each once: after a lost answer, an event comes again."""
    distinct = {
        (event["run"]["runId"], event["eventType"])
        for event in events
        if event["eventType"] in ("COMPLETE", "FAIL", "ABORT")
    }
    return sorted(kind for _, kind in distinct)


ENDS = ["COMPLETE"] * 3 + ["FAIL"] * 3


@pytest.mark.parametrize("receiver", RECEIVERS)
def test_faulty_receiver_changes_nothing_and_gets_the_events_later(
    receiver: str, plain: Ran, tmp_path: Path
) -> None:
    with RECEIVERS[receiver]() as url:
        ran = run_alone(tmp_path, OPENLINEAGE_URL=url)
    assert (ran.code, ran.files) == (plain.code, plain.files)
    assert len(ran.warnings) == 1, ran.warnings
    assert "the next run delivers it" in ran.warnings[0]
    assert ran.shown == plain.shown
    assert ends(spooled(tmp_path)) == ENDS
    if receiver != "failing":
        return
    port = int(url.rpartition(":")[2])
    with receiving(port=port) as working:
        again = run_alone(tmp_path, OPENLINEAGE_URL=url)
    assert again.warnings == []
    assert ends(working.events) == sorted(ENDS * 2)
    assert segments(tmp_path / "spool") == []
