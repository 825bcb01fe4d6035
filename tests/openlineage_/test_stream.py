"""Listening to runs, over real HTTP: every change, in order, from any process, and again after a break."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, text

from lamin_core.instance.instance import Instance
from lamin_core.models import RunChange
from lamin_core.models.run_change import KEPT
from lamin_core.server import api_keys
from openlineage.lamin.emit.events import complete, fail, start
from openlineage.lamin.http import stream
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.testing.engine_run import served as serving_here
from tests.support.servers import Server

from .conftest import at, run_of


def _address(url: str) -> str:
    """The stream of the server, with the parameters of this URL."""
    query = urlsplit(url).query
    return f"{stream.PATH}?{query}" if query else stream.PATH


class Line:
    """One listener: the events that have come, as (id, data)."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def next(self) -> tuple[str, Any]:
        """The next event; comments and the retry time are passed over."""
        fields: dict[str, str] = {}
        while True:
            line = self._answer.readline().decode()
            assert line, "the server hung up"
            name, _, value = line.rstrip("\n").partition(": ")
            if not name and "data" in fields:
                assert fields["event"] == "run"
                return fields["id"], json.loads(fields["data"])
            fields[name] = value

    def comment(self) -> str:
        """The next comment."""
        while not (line := self._answer.readline().decode()).startswith(":"):
            assert line, "the server hung up"
        return line.strip()


