"""The bar: on a terminal, on standard error, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import on_terminal

CODE = """
import sys
from lamin_core.runtime import progress
progress.SHOWN_FROM = 1
with progress.progress("hashing big.bin", 100) as watch:
    if watch is not None:
        watch(40)
        watch(60)
print("seen" if watch else "unseen")
"""


def _printed(**environment: str) -> tuple[str, str]:
    """The output of a process whose standard error is a terminal: on that terminal, and on standard output."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm-256color", **environment}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=settings,
        text=True,
        timeout=60,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        drawn = os.read(ours, 1 << 16).decode()
    except (BlockingIOError, OSError):  # nothing there
        drawn = ""
    os.close(ours)
    return drawn, done.stdout


def test_progress_bar_on_a_terminal_goes_to_standard_error() -> None:
    drawn, printed = _printed()
    assert "hashing big.bin" in drawn
    assert printed == "seen\n"


@pytest.mark.parametrize("quiet", [{"CI": "true"}, {"TERM": "dumb"}])
def test_progress_bar_is_off_in_ci_and_on_a_dumb_terminal(quiet: dict[str, str]) -> None:
    assert _printed(**quiet) == ("", "unseen\n")


def test_progress_bar_with_no_color_has_no_colours() -> None:
    drawn, _ = _printed(NO_COLOR="1")
    assert "hashing big.bin" in drawn
    assert "\x1b[3" not in drawn  # the codes of colours; those that move the cursor stay


def test_progress_bar_into_a_pipe_is_off() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout) == ("", "unseen\n")


SAVE = """
import pathlib, sys
from lamin_core.runtime import progress
progress.SHOWN_FROM = 1
import lamin_core as ln
from lamin_core.instance.instance import init
init(sys.argv[1])
artifacts = [ln.Artifact(path, key=pathlib.Path(path).name) for path in sys.argv[2:]]
ln.save(artifacts)
for artifact in artifacts:
    artifact.cache()
print("saved", [artifact.size for artifact in artifacts])
"""


@pytest.mark.parametrize("where", ["local", "s3"])
def test_save_on_a_terminal_shows_progress_of_each_file(
    request: pytest.FixtureRequest, in_tmp_path: Path, outside: Path, where: str
) -> None:
    storage = "./data" if where == "local" else f"{request.getfixturevalue('bucket')}/lineage"
    for name in ("one.bin", "[red]two.bin"):
        (outside / name).write_bytes(os.urandom((17 << 20) if name == "one.bin" else 1000))
    (outside / "folder").mkdir()
    for number in range(3):
        (outside / "folder" / f"{number}\x1b[31m.bin").write_bytes(os.urandom(1000))
    paths = [str(path) for path in sorted(outside.iterdir())]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    shown, code = on_terminal(sys.executable, "-c", SAVE, storage, *paths, env=environment)
    assert code == 0, shown
    assert shown.rstrip().endswith("saved [1000, 3000, 17825792]")
    assert ("fetching " in shown) == (where == "s3")
    for what in ("hashing", "copying" if where == "local" else "uploading"):
        for name in ("one.bin", "[red]two.bin", "folder"):
            assert f"{what} {name}" in shown, (what, name)
    assert "17.8/17.8 MB" in shown
    assert "3.0/3.0 kB" in shown  # files in a folder count as well, however small
    assert "\x1b[?25h" in shown  # the cursor is there again
