"""The schemas of the responses: the results of `shapes` in JSON Schema, for readers of the OpenAPI document."""

from __future__ import annotations

from lamin_core.enums import RunStatus
from lamin_core.server.openapi import MAYBE_TEXT, TEXT, Schema, record, reference

TIME: Schema = {"type": "string", "format": "date-time"}
MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
NUMBER: Schema = {"type": "integer"}
MAYBE_NUMBER: Schema = {"type": ["integer", "null"]}
TRUTH: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
STATUS: Schema = {"type": "string", "enum": [status.value for status in RunStatus]}
STATE: Schema = {"type": "string", "enum": ["NEW", "RUNNING", "COMPLETED", "FAILED", "ABORTED"]}


def array(of: Schema | str) -> Schema:
    """A list."""
    return {"type": "array", "items": reference(of) if isinstance(of, str) else of}


def maybe(name: str) -> Schema:
    """The same, or null."""
    return {"oneOf": [reference(name), {"type": "null"}]}


def page(name: str, of: str, **more: Schema) -> Schema:
    """A page of a list, with how many there are in all."""
    return record(**{name: array(of)}, totalCount=NUMBER, **more)


_NAME = record(namespace=TEXT, name=TEXT)
_VERSION = record(namespace=TEXT, name=TEXT, version=TEXT)
_BYTES = {"uid": TEXT, "hash": MAYBE_TEXT, "hashType": MAYBE_TEXT, "size": MAYBE_NUMBER}
_DATASET = {
    "type": TEXT,
    "name": TEXT,
    "physicalName": TEXT,
    "namespace": TEXT,
    "sourceName": TEXT,
    "fields": array({"type": "object", "required": ["name"]}),
    "tags": array(TEXT),
    "description": MAYBE_TEXT,
    "lastLifecycleState": {},
    "facets": ANYTHING,
    "kind": MAYBE_TEXT,
    "suffix": TEXT,
    "deleted": TRUTH,
    "createdAt": TIME,
    **_BYTES,
}
_JOB = {
    "type": TEXT,
    "name": TEXT,
    "simpleName": TEXT,
    "namespace": TEXT,
    "createdAt": TIME,
    "inputs": array("Name"),
    "outputs": array("Name"),
    "location": MAYBE_TEXT,
    "description": MAYBE_TEXT,
    "latestRun": maybe("Run"),
    "uid": TEXT,
    "kind": MAYBE_TEXT,
    "language": MAYBE_TEXT,
    "hash": MAYBE_TEXT,
    "facets": ANYTHING,
}
_RUN = {
    "id": TEXT,
    "external_id": TEXT,
    "uid": TEXT,
    "name": MAYBE_TEXT,
    "job": reference("Name"),
    "jobVersion": reference("Version"),
    "engine": TEXT,
    "engineVersion": MAYBE_TEXT,
    "state": STATE,
    "status": STATUS,
    "cached": TRUTH,
    "attempt": NUMBER,
    "createdAt": TIME,
    "updatedAt": TIME,
    "startedAt": MAYBE_TIME,
    "endedAt": MAYBE_TIME,
    "durationMs": MAYBE_NUMBER,
    "error": MAYBE_TEXT,
    "args": ANYTHING,
}
_SIDE = record(datasetVersionId=reference("Version"), **_BYTES, role=MAYBE_TEXT, facets=ANYTHING)
_EDGE = record(origin=TEXT, destination=TEXT)

SCHEMAS: dict[str, Schema] = {
    "Name": _NAME,
    "Version": _VERSION,
    "Namespace": record(
        name=TEXT,
        createdAt=TIME,
        updatedAt=TIME,
        ownerName=TEXT,
        description=MAYBE_TEXT,
        isHidden=TRUTH,
    ),
    "NamespaceList": page("namespaces", "Namespace"),
    "Source": record(
        name=TEXT,
        type=TEXT,
        createdAt=TIME,
        updatedAt=TIME,
        connectionUrl=TEXT,
        description=MAYBE_TEXT,
        isManaged=TRUTH,
    ),
    "SourceList": page("sources", "Source"),
    "Tag": record(name=TEXT, description=MAYBE_TEXT),
    "TagList": page("tags", "Tag"),
    "Run": record(**_RUN),
    "RunList": page("runs", "Run", nextCursor=MAYBE_TEXT),
    "RunReference": record(
        id=TEXT, external_id=TEXT, uid=TEXT, job=reference("Name"), status=STATUS
    ),
    "RunSide": _SIDE,
    "RunDetail": record(
        **_RUN,
        nominalStartTime={},
        nominalEndTime={},
        details=ANYTHING,
        facets=ANYTHING,
        parent=maybe("RunReference"),
        children=array("RunReference"),
        childrenCount=NUMBER,
        inputDatasetVersions=array("RunSide"),
        outputDatasetVersions=array("RunSide"),
    ),
    "RunFacets": record(runId=TEXT, facets=ANYTHING),
    "Job": record(**_JOB, id=reference("Name"), updatedAt=TIME, currentVersion=TEXT),
    "JobList": page("jobs", "Job"),
    "JobVersion": record(
        **_JOB, id=reference("Version"), version=TEXT, isLatest=TRUTH, sourceCode=MAYBE_TEXT
    ),
    "JobVersionList": page("versions", "JobVersion"),
    "Dataset": record(
        **_DATASET,
        id=reference("Name"),
        updatedAt=TIME,
        lastModifiedAt=TIME,
        currentVersion=TEXT,
        versionCount=NUMBER,
    ),
    "DatasetList": page("datasets", "Dataset"),
    "DatasetVersion": record(
        **_DATASET, id=reference("Version"), version=TEXT, isLatest=TRUTH, createdByRun=maybe("Run")
    ),
    "DatasetVersionList": page("versions", "DatasetVersion"),
    "Event": {
        "type": "object",
        "description": "An OpenLineage event: see https://openlineage.io/apidocs/openapi",
    },
    "EventList": page("events", "Event", nextCursor=MAYBE_TEXT),
    "GraphNode": record(
        id=TEXT,
        type={"type": "string", "enum": ["JOB", "DATASET", "RUN", "DATASET_VERSION"]},
        data={"anyOf": [reference(name) for name in ("Job", "Dataset", "Run", "DatasetVersion")]},
        inEdges=array(_EDGE),
        outEdges=array(_EDGE),
    ),
    "LineageGraph": record(graph=array("GraphNode"), truncated=TRUTH),
    "ColumnGraph": record(
        graph=array(
            record(
                id=TEXT,
                type=TEXT,
                data=record(
                    namespace=TEXT,
                    dataset=TEXT,
                    field=TEXT,
                    fieldType={},
                    inputFields=array(ANYTHING),
                ),
                inEdges=array(_EDGE),
                outEdges=array(_EDGE),
            )
        )
    ),
    "UpstreamRuns": record(
        runs=array(
            record(
                job=reference("Version"),
                run=record(id=TEXT, start=MAYBE_TIME, end=MAYBE_TIME, status=STATE),
                inputs=array(
                    record(namespace=TEXT, name=TEXT, version=TEXT, producedByRunId=MAYBE_TEXT)
                ),
            )
        )
    ),
    "BatchVerdict": record(
        status={"type": "string", "enum": ["success", "partial_success"]},
        summary={"type": "object", "required": ["received", "successful", "failed"]},
        failed_events=array(ANYTHING),
    ),
}
