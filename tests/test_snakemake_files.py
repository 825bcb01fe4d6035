"""Events about files: one workflow with every kind of file that Snakemake knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamin_core.storage.hashing import digest
from openlineage.lamin.validation.schema import problems
from tests.contract.snakemake.playing import Played, dataset, names, play, rule, run, write

SNAKEFILE = """
ODD = "été (pipe) 'quoted' \\"twice\\" [1].txt"

rule all:
    input: "kept.txt", "count.txt", "listed.txt", "merged.txt", ODD, "answer.txt", "journal.txt"

rule scratch:
    output: temp("scratch.txt")
    shell: "echo scratch > {output}"

rule keep:
    input: "scratch.txt"
    output: protected("kept.txt")
    shell: "cat {input} > {output}"

rule stream:
    output: pipe("stream.txt")
    shell: "seq 3 > {output}"

rule count:
    input: "stream.txt"
    output: "count.txt"
    shell: "wc -l < {input} > {output}"

rule serve:
    output: service("server.sock")
    shell: "touch {output}; sleep 300"

rule ask:
    input: "server.sock"
    output: "answer.txt"
    shell: "test -e {input}; echo 42 > {output}"

rule folder:
    output: directory("folder")
    shell: "mkdir -p {output}/deep; echo 1 > {output}/a.txt; echo 2 > {output}/deep/b.txt"

rule listed:
    input: "folder"
    output: "listed.txt"
    shell: "ls -R {input} > {output}"

checkpoint parts:
    output: directory("parts")
    shell: "mkdir -p {output}; for i in 1 2; do echo $i > {output}/$i.txt; done"

rule part:
    input: "parts/{i}.txt"
    output: "done/{i}.txt"
    shell: "cp {input} {output}"

def parts(wildcards):
    folder = checkpoints.parts.get().output[0]
    return expand("done/{i}.txt", i=sorted(glob_wildcards(folder + "/{i}.txt").i))

rule merge:
    input: parts
    output: "merged.txt"
    shell: "cat {input} > {output}"

rule odd:
    output: ODD
    shell: "echo odd > {output:q}"

rule journal:
    output: update("journal.txt")
    shell: "echo entry >> {output}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def played(folder: Path) -> Played:
    (folder / "journal.txt").write_text("first\n")
    write(folder, SNAKEFILE)
    done = play(folder, "--forcerun", "journal")
    assert done.code == 0, done.shown
    return done


def test_every_event_is_valid_openlineage(played: Played) -> None:
    assert [problem for event in played.events for problem in problems(event)] == []


def test_output_and_input_of_neighbours_have_the_same_name_and_content(
    played: Played, folder: Path
) -> None:
    written = played.only_event("keep", "COMPLETE")["outputs"][0]
    assert written["name"] == str(folder / "kept.txt")
    assert written["facets"]["lamin_artifact"]["hash"] == digest(folder / "kept.txt").hash


def test_temporary_file_has_a_hash_after_its_removal(played: Played, folder: Path) -> None:
    written = dataset(played.only_event("scratch", "COMPLETE"), "outputs", "scratch.txt")
    read = dataset(played.only_event("keep", "START"), "inputs", "scratch.txt")
    assert not (folder / "scratch.txt").exists()
    assert written["role"] == "temporary"
    assert written["hash"] == read["hash"] == digest(folder / "kept.txt").hash


def test_pipe_is_a_dependency_and_not_a_file(played: Played) -> None:
    start = played.only_event("count", "START")
    (upstream,) = start["run"]["facets"]["jobDependencies"]["upstream"]
    assert start["inputs"] == played.only_event("stream", "COMPLETE")["outputs"] == []
    assert upstream["dependency_type"] == "pipe"
    assert upstream["run"]["runId"] == played.only_event("stream", "START")["run"]["runId"]
    assert upstream["job"]["name"] == played.only_event("stream", "START")["job"]["name"]


def test_service_is_a_dependency_and_completes(played: Played) -> None:
    (upstream,) = played.only_event("ask", "START")["run"]["facets"]["jobDependencies"]["upstream"]
    assert upstream["dependency_type"] == "service"
    assert played.only_event("serve", "COMPLETE")["outputs"] == []


