"""A page: one URL that answers as HTML, as JSON (`.json`), and where it has a table as CSV (`.csv`)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lamin_core.db.database import Database
from lamin_core.errors import HTTP, Conflict, LaminError, NotFound, Unavailable, hint_for
from lamin_core.render.drawing import Drawing
from lamin_core.runtime.printable import printable
from lamin_core.server.endpoint import READERS, Endpoint, Parameter, finite
from lamin_core.server.middleware import has_key
from lamin_core.server.responses import HttpRefusal, failure
from lamin_core.server.web.shared_answers import SharedAnswers
from lamin_core.server.web.templates import render

Data = dict[str, object]
"""The data of a page: JSON values and times, or functions that return them, called when they are displayed, while the
session is still open.

What begins with `_` is for templates alone.
"""
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that a browser sends `Origin: null` with the form of the login page.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every response of the pages: only our scripts run, and no other site can read or frame a page."""
CHANGE = "Lamin-Change"
"""The header in which a live page sends the number of the change that it has received."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would run."""


@dataclass(frozen=True, slots=True)
class Page:
    """`answer` gets a session, the names in the path and the parameters of the URL, and returns the data.

    Args:
        path: where it is, without a suffix.
        answer: reads the data.
        template: the file that shows them.
        parameters: what the URL may say beside the path.
        table: the entry of the data that is sent as CSV: a list of rows.
        drawing: the entry of the data that is sent as SVG.
        live: whether the page looks again when a run changes.
    """

    path: str
    answer: Callable[..., Data]
    template: str
    parameters: tuple[Parameter, ...] = ()
    table: str | None = None
    drawing: str | None = None
    live: bool = False

    @property
    def plain_path(self) -> str:
        """The path that a suffix can follow: the front page is called home."""
        return "/home" if self.path == "/" else self.path


@dataclass(frozen=True, slots=True)
class Site:
    """Objects that all pages of a server share.

    Args:
        database: the registry.
        stream: where changes of runs can be listened to; None where nowhere.
        is_writable: whether those may edit who need no key.
        readers: how many pages are read at once.
        shared: what live pages were last shown, for all who look at the same one.
    """

    database: Database
    stream: str | None = None
    is_writable: bool = False
    readers: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(READERS))
    shared: SharedAnswers = field(default_factory=SharedAnswers)

    def may_edit(self, request: Request) -> bool:
        """Whether this request may edit: with a key, or without keys if the server allows it."""
        return has_key(request) or self.is_writable

    def routes(self, page: Page) -> list[BaseRoute]:
        """The routes of a page; those with a suffix first, as a name in the path would take it in."""
        plain = page.plain_path
        routes = [Route(f"{plain}.json", self._endpoint(page, _as_json), methods=["GET"])]
        if page.table is not None:
            routes.append(Route(f"{plain}.csv", self._endpoint(page, _as_csv), methods=["GET"]))
        if page.drawing is not None:
            routes.append(Route(f"{plain}.svg", self._endpoint(page, _as_svg), methods=["GET"]))
        routes.append(Route(page.path, self._endpoint(page, self._as_html), methods=["GET"]))
        return list(routes)

    def _endpoint(
        self, page: Page, shown: Callable[[Request, Page, Data], Response]
    ) -> Callable[[Request], object]:
        endpoint = Endpoint(page.path, page.answer, "", "", page.parameters)

        async def answer(request: Request) -> Response:
            try:
                query = [pair for pair in request.query_params.multi_items() if pair[1] != ""]
                values = endpoint.read(request.path_params, query)
                make = partial(self._response, request, page, values, shown)
                change = _change(request) if page.live and shown == self._as_html else None
                if change is None:
                    return await make()
                key = (request.url.path, request.url.query, self.may_edit(request))
                return await self.shared.answer(key, change, make)
            except LaminError as error:
                return self.refused(request, error, is_html=shown == self._as_html)

        return answer

    async def _response(
        self,
        request: Request,
        page: Page,
        values: Mapping[str, object],
        shown: Callable[[Request, Page, Data], Response],
    ) -> Response:
        return await anyio.to_thread.run_sync(
            self._answered, request, page, values, shown, limiter=self.readers
        )

    def _answered(
        self,
        request: Request,
        page: Page,
        values: Mapping[str, object],
        shown: Callable[[Request, Page, Data], Response],
    ) -> Response:
        with self.database.reading() as session:
            return shown(request, page, page.answer(session, **values))

    def _as_html(self, request: Request, page: Page, data: Data) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        more = {
            "json_url": f"{_own_path(request, page)}.json{query}",
            "csv_url": None if page.table is None else f"{_own_path(request, page)}.csv{query}",
            "stream": self.stream if page.live and not data.get("_is_final") else None,
            "query": dict(request.query_params),
            "page_path": request.url.path,
            "can_edit": self.may_edit(request),
        }
        return HTMLResponse(render(page.template, {**data, **more}), headers=SECURITY_HEADERS)

    def refused(self, request: Request, error: LaminError, *, is_html: bool = True) -> Response:
        """The answer that says what was wrong, as a page or as JSON."""
        if not is_html:
            refused = failure(error)
            refused.headers.update(SECURITY_HEADERS)
            return refused
        status = _status(error)
        shown = {"status": status, "message": error.message, "hint": hint_for(error.hint, HTTP)}
        return HTMLResponse(
            render("error.html", {**shown, "query": {}, "page_path": request.url.path}),
            status_code=status,
            headers=SECURITY_HEADERS,
        )


