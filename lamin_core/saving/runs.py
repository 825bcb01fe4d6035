"""Write runs that Python tracks."""

from __future__ import annotations

from lamin_core.enums import RunStatus
from lamin_core.models import Run, now
from lamin_core.models.arguments import RunArguments, arguments_of
from lamin_core.runtime import process
from lamin_core.saving.records import SavingInstance
from lamin_core.uids import new_run_id, run_uid


def save_run(instance: SavingInstance, run: Run) -> Run:
    """Start the run, or note that it is scheduled."""
    by = arguments_of(run, RunArguments).process or process.current()
    run.external_id = new_run_id()
    run.uid = run_uid(run.external_id)
    run.engine, run.origin, run.cached, run.attempt = run.engine or "python", "api", False, 1
    run.created_at = now()
    run.started_at = None if run.status == RunStatus.SCHEDULED else run.created_at
    run.created_by_id, run.host, run.pid, run.process_birth = (
        instance.user_id,
        by.host,
        by.pid,
        by.birth,
    )
    with instance.db.writing() as session:
        session.add(run)
    return run
