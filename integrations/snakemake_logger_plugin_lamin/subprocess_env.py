"""What Snakemake starts for a job learns which run it is in: a process by its environment, code in a thread by asking.

Snakemake runs the jobs of one invocation in threads of one process, which have one environment
between them. So the variables are added where its own modules start a process: there the frames
above say for which job.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from lamin_core.runtime import current
from lamin_core.runtime.parent_context import RunReference, environment_for_children
from lamin_snakemake import facts, translate

logger = logging.getLogger("lamin")
_STARTERS = (("snakemake.shell", "sp"), ("snakemake.executors.local", "subprocess"))
"""Snakemake's modules that start processes for jobs, and by which name each knows `subprocess`."""


class Children:
    """The jobs of one invocation, as what they start is told of them; `put_in_place`, and `remove` at the end."""

    def __init__(self, workflow: facts.Workflow, root: RunReference | None) -> None:
        self._workflow = workflow
        self._name = translate.workflow_name(workflow)
        self._root = root
        self._attempts: Counter[int] = Counter()
        self._replaced: list[tuple[Any, str]] = []

    @property
    def run(self) -> RunReference:
        """The run of the workflow itself."""
        return RunReference(self._workflow.id, translate.ENGINE, self._name, self._root)

    def hear(self, fact: facts.Fact) -> None:
        """Count attempts: that of a job begins before any of its processes does."""
        if isinstance(fact, facts.JobsStarted):
            self._attempts.update(list(fact.before))

    def put_in_place(self) -> None:
        """From here on, processes are told."""
        global _at_work
        _at_work = self
        for module, name in _STARTERS:
            starter = importlib.import_module(module)
            if getattr(starter, name, None) is subprocess:
                setattr(starter, name, _Subprocess(self.environment))
                self._replaced.append((starter, name))

    def remove(self) -> None:
        """Leave Snakemake's modules as they were."""
        global _at_work
        _at_work = None
        for starter, name in self._replaced:
            setattr(starter, name, subprocess)
        self._replaced.clear()

    def environment(self) -> Mapping[str, str]:
        """What tells a process that is started here of its job; nothing where it is started for none."""
        job = self.job()
        return {} if job is None else environment_for_children(job)

    def job(self) -> RunReference | None:
        """The run of the job that this thread is at."""
        jobid, rule = _job_above()
        if jobid is None or not self._attempts[jobid]:
            return None
        run_id = translate.step_run_id(self._workflow.id, jobid, self._attempts[jobid])
        return RunReference(
            run_id, translate.ENGINE, translate.step_name(self._name, rule), self.run.outermost
        )


_at_work: Children | None = None


def _job_at_work() -> RunReference | None:
    """The job that runs in this very thread, as with `--force-use-threads`."""
    return None if _at_work is None else _at_work.job()


current.register_engine(_job_at_work)


def _job_above() -> tuple[int | None, str]:
    """Number and rule of the job that a caller of this is at work for."""
    frame = sys._getframe(1).f_back
    while frame is not None:
        code = frame.f_code
        if code.co_name == "run_wrapper" and "job_rule" in code.co_varnames:
            return frame.f_locals["jobid"], frame.f_locals["job_rule"].name
        if code.co_name == "spawn_job" and "job" in code.co_varnames:
            job = frame.f_locals["job"]
            return job.jobid, job.rule.name
        frame = frame.f_back
    return None, ""


class _Subprocess:
    """The module `subprocess`, whose processes learn by their environment whose they are."""

    def __init__(self, get_environment: Callable[[], Mapping[str, str]]) -> None:
        self.Popen = _telling(subprocess.Popen, get_environment)
        self.check_call = _telling(subprocess.check_call, get_environment)

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)


def _telling(
    start: Callable[..., Any], get_environment: Callable[[], Mapping[str, str]]
) -> Callable[..., Any]:
    @functools.wraps(start)
    def started(*arguments: Any, env: Mapping[str, str] | None = None, **options: Any) -> Any:
        try:
            ours = get_environment()
        except (
            Exception
        ) as error:  # the job runs without; what it reads and writes is the workflow's
            logger.warning("a job is not told of its run: %s: %s", type(error).__name__, error)
            ours = {}
        return start(
            *arguments,
            env={**(os.environ if env is None else env), **ours} if ours else env,
            **options,
        )

    return started
