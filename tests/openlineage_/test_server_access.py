"""Access to the server: none without a key, none by a foreign host name, none for pages of other sites."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from starlette.routing import BaseRoute, Mount, Route

from lamin_core.errors import Conflict, InvalidArgument, NotFound
from lamin_core.instance.instance import Instance
from lamin_core.server import api_keys
from lamin_core.server.api_keys import Keyring
from lamin_core.server.app import open_routes
from lamin_core.server.web import site
from openlineage.lamin.http.app import application
from tests.support.servers import EVENT, Server, ask

OPEN = {"/healthz"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gated")
    Instance.create(path, "./data").db.dispose()
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A running server with a key."""
    with Server(folder, LAMIN_API_KEY="s3cret") as running:
        yield running


def _routes(routes: Iterable[BaseRoute], above: str = "") -> Iterator[tuple[str, str]]:
    """Every method and path of the application; parameters are filled with something."""
    for route in routes:
        if isinstance(route, Mount):
            yield from _routes(route.routes, above + route.path)
        else:
            assert isinstance(route, Route), f"{route!r} is of a kind that this test does not know"
            for method in route.methods or {"GET"}:
                yield method, above + re.sub(r"\{[^}]*\}", "1", route.path)


def test_every_route_except_the_open_ones_requires_a_key(server: Server, folder: Path) -> None:
    instance = Instance.open(folder / ".lamin")
    walked = set(_routes(application(instance.db).routes))
    login = {path for _, path in _routes(site.open_routes(Keyring(instance.db)))}
    instance.db.dispose()
    assert login == {
        "/login",
        "/static/1",
    }  # where one gets in, and what says nothing of the registry
    assert {path for _, path in _routes(open_routes())} == OPEN
    assert {("POST", EVENT), ("GET", "/metrics")} <= walked
    wrong = {"Authorization": "Bearer wrong"}
    answers = {
        (method, path, bool(headers)): ask(
            server.port, method, path, b"{}" if method == "POST" else None, headers
        )[0]
        for method, path in walked
        if path not in OPEN | login
        for headers in ({}, wrong)
    }
    assert set(answers.values()) == {401}, answers


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/healthz/",
        "//healthz",
        "/healthz/../metrics",
        "/metrics/healthz",
        "/metrics;/healthz",
        "/metrics?/healthz",
        "/metrics%2f..%2fhealthz",
        "/api/v1/lineage/healthz",
        "/METRICS",
    ],
)
def test_no_spelling_of_a_path_bypasses_authentication(server: Server, path: str) -> None:
    assert ask(server.port, "GET", path, None, {})[0] == 401


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer s3cret", 201),
        ("bearer s3cret", 201),
        ("s3cret", 401),
        ("Bearer s3cre", 401),
        ("Bearer s3cretx", 401),
        ("Bearer S3CRET", 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        ("Bearer    ", 401),
        ("bearer\t", 401),
        ("Basic s3cret", 401),
        ("Bearer \xff", 401),
    ],
)
def test_only_the_correct_key_is_accepted(server: Server, authorization: str, status: int) -> None:
    assert server.post(b"{}", Authorization=authorization)[0] == status


def test_server_refuses_other_hosts_and_origins(server: Server) -> None:
    def to(host: str, origin: str | None = None) -> int:
        headers = {"Host": host, "Authorization": "Bearer s3cret"} | (
            {} if origin is None else {"Origin": origin}
        )
        return server.post(b"{}", **headers)[0]

    here = f"127.0.0.1:{server.port}"
    for host in (here, f"localhost:{server.port}", f"[::1]:{server.port}", "LOCALHOST"):
        assert to(host) == 201, host
    for host in (
        "evil.example",
        f"evil.example:{server.port}",
        "127.0.0.1.evil.example",
        "localhost.",
        "",
        "[::2]",
        "[::1",
    ):
        assert to(host) == 400, host
    assert to(here, f"http://{here}") == 201
    for origin in (
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        f"http://localhost:{server.port}",
        "http://",
    ):
        assert to(here, origin) == 403, origin


