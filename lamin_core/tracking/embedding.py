"""Python inside a process of R, where `reticulate` embeds it: the script that R runs, and its arguments."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_FILE = "--file="
LANGUAGES = {".r": "R", ".rmd": "R", ".qmd": "R"}
"""By the suffix of a script in small letters, of what is not Python."""


@dataclass(frozen=True, slots=True)
class RScript:
    """What `Rscript` was called with."""

    file: str
    arguments: list[str]


def r_script() -> RScript | None:
    """Return the script of R that this process runs; None in a process of Python, and at a prompt of R."""
    if getattr(sys, "orig_argv", None):  # Python itself was started
        return None
    return parse_r_command(_process_words())


def parse_r_command(words: list[str]) -> RScript | None:
    """Return the script that this command of R runs.

    >>> parse_r_command(["/usr/lib/R/bin/exec/R", "--no-echo", "--file=fit.R", "--args", "--alpha", "3"])
    RScript(file='fit.R', arguments=['--alpha', '3'])
    """
    end = words.index("--args") if "--args" in words else len(words)
    files = [word.removeprefix(_FILE) for word in words[:end] if word.startswith(_FILE)]
    return RScript(files[0], words[end + 1 :]) if files else None


def _process_words() -> list[str]:
    """The command line of this process, which only Linux shows this way."""
    try:
        text = Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in text.removesuffix(b"\0").split(b"\0")]
