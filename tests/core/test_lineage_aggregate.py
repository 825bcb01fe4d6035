"""Groups of a lineage: one for a step, however many jobs it has, and what selects and expands them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance
from lamin_core.lineage.aggregate import Aggregate, aggregate
from lamin_core.lineage.graph import Graph, walk
from lamin_core.lineage.selection import MAX_LENGTH, parse, restricted, selected

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SAMPLES = 5


@pytest.fixture
def workflow(instance: Instance) -> ln.Run:
    """Two rules over five samples and one reference; one job failed; another workflow reads a result."""
    code = {
        name: ln.Transform(key=name).save()
        for name in ("flow", "flow:align", "flow:count", "report")
    }
    run = ln.Run(code["flow"]).save()
    reference = _file("genome.fa", None)
    for number in range(SAMPLES):
        align = ln.Run(code["flow:align"], parent=run, name=f"s{number}").save()
        align.input_artifacts.add(reference)
        bam = _file(f"results/s{number}.bam", align)
        align.complete()
        count = ln.Run(code["flow:count"], parent=run, name=f"s{number}").save()
        count.input_artifacts.add(bam)
        if number == 3:
            count.fail("out of memory")
            continue
        table = _file(f"results/s{number}.csv", count)
        count.complete()
    run.complete()
    report = ln.Run(code["report"]).save()
    report.input_artifacts.add(table)
    report.complete()
    table.labels.add(ln.ULabel(name="final").save())
    code["report"].labels.add(ln.ULabel(name="slides").save())
    return run


def _file(key: str, run: ln.Run | None) -> ln.Artifact:
    path = Path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(key)
    return ln.Artifact(path, run=run or False).save()


def _graph(instance: Instance, run: ln.Run) -> tuple[Graph, list[int]]:
    runs = [run.id, *(child.id for child in ln.Run.filter(parent=run).all())]
    with instance.db.reading() as session:
        return walk(session, runs=runs, up=1, down=2), [-key for key in runs]


def _counts(groups: Aggregate) -> dict[str, int]:
    return {group.name: len(group.members) for group in groups.groups.values()}


def test_workflow_is_one_group_per_step_that_expands_and_collapses(
    instance: Instance, workflow: ln.Run
) -> None:
    graph, starts = _graph(instance, workflow)
    groups = aggregate(graph, starts)
    # The file that the report reads is apart from the others.
    assert _counts(groups) == {
        "genome.fa": 1, "align": 5, "*.bam": 5, "count": 5, "*.csv": 3, "s4.csv": 1, "report": 1,
    }  # fmt: skip
    count = next(group for group in groups.groups.values() if group.name == "count")
    assert dict(count.states) == {"failed": 1, "completed": 4}
    assert list(count.states) == ["failed", "completed"]
    assert count.seconds is not None
    assert count.compute_seconds is not None
    align, bam = (
        next(key for key, group in groups.groups.items() if group.name == name)
        for name in ("align", "*.bam")
    )
    assert groups.links[align, bam] == SAMPLES
    _check_expanded(graph, starts)
    _check_levels(graph, starts)
    few = restricted(graph, selected(graph, parse("kind:run"), lambda _: ()))
    assert (few.artifacts, few.edges) == ({}, [])
    assert len(few.runs) == len(graph.runs)


def _check_expanded(graph: Graph, starts: list[int]) -> None:
    """The members of an expanded group are shown, the failed before the others."""
    token = next(g.token for g in aggregate(graph, starts).groups.values() if g.name == "count")
    groups = aggregate(graph, starts, expanded=[token, "nobody"])
    members = [group for group in groups.groups.values() if group.expanded == token]
    assert sorted(group.name for group in members) == [f"count s{n}" for n in range(SAMPLES)]
    few = aggregate(graph, starts, expanded=[token], most=6)
    shown = [group for group in few.groups.values() if group.expanded == token]
    assert {"count s3", "count s0"} <= {group.name for group in shown}
    assert sum(len(group.members) for group in shown) == SAMPLES
    assert few.total > len(few.groups) == 6


def _check_levels(graph: Graph, starts: list[int]) -> None:
    """A workflow folds into one group, and everything unfolds."""
    folded = aggregate(graph, starts, level="workflow")
    assert {"genome.fa", "flow", "report"} <= _counts(folded).keys()
    assert len(folded.groups) <= 5
    single = aggregate(graph, starts, level="none")
    assert all(len(group.members) == 1 for group in single.groups.values())
    assert aggregate(graph, starts, level="code").groups.keys() <= single.groups.keys()


SELECTIONS = {
    "genome.fa": {"genome.fa"},
    "s4.csv+": {"s4.csv", "report"},
    "1+s4.csv": {"count", "s4.csv"},
    "+s4.csv and kind:run": {"align", "count"},
    "status:failed": {"count"},
    "tag:final or tag:slides": {"s4.csv", "report"},
    "*.bam not s0.bam": {"*.bam"},
    "*.bam not s0.bam not +status:failed": {"s1.bam", "s2.bam", "s4.bam"},
    '"genome.fa"+1 and engine:python': {"align"},
    "(genome.fa or report) and not kind:run": {"genome.fa"},
    "nothing": set(),
}


def test_selection_draws_the_groups_it_names(client: TestClient, workflow: ln.Run) -> None:
    path = f"/run/{workflow.uid}/lineage.json?down=2"
    for text, names in SELECTIONS.items():
        answer = client.get(path, params={"down": 2, "select": text})
        assert answer.status_code == 200, answer.text
        groups = answer.json()["aggregate"]["groups"]
        assert {group["name"].split(" ")[0] for group in groups} == names, text


@pytest.mark.parametrize(
    "text", ["", "and", "a or", "(a", "a)", "not", "+", "tag:", '"a', "(" * 60, "a" * (MAX_LENGTH + 1)]
)  # fmt: skip
def test_invalid_selection_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(text)
    assert "for example" in (caught.value.hint or "")


@pytest.fixture
def client(instance: Instance) -> Any:
    """The pages over the instance."""
    pytest.importorskip("prometheus_client", reason="the extra server is not installed")
    from tests.support.web_registry import serve

    return serve(instance)


def test_lineage_page_expands_a_node_and_keeps_its_state_in_the_url(
    client: TestClient, workflow: ln.Run
) -> None:
    start = ln.Artifact.get(key="genome.fa")
    path = f"/artifact/{start.uid}/lineage"
    near = client.get(f"{path}.json?down=1").json()["aggregate"]
    assert [group["name"] for group in near["groups"]] == ["genome.fa", "align"]
    token = near["groups"][1]["token"]
    further = client.get(f"{path}.json?down=1&further=down:{token}").json()["aggregate"]
    assert {"*.bam", "count"} <= {group["name"] for group in further["groups"]}
    page = client.get(f"{path}?down=1").text
    assert f"{path}?down=1&amp;further=down%3A{token}" in page
    assert f"{path}?down=1&amp;expand={token}" in page
    assert client.get(f"{path}?down=1&expand={token}").text.count("data-box=") == 1 + SAMPLES
    svg = client.get(f"{path}.svg?down=1").text
    assert 'class="bar completed"' in svg
    for refused in ("expand=a b", "further=up", "further=in:x", "boxes=0", "select=("):
        assert client.get(f"{path}?{refused}").status_code == 400, refused
    _check_without_failed(client, workflow)


def _check_without_failed(client: TestClient, workflow: ln.Run) -> None:
    path = f"/run/{workflow.uid}/lineage.json?failed=off"
    groups = client.get(path).json()["aggregate"]["groups"]
    assert {g["name"]: g["states"] for g in groups if g["kind"] == "run"} == {
        "align": {"completed": 5},
        "count": {"completed": 4},
    }
