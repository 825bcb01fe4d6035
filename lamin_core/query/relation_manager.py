"""The related records of one record, and changes to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import CTE, Select, delete, select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.db.presence import check_present
from lamin_core.db.statements import insert_missing_rows
from lamin_core.errors import InvalidArgument
from lamin_core.models import (
    Artifact,
    Base,
    Collection,
    Registry,
    RunArtifact,
    Schema,
    SchemaComponent,
    ToMany,
    now,
)
from lamin_core.models.checks import listed_argument
from lamin_core.models.queryset import RelatedSet
from lamin_core.models.tables import table_of
from lamin_core.query.lookups import narrowing
from lamin_core.query.queryset import SQLQuerySet

R = TypeVar("R", bound=Registry)


class SQLRelatedSet(SQLQuerySet[R], RelatedSet[R]):
    """The records that a relation ties to one record, read and changed by SQL."""

    def __init__(self, database: Database, record: Any, relation: ToMany[R]) -> None:
        self._record, self._relation = record, relation
        target, link = relation.target, relation.link
        if link is None:
            query = target._listed().where(getattr(target, relation.own) == record.id)
        else:
            own, other = getattr(link, relation.own), getattr(link, relation.other)
            query = target._listed().where(
                target.id.in_(select(other).where(own == record.id, *narrowing(relation)))
            )
        super().__init__(database, target, query)

    def _fetched(self, query: Select[Any]) -> list[R]:
        """The records; a member of a collection knows which, so that its readers depend on who chose it."""
        records = super()._fetched(query)
        if isinstance(self._record, Collection) and self.registry is Artifact:
            for record in records:
                record.__dict__["_member_of"] = self._record
        return records

    def add(self, *records: R) -> None:
        link = self._between()
        _check(self.registry, records)
        with self._database.writing() as session:
            check_present(session, [self._record, *records])
            if self._relation.target is type(self._record):
                self._check_acyclic(session, link, records)
            rows = [self._row(link, record) for record in records]
            insert_missing_rows(session, table_of(link), rows)

    def set(self, records: Iterable[R]) -> None:
        """Tie these and no others."""
        members = listed_argument(records, "records", f"set([{self.registry.__name__}.get(...)])")
        _check(self.registry, members)
        member_ids = {record.id for record in members}
        self.remove(*(record for record in self if record.id not in member_ids))
        self.add(*members)

    def remove(self, *records: R) -> None:
        link = self._between()
        _check(self.registry, records)
        own, other = getattr(link, self._relation.own), getattr(link, self._relation.other)
        theirs = [
            own == self._record.id,
            other.in_([r.id for r in records]),
            *narrowing(self._relation),
        ]
        with self._database.writing() as session:
            session.execute(delete(link).where(*theirs))

    def clear(self) -> None:
        self.remove(*self)

    def _row(self, link: type[Base], record: Registry) -> dict[str, Any]:
        values: dict[str, Any] = {
            self._relation.own: self._record.id,
            self._relation.other: record.id,
        }
        if link is RunArtifact:  # the edge also says what was seen, and when
            artifact = record if isinstance(record, Artifact) else self._record
            values |= {
                "series_id": artifact.series_id,
                "content_id": artifact.content_id,
                "observed_at": now(),
            }
        return values | self._relation.only

    def _between(self) -> type[Base]:
        link = self._relation.link
        name = type(self._record).__name__
        if link is None:
            raise InvalidArgument(
                f"{self._relation.target_name} records name their {name} themselves",
                hint="set it there, then .save()",
            )
        if self._relation.is_fixed:
            raise InvalidArgument(
                f"a {name} is known by its {self._relation.target_name} records",
                hint=f"make another: ln.{name}([...])",
            )
        return link

    def _check_acyclic(self, session: Session, link: Any, records: Iterable[Registry]) -> None:
        """Refuse a link that would put a record above itself."""
        above = reached(link, self._relation.other, self._relation.own, self._record.id)
        ancestor_ids = set(session.scalars(select(above.c.id))) | {self._record.id}
        for record in records:
            if record.id in ancestor_ids:
                raise InvalidArgument(
                    f"{record!r} would be above and below {self._record!r}",
                    hint="a hierarchy has no circles",
                )


def ordered_members(database: Database, record: Any, relation: ToMany[R]) -> SQLRelatedSet[R]:
    """The records of a relation whose link has a position, in the order in which they were passed."""
    link, target = relation.link, relation.target
    assert link is not None
    position = (
        select(link.position)
        .where(getattr(link, relation.own) == record.id)
        .where(getattr(link, relation.other) == target.id)
        .scalar_subquery()
    )
    return SQLRelatedSet(database, record, relation)._with(_order=((position, False),))


def all_reached(database: Database, record: Any, relation: Any) -> SQLQuerySet[Any]:
    """The records on all paths from this one over a relation to records of its own kind."""
    closure = reached(relation.link, relation.own, relation.other, record.id)
    query = select(relation.target).where(relation.target.id.in_(select(closure.c.id)))
    return SQLQuerySet(database, relation.target, query)


def slots(database: Database, schema: Schema) -> dict[str, Schema]:
    """The schema of each slot of a composite one, in the order of their names."""
    query = select(SchemaComponent.slot, Schema).join(
        Schema, Schema.id == SchemaComponent.component_id
    )
    with database.reading() as session:
        rows = session.execute(
            query.where(SchemaComponent.composite_id == schema.id).order_by(SchemaComponent.slot)
        )
        return {row[0]: row[1] for row in rows}


def reached(link: object, own: str, other: str, start: int) -> CTE:
    """The primary keys on all paths from a record, over the table between."""
    first = (
        select(getattr(link, other).label("id"))
        .where(getattr(link, own) == start)
        .cte(recursive=True)
    )
    return first.union(select(getattr(link, other)).where(getattr(link, own) == first.c.id))


def _check(registry: type[Any], records: Iterable[Registry]) -> None:
    for record in records:
        if not isinstance(record, registry):
            raise InvalidArgument(
                f"not a record of {registry.__name__}: {record!r}",
                hint=f"pass {registry.__name__} records",
            )
        if record.id is None:
            raise InvalidArgument(f"{record!r} is not saved", hint="call .save() first")
