"""Prefect's runs as ours: which run an engine is about to make, and which one is at work here."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import prefect
from prefect.context import AssetContext, FlowRunContext, TaskRunContext
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for

from lamin_core.errors import NotTracked
from lamin_prefect import path_discovery, translate
from lamin_prefect.declarations import Declaration
from lamin_prefect.guards import warn
from lamin_prefect.job_names import flow_name, task_name
from lamin_prefect.recording import Called, Recording, announcement, current, upstream
from lamin_prefect.task_assets import assets_of
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import RunReference

T = TypeVar("T")


def current_run() -> RunReference | None:
    """The running task attempt, else the running flow; None outside of both.

    >>> current_run() is None
    True
    """
    recording = current.get()
    if recording is not None:
        return recording.run.reference
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    if task is not None:
        return translate.task_reference(task, flow.flow if flow else None)
    return translate.flow_reference(flow) if flow is not None else None


def read(path: T) -> T:
    """Say that the running task or flow reads this file; returns the path: `pd.read_csv(read("a.csv"))`.

    The content is what the file holds now. Outside of a run there is one warning; with
    `LAMIN_STRICT=1` it raises `NotTracked`.
    """
    if (recording := _recording_here()) is not None:
        recording.read(path)
    return path


def wrote(path: T) -> T:
    """Say that the running task or flow writes this file; returns the path: `frame.to_csv(wrote("a.csv"))`.

    The content is what the file holds when the run ends. Outside of a run there is one warning;
    with `LAMIN_STRICT=1` it raises `NotTracked`.
    """
    if (recording := _recording_here()) is not None:
        recording.wrote(path)
    return path


def _recording_here() -> Recording | None:
    recording = current.get()
    if recording is None:
        warn(
            NotTracked(
                "no flow or task of lamin_prefect is running here", hint="call it inside of one"
            )
        )
    return recording


def environment() -> dict[str, str]:
    """The variables for a child process of the running task: `subprocess.run(..., env=os.environ | environment())`.

    Without them such a process is a child of the flow. Empty outside of a run.

    >>> environment()
    {}
    """
    run, recording = current_run(), current.get()
    root = _lineage(None, FlowRunContext.get())[1] if recording is None else recording.run.root
    return run.environment(root) if run is not None else {}


# Which run it is.


def recording_of(engine: Any, declaration: Declaration) -> Recording:
    """The recording of the attempt that this engine is about to make."""
    begin = _recording_of_task if declaration.kind == "task" else _recording_of_flow
    return begin(engine, declaration, current.get())


def _recording_of_flow(engine: Any, declaration: Declaration, outer: Recording | None) -> Recording:
    arguments = engine.parameters or {}
    above, root = _lineage(outer, None if engine.flow_run is None else _flow_around(engine))
    url = page_of("flow-run", engine.flow_run.id)
    passed = [run for value in arguments.values() for run in upstream.of(value)]
    waited_for = translate.dependencies({}, upstream.run, (), passed, above)
    run = translate.flow_run(engine, declaration, prefect.__version__, above, root, url, waited_for)
    called = Called(
        inspect.unwrap(engine.flow.fn),
        declaration,
        arguments,
        engine.flow_run.id,
        is_generator=engine.flow.isgenerator,
    )
    return Recording(run, called, outer, flush=outer is None)


def _flow_around(engine: Any) -> FlowRunContext | None:
    """The flow that this one is a part of, where nothing of ours is set."""
    context = FlowRunContext.get()
    is_own = (
        context is None or context.flow_run is None or context.flow_run.id == engine.flow_run.id
    )
    return None if is_own else context


def _recording_of_task(engine: Any, declaration: Declaration, outer: Recording | None) -> Recording:
    flow, context = FlowRunContext.get(), TaskRunContext.get()
    called = Called(
        inspect.unwrap(engine.task.fn),
        declaration,
        engine.parameters or {},
        engine.task_run.id,
        is_generator=engine.task.isgenerator,
        keeps_result=context is not None and bool(context.persist_result),
        assets=assets_of(AssetContext.get()),
    )
    name = task_name(engine.task, _flow_name(outer, flow))
    above, root = _lineage(outer, flow)
    url, waited_for = page_of("task-run", called.prefect_id), _dependencies(engine, called, above)
    run = translate.task_run(
        engine, name, declaration, prefect.__version__, above, root, url, waited_for
    )
    in_child_process = flow is not None and flow.detached
    return Recording(run, called, outer, flush=outer is None and in_child_process)


def _flow_name(outer: Recording | None, flow: FlowRunContext | None) -> str | None:
    """The name of the job of the flow around a task, which its recording has, where it is one of this process."""
    if flow is None or flow.flow is None:
        return None
    own = None if flow.flow_run is None else flow.flow_run.id
    while outer is not None:
        if outer.prefect_id == own:
            return outer.run.job.name
        outer = outer.outer
    return flow_name(flow.flow)


def _dependencies(
    engine: Any, called: Called, above: RunReference | None
) -> list[events.Dependency]:
    passed = [
        run
        for value in called.arguments.values()
        if not path_discovery.is_location(value)
        for run in upstream.of(value)
    ]
    return translate.dependencies(
        engine.task_run.task_inputs, upstream.run, called.paths, passed, above
    )


def _lineage(
    outer: Recording | None, flow: FlowRunContext | None
) -> tuple[RunReference | None, RunReference | None]:
    """The run above and the outermost one.

    In a process of a task runner nothing of ours is set; but Prefect brings its context along, and
    the environment of the process names the outermost flow.
    """
    if outer is not None:
        return outer.run.reference, outer.run.root or outer.run.reference
    around = announcement.parent_of_process()
    above = translate.flow_reference(flow) if flow is not None else None
    root = RunReference.of(around.outermost) if around else above
    return above or (RunReference.of(around) if around else None), root


def page_of(kind: str, own: UUID) -> str | None:
    """The page of this run in Prefect's UI; None where no server is set."""
    address = get_current_settings().ui_url
    return _pages(kind, address).replace(_ANY_RUN, str(own)) if address else None


_ANY_RUN = str(UUID(int=0))


@lru_cache(maxsize=16)
def _pages(kind: str, address: str) -> str:
    """The page of any run at this address of Prefect's UI."""
    return url_for(kind, obj_id=_ANY_RUN) or ""


# What Prefect says of results.


def value_of(state: Any) -> Any:
    """The value or exception of a run in this state, which contains it, or a record of where it is stored."""
    data = state.data
    return data.result if hasattr(data, "metadata") and hasattr(data, "result") else data


def result_key(state: Any) -> str | None:
    """The key of this state's result among all results that Prefect stores."""
    metadata = getattr(state.data, "metadata", None)
    if metadata is None or getattr(metadata, "storage_key", None) is None:
        return None
    return f"{metadata.storage_block_id or ''}:{metadata.storage_key}"
