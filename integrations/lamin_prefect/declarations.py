"""What is declared of flows and tasks, and the first hooks: the others follow when the first of them runs.

A program that only defines flows, as a worker or `prefect deploy` does, does not load what records them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from prefect import Flow
from prefect.flow_engine import AsyncFlowRunEngine, FlowRunEngine
from prefect.task_engine import AsyncTaskRunEngine, SyncTaskRunEngine
from prefect.tasks import MaterializingTask, Task

from lamin_core.runtime.fork_safe import ForkSafeLock
from lamin_prefect.guards import log_exceptions

Kind = Literal["flow", "task"]

DECLARATION = "_lamin_declaration"
"""The attribute of Prefect's flows and tasks that says what is declared of them."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """The data of the decorator about a function; they are passed with the function into other processes."""

    kind: Kind
    source: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    schema: str | None = None
    """Name or uid of the schema that its tables should fit."""
    is_strict: bool = False
    """Whether a table that does not fit fails the run."""
    features: Mapping[str, Any] = field(default_factory=dict)
    """Values of features of what it writes."""
    labels: tuple[str, ...] = ()
    """Labels of what it writes."""
    path: str | None = None
    """The file that holds the function."""


class Recorded(Declaration):
    """A declaration whose arrival in another process, with its task, installs the hooks there."""

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[misc] # dataclasses make it
        install()


def source_of(function: Callable[..., Any]) -> str | None:
    """The text of the function; None where Python cannot find it."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return None


def script_path(function: Callable[..., Any]) -> str | None:
    """The file that holds the function; None for code typed into a shell, a notebook or a pipe."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    path: str = getattr(code, "co_filename", "")
    return None if not path or path.startswith("<") or "ipykernel_" in path else path


def declare(definition: Any, declaration: Recorded) -> Any:
    """Record the runs of this flow or task; returns it."""
    install()
    setattr(definition, DECLARATION, declaration)
    return definition


def record_everything() -> None:
    """Record the runs of all flows and tasks of this process, however they are made."""
    install()
    _Settings.records_everything = True


class _Settings:
    """The settings of this process."""

    records_everything = False


def declaration_of(definition: Any) -> Declaration | None:
    """The declarations of this flow or task; None for those that are not recorded."""
    if not hasattr(definition, DECLARATION) and _Settings.records_everything:
        kind: Kind = "flow" if isinstance(definition, Flow) else "task"
        function = definition.fn
        declaration = Recorded(kind, source_of(function), path=script_path(function))
        setattr(definition, DECLARATION, declaration)
    declared: Declaration | None = getattr(definition, DECLARATION, None)
    return declared


@functools.cache
@log_exceptions
def install() -> None:
    """Put the first hooks into Prefect, once for this process."""
    for engine in (SyncTaskRunEngine, AsyncTaskRunEngine, FlowRunEngine, AsyncFlowRunEngine):
        _await_first_run(engine)
    for definition in (Task, MaterializingTask, Flow):
        _keep_declaration(definition)
    for definition in (Task, Flow):
        _pickle_declaration(definition)


_starts: dict[Any, Any] = {}
"""Prefect's own `start` of each engine, until the first run."""
_lock = ForkSafeLock()


def _await_first_run(engine: Any) -> None:
    start = _starts[engine] = engine.start

    @functools.wraps(start)
    def first_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        _hook_engines()
        return engine.start(self, *args, **kwargs)

    engine.start = first_start


@log_exceptions
def _hook_engines() -> None:
    """Load what records runs, and put its hooks into the engines; the first run of this process does it."""
    with _lock:
        if not _starts:
            return
        try:
            from lamin_prefect import engine_hooks
        finally:
            for engine, start in _starts.items():
                engine.start = start
            _starts.clear()
        engine_hooks.install()


def _pickle_declaration(definition: Any) -> None:
    """Have a flow or task take along to another process what can be declared of it only here."""
    state_of = definition.__getstate__

    @functools.wraps(state_of)
    def __getstate__(self: Any) -> Any:
        log_exceptions(declaration_of)(self)
        return state_of(self)

    definition.__getstate__ = __getstate__


def _keep_declaration(definition: Any) -> None:
    """Have `with_options`, which makes a new flow or task, hand on what is declared."""
    change = definition.with_options

    @functools.wraps(change)
    def with_options(self: Any, *args: Any, **options: Any) -> Any:
        changed = change(self, *args, **options)
        if hasattr(self, DECLARATION):
            setattr(changed, DECLARATION, getattr(self, DECLARATION))
        return changed

    definition.with_options = with_options
