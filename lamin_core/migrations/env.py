"""Alembic's environment: the connection comes from the caller, in whose transaction the migration runs."""

from typing import Any, Literal

from alembic import context

from lamin_core.models import Base, search
from lamin_core.models.base import UTC_DateTime
from lamin_core.runtime.registry_modules import load_modules


def _rendered(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    # Migrations stand on their own: they name SQLAlchemy's types, not ours.
    return (
        "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UTC_DateTime) else False
    )


def _is_ours(name: str | None, kind: str, parents: Any) -> bool:
    return not search.is_derived(name)


load_modules()
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    compare_type=True,
    render_item=_rendered,
    include_name=_is_ours,
)
context.run_migrations()
