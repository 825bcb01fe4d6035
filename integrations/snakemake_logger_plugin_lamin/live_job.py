"""Reads a live job: what it does, with what, and which files it reads and writes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lamin_core.enums import DependencyRole
from lamin_snakemake import facts
from lamin_snakemake.plain_values import params_by_name, plain
from snakemake_logger_plugin_lamin import records
from snakemake_logger_plugin_lamin.digests import stamp
from snakemake_logger_plugin_lamin.internals import quietly, read, value_of
from snakemake_logger_plugin_lamin.rule_code import code_of

_HIDDEN_RESOURCES = {"_cores", "_nodes", "tmpdir"}
_FLAGS = ("protected", "ensure", "touch", "ancient", "update", "directory")
"""Flags of an input or output that say more than its role."""


def members(jobs: Iterable[Any]) -> Iterator[Any]:
    """The jobs, and those of each group among them."""
    for job in jobs:
        if job.is_group():
            yield from job
        else:
            yield job


def is_target(record: logging.LogRecord, live: Any) -> bool:
    """Whether the job is of a rule such as `all`, which only names what is wanted."""
    norun, output = read(live, "rule.norun"), read(live, "output")
    if norun is None or output is None:
        return records.is_target(record)
    return bool(norun and not output)


def job_of(record: logging.LogRecord, live: Any, rule: facts.Rule, folder: str) -> facts.Job:
    """Return the facts of the live job, and those of the record for attributes that it does not have."""
    wildcards = quietly(lambda: dict(read(live, "wildcards_dict")), None)
    if wildcards is None:
        wildcards = records.wildcards(record)
    inputs = quietly(lambda: _inputs(live, folder), None)
    outputs = quietly(lambda: tuple(files(live.output, folder)), None)
    details = {**records.details(record), **_details(live), "wildcards": wildcards}
    benchmark = details.get("benchmark")
    logs = quietly(lambda: tuple(_logs(live, folder)), None)
    return facts.Job(
        record.__dict__["jobid"],
        rule,
        wildcards=wildcards,
        params=quietly(lambda: _params(read(live, "params")), {}),
        inputs=records.inputs(record, folder) if inputs is None else inputs,
        outputs=records.outputs(record, folder) if outputs is None else outputs,
        needs=quietly(lambda: tuple(_needs(live)), ()),
        details=details,
        logs=records.logs(record, folder) if logs is None else logs,
        benchmark=os.path.join(folder, str(benchmark)) if benchmark else None,
        schemas=quietly(lambda: _schemas(live, folder), {}),
    )


def _inputs(live: Any, folder: str) -> tuple[facts.File, ...]:
    """The files that the job reads, without pipes: an input carries no flag that its producer gave it."""
    none: list[Any] = []
    upstream_jobs = quietly(lambda: list(read(live, "dag.dependencies").get(live, ())), none)
    streams = {
        str(file)
        for upstream in upstream_jobs
        for file in read(upstream, "pipe_or_service_output", ())
    }
    return tuple(files((file for file in live.input if str(file) not in streams), folder))


def rule_of(record: logging.LogRecord, live: Any) -> facts.Rule:
    """The rule of the live job, with its code; the record's name of it where that is hidden."""
    name = read(live, "rule.name") or getattr(record, "rule_name", "")
    code = quietly(lambda: code_of(live), facts.Code("none"))
    snakefile = str(read(live, "rule.snakefile", ""))
    return facts.Rule(str(name), snakefile, code, read(live, "rule.docstring") or None)


def files(live: Iterable[Any], folder: str) -> Iterator[facts.File]:
    """The files, as they stand now; without pipes and services, which hold no data to be looked at later.

    Raises what Snakemake raises where it hides their flags: without them nobody knows which are pipes.
    """
    for file in live:
        flags = value_of(file, "flags")
        if "pipe" in flags or "service" in flags:
            continue
        path = os.path.join(folder, os.fspath(file))
        role = "temporary" if "temp" in flags else None
        shown = tuple(flag for flag in _FLAGS if flag in flags)
        yield facts.File(path, quietly(lambda: _url(file, flags), None), stamp(path), role, shown)  # noqa: B023 - called at once


