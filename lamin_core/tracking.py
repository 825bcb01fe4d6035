"""Runs of plain Python: `track()` and `finish()` for a script, `run()` for a block, `@flow`, `@step` for functions."""

from __future__ import annotations

import atexit
import contextlib
import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy import select

from lamin_core import context
from lamin_core.environment import current_environment
from lamin_core.errors import NotTracked
from lamin_core.instance import Instance
from lamin_core.models import Environment, Run, Transform
from lamin_core.propagation import Parent, environment_for_children, parent_from_environment
from lamin_core.redaction import redact, redact_text
from lamin_core.types import RunStatus
from lamin_core.uids import random_uid

logger = logging.getLogger("lamin")
P = ParamSpec("P")
R = TypeVar("R")
_environment_before: dict[str, str | None] = {}


def track(transform: Transform | None = None, *, params: dict[str, Any] | None = None, key: str | None = None) -> Run:
    """Start a run of this script: from here on, artifacts loaded are its inputs and artifacts saved its outputs.

    The transform is the script itself (key: its file name, or `key`), a new version whenever its source has
    changed; or the one given. `params` are kept with the run, secrets masked. End it with `finish()`; a script that
    ends without is closed as it ended. A run started by another tracked run becomes its child. Raises
    `InstanceNotFound`.
    """
    instance = _instance()
    instance.lineage.find_lost()
    if context.process_run() is not None:  # a notebook that is run again from the top
        finish()
    made = transform or _script(key)
    run = _started(instance, made if made.uid else made.save(), params, _parent(instance))
    context.set_process_run(run)
    _tell_children(run)
    return run


def finish() -> Run:
    """End the run that `track()` started. Raises `NotTracked` when there is none."""
    run: Run | None = context.process_run()
    if run is None:
        raise NotTracked("no run is being tracked", hint="call ln.track() first")
    return _end(run, RunStatus.COMPLETED, None)


@contextmanager
def run(name: str, *, params: dict[str, Any] | None = None, kind: str = "function") -> Iterator[Run]:
    """A run for a block of code, a child of the current one; an exception in it fails the run and goes on up.

    `name` is the key of its transform.
    """
    instance = _instance()
    transform = Transform(key=name, kind=kind).save()
    with _recorded(instance, _started(instance, transform, params, context.current_run())) as started:
        yield started


def flow(function: Callable[P, R] | None = None) -> Any:
    """A decorator: each call is a run of the function, with its arguments as params.

    The transform's key is `<file>:<function>`, its version follows the function's source. Works on plain and on
    `async` functions; use it as `@ln.flow` or `@ln.flow()`.
    """
    return _decorator(function, "flow")


def step(function: Callable[P, R] | None = None) -> Any:
    """A decorator like `flow`, for the parts: each call is a child run of the current one.

    A call raises `NotTracked` without a current run.
    """
    return _decorator(function, "step")


def _decorator(function: Callable[..., Any] | None, kind: str) -> Any:
    if function is None:
        return functools.partial(_decorator, kind=kind)
    facts = functools.cache(functools.partial(_function_transform, function, kind))
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with _call(function, facts(), kind, args, kwargs):
                return await function(*args, **kwargs)

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with _call(function, facts(), kind, args, kwargs):
            return function(*args, **kwargs)

    return called


@contextmanager
def _call(
    function: Callable[..., Any], made: tuple[Instance, Transform], kind: str, args: Any, kwargs: Any
) -> Iterator[Run]:
    parent = context.current_run()
    if kind == "step" and parent is None:
        raise NotTracked(f"step {function.__name__!r} needs a run", hint="call ln.track(), or it from an @ln.flow")
    instance, transform = made
    params = _arguments(function, args, kwargs)
    with _recorded(instance, _started(instance, transform, params, parent or _parent(instance))) as started:
        yield started


@contextmanager
def _recorded(instance: Instance, started: Run) -> Iterator[Run]:
    with context.run_context(started):
        try:
            yield started
        except Exception as error:
            instance.lineage.end(started, RunStatus.FAILED, error)
            raise
        except BaseException as error:
            instance.lineage.end(started, RunStatus.ABORTED, error)
            raise
    instance.lineage.end(started, RunStatus.COMPLETED, None)


