"""Details of jobs beside their files: log, benchmark, flags, group, cluster; a workflow recorded by one line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance, disconnect
from lamin_core.models import RunArtifact
from lamin_core.runtime.current import current_instance
from tests.contract.snakemake.playing import COMMAND, INSTALLS_NOTHING, environment, play, write

SNAKEFILE = """
import snakemake_logger_plugin_lamin as lamin
lamin.track(workflow, "align")

scattergather: parts=2

rule all:
    input: "c.txt", "gathered.txt", "table.csv", "marker", "last.txt"

rule a:
    output: protected("a.txt")
    log: "a.log"
    benchmark: "a.tsv"
    group: "pair"
    shell: "echo $OPENLINEAGE_PARENT_ID > {output}; echo greetings > {log}"

rule b:
    input: "a.txt"
    output: ensure("b.txt", non_empty=True)
    group: "pair"
    shell: "cp {input} {output}"

rule c:
    input: ancient("b.txt")
    output: "c.txt"
    shell: "echo $OPENLINEAGE_PARENT_ID > {output}"

rule split:
    output: scatter.parts("part_{scatteritem}.txt")
    shell: "for part in {output}; do echo $part > $part; done"

rule gather:
    input: gather.parts("part_{scatteritem}.txt")
    output: "gathered.txt"
    shell: "cat {input} > {output}"

rule several:
    output: multiext("table", ".csv", ".json")
    shell: "echo 1 > table.csv; echo 2 > table.json"

rule marker:
    output: touch("marker")

checkpoint outer:
    output: directory("outer")
    shell: "mkdir {output}; echo 1 > {output}/x.txt"

checkpoint inner:
    input: "outer/{i}.txt"
    output: directory("inner/{i}")
    shell: "mkdir -p {output}; cp {input} {output}/y.txt"

rule copied:
    input: "inner/{i}/{j}.txt"
    output: "copied/{i}_{j}.txt"
    shell: "cp {input} {output}"

def copies(wildcards):
    outer = checkpoints.outer.get().output[0]
    names = []
    for i in glob_wildcards(outer + "/{i}.txt").i:
        inner = checkpoints.inner.get(i=i).output[0]
        names += [f"copied/{i}_{j}.txt" for j in glob_wildcards(inner + "/{j}.txt").j]
    return names

rule last:
    input: copies
    output: "last.txt"
    shell: "cat {input} > {output}"
"""
WITH_CONDA = """
rule a:
    output: "a.txt"
    conda: "envs/tools.yaml"
    shell: "touch {output}"
"""
CONDA_FILE = """channels: [bioconda]
dependencies:
  - python=3.12
  - samtools=1.17
  - pip:
    - polars
