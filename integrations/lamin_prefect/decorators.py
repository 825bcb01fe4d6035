"""`flow`, `task` and `materialize`: Prefect's own decorators, whose flows and tasks are recorded.

They return what Prefect's return, so that `.submit`, `.map`, `.with_options`, retries, caching and
subflows are Prefect's own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import prefect
from prefect import assets as prefect_assets
from prefect.tasks import Task

from lamin_prefect.engine_hooks import Recorded, declare
from lamin_prefect.translate import source_of

if TYPE_CHECKING:
    from typing import Unpack

    from prefect import Flow
    from prefect.assets import Asset
    from prefect.tasks import MaterializingTask, TaskOptions

P = ParamSpec("P")
R = TypeVar("R")
Templates = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    function: None = None,
    /,
    *,
    inputs: Templates = (),
    outputs: Templates = (),
    **options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    inputs: Templates = (),
    outputs: Templates = (),
    **options: Any,
) -> Any:
    """Prefect's `task`, recorded. All options of Prefect, and two more for files that are neither passed nor returned:
    `inputs` and `outputs`, a path or several, with the call's arguments in braces:
    `outputs="clean/{name}.csv"`.

    >>> @task(retries=2, outputs="clean/{name}.csv")
    ... def clean(name: str) -> None: ...
    >>> clean.retries, clean.fn.__name__
    (2, 'clean')
    """
    if function is None:
        return functools.partial(task, inputs=inputs, outputs=outputs, **options)
    declaration = Recorded("task", source_of(function), _templates(inputs), _templates(outputs))
    return declare(prefect.task(function, **options), declaration)


@overload
def flow(function: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(
    function: None = None, /, *, inputs: Templates = (), outputs: Templates = (), **options: Any
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    inputs: Templates = (),
    outputs: Templates = (),
    **options: Any,
) -> Any:
    """Prefect's `flow`, recorded. All options of Prefect, and `inputs` and `outputs` as in `task`.

    >>> @flow(name="nightly")
    ... def analysis(n: int = 3) -> None: ...
    >>> analysis.name, list(analysis.parameters.properties)
    ('nightly', ['n'])
    """
    if function is None:
        return functools.partial(flow, inputs=inputs, outputs=outputs, **options)
    declaration = Recorded("flow", source_of(function), _templates(inputs), _templates(outputs))
    return declare(prefect.flow(function, **options), declaration)


def materialize(
    *assets: str | Asset, by: str | None = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], MaterializingTask[P, R]]:
    """Prefect's `materialize`, recorded: the assets are outputs of the task's runs.

    >>> @materialize("s3://bucket/clean.csv", by="dbt")
    ... def clean() -> None: ...
    >>> clean.assets[0].key
    's3://bucket/clean.csv'
    """
    decorate = prefect_assets.materialize(*assets, by=by, **options)

    def declared(function: Callable[P, R]) -> MaterializingTask[P, R]:
        task: MaterializingTask[P, R] = decorate(function)
        declare(task, Recorded("task", source_of(function)))
        return task

    return declared


# `flow.from_source(...)` is part of what users of `prefect.flow` write.
flow.from_source = prefect.flow.from_source  # type: ignore[attr-defined]


def _templates(paths: Templates) -> tuple[str, ...]:
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    return tuple(os.fspath(path) for path in several)
