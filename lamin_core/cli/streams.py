"""Open standard output and standard error before a command; flush and check them after it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, Any

_CLOSED = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDWR))
"""Name, mode and flags of the stand-in of a stream that is closed.

That of standard output is opened for reading alone: writing to it fails as it does for other
programs.
"""


STANDARD_OUTPUT = "standard output"
"""Stands where the name of a file would, in errors of a stream that has none."""


def prepare() -> None:
    """Make the streams usable: none is absent, and none fails on a letter that its encoding lacks.

    Where a descriptor was closed (`lamin runs >&-`), the next file that is opened, such as the
    database, would get its number, and what a library prints there would be written into that file.
    """
    for name, mode, flags in _CLOSED:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the end
            setattr(sys, name, stream)
    for output in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            output.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def flush() -> OSError | None:
    """Write out what is buffered; the error with which standard output refused it.

    Python itself would find that error only after the exit code is decided, and end with 120.
    """
    refused = _flushed(sys.stdout)
    _flushed(sys.stderr)  # what cannot be said there cannot be said at all
    return refused


def _flushed(stream: IO[str]) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        discard(stream)
        return OSError(error.errno, error.strerror, STANDARD_OUTPUT)
    except ValueError:  # somebody has closed it
        return None
    return None


def discard(stream: Any) -> None:
    """Let go of what is buffered: Python flushes once more at its end."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
        stream.flush()


__all__ = ["STANDARD_OUTPUT", "discard", "flush", "prepare"]
