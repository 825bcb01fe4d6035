"""Nextflow's weblog: the JSON that `-with-weblog URL` posts, as the events that the observer sends of the same runs.

Source: `nextflow.trace.WebLogObserver` of 22.10, which the plugin nf-weblog continues. It tells of executed
tasks, not of cached ones, and of no file; `later_events` reads those in work folders that this machine
can see. None of its events is a START, and their times are a microsecond early: beside events of the
observer they change nothing.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lamin_core.errors import MalformedEvent
from lamin_core.uids import derived_run_id
from lamin_nextflow.finished.facts import ENGINE, WORKFLOW_DETAILS, Script, process_of
from lamin_nextflow.finished.script import job_name
from lamin_nextflow.finished.translate import process_job, task_run_id, workflow_job
from lamin_nextflow.weblog_files import task_files
from openlineage.lamin.adapter.foreign_events import ForeignEvents, Recall, RecordedRun
from openlineage.lamin.adapter.git_source import GitSource
from openlineage.lamin.emit import events as emit

_MOST_RUNS = 1_000
"""Pipelines that are remembered; of others the registry is asked."""
_EARLY = timedelta(microseconds=1)
_NOT_ENDED = 2**31 - 1
_PARTS = ("year", "monthValue", "dayOfMonth", "hour", "minute", "second")
_SIGNAL = re.compile(r"\bSIG(?:INT|TERM|HUP|QUIT)\b")
_HASH = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30})$")
_NOT_DETAILS = {"script", "env", "name", "attempt", "hash", "exit", "status"}
_COUNTS = {
    "succeededCount": "succeeded_tasks",
    "cachedCount": "cached_tasks",
    "failedCount": "failed_tasks",
    "ignoredCount": "ignored_tasks",
}


@dataclass(slots=True)
class _Pipeline:
    """A run of a pipeline, while it goes on, and the attempts of tasks that have not ended."""

    run: emit.Run
    script: Script
    work_dir: str | None = None
    open: dict[str, emit.Run] = field(default_factory=dict)


class Weblog(ForeignEvents):
    """Translates weblog messages; remembers the pipelines that are running.

    >>> weblog = Weblog()
    >>> message = {"event": "started", "runId": "5a", "runName": "mad_euler", "utcTime": "2026-01-05T10:00:00Z"}
    >>> [event["job"]["name"] for event in weblog.events(message, {}, lambda run_id: None)]
    ['main.nf']
    """

    path = "/api/v1/nextflow/weblog"

    def __init__(self) -> None:
        self._pipelines: OrderedDict[str, _Pipeline] = OrderedDict()
        self._lock = threading.Lock()

    def events(
        self, message: Mapping[str, Any], query: Mapping[str, str], recall: Recall
    ) -> Sequence[emit.Event]:
        """Return the events of a message; `?pipeline=NAME` in its URL names a pipeline that has no manifest.

        Raises `MalformedEvent` for what is no weblog message.
        """
        run_id = _run_id(message)
        at = _time(message.get("utcTime")) or datetime.now(UTC)
        with self._lock:
            pipeline = self._pipeline(run_id, message, query, recall)
            kind = message["event"]
            if kind == "started":
                return [_begun(pipeline.run, _begin(message) or at)]
            if kind == "completed":
                self._pipelines.pop(run_id, None)
                return _ended(pipeline, message, at)
            if kind in ("process_submitted", "process_completed"):
                return _task_events(pipeline, _object(message, "trace"), at)
        return []  # process_started says no more than process_submitted; `completed` follows each `error`

    def _pipeline(
        self, run_id: str, message: Mapping[str, Any], query: Mapping[str, str], recall: Recall
    ) -> _Pipeline:
        pipeline = self._pipelines.get(run_id)
        if pipeline is None or "metadata" in message:
            current = _described(run_id, message, query, None if pipeline else recall(run_id))
            if pipeline is not None:
                current.open = pipeline.open
            pipeline = self._pipelines[run_id] = current
        self._pipelines.move_to_end(run_id)
        while len(self._pipelines) > _MOST_RUNS:
            self._pipelines.popitem(last=False)
        return pipeline

    def later_events(self, message: Mapping[str, Any]) -> Sequence[emit.Event]:
        """Return a task that has ended with the files of its work folder, if this machine sees it."""
        if message.get("event") != "process_completed":
            return ()
        trace = _object(message, "trace")
        with self._lock:
            pipeline = self._pipelines.get(_run_id(message))
        if pipeline is None or pipeline.work_dir is None or trace.get("status") == "ABORTED":
            return ()
        attempt = _attempt(pipeline, trace)
        folder = trace.get("workdir")
        if attempt is None or not isinstance(folder, str):
            return ()
        is_complete = trace.get("status") == "COMPLETED"
        inputs, outputs = task_files(Path(pipeline.work_dir), Path(folder), is_complete=is_complete)
        submitted, completed = _milliseconds(trace, "submit"), _milliseconds(trace, "complete")
        if submitted is None or completed is None or not (inputs or outputs):
            return ()
        return [
            emit.running(attempt, submitted - _EARLY, inputs=inputs),
            emit.running(attempt, completed - _EARLY, outputs=outputs),
        ]


def _run_id(message: Mapping[str, Any]) -> str:
    session, name, kind = (message.get(key) for key in ("runId", "runName", "event"))
    if not (isinstance(session, str) and isinstance(name, str) and isinstance(kind, str)):
        raise MalformedEvent(
            "not a message of Nextflow's weblog: it has no runId, runName and event",
            hint="nextflow run ... -with-weblog http://HOST:PORT/api/v1/nextflow/weblog",
        )
    return derived_run_id(ENGINE, session, name)


def _described(
    run_id: str, message: Mapping[str, Any], query: Mapping[str, str], recorded: RecordedRun | None
) -> _Pipeline:
    """The pipeline as a message describes it, else as the registry has it."""
    metadata = _object(message, "metadata")
    workflow = _object(metadata, "workflow")
    script = _script(workflow, query.get("pipeline"))
    details: dict[str, Any] = {"session_id": message["runId"]}
    version = str(_object(workflow, "nextflow").get("version") or "unknown")
    if not workflow and recorded is not None:
        script = Script(recorded.job_name)
        details |= recorded.details
        version = recorded.engine_version or version
    details |= {
        ours: workflow[name]
        for name, ours in WORKFLOW_DETAILS.items()
        if workflow.get(name) is not None
    }
    run = emit.Run(
        id=run_id,
        job=workflow_job(script),
        engine=ENGINE,
        engine_version=version,
        name=message["runName"],
        params=_params(_object(metadata, "parameters")),
        details=details,
        started_at=_begin(message),
    )
    work_dir = details.get("work_dir")
    return _Pipeline(run, script, work_dir if isinstance(work_dir, str) else None)


def _script(workflow: Mapping[str, Any], named: str | None) -> Script:
    """The name of the pipeline; no path is opened, so the git remote is not used."""
    path = str(workflow.get("scriptFile") or "main.nf")
    manifest = _object(workflow, "manifest").get("name")
    repository = workflow.get("repository") or None
    project = named or manifest or None
    folder = Path(path).parent.name
    return Script(
        job_name(path, project, repository, GitSource()),
        None if project or repository or not folder else f"{folder}/{Path(path).name}",
        repository=repository,
        commit=workflow.get("commitId"),
    )


def _params(params: Mapping[str, Any]) -> dict[str, Any]:
    """The spelling without a dash of the two that Nextflow has for a parameter.

    >>> _params({"outDir": "x", "out-dir": "x", "max-cpus": 2})
    {'outDir': 'x', 'max-cpus': 2}
    """
    return {
        name: value
        for name, value in params.items()
        if _camel(name) == name or _camel(name) not in params
    }


def _camel(name: str) -> str:
    return re.sub(r"-(\w)", lambda match: match[1].upper(), name)


def _begun(run: emit.Run, begin: datetime) -> emit.Event:
    return emit.running(replace(run, started_at=begin), begin)


def _ended(pipeline: _Pipeline, message: Mapping[str, Any], at: datetime) -> list[emit.Event]:
    workflow = _object(_object(message, "metadata"), "workflow")
    end = _time(workflow.get("complete")) or at
    aborted = [
        emit.abort(attempt, end, "ended with the workflow") for attempt in pipeline.open.values()
    ]
    stats = _object(workflow, "stats") or _object(workflow, "workflowStats")
    counts = {ours: stats[name] for name, ours in _COUNTS.items() if name in stats}
    exit_status = workflow.get("exitStatus")
    details = {**pipeline.run.details, **counts}
    details |= {} if exit_status is None else {"exit": exit_status}
    run = replace(pipeline.run, details=details)
    return [*aborted, _workflow_end(run, workflow, end)]


def _workflow_end(run: emit.Run, workflow: Mapping[str, Any], end: datetime) -> emit.Event:
    if workflow.get("success") is not False:
        return emit.complete(run, end)
    message = str(workflow.get("errorMessage") or "the workflow failed")
    report = workflow.get("errorReport")
    signal = _SIGNAL.search(f"{message} {report}")
    if signal is not None:
        return emit.abort(run, end, signal[0])
    return emit.fail(run, end, message, trace=report if isinstance(report, str) else None)


def _task_events(pipeline: _Pipeline, trace: Mapping[str, Any], at: datetime) -> list[emit.Event]:
    attempt = _attempt(pipeline, trace)
    if attempt is None:
        return []
    if trace.get("status") in ("SUBMITTED", "RUNNING"):
        pipeline.open[attempt.id] = attempt
        return [emit.running(attempt, (attempt.started_at or at) - _EARLY)]
    pipeline.open.pop(attempt.id, None)
    end = (_milliseconds(trace, "complete") or at) - _EARLY
    if trace.get("status") == "COMPLETED" and not trace.get("exit"):
        return [emit.complete(attempt, end)]
    if trace.get("status") == "ABORTED" or trace.get("exit") == _NOT_ENDED:
        return [emit.abort(attempt, end, "ended with the workflow")]
    return [emit.fail(attempt, end, f"exit status {trace.get('exit')}")]


def _attempt(pipeline: _Pipeline, trace: Mapping[str, Any]) -> emit.Run | None:
    """The attempt of a task that a message is about; None without the folder, whose name is its hash."""
    match = _HASH.search(str(trace.get("workdir") or "").rstrip("/"))
    name = trace.get("name")
    if match is None or not isinstance(name, str):
        return None
    number = trace.get("attempt")
    number = number if isinstance(number, int) and number > 0 else 1
    task_hash = match[1] + match[2]
    process = str(trace.get("process") or process_of(name))
    begin = _milliseconds(trace, "submit")
    return emit.Run(
        id=task_run_id(pipeline.run.id, task_hash, number),
        job=process_job(pipeline.script, process),
        engine=ENGINE,
        engine_version=pipeline.run.engine_version,
        name=name,
        parent=pipeline.run.reference,
        root=pipeline.run.reference,
        attempt=number,
        details=_details(trace, task_hash, process),
        started_at=begin,
    )


def _details(trace: Mapping[str, Any], task_hash: str, process: str) -> dict[str, Any]:
    details: dict[str, Any] = {"process": process, "hash": task_hash}
    if trace.get("exit") not in (None, _NOT_ENDED):
        details["exit"] = trace["exit"]
    for name, value in trace.items():
        if name not in _NOT_DETAILS and value not in (None, "", [], 0):
            details.setdefault(name, value)
    return details


def _object(message: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = message.get(key)
    return value if isinstance(value, dict) else {}


def _begin(message: Mapping[str, Any]) -> datetime | None:
    return _time(_object(_object(message, "metadata"), "workflow").get("start"))


def _milliseconds(trace: Mapping[str, Any], key: str) -> datetime | None:
    value = trace.get(key)
    if not isinstance(value, int) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value / 1_000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _time(value: object) -> datetime | None:
    """A time as text, or taken apart as 22.10 writes it; None of anything else."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
            return time if time.tzinfo else time.replace(tzinfo=UTC)
        if not isinstance(value, dict):
            return None
        year, month, day, hour, minute, second = (int(value[part]) for part in _PARTS)
        microsecond = int(value["nano"]) // 1_000
        time = datetime(year, month, day, hour, minute, second, microsecond, UTC)
        return time - timedelta(seconds=int(value["offset"]["totalSeconds"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
