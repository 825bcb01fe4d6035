"""Files too large to be hashed at once: their run is told without their content, which follows when it is known."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lamin_core.enums import Direction
from lamin_snakemake import facts
from openlineage.lamin.adapter.guard import Guard
from openlineage.lamin.emit.events import Dataset, Run
from snakemake_logger_plugin_lamin.digests import Contents, release

_THREADS = 2
"""BLAKE3 reads one file with several threads; two files at once keep the disk busy."""


@dataclass(frozen=True, slots=True)
class _Files:
    run: Run
    direction: Direction
    files: tuple[facts.File, ...]


class LateDigests:
    """Hashes in threads of its own, and hands what it has found to `tell`, each run's files together."""

    def __init__(self, contents: Contents, tell: Callable[[facts.Fact], None]) -> None:
        self._contents = contents
        self._tell = tell
        self._waiting: queue.SimpleQueue[_Files] = queue.SimpleQueue()
        self._threads = 0
        self._guard = Guard("lineage is incomplete", once=True)
        self.open = 0
        """What was submitted and not yet heard of; counted by the thread that submits and hears."""

    def submit(self, run: Run, direction: Direction, files: tuple[facts.File, ...]) -> None:
        """Hash these files of a run; held ones are let go of afterwards."""
        self.open += 1
        self._waiting.put(_Files(run, direction, files))
        if self._threads < _THREADS:
            self._threads += 1
            threading.Thread(target=self._work, name="lamin-digests", daemon=True).start()

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
