"""The facets we emit: the standard ones of OpenLineage 2-0-2, and those of ours.

`lamin_artifact` (dataset) says the content: `hash`, `hash_type`, `size`, `n_files`, and the `role`
in this run; of what a registry keeps a copy of, `real_key`. `lamin_run` (run) says `name`, typed
`params`, `attempt`, `cached`, and `details` of the engine. `lamin_process` (run) says which process
will tell the end, `lamin_environment` (run) what was installed, `lamin_doubts` (run) what the engine
says and the files deny. `lamin_job` (job) says what an earlier release called it. `lamin_file` (dataset)
says why a file was not hashed, and what its engine says of it. `lamin_storage` (dataset) says that a folder
or bucket is a storage of a registry. `lamin_asset` (dataset) is what the engine calls an asset, and
`lamin_features` (dataset, run) values of features.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lamin_core import __version__
from lamin_core.runtime.process import Process

if TYPE_CHECKING:
    from openlineage.lamin.emit.events import Dataset, Dependency, RunReference

PRODUCER = f"urn:lamin-core:{__version__}"
Facet = dict[str, Any]
_json = json.JSONEncoder(default=str)
"""Made once: `json.dumps` would make it for each value."""


def _standard(name: str, version: str, /, **fields: Any) -> Facet:
    url = f"https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}"
    return {
        "_producer": PRODUCER,
        "_schemaURL": url,
        **{k: v for k, v in fields.items() if v is not None},
    }


def _own(name: str, version: str, /, **fields: Any) -> Facet:
    return {
        "_producer": PRODUCER,
        "_schemaURL": f"urn:lamin-core:facet:{name}:{version}",
        **{k: v for k, v in fields.items() if v is not None},
    }


def processing_engine(name: str, version: str) -> Facet:
    """Which engine ran it."""
    return _standard("ProcessingEngineRunFacet", "1-1-1", version=version, name=name)


def parent(reference: RunReference, root: RunReference | None) -> Facet:
    """The run that this one is a part of, and the outermost one."""
    return _standard(
        "ParentRunFacet",
        "1-1-0",
        **_run_and_job(reference),
        root=_run_and_job(root or reference),
    )


def _run_and_job(reference: RunReference) -> Facet:
    return {
        "run": {"runId": reference.run_id},
        "job": {"namespace": reference.namespace, "name": reference.name},
    }


def job_dependencies(dependencies: Sequence[Dependency]) -> Facet:
    """Runs waited for; control flow, never data lineage."""
    upstream = [{**_run_and_job(d.on), "dependency_type": d.role} for d in dependencies]
    return _standard("JobDependenciesRunFacet", "1-0-1", upstream=upstream, downstream=[])


def execution_parameters(params: Mapping[str, Any]) -> Facet:
    """Parameters for foreign consumers, whose values are text; ours with their types are in `lamin_run`."""
    rows = [
        {"key": key, "value": value if isinstance(value, str) else _json.encode(value)}
        for key, value in params.items()
    ]
    return _standard("ExecutionParametersRunFacet", "1-0-0", parameters=rows)


def error_message(message: str, trace: str | None) -> Facet:
    """Why it failed."""
    return _standard(
        "ErrorMessageRunFacet",
        "1-0-1",
        message=message,
        programmingLanguage="python",
        stackTrace=trace,
    )


def lamin_run(
    name: str | None,
    params: Mapping[str, Any],
    attempt: int,
    cached: bool,
    details: Mapping[str, Any],
    status: str | None = None,
    started_at: str | None = None,
) -> Facet:
    """Data without a field in the standard."""
    return _own(
        "LaminRunFacet",
        "1-0-0",
        name=name,
        params=dict(params),
        attempt=attempt,
        cached=cached,
        details=dict(details) or None,
        status=status,
        startedAt=started_at,
    )


def lamin_process(process: Process) -> Facet:
    """The process that sends the events of this run: if it no longer exists, no more events follow."""
    return _own(
        "LaminProcessRunFacet", "1-0-0", host=process.host, pid=process.pid, birth=process.birth
    )


def lamin_job(previous_name: str) -> Facet:
    """The name of the job in an earlier release."""
    return _own("LaminJobFacet", "1-0-0", previousName=previous_name)


def lamin_doubts(doubts: Iterable[str]) -> Facet:
    """Facts of the engine about this run that cannot be right."""
    return _own("LaminDoubtsRunFacet", "1-0-0", doubts=list(doubts))


def lamin_environment(
    python: str,
    platform: str,
    packages: Mapping[str, Any],
    conda: Mapping[str, Any] | None,
    locks: Mapping[str, Any] | None = None,
) -> Facet:
    """The packages that were installed when it ran; `locks` are the texts of lock files by name."""
    return _own(
        "LaminEnvironmentRunFacet",
        "1-0-0",
        python=python,
        platform=platform,
        packages=dict(packages),
        conda=None if conda is None else dict(conda),
        locks=None if locks is None else dict(locks),
    )


def job_type(integration: str, kind: str) -> Facet:
    """Workflow, rule, process, flow, task, script or function."""
    return _standard(
        "JobTypeJobFacet",
        "2-0-3",
        processingType="BATCH",
        integration=integration.upper(),
        jobType=kind.upper(),
    )


def source_code(language: str, text: str) -> Facet:
    """The code itself."""
    return _standard("SourceCodeJobFacet", "1-0-1", language=language, sourceCode=text)


def source_code_location(
    url: str, repository: str | None, commit: str | None, branch: str | None = None
) -> Facet:
    """The repository of the code."""
    return _standard(
        "SourceCodeLocationJobFacet",
        "1-1-0",
        type="git" if repository else "file",
        url=url,
        repoUrl=repository,
        version=commit,
        branch=branch,
    )


def documentation(description: str) -> Facet:
    """The author's description of the code."""
    return _standard("DocumentationJobFacet", "1-0-1", description=description)


