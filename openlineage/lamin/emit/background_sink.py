"""The sink that never lets the host wait: it writes events to the spool, and a background thread sends them on."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from lamin_core.errors import LaminError
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import Sink, serialize
from openlineage.lamin.emit.spool import (
    BATCH_EVENTS,
    Drained,
    Spool,
    SpoolFull,
    drain,
    note_dropped,
    segments,
)

logger = logging.getLogger("lamin")
PATIENCE = 2.0
_LINGER, _LONGEST_LINGER = 0.2, 3.0
"""Seconds that pass at least, and at most, before events are delivered that nobody hurries."""
_REST = 40
"""A delivery is followed by so many times the processor time that it took: the job needs the processor, too."""
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_HELD = 10_000
"""Events kept in memory where the disk takes none."""


def _in_a_line(error: Exception) -> str:
    """The error and its hint, as one line of a warning.

    >>> _in_a_line(LaminError("answered 401", hint="set OPENLINEAGE_API_KEY"))
    'answered 401; set OPENLINEAGE_API_KEY'
    """
    if isinstance(error, LaminError):
        words = error.message if error.hint is None else f"{error.message}; {error.hint}"
    else:
        words = str(error)
    return " ".join(words.split()) or type(error).__name__


class BackgroundSink(Sink):
    """Keep events in the spool, and carry them to the sink that `open_sink` makes, from a thread of its own.

    `emit` returns when the events are on disk: from then on the death of this process loses none of
    them. The thread takes up what earlier processes left for the same destination, oldest first,
    and goes on trying while the receiver is away. `flush` and `close` wait `patience` seconds at
    most, all together; what is not delivered by then stays in the spool. Nothing here raises: what
    goes wrong is one warning, and what is lost is counted in `dropped`.
    """

    def __init__(
        self, open_sink: Callable[[], Sink], spool: Spool, patience: float = PATIENCE
    ) -> None:
        self._open_sink = open_sink
        self.spool = spool
        self._patience = patience
        self._dropped = 0
        self._said: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._sink: Sink | None = None
        self._drained = Drained()
        self._held: deque[bytes] = deque()
        self._state = threading.Condition()
        self._kept = self._delivered = 0  # events
        self._began = self._ended = 0  # attempts to deliver
        self._hurried = self._closed = False
        self._reason = ""
        self._thread: threading.Thread | None = None

    # -- the host's side
    # ----------------------------------------------------------------------------------------

    def emit(self, *events: Event | bytes) -> None:
        """Keep them, and have them carried on."""
        if self._pid != os.getpid():  # after a fork: the thread and what it holds are our parent's
            self._begin()
        lines = [serialize(event) for event in events]
        try:
            self.spool.append(lines)
        except SpoolFull as error:
            self._drop(len(lines), str(error))
        except Exception as error:  # the user's job goes on, whatever happens here
            self._hold(lines, error)
        with self._state:
            is_first = self._kept <= self._delivered
            self._kept += len(lines)
            if is_first:  # nobody waits for any other
                self._state.notify_all()
        self._work()

    def _hold(self, lines: list[bytes], error: Exception) -> None:
        self._say(
            "spool", "lineage waits in memory alone, for the spool cannot be written: %s", error
        )
        room = max(0, _HELD - len(self._held))
        self._held.extend(lines[:room])
        if lines[room:]:
            self._drop(len(lines[room:]), str(error))

    def _drop(self, count: int, reason: str) -> None:
        if not self._dropped:
            logger.warning("lineage is being lost: %s", reason)
        self._dropped += count

    def _say(self, about: str, text: str, *values: object) -> None:
        if about not in self._said:
            self._said.add(about)
            logger.warning(text, *values)

    def flush(self) -> bool:
        """Wait until everything so far is delivered; False when it could not be, or not in time."""
        if self._pid != os.getpid() or self._thread is None:
            return not self._kept
        started = time.monotonic()
        with self._state:
            target, attempt = self._kept, self._began + 1
            self._hurried = True
            self._state.notify_all()
            # One attempt that begins after this call is enough: it may be hopeless.
            self._state.wait_for(
                lambda: self._delivered >= target or self._ended >= attempt, self._patience
            )
            delivered = self._delivered >= target
        if not delivered:
            self._patience = max(0.0, self._patience - (time.monotonic() - started))
        return delivered

    def drain_now(self) -> None:
        """Have what is held delivered now, without a wait for more."""
        with self._state:
            self._hurried = True
            self._state.notify_all()

    @property
    def dropped(self) -> int:
        """The number of events that neither the spool nor the receiver has."""
        return self._dropped

    def close(self) -> None:
        """Wait for what is held as `flush` does, and end; what cannot be delivered stays in the spool."""
        if self._closed:
            return
        delivered = self.flush()
        with self._state:
            self._closed = True
            self._state.notify_all()
        if self._thread is not None and delivered:
            self._thread.join(self._patience)
        self.spool.close()
        if not delivered and segments(self.spool.folder, self.spool.key):
            self._keep_notice(self._reason or "not delivered in time")
        self._tell_what_is_lost()

    def _keep_notice(self, reason: str) -> None:
        self._say(
            "kept",
            "lineage is kept in %s (%s); the next run delivers it, or: lamin events replay",
            self.spool.folder,
            reason or "no answer",
        )

    def _tell_what_is_lost(self) -> None:
        lost, self._held = len(self._held), deque()
        if lost:
            self._drop(lost, "neither the spool nor the receiver took it")
        if self._dropped:
            logger.warning("lineage is incomplete: %s events were lost", self._dropped)
            note_dropped(
                self.spool.folder, self._dropped, "the spool was full or could not be written"
            )

    # -- the thread
    # ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        if self._thread is not None:
            return
        with self._state:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._carry, name="lamin-lineage", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is on its way out: the spool has it
            self._thread = None

    def _carry(self) -> None:
        failures, linger = 0, _LINGER
        while not self._closed:
            target = self._next(_PAUSES[min(failures, len(_PAUSES)) - 1] if failures else linger)
            began = time.thread_time()
            try:
                self._deliver()
                failures = 0
            except Exception as error:
                failures, target = failures + 1, 0
                self._fail(error)
            took = time.thread_time() - began
            linger = min(max(_LINGER, _REST * took), _LONGEST_LINGER)
            with self._state:
                self._ended += 1
                self._delivered = max(self._delivered, target)
                self._state.notify_all()
        self._end()

    def _next(self, pause: float) -> int:
        """Wait until a batch has gathered, or the pause after a failure is over; how many events there are by then."""
        with self._state:
            self._state.wait_for(
                lambda: self._kept > self._delivered or self._hurried or self._closed
            )
            self._state.wait_for(lambda: self._hurried or self._closed, pause)
            self._hurried = False
            self._began += 1
            return self._kept

    def _deliver(self) -> None:
        """Everything that waits for this destination: what others left, what we sealed, what we write."""
        self._sink = self._sink or self._open_sink()
        self._drain_sealed()
        self.spool.seal()
        self._drain_sealed()
        while self._held:
            self._sink.emit(self._held[0])
            self._held.popleft()
        self._tell_what_was_odd()

    def _drain_sealed(self) -> None:
        assert self._sink is not None
        emit = self._sink.emit
        batch_size = self._sink.batch_size or BATCH_EVENTS
        for path in segments(self.spool.folder, self.spool.key):
            taken = drain(path, lambda lines: emit(*lines), self._drained, batch_size)
            if not taken and path in self.spool.sealed and path.exists():
                raise BlockingIOError(
                    "another process delivers it"
                )  # ours, so no later one goes before it
            self.spool.sealed.discard(path)

    def _tell_what_was_odd(self) -> None:
        if self._drained.torn:
            self._say(
                "torn", "a line torn by a killed process was put aside in %s", self.spool.folder
            )
        if self._drained.refused:
            self._say(
                "refused",
                "events were refused and put aside in %s: %s; lamin doctor counts them, "
                "and lamin events requeue lets them be sent again",
                self.spool.folder,
                self._drained.refused[0],
            )
            self._drained.refused.clear()

    def _fail(self, error: Exception) -> None:
        self._reason = _in_a_line(error)
        if not isinstance(error, BlockingIOError) and segments(self.spool.folder, self.spool.key):
            self._keep_notice(self._reason)

    def _end(self) -> None:
        try:
            if self._sink is not None:
                self._sink.close()
        except Exception as error:
            logger.warning("lineage sink did not close: %s", error)
