"""Saving in two phases: whoever is killed with SIGKILL, at whatever step, leaves no row without bytes, nothing half
visible, and nothing that `lamin fsck` does not name; saving again completes it.

`KILLS=n` in the environment dies at every nth step; by default at a few of each, each day others.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.admin import fsck
from lamin_core.instance.instance import Instance, disconnect, init
from lamin_core.storage import object_store
from lamin_core.storage.hashing import digest
from lamin_core.storage.locations import managed_key, suffix_of
from tests.support.commands import typed

Die = Callable[[Path, str, int], int]


@pytest.fixture(params=["sqlite", "postgresql", "s3"])
def instance(request: pytest.FixtureRequest, in_tmp_path: Path) -> Iterator[Instance]:
    """An instance on both databases, and one whose copies go into a bucket."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    new_instance = init(
        f"{request.getfixturevalue('bucket')}/lineage" if request.param == "s3" else "./data",
        db=url,
    )
    ln.ULabel(name="somebody was here").save()
    yield new_instance
    disconnect()
    new_instance.db.dispose()


@pytest.fixture
def die(instance: Instance, in_tmp_path: Path) -> Iterator[Die]:
    """Save in another process that dies at a step; its exit code."""
    command = [sys.executable, "-m", "tests.support.killed_saves"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        stdin, stdout = nursery.stdin, nursery.stdout

        def at(source: Path, key: str, step: int) -> int:
            line = {"folder": str(in_tmp_path), "source": str(source), "key": key, "at": step}
            print(json.dumps(line), file=stdin, flush=True)
            return int(stdout.readline())

        yield at
        stdin.close()


def _steps(die: Die, source: Path, key: str, few: int) -> list[int]:
    """The steps to die at: so many, spread over all that saving takes, each day others."""
    assert die(source, key, 0) == 0
    steps = int(source.with_suffix(".steps").read_text())
    every = int(os.environ.get("KILLS", 0)) or max(1, steps // few)
    begin = random.Random(datetime.now(UTC).date().isoformat()).randrange(1, every + 1)
    return list(range(begin, steps, every))


def _visible(instance: Instance, folder: Path) -> list[tuple[str, Path]]:
    """The copies that anybody can see, by their keys, here."""
    if "://" not in instance.storage:
        root = Path(instance.storage, ".lamindb")
        return [
            (f".lamindb/{path.name}", path)
            for path in root.glob("*")
            if not path.name.startswith(".")
        ]
    fs, root_path = object_store.filesystem(f"{instance.storage}/.lamindb")
    here = folder / "visible"
    files = []
    for name in fs.find(root_path):
        key = name.removeprefix(f"{root_path}/")
        (here / key).parent.mkdir(parents=True, exist_ok=True)
        fs.get_file(name, str(here / key))
        files.append((f".lamindb/{key}", here / key))
    return files


def _check_killed(
    instance: Instance, folder: Path, expected: dict[str, bytes] | None, key: str
) -> int:
    """Check the registry after a kill; return the number of rows of what was being saved."""
    rows = ln.Artifact.filter(key__startswith=key.removesuffix("*")).to_list()
    for row in rows:
        assert digest(row.cache()) == row.content_digest
    is_folder = expected is None
    for relative_path, path in _visible(instance, folder):
        if "://" in instance.storage and is_folder:
            continue  # of a folder in a bucket files are there one by one, under a name that nobody was told
        assert (
            managed_key(digest(path), suffix_of(relative_path, is_folder=path.is_dir()))
            == relative_path
        )
    report = fsck.check(instance, deep=True, grace=0)
    assert {problem.kind for problem in report.problems} <= {"orphan"}, report.problems
    assert fsck.check(instance).is_clean  # what is left may be of a save that is under way
    return len(rows)


def _check_saved(instance: Instance, folder: Path) -> None:
    """Check the registry after it was saved again."""
    report = fsck.check(instance, deep=True, grace=0)
    assert report.problems == []


def test_killed_save_of_a_file_is_stored_whole_or_not_at_all(
    instance: Instance, outside: Path, in_tmp_path: Path, die: Die
) -> None:
    is_remote = "://" in instance.storage
    data = os.urandom((6 << 20) if is_remote else (3 << 20))
    (outside / "first.bin").write_bytes(b"first" + data)
    seen = set()
    for number, step in enumerate(
        _steps(die, outside / "first.bin", "first.bin", 5 if is_remote else 10)
    ):
        path, key = outside / f"{number}.bin", f"{number}.bin"
        path.write_bytes(b"%d" % number + data)
        assert die(path, key, step) == -signal.SIGKILL
        seen.add(_check_killed(instance, outside, {}, key))
        artifact = ln.Artifact(path, key=key).save()
        assert artifact.cache().read_bytes() == path.read_bytes()
        assert artifact.version == "0000"
        _check_saved(instance, in_tmp_path)
    assert seen <= {0, 1}
    assert 0 in seen


def test_killed_save_of_a_folder_is_stored_whole_or_not_at_all(
    instance: Instance, outside: Path, in_tmp_path: Path, die: Die
) -> None:
    def folder(name: str) -> Path:
        for number in range(5):
            (outside / name / "sub").mkdir(parents=True, exist_ok=True)
            (outside / name / ("sub" if number % 2 else "") / f"{number}.bin").write_bytes(
                name.encode() * 999
            )
        return outside / name

    seen = set()
    for number, step in enumerate(
        _steps(die, folder("first"), "first", 4 if "://" in instance.storage else 8)
    ):
        path = folder(str(number))
        assert die(path, f"k{number}", step) in (-signal.SIGKILL, 0)
        seen.add(_check_killed(instance, outside, None, f"k{number}"))
        artifact = ln.Artifact(path, key=f"k{number}").save()
        assert sum(file.is_file() for file in artifact.cache().rglob("*")) == 5
        _check_saved(instance, in_tmp_path)
    assert 0 in seen


def test_killed_save_of_two_hundred_files_stores_all_or_none(
    instance: Instance, outside: Path, in_tmp_path: Path, die: Die
) -> None:
    # A bucket of this test costs milliseconds for each object.
    many = 50 if "://" in instance.storage and "KILLS" not in os.environ else 200

    def folder(name: str) -> Path:
        (outside / name).mkdir()
        for number in range(many):
            (outside / name / f"{number}.txt").write_text(f"{name} {number}")
        return outside / name

    seen = set()
    for number, step in enumerate(
        _steps(die, folder("first"), "first/*", 2 if "://" in instance.storage else 4)
    ):
        path = folder(str(number))
        assert die(path, f"k{number}/*", step) in (-signal.SIGKILL, 0)
        seen.add(_check_killed(instance, outside, {}, f"k{number}/*"))
        ln.save(ln.Artifact.from_dir(path, key=f"k{number}"))
        assert ln.Artifact.filter(key__startswith=f"k{number}/").count() == many
        _check_saved(instance, in_tmp_path)
    assert seen <= {0, many}
    assert 0 in seen


def test_fsck_delete_orphans_removes_remains_of_a_killed_save(
    instance: Instance, outside: Path, in_tmp_path: Path, die: Die
) -> None:
    data = os.urandom(6 << 20)
    (outside / "first.bin").write_bytes(data)
    hints: set[Any] = set()
    for number, step in enumerate(_steps(die, outside / "first.bin", "first.bin", 3)):
        (outside / f"{number}.bin").write_bytes(b"%d" % number + data)
        die(outside / f"{number}.bin", f"{number}.bin", step)
        hints |= {problem.hint for problem in fsck.check(instance, grace=0).problems}
        typed("fsck", "--delete-orphans", "--grace", "0", "--yes")
        ln.connect()
        assert fsck.check(instance, deep=True, grace=0).problems == []
    assert hints <= {"`lamin fsck --delete-orphans` removes it"}
