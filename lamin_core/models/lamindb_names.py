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
_PROJECTS = "artifact.projects.add(...), run.projects.add(...)"
_LABELS = "labels and terms have them: ln.ULabel"

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
    "Run": {
        "plan": "reference='...'",
        "report": "lamin run and ln.track(report=True) keep one",
    },
    "Collection": {
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
    "keep": "first",
    "stream_tracking": False,
    "case_sensitive": False,
}
"""The value that means what happens here anyway; so does None."""
RENAMED: dict[str, dict[str, str]] = {
    "Transform": {"name": "key", "version_tag": "version"},
    "Collection": {"name": "key"},
    "Feature": {"coerce_dtype": "coerce"},
    "Schema": {"coerce_dtype": "coerce"},
}
"""By registry, former names of arguments of its constructor."""
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
        "branches": "an instance has no branches",
        "settings": "ln.settings",
        "type": _TYPED,
        "is_type": _TYPED,
        "reference": "put it into `description`",
        "reference_type": "put it into `description`",
        "text": "put it into `description`",
        "description": "the name, key or root says what it is",
        "status": "put it into `description`",
        "suffix": "the suffix of an artifact's key says its format",
        "formats": "the suffix of an artifact's key says its format",
        "version_tag": "record.version",
        "records": _BIOLOGY,
        "ulabels": _BIOLOGY,
        "features": "artifact.features, run.features",
        "projects": _PROJECTS,
        "references": "artifact.references.add(...)",
        "collections": "artifact.collections",
        "artifacts": "ln.Artifact.filter(...)",
        "runs": "ln.Run.filter(...)",
        "transforms": "ln.Transform.filter(...)",
        "schema": "artifact.schema",
        "schemas": "schema.composites, schema.slots",
        "users": "record.created_by",
        "input_of_runs": "artifact.input_of_runs",
        "parents": _LABELS,
        "children": _LABELS,
        "predecessors": _PROJECTS,
        "successors": _PROJECTS,
        **dict.fromkeys(
            (
                *("cell_lines", "cell_markers", "cell_types", "developmental_stages", "diseases"),
                *("ethnicities", "experimental_factors", "genes", "organisms", "pathways"),
                *("phenotypes", "proteins", "tissues"),
            ),
            "artifact.cell_types.add(...) and the like label artifacts; in a record it is a feature's value",
        ),
    },
    "Record": {
        "linked_artifacts": "record.artifacts",
        **dict.fromkeys(
            (
                *("linked_collections", "linked_projects", "linked_records", "linked_references"),
                *("linked_runs", "linked_transforms", "linked_ulabels", "linked_users"),
            ),
            "record.features.get_values()",
        ),
    },
    "Collection": {
        "name": "collection.key",
        "data_artifact": "collection.artifacts",
        "meta_artifact": "collection.artifacts",
        "recreating_runs": "collection.run",
    },
    "Schema": {"validated_collections": "schema.validated_artifacts"},
    "Artifact": {
        "from_tiledbsoma": "ln.Artifact('x.tiledbsoma', key='x.tiledbsoma')",
        "backed": "artifact.open()",
        "from_lazy": "write the file, then ln.Artifact(path, key=...)",
        "overwrite_versions": "every version of a folder is kept",
        "runs": "artifact.input_of_runs, artifact.output_of_runs",
        "linked_by_artifacts": "artifact.view_lineage()",
        "linked_by_runs": "artifact.input_of_runs, artifact.output_of_runs",
        "artifacts": "artifact.view_lineage()",
    },
    "Transform": {
        "environment": "run.environment",
        "from_git": "lamin run PROGRAM in a checkout records commit and source",
        "from_path": "ln.Transform(key='a.py', source_code=Path('a.py').read_text())",
        "plan": "transform.reference",
    },
    "Run": {
        "artifacts": "run.output_artifacts",
        "linked_artifacts": "run.input_artifacts, run.output_artifacts",
        "recreated_collections": "run.output_artifacts",
        "input_collections": "run.input_artifacts",
        "output_collections": "run.output_artifacts",
        "input_records": "run.input_artifacts",
        "output_records": "run.output_artifacts",
        "output_transforms": "run.transform",
        "plan": "run.reference",
    },
    "Feature": {
        **dict.fromkeys(
            ("array_rank", "array_shape", "array_size"), "the shapes of values are not recorded"
        ),
        "related_feature": "put it into `description`",
        "values": "ln.Artifact.df(features=['the name'])",
        "dtype_as_object": "feature.dtype",
    },
    "Storage": {
        "created_by": "artifact.created_by",
        "instance_uid": "ln.settings.instance.uid",
        "host": "the environment, or lamin/storages.toml of the user, says how it is reached",
        "region": "the environment, or lamin/storages.toml of the user, says how it is reached",
    },
    "User": {
        "artifacts": "ln.Artifact.filter(created_by=user)",
    },
}
"""By registry, methods and fields."""

OPTIONS: dict[str, dict[str, str]] = {
    "track": {
        "plan": "put it into `params` or `description`",
        "entrypoint": "@ln.flow records a function",
        "stream_tracking": "report=True keeps what is printed",
    },
    "save": {"using": "ln.connect(folder or URL), then ln.save([...])"},
    "search": {"case_sensitive": "filter(name__contains='...') tells capitals apart"},
    "lookup": {"keep": "of several records with one name, the others are .name_2, .name_3"},
    "from_df": {
        "field": "columns are names of features",
        "organism": "ln.Schema(itype=bt.Gene.ensembl_gene_id)",
        "source": "ln.Schema(itype=bt.Gene.ensembl_gene_id)",
    },
    "Schema.from_values": dict.fromkeys(
        ("dtype", "name", "organism", "source"), "ln.Schema(features, name=..., dtype=...)"
    ),
}
"""By function, arguments of LaminDB."""
UNNEEDED_OPTIONS = frozenset(
    {
        *("mute", "batch_size", "ignore_conflicts", "raise_validation_error"),
        *("ignore_non_consecutive", "global_run", "track_arg_aliases"),
        *("expected_param_types", "pypackages"),
    }
)
"""Arguments of functions that change nothing here, whatever they are."""

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
        InvalidArgument: It is neither.
    """
    hints, renamed = ARGUMENTS.get(registry, {}), RENAMED.get(registry, {})
    result = {}
    for name, value in arguments.items():
        if name in parameters:
            result[name] = value
        elif name in renamed:
            result.setdefault(renamed[name], value)
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


def check_options(function: str, options: Mapping[str, object]) -> None:
    """Check what a function takes for scripts written for LaminDB.

    Raises:
        NotHere: An argument of LaminDB asks for what is done otherwise here.
        InvalidArgument: It is neither.
    """
    hints = OPTIONS.get(function, {})
    for name, value in options.items():
        if name in UNNEEDED_OPTIONS:
            continue
        if name not in hints:
            raise InvalidArgument(
                f"{function} takes no argument {name!r}", hint=f"help({function})"
            )
        if value is not None and value != DEFAULTS.get(name):
            raise NotHere(f"{function}(..., {name}=) means nothing here", hint=hints[name])


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
