"""The raw log: rebuilt from, judged, and what it holds back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

import lamin_core as ln
from lamin_core.db.database import Database
from lamin_core.ingest.state_digest import digest
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Run, RunArtifact, RunDependency, Transform
from lamin_core.models import Event as Row
from lamin_core.runtime import current
from openlineage.lamin.emit.events import Dataset, Event, complete, running, start
from openlineage.lamin.receive.ingest import append_to_log, ingest, project_backlog
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.quarantine import quarantined_events, retry
from openlineage.lamin.receive.rebuild import rebuild
from openlineage.lamin.validation.lint import lint_log
from tests.support.statements import statements

from .conftest import at, run_of


def _digest(instance: Instance) -> str:
    with instance.db.reading() as session:
        return digest(session)


def _ingest_events(instance: Instance) -> list[Event]:
    workflow = run_of(1, "wf")
    first, second = run_of(2, "wf:a", workflow), run_of(3, "wf:b", workflow)
    a, b = (
        Dataset("file", "/x/a.csv", "1" * 64, "blake3", 1),
        Dataset("file", "/x/b.csv", "2" * 64, "blake3", 1),
    )
    head = {"eventTime": "2026-01-01T00:01:00Z", "producer": "urn:test", "schemaURL": "urn:test"}
    facets = {
        "documentation": {"description": "all orders"},
        "tags": {"tags": [{"key": "pii", "value": "yes"}]},
    }
    columns = {
        "schema": {"fields": [{"name": "id", "type": "BIGINT"}, {"name": "day", "type": "DATE"}]}
    }
    events: list[Event] = [
        start(workflow, at(0)),
        complete(first, at(2), outputs=[a]),
        complete(second, at(4), inputs=[a], outputs=[b]),
        complete(workflow, at(5)),
        {
            **head,
            "job": {
                "namespace": "airflow",
                "name": "nightly",
                "facets": {"documentation": {"description": "d"}},
            },
        },
        {
            **head,
            "dataset": {
                "namespace": "postgres://db",
                "name": "s.orders",
                "facets": {**facets, **columns},
            },
        },
    ]
    assert ingest(instance.db, map(parse, events)).taken == len(events)
    return events


def test_rebuild_reproduces_the_registry(instance: Instance) -> None:
    _ingest_events(instance)
    before = _digest(instance)
    outcome = rebuild(instance.db)
    assert (outcome.runs, outcome.others, outcome.dropped) == (3, 2, 0)
    assert _digest(instance) == before


def test_rebuild_restores_lost_facts_and_drops_invented_ones(instance: Instance) -> None:
    _ingest_events(instance)
    before = _digest(instance)
    with instance.db.writing() as session:
        session.execute(update(Run).values(parent_id=None))
        session.execute(
            update(Run)
            .where(Run.external_id.like("%3"))
            .values(external_id="made up", uid="made up")
        )
        session.execute(delete(RunArtifact).where(RunArtifact.direction == "input"))
        session.execute(update(Transform).values(description="made up"))
    assert _digest(instance) != before
    assert rebuild(instance.db).dropped == 1
    assert _digest(instance) == before


def test_rebuild_refills_an_empty_registry(instance: Instance) -> None:
    _ingest_events(instance)
    before = _digest(instance)
    with instance.db.writing() as session:
        for table in (RunArtifact, RunDependency, Artifact):
            session.execute(delete(table))
        session.execute(update(Run).values(parent_id=None))
        session.execute(delete(Run))
    rebuild(instance.db)
    assert _digest(instance) == before


def test_rebuild_preserves_records_of_users(instance: Instance, in_tmp_path: Path) -> None:
    current.set_current_instance(instance)
    Path("mine.txt").write_text("mine")
    saved = ln.Artifact("mine.txt", key="mine.txt").save()
    _ingest_events(instance)
    artifact = ln.Artifact.filter(key__endswith="b.csv").one()
    artifact.ulabels.add(ln.ULabel(name="checked").save())
    before = _digest(instance)
    rebuild(instance.db)
    assert _digest(instance) == before
    assert ln.Artifact.get(saved.uid).hash == saved.hash
    assert [label.name for label in ln.Artifact.get(artifact.uid).ulabels.all()] == ["checked"]
    current.set_current_instance(None)


def test_job_and_dataset_events_fill_the_registry_without_a_run(instance: Instance) -> None:
    _ingest_events(instance)
    current.set_current_instance(instance)
    job = ln.Transform.get(key="nightly")
    assert (job.description, job.hash) == ("d", None)
    orders = ln.Artifact.get(key="s.orders")
    assert (orders.description, orders.hash, orders.run) == ("all orders", None, None)
    assert [(label.type.name, label.name) for label in orders.ulabels.all()] == [("pii", "yes")]
    assert ln.Run.filter().count() == 3
    current.set_current_instance(None)


def test_quarantined_event_has_a_reason_and_can_be_retried(
    instance: Instance,
) -> None:
    good = start(run_of(1, "a"), at(0))
    bad: dict[str, Any] = {**good, "eventType": "NOPE"}
    assert len(ingest(instance.db, [parse(bad)]).quarantined) == 1
    with instance.db.reading() as session:
        (quarantined,) = quarantined_events(session)
    assert "NOPE" in quarantined.reason
    assert json.loads(quarantined.body)["eventType"] == "NOPE"
    assert retry(instance.db).held == 1
    with instance.db.writing() as session:  # as a later version would read it
        session.execute(update(Row).values(body=json.dumps(good)))
    assert retry(instance.db).taken == 1
    with instance.db.reading() as session:
        assert list(quarantined_events(session)) == []
    assert instance.query(Run).count() == 1


def test_retried_event_updates_a_cached_run(instance: Instance) -> None:
    run = run_of(1, "a")
    early = complete(run, at(1), outputs=[Dataset("file", "/x/a", "1" * 64, "blake3", 1)])
    ingest(instance.db, [parse({**early, "eventType": "NOPE"})])
    ingest(instance.db, [parse(start(run, at(0)))])
    with instance.db.writing() as session:
        session.execute(update(Row).where(Row.kind == "quarantined").values(body=json.dumps(early)))
    other = Database(instance.db.url)
    assert retry(other).taken == 1
    other.dispose()
    ingest(
        instance.db,
        [parse(running(run, at(0.5), outputs=[Dataset("file", "/x/b", "2" * 64, "blake3", 1)]))],
    )
    assert [row.status for row in instance.query(Run)] == ["completed"]
    with instance.db.reading() as session:
        assert session.scalar(select(func.count(RunArtifact.id))) == 2


def test_lint_log_accepts_adapter_events_and_names_invalid_ones(instance: Instance) -> None:
    ingest(instance.db, [parse(complete(run_of(1, "a"), at(0)))])
    assert lint_log(instance.db).as_dict() == {"judged": 1, "invalid": 0, "problems": []}
    ingest(instance.db, [parse({**start(run_of(1, "a"), at(0)), "producer": "not a uri"})])
    report = lint_log(instance.db)
    assert (report.judged, report.invalid) == (2, 1)
    assert report.problems[0][0].startswith("event ")
    assert "producer" in report.problems[0][1]


@pytest.mark.parametrize("count", [1, 40])
def test_batch_takes_as_many_statements_as_one_event(instance: Instance, count: int) -> None:
    reference = Dataset("file", "/x/ref.fa", "1" * 64, "blake3", 1)
    runs = [run_of(n + 1, f"job {n % 3}") for n in range(count)]
    ingest(instance.db, [parse(start(run, at(n), [reference])) for n, run in enumerate(runs)])
    ended = [
        complete(run, at(100 + n), [reference], [Dataset("file", f"/x/{n}")])
        for n, run in enumerate(runs)
    ]
    with statements(instance.db) as sent:
        ingest(instance.db, map(parse, ended))
    assert len(sent) <= 25


def test_ingest_of_one_event_takes_few_statements(instance: Instance) -> None:
    """PostgreSQL's sequences are asked one by one. Three ask what was moved and what was deleted for good."""

    def cost(event: Event) -> int:
        with statements(instance.db) as sent:
            ingest(instance.db, [parse(event)])
        return len(sent)

    reference, workflow = Dataset("file", "/x/ref.fa", "1" * 64, "blake3", 1), run_of(1, "workflow")
    costs = []
    for n in range(2, 5):
        run = run_of(n, "step", workflow)
        read = [reference, Dataset("file", f"/x/{n - 1}.txt", f"{n - 1:064d}", "blake3", 1)]
        output = Dataset("file", f"/x/{n}.txt", f"{n:064d}", "blake3", 1)
        costs.append(
            (
                cost(start(run, at(10 * n), read)),
                cost(complete(run, at(10 * n + 1), read, [output])),
            )
        )
    assert max(costs[-1]) <= (23 if instance.db.url.startswith("sqlite") else 27), costs


