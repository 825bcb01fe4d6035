"""The kit that adapters share: what each part promises to all of them."""

from __future__ import annotations

import asyncio
import enum
import logging
import math
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lamin_core.runtime.child_environment import ChildEnvironment
from lamin_core.runtime.json_values import json_value
from lamin_core.runtime.recorded_calls import RecordedCall, recorded
from openlineage.lamin.adapter.git_source import GitSource
from openlineage.lamin.adapter.guard import Guard


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Options:
    depth: int
    colour: Colour


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "nan"),
        (Options(2, Colour.RED), {"depth": 2, "colour": "red"}),
        ((Path("a/b"), date(2026, 1, 2), timedelta(minutes=1)), ["a/b", "2026-01-02", 60.0]),
        ({1: {"b", "a"}}, {"1": ["a", "b"]}),
        ("x" * 10_001, "<str of 10001 characters>"),
        ({"short": 1, "long": [0] * 20_000}, {"short": 1, "long": "<list of 20000 items>"}),
    ],
    ids=["nan", "dataclass", "standard types", "set", "long text", "long part"],
)
def test_json_value_is_the_nearest_json_equivalent(value: object, expected: object) -> None:
    assert json_value(value) == expected


def test_json_value_of_a_self_referencing_list_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert json_value(endless)[0][0][0]


class Log(RecordedCall):
    """Notes what happens in a call."""

    def __init__(self) -> None:
        self.notes: list[object] = []

    @contextmanager
    def open(self, args: Any, kwargs: Any) -> Iterator[RecordedCall]:
        self.notes.append(("opened", args, kwargs))
        try:
            yield self
        finally:
            self.notes.append("closed")

    def active(self) -> AbstractContextManager[object]:
        return self._activated()

    @contextmanager
    def _activated(self) -> Iterator[None]:
        self.notes.append("+")
        try:
            yield
        finally:
            self.notes.append("-")

    def yielded(self, item: Any) -> None:
        self.notes.append(("yielded", item))

    def returned(self, value: Any) -> None:
        self.notes.append(("returned", value))


def test_recorded_generator_is_active_only_while_it_executes() -> None:
    def numbers(first: int) -> Iterator[int]:
        yield first
        yield first + 1

    log = Log()
    for number in recorded(numbers, log.open)(7):
        log.notes.append(number)
    assert log.notes == [
        *(("opened", (7,), {}), "+", "-", ("yielded", 7), 7),
        *("+", "-", ("yielded", 8), 8, "+", "-", ("returned", None), "closed"),
    ]


async def _dialogue() -> Any:
    """Answers what is sent and what is thrown, and says when it is closed."""
    received: Any = None
    while True:
        try:
            received = yield f"got {received}"
        except KeyError as error:
            received = error.args[0]


async def _converse(generator: Any) -> list[str]:
    answers = [
        await anext(generator),
        await generator.asend("a"),
        await generator.athrow(KeyError("b")),
    ]
    await generator.aclose()
    return answers


def test_recorded_async_generator_supports_send_throw_and_close() -> None:
    log = Log()
    plain = asyncio.run(_converse(_dialogue()))
    assert (
        asyncio.run(_converse(recorded(_dialogue, log.open)()))
        == plain
        == ["got None", "got a", "got b"]
    )
    assert log.notes[-1] == "closed"


def test_recorded_coroutine_that_fails_is_closed_without_a_result() -> None:
    async def fail() -> None:
        raise ValueError("no such luck")

    log = Log()
    with pytest.raises(ValueError, match="no such luck"):
        asyncio.run(recorded(fail, log.open)())
    assert log.notes == [("opened", (), {}), "+", "-", "closed"]


def test_restore_resets_the_environment_to_its_first_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KIT_OLD", "old")
    monkeypatch.delenv("KIT_NEW", raising=False)
    environment = ChildEnvironment()
    environment.set({"KIT_OLD": "1", "KIT_NEW": "1"})
    environment.set({"KIT_OLD": "2"})
    assert (os.environ["KIT_OLD"], os.environ["KIT_NEW"]) == ("2", "1")
    assert dict(environment.inherited()) == {"KIT_OLD": "old"}
    environment.restore()
    environment.restore()
    assert os.environ["KIT_OLD"] == "old"
    assert "KIT_NEW" not in os.environ
    assert environment.inherited() is os.environ


def test_guard_warns_once_per_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAMIN_STRICT", raising=False)
    guard, first_alone = Guard("incomplete"), Guard("incomplete", once=True)
    with caplog.at_level(logging.WARNING, "lamin"):
        for text in ("a", "a", "b"):
            guard.handle(ValueError(text))
        for text in ("c", "d"):
            first_alone.handle(ValueError(text))
    assert caplog.messages == [
        "incomplete: ValueError: a",
        "incomplete: ValueError: b",
        "incomplete: ValueError: c",
    ]


def test_guarded_function_returns_none_and_raises_in_strict_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guarded = Guard("incomplete")(int)
    monkeypatch.delenv("LAMIN_STRICT", raising=False)
    assert (guarded("3"), guarded("x")) == (3, None)
    monkeypatch.setenv("LAMIN_STRICT", "1")
    with pytest.raises(ValueError, match="invalid literal"):
        guarded("x")


def test_git_source_has_the_remote_without_password_and_the_commit(
    tmp_path: Path,
) -> None:
    def git(*arguments: str) -> str:
        command = [
            "git",
            "-C",
            str(tmp_path),
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    tracked, untracked = tmp_path / "Snakefile", tmp_path / "other"
    tracked.write_text("rule a: shell: 'true'\n")
    untracked.write_text("")
    git("add", "Snakefile")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD")
    assert GitSource.of(str(tracked)) == GitSource(tmp_path.name, commit, path="Snakefile")
    assert GitSource.of(str(untracked)) == GitSource()
    git("remote", "add", "origin", "https://ann:hunter2@example.org/a.git")
    source = GitSource.of(str(tracked))
    assert source.commit == commit
    assert source.repository is not None
    assert "hunter2" not in source.repository
    assert source.job_name(str(tracked)) == "a/Snakefile"
