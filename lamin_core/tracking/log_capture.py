"""Capture what a run prints into a log file while it is still printed."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import subprocess
import sys
import termios
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from lamin_core.runtime.sharing import create_file, make_folder
from lamin_core.tracking import tee as tee_program


class Tee:
    """A stream that also writes into a file; all other calls go to the original stream."""

    def __init__(self, stream: TextIO, copy: TextIO) -> None:
        self._stream = stream
        self._copy = copy

    def write(self, text: str) -> int:
        """Write to the terminal and to the log file."""
        written = self._stream.write(text)
        if not self._copy.closed:
            self._copy.write(text)
        return written

    def writelines(self, lines: Any) -> None:
        """Write these lines to the terminal and to the log file."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the terminal and the log file."""
        self._stream.flush()
        if not self._copy.closed:
            self._copy.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)


class Log:
    """A file that also receives what is printed on standard output and standard error until `close`.

    That is all that goes through the descriptors 1 and 2 of this process, so also what programs
    that it starts print, and libraries written in C. Where Python's own streams lead elsewhere, as
    in a test, it is what Python prints.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent, path.parent.parent)
        create_file(path, 0o600)
        self.path = path
        # Not through a link: somebody could have us write elsewhere by one.
        log = io.FileIO(
            path, "ab", opener=lambda file, flags: os.open(file, flags | os.O_NOFOLLOW, 0o666)
        )
        # By lines: of a process that is killed, the log is there up to its last one.
        self._copy: TextIO = io.TextIOWrapper(
            log, encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        numbers = [number for name, number in _NUMBERS.items() if _leads_to(streams[name], number)]
        self._diverted = _diverted(numbers, path)
        self._by_lines = _write_by_lines(streams["stdout"]) if self._diverted is not None else None
        self._tees = {
            name: Tee(stream, self._copy)
            for name, stream in streams.items()
            if self._diverted is None or _NUMBERS[name] not in self._diverted.kept
        }
        for name, tee in self._tees.items():
            setattr(sys, name, tee)

    def close(self) -> None:
        """Restore the previous streams, except those that other code has replaced since."""
        for name, tee in self._tees.items():
            if getattr(sys, name) is tee:
                setattr(sys, name, tee._stream)
        self._copy.close()
        if self._diverted is not None:
            self._diverted.restore()
        if self._by_lines is not None:
            self._by_lines.reconfigure(line_buffering=False)


def _write_by_lines(stream: Any) -> Any | None:
    """Let what Python prints leave the process line by line, as on a terminal; the stream, if it did not before.

    Python keeps up to 8 KiB of what it prints into a pipe or a file, and started programs would
    come before it in the log.
    """
    try:
        if stream.line_buffering or stream.write_through:
            return None
        stream.reconfigure(line_buffering=True)
    except (AttributeError, OSError, ValueError):  # a stream of other code
        return None
    return stream


_NUMBERS = {"stdout": 1, "stderr": 2}
_PATIENCE = 1.0
"""Seconds that the end waits for what is on its way; what started processes still print comes later, or not at all."""


def _leads_to(stream: Any, number: int) -> bool:
    try:
        return bool(stream.fileno() == number)
    except (AttributeError, OSError, ValueError):
        return False


def _diverted(numbers: list[int], path: Path) -> _Diverted | None:
    try:
        return _Diverted(numbers, path) if numbers else None
    except OSError:  # no more processes or descriptors: then it is what Python prints
        return None


class _Diverted:
    """These descriptors lead through a process of its own, which copies; to a terminal through one like it."""

    def __init__(self, numbers: list[int], path: Path) -> None:
        _flush()
        self.kept = {number: os.dup(number) for number in numbers}
        # What leads to one place goes one way, and keeps its order.
        primary = {
            number: next(
                candidate for candidate in numbers if os.path.sameopenfile(candidate, number)
            )
            for number in numbers
        }
        ends = {number: _pair(number) for number in dict.fromkeys(primary.values())}
        # In a session of its own, so that Ctrl-C ends the script and not what keeps its last words.
        self._copier = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                tee_program.__file__,
                str(path),
                *(f"{ends[n][0]}:{self.kept[n]}" for n in ends),
            ],
            pass_fds=[*self.kept.values(), *(source for source, _ in ends.values())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for number in numbers:
            os.dup2(ends[primary[number]][1], number)
        for end in chain.from_iterable(ends.values()):
            os.close(end)

    def restore(self) -> None:
        """Put them back, and wait a moment for what is on its way."""
        _flush()
        for number, saved_fd in self.kept.items():
            os.dup2(saved_fd, number)
            os.close(saved_fd)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._copier.wait(_PATIENCE)
        self._copier.returncode = (
            self._copier.poll() or 0
        )  # it may go on without us, and that is no news


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _pair(number: int) -> tuple[int, int]:
    """Two ends to read from and to write to; a terminal for a terminal, which is what programs look at."""
    if not os.isatty(number):
        return os.pipe()
    source, target = os.openpty()
    modes = termios.tcgetattr(target)
    modes[1] &= ~termios.OPOST  # the real one will do that
    termios.tcsetattr(target, termios.TCSANOW, modes)
    fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(number, termios.TIOCGWINSZ, bytes(8)))
    return source, target
