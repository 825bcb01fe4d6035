"""All pages of a server, its style and script, and the login where a key is asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from lamin_core.db.database import Database
from lamin_core.lineage.graph import walk
from lamin_core.lineage.summary import neighbourhood
from lamin_core.runtime.registry_modules import load_modules
from lamin_core.server.api_keys import Keyring
from lamin_core.server.middleware import COOKIE
from lamin_core.server.web import (
    edit,
    home,
    lineage_page,
    lists,
    records,
    registries,
    run_page,
    terms,
)
from lamin_core.server.web.markup import highlighted
from lamin_core.server.web.page import SECURITY_HEADERS, Page, Site, form_fields, see_other
from lamin_core.server.web.templates import asset_content, environment, render

PAGES: tuple[Page, ...] = (
    *home.PAGES,
    *lists.PAGES,
    *lineage_page.PAGES,
    *records.PAGES,
    *run_page.PAGES,
    *registries.PAGES,
    *terms.PAGES,
)
_ASSETS = {
    "style.css": "text/css",
    "lineage.css": "text/css",
    "script.js": "text/javascript",
    "lineage.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_MAX_FORM = 4096
logger = logging.getLogger("lamin")


def page_routes(
    database: Database, *, stream: str | None = None, is_writable: bool = False
) -> list[BaseRoute]:
    """The routes of the pages over this registry.

    Args:
        database: the registry.
        stream: where changes of runs can be listened to.
        is_writable: whether those may edit records who need no key.
    """
    load_modules()  # pages are read by several threads, and their tables are to be mapped by one
    site = Site(database, stream, is_writable)
    routes = [route for page in PAGES for route in site.routes(page)]
    image = Route("/artifact/{uid}/image", records.image_endpoint(site), methods=["GET"])
    compare = Route("/compare", _compare, methods=["GET"])
    return [image, compare, *edit.routes(site), *routes]


@asynccontextmanager
async def warming(database: Database, *, has_pages: bool) -> AsyncIterator[None]:
    """Meanwhile prepare, in a thread, what the first visit of a page would otherwise wait for."""
    task = asyncio.create_task(asyncio.to_thread(warm, database)) if has_pages else None
    try:
        yield
    finally:
        if task is not None:
            await task


def warm(database: Database) -> None:
    """Compile the templates and the statements of lineage, and load the lexers: 0.3 s of CPU in all.

    A database that is away is not its concern.
    """
    try:
        with database.reading() as session:
            walk(session, artifacts=[0], up=1, down=1)
            neighbourhood(session, 0, None, failed=True)
    except Exception as error:  # the first visitor gets the error
        logger.debug("the lineage could not be prepared: %s", error)
    highlighted("", "rule")
    for name in environment().list_templates(extensions=["html"]):
        environment().get_template(name)


def _compare(request: Request) -> Response:
    """The target of the form on the page of a run: the URL of the difference between two runs."""
    uids = [
        quote(request.query_params.get(name, "").strip(), safe="") for name in ("first", "second")
    ]
    return see_other(f"/diff/{uids[0]}/{uids[1]}" if all(uids) else "/runs")


def open_routes(keyring: Keyring) -> list[BaseRoute]:
    """Paths without a key: style and script, which have no data of the registry, and the form for a key."""

    async def show_form(request: Request) -> Response:
        return _form(request.query_params.get("next", "/"), is_refused=False)

    async def log_in(request: Request) -> Response:
        form = await form_fields(request, _MAX_FORM)
        if form is None:
            return _form("/", is_refused=True)
        key = form.get("key", "").strip()
        if not key or not await keyring.admits(f"Bearer {key}"):
            return _form(form.get("next", "/"), is_refused=True)
        answer = see_other(local_path(form.get("next", "/")))
        is_secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=is_secure)
        return answer

    return [
        Route("/login", show_form, methods=["GET"]),
        Route("/login", log_in, methods=["POST"]),
        Route("/static/{name}", _asset, methods=["GET"]),
    ]


def _form(target: str, *, is_refused: bool) -> Response:
    shown = {
        "next": local_path(target),
        "is_refused": is_refused,
        "query": {},
        "page_path": "/login",
    }
    status = 401 if is_refused else 200
    return HTMLResponse(render("login.html", shown), status_code=status, headers=SECURITY_HEADERS)


def local_path(target: str) -> str:
    r"""The target if it is a path of this server, else the front page.

    >>> local_path("/runs?status=failed"), local_path("//evil.example"), local_path("/\\evil.example")
    ('/runs?status=failed', '/', '/')
    """
    is_local = target.startswith("/") and target.isprintable() and "\\" not in target
    parts = urlsplit(target) if is_local and not target.startswith("//") else None
    return target if parts is not None and not parts.netloc and not parts.scheme else "/"


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        return Response("no such file", 404, headers=SECURITY_HEADERS)
    content = asset_content(name)
    # Its URL changes with its content, so a browser may keep it.
    headers = {**SECURITY_HEADERS, "Cache-Control": "max-age=31536000, immutable"}
    return Response(content, media_type=_ASSETS[name], headers=headers)
