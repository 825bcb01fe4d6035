"""Questions over HTTP: jobs, runs, datasets, events, lineage; in the shapes that clients of Marquez know."""

from __future__ import annotations

from starlette.routing import BaseRoute

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.server.endpoint import PAGE, Endpoint, Router, choice, number, text, timestamp
from lamin_core.server.pages import CURSOR
from openlineage.lamin.http.queries import columns, datasets, jobs, lineage, log, namespaces, runs

_V1 = "/api/v1"
_JOB = f"{_V1}/namespaces/{{namespace}}/jobs/{{job}}"
_DATASET = f"{_V1}/namespaces/{{namespace}}/datasets/{{dataset}}"
_DEPTH = number(
    "depth", "Steps from node to node: a run and what it read are one step apart.", 20, 0, 10_000
)
_EVENTS = (
    *PAGE,
    CURSOR,
    timestamp("after", "Events of this time or later."),
    timestamp("before", "Events before this time."),
    choice("sortDirection", "By event time.", ["desc", "asc"], "desc"),
)
_RUNS = (
    *PAGE,
    CURSOR,
    choice("status", "Where they stand.", [status.value for status in RunStatus]),
    text("engine", "What executed them, such as `snakemake`."),
    text("namespace", "The namespace of their job."),
    text("job", "The name of their job."),
    text("parent", "The run that they are part of, by its id or uid."),
    timestamp("after", "Runs that began at this time or later."),
    timestamp("before", "Runs that began before this time."),
)
_LINEAGE = (
    text(
        "nodeId",
        "`dataset:NS:NAME`, `dataset:NS:NAME@VERSION`, `job:NS:NAME` or `run:ID`.",
        required=True,
    ),
    _DEPTH,
    choice(
        "direction",
        "Where the data came from, where they went, or both.",
        ["up", "down", "both"],
        "both",
    ),
    timestamp("asOf", "The graph as it was at this moment."),
    number("limit", "How many nodes at most, the nearest.", 5000, 1, 50_000),
)
_UPSTREAM = (
    text("runId", "The run, by its id or uid.", required=True),
    number("depth", "Steps from run to run.", 20, 0, 1000),
)
_COLUMNS = (
    text(
        "nodeId", "`dataset:NS:NAME`, `datasetField:NS:NAME:FIELD` or `job:NS:NAME`.", required=True
    ),
    number("depth", "Steps from column to column.", 20, 0, 1000),
    choice(
        "withDownstream",
        "Whether also what was made from them.",
        ["true", "false", "True", "False"],
        "false",
    ),
)
_FACETS = (choice("type", "Whose facets.", ["run", "job"], "run"),)

QUESTIONS = (
    Endpoint(
        f"{_V1}/namespaces", namespaces.list_namespaces, "All namespaces.", "NamespaceList", PAGE
    ),
    Endpoint(
        f"{_V1}/namespaces/{{namespace}}", namespaces.one_namespace, "One namespace.", "Namespace"
    ),
    Endpoint(f"{_V1}/sources", namespaces.list_sources, "All storages.", "SourceList", PAGE),
    Endpoint(
        f"{_V1}/sources/{{source}}", namespaces.one_source, "One storage, by its root.", "Source"
    ),
    Endpoint(f"{_V1}/tags", namespaces.list_tags, "All labels.", "TagList", PAGE),
    Endpoint(f"{_V1}/jobs", jobs.list_jobs, "All jobs.", "JobList", PAGE),
    Endpoint(
        f"{_V1}/namespaces/{{namespace}}/jobs",
        jobs.list_jobs,
        "The jobs of a namespace.",
        "JobList",
        PAGE,
    ),
    Endpoint(_JOB, jobs.one_job, "One job.", "Job"),
    Endpoint(
        f"{_JOB}/versions", jobs.job_versions, "The versions of a job.", "JobVersionList", PAGE
    ),
    Endpoint(
        f"{_JOB}/versions/{{version}}", jobs.one_job_version, "One version of a job.", "JobVersion"
    ),
    Endpoint(
        f"{_JOB}/runs",
        runs.runs_of_job,
        "The runs of a job, newest first.",
        "RunList",
        (*PAGE, CURSOR),
    ),
    Endpoint(f"{_V1}/runs", runs.list_runs, "Runs, newest first.", "RunList", _RUNS),
    Endpoint(f"{_V1}/runs/{{id}}", runs.one_run, "One run, by its id or uid.", "RunDetail"),
    Endpoint(f"{_V1}/jobs/runs/{{id}}", runs.one_run, "One run, by its id or uid.", "RunDetail"),
    Endpoint(
        f"{_V1}/jobs/runs/{{id}}/facets",
        runs.run_facets,
        "The facets of a run.",
        "RunFacets",
        _FACETS,
    ),
    Endpoint(f"{_V1}/datasets", datasets.list_datasets, "All datasets.", "DatasetList", PAGE),
    Endpoint(
        f"{_V1}/namespaces/{{namespace}}/datasets",
        datasets.list_datasets,
        "The datasets of a namespace.",
        "DatasetList",
        PAGE,
    ),
    Endpoint(_DATASET, datasets.one_dataset, "One dataset.", "Dataset"),
    Endpoint(
        f"{_DATASET}/versions",
        datasets.dataset_versions,
        "Its versions.",
        "DatasetVersionList",
        PAGE,
    ),
    Endpoint(
        f"{_DATASET}/versions/{{version}}",
        datasets.one_dataset_version,
        "One version of it.",
        "DatasetVersion",
    ),
    Endpoint(
        f"{_V1}/events/lineage", log.list_events, "The events, as they came.", "EventList", _EVENTS
    ),
    Endpoint(f"{_V1}/events", log.list_events, "The events, as they came.", "EventList", _EVENTS),
    Endpoint(
        f"{_V1}/lineage", lineage.lineage, "The graph around a node.", "LineageGraph", _LINEAGE
    ),
    Endpoint(
        f"{_V1}/column-lineage",
        columns.column_lineage,
        "What columns were made from.",
        "ColumnGraph",
        _COLUMNS,
    ),
    Endpoint(
        f"{_V1}/runlineage/upstream",
        lineage.upstream,
        "What a run came from.",
        "UpstreamRuns",
        _UPSTREAM,
    ),
)


def routes(database: Database) -> list[BaseRoute]:
    """The queries of this registry."""
    asking = Router(database)
    return [asking.route(question) for question in QUESTIONS]