def test_backlog_of_appended_events_is_projected(instance: Instance) -> None:
    run = run_of(1, "a")
    events = [
        parse(start(run, at(0))),
        parse(complete(run, at(1), outputs=[Dataset("file", "/x/a")])),
    ]
    assert append_to_log(instance.db, events).taken == 2
    assert append_to_log(instance.db, events).duplicates == 2
    assert instance.query(Run).count() == 0
    assert (
        project_backlog(instance.db, limit=1),
        project_backlog(instance.db),
        project_backlog(instance.db),
    ) == (
        1,
        1,
        0,
    )
    assert [row.status for row in instance.query(Run)] == ["completed"]


def test_late_projection_of_the_backlog_does_not_reopen_a_run(instance: Instance) -> None:
    """A server that was killed left a START; its COMPLETE is replayed before that is settled."""
    run = run_of(1, "a")
    append_to_log(instance.db, [parse(start(run, at(0)))])
    ingest(instance.db, [parse(complete(run, at(1), outputs=[Dataset("file", "/x/a")]))])
    assert project_backlog(instance.db) == 0
    assert [row.status for row in instance.query(Run)] == ["completed"]


def test_next_ingest_projects_the_backlog_of_a_killed_server(instance: Instance) -> None:
    append_to_log(instance.db, [parse(start(run_of(1, "a"), at(0)))])
    ingest(instance.db, [parse(start(run_of(2, "b"), at(0)))])
    assert instance.query(Run).count() == 2


