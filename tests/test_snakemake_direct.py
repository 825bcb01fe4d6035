"""The direct Python API inside of Snakemake: what it reads and writes belongs to the job that does it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lamin_core as ln
from lamin_core.instance.instance import Instance
from openlineage.lamin.receive.rebuild import rebuild
from tests.contract.snakemake.playing import play, write

SNAKEFILE = """
rule all:
    input: "shell.csv", "script.csv", "run.csv", "tracked.csv", "threads_1.csv", "threads_2.csv",
           "wrapper.csv", "notebook.csv"

rule by_shell:
    output: "shell.csv"
    shell: "{PYTHON} made.py {{output}}"

rule by_script:
    input: "shell.csv"
    output: "script.csv"
    script: "scripts/made.py"

rule by_run:
    input: "script.csv"
    output: "run.csv"
    run:
        import lamin_core as ln
        ln.Artifact.get(key="script.csv").load()
        with open(output[0], "w") as file:
            file.write("x\\n3\\n")
        ln.Artifact(output[0]).save()

rule by_tracked_run:
    output: "tracked.csv"
    run:
        import lamin_core as ln
        ln.track()
        with open(output[0], "w") as file:
            file.write("x\\n4\\n")
        ln.Artifact(output[0]).save()
        ln.finish()

rule by_wrapper:
    output: "wrapper.csv"
    wrapper: "file:wrapped"

rule by_notebook:
    output: "notebook.csv"
    notebook: "notebooks/made.py.ipynb"

rule at_once:
    output: "threads_{{number}}.csv"
    shell: "{PYTHON} made.py {{output}}"

onsuccess:
    import lamin_core as ln
    with open("summary.txt", "w") as file:
        file.write("all is well")
    ln.Artifact("summary.txt").save()
"""

BY_SHELL = """
import sys
import lamin_core as ln
path = sys.argv[1]
open(path, "w").write(f"{path}\\n1\\n")
ln.Artifact(path).save()
ln.Artifact(path, key=f"kept/{path}").save()
"""

BY_WRAPPER = """
import lamin_core as ln
with open(snakemake.output[0], "w") as file:
    file.write(f"{snakemake.output[0]}\\n5\\n")
ln.Artifact(snakemake.output[0]).save()
"""

BY_SCRIPT = """
import lamin_core as ln

@ln.step
def read() -> None:
    ln.Artifact.get(key=snakemake.input[0]).load()

ln.track(params=dict(snakemake.wildcards))
read()
with open(snakemake.output[0], "w") as file:
    file.write("x\\n2\\n")
ln.Artifact(snakemake.output[0]).save()
"""


def as_notebook(code: str) -> str:
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "a",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": code,
    }
    kernel = {
        "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"},
        "language_info": {"name": "python", "file_extension": ".py"},
    }
    return json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def run_of(rule: str) -> ln.Run:
    run: ln.Run = ln.Run.filter(transform__key__endswith=f"Snakefile:{rule}").one()
    return run


def output_keys(run: ln.Run) -> list[str | None]:
    return sorted(artifact.key for artifact in run.output_artifacts)


def test_tracked_script_in_snakemake_job_is_child_of_job(
    instance: Instance, tmp_path: Path
) -> None:
    write(tmp_path, SNAKEFILE.format(PYTHON=sys.executable))
    write(tmp_path, BY_SHELL, "made.py")
    write(tmp_path, BY_SCRIPT, "scripts/made.py")
    write(tmp_path, BY_WRAPPER, "wrapped/wrapper.py")
    write(tmp_path, "dependencies: []\n", "wrapped/environment.yaml")
    write(tmp_path, as_notebook(BY_WRAPPER), "notebooks/made.py.ipynb")
    done = play(tmp_path, LAMIN_SPOOL="")
    assert done.code == 0, done.shown
    assert "lineage" not in done.shown
    workflow = ln.Run.filter(transform__key="Snakefile", engine="snakemake").one()
    for _ in range(2):
        shell, script, run = run_of("by_shell"), run_of("by_script"), run_of("by_run")
        assert {job_run.status for job_run in ln.Run.all()} == {"completed"}
        assert {job_run.parent.uid for job_run in (shell, script, run)} == {workflow.uid}
        assert output_keys(shell) == ["kept/shell.csv", "shell.csv"]
        assert output_keys(run) == ["run.csv"]
        assert (output_keys(run_of("by_wrapper")), output_keys(run_of("by_notebook"))) == (
            ["wrapper.csv"],
            ["notebook.csv"],
        )
        assert run_of("by_notebook").transform.source_code == BY_WRAPPER
        assert [artifact.key for artifact in run.input_artifacts] == ["script.csv"]
        assert output_keys(workflow) == ["summary.txt"]
        tracked = script.children.one()
        assert (tracked.transform.key, tracked.engine) == ("made.py", "python")
        assert tracked.root_run_id == workflow.external_id
        assert output_keys(tracked) == output_keys(script) == ["script.csv"]
        step = tracked.children.one()
        assert (step.transform.key, [artifact.key for artifact in step.input_artifacts]) == (
            "made.py:read",
            ["shell.csv"],
        )
        in_process = run_of("by_tracked_run").children.one()
        assert (in_process.transform.key, in_process.transform.kind) == ("Snakefile", "script")
        assert output_keys(in_process) == output_keys(run_of("by_tracked_run")) == ["tracked.csv"]
        at_once = ln.Run.filter(transform__key__endswith=":at_once").all()
        assert sorted(output_keys(job_run)[1] or "" for job_run in at_once) == [
            "threads_1.csv",
            "threads_2.csv",
        ]
        assert ln.Artifact.filter(key__endswith="shell.csv").count() == 2
        assert (
            ln.Artifact.filter(key="script.csv").count()
            == ln.Artifact.filter(key="run.csv").count()
            == 1
        )
        rebuild(instance.db)  # and stays so
