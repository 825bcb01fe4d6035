"""Whatever is typed as a value of an argument: an answer or an error of ours, never "please report it"."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import lamin_core as ln
from lamin_core.cli import lamin
from lamin_core.instance.instance import disconnect, init
from tests.support.commands import typed

HUGE = "99999999999999999999"
NOT_UTF_8 = b"caf\xe9"
STRINGS = (
    "",
    "-",
    "-1",
    HUGE,
    "9223372036854775808",
    "1e400",
    "nan",
    "a=" + HUGE,
    "a=NaN",
    'a={"b": "\\ud800"}',
    "=",
    "../../etc/passwd",
    "/",
    "http://[::1",
    "postgresql://[",
    "9999-12-31T23:59:59",
    "99999999999d",
    "'; DROP TABLE run; --",
    "%s{0}*[\\",
    "a\nb\x1b]0;title\x07",
    os.fsdecode(NOT_UTF_8),
    "a=" + os.fsdecode(NOT_UTF_8),
    "k" * 5000,
)
COMMANDS_THAT_STAY = {"serve", "nextflow"}
"""One serves until it is interrupted, what the other is given is another program's."""


def _leaves(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
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


CALLS = [
    (" ".join(path), call) for path, command in _leaves(lamin) for call in _calls(path, command)
]
NAMES = sorted({name for name, _ in CALLS})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with a run, an artifact that it made, and a feature."""
    return _instance(tmp_path_factory.mktemp("arguments"), None)


def _instance(folder: Path, url: str | None) -> Path:
    before = Path.cwd()
    os.chdir(folder)
    init("./data", db=url)
    Path("a.csv").write_text("x\n1\n")
    ln.Feature(name="a", dtype=float).save()
    with ln.run("make.py", kind="script"):
        ln.Artifact("a.csv", key="a.csv").save()
    disconnect()
    os.chdir(before)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_any_argument_value_succeeds_or_raises_a_typed_error(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    _all_have_answers([call for command, call in CALLS if command == name], monkeypatch)


def test_any_argument_value_on_postgresql_succeeds_or_raises_a_typed_error(
    postgres_url: str, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instance(in_tmp_path, postgres_url)
    strange = (HUGE, "9223372036854775808", os.fsdecode(NOT_UTF_8))
    calls = [
        call
        for name, call in CALLS
        if name in ASKING and any(text in word for text in strange for word in call)
    ]
    assert len(calls) > 40
    _all_have_answers(calls, monkeypatch)


ASKING = {"artifacts", "annotate", "diff", "get", "lineage", "list", "runs", "why"}


def _all_have_answers(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    unexpected = []
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        for call in calls:
            done = typed(*call, code=None)
            if "should not" in done.stderr or "Traceback" in done.stderr + done.stdout:
                unexpected.append((call, done.stderr[-300:]))
    assert unexpected == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["get", NOT_UTF_8], "lamin: not text in UTF-8: 'caf\\udce9'\n"),
        (["runs", b"--key=" + NOT_UTF_8], "lamin: not text in UTF-8: 'caf\\udce9'\n"),
        (["save", NOT_UTF_8], "lamin: not text in UTF-8: 'caf\\udce9'\n"),
        (["lineage", NOT_UTF_8], "lamin: not text in UTF-8: 'caf\\udce9'\n"),
        (
            ["run", b"--key=" + NOT_UTF_8, "true"],
            "lamin: key is not text that a database can hold: 'caf\\udce9'\n",
        ),
    ],
)
def test_bytes_that_are_not_utf_8_are_named_in_an_error(
    folder: Path, arguments: list[str | bytes], message: str
) -> None:
    file = os.path.join(os.fsencode(folder), NOT_UTF_8)
    Path(os.fsdecode(file)).write_text("x")
    command: list[str | bytes] = [sys.executable, "-m", "lamin_core", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert done.stderr.startswith(message)


def test_program_with_a_non_utf_8_argument_runs_with_its_exit_code(folder: Path) -> None:
    file = os.path.join(os.fsencode(folder), NOT_UTF_8)
    Path(os.fsdecode(file)).write_text("text")
    command: list[str | bytes] = [sys.executable, "-m", "lamin_core", "run", "cat", NOT_UTF_8]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "text")
    assert done.stderr == "lineage is incomplete: not text in UTF-8: 'caf\\udce9'\n"
