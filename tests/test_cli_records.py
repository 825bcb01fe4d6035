"""Commands on records: save, load, get, list, describe, annotate, delete."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.cli.resolve import REGISTRIES
from lamin_core.cli.serializers import FIELDS
from lamin_core.instance.instance import disconnect, init
from tests.support.commands import lamin, on_terminal, typed

LAMIN = str(Path(sys.executable).with_name("lamin"))


@pytest.fixture
def folder(in_tmp_path: Path, database_url: str) -> Iterator[Path]:
    """An instance in the test's folder, on both databases, with a file in it."""
    init("./data", db=database_url)
    disconnect()
    (in_tmp_path / "a.csv").write_text("x\n1\n")
    yield in_tmp_path
    disconnect()


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside of every storage."""
    return tmp_path_factory.mktemp("outside")


@contextmanager
def connected() -> Iterator[None]:
    """Work in Python on the instance of this folder."""
    ln.connect()
    yield
    disconnect()


def test_file_is_saved_found_and_loaded(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "b.csv"
    outside.write_text("y\n2\n")
    done = typed(
        "save", str(outside), "--key", "raw/b.csv", "--description", "two", "--project", "airway"
    )
    uid = done.stdout.strip()
    assert "saved artifact raw/b.csv, version 0000" in done.stderr
    local = Path(typed("load", "raw/b.csv").stdout.strip())
    assert local.read_text() == "y\n2\n"
    for how in (
        ["raw/b.csv"],
        ["artifact", "raw/b.csv"],
        ["--key", "raw/b.csv"],
        ["artifact", "--uid", uid[:8]],
    ):
        record = typed("get", *how, "--json").json
        assert (record["uid"], record["description"], record["projects"]) == (
            uid,
            "two",
            ["airway"],
        )
    outside.write_text("y\n3\n")
    second = typed("save", str(outside), "--stem-uid", uid[:16], "--json").json
    assert (second["key"], second["version"]) == ("raw/b.csv", "0001")
    assert Path(typed("load", "--key", "raw/b.csv").stdout.strip()).read_text() == "y\n3\n"
    assert Path(typed("load", "--uid", uid).stdout.strip()).read_text() == "y\n2\n"


def test_code_is_saved_as_a_transform(folder: Path) -> None:
    (folder / "a.py").write_text('"""Counts."""\nprint(1)\n')
    (folder / "b.Rmd").write_text("# Title\n")
    (folder / "c.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": "1", "outputs": ["big"]}]})
    )
    first = typed("save", "a.py", "--json").json
    assert (first["key"], first["kind"], first["language"], first["description"]) == (
        "a.py",
        "script",
        "python",
        "Counts.",
    )
    (folder / "a.py").write_text("print(2)\n")
    second = typed(
        "save", "a.py", "--stem-uid", first["uid"][:12], "--project", "airway", "--json"
    ).json
    assert (second["version"], second["projects"]) == ("0001", ["airway"])
    assert typed("save", "b.Rmd", "--json").json["kind"] == "notebook"
    typed("save", "c.ipynb")
    ln.connect()
    assert "big" not in (ln.Transform.get(key="c.ipynb").source_code or "")
    disconnect()
    assert typed("save", "a.py", "--registry", "artifact", "--json").json["suffix"] == ".py"
    (folder / "d.py").write_bytes(b"\xff\xfe\x00")
    assert "--registry artifact" in typed("save", "d.py", code=2).stderr


def _everything(folder: Path) -> None:
    """A record of every registry."""
    ln.connect()
    with ln.run("step.py", params={"n": 1}):
        artifact = ln.Artifact("a.csv", description="one").save()
    feature = ln.Feature(name="temperature", dtype=float).save()
    ln.Schema(features=[feature]).save()
    ln.ULabel(name="good").save()
    ln.Project(name="airway").save()
    ln.Record(name="donor 1").save()
    ln.Reference(name="Himes 2014").save()
    ln.Collection([artifact], key="all").save()
    ln.track()
    ln.finish()
    disconnect()


SHAPES: dict[str, list[str]] = {
    "artifact": [
        "uid",
        "key",
        "version",
        "is_latest",
        "kind",
        "suffix",
        "otype",
        "hash",
        "hash_type",
        "size",
        "n_files",
        "path",
        "run",
        "transform",
        "description",
        "created_by",
        "created_at",
    ],
    "collection": [
        "uid",
        "key",
        "version",
        "is_latest",
        "hash",
        "run",
        "description",
        "created_at",
    ],
    "environment": ["uid", "hash", "python", "platform", "created_at"],
    "feature": ["uid", "name", "dtype", "unit", "description", "created_at"],
    "project": ["uid", "name", "abbr", "url", "description", "created_at"],
    "reference": ["uid", "name", "abbr", "url", "doi", "description", "created_at"],
    "run": [
        "uid",
        "external_id",
        "name",
        "transform",
        "transform_key",
        "engine",
        "parent",
        "status",
        "cached",
        "attempt",
        "started_at",
        "finished_at",
        "params",
        "error",
        "created_by",
    ],
    "schema": ["uid", "name", "otype", "hash", "created_at"],
    "storage": ["uid", "root", "type", "is_managed", "created_at"],
    "transform": [
        "uid",
        "key",
        "version",
        "is_latest",
        "kind",
        "namespace",
        "language",
        "hash",
        "reference",
        "reference_type",
        "description",
        "created_by",
        "created_at",
    ],
    "record": ["uid", "name", "type", "is_type", "description", "created_at"],
    "ulabel": ["uid", "name", "type", "is_type", "description", "created_at"],
    "user": ["uid", "handle", "name", "created_at"],
}
"""What programs rely on: a field that is gone, or has another name, breaks them."""


def test_list_of_every_registry_has_stable_json_fields(folder: Path) -> None:
    _everything(folder)
    assert set(SHAPES) == set(REGISTRIES)
    assert set(FIELDS) == set(REGISTRIES.values())
    for name, fields in SHAPES.items():
        rows = typed("list", name, "--json").json
        assert rows, name
        assert all(list(row) == fields for row in rows), name
        shown = typed("list", f"{name}s").stdout.splitlines()
        assert len(shown) == len(rows) + 1
        record = typed("get", name, "--uid", rows[0]["uid"], "--json").json
        assert {field: record[field] for field in fields} == rows[0]
        assert rows[0]["uid"] in typed("get", name, "--uid", rows[0]["uid"]).stdout


def test_artifact_json_has_all_fields(folder: Path) -> None:
    _everything(folder)
    record = typed("get", "a.csv", "--json").json
    run = typed("list", "run", "--json").json[-1]
    assert record | {"uid": "", "created_at": "", "hash": "", "created_by": ""} == {
        "uid": "",
        "key": "a.csv",
        "version": "0000",
        "is_latest": True,
        "kind": None,
        "suffix": ".csv",
        "otype": None,
        "hash": "",
        "hash_type": "blake3",
        "size": 4,
        "n_files": None,
        "path": str(folder / "a.csv"),
        "run": run["uid"],
        "transform": run["transform"],
        "description": "one",
        "created_by": "",
        "created_at": "",
        "features": {},
        "ulabels": [],
        "projects": [],
    }
    assert record["created_at"].endswith("+00:00")
    assert (run["transform_key"], run["params"], run["status"]) == (
        "step.py",
        {"n": 1},
        "completed",
    )


def test_list_is_newest_first_and_limited(folder: Path) -> None:
    ln.connect()
    for name in "abcde":
        ln.ULabel(name=f"label {name}").save()
    disconnect()
    names = [row["name"] for row in typed("list", "ulabel", "--limit", "2", "--json").json]
    assert names == ["label e", "label d"]
    assert "the first 2; there is more" in typed("list", "ulabel", "--limit", "2").stderr
    assert typed("list", "ulabel", "--limit", "5").stderr == ""
    assert {"registry": "ulabel", "records": 5} in typed("list", "--json").json
    assert typed("list", "ulabel", "--search", "label b", "--json").json[0]["name"] == "label b"
    assert typed("list", "project").stdout == "nothing yet\n"
    assert typed("list", "project", "--json").json == []


def test_annotate_saves_features_labels_and_fields(folder: Path) -> None:
    typed("save", "a.csv")
    ln.connect()
    ln.Feature(name="temperature", dtype=float).save()
    ln.Feature(name="site", dtype=str).save()
    disconnect()
    options = (
        "--features",
        "temperature=21.6",
        "--features",
        "site=Berlin",
        "--labels",
        "good",
        "--labels",
        "raw",
    )
    done = typed(
        "annotate",
        "artifact",
        "a.csv",
        *options,
        "--project",
        "airway",
        "--description",
        "new",
        "--json",
    ).json
    assert done["features"] == {"temperature": 21.6, "site": "Berlin"}
    assert sorted(done["ulabels"]) == ["good", "raw"]
    assert (done["projects"], done["description"]) == (["airway"], "new")
    typed("annotate", "a.csv", *options)  # once more is the same
    assert typed("get", "a.csv", "--json").json == done
    ln.connect()
    assert ln.Artifact.get(key="a.csv").features.get_values() == {
        "temperature": 21.6,
        "site": "Berlin",
    }


def test_failed_schema_check_exits_with_4(folder: Path) -> None:
    typed("save", "a.csv")
    with connected():
        feature = ln.Feature(name="x", dtype=int).save()
        ln.Schema([feature], name="numbers").save()
        ln.Schema([ln.Feature(name="y", dtype=str).save()], name="texts").save()
    assert typed("annotate", "a.csv", "--schema", "numbers", "--json").json["features"] == {
        "schema_check": "passed"
    }
    failed = typed("annotate", "a.csv", "--schema", "texts", code=4)
    assert "column 'y' is missing" in failed.stderr
    with connected():
        artifact = ln.Artifact.filter(schema_check="failed").one()
        assert artifact.features["schema_problems"].startswith("1 problem with schema 'texts'")
        assert artifact.schema.name == "numbers"
    assert (
        "schemas: numbers, texts" in typed("annotate", "a.csv", "--schema", "none", code=3).stderr
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["annotate", "a.csv"], 2, "nothing to annotate with"),
        (["annotate", "a.csv", "--features", "temperature"], 2, "not of the form NAME=VALUE"),
        (["annotate", "a.csv", "--features", "temperature=1"], 4, "ln.Feature(name='temperature'"),
        (["annotate", "b.csv", "--labels", "x"], 3, "a.csv"),
        (["get"], 2, "name one record"),
        (["get", "artifact", "a.csv", "--uid", "x"], 2, "name one record"),
        (["get", "artefact", "a.csv"], 2, "Did you mean 'artifact'?"),
        (["list", "labels"], 2, "Did you mean 'ulabel'?"),
        (["list", "nonsense"], 2, "there are: artifact"),
        (["list", "artifact", "--limit", "0"], 2, "Invalid value"),
        (["get", "ulabel", "excelent"], 3, "nearest: excellent"),
        (["load", "ulabel", "good"], 2, "has no bytes"),
        (["save", "nowhere.csv"], 3, "no file or folder"),
        (["save", "a.csv", "--key", "../a.csv"], 2, "cannot be a key"),
        (["save", "a.csv", "--stem-uid", "abcdefgh"], 3, "not a whole uid"),
        (["delete", "a.csv"], 2, "pass --yes"),
        (["delete", "nowhere.csv", "--yes"], 3, "lamin artifacts"),
    ],
)
def test_errors_have_a_message_and_a_hint(
    in_tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    init("./data")
    Path("a.csv").write_text("x")
    ln.Artifact("a.csv", run=False).save()
    for name in ("good", "excellent"):
        ln.ULabel(name=name).save()
    done = typed(*arguments, code=code)
    assert message in done.stderr
    assert done.stdout == ""


def test_delete_asks_for_confirmation_on_a_terminal(in_tmp_path: Path) -> None:
    init("./data")
    Path("a.csv").write_text("x")
    typed("save", "a.csv")
    env: dict[str, Any] = {**os.environ, "TERM": "dumb"}
    shown, code = on_terminal(LAMIN, "delete", "a.csv", answer="n\n", env=env)
    assert code == 130
    assert "Delete artifact 'a.csv' (" in shown
    assert typed("list", "artifact", "--json").json
    shown, code = on_terminal(LAMIN, "delete", "a.csv", answer="y\n", env=env)
    assert code == 0
    assert "is in the trash" in shown
    assert typed("list", "artifact", "--json").json == []


def test_label_is_deleted_by_name(folder: Path) -> None:
    ln.connect()
    ln.ULabel(name="good").save()
    disconnect()
    typed("delete", "ulabel", "good", "--yes")
    assert typed("list", "ulabel", "--json").json == []


def test_describe_into_a_pipe_is_plain_text(in_tmp_path: Path) -> None:
    init("./data")
    Path("a.csv").write_text("x")
    typed("save", "a.csv", "--description", "one")
    shown = lamin("describe", "a.csv").stdout
    assert "a.csv" in shown
    assert "one" in shown
    assert "\x1b[" not in shown
    assert typed("describe", "a.csv", "--json").json == typed("get", "a.csv", "--json").json
    ln.connect()
    ln.ULabel(name="good", description="fine").save()
    disconnect()
    assert "fine" in typed("describe", "ulabel", "good").stdout


def test_bash_completes_registries_and_names(in_tmp_path: Path) -> None:
    init("./data")
    for name in ("one.csv", "other.csv", "two.csv"):
        Path(name).write_text(name)
        ln.Artifact(name, run=False).save()
    disconnect()

    def completed(line: str) -> list[str]:
        script = f"""
