"""Events of pipelines that end well: workflow, tasks, files, parameters; new, resumed and retried."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from lamin_core.storage.hashing import digest
from lamin_core.uids import derived_run_id, run_uid
from openlineage.lamin.emit import events as emit
from openlineage.lamin.receive import facet_reader
from openlineage.lamin.validation.schema import problems
from tests.contract.nextflow.playing import (
    PIPELINES,
    Event,
    Played,
    datasets,
    is_end,
    message,
    names,
    play,
    process,
    run,
    source,
)

LARGE_SIZE = 20 << 30
LARGE = f"""
nextflow.enable.dsl = 2
process LARGE {{
    output:
    path 'large'
    script:
    \"\"\"
    truncate -s {LARGE_SIZE} large
    \"\"\"
}}
workflow {{
    LARGE()
}}
"""


def pipeline(folder: Path, name: str) -> Path:
    """A copy of a test pipeline, with its data and modules, in a project folder of its own."""
    project = folder / "prep"
    project.mkdir(parents=True)
    shutil.copytree(PIPELINES / "data", project / "data")
    shutil.copytree(PIPELINES / "modules", project / "modules")
    shutil.copy(PIPELINES / f"{name}.nf", project / "main.nf")
    return folder


@pytest.fixture(scope="module")
def fanout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline(tmp_path_factory.mktemp("fanout"), "fanout")


@pytest.fixture(scope="module")
def first(fanout: Path) -> Played:
    return play(fanout, "run", "prep/main.nf", "--lines", "2")


@pytest.fixture(scope="module")
def resumed(fanout: Path, first: Played) -> Played:
    return play(fanout, "run", "prep/main.nf", "--lines", "2", "-resume")


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline(tmp_path_factory.mktemp("odd"), "odd")


@pytest.fixture(scope="module")
def odd(odd_folder: Path) -> Played:
    return play(odd_folder, "run", "prep/main.nf", "--out-dir", "results")


@pytest.fixture(scope="module")
def odd_again(odd_folder: Path, odd: Played) -> Played:
    return play(odd_folder, "run", "prep/main.nf", "-resume")


@pytest.fixture(scope="module")
def retried(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(pipeline(tmp_path_factory.mktemp("retry"), "retry"), "run", "prep/main.nf")


UNSAID: Event = {"name": None, "params": {}, "attempt": 1, "cached": False, "details": {}}
"""Of a run whose end is told already: it only says what it published."""


def rebuilt(event: Event) -> Event:
    """The same event, made by our Python; the observer says the size of an output in `lamin_artifact` alone."""
    rebuilt_event = _rebuilt(event)
    if "lamin_run" not in event["run"]["facets"]:
        del rebuilt_event["run"]["facets"]["lamin_run"]
    sides = {}
    for side in ("inputs", "outputs"):
        sides[side] = [
            {
                "namespace": each["namespace"],
                "name": each["name"],
                "facets": each["facets"] | nextflow_facets(source_dataset["facets"]),
            }
            for each, source_dataset in zip(rebuilt_event[side], event[side], strict=True)
        ]
    return {**rebuilt_event, **sides}


def nextflow_facets(facets: Event) -> Event:
    """The facets of a file that only Nextflow gives: its name in the work folder, the file that it is a copy of."""
    return {name: facet for name, facet in facets.items() if name == "nextflow_file"}


def _rebuilt(event: Event) -> Event:
    facets, job = event["run"]["facets"], event["job"]
    ours = facets.get("lamin_run", UNSAID)
    parent = facets.get("parent")
    emit_run = emit.Run(
        id=event["run"]["runId"],
        job=emit.Job(
            job["namespace"],
            job["name"],
            job["facets"]["jobType"]["jobType"].lower(),
            source=job["facets"].get("sourceCode", {}).get("sourceCode"),
            language="nextflow",
            previous_name=job["facets"].get("lamin_job", {}).get("previousName"),
        ),
        engine="nextflow",
        engine_version=facets["processing_engine"]["version"],
        name=ours["name"],
        parent=parent and reference(parent),
        root=parent and reference(parent["root"]),
        params=ours["params"],
        attempt=ours["attempt"],
        cached=ours["cached"],
        details=ours["details"],
        process=facet_reader.process(facets),
    )
    inputs, outputs = ([dataset(each) for each in event[side]] for side in ("inputs", "outputs"))
    at = datetime.fromisoformat(event["eventTime"])
    if "errorMessage" not in facets:
        made_event = {"START": emit.start, "RUNNING": emit.running, "COMPLETE": emit.complete}[
            event["eventType"]
        ]
        return made_event(emit_run, at, inputs, outputs)
    error = facets["errorMessage"]
    failure = emit.fail(emit_run, at, error["message"], trace=error.get("stackTrace"))
    failure["run"]["facets"]["errorMessage"]["programmingLanguage"] = "nextflow"
    return {**failure, "eventType": event["eventType"]}


def reference(facet: Event) -> emit.RunReference:
    return emit.RunReference(facet["run"]["runId"], facet["job"]["namespace"], facet["job"]["name"])


def dataset(entry: Event) -> emit.Dataset:
    content = {k: v for k, v in entry["facets"]["lamin_artifact"].items() if not k.startswith("_")}
    return emit.Dataset(entry["namespace"], entry["name"], **content)


def test_every_observer_event_equals_the_event_made_by_python(
    first: Played, odd: Played, retried: Played
) -> None:
    for event in first.events + odd.events + retried.events:
        assert event == rebuilt(event)
        assert problems(event) == []


def test_every_attempt_starts_once_and_ends_once(
    first: Played, resumed: Played, odd: Played, odd_again: Played, retried: Played
) -> None:
    for played in (first, resumed, odd, odd_again, retried):
        assert played.code == 0, played.shown
        starts = Counter(
            event["run"]["runId"] for event in played.events if event["eventType"] == "START"
        )
        ends = Counter(event["run"]["runId"] for event in played.events if is_end(event))
        assert starts == ends
        assert set(starts.values()) == {1}


def test_every_hash_equals_that_computed_by_python(first: Played, odd: Played) -> None:
    seen = set()
    for name, content in datasets(first.events + odd.events):
        if Path(name).exists():
            expected = digest(name)
            assert content["hash"] == expected.hash
            assert (content["hash_type"], content["size"]) == (expected.hash_type, expected.size)
            assert content.get("n_files") == expected.n_files
            seen.add(expected.hash_type)
    assert seen == {"blake3", "blake3-dir"}


def test_job_names_and_run_ids_are_stable_and_contain_no_path(fanout: Path, first: Played) -> None:
    workflow = first.only_event("", "START")
    details = run(workflow)["details"]
    assert workflow["job"]["name"] == "main.nf"
    assert {event["job"]["name"] for event in first.events} == {
        "main.nf",
        "main.nf:SPLIT",
        "main.nf:UPPER",
        "main.nf:MERGE",
    }
    run_id = derived_run_id("nextflow", details["session_id"], run(workflow)["name"])
    assert workflow["run"]["runId"] == run_id
    merge = first.only_event("merge", "START")
    assert merge["run"]["runId"] == derived_run_id(run_id, run(merge)["details"]["hash"], "1")


def test_source_of_a_task_is_the_code_of_its_process(
    fanout: Path, first: Played, resumed: Played
) -> None:
    code = (fanout / "prep" / "main.nf").read_text()
    assert source(first.only_event("", "START")) == code
    for played in (first, resumed):
        sources = {process(event): source(event) for event in played.events if process(event)}
        assert sources["upper"].strip() == '"""\n    tr a-z A-Z < $part > ${part}.upper\n    """'
        assert all(text in code for text in sources.values())


def test_split_parts_are_inputs_of_the_tasks_that_read_them(first: Played) -> None:
    written = {each["name"] for each in first.only_event("split", "COMPLETE")["outputs"]}
    read = [each["name"] for event in first.events_of("upper", "START") for each in event["inputs"]]
    assert len(written) == 3
    assert sorted(read) == sorted(written)
    merged = {each["name"] for each in first.only_event("merge", "START")["inputs"]}
    assert merged == {
        each["name"] for event in first.events_of("upper", "COMPLETE") for each in event["outputs"]
    }
    assert [
        run(event)["name"]
        for event in sorted(first.events_of("upper", "START"), key=lambda e: run(e)["name"])
    ] == [
        "UPPER (part_aa)",
        "UPPER (part_ab)",
        "UPPER (part_ac)",
    ]


def test_published_file_belongs_to_the_task_that_wrote_it(first: Played, resumed: Played) -> None:
    for played in (first, resumed):
        assert played.published("split") == ["part_aa", "part_ab", "part_ac"]
        assert played.published("upper") == ["part_aa.upper", "part_ab.upper", "part_ac.upper"]
        assert played.published("merge") == ["by_part", "merged.txt"]
        assert played.published("") == []
        ends = {
            event["run"]["runId"]: run(event)["name"]
            for event in played.events_of("upper", "COMPLETE")
        }
        for event in played.events_of("upper", "RUNNING"):
            assert names(event, "outputs")[0].removesuffix(".upper") in ends[event["run"]["runId"]]


def test_resumed_pipeline_reports_cached_tasks_with_all_their_files(
    first: Played, resumed: Played
) -> None:
    again = [
        event for event in resumed.events if process(event) and event["eventType"] != "RUNNING"
    ]
    assert again
    assert all(run(event)["cached"] for event in again)
    assert not run(resumed.only_event("", "COMPLETE"))["cached"]
    assert not {event["run"]["runId"] for event in first.events} & {
        event["run"]["runId"] for event in resumed.events
    }
    for kind, side in {"START": "inputs", "COMPLETE": "outputs"}.items():
        for step in ("split", "upper", "merge"):
            expected = sorted(
                each["name"] for event in first.events_of(step, kind) for each in event[side]
            )
            assert (
                sorted(
                    each["name"] for event in resumed.events_of(step, kind) for each in event[side]
                )
                == expected
            )


def test_parameters_keep_their_types_and_are_masked(first: Played, odd: Played) -> None:
    assert run(first.only_event("", "START"))["params"]["lines"] == 2
    params = run(odd.only_event("", "COMPLETE"))["params"]
    assert params["ratio"] == 0.5
    assert params["nothing"] is None
    assert params["apiToken"] == "***"
    assert params["nested"] == {"names": ["a", "b"], "password": "***"}
    assert "hunter2" not in str([{**event, "job": None} for event in odd.events])


def test_parameter_in_two_spellings_is_recorded_once(odd: Played) -> None:
    params = run(odd.only_event("", "START"))["params"]
    assert len({"outDir", "out-dir"} & set(params)) == 1


def test_input_value_of_a_task_is_its_parameter(odd: Played) -> None:
    assert {run(event)["params"]["x"] for event in odd.events_of("stored", "START")} == {
        "human",
        "mouse",
    }
    assert run(odd.only_event("inner", "START"))["params"] == {"meta": {"id": "s1", "single": True}}


def test_unusual_file_names_are_recorded_unchanged(odd: Played) -> None:
    name = 'x (1) "é" b.txt'
    assert names(odd.only_event("odd", "COMPLETE"), "outputs") == [name]
    assert odd.published("odd") == [name, name]
    assert all(name in names(event, "inputs") for event in odd.events_of("count", "START"))


def test_included_module_has_the_name_of_its_alias(odd: Played) -> None:
    assert odd.only_event("inner", "START")["job"]["name"] == "main.nf:RENAMED:INNER"
    assert "workflow NESTED" in source(odd.only_event("", "START"))


def test_values_and_absent_files_are_not_datasets(odd: Played) -> None:
    assert {names(event, "outputs")[0] for event in odd.events_of("stored", "COMPLETE")} == {
        "human.ref",
        "mouse.ref",
    }
    assert all(event["outputs"] == [] for event in odd.events_of("count", "COMPLETE"))
    assert odd.only_event("native", "COMPLETE")["outputs"] == []
    assert odd.only_event("native", "START")["inputs"] == []


def test_link_passed_on_by_a_task_is_read_from_that_task(odd: Played) -> None:
    (handed,) = odd.only_event("handed_on", "COMPLETE")["outputs"]
    (read,) = odd.only_event("reader", "START")["inputs"]
    assert read["name"] == handed["name"]
    assert odd.only_event("handed_on", "START")["inputs"][0]["name"] != read["name"]


def test_file_moved_by_publishing_keeps_its_content(odd: Played) -> None:
    contents = {
        Path(name).name: content
        for name, content in datasets(odd.events_of("reader", "COMPLETE", "RUNNING"))
    }
    assert odd.published("reader") == ["folder", "read.txt"]
    assert {content["hash_type"] for content in contents.values()} == {"blake3", "blake3-dir"}
    moved = [
        content["hash"]
        for name, content in datasets(odd.events_of("reader"))
        if name.endswith("read.txt")
    ]
    assert len(moved) == 2
    assert len(set(moved)) == 1


def test_task_with_a_store_dir_is_cached_with_its_files(odd_again: Played) -> None:
    stored = odd_again.events_of("stored", "START", "COMPLETE")
    assert len(stored) == 4
    assert all(run(event)["cached"] for event in stored)
    assert len({event["run"]["runId"] for event in stored}) == 2
    outputs = {names(event, "outputs")[0] for event in odd_again.events_of("stored", "COMPLETE")}
    assert outputs == {"human.ref", "mouse.ref"}


def test_every_attempt_is_a_run(retried: Played) -> None:
    starts = retried.events_of("flaky", "START")
    assert [run(event)["attempt"] for event in starts] == [1, 2]
    assert len({event["run"]["runId"] for event in starts}) == 2
    failed = retried.only_event("flaky", "FAIL")
    assert message(failed) == "exit status 5: attempt 1"
    assert run(failed)["details"]["exit"] == 5
    assert names(retried.only_event("flaky", "COMPLETE"), "outputs") == ["flaky.txt"]


def test_ignored_failure_is_a_failed_run_of_a_completed_workflow(
    retried: Played,
) -> None:
    assert [
        message(event) for event in sorted(retried.events_of("broken", "FAIL"), key=message)
    ] == [
        "exit status 7: cannot do p",
        "exit status 7: cannot do q",
    ]
    assert retried.only_event("", "COMPLETE")


def test_task_environment_names_its_run_as_parent_without_affecting_the_cache(
    tmp_path: Path,
) -> None:
    folder = pipeline(tmp_path, "environment")
    outer = "snakemake/wf/Snakefile:all/0194e0a0-0000-7000-8000-000000000000"
    top = {
        "run": {"runId": "0194e0a0-0000-7000-8000-00000000000f"},
        "job": {"namespace": "airflow", "name": "dag"},
    }
    outer_run = {
        "run": {"runId": outer.rpartition("/")[2]},
        "job": {"namespace": "snakemake", "name": "wf/Snakefile:all"},
    }
    context = json.dumps({"parent": {**outer_run, "root": top}})
    without = play(folder, "run", "prep/main.nf", OPENLINEAGE_CONTEXT=context)
    workflow, task = without.only_event("", "START"), without.only_event("look", "START")
    parent, own, theirs = (folder / "results" / "seen.txt").read_text().splitlines()
    assert parent == f"nextflow/main.nf:LOOK/{task['run']['runId']}"
    assert own == run_uid(task["run"]["runId"])
    assert theirs == "it is mine"
    above = workflow["run"]["facets"]["parent"]
    assert (above["job"]["name"], above["run"]["runId"]) == (
        "wf/Snakefile:all",
        outer.rpartition("/")[2],
    )
    assert task["run"]["facets"]["parent"]["run"]["runId"] == workflow["run"]["runId"]
    assert task["run"]["facets"]["parent"]["root"] == above["root"] == top
    # Nextflow without us takes the task from the cache: its hash is the same.
    plain = play(folder, "run", "prep/main.nf", "-resume", LAMIN_NEXTFLOW_EVENTS="/dev/null")
    assert plain.events == []
    assert "Cached process > LOOK" in plain.shown


def test_remote_input_has_its_address_and_content(tmp_path: Path) -> None:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    handler = functools.partial(Handler, directory=PIPELINES / "data")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        played = play(
            pipeline(tmp_path, "fanout"),
            "run",
            "prep/main.nf",
            "--lines",
            "2",
            "--table",
            f"{address}/table.txt",
        )
        server.shutdown()
    assert played.code == 0, played.shown
    (table,) = played.only_event("split", "START")["inputs"]
    assert (table["namespace"], table["name"]) == (address, "/table.txt")
    assert (
        table["facets"]["lamin_artifact"]["hash"] == digest(PIPELINES / "data" / "table.txt").hash
    )


def test_hashing_of_a_large_file_delays_nextflow_at_most_for_the_patience(tmp_path: Path) -> None:
    (tmp_path / "main.nf").write_text(LARGE)
    played = play(tmp_path, "run", "main.nf", LAMIN_NEXTFLOW_PATIENCE="1")
    assert played.code == 0, played.shown
    assert "lineage is still being recorded after 1 s (LAMIN_NEXTFLOW_PATIENCE)" in played.shown
    content = {
        Path(name).name: entry for name, entry in datasets([played.only_event("large", "COMPLETE")])
    }
    assert content["large"]["size"] == LARGE_SIZE
    assert "hash" not in content["large"]
    assert run(played.only_event("", "COMPLETE"))["details"]["succeeded_tasks"] == 1


def test_preview_records_nothing(tmp_path: Path) -> None:
    played = play(pipeline(tmp_path, "environment"), "run", "prep/main.nf", "-preview")
    assert played.code == 0, played.shown
    assert played.events == []


def test_script_from_standard_input_has_a_stable_name(tmp_path: Path) -> None:
    script = (PIPELINES / "environment.nf").read_text()
    played = play(tmp_path, "run", "-", "-name", "a_name_of_mine", input=script)
    assert played.code == 0, played.shown
    assert played.only_event("look", "COMPLETE")["job"]["name"] == "stdin:LOOK"
    assert run(played.only_event("", "START"))["name"] == "a_name_of_mine"


@pytest.mark.parametrize("version", ["22.10.7", "25.04.4"])
def test_other_nextflow_versions_record_the_same(
    version: str, tmp_path: Path, first: Played, resumed: Played
) -> None:
    folder = pipeline(tmp_path, "fanout")
    anew = play(folder, "run", "prep/main.nf", "--lines", "2", NXF_VER=version)
    again = play(folder, "run", "prep/main.nf", "--lines", "2", "-resume", NXF_VER=version)
    assert anew.only_event("", "START")["run"]["facets"]["processing_engine"]["version"] == version
    for played, earlier in ((anew, first), (again, resumed)):
        assert played.code == 0, played.shown
        assert comparable_events(played) == comparable_events(earlier)
        assert all(event == rebuilt(event) for event in played.events)
    published = {step: anew.published(step) for step in ("split", "upper", "merge", "")}
    assert published == {step: first.published(step) for step in published}


def comparable_events(played: Played) -> list[tuple[object, ...]]:
    """Everything but what differs from run to run, and publishing: 22.10 skips a file that is there already."""
    return sorted(
        (
            event["eventType"],
            event["job"]["name"],
            process(event) and run(event)["name"],
            *contents(event),
        )
        for event in played.events
        if event["eventType"] != "RUNNING"
    )


def contents(event: Event) -> list[str]:
    return sorted(str(content["hash"]) for _, content in datasets([event]))
