"""Assets of Prefect in the registry: what is materialized and referred to, without Prefect's cloud."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

import lamin_core as ln
import lamin_prefect
from lamin_core.models import RunArtifact
from openlineage.lamin.receive.rebuild import rebuild
from tests.support.commands import typed

if TYPE_CHECKING:
    from lamin_core.instance.instance import Instance
    from tests.support.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here
pytest_plugins = ["tests.support.prefect_server"]

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


def test_assets_are_artifacts_with_lineage_and_their_metadata_features(
    instance: Instance, recorded: RecordedEvents
) -> None:
    _pipeline()()
    from lamin_prefect.recording import delivery

    delivery.close()
    for _ in range(2):
        orders = ln.Artifact.get(key="orders")
        assert (orders.description, orders.created_by.handle) == ("All orders", "ann")
        lines = typed("lineage", CLEAN).stdout.splitlines()
        assert [line.strip("└─ ") for line in lines if "v0000" in line] == [
            "clean.csv  v0000",
            "raw.csv  v0000",
        ]
        clean = ln.Artifact.get(key="clean.csv")
        assert clean.features.get_values() == {"rows": 3, "path": "a"}
        assert ln.Artifact.filter(ln.Feature.get(name="rows") > 2).one().uid == clean.uid
        assert ln.Feature.get(name="rows").dtype == "int"
        written = select(RunArtifact.facets).where(
            RunArtifact.artifact_id == clean.id, RunArtifact.direction == "output"
        )
        with instance.db.reading() as session:
            asset = session.scalars(written).one()["lamin_asset"]
        assert (asset["key"], asset["materializedBy"]) == (CLEAN, "duckdb")
        rebuild(instance.db)


def test_asset_that_a_task_refers_to_is_its_input(recorded: RecordedEvents) -> None:
    @ours.task(asset_deps=[RAW])
    def look() -> None: ...

    @ours.flow
    def pipeline() -> None:
        look()

    pipeline()
    run = recorded.run("look")
    assert (run.inputs, run.outputs) == (["raw.csv"], [])


def test_local_file_asset_has_its_content(recorded: RecordedEvents, tmp_path: Path) -> None:
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


def test_failed_task_has_no_materialized_assets(recorded: RecordedEvents) -> None:
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
