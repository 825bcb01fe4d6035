"""The folder of a task, `work/ab/cdef...`: what was staged into it, what it was to make, and how it ended."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

_OUTPUT = re.compile(r"^### - '(.*)'$")
_CONTAINER = re.compile(r"^### container: '(.*)'$")
_STAGING = ("ln", "cp", "rsync")
_TEXT_INPUT = re.compile(r"/(?:tmp)/[0-9a-f]{2}/[0-9a-f]{30}/input\.\d+$")
_STDERR_LINES, _STDERR_BYTES = 50, 20_000
_LONGEST_SCRIPT = 10_000_000


@dataclass(frozen=True)
class WorkFolder:
    """The work folder of one task; files that no longer exist are empty or None."""

    path: Path

    @cached_property
    def command(self) -> str:
        """The wrapper that Nextflow wrote around the task's script."""
        return _text(self.path / ".command.run", _LONGEST_SCRIPT)

    @property
    def container(self) -> str | None:
        """The image in which it ran."""
        match = next(filter(None, map(_CONTAINER.match, self._header())), None)
        return None if match is None else match[1]

    def _header(self) -> Iterator[str]:
        for line in self.command.splitlines()[1:]:
            if not line.startswith("### "):
                return
            yield line

    @cached_property
    def staged(self) -> dict[str, str]:
        """The files that it read, as their makers call them, by the names under which they lay in the folder."""
        staged = dict(self._staged_by_the_wrapper()) or dict(self._links())
        return {name: path for name, path in staged.items() if not _TEXT_INPUT.search(path)}

    def _staged_by_the_wrapper(self) -> Iterator[tuple[str, str]]:
        begin = self.command.find("\nnxf_stage() {")
        if begin < 0:
            return
        text = self.command[begin : self.command.find("\n}", begin)]
        separate = _text(self.path / ".command.stage", _LONGEST_SCRIPT)
        for line in (*text.splitlines(), *separate.splitlines()):
            words = _words(line)
            if words and words[0] in _STAGING and len(words) >= 3:
                yield words[-1], os.path.join(self.path, words[-2])

    def _links(self) -> Iterator[tuple[str, str]]:
        for folder, names, files in os.walk(self.path):
            for name in (*names, *files):
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    yield os.path.relpath(path, self.path), os.path.join(folder, os.readlink(path))

    @property
    def patterns(self) -> list[str]:
        """The declared outputs of the process: names and patterns with the values of this task."""
        return [match[1] for line in self._header() if (match := _OUTPUT.match(line))]

    def outputs(self) -> tuple[list[str], list[str]]:
        """Return the declared outputs in the folder, and the names of missing outputs, without patterns."""
        if "\n### ---\n" not in self.command[:100]:
            return list(self._unstaged()), []
        present: dict[str, None] = {}
        missing = []
        for pattern in self.patterns:
            matches = list(self._matches(pattern))
            present |= dict.fromkeys(matches)
            if not matches and not _is_pattern(pattern):
                missing.append(pattern)
        return list(present), missing

    def _unstaged(self) -> Iterator[str]:
        """The files in the folder that were not staged: up to 22.10, the wrapper does not name the declared outputs."""
        staged = {name.partition("/")[0] for name in self.staged}
        try:
            names = sorted(os.listdir(self.path))
        except OSError:
            return
        for name in names:
            if not name.startswith(".") and name not in staged:
                yield str(self.path / name)

    def _matches(self, pattern: str) -> Iterator[str]:
        if not _is_pattern(pattern):
            path = os.path.normpath(self.path / _plain(pattern))
            if os.path.lexists(path) and path.startswith(f"{self.path}{os.sep}"):
                yield path
            return
        for alternative in _alternatives(pattern):
            for match in sorted(self.path.glob(alternative)):
                name = str(match.relative_to(self.path))
                if name not in self.staged and not name.startswith("."):
                    yield str(match)

    @property
    def exit_code(self) -> int | None:
        """The number in `.exitcode`; None for a task that was killed."""
        text = _text(self.path / ".exitcode", 20).strip()
        return int(text) if text.lstrip("-").isdigit() else None

    @property
    def stderr(self) -> tuple[str, ...]:
        """The last lines of its standard error, without empty ones."""
        try:
            with open(self.path / ".command.err", "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _STDERR_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ()
        return tuple(line for line in text.splitlines()[-_STDERR_LINES:] if line.strip())

    @property
    def submitted(self) -> datetime | None:
        """The time at which its wrapper script was written."""
        return _modified(self.path / ".command.run")

    @property
    def completed(self) -> datetime | None:
        """The time at which its exit status was written."""
        return _modified(self.path / ".exitcode")


def work_folders(work: Path, prefix: str) -> list[Path]:
    """Return the folders below `work` of tasks whose hash begins so: one, or none where it was removed."""
    try:
        names = os.listdir(work / prefix[:2])
    except OSError:
        return []
    return [work / prefix[:2] / name for name in sorted(names) if name.startswith(prefix[2:])]


def _modified(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _text(path: Path, limit: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError:
        return ""


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _is_pattern(pattern: str) -> bool:
    return re.search(r"(?<!\\)[*?{\[]", pattern) is not None


def _plain(pattern: str) -> str:
    """The name that a pattern without wildcards means."""
    return re.sub(r"\\(.)", r"\1", pattern)


def _alternatives(pattern: str) -> Iterator[str]:
    """The patterns without braces that a pattern with braces means: Python's patterns have no braces."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        yield pattern.lstrip("/")
        return
    for choice in match[1].split(","):
        yield from _alternatives(pattern[: match.start()] + choice + pattern[match.end() :])
