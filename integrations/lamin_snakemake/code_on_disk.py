"""The code of a workflow that has finished, as far as the files on disk are still what ran."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lamin_snakemake import patterns
from lamin_snakemake.facts import Code, CodeKind, Rule
from lamin_snakemake.metadata import OutputRecord
from lamin_snakemake.source import Sources, directive

SourceAndLanguage = tuple[str | None, str | None]
DEFAULT_SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
"""Where Snakemake itself looks for one, in this order."""

_BY_PATH = re.compile(r"\s*(?P<kind>script|notebook|wrapper)\s*:\s*(['\"])(?P<path>.+?)\2\s*", re.S)
_INCLUDE = re.compile(r"^[ \t]*include\s*:(?P<rest>.*)$", re.M)
_LITERAL = re.compile(r"\s*(['\"])(?P<path>[^'\"{}]+)\1\s*(#.*)?")
_MODULE = re.compile(r"^[ \t]*module\s+\w+\s*:", re.M)
_STORAGE = re.compile(r"\bstorage\s*[.(]")
_RELEASE = re.compile(r"v?\d+\.\d+")
_UNKNOWN: SourceAndLanguage = (None, None)


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """What a Snakefile says of a job in plain text, beside its code; what it computes is not known."""

    wildcards: Mapping[str, str] = field(default_factory=dict)
    benchmark: str | None = None
    """Path of the table, as in the Snakefile: relative to the working directory."""
    conda: str | None = None
    """Absolute path of the conda file."""


class CodeOnDisk:
    """A Snakefile, what it includes by a literal path, and the scripts of its rules.

    Code is told only where it is what ran: a file that has not been written since the job began, or
    text that Snakemake's record of the job repeats.
    """

    def __init__(self, snakefile: str) -> None:
        self.snakefile = snakefile
        self._sources = Sources()
        self._is_complete = True
        self.paths = tuple(self._with_includes(snakefile, ()))

    def _with_includes(self, path: str, above: tuple[str, ...]) -> Iterator[str]:
        yield path
        text = self._sources.text(path) or ""
        self._is_complete = self._is_complete and not _MODULE.search(text)
        for match in _INCLUDE.finditer(text):
            literal = _LITERAL.fullmatch(match["rest"])
            if literal is None:
                self._is_complete = False
                continue
            included = os.path.normpath(os.path.join(os.path.dirname(path), literal["path"]))
            if included not in (*above, path):
                yield from self._with_includes(included, (*above, path))

    def of_workflow(self, started: float) -> str | None:
        """The text of the Snakefile and what it includes; None where that is not what ran at this time."""
        if not self._is_complete or any(_is_written_since(path, started) for path in self.paths):
            return None
        return self._sources.of_workflow(self.paths)

    def of_rule(self, record: OutputRecord) -> SourceAndLanguage:
        """The code of a job and its language; None for what is not known."""
        if record.code is None:
            return _UNKNOWN
        by_path = None if record.command is not None else _BY_PATH.fullmatch(record.code)
        if by_path is not None:
            return self._of_file(record, by_path)
        kind: CodeKind = "run" if record.command is None else "shell"
        code = Code(kind, record.code)
        path = self._home(record, kind)
        return self._sources.of_rule(Rule(record.rule, path or "", code))

    def written(self, record: OutputRecord) -> WrittenRule:
        """What a Snakefile says of the job that made this output, if it has not been written since the job began."""
        for path in self.paths:
            text = self._sources.text(path) or ""
            output = directive(text, record.rule, "output")
            if output is not None and not _is_written_since(path, record.started):
                return self._written(record, path, output)
        return WrittenRule()

    def _written(self, record: OutputRecord, path: str, output: str) -> WrittenRule:
        text = self._sources.text(path) or ""
        names = patterns.patterns(output)
        if self._has_constraints:
            names = tuple(name for name in names if not patterns.has_several_wildcards(name))
        wildcards = patterns.wildcards_of(names, record.output)

        def in_directive(keyword: str) -> str | None:
            written = patterns.patterns(directive(text, record.rule, keyword) or "")
            return patterns.filled(written[0], wildcards or {}) if written else None

        conda = in_directive("conda")
        is_file = conda is not None and conda.endswith((".yaml", ".yml"))
        return WrittenRule(
            wildcards or {},
            in_directive("benchmark"),
            os.path.normpath(os.path.join(os.path.dirname(path), conda or "")) if is_file else None,
        )

    def is_stream(self, record: OutputRecord) -> bool:
        """Whether a Snakefile says that the output is a pipe or a service, and no file."""
        outputs = (
            directive(self._sources.text(p) or "", record.rule, "output") for p in self.paths
        )
        names = (patterns.streams(output) for output in outputs if output is not None)
        return any(patterns.wildcards_of(streams, record.output) is not None for streams in names)

    def text(self, path: str, started: float) -> str | None:
        """The text of a file, if it has not been written since."""
        return None if _is_written_since(path, started) else self._sources.text(path)

    @property
    def uses_storage(self) -> bool:
        """Whether a Snakefile names files in a storage: their records do not say that they are no local files."""
        return any(_STORAGE.search(self._sources.text(path) or "") for path in self.paths)

    @property
    def _has_constraints(self) -> bool:
        return any(
            "wildcard_constraints" in (self._sources.text(path) or "") for path in self.paths
        )

    def _home(self, record: OutputRecord, kind: CodeKind) -> str | None:
        """The Snakefile that has the directive which ran."""
        for path in self.paths:
            written = directive(self._sources.text(path) or "", record.rule, kind)
            if written is not None and (
                not _is_written_since(path, record.started) or _says(written, record.code or "")
            ):
                return path
        return None

    def _of_file(self, record: OutputRecord, by_path: re.Match[str]) -> SourceAndLanguage:
        kind, name = by_path["kind"], by_path["path"]
        if kind == "wrapper" and not name.startswith("file:"):
            is_release = _RELEASE.match(name) is not None  # else its prefix says where it is
            return (f"wrapper: {name}", "text") if is_release else _UNKNOWN
        for path in self.paths:
            if directive(self._sources.text(path) or "", record.rule, kind) is not None:
                script = _script(os.path.dirname(path), name)
                if script is None or _is_written_since(script, record.started):
                    return _UNKNOWN
                code = Code("script", path=script)
                return self._sources.of_rule(Rule(record.rule, path, code))
        return _UNKNOWN


def _script(folder: str, name: str) -> str | None:
    path = os.path.normpath(os.path.join(folder, name.removeprefix("file:")))
    if os.path.isdir(path):
        path = os.path.join(path, "wrapper.py")
    return path if os.path.isfile(path) else None


def _says(written: str, code: str) -> bool:
    """Whether this directive of a Snakefile contains this code.

    >>> _says("shell:\\n    'echo {output}'  # loud", "echo {output}")
    True
    """
    body = written.partition(":")[2].strip()
    if body == code.strip():
        return True
    try:
        return bool(ast.literal_eval(f"({body}\n)") == code)
    except (ValueError, SyntaxError):
        return False


def _is_written_since(path: str, started: float) -> bool:
    try:
        return Path(path).stat().st_mtime > started
    except OSError:
        return True
