"""The tables of the registry, one noun a module."""

from lamin_core.models.api_key import ApiKey
from lamin_core.models.artifact import Artifact, ArtifactSeries, Containment, DatasetAlias
from lamin_core.models.base import Registry
from lamin_core.models.collection import Collection, CollectionArtifact
from lamin_core.models.deleted import DeletedRun, DeletedVersion
from lamin_core.models.environment import Environment
from lamin_core.models.event import Event, EventBacklog
from lamin_core.models.feature import ArtifactFeatureValue, Feature, RunFeatureValue
from lamin_core.models.instance import InstanceRow, Relocation
from lamin_core.models.label import (
    ArtifactULabel,
    CollectionULabel,
    RunULabel,
    TransformULabel,
    ULabel,
    ULabelParent,
)
from lamin_core.models.note import Note
from lamin_core.models.project import (
    ArtifactProject,
    ArtifactReference,
    Project,
    ProjectReference,
    Reference,
    RunProject,
    TransformProject,
    TransformReference,
)
from lamin_core.models.queryset import QuerySet, RelatedSet
from lamin_core.models.relations import ToMany, ToOne
from lamin_core.models.run import Run, RunArtifact, RunDependency, RunReport
from lamin_core.models.run_change import RunChange
from lamin_core.models.schema import ArtifactSchema, Schema, SchemaComponent, SchemaFeature
from lamin_core.models.storage import Content, Storage
from lamin_core.models.tables import Base, blank, narrow_indexes, now
from lamin_core.models.transform import JobDataset, Transform, TransformSeries
from lamin_core.models.user import User

__all__ = [
    "ApiKey",
    "Artifact",
    "ArtifactFeatureValue",
    "ArtifactProject",
    "ArtifactReference",
    "ArtifactSchema",
    "ArtifactSeries",
    "ArtifactULabel",
    "Base",
    "Collection",
    "CollectionArtifact",
    "CollectionULabel",
    "Containment",
    "Content",
    "DatasetAlias",
    "DeletedRun",
    "DeletedVersion",
    "Environment",
    "Event",
    "EventBacklog",
    "Feature",
    "InstanceRow",
    "JobDataset",
    "Note",
    "Project",
    "ProjectReference",
    "QuerySet",
    "Reference",
    "Registry",
    "RelatedSet",
    "Relocation",
    "Run",
    "RunArtifact",
    "RunChange",
    "RunDependency",
    "RunFeatureValue",
    "RunProject",
    "RunReport",
    "RunULabel",
    "Schema",
    "SchemaComponent",
    "SchemaFeature",
    "Storage",
    "ToMany",
    "ToOne",
    "Transform",
    "TransformProject",
    "TransformReference",
    "TransformSeries",
    "TransformULabel",
    "ULabel",
    "ULabelParent",
    "User",
    "blank",
    "narrow_indexes",
    "now",
]
