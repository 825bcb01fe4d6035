"""The oldest Snakemake that is supported, in an environment of its own: it is recorded as the newest is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.snakemake.playing import (
    ROOT,
    Event,
    Played,
    environment,
    names,
    rule,
    spooled,
    write,
)

OLDEST = ROOT / ".venv-snakemake"
SNAKEFILE = """
include: "more.smk"

config["genome"] = "hg38"
scattergather: parts=2

rule all:
    input: "run.txt", "last.txt", "counted.txt", "gathered.txt", "table.csv", "marker", "wrapped.txt", "updated.txt"

rule by_shell:
    "Greets."
    output: protected("shell_{who}.txt")
    params: "first", word="hello", number=3
    log: "logs/{who}.log"
    benchmark: "benchmarks/{who}.tsv"
    threads: 2
    retries: 1
    shell:
        "echo try >> tries_{wildcards.who}; test $(wc -l < tries_{wildcards.who}) = 2; "
        "echo {params.word} | tee {output} > {log}"

rule by_run:
    input: "shell_a.txt", "script.txt"
    output: "run.txt"
    run:
        with open(output[0], "w") as file:
            file.write("run")

checkpoint parts:
    input: "temporary.txt"
    output: directory("parts")
    shell: "mkdir {output}; echo 1 > {output}/x.txt"

rule last:
    input: lambda wildcards: checkpoints.parts.get().output[0] + "/x.txt"
    output: "last.txt"
    shell: "cp {input} {output}"

rule temporary:
    output: temp("temporary.txt")
    shell: "echo temporary > {output}"

rule stream:
    output: pipe("stream.txt")
    shell: "seq 3 > {output}"

rule counted:
    input: "stream.txt"
    output: "counted.txt"
    shell: "wc -l < {input} > {output}"

rule split:
    output: scatter.parts("part_{scatteritem}.txt")
    shell: "for part in {output}; do echo $part > $part; done"

rule gather:
    input: gather.parts("part_{scatteritem}.txt")
    output: "gathered.txt"
    shell: "cat {input} > {output}"

rule several:
    output: multiext("table", ".csv", ".json")
    shell: "echo 1 > table.csv; echo 2 > table.json"

rule marker:
    output: touch("marker")

rule wrapped:
    output: "wrapped.txt"
    wrapper: "file:wrapped"

rule updated:
    output: update("updated.txt")
    shell: "echo more >> {output}"

rule fails:
    output: "never.txt"
    log: "fails.log"
    shell: "echo no such luck > {log}; exit 3"
"""
MORE = """
rule by_script:
    output: "script.txt"
    script: "script.py"
"""
SCRIPT = 'open(snakemake.output[0], "w").write("script")\n'


@pytest.fixture(scope="module")
def oldest() -> Path:
    """The Python of the environment with the oldest Snakemake."""
    install = [
        str(ROOT / "requirements" / "install"),
        str(OLDEST),
        "requirements/snakemake-oldest.txt",
    ]
    subprocess.run(
        [*install, "alone"], check=True, timeout=250
    )  # nothing, where `make test` did it
    return OLDEST / "bin" / "python"


def played(python: Path, folder: Path) -> Played:
    """The rich workflow in a folder, by the Snakemake of this Python."""
    write(folder, SNAKEFILE)
    write(folder, MORE, "more.smk")
    write(folder, SCRIPT, "script.py")
    write(folder, SCRIPT, "wrapped/wrapper.py")
    write(folder, "dependencies: []\n", "wrapped/environment.yaml")
    write(folder, "before\n", "updated.txt")
    options = ["-m", "snakemake", "all", "never.txt", "--cores", "2", "--keep-going", "--forceall"]
    done = subprocess.run(
        [python, *options, "--config", "genome=hg38", "--logger", "lamin"],
        cwd=folder,
        env={
            **environment(folder),
            "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Played(done.returncode, done.stderr + done.stdout, spooled(folder))


def facts(events: list[Event]) -> list[tuple[Any, ...]]:
    """The content of the events, without times, ids and folders, sorted."""
    return sorted((_fact(event) for event in events), key=repr)


def _fact(event: Event) -> tuple[Any, ...]:
    facet, job = event["run"]["facets"]["lamin_run"], event["job"]["facets"]
    sides = [sorted(map(_file, event[side]), key=repr) for side in ("inputs", "outputs")]
    error = event["run"]["facets"].get("errorMessage", {}).get("message")
    described = job.get("documentation", {}).get("description")
    code = job.get("sourceCode", {}).get("sourceCode")
    happened = (rule(event), event["eventType"], facet.get("attempt"), error)
    return *happened, sides, facet.get("params"), sorted(facet["details"]), described, code


def _file(dataset: dict[str, Any]) -> tuple[Any, ...]:
    name = Path(dataset["name"]).name
    content = dataset["facets"].get("lamin_artifact", {})
    varies = name == "a.tsv" or name == "parts"
    flags = dataset["facets"].get("lamin_file", {}).get("flags")
    return name, None if varies else content.get("hash"), content.get("role"), flags


def test_oldest_release_is_recorded_like_the_newest(oldest: Path, tmp_path: Path) -> None:
    old = played(oldest, tmp_path / "old")
    new = played(Path(sys.executable), tmp_path / "new")
    assert (old.code, new.code) == (1, 1), old.shown
    assert facts(old.events) == facts(new.events)
    assert {rule(event) for event in old.events} >= {"", "by_shell", "by_run", "last", "fails"}
    assert [event["eventType"] for event in old.events_of("by_shell")].count("FAIL") == 1
    (workflow,) = old.events_of("", "FAIL")
    assert workflow["run"]["facets"]["processing_engine"]["version"] == "9.20.0"
    assert names(old.only_event("updated", "COMPLETE"), "outputs") == ["updated.txt"]


def test_internals_of_the_oldest_release_exist(oldest: Path) -> None:
    command = [str(oldest), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/test_snakemake_internals.py"],
        cwd=ROOT,
        env={**os.environ, "PATH": os.pathsep.join([str(oldest.parent), os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout
