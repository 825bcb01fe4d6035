"""Start and end runs that Python tracks, find their parents, and end lost runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import func, select, update

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.instance.lost_runs import find_lost, mark_lost
from lamin_core.models import Run, RunReport, now
from lamin_core.models.checks import storable
from lamin_core.runtime import process
from lamin_core.runtime.parent_context import RunReference
from lamin_core.runtime.redaction import redact_text
from lamin_core.saving.parent_run import run_above

# Whoever says how a run ended knows better than we, who only missed its process.
_OPEN = (RunStatus.SCHEDULED, RunStatus.RUNNING, RunStatus.LOST)
_STATE = tuple(
    getattr(Run, name)
    for name in ("status", "started_at", "finished_at", "error", "host", "pid", "process_birth")
)


class RunService:
    """Start and end runs that no event describes, on one instance: `ln.connect().runs`."""

    def __init__(
        self, database: Database, before_looking: Callable[[], None] | None = None
    ) -> None:
        self._database = database
        self._before_looking = before_looking
        """Records events that wait in the spool."""
        self._above: dict[RunReference | str | None, Run | None] = {}

    def above(self, named: RunReference | str | None) -> Run | None:
        """Return the run that an engine names, or the run of the shell script that started this process."""
        if named not in self._above:
            self._above[named] = run_above(self._database, named)
        return self._above[named]

    def start(self, run: Run) -> Run:
        """Start a scheduled run now; a run that has started stays unchanged."""
        with self._database.writing() as session:
            row = session.get_one(Run, run.id)
            if row.status == RunStatus.SCHEDULED:
                row.status, row.started_at = RunStatus.RUNNING, now()
        return _copied(run, row)

    def resume(self, run: Run) -> Run:
        """Continue a run that has ended, in this process."""
        by = process.current()
        with self._database.writing() as session:
            row = session.get_one(Run, run.id)
            row.status, row.finished_at, row.error = RunStatus.RUNNING, None, None
            row.host, row.pid, row.process_birth = by.host, by.pid, by.birth
        return _copied(run, row)

    def end(self, run: Run, status: RunStatus, error: BaseException | str | None) -> Run:
        """End a run that Python tracks; a run that has ended stays unchanged."""
        at = now()
        closing = (
            update(Run)
            .where(Run.id == run.id, Run.status.in_(_OPEN))
            .values(
                status=status,
                finished_at=at,
                started_at=func.coalesce(Run.started_at, at),
                error=_message(error),
            )
            .returning(*_STATE)
            .execution_options(synchronize_session=False)
        )
        with self._database.writing() as session:
            row = (
                session.execute(closing).one_or_none()
                or session.execute(select(*_STATE).where(Run.id == run.id)).one()
            )
        return _copied(run, row)

    def find_lost(self) -> int:
        """Mark runs of this machine whose process no longer exists as lost; return their number."""
        if self._before_looking is not None:
            self._before_looking()
        return find_lost(self._database)

    def give_up(self, before: datetime) -> None:
        """Mark runs that began before this time, and are under way for all that is known, as lost."""
        began = func.coalesce(Run.started_at, Run.created_at)
        reason = f"no end was heard of since {before:%Y-%m-%d %H:%M} UTC"
        mark_lost(self._database, began < before, reason)

    def set_report(self, run: Run, artifact_id: int) -> None:
        """Set the report of the run; it replaces an earlier one."""
        with self._database.writing() as session:
            session.merge(RunReport(run_id=run.id, artifact_id=artifact_id))


def _copied(run: Run, row: object) -> Run:
    for column in _STATE:
        run.__dict__[column.key] = getattr(row, column.key)
    return run


def _message(error: BaseException | str | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, str):
        return redact_text(storable(error))
    try:
        text = str(error)
    except Exception:  # an exception whose own text fails
        text = ""
    return redact_text(
        storable(f"{type(error).__name__}: {text}" if text else type(error).__name__)
    )
