"""The history of the schema: Alembic migrations, shipped with the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from lamin_core.errors import NO_INSTANCE, InstanceNotFound
from lamin_core.instance.instance import Instance
from lamin_core.models import search
from lamin_core.models.run_change import note_changes
from lamin_core.runtime.paths import SETTINGS, locate_instance
from lamin_core.runtime.settings import read_toml


def upgrade(start: Path) -> None:
    """Bring the database of the instance in or above this folder to the newest schema, whole or not at all."""
    located = locate_instance(start)
    if located is None:
        raise InstanceNotFound(f"no instance in {str(start)!r} or above", hint=NO_INSTANCE)
    instance = Instance.located(located, check=False)
    try:
        instance.db.require_file()
        with instance.db.writing() as session:
            # Before it was in the database, the name of an instance was in its folder.
            apply(session.connection(), uid=read_toml(located.folder / SETTINGS).get("uid"))
        instance.db.check()
    finally:
        instance.db.dispose()


def apply(connection: Connection, revision: str = "head", *, uid: str | None = None) -> None:
    """Run the migrations up to this revision, in the transaction of this connection; `uid` is what the instance was."""
    config = configuration(connection)
    config.attributes["uid"] = uid
    command.upgrade(config, revision)
    if connection.dialect.has_table(connection, "run_change"):
        note_changes(
            connection
        )  # a migration that made the table of runs anew has dropped its triggers
    if revision == "head":
        search.index(connection)


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
