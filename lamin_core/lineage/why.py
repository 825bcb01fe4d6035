"""Why a run was executed: what its engine says, and what differs from the previous run of the same work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from lamin_core.lineage.diff import RunDiff, changed_parts, diff, file_lines
from lamin_core.lineage.snapshot import snapshots
from lamin_core.models import Run, Transform
from lamin_core.runtime.printable import printable

_WITHOUT_ENVIRONMENT = "environment: not known of both, so not compared"


@dataclass(frozen=True, slots=True)
class Why:
    """Why a run was executed. `print` it to read it, `view()` for JSON.

    `reasons` are those of the engine: Snakemake says which outputs were missing or which inputs,
    code or params have changed. `differences` compare it with the previous run of the same work,
    `previous` and `previous_status`; all three are None for the first run.
    """

    run: str
    name: str | None
    transform: str
    engine: str
    reasons: tuple[str, ...]
    previous: str | None
    previous_status: str | None
    differences: RunDiff | None

    def view(self) -> dict[str, Any]:
        """The JSON that `lamin why --json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """The text for people: `+` only in this run, `-` only in the previous one, `~` different, `>` moved."""
        return "\n".join(_lines(self))

    __repr__ = __str__


def why(session: Session, run: Run) -> Why:
    """Explain this run, in at most nine statements."""
    previous = _previous(session, run)
    identities = [run.id] if previous is None else [previous.id, run.id]
    compared = snapshots(session, *identities)
    return Why(
        run.uid,
        run.name,
        compared[-1].transform,
        run.engine,
        tuple(_reasons(session, run)),
        None if previous is None else previous.uid,
        None if previous is None else previous.status,
        None if previous is None else diff(*compared),
    )


def _reasons(session: Session, run: Run) -> Iterator[str]:
    reason = (run.details or {}).get("reason")
    if isinstance(reason, str):
        yield from (part.strip() for part in reason.split("; ") if part.strip())
    if run.attempt > 1:
        yield f"attempt {run.attempt - 1} did not succeed"
    if run.cached:
        yield "it was not executed: the results of an earlier run were taken"


def _previous(session: Session, run: Run) -> Run | None:
    """The newest earlier run of any version of the transform: of the same name, else of another parent."""
    series = select(Transform.series_id).where(Transform.id == run.transform_id).scalar_subquery()
    versions = select(Transform.id).where(Transform.series_id == series)
    earlier = (
        select(Run)
        .where(Run.transform_id.in_(versions), Run.id != run.id)
        .where(tuple_(Run.created_at, Run.id) < (run.created_at, run.id))
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(1)
    )
    same_name = None if run.name is None else session.scalar(earlier.where(Run.name == run.name))
    if same_name is not None or run.parent_id is None:
        return same_name or session.scalar(earlier)
    return session.scalar(
        earlier.where(or_(Run.parent_id.is_(None), Run.parent_id != run.parent_id))
    )


def _lines(answer: Why) -> Iterator[str]:
    name = "" if answer.name is None else f" {answer.name!r}"
    yield printable(f"run {answer.run}{name} of {answer.transform} · {answer.engine}")
    for reason in answer.reasons:
        yield printable(f"{answer.engine}: {reason}")
    if answer.differences is None:
        yield "it is the first run of this work on record"
        return
    yield printable(f"compared with the previous run {answer.previous} · {answer.previous_status}")
    changed_inputs = [file for file in answer.differences.inputs if file.state != "same"]
    parts = [line for line in changed_parts(answer.differences) if line != _WITHOUT_ENVIRONMENT]
    parts += file_lines("inputs", changed_inputs)
    yield from parts or ["the same code, params and inputs"]