def _function_transform(function: Callable[..., Any], kind: str) -> tuple[Instance, Transform]:
    file = Path(inspect.getsourcefile(function) or "interactive").name
    try:
        source = inspect.getsource(function)
    except OSError:  # typed at a prompt
        source = None
    key = f"{file}:{function.__qualname__}"
    transform = Transform(key=key, kind=kind, source_code=source, language="python", description=_summary(function))
    return _instance(), transform.save()


def _summary(function: Callable[..., Any]) -> str | None:
    return (inspect.getdoc(function) or "").partition("\n")[0] or None


def _arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:  # the call itself will say so
        return {}
    bound.apply_defaults()
    return {name: _jsonable(value) for name, value in bound.arguments.items() if name not in ("self", "cls")}


def _jsonable(value: Any) -> Any:
    """The value where JSON can say it, else a short text."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        uid = getattr(value, "uid", None)
        return str(value) if isinstance(value, os.PathLike) else f"<{type(value).__name__}{f' {uid}' if uid else ''}>"
    return value if len(text) <= 10_000 else f"<{type(value).__name__} of {len(text)} characters>"


def _instance() -> Instance:
    return cast(Instance, context.connection())


def _started(instance: Instance, transform: Transform, params: dict[str, Any] | None, parent: Run | None) -> Run:
    masked = redact({name: _jsonable(value) for name, value in (params or {}).items()})
    started = Run(transform, name=transform.key, params=masked or None, parent=parent)
    started.engine, started.engine_version = "python", sys.version.split()[0]
    started.environment_id = _environment_id(instance)
    return started.save()


_environments: dict[str, int] = {}


def _environment_id(instance: Instance) -> int:
    if instance.uid not in _environments:
        _environments[instance.uid] = _stored_environment(instance)
    return _environments[instance.uid]


def _stored_environment(instance: Instance) -> int:
    facts = current_environment()
    with instance.db.writing() as session:
        row = session.scalar(select(Environment).where(Environment.hash == facts.hash))
        if row is None:
            row = Environment(uid=random_uid(16), hash=facts.hash, python=facts.python, platform=facts.platform)
            row.packages = dict(facts.packages)
            session.add(row)
            session.flush()
        return row.id


def _script(key: str | None) -> Transform:
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None:  # a prompt, or a notebook
        return Transform(key=key or "interactive", kind="notebook" if "ipykernel" in sys.modules else "script")
    path = Path(file)
    source = None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        source = redact_text(path.read_text(encoding="utf-8"))
    return Transform(
        key=key or path.name,
        kind="script",
        source_code=source,
        language="python",
        reference=path.absolute().as_uri(),
        reference_type="file",
    )


def _parent(instance: Instance) -> Run | None:
    """The run that started this process, where the registry knows it already."""
    named = parent_from_environment()
    if named is None:
        return None
    with instance.db.reading() as session:
        return session.scalar(select(Run).where(Run.external_id == named.run_id))


def _tell_children(started: Run) -> None:
    assert started.transform is not None
    parent = Parent(started.transform.namespace, started.transform.key, started.external_id)
    for name, value in environment_for_children(parent).items():
        _environment_before.setdefault(name, os.environ.get(name))
        os.environ[name] = value


def _restore_environment() -> None:
    for name, value in _environment_before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _environment_before.clear()


def _end(started: Run, status: RunStatus, error: BaseException | str | None) -> Run:
    ended = _instance().lineage.end(started, status, error)
    context.set_process_run(None)
    _restore_environment()
    return ended


def _close_at_exit() -> None:
    """A script that ends without `finish()`: failed when an exception ended it, else completed."""
    started: Run | None = context.process_run()
    if started is None or started.pid != os.getpid():
        return
    error: BaseException | None = getattr(sys, "last_value", None)
    status = RunStatus.COMPLETED if error is None else RunStatus.FAILED
    if isinstance(error, KeyboardInterrupt):
        status = RunStatus.ABORTED
    try:
        _end(started, status, error)
    except Exception as problem:  # the interpreter is on its way out: say it, do not fail the script
        logger.warning("the run %s could not be closed: %s", started.uid, problem)


atexit.register(_close_at_exit)
