"""Objects of this process: the sink of its events, and its outermost flow, which is passed to child processes."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping

from lamin_core.runtime.child_environment import ChildEnvironment
from lamin_core.runtime.fork_safe import ForkSafeLock
from lamin_core.runtime.parent_context import RunReference, parent_from_environment
from openlineage.lamin.emit.events import Event, Run
from openlineage.lamin.emit.sinks import Sink


class Delivery:
    """The sink of this process, opened with its first event and closed with the process."""

    def __init__(self) -> None:
        self._sink: Sink | None = None
        self._lock = ForkSafeLock()
        atexit.register(self.close)

    def emit(self, event: Event) -> None:
        """Hand it to the sink, one thread at a time."""
        with self._lock:
            if self._sink is None:
                self._sink = _default_sink()
            self._sink.emit(event)

    def flush(self) -> None:
        """Wait for what is still held."""
        sink = self._sink
        if sink is not None:
            sink.flush()

    def close(self) -> None:
        """Deliver what is still held; the next event opens a new sink, as the environment then says."""
        with self._lock:
            sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()


def _default_sink() -> Sink:
    # Here, as a module that only defines flows pays for no sink.
    from openlineage.lamin.emit.default_sink import default_sink

    return default_sink()


class Announcement:
    """The outermost flow's name in `os.environ`, where child processes look for the run that started them.

    The environment belongs to the whole process: a flow is in it only while it is the only one, and
    if it runs in the main thread. With a second flow beside it neither is, as a process would be
    taken for a child of the wrong one.
    """

    def __init__(self) -> None:
        self._flows: dict[int, Mapping[str, str]] = {}
        self._environment = ChildEnvironment()
        self._lock = ForkSafeLock()

    def make(self, by: object, run: Run) -> None:
        """The outermost flow begins: put its name there if no other one is under way."""
        is_main = threading.current_thread() is threading.main_thread()
        with self._lock:
            self._flows[id(by)] = run.reference.environment(run.root) if is_main else {}
            self._show()

    def end(self, by: object) -> None:
        """End a flow: the environment gets the name of the only remaining flow, or its former value."""
        with self._lock:
            if self._flows.pop(id(by), None) is not None:
                self._show()

    def _show(self) -> None:
        self._environment.restore()
        if len(self._flows) == 1:
            (variables,) = self._flows.values()
            self._environment.set(variables)

    def parent_of_process(self) -> RunReference | None:
        """The run that started this process."""
        return parent_from_environment(self._environment.inherited())


delivery = Delivery()
announcement = Announcement()
