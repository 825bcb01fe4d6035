"""The OpenAPI document says what the server does, and the server does what it says, whoever asks."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jsonschema_rs
import pytest
from starlette.routing import BaseRoute, Mount, Route

from lamin_core.instance.instance import Instance
from lamin_core.server.api_keys import Keyring
from lamin_core.server.openapi import PATH
from lamin_core.server.web.site import open_routes, page_routes
from openlineage.lamin.http.app import application
from openlineage.lamin.http.openapi import document
from openlineage.lamin.http.queries import QUESTIONS
from openlineage.lamin.http.stream import PATH as STREAM
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from tests.support.read_api_events import DATASET_EVENT, FIRST, JOB_EVENT, STORY, USE
from tests.support.servers import Server

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection"
)


def _operations(routes: Iterable[BaseRoute]) -> set[tuple[str, str]]:
    operations = set()
    for route in routes:
        if isinstance(route, Mount):
            assert route.path == ""
            operations |= _operations(route.routes)
        else:
            assert isinstance(route, Route)
            operations |= {
                (route.path, method.lower()) for method in (route.methods or ()) if method != "HEAD"
            }
    return operations


def test_openapi_document_lists_every_route(instance: Instance) -> None:
    documented = {
        (path, method) for path, operations in document()["paths"].items() for method in operations
    }
    # The pages are for people: docs/web.md lists them.
    pages = [*page_routes(instance.db), *open_routes(Keyring(instance.db))]
    assert _operations(application(instance.db).routes) - _operations(pages) == documented


def test_http_api_page_lists_every_route_and_parameter() -> None:
    page = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text("utf-8")
    documented = {*re.findall(r"`(/[^`?]*)`", page), "/namespaces/{namespace}/jobs/{job}/versions/{version}",
            "/namespaces/{namespace}/datasets/{dataset}/versions/{version}"}  # fmt: skip
    assert {question.path.removeprefix("/api/v1") for question in QUESTIONS} - documented == set()
    assert [name for question in QUESTIONS for name in (parameter.name for parameter in question.parameters)
            if f"`{name}`" not in page and f"`{name}=" not in page and f"{name}=" not in page] == []  # fmt: skip


def test_openapi_schemas_are_valid_and_used() -> None:
    schemas = document()["components"]["schemas"]
    for name, schema in schemas.items():
        jsonschema_rs.validator_for({**schema, "components": {"schemas": schemas}})
        assert jsonschema_rs.meta.is_valid(schema), name
    text = str(document())
    assert [name for name in schemas if f"#/components/schemas/{name}'" not in text] == []


def test_every_parameter_parses_its_default() -> None:
    for question in QUESTIONS:
        for parameter in question.parameters:
            if "default" in parameter.schema:
                assert parameter.read(str(parameter.schema["default"])) == parameter.default


# Names that are there, for half of the cases: random ones seldom get beyond 404.
KNOWN = f"""
[parameters]
"path.namespace" = "test"
"path.job" = "make"
"path.version" = "0000"
"path.source" = "/"
"path.id" = "{FIRST.id}"
runId = "{USE.id}"
nodeId = "run:{FIRST.id}"

[[operations]]
include-path-regex = "/datasets/"
parameters = {{ "path.namespace" = "file", "path.dataset" = "/data/table.csv" }}
"""


@dataclass(frozen=True)
class Outcome:
    """The result of the cases: the number that schemathesis counted, and the server's answers by status."""

    cases: int
    statuses: dict[str, int]


def fuzz(folder: Path, examples: int, *options: str) -> Outcome:
    """Let schemathesis at a real server that was told the story. Raises AssertionError with what it found."""
    instance = Instance.create(folder, "./data")
    ingest(instance.db, [parse(event) for event in (*STORY, JOB_EVENT, DATASET_EVENT)])
    instance.db.dispose()
    (folder / "known.toml").write_text(KNOWN)
    cases = 0
    with Server(folder) as server:
        for config in ([], ["--config-file", "known.toml"]):
            command = [
                "schemathesis",
                *config,
                "run",
                f"{server.url}{PATH}",
                "--checks",
                CHECKS,
                "--max-examples",
                str(examples),
            ]
            # What never ends by itself cannot be waited for; it has tests of its own.
            command += ["--exclude-path", STREAM, "--no-shrink", "--continue-on-failure", *options]
            judged = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=7200
            )
            assert judged.returncode == 0, judged.stdout[-20000:] + judged.stderr[-2000:]
            cases += sum(int(count) for count in re.findall(r"(\d+) generated", judged.stdout))
        counts = server.counts()
    named = {name: re.fullmatch(r'lamin_requests_total{status="(\d+)"}', name) for name in counts}
    return Outcome(cases, {match[1]: int(counts[name]) for name, match in named.items() if match})


@pytest.mark.timeout(3600)
def test_no_schemathesis_request_breaks_the_server(tmp_path: Path) -> None:
    """`make fuzz` asks for more examples than there is time for here."""
    examples = int(os.environ.get("FUZZ_EXAMPLES", "2"))
    outcome = fuzz(tmp_path, examples, "--phases", "coverage,fuzzing", "--seed", "1")
    print(f"{outcome.cases} cases; answers by status: {outcome.statuses}")
    assert outcome.cases > 1000 + 36 * examples
    assert {status for status in outcome.statuses if status >= "500"} == set()
    assert {"200", "201", "400", "404"} <= set(outcome.statuses)
