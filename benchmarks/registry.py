"""Measures the registries with 50,000 artifacts and 10,000 labels; prints JSON: medians, in milliseconds.

`python benchmarks/registry.py [DATABASE URL] [ARTIFACTS]`, in one process. `against_lamindb` asks
LaminDB the same.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import lamin_core as ln
from lamin_core.db.statements import insert_rows
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, ArtifactSeries, ArtifactULabel, Content, now
from lamin_core.uids import derived_uid

LABELS = 10_000


def main() -> None:
    """Fill a fresh instance, ask, and print."""
    url = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else None
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        instance = ln.setup.init("./data", db=url)
        measured = {**labels(), **artifacts(instance, count)}
        instance.db.dispose()
    print(json.dumps({name: round(taken, 3) for name, taken in measured.items()}, indent=2))


def median(question: Callable[[], Any], repeats: int) -> float:
    """Milliseconds; the first two warm up."""
    taken = []
    for _ in range(repeats + 2):
        begin = time.perf_counter()
        question()
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken[2:])


def labels() -> dict[str, float]:
    """Labels made and found by their names, `LABELS` at a time."""
    batches = iter(
        [f"label-{batch}-{number:06d}" for number in range(LABELS)] for batch in range(10)
    )
    first = next(batches)
    ln.ULabel.from_values(first, create=True).save()
    return {
        "from_values_create": median(
            lambda: ln.ULabel.from_values(next(batches), create=True).save(), 3
        ),
        "from_values_existing": median(lambda: ln.ULabel.from_values(first), 3),
        "label_saved_alone": median(lambda: ln.ULabel(name=os.urandom(8).hex()).save(), 50),
        "validate": median(lambda: ln.ULabel.validate(first), 3),
    }


def artifacts(instance: Instance, count: int) -> dict[str, float]:
    """Questions about many artifacts, of which each has a label."""
    begin = time.perf_counter()
    fill(instance, count)
    filled = (time.perf_counter() - begin) * 1000
    some = ln.Artifact.get(key=key(count // 2))
    first = ln.Artifact.filter(key__startswith="proj07/")
    queries: dict[str, tuple[Callable[[], Any], int]] = {
        "get_by_uid": (lambda: ln.Artifact.get(some.uid), 200),
        "get_by_stem": (lambda: ln.Artifact.get(some.stem_uid), 200),
        "get_by_key": (lambda: ln.Artifact.get(key=some.key), 200),
        "filter_prefix_label": (lambda: list(first.filter(ulabels__name="of-07")), 20),
        "filter_prefix": (lambda: list(first), 20),
        "count_prefix": (first.count, 20),
        "count_label": (ln.Artifact.filter(ulabels__name="of-07").count, 20),
        "search": (lambda: list(ln.Artifact.search("sample123")), 20),
        "search_with_a_typo": (lambda: list(ln.Artifact.search("smaple123")), 20),
        "search_of_two_words": (lambda: list(ln.Artifact.search("proj07 sample123")), 20),
        "search_of_what_all_have": (lambda: list(ln.Artifact.search("sample")), 20),
        "df": (lambda: first.df(limit=1000), 10),
    }
    return {"filled": filled} | {
        name: median(question, repeats) for name, (question, repeats) in queries.items()
    }


def key(number: int) -> str:
    """The key of an artifact: of `proj07/` there are 1,000 among 50,000."""
    return f"proj{number % 50:02d}/sample{number % 977:03d}/file{number:06d}.parquet"


def fill(instance: Instance, count: int) -> None:
    """Rows as saving makes them, without files."""
    ln.ULabel.from_values([f"of-{number:02d}" for number in range(20)], create=True).save()
    labels = ln.ULabel.filter(name__startswith="of-").order_by("name").values_list("id", flat=True)
    root = ln.Storage.filter(is_managed=True).one().id
    stems = {number: derived_uid(16, "benchmark", str(number)) for number in range(1, count + 1)}
    shared = {
        "number": 0,
        "is_latest": True,
        "storage_id": root,
        "suffix": ".parquet",
        "origin": "api",
    }
    shared["created_at"] = now()
    tables: dict[Any, list[dict[str, Any]]] = {
        Content: [
            {"id": n, "hash": derived_uid(22, str(n)), "hash_type": "x", "size": 1000 + n}
            for n in stems
        ],
        ArtifactSeries: [
            {"id": n, "stem": stem, "storage_id": root, "key": key(n)} for n, stem in stems.items()
        ],
        Artifact: [
            {
                **shared,
                "id": n,
                "uid": f"{stem}0000",
                "series_id": n,
                "content_id": n,
                "key": key(n),
            }
            for n, stem in stems.items()
        ],
        ArtifactULabel: [
            {"artifact_id": n, "ulabel_id": labels[n % 20], "origin": "api"} for n in stems
        ],
    }
    with instance.db.writing() as session:
        for model, rows in tables.items():
            insert_rows(session, model, rows)


if __name__ == "__main__":
    main()
