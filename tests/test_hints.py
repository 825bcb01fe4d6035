"""Each error gives the hint for the interface that its reader used: a command, a call, or a path."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import HTTP, SHELL, Hint, LaminError, NotFound, hint_for
from lamin_core.server.responses import failure
from tests.support.commands import typed

PYTHON = re.compile(r"\bln\.|\.df\(\)|\.save\(\)|\.first\(\)|Artifact\(")
COMMAND = re.compile(r"`?lamin (runs|list|artifacts|save|get|settings)\b")


@pytest.fixture
def folder(in_tmp_path: Path) -> Path:
    ln.setup.init("./data")
    return in_tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("describe", "run", "nothing"),
        ("describe", "run", "twice"),
        ("get", "--uid", "aaaaaaaaaaaaaaaaaaaa"),
        ("get", "transform", "nothing"),
        ("lineage", "nothing"),
        ("lineage", "--run", "nothing"),
        ("diff", "nothing", "nothing"),
        ("why", "nothing"),
        ("save", "/etc/hostname"),
        ("load", "nothing"),
        ("delete", "nothing"),
        ("annotate", "nothing", "--labels", "raw"),
    ],
    ids=" ".join,
)
def test_hint_in_the_shell_contains_no_python(folder: Path, arguments: tuple[str, ...]) -> None:
    transform = ln.Transform(key="twice").save()
    ln.Run(transform, name="twice").save()
    ln.Run(transform, name="twice").save()
    shown = typed(*arguments, code=None).stderr
    assert "hint: " in shown
    assert not PYTHON.search(shown.split("hint: ")[1]), shown


@pytest.mark.parametrize(
    "call",
    [
        lambda: ln.Artifact.get(key="nothing"),
        lambda: ln.Artifact.get("aaaaaaaaaaaaaaaaaaaa"),
        lambda: ln.Run.filter(name="nothing").one(),
        lambda: ln.Artifact("/etc/hostname").save(),
        lambda: ln.track(project="nothing"),
        lambda: ln.finish(),
    ],
    ids=["key", "uid", "one", "no key", "project", "finish"],
)
def test_hint_in_python_contains_no_command(folder: Path, call: Callable[[], object]) -> None:
    with pytest.raises(LaminError) as raised:
        call()
    assert raised.value.hint
    assert not COMMAND.search(raised.value.hint)


def test_hint_over_http_is_an_http_path() -> None:
    hint = Hint("ln.Run.df()", command="lamin runs", http="/api/v1/runs")
    assert [str(hint), hint_for(hint, SHELL), hint_for(hint, HTTP)] == [
        "ln.Run.df()",
        "lamin runs",
        "/api/v1/runs",
    ]
    assert b'"/api/v1/runs"' in failure(NotFound("no run", hint=hint)).body
    assert hint_for("look there", HTTP) == "look there"


def test_lineage_of_an_unknown_file_lists_the_runs_active_at_its_time(folder: Path) -> None:
    with ln.run("at-work"):
        Path(".unseen").write_text("1")
        os.rename(".unseen", "by-hand.log")
    shown = typed("lineage", "by-hand.log", code=3).stderr
    run = ln.Run.filter().one()
    assert f"these runs were at work: {run.uid} of at-work" in shown
    assert "lamin save by-hand.log" in shown
    long_ago = time.time() - 86_400
    os.utime("by-hand.log", (long_ago, long_ago))
    assert "no run was at work" in typed("lineage", "./by-hand.log", code=3).stderr
