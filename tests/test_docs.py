"""The documentation runs: every block of Python and of shell in README.md and docs/, page by page.

A page is one session: its blocks run in order in one fresh folder, Python in one process, the shell
with its working directory and exported variables kept; what runs in the background is ended with
the page. A block that gives an error fails the page. HTML comments, invisible to the reader, say
what cannot be seen in the text:

    <!-- test: instance -->                 at the top: `lamin init --storage ./data` was typed here before
    <!-- test: copy example_pipelines/x --> at the top: the content of that folder is in the working
    directory
    <!-- test: prefect server -->           at the top: Prefect is set to a server that runs already
    <!-- test: file flow.py -->             the next block, of whatever language, is the file of that name
    <!-- test: output -->                   the next block is what the one before it prints; `...` is anything
    <!-- test: skip-block: reason -->       the next block cannot run, for this reason
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest_plugins = ["tests.support.prefect_server"]

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if path.exists()
    and path.name != "team.md"  # played by test_team_page.py, which starts the servers it needs
)
SHELL = {"bash", "shell"}
SHOWN = {
    "text",
    "json",
    "toml",
    "yaml",
    "ini",
    "groovy",
    "snakemake",
    "nextflow",
    "sql",
    "mermaid",
    "diff",
    "html",
    "http",
}
PATIENCE = 240.0
"""Seconds for one block."""


@dataclass(frozen=True)
class Block:
    """A fenced block, and the line of the page on which its first line stands."""

    language: str
    text: str
    line: int
    directive: str | None


@dataclass(frozen=True)
class Page:
    """The directives at its top and its blocks."""

    setup: tuple[str, ...]
    blocks: tuple[Block, ...]


def read(text: str) -> Page:
    """The blocks of a page that can be run."""
    setup: list[str] = []
    blocks: list[Block] = []
    directive: str | None = None
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if match := re.fullmatch(r"\s*<!--\s*test:\s*(.+?)\s*-->\s*", line):
            if re.match(r"(instance|prefect server|copy .+)$", match[1]):
                assert not blocks, f"line {number}: {match[1]!r} belongs above the first block"
                setup.append(match[1])
            else:
                assert directive is None, f"line {number}: nothing to run after {directive!r}"
                directive = match[1]
        elif match := re.match(r"(\s*)(`{3,}|~{3,})\s*(\w*)", line):
            indent, fence, language = match.groups()
            body = []
            for _, inner in lines:
                if inner.strip().startswith(fence) and not inner.strip().strip(fence[0]):
                    break
                body.append(inner.removeprefix(indent))
            else:
                raise AssertionError(f"line {number}: the block has no end")
            blocks.append(
                Block(language, textwrap.dedent("\n".join(body)) + "\n", number + 1, directive)
            )
            directive = None
    assert directive is None, f"no block follows {directive!r}"
    return Page(tuple(setup), tuple(blocks))


# Runs the Python blocks of a page. They come over standard input, one line of JSON each, and are
# answered on a pipe.
SESSION = """
import doctest, json, os, sys, traceback, types
answers = os.fdopen(int(sys.argv[1]), "w")
script = sys.argv[2]
sys.argv[:] = [script]
sys.path[0] = os.path.dirname(script)
main, driver = types.ModuleType("__main__"), sys.modules["__main__"]
main.__file__ = script
sys.modules["__main__"] = main
def run(text, line):
    if text.lstrip().startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(text, main.__dict__, script, script, line)
        failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.FAIL_FAST).run(test, clear_globs=False)
        main.__dict__.update(test.globs)
        return "an example gave something else" if failed else None
    try:
        exec(compile("\\n" * (line - 1) + text, script, "exec"), main.__dict__)
    except BaseException:
        return traceback.format_exc()
for message in sys.stdin:
    error = run(**json.loads(message))
    sys.stdout.flush()
    sys.stderr.flush()
    answers.write(json.dumps(error) + "\\n")
    answers.flush()
