"""Which results are outdated: made from versions that other bytes have superseded since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.lineage.outdated import outdated

Write = Callable[[str, str], Path]


@pytest.fixture
def step(instance: Instance, write: Write) -> Callable[[str, str, str], None]:
    """Run a script that reads one file and writes another."""

    def run(source: str, target: str, text: str) -> None:
        with ln.run(f"{target}.py"):
            ln.Artifact.get(key=source).cache()
            write(target, text)
            ln.Artifact(target).save()

    return run


def keys(instance: Instance) -> dict[str, list[tuple[str, bool]]]:
    """The outdated results by key; each cause by key, and whether it has a newer version."""
    with instance.db.reading() as session:
        causes = outdated(session)
    names = {artifact.id: artifact.key for artifact in ln.Artifact.all()}
    return {
        names[result]: [(names[cause.source], cause.newest is not None) for cause in reasons]
        for result, reasons in causes.items()
    }


def save(write: Write, name: str, text: str) -> None:
    write(name, text)
    ln.Artifact(name, run=False).save()


def test_changed_input_makes_the_results_and_their_dependents_outdated(
    instance: Instance, write: Write, step: Callable[[str, str, str], None]
) -> None:
    save(write, "raw.csv", "1")
    save(write, "other.csv", "1")
    step("raw.csv", "table.csv", "a")
    step("table.csv", "figure.png", "b")
    step("other.csv", "side.csv", "c")
    assert keys(instance) == {}
    save(write, "raw.csv", "2")
    assert keys(instance) == {
        "table.csv": [("raw.csv", True)],
        "figure.png": [("table.csv", False)],
    }
    step("raw.csv", "table.csv", "a2")
    assert keys(instance) == {"figure.png": [("table.csv", True)]}
    step("table.csv", "figure.png", "b2")
    assert keys(instance) == {}


def test_result_rebuilt_with_the_same_bytes_is_not_outdated(
    instance: Instance, write: Write, step: Callable[[str, str, str], None]
) -> None:
    save(write, "raw.csv", "1")
    step("raw.csv", "table.csv", "a")
    save(write, "raw.csv", "2")
    step("raw.csv", "table.csv", "a")
    assert keys(instance) == {}
    save(write, "raw.csv", "1")
    assert keys(instance) == {"table.csv": [("raw.csv", True)]}


def test_input_reverted_to_the_read_bytes_and_file_updated_in_place_are_not_outdated(
    instance: Instance, write: Write, step: Callable[[str, str, str], None]
) -> None:
    save(write, "raw.csv", "1")
    step("raw.csv", "table.csv", "a")
    save(write, "raw.csv", "2")
    save(write, "raw.csv", "1")
    save(write, "count.txt", "0")
    with ln.run("count.py"):
        ln.Artifact.get(key="count.txt").cache()
        for name, text in (("count.txt", "1"), ("report.txt", "r")):
            write(name, text)
            ln.Artifact(name).save()
    assert keys(instance) == {}


def test_tree_and_picture_mark_outdated_results(
    instance: Instance, write: Write, step: Callable[[str, str, str], None]
) -> None:
    save(write, "raw.csv", "1")
    step("raw.csv", "table.csv", "a")
    save(write, "raw.csv", "2")
    shown = ln.Artifact.get(key="table.csv").view_lineage(return_graph=True)
    lines = shown.tree().splitlines()
    assert lines[0] == "table.csv  v0000  (outdated: raw.csv)"
    assert lines[2] == "   └─ raw.csv  v0000  (newer: v0001)"
    assert 'class="artifact outdated start"' in shown.svg()
    past = ln.Artifact.get(key="table.csv").view_lineage(return_graph=True, as_of="1s")
    assert "outdated" not in past.tree()