eval "$({LAMIN} completion bash)"
COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMPREPLY=()
_lamin_completion {LAMIN}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert completed("lamin get art") == ["artifact"]
    assert sorted(completed("lamin get artifact o")) == ["one.csv", "other.csv"]
    assert completed("lamin settings get verb") == ["verbosity"]


def test_run_is_found_by_openlineage_run_id_in_every_command(folder: Path) -> None:
    with connected(), ln.run("first.py") as run:
        pass
    for name in (run.uid, run.external_id, run.external_id.upper()):
        for words in (
            ["get", "run", name],
            ["describe", "run", name],
            ["get", "run", "--uid", name],
        ):
            assert typed(*words, "--json").json["uid"] == run.uid
        assert [row["uid"] for row in typed("lineage", name, "--json").json["runs"]] == [run.uid]
        assert typed("lineage", "--run", name, "--json").json["runs"][0]["uid"] == run.uid
        assert typed("diff", name, run.uid, "--json").json
        typed("annotate", "run", name, "--labels", f"label {name}")
    assert len(typed("get", "run", run.uid, "--json").json["ulabels"]) == 3
    assert "no run has the id" in typed("get", "run", "--uid", "no-such-run", code=3).stderr
    typed("delete", "run", run.external_id, "--yes")
    with connected():
        assert ln.Run.filter(uid=run.uid).count() == 0


