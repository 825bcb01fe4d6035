"""One recording: a filter on Snakemake's logger, a thread that listens, a sink that delivers."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator

from lamin_core.runtime.child_environment import ChildEnvironment
from lamin_core.runtime.parent_context import environment_for_children, parent_from_environment
from lamin_core.runtime.paths import instance_for_children, user_cache
from lamin_core.storage.digest_cache import DigestShelf
from lamin_snakemake import facts
from openlineage.lamin.adapter.guard import Guard, is_strict
from openlineage.lamin.emit.default_sink import default_sink
from openlineage.lamin.emit.sinks import Sink
from snakemake_logger_plugin_lamin.digests import HASH_LIMIT, Contents
from snakemake_logger_plugin_lamin.event_extractor import EventExtractor
from snakemake_logger_plugin_lamin.late_digests import LateDigests
from snakemake_logger_plugin_lamin.listener import Listener
from snakemake_logger_plugin_lamin.schema_checks import SchemaChecks
from snakemake_logger_plugin_lamin.subprocess_env import Children

logger = logging.getLogger("lamin")
SNAKEMAKE_LOGGER = "snakemake.logging"
_LAST_DIGESTS = 1.0
"""Seconds that the end of a workflow waits for files that are still being hashed; the sink may need two more."""
_LAST_CHECKS = 60.0
"""Seconds that the end of a workflow waits for checks against schemas that its rules declare."""
_WAITING = 10_000
"""Facts that wait at most before jobs are left out: each holds some kilobytes."""


class FactQueue:
    """A queue that leaves out whole jobs where more than `limit` facts wait.

    Putting never blocks: Snakemake's scheduler stands behind it. A job that is left out has no run,
    rather than a run without an end.
    """

    def __init__(self, limit: int = _WAITING) -> None:
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


class Recording:
    """Records one Snakemake invocation until it is closed.

    Args:
        hash_limit: Bytes above which a file is not hashed; less than 0 for no limit.
        title: What the workflow is called; by default its git remote or its Snakefile says it.
    """

    def __init__(self, hash_limit: int | None = None, title: str | None = None) -> None:
        shelf = DigestShelf(user_cache() / "snakemake-digests.db")
        limit = HASH_LIMIT if hash_limit is None else hash_limit
        self._contents = Contents(None if limit < 0 else limit, shelf)
        self._queue = FactQueue()
        self._thread: threading.Thread | None = None
        self._environment = ChildEnvironment()
        self._parent = parent_from_environment()  # before we say ourselves what is above
        self._instance = (
            instance_for_children()
        )  # here, not in the folder that Snakemake changes to
        self._outer = sys.exc_info()[1]  # what our caller is handling is no news of this workflow
        self._children: Children | None = None
        self._tap = EventExtractor(
            self._tell, self._contents, self._on_start, title=title, strict=is_strict()
        )
        logging.getLogger(SNAKEMAKE_LOGGER).addFilter(self._tap)

    def _tell(self, fact: facts.Fact) -> None:
        if self._children is not None:
            self._children.hear(fact)
        self._queue.put(fact)

    def _on_start(self, workflow: facts.Workflow) -> None:
        root = self._parent.outermost if self._parent else None
        try:
            self._take_children(Children(workflow, root))
        except Exception as error:  # the jobs are recorded all the same
            logger.warning(
                "programs of jobs do not know their runs: %s: %s", type(error).__name__, error
            )
        if self._thread is None:
            sink = default_sink()
            late = LateDigests(self._contents, self._queue.put)
            checks = SchemaChecks(self._contents, self._queue.put)
            listener = Listener(sink, self._contents, self._parent, late, checks)
            self._thread = threading.Thread(
                target=self._listen,
                args=(listener, sink, late, checks),
                name="lamin-snakemake",
                daemon=True,
            )
            self._thread.start()

    def _take_children(self, children: Children) -> None:
        """Make what is started for a job its child, all else a child of the workflow; in the same instance."""
        if self._children is not None:  # one API session may execute twice
            self._children.remove()
        self._children = children
        children.put_in_place()
        variables = environment_for_children(children.run)
        instance = self._instance or instance_for_children()
        if instance is not None:
            variables["LAMIN_INSTANCE"] = instance
        self._environment.set(variables)

    def _listen(
        self, listener: Listener, sink: Sink, late: LateDigests, checks: SchemaChecks
    ) -> None:
        guard = Guard("lineage is incomplete", once=True)
        for fact in self._facts(late, checks):
            try:
                listener.hear(fact)
            except Exception as error:
                guard.warn(error)
        try:
            listener.abandon(time.time())
            checks.close()
            sink.close()
        except Exception as error:
            logger.warning("lineage sink did not close: %s", error)

    def _facts(self, late: LateDigests, checks: SchemaChecks) -> Iterator[facts.Fact]:
        """Process all records until the end, and the digests and checks that follow shortly after it."""
        fact = self._queue.get()
        while not isinstance(fact, facts.Closed):
            yield fact
            fact = self._queue.get()
        yield fact
        yield from self._until(_LAST_DIGESTS, lambda: late.open and not self._contents.hurried)
        self._contents.hurried = True
        yield from self._until(_LAST_CHECKS, lambda: checks.open)

    def _until(self, seconds: float, is_awaited: Callable[[], object]) -> Iterator[facts.Fact]:
        """Process records for at most this time, while results are awaited."""
        deadline = time.monotonic() + seconds
        while is_awaited():
            try:
                yield self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break

    def close(self) -> None:
        """End the recording and wait for its events; digests that are not ready shortly after are left out."""
        logging.getLogger(SNAKEMAKE_LOGGER).removeFilter(self._tap)
        thread, self._thread = self._thread, None
        if thread is not None:
            self._tell_the_end(sys.exc_info()[1])
            self._wait(thread)
        self._contents.hurried = True
        if self._children is not None:
            self._children.remove()
        self._environment.restore()

    def _tell_the_end(self, error: BaseException | None) -> None:
        """Put the end into the queue, with an exception of Snakemake's API that its command has not reported."""
        if error is not self._outer and isinstance(error, KeyboardInterrupt):
            self._queue.put(facts.Stopped(time.time(), "interrupted"))
        elif error is not self._outer and isinstance(error, Exception):
            self._queue.put(facts.WorkflowFailed(time.time(), str(error) or type(error).__name__))
        self._queue.put(facts.Closed(time.time()))

    def _wait(self, thread: threading.Thread) -> None:
        try:
            thread.join(_LAST_DIGESTS)
            self._contents.hurried = (
                True  # what still waits to be told is told without more digests
            )
            thread.join()
        except KeyboardInterrupt:
            self._contents.hurried = True
            thread.join(_LAST_DIGESTS)
