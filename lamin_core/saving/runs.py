"""How transforms and runs that people make are saved."""

from __future__ import annotations

import os
import socket
from functools import cache

from blake3 import blake3

from lamin_core.lineage.facts import TransformFacts
from lamin_core.lineage.recording import transform_for
from lamin_core.models import (
    Run,
    Transform,
    now,
)
from lamin_core.saving.place import Place, adopt
from lamin_core.uids import new_run_id, run_uid


def save_transform(place: Place, transform: Transform) -> Transform:
    """Write the transform, or find the version with this source."""
    source = transform.source_code
    facts = TransformFacts(
        namespace=transform.namespace,
        key=transform.key,
        kind=transform.kind,
        source=source,
        source_hash=None if source is None else blake3(source.encode()).hexdigest(),
        language=transform.language,
        description=transform.description,
        reference=transform.reference,
        reference_type=transform.reference_type,
    )
    user = place.user_id
    with place.db.writing() as session:
        row = transform_for(session, facts, now(), origin="api")
        row.origin, row.created_by_id = "api", row.created_by_id or user
        session.flush()
    adopted: Transform = adopt(transform, row)
    return adopted


def save_run(place: Place, run: Run) -> Run:
    """Start the run."""
    user = place.user_id
    run.external_id = new_run_id()
    run.uid = run_uid(run.external_id)
    run.engine, run.origin, run.cached, run.attempt = run.engine or "python", "api", False, 1
    run.started_at = run.created_at = now()
    run.created_by_id, run.host, run.pid = user, host(), os.getpid()
    with place.db.writing() as session:
        session.add(run)
    return run


@cache
def host() -> str:
    """The name of this machine."""
    return socket.gethostname()
