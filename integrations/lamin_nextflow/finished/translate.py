"""Finished runs as OpenLineage events: the ids, names and facets that the observer gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lamin_core.uids import derived_run_id
from lamin_nextflow.finished.contents import Reader
from lamin_nextflow.finished.facts import ENGINE, FinishedFile, FinishedRun, FinishedTask, Script
from openlineage.lamin.emit import events as emit
from openlineage.lamin.emit import facets

_MOST_DOUBTS = 20


def events(run: FinishedRun, read: Reader) -> Iterator[emit.Event]:
    """Yield the events of a finished run, in the order of its life.

    Args:
        run: What the records say.
        read: Gives the dataset of a file, with its content if that can be known.
    """
    workflow = _workflow(run)
    yield emit.start(workflow, run.started)
    for task in run.tasks:
        yield from task_events(workflow, run, task, read)
    published = [read(file, "published")[0] for file in run.published]
    if published:
        yield emit.running(workflow, run.ended, outputs=published)
    yield _run_end(workflow, run)


def task_run_id(run_id: str, task_hash: str, attempt: int) -> str:
    """Return the run id of an attempt of a task, as the observer derives it.

    >>> len(task_run_id("6f6c2d6c-616d-596e-8000-6c616d696e00", "0809467ffe29", 1))
    36
    """
    return derived_run_id(run_id, task_hash, str(attempt))


def _workflow(run: FinishedRun) -> emit.Run:
    return emit.Run(
        id=run.id,
        job=workflow_job(run.script),
        engine=ENGINE,
        engine_version=run.engine_version,
        name=run.name,
        params=run.params,
        details=run.details,
        is_lost=run.status == "lost",
        facets=_doubts(run.gaps),
    )


def workflow_job(script: Script) -> emit.Job:
    """Return the job of a pipeline."""
    return _job(script, script.name, "workflow", script.source, script.previous_name)


def process_job(script: Script, process: str) -> emit.Job:
    """Return the job of a process, named with its sub-workflows: `QC:COUNT`."""
    previous = None if script.previous_name is None else f"{script.previous_name}:{process}"
    source = script.processes.get(process.rpartition(":")[2])
    return _job(script, f"{script.name}:{process}", "process", source, previous)


def _job(
    script: Script, name: str, kind: str, source: str | None, previous: str | None
) -> emit.Job:
    return emit.Job(
        namespace=ENGINE,
        name=name,
        type=kind,
        source=source,
        language=ENGINE,
        location=script.repository,
        repository=script.repository,
        commit=script.commit,
        previous_name=previous,
    )


def _run_end(workflow: emit.Run, run: FinishedRun) -> emit.Event:
    if run.status == "completed":
        return emit.complete(workflow, run.ended)
    if run.status == "failed":
        return emit.fail(workflow, run.ended, run.error or "the workflow failed")
    if run.status == "aborted":
        return emit.abort(workflow, run.ended, run.error or "it was interrupted")
    return emit.running(workflow, run.ended)


def task_events(
    workflow: emit.Run, run: FinishedRun, task: FinishedTask, read: Reader
) -> Iterator[emit.Event]:
    """Yield the events of one attempt of a task."""
    gaps = list(task.gaps)
    inputs = _datasets(task.inputs, read, gaps)
    outputs = _datasets(task.outputs, read, gaps)
    published = [read(file, "published")[0] for file in task.published]
    attempt = emit.Run(
        id=task_run_id(run.id, task.hash, task.attempt),
        job=process_job(run.script, task.process),
        engine=ENGINE,
        engine_version=run.engine_version,
        name=task.name,
        parent=workflow.reference,
        root=workflow.reference,
        params=task.params,
        attempt=task.attempt,
        cached=task.cached,
        details=task.details,
        facets=_doubts(gaps),
    )
    yield emit.start(attempt, task.submitted, inputs)
    if published:
        yield emit.running(attempt, task.completed, outputs=published)
    yield _task_end(attempt, task, outputs)


def _task_end(attempt: emit.Run, task: FinishedTask, outputs: Sequence[emit.Dataset]) -> emit.Event:
    if task.status == "completed":
        return emit.complete(attempt, task.completed, outputs=outputs)
    if task.status == "aborted":
        return emit.abort(attempt, task.completed, "ended with the workflow")
    trace = "\n".join(task.stderr) or None
    return emit.fail(attempt, task.completed, task_error(task), trace=trace)


def task_error(task: FinishedTask) -> str:
    """Return why a task failed: its exit status, and the last line of its standard error."""
    reason = "the task failed" if task.exit_code is None else f"exit status {task.exit_code}"
    return f"{reason}: {task.stderr[-1].strip()}" if task.stderr else reason


def _datasets(files: Sequence[FinishedFile], read: Reader, gaps: list[str]) -> list[emit.Dataset]:
    datasets = []
    for file in files:
        dataset, gap = read(file, None)
        datasets.append(dataset)
        if gap is not None:
            gaps.append(gap)
    return datasets


def _doubts(gaps: Sequence[str]) -> dict[str, Any]:
    if not gaps:
        return {}
    shown = list(dict.fromkeys(gaps))
    more = len(shown) - _MOST_DOUBTS
    if more > 0:
        shown = [*shown[:_MOST_DOUBTS], f"and {more} more"]
    return {"lamin_doubts": facets.lamin_doubts(shown)}
