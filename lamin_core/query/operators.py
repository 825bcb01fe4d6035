"""Lookup operators: how a column is compared with a value, the same on both databases."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Text, and_, bindparam, cast, func, literal
from sqlalchemy.sql.expression import ColumnElement

from lamin_core.db.linear_regex import compile_regex
from lamin_core.errors import InvalidArgument
from lamin_core.models.root_path import RootPath
from lamin_core.query import coercion, sql_functions

Condition = ColumnElement[bool]
Operator = Callable[[Any, Any], Condition]


MANY = 5_000
"""Values that are passed one by one; more go as one list."""


def _exact(column: object, value: object) -> Condition:
    if value is None:
        return _isnull(column, True)
    return _equal(column, coercion.bound(column, value))


def _equal(column: Any, value: Any) -> Condition:
    clause: Condition = column == value
    return clause


def _among(column: object, several: object) -> Condition:
    if isinstance(several, str | bytes) or not isinstance(several, Iterable):
        raise coercion.unfit(several, "several values: a list or a query set")
    if hasattr(several, "ids"):  # a query set: the database need not be asked before
        return _is_in(column, several.ids())
    kind, values = coercion.values(column, several)
    if len(values) > MANY and (coercion.is_text(column) or coercion.is_number(column)):
        among: Any = (
            sql_functions.text_among if coercion.is_text(column) else sql_functions.number_among
        )
        clause: Condition = among(column, literal(json.dumps(values), Text()))
        return clause
    return _is_in(column, bindparam(None, values, expanding=True, type_=kind))


def _is_in(column: Any, several: Any) -> Condition:
    clause: Condition = column.in_(several)
    return clause


def _range(column: object, value: object) -> Condition:
    low, high = coercion.pair(value)
    clause: Condition = bytewise(column).between(
        coercion.bound(column, low), coercion.bound(column, high)
    )
    return clause


def as_read(column: Any) -> Any:
    """The column with the text that people see: a path that is stored relative to the project is absolute."""
    return sql_functions.absolute(column) if isinstance(column.type, RootPath) else column


def bytewise(column: object) -> Any:
    """The column, so that texts in it are ordered by their bytes on both databases; an index that is so serves it."""
    column = as_read(column)
    return sql_functions.bytewise(column) if coercion.is_text(column) else column


def _isnull(column: Any, value: Any) -> Condition:
    clause: Condition = column.is_(None) if coercion.boolean(value) else column.is_not(None)
    return clause


def _ordered(compare: Callable[[Any, Any], Any]) -> Operator:
    def condition(column: Any, value: Any) -> Condition:
        clause: Condition = compare(bytewise(column), coercion.bound(column, value))
        return clause

    return condition


def _textual(column: object) -> Any:
    if coercion.is_text(column):
        return column
    if coercion.is_number(column):
        return cast(column, Text)
    raise InvalidArgument(
        f"{getattr(column, 'key', 'it')!r} holds no text", hint="compare it by exact, gt, lt, range"
    )


def _sides(column: object, value: object, *, ignore_case: bool) -> tuple[Any, Any, str]:
    """The column, what it is compared with, and that as text."""
    shown, text = _textual(column), coercion.text(value)
    if ignore_case:
        text = text.lower()
        # SQLite's own knows ASCII alone: enough where no more is asked for, and fast.
        shown = func.lower(shown) if text.isascii() else sql_functions.lower(shown)
    return shown, literal(text, Text()), text


def _iexact(column: object, value: object) -> Condition:
    if value is None:
        return _isnull(column, True)
    shown, operand, _ = _sides(column, value, ignore_case=True)
    return _equal(shown, operand)


def _contains(*, ignore_case: bool) -> Operator:
    def condition(column: Any, value: Any) -> Condition:
        shown, operand, _ = _sides(column, value, ignore_case=ignore_case)
        clause: Condition = sql_functions.strpos(shown, operand) > 0
        return clause

    return condition


def _starts(column: object, value: object) -> Condition:
    """A range, so that an index serves it; of text that ends in one of the last code points, a comparison."""
    shown, operand, text = _sides(column, value, ignore_case=False)
    if not text:
        return _isnull(shown, False)
    if ord(text[-1]) >= 0xD7FF:
        return _equal(func.substr(shown, 1, len(text)), operand)
    shown = bytewise(shown)
    return and_(shown >= operand, shown < literal(text[:-1] + chr(ord(text[-1]) + 1), Text()))


def _istarts(column: object, value: object) -> Condition:
    shown, operand, text = _sides(column, value, ignore_case=True)
    return _equal(func.substr(shown, 1, len(text)), operand)


def _ends(*, ignore_case: bool) -> Operator:
    def condition(column: Any, value: Any) -> Condition:
        shown, operand, text = _sides(column, value, ignore_case=ignore_case)
        if not text:
            return _isnull(shown, False)
        begin = func.length(shown) - len(text) + 1
        return and_(begin > 0, func.substr(shown, begin) == operand)

    return condition


def _regex(flags: str) -> Operator:
    def condition(column: Any, value: Any) -> Condition:
        pattern = flags + coercion.text(value)
        compile_regex(
            pattern
        )  # for PostgreSQL, too: what RE2 lacks may take exponential time there
        matching: Condition = _textual(column).regexp_match(literal(pattern, Text()))
        return matching

    return condition


OPERATORS: dict[str, Operator] = {
    "exact": _exact,
    "iexact": _iexact,
    "in": _among,
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "range": _range,
    "isnull": _isnull,
    "startswith": _starts,
    "istartswith": _istarts,
    "endswith": _ends(ignore_case=False),
    "iendswith": _ends(ignore_case=True),
    "contains": _contains(ignore_case=False),
    "icontains": _contains(ignore_case=True),
    "regex": _regex(""),
    "iregex": _regex("(?i)"),
}