def _status(error: LaminError) -> int:
    if isinstance(error, HttpRefusal):
        return error.status
    by_type: dict[type[LaminError], int] = {NotFound: 404, Conflict: 409, Unavailable: 503}
    return next((status for kind, status in by_type.items() if isinstance(error, kind)), 400)


def _change(request: Request) -> int | None:
    """The number of the change that made a live page look again; None for everybody who opens a page."""
    text = request.headers.get(CHANGE, "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _own_path(request: Request, page: Page) -> str:
    return page.plain_path if page.path == "/" else request.url.path


def _as_json(request: Request, page: Page, data: Data) -> Response:
    shown = {name: _value(value) for name, value in data.items() if not name.startswith("_")}
    text = json.dumps(finite(shown), default=_plain, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=SECURITY_HEADERS)


def _as_csv(request: Request, page: Page, data: Data) -> Response:
    rows = _value(data[page.table or ""])
    assert isinstance(rows, list)
    disposition = f'attachment; filename="{page.plain_path.strip("/").split("/")[0]}.csv"'
    return Response(
        csv_text(rows),
        media_type="text/csv",
        headers={**SECURITY_HEADERS, "Content-Disposition": disposition},
    )


def _value(entry: object) -> object:
    return entry() if callable(entry) else entry


def _as_svg(request: Request, page: Page, data: Data) -> Response:
    drawing = data[page.drawing or ""]
    assert isinstance(drawing, Drawing)
    sandboxed = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    headers = {**SECURITY_HEADERS, "Content-Security-Policy": sandboxed}
    return Response(drawing.svg(), media_type="image/svg+xml", headers=headers)


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV; a text that a spreadsheet would run as a formula begins with an apostrophe.

    >>> csv_text([{"key": "=1+1", "size": -3}])
    "key,size\\r\\n'=1+1,-3\\r\\n"
    """
    written = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(written)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return written.getvalue()


def _cell(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = value if isinstance(value, str) else json.dumps(value, default=_plain)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(value: object) -> object:
    """JSON of what it does not know: times in ISO 8601."""
    return value.isoformat() if isinstance(value, datetime | date) else printable(value)


async def form_fields(request: Request, most: int) -> dict[str, str] | None:
    """The fields of a form; None where its body has more than this many bytes."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            return None
    text = body.decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20))


def see_other(path: str) -> Response:
    """Send the browser to another page of this server."""
    return RedirectResponse(path, status_code=303, headers=SECURITY_HEADERS)


def mappings(rows: Iterable[Sequence[Any]], *names: str) -> list[Data]:
    """Rows of a query as dictionaries, with these names.

    >>> mappings([(1, 2)], "a", "b")
    [{'a': 1, 'b': 2}]
    """
    return [dict(zip(names, row, strict=True)) for row in rows]
