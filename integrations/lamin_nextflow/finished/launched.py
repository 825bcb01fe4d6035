"""Finished runs by what every Nextflow leaves: history, log and work folders, and a trace where there is one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from blake3 import blake3

from lamin_core.errors import InvalidArgument, Unavailable
from lamin_nextflow.finished.attempts import attempts
from lamin_nextflow.finished.facts import End, FinishedFile, FinishedRun, FinishedTask, Script
from lamin_nextflow.finished.launch_folder import (
    Launch,
    LaunchFolder,
    Log,
    command_of,
    project_script,
)
from lamin_nextflow.finished.script import script_at
from lamin_nextflow.finished.task_rows import PREFIX, TaskRow, task_rows
from lamin_nextflow.finished.texts import param
from lamin_nextflow.finished.work_folder import WorkFolder, work_folders

_CLOCKS = timedelta(seconds=2)
_NO_HISTORY = (
    "no .nextflow/history names this run: where it was recorded live as well, it is recorded twice"
)


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace file and its rows."""

    path: Path
    rows: tuple[TaskRow, ...]
    digest: str

    @property
    def begin(self) -> datetime | None:
        """The time at which the first task was submitted that this run executed itself."""
        times = (row.submitted for row in self.rows if not row.is_cached)
        return min((time for time in times if time is not None), default=None)


