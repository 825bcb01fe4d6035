"""Check one table against a schema: its columns, their types, and the records that its values name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from lamin_core.curation import compiled
from lamin_core.curation.columns import Column, distinct, fits
from lamin_core.curation.plan import Plan, plan_for
from lamin_core.curation.problems import Problem, listed, near_misses
from lamin_core.curation.vocabulary import Matches, how_to_make, match_values, problems_of
from lamin_core.models import Feature, Registry, Schema
from lamin_core.models.dtypes import parse

if TYPE_CHECKING:
    import pandas as pd

    from lamin_core.curation.columns import Series


@dataclass(frozen=True, slots=True)
class Checked:
    """The validated content of a table, or of one slot of a larger object."""

    schema: Schema
    table: pd.DataFrame | None
    """With the values converted that the schema converts; None where it converts none."""
    problems: list[Problem]
    features: list[Feature] = field(default_factory=list)
    """The features of the columns of the table."""
    members: list[Registry] = field(default_factory=list)
    """The records that its columns name, if they are not features."""
    matches: dict[str, Matches] = field(default_factory=dict)
    """The records that the values of its categorical columns name."""


def check_table(session: Session, table: pd.DataFrame, schema: Schema, *, call: str) -> Checked:
    """Check a table; `call` is what messages call the curator."""
    names = [str(name) for name in table.columns]
    if structure := _structure(table, names):
        return Checked(schema, None, structure)
    if list(table.columns) != names:
        table = table.set_axis(names, axis="columns")
    plan = plan_for(session, schema, names)
    converted, problems = compiled.check(table, plan)
    table = table if converted is None else converted
    matches = {}
    for column in plan.categoricals:
        series = _column(table, plan, column)
        if series is not None and (not column.dtype.is_list or fits(series, column.dtype)):
            values = distinct(series, column.dtype)
            matches[column.name] = match_values(session, column.feature, column.dtype, values)
    for match in matches.values():
        problems += problems_of(match, call=call)
    members, name_problems = check_names(session, names, plan)
    problems += [*name_problems, *_member_types(table, plan)]
    features = [column.feature for column in plan.columns if column.name in names]
    return Checked(schema, converted, problems, features, members, matches)


def _structure(table: pd.DataFrame, names: Sequence[str]) -> list[Problem]:
    """Return why nothing else can be looked at."""
    if not len(table.columns):
        return [Problem("the table has no columns", "pass the table that was read: df.shape")]
    if not len(table):
        return [Problem("the table has no rows", "pass the table that was read: df.shape")]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        fix = "df = df.loc[:, ~df.columns.duplicated()], or rename them"
        return [Problem(f"columns that are there more than once: {listed(twice)}", fix)]
    return []


def _column(table: pd.DataFrame, plan: Plan, column: Column) -> Series | None:
    if column is plan.index:
        return table.index.to_series()
    return table[column.name] if column.name in table.columns else None


def check_names(
    session: Session, names: Sequence[str], plan: Plan, what: str = "column"
) -> tuple[list[Registry], list[Problem]]:
    """Look the names of columns up in the registry that the schema names."""
    option = plan.names_in
    if option is None:
        return [], []
    dtype = parse(f"cat[{option}]")
    match = match_values(session, Feature(name=f"{what}s", dtype=str(dtype)), dtype, names)
    if match.is_valid or (not plan.schema.minimal_set and match.records):
        return list(match.records), []
    number = len(match.missing)
    plural = "s" if number > 1 else ""
    return list(match.records), [
        Problem(
            f"{number:,} {what} name{plural} not validated as {option}: {listed(match.missing)}"
            f"{near_misses(match.missing, match.valid)}",
            f"fix typos, drop them, or create records: {how_to_make(option, match.missing)}",
        )
    ]


def _member_types(table: pd.DataFrame, plan: Plan) -> list[Problem]:
    """Return the columns that are not of the one type that the schema asks of all."""
    if plan.schema.dtype is None or plan.names_in is None:
        return []
    dtype = parse(plan.schema.dtype)
    wrong = [name for name in plan.unknown if name in table and not fits(table[name], dtype)]
    if not wrong:
        return []
    fix = f"df = df.astype({{name: '{dtype}' for name in [{listed(wrong[:3])}]}})"
    return [Problem(f"columns that are not {dtype}: {listed(wrong)}", fix)]
