"""A corpus of 300 planted secrets through every way in, on both databases: at most 3 of them reach a derived table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import lamin_core as ln
from lamin_core.db.database import Database
from lamin_core.instance.instance import Instance
from lamin_core.models import Base
from openlineage.lamin.emit import events
from openlineage.lamin.export.events import export
from openlineage.lamin.receive.ingest import append_to_log, ingest, project_whole_backlog
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from openlineage.lamin.receive.replay import replay
from tests.support.redaction_corpus import Plant, plants

from .conftest import at, run_of

ALLOWED = 3
Event = dict[str, Any]


def derived(database: Database) -> str:
    """Everything in every table but the raw log."""
    shown = []
    with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in ("event", "event_waiting"):
                shown += [str(tuple(row)) for row in session.execute(table.select())]
    return "\n".join(shown)


def raw_log(database: Database) -> str:
    with database.reading() as session:
        return "\n".join(session.scalars(text("select body from event")))


def leaks(planted: list[Plant], shown: str) -> list[str]:
    return [plant.text for plant in planted if plant.secret in shown]


def foreign(number: int, **facets: Any) -> Event:
    """An event of a producer that masks nothing."""
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-01-01T00:00:00Z",
        "producer": "https://example.org/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": f"00000000-0000-7000-8000-{number:012d}", "facets": facets.get("run", {})},
        "job": {"namespace": "n", "name": f"job {number}", "facets": facets.get("job", {})},
        "inputs": facets.get("inputs", []),
        "outputs": facets.get("outputs", []),
    }


def _as_source(texts: list[str]) -> Event:
    return foreign(1, job={"sourceCode": {"language": "python", "sourceCode": "\n".join(texts)}})


def _as_query(texts: list[str]) -> Event:
    return foreign(2, job={"sql": {"query": "\n".join(texts)}})


def _as_error(texts: list[str]) -> Event:
    stored_text = "\n".join(texts)
    return foreign(
        3,
        run={
            "errorMessage": {
                "message": stored_text,
                "stackTrace": stored_text,
                "programmingLanguage": "JAVA",
            }
        },
    )


def _as_run_facets(texts: list[str]) -> Event:
    rows = [{"name": f"V{number}", "value": text} for number, text in enumerate(texts)]
    facets = {
        "debezium_config": {"configs": texts},
        "environmentVariables": {"environmentVariables": rows},
    }
    return foreign(
        4,
        run=facets
        | {"airflow": {"task": {"bash_command": "; ".join(texts), "deep": [{"a": texts}]}}},
    )


def _as_params(texts: list[str]) -> Event:
    rows = [{"key": f"p{number}", "value": text} for number, text in enumerate(texts)]
    return foreign(
        5,
        run={"executionParameters": {"parameters": rows}, "lamin_run": {"params": {"all": texts}}},
    )


def _as_dataset_facets(texts: list[str]) -> Event:
    facets = {"dataSource": {"name": "d", "uri": texts[0]}, "more": {"texts": texts}}
    facets |= {"documentation": {"description": "\n".join(texts)}}
    facets |= {
        "tags": {
            "tags": [
                {"key": f"k{number}", "value": text[:200]} for number, text in enumerate(texts)
            ]
        }
    }
    return foreign(6, outputs=[{"namespace": "warehouse", "name": "t", "facets": facets}])


def _as_job_facets(texts: list[str]) -> Event:
    return foreign(
        7, job={"documentation": {"description": "\n".join(texts)}, "extra": {"texts": texts}}
    )


WAYS: list[Callable[[list[str]], Event]] = [
    *(
        _as_source,
        _as_query,
        _as_error,
        _as_run_facets,
        _as_params,
        _as_dataset_facets,
        _as_job_facets,
    ),
]


def test_events_of_other_producers_are_recorded_without_secrets(instance: Instance) -> None:
    planted = plants()
    texts = [plant.text for plant in planted]
    for build_event in WAYS:
        ingest(instance.db, [parse(build_event(texts))])
        assert len(leaks(planted, derived(instance.db))) <= ALLOWED, build_event.__name__
    rebuild(instance.db)
    assert len(leaks(planted, derived(instance.db))) <= ALLOWED
    assert (
        len(leaks(planted, raw_log(instance.db))) > 200
    )  # as it came, unless the setting says otherwise


@pytest.mark.parametrize("store", [ingest, append_to_log])
def test_redact_events_masks_the_raw_log_and_recognizes_duplicates(
    instance: Instance, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plants()
    parsed = [parse(build_event([plant.text for plant in planted])) for build_event in WAYS]
    ingest(instance.db, parsed[:1])  # before the setting
    monkeypatch.setenv("LAMIN_REDACT_EVENTS", "true")
    first = store(instance.db, parsed)
    again = store(instance.db, parsed)
    project_whole_backlog(instance.db)
    assert (first.taken, first.duplicates) == (len(parsed) - 1, 1)
    assert (again.taken, again.duplicates) == (0, len(parsed))
    with instance.db.reading() as session:
        lines = list(export(session))
    shown = "\n".join(lines[1:])
    assert len(leaks(planted, shown)) <= ALLOWED
    report = replay(instance.db, [line.encode() for line in lines])
    assert (report.taken, report.known) == (0, len(lines))
    monkeypatch.setenv("LAMIN_REDACT_EVENTS", "false")
    report = replay(instance.db, [line.encode() for line in lines[1:]])
    assert (report.taken, report.known) == (0, len(lines) - 1)


def test_redact_events_returns_the_hash_of_the_sent_event(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMIN_REDACT_EVENTS", "true")
    event = parse({"eventTime": "never", "run": {"facets": {"x": {"password": "sEcret01"}}}})
    receipt = ingest(instance.db, [event])
    assert list(receipt.reasons) == [event.hash]
    assert "sEcret01" not in raw_log(instance.db)


def test_events_of_adapters_are_sent_without_secrets() -> None:
    planted = plants()
    texts = [plant.text for plant in planted]
    stored_text = "\n".join(texts)
    details = {"command": stored_text, "listed": texts}
    job = events.Job(
        "test", "b", "rule", source=stored_text, language="python", description=stored_text
    )
    run = run_of(1, "a", params={"texts": texts, "nested": {"deep": stored_text}}, details=details)
    sent = [
        events.start(run, at(0)),
        events.fail(run, at(1), stored_text, trace=stored_text),
        events.abort(run, at(1), stored_text),
        events.declare(job, at(2)),
    ]
    for event in sent:
        assert len(leaks(planted, json.dumps(event))) <= ALLOWED


def test_tracked_python_run_is_recorded_without_secrets(
    instance: Instance, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plants()
    texts = [plant.text for plant in planted]
    monkeypatch.setenv("LAMIN_INSTANCE", str(in_tmp_path))
    ln.connect(str(in_tmp_path))
    with (
        pytest.raises(ValueError, match="password"),
        ln.run("a", params={"texts": texts, "named": {"db_password": texts[0]}}),
    ):
        raise ValueError("\n".join(texts))
    ln.Transform(key="b", source_code="\n".join(texts)).save()
    assert len(leaks(planted, derived(instance.db))) <= ALLOWED


SCRIPT = '''"""Summary: password=sEcretSummary1"""
import json, sys
import lamin_core as ln
ln.track(report=True)
for text in json.load(open("texts.json")):
    print(text)
sys.stderr.write("password=sEcretStderr1" + chr(10))
raise ValueError("no way in: token=sEcretError1")
'''


def test_script_arguments_and_report_are_recorded_without_secrets(
    instance: Instance, in_tmp_path: Path
) -> None:
    planted = plants()
    (in_tmp_path / "texts.json").write_text(json.dumps([plant.text for plant in planted]))
    (in_tmp_path / "s.py").write_text(SCRIPT)
    command = [
        sys.executable,
        "s.py",
        "--api_key",
        "sEcretOption1",
        "--config",
        "password=sEcret Option2",
    ]
    done = subprocess.run(command, cwd=in_tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "sEcretStderr1" in done.stderr  # what the user sees stays as it is
    words = [f"--x={plant.text}" for plant in planted if "\n" not in plant.text]
    lamin = [sys.executable, "-m", "lamin_core", "run", "true", *words]
    subprocess.run(lamin, cwd=in_tmp_path, capture_output=True, timeout=120, check=True)
    shown = derived(instance.db)
    assert len(leaks(planted, shown)) <= ALLOWED
    assert "sEcret" not in shown
    reports = [path for path in (in_tmp_path / "data").rglob("*.txt") if "nothing" not in path.name]
    assert len(reports) == 1
    report = reports[0].read_text()
    assert report.count("***") > 250
    assert "sEcret" not in report
    assert len(leaks(planted, report)) <= ALLOWED


def test_dataset_read_by_two_database_users_is_one_dataset(instance: Instance) -> None:
    names = [
        "postgres://ann:sEcretA@db:5432",
        "postgres://bob:sEcretB@db:5432",
        "postgres://db:5432",
    ]
    for number, namespace in enumerate(names, 1):
        ingest(
            instance.db,
            [parse(foreign(number, inputs=[{"namespace": namespace, "name": "shop.t"}]))],
        )
    signed = "k.csv?X-Amz-Date=1&X-Amz-Signature=sEcretC"
    for number, name in enumerate([signed, "k.csv"], 11):
        ingest(
            instance.db,
            [parse(foreign(number, outputs=[{"namespace": "s3://bucket", "name": name}]))],
        )
    with instance.db.reading() as session:
        keys = list(session.scalars(text("select key from artifact_series order by key")))
        roots = set(session.scalars(text("select root from storage")))
    assert keys == ["k.csv", "shop.t"]
    assert {"postgres://db:5432", "s3://bucket"} <= roots
    assert "sEcret" not in derived(instance.db)


def test_rebuild_masks_rows_written_by_an_older_release(instance: Instance) -> None:
    source = {"sourceCode": {"language": "python", "sourceCode": "password=sEcret01"}}
    event = foreign(
        1, job=source, inputs=[{"namespace": "postgres://ann:sEcret02@db", "name": "t"}]
    )
    ingest(instance.db, [parse(event)])
    with instance.db.writing() as session:
        session.execute(
            text("update transform set source_code = 'password=sEcret01', hash = 'old'")
        )
        session.execute(text("update run set error = 'token=sEcret03'"))
        session.execute(
            text(
                "update storage set root = 'postgres://ann:sEcret02@db' where root = 'postgres://db:5432'"
            )
        )
        uids = set(
            session.scalars(text("select uid from transform union select uid from artifact"))
        )
    later = foreign(2, inputs=[{"namespace": "postgres://bob:sEcret04@db", "name": "t"}])
    ingest(instance.db, [parse(later)])  # the existing row is the same dataset
    rebuild(instance.db)
    assert "sEcret" not in derived(instance.db)
    with instance.db.reading() as session:
        assert uids <= set(
            session.scalars(text("select uid from transform union select uid from artifact"))
        )
        assert session.scalar(text("select count(*) from artifact_series")) == 1


SNAKEFILE = """
rule all:
    input: "a.txt"

rule make:
    output: "a.txt"
    params: token="sEcretParam1"
    shell: "echo hi > {output}; : --api_key sEcretShell1"
"""


def test_snakemake_command_line_is_recorded_without_secrets(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    (in_tmp_path / "Snakefile").write_text(SNAKEFILE)
    config = [
        "password=sEcretConfig1",
        "api_key=sEcretConfig2",
        "client_secret=sEcretConfig3",
        "alpha=1",
    ]
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--logger",
        "lamin",
        "--config",
        *config,
    ]
    done = subprocess.run(command, cwd=in_tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    shown = derived(instance.db) + raw_log(instance.db)
    instance.db.dispose()
    assert "password=***" in shown
    assert "alpha=1" in shown
    assert "sEcret" not in shown
