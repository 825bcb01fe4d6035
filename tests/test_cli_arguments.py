"""Whatever is typed as a value of an argument: an answer or an error of ours, never "please report it"."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import lamin_core as ln
from lamin_core.cli import lamin
from lamin_core.instance import disconnect, init
from tests.command import typed

HUGE = "99999999999999999999"
NOT_UTF_8 = b"caf\xe9"
STRINGS = (
    "",
    " ",
    "-",
    "--",
    "-1",
    "0",
    HUGE,
    "-" + HUGE,
    "9223372036854775808",
    "1e400",
    "nan",
    "inf",
    "1.5",
    "null",
    "[1, {}]",
    "a=" + HUGE,
    "a=NaN",
    "=",
    "a=1e400",
    'a={"b": "\\ud800"}',
    "../../etc/passwd",
    "/",
    "~",
    ".",
    "s3://",
    "http://[::1",
    "sqlite://",
    "postgresql://[",
    "9999-12-31T23:59:59",
    "0001-01-01",
    "99999999999d",
    "'; DROP TABLE run; --",
    "%s{0}",
    "*",
    "[",
    "\\",
    "a\nb",
    "\x1b]0;title\x07\x1b[31m",
    "\u202e\ufeff\U0001f600",
    os.fsdecode(NOT_UTF_8),
    "a=" + os.fsdecode(NOT_UTF_8),
    "k" * 5000,
)
COMMANDS_THAT_STAY = {"serve", "nextflow"}
"""One serves until it is interrupted, what the other is given is another program's."""
FEW = tuple(
    text for text in STRINGS if text in ("", "0", HUGE, "nan", "=", "a=NaN", "/", "http://[::1", "99999999999d")
)
REQUIRED = {"words": ("artifact", "a.csv"), "name": ("a.csv",), "where": (".",), "path": ("a.csv",)}


def _leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _leaves(command, (*path, name))
        elif name not in COMMANDS_THAT_STAY:
            yield (*path, name), command


def _calls(path: tuple[str, ...], command: click.Command) -> Iterator[list[str]]:
    """A call for each value of each argument and option; the others are left as they are, or good."""
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    for text in STRINGS:
        if arguments:
            yield [*path, "--", *(text for _ in arguments)]
        if len(arguments) == 1 and arguments[0].nargs == -1:
            yield [*path, "--", "run", text]
            yield [*path, "--", "transform", text]
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag:
                yield [*path, f"{option.opts[0]}={text}", *_good(path, arguments)]


def _good(path: tuple[str, ...], arguments: list[click.Argument]) -> list[str]:
    """Values that the command takes; of a program one that ends at once."""
    if path == ("run",):
        return ["true"]
    if path == ("diff",):
        return ["make.py", "make.py"]
    return ["a.csv" for argument in arguments if argument.required or argument.nargs == -1]


CALLS = [(" ".join(path), call) for path, command in _leaves(lamin) for call in _calls(path, command)]
NAMES = sorted({name for name, _ in CALLS})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with a run, an artifact that it made, and a feature."""
    folder = tmp_path_factory.mktemp("arguments")
    before = Path.cwd()
    os.chdir(folder)
    init("./data")
    Path("a.csv").write_text("x\n1\n")
    ln.Feature(name="a", dtype=float).save()
    with ln.run("make.py", kind="script"):
        ln.Artifact("a.csv", key="a.csv").save()
    disconnect()
    os.chdir(before)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_any_value_has_an_answer_or_a_typed_error(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", open(os.devnull))
    bad = []
    for command, call in CALLS:
        if command == name:
            done = typed(*call, code=None)
            if "should not" in done.stderr or "Traceback" in done.stderr + done.stdout:
                bad.append((call, done.stderr[-300:]))
    assert bad == []
