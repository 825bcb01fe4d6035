"""Facts on their way from Snakemake's threads to the one that tells of them: bounded, and never in anybody's way."""

from __future__ import annotations

import logging
import queue

from lamin_snakemake import facts

logger = logging.getLogger("lamin")
WAITING = 10_000
"""Facts that wait at most before jobs are left out: each holds some kilobytes."""


class FactQueue:
    """A queue that leaves out whole jobs where more than `limit` facts wait.

    Putting never blocks: Snakemake's scheduler stands behind it. A job that is left out has no run,
    rather than a run without an end.
    """

    def __init__(self, limit: int = WAITING) -> None:
        self._limit = limit
        self._queue: queue.SimpleQueue[facts.Fact] = queue.SimpleQueue()
        self.left_out = 0
        """Jobs that were left out."""

    def put(self, fact: facts.Fact) -> None:
        """Add the fact; leave it out if it begins a job and too many wait."""
        if isinstance(fact, facts.JobDescribed) and self._queue.qsize() >= self._limit:
            if not self.left_out:
                logger.warning("lineage is incomplete: more than %s facts wait", self._limit)
            self.left_out += 1
            return
        self._queue.put(fact)

    def get(self, timeout: float | None = None) -> facts.Fact:
        """Take the oldest fact; raises `queue.Empty` after `timeout` seconds."""
        return self._queue.get(timeout=timeout)
