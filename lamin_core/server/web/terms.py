"""The pages of labels and of the terms of ontologies: what is wider and narrower, and how many artifacts are below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Select, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.models import Artifact, Registry, ULabel
from lamin_core.models.dtypes import registry_called
from lamin_core.models.module_tables import module_of, revisions
from lamin_core.models.relations import ToMany, annotations_of, relations_of
from lamin_core.runtime.registry_modules import load_modules
from lamin_core.server.web.page import Data, Page, mappings
from lamin_core.server.web.registries import artifacts_where, fields, record_with_notes

_MANY = 200
Relations = Mapping[str, object]
_LIKE_TERMS = {"project": "Project", "reference": "Reference"}
"""Registries of the core whose records have the same page as terms, by their kind."""


def label(session: Session, *, uid: str) -> Data:
    """A label, with the wider and the narrower ones: four statements."""
    record, notes = record_with_notes(session, ULabel, uid)
    return {
        "notes": notes,
        **fields(record, "uid", "name", "description", "synonyms", "is_type", "created_at"),
        **_around(session, record),
    }


def term(session: Session, *, registry: str, uid: str) -> Data:
    """A term of an ontology, or a record of a module that labels artifacts: at most five statements."""
    kind = labelling(registry)
    record, notes = record_with_notes(session, kind, uid)
    columns = ("description", "synonyms", "ontology_id", "abbr", "created_at")
    return {
        "notes": notes,
        "registry": registry,
        "uid": uid,
        "name": str(getattr(record, kind._name_field, None) or uid),
        **{name: getattr(record, name, None) for name in columns},
        "source": _source(session, record),
        **_around(session, record),
    }


def page_path(kind: str, uid: str) -> str:
    """The URL of the page of a record of this kind; registries of terms have names such as `bionty.CellType`.

    >>> page_path("artifact", "x"), page_path("bionty.CellType", "x"), page_path("project", "x")
    ('/artifact/x', '/term/bionty.CellType/x', '/term/Project/x')
    """
    registry = _LIKE_TERMS.get(kind, kind if "." in kind else None)
    return f"/{kind}/{uid}" if registry is None else f"/term/{registry}/{uid}"


def term_registries(session: Session) -> dict[str, type[Registry]]:
    """The registries of ontologies and of modules whose records label artifacts, by name; of modules that it has."""
    load_modules()
    relations = annotations_of(Artifact).values()
    targets = {relation.target._registry_name(): relation.target for relation in relations}
    terms = {name: target for name, target in targets.items() if "." in name}
    modules = {name: module_of(target.__table__) for name, target in terms.items()}
    if not any(modules.values()):
        return terms
    deployed = {None, *revisions(session.connection())}
    return {name: target for name, target in terms.items() if modules[name] in deployed}


def labelling(name: str) -> type[Registry]:
    """The registry with this name. Raises `NotFound` where its records label no artifacts."""
    hint = "it is named as in bionty.CellType"
    try:
        kind: type[Registry] = registry_called(name)
    except InvalidArgument as error:
        raise NotFound(error.message, hint=hint) from error
    if not isinstance(relations_of(kind).get("artifacts"), ToMany) or kind._name_field is None:
        raise NotFound(f"{name!r} labels no artifacts", hint=hint)
    return kind


def _source(session: Session, record: Registry) -> str | None:
    """Name and version of the ontology that it was read from."""
    relation = relations_of(type(record)).get("source")
    identity = getattr(record, "source_id", None)
    if relation is None or identity is None:
        return None
    source = session.get(relation.target, identity)
    return None if source is None else f"{source.name} {source.version}"


def _around(session: Session, record: Registry) -> Data:
    """The broader and narrower terms, and the artifacts: three statements."""
    registry = type(record)
    relations = relations_of(registry)
    counts = _counts(session, record, relations)
    rows = session.execute(union_all(*_related(record, relations)).limit(_MANY))
    related = mappings(rows, "relation", "uid", "name")
    for row in related:
        is_counted = row["relation"] == "narrower"
        row["artifacts"] = counts.get(str(row["uid"]), 0) if is_counted else None
    link, own, other = _link(relations["artifacts"])
    labelled = select(getattr(link, other)).where(getattr(link, own) == record.id)
    return {
        "related": related,
        "artifacts_with_narrower": counts.get(record.uid, 0),
        "artifacts": artifacts_where(session, Artifact.id.in_(labelled)),
    }


def _related(record: Registry, relations: Relations) -> Iterator[Select[Any]]:
    """Rows of relation, uid and name."""
    registry = type(record)
    name = getattr(registry, registry._name_field or "uid")
    for relation, title in (("parents", "wider"), ("children", "narrower")):
        if relation in relations:
            link, own, other = _link(relations[relation])
            rows = select(literal(title), registry.uid, name)
            rows = rows.join(link, getattr(link, other) == registry.id)
            yield rows.where(getattr(link, own) == record.id)
    type_id = getattr(registry, "type_id", None)
    rows = select(literal("type"), registry.uid, name)
    yield rows.where(registry.id == (getattr(record, "type_id", None) or 0))
    if type_id is not None:
        yield select(literal("member"), registry.uid, name).where(type_id == record.id)


def _counts(session: Session, record: Registry, relations: Relations) -> dict[str, int]:
    """The number of artifacts with this record or a narrower one, and the same for each child of the record."""
    registry = type(record)
    link, own, other = _link(relations["artifacts"])
    roots = select(registry.id.label("root"), registry.id.label("id"))
    if "children" in relations:
        parents, parent, child = _link(relations["children"])
        narrower = select(getattr(parents, child)).where(getattr(parents, parent) == record.id)
        roots = roots.where(or_(registry.id == record.id, registry.id.in_(narrower)))
        first = roots.cte("below", recursive=True)
        step = select(first.c.root, getattr(parents, child))
        below = first.union(step.join(parents, getattr(parents, parent) == first.c.id))
    else:
        below = roots.where(registry.id == record.id).cte("below")
    counted = (
        select(registry.uid, func.count(func.distinct(getattr(link, other))))
        .join(below, below.c.root == registry.id)
        .join(link, getattr(link, own) == below.c.id)
        .join(Artifact, Artifact.id == getattr(link, other))
        .where(Artifact.deleted_at.is_(None))
        .group_by(registry.uid)
    )
    return {row[0]: row[1] for row in session.execute(counted)}


def _link(relation: object) -> tuple[Any, str, str]:
    """The table between, and its columns that name the record and the others."""
    assert isinstance(relation, ToMany)
    return relation.link, relation.own, relation.other


PAGES = (
    Page("/label/{uid}", label, "label.html", table="artifacts"),
    Page("/term/{registry}/{uid}", term, "term.html", table="artifacts"),
)
