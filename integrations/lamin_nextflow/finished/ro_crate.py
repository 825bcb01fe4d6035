"""Finished runs by the Workflow Run RO-Crate that the plugin nf-prov writes (profile Provenance Run Crate 0.1).

Its actions name tasks by their hashes and files by the task that made them; it has no times of
tasks and no run name: both come from the history and the work folders, where they are still there.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lamin_core.errors import InvalidArgument, Unavailable
from lamin_nextflow.finished.attempts import attempts
from lamin_nextflow.finished.facts import End, FinishedFile, FinishedRun, FinishedTask, process_of
from lamin_nextflow.finished.launched import Launched, run_error, task_times
from lamin_nextflow.finished.script import script_at
from lamin_nextflow.finished.texts import iso_time
from lamin_nextflow.finished.work_folder import WorkFolder

Entity = Mapping[str, Any]
_TASK = re.compile(r"^#task/([0-9a-f]{32})$")
_TASK_FILE = re.compile(r"^#task/([0-9a-f]{32})/(.+)$")
_PUBLISHED = re.compile(r"^#publish/([0-9a-f]{32})/(.+)$")
_SESSION = re.compile(r"^#([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
_NO_NAME = "no .nextflow/history says the name of this run: where it was recorded live as well, it is recorded twice"


def read_crate(path: Path) -> dict[str, Entity]:
    """Return the entities of a crate by their ids.

    Raises:
        Unavailable: the file cannot be read.
        InvalidArgument: it is not a complete RO-Crate, or not of a run of Nextflow.
    """
    hint = "name the ro-crate-metadata.json that nf-prov wrote"
    try:
        graph = json.loads(path.read_text("utf-8"))["@graph"]
        entities = {str(entity["@id"]): entity for entity in graph}
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"{path} is not a complete RO-Crate: {error}", hint=hint) from error
    if not any(map(_TASK.match, entities)) or not any(map(_SESSION.match, entities)):
        raise InvalidArgument(f"{path} describes no run of Nextflow", hint=hint)
    return entities


def crate_run(path: Path, launched: Launched) -> FinishedRun:
    """Return the run that a crate describes. Raises as `read_crate` does."""
    return _Reader(path, read_crate(path), launched).run()


@dataclass(frozen=True)
class _Reader:
    """Reads the run of one crate."""

    path: Path
    entities: Mapping[str, Entity]
    launched: Launched

    def run(self) -> FinishedRun:
        session, action = next(
            (match[1], self.entities[key])
            for key in self.entities
            if (match := _SESSION.match(key)) is not None
        )
        started, ended = iso_time(action.get("startTime")), iso_time(action.get("endTime"))
        name = self._name(session, started)
        script_id = _reference(action.get("instrument")) or "main.nf"
        workflow = self.entities.get(script_id, {})
        script, gaps = script_at(
            str(self.path.parent / script_id),
            None,  # nf-prov copies the script when the run ends
            project=None,
            repository=workflow.get("codeRepository"),
            commit=workflow.get("version"),
        )
        tasks = tuple(self._tasks(name, started or datetime.fromtimestamp(0).astimezone()))
        status: End = "failed" if _last_failed(tasks) else "completed"
        run = FinishedRun(
            session_id=session,
            name=name or session,
            script=replace(script, previous_name=None),
            status=status,
            started=started or min(task.submitted for task in tasks),
            ended=ended or max(task.completed for task in tasks),
            engine_version=self._engine_version(workflow),
            params=dict(self._params(action)),
            details={"session_id": session, "launch_dir": str(self.launched.folder.path)},
            tasks=tasks,
            gaps=(*gaps, *(() if name else (_NO_NAME,))),
        )
        return replace(run, error=run_error(run))

    def _name(self, session: str, started: datetime | None) -> str | None:
        """The name of the run, which the history beside it says: of the session, the one that began last before."""
        names = [
            launch.name
            for launch in self.launched.folder.launches
            if launch.session_id == session
            and (started is None or launch.started.timestamp() <= started.timestamp() + 2)
        ]
        return names[-1] if names else None

    def _engine_version(self, workflow: Entity) -> str:
        return str(workflow.get("runtimePlatform") or "unknown").removeprefix("Nextflow ")

    def _params(self, action: Entity) -> Iterator[tuple[str, Any]]:
        for reference in _references(action.get("object")):
            entity = self.entities.get(reference, {})
            if entity.get("@type") == "PropertyValue":
                yield str(entity.get("name")), entity.get("value")

    def _tasks(self, name: str | None, started: datetime) -> Iterator[FinishedTask]:
        evidence = self.launched.evidence(name or "")
        actions = {m[1]: self.entities[key] for key in self.entities if (m := _TASK.match(key))}
        numbers = attempts((str(action.get("name")), key) for key, action in actions.items())
        work = evidence.work or self.launched.folder.path / "work"
        for key, action in actions.items():
            folder, row = WorkFolder(work / key[:2] / key[2:]), evidence.row(key)
            submitted, completed = task_times(row, folder, started)
            is_failed = "Failed" in str(action.get("actionStatus"))
            exit_code = folder.exit_code
            details = {"process": process_of(str(action.get("name"))), "hash": key}
            yield FinishedTask(
                hash=key,
                name=str(action.get("name")),
                status=row.end if row is not None else "failed" if is_failed else "completed",
                submitted=submitted,
                completed=completed,
                attempt=1 if row is not None and row.is_cached else numbers[key],
                cached=row is not None and row.is_cached,
                exit_code=exit_code,
                stderr=_last_lines(action.get("error")) if is_failed else (),
                inputs=tuple(self._files(action.get("object"), work, completed)),
                outputs=tuple(self._files(action.get("result"), work, completed)),
                published=tuple(FinishedFile(path) for path in self._published[key]),
                details=details | ({} if exit_code is None else {"exit": exit_code}),
            )

    @cached_property
    def _published(self) -> Mapping[str, list[str]]:
        """The published files of each task."""
        published: dict[str, list[str]] = defaultdict(list)
        for key, entity in self.entities.items():
            match = _PUBLISHED.match(key)
            target = _reference(entity.get("result"))
            if match is not None and target is not None:
                published[match[1]].append(os.path.normpath(self.path.parent / unquote(target)))
        return published

    def _files(self, references: object, work: Path, by: datetime) -> Iterator[FinishedFile]:
        for reference in _references(references):
            path = self._path(reference, work)
            if path is not None:
                yield FinishedFile(path, by=by)

    def _path(self, reference: str, work: Path) -> str | None:
        """The path of the file with this name in the crate; None for a file made of a text."""
        match = _TASK_FILE.match(reference)
        if match is not None:
            return str(work / match[1][:2] / match[1][2:] / match[2])
        if reference.startswith("#"):
            return None
        if reference.startswith("file://"):
            return unquote(reference.removeprefix("file://"))
        if "://" in reference:
            return reference
        launch, crate = self.launched.folder.path, self.path.parent
        inner = reference.removeprefix("work/")
        below = work / inner if inner != reference else launch / reference
        return os.path.normpath(below if below.exists() else crate / reference)


def _last_failed(tasks: tuple[FinishedTask, ...]) -> bool:
    last = max(tasks, key=lambda task: task.completed)
    return last.status != "completed"


def _references(value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        reference = _reference(item)
        if reference is not None:
            yield reference


def _reference(value: object) -> str | None:
    return str(value["@id"]) if isinstance(value, dict) and "@id" in value else None


def _last_lines(text: object) -> tuple[str, ...]:
    lines = str(text or "").splitlines()
    return tuple(line for line in lines[-50:] if line.strip())
