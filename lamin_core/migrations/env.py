"""Alembic's environment: the connection comes from the caller, in whose transaction the migration runs."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Table

from lamin_core.models import Base, search
from lamin_core.models.module_tables import module_of, revisions
from lamin_core.models.tables import UTC_DateTime
from lamin_core.runtime.registry_modules import load_modules


def _rendered(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    # Migrations stand on their own: they name SQLAlchemy's types, not ours.
    return (
        "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UTC_DateTime) else False
    )


def _is_compared(name: str | None, kind: str, parents: Any) -> bool:
    """Whether a table of the database belongs to what is compared: the core, or one module."""
    if search.is_derived(name):
        return False
    if kind != "table" or name is None:
        return True
    owner = next((other for other in modules if name.startswith(f"{other}_")), None)
    return owner == module


def _is_defined(item: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
    return not isinstance(item, Table) or reflected or module_of(item) == module


load_modules()
connection = context.config.attributes["connection"]
module = context.config.attributes.get("module")
modules = {name for name in (*revisions(connection), module) if name}
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    compare_type=True,
    render_item=_rendered,
    include_name=_is_compared,
    include_object=_is_defined,
)
context.run_migrations()
