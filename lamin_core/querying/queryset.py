"""Query sets: lazy, chainable, and lists of plain records when they are looked at."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Select, delete, func, select

from lamin_core.db import Database
from lamin_core.errors import InvalidArgument, MissingExtra, MultipleFound, NotFound
from lamin_core.models import Artifact, Base, Many, Registry, RunArtifact, now
from lamin_core.querying.lookups import Condition, conditions, field_of, fields_of, narrowing
from lamin_core.uids import VERSION_LENGTH

T = TypeVar("T")


class QuerySet(Generic[T]):
    """Records of one registry that fit some conditions; asks the database when it is iterated, counted or shown."""

    def __init__(self, database: Database, registry: type[T], query: Select[Any] | None = None) -> None:
        self._database = database
        self.registry: Any = registry
        self._query = select(registry) if query is None else query
        self._is_ordered = False

    def _with(self, query: Select[Any], *, is_ordered: bool = False) -> Self:
        made = type(self).__new__(type(self))
        made.__dict__ = {**self.__dict__, "_query": query, "_is_ordered": is_ordered or self._is_ordered}
        return made

    def filter(self, *extra: Condition, **lookups: Any) -> Self:
        """Those that also fit these. Raises `InvalidArgument` for a field that is none."""
        return self._with(self._query.where(*extra, *conditions(self.registry, lookups)))

    def exclude(self, **lookups: Any) -> Self:
        """Those that do not fit these."""
        return self._with(self._query.where(*(~one for one in conditions(self.registry, lookups))))

    def all(self) -> Self:
        """The same."""
        return self

    def order_by(self, *names: str) -> Self:
        """In this order; `-` before a name turns it round."""
        columns = [field_of(self.registry, name.lstrip("-")) for name in names]
        ordered = [c.desc() if n.startswith("-") else c.asc() for c, n in zip(columns, names, strict=True)]
        return self._with(self._query.order_by(None).order_by(*ordered), is_ordered=True)

    def distinct(self) -> Self:
        """Each record once, as it is anyway."""
        return self

    def _ordered(self) -> Select[Any]:
        return self._query if self._is_ordered else self._query.order_by(self.registry.id)

    def __iter__(self) -> Iterator[T]:
        with self._database.reading() as session:
            return iter(list(session.scalars(self._ordered())))

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, place: int | slice) -> Any:
        return list(self)[place]

    def __repr__(self) -> str:
        shown = self._limited(11)
        more = ", ..." if len(shown) > 10 else ""
        return f"<QuerySet [{', '.join(map(repr, shown[:10]))}{more}]>"

    def _limited(self, limit: int) -> list[Any]:
        with self._database.reading() as session:
            return list(session.scalars(self._ordered().limit(limit)))

    def to_list(self) -> list[T]:
        """All of them."""
        return list(self)

    def count(self) -> int:
        """How many."""
        with self._database.reading() as session:
            ids = self._query.with_only_columns(self.registry.id).order_by(None).subquery()
            return session.scalar(select(func.count()).select_from(ids)) or 0

    def exists(self) -> bool:
        """Whether there is one."""
        return self.first() is not None

    def first(self) -> T | None:
        """The first, or None."""
        return next(iter(self._limited(1)), None)

    def last(self) -> T | None:
        """The last, or None."""
        found = list(self)
        return found[-1] if found else None

    def one(self) -> T:
        """The only one. Raises `NotFound` or `MultipleFound`."""
        found = self._limited(2)
        if not found:
            raise NotFound(
                f"no {self.registry.__name__} fits", hint=f"{self.registry.__name__}.df() shows what is there"
            )
        if len(found) > 1:
            raise MultipleFound(
                f"{self.count()} {self.registry.__name__} records fit", hint="ask for more, or .first()"
            )
        record: T = found[0]
        return record

    def one_or_none(self) -> T | None:
        """The only one, or None. Raises `MultipleFound`."""
        return self.one() if self.exists() else None

    def get(self, uid: str | None = None, **lookups: Any) -> T:
        """The one with this uid, these first characters of it, or these fields; of several versions the latest."""
        narrowed = self if uid is None else self._by_uid(uid)
        narrowed = narrowed.filter(**lookups)
        if hasattr(self.registry, "is_latest"):
            whole = uid is not None and len(uid) == self.registry._stem_length + VERSION_LENGTH
            asked = {"version", "is_latest", "number"} & set(lookups)
            latest = narrowed if whole or asked else narrowed.filter(is_latest=True)
            narrowed = latest if latest.exists() else narrowed
        try:
            return narrowed.one()
        except NotFound:
            raise self._not_found(uid, lookups) from None

    def _by_uid(self, uid: str) -> Self:
        if not uid.isascii() or not uid.isalnum():
            raise InvalidArgument(f"{uid!r} is no uid", hint=f"{self.registry.__name__}.get(key=...) asks for a key")
        return self.filter(uid__startswith=uid)

    def _not_found(self, uid: str | None, lookups: dict[str, Any]) -> NotFound:
        asked = [f"uid {uid!r}"] if uid is not None else []
        asked += [f"{name}={value!r}" for name, value in lookups.items()]
        name = self.registry.__name__
        return NotFound(
            f"no {name} with {', '.join(asked)}", hint=self._nearest(lookups) or f"{name}.df() shows what is there"
        )

    def _nearest(self, lookups: dict[str, Any]) -> str | None:
        name = self.registry._name_field
        wanted = lookups.get(name)
        if not isinstance(wanted, str):
            return None
        with self._database.reading() as session:
            known = session.scalars(select(field_of(self.registry, name)).distinct().limit(5000))
            near = difflib.get_close_matches(wanted, [text for text in known if text], n=3)
        return f"nearest: {', '.join(near)}" if near else None

    def df(self, limit: int | None = None) -> Any:
        """As a `pandas.DataFrame`, indexed by `uid`; `limit` keeps the newest. Raises `MissingExtra` without pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtra("pandas", "data") from error
        names = ["uid", *(n for n in fields_of(self.registry) if n != "uid" and _is_plain(self.registry, n))]
        columns = [getattr(self.registry, name) for name in names]
        query = self._ordered().with_only_columns(*columns)
        if limit is not None:
            query = query.order_by(None).order_by(self.registry.id.desc()).limit(limit)
        with self._database.reading() as session:
            rows = session.execute(query).all()
        return pd.DataFrame.from_records([tuple(row) for row in rows], columns=names).set_index("uid")

    to_dataframe = df

    def delete(self) -> None:
        """Remove them."""
        for record in self:
            record.delete()  # type: ignore[attr-defined]


