"""The form that edits a record: description, notes, labels, features, and nothing else.

A form is taken from whoever may edit, with the token that this server put into it for this browser: another site
can neither read the token nor send the cookie that it belongs to.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote

import anyio
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from lamin_core.errors import InvalidArgument, LaminError, NotFound
from lamin_core.instance.instance import current_user
from lamin_core.models import (
    Artifact,
    Collection,
    Feature,
    Registry,
    Run,
    Schema,
    Storage,
    Transform,
    ULabel,
)
from lamin_core.saving.edits import MAX_NOTE, Editable, apply, editable
from lamin_core.server.middleware import FORMS
from lamin_core.server.responses import HttpRefusal
from lamin_core.server.web.page import SECURITY_HEADERS, Site, form_fields, see_other
from lamin_core.server.web.templates import render
from lamin_core.server.web.terms import labelling

_KINDS: Mapping[str, type[Registry]] = {
    "artifact": Artifact,
    "run": Run,
    "transform": Transform,
    "collection": Collection,
    "label": ULabel,
    "feature": Feature,
    "schema": Schema,
    "storage": Storage,
}
_TERM = "term"
"""The kind of records whose registry the path names."""
_COOKIE = "lamin_form"
_MAX_FORM = 4 * MAX_NOTE
_SECRET = secrets.token_bytes(32)
"""The secret of this process: forms are only valid for the server process that made them."""


def routes(site: Site) -> list[BaseRoute]:
    """The forms of this site, two routes for each kind of record."""
    paths = {kind: f"/{kind}/{{uid}}{FORMS}" for kind in _KINDS}
    paths[_TERM] = f"/{_TERM}/{{registry}}/{{uid}}{FORMS}"
    shown = [
        Route(path, partial(_show, site, kind), methods=["GET"]) for kind, path in paths.items()
    ]
    taken = [
        Route(path, partial(_take, site, kind), methods=["POST"]) for kind, path in paths.items()
    ]
    return [*shown, *taken]


async def _show(site: Site, kind: str, request: Request) -> Response:
    try:
        _require_editor(site, request)
        nonce = request.cookies.get(_COOKIE) or secrets.token_urlsafe(32)
        reading = partial(_form, site, kind, request, nonce)
        answer = await anyio.to_thread.run_sync(reading, limiter=site.readers)
    except LaminError as error:
        return site.refused(request, error)
    is_secure = request.url.scheme == "https"
    answer.set_cookie(_COOKIE, nonce, httponly=True, samesite="strict", secure=is_secure)
    return answer


async def _take(site: Site, kind: str, request: Request) -> Response:
    try:
        _require_editor(site, request)
        form = await form_fields(request, _MAX_FORM)
        if form is None:
            raise HttpRefusal(413, "the form is too large", "put it into a file, and register that")
        _require_token(request, form)
        writing = partial(_write, site, kind, request.path_params, form)
        await anyio.to_thread.run_sync(writing, limiter=site.readers)
    except LaminError as error:
        return site.refused(request, error)
    return see_other(_page_path(kind, request.path_params))


def _page_path(kind: str, names: Mapping[str, str]) -> str:
    """The page of the record that a form is of."""
    return quote("/".join(["", kind, *names.values()]))


def _require_editor(site: Site, request: Request) -> None:
    if not site.may_edit(request):
        raise HttpRefusal(
            403,
            "these pages only read",
            "lamin ui --write, lamin serve --write, or log in with a key",
        )


def _require_token(request: Request, form: Mapping[str, str]) -> None:
    nonce = request.cookies.get(_COOKIE, "")
    if not nonce or not hmac.compare_digest(_token(nonce), form.get("token", "")):
        raise HttpRefusal(403, "the form is not of this page, or too old", "open the form again")


def _token(nonce: str) -> str:
    return hmac.new(_SECRET, nonce.encode(), hashlib.sha256).hexdigest()


def _record(session: Session, kind: str, names: Mapping[str, str]) -> Registry:
    registry = labelling(names["registry"]) if kind == _TERM else _KINDS[kind]
    uid = names["uid"]
    record = session.scalar(select(registry).where(registry.uid == uid))
    if record is None:
        raise NotFound(f"no {kind} has the uid {uid!r}", hint="look for it with the search")
    return record


def _form(site: Site, kind: str, request: Request, nonce: str) -> Response:
    with site.database.reading() as session:
        record = _record(session, kind, request.path_params)
        state = editable(session, record)
        labels = session.scalars(select(ULabel.name).order_by(ULabel.id.desc()).limit(200)).all()
        features = session.scalars(
            select(Feature.name).order_by(Feature.id.desc()).limit(200)
        ).all()
    shown: dict[str, object] = {
        "kind": kind,
        "path": _page_path(kind, request.path_params),
        "name": getattr(record, record._name_field, None) or record.uid,
        "state": state,
        "label_names": labels,
        "feature_names": features,
        "features": "\n".join(
            f"{name} = {value}" for name, value in (state.features or {}).items()
        ),
        "token": _token(nonce),
        "query": {},
        "page_path": request.url.path,
    }
    return HTMLResponse(render("edit.html", shown), headers=SECURITY_HEADERS)


def _write(site: Site, kind: str, names: Mapping[str, str], form: Mapping[str, str]) -> None:
    with site.database.writing() as session:
        record = _record(session, kind, names)
        apply(session, record, form.get("before", ""), _edited(form), current_user(session))


def _edited(form: Mapping[str, str]) -> Editable:
    """The values in the form. Raises `InvalidArgument`."""
    if any("\0" in value for value in form.values()):
        raise InvalidArgument("a NUL cannot be stored", hint="leave it out")
    fields = {name: value.replace("\r\n", "\n") for name, value in form.items()}
    labels = fields.get("labels")
    features = fields.get("features")
    return Editable(
        fields["description"].strip() if "description" in fields else None,
        fields.get("notes", "").rstrip(),
        None if labels is None else tuple(dict.fromkeys(filter(None, map(str.strip, labels.split("\n"))))),
        None if features is None else dict(_assignment(line) for line in features.split("\n") if line.strip()),
    )  # fmt: skip


def _assignment(line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise InvalidArgument(
            f"not of the form NAME = VALUE: {line[:80]!r}", hint="temperature = 21.6"
        )
    return name.strip(), value.strip()
