"""Records made of the terms of public ontologies, unsaved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from lamin_core.errors import InvalidArgument, MissingExtra, MultipleFound, NotFound
from lamin_core.ontology import catalog
from lamin_core.ontology.organisms import COMMON
from lamin_core.ontology.public import PublicOntology, extra_fields, open_public
from lamin_core.ontology.shelf import TermRow
from lamin_core.ontology.term import UID_LENGTH, OfOrganism, Term
from lamin_core.runtime import current
from lamin_core.saving import save_all
from lamin_core.uids import derived_uid

T = TypeVar("T", bound=Term)
_SHOWN = 10


def term_uid(registry: type[Term], *parts: str) -> str:
    """Return the uid of the term with this identifier: the same in every instance."""
    return derived_uid(UID_LENGTH, registry._registry_name(), *parts)


def scientific_name(name: str) -> tuple[str, str]:
    """Return the scientific name and the identifier of an organism. Raises `InvalidArgument` for an unknown one.

    >>> scientific_name("human")
    ('Homo sapiens', 'NCBITaxon:9606')
    """
    if name not in COMMON:
        names = ", ".join([*list(COMMON)[:_SHOWN], "..."])
        hint = f"one of {names}, or save it first: bt.Organism.from_source(name={name!r}, source='ncbitaxon').save()"
        raise InvalidArgument(f"no organism {name!r}", hint=hint)
    return COMMON[name]


def record_of(registry: type[T], public: PublicOntology, term: TermRow) -> T:
    """Return an unsaved record of a term; saving it writes its source and what is above it."""
    record: T = registry.__mapper__.class_manager.new_instance()
    own = record.__dict__
    for name in _columns(registry):
        value = term.get(name)
        if value is not None:
            own[name] = value
    own["_public"] = public
    if issubclass(registry, OfOrganism) and public.organism != "all":
        own["_organism_of"] = public.organism
    return record


_columns_of: dict[type[Term], list[str]] = {}


def _columns(registry: type[Term]) -> list[str]:
    if registry not in _columns_of:
        names = [*extra_fields(registry), "ontology_id", "synonyms", "description"]
        is_named = "name" in registry.__mapper__.column_attrs
        _columns_of[registry] = [*(["name"] if is_named else []), *names]
    return _columns_of[registry]


def from_source(registry: type[T], identifier: Mapping[str, str], organism: Any, source: Any) -> T:
    """Return the record of one public term: the saved one, or a new one."""
    if len(identifier) != 1:
        kind, field = registry.__name__, registry._name_field
        raise InvalidArgument(
            f"name one field of the term, not {len(identifier)}: {sorted(identifier)}",
            hint=f"bt.{kind}.from_source({field}=...), or {registry._identifier}=...",
        )
    (field, value), *_ = identifier.items()
    public = open_public(registry, organism, source)
    field = public._checked_field(field)
    term = one_term(public, field, value)
    saved = registry.filter(**_known_by(registry, public, term)).first()
    return record_of(registry, public, term) if saved is None else saved


def _known_by(registry: type[Term], public: PublicOntology, term: TermRow) -> dict[str, str]:
    """The lookups that find the saved record of a term; some genes have no identifier."""
    known_by = registry._identifier if term.get(registry._identifier) else registry._name_field
    lookups = {known_by: term[known_by]}
    if issubclass(registry, OfOrganism) and public.organism != "all":
        lookups["organism__name"] = public.organism
    return lookups


def one_term(public: PublicOntology, field: str, value: str) -> TermRow:
    """Return the only term with this value. Raises `NotFound` and `MultipleFound`, with what to type."""
    if not isinstance(value, str):
        raise InvalidArgument(f"not a name of a term: {value!r}", hint=f'{field}="..."')
    matches = public.matches(field, value)
    terms = [row for row in matches if not row["is_obsolete"]]
    if len(terms) == 1:
        return terms[0]
    key = public.registry._identifier
    called = f"{public.name} {public.version}"
    if terms:
        listed = ", ".join(f"{row[key]} ({row[public._name_field]})" for row in terms[:_SHOWN])
        hint = f"{key}={terms[0][key]!r} names one of them"
        raise MultipleFound(
            f"{len(terms)} terms of {called} are called {value!r}: {listed}", hint=hint
        )
    if matches:
        replaced = matches[0]["replaced_by"]
        hint = (
            f"it was replaced by {replaced}" if replaced else "its ontology names no other for it"
        )
        raise NotFound(f"{value!r} is obsolete in {called}", hint=hint)
    raise NotFound(
        f"no term of {called} has {field}={value!r}", hint=_where_else(public, field, value)
    )


def _where_else(public: PublicOntology, field: str, value: str) -> str:
    """Which version has the term, or which names are near."""
    registry = public.registry
    for version in _other_versions(public):
        other = open_public(registry, public.organism, f"{public.name}@{version}")
        if any(not row["is_obsolete"] for row in other.matches(field, value)):
            return f"version {version} has it: source={f'{public.name}@{version}'!r}"
    near = public.near(field, value)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    kind = registry.__name__
    own = f"bt.{kind}({registry._name_field}=...) for a term of your own"
    return f"bt.{kind}.public().search({value!r}), or {own}"


def _other_versions(public: PublicOntology) -> list[str]:
    """The other versions that the package carries of an ontology that is not large."""
    if public.name in ("ncbitaxon", "uniprot", "cvcl"):
        return []
    try:
        every = catalog.ontologies(public.registry.__name__, public.organism, public.name)
        return [version for version in catalog.versions(every[0]) if version != public.version]
    except (InvalidArgument, MissingExtra):
        return []


class Finder:
    """Finds the terms with some names, for `from_values`."""

    def __init__(self, registry: type[Term], organism: Any, source: Any) -> None:
        self._registry, self._organism, self._source = registry, organism, source

    def __call__(self, field: str, values: list[Any]) -> dict[Any, Any]:
        """The records of the terms with these values of the field, unsaved; of an ambiguous name none."""
        try:
            public = open_public(self._registry, self._organism, self._source)
        except (InvalidArgument, MissingExtra):
            if self._organism is not None or self._source is not None:
                raise
            return {}  # a registry without an ontology, or without its package, has its own terms
        if field not in public.fields:
            return {}
        records: dict[Any, Any] = {}
        ambiguous = set()
        for term in public.rows(field, values):
            ambiguous.update([term[field]] if term[field] in records else [])
            records[term[field]] = record_of(self._registry, public, term)
        return {value: record for value, record in records.items() if value not in ambiguous}


def import_source(registry: type[Term], organism: Any, source: Any) -> int:
    """Save all terms of the ontology in one transaction; returns how many are new."""
    public = open_public(registry, organism, source)
    before = registry.count()
    instance = current.current_instance()
    terms = public._shelf.read("coalesce(is_obsolete, 0) = 0")
    save_all(instance, [record_of(registry, public, term) for term in terms])
    return int(registry.count() - before)
