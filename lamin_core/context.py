"""What is current: the instance of this process and the run of this context. Knows neither, only holds them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

Record = TypeVar("Record")


class Connection(Protocol):
    """What a record needs of the instance it lives in, so that `record.save()` works without importing upwards."""

    def query(self, registry: type[Record], query: Any = None) -> Any:
        """A query set over all records of this registry, or over those of this SQL query."""

    def by_id(self, registry: type[Record], identity: int) -> Record:
        """The record with this primary key."""

    def related(self, record: Any, relation: Any) -> Any:
        """The records that this relation ties to this one."""

    def save(self, record: Record) -> Record:
        """Write the record, or find the one it is."""

    def delete(self, record: Any) -> None:
        """Remove the record."""

    def trash(self, artifact: Any) -> None:
        """Hide the artifact."""

    def restore(self, artifact: Any) -> None:
        """Show the artifact again."""

    def erase(self, artifact: Any, *, storage: bool | None) -> None:
        """Remove the artifact and its bytes."""

    def replace(self, artifact: Any, data: Any, run: Any) -> None:
        """Put other bytes in its place."""

    def from_values(self, registry: type[Record], values: Iterable[str], field: Any, *, create: bool) -> Any:
        """Records for these names."""

    def features(self, record: Any) -> Any:
        """The values that this record has for features."""

    def labels(self, record: Any) -> Any:
        """The labels that this record has, also as values of features."""

    @property
    def files(self) -> Any:
        """The operations on an artifact's bytes."""

    @property
    def lineage(self) -> Any:
        """The questions about what made what."""


_lock = threading.RLock()
_connection: Connection | None = None
_open: Callable[[], Connection] | None = None

_context_run: ContextVar[Any] = ContextVar("lamin_current_run", default=None)
_process_run: Any = None


def current_run() -> Any:
    """The `Run` that reads and writes here belong to: of this context, else of the process (`track()`), else None."""
    return _context_run.get() or _process_run


def __getattr__(name: str) -> Any:
    """`ln.context.run` and `ln.context.transform`: what is current, or None."""
    if name == "run":
        return current_run()
    if name == "transform":
        return None if current_run() is None else current_run().transform
    raise AttributeError(f"module 'lamin_core.context' has no attribute {name!r}")


def process_run() -> Any:
    """The run of the whole process, or None."""
    return _process_run


def set_process_run(run: Any) -> None:
    """Make this the run of the whole process, in every thread; None ends that."""
    global _process_run
    _process_run = run


@contextmanager
def run_context(run: Any) -> Iterator[None]:
    """While this lasts, the run is current in this thread or task, and nowhere else."""
    token = _context_run.set(run)
    try:
        yield
    finally:
        _context_run.reset(token)


def register_opener(opener: Callable[[], Connection]) -> None:
    """Say how to find the instance when none is connected yet."""
    global _open
    _open = opener


def connection() -> Connection:
    """The instance of this process, opened on first use. Raises `InstanceNotFound` when there is none."""
    global _connection
    if _connection is None:
        with _lock:
            if _connection is None:
                assert _open is not None, "import lamin_core.instance first"
                _connection = _open()
    return _connection


def set_connection(value: Connection | None) -> Connection | None:
    """Make this the instance of the process, and return the one before.

    None forgets it, so that the next use looks for one again.
    """
    global _connection
    with _lock:
        before, _connection = _connection, value
    return before
