"""The number of modules that a call enters: a reader has to follow it through that many files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact
from lamin_core.runtime import current
from openlineage.lamin.emit.events import Dataset, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse

from .conftest import at, run_of

ROOT = Path(__file__).parents[2]
START_OF_A_RUN = 39
"""Modules that `ingest` enters for it; may only go down: the aim is 15."""
SAVE_OF_AN_ARTIFACT = 25
"""Modules that `Artifact.save()` enters; may only go down: the aim is 14. It was 24 before `models.tables` existed."""


def calls_during(walk: Callable[[], object]) -> list[tuple[str, str, str]]:
    """The calls of our functions: module, name, and the module of our calling function."""
    calls = []

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and (module := _module(frame)):
            calls.append((module, frame.f_code.co_name, _caller(frame)))

    sys.setprofile(profile)
    try:
        walk()
    finally:
        sys.setprofile(None)
    return calls


def _module(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    ours = (ROOT / "lamin_core", ROOT / "openlineage")
    return str(path.relative_to(ROOT)) if any(folder in path.parents for folder in ours) else ""


def _caller(frame: FrameType) -> str:
    above = frame.f_back
    while above is not None and not _module(above):
        above = above.f_back
    return "" if above is None else _module(above)


def test_ingest_start_of_a_run_enters_few_modules(instance: Instance) -> None:
    read = Dataset("file", "/data/a.csv")
    first, second = (
        parse(start(run_of(number, "align"), at(number), inputs=[read])) for number in (1, 2)
    )
    ingest(instance.db, [first])
    calls = calls_during(lambda: ingest(instance.db, [second]))
    entered = {module for module, _, _ in calls}
    assert len(entered) <= START_OF_A_RUN, sorted(entered)
    # Downwards alone: of the receiver, the write path calls what it was given to read a job with.
    back = {
        name
        for module, name, caller in calls
        if module.startswith("openlineage") and caller.startswith("lamin_core/ingest")
    }
    assert back <= {"job_attributes"}


def test_artifact_save_enters_few_modules(instance: Instance) -> None:
    current.set_current_instance(instance)
    try:
        for name in ("a.txt", "b.txt"):
            Path(name).write_text(name)
        Artifact("a.txt", key="raw/a.txt").save()
        artifact = Artifact("b.txt", key="raw/b.txt")
        calls = calls_during(artifact.save)
    finally:
        current.set_current_instance(None)
    entered = {module for module, _, _ in calls}
    assert len(entered) <= SAVE_OF_AN_ARTIFACT, sorted(entered)
