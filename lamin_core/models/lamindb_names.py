"""Names of LaminDB that have no meaning here, and what to use instead.

`docs/lamindb-users.md` lists the same names; a test compares the two.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterable, Mapping

from lamin_core.errors import InvalidArgument, NotHere

logger = logging.getLogger("lamin")

ANY = "Registry"
"""Stands for all registries."""

_NUMBERED = (
    "versions are numbered here: save other bytes under the same key; put a name into `description`"
)
_TYPED = "group them with labels: record.ulabels.add(...)"
_BIOLOGY = "label it with ln.ULabel: artifact.ulabels.add(...)"

ARGUMENTS: dict[str, dict[str, str]] = {
    "Artifact": {
        "version": _NUMBERED,
        "version_tag": _NUMBERED,
        "overwrite_versions": "every version of a folder is kept; artifact.replace(path) replaces one",
        "key_is_virtual": "leave `key` out, and a file is registered where it lies",
        "suffix": "the suffix of the key says the format: key='table.csv'",
        "schema": "ln.Artifact.from_df(df, schema=schema, key=...), or ln.curators.check(artifact, schema)",
        "otype": "artifact.otype = 'DataFrame', before saving",
        "visibility": "artifact.delete() moves it to the trash",
    },
    "Transform": {
        "name": "key='the name'; text for people is `description`",
        "version_tag": "version='1.0'",
    },
    "Run": {
        "plan": "reference='...'",
        "report": "lamin run and ln.track(report=True) keep one",
    },
    "Collection": {
        "name": "key='the name'",
        "version": "save other artifacts under the same key",
        "version_tag": "save other artifacts under the same key",
        "schema": "the artifacts have schemas",
        "meta": "ln.Artifact.from_df(meta, key=...), as one of the artifacts",
        "meta_artifact": "one of the artifacts",
        "reference": "collection.ulabels.add(...), or in `description`",
        "reference_type": "collection.ulabels.add(...), or in `description`",
        "run": "ln.track() says which run makes it",
        "revises": "save it under the same key",
    },
    "Feature": {
        "type": _TYPED,
        "is_type": _TYPED,
        "synonyms": "feature.save(), then feature.add_synonym('...') where the registry has it",
        "coerce_dtype": "coerce=True",
        "cat_filters": "dtype=a label that groups others",
    },
    "ULabel": {
        "reference": "put it into `description`",
        "reference_type": "put it into `description`",
    },
    "Schema": {
        "type": _TYPED,
        "is_type": _TYPED,
        "suffix": "the suffix of an artifact's key says its format",
        "coerce_dtype": "coerce=True",
        "n": "the number of features follows from them",
        "n_members": "the number of features follows from them",
    },
    "Project": {"type": _TYPED, "is_type": _TYPED},
    "Reference": {"type": _TYPED, "is_type": _TYPED, "text": "put it into `description`"},
    "Storage": {
        "description": "a storage is known by its root",
        "host": "the environment, or lamin/storages.toml of the user, says how it is reached",
        "region": "the environment, or lamin/storages.toml of the user, says how it is reached",
    },
}
"""By registry, arguments of its constructor."""

DEFAULTS: dict[str, object] = {
    "key_is_virtual": True,
    "overwrite_versions": False,
    "is_type": False,
}
"""The value that means what happens here anyway; so does None."""
UNNEEDED = frozenset({"skip_hash_lookup"})
"""Arguments without an effect here: equal bytes under another key are always another artifact."""
BRANCHES = frozenset({"branch", "space", "branch_id", "space_id"})
"""Arguments that are taken with one warning: an instance has neither branches nor spaces."""

ATTRIBUTES: dict[str, dict[str, str]] = {
    ANY: {
        "updated_at": "record.created_at",
        "run": "record.created_by says who made it",
        "branch": "an instance has no branches",
        "space": "an instance has no spaces",
    },
    "Artifact": {
        "from_mudata": "mdata.write('x.h5mu'), then ln.Artifact('x.h5mu', key='x.h5mu')",
        "from_spatialdata": "sdata.write('x.zarr'), then ln.Artifact('x.zarr', key='x.zarr')",
        "from_tiledbsoma": "ln.Artifact('x.tiledbsoma', key='x.tiledbsoma')",
        "backed": "artifact.open()",
        "from_lazy": "write the file, then ln.Artifact(path, key=...)",
        "version_tag": "artifact.version",
        "overwrite_versions": "every version of a folder is kept",
        "runs": "artifact.input_of_runs, artifact.output_of_runs",
        "recreating_runs": "artifact.output_of_runs",
        "linked_by_artifacts": "artifact.view_lineage()",
        "linked_by_runs": "artifact.input_of_runs, artifact.output_of_runs",
        "artifacts": "artifact.view_lineage()",
        "users": "artifact.created_by",
    },
    "Transform": {
        "environment": "run.environment",
        "from_git": "lamin run PROGRAM in a checkout records commit and source",
        "from_path": "ln.Transform(key='a.py', source_code=Path('a.py').read_text())",
        "plan": "transform.reference",
        "records": _BIOLOGY,
    },
    "Run": {
        "initiated_runs": "run.children",
        "artifacts": "run.output_artifacts",
        "linked_artifacts": "run.input_artifacts, run.output_artifacts",
        "recreated_artifacts": "run.output_artifacts",
        "recreated_collections": "run.output_artifacts",
        "input_collections": "run.input_artifacts",
        "output_collections": "run.output_artifacts",
        "input_records": "run.input_artifacts",
        "output_records": "run.output_artifacts",
        "output_transforms": "run.transform",
        "plan": "run.reference",
        "records": _BIOLOGY,
    },
    "Feature": {
        "type": _TYPED,
        "is_type": _TYPED,
        "from_dict": "ln.Feature(name=key, dtype=type(value)) for each of them",
        "values": "ln.Artifact.df(features=['the name'])",
        "coerce_dtype": "feature.coerce",
        "dtype_as_object": "feature.dtype",
        "projects": "label the artifacts",
    },
    "Storage": {
        "path": "storage.root",
        "artifacts": "ln.Artifact.filter(storage=storage)",
        "host": "the environment, or lamin/storages.toml of the user, says how it is reached",
        "region": "the environment, or lamin/storages.toml of the user, says how it is reached",
    },
    "User": {
        "artifacts": "ln.Artifact.filter(created_by=user)",
        "created_artifacts": "ln.Artifact.filter(created_by=user)",
        "created_runs": "ln.Run.filter(created_by=user)",
        "created_transforms": "ln.Transform.filter(created_by=user)",
    },
}
"""By registry, methods and fields."""

_warned: set[str] = set()


def checked_arguments(
    registry: str, parameters: Collection[str], arguments: Mapping[str, object]
) -> dict[str, object]:
    """Return the arguments that the constructor takes; what means nothing here is left out.

    Args:
        registry: Its name.
        parameters: What its constructor takes.
        arguments: What was passed by name.

    Raises:
        NotHere: An argument of LaminDB asks for what is done otherwise here.
        InvalidArgument: It is none of either.
    """
    hints = ARGUMENTS.get(registry, {})
    result = {}
    for name, value in arguments.items():
        if name in parameters:
            result[name] = value
        elif name in BRANCHES:
            warn_of_branches(name)
        elif name in UNNEEDED or (name in hints and value in (None, DEFAULTS.get(name))):
            continue
        elif name in hints:
            raise NotHere(f"ln.{registry}(..., {name}=) means nothing here", hint=hints[name])
        else:
            near = difflib.get_close_matches(name, parameters, n=1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"there are: {', '.join(sorted(parameters))}"
            )
            raise InvalidArgument(f"ln.{registry} takes no argument {name!r}", hint=hint)
    return result


def warn_of_branches(name: str) -> None:
    """Say once in a process that an argument about branches or spaces is ignored."""
    if name not in _warned:
        _warned.add(name)
        logger.warning("%s= is ignored: an instance has neither branches nor spaces", name)


def missing_attribute(registries: Iterable[str], name: str) -> AttributeError:
    """Return the error for an attribute that a registry, known by these names, does not have."""
    known_as = list(registries)
    for registry in (*known_as, ANY):
        hint = ATTRIBUTES.get(registry, {}).get(name)
        if hint is not None:
            return NotHere(f"{known_as[0]} has no {name!r} here", hint=hint)
    return AttributeError(f"{known_as[0]!r} has no attribute {name!r}")
