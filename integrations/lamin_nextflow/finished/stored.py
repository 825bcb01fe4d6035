"""Finished runs of a lineage store, completed by the history, the log, the trace and the work folders beside it."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lamin_nextflow.finished.attempts import attempts
from lamin_nextflow.finished.facts import (
    WORKFLOW_DETAILS,
    End,
    FinishedFile,
    FinishedRun,
    FinishedTask,
    Script,
)
from lamin_nextflow.finished.launched import (
    Evidence,
    Launched,
    inferred_status,
    run_error,
    run_status,
    task_times,
)
from lamin_nextflow.finished.lineage_store import Spec, Store, key_of, leaves, path_in
from lamin_nextflow.finished.script import script_at
from lamin_nextflow.finished.task_rows import PREFIX
from lamin_nextflow.finished.texts import iso_time
from lamin_nextflow.finished.work_folder import WorkFolder

_TEXT_INPUT = re.compile(r"/(?:tmp)/[0-9a-f]{2}/[0-9a-f]{30}/input\.\d+$")
_LONGEST_PARAM = 1_000
_STOPPED = (130, 143)
"""Exit statuses of a task that was ended by SIGINT or SIGTERM: with its run."""
_NO_END = "nothing says how this run ended: taken from its tasks"


def stored_run(store: Store, key: str, launched: Launched) -> FinishedRun:
    """Return the run with this key of the store."""
    return _Reader(store, key, launched).run()


@dataclass(frozen=True)
class _Reader:
    """Reads one run of a store."""

    store: Store
    key: str
    launched: Launched

    @property
    def spec(self) -> Spec:
        return self.store.runs[self.key]

    @property
    def metadata(self) -> Spec:
        """Since 26.04; empty before."""
        return self.spec.get("metadata") or {}

    @property
    def launch_path(self) -> Path:
        """The launch folder: it contains the store, unless configured otherwise."""
        return Path(self.metadata.get("launchDir") or self.launched.folder.path)

    @property
    def work(self) -> Path:
        if self.launched.work is not None:
            return self.launched.work
        configured = (self.spec.get("config") or {}).get("workDir") or "work"
        return Path(self.metadata.get("workDir") or self.launch_path / str(configured))

    def run(self) -> FinishedRun:
        name, session = str(self.spec.get("name")), str(self.spec.get("sessionId"))
        evidence = replace(self.launched.evidence(name), work=self.work)
        begin = self._started(evidence)
        script, gaps = self._script(begin)
        tasks = self._tasks(evidence, begin)
        started = begin or min((task.submitted for task in tasks), default=datetime.now(UTC))
        is_end_recorded = evidence.launch is not None or evidence.log is not None
        run = FinishedRun(
            session_id=session,
            name=name,
            script=script,
            status=run_status(evidence, tasks) if is_end_recorded else inferred_status(tasks),
            started=started,
            ended=self._ended(evidence, tasks, started),
            engine_version=self._engine_version(evidence),
            params=dict(_params(self.spec.get("params"))),
            details=self._details(session, evidence),
            tasks=tasks,
            published=tuple(self._published(None)),
            gaps=(*gaps, *self.store.unreadable, *(() if is_end_recorded else (_NO_END,))),
        )
        return replace(run, error=run_error(run))

    def _started(self, evidence: Evidence) -> datetime | None:
        if evidence.log is not None and evidence.log.started is not None:
            return evidence.log.started
        if self.metadata.get("start"):
            return iso_time(self.metadata["start"])
        return evidence.launch.started if evidence.launch else self._launched_at()

    def _launched_at(self) -> datetime | None:
        """The entries in the history of the store: `2026-11-22 23:38:43 UTC`, then name, session and key."""
        try:
            text = (self.store.path / ".history" / self.key).read_text("utf-8")
            return datetime.strptime(text.split("\t")[0], "%Y-%m-%d %H:%M:%S %Z").replace(
                tzinfo=UTC
            )
        except (OSError, ValueError):
            return None

    def _ended(
        self, evidence: Evidence, tasks: Sequence[FinishedTask], started: datetime
    ) -> datetime:
        if evidence.launch is not None and evidence.launch.ended is not None:
            return evidence.launch.ended
        end = self.store.ends.get(self.key)
        recorded = None if end is None else iso_time(end.get("createdAt"))
        return recorded or max((task.completed for task in tasks), default=started)

    def _engine_version(self, evidence: Evidence) -> str:
        recorded = (self.metadata.get("nextflow") or {}).get("version")
        return recorded or (evidence.log.engine_version if evidence.log else "unknown")

    def _script(self, begin: datetime | None) -> tuple[Script, list[str]]:
        workflow = self.spec.get("workflow") or {}
        files = workflow.get("scriptFiles") or [{}]
        path = path_in(str(files[0].get("path") or "main.nf"), self.launch_path)
        manifest = (self.spec.get("config") or {}).get("manifest") or {}
        return script_at(
            path,
            begin,
            project=manifest.get("name"),
            repository=workflow.get("repository"),
            commit=workflow.get("commitId"),
        )

    def _details(self, session: str, evidence: Evidence) -> dict[str, Any]:
        details: dict[str, Any] = {"session_id": session}
        if evidence.launch is not None:
            details["command_line"] = evidence.launch.command
        details |= {"launch_dir": str(self.launch_path), "work_dir": str(self.work)}
        for name, ours in WORKFLOW_DETAILS.items():
            if self.metadata.get(name) is not None:
                details[ours] = self.metadata[name]
        return details

    def _tasks(self, evidence: Evidence, begin: datetime | None) -> tuple[FinishedTask, ...]:
        own = self.store.tasks_of.get(self.key, ())
        cached = self._cached(set(own), evidence)
        pairs = ((str(self.store.tasks[key].get("name")), key) for key in own)
        numbers = attempts(pairs) | dict.fromkeys(cached, 1)
        tasks = [self._task(key, numbers[key], key in cached, evidence, begin) for key in numbers]
        return tuple(sorted(tasks, key=lambda task: (task.submitted, task.hash)))

    def _cached(self, own: set[str], evidence: Evidence) -> set[str]:
        """Tasks of earlier runs that this one took over: those whose files it published, what
        those read, and those that a trace or log names."""
        waiting = [key_of(self.store.files[key].get("source")) for key in self._published_keys]
        if any(row.is_cached for row in evidence.rows):
            by_prefix = {key[:PREFIX]: key for key in self.store.tasks}
            waiting += [by_prefix.get(row.prefix) for row in evidence.rows if row.is_cached]
        cached: set[str] = set()
        while waiting:
            key = waiting.pop()
            task = None if key is None else key.partition("/")[0]
            if task is None or task in own or task in cached or task not in self.store.tasks:
                continue
            cached.add(task)
            waiting += [
                key_of(leaf)
                for entry in self.store.tasks[task].get("input") or ()
                for leaf in leaves(entry.get("value"))
            ]
        return cached

    @property
    def _published_keys(self) -> tuple[str, ...]:
        return self.store.published.get(self.key, ())

    def _task(
        self, key: str, number: int, is_cached: bool, evidence: Evidence, begin: datetime | None
    ) -> FinishedTask:
        spec = self.store.tasks[key]
        row = evidence.row(key)
        folder = WorkFolder(self.work / key[:2] / key[2:])
        submitted, completed = self._times(key, is_cached, evidence, begin)
        outputs, missing = self._outputs(key)
        inputs, dangling = self._inputs(spec, completed)
        status = "completed" if is_cached else row.end if row else self._status(key, folder)
        exit_code = row.exit_code if row and row.exit_code is not None else folder.exit_code
        exit_code = None if status == "aborted" else exit_code
        details = {} if row is None else dict(row.details)
        details |= {"process": _process(spec), "hash": key, "workdir": str(folder.path)}
        details |= {} if exit_code is None else {"exit": exit_code}
        details |= {"container": spec["container"]} if spec.get("container") else {}
        return FinishedTask(
            hash=key,
            name=str(spec.get("name")),
            status=status,
            submitted=submitted,
            completed=completed,
            attempt=number,
            cached=is_cached,
            exit_code=exit_code,
            stderr=folder.stderr if status == "failed" else (),
            params=dict(_params(spec.get("input"))),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            published=tuple(self._published(key)),
            details=details,
            gaps=(*dangling, *missing),
        )

    def _times(
        self, key: str, is_cached: bool, evidence: Evidence, begin: datetime | None
    ) -> tuple[datetime, datetime]:
        if is_cached and begin is not None:
            return begin, begin
        output = self.store.outputs.get(key)
        row = evidence.row(key)
        submitted, completed = task_times(row, None, begin or self._created(key))
        if row is None or row.completed is None:
            recorded = iso_time(output.get("createdAt")) if output else None
            completed = recorded or completed
        if row is None or row.submitted is None:
            submitted = min(filter(None, (self._created(key), completed)))
        return submitted, max(submitted, completed)

    def _created(self, key: str) -> datetime | None:
        """The time of the first of its files, because the records hold no other start of a task."""
        addresses = [
            key_of(leaf)
            for entry in (self.store.outputs.get(key) or {}).get("output") or ()
            for leaf in leaves(entry.get("value"))
        ]
        files = (self.store.files.get(address) for address in addresses if address is not None)
        times = (iso_time(file.get("createdAt")) for file in files if file is not None)
        return min((time for time in times if time is not None), default=None)

    def _status(self, key: str, folder: WorkFolder) -> End:
        """The status of a task that no trace and no log names: a task that failed has no output."""
        if folder.exit_code:
            return "aborted" if folder.exit_code in _STOPPED else "failed"
        output = self.store.outputs.get(key)
        if output is None:
            return "aborted"
        paths = [e.get("value") for e in output.get("output") or () if e.get("type") == "path"]
        return "aborted" if paths and all(path is None for path in paths) else "completed"

    def _outputs(self, key: str) -> tuple[list[FinishedFile], list[str]]:
        files: dict[str, FinishedFile] = {}
        gaps = []
        own = f"{self.work / key[:2] / key[2:]}{os.sep}"
        for entry in (self.store.outputs.get(key) or {}).get("output") or ():
            if entry.get("type") not in ("path", "ProcessOutput"):
                continue
            for leaf in leaves(entry.get("value")):
                address = key_of(leaf)
                if address is not None and address not in self.store.files:
                    gaps.append(f"its output {leaf} has no record")
                file = self._file(leaf, None)
                if file is not None and (address or file.path.startswith(own)):
                    files.setdefault(file.path, replace(file, copies=self._moved(address)))
        return list(files.values()), gaps

    def _moved(self, address: str | None) -> tuple[str, ...]:
        """The path of a published file: with `mode: 'move'` it exists only there."""
        return () if address is None else tuple(self._copies[address])

    @cached_property
    def _copies(self) -> Mapping[str, list[str]]:
        copies: dict[str, list[str]] = defaultdict(list)
        for key in self._published_keys:
            spec = self.store.files[key]
            source = key_of(spec.get("source"))
            if source is not None:
                copies[source].append(path_in(str(spec.get("path")), self.launch_path))
        return copies

    def _inputs(self, spec: Spec, by: datetime) -> tuple[list[FinishedFile], list[str]]:
        files: dict[str, FinishedFile] = {}
        gaps = []
        for entry in spec.get("input") or ():
            if entry.get("type") not in ("path", "ProcessInput"):
                continue
            for leaf in leaves(entry.get("value")):
                address = key_of(leaf)
                if address is not None and address not in self.store.files:
                    gaps.append(f"its input {leaf} has no record in this store")
                file = self._file(leaf, by)
                if file is not None and not _TEXT_INPUT.search(file.path):
                    files.setdefault(file.path, file)
        return list(files.values()), gaps

    def _file(self, leaf: object, by: datetime | None) -> FinishedFile | None:
        """The file that a value is: an address, a file with its checksum, or a path; None of other values."""
        address = key_of(leaf)
        if address is not None:
            spec = self.store.files.get(address)
            if spec is None:
                return self._dangling(address, by)
            return _recorded(spec, self.launch_path)
        if isinstance(leaf, dict):
            return FinishedFile(path_in(str(leaf["path"]), self.launch_path), by=by)
        if isinstance(leaf, str) and ("://" in leaf or "/" in leaf):
            path = path_in(leaf, self.launch_path)
            if "://" in path or os.path.isfile(path) or path.startswith(f"{self.work}{os.sep}"):
                return FinishedFile(path, by=by)
        return None

    def _dangling(self, address: str, by: datetime | None) -> FinishedFile | None:
        """The path of the file of a missing record, if its task ran in this work folder."""
        task, _, name = address.partition("/")
        path = self.work / task[:2] / task[2:] / name
        return FinishedFile(str(path), by=by) if name and os.path.lexists(path) else None

    def _published(self, task: str | None) -> list[FinishedFile]:
        """The published files that a task made; with None, those that the pipeline itself wrote."""
        return self._published_by_task[task]

    @cached_property
    def _published_by_task(self) -> Mapping[str | None, list[FinishedFile]]:
        files: dict[str | None, list[FinishedFile]] = defaultdict(list)
        for key in self._published_keys:
            spec = self.store.files[key]
            task = (key_of(spec.get("source")) or self.key).partition("/")[0]
            is_task = task in self.store.tasks
            files[task if is_task else None].append(_recorded(spec, self.launch_path))
        return files


def _recorded(spec: Spec, launch: Path) -> FinishedFile:
    size = spec.get("size")
    return FinishedFile(
        path_in(str(spec.get("path")), launch),
        size=size if isinstance(size, int) else None,
        modified=iso_time(spec.get("modifiedAt")),
    )


def _process(spec: Spec) -> str:
    return str(spec.get("name")).partition(" (")[0]


def _params(entries: object) -> Iterator[tuple[str, Any]]:
    """Names and values of parameters, or of the `val` inputs of a task, as the observer has them."""
    for entry in entries if isinstance(entries, list) else ():
        name, kind, value = entry.get("name"), entry.get("type"), entry.get("value")
        if name is None or kind == "path" or len(repr(value)) > _LONGEST_PARAM:
            continue
        if kind == "ProcessInput" and any("/" in str(leaf) for leaf in leaves(value)):
            continue
        yield name, _plain(value)


def _plain(value: Any) -> Any:
    return value.removeprefix("file://") if isinstance(value, str) else value


def by_name(runs: Mapping[str, Spec]) -> dict[str, str]:
    """Return the key of each run name."""
    return {str(spec.get("name")): key for key, spec in runs.items()}
