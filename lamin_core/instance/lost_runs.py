"""Runs without an end whose process no longer exists."""

from __future__ import annotations

import contextlib

from sqlalchemy import ColumnElement, select

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.errors import ReadOnly
from lamin_core.models import Run
from lamin_core.runtime import process
from lamin_core.runtime.process import Process


def find_lost(database: Database) -> int:
    """Mark runs of this machine whose process no longer exists as lost; return their number.

    One statement where there is none.
    """
    under_way = select(Run.id, Run.host, Run.pid, Run.process_birth).where(
        Run.status == RunStatus.RUNNING, Run.host == process.host(), Run.pid.is_not(None)
    )
    with database.reading() as session:
        gone = [
            row.id
            for row in session.execute(under_way)
            if Process(row.host, row.pid, row.process_birth).is_gone()
        ]
    if gone:
        with contextlib.suppress(ReadOnly):
            mark_lost(
                database, Run.id.in_(gone), "the process ended without reporting the end of its run"
            )
    return len(gone)


def mark_lost(database: Database, condition: ColumnElement[bool], reason: str) -> None:
    """Mark running runs that meet the condition as lost, with this reason."""
    under_way = select(Run).where(condition, Run.status == RunStatus.RUNNING)
    with database.writing() as session:
        for run in session.scalars(under_way):
            run.status, run.error = RunStatus.LOST, reason
