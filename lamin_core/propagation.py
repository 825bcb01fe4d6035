"""How a child process learns which run started it: by two environment variables, in and out.

`OPENLINEAGE_PARENT_ID` is `namespace/job/runId`, as dbt and Spark read it. `LAMIN_INITIATED_BY_RUN_UID` is the
registry's uid of the same run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from lamin_core.uids import run_uid

PARENT = "OPENLINEAGE_PARENT_ID"
PARENT_UID = "LAMIN_INITIATED_BY_RUN_UID"


class Parent(NamedTuple):
    """The run above: its job's namespace and name, and its OpenLineage run id."""

    namespace: str
    name: str
    run_id: str


def parent_from_environment(environment: Mapping[str, str] = os.environ) -> Parent | None:
    """The run that started this process, or None.

    >>> parent_from_environment({"OPENLINEAGE_PARENT_ID": "snakemake/wf/Snakefile:map/0194e0a0"}).name
    'wf/Snakefile:map'
    """
    value = environment.get(PARENT, "")
    head, _, run_id = value.rpartition("/")
    namespace, separator, name = head.partition("/")
    return Parent(namespace, name, run_id) if separator and run_id else None


def environment_for_children(parent: Parent) -> dict[str, str]:
    """The variables that make processes started from here children of this run."""
    return {
        PARENT: f"{parent.namespace}/{parent.name}/{parent.run_id}",
        PARENT_UID: run_uid(parent.run_id),
    }
