"""Why a job failed, of the exception that Snakemake handles and of the job's log."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Iterable
from typing import Any

from lamin_snakemake import facts
from snakemake_logger_plugin_lamin.internals import read

_LOG_TAIL = 4096
_INTERRUPT_STATUS = {-signal.SIGINT, 128 + signal.SIGINT}


def job_failure(
    record: logging.LogRecord, live: Any, error: BaseException | None, folder: str
) -> facts.JobFailed:
    """The failure that this JOB_ERROR reports."""
    status = _exit_status(error)
    jobid: int = record.jobid  # type: ignore[attr-defined]
    is_unclear = error is None or _is_spawned(error) or status in _INTERRUPT_STATUS
    return facts.JobFailed(
        record.created,
        jobid,
        cause=_cause(error) or getattr(record, "rule_msg", None) or "",
        exit_status=status,
        log_tail=_log_tail(record, live, folder),
        trace=str(error) if error is not None and str(error) else None,
        by_hand=None if is_unclear else False,
    )


def first_paragraph(text: str) -> str:
    """The message of a failure, without the name of Snakemake's own exception.

    >>> first_paragraph("WorkflowError:\\nno space left\\n\\nmore")
    'no space left'
    """
    return text.strip().removeprefix("WorkflowError:").strip().partition("\n\n")[0]


def _exit_status(error: BaseException | None) -> int | None:
    while error is not None:
        if isinstance(error, subprocess.CalledProcessError) and not _is_spawned(error):
            return error.returncode
        error = error.__cause__ or error.__context__
    return None


def _is_spawned(error: BaseException) -> bool:
    """Whether the job was a process of Snakemake's own, whose exit status says nothing about the job."""
    return (
        type(error).__name__ == "SpawnedJobError"
        or type(error.__context__).__name__ == "SpawnedJobError"
    )


def _cause(error: BaseException | None) -> str:
    if error is None:
        return ""
    if _is_spawned(error):
        return "its code raised; the traceback is on the terminal or in the log of the job"
    return first_paragraph(str(error)) or type(error).__name__


def _log_tail(record: logging.LogRecord, live: Any, folder: str) -> str:
    shadow = read(live, "shadow_dir") or ""
    logs: Iterable[Any] = read(live, "log") or getattr(record, "log", None) or ()
    for log in logs:
        tail = _tail(os.path.join(folder, shadow, os.fspath(log)))
        if tail:
            return tail
    return ""


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _LOG_TAIL))
            return log.read(_LOG_TAIL).decode(errors="replace").strip()
    except (OSError, ValueError):
        return ""
