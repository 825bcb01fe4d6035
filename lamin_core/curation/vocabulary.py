"""The records that values name: those that exist, those that an ontology has, and those that are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.curation.problems import SHOWN, Problem, listed, near_misses
from lamin_core.ingest.feature_labels import types_called
from lamin_core.models import Feature, Registry
from lamin_core.models.checks import is_storable
from lamin_core.models.dtypes import Dtype, Option, registry_called
from lamin_core.models.record_kinds import Named
from lamin_core.query.validation import mapper
from lamin_core.saving.categoricals import Terms

_COMPARED = 100_000
"""Names of a registry that values are compared with, to say what was meant."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The records that the values of one column name."""

    feature: Feature
    dtype: Dtype
    records: tuple[Registry, ...]
    """Saved ones, and those that an ontology has, which are saved with the dataset."""
    missing: tuple[str, ...]
    """Texts that name nothing."""
    others: tuple[object, ...]
    """Values that are not texts."""
    valid: tuple[str, ...]
    """Names that would be valid, where some values are not."""
    synonyms: Mapping[str, str]
    """The names of records that missing values are synonyms of, or write in another case."""

    @property
    def option(self) -> Option:
        """The first registry that values come from."""
        return self.dtype.options[0]

    @property
    def is_valid(self) -> bool:
        """Whether every value names a record."""
        return not (self.missing or self.others)


def match_values(
    session: Session, feature: Feature, dtype: Dtype, values: Iterable[object]
) -> Matches:
    """Look the values up in the registries of a categorical feature."""
    texts: list[str] = []
    others: list[object] = []
    for value in values:
        if isinstance(value, str) and is_storable(value):
            texts.append(value)
        else:
            others.append(value)
    records, missing = Terms(session, feature, dtype).of(texts)
    sourced = _sourced(dtype.options, missing)
    missing = [name for name in missing if name not in sourced]
    valid = valid_names(session, dtype.options) if missing else []
    return Matches(
        feature,
        dtype,
        (*records, *dict.fromkeys(sourced.values())),
        tuple(missing),
        tuple(others),
        tuple(valid),
        synonyms_of(session, dtype, missing) if missing else {},
    )


def _sourced(options: Sequence[Option], names: list[str]) -> dict[str, Registry]:
    """Return the records that public ontologies have for these names, unsaved."""
    records: dict[str, Registry] = {}
    for option in options:
        registry: Any = registry_called(option.registry)
        if option.type is not None or not names or "public" not in dir(registry):
            continue
        field = option.field or registry._name_field
        for record in registry.from_values(names, field=field):
            records.setdefault(getattr(record, field), record)
    return records


def valid_names(session: Session, options: Sequence[Option]) -> list[str]:
    """Return the names that values of such a feature may have."""
    names: list[str] = []
    for option in options:
        registry: Any = registry_called(option.registry)
        column = getattr(registry, option.field or registry._name_field)
        query = select(column).where(column.is_not(None))
        if option.type is not None:
            query = query.where(registry.type_id.in_(types_called(session, registry, option.type)))
        names += session.scalars(query.limit(_COMPARED))
    return names


def synonyms_of(session: Session, dtype: Dtype, values: Iterable[object]) -> dict[str, str]:
    """Return the name that each value means that is only a synonym, or written in another case."""
    texts = [value for value in values if isinstance(value, str)]
    names: dict[str, str] = {}
    for option in dtype.options:
        registry = registry_called(option.registry)
        names = (
            mapper(
                session,
                registry,
                registry._listed().with_only_columns(registry.id),
                texts,
                option.field,
            )
            | names
        )
    return names


def problems_of(matches: Matches, *, call: str) -> list[Problem]:
    """Return what is wrong with the values of one column; `call` begins the call that mends it."""
    name, problems = matches.feature.name, []
    if matches.others:
        problems.append(
            Problem(
                f"{_number(matches.others, 'value')} in feature {name!r} {_is(matches.others)} "
                f"no text: {listed(matches.others)}",
                f"df[{name!r}] = df[{name!r}].astype('string'), or leave them empty",
            )
        )
    if matches.synonyms:
        shown = [f"{value!r} for {name_of!r}" for value, name_of in matches.synonyms.items()]
        problems.append(
            Problem(
                f"{_number(shown, 'synonym')} in feature {name!r}: {', '.join(shown[:SHOWN])}",
                f"replace by names: {call}.cat.standardize({name!r})",
            )
        )
    unnamed = [value for value in matches.missing if value not in matches.synonyms]
    if unnamed:
        hint = near_misses(unnamed, matches.valid)
        problems.append(
            Problem(
                f"{_number(unnamed, 'term')} not validated in feature {name!r}: "
                f"{listed(unnamed)}{hint}",
                f"fix typos, or create records: {how_to_make(matches.option, unnamed)}"
                f"; or all at once: {call}.cat.add_new_from({name!r})",
            )
        )
    return problems


def how_to_make(option: Option, names: Sequence[str]) -> str:
    """Return the call that makes records of these names."""
    shown = repr(list(names)) if len(names) <= 5 else "[...]"
    registry = registry_called(option.registry)
    code = registry._name_in_code()
    if option.type is not None:
        group = f"type={code}.get(name={option.type!r})"
        return f"ln.save([{code}(name=name, {group}) for name in {shown}])"
    if not issubclass(registry, Named):
        return f"{code}(...).save()"
    field = f", field={option.field!r}" if option.field else ""
    return f"{code}.from_values({shown}{field}, create=True).save()"


def _number(values: Sequence[object], noun: str) -> str:
    return f"{len(values):,} {noun}{'' if len(values) == 1 else 's'}"


def _is(values: Sequence[object]) -> str:
    return "is" if len(values) == 1 else "are"
