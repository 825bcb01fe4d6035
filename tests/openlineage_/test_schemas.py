"""The schemas that are shipped say what the OpenLineage project says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openlineage.lamin.validation import schema
from tests.support.facet_schemas import SCHEMAS, derived_schemas, missing_schemas

OFFICIAL = sorted((SCHEMAS / "facets").glob("*.json"))


def _shape(document: dict[str, Any], facet: str) -> tuple[set[str], set[str]]:
    """The fields of the facet itself, and those that are required."""
    bodies = [part for part in document["$defs"][facet]["allOf"] if "$ref" not in part]
    fields = {name for body in bodies for name in body["properties"]}
    return fields, {name for body in bodies for name in body.get("required", [])}


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_schema_derived_from_the_client_agrees_with_the_official_file(path: Path) -> None:
    official, derived = json.loads(path.read_text()), derived_schemas()[path.stem]
    fields, required = _shape(official, path.stem)
    more, still_required = _shape(derived, path.stem)
    assert required == still_required
    # The client may know a newer addition to the same model.
    assert fields == more if official["$id"] == derived["$id"] else fields <= more
    assert schema._name_and_model(official["$id"]) == schema._name_and_model(derived["$id"])


def test_derived_schema_files_are_up_to_date_with_the_client() -> None:
    written = {
        path.stem: json.loads(path.read_text()) for path in (SCHEMAS / "derived").glob("*.json")
    }
    assert written == missing_schemas(), "write them anew: python -m tests.support.facet_schemas"


def test_every_schema_is_loaded_and_validates() -> None:
    for url in schema._addresses().values():
        assert schema._validator(url).is_valid({"_producer": "urn:x"}) is False
