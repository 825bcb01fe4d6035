"""Checks of this machine and of the instance. Each one reports ok, warning or failure, and what to type.

No check raises, and none changes anything that stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy.orm import Session

from lamin_core.admin.doctor import database, machine, storage
from lamin_core.admin.doctor.finding import Finding, failure, ok
from lamin_core.errors import LaminError
from lamin_core.instance.instance import Instance
from lamin_core.runtime.paths import locate_instance

__all__ = ["Finding", "examine", "glance"]


def examine() -> list[Finding]:
    """All checks, of this machine and of the instance that is at work here."""
    return [*machine.checks(), *_instance()]


def glance(session: Session) -> list[Finding]:
    """The checks that take a moment: of the database that is open, and of events that wait on this machine."""
    findings = list(database.quick_checks(session))
    if session.get_bind().dialect.name == "sqlite":
        findings.append(machine.sqlite(sqlite3.sqlite_version_info))
    return [*findings, machine.spool(), machine.refused_events()]


def _instance() -> Iterator[Finding]:
    try:
        located = locate_instance()
        if located is None:
            yield failure("instance", "none here or above", "lamin init --storage ./data")
            return
        instance = Instance.located(located, check=False)
    except LaminError as error:
        yield failure("instance", error.message, error.hint or "lamin init --storage ./data")
        return
    yield ok("instance", f"{located.folder} (by {located.origin})")
    try:
        findings = list(database.checks(instance))
        yield from findings
        if all(finding.status != "failure" for finding in findings if finding.check == "database"):
            yield from storage.checks(instance)  # it is the database that knows where it is
    finally:
        instance.db.dispose()
