"""The database: one engine, short read sessions, and write transactions that never lose an update.

On SQLite every write begins with `BEGIN IMMEDIATE` (a deferred one fails, or loses updates, when
two processes read before they write); on PostgreSQL writers take turns by an advisory lock, so both
behave alike.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from lamin_core.db.linear_regex import matches
from lamin_core.errors import InvalidArgument, MissingExtra, ReadOnly, SchemaMismatch, Unavailable
from lamin_core.models import Base, narrow_indexes
from lamin_core.models.module_tables import core_tables, revisions
from lamin_core.models.root_path import absolute_in, set_project
from lamin_core.models.tables import MODULES
from lamin_core.runtime.paths import FOLDER
from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.registry_modules import load_modules
from lamin_core.runtime.sharing import create_file, file_mode
from lamin_core.runtime.text import kind_of_file
from lamin_core.runtime.trust import permission_denied

REVISION = "0019"
"""The Alembic revision that this version of the package works with; the migration with this id makes the models."""
BUSY_TIMEOUT_MS = 30_000
_PAUSE = 0.0002, 0.002
"""Seconds between two looks whether it is our turn to write."""
_WRITER_LOCK = 0x6C616D696E  # "lamin"


class Database:
    """A registry's database, by its SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self.project = project_of(self.engine.url)
        """The folder that the database belongs to, and is moved with; None where several may share it."""
        self.modules: dict[str, str] = {}
        """The registry modules whose tables it has, with their revisions, as `check` last read them."""

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries; what it loads stays usable after it is closed."""
        with (
            _translated(self.url),
            Session(self.engine, expire_on_commit=False, autoflush=False) as session,
        ):
            if self._is_sqlite:
                _driver(session).execute("BEGIN")  # all that is read is of one moment
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one transaction, the only writer while it lasts; commits at the end, or not at all.

        Raises `ReadOnly` where the database may only be read.
        """
        with (
            _translated(self.url),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            if self._is_sqlite:
                _acquire_write_lock(_driver(session))
            else:
                session.execute(_LOCK)
            yield session

    @property
    def _is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def create(self, then: Callable[[Connection], None] | None = None) -> None:
        """Make all tables, at the present revision, unless they exist already; `then` do this in the same transaction.

        Raises `SchemaMismatch` when what is there was made by another version.
        """
        file = self._file()
        if file is not None:
            create_file(file, file_mode(file.parent))  # its -wal and -shm get the mode that it has
        with self.writing() as session:
            connection = session.connection()
            if "" not in revisions(connection):
                if load_modules() and not self._is_sqlite:
                    narrow_indexes()
                Base.metadata.create_all(connection, tables=core_tables())
                connection.execute(
                    text(
                        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
                    )
                )
                connection.execute(
                    text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION}
                )
            if then is not None:
                then(connection)
        self.check()

    def check(self) -> None:
        """Raise `SchemaMismatch` unless the tables are those of this version, `Unavailable` if there is no file."""
        self.require_file()
        with self.reading() as session:
            by_module = revisions(session.connection())
        revision = by_module.pop("", None)
        self.modules = by_module
        self.check_known(revision)
        if revision == REVISION:
            return
        shown = redact_text(self.url)
        if revision is None:
            raise SchemaMismatch(
                f"{shown} holds no registry", hint="lamin migrate makes its tables again"
            )
        raise SchemaMismatch(
            f"{shown} has schema {revision}, older than {REVISION}", hint="lamin migrate"
        )

    def check_known(self, revision: str | None) -> None:
        """Raise `SchemaMismatch` for the revision of a newer version."""
        if revision is not None and revision > REVISION:
            raise SchemaMismatch(
                f"{redact_text(self.url)} has schema {revision}, newer than the {REVISION} that this version knows",
                hint="pip install --upgrade lamin-core",
            )

    def require_file(self) -> None:
        """Raise `Unavailable` if the file of the registry is missing, for which SQLite would create an empty file."""
        file = self._file()
        if file is None:
            return
        try:
            os.stat(file)
        except PermissionError as error:
            raise permission_denied(file) from error
        except OSError as error:
            raise Unavailable(
                f"the database {file} is gone",
                hint="bring it back, or put a backup in its place: lamin restore FILE",
            ) from error
        if not os.access(file, os.R_OK):
            raise permission_denied(file)

    def _file(self) -> Path | None:
        """The file of the SQLite database; None for another database, or one in memory."""
        file = self.engine.url.database if self._is_sqlite else None
        return Path(file) if file and file != ":memory:" else None

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


