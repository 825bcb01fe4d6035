"""Other backends get what adapters tell, as their users configure them: real transports of openlineage-python."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamin_core.instance.instance import Instance
from openlineage.lamin.emit.client_transports import TransportSink, client_event
from openlineage.lamin.emit.default_sink import default_sink, destinations
from openlineage.lamin.emit.events import Dataset, Event, complete, start
from openlineage.lamin.emit.sinks import Sink
from openlineage.lamin.emit.spool import is_forwarded, segments
from openlineage.lamin.receive.replay import Report
from openlineage.lamin.receive.spool_replay import recover
from openlineage.lamin.validation.schema import problems
from tests.support.receivers import ENDLESS, misbehaving, receiving, unused_port, without_batches

from .conftest import at, run_of
from .test_endpoint import UNACKNOWLEDGED

VERSION_TAG = "openlineage_client_version"


@pytest.fixture
def folder(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the job, with its spool."""
    monkeypatch.setenv("LAMIN_SPOOL", str(in_tmp_path / "spool"))
    monkeypatch.setenv("LAMIN_PATIENCE", "10")
    return in_tmp_path


def example_events() -> list[Event]:
    """A run with everything in it, and facets that nobody knows."""
    parent = run_of(9, "flow")
    run = run_of(1, "step", parent, params={"alpha": 3, "nested": {"deep": [1, {"x": "y"}]}})
    file = Dataset("file", "/data/a.csv", "0" * 64, "blake3", 12)
    events = [start(run, at(0), [file]), complete(run, at(1), (), [file])]
    for event in events:
        event["run"]["facets"]["acme_quota"] = {
            "_producer": "urn:acme",
            "_schemaURL": "urn:acme:quota:1",
            "left": [1, {"of": 2}],
        }
    return events


def emit_events(*events: Event) -> Sink:
    """Emit events as an adapter does."""
    sink = default_sink()
    for event in events:
        sink.emit(event)
    sink.close()
    return sink


