"""The tables of registry modules: which tables belong to which module, and which of them a database has.

A module is a Python package that defines registries on our base. Its tables are there only in
databases that it was deployed to.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, text

from lamin_core.models.tables import MODULES, Base
from lamin_core.runtime.registry_modules import load_modules

VERSIONS = "alembic_version"


def module_of(table: Table) -> str | None:
    """Return the module that defines this table; None for a table of the core."""
    return MODULES.get(table.name)


def core_tables() -> list[Table]:
    """Return the tables that every database has, in an order in which they can be made."""
    return [table for table in Base.metadata.sorted_tables if module_of(table) is None]


def revisions(connection: Connection) -> dict[str, str]:
    """Return the revision of each module that this database has, by its name; the core's is that of ''."""
    if not connection.dialect.has_table(connection, VERSIONS):
        return {}
    rows = connection.execute(_REVISIONS).scalars()
    return {revision.rpartition("_")[0]: revision for revision in rows}


_REVISIONS = text(f"SELECT version_num FROM {VERSIONS}")  # noqa: S608 - a constant


def tables_in(connection: Connection) -> list[Table]:
    """Return the tables that this database has, of the core and of its modules that are loaded."""
    load_modules()
    tables = Base.metadata.sorted_tables
    if all(module_of(table) is None for table in tables):
        return tables
    modules = {None, *revisions(connection)}
    return [table for table in tables if module_of(table) in modules]
