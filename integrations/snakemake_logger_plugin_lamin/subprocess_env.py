"""Passes the run of a job to its code: to processes in their environment, to code in threads by a function.

Snakemake runs the jobs of one invocation in threads of one process, which have one environment
between them. So the variables are added where its own modules start a process: there the frames
above say for which job.
"""

from __future__ import annotations

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
from snakemake_logger_plugin_lamin import internals
from snakemake_logger_plugin_lamin.internals import in_frame, quietly, read

logger = logging.getLogger("lamin")
_STARTERS = (internals.SHELL_PROCESSES, internals.EXECUTOR_PROCESSES)
"""Snakemake's modules that start processes for jobs, and by which name each knows `subprocess`."""
_THAT_START = ("run", "call", "check_call", "check_output")
"""Functions of `subprocess` that start a process."""
_EXECUTORS = "snakemake_executor_plugin_"
"""Plugins that hand jobs to a cluster: what submits a job may pass its environment on."""


class Children:
    """The jobs of one invocation, whose runs are passed to their processes; `put_in_place`, and `remove` at the end."""

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
        """Give processes the run of their job from now on."""
        global _at_work
        _at_work = self
        for starter_name in _STARTERS:
            module, _, name = starter_name.partition(":")
            self._replace(quietly(lambda: importlib.import_module(module), None), name)  # noqa: B023 - called at once
        for module in [name for name in sys.modules if name.startswith(_EXECUTORS)]:
            self._replace(sys.modules[module], "subprocess")

    def _replace(self, starter: Any, name: str) -> None:
        if read(starter, name) is subprocess:
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
        """The variables with the job of a process that is started here; empty if it belongs to no job."""
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


def _job_above() -> tuple[Any, str]:
    """Number and rule of the job that a caller of this is at work for."""
    jobid, rule = in_frame(internals.RUN_JOBID), in_frame(internals.RUN_RULE)
    if jobid is not None:
        return jobid, read(rule, "name", "")
    job = in_frame(internals.SPAWNED_JOB) or in_frame(internals.SUBMITTED_JOB)
    return read(job, "jobid"), read(job, "rule.name", "")


class _Subprocess:
    """The module `subprocess`, whose processes learn by their environment whose they are."""

    def __init__(self, get_environment: Callable[[], Mapping[str, str]]) -> None:
        class Popen(subprocess.Popen[Any]):  # a class: somebody may ask what is an instance of it
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **_telling(options, get_environment))

        self.Popen = Popen
        self._get_environment = get_environment

    def __getattr__(self, name: str) -> Any:
        function = getattr(subprocess, name)
        return self._telling(function) if name in _THAT_START else function

    def _telling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def start(*arguments: Any, **options: Any) -> Any:
            return function(*arguments, **_telling(options, self._get_environment))

        return start


def _telling(
    options: dict[str, Any], get_environment: Callable[[], Mapping[str, str]]
) -> dict[str, Any]:
    """The options with the variables of the job in the environment of the process."""
    try:
        ours = get_environment()
    except Exception as error:  # the job runs without; what it reads and writes is the workflow's
        logger.warning(
            "the program of a job does not know its run: %s: %s", type(error).__name__, error
        )
        return options
    if not ours:
        return options
    env = options.get("env")
    return {**options, "env": {**(os.environ if env is None else env), **ours}}
