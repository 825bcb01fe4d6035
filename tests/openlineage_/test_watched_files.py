"""Files that a function opens, as datasets for an adapter."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from lamin_core.storage.hashing import digest_bytes
from openlineage.lamin.adapter.datasets import DatasetReader
from openlineage.lamin.adapter.watched_files import WatchedFiles
from openlineage.lamin.emit.events import Dataset


def _noted(files: WatchedFiles) -> tuple[list[Dataset], list[Dataset]]:
    files.collect()
    reader = DatasetReader()
    return files.inputs(reader), [snapshot.dataset for snapshot in files.outputs(reader)]


def _names(datasets: list[Dataset]) -> set[str]:
    return {Path(dataset.name).name for dataset in datasets}


def test_watched_files_of_a_block_are_its_inputs_and_outputs(in_tmp_path: Path) -> None:
    Path("raw.txt").write_text("raw")
    Path("changed.txt").write_text("old")
    files = WatchedFiles()
    with files.active():
        Path("out.txt").write_text(Path("raw.txt").read_text())
        Path("changed.txt").write_text(Path("changed.txt").read_text() + "new")
    Path("later.txt").write_text("nobody's")
    inputs, outputs = _noted(files)
    assert (_names(inputs), _names(outputs)) == (
        {"raw.txt", "changed.txt"},
        {"out.txt", "changed.txt"},
    )
    hashes = {Path(dataset.name).name: dataset.hash for dataset in inputs}
    assert hashes["changed.txt"] == digest_bytes(b"old").hash


def test_watched_files_of_concurrent_tasks_are_separate(in_tmp_path: Path) -> None:
    async def task(name: str) -> WatchedFiles:
        files = WatchedFiles()
        with files.active():
            await asyncio.sleep(0.01)
            await asyncio.to_thread(Path(name).write_text, name)
            await asyncio.sleep(0.01)
        return files

    async def both() -> tuple[WatchedFiles, WatchedFiles]:
        return await asyncio.gather(task("a.txt"), task("b.txt"))

    first, second = asyncio.run(both())
    assert [_names(_noted(files)[1]) for files in (first, second)] == [
        {"a.txt"},
        {"b.txt"},
    ]


def test_watched_files_of_a_thread_without_context_belong_to_the_only_active_block(
    in_tmp_path: Path,
) -> None:
    files, other = WatchedFiles(), WatchedFiles()
    with files.active():
        _in_thread("alone.txt")
        with other.active():
            _in_thread("unclear.txt")
    _in_thread("later.txt")
    assert _names(_noted(files)[1]) == {"alone.txt"}
    assert _noted(other) == ([], [])


def _in_thread(name: str) -> None:
    thread = threading.Thread(target=Path(name).write_text, args=["1"])
    thread.start()
    thread.join()


def test_watched_files_are_off_if_the_setting_is_off(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMIN_WATCH_FILES", "no")
    files = WatchedFiles()
    files.expect([os.path.abspath("passed.txt"), os.path.abspath("folder")])
    os.mkdir("folder")
    with files.active():
        Path("out.txt").write_text("1")
        Path("passed.txt").write_text("1")
        Path("folder/a.txt").write_text("1")
    assert _noted(files) == ([], [])
    written = [files.has_written(os.path.abspath(name)) for name in ("passed.txt", "folder")]
    assert written == [True, True]
    assert not files.has_written(os.path.abspath("out.txt"))


def test_watched_files_are_off_in_the_root_folder(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    files = WatchedFiles()
    with files.active():
        (in_tmp_path / "out.txt").write_text("1")
    assert _noted(files) == ([], [])


def test_watched_files_outside_the_project_are_seen_only_if_passed(
    in_tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    passed = tmp_path_factory.mktemp("elsewhere") / "passed.txt"
    passed.write_text("old")
    files = WatchedFiles()
    files.expect([str(passed)])
    with files.active():
        with passed.open("a") as file:
            file.write("more")
        with open(passed.parent / "other.txt", "w"):
            pass
    assert (files.has_read(str(passed)), files.has_written(str(passed))) == (True, True)
    assert files.has_written(str(passed.parent))
    assert not files.has_written(str(passed.parent / "other.txt"))
    assert _noted(files) == ([], [])
