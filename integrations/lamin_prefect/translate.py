"""Prefect's facts in our words: jobs, run ids, parameters, dependencies, endings. Pure; Prefect is not imported."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Literal, TypeGuard
from uuid import UUID

from lamin_core.enums import DependencyRole
from lamin_core.runtime import process
from lamin_core.runtime.json_values import JsonConverter, is_numpy_scalar
from lamin_core.uids import attempt_id
from lamin_prefect import path_discovery
from lamin_prefect.declarations import Declaration
from lamin_prefect.job_names import flow_name, path_of, task_name
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.events import Dependency, Job, Run, RunReference

ENGINE = "prefect"
_DEPLOYMENT_NAME = "PREFECT__DEPLOYMENT_NAME"
"""The variables in which workers and served flows pass the deployment; a request to the server would take time."""
_TEXT, _ITEMS, _DEPTH = 2000, 100, 4
_TRACE = 20_000


@dataclass(frozen=True, slots=True)
class Ending:
    """The ending of a run: `complete`, `fail` or `abort`, and the reason."""

    how: Literal["complete", "fail", "abort"]
    message: str = ""
    trace: str | None = None


def run_id(own: UUID, attempt: int) -> str:
    """Prefect's id for the first attempt, one derived from it for each further one.

    >>> run_id(UUID(int=1), 1)
    '00000000-0000-0000-0000-000000000001'
    >>> run_id(UUID(int=1), 2) == run_id(UUID(int=1), 2) != run_id(UUID(int=1), 3)
    True
    """
    return attempt_id(str(own), attempt)


def flow_reference(context: Any) -> RunReference | None:
    """The flow run of a `FlowRunContext`."""
    if context.flow is None or context.flow_run is None:
        return None
    run = context.flow_run
    return RunReference(run_id(run.id, run.run_count), ENGINE, flow_name(context.flow))


def task_reference(context: Any, flow: Any | None) -> RunReference:
    """The task run of a `TaskRunContext`, within this flow."""
    run = context.task_run
    name = task_name(context.task, None if flow is None else flow_name(flow))
    return RunReference(run_id(run.id, run.run_count), ENGINE, name)


def flow_run(
    engine: Any,
    declaration: Declaration,
    version: str,
    parent: RunReference | None,
    root: RunReference | None,
    url: str | None = None,
    waited_for: Sequence[Dependency] = (),
) -> Run:
    """The Run of the flow run of this engine in this process; `url` is its page in Prefect's UI."""
    run, flow = engine.flow_run, engine.flow
    job = _job_of(flow_name(flow), flow, declaration)
    details = _details(
        flow_run_id=run.id,
        url=url,
        deployment=None if run.deployment_id is None else os.environ.get(_DEPLOYMENT_NAME),
        deployment_id=run.deployment_id,
        deployment_version=getattr(run, "deployment_version", None),
        work_pool=getattr(run, "work_pool_name", None),
        work_queue=getattr(run, "work_queue_name", None),
        flow_version=flow.version,
        task_runner=type(flow.task_runner).__name__,
    )
    return _run(
        run,
        job,
        version,
        engine.parameters,
        details,
        parent=parent,
        root=root,
        dependencies=waited_for,
    )


def task_run(
    engine: Any,
    name: str,
    declaration: Declaration,
    version: str,
    parent: RunReference | None,
    root: RunReference | None,
    url: str | None = None,
    waited_for: Sequence[Dependency] = (),
) -> Run:
    """The Run of the task run of this engine in this process.

    `name` is that of its job, `url` its page in Prefect's UI.
    """
    run = engine.task_run
    job = _job_of(name, engine.task, declaration)
    details = _details(
        task_run_id=run.id,
        flow_run_id=run.flow_run_id,
        url=url,
        task_version=engine.task.version,
    )
    return _run(
        run,
        job,
        version,
        engine.parameters,
        details,
        parent=parent,
        root=root,
        dependencies=waited_for,
    )


def _run(
    run: Any,
    job: Job,
    version: str,
    arguments: Mapping[str, Any] | None,
    details: Mapping[str, Any],
    **others: Any,
) -> Run:
    """The Run of a flow run or task run of Prefect."""
    return Run(
        id=run_id(run.id, run.run_count),
        job=job,
        engine=ENGINE,
        engine_version=version,
        name=run.name,
        params=parameters(arguments or {}),
        attempt=max(run.run_count, 1),
        details=details,
        facets=_labels(run.tags),
        process=process.current(),
        **others,
    )


def _job_of(name: str, definition: Any, declaration: Declaration) -> Job:
    path = path_of(definition)
    location = os.path.abspath(path) if path else None
    return _job(name, declaration.kind, declaration.source, definition.description, location)


@lru_cache(maxsize=1024)
def _job(
    name: str, kind: str, source: str | None, description: str | None, path: str | None
) -> Job:
    """The job, which all runs of a flow or task share."""
    return Job(
        ENGINE,
        name,
        kind,
        source=source,
        language="python",
        description=description,
        location=Path(path).as_uri() if path else None,
    )