"""


class Session:
    """A reader at work: one Python, one shell, one folder."""

    def __init__(self, folder: Path, page: Path, blocks: tuple[Block, ...]) -> None:
        self.folder = folder
        self.script = folder / f"{page.stem.lower()}.py"
        self.printed = ""
        self._state = folder.parent / "state.sh"
        self._state.write_text(f"cd {shlex.quote(str(folder))}\n")
        self._log = folder.parent / "log"
        self._python: subprocess.Popen[str] | None = None
        self._groups: list[int] = []
        python = [
            block for block in blocks if block.language == "python" and block.directive is None
        ]
        if python:
            # The lines stand where they stand in the page: tracebacks and `inspect.getsource` find
            # them there.
            lines = [""] * (python[-1].line + python[-1].text.count("\n"))
            for block in python:
                text = block.text.splitlines()
                lines[block.line - 1 : block.line - 1 + len(text)] = text
            self.script.write_text("\n".join(lines) + "\n")

    def python(self, block: Block) -> None:
        """Run it; what it defines stays."""
        self.printed = ""
        if self._python is None:
            self._answers, theirs = os.pipe()
            self._output = self._log.with_suffix(".python").open("w+")
            self._python = subprocess.Popen(
                [sys.executable, "-c", SESSION, str(theirs), str(self.script)],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                pass_fds=[theirs],
                text=True,
                start_new_session=True,
            )
            self._groups.append(self._python.pid)
            os.close(theirs)
            self._reader = os.fdopen(self._answers)
        begin = self._output.seek(0, os.SEEK_END)
        assert self._python.stdin is not None
        self._python.stdin.write(json.dumps({"text": block.text, "line": block.line}) + "\n")
        self._python.stdin.flush()
        answer = self._reader.readline()
        self._output.seek(begin)
        self.printed = self._output.read()
        error = json.loads(answer) if answer else "Python ended"
        assert error is None, f"{error}\n{self.printed}"

    def shell(self, text: str) -> None:
        """Run it; where it goes and what it exports stays."""
        keep = f'{{ export -p; echo cd "$(printf %q "$PWD")"; }} >{self._state}'
        script = f"source {self._state}\nset -euo pipefail\n{text}\n{keep}\n"
        with self._log.with_suffix(".shell").open("w+") as output:
            # To a file, not a pipe: a server left in the background would keep a pipe open.
            shell = subprocess.Popen(
                ["bash", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
            self._groups.append(shell.pid)
            try:
                code = shell.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                code = None
            output.seek(0)
            self.printed = output.read()
        assert code == 0, (
            f"{'took too long' if code is None else f'exit code {code}'}\n{self.printed}"
        )

    def close(self) -> None:
        """End Python as a script ends, and what runs in the background."""
        try:
            if self._python is not None:
                assert self._python.stdin is not None
                self._python.stdin.close()
                code = self._python.wait(PATIENCE)
                self._reader.close()
                self._output.seek(0)
                text = self._output.read()
                self._output.close()
                assert code == 0, f"Python ended with {code}:\n{text}"
        finally:
            self._end_background_processes()

    def _end_background_processes(self) -> None:
        for kind in (signal.SIGTERM, signal.SIGKILL):
            alive = [group for group in self._groups if _is_alive(group)]
            for group in alive:
                with suppress(ProcessLookupError):
                    os.killpg(group, kind)
            until = time.monotonic() + 5
            while time.monotonic() < until and any(map(_is_alive, alive)):
                time.sleep(0.02)


def _is_alive(group: int) -> bool:
    """Whether a process of this group is still at work; a dead one that nobody has collected is not."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    page_folder = tmp_path / "page"
    page_folder.mkdir()
    return page_folder


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_runs(path: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    if "prefect server" in read(path.read_text("utf-8")).setup:
        os.environ.update(request.getfixturevalue("prefect_environment"))
    play(path, folder)


def play(path: Path, folder: Path) -> None:
    """Do what the page says; raises AssertionError at the block that does not work."""
    page = read(path.read_text("utf-8"))
    session = Session(folder, path, page.blocks)
    try:
        for directive in page.setup:
            word, _, argument = directive.partition(" ")
            if word == "copy":
                shutil.copytree(ROOT / argument, folder, dirs_exist_ok=True)
            elif word == "instance":
                session.shell("lamin init --storage ./data")
        for block in page.blocks:
            try:
                _run(block, session)
            except AssertionError as error:
                raise AssertionError(
                    f"{path.name}, line {block.line}:\n{block.text}\n{error}"
                ) from None
    finally:
        session.close()


def _run(block: Block, session: Session) -> None:
    word, _, argument = (block.directive or "run").partition(" ")
    if word == "skip-block:":
        assert len(argument) > 10, "say why it cannot run"
    elif word == "file":
        target = session.folder / argument
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text)
    elif word == "output":
        printed, expected = session.printed.strip() + "\n", block.text.strip() + "\n"
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if not doctest.OutputChecker().check_output(expected, printed, flags):
            raise AssertionError(f"it printed:\n{printed}")
    elif word != "run":
        raise AssertionError(f"no such directive: {block.directive!r}")
    elif block.language == "python":
        session.python(block)
    elif block.language in SHELL:
        session.shell(block.text)
    else:
        assert block.language in SHOWN, (
            f"a block of {block.language or 'no language'!r} is neither run nor opted out"
        )


