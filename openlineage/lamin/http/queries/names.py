"""Names in the API: datasets by namespace and name, and the ids of nodes in a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.ingest.aliases import canonical
from lamin_core.models import Artifact, ArtifactSeries, Run, Storage, TransformSeries
from lamin_core.storage.canonical_urls import canonical_url
from lamin_core.storage.locations import MANAGED
from lamin_core.uids import VERSION_LENGTH
from openlineage.lamin.emit.naming import canonical_namespace, dataset_path
from openlineage.lamin.receive.facet_reader import run_key

MAX_COLONS = 50
# Names that are paths on a file system begin with a slash; those of objects and tables do not.
_FILE_SYSTEMS = {
    "file",
    "hdfs",
    "viewfs",
    "abfs",
    "abfss",
    "wasb",
    "wasbs",
    "dbfs",
    "ftp",
    "sftp",
    "ssh",
    "webhdfs",
}


@dataclass(frozen=True, slots=True)
class Name:
    """Namespace and name, of a job or a dataset."""

    namespace: str
    name: str

    def as_json(self) -> dict[str, str]:
        """For JSON."""
        return {"namespace": self.namespace, "name": self.name}


def dataset_of(root: str, key: str | None, stem: str) -> Name:
    """The name of the series with this key under this root.

    >>> dataset_of("/", "data/a.csv", "x"), dataset_of("s3://bucket", "raw/a.csv", "x")
    (Name(namespace='file', name='/data/a.csv'), Name(namespace='s3://bucket', name='raw/a.csv'))
    >>> dataset_of("dataset://ware%20house", "orders", "x"), dataset_of("hdfs://nn:8020", "tmp/a", "x")
    (Name(namespace='ware house', name='orders'), Name(namespace='hdfs://nn:8020', name='/tmp/a'))
    """
    return name_of(f"{root.rstrip('/')}/{key or f'{MANAGED}/{stem}'}")


def name_of(path: str) -> Name:
    """The name of the dataset at this path or URL; the inverse of `dataset_path`."""
    scheme, separator, rest = path.partition("://")
    if not separator:
        return Name("file", path)
    authority, _, name = rest.partition("/")
    if scheme == "dataset":
        return Name(unquote(authority), name)
    return Name(f"{scheme}://{authority}", f"/{name}" if scheme in _FILE_SYSTEMS else name)


def storages_of(session: Session, namespace: str) -> list[int]:
    """The storages whose datasets are in this namespace."""
    rows = session.execute(select(Storage.id, Storage.root))
    return [identity for identity, root in rows if _is_in(root, namespace)]


def _is_in(root: str, namespace: str) -> bool:
    own_namespace = dataset_of(canonical_url(root), "x", "").namespace
    return own_namespace == canonical_namespace(namespace)


def series_of(session: Session, namespace: str, name: str) -> int:
    """The series of this dataset. Raises `NotFound`."""
    match = _first_series(session, [Name(namespace, name)])
    if match is None:
        raise NotFound(
            f"no dataset {name!r} in {namespace!r}",
            hint="GET /api/v1/namespaces/{namespace}/datasets",
        )
    return match[1]


def job_of(session: Session, namespace: str, name: str) -> int:
    """The series of this job. Raises `NotFound`."""
    series_id = _first_job(session, [Name(namespace, name)])
    if series_id is None:
        raise NotFound(
            f"no job {name!r} in {namespace!r}", hint="GET /api/v1/namespaces/{namespace}/jobs"
        )
    return series_id


def run_of(session: Session, identity: str) -> Run:
    """The run with this OpenLineage run id, or this uid. Raises `NotFound`."""
    condition = or_(Run.external_id == run_key(identity), Run.uid == identity)
    run = session.scalars(select(Run).where(condition).limit(1)).first()
    if run is None:
        raise NotFound(f"no run {identity!r}", hint="GET /api/v1/runs lists them")
    return run


def version_of(session: Session, series: int, version: str) -> Artifact:
    """The version of a dataset, by its four characters or its uid. Raises `NotFound`."""
    stem = session.scalar(select(ArtifactSeries.stem).where(ArtifactSeries.id == series))
    condition = Artifact.uid.in_([version, f"{stem}{version}"])
    artifact = session.scalar(select(Artifact).where(Artifact.series_id == series, condition))
    if artifact is None:
        raise NotFound(
            f"no version {version!r} of this dataset", hint="GET .../versions lists them"
        )
    return artifact


@dataclass(frozen=True, slots=True)
class Node:
    """A node to ask lineage of: a series of datasets or jobs by its id, or one version or run."""

    kind: Literal["dataset", "version", "job", "run"]
    id: int


def node_of(session: Session, node_id: str) -> Node:
    """The node with this id: `dataset:NAMESPACE:NAME`, the same with `@VERSION`, `job:NAMESPACE:NAME` or `run:ID`.

    Both parts may hold colons: of all ways to read it, the first that names something. Raises
    `InvalidArgument` for what is no id, `NotFound` for what it does not find.
    """
    kind, _, rest = node_id.partition(":")
    if kind not in ("dataset", "job", "run") or not rest:
        raise InvalidArgument(
            f"not a nodeId: {node_id[:100]!r}", hint="dataset:NS:NAME, job:NS:NAME or run:ID"
        )
    if kind == "run":
        return Node("run", run_of(session, rest).id)
    readings = list(_readings(rest))
    node = _job_node(session, readings) if kind == "job" else _dataset_node(session, readings)
    if node is None:
        raise NotFound(
            f"no {kind} is called {rest[:200]!r}", hint=f"GET /api/v1/namespaces, then .../{kind}s"
        )
    return node


def _readings(text: str) -> Iterator[Name]:
    """Every way to read NAMESPACE:NAME."""
    parts = text.split(":")
    if len(parts) < 2 or len(parts) > MAX_COLONS:
        raise InvalidArgument(
            f"not of the form NAMESPACE:NAME: nodeId {text[:100]!r}",
            hint="dataset:file:/data/a.csv, say",
        )
    for cut in range(1, len(parts)):
        namespace, name = ":".join(parts[:cut]), ":".join(parts[cut:])
        if namespace and name:
            yield Name(namespace, name)


def _job_node(session: Session, readings: list[Name]) -> Node | None:
    series_id = _first_job(session, readings)
    return None if series_id is None else Node("job", series_id)


def _first_job(session: Session, readings: list[Name]) -> int | None:
    conditions = [
        and_(TransformSeries.namespace == reading.namespace, TransformSeries.key == reading.name)
        for reading in readings
    ]
    rows = session.execute(
        select(TransformSeries.namespace, TransformSeries.key, TransformSeries.id).where(
            _any_of(conditions)
        )
    )
    series_by_name = {Name(namespace, key): identity for namespace, key, identity in rows}
    return next(
        (series_by_name[reading] for reading in readings if reading in series_by_name), None
    )


def _dataset_node(session: Session, readings: list[Name]) -> Node | None:
    """A name that holds an `@` is a name first, a version second."""
    match = _first_series(session, readings)
    if match is not None:
        return Node("dataset", match[1])
    versioned = [
        (Name(reading.namespace, name), version)
        for reading in readings
        for separator in "@#"
        for name, _, version in [reading.name.rpartition(separator)]
        if name and len(version) >= VERSION_LENGTH
    ]
    match = _first_series(session, [name for name, _ in versioned])
    if match is None:
        return None
    version = next(version for name, version in versioned if name == match[0])
    return Node("version", version_of(session, match[1], version).id)


def _first_series(session: Session, readings: list[Name]) -> tuple[Name, int] | None:
    """The first of these names that is a dataset's, and its series; of several roots that hold it, the longest."""
    stored_roots = session.execute(select(Storage.id, Storage.root))
    roots = [(identity, canonical_url(root)) for identity, root in stored_roots]
    paths = {reading: dataset_path(reading.namespace, reading.name) for reading in readings}
    aliases = canonical(session, set(paths.values()))
    places = [
        (reading, storage, path[len(root.rstrip("/")) + 1 :])
        for reading in readings
        for path in [aliases.get(paths[reading], paths[reading])]
        for storage, root in sorted(roots, key=lambda row: -len(row[1]))
        if path.startswith(root.rstrip("/") + "/")
    ]
    conditions = [_in_place(storage, key) for _, storage, key in places]
    rows = session.scalars(select(ArtifactSeries).where(_any_of(conditions))).all()
    series_ids = {
        (row.storage_id, key): row.id for row in rows for key in (row.key, f"{MANAGED}/{row.stem}")
    }
    return next(
        (
            (reading, series_ids[storage, key])
            for reading, storage, key in places
            if (storage, key) in series_ids
        ),
        None,
    )


def _in_place(storage: int, key: str) -> ColumnElement[bool]:
    if key.startswith(f"{MANAGED}/"):
        stem = key.removeprefix(f"{MANAGED}/")
        return and_(
            ArtifactSeries.storage_id == storage,
            ArtifactSeries.stem == stem,
            ArtifactSeries.key.is_(None),
        )
    return and_(ArtifactSeries.storage_id == storage, ArtifactSeries.key == key)


def _any_of(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    return or_(false(), *conditions)