def _details(**facts: Any) -> dict[str, Any]:
    return {name: str(value) for name, value in facts.items() if value is not None}


def _labels(tags: Iterable[str]) -> dict[str, Any]:
    """Prefect's tags as labels of the run."""
    labels = [(tag, "") for tag in sorted(tags)]
    return {"tags": facets.tags("Run", labels)} if labels else {}


def parameters(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call as JSON; what is big or no JSON is named by its type, never serialised.

    >>> parameters({"n": 3, "out": Path("a.csv"), "frame": object()})
    {'n': 3, 'out': 'a.csv', 'frame': '<object>'}
    """
    converter = _Converter()
    return {
        name: converter.convert(value, _DEPTH)
        for name, value in arguments.items()
        if name not in ("self", "cls")
    }


class _Converter(JsonConverter):
    """Converts arguments of a call."""

    def text(self, value: str) -> str:
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}..."

    def items(self, values: Iterable[Any], depth: int) -> list[Any]:
        return [self.convert(item, depth - 1) for item in values]

    def is_mapping(self, value: Any) -> TypeGuard[Mapping[Any, Any]]:
        return isinstance(
            value, dict
        )  # another mapping may be an open file, and looking into it is reading it

    def is_within(self, value: Any, depth: int) -> bool:
        return depth > 0 and len(value) <= _ITEMS

    def summary(self, value: Any) -> str:
        return f"<{_type_name(value)} of {len(value)}>"

    def other(self, value: Any, depth: int) -> Any:
        if isinstance(value, PurePath | UUID | date | time | timedelta):
            return str(value)
        if depth > 0 and is_numpy_scalar(value):
            return self.convert(value.item(), depth - 1)
        fields = path_discovery.fields(value) if depth > 0 else {}
        return self.fields(fields, depth) if fields else f"<{_type_name(value)}>"


def _type_name(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def dependencies(
    task_inputs: Mapping[str, Sequence[Any]],
    run_of: Callable[[UUID], RunReference | None],
    with_files: Iterable[str],
    values: Iterable[RunReference],
    above: RunReference | None,
) -> list[Dependency]:
    """The runs that a task run waited for without a file between them.

    `task_inputs` is Prefect's own record, by parameter; `run_of` finds a run by its Prefect id.
    Parameters in `with_files` are told by their files; `values` are further runs whose results were
    passed; `above` is the run that called this one and no dependency.
    """
    files = set(with_files)
    if files:
        # Prefect's word for a generator that still runs when it is passed on; for which parameter
        # it does not say.
        files.add("__parents__")
    order: list[RunReference | None] = []
    value: list[RunReference | None] = list(values)
    for name, upstream in task_inputs.items():
        if name in files:
            continue
        references = [run_of(run.id) for run in upstream if hasattr(run, "id")]
        (order if name == "wait_for" else value).extend(references)
    roles: dict[RunReference | None, DependencyRole] = {}
    roles.update(dict.fromkeys(order, "order"))
    roles.update(dict.fromkeys(value, "value"))
    return [
        Dependency(run, role) for run, role in roles.items() if run is not None and run != above
    ]


def ending_of(state: Any, error: BaseException | None, timeout: float | None) -> Ending:
    """The ending of an attempt in this state of Prefect, with the error that Prefect caught, if any.

    A state that is not final is that of an attempt that is going to be repeated. `timeout` is what
    was allowed, in seconds.
    """
    if state.is_completed():
        return Ending("complete")
    if error is not None and (state.name == "TimedOut" or type(error).__name__ in _CUT_OFF):
        return Ending("fail", f"timed out after {timeout or 0:g} s", _trace(error))
    if error is not None:
        return ending_of_error(error)
    is_cut_short = state.is_cancelled() or state.is_cancelling() or state.is_paused()
    return Ending("abort" if is_cut_short else "fail", state.message or state.name)


_CUT_OFF = ("CancelledError", "TaskRunTimeoutError", "FlowRunTimeoutError")
"""The exceptions of a timeout: the one in the function, and the one of Prefect."""


def ending_of_error(error: BaseException) -> Ending:
    """The ending of a run that raised: an `Exception` is a failure, anything else an abort.

    >>> ending_of_error(ValueError("no such luck")).message
    'ValueError: no such luck'
    >>> ending_of_error(KeyboardInterrupt()).how
    'abort'
    """
    message = _message(error)
    if isinstance(error, Exception):
        return Ending("fail", message, _trace(error))
    return Ending("abort", message)


def _message(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # an exception whose own text fails
        text = ""
    return f"{name}: {text}" if text else name


def _trace(error: BaseException) -> str:
    """The traceback from the user's function on."""
    frames = error.__traceback__
    while frames is not None and _is_machinery(frames):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))[-_TRACE:]


def _is_machinery(frames: TracebackType) -> bool:
    module = frames.tb_frame.f_globals.get("__name__") or ""
    return module == "contextlib" or module.partition(".")[0] in ("prefect", "lamin_prefect")
