"""Conditions as people write them: lookups in a `Q`, features compared with values, joined by `&`, `|` and `~`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from lamin_core.errors import InvalidArgument
from lamin_core.models.base import Registry


class Q:
    """A condition that can be joined with others: `&` is and, `|` is or, `~` is not.

    >>> Q(name="a") | ~Q(name__startswith="b", is_type=True)
    (Q(name='a') | ~Q(name__startswith='b', is_type=True))
    """

    def __init__(self, *conditions: Q, **lookups: Any) -> None:
        """All of these conditions and lookups."""
        self.conditions = conditions
        self.lookups = lookups
        self.joined: Literal["and", "or"] = "and"
        self.is_negated = False

    def _with(self, *conditions: Q, joined: Literal["and", "or"], is_negated: bool = False) -> Q:
        combined = Q(*conditions)
        combined.joined, combined.is_negated = joined, is_negated
        return combined

    def __and__(self, other: Q) -> Q:
        return self._with(self, other, joined="and")

    def __or__(self, other: Q) -> Q:
        return self._with(self, other, joined="or")

    def __invert__(self) -> Q:
        return self._with(self, joined="and", is_negated=True)

    def __bool__(self) -> bool:
        raise InvalidArgument(
            f"{self!r} is neither true nor false",
            hint="pass it to filter(); join with & | ~ and not with and, or, not",
        )

    def __repr__(self) -> str:
        shown = [
            *map(repr, self.conditions),
            *(f"{name}={value!r}" for name, value in self.lookups.items()),
        ]
        if not self.conditions:
            return f"Q({', '.join(shown)})"
        if self.is_negated:
            return f"~{shown[0]}"
        return f"({(' | ' if self.joined == 'or' else ' & ').join(shown)})"


class Comparison(Q):
    """The condition that a record has such a value of a feature; created by comparing it: `temperature > 20`."""

    def __init__(self, feature: Any, operator: str, value: object) -> None:
        super().__init__()
        self.feature, self.operator, self.value = feature, operator, value

    def __repr__(self) -> str:
        return f"({self.feature.name!r} {self.operator} {self.value!r})"


class FieldExpression:
    """Comparison methods that return conditions; comparing two records of the same kind returns a truth value."""

    def __eq__(self, other: object) -> Any:
        return (
            super().__eq__(other)
            if isinstance(other, type(self))
            else Comparison(self, "exact", other)
        )

    def __ne__(self, other: object) -> Any:
        return (
            super().__ne__(other)
            if isinstance(other, type(self))
            else ~Comparison(self, "exact", other)
        )

    __hash__ = Registry.__hash__

    def __lt__(self, value: Any) -> Comparison:
        return Comparison(self, "lt", value)

    def __le__(self, value: Any) -> Comparison:
        return Comparison(self, "lte", value)

    def __gt__(self, value: Any) -> Comparison:
        return Comparison(self, "gt", value)

    def __ge__(self, value: Any) -> Comparison:
        return Comparison(self, "gte", value)

    def in_(self, values: Iterable[object]) -> Comparison:
        """The condition that the value is one of these."""
        return Comparison(self, "in", values)

    def between(self, low: object, high: object) -> Comparison:
        """The condition that the value is between these two, inclusive."""
        return Comparison(self, "range", (low, high))

    def contains(self, text: str) -> Comparison:
        """The condition that the value contains this text."""
        return Comparison(self, "contains", text)

    def icontains(self, text: str) -> Comparison:
        """The condition that the value contains this text, ignoring case."""
        return Comparison(self, "icontains", text)

    def startswith(self, text: str) -> Comparison:
        """The condition that the value starts with this text."""
        return Comparison(self, "startswith", text)

    def endswith(self, text: str) -> Comparison:
        """The condition that the value ends with this text."""
        return Comparison(self, "endswith", text)

    def is_null(self, is_missing: bool = True) -> Comparison:
        """The condition that there is no value; with False, that there is one."""
        return Comparison(self, "isnull", is_missing)
