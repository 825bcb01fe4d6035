"""A finished workflow comes into a registry, by import or by report, as if it had been recorded live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.errors import NotFound
from lamin_core.instance.instance import Instance, disconnect
from lamin_snakemake.code_on_disk import CodeOnDisk
from lamin_snakemake.importing import import_workflow, workflow_of
from lamin_snakemake.metadata import OutputRecord, read_records
from tests.conftest import Postgres
from tests.contract.snakemake.playing import INSTALLS_NOTHING, environment, play, write

SNAKEFILE = """
include: "rules/more.smk"

rule all:
    input: "merged.txt", "parts", "by_run.txt", "counted.txt"

rule stream:
    output: pipe("stream.txt")
    shell: "seq 3 > {output}"

rule counted:
    input: "stream.txt"
    output: "counted.txt"
    shell: "wc -l < {input} > {output}"

rule greet:
    output: "greet_{who}.txt", "twice_{who}.txt", temp("temp_{who}.txt")
    params: "unnamed", word="hello"
    log: "logs/{who}.log"
    benchmark: repeat("benchmarks/{who}.tsv", 2)
    conda: "envs/tools.yaml"
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
CONDA_FILE = "dependencies:\n  - python=3.12\n  - samtools=1.17\n"
Graph = dict[str, set[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Path:
    """A project that ran with the logger, into the registry `live`."""
    folder = tmp_path_factory.mktemp("import")
    project = folder / "project"
    write(project, SNAKEFILE)
    write(project, MORE, "rules/more.smk")
    write(project, 'open(snakemake.output[0], "w").write("script")\n', "scripts/write.py")
    write(project, "raw\n", "raw.txt")
    write(project, CONDA_FILE, "envs/tools.yaml")
    write(project, INSTALLS_NOTHING, "base/bin/conda").chmod(0o755)
    write(project, "", "base/bin/activate")
    for registry in ("live", "imported", "reported", "changed", "postgresql"):
        (folder / registry).mkdir()
        db = ("--db", postgres.url(postgres.create())) if registry == "postgresql" else ()
        lamin(folder / registry, "init", *db)
    path = os.pathsep.join([str(project / "base/bin"), os.environ["PATH"]])
    variables = {"LAMIN_SPOOL": "", "LAMIN_INSTANCE": str(folder / "live"), "PATH": path}
    done = play(project, "--sdm", "conda", **variables)
    assert done.code == 0, done.shown
    return folder


@pytest.fixture(scope="module")
def live(folder: Path) -> Graph:
    """The registry of the logger plugin."""
    return graph_of(folder, "live")


def lamin(registry: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["lamin", *arguments],
        cwd=registry,
        env={**os.environ, "LAMIN_INSTANCE": "" if arguments[0] == "init" else str(registry)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def import_project(folder: Path, registry: str, *options: str) -> dict[str, int]:
    project = str(folder / "project")
    printed = lamin(folder / registry, "import", "snakemake", project, "--json", *options)
    report: dict[str, int] = json.loads(printed)
    return report


def graph_of(folder: Path, registry: str) -> Graph:
    """The graph of a registry, by names that do not depend on it: files, code, edges, parents of jobs."""
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
    """The facts that both know: an import knows neither the content of a removed file nor pipes."""
    files = {(path, digest, version) for path, digest, version in graph["files"]}
    return {
        "files": {file for file in files if "temp_" not in file[0]},
        **{
            name: {fact for fact in graph[name] if fact[0] != "Snakefile:stream"}
            for name in ("code", "runs", "edges", "parents")
        },
    }


def jobs_of(folder: Path, registry: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The details of each job in a registry beside its files: params, benchmark, environment."""
    instance = Instance.open(folder / registry / ".lamin")
    ln.setup.connect(str(folder / registry))
    try:
        runs = ln.Run.filter(transform__key__startswith="Snakefile:").all()
        return {(run.transform.key, run.name): _job(run) for run in runs}
    finally:
        disconnect()
        instance.db.dispose()


def _job(run: ln.Run) -> dict[str, Any]:
    environment = run.environment
    named = ("wildcards", "log", "benchmark", "conda", "conda_environment", "benchmark_rows")
    return {
        "params": run.params,
        "features": run.features.get_values(),
        "environment": environment and (environment.conda, environment.locks),
        **{name: run.details.get(name) or None for name in named},
    }


@pytest.mark.parametrize("registry", ["imported", "postgresql"])
def test_import_equals_what_was_recorded_live(folder: Path, live: Graph, registry: str) -> None:
    assert import_project(folder, registry) == {"jobs": 7, "invocations": 1, "recorded_before": 0}
    imported = graph_of(folder, registry)
    assert without_temporary(imported) == without_temporary(live)
    temporary = {file for file in imported["files"] if "temp_" in file[0]}
    assert [digest for _, digest, _ in sorted(temporary)] == [None, None]

    assert import_project(folder, registry) == {"jobs": 0, "invocations": 0, "recorded_before": 7}
    assert graph_of(folder, registry) == imported
    assert import_project(folder, "live") == {"jobs": 0, "invocations": 0, "recorded_before": 7}


def test_reporter_records_the_same_and_has_wildcards(folder: Path, live: Graph) -> None:
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
    assert "lamin: 7 jobs of 1 invocation imported, 0 recorded before" in done.stderr
    reported = graph_of(folder, "reported")
    assert without_temporary(reported) == without_temporary(live)
    runs = json.loads(lamin(folder / "reported", "runs", "--json"))
    assert {"greet (who=a)", "greet (who=b)"} <= {run["name"] for run in runs}


def test_import_and_reporter_have_benchmarks_and_environments(folder: Path) -> None:
    """After both: what the logger recorded of each job, they have, too; names of params know two of the three."""
    live, imported, reported = (jobs_of(folder, name) for name in ("live", "imported", "reported"))
    del live["Snakefile:stream", "stream"]
    assert reported == live
    for job in live.values():
        job["params"] = None
    assert imported == live
    greet = imported["Snakefile:greet", "greet (who=a)"]
    assert greet["features"]["benchmark_s"] >= 0
    assert len(greet["benchmark_rows"]) == 2
    assert greet["environment"][1] == {"tools.yaml": CONDA_FILE}


def test_code_and_files_changed_after_the_run_are_unknown(folder: Path, live: Graph) -> None:
    """After the others: the project is changed."""
    project = folder / "project"
    write(project, "another\n", "script.txt")
    write(project, SNAKEFILE.replace("cat {input}", "tac {input}"))
    assert import_project(folder, "changed")["jobs"] == 7
    changed = graph_of(folder, "changed")
    assert changed["edges"] == live["edges"]
    unknown = {Path(path).name for path, digest, _ in changed["files"] if digest is None}
    assert unknown == {"temp_a.txt", "temp_b.txt", "script.txt"}
    code = {key: digest for key, digest, _ in changed["code"]}
    lived = {key: digest for key, digest, _ in live["code"]}
    assert code["Snakefile:greet"] == lived["Snakefile:greet"], "its directive is what ran"
    assert code["Snakefile:merge"] not in (None, lived["Snakefile:merge"])
    assert code["Snakefile"] is None


def test_files_in_a_storage_are_not_local_files(instance: Instance, tmp_path: Path) -> None:
    rule = (
        'rule count:\n    input: storage.lamin("raw/a.csv"), "local.txt"\n    output: "count.txt"\n'
    )
    path = write(tmp_path, rule)
    write(tmp_path, "local\n", "local.txt")
    write(tmp_path, "1\n", "count.txt")
    now = (tmp_path / "count.txt").stat().st_mtime
    inputs = ("raw/a.csv", "local.txt", "s3://bucket/b.csv", "<pipe>")
    counted = OutputRecord("count.txt", "count", now - 1, now, input=inputs)
    stored = OutputRecord("counts/a.txt", "store", now - 1, now, input=("count.txt",))
    uploaded = OutputRecord("s3://bucket/c.csv", "upload", now - 1, now, input=("count.txt",))
    report = import_workflow(tmp_path, [counted, stored, uploaded], workflow_of(str(path)))
    assert report.jobs == 2
    paths = {str(artifact.path) for artifact in ln.Artifact.all()}
    local = {str(tmp_path / name) for name in ("local.txt", "count.txt")}
    assert paths == local | {"s3://bucket/b.csv", "s3://bucket/c.csv"}
    again = import_workflow(tmp_path, [counted, stored, uploaded], workflow_of(str(path)))
    assert (again.jobs, again.recorded_before) == (0, 2)


def test_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no records of Snakemake") as caught:
        list(read_records(tmp_path))
    assert "snakemake --reporter lamin" in str(caught.value.hint)


def test_torn_and_unfinished_records_are_skipped(tmp_path: Path) -> None:
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


def test_code_with_computed_includes_is_recorded_by_rule_only(tmp_path: Path) -> None:
    path = write(tmp_path, 'include: f"{folder}/a.smk"\nrule a:\n    shell: "true"\n')
    code = CodeOnDisk(str(path))
    later = path.stat().st_mtime + 10
    record = OutputRecord("a", "a", later, later, code="true", command="true")
    assert code.of_workflow(later) is None
    assert code.of_rule(record) == ('shell: "true"', "snakemake")
    other = OutputRecord("b", "b", later, later, code="v5.0.0", command=None)
    assert code.of_rule(other) == ("run:\n    v5.0.0", "snakemake")
