"""Asking Prefect's API about runs without a recorded end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterId,
)
from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL

from lamin_core.errors import Unavailable
from openlineage.lamin.adapter.open_runs import OpenRun, RunEnd

_AT_ONCE = 200
"""Runs that Prefect's API gives in one answer."""


def ends_of(runs: Sequence[OpenRun]) -> list[RunEnd]:
    """Ask Prefect's API how these runs ended; what it takes to be under way is not in the answer.

    Raises `Unavailable` where no API is set, and where it does not answer.
    """
    if not PREFECT_API_URL.value():
        raise Unavailable("no API of Prefect is set", hint="export PREFECT_API_URL=...")
    try:
        with get_client(sync_client=True) as client:
            rows = _read(client, runs)
    except (httpx.HTTPError, PrefectException) as error:
        reason = str(error).partition("\n")[0]
        raise Unavailable(
            f"the API at {PREFECT_API_URL.value()} does not answer: {reason}",
            hint="is PREFECT_API_URL right?",
        ) from error
    ends = (_end_of(run, rows[own]) for run in runs if (own := _own_id(run)) in rows)
    return [end for end in ends if end is not None]


def _own_id(run: OpenRun) -> UUID | None:
    """Prefect's id of the run, whichever attempt it is."""
    text = run.details.get("task_run_id") or run.details.get("flow_run_id")
    try:
        return UUID(text)
    except (TypeError, ValueError):
        return None


def _read(client: SyncPrefectClient, runs: Sequence[OpenRun]) -> dict[UUID | None, Any]:
    tasks = {_own_id(run) for run in runs if "task_run_id" in run.details}
    flows = {_own_id(run) for run in runs} - tasks
    rows: dict[UUID | None, Any] = {}
    for ids in _batches(tasks):
        task_filter = TaskRunFilter(id=TaskRunFilterId(any_=ids))
        task_runs = client.read_task_runs(
            task_run_filter=task_filter, sort=TaskRunSort.ID_DESC, limit=_AT_ONCE
        )
        rows |= {row.id: row for row in task_runs}
    for ids in _batches(flows):
        flow_filter = FlowRunFilter(id=FlowRunFilterId(any_=ids))
        flow_runs = client.read_flow_runs(
            flow_run_filter=flow_filter, sort=FlowRunSort.ID_DESC, limit=_AT_ONCE
        )
        rows |= {row.id: row for row in flow_runs}
    return rows


def _batches(ids: set[UUID | None]) -> Iterator[list[UUID]]:
    ordered = sorted(own for own in ids if own is not None)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


def _end_of(run: OpenRun, row: Any) -> RunEnd | None:
    """The ending of the attempt from what Prefect reports of the run now; None while it runs."""
    state = row.state
    if row.run_count > run.attempt:
        message = f"attempt {run.attempt} was followed by another"
        return RunEnd(run.reference, "FAIL", datetime.now(UTC), message)
    if state is None or not state.is_final():
        return None
    how = _HOW[state.type.value]
    why = None if how == "COMPLETE" else state.message or f"Prefect says: {state.name}"
    return RunEnd(run.reference, how, state.timestamp, why)


_HOW: Mapping[str, Literal["COMPLETE", "FAIL", "ABORT"]] = {
    "COMPLETED": "COMPLETE",
    "FAILED": "FAIL",
    "CRASHED": "ABORT",
    "CANCELLED": "ABORT",
}
