"""The end of a job is sent at once; hashes of large files follow, and the end of a workflow does not wait for them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from lamin_core.instance.instance import Instance
from lamin_core.models import Run
from lamin_core.storage.hashing import digest
from lamin_snakemake import facts
from snakemake_logger_plugin_lamin import held_files
from snakemake_logger_plugin_lamin.digests import Contents, stamp
from snakemake_logger_plugin_lamin.held_files import hold, release
from tests.contract.snakemake.playing import (
    COMMAND,
    Event,
    dataset,
    environment,
    play,
    spooled,
    write,
)

SIZE = 24 << 20
SNAKEFILE = f"""
rule all:
    input: "small.txt"

rule large:
    output: temp("large.bin")
    shell: "head -c {SIZE} /dev/zero > {{output}}"

rule small:
    input: "large.bin"
    output: "small.txt"
    shell: "echo done > {{output}}"
"""
HUGE = """
rule all:
    input: "last.txt"

rule huge:
    output: "huge.bin"
    shell: "truncate -s 40G {output}"

rule last:
    input: "huge.bin"
    output: "last.txt"
    shell: "echo done > {output}; sleep {config[sleep]}"
"""


def content(event: Event, side: str, name: str) -> str | None:
    value: str | None = dataset(event, side, name).get("hash")
    return value


def test_content_of_a_large_file_follows_the_end_of_its_job(tmp_path: Path) -> None:
    write(tmp_path, SNAKEFILE)
    played = play(tmp_path)
    assert played.code == 0, played.shown
    (tmp_path / "large.bin").write_bytes(bytes(SIZE))
    expected = digest(tmp_path / "large.bin").hash
    assert content(played.only_event("large", "COMPLETE"), "outputs", "large.bin") is None
    hashes = [
        content(event, "outputs", "large.bin") for event in played.events_of("large", "RUNNING")
    ]
    assert hashes == [expected]  # although the file is a temp() one, and gone
    assert content(played.only_event("small", "COMPLETE"), "outputs", "small.txt") is not None


def test_workflow_does_not_wait_for_a_slow_hash(tmp_path: Path) -> None:
    write(tmp_path, HUGE)
    played = play(tmp_path, "--config", "sleep=0")
    assert played.code == 0, played.shown
    huge = dataset(played.only_event("huge", "COMPLETE"), "outputs", "huge.bin")
    assert (huge["size"], huge.get("hash")) == (40 << 30, None)
    assert played.only_event("", "COMPLETE")
    assert played.events_of("huge", "RUNNING") == []  # 40 GB are not read by then


@contextmanager
def _started(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A workflow that sleeps for a minute, and is killed at the end of the block."""
    running = subprocess.Popen(
        [*COMMAND, "--config", "sleep=60"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def test_workflow_killed_during_hashing_has_sent_all_other_events(tmp_path: Path) -> None:
    write(tmp_path, HUGE)
    with _started(tmp_path) as running:
        until = time.monotonic() + 90
        while not (tmp_path / "last.txt").exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(2)
        os.kill(running.pid, signal.SIGKILL)
        kinds = [(event["eventType"], event["job"]["name"]) for event in spooled(tmp_path)]
    assert ("COMPLETE", "Snakefile:huge") in kinds
    assert ("START", "Snakefile:last") in kinds


def test_killed_workflow_is_lost_when_it_starts_again(tmp_path: Path) -> None:
    """Asks nothing of the registry but the rows as they are."""
    instance = Instance.create(tmp_path, "./data")
    write(
        tmp_path,
        "rule a:\n    output: 'a.txt'\n    shell: ': > began; sleep {config[sleep]}; touch {output}'\n",
    )
    with _started(tmp_path):
        until = time.monotonic() + 90
        while _statuses(instance) != ["running"] * 2 and time.monotonic() < until:
            time.sleep(0.1)
    assert _statuses(instance) == ["running"] * 2
    played = play(tmp_path, "--nolock", "--rerun-incomplete", "--config", "sleep=0")
    assert played.code == 0, played.shown
    assert _statuses(instance) == ["lost"] * 2 + ["completed"] * 2
    instance.db.dispose()


def _statuses(instance: Instance) -> list[str]:
    """The status of each run, the oldest first."""
    with instance.db.reading() as session:
        return list(session.scalars(select(Run.status).order_by(Run.id)))


def test_open_files_use_no_more_disk_space_than_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_files, "budget", held_files.Budget(10))
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(b"123456")
    files = [hold(facts.File(str(path), stamp=stamp(str(path)))) for path in paths]
    assert [file.descriptor is not None for file in files] == [True, False, False]
    release(files[0])
    again = hold(files[1])
    assert again.descriptor is not None
    release(again)


def test_small_files_are_hashed_at_once_and_large_folders_later(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("abc")
    contents = Contents()
    assert not contents.takes_long([facts.File(str(path), stamp=stamp(str(path)))])
    (tmp_path / "folder").mkdir()
    with open(tmp_path / "folder" / "large", "wb") as file:
        file.truncate(SIZE)
    folder = facts.File(str(tmp_path / "folder"), stamp=stamp(str(tmp_path / "folder")))
    assert contents.takes_long([folder])
