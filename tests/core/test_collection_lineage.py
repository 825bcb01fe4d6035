"""Collections in the graph: who chose the members, and who worked on them, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.lineage.view import view
from tests.support.statements import statements

Write = Callable[[str, str], Path]


@pytest.fixture
def parts(instance: Instance, write: Write) -> list[ln.Artifact]:
    """Three files that one run wrote."""
    with ln.run("make.py"):
        return [ln.Artifact(write(f"raw/{n}.txt", str(n))).save() for n in range(3)]


def chosen(members: list[ln.Artifact]) -> ln.Run:
    """A run that chose these members of the collection `cohort`."""
    with ln.run("group.py") as run:
        ln.Collection(members, key="cohort").save()
    return run


def inputs(run: ln.Run) -> list[str]:
    """The keys of what the run read."""
    return sorted(artifact.key or "" for artifact in run.input_artifacts.all())


def test_run_that_creates_a_collection_has_its_members_as_inputs(parts: list[ln.Artifact]) -> None:
    run = chosen([parts[0], parts[2]])
    assert inputs(run) == ["raw/0.txt", "raw/2.txt"]
    again = chosen([parts[0], parts[2]])  # the same collection, chosen once more
    assert inputs(again) == ["raw/0.txt", "raw/2.txt"]
    assert inputs(chosen(parts[:1] * 2)) == ["raw/0.txt"]
    assert run.output_artifacts.count() == 0


def test_run_that_wrote_a_member_does_not_have_it_as_input(
    parts: list[ln.Artifact], write: Write
) -> None:
    with ln.run("both.py") as run:
        own = ln.Artifact(write("own.txt", "own")).save()
        ln.Collection([parts[0], own], key="mixed").save()
    assert inputs(run) == ["raw/0.txt"]


def test_collection_without_a_run_or_without_tracking_adds_no_inputs(
    parts: list[ln.Artifact],
) -> None:
    ln.Collection(parts, key="alone").save()
    ln.settings.track_run_inputs = False
    try:
        assert inputs(chosen(parts[:2])) == []
    finally:
        ln.settings.track_run_inputs = True


def test_lineage_of_a_collection_result_includes_the_run_that_chose_the_members(
    instance: Instance, parts: list[ln.Artifact], write: Write
) -> None:
    chooser = chosen([parts[0], parts[2]])
    with ln.run("use.py") as user:
        cohort = ln.Collection.get(key="cohort")
        for member in cohort.artifacts.all():
            member.load()
        merged = ln.Artifact(write("merged.txt", "merged")).save()
    tree = instance.lineage.around(merged, down=0).tree()
    assert f"run {chooser.uid} of group.py · python · completed" in tree
    assert "collection cohort" in tree
    with statements(instance.db) as executed:
        seen = view(instance.lineage.around(merged))
    assert len(executed) == 4
    assert seen["dependencies"] == [{"run": user.uid, "source": chooser.uid, "role": "collection"}]
    assert {run["uid"]: run["collection"] for run in seen["runs"]}[chooser.uid] == "cohort"
    assert {edge["role"] for edge in seen["edges"] if edge["run"] == user.uid} == {"member", None}
    down = instance.lineage.around(parts[0], up=0)
    assert {run.transform_key for run in down.runs.values()} == {"group.py", "use.py"}
    assert "collection cohort" in instance.lineage.around(merged).svg()


def test_reading_a_member_by_its_own_key_does_not_depend_on_the_collection(
    instance: Instance, parts: list[ln.Artifact]
) -> None:
    chosen(parts)
    with ln.run("other.py") as run:
        ln.Artifact.get(key="raw/0.txt").load()
        ln.Collection.get(key="cohort").artifacts.filter(key="raw/9.txt").to_list()
    assert view(instance.lineage.around(run))["dependencies"] == []
