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


def list_datasets(session: Session, *, limit: int, offset: int, namespace: str | None = None) -> Json:
    """All datasets, or those of one namespace, by storage and key."""
    wanted: list[ColumnElement[bool]] = [Artifact.is_latest.is_(True)]
    if namespace is not None:
        wanted.append(Artifact.storage_id.in_(storages_of(session, namespace)))
    total = session.scalar(select(func.count()).select_from(Artifact).where(*wanted))
    page = session.scalars(
        select(Artifact.series_id)
        .where(*wanted)
        .order_by(Artifact.key, Artifact.storage_id, Artifact.series_id)
        .limit(limit)
        .offset(offset)
    ).all()
    found = described(session, page)
    return {"datasets": [found[series] for series in page if series in found], "totalCount": total}


def one_dataset(session: Session, *, namespace: str, dataset: str) -> Json:
    """One dataset, as its newest version shows it."""
    found = list(described(session, [series_of(session, namespace, dataset)]).values())
    if not found:
        raise NotFound(f"no run read or wrote {dataset!r}", hint="GET /api/v1/datasets lists those that are there")
    return found[0]


def dataset_versions(session: Session, *, namespace: str, dataset: str, limit: int, offset: int) -> Json:
    """The versions of a dataset, newest first, each with the run that first made it."""
    wanted = Artifact.series_id == series_of(session, namespace, dataset)
    total = session.scalar(select(func.count()).select_from(Artifact).where(wanted))
    page = select(Artifact.id).where(wanted).order_by(Artifact.number.desc()).limit(limit).offset(offset)
    found = described_versions(session, session.scalars(page).all())
    return {"versions": list(found.values()), "totalCount": total}


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
        rows = session.execute(query.where(Artifact.series_id.in_(part)).group_by(Artifact.series_id))
        ages |= {one: (since, count) for one, since, count in rows}
        heads += _loaded(session, Artifact.id.in_(_heads(part)))
    told, labels = _told(session, heads), _labels(session, heads)
    return {
        one.row.series_id: shapes.dataset(one, told[one.row.id], labels[one.row.id], *ages[one.row.series_id])
        for one in heads
    }


def _heads(series: Sequence[int]) -> Select[tuple[int]]:
    """The latest version of each, else the last one."""
    place = func.row_number().over(
        partition_by=Artifact.series_id, order_by=(Artifact.is_latest.desc(), Artifact.number.desc())
    )
    ranked = select(Artifact.id, place.label("place")).where(Artifact.series_id.in_(series)).subquery()
    return select(ranked.c.id).where(ranked.c.place == 1)


def described_versions(session: Session, artifacts: Sequence[int]) -> dict[int, Json]:
    """These versions in this order, each with the run that first made it."""
    loaded = {one.row.id: one for part in runs.chunks(artifacts) for one in _loaded(session, Artifact.id.in_(part))}
    versions = [loaded[identity] for identity in artifacts if identity in loaded]
    told, labels = _told(session, versions), _labels(session, versions)
    makers = _makers(session, versions)
    return {
        one.row.id: shapes.dataset_version(one, told[one.row.id], labels[one.row.id], makers.get(one.row.run_id or 0))
        for one in versions
    }


def _loaded(session: Session, *wanted: Any) -> list[Version]:
    query = (
        select(Artifact, ArtifactSeries.stem, Storage.root, Content)
        .join(ArtifactSeries, Artifact.series_id == ArtifactSeries.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .where(*wanted)
    )
    return [
        Version(row, dataset_of(root, row.key, stem), root, content)
        for row, stem, root, content in session.execute(query)
    ]


def _makers(session: Session, versions: Iterable[Version]) -> dict[int, Json]:
    wanted = {one.row.run_id for one in versions if one.row.run_id is not None}
    query = select(Run).options(defer(Run.details))
    rows = [row for part in runs.chunks(wanted) for row in session.scalars(query.where(Run.id.in_(part)))]
    return dict(zip([row.id for row in rows], runs.described(session, rows), strict=True))


def _told(session: Session, versions: Iterable[Version]) -> Mapping[int, dict[str, Any]]:
    """The facets of each version: what its maker said, or its last reader where none is known; what was said apart."""
    maker = (RunArtifact.run_id == Artifact.run_id) | Artifact.run_id.is_(None)
    query = (
        select(Artifact.id, RunArtifact.facets)
        .join(RunArtifact, or_(RunArtifact.id == _last(maker), RunArtifact.id == _last(RunArtifact.run_id.is_(None))))
        .order_by(RunArtifact.observed_at, RunArtifact.id)
    )
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for part in runs.chunks(one.row.id for one in versions):
        for identity, facets in session.execute(query.where(Artifact.id.in_(part))):
            found[identity].update(facets or {})
    return found


def _last(said: ColumnElement[bool]) -> ScalarSelect[int]:
    """The last edge of an artifact of which this is true."""
    last = select(func.max(RunArtifact.id)).where(RunArtifact.artifact_id == Artifact.id, said)
    return last.correlate(Artifact).scalar_subquery()


def _labels(session: Session, versions: Iterable[Version]) -> Mapping[int, set[str]]:
    wanted = [one.row.id for one in versions]
    query = select(ArtifactULabel.artifact_id, ULabel.name).join(ULabel, ArtifactULabel.ulabel_id == ULabel.id)
    found: defaultdict[int, set[str]] = defaultdict(set)
    for part in runs.chunks(wanted):
        for identity, name in session.execute(query.where(ArtifactULabel.artifact_id.in_(part))):
            found[identity].add(name)
    return found
