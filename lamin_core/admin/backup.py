"""Back up a SQLite registry into one file while others write, and restore it.

Both ways by SQLite's own backup, which keeps to its locks: a copy is the database at one moment,
and who works with a database that is restored sees the old one or the new one, never a mixture.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from lamin_core.db.database import BUSY_TIMEOUT_MS, Database, is_damage
from lamin_core.errors import Conflict, InvalidArgument, NotFound, Unavailable
from lamin_core.instance.instance import Instance
from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.sharing import create_file, file_mode
from lamin_core.storage.blobs import beside


def backup(instance: Instance, target: Path) -> int:
    """Copy the database into a file that is not there yet, as it is at one moment; its size in bytes.

    Raises `InvalidArgument` for a PostgreSQL database, `Conflict` when the file is there, and
    `Unavailable`.
    """
    source = _file(instance)
    if target.exists():
        raise _taken(target)
    part = beside(target)
    try:
        with _translated(target):
            create_file(part, 0o600)  # all that the database holds, for this user alone
        with _translated(target), _opened(source, "ro") as reading, _opened(part, "rw") as writing:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        _check(part)
        _sync(part)
        _publish(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _publish(part: Path, target: Path) -> None:
    """Give the file its name, unless another process has made one of this name meanwhile. Raises `Conflict`."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise _taken(target) from None
    except OSError:  # a file system without hard links
        if target.exists():
            raise _taken(target) from None
        part.rename(target)


def _taken(target: Path) -> Conflict:
    return Conflict(f"{str(target)!r} already exists", hint="name another file")


def restore(instance: Instance, source: Path, *, previous: Path) -> None:
    """Put a backup in the place of the instance's database, of which a backup is kept first.

    One that is damaged is kept as it is; one that is gone is made anew.

    Raises what `backup` does, `NotFound`, and `SchemaMismatch` for one of another version: nothing
    has changed then.
    """
    current = _file(instance)
    if not source.is_file():
        raise NotFound(f"no file at {str(source)!r}", hint="name a file that `lamin backup` wrote")
    _check(source)
    database = Database(f"sqlite:///{source}")
    try:
        database.check()
    finally:
        database.dispose()
    _keep(instance, current, previous)
    with _translated(current):
        create_file(current, file_mode(current.parent))
    with _translated(current), _opened(source, "ro") as reading, _opened(current, "rw") as writing:
        reading.backup(writing)


def _keep(instance: Instance, current: Path, previous: Path) -> None:
    """A backup of the existing database; if SQLite cannot read it, copies of the file and the files beside it."""
    if not current.exists():
        return
    try:
        backup(instance, previous)
    except Unavailable as error:
        if not is_damage(error.__cause__):
            raise
        for beside in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{current}{beside}", f"{previous}{beside}")
                os.chmod(f"{previous}{beside}", 0o600)


def _file(instance: Instance) -> Path:
    url = make_url(instance.db.url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise InvalidArgument(
            f"not a SQLite file: {redact_text(instance.db.url)}",
            hint="pg_dump makes backups of a PostgreSQL",
        )
    return Path(url.database)


def _check(file: Path) -> None:
    """Raise `Unavailable` unless this is a whole database."""
    with _translated(file), _opened(file, "ro") as connection:
        verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
    if verdict != "ok":
        raise Unavailable(f"{str(file)!r} is damaged: {verdict}", hint="use another backup")


@contextlib.contextmanager
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    uri = f"{file.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None
    )
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        hint = "is it a file that `lamin backup` wrote, is there space, and may you write there?"
        raise Unavailable(f"{str(file)!r} cannot be used: {error}", hint=hint) from error


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
