"""Reading facets: what each says, in our words. What is not as the standard has it is as if it were not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lamin_core.enums import Direction
from lamin_core.ingest.facts import FieldFacts, Fields, JobAttributes, RunDependencyFacts, Traits
from lamin_core.runtime.environment import EnvironmentFacts
from lamin_core.runtime.parent_context import RunReference
from lamin_core.runtime.process import Process
from lamin_core.storage.hashing import Digest
from lamin_core.storage.locations import is_copy_key, is_place, managed_key
from openlineage.lamin.emit.naming import dataset_path
from openlineage.lamin.receive.facet_access import Facets, object_in, objects, text_in

_DEPENDENCY_ROLES = {"pipe", "service", "value", "order"}
_PARENT_FACETS = ("parent", "parentRun")
_OWN_RUN_FACETS = {
    *_PARENT_FACETS,
    *(
        "processing_engine",
        "lamin_run",
        "executionParameters",
        "errorMessage",
        "jobDependencies",
        "tags",
    ),
    *("environmentVariables", "lamin_process", "lamin_doubts", "lamin_features"),
    "lamin_environment",
}
_OWN_DATASET_FACETS = {"lamin_artifact", "version"}


def count(value: Any) -> int | None:
    """A number that a database can hold."""
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
        else None
    )


def facets_of(entity: Any, group: str = "facets") -> Facets:
    """The facets of a run, job or dataset."""
    return object_in(entity, group) if isinstance(entity, dict) else {}


def is_deleted(facet: Any) -> bool:
    """Whether the facet is a tombstone, which removes earlier facts with its name."""
    return facet is None or (isinstance(facet, dict) and facet.get("_deleted") is True)


def merged(stamped: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """The facets that hold in the end."""
    return {name: facet for name, (_, facet) in stamped.items() if not is_deleted(facet)}


def datasets(event: Mapping[str, Any]) -> Iterator[tuple[Direction, dict[str, Any]]]:
    """The datasets that an event lists, each with its side."""
    sides: tuple[Direction, ...] = ("input", "output")
    for direction in sides:
        for dataset in objects(event.get(f"{direction}s")):
            if text_in(dataset, "namespace") and text_in(dataset, "name"):
                yield direction, dataset


def malformed_parts(event: Mapping[str, Any]) -> Iterator[str]:
    """The parts of a run event that do not conform to the standard, and are ignored.

    >>> list(malformed_parts({"inputs": [{"name": "t"}], "outputs": "t", "run": {"facets": {"parent": {}}}}))
    ['inputs[0] is no dataset: its namespace is missing', 'outputs is no list', 'the facet parent names no run and job']
    """
    for side in ("inputs", "outputs"):
        datasets_of_side = event.get(side)
        if not isinstance(datasets_of_side, list):
            if datasets_of_side is not None:
                yield f"{side} is no list"
            continue
        for number, dataset in enumerate(datasets_of_side):
            problem = _problem_of_dataset(dataset)
            if problem is not None:
                yield f"{side}[{number}] is no dataset: {problem}"
    for name in ("run", "job"):
        yield from _malformed_facets(name, event.get(name))
    run_facets = facets_of(event.get("run"))
    for name in _PARENT_FACETS:
        facet = run_facets.get(name)
        if isinstance(facet, dict) and not (is_deleted(facet) or _names_a_run(facet)):
            yield f"the facet {name} names no run and job"


def _problem_of_dataset(dataset: Any) -> str | None:
    if not isinstance(dataset, dict):
        return "it is no object"
    for field in ("namespace", "name"):
        if not text_in(dataset, field):
            return f"its {field} is missing"
    return None


def _malformed_facets(owner_name: str, entity: Any) -> Iterator[str]:
    facets = entity.get("facets") if isinstance(entity, dict) else None
    if facets is None:
        return
    if not isinstance(facets, dict):
        yield f"the facets of the {owner_name} are no object"
        return
    for name, facet in facets.items():
        if facet is not None and not isinstance(facet, dict):
            yield f"the facet {name[:100]} is no object"


def parent_facet(run: Facets) -> Facets:
    """The facet that names the parent run; older producers call it `parentRun` (OpenLineage/OpenLineage#1866)."""
    first, old = _PARENT_FACETS
    return object_in(run, first) or object_in(run, old)


def _names_a_run(facet: Facets) -> bool:
    job = object_in(facet, "job")
    is_job = text_in(job, "namespace") is not None and text_in(job, "name") is not None
    return is_job and text_in(object_in(facet, "run"), "runId") is not None


def identity(facets: Facets) -> tuple[str | None, str | None]:
    """The identity of the version: our content hash, else the version of the producer."""
    own = object_in(facets, "lamin_artifact")
    value = text_in(own, "hash")
    if value is not None:
        return (text_in(own, "hash_type") or "unknown")[:32], value[:128]
    version = text_in(object_in(facets, "version"), "datasetVersion")
    return (None, None) if version is None else ("version", version[:128])


def other_names(facets: Facets) -> Iterator[str]:
    """The paths of the same dataset under its other names."""
    for row in objects(object_in(facets, "symlinks").get("identifiers")):
        namespace, name = text_in(row, "namespace"), text_in(row, "name")
        if namespace and name:
            yield dataset_path(namespace, name)


def change(facets: Facets) -> str | None:
    """The lifecycle change of the dataset: `create`, `overwrite`, `alter`, `truncate`, `rename` or `drop`."""
    state = text_in(object_in(facets, "lifecycleStateChange"), "lifecycleStateChange")
    return None if state is None else state.lower()[:32]


def renamed_from(facets: Facets) -> str | None:
    """The path that a renamed dataset had before."""
    previous = object_in(object_in(facets, "lifecycleStateChange"), "previousIdentifier")
    namespace, name = text_in(previous, "namespace"), text_in(previous, "name")
    if change(facets) != "rename" or namespace is None or name is None:
        return None
    return dataset_path(namespace, name)


def traits(facets: Facets) -> Traits | None:
    """The facts of a version in the facets of a dataset, except its content."""
    result = Traits(
        fields=_fields(object_in(facets, "schema")),
        checked_schema=text_in(object_in(facets, "lamin_features"), "schema"),
        n_observations=_rows(facets),
        description=text_in(object_in(facets, "documentation"), "description"),
        labels=labels(facets),
        owner=owner(facets),
        features=features(facets),
        real_key=real_key(facets),
    )
    return None if result == Traits() else result


def real_key(facets: Facets) -> str | None:
    """The path of the copy in a registry; None if there is none or it is not a valid path of a copy.

    Whoever sends an event could name any file of the user otherwise, to be read, or removed as a
    copy. The name of a copy follows from its content, so that nobody can name the copy of somebody
    else either.

    >>> real_key({"lamin_artifact": {"real_key": "raw/old.csv"}})
    'raw/old.csv'
    >>> real_key({"lamin_artifact": {"real_key": ".lamindb/../../.ssh/config"}})
    """
    own = object_in(facets, "lamin_artifact")
    real_key = text_in(own, "real_key")
    if real_key is None or not is_place(real_key):
        return None
    if is_copy_key(real_key) and not _is_copy_of(own, real_key):
        return None
    return real_key


def _is_copy_of(own: Facets, real_key: str) -> bool:
    """Whether this is the name of the copy of the content in the same facet."""
    value, size = text_in(own, "hash"), count(own.get("size"))
    if value is None or size is None:
        return False
    name = managed_key(Digest(text_in(own, "hash_type") or "", value, size), "")
    return real_key == name or real_key.startswith(f"{name}.")


def has_refused_place(facets: Facets) -> bool:
    """Whether it names a place of a copy that cannot be one."""
    return (
        text_in(object_in(facets, "lamin_artifact"), "real_key") is not None
        and real_key(facets) is None
    )


def labels(facets: Facets) -> tuple[tuple[str, str], ...] | None:
    """Key and value of each tag of the dataset, without tags of single columns. None if there is no facet of tags.

    >>> labels({"tags": {"tags": [{"key": "team", "value": "core"}, {"key": "pii", "field": "name"}]}})
    (('team', 'core'),)
    """
    if "tags" not in facets:
        return None
    return tuple(
        sorted(
            {
                (str(row["key"]), row["value"] if isinstance(row.get("value"), str) else "")
                for row in objects(object_in(facets, "tags").get("tags"))
                if text_in(row, "key") and not row.get("field")
            }
        )
    )


def owner(facets: Facets) -> str | None:
    """The first owner that is named."""
    named = (text_in(row, "name") for row in objects(object_in(facets, "ownership").get("owners")))
    return next((name for name in named if name), None)


def features(facets: Facets) -> dict[str, Any] | None:
    """The values of features of a dataset or run, by name; None if there is no facet of them.

    >>> features({"lamin_features": {"values": {"rows": 3}}})
    {'rows': 3}
    """
    if "lamin_features" not in facets:
        return None
    values = object_in(object_in(facets, "lamin_features"), "values")
    return {name: value for name, value in values.items() if name}


def job_attributes(facets: Facets) -> JobAttributes:
    """The facts of all versions of a job in its facets.

    >>> job_attributes({"jobType": {"jobType": "TASK"}, "documentation": {"description": "Aligns."}})
    JobAttributes(kind='task', description='Aligns.', reference=None, ...)
    """
    location = object_in(facets, "sourceCodeLocation")
    return JobAttributes(
        kind=(text_in(object_in(facets, "jobType"), "jobType") or "pipeline").lower()[:32],
        description=text_in(object_in(facets, "documentation"), "description"),
        reference=text_in(location, "url"),
        reference_type=text_in(location, "type"),
        labels=labels(facets),
        owner=owner(facets),
        previous_name=text_in(object_in(facets, "lamin_job"), "previousName"),
    )


def _rows(facets: Facets) -> int | None:
    row_count = count(object_in(facets, "outputStatistics").get("rowCount"))
    return (
        count(object_in(facets, "lamin_artifact").get("n_observations"))
        if row_count is None
        else row_count
    )


def storage_root(event: Mapping[str, Any]) -> str | None:
    """The root of a storage in a dataset event: not a dataset, but the folder to which keys are relative."""
    dataset = object_in(event, "dataset")
    if "lamin_storage" not in facets_of(dataset):
        return None
    namespace, name = text_in(dataset, "namespace"), text_in(dataset, "name")
    return dataset_path(namespace, name) if namespace and name else None


def schemas(facets: Facets) -> Iterator[Fields]:
    """The columns of a dataset, if there is a facet of them."""
    fields = _fields(object_in(facets, "schema"))
    if fields is not None:
        yield fields


def _fields(schema: Facets) -> Fields | None:
    named = [
        FieldFacts(str(row["name"]), text_in(row, "type"), text_in(row, "description"))
        for row in objects(schema.get("fields"))
        if text_in(row, "name")
    ]
    return tuple(named) or None


def other_facets(facets: Facets) -> dict[str, Any]:
    """The facets that are kept as they are."""
    return {name: facet for name, facet in facets.items() if name not in _OWN_DATASET_FACETS}


def engine(namespace: str, run: Facets, job: Facets) -> str:
    """Which engine ran it."""
    named = text_in(object_in(run, "processing_engine"), "name") or text_in(
        object_in(job, "jobType"), "integration"
    )
    return (named or namespace).lower()[:64]


def params(run: Facets) -> dict[str, Any] | None:
    """The parameters of a run."""
    own = object_in(run, "lamin_run").get("params")
    if isinstance(own, dict):
        return dict(own) or None
    rows = objects(object_in(run, "executionParameters").get("parameters"))
    return {str(row["key"]): row.get("value") for row in rows if "key" in row} or None


def doubts(run: Facets) -> Iterator[str]:
    """The facts of the engine that the producer itself doubts.

    >>> list(doubts({"lamin_doubts": {"doubts": ["it did not publish 'a.txt'", 3]}}))
    ["it did not publish 'a.txt'"]
    """
    texts = object_in(run, "lamin_doubts").get("doubts")
    for text in texts if isinstance(texts, list) else ():
        if isinstance(text, str):
            yield text


def process(run: Facets) -> Process | None:
    """The process that sends the events of this run.

    >>> process({"lamin_process": {"host": "node1", "pid": 7}})
    Process(host='node1', pid=7, birth=None)
    """
    facet = object_in(run, "lamin_process")
    host, pid = text_in(facet, "host"), count(facet.get("pid"))
    return Process(host, pid, text_in(facet, "birth")) if host and pid and pid < 1 << 31 else None


def environment(run: Facets) -> EnvironmentFacts | None:
    """The packages that were installed where the run was executed.

    >>> facets = {"lamin_environment": {"platform": "docker://alpine", "conda": {"samtools": "1.17", "x": 2}}}
    >>> environment(facets)
    EnvironmentFacts(python='', platform='docker://alpine', packages={}, conda={'samtools': '1.17'}, locks={})
    """
    facet = object_in(run, "lamin_environment")
    if not facet:
        return None
    parts = [_texts(facet, name) for name in ("packages", "conda", "locks")]
    return EnvironmentFacts(
        text_in(facet, "python") or "", text_in(facet, "platform") or "", *parts
    )


def _texts(facet: Facets, name: str) -> dict[str, str]:
    return {key: value for key, value in object_in(facet, name).items() if isinstance(value, str)}


def started_at(own: Facets) -> datetime | None:
    """The start of a run without a START event, from the facet `lamin_run`.

    >>> started_at({"startedAt": "2026-01-05T10:00:00Z"}).isoformat()
    '2026-01-05T10:00:00+00:00'
    >>> started_at({"startedAt": "soon"}) is None
    True
    """
    try:
        time = datetime.fromisoformat(text_in(own, "startedAt") or "")
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None


def error(run: Facets) -> str | None:
    """Why it failed."""
    return text_in(object_in(run, "errorMessage"), "message")


def details(run: Facets) -> dict[str, Any]:
    """Further facts of a run: the engine's own details, and facets without a field."""
    result = dict(object_in(object_in(run, "lamin_run"), "details"))
    engine_facet = object_in(run, "processing_engine")
    result |= _optional_item("adapter_version", text_in(engine_facet, "openlineageAdapterVersion"))
    result |= _optional_item("trace", text_in(object_in(run, "errorMessage"), "stackTrace"))
    rows = objects(object_in(run, "environmentVariables").get("environmentVariables"))
    result |= _optional_item(
        "environment_variables",
        {str(row["name"]): row.get("value") for row in rows if "name" in row},
    )
    result |= _optional_item(
        "facets", {name: facet for name, facet in run.items() if name not in _OWN_RUN_FACETS}
    )
    return result


def _optional_item(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def link(run_id: str, facet: Facets) -> RunReference | None:
    """The run that a facet names; some producers name the run itself as its parent, which is ignored."""
    other = text_in(object_in(facet, "run"), "runId")
    namespace, name = (text_in(object_in(facet, "job"), field) for field in ("namespace", "name"))
    if other is None or namespace is None or name is None:
        return None
    other = run_key(other)
    return None if other == run_id or len(other) > 128 else RunReference(other, namespace, name)


def run_key(run_id: str) -> str:
    """The run id as the registry knows it: UUIDs in lower case.

    >>> run_key("0194E0A0-0000-7000-8000-000000000000"), run_key("Scheduled__1")
    ('0194e0a0-0000-7000-8000-000000000000', 'Scheduled__1')
    """
    lowered = run_id.lower()
    is_uuid = len(lowered) == 36 and lowered.replace("-", "").isalnum() and lowered.count("-") == 4
    return lowered if is_uuid else run_id


def dependencies(run_id: str, run: Facets) -> Iterator[RunDependencyFacts]:
    """The runs that this one waited for: control flow, never data lineage."""
    for row in objects(object_in(run, "jobDependencies").get("upstream")):
        upstream = link(run_id, row)
        if upstream is not None:
            role = row.get("dependency_type")
            yield RunDependencyFacts(upstream, role if role in _DEPENDENCY_ROLES else "order")
