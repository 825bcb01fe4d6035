"""Write runs: a row for each, and a stub for each run that is named before its own events arrive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from lamin_core.db.statements import (
    insert_missing_rows,
    insert_rows,
    parts,
    reserve,
    select_in,
    update_rows,
)
from lamin_core.enums import RunStatus
from lamin_core.ingest import new_rows
from lamin_core.ingest.declared_jobs import tidy
from lamin_core.ingest.edits import update_unedited
from lamin_core.ingest.facts import (
    JobFacts,
    ReadJob,
    RunFacts,
    TransformFacts,
    nothing_said,
)
from lamin_core.ingest.run_names import Renaming, RunNames, names_to_load
from lamin_core.ingest.transform_batch import TransformBatch, Version, version_of
from lamin_core.ingest.transforms import write as write_transforms
from lamin_core.models import Run, RunDependency, Transform, now
from lamin_core.models.tables import table_of
from lamin_core.runtime.parent_context import RunReference
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
    read_job: ReadJob = nothing_said,
) -> tuple[dict[str, int], set[int]]:
    """Write these runs and jobs; the primary key of each run by its run id, and which of them are new.

    `written` is what the registry says already of some of them. Runs that Python tracks stay as
    Python says and are left out of the answer.
    """
    links = [link for facts in reported_runs for link in _links(facts)]
    reported = {run_facts.run_id: run_facts for run_facts in reported_runs}
    loaded = select_in(session, _ROW, Run.external_id, names_to_load(reported, links))
    existing = {row.external_id: row for row in loaded}
    facts = {
        name: run_facts
        for name, run_facts in reported.items()
        if name not in existing or existing[name].origin != "api"
    }
    names = RunNames(facts, existing, links)
    renamed_versions = _rename(session, names.renaming)
    stubs: dict[str, RunReference] = {}
    for link in links:
        name = names.name_of(link)
        if name not in facts and (name not in existing or existing[name].origin == "stub"):
            stubs[name] = link
    heard = _heard(facts.values(), stubs, names)
    versions, declared = write_transforms(
        session, _transform_batch(facts.values(), stubs, heard, existing, jobs), read_job
    )
    new_keys = [key for key in _parents_first(facts, stubs, names) if key not in existing]
    ids = dict(zip(new_keys, reserve(session, Run, len(new_keys)), strict=True)) | {
        key: row.id for key, row in existing.items()
    }
    values = {
        key: _values(run_facts, _parent_id(run_facts, names, ids), versions)
        for key, run_facts in facts.items()
    }
    new_stubs = {key: stubs[key] for key in new_keys if key in stubs}
    _insert(session, new_keys, _stub_values(new_stubs, versions, heard) | values, ids)
    stale_versions, deserted = _update(session, values, existing)
    stale_versions |= renamed_versions
    stale_versions |= _redate(session, stubs, existing, heard, versions)
    free = {key for key, run_facts in written.items() if not run_facts.dependencies}
    deserted |= _dependencies(session, facts, names, ids, {*new_keys, *free})
    tidy(session, stale_versions | _forget_stubs(session, deserted), declared, read_job)
    return {key: ids[key] for key in facts}, {ids[key] for key in new_keys}


def _job_of(row: Any) -> str:
    return f"{row.namespace}/{row.key}"


def _links(facts: RunFacts) -> list[RunReference]:
    return [
        *([] if facts.parent is None else [facts.parent]),
        *(dependency.on for dependency in facts.dependencies),
    ]


def first_at(facts: RunFacts) -> datetime:
    """The time of the first event about the run."""
    return facts.first_at or facts.started_at or facts.finished_at or now()


def _rename(session: Session, renaming: Renaming) -> set[int]:
    """Give rows of stubs their new names, and join those that turned out to be runs; the versions that are left."""
    changes = [
        {"id": identity, "external_id": name, "uid": run_uid(name)}
        for identity, name in renaming.names.items()
    ]
    update_rows(session, Run, changes)
    for old, new in renaming.merged.items():
        _join(session, old, new)
    return renaming.stale_versions


def _join(session: Session, stub_id: int, run_id: int) -> None:
    """The stub is this run: its children are the children of the run."""
    connection = session.connection()
    run, dependency = table_of(Run), table_of(RunDependency)
    connection.execute(update(run).where(run.c.parent_id == stub_id).values(parent_id=run_id))
    waits = select(dependency.c.run_id, dependency.c.role).where(dependency.c.source_id == stub_id)
    rows = [
        {"run_id": waiting_id, "source_id": run_id, "role": role}
        for waiting_id, role in connection.execute(waits)
    ]
    insert_missing_rows(session, dependency, rows)
    connection.execute(delete(dependency).where(dependency.c.source_id == stub_id))
    connection.execute(delete(run).where(run.c.id == stub_id))


def _parent_id(facts: RunFacts, names: RunNames, ids: Mapping[str, int]) -> int | None:
    if facts.parent is None:
        return None
    name = names.name_of(facts.parent)
    return None if name == facts.run_id else ids[name]


def _heard(
    reported_runs: Iterable[RunFacts], stubs: Collection[str], names: RunNames
) -> dict[str, datetime]:
    """The time at which an event first named each stub."""
    heard: dict[str, datetime] = {}
    for facts in reported_runs:
        at = first_at(facts)
        for link in _links(facts):
            name = names.name_of(link)
            if name in stubs:
                heard[name] = min(at, heard.get(name, at))
    return heard


def _transform_batch(
    reported_runs: Iterable[RunFacts],
    stubs: Mapping[str, RunReference],
    heard: Mapping[str, datetime],
    existing: Mapping[str, Any],
    jobs: Iterable[JobFacts],
) -> TransformBatch:
    batch = TransformBatch()
    for facts in reported_runs:
        for named, at in facts.versions:
            batch.request(named, at)
        if version_of(facts.transform) not in batch.versions or facts.transform.source_hash is None:
            batch.request(facts.transform, first_at(facts))
        for key, facets in facts.job_facets.items():
            batch.add_facets(key, facets)
    for run_id, link in stubs.items():
        if run_id not in existing or link.job != _job_of(existing[run_id]):
            batch.request(TransformFacts(link.namespace, link.name), heard[run_id])
    for job in jobs:
        batch.declare(job)
    return batch


def _parents_first(
    facts: Mapping[str, RunFacts], stubs: Mapping[str, RunReference], names: RunNames
) -> list[str]:
    """Stubs, then runs, each after its parent, so that every parent is there when it is named."""
    ordered = dict.fromkeys(stubs)
    for key in facts:
        chain = []
        at: str | None = key
        while at is not None and at in facts and at not in ordered and at not in chain:
            chain.append(at)
            parent = facts[at].parent
            at = None if parent is None else names.name_of(parent)
        ordered |= dict.fromkeys(reversed(chain))
    return list(ordered)


def _insert(
    session: Session,
    new_keys: Sequence[str],
    values: Mapping[str, dict[str, object]],
    ids: Mapping[str, int],
) -> None:
    rows, circular = [], []
    written = {identity for key, identity in ids.items() if key not in new_keys}
    for key in new_keys:
        row = {**values[key], "id": ids[key], "uid": run_uid(key), "external_id": key}
        parent_id = row["parent_id"]
        if parent_id is not None and parent_id not in written:  # each is said to be above the other
            circular.append({"id": ids[key], "parent_id": parent_id})
            row["parent_id"] = None
        rows.append(row)
        written.add(ids[key])
    insert_rows(session, Run, rows)
    update_rows(session, Run, circular)


def _values(
    facts: RunFacts, parent_id: int | None, versions: Mapping[Version, int]
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
        "parent_id": parent_id,
        **_process(facts.process),
    }


def _process(process: Process | None) -> dict[str, object]:
    if process is None:
        return dict.fromkeys(_PROCESS)
    return {"host": process.host, "pid": process.pid, "process_birth": process.birth}


def _stub_values(
    stubs: Mapping[str, RunReference],
    versions: Mapping[Version, int],
    heard: Mapping[str, datetime],
) -> dict[str, dict[str, object]]:
    nothing: dict[str, Any] = dict.fromkeys(_SAID)
    values = {}
    for name, link in stubs.items():
        unknown = TransformFacts(link.namespace, link.name)
        values[name] = nothing | new_rows.stub(link, versions[version_of(unknown)], heard[name])
    return values


def _update(
    session: Session, values_by_key: Mapping[str, dict[str, object]], existing: Mapping[str, Any]
) -> tuple[set[int], set[int]]:
    """Bring the rows of runs up to date; the versions of transforms, and the parents, that some of them have left."""
    changes, stale_versions, deserted = [], set(), set()
    for key, values in values_by_key.items():
        row = existing.get(key)
        if row is None:
            continue
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
    """Whether all new facts of a lost run were sent before its process ended."""
    is_open = values["status"] in (RunStatus.RUNNING, RunStatus.SCHEDULED)
    return (
        is_open
        and row.status == RunStatus.LOST
        and all(getattr(row, name) == values[name] for name in _PROCESS)
    )


def _redate(
    session: Session,
    stubs: Mapping[str, RunReference],
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
            "status": str(RunStatus.SCHEDULED),
        }
        if link.job != _job_of(row):
            values["transform_id"] = versions[version_of(TransformFacts(link.namespace, link.name))]
            values["engine"] = link.namespace[:64]
        if any(getattr(row, name) != value for name, value in values.items()):
            changes.append({"id": row.id, **values})
            stale_versions.add(row.transform_id)
    update_rows(session, Run, changes)
    return stale_versions


def _dependencies(
    session: Session,
    facts: Mapping[str, RunFacts],
    names: RunNames,
    ids: Mapping[str, int],
    free: Collection[str],
) -> set[int]:
    """What each run waited for; the runs that some no longer say they waited for. `free` waited for none so far."""
    dependencies = {
        (ids[key], ids[names.name_of(dependency.on)], dependency.role)
        for key, run_facts in facts.items()
        for dependency in run_facts.dependencies
        if names.name_of(dependency.on) != key
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
    """Delete stubs that no run names any more, and compute the times of the others; return their versions."""
    if not ids:
        return set()
    child, waiting = aliased(Run), aliased(Run)
    named = exists().where(child.parent_id == Run.id) | exists().where(
        RunDependency.source_id == Run.id
    )
    columns = (Run.id, Run.external_id, Run.transform_id, Run.created_at)
    stubs = select(*columns, named.label("named")).where(Run.origin == "stub")
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
    for row in rows:
        if not row.named:
            _pass_on(session, row.external_id)
    return {
        row.transform_id for row in rows if not row.named or min(dates[row.id]) != row.created_at
    }


def _pass_on(session: Session, name: str) -> None:
    """Give the id alone as a name to the first job among the other stubs with this run id."""
    begins = f"{name}#"
    query = (
        select(Run.id, Transform.namespace, Transform.key)
        .join(Transform, Run.transform_id == Transform.id)
        .where(Run.origin == "stub", func.substr(Run.external_id, 1, len(begins)) == begins)
    )
    rows = session.execute(query).all()
    if rows:
        first = min(rows, key=lambda row: f"{row.namespace}/{row.key}")
        update_rows(session, Run, [{"id": first.id, "external_id": name, "uid": run_uid(name)}])


def runs_that_name(session: Session, names: Collection[str]) -> set[str]:
    """The names of the runs that say one of these to be their parent, or to have waited for it."""
    if not names:
        return set()
    other = aliased(Run)
    children = select(Run.external_id).join(other, Run.parent_id == other.id)
    waiting = (
        select(Run.external_id)
        .join(RunDependency, RunDependency.run_id == Run.id)
        .join(other, RunDependency.source_id == other.id)
    )
    queries = (children, waiting)
    rows = [select_in(session, query, other.external_id, names) for query in queries]
    return {row.external_id for row in chain(*rows)}
