"""Which files a call is about: paths in its arguments and results, and the templates that a decorator declares.

Only names are looked at here; whether there is such a file and what it holds is the business of
`recording`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from lamin_core.errors import InvalidArgument, LaminError
from lamin_core.storage.locations import is_copy_key
from openlineage.lamin.adapter.text_paths import may_name_a_file

_DEPTH = 5
_ITEMS = 10_000
_NO_PATHS = {int, float, bool, complex, bytes, type(None)}
_NO_PARTS = {*_NO_PATHS, str}
_PATH_WORDS = re.compile(r"\b(?:Path|PurePath|PosixPath|UPath|FilePath|DirectoryPath|PathLike)\b")


def locations(value: Any, *, text: bool = False) -> list[str]:
    """The paths and URLs in a value, each once: `Path`, `UPath`, artifacts, and these in collections and dataclasses.

    A plain string is a path where it looks like a file of the project; with `text`, as in a
    parameter annotated `Path`, every string is. Big or deep values are looked at no further than
    5 levels and 10,000 items.

    >>> locations({"a": [PurePath("x.csv"), "no path"], "b": "y.csv"})
    ['x.csv', 'y.csv']
    """
    if type(value) in _NO_PATHS:  # most values of most calls
        return []
    pairs = _walk(value, text, _DEPTH, iter(range(_ITEMS)))
    return list(dict.fromkeys(location for location, _ in pairs))


class Copy(NamedTuple):
    """The copy that a registry keeps of an artifact; others with the same bytes may share it."""

    path: str
    """The location of its bytes: a path or a URL."""
    name: str
    """The path or URL that its key names, which is this artifact's alone."""
    real_key: str
    """The path of the copy, relative to the root of its storage."""


def copies(values: Iterable[Any]) -> list[Copy]:
    """The copies behind the artifacts in these values: their path alone does not say which artifact is meant."""
    pairs = _walk(list(values), False, _DEPTH + 1, iter(range(_ITEMS)))
    of_artifacts = (_copy(value, location) for location, value in pairs)
    return [copy for copy in of_artifacts if copy is not None]


def _copy(value: Any, path: str) -> Copy | None:
    key, real_key = getattr(value, "key", None), getattr(value, "real_key", None)
    if key is None or real_key is None or not is_copy_key(real_key):
        return None
    return Copy(path, path.removesuffix(real_key) + key, real_key)


def _walk(value: Any, text: bool, depth: int, budget: Iterator[int]) -> Iterator[tuple[str, Any]]:
    here = _location(value, text)
    if here is not None:
        yield here, value
    elif depth > 0:
        for part, _ in zip(parts(value), budget, strict=False):  # ends with whichever is shorter
            if type(part) not in _NO_PATHS:
                yield from _walk(part, text, depth - 1, budget)


def _location(value: Any, text: bool) -> str | None:
    if isinstance(value, str):
        return value if value and (text or may_name_a_file(value)) else None
    if isinstance(value, PurePath):
        return os.fspath(value)
    kind = type(value)
    if hasattr(kind, "uid") and hasattr(kind, "path"):  # an artifact, known by its looks
        return _location_of_artifact(value)
    if (
        hasattr(kind, "protocol") and hasattr(kind, "path") and hasattr(kind, "exists")
    ):  # universal_pathlib
        return str(value)
    return None


def _location_of_artifact(artifact: Any) -> str | None:
    try:
        path = artifact.path
    except LaminError:  # not saved yet: what it was made of is seen where the function opens it
        return None
    return _location(path, True)


def is_location(value: Any) -> bool:
    """Whether the value itself is a path, a URL or an artifact.

    >>> is_location(PurePath("x")), is_location([PurePath("x")])
    (True, False)
    """
    return type(value) not in _NO_PARTS and _location(value, True) is not None


def parts(value: Any) -> Iterable[Any]:
    """The items of a collection, a dataclass or a pydantic model; empty for anything else.

    A mapping that is no `dict` is something else: an open HDF5 file is one, and looking into it is
    reading it.

    >>> list(parts({"a": 1})), list(parts("abc"))
    ([1], [])
    """
    if type(value) in _NO_PARTS:
        return ()
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, dict):
        return value.values()
    return fields(value).values()


def fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass or a pydantic model by name; none of anything else."""
    if isinstance(value, type):
        return {}
    if dataclasses.is_dataclass(value):
        names: Iterable[str] = (field.name for field in dataclasses.fields(value))
    else:
        names = getattr(type(value), "model_fields", None) or ()
        if not isinstance(names, dict):
            return {}
    return {name: getattr(value, name, None) for name in names}


@functools.lru_cache(maxsize=1024)
def path_parameters(function: Callable[..., Any]) -> frozenset[str]:
    """The parameters whose annotation speaks of paths, so that any string in them is one; `return` among them.

    >>> def clean(raw: "Path | None", name: str) -> list[os.PathLike]: ...
    >>> sorted(path_parameters(clean))
    ['raw', 'return']
    """
    annotations = getattr(inspect.unwrap(function), "__annotations__", {})
    return frozenset(name for name, annotation in annotations.items() if _means_path(annotation))


def _means_path(annotation: Any) -> bool:
    # Text is searched, not evaluated: names of a module half imported, or under TYPE_CHECKING,
    # cannot be.
    if isinstance(annotation, str):
        return bool(_PATH_WORDS.search(annotation))
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return issubclass(annotation, PurePath) or bool(_PATH_WORDS.fullmatch(annotation.__name__))
    origin = typing.get_origin(annotation)
    if origin is os.PathLike:
        return True
    return any(
        _means_path(argument)
        for argument in typing.get_args(annotation)
        if not isinstance(argument, str)
    )


def in_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any]
) -> dict[str, list[str]]:
    """The paths in each argument of a call, by parameter; parameters without one are left out."""
    as_paths = path_parameters(function)
    paths_by_parameter = {
        name: locations(value, text=name in as_paths)
        for name, value in arguments.items()
        if name not in ("self", "cls")
    }
    return {name: paths for name, paths in paths_by_parameter.items() if paths}


def in_result(function: Callable[..., Any], result: Any) -> list[str]:
    """The paths in what a call returned or yielded."""
    return locations(result, text="return" in path_parameters(function))


def filled(templates: Iterable[str | os.PathLike[str]], arguments: Mapping[str, Any]) -> list[str]:
    """The declared paths, with the arguments of the call in their braces. Raises `InvalidArgument` for other braces.

    >>> filled(["clean/{name}.csv"], {"name": "liver"})
    ['clean/liver.csv']
    """
    return [fill(os.fspath(template), arguments) for template in templates]


def fill(template: str, arguments: Mapping[str, Any]) -> str:
    """The text, with the arguments of the call in its braces. Raises `InvalidArgument` for other braces."""
    try:
        return template.format(**arguments)
    except (LookupError, ValueError, AttributeError) as error:
        parameters = ", ".join(f"{{{name}}}" for name in arguments) or "no parameters"
        raise InvalidArgument(
            f"{template!r} has braces that are not a parameter of the function (it has {parameters})",
            hint="name a parameter, or double the braces: {{ and }}",
        ) from error