# Of the errors a driver knows, those that say nothing about our statements ("DatabaseError": the
# file is not a database).
_OUT_OF_REACH = {"OperationalError", "InterfaceError", "DatabaseError"}
_TOO_LONG_FOR_AN_INDEX = "54000"
_OUT_OF_RANGE = "22003"
_RANGE = "numbers from -9223372036854775808 to 9223372036854775807 fit"
_NO_REGEX = "2201B"
_NO_TABLE = re.compile(r'no such table: (\w+)|relation "(\w+)" does not exist')
_LOCK = select(text(f"pg_advisory_xact_lock({_WRITER_LOCK})"))


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidArgument(
            f"not a database URL: {redact_text(url)!r}", hint="--db postgresql://user@host/name"
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
        raise InvalidArgument(
            f"not a supported database: {redact_text(url)!r}", hint="use SQLite or PostgreSQL"
        )
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "postgresql":
        narrow_indexes()
    read_only = _read_only_uri(parsed)
    try:
        engine = (
            create_engine(parsed)
            if read_only is None
            else create_engine(parsed, creator=partial(_open, read_only))
        )
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "postgres") from error
    except NoSuchModuleError as error:
        raise InvalidArgument(
            f"{redact_text(url)!r}: {error}", hint="use SQLite or PostgreSQL"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        _belong_to_project(engine)
        event.listen(
            engine, "connect", _on_sqlite_connect if read_only is None else _on_read_only_connect
        )
    _engines.add(engine)
    return engine


def project_of(url: URL) -> str | None:
    """The folder whose `.lamin` holds this SQLite file; None for a database that several folders may share.

    >>> project_of(make_url("sqlite:////lab/.lamin/lamin.db")), project_of(make_url("sqlite:////shared/lab.db"))
    ('/lab', None)
    """
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    folder = os.path.dirname(os.path.abspath(url.database))
    return os.path.dirname(folder) if os.path.basename(folder) == FOLDER else None


def _belong_to_project(engine: Engine) -> None:
    """Let paths in a database of a project be read and written relative to it."""
    project = project_of(engine.url)
    if project is not None:
        set_project(engine.dialect, project)

    def define(connection: Any, _record: Any) -> None:
        absolute = partial(absolute_in, project) if project is not None else str
        connection.create_function("lamin_absolute", 1, absolute, deterministic=True)

    event.listen(engine, "connect", define)


def _read_only_uri(url: URL) -> str | None:
    """The URI by which SQLite opens a file that this user may only read; None for any other database.

    A reader of a file in WAL mode makes two more files beside it, unless they are there. Where the
    folder allows none, the file is taken as one that nobody changes; whoever does so meanwhile is
    seen the next time it is opened.
    """
    path = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    if (
        path is None
        or not path.is_file()
        or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    ):
        return None
    alone = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    return f"file:{quote(str(path.absolute()))}?{'immutable=1' if alone else 'mode=ro'}"


def _open(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def _on_read_only_connect(connection: Any, _record: Any) -> None:
    _prepare(connection)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    _prepare(connection)
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",  # what was acknowledged survives a power cut
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare(connection: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    # SQLite's own lower() knows ASCII alone.
    connection.create_function("lamin_lower", 1, _lower, deterministic=True)
    connection.create_function("lamin_kind_of_file", 1, kind_of_file, deterministic=True)
    # SQLAlchemy's is Python's re, which some patterns keep busy for ever.
    connection.create_function("regexp", 2, matches, deterministic=True)


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


def _driver(session: Session) -> sqlite3.Connection:
    """SQLite's own connection: SQLAlchemy begins no transaction there, and would ask its events at each statement."""
    driver: sqlite3.Connection = session.connection().connection.dbapi_connection  # type: ignore[assignment]
    return driver


def _acquire_write_lock(driver: sqlite3.Connection) -> None:
    """Start to write as soon as no other process writes.

    SQLite itself waits up to a tenth of a second between two looks, a hundred times as long as a
    transaction takes.
    """
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while not _has_begun(driver, until):
            time.sleep(random.uniform(*_PAUSE))  # noqa: S311 - no two of those who wait look at once
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _has_begun(driver: sqlite3.Connection, until: float) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not _is_busy(error) or time.monotonic() > until:
            raise
        return False
    return True


def _is_busy(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    # Connections belong to the parent: the child forgets them without closing them.
    for engine in _engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Errors of the driver that are about the database being out of reach, in our words."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            f"not text in UTF-8: {_short(error.object)}",
            hint="names in another encoding have to be renamed",
        ) from None
    except OverflowError as error:
        raise InvalidArgument(
            f"a number is too large for the database: {error}", hint=_RANGE
        ) from error
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        module = _missing_module(cause)
        if module is not None:
            raise SchemaMismatch(
                f"{redact_text(url)} has no tables of the registry module {module!r}",
                hint=f"lamin migrate deploy --modules {module}",
            ) from error
        if _is_refused(cause):
            raise ReadOnly(
                f"the database {redact_text(url)} may only be read",
                hint="ask its owner for the right to write",
            ) from error
        if getattr(cause, "sqlstate", None) == _TOO_LONG_FOR_AN_INDEX:
            raise InvalidArgument(
                "a name is longer than an index takes", hint="names up to 2,600 bytes fit"
            ) from error
        if getattr(cause, "sqlstate", None) == _OUT_OF_RANGE:
            raise InvalidArgument(
                f"a number is too large for the database: {cause}", hint=_RANGE
            ) from error
        if getattr(cause, "sqlstate", None) == _NO_REGEX:
            raise InvalidArgument(
                f"PostgreSQL does not take this regular expression: {str(cause).splitlines()[0]}",
                hint="write it in a simpler way",
            ) from error
        if getattr(error, "connection_invalidated", False) or type(error).__name__ in _OUT_OF_REACH:
            raise Unavailable(
                f"the database {redact_text(url)} cannot be used: {cause}", hint=_remedy(url, cause)
            ) from error
        raise


def _missing_module(cause: object) -> str | None:
    """The registry module that a missing table belongs to; None for any other error."""
    match = _NO_TABLE.search(str(cause))
    return None if match is None else MODULES.get(match[1] or match[2])


def _short(text: str) -> str:
    """The text in quotes, with escapes, and not longer than a line takes."""
    shown = ascii(text)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _remedy(url: str, cause: object) -> str:
    """The hint for a database that cannot be used."""
    if not isinstance(cause, sqlite3.Error):
        return f"is its server up, and {redact_text(url)} right? `lamin doctor` tries it"
    if is_damage(cause):
        return "put a backup in its place: lamin restore FILE"
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return "free some space on its disk"
    return (
        "another process writes for long: wait for it"
        if _is_busy(cause)
        else "`lamin doctor` looks at all of it"
    )


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite reports that the file is not a database, or is damaged."""
    return getattr(error, "sqlite_errorcode", None) in (
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    )


def _is_refused(error: object) -> bool:
    """Whether the database says that this user, or this connection, may not write."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_READONLY
    return getattr(error, "sqlstate", None) in (
        "25006",
        "42501",
    )  # read-only transaction, insufficient privilege
