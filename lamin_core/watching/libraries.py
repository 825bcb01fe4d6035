"""Libraries that open files in C, C++ or Rust, where no audit hook sees it: their functions say it before they do.

A function is replaced in its module by one with the same name, signature and result, once the user's program has
imported the library; nothing is imported here. `pandas`, `numpy` and `zarr` open their files through Python.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NamedTuple

from lamin_core.watching.opening import opens, wrote

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_FLAGS = {
    "r": os.O_RDONLY,
    "rb": os.O_RDONLY,
    "r+": os.O_RDWR,
    "r+b": os.O_RDWR,
    "a": os.O_RDWR | os.O_CREAT,
    "ab": os.O_WRONLY | os.O_APPEND,
    "w": _NEW,
    "wb": _NEW,
    "w-": _NEW,
    "x": _NEW,
}


class Opener(NamedTuple):
    """A function that opens the file at one of its arguments, counted from 0, or called so.

    `mode` is what it does to the file: `r`, `w`, or the place of the argument that says so. With
    `is_folder`, it writes files of its own naming below the path.
    """

    name: str
    position: int
    argument: str
    mode: str | int = "r"
    is_folder: bool = False


def _readers(names: str, argument: str) -> Iterator[Opener]:
    return (Opener(name, 0, argument) for name in names.split())


def _writers(names: str, position: int, argument: str) -> Iterator[Opener]:
    return (Opener(name, position, argument, "w") for name in names.split())


OPENERS: dict[str, Sequence[Opener]] = {
    "h5py._hl.files": [Opener("File.__init__", 1, "name", 2)],
    "pyarrow": [
        Opener("memory_map", 0, "path", 1),
        Opener("input_stream", 0, "source"),
        Opener("output_stream", 0, "source", "w"),
    ],
    "pyarrow.parquet.core": [
        *_readers("read_table read_pandas read_metadata read_schema", "source"),
        Opener("ParquetFile.__init__", 1, "source"),
        Opener("ParquetDataset.__init__", 1, "path_or_paths"),
        Opener("ParquetWriter.__init__", 1, "where", "w"),
        Opener("write_table", 1, "where", "w"),
        Opener("write_to_dataset", 1, "root_path", "w", is_folder=True),
    ],
    "pyarrow.dataset": [
        Opener("dataset", 0, "source"),
        Opener("write_dataset", 1, "base_dir", "w", is_folder=True),
    ],
    "pyarrow.feather": [
        *_readers("read_feather read_table", "source"),
        *_writers("write_feather", 1, "dest"),
    ],
    "pyarrow.csv": [
        *_readers("read_csv open_csv", "input_file"),
        *_writers("write_csv", 1, "output_file"),
    ],
    "pyarrow.json": [*_readers("read_json open_json", "input_file")],
    "pyarrow.orc": [*_readers("read_table", "source"), *_writers("write_table", 1, "where")],
    "pyarrow.ipc": [
        *_readers("open_file open_stream", "source"),
        *_writers("new_file new_stream", 0, "sink"),
    ],
    "polars": [
        *_readers(
            "read_csv read_parquet read_ipc read_ipc_stream read_ndjson read_avro read_json "
            "scan_csv scan_parquet scan_ipc scan_ndjson",
            "source",
        ),
        *_writers(
            "DataFrame.write_csv DataFrame.write_parquet DataFrame.write_ipc DataFrame.write_json "
            "DataFrame.write_ndjson DataFrame.write_avro DataFrame.write_ipc_stream",
            1,
            "file",
        ),
        *_writers(
            "LazyFrame.sink_csv LazyFrame.sink_parquet LazyFrame.sink_ipc LazyFrame.sink_ndjson",
            1,
            "path",
        ),
    ],
}
"""By the module that defines the functions. Names of functions that a version does not have are passed over."""


def wrap() -> None:
    """Wrap the functions of what is imported already, and from here on of what will be; a second call does nothing."""
    if any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        return
    for name in OPENERS:
        module = sys.modules.get(name)
        if module is not None:
            _wrap_module(module, OPENERS[name])
    sys.meta_path.insert(0, _AfterImport())


class _AfterImport(MetaPathFinder):
    """Finds nothing itself: lets the other finders find a library, and wraps its functions once it is imported."""

    def __init__(self) -> None:
        self._sought: set[str] = set()

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in OPENERS or name in self._sought:
            return None
        self._sought.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._sought.discard(name)
        if spec is not None and spec.loader is not None:
            _extend(spec.loader, OPENERS[name])
        return spec


def _extend(loader: Loader, openers: Sequence[Opener]) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        _wrap_module(module, openers)

    loader.exec_module = exec_module  # type: ignore[method-assign]  # of this loader of this module alone


def _wrap_module(module: ModuleType, openers: Sequence[Opener]) -> None:
    for opener in openers:
        head, _, tail = opener.name.rpartition(".")
        try:
            owner = getattr(module, head) if head else module
            setattr(owner, tail, _wrapped(getattr(owner, tail), opener))
        except (AttributeError, TypeError):  # another version of the library, without it
            continue


def _wrapped(function: Callable[..., object], opener: Opener) -> Callable[..., object]:
    @functools.wraps(function)
    def opening(*args: object, **kwargs: object) -> object:
        began = time.time_ns()
        path = _argument(args, kwargs, opener.position, opener.argument)
        flags = _flags(opener, args, kwargs)
        if not opener.is_folder:
            _say(path, flags)
        result = function(*args, **kwargs)
        if opener.is_folder:
            _say_written_below(path, began)
        return result

    return opening


def _argument(
    args: Sequence[object], kwargs: dict[str, object], position: int, name: str
) -> object:
    return args[position] if len(args) > position else kwargs.get(name)


def _flags(opener: Opener, args: Sequence[object], kwargs: dict[str, object]) -> int:
    if isinstance(opener.mode, str):
        return _FLAGS[opener.mode]
    mode = _argument(args, kwargs, opener.mode, "mode")
    return _FLAGS.get(str(mode or "r"), os.O_RDONLY)


def _say(path: object, flags: int) -> None:
    """Say that this is opened: a path, several of them, or each file below a folder; never raises."""
    if isinstance(path, (list, tuple)):
        for item in path:
            _say(item, flags)
    elif isinstance(path, (str, os.PathLike)):
        for file in _files(os.fspath(path)):
            opens(file, flags)


def _files(path: str | bytes) -> Iterator[str]:
    text = os.fsdecode(path)
    if text.startswith("file://"):
        text = text[len("file://") :]
    if not os.path.isdir(text):
        yield text
        return
    for folder, _, names in os.walk(text):
        for name in names:
            yield os.path.join(folder, name)


def _say_written_below(path: object, since: int) -> None:
    """Files below this folder that are not older than this time in nanoseconds have just been written."""
    if not isinstance(path, (str, os.PathLike)):
        return
    for file in _files(os.fspath(path)):
        try:
            is_new = os.stat(file).st_mtime_ns >= since - 50_000_000
        except OSError:
            continue
        if is_new:
            wrote(file)
