"""Questions about datasets and their versions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, or_, select
from sqlalchemy.orm import Session, defer

from lamin_core.errors import NotFound
from lamin_core.models import (
    Artifact,
    ArtifactSeries,
    ArtifactULabel,
    Content,
    Run,
    RunArtifact,
    Storage,
    ULabel,
)
from openlineage.lamin.http.queries import runs, shapes
from openlineage.lamin.http.queries.names import dataset_of, series_of, storages_of, version_of
from openlineage.lamin.http.queries.shapes import Json, Version


def list_datasets(
    session: Session, *, limit: int, offset: int, namespace: str | None = None
) -> Json:
    """All datasets, or those of one namespace, by storage and key."""
    conditions: list[ColumnElement[bool]] = [Artifact.is_latest.is_(True)]
    if namespace is not None:
        conditions.append(Artifact.storage_id.in_(storages_of(session, namespace)))
    total = session.scalar(select(func.count()).select_from(Artifact).where(*conditions))
    page = session.scalars(
        select(Artifact.series_id)
        .where(*conditions)
        .order_by(Artifact.key, Artifact.storage_id, Artifact.series_id)
        .limit(limit)
        .offset(offset)
    ).all()
    datasets = described(session, page)
    return {
        "datasets": [datasets[series] for series in page if series in datasets],
        "totalCount": total,
    }


def one_dataset(session: Session, *, namespace: str, dataset: str) -> Json:
    """One dataset, as its newest version shows it."""
    matches = list(described(session, [series_of(session, namespace, dataset)]).values())
    if not matches:
        raise NotFound(
            f"no run read or wrote {dataset!r}",
            hint="GET /api/v1/datasets lists those that are there",
        )
    return matches[0]


def dataset_versions(
    session: Session, *, namespace: str, dataset: str, limit: int, offset: int
) -> Json:
    """The versions of a dataset, newest first, each with the run that first made it."""
    condition = Artifact.series_id == series_of(session, namespace, dataset)
    total = session.scalar(select(func.count()).select_from(Artifact).where(condition))
    page = (
        select(Artifact.id)
        .where(condition)
        .order_by(Artifact.number.desc())
        .limit(limit)
        .offset(offset)
    )
    versions = described_versions(session, session.scalars(page).all())
    return {"versions": list(versions.values()), "totalCount": total}


def one_dataset_version(session: Session, *, namespace: str, dataset: str, version: str) -> Json:
    """One version of a dataset."""
    row = version_of(session, series_of(session, namespace, dataset), version)
    return described_versions(session, [row.id])[row.id]


def described(session: Session, series: Iterable[int]) -> dict[int, Json]:
    """These datasets, each as its newest version shows it; one in the trash as the last that it had."""
    ages: dict[int, tuple[datetime, int]] = {}
    heads: list[Version] = []
    for part in runs.chunks(series):
        query = select(Artifact.series_id, func.min(Artifact.created_at), func.count())
        rows = session.execute(
            query.where(Artifact.series_id.in_(part)).group_by(Artifact.series_id)
        )
        ages |= {series_id: (since, count) for series_id, since, count in rows}
        heads += _loaded(session, Artifact.id.in_(_heads(part)))
    facets, labels = _facets(session, heads), _labels(session, heads)
    return {
        version.row.series_id: shapes.dataset(
            version, facets[version.row.id], labels[version.row.id], *ages[version.row.series_id]
        )
        for version in heads
    }


def _heads(series: Sequence[int]) -> Select[tuple[int]]:
    """The latest version of each, else the last one."""
    rank = func.row_number().over(
        partition_by=Artifact.series_id,
        order_by=(Artifact.is_latest.desc(), Artifact.number.desc()),
    )
    ranked = (
        select(Artifact.id, rank.label("place")).where(Artifact.series_id.in_(series)).subquery()
    )
    return select(ranked.c.id).where(ranked.c.place == 1)


def described_versions(session: Session, artifacts: Sequence[int]) -> dict[int, Json]:
    """These versions in this order, each with the run that first made it."""
    loaded = {
        version.row.id: version
        for part in runs.chunks(artifacts)
        for version in _loaded(session, Artifact.id.in_(part))
    }
    versions = [loaded[identity] for identity in artifacts if identity in loaded]
    facets, labels = _facets(session, versions), _labels(session, versions)
    makers = _makers(session, versions)
    return {
        version.row.id: shapes.dataset_version(
            version,
            facets[version.row.id],
            labels[version.row.id],
            makers.get(version.row.run_id or 0),
        )
        for version in versions
    }


def _loaded(session: Session, *conditions: Any) -> list[Version]:
    query = (
        select(Artifact, ArtifactSeries.stem, Storage.root, Content)
        .join(ArtifactSeries, Artifact.series_id == ArtifactSeries.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .where(*conditions)
    )
    return [
        Version(row, dataset_of(root, row.key, stem), root, content)
        for row, stem, root, content in session.execute(query)
    ]


def _makers(session: Session, versions: Iterable[Version]) -> dict[int, Json]:
    run_ids = {version.row.run_id for version in versions if version.row.run_id is not None}
    query = select(Run).options(defer(Run.details))
    rows = [
        row
        for part in runs.chunks(run_ids)
        for row in session.scalars(query.where(Run.id.in_(part)))
    ]
    return dict(zip([row.id for row in rows], runs.described(session, rows), strict=True))


def _facets(session: Session, versions: Iterable[Version]) -> Mapping[int, dict[str, Any]]:
    """The facets of each version: of the run that made it, else of its last reader, and of dataset events."""
    maker = (RunArtifact.run_id == Artifact.run_id) | Artifact.run_id.is_(None)
    query = (
        select(Artifact.id, RunArtifact.facets)
        .join(
            RunArtifact,
            or_(
                RunArtifact.id == _last(maker),
                RunArtifact.id == _last(RunArtifact.run_id.is_(None)),
            ),
        )
        .order_by(RunArtifact.observed_at, RunArtifact.id)
    )
    facets_by_version: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for part in runs.chunks(version.row.id for version in versions):
        for identity, facets in session.execute(query.where(Artifact.id.in_(part))):
            facets_by_version[identity].update(facets or {})
    return facets_by_version


def _last(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    """The last edge of an artifact of which this is true."""
    last = select(func.max(RunArtifact.id)).where(RunArtifact.artifact_id == Artifact.id, condition)
    return last.correlate(Artifact).scalar_subquery()


def _labels(session: Session, versions: Iterable[Version]) -> Mapping[int, set[str]]:
    artifact_ids = [version.row.id for version in versions]
    query = select(ArtifactULabel.artifact_id, ULabel.name).join(
        ULabel, ArtifactULabel.ulabel_id == ULabel.id
    )
    labels_by_artifact: defaultdict[int, set[str]] = defaultdict(set)
    for part in runs.chunks(artifact_ids):
        for identity, name in session.execute(query.where(ArtifactULabel.artifact_id.in_(part))):
            labels_by_artifact[identity].add(name)
    return labels_by_artifact
