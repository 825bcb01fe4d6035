"""The machinery of the OpenAPI document: from endpoints, and from what other routes say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import lamin_core
from lamin_core.server.endpoint import Endpoint
from lamin_core.server.responses import JsonResponse

PATH = "/api/v1/openapi.json"
Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_DESCRIPTIONS = {
    400: "The request cannot be understood; the hint says what would be.",
    401: "The API key is missing or wrong.",
    403: "The request comes from a page of another origin.",
    404: "Nothing has this name.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The compression is not known.",
    503: "The registry cannot be used now: send it again in a moment.",
}


def record(**properties: Schema) -> Schema:
    """An object that always has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def reference(name: str) -> Schema:
    """The schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_answer(description: str, shape: str | Schema) -> Schema:
    """An answer in JSON, of this schema or of the schema of this name."""
    schema = reference(shape) if isinstance(shape, str) else shape
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def refusals(*statuses: int) -> Schema:
    """The answers that refuse a request, by status."""
    return {str(status): json_answer(_DESCRIPTIONS[status], "Error") for status in statuses}


def routes(document: Schema) -> list[BaseRoute]:
    """The route of the document."""
    response = JsonResponse(document)

    async def send_document(request: Request) -> Response:
        return response

    return [Route(PATH, send_document, methods=["GET"])]


def document(
    endpoints: Iterable[Endpoint],
    operations: Mapping[tuple[str, str], Schema],
    schemas: Mapping[str, Schema],
    description: str,
) -> Schema:
    """Return the OpenAPI 3.1 document of a server.

    Args:
        endpoints: the questions that it answers.
        operations: the other routes, by path and method; those of the server itself are added.
        schemas: the schemas of the answers, by name.
        description: of the server.

    >>> list(document([], {}, {}, "A server.")["paths"])
    ['/healthz', '/metrics', '/api/v1/openapi.json']
    """
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})["get"] = _operation(endpoint)
    for (path, method), operation in {**operations, **_OWN_OPERATIONS}.items():
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lamin-core",
            "version": lamin_core.__version__,
            "description": description,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": {"Error": record(error=TEXT, hint=MAYBE_TEXT), **schemas},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Asked for where the server has keys.",
                }
            },
        },
    }


def _operation(endpoint: Endpoint) -> Schema:
    names = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in endpoint.names
    ]
    query = [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.says,
            "schema": dict(parameter.schema),
        }
        for parameter in endpoint.parameters
    ]
    missing = (404,) if names or endpoint.parameters else ()
    answers = {
        "200": json_answer("The answer.", endpoint.shape),
        **refusals(400, 401, 403, *missing, 503),
    }
    return {"summary": endpoint.says, "parameters": [*names, *query], "responses": answers}


_TEXTUAL = {"description": "The answer.", "content": {"text/plain": {"schema": TEXT}}}
_OWN_OPERATIONS: dict[tuple[str, str], Schema] = {
    ("/healthz", "get"): {
        "summary": "Whether the server is up; asks for no key.",
        "security": [],
        "responses": {"200": json_answer("It is.", {"type": "object"}), **refusals(400, 403)},
    },
    ("/metrics", "get"): {
        "summary": "Counts, in the text format of Prometheus.",
        "responses": {"200": _TEXTUAL, **refusals(400, 401, 403)},
    },
    (PATH, "get"): {
        "summary": "This document.",
        "responses": {
            "200": json_answer("OpenAPI 3.1.", {"type": "object"}),
            **refusals(400, 401, 403),
        },
    },
}