def read_trace(path: Path) -> Trace:
    """Read a trace. Raises `InvalidArgument` where the file is not a trace, `Unavailable` where it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    rows = tuple(task_rows(data.decode("utf-8", "replace"), str(path)))
    if not rows:
        raise InvalidArgument(f"{path} has no task in it", hint="did the run begin?")
    return Trace(path, rows, blake3(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Evidence:
    """The records of the run with this name on disk, complete or not."""

    launch: Launch | None
    log: Log | None
    by_prefix: Mapping[str, TaskRow] = field(default_factory=dict)
    """The tasks of the run, from the trace or else from the log."""
    work: Path | None = None

    @property
    def rows(self) -> Collection[TaskRow]:
        """All tasks that a trace or a log names."""
        return self.by_prefix.values()

    def row(self, task_hash: str) -> TaskRow | None:
        """The row of the task with this hash."""
        return self.by_prefix.get(task_hash[:PREFIX])


@dataclass(frozen=True, slots=True)
class Launched:
    """The runs that were launched in one folder, with their traces; `work` is the work folder that the user names."""

    folder: LaunchFolder
    traces: Sequence[Trace] = ()
    work: Path | None = None
    owners: dict[Path, str] = field(default_factory=dict)
    """The name of the run of each trace, once it was looked for."""

    def evidence(self, name: str) -> Evidence:
        """The existing records of the run with this name."""
        launch, log = self.folder.launch(name), self.folder.log(name)
        rows: dict[str, TaskRow] = {}
        if log is not None:
            rows |= {row.prefix: row for row in log.rows}
        for trace in self.traces:
            if self.owner(trace) == name:
                rows |= {row.prefix: _merged(row, rows.get(row.prefix)) for row in trace.rows}
        return Evidence(launch, log, rows, self._work(launch, log))

    def owner(self, trace: Trace) -> str | None:
        """The name of the run that wrote this trace: by the log, by the command, else by the times."""
        if trace.path not in self.owners:
            name = next(self._owners(trace), None)
            if name is None:
                return None
            self.owners[trace.path] = name
        return self.owners[trace.path]

    def _owners(self, trace: Trace) -> Iterator[str]:
        for log in self.folder.logs.values():
            if log.trace_file and os.path.realpath(log.trace_file) == os.path.realpath(trace.path):
                yield log.run_name
        begin = trace.begin
        for launch in reversed(self.folder.launches):
            named = command_of(launch.command).options.get("with-trace")
            is_named = bool(named) and self.folder.path / str(named) == trace.path
            if begin is None and is_named:
                yield launch.name
            if begin is not None and _was_running(launch, begin):
                yield launch.name

    def _work(self, launch: Launch | None, log: Log | None) -> Path | None:
        if self.work is not None:
            return self.work
        if log is not None and log.work_dir is not None:
            return Path(log.work_dir)
        options = {} if launch is None else command_of(launch.command).options
        named = options.get("w") or options.get("work-dir") or os.environ.get("NXF_WORK") or "work"
        return None if "://" in named else self.folder.path / named


def _was_running(launch: Launch, time: datetime) -> bool:
    is_before_its_end = launch.ended is None or time <= launch.ended + _CLOCKS
    return launch.started <= time + _CLOCKS and is_before_its_end


def _merged(row: TaskRow, logged: TaskRow | None) -> TaskRow:
    """A row of a trace with the work folder that the log says."""
    if logged is None:
        return row
    return replace(
        row,
        workdir=row.workdir or logged.workdir,
        submitted=row.submitted or logged.submitted,
        completed=row.completed or logged.completed,
    )


def launched_run(launched: Launched, name: str) -> FinishedRun | None:
    """Return the run with this name; None of one that started no task, as far as can be known."""
    evidence = launched.evidence(name)
    launch = evidence.launch
    if launch is None or not evidence.rows:
        return None
    script, gaps = _script(launched.folder, launch)
    tasks = finished_tasks(evidence)
    run = FinishedRun(
        session_id=launch.session_id,
        name=launch.name,
        script=script,
        status=run_status(evidence, tasks),
        started=launch.started,
        ended=launch.ended or _last(tasks, launch.started),
        engine_version="unknown" if evidence.log is None else evidence.log.engine_version,
        params=_params(launched.folder, launch),
        details=_details(launched.folder, launch, evidence.work),
        tasks=tasks,
        gaps=tuple(gaps),
    )
    return replace(run, error=run_error(run))


def unnamed_run(trace: Trace, launched: Launched) -> FinishedRun:
    """Return the run of a trace that belongs to no run of a history."""
    work = launched.work or trace.path.parent / "work"
    tasks = finished_tasks(Evidence(None, None, {row.prefix: row for row in trace.rows}, work))
    started = min(task.submitted for task in tasks)
    run = FinishedRun(
        session_id=trace.digest[:32],
        name=trace.path.stem,
        script=Script("main.nf"),
        status=inferred_status(tasks),
        started=started,
        ended=_last(tasks, started),
        details={"work_dir": str(work)},
        tasks=tasks,
        gaps=(_NO_HISTORY,),
    )
    return replace(run, error=run_error(run))


def _last(tasks: Iterable[FinishedTask], started: datetime) -> datetime:
    return max((task.completed for task in tasks), default=started)


def run_status(evidence: Evidence, tasks: Sequence[FinishedTask]) -> End:
    """Return how a run ended: as log and history say, else as its tasks ended."""
    if evidence.log is not None and evidence.log.signal:
        return "aborted"
    if evidence.launch is None:
        return inferred_status(tasks)
    if evidence.launch.status is None:
        return "lost"
    return "completed" if evidence.launch.status == "completed" else "failed"


def inferred_status(tasks: Sequence[FinishedTask]) -> End:
    """Return how a run must have ended whose tasks ended so: an aborted task ended with its run."""
    if not tasks:
        return "completed"
    last = max(tasks, key=lambda task: task.completed)
    is_failed = last.status == "failed" or any(task.status == "aborted" for task in tasks)
    return "failed" if is_failed else "completed"


def run_error(run: FinishedRun) -> str | None:
    """Return why a run failed: the first of its tasks that failed and was not tried again."""
    if run.status != "failed":
        return None
    tried_again = {(task.name, task.attempt - 1) for task in run.tasks}
    failed = [
        task
        for task in run.tasks
        if task.status == "failed" and (task.name, task.attempt) not in tried_again
    ]
    if not failed:
        return None
    task = min(failed, key=lambda task: task.completed)
    reason = f"Process `{task.name}` terminated with an error exit status ({task.exit_code})"
    return f"{reason}: {task.stderr[-1].strip()}" if task.stderr else reason


def finished_tasks(evidence: Evidence) -> tuple[FinishedTask, ...]:
    """Return the tasks of a run by rows and work folders, the first that was submitted first."""
    rows = [(row, _work_folder(row, evidence.work)) for row in evidence.rows]
    numbers = attempts((row.name, _hash(row, folder)) for row, folder in rows)
    started = evidence.launch.started if evidence.launch else None
    tasks = []
    for row, folder in rows:
        number = 1 if row.is_cached else row.attempt or numbers[_hash(row, folder)]
        tasks.append(_task(row, folder, number, started))
    return tuple(sorted(tasks, key=lambda task: (task.submitted, task.hash)))


def _work_folder(row: TaskRow, work: Path | None) -> WorkFolder | None:
    if row.workdir is not None:
        return WorkFolder(Path(row.workdir))
    folders = [] if work is None else work_folders(work, row.prefix)
    return WorkFolder(folders[0]) if folders else None


def _hash(row: TaskRow, folder: WorkFolder | None) -> str:
    return row.prefix if folder is None else "".join(folder.path.parts[-2:])


def _task(
    row: TaskRow, folder: WorkFolder | None, attempt: int, started: datetime | None
) -> FinishedTask:
    submitted, completed = task_times(row, folder, started)
    exit_code = row.exit_code if folder is None else _first(row.exit_code, folder.exit_code)
    task = FinishedTask(
        hash=_hash(row, folder),
        name=row.name,
        status=row.end,
        submitted=submitted,
        completed=completed,
        attempt=attempt,
        cached=row.is_cached,
        exit_code=None if row.end == "aborted" else exit_code,
        details=row.details,
    )
    return with_work_folder(task, folder)


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def task_times(
    row: TaskRow | None, folder: WorkFolder | None, started: datetime | None
) -> tuple[datetime, datetime]:
    """Return when a task was submitted and when it was complete.

    A cached task is of its run only by being looked up: its own times are of the run that executed it.
    """
    if row is not None and row.is_cached and started is not None:
        return started, started
    submitted = (row and row.submitted) or (folder and folder.submitted) or started
    completed = (row and row.completed) or (folder and folder.completed) or submitted
    if submitted is None or completed is None:
        submitted = completed = submitted or completed or datetime.fromtimestamp(0).astimezone()
    return submitted, max(submitted, completed)


def with_work_folder(task: FinishedTask, folder: WorkFolder | None) -> FinishedTask:
    """Return the task with the files that its work folder names, as far as it has none."""
    details = {**task.details, "process": task.process, "hash": task.hash}
    if task.exit_code is not None:
        details["exit"] = task.exit_code
    if folder is None or not folder.path.is_dir():
        where = {} if folder is None else {"workdir": str(folder.path)}
        gap = "its work folder is gone: what it read and wrote is unknown"
        return replace(task, details=details | where, gaps=(*task.gaps, gap))
    details["workdir"] = str(folder.path)
    if folder.container is not None:
        details["container"] = folder.container
    by = None if task.cached else task.completed
    is_completed = task.status == "completed"
    present, missing = folder.outputs() if is_completed else ([], [])
    inputs = dict.fromkeys(os.path.normpath(path) for path in folder.staged.values())
    return replace(
        task,
        details=details,
        inputs=tuple(FinishedFile(path, by=by) for path in inputs),
        outputs=tuple(FinishedFile(path, by=by) for path in (*present, *_absent(folder, missing))),
        stderr=folder.stderr if task.status == "failed" else (),
    )


def _absent(folder: WorkFolder, names: Sequence[str]) -> list[str]:
    """The paths of outputs that are optional, or that publishing or a `storeDir` has moved."""
    return [str(folder.path / re.sub(r"\\(.)", r"\1", name)) for name in names]


def _script(folder: LaunchFolder, launch: Launch) -> tuple[Script, list[str]]:
    target = command_of(launch.command).target
    path = project_script(folder, target)
    if path is None or target is None:
        return Script("main.nf"), ["its command names no script: its code is unknown"]
    if os.path.exists(folder.path / target) or target.endswith(".nf"):
        return script_at(path, launch.started)
    repository = target if "://" in target else f"https://github.com/{target}"
    return script_at(path, launch.started, repository=repository, commit=launch.revision)


def _params(folder: LaunchFolder, launch: Launch) -> dict[str, Any]:
    """The parameters in the command; those that the script itself sets are not recorded anywhere."""
    command = command_of(launch.command)
    params: dict[str, Any] = {}
    file = command.options.get("params-file")
    if file and file.endswith(".json"):
        try:
            loaded = json.loads((folder.path / file).read_text("utf-8"))
        except (OSError, ValueError):
            loaded = {}
        params |= loaded if isinstance(loaded, dict) else {}
    for name, text in command.params.items():
        params[re.sub(r"-(\w)", lambda match: match[1].upper(), name)] = param(text)
    return params


def _details(folder: LaunchFolder, launch: Launch, work: Path | None) -> Mapping[str, Any]:
    command = command_of(launch.command)
    details: dict[str, Any] = {
        "session_id": launch.session_id,
        "command_line": launch.command,
        "profile": command.options.get("profile") or "standard",
        "revision": command.options.get("r"),
        "launch_dir": str(folder.path),
        "work_dir": None if work is None else str(work),
        "resume": "resume" in command.options,
    }
    return {name: value for name, value in details.items() if value is not None}
