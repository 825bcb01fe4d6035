"""Everything in a registry, however it came there, goes out as valid events and is the same when they come in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

import lamin_core as ln
from lamin_core.db.database import Database
from lamin_core.instance.instance import Instance
from lamin_core.lineage.view import view
from openlineage.lamin.emit import events
from openlineage.lamin.emit.events import Dataset, Event, RunReference
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.export.events import export
from openlineage.lamin.receive.registry_sink import RegistrySink
from openlineage.lamin.receive.replay import replay
from openlineage.lamin.validation.schema import problems

from .conftest import at, run_of

UIDS = ("uid", "run", "artifact", "transform", "parent", "source", "directory")


def exported(instance: Instance) -> list[str]:
    with instance.db.reading() as session:
        return list(export(session))


def whole_lineage(instance: Instance) -> dict[str, list[str]]:
    """`lamin lineage --all --json`, with names in place of uids, in an order of its own."""
    whole = view(instance.lineage.everything())
    names = {run["uid"]: f"run {run['external_id']}" for run in whole["runs"]}
    names |= {
        artifact["uid"]: f"{artifact['path']} {artifact['version']}"
        for artifact in whole["artifacts"]
    }

    def named(row: dict[str, Any]) -> str:
        named_row = {
            key: names.get(value, "-") if key in UIDS and value else value
            for key, value in row.items()
        }
        return json.dumps(named_row, sort_keys=True)

    return {
        part: sorted(map(named, rows)) for part, rows in whole.items() if isinstance(rows, list)
    }


@pytest.fixture
def source(
    in_tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Instance]:
    """The registry to be told, connected."""
    monkeypatch.setenv("LAMIN_INSTANCE", str(in_tmp_path))
    instance = ln.setup.init("./data", path=in_tmp_path, db=database_url)
    yield instance
    ln.setup.disconnect()
    instance.db.dispose()


@pytest.fixture
def target(tmp_path: Path, source: Instance) -> Iterator[Instance]:
    """An empty registry of the same kind, elsewhere."""
    folder = tmp_path / "elsewhere"
    url = None
    if source.db.engine.dialect.name == "postgresql":
        url = _second_database(source.db)
    instance = Instance.create(folder, folder / "data", url)
    yield instance
    instance.db.dispose()


def _second_database(database: Database) -> str:
    """One more on the same server; it goes with the server, at the end of the session."""
    url = database.engine.url
    name = f"{url.database}_copy"
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    return url.set(database=name).render_as_string(hide_password=False)


def fill_by_api(folder: Path) -> None:
    """Everything that people do by hand."""
    batch = ln.ULabel(name="batch", is_type=True).save()
    first, loose = ln.ULabel(name="b1", type=batch).save(), ln.ULabel(name="good").save()
    (folder / "raw.csv").write_text("a,b\n1,2\n")
    raw = ln.Artifact(
        folder / "raw.csv", key="raw/a.csv", description="as it came"
    ).save()  # without a run
    raw.ulabels.add(first, loose)
    ln.Artifact(folder / "raw.csv", description="without a key").save()
    (folder / "raw.csv").write_text("a,b\n3,4\n")
    ln.Artifact(folder / "raw.csv", key="raw/a.csv").save()  # its second version
    (folder / "raw.csv").write_text("a,b\n1,2\n")
    ln.Artifact(
        folder / "raw.csv", key="raw/a.csv"
    ).save()  # the first bytes again: a third version
    (folder / "data" / "plain.txt").write_text("in place, inside of the storage")
    ln.Artifact(folder / "data" / "plain.txt").save()
    ln.Artifact.from_df(pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}), key="table.parquet").save()
    ln.Transform(
        key="never ran", kind="pipeline", source_code="print()", description="some day"
    ).save()
    with ln.run("outer", params={"alpha": 3, "nested": {"deep": [1, None]}}) as outer:
        ln.Artifact.get(key="raw/a.csv").load()
        (folder / "made.csv").write_text("c\n5\n")
        ln.Artifact(folder / "made.csv", key="made.csv").save()
        with ln.run("inner"):
            ln.Artifact.get(key="made.csv").load()
            ln.Artifact(
                folder / "made.csv", key="made.csv"
            ).save()  # the same bytes: made once more
        folder_of_files = folder / "many"
        folder_of_files.mkdir()
        for name in "abc":
            (folder_of_files / f"{name}.txt").write_text(name)
        ln.Artifact(folder_of_files, key="many").save()
    outer.ulabels.add(first)
    ln.Run(ln.Transform(key="tomorrow").save(), name="tomorrow", status="scheduled").save()
    with pytest.raises(ValueError, match="no luck"), ln.run("failing"):
        raise ValueError("no luck")
    with pytest.raises(KeyboardInterrupt), ln.run("stopped"):
        raise KeyboardInterrupt


def fill_by_script(folder: Path) -> None:
    """A tracked script, and one that was killed."""
    (folder / "work.py").write_text(
        "import sys, os, signal, lamin_core as ln\nln.track(params={'seed': 7})\n"
        "ln.Artifact.get(key='made.csv').cache()\nopen('out.txt', 'w').write('out')\n"
        "ln.Artifact('out.txt', key='out.txt').save()\n"
        "os.kill(os.getpid(), signal.SIGKILL) if sys.argv[1:] else ln.finish()\n"
    )
    subprocess.run([sys.executable, "work.py"], cwd=folder, check=True)
    subprocess.run([sys.executable, "work.py", "die"], cwd=folder, check=False)


def engine_events(instance: Instance, folder: Path) -> list[Event]:
    """Events of engines: a workflow with a retry, files inside and outside of the storage, a job and a dataset."""
    top = run_of(1, "flow")
    bad, good = run_of(2, "step", top), run_of(3, "step", top, attempt=2, params={"n": 1.5})
    (folder / "outside.txt").write_text("outside")
    outside, inside = Dataset.at(folder / "outside.txt"), Dataset.at(folder / "data" / "plain.txt")
    head = {"producer": "urn:acme", "eventTime": "2026-01-01T00:00:30Z"}
    facet = {
        "acme_x": {
            "_producer": "urn:acme",
            "_schemaURL": "urn:acme:x:1",
            "deep": {"a": [1, "\u2028é"]},
        }
    }
    return [
        events.start(top, at(0)),
        events.start(bad, at(1), [inside]),
        events.fail(bad, at(2), "no such luck", trace="Traceback: line 1"),
        events.start(good, at(3), [inside]),
        events.complete(
            good,
            at(4),
            [inside],
            [outside, Dataset("s3://bucket", "k/v.bam"), Dataset("db", "a.b.c")],
        ),
        events.complete(top, at(5)),
        {
            **head,
            "schemaURL": f"{events.SCHEMA}JobEvent",
            "job": {"namespace": "acme", "name": "j", "facets": facet},
        },
        {
            **head,
            "schemaURL": f"{events.SCHEMA}DatasetEvent",
            "dataset": {"namespace": "db", "name": "a.b.c", "facets": facet},
        },
        events.start(run_of(4, "child of a stranger", run_of(9, "stranger")), at(6)),
    ]


def fill(instance: Instance, folder: Path) -> None:
    fill_by_api(folder)
    fill_by_script(folder)
    assert instance.runs.find_lost() == 1
    sink = RegistrySink(instance.folder)
    sink.emit(*engine_events(instance, folder))
    sink.close()


def test_export_and_replay_reproduce_a_registry_filled_in_every_way(
    source: Instance, target: Instance, in_tmp_path: Path
) -> None:
    fill(source, in_tmp_path)
    lines = exported(source)
    wrong = {line[:300]: issues for line in lines if (issues := problems(json.loads(line)))}
    assert not wrong
    report = replay(target.db, [line.encode() for line in lines])
    assert (report.taken, report.quarantined, report.unreadable) == (len(lines), [], [])
    before, after = whole_lineage(source), whole_lineage(target)
    states = {json.loads(run)["status"] for run in before["runs"]}
    assert states == {"completed", "failed", "aborted", "running", "scheduled", "lost"}
    for part, rows in before.items():
        assert after[part] == rows, part
    assert replay(target.db, [line.encode() for line in exported(target)]).known == len(lines)
    assert whole_lineage(target) == before


@pytest.mark.parametrize("backwards", [False, True])
def test_export_and_replay_in_any_order_reproduce_a_registry_of_engine_events(
    source: Instance, target: Instance, in_tmp_path: Path, backwards: bool
) -> None:
    (in_tmp_path / "data").mkdir(exist_ok=True)
    (in_tmp_path / "data" / "plain.txt").write_text("in place, inside of the storage")
    sink = RegistrySink(source.folder)
    sink.emit(*engine_events(source, in_tmp_path))
    sink.close()
    lines = exported(source)
    assert "run" in json.loads(lines[0])  # what came, first
    replay(target.db, [line.encode() for line in (reversed(lines) if backwards else lines)])
    assert whole_lineage(target) == whole_lineage(source)
    assert any(
        '"key": "data/plain.txt"' in row or '"key": "plain.txt"' in row
        for row in whole_lineage(target)["artifacts"]
    )


def test_records_of_users_are_exported_as_standard_facets(
    source: Instance, in_tmp_path: Path
) -> None:
    fill_by_api(in_tmp_path)
    exported_events = [json.loads(line) for line in exported(source)]
    datasets = [event["dataset"] for event in exported_events if "dataset" in event]
    raw = next(
        dataset
        for dataset in datasets
        if "documentation" in dataset["facets"] and dataset["name"].endswith("raw/a.csv")
    )
    assert raw["facets"]["documentation"]["description"] == "as it came"
    assert [(tag["key"], tag["value"]) for tag in raw["facets"]["tags"]["tags"]] == [
        ("batch", "b1"),
        ("good", ""),
    ]
    assert raw["facets"]["ownership"]["owners"][0]["name"]
    (job,) = [
        event["job"]
        for event in exported_events
        if "run" not in event and "job" in event and event["job"]["name"] == "never ran"
    ]
    assert job["facets"]["sourceCode"]["sourceCode"] == "print()"
    assert job["facets"]["documentation"]["description"] == "some day"
    outer = next(
        event for event in exported_events if "run" in event and event["job"]["name"] == "outer"
    )
    assert outer["run"]["facets"]["lamin_environment"]["packages"]
    assert outer["run"]["facets"]["tags"]["tags"][0]["value"] == "b1"
    inner = next(
        event for event in exported_events if "run" in event and event["job"]["name"] == "inner"
    )
    assert (
        inner["run"]["facets"]["parent"]["run"] == inner["run"]["facets"]["parent"]["root"]["run"]
    )
    assert inner["run"]["facets"]["parent"]["run"]["runId"] == outer["run"]["runId"]


def test_events_are_exported_unchanged(source: Instance) -> None:
    odd = '{ "eventTime":"2026-01-01T00:00:00Z", "run":{"runId":"Odd"},"job":{"namespace":"n","name":"é"} , "x":1e3}'
    replay(source.db, [odd.encode()])
    assert exported(source) == [odd]


def test_export_of_a_registry_whose_server_was_killed_prints_only_json_lines(
    in_tmp_path: Path,
) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    lamin = [sys.executable, "-m", "lamin_core"]
    story = [
        json.dumps(event)
        for event in (events.start(run_of(1, "a"), at(0)), events.complete(run_of(1, "a"), at(1)))
    ]
    server = subprocess.Popen([*lamin, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    url = next(line.split("=")[1].strip() for line in server.stderr if "OPENLINEAGE_URL=" in line)
    sink = HttpSink(f"{url}/api/v1/lineage")
    sink.emit(*map(str.encode, story))
    sink.close()
    outputs = [subprocess.check_output([*lamin, "events", "export"], text=True)]
    server.kill()
    server.communicate()
    outputs.append(subprocess.check_output([*lamin, "events", "export"], text=True))
    for output in outputs:
        assert [json.loads(line) for line in output.split("\n")[:-1]] == [
            json.loads(line) for line in story
        ]


def test_replay_reports_counts_and_exit_code(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    event = json.dumps(events.start(run_of(1, "a"), at(0)))
    files = {
        "empty": "",
        "good": f"{event}\n{event}\n",
        "odd": '{"run": {}}\n',
        "bad": f"{event}\nno json\n",
    }
    for name, content in files.items():
        (in_tmp_path / f"{name}.ndjson").write_text(content)

    def replayed(name: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "lamin_core", "events", "replay", f"{name}.ndjson", "--json"],
            capture_output=True,
            text=True,
            env=dict(os.environ),
            check=False,
        )
        return done.returncode, json.loads(done.stdout)

    code, report = replayed("empty")
    assert (
        code,
        report["taken"],
        report["known"],
        report["quarantined"],
        report["unreadable"],
    ) == (0, 0, 0, [], [])
    code, report = replayed("good")
    assert (code, report["taken"], report["known"]) == (0, 1, 1)
    code, report = replayed("odd")
    assert (code, report["taken"], len(report["quarantined"])) == (0, 0, 1)
    code, report = replayed("bad")
    assert (code, report["known"], len(report["unreadable"])) == (1, 1, 1)


def test_exported_run_names_its_outermost_run(source: Instance) -> None:
    with ln.run("a") as top, ln.run("b"), ln.run("c"):
        pass
    exported_events = [json.loads(line) for line in exported(source)]
    facet = next(event for event in exported_events if event["job"]["name"] == "c")["run"][
        "facets"
    ]["parent"]
    assert facet["job"]["name"] == "b"
    assert RunReference(facet["root"]["run"]["runId"], "python", "a") == RunReference(
        top.external_id, "python", "a"
    )
