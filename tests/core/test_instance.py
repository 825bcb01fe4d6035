"""Instances: where they are found, and what happens where there is none."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import (
    Conflict,
    InstanceNotFound,
    InvalidArgument,
    SchemaMismatch,
    Unavailable,
)
from lamin_core.instance.instance import Instance, connect, disconnect
from lamin_core.runtime.settings import write_toml


@pytest.fixture(autouse=True)
def _disconnected() -> None:
    disconnect()


def test_connect_in_a_subfolder_uses_the_instance_above(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    (in_tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(in_tmp_path / "a" / "b")
    assert connect().uid == instance.uid


def test_missing_instance_raises_instance_not_found(in_tmp_path: Path) -> None:
    with pytest.raises(InstanceNotFound, match=r"lamin init --storage \./data"):
        ln.Artifact.df()
    with pytest.raises(InstanceNotFound):
        ln.connect(in_tmp_path / "nowhere")


def test_instances_in_folders_of_the_same_name_are_different(in_tmp_path: Path) -> None:
    for parent in ("one", "two"):
        (in_tmp_path / parent / "same").mkdir(parents=True)
        Instance.create(in_tmp_path / parent / "same", "./data")
    first, second = (
        Instance.open(in_tmp_path / parent / "same" / ".lamin") for parent in ("one", "two")
    )
    assert first.uid != second.uid
    assert first.db.url != second.db.url


def test_create_of_an_existing_instance_opens_it_and_other_storage_is_refused(
    in_tmp_path: Path,
) -> None:
    first = Instance.create(in_tmp_path, "./data")
    assert Instance.create(in_tmp_path, "./data").uid == first.uid
    with pytest.raises(Conflict, match="already has an instance"):
        Instance.create(in_tmp_path, "./other")


def test_moved_project_finds_its_database(in_tmp_path: Path) -> None:
    (in_tmp_path / "old").mkdir()
    Instance.create(in_tmp_path / "old", "./data")
    (in_tmp_path / "old").rename(in_tmp_path / "new")
    assert Instance.open(in_tmp_path / "new" / ".lamin").query(ln.Storage).count() == 2


def test_concurrent_inits_make_one_instance(in_tmp_path: Path) -> None:
    code = "import lamin_core as ln; ln.setup.init(storage='./data')"
    makers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [maker.wait(60) for maker in makers] == [0] * 4
    assert connect().query(ln.Storage).count() == 2


def test_concurrent_writes_of_settings_never_leave_a_partial_file(tmp_path: Path) -> None:
    file = tmp_path / "instance.toml"

    def write(writer: int) -> None:
        for _ in range(100):
            write_toml(file, {"writer": str(writer), "text": "x" * 10_000})
            assert len(str(tomllib.loads(file.read_text())["text"])) == 10_000

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "oracle+none://x"])
def test_unsupported_database_url_is_refused(in_tmp_path: Path, url: str) -> None:
    with pytest.raises((InvalidArgument, ImportError)):
        Instance.create(in_tmp_path, "./data", url)
    assert not (in_tmp_path / ".lamin").exists()


def test_unreachable_database_error_does_not_show_the_password(in_tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        Instance.create(in_tmp_path, "./data", "postgresql://me:hunter2@127.0.0.1:9/none")
    assert "hunter2" not in str(raised.value)


def test_missing_or_empty_database_is_refused(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    instance.db.dispose()
    (in_tmp_path / ".lamin" / "lamin.db").unlink()
    with pytest.raises(Unavailable, match="is gone"):
        Instance.open(instance.folder)
    (in_tmp_path / ".lamin" / "lamin.db").touch()
    with pytest.raises(SchemaMismatch, match="holds no registry"):
        Instance.open(instance.folder)


def test_file_that_is_not_a_database_is_refused(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    instance.db.dispose()
    for file in (in_tmp_path / ".lamin").glob("lamin.db*"):
        file.unlink()
    (in_tmp_path / ".lamin" / "lamin.db").write_text("garbage" * 1000)
    with pytest.raises(Unavailable, match="not a database"):
        Instance.open(instance.folder)


def test_tracking_works_without_a_network(in_tmp_path: Path) -> None:
    code = """
import sys
def refuse(event, args):
    if event in ("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"): raise AssertionError(event)
sys.addaudithook(refuse)
import lamin_core as ln
ln.setup.init(storage="./data")
ln.track()
open("a.txt", "w").write("x")
ln.Artifact("a.txt").save()
ln.finish()
print(ln.Run.one().status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "completed\n"
