"""The front page, the search over everything, and the page of the instance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Text, func, literal, make_url, select, union_all
from sqlalchemy.orm import Session

import lamin_core
from lamin_core.admin.doctor import glance
from lamin_core.enums import RunStatus
from lamin_core.models import (
    Artifact,
    Collection,
    Content,
    Feature,
    InstanceRow,
    Project,
    Reference,
    Registry,
    Run,
    Schema,
    Storage,
    Transform,
    ULabel,
    now,
)
from lamin_core.query.search import ranked_across
from lamin_core.runtime.redaction import redact_text
from lamin_core.server.endpoint import number, text
from lamin_core.server.web.lists import run_mappings, run_rows
from lamin_core.server.web.page import Data, Page, mappings
from lamin_core.server.web.terms import page_path, term_registries

_SHOWN = 10
_RECENT = timedelta(days=7)
_BADLY = (RunStatus.FAILED, RunStatus.ABORTED, RunStatus.LOST)
FIRST_LINES = (
    ("Snakemake", "snakemake --logger lamin"),
    ("Nextflow", "lamin nextflow run main.nf"),
    ("Prefect", "from lamin_prefect import flow, task"),
    ("a Python script or a notebook", "import lamin_core as ln; ln.track()"),
    ("any other program", "lamin run Rscript fit.R counts.csv fit.txt"),
    ("an OpenLineage producer", "lamin serve  # and set OPENLINEAGE_URL=http://127.0.0.1:4747"),
)
"""The first command to type in an empty registry, by engine."""
_SEARCHED: dict[str, type[Registry]] = {
    "artifact": Artifact,
    "transform": Transform,
    "run": Run,
    "collection": Collection,
    "label": ULabel,
    "feature": Feature,
    "schema": Schema,
    "storage": Storage,
    "project": Project,
    "reference": Reference,
}


def home(session: Session) -> Data:
    """Running runs, recently failed runs, new artifacts, and counts: four statements."""
    outermost = (
        run_rows().where(Run.parent_id.is_(None)).order_by(Run.created_at.desc(), Run.id.desc())
    )
    running = session.execute(outermost.where(Run.status == RunStatus.RUNNING).limit(_SHOWN)).all()
    failed = session.execute(
        outermost.where(Run.status.in_(_BADLY), Run.created_at >= now() - _RECENT).limit(_SHOWN)
    ).all()
    newest = session.execute(
        select(Artifact.uid, Artifact.key, Content.size, Artifact.created_at)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .where(Artifact.deleted_at.is_(None), Artifact.is_latest)
        .order_by(Artifact.id.desc())
        .limit(_SHOWN)
    )
    return {
        "running": run_mappings(running),
        "failed": run_mappings(failed),
        "newest": mappings(newest, "uid", "key", "size", "created_at"),
        "counts": _record_counts(session),
        "first_lines": [{"engine": engine, "line": line} for engine, line in FIRST_LINES],
    }


def _record_counts(session: Session) -> dict[str, int]:
    """The number of records of each kind, by one statement."""
    registries: dict[str, tuple[Any, Any]] = {
        "artifacts": (Artifact, Artifact.deleted_at.is_(None)),
        "runs": (Run, None),
        "transforms": (Transform, Transform.is_latest),
        "collections": (Collection, Collection.is_latest),
        "labels": (ULabel, ULabel.deleted_at.is_(None)),
        "features": (Feature, Feature.deleted_at.is_(None)),
        "projects": (Project, Project.deleted_at.is_(None)),
        "storages": (Storage, None),
    }
    parts = []
    for name, (registry, condition) in registries.items():
        part = select(literal(name, Text()), func.count(registry.id))
        parts.append(part if condition is None else part.where(condition))
    return {str(name): int(count) for name, count in session.execute(union_all(*parts))}


def search(session: Session, *, q: str | None, limit: int) -> Data:
    """The matches of a text among all kinds of records, best first: at most four statements."""
    searched: dict[str, type[Registry]] = {}
    if q is not None:
        searched = {**_SEARCHED, **term_registries(session)}
    results = [
        {
            "kind": match.kind,
            "uid": match.uid,
            "name": match.name,
            "description": match.text,
            "path": page_path(match.kind, match.uid),
        }
        for match in ranked_across(session, searched, q or "", limit)
    ]
    return {"q": q or "", "results": results}


def instance(session: Session) -> Data:
    """Which registry this is, how large, what fills it and how it is: at most six statements."""
    row = session.execute(
        select(InstanceRow.uid, InstanceRow.folder, Storage.root).join(
            Storage, Storage.id == InstanceRow.storage_id
        )
    ).first()
    engines = session.execute(
        select(Run.engine, func.count(), func.max(Run.created_at))
        .group_by(Run.engine)
        .order_by(func.count().desc())
    )
    recorded = session.scalar(select(func.sum(Content.size)).where(Content.size > 0))
    url = session.get_bind().engine.url
    return {
        "uid": None if row is None else row[0],
        "folder": None if row is None else row[1],
        "storage": None if row is None else row[2],
        "database": redact_text(make_url(url).render_as_string()),
        "version": lamin_core.__version__,
        "counts": _record_counts(session),
        "bytes": int(recorded or 0),
        "engines": mappings(engines, "engine", "runs", "last_run"),
        "health": [finding.as_dict() for finding in glance(session)],
    }


PAGES = (
    Page("/", home, "home.html", live=True),
    Page(
        "/search",
        search,
        "search.html",
        (text("q", "What to look for."), number("limit", "Results.", 50, 1, 200)),
        table="results",
    ),
    Page("/instance", instance, "instance.html", table="engines"),
)
