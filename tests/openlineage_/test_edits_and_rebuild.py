"""Edits of rows that events created stay, whatever events follow and whenever the registry is rebuilt."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import lamin_core as ln
from lamin_core.db.database import Database
from lamin_core.errors import LaminError
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Run, Transform, TransformSeries, ULabel
from lamin_core.runtime import current
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild


def event(number: int, second: int, name: str | None, content: str, **job: Any) -> bytes:
    """A run of a job that wrote this content to a table, or to none."""
    digest = {"hash": content * 64, "hash_type": "blake3", "size": 1}
    output = {"namespace": "postgres://db", "name": name, "facets": {"lamin_artifact": digest}}
    return json.dumps(
        {
            "eventType": "COMPLETE",
            "eventTime": f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z",
            "producer": "https://example.org",
            "schemaURL": "",
            "run": {"runId": f"00000000-0000-7000-8000-{number:012d}"},
            "job": {"namespace": "test", "name": "job", "facets": job},
            "outputs": [] if name is None else [output],
        }
    ).encode()


def ingest_events(instance: Instance, *events: bytes) -> None:
    """Ingest the events."""
    ingest(instance.db, map(parse, events))


def test_fields_edited_by_users_stay_after_events_and_rebuild(connected: Instance) -> None:
    documented = {"documentation": {"description": "by the producer"}}
    ingest_events(connected, event(1, 1, "t", "a", **documented))
    artifact, transform, run = Artifact.one(), Transform.one(), Run.one()
    artifact.description = "by a person"
    artifact.save()
    transform.description, transform.kind = "what it does", "notebook"
    transform.save()
    run.name = "my run"
    run.save()
    artifact.ulabels.add(ln.ULabel(name="checked").save())
    later = {"documentation": {"description": "by the producer, later"}}
    ingest_events(connected, event(2, 2, "t", "a", **later), event(1, 3, "t", "a", **later))
    for _ in range(2):
        assert Artifact.one().description == "by a person"
        assert (Transform.one().description, Transform.one().kind) == ("what it does", "notebook")
        assert Run.get(uid=run.uid).name == "my run"
        assert [label.name for label in Artifact.one().ulabels.all()] == ["checked"]
        rebuild(connected.db)


def test_fields_edited_by_update_stay_after_events_and_rebuild(connected: Instance) -> None:
    ingest_events(connected, event(1, 1, "t", "a"), event(2, 2, "t", "b"))
    Artifact.filter().update(description="by a person")
    ingest_events(connected, event(3, 3, "t", "c"))
    rebuild(connected.db)
    descriptions = [a.description for a in Artifact.filter().order_by("number")]
    assert descriptions == ["by a person", "by a person", None]


def test_permanently_deleted_version_stays_deleted_after_late_events_and_rebuild(
    connected: Instance,
) -> None:
    ingest_events(connected, *(event(n, n, "t", content) for n, content in enumerate("abc")))
    uids = [artifact.uid for artifact in Artifact.filter().order_by("number")]
    Artifact.get(uid=uids[1]).delete(permanent=True)
    rest = [uids[0], uids[2]]
    ingest_events(connected, event(1, 30, "t", "b"))  # a late word of the run that wrote it
    assert [artifact.uid for artifact in Artifact.filter().order_by("number")] == rest
    rebuild(connected.db)
    assert [artifact.uid for artifact in Artifact.filter().order_by("number")] == rest


def test_permanently_deleted_version_written_again_is_a_new_version(connected: Instance) -> None:
    ingest_events(connected, event(1, 1, "t", "a"))
    uid = Artifact.one().uid
    Artifact.one().delete(permanent=True)
    again = event(2, 2, "t", "a").replace(b"2026-01-01", b"2096-01-01")
    ingest_events(connected, again)
    new_uid = Artifact.one().uid
    assert new_uid != uid
    rebuild(connected.db)
    assert Artifact.one().uid == new_uid


def test_deleted_run_stays_deleted_after_late_events_and_rebuild(connected: Instance) -> None:
    ingest_events(connected, event(1, 1, "t", "a"), event(2, 2, None, "b"))
    Run.get(external_id="00000000-0000-7000-8000-000000000002").delete()
    ingest_events(connected, event(2, 9, None, "b"))
    assert Run.filter().count() == 1
    rebuild(connected.db)
    assert Run.filter().count() == 1


def test_trashed_version_stays_in_the_trash_until_written_again(connected: Instance) -> None:
    ingest_events(connected, event(1, 1, "t", "a"))
    uid = Artifact.one().uid
    Artifact.one().delete()
    ingest_events(connected, event(1, 9, "t", "a"))
    rebuild(connected.db)
    assert Artifact.filter().count() == 0
    with connected.db.reading() as session:
        assert [row.uid for row in session.query(Artifact)] == [uid]
    ingest_events(connected, event(2, 2, "t", "a").replace(b"2026-01-01", b"2096-01-01"))
    assert Artifact.one().uid == uid
    rebuild(connected.db)
    assert Artifact.one().uid == uid


def test_transform_with_a_user_chosen_stem_receives_later_events(connected: Instance) -> None:
    with connected.db.writing() as session:
        session.add(TransformSeries(stem="chosenStem12", namespace="test", key="job"))
    ingest_events(connected, event(1, 1, "t", "a"), event(2, 2, "t", "b"))
    assert Run.filter().count() == 2
    assert Transform.one().uid.startswith("chosenStem12")
    rebuild(connected.db)
    assert Transform.one().uid.startswith("chosenStem12")


_steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("event"),
            st.integers(1, 5),
            st.sampled_from(["t", "u", None]),
            st.sampled_from("abc"),
        ),
        st.tuples(st.just("describe"), st.integers(0, 4), st.sampled_from("xyz")),
        st.tuples(st.just("describe transform"), st.sampled_from("xyz")),
        st.tuples(st.just("name run"), st.integers(0, 4), st.sampled_from("xyz")),
        st.tuples(st.just("label"), st.integers(0, 4), st.sampled_from("pq")),
        st.tuples(st.just("trash"), st.integers(0, 4)),
        st.tuples(st.just("restore"), st.integers(0, 4)),
        st.tuples(st.just("erase"), st.integers(0, 4)),
        st.tuples(st.just("delete run"), st.integers(0, 4)),
    ),
    min_size=3,
    max_size=14,
)


def _record_at(registry: Any, position: int) -> Any:
    with current.current_instance().db.reading() as session:
        records = list(session.query(registry).order_by(registry.id))
    return records[position % len(records)] if records else None


def _apply_step(instance: Instance, step: tuple[Any, ...], second: int) -> None:
    match step:
        case ("event", number, name, content):
            ingest_events(instance, event(number, second, name, content))
            return
        case ("describe transform", text):
            record, change = _record_at(Transform, 0), {"description": text}
        case ("describe", position, text):
            record, change = _record_at(Artifact, position), {"description": text}
        case ("name run", position, text):
            record, change = _record_at(Run, position), {"name": text}
        case _:
            record = _record_at(Run if step[0] == "delete run" else Artifact, step[1])
            change = {}
    if record is None:
        return
    for field, value in change.items():
        setattr(record, field, value)
    with suppress(LaminError):  # what may not be done here is refused
        _apply_change(step[0], record, step[-1])


def _apply_change(verb: str, record: Any, name: Any) -> None:
    if verb in ("describe", "describe transform", "name run"):
        record.save()
    elif verb == "label":
        record.ulabels.add(ULabel(name=name).save())
    elif verb == "trash":
        record.delete(permanent=False)
    elif verb == "restore":
        record.restore()
    elif verb == "erase":
        record.delete(permanent=True)
    else:
        record.delete()


def _visible_records(database: Database) -> list[Any]:
    """All that people can see of artifacts, runs and transforms."""
    with database.reading() as session:
        artifacts = [
            (a.uid, a.key, a.is_latest, a.description, a.deleted_at is None)
            for a in session.query(Artifact)
        ]
        runs = [(run.uid, run.name, run.status) for run in session.query(Run)]
        transforms = [(t.uid, t.description, t.kind) for t in session.query(Transform)]
        labels = [
            (artifact.uid, sorted(label.name for label in artifact.ulabels.all()))
            for artifact in session.query(Artifact)
        ]
    return [sorted(map(repr, rows)) for rows in (artifacts, runs, transforms, labels)]


@given(_steps)
@settings(
    max_examples=10,
    deadline=None,
    phases=(
        Phase.explicit,
        Phase.generate,
    ),  # each takes a second: the steps that fail are printed as they are
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rebuild_changes_nothing_that_users_and_events_created(
    kind: str, request: pytest.FixtureRequest, steps: list[tuple[Any, ...]]
) -> None:
    postgres = request.getfixturevalue("postgres") if kind == "postgresql" else None
    name = None if postgres is None else postgres.create()
    with tempfile.TemporaryDirectory() as folder:
        url = None if postgres is None else postgres.url(name)
        instance = Instance.create(Path(folder), "./data", url)
        current.set_current_instance(instance)
        try:
            for second, step in enumerate(steps):
                _apply_step(instance, step, second)
            before = _visible_records(instance.db)
            rebuild(instance.db)
            assert _visible_records(instance.db) == before
            rebuild(instance.db)
            assert _visible_records(instance.db) == before
        finally:
            current.set_current_instance(None)
            instance.db.dispose()
            if postgres is not None:
                postgres.drop(name)