def test_folder_is_one_dataset(played: Played) -> None:
    written = dataset(played.only_event("folder", "COMPLETE"), "outputs", "folder")
    read = dataset(played.only_event("listed", "START"), "inputs", "folder")
    # The third is Snakemake's own .snakemake_timestamp, which is there for everyone who looks.
    assert (written["hash_type"], written["n_files"], written["size"]) == ("blake3-dir", 3, 4)
    assert read == written


def test_files_inside_the_folder_of_a_checkpoint_are_inputs_by_their_path(
    played: Played, folder: Path
) -> None:
    written = played.only_event("parts", "COMPLETE")["outputs"][0]["name"]
    read = sorted(event["inputs"][0]["name"] for event in played.events_of("part", "START"))
    assert written == str(folder / "parts")
    assert read == [str(folder / "parts" / "1.txt"), str(folder / "parts" / "2.txt")]
    assert names(played.only_event("merge", "START"), "inputs") == ["1.txt", "2.txt"]


def test_unusual_file_name_is_recorded_unchanged(played: Played, folder: Path) -> None:
    (written,) = played.only_event("odd", "COMPLETE")["outputs"]
    assert written["name"] == str(folder / "été (pipe) 'quoted' \"twice\" [1].txt")


def test_updated_file_is_an_input_before_and_an_output_after(played: Played, folder: Path) -> None:
    before = dataset(played.only_event("journal", "START"), "inputs", "journal.txt")
    after = dataset(played.only_event("journal", "COMPLETE"), "outputs", "journal.txt")
    assert (folder / "journal.txt").read_text() == "first\nentry\n"
    assert (before["size"], after["size"]) == (6, 12)
    assert before["hash"] != after["hash"] == digest(folder / "journal.txt").hash


def test_target_rule_is_not_a_run_and_each_other_job_starts_and_ends_once(played: Played) -> None:
    ids = [(event["run"]["runId"], event["eventType"]) for event in played.events]
    assert "all" not in {rule(event) for event in played.events}
    assert len(ids) == len(set(ids))
    assert {run_id for run_id, kind in ids if kind == "START"} == {
        run_id for run_id, kind in ids if kind == "COMPLETE"
    }


def test_jobs_of_a_rule_are_distinguished_by_their_wildcards(played: Played) -> None:
    run_names = sorted(run(event)["name"] for event in played.events_of("part", "START"))
    assert run_names == ["part (i=1)", "part (i=2)"]
    assert run(played.events_of("part", "START")[0])["details"]["wildcards"]["i"] in "12"


def test_file_above_the_hash_limit_has_name_and_size(tmp_path: Path) -> None:
    write(tmp_path, 'rule big:\n    output: "big.txt"\n    shell: "seq 1000 > {output}"\n')
    done = play(
        tmp_path, SNAKEMAKE_LOGGER_LAMIN_HASH_LIMIT="100"
    )  # the flag is on the page in docs/
    content = dataset(done.only_event("big", "COMPLETE"), "outputs", "big.txt")
    assert content["size"] == 3893
    assert "hash" not in content


def test_job_restored_from_the_snakemake_cache_is_marked_cached(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    write(
        tmp_path,
        'rule slow:\n    output: "slow.txt"\n    cache: True\n    shell: "echo slow > {output}"\n',
    )
    first = play(tmp_path, "--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache))
    (tmp_path / "slow.txt").unlink()
    second = play(tmp_path, "--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache))
    assert (first.code, second.code) == (0, 0), second.shown
    assert (tmp_path / "slow.txt").is_symlink()
    assert [run(done.only_event("slow", "COMPLETE"))["cached"] for done in (first, second)] == [
        False,
        True,
    ]
    assert second.only_event("slow", "COMPLETE")["outputs"][0]["name"] == str(tmp_path / "slow.txt")
    assert (
        dataset(second.only_event("slow", "COMPLETE"), "outputs", "slow.txt")["hash"]
        == digest(cache_file(tmp_path)).hash
    )


def cache_file(folder: Path) -> Path:
    return (folder / "slow.txt").resolve()
