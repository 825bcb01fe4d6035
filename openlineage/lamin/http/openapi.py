"""The OpenAPI document: from the questions themselves, and from what is written here of the other routes."""

from __future__ import annotations

from starlette.routing import BaseRoute

from lamin_core.server import openapi
from lamin_core.server.openapi import MAYBE_TEXT, TEXT, Schema, json_answer, reference, refusals
from openlineage.lamin.http import stream
from openlineage.lamin.http.queries import QUESTIONS
from openlineage.lamin.http.queries.schemas import SCHEMAS


def routes() -> list[BaseRoute]:
    """The route of the document."""
    return openapi.routes(document())


def document() -> Schema:
    """OpenAPI 3.1, for all routes.

    >>> document()["paths"]["/api/v1/runs/{id}"]["get"]["summary"]
    'One run, by its id or uid.'
    """
    description = (
        "A lineage registry: OpenLineage events in; jobs, runs, datasets and their lineage out."
    )
    return openapi.document(QUESTIONS, _OPERATIONS, SCHEMAS, description)


def _taking(schema: Schema) -> Schema:
    return {
        "required": True,
        "description": "Content-Encoding gzip is taken; 32 MiB after decompression are the limit.",
        "content": {"application/json": {"schema": schema}},
    }


_TAKEN = (400, 401, 403, 408, 413, 415, 503)
_LAST = {
    "required": False,
    "description": "Go on after this event.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
}
_OPERATIONS: dict[tuple[str, str], Schema] = {
    ("/api/v1/lineage", "post"): {
        "summary": "Take one OpenLineage event; answered after the commit.",
        "requestBody": _taking(reference("Event")),
        "responses": {
            "201": json_answer("Stored, known already, or put aside for this reason.", {
                "type": "object", "properties": {"reason": MAYBE_TEXT},
            }),
            **refusals(*_TAKEN),
        },
    },
    ("/api/v1/lineage/batch", "post"): {
        "summary": "Take an array of OpenLineage events, each with a verdict of its own.",
        "requestBody": _taking({"type": "array", "items": {}, "description": "What is no event is refused by itself."}),
        "responses": {"200": json_answer("The verdicts.", "BatchVerdict"), **refusals(*_TAKEN)},
    },
    ("/api/v1/nextflow/weblog", "post"): {
        "summary": "Take one message of Nextflow's weblog; answered after the commit.",
        "parameters": [{
            "name": "pipeline", "in": "query", "required": False, "schema": TEXT,
            "description": "What names a pipeline that has no manifest.",
        }],
        "requestBody": _taking({"type": "object", "description": "As `nextflow run -with-weblog` posts it."}),
        "responses": {"201": json_answer("Stored.", {"type": "object"}), **refusals(*_TAKEN)},
    },
    (stream.PATH, "get"): {
        "summary": "Changes of runs as they are committed, as server-sent events; it does not end by itself.",
        "parameters": [
            {"name": "Last-Event-ID", "in": "header", **_LAST},
            {"name": "lastEventId", "in": "query", **_LAST},
            {"name": "every", "in": "query", "required": False,
             "description": "Send only the newest change, once in so many seconds.",
             "schema": {"type": "integer", "minimum": 0, "maximum": stream.MAX_EVERY, "default": 0}},
        ],
        "responses": {
            "200": {
                "description": "Events named `run`; their data is a Run in JSON.",
                "content": {"text/event-stream": {"schema": TEXT}},
            },
            **refusals(400, 401, 403, 503),
        },
    },
}  # fmt: skip