def without_client_tags(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events without the tag that openlineage-python adds to every run."""
    for event in events:
        tags = event["run"]["facets"].pop("tags")
        assert VERSION_TAG in {tag["key"] for tag in tags["tags"]}
    return events


def write_configuration(text: str) -> None:
    Path("openlineage.yml").write_text(textwrap.dedent(text))


def run_statuses(instance: Instance) -> list[str]:
    return [run.status for run in instance.lineage.everything().runs.values()]


@contextlib.contextmanager
def new_instance(folder: Path) -> Iterator[Instance]:
    instance = Instance.create(folder, "./data")
    yield instance
    instance.db.dispose()


def test_file_transport_receives_each_event_unchanged(folder: Path) -> None:
    write_configuration(
        f"transport: {{type: file, log_file_path: {folder}/told.ndjson, append: true}}"
    )
    emit_events(*example_events())
    received = [json.loads(line) for line in (folder / "told.ndjson").read_bytes().splitlines()]
    assert without_client_tags(received) == example_events()
    assert not [problem for event in received for problem in problems(event)]


def test_local_registry_also_receives_the_events(folder: Path) -> None:
    with new_instance(folder) as instance:
        write_configuration(
            f"transport: {{type: file, log_file_path: {folder}/told.ndjson, append: true}}"
        )
        emit_events(*example_events())
        assert sorted(run_statuses(instance)) == [
            "completed",
            "scheduled",
        ]  # and the stub of its parent
    assert len((folder / "told.ndjson").read_bytes().splitlines()) == 2
    assert not (folder / "spool").exists()


def test_console_transport_logs_the_events(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_configuration("transport: {type: console}")
    with caplog.at_level(logging.INFO, "openlineage.client.transport.console"):
        emit_events(*example_events())
    received = [
        json.loads(r.message)
        for r in caplog.records
        if r.name.endswith("console") and r.message.startswith("{")
    ]
    assert without_client_tags(received) == example_events()


def test_http_transport_configured_by_variables_sends_key_and_headers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(without_batches) as receiver:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", receiver.url)
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__AUTH", '{"type": "api_key", "apiKey": "hush"}')
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__CUSTOM_HEADERS", '{"X-Team": "genomics"}')
        emit_events(*example_events())
        assert without_client_tags(receiver.events) == example_events()
    headers = receiver.requests[-1][2]
    assert (headers["Authorization"], headers["X-Team"]) == ("Bearer hush", "genomics")


def test_dead_backend_of_a_composite_delays_no_other_and_gets_its_events_later(
    folder: Path,
) -> None:
    dead = unused_port()
    write_configuration(
        f"""
        transport:
          type: composite
          transports:
            dead: {{type: http, url: "http://127.0.0.1:{dead}"}}
            alive: {{type: http, url: "http://127.0.0.1:ALIVE"}}
            ours: {{type: openlineage.lamin.transport.LaminTransport, instance: {folder}}}
        """
    )
    with new_instance(folder) as instance, receiving(without_batches) as alive:
        write_configuration(Path("openlineage.yml").read_text().replace("ALIVE", str(alive.port)))
        emit_events(*example_events())
        assert [event["eventType"] for event in alive.events] == ["START", "COMPLETE"]
        assert sorted(run_statuses(instance)) == ["completed", "scheduled"]
        waiting = segments(folder / "spool")
        assert waiting
        assert all(map(is_forwarded, waiting))
        report = Report()
        recover(
            instance.db, folder / "spool", report
        )  # a replay into the registry does not take them away
        assert segments(folder / "spool") == waiting
        with receiving(without_batches, port=dead) as revived:
            emit_events(start(run_of(2, "later"), at(5)))
            assert [event["eventType"] for event in revived.events] == [
                "START",
                "COMPLETE",
                "START",
            ]
    assert not (folder / "spool").exists()


def test_registry_by_url_and_second_backend_by_file_both_receive_the_events(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as ours, receiving(without_batches) as marquez:
        monkeypatch.setenv("OPENLINEAGE_URL", ours.url)
        write_configuration(
            f"transport: {{type: composite, transports: [{{type: http, url: '{marquez.url}'}}]}}"
        )
        before = dict(os.environ)
        emit_events(*example_events())
        assert dict(os.environ) == before
        assert ours.events == example_events()
        assert without_client_tags(marquez.events) == example_events()


def test_composite_without_continue_on_success_stops_at_the_first_success(folder: Path) -> None:
    with receiving() as first, receiving() as second:
        write_configuration(
            f"""
            transport:
              type: composite
              continue_on_success: false
              transports:
                - {{type: http, url: "http://127.0.0.1:{unused_port()}", retry: {{total: 0}}}}
                - {{type: http, url: "{first.url}"}}
                - {{type: http, url: "{second.url}"}}
            """
        )
        emit_events(*example_events())
        assert [event["eventType"] for event in first.events] == ["START", "COMPLETE"]
        assert second.events == []


def test_filters_and_tags_of_the_configuration_are_applied(folder: Path) -> None:
    write_configuration(
        f"""
        transport: {{type: file, log_file_path: {folder}/told.ndjson, append: true}}
        filters: [{{type: exact, match: secret}}]
        tags: {{job: {{team: genomics}}, run: {{site: basel}}}}
        """
    )
    emit_events(start(run_of(1, "secret"), at(0)), start(run_of(2, "open"), at(1)))
    (received,) = [json.loads(line) for line in (folder / "told.ndjson").read_bytes().splitlines()]
    assert received["job"]["name"] == "open"
    assert [(tag["key"], tag["value"]) for tag in received["job"]["facets"]["tags"]["tags"]] == [
        ("team", "genomics")
    ]
    assert ("site", "basel") in [
        (tag["key"], tag["value"]) for tag in received["run"]["facets"]["tags"]["tags"]
    ]


def test_own_tags_stay_beside_the_tags_of_the_client(folder: Path) -> None:
    write_configuration(
        f"transport: {{type: file, log_file_path: {folder}/told.ndjson, append: true}}"
    )
    event = start(run_of(1, "a"), at(0))
    event["run"]["facets"]["tags"] = {
        "_producer": "urn:me",
        "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/TagsRunFacet.json#/$defs/TagsRunFacet",
        "tags": [{"key": "batch", "value": "7", "source": "USER"}],
    }
    emit_events(event)
    (received,) = [json.loads(line) for line in (folder / "told.ndjson").read_bytes().splitlines()]
    assert {"batch", VERSION_TAG} == {
        tag["key"] for tag in received["run"]["facets"]["tags"]["tags"]
    }


def test_backend_that_refuses_an_event_receives_the_others(folder: Path) -> None:
    def answer(path: str, events: list[dict[str, Any]]) -> tuple[int, bytes]:
        return (400, b"no") if events[0]["job"]["name"] == "bad" else (201, b"")

    with receiving(answer) as receiver:
        write_configuration(f"transport: {{type: http, url: '{receiver.url}'}}")
        emit_events(
            start(run_of(1, "good"), at(0)),
            start(run_of(2, "bad"), at(1)),
            start(run_of(3, "fine"), at(2)),
        )
        assert [event["job"]["name"] for event in receiver.events] == ["good", "fine"]
    (aside,) = (folder / "spool").glob("*.aside")
    assert json.loads(aside.read_bytes())["job"]["name"] == "bad"


def test_openlineage_disabled_forwards_nothing_but_the_registry_receives_the_events(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    with new_instance(folder) as instance, receiving() as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        write_configuration(
            f"transport: {{type: file, log_file_path: {folder}/told.ndjson, append: true}}"
        )
        emit_events(*example_events())
        assert receiver.events == []
        assert not (folder / "told.ndjson").exists()
        assert sorted(run_statuses(instance)) == ["completed", "scheduled"]


@pytest.mark.parametrize(
    "text", ["transport: {type: no.such.Transport}", "transport: [", "filters: 3"]
)
def test_invalid_client_configuration_does_not_affect_the_registry(folder: Path, text: str) -> None:
    with new_instance(folder) as instance:
        write_configuration(text)
        emit_events(*example_events())
        assert sorted(run_statuses(instance)) == ["completed", "scheduled"]


def test_job_and_dataset_events_are_forwarded(folder: Path) -> None:
    head = {"eventTime": "2026-01-01T00:00:00Z", "producer": "urn:me"}
    spec = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
    facet: dict[str, Any] = {
        "x_own": {"_producer": "urn:me", "_schemaURL": "urn:x", "deep": {"a": [1]}}
    }
    named: Event = {"namespace": "file", "name": "/a", "facets": facet}
    of_job: Event = {**head, "schemaURL": f"{spec}JobEvent", "inputs": [], "outputs": [named]}
    of_job["job"] = {"namespace": "n", "name": "j", "facets": facet}
    of_dataset: Event = {**head, "schemaURL": f"{spec}DatasetEvent", "dataset": named}
    write_configuration(
        f"transport: {{type: file, log_file_path: {folder}/told.ndjson, append: true}}"
    )
    emit_events(of_job, of_dataset)
    received = [json.loads(line) for line in (folder / "told.ndjson").read_bytes().splitlines()]
    assert received == [of_job, of_dataset]
    assert not [problem for event in received for problem in problems(event)]


def test_kafka_transport_uses_the_parent_job_as_message_key() -> None:
    pytest.importorskip("openlineage.client.transport.kafka")
    from openlineage.client.transport.kafka import KafkaTransport

    event = client_event(example_events()[0])
    assert (
        KafkaTransport._get_run_message_key(KafkaTransport.__new__(KafkaTransport), event)
        == "run:test/flow"
    )


def test_openlineage_client_is_not_imported_without_configuration(folder: Path) -> None:
    script = (
        "import sys; from openlineage.lamin.emit.default_sink import destinations; destinations()\n"
        "assert 'openlineage.client' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_strict_mode_uses_the_transports_without_a_spool(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMIN_STRICT", "1")
    write_configuration(
        f"transport: {{type: file, log_file_path: {folder}/told.ndjson, append: true}}"
    )
    assert isinstance(default_sink(), TransportSink)
    emit_events(*example_events())
    assert len((folder / "told.ndjson").read_bytes().splitlines()) == 2
    assert [to.is_forwarded for to in destinations()] == [True]


@pytest.mark.parametrize(("status", "body", "problem"), UNACKNOWLEDGED)
def test_events_for_a_server_that_is_not_a_backend_stay_in_the_spool(
    folder: Path, caplog: pytest.LogCaptureFixture, status: int, body: bytes, problem: str
) -> None:
    with receiving(lambda *_: (status, body)) as receiver:
        write_configuration(f"transport: {{type: http, url: '{receiver.url}'}}")
        emit_events(*example_events())
    waiting = [
        line for path in segments(folder / "spool") for line in path.read_bytes().splitlines()
    ]
    assert len(waiting) == 2
    (warning,) = [
        record.getMessage() for record in caplog.records if "kept in" in record.getMessage()
    ]
    assert problem in warning
    assert "mend the url and endpoint of this transport in openlineage.yml" in warning


@pytest.mark.parametrize(
    "how", [how for how in ENDLESS if how not in ("endless head", "continues")]
)
def test_endless_answer_of_a_backend_costs_little_memory(
    folder: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMIN_PATIENCE", "2")
    script = (
        "import resource, sys\n"
        "import openlineage.client.transport.http\n"
        "from openlineage.lamin.emit.default_sink import default_sink\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "sink = default_sink()\n"
        "before = peak()\n"
        "[sink.emit(line.encode()) for line in sys.stdin.read().splitlines()]\n"
        "sink.close()\n"
        "print(peak() - before)\n"
    )
    lines = "\n".join(json.dumps(event) for event in example_events())
    with misbehaving(how) as url:
        write_configuration(f"transport: {{type: http, url: '{url}', timeout: 2}}")
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, input=lines, capture_output=True, text=True, timeout=60, check=True
        )
    assert int(done.stdout) < 60_000  # kilobytes
    assert done.stderr.count("lineage is kept in") == 1