def _details(live: Any) -> dict[str, Any]:
    details = {
        "threads": read(live, "threads"),
        "resources": quietly(lambda: _resources(read(live, "resources")), None),
        "log": quietly(lambda: [os.fspath(file) for file in live.log], None),
        "benchmark": quietly(lambda: os.fspath(live.benchmark), None),
        "conda": quietly(lambda: _conda(read(live, "rule.conda_env")), None),
        "container": read(live, "container_img_url"),
        "software_deployment": quietly(lambda: _deployment(live), None),
        "group": read(live, "group"),
        "checkpoint": read(live, "rule.is_checkpoint"),
    }
    present = {
        name: value for name, value in details.items() if value not in (None, "", [], {}, 0, False)
    }
    return {name: plain(value) for name, value in present.items()}


def _logs(live: Any, folder: str) -> Iterator[facts.File]:
    """The log files, which are read only after the end of the job."""
    for file in read(live, "log"):
        url = _url(file, read(file, "flags", {}))
        yield facts.File(os.path.join(folder, os.fspath(file)), url, role="log")


def _deployment(live: Any) -> list[str]:
    """The methods of Snakemake to deploy the software of jobs: `conda`, `apptainer`, `env-modules`."""
    methods = read(live, "dag.workflow.deployment_settings.deployment_method")
    return sorted(str(method).lower() for method in methods)


def _resources(resources: Any) -> dict[str, Any]:
    shown = {name: plain(value) for name, value in resources.items()}
    return {
        name: value
        for name, value in shown.items()
        if name not in _HIDDEN_RESOURCES and value != "<TBD>"
    }


def _conda(spec: Any) -> str | None:
    if not spec or callable(spec):
        return None
    return str(getattr(spec, "file", None) or getattr(spec, "name", None) or spec)


def _params(params: Any) -> dict[str, Any]:
    """Named params by name, the others as they are written in a rule: `params[0]`."""
    items = quietly(lambda: list(read(params, "_allitems")()), None)
    if items is None:
        return {name: plain(value) for name, value in params.items()}
    return params_by_name(items)


def _schemas(live: Any, folder: str) -> dict[str, str]:
    """The schemas in `params.lamin_schema` by the paths of outputs: one schema, or a dictionary by names of outputs."""
    schema = dict(read(live, "params").items()).get("lamin_schema")
    outputs = read(live, "output")
    if not schema:
        return {}
    if not isinstance(schema, Mapping):
        return dict.fromkeys(_paths(outputs, folder), _schema_name(schema))
    named = dict(outputs.items())
    schemas: dict[str, str] = {}
    for name, of_output in schema.items():
        paths = _paths(named[name], folder) if name in named else [str(name)]
        schemas |= dict.fromkeys(paths, _schema_name(of_output))
    return schemas


def _schema_name(schema: Any) -> str:
    return str(getattr(schema, "uid", schema))


def _paths(files: Any, folder: str) -> list[str]:
    """The paths of a file, or of several under one name."""
    listed = [files] if isinstance(files, str) else files
    return [os.path.join(folder, os.fspath(file)) for file in listed]


def _needs(live: Any) -> Iterator[facts.Need]:
    for upstream, between in read(live, "dag.dependencies").get(live, {}).items():
        streams = read(upstream, "pipe_or_service_output", ())
        shared = [file for file in streams if file in between]
        if between and not shared:
            continue
        flags = read(shared[0], "flags", {}) if shared else {}
        yield facts.Need(upstream.jobid, upstream.rule.name, _need_role(flags))


def _need_role(flags: Mapping[str, Any]) -> DependencyRole:
    if "pipe" in flags:
        return "pipe"
    return "service" if "service" in flags else "order"


def _url(file: Any, flags: Mapping[str, Any]) -> str | None:
    """The name of a file that is only a local copy of something else."""
    if "sourcecache_entry" in flags:
        return str(flags["sourcecache_entry"])
    stored = flags.get("storage_object")
    if stored is None:
        return None
    address = read(stored, "dataset_address")  # our own: where the registry has it
    if address is not None:
        return str(address)
    query = str(stored.print_query)  # without the secrets that a query may hold
    if "://" in query or os.path.isabs(query):
        return query
    # By `__class__`: for inputs that do not change, Snakemake wraps the object in a proxy of its
    # own type.
    provider = stored.__class__.__module__.partition(".")[0].rpartition("_plugin_")[2]
    return f"{provider or 'storage'}:///{query}"
