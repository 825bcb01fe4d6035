"""The graph that events of other producers give: who read what, which folder held which file, which run is which."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from lamin_core.errors import InvalidArgument, MultipleFound, NotFound
from lamin_core.ingest.state_digest import digest
from lamin_core.instance.instance import Instance
from lamin_core.lineage.view import view
from lamin_core.models import Artifact, Run, Storage, TransformSeries
from lamin_core.storage.locations import check_url
from lamin_core.storage.object_store import filesystem
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from openlineage.lamin.receive.replay import Report, replay_file
from openlineage.lamin.validation.schema import problems
from tests.support.commands import typed

from .conftest import T
from .test_event_order import _state_lines
from .test_event_order import empty as empty

Event = dict[str, Any]
_RUN_ID = "0197a000-0000-7000-8000-0000000000{:02d}"


def _event(
    number: int,
    job: str,
    minutes: float,
    kind: str = "COMPLETE",
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    facets: dict[str, Any] | None = None,
) -> Event:
    namespace, _, name = job.rpartition("/")
    return {
        "eventType": kind,
        "eventTime": (T + timedelta(minutes=minutes)).isoformat(),
        "producer": "https://example.org/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": _RUN_ID.format(number), "facets": facets or {}},
        "job": {"namespace": namespace or "n", "name": name},
        "inputs": [_dataset(dataset) for dataset in inputs],
        "outputs": [_dataset(dataset) for dataset in outputs],
    }


def _dataset(dataset: Any) -> Any:
    if not isinstance(dataset, str):
        return dataset
    return {"namespace": "hdfs://nn:8020", "name": dataset}


def _file(name: str, content: str, files: int | None = None) -> Event:
    facet = {"hash": content, "hash_type": "md5", "size": 1, "n_files": files}
    return {"namespace": "file", "name": name, "facets": {"lamin_artifact": facet}}


def _parent(run_id: str, job: str, name: str = "parent") -> dict[str, Any]:
    namespace, _, key = job.rpartition("/")
    return {name: {"run": {"runId": run_id}, "job": {"namespace": namespace, "name": key}}}


def _ingest_each(instance: Instance, events: Sequence[Event]) -> None:
    for event in events:
        assert ingest(instance.db, [parse(event)]).quarantined == []


def _sources_of_reads(instance: Instance) -> dict[tuple[str, str], set[str]]:
    """The runs that made what each run read, by the names of the run and of the dataset."""
    seen = view(instance.lineage.everything())
    names = {run["uid"]: run["transform_key"] for run in seen["runs"]}
    keys = {artifact["uid"]: artifact["path"] for artifact in seen["artifacts"]}
    makers: dict[str, set[str]] = {}
    for edge in seen["edges"]:
        if edge["direction"] == "output":
            makers.setdefault(edge["artifact"], set()).add(names[edge["run"]])
    return {
        (names[edge["run"]], keys[edge["artifact"]]): makers.get(edge["artifact"], set())
        for edge in seen["edges"]
        if edge["direction"] == "input"
    }


def _runs(instance: Instance) -> dict[str, Any]:
    return {run["transform_key"]: run for run in view(instance.lineage.everything())["runs"]}


def _digest(instance: Instance) -> str:
    with instance.db.reading() as session:
        return digest(session)


_BLIND_READERS = [
    _event(1, "reader", 0, "START", ["/x"]),
    _event(1, "reader", 1, inputs=["/x"]),
    _event(2, "writer", 60, "START"),
    _event(2, "writer", 61, outputs=["/x"]),
    _event(3, "updater", 120, inputs=["/x"], outputs=["/x"]),
    _event(4, "merger", 130, "START", outputs=["/x"]),
    _event(4, "merger", 131, inputs=["/x"], outputs=["/x"]),
]


def test_reader_without_a_hash_read_the_previous_version(instance: Instance) -> None:
    """Before the first writer nobody knows what was read; who updates a dataset read the version before its own."""
    _ingest_each(instance, _BLIND_READERS)
    path = "hdfs://nn:8020/x"
    expected = {
        ("reader", path): set(),
        ("updater", path): {"writer"},
        ("merger", path): {"updater"},
    }
    assert _sources_of_reads(instance) == expected
    before = _digest(instance)
    rebuild(instance.db)
    assert (_sources_of_reads(instance), _digest(instance)) == (expected, before)


@pytest.mark.parametrize("first", range(0, 7, 2))
def test_versions_read_without_a_hash_do_not_depend_on_order_of_arrival(
    empty: Path, first: int
) -> None:
    events = _BLIND_READERS
    in_order = _state_lines(empty, [[event] for event in events])
    turned = [*events[first:], *events[:first]]
    assert _state_lines(empty, [[event] for event in turned]) == in_order
    assert _state_lines(empty, [[event] for event in reversed(turned)]) == in_order
    assert _state_lines(empty, [turned]) == in_order


_FOLDER = [
    _event(1, "make0", 1, outputs=[_file("/r/0.csv", "0a")]),
    _event(2, "make1", 2, outputs=[_file("/r/1.csv", "1a")]),
    _event(3, "report1", 3, inputs=[_file("/r", "fa", 2)], outputs=[_file("/report1", "ra")]),
    _event(4, "edit", 4, outputs=[_file("/r/0.csv", "0b")]),
    _event(5, "report2", 5, inputs=[_file("/r", "fb", 2)], outputs=[_file("/report2", "rb")]),
]


def _upstream_jobs(instance: Instance, path: str) -> set[str]:
    artifact = instance.query(Artifact).filter(key=path.lstrip("/"), is_latest=True).one()
    graph = instance.lineage.around(artifact, down=0)
    return {run["transform_key"] for run in view(graph)["runs"]}


def test_file_belongs_to_every_folder_version_until_it_is_replaced(instance: Instance) -> None:
    _ingest_each(instance, _FOLDER)
    assert _upstream_jobs(instance, "/report1") == {"report1", "make0", "make1"}
    assert _upstream_jobs(instance, "/report2") == {"report2", "edit", "make1"}
    before = _digest(instance)
    rebuild(instance.db)
    assert _digest(instance) == before


def test_file_without_a_writer_comes_from_the_last_folder_version_before_its_read(
    instance: Instance,
) -> None:
    """A checkpoint made a folder twice; each reader of a file in it comes from the making before it."""
    events = [
        _event(1, "first", 1, outputs=[_file("/d", "fa", 1)]),
        _event(2, "use1", 2, inputs=[_file("/d/f", "0a")], outputs=[_file("/u1", "u1")]),
        _event(3, "second", 3, outputs=[_file("/d", "fb", 1)]),
        _event(4, "use2", 4, inputs=[_file("/d/f", "0b")], outputs=[_file("/u2", "u2")]),
    ]
    _ingest_each(instance, events)
    assert _upstream_jobs(instance, "/u1") == {"use1", "first"}
    assert _upstream_jobs(instance, "/u2") == {"use2", "second"}


@pytest.mark.parametrize("seed", range(3))
def test_containment_in_folders_does_not_depend_on_order_of_arrival(empty: Path, seed: int) -> None:
    in_order = _state_lines(empty, [[event] for event in _FOLDER])
    mixed = [*_FOLDER]
    random.Random(seed).shuffle(mixed)
    assert _state_lines(empty, [[event] for event in mixed]) == in_order


def test_same_path_on_two_hosts_is_two_datasets(instance: Instance) -> None:
    on_a, on_b = ({"namespace": f"file://{host}.example", "name": "/x"} for host in "ab")
    _ingest_each(
        instance,
        [
            _event(1, "write_on_a", 0, outputs=[on_a]),
            _event(2, "write_on_b", 1, outputs=[on_b]),
            _event(3, "read_on_a", 2, inputs=[{"namespace": "file://A.example", "name": "//x/"}]),
        ],
    )
    assert _sources_of_reads(instance) == {("read_on_a", "file://a.example/x"): {"write_on_a"}}


def test_find_path_of_another_host_returns_its_file_unless_it_exists_here(
    instance: Instance, in_tmp_path: Path
) -> None:
    here = in_tmp_path / "there.csv"
    on_a, on_b = ({"namespace": f"file://{host}.example"} for host in "ab")
    outputs = [{**on_a, "name": name} for name in ("/no/such/x", "/no/such/y", str(here))]
    _ingest_each(instance, [_event(1, "a", 0, outputs=outputs)])
    _ingest_each(instance, [_event(2, "b", 1, outputs=[{**on_b, "name": "/no/such/y"}])])
    match = instance.lineage.match("/no/such/x")
    assert match.url == "file://a.example/no/such/x"
    assert instance.lineage.find(match.url).uid == match.record.uid
    assert instance.lineage.match(match.url).url is None
    with pytest.raises(MultipleFound, match=r"file://a.example/no/such/y, file://b.example/no"):
        instance.lineage.match("/no/such/y")
    assert instance.lineage.find(str(here)).uid
    here.write_text("of this machine")
    for name in (str(here), "x", "./such/x", "/such/x", "s3://no/such/x"):
        with pytest.raises(NotFound):
            instance.lineage.find(name)
    typed("lineage", "/no/such/x")
    refused = typed("delete", "--yes", "/no/such/x", code=3).stderr
    assert "on this machine, but one at file://a.example/no/such/x" in refused


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("s3a://bucket", "t/"), ("s3://bucket", "/t")),
        (("s3n://bucket/", "t"), ("s3://bucket", "t")),
        (("postgres://DB", "shop.t"), ("postgresql://db:5432", "shop.t")),
        (("file", "/data//t/"), ("file://localhost", "/data/t")),
    ],
)
def test_spellings_of_one_dataset_name_are_one_dataset(
    instance: Instance, first: tuple[str, str], second: tuple[str, str]
) -> None:
    wrote, read = (
        dict(zip(("namespace", "name"), names, strict=True)) for names in (first, second)
    )
    _ingest_each(instance, [_event(1, "w", 0, outputs=[wrote]), _event(2, "r", 1, inputs=[read])])
    assert list(_sources_of_reads(instance).values()) == [{"w"}]


def test_rebuild_merges_datasets_recorded_under_another_spelling(instance: Instance) -> None:
    """A registry of an older release: its storages are called as the producers called them."""
    bucket = {"namespace": "s3a://bucket", "name": "t"}
    _ingest_each(instance, [_event(1, "w", 0, outputs=[bucket])])
    before = _digest(instance)
    with instance.db.writing() as session:
        root = update(Storage).where(Storage.root == "s3://bucket")
        session.execute(root.values(root="s3a://bucket"))
    assert _digest(instance) != before
    rebuild(instance.db)
    assert _digest(instance) == before


def test_file_of_another_host_is_not_read_from_a_local_path(instance: Instance) -> None:
    with pytest.raises(InvalidArgument, match=r"of .a\.example."):
        check_url("file://a.example/x")
    with pytest.raises(InvalidArgument, match=r"of .a\.example."):
        filesystem("file://a.example/x")


_SHARED_ID = [
    _event(9, "food/load_menus", 0, "START", ["/raw"], ["/menus"]),
    _event(9, "food/load_menus", 1),
    _event(9, "mine/my_job", 60, "START", ["/in"]),
    _event(9, "mine/my_job", 61, outputs=["/out"]),
    _event(1, "n/child", 62, facets=_parent(_RUN_ID.format(9), "mine/my_job")),
]


def test_two_jobs_with_one_run_id_are_two_runs(instance: Instance) -> None:
    _ingest_each(instance, _SHARED_ID)
    seen, runs = view(instance.lineage.everything()), _runs(instance)
    assert set(runs) == {"load_menus", "my_job", "child"}
    assert runs["child"]["parent"] == runs["my_job"]["uid"]
    outputs = {(edge["run"], edge["direction"]) for edge in seen["edges"]}
    assert (runs["my_job"]["uid"], "output") in outputs
    assert runs["load_menus"]["external_id"] == _RUN_ID.format(9)
    details = [row.details for row in instance.query(Run) if row.name == "my_job"]
    assert details[0]["doubts"] == ["its run id is also that of the job 'food/load_menus'"]
    before = _digest(instance)
    rebuild(instance.db)
    assert _digest(instance) == before


@pytest.mark.parametrize("seed", range(4))
def test_two_jobs_with_one_run_id_do_not_depend_on_order_of_arrival(empty: Path, seed: int) -> None:
    in_order = _state_lines(empty, [[event] for event in _SHARED_ID])
    mixed = [*_SHARED_ID]
    random.Random(seed).shuffle(mixed)
    assert _state_lines(empty, [[event] for event in mixed]) == in_order


def test_run_whose_job_is_renamed_stays_one_run(instance: Instance) -> None:
    """Spark names the job after its output as soon as it knows it; children may know the earlier name."""
    child = _event(2, "child", 0.5, facets=_parent(_RUN_ID.format(1), "n/app"))
    _ingest_each(instance, [child, _event(1, "app", 0, "START"), _event(1, "app.save_t", 1)])
    runs = _runs(instance)
    assert set(runs) == {"app.save_t", "child"}
    assert runs["child"]["parent"] == runs["app.save_t"]["uid"]


def test_parent_runs_are_identified_by_run_id_and_job(instance: Instance) -> None:
    """The run ids of old Airflow are the same for all DAGs; the facet was once called parentRun."""
    minute = "scheduled__2022-03-14T01:40:00+00:00"
    tasks = [
        _event(1, "airflow/stock.load", 1, facets=_parent(minute, "airflow/stock")),
        _event(2, "airflow/sales.load", 1, facets=_parent(minute, "airflow/sales")),
        _event(3, "airflow/sales.end", 2, facets=_parent(minute, "airflow/sales", "parentRun")),
    ]
    _ingest_each(instance, tasks)
    runs = _runs(instance)
    names = {run["uid"]: key for key, run in runs.items()}
    parents = {key: names.get(run["parent"]) for key, run in runs.items()}
    below = {"stock.load": "stock", "sales.load": "sales", "sales.end": "sales"}
    assert parents == {"stock": None, "sales": None, **below}
    assert {runs[key]["status"] for key in ("stock", "sales")} == {"scheduled"}
    before = _digest(instance)
    rebuild(instance.db)
    assert _digest(instance) == before


def test_declared_job_is_not_a_run(instance: Instance) -> None:
    event = _event(1, "crm/load", 0, inputs=["/in"], outputs=["/out"])
    del event["run"], event["eventType"]
    _ingest_each(instance, [event])
    assert instance.query(Run).count() == 0
    with instance.db.reading() as session:
        facets = session.scalars(select(TransformSeries.facets)).one()
    assert [facets[side][1] for side in ("inputs", "outputs")] == [
        [["hdfs://nn:8020", "/in"]],
        [["hdfs://nn:8020", "/out"]],
    ]


def test_malformed_parts_of_an_event_are_recorded_as_doubts(instance: Instance) -> None:
    event = _event(1, "job", 0, inputs=[{"name": "t"}, "/x"], facets={"parent": {"run": {}}})
    event["outputs"] = [None]
    event["inputs"][1] = "text"
    _ingest_each(instance, [event])
    (run,) = instance.query(Run)
    assert run.details["doubts"] == [
        "the start was not told",
        "inputs[0] is no dataset: its namespace is missing",
        "inputs[1] is no dataset: it is no object",
        "outputs[0] is no dataset: it is no object",
        "the facet parent names no run and job",
    ]
    text = "\n".join(problems(event))
    assert all(part in text for part in ("inputs", "outputs", "parent")), text


@pytest.mark.parametrize(
    "text",
    [
        "2024-06-01T00:00:00Z[UTC]",
        "2024-06-01T02:00:00+02:00[Europe/Paris]",
        "2024-06-01T02:00:00.000[Europe/Paris]",
    ],
)
def test_event_times_with_a_zone_name_are_parsed(text: str) -> None:
    event = parse(_event(1, "job", 0) | {"eventTime": text})
    assert event.event_time is not None
    assert event.event_time.isoformat() == "2024-06-01T00:00:00+00:00"


def test_event_with_an_unknown_time_zone_is_quarantined() -> None:
    event = parse(_event(1, "job", 0) | {"eventTime": "2024-06-01T00:00:00[Mars/Base]"})
    assert event.kind == "quarantined"


_PAIR = [_event(1, "job", 0, "START", ["/a"]), _event(1, "job", 1, outputs=["/b"])]
_LINES = "\n".join(map(json.dumps, _PAIR)) + "\n"
_LAYOUTS = {
    "lines": _LINES.encode(),
    "carriage returns": _LINES.replace("\n", "\r\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + _LINES.encode(),
    "gzip": gzip.compress(_LINES.encode()),
    "array": json.dumps(_PAIR, indent=2).encode(),
    "array on a line": json.dumps(_PAIR).encode(),
    "pretty": "\n".join(json.dumps(event, indent=2) for event in _PAIR).encode(),
    "answer": json.dumps({"totalCount": 2, "events": _PAIR}).encode(),
    "pretty answer": json.dumps({"events": _PAIR}, indent=1).encode(),
    "log": b"INFO starts {}\n"
    + b"".join(f"24/06/07 INFO Console: {json.dumps(event)}\n".encode() for event in _PAIR),
}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_event_files_of_all_common_layouts_are_replayed(
    instance: Instance, tmp_path: Path, layout: str
) -> None:
    path = tmp_path / "events"
    path.write_bytes(_LAYOUTS[layout])
    report = Report()
    with path.open("rb") as stream:
        replay_file(instance.db, stream, report)
    assert (report.taken, report.unreadable, report.quarantined) == (2, [], [])
    assert replay_file(instance.db, io.BytesIO(_LINES.encode()), Report()).known == 2


def test_broken_line_is_reported_and_the_others_are_replayed(instance: Instance) -> None:
    lines = _LINES.encode().splitlines(keepends=True)
    torn = lines[0][:40] + b"\n" + b"# a comment\n" + b"".join(lines)
    report = replay_file(instance.db, io.BytesIO(torn), Report())
    assert report.taken == 2
    assert [problem.partition(":")[0] for problem in report.unreadable] == ["line 1", "line 2"]


def test_truncated_gzip_file_is_replayed_as_far_as_possible(instance: Instance) -> None:
    report = replay_file(instance.db, io.BytesIO(gzip.compress(_LINES.encode())[:-9]), Report())
    assert report.unreadable[-1].startswith("not a whole gzip file")
