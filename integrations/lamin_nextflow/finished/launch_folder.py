"""The records of Nextflow in a launch folder: `.nextflow/history` and `.nextflow.log`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from lamin_nextflow.finished.task_rows import TaskRow
from lamin_nextflow.finished.texts import duration_of, time_of

_STATUSES = {"OK": "completed", "ERR": "failed"}
_LINE = re.compile(r"^(\w{3})-(\d\d) (\d\d:\d\d:\d\d\.\d{3}) \[.*?\] +\w+ +\S+ - (.*)$")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SUBMITTED = re.compile(r"\[(\w\w)/(\w+)\] (Submitted|Re-submitted|Cached) process > (.*)")
_ENDED = re.compile(
    r"Task completed > TaskHandler\[.*?name: (.*); status: (\w+); exit: ([-\d]+); .*workDir: (.*?)(?: started: .*)?\]$"
)
_FACTS = {
    "run_name": re.compile(r"^Run name: (\S+)"),
    "session_id": re.compile(r"^Session UUID: (\S+)"),
    "work_dir": re.compile(r"^Work-dir: (.*?)(?: \[.*\])?$"),
    "trace_file": re.compile(r"^Workflow started -- trace file: (.*)$"),
    "signal": re.compile(r"^Session aborted -- Cause: (SIG\w+)"),
}
_VERSION = re.compile(r"^  Version: (\S+) build")
_NOT_ENDED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Launch:
    """One invocation of `nextflow run`, as the history has it; times are UTC."""

    name: str
    session_id: str
    started: datetime
    ended: datetime | None
    status: str | None
    """`completed`, `failed`, or None of a run that goes on, or was killed."""
    command: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """The facts in the log of one invocation."""

    run_name: str
    session_id: str
    work_dir: str | None = None
    trace_file: str | None = None
    engine_version: str = "unknown"
    signal: str | None = None
    """The signal that ended it."""
    started: datetime | None = None
    ended: datetime | None = None
    rows: tuple[TaskRow, ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchFolder:
    """The invocations that were typed in one folder, the oldest first."""

    path: Path
    launches: tuple[Launch, ...] = ()
    logs: dict[str, Log] = field(default_factory=dict)
    """By the names of the runs."""

    def launch(self, name: str) -> Launch | None:
        """The invocation with this run name."""
        return next((launch for launch in self.launches if launch.name == name), None)

    def log(self, name: str) -> Log | None:
        """The log of the invocation with this run name; ten of them are all that Nextflow keeps."""
        return self.logs.get(name)


def launch_folder(start: Path) -> LaunchFolder:
    """Read the folder at or above `start` where Nextflow was launched; without one, `start`, empty."""
    for folder in (start, *start.parents):
        if (folder / ".nextflow" / "history").is_file():
            logs = dict(_logs(folder))
            return LaunchFolder(folder, tuple(_launches(folder, logs)), logs)
    return LaunchFolder(start)


def _launches(folder: Path, logs: dict[str, Log]) -> Iterator[Launch]:
    text = (folder / ".nextflow" / "history").read_text("utf-8", "replace")
    for line in text.splitlines():
        launch = launch_of(line)
        if launch is None:
            continue
        log = logs.get(launch.name)
        if log is not None and log.started is not None:  # the history has whole seconds only
            ended = log.ended if launch.status else None
            launch = replace(launch, started=log.started, ended=ended or launch.ended)
        yield launch


def launch_of(line: str) -> Launch | None:
    """Return the invocation in a line of `.nextflow/history`; None for an incomplete line.

    >>> line = "2026-11-30 10:17:16\\t3.6s\\tmad_euler\\tOK\\tfd3f\\t3782f785\\tnextflow run main.nf"
    >>> launch = launch_of(line)
    >>> launch.name, launch.status, launch.command
    ('mad_euler', 'completed', 'nextflow run main.nf')
    """
    cells = line.rstrip("\n").split("\t")
    started = time_of(cells[0])
    if len(cells) < 7 or started is None:
        return None
    duration = duration_of(cells[1])
    return Launch(
        name=cells[2],
        session_id=cells[5],
        started=started,
        ended=None if duration is None else started + duration,
        status=_STATUSES.get(cells[3]),
        command=cells[6],
        revision=cells[4],
    )


def _logs(folder: Path) -> Iterator[tuple[str, Log]]:
    for file in sorted(folder.glob(".nextflow.log*")):
        try:
            year = datetime.fromtimestamp(file.stat().st_mtime).astimezone().year
            log = log_of(file.read_text("utf-8", "replace"), year)
        except OSError:
            continue
        if log is not None:
            yield log.run_name, log


def log_of(text: str, year: int) -> Log | None:
    """Return what the text of a `.nextflow.log` says; None of a command that ran no pipeline.

    Args:
        text: The whole log.
        year: The year of its last line, which the lines do not say.
    """
    facts: dict[str, str] = {}
    rows: dict[str, TaskRow] = {}
    first = last = None
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            version = _VERSION.match(line)
            if version is not None:
                facts.setdefault("engine_version", version[1])
            continue
        last = _time(match, year)
        first = first or last
        message = match[4]
        for name, pattern in _FACTS.items():
            fact = pattern.match(message)
            if fact is not None:
                facts.setdefault(name, fact[1])
        _absorb_task(message, last, rows)
    if "run_name" not in facts or "session_id" not in facts:
        return None
    return Log(**facts, started=first, ended=last, rows=tuple(rows.values()))


def _time(match: re.Match[str], year: int) -> datetime:
    month = _MONTHS.index(match[1]) + 1
    time = datetime.fromisoformat(f"{year}-{month:02}-{match[2]} {match[3]}").astimezone()
    if time > datetime.now().astimezone() + timedelta(days=2):  # a log that began last year
        time = time.replace(year=year - 1)
    return time


def _absorb_task(message: str, time: datetime, rows: dict[str, TaskRow]) -> None:
    submitted = _SUBMITTED.match(message)
    if submitted is not None:
        prefix = submitted[1] + submitted[2]
        status = "CACHED" if submitted[3] == "Cached" else "ABORTED"
        rows[prefix] = TaskRow(prefix, submitted[4], status, submitted=time, completed=time)
        return
    ended = _ENDED.match(message)
    if ended is None:
        return
    parts = Path(ended[4]).parts[-2:]
    prefix = "".join(parts)[:8]
    begun = rows.get(prefix)
    exit_code = int(ended[3]) if ended[3].lstrip("-").isdigit() else None
    rows[prefix] = TaskRow(
        prefix,
        ended[1],
        _end(ended[2], exit_code),
        submitted=time if begun is None else begun.submitted,
        completed=time,
        exit_code=None if exit_code == _NOT_ENDED else exit_code,
        workdir=ended[4],
    )


def _end(status: str, exit_code: int | None) -> str:
    """The status in the log: it is COMPLETED for every task that ended, with any exit status."""
    if exit_code == _NOT_ENDED:
        return "ABORTED"
    return "FAILED" if exit_code else status


@dataclass(frozen=True, slots=True)
class Command:
    """The arguments of `nextflow run`."""

    target: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


_WITHOUT_VALUE = {
    "resume",
    "latest",
    "stub",
    "stub-run",
    "dump-channels",
    "bg",
    "preview",
    "offline",
    "ansi-log",
}


def command_of(text: str) -> Command:
    """Return the parts of a command line.

    >>> command = command_of("nextflow run main.nf --lines 2 --fast -w scratch -resume")
    >>> command.target, command.params, command.options
    ('main.nf', {'lines': '2', 'fast': 'true'}, {'w': 'scratch', 'resume': ''})
    """
    try:
        words = shlex.split(text)
    except ValueError:  # an open quote
        words = text.split()
    words = words[words.index("run") + 1 :] if "run" in words else []
    target, params, options = None, {}, {}
    position = 0
    while position < len(words):
        word = words[position]
        following = words[position + 1] if position + 1 < len(words) else None
        name, equals, value = word.lstrip("-").partition("=")
        takes_next = (
            not equals and following is not None and not re.match(r"--?[A-Za-z]", following)
        )
        if word.startswith("--"):
            params[name] = value if equals else following if takes_next and following else "true"
        elif word.startswith("-") and len(word) > 1:
            takes_next = takes_next and name not in _WITHOUT_VALUE
            options[name] = value or (following or "" if takes_next else "")
        else:
            target, takes_next = target or word, False
        position += 2 if takes_next else 1
    return Command(target, params, options)


def project_script(launch: LaunchFolder, target: str | None) -> str | None:
    """Return the path of the script that a command named; of a pulled pipeline the one in Nextflow's assets."""
    if target is None:
        return None
    local = os.path.normpath(launch.path / target)
    if os.path.isdir(local):
        return os.path.join(local, "main.nf")
    if os.path.isfile(local) or local.endswith(".nf"):
        return local
    home = Path(os.environ.get("NXF_ASSETS") or Path.home() / ".nextflow" / "assets")
    return str(home / target / "main.nf")
