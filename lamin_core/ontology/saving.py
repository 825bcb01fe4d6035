"""Saving terms also writes their sources, organisms and broader terms, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.db.statements import insert_missing_rows
from lamin_core.models.relations import relations_of
from lamin_core.models.tables import now, table_of
from lamin_core.models.terms import Hierarchical
from lamin_core.ontology.public import PublicOntology
from lamin_core.ontology.records import record_of, scientific_name, term_uid
from lamin_core.ontology.source import Source
from lamin_core.ontology.species import Organism
from lamin_core.ontology.term import OfOrganism, Term
from lamin_core.query.operators import OPERATORS
from lamin_core.uids import derived_uid


def prepared(session: Session, registry: type[Term], records: list[Any]) -> list[Any]:
    """Return the records and those of all terms above them, each with its uid, source and organism."""
    records = [*records, *_above(registry, records)]
    sources: dict[PublicOntology, int] = {}
    for record in records:
        public = record.__dict__.get("_public")
        if public is not None:
            if public not in sources:
                sources[public] = _source_id(session, public)
            record.__dict__["source_id"] = sources[public]
    if issubclass(registry, OfOrganism):
        _set_organisms(session, records)
    _set_uids(session, registry, records)
    return records


def written(
    session: Session, registry: type[Term], records: list[Any], rows: Mapping[Any, Any]
) -> None:
    """Tie the terms of sources to those directly above them."""
    publics = [record.__dict__.pop("_public", None) for record in records]
    for record in records:
        record.__dict__.pop("_organism_of", None)
    if not issubclass(registry, Hierarchical):
        return
    relation: Any = relations_of(registry)["parents"]
    by_identifier = {row["ontology_id"]: row["id"] for row in rows.values()}
    links = []
    for record, public in zip(records, publics, strict=True):
        if public is None:
            continue
        for parent in public.parents_of(record.ontology_id):
            if parent in by_identifier:
                links.append(
                    {
                        relation.own: by_identifier[record.ontology_id],
                        relation.other: by_identifier[parent],
                    }
                )
    insert_missing_rows(session, table_of(relation.link), links)


def _above(registry: type[Term], records: list[Any]) -> list[Any]:
    """Records of all terms above those that are of a source, without those that are listed."""
    if not issubclass(registry, Hierarchical):
        return []
    identifiers: dict[PublicOntology, list[str]] = {}
    for record in records:
        public = record.__dict__.get("_public")
        if public is not None:
            identifiers.setdefault(public, []).append(record.ontology_id)
    return [
        record_of(registry, public, term)
        for public, below in identifiers.items()
        for term in public.above(below)
    ]


def _source_id(session: Session, public: PublicOntology) -> int:
    """The primary key of the source, which is written where it is new."""
    values = public.source_values()
    known_by = {name: values[name] for name in Source._known_by}
    uid = derived_uid(8, *map(str, known_by.values()))
    row = {**values, "uid": uid, "created_at": now()}
    insert_missing_rows(session, table_of(Source), [row])
    query = select(Source.id).where(
        *(getattr(Source, name) == value for name, value in known_by.items())
    )
    return int(session.execute(query).scalar_one())


def _set_organisms(session: Session, records: list[Any]) -> None:
    names: dict[str, int] = {}
    for record in records:
        organism = record.__dict__.get("_organism_of")
        if organism is None:
            continue
        if isinstance(organism, Organism) and organism.id is not None:
            record.__dict__["organism_id"] = organism.id
            continue
        name = organism.name if isinstance(organism, Organism) else organism
        if name not in names:
            names[name] = _organism_id(session, name)
        record.__dict__["organism_id"] = names[name]


def _organism_id(session: Session, name: str) -> int:
    """The primary key of the organism with this name, which is written where it is new."""
    existing = session.scalar(select(Organism.id).where(Organism.name == name).limit(1))
    if existing is not None:
        return existing
    scientific, identifier = scientific_name(name)
    row = {
        "uid": term_uid(Organism, identifier),
        "name": name,
        "scientific_name": scientific,
        "ontology_id": identifier,
        "created_at": now(),
    }
    insert_missing_rows(session, table_of(Organism), [row])
    query = select(Organism.id).where(Organism.uid == row["uid"])
    return int(session.execute(query).scalar_one())


def _set_uids(session: Session, registry: type[Term], records: list[Any]) -> None:
    """A term is known by its identifier; one of one's own by its name, if no record has it already."""
    named = [record for record in records if not getattr(record, registry._identifier)]
    existing = _by_name(session, registry, named)
    for record in records:
        own = record.__dict__
        identifier = own.get(registry._identifier)
        organism = own.get("organism_id")
        name = own.get(registry._name_field)
        uid = None if identifier else existing.get((name, organism))
        if uid is None:
            parts = [identifier or f"name:{name}"]
            if organism is not None and (not identifier or registry._identifier == "name"):
                parts.append(str(organism))
            uid = term_uid(registry, *parts)
        own["uid"] = uid


def _by_name(session: Session, registry: type[Term], records: list[Any]) -> dict[Any, str]:
    """The uids of the saved records with these names, by name and organism; of several the first."""
    if not records:
        return {}
    names = list(dict.fromkeys(getattr(record, registry._name_field) for record in records))
    table = table_of(registry)
    column: Any = getattr(registry, registry._name_field)
    rows = session.execute(
        select(table).where(OPERATORS["in"](column, names)).order_by(table.c.id.desc())
    ).mappings()
    return {(row[registry._name_field], row.get("organism_id")): row["uid"] for row in rows}
