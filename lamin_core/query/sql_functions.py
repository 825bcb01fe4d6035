"""SQL that SQLite and PostgreSQL write differently, each as one function that means the same on both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from sqlalchemy import Boolean, Integer, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from lamin_core.models.tables import UTC_DateTime


class lower(FunctionElement[str]):
    """Text in lower case, of all scripts."""

    inherit_cache = True
    type = Text()


class bytewise(FunctionElement[str]):
    """Text in the order of its bytes, independently of the locale of the database."""

    inherit_cache = True
    type = Text()


class absolute(FunctionElement[str]):
    """The path that a column of a database that belongs to a project stores, as it is on this machine."""

    inherit_cache = True
    type = Text()


class strpos(FunctionElement[int]):
    """The position of a text in another, from 1; 0 if it does not occur."""

    inherit_cache = True
    type = Integer()


class in_utc(FunctionElement[dt.datetime]):
    """A moment as the wall clock of UTC shows it."""

    inherit_cache = True
    type = UTC_DateTime()


class text_among(FunctionElement[bool]):
    """Whether a text is in a list, which is one value in JSON."""

    inherit_cache = True
    type = Boolean()


class number_among(FunctionElement[bool]):
    """Whether a whole number is in a list, which is one value in JSON."""

    inherit_cache = True
    type = Boolean()


class member(FunctionElement[str]):
    """The member of a JSON value at the end of a path, as text; the path in the words of both databases."""

    inherit_cache = True
    type = Text()


class member_type(FunctionElement[str]):
    """`number`, `string`, `boolean`, `null`, `object` or `array`; NULL where the path leads nowhere."""

    inherit_cache = True
    type = Text()


def _written(element: Any, *, sqlite: str, postgresql: str) -> None:
    def writer(template: str) -> Callable[..., str]:
        def write(element: Any, compiler: Any, **options: Any) -> str:
            return template.format(*(compiler.process(part, **options) for part in element.clauses))

        return write

    compiles(element, "sqlite")(writer(sqlite))
    compiles(element, "postgresql")(writer(postgresql))


_written(lower, sqlite="lamin_lower({0})", postgresql='lower({0} COLLATE "default")')
_written(bytewise, sqlite="{0}", postgresql='({0} COLLATE "C")')
_written(absolute, sqlite="lamin_absolute({0})", postgresql='({0} COLLATE "C")')
_written(strpos, sqlite="instr({0}, {1})", postgresql="strpos({0}, {1})")
_written(in_utc, sqlite="{0}", postgresql="timezone('UTC', {0})")
_written(
    text_among,
    sqlite="{0} IN (SELECT value FROM json_each({1}))",
    postgresql="{0} IN (SELECT json_array_elements_text(CAST({1} AS json)))",
)
_written(
    number_among,
    sqlite="{0} IN (SELECT value FROM json_each({1}))",
    postgresql="{0} IN (SELECT CAST(json_array_elements_text(CAST({1} AS json)) AS bigint))",
)
_written(member, sqlite="json_extract({0}, {1})", postgresql="({0} #>> CAST({2} AS text[]))")
_written(
    member_type,
    sqlite="CASE json_type({0}, {1}) WHEN 'integer' THEN 'number' WHEN 'real' THEN 'number' WHEN 'text' THEN 'string'"
    " WHEN 'true' THEN 'boolean' WHEN 'false' THEN 'boolean' ELSE json_type({0}, {1}) END",
    postgresql="json_typeof({0} #> CAST({2} AS text[]))",
)
