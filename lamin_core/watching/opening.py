"""Notice what this Python opens: an audit hook (PEP 578), which sees `open`, `os.open` and new names of files.

The hook stays for as long as the process, as Python has no way to take one out; it costs one look into a dict while
nothing is watched. It never raises, takes no lock, and does nothing while it is at work itself.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamin_core.watching.accesses import (
    READ,
    RENAME,
    UPDATE,
    WRITE,
    Action,
    Recorder,
    state_of_file,
)
from lamin_core.watching.scope import is_code

Finder = Callable[[], "Recorder | None"]  # as text, for a Python before 3.10
LARGEST = 64 << 20
"""Bytes of a file that are read once more because they are about to be lost: a twentieth of a second or so."""

_finders: list[Finder] = []
_digest: Callable[[str], str | None] | None = None


class _AtWork(threading.local):
    """Whether this thread is in here already."""

    now = False


_at_work = _AtWork()
_is_installed = False


def watch(finder: Finder, digest: Callable[[str], str | None] | None = None) -> None:
    """Let this say which recorder takes what happens here, in this thread or task; the last one is asked first.

    Args:
        finder: Returns a recorder, or None where nothing is recorded.
        digest: Reads a file that is about to be written over, and returns its digest in hex.
    """
    global _is_installed, _digest
    if finder not in _finders:
        _finders.insert(0, finder)
    _digest = digest or _digest
    if not _is_installed:
        _is_installed = True
        sys.addaudithook(_hook)


@contextmanager
def unwatched() -> Iterator[None]:
    """Files that this thread opens within this context are not recorded: the registry itself reads them."""
    before = _at_work.now
    _at_work.now = True
    try:
        yield
    finally:
        _at_work.now = before


def declare(path: str, kind: str) -> None:
    """The user saves or loads this file as an artifact: it is noted as that, and in no other way."""
    recorder = _recorder() if _finders else None
    if recorder is not None:
        recorder.declare(os.path.abspath(path), kind)


def opens(path: object, flags: int) -> None:
    """This file is about to be opened, with these flags of `os.open`; for libraries that open it in C."""
    _notice(_opened, (path, None, flags))


def wrote(path: str) -> None:
    """Record that this file has just been written."""
    _notice(_written, (path,))


def _written(recorder: Recorder, arguments: tuple[object, ...]) -> None:
    path = _path(arguments[0])
    if path is not None and recorder.takes(path):
        recorder.record(Action(WRITE, path))


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event in _HANDLERS and _finders:
        _notice(_HANDLERS[event], arguments)


def _notice(
    handler: Callable[[Recorder, tuple[object, ...]], None], arguments: tuple[object, ...]
) -> None:
    if _at_work.now:
        return
    _at_work.now = True
    try:
        recorder = _recorder()
        if recorder is not None:
            handler(recorder, arguments)
    except Exception:  # noqa: S110 - whatever is wrong here must not be seen where a file is opened
        pass
    finally:
        _at_work.now = False


def _recorder() -> Recorder | None:
    for finder in _finders:
        recorder = finder()
        if recorder is not None:
            return recorder
    return None


def _opened(recorder: Recorder, arguments: tuple[object, ...]) -> None:
    path, flags = _path(arguments[0]), arguments[2]
    if path is None or not isinstance(flags, int):
        return
    access = flags & os.O_ACCMODE
    if access == os.O_RDONLY:
        # First what costs least: most files are of no interest, or are opened again.
        if not recorder.has_read(path) and recorder.takes(path) and not is_code(path):
            recorder.record(Action(READ, path, state_of_file(path)))
        return
    if not recorder.takes(path):
        return
    is_update = not flags & os.O_TRUNC and (access == os.O_RDWR or bool(flags & os.O_APPEND))
    _record(recorder, Action(UPDATE if is_update else WRITE, path))


def _renamed(recorder: Recorder, arguments: tuple[object, ...]) -> None:
    source, target = _path(arguments[0]), _path(arguments[1])
    if source is not None and target is not None and recorder.takes(target):
        _record(recorder, Action(RENAME, target, source=source))


def _connected(recorder: Recorder, arguments: tuple[object, ...]) -> None:
    """A database of SQLite, which its library opens."""
    path = _path(arguments[0])
    if path is not None and ":" not in path and recorder.takes(path):
        _record(recorder, Action(UPDATE, path))


def _record(recorder: Recorder, action: Action) -> None:
    """Record the file with its state, and its digest if the bytes that the run has read will not be readable later."""
    before = state_of_file(action.path)
    is_lost = before is not None and (action.kind == UPDATE or recorder.has_read(action.path))
    content = None
    if is_lost and _digest is not None and before is not None and before.size <= LARGEST:
        content = _digest(action.path)
    recorder.record(action._replace(before=before, content=content))


def _path(value: object) -> str | None:
    """The absolute path; None for a value that is not a path, such as a file descriptor."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, (bytes, os.PathLike)):
        text = os.fsdecode(value)
    else:
        return None
    if text.startswith("/") and "/." not in text and "//" not in text:
        return text
    return os.path.abspath(text)


_HANDLERS: dict[str, Callable[[Recorder, tuple[object, ...]], None]] = {
    "open": _opened,
    "os.rename": _renamed,
    "os.link": _renamed,
    "sqlite3.connect": _connected,
}
