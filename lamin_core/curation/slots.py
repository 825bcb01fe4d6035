"""The parts of an object that has several, as tables: `obs`, `var`, `uns:key` of an AnnData, `rna:obs` of a MuData."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamin_core.errors import InvalidArgument

ANNDATA_SLOTS = ("obs", "var", "var.T", "uns")


@dataclass(frozen=True, slots=True)
class Slot:
    """One part of an object."""

    name: str
    owner: Any
    """The AnnData, MuData or SpatialData that has it."""
    attribute: str
    """`obs`, `var`, `var.T`, `uns` or `attrs`."""
    path: tuple[str, ...] = ()
    """Keys below `uns` or `attrs`."""

    @property
    def is_of_names(self) -> bool:
        """Whether the names of the variables are the columns."""
        return self.attribute in ("var", "var.T")

    def table(self) -> Any:
        """Return the rows of `obs`, or what a dict holds as one row. Raises `InvalidArgument`."""
        import pandas as pd

        if self.attribute == "obs":
            return self.owner.obs
        values: Any = getattr(self.owner, self.attribute)
        for key in self.path:
            if not isinstance(values, Mapping) or key not in values:
                raise InvalidArgument(
                    f"slot {self.name!r}: there is no {key!r}", hint=f"there are: {_keys(values)}"
                )
            values = values[key]
        if isinstance(values, pd.DataFrame):
            return values
        if not isinstance(values, Mapping):
            raise InvalidArgument(
                f"slot {self.name!r} is not a dict or table: {type(values).__name__}",
                hint=f"a dict: {{'key': value}}, such as adata.uns[{self.name!r}]",
            )
        return pd.DataFrame({key: _cell(value) for key, value in values.items()})


def expression_of(kind: str, name: str) -> str:
    """Return the Python expression of a slot, for hints.

    >>> expression_of("AnnData", "uns:study"), expression_of("MuData", "rna:obs")
    ("adata.uns['study']", "mdata.mod['rna'].obs")
    >>> expression_of("SpatialData", "tables:cells:obs")
    "sdata.tables['cells'].obs"
    """
    first, *rest = name.split(":")
    if kind == "SpatialData" and first == "tables":
        return f"sdata.tables[{rest[0]!r}].{'.'.join(rest[1:])}"
    if kind == "MuData" and first not in (*ANNDATA_SLOTS, "attrs"):
        return f"mdata.mod[{first!r}].{'.'.join(rest)}"
    owner = {"AnnData": "adata", "MuData": "mdata", "SpatialData": "sdata"}[kind]
    return f"{owner}.{first}" + "".join(f"[{key!r}]" for key in rest)


def _cell(value: object) -> Any:
    """Return a column of one row."""
    import pandas as pd

    return pd.Series([value], dtype="object" if isinstance(value, str | list | dict) else None)


def _keys(values: object) -> str:
    return ", ".join(map(str, values)) if isinstance(values, Mapping) and values else "none"


def slot_of(dataset: Any, name: str) -> Slot:
    """Return the part of this name. Raises `InvalidArgument`, which names those that there are."""
    first, *rest = name.split(":")
    owner: Any = dataset
    kind = type(dataset).__name__
    if kind == "MuData" and first in dataset.mod:
        owner, (first, *rest) = dataset.mod[first], rest or [""]
    elif (
        kind == "SpatialData" and first == "tables" and len(rest) >= 2 and rest[0] in dataset.tables
    ):
        owner, (first, *rest) = dataset.tables[rest[0]], rest[1:]
    elif kind == "SpatialData" and first == "attrs":
        return Slot(name, dataset, "attrs", tuple(rest))
    is_whole_spatial = owner is dataset and kind == "SpatialData"
    if first not in ANNDATA_SLOTS or is_whole_spatial or (rest and first != "uns"):
        raise InvalidArgument(
            f"a {kind} has no slot {name!r}", hint=f"there are: {', '.join(_slots(dataset))}"
        )
    return Slot(name, owner, first, tuple(rest))


def _slots(dataset: Any) -> list[str]:
    """Return the names of the parts that an object has."""
    kind = type(dataset).__name__
    if kind == "MuData":
        parts = ("obs", "var", "uns")
        return [*parts, *(f"{name}:{part}" for name in dataset.mod for part in parts)]
    if kind == "SpatialData":
        tables = [f"tables:{name}:{part}" for name in dataset.tables for part in ("obs", "var")]
        return ["attrs", *tables]
    return [*ANNDATA_SLOTS, "uns:key"]
