"""Is this event valid OpenLineage? Judged by the official JSON schemas, which are shipped here: no network.

The envelope is held against the core schema 2-0-2, each facet against the schema that its
`_schemaURL` names, in any version of the same model; a facet that nobody here knows only has to be
a facet. Needs the extra `openlineage`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from lamin_core.errors import MissingExtra

if TYPE_CHECKING:
    import jsonschema_rs

CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
FOLDERS = ("facets", "derived", "own")


def problems(event: Any) -> list[str]:
    """The errors of this event, each with its location; empty if the event is valid.

    Raises `MissingExtra` when jsonschema-rs is not installed.

    >>> head = {"eventTime": "yesterday", "producer": "urn:me", "schemaURL": "urn:me"}
    >>> problems({**head, "job": {"namespace": "n", "name": "j"}})
    ['eventTime: "yesterday" is not a "date-time"']
    """
    if not isinstance(event, dict):
        return ["an event is a JSON object"]
    envelope, facets = _apart(event)
    issues = _errors(f"{CORE}#/$defs/{_kind(event)}", envelope, "")
    for location, base, facet in facets:
        for url in (f"{CORE}#/$defs/{base}", _schema_address(facet.get("_schemaURL"))):
            issues += _errors(url, facet, location) if url else []
    return list(dict.fromkeys(issues))


def _kind(event: dict[str, Any]) -> str:
    """Choose the schema by the content, not by `schemaURL`, which producers copy from one another."""
    if "run" in event:
        return "RunEvent"
    return "DatasetEvent" if "dataset" in event else "JobEvent"


def _apart(event: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]:
    """The event without its facets, and each facet with its place and the kind of facet it has to be.

    Judged inside the event, one broken facet is told as all of them, printed in full, fitting none
    of the choices.
    """
    envelope = dict(event)
    collected: list[tuple[str, str, dict[str, Any]]] = []
    for name, kind in (("run", "Run"), ("job", "Job"), ("dataset", "Dataset")):
        if name in envelope:
            envelope[name] = _without_facets(envelope[name], name, kind, collected)
    for side, kind in (("inputs", "InputDataset"), ("outputs", "OutputDataset")):
        if isinstance(envelope.get(side), list):
            envelope[side] = [
                _without_facets(d, f"{side}[{n}]", kind, collected)
                for n, d in enumerate(envelope[side])
            ]
    return envelope, collected


def _without_facets(
    entity: Any, location: str, kind: str, collected: list[tuple[str, str, dict[str, Any]]]
) -> Any:
    if not isinstance(entity, dict):
        return entity
    entity = dict(entity)
    bases = {
        "facets": kind.removeprefix("Input").removeprefix("Output"),
        "inputFacets": kind,
        "outputFacets": kind,
    }
    for group, base in bases.items():
        facets = entity.get(group)
        if isinstance(facets, dict):
            apart = {name: facet for name, facet in facets.items() if isinstance(facet, dict)}
            collected += [
                (f"{location}.{group}.{name}", f"{base}Facet", facet)
                for name, facet in apart.items()
            ]
            entity[group] = {name: facet for name, facet in facets.items() if name not in apart}
    return entity


def _schema_address(url: Any) -> str | None:
    """The schema here that judges a facet of this address, if there is one."""
    name = _name_and_model(url) if isinstance(url, str) else None
    return None if name is None else _addresses().get(name)


def _name_and_model(url: str) -> tuple[str, str] | None:
    """`("ParentRunFacet", "1")`, of whichever revision; None for what is neither the standard's nor ours."""
    parts = url.partition("#")[0].removesuffix(".json").replace(":", "/").split("/")
    if "spec/facets" in url and len(parts) > 2:
        return parts[-1], parts[-2].partition("-")[0]
    if url.startswith("urn:lamin-core:facet:") and len(parts) == 5:
        return parts[3], parts[4].partition("-")[0]
    return None


def _errors(url: str, instance: Any, location: str) -> list[str]:
    errors = _validator(url).iter_errors(instance)
    return [
        f"{_path(location, error.instance_path) or 'event'}: {error.message}" for error in errors
    ]


def _path(location: str, steps: list[str | int]) -> str:
    for step in steps:
        location += f"[{step}]" if isinstance(step, int) else f".{step}"
    return location.removeprefix(".")


@cache
def _validator(url: str) -> jsonschema_rs.Draft202012Validator:
    try:
        import jsonschema_rs
    except ImportError:
        raise MissingExtra("jsonschema-rs", "openlineage") from None
    return jsonschema_rs.Draft202012Validator(
        {"$ref": url}, validate_formats=True, registry=_registry()
    )


@cache
def _registry() -> jsonschema_rs.Registry:
    import jsonschema_rs

    return jsonschema_rs.Registry(
        [(schema["$id"], schema) for schema in _schemas()], retriever=_refuse
    )


def _refuse(url: str) -> Any:
    """A schema that is not shipped is never fetched."""
    raise LookupError(f"no schema {url} is shipped")


@cache
def _addresses() -> dict[tuple[str, str], str]:
    addresses = {}
    for schema in _schemas():
        name = _name_and_model(schema["$id"])
        if name is not None:
            # The official files describe the container at their top; the facet itself is a
            # definition in them.
            definition = f"#/$defs/{name[0]}" if name[0] in schema.get("$defs", {}) else ""
            addresses[name] = schema["$id"] + definition
    return addresses


@cache
def _schemas() -> tuple[dict[str, Any], ...]:
    folder = resources.files("openlineage.lamin") / "schemas"
    files = [
        folder / "OpenLineage.json",
        *(file for name in FOLDERS for file in (folder / name).iterdir()),
    ]
    return tuple(json.loads(file.read_text("utf-8")) for file in files)
