"""The inputs of a run, and how a user changes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import NotFound
from lamin_core.instance.instance import Instance

Write = Callable[[str, str], Path]


@pytest.fixture
def source(instance: Instance, write: Write) -> ln.Artifact:
    return ln.Artifact(write("a.csv", "x\n1\n")).save()


@pytest.fixture
def run(instance: Instance) -> ln.Run:
    return ln.track(ln.Transform(key="t"))


@pytest.mark.parametrize("read", ["cache", "load", "open"])
def test_is_run_input_may_be_false_or_another_run(
    source: ln.Artifact, run: ln.Run, read: str
) -> None:
    other = ln.Run(run.transform).save()
    getattr(source, read)(is_run_input=False)
    getattr(source, read)(is_run_input=other)
    assert run.input_artifacts.count() == 0
    assert [artifact.uid for artifact in other.input_artifacts] == [source.uid]
    getattr(source, read)(is_run_input=True)
    getattr(source, read)()
    assert [artifact.uid for artifact in run.input_artifacts] == [source.uid]


def test_artifact_that_could_not_be_read_is_not_an_input(source: ln.Artifact, run: ln.Run) -> None:
    Path("a.csv").unlink()
    with pytest.raises(NotFound):
        source.load()
    assert run.input_artifacts.count() == 0


def test_query_and_describe_do_not_make_an_input(source: ln.Artifact, run: ln.Run) -> None:
    artifact = ln.Artifact.get(key="a.csv")
    artifact.describe()
    assert artifact.path.name == "a.csv"
    assert ln.Artifact.filter(key="a.csv").exists()
    assert run.input_artifacts.count() == 0
