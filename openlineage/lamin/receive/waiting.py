"""Events that wait in spools for an instance are recorded by the next command that reads, and by the next run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lamin_core.db.database import Database
from lamin_core.ingest.relocation import Move, moves_of, present_name
from lamin_core.instance.waiting import WaitingInstance, spools_of
from lamin_core.runtime.paths import FOLDER, instance_of
from lamin_core.runtime.waiting_folders import forget_folder, waiting_folders
from lamin_core.watching import opening
from openlineage.lamin.emit.default_sink import patience, registry_key
from openlineage.lamin.emit.spool import Drained, drain, segments
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse

logger = logging.getLogger("lamin")
_BATCH = 100
"""Events of one transaction: between two of them is looked whether there is time for more."""


class _OutOfTime(Exception):
    """The rest is for the next command."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A segment key in a spool whose events belong to the instance."""

    spool: Path
    key: str


def waiting_for(database: Database, folder: Path) -> list[Waiting]:
    """The events that wait for the instance in this `.lamin` folder: those sent to it, under all names that it
    has had, and what ran in its folders before it was there."""
    with database.reading() as session:
        moves = moves_of(session)
    keys = [registry_key(folder), *(registry_key(Path(move.old) / FOLDER) for move in moves)]
    waiting = []
    for spool in spools_of(folder):
        for key in dict.fromkeys([*keys, *_keys_of_folders(spool, folder, moves)]):
            if segments(spool, key):
                waiting.append(Waiting(spool, key))
    return waiting


def _keys_of_folders(spool: Path, folder: Path, moves: Sequence[Move]) -> Iterator[str]:
    for key, origin in waiting_folders(spool).items():
        if instance_of(Path(present_name(origin, moves))) == folder:
            yield key


def take_waiting(database: Database, folder: Path, until: float | None = None) -> int:
    """Bring in what waits for this instance, until this time of the monotonic clock; how many events that were.

    What another process brings in, or still writes, is left to it. Raises what `ingest` does.
    """
    done = Drained()

    def deliver(lines: Sequence[bytes]) -> None:
        if until is not None and time.monotonic() > until:
            raise _OutOfTime
        ingest(database, map(parse, lines))

    with suppress(_OutOfTime):
        for waiting in waiting_for(database, folder):
            for segment in segments(waiting.spool, waiting.key):
                drain(segment, deliver, done, _BATCH)
            forget_folder(waiting.spool, waiting.key)
    return done.sent


def bring_in(instance: WaitingInstance) -> None:
    """The same before a query, for at most `LAMIN_PATIENCE` seconds; prints one line about the recorded events.

    In a thread with a connection of its own: who else writes at the time holds nobody up for longer.
    """
    seconds = patience()
    taken: list[int] = []
    thread = threading.Thread(
        target=_take, args=(instance.db.url, instance.folder, seconds, taken), daemon=True
    )
    thread.start()
    thread.join(seconds)
    if sum(taken):
        count = sum(taken)
        events = "1 event that waited is" if count == 1 else f"{count} events that waited are"
        logger.warning("%s in the registry now", events)
    elif thread.is_alive():
        logger.warning("events wait in the spool, and somebody else writes: lamin events replay")


def _take(url: str, folder: Path, seconds: float, taken: list[int]) -> None:
    database = Database(url)
    try:
        with opening.unwatched():  # it reads the spool, not the job that asks
            taken.append(take_waiting(database, folder, time.monotonic() + seconds))
    except Exception as error:  # the question is answered without them
        logger.debug("what waits in the spool was not brought in: %s", error)
    finally:
        database.dispose()
