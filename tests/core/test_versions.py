"""The fold over observations, and the registry that it fills: no order of arrival leaves a trace."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamin_core.db.database import Database
from lamin_core.enums import RunStatus
from lamin_core.ingest.facts import DatasetFacts, RunFacts, TransformFacts
from lamin_core.ingest.record import record
from lamin_core.ingest.versions import Observation, fold
from lamin_core.lineage.graph import whole
from lamin_core.lineage.view import view

T = datetime(2026, 1, 1, tzinfo=UTC)


def _at(second: int) -> datetime:
    return T + timedelta(seconds=second)


def test_writes_make_versions_and_reads_match_them() -> None:
    seen = [
        Observation(_at(1), "input", 1, run_id=1, edge_id=1),
        Observation(_at(2), "output", 2, run_id=2, edge_id=2),
        Observation(_at(3), "input", 2, run_id=3, edge_id=3),
        Observation(_at(4), "output", 2, run_id=4, edge_id=4),
        Observation(_at(5), "output", 1, run_id=5, edge_id=5),
        Observation(_at(6), "input", None, run_id=6, edge_id=6),
        Observation(_at(7), "input", 2, run_id=7, edge_id=7),
    ]
    versions = fold(seen)
    assert [(v.content_id, v.writer, [o.edge_id for o in v.seen_by]) for v in versions] == [
        (1, None, [1]),
        (2, 2, [2, 3, 4, 7]),
        (1, 5, [5, 6]),
    ]


def test_unverified_writes_of_two_runs_are_two_versions() -> None:
    seen = [Observation(_at(n), "output", None, run_id=n, edge_id=n) for n in (1, 2)]
    assert [v.writer for v in fold(seen)] == [1, 2]
    looked = [*seen, Observation(_at(3), "input", 9, run_id=3, edge_id=3)]
    assert [(v.content_id, v.writer) for v in fold(looked)] == [(None, 1), (9, 2)]


def test_read_and_write_at_the_same_time_are_ordered_read_first() -> None:
    seen = [Observation(_at(1), "output", 2, 1, 1), Observation(_at(1), "input", 1, 1, 2)]
    assert [v.content_id for v in fold(seen)] == [1, 2]


_RUNS = st.lists(
    st.tuples(
        st.integers(0, 6),  # when it starts
        st.integers(1, 4),  # how long it takes
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from([None, "1", "2"])), max_size=2
        ),  # what it reads
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from([None, "1", "2", "3"])), max_size=2
        ),
        st.sampled_from(["code", "changed", None]),
    ),
    min_size=1,
    max_size=6,
)


def _facts(number: int, run: Any) -> RunFacts:
    start, length, reads, writes, source = run
    datasets = [("input", _at(start), *item) for item in dict(reads).items()]
    datasets += [("output", _at(start + length), *item) for item in dict(writes).items()]
    return RunFacts(
        run_id=f"run-{number}",
        transform=TransformFacts("test", "job", source=source, source_hash=source),
        engine="test",
        status=RunStatus.COMPLETED,
        started_at=_at(start),
        finished_at=_at(start + length),
        datasets=tuple(
            DatasetFacts(direction, f"/d/{name}.txt", at, content, content and "blake3", 1)  # type: ignore[arg-type]
            for direction, at, name, content in datasets
        ),
    )


def _recorded_view(folder: Path, facts: list[RunFacts], name: str) -> str:
    database = Database(f"sqlite:///{folder / name}.db")
    database.create()
    for run_facts in facts:
        with database.writing() as session:
            record(session, [run_facts])
    with database.reading() as session:
        seen = view(whole(session))
    database.dispose()
    names = {
        artifact["uid"]: (artifact["key"], artifact["version"]) for artifact in seen["artifacts"]
    }
    edges = [(e["run"], names[e["artifact"]], e["direction"]) for e in seen["edges"]]
    runs = [(r["external_id"], r["transform"], r["status"]) for r in seen["runs"]]
    artifacts = [(names[a["uid"]], a["hash"]) for a in seen["artifacts"]]
    return json.dumps([sorted(map(str, rows)) for rows in (artifacts, runs, edges)])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs=_RUNS, order=st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_change_the_registry(
    tmp_path_factory: pytest.TempPathFactory, runs: list[Any], order: Any
) -> None:
    facts = [_facts(number, run) for number, run in enumerate(runs)]
    shuffled = facts * 2
    order.shuffle(shuffled)
    folder = tmp_path_factory.mktemp("order")
    assert _recorded_view(folder, facts, "in_order") == _recorded_view(folder, shuffled, "shuffled")
