"""Events of workflows, rules and jobs that end well: names, code, params, parents; and invocations without events."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from lamin_core.runtime.parent_context import PARENT
from lamin_core.uids import derived_run_id
from openlineage.lamin.validation.schema import problems
from tests.contract.snakemake.playing import (
    Played,
    environment,
    play,
    rule,
    run,
    source,
    spooled,
    write,
)

SNAKEFILE = """
configfile: "config.yaml"
include: "rules/more.smk"

import functools

rule all:
    input: "shell_A.txt", "script.txt", "run.txt", "wrapper.txt", "copy_B.txt", "inner_a.txt", "stable.txt", "told.txt"

rule by_shell:
    \"\"\"Greets a sample.\"\"\"
    output: "shell_{sample}.txt"
    params:
        "first",
        2,
        depth=lambda wildcards: 30,
        names=["a", "b"],
        odd=object(),
        missing=None,
        ratio=0.5,
        folder=lambda wildcards, output: output[0] + ".d",
    log: "logs/{sample}.log"
    benchmark: "benchmarks/{sample}.tsv"
    threads: 2
    resources: mem_mb=100
    shell:
        \"\"\"
        echo hello {wildcards.sample} {params.depth} > {output} 2> {log}
        \"\"\"

rule by_script:
    output: "script.txt"
    script: "scripts/write.py"

rule by_run:
    output: "run.txt"
    run:
        def text():
            return "one"
        with open(output[0], "w") as out:
            out.write(text())

rule by_wrapper:
    output: "wrapper.txt"
    wrapper: "file:" + workflow.basedir + "/wrappers/save"

use rule by_shell as by_use with:
    output: "copy_{sample}.txt"
    log: "copies/{sample}.log"
    benchmark: "copies/{sample}.tsv"

rule unstable:
    output: "stable.txt"
    shell: f"echo '{functools.partial(print)} {object()}' > {{output}}"

module other:
    snakefile: "other/Snakefile"

use rule * from other as other_*
"""
MORE = """
rule included:
    output: "told.txt"
    shell: "echo $OPENLINEAGE_PARENT_ID > {output}"
"""
OTHER = """
rule inner:
    output: "inner_{x}.txt"
    shell: "echo {wildcards.x} > {output}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "project"
    write(folder, SNAKEFILE, "workflow/Snakefile")
    write(folder, MORE, "workflow/rules/more.smk")
    write(folder, OTHER, "workflow/other/Snakefile")
    write(folder, 'open(snakemake.output[0], "w").write("script")\n', "workflow/scripts/write.py")
    write(
        folder,
        'open(snakemake.output[0], "w").write("wrapper")\n',
        "workflow/wrappers/save/wrapper.py",
    )
    write(folder, "channels: []\n", "workflow/wrappers/save/environment.yaml")
    write(folder, "genome: hg38\nmin_depth: 10\nnested: {fast: true}\n", "config.yaml")
    return folder


@pytest.fixture(scope="module")
def first(folder: Path) -> Played:
    done = play(
        folder, "--config", "extra=7", "--quiet", "progress", "rules"
    )  # as with --quiet alone
    assert done.code == 0, done.shown
    return done


@pytest.fixture(scope="module")
def second(folder: Path, first: Played) -> Played:
    done = play(folder, "--config", "extra=8", "--forceall")
    assert done.code == 0, done.shown
    return done


def test_every_event_is_valid_openlineage(first: Played) -> None:
    assert [problem for event in first.events for problem in problems(event)] == []


def test_workflow_is_named_by_its_path_and_has_all_of_its_source(first: Played) -> None:
    start = first.only_event("", "START")
    assert start["job"]["name"] == "workflow/Snakefile"
    assert start["job"]["facets"]["jobType"]["jobType"] == "WORKFLOW"
    assert "rule by_shell" in source(start)
    assert "rule included" in source(start)
    assert "rule inner" in source(start)


def test_config_is_the_params_of_the_workflow(first: Played, folder: Path) -> None:
    run_facet = run(first.only_event("", "START"))
    assert run_facet["params"] == {
        "genome": "hg38",
        "min_depth": 10,
        "nested": {"fast": True},
        "extra": 7,
    }
    assert run_facet["details"]["cores"] == 2
    assert run_facet["details"]["executor"] == "local"
    assert run_facet["details"]["working_directory"] == str(folder)
    assert Path(run_facet["details"]["log"][0]).is_file()


