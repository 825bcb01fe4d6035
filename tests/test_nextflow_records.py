"""Records of finished runs: lineage stores of 25.04.4 and 26.04.6, traces, crates, and what can be wrong with them."""

from __future__ import annotations

import json
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.uids import derived_run_id
from lamin_nextflow.finished.contents import Contents
from lamin_nextflow.finished.facts import FinishedRun
from lamin_nextflow.finished.script import manifest_name, process_scripts, script_at
from lamin_nextflow.finished.sources import finished_runs
from lamin_nextflow.finished.translate import events
from openlineage.lamin.validation.schema import problems
from tests.contract.nextflow.playing import PIPELINES, datasets

RECORDED = PIPELINES / "recorded-stores.tar.xz"
"""Stores with traces, results and work folders; `@ROOT@` is where they were, and times are those of the records."""
PIPELINES_OF = {
    "25.04": ("fail", "fanout", "odd", "outputs", "retry"),
    "26.04": ("fail", "fanout", "odd", "retry", "typed"),
}
STORES = [f"{version}/{name}" for version, names in PIPELINES_OF.items() for name in names]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All recorded stores, each in a launch folder."""
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(RECORDED) as archive:
        archive.extractall(folder, filter="data")
    for name in STORES:
        for file in (folder / name / ".lineage").rglob(".data.json"):
            text = file.read_text().replace("@ROOT@", str(folder / name))
            file.write_text(text)
    return folder


def runs_of(path: Path, **options: Any) -> list[FinishedRun]:
    """The runs at this path."""
    return finished_runs(path, Contents().read, **options)


def tasks_of(run: FinishedRun) -> dict[str, tuple[str, int, int, int, int]]:
    """The ending of each task, its attempt, and the number of files that it read, wrote and published."""
    return {
        task.name + "!" * (task.attempt - 1): (
            task.status,
            task.attempt,
            len(task.inputs),
            len(task.outputs),
            len(task.published),
        )
        for task in run.tasks
    }


EMPTY = {"s1_logs", "s2_logs"}
FANOUT = {
    "SPLIT": ("completed", 1, 1, 3, 3),
    "UPPER (part_aa)": ("completed", 1, 1, 1, 1),
    "UPPER (part_ab)": ("completed", 1, 1, 1, 1),
    "UPPER (part_ac)": ("completed", 1, 1, 1, 1),
    "MERGE": ("completed", 1, 3, 2, 2),
}
RETRY = {
    "FLAKY": ("failed", 1, 0, 0, 0),
    "FLAKY!": ("completed", 2, 0, 1, 0),
    "BROKEN (1)": ("failed", 1, 0, 0, 0),
    "BROKEN (2)": ("failed", 1, 0, 0, 0),
    "AFTER": ("completed", 1, 1, 1, 1),
}
ODD = {
    "STORED (1)": ("completed", 1, 0, 1, 0),
    "STORED (2)": ("completed", 1, 0, 1, 0),
    "ODD": ("completed", 1, 2, 1, 2),
    "FROM_TEXT": ("completed", 1, 0, 1, 0),
    "COUNT (1)": ("completed", 1, 2, 0, 0),
    "COUNT (2)": ("completed", 1, 2, 0, 0),
}


@pytest.mark.parametrize("version", sorted(PIPELINES_OF))
def test_store_of_either_version_gives_tasks_with_attempts_and_files(
    recorded: Path, version: str
) -> None:
    first, resumed = runs_of(recorded / version / "fanout" / ".lineage")
    assert tasks_of(first) == FANOUT
    assert first.session_id == resumed.session_id
    assert first.params["lines"] == 2
    assert not any(task.cached for task in first.tasks)
    (retry,) = runs_of(recorded / version / "retry")
    assert (retry.status, tasks_of(retry)) == ("completed", RETRY)
    (odd,) = runs_of(recorded / version / "odd")
    assert tasks_of(odd) == ODD
    stored = next(task for task in odd.tasks if task.name == "STORED (1)")
    assert stored.params == {"x": "human"}
    assert stored.outputs[0].path == str(recorded / version / "odd" / "store" / "human.ref")


@pytest.mark.parametrize("version", sorted(PIPELINES_OF))
def test_resumed_run_of_a_store_has_its_cached_tasks(recorded: Path, version: str) -> None:
    """The store has no record of them: they are found by the files that the run published, and upstream."""
    _, resumed = runs_of(recorded / version / "fanout")
    assert tasks_of(resumed) == FANOUT
    assert all(task.cached for task in resumed.tasks)


@pytest.mark.parametrize("version", sorted(PIPELINES_OF))
def test_failed_run_of_a_store_has_aborted_tasks_from_its_trace(
    recorded: Path, version: str
) -> None:
    (run,) = runs_of(recorded / version / "fail")
    statuses = {task.name: task.status for task in run.tasks}
    assert run.status == "failed"
    assert run.error == (
        "Process `MAYBE (b)` terminated with an error exit status (3): b is not allowed"
    )
    assert (statuses["MAYBE (b)"], statuses["MAYBE (c)"]) == ("failed", "aborted")


def test_workflow_outputs_of_a_store_are_published_with_their_index(recorded: Path) -> None:
    (run,) = runs_of(recorded / "25.04" / "outputs")
    assert [Path(file.path).name for file in run.published] == ["samples.csv"]
    assert tasks_of(run)["ALIGN (1)"] == ("completed", 1, 1, 3, 3)


def test_typed_tasks_of_26_have_their_files(recorded: Path) -> None:
    (run,) = runs_of(recorded / "26.04" / "typed")
    assert tasks_of(run) == {
        "CUT (1)": ("completed", 1, 1, 1, 1),
        "CUT (2)": ("completed", 1, 1, 1, 1),
        "JOIN": ("completed", 1, 2, 1, 1),
    }
    assert {task.name: task.params for task in run.tasks}["CUT (1)"] == {"id": "x"}
    assert run.engine_version == "26.04.6"
    assert run.details["command_line"].startswith("nextflow -c lin.config run pl/typed.nf")


@pytest.mark.parametrize("name", STORES)
def test_events_of_a_store_are_valid_and_have_the_content_of_unchanged_files(
    recorded: Path, name: str
) -> None:
    read = Contents().read
    for run in finished_runs(recorded / name, read):
        sent = list(events(run, read))
        assert [problem for event in sent for problem in problems(event)] == []
        assert sent[0]["run"]["runId"] == derived_run_id("nextflow", run.session_id, run.name)
        unknown = {path for path, content in datasets(sent) if not content.get("hash")}
        # Index files hold paths, which are others here; of these folders the recording has no file.
        assert {Path(path).name for path in unknown} <= {"samples.csv", "idx.json", *EMPTY}


@pytest.mark.parametrize("name", ["25.04/fanout", "25.04/retry", "26.04/fail"])
def test_trace_agrees_with_the_store_on_hashes_and_endings(recorded: Path, name: str) -> None:
    (by_trace,) = runs_of(recorded / name / "trace.txt")
    by_store = runs_of(recorded / name / ".lineage")[0]
    assert {(t.hash, t.name, t.status, t.attempt, t.exit_code) for t in by_trace.tasks} == {
        (t.hash, t.name, t.status, t.attempt, t.exit_code) for t in by_store.tasks
    }


@pytest.fixture
def launch(recorded: Path, tmp_path: Path) -> Path:
    """A launch folder of 25.04 that a test may damage."""
    folder = tmp_path / "launch"
    shutil.copytree(recorded / "25.04" / "fanout", folder, symlinks=True)
    for file in (folder / ".lineage").rglob(".data.json"):
        text = file.read_text().replace(str(recorded / "25.04" / "fanout"), str(folder))
        file.write_text(text)
    return folder


def record(launch: Path, kind: str) -> Path:
    """The first record of this kind."""
    files = sorted((launch / ".lineage").rglob(".data.json"))
    return next(file for file in files if json.loads(file.read_text())["kind"] == kind)


def test_truncated_record_is_reported_as_a_gap(launch: Path) -> None:
    file = record(launch, "TaskRun")
    file.write_text(file.read_text()[:100])
    first = runs_of(launch)[0]
    assert len(first.tasks) == 4
    assert any(file.parent.name in gap and "cannot be read" in gap for gap in first.gaps)


def test_record_of_an_unknown_version_is_refused_before_any_import(launch: Path) -> None:
    file = record(launch, "WorkflowRun")
    file.write_text(file.read_text().replace("lineage/v1beta1", "lineage/v9"))
    with pytest.raises(InvalidArgument, match=r"version 'lineage/v9'.*expected 'lineage/v1beta1'"):
        runs_of(launch)


def test_dangling_address_is_a_gap_and_its_file_is_read_from_the_work_folder(launch: Path) -> None:
    upper = next(task for task in runs_of(launch)[0].tasks if task.name == "UPPER (part_ab)")
    part = Path(upper.inputs[0].path)
    shutil.rmtree(launch / ".lineage" / "".join(part.parts[-3:-1]) / part.name)
    task = next(task for task in runs_of(launch)[0].tasks if task.name == "UPPER (part_ab)")
    assert [file.path for file in task.inputs] == [str(part)]
    assert any("has no record in this store" in gap for gap in task.gaps)
    part.unlink()
    task = next(task for task in runs_of(launch)[0].tasks if task.name == "UPPER (part_ab)")
    assert task.inputs == ()


def test_removed_work_folder_leaves_names_and_sizes(launch: Path) -> None:
    shutil.rmtree(launch / "work")
    read = Contents().read
    sent = list(events(finished_runs(launch, read)[0], read))
    split = [
        e for e in sent if e["job"]["name"].endswith(":SPLIT") and e["eventType"] == "COMPLETE"
    ]
    sizes = [dataset["facets"]["lamin_artifact"]["size"] for dataset in split[0]["outputs"]]
    assert sorted(sizes) == [4, 10, 14]
    assert "is not there any more" in str(split[0]["run"]["facets"]["lamin_doubts"])
    by_trace = runs_of(launch / "trace.txt")[0]
    assert all("its work folder is gone" in task.gaps[0] for task in by_trace.tasks)


def test_file_modified_after_the_run_has_no_content(launch: Path) -> None:
    (launch / "results" / "merged.txt").write_text("another text of another run")
    read = Contents().read
    sent = list(events(finished_runs(launch, read)[0], read))
    contents = dict(datasets(sent))
    assert "hash" not in contents[str(launch / "results" / "merged.txt")]
    assert contents[str(launch / "results" / "parts" / "part_aa")]["hash"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent", None, "there is no '.*absent'"),
        ("empty/", None, "no finished run of Nextflow is recorded"),
        ("notes.txt", "hello\tworld\n", "is not a trace of Nextflow: it has no columns hash"),
        ("trace.txt", "task_id\thash\tname\tstatus\n", "has no task in it"),
        ("ro-crate-metadata.json", '{"@graph": [', "is not a complete RO-Crate"),
        ("ro-crate-metadata.json", '{"@graph": []}', "describes no run of Nextflow"),
        (".nextflow.log", "Nov-30 10:17", "is not a trace"),
    ],
)
def test_invalid_record_path_is_one_clear_error(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    elif text is not None:
        path.write_text(text)
    with pytest.raises((NotFound, InvalidArgument), match=message) as raised:
        runs_of(path)
    assert raised.value.hint


def crate(launch: Path, run: FinishedRun) -> Path:
    """The crate that nf-prov 1.5 writes for this run: the entities of its WrrocRenderer that hold lineage."""
    graph: list[dict[str, Any]] = [
        {
            "@id": "fanout.nf",
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "runtimePlatform": "Nextflow 25.04.4",
        },
        {"@id": "#param/lines/value", "@type": "PropertyValue", "name": "lines", "value": 2},
        {
            "@id": f"#{run.session_id}",
            "@type": "CreateAction",
            "instrument": {"@id": "fanout.nf"},
            "startTime": run.started.isoformat(),
            "endTime": run.ended.isoformat(),
            "object": [{"@id": "#param/lines/value"}],
        },
    ]
    own = {
        file.path: f"#task/{t.hash}/{Path(file.path).name}" for t in run.tasks for file in t.outputs
    }
    for task in run.tasks:
        inputs = [own.get(file.path, f"file://{file.path}") for file in task.inputs]
        graph.append(
            {
                "@id": f"#task/{task.hash}",
                "@type": "CreateAction",
                "name": task.name,
                "object": [{"@id": name} for name in inputs],
                "result": [{"@id": own[file.path]} for file in task.outputs],
                "actionStatus": "http://schema.org/CompletedActionStatus",
            }
        )
        for file in task.published:
            graph.append(
                {
                    "@id": f"#publish/{task.hash}/{Path(file.path).name}",
                    "@type": "CreateAction",
                    "name": "publish",
                    "result": {"@id": str(Path(file.path).relative_to(launch / "results"))},
                }
            )
    path = launch / "results" / "ro-crate-metadata.json"
    path.write_text(json.dumps({"@graph": graph}))
    return path


def test_crate_gives_the_same_run_as_the_store(launch: Path) -> None:
    by_store = runs_of(launch / ".lineage")[0]
    (launch / ".nextflow").mkdir()
    started = by_store.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    cells = [started, "2s", by_store.name, "OK", "fd3f", by_store.session_id, "nextflow run x.nf"]
    (launch / ".nextflow" / "history").write_text("\t".join(cells) + "\n")
    (by_crate,) = runs_of(crate(launch, by_store))
    assert (by_crate.id, by_crate.status) == (by_store.id, by_store.status)
    assert tasks_of(by_crate) == tasks_of(by_store)
    assert by_crate.params == {"lines": 2}
    for ours, theirs in zip(by_crate.tasks, by_store.tasks, strict=True):
        assert ours.hash == theirs.hash
        for side in ("inputs", "outputs", "published"):
            names = [{file.path for file in getattr(task, side)} for task in (ours, theirs)]
            assert names[0] == names[1]


def test_script_changed_after_the_run_is_not_its_code(tmp_path: Path) -> None:
    (tmp_path / "main.nf").write_text("workflow {}\n")
    script, gaps = script_at(str(tmp_path / "main.nf"), datetime(2020, 1, 1, tzinfo=UTC))
    assert (script.source, gaps) == (
        None,
        [f"{str(tmp_path / 'main.nf')!r} was changed since: the code that ran is unknown"],
    )


def test_process_scripts_are_extracted_from_the_source() -> None:
    text = """
process A {
    // a brace { in a comment
    input: val x
    script:
    \"\"\"
    awk '{print script: }' "$x"
    \"\"\"

    stub:
    "touch y"
}
process 'B' { output: path 'b'
    shell:
    '''
    echo }
    '''
}
process C { "no section" }
"""
    scripts = dict(process_scripts(text))
    assert set(scripts) == {"A", "B"}
    assert scripts["A"].startswith('    """\n    awk')
    assert "stub" not in scripts["A"]
    assert scripts["B"] == "    '''\n    echo }\n    '''\n"


@pytest.mark.parametrize(
    "text",
    ["manifest {\n  author = 'x'\n  name = 'lab/rna'\n}\n", 'manifest.name = "lab/rna"\n'],
)
def test_manifest_names_the_pipeline(tmp_path: Path, text: str) -> None:
    (tmp_path / "nextflow.config").write_text(text)
    assert manifest_name(str(tmp_path / "main.nf")) == "lab/rna"
