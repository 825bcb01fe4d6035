"""What was folded before, kept in memory: the next event of a run costs the same, however many came before it."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lamin_core.bulk import select_in
from lamin_core.db import Database
from lamin_core.models import Event as Row
from openlineage.lamin.fold import History
from openlineage.lamin.parsing import ParsedEvent, parse

_KEPT = 5_000


class Histories:
    """The histories of the runs that were heard of last; each counts only while it is all that the raw log holds."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[int, History]] = OrderedDict()

    def absorb(self, session: Session, events: Sequence[ParsedEvent]) -> list[History]:
        """The histories of the runs of these events, which are the newest of the raw log, with the events in them."""
        by_run: defaultdict[str, list[ParsedEvent]] = defaultdict(list)
        for event in events:
            by_run[str(event.run_id)].append(event)
        before = _last_before(session, by_run, min((event.id for event in events), default=0))
        stale = {run for run, last in before.items() if self._held.get(run, (0,))[0] != last}
        for run in by_run:
            if run not in before or run in stale:
                self._held[run] = 0, History(run)
        for event in _load(session, stale):
            self._held[str(event.run_id)][1].absorb(event)
        for run, group in by_run.items():
            history = self._held.pop(run)[1]
            for event in group:
                history.absorb(event)
            self._held[run] = group[-1].id, history
        while len(self._held) > max(_KEPT, len(by_run)):
            self._held.popitem(last=False)
        return [self._held[run][1] for run in by_run]

    def clear(self) -> None:
        """Forget all: what was absorbed was not committed."""
        self._held.clear()


def _last_before(session: Session, runs: Collection[str], first: int) -> dict[str, int]:
    """The last event of each run before this one."""
    query = select(Row.run_id, func.max(Row.id)).where(Row.id < first).group_by(Row.run_id)
    return {row[0]: row[1] for row in select_in(session, query, Row.run_id, runs)}


def _load(session: Session, runs: Collection[str]) -> Iterable[ParsedEvent]:
    query = select(Row.id, Row.body, Row.run_id)
    for row in select_in(session, query, Row.run_id, runs):
        yield replace(parse(row.body), id=row.id)


def load(session: Session, runs: Collection[str]) -> list[History]:
    """The histories of these runs, from the raw log alone."""
    found: dict[str, History] = {}
    for event in _load(session, runs):
        found.setdefault(str(event.run_id), History(str(event.run_id))).absorb(event)
    return list(found.values())


_histories: WeakKeyDictionary[Database, Histories] = WeakKeyDictionary()


def histories_of(database: Database) -> Histories:
    """Those of this database, in this process."""
    return _histories.setdefault(database, Histories())
