"""Find the parent run: named by the environment, or by an ancestor process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.ingest import new_rows
from lamin_core.ingest.transforms import unknown_version
from lamin_core.models import Run, blank, now
from lamin_core.runtime import process
from lamin_core.runtime.parent_context import PARENT_UID, RunReference

logger = logging.getLogger("lamin")
SHELL = "shell"
"""The engine of scripts that `lamin track` tracks."""


def name_of(run: Run) -> RunReference:
    """The reference to the run for the processes that it starts."""
    assert run.transform is not None  # a run has one
    return RunReference(run.external_id, run.transform.namespace, run.transform.key)


def run_above(database: Database, named: RunReference | str | None) -> Run | None:
    """The run with this name or uid; where nothing is named, that of the tracked shell script we are called in."""
    if isinstance(named, RunReference):
        return _run_named(database, named)
    if named is None:
        return run_of_shell(database, process.ancestors(os.getpid()))
    with database.reading() as session:
        run = session.scalar(select(Run).where(Run.uid == named))
    if run is None:
        logger.warning(
            "%s=%s: the registry knows no such run; this one is nobody's child", PARENT_UID, named
        )
    return run


def run_of_shell(database: Database, pids: Iterable[int]) -> Run | None:
    """The run of the first of these processes that `lamin track` was called in, and `lamin finish` was not."""
    births = {process.of(pid).birth: depth for depth, pid in enumerate(pids)}
    tracked = select(Run).where(
        Run.status == RunStatus.RUNNING,
        Run.engine == SHELL,
        Run.host == process.host(),
        Run.process_birth.in_(births),
    )
    with database.reading() as session:
        runs = list(session.scalars(tracked))
    return min(runs, key=lambda run: (births[run.process_birth], -run.id), default=None)


def _run_named(database: Database, parent: RunReference) -> Run:
    """The run that an engine has named; where its events are still on their way, a stub that they will fill."""
    with database.reading() as session:
        run = session.scalar(select(Run).where(Run.external_id == parent.run_id))
    if run is not None:
        return run
    with database.writing() as session:
        run = session.scalar(select(Run).where(Run.external_id == parent.run_id))
        return run or _stub(session, parent)


def _stub(session: Session, parent: RunReference) -> Run:
    at = now()
    version = unknown_version(session, parent.namespace, parent.name, at)
    stub = blank(Run, **new_rows.stub(parent, version, at))
    stub.root_run_id = None if parent.root is None else parent.root.run_id
    session.add(stub)
    session.flush()
    return stub