Tag = tuple[str, str]
"""Key and value of a tag: the type of a label and its name; a label without a type is a key without a value."""


def tags(entity: str, labels: Iterable[Tag]) -> Facet:
    """Labels, of a `Job`, a `Run` or a `Dataset`."""
    rows = [{"key": key, "value": value, "source": "USER"} for key, value in labels]
    return _standard(f"Tags{entity}Facet", "1-0-0", tags=rows)


def ownership(entity: str, *handles: str) -> Facet:
    """The owners of a `Job` or a `Dataset`."""
    owners = [{"name": handle, "type": "MAINTAINER"} for handle in handles]
    return _standard(f"Ownership{entity}Facet", "1-0-1", owners=owners)


def dataset_documentation(description: str) -> Facet:
    """The author's description of the dataset."""
    return _standard("DocumentationDatasetFacet", "1-0-1", description=description)


def saved(is_first: bool) -> Facet:
    """Somebody wrote it, where nothing was before, or where something was."""
    return _standard(
        "LifecycleStateChangeDatasetFacet",
        "1-0-1",
        lifecycleStateChange="CREATE" if is_first else "OVERWRITE",
    )


def schema(fields: Iterable[tuple[str, str, str | None]]) -> Facet:
    """The columns of the dataset: name, type and description."""
    rows = [
        {
            "name": name,
            "type": kind,
            **({} if description is None else {"description": description}),
        }
        for name, kind, description in fields
    ]
    return _standard("SchemaDatasetFacet", "1-2-0", fields=rows)


def output_statistics(size: int | None, n_files: int | None, n_rows: int | None) -> Facet:
    """The facet with the numbers of bytes, files and rows that were written."""
    return _standard(
        "OutputStatisticsOutputDatasetFacet", "1-0-2", size=size, fileCount=n_files, rowCount=n_rows
    )


def lamin_storage(root: str) -> Facet:
    """A registry keeps data under this root."""
    return _own("LaminStorageDatasetFacet", "1-0-0", root=root)


def dataset_version(version: str) -> Facet:
    """The version as foreign consumers see it."""
    return _standard("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=version)


def lamin_features(
    values: Mapping[str, Any],
    entity: Literal["Dataset", "Run"] = "Dataset",
    schema: str | None = None,
) -> Facet:
    """Values of features of a dataset or a run, by name; and the uid of the schema that a dataset was found to fit."""
    return _own(f"LaminFeatures{entity}Facet", "1-0-0", values=dict(values), schema=schema)


def lamin_asset(key: str, url: str | None, materialized_by: str | None) -> Facet:
    """A dataset that its engine calls an asset: the key, where to look at it, the tool that made it."""
    return _own(
        "LaminAssetDatasetFacet",
        "1-0-0",
        key=key,
        url=url,
        materializedBy=materialized_by,
    )


def lamin_file(
    flags: Iterable[str] = (), modified: str | None = None, unverified: str | None = None
) -> Facet:
    """A file in a run: its flags in the engine (`protected`), and the reason if it was not hashed, with its time."""
    return _own(
        "LaminFileDatasetFacet",
        "1-0-0",
        flags=list(flags) or None,
        modified=modified,
        unverified=unverified,
    )


def lamin_artifact(dataset: Dataset) -> Facet:
    """The content of a dataset, and its role in this run."""
    return _own(
        "LaminArtifactDatasetFacet",
        "1-0-0",
        hash=dataset.hash,
        hash_type=dataset.hash_type,
        size=dataset.size,
        n_files=dataset.n_files,
        role=dataset.role,
        real_key=dataset.real_key,
        n_observations=dataset.n_observations,
    )
