"""Jobs that an earlier release named by the folder of their project: their transforms go on under the new name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.models import Run, Transform
from openlineage.lamin.emit.events import Event, Job, start
from openlineage.lamin.emit.events import Run as EmittedRun
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild

pytestmark = pytest.mark.usefixtures("connected")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CODE = "rule all: ...\n"


def start_of(
    number: int, name: str, source: str | None = CODE, previous: str | None = None
) -> Event:
    job = Job("snakemake", name, "workflow", source, "snakemake", previous_name=previous)
    run = EmittedRun(f"0194e0a0-0000-7000-8000-{number:012d}", job, "snakemake", "9.27.1")
    return start(run, BEGIN + timedelta(hours=number))


def ingest_each(instance: Instance, *events: Event) -> None:
    for event in events:
        ingest(instance.db, [parse(event)])


def keys() -> list[str]:
    return sorted({transform.key for transform in Transform.all()})


def uids() -> list[str]:
    return [run.transform.uid for run in Run.all().order_by("started_at")]


def test_job_with_a_known_previous_name_continues_its_transform(
    instance: Instance,
) -> None:
    ingest_each(instance, start_of(1, "lab/Snakefile"))
    (before,) = uids()
    ingest_each(instance, start_of(2, "Snakefile", previous="lab/Snakefile"))
    assert uids() == [before, before]
    assert keys() == ["Snakefile"]
    assert Transform.get(key="Snakefile").uid == before
    changed = start_of(3, "Snakefile", "rule all: more\n", previous="lab_2026/Snakefile")
    ingest_each(instance, changed)
    assert uids() == [before, before, f"{before[:12]}0001"]
    assert keys() == ["Snakefile"]


def test_job_of_a_moved_folder_continues_its_transform_by_its_code(instance: Instance) -> None:
    ingest_each(instance, start_of(1, "lab/Snakefile"), start_of(2, "lab/Snakefile:map", "map"))
    before = uids()
    ingest_each(
        instance,
        start_of(3, "Snakefile", previous="lab_2026/Snakefile"),
        start_of(4, "Snakefile:map", "map", previous="lab_2026/Snakefile:map"),
    )
    assert uids() == before * 2
    assert keys() == ["Snakefile", "Snakefile:map"]


def test_job_with_two_possible_previous_projects_is_a_new_transform(
    instance: Instance,
) -> None:
    ingest_each(instance, start_of(1, "a/Snakefile"), start_of(2, "b/Snakefile"))
    ingest_each(instance, start_of(3, "Snakefile", previous="c/Snakefile"))
    assert len(set(uids())) == 3
    assert keys() == ["Snakefile", "a/Snakefile", "b/Snakefile"]


def test_job_with_other_code_under_another_folder_is_a_new_transform(
    instance: Instance,
) -> None:
    ingest_each(instance, start_of(1, "a/Snakefile"))
    ingest_each(instance, start_of(2, "Snakefile", "other", previous="b/Snakefile"))
    assert keys() == ["Snakefile", "a/Snakefile"]


def test_late_events_under_the_previous_name_belong_to_the_transform(
    instance: Instance,
) -> None:
    ingest_each(instance, start_of(1, "lab/Snakefile"))
    ingest_each(instance, start_of(3, "Snakefile", previous="lab/Snakefile"))
    ingest_each(instance, start_of(2, "lab/Snakefile", "between"))
    assert len({uid[:12] for uid in uids()}) == 1
    assert keys() == ["Snakefile"]


def test_rebuild_of_a_renamed_job_gives_the_same_transforms(instance: Instance) -> None:
    events = [
        start_of(1, "lab/Snakefile"),
        start_of(2, "lab/Snakefile", "second"),
        start_of(3, "Snakefile", "second", previous="lab/Snakefile"),
        start_of(4, "Snakefile", "third", previous="lab/Snakefile"),
    ]
    ingest_each(instance, *events)
    before = uids(), keys()
    rebuild(instance.db)
    assert (uids(), keys()) == before
    assert [uid[12:] for uid in before[0]] == ["0000", "0001", "0001", "0002"]


def test_batch_with_both_names_of_a_job_makes_one_transform(instance: Instance) -> None:
    events = [
        start_of(1, "lab/Snakefile"),
        start_of(2, "Snakefile", previous="lab/Snakefile"),
        start_of(3, "Snakefile", "changed", previous="lab/Snakefile"),
    ]
    ingest(instance.db, map(parse, events))
    assert keys() == ["Snakefile"]
    assert len(set(uids())) == 2