@contextmanager
def listening(url: str, **headers: str) -> Iterator[Line]:
    """A listener that is served from now on."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", _address(url), headers=named)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("content-type")) == (
            200,
            "text/event-stream; charset=utf-8",
        )
        assert answer.readline() == b"retry: 1000\n"
        yield Line(answer)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Instance, str]]:
    """An instance, and the server on it."""
    folder = tmp_path_factory.mktemp("streamed")
    postgres = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    name = None if postgres is None else postgres.create()
    instance = Instance.create(
        folder, "./data", f"sqlite:///{folder / 'r.db'}" if postgres is None else postgres.url(name)
    )
    with Server(folder) as server:
        yield instance, server.url
    instance.db.dispose()
    if postgres is not None:
        postgres.drop(name)


def test_changes_are_streamed_whichever_process_commits_them(served: tuple[Instance, str]) -> None:
    instance, url = served
    run = run_of(1, "heard")
    with listening(url) as line:
        ingest(instance.db, [parse(start(run, at(1)))])  # this process, not the server's
        begun, change = line.next()
        assert (change["id"], change["external_id"], change["status"], change["state"]) == (
            run.id,
            run.id,
            "running",
            "RUNNING",
        )
        assert change["job"] == {"namespace": "test", "name": "heard"}
        ingest(instance.db, [parse(complete(run, at(2)))])
        ended, change = line.next()
        assert (change["status"], change["durationMs"]) == ("completed", 1000)
        assert int(ended) > int(begun)


def test_reconnected_listener_misses_no_change(served: tuple[Instance, str]) -> None:
    instance, url = served
    with listening(url) as line:
        ingest(instance.db, [parse(start(run_of(20, "before"), at(1)))])
        last, _ = line.next()
    runs = [run_of(number, "meanwhile") for number in range(21, 31)]
    ingest(instance.db, [parse(fail(run, at(2), "no")) for run in runs])
    with listening(url, Last_Event_ID=last) as line:
        assert [line.next()[1]["id"] for _ in runs] == [run.id for run in runs]
    with listening(url, Last_Event_ID=str(int(last) + len(runs))) as line:
        ingest(instance.db, [parse(start(run_of(19, "now"), at(3)))])
        assert line.next()[1]["job"]["name"] == "now"


def test_listener_with_an_interval_gets_only_the_newest_change(
    served: tuple[Instance, str],
) -> None:
    instance, url = served
    runs = [run_of(number, "many") for number in range(50, 55)]
    with listening(f"{url}?every=1") as line, listening(url) as whole:
        ingest(instance.db, [parse(start(run, at(1))) for run in runs])
        last, change = line.next()
        heard = [whole.next() for _ in runs]
        assert [data["id"] for _, data in heard] == [run.id for run in runs]
        assert (last, change["id"]) == (heard[-1][0], runs[-1].id)
        ingest(instance.db, [parse(complete(runs[0], at(2)))])
        assert line.next()[1]["status"] == "completed"
    # One who was away is told once, and of what is newest.
    with listening(f"{url}?every=1", Last_Event_ID="0") as line:
        assert int(line.next()[0]) > int(last)
    assert _status(f"{url}?every=61") == _status(f"{url}?every=x") == 400


def test_listener_far_behind_misses_no_change(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "RECENT", 2)
    monkeypatch.setattr(stream, "PAGE", 3)
    instance = Instance.create(in_tmp_path, "./data")
    runs = [run_of(number, "many") for number in range(60, 70)]
    with serving_here(in_tmp_path) as url, listening(url) as present:
        ingest(instance.db, [parse(start(run, at(1))) for run in runs])
        assert [present.next()[1]["id"] for _ in runs] == [run.id for run in runs]
        with listening(url, Last_Event_ID="0") as late:
            assert [late.next()[1]["id"] for _ in runs] == [run.id for run in runs]
    instance.db.dispose()


def test_only_the_newest_changes_are_stored(instance: Instance) -> None:
    def stored_ids() -> list[int]:
        with instance.db.reading() as session:
            return list(session.scalars(select(RunChange.id).order_by(RunChange.id)))

    ingest(instance.db, [parse(start(run_of(number, "early"), at(number))) for number in (1, 2, 3)])
    early = stored_ids()
    with instance.db.writing() as session:
        late = KEPT + early[1] - 1  # the next one is as far behind as the second may be
        if instance.db.url.startswith("sqlite"):
            session.execute(
                text("UPDATE sqlite_sequence SET seq = :late WHERE name = 'run_change'"),
                {"late": late},
            )
        else:
            session.execute(text("SELECT setval('run_change_id_seq', :late)"), {"late": late})
    ingest(instance.db, [parse(start(run_of(4, "late"), at(4)))])
    assert stored_ids() == [early[2], late + 1]


def test_listeners_are_limited_and_removed_when_they_disconnect(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_LISTENERS", 2)
    monkeypatch.setattr(stream, "HEARTBEAT", 0.1)
    Instance.create(in_tmp_path, "./data").db.dispose()
    with serving_here(in_tmp_path) as url:
        with listening(url), listening(url) as line:
            assert _status(url) == 503
            assert line.comment() == ": still here"
        until = time.monotonic() + 20
        while _status(url) != 200:
            assert time.monotonic() < until, "those who are gone still count"
            time.sleep(0.1)


def _status(url: str) -> int:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        connection.request("GET", _address(url))
        return connection.getresponse().status


def test_server_with_a_listener_stops_at_once(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    with ExitStack() as stack:
        server = stack.enter_context(Server(in_tmp_path))
        with listening(server.url):
            begun = time.monotonic()
            stack.close()
            assert time.monotonic() - begun < 5


def test_stream_ends_when_its_key_is_revoked(instance: Instance, in_tmp_path: Path) -> None:
    bearer = {name: f"Bearer {api_keys.create(instance.db, name)}" for name in ("one", "other")}
    with ExitStack() as stack:
        server = stack.enter_context(Server(in_tmp_path))
        line = stack.enter_context(listening(server.url, Authorization=bearer["one"]))
        other = stack.enter_context(listening(server.url, Authorization=bearer["other"]))
        ingest(instance.db, [parse(start(run_of(40, "before"), at(1)))])
        assert line.next()[1]["job"]["name"] == other.next()[1]["job"]["name"] == "before"
        api_keys.revoke(instance.db, "one")
        with pytest.raises(AssertionError, match="the server hung up"):
            line.next()  # a heartbeat would come much later
        ingest(instance.db, [parse(start(run_of(41, "after"), at(2)))])
        assert other.next()[1]["job"]["name"] == "after"


def test_stream_without_a_key_ends_when_the_first_key_is_created(
    instance: Instance, in_tmp_path: Path
) -> None:
    with Server(in_tmp_path) as server, listening(server.url) as line:
        api_keys.create(instance.db, "somebody")
        with pytest.raises(AssertionError, match="the server hung up"):
            line.next()
