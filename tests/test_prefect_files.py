"""Which files a call is about, and what they hold: without Prefect, on a real filesystem."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import pytest

from lamin_core.storage import digest_cache
from lamin_core.storage.hashing import digest
from lamin_prefect import path_discovery
from lamin_prefect.translate import parameters
from openlineage.lamin.adapter.datasets import DatasetReader


@dataclass
class Settings:
    """Arguments in a bundle."""

    source: Path
    others: tuple[Path, ...] = ()
    name: str = "no path"


class Opened(Mapping[str, Any]):
    """Like an open HDF5 file: a mapping whose items are read when they are looked at."""

    def __getitem__(self, key: str) -> Any:
        raise AssertionError("read")

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("read")

    def __len__(self) -> int:
        raise AssertionError("read")


class Endless(list[int]):
    """A list that no one should go through to its end."""

    def __iter__(self) -> Iterator[int]:
        for number in range(20_000):
            assert number < 19_000, "gone through"
            yield number


def test_paths_inside_containers_are_found() -> None:
    value = [
        {"a": Settings(Path("x"), (Path("y"), Path("x")))},
        (Path("z"), "text"),
        {PurePosixPath("w")},
    ]
    assert path_discovery.locations(value) == ["x", "y", "z", "w"]


def test_open_files_and_endless_iterables_are_not_read() -> None:
    assert path_discovery.locations([Opened(), Path("x")]) == ["x"]
    assert path_discovery.locations([Path("x"), Endless()]) == ["x"]
    assert parameters({"file": Opened()}) == {"file": "<tests.test_prefect_files.Opened>"}


def test_self_referencing_value_ends() -> None:
    loop: list[Any] = [Path("x")]
    loop.append(loop)
    assert path_discovery.locations(loop) == ["x"]
    assert parameters({"loop": loop})["loop"][0] == "x"


@pytest.mark.parametrize(
    ("annotation", "is_path"),
    [
        (Path, True),
        (Path | None, True),
        (list[Path], True),
        (Annotated[Path, "raw"], True),
        (os.PathLike[str], True),
        ("pathlib.Path", True),
        ("list[Path | str]", True),
        (str, False),
        ("str", False),
        ("Pathology", False),
        (list[str], False),
        (None, False),
    ],
    ids=repr,
)
def test_annotation_determines_whether_text_is_a_path(annotation: Any, is_path: bool) -> None:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = annotation
    assert ("value" in path_discovery.path_parameters(function)) == is_path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was read to be hashed."""
    read: list[str] = []

    def counting(path: Any, *args: Any) -> Any:
        read.append(Path(path).name)
        return digest(path, *args)

    monkeypatch.setattr(digest_cache, "digest", counting)
    return read


def test_unchanged_file_is_hashed_once(in_tmp_path: Path, hashed: list[str]) -> None:
    Path("a.txt").write_text("a")
    Path("folder").mkdir()
    Path("folder/b.txt").write_text("b")
    time.sleep(0.1)
    files = DatasetReader()
    first, folder = files.at("a.txt"), files.at("folder")
    assert (files.at("./a.txt"), files.at("folder")) == (first, folder)
    assert hashed == ["a.txt", "folder"]
    Path("folder/b.txt").write_text("c")
    assert files.at("folder") != folder


def test_recently_written_file_is_hashed_again(in_tmp_path: Path) -> None:
    files, path = DatasetReader(), Path("a.txt")
    seen = set()
    for letter in "abcdefgh":  # same size, and often the same time
        path.write_text(letter)
        dataset = files.at("a.txt")
        assert dataset is not None
        seen.add(dataset.hash)
    assert len(seen) == 8


def test_target_of_a_link_in_a_folder_is_hashed_every_time(in_tmp_path: Path) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/a.txt").write_text("a")
    Path("folder").mkdir()
    Path("folder/link").symlink_to(Path("elsewhere").absolute())
    Path("folder/broken").symlink_to("nowhere")
    time.sleep(0.1)
    files = DatasetReader()
    before = files.at("folder")
    Path("elsewhere/a.txt").write_text("b")
    after = files.at("folder")
    assert before is not None
    assert after is not None
    assert before.hash != after.hash


def test_pipe_empty_folder_and_missing_path_are_no_datasets(in_tmp_path: Path) -> None:
    os.mkfifo("pipe")
    Path("empty").mkdir()
    for nothing in ("pipe", "empty", "missing", "nul\0", ".", "..", "/"):
        assert DatasetReader().at(nothing) is None
