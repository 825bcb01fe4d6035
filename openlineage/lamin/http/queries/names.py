"""What things are called from outside: datasets by namespace and name, and the ids of nodes in a graph."""

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
from lamin_core.storage.locations import MANAGED
from lamin_core.uids import VERSION_LENGTH
from openlineage.lamin.emit.naming import dataset_path, is_local
from openlineage.lamin.receive.facet_reader import run_key

MAX_COLONS = 50
# Names that are paths on a file system begin with a slash; those of objects and tables do not.
_FILE_SYSTEMS = {"hdfs", "viewfs", "abfs", "abfss", "wasb", "wasbs", "dbfs", "ftp", "sftp", "ssh", "webhdfs"}


@dataclass(frozen=True, slots=True)
class Name:
    """Namespace and name, of a job or a dataset."""

    namespace: str
    name: str

    def as_json(self) -> dict[str, str]:
        """For JSON."""
        return {"namespace": self.namespace, "name": self.name}


def dataset_of(root: str, key: str | None, stem: str) -> Name:
    """What the series with this key under this root is called.

    >>> dataset_of("/", "data/a.csv", "x"), dataset_of("s3://bucket", "raw/a.csv", "x")
    (Name(namespace='file', name='/data/a.csv'), Name(namespace='s3://bucket', name='raw/a.csv'))
    >>> dataset_of("dataset://ware%20house", "orders", "x"), dataset_of("hdfs://nn:8020", "tmp/a", "x")
    (Name(namespace='ware house', name='orders'), Name(namespace='hdfs://nn:8020', name='/tmp/a'))
    """
    return name_of(f"{root.rstrip('/')}/{key or f'{MANAGED}/{stem}'}")


def name_of(path: str) -> Name:
    """What the dataset at this path or URL is called; the way back from `dataset_path`."""
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
    return dataset_of(root, "x", "").namespace == ("file" if is_local(namespace) else namespace)


def series_of(session: Session, namespace: str, name: str) -> int:
    """The series of this dataset. Raises `NotFound`."""
    found = _first_series(session, [Name(namespace, name)])
    if found is None:
        raise NotFound(f"no dataset {name!r} in {namespace!r}", hint="GET /api/v1/namespaces/{namespace}/datasets")
    return found[1]


def job_of(session: Session, namespace: str, name: str) -> int:
    """The series of this job. Raises `NotFound`."""
    found = _first_job(session, [Name(namespace, name)])
    if found is None:
        raise NotFound(f"no job {name!r} in {namespace!r}", hint="GET /api/v1/namespaces/{namespace}/jobs")
    return found


def run_of(session: Session, identity: str) -> Run:
    """The run with this OpenLineage run id, or this uid. Raises `NotFound`."""
    wanted = or_(Run.external_id == run_key(identity), Run.uid == identity)
    found = session.scalars(select(Run).where(wanted).limit(1)).first()
    if found is None:
        raise NotFound(f"no run {identity!r}", hint="GET /api/v1/runs lists them")
    return found


def version_of(session: Session, series: int, version: str) -> Artifact:
    """The version of a dataset, by its four characters or its uid. Raises `NotFound`."""
    stem = session.scalar(select(ArtifactSeries.stem).where(ArtifactSeries.id == series))
    wanted = Artifact.uid.in_([version, f"{stem}{version}"])
    found = session.scalar(select(Artifact).where(Artifact.series_id == series, wanted))
    if found is None:
        raise NotFound(f"no version {version!r} of this dataset", hint="GET .../versions lists them")
    return found


@dataclass(frozen=True, slots=True)
class Node:
    """A node to ask lineage of: a series of datasets or jobs by its id, or one version or run."""

    kind: Literal["dataset", "version", "job", "run"]
    id: int


