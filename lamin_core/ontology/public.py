"""Public ontologies: look terms up without a registry, from a copy on this machine."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from lamin_core.errors import InvalidArgument, MissingExtra
from lamin_core.models.checks import is_storable
from lamin_core.models.names import Inspection, Lookup
from lamin_core.ontology import catalog
from lamin_core.ontology.readers import terms_of
from lamin_core.ontology.settings import settings
from lamin_core.ontology.shelf import Shelf, TermRow, build, shelf_path
from lamin_core.query.validation import checked, split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from lamin_core.ontology.term import Term

V = TypeVar("V")
_NOT_SHOWN = ("is_obsolete", "replaced_by")
_COMPARED = ("description", "synonyms", "parents")
_NEAR = 3
"""Names that are suggested for an unknown name."""


@dataclass(frozen=True)
class Difference:
    """The differences of a second version of an ontology: identifiers of terms."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    """Terms in both versions with another name, description, synonyms or parents."""


class PublicOntology:
    """One ontology in one version, for one registry: `bt.CellType.public()`.

    Terms that the ontology has given up are found by `get` alone, which says so.
    """

    def __init__(
        self,
        registry: type[Term],
        *,
        name: str,
        version: str,
        organism: str,
        description: str | None,
        url: str | None,
        licence: str | None,
        shelf: Shelf,
    ) -> None:
        self.registry = registry
        self.name, self.version, self.organism = name, version, organism
        self.description, self.url, self.licence = description, url, licence
        self._shelf = shelf

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that terms have."""
        own = {column.key for column in self.registry.__mapper__.column_attrs} | {"parents"}
        return tuple(name for name in self._shelf.fields if name in own)

    def __len__(self) -> int:
        return len(self._shelf.columns("rowid", where=_LIVE))

    def __repr__(self) -> str:
        named = f"{self.name} {self.version}, {self.organism}"
        return f"PublicOntology({self.registry.__name__}, {named}, {len(self):,} terms)"

    def df(self) -> pd.DataFrame:
        """Return all terms as a `pandas.DataFrame`, a row each, indexed by their identifiers."""
        return self._frame(self._shelf.read(_LIVE))

    to_dataframe = df

    def search(self, string: str, *, field: str | None = None, limit: int = 20) -> pd.DataFrame:
        """Return the terms that fit best as a `pandas.DataFrame`, the best first.

        Names that are equal come before those that begin so, that contain it, and those of which
        a synonym or a text does; if none do, names that are spelled nearly so.
        """
        from lamin_core.ontology.search import ranked

        names = (
            [self._checked_field(field)] if field else [self._name_field, "synonyms", "description"]
        )
        return self._frame(ranked(self._shelf, string, names, limit))

    def lookup(self, field: str | None = None) -> Lookup[TermRow]:
        """Return an object to complete names in: `.lookup().t_cell["ontology_id"]`."""
        name = self._checked_field(field)
        rows = [row for row in self._shelf.read(_LIVE) if row[name]]
        return Lookup(self.registry.__name__, [row[name] for row in rows], rows)

    def inspect(self, values: Iterable[object], field: str | None = None) -> Inspection:
        """Return which of the values are names of terms (`validated`), and which are not."""
        name = self._checked_field(field)
        items = tuple(checked(values))
        found_values = frozenset(row[name] for row in self.rows(name, items))
        return Inspection(self.registry.__name__, name, items, found_values)

    def validate(self, values: Iterable[object], field: str | None = None) -> npt.NDArray[np.bool_]:
        """Return for each of the values whether it is the name of a term, as a `numpy` array."""
        return self.inspect(values, field).mask

    def standardize(self, values: Iterable[V], field: str | None = None) -> list[V | str]:
        """Return the values with synonyms, and other spellings in upper and lower case, replaced by names."""
        name = self._checked_field(field)
        items = list(checked(values))
        exact = {row[name] for row in self.rows(name, items)}
        names = self._names_by_synonym(name)
        standard: list[V | str] = []
        for item in items:
            is_text = isinstance(item, str) and item not in exact
            standard.append(names.get(item.lower(), item) if is_text else item)  # type: ignore[attr-defined]
        return standard

    def diff(self, other: PublicOntology | str) -> Difference:
        """Compare it with another version, which is given as one or by its source: `"cl@v2025-07-30"`."""
        second = other
        if not isinstance(second, PublicOntology):
            second = open_public(self.registry, self.organism, second)
        compared = (self.registry._identifier, self._name_field, *_COMPARED)
        fields = [name for name in compared if name in self._shelf.fields]
        before, after = (
            {row[0]: row[1:] for row in item._shelf.columns(*fields, where=_LIVE) if row[0]}
            for item in (self, second)
        )
        both = sorted(before.keys() & after.keys())
        return Difference(
            added=sorted(after.keys() - before.keys()),
            removed=sorted(before.keys() - after.keys()),
            changed=[name for name in both if before[name] != after[name]],
        )

    # For records

    def rows(self, field: str, values: Iterable[object]) -> list[TermRow]:
        """Return the terms that have one of these values in this field, without those that were given up."""
        texts = [
            value
            for value in dict.fromkeys(values)
            if isinstance(value, str) and is_storable(value)
        ]
        return [row for row in self._shelf.among(field, texts) if not row["is_obsolete"]]

    def matches(self, field: str, value: str) -> list[TermRow]:
        """Return the terms with this value, and those that were given up; by name, else by a synonym."""
        rows = self._shelf.read(f"{self._checked_field(field)} = ?", [value])
        if not rows and field == self._name_field:
            inner = "instr('|' || lower(synonyms) || '|', '|' || lower(?) || '|') > 0"
            rows = self._shelf.read(f"{inner} AND {_LIVE}", [value])
        return rows

    def near(self, field: str, value: str) -> list[str]:
        """Return the names that are nearest to this one."""
        names = [
            row[0] for row in self._shelf.columns(field, where=f"{field} IS NOT NULL AND {_LIVE}")
        ]
        first = value[:1].lower()
        likely = [name for name in names if name[:1].lower() == first]
        return difflib.get_close_matches(value, likely, n=_NEAR)

    def parents_of(self, identifier: str) -> list[str]:
        """Return the identifiers of the terms directly above."""
        if identifier not in self._parents:
            self._note_parents([identifier])
        return self._parents[identifier]

    def above(self, identifiers: Sequence[str]) -> list[TermRow]:
        """Return the terms above these, over any number of steps, without these."""
        seen, reached, terms = set(identifiers), list(identifiers), []
        while reached:
            self._note_parents(reached)
            wider = [name for below in reached for name in self._parents[below]]
            reached = [name for name in dict.fromkeys(wider) if name not in seen]
            seen.update(reached)
            terms += list(self._shelf.among("ontology_id", reached))
        return terms

    def _note_parents(self, identifiers: Sequence[str]) -> None:
        missing = [name for name in identifiers if name not in self._parents]
        for row in self._shelf.among("ontology_id", missing):
            self._parents[row["ontology_id"]] = split(row["parents"])
        for name in missing:
            self._parents.setdefault(name, [])

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        return {}

    def source_values(self) -> dict[str, Any]:
        """Return the columns of its `Source`."""
        return {
            "entity": self.registry._registry_name(),
            "organism": self.organism,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "url": self.url,
            "licence": self.licence,
        }

    @property
    def _name_field(self) -> str:
        return self.registry._name_field

    def _checked_field(self, field: object) -> str:
        name = str(self._name_field if field is None else getattr(field, "key", field))
        name = self.registry._aliases.get(name, name)
        if name not in self.fields:
            raise InvalidArgument(
                f"terms of {self.name} have no field {name!r}",
                hint=f"one of {', '.join(self.fields)}",
            )
        return name

    def _names_by_synonym(self, field: str) -> dict[str, str]:
        names: dict[str, str] = {}
        listed = self._shelf.columns(field, "synonyms", where=f"{field} IS NOT NULL AND {_LIVE}")
        for name, _ in listed:
            names.setdefault(name.lower(), name)
        for name, synonyms in listed:
            for synonym in split(synonyms):
                names.setdefault(synonym.lower(), name)
        return names

    def _frame(self, rows: list[TermRow]) -> pd.DataFrame:
        try:
            import pandas
        except ImportError as error:
            raise MissingExtra("pandas", "data") from error
        key = (
            self.registry._identifier
            if self.registry._identifier in self.fields
            else self._name_field
        )
        columns = [name for name in self.fields if name not in _NOT_SHOWN]
        return pandas.DataFrame(rows, columns=columns).set_index(key)


