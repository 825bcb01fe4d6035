"""Data frames and AnnData that a task returns: written where its decorator says so, checked, and annotated."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import lamin_core as ln
import lamin_prefect
from openlineage.lamin.receive.rebuild import rebuild

if TYPE_CHECKING:
    import anndata as ad

    from lamin_core.instance.instance import Instance
    from tests.support.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here
pytest_plugins = ["tests.support.prefect_server"]
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def _deliver() -> None:
    from lamin_prefect.recording import delivery

    delivery.close()


def test_returned_tables_are_written_to_the_declared_paths(recorded: RecordedEvents) -> None:
    import anndata

    @ours.task(outputs="clean/{name}.parquet")
    def clean(name: str) -> pd.DataFrame:
        return pd.DataFrame({"n": [1, 2]})

    @ours.task(outputs=["counts.csv", "cells.h5ad"])
    async def both() -> tuple[pd.DataFrame, ad.AnnData]:
        return pd.DataFrame({"n": [1]}), anndata.AnnData(obs=pd.DataFrame(index=["a", "b"]))

    @ours.task(outputs="own.csv")
    def own() -> pd.DataFrame:
        Path("own.csv").write_text("n\n7\n")
        return pd.DataFrame({"n": [1]})

    @ours.task(outputs="plot.txt", retries=1)
    def plot(table: pd.DataFrame) -> pd.DataFrame:
        Path("plot.txt").write_text("*")
        return table

    @ours.flow(outputs="all.tsv")
    def pipeline() -> pd.DataFrame:
        own()
        return plot(clean("liver"))

    @ours.flow
    async def async_pipeline() -> None:
        await both()

    assert list(pipeline()["n"]) == [1, 2]
    asyncio.run(async_pipeline())
    assert list(pd.read_parquet("clean/liver.parquet")["n"]) == [1, 2]
    assert anndata.read_h5ad("cells.h5ad").n_obs == 2
    assert Path("own.csv").read_text() == "n\n7\n"
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == [
        *("all.tsv", "cells.h5ad", "counts.csv", "own.csv", "plot.txt")
    ]
    assert recorded.run("clean").outputs == ["liver.parquet"]
    assert recorded.run("both").outputs == ["cells.h5ad", "counts.csv"]
    assert recorded.run("plot").outputs == ["plot.txt"]
    assert recorded.run("plot").waited_for == {("clean", "value", recorded.run("clean").id)}
    assert recorded.run("pipeline").outputs == ["all.tsv"]
    assert recorded.run("clean").kinds == ["START", "COMPLETE"]


def test_table_that_cannot_be_written_fails_the_task_and_leaves_no_file(
    recorded: RecordedEvents,
) -> None:
    @ours.task(outputs="table.parquet")
    def broken() -> pd.DataFrame:
        return pd.DataFrame({"mixed": [1, {"a": object()}]})

    @ours.flow
    def pipeline() -> None:
        broken()

    with pytest.raises(ln.errors.InvalidArgument, match="cannot be written"):
        pipeline()
    assert list(Path().iterdir()) == []
    assert recorded.run("broken").kinds == ["START", "FAIL"]


def test_declared_output_without_a_file_is_one_warning(
    recorded: RecordedEvents, caplog: pytest.LogCaptureFixture
) -> None:
    @ours.task(outputs="clean/{number}.txt")
    def forgets(number: int) -> str:
        return "no table"

    @ours.flow
    def pipeline() -> None:
        for number in range(3):
            forgets(number)

    logging.getLogger("lamin").addHandler(caplog.handler)
    pipeline()
    logging.getLogger("lamin").removeHandler(caplog.handler)
    expected = "declares outputs='clean/{number}.txt', and no such file is there"
    messages = {record.getMessage() for record in caplog.records}
    assert sum(expected in message for message in messages) == 1, messages
    assert recorded.runs("forgets")[2].outputs == []


def test_braces_that_are_no_parameter_are_a_warning_and_lose_no_file(
    recorded: RecordedEvents, caplog: pytest.LogCaptureFixture
) -> None:
    @ours.task(inputs="{no_input}.csv", outputs="{no_output}.csv", labels="{no_label}")
    def write(name: str) -> Path:
        Path(name).write_text(name)
        return Path(name)

    @ours.flow
    def pipeline() -> None:
        for name in ("a.txt", "b.txt"):
            write(name)

    logging.getLogger("lamin").addHandler(caplog.handler)
    pipeline()
    logging.getLogger("lamin").removeHandler(caplog.handler)
    assert [run.outputs for run in recorded.runs("write")] == [["a.txt"], ["b.txt"]]
    logged = dict.fromkeys(record.getMessage() for record in caplog.records)
    messages = [message for message in logged if "has braces" in message]
    for template, message in zip(("input", "output", "label"), messages, strict=True):
        assert f"no_{template}}}" in message
        assert "it has {name}" in message


def test_tables_are_validated_and_annotated(instance: Instance, recorded: RecordedEvents) -> None:
    number = ln.Feature(name="number", dtype=int).save()
    schema = ln.Schema(name="counts", features=[number]).save()
    ln.Feature(name="assay", dtype=ln.ULabel).save()
    ln.Feature(name="tissue", dtype="list[cat[ULabel[Tissue]]]").save()
    tissues = ln.ULabel(name="Tissue", is_type=True).save()
    ln.save([ln.ULabel(name=name, type=tissues) for name in ("liver", "blood")])
    assay = ln.ULabel(name="bulk").save()
    calls = 0

    @ours.task(
        outputs="{name}.csv",
        schema="counts",
        features={
            "organ": "{name}",
            "quality": 0.5,
            "assay": assay,
            "tissue": ["liver", "blood", "bulk"],
        },
        labels=["counted", "of {name}"],
    )
    def count(name: str, value: object) -> pd.DataFrame:
        return pd.DataFrame({"number": [value]})

    @ours.task(schema=ln.Schema.get(name="counts"), strict=True, retries=1)
    def strict(value: object) -> Path:
        nonlocal calls
        calls += 1
        pd.DataFrame({"number": [value]}).to_csv("strict.csv", index=False)
        return Path("strict.csv")

    @ours.task(schema="no such schema", strict=True)
    def unchecked() -> Path:
        return Path("strict.csv")

    @ours.flow
    def pipeline() -> list[str]:
        count("liver", 3)
        count("brain", "many")
        return [
            strict(3, return_state=True).name,
            strict("many", return_state=True).name,
            unchecked(return_state=True).name,
        ]

    assert pipeline() == ["Completed", "Failed", "Completed"]
    assert calls == 3
    _deliver()
    for _ in range(2):
        liver, brain = ln.Artifact.get(key="work/liver.csv"), ln.Artifact.get(key="work/brain.csv")
        values = liver.features.get_values()
        tissue = values.pop("tissue")
        assert set(tissue) == {"liver", "blood"}  # "bulk" is no tissue
        assert values == {
            "organ": "liver",
            "quality": 0.5,
            "schema_check": "passed",
            "assay": "bulk",
        }
        assert {label.name for label in liver.ulabels} == {
            *("counted", "of liver"),
            *("bulk", "liver", "blood"),
        }
        assert ln.Artifact.filter(assay="bulk", tissue="liver").count() == 2
        assert ln.Artifact.filter(assay=assay).count() == 2
        assert (liver.schema, brain.schema) == (schema, None)
        assert [artifact.key for artifact in ln.Artifact.filter(schema=schema).order_by("key")] == [
            *("work/liver.csv", "work/strict.csv")
        ]
        assert brain.features["schema_check"] == "failed"
        assert "number" in brain.features["schema_problems"]
        checks = [
            artifact.features["schema_check"]
            for artifact in ln.Artifact.filter(key="work/strict.csv").order_by("id")
        ]
        assert checks == ["passed", "failed"]
        failed = ln.Run.filter(transform__key__endswith=":strict", status="failed").first()
        assert "ValidationError" in failed.error
        rebuild(instance.db)
