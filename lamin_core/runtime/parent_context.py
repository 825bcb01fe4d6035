"""The environment variables that name the parent run and the root run to a child process.

`OPENLINEAGE_CONTEXT` is JSON with the run above and the outermost one (`parent`, and `root` in it),
as OpenLineage's own integrations read it since 1.52. `OPENLINEAGE_PARENT_ID` and
`OPENLINEAGE_ROOT_PARENT_ID` are `namespace/job/runId`, the elder form, which Spark and others read.
`LAMIN_INITIATED_BY_RUN_UID` is the registry's uid of the run above.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lamin_core.uids import run_uid

CONTEXT = "OPENLINEAGE_CONTEXT"
PARENT = "OPENLINEAGE_PARENT_ID"
ROOT = "OPENLINEAGE_ROOT_PARENT_ID"
PARENT_UID = "LAMIN_INITIATED_BY_RUN_UID"


@dataclass(frozen=True, slots=True)
class RunReference:
    """A run, by its OpenLineage run id and the namespace and name of its job."""

    run_id: str
    namespace: str
    name: str
    root: RunReference | None = None
    """The outermost run above, where it is known and another one."""

    @classmethod
    def of(cls, parent: RunReference) -> RunReference:
        """The run itself, without the outermost one above it, as events name it."""
        return cls(parent.run_id, parent.namespace, parent.name)

    @property
    def job(self) -> str:
        """The job as one text."""
        return f"{self.namespace}/{self.name}"

    @property
    def outermost(self) -> RunReference:
        """The run that started everything.

        >>> RunReference("0194e0a0", "prefect", "nightly").outermost.name
        'nightly'
        """
        return self.root or self

    def below(self, root: RunReference | None) -> RunReference:
        """Return this run as its child processes read it; `root` is the outermost run, None if that is this one."""
        return replace(self, root=None if root == self else root)

    def environment(self, root: RunReference | None) -> dict[str, str]:
        """The variables that make a process its child; `root` is the outermost run, None if that is this one."""
        return environment_for_children(self.below(root))


def parent_from_environment(environment: Mapping[str, str] = os.environ) -> RunReference | None:
    """The run that started this process, or None.

    >>> parent_from_environment({"OPENLINEAGE_PARENT_ID": "snakemake/wf/Snakefile:map/0194e0a0"}).name
    'wf/Snakefile:map'
    """
    elder = _elder(environment)
    newer = _newer(environment.get(CONTEXT, ""))
    if elder is None or newer is None or elder.run_id == newer.run_id:
        return newer or elder
    # Somebody below us has set one of them and left the other as it was. Ours go with the uid of
    # the run they name.
    return elder if environment.get(PARENT_UID) == run_uid(newer.run_id) else newer


def environment_for_children(parent: RunReference) -> dict[str, str]:
    """The variables that make processes started from here children of this run.

    >>> sorted(environment_for_children(RunReference("0194e0a0", "python", "a.py")))
    ['LAMIN_INITIATED_BY_RUN_UID', 'OPENLINEAGE_CONTEXT', 'OPENLINEAGE_PARENT_ID', 'OPENLINEAGE_ROOT_PARENT_ID']
    """
    above = {**_as_json(parent), "root": _as_json(parent.outermost)}
    return {
        CONTEXT: json.dumps({"parent": above}, separators=(",", ":")),
        PARENT: _as_path(parent),
        ROOT: _as_path(parent.outermost),
        PARENT_UID: run_uid(parent.run_id),
    }


def _as_json(run: RunReference) -> dict[str, object]:
    return {"run": {"runId": run.run_id}, "job": {"namespace": run.namespace, "name": run.name}}


def _as_path(run: RunReference) -> str:
    return f"{run.namespace}/{run.name}/{run.run_id}"


def _elder(environment: Mapping[str, str]) -> RunReference | None:
    parent = _from_path(environment.get(PARENT, ""))
    root = _from_path(environment.get(ROOT, ""))
    return None if parent is None else parent.below(root)


def _from_path(value: str) -> RunReference | None:
    head, _, run_id = value.rpartition("/")
    namespace, separator, name = head.partition("/")
    return RunReference(run_id, namespace, name) if separator and run_id else None


def _newer(text: str) -> RunReference | None:
    try:
        context = json.loads(text)
        parent = _from_json(context["parent"])
    except (ValueError, KeyError, TypeError):  # not there, or not ours to judge
        return None
    try:
        root = _from_json(context["parent"].get("root") or context["root"])
    except (KeyError, TypeError):
        root = None
    return parent.below(root)


def _from_json(reference: Mapping[str, Any]) -> RunReference:
    return RunReference(
        str(reference["run"]["runId"]),
        str(reference["job"]["namespace"]),
        str(reference["job"]["name"]),
    )