def test_unused_large_facet_is_only_in_the_raw_log(instance: Instance) -> None:
    run = run_of(1, "a")
    event = complete(run, at(0), outputs=[Dataset("file", "/x/a")])
    head = {"_producer": "urn:x", "_schemaURL": "urn:x"}
    event["run"]["facets"]["plan"] = {**head, "rows": ["é" * 100] * 20_000}
    event["run"]["facets"]["small"] = {**head, "rows": [1]}
    event["job"]["facets"]["sourceCode"] = {
        **head,
        "language": "python",
        "sourceCode": "#" * 2_000_000,
    }
    event["outputs"][0]["outputFacets"] = {
        "profile": {**head, "rows": [{"column": n} for n in range(200_000)]}
    }
    parsed = parse(event)
    ingest(instance.db, [parsed])
    omitted = {**head, "lamin_omitted": {"event": parsed.hash, "more_than": 1_000_000}}
    with instance.db.reading() as session:
        stored_run = session.scalars(select(Run)).one()
        assert (stored_run.details or {})["facets"] == {
            "plan": omitted,
            "small": {**head, "rows": [1]},
        }
        assert len(session.scalars(select(Transform.source_code)).one() or "") == 2_000_000
        assert (session.scalars(select(RunArtifact.facets)).one() or {})["profile"] == omitted
        body = session.scalars(select(Row.body)).one()
    assert json.loads(body) == event
    assert parse(json.dumps(event, indent=1, ensure_ascii=False)).hash == parsed.hash
    before = _digest(instance)
    rebuild(instance.db)
    assert _digest(instance) == before
