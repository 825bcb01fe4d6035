"""Checks of the database: reachable, readable, writable, response time, clock."""

from __future__ import annotations

import os
import stat
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, make_url, select, text
from sqlalchemy.orm import Session

from lamin_core.admin.doctor.finding import Finding, failure, ok, warning
from lamin_core.db.database import REVISION
from lamin_core.errors import LaminError, ReadOnly
from lamin_core.instance.instance import Instance
from lamin_core.models import Storage
from lamin_core.runtime.paths import SETTINGS
from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.sharing import is_wide, sharing_of

SLOW = 0.05
SKEW = 2.0
"""Seconds from which on an answer is slow, and two clocks differ."""
_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "fuse.sshfs",
    "9p",
    "afs",
    "beegfs",
    "lustre",
    "gpfs",
    "ceph",
)


def checks(instance: Instance) -> Iterator[Finding]:
    """All of it; where the database is out of reach that is all there is to say."""
    yield _secrecy(instance)
    try:
        instance.db.check()
        with instance.db.reading() as session:
            yield ok("database", f"{redact_text(instance.db.url)} ({_server(session)})")
            yield latency([_answer(session) for _ in range(5)])
            yield skew("clock of the database", _clock(session))
    except LaminError as error:
        yield failure(
            "database", error.message, error.hint or "check the URL in .lamin/instance.toml"
        )
        return
    yield ok("schema", REVISION)
    yield _writable(instance)
    yield from _network(make_url(instance.db.url))


def quick_checks(session: Session) -> Iterator[Finding]:
    """What a page can ask each time it is opened: two statements at most, and nothing is written."""
    engine = session.get_bind().engine
    yield ok("database", _server(session))
    yield latency([_answer(session)])
    yield skew("clock of the database", _clock(session))
    yield from _network(engine.url)


def _server(session: Session) -> str:
    dialect = session.get_bind().dialect
    version = ".".join(map(str, getattr(dialect, "server_version_info", None) or ()))
    return f"{dialect.name} {version}".strip()


def _answer(session: Session) -> float:
    start = time.perf_counter()
    session.execute(select(Storage.id).limit(1)).all()
    return time.perf_counter() - start


def latency(answers: list[float]) -> Finding:
    """The time that a small query takes.

    >>> latency([0.001, 0.5, 0.002]).status, latency([0.2]).status
    ('ok', 'warning')
    """
    middle = statistics.median(answers)
    shown = f"{middle * 1000:.1f} ms for a small query"
    if middle < SLOW:
        return ok("latency", shown)
    return warning("latency", shown, "bring the database nearer: each save asks it several times")


def _clock(session: Session) -> float:
    """The seconds by which the clock of the database is ahead of ours; SQLite has no clock of its own."""
    if session.get_bind().dialect.name == "sqlite":
        return 0.0
    local_time = datetime.now(UTC)
    database_time: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return (database_time - local_time).total_seconds()


def skew(whose: str, seconds: float) -> Finding:
    """The difference between a clock and the clock of this machine.

    >>> skew("clock", -0.2).status, skew("clock", 60).status
    ('ok', 'warning')
    """
    shown = f"{seconds:+.1f} s from this machine's"
    if abs(seconds) <= SKEW:
        return ok(whose, shown)
    return warning(
        whose, shown, "set both clocks by NTP: versions and lineage follow the time of events"
    )


def _writable(instance: Instance) -> Finding:
    try:
        with instance.db.writing() as session:
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))
            session.rollback()
    except ReadOnly:
        return warning(
            "permissions", "the database may only be read", "ask its owner for the right to write"
        )
    except LaminError as error:
        return failure("permissions", error.message, error.hint or "see who holds its lock")
    if not os.access(instance.folder, os.W_OK):
        hint = f"let yourself write to {instance.folder}"
        return warning(
            "permissions", f"{instance.folder} cannot be written to: no cache, no spool", hint
        )
    return ok("permissions", "the database and the instance's folder can be written to")


def _secrecy(instance: Instance) -> Finding:
    """Whether others can read a file that may hold a password, or all that the registry holds."""
    settings = instance.folder / SETTINGS
    holds = make_url(instance.db.url).password is not None
    if holds and settings.is_file() and settings.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return warning(
            "secrecy",
            f"others can read {settings}, and it holds a password",
            f"chmod 600 {settings}",
        )
    wide = _readable_by_others(instance)
    if wide is not None:
        hint = "lamin init --shared=private narrows it, --shared=group is for a team"
        return warning(
            "secrecy", f"others can read {wide}: parameters, source code and events", hint
        )
    return ok("secrecy", f"no password lies open; shared: {sharing_of(instance.folder)}")


def _readable_by_others(instance: Instance) -> Path | None:
    """The database or the folder of the instance, where it was not shared on purpose; older versions made it so."""
    url = make_url(instance.db.url)
    is_server = not instance.db.url.startswith("sqlite")
    if (
        not instance.folder.is_dir()
        or is_server
        or not url.database
        or not is_wide(instance.folder)
    ):
        return None
    file = Path(url.database)
    readable = file.is_file() and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    return file if readable else instance.folder


def _network(url: URL) -> Iterator[Finding]:
    """Whether SQLite works on a file system over a network, where its locks are none."""
    path = url.database
    if url.get_backend_name() != "sqlite" or path is None:
        return
    kind = file_system(Path(path), _mounts())
    if kind in _NETWORK:
        hint = "put the database on a local disk, or use PostgreSQL"
        yield failure("file system", f"{path} is on {kind}, on which SQLite can lose data", hint)
    else:
        yield ok("file system", kind or "unknown")


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def file_system(path: Path, mounts: str) -> str | None:
    """The kind of file system that a path is on, by the text of /proc/mounts.

    >>> file_system(Path("/team/x/a.db"), "/dev/sda / ext4 rw 0 0\\nserver:/x /team nfs4 rw 0 0\\n")
    'nfs4'
    """
    entries = [line.split() for line in mounts.splitlines() if len(line.split()) > 2]
    above = {str(folder) for folder in (path, *path.parents)}
    holding = [(where.replace("\\040", " "), kind) for _, where, kind, *_ in entries]
    return max(
        ((len(where), kind) for where, kind in holding if where in above), default=(0, None)
    )[1]
