"""Prefect's facts in our words: jobs, run ids, parameters, dependencies, endings. Pure; Prefect is not imported."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path, PurePath
from typing import Any, Literal, TypeGuard
from uuid import UUID

from lamin_core.enums import DependencyRole
from lamin_core.runtime import recorded_calls
from lamin_core.runtime.json_values import JsonConverter, is_numpy_scalar
from lamin_core.uids import derived_run_id
from lamin_prefect import path_discovery
from openlineage.lamin.emit.events import Dependency, Job, Run, RunReference

ENGINE = "prefect"
_TEXT, _ITEMS, _DEPTH = 2000, 100, 4
_TRACE = 20_000


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the decorator knows of a function; it travels with the function into other processes."""

    kind: Literal["flow", "task"]
    source: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: `complete`, `fail` or `abort`, and why."""

    how: Literal["complete", "fail", "abort"]
    message: str = ""
    trace: str | None = None


def flow_name(flow: Any) -> str:
    """The job name of a flow: its file and its own name, the same on every machine."""
    return f"{script_name(flow.fn)}:{flow.name}"


def task_name(task: Any, flow: Any | None) -> str:
    """The job name of a task: below its flow, or below its file when it runs alone."""
    return f"{script_name(task.fn) if flow is None else flow_name(flow)}:{task.name}"


def script_name(function: Callable[..., Any]) -> str:
    """The name of the file that holds the function; its module where there is no file, as in a notebook.

    >>> script_name(script_name)
    'translate.py'
    """
    path = script_path(function)
    if path is not None:
        return os.path.basename(path)
    return str(getattr(function, "__module__", None) or "__main__")


def script_path(function: Callable[..., Any]) -> str | None:
    """The file that holds the function; None for code typed into a shell, a notebook or a pipe."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    path: str = getattr(code, "co_filename", "")
    return None if not path or path.startswith("<") or "ipykernel_" in path else path


def source_of(function: Callable[..., Any]) -> str | None:
    """The text of the function; None where Python cannot find it."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return None


def run_id(own: UUID, attempt: int) -> str:
    """Prefect's id for the first attempt, one derived from it for each further one.

    >>> run_id(UUID(int=1), 1)
    '00000000-0000-0000-0000-000000000001'
    >>> run_id(UUID(int=1), 2) == run_id(UUID(int=1), 2) != run_id(UUID(int=1), 3)
    True
    """
    return str(own) if attempt <= 1 else derived_run_id(str(own), f"attempt-{attempt}")


def flow_reference(context: Any) -> RunReference | None:
    """The flow run of a `FlowRunContext`."""
    if context.flow is None or context.flow_run is None:
        return None
    run = context.flow_run
    return RunReference(run_id(run.id, run.run_count), ENGINE, flow_name(context.flow))


def task_reference(context: Any, flow: Any | None) -> RunReference:
    """The task run of a `TaskRunContext`, within this flow."""
    run = context.task_run
    return RunReference(run_id(run.id, run.run_count), ENGINE, task_name(context.task, flow))


def flow_run(
    context: Any,
    declaration: Declaration,
    version: str,
    parent: RunReference | None,
    root: RunReference | None,
) -> Run:
    """The Run of the flow run in this context."""
    run = context.flow_run
    job = _job(flow_name(context.flow), context.flow, declaration)
    details = _details(
        flow_run_id=run.id,
        deployment_id=run.deployment_id,
        task_runner=type(context.task_runner).__name__,
        tags=run.tags,
    )
    return _run(run, job, version, context.parameters, details, parent=parent, root=root)


def task_run(
    context: Any,
    flow: Any | None,
    declaration: Declaration,
    version: str,
    parent: RunReference | None,
    root: RunReference | None,
    dependencies: Sequence[Dependency] = (),
    cached: bool = False,
) -> Run:
    """The Run of the task run in this context; `flow` is the one that it belongs to."""
    run = context.task_run
    job = _job(task_name(context.task, flow), context.task, declaration)
    details = _details(task_run_id=run.id, flow_run_id=run.flow_run_id, tags=run.tags)
    return _run(
        run,
        job,
        version,
        context.parameters,
        details,
        parent=parent,
        root=root,
        cached=cached,
        dependencies=dependencies,
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
        **others,
    )


def _job(name: str, definition: Any, declaration: Declaration) -> Job:
    path = script_path(definition.fn)
    return Job(
        ENGINE,
        name,
        declaration.kind,
        source=declaration.source,
        language="python",
        description=definition.description,
        location=Path(path).absolute().as_uri() if path else None,
    )


def _details(tags: Iterable[str], **facts: Any) -> dict[str, Any]:
    details = {name: str(value) for name, value in facts.items() if value is not None}
    return {**details, "tags": sorted(tags)} if tags else details


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
    """The runs that a task run waited for where no file lies between.

    `task_inputs` is Prefect's own record, by parameter; `known` finds a run by its Prefect id.
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


def ending_of_error(error: BaseException, timed_out_after: float | None = None) -> Ending:
    """How a run ended that raised: an `Exception` or a timeout is a failure, anything else cut it short.

    >>> ending_of_error(ValueError("no such luck")).message
    'ValueError: no such luck'
    >>> ending_of_error(KeyboardInterrupt()).how
    'abort'
    """
    if timed_out_after is not None:
        return Ending("fail", f"timed out after {timed_out_after:g} s", _trace(error))
    message = _message(error)
    return (
        Ending("fail", message, _trace(error))
        if isinstance(error, Exception)
        else Ending("abort", message)
    )


def _message(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # an exception whose own text fails
        text = ""
    return f"{name}: {text}" if text else name


def _trace(error: BaseException) -> str:
    frames = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))[-_TRACE:]


def _is_ours(filename: str) -> bool:
    return filename == recorded_calls.__file__ or os.path.dirname(filename) == os.path.dirname(
        __file__
    )


def ending_of_states(states: Sequence[Any]) -> Ending:
    """How a run ended that returned Prefect states, by Prefect's own rule: all must have completed.

    >>> ending_of_states([]).how
    'complete'
    """
    bad = [state for state in states if not state.is_completed()]
    if not bad:
        return Ending("complete")
    message = bad[0].message or f"{len(bad)} of {len(states)} states are not completed"
    cut_short = any(state.is_cancelled() or state.is_paused() for state in bad)
    return Ending("abort" if cut_short else "fail", message)