def _lamin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lamin_core", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_api_key_is_created_used_and_revoked_by_the_cli(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    with Server(in_tmp_path) as server:
        assert server.post(b"{}")[0] == 201
        key = json.loads(_lamin(in_tmp_path, "keys", "create", "airflow", "--json").stdout)["key"]
        other = _lamin(in_tmp_path, "keys", "create", "dbt").stdout.strip()
        time.sleep(1)
        assert server.post(b"{}")[0] == 401
        assert server.post(b"{}", Authorization=f"Bearer {key}")[0] == 201
        assert _lamin(in_tmp_path, "keys", "revoke", "airflow").returncode == 0
        time.sleep(1)
        assert server.post(b"{}", Authorization=f"Bearer {key}")[0] == 401
        assert server.post(b"{}", Authorization=f"Bearer {other}")[0] == 201
        assert _lamin(in_tmp_path, "keys", "revoke", "dbt").returncode == 0
        time.sleep(1)
        # No key is left, and that lets nobody in.
        assert {
            server.post(b"{}", Authorization=f"Bearer {token}")[0] for token in (key, other, "")
        } == {401}
    shown = json.loads(_lamin(in_tmp_path, "keys", "list", "--json").stdout)
    assert [(row["name"], row["revoked_at"] is None) for row in shown] == [
        ("airflow", False),
        ("dbt", False),
    ]


def test_only_the_hash_of_an_api_key_is_stored(instance: Instance, in_tmp_path: Path) -> None:
    key = api_keys.create(instance.db, "somebody")
    (stored,) = api_keys.listed(instance.db)
    assert key.startswith("lamin_")
    assert len(key) > 40
    assert key not in str(vars(stored))
    assert all(
        key.encode() not in file.read_bytes() for file in in_tmp_path.rglob("*") if file.is_file()
    )
    with pytest.raises(Conflict):
        api_keys.create(instance.db, "somebody")
    with pytest.raises(NotFound):
        api_keys.revoke(instance.db, "nobody")


def test_serving_on_a_public_address_requires_a_key(in_tmp_path: Path) -> None:
    instance = Instance.create(in_tmp_path, "./data")
    refused = _lamin(in_tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "lamin keys create" in refused.stderr
    assert "LAMIN_API_KEY" in refused.stderr
    key = api_keys.create(instance.db, "somebody")
    with Server(in_tmp_path, "--host", "0.0.0.0") as server:
        assert server.post(b"{}")[0] == 401
        assert server.post(b"{}", Host="any.name", Authorization=f"Bearer {key}")[0] == 201
    api_keys.revoke(instance.db, "somebody")
    instance.db.dispose()
    assert _lamin(in_tmp_path, "serve", "--host", "0.0.0.0", "--port", "0").returncode == 2


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_blank_api_key_is_treated_as_unset(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    monkeypatch.setenv("LAMIN_API_KEY", blank)
    refused = _lamin(in_tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "others could write through '0.0.0.0'" in refused.stderr
    with Server(in_tmp_path) as server:  # this machine alone reaches it: nobody needs a key
        assert server.post(b"{}")[0] == 201
        assert server.post(b"{}", Authorization="Bearer any")[0] == 201
        assert server.post(b"{}", Authorization="Bearer")[0] == 401
        assert server.post(b"{}", Authorization="Bearer ")[0] == 401


def test_whitespace_around_the_api_key_is_ignored(in_tmp_path: Path) -> None:
    Instance.create(in_tmp_path, "./data").db.dispose()
    with Server(in_tmp_path, LAMIN_API_KEY=" s3cret\n") as server:
        assert server.post(b"{}", Authorization="Bearer s3cret")[0] == 201
        assert server.post(b"{}", Authorization="Bearer")[0] == 401


def test_name_of_an_api_key_must_not_be_blank(instance: Instance) -> None:
    for name in ("", "  ", "\n"):
        with pytest.raises(InvalidArgument, match="name of a key is blank"):
            api_keys.create(instance.db, name)
        with pytest.raises(InvalidArgument, match="name of a key is blank"):
            api_keys.revoke(instance.db, name)
    assert api_keys.listed(instance.db) == []
