"""The bar: on a terminal, on standard error, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

CODE = """
import sys
from lamin_core import progress
progress.SHOWN_FROM = 1
with progress.progress("hashing big.bin", 100) as watch:
    if watch is not None:
        watch(40)
        watch(60)
print("seen" if watch else "unseen")
"""


def _shown(**environment: str) -> tuple[str, str]:
    """What a process prints whose standard error is a terminal: on that, and on standard output."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm-256color", **environment}
    done = subprocess.run(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=theirs, env=settings, text=True, timeout=60
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        drawn = os.read(ours, 1 << 16).decode()
    except (BlockingIOError, OSError):  # nothing there
        drawn = ""
    os.close(ours)
    return drawn, done.stdout


def test_a_terminal_sees_it_on_standard_error() -> None:
    drawn, printed = _shown()
    assert "hashing big.bin" in drawn
    assert printed == "seen\n"


@pytest.mark.parametrize("quiet", [{"CI": "true"}, {"TERM": "dumb"}])
def test_a_build_and_a_dumb_terminal_do_not(quiet: dict[str, str]) -> None:
    assert _shown(**quiet) == ("", "unseen\n")


def test_without_colour_there_is_none() -> None:
    drawn, _ = _shown(NO_COLOR="1")
    assert "hashing big.bin" in drawn
    assert "\x1b[3" not in drawn  # the codes of colours; those that move the cursor stay


def test_a_pipe_sees_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout) == ("", "unseen\n")
