"""An instance with nothing in it, and events to tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lamin_core.db.database import Database
from lamin_core.instance.instance import Instance
from lamin_core.runtime import current
from openlineage.lamin.emit.events import Job, Run, complete

T = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment of the story that the tests tell."""
    return T + timedelta(seconds=seconds)


def run_of(number: int, name: str, parent: Run | None = None, **more: object) -> Run:
    """A run of the job with this name."""
    above = None if parent is None else parent.reference
    job = Job("test", name, "rule", source=f"code of {name}", language="python")
    run_id = f"00000000-0000-7000-8000-{number:012d}"
    return Run(run_id, job, "test", "1.0", parent=above, root=above, **more)  # type: ignore[arg-type]


def padded_event(number: int, padding: str = "") -> bytes:
    """The body of a request with the end of a run, made larger by this text."""
    event = complete(run_of(number, f"job{number}"), at(number))
    event["run"]["facets"]["padding"] = {
        "_producer": "urn:x",
        "_schemaURL": "urn:x",
        "text": padding,
    }
    return json.dumps(event).encode()


@pytest.fixture
def instance(in_tmp_path: Path, database_url: str) -> Iterator[Instance]:
    """A fresh instance in the test's folder."""
    new_instance = Instance.create(in_tmp_path, "./data", database_url)
    yield new_instance
    new_instance.db.dispose()


@pytest.fixture
def connected(instance: Instance) -> Iterator[Instance]:
    """The same, and Python works on it."""
    current.set_current_instance(instance)
    yield instance
    current.set_current_instance(None)


@pytest.fixture
def on_sqlite(in_tmp_path: Path) -> Iterator[Database]:
    """The database of an instance on SQLite."""
    instance = Instance.create(in_tmp_path, "./data")
    yield instance.db
    instance.db.dispose()


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Somebody else writes all the time."""
    with database.writing() as session:
        session.connection()
        yield


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A registry that was told the story and hears no more, for all tests that only ask."""
    from tests.support.read_api_events import tell

    folder = tmp_path_factory.mktemp("told")
    postgres = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    name = None if postgres is None else postgres.create()
    new_instance = Instance.create(
        folder, "./data", f"sqlite:///{folder / 'r.db'}" if postgres is None else postgres.url(name)
    )
    yield tell(new_instance)
    new_instance.db.dispose()
    if postgres is not None:
        postgres.drop(name)
