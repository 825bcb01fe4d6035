"""A bar on a terminal while many bytes are read or written; nothing at all anywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lamin_core.hashing import Watch

SHOWN_FROM = 256 << 20
"""Bytes: what is smaller is done before anybody has read the bar."""


@contextmanager
def progress(what: str, size: int) -> Iterator[Watch | None]:
    """What to tell each piece to while it lasts; None where nobody is looking.

    >>> with progress("hashing a.bin", 10) as watch: print(watch)
    None
    """
    if size < SHOWN_FROM or not _somebody_looks():
        yield None
        return
    # Heavy, and only people at a terminal need it.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, redirect_stdout=False) as bars:
        task = bars.add_task(what, total=size)
        yield lambda count: bars.advance(task, count)


def _somebody_looks() -> bool:
    """Whether standard error is a terminal that can draw, and not that of an automatic build."""
    try:
        is_terminal = sys.stderr.isatty()
    except (AttributeError, ValueError):  # none, or closed
        return False
    return is_terminal and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
