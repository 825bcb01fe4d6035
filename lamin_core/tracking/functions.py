"""Runs of functions and blocks: `@flow`, `@step`, `run()`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from lamin_core.errors import NotTracked
from lamin_core.instance.instance import Instance
from lamin_core.models import Run, Transform
from lamin_core.models.lamindb_names import check_options
from lamin_core.runtime import child_environment, current
from lamin_core.runtime.recorded_calls import RecordedCall, is_recorded_by_engine, recorded
from lamin_core.saving.parent_run import name_of
from lamin_core.tracking import termination
from lamin_core.tracking.noted_files import note_watched, tell_noted
from lamin_core.tracking.start import begun, instance
from lamin_core.tracking.termination import Outcome, outcome

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def run(
    name: str, *, params: dict[str, Any] | None = None, kind: str = "function"
) -> Iterator[Run]:
    """Record a block of code as a run, a child of the current run if there is one.

    Use it as `with ln.run("report") as run:`. An exception in the block ends the run as failed, and
    is raised again.

    Args:
        name: The key of the transform, and the name of the run.
        params: Parameters of the run, stored as JSON with secrets masked.
        kind: The kind of a new transform.

    Yields:
        The run, saved and started.

    Raises:
        InstanceNotFound: There is no instance in the working directory or above it.
    """
    where = instance()
    parent = current.current_run()
    transform = Transform(key=name, kind=kind).save()
    started = begun(where, transform, params=params, parent=parent, name=name)
    with _recorded(where, started), _current(started):
        yield started


@overload
def flow(function: Callable[P, R]) -> Callable[P, R]: ...
@overload
def flow(
    *, uid: str | None = None, key: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def flow(
    function: Callable[P, R] | None = None,
    *,
    uid: str | None = None,
    key: str | None = None,
    **options: object,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function so that each call is recorded as a run, with the arguments as params.

    Use it as `@ln.flow` or `@ln.flow()`, on functions, generators, `async` functions and `async`
    generators. If the source of the function changes, the transform gets a new version. An exception
    ends the run as failed, and is raised again. A call raises `InstanceNotFound` if there is no
    instance in the working directory or above it.

    Args:
        function: The function to decorate.
        uid: The uid of the transform: 12 characters for all versions, 16 for one, as in `track`.
        key: The key of the transform; by default `<file>:<function>`.
        options: Arguments of LaminDB, which are ignored or refused.

    Returns:
        A function with the same signature and the same results.

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> @ln.flow(key="double")
        ... def double(number):
        ...     return 2 * number
        >>> double(4)
        8
        >>> ln.Run.get(transform__key="double").params
        {'number': 4}
    """
    check_options("flow", options)
    decorated: Callable[P, R] = _decorator(function, kind="flow", uid=uid, key=key)
    return decorated


@overload
def step(function: Callable[P, R]) -> Callable[P, R]: ...
@overload
def step(
    *, uid: str | None = None, key: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def step(
    function: Callable[P, R] | None = None,
    *,
    uid: str | None = None,
    key: str | None = None,
    **options: object,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function like `flow`; each call is recorded as a child of the current run.

    A call raises `NotTracked` if there is no current run, so call it after `ln.track()` or in an
    `@ln.flow`.

    Args:
        function: The function to decorate.
        uid: The uid of the transform: 12 characters for all versions, 16 for one, as in `track`.
        key: The key of the transform; by default `<file>:<function>`.
        options: Arguments of LaminDB, which are ignored or refused.

    Returns:
        A function with the same signature and the same results.
    """
    check_options("step", options)
    decorated: Callable[P, R] = _decorator(function, kind="step", uid=uid, key=key)
    return decorated


tracked = step
"""The name that LaminDB gives to `step`: `@ln.tracked()`."""


def _decorator(function: Callable[..., Any] | None, **options: Any) -> Any:
    if function is None:
        return functools.partial(_decorator, **options)
    return functools.wraps(function)(recorded(function, _Tracked(function, **options).open_call))


@dataclass(frozen=True)
class _Call(RecordedCall):
    """A call that is a run."""

    run: Run

    def active(self) -> AbstractContextManager[object]:
        """Make its run the current one."""
        return _current(self.run)


@dataclass(frozen=True)
class _Tracked:
    """A function whose calls are runs."""

    function: Callable[..., Any]
    kind: str
    uid: str | None
    key: str | None

    @contextmanager
    def open_call(self, args: Any, kwargs: Any) -> Iterator[RecordedCall]:
        """Record a run of a call with these arguments; it is not current yet."""
        if is_recorded_by_engine(self.function):
            yield RecordedCall()
            return
        parent = current.current_run()
        if self.kind == "step" and parent is None:
            raise NotTracked(
                f"step {self.function.__name__!r} needs a run",
                hint="call ln.track(), or it from an @ln.flow",
            )
        where = instance()
        started = begun(
            where,
            self._transform(where),
            params=_arguments(self.function, args, kwargs),
            parent=parent,
            name=self.function.__qualname__,
            entrypoint=self.function.__qualname__,
        )
        with _recorded(where, started):
            yield _Call(started)

    def _transform(self, where: Instance) -> Transform:
        transforms: dict[str, Transform] = self.__dict__.setdefault("_transforms", {})
        if where.uid not in transforms:
            transforms[where.uid] = _function_transform(self).save()
        return transforms[where.uid]


@contextmanager
def _recorded(where: Instance, started: Run) -> Iterator[None]:
    """The run ends as the block ends."""
    is_outermost = current.innermost_run() is None

    def close(how: Outcome) -> None:
        note_watched(where, started, how)
        where.runs.end(started, *how)
        if is_outermost:
            tell_noted(where, started)

    termination.opened(started, close)
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        termination.closed(started)
        close(outcome(error))


@contextmanager
def _current(started: Run) -> Iterator[None]:
    """Make this the current run in the block, also for the processes that it starts."""
    try:
        with current.run_context(started):
            tell_processes()
            yield
    finally:
        tell_processes()


def tell_processes() -> None:
    """Processes that are started now belong to the innermost run of the main thread, else to that of the script."""
    path, script = current.path_in_main(), current.process_run()
    run: Run | None = path[-1] if path else script
    if run is None:
        child_environment.restore_environment()
        return
    outermost = next(
        (
            ancestor
            for ancestor in (script, *path)
            if ancestor is not None and ancestor.external_id == run.root_run_id
        ),
        None,
    )
    child_environment.export_run(
        name_of(run).below(None if outermost is None else name_of(outermost))
    )


def _function_transform(tracked: _Tracked) -> Transform:
    function = tracked.function
    try:
        file = Path(_file_of(function) or "interactive").name
        source = inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt, or written in C
        file, source = function.__module__ or "interactive", None
    return Transform(
        key=tracked.key or f"{file}:{function.__qualname__}",
        uid=tracked.uid,
        kind=tracked.kind,
        source_code=source,
        language="python",
        description=(inspect.getdoc(function) or "").partition("\n")[0] or None,
    )


def _file_of(function: Callable[..., object]) -> str | None:
    """The file of a function; for a function of the script, the file of `__main__`: an engine may run a copy of it."""
    main_file: str | None = getattr(sys.modules.get("__main__"), "__file__", None)
    return (
        main_file
        if function.__module__ == "__main__" and main_file is not None
        else inspect.getsourcefile(function)
    )


def _arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (
        TypeError,
        ValueError,
    ):  # the call itself will say so; of what is written in C nobody knows
        return {}
    bound.apply_defaults()
    return {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}
