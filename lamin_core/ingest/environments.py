"""Environments in events: each different one is stored once, like the environments of tracked runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_rows, reserve, select_in, update_rows
from lamin_core.models import Environment, Run, now
from lamin_core.runtime.environment import EnvironmentFacts
from lamin_core.uids import derived_uid

_HASHES = select(Environment.id, Environment.hash)
_OF_RUNS = select(Run.id, Run.environment_id)


def tie_environments(session: Session, environments: Mapping[int, EnvironmentFacts | None]) -> None:
    """Give each of these runs, by primary key, its environment."""
    ids = _stored(session, [facts for facts in environments.values() if facts is not None])
    changes = []
    for row in select_in(session, _OF_RUNS, Run.id, environments):
        facts = environments[row.id]
        environment_id = None if facts is None else ids[facts.hash]
        if row.environment_id != environment_id:
            changes.append({"id": row.id, "environment_id": environment_id})
    update_rows(session, Run, changes)


def _stored(session: Session, environments: Iterable[EnvironmentFacts]) -> dict[str, int]:
    """The primary key of each environment by its hash, made where it is new."""
    facts_by_hash = {facts.hash: facts for facts in environments}
    rows = select_in(session, _HASHES, Environment.hash, facts_by_hash)
    existing = {row.hash: row.id for row in rows}
    missing = sorted(set(facts_by_hash) - set(existing))
    created = dict(zip(missing, reserve(session, Environment, len(missing)), strict=True))
    insert_rows(
        session,
        Environment,
        [_row(identity, facts_by_hash[value]) for value, identity in created.items()],
    )
    return existing | created


def _row(identity: int, facts: EnvironmentFacts) -> dict[str, object]:
    return {
        "id": identity,
        "uid": derived_uid(16, "environment", facts.hash),
        "hash": facts.hash,
        "python": facts.python,
        "platform": facts.platform,
        "packages": facts.packages,
        "conda": facts.conda or None,
        "locks": facts.locks or None,
        "created_at": now(),
    }
