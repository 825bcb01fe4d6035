"""The wrappers `lamin/save`, `lamin/stage`, `lamin/annotate`: alone, and in the graph that the logger draws."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import lamin_core as ln
from lamin_core.errors import NotFound
from lamin_core.instance.instance import Instance
from lamin_snakemake import WRAPPER_PREFIX, newest
from lamin_snakemake.records import artifact_named
from tests.contract.snakemake.playing import Played, environment, play

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "example_pipelines" / "wrappers"
WRAPPERS = Path(WRAPPER_PREFIX.removeprefix("file:"), "lamin")
TABLE = "leaf,length,width\na,12,5\nb,9,4\n"


def execute(folder: Path, *options: str) -> Played:
    return play(folder, "--wrapper-prefix", WRAPPER_PREFIX, *options, LAMIN_SPOOL="")


def run_of(rule: str) -> ln.Run:
    runs = ln.Run.filter(transform__key__endswith=f"Snakefile:{rule}").order_by("-id")
    run: ln.Run = runs[0]
    return run


def keys(artifacts: object) -> list[str]:
    return sorted(artifact.key for artifact in artifacts)  # type: ignore[attr-defined]


def test_wrapper_prefix_is_printed_and_contains_the_wrappers() -> None:
    done = subprocess.run(
        ["lamin", "snakemake", "wrapper-prefix"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{WRAPPER_PREFIX}\n"
    assert sorted(path.name for path in WRAPPERS.iterdir()) == ["annotate", "save", "stage"]


@pytest.mark.parametrize("name", ["annotate", "save", "stage"])
def test_wrapper_has_the_layout_of_the_wrappers_repository(name: str) -> None:
    folder = WRAPPERS / name
    assert (folder / "test" / "Snakefile").is_file()
    meta = yaml.safe_load((folder / "meta.yaml").read_text())
    assert meta["name"] == f"lamin {name}"
    assert {"description", "authors", "output", "params"} <= set(meta)
    code = (folder / "wrapper.py").read_text()
    documented = {param for entry in meta["params"] for param in entry}
    assert [param for param in sorted(documented) if f'"{param}"' not in code] == []
    environment_file = yaml.safe_load((folder / "environment.yaml").read_text())
    assert environment_file["dependencies"][-1] == {"pip": ["lamin-core[data,curate]"]}


def test_example_pipeline_is_one_graph(instance: Instance, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    ln.Feature(name="site", dtype=str).save()
    ln.Artifact(tmp_path / "leaves.csv", key="raw/leaves.csv", run=False).save()
    done = execute(tmp_path)
    assert done.code == 0, done.shown

    saved = ln.Artifact.get(key="leaves/areas.csv")
    assert saved.description == "Length, width and area of leaves"
    assert [label.name for label in saved.ulabels] == ["oak"]
    assert saved.features.get_values() == {"site": "Oslo"}
    record = json.loads((tmp_path / "saved" / "areas.json").read_text())
    assert (record["uid"], record["version"], record["hash"]) == (saved.uid, "0000", saved.hash)

    assert keys(run_of("stage").input_artifacts) == ["raw/leaves.csv"]
    assert keys(run_of("stage").output_artifacts) == ["staged/leaves.csv"]
    saved_keys = {"leaves/areas.csv", "saved/areas.json"}
    assert saved_keys <= set(keys(run_of("save").output_artifacts))  # its log is there, too
    areas = ln.Artifact.get(key="results/areas.csv")
    assert areas.number == 0
    assert [run.uid for run in areas.output_of_runs] == [run_of("areas").uid]
    assert [label.name for label in areas.ulabels] == ["checked"]
    assert keys(run_of("annotate").input_artifacts) == ["results/areas.csv", "staged/leaves.csv"]
    assert (tmp_path / "staged" / "leaves.csv").is_symlink()

    ln.Artifact(_table(tmp_path / "more.csv", "c,7,3\n"), key="raw/leaves.csv", run=False).save()
    assert newest("raw/leaves.csv") == "raw/leaves.csv@0001"
    assert artifact_named("raw/leaves.csv@0000").number == 0
    again = execute(tmp_path, "staged/leaves.csv")
    assert again.code == 0, again.shown
    assert [artifact.version for artifact in run_of("stage").input_artifacts] == ["0001"]
    assert ln.Artifact.get(key="staged/leaves.csv").number == 1


def test_wrappers_work_alone_and_fail_with_the_reason(instance: Instance, tmp_path: Path) -> None:
    """Their own test workflows, without the logger."""
    ln.Feature(name="sample", dtype=str).save()
    table = _table(tmp_path / "table.csv")
    ln.Artifact(table, key="raw/leaves.csv", run=False).save()
    _table(tmp_path / "results" / "a.csv")
    includes = [f'include: "{WRAPPERS / name / "test" / "Snakefile"}"' for name in _NAMES]
    (tmp_path / "Snakefile").write_text("\n".join(includes))
    targets = ["staged/leaves.csv", "saved/a.json", "annotated/a.json", "staged/missing.csv"]
    done = _snakemake(tmp_path, *targets, "--keep-going")
    assert done.returncode == 1
    log = (tmp_path / "logs" / "stage" / "missing.log").read_text()
    assert log.startswith("no Artifact with key='raw/missing.csv'")
    assert (tmp_path / "staged" / "leaves.csv").read_text() == TABLE
    assert ln.Artifact.get(key="measured/a.csv").features.get_values() == {"sample": "a"}
    in_place = ln.Artifact.get(key="results/a.csv")
    assert sorted(label.name for label in in_place.ulabels) == ["a", "checked"]
    assert in_place.hash == ln.Artifact.get(key="measured/a.csv").hash
    assert ln.Run.all().count() == 0


def test_artifact_named_finds_artifacts_by_key_version_and_uid(
    instance: Instance, tmp_path: Path
) -> None:
    saved = ln.Artifact(_table(tmp_path / "t.csv"), key="mail@home.csv", run=False).save()
    names = ["mail@home.csv", "mail@home.csv@0000", saved.uid, saved.uid[:16]]
    assert {artifact_named(name).uid for name in names} == {saved.uid}
    with pytest.raises(NotFound, match="has no version '0007'") as caught:
        artifact_named("mail@home.csv@0007")
    assert caught.value.hint == "the latest is mail@home.csv@0000"


_NAMES = ("save", "stage", "annotate")


def _table(path: Path, more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TABLE + more)
    return path


def _snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "-c",
            "2",
            "--wrapper-prefix",
            WRAPPER_PREFIX,
            *options,
        ],
        cwd=folder,
        env={**environment(folder), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
    )
