"""Curators of objects with several parts: AnnData, and MuData and SpatialData where they are installed."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.orm import Session

from lamin_core.curation.compiled import duplicate_index
from lamin_core.curation.curators import Curator, DataFrameCurator, wrong_kind
from lamin_core.curation.plan import plan_for
from lamin_core.curation.problems import Problem, listed, near_misses
from lamin_core.curation.slots import Slot, expression_of, slot_of
from lamin_core.curation.tables import Checked, check_names, check_table
from lamin_core.errors import InvalidArgument, MissingExtra
from lamin_core.models import Schema

if TYPE_CHECKING:
    import pandas as pd


class SlotsCurator(Curator):
    """The base class of curators of objects with several slots, each with its own schema."""

    _kind: ClassVar[str]
    _module: ClassVar[str]
    _extra: ClassVar[str | None] = None

    def _require_kind(self, dataset: object) -> None:
        try:
            kind = getattr(importlib.import_module(self._module), self._kind)
        except ImportError as error:
            raise MissingExtra(self._module, self._extra) from error
        if not isinstance(dataset, kind):
            raise wrong_kind(dataset, f"a {self._module}.{self._kind}")
        if not self._schema.slots:
            raise InvalidArgument(
                f"schema {self._schema.name!r} has no slots",
                hint=f"ln.Schema(otype={self._kind!r}, slots={{'obs': schema}}).save()",
            )
        for name in self._schema.slots:
            slot_of(dataset, name)

    def _check(self, session: Session) -> dict[str, Checked]:
        slots = {}
        for name, schema in self._schema.slots.items():
            slot = slot_of(self._dataset, name)
            if slot.is_of_names:
                slots[name] = _check_variables(session, slot, schema)
            else:
                checked = check_table(session, slot.table(), schema, call=self._call)
                checked.problems[:] = [
                    _fixed_in(slot, self._kind, problem) for problem in checked.problems
                ]
                slots[name] = _with_unique_rows(slot, checked)
        return slots

    def _adopt(self, slot: str, table: pd.DataFrame) -> None:
        part = slot_of(self._dataset, slot)
        if part.attribute == "obs":
            part.owner.obs = table

    def _tables(self) -> dict[str, tuple[pd.DataFrame, Schema]]:
        tables = {}
        for name, schema in self._schema.slots.items():
            slot = slot_of(self._dataset, name)
            if not slot.is_of_names:
                tables[name] = (slot.table(), schema)
        return tables


def _fixed_in(slot: Slot, kind: str, problem: Problem) -> Problem:
    """Return the problem with a call that fixes it in its slot, instead of in a table `df`."""
    owner = expression_of(kind, slot.name)
    fix = re.sub(r"\bdf\b", lambda match: owner, problem.fix)
    if slot.attribute != "obs" and (".astype(" in fix or "pd.to_" in fix):
        fix = f"set other values in {owner}"
    return replace(problem, fix=fix)


def _with_unique_rows(slot: Slot, checked: Checked) -> Checked:
    """Check that the names of cells are unique, also if the schema does not require it."""
    if slot.attribute == "obs" and not slot.owner.obs_names.is_unique:
        problem = duplicate_index(slot.owner.obs_names, "obs_names", "adata.obs")
        problem = Problem(problem.message, "adata.obs_names_make_unique()")
        checked.problems.append(problem)
    return checked


def _check_variables(session: Session, slot: Slot, schema: Schema) -> Checked:
    """Check the names of the variables, as the columns of a table are checked."""
    names = [str(name) for name in slot.owner.var_names]
    plan = plan_for(session, schema, names)
    problems = _structure_problems(slot.owner, names)
    members, name_problems = check_names(session, list(dict.fromkeys(names)), plan, "variable")
    problems += name_problems
    existing = set(names)
    missing = [c.name for c in plan.columns if c.is_required and c.name not in existing]
    if missing:
        hint = near_misses(missing, [*plan.unknown])
        problems.append(
            Problem(
                f"variables that are missing: {listed(missing)}{hint}",
                "add them, or ln.Schema([...], minimal_set=False)",
            )
        )
    if schema.maximal_set and plan.names_in is None and plan.unknown:
        problems.append(
            Problem(
                f"variables that are not in the schema: {listed(plan.unknown)}",
                "adata = adata[:, names], or a schema with maximal_set=False",
            )
        )
    problems += _value_problems(slot.owner, schema)
    features = [column.feature for column in plan.columns if column.name in existing]
    return Checked(schema, None, problems, features, members)


def _structure_problems(adata: Any, names: list[str]) -> list[Problem]:
    if not names:
        return [Problem("there are no variables", "pass the object that was read: adata.shape")]
    if len(set(names)) < len(names):
        problem = duplicate_index(adata.var_names, "var_names", "adata.var")
        return [Problem(problem.message, "adata.var_names_make_unique()")]
    return []


def _value_problems(adata: Any, schema: Schema) -> list[Problem]:
    """Check the type of X. Counts are usually stored as floats, so `int` accepts any numbers, but not text."""
    dtype = getattr(getattr(adata, "X", None), "dtype", None)
    if schema.dtype not in ("int", "float", "num") or dtype is None or dtype.kind in "iufb":
        return []
    message = f"the values of X are {dtype}, not {schema.dtype}"
    return [Problem(message, "adata.X = adata.X.astype('float32')")]


class AnnDataCurator(SlotsCurator):
    """Validate an `anndata.AnnData` against a schema with slots `obs`, `var` (names of variables), `uns`, `uns:key`.

    Example: `ln.curators.AnnDataCurator(adata, schema).save_artifact(key="cells.h5ad")`.
    """

    _kind, _module, _extra = "AnnData", "anndata", "data"


class MuDataCurator(SlotsCurator):
    """Validate a `mudata.MuData` (if installed) against a schema with slots such as `obs`, `rna:obs`, `rna:var`."""

    _kind, _module = "MuData", "mudata"


class SpatialDataCurator(SlotsCurator):
    """Validate a `spatialdata.SpatialData` (if installed) with a schema of slots `attrs:key`, `tables:table:obs`."""

    _kind, _module = "SpatialData", "spatialdata"


CURATORS: dict[str, type[Curator]] = {
    "DataFrame": DataFrameCurator,
    "AnnData": AnnDataCurator,
    "MuData": MuDataCurator,
    "SpatialData": SpatialDataCurator,
}
"""By the name of the class of a dataset."""


def curator_of(dataset: object, schema: Schema) -> Curator:
    """Return the curator for such a dataset. Raises `InvalidArgument`."""
    curator = CURATORS.get(type(dataset).__name__)
    if curator is None:
        raise wrong_kind(dataset, "a dataset with a curator")
    return curator(dataset, schema)