"""
QUEUE = '#!/bin/bash\n(bash "$1" >> queue.log 2>&1 &)\necho q-$$\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the workflow ran on a cluster, then in part again with another rule."""
    folder = tmp_path_factory.mktemp("details")
    write(folder, SNAKEFILE)
    write(folder, QUEUE, "queue.sh").chmod(0o755)
    for command in (["init", "-q"], ["add", "Snakefile"], ["commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    write(folder, SNAKEFILE + "# edited\n")
    instance = Instance.create(folder, "./data")
    cluster = [
        *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", "./queue.sh"),
        *("--jobs", "2", "--seconds-between-status-checks", "1"),
    ]
    invoke(folder, *cluster, "--", "c.txt")
    invoke(folder, "--cores", "2")
    write(folder, SNAKEFILE.replace("cat {input} > {output}", "cat {input} {input} > {output}", 1))
    invoke(folder, "--cores", "2", "--forcerun", "gather")
    ln.setup.connect(str(folder))
    yield folder
    disconnect()
    instance.db.dispose()


def invoke(folder: Path, *options: str) -> None:
    process = subprocess.run(
        [*COMMAND[:3], *options],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr + (
        (folder / "queue.log").read_text() if (folder / "queue.log").exists() else ""
    )


def job(name: str) -> ln.Run:
    """The newest run of a rule."""
    run = ln.Run.filter(transform__key=f"align:{name}").order_by("-id").first()
    assert run is not None
    return run


def edge(run: ln.Run, key: str) -> Any:
    """The edge between a run and a file."""
    artifact = ln.Artifact.get(key=key)
    with current_instance().db.reading() as session:
        return session.query(RunArtifact).filter_by(run_id=run.id, artifact_id=artifact.id).one()


@pytest.mark.usefixtures("project")
class TestDetails:
    """Details of one project, which ran three times."""

    def test_log_file_is_the_report(self) -> None:
        assert job("a").report.path.read_text() == "greetings\n"

    def test_benchmark_rows_are_in_the_details(self) -> None:
        (row,) = job("a").details["benchmark_rows"]
        assert row["s"] >= 0

    def test_benchmark_numbers_are_features(self) -> None:
        run = job("a")
        values = run.features.get_values()
        assert values["benchmark_s"] == run.details["benchmark_rows"][0]["s"]
        assert "benchmark_h:m:s" not in values
        assert [r.uid for r in ln.Run.filter(benchmark_s__gte=0)] == [run.uid]
        assert ln.Run.filter(benchmark_s__lt=0).count() == 0

    def test_edited_file_in_git_is_recorded_as_dirty(self) -> None:
        runs = ln.Run.filter(transform__key="align").order_by("id").all()
        assert [run.git["dirty"] for run in runs] == [True] * 3

    def test_cluster_jobs_have_external_ids_and_groups(self) -> None:
        a, b, c = job("a"), job("b"), job("c")
        assert a.details["external_jobid"] == b.details["external_jobid"]
        assert c.details["external_jobid"].startswith("q-")
        assert c.details["external_jobid"] != a.details["external_jobid"]
        assert a.details["group"] == b.details["group"] == "pair"
        assert a.parent.details["executor"] == "cluster-generic"

    def test_environment_of_a_cluster_job_names_it_as_parent(self, project: Path) -> None:
        parent = (project / "c.txt").read_text().strip()
        assert parent == f"snakemake/align:c/{job('c').external_id}"

    @pytest.mark.parametrize(
        ("rule", "key", "flag"),
        [("a", "a.txt", "protected"), ("b", "b.txt", "ensure"), ("marker", "marker", "touch")],
    )
    def test_flags_are_facets_of_the_edge(self, rule: str, key: str, flag: str) -> None:
        assert edge(job(rule), key).facets["lamin_file"]["flags"] == [flag]

    def test_edited_rule_is_a_second_version_and_other_rules_are_unchanged(self) -> None:
        versions = {
            name: ln.Transform.filter(key=f"align:{name}").count() for name in ("gather", "split")
        }
        assert versions == {"gather": 2, "split": 1}

    def test_partial_rerun_makes_no_version_of_its_inputs(self) -> None:
        counts = {
            key: ln.Artifact.filter(key=key).count()
            for key in ("part_1-of-2.txt", "part_2-of-2.txt", "gathered.txt")
        }
        assert counts == {"part_1-of-2.txt": 1, "part_2-of-2.txt": 1, "gathered.txt": 2}
        assert len(job("gather").input_artifacts.all()) == 2

    def test_multiext_is_two_files_of_one_run(self) -> None:
        keys = sorted(artifact.key for artifact in job("several").output_artifacts.all())
        assert keys == ["table.csv", "table.json"]

    def test_nested_checkpoints_are_one_lineage(self, capsys: pytest.CaptureFixture[str]) -> None:
        ln.Artifact.get(key="last.txt").view_lineage(up=20, down=0)
        text = capsys.readouterr().out
        assert all(f"align:{name}" in text for name in ("last", "copied", "inner", "outer"))


def test_deployed_conda_file_is_the_environment_of_the_run(tmp_path: Path) -> None:
    write(tmp_path, WITH_CONDA)
    write(tmp_path, CONDA_FILE, "envs/tools.yaml")
    write(tmp_path, INSTALLS_NOTHING, "base/bin/conda").chmod(0o755)
    write(tmp_path, "", "base/bin/activate")
    instance = Instance.create(tmp_path, "./data")
    path = os.pathsep.join([str(tmp_path / "base/bin"), os.environ["PATH"]])
    for options in (("--sdm", "conda"), ("--forceall",)):
        played = play(tmp_path, *options, PATH=path)
        assert played.code == 0, played.shown
    ln.setup.connect(str(tmp_path))
    try:
        deployed, declared = ln.Run.filter(transform__key="Snakefile:a").order_by("id").all()
        environment_of_run = deployed.environment
        assert environment_of_run is not None
        assert environment_of_run.locks == {"tools.yaml": CONDA_FILE}
        assert environment_of_run.conda == {"python": "3.12", "samtools": "1.17"}
        assert (environment_of_run.python, environment_of_run.packages) == ("3.12", {"polars": "*"})
        assert declared.environment is None  # it ran with what Snakemake itself runs with
        assert declared.details["conda_environment"] == CONDA_FILE
    finally:
        disconnect()
        instance.db.dispose()
