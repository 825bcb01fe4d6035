"""Find the parent run: named by the environment, or by an ancestor process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.models import Run, Transform, TransformSeries, blank, now
from lamin_core.runtime import process
from lamin_core.runtime.parent_context import PARENT_UID, Parent
from lamin_core.uids import derived_uid, run_uid, version_suffix

logger = logging.getLogger("lamin")
SHELL = "shell"
"""The engine of scripts that `lamin track` tracks."""


def name_of(run: Run) -> Parent:
    """What processes that the run starts know it by."""
    assert run.transform is not None  # a run has one
    return Parent(run.transform.namespace, run.transform.key, run.external_id)


def run_above(database: Database, named: Parent | str | None) -> Run | None:
    """The run with this name or uid; where nothing is named, that of the tracked shell script we are called in."""
    if isinstance(named, Parent):
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


def _run_named(database: Database, parent: Parent) -> Run:
    """The run that an engine has named; where its events are still on their way, a stub that they will fill."""
    with database.reading() as session:
        run = session.scalar(select(Run).where(Run.external_id == parent.run_id))
    if run is not None:
        return run
    with database.writing() as session:
        run = session.scalar(select(Run).where(Run.external_id == parent.run_id))
        return run or _stub(session, parent)


def _stub(session: Session, parent: Parent) -> Run:
    stub = blank(
        Run,
        uid=run_uid(parent.run_id),
        external_id=parent.run_id,
        root_run_id=None if parent.root is None else parent.root.run_id,
        transform_id=_unknown_version(session, parent).id,
        engine=parent.namespace,
        status=RunStatus.SCHEDULED,
        cached=False,
        attempt=1,
        origin="stub",
        created_at=now(),
    )
    session.add(stub)
    session.flush()
    return stub


def _unknown_version(session: Session, parent: Parent) -> Transform:
    """The version of the job whose code nobody has shown."""
    where = TransformSeries.namespace == parent.namespace, TransformSeries.key == parent.name
    series = session.scalar(select(TransformSeries).where(*where))
    if series is None:
        stem = derived_uid(12, "transform", parent.namespace, parent.name)
        series = TransformSeries(stem=stem, namespace=parent.namespace, key=parent.name)
        session.add(series)
        session.flush()
    versions = select(Transform).where(Transform.series_id == series.id)
    version = session.scalar(versions.where(Transform.is_latest))
    if version is None:
        version = blank(
            Transform,
            uid=series.stem + version_suffix(0),
            series_id=series.id,
            number=0,
            is_latest=True,
            key=parent.name,
            namespace=parent.namespace,
            kind="pipeline",
            origin="event",
            created_at=now(),
        )
        session.add(version)
        session.flush()
    return version
