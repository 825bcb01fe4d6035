"""The example in nf-core's structure, in a real Nextflow: three publish modes, searched by sample, imported alike."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.instance.setup import disconnect, init
from lamin_core.models import Artifact, Run
from lamin_core.samplesheets.importing import import_samplesheet
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.contract.nextflow.playing import ROOT, Played, play
from tests.test_nextflow_import import imported_runs, shared_facts

SAMPLES = ("CONTROL_REP1", "CONTROL_REP2", "TREATED_REP1")


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pipeline in it."""
    folder = tmp_path_factory.mktemp("launch")
    shutil.copytree(ROOT / "example_pipelines" / "nfcore", folder / "readcount")
    return folder


@pytest.fixture(scope="module")
def played(launch: Path) -> Played:
    """One run with the profile `test`."""
    return play(launch, "run", "readcount", "-profile", "test")


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """An instance apart from the pipeline."""
    monkeypatch.chdir(tmp_path)
    new_instance = init("data")
    yield new_instance
    disconnect()
    new_instance.db.dispose()


def test_nfcore_pipeline_is_recorded_with_its_structure_and_queried_by_sample(
    launch: Path, played: Played, instance: Instance
) -> None:
    assert played.code == 0, played.shown
    ingest(instance.db, map(parse, played.events))
    assert {run.transform.key for run in Run.all()} == {
        "lamin/readcount",
        *(
            f"lamin/readcount:NFCORE_READCOUNT:READCOUNT:{process}"
            for process in ("TRIM_READS", "COUNT_READS", "MULTI_REPORT")
        ),
    }
    results = launch / "results"
    published = {run.transform.key.rpartition(":")[2]: set[str]() for run in Run.all()}
    for event in played.events:
        for dataset in event["outputs"]:
            if dataset["facets"]["lamin_artifact"].get("role") == "published":
                process = event["job"]["name"].rpartition(":")[2]
                published[process].add(os.path.relpath(dataset["name"], results))
    assert published["TRIM_READS"] == {f"trimmed/{name}.trimmed.fastq.gz" for name in SAMPLES}
    assert published["COUNT_READS"] == {f"count/{name}.count.tsv" for name in SAMPLES}
    assert published["MULTI_REPORT"] == {"report/multi_report.html", "report/multi_report_data"}
    assert (results / "trimmed" / "TREATED_REP1.trimmed.fastq.gz").is_symlink()
    assert os.stat(results / "report" / "multi_report.html").st_nlink == 2

    import_samplesheet(launch / "readcount" / "assets" / "samplesheet.csv")
    treated = Artifact.filter(records__name="TREATED_REP1").all()
    assert [artifact.key.rpartition("/")[2] for artifact in treated] == ["treated_1.fastq.gz"]
    readers = Run.filter(input_artifacts__records__name="TREATED_REP1").all()
    assert [run.name.rpartition(":")[2] for run in readers] == ["TRIM_READS (TREATED_REP1)"]


def test_import_by_the_trace_in_pipeline_info_equals_what_the_observer_recorded(
    launch: Path,
    played: Played,
    instance: Instance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The script sets no parameter that the command does not, and the trace lies where nf-core pipelines put it."""
    imported_runs(launch / "results" / "pipeline_info" / "execution_trace.txt")
    by_import = shared_facts(instance.db)
    disconnect()
    (tmp_path / "observed").mkdir()
    monkeypatch.chdir(tmp_path / "observed")
    observed = init("data")
    ingest(observed.db, map(parse, played.events))
    live = shared_facts(observed.db)
    observed.db.dispose()
    assert by_import - live == set()
    assert live - by_import == set()
