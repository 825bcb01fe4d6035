"""Questions about what holds jobs and datasets: namespaces, sources, tags."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lamin_core.errors import NotFound
from lamin_core.models import Storage, Transform, ULabel
from openlineage.lamin.http.queries import shapes
from openlineage.lamin.http.queries.names import dataset_of
from openlineage.lamin.http.queries.shapes import Json


def list_namespaces(session: Session, *, limit: int, offset: int) -> Json:
    """All namespaces of jobs and of datasets, by name."""
    spans = _namespaces(session)
    names = sorted(spans)
    page = names[offset : offset + limit]
    return {
        "namespaces": [_namespace(name, spans[name]) for name in page],
        "totalCount": len(names),
    }


def one_namespace(session: Session, *, namespace: str) -> Json:
    """One namespace."""
    spans = _namespaces(session)
    if namespace not in spans:
        raise NotFound(f"no namespace {namespace!r}", hint="GET /api/v1/namespaces lists them")
    return _namespace(namespace, spans[namespace])


Span = tuple[datetime, datetime]


def _namespaces(session: Session) -> dict[str, Span]:
    """The namespaces, each with the times of its first and its last entry."""
    times = select(
        Transform.namespace, func.min(Transform.created_at), func.max(Transform.created_at)
    )
    spans: list[tuple[str, datetime, datetime]] = [
        (name, first, last)
        for name, first, last in session.execute(times.group_by(Transform.namespace))
    ]
    for root, at in session.execute(select(Storage.root, Storage.created_at)):
        spans.append((dataset_of(root, "x", "").namespace, at, at))
    merged: dict[str, Span] = {}
    for name, first, last in spans:
        span = merged.get(name, (first, last))
        merged[name] = min(span[0], first), max(span[1], last)
    return merged


def _namespace(name: str, span: Span) -> Json:
    return {
        "name": name,
        "createdAt": shapes.iso_timestamp(span[0]),
        "updatedAt": shapes.iso_timestamp(span[1]),
        "ownerName": "",
        "description": None,
        "isHidden": False,
    }


def list_sources(session: Session, *, limit: int, offset: int) -> Json:
    """All storages, by root."""
    rows = session.scalars(select(Storage).order_by(Storage.root).limit(limit).offset(offset))
    total = session.scalar(select(func.count()).select_from(Storage))
    return {"sources": [shapes.source(row) for row in rows], "totalCount": total}


def one_source(session: Session, *, source: str) -> Json:
    """One storage, by its root."""
    row = session.scalar(select(Storage).where(Storage.root == source))
    if row is None:
        raise NotFound(f"no source {source!r}", hint="GET /api/v1/sources lists them")
    return shapes.source(row)


def list_tags(session: Session, *, limit: int, offset: int) -> Json:
    """All labels, by name."""
    rows = session.execute(
        select(ULabel.name, ULabel.description)
        .order_by(ULabel.name, ULabel.id)
        .limit(limit)
        .offset(offset)
    )
    total = session.scalar(select(func.count()).select_from(ULabel))
    return {
        "tags": [{"name": name, "description": description} for name, description in rows],
        "totalCount": total,
    }