def test_copy_of_known_bytes_can_be_shown_but_not_changed(folder: Path, outside: Path) -> None:
    uid = typed("save", "a.csv").stdout.strip()
    copy = outside / "from mail.csv"
    copy.write_text("x\n1\n")
    for command in ("lineage", "describe", "get", "load"):
        done = typed(command, str(copy))
        assert f"{copy}: same bytes as a.csv v0000" in done.stderr
    assert typed("get", str(copy), "--json").json["uid"] == uid
    before = typed("get", uid, "--json").json
    for name, *options in (("annotate", "--labels", "final"), ("delete", "--yes")):
        done = typed(name, str(copy), *options, code=3)
        assert "is not an artifact; it has the same bytes as a.csv" in done.stderr
    assert typed("get", uid, "--json").json == before
    typed("save", str(copy), "--key", "b.csv")
    assert "same bytes as a.csv v0000, b.csv v0000" in typed("lineage", str(copy)).stderr
    assert "names 2 records" in typed("get", str(copy), code=4).stderr


def test_commands_change_only_the_exactly_named_record(folder: Path, outside: Path) -> None:
    """Paths and names that are nearly those of other records, or their uids."""
    (outside / "a.csv").write_text("another")
    typed("save", "a.csv")
    with connected():
        labels = {name: ln.ULabel(name=name).save() for name in ("raw_1", "rawX1", "50%", "500")}
        twin = ln.ULabel(name=labels["50%"].uid).save()
        ln.Transform(key="a.py").save()
        before = {label.uid for label in ln.ULabel.all()}
    wrong_artifacts = [
        str(outside / "a.csv"),
        "/nowhere/a.csv",
        "../a.csv",
        "_.csv",
        "%",
        "a.cs",
        "A.CSV",
    ]
    for name in wrong_artifacts:
        typed("annotate", name, "--description", "wrong", code=3)
        typed("delete", name, "--yes", code=3)
    first = labels["500"].uid
    for name in ("raw%", "5", "50_", "RAW_1", "", first[:1], first[:3], f"{first}x"):
        typed("delete", "ulabel", name, "--yes", code=3)
    assert "names 2 records" in typed("delete", "ulabel", twin.name, "--yes", code=4).stderr
    typed("delete", "transform", "a.p_", "--yes", code=3)
    with connected():
        assert {label.uid for label in ln.ULabel.all()} == before
        assert ln.Artifact.get(key="a.csv").description is None
        assert ln.Transform.filter(key="a.py").count() == 1
    typed("delete", "ulabel", "raw_1", "--yes")
    typed("delete", "ulabel", "--uid", labels["500"].uid, "--yes")
    with connected():
        assert {label.name for label in ln.ULabel.all()} == {"rawX1", "50%", twin.name}


