"""Compare two runs: plain values in, plain values out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lamin_core.runtime.printable import printable
from lamin_core.runtime.text import duration

Pair = tuple[Any, Any]
State = Literal["same", "changed", "moved", "removed", "added"]
_SIGNS = {"same": "=", "changed": "~", "moved": ">", "removed": "-", "added": "+"}


@dataclass(frozen=True, slots=True)
class File:
    """An artifact that a run read or wrote: the name of its place, its uid, and the digest of its bytes if known."""

    name: str
    uid: str
    hash: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The compared facts of a run; None if unknown."""

    uid: str
    transform: str
    version: str
    source: str | None
    engine: str
    engine_version: str | None
    status: str
    duration: float | None
    params: Mapping[str, Any]
    environment: Mapping[str, Any] | None
    """`python`, `platform`, and versions by name in `packages` and `conda`."""
    inputs: tuple[File, ...]
    outputs: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """The comparison of two mappings: names only in the second, only in the first, and with different values."""

    added: dict[str, Any] = field(default_factory=dict)
    removed: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, Pair] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of both runs, or of one of them; `moved` is the same bytes under another name."""

    state: State
    name: str
    first: File | None
    second: File | None


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Two runs side by side: pairs are the first's and the second's. `print` it to read it, `view()` for JSON."""

    runs: Pair
    transform: Pair
    version: Pair
    engine: Pair
    engine_version: Pair
    status: Pair
    duration: Pair
    params: Changes
    code: str | None
    """A unified diff of the sources; empty where they are the same, None where one is unknown."""
    environment: dict[str, Changes] | None
    """By part: `system`, `packages`, `conda`; None where one is unknown."""
    inputs: tuple[FileChange, ...]
    outputs: tuple[FileChange, ...]

    def view(self) -> dict[str, Any]:
        """The JSON that `lamin diff --json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """The text for people: `+` only in the second, `-` only in the first, `~` different, `>` moved, `=` equal."""
        return "\n".join(_lines(self))

    __repr__ = __str__


def diff(first: Snapshot, second: Snapshot) -> RunDiff:
    """The differences of the second run from the first."""
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in _PAIRS}
    return RunDiff(
        runs=(first.uid, second.uid),
        **pairs,
        params=changes(first.params, second.params),
        code=_code(first, second),
        environment=_environment(first.environment, second.environment),
        inputs=tuple(_files(first.inputs, second.inputs)),
        outputs=tuple(_files(first.outputs, second.outputs)),
    )


_PAIRS = ("transform", "version", "engine", "engine_version", "status", "duration")


def changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> Changes:
    """The change of these values.

    >>> changes({"a": 1, "b": 2}, {"b": 3, "c": 4})
    Changes(added={'c': 4}, removed={'a': 1}, changed={'b': (2, 3)})
    """
    return Changes(
        {name: second[name] for name in sorted(second.keys() - first.keys())},
        {name: first[name] for name in sorted(first.keys() - second.keys())},
        {
            name: (first[name], second[name])
            for name in sorted(first.keys() & second.keys())
            if (type(first[name]), first[name]) != (type(second[name]), second[name])
        },
    )


def _code(first: Snapshot, second: Snapshot) -> str | None:
    if first.version == second.version:
        return ""
    if first.source is None or second.source is None:
        return None
    names = f"{first.transform} {first.version}", f"{second.transform} {second.version}"
    lines = difflib.unified_diff(
        first.source.splitlines(), second.source.splitlines(), *names, lineterm=""
    )
    return "\n".join(lines)


def _environment(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None
) -> dict[str, Changes] | None:
    if first is None or second is None:
        return None
    system = [
        {name: environment.get(name) for name in ("python", "platform")}
        for environment in (first, second)
    ]
    parts = {
        name: changes(first.get(name) or {}, second.get(name) or {})
        for name in ("packages", "conda")
    }
    return {"system": changes(*system), **parts}


def _files(first: tuple[File, ...], second: tuple[File, ...]) -> Iterator[FileChange]:
    """Pair the files by name, then those without a namesake in the other run by their content."""
    before, after = {file.name: file for file in first}, {file.name: file for file in second}
    for name in sorted(before.keys() & after.keys()):
        yield FileChange(
            "same" if _same(before[name], after[name]) else "changed",
            name,
            before[name],
            after[name],
        )
    added = {name: after[name] for name in sorted(after.keys() - before.keys())}
    for name in sorted(before.keys() - after.keys()):
        old = before[name]
        moved = next(
            (new for new in added.values() if old.hash is not None and new.hash == old.hash), None
        )
        if moved is None:
            yield FileChange("removed", name, old, None)
        else:
            del added[moved.name]
            yield FileChange("moved", name, old, moved)
    for name, new in added.items():
        yield FileChange("added", name, None, new)


def _same(first: File, second: File) -> bool:
    return first.uid == second.uid or (first.hash is not None and first.hash == second.hash)


def _lines(run_diff: RunDiff) -> Iterator[str]:
    for index, sign in enumerate("-+"):
        took = run_diff.duration[index]
        facts = [run_diff.transform[index], _engine(run_diff, index), run_diff.status[index]]
        summary = " · ".join(
            printable(fact) for fact in facts + ([] if took is None else [duration(took)])
        )
        yield f"{sign} run {run_diff.runs[index]} of {summary}"
    yield from changed_parts(run_diff)
    yield from file_lines("inputs", run_diff.inputs)
    yield from file_lines("outputs", run_diff.outputs)


def changed_parts(run_diff: RunDiff) -> Iterator[str]:
    """The differences of params, code and environment between two runs."""
    yield from _section("params", run_diff.params)
    if run_diff.code is None:
        yield "code: not known of both, so not compared"
    elif run_diff.code:
        yield "code"
        yield from (f"  {printable(line.expandtabs())}" for line in run_diff.code.splitlines())
    if run_diff.environment is None:
        yield "environment: not known of both, so not compared"
    for name, part in (run_diff.environment or {}).items():
        yield from _section("environment" if name == "system" else name, part)


def file_lines(title: str, changes: Iterable[FileChange]) -> Iterator[str]:
    """The files under this title; nothing where there are none."""
    lines = [f"  {_SIGNS[change.state]} {printable(_file(change))}" for change in changes]
    if lines:
        yield title
        yield from lines


def _engine(run_diff: RunDiff, index: int) -> str:
    version = run_diff.engine_version[index]
    return f"{run_diff.engine[index]} {version}" if version else str(run_diff.engine[index])


def _section(title: str, delta: Changes) -> Iterator[str]:
    if delta:
        yield title
        yield from (
            f"  - {printable(f'{name}: {value!r}')}" for name, value in delta.removed.items()
        )
        yield from (f"  + {printable(f'{name}: {value!r}')}" for name, value in delta.added.items())
        yield from (
            f"  ~ {printable(f'{name}: {old!r} → {new!r}')}"
            for name, (old, new) in delta.changed.items()
        )


def _file(change: FileChange) -> str:
    if change.state == "changed" and change.first is not None and change.second is not None:
        return f"{change.name}  {_short(change.first)} → {_short(change.second)}"
    if change.state == "moved" and change.second is not None:
        return f"{change.name} → {change.second.name}"
    return change.name


def _short(file: File) -> str:
    return file.uid if file.hash is None else file.hash.rpartition(":")[2][:12]
