"""The tables of the registry, one noun a module."""

from lamin_core.models.artifact import Artifact, ArtifactSeries, Containment
from lamin_core.models.base import Base, Registry, blank, now
from lamin_core.models.collection import Collection, CollectionArtifact
from lamin_core.models.environment import Environment
from lamin_core.models.event import Event
from lamin_core.models.label import ArtifactULabel, Feature, Schema, SchemaFeature, ULabel
from lamin_core.models.relations import Many, One
from lamin_core.models.run import Run, RunArtifact, RunDependency
from lamin_core.models.storage import Content, Storage
from lamin_core.models.transform import Transform, TransformSeries
from lamin_core.models.user import User

__all__ = [
    "Artifact",
    "ArtifactSeries",
    "ArtifactULabel",
    "Base",
    "Collection",
    "CollectionArtifact",
    "Containment",
    "Content",
    "Environment",
    "Event",
    "Feature",
    "Many",
    "One",
    "Registry",
    "Run",
    "RunArtifact",
    "RunDependency",
    "Schema",
    "SchemaFeature",
    "Storage",
    "Transform",
    "TransformSeries",
    "ULabel",
    "User",
    "blank",
    "now",
]
