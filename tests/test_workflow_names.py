"""Names of the jobs of Snakemake and Nextflow: by the project, never by its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.contract.nextflow import playing as nextflow
from tests.contract.snakemake import playing as snakemake

SNAKEFILE = """
rule greet:
    output: "greeting.txt"
    shell: "echo hello > {output}"
"""
REMOTE = "https://ann:hunter2@example.org/lab/align.git"


def job_names(played: snakemake.Played | nextflow.Played) -> set[str]:
    return {event["job"]["name"] for event in played.events}


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", "-C", os.fspath(folder), *author, *arguments], check=True)


def commit(folder: Path, remote: str | None = REMOTE) -> None:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    if remote is not None:
        git(folder, "remote", "add", "origin", remote)


def test_snakemake_in_a_moved_folder_has_the_same_job_names(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    snakemake.write(folder, SNAKEFILE)
    before = job_names(snakemake.play(folder))
    moved = folder.rename(tmp_path / "lab_2026")
    after = snakemake.play(moved, "--forceall")
    assert job_names(after) == before == {"Snakefile", "Snakefile:greet"}
    start = after.only_event("", "START")
    assert start["job"]["facets"]["lamin_job"]["previousName"] == "lab_2026/Snakefile"


def test_snakemake_with_logger_lamin_name_uses_that_name(tmp_path: Path) -> None:
    snakemake.write(tmp_path, SNAKEFILE, "workflow/Snakefile")
    played = snakemake.play(tmp_path, "--logger-lamin-name", "align")
    assert job_names(played) == {"align", "align:greet"}


def test_snakemake_in_a_repository_uses_the_name_of_its_remote(tmp_path: Path) -> None:
    snakemake.write(tmp_path, SNAKEFILE, "workflow/Snakefile")
    commit(tmp_path)
    assert job_names(snakemake.play(tmp_path)) == {
        "lab/align/workflow/Snakefile",
        "lab/align/workflow/Snakefile:greet",
    }


def test_nextflow_in_a_repository_uses_the_name_of_its_remote(tmp_path: Path) -> None:
    folder = tmp_path / "rna"
    folder.mkdir()
    shutil.copy(nextflow.PIPELINES / "environment.nf", folder / "main.nf")
    commit(tmp_path)
    tree = tmp_path / "tree"
    git(tmp_path, "worktree", "add", "-q", "-b", "other", os.fspath(tree))
    for project in (tmp_path, tree):
        played = nextflow.play(project, "run", "rna/main.nf")
        assert job_names(played) == {"lab/align/rna", "lab/align/rna:LOOK"}, played.shown
        start = played.only_event("", "START")
        assert start["job"]["facets"]["lamin_job"]["previousName"] == "rna/main.nf"


def test_nextflow_with_a_manifest_uses_its_name(tmp_path: Path) -> None:
    shutil.copy(nextflow.PIPELINES / "environment.nf", tmp_path / "main.nf")
    (tmp_path / "nextflow.config").write_text("manifest { name = 'prep' }\n")
    commit(tmp_path)
    played = nextflow.play(tmp_path, "run", "main.nf")
    assert job_names(played) == {"prep", "prep:LOOK"}, played.shown
