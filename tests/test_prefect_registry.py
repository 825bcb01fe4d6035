"""Prefect's runs in the registry: labels, deployments, attempts, and ends that no event reported."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import update

import lamin_core as ln
import lamin_prefect
from openlineage.lamin.receive.rebuild import rebuild
from tests.support.commands import typed

if TYPE_CHECKING:
    from lamin_core.instance.instance import Instance
    from tests.support.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here
pytest_plugins = ["tests.support.prefect_server"]


def _deliver() -> None:
    from lamin_prefect.recording import delivery

    delivery.close()


def test_tags_are_labels_and_runs_link_to_the_prefect_ui(
    instance: Instance, recorded: RecordedEvents
) -> None:
    from prefect import tags

    @ours.task(tags=["slow", "team:core"])
    def step() -> None: ...

    @ours.flow(version="1.2")
    def pipeline() -> None:
        step()

    with tags("nightly"):
        pipeline()
    _deliver()
    for _ in range(2):
        step_run = ln.Run.get(transform__key__endswith=":step")
        pipeline_run = ln.Run.get(transform__key__endswith=":pipeline")
        assert {label.name for label in step_run.ulabels} == {"nightly", "slow", "team:core"}
        assert [label.name for label in pipeline_run.ulabels] == ["nightly"]
        assert ln.Run.filter(ulabels__name="slow").one().uid == step_run.uid
        details = pipeline_run.details
        assert details["url"].endswith(f"/runs/flow-run/{pipeline_run.external_id}")
        assert step_run.details["url"].endswith(f"/runs/task-run/{step_run.external_id}")
        assert details["flow_version"] == "1.2"
        rebuild(instance.db)


def test_prefect_id_leads_to_all_attempts_latest_first(
    instance: Instance, recorded: RecordedEvents
) -> None:
    calls = 0

    @ours.task(retries=2)
    def flaky() -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ValueError("not yet")

    @ours.flow
    def pipeline() -> None:
        flaky()

    pipeline()
    _deliver()
    first = ln.Run.get(transform__key__endswith=":flaky", attempt=1)
    listed = typed("runs", "--id", first.external_id.upper(), "--json").json
    assert [run["attempt"] for run in listed] == [3, 2, 1]
    assert [run["status"] for run in listed] == ["completed", "failed", "failed"]
    last = ln.Run.get(transform__key__endswith=":flaky", attempt=3)
    assert instance.lineage.find(first.external_id).uid == last.uid
    assert typed("get", "run", first.external_id, "--json").json["uid"] == last.uid


KILLED = """
import time
from lamin_prefect import flow, task

@task
def slow() -> None:
    time.sleep(100)

@flow
def pipeline() -> None:
    slow()

if __name__ == "__main__":
    pipeline()
"""


@pytest.fixture
def killed(
    instance: Instance, prefect_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> UUID:
    """Prefect's id of a flow run whose process was killed, on another machine."""
    for name, value in prefect_environment.items():
        monkeypatch.setenv(name, value)
    folder = instance.folder.parent
    monkeypatch.chdir(folder)
    (folder / "flow.py").write_text(KILLED)
    with subprocess.Popen([sys.executable, "flow.py"], cwd=folder, env=os.environ) as process:
        deadline = time.monotonic() + 120
        while ln.Run.filter(status="running").count() < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.kill()
    with instance.db.writing() as session:
        session.execute(update(ln.Run).values(host="a-worker-of-elsewhere"))
    return UUID(ln.Run.get(transform__key__endswith=":pipeline").external_id)


def test_reconcile_ends_runs_of_other_machines(killed: UUID, prefect_here: None) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed

    def status() -> dict[str, str]:
        return {run.transform.key.rpartition(":")[2]: str(run.status) for run in ln.Run.all()}

    def unchanged(*options: str) -> None:
        assert typed("runs", "reconcile", *options).stdout == "no run has ended without a message\n"

    typed("runs")
    assert status() == {"pipeline": "running", "slow": "running"}
    unchanged()  # Prefect believes so, too
    unchanged("--stale-after", "1h")
    assert status() == {"pipeline": "running", "slow": "running"}
    assert typed("runs", "reconcile", "--stale-after", "0s").stdout.count("lost") == 2
    assert status() == {"pipeline": "lost", "slow": "lost"}
    unchanged()
    with get_client(
        sync_client=True
    ) as client:  # as a worker does, or the server, without heartbeats
        client.set_flow_run_state(killed, Crashed(message="no heartbeat"), force=True)
    lines = typed("runs", "reconcile").stdout.splitlines()
    assert len(lines) == 2
    assert "aborted" in lines[1]
    assert "no heartbeat" in lines[1]
    assert status() == {"pipeline": "aborted", "slow": "lost"}
    unchanged()
