"""Parents across processes: what a process is told of the run above, and what it tells the processes below."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lamin_core.instance.instance import Instance
from lamin_core.models import Run
from lamin_core.runtime.parent_context import (
    RunReference,
    environment_for_children,
    parent_from_environment,
)
from openlineage.lamin.export.events import received
from openlineage.lamin.validation.schema import problems
from tests.contract.snakemake.playing import play, write

TOP = RunReference("0194e0a0-0000-7000-8000-00000000000a", "airflow", "nightly")
ABOVE = RunReference("0194e0a0-0000-7000-8000-00000000000b", "prefect", "flow:step", TOP)
NEAR = RunReference("0194e0a0-0000-7000-8000-00000000000c", "dbt", "model")


def test_parent_context_round_trips_through_the_environment() -> None:
    assert parent_from_environment(environment_for_children(ABOVE)) == ABOVE
    assert parent_from_environment(environment_for_children(TOP)) == TOP
    assert parent_from_environment({}) is None


@pytest.mark.parametrize("variable", ["OPENLINEAGE_CONTEXT", "OPENLINEAGE_PARENT_ID"])
def test_either_variable_alone_is_enough(variable: str) -> None:
    environment = environment_for_children(ABOVE)
    root = {
        name: value for name, value in environment.items() if name == "OPENLINEAGE_ROOT_PARENT_ID"
    }
    assert parent_from_environment({variable: environment[variable], **root}) == ABOVE


def test_namespace_with_slashes_round_trips() -> None:
    spark = RunReference(NEAR.run_id, "spark://host:7077/app", "job")
    assert parent_from_environment(environment_for_children(spark)) == spark


def test_root_may_be_beside_the_parent() -> None:
    context = json.loads(environment_for_children(ABOVE)["OPENLINEAGE_CONTEXT"])
    context["root"] = context["parent"].pop("root")
    assert parent_from_environment({"OPENLINEAGE_CONTEXT": json.dumps(context)}) == ABOVE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"parent": null}',
        '{"parent": {"run": {}}}',
        '{"parent": {"job": 3}}',
    ],
)
def test_invalid_context_is_ignored(text: str) -> None:
    environment = {**environment_for_children(ABOVE), "OPENLINEAGE_CONTEXT": text}
    assert parent_from_environment(environment) == ABOVE
    assert parent_from_environment({"OPENLINEAGE_CONTEXT": text}) is None


@pytest.mark.parametrize("newer", [True, False])
def test_nearest_run_is_the_parent_whichever_variable_names_it(newer: bool) -> None:
    """A foreign program below us sets the one that it knows, and leaves the other to name us."""
    near = environment_for_children(NEAR)
    theirs = (
        ["OPENLINEAGE_CONTEXT"]
        if newer
        else ["OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID"]
    )
    parent = parent_from_environment(
        {**environment_for_children(ABOVE), **{name: near[name] for name in theirs}}
    )
    assert parent == NEAR


# A producer that is not ours, with openlineage-python, which reads the context as OpenLineage's own
# integrations do.
FOREIGN = """
import json, os, sys
from datetime import UTC, datetime
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import parent_run
told = json.loads(os.environ["OPENLINEAGE_CONTEXT"])["parent"]
root = parent_run.Root(parent_run.RootRun(**told["root"]["run"]), parent_run.RootJob(**told["root"]["job"]))
facet = parent_run.ParentRunFacet(parent_run.Run(**told["run"]), parent_run.Job(**told["job"]), root=root)
run = Run("0194e0a0-0000-7000-8000-0000000000ff", {"parent": facet})
client = OpenLineageClient()
for state in (RunState.START, RunState.COMPLETE):
    client.emit(RunEvent(eventType=state, eventTime=datetime.now(UTC).isoformat(), run=run,
                         job=Job("foreign", "model"), producer="urn:foreign"))
client.close()
"""


def runs_of(instance: Instance) -> dict[str, Any]:
    return {run.transform_key: run for run in instance.lineage.everything().runs.values()}


def test_runs_of_airflow_snakemake_and_openlineage_python_form_one_tree(
    tmp_path: Path,
) -> None:
    """Airflow (never seen) above Snakemake above a program that uses openlineage-python: one tree."""
    (tmp_path / "foreign.py").write_text(FOREIGN)
    write(
        tmp_path,
        f'rule model:\n    output: "m.txt"\n    shell: "{sys.executable} foreign.py && touch {{output}}"\n',
    )
    instance = Instance.create(tmp_path, "./data")
    ours = "openlineage.lamin.transport.LaminTransport"
    done = play(tmp_path, **environment_for_children(TOP), OPENLINEAGE__TRANSPORT__TYPE=ours)
    assert done.code == 0, done.shown
    runs = runs_of(instance)
    workflow = next(run for key, run in runs.items() if key.endswith("Snakefile"))
    top, foreign = runs["nightly"], runs["model"]
    job = next(run for key, run in runs.items() if key.endswith("Snakefile:model"))
    assert (workflow.parent_id, job.parent_id, foreign.parent_id) == (top.id, workflow.id, job.id)
    assert top.external_id == TOP.run_id
    with instance.db.reading() as session:
        received_events = [json.loads(line) for line in received(session)]
    assert not [problem for event in received_events for problem in problems(event)]
    assert {
        event["run"]["facets"]["parent"]["root"]["run"]["runId"] for event in received_events
    } == {TOP.run_id}
    instance.db.dispose()


NESTED = """
import json, os
import lamin_core as ln

@ln.flow
def inner():
    return os.environ["OPENLINEAGE_CONTEXT"]

@ln.flow
def outer():
    return inner()

print(outer())
ln.track()
print(outer())
"""


def test_children_of_nested_runs_get_the_outermost_run(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    (in_tmp_path / "nested.py").write_text(NESTED)
    printed = subprocess.check_output([sys.executable, "nested.py"], text=True, cwd=in_tmp_path)
    for line, outermost in zip(printed.splitlines(), ("nested.py:outer", "nested.py"), strict=True):
        parent = parent_from_environment({"OPENLINEAGE_CONTEXT": line})
        assert parent is not None
        assert (parent.name, parent.outermost.name) == ("nested.py:inner", outermost)
        with instance.db.reading() as session:
            stored_run = session.scalars(select(Run).where(Run.external_id == parent.run_id)).one()
        assert stored_run.root_run_id == parent.outermost.run_id
    instance.db.dispose()


TRACKED = """
import json, os, sys
import lamin_core as ln
ln.track()
print(json.dumps({name: value for name, value in os.environ.items() if "PARENT" in name or "CONTEXT" in name}))
ln.finish()
assert "OPENLINEAGE_CONTEXT" not in os.environ or os.environ["OPENLINEAGE_CONTEXT"] == sys.argv[1]
"""


def test_tracked_script_passes_its_run_to_its_children(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    (in_tmp_path / "train.py").write_text(TRACKED)
    above = environment_for_children(TOP)
    done = subprocess.run(
        [sys.executable, "train.py", above["OPENLINEAGE_CONTEXT"]],
        env={**os.environ, **above},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parent = parent_from_environment(json.loads(done.stdout.splitlines()[-1]))
    assert parent is not None
    runs = runs_of(instance)
    assert (parent.namespace, parent.name, parent.run_id) == (
        "python",
        "train.py",
        runs["train.py"].external_id,
    )
    assert runs["train.py"].parent_id == runs["nightly"].id  # a stub: nobody has told of it yet
    assert parent.outermost == TOP
    instance.db.dispose()
