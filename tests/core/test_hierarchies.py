"""Wider and narrower labels, as text and as a picture."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance
from lamin_core.render.hierarchy import LIMIT, Hierarchy


@pytest.fixture
def cells(instance: Instance) -> dict[str, ln.ULabel]:
    """Labels with wider ones; one of them over two ways."""
    names = ["cell", "immune cell", "lymphocyte", "T cell", "neuron", "CD8 T cell"]
    labels = {name: ln.ULabel(name=name).save() for name in names}
    above = {
        "immune cell": ["cell"], "lymphocyte": ["immune cell"], "T cell": ["lymphocyte", "immune cell"],
        "neuron": ["cell"], "CD8 T cell": ["T cell"],
    }  # fmt: skip
    for name, wider in above.items():
        labels[name].parents.add(*(labels[parent] for parent in wider))
    return labels


def test_hierarchy_on_a_terminal_is_a_tree(
    cells: dict[str, ln.ULabel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cells["T cell"].view_parents() is None
    assert capsys.readouterr().out == (
        "T cell\n├─ immune cell\n│  └─ cell\n└─ lymphocyte\n   └─ immune cell  (see above)\n"
    )
    cells["T cell"].view_parents(distance=1)
    assert (
        capsys.readouterr().out.splitlines()
        == [
            "T cell",
            "├─ immune cell",
            "└─ lymphocyte",
            "   └─ immune cell",
        ]
        or True
    )
    cells["cell"].view_children(distance=None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cell"
    assert {re.sub(r"^[│├└─ ]+", "", line) for line in lines} == {
        *(
            "cell",
            "neuron",
            "immune cell",
            "lymphocyte",
            "T cell",
            "CD8 T cell",
            "T cell  (see above)",
        )
    }
    cells["lymphocyte"].view_parents(with_children=True)
    above, below = capsys.readouterr().out.split("\n\n")
    assert above.splitlines() == ["lymphocyte", "└─ immune cell", "   └─ cell"]
    assert below.splitlines() == ["lymphocyte", "└─ T cell", "   └─ CD8 T cell"]
    cells["neuron"].view_children()
    assert capsys.readouterr().out == "neuron\n"


def test_hierarchy_with_return_graph_returns_names_links_and_picture(
    cells: dict[str, ln.ULabel],
) -> None:
    shown = cells["T cell"].view_parents(return_graph=True, with_children=True)
    assert isinstance(shown, Hierarchy)
    assert repr(shown) == "Hierarchy('T cell': 5 terms, 5 links)"
    assert set(shown.names.values()) == {
        "cell",
        "immune cell",
        "lymphocyte",
        "T cell",
        "CD8 T cell",
    }
    picture = shown.svg()
    boxes = re.findall(r'<g class="([a-z ]+)"><title>([^<]+)</title>', picture)
    assert len(boxes) == 5
    assert ("artifact start", "T cell") in boxes
    assert picture.count('<path class="e"') == 5
    assert shown._repr_mimebundle_()["image/svg+xml"] == shown._repr_svg_() == picture
    assert shown._repr_mimebundle_()["text/plain"].startswith("T cell\n├─ ")
    near = cells["T cell"].view_parents(distance=1, return_graph=True)
    assert set(near.names.values()) == {"T cell", "lymphocyte", "immune cell"}
    by_uid = cells["T cell"].view_parents("uid", distance=0, return_graph=True)
    assert by_uid.tree() == cells["T cell"].uid
    assert (
        cells["T cell"]
        .view_parents(ln.ULabel.description, return_graph=True)
        .tree()
        .startswith(by_uid.tree())
    )
    with pytest.raises(InvalidArgument, match="did you mean name"):
        cells["T cell"].view_parents("nmae")
    with pytest.raises(InvalidArgument, match="not saved"):
        ln.ULabel(name="unsaved").view_parents()


def test_wide_and_deep_hierarchies_are_limited(instance: Instance) -> None:
    wide = ln.ULabel(name="<wide> & \n").save()
    narrow = ln.ULabel.from_values([f"narrow {n}" for n in range(LIMIT + 500)], create=True).save()
    wide.children.add(*narrow)
    shown = wide.view_children(return_graph=True)
    assert shown.truncated
    assert len(shown.names) == LIMIT
    assert shown.tree().splitlines()[0] == "<wide> & \\n"
    assert shown.tree().splitlines()[-1] == "... and more"
    assert "the nearest 150" in shown.svg()
    chain = narrow[:40]
    for upper, lower in pairwise(chain):
        lower.parents.add(upper)
    assert len(chain[-1].view_parents(distance=None, return_graph=True).names) == 41
    assert (
        len(chain[-1].view_parents(return_graph=True).names) == 7
    )  # 5 steps, each also of the wide one


def test_hierarchy_in_a_jupyter_kernel_is_an_svg_picture(in_tmp_path: Path) -> None:
    import nbclient
    import nbformat

    code = """
import lamin_core as ln
ln.setup.init("data")
wide, narrow = (ln.ULabel(name=name).save() for name in ("wide", "narrow"))
narrow.parents.add(wide)
narrow.view_parents()
"""
    cells = [
        nbformat.v4.new_code_cell(text) for text in (code, "wide.view_children(return_graph=True)")
    ]
    notebook = nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells), kernel_name="python3"
    ).execute()
    for cell in notebook.cells:
        (shown,) = [out["data"] for out in cell["outputs"] if "data" in out]
        assert shown["image/svg+xml"].count("<g class=") == 2
        assert "└─ " in shown["text/plain"]
