"""`lamin import nextflow` of runs that a real Nextflow has left on disk, beside what its observer sent of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from lamin_core.db.database import Database
from lamin_core.ingest.state_digest import lines
from lamin_core.instance.instance import Instance
from lamin_core.instance.setup import disconnect, init
from lamin_core.models import Artifact, Content, Run, RunArtifact, Transform
from lamin_nextflow.finished.contents import Contents
from lamin_nextflow.finished.facts import FinishedRun
from lamin_nextflow.finished.importing import imported
from lamin_nextflow.finished.sources import finished_runs
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.contract.nextflow.playing import PIPELINES, Played, play


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A launch folder with pipelines and their data."""
    launch = tmp_path_factory.mktemp("launch")
    shutil.copytree(PIPELINES / "data", launch / "data")
    shutil.copytree(PIPELINES / "modules", launch / "modules")
    for name in ("fanout", "retry", "odd", "failing"):
        shutil.copy(PIPELINES / f"{name}.nf", launch / f"{name}.nf")
    (launch / "input.txt").write_text("one\n")
    return launch


@pytest.fixture(scope="module")
def live(folder: Path) -> list[Played]:
    """The events of the observer: an own run with a trace, its resume, a retry, odd cases, a failure."""
    return [
        play(folder, "run", "fanout.nf", "--lines", "2", "-with-trace", "trace.txt"),
        play(folder, "run", "fanout.nf", "--lines", "2", "-resume"),
        play(folder, "run", "retry.nf"),
        play(folder, "run", "odd.nf", "--out-dir", "odd_results"),
        play(folder, "run", "failing.nf"),
    ]


@pytest.fixture
def receiver(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Instance]:
    """The instance of the working directory, apart from the launch folder."""
    monkeypatch.chdir(tmp_path)
    instance = init("data", db=database_url)
    yield instance
    disconnect()
    instance.db.dispose()


@pytest.fixture(scope="module")
def observed(
    live: list[Played], tmp_path_factory: pytest.TempPathFactory
) -> set[tuple[object, ...]]:
    """The registry after the events of the observer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("observed"))
        instance = init("data")
        ingest(instance.db, [parse(event) for played in live for event in played.events])
        facts = shared_facts(instance.db)
        disconnect()
        instance.db.dispose()
    return facts


def imported_runs(path: Path) -> list[FinishedRun]:
    """Import what is at this path; the runs that were there."""
    read = Contents().read
    runs = finished_runs(path, read)
    assert all(result.tasks for result in imported(runs, read))
    return runs


def shared_facts(database: Database) -> set[tuple[object, ...]]:
    """The facts that observer and importer share: runs with their code and endings, and every edge with its bytes.

    Of the operator collectFile nothing stays on disk.
    """
    parent = aliased(Run)
    operators = (
        select(Run.id)
        .join(Transform, Run.transform_id == Transform.id)
        .where(Transform.key.endswith(":collectFile"))
    )
    runs: Select[tuple[object, ...]] = (
        select(Run.external_id, Run.name, Run.engine, Run.engine_version, Run.status)
        .add_columns(Run.cached, Run.attempt, parent.external_id, Transform.key, Transform.hash)
        .join(Transform, Run.transform_id == Transform.id)
        .outerjoin(parent, Run.parent_id == parent.id)
        .where(Run.id.not_in(operators))
    )
    edges: Select[tuple[object, ...]] = (
        select(Run.external_id, RunArtifact.direction, RunArtifact.role)
        .add_columns(Artifact.key, Content.hash, Content.size)
        .join(RunArtifact, RunArtifact.run_id == Run.id)
        .join(Artifact, RunArtifact.artifact_id == Artifact.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .where(Run.id.not_in(operators))
    )
    with database.reading() as session:
        rows = [*session.execute(runs), *session.execute(edges)]
    return {tuple(row) for row in rows}


def all_lines(database: Database) -> list[str]:
    """Everything that a registry derives from events."""
    with database.reading() as session:
        return list(lines(session))


def test_import_of_a_launch_folder_equals_what_the_observer_recorded(
    folder: Path, live: list[Played], receiver: Instance, observed: set[tuple[object, ...]]
) -> None:
    assert [played.code for played in live] == [0, 0, 0, 0, 1]
    assert len(observed) > 90
    runs = imported_runs(folder)
    assert len(runs) == 5
    actual = shared_facts(receiver.db)
    assert_only_a_link_differs(actual - observed, observed - actual)


def assert_only_a_link_differs(*differences: set[tuple[object, ...]]) -> None:
    """A work folder shows where a link that a task hands on leads, not the task: so is one input of `odd.nf`."""
    for difference in differences:
        assert len(difference) == 1, difference
        ((_, direction, role, key, *_),) = difference
        assert (direction, role) == ("input", None)
        assert Path(str(key)).name == "table.txt"


def test_import_twice_changes_nothing(folder: Path, live: list[Played], receiver: Instance) -> None:
    imported_runs(folder)
    before = all_lines(receiver.db)
    read = Contents().read
    again = list(imported(finished_runs(folder, read), read))
    assert not any(result.imported for result in again)
    assert all_lines(receiver.db) == before


def test_import_after_the_observer_adds_nothing(
    folder: Path, live: list[Played], receiver: Instance
) -> None:
    ingest(receiver.db, [parse(event) for played in live for event in played.events])
    before = all_lines(receiver.db)
    imported_runs(folder)
    assert all_lines(receiver.db) == before


def test_observed_events_after_an_import_add_nothing(
    folder: Path, live: list[Played], receiver: Instance
) -> None:
    imported_runs(folder)
    before = shared_facts(receiver.db)
    ingest(receiver.db, [parse(event) for played in live for event in played.events])
    assert_only_a_link_differs(shared_facts(receiver.db) - before)
