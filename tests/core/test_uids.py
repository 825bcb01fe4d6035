"""A uid that was given once never names other bytes, also after its version was deleted for good."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core.admin import fsck
from lamin_core.errors import NotFound
from lamin_core.instance.instance import Instance
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild

Write = Callable[[str, str], Path]


def _saved(write: Write, text: str) -> ln.Artifact:
    return ln.Artifact(write(f"outside/{text}.txt", text), key="t.txt").save()


@pytest.fixture
def saved(write: Write, instance: Instance) -> Callable[[str], ln.Artifact]:
    """Save this text under one key."""
    return lambda text: _saved(write, text)


def test_version_after_a_deleted_version_has_the_next_number(
    saved: Callable[[str], ln.Artifact],
) -> None:
    first, second = saved("one"), saved("two")
    second.delete(permanent=True)
    third = saved("three")
    assert [first.number, third.number] == [0, 2]
    assert third.is_latest
    with pytest.raises(NotFound, match=rf"{second.uid} was deleted for good on \d{{4}}-\d\d-\d\d"):
        ln.Artifact.get(second.uid)
    third.delete(permanent=True)
    assert saved("four").number == 3


def test_series_without_versions_continues_its_numbers(
    instance: Instance, saved: Callable[[str], ln.Artifact]
) -> None:
    first = saved("one")
    first.delete(permanent=True)
    assert fsck.check(instance, grace=0).is_clean
    again = saved("one")
    assert again.stem_uid == first.stem_uid
    assert again.number == 1
    with pytest.raises(NotFound, match="deleted for good"):
        ln.Artifact.get(first.uid)
    with pytest.raises(NotFound, match="no Artifact with uid"):
        ln.Artifact.get(first.stem_uid + "00zz")


def test_rebuild_does_not_reuse_uids_of_deleted_versions(instance: Instance) -> None:
    def event(number: int) -> dict[str, Any]:
        facet = {
            "_producer": "urn:x",
            "_schemaURL": "urn:x",
            "hash": f"{number:064d}",
            "hash_type": "blake3",
            "size": 1,
        }
        return {
            "eventType": "COMPLETE",
            "eventTime": f"2026-01-01T00:0{number}:00Z",
            "producer": "urn:x",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": f"0197a000-0000-7000-8000-{number:012d}"},
            "job": {"namespace": "n", "name": "job"},
            "outputs": [
                {"namespace": "s3://bucket", "name": "t.txt", "facets": {"lamin_artifact": facet}}
            ],
        }

    def take(number: int) -> None:
        assert ingest(instance.db, [parse(json.dumps(event(number)))]).quarantined == []

    for number in (1, 2):
        take(number)
    first, second = ln.Artifact.order_by("number").list()
    second.delete(permanent=True)
    take(3)
    third = ln.Artifact.order_by("number").list()[-1]
    assert third.number == 2
    for _ in range(2):
        rebuild(instance.db)
        uids = {artifact.hash: artifact.uid for artifact in ln.Artifact.all()}
        assert uids[first.hash] == first.uid
        assert second.uid not in uids.values()
    first.delete(permanent=True)
    for artifact in ln.Artifact.all():
        artifact.delete(permanent=True)
    rebuild(instance.db)
    assert {first.uid, second.uid, third.uid}.isdisjoint(ln.Artifact.all().list("uid"))


def test_uids_of_deleted_transforms_and_collections_are_not_reused(
    instance: Instance, saved: Callable[[str], ln.Artifact]
) -> None:
    ln.Transform(key="a.py", source_code="1").save()
    second = ln.Transform(key="a.py", source_code="2").save()
    second.delete()
    third = ln.Transform(key="a.py", source_code="3").save()
    assert third.number == 2
    ln.Transform.filter(key="a.py").delete()
    assert ln.Transform(key="a.py", source_code="2").save().number == 3
    with pytest.raises(NotFound, match=r"Transform .* was deleted for good"):
        ln.Transform.get(second.uid)
    first, two = saved("one"), saved("two")
    ln.Collection([first], key="c").save()
    larger = ln.Collection([first, two], key="c").save()
    larger.delete()
    assert ln.Collection([two], key="c").save().number == 2
    with pytest.raises(NotFound, match=r"Collection .* was deleted for good"):
        ln.Collection.get(larger.uid)


def test_concurrent_writers_never_reuse_a_uid(instance: Instance, write: Write) -> None:
    def save_and_delete(number: int) -> str:
        artifact = _saved(write, f"text {number}")
        uid: str = artifact.uid
        if number % 2:
            artifact.delete(permanent=True)
        return uid

    with ThreadPoolExecutor(4) as pool:
        uids = list(pool.map(save_and_delete, range(24)))
    assert len(set(uids)) == len(uids)
