"""Validate, inspect and standardize names against a registry."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from lamin_core.errors import InvalidArgument, MissingExtra
from lamin_core.models.checks import shown
from lamin_core.query.lookups import field_named, fields_of, unknown
from lamin_core.query.operators import OPERATORS


def field_name(registry: type[Any], field: Any) -> str:
    """The field that is meant: given as text or as `ln.ULabel.name`; by default the one that records are known by."""
    if field is None:
        default: str = registry._name_field
        return default
    name = field if isinstance(field, str) else getattr(field, "key", None)
    if not isinstance(name, str) or field_named(registry, name) is None:
        raise unknown(registry, str(name), fields_of(registry))
    return name


@dataclass(frozen=True)
class Inspection:
    """Which values are known. `validated` and `non_validated` have each value once."""

    registry: str
    field: str
    values: tuple[Any, ...]
    valid_values: frozenset[Any]

    @property
    def validated(self) -> list[Any]:
        """The values that are known."""
        return [value for value in dict.fromkeys(self.values) if value in self.valid_values]

    @property
    def non_validated(self) -> list[Any]:
        """The values that are not."""
        return [value for value in dict.fromkeys(self.values) if value not in self.valid_values]

    @property
    def frac_validated(self) -> float:
        """The share of values that are known, from 0 to 100."""
        total = len(dict.fromkeys(self.values))
        return 100.0 if not total else 100.0 * len(self.validated) / total

    @cached_property
    def mask(self) -> Any:
        """Whether each value is known."""
        try:
            import numpy as np
        except ImportError as error:
            raise MissingExtra("numpy", "data") from error
        return np.array([value in self.valid_values for value in self.values], dtype=bool)

    def __repr__(self) -> str:
        missing = self.non_validated
        summary = (
            f"{len(self.validated)} of {len(dict.fromkeys(self.values))} are known as {self.registry}.{self.field}"
        )
        return f"<{summary}{f'; not: {missing}' if missing else ''}>"


def inspect(session: Session, registry: type[Any], ids: Select[Any], values: Iterable[Any], field: Any) -> Inspection:
    """Look the values up in this field of the records with these ids."""
    name = field_name(registry, field)
    items = tuple(checked(values))
    column = getattr(registry, name)
    unique = [item for item in dict.fromkeys(items) if isinstance(item, str)]
    matches = session.scalars(select(column).where(registry.id.in_(ids), OPERATORS["in"](column, unique)))
    return Inspection(registry.__name__, name, items, frozenset(matches))


def mapper(
    session: Session, registry: type[Any], ids: Select[Any], values: Iterable[Any], field: Any
) -> dict[str, str]:
    """The name for each value that is none, but a synonym of one or the same but for case."""
    name = field_name(registry, field)
    column, synonyms = getattr(registry, name), getattr(registry, "synonyms", None)
    columns = [column] if synonyms is None else [column, synonyms]
    names: dict[str, str] = {}
    exact: set[str] = set()
    for row in session.execute(select(*columns).where(registry.id.in_(ids), column.is_not(None))):
        exact.add(row[0])
        for other in [*split(row[1] if synonyms is not None else None), row[0]]:
            names.setdefault(other.lower(), row[0])
    unmatched = (value for value in dict.fromkeys(checked(values)) if isinstance(value, str) and value not in exact)
    return {value: names[value.lower()] for value in unmatched if value.lower() in names}


def checked(values: Iterable[Any]) -> Iterable[Any]:
    """The values, unless they are a single text, or nothing that has several. Raises `InvalidArgument`."""
    if isinstance(values, str | bytes | type) or not isinstance(values, Iterable):
        raise InvalidArgument(f"not a list of values: {shown(values)}", hint=_LISTS)
    several = list(values)
    try:
        dict.fromkeys(several)
    except TypeError as error:  # what cannot be hashed is no name either
        raise InvalidArgument(f"not all of these are values: {error}", hint=_LISTS) from error
    return several


_LISTS = "pass a list, a column of a DataFrame or an array"


def split(synonyms: str | None) -> list[str]:
    """The single synonyms."""
    return [synonym for synonym in (synonyms or "").split("|") if synonym]


class Lookup:
    """Records by attributes named after them, and by the names themselves; both are completed at the prompt.

    >>> found = Lookup("Gene", ["CD8A", "7SK", "HLA-A"], [1, 2, 3])
    >>> found.cd8a, found.gene_7sk, found["HLA-A"], sorted(found.dict())
    (1, 2, 3, ['cd8a', 'gene_7sk', 'hla_a'])
    """

    def __init__(self, registry: str, names: Iterable[str], answers: Iterable[Any]) -> None:
        self._by_name: dict[str, Any] = {}
        self._by_attribute: dict[str, Any] = {}
        for name, answer in zip(names, answers, strict=True):
            self._by_name.setdefault(str(name), answer)
            self._by_attribute[self._free(attribute(str(name), registry))] = answer

    def _free(self, name: str) -> str:
        """The attribute, or the next with a number where several names give the same."""
        candidate, number = name, 2
        while candidate in self._by_attribute:
            candidate, number = f"{name}_{number}", number + 1
        return candidate

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_by_attribute"][name]
        except KeyError:
            raise AttributeError(f"nothing is called {name!r} here") from None

    def __getitem__(self, name: str) -> Any:
        return self._by_name[name]

    def dict(self) -> dict[str, Any]:
        """All of them, by attribute."""
        return dict(self._by_attribute)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._by_attribute.values())

    def __len__(self) -> int:
        return len(self._by_attribute)

    def __dir__(self) -> list[str]:
        return sorted(["dict", *self._by_attribute])

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._by_name)

    def __repr__(self) -> str:
        shown = list(self._by_attribute)
        return f"<Lookup {', '.join(shown[:10])}{', ...' if len(shown) > 10 else ''}>"


def attribute(name: str, registry: str) -> str:
    """The name as Python writes attributes.

    >>> attribute("Effector T cell", "CellType"), attribute("class", "ULabel")
    ('effector_t_cell', 'class_')
    """
    plain = re.sub(r"\W+", "_", name.lower()).strip("_")
    if not plain or plain[0].isdigit():
        plain = f"{registry.lower()}_{plain}"
    return plain + "_" if keyword.iskeyword(plain) or plain == "dict" else plain