def node_of(session: Session, node_id: str) -> Node:
    """The node with this id: `dataset:NAMESPACE:NAME`, the same with `@VERSION`, `job:NAMESPACE:NAME` or `run:ID`.

    Both parts may hold colons: of all ways to read it, the first that names something. Raises `InvalidArgument` for
    what is no id, `NotFound` for what it does not find.
    """
    kind, _, rest = node_id.partition(":")
    if kind not in ("dataset", "job", "run") or not rest:
        raise InvalidArgument(f"nodeId {node_id[:100]!r} is none", hint="dataset:NS:NAME, job:NS:NAME or run:ID")
    if kind == "run":
        return Node("run", run_of(session, rest).id)
    readings = list(_readings(rest))
    node = _job_node(session, readings) if kind == "job" else _dataset_node(session, readings)
    if node is None:
        raise NotFound(f"no {kind} is called {rest[:200]!r}", hint=f"GET /api/v1/namespaces, then .../{kind}s")
    return node


def _readings(text: str) -> Iterator[Name]:
    """Every way to read NAMESPACE:NAME."""
    parts = text.split(":")
    if len(parts) < 2 or len(parts) > MAX_COLONS:
        raise InvalidArgument(f"nodeId {text[:100]!r} is no NAMESPACE:NAME", hint="dataset:file:/data/a.csv, say")
    for cut in range(1, len(parts)):
        namespace, name = ":".join(parts[:cut]), ":".join(parts[cut:])
        if namespace and name:
            yield Name(namespace, name)


def _job_node(session: Session, readings: list[Name]) -> Node | None:
    found = _first_job(session, readings)
    return None if found is None else Node("job", found)


def _first_job(session: Session, readings: list[Name]) -> int | None:
    wanted = [and_(TransformSeries.namespace == one.namespace, TransformSeries.key == one.name) for one in readings]
    rows = session.execute(
        select(TransformSeries.namespace, TransformSeries.key, TransformSeries.id).where(_any_of(wanted))
    )
    found = {Name(namespace, key): identity for namespace, key, identity in rows}
    return next((found[one] for one in readings if one in found), None)


def _dataset_node(session: Session, readings: list[Name]) -> Node | None:
    """A name that holds an `@` is a name first, a version second."""
    found = _first_series(session, readings)
    if found is not None:
        return Node("dataset", found[1])
    versioned = [
        (Name(one.namespace, name), version)
        for one in readings
        for mark in "@#"
        for name, _, version in [one.name.rpartition(mark)]
        if name and len(version) >= VERSION_LENGTH
    ]
    found = _first_series(session, [name for name, _ in versioned])
    if found is None:
        return None
    version = next(version for name, version in versioned if name == found[0])
    return Node("version", version_of(session, found[1], version).id)


def _first_series(session: Session, readings: list[Name]) -> tuple[Name, int] | None:
    """The first of these names that is a dataset's, and its series; of several roots that hold it, the longest."""
    roots = session.execute(select(Storage.id, Storage.root)).all()
    paths = {one: dataset_path(one.namespace, one.name) for one in readings}
    aliases = canonical(session, set(paths.values()))
    places = [
        (one, storage, path[len(root.rstrip("/")) + 1 :])
        for one in readings
        for path in [aliases.get(paths[one], paths[one])]
        for storage, root in sorted(roots, key=lambda row: -len(row.root))
        if path.startswith(root.rstrip("/") + "/")
    ]
    wanted = [_in_place(storage, key) for _, storage, key in places]
    rows = session.scalars(select(ArtifactSeries).where(_any_of(wanted))).all()
    found = {(row.storage_id, key): row.id for row in rows for key in (row.key, f"{MANAGED}/{row.stem}")}
    return next(
        ((one, found[storage, key]) for one, storage, key in places if (storage, key) in found),
        None,
    )


def _in_place(storage: int, key: str) -> ColumnElement[bool]:
    if key.startswith(f"{MANAGED}/"):
        stem = key.removeprefix(f"{MANAGED}/")
        return and_(ArtifactSeries.storage_id == storage, ArtifactSeries.stem == stem, ArtifactSeries.key.is_(None))
    return and_(ArtifactSeries.storage_id == storage, ArtifactSeries.key == key)


def _any_of(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    return or_(false(), *conditions)
