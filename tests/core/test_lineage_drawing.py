"""The picture of a lineage: boxes that do not overlap, links from left to right, and text that cannot do harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.lineage.graph import ArtifactNode, Graph, RunNode
from lamin_core.render.display import MOST
from lamin_core.render.drawing import Lineage, svg
from lamin_core.render.layout import HEIGHT, layout
from tests.core.test_lineage_graph import chain, ladder
from tests.support.lineage_graphs import BEGIN, Shape

Write = Callable[[str, str], Path]


def graph(shape: Shape, key: str = "d/{}.txt", transform: str = "step") -> Graph:
    """The whole shape, numbered from 1."""
    artifacts = {
        a: ArtifactNode(a, f"{a:016d}0000", key.format(a), "/w", None, None, None, None, None)
        for a in range(1, shape.artifacts + 1)
    }
    runs = {
        r: RunNode(r, f"{r:016d}", f"e{r}", None, "planted", None, "completed", False, 1, BEGIN, BEGIN, None, None,
                   f"t{r % 2}", transform, None)
        for r in range(1, shape.runs + 1)
    }  # fmt: skip
    return Graph(
        artifacts, runs, [(r + 1, a + 1, direction, role) for r, a, direction, role in shape.edges]
    )


def boxes(picture: str) -> list[str]:
    """The titles of all boxes; the picture is valid XML."""
    root = ElementTree.fromstring(picture)
    return [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]


@st.composite
def links(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """The number of nodes and of links between them."""
    size = draw(st.integers(1, 14))
    node = st.integers(1, size)
    return size, draw(st.lists(st.tuples(node, node), max_size=30))


@settings(max_examples=200, deadline=None)
@given(links())
def test_boxes_never_overlap_and_links_start_and_end_at_boxes(
    shape: tuple[int, list[tuple[int, int]]],
) -> None:
    size, pairs = shape
    widths = {node: 60.0 + 7 * node for node in range(1, size + 1)}
    places = layout(widths, [pair for pair in pairs if pair[0] != pair[1]])
    for (first, (x1, y1)), (other, (x2, y2)) in combinations(places.corners.items(), 2):
        assert (
            x1 + widths[first] <= x2
            or x2 + widths[other] <= x1
            or y1 + HEIGHT <= y2 + 1e-6
            or y2 + HEIGHT <= y1 + 1e-6
        )
    for node, (x, y) in places.corners.items():
        assert 0 <= x <= x + widths[node] <= places.width
        assert 0 <= y <= y + HEIGHT <= places.height
    for (source, target), route in places.ways.items():
        sides = {
            (places.corners[end][0], places.corners[end][0] + widths[end])
            for end in (source, target)
        }
        assert {route[0][0], route[-1][0]} <= {edge for side in sides for edge in side}
        assert route[0][1] == pytest.approx(places.corners[source][1] + HEIGHT / 2)
        assert route[-1][1] == pytest.approx(places.corners[target][1] + HEIGHT / 2)


@settings(max_examples=200, deadline=None)
@given(links())
def test_links_of_an_acyclic_graph_run_from_left_to_right(
    shape: tuple[int, list[tuple[int, int]]],
) -> None:
    size, pairs = shape
    downhill = [(source, other) for source, other in pairs if source < other]
    places = layout(dict.fromkeys(range(1, size + 1), 50.0), downhill)
    for route in places.ways.values():
        assert [x for x, _ in route] == sorted(x for x, _ in route)
        assert route[0][0] < route[-1][0]


def test_ladder_is_drawn_without_crossings() -> None:
    places = layout(
        dict.fromkeys(range(1, 8), 60.0),
        [(1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (4, 6), (5, 7), (6, 7)],
    )
    assert len({x for x, _ in places.corners.values()}) == 5
    assert (
        places.corners[1][1]
        == pytest.approx(places.corners[4][1])
        == pytest.approx(places.corners[7][1])
    )


def test_nodes_of_a_cycle_are_drawn_side_by_side() -> None:
    places = layout({1: 60.0, 2: 60.0, 3: 60.0}, [(1, 2), (2, 3), (3, 1)])
    assert [places.corners[node][1] for node in (1, 2, 3)] == pytest.approx(
        [places.corners[1][1]] * 3, abs=HEIGHT
    )
    assert places.corners[1][0] < places.corners[2][0] < places.corners[3][0]
    assert places.ways[3, 1][0][0] > places.ways[3, 1][-1][0]


def test_every_node_is_a_box_and_every_edge_a_curve() -> None:
    shape = ladder(3)
    picture = svg(graph(shape), [10])
    assert len(boxes(picture)) == 20
    assert picture.count("<path") == len(shape.edges)
    assert picture.count('class="artifact start"') == 1


def test_cycle_is_drawn() -> None:
    shape = Shape(1, 1, [(0, 0, "input", None), (0, 0, "output", None)])
    picture = svg(graph(shape), [1])
    assert (len(boxes(picture)), picture.count("<path")) == (2, 2)


def test_names_are_escaped_in_the_picture() -> None:
    picture = svg(graph(chain(2), key='<script>"&\x1b\n{}', transform="</style><b>"), [1])
    assert "<script" not in picture
    assert "<b>" not in picture
    assert "\x1b" not in picture
    assert any("<script>" in title for title in boxes(picture))


def test_files_with_the_same_producer_and_reader_are_one_box() -> None:
    edges = [(0, a, "output", None) for a in range(20)] + [(1, a, "input", None) for a in range(20)]
    picture = svg(graph(Shape(21, 2, [*edges, (1, 20, "output", None)])), [21])
    assert len(boxes(picture)) == 4
    assert "20 artifacts" in picture
    assert len(boxes(svg(graph(Shape(21, 2, [*edges, (1, 20, "output", None)])), [3]))) == 5


def test_picture_of_a_large_graph_is_cut_with_a_note() -> None:
    picture = svg(graph(chain(200)), [100])
    assert len(boxes(picture)) == MOST
    assert f"{MOST} of 400 boxes" in picture
    assert len(svg(graph(chain(200)), [100])) < 100_000


def test_runs_of_the_same_code_are_one_box() -> None:
    shape = Shape(
        8, 4, [(r, a, d, None) for r in range(4) for a, d in ((r, "input"), (r + 4, "output"))]
    )
    picture = svg(graph(shape), [-1, -2, -3, -4], by_code=True)
    assert sorted(re.findall(r"\d+ completed", picture)) == ["2 completed", "2 completed"]


def test_graph_is_a_picture_in_a_notebook_and_a_tree_on_a_terminal(
    instance: Instance, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("in.txt", "a")
    ln.Artifact("in.txt", run=False).save()
    for text in ("b", "c"):
        with ln.run("shout.py") as run:
            ln.Artifact.get(key="in.txt").load()
            write("out.txt", text)
            artifact = ln.Artifact("out.txt").save()
    assert artifact.view_lineage() is None
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "out.txt  v0001"
    shown = artifact.view_lineage(return_graph=True)
    assert isinstance(shown, Lineage)
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] + "\n" == printed
    assert len(boxes(bundle["image/svg+xml"])) == 3
    assert shown._repr_svg_() == bundle["image/svg+xml"]
    assert repr(shown) == "Lineage(2 artifacts, 1 runs, 2 edges)"
    assert len(artifact.view_lineage(up=1, down=0, return_graph=True).nodes) == 2
    assert artifact.view_lineage(as_of="1w", return_graph=True).nodes == []

    ln.Artifact.get(key="in.txt").view_lineage(down=1)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line] == [
        "in.txt",
        "in.txt",
        "├─",
        "└─",
    ]
    run.view_lineage()
    assert capsys.readouterr().out.startswith(f"run {run.uid} of shout.py")
    run.transform.view_lineage()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "run",
        "└─",
        "run",
        "└─",
    ]
    of_code = run.transform.view_lineage(return_graph=True)
    assert len(of_code.runs) == 2
    assert sorted(re.findall(r"\b2 [a-z]+(?=<)", of_code.svg())) == ["2 completed", "2 versions"]


def test_lineage_of_a_collection_starts_at_its_artifacts(
    instance: Instance, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = []
    for name in "ab":
        with ln.run(f"{name}.py"):
            write(f"{name}.txt", name)
            saved.append(ln.Artifact(f"{name}.txt").save())
    collection = ln.Collection(saved, key="both").save()
    collection.view_lineage()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "a.txt",
        "└─",
        "b.txt",
        "└─",
    ]
    shown = collection.view_lineage(return_graph=True)
    assert (len(shown.artifacts), len(shown.runs)) == (2, 2)
    assert shown.svg().count("artifact start") == 2


def test_flow_that_publishes_the_output_of_its_task_is_not_drawn_as_second_producer() -> None:
    flow, task = (0, 0, "output", "published"), (1, 0, "output", None)
    both = graph(Shape(1, 2, [flow, task]))
    assert [title for title in boxes(svg(both, [1])) if title.startswith("run")] == [
        "run 0000000000000002"
    ]
    assert "0000000000000001 of" not in Lineage.around(both, [("artifact", 1)]).tree()
    alone = graph(Shape(1, 1, [flow]))
    assert [title for title in boxes(svg(alone, [1])) if title.startswith("run")] == [
        "run 0000000000000001"
    ]
    assert len(boxes(svg(both, [-1]))) == 3  # asked for, the flow is shown with what it handed on
