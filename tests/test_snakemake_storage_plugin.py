"""`storage.lamin(...)`: the interface's own test suite, and workflows between artifacts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_interface_storage_plugins.tests import TestStorageBase

import lamin_core as ln
from lamin_core.instance.instance import Instance
from snakemake_storage_plugin_lamin import StorageProvider, StorageProviderSettings
from tests.contract.snakemake.playing import play, write

SNAKEFILE = """
SAMPLES = sorted(glob_wildcards(storage.lamin("raw/{sample}.csv")).sample)

rule merge:
    input: storage.lamin("raw/a.csv@0000"), [storage.lamin(f"counts/{sample}.txt") for sample in SAMPLES]
    output: storage.lamin("merged/all.csv")
    run:
        import os
        assert os.path.islink(input[0]), input[0]
        with open(output[0], "w") as file:
            file.writelines(open(path).read() for path in input)

rule count:
    input: storage.lamin("raw/{sample}.csv")
    output: storage.lamin("counts/{sample}.txt")
    shell: "wc -l < {input} > {output}"
"""


class TestStorage(TestStorageBase):
    """The suite of snakemake-interface-storage-plugins, on a real registry, with files and folders."""

    __test__ = True
    files_only = False
    touch = True

    @pytest.fixture(autouse=True)
    def registry(self, instance: Instance) -> None:
        """The tests of the suite use the current instance."""

    def get_storage_provider_cls(self) -> type[StorageProvider]:
        return StorageProvider

    def get_storage_provider_settings(self) -> StorageProviderSettings:
        return StorageProviderSettings()

    def get_query(self, tmp_path: Path) -> str:
        return "lamin://results/test"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return "results/missing@0000"


def save(folder: Path, key: str, text: str) -> ln.Artifact:
    path = folder / "sources" / key.replace("/", "_")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return ln.Artifact(path, key=key, run=False).save()


def run_of(rule: str, sample: str | None = None) -> ln.Run:
    runs = ln.Run.filter(transform__key=f"Snakefile:{rule}").order_by("-id").all()
    run: ln.Run = next(run for run in runs if sample is None or f"sample={sample}" in run.name)
    return run


def inputs(run: ln.Run) -> list[tuple[str, str]]:
    return sorted((artifact.key, artifact.version) for artifact in run.input_artifacts)


def outputs(run: ln.Run) -> list[tuple[str, str]]:
    return sorted((artifact.key, artifact.version) for artifact in run.output_artifacts)


def test_workflow_between_artifacts_is_one_graph(instance: Instance, tmp_path: Path) -> None:
    write(tmp_path, SNAKEFILE)
    save(tmp_path, "raw/a.csv", "x\n1\n")
    save(tmp_path, "raw/a.csv", "x\n1\n2\n")
    save(tmp_path, "raw/b.csv", "x\n")
    first = play(tmp_path, LAMIN_SPOOL="")
    assert first.code == 0, first.shown
    assert "lineage" not in first.shown

    merged = ln.Artifact.get(key="merged/all.csv")
    assert merged.cache().read_text() == "x\n1\n3\n1\n"
    assert inputs(run_of("merge")) == [
        ("counts/a.txt", "0000"),
        ("counts/b.txt", "0000"),
        ("raw/a.csv", "0000"),
    ]
    assert outputs(run_of("merge")) == [("merged/all.csv", "0000")]
    assert [run.uid for run in merged.output_of_runs] == [run_of("merge").uid]
    assert inputs(run_of("count", "a")) == [("raw/a.csv", "0001")]
    assert outputs(run_of("count", "b")) == [("counts/b.txt", "0000")]
    stored = {path.name for path in (tmp_path / ".snakemake" / "storage").rglob("*.*")}
    assert stored == {".written"}, "no local copy is left"

    # Another version of an input: its job runs again and writes the same bytes, so that the rest is up to date.
    save(tmp_path, "raw/b.csv", "y\n")
    again = play(tmp_path, LAMIN_SPOOL="")
    assert again.code == 0, again.shown
    assert inputs(run_of("count", "b")) == [("raw/b.csv", "0001")]
    assert ln.Artifact.filter(key="counts/b.txt").count() == 1
    assert "Nothing to be done" in play(tmp_path, LAMIN_SPOOL="").shown


def test_write_to_a_fixed_version_fails_the_workflow(instance: Instance, tmp_path: Path) -> None:
    save(tmp_path, "raw/a.csv", "x\n")
    write(
        tmp_path,
        'rule a:\n    output: storage.lamin("raw/a.csv@0000")\n    shell: "echo > {output}"',
    )
    pinned = play(
        tmp_path, "--forceall", LAMIN_SPOOL=""
    )  # Snakemake removes what it could not write
    assert pinned.code == 1
    assert "names a version, which never changes" in pinned.shown
    assert ln.Artifact.get(key="raw/a.csv").version == "0000"


def test_plugin_imports_nothing_heavy() -> None:
    code = """
import sys
import snakemake_interface_storage_plugins.storage_object, snakemake_interface_storage_plugins.storage_provider
before = set(sys.modules)
import snakemake_storage_plugin_lamin
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
assert loaded <= {"snakemake_storage_plugin_lamin", "snakemake_interface_storage_plugins"}, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
