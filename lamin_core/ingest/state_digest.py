"""One digest over all that is derived from events, by names and times: registries that say the same agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from blake3 import blake3
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from lamin_core.models import (
    Artifact,
    ArtifactSchema,
    ArtifactSeries,
    ArtifactULabel,
    Containment,
    Content,
    DatasetAlias,
    Feature,
    JobDataset,
    Run,
    RunArtifact,
    RunDependency,
    RunULabel,
    Schema,
    SchemaFeature,
    Storage,
    Transform,
    TransformSeries,
    TransformULabel,
    ULabel,
    User,
)


def digest(session: Session) -> str:
    """The digest of the registry's derived rows; primary keys and random uids have no part in it."""
    state = blake3()
    for line in lines(session):
        state.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return state.hexdigest()


def lines(session: Session) -> Iterator[str]:
    """Every derived row as a line of JSON, table by table, sorted."""
    for name, query in _queries().items():
        rows = sorted(
            json.dumps(list(row), default=str, sort_keys=True) for row in session.execute(query)
        )
        yield from (f"{name} {row}" for row in rows)


def _queries() -> dict[str, Select[Any]]:
    parent, source, folder, group = aliased(Run), aliased(Run), aliased(Artifact), aliased(ULabel)
    artifact_columns = (Storage.root, ArtifactSeries.key, Artifact.number)
    return {
        "transform_series": select(
            TransformSeries.namespace,
            TransformSeries.key,
            TransformSeries.declared_at,
            TransformSeries.facets,
        ),
        "transform": select(
            *(
                Transform.namespace,
                Transform.key,
                Transform.hash,
                Transform.number,
                Transform.is_latest,
                Transform.uid,
            ),
            *(
                Transform.kind,
                Transform.description,
                Transform.reference,
                Transform.reference_type,
                Transform.origin,
            ),
            *(Transform.created_at, User.handle),
        )
        .select_from(Transform)
        .outerjoin(User, Transform.created_by_id == User.id),
        "run": select(
            *(
                Run.external_id,
                Run.uid,
                Run.name,
                Run.engine,
                Run.engine_version,
                Run.status,
                Run.cached,
                Run.attempt,
            ),
            *(
                Run.started_at,
                Run.finished_at,
                Run.params,
                Run.details,
                Run.error,
                Run.root_run_id,
                Run.origin,
            ),
            *(Run.created_at, Transform.uid, parent.external_id),
        )
        .select_from(Run)
        .join(Transform, Run.transform_id == Transform.id)
        .outerjoin(parent, Run.parent_id == parent.id),
        "run_dependency": select(Run.external_id, source.external_id, RunDependency.role)
        .select_from(RunDependency)
        .join(Run, RunDependency.run_id == Run.id)
        .join(source, RunDependency.source_id == source.id),
        "job_dataset": select(
            TransformSeries.namespace,
            TransformSeries.key,
            JobDataset.direction,
            Storage.root,
            ArtifactSeries.key,
        )
        .select_from(JobDataset)
        .join(TransformSeries, JobDataset.job_id == TransformSeries.id)
        .join(ArtifactSeries, JobDataset.series_id == ArtifactSeries.id)
        .join(Storage, ArtifactSeries.storage_id == Storage.id),
        "artifact": select(
            *(
                *artifact_columns,
                Artifact.is_latest,
                Content.hash,
                Content.hash_type,
                Content.size,
                Content.n_files,
            ),
            *(
                Run.external_id,
                Artifact.created_at,
                Artifact.origin,
                Artifact.suffix,
                Artifact.n_observations,
            ),
            *(Artifact.description, User.handle),
        )
        .select_from(Artifact)
        .join(ArtifactSeries, Artifact.series_id == ArtifactSeries.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .outerjoin(Content, Artifact.content_id == Content.id)
        .outerjoin(Run, Artifact.run_id == Run.id)
        .outerjoin(User, Artifact.created_by_id == User.id),
        "run_artifact": select(
            *(
                *artifact_columns,
                Run.external_id,
                RunArtifact.direction,
                RunArtifact.observed_at,
                RunArtifact.role,
            ),
            *(RunArtifact.facets, RunArtifact.event_hash, Content.hash),
        )
        .select_from(RunArtifact)
        .join(Artifact, RunArtifact.artifact_id == Artifact.id)
        .join(ArtifactSeries, RunArtifact.series_id == ArtifactSeries.id)
        .join(Storage, ArtifactSeries.storage_id == Storage.id)
        .outerjoin(Run, RunArtifact.run_id == Run.id)
        .outerjoin(Content, RunArtifact.content_id == Content.id),
        "series": select(Storage.root, ArtifactSeries.key, ArtifactSeries.last_observed_at)
        .select_from(ArtifactSeries)
        .join(Storage, ArtifactSeries.storage_id == Storage.id),
        "containment": select(
            Storage.root, folder.key, folder.number, Artifact.key, Artifact.number
        )
        .select_from(Containment)
        .join(folder, Containment.directory_id == folder.id)
        .join(Artifact, Containment.artifact_id == Artifact.id)
        .join(Storage, Artifact.storage_id == Storage.id),
        "alias": select(DatasetAlias.path, DatasetAlias.canonical),
        "artifact_label": select(*artifact_columns, ULabel.name, group.name, ArtifactULabel.origin)
        .select_from(ArtifactULabel)
        .join(Artifact, ArtifactULabel.artifact_id == Artifact.id)
        .join(ArtifactSeries, Artifact.series_id == ArtifactSeries.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .join(ULabel, ArtifactULabel.ulabel_id == ULabel.id)
        .outerjoin(group, ULabel.type_id == group.id),
        "run_label": select(Run.external_id, ULabel.name, group.name, RunULabel.origin)
        .select_from(RunULabel)
        .join(Run, RunULabel.run_id == Run.id)
        .join(ULabel, RunULabel.ulabel_id == ULabel.id)
        .outerjoin(group, ULabel.type_id == group.id),
        "transform_label": select(Transform.uid, ULabel.name, group.name, TransformULabel.origin)
        .select_from(TransformULabel)
        .join(Transform, TransformULabel.transform_id == Transform.id)
        .join(ULabel, TransformULabel.ulabel_id == ULabel.id)
        .outerjoin(group, ULabel.type_id == group.id),
        "artifact_schema": select(*artifact_columns, Schema.hash)
        .select_from(ArtifactSchema)
        .join(Artifact, ArtifactSchema.artifact_id == Artifact.id)
        .join(ArtifactSeries, Artifact.series_id == ArtifactSeries.id)
        .join(Storage, Artifact.storage_id == Storage.id)
        .join(Schema, ArtifactSchema.schema_id == Schema.id),
        "feature": select(Schema.hash, SchemaFeature.position, Feature.name, Feature.dtype)
        .select_from(SchemaFeature)
        .join(Schema, SchemaFeature.schema_id == Schema.id)
        .join(Feature, SchemaFeature.feature_id == Feature.id),
    }
