"""Assets of Prefect as datasets: what a task refers to (`asset_deps`) and what it materializes (`@materialize`).

Prefect itself keeps assets only in its cloud. Source: docs.prefect.io, "How to track assets".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from prefect.assets import Asset
from prefect.context import AssetContext

from lamin_prefect.file_use import reader
from lamin_prefect.translate import parameters
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.events import Dataset
from openlineage.lamin.emit.naming import dataset_name


@dataclass(frozen=True, slots=True)
class TaskAssets:
    """The assets of one attempt of a task."""

    referenced: tuple[Asset, ...] = ()
    materialized: tuple[Asset, ...] = ()
    materialized_by: str | None = None
    """The tool that the task names: `@materialize(..., by="dbt")`."""
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The metadata of `add_asset_metadata` so far, by the key of the asset; it grows while the task runs."""

    def inputs(self) -> list[Dataset]:
        """The datasets that the task refers to, as they are now."""
        return [_with_facets(dataset_of(asset.key), asset) for asset in self.referenced]

    def outputs(self) -> list[Dataset]:
        """The datasets that the task has materialized, with the metadata that it has added."""
        return [
            _with_facets(
                dataset_of(asset.key), asset, self.metadata.get(asset.key), self.materialized_by
            )
            for asset in self.materialized
        ]


def assets_of(context: AssetContext | None) -> TaskAssets:
    """Return the assets of the task whose context this is.

    As in Prefect, a task that materializes something refers to the assets of the tasks before it,
    too.
    """
    if context is None:
        return TaskAssets()
    referenced = set(context.direct_asset_dependencies)
    if context.downstream_assets:
        referenced |= context.upstream_assets
    return TaskAssets(
        _sorted(referenced),
        _sorted(context.downstream_assets),
        context.materialized_by,
        context.materialization_metadata,
    )


def dataset_of(key: str) -> Dataset:
    """Return the dataset that the key of an asset names; with the content, where it is a local file.

    >>> dataset_of("s3://bucket/raw/a.csv").name, dataset_of("postgres://orders")
    ('raw/a.csv', Dataset(namespace='postgres', name='orders'...
    """
    namespace, name = dataset_name(key)
    if not name.strip("/"):  # `postgres://orders`: the key is a name, and no address
        parts = urlsplit(key)
        return Dataset(parts.scheme, parts.netloc)
    local = reader.at(name) if namespace == "file" else None
    return local or Dataset(namespace, name)


def _sorted(assets: Iterable[Asset]) -> tuple[Asset, ...]:
    return tuple(sorted(assets, key=lambda asset: asset.key))


def _with_facets(
    dataset: Dataset,
    asset: Asset,
    metadata: Mapping[str, Any] | None = None,
    materialized_by: str | None = None,
) -> Dataset:
    properties = asset.properties
    described = dict(dataset.facets)
    if properties is not None and (properties.description or properties.name):
        text = properties.description or properties.name
        described["documentation"] = facets.dataset_documentation(str(text))
    if properties is not None and properties.owners:
        described["ownership"] = facets.ownership("Dataset", *properties.owners)
    if metadata:
        described["lamin_features"] = facets.lamin_features(parameters(metadata))
    url = None if properties is None else properties.url
    described["lamin_asset"] = facets.lamin_asset(asset.key, url, materialized_by)
    return replace(dataset, facets=described)
