"""Why a run was executed: the reasons of its engine, and the previous run of the same work, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.cli import lineage as commands
from lamin_core.enums import RunStatus
from lamin_core.errors import NotFound
from lamin_core.ingest.facts import DatasetFacts, RunFacts, TransformFacts
from lamin_core.ingest.record import record
from lamin_core.instance.instance import Instance
from lamin_core.runtime.parent_context import RunReference
from tests.core.test_lineage_questions import invoke, invoke_json

AT = datetime(2026, 3, 1, tzinfo=UTC)


def job(
    hour: int, name: str, parent: str | None = None, code: str = "cp", **details: Any
) -> RunFacts:
    """A job of the rule `map` that reads one file and has one param."""
    at = AT + timedelta(hours=hour)
    dataset = DatasetFacts("input", "/data/in.csv", at, f"{hour // 10:02}", "blake3", 3)
    return RunFacts(
        run_id=f"run-{hour}",
        transform=TransformFacts("snakemake", "wf:map", source=code, source_hash=code),
        engine="snakemake",
        status=RunStatus.COMPLETED,
        name=name,
        started_at=at,
        first_at=at,
        params={"depth": hour // 10},
        details=details,
        parent=None if parent is None else RunReference(parent, "snakemake", "wf"),
        datasets=(dataset,),
        attempt=details.get("attempt", 1),
    )


def write(instance: Instance, *runs: RunFacts) -> None:
    with instance.db.writing() as session:
        record(session, list(runs))


def why_lines(run: str) -> Sequence[str]:
    return invoke(commands.why, run).stdout.splitlines()


def test_why_compares_with_the_previous_run_of_the_same_name(instance: Instance) -> None:
    reason = "Updated input files: in.csv; Params have changed since last execution"
    write(instance, job(0, "map (s=A)"), job(1, "map (s=B)"), job(2, "map (s=A)", code="cp -v"))
    write(instance, job(10, "map (s=B)"), job(20, "map (s=A)", code="mv", reason=reason))
    answer, _ = invoke_json(commands.why, "run-20")
    previous = ln.Run.get(external_id="run-2")
    assert answer["reasons"] == reason.split("; ")
    assert (answer["previous"], answer["previous_status"]) == (previous.uid, "completed")
    assert answer["differences"]["params"]["changed"] == {"depth": [0, 2]}
    assert [file["state"] for file in answer["differences"]["inputs"]] == ["changed"]
    lines = why_lines("run-20")
    assert lines[1:3] == [f"snakemake: {text}" for text in reason.split("; ")]
    assert "  ~ depth: 0 → 2" in lines
    assert "  +mv" in lines
    assert any(line.startswith("  ~ /data/in.csv") or "in.csv" in line for line in lines[-1:])


def test_why_does_not_compare_with_runs_of_another_name(instance: Instance) -> None:
    write(instance, job(0, "a", "flow-1"), job(1, "b", "flow-2"), job(2, "c", "flow-2"))
    assert invoke_json(commands.why, "run-2")[0]["previous"] == ln.Run.get(external_id="run-0").uid
    assert why_lines("run-2")[-1] == "the same code, params and inputs"


def test_why_of_a_first_run_and_of_a_second_attempt(instance: Instance) -> None:
    write(instance, job(0, "a", attempt=2))
    assert why_lines("run-0")[1:] == [
        "snakemake: attempt 1 did not succeed",
        "it is the first run of this work on record",
    ]
    with pytest.raises(NotFound):
        instance.lineage.why("nothing")
