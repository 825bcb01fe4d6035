"""Records of the registry and models of pydantic as what tasks are passed, return and read."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

import lamin_core as ln
import lamin_prefect
from openlineage.lamin.receive.rebuild import rebuild

if TYPE_CHECKING:
    import pytest

    from lamin_core.instance.instance import Instance
    from tests.support.prefect_server import RecordedEvents

ours: Any = lamin_prefect  # what Prefect says of the types of awaited, mapped and submitted tasks is not looked at here
pytest_plugins = ["tests.support.prefect_server"]


class Options(BaseModel):
    """The options of a flow."""

    raw: Path
    title: str = "All organs"
    password: SecretStr = SecretStr("hunter2")


def test_artifacts_and_pydantic_models_are_arguments_results_and_inputs(
    instance: Instance,
    recorded: RecordedEvents,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("LAMIN_SPOOL")
    monkeypatch.setattr(logging.getLogger("lamin"), "propagate", True)
    for name in ("raw", "opened", "cached", "loaded"):
        Path(f"{name}.csv").write_text(f"n\n{len(name)}\n")
        ln.Artifact(f"{name}.csv", key=f"in/{name}.csv").save()

    @ours.task
    def saves(source: ln.Artifact) -> ln.Artifact:
        Path("saved.csv").write_text(f"{source.path.read_text()}7\n")
        return ln.Artifact("saved.csv", key="out/saved.csv").save()

    @ours.task
    def forgets_to_save(artifacts: list[ln.Artifact]) -> ln.Artifact:
        Path("unsaved.csv").write_text(f"{artifacts[0].path.read_text()}8\n")
        return ln.Artifact("unsaved.csv")

    @ours.task
    def reads() -> None:
        opened: Any = ln.Artifact.get(key="in/opened.csv").open()
        assert opened.count_rows() == 1
        ln.Artifact.get(key="in/cached.csv").cache()
        ln.Artifact.get(key="in/loaded.csv").load()

    @ours.task
    def configured(options: Options) -> str:
        return options.raw.read_text()

    @ours.flow
    def pipeline(options: Options) -> str:
        artifact = ln.Artifact.get(key="in/raw.csv")
        result = saves.submit(artifact).result()
        assert isinstance(result, ln.Artifact)
        forgets_to_save([result])
        reads()
        return configured(options)

    Path("options.csv").write_text("n\n1\n")
    assert pipeline({"raw": "options.csv"}) == "n\n1\n"
    lamin_prefect.recording.delivery.close()
    assert "incomplete" not in caplog.text

    def keys(artifacts: Any) -> list[str]:
        return sorted(Path(artifact.key).name for artifact in artifacts)

    for _ in range(2):
        runs = {run.transform.key.rpartition(":")[2]: run for run in ln.Run.all()}
        assert {
            name: (keys(run.input_artifacts), keys(run.output_artifacts))
            for name, run in runs.items()
        } == {
            "pipeline": (["options.csv"], []),
            "saves": (["raw.csv"], ["saved.csv"]),
            "forgets_to_save": (["saved.csv"], []),
            "reads": (["cached.csv", "loaded.csv", "opened.csv"], []),
            "configured": (["options.csv"], []),
        }
        options = {"raw": "options.csv", "title": "All organs", "password": "***"}
        assert runs["pipeline"].params == runs["configured"].params == {"options": options}
        assert {run.status for run in runs.values()} == {"completed"}
        rebuild(instance.db)


def test_task_that_copies_an_artifact_has_the_original_as_input(
    instance: Instance, recorded: RecordedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAMIN_SPOOL")
    Path("raw.csv").write_text("n\n3\n")
    raw = ln.Artifact("raw.csv", key="raw.csv").save()

    def duplicate(source: Path, name: str) -> ln.Artifact:
        Path(name).write_bytes(source.read_bytes())
        return ln.Artifact(name, key=f"out/{name}").save()

    @ours.task
    def copies(source: ln.Artifact, name: str) -> ln.Artifact:
        return duplicate(Path(source.path), name)

    @ours.task
    def copies_path(source: Path, name: str) -> ln.Artifact:
        return duplicate(source, name)

    @ours.task
    def compares(first: ln.Artifact, second: dict[str, ln.Artifact]) -> bool:
        return first.path.read_bytes() == second["copy"].path.read_bytes()

    @ours.task
    def counts(source: Path) -> int:
        return len(source.read_text())

    @ours.flow
    def pipeline() -> None:
        copied = copies(raw, "copy.csv")
        copies_path(ln.Artifact.get(key="raw.csv").cache(), "copied.csv")
        assert compares(raw, {"copy": copied})
        counts(ln.Artifact.get(key="out/copied.csv").cache())

    pipeline()
    pipeline()
    lamin_prefect.recording.delivery.close()
    for _ in range(2):
        used = [
            (
                run.transform.key.rpartition(":")[2],
                sorted(artifact.key for artifact in run.input_artifacts),
                sorted(artifact.key for artifact in run.output_artifacts),
            )
            for run in ln.Run.filter(parent__isnull=False).order_by("started_at")
        ]
        assert used == 2 * [
            ("copies", ["raw.csv"], ["out/copy.csv", "work/copy.csv"]),
            ("copies_path", ["raw.csv"], ["out/copied.csv", "work/copied.csv"]),
            ("compares", ["out/copy.csv", "raw.csv"], []),
            ("counts", ["out/copied.csv"], []),
        ]
        rebuild(instance.db)
