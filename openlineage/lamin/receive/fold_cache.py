"""Folded runs in memory: the next event of a run costs the same, however many events precede it."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from sqlalchemy import BindParameter, bindparam, case, func, select
from sqlalchemy.orm import Session

from lamin_core.db.database import Database
from lamin_core.db.statements import select_in
from lamin_core.ingest.facts import RunFacts
from lamin_core.ingest.run_names import possible_run_ids
from lamin_core.ingest.runs import runs_that_name
from lamin_core.models import Event as Row
from openlineage.lamin.receive.parse import ParsedEvent, stored
from openlineage.lamin.receive.run_history import RunHistory

_KEPT = 500
"""The number of running runs whose histories stay in memory: 10 to 30 kB each, in the process of an engine, too."""


@dataclass(slots=True)
class Remembered:
    """The history of a run id, its last event, and the facts of its runs that were last written to the registry."""

    history: RunHistory
    last: int = 0
    written: dict[str, RunFacts] = field(default_factory=dict)
    """By the name of each run."""

    @property
    def has_ended(self) -> bool:
        """Whether an event has told the end of the run."""
        return any(history.ends for history in self.history.jobs.values())

    def absorb(self, event: ParsedEvent) -> None:
        """Add an event to the history."""
        self.history.absorb(event)
        self.last = max(self.last, event.id)


class Histories:
    """The histories of the latest runs that have not ended.

    Each is valid only if it contains all events of its run in the raw log.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[str, Remembered] = OrderedDict()

    def absorb(self, session: Session, events: Sequence[ParsedEvent]) -> list[Remembered]:
        """Return the histories of the runs of these events, with all of their events in the raw log."""
        by_run: defaultdict[str, list[ParsedEvent]] = defaultdict(list)
        for event in events:
            by_run[str(event.run_id)].append(event)
        first = min((event.id for event in events), default=0)
        anew = set()
        for row in select_in(session, _SPAN, Row.run_id, by_run, first=first):
            cached = self._held.setdefault(row.run_id, Remembered(RunHistory(row.run_id)))
            # Others may have logged what comes before these, or between them, or after.
            if cached.last != (row.last or 0) or row.since != len(by_run[row.run_id]):
                self._held[row.run_id] = Remembered(RunHistory(row.run_id))
                anew.add(row.run_id)
            self._held.move_to_end(row.run_id)
        for event in (
            *_load(session, anew),
            *(e for run, group in by_run.items() if run not in anew for e in group),
        ):
            self._held[str(event.run_id)].absorb(event)
        while len(self._held) > max(_KEPT, len(by_run)):
            self._held.popitem(last=False)
        return [self._held[run] for run in by_run]

    def __len__(self) -> int:
        """The number of runs."""
        return len(self._held)

    def drop_ended(self) -> None:
        """Remove the histories of runs that have ended: few events follow, and their histories are read again."""
        for run_id in [run_id for run_id, entry in self._held.items() if entry.has_ended]:
            del self._held[run_id]

    def clear(self) -> None:
        """Remove all histories, because absorbed events were not committed."""
        self._held.clear()


_FIRST: BindParameter[int] = bindparam("first")
_SPAN = select(
    Row.run_id,
    func.max(case((Row.id < _FIRST, Row.id))).label("last"),
    func.count(case((Row.id >= _FIRST, 1))).label("since"),
).group_by(Row.run_id)
"""For each run, its last event before a position in the raw log, and the number of its events after it."""
STORED = select(Row.id, Row.hash, Row.kind, Row.run_id, Row.event_type, Row.event_time, Row.body)
"""The columns of the raw log that `stored` needs."""


def _load(session: Session, runs: Collection[str]) -> Iterator[ParsedEvent]:
    return map(stored, select_in(session, STORED, Row.run_id, runs))


def load(session: Session, names: Collection[str]) -> dict[str, RunFacts]:
    """The facts of the runs with these names, from the raw log alone, and of runs that share ids with them."""
    run_ids: set[str] = set()
    for name in names:
        run_ids |= possible_run_ids(name)
    histories: dict[str, RunHistory] = {}
    for event in _load(session, run_ids):
        histories.setdefault(str(event.run_id), RunHistory(str(event.run_id))).absorb(event)
    return by_name(histories.values())


def by_name(histories: Iterable[RunHistory]) -> dict[str, RunFacts]:
    """The facts of each run in these histories."""
    return {facts.run_id: facts for history in histories for facts in history.facts()}


def load_linked(session: Session, facts: Mapping[str, RunFacts]) -> dict[str, RunFacts]:
    """The facts of runs that refer to a run id that several jobs share: each refers to one of the jobs."""
    shared = {name for name in facts if possible_run_ids(name) - {name}}
    ids = {run_id for name in shared for run_id in possible_run_ids(name)}
    if not ids:
        return {}
    return load(session, runs_that_name(session, ids) - set(facts))


_histories: WeakKeyDictionary[Database, Histories] = WeakKeyDictionary()


def histories_of(database: Database) -> Histories:
    """The cache for this database, in this process."""
    return _histories.setdefault(database, Histories())