def _is_plain(registry: type[Any], name: str) -> bool:
    column = registry.__mapper__.column_attrs.get(name)
    return column is not None and not column.columns[0].info.get("long")


class RelatedSet(QuerySet[Any]):
    """The records that a relation ties to one record; `add` and `remove` change that."""

    def __init__(self, database: Database, record: Any, relation: Many[Any]) -> None:
        self._record, self._relation = record, relation
        target, link = relation.target, relation.link
        if link is None:
            query = select(target).where(getattr(target, relation.own) == record.id)
        else:
            own, other = getattr(link, relation.own), getattr(link, relation.other)
            query = select(target).where(target.id.in_(select(other).where(own == record.id, *narrowing(relation))))
        super().__init__(database, target, query)

    def add(self, *records: Registry) -> None:
        """Tie these saved records to it; those that are tied already stay so."""
        link = self._between("add")
        with self._database.writing() as session:
            held = set(session.scalars(self._query.with_only_columns(self.registry.id)))
            for record in records:
                if record.id is None:
                    raise InvalidArgument(f"{record!r} is not saved", hint="call .save() first")
                if record.id not in held:
                    held.add(record.id)
                    session.add(self._row(link, record))

    def _row(self, link: type[Base], record: Registry) -> Base:
        values: dict[str, Any] = {self._relation.own: self._record.id, self._relation.other: record.id}
        if link is RunArtifact:  # the edge also says what was seen, and when
            artifact = record if isinstance(record, Artifact) else self._record
            values |= {"series_id": artifact.series_id, "content_id": artifact.content_id, "observed_at": now()}
        return link(**values, **self._relation.only)

    def remove(self, *records: Registry) -> None:
        """Untie these."""
        link = self._between("remove")
        own, other = getattr(link, self._relation.own), getattr(link, self._relation.other)
        with self._database.writing() as session:
            session.execute(
                delete(link).where(
                    own == self._record.id, other.in_([r.id for r in records]), *narrowing(self._relation)
                )
            )

    def _between(self, verb: str) -> type[Base]:
        link = self._relation.link
        if link is None:
            raise InvalidArgument(f"{self._relation.target_name} records cannot be {verb}ed this way")
        return link
