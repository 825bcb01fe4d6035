"""Workflow outputs, labels, staged names, and the commit of a pulled pipeline."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Run
from lamin_core.storage.hashing import digest
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from openlineage.lamin.validation.schema import problems
from tests.contract.nextflow.playing import PIPELINES, Event, Played, play, run
from tests.support.instances import instance_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("outputs")
    shutil.copy(PIPELINES / "outputs.nf", project / "main.nf")
    shutil.copytree(PIPELINES / "data", project / "data")
    return project


@pytest.fixture(scope="module")
def played(folder: Path) -> Played:
    result = play(folder, "run", "main.nf", NXF_VER="25.04.4", LAMIN_NEXTFLOW_METRICS="true")
    assert result.code == 0, result.shown
    return result


@pytest.fixture
def instance(folder: Path, played: Played, database_url: str) -> Iterator[Instance]:
    with instance_in(folder, database_url) as new_instance:
        yield new_instance


def facets(played: Played, name: str) -> dict[str, Event]:
    """The last word of each facet of this file, among the outputs and inputs of all runs."""
    result: dict[str, Event] = {}
    for event in played.events:
        for dataset in (*event["outputs"], *event["inputs"]):
            if dataset["name"].endswith(name):
                result |= dataset["facets"]
    return result


def plain(facet: Event) -> Event:
    return {name: value for name, value in facet.items() if not name.startswith("_")}


def test_published_file_has_its_task_file_labels_and_workflow_output(
    folder: Path, played: Played
) -> None:
    published = facets(played, "results/bam/s1/s1.bam")
    source = Path(published["nextflow_file"]["copyOf"])
    assert source.name == "s1.bam"
    assert digest(source).hash == published["lamin_artifact"]["hash"]
    assert published["tags"]["tags"] == [{"key": "alignment", "value": "", "source": "USER"}]
    assert plain(published["nextflow_output"]) == {
        "name": "samples",
        "index": str(folder / "results" / "samples.csv"),
        "metadata": {"values": ["s1"]},
    }
    assert plain(facets(played, "results/logs/s2_logs")["nextflow_output"]) == {"name": "logs"}
    details = run(played.only_event("", "COMPLETE"))["details"]
    index = str(folder / "results" / "samples.csv")
    assert details["outputs"] == {"logs": {"rows": 2}, "samples": {"index": index, "rows": 2}}
    assert played.published("align").count("s1.bam") == 1
    assert all(problems(event) == [] for event in played.events)


def test_input_has_its_staged_name(played: Played) -> None:
    assert plain(facets(played, "data/s1.fq")["nextflow_file"]) == {"stageName": "in/s1.fq"}


def test_task_has_labels_tag_resources_and_requested_metrics(played: Played) -> None:
    for event in played.events_of("align", "COMPLETE"):
        details = run(event)["details"]
        assert details["labels"] == ["small"]
        assert details["tag"] in ("s1", "s2")
        assert details["cpus"] == 1
        assert details["rchar"] > 0
        assert "realtime" in details


def test_registry_has_the_labels_and_producer_of_a_published_file(
    instance: Instance, folder: Path, played: Played
) -> None:
    ingest(instance.db, map(parse, played.events))
    for _ in range(2):
        artifact = Artifact.get(key="results/bam/s1/s1.bam")
        assert [label.name for label in artifact.ulabels] == ["alignment"]
        (maker,) = artifact.output_of_runs
        assert maker.name == "ALIGN (s1)"
        assert {run.status for run in Run.all()} == {"completed"}
        rebuild(instance.db)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_pulled_pipeline_has_repository_commit_and_revision(tmp_path: Path) -> None:
    repository = tmp_path / "repositories" / "lab" / "prep"
    repository.mkdir(parents=True)
    git(repository, "init", "-q", "-b", "main")
    shutil.copy(PIPELINES / "params.nf", repository / "main.nf")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "first")
    git(repository, "tag", "v1")
    commit = git(repository, "rev-parse", "HEAD")
    project = tmp_path / "project"
    project.mkdir()
    played = play(
        project,
        "run",
        f"file:{repository}",
        "-r",
        "v1",
        NXF_HOME=str(tmp_path / "home"),
        NXF_ASSETS=str(tmp_path / "assets"),
    )
    assert played.code == 0, played.shown
    workflow = played.only_event("", "COMPLETE")
    assert workflow["job"]["name"] == "lab/prep"
    location = workflow["job"]["facets"]["sourceCodeLocation"]
    assert location["version"] == commit
    assert location["url"].endswith("lab/prep")
    assert run(workflow)["details"]["revision"] == "v1"
