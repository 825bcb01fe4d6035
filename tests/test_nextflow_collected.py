"""Files that no task makes, and tasks that are submitted together: the operator collectFile, and task arrays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild
from openlineage.lamin.validation.schema import problems
from tests.contract.nextflow.playing import PIPELINES, Event, Played, names, play, run
from tests.support.instances import instance_in

CONFIG = """
process { withName: MAKE { executor = 'slurm'; array = 2 } }
executor { pollInterval = '200ms'; queueStatInterval = '1s' }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("collected")
    shutil.copy(PIPELINES / "collected.nf", project / "main.nf")
    (project / "nextflow.config").write_text(CONFIG)
    return project


@pytest.fixture(scope="module")
def played(folder: Path) -> Played:
    """Run with an `sbatch` that runs its jobs on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{PIPELINES / 'slurm'}{os.pathsep}{os.environ['PATH']}")
        result = play(folder, "run", "main.nf")
    assert result.code == 0, result.shown
    return result


@pytest.fixture
def instance(folder: Path, played: Played, database_url: str) -> Iterator[Instance]:
    with instance_in(folder, database_url) as new_instance:
        yield new_instance


def starts(played: Played) -> dict[str, Event]:
    """The start of each run of the operator, by the name of the run."""
    events = played.events_of("collectfile", "START")
    return {run(event)["name"]: event for event in events}


def test_array_job_tasks_are_separate_runs_and_get_their_own_parent(
    folder: Path, played: Played
) -> None:
    wrappers = [path.read_text() for path in folder.glob("work/*/*/.command.run")]
    assert [text.count("#SBATCH --array 0-1") for text in wrappers].count(1) == 1
    ends = played.events_of("make", "COMPLETE")
    assert len(ends) == len({event["run"]["runId"] for event in ends}) == 2
    own = sorted(f"nextflow/main.nf:MAKE/{event['run']['runId']}" for event in ends)
    parts = [path.read_text().split()[1] for path in folder.glob("work/*/*/part.txt")]
    assert sorted(set(parts)) == own
    assert {run(event)["details"]["executor"] for event in ends} == {"slurm"}
    for event in ends:  # without metrics, for which Nextflow starts programs
        assert {"realtime", "duration", "cpus"} <= run(event)["details"].keys()


def test_collected_file_is_the_output_of_its_operator_from_the_input_files(played: Played) -> None:
    assert {name: names(event, "inputs") for name, event in starts(played).items()} == {
        "collectFile (all.txt)": ["part.txt", "part.txt"],
        "collectFile (a.log)": ["a.log"],
        "collectFile (b.log)": ["b.log"],
        "collectFile (said.txt)": [],
        "collectFile (a.grouped, 1 more)": ["a.log", "b.log"],
    }
    ends = played.events_of("collectfile", "COMPLETE")
    written = sorted(name for event in ends for name in names(event, "outputs"))
    assert written == ["a.grouped", "a.log", "all.txt", "b.grouped", "b.log", "said.txt"]
    assert {event["run"]["runId"] for event in ends} == {
        event["run"]["runId"] for event in starts(played).values()
    }
    assert [problem for event in played.events for problem in problems(event)] == []


def test_lineage_goes_through_the_collected_file(instance: Instance, played: Played) -> None:
    ingest(instance.db, map(parse, played.events))
    for _ in range(2):
        collected = ln.Artifact.get(key="results/all.txt")
        (operator,) = collected.output_of_runs
        assert operator.transform.key == "main.nf:collectFile"
        assert operator.parent.transform.key == "main.nf"
        makers = {maker.name for part in operator.input_artifacts for maker in part.output_of_runs}
        assert makers == {"MAKE (1)", "MAKE (2)"}
        assert [reader.name for reader in collected.input_of_runs] == ["READ (1)"]
        assert {record.status for record in ln.Run.all()} == {"completed"}
        rebuild(instance.db)
