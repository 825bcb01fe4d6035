"""A finished workflow comes into a registry, by import or by report, as if it had been recorded live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lamin_core.errors import NotFound
from lamin_snakemake.code_on_disk import CodeOnDisk
from lamin_snakemake.metadata import OutputRecord, read_records
from tests.contract.snakemake.playing import environment, play, write

SNAKEFILE = """
include: "rules/more.smk"

rule all:
    input: "merged.txt", "parts", "by_run.txt"

rule greet:
    output: "greet_{who}.txt", "twice_{who}.txt", temp("temp_{who}.txt")
    params: word="hello"
    log: "logs/{who}.log"
    shell: "echo {params.word} {wildcards.who} | tee {output} 2> {log}"

rule merge:
    input: "greet_a.txt", "greet_b.txt", "raw.txt", "script.txt"
    output: "merged.txt"
    shell: "cat {input} > {output}"

rule parts:
    output: directory("parts")
    shell: "mkdir -p {output} && echo 1 > {output}/one"

rule by_run:
    input: "raw.txt", "temp_a.txt"
    output: "by_run.txt"
    run:
        with open(output[0], "w") as file:
            file.write("run")
"""
MORE = """
rule script:
    output: "script.txt"
    script: "../scripts/write.py"
"""
Graph = dict[str, set[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran with the logger, into the registry `live`."""
    folder = tmp_path_factory.mktemp("import")
    project = folder / "project"
    write(project, SNAKEFILE)
    write(project, MORE, "rules/more.smk")
    write(project, 'open(snakemake.output[0], "w").write("script")\n', "scripts/write.py")
    write(project, "raw\n", "raw.txt")
    for registry in ("live", "imported", "reported", "changed"):
        (folder / registry).mkdir()
        lamin(folder / registry, "init")
    done = play(project, LAMIN_SPOOL="", LAMIN_INSTANCE=str(folder / "live"))
    assert done.code == 0, done.shown
    return folder


@pytest.fixture(scope="module")
def live(folder: Path) -> Graph:
    """What the logger recorded."""
    return graph_of(folder, "live")


