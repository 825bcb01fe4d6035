"""Names as people write them: which of them a registry knows, and an object to complete them in."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from lamin_core.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

R = TypeVar("R")
Answers: TypeAlias = dict[str, R]
"""A dict; inside `Lookup`, `dict` is a method."""


@dataclass(frozen=True)
class Inspection:
    """Which values are known. `validated` and `non_validated` have each value once."""

    registry: str
    field: str
    values: tuple[object, ...]
    valid_values: frozenset[object]

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
    def mask(self) -> npt.NDArray[np.bool_]:
        """Whether each value is known."""
        try:
            import numpy
        except ImportError as error:
            raise MissingExtra("numpy", "data") from error
        return numpy.array([value in self.valid_values for value in self.values], dtype=bool)

    def __repr__(self) -> str:
        missing = self.non_validated
        n_values = len(dict.fromkeys(self.values))
        summary = f"{len(self.validated)} of {n_values} are known as {self.registry}.{self.field}"
        return f"<{summary}{f'; not: {missing}' if missing else ''}>"


class Lookup(Generic[R]):
    """Records by attributes named after them, and by the names themselves; both are completed at the prompt.

    >>> lookup = Lookup("Gene", ["CD8A", "7SK", "HLA-A"], [1, 2, 3])
    >>> lookup.cd8a, lookup.gene_7sk, lookup["HLA-A"], sorted(lookup.dict())
    (1, 2, 3, ['cd8a', 'gene_7sk', 'hla_a'])
    """

    def __init__(self, registry: str, names: Iterable[str], answers: Iterable[R]) -> None:
        self._by_name: Answers[R] = {}
        self._by_attribute: Answers[R] = {}
        for name, answer in zip(names, answers, strict=True):
            self._by_name.setdefault(str(name), answer)
            self._by_attribute[self._free(attribute(str(name), registry))] = answer

    def _free(self, name: str) -> str:
        """The attribute, or the next with a number where several names give the same."""
        candidate, number = name, 2
        while candidate in self._by_attribute:
            candidate, number = f"{name}_{number}", number + 1
        return candidate

    def __getattr__(self, name: str) -> R:
        answers: Answers[R] = self.__dict__["_by_attribute"]
        try:
            return answers[name]
        except KeyError:
            raise AttributeError(f"nothing is called {name!r} here") from None

    def __getitem__(self, name: str) -> R:
        return self._by_name[name]

    def dict(self) -> Answers[R]:
        """All of them, by attribute."""
        return dict(self._by_attribute)

    def __iter__(self) -> Iterator[R]:
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
