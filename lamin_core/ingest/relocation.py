"""Folders that were moved: events that were recorded before name them by their old paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_rows, update_rows
from lamin_core.ingest.facts import Annotation, DatasetFacts, JobFacts, RunFacts
from lamin_core.models import DatasetAlias, Relocation, now
from lamin_core.models.tables import table_of

_ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)
"""Both of two paths to the same folder (by a link or a second mount) stay valid names."""


@dataclass(frozen=True, slots=True)
class Move:
    """Files that were below `old` until now are below `new`."""

    old: str
    new: str
    until: datetime


def moves_of(session: Session) -> list[Move]:
    """All of them, in the order in which they happened."""
    columns = select(Relocation.old, Relocation.new, Relocation.until)
    return [Move(*row) for row in session.execute(columns.order_by(Relocation.until))]


def moved_path(path: str, old: str, new: str) -> str:
    """This path after `old` was moved to `new`.

    >>> moved_path("/lab/raw/a.csv", "/lab", "/archive/lab"), moved_path("/labor/a.csv", "/lab", "/archive/lab")
    ('/archive/lab/raw/a.csv', '/labor/a.csv')
    """
    old, new = old.rstrip("/"), new.rstrip("/")
    return f"{new}{path[len(old) :]}" if f"{path}/".startswith(f"{old}/") else path


def present_path(path: str, at: datetime, moves: Sequence[Move]) -> str:
    """The current path of a path that was observed at this time."""
    for move in moves:
        if at <= move.until:
            path = moved_path(path, move.old, move.new)
    return path


def present_name(path: str, moves: Sequence[Move]) -> str:
    """The current path of a path from before all moves: of a storage, or of a second name."""
    for move in moves:
        path = moved_path(path, move.old, move.new)
    return path


def present_run(facts: RunFacts, moves: Sequence[Move]) -> RunFacts:
    """The same facts, with the paths that its files have now."""
    datasets = tuple(_present_dataset(dataset, moves) for dataset in facts.datasets)
    return replace(facts, datasets=datasets)


def present_annotation(annotation: Annotation, moves: Sequence[Move]) -> Annotation:
    """The same for facts without a run."""
    return replace(annotation, dataset=_present_dataset(annotation.dataset, moves))


def present_job(job: JobFacts, moves: Sequence[Move]) -> JobFacts:
    """The same for what a job is declared to read and write."""
    datasets = tuple(
        (direction, present_path(path, job.at, moves)) for direction, path in job.datasets
    )
    return replace(job, datasets=datasets)


def _present_dataset(dataset: DatasetFacts, moves: Sequence[Move]) -> DatasetFacts:
    return replace(dataset, path=present_path(dataset.path, dataset.at, moves))


def remember_move(session: Session, old: str, new: str) -> None:
    """Record later facts of the old folder as facts of the new one."""
    for former in (old, new):
        session.execute(delete(Relocation).where(Relocation.old == former))
    until = _ALWAYS if _is_same_folder(old, new) else now()
    insert_rows(session, Relocation, [{"old": old, "new": new, "until": until}])
    _move_names(session, old, new)


def _move_names(session: Session, old: str, new: str) -> None:
    """Second names of datasets are whole paths."""
    table = table_of(DatasetAlias)
    changed = []
    for identity, *names in session.execute(select(table.c.id, table.c.path, table.c.canonical)):
        path, canonical = (moved_path(name, old, new) for name in names)
        if [path, canonical] != names:
            changed.append({"id": identity, "path": path, "canonical": canonical})
    update_rows(session, DatasetAlias, changed)


def _is_same_folder(path: str, other: str) -> bool:
    """Whether both are there, and one and the same."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False
