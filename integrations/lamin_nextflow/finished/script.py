"""The code of a pipeline as it is on disk: the name of its job, its text, the scripts of its processes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from lamin_nextflow.finished.facts import Script
from openlineage.lamin.adapter.git_source import GitSource, project_of

_PROCESS = re.compile(r"^[ \t]*process\s+(['\"]?)(\w+)\1\s*\{", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*include\s*\{([^}]*)\}\s*from\s*(['\"])(.+?)\2", re.MULTILINE)
_ALIAS = re.compile(r"(\w+)\s+as\s+(\w+)")
_SECTION = re.compile(r"^[ \t]*(script|shell|exec|stub|input|output|when)\s*:[ \t]*(\r?\n)?", re.M)
_MANIFEST = re.compile(
    r"manifest\s*\{[^}]*?\bname\s*=\s*(['\"])(.+?)\1|manifest\.name\s*=\s*(['\"])(.+?)\3"
)
_TEXT = re.compile(
    r"'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|//[^\n]*|/\*.*?\*/|[{}]",
    re.DOTALL,
)
_CLOCKS = timedelta(seconds=1)


def script_at(
    path: str,
    begin: datetime | None,
    project: str | None = None,
    repository: str | None = None,
    commit: str | None = None,
) -> tuple[Script, list[str]]:
    """Return the pipeline whose main script is at this path, and what of it is unknown, in words.

    What was changed after `begin`, when the run began, is not what ran: its text is left out.
    """
    texts = dict(_texts(path))
    changed = [file for file in texts if begin is not None and _is_written_after(file, begin)]
    project = project or manifest_name(path)
    name = job_name(path, project, repository, GitSource() if project else GitSource.of(path))
    folder = os.path.basename(os.path.dirname(path))
    is_named = bool(project or repository)
    previous = None if is_named or not folder else f"{folder}/{os.path.basename(path)}"
    source = None if changed or not texts else _joined(path, texts)
    processes = {} if changed else _processes(texts)
    script = Script(name, previous, source, repository, commit, processes)
    return script, _gaps(path, texts, changed)


def _gaps(path: str, texts: Mapping[str, str], changed: list[str]) -> list[str]:
    if not texts:
        return [f"the script {path!r} is not there any more: its code is unknown"]
    return [f"{file!r} was changed since: the code that ran is unknown" for file in changed]


def job_name(path: str, project: str | None, repository: str | None, source: GitSource) -> str:
    """Return what the pipeline is called, by the rules of the observer.

    >>> job_name("/home/me/p/main.nf", None, None, GitSource())
    'main.nf'
    >>> job_name("/x/main.nf", None, "https://host/lab/align.git", GitSource())
    'lab/align'
    >>> job_name("/x/other.nf", "lab/align", None, GitSource())
    'lab/align/other.nf'
    >>> job_name("/x/rna/main.nf", None, None, GitSource(project="lab/align", path="rna/main.nf"))
    'lab/align/rna'
    """
    file = os.path.basename(path)
    project = project or (project_of(repository) if repository else None)
    if project:
        return project if file == "main.nf" else f"{project}/{file}"
    if source.project and source.path:
        inner = re.sub(r"(^|/)main\.nf$", "", source.path)
        return f"{source.project}/{inner}" if inner else source.project
    return file


def manifest_name(path: str) -> str | None:
    """Return `manifest.name` of the configuration beside this script; None where there is none, or no plain text."""
    text = _text(os.path.join(os.path.dirname(path), "nextflow.config"))
    match = None if text is None else _MANIFEST.search(text)
    return None if match is None else match[2] or match[4]


def _texts(path: str) -> Iterator[tuple[str, str]]:
    """The script, then all that it includes."""
    waiting, read = [path], set()
    while waiting:
        file = waiting.pop(0)
        text = None if file in read else _text(file)
        read.add(file)
        if text is None:
            continue
        yield file, text
        for _, _, target in _INCLUDE.findall(text):
            waiting.append(_included(file, target))


def _included(script: str, target: str) -> str:
    """The file that `include ... from` names."""
    path = os.path.normpath(os.path.join(os.path.dirname(script), target))
    if os.path.isdir(path):
        return os.path.join(path, "main.nf")
    return path if path.endswith(".nf") else f"{path}.nf"


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text("utf-8", "replace")
    except (OSError, ValueError):
        return None


def _is_written_after(path: str, time: datetime) -> bool:
    try:
        return os.stat(path).st_mtime > (time + _CLOCKS).timestamp()
    except OSError:
        return True


def _joined(path: str, texts: Mapping[str, str]) -> str:
    """The text as the observer sends it: the main script, then what it includes, by name."""
    folder = os.path.dirname(path)
    included = {os.path.relpath(file, folder): text for file, text in texts.items() if file != path}
    parts = [f"\n// included: {name}\n{text}" for name, text in sorted(included.items())]
    return texts[path] + "".join(parts)


def _processes(texts: Mapping[str, str]) -> dict[str, str]:
    """The script of each process, also by the names under which it is included."""
    scripts: dict[str, str] = {}
    for text in texts.values():
        scripts |= dict(process_scripts(text))
    for text in texts.values():
        for names, _, _ in _INCLUDE.findall(text):
            for name, alias in _ALIAS.findall(names):
                if name in scripts:
                    scripts.setdefault(alias, scripts[name])
    return scripts


def process_scripts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the script of each process in this text, as it is written there.

    >>> dict(process_scripts("process A {\\n  script:\\n  '''\\n  echo {\\n  '''\\n}\\n"))
    {'A': "  '''\\n  echo {\\n  '''\\n"}
    """
    for match in _PROCESS.finditer(text):
        body = text[match.end() : _closing_brace(text, match.end())]
        script = _script_section(body)
        if script is not None:
            yield match[2], script


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for match in _TEXT.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return len(text)


def _script_section(body: str) -> str | None:
    """The block after `script:`, `shell:` or `exec:`."""
    quoted = [match.span() for match in _TEXT.finditer(body)]
    sections = [
        match
        for match in _SECTION.finditer(body)
        if not any(start < match.start(1) < end for start, end in quoted)
    ]
    for position, match in enumerate(sections):
        if match[1] in ("script", "shell", "exec") and match[2]:
            end = sections[position + 1].start() if position + 1 < len(sections) else len(body)
            return re.sub(r"[ \t]*\Z", "", body[match.end() : end])
    return None
