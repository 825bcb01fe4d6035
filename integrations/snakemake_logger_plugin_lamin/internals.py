"""Every internal of Snakemake that is read: by name, each guarded on its own.

Snakemake's records are public; params, flags, scripts and config are only in its live objects. A
release may move any of them. `read` then gives a default, so that one unknown detail costs no
other. `tests/test_snakemake_internals.py` looks each of them up in the installed release, by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Frame:
    """A function of Snakemake that is at work while it logs, and a variable in it."""

    module: str
    function: str
    variable: str


WORKFLOW = Frame("snakemake.workflow", "execute", "self")
EXECUTOR = Frame("snakemake.workflow", "execute", "executor_plugin")
WORKFLOW_BEFORE_9_21 = Frame("snakemake.api", "execute_workflow", "workflow")
EXECUTOR_BEFORE_9_21 = Frame("snakemake.api", "execute_workflow", "executor_plugin")
SELECTED_JOBS = Frame("snakemake.scheduling.job_scheduler", "schedule", "run")
SCHEDULER = Frame("snakemake.scheduling.job_scheduler", "schedule", "self")
LOGGED_JOB = Frame("snakemake.jobs", "log_info", "self")
FAILED_OUTPUTS = Frame("snakemake.scheduling.job_scheduler", "postprocess", "job")
JOB_CALLBACK = Frame("snakemake.executors.local", "_callback", "job_info")
STORED_FILE = Frame("snakemake.dag", "handle_storage", "f")
STORED_JOB = Frame("snakemake.dag", "handle_storage", "job")
RESTORED_JOB = Frame("snakemake.caching.local", "fetch", "job")
RUN_JOBID = Frame("snakemake.executors.local", "run_wrapper", "jobid")
RUN_RULE = Frame("snakemake.executors.local", "run_wrapper", "job_rule")
SPAWNED_JOB = Frame("snakemake.executors.local", "spawn_job", "job")
SUBMITTED_JOB = Frame("snakemake_interface_executor_plugins.executors.base", "run_job", "job")

SHELL_PROCESSES = "snakemake.shell:sp"
EXECUTOR_PROCESSES = "snakemake.executors.local:subprocess"

INTERRUPTED = "Terminating processes on user request"
TERMINATED = "Will exit after finishing currently running jobs"
NOTHING_TO_DO = "Nothing to be done"
LOCAL_COPY_REMOVED = "Removing local copy of storage file"
LINKED_FROM_CACHE = "Symlinking output file "
COPIED_FROM_CACHE = "Copying output file "
SUBMITTED = "with external jobid '"
OUTPUTS_MISSING = "completed successfully, but some output files are missing"
"""Messages of Snakemake that exist only as text."""


def read(owner: Any, path: str, default: Any = None) -> Any:
    """Return the attribute at this dotted path; the default where it, or its owner, is not there.

    >>> read(1 + 2j, "imag"), read(None, "rule.name", "unknown")
    (2.0, 'unknown')
    """
    return quietly(lambda: value_of(owner, path), default)


def value_of(owner: Any, path: str) -> Any:
    """Return the attribute at this dotted path; raises what the live object raises."""
    return attrgetter(path)(owner)


def quietly(compute: Callable[[], Value], default: Value) -> Value:
    """Return what the function returns; the default where a live object refuses.

    >>> quietly(lambda: 1 / 0, None) is None
    True
    """
    try:
        return compute()
    except Exception:
        return default


def in_frame(frame: Frame, *otherwise: Frame) -> Any:
    """Return the variable of the nearest caller with this name, or with the next name; None if there is none."""
    value = _in_frame(frame)
    return in_frame(*otherwise) if value is None and otherwise else value


def _in_frame(frame: Frame) -> Any:
    caller = sys._getframe(2).f_back
    while caller is not None:
        code = caller.f_code
        if code.co_name == frame.function and (
            frame.variable in code.co_varnames or frame.variable in code.co_cellvars
        ):
            return caller.f_locals.get(frame.variable)
        caller = caller.f_back
    return None
