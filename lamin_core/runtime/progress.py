"""A progress bar on a terminal while many bytes are read or written; nothing anywhere else."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Watch = Callable[[int], Any]
"""Called after each piece with the number of bytes that were read or written."""

SHOWN_FROM = 256 << 20
"""Bytes: what is smaller is done before anybody has read the bar."""


@contextmanager
def progress(what: str, size: int) -> Iterator[Watch | None]:
    """A function that takes reports of progress; None without a terminal.

    >>> with progress("hashing a.bin", 10) as watch: print(watch)
    None
    """
    if size < SHOWN_FROM or not _somebody_looks():
        yield None
        return
    bars = _board.enter()
    # A name may hold what moves the cursor.
    task = bars.add_task(
        "".join(character if character.isprintable() else "?" for character in what), total=size
    )
    try:
        yield lambda count: bars.advance(task, count)
    finally:
        bars.refresh()  # as it was at the end
        bars.remove_task(task)
        _board.leave()


class _Board:
    """The display of all progress bars of the process, one below the other: every thread has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars: Any = None
        self._users = 0

    def enter(self) -> Any:
        """Return the display to which a bar is added."""
        with self._lock:
            self._users += 1
            if self._bars is None:
                self._bars = _drawn()
                self._bars.start()
            return self._bars

    def leave(self) -> None:
        """One bar less; with the last one, nothing is left on the terminal."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._bars.stop()
                self._bars = None


_board = _Board()


def _drawn() -> Any:
    # Heavy, and only people at a terminal need it.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    console = Console(stderr=True)
    return Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, redirect_stdout=False
    )


def _somebody_looks() -> bool:
    """Whether standard error is a terminal that can draw, and not that of an automatic build."""
    try:
        is_terminal = sys.stderr.isatty()
    except (AttributeError, ValueError):  # none, or closed
        return False
    return is_terminal and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
