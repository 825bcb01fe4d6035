"""Assets of Prefect in the registry: what is materialized and referred to, without Prefect's cloud."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lamin_core as ln
import lamin_prefect

if TYPE_CHECKING:
    from lamin_core.instance.instance import Instance
    from tests.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here
pytest_plugins = ["tests.prefect_server"]

RAW, CLEAN, TABLE = "s3://lake/raw.csv", "s3://lake/clean.csv", "postgres://orders"


def _pipeline() -> Any:
    """A flow of two tasks: from raw to clean, from clean into a table."""
    from prefect.assets import Asset, AssetProperties, add_asset_metadata

    properties = AssetProperties(description="All orders", owners=["ann", "bob"])

    @ours.materialize(CLEAN, asset_deps=[RAW], by="duckdb")
    def clean() -> dict[str, int]:
        add_asset_metadata(CLEAN, {"rows": 3, "path": Path("a")})
        return {"rows": 3}

    @ours.materialize(Asset(key=TABLE, properties=properties))
    def load(result: dict[str, int]) -> None: ...

    @ours.flow
    def pipeline() -> None:
        load(clean())

    return pipeline


def test_assets_are_artifacts_with_lineage(instance: Instance, recorded: RecordedEvents) -> None:
    _pipeline()()
    from lamin_prefect.recording import delivery

    delivery.close()
    orders = ln.Artifact.get(key="orders")
    assert (orders.description, orders.created_by.handle) == ("All orders", "ann")
    graph = instance.lineage.around(instance.lineage.find(CLEAN))
    assert {artifact.key for artifact in graph.artifacts.values()} == {
        "raw.csv",
        "clean.csv",
        "orders",
    }
    assert [line.strip("└─ ") for line in graph.tree().splitlines() if "v0000" in line] == [
        "clean.csv  v0000",
        "raw.csv  v0000",
    ]


def test_metadata_of_assets_are_part_of_the_event(recorded: RecordedEvents) -> None:
    _pipeline()()
    (written,) = recorded.run("clean").events[-1]["outputs"]
    asset = written["facets"]["lamin_asset"]
    assert (asset["key"], asset["materializedBy"]) == (CLEAN, "duckdb")
    assert asset["metadata"] == {"rows": 3, "path": "a"}


def test_a_task_that_only_refers_to_an_asset_has_it_as_its_input(recorded: RecordedEvents) -> None:
    @ours.task(asset_deps=[RAW])
    def look() -> None: ...

    @ours.flow
    def pipeline() -> None:
        look()

    pipeline()
    run = recorded.run("look")
    assert (run.inputs, run.outputs) == (["raw.csv"], [])


def test_a_local_file_as_an_asset_has_its_content(recorded: RecordedEvents, tmp_path: Path) -> None:
    target = tmp_path / "table.csv"

    @ours.materialize(target.as_uri())
    def write() -> None:
        target.write_text("a")

    @ours.flow
    def pipeline() -> None:
        write()

    pipeline()
    (written,) = recorded.run("write").events[-1]["outputs"]
    assert written["name"] == str(target)
    assert written["facets"]["lamin_artifact"]["size"] == 1


def test_a_task_that_failed_has_materialized_nothing(recorded: RecordedEvents) -> None:
    @ours.materialize(CLEAN, asset_deps=[RAW])
    def clean() -> None:
        raise ValueError("no rows")

    @ours.flow
    def pipeline() -> None:
        clean()

    with pytest.raises(ValueError, match="no rows"):
        pipeline()
    run = recorded.run("clean")
    assert (run.inputs, run.outputs) == (["raw.csv"], [])