def test_pages_are_found() -> None:
    assert ROOT / "README.md" in PAGES
    assert len(PAGES) > 1


@pytest.fixture
def write(tmp_path: Path, folder: Path) -> Callable[[str], None]:
    """Plays a page with this text."""

    def _write(text: str) -> None:
        (tmp_path / "Page.md").write_text(text)
        play(tmp_path / "Page.md", folder)

    return _write


FENCE = "`" * 3


def block(language: str, text: str, directive: str | None = None) -> str:
    comment = f"<!-- test: {directive} -->\n" if directive else ""
    return f"{comment}{FENCE}{language}\n{text}\n{FENCE}\n\n"


def test_blocks_of_a_page_share_a_session(write: Any) -> None:
    write(
        block("python", "x = 3\nopen('x.txt', 'w').write('x')")
        + block("bash", "test -f x.txt\nmkdir sub\ncd sub\nexport COLOUR='deep blue'")
        + block("shell", "test $(basename $PWD) = sub\necho $COLOUR")
        + block("text", "deep ...", "output")
        + block("python", ">>> x + 1\n4")
        + block(
            "python",
            "import inspect\ndef twice(n):\n    return 2 * n\nassert 'return 2 * n' in inspect.getsource(twice)",
        )
        + block("yaml", "a: 1", "file conf/a.yaml")
        + block("python", "assert open('conf/a.yaml').read() == 'a: 1\\n'; print(__file__[-7:])")
        + block("text", "page.py", "output")
    )


def test_background_server_ends_with_the_page(write: Any, tmp_path: Path) -> None:
    write(block("bash", "sleep 1000 &\necho $! > pid"))
    pid = int((tmp_path / "page" / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (block("python", "1 / 0"), "ZeroDivisionError"),
        (block("python", "raise SystemExit(0)"), "SystemExit"),
        (block("python", ">>> 1 + 1\n3"), "something else"),
        (block("bash", "false | cat"), "exit code 1"),
        (block("bash", "echo $UNSET_VARIABLE"), "unbound"),
        (block("bash", "echo one") + block("text", "two", "output"), "it printed:\none"),
        (block("", "echo one"), "neither run nor opted out"),
        (block("pyhton", "1"), "neither run nor opted out"),
        (block("bash", "false", "skip-block:"), "say why"),
        (block("bash", "false", "skip"), "no such directive"),
        ("<!-- test: output -->\n", "no block follows"),
        (f"{FENCE}bash\nfalse\n", "has no end"),
    ],
    ids=range(12),
)
def test_failing_block_fails_its_page(write: Any, text: str, complaint: str) -> None:
    with pytest.raises(AssertionError) as failure:
        write(text)
    assert complaint in str(failure.value)
