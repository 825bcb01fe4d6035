"""What make knows, as runs and jobs. Pure: no file is read, nothing is sent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openlineage.lamin.adapter.git_source import GitSource
from openlineage.lamin.emit.events import Job, Run, RunReference

ENGINE = "make"


@dataclass(frozen=True)
class Step:
    """A recipe that make is about to run."""

    name: str
    target: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[str, Any]
    recipe: str


def step_from(environment: Mapping[str, str], recipe: str) -> Step:
    """Return the step that `record.mk` describes in these variables."""
    assignments = [line.partition("=") for line in _lines(environment["MAKE_STEP_PARAMS"])]
    return Step(
        environment["MAKE_STEP_NAME"],
        environment["MAKE_STEP_TARGET"],
        _lines(environment["MAKE_STEP_INPUTS"]),
        _lines(environment["MAKE_STEP_OUTPUTS"]),
        {name: parameter(value) for name, _, value in assignments},
        recipe,
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def parameter(text: str) -> Any:
    """Return a number for a number: make itself knows only text.

    >>> parameter("3"), parameter("x y")
    (3, 'x y')
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def rule_text(step: Step) -> str:
    """Return the recipe with make's variables for the files: the same for all targets of a pattern rule.

    >>> rule_text(Step("work", "done_1.txt", ("part_1.txt",), ("done_1.txt",), {}, "tr a A < part_1.txt > done_1.txt"))
    'tr a A < $< > $@'
    """
    variables = {"$^": " ".join(step.inputs), "$@": step.target, "$<": "".join(step.inputs[:1])}
    if len(step.inputs) < 2:
        del variables["$^"]
    text = step.recipe
    for variable, names in variables.items():
        if names:
            text = re.sub(rf"(?<![\w./-]){re.escape(names)}(?![\w./-])", variable, text)
    return text


def workflow_name(makefile: str) -> str:
    """Return a job name that is the same on every machine: the folder of the Makefile, and its name.

    >>> workflow_name("/home/me/align/Makefile")
    'align/Makefile'
    """
    folder, name = os.path.split(makefile)
    return f"{os.path.basename(folder)}/{name}"


def workflow_run(
    run_id: str,
    makefile: str,
    source: str,
    version: str,
    parent: RunReference | None,
    root: RunReference | None,
) -> Run:
    """Return one call of make as a run."""
    git = GitSource.of(makefile)
    job = Job(
        ENGINE,
        workflow_name(makefile),
        "workflow",
        source,
        "make",
        location=f"file://{makefile}",
        repository=git.repository,
        commit=git.commit,
    )
    return Run(run_id, job, ENGINE, version, name=job.name, parent=parent, root=root)


def step_run(
    run_id: str, step: Step, version: str, workflow: RunReference, root: RunReference
) -> Run:
    """Return one recipe as a run, a child of the workflow's."""
    job = Job(ENGINE, f"{workflow.name}:{step.name}", "rule", rule_text(step), "bash")
    return Run(
        run_id,
        job,
        ENGINE,
        version,
        name=step.target,
        parent=workflow,
        root=root,
        params=step.params,
    )
