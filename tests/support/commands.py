"""The command line under test: in a process of its own, on a terminal, or (quick) in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lamin_core.cli import main
from lamin_core.instance.instance import disconnect


@dataclass(frozen=True)
class Done:
    """The output of a command in this process."""

    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its output, read."""
        return json.loads(self.stdout)


def typed(*arguments: str, code: int | None = 0) -> Done:
    """Run the command in this process, as a new process would find the world; check its exit code, unless None."""
    out, err = io.StringIO(), io.StringIO()
    with _environment_kept(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        disconnect()
        try:
            main(list(arguments))
            exit_code: Any = 0
        except SystemExit as end:
            exit_code = end.code or 0
        finally:
            disconnect()
    assert code is None or exit_code == code, (
        f"exit code {exit_code}\n{out.getvalue()}\n{err.getvalue()}"
    )
    return Done(out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def lamin(*arguments: str, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own; check its exit code."""
    command = [sys.executable, "-m", "lamin_core", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def on_terminal(*command: str, answer: str = "", **options: Any) -> tuple[str, int]:
    """The output of a command on a terminal on which `answer` is typed, and its exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, **options
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    shown = bytearray()
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), process.wait(30)
