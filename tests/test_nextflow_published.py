"""Which task made a published file: the one whose bytes it holds, whatever Nextflow says of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Run
from lamin_core.storage.hashing import digest
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from tests.contract.nextflow.playing import PIPELINES, Event, Played, datasets, names, play, run
from tests.support.instances import instance_in

STEPS = ("plot", "kept", "folder", "linked")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("published")
    shutil.copy(PIPELINES / "published.nf", project / "main.nf")
    return project


@pytest.fixture(scope="module")
def first(folder: Path) -> Played:
    return play(folder, "run", "main.nf", "--x", "1")


@pytest.fixture(scope="module")
def second(folder: Path, first: Played) -> Played:
    return play(folder, "run", "main.nf", "--x", "2", "-resume")


@pytest.fixture(scope="module")
def third(folder: Path, second: Played) -> Played:
    """The parameters of the first one, whose tasks are cached."""
    return play(folder, "run", "main.nf", "--x", "1", "-resume")


@pytest.fixture
def instance(folder: Path, database_url: str) -> Iterator[Instance]:
    with instance_in(folder, database_url) as new_instance:
        yield new_instance


def doubts(played: Played, step: str) -> list[str]:
    """The last word of each run of this process on what cannot be right."""
    words: dict[str, list[str]] = {}
    for event in played.events_of(step):
        facet = event["run"]["facets"].get("lamin_doubts")
        if facet is not None:
            words[event["run"]["runId"]] = facet["doubts"]
    return [text for texts in words.values() for text in texts]


def published(event: Event) -> Iterator[str]:
    for _, content in datasets([{**event, "inputs": []}]):
        if content.get("role") == "published":
            yield content["hash"]


def contents(played: Played, step: str) -> list[tuple[str, list[str]]]:
    """For each task of a process, the content of its own file and of those that it published."""
    tasks = []
    for event in played.events_of(step, "COMPLETE"):
        own = event["outputs"][0]["facets"]["lamin_artifact"]["hash"]
        hashes = [
            hash_
            for other in played.events_of(step)
            if other["run"]["runId"] == event["run"]["runId"]
            for hash_ in published(other)
        ]
        tasks.append((own, hashes))
    return tasks


def test_executed_tasks_that_overwrite_a_published_file_are_its_producers(
    first: Played, second: Played
) -> None:
    for played in (first, second):
        assert played.code == 0, played.shown
        for step in ("plot", "folder", "linked"):
            ((own, hashes),) = contents(played, step)
            assert hashes == [own]
            assert doubts(played, step) == []


def test_published_file_without_overwrite_stays_the_output_of_the_first_task(
    folder: Path, first: Played, second: Played
) -> None:
    assert first.published("kept") == ["kept.txt"]
    assert (folder / "results" / "kept.txt").read_text() == "kept 1\n"
    assert second.published("kept") == []
    target = folder / "results" / "kept.txt"
    assert doubts(second, "kept") == [
        f"it did not publish '{target}', which holds other bytes than its own"
    ]


def test_cached_tasks_do_not_become_producers_of_newer_published_files(
    folder: Path, third: Played
) -> None:
    assert third.code == 0, third.shown
    for step in STEPS:
        assert run(third.only_event(step, "COMPLETE"))["cached"]
    assert (folder / "results" / "plot.txt").read_text() == "plot 2\n"
    assert third.published("plot") == third.published("folder") == []
    assert len(doubts(third, "plot")) == len(doubts(third, "folder")) == 1
    assert third.published("kept") == ["kept.txt"]  # whose bytes are its own again
    assert doubts(third, "kept") == []


def test_tasks_publishing_the_same_name_each_have_their_own_content(first: Played) -> None:
    tasks = contents(first, "each")
    assert len(tasks) == 3
    assert all(hashes == [own] for own, hashes in tasks)


def test_only_the_last_cached_task_publishing_a_name_is_its_producer(
    folder: Path, third: Played
) -> None:
    present = digest(folder / "results" / "each.txt").hash
    tasks = contents(third, "each")
    assert [hashes for own, hashes in tasks if own == present] == [[present]]
    assert [hashes for own, hashes in tasks if own != present] == [[], []]
    assert len(doubts(third, "each")) == 2


def test_lineage_of_a_published_file_has_the_parameters_it_was_made_with(
    instance: Instance, first: Played, second: Played, third: Played
) -> None:
    ingest(instance.db, map(parse, first.events + second.events + third.events))
    for _ in range(2):
        expected = {"plot.txt": {2}, "folder": {2}, "kept.txt": {1}, "linked.txt": {2}}
        for name, values in expected.items():
            artifact = Artifact.get(key=f"results/{name}")
            runs = artifact.output_of_runs
            assert {run.params["x"] for run in runs} == values, name
        doubted = [run for run in Run.all() if "doubts" in (run.details or {})]
        # kept and two of each of the second; plot, folder, linked and two of each of the third
        assert len(doubted) == 8
        rebuild(instance.db)


def test_nextflow_22_without_overwrite_does_not_report_an_old_file(
    tmp_path: Path,
) -> None:
    """It names no source: what is older than the run, and has the content of none of its tasks, is not its own."""
    shutil.copy(PIPELINES / "published.nf", tmp_path / "main.nf")
    before = play(tmp_path, "run", "main.nf", "--x", "1", NXF_VER="22.10.7")
    after = play(tmp_path, "run", "main.nf", "--x", "2", NXF_VER="22.10.7")
    assert before.published("kept") == ["kept.txt"]
    assert (tmp_path / "results" / "kept.txt").read_text() == "kept 1\n"
    assert after.published("kept") == []
    assert "kept.txt" not in after.published("")
    assert after.published("plot") == ["plot.txt"]
    assert names(after.only_event("plot", "COMPLETE"), "outputs") == ["plot.txt"]
