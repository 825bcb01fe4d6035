"""Reads the workflow when Snakemake begins: its Snakefiles, its config, how it is executed."""

from __future__ import annotations

import getpass
import logging
import os
import platform
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lamin_core.runtime import process
from lamin_core.runtime.git import checkout
from lamin_snakemake import facts
from lamin_snakemake.plain_values import plain
from openlineage.lamin.adapter.git_source import GitSource
from snakemake_logger_plugin_lamin.internals import quietly, read

_OF_RECORD = ("host", "user", "platform", "snakemake_version")


def workflow_of(
    record: logging.LogRecord, live: Any, executor: str | None, title: str | None
) -> facts.Workflow:
    """Return the workflow of this WORKFLOW_STARTED; without a live object, from the record alone."""
    attributes = _header(record)
    named = read(live, "main_snakefile") or attributes.get("snakefile_main") or "Snakefile"
    snakefile = os.fspath(named)
    path = snakefile if "://" in snakefile else os.path.abspath(snakefile)
    included = quietly(lambda: [str(file) for file in read(live, "included")], [snakefile])
    git, working_copy = _git(path)
    return facts.Workflow(
        str(attributes["workflow_id"]),
        str(attributes.get("snakemake_version", "")),
        path,
        tuple(included),
        quietly(lambda: plain(dict(read(live, "config") or {})), {}),
        _details(attributes, live, executor) | working_copy,
        process.current(),
        git,
        title,
    )


def _git(snakefile: str) -> tuple[GitSource, dict[str, Any]]:
    """The commit, called as `git describe --dirty` calls it; and commit, branch, remote and `dirty` as details."""
    git = GitSource.of(snakefile)
    if git.commit is None:
        return git, {}
    working_copy = checkout(Path(snakefile).parent)
    if working_copy is None:
        return git, {}
    if working_copy.dirty:
        git = replace(git, commit=f"{git.commit}-dirty")
    return git, {"git": working_copy.facts()}


def _header(record: logging.LogRecord) -> dict[str, Any]:
    """The facts of the invocation in the record; missing ones (before Snakemake 9.21) come from this process."""
    if "cmd" in record.__dict__:
        return record.__dict__
    return {
        "cmd": " ".join(sys.argv),
        "host": platform.node(),
        "user": quietly(getpass.getuser, None),
        "platform": platform.platform(),
        "python_version": sys.version,
        "snakemake_version": quietly(lambda: version("snakemake"), ""),
        **record.__dict__,
    }


def _details(attributes: dict[str, Any], live: Any, executor: str | None) -> dict[str, Any]:
    configfiles = attributes.get("configfiles") or read(live, "configfiles") or ()
    details = {
        "command": attributes.get("cmd"),
        "cores": read(live, "resource_settings.cores"),
        "nodes": read(live, "resource_settings.nodes"),
        **{name: attributes.get(name) for name in _OF_RECORD},
        "python_version": str(attributes.get("python_version") or "").partition(" ")[0],
        "configfiles": quietly(lambda: [os.fspath(file) for file in configfiles], []),
        "working_directory": os.getcwd(),
        "targets": quietly(lambda: plain(read(live, "dag_settings.targets")), None),
        "executor": executor,
        "log": quietly(lambda: plain(read(live, "logger_manager.get_logfile")()), None),
    }
    return {name: value for name, value in details.items() if value not in (None, [], "")}
