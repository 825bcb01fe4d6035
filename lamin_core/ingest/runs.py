"""Writing runs: a row for each, a stub for whoever a run names before its own events come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, select
from sqlalchemy.orm import Session, aliased

from lamin_core.db.statements import insert_rows, parts, reserve, select_in, update_rows
from lamin_core.enums import RunStatus
from lamin_core.ingest.edits import update_unedited
from lamin_core.ingest.facts import JobFacts, RunFacts, RunLink, TransformFacts
from lamin_core.ingest.transforms import TransformBatch, Version, tidy, version_of
from lamin_core.ingest.transforms import write as write_transforms
from lamin_core.models import Run, RunDependency, Transform, now
from lamin_core.models.relations import table_of
from lamin_core.runtime.process import Process
from lamin_core.uids import run_uid as _run_uid

run_uid = lru_cache(maxsize=20_000)(_run_uid)
_PROCESS = ("host", "pid", "process_birth")
_SAID = (
    *(
        "origin",
        "engine",
        "engine_version",
        "name",
        "cached",
        "attempt",
        "status",
        "error",
        "started_at",
    ),
    *("finished_at", "params", "details", "root_run_id", "created_at", "transform_id", "parent_id"),
    *_PROCESS,
)
"""The columns that events decide."""
_ROW = select(
    Run.id,
    Run.external_id,
    *(getattr(Run, name) for name in _SAID),
    Transform.namespace,
    Transform.key,
).join(Transform, Run.transform_id == Transform.id)


def write(
    session: Session,
    reported_runs: Sequence[RunFacts],
    jobs: Iterable[JobFacts] = (),
    written: Mapping[str, RunFacts] = MappingProxyType({}),
) -> tuple[dict[str, int], set[int]]:
    """Write these runs and jobs; the primary key of each run by its run id, and which of them are new.

    `written` is what the registry says already of some of them. Runs that Python tracks stay as
    Python says and are left out of the answer.
    """
    links: dict[str, RunLink] = {}
    for link in (link for facts in reported_runs for link in _links(facts)):
        links[link.run_id] = min(link, links.get(link.run_id, link), key=_job)
    existing = {
        row.external_id: row
        for row in select_in(
            session, _ROW, Run.external_id, {f.run_id for f in reported_runs} | set(links)
        )
    }
    facts = {
        run_facts.run_id: run_facts
        for run_facts in reported_runs
        if run_facts.run_id not in existing or existing[run_facts.run_id].origin != "api"
    }
    stubs = {
        key: link
        for key, link in links.items()
        if key not in facts and (key not in existing or existing[key].origin == "stub")
    }
    heard = _heard(facts.values(), stubs)
    versions, declared = write_transforms(
        session, _wishes(facts.values(), stubs, heard, existing, jobs)
    )
    new_keys = [key for key in _parents_first(facts, stubs) if key not in existing]
    ids = dict(zip(new_keys, reserve(session, Run, len(new_keys)), strict=True)) | {
        key: row.id for key, row in existing.items()
    }
    _insert(session, new_keys, facts, stubs, ids, versions, heard)
    stale_versions, deserted = _update(session, facts, existing, ids, versions)
    stale_versions |= _redate(session, stubs, existing, heard, versions)
    free = {key for key, run_facts in written.items() if not run_facts.dependencies}
    deserted |= _dependencies(session, facts, ids, {*new_keys, *free})
    tidy(session, stale_versions | _forget_stubs(session, deserted), declared)
    return {key: ids[key] for key in facts}, {ids[key] for key in new_keys}


def _job(link: RunLink) -> tuple[str, str]:
    return link.namespace, link.key


def _links(facts: RunFacts) -> list[RunLink]:
    return [*([] if facts.parent is None else [facts.parent]), *facts.dependencies]


def first_at(facts: RunFacts) -> datetime:
    """When anything was first heard of the run."""
    return facts.first_at or facts.started_at or facts.finished_at or now()


def _heard(reported_runs: Iterable[RunFacts], stubs: Collection[str]) -> dict[str, datetime]:
    """When each stub was first spoken of."""
    heard: dict[str, datetime] = {}
    for facts in reported_runs:
        at = first_at(facts)
        for link in _links(facts):
            if link.run_id in stubs:
                heard[link.run_id] = min(at, heard.get(link.run_id, at))
    return heard


def _wishes(
    reported_runs: Iterable[RunFacts],
    stubs: Mapping[str, RunLink],
    heard: Mapping[str, datetime],
    existing: Mapping[str, Any],
    jobs: Iterable[JobFacts],
) -> TransformBatch:
    wishes = TransformBatch()
    for facts in reported_runs:
        for named, at in facts.versions:
            wishes.want(named, at)
        if (
            version_of(facts.transform) not in wishes.versions
            or facts.transform.source_hash is None
        ):
            wishes.want(facts.transform, first_at(facts))
        for key, facets in facts.job_facets.items():
            wishes.say(key, facets)
    for run_id, link in stubs.items():
        if run_id not in existing or _job(link) < (
            existing[run_id].namespace,
            existing[run_id].key,
        ):
            wishes.want(TransformFacts(link.namespace, link.key), heard[run_id])
    for job in jobs:
        wishes.declare(job)
    return wishes


def _parents_first(facts: Mapping[str, RunFacts], stubs: Mapping[str, RunLink]) -> list[str]:
    """Stubs, then runs, each after its parent, so that every parent is there when it is named."""
    ordered = dict.fromkeys(stubs)
    for key in facts:
        chain = []
        at: str | None = key
        while at is not None and at in facts and at not in ordered and at not in chain:
            chain.append(at)
            parent = facts[at].parent
            at = None if parent is None else parent.run_id
        ordered |= dict.fromkeys(reversed(chain))
    return list(ordered)


def _insert(
    session: Session,
    new_keys: Sequence[str],
    facts: Mapping[str, RunFacts],
    stubs: Mapping[str, RunLink],
    ids: Mapping[str, int],
    versions: Mapping[Version, int],
    heard: Mapping[str, datetime],
) -> None:
    rows, seen, circular = [], {key for key in ids if key not in new_keys}, []
    for key in new_keys:
        if key in facts:
            values = _values(facts[key], ids, versions)
            parent = facts[key].parent
            if (
                parent is not None and parent.run_id not in seen
            ):  # each is said to be above the other
                circular.append({"id": ids[key], "parent_id": values["parent_id"]})
                values["parent_id"] = None
        else:
            values = _stub(stubs[key], versions, heard[key])
        rows.append({"id": ids[key], "uid": run_uid(key), "external_id": key, **values})
        seen.add(key)
    insert_rows(session, Run, rows)
    update_rows(session, Run, circular)


def _values(
    facts: RunFacts, ids: Mapping[str, int], versions: Mapping[Version, int]
) -> dict[str, object]:
    return {
        "origin": "event",
        "engine": facts.engine,
        "engine_version": facts.engine_version,
        "name": facts.name,
        "cached": facts.cached,
        "attempt": facts.attempt,
        "status": str(facts.status),
        "error": facts.error,
        "started_at": facts.started_at,
        "finished_at": facts.finished_at,
        "params": None if facts.params is None else dict(facts.params),
        "details": None if facts.details is None else dict(facts.details),
        "root_run_id": None if facts.root is None else facts.root.run_id,
        "created_at": first_at(facts),
        "transform_id": versions[version_of(facts.transform)],
        "parent_id": None if facts.parent is None else ids[facts.parent.run_id],
        **_process(facts.process),
    }


def _process(process: Process | None) -> dict[str, object]:
    if process is None:
        return dict.fromkeys(_PROCESS)
    return {"host": process.host, "pid": process.pid, "process_birth": process.birth}


def _stub(link: RunLink, versions: Mapping[Version, int], at: datetime) -> dict[str, object]:
    nothing: dict[str, Any] = dict.fromkeys(_SAID)
    return nothing | {
        "origin": "stub",
        "engine": link.namespace[:64],
        "cached": False,
        "attempt": 1,
        "status": str(RunStatus.RUNNING),
        "created_at": at,
        "transform_id": versions[version_of(TransformFacts(link.namespace, link.key))],
    }


def _update(
    session: Session,
    facts: Mapping[str, RunFacts],
    existing: Mapping[str, Any],
    ids: Mapping[str, int],
    versions: Mapping[Version, int],
) -> tuple[set[int], set[int]]:
    """Bring the rows of runs up to date; the versions of transforms, and the parents, that some of them have left."""
    changes, stale_versions, deserted = [], set(), set()
    for key, run_facts in facts.items():
        row = existing.get(key)
        if row is None:
            continue
        values = _values(run_facts, ids, versions)
        if _stays_lost(row, values):
            values |= {"status": row.status, "error": row.error}
        if any(getattr(row, name) != value for name, value in values.items()):
            changes.append({"id": row.id, **values})
        if row.transform_id != values["transform_id"] or row.created_at != values["created_at"]:
            stale_versions.add(row.transform_id)
        if row.parent_id is not None and row.parent_id != values["parent_id"]:
            deserted.add(row.parent_id)
    update_unedited(session, Run, changes)
    return stale_versions, deserted


def _stays_lost(row: Any, values: Mapping[str, Any]) -> bool:
    """Whether all that is new of a run that was found lost was told before its process was gone."""
    is_open = values["status"] in (RunStatus.RUNNING, RunStatus.SCHEDULED)
    return (
        is_open
        and row.status == RunStatus.LOST
        and all(getattr(row, name) == values[name] for name in _PROCESS)
    )


def _redate(
    session: Session,
    stubs: Mapping[str, RunLink],
    existing: Mapping[str, Any],
    heard: Mapping[str, datetime],
    versions: Mapping[Version, int],
) -> set[int]:
    """Stubs that were spoken of earlier, or by another name, than known; the versions that this touches."""
    changes, stale_versions = [], set()
    for key, link in stubs.items():
        row = existing.get(key)
        if row is None:
            continue
        values = {
            "created_at": min(heard[key], row.created_at),
            "transform_id": row.transform_id,
            "engine": row.engine,
        }
        if _job(link) < (row.namespace, row.key):
            values["transform_id"] = versions[version_of(TransformFacts(link.namespace, link.key))]
            values["engine"] = link.namespace[:64]
        if any(getattr(row, name) != value for name, value in values.items()):
            changes.append({"id": row.id, **values})
            stale_versions.add(row.transform_id)
    update_rows(session, Run, changes)
    return stale_versions


def _dependencies(
    session: Session, facts: Mapping[str, RunFacts], ids: Mapping[str, int], free: Collection[str]
) -> set[int]:
    """What each run waited for; the runs that some no longer say they waited for. `free` waited for none so far."""
    dependencies = {
        (ids[key], ids[link.run_id], link.role or "order")
        for key, run_facts in facts.items()
        for link in run_facts.dependencies
        if link.run_id != key
    }
    old = [ids[key] for key in facts if key not in free]
    existing = {tuple(row) for row in select_in(session, _WAITS, RunDependency.run_id, old)}
    gone, rows = existing - dependencies, sorted(dependencies - existing)
    for row in gone:
        session.connection().execute(
            delete(RunDependency).where(_IS_DEPENDENCY), dict(zip(_DEPENDENCY, row, strict=True))
        )
    insert_rows(
        session,
        RunDependency,
        [{"run_id": run, "source_id": source, "role": role} for run, source, role in rows],
    )
    return {source for _, source, _ in gone}


_WAITS = select(RunDependency.run_id, RunDependency.source_id, RunDependency.role)
_DEPENDENCY = ("run", "source", "why")
_IS_DEPENDENCY = and_(
    RunDependency.run_id == bindparam("run"),
    RunDependency.source_id == bindparam("source"),
    RunDependency.role == bindparam("why"),
)


def _forget_stubs(session: Session, ids: Collection[int]) -> set[int]:
    """Drop those of these stubs that nobody names any more, and date the others anew; the versions they were of."""
    if not ids:
        return set()
    child, waiting = aliased(Run), aliased(Run)
    named = exists().where(child.parent_id == Run.id) | exists().where(
        RunDependency.source_id == Run.id
    )
    stubs = select(Run.id, Run.transform_id, Run.created_at, named.label("named")).where(
        Run.origin == "stub"
    )
    rows = list(select_in(session, stubs, Run.id, ids))
    if not rows:
        return set()
    dates: defaultdict[int, list[datetime]] = defaultdict(list)
    below = select(child.parent_id, func.min(child.created_at)).group_by(child.parent_id)
    after = select(RunDependency.source_id, func.min(waiting.created_at)).join(
        waiting, RunDependency.run_id == waiting.id
    )
    named_ids = [row.id for row in rows if row.named]
    for identity, at in [
        *select_in(session, below, child.parent_id, named_ids),
        *select_in(
            session, after.group_by(RunDependency.source_id), RunDependency.source_id, named_ids
        ),
    ]:
        dates[identity].append(at)
    previous_dates = {row.id: row.created_at for row in rows}
    update_rows(
        session,
        Run,
        [{"id": i, "created_at": min(t)} for i, t in dates.items() if min(t) != previous_dates[i]],
    )
    for part in parts([row.id for row in rows if not row.named]):
        session.connection().execute(delete(table_of(Run)).where(table_of(Run).c.id.in_(part)))
    return {
        row.transform_id for row in rows if not row.named or min(dates[row.id]) != row.created_at
    }
