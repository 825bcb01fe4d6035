"""`lamin status`: what is outdated, changed on disk, running, failed and waiting; trash and prune."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.admin.status import status
from lamin_core.instance.instance import Instance, disconnect, init
from tests.support.commands import typed


@contextmanager
def connected() -> Iterator[Instance]:
    """The instance here, and none of its connections afterwards."""
    instance = ln.connect()
    try:
        yield instance
    finally:
        disconnect()
        instance.db.dispose()


@pytest.fixture
def project(in_tmp_path: Path, database_url: str) -> Path:
    """An instance in which a script made a table out of a file, on both databases."""
    init("./data", db=database_url).db.dispose()
    with connected():
        (in_tmp_path / "raw.csv").write_text("1\n")
        ln.Artifact("raw.csv", run=False).save()
        with ln.run("fit.py"):
            ln.Artifact.get(key="raw.csv").cache()
            (in_tmp_path / "table.csv").write_text("a\n")
            ln.Artifact("table.csv").save()
    return in_tmp_path


def test_status_of_a_clean_project_is_clean(project: Path) -> None:
    assert typed("status").stdout == "nothing is outdated, changed, running, failed or waiting\n"
    os.utime(project / "table.csv")  # touched, with the same bytes
    assert typed("status", "--json").json["is_clean"]


def test_status_lists_outdated_changed_failed_and_waiting(project: Path) -> None:
    (project / "raw.csv").write_text("2\n")
    (project / "table.csv").unlink()
    assert [(row["key"], row["change"]) for row in typed("status", "--json").json["changed"]] == [
        ("raw.csv", "changed"),
        ("table.csv", "gone"),
    ]
    with connected():
        ln.Artifact("raw.csv", run=False).save()
        with pytest.raises(ValueError, match="no such column"), ln.run("plot.py"):
            raise ValueError("no such column")
    spool = project / ".lamin" / "spool"
    spool.mkdir(exist_ok=True)
    (spool / "waiting.ndjson").write_text("{}\n")
    state = typed("status", "--json").json
    assert [result["key"] for result in state["outdated"]] == ["table.csv"]
    assert state["outdated"][0]["causes"][0]["key"] == "raw.csv"
    assert [run["transform"] for run in state["failed"]] == ["plot.py"]
    assert state["waiting_files"] == 1
    text = typed("status").stdout
    for line in (
        "  table.csv  (raw.csv is at v0001)",
        "  gone:     table.csv",
        "  events in 1 file of the spool",
    ):
        assert line in text.splitlines()
    assert "ValueError: no such column" in text


def test_status_omits_a_failure_after_a_successful_rerun(project: Path) -> None:
    with connected() as instance:
        with pytest.raises(ValueError, match="first"), ln.run("plot.py"):
            raise ValueError("first")
        assert [run.transform for run in status(instance).failed] == ["plot.py"]
        with ln.run("plot.py"):
            assert [run.transform for run in status(instance).running] == ["plot.py"]
    assert typed("status", "--json").json["failed"] == []


def test_prune_trashes_missing_unused_artifacts_and_undelete_restores_them(
    project: Path,
) -> None:
    with connected():
        for name in ("kept.csv", "labelled.csv", "vanished.csv"):
            (project / name).write_text(name)
            ln.Artifact(name, run=False).save()
        ln.Artifact.get(key="labelled.csv").ulabels.add(ln.ULabel(name="raw").save())
    for name in ("labelled.csv", "vanished.csv"):
        (project / name).unlink()
    assert typed("prune", "--dry-run").stdout.splitlines() == ["vanished.csv"]
    assert "pass --yes" in typed("prune", code=2).stderr
    typed("prune", "--yes")
    assert typed("prune", "--yes").stdout == ""
    assert [row["key"] for row in typed("artifacts", "--trash", "--json").json] == ["vanished.csv"]
    assert "vanished.csv" not in typed("artifacts").stdout
    typed("undelete", "vanished.csv")
    assert "vanished.csv" in typed("artifacts").stdout
    assert "lamin artifacts --trash" in typed("undelete", "vanished.csv", code=3).stderr


def test_undelete_restores_labels_and_explains_kinds_without_trash(project: Path) -> None:
    (project / "a.csv").write_text("a")
    typed("save", "a.csv")
    typed("annotate", "a.csv", "--labels", "raw")
    typed("delete", "ulabel", "raw", "--yes")
    assert "'raw'" in typed("undelete", "ulabel", "raw").stderr
    assert typed("get", "ulabel", "raw", "--json").json["name"] == "raw"
    assert "lamin list ulabel" in typed("undelete", "ulabel", "raw", code=3).stderr
    assert "no trash" in typed("undelete", "storage", "raw", code=2).stderr
    assert "name one record" in typed("undelete", code=2).stderr


def test_prune_skips_artifacts_of_an_absent_storage(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("mounted")
    (away / "x.csv").write_text("x")
    with connected():
        ln.Storage(root=str(away)).save()
        ln.Artifact(away / "x.csv", run=False).save()
    away.rename(away.with_name(f"{away.name}-elsewhere"))
    assert "x.csv" not in typed("prune", "--dry-run").stdout


def test_artifacts_are_filtered_by_label_feature_and_project(project: Path) -> None:
    typed("feature", "create", "temperature", "--dtype", "float", "--unit", "celsius")
    typed("feature", "create", "site")
    for key, value, site in (("raw.csv", "21.5", "Oslo"), ("table.csv", "4", "Bergen")):
        typed("annotate", key, "--features", f"temperature={value}", "--features", f"site={site}")
    typed("annotate", "raw.csv", "--labels", "raw", "--project", "airway")

    def keys(*arguments: str) -> set[str]:
        return {row["key"] for row in typed("artifacts", "--json", *arguments).json}

    assert keys("--label", "raw") == keys("--project", "airway") == {"raw.csv"}
    assert keys("--feature", "temperature>20") == keys("--feature", "site~Os") == {"raw.csv"}
    assert keys("--feature", "temperature <= 4") == keys("--feature", "site!=Oslo") == {"table.csv"}
    assert keys("--feature", "temperature") == {"raw.csv", "table.csv"}
    assert keys("--label", "raw", "--feature", "temperature<20") == set()
    assert "nearest: temperature" in typed("artifacts", "--feature", "temprature>1", code=3).stderr
    missing = typed("artifacts", "--label", "rwa", "--json", code=3).stderr
    assert "no ULabel with name='rwa'" in missing
    assert "nearest: raw" in missing
    assert "nearest: airway" in typed("artifacts", "--project", "airwy", code=3).stderr
    assert typed("artifacts", "--key", "nosuch").stdout == "nothing fits these options\n"
    assert "not a dtype" in typed("feature", "create", "x", "--dtype", "zzz", code=2).stderr


def test_load_writes_a_copy_into_a_file_a_folder_and_standard_output(project: Path) -> None:
    typed("load", "raw.csv", "-o", "copies/mine.csv")
    assert (project / "copies" / "mine.csv").read_text() == "1\n"
    assert typed("load", "raw.csv", "-o", "copies").stdout == "copies/raw.csv\n"
    assert "--force" in typed("load", "raw.csv", "-o", "copies", code=4).stderr
    (project / "copies" / "raw.csv").write_text("old")
    typed("load", "raw.csv", "-o", "copies", "--force")
    assert (project / "copies" / "raw.csv").read_text() == "1\n"
