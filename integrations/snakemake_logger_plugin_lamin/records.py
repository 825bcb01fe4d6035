"""Facts from Snakemake's public records, for live objects that cannot be read."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator

from lamin_snakemake import facts
from snakemake_logger_plugin_lamin import internals
from snakemake_logger_plugin_lamin.digests import stamp

_NOTE = re.compile(
    r" \((?P<note>pipe|service|nodelocal|update|before update|access: \S+|cached)"
    r"(?:, [a-z ]*storage[a-z ]*)?\)$|"
    r" \((?:retrieve from|send to|in) storage\)$| \(only provide storage uri\)$"
)
_SUBMITTED = re.compile(re.escape(internals.SUBMITTED) + r"(?P<external>[^']*)'")
_SUBMITTED_JOB = re.compile(r"Submitted job (?P<jobid>\d+) ")
_MISSING = re.compile(rf"Job (?P<jobid>\d+)\s+{internals.OUTPUTS_MISSING}")
_NOT_YET = "<TBD>"
"""The text in a record for an input that a checkpoint has not determined yet."""
_TOUCH = {"--touch", "-t"}


def is_target(record: logging.LogRecord) -> bool:
    """Whether this JOB_INFO is of a rule such as `all`, which only names what is wanted."""
    return (
        getattr(record, "local", False) is True
        and not getattr(record, "output", None)
        and getattr(record, "shellcmd", None) is None
    )


def is_touch(record: logging.LogRecord) -> bool:
    """Whether the command line says that outputs are only touched."""
    return not _TOUCH.isdisjoint(str(getattr(record, "cmd", "")).split())


def job_of(record: logging.LogRecord, folder: str) -> facts.Job:
    """The job of this JOB_INFO or JOB_ERROR: rule, wildcards and files, without its code and params."""
    attributes = record.__dict__
    benchmark = attributes.get("benchmark")
    named = wildcards(record)
    return facts.Job(
        attributes["jobid"],
        facts.Rule(str(attributes["rule_name"]), "", facts.Code("none")),
        wildcards=named,
        inputs=inputs(record, folder),
        outputs=outputs(record, folder),
        details=details(record) | {"wildcards": named},
        logs=logs(record, folder),
        benchmark=os.path.join(folder, str(benchmark)) if benchmark else None,
    )


def wildcards(record: logging.LogRecord) -> dict[str, str]:
    """The values of the wildcards."""
    named = record.__dict__.get("wildcards") or {}
    return {name: str(value) for name, value in named.items()}


def inputs(record: logging.LogRecord, folder: str) -> tuple[facts.File, ...]:
    """The files that the job reads."""
    named = files(record.__dict__.get("input") or (), folder)
    # What is not there when its job starts is a pipe: of one, only the output is noted as such.
    return tuple(file for file in named if file.url or file.stamp)


def outputs(record: logging.LogRecord, folder: str) -> tuple[facts.File, ...]:
    """The files that the job writes."""
    return files(record.__dict__.get("output") or (), folder)


def logs(record: logging.LogRecord, folder: str) -> tuple[facts.File, ...]:
    """The log files, which are read only after the end of the job."""
    names = map(str, record.__dict__.get("log") or ())
    return tuple(facts.File(os.path.join(folder, name), role="log") for name in names)


def details(record: logging.LogRecord) -> dict[str, object]:
    """The facts of a job in a record, except its rule and its files."""
    attributes = record.__dict__
    named = {
        "priority": attributes.get("priority"),
        "reason": attributes.get("reason"),
        "message": attributes.get("rule_msg"),
        "command": attributes.get("shellcmd"),
        "threads": attributes.get("threads"),
        "log": [str(name) for name in attributes.get("log") or ()],
        "benchmark": attributes.get("benchmark"),
        "checkpoint": attributes.get("is_checkpoint"),
    }
    return {"jobid": attributes["jobid"]} | {
        name: value for name, value in named.items() if value not in (None, "", [], 0, False)
    }


def files(names: Iterable[object], folder: str) -> tuple[facts.File, ...]:
    """The files that a record names: a note such as ` (temp)` behind a name is not part of it."""
    return tuple(_files(map(str, names), folder))


def _files(names: Iterable[str], folder: str) -> Iterator[facts.File]:
    for text in names:
        note = _NOTE.search(text)
        kind = note and note["note"]
        is_note = note is not None and not os.path.exists(os.path.join(folder, text))
        if is_note and kind in ("pipe", "service"):
            continue
        name = text[: note.start()] if note is not None and is_note else text
        if "://" in name:
            yield facts.File(name, name)
        elif name != _NOT_YET:
            path = os.path.join(folder, name)
            yield facts.File(path, stamp=stamp(path))


def submission(text: str) -> tuple[int | None, str | None]:
    """Number and external id of a job that a cluster has taken, of what Snakemake says then.

    >>> submission("Submitted job 3 with external jobid '4711'.")
    (3, '4711')
    >>> submission("Submitted group job 0f3e with external jobid '4711'.")
    (None, '4711')
    """
    external, job = _SUBMITTED.search(text), _SUBMITTED_JOB.match(text)
    return (int(job["jobid"]) if job else None), (external["external"] if external else None)


def job_without_outputs(message: str) -> int | None:
    """Number of the job that this error blames for missing outputs.

    >>> job_without_outputs("Job 3 completed successfully, but some output files are missing.")
    3
    """
    match = _MISSING.search(message)
    return None if match is None else int(match["jobid"])