def test_every_job_is_a_child_of_the_workflow(first: Played) -> None:
    workflow = first.only_event("", "START")
    assert uuid.UUID(workflow["run"]["runId"]).version == 4
    assert first.story()[0] == ("START", "")
    assert first.story()[-1] == ("COMPLETE", "")
    assert {kind for kind, _ in first.story()} == {"START", "COMPLETE"}
    for event in first.events[1:-1]:
        parent = event["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == parent["root"]["run"]["runId"] == workflow["run"]["runId"]
        assert parent["job"]["name"] == workflow["job"]["name"]
        assert event["job"]["name"] == f"{workflow['job']['name']}:{rule(event)}"


def test_params_keep_their_types(first: Played) -> None:
    (start,) = first.events_of("by_shell", "START")
    params = run(start)["params"]
    odd = params.pop("odd")
    assert odd == "<object object at 0x...>"
    assert params == {
        "params[0]": "first",
        "params[1]": 2,
        "depth": 30,
        "names": ["a", "b"],
        "missing": None,
        "ratio": 0.5,
        "folder": "shell_A.txt.d",
    }


def test_job_has_wildcards_threads_log_benchmark_command_and_reason(first: Played) -> None:
    run_facet = run(first.only_event("by_shell", "START"))
    assert run_facet["name"] == "by_shell (sample=A)"
    details = run_facet["details"]
    assert details["wildcards"] == {"sample": "A"}
    assert details["threads"] == 2
    assert details["resources"]["mem_mb"] == 100
    assert details["log"] == ["logs/A.log"]
    assert details["benchmark"] == "benchmarks/A.tsv"
    assert details["command"].strip() == "echo hello A 30 > shell_A.txt 2> logs/A.log"
    assert "Missing output files" in details["reason"]


def test_source_of_a_rule_is_its_directive(first: Played) -> None:
    assert source(first.only_event("by_shell", "START")) == (
        'shell:\n    """\n    echo hello {wildcards.sample} {params.depth} > {output} 2> {log}\n    """'
    )
    assert (
        source(first.only_event("by_script", "START"))
        == 'open(snakemake.output[0], "w").write("script")\n'
    )
    assert (
        source(first.only_event("by_wrapper", "START"))
        == 'open(snakemake.output[0], "w").write("wrapper")\n'
    )
    assert 'return "one"' in source(first.only_event("by_run", "START"))
    assert "echo hello {wildcards.sample}" in source(first.only_event("by_use", "START"))
    assert "echo {wildcards.x} > {output}" in source(first.only_event("other_inner", "START"))
    documentation = first.only_event("by_shell", "START")["job"]["facets"]["documentation"]
    assert documentation["description"] == "Greets a sample."


def test_rerun_has_the_same_jobs_and_code_with_new_run_ids(first: Played, second: Played) -> None:
    jobs = [
        {event["job"]["name"]: source(event) for event in done.events} for done in (first, second)
    ]
    assert jobs[0] == jobs[1]
    assert not {event["run"]["runId"] for event in first.events} & {
        event["run"]["runId"] for event in second.events
    }
    assert "0x7" not in source(second.only_event("unstable", "START"))


def test_scripts_get_their_job_as_parent(second: Played, folder: Path) -> None:
    start = second.only_event("included", "START")
    parent = f"snakemake/workflow/Snakefile:included/{start['run']['runId']}"
    assert (folder / "told.txt").read_text().strip() == parent


def test_run_id_of_a_job_is_derived_from_the_workflow_and_its_number(first: Played) -> None:
    workflow = first.only_event("", "START")["run"]["runId"]
    start = first.only_event("by_script", "START")
    assert start["run"]["runId"] == derived_run_id(
        workflow, str(run(start)["details"]["jobid"]), "1"
    )


@pytest.mark.parametrize(
    "options", [["-n"], ["-n", "-q"], ["--touch", "-F"], ["--summary"]], ids=" ".join
)
def test_options_that_execute_nothing_send_no_events(tmp_path: Path, options: list[str]) -> None:
    write(tmp_path, 'rule a:\n    output: "a.txt"\n    shell: "echo a > {output}"\n')
    (tmp_path / "a.txt").touch()
    done = play(tmp_path, *options)
    assert done.code == 0, done.shown
    assert done.events == []
    assert "lineage" not in done.shown


def test_workflow_with_nothing_to_do_is_a_run_without_children(tmp_path: Path) -> None:
    write(tmp_path, 'rule a:\n    output: "a.txt"\n    shell: "echo a > {output}"\n')
    first, second = play(tmp_path, "a.txt"), play(tmp_path)
    assert run(first.only_event("", "START"))["details"]["targets"] == ["a.txt"]
    assert second.story() == [("START", ""), ("COMPLETE", "")]
    assert run(second.events[-1])["details"]["nothing_to_do"] is True


def test_instance_is_that_of_the_working_directory_of_the_command(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    shell = 'echo "$LAMIN_INSTANCE" > {output}'
    write(here, f"rule a:\n    output: \"a.txt\"\n    shell: '{shell}'\n")
    subprocess.run(
        [sys.executable, "-m", "lamin_core", "init", "--storage", "data"], cwd=here, check=True
    )
    done = play(here, "--directory", str(elsewhere))
    assert done.code == 0, done.shown
    assert done.events == [], "nothing is left in the spool"
    runs = subprocess.check_output(
        [sys.executable, "-m", "lamin_core", "runs"], cwd=here, text=True
    )
    assert runs.count("completed") == 2
    assert (elsewhere / "a.txt").read_text().strip() == str(here / ".lamin")


def test_paths_follow_directory_option_and_workdir(tmp_path: Path) -> None:
    write(tmp_path, 'rule a:\n    output: "a.txt"\n    shell: "echo a > {output}"\n')
    done = play(tmp_path, "--directory", "elsewhere")
    assert done.only_event("a", "COMPLETE")["outputs"][0]["name"] == str(
        tmp_path / "elsewhere" / "a.txt"
    )
    write(
        tmp_path, 'workdir: "third"\nrule a:\n    output: "a.txt"\n    shell: "echo a > {output}"\n'
    )
    done = play(tmp_path)
    assert done.only_event("a", "COMPLETE")["outputs"][0]["name"] == str(
        tmp_path / "third" / "a.txt"
    )


def test_workflow_started_by_a_rule_is_the_child_of_its_job(tmp_path: Path) -> None:
    inner = " ".join(
        [
            sys.executable,
            "-m",
            "snakemake",
            "-s",
            "inner.smk",
            "-c1",
            "--nolock",
            "--logger",
            "lamin",
        ]
    )
    write(tmp_path, f'rule outer:\n    output: "inner.txt"\n    shell: "{inner}"\n')
    write(
        tmp_path,
        'rule inner:\n    output: "inner.txt"\n    shell: "echo inner > {output}"\n',
        "inner.smk",
    )
    done = play(tmp_path, **{PARENT: "python/run.py/0194e0a0-0000-7000-8000-000000000000"})
    assert done.code == 0, done.shown
    outer, inner_start = done.events_of("", "START")
    if outer["job"]["name"].endswith("inner.smk"):
        outer, inner_start = inner_start, outer
    assert outer["run"]["facets"]["parent"]["job"] == {"namespace": "python", "name": "run.py"}
    job = done.only_event("outer", "START")["run"]
    assert inner_start["run"]["facets"]["parent"]["run"]["runId"] == job["runId"]
    assert job["facets"]["parent"]["run"]["runId"] == outer["run"]["runId"]
    assert (
        done.only_event("outer", "START")["run"]["facets"]["parent"]["root"]["job"]["name"]
        == "run.py"
    )


def test_snakefile_in_git_has_its_commit(tmp_path: Path) -> None:
    write(tmp_path, 'rule a:\n    output: "a.txt"\n    shell: "echo a > {output}"\n')
    for command in (
        ["init", "-q"],
        ["remote", "add", "origin", "https://me:hunter2@example.org/repo.git"],
        ["add", "Snakefile"],
        ["commit", "-qm", "first"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()
    location = play(tmp_path).only_event("", "START")["job"]["facets"]["sourceCodeLocation"]
    assert location["version"] == commit
    assert location["repoUrl"] == "https://me:***@example.org/repo.git"


def test_import_of_the_plugin_loads_nothing_heavy(tmp_path: Path) -> None:
    code = """
import sys, snakemake_logger_plugin_lamin
print([name for name in sys.modules if name.partition(".")[0] in {"lamin_core", "openlineage", "blake3", "snakemake"}])
"""
    shown = subprocess.check_output(
        [sys.executable, "-c", code], env=environment(tmp_path), text=True
    )
    assert json.loads(shown) == []


def test_snakemake_api_records_the_same_as_the_command(tmp_path: Path) -> None:
    write(tmp_path, 'rule a:\n    output: "a.txt"\n    shell: "echo a > {output}"\n')
    write(tmp_path, 'rule b:\n    output: "b.txt"\n    shell: "exit 3"\n', "bad.smk")
    code = """
import os
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings, ResourceSettings
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_logger_plugin_lamin import LogHandlerSettings

def execute(snakefile, times=1):
    with SnakemakeApi(OutputSettings(log_handler_settings={"lamin": LogHandlerSettings()})) as api:
        workflow = api.workflow(resource_settings=ResourceSettings(cores=1), snakefile=Path(snakefile))
        for _ in range(times):
            workflow.dag(DAGSettings(forceall=True)).execute_workflow()

before = dict(os.environ)
try:
    execute("bad.smk")
except WorkflowError:
    execute("Snakefile", times=2)
assert dict(os.environ) == before, "the environment is as it was"
"""
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(tmp_path), check=True
    )
    good = [("START", ""), ("START", "a"), ("COMPLETE", "a"), ("COMPLETE", "")]
    bad = [("START", ""), ("START", "b"), ("FAIL", "b"), ("FAIL", "")]
    assert sorted((event["eventType"], rule(event)) for event in spooled(tmp_path)) == sorted(
        bad + good * 2
    )
