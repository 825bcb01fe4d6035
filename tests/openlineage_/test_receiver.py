"""Events in: what the registry says afterwards, whatever the order, however often."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.errors import MalformedEvent
from lamin_core.ingest.datasets import storage_for
from lamin_core.ingest.facts import RunFacts
from lamin_core.instance.instance import Instance
from lamin_core.lineage.view import View, view
from lamin_core.models import Transform
from lamin_core.render.tree import tree
from lamin_core.runtime import current
from openlineage.lamin.emit.events import (
    Dataset,
    Dependency,
    Event,
    abort,
    complete,
    fail,
    running,
    start,
)
from openlineage.lamin.export.events import export
from openlineage.lamin.receive.fold import History
from openlineage.lamin.receive.fold_cache import histories_of
from openlineage.lamin.receive.ingest import Receipt, ingest
from openlineage.lamin.receive.parse import parse
from tests.support.statements import statements

from .conftest import at, run_of


def _ingest_events(instance: Instance, *events: Event) -> Receipt:
    return ingest(instance.db, map(parse, events))


def _whole_view(instance: Instance) -> View:
    return view(instance.lineage.everything())


def _workflow_events(folder: Path) -> list[Event]:
    """A workflow with three steps: the second makes a folder, the third reads a file in it and fails."""
    (folder / "out").mkdir()
    for name in ("in.txt", "a.txt", "out/1.txt"):
        (folder / name).write_text(name)
    workflow = run_of(1, "wf", params={"alpha": 1})
    first, second, third = (
        run_of(n, f"wf:{name}", workflow) for n, name in ((2, "a"), (3, "b"), (4, "c"))
    )
    return [
        start(workflow, at(0)),
        start(first, at(1), [Dataset.at(folder / "in.txt")]),
        complete(first, at(2), outputs=[Dataset.at(folder / "a.txt")]),
        start(second, at(3), [Dataset.at(folder / "a.txt")]),
        complete(second, at(4), outputs=[Dataset.at(folder / "out")]),
        start(third, at(5), [Dataset.at(folder / "out/1.txt")]),
        fail(third, at(6), "no such luck"),
        fail(workflow, at(7), "a step has failed"),
    ]


def test_lineage_of_a_file_in_a_folder_goes_through_the_folder(
    instance: Instance, in_tmp_path: Path
) -> None:
    _ingest_events(instance, *_workflow_events(in_tmp_path))
    artifact = instance.lineage.find("out/1.txt")
    lines = tree(instance.lineage.around(artifact), ("artifact", artifact.id)).splitlines()
    assert [line.lstrip("└─ ").split()[0] for line in lines] == [
        "out/1.txt",
        "out",
        "run",
        "a.txt",
        "run",
        "in.txt",
    ]
    assert [
        (member["directory"], member["artifact"]) for member in _whole_view(instance)["contains"]
    ] == [(instance.lineage.find("out").uid, artifact.uid)]


def test_run_records_all_that_its_events_contain(instance: Instance, in_tmp_path: Path) -> None:
    _ingest_events(instance, *_workflow_events(in_tmp_path))
    runs = {run["transform_key"]: run for run in _whole_view(instance)["runs"]}
    assert {key: run["status"] for key, run in runs.items()} == {
        "wf": "failed",
        "wf:a": "completed",
        "wf:b": "completed",
        "wf:c": "failed",
    }
    assert runs["wf:a"]["parent"] == runs["wf"]["uid"]
    assert runs["wf"]["params"] == {"alpha": 1}
    assert runs["wf"]["external_id"] == "00000000-0000-7000-8000-000000000001"
    assert (runs["wf:a"]["started_at"], runs["wf:a"]["finished_at"]) == (
        at(1).isoformat(),
        at(2).isoformat(),
    )


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_and_repeated_events_give_the_same_registry(
    instance: Instance, in_tmp_path: Path, seed: int
) -> None:
    story = _workflow_events(in_tmp_path)
    order = random.Random(seed)
    mixed = story * 2
    order.shuffle(mixed)
    while mixed:
        size = order.randint(1, 4)
        _ingest_events(instance, *mixed[:size])
        del mixed[:size]
    mixed_view = _named(_whole_view(instance))
    other = Instance.create(in_tmp_path / "other", in_tmp_path / "data")
    with other.db.writing() as session:  # the same place, so that the keys are the same
        storage_for(session, str(in_tmp_path))
    _ingest_events(other, *story)
    assert _named(_whole_view(other)) == mixed_view
    other.db.dispose()


def _named(seen: View) -> dict[str, list[str]]:
    names = {
        artifact["uid"]: (artifact["key"], artifact["version"]) for artifact in seen["artifacts"]
    }
    named: dict[str, list[Any]] = {
        "artifacts": [{**artifact, "uid": None} for artifact in seen["artifacts"]],
        "runs": seen["runs"],
        "edges": [{**edge, "artifact": names[edge["artifact"]]} for edge in seen["edges"]],
        "contains": [
            (names[member["directory"]], names[member["artifact"]]) for member in seen["contains"]
        ],
    }
    return {kind: sorted(map(str, rows)) for kind, rows in named.items()}


def test_repeated_event_is_stored_once(instance: Instance) -> None:
    event = start(run_of(1, "a"), at(0))
    assert (
        _ingest_events(instance, event).taken,
        _ingest_events(instance, event, event).duplicates,
    ) == (1, 1)
    with instance.db.reading() as session:
        assert len(list(export(session))) == 1


def test_late_start_does_not_reopen_a_run(instance: Instance) -> None:
    run = run_of(1, "a")
    _ingest_events(instance, complete(run, at(2)))
    _ingest_events(instance, start(run, at(1)))
    _ingest_events(instance, running(run, at(3)))
    (seen,) = _whole_view(instance)["runs"]
    assert (seen["status"], seen["started_at"], seen["finished_at"]) == (
        "completed",
        at(1).isoformat(),
        at(2).isoformat(),
    )


def test_first_end_event_by_time_determines_the_status(instance: Instance) -> None:
    run = run_of(1, "a")
    _ingest_events(instance, abort(run, at(3), "cancelled"), complete(run, at(2)))
    assert _whole_view(instance)["runs"][0]["status"] == "completed"


def test_stub_of_an_unknown_parent_is_filled_by_its_events(instance: Instance) -> None:
    parent = run_of(1, "wf")
    _ingest_events(instance, complete(run_of(2, "wf:a", parent), at(2)))
    stub, child = sorted(_whole_view(instance)["runs"], key=lambda run: run["transform_key"])
    assert (stub["transform_key"], stub["status"], child["parent"]) == (
        "wf",
        "scheduled",
        stub["uid"],
    )
    _ingest_events(instance, start(parent, at(0)), complete(parent, at(3)))
    filled = next(run for run in _whole_view(instance)["runs"] if run["transform_key"] == "wf")
    assert (filled["uid"], filled["status"]) == (stub["uid"], "completed")
    assert instance.query(Transform).filter(key="wf").count() == 1


def test_reader_without_a_hash_gets_the_version_of_its_time(
    instance: Instance, in_tmp_path: Path
) -> None:
    data = in_tmp_path / "x.txt"
    events = []
    for number, text in enumerate(("old", "new")):
        data.write_text(text)
        events.append(
            complete(run_of(10 + number, "writer"), at(10 * number), outputs=[Dataset.at(data)])
        )
        events.append(
            start(run_of(20 + number, "reader"), at(10 * number + 5), [Dataset("file", str(data))])
        )
    for event in reversed(events):
        _ingest_events(instance, event)
    seen = _whole_view(instance)
    versions = {artifact["uid"]: artifact["version"] for artifact in seen["artifacts"]}
    runs = {run["uid"]: run["external_id"][-2:] for run in seen["runs"]}
    edges = {(runs[edge["run"]], versions[edge["artifact"]]) for edge in seen["edges"]}
    assert edges == {("10", "0000"), ("20", "0000"), ("11", "0001"), ("21", "0001")}


def test_every_past_run_keeps_its_inputs_and_outputs(instance: Instance, in_tmp_path: Path) -> None:
    for number in range(3):
        (in_tmp_path / f"{number}.txt").write_text(str(number))
        run = run_of(number + 1, "job")
        _ingest_events(
            instance, complete(run, at(number), outputs=[Dataset.at(in_tmp_path / f"{number}.txt")])
        )
    for number in range(3):
        graph = instance.lineage.around(instance.lineage.find(f"{number}.txt"))
        assert [node.external_id[-1] for node in graph.runs.values()] == [str(number + 1)]


def test_history_of_a_run_leaves_the_memory_with_its_end(instance: Instance) -> None:
    run, histories = run_of(1, "a"), histories_of(instance.db)
    _ingest_events(instance, start(run, at(1)), start(run_of(2, "b"), at(1)))
    assert len(histories) == 2
    _ingest_events(instance, complete(run, at(2)))
    assert len(histories) == 1
    _ingest_events(instance, running(run, at(3), outputs=[Dataset("file", "/late.csv")]))
    recorded = ln.Run.get(external_id=run.id)
    assert (recorded.status, recorded.started_at, len(histories)) == ("completed", at(1), 1)


def test_rolled_back_output_keeps_its_edge_but_is_not_lineage(
    instance: Instance, in_tmp_path: Path
) -> None:
    (in_tmp_path / "x.txt").write_text("x")
    run, output = run_of(1, "a"), Dataset.at(in_tmp_path / "x.txt")
    _ingest_events(instance, complete(run, at(1), outputs=[output]))
    _ingest_events(
        instance,
        running(run, at(2), outputs=[Dataset.at(in_tmp_path / "x.txt", role="rolled_back")]),
    )
    assert [edge["role"] for edge in _whole_view(instance)["edges"]] == ["rolled_back"]
    assert not instance.lineage.around(instance.lineage.find("x.txt")).runs


def test_dependencies_without_a_file_are_separate(instance: Instance) -> None:
    first = run_of(1, "a")
    second = run_of(2, "b", dependencies=[Dependency(first.reference, "pipe")])
    _ingest_events(instance, start(second, at(1)), start(first, at(0)))
    seen = _whole_view(instance)
    uids = {run["transform_key"]: run["uid"] for run in seen["runs"]}
    assert seen["dependencies"] == [{"run": uids["b"], "source": uids["a"], "role": "pipe"}]
    assert seen["edges"] == []


def test_changed_source_is_a_new_version_numbered_by_time(instance: Instance) -> None:
    def start_event(number: int, source: str, second: float) -> Event:
        event = start(run_of(number, "a"), at(second))
        event["job"]["facets"]["sourceCode"]["sourceCode"] = source
        return event

    _ingest_events(instance, start_event(2, "new", 2))
    _ingest_events(instance, start_event(1, "old", 1), start_event(3, "new", 3))
    rows = instance.query(Transform).order_by("number").to_list()
    assert [(row.version, row.is_latest) for row in rows] == [("0000", False), ("0001", True)]
    runs = {run["external_id"][-1]: run["transform"] for run in _whole_view(instance)["runs"]}
    assert runs == {"1": rows[0].uid, "2": rows[1].uid, "3": rows[1].uid}


def test_secrets_are_masked_before_they_are_stored(instance: Instance) -> None:
    run = run_of(
        1, "a", params={"db_password": "hunter2", "url": "postgres://me:hunter2@db/x", "alpha": 1}
    )
    _ingest_events(instance, fail(run, at(0), "could not reach postgres://me:hunter2@db/x"))
    with instance.db.reading() as session:
        assert "hunter2" not in "".join(export(session))
    assert _whole_view(instance)["runs"][0]["params"]["alpha"] == 1


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"run": {}, "job": {}},
        {"eventTime": "yesterday", "run": {"runId": "x"}, "job": {"namespace": "n", "name": "j"}},
        {"eventTime": "2026-01-01T00:00:00Z", "run": {"runId": 7}, "job": {"namespace": "n", "name": "j"}},
        {"eventTime": "2026-01-01T00:00:00Z", "run": None, "job": {"namespace": "n", "name": "j"}},
        {"eventTime": "2026-01-01T00:00:00Z", "run": {"runId": "x"}, "job": []},
        {"eventTime": "9999-12-31T23:59:59-12:00", "run": {"runId": "x"}, "job": {"namespace": "n", "name": "j"}},
        {"eventType": "NOPE", "eventTime": "2026-01-01T00:00:00Z", "run": {"runId": "x"},
         "job": {"namespace": "n", "name": "j"}},
    ],
)  # fmt: skip
def test_unusable_json_is_quarantined_with_a_reason(instance: Instance, broken: Event) -> None:
    receipt = _ingest_events(instance, broken)
    assert (receipt.taken, len(receipt.quarantined)) == (0, 1)
    assert _whole_view(instance)["runs"] == []


@pytest.mark.parametrize(
    "odd",
    [
        {"inputs": None, "outputs": {}},
        {
            "inputs": [
                None,
                1,
                {},
                {"namespace": "file"},
                {"namespace": "file", "name": "/x", "facets": None},
            ]
        },
        {
            "job": {
                "namespace": "n",
                "name": "j",
                "facets": {"sourceCode": [], "jobType": "x", "sql": None},
            }
        },
        {
            "run": {
                "runId": "x",
                "facets": {"parent": {"run": {}, "job": None}, "lamin_run": 7, "errorMessage": {}},
            }
        },
        {
            "run": {
                "runId": "x",
                "facets": {
                    "parent": {"run": {"runId": "x"}, "job": {"namespace": "n", "name": "j"}}
                },
            }
        },
        {
            "run": {
                "runId": "x",
                "facets": {"executionParameters": {"parameters": [None, {"key": "a"}]}},
            }
        },
        {"run": {"runId": "x", "facets": {"jobDependencies": {"upstream": [None, {}]}}}},
        {"eventTime": "2026-01-01T00:00:00"},
        {"eventType": None},
        {
            "outputs": [
                {"namespace": "file", "name": "relative.csv"},
                {"namespace": "warehouse", "name": "orders"},
            ]
        },
        {
            "outputs": [
                {"namespace": "file", "name": "/lone \ud800 surrogate"},
                {"namespace": "s3://b", "name": "/"},
            ]
        },
        {
            "outputs": [
                {
                    "namespace": "file",
                    "name": "/x",
                    "facets": {"lamin_artifact": {"hash": "h", "size": 10**30}},
                }
            ]
        },
        {
            "run": {
                "runId": "x",
                "facets": {"lamin_run": {"attempt": 2**70, "params": {"n": 10**30}}},
            }
        },
        {
            "job": {
                "namespace": "n",
                "name": "j",
                "facets": {"sourceCode": {"language": "x", "sourceCode": "\udcff"}},
            }
        },
    ],
)
def test_malformed_optional_parts_of_an_event_are_ignored(instance: Instance, odd: Event) -> None:
    event = {
        "eventType": "START",
        "eventTime": "2026-01-01T00:00:00Z",
        "run": {"runId": "x"},
        "job": {"namespace": "n", "name": "j"},
        **odd,
    }
    assert _ingest_events(instance, event).taken == 1
    (run,) = _whole_view(instance)["runs"]
    assert (run["external_id"], run["parent"]) == ("x", None)


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_body_that_is_not_a_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedEvent, match="not"):
        parse(body)


def test_file_outside_every_storage_is_identified_by_its_path(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "odd (1) \N{SNOWMAN}\n'\".txt"
    outside.write_text("x")
    _ingest_events(instance, complete(run_of(1, "a"), at(1), outputs=[Dataset.at(outside)]))
    assert _whole_view(instance)["artifacts"][0]["path"] == str(outside)
    assert instance.lineage.find(str(outside)).path.read_text() == "x"


def test_datasets_of_other_namespaces_have_their_own_storages(instance: Instance) -> None:
    event = complete(run_of(1, "a"), at(1))
    event["outputs"] = [
        {
            "namespace": "s3://bucket",
            "name": "raw/a.csv",
            "facets": {"version": {"datasetVersion": "v7"}},
        },
        {"namespace": "postgres://db:5432", "name": "shop.public.orders"},
    ]
    _ingest_events(instance, event)
    assert {
        (artifact["path"], artifact["hash"]) for artifact in _whole_view(instance)["artifacts"]
    } == {
        ("s3://bucket/raw/a.csv", "v7"),
        ("postgres://db:5432/shop.public.orders", None),
    }


def test_managed_copy_in_an_event_is_its_artifact(instance: Instance, in_tmp_path: Path) -> None:
    current.set_current_instance(instance)
    (in_tmp_path / "x.txt").write_text("x")
    artifact = ln.Artifact("x.txt", key="kept/x.txt").save()
    _ingest_events(instance, start(run_of(1, "reader"), at(1e9), [Dataset.at(artifact.path)]))
    assert [edge["artifact"] for edge in _whole_view(instance)["edges"]] == [artifact.uid]
    current.set_current_instance(None)


def test_cost_of_reading_a_shared_file_is_constant(instance: Instance, in_tmp_path: Path) -> None:
    """The number of statements does not grow with what was observed before."""
    (in_tmp_path / "reference.fa").write_text(">x")
    reference = Dataset.at(in_tmp_path / "reference.fa")
    costs = []
    for batch in range(4):
        numbers = range(batch * 50 + 1, batch * 50 + 51)
        reads = [start(run_of(number, "map"), at(number), [reference]) for number in numbers]
        with statements(instance.db) as sent:
            _ingest_events(instance, *reads)
        costs.append(len(sent))
    assert costs[3] == costs[1]
    assert len(_whole_view(instance)["edges"]) == 200


def test_unexpected_error_in_one_event_does_not_stop_the_others(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is provoked: every one that we know of is dealt with before."""

    def failing(history: History) -> RunFacts:
        facts = original(history)
        if facts.transform.key == "bad":
            raise AssertionError("nobody foresaw this")
        return facts

    original = History.facts
    monkeypatch.setattr(History, "facts", failing)
    receipt = _ingest_events(
        instance, start(run_of(1, "good"), at(0)), start(run_of(2, "bad"), at(0))
    )
    assert (receipt.taken, len(receipt.quarantined)) == (1, 1)
    assert "nobody foresaw this" in receipt.quarantined[0]
    assert [run["transform_key"] for run in _whole_view(instance)["runs"]] == ["good"]