_LIVE = "coalesce(is_obsolete, 0) = 0"
"""The terms that the ontology has not given up."""


def open_public(registry: type[Term], organism: object, source: object) -> PublicOntology:
    """Return the ontology that is meant. Raises `MissingExtra` and `InvalidArgument`."""
    from lamin_core.ontology.source import Source, registered, shelved

    called = getattr(organism, "name", organism)
    if called is None:
        called = settings.organism
    if called is not None and not isinstance(called, str):
        raise InvalidArgument(f"not an organism: {organism!r}", hint='organism="human"')
    item: Source | None
    if isinstance(source, Source):
        item, version = source, source.version
    elif source is None or isinstance(source, str):
        name, _, version = (source or "").partition("@")
        item = registered(registry, called, name, version)
    else:
        raise InvalidArgument(f"not a source: {source!r}", hint='source="cl", or a bt.Source')
    if isinstance(item, Source) and item.is_file:
        return shelved(registry, item)
    if isinstance(item, Source):
        called = None if item.organism == "all" else item.organism
        name = item.name
    ontology = catalog.ontologies(registry.__name__, called, name or None)[0]
    return _shipped(registry, ontology, version)


_open: dict[tuple[str, ...], PublicOntology] = {}
"""The ontologies that this process has opened."""


def _shipped(registry: type[Term], ontology: catalog.Ontology, version: str) -> PublicOntology:
    versions = catalog.versions(ontology)
    chosen = version or versions[0]
    if chosen not in versions:
        raise InvalidArgument(
            f"no version {chosen!r} of {ontology.name}", hint=f"one of {', '.join(versions)}"
        )
    path = shelf_path(ontology.entity, ontology.organism, ontology.name, chosen)
    key = (ontology.entity, str(path))
    if key not in _open or not path.exists():
        if not path.exists():
            extra = extra_fields(registry)
            build(path, terms_of(ontology, chosen), extra)
        _open[key] = PublicOntology(
            registry,
            name=ontology.name,
            version=chosen,
            organism=ontology.organism,
            description=ontology.description,
            url=ontology.url,
            licence=ontology.licence,
            shelf=Shelf(path),
        )
    return _open[key]


def extra_fields(registry: type[Term]) -> list[str]:
    """Return the fields of this registry that a term of a source may have beside those that all have."""
    names = [column.key for column in registry.__mapper__.column_attrs]
    return [name for name in names if name not in _OF_ALL]


_OF_ALL = frozenset(
    (
        *("id", "uid", "created_at", "created_by_id", "deleted_at", "source_id", "organism_id"),
        *("name", "ontology_id", "synonyms", "description", "abbr"),
    )
)
