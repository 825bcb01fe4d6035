"""Files that are there, but that no run has named: which runs were at work when such a file was written."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lamin_core.errors import Hint, NotFound
from lamin_core.models import Run, Transform

_SHOWN = 3
_SLACK = timedelta(seconds=1)
"""The tolerance in seconds between the clocks of file systems and machines."""


def not_registered(session: Session, path: str, error: NotFound) -> NotFound:
    """The error for a file that exists without being registered, and what to type so that the next run names it."""
    at_work = _runs_at_work(session, datetime.fromtimestamp(os.stat(path).st_mtime, UTC))
    runs = ", ".join(f"{run.uid} of {key}" for run, key in at_work[:_SHOWN])
    more = " and others" if len(at_work) > _SHOWN else ""
    when = (
        f"when it was written, these runs were at work: {runs}{more}"
        if runs
        else "no run was at work when it was written"
    )
    advice = Hint(
        f"ln.Artifact({path!r}).save() in the run that writes it, or ln.track() before it is written",
        command=f"lamin run --watch PROGRAM, or --output {shlex.quote(path)}; else lamin save {shlex.quote(path)}",
    )
    return NotFound(
        f"{error.message}: the file exists, but no run has named it; {when}", hint=advice
    )


def _runs_at_work(session: Session, written_at: datetime) -> list[tuple[Run, str | None]]:
    """Runs between whose start and end this time is, the latest first; at most a few."""
    query = (
        select(Run, Transform.key)
        .join(Transform, Transform.id == Run.transform_id)
        .where(
            Run.started_at <= written_at + _SLACK,
            or_(Run.finished_at.is_(None), Run.finished_at >= written_at - _SLACK),
        )
        .order_by(Run.started_at.desc(), Run.id.desc())
        .limit(_SHOWN + 1)
    )
    return [(run, key) for run, key in session.execute(query)]
