"""A query over HTTP: its path, its parameters, its function, and its text in the OpenAPI document."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from lamin_core.db.database import Database
from lamin_core.errors import InvalidArgument
from lamin_core.runtime.timestamps import parse_time
from lamin_core.server.responses import JsonResponse

MAX_LIMIT = 1000
READERS = 8
"""Questions that are answered at once; the others wait, so that writing always finds a connection."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query: `read` turns its text into a value, or raises `InvalidArgument`."""

    name: str
    says: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    default: Any = None
    required: bool = False

    @property
    def argument(self) -> str:
        """The name of the parameter in Python."""
        return re.sub(r"([A-Z])", r"_\1", self.name).lower()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answer` gets a session, the names in the path, decoded once, and the parameters; it returns JSON's values.

    `shape` is the name of the schema that the answer has in the document.
    """

    path: str
    answer: Callable[..., Any]
    says: str
    shape: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names in the path."""
        return re.findall(r"{(\w+)}", self.path)

    def read(self, path: Mapping[str, str], query: list[tuple[str, str]]) -> dict[str, object]:
        """The arguments of `answer`. Raises `InvalidArgument`."""
        parameters = {parameter.name: parameter for parameter in self.parameters}
        values = {parameter.argument: parameter.default for parameter in self.parameters}
        seen: set[str] = set()
        for name, text in query:
            if name not in parameters:
                raise InvalidArgument(
                    f"unknown parameter: {name!r}", hint=_offer(name, list(parameters))
                )
            if name in seen:
                raise InvalidArgument(f"{name} is given twice", hint="give it once")
            seen.add(name)
            values[parameters[name].argument] = parameters[name].read(text)
        for parameter in self.parameters:
            if parameter.required and parameter.name not in seen:
                raise InvalidArgument(
                    f"{parameter.name} is missing", hint=f"?{parameter.name}=...: {parameter.says}"
                )
        return {**values, **{name: _decoded(name, text) for name, text in path.items()}}


def _offer(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return (
        f"did you mean {near[0]}?"
        if near
        else f"there are {', '.join(names)}"
        if names
        else "leave it out"
    )


def _decoded(name: str, text: str) -> str:
    try:
        return _storable(name, unquote(text, errors="strict"))
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{name} is not UTF-8", hint="percent-encode it, once") from error


def _storable(name: str, text: str) -> str:
    if "\0" in text:
        raise InvalidArgument(f"{name} has a NUL in it", hint="no name has one")
    return text


def text(name: str, says: str, *, required: bool = False, pattern: str | None = None) -> Parameter:
    """Return a parameter that takes any text."""
    schema = {"type": "string"} | ({} if pattern is None else {"pattern": pattern})
    return Parameter(name, says, partial(_storable, name), schema, required=required)


def number(name: str, says: str, default: int, low: int, high: int) -> Parameter:
    """A whole number between these, both included."""

    def read(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", raw) or not low <= int(raw) <= high:
            raise InvalidArgument(
                f"{name} is not a number from {low} to {high}: {raw[:40]!r}",
                hint=f"{name}={default}",
            )
        return int(raw)

    return Parameter(
        name,
        says,
        read,
        {"type": "integer", "minimum": low, "maximum": high, "default": default},
        default,
    )


def choice(name: str, says: str, options: list[str], default: str | None = None) -> Parameter:
    """One of these words."""

    def read(raw: str) -> str:
        if raw not in options:
            raise InvalidArgument(
                f"{name} is not one of {', '.join(options)}: {raw[:40]!r}",
                hint=_offer(raw, options),
            )
        return raw

    schema = {"type": "string", "enum": options} | ({} if default is None else {"default": default})
    return Parameter(name, says, read, schema, default)


def timestamp(name: str, says: str) -> Parameter:
    """A time as everywhere in the project: ISO 8601, or how long ago; without a zone in local time."""

    def read(raw: str) -> datetime:
        # A plus that was not encoded arrives as a space.
        plain = re.sub(r" (\d\d:?\d\d)$", r"+\1", raw)
        try:
            return parse_time(plain)
        except InvalidArgument as error:
            raise InvalidArgument(
                f"{name} is not a time: {raw[:40]!r}", hint=f"{name}=2026-01-31T12:00:00Z"
            ) from error

    return Parameter(name, says, read, {"type": "string", "format": "date-time"})


PAGE = (
    number("limit", "How many at most.", 100, 1, MAX_LIMIT),
    number("offset", "How many to leave out at the beginning.", 0, 0, 10**12),
)


class RawPathRoute(Route):
    """A route by the path as it was sent, so that a name may hold a slash; its names come still encoded."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this request is for it."""
        if scope["type"] == "http" and scope.get("raw_path"):
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        return super().matches(scope)


class Router:
    """Answers questions about one registry, so many at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places = anyio.CapacityLimiter(READERS)

    def route(self, question: Endpoint) -> Route:
        """The route of this query."""

        async def endpoint(request: Request) -> Response:
            values = question.read(request.path_params, request.query_params.multi_items())
            answer = await anyio.to_thread.run_sync(
                self._answer, question, values, limiter=self._places
            )
            return answer if isinstance(answer, Response) else Answer(answer)

        return RawPathRoute(question.path, endpoint, methods=["GET"], name=question.path)

    def _answer(self, question: Endpoint, values: dict[str, object]) -> object:
        with self._database.reading() as session:
            return question.answer(session, **values)


class Answer(JsonResponse):
    """JSON that every parser takes."""

    def render(self, content: object) -> bytes:
        """The bytes of it; numbers that JSON does not know, which Python reads and writes, as null."""
        try:
            return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
        except ValueError:
            return super().render(finite(content))


def finite(value: object) -> object:
    """The value with null for every NaN and infinity.

    >>> finite({"a": [1.5, float("nan")]})
    {'a': [1.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value