def test_deleted_record_error_explains_the_deletion(folder: Path) -> None:
    uid = typed("save", "a.csv").stdout.strip()
    typed("delete", "a.csv", "--yes")
    assert "'a.csv' is in the trash" in typed("get", "a.csv", code=3).stderr
    typed("delete", uid, "--permanent", "--yes")
    for words in (
        ["get", uid],
        ["describe", "artifact", uid],
        ["lineage", uid],
        ["get", "--uid", uid],
    ):
        done = typed(*words, code=3)
        assert f"Artifact {uid} was deleted for good on 2" in done.stderr
        assert ".df()" not in done.stderr
    with connected():
        transform = ln.Transform(key="gone.py").save()
        transform.delete()
    assert "was deleted for good on 2" in typed("get", "transform", transform.uid, code=3).stderr


def test_several_runs_of_the_same_name_are_listed(folder: Path) -> None:
    with connected():
        for _ in range(2):
            with ln.run("fit.py"):
                pass
    error = typed("describe", "run", "fit.py", code=4).stderr
    assert "'fit.py' names 2 records" in error
    assert ".first()" not in error


def test_new_version_needs_the_whole_stem_uid(folder: Path) -> None:
    uid = typed("save", "a.csv").stdout.strip()
    Path("b.csv").write_text("x\n2\n")
    for stem in ("", uid[0], uid[:15]):
        assert "not a whole uid" in typed("save", "b.csv", "--stem-uid", stem, code=3).stderr
    typed("save", "b.csv", "--stem-uid", f"{uid[:16]}000z", code=3)
    with connected():
        assert ln.Artifact.filter().count() == 1
