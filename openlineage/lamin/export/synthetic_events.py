"""Records that users made in a registry, in Python or the command line, as OpenLineage events.

Storages and artifacts become dataset events, transforms that never ran job events, tracked runs run
events. Everything is read in pages: a registry may be larger than the memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import Session, aliased

from lamin_core.db.statements import parts, select_in
from lamin_core.enums import RunStatus
from lamin_core.models import (
    Artifact,
    ArtifactSchema,
    ArtifactULabel,
    Base,
    Content,
    Environment,
    Feature,
    RunArtifact,
    RunDependency,
    RunULabel,
    SchemaFeature,
    Storage,
    Transform,
    TransformULabel,
    ULabel,
    User,
)
from lamin_core.models import Event as Row
from lamin_core.models import Run as RunRow
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.runtime.process import Process
from lamin_core.storage.locations import outer_root
from openlineage.lamin.emit import events, facets
from openlineage.lamin.emit.events import Dataset, Dependency, Event, Job, Run, RunReference
from openlineage.lamin.emit.naming import dataset_name

M = TypeVar("M", bound=Base)
_PAGE = 500


def storages(session: Session, *, with_copies: bool) -> Iterator[Event]:
    """The roots of registered storages with files: keys are relative to them.

    Those with what people saved are one half, those with only what events told of are the other.
    """
    used = exists().where(Artifact.storage_id == Storage.id)
    saved = exists().where(Artifact.storage_id == Storage.id, Artifact.origin == "api")
    half = saved if with_copies else used & ~saved
    for storage in session.scalars(select(Storage).where(half).order_by(Storage.id)):
        if storage.root != outer_root(f"{storage.root.rstrip('/')}/x"):
            storage_facets = {"lamin_storage": facets.lamin_storage(storage.root)}
            yield events.describe(
                Dataset(*dataset_name(storage.root), facets=storage_facets), storage.created_at
            )


def artifacts(session: Session) -> Iterator[Event]:
    """Artifacts that users saved, and the annotations of others by users."""
    labelled = exists().where(
        ArtifactULabel.artifact_id == Artifact.id, ArtifactULabel.origin == "api"
    )
    fitted = exists().where(
        ArtifactSchema.artifact_id == Artifact.id, ArtifactSchema.origin == "api"
    )
    for page in _pages(session, Artifact, or_(Artifact.origin == "api", labelled, fitted)):
        datasets = _Datasets(session, [artifact.id for artifact in page])
        for artifact in page:
            yield events.describe(datasets.described(artifact), artifact.created_at)


def jobs(session: Session) -> Iterator[Event]:
    """Transforms that users saved and that never ran, and the annotations of others by users."""
    ran = exists().where(RunRow.transform_id == Transform.id)
    labelled = exists().where(
        TransformULabel.transform_id == Transform.id, TransformULabel.origin == "api"
    )
    for page in _pages(session, Transform, or_((Transform.origin == "api") & ~ran, labelled)):
        described = _Jobs(session, [transform.id for transform in page])
        for transform in page:
            yield events.declare(described.of(transform), transform.created_at)


def runs(session: Session) -> Iterator[Event]:
    """Runs tracked by Python, which have no events."""
    has_events = exists().where(Row.run_id == RunRow.external_id)
    for page in _pages(session, RunRow, (RunRow.origin == "api") & ~has_events):
        described = _Runs(session, page)
        for row in page:
            yield from described.story(row)


def _pages(session: Session, model: type[M], where: ColumnElement[bool]) -> Iterator[Sequence[M]]:
    last = 0
    identity: Any = model.id  # type: ignore[attr-defined]
    while page := session.scalars(
        select(model).where(where, identity > last).order_by(identity).limit(_PAGE)
    ).all():
        yield page
        last = page[-1].id  # type: ignore[attr-defined]
        session.expunge_all()


def _labels(
    session: Session, link: Any, column: Any, ids: Collection[int]
) -> dict[int, list[facets.Tag]]:
    """The labels of each of these, as tags."""
    group = aliased(ULabel)
    query = (
        select(column.label("owner"), ULabel.name, group.name.label("group"))
        .join(ULabel, link.ulabel_id == ULabel.id)
        .outerjoin(group, ULabel.type_id == group.id)
    )
    tags_by_owner: defaultdict[int, set[facets.Tag]] = defaultdict(set)
    for row in select_in(session, query, column, ids):
        tags_by_owner[row.owner].add((row.name, "") if row.group is None else (row.group, row.name))
    return {identity: sorted(labels) for identity, labels in tags_by_owner.items()}


def _handles(session: Session, kind: Any, ids: Collection[int]) -> dict[int, str]:
    query = select(kind.id, User.handle).join(User, kind.created_by_id == User.id)
    return {row.id: row.handle for row in select_in(session, query, kind.id, ids)}


class _Datasets:
    """Artifacts as datasets; `described` with all of their facts."""

    def __init__(self, session: Session, ids: Collection[int]) -> None:
        query = select(
            Artifact.id,
            Content.hash,
            Content.hash_type,
            Content.size,
            Content.n_files,
            Storage.root,
        ).join(Storage, Artifact.storage_id == Storage.id)
        rows = select_in(
            session, query.outerjoin(Content, Artifact.content_id == Content.id), Artifact.id, ids
        )
        self._contents = {row.id: row for row in rows}
        self._labels = _labels(session, ArtifactULabel, ArtifactULabel.artifact_id, ids)
        self._owners = _handles(session, Artifact, ids)
        self._fields = self._found_fields(session, ids)

    @staticmethod
    def _found_fields(
        session: Session, ids: Collection[int]
    ) -> dict[int, list[tuple[str, str, str | None]]]:
        query = (
            select(ArtifactSchema.artifact_id, Feature.name, Feature.dtype, Feature.description)
            .join(SchemaFeature, SchemaFeature.schema_id == ArtifactSchema.schema_id)
            .join(Feature, SchemaFeature.feature_id == Feature.id)
            .order_by(ArtifactSchema.artifact_id, ArtifactSchema.slot, SchemaFeature.position)
        )
        fields_by_artifact: defaultdict[int, dict[str, tuple[str, str, str | None]]] = defaultdict(
            dict
        )
        for row in select_in(session, query, ArtifactSchema.artifact_id, ids):
            fields_by_artifact[row.artifact_id].setdefault(
                row.name, (row.name, row.dtype, row.description)
            )
        return {identity: list(fields.values()) for identity, fields in fields_by_artifact.items()}

    def named(self, artifact: Artifact, role: str | None = None) -> Dataset:
        """The name and the content of an artifact. A key is its name, independently of its copies."""
        content = self._contents[artifact.id]
        path = f"{content.root.rstrip('/')}/{artifact.key or artifact.real_key or ''}"
        return Dataset(
            *dataset_name(path),
            hash=content.hash,
            hash_type=content.hash_type,
            size=None if content.size == UNKNOWN_SIZE else content.size,
            n_files=content.n_files,
            role=role,
            n_observations=artifact.n_observations,
            real_key=artifact.real_key,
        )

    def described(self, artifact: Artifact) -> Dataset:
        """The artifact as a dataset with its facts."""
        dataset_facets: dict[str, Any] = {}
        if artifact.origin == "api":
            dataset_facets["lifecycleStateChange"] = facets.saved(artifact.number == 0)
        if artifact.description:
            dataset_facets["documentation"] = facets.dataset_documentation(artifact.description)
        if artifact.id in self._labels:
            dataset_facets["tags"] = facets.tags("Dataset", self._labels[artifact.id])
        if artifact.id in self._fields:
            dataset_facets["schema"] = facets.schema(self._fields[artifact.id])
        if artifact.id in self._owners:
            dataset_facets["ownership"] = facets.ownership("Dataset", self._owners[artifact.id])
        named = self.named(artifact)
        return Dataset(
            **{**{name: getattr(named, name) for name in named.__slots__}, "facets": dataset_facets}
        )


class _Jobs:
    """Transforms as jobs."""

    def __init__(self, session: Session, ids: Collection[int]) -> None:
        self._labels = _labels(session, TransformULabel, TransformULabel.transform_id, ids)
        self._owners = _handles(session, Transform, ids)

    def of(self, code: Transform, git: Any = None) -> Job:
        """The transform as a job with its facts; `git` is the location of its repository at the time of the run."""
        job_facets: dict[str, Any] = {}
        if code.id in self._labels:
            job_facets["tags"] = facets.tags("Job", self._labels[code.id])
        if code.id in self._owners:
            job_facets["ownership"] = facets.ownership("Job", self._owners[code.id])
        git_details = git if isinstance(git, dict) else {}
        return Job(
            code.namespace,
            code.key,
            code.kind or "function",
            source=code.source_code,
            language=code.language,
            description=code.description,
            location=code.reference or git_details.get("remote"),
            commit=git_details.get("commit"),
            repository=git_details.get("remote"),
            branch=git_details.get("branch"),
            facets=job_facets,
        )


class _Runs:
    """A page of tracked runs, with all that belongs to them."""

    def __init__(self, session: Session, page: Sequence[RunRow]) -> None:
        self._session = session
        ids = [row.id for row in page]
        self._transforms = _by_id(session, Transform, {row.transform_id for row in page})
        self._jobs = _Jobs(session, self._transforms)
        self._environments = _by_id(
            session, Environment, {row.environment_id for row in page} - {None}
        )
        self._labels = _labels(session, RunULabel, RunULabel.run_id, ids)
        query = select(RunArtifact).order_by(RunArtifact.observed_at, RunArtifact.id)
        self._edges: defaultdict[int, list[RunArtifact]] = defaultdict(list)
        for edge in _entities(session, query, RunArtifact.run_id, ids):
            self._edges[edge.run_id].append(edge)
        used = {edge.artifact_id for edges in self._edges.values() for edge in edges}
        self._artifacts = _by_id(session, Artifact, used)
        self._datasets = _Datasets(session, used)
        self._waited: defaultdict[int, list[Dependency]] = defaultdict(list)
        for dependency in _entities(session, select(RunDependency), RunDependency.run_id, ids):
            self._waited[dependency.run_id].append(
                Dependency(self._reference(dependency.source_id)[0], dependency.role)
            )

    def story(self, row: RunRow) -> Iterator[Event]:
        """The events of a run: its start, its inputs and outputs at their times, and its end if it has ended."""
        run = self._described(row)
        if row.status == RunStatus.SCHEDULED:
            yield events.schedule(run, row.created_at)
            return
        yield events.start(run, row.started_at or row.created_at)
        for at, edges in _by_time(self._edges[row.id]).items():
            inputs = [self._dataset(edge) for edge in edges if edge.direction == "input"]
            outputs = [self._dataset(edge) for edge in edges if edge.direction == "output"]
            yield events.running(run, at, inputs, outputs)
        if row.finished_at is None:
            return
        if row.status == RunStatus.COMPLETED:
            yield events.complete(run, row.finished_at)
        elif row.status == RunStatus.FAILED:
            yield events.fail(
                run, row.finished_at, row.error or "failed", trace=(row.details or {}).get("trace")
            )
        else:
            yield events.abort(run, row.finished_at, row.error or row.status)

    def _dataset(self, edge: RunArtifact) -> Dataset:
        return self._datasets.named(self._artifacts[edge.artifact_id], edge.role)

    def _described(self, row: RunRow) -> Run:
        details = dict(row.details or {})
        parent, root = (None, None) if row.parent_id is None else self._reference(row.parent_id)
        run_facets: dict[str, Any] = {}
        if row.id in self._labels:
            run_facets["tags"] = facets.tags("Run", self._labels[row.id])
        if row.environment_id is not None:
            environment = self._environments[row.environment_id]
            run_facets["lamin_environment"] = facets.lamin_environment(
                environment.python,
                environment.platform,
                environment.packages,
                environment.conda,
                environment.locks,
            )
        is_lost = row.status == RunStatus.LOST
        if is_lost and row.error:
            run_facets["errorMessage"] = facets.error_message(row.error, None)
        details |= {
            name: value for name in ("description", "reference") if (value := getattr(row, name))
        }
        details.pop("trace", None)
        return Run(
            row.external_id,
            self._jobs.of(self._transforms[row.transform_id], details.get("git")),
            row.engine,
            row.engine_version or "",
            name=row.name,
            parent=parent,
            root=root,
            params=row.params or {},
            attempt=row.attempt,
            cached=row.cached,
            dependencies=self._waited[row.id],
            details=details,
            process=None
            if row.host is None or row.pid is None
            else Process(row.host, row.pid, row.process_birth),
            is_lost=is_lost,
            facets=run_facets,
        )

    def _reference(self, run_id: int) -> tuple[RunReference, RunReference]:
        """The run with this primary key, and the outermost one above it."""
        query = select(
            RunRow.external_id, Transform.namespace, Transform.key, RunRow.parent_id
        ).join(Transform, RunRow.transform_id == Transform.id)
        own = row = self._session.execute(query.where(RunRow.id == run_id)).one()
        seen = {run_id}
        while row.parent_id is not None and row.parent_id not in seen:
            seen.add(row.parent_id)
            row = self._session.execute(query.where(RunRow.id == row.parent_id)).one()
        return RunReference(*own[:3]), RunReference(*row[:3])


def _by_id(session: Session, model: type[M], ids: Collection[Any]) -> dict[int, M]:
    identity: Any = model.id  # type: ignore[attr-defined]
    return {row.id: row for row in _entities(session, select(model), identity, ids)}


def _entities(
    session: Session, query: Select[tuple[M]], column: Any, ids: Collection[Any]
) -> Iterator[Any]:
    for part in parts(ids):
        yield from session.scalars(query.where(column.in_(part)))


def _by_time(edges: Sequence[RunArtifact]) -> dict[Any, list[RunArtifact]]:
    grouped: defaultdict[Any, list[RunArtifact]] = defaultdict(list)
    for edge in edges:
        grouped[edge.observed_at].append(edge)
    return grouped
