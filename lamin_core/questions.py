"""Questions about lineage, and the end of runs that Python tracks."""

from __future__ import annotations

import difflib
import os
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from lamin_core.db import Database
from lamin_core.errors import MultipleFound, NotFound
from lamin_core.lineage.graph import Graph, walk, whole
from lamin_core.lineage.tree import tree
from lamin_core.models import Artifact, Run
from lamin_core.saving import runs
from lamin_core.types import RunStatus


class Questions:
    """What one instance can be asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def around(self, record: Artifact | Run, *, up: int | None = None, down: int | None = None) -> Graph:
        """The graph around an artifact or a run; `up` and `down` count steps, None is all the way."""
        with self._database.reading() as session:
            if isinstance(record, Artifact):
                return walk(session, artifacts=[record.id], up=up, down=down)
            return walk(session, runs=[record.id], up=up, down=down)

    def everything(self) -> Graph:
        """The whole graph."""
        with self._database.reading() as session:
            return whole(session)

    def view(self, record: Artifact | Run, *, return_graph: bool = False) -> Graph | None:
        """Print what made it, or return the graph of what made it and what hangs on it."""
        graph = self.around(record)
        if return_graph:
            return graph
        print(tree(graph, (type(record).__name__.lower(), record.id)))  # noqa: T201 - this is what it is for
        return None

    def find(self, name: str) -> Artifact | Run:
        """The artifact or run with this uid (or its first characters), or the artifact with this key or path.

        Of several versions the latest. Raises `NotFound`, and `MultipleFound` when several keys answer.
        """
        with self._database.reading() as session:
            found = _by_uid(session, name) or _by_key(session, name)
            if found is None:
                raise NotFound(f"no artifact or run is called {name!r}", hint=_hint(session, name))
        return found

    def describe(self, artifact: Artifact) -> None:
        """Print what is known about an artifact."""
        print(description(artifact))  # noqa: T201 - this is what it is for

    def start(self, run: Run) -> Run:
        """A scheduled run begins now."""
        return runs.start(self._database, run)

    def end(self, run: Run, status: RunStatus, error: BaseException | str | None) -> Run:
        """Close a run that Python tracks; one that has ended already stays as it ended."""
        return runs.end(self._database, run, status, error)

    def find_lost(self) -> int:
        """Mark runs of this machine whose process is gone as lost; how many there were."""
        return runs.find_lost(self._database)


def description(artifact: Artifact) -> str:
    """What is known about an artifact, a line each."""
    run = artifact.run
    rows: list[tuple[str, Any]] = [
        ("uid", artifact.uid),
        ("description", artifact.description),
        ("path", artifact.path),
        ("size", None if artifact.size is None else f"{artifact.size} bytes"),
        ("hash", None if artifact.hash is None else f"{artifact.hash_type}:{artifact.hash}"),
        ("files", artifact.n_files),
        ("kind", artifact.kind),
        ("observations", artifact.n_observations),
        ("made by", None if run is None else _maker(run)),
        *artifact.features.described(),
        ("created at", artifact.created_at.isoformat(timespec="seconds")),
    ]
    title = f"Artifact: {artifact.key or artifact.description or artifact.uid} (version {artifact.version})"
    return "\n".join([title, *(f"  {name + ':':<14}{value}" for name, value in rows if value is not None)])


def _maker(run: Run) -> str:
    code = "" if run.transform is None else f" of {run.transform.key}"
    return f"run {run.uid}{code} ({run.engine})"


def _by_uid(session: Session, name: str) -> Artifact | Run | None:
    if not (8 <= len(name) <= 20 and name.isascii() and name.isalnum()):
        return None
    last = name[:-1] + chr(ord(name[-1]) + 1)
    artifacts = list(session.scalars(select(Artifact).where(Artifact.uid >= name, Artifact.uid < last)))
    if len(name) <= 16:
        artifacts = [one for one in artifacts if one.is_latest]
    runs = list(session.scalars(select(Run).where(Run.uid >= name, Run.uid < last)))
    found: Artifact | Run | None = _only([*artifacts, *runs], name)
    return found


def _by_key(session: Session, name: str) -> Artifact | None:
    key = name.removeprefix("./")
    wanted = or_(Artifact.key == key, Artifact.key == os.path.abspath(name).lstrip("/"))
    found = list(session.scalars(select(Artifact).where(wanted, Artifact.is_latest)))
    if not found:
        found = [one for one in _ending_in(session, key) if os.path.abspath(name).endswith("/" + (one.key or ""))]
    only: Artifact | None = _only(found, name)
    return only


def _ending_in(session: Session, key: str) -> list[Artifact]:
    """Artifacts whose key ends in the last part of this path, for paths given from another folder."""
    tail = key.rstrip("/").rsplit("/", 1)[-1]
    ends = func.substr(Artifact.key, func.length(Artifact.key) - len(tail) + 1) == tail
    return list(session.scalars(select(Artifact).where(ends, Artifact.is_latest)))


def _only(found: list[Any], name: str) -> Any:
    if len(found) > 1:
        listed = ", ".join(f"{one.uid} ({getattr(one, 'key', None) or one.name})" for one in found[:5])
        raise MultipleFound(f"{name!r} names {len(found)} records: {listed}", hint="name one by its uid")
    return found[0] if found else None


def _hint(session: Session, name: str) -> str:
    keys = [key for key in session.scalars(select(Artifact.key).distinct().limit(5000)) if key]
    ends = {key.rsplit("/", 1)[-1]: key for key in keys}
    near = difflib.get_close_matches(name, keys, n=3) or [
        ends[end] for end in difflib.get_close_matches(name.rsplit("/", 1)[-1], list(ends), n=3)
    ]
    return f"nearest: {', '.join(near)}" if near else "`lamin artifacts` lists what is there"
