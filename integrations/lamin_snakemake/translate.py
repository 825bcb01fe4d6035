"""Translate facts of Snakemake to OpenLineage: pure functions that read no file and send nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from lamin_core.uids import derived_run_id
from lamin_snakemake import facts
from lamin_snakemake.environments import job_environment
from lamin_snakemake.plain_values import benchmark_features
from openlineage.lamin.emit.events import Dependency, Job, Run, RunReference
from openlineage.lamin.emit.facets import lamin_features
from openlineage.lamin.emit.naming import dataset_name

ENGINE = "snakemake"


def workflow_name(workflow: facts.Workflow) -> str:
    """What the workflow is called: as its user says, else by its git remote, else by its Snakefile.

    >>> snakefile = "/home/me/align/workflow/Snakefile"
    >>> workflow_name(facts.Workflow("", "", snakefile, ()))
    'workflow/Snakefile'
    >>> workflow_name(facts.Workflow("", "", snakefile, (), title="align"))
    'align'
    """
    return workflow.title or workflow.git.job_name(workflow.snakefile)


def previous_name(snakefile: str) -> str:
    """What a workflow was called up to release 0.1: by the folder that its project lay in.

    >>> previous_name("/home/me/align/Snakefile"), previous_name("/home/me/align/workflow/Snakefile")
    ('align/Snakefile', 'align/workflow/Snakefile')
    """
    *folders, name = [part for part in PurePosixPath(snakefile).parts if part.strip("/")]
    project = folders[-2:] if folders[-1:] == ["workflow"] else folders[-1:]
    return "/".join([*project, name])


def workflow_job(workflow: facts.Workflow, source: str) -> Job:
    """The workflow as a job."""
    return Job(
        ENGINE,
        workflow_name(workflow),
        "workflow",
        source,
        "snakemake",
        location=_location(workflow.snakefile),
        repository=workflow.git.repository,
        commit=workflow.git.commit,
        previous_name=previous_name(workflow.snakefile),
    )


def workflow_run(workflow: facts.Workflow, job: Job, parent: RunReference | None) -> Run:
    """One invocation as a run; its params are the config."""
    return Run(
        workflow.id,
        job,
        ENGINE,
        workflow.version,
        name=job.name,
        parent=RunReference.of(parent) if parent else None,
        root=RunReference.of(parent.outermost) if parent else None,
        params=workflow.config,
        details=workflow.details,
        process=workflow.process,
    )


def step_name(workflow: str, rule: str) -> str:
    """The name of a rule's job.

    >>> step_name("align/Snakefile", "map")
    'align/Snakefile:map'
    """
    return f"{workflow}:{rule}"


def step_reference(workflow: Run, rule: str, jobid: int, attempt: int) -> RunReference:
    """An attempt at a job of the workflow, by its name."""
    return RunReference(
        step_run_id(workflow.id, jobid, attempt), ENGINE, step_name(workflow.job.name, rule)
    )


def step_run_id(workflow: str, jobid: int, attempt: int) -> str:
    """The id of the run that is this attempt at a job of the workflow with this id."""
    return derived_run_id(workflow, str(jobid), str(attempt))


def step_run(
    workflow: Run,
    job: facts.Job,
    attempt: int,
    source: tuple[str | None, str | None],
    dependencies: Sequence[Dependency],
) -> Run:
    """An attempt at a job as a run, a child of the workflow's."""
    reference = step_reference(workflow, job.rule.name, job.jobid, attempt)
    text, language = source
    return Run(
        reference.run_id,
        Job(
            ENGINE,
            reference.name,
            "rule",
            text,
            language,
            job.rule.description,
            location=_location(job.rule.code.path or job.rule.snakefile),
            repository=workflow.job.repository,
            commit=workflow.job.commit,
            previous_name=step_name(workflow.job.previous_name or workflow.job.name, job.rule.name),
        ),
        ENGINE,
        workflow.engine_version,
        name=readable(job.rule.name, job.wildcards),
        parent=workflow.reference,
        root=workflow.root or workflow.reference,
        params=job.params,
        attempt=attempt,
        dependencies=dependencies,
        details=job.details,
        process=workflow.process,
    )


def benchmarked(run: Run, rows: Sequence[Mapping[str, Any]]) -> Run:
    """Return the run with what its benchmark says: the rows as they are, and their numbers as features."""
    values = benchmark_features(rows)
    extra = {"lamin_features": lamin_features(values, "Run")} if values else {}
    details = {**run.details, "benchmark_rows": list(rows)} if rows else run.details
    return replace(run, details=details, facets={**run.facets, **extra})


def in_environment(run: Run, conda_file: str | None) -> Run:
    """Return the run with the text of its conda file, and with the environment that Snakemake deployed for it."""
    environment = job_environment(run.details, conda_file)
    details = (
        dict(run.details)
        if conda_file is None
        else {**run.details, "conda_environment": conda_file}
    )
    extra = {} if environment is None else {"lamin_environment": environment}
    return replace(run, details=details, facets={**run.facets, **extra})


def readable(rule: str, wildcards: Mapping[str, str]) -> str:
    """The name that distinguishes the jobs of a rule for people.

    >>> readable("map", {"sample": "A", "lane": "1"}), readable("index", {})
    ('map (sample=A, lane=1)', 'index')
    """
    values = ", ".join(f"{name}={value}" for name, value in wildcards.items())
    return f"{rule} ({values})" if values else rule


def failure_message(name: str, failed: facts.JobFailed) -> str:
    """Why a job failed: what Snakemake knows, then the end of the job's log.

    >>> failure_message("map", facts.JobFailed(0.0, 1, "", exit_status=1, log_tail="no such luck"))
    'map failed with exit status 1\\nno such luck'
    """
    if failed.exit_status is not None:
        head = f"{name} failed with exit status {failed.exit_status}"
    else:
        head = f"{name} failed: {failed.cause}" if failed.cause else f"{name} failed"
    return f"{head}\n{failed.log_tail}" if failed.log_tail else head


def workflow_failure(message: str, failed: Sequence[str]) -> str:
    """Why a workflow failed: what Snakemake says, and which jobs it was.

    >>> workflow_failure("At least one job did not complete successfully.", ["map (sample=A)"])
    'At least one job did not complete successfully. Failed: map (sample=A)'
    """
    return f"{message} Failed: {'; '.join(failed)}" if failed else message


def _location(path: str) -> str:
    namespace, name = dataset_name(path)
    return f"file://{quote(name)}" if namespace == "file" else path