def lamin(registry: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["lamin", *arguments],
        cwd=registry,
        env={**os.environ, "LAMIN_INSTANCE": str(registry) if arguments != ("init",) else ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bring_in(folder: Path, registry: str, *options: str) -> dict[str, int]:
    project = str(folder / "project")
    printed = lamin(folder / registry, "import", "snakemake", project, "--json", *options)
    report: dict[str, int] = json.loads(printed)
    return report


def graph_of(folder: Path, registry: str) -> Graph:
    """What a registry has, by names that do not depend on it: files, code, edges, which job belongs to what."""
    graph = json.loads(lamin(folder / registry, "lineage", "--all", "--json"))
    listed = json.loads(lamin(folder / registry, "list", "transforms", "--json"))
    runs = {run["uid"]: run for run in graph["runs"]}
    files = {artifact["uid"]: artifact for artifact in graph["artifacts"]}
    job_outputs = {
        edge["run"]: files[edge["artifact"]]["path"]
        for edge in sorted(graph["edges"], key=lambda edge: str(files[edge["artifact"]]["path"]))
        if edge["direction"] == "output"
    }
    return {
        "files": {(file["path"], file["hash"], file["version"]) for file in files.values()},
        "code": {
            (transform["key"], transform["hash"], transform["version"]) for transform in listed
        },
        "runs": {
            (run["transform_key"], job_outputs.get(uid), run["status"]) for uid, run in runs.items()
        },
        "edges": {
            (runs[edge["run"]]["transform_key"], edge["direction"], files[edge["artifact"]]["path"])
            for edge in graph["edges"]
        },
        "parents": {
            (run["transform_key"], runs[run["parent"]]["transform_key"])
            for run in runs.values()
            if run["parent"]
        },
    }


def without_temporary(graph: Graph) -> Graph:
    """What both know: nobody knows the content of a removed file later on."""
    files = {(path, digest, version) for path, digest, version in graph["files"]}
    return {**graph, "files": {file for file in files if "temp_" not in file[0]}}


def test_import_equals_what_was_recorded_live(folder: Path, live: Graph) -> None:
    assert bring_in(folder, "imported") == {"jobs": 6, "invocations": 1, "recorded_before": 0}
    imported = graph_of(folder, "imported")
    assert without_temporary(imported) == without_temporary(live)
    temporary = {file for file in imported["files"] if "temp_" in file[0]}
    assert [digest for _, digest, _ in sorted(temporary)] == [None, None]

    assert bring_in(folder, "imported") == {"jobs": 0, "invocations": 0, "recorded_before": 6}
    assert graph_of(folder, "imported") == imported
    assert bring_in(folder, "live") == {"jobs": 0, "invocations": 0, "recorded_before": 6}


def test_reporter_records_the_same_and_knows_wildcards(folder: Path, live: Graph) -> None:
    project = folder / "project"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--reporter", "lamin"],
        cwd=project,
        env={**environment(project), "LAMIN_INSTANCE": str(folder / "reported")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "lamin: 6 jobs of 1 invocation imported, 0 recorded before" in done.stderr
    reported = graph_of(folder, "reported")
    assert without_temporary(reported) == without_temporary(live)
    runs = json.loads(lamin(folder / "reported", "runs", "--json"))
    assert {"greet (who=a)", "greet (who=b)"} <= {run["name"] for run in runs}


def test_what_changed_since_is_not_known(folder: Path, live: Graph) -> None:
    """After the others: the project is changed."""
    project = folder / "project"
    write(project, "another\n", "script.txt")
    write(project, SNAKEFILE.replace("cat {input}", "tac {input}"))
    assert bring_in(folder, "changed")["jobs"] == 6
    changed = graph_of(folder, "changed")
    assert changed["edges"] == live["edges"]
    unknown = {Path(path).name for path, digest, _ in changed["files"] if digest is None}
    assert unknown == {"temp_a.txt", "temp_b.txt", "script.txt"}
    code = {key: digest for key, digest, _ in changed["code"]}
    lived = {key: digest for key, digest, _ in live["code"]}
    assert code["Snakefile:greet"] == lived["Snakefile:greet"], "its directive is what ran"
    assert code["Snakefile:merge"] not in (None, lived["Snakefile:merge"])
    assert code["Snakefile"] is None


def test_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no records of Snakemake") as caught:
        list(read_records(tmp_path))
    assert "snakemake --reporter lamin" in str(caught.value.hint)


def test_torn_and_unfinished_records_are_left_out(tmp_path: Path) -> None:
    records, incomplete = (tmp_path / ".snakemake" / name for name in ("metadata", "incomplete"))
    long = records / ("@" + "YS8v" * 10)
    for path in (long, incomplete):
        path.mkdir(parents=True)
    finished = {"rule": "a", "starttime": 2.0, "endtime": 1.0, "incomplete": False}
    (records / "Yi50eHQ=").write_text(json.dumps(finished))
    (records / "Yy50eHQ=").write_text(json.dumps(finished))
    (incomplete / "Yy50eHQ=").touch()
    (records / "ZC50eHQ=").write_text('{"rule": ')
    (records / "ZS50eHQ=").write_text(json.dumps({**finished, "incomplete": True}))
    (long / "YQ==").write_text(json.dumps(finished))
    found_records = sorted(read_records(tmp_path), key=lambda record: record.output)
    assert [record.output for record in found_records[1:]] == ["b.txt"]
    assert found_records[0].output.startswith("a/")
    assert {(record.started, record.ended) for record in found_records} == {(2.0, 2.0)}


def test_code_with_computed_includes_is_known_by_rule_alone(tmp_path: Path) -> None:
    path = write(tmp_path, 'include: f"{folder}/a.smk"\nrule a:\n    shell: "true"\n')
    code = CodeOnDisk(str(path))
    later = path.stat().st_mtime + 10
    record = OutputRecord("a", "a", later, later, code="true", command="true")
    assert code.of_workflow(later) is None
    assert code.of_rule(record) == ('shell: "true"', "snakemake")
    other = OutputRecord("b", "b", later, later, code="v5.0.0", command=None)
    assert code.of_rule(other) == ("run:\n    v5.0.0", "snakemake")
