"""Migrate a database: the tables of the core, and those of its registry modules, each a branch of Alembic's history."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.util import CommandError
from sqlalchemy import Connection

import lamin_core
from lamin_core.db.database import REVISION, Database
from lamin_core.errors import Conflict, LaminError, NotFound, Unavailable
from lamin_core.models import narrow_indexes, search
from lamin_core.models.module_tables import revisions
from lamin_core.models.run_change import note_changes
from lamin_core.modules.installed import head, versions_folder

_MIGRATIONS = Path(lamin_core.__file__).parent / "migrations"


def configuration(connection: Connection, modules: Iterable[str] = ()) -> Config:
    """Return Alembic's configuration for this connection, with the branches of these modules."""
    config = Config()
    folders = [_MIGRATIONS / "versions", *map(versions_folder, modules)]
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, folders)).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def apply(connection: Connection, revision: str = "head", *, uid: str | None = None) -> None:
    """Run the migrations up to this revision, in the transaction of this connection; `uid` is what the instance was.

    `head` is the newest of the core and of all modules that the database has. Raises `Unavailable`
    where one of them is not installed.
    """
    modules = [name for name in revisions(connection) if name]
    config = configuration(connection, modules)
    config.attributes["uid"] = uid
    command.upgrade(config, REVISION if revision == "head" else revision)
    if connection.dialect.has_table(connection, "run_change"):
        note_changes(
            connection
        )  # a migration that made the table of runs anew has dropped its triggers
    if revision == "head":
        search.index(connection)
        deploy(connection, modules)


def check_migrations(modules: Iterable[str]) -> None:
    """Raise `NotFound` for a module without migrations, and what `load_installed` raises."""
    for name in modules:
        if head(name) is None:
            raise NotFound(
                f"the registry module {name!r} has no migrations",
                hint=f'lamin migrate create {name} --message "the first tables"',
            )


def deploy(connection: Connection, modules: Iterable[str]) -> None:
    """Bring the tables of these modules to the revisions of their packages, in the transaction of this connection.

    Raises `NotFound` for a module without migrations, and `Conflict` where a migration fails; then
    the transaction has to be rolled back.
    """
    modules = list(modules)
    check_migrations(modules)
    present = [name for name in revisions(connection) if name]
    config = configuration(connection, dict.fromkeys([*present, *modules]))
    for name in modules:
        try:
            command.upgrade(config, f"{name}@head")
        except LaminError:
            raise
        except Exception as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise Conflict(
                f"a migration of module {name!r} fails: {type(error).__name__}: {cause[0] if cause else ''}",
                hint=f"nothing was changed; the migrations are in {str(versions_folder(name))!r}",
            ) from error


def create_migration(module: str, message: str) -> Path:
    """Write the migration that leads from the last one of this module to what its registries define now.

    It is found out in an empty database, so no instance is needed. Returns its file.

    Raises:
        Unavailable: The module is not installed, or its folder cannot be written.
        Conflict: Its tables are as the last migration leaves them, or a migration fails.
    """
    folder, last = versions_folder(module), head(module)
    number = 1 if last is None else int(last.rpartition("_")[2]) + 1
    with _empty_database() as connection:
        if last is not None:
            deploy(connection, [module])
        narrow_indexes()
        _make_folder(folder)
        config = configuration(connection, [module])
        config.attributes["module"] = module
        config.cmd_opts = Namespace(quiet=True)  # Alembic prints what it does
        try:
            script = command.revision(
                config,
                message,
                autogenerate=True,
                rev_id=f"{module}_{number:04d}",
                head="base" if last is None else f"{module}@head",
                branch_label=module if last is None else None,
                version_path=str(folder),
                process_revision_directives=_drop_empty,
            )
        except CommandError as error:
            raise Conflict(f"Alembic: {error}") from error
    path = getattr(script, "path", None)
    if path is None:
        raise Conflict(
            f"the tables of module {module!r} are as its migrations leave them",
            hint="change its registries first",
        )
    return Path(path)


@contextmanager
def _empty_database() -> Iterator[Connection]:
    with tempfile.TemporaryDirectory(prefix="lamin-migrate-") as folder:
        database = Database(f"sqlite:///{folder}/empty.db")
        try:
            database.create()
            with database.writing() as session:
                yield session.connection()
        finally:
            database.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"{str(folder)!r} cannot be written: {error.strerror}",
            hint="install the package from its source: pip install --editable FOLDER",
        ) from error


def _drop_empty(_context: object, _revision: object, directives: list[MigrationScript]) -> None:
    """Write no file where nothing has changed."""
    operations = directives[0].upgrade_ops
    if operations is not None and operations.is_empty():
        directives.clear()
