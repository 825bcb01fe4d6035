"""Files too large to hash at once: the event of their run has no content for them, and a later event adds it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lamin_core.enums import Direction
from lamin_snakemake import facts
from openlineage.lamin.adapter.guard import Guard
from openlineage.lamin.emit.events import Dataset, Run
from snakemake_logger_plugin_lamin.digests import Contents
from snakemake_logger_plugin_lamin.held_files import release

_THREADS = 2
"""BLAKE3 reads one file with several threads; two files at once keep the disk busy."""

_OPEN = 10_000
"""How many runs wait for their files to be hashed at most; the files of further ones are not hashed."""


@dataclass(frozen=True, slots=True)
class _Files:
    run: Run
    direction: Direction
    files: tuple[facts.File, ...]


class LateDigests:
    """Hashes files in its own threads, and passes the results to `tell`, the files of each run together."""

    def __init__(self, contents: Contents, tell: Callable[[facts.Fact], None]) -> None:
        self._contents = contents
        self._tell = tell
        self._waiting: queue.SimpleQueue[_Files] = queue.SimpleQueue()
        self._threads = 0
        self._guard = Guard("lineage is incomplete", once=True)
        self._open: dict[tuple[str, Direction], _Files] = {}

    @property
    def open(self) -> int:
        """The number of submitted runs without a result; only the submitting thread counts them."""
        return len(self._open)

    def submit(self, run: Run, direction: Direction, files: tuple[facts.File, ...]) -> bool:
        """Hash these files of a run, and let go of held ones afterwards; False where too many runs wait."""
        if len(self._open) >= _OPEN:
            return False
        submitted = _Files(run, direction, files)
        self._open[run.id, direction] = submitted
        self._waiting.put(submitted)
        if self._threads < _THREADS:
            self._threads += 1
            threading.Thread(target=self._work, name="lamin-digests", daemon=True).start()
        return True

    def hear(self, fact: facts.Hashed) -> None:
        """These files are hashed."""
        self._open.pop((fact.run.id, fact.direction), None)

    def abandoned(self, at: float) -> Iterator[facts.Hashed]:
        """Yield the files that are still being hashed at the end, without content and with the reason."""
        for files in self._open.values():
            datasets = tuple(self._contents.unverified(files.files))
            yield facts.Hashed(at, files.run, files.direction, datasets)
        self._open.clear()

    def _work(self) -> None:
        while True:
            files = self._waiting.get()
            datasets: tuple[Dataset, ...] = ()
            try:
                datasets = tuple(self._contents.datasets(files.files))
            except Exception as error:
                self._guard.warn(error)
            for file in files.files:
                release(file)
            self._tell(facts.Hashed(time.time(), files.run, files.direction, datasets))
