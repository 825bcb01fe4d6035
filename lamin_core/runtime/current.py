"""The current instance of this process and the current run of this context, held without importing their types."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from lamin_core.errors import NotHere

_lock = threading.RLock()
_connection: Any = None
_open: Callable[[], Any] | None = None

_path: ContextVar[tuple[Any, ...]] = ContextVar("lamin_current_runs", default=())
_open_in_main: list[tuple[Any, ...]] = []
_process_run: Any = None
_process_above: Any = None
_is_job = False
_engines: list[Callable[[], Any]] = []

uid: str | None
"""Set before `track()`: the stem or the uid of the transform. Afterwards, the uid that it has."""
name: str | None
"""Set before `track()`: the name of the run. Afterwards, the name that it has."""
description: str | None
"""Set before `track()`: the description of the transform. Afterwards, what is kept as that."""


def current_run() -> Any:
    """The `Run` that reads and writes here belong to, or None.

    That is the innermost one of this thread or task; in a thread without any, of the main thread;
    else the one that `track()` has started; else the one in which an engine, or the process that
    started this one, runs it.
    """
    path = _path_here()
    if path:
        return path[-1]
    above = _named_above()
    if _process_run is not None and above in (None, _process_above):
        return _process_run
    return current_instance().runs.above(above)


def is_tracked() -> bool:
    """Whether what happens here belongs to a run, of this process or of an engine; asks no database."""
    return _is_job or bool(_path_here()) or _named_above() is not None


def note_job() -> None:
    """Say that this process tracks runs, until it works with another instance: its time is the user's."""
    global _is_job
    _is_job = True


def innermost_run() -> Any:
    """The run of a function or block that this thread or task is in, else that of `track()`, or None.

    Asks no engine and no database.
    """
    path = _path_here()
    return path[-1] if path else _process_run


def _path_here() -> tuple[Any, ...]:
    path = _path.get()
    if path or threading.current_thread() is threading.main_thread():
        return path
    return path_in_main()


def path_in_main() -> tuple[Any, ...]:
    """The runs of functions that all which is under way in the main thread belongs to, from the outermost to the
    innermost; a thread started there belongs to them as well, and so does a process."""
    common = max(_open_in_main, key=len, default=())
    for path in tuple(_open_in_main):
        if common[: len(path)] != path:
            common = tuple(run for run, other in zip(common, path, strict=False) if run is other)
    return common


def register_engine(current: Callable[[], Any], *, outermost: bool = False) -> None:
    """Say how to find the name of the run in which an engine runs this code; the innermost that knows one decides."""
    _engines.insert(len(_engines) if outermost else 0, current)


def _named_above() -> Any:
    return next((name for engine in _engines if (name := engine()) is not None), None)


_PUBLIC = ("description", "name", "run", "transform", "uid")
_NOT_HERE = {
    "track": "ln.track()",
    "finish": "ln.finish()",
    "project": "ln.track(project='name')",
    "version": "ln.context.transform.version",
    "params": "ln.track(params={...})",
    "branch": "an instance has no branches",
    "space": "an instance has no spaces",
}


def __dir__() -> list[str]:
    return list(_PUBLIC)


def __getattr__(attribute: str) -> Any:
    """`ln.context.run`, `transform`, `uid`, `name`, `description`: what is current, or None."""
    if attribute in _NOT_HERE:
        raise NotHere(f"ln.context has no {attribute!r}", hint=_NOT_HERE[attribute])
    if attribute not in _PUBLIC:
        raise AttributeError(f"module 'lamin_core.runtime.current' has no attribute {attribute!r}")
    run = current_run()
    if run is None or attribute == "run":
        return run
    if attribute == "name":
        return run.name
    return run.transform if attribute == "transform" else getattr(run.transform, attribute)


class _Context(ModuleType):
    """This module, which refuses attributes that would have no effect."""

    def __setattr__(self, attribute: str, value: object) -> None:
        is_read_only = attribute in ("run", "transform")
        if is_read_only or not (attribute in _PUBLIC or attribute in globals()):
            raise NotHere(
                f"ln.context.{attribute} cannot be set",
                hint=_NOT_HERE.get(attribute, "before ln.track(): uid, name or description"),
            )
        super().__setattr__(attribute, value)


sys.modules[__name__].__class__ = _Context


def context_value(setting: str) -> Any:
    """The value of `ln.context.uid`, `name` or `description`, or None."""
    return globals().get(setting)


def process_run() -> Any:
    """The run of the whole process, or None."""
    return _process_run


def set_process_run(run: Any) -> None:
    """Make this the run of the whole process, in every thread; None ends that."""
    global _process_run, _process_above
    _process_run, _process_above = run, _named_above()


@contextmanager
def run_context(run: Any) -> Iterator[None]:
    """While this lasts, the run is current in this thread or task, and nowhere else."""
    path = (*_path_here(), run)
    token = _path.set(path)
    in_main = threading.current_thread() is threading.main_thread()
    if in_main:
        _open_in_main.append(path)
    try:
        yield
    finally:
        _path.reset(token)
        if in_main:
            _open_in_main.remove(path)


def register_opener(opener: Callable[[], Any]) -> None:
    """Say how to find the instance when none is connected yet."""
    global _open
    _open = opener


def current_instance() -> Any:
    """Return the `lamin_core.instance.instance.Instance` of this process, opened on first use.

    Its type is declared above this package, so it is not named here; `tests/test_structure.py`
    checks what is called on it. Raises `InstanceNotFound` when there is none.
    """
    global _connection
    if _connection is None:
        with _lock:
            if _connection is None:
                assert _open is not None, "`import lamin_core` registers it"
                _connection = _open()
    return _connection


def set_current_instance(value: Any) -> Any:
    """Make this the instance of the process, and return the one before.

    None forgets it, so that the next use looks for one again.
    """
    global _connection, _is_job
    with _lock:
        before, _connection = _connection, value
        _is_job = _is_job and value is not None
    return before
