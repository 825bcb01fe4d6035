"""JSON schemas of the facets from the classes that the OpenLineage project generates for its Python client.

    python -m tests.support.facet_schemas     writes openlineage/lamin/schemas/derived/ anew

Only for facets whose official schema file is not among ours; `test_schemas.py` checks the
derivation against those that are, and the written files against the client that is installed.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import attr
from openlineage.client import generated
from openlineage.client.generated import base

SCHEMAS = Path(__file__).parents[2] / "openlineage" / "lamin" / "schemas"
CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
# Outermost first: a facet of an input dataset is no plain dataset facet.
BASES = [
    base.InputDatasetFacet,
    base.OutputDatasetFacet,
    base.DatasetFacet,
    base.JobFacet,
    base.RunFacet,
]
Schema = dict[str, Any]


def derived_schemas() -> dict[str, Schema]:
    """The schema of every facet that the client knows, by the name of its file."""
    return {facet.__name__: _document(facet) for facet in _facets()}


def _facets() -> Iterator[type]:
    for module in pkgutil.iter_modules(generated.__path__):
        for value in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(value, type) and attr.has(value) and value.__module__ != base.__name__:
                schema = getattr(value, "_get_schema", str)()
                if schema.partition("#")[0].endswith(f"/{value.__name__}.json"):
                    yield value


def _document(facet: type) -> Schema:
    url = facet._get_schema().partition("#")[0]  # type: ignore[attr-defined]
    definitions: dict[str, Schema] = {}
    body = _object(facet, definitions)
    parent = next(candidate for candidate in BASES if issubclass(facet, candidate))
    definitions[facet.__name__] = {
        "allOf": [{"$ref": f"{CORE}#/$defs/{parent.__name__}"}, body],
        "type": "object",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": url,
        "$defs": dict(sorted(definitions.items())),
        "$ref": f"#/$defs/{facet.__name__}",
    }


def _object(cls: type, definitions: dict[str, Schema]) -> Schema:
    hints = typing.get_type_hints(cls)
    fields = [field for field in attr.fields(cls) if not field.name.startswith("_")]
    schema: Schema = {
        "type": "object",
        "properties": {
            field.name: _field(field, hints[field.name], definitions) for field in fields
        },
    }
    required = [field.name for field in fields if field.default is attr.NOTHING]
    return {**schema, "required": required} if required else schema


def _field(field: Any, hint: Any, definitions: dict[str, Schema]) -> Schema:
    schema = _type(hint, definitions)
    if schema == {"type": "string"} and field.validator is not None:
        for name, good in {
            "uuid": "0194e0a0-0000-7000-8000-000000000000",
            "date-time": "2026-01-01T00:00:00Z",
        }.items():
            if _accepts(field.validator, good) and not _accepts(field.validator, "neither"):
                return {**schema, "format": name}
    return schema


def _accepts(validator: Any, value: str) -> bool:
    try:
        validator(None, None, value)
    except ValueError:
        return False
    return True


def _type(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [
            _type(argument, definitions) for argument in arguments if argument is not type(None)
        ]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if origin is list:
        return {"type": "array", "items": _type(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1], definitions)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", "enum": [member.value for member in hint]}
    if isinstance(hint, type) and attr.has(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # a class may hold itself
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    plain = {str: "string", bool: "boolean", int: "integer", float: "number"}
    return {"type": plain[hint]} if hint in plain else {}


def missing_schemas() -> dict[str, Schema]:
    """Those whose official file is not among ours."""
    official = {path.stem for path in (SCHEMAS / "facets").glob("*.json")}
    return {name: schema for name, schema in derived_schemas().items() if name not in official}


def main() -> None:
    """Write them."""
    folder = SCHEMAS / "derived"
    folder.mkdir(exist_ok=True)
    for name, schema in missing_schemas().items():
        (folder / f"{name}.json").write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    main()
