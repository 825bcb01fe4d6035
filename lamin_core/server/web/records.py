"""The pages of an artifact and of a transform."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Select, Text, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from lamin_core.errors import NotFound
from lamin_core.models import (
    Artifact,
    ArtifactFeatureValue,
    ArtifactSchema,
    ArtifactULabel,
    Collection,
    CollectionArtifact,
    Content,
    Feature,
    Note,
    Run,
    RunArtifact,
    Schema,
    SchemaFeature,
    Storage,
    Transform,
    TransformULabel,
    ULabel,
    User,
)
from lamin_core.models.module_tables import module_of
from lamin_core.models.note import note_of
from lamin_core.models.relations import annotations_of
from lamin_core.models.storage import UNKNOWN_SIZE
from lamin_core.runtime.registry_modules import load_modules
from lamin_core.server.endpoint import text
from lamin_core.server.web.lists import run_mappings, run_rows
from lamin_core.server.web.page import SECURITY_HEADERS, Data, Page, Site, mappings
from lamin_core.server.web.preview import Stored, checked_bytes, image_type, preview
from lamin_core.server.web.terms import page_path
from lamin_core.storage.hashing import Digest
from lamin_core.storage.rooted_paths import Location

_MANY = 200
"""Rows of a table on the page of a record."""


def artifact(session: Session, *, uid: str) -> Data:
    """An artifact: six statements. The stem of a uid means the latest version."""
    row = _artifact_row(session, uid)
    versions = session.execute(
        select(Artifact.uid, Artifact.number, Content.size, Content.hash, Artifact.created_at)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .where(Artifact.series_id == row.series_id, Artifact.deleted_at.is_(None))
        .order_by(Artifact.number.desc())
        .limit(_MANY)
    )
    uses = session.execute(
        run_rows()
        .add_columns(RunArtifact.direction, RunArtifact.role)
        .join(RunArtifact, RunArtifact.run_id == Run.id)
        .where(RunArtifact.artifact_id == row.id)
        .order_by(Run.created_at.desc())
        .limit(_MANY)
    ).all()
    runs = run_mappings(uses)
    for run, use in zip(runs, uses, strict=True):
        run |= {"direction": use.direction, "role": use.role}
    stored = _stored(row)
    return {
        **_facts(row, stored),
        "versions": mappings(versions, "uid", "number", "size", "hash", "created_at"),
        "made_by": [run for run in runs if run["direction"] == "output"],
        "used_by": [run for run in runs if run["direction"] == "input"],
        "annotations": _annotations(session, row.id),
        "features": _values(session, row.id),
        "columns": _columns(session, row.id, row.schema_id),
        "preview": asdict(preview(stored)),
        "snippets": _snippets(row.uid),
    }


def _artifact_row(session: Session, uid: str) -> Row[Any]:
    query = (
        select(
            Artifact.id, Artifact.uid, Artifact.key, Artifact.real_key, Artifact.series_id, Artifact.number,
            Artifact.is_latest, Artifact.suffix, Artifact.kind, Artifact.otype, Artifact.description,
            Artifact.n_observations, Artifact.created_at, Artifact.deleted_at, Artifact.origin,
            Storage.root, Storage.uid.label("storage_uid"), Content.hash, Content.hash_type, Content.size,
            Content.n_files, User.handle, Schema.id.label("schema_id"), Schema.name.label("schema"),
            Note.text.label("notes"),
        )
        .join(Storage, Artifact.storage_id == Storage.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .outerjoin(User, Artifact.created_by_id == User.id)
        .outerjoin(Schema, Artifact.schema_id == Schema.id)
        .outerjoin(Note, note_of(Artifact))
    )  # fmt: skip
    condition = Artifact.uid.startswith(uid, autoescape=True) & Artifact.is_latest
    is_stem = len(uid) == Artifact._stem_length and uid.isalnum()
    row = session.execute(query.where(condition if is_stem else Artifact.uid == uid)).first()
    if row is None:
        raise NotFound(f"no artifact has the uid {uid!r}", hint="look for it with the search")
    return row


def _facts(row: Row[Any], stored: Stored) -> Data:
    names = (
        *("uid", "key", "number", "is_latest", "suffix", "kind", "otype", "description", "n_observations"),
        *("created_at", "deleted_at", "origin", "storage_uid", "hash", "hash_type", "n_files", "schema", "notes"),
    )  # fmt: skip
    return {
        **{name: getattr(row, name) for name in names},
        "size": None if row.size == UNKNOWN_SIZE else row.size,
        "created_by": row.handle,
        "storage": row.root,
        "path": Location(row.root, row.real_key or row.key or "").text,
    }


def _stored(row: Row[Any]) -> Stored:
    content = None
    if row.hash is not None and row.size != UNKNOWN_SIZE:
        content = Digest(row.hash_type, row.hash, row.size, row.n_files)
    return Stored(row.root, row.key, row.real_key, row.suffix, content)


def _annotations(session: Session, artifact: int) -> list[Data]:
    """Labels, collections, terms of ontologies, projects and references: one statement."""
    labels = (
        select(
            literal("label", Text()),
            ULabel.uid,
            cast(ULabel.name, Text()),
            cast(Feature.name, Text()),
        )
        .join(ArtifactULabel, ArtifactULabel.ulabel_id == ULabel.id)
        .outerjoin(Feature, ArtifactULabel.feature_id == Feature.id)
        .where(ArtifactULabel.artifact_id == artifact)
    )
    collections = (
        select(
            literal("collection", Text()),
            Collection.uid,
            cast(Collection.key, Text()),
            cast(null(), Text()),
        )
        .join(CollectionArtifact, CollectionArtifact.collection_id == Collection.id)
        .where(CollectionArtifact.artifact_id == artifact)
    )
    parts = [labels, collections, *_terms(artifact)]
    rows = session.execute(union_all(*parts).limit(_MANY))
    annotations = mappings(rows, "kind", "uid", "name", "feature")
    return [{**row, "path": page_path(str(row["kind"]), str(row["uid"]))} for row in annotations]


def _terms(artifact: int) -> Iterator[Select[Any]]:
    """The terms of ontologies that it has, by the name of the registry, projects and references."""
    load_modules()
    for relation in annotations_of(Artifact).values():
        term, link = relation.target, relation.link
        if link is None or link is ArtifactULabel or module_of(link.__table__) is not None:
            continue
        name = term._registry_name()
        yield (
            select(
                literal(name if "." in name else name.lower(), Text()),
                term.uid,
                cast(getattr(term, term._name_field), Text()),
                cast(Feature.name, Text()),
            )
            .join(link, getattr(link, relation.other) == term.id)
            .outerjoin(Feature, link.feature_id == Feature.id)
            .where(getattr(link, relation.own) == artifact)
        )


def _values(session: Session, artifact: int) -> list[Data]:
    """The values for features: one statement."""
    table = ArtifactFeatureValue
    query = (
        select(Feature.uid, Feature.name, Feature.unit, table.value)
        .join(Feature, table.feature_id == Feature.id)
        .where(table.artifact_id == artifact)
        .order_by(Feature.name, table.position)
    )
    return mappings(session.execute(query.limit(_MANY)), "uid", "name", "unit", "value")


def _columns(session: Session, artifact: int, schema: int | None) -> list[Data]:
    """The columns that its schemas name: one statement."""
    schemas = select(ArtifactSchema.schema_id).where(ArtifactSchema.artifact_id == artifact)
    of_schema = SchemaFeature.schema_id.in_(schemas) | (SchemaFeature.schema_id == schema)
    rows = session.execute(
        select(Feature.uid, Feature.name, Feature.dtype, SchemaFeature.optional)
        .join(SchemaFeature, SchemaFeature.feature_id == Feature.id)
        .where(of_schema)
        .order_by(SchemaFeature.schema_id, SchemaFeature.position)
        .limit(_MANY)
    )
    return mappings(rows, "uid", "name", "dtype", "optional")


def _snippets(uid: str) -> list[Data]:
    """The lines that load the artifact, in Python, R and the shell."""
    python = f'import lamin_core as ln\nln.Artifact.get("{uid}").load()'
    r = f'ln <- reticulate::import("lamin_core")\nln$Artifact$get("{uid}")$load()'
    return [
        {"language": "Python", "text": python},
        {"language": "R", "text": r},
        {"language": "shell", "text": f"lamin load {uid}"},
    ]


def image_endpoint(site: Site) -> Callable[[Request], Response]:
    """The route that sends a picture, which a page shows; it runs nothing, wherever it is opened."""
    sandboxed = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"

    def image(request: Request) -> Response:
        with site.database.reading() as session:
            try:
                stored = _stored(_artifact_row(session, request.path_params["uid"]))
            except NotFound:
                return Response("no such artifact", 404, headers=SECURITY_HEADERS)
        data = checked_bytes(stored)
        kind = image_type(data, stored.format) if isinstance(data, bytes) else None
        if kind is None or isinstance(data, str):
            return Response("no picture to show", 404, headers=SECURITY_HEADERS)
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": sandboxed}
        return Response(data, media_type=kind, headers=headers)

    return image


def transform(session: Session, *, uid: str, against: str | None) -> Data:
    """A transform: five statements, one more to compare it with another version."""
    code, notes = _transform_row(session, uid)
    versions = session.execute(
        select(
            Transform.uid,
            Transform.number,
            Transform.version_tag,
            Transform.hash,
            Transform.created_at,
        )
        .where(Transform.series_id == code.series_id)
        .order_by(Transform.number.desc())
        .limit(_MANY)
    )
    runs = session.execute(
        run_rows()
        .where(Run.transform_id == code.id)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(50)
    ).all()
    states = session.execute(
        select(Run.status, func.count()).where(Run.transform_id == code.id).group_by(Run.status)
    )
    labels = session.execute(
        select(ULabel.uid, ULabel.name)
        .join(TransformULabel, TransformULabel.ulabel_id == ULabel.id)
        .where(TransformULabel.transform_id == code.id)
        .distinct()
    )
    shown = run_mappings(runs)
    return {
        **{name: getattr(code, name) for name in _TRANSFORM_FACTS},
        "notes": notes,
        "versions": mappings(versions, "uid", "number", "version_tag", "hash", "created_at"),
        "runs": shown,
        "bars": _bars(shown),
        "states": {str(status): int(count) for status, count in states},
        "labels": mappings(labels, "uid", "name"),
        "against": against,
        "difference": None if against is None else _difference(session, code, against),
    }


_TRANSFORM_FACTS = (
    *("uid", "key", "kind", "namespace", "number", "is_latest", "language", "description", "source_code"),
    *("reference", "version_tag", "created_at", "hash"),
)  # fmt: skip


def _transform_row(session: Session, uid: str) -> tuple[Transform, str | None]:
    """The transform, and the notes on it."""
    is_stem = len(uid) == Transform._stem_length and uid.isalnum()
    condition = Transform.uid.startswith(uid, autoescape=True) & Transform.is_latest
    query = select(Transform, Note.text).outerjoin(Note, note_of(Transform))
    row = session.execute(query.where(condition if is_stem else Transform.uid == uid)).first()
    if row is None:
        raise NotFound(f"no transform has the uid {uid!r}", hint="look for it with the search")
    return row[0], row[1]


def _difference(session: Session, code: Transform, against: str) -> str:
    """A unified difference from the other version to this one."""
    other, _ = _transform_row(session, against)
    lines = difflib.unified_diff(
        (other.source_code or "").splitlines(),
        (code.source_code or "").splitlines(),
        f"{other.key} {other.version}",
        f"{code.key} {code.version}",
        lineterm="",
    )
    return "\n".join(lines)


def _bars(runs: list[Data]) -> list[Data]:
    """The durations of the runs, the oldest first, as heights from 2 to 40."""
    timed = [run for run in reversed(runs) if isinstance(run["duration"], float)]
    longest = max((float(str(run["duration"])) for run in timed), default=0.0) or 1.0
    return [
        {
            "uid": run["uid"],
            "status": run["status"],
            "duration": run["duration"],
            "height": round(2 + 38 * float(str(run["duration"])) / longest, 1),
        }
        for run in timed
    ]


PAGES = (
    Page("/artifact/{uid}", artifact, "artifact.html"),
    Page(
        "/transform/{uid}",
        transform,
        "transform.html",
        (text("against", "The uid of the version to compare with."),),
        table="runs",
    ),
)
