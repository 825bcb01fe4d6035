"""The log of a run: what it prints, still printed as ever, and kept."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, TextIO


class Tee:
    """A stream that also writes into a file; in everything else it is the stream that it stands for."""

    def __init__(self, stream: TextIO, copy: TextIO) -> None:
        self._stream = stream
        self._copy = copy

    def write(self, text: str) -> int:
        """Write to both."""
        written = self._stream.write(text)
        if not self._copy.closed:
            self._copy.write(text)
        return written

    def writelines(self, lines: Any) -> None:
        """Write to both."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush both."""
        self._stream.flush()
        if not self._copy.closed:
            self._copy.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)


class Log:
    """From here to `close`, what Python prints on standard output and standard error goes into this file as well."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        # By lines: of a process that is killed, the log is there up to its last one.
        self._copy: TextIO = io.TextIOWrapper(
            path.open("wb", buffering=0), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        self._tees = {name: Tee(getattr(sys, name), self._copy) for name in ("stdout", "stderr")}
        for name, tee in self._tees.items():
            setattr(sys, name, tee)

    def close(self) -> None:
        """Leave the streams as they were; those that somebody has replaced since then stay theirs."""
        for name, tee in self._tees.items():
            if getattr(sys, name) is tee:
                setattr(sys, name, tee._stream)
        self._copy.close()
