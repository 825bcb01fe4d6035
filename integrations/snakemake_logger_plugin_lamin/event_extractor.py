"""Reads the live workflow and its jobs at the moment Snakemake logs about them.

Snakemake's records carry neither params nor flags, scripts or config, and reach plugins late, in
another thread. A filter on its logger is called in the thread that logs, while the live objects
stand in the caller's frame. It must take microseconds there: names and stats are copied, nothing is
read or hashed but the few small files that a job is about to change in place.
"""

from __future__ import annotations

import enum
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from lamin_core.enums import DependencyRole
from lamin_core.runtime import process
from lamin_core.runtime.json_values import JsonConverter
from lamin_core.storage.hashing import digest
from lamin_snakemake import facts
from lamin_snakemake.source import without_addresses
from openlineage.lamin.adapter.git_source import GitSource
from openlineage.lamin.adapter.guard import Guard
from snakemake_logger_plugin_lamin.digests import Contents, hold, stamp

Found = TypeVar("Found")

_SUBMITTED = re.compile(r"with external jobid '(?P<external>[^']*)'")
_SUBMITTED_JOB = re.compile(r"Submitted job (?P<jobid>\d+) ")
_INTERRUPTED = "Terminating processes on user request"
_TERMINATED = "Will exit after finishing currently running jobs"
_NOTHING = "Nothing to be done"
_REMOVED = "Removing local copy of storage file"
_RESTORED = ("Symlinking output file ", "Copying output file ")
_ON_THE_SPOT = 16 << 20
_LOG_TAIL = 4096
_INTERRUPT_STATUS = {-signal.SIGINT, 128 + signal.SIGINT}


