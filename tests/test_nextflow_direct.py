"""The direct Python API inside of a Nextflow task: what it reads and writes belongs to the task that does it."""

from __future__ import annotations

import sys
from pathlib import Path

import lamin_core as ln
from lamin_core.instance.instance import Instance
from openlineage.lamin.receive.rebuild import rebuild
from tests.contract.nextflow.playing import play

PIPELINE = """
process make {
    output: path 'made.csv'
    script: "PYTHON ${projectDir}/make.py"
}

process tracked {
    input: path made
    output: path 'more.csv'
    script: "PYTHON ${projectDir}/tracked.py"
}

process shown {
    input: path made
    script:
    '''
    #!PYTHON
    import os
    os.chdir("/")  # where no instance is at hand
    import lamin_core as ln
    ln.connect()
    os.chdir(os.environ["PWD"])
    ln.Artifact.get(key__endswith="made.csv").load()
    ln.Artifact.get(key="raw/start.csv").load()
    '''
}

workflow {
    made = make()
    tracked(made)
    shown(made)
}
"""

MAKE = """
import lamin_core as ln
with open("made.csv", "w") as file:
    file.write("x\\n1\\n")
ln.Artifact("made.csv").save()
"""

TRACKED = """
import lamin_core as ln
ln.track()
ln.Artifact.get(key="raw/start.csv").load()
with open("more.csv", "w") as file:
    file.write("x\\n2\\n")
ln.Artifact("more.csv", key="results/more.csv").save()
"""


def run_of(process: str) -> ln.Run:
    run: ln.Run = ln.Run.filter(transform__key__endswith=f":{process}").one()
    return run


def test_tracking_in_a_nextflow_task_belongs_to_the_task(
    instance: Instance, tmp_path: Path
) -> None:
    folder = tmp_path / "prep"
    folder.mkdir()
    (folder / "main.nf").write_text(PIPELINE.replace("PYTHON", sys.executable))
    (folder / "make.py").write_text(MAKE)
    (folder / "tracked.py").write_text(TRACKED)
    (folder / "start.csv").write_text("x\n0\n")
    ln.Artifact("prep/start.csv", key="raw/start.csv", run=False).save()
    done = play(folder, "run", "main.nf", LAMIN_SPOOL="")
    assert done.code == 0, done.shown
    workflow = ln.Run.filter(transform__key="main.nf").one()
    for _ in range(2):
        make, tracked, shown = run_of("make"), run_of("tracked"), run_of("shown")
        assert {run.status for run in ln.Run.all()} == {"completed"}
        assert {run.parent.uid for run in (make, tracked, shown)} == {workflow.uid}
        (output,) = make.output_artifacts
        assert ln.Artifact.filter(key__endswith="made.csv").count() == 1
        assert [artifact.uid for artifact in tracked.input_artifacts] == [output.uid]
        assert sorted(artifact.uid for artifact in shown.input_artifacts) == sorted(
            [output.uid, ln.Artifact.get(key="raw/start.csv").uid]
        )
        script = tracked.children.one()
        assert (script.transform.key, script.root_run_id) == ("tracked.py", workflow.external_id)
        assert [artifact.key for artifact in script.input_artifacts] == ["raw/start.csv"]
        assert [artifact.key for artifact in script.output_artifacts] == ["results/more.csv"]
        rebuild(instance.db)  # and stays so
