"""Protocols for results of records that higher layers create: graphs, comparisons, values of features, labels.

Declared here so that the methods of records can name their return types without an import that runs
upwards; the tests in `tests/typing` check that the implementations fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from lamin_core.models.base import Registry
    from lamin_core.models.feature import Feature
    from lamin_core.models.queryset import QuerySet

R = TypeVar("R")
Pair = tuple[Any, Any]
"""The values of the first run and of the second."""


class RecordList(list[R], ABC):
    """Records that were found or made together."""

    @abstractmethod
    def save(self) -> Self:
        """Write the new ones in one transaction; returns itself."""


class Drawing(Protocol):
    """A result that notebooks display as a picture, and everything else as text."""

    def tree(self, *, downwards: bool | None = None) -> str:
        """Return it as text: what is above it, or what is below it."""

    def svg(self) -> str:
        """Return it as a picture."""


class HierarchyGraph(Drawing, Protocol):
    """Wider and narrower terms around a term."""

    @property
    def names(self) -> Mapping[int, str]:
        """The names by primary key, the nearest first."""

    @property
    def links(self) -> Sequence[tuple[int, int]]:
        """The wider and the narrower term of each step."""

    @property
    def truncated(self) -> bool:
        """Whether a limit left out what else there is."""


class ArtifactNode(Protocol):
    """An artifact version in a graph."""

    @property
    def id(self) -> int: ...
    @property
    def uid(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def hash(self) -> str | None: ...
    @property
    def size(self) -> int | None: ...


class RunNode(Protocol):
    """A run in a graph."""

    @property
    def id(self) -> int: ...
    @property
    def uid(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def engine(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def transform_uid(self) -> str: ...
    @property
    def transform_key(self) -> str: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


class LineageGraph(Drawing, Protocol):
    """Artifacts, runs and the edges between them, by primary key."""

    @property
    def artifacts(self) -> Mapping[int, ArtifactNode]: ...
    @property
    def runs(self) -> Mapping[int, RunNode]: ...
    @property
    def nodes(self) -> Sequence[ArtifactNode | RunNode]: ...
    @property
    def edges(self) -> Sequence[tuple[int, int, str, str | None]]:
        """Run, artifact, direction, role."""

    @property
    def truncated(self) -> bool:
        """Whether a limit left out what else there is."""


class Changes(Protocol):
    """The comparison of two mappings: names only in the second, only in the first, and with different values."""

    @property
    def added(self) -> Mapping[str, object]: ...
    @property
    def removed(self) -> Mapping[str, object]: ...
    @property
    def changed(self) -> Mapping[str, Pair]: ...


class FileChange(Protocol):
    """A file that both runs read or wrote, or only one of them."""

    @property
    def state(self) -> Literal["same", "changed", "moved", "removed", "added"]: ...
    @property
    def name(self) -> str: ...


class RunComparison(Protocol):
    """Two runs side by side; `print` it to read it."""

    @property
    def runs(self) -> Pair: ...
    @property
    def transform(self) -> Pair: ...
    @property
    def version(self) -> Pair: ...
    @property
    def engine(self) -> Pair: ...
    @property
    def status(self) -> Pair: ...
    @property
    def duration(self) -> Pair: ...
    @property
    def params(self) -> Changes: ...
    @property
    def environment(self) -> Mapping[str, Changes] | None:
        """The changes of the environment by part: `system`, `packages`, `conda`; None where one is unknown."""

    @property
    def inputs(self) -> Sequence[FileChange]: ...
    @property
    def outputs(self) -> Sequence[FileChange]: ...
    @property
    def code(self) -> str | None:
        """A unified diff of the sources; empty where they are the same, None where one is unknown."""

    def view(self) -> dict[str, Any]:
        """Return it as `lamin diff --json` prints it."""


class MappedRows(Protocol):
    """The rows of the AnnData of a collection as one dataset for training."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and variables after the join."""

    @property
    def encoders(self) -> Mapping[str, Mapping[object, int]]:
        """The code of each label, for each encoded column."""

    @property
    def var_joint(self) -> Sequence[str] | None:
        """The names of the variables; None without a join."""

    @property
    def closed(self) -> bool:
        """Whether no file is open."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]: ...

    def get_label_weights(
        self,
        obs_keys: str | Sequence[str],
        scaler: float | None = None,
        return_categories: bool = False,
    ) -> Any:
        """Return a weight for each row, for `WeightedRandomSampler`: rare labels weigh more."""

    def get_merged_labels(self, label_key: str) -> list[object]:
        """Return the labels of all rows."""

    def get_merged_categories(self, label_key: str) -> set[object]:
        """Return the labels that there are."""

    def close(self) -> None:
        """Close the files; reading a row opens them again."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    @staticmethod
    def torch_worker_init_fn(worker_id: int) -> None:
        """Begin a worker of a DataLoader with files of its own: `worker_init_fn=`."""


class FeatureManager(Protocol):
    """The values that one record has for features."""

    def add_values(self, values: Mapping[Any, Any]) -> None:
        """Add values, by the names of features. Raises `ValidationError`."""

    def set_values(self, values: Mapping[Any, Any]) -> None:
        """Have these values, and no others. Raises `ValidationError`."""

    def get_values(self) -> dict[str, Any]:
        """Return the values by the names of features; several of one feature are a list."""

    def remove_values(
        self,
        features: str | Feature | Iterable[str | Feature] | None = None,
        *,
        value: object = None,
    ) -> None:
        """Remove the values of a feature, of several, or of all; with `value` only this one of one feature."""

    def described(self) -> list[tuple[str, str]]:
        """Return what `describe()` prints of labels and of values: a name and a text for each line."""

    def get(self, name: str, default: object = None) -> Any:
        """Return the value of this feature, or the default."""

    def __getitem__(self, name: str) -> Any: ...


class LabelManager(Protocol):
    """All labels of one record, whichever registry they come from."""

    def add(
        self, records: Registry | Iterable[Registry], feature: Feature | str | None = None
    ) -> None:
        """Add a label or several, as values of a feature if one is named. Raises `InvalidArgument`."""

    def remove(
        self, records: Registry | Iterable[Registry], feature: Feature | str | None = None
    ) -> None:
        """Remove a label or several; with `feature` only as values of that. Raises `InvalidArgument`."""

    def get(self, feature: Feature | str, registry: type[Registry] | None = None) -> QuerySet[Any]:
        """Return the labels that are values of this feature."""

    def all(self) -> dict[str, list[str]]:
        """Return the names of the labels, by the relation that they hang on."""
