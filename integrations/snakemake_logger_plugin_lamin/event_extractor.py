"""Reads the live workflow and its jobs at the moment Snakemake logs about them.

Snakemake's records carry neither params nor flags, scripts or config, and reach plugins late, in
another thread. A filter on its logger is called in the thread that logs, while the live objects
stand in the caller's frame (`internals`). It must take microseconds there: names and stats are
copied, nothing is read or hashed but the few small files that a job is about to change in place.
What the live objects do not show is taken from the records.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from lamin_core.storage.hashing import digest
from lamin_snakemake import facts
from openlineage.lamin.adapter.guard import Guard
from snakemake_logger_plugin_lamin import internals, live_job, records
from snakemake_logger_plugin_lamin.digests import Contents, stamp
from snakemake_logger_plugin_lamin.held_files import hold
from snakemake_logger_plugin_lamin.internals import in_frame, quietly, read
from snakemake_logger_plugin_lamin.job_failures import first_paragraph, job_failure
from snakemake_logger_plugin_lamin.live_workflow import workflow_of

_ON_THE_SPOT = 16 << 20


class EventExtractor(logging.Filter):
    """Lets every record pass, and passes its facts to `tell`.

    `on_start` is called with the workflow before its first job; `title` is what its user calls it;
    `strict` lets what goes wrong here stop Snakemake.
    """

    def __init__(
        self,
        tell: Callable[[facts.Fact], None],
        contents: Contents,
        on_start: Callable[[facts.Workflow], None],
        *,
        title: str | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__()
        self._title = title
        self._tell = tell
        self._contents = contents
        self._on_start = on_start
        self._strict = strict
        self._scheduler: int | None = None
        self._folder = ""
        self._rules: dict[str, facts.Rule] = {}
        self._jobs: dict[int, Any] = {}
        self._outputs: dict[int, tuple[facts.File, ...]] = {}
        self._announced: set[int] = set()
        self._described: set[int] = set()
        self._captured: dict[str, facts.File] = {}
        self._followed: Any = None
        self._guard = Guard("lineage is incomplete", once=True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Read the record; True, always."""
        try:
            self._read(record)
        except Exception as error:
            if self._strict:
                raise
            self._guard.warn(error)
        return True

    def _read(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        name = getattr(event, "name", None)
        if name == "WORKFLOW_STARTED":
            self._workflow_started(record)
        elif self._scheduler is None:
            return
        elif name == "JOB_STARTED":
            self._jobs_started(record)
        elif name == "JOB_INFO":
            self._job_info(record)
        elif name == "JOB_FINISHED":
            self._finish(record.job_id, record.created)  # type: ignore[attr-defined]
        elif name == "JOB_ERROR":
            self._job_error(record)
        elif name == "ERROR":
            self._error(record)
        elif name is None and isinstance(record.msg, str):
            self._text(record, record.msg)

    def _workflow_started(self, record: logging.LogRecord) -> None:
        # The workflow itself knows only later how it will execute.
        executor = in_frame(internals.EXECUTOR, internals.EXECUTOR_BEFORE_9_21)
        touches = read(executor, "common_settings.touch_exec", records.is_touch(record))
        if touches or read(executor, "common_settings.dryrun_exec", False):
            return
        live = in_frame(internals.WORKFLOW, internals.WORKFLOW_BEFORE_9_21)
        self._scheduler = threading.get_ident()
        # `workdir:` in a Snakefile changes the folder but not the record's `rundir`; no job runs
        # yet, so this is it.
        self._folder = os.getcwd()
        workflow = workflow_of(record, live, read(executor, "name"), self._title)
        self._described.clear()
        self._on_start(workflow)
        self._tell(facts.WorkflowStarted(record.created, workflow))

    def _jobs_started(self, record: logging.LogRecord) -> None:
        self._follow_silent_ends(in_frame(internals.SCHEDULER))
        before: dict[int, tuple[facts.File, ...]] = {}
        none: list[Any] = []
        for job in quietly(lambda: list(live_job.members(_selected_jobs())), none):
            self._jobs[job.jobid] = job
            before[job.jobid] = quietly(lambda: tuple(self._to_be_updated(job)), ())  # noqa: B023 - called at once
        if not before:
            before = {jobid: () for jobid in getattr(record, "jobs", ()) if isinstance(jobid, int)}
        self._announced.update(before)
        self._described.difference_update(before)
        self._tell(facts.JobsStarted(record.created, before))

    def _job_info(self, record: logging.LogRecord) -> None:
        jobid: int = record.jobid  # type: ignore[attr-defined]
        if jobid in self._described:
            return
        live = in_frame(internals.LOGGED_JOB) or self._jobs.get(jobid)
        self._describe(record, jobid, live)

    def _describe(self, record: logging.LogRecord, jobid: int, live: Any) -> None:
        self._described.add(jobid)
        if live is not None:
            self._jobs[jobid] = live
        if live_job.is_target(record, live):
            return
        if jobid not in self._announced:  # a member of a group that the scheduler hides
            self._announced.add(jobid)
            self._tell(facts.JobsStarted(record.created, {jobid: ()}))
        job = None if live is None else quietly(lambda: self._live_job(record, live), None)
        if job is None:
            job = records.job_of(record, self._folder)
        self._outputs[jobid] = job.outputs
        self._tell(facts.JobDescribed(record.created, job))

    def _live_job(self, record: logging.LogRecord, live: Any) -> facts.Job:
        return live_job.job_of(record, live, self._rule(record, live), self._folder)

    def _follow_silent_ends(self, scheduler: Any) -> None:
        """Read the ends of jobs from the DAG, because Snakemake with `--quiet` does not log them."""
        dag = read(scheduler, "workflow.dag")
        if dag is None or dag is self._followed or read(scheduler, "print_progress", True):
            return
        finish: Callable[..., Awaitable[None]] = dag.finish

        async def followed(job: Any, *arguments: Any, **options: Any) -> None:
            try:
                for member in live_job.members([job]):
                    self._finish(member.jobid, time.time())
            except Exception as error:
                self._guard.warn(error)
            await finish(job, *arguments, **options)

        dag.finish = followed
        self._followed = dag

    def _finish(self, jobid: int, at: float) -> None:
        live = self._jobs.pop(jobid, None)
        self._announced.discard(jobid)
        described = self._outputs.pop(jobid, ())
        restamped = [facts.File(file.path, file.url, stamp(file.path)) for file in described]
        outputs = quietly(lambda: list(live_job.files(live.output, self._folder)), restamped)
        paths = {file.path for file in described}
        results = tuple(self._results(file for file in outputs if file.path in paths))
        self._tell(facts.JobFinished(at, jobid, results))

    def _job_error(self, record: logging.LogRecord) -> None:
        jobid: int = record.jobid  # type: ignore[attr-defined]
        live = self._jobs.get(jobid)
        if jobid not in self._described:  # it failed faster than Snakemake could report its start
            self._describe(record, jobid, live)
        external = getattr(record, "aux", {}).get("external_jobid")
        if external is not None:
            self._tell(facts.JobSubmitted(record.created, jobid, str(external)))
        self._announced.discard(jobid)
        self._tell(job_failure(record, live, sys.exc_info()[1], self._folder))

    def _error(self, record: logging.LogRecord) -> None:
        is_elsewhere = threading.get_ident() != self._scheduler
        if is_elsewhere or in_frame(internals.JOB_CALLBACK) is not None:
            return  # a JOB_ERROR follows
        message = record.getMessage()
        none: list[int] = []
        failed = quietly(lambda: [job.jobid for job in live_job.members([_failed_job()])], none)
        by_words = records.job_without_outputs(message)
        # Outputs are missing or cannot be stored: this is all that Snakemake says of it, there is
        # no JOB_ERROR.
        for jobid in failed or ([] if by_words is None else [by_words]):
            failure = facts.JobFailed(
                record.created, jobid, first_paragraph(message), trace=message
            )
            self._announced.discard(jobid)
            self._tell(failure)
        if not failed and by_words is None:
            text = first_paragraph(message) or str(getattr(record, "exception", "it failed"))
            self._tell(facts.WorkflowFailed(record.created, text))

    def _text(self, record: logging.LogRecord, text: str) -> None:
        if text.startswith(internals.INTERRUPTED):
            self._tell(facts.Stopped(record.created, "interrupted"))
        elif text.startswith(internals.TERMINATED):
            self._tell(facts.Stopped(record.created, "terminated"))
        elif text.startswith(internals.NOTHING_TO_DO):
            self._tell(facts.NothingToDo(record.created))
        elif text.startswith(internals.LOCAL_COPY_REMOVED):
            self._capture(in_frame(internals.STORED_FILE), in_frame(internals.STORED_JOB))
        elif text.startswith((internals.LINKED_FROM_CACHE, internals.COPIED_FROM_CACHE)):
            restored = in_frame(internals.RESTORED_JOB)  # it says the same when it stores
            if restored is not None and " from cache" in text:
                self._tell(facts.JobRestored(record.created, restored.jobid))
        elif internals.SUBMITTED in text:
            self._submitted(record, text)

    def _submitted(self, record: logging.LogRecord, text: str) -> None:
        jobid, external = records.submission(text)
        none: list[int] = []
        live = in_frame(internals.SUBMITTED_JOB)
        jobids = quietly(lambda: [job.jobid for job in live_job.members([live])], none)
        if external is not None:
            for submitted in jobids or ([] if jobid is None else [jobid]):
                self._tell(facts.JobSubmitted(record.created, submitted, external))

    def _rule(self, record: logging.LogRecord, live: Any) -> facts.Rule:
        name = read(live, "rule.name") or getattr(record, "rule_name", "")
        rule = self._rules.get(name)
        if rule is None:
            rule = live_job.rule_of(record, live)
            is_same_for_all_jobs = rule.code.path is None or "{" not in str(
                read(live, "rule.script") or read(live, "rule.notebook")
            )
            if is_same_for_all_jobs:
                self._rules[name] = rule
        return rule

    def _results(self, files: Iterable[facts.File]) -> Iterator[facts.File]:
        for file in files:
            captured = self._captured.pop(file.path, None)
            will_vanish = file.role == "temporary" or file.url is not None
            yield captured or (hold(file) if will_vanish else file)

    def _capture(self, live: Any, job: Any) -> None:
        """Keep an output open whose local copy is removed before the record of its job's end."""
        if live is not None and live in read(job, "output", ()):
            for file in live_job.files([live], self._folder):
                self._captured[file.path] = hold(file)

    def _to_be_updated(self, live: Any) -> Iterator[facts.File]:
        updated = [file for file in live.output if "update" in read(file, "flags", {})]
        for file in live_job.files(updated, self._folder):
            seen = file.stamp
            if seen is None:
                continue
            content = self._contents.cached_digest(file.path, seen)
            if content is None and not seen.is_folder and seen.size <= _ON_THE_SPOT:
                content = quietly(lambda path=file.path: digest(path), None)  # type: ignore[misc]
            # Without a digest only name and size are told: by the time it could be read it has
            # changed.
            yield facts.File(file.path, file.url, seen if content else None, digest=content)


def _selected_jobs() -> Iterable[Any]:
    """The jobs that the scheduler has chosen."""
    selected: Iterable[Any] = in_frame(internals.SELECTED_JOBS) or ()
    return selected


def _failed_job() -> Any:
    """The job whose outputs are being looked for; raises `LookupError` where there is none."""
    job = in_frame(internals.FAILED_OUTPUTS)
    if job is None:
        raise LookupError
    return job
