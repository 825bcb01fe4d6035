"""Which run made a value, within this process: by Prefect's id of the run, and by the identity of the value itself."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any
from uuid import UUID
from weakref import ref

from lamin_core.runtime.fork_safe import ForkSafeLock
from lamin_prefect import path_discovery
from openlineage.lamin.emit.events import RunReference

_KEPT = 10_000
_PARTS = 1_000


class Upstream:
    """Remembers runs, and the values they gave out for as long as these live.

    Prefect knows the task run that a value came from, but not its job, and it forgets both where
    the value is passed on to a subflow. Only what can be referred to weakly is remembered: a data
    frame is, a number or a list is not.

    >>> class Frame: pass
    >>> frame, run = Frame(), RunReference("an id", "prefect", "a.py:load")
    >>> upstream = Upstream(); upstream.remember([frame], run); list(upstream.of(frame)) == [run]
    True
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[UUID, RunReference] = OrderedDict()
        self._values: dict[int, tuple[ref[Any], RunReference]] = {}
        self._lock = ForkSafeLock()

    def began(self, own: UUID, run: RunReference) -> None:
        """Prefect's run with this id is that run of ours."""
        with self._lock:
            self._runs[own] = run
            if len(self._runs) > _KEPT:
                self._runs.popitem(last=False)

    def run(self, own: UUID) -> RunReference | None:
        """Our run for Prefect's id; None for one of another process, or long ago."""
        return self._runs.get(own)

    def remember(self, value: Any, run: RunReference) -> None:
        """Record that this run returned this value, and the values in it one level down."""
        for part in _with_parts(value):
            if type(part).__weakrefoffset__ and not isinstance(part, type):
                key = id(part)
                self._values[key] = (ref(part, functools.partial(self._forget, key)), run)

    def _forget(self, key: int, gone: ref[Any]) -> None:
        entry = self._values.get(key)
        if entry is not None and entry[0] is gone:
            del self._values[key]

    def of(self, value: Any) -> Iterator[RunReference]:
        """The runs that returned this value, or values in it one level down."""
        for part in _with_parts(value):
            entry = self._values.get(id(part))
            if entry is not None and entry[0]() is part:
                yield entry[1]


def _with_parts(value: Any) -> Iterator[Any]:
    return chain([value], islice(path_discovery.parts(value), _PARTS))