class EventExtractor(logging.Filter):
    """Lets every record pass, and hands what it means to `tell`.

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
        self._described: set[int] = set()
        self._kept: dict[str, facts.File] = {}
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
            self._job_finished(record)
        elif name == "JOB_ERROR":
            self._job_error(record)
        elif name == "ERROR":
            self._error(record)
        elif name is None and isinstance(record.msg, str):
            self._text(record, record.msg)

    def _workflow_started(self, record: logging.LogRecord) -> None:
        # The workflow itself knows only later how it will execute.
        executor = _in_frame("execute", "executor_plugin")
        if executor is not None and (
            executor.common_settings.dryrun_exec or executor.common_settings.touch_exec
        ):
            return
        live = _in_frame("execute", "self")
        self._scheduler = threading.get_ident()
        # `workdir:` in a Snakefile changes the folder but not the record's `rundir`; no job runs
        # yet, so this is it.
        self._folder = os.getcwd()
        workflow = _workflow(record, live, getattr(executor, "name", None), self._title)
        self._on_start(workflow)
        self._tell(facts.WorkflowStarted(record.created, workflow))

    def _jobs_started(self, record: logging.LogRecord) -> None:
        selected = _in_frame("schedule", "run") or ()
        before: dict[int, tuple[facts.File, ...]] = {}
        for job in _members(selected):
            self._jobs[job.jobid] = job
            self._described.discard(job.jobid)
            before[job.jobid] = tuple(self._to_be_updated(job))
        if not before:
            before = {jobid: () for jobid in getattr(record, "jobs", ()) if isinstance(jobid, int)}
        self._tell(facts.JobsStarted(record.created, before))

    def _job_info(self, record: logging.LogRecord) -> None:
        jobid: int = record.jobid  # type: ignore[attr-defined]
        if jobid in self._described:
            return
        live = _in_frame("log_info", "self") or self._jobs.get(jobid)
        self._describe(record, jobid, live)

    def _describe(self, record: logging.LogRecord, jobid: int, live: Any) -> None:
        self._described.add(jobid)
        if live is None:
            self._tell(facts.JobDescribed(record.created, _job_of_record(record, self._folder)))
            return
        self._jobs[jobid] = live
        if (
            live.rule.norun and not live.output
        ):  # a target such as `all`: it only names what is wanted
            return
        # An input carries no flag that its producer gave it.
        streams = {
            str(file)
            for upstream in live.dag.dependencies.get(live, ())
            for file in upstream.pipe_or_service_output
        }
        job = facts.Job(
            jobid,
            self._rule(live),
            wildcards=dict(live.wildcards_dict or {}),
            params=_quietly(lambda: _params(live.params)) or {},
            inputs=tuple(self._files(file for file in live.input if str(file) not in streams)),
            outputs=tuple(self._files(live.output)),
            needs=tuple(_needs(live)),
            details=_job_details(record, live),
        )
        self._tell(facts.JobDescribed(record.created, job))

    def _job_finished(self, record: logging.LogRecord) -> None:
        jobid: int = record.job_id  # type: ignore[attr-defined]
        live = self._jobs.pop(jobid, None)
        outputs = None if live is None else tuple(self._results(live.output))
        self._tell(facts.JobFinished(record.created, jobid, outputs))

    def _job_error(self, record: logging.LogRecord) -> None:
        jobid: int = record.jobid  # type: ignore[attr-defined]
        live = self._jobs.get(jobid)
        if jobid not in self._described:  # it failed faster than Snakemake could report its start
            self._describe(record, jobid, live)
        error = sys.exc_info()[1]
        status = _exit_status(error)
        external = getattr(record, "aux", {}).get("external_jobid")
        if external is not None:
            self._tell(facts.JobSubmitted(record.created, jobid, str(external)))
        self._tell(
            facts.JobFailed(
                record.created,
                jobid,
                cause=_cause(error) or getattr(record, "rule_msg", None) or "",
                exit_status=status,
                log_tail=self._log_tail(record, live),
                trace=str(error) if error is not None and str(error) else None,
                by_hand=None
                if error is None or _is_spawned(error) or status in _INTERRUPT_STATUS
                else False,
            )
        )

    def _error(self, record: logging.LogRecord) -> None:
        if (
            threading.get_ident() != self._scheduler
            or _in_frame("_callback", "job_info") is not None
        ):
            return  # a JOB_ERROR follows
        failed = _in_frame("postprocess", "job")
        if failed is None:
            message = _first_paragraph(record.getMessage()) or str(
                getattr(record, "exception", "Snakemake failed")
            )
            self._tell(facts.WorkflowFailed(record.created, message))
            return
        # Outputs are missing or cannot be stored: this is all that Snakemake says of it, there is
        # no JOB_ERROR.
        for job in _members([failed]):
            message = record.getMessage()
            self._tell(
                facts.JobFailed(record.created, job.jobid, _first_paragraph(message), trace=message)
            )

    def _text(self, record: logging.LogRecord, text: str) -> None:
        if text.startswith(_INTERRUPTED):
            self._tell(facts.Stopped(record.created, "interrupted"))
        elif text.startswith(_TERMINATED):
            self._tell(facts.Stopped(record.created, "terminated"))
        elif text.startswith(_NOTHING):
            self._tell(facts.NothingToDo(record.created))
        elif text.startswith(_REMOVED):
            self._keep(_in_frame("handle_storage", "f"), _in_frame("handle_storage", "job"))
        elif text.startswith(_RESTORED) and " from cache" in text:
            restored = _in_frame("fetch", "job")  # it says the same when it stores
            if restored is not None:
                self._tell(facts.JobRestored(record.created, restored.jobid))
        else:
            external = _SUBMITTED.search(text)
            job = _SUBMITTED_JOB.match(text)
            if external and job:
                self._tell(
                    facts.JobSubmitted(record.created, int(job["jobid"]), external["external"])
                )

    def _rule(self, live: Any) -> facts.Rule:
        rule = live.rule
        rule_fact = self._rules.get(rule.name)
        if rule_fact is None:
            rule_fact = facts.Rule(
                rule.name, str(rule.snakefile), _code(live), rule.docstring or None
            )
            if rule_fact.code.path is None or "{" not in str(rule.script or rule.notebook):
                self._rules[rule.name] = rule_fact
        return rule_fact

    def _files(self, live: Iterable[Any]) -> Iterator[facts.File]:
        for file in live:
            flags = getattr(file, "flags", {})
            if (
                "pipe" in flags or "service" in flags
            ):  # it holds no data that could be looked at later
                continue
            path = os.path.join(self._folder, os.fspath(file))
            role = "temporary" if "temp" in flags else None
            yield facts.File(path, _url(file, flags), stamp(path), role)

    def _results(self, live: Iterable[Any]) -> Iterator[facts.File]:
        for file in self._files(live):
            captured = self._kept.pop(file.path, None)
            will_vanish = file.role == "temporary" or file.url is not None
            yield captured or (hold(file) if will_vanish else file)

    def _keep(self, live: Any, job: Any) -> None:
        """Hold an output whose local copy is removed before its job is said to have finished."""
        if live is not None and live in job.output:
            for file in self._files([live]):
                self._kept[file.path] = hold(file)

    def _to_be_updated(self, live: Any) -> Iterator[facts.File]:
        for file in self._files(
            file for file in live.output if "update" in getattr(file, "flags", {})
        ):
            seen = file.stamp
            if seen is None:
                continue
            content = self._contents.cached_digest(file.path, seen)
            if content is None and not seen.is_folder and seen.size <= _ON_THE_SPOT:
                content = _quietly(lambda path=file.path: digest(path))  # type: ignore[misc]
            # Without a digest only name and size are told: by the time it could be read it has
            # changed.
            yield facts.File(file.path, file.url, seen if content else None, digest=content)

    def _log_tail(self, record: logging.LogRecord, live: Any) -> str:
        shadow = getattr(live, "shadow_dir", None) or ""
        logs: Iterable[Any] = getattr(live, "log", None) or getattr(record, "log", None) or ()
        for log in logs:
            tail = _tail(os.path.join(self._folder, shadow, os.fspath(log)))
            if tail:
                return tail
        return ""


def _in_frame(function: str, variable: str) -> Any:
    """The value of a variable of the nearest caller with this name; None if nobody is called so."""
    frame = sys._getframe(1)
    caller = frame.f_back
    while caller is not None:
        if (
            caller.f_code.co_name == function
            and variable in caller.f_code.co_varnames + caller.f_code.co_cellvars
        ):
            return caller.f_locals.get(variable)
        caller = caller.f_back
    return None


def _members(jobs: Iterable[Any]) -> Iterator[Any]:
    for job in jobs:
        if job.is_group():
            yield from job
        else:
            yield job


def _workflow(
    record: logging.LogRecord, live: Any, executor: str | None, title: str | None
) -> facts.Workflow:
    attributes = record.__dict__
    snakefile = os.fspath(
        getattr(live, "main_snakefile", None) or attributes.get("snakefile_main") or "Snakefile"
    )
    included = _quietly(lambda: [str(file) for file in live.included]) or [snakefile]
    details = {
        "command": attributes.get("cmd"),
        "cores": _quietly(lambda: live.resource_settings.cores),
        "nodes": _quietly(lambda: live.resource_settings.nodes),
        "host": attributes.get("host"),
        "user": attributes.get("user"),
        "platform": attributes.get("platform"),
        "python_version": str(attributes.get("python_version") or "").partition(" ")[0] or None,
        "snakemake_version": attributes.get("snakemake_version"),
        "configfiles": [os.fspath(file) for file in attributes.get("configfiles") or ()],
        "working_directory": os.getcwd(),
        "targets": _quietly(lambda: plain(live.dag_settings.targets)),
        "executor": executor,
        "log": _quietly(lambda: live.logger_manager.get_logfile()),
    }
    path = os.path.abspath(snakefile) if "://" not in snakefile else snakefile
    return facts.Workflow(
        str(attributes["workflow_id"]),
        str(attributes.get("snakemake_version", "")),
        path,
        tuple(included),
        plain(dict(getattr(live, "config", None) or {})),
        {name: value for name, value in details.items() if value not in (None, [], "")},
        process.current(),
        GitSource.of(path),
        title,
    )


def _job_details(record: logging.LogRecord, live: Any) -> dict[str, Any]:
    attributes = record.__dict__
    details = {
        "jobid": live.jobid,
        "wildcards": dict(live.wildcards_dict or {}),
        "threads": _quietly(lambda: live.threads),
        "resources": _quietly(lambda: _resources(live.resources)),
        "priority": attributes.get("priority"),
        "reason": attributes.get("reason"),
        "message": attributes.get("rule_msg"),
        "command": attributes.get("shellcmd"),
        "log": [os.fspath(file) for file in live.log],
        "benchmark": _quietly(lambda: live.benchmark and os.fspath(live.benchmark)),
        "conda": _quietly(lambda: _conda(live)),
        "container": _quietly(lambda: live.container_img_url or None),
        "checkpoint": live.rule.is_checkpoint,
    }
    return {
        name: plain(value)
        for name, value in details.items()
        if value not in (None, "", [], {}, 0, False)
    } | {"jobid": live.jobid}


def _resources(resources: Any) -> dict[str, Any]:
    hidden = {"_cores", "_nodes", "tmpdir"}
    values = {name: plain(value) for name, value in resources.items() if name not in hidden}
    return {name: value for name, value in values.items() if value != "<TBD>"}


def _conda(live: Any) -> str | None:
    spec = live.rule.conda_env
    if not spec or callable(spec):
        return None
    return str(getattr(spec, "file", None) or getattr(spec, "name", None) or spec)


def _params(params: Any) -> dict[str, Any]:
    """Named params by name, the others as they are written in a rule: `params[0]`."""
    values: dict[str, Any] = {}
    position = 0
    for name, value in params._allitems():
        values[name or f"params[{position}]"] = plain(value)
        position += len(value) if name and type(value).__name__ == "Namedlist" else 1
    return values


class _Converter(JsonConverter):
    """Converts params, config and details, however large."""

    def enumeration(self, value: enum.Enum, depth: int) -> Any:
        return value.value if isinstance(value, int | float) else self.other(value, depth)

    def text(self, value: str) -> str:
        return str(value)  # Snakemake's own kinds of string, too

    def is_within(self, value: Any, depth: int) -> bool:
        return True

    def other(self, value: Any, depth: int) -> Any:
        return without_addresses(str(value))


def plain(value: Any) -> Any:
    """Return the value as JSON; a value that JSON does not have as its text.

    >>> plain({"a": (1, 2.5, None), "b": float("nan"), 3: {"x"}})
    {'a': [1, 2.5, None], 'b': 'nan', '3': ['x']}
    """
    return _Converter().convert(value, 0)


def _needs(live: Any) -> Iterator[facts.Need]:
    for upstream, files in live.dag.dependencies.get(live, {}).items():
        shared = [file for file in upstream.pipe_or_service_output if file in files]
        if files and not shared:
            continue
        flags = getattr(shared[0], "flags", {}) if shared else {}
        role: DependencyRole = (
            "pipe" if "pipe" in flags else "service" if "service" in flags else "order"
        )
        yield facts.Need(upstream.jobid, upstream.rule.name, role)


def _code(live: Any) -> facts.Code:
    rule = live.rule
    if rule.norun:
        return facts.Code("none")
    if rule.shellcmd is not None:
        return facts.Code("shell", str(rule.shellcmd))
    if rule.script is not None:
        return facts.Code(
            "script", path=_quietly(lambda: _resolved(live, rule.script)) or str(rule.script)
        )
    if rule.notebook is not None:
        return facts.Code(
            "notebook", path=_quietly(lambda: _resolved(live, rule.notebook)) or str(rule.notebook)
        )
    if rule.wrapper is not None:
        return facts.Code(
            "wrapper", f"wrapper: {rule.wrapper}", _quietly(lambda: _local_wrapper(live))
        )
    if rule.cwl is not None:
        return facts.Code("cwl", f"cwl: {rule.cwl}")
    if rule.template_engine is not None:
        return facts.Code("template_engine", f"template_engine: {rule.template_engine}")
    return facts.Code("run", rule.run_func_src)


def _resolved(live: Any, script: Any) -> str:
    """Where the script of a rule is: its path may hold wildcards, and is relative to the Snakefile."""
    from snakemake.sourcecache import SourceFile, infer_source_file
    from snakemake.utils import format as snakemake_format

    if isinstance(script, SourceFile):
        path: Any = (
            script.format(wildcards=live.wildcards, params=live.params)
            if "{" in str(script)
            else script
        )
    else:
        text = os.fspath(script)
        path = infer_source_file(
            snakemake_format(text, wildcards=live.wildcards, params=live.params)
            if "{" in text
            else text
        )
    base = live.rule.basedir
    source_file = infer_source_file(
        path, base if isinstance(base, SourceFile) else infer_source_file(base)
    )
    where = str(source_file.get_path_or_uri(secret_free=True))
    return where if "://" in where else os.path.abspath(where)


def _local_wrapper(live: Any) -> str | None:
    """The script of a wrapper that lies on this machine; any other is told by its name, which holds its version."""
    from snakemake.wrapper import EXTENSIONS, get_path

    source_file = get_path(
        live.rule.wrapper, prefix=live.dag.workflow.workflow_settings.wrapper_prefix
    )
    where = str(source_file.get_path_or_uri(secret_free=True))
    scripts = [where, *(os.path.join(where, f"wrapper{suffix}") for suffix in EXTENSIONS)]
    return next((os.path.abspath(script) for script in scripts if os.path.isfile(script)), None)


def _url(file: Any, flags: Mapping[str, Any]) -> str | None:
    """The name of a file that is only a local copy of something else."""
    if "sourcecache_entry" in flags:
        return str(flags["sourcecache_entry"])
    stored = flags.get("storage_object")
    if stored is None:
        return None
    address = _quietly(lambda: stored.dataset_address)  # our own: where the registry has it
    if address is not None:
        return str(address)
    query = str(stored.print_query)  # without the secrets that a query may hold
    if "://" in query or os.path.isabs(query):
        return query
    # By `__class__`: for inputs that do not change, Snakemake wraps the object in a proxy of its
    # own type.
    provider = stored.__class__.__module__.partition(".")[0].rpartition("_plugin_")[2]
    return f"{provider or 'storage'}:///{query}"


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
    return _first_paragraph(str(error)) or type(error).__name__


def _first_paragraph(text: str) -> str:
    """What went wrong, without the name of Snakemake's own exception above it."""
    return text.strip().removeprefix("WorkflowError:").strip().partition("\n\n")[0]


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _LOG_TAIL))
            return log.read(_LOG_TAIL).decode(errors="replace").strip()
    except (OSError, ValueError):
        return ""


def _job_of_record(record: logging.LogRecord, folder: str) -> facts.Job:
    """What a record alone can tell, should a later Snakemake keep its jobs out of sight."""
    attributes = record.__dict__

    def files(names: Iterable[str]) -> tuple[facts.File, ...]:
        paths = [os.path.join(folder, str(name)) for name in names]
        return tuple(facts.File(path, stamp=stamp(path)) for path in paths)

    return facts.Job(
        attributes["jobid"],
        facts.Rule(attributes["rule_name"], "", facts.Code("none")),
        wildcards=dict(attributes.get("wildcards") or {}),
        inputs=files(attributes.get("input") or ()),
        outputs=files(attributes.get("output") or ()),
        details={
            "jobid": attributes["jobid"],
            "wildcards": dict(attributes.get("wildcards") or {}),
        },
    )


def _quietly(read: Callable[[], Found]) -> Found | None:
    """What reading gives; None where a live object refuses: one unknown detail is no reason to lose the others."""
    try:
        return read()
    except Exception:
        return None
