"""The server of the core alone: it serves whatever routes it is handed, without OpenLineage."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from lamin_core.db.database import Database
from lamin_core.server import openapi
from lamin_core.server.app import application
from lamin_core.server.responses import EndlessResponse, JsonResponse, is_endless
from lamin_core.server.serve import configured, listen


async def _page(request: Request) -> Response:
    return JsonResponse({"endless": is_endless(request.scope)})


async def _ticks(request: Request) -> Response:
    async def ticks() -> AsyncIterator[str]:
        while True:
            yield "tick\n"
            await asyncio.sleep(0.05)

    return EndlessResponse(ticks())


ROUTES = [Route("/page", _page), Route("/ticks", _ticks)]


def test_application_without_routes_serves_health_and_metrics(on_sqlite: Database) -> None:
    with TestClient(application(on_sqlite), base_url="http://127.0.0.1") as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert "lamin_requests" in client.get("/metrics").text
        assert client.get("/api/v1/lineage").status_code == 404


def test_injected_routes_require_the_key(on_sqlite: Database) -> None:
    ended = []
    app = application(on_sqlite, ROUTES, api_key="secret", on_shutdown=lambda: ended.append(True))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/page").status_code == 401
        assert client.get("/page", headers={"Authorization": "Bearer secret"}).json() == {
            "endless": False
        }
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz", headers={"Host": "elsewhere"}).status_code == 400
    assert ended == [True]


def test_endless_response_ends_at_server_shutdown(on_sqlite: Database) -> None:
    server = uvicorn.Server(configured(application(on_sqlite, ROUTES)))
    server.config.timeout_graceful_shutdown = (
        None  # without an end of the answer, it would wait for ever
    )
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ticks", timeout=60) as answer:
            assert answer.readline() == b"tick\n"
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


def test_openapi_document_includes_the_routes_of_the_server_itself() -> None:
    document = openapi.document([], {("/page", "get"): {"summary": "A page."}}, {}, "A server.")
    assert list(document["paths"]) == ["/page", "/healthz", "/metrics", openapi.PATH]
    assert list(document["components"]["schemas"]) == ["Error"]


def test_core_server_does_not_import_openlineage() -> None:
    script = (
        "import sys, lamin_core.server.serve, lamin_core.server.openapi\n"
        "assert not [name for name in sys.modules if name.startswith('openlineage')]"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_server_package_uses_no_path_of_another_package() -> None:
    folder = Path(__file__).parents[2] / "lamin_core" / "server"
    names = [path.name for path in folder.glob("*.py") if "stream.PATH" in path.read_text("utf-8")]
    assert names == []
