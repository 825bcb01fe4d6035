"""Start a run of Python, with its parameters, its environment and the commit of its code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select

from lamin_core.instance.instance import Instance
from lamin_core.models import Environment, Run, Transform
from lamin_core.runtime import current
from lamin_core.runtime.environment import current_environment
from lamin_core.tracking.code import script
from lamin_core.tracking.noted_files import watch_run
from lamin_core.tracking.params import masked_params
from lamin_core.uids import random_uid


def instance() -> Instance:
    """The instance of this process, which tracks from now on. Raises `InstanceNotFound`."""
    current.note_job()
    return cast(Instance, current.current_instance())


def begun(
    where: Instance,
    transform: Transform,
    *,
    params: dict[str, Any] | None,
    parent: Run | None,
    details: dict[str, Any] | None = None,
    **facts: Any,
) -> Run:
    """A run of this transform that starts now."""
    run = Run(transform, params=masked_params(params), parent=parent, **facts)
    run.details = details
    run.engine, run.engine_version = "python", sys.version.split()[0]
    run.environment_id = environment_id(where, project_folder())
    Run.transform.remember(run, transform)
    saved = run.save()
    watch_run(where, saved)
    return saved


def project_folder() -> Path:
    """The folder of the script, or the folder in which Python was started."""
    file = script()
    return Path.cwd() if file is None else Path(file).absolute().parent


_environments: dict[tuple[str, Path], int] = {}


def environment_id(where: Instance, project: Path) -> int:
    """The primary key of what is installed here, stored once for each different set."""
    if (where.uid, project) not in _environments:
        _environments[where.uid, project] = _stored_environment(where, project)
    return _environments[where.uid, project]


def _stored_environment(where: Instance, project: Path) -> int:
    facts = current_environment(project)
    same = select(Environment.id).where(Environment.hash == facts.hash)
    with where.db.reading() as session:
        existing = session.scalar(same)
    if existing is not None:
        return existing
    with where.db.writing() as session:
        existing = session.scalar(same)
        return existing or _added(session, facts)


def _added(session: Any, facts: Any) -> int:
    row = Environment(
        uid=random_uid(16), hash=facts.hash, python=facts.python, platform=facts.platform
    )
    row.packages, row.conda, row.locks = facts.packages, facts.conda or None, facts.locks or None
    session.add(row)
    session.flush()
    return row.id
