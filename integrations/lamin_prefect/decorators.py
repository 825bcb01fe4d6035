"""`flow`, `task` and `materialize`: Prefect's own decorators, whose flows and tasks are recorded.

They return what Prefect's return, so that `.submit`, `.map`, `.with_options`, retries, caching and
subflows are Prefect's own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import prefect
from prefect import assets as prefect_assets
from prefect.tasks import Task

from lamin_prefect.declarations import Kind, Recorded, declare, script_path, source_of

if TYPE_CHECKING:
    from typing import Unpack

    from prefect import Flow
    from prefect.assets import Asset
    from prefect.tasks import MaterializingTask, TaskOptions

    from lamin_core.models import Schema

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
    schema: str | Schema | None = None,
    strict: bool = False,
    features: Mapping[str, object] | None = None,
    labels: str | Iterable[str] = (),
    **options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    **options: Any,
) -> Any:
    """Prefect's `task`, recorded. All options of Prefect, and those below; in texts, the call's
    arguments may stand in braces.

    Args:
        function: What the task runs.
        inputs: Path or paths of files that it reads without being passed them.
        outputs: Path or paths of files that it writes: `outputs="clean/{name}.csv"`. A data frame or AnnData that
            it returns, for several paths one for each, is written there, if the function has not written the file.
        schema: Name, uid or record of the schema that its tables should fit: `schema_check` and `schema_problems`
            become features of each.
        strict: Whether a table that does not fit fails the task, with a `ValidationError`.
        features: Values of features of the files that it writes.
        labels: Labels of the files that it writes.
        **options: Prefect's own.

    >>> @task(retries=2, outputs="clean/{name}.csv")
    ... def clean(name: str) -> None: ...
    >>> clean.retries, clean.fn.__name__
    (2, 'clean')
    """
    if function is None:
        return functools.partial(task, **options)
    declaration = _declaration("task", function, options)
    return declare(prefect.task(function, **options), declaration)


@overload
def flow(function: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(
    function: None = None,
    /,
    *,
    inputs: Templates = (),
    outputs: Templates = (),
    schema: str | Schema | None = None,
    strict: bool = False,
    features: Mapping[str, object] | None = None,
    labels: str | Iterable[str] = (),
    **options: Any,
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(
    function: Callable[..., Any] | None = None,
    /,
    **options: Any,
) -> Any:
    """Prefect's `flow`, recorded. All options of Prefect, and those that `task` has beside them.

    >>> @flow(name="nightly")
    ... def analysis(n: int = 3) -> None: ...
    >>> analysis.name, list(analysis.parameters.properties)
    ('nightly', ['n'])
    """
    if function is None:
        return functools.partial(flow, **options)
    declaration = _declaration("flow", function, options)
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
        declare(task, Recorded("task", source_of(function), path=script_path(function)))
        return task

    return declared


# `flow.from_source(...)` is part of what users of `prefect.flow` write.
flow.from_source = prefect.flow.from_source  # type: ignore[attr-defined]


def _declaration(kind: Kind, function: Callable[..., Any], options: dict[str, Any]) -> Recorded:
    """Take our options out of Prefect's."""
    schema, labels = options.pop("schema", None), options.pop("labels", ())
    return Recorded(
        kind,
        source_of(function),
        _templates(options.pop("inputs", ())),
        _templates(options.pop("outputs", ())),
        getattr(schema, "uid", schema),
        options.pop("strict", False),
        options.pop("features", None) or {},
        (labels,) if isinstance(labels, str) else tuple(labels),
        script_path(function),
    )


def _templates(paths: Templates) -> tuple[str, ...]:
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    return tuple(os.fspath(path) for path in several)
