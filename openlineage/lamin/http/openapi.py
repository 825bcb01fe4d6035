"""The OpenAPI document: from the questions themselves, and from what is written here of the other routes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import lamin_core
from lamin_core.server.endpoint import Endpoint
from lamin_core.server.responses import JsonResponse
from openlineage.lamin.http import stream
from openlineage.lamin.http.queries import QUESTIONS
from openlineage.lamin.http.queries.schemas import MAYBE_TEXT, SCHEMAS, TEXT, Schema, reference

PATH = "/api/v1/openapi.json"
_WORDS = {
    400: "The request cannot be understood; the hint says what would be.",
    401: "The API key is missing or wrong.",
    403: "The request comes from a page of another origin.",
    404: "Nothing has this name.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The compression is not known.",
    503: "The registry cannot be used now: send it again in a moment.",
}


def routes() -> list[BaseRoute]:
    """Where the document is."""
    response = JsonResponse(document())

    async def tell(request: Request) -> Response:
        return response

    return [Route(PATH, tell, methods=["GET"])]


def document() -> Schema:
    """OpenAPI 3.1, for all routes.

    >>> document()["paths"]["/api/v1/runs/{id}"]["get"]["summary"]
    'One run, by its id or uid.'
    """
    paths: dict[str, Any] = {}
    for question in QUESTIONS:
        paths.setdefault(question.path, {})["get"] = _operation(question)
    for (path, method), operation in _OTHERS.items():
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lamin-core",
            "version": lamin_core.__version__,
            "description": "A lineage registry: OpenLineage events in; jobs, runs, datasets and their lineage out.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "Asked for where the server has keys."}
            },
        },
    }


def _operation(question: Endpoint) -> Schema:
    names = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in question.names
    ]
    query = [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.says,
            "schema": dict(parameter.schema),
        }
        for parameter in question.parameters
    ]
    missing = (404,) if names or question.parameters else ()
    answers = {"200": _json("The answer.", question.shape), **_refusals(400, 401, 403, *missing, 503)}
    return {"summary": question.says, "parameters": [*names, *query], "responses": answers}


def _json(says: str, shape: str | Schema) -> Schema:
    schema = reference(shape) if isinstance(shape, str) else shape
    return {"description": says, "content": {"application/json": {"schema": schema}}}


def _refusals(*statuses: int) -> Schema:
    return {str(status): _json(_WORDS[status], "Error") for status in statuses}


def _taking(schema: Schema) -> Schema:
    return {
        "required": True,
        "description": "Content-Encoding gzip is taken; 32 MiB after decompression are the limit.",
        "content": {"application/json": {"schema": schema}},
    }


_TAKEN = (400, 401, 403, 408, 413, 415, 503)
_TEXTUAL = {"description": "The answer.", "content": {"text/plain": {"schema": TEXT}}}
_LAST = {
    "required": False,
    "description": "Go on after this event.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
}
_OTHERS: dict[tuple[str, str], Schema] = {
    ("/api/v1/lineage", "post"): {
        "summary": "Take one OpenLineage event; answered after the commit.",
        "requestBody": _taking(reference("Event")),
        "responses": {
            "201": _json("Stored, known already, or put aside for this reason.", {
                "type": "object", "properties": {"reason": MAYBE_TEXT},
            }),
            **_refusals(*_TAKEN),
        },
    },
    ("/api/v1/lineage/batch", "post"): {
        "summary": "Take an array of OpenLineage events, each with a verdict of its own.",
        "requestBody": _taking({"type": "array", "items": {}, "description": "What is no event is refused by itself."}),
        "responses": {"200": _json("The verdicts.", "BatchVerdict"), **_refusals(*_TAKEN)},
    },
    (stream.PATH, "get"): {
        "summary": "Changes of runs as they are committed, as server-sent events; it does not end by itself.",
        "parameters": [
            {"name": "Last-Event-ID", "in": "header", **_LAST},
            {"name": "lastEventId", "in": "query", **_LAST},
        ],
        "responses": {
            "200": {
                "description": "Events named `run`; their data is a Run in JSON.",
                "content": {"text/event-stream": {"schema": TEXT}},
            },
            **_refusals(400, 401, 403, 503),
        },
    },
    ("/healthz", "get"): {
        "summary": "Whether the server is up; asks for no key.",
        "security": [],
        "responses": {"200": _json("It is.", {"type": "object"}), **_refusals(400, 403)},
    },
    ("/metrics", "get"): {
        "summary": "Counts, in the text format of Prometheus.",
        "responses": {"200": _TEXTUAL, **_refusals(400, 401, 403)},
    },
    (PATH, "get"): {
        "summary": "This document.",
        "responses": {"200": _json("OpenAPI 3.1.", {"type": "object"}), **_refusals(400, 401, 403)},
    },
}  # fmt: skip
