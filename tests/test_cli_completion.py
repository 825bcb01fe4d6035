"""Completion as people meet it: a real shell on a terminal, in which a tab is typed."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import disconnect, init

LAMIN = Path(sys.executable).with_name("lamin")
SHELLS = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(lamin completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(lamin completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "lamin completion fish | source"),
}


@pytest.fixture
def folder(in_tmp_path: Path) -> Path:
    """An instance with a key that has spaces in it, and nothing else that begins so."""
    init("./data")
    (in_tmp_path / "we ird [1].txt").write_text("odd")
    ln.Artifact("we ird [1].txt", run=False).save()
    disconnect()
    return in_tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("lamin lin\t--help", "Show the lineage of an artifact"),
        ("lamin settings get verb\t", "warning"),
        ("lamin lineage we\t", "we ird [1].txt  v0000"),
        ("lamin get artifact we\t--json", '"key": "we ird [1].txt"'),
    ],
)
def test_tab_completes_the_line_in_bash_and_zsh(
    folder: Path, shell: str, typed: str, shown: str
) -> None:
    command, begin = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    variables = {
        "TERM": "dumb",
        "PATH": f"{LAMIN.parent}:{os.environ['PATH']}",
        "PS1": "$ ",
        "HISTFILE": "",
    }
    assert shown in _session(command, [begin, typed, "exit"], {**os.environ, **variables})


def _session(command: list[str], lines: list[str], environment: dict[str, str]) -> str:
    """The final screen; each line is typed when the shell is silent."""
    ours, theirs = pty.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, **streams, env=environment, start_new_session=True) as shell:  # type: ignore[call-overload]
        os.close(theirs)
        screen = b""
        for line in lines:
            screen += _until_silent(ours)
            os.write(ours, f"{line}\n".encode())
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 65536):
                screen += piece
        shell.wait(60)
    os.close(ours)
    return screen.decode(errors="replace").replace("\r\n", "\n")


def _until_silent(terminal: int) -> bytes:
    seen = b""
    while select.select([terminal], [], [], 0.5 if seen else 30)[0]:
        seen += os.read(terminal, 65536)
    return seen


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lamin lin", "lineage"),
        ("lamin lineage --as", "--as-of"),
        ("lamin completion z", "zsh"),
        ("lamin lineage we", "we ird [1].txt"),
        ("lamin runs --engine sn", "snakemake"),
        ("lamin events repl", "replay"),
    ],
)
def test_fish_completes_the_line(folder: Path, line: str, offered: str) -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish here")
    path = {**os.environ, "PATH": f"{LAMIN.parent}:{os.environ['PATH']}"}
    ask = ["fish", "--no-config", "-c", f"{SHELLS['fish'][1]}; complete -C '{line}'"]
    done = subprocess.run(ask, capture_output=True, text=True, check=True, env=path)
    assert [completion.partition("\t")[0] for completion in done.stdout.splitlines()] == [offered]
