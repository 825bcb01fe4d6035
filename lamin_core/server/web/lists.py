"""The lists of records: filters and the place in the list are in the URL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from lamin_core.enums import RunStatus
from lamin_core.models import (
    Artifact,
    ArtifactULabel,
    Collection,
    CollectionArtifact,
    Content,
    Feature,
    Run,
    Storage,
    Transform,
    ULabel,
)
from lamin_core.query.operators import OPERATORS
from lamin_core.server.endpoint import Parameter, choice, number, text, timestamp
from lamin_core.server.pages import beyond, decoded, encoded
from lamin_core.server.web.page import Data, Page, mappings

_SIZE = 50
_AFTER = Parameter("after", "Where the page before ended.", decoded, {"type": "string"})
_LIMIT = number("limit", "Rows on a page.", _SIZE, 1, 1000)
_PAGED = (_LIMIT, _AFTER)
_KEY = text("key", "How the key begins.")


def artifacts(
    session: Session,
    *,
    key: str | None,
    suffix: str | None,
    kind: str | None,
    label: str | None,
    engine: str | None,
    versions: str,
    limit: int,
    after: tuple[datetime, int] | None,
) -> Data:
    """The artifacts, the newest first: three statements."""
    query = (
        select(Artifact.uid, Artifact.key, Artifact.description, Artifact.suffix, Artifact.kind, Content.size,
               Artifact.number, Run.uid, Run.engine, Transform.key, Artifact.created_at, Artifact.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .outerjoin(Run, Artifact.run_id == Run.id)
        .outerjoin(Transform, Run.transform_id == Transform.id)
        .where(Artifact.deleted_at.is_(None))
    )  # fmt: skip
    conditions = _equal({Artifact.suffix: suffix, Artifact.kind: kind, Run.engine: engine})
    if key is not None:
        conditions.append(OPERATORS["startswith"](Artifact.key, key))
    if versions == "latest":
        conditions.append(Artifact.is_latest.is_(True))
    if label is not None:
        labelled = select(ArtifactULabel.artifact_id).join(
            ULabel, ArtifactULabel.ulabel_id == ULabel.id
        )
        conditions.append(Artifact.id.in_(labelled.where(ULabel.name == label)))
    rows, following = _paged(session, query.where(*conditions), Artifact.id, None, limit, after)
    names = ("uid", "key", "description", "suffix", "kind", "size", "number")
    facets = session.execute(
        select(Artifact.suffix, Artifact.kind, func.count())
        .where(Artifact.is_latest)
        .group_by(Artifact.suffix, Artifact.kind)
    ).all()
    return {
        "artifacts": mappings(rows, *names, "run", "engine", "transform", "created_at"),
        "facets": {"suffix": _counts(facets, 0), "kind": _counts(facets, 1)},
        "next": following,
    }


def runs(
    session: Session,
    *,
    status: str | None,
    engine: str | None,
    key: str | None,
    since: datetime | None,
    level: str,
    limit: int,
    after: tuple[datetime, int] | None,
) -> Data:
    """The runs, the newest first: two statements."""
    query = run_rows()
    conditions = _equal({Run.status: status, Run.engine: engine})
    if key is not None:
        conditions.append(OPERATORS["startswith"](Transform.key, key))
    if since is not None:
        conditions.append(Run.created_at >= since)
    if level == "top":
        conditions.append(Run.parent_id.is_(None))
    rows, following = _paged(
        session, query.where(*conditions), Run.id, Run.created_at, limit, after
    )
    facets = session.execute(
        select(Run.status, Run.engine, func.count()).group_by(Run.status, Run.engine)
    ).all()
    return {
        "runs": run_mappings(rows),
        "facets": {"status": _counts(facets, 0), "engine": _counts(facets, 1)},
        "next": following,
    }


RUN_COLUMNS = (
    *("uid", "name", "engine", "status", "cached", "attempt", "started_at", "finished_at", "error"),
    *("transform", "transform_uid", "created_at"),
)


def run_rows() -> Select[Any]:
    """The columns of runs in a list; the last one is the primary key."""
    return select(
        Run.uid, Run.name, Run.engine, Run.status, Run.cached, Run.attempt, Run.started_at, Run.finished_at,
        func.substr(Run.error, 1, 300), Transform.key, Transform.uid, Run.created_at, Run.id,
    ).join(Transform, Run.transform_id == Transform.id)  # fmt: skip


def run_mappings(rows: Sequence[Sequence[Any]]) -> list[Data]:
    """The rows as dictionaries, with the duration in seconds."""
    runs = []
    for row in rows:
        run: Data = dict(zip(RUN_COLUMNS, tuple(row), strict=False))
        begin, end = run["started_at"], run["finished_at"]
        is_timed = isinstance(begin, datetime) and isinstance(end, datetime)
        run["duration"] = (end - begin).total_seconds() if is_timed else None  # type: ignore[operator]
        runs.append(run)
    return runs


def transforms(
    session: Session,
    *,
    key: str | None,
    engine: str | None,
    kind: str | None,
    limit: int,
    after: tuple[datetime, int] | None,
) -> Data:
    """The latest versions of the transforms, each with its number of runs: three statements."""
    query = select(
        Transform.uid, Transform.key, Transform.kind, Transform.namespace, Transform.number, Transform.description,
        Transform.series_id, Transform.created_at, Transform.id,
    ).where(Transform.is_latest)  # fmt: skip
    conditions = _equal({Transform.namespace: engine, Transform.kind: kind})
    if key is not None:
        conditions.append(OPERATORS["startswith"](Transform.key, key))
    rows, following = _paged(session, query.where(*conditions), Transform.id, None, limit, after)
    shown = mappings(
        rows, "uid", "key", "kind", "namespace", "number", "description", "series", "created_at"
    )
    version = aliased(Transform)
    counted = session.execute(
        select(version.series_id, func.count(), func.max(Run.created_at))
        .join(Run, Run.transform_id == version.id)
        .where(version.series_id.in_([row["series"] for row in shown]))
        .group_by(version.series_id)
    )
    uses = {series: (count, newest) for series, count, newest in counted}
    for row in shown:
        row["runs"], row["last_run"] = uses.get(row.pop("series"), (0, None))
    facets = session.execute(
        select(Transform.namespace, Transform.kind, func.count())
        .where(Transform.is_latest)
        .group_by(Transform.namespace, Transform.kind)
    ).all()
    return {
        "transforms": shown,
        "facets": {"engine": _counts(facets, 0), "kind": _counts(facets, 1)},
        "next": following,
    }


def collections(
    session: Session, *, key: str | None, limit: int, after: tuple[datetime, int] | None
) -> Data:
    """The latest versions of the collections: one statement."""
    members = (
        select(func.count())
        .where(CollectionArtifact.collection_id == Collection.id)
        .scalar_subquery()
    )
    query = select(
        Collection.uid, Collection.key, Collection.description, members, Collection.created_at, Collection.id
    ).where(Collection.is_latest)  # fmt: skip
    if key is not None:
        query = query.where(OPERATORS["startswith"](Collection.key, key))
    rows, following = _paged(session, query, Collection.id, None, limit, after)
    return {
        "collections": mappings(rows, "uid", "key", "description", "artifacts", "created_at"),
        "next": following,
    }


def labels(
    session: Session, *, key: str | None, limit: int, after: tuple[datetime, int] | None
) -> Data:
    """The labels, with how many artifacts have each: one statement."""
    uses = select(func.count()).where(ArtifactULabel.ulabel_id == ULabel.id).scalar_subquery()
    group = aliased(ULabel)
    query = (
        select(ULabel.uid, ULabel.name, group.name, ULabel.description, uses, ULabel.created_at, ULabel.id)
        .outerjoin(group, ULabel.type_id == group.id)
        .where(ULabel.deleted_at.is_(None))
    )  # fmt: skip
    if key is not None:
        query = query.where(OPERATORS["startswith"](ULabel.name, key))
    rows, following = _paged(session, query, ULabel.id, None, limit, after)
    return {
        "labels": mappings(rows, "uid", "name", "type", "description", "artifacts", "created_at"),
        "next": following,
    }


def features(
    session: Session, *, key: str | None, limit: int, after: tuple[datetime, int] | None
) -> Data:
    """The features: one statement."""
    query = select(
        Feature.uid, Feature.name, Feature.dtype, Feature.unit, Feature.description, Feature.created_at, Feature.id
    ).where(Feature.deleted_at.is_(None))  # fmt: skip
    if key is not None:
        query = query.where(OPERATORS["startswith"](Feature.name, key))
    rows, following = _paged(session, query, Feature.id, None, limit, after)
    return {
        "features": mappings(rows, "uid", "name", "dtype", "unit", "description", "created_at"),
        "next": following,
    }


def storages(session: Session, *, limit: int, after: tuple[datetime, int] | None) -> Data:
    """The storages, with the number of artifacts in each: two statements."""
    query = select(
        Storage.uid, Storage.root, Storage.type, Storage.is_managed, Storage.created_at, Storage.id
    )
    rows, following = _paged(session, query, Storage.id, None, limit, after)
    shown = mappings(rows, "uid", "root", "type", "is_managed", "created_at")
    counted = session.execute(
        select(Storage.uid, func.count(Artifact.id), func.sum(Content.size))
        .join(Artifact, Artifact.storage_id == Storage.id)
        .outerjoin(Content, (Artifact.content_id == Content.id) & (Content.size > 0))
        .group_by(Storage.uid)
    )
    uses = {uid: (count, size) for uid, count, size in counted}
    for row in shown:
        count, size = uses.get(row["uid"], (0, None))
        row |= {"artifacts": count, "size": None if size is None else int(size)}
    return {"storages": shown, "next": following}


def _equal(wishes: dict[object, str | None]) -> list[ColumnElement[bool]]:
    """The conditions of those that say something."""
    return [column == value for column, value in wishes.items() if value is not None]  # type: ignore[misc]


def _paged(
    session: Session,
    query: Select[Any],
    identity: Any,
    at: Any,
    limit: int,
    after: tuple[datetime, int] | None,
) -> tuple[list[Sequence[Any]], str | None]:
    """The rows after the cursor without their last column, and the cursor of the next page.

    The query ends with the time and the primary key. By `at` and key where an index has both, else by key alone.
    """
    if after is not None:
        condition = identity < after[1] if at is None else beyond(at, identity, after)
        query = query.where(condition)
    order = [identity.desc()] if at is None else [at.desc(), identity.desc()]
    rows = list(session.execute(query.order_by(*order).limit(limit + 1)))
    is_last = len(rows) <= limit
    rows = rows[:limit]
    following = None if is_last else encoded((rows[-1][-2], rows[-1][-1]))
    return [row[:-1] for row in rows], following


def _counts(rows: Sequence[Sequence[Any]], column: int) -> list[Data]:
    """The number of records with each value in this column, the most frequent first."""
    counter: Counter[str] = Counter()
    for row in rows:
        if row[column]:
            counter[str(row[column])] += int(str(row[-1]))
    return [{"value": value, "count": count} for value, count in counter.most_common(20)]


_ENGINE = text("engine", "Only of this engine.")
_KIND = text("kind", "Only of this kind.")
PAGES = (
    Page(
        "/artifacts",
        artifacts,
        "artifacts.html",
        (
            _KEY,
            text("suffix", "Only with this suffix."),
            _KIND,
            text("label", "Only with this label."),
            _ENGINE,
            choice("versions", "All versions, or the latest.", ["latest", "all"], "latest"),
            *_PAGED,
        ),
        table="artifacts",
    ),
    Page(
        "/runs",
        runs,
        "runs.html",
        (
            choice("status", "Only in this state.", [str(status) for status in RunStatus]),
            _ENGINE,
            _KEY,
            timestamp("since", "From this time on."),
            choice(
                "level", "Workflows and single runs, or their steps too.", ["top", "all"], "top"
            ),
            *_PAGED,
        ),
        table="runs",
        live=True,
    ),
    Page(
        "/transforms",
        transforms,
        "transforms.html",
        (_KEY, _ENGINE, _KIND, *_PAGED),
        table="transforms",
    ),
    Page("/collections", collections, "collections.html", (_KEY, *_PAGED), table="collections"),
    Page("/labels", labels, "labels.html", (_KEY, *_PAGED), table="labels"),
    Page("/features", features, "features.html", (_KEY, *_PAGED), table="features"),
    Page("/storages", storages, "storages.html", _PAGED, table="storages"),
)
