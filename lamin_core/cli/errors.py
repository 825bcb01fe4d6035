"""Print errors in three lines (what happened, why, what to type) and choose the exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import click

from lamin_core.cli.output import Styled, echo
from lamin_core.cli.streams import STANDARD_OUTPUT
from lamin_core.errors import SHELL, LaminError, hint_for

UNEXPECTED = 1
INTERRUPTED = 130


def show(error: BaseException) -> int:
    """Print the error to standard error; the exit code that belongs to it."""
    for line in lines(error):
        if line.startswith(_NAME):
            echo(Styled(_NAME, "red"), line.removeprefix(_NAME), err=True)
        else:
            echo(line, err=True)
    return error.exit_code if isinstance(error, LaminError) else UNEXPECTED


def lines(error: BaseException) -> list[str]:
    """The error, its cause and the next step, one line each; the last two if they are known.

    >>> print("\\n".join(lines(LaminError("no such key", hint="lamin artifacts"))))
    lamin: no such key
      hint: lamin artifacts
    """
    if isinstance(error, LaminError):
        return _lines(error.message, _reason(error), hint_for(error.hint, SHELL))
    if isinstance(error, OSError) and error.strerror:  # a full disk, a folder that is not ours
        if error.filename == STANDARD_OUTPUT:
            return _lines(
                f"standard output cannot be written: {error.strerror}",
                "",
                "print it elsewhere: > FILE",
            )
        of_what = "" if error.filename is None else f": {error.filename!r}"
        return _lines(f"{error.strerror}{of_what}", "", "`lamin --debug COMMAND` shows where")
    return _lines("something went wrong that should not", f"{type(error).__name__}: {error}", _BUG)


def _lines(what: str, why: str, hint: str | None) -> list[str]:
    text = [f"{_NAME} {what}"]
    if why:
        text.append(f"  why: {why}")
    if hint:
        text.append(f"  hint: {hint}")
    return text


_NAME = "lamin:"
_BUG = "lamin --debug COMMAND shows where; please report it"


def _reason(error: LaminError) -> str:
    """The cause of the error in one line, unless the message contains it."""
    cause = error.__cause__
    if cause is None:
        return ""
    text = (
        str(getattr(cause, "orig", None) or getattr(cause, "strerror", None) or cause)
        .strip()
        .partition("\n")[0]
    )
    return "" if not text or text in error.message else f"{type(cause).__name__}: {text}"


def near(name: str, choices: Iterable[str]) -> str:
    """A question after what was probably meant; empty where nothing is near.

    >>> near("lineag", ["lineage", "runs"])
    "Did you mean 'lineage'?"
    """
    matches = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.55)
    return f"Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


class Word(click.Choice[str]):
    """One of some words; another one is asked back with the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """The words there are, and the nearest."""
        return f"{super().get_invalid_choice_message(value, ctx)} {near(str(value), self.choices)}".rstrip()
